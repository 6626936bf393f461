//! The rows of a run beside what is there now: as the run left them, or why they are asked about.

use crate::adapters::changes::{ChangeReader, FileRow};
use crate::adapters::postgres::capture::{self, Row};
use crate::adapters::postgres::failure::failure;
use crate::domain::Failure;
use crate::domain::seed::{
    CellView, ConflictReason, RowKind, TableChanges, ThreeVersions, UndoChoice, UndoConflict, UsedBy,
};
use crate::domain::tables::{ForeignKey, TableFacts};
use crate::engine::seeds::shown_cell;
use crate::runner::seed::{UndoRow, UndoTable};
use sqlx::postgres::PgConnection;
use std::collections::HashMap;

/// Rows compared in one message.
const BATCH: usize = 2_000;
/// The choice that stands for every row that was asked about.
const ALL: &str = "*";

/// A row of a run, as it is now.
pub(super) struct Found {
    /// `table:row`.
    pub(super) name: String,
    row: FileRow,
    /// Why it is asked about; `None`: it is as the run left it.
    pub(super) conflict: Option<UndoConflict>,
}

/// The rows of a table, as they are now.
pub(super) struct FoundTable {
    /// The table.
    pub(super) facts: TableFacts,
    /// Columns that are never shown.
    pub(super) sensitive: Vec<String>,
    /// Its rows.
    pub(super) rows: Vec<Found>,
}

/// What was found of a run.
pub(super) struct Looked {
    /// Tables.
    pub(super) tables: Vec<FoundTable>,
    /// Tables that are left out, and why.
    pub(super) refused: Vec<String>,
}

/// How many rows are asked about.
pub(super) fn conflicts(tables: &[FoundTable]) -> usize {
    tables.iter().flat_map(|table| &table.rows).filter(|row| row.conflict.is_some()).count()
}

/// Why the rows of a table cannot be taken back one by one.
#[derive(Debug, thiserror::Error)]
pub(super) enum LeftOut {
    #[error("Not all of its changes are known. {0}")]
    Unknown(String),
    #[error("The run made, emptied or rewrote it as a whole.")]
    Whole,
    #[error("It does not exist any more.")]
    Gone,
    #[error("Its columns have changed since.")]
    Altered,
    #[error("Nothing tells its rows apart, so they cannot be found again.")]
    NoKey,
    #[error("Row security hides rows of it from the user that is logged in.")]
    Hidden,
}

/// Whether a table's rows can be taken back one by one.
pub(super) fn fits(
    reader: &ChangeReader,
    at: usize,
    changes: &TableChanges,
    facts: &[TableFacts],
) -> Result<TableFacts, LeftOut> {
    if let Some(why) = &changes.unknown {
        return Err(LeftOut::Unknown(why.clone()));
    }
    if changes.whole.is_some() {
        return Err(LeftOut::Whole);
    }
    let kept = reader.tables()[at];
    let Some(now) = facts.iter().find(|facts| facts.schema == kept.schema && facts.name == kept.name) else {
        return Err(LeftOut::Gone);
    };
    let columns: Vec<(String, String)> =
        now.columns.iter().map(|column| (column.name.clone(), column.type_name.clone())).collect();
    if columns != kept.columns {
        return Err(LeftOut::Altered);
    }
    if now.identity().is_none() || now.identity() != Some(kept.key.as_slice()) {
        return Err(LeftOut::NoKey);
    }
    if now.hidden_rows {
        return Err(LeftOut::Hidden);
    }
    Ok(now.clone())
}

fn key_of(row: &Row, positions: &[usize]) -> Row {
    positions.iter().map(|at| row.get(*at).cloned().flatten()).collect()
}

