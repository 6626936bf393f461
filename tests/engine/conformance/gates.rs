//! What stands between a plan and a write: the same database, an unmoved state, and on production a typed
//! name, a restore point or its reason, and a tick for what destroys data.

use super::harness::{Bench, Project, development, execute, failure_of, recorded, start, target, watch};
use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::plan::{Confirmation, GateKind, PlanPurpose, PlanReview};
use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::{Failure, FailureCode, Outcome};
use drydock_engine::{ApplyOptions, Target};
use drydock_lab::Version;

const INIT: (&str, &str) = ("01_init", "CREATE TABLE a (id int PRIMARY KEY);\nINSERT INTO a VALUES (1);");

async fn planned(bench: &Bench, target: &Target) -> PlanReview {
    bench.engine.plan_create(target, PlanPurpose::ApplyPending).await.unwrap()
}

async fn refused(bench: &Bench, target: &Target, review: &PlanReview) -> Failure {
    start(&bench.engine, target, review).await.expect_err("it has to be refused")
}

#[tokio::test]
async fn a_plan_is_void_once_ledger_schema_or_files_have_moved() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start(version).await;
        for (what, sql) in [
            ("the live schema", "ALTER TABLE a ADD COLUMN sneaked int"),
            ("the live schema", "CREATE INDEX sneaked ON a (id)"),
            ("the ledger", "UPDATE _prisma_migrations SET checksum = repeat('0', 64)"),
            (
                "the ledger",
                "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES (gen_random_uuid()::text, '', 'y', now())",
            ),
            ("the files", ""),
        ] {
            let (_, url) = bench.database().await;
            let project = Project::of(&[INIT]);
            let target = development(&url, &project);
            bench.apply(&target).await.unwrap();
            project.write("02_next", "CREATE TABLE b (id int);");
            let review = planned(&bench, &target).await;
            match sql {
                "" => project.write("01_init", "-- edited"),
                sql => execute(&url, sql).await,
            }
            let before = recorded(&url).await;
            let failure = refused(&bench, &target, &review).await;
            assert_eq!(failure.code, FailureCode::PlanVoid, "{sql}: {failure:?}");
            assert!(failure.what.contains(what), "it says what moved: {failure:?}");
            assert_eq!(recorded(&url).await, before, "nothing was written");
        }
    }
}

#[tokio::test]
async fn a_script_that_changes_after_the_plan_never_runs() {
    let bench = Bench::start(Version::Debian15).await;
    let (_, url) = bench.database().await;
    let project = Project::of(&[INIT]);
    let target = development(&url, &project);
    let review = planned(&bench, &target).await;
    project.write("01_init", "CREATE TABLE never (id int);");
    assert_eq!(refused(&bench, &target, &review).await.code, FailureCode::PlanVoid);
    assert_eq!(recorded(&url).await, []);
}

