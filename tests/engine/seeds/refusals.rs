//! What is wrong is told by file and line, and nothing changes.

use super::harness::{Bench, answers, image, nothing, profile, profile_of, refused, run, stopped, text};
use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::plan::Confirmation;
use drydock_engine::domain::secret::Secret;
use drydock_engine::domain::seed::SeedAnswers;
use drydock_engine::domain::{FailureCode, Outcome};
use drydock_engine::{ApplyOptions, Target};

const TABLES: &str = "CREATE TYPE level AS ENUM ('low', 'high');
CREATE TABLE plans (id serial PRIMARY KEY, code varchar(8) UNIQUE NOT NULL, price int CHECK (price >= 0), level level, total int GENERATED ALWAYS AS (price * 2) STORED);
CREATE TABLE offers (id int PRIMARY KEY, plan_id int NOT NULL REFERENCES plans (id));
CREATE TABLE a (id int PRIMARY KEY, b_id int NOT NULL); CREATE TABLE b (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a (id)); ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b (id);
INSERT INTO plans (code, price) VALUES ('there', 1);";

#[tokio::test]
async fn what_does_not_fit_the_tables_is_told_before_anything_runs() {
    let bench = Bench::start().await;
    let mut base = bench.base("unfit", TABLES).await;
    let before = image(&mut base.connection).await;
    let block = |table: &str, key: &str, row: &str| {
        format!(
            "[[tables]]\ntable = \"{table}\"\nkey = [\"{key}\"]\nmode = \"upsert\"\nrows = [\n  {row},\n]\n"
        )
    };
    for (text, line, said) in [
        (
            block("planz", "code", "{ code = \"a\" }"),
            5,
            "The table `planz` does not exist in the schema `public`. Is `plans` meant?",
        ),
        (
            block("plans", "code", "{ code = \"a\", prise = 1 }"),
            10,
            "`public.plans` has no column `prise`. Is `price` meant?",
        ),
        (
            block("plans", "code", "{ code = \"a\", total = 1 }"),
            10,
            "`total` is always computed by the database.",
        ),
        (
            block("offers", "id", "{ id = 1 }"),
            10,
            "`offers.plan_id` may not be NULL, and neither the row nor the server fills it.",
        ),
        (
            block(
                "offers",
                "id",
                "{ id = 1, plan_id = { reference = \"plans\", by = { cod = \"x\" }, take = \"id\" } }",
            ),
            10,
            "`public.plans` has no column `cod`. Is `code` meant?",
        ),
    ] {
        let profile = profile_of(&text);
        let failure =
            refused(&bench, &base.target, profile.path(), nothing(), FailureCode::ProfileInvalid).await;
        let why = failure.why.unwrap();
        assert!(why.contains(&format!("profile.toml, line {line}: ")) && why.contains(said), "{why}");
    }
    let circle = profile_of(
        &(block("a", "id", "{ id = 1, b_id = { reference = \"b\", by = { id = 1 }, take = \"id\" } }")
            + &block("b", "id", "{ id = 1, a_id = 1 }")),
    );
    let failure = refused(&bench, &base.target, circle.path(), nothing(), FailureCode::ProfileInvalid).await;
    assert!(failure.why.unwrap().contains("a.b_id, b.a_id"), "the columns of a circle are named");
    assert_eq!(image(&mut base.connection).await, before);
}