/// Compares the rows of a table with what is there now.
pub(super) async fn compare(
    connection: &mut PgConnection,
    reader: &mut ChangeReader,
    at: usize,
    changes: &TableChanges,
    facts: &TableFacts,
    sensitive: &[String],
) -> Result<Vec<Found>, Failure> {
    let key: Vec<String> = facts.identity().map(<[String]>::to_vec).unwrap_or_default();
    let positions: Vec<usize> =
        key.iter().filter_map(|name| facts.columns.iter().position(|column| column.name == *name)).collect();
    let numbers: Vec<u32> = (0..u32::try_from(reader.kinds(at).len()).unwrap_or(u32::MAX))
        .filter(|number| {
            matches!(reader.kind(at, *number), Some(RowKind::Inserted | RowKind::Updated | RowKind::Deleted))
        })
        .collect();
    let mut found = Vec::new();
    for batch in numbers.chunks(BATCH) {
        let rows: Vec<FileRow> =
            batch.iter().map(|number| reader.row(at, *number)).collect::<Result<_, Failure>>()?;
        let keys: Vec<Row> = rows
            .iter()
            .map(|row| {
                row.after
                    .as_ref()
                    .or(row.before.as_ref())
                    .map(|row| key_of(row, &positions))
                    .unwrap_or_default()
            })
            .collect();
        let now = capture::by_key(connection, facts, &key, &keys).await.map_err(|error| failure(&error))?;
        for ((number, row), now) in batch.iter().zip(rows).zip(now) {
            let name = format!("{at}:{number}");
            let conflict = conflict(&name, changes, facts, sensitive, &row, now.as_ref());
            found.push(Found { name, row, conflict });
        }
    }
    Ok(found)
}

fn conflict(
    name: &str,
    changes: &TableChanges,
    facts: &TableFacts,
    sensitive: &[String],
    row: &FileRow,
    now: Option<&Row>,
) -> Option<UndoConflict> {
    let (reason, impossible) = match (row.kind, now) {
        (RowKind::Deleted, None) => return None,
        (RowKind::Deleted, Some(_)) => (
            ConflictReason::TakenSince,
            Some("A row with the same key is there now, so this one cannot come back.".to_owned()),
        ),
        (_, None) => (
            ConflictReason::GoneSince,
            Some("It is not there any more, so there is nothing to take back.".to_owned()),
        ),
        (_, Some(now)) if row.after.as_ref() == Some(now) => return None,
        (_, Some(_)) => (ConflictReason::ChangedSince, None),
    };
    Some(UndoConflict {
        row: name.to_owned(),
        table: changes.table.clone(),
        key: spoken_key(facts, sensitive, row.after.as_ref().or(row.before.as_ref()).unwrap_or(&Row::new())),
        kind: row.kind,
        reason,
        columns: versions(changes, facts, row, now),
        used_by: Vec::new(),
        impossible,
    })
}

/// The key of a row in words; sensitive parts are masked.
fn spoken_key(facts: &TableFacts, sensitive: &[String], cells: &Row) -> String {
    let part = |name: &String| {
        let at = facts.columns.iter().position(|column| column.name == *name);
        let value = at.and_then(|at| cells.get(at)).and_then(Option::as_deref).unwrap_or("NULL");
        format!("{name} {}", if sensitive.contains(name) { "(masked)" } else { value })
    };
    facts.identity().unwrap_or_default().iter().map(part).collect::<Vec<_>>().join(", ")
}

/// The columns in question: those that the run changed or that were changed since.
fn versions(
    changes: &TableChanges,
    facts: &TableFacts,
    row: &FileRow,
    now: Option<&Row>,
) -> Vec<ThreeVersions> {
    let value = |side: Option<&Row>, at: usize| -> Option<CellView> {
        let sensitive = changes.columns.get(at).is_some_and(|column| column.sensitive);
        side.map(|cells| shown_cell(cells.get(at).and_then(Option::as_deref), sensitive))
    };
    let cell = |side: Option<&Row>, at: usize| side.and_then(|cells| cells.get(at).cloned().flatten());
    let (before, wrote) = (row.before.as_ref(), row.after.as_ref());
    facts
        .columns
        .iter()
        .enumerate()
        .filter_map(|(at, column)| {
            let ours = before.is_some() && wrote.is_some() && cell(before, at) != cell(wrote, at);
            let since = now.is_some() && wrote.is_some() && cell(wrote, at) != cell(now, at);
            (ours || since).then(|| ThreeVersions {
                column: column.name.clone(),
                before: value(before, at),
                wrote: value(wrote, at),
                now: value(now, at),
                ours,
                since,
            })
        })
        .collect()
}

