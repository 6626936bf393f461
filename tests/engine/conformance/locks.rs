//! Locks: Prisma's own, those of the application, and stopping while something is waited for.

use super::harness::{
    Bench, Project, connect, development, failure_of, is_held_up, recorded, said, start, text, watch,
};
use drydock_engine::domain::FailureCode;
use drydock_engine::domain::migration::MigrationState;
use drydock_engine::domain::plan::PlanPurpose;
use drydock_engine::domain::run::{RunEvent, RunEventKind, RunStatus, StepStatus};
use drydock_lab::Version;
use sqlx::PgConnection;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const INIT: (&str, &str) = ("01_init", "CREATE TABLE a (id int PRIMARY KEY);");

async fn run(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

/// A migration that is at work until the session of [`closed_gate`] has ended, however slow the machine is.
const UNTIL_OPEN: &str =
    "DO $$ BEGIN WHILE NOT pg_try_advisory_xact_lock(1) LOOP PERFORM pg_sleep(0.05); END LOOP; END $$;";

async fn closed_gate(url: &str) -> PgConnection {
    let mut gate = connect(url).await;
    run(&mut gate, "SELECT pg_advisory_lock(1)").await;
    gate
}

async fn is_at_the_gate(url: &str) {
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DO %pg_try_advisory_xact_lock%'";
    while text(url, busy).await != "1" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_peer_waits_for_our_lock_and_gives_up_after_ten_seconds() {
    let bench = Bench::start(Version::Debian15).await;
    let (_, url) = bench.database().await;
    let project = Project::of(&[INIT, ("02_long", UNTIL_OPEN)]);
    let gate = closed_gate(&url).await;
    let review =
        bench.engine.plan_create(&development(&url, &project), PlanPurpose::ApplyPending).await.unwrap();
    let ours = start(&bench.engine, &development(&url, &project), &review).await.unwrap();
    is_at_the_gate(&url).await;
    let (peer, path, address) = (bench.peer.clone(), project.path(), url.clone());
    let answer = tokio::task::spawn_blocking(move || peer.deploy(&address, &path)).await.unwrap();
    assert!(answer.exit == 1 && said(&answer).contains("P1002"), "{}", said(&answer));
    assert!(said(&answer).contains("72707369"), "it is this lock: {}", said(&answer));
    drop(gate);
    let (ours, _) = watch(&bench.engine, &ours).await;
    assert_eq!(ours.status, RunStatus::Succeeded, "{ours:?}");
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
    assert_eq!(text(&url, held).await, "0", "the lock is free again when the run has ended");
}

#[tokio::test]
async fn a_migration_the_peer_is_running_cannot_be_resolved_under_its_feet() {
    let bench = Bench::start(Version::Debian15).await;
    let (_, url) = bench.database().await;
    let project = Project::of(&[INIT, ("02_long", UNTIL_OPEN)]);
    let gate = closed_gate(&url).await;
    let (peer, path, address) = (bench.peer.clone(), project.path(), url.clone());
    let theirs = tokio::task::spawn_blocking(move || peer.deploy(&address, &path));
    is_at_the_gate(&url).await;
    let target = development(&url, &project);
    let (status, states) = bench.states(&target).await;
    assert_eq!(
        states[1].1,
        MigrationState::Running,
        "a row without end, and the lock held: running, not failed"
    );
    let holder = status.lock_holder.unwrap().pid;
    let started = Instant::now();
    let purpose = PlanPurpose::MarkRolledBack { migration: "02_long".to_owned() };
    let review = bench.engine.plan_create(&target, purpose).await.unwrap();
    let accepted = start(&bench.engine, &target, &review).await.unwrap();
    let (ours, events) = watch(&bench.engine, &accepted).await;
    let failure = failure_of(&ours, FailureCode::MigrationLock);
    let waited = started.elapsed();
    assert!(waited >= Duration::from_secs(10) && waited < Duration::from_secs(20), "{waited:?}");
    assert!(
        failure.why.as_ref().unwrap().contains(&format!("Session {holder} ")),
        "it names the holder: {failure:?}"
    );
    let told = events.iter().any(|event| matches!(&event.what, RunEventKind::Waiting { blockers, .. } if blockers.iter().any(|blocker| blocker.pid == holder)));
    assert!(told, "while it waits, it says for whom");
    drop(gate);
    let answer = theirs.await.unwrap();
    assert_eq!(answer.exit, 0, "the peer was not disturbed: {}", said(&answer));
    assert!(recorded(&url).await.iter().all(|row| row.finished && !row.rolled_back));
}

#[tokio::test]
async fn a_held_lock_is_waited_for_and_its_holder_named() {
    let bench = Bench::start(Version::Debian15).await;
    let (_, url) = bench.database().await;
    let project = Project::of(&[INIT]);
    let mut holder = connect(&format!("{url}&application_name=other%20tool")).await;
    run(&mut holder, "SELECT pg_advisory_lock(72707369)").await;
    let started = Instant::now();
    let ours = bench.apply(&development(&url, &project)).await.unwrap();
    let failure = failure_of(&ours, FailureCode::MigrationLock);
    assert!(
        started.elapsed() >= Duration::from_secs(10),
        "Prisma's patience is ours: {:?}",
        started.elapsed()
    );
    assert!(failure.why.as_ref().unwrap().contains("other tool"), "{failure:?}");
    assert_eq!(recorded(&url).await, [], "nothing was written");
    drop(holder);
    let ours = bench.apply(&development(&url, &project)).await.unwrap();
    assert_eq!(ours.status, RunStatus::Succeeded);
}

/// A held table: the target, its project, and the session that holds it.
async fn held(bench: &Bench) -> (String, Project, PgConnection) {
    let (name, url) = bench.database().await;
    let project = Project::of(&[INIT]);
    bench.apply(&development(&url, &project)).await.unwrap();
    let mut holder =
        connect(&format!("{}&application_name=the%20application", bench.server.url(&name))).await;
    run(&mut holder, "BEGIN").await;
    run(&mut holder, "LOCK TABLE a IN ACCESS SHARE MODE").await;
    (url, project, holder)
}

/// Scripts of each mode that want the held table for themselves.
const WANTS: [(&str, &str); 3] = [
    ("atomic", "ALTER TABLE a ADD COLUMN b int;"),
    ("session", "SET statement_timeout = '1min'; ALTER TABLE a ADD COLUMN b int;"),
    ("stepwise", "ALTER TABLE a ADD COLUMN b int; CREATE INDEX CONCURRENTLY a_b ON a (b);"),
];

#[tokio::test]
async fn a_table_held_by_the_application_is_waited_for_in_short_tries_until_it_is_free() {
    let bench = Bench::start(Version::Debian15).await;
    for (mode, sql) in WANTS {
        let (url, project, mut holder) = held(&bench).await;
        project.write("02_wants", sql);
        let mut target = development(&url, &project);
        target.rules.lock_timeout_ms = 600;
        target.rules.lock_retries = 20;
        let review = bench.engine.plan_create(&target, PlanPurpose::ApplyPending).await.unwrap();
        let accepted = start(&bench.engine, &target, &review).await.unwrap();
        // It is held until a second try, with the blocker shown, was seen.
        let second_try = Arc::new(Notify::new());
        let seen = second_try.clone();
        let release = tokio::spawn(async move {
            let told = tokio::time::timeout(Duration::from_secs(60), seen.notified()).await;
            run(&mut holder, "COMMIT").await;
            told.is_ok()
        });
        let mut see = |event: RunEvent| {
            if let RunEventKind::Waiting { blockers, attempt: 2.., .. } = event.what
                && blockers.iter().any(|blocker| {
                    blocker.application == "the application" && blocker.relation.as_deref() == Some("a")
                })
            {
                second_try.notify_one();
            }
        };
        let ours = bench.engine.wait_run(&accepted.id, &mut see).await.unwrap();
        assert!(
            release.await.unwrap(),
            "{mode}: it was not taken back and tried again, with the blocker shown"
        );
        assert_eq!(ours.status, RunStatus::Succeeded, "{mode}: {ours:?}");
        let rows = recorded(&url).await;
        assert!(rows.len() == 2 && rows.iter().all(|row| row.finished && row.steps == 1), "{mode}: {rows:?}");
    }
}

#[tokio::test]
async fn a_table_that_stays_held_ends_the_run_with_nothing_left() {
    let bench = Bench::start(Version::Debian15).await;
    for (mode, sql) in WANTS {
        let (url, project, mut holder) = held(&bench).await;
        project.write("02_wants", sql);
        let mut target = development(&url, &project);
        target.rules.lock_timeout_ms = 200;
        target.rules.lock_retries = 1;
        let ours = bench.apply(&target).await.unwrap();
        failure_of(&ours, FailureCode::LockTimeout);
        assert_eq!(
            ours.steps.iter().find(|step| step.verb == "Migrate").unwrap().status,
            StepStatus::TakenBack,
            "{mode}"
        );
        assert_eq!(recorded(&url).await.len(), 1, "{mode}: no failed row holds back the next try");
        assert_eq!(
            text(&url, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'b'")
                .await,
            "0",
            "{mode}"
        );
        run(&mut holder, "COMMIT").await;
        assert_eq!(
            bench.apply(&target).await.unwrap().status,
            RunStatus::Succeeded,
            "{mode}: and the next try goes through"
        );
    }
}

#[tokio::test]
async fn cancelling_stops_within_two_seconds_and_says_what_stayed() {
    let bench = Bench::start(Version::Debian15).await;
    for (case, sql, stays) in [
        ("waiting for a lock", WANTS[0].1, false),
        ("waiting, session settings", WANTS[1].1, false),
        ("asleep", "CREATE TABLE z (i int); SELECT pg_sleep(30);", false),
        ("asleep between commits", "BEGIN; CREATE TABLE kept (i int); COMMIT; SELECT pg_sleep(30);", true),
    ] {
        let (url, project, holder) = held(&bench).await;
        project.write("02_case", sql);
        project.write("03_next", "CREATE TABLE never (i int);");
        let mut target = development(&url, &project);
        target.rules.lock_timeout_ms = 60_000;
        let review = bench.engine.plan_create(&target, PlanPurpose::ApplyPending).await.unwrap();
        let accepted = start(&bench.engine, &target, &review).await.unwrap();
        is_held_up(&url).await;
        let asked = Instant::now();
        bench.engine.cancel_run(&accepted.id).unwrap();
        let (ours, _) = watch(&bench.engine, &accepted).await;
        assert!(asked.elapsed() < Duration::from_secs(2), "{case}: {:?}", asked.elapsed());
        assert_eq!(ours.status, RunStatus::Cancelled, "{case}: {ours:?}");
        assert_eq!(
            text(&url, "SELECT coalesce(to_regclass('z'), to_regclass('never')) IS NULL").await,
            "true",
            "{case}"
        );
        let rows = recorded(&url).await;
        if stays {
            assert_eq!(text(&url, "SELECT to_regclass('kept') IS NOT NULL").await, "true", "{case}");
            assert!(
                rows.len() == 2 && !rows[1].finished && rows[1].logs == Some("text"),
                "{case}: its row says failed: {rows:?}"
            );
            assert!(
                ours.aftermath.iter().any(|sentence| sentence.contains("02_case` failed")),
                "{case}: {:?}",
                ours.aftermath
            );
        } else {
            assert_eq!(rows.len(), 1, "{case}: taken back as a whole, nothing to repair: {rows:?}");
            assert!(
                ours.aftermath.iter().any(|sentence| sentence.contains("02_case` was taken back")),
                "{case}: {:?}",
                ours.aftermath
            );
        }
        let ours_left = text(&url, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drydock %' AND state = 'active'").await;
        assert_eq!(ours_left, "0", "{case}: no statement of ours is left at work");
        drop(holder);
    }
}

#[tokio::test]
async fn the_session_that_watches_may_rest_while_quick_migrations_go_on_for_a_minute() {
    let bench = Bench::start(Version::Debian15).await;
    let (_, url) = bench.database().await;
    let project = Project::new();
    // Each is over before the watching session is asked for the first time.
    for number in 0..160 {
        project.write(&format!("{number:03}_quick"), "SELECT pg_sleep(0.3);");
    }
    let started = Instant::now();
    let run = bench.apply(&development(&url, &project)).await.unwrap();
    assert!(
        started.elapsed() > Duration::from_secs(47),
        "it rested for longer than a session that works may"
    );
    assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
    assert_eq!(recorded(&url).await.len(), 160);
}
