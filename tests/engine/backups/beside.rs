//! Restoring beside the target: a new database, and one that takes the target's name. The target is the old one, or
//! the new one, never a bit of both; what was made and is of no use is dropped again.

use super::harness::{Bench, State, TORTURE, deep, lines, one, quick, run};
use drydock_engine::domain::backup::{
    BackupRequest, BackupScope, RestoreInto, RestoreRequest, RestoreWhat, TableName,
};
use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::plan::{Confirmation, GateKind, PlanReview, Step};
use drydock_engine::domain::run::{Run, RunStatus, StepStatus};
use drydock_engine::domain::secret::Secret;
use drydock_engine::domain::{Failure, FailureCode, Outcome};
use drydock_engine::{ApplyOptions, Target};
use drydock_lab::Version;
use sqlx::{Connection, PgConnection};

fn wish(backup_id: &str, into: RestoreInto) -> RestoreRequest {
    RestoreRequest {
        backup_id: backup_id.to_owned(),
        what: RestoreWhat::Everything,
        into,
        other_database: None,
    }
}

fn named(name: &str) -> RestoreInto {
    RestoreInto::NewDatabase { name: name.to_owned() }
}

async fn confirmed(bench: &Bench, target: &Target, review: &PlanReview) -> Run {
    let confirmation = Confirmation {
        digest: review.plan.digest.clone(),
        ticked_findings: (0_u32..).take(review.plan.findings.len()).collect(),
        ..Confirmation::default()
    };
    let run = bench
        .engine
        .start_apply(target, &review.plan.id, confirmation, ApplyOptions::default())
        .await
        .unwrap();
    bench.engine.wait_run(&run.id, &mut |_| {}).await.unwrap()
}

async fn restored(bench: &Bench, target: &Target, request: RestoreRequest) -> Run {
    let review = bench.engine.restore_plan(target, request).await.unwrap();
    let run = confirmed(bench, target, &review).await;
    assert_eq!(run.status, RunStatus::Succeeded, "{:#?}\n{:#?}", run.failure, run.steps);
    run
}

async fn closed(bench: &Bench, target: &Target, backup: &str, into: &RestoreInto) -> String {
    let refused = bench.engine.restore_plan(target, wish(backup, into.clone())).await.unwrap_err();
    assert_eq!(refused.code, FailureCode::RestoreRefused, "{refused:?}");
    refused.why.unwrap()
}

async fn databases(connection: &mut PgConnection) -> Vec<String> {
    lines(connection, "SELECT datname::text FROM pg_database WHERE NOT datistemplate ORDER BY 1").await
}

/// What an identity column and a serial give next, without the search for their sequences.
async fn next_values(connection: &mut PgConnection) -> String {
    one(
        connection,
        "WITH a AS (INSERT INTO every_type (count) VALUES (1) RETURNING id), b AS (INSERT INTO serials (text) VALUES ('x') RETURNING id, other) \
         SELECT concat_ws(' ', a.id, b.id, b.other) FROM a, b",
    )
    .await
}

