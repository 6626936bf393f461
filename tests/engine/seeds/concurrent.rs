//! Others who write at the same time: no update is lost, no row doubled, and it ends with clear words.

use super::harness::{Bench, nothing, profile_of, run, text};
use drydock_engine::domain::FailureCode;
use drydock_engine::domain::plan::Confirmation;
use drydock_engine::domain::run::RunStatus;
use drydock_engine::{ApplyOptions, Engine};
use sqlx::{Connection, PgConnection};
use std::time::{Duration, Instant};

const TABLES: &str = "CREATE TABLE plans (code text PRIMARY KEY, price int NOT NULL); INSERT INTO plans VALUES ('a', 1), ('b', 1);
CREATE TABLE loose (name text NOT NULL, note text);";

const PROFILE: &str = "[[tables]]\ntable = \"plans\"\nkey = [\"code\"]\nmode = \"upsert\"\nrows = [ { code = \"a\", price = 2 }, { code = \"new\", price = 3 } ]\n";

#[tokio::test]
async fn two_consoles_that_seed_the_same_write_it_once() {
    let bench = Bench::start().await;
    let mut base = bench.base("twice", TABLES).await;
    let profile = profile_of(PROFILE);
    let folder = tempfile::tempdir().unwrap();
    let other = Engine::open(folder.path()).await.unwrap();
    let id = profile.path().display().to_string();
    let mut runs = Vec::new();
    for engine in [&bench.engine, &other] {
        let review = engine.seed_plan(&base.target, &id, nothing()).await.unwrap();
        let dry = engine.start_dry_run(&base.target, &review.plan.id).await.unwrap();
        assert_eq!(engine.wait_run(&dry.id, &mut |_| {}).await.unwrap().status, RunStatus::Succeeded);
        runs.push((engine, review));
    }
    let mut started = Vec::new();
    for (engine, review) in &runs {
        let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
        started.push((
            engine,
            engine
                .start_apply(&base.target, &review.plan.id, confirmation, ApplyOptions::default())
                .await
                .unwrap(),
        ));
    }
    let mut ended = Vec::new();
    for (engine, run) in &started {
        ended.push(engine.wait_run(&run.id, &mut |_| {}).await.unwrap());
    }
    let done = ended.iter().filter(|run| run.status == RunStatus::Succeeded).count();
    assert_eq!(done, 1, "{ended:?}");
    let late = ended.iter().find(|run| run.status != RunStatus::Succeeded).unwrap();
    let failure = late.failure.as_ref().unwrap();
    assert!(matches!(failure.code, FailureCode::NotAsShown | FailureCode::MigrationLock), "{failure:?}");
    assert_eq!(
        text(&mut base.connection, "SELECT string_agg(code || price, ',' ORDER BY code) FROM plans").await,
        "a2,b1,new3"
    );
}

#[tokio::test]
async fn a_row_that_somebody_is_changing_is_waited_for_and_never_overwritten_unseen() {
    let bench = Bench::start().await;
    let mut base = bench.base("busy", TABLES).await;
    let profile = profile_of(PROFILE);
    let (review, _, _) = bench.try_out(&base.target, profile.path(), nothing()).await;
    run(&mut base.connection, "BEGIN; UPDATE plans SET price = 50 WHERE code = 'a'").await;
    let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
    let started = bench
        .engine
        .start_apply(&base.target, &review.plan.id, confirmation, ApplyOptions::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    run(&mut base.connection, "COMMIT").await;
    let ended = bench.engine.wait_run(&started.id, &mut |_| {}).await.unwrap();
    let failure = ended.failure.unwrap();
    assert_eq!(failure.code, FailureCode::NotAsShown, "{failure:?}");
    assert_eq!(
        text(&mut base.connection, "SELECT string_agg(code || price, ',' ORDER BY code) FROM plans").await,
        "a50,b1"
    );
}

#[tokio::test]
async fn without_a_unique_key_other_writers_wait_and_no_row_is_doubled() {
    let bench = Bench::start().await;
    let mut base = bench.base("loose", TABLES).await;
    let profile = profile_of(
        "[[tables]]\ntable = \"loose\"\nkey = [\"name\"]\nmode = \"insert-missing\"\nrepeat = 2000\ncolumns.name = { text = \"n{{row}}\" }\n",
    );
    let (review, _, _) = bench.try_out(&base.target, profile.path(), nothing()).await;
    assert!(review.plan.findings.iter().any(|finding| finding.check == "key-not-unique"));
    let mut writer = PgConnection::connect(&base.url).await.unwrap();
    let writing = tokio::spawn(async move {
        for number in 1..=200 {
            let sql = format!(
                "INSERT INTO loose SELECT 'n{number}', 'theirs' WHERE NOT EXISTS (SELECT FROM loose WHERE name = 'n{number}')"
            );
            run(&mut writer, &sql).await;
        }
    });
    let run_ = bench.apply(&base.target, &review).await;
    writing.await.unwrap();
    let double = "SELECT count(*) FROM (SELECT name FROM loose GROUP BY name HAVING count(*) > 1) AS d";
    assert_eq!(text(&mut base.connection, double).await, "0");
    assert!(matches!(run_.status, RunStatus::Succeeded | RunStatus::Failed));
    if run_.status == RunStatus::Failed {
        assert_eq!(run_.failure.unwrap().code, FailureCode::NotAsShown);
    }
}

#[tokio::test]
async fn cancel_takes_every_row_back_within_two_seconds() {
    let bench = Bench::start().await;
    let mut base = bench.base("cancel", TABLES).await;
    run(&mut base.connection, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END $$; CREATE TABLE slow (id int PRIMARY KEY); ").await;
    let profile = profile_of(
        "[[tables]]\ntable = \"slow\"\nkey = [\"id\"]\nmode = \"insert-missing\"\nrepeat = 5000\ncolumns.id = { counter = 1 }\n",
    );
    let (review, _, _) = bench.try_out(&base.target, profile.path(), nothing()).await;
    run(
        &mut base.connection,
        "CREATE TRIGGER slow BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION slow()",
    )
    .await;
    // The trigger is part of the live schema, so a plan made before it is void.
    let confirmation = |review: &drydock_engine::domain::plan::PlanReview| Confirmation {
        digest: review.plan.digest.clone(),
        ..Confirmation::default()
    };
    let failure = bench
        .engine
        .start_apply(&base.target, &review.plan.id, confirmation(&review), ApplyOptions::default())
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::PlanVoid);
    let review =
        bench.engine.seed_plan(&base.target, &profile.path().display().to_string(), nothing()).await.unwrap();
    for apply in [false, true] {
        let started = if apply {
            let untried = ApplyOptions { despite_failed_dry_run: true };
            bench
                .engine
                .start_apply(&base.target, &review.plan.id, confirmation(&review), untried)
                .await
                .unwrap()
        } else {
            bench.engine.start_dry_run(&base.target, &review.plan.id).await.unwrap()
        };
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        bench.engine.cancel_run(&started.id).unwrap();
        let asked = Instant::now();
        let ended = bench.engine.wait_run(&started.id, &mut |_| {}).await.unwrap();
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        assert_eq!(ended.status, RunStatus::Cancelled, "{:?}", ended.failure);
        assert!(ended.failure.unwrap().unchanged.is_some(), "it says what was taken back");
        assert_eq!(text(&mut base.connection, "SELECT count(*) FROM slow").await, "0");
    }
}