#[tokio::test]
async fn a_row_that_the_server_refuses_is_told_by_its_line() {
    let bench = Bench::start().await;
    let mut base = bench.base("rows", TABLES).await;
    let before = image(&mut base.connection).await;
    let head = "title = \"Rows\"\ndescription = \"\"\nengines = [\"postgresql\"]\ntiers = [\"development\"]\n[[tables]]\ntable = \"plans\"\nkey = [\"code\"]\nmode = \"upsert\"\nfile = \"plans.csv\"\n";
    for (row, said, next) in [
        ("bad,one,low", "The value of `price` does not fit.", "Write a value of the type integer."),
        ("bad,99999999999,low", "The value of `price` does not fit.", "integer"),
        ("bad,1,hihg", "The value of `level` does not fit.", "Use one of: low, high."),
        ("muchtoolong,1,low", "The value of `code` does not fit.", "character varying(8)"),
        ("bad,-1,low", "It breaks a CHECK rule of the table.", "Correct the value."),
    ] {
        let csv = format!("code,price,level\ngood,1,low\nalso,2,high\n{row}\nmore,3,low\n");
        let profile = profile(&[("profile.toml", head), ("plans.csv", &csv)]);
        let failure = stopped(&bench, &base.target, profile.path(), FailureCode::RowRefused).await;
        assert!(failure.what.contains("plans.csv, line 4: ") && failure.what.contains(said), "{failure:?}");
        assert!(failure.next.as_ref().unwrap().contains(next), "{failure:?}");
        assert!(failure.unchanged.is_some());
    }
    let profile = profile_of(
        "[[tables]]\ntable = \"offers\"\nkey = [\"id\"]\nmode = \"upsert\"\nrows = [\n  { id = 1, plan_id = { reference = \"plans\", by = { code = \"there\" }, take = \"id\" } },\n  { id = 2, plan_id = { reference = \"plans\", by = { code = \"nowhere\" }, take = \"id\" } },\n]\n",
    );
    let failure = stopped(&bench, &base.target, profile.path(), FailureCode::RowRefused).await;
    assert!(
        failure.what.contains("line 11: ")
            && failure.what.contains("`plan_id` leads to no row of `plans` with code = nowhere."),
        "{failure:?}"
    );
    let profile = profile_of(
        "[[tables]]\ntable = \"offers\"\nkey = [\"id\"]\nmode = \"upsert\"\nrows = [\n  { id = 1, plan_id = 1 },\n  { id = 2, plan_id = 77 },\n]\n",
    );
    let failure = stopped(&bench, &base.target, profile.path(), FailureCode::RowRefused).await;
    assert!(
        failure.what.contains("line 11: ") && failure.what.contains("It refers to a row that is not there."),
        "{failure:?}"
    );
    assert_eq!(image(&mut base.connection).await, before);
}

#[tokio::test]
async fn production_takes_no_test_accounts_no_weak_passwords_and_no_profile_that_never_settles() {
    let bench = Bench::start().await;
    let mut base = bench
        .base("policy", "CREATE TABLE users (id text PRIMARY KEY, email text UNIQUE NOT NULL, hash text)")
        .await;
    let production = Target::from_url(&Secret::new(base.url.clone()), Tier::Production, None).unwrap();
    let only = profile(&[(
        "profile.toml",
        "title = \"Only here\"\ndescription = \"\"\nengines = [\"postgresql\"]\ntiers = [\"development\"]\n[[tables]]\ntable = \"users\"\nkey = [\"email\"]\nmode = \"upsert\"\nrows = [ { id = \"1\", email = \"ada@atelier.io\" } ]\n",
    )]);
    let failure = refused(&bench, &production, only.path(), nothing(), FailureCode::SeedForbidden).await;
    assert!(failure.why.unwrap().contains("development only"));
    let block = |rows: &str| {
        profile_of(&format!(
            "[[inputs]]\nname = \"secret\"\nlabel = \"Password\"\nkind = \"password\"\nhash = \"argon2id\"\nargon2 = {{ memory_kib = 8192, passes = 1, lanes = 1 }}\n[[tables]]\ntable = \"users\"\nkey = [\"email\"]\nmode = \"upsert\"\nrows = [ {rows} ]\n"
        ))
    };
    for (rows, password, check) in [
        (
            "{ id = \"1\", email = \"admin@admin.com\", hash = { input = \"secret\" } }",
            "mossy-lantern-42-orbit",
            "test-account",
        ),
        (
            "{ id = \"1\", email = \"ada@atelier.io\", hash = { input = \"secret\" } }",
            "admin123",
            "weak-password",
        ),
        (
            "{ id = { generate = \"uuid_v4\", on = \"always\" }, email = \"ada@atelier.io\", hash = { input = \"secret\" } }",
            "mossy-lantern-42-orbit",
            "not-idempotent",
        ),
    ] {
        let profile = block(rows);
        let form = || super::harness::with_password(nothing(), &bench.engine, "secret", password);
        let id = profile.path().display().to_string();
        let review = bench.engine.seed_plan(&production, &id, form()).await.unwrap();
        let finding = review.plan.findings.iter().find(|finding| finding.check == check).unwrap();
        assert_eq!(finding.outcome, Outcome::Block, "{finding:?}");
        let text = serde_json::to_string(&review.for_screen()).unwrap();
        assert!(
            !text.contains(password) && !text.contains("$argon2"),
            "neither password nor hash reaches a screen"
        );
        let review = bench.engine.seed_plan(&base.target, &id, form()).await.unwrap();
        assert!(
            review.plan.findings.iter().all(|finding| finding.outcome != Outcome::Block),
            "development may: {review:?}"
        );
    }
    run(&mut base.connection, "SELECT 1").await;
}

