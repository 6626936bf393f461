//! How backups are kept: where, how many, how long, and when one is taken by itself.

use crate::adapters::backups;
use crate::domain::backup::{BackupPolicy, BackupRecord, BackupShelf, BackupState, ProofState};
use crate::domain::{Failure, FailureCode};
use crate::engine::{Engine, Target};
use chrono::{DateTime, Duration, NaiveTime, Utc};
use std::path::Path;

fn key(environment: &str) -> String {
    format!("backup_policy:{environment}")
}

impl Engine {
    /// The rules of an environment's backups.
    pub(in crate::engine) async fn backup_policy(&self, environment: &str) -> Result<BackupPolicy, Failure> {
        let text = self.store().setting(&key(environment)).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Changes them.
    ///
    /// # Errors
    /// [`FailureCode::SettingInvalid`], [`FailureCode::Store`].
    pub async fn backup_policy_set(
        &self,
        target: &Target,
        policy: BackupPolicy,
    ) -> Result<BackupShelf, Failure> {
        check(&policy)?;
        let text = serde_json::to_string(&policy).unwrap_or_default();
        self.store().set_setting(&key(&target.key()), &text).await?;
        self.audit(target, "backup settings", "", &text).await?;
        self.backup_shelf(target).await
    }

    /// Removes what the rules do not keep. Never the newest proven one of each kind, and nothing while one is taken.
    pub(in crate::engine) async fn tidy_backups(&self, target: &Target) -> Result<Vec<String>, Failure> {
        let policy = self.backup_policy(&target.key()).await?;
        let records = self.store().backups(&target.key()).await?;
        let mut removed = Vec::new();
        for id in surplus(&records, &policy, Utc::now()) {
            let Some(record) = records.iter().find(|record| record.id == id) else { continue };
            if let Some(folder) = &record.folder {
                backups::remove(Path::new(folder))?;
            }
            self.store().forget_backup(&id).await?;
            self.audit(
                target,
                "backup removed",
                record.sha256.as_deref().unwrap_or_default(),
                "by its age, number or size",
            )
            .await?;
            removed.push(id);
        }
        Ok(removed)
    }

    /// Removes one backup on purpose.
    ///
    /// # Errors
    /// [`FailureCode::BackupRefused`] for the newest proven one; [`FailureCode::FileSystem`].
    pub async fn backup_remove(&self, target: &Target, id: &str) -> Result<BackupShelf, Failure> {
        let records = self.store().backups(&target.key()).await?;
        let record = self.store().backup(id).await?;
        if kept_whatever(&records).contains(&id.to_owned()) {
            return Err(Failure::new(
                FailureCode::BackupRefused,
                "The newest proven backup is never removed.",
            )
            .unchanged("Nothing was removed.")
            .next("Take and prove a newer one first."));
        }
        if record.state == BackupState::Taking {
            return Err(Failure::new(FailureCode::BackupRefused, "The backup is still being taken.")
                .unchanged("Nothing was removed.")
                .next("Cancel its run first."));
        }
        if let Some(folder) = &record.folder {
            backups::remove(Path::new(folder))?;
        }
        self.store().forget_backup(id).await?;
        self.audit(target, "backup removed", record.sha256.as_deref().unwrap_or_default(), "by the operator")
            .await?;
        self.backup_shelf(target).await
    }
}

/// The time of day of a schedule.
pub(super) fn time_of_day(text: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(text, "%H:%M").ok()
}

fn check(policy: &BackupPolicy) -> Result<(), Failure> {
    let refused = |what: &str, next: &str| {
        Err(Failure::new(FailureCode::SettingInvalid, what)
            .unchanged("The settings are as they were.")
            .next(next))
    };
    if let Some(time) = &policy.daily_at
        && time_of_day(time).is_none()
    {
        return refused("This is no time of day.", "Type it as 02:00, from 00:00 to 23:59.");
    }
    if !policy.folder.is_empty() && !Path::new(&policy.folder).is_absolute() {
        return refused("The folder for backups is not a whole path.", "Choose it with the folder dialog.");
    }
    if policy.keep_days > 3_650 || policy.old_after_hours > 10_000 {
        return refused("A number is out of its range.", "Choose up to 3,650 days and up to 10,000 hours.");
    }
    Ok(())
}

/// The newest proven one of each kind. An import is none: it may be of another database, or older than all of them.
fn kept_whatever(records: &[BackupRecord]) -> Vec<String> {
    use crate::domain::backup::BackupKind::{Deep, Quick};
    [Deep, Quick]
        .into_iter()
        .filter_map(|kind| {
            let proven = |record: &&BackupRecord| {
                record.kind == kind
                    && !record.is_of_unknown_database()
                    && record.state == BackupState::Complete
                    && record.proof.as_ref().is_some_and(|proof| proof.state == ProofState::Proven)
            };
            records
                .iter()
                .filter(proven)
                .max_by_key(|record| record.started_at)
                .map(|record| record.id.clone())
        })
        .collect()
}

/// What the rules do not keep, oldest first. What somebody brought here on purpose is neither counted nor removed.
fn surplus(records: &[BackupRecord], policy: &BackupPolicy, now: DateTime<Utc>) -> Vec<String> {
    let keep = kept_whatever(records);
    let mut complete: Vec<&BackupRecord> = records
        .iter()
        .filter(|record| record.state == BackupState::Complete && record.imported.is_none())
        .collect();
    complete.sort_by_key(|record| std::cmp::Reverse(record.started_at));
    let size = |record: &BackupRecord| record.summary.as_ref().map_or(0, |summary| summary.bytes);
    let (mut count, mut bytes) = (0_u32, 0_u64);
    let mut surplus = Vec::new();
    for record in complete {
        count += 1;
        bytes += size(record);
        let old =
            policy.keep_days > 0 && now - record.started_at > Duration::days(i64::from(policy.keep_days));
        let many = policy.keep_count > 0 && count > policy.keep_count;
        let large = policy.keep_gb > 0 && bytes > u64::from(policy.keep_gb) * 1024 * 1024 * 1024;
        if (old || many || large) && !keep.contains(&record.id) {
            surplus.push(record.id.clone());
            count -= 1;
            bytes -= size(record);
        }
    }
    surplus.reverse();
    surplus
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::backup::{BackupKind, BackupScope, BackupSummary, BackupTool, Proof};
    use crate::domain::identity::TargetIdentity;

    fn record(id: &str, kind: BackupKind, days: i64, proven: bool, now: DateTime<Utc>) -> BackupRecord {
        BackupRecord {
            state: BackupState::Complete,
            summary: Some(BackupSummary {
                taken_at: now,
                identity: TargetIdentity {
                    system_identifier: None,
                    database_oid: 1,
                    database: "d".to_owned(),
                    address: "a".to_owned(),
                    server_version: 150_000,
                },
                scope: BackupScope::Whole,
                tables: Vec::new(),
                rows: 0,
                bytes: 600 * 1024 * 1024,
                source_bytes: 0.0,
                tool: BackupTool { name: String::new(), version: String::new(), place: String::new() },
                seconds: 1.0,
                recipient: String::new(),
                imported: None,
            }),
            proof: proven.then(|| Proof {
                state: ProofState::Proven,
                at: now,
                seconds: 1.0,
                server: String::new(),
                facts: Vec::new(),
                notes: Vec::new(),
            }),
            ..BackupRecord::begun(id.to_owned(), "e".to_owned(), kind, now - Duration::days(days))
        }
    }

    #[test]
    fn the_newest_proven_one_is_never_surplus() {
        let now = Utc::now();
        let records = vec![
            record("new", BackupKind::Deep, 1, false, now),
            record("proven", BackupKind::Deep, 40, true, now),
            record("older", BackupKind::Deep, 50, true, now),
            record("quick", BackupKind::Quick, 45, true, now),
            record("fresh", BackupKind::Quick, 2, false, now),
        ];
        let days = BackupPolicy { keep_days: 30, ..BackupPolicy::default() };
        assert_eq!(surplus(&records, &days, now), ["older"]);
        let count = BackupPolicy { keep_days: 0, keep_count: 1, ..BackupPolicy::default() };
        assert_eq!(surplus(&records, &count, now), ["older", "fresh"]);
        let size = BackupPolicy { keep_days: 0, keep_gb: 1, ..BackupPolicy::default() };
        assert_eq!(surplus(&records, &size, now), ["older", "fresh"]);
        let none = BackupPolicy { keep_days: 0, ..BackupPolicy::default() };
        assert!(surplus(&records, &none, now).is_empty());
    }

    #[test]
    fn an_import_is_neither_removed_nor_counted_and_protects_nothing_else() {
        let now = Utc::now();
        let mut import = record("import", BackupKind::Deep, 0, true, now);
        import.imported = Some("imported from nightly.dump".to_owned());
        if let Some(summary) = &mut import.summary {
            summary.identity = TargetIdentity::unknown(None, "a".to_owned(), 180_004);
        }
        let mut old = import.clone();
        old.id = "old import".to_owned();
        old.started_at = now - Duration::days(400);
        let records = vec![
            import,
            record("proven", BackupKind::Deep, 40, true, now),
            record("older", BackupKind::Deep, 50, false, now),
            old,
        ];
        let policy = BackupPolicy { keep_days: 30, keep_count: 1, keep_gb: 1, ..BackupPolicy::default() };
        assert_eq!(surplus(&records, &policy, now), ["older"]);
        assert_eq!(kept_whatever(&records), ["proven"]);
    }

    #[test]
    fn a_wrong_setting_is_refused_in_words() {
        for policy in [
            BackupPolicy { daily_at: Some("25:00".to_owned()), ..BackupPolicy::default() },
            BackupPolicy { folder: "relative".to_owned(), ..BackupPolicy::default() },
            BackupPolicy { keep_days: 4_000, ..BackupPolicy::default() },
        ] {
            assert_eq!(check(&policy).unwrap_err().code, FailureCode::SettingInvalid);
        }
        assert!(
            check(&BackupPolicy { daily_at: Some("02:00".to_owned()), ..BackupPolicy::default() }).is_ok()
        );
    }
}
