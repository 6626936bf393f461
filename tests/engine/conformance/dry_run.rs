//! A dry run cannot commit: whatever a script does, the target is afterwards as it was, and the report is
//! right or says that it does not know.

use super::harness::{Bench, Project, development, everything, is_held_up, recorded, target, text};
use drydock_engine::domain::change_set::Tried;
use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::run::RunStatus;
use drydock_lab::{Fault, Slow, Version, corpus};
use std::time::{Duration, Instant};

const INIT: (&str, &str) = (
    "01_init",
    "CREATE TABLE parent (id int PRIMARY KEY);\n\
     CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED, n int UNIQUE DEFERRABLE INITIALLY DEFERRED);\n\
     INSERT INTO parent SELECT generate_series(1, 50); INSERT INTO child SELECT g, g, g FROM generate_series(1, 50) g;\n\
     CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO parent VALUES (1000); COMMIT; END $$;\n\
     CREATE PROCEDURE takes_back() LANGUAGE plpgsql AS $$ BEGIN ROLLBACK; INSERT INTO parent VALUES (1001); END $$;\n\
     CREATE FUNCTION lost() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('search_path', 'nowhere', false); END $$;",
);

/// What a script does, and what the report may say of it: `worked`, how it was tried, a word of its note.
type Case = (&'static str, &'static str, Option<bool>, Tried, &'static str);

const CASES: &[Case] = &[
    (
        "plain",
        "CREATE TABLE x (i int); UPDATE child SET n = n + 100; DELETE FROM child WHERE id > 40;",
        Some(true),
        Tried::DryRun,
        "",
    ),
    (
        "COMMIT in the middle",
        "INSERT INTO parent VALUES (900); COMMIT; INSERT INTO parent VALUES (901);",
        Some(true),
        Tried::Rehearsal,
        "transaction",
    ),
    (
        "BEGIN and COMMIT around it",
        "BEGIN; INSERT INTO parent VALUES (900); COMMIT;",
        Some(true),
        Tried::DryRun,
        "",
    ),
    (
        "two transactions",
        "BEGIN; INSERT INTO parent VALUES (900); COMMIT; BEGIN; CREATE TABLE x (i int); COMMIT;",
        Some(true),
        Tried::Rehearsal,
        "transaction",
    ),
    (
        "ROLLBACK",
        "INSERT INTO parent VALUES (900); ROLLBACK; INSERT INTO parent VALUES (901);",
        Some(true),
        Tried::Rehearsal,
        "transaction",
    ),
    (
        "ROLLBACK, then COMMIT",
        "ROLLBACK; BEGIN; INSERT INTO parent VALUES (901); COMMIT;",
        Some(true),
        Tried::Rehearsal,
        "transaction",
    ),
    (
        "SET CONSTRAINTS",
        "SET CONSTRAINTS ALL IMMEDIATE; INSERT INTO parent VALUES (900);",
        Some(true),
        Tried::Rehearsal,
        "made at once",
    ),
    (
        "SET CONSTRAINTS from code",
        "DO $$ BEGIN SET CONSTRAINTS ALL IMMEDIATE; INSERT INTO parent VALUES (900); END $$;",
        Some(true),
        Tried::Rehearsal,
        "",
    ),
    ("a procedure that commits", "CALL commits();", Some(true), Tried::Rehearsal, "commit"),
    ("a procedure that rolls back", "CALL takes_back();", Some(true), Tried::Rehearsal, "commit"),
    (
        "code that commits",
        "DO $$ BEGIN INSERT INTO parent VALUES (900); COMMIT; END $$;",
        Some(true),
        Tried::Rehearsal,
        "commit",
    ),
    (
        "a deferred reference that fails",
        "INSERT INTO child VALUES (900, 901, 902);",
        Some(false),
        Tried::DryRun,
        "waits for the end",
    ),
    (
        "a deferred unique that fails",
        "UPDATE child SET n = 1 WHERE id = 2;",
        Some(false),
        Tried::DryRun,
        "waits for the end",
    ),
    (
        "a deferred check that is made good",
        "UPDATE child SET n = 1 WHERE id = 2; UPDATE child SET n = 2 WHERE id = 1;",
        Some(true),
        Tried::DryRun,
        "",
    ),
    (
        "CONCURRENTLY in the middle",
        "CREATE TABLE x (i int); CREATE INDEX CONCURRENTLY x_i ON x (i); INSERT INTO x VALUES (1);",
        Some(true),
        Tried::Rehearsal,
        "inside a transaction",
    ),
    (
        "a failing statement",
        "CREATE TABLE x (i int);\nINSERT INTO nope VALUES (1);",
        Some(false),
        Tried::DryRun,
        "42P01",
    ),
    (
        "an error that is caught",
        "DO $$ BEGIN INSERT INTO parent VALUES (1); EXCEPTION WHEN unique_violation THEN INSERT INTO parent VALUES (903); END $$;",
        Some(true),
        Tried::DryRun,
        "",
    ),
    (
        "TRUNCATE and a rewrite",
        "ALTER TABLE child ALTER COLUMN n TYPE bigint; TRUNCATE parent, child;",
        Some(true),
        Tried::DryRun,
        "",
    ),
    (
        "the tripwire thrown away",
        "DROP TABLE IF EXISTS drydock_tripwire; CREATE TABLE x (i int);",
        None,
        Tried::Not,
        "",
    ),
];

#[tokio::test]
async fn nothing_remains_of_a_dry_run_whatever_the_script_does() {
    let bench = Bench::start(Version::Debian15).await;
    let (_, url) = bench.database().await;
    let project = Project::of(&[INIT]);
    bench.apply(&development(&url, &project)).await.unwrap();
    let before = (everything(&url).await, recorded(&url).await);
    for (title, sql, worked, how, word) in CASES {
        let project = Project::of(&[INIT, ("02_case", sql)]);
        let (review, run, report) = bench.dry_run(&development(&url, &project)).await;
        assert_eq!(
            (everything(&url).await, recorded(&url).await),
            before,
            "{title}: the target is as it was"
        );
        assert_eq!(report.taken_back, Some(true), "{title}: and the report says so");
        let trial = &report.trials[0];
        let note = trial.note.clone().unwrap_or_default();
        if *title == "the tripwire thrown away" {
            assert_ne!(trial.tried, Tried::Not, "{title}: {report:?}");
            continue;
        }
        assert_eq!((report.worked, trial.tried), (*worked, *how), "{title}: {report:?}");
        assert!(note.contains(word), "{title}: {note}");
        assert_eq!(run.status == RunStatus::Failed, *worked == Some(false), "{title}: {run:?}");
        assert_eq!(report.digest, review.plan.digest, "{title}");
        if trial.tried == Tried::Rehearsal {
            assert!(
                report.unknowns.iter().any(|unknown| unknown.contains("met no data")),
                "{title}: a rehearsal says what it cannot know"
            );
        }
    }
    bench.close().await;
}

#[tokio::test]
async fn a_dry_run_blames_the_migration_whose_check_waits_and_tries_each_as_an_apply_would() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start(version).await;
        let (_, url) = bench.database().await;
        let project = Project::of(&[INIT]);
        bench.apply(&development(&url, &project)).await.unwrap();
        let before = everything(&url).await;
        project.write("02_good", "INSERT INTO parent VALUES (900);");
        project.write("03_bad", "INSERT INTO child VALUES (900, 901, 902);");
        project.write("04_good", "CREATE TABLE x (i int);");
        let (_, _, report) = bench.dry_run(&development(&url, &project)).await;
        let outcomes: Vec<_> =
            report.trials.iter().map(|trial| (trial.migration.as_str(), trial.worked)).collect();
        assert_eq!(outcomes, [("02_good", Some(true)), ("03_bad", Some(false))], "{report:?}");
        assert_eq!(everything(&url).await, before);

        // Session settings of one migration do not reach the next, as in an apply.
        let project = Project::of(&[
            INIT,
            (
                "02_dump",
                "SELECT pg_catalog.set_config('search_path', '', false); CREATE TABLE public.y (i int);",
            ),
            ("03_next", "CREATE TABLE x (i int);"),
            ("04_hidden", "SELECT lost();"),
            ("05_next", "CREATE TABLE z (i int);"),
            ("06_timeout", "SET lock_timeout = '1h'; SET statement_timeout = '1h';"),
            ("07_next", "CREATE TABLE zz (i int);"),
        ]);
        let (_, _, report) = bench.dry_run(&development(&url, &project)).await;
        assert_eq!(report.worked, Some(true), "{report:?}");
        assert_eq!(report.trials.len(), 6);
        let made: Vec<_> = report
            .objects
            .iter()
            .map(|object| object.name.as_str())
            .filter(|name| name.matches('.').count() == 1)
            .collect();
        assert_eq!(made, ["public.x", "public.y", "public.z", "public.zz"], "{:?}", report.objects);
        assert_eq!(everything(&url).await, before);
        bench.close().await;
    }
}