#[tokio::test]
async fn a_plan_whose_profile_or_rows_moved_is_void() {
    let bench = Bench::start().await;
    let mut base = bench.base("moved", TABLES).await;
    let text = "[[tables]]\ntable = \"plans\"\nkey = [\"code\"]\nmode = \"upsert\"\nrows = [ { code = \"there\", price = 5 } ]\n";
    let profile = profile_of(text);
    let (review, _, _) = bench.try_out(&base.target, profile.path(), nothing()).await;
    run(&mut base.connection, "UPDATE plans SET price = 4 WHERE code = 'there'").await;
    let ended = bench.apply(&base.target, &review).await;
    let failure = ended.failure.unwrap();
    assert_eq!(
        failure.code,
        FailureCode::NotAsShown,
        "a row that moved since is not overwritten unseen: {failure:?}"
    );
    assert_eq!(super::harness::text(&mut base.connection, "SELECT price FROM plans").await, "4");
    let (review, _, _) = bench.try_out(&base.target, profile.path(), nothing()).await;
    let path = profile.path().join("profile.toml");
    let moved = std::fs::read_to_string(&path).unwrap().replace("price = 5", "price = 6");
    std::fs::write(path, moved).unwrap();
    let confirmation = drydock_engine::domain::plan::Confirmation {
        digest: review.plan.digest.clone(),
        ..Default::default()
    };
    let failure = bench
        .engine
        .start_apply(&base.target, &review.plan.id, confirmation, Default::default())
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::PlanVoid, "{failure:?}");
}

#[tokio::test]
async fn administrators_with_a_password_that_everybody_tries_stop_a_seed_on_production() {
    let bench = Bench::start().await;
    let mut base = bench
        .base("people", "CREATE TABLE flags (name text PRIMARY KEY); CREATE TABLE users (id int PRIMARY KEY, role text, password_hash text); CREATE TABLE staff (id int PRIMARY KEY, is_admin boolean, password text); CREATE TABLE notes (id int, password text)")
        .await;
    let argon = |password: &str| {
        let salt = SaltString::from_b64("c2FsdHNhbHRzYWx0").unwrap();
        let params = Params::new(1_024, 1, 1, None).unwrap();
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password(password.as_bytes(), &salt).unwrap().to_string()
    };
    let bcrypt = bcrypt::hash("changeme", 4).unwrap();
    run(
        &mut base.connection,
        &format!(
            "INSERT INTO users VALUES (1, 'admin', '{}'), (2, 'SUPER_ADMIN', '{}'), (3, 'customer', '{}'); INSERT INTO staff VALUES (7, true, '{bcrypt}'), (8, false, '{bcrypt}')",
            argon("admin123"),
            argon("mossy-lantern-42-orbit"),
            argon("password"),
        ),
    )
    .await;
    let mut target = base.target.clone();
    target.tier = Tier::Production;
    let profile = profile_of(
        "[[tables]]\ntable = \"flags\"\nkey = [\"name\"]\nmode = \"insert-missing\"\nrows = [ { name = \"a\" } ]\n",
    );
    let id = profile.path().display().to_string();
    let told = |target: Target, try_stored: bool| {
        let (engine, id) = (bench.engine.clone(), id.clone());
        async move {
            let form = SeedAnswers { try_stored, ..SeedAnswers::default() };
            let review = engine.seed_plan(&target, &id, form).await.unwrap();
            let about =
                review.plan.findings.into_iter().filter(|finding| finding.check == "stored-passwords");
            about.map(|finding| (finding.outcome, finding.title)).collect::<Vec<_>>()
        }
    };
    let unasked = told(target.clone(), false).await;
    assert_eq!(unasked.len(), 2, "{unasked:?}");
    assert!(
        unasked.iter().all(|(outcome, _)| *outcome == Outcome::Unknown),
        "not tried, so not known: {unasked:?}"
    );
    let tried = told(target.clone(), true).await;
    let weak = |table: &str, key: &str| {
        let title =
            format!("An administrator in public.{table} has a password that anybody tries first: {key}.");
        assert!(tried.contains(&(Outcome::Block, title)), "{tried:?}");
    };
    weak("users", "1");
    weak("staff", "7");
    assert!(told(base.target.clone(), true).await.is_empty(), "only production is asked about");
    run(
        &mut base.connection,
        "UPDATE users SET password_hash = 'pbkdf2$1$x' WHERE id = 1; DELETE FROM staff",
    )
    .await;
    let tried = told(target.clone(), true).await;
    let open = (Outcome::Unknown, "Of 2 administrators in public.users, 1 could not be tried.".to_owned());
    assert!(tried.contains(&open), "{tried:?}");
    assert!(
        tried.contains(&(Outcome::Pass, "public.staff has no administrator yet.".to_owned())),
        "{tried:?}"
    );
    run(&mut base.connection, "DELETE FROM users; INSERT INTO staff SELECT i, true, 'x' FROM generate_series(1, 20) i; INSERT INTO staff VALUES (99, true, 'admin123')").await;
    let tried = told(target.clone(), true).await;
    let unknown = tried.iter().all(|(outcome, _)| *outcome == Outcome::Unknown);
    assert!(unknown, "neither a role that is not known nor the 21st is a pass: {tried:?}");
}