#[tokio::test]
async fn a_backup_becomes_a_new_database_equal_in_everything() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start_on(version).await;
        let (target, mut connection) = bench.base("torture", TORTURE).await;
        run(
            &mut connection,
            "CREATE ROLE reader; GRANT SELECT ON audited TO reader; ALTER TABLE heap OWNER TO reader",
        )
        .await;
        let before = State::read(&mut connection).await;
        let (backup, _) = bench.proven(&target, deep()).await;
        run(
            &mut connection,
            "DROP TABLE computed; DELETE FROM every_type; INSERT INTO serials (text) VALUES ('later')",
        )
        .await;
        let now = State::read(&mut connection).await;
        let review =
            bench.engine.restore_plan(&target, wish(&backup.id, named("Torture \"copy\""))).await.unwrap();
        assert!(review.plan.findings.is_empty(), "{:#?}", review.plan.findings);
        assert!(
            !review.plan.steps.iter().any(|step| matches!(step, Step::BackUp(_))),
            "nothing is overwritten"
        );
        let done = confirmed(&bench, &target, &review).await;
        assert_eq!(done.status, RunStatus::Succeeded, "{:#?}\n{:#?}", done.failure, done.steps);
        assert!(
            done.aftermath.iter().any(|line| line.contains("make an environment for it")),
            "{:?}",
            done.aftermath
        );
        let mut copy = bench.server.connect("Torture \"copy\"").await;
        State::read(&mut copy).await.is_as(&before);
        assert_eq!(one(&mut copy, "SELECT encode(lo_get(424242), 'hex')").await, "0001fe");
        assert_eq!(
            one(&mut copy, "SELECT has_table_privilege('reader', 'audited', 'SELECT')::text").await,
            "true"
        );
        assert_eq!(
            one(&mut copy, "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'heap'::regclass").await,
            "reader"
        );
        // The target was not touched.
        State::read(&mut connection).await.is_as(&now);
        assert_eq!(databases(&mut connection).await, ["Torture \"copy\"", "postgres", "torture"]);
        // What it gives next is what the old one would have given.
        let values = next_values(&mut copy).await;
        assert_eq!(values, "128 77 10");
        // Every second table, and one that refers to a table which is not chosen, among all else that there is.
        let detail = bench.engine.backup_detail(&backup.id).await.unwrap();
        let mut tables: Vec<TableName> =
            detail.tables.iter().map(|table| table.table.clone()).step_by(2).collect();
        tables.retain(|table| !["people", "teams"].contains(&table.name.as_str()));
        tables.push(TableName::new("public", "people"));
        assert!(tables.len() > 5, "{tables:?}");
        let half = RestoreRequest { what: RestoreWhat::Tables { tables }, ..wish(&backup.id, named("half")) };
        let done = restored(&bench, &target, half).await;
        let note = done.steps.iter().find(|step| step.verb == "Restore").unwrap().note.clone().unwrap();
        assert!(
            note.contains("the other tables are empty; the schema around them was not compared"),
            "{note}"
        );
        assert!(note.ends_with("left out: 1 reference to rows that are not in it (people_team)"), "{note}");
        run(&mut connection, "DROP DATABASE half").await;
        // The name is taken now, before anything is made.
        let taken = closed(&bench, &target, &backup.id, &named("Torture \"copy\"")).await;
        assert!(taken.contains("already"), "{taken}");
    }
}

