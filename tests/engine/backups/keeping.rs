//! How backups are kept: keys that leave and come, the daily one, what is removed and what never is.

use super::harness::{Bench, PASSPHRASE, State, deep, quick, run};
use chrono::{Duration, Local, TimeZone};
use drydock_engine::Engine;
use drydock_engine::domain::FailureCode;
use drydock_engine::domain::backup::{BackupPolicy, ProofState, RestoreInto, RestoreRequest, RestoreWhat};
use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::secret::Secret;

#[tokio::test]
async fn a_backup_restores_on_a_new_computer_with_its_key_and_is_refused_without() {
    let bench = Bench::start().await;
    let (target, mut connection) =
        bench.base("shop", "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)").await;
    let before = State::read(&mut connection).await;
    let (backup, _) = bench.proven(&target, deep()).await;
    let folder = bench.engine.backup_detail(&backup.id).await.unwrap().folder;
    let carried = tempfile::tempdir().unwrap();
    let file = carried.path().join("keys.age");
    let secret = Secret::new("four words on paper");
    assert!(bench.engine.backup_keys_export_with(&file, &Secret::new("short")).await.is_err());
    assert_eq!(bench.engine.backup_keys_export_with(&file, &secret).await.unwrap(), 1);
    assert!(bench.engine.backup_keys_export_with(&file, &secret).await.is_err(), "a file is never replaced");
    assert!(!String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains("AGE-SECRET"));

    let home = tempfile::tempdir().unwrap();
    let other = Engine::open(home.path()).await.unwrap();
    let refused = other.start_backup(&target, quick()).await;
    assert_eq!(
        refused.unwrap_err().code,
        FailureCode::BackupKeyMissing,
        "no keyring and no vault: no backup"
    );
    other.vault_create(Secret::new(PASSPHRASE)).await.unwrap();
    let record = other.backup_find(&target, &folder).await.unwrap();
    let refused = other.start_proof(&target, &record.id).await.unwrap_err();
    assert_eq!(refused.code, FailureCode::BackupKeyMissing);
    assert!(refused.next.unwrap().contains("Import the key"));
    assert!(other.backup_keys_import_with(&file, &Secret::new("another passphrase")).await.is_err());
    assert_eq!(other.backup_keys_import_with(&file, &secret).await.unwrap(), 1);
    assert_eq!(other.backup_keys_import_with(&file, &secret).await.unwrap(), 0);
    let proof = other.start_proof(&target, &record.id).await.unwrap();
    let proof = other.wait_run(&proof.id, &mut |_| {}).await.unwrap();
    assert_eq!(proof.status, RunStatus::Succeeded, "{:?}", proof.failure);
    run(&mut connection, "DELETE FROM t").await;
    let request = RestoreRequest {
        backup_id: record.id,
        what: RestoreWhat::Everything,
        into: RestoreInto::Target,
        other_database: None,
    };
    let review = other.restore_plan(&target, request).await.unwrap();
    let confirmation = drydock_engine::domain::plan::Confirmation {
        digest: review.plan.digest.clone(),
        ticked_findings: (0_u32..).take(review.plan.findings.len()).collect(),
        ..Default::default()
    };
    let restored =
        other.start_apply(&target, &review.plan.id, confirmation, Default::default()).await.unwrap();
    let restored = other.wait_run(&restored.id, &mut |_| {}).await.unwrap();
    assert_eq!(restored.status, RunStatus::Succeeded, "{:?}", restored.failure);
    State::read(&mut connection).await.is_as(&before);
}

#[tokio::test]
async fn the_daily_backup_is_taken_once_a_day_and_old_ones_go_but_for_the_newest_proven() {
    let bench = Bench::start().await;
    let (_, _connection) = bench.base("shop", "CREATE TABLE t (id int PRIMARY KEY)").await;
    let id = bench.environment("shop").await;
    let target = bench.engine.target(&id).await.unwrap();
    let policy =
        BackupPolicy { daily_at: Some("02:00".to_owned()), keep_count: 1, ..BackupPolicy::default() };
    let shelf = bench.engine.backup_policy_set(&target, policy.clone()).await.unwrap();
    assert!(shelf.due.contains("02:00"), "{}", shelf.due);
    let wrong = BackupPolicy { daily_at: Some("26:00".to_owned()), ..policy };
    assert_eq!(
        bench.engine.backup_policy_set(&target, wrong).await.unwrap_err().code,
        FailureCode::SettingInvalid
    );
    let day = Local.with_ymd_and_hms(2026, 11, 23, 1, 59, 0).unwrap();
    assert!(bench.engine.schedule_tick(day).await.is_empty(), "not yet");
    for (later, due) in [(2, true), (3, false), (60 * 24 + 2, true), (60 * 24 + 5, false)] {
        let ticked = bench.engine.schedule_tick(day + Duration::minutes(later)).await;
        assert_eq!(ticked.len(), usize::from(due), "{later} minutes later");
        for (name, run) in ticked {
            assert_eq!(name, "shop");
            let run = bench.engine.wait_run(&run.unwrap(), &mut |_| {}).await.unwrap();
            assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
        }
    }
    let shelf = bench.engine.backup_shelf(&target).await.unwrap();
    assert_eq!(shelf.backups.len(), 1, "the older one went: {shelf:#?}");
    assert_eq!(shelf.backups[0].proof, ProofState::Proven);
    // One that cannot begin stands in the list as broken.
    let closed = Engine::open(bench.data()).await.unwrap();
    let later = day + Duration::days(3) + Duration::minutes(2);
    let ticked = closed.schedule_tick(later).await;
    assert!(
        ticked.iter().all(|(_, outcome)| outcome.is_err()),
        "its password is asked for at each start: {ticked:?}"
    );
    let shelf_then = bench.engine.backup_shelf(&target).await.unwrap();
    assert!(shelf_then.backups[0].holds.contains("asked for"), "{shelf_then:#?}");
    let kept = bench.engine.backup_remove(&target, &shelf.backups[0].id).await.unwrap_err();
    assert!(kept.what.contains("never removed"), "{kept:?}");
}