#[tokio::test]
async fn rows_and_rewrites_are_counted_right() {
    let bench = Bench::start(Version::Debian15).await;
    let (_, url) = bench.database().await;
    let project = Project::of(&[INIT]);
    bench.apply(&development(&url, &project)).await.unwrap();
    project.write("02_rows", "INSERT INTO parent VALUES (901), (902); UPDATE child SET n = n + 500 WHERE id <= 10; DELETE FROM child WHERE id > 45;");
    let (_, _, report) = bench.dry_run(&development(&url, &project)).await;
    let found: Vec<_> = report
        .rows
        .iter()
        .map(|rows| (rows.table.as_str(), rows.inserted, rows.updated, rows.deleted, rows.known))
        .collect();
    assert!(found.contains(&("public.parent", 2, 0, 0, true)), "{found:?}");
    assert!(found.contains(&("public.child", 0, 10, 5, true)), "{found:?}");
    project.write("02_rows", "TRUNCATE child;");
    let (_, _, report) = bench.dry_run(&development(&url, &project)).await;
    assert!(
        report.rows.iter().any(|rows| rows.table == "public.child" && rows.rewritten),
        "{:?}",
        report.rows
    );
    assert_eq!(text(&url, "SELECT count(*) FROM child").await, "50");
}

#[tokio::test]
async fn the_whole_langfuse_history_is_tried_partly_on_the_target_and_the_rest_rehearsed() {
    let bench = Bench::start(Version::Debian15).await;
    let (_, url) = bench.database().await;
    let before = everything(&url).await;
    let target = target(&url, &corpus().join("langfuse/migrations"), Tier::Production);
    let started = Instant::now();
    let (_, run, report) = bench.dry_run(&target).await;
    eprintln!(
        "langfuse: {:.2} s on the target, {:.2} s rehearsed, {:?} in all",
        report.seconds,
        report.rehearsal_seconds,
        started.elapsed()
    );
    assert_eq!(run.status, RunStatus::Succeeded, "{run:?}");
    assert_eq!(report.trials.len(), 434, "every migration has its trial");
    assert!(report.trials.iter().all(|trial| trial.worked == Some(true)), "all of them work");
    let rehearsed = report.trials.iter().position(|trial| trial.tried == Tried::Rehearsal).unwrap();
    assert!(
        rehearsed > 0 && report.trials[rehearsed..].iter().all(|trial| trial.tried == Tried::Rehearsal),
        "from the first that cannot be taken back on, all are rehearsed"
    );
    assert!(report.trials[rehearsed].note.is_some(), "and it says why");
    assert_eq!(report.worked, Some(true));
    assert_eq!(everything(&url).await, before, "nothing remains");
    bench.close().await;
}