#[tokio::test]
async fn a_new_database_takes_the_targets_place_with_all_that_surrounds_it() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start_on(version).await;
        let (target, mut connection) = bench.base("torture", TORTURE).await;
        run(
            &mut connection,
            "CREATE ROLE web LOGIN PASSWORD 'w'; CREATE ROLE keeper; GRANT SELECT ON audited TO web;
             ALTER DATABASE torture OWNER TO keeper; ALTER DATABASE torture CONNECTION LIMIT 40;
             ALTER DATABASE torture SET search_path = public, \"Odd \"\"Schema\"\"\"; ALTER DATABASE torture SET app.tenant = 'it''s=b';
             ALTER DATABASE torture SET statement_timeout = '1h'; ALTER ROLE web IN DATABASE torture SET lock_timeout = '3s';
             COMMENT ON DATABASE torture IS 'kept with care'; REVOKE ALL ON DATABASE torture FROM PUBLIC;
             GRANT CONNECT ON DATABASE torture TO web WITH GRANT OPTION; GRANT TEMPORARY ON DATABASE torture TO keeper",
        )
        .await;
        let surroundings = "SELECT concat_ws(' | ', datdba::regrole, datconnlimit, shobj_description(oid, 'pg_database'), \
             (SELECT string_agg(concat_ws(' ', grantee::regrole, privilege_type, is_grantable), ',' ORDER BY grantee, privilege_type) FROM aclexplode(datacl)), \
             (SELECT string_agg(concat_ws(' ', nullif(setrole, 0)::regrole, setconfig::text), ',' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid), \
             encoding, datcollate, datctype, dattablespace) FROM pg_database d WHERE datname = 'torture'";
        let around = one(&mut connection, surroundings).await;
        let before = State::read(&mut connection).await;
        let (backup, _) = bench.proven(&target, deep()).await;
        run(&mut connection, "DELETE FROM every_type WHERE id > 110; ALTER TABLE people ADD COLUMN extra text; INSERT INTO audited VALUES (99, 'late')").await;
        let damaged = State::read(&mut connection).await;
        let oid = one(&mut connection, "SELECT oid::text FROM pg_database WHERE datname = 'torture'").await;
        let mut web = app(&bench, "torture").await;
        let review = bench.engine.restore_plan(&target, wish(&backup.id, RestoreInto::Swap)).await.unwrap();
        let sessions = review.plan.findings.iter().find(|finding| finding.check == "sessions").unwrap();
        assert!(sessions.title.starts_with("2 sessions are cut"), "{}", sessions.title);
        assert!(sessions.title.contains("1 of the shop (user web)"), "{}", sessions.title);
        assert!(
            review.plan.findings.iter().any(|finding| finding.check == "restore-loss" && finding.destructive)
        );
        let point = review.gates.iter().find(|gate| gate.kind == GateKind::RestorePoint).unwrap();
        assert!(
            point.outcome == Outcome::Pass && point.evidence.contains("torture_before_"),
            "{}",
            point.evidence
        );
        let done = confirmed(&bench, &target, &review).await;
        assert_eq!(done.status, RunStatus::Succeeded, "{:#?}\n{:#?}", done.failure, done.steps);
        let said = done.aftermath.join(" ");
        assert!(said.contains("2 sessions were cut") && said.contains("To go back to it"), "{said}");
        assert!(sqlx::raw_sql("SELECT 1").execute(&mut web).await.is_err(), "the session was cut");
        assert!(sqlx::raw_sql("SELECT 1").execute(&mut connection).await.is_err());
        // The application comes back by the same name, and finds the new one.
        app(&bench, "torture").await;
        let mut fresh = bench.server.connect("torture").await;
        assert_eq!(one(&mut fresh, surroundings).await, around);
        run(&mut fresh, "SET search_path = public").await;
        State::read(&mut fresh).await.is_as(&before);
        assert_ne!(one(&mut fresh, "SELECT oid::text FROM pg_database WHERE datname = 'torture'").await, oid);
        let kept =
            databases(&mut fresh).await.into_iter().find(|name| name.starts_with("torture_before_")).unwrap();
        assert_eq!(
            one(&mut fresh, &format!("SELECT oid::text FROM pg_database WHERE datname = '{kept}'")).await,
            oid
        );
        let mut old = bench.server.connect(&kept).await;
        run(&mut old, "SET search_path = public").await;
        State::read(&mut old).await.is_as(&damaged);
        assert_eq!(databases(&mut fresh).await, ["postgres".to_owned(), "torture".to_owned(), kept]);
        // Asked again, the console knows that it is the one that was made.
        let examined = bench.engine.examine_run(Some(&target), &done.id).await.unwrap();
        assert!(examined.headline.starts_with("The databases were exchanged"), "{}", examined.headline);
        assert!(
            examined.evidence.iter().all(|finding| finding.outcome == Outcome::Pass),
            "{:#?}",
            examined.evidence
        );
    }
}

