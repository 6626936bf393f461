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

/// What the backups say of a plan, question by question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    /// Whether a complete backup of this database is newer than the plan.
    pub newer: (Outcome, String),
    /// Whether such a one holds every table that the plan touches; `None`: there is none to look at.
    pub covers: Option<(Outcome, String)>,
    /// Whether such a one was proven; `None`: there is none to look at.
    pub proven: Option<(Outcome, String)>,
    /// The backup that speaks for it best: the proven one, else the newest that covers, else the newest.
    pub backup: Option<String>,
    /// When that one was begun.
    pub taken_at: Option<DateTime<Utc>>,
}

impl Cover {
    /// The gate: the weakest of the three, and its evidence in a line.
    pub fn gate(&self) -> (Outcome, String) {
        if self.newer.0 != Outcome::Pass {
            return self.newer.clone();
        }
        match (&self.covers, &self.proven) {
            (Some(covers), _) if covers.0 != Outcome::Pass => covers.clone(),
            (_, Some(proven)) => proven.clone(),
            _ => self.newer.clone(),
        }
    }
}

/// Reads the backups of an environment for a plan.
pub fn judge(
    plan: &Plan,
    dry_run: Option<&DryRunReport>,
    backups: &[BackupRecord],
    now: DateTime<Utc>,
) -> Cover {
    let touched = touched(plan, dry_run);
    let same = |record: &&BackupRecord| {
        record.state == BackupState::Complete
            && record
                .summary
                .as_ref()
                .is_some_and(|summary| summary.identity.is_same_database(&plan.identity))
    };
    let mut known: Vec<&BackupRecord> = backups.iter().filter(same).collect();
    known.sort_by_key(|record| std::cmp::Reverse(record.started_at));
    let newest = known.first();
    let Some(newer) = newest.filter(|record| record.started_at >= plan.created_at) else {
        let evidence = match newest {
            None => "there is no backup of this database",
            Some(_) => "every backup is older than this plan",
        };
        return Cover {
            newer: (Outcome::Block, evidence.to_owned()),
            covers: None,
            proven: None,
            backup: newest.map(|record| record.id.clone()),
            taken_at: newest.map(|record| record.started_at),
        };
    };
    let holding = |record: &&&BackupRecord| {
        record.summary.as_ref().is_some_and(|summary| holds(summary, &plan.schema, touched.as_ref()))
    };
    let covering: Vec<&BackupRecord> =
        known.iter().filter(|record| record.started_at >= plan.created_at).filter(holding).copied().collect();
    let state =
        |record: &BackupRecord| record.proof.as_ref().map_or(ProofState::Unproven, |proof| proof.state);
    let is_proven = |record: &&&BackupRecord| state(record) == ProofState::Proven;
    let best = covering.iter().find(is_proven).or(covering.first()).copied();
    let (covers, proven) = match best {
        None => {
            let evidence = "no backup since the plan holds every table it touches";
            (Some((Outcome::Block, evidence.to_owned())), None)
        }
        Some(best) => {
            let tables = best.summary.as_ref().map_or(0, |summary| summary.tables.len());
            let kind = match best.kind {
                BackupKind::Deep => "deep backup",
                BackupKind::Quick => "quick backup",
            };
            let proven = match state(best) {
                ProofState::Proven => {
                    let at = best.proof.as_ref().map_or(best.started_at, |proof| proof.at);
                    (Outcome::Pass, format!("{kind} of {tables} tables, proven {}", ago(now - at)))
                }
                ProofState::Failed => {
                    (Outcome::Block, "the newest backup was restored and is not equal".to_owned())
                }
                ProofState::Proving => (Outcome::Unknown, "it is being restored right now".to_owned()),
                ProofState::Unproven | ProofState::Unknown => {
                    (Outcome::Unknown, "the newest backup is not proven".to_owned())
                }
            };
            (Some((Outcome::Pass, format!("{kind} of {tables} tables"))), Some(proven))
        }
    };
    let shown = best.unwrap_or(newer);
    Cover {
        newer: (Outcome::Pass, format!("taken {}", ago(now - shown.started_at))),
        covers,
        proven,
        backup: Some(shown.id.clone()),
        taken_at: Some(shown.started_at),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::domain::backup::ProofState;
    use crate::planner::fixtures::{at, backup, dry_run, plan};

    fn gate(backups: &[BackupRecord]) -> (Outcome, String) {
        judge(&plan(10), Some(&dry_run(11, &["public.users"])), backups, at(30)).gate()
    }

    #[test]
    fn without_a_backup_or_with_an_older_one_the_gate_is_shut() {
        assert_eq!(gate(&[]), (Outcome::Block, "there is no backup of this database".to_owned()));
        let older = backup(9, &["users"], Some(ProofState::Proven));
        assert_eq!(gate(&[older]), (Outcome::Block, "every backup is older than this plan".to_owned()));
    }

    #[test]
    fn only_a_proven_one_that_is_newer_and_holds_every_touched_table_opens_it() {
        let proven = |tables| backup(12, tables, Some(ProofState::Proven));
        assert_eq!(gate(&[proven(&["users", "posts"])]).0, Outcome::Pass);
        assert_eq!(
            gate(&[proven(&["posts"])]),
            (Outcome::Block, "no backup since the plan holds every table it touches".to_owned())
        );
        for (proof, outcome) in [
            (None, Outcome::Unknown),
            (Some(ProofState::Unproven), Outcome::Unknown),
            (Some(ProofState::Proving), Outcome::Unknown),
            (Some(ProofState::Unknown), Outcome::Unknown),
            (Some(ProofState::Failed), Outcome::Block),
        ] {
            assert_eq!(gate(&[backup(12, &["users"], proof)]).0, outcome, "{proof:?}");
        }
        // A newer one that is not proven does not shut what an older one opens.
        assert_eq!(gate(&[backup(14, &["users"], None), proven(&["users"])]).0, Outcome::Pass);
    }

    #[test]
    fn one_of_another_database_or_one_that_is_not_complete_says_nothing() {
        let mut other = backup(12, &["users"], Some(ProofState::Proven));
        other.summary.as_mut().unwrap().identity.database_oid += 1;
        assert_eq!(gate(&[other]).0, Outcome::Block);
        let mut imported = backup(12, &["users"], Some(ProofState::Proven));
        let identity = &mut imported.summary.as_mut().unwrap().identity;
        *identity = crate::domain::identity::TargetIdentity::unknown(
            Some(&identity.database),
            String::new(),
            150_018,
        );
        assert_eq!(gate(&[imported]), (Outcome::Block, "there is no backup of this database".to_owned()));
        let mut begun = backup(12, &["users"], Some(ProofState::Proven));
        begun.state = BackupState::Taking;
        assert_eq!(gate(&[begun]).0, Outcome::Block);
    }

    #[test]
    fn without_a_dry_run_on_the_target_only_a_whole_backup_is_known_to_cover() {
        let tables = backup(12, &["users"], Some(ProofState::Proven));
        assert_eq!(judge(&plan(10), None, &[tables], at(30)).gate().0, Outcome::Block);
        let mut whole = backup(12, &["users"], Some(ProofState::Proven));
        whole.summary.as_mut().unwrap().scope = BackupScope::Whole;
        assert_eq!(judge(&plan(10), None, &[whole], at(30)).gate().0, Outcome::Pass);
    }
}
