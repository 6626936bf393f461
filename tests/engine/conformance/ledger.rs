//! Every way through deploy, status and resolve, walked by both tools side by side.

use super::harness::{Bench, Project, apply, development, execute, recorded, said};
use drydock_engine::domain::FailureCode;
use drydock_engine::domain::migration::MigrationState::{self, *};
use drydock_engine::domain::plan::PlanPurpose;
use drydock_engine::domain::run::RunStatus;
use drydock_lab::Version;

/// What both tools are made to do, or are expected to say.
enum Act {
    /// Writes a migration.
    Write(&'static str, &'static str),
    /// Makes a folder without a script.
    Hollow(&'static str),
    /// Deletes a migration's folder.
    Remove(&'static str),
    /// Writes `migration_lock.toml`.
    Lock(&'static str),
    /// Runs SQL past both tools.
    Sql(&'static str),
    /// `migrate deploy`.
    Deploy(End),
    /// `migrate resolve --applied`.
    MarkApplied(&'static str, End),
    /// `migrate resolve --rolled-back`.
    MarkRolledBack(&'static str, End),
    /// `migrate status`: exit code, and our states of all migrations in order.
    Status(i32, &'static [(&'static str, MigrationState)]),
    /// A finding that only we make; it must not change the exit code.
    Finding(&'static str),
}
use Act::*;

/// How a command ends, for both.
#[derive(Clone, Copy)]
enum End {
    Done,
    /// Nothing was pending.
    Nothing,
    /// A migration failed: P3018.
    Fails,
    /// Refused, with Prisma's code (or text) and ours.
    Refused(&'static str, FailureCode),
}
use End::*;

/// Walks both tools, each on its own database and its own copy of the files; after each act the two
/// ledgers are equal, and each tool sees the other's database exactly as its own.
async fn walk(bench: &Bench, acts: &[Act]) {
    let (ours, theirs) = (bench.database().await.1, bench.database().await.1);
    let (mine, yours) = (Project::new(), Project::new());
    let target = development(&ours, &mine);
    let crossed = development(&theirs, &yours);
    for (number, act) in acts.iter().enumerate() {
        let place = format!("act {number}");
        match act {
            Write(name, sql) => [&mine, &yours].iter().for_each(|project| project.write(name, sql)),
            Hollow(name) => [&mine, &yours]
                .iter()
                .for_each(|project| std::fs::create_dir_all(project.path().join(name)).unwrap()),
            Remove(name) => [&mine, &yours].iter().for_each(|project| project.remove(name)),
            Lock(text) => [&mine, &yours].iter().for_each(|project| project.lock(text)),
            Sql(sql) => {
                execute(&ours, sql).await;
                execute(&theirs, sql).await;
            }
            Deploy(end) => {
                let said_theirs = bench.peer.deploy(&theirs, &yours.path());
                let said_ours = apply(&bench.engine, &target, PlanPurpose::ApplyPending).await;
                agree(&place, *end, &said_theirs, said_ours);
            }
            MarkApplied(name, end) => {
                let said_theirs = bench.peer.resolve(&theirs, &yours.path(), "--applied", name);
                let purpose = PlanPurpose::MarkApplied { migration: (*name).to_owned() };
                agree(&place, *end, &said_theirs, apply(&bench.engine, &target, purpose).await);
            }
            MarkRolledBack(name, end) => {
                let said_theirs = bench.peer.resolve(&theirs, &yours.path(), "--rolled-back", name);
                let purpose = PlanPurpose::MarkRolledBack { migration: (*name).to_owned() };
                agree(&place, *end, &said_theirs, apply(&bench.engine, &target, purpose).await);
            }
            Status(exit, states) => {
                let expected: Vec<_> =
                    states.iter().map(|(name, state)| ((*name).to_owned(), *state)).collect();
                for (whose, target) in [("ours", &target), ("theirs", &crossed)] {
                    let (status, found) = bench.states(target).await;
                    assert_eq!(
                        status.prisma_exit_code, *exit,
                        "{place}: our exit code on {whose}: {status:?}"
                    );
                    assert_eq!(found, expected, "{place}: our states on {whose}");
                }
                // The ledgers are equal, so one look of the peer is enough; it looks at what we wrote.
                let answer = bench.peer.status(&ours, &mine.path());
                assert_eq!(answer.exit, *exit, "{place}: the peer's exit code: {}", said(&answer));
            }
            Finding(check) => {
                let (status, _) = bench.states(&target).await;
                assert!(
                    status.findings.iter().any(|finding| finding.check == *check),
                    "{place}: {check} is shown although the command line says nothing: {:?}",
                    status.findings
                );
            }
        }
        assert_eq!(
            recorded(&ours).await,
            recorded(&theirs).await,
            "{place}: the ledgers are equal but for ids, times and the wording of logs"
        );
    }
}

fn agree(
    place: &str,
    end: End,
    theirs: &drydock_lab::Answer,
    ours: Result<drydock_engine::domain::run::Run, drydock_engine::domain::Failure>,
) {
    let words = said(theirs);
    match end {
        Done => {
            assert_eq!(theirs.exit, 0, "{place}: {words}");
            assert_eq!(ours.as_ref().unwrap().status, RunStatus::Succeeded, "{place}: {ours:?}");
        }
        Nothing => {
            assert!(theirs.exit == 0 && words.contains("No pending migrations"), "{place}: {words}");
            assert_eq!(ours.unwrap_err().code, FailureCode::NothingToDo, "{place}");
        }
        Fails => {
            assert!(theirs.exit == 1, "{place}: {words}");
            let run = ours.unwrap();
            assert_eq!(run.status, RunStatus::Failed, "{place}: {run:?}");
            assert_eq!(run.failure.unwrap().code, FailureCode::MigrationFailed, "{place}");
        }
        Refused(code, failure) => {
            assert!(theirs.exit == 1 && words.contains(code), "{place}: {words}");
            let refused = ours.expect_err(place);
            assert_eq!(refused.code, failure, "{place}: {refused:?}");
            if code.starts_with('P') {
                let told = format!("{} {}", refused.what, refused.why.clone().unwrap_or_default());
                assert!(told.contains(code), "{place}: the code people search for is named: {told}");
            }
        }
    }
}

const INIT: (&str, &str) =
    ("20240101000000_init", "CREATE TABLE a (id int PRIMARY KEY);\nINSERT INTO a VALUES (1);\n");

/// Fresh, partial, edited, missing, failed, resolved both ways, retried.
fn life() -> Vec<Act> {
    vec![
        Status(1, &[]),
        Write(INIT.0, INIT.1),
        Write("20240102000000_more", "ALTER TABLE a ADD COLUMN b text;\n"),
        Status(1, &[("20240101000000_init", Pending), ("20240102000000_more", Pending)]),
        Deploy(Done),
        Deploy(Nothing),
        Status(0, &[("20240101000000_init", Applied), ("20240102000000_more", Applied)]),
        MarkApplied(INIT.0, Refused("P3008", FailureCode::ResolveRefused)),
        MarkRolledBack(INIT.0, Refused("P3012", FailureCode::ResolveRefused)),
        MarkRolledBack("nobody", Refused("P3011", FailureCode::ResolveRefused)),
        MarkApplied("nobody", Refused("P3017", FailureCode::ResolveRefused)),
        // Partial: one more file.
        Write("20240103000000_part", "CREATE TABLE c (id int);\n"),
        Status(
            1,
            &[
                ("20240101000000_init", Applied),
                ("20240102000000_more", Applied),
                ("20240103000000_part", Pending),
            ],
        ),
        Deploy(Done),
        // Edited: the command line says nothing, and neither stops.
        Write("20240103000000_part", "CREATE TABLE c (id bigint);\n"),
        Status(
            0,
            &[
                ("20240101000000_init", Applied),
                ("20240102000000_more", Applied),
                ("20240103000000_part", Edited),
            ],
        ),
        Finding("edited"),
        Deploy(Nothing),
        Write("20240103000000_part", "CREATE TABLE c (id int);\r\n"),
        Status(
            0,
            &[
                ("20240101000000_init", Applied),
                ("20240102000000_more", Applied),
                ("20240103000000_part", Applied),
            ],
        ),
        // Missing: as quiet.
        Remove("20240103000000_part"),
        Status(
            0,
            &[
                ("20240101000000_init", Applied),
                ("20240102000000_more", Applied),
                ("20240103000000_part", Missing),
            ],
        ),
        Finding("missing"),
        // Missing and pending: diverged.
        Write("20240104000000_bad", "CREATE TABLE d (id int);\nINSERT INTO nope VALUES (1);\n"),
        Status(
            1,
            &[
                ("20240101000000_init", Applied),
                ("20240102000000_more", Applied),
                ("20240103000000_part", Missing),
                ("20240104000000_bad", Pending),
            ],
        ),
        Deploy(Fails),
        Status(
            1,
            &[
                ("20240101000000_init", Applied),
                ("20240102000000_more", Applied),
                ("20240103000000_part", Missing),
                ("20240104000000_bad", Failed),
            ],
        ),
        Deploy(Refused("P3009", FailureCode::LedgerFailed)),
        // Failed and pending: the command line names the pending one only.
        Write("20240105000000_last", "CREATE TABLE e (id int);\n"),
        Status(
            1,
            &[
                ("20240101000000_init", Applied),
                ("20240102000000_more", Applied),
                ("20240103000000_part", Missing),
                ("20240104000000_bad", Failed),
                ("20240105000000_last", Pending),
            ],
        ),
        Finding("failed"),
        MarkRolledBack("20240104000000_bad", Done),
        Status(
            1,
            &[
                ("20240101000000_init", Applied),
                ("20240102000000_more", Applied),
                ("20240103000000_part", Missing),
                ("20240104000000_bad", RolledBack),
                ("20240105000000_last", Pending),
            ],
        ),
        MarkRolledBack("20240104000000_bad", Done),
        Deploy(Fails),
        // Resolved the other way: marked as applied, the failed row rolled back.
        MarkApplied("20240104000000_bad", Done),
        MarkApplied("20240104000000_bad", Refused("P3008", FailureCode::ResolveRefused)),
        MarkRolledBack("20240104000000_bad", Done),
        Deploy(Done),
        Status(
            0,
            &[
                ("20240101000000_init", Applied),
                ("20240102000000_more", Applied),
                ("20240103000000_part", Missing),
                ("20240104000000_bad", Applied),
                ("20240105000000_last", Applied),
            ],
        ),
        Deploy(Nothing),
    ]
}

#[tokio::test]
async fn both_tools_leave_the_same_ledger_through_a_whole_life() {
    walk(&Bench::start(Version::Debian15).await, &life()).await;
    walk(
        &Bench::start(Version::Toolkit18).await,
        &[
            Write(INIT.0, INIT.1),
            Write("20240104000000_bad", "CREATE TABLE d (id int);\nINSERT INTO nope VALUES (1);\n"),
            Deploy(Fails),
            MarkRolledBack("20240104000000_bad", Done),
            Write("20240104000000_bad", "CREATE TABLE d (id int);\n"),
            Deploy(Done),
            Status(0, &[("20240101000000_init", Applied), ("20240104000000_bad", Applied)]),
        ],
    )
    .await;
}

#[tokio::test]
async fn both_tools_agree_on_databases_that_were_there_before() {
    let bench = Bench::start(Version::Debian15).await;
    // Tables without ledger: P3005, until a baseline records what is in.
    walk(
        &bench,
        &[
            Sql("CREATE TABLE a (id int PRIMARY KEY)"),
            Write(INIT.0, INIT.1),
            Write("20240102000000_more", "ALTER TABLE a ADD COLUMN b text;\n"),
            Status(1, &[("20240101000000_init", Pending), ("20240102000000_more", Pending)]),
            Finding("baseline-needed"),
            Deploy(Refused("P3005", FailureCode::BaselineNeeded)),
            MarkRolledBack(INIT.0, Refused("without migrations table", FailureCode::ResolveRefused)),
            MarkApplied(INIT.0, Done),
            Status(1, &[("20240101000000_init", Applied), ("20240102000000_more", Pending)]),
            Deploy(Done),
            Status(0, &[("20240101000000_init", Applied), ("20240102000000_more", Applied)]),
        ],
    )
    .await;
    // What does not count as a table: views, sequences, partitioned parents, other schemas, PostGIS' own.
    walk(
        &bench,
        &[
            Sql("CREATE VIEW v AS SELECT 1 AS x; CREATE SEQUENCE s; CREATE MATERIALIZED VIEW m AS SELECT 1 AS x; \
                 CREATE TABLE parent (id int) PARTITION BY RANGE (id); CREATE SCHEMA other; CREATE TABLE other.t (id int); \
                 CREATE TABLE spatial_ref_sys (id int)"),
            Write(INIT.0, INIT.1),
            Deploy(Done),
        ],
    )
    .await;
    // Another tool's table does.
    walk(
        &bench,
        &[
            Sql("CREATE TABLE _sqlx_migrations (version bigint)"),
            Write(INIT.0, INIT.1),
            Deploy(Refused("P3005", FailureCode::BaselineNeeded)),
        ],
    )
    .await;
    // An emptied folder with a ledger is up to date; one without anything is unmanaged.
    walk(
        &bench,
        &[
            Status(1, &[]),
            Write(INIT.0, INIT.1),
            Deploy(Done),
            Remove(INIT.0),
            Status(0, &[("20240101000000_init", Missing)]),
            Deploy(Nothing),
        ],
    )
    .await;
}

#[tokio::test]
async fn both_tools_refuse_the_same_folders() {
    let bench = Bench::start(Version::Debian15).await;
    // The provider line is no TOML.
    for (text, refused) in [
        ("provider = \"mysql\"\n", true),
        ("provider=\"postgresql\"\n", true),
        ("# nothing here\n", true),
        ("# a comment\r\nprovider = \"postgresql\"\r\n", false),
    ] {
        let end = if refused { Refused("P3019", FailureCode::ProviderMismatch) } else { Done };
        let states: &[(&str, MigrationState)] = &[("20240101000000_init", Pending)];
        walk(
            &bench,
            &[
                Lock(text),
                Write(INIT.0, INIT.1),
                Status(1, states),
                MarkApplied(
                    "nobody",
                    Refused(
                        if refused { "P3019" } else { "P3017" },
                        if refused { FailureCode::ProviderMismatch } else { FailureCode::ResolveRefused },
                    ),
                ),
                Deploy(end),
            ],
        )
        .await;
    }
    // A folder without script: status lists it as pending and exits 1; with a row of it, status itself fails.
    walk(
        &bench,
        &[
            Hollow("20240101000000_hollow"),
            Status(1, &[("20240101000000_hollow", Unreadable)]),
            MarkApplied("20240101000000_hollow", Refused("P3017", FailureCode::ResolveRefused)),
        ],
    )
    .await;
    walk(
        &bench,
        &[
            Write(INIT.0, INIT.1),
            Deploy(Done),
            Remove(INIT.0),
            Hollow(INIT.0),
            Status(1, &[("20240101000000_init", Unreadable)]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_folder_without_script_stops_us_before_anything_runs_where_the_peer_stops_halfway() {
    let bench = Bench::start(Version::Debian15).await;
    let project = Project::of(&[INIT]);
    std::fs::create_dir_all(project.path().join("20240102000000_hollow")).unwrap();
    let (ours, theirs) = (bench.database().await.1, bench.database().await.1);
    let answer = bench.peer.deploy(&theirs, &project.path());
    assert!(answer.exit == 1 && said(&answer).contains("P3015"), "{}", said(&answer));
    assert_eq!(recorded(&theirs).await.len(), 1, "the peer applied what comes before it");
    let refused = bench.apply(&development(&ours, &project)).await.unwrap_err();
    assert_eq!(refused.code, FailureCode::ScriptUnreadable);
    assert!(refused.unchanged.unwrap().contains("P3015"), "the code people search for is named");
    assert_eq!(recorded(&ours).await, [], "a plan that cannot be carried out is not begun");
}

#[tokio::test]
async fn each_tool_finds_the_other_s_work_complete() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start(version).await;
        let project = Project::of(&[INIT, ("20240102000000_more", "ALTER TABLE a ADD COLUMN b text;\n")]);
        let (ours, theirs) = (bench.database().await.1, bench.database().await.1);
        assert_eq!(bench.apply(&development(&ours, &project)).await.unwrap().status, RunStatus::Succeeded);
        let answer = bench.peer.status(&ours, &project.path());
        assert!(answer.exit == 0 && answer.stdout.contains("up to date"), "{}", said(&answer));
        let answer = bench.peer.deploy(&ours, &project.path());
        assert!(answer.exit == 0 && answer.stdout.contains("No pending"), "{}", said(&answer));

        assert_eq!(bench.peer.deploy(&theirs, &project.path()).exit, 0);
        let (status, states) = bench.states(&development(&theirs, &project)).await;
        assert_eq!(status.prisma_exit_code, 0);
        assert!(states.iter().all(|(_, state)| *state == Applied), "{states:?}");
        assert!(
            status.findings.is_empty(),
            "nothing to remark on a history that is all in: {:?}",
            status.findings
        );
    }
}

#[tokio::test]
async fn a_baseline_records_what_resolve_would_one_by_one() {
    let bench = Bench::start(Version::Debian15).await;
    let project = Project::of(&[
        INIT,
        ("20240102000000_more", "ALTER TABLE a ADD COLUMN b text;\n"),
        ("20240103000000_new", "CREATE TABLE n (id int);\n"),
    ]);
    let (ours, theirs) = (bench.database().await.1, bench.database().await.1);
    for url in [&ours, &theirs] {
        execute(url, "CREATE TABLE a (id int PRIMARY KEY, b text)").await;
    }
    for name in [INIT.0, "20240102000000_more"] {
        assert_eq!(bench.peer.resolve(&theirs, &project.path(), "--applied", name).exit, 0);
    }
    let purpose = PlanPurpose::Baseline { up_to: "20240102000000_more".to_owned() };
    let target = development(&ours, &project);
    assert_eq!(apply(&bench.engine, &target, purpose).await.unwrap().status, RunStatus::Succeeded);
    assert_eq!(recorded(&ours).await, recorded(&theirs).await);
    assert_eq!(bench.peer.deploy(&ours, &project.path()).exit, 0, "the peer goes on from our baseline");
    assert_eq!(bench.apply(&development(&theirs, &project)).await.unwrap().status, RunStatus::Succeeded);
    assert_eq!(recorded(&ours).await, recorded(&theirs).await);
}
