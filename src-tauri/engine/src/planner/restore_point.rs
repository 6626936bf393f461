//! Whether a backup covers a plan: of the same database, newer than the plan, complete, proven, and holding every
//! table that the plan touches.

use crate::domain::Outcome;
use crate::domain::backup::{
    BackupKind, BackupRecord, BackupScope, BackupState, BackupSummary, ProofState, TableName,
};
use crate::domain::change_set::{DryRunReport, Tried};
use crate::domain::plan::Plan;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// The tables that a plan touches, of those that were there before; `None`: not all of it is known.
pub fn touched(plan: &Plan, dry_run: Option<&DryRunReport>) -> Option<BTreeSet<String>> {
    let report = dry_run.filter(|report| report.digest == plan.digest)?;
    let on_target =
        report.trials.iter().all(|trial| trial.tried == Tried::DryRun && trial.worked == Some(true));
    if !on_target {
        return None;
    }
    let mut tables: BTreeSet<String> = report.locks.iter().map(|lock| lock.table.clone()).collect();
    tables.extend(
        report.changes.iter().flat_map(|changes| changes.tables.iter().map(|table| table.table.clone())),
    );
    Some(tables)
}

fn holds(summary: &BackupSummary, schema: &str, touched: Option<&BTreeSet<String>>) -> bool {
    let full = |table: &TableName| format!("{}.{}", table.schema, table.name);
    match (&summary.scope, touched) {
        (BackupScope::Whole, _) => true,
        (BackupScope::Schemas { schemas }, None) => schemas.iter().any(|known| known == schema),
        (_, None) => false,
        (scope, Some(touched)) => {
            let mut held: BTreeSet<String> = summary.tables.iter().map(full).collect();
            if let BackupScope::Tables { tables } = scope {
                // A partitioned table stands for its partitions.
                held.extend(tables.iter().map(full));
            }
            touched.is_subset(&held)
        }
    }
}

/// The gate: the state, and the evidence in a line.
pub fn judge(
    plan: &Plan,
    dry_run: Option<&DryRunReport>,
    backups: &[BackupRecord],
    now: DateTime<Utc>,
) -> (Outcome, String) {
    let touched = touched(plan, dry_run);
    let same = |record: &&BackupRecord| {
        record.state == BackupState::Complete
            && record
                .summary
                .as_ref()
                .is_some_and(|summary| summary.identity.is_same_database(&plan.identity))
    };
    let mut newest: Vec<&BackupRecord> = backups.iter().filter(same).collect();
    newest.sort_by_key(|record| std::cmp::Reverse(record.started_at));
    let newer = newest.iter().filter(|record| record.started_at >= plan.created_at);
    let covering: Vec<&&BackupRecord> = newer
        .filter(|record| {
            record.summary.as_ref().is_some_and(|summary| holds(summary, &plan.schema, touched.as_ref()))
        })
        .collect();
    let state =
        |record: &BackupRecord| record.proof.as_ref().map_or(ProofState::Unproven, |proof| proof.state);
    if let Some(proven) = covering.iter().find(|record| state(record) == ProofState::Proven) {
        let kind = match proven.kind {
            BackupKind::Deep => "deep backup",
            BackupKind::Quick => "quick backup",
        };
        let tables = proven.summary.as_ref().map_or(0, |summary| summary.tables.len());
        let at = proven.proof.as_ref().map_or(proven.started_at, |proof| proof.at);
        return (Outcome::Pass, format!("{kind} of {tables} tables, proven {}", ago(now - at)));
    }
    match covering.first().map(|record| state(record)) {
        Some(ProofState::Failed) => {
            (Outcome::Block, "the newest backup was restored and is not equal".to_owned())
        }
        Some(_) => (Outcome::Unknown, "the newest backup is not proven".to_owned()),
        None if newest.is_empty() => (Outcome::Block, "there is no backup of this database".to_owned()),
        None if newest.first().is_some_and(|record| record.started_at < plan.created_at) => {
            (Outcome::Block, "every backup is older than this plan".to_owned())
        }
        None => (Outcome::Block, "no backup since the plan holds every table it touches".to_owned()),
    }
}

fn ago(age: chrono::Duration) -> String {
    match age.num_minutes() {
        ..=0 => "just now".to_owned(),
        1 => "1 min ago".to_owned(),
        minutes if minutes < 120 => format!("{minutes} min ago"),
        minutes => format!("{} h ago", minutes / 60),
    }
}
