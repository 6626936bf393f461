//! The line is cut at random moments of an apply: noticed in time, no double apply, no lost outcome, no
//! lock that stays on the server, and a way on that is told.

use super::by_both;
use super::office::Office;
use drydock_engine::ApplyOptions;
use drydock_engine::domain::environment::Environment;
use drydock_engine::domain::plan::{Confirmation, PlanPurpose};
use drydock_engine::domain::run::{Run, RunStatus, StepStatus};
use drydock_engine::domain::ssh::{SshImplementation, TunnelState};
use drydock_lab::Fault;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::{Duration, Instant};

const MIGRATIONS: usize = 40;
/// A cut must be noticed and said in this time.
const NOTICED: Duration = Duration::from_secs(10);
/// No lock of the run may be on the server after this time.
const FREE: Duration = Duration::from_secs(60);

by_both!(
    ended_sessions_of_the_host_lose_nothing,
    a_frozen_host_loses_nothing,
    a_reset_line_loses_nothing,
    a_pulled_cable_loses_nothing,
    a_line_that_never_comes_back_leaves_no_lock_for_longer_than_a_minute,
);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Ended,
    Frozen,
    Reset,
    Pulled,
}

async fn ended_sessions_of_the_host_lose_nothing(implementation: SshImplementation) {
    campaign(Office::open().await, implementation, Cut::Ended).await;
}

async fn a_frozen_host_loses_nothing(implementation: SshImplementation) {
    campaign(Office::open().await, implementation, Cut::Frozen).await;
}

async fn a_reset_line_loses_nothing(implementation: SshImplementation) {
    campaign(Office::behind_a_line(Duration::ZERO).await, implementation, Cut::Reset).await;
}

async fn a_pulled_cable_loses_nothing(implementation: SshImplementation) {
    campaign(Office::behind_a_cable().await, implementation, Cut::Pulled).await;
}

async fn a_line_that_never_comes_back_leaves_no_lock_for_longer_than_a_minute(
    implementation: SshImplementation,
) {
    let office = Office::behind_a_cable().await;
    write_migrations(&office);
    let environment = office.environment("gone", implementation).await;
    let run = start(&office, &environment, PlanPurpose::ApplyPending).await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    let struck = Instant::now();
    office.network.as_ref().unwrap().pull();
    let run = office.engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
    eprintln!("{implementation:?}: {:?} told after {:?}", run.status, struck.elapsed());
    let free = freed(&office, "gone", struck).await;
    eprintln!("{implementation:?}: the server let go after {free:?}");
    office.network.as_ref().unwrap().plug();
    let target = office.engine.target(&environment.id).await.unwrap();
    let run =
        if run.status == RunStatus::NeedsAttention { settled(&office, &target, &run).await } else { run };
    check(&office, "gone", &run).await;
    finish(&office, &environment, "gone").await;
    office.close().await;
}

/// Each leaves one mark, in the ways in which scripts are sent.
fn write_migrations(office: &Office) {
    for number in 0..MIGRATIONS {
        let mark = format!("INSERT INTO hits VALUES ('{number}');");
        let sql = match number % 4 {
            0 if number == 0 => format!("CREATE TABLE hits (mark text NOT NULL); {mark}"),
            0 => format!("CREATE TABLE t{number} (id int PRIMARY KEY);\n{mark}"),
            1 => format!("BEGIN;\n{mark}\nCREATE TABLE t{number} (id int);\nCOMMIT;"),
            2 => format!("SELECT pg_sleep(0.05);\n{mark}"),
            _ => format!("SET statement_timeout = '5min';\n{mark}"),
        };
        office.write(&format!("{number:03}_part"), &sql);
    }
}

async fn campaign(office: Office, implementation: SshImplementation, cut: Cut) {
    write_migrations(&office);
    let cuts = if std::env::var_os("DRYDOCK_FULL").is_some() { 25 } else { 2 };
    let mut random = StdRng::seed_from_u64(0x55AA_0000 + cut as u64);
    let mut words = Vec::new();
    for number in 0..cuts {
        let delay = Duration::from_micros(random.random_range(0..1_600_000));
        words.push(one(&office, implementation, cut, number, delay).await);
    }
    report(&format!("{implementation:?} {cut:?}"), &words);
    office.close().await;
}

