//! Real histories: what we leave is what the real command line leaves, and either may take over halfway.
//! A plain run takes umami on both majors and langfuse on one; `DRYDOCK_FULL=1` takes everything.

use super::harness::{Bench, Project, apply, development, recorded, said, schema_of, target};
use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::plan::PlanPurpose;
use drydock_engine::domain::run::RunStatus;
use drydock_lab::{Version, corpus};
use std::path::PathBuf;
use std::time::Instant;

fn full() -> bool {
    std::env::var_os("DRYDOCK_FULL").is_some_and(|value| value != "0")
}

fn history(name: &str) -> PathBuf {
    corpus().join(name).join("migrations")
}

/// A copy of the first migrations of a history.
fn first(name: &str, count: usize) -> Project {
    let project = Project::new();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(history(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    for folder in folders.iter().take(count) {
        let script = std::fs::read(folder.join("migration.sql")).unwrap();
        project.write(folder.file_name().unwrap().to_str().unwrap(), script);
    }
    project
}

/// Applies a history with each tool, and with both in turns, and compares what they leave.
async fn prove(version: Version, name: &str, migrations: usize, halfway: usize) {
    let bench = Bench::start(version).await;
    let folder = history(name);
    let (_, theirs) = bench.database().await;
    let started = Instant::now();
    let answer = bench.peer.deploy(&theirs, &folder);
    assert_eq!(answer.exit, 0, "{}", said(&answer));
    let peer_took = started.elapsed();
    let (schema, ledger) = (schema_of(&theirs).await, recorded(&theirs).await);
    assert_eq!(ledger.len(), migrations);

    let (_, ours) = bench.database().await;
    let on = target(&ours, &folder, Tier::Development);
    let started = Instant::now();
    let run = apply(&bench.engine, &on, PlanPurpose::ApplyPending).await.unwrap();
    eprintln!("{name} on {version:?}: {:?}, the peer {peer_took:?}", started.elapsed());
    assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
    assert_eq!(recorded(&ours).await, ledger, "{name}: ledger");
    assert_eq!(schema_of(&ours).await, schema, "{name}: pg_dump of the schema");
    let answer = bench.peer.status(&ours, &folder);
    assert!(answer.exit == 0 && answer.stdout.contains("up to date"), "{}", said(&answer));
    let status = bench.engine.migration_status(&target(&theirs, &folder, Tier::Development)).await.unwrap();
    assert_eq!((status.prisma_exit_code, status.next_apply.len()), (0, 0));

    // We stop halfway and the peer does the rest; then the other way round.
    let part = first(name, halfway);
    let (_, handed) = bench.database().await;
    assert_eq!(bench.apply(&development(&handed, &part)).await.unwrap().status, RunStatus::Succeeded);
    assert_eq!(recorded(&handed).await.len(), halfway);
    let answer = bench.peer.deploy(&handed, &folder);
    assert_eq!(answer.exit, 0, "{}", said(&answer));
    assert_eq!(recorded(&handed).await, ledger, "{name}: we, then the peer");
    assert_eq!(schema_of(&handed).await, schema);

    let (_, taken) = bench.database().await;
    let answer = bench.peer.deploy(&taken, &part.path());
    assert_eq!(answer.exit, 0, "{}", said(&answer));
    let on = target(&taken, &folder, Tier::Development);
    assert_eq!(bench.apply(&on).await.unwrap().status, RunStatus::Succeeded);
    assert_eq!(recorded(&taken).await, ledger, "{name}: the peer, then we");
    assert_eq!(schema_of(&taken).await, schema);
}

#[tokio::test]
async fn umami_ends_the_same_whoever_applies_it() {
    for version in [Version::Debian15, Version::Toolkit18] {
        prove(version, "umami/postgresql", 19, 9).await;
    }
}

#[tokio::test]
async fn langfuse_ends_the_same_whoever_applies_it() {
    prove(Version::Debian15, "langfuse", 434, 200).await;
    if full() {
        prove(Version::Toolkit18, "langfuse", 434, 200).await;
    }
}
