//! The Backups panel: what there is, how old it is, whether it can be trusted.

use super::complete_folder;
use crate::adapters::backups::{self, Stored};
use crate::domain::backup::{
    BackupDetail, BackupKind, BackupPolicy, BackupRecord, BackupShelf, BackupState, BackupTable, BackupView,
    ProofState,
};
use crate::domain::import::DumpOrigin;
use crate::domain::{Failure, Outcome};
use crate::engine::{Engine, Target};
use crate::planner::backup::size_words;
use crate::runner::backup::Taken;
use chrono::{DateTime, Duration, Local, Utc};
use std::path::{Path, PathBuf};

impl Engine {
    /// The backups of an environment.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`].
    pub async fn backup_shelf(&self, target: &Target) -> Result<BackupShelf, Failure> {
        self.settle_backups(target).await?;
        let records = self.store().backups(&target.key()).await?;
        let policy = self.backup_policy(&target.key()).await?;
        let recipients = self.backup_recipients().await?;
        let views: Vec<BackupView> = records.iter().map(|record| self.view(record, &recipients)).collect();
        let now = Utc::now();
        // Of an import it is not known how old it is, nor of which database.
        let newest = views.iter().find(|view| {
            view.kind == BackupKind::Deep
                && view.knows_database
                && view.state == BackupState::Complete
                && view.proof == ProofState::Proven
                && view.has_key
        });
        let (headline, outcome) = headline(&views, newest, &policy, now);
        let root = self.backup_root(target).await?;
        Ok(BackupShelf {
            headline,
            lead: lead(&views, newest).to_owned(),
            newest_proven: newest.map(|view| view.id.clone()),
            outcome,
            due: due(&policy),
            key: self.backup_key_state().await?,
            used_bytes: views
                .iter()
                .filter(|view| view.state == BackupState::Complete)
                .map(|view| view.bytes)
                .sum(),
            free_bytes: backups::free_bytes(&root).map(|bytes| bytes as f64),
            folder: root.display().to_string(),
            policy,
            backups: views,
            read_at: now,
        })
    }

    /// One backup with its evidence.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::BackupDamaged`] when there is none.
    pub async fn backup_detail(&self, id: &str) -> Result<BackupDetail, Failure> {
        let record = self.store().backup(id).await?;
        let recipients = self.backup_recipients().await?;
        let backup = self.view(&record, &recipients);
        let folder = record.folder.clone().unwrap_or_default();
        let stored = match complete_folder(&record) {
            Ok(folder) => {
                tokio::task::spawn_blocking(move || Stored::open(&folder)).await.ok().and_then(Result::ok)
            }
            Err(_) => None,
        };
        let summary = record.summary.as_ref();
        let files = match (&stored, record.state) {
            (Some(stored), _) => {
                format!("{}, checksums are compared before each use", stored.manifest.files.len() + 1)
            }
            (None, BackupState::Complete) => "they cannot be read".to_owned(),
            (None, _) => "none".to_owned(),
        };
        Ok(BackupDetail {
            proof: record.proof.clone(),
            tool: summary.map(|summary| summary.tool.clone()),
            source: summary.map_or_else(String::new, |summary| {
                let identity = &summary.identity;
                if let Some(origin) = &summary.imported {
                    return source_words(origin);
                }
                format!("{} on {}, id {}", identity.database, identity.version_words(), identity.short())
            }),
            seconds: summary.map(|summary| summary.seconds),
            files,
            sha256: record.sha256.clone(),
            folder,
            tables: stored.as_ref().map_or_else(Vec::new, |stored| {
                let tables = stored.manifest.tables.iter();
                tables
                    .map(|table| BackupTable { table: table.table.clone(), rows: table.rows as f64 })
                    .collect()
            }),
            left_out: stored.map_or_else(Vec::new, |stored| stored.manifest.left_out),
            failure: record.failure.clone(),
            backup,
        })
    }

    /// The backups of an environment as they can be used now: one whose folder is gone, or whose key is not on this
    /// computer, is none that a plan could go back to.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`]; where keys cannot be looked for.
    pub(in crate::engine) async fn backups_at_hand(&self, key: &str) -> Result<Vec<BackupRecord>, Failure> {
        let mut records = self.store().backups(key).await?;
        let recipients = self.backup_recipients().await?;
        for record in &mut records {
            record.state = state_now(record);
        }
        let has_key = |record: &BackupRecord| {
            record.summary.as_ref().is_none_or(|summary| recipients.contains(&summary.recipient))
        };
        records.retain(has_key);
        Ok(records)
    }