#[tokio::test]
async fn a_database_that_a_restore_left_is_an_environment_of_its_own_with_one_press() {
    let bench = Bench::start().await;
    let (_, mut connection) = bench.base("shop", "CREATE TABLE t (id int PRIMARY KEY)").await;
    let target = bench.engine.target(&bench.environment("shop").await).await.unwrap();
    let (backup, _) = bench.proven(&target, deep()).await;
    run(&mut connection, "INSERT INTO t VALUES (7)").await;
    connection.close().await.unwrap();

    let look = restored(&bench, &target, wish(&backup.id, named("shop_look"))).await;
    let made = bench.engine.environment_of_restore(&look.id).await.unwrap();
    assert_eq!((made.name.as_str(), made.pin.as_ref()), ("shop_look", None));
    assert_eq!(made.tier, target.tier);
    let again = bench.engine.environment_of_restore(&look.id).await.unwrap();
    assert_eq!(again.id, made.id, "it is the same one however often it is asked for");

    let swapped = restored(&bench, &target, wish(&backup.id, RestoreInto::Swap)).await;
    let before = bench.engine.environment_of_restore(&swapped.id).await.unwrap();
    assert!(before.name.starts_with("shop_before_"), "{}", before.name);
    for (environment, rows) in [(made, "0"), (before, "1")] {
        let there = bench.engine.target(&environment.id).await.unwrap();
        let count = bench.engine.read_query(&there, "SELECT count(*)::text FROM t").await.unwrap();
        let told = format!("{:?}", count.rows);
        assert!(told.contains(&format!("{rows:?}")), "{}: {told}", environment.name);
    }

    let shop = &bench.environment("postgres").await;
    let postgres = bench.engine.target(shop).await.unwrap();
    let no_restore = bench.back_up(&postgres, quick()).await;
    let refused = bench.engine.environment_of_restore(&no_restore.id).await.unwrap_err();
    assert_eq!(refused.code, FailureCode::EnvironmentInvalid, "{refused:?}");
}

#[tokio::test]
async fn a_swap_is_taken_back_and_the_database_before_has_its_name_again() {
    let bench = Bench::start().await;
    let (_, mut connection) = bench.base("shop", SHOP).await;
    let id = bench.environment("shop").await;
    let target = bench.engine.target(&id).await.unwrap();
    let (backup, _) = bench.proven(&target, deep()).await;
    run(&mut connection, "INSERT INTO users (name) VALUES ('late')").await;
    let damaged = State::read(&mut connection).await;
    let swapped = restored(&bench, &target, wish(&backup.id, RestoreInto::Swap)).await;
    let target = bench.engine.target(&id).await.unwrap();
    let mut app = bench.server.connect("shop").await;
    run(&mut app, "DELETE FROM users WHERE id > 10").await;
    let since = State::read(&mut app).await;

    let review = bench.engine.swap_back_plan(&target, &swapped.id).await.unwrap();
    let late = review.plan.findings.iter().find(|finding| finding.check == "swap-late-rows").unwrap();
    assert!(late.destructive && late.title.contains("shop_restored_"), "{}", late.title);
    assert!(review.plan.findings.iter().any(|finding| finding.title.starts_with("1 session is cut")));
    let point = review.gates.iter().find(|gate| gate.kind == GateKind::RestorePoint).unwrap();
    assert!(point.evidence.contains("no backup"), "{point:?}");
    let done = confirmed(&bench, &target, &review).await;
    assert_eq!(done.status, RunStatus::Succeeded, "{:#?}\n{:#?}", done.failure, done.steps);
    assert!(sqlx::raw_sql("SELECT 1").execute(&mut app).await.is_err(), "the session was cut");
    let mut before = bench.server.connect("shop").await;
    State::read(&mut before).await.is_as(&damaged);
    let names = databases(&mut before).await;
    let away = names.iter().find(|name| name.starts_with("shop_restored_")).unwrap();
    assert!(!names.iter().any(|name| name.contains("_before_")), "{names:?}");
    State::read(&mut bench.server.connect(away).await).await.is_as(&since);
    let examined = bench.engine.examine_run(Some(&target), &done.id).await.unwrap();
    assert!(examined.headline.starts_with("The databases were exchanged"), "{}", examined.headline);

    // The identity is pinned as it is now, so the next backup is taken; and what is done is not done twice.
    let target = bench.engine.target(&id).await.unwrap();
    bench.proven(&target, quick()).await;
    let again = bench.engine.swap_back_plan(&target, &swapped.id).await.unwrap_err();
    assert_eq!(again.code, FailureCode::RestoreRefused);
    assert!(again.why.unwrap().contains("taken back already"));
    let other = bench.engine.swap_back_plan(&target, &done.id).await.unwrap_err();
    assert!(other.why.unwrap().contains("swapped no databases"));
}