#[tokio::test]
async fn rows_of_a_chosen_file_are_seeded_told_by_their_line_and_void_the_plan_when_they_move() {
    let bench = Bench::start().await;
    let mut base = bench
        .base(
            "chosen",
            "CREATE TABLE clients (code text PRIMARY KEY, credits int NOT NULL CHECK (credits >= 0))",
        )
        .await;
    let profile = profile_of(
        "[[inputs]]\nname = \"list\"\nlabel = \"The clients\"\nkind = \"file\"\n[[tables]]\ntable = \"clients\"\nkey = [\"code\"]\nmode = \"upsert\"\nfile = { input = \"list\" }\n",
    );
    let id = profile.path().display().to_string();
    let chosen = tempfile::tempdir().unwrap();
    let file = chosen.path().join("march.csv");
    std::fs::write(&file, "code,credits\nacme,5\nbeta,-1\n").unwrap();
    let form = || answers(&[("list", &file.display().to_string())]);
    let needed = bench.engine.seed_plan(&base.target, &id, nothing()).await.unwrap_err();
    assert!(needed.why.unwrap().contains("The clients"), "a file is needed");
    let lost = bench
        .engine
        .seed_plan(&base.target, &id, answers(&[("list", "/nowhere/march.csv")]))
        .await
        .unwrap_err();
    assert_eq!(lost.code, FailureCode::FileSystem);
    let review = bench.engine.seed_plan(&base.target, &id, form()).await.unwrap();
    let run_ = bench.engine.start_dry_run(&base.target, &review.plan.id).await.unwrap();
    let failed = bench.engine.wait_run(&run_.id, &mut |_| {}).await.unwrap().failure.unwrap();
    assert!(format!("{failed:?}").contains("march.csv, line 3"), "{failed:?}");
    std::fs::write(&file, "code,credits\nacme,5\nbeta,1\n").unwrap();
    let (review, _, changes) = bench.try_out(&base.target, profile.path(), form()).await;
    assert_eq!(changes.tables[0].inserted, 2);
    std::fs::write(&file, "code,credits\nacme,5\nbeta,100\n").unwrap();
    let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
    let options = ApplyOptions::default();
    let moved =
        bench.engine.start_apply(&base.target, &review.plan.id, confirmation, options).await.unwrap_err();
    assert_eq!(moved.code, FailureCode::PlanVoid, "the file moved");
    bench.seed(&base.target, profile.path(), form()).await;
    assert_eq!(text(&mut base.connection, "SELECT sum(credits) FROM clients").await, "105");
}