#[tokio::test]
async fn another_database_under_the_same_name_is_not_written_to() {
    let bench = Bench::start(Version::Debian15).await;
    let (name, url) = bench.database().await;
    let project = Project::of(&[INIT]);
    let target = development(&url, &project);
    let review = planned(&bench, &target).await;
    bench.server.execute("postgres", &format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
    bench.server.create_database(&name).await;
    let failure = refused(&bench, &target, &review).await;
    assert_eq!(failure.code, FailureCode::IdentityChanged, "{failure:?}");
    assert_eq!(recorded(&url).await, [], "it is as empty as it was made");
}

#[tokio::test]
async fn two_consoles_with_the_same_plan_apply_it_once() {
    let bench = Bench::start(Version::Debian15).await;
    let (_, url) = bench.database().await;
    let project = Project::of(&[("01_init", "CREATE TABLE a (id int); SELECT pg_sleep(1);")]);
    let target = development(&url, &project);
    let other = bench.other_engine().await;
    let first = planned(&bench, &target).await;
    let second = other.plan_create(&target, PlanPurpose::ApplyPending).await.unwrap();
    let first = start(&bench.engine, &target, &first).await.unwrap();
    let second = start(&other, &target, &second).await.unwrap();
    let (first, second) = (watch(&bench.engine, &first).await.0, watch(&other, &second).await.0);
    let (won, lost) = if first.status == RunStatus::Succeeded { (first, second) } else { (second, first) };
    assert_eq!(won.status, RunStatus::Succeeded);
    failure_of(&lost, FailureCode::PlanVoid);
    assert_eq!(recorded(&url).await.len(), 1, "one row: it ran once");
}

#[tokio::test]
async fn production_wants_a_dry_run_a_typed_name_a_reason_and_every_tick() {
    let bench = Bench::start(Version::Debian15).await;
    let (name, url) = bench.database().await;
    let project = Project::of(&[INIT]);
    bench.apply(&development(&url, &project)).await.unwrap();
    project.write("02_drop", "DROP TABLE a;");
    let target = target(&url, &project.path(), Tier::Production);
    let review = planned(&bench, &target).await;
    let ticks: Vec<u32> = (0_u32..)
        .zip(&review.plan.findings)
        .filter(|(_, finding)| finding.destructive)
        .map(|(index, _)| index)
        .collect();
    assert!(!ticks.is_empty(), "dropping a table destroys data: {:?}", review.plan.findings);
    let full = Confirmation {
        digest: review.plan.digest.clone(),
        typed_name: Some(name.clone()),
        ticked_findings: ticks,
        override_reason: Some("rehearsal drill".to_owned()),
    };
    let despite = ApplyOptions { despite_failed_dry_run: true };
    let attempt = |confirmation: Confirmation, options| {
        let (engine, target, id) = (bench.engine.clone(), target.clone(), review.plan.id.clone());
        async move { engine.start_apply(&target, &id, confirmation, options).await }
    };
    let code = |result: Result<_, Failure>| {
        result.map(|run: drydock_engine::domain::run::Run| run.id).expect_err("refused").code
    };
    assert_eq!(
        code(attempt(full.clone(), despite).await),
        FailureCode::NotDryRun,
        "on production nothing replaces the dry run"
    );
    let run = bench.engine.start_dry_run(&target, &review.plan.id).await.unwrap();
    assert_eq!(watch(&bench.engine, &run).await.0.status, RunStatus::Succeeded);
    let gates = bench.engine.plan_review(&target, &review.plan.id).await.unwrap().gates;
    for gate in &gates {
        let open = gate.kind != GateKind::RestorePoint;
        assert_eq!(gate.outcome != Outcome::Unknown && gate.outcome != Outcome::Block, open, "{gate:?}");
    }
    let options = ApplyOptions::default();
    for (what, confirmation, expected) in [
        ("another digest", Confirmation { digest: "0".repeat(64), ..full.clone() }, FailureCode::PlanVoid),
        ("no name", Confirmation { typed_name: None, ..full.clone() }, FailureCode::ConfirmationMissing),
        (
            "a name in other letters",
            Confirmation { typed_name: Some(name.to_uppercase()), ..full.clone() },
            FailureCode::ConfirmationMissing,
        ),
        ("no reason", Confirmation { override_reason: None, ..full.clone() }, FailureCode::GateClosed),
        (
            "a reason of blanks",
            Confirmation { override_reason: Some("     ".to_owned()), ..full.clone() },
            FailureCode::GateClosed,
        ),
        (
            "no tick",
            Confirmation { ticked_findings: Vec::new(), ..full.clone() },
            FailureCode::ConfirmationMissing,
        ),
        (
            "a tick beside it",
            Confirmation { ticked_findings: vec![99], ..full.clone() },
            FailureCode::ConfirmationMissing,
        ),
    ] {
        assert_eq!(code(attempt(confirmation, options).await), expected, "{what}");
        assert_eq!(recorded(&url).await.len(), 1, "{what}: nothing was written");
    }
    let run = attempt(full, options).await.unwrap();
    let (run, _) = watch(&bench.engine, &run).await;
    assert_eq!(run.status, RunStatus::Succeeded, "{run:?}");
    assert_eq!(recorded(&url).await.len(), 2);
    bench.engine.verify_audit().await.unwrap();
}

#[tokio::test]
async fn a_failed_or_outdated_dry_run_opens_nothing_beyond_development() {
    let bench = Bench::start(Version::Debian15).await;
    let (_, url) = bench.database().await;
    let project = Project::of(&[INIT, ("02_bad", "INSERT INTO nope VALUES (1);")]);
    let staging = target(&url, &project.path(), Tier::Staging);
    let (review, _, report) = bench.dry_run(&staging).await;
    assert_eq!(report.worked, Some(false));
    let failure = refused(&bench, &staging, &review).await;
    assert_eq!(failure.code, FailureCode::NotDryRun);
    assert!(failure.what.contains("02_bad"), "it names the one that would fail: {failure:?}");
    // Development without saying so: refused too.
    let development = development(&url, &project);
    let (review, ..) = bench.dry_run(&development).await;
    let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
    let refused = bench
        .engine
        .start_apply(&development, &review.plan.id, confirmation, ApplyOptions::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code, FailureCode::NotDryRun);
    assert_eq!(recorded(&url).await, []);
}