#[tokio::test]
async fn a_swap_whose_other_database_is_gone_or_replaced_is_not_taken_back() {
    let bench = Bench::start().await;
    let (_, connection) = bench.base("shop", SHOP).await;
    connection.close().await.unwrap();
    let id = bench.environment("shop").await;
    let target = bench.engine.target(&id).await.unwrap();
    let (backup, _) = bench.proven(&target, deep()).await;
    let swapped = restored(&bench, &target, wish(&backup.id, RestoreInto::Swap)).await;
    let target = bench.engine.target(&id).await.unwrap();
    let review = bench.engine.swap_back_plan(&target, &swapped.id).await.unwrap();
    let kept = &review.plan.swap_back().unwrap().kept;
    let mut outside = bench.server.connect("postgres").await;
    run(&mut outside, &format!("DROP DATABASE {kept}; ")).await;
    run(&mut outside, &format!("CREATE DATABASE {kept}")).await;
    let shop = bench.server.connect("shop").await;
    // The plan from before meets another database of that name: no name changes.
    let before = State::read(&mut bench.server.connect("shop").await).await;
    let done = confirmed(&bench, &target, &review).await;
    assert_eq!(done.status, RunStatus::Failed);
    let failure = done.failure.unwrap();
    assert_eq!(failure.code, FailureCode::IdentityChanged, "{failure:?}");
    assert!(failure.unchanged.unwrap().contains("is the one that it was"));
    shop.close().await.ok();
    State::read(&mut bench.server.connect("shop").await).await.is_as(&before);
    let refused = bench.engine.swap_back_plan(&target, &swapped.id).await.unwrap_err();
    assert!(refused.why.unwrap().contains("not there any more"));
}

/// The application, as its own role.
async fn app(bench: &Bench, database: &str) -> PgConnection {
    let mut connection = PgConnection::connect(&bench.server.url_as("web", "w", database)).await.unwrap();
    run(&mut connection, "SET application_name = 'the shop'").await;
    connection
}

/// A target that logs in as another role.
fn as_role(bench: &Bench, database: &str, role: &str) -> Target {
    let url = bench.server.url_as(role, "x", database);
    Target::from_url(&Secret::new(url), Tier::Development, None).unwrap()
}

const SHOP: &str = "CREATE TABLE users (id serial PRIMARY KEY, name text); INSERT INTO users (name) SELECT 'u' || i FROM generate_series(1, 500) i;";