/// Finds added rows that newer rows of others refer to.
pub(super) async fn used(
    connection: &mut PgConnection,
    tables: &mut [FoundTable],
    referring: &[TableFacts],
) -> Result<(), sqlx::Error> {
    for child in referring {
        for reference in &child.references {
            let Some(parent) = tables.iter().position(|table| table.facts.oid == reference.table) else {
                continue;
            };
            let own = own_references(tables, child, reference);
            let facts = tables[parent].facts.clone();
            let sensitive = tables[parent].sensitive.clone();
            let positions: Vec<usize> = reference
                .referenced
                .iter()
                .filter_map(|name| facts.columns.iter().position(|column| column.name == *name))
                .collect();
            let candidates: Vec<usize> = tables[parent]
                .rows
                .iter()
                .enumerate()
                .filter(|(_, found)| found.row.kind == RowKind::Inserted)
                .filter(|(_, found)| {
                    !found
                        .conflict
                        .as_ref()
                        .is_some_and(|conflict| conflict.reason == ConflictReason::GoneSince)
                })
                .map(|(at, _)| at)
                .collect();
            for batch in candidates.chunks(BATCH) {
                let keys: Vec<Row> = batch
                    .iter()
                    .map(|at| {
                        tables[parent].rows[*at]
                            .row
                            .after
                            .as_ref()
                            .map(|row| key_of(row, &positions))
                            .unwrap_or_default()
                    })
                    .collect();
                let counts = capture::count_by_key(connection, child, &reference.columns, &keys).await?;
                for ((at, key), count) in batch.iter().zip(keys).zip(counts) {
                    let newer = count.saturating_sub(own.get(&key).copied().unwrap_or(0));
                    if newer > 0 {
                        mark_used(&mut tables[parent].rows[*at], &facts, &sensitive, child, reference, newer);
                    }
                }
            }
        }
    }
    Ok(())
}

/// How many rows that the run itself added refer to each key.
fn own_references(tables: &[FoundTable], child: &TableFacts, reference: &ForeignKey) -> HashMap<Row, u32> {
    let mut counts = HashMap::new();
    let Some(table) = tables.iter().find(|table| table.facts.oid == child.oid) else { return counts };
    let positions: Vec<usize> = reference
        .columns
        .iter()
        .filter_map(|name| child.columns.iter().position(|column| column.name == *name))
        .collect();
    for found in
        table.rows.iter().filter(|found| found.row.kind == RowKind::Inserted && found.conflict.is_none())
    {
        if let Some(row) = &found.row.after {
            *counts.entry(key_of(row, &positions)).or_insert(0) += 1;
        }
    }
    counts
}

fn mark_used(
    found: &mut Found,
    facts: &TableFacts,
    sensitive: &[String],
    child: &TableFacts,
    reference: &ForeignKey,
    newer: u32,
) {
    let (effect, forbidden) = match reference.on_delete.as_str() {
        "c" => ("they would be deleted with it".to_owned(), false),
        "n" => (format!("they stay, with {} NULL", reference.columns.join(", ")), false),
        "d" => (format!("they stay, with the default of {}", reference.columns.join(", ")), false),
        _ => ("they forbid it".to_owned(), true),
    };
    let key = spoken_key(facts, sensitive, &found.row.after.clone().unwrap_or_default());
    let conflict = found.conflict.get_or_insert_with(|| UndoConflict {
        row: found.name.clone(),
        table: facts.qualified(),
        key,
        kind: RowKind::Inserted,
        reason: ConflictReason::UsedByNewer,
        columns: Vec::new(),
        used_by: Vec::new(),
        impossible: None,
    });
    conflict.used_by.push(UsedBy { table: child.qualified(), rows: newer, effect });
    if forbidden {
        conflict.impossible = Some(format!(
            "Rows of {} refer to it, and the database forbids to delete it while they do.",
            child.qualified()
        ));
    }
}

/// The rows to take back: those as the run left them, and those that were chosen.
pub(super) fn chosen(tables: Vec<FoundTable>, choices: &[UndoChoice]) -> Vec<UndoTable> {
    tables
        .into_iter()
        .map(|table| UndoTable {
            facts: table.facts,
            sensitive: table.sensitive,
            rows: table
                .rows
                .into_iter()
                .filter_map(|found| {
                    let forced = match &found.conflict {
                        None => false,
                        Some(conflict) if conflict.impossible.is_some() => return None,
                        Some(conflict) => {
                            let wanted = choices.iter().any(|choice| {
                                choice.take_back && (choice.row == found.name || choice.row == ALL)
                            });
                            if !wanted {
                                return None;
                            }
                            conflict.reason == ConflictReason::ChangedSince
                        }
                    };
                    Some(UndoRow {
                        kind: found.row.kind,
                        before: found.row.before,
                        wrote: found.row.after,
                        forced,
                    })
                })
                .collect(),
        })
        .filter(|table| !table.rows.is_empty())
        .collect()
}