async fn one(
    office: &Office,
    implementation: SshImplementation,
    cut: Cut,
    number: usize,
    delay: Duration,
) -> String {
    let database = format!("cut{number}");
    let environment = office.environment(&database, implementation).await;
    let engine = &office.engine;
    let target = engine.target(&environment.id).await.unwrap();
    let run = start(office, &environment, PlanPurpose::ApplyPending).await;
    tokio::time::sleep(delay).await;
    let struck = Instant::now();
    match cut {
        // The operator's own ssh can be killed at this end, too.
        Cut::Ended if implementation == SshImplementation::Openssh && number % 2 == 1 => {
            office.host.kill_clients();
        }
        Cut::Ended => office.host.kill_sessions(),
        Cut::Frozen => office.host.freeze(),
        Cut::Reset => office.line.as_ref().unwrap().fault(Fault::Reset),
        Cut::Pulled => office.network.as_ref().unwrap().pull(),
    }
    let noticed = loop {
        let lost = !matches!(office.state(&environment).await, Some(TunnelState::Open { .. }));
        let ended = engine.run(&run.id).await.unwrap().status != RunStatus::Running;
        if lost || ended || struck.elapsed() > NOTICED * 2 {
            break struck.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(noticed < NOTICED, "{cut:?} after {delay:?} was noticed after {noticed:?}");
    match cut {
        Cut::Frozen => office.host.thaw(),
        Cut::Pulled => office.network.as_ref().unwrap().plug(),
        Cut::Ended | Cut::Reset => {}
    }
    let mut run = engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
    let told = run.failure.clone();
    if run.status != RunStatus::Succeeded {
        let failure = told.as_ref().expect("a run that did not succeed says why");
        assert!(failure.next.is_some(), "and what to do next: {failure:?}");
    }
    if run.status == RunStatus::NeedsAttention {
        run = settled(office, &target, &run).await;
    }
    let free = freed(office, &database, struck).await;
    check(office, &database, &run).await;
    finish(office, &environment, &database).await;
    let done =
        run.steps.iter().filter(|step| step.verb == "Migrate" && step.status == StepStatus::Done).count();
    format!(
        "{cut:?} after {delay:.1?}: noticed in {noticed:.1?}, locks free after {free:.1?}, {:?} with {done} of {MIGRATIONS} in: {}",
        run.status,
        told.map_or_else(|| "the apply was done before".to_owned(), |failure| failure.what)
    )
}

async fn start(office: &Office, environment: &Environment, purpose: PlanPurpose) -> Run {
    let target = office.engine.target(&environment.id).await.unwrap();
    let review = office.engine.plan_create(&target, purpose).await.unwrap();
    let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
    let options = ApplyOptions { despite_failed_dry_run: true };
    office.engine.start_apply(&target, &review.plan.id, confirmation, options).await.unwrap()
}

/// Asks the server until nothing is open any more.
async fn settled(office: &Office, target: &drydock_engine::Target, run: &Run) -> Run {
    let until = Instant::now() + FREE;
    loop {
        let examined = office.engine.examine_run(Some(target), &run.id).await.unwrap();
        if examined.run.status != RunStatus::NeedsAttention {
            return examined.run;
        }
        assert!(!examined.next.is_empty(), "there is a button: {examined:?}");
        assert!(Instant::now() < until, "the outcome stays open: {examined:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// When no session of the run holds a lock any more.
async fn freed(office: &Office, database: &str, struck: Instant) -> Duration {
    loop {
        let held = office
            .ask(
                database,
                "SELECT a.application_name::text, l.mode::text FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                 WHERE a.application_name LIKE 'drydock run%' OR (l.locktype = 'advisory' AND a.pid <> pg_backend_pid())",
            )
            .await;
        if held.is_empty() {
            return struck.elapsed();
        }
        assert!(struck.elapsed() < FREE, "a lock stayed on the server: {held:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What the run says against ledger and marks.
async fn check(office: &Office, database: &str, run: &Run) {
    let ledger = ledger(office, database).await;
    for step in run.steps.iter().filter(|step| step.verb == "Migrate") {
        let rows: Vec<&str> =
            ledger.iter().filter(|(name, _)| *name == step.title).map(|(_, state)| state.as_str()).collect();
        let name = &step.title;
        match step.status {
            StepStatus::Done => assert_eq!(rows, ["applied"], "{name} is called done"),
            StepStatus::Failed => assert_eq!(rows, ["unfinished"], "{name} is called failed"),
            StepStatus::TakenBack | StepStatus::NotRun => {
                assert!(rows.is_empty(), "{name} is called {:?}, the ledger says {rows:?}", step.status);
            }
            other => panic!("{name} has no outcome: {other:?}"),
        }
    }
}

async fn ledger(office: &Office, database: &str) -> Vec<(String, String)> {
    let exists =
        office.ask(database, "SELECT coalesce(to_regclass('public._prisma_migrations')::text, ''), ''").await;
    if exists[0].0.is_empty() {
        return Vec::new();
    }
    office
        .ask(
            database,
            "SELECT migration_name::text, CASE WHEN finished_at IS NULL THEN 'unfinished' ELSE 'applied' END \
             FROM _prisma_migrations WHERE rolled_back_at IS NULL",
        )
        .await
}

/// Repairs by what the marks say, applies the rest, and counts: everything once.
async fn finish(office: &Office, environment: &Environment, database: &str) {
    for _ in 0..4 {
        for (migration, _) in ledger(office, database).await.iter().filter(|(_, state)| state == "unfinished")
        {
            let number: usize = migration[..3].parse().unwrap();
            let marks = office
                .ask(database, &format!("SELECT count(*)::text, '' FROM hits WHERE mark = '{number}'"))
                .await;
            let migration = migration.clone();
            let purpose = if marks[0].0 == "0" {
                PlanPurpose::MarkRolledBack { migration }
            } else {
                PlanPurpose::MarkApplied { migration }
            };
            let run = start(office, environment, purpose).await;
            let run = office.engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
            assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
        }
        let target = office.engine.target(&environment.id).await.unwrap();
        if office.engine.plan_create(&target, PlanPurpose::ApplyPending).await.is_err() {
            break;
        }
        let run = start(office, environment, PlanPurpose::ApplyPending).await;
        let run = office.engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
        if run.status == RunStatus::Succeeded {
            break;
        }
    }
    let marks = office.ask(database, "SELECT mark, count(*)::text FROM hits GROUP BY mark").await;
    assert_eq!(marks.len(), MIGRATIONS, "every migration left its mark: {marks:?}");
    assert!(marks.iter().all(|(_, count)| count == "1"), "and only once: {marks:?}");
}

/// For the eye, and for the report of a full run.
fn report(title: &str, words: &[String]) {
    let text = format!("{title}\n{}\n", words.join("\n"));
    eprintln!("{text}");
    if let Some(folder) = std::env::var_os("DRYDOCK_REPORTS") {
        let file = std::path::Path::new(&folder)
            .join(format!("cuts-{}.txt", title.replace(' ', "-").to_lowercase()));
        std::fs::write(file, text).unwrap();
    }
}