#[tokio::test]
async fn a_role_with_few_rights_is_told_which_one_it_lacks_and_an_owner_needs_no_more_than_createdb() {
    let bench = Bench::start().await;
    let (admin, mut connection) = bench.base("shop", "").await;
    run(&mut connection, "CREATE ROLE small LOGIN PASSWORD 'x'; CREATE ROLE other LOGIN PASSWORD 'x' CREATEDB; GRANT ALL ON SCHEMA public TO small; ALTER DATABASE shop OWNER TO small").await;
    let small = as_role(&bench, "shop", "small");
    let mut own = bench.server.connect("shop").await;
    run(&mut own, &format!("SET ROLE small; {SHOP}")).await;
    let (backup, _) = bench.proven(&small, deep()).await;
    for into in [named("copy"), RestoreInto::Swap] {
        let why = closed(&bench, &small, &backup.id, &into).await;
        assert!(why.contains("small") && why.contains("CREATEDB"), "{why}");
    }
    let other = as_role(&bench, "shop", "other");
    run(&mut connection, "GRANT SELECT ON users TO other").await;
    let why = closed(&bench, &other, &backup.id, &RestoreInto::Swap).await;
    assert!(why.contains("belongs to small"), "{why}");
    run(&mut connection, "ALTER ROLE small CREATEDB").await;
    // A session that it may not end closes the exchange, and nothing but the exchange.
    let why = closed(&bench, &small, &backup.id, &RestoreInto::Swap).await;
    assert!(why.contains("may not end") && why.contains(bench.server.user()), "{why}");
    run(&mut own, "RESET ROLE").await;
    let before = State::read(&mut own).await;
    restored(&bench, &small, wish(&backup.id, named("copy"))).await;
    State::read(&mut bench.server.connect("copy").await).await.is_as(&before);
    own.close().await.unwrap();
    connection.close().await.unwrap();
    let mut outside = bench.server.connect("postgres").await;
    // The server takes a moment to forget them.
    let open = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = 'shop'";
    while one(&mut outside, open).await != "0" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    restored(&bench, &small, wish(&backup.id, RestoreInto::Swap)).await;
    let mut fresh = bench.server.connect("shop").await;
    State::read(&mut fresh).await.is_as(&before);
    assert_eq!(
        one(&mut fresh, "SELECT datdba::regrole || ' ' || (SELECT relowner::regrole FROM pg_class WHERE oid = 'users'::regclass) FROM pg_database WHERE datname = 'shop'").await,
        "small small"
    );
    // A superuser that backs up what is there now is told that the older backup is of another database.
    let refused =
        bench.engine.restore_loss(&admin, &wish(&backup.id, RestoreInto::Target)).await.unwrap_err();
    assert!(refused.what.contains("another database"), "{refused:?}");
}

#[tokio::test]
async fn what_makes_no_exact_database_is_refused_in_words() {
    let bench = Bench::start().await;
    let (target, mut connection) = bench.base("shop", SHOP).await;
    let (rows, _) = bench.proven(&target, quick()).await;
    let (part, _) = bench
        .proven(
            &target,
            BackupRequest { scope: BackupScope::Schemas { schemas: vec!["public".to_owned()] }, ..deep() },
        )
        .await;
    let (whole, _) = bench.proven(&target, deep()).await;
    for into in [named("copy"), RestoreInto::Swap] {
        assert!(closed(&bench, &target, &rows.id, &into).await.contains("quick"));
    }
    assert!(closed(&bench, &target, &part.id, &RestoreInto::Swap).await.contains("whole database"));
    for name in ["", " copy", "postgres", "shop", &"n".repeat(64)] {
        closed(&bench, &target, &whole.id, &named(name)).await;
    }
    let loss = bench.engine.restore_loss(&target, &wish(&whole.id, RestoreInto::Target)).await.unwrap();
    let open: Vec<bool> = loss.ways.iter().map(|way| way.closed.is_none()).collect();
    assert_eq!(open, [true, true, true], "{:#?}", loss.ways);
    // What would go on with the old database keeps it from being exchanged.
    run(&mut connection, "CREATE SUBSCRIPTION feed CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE)").await;
    assert!(closed(&bench, &target, &whole.id, &RestoreInto::Swap).await.contains("subscription"));
    assert_eq!(databases(&mut connection).await, ["postgres", "shop"]);
}