#[tokio::test]
async fn a_dry_run_on_production_stops_before_it_fills_the_disk() {
    let bench = Bench::start(Version::Debian15).await;
    let (name, url) = bench.database().await;
    let project = Project::of(&[("01_init", "CREATE TABLE filled (n int, t text);")]);
    bench.apply(&development(&url, &project)).await.unwrap();
    // A server elsewhere does not tell how much room it has; this user may not ask for the data folder.
    let owner = "CREATE ROLE modest LOGIN PASSWORD 'PW'; GRANT ALL ON SCHEMA public TO modest; ALTER TABLE filled OWNER TO modest; ALTER TABLE _prisma_migrations OWNER TO modest";
    super::harness::execute(&url, owner).await;
    let before = everything(&url).await;
    let modest = bench.server.url_as("modest", "PW", &name);
    project.write(
        "02_fills",
        "INSERT INTO filled SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 150000) g; SELECT pg_sleep(1.5);",
    );
    project.write("03_next", "CREATE TABLE after_it (i int);");
    let mut place = target(&modest, &project.path(), Tier::Production);
    let (_, _, report) = bench.dry_run(&place).await;
    let first = &report.trials[0];
    assert_ne!(first.tried, Tried::DryRun, "64 MB is all it may write unless the disk is known: {report:?}");
    assert!(first.note.as_deref().is_some_and(|note| note.contains("64.0 MB")), "{first:?}");
    assert!(report.space.as_deref().is_some_and(|words| words.contains("grew by")), "{report:?}");
    assert_eq!(everything(&url).await, before, "and nothing of it stays");

    place.rules.server_disk_gb = Some(100);
    let (_, _, report) = bench.dry_run(&place).await;
    assert_eq!(report.trials[0].tried, Tried::DryRun, "ten percent of a large disk are enough: {report:?}");
    assert_eq!(report.worked, Some(true), "{report:?}");
    assert_eq!(everything(&url).await, before);
    bench.close().await;
}

