//! The backup that dropped rows and values come from.

use crate::domain::backup::{BackupRecord, BackupState, Manifest, ProofState, TableName};
use crate::domain::identity::TargetIdentity;
use crate::domain::rollback::{RollBackRequest, RowsBack, WrittenTable};
use crate::domain::{Failure, FailureCode, Finding, Outcome};
use crate::engine::{Engine, Target};
use crate::planner::rollback::TakenBack;
use crate::runner::backup::load::Opened;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// Where dropped rows and values come from.
pub(super) struct Source {
    pub found: Option<(BackupRecord, Opened)>,
    pub proven: bool,
}

impl Source {
    /// What comes back from the backup, and what of it does not, by name.
    pub(super) fn rows_of(
        &self,
        request: &RollBackRequest,
        back: &TakenBack,
        findings: &mut Vec<Finding>,
    ) -> Vec<RowsBack> {
        let whole = |table: &TableName, replace| RowsBack { table: table.clone(), columns: None, replace };
        let mut wanted: Vec<RowsBack> = back.back.iter().map(|table| whole(table, false)).collect();
        wanted.extend(request.rows_back.iter().map(|table| whole(table, true)));
        wanted.extend(back.columns.iter().filter(|(table, _)| !request.rows_back.contains(table)).map(
            |(table, columns)| RowsBack {
                table: table.clone(),
                columns: Some(columns.clone()),
                replace: false,
            },
        ));
        if wanted.is_empty() {
            return wanted;
        }
        wanted.retain(|rows| {
            let why = self.closed(rows);
            if let Some(why) = &why {
                let mut finding = Finding::new("no-rows", Outcome::Warn, why.clone());
                finding.destructive = true;
                findings.push(finding);
            }
            why.is_none()
        });
        if !wanted.is_empty()
            && let Some((_, opened)) = &self.found
        {
            let at = opened.stored.manifest.snapshot_at.with_timezone(&chrono::Local).format("%-d %b, %H:%M");
            findings.push(Finding::new(
                "rows-from-backup",
                if self.proven { Outcome::Pass } else { Outcome::Warn },
                format!(
                    "Dropped rows and values come back as they were at {at}, from a backup that is {}.",
                    if self.proven { "proven" } else { "not proven" }
                ),
            ));
        }
        wanted
    }

    /// The tables whose rows the migrations wrote, with those that are put back.
    pub(super) fn written(&self, tables: BTreeSet<TableName>, rows_back: &[RowsBack]) -> Vec<WrittenTable> {
        let chosen = |table: &TableName| rows_back.iter().any(|rows| rows.replace && rows.table == *table);
        let also = rows_back.iter().filter(|rows| rows.replace).map(|rows| rows.table.clone());
        let tables: BTreeSet<TableName> = tables.into_iter().chain(also).collect();
        tables
            .into_iter()
            .map(|table| {
                let rows = RowsBack { table: table.clone(), columns: None, replace: true };
                WrittenTable { back: chosen(&table), closed: self.closed(&rows), table }
            })
            .collect()
    }

    /// Why these cannot come from the backup.
    fn closed(&self, rows: &RowsBack) -> Option<String> {
        let Some((_, opened)) = &self.found else {
            let what = match &rows.columns {
                Some(columns) => format!("The values of {}.{}", rows.table, columns.join(", ")),
                None => format!("The rows of {}", rows.table),
            };
            return Some(format!(
                "{what} do not come back: no backup from before these migrations holds them."
            ));
        };
        cannot(&opened.stored.manifest, rows)
    }
}

impl Engine {
    /// The backup that was asked for, else the newest one from before, proven ones first.
    pub(super) async fn older_backup(
        &self,
        target: &Target,
        identity: &TargetIdentity,
        request: &RollBackRequest,
        began: DateTime<Utc>,
    ) -> Result<Option<(BackupRecord, Opened)>, Failure> {
        if let Some(id) = &request.backup_id {
            let record = self.store().backup(id).await?;
            let opened = self.opened(&record).await?;
            if !opened.stored.manifest.identity.is_known() {
                return Err(Failure::new(
                    FailureCode::RestoreRefused,
                    "Rows cannot be taken from an imported dump in a roll back.",
                )
                .why("It is not known which database it is from, nor what the database was like then.")
                .unchanged("Nothing was changed.")
                .next("Choose a backup that was taken of this database, or restore tables from the import first."));
            }
            return Ok(Some((record, opened)));
        }
        let mut older: Vec<BackupRecord> = self
            .store()
            .backups(&target.key())
            .await?
            .into_iter()
            .filter(|record| {
                record.state == BackupState::Complete
                    && record.started_at < began
                    && record
                        .summary
                        .as_ref()
                        .is_some_and(|summary| summary.identity.is_same_database(identity))
            })
            .collect();
        older.sort_by_key(|record| (!is_proven(record), std::cmp::Reverse(record.started_at)));
        for record in older {
            if let Ok(opened) = self.opened(&record).await {
                return Ok(Some((record, opened)));
            }
        }
        Ok(None)
    }
}

pub(super) fn is_proven(record: &BackupRecord) -> bool {
    record.proof.as_ref().is_some_and(|proof| proof.state == ProofState::Proven)
}

/// Why rows cannot come from a backup.
fn cannot(manifest: &Manifest, rows: &RowsBack) -> Option<String> {
    let Some(table) = manifest.table(&rows.table) else {
        return Some(format!("The rows of {} do not come back: the backup does not hold them.", rows.table));
    };
    let columns = rows.columns.as_ref()?;
    if table.key.is_empty() {
        return Some(format!(
            "The values of {}.{} do not come back: the table has no key to tell its rows apart.",
            rows.table,
            columns.join(", ")
        ));
    }
    let missing = columns.iter().find(|name| !table.columns.iter().any(|column| column.name == **name))?;
    Some(format!("The values of {}.{missing} do not come back: the backup does not hold them.", rows.table))
}