    fn view(&self, record: &BackupRecord, recipients: &[String]) -> BackupView {
        let summary = record.summary.as_ref();
        let state = state_now(record);
        let tables = summary.map_or(0, |summary| summary.tables.len());
        let holds = match (state, &record.failure, summary) {
            (BackupState::Gone, ..) => "its folder is gone".to_owned(),
            (BackupState::Taking, ..) => "being taken".to_owned(),
            (BackupState::Broken, Some(failure), _) => failure.what.clone(),
            (BackupState::Broken, None, _) => "never finished".to_owned(),
            (_, _, Some(_)) if tables == 1 => "1 table".to_owned(),
            _ => format!("{tables} tables"),
        };
        let at_work = record.run_id.as_ref().is_some_and(|run| self.live().contains_key(run));
        let proving =
            self.proves(&record.id) || (at_work && state == BackupState::Complete && record.proof.is_none());
        BackupView {
            id: record.id.clone(),
            environment_id: record.environment_id.clone(),
            environment_name: record.environment_name.clone(),
            kind: record.kind,
            state,
            taken_at: summary.map_or(record.started_at, |summary| summary.taken_at),
            holds,
            tables: u32::try_from(tables).unwrap_or(u32::MAX),
            rows: summary.map_or(0.0, |summary| summary.rows as f64),
            bytes: summary.map_or(0.0, |summary| summary.bytes as f64),
            proof: if proving {
                ProofState::Proving
            } else {
                record.proof.as_ref().map_or(ProofState::Unproven, |proof| proof.state)
            },
            proof_at: record.proof.as_ref().map(|proof| proof.at),
            run_id: record.run_id.clone(),
            run_number: record.run_number,
            imported: record.imported.clone(),
            knows_database: !record.is_of_unknown_database(),
            has_key: summary.is_none_or(|summary| recipients.contains(&summary.recipient)),
        }
    }

    /// Backups whose run is over without an end are broken, and what they left is swept; one that was whole by then is
    /// listed as such, unproven.
    async fn settle_backups(&self, target: &Target) -> Result<(), Failure> {
        self.store().mark_cut_off_runs().await?;
        for mut record in self.store().backups(&target.key()).await? {
            if record.state != BackupState::Taking {
                continue;
            }
            let run = match &record.run_id {
                Some(run) => self.store().run(run).await.ok(),
                None => None,
            };
            if run.as_ref().is_some_and(|run| run.ended_at.is_none()) {
                continue;
            }
            let root = match &record.root {
                Some(root) => PathBuf::from(root),
                None => self.backup_root(target).await?,
            };
            backups::sweep(&root, &|id| id != record.id);
            // It bears its name only once all of it is written: the end came before that was noted here.
            if let Some(stored) = backups::finished(&root, &record.id) {
                let found = ("backup found", "whole, after Drydock had been ended");
                self.stored(target, &mut record, Taken { stored, source_bytes: 0.0 }, found).await?;
                continue;
            }
            record.state = BackupState::Broken;
            record.failure = run.and_then(|run| run.failure);
            self.store().save_backup(&record).await?;
        }
        Ok(())
    }
}

/// Where an import says it is from.
fn source_words(origin: &DumpOrigin) -> String {
    let database = match (&origin.database, &origin.server) {
        (Some(database), Some(server)) => format!("{database} on PostgreSQL {server}, as its header says"),
        (None, Some(server)) => format!("PostgreSQL {server}, as its header says"),
        _ => "a database that it does not name".to_owned(),
    };
    let when = match origin.dumped_at {
        Some(_) => "The time is the header's, which has no time zone.",
        None => "When it was made is not known; the time shown is that of the import.",
    };
    format!(
        "{} ({}): {database}. Which database that was cannot be checked. {when}",
        origin.name,
        origin.words()
    )
}

/// How a backup stands, its folder looked at.
fn state_now(record: &BackupRecord) -> BackupState {
    let is_there = record.folder.as_deref().is_some_and(|folder| Path::new(folder).is_dir());
    if record.state == BackupState::Complete && !is_there { BackupState::Gone } else { record.state }
}

fn lead(views: &[BackupView], newest: Option<&BackupView>) -> &'static str {
    if newest.is_none() && views.iter().any(|view| !view.knows_database && view.proof == ProofState::Proven) {
        return "What was imported is proven to be what its dump held. Of which database that is, is not known.";
    }
    "Proven means restored on a scratch copy and compared, row by row."
}

fn headline(
    views: &[BackupView],
    newest: Option<&BackupView>,
    policy: &BackupPolicy,
    now: DateTime<Utc>,
) -> (String, Outcome) {
    let Some(newest) = newest else {
        let complete = views.iter().any(|view| view.state == BackupState::Complete);
        return if complete {
            ("No full backup of this database is proven yet.".to_owned(), Outcome::Warn)
        } else {
            ("There is no backup yet.".to_owned(), Outcome::Warn)
        };
    };
    let at = newest.taken_at.with_timezone(&Local);
    let day = match (now.with_timezone(&Local).date_naive() - at.date_naive()).num_days() {
        0 => at.format("%H:%M").to_string(),
        1 => format!("yesterday, {}", at.format("%H:%M")),
        _ => at.format("%-d %b, %H:%M").to_string(),
    };
    let old = policy.old_after_hours > 0
        && now - newest.taken_at > Duration::hours(i64::from(policy.old_after_hours));
    let hours = (now - newest.taken_at).num_hours();
    if old {
        (format!("The newest full backup to trust is {hours} hours old."), Outcome::Warn)
    } else {
        (format!("The newest full backup to trust is from {day}."), Outcome::Pass)
    }
}

fn due(policy: &BackupPolicy) -> String {
    match &policy.daily_at {
        Some(time) => format!("The next one is taken at {time}, if Drydock is open then."),
        None => "None is taken by itself.".to_owned(),
    }
}

/// `3.4 GB` for records.
pub(super) fn size(bytes: u64) -> String {
    size_words(bytes as f64)
}