#[tokio::test]
async fn a_line_that_goes_dead_in_a_dry_run_is_told_and_blames_no_migration() {
    let bench = Bench::start(Version::Debian15).await;
    let (_, url) = bench.database().await;
    let line = Slow::start(bench.server.port(), Duration::from_millis(1));
    let project =
        Project::of(&[("01_init", "CREATE TABLE t (i int);"), ("02_slow", "SELECT pg_sleep(600);")]);
    let target = target(&line.through(&url), &project.path(), Tier::Development);
    let review = bench
        .engine
        .plan_create(&target, drydock_engine::domain::plan::PlanPurpose::ApplyPending)
        .await
        .unwrap();
    let run = bench.engine.start_dry_run(&target, &review.plan.id).await.unwrap();
    is_held_up(&url).await;
    let struck = Instant::now();
    line.fault(Fault::Blackhole);
    let run = bench.engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
    assert!(struck.elapsed() < Duration::from_secs(60), "told after {:?}", struck.elapsed());
    assert_eq!(run.status, RunStatus::Failed, "{run:?}");
    let failure = run.failure.unwrap();
    assert_eq!(failure.code, drydock_engine::domain::FailureCode::ConnectionLost, "{failure:?}");
    assert!(failure.unchanged.is_some_and(|text| text.contains("cannot commit")));
    line.heal();

    // Neither the kept connection of the overview nor a new plan hangs on a dead line.
    bench.engine.migration_status(&target).await.unwrap();
    line.fault(Fault::Blackhole);
    let struck = Instant::now();
    assert!(bench.engine.migration_status(&target).await.is_err());
    assert!(struck.elapsed() < Duration::from_secs(60), "told after {:?}", struck.elapsed());
    line.heal();
    bench.close().await;
}