#[tokio::test]
async fn a_backup_of_some_schemas_becomes_a_database_of_just_these() {
    let bench = Bench::start().await;
    let tables = "CREATE TYPE state AS ENUM ('new', 'paid');
        CREATE TABLE clients (id int PRIMARY KEY, name text);
        CREATE TABLE orders (id serial PRIMARY KEY, state state NOT NULL DEFAULT 'new', client int REFERENCES clients);
        CREATE SCHEMA notes; CREATE TABLE notes.lines (id int PRIMARY KEY, client int REFERENCES clients, line text);
        INSERT INTO clients VALUES (1, 'acme'); INSERT INTO orders (client) VALUES (1), (1); INSERT INTO notes.lines VALUES (1, 1, 'x')";
    let (target, mut connection) = bench.base("shop", tables).await;
    let of = |schema: &str| BackupRequest {
        scope: BackupScope::Schemas { schemas: vec![schema.to_owned()] },
        ..deep()
    };
    let (public, _) = bench.proven(&target, of("public")).await;
    run(&mut connection, "DELETE FROM orders").await;
    let before = State::read(&mut connection).await;

    restored(&bench, &target, wish(&public.id, named("part"))).await;
    let mut there = bench.server.connect("part").await;
    let joined = "SELECT count(*)::text FROM orders JOIN clients c ON c.id = client";
    assert_eq!(one(&mut there, joined).await, "2");
    assert_eq!(one(&mut there, "SELECT nextval('orders_id_seq')::text").await, "3");
    assert_eq!(one(&mut there, "SELECT (to_regnamespace('notes') IS NULL)::text").await, "true");
    State::read(&mut connection).await.is_as(&before);

    // What refers to a table that is not in it is never half made.
    bench.back_up(&target, BackupRequest { prove: false, ..of("notes") }).await;
    let notes = bench.newest(&target).await.id;
    let failure = fails(&bench, &target, &notes, named("notes"), &before).await;
    assert!(failure.why.as_ref().unwrap().contains("clients"), "{failure:?}");
}

#[tokio::test]
async fn some_tables_of_a_backup_become_a_database_where_the_others_are_empty() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start_on(version).await;
        let (target, mut connection) = bench
            .base(
                "shop",
                "CREATE TABLE clients (id int PRIMARY KEY, name text);
                 CREATE TABLE orders (id serial PRIMARY KEY, client int CONSTRAINT \"Of client\" REFERENCES clients, total int CHECK (total > 0));
                 COMMENT ON CONSTRAINT \"Of client\" ON orders IS 'who pays';
                 CREATE TABLE lines (id int PRIMARY KEY, belongs_to int CONSTRAINT of_order REFERENCES orders ON DELETE CASCADE);
                 CREATE VIEW totals AS SELECT c.name, sum(total) FROM orders JOIN clients c ON c.id = client GROUP BY 1;
                 INSERT INTO clients VALUES (1, 'acme'); INSERT INTO orders (client, total) VALUES (1, 3), (1, 4); INSERT INTO lines VALUES (1, 1)",
            )
            .await;
        let (backup, _) = bench.proven(&target, deep()).await;
        run(&mut connection, "DELETE FROM orders").await;
        let before = State::read(&mut connection).await;
        let of = |names: &[&str], into: &str| RestoreRequest {
            what: RestoreWhat::Tables {
                tables: names.iter().map(|name| TableName::new("public", *name)).collect(),
            },
            ..wish(&backup.id, named(into))
        };
        let counts = "SELECT concat_ws(' ', (SELECT count(*) FROM clients), (SELECT count(*) FROM orders), (SELECT count(*) FROM lines))";
        let references = "SELECT conname::text FROM pg_constraint WHERE contype = 'f' ORDER BY 1";

        // Alone, its rows lead to clients that are not there.
        let review = bench.engine.restore_plan(&target, of(&["orders"], "alone")).await.unwrap();
        assert!(review.plan.findings.iter().any(|finding| finding.check == "chosen"), "{review:#?}");
        let done = confirmed(&bench, &target, &review).await;
        let note = done.steps.iter().find(|step| step.verb == "Restore").unwrap().note.clone().unwrap();
        assert_eq!(done.status, RunStatus::Succeeded, "{:#?}", done.failure);
        assert!(note.contains("1 table and 2 rows are as they were; the other tables are empty"), "{note}");
        assert!(note.contains("left out: 1 reference to rows that are not in it (Of client)"), "{note}");
        let mut alone = bench.server.connect("alone").await;
        assert_eq!(one(&mut alone, counts).await, "0 2 0");
        assert_eq!(lines(&mut alone, references).await, ["of_order"], "what holds is there");
        assert_eq!(one(&mut alone, "SELECT nextval('orders_id_seq')::text").await, "3");
        assert_eq!(one(&mut alone, "SELECT count(*)::text FROM totals").await, "0");

        // Together, every reference holds, and the schema is what was stored.
        let both = restored(&bench, &target, of(&["orders", "clients"], "both")).await;
        let note = both.steps.iter().find(|step| step.verb == "Restore").unwrap().note.clone().unwrap();
        assert!(note.contains("and so is the schema around them"), "{note}");
        let mut both = bench.server.connect("both").await;
        assert_eq!(one(&mut both, counts).await, "1 2 0");
        assert_eq!(lines(&mut both, references).await, ["Of client", "of_order"]);
        let comment =
            "SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'Of client'";
        assert_eq!(one(&mut both, comment).await, "who pays");

        // Nothing that was there was touched; rows by key make no database, and some tables take nobody's place.
        State::read(&mut connection).await.is_as(&before);
        let keyed =
            RestoreWhat::Rows { table: TableName::new("public", "orders"), keys: vec![vec!["1".to_owned()]] };
        for (what, into) in [(keyed, named("rows")), (of(&["orders"], "x").what, RestoreInto::Swap)] {
            let request = RestoreRequest { what, ..wish(&backup.id, into) };
            let refused = bench.engine.restore_plan(&target, request).await.unwrap_err();
            assert_eq!(refused.code, FailureCode::RestoreRefused, "{refused:?}");
        }
        assert_eq!(databases(&mut connection).await, ["alone", "both", "postgres", "shop"]);
    }
}

