//! Backups of a database that holds everything which backups have lost before.

use super::harness::{Bench, TORTURE, deep, quick, run};
use drydock_engine::domain::Outcome;
use drydock_engine::domain::backup::{BackupState, Proof, ProofState};
use drydock_engine::domain::run::RunStatus;
use drydock_lab::Version;

fn holds(proof: &Proof) {
    assert_eq!(proof.state, ProofState::Proven, "{proof:#?}");
    for fact in &proof.facts {
        assert!(fact.outcome <= Outcome::Warn, "{fact:#?}");
    }
}

#[tokio::test]
async fn both_kinds_of_the_torture_database_are_taken_and_proven() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start_on(version).await;
        let (target, _connection) = bench.base("torture", TORTURE).await;
        for request in [quick(), deep()] {
            let (view, proof) = bench.proven(&target, request).await;
            assert_eq!(view.state, BackupState::Complete);
            assert!(view.tables >= 20, "{view:?}");
            holds(&proof);
        }
    }
}

#[tokio::test]
async fn a_backup_that_would_lack_rows_is_refused_by_name() {
    let bench = Bench::start().await;
    let (target, mut connection) =
        bench.base("shop", "CREATE TABLE notes (id int); CREATE TABLE salaries (id int)").await;
    run(
        &mut connection,
        "CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT SELECT ON notes TO reader; ALTER TABLE notes ENABLE ROW LEVEL SECURITY",
    )
    .await;
    let mut low = target.clone();
    low.connector.address.user = "reader".to_owned();
    low.connector.password = Some(drydock_engine::domain::secret::Secret::new("reader"));
    for request in [quick(), deep()] {
        let preview = bench.engine.backup_preview(&low, &request).await.unwrap();
        assert_eq!(preview.refusals.len(), 2, "{preview:#?}");
        let ended = bench.back_up(&low, request).await;
        assert_eq!(ended.status, RunStatus::Failed);
        let why = ended.failure.unwrap().why.unwrap();
        assert!(why.contains("notes") && why.contains("salaries"), "{why}");
    }
    let shelf = bench.engine.backup_shelf(&low).await.unwrap();
    assert!(shelf.backups.iter().all(|backup| backup.state == BackupState::Broken), "{shelf:#?}");
}