/// Fails where the step says it does, leaves nothing, and the target is as it was.
async fn fails(bench: &Bench, target: &Target, backup: &str, into: RestoreInto, before: &State) -> Failure {
    let review = bench.engine.restore_plan(target, wish(backup, into)).await.unwrap();
    let done = confirmed(bench, target, &review).await;
    assert_eq!(done.status, RunStatus::Failed, "{:#?}", done.steps);
    let step = done.steps.iter().find(|step| step.verb == "Restore").unwrap();
    assert_eq!(step.status, StepStatus::TakenBack, "{step:#?}");
    let name = &target.connector.address.database;
    let mut connection = bench.server.connect(name).await;
    State::read(&mut connection).await.is_as(before);
    let left: Vec<String> = databases(&mut connection)
        .await
        .into_iter()
        .filter(|name| name.contains("drydock") || name.contains("before"))
        .collect();
    assert!(left.is_empty(), "{left:?} were left");
    done.failure.unwrap()
}

#[tokio::test]
async fn a_failure_in_the_middle_leaves_nothing_beside_the_target() {
    let bench = Bench::start().await;
    let (target, mut connection) = bench.base("shop", &format!("CREATE ROLE passing; {SHOP} CREATE TABLE theirs (id integer); ALTER TABLE theirs OWNER TO passing")).await;
    let (backup, _) = bench.proven(&target, deep()).await;
    // The owner of a table is gone: the load stops at it.
    run(&mut connection, "DROP TABLE theirs; DROP ROLE passing").await;
    let before = State::read(&mut connection).await;
    for into in [named("copy"), RestoreInto::Swap] {
        let failure = fails(&bench, &target, &backup.id, into, &before).await;
        assert!(failure.why.as_ref().unwrap().contains("passing"), "{failure:?}");
        assert!(failure.unchanged.as_ref().unwrap().contains("dropped again"), "{failure:?}");
    }
    // The name is given away while it loads: nothing of the other database is touched.
    run(&mut connection, "CREATE ROLE passing").await;
    let review = bench.engine.restore_plan(&target, wish(&backup.id, named("late"))).await.unwrap();
    run(&mut connection, "CREATE DATABASE late").await;
    let done = confirmed(&bench, &target, &review).await;
    assert_eq!(done.status, RunStatus::Failed);
    assert!(done.failure.unwrap().what.contains("already"));
    assert_eq!(databases(&mut connection).await, ["late", "postgres", "shop"]);
}
