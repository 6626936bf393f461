//! The rows of a run beside what is there now: as the run left them, or asked about. Their values stay in the
//! run's file, and are read again where they are needed: a run may have millions of rows.

use crate::adapters::changes::{ChangeReader, FileRow};
use crate::adapters::postgres::capture::{self, Row};
use crate::adapters::postgres::failure::failure;
use crate::domain::Failure;
use crate::domain::seed::{ConflictReason, RowKind, TableChanges, UndoChoice, UndoConflict, UsedBy};
use crate::domain::tables::TableFacts;
use crate::runner::seed::{UndoRow, UndoTable};
use sqlx::postgres::PgConnection;
use std::collections::{BTreeMap, HashSet};

/// Rows compared in one message.
pub(super) const BATCH: usize = 2_000;
/// About how many bytes of values are held at once.
const BYTES: usize = 8 * 1024 * 1024;
/// The choice that stands for every row that was asked about.
const ALL: &str = "*";

/// Where a row stands in the run's file: the table's place, and the row's number in it.
pub(super) type Place = (usize, u32);

/// A row of a run, as it is now.
pub(super) struct Found {
    /// Its number in the run's file.
    pub(super) number: u32,
    /// What the run did to it.
    pub(super) kind: RowKind,
    /// Why it is asked about; `None`: it is as the run left it.
    pub(super) asked: Option<Asked>,
}

/// Why a row is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The reason.
    pub(super) reason: ConflictReason,
    /// Oid of a table whose newer rows forbid to delete it.
    pub(super) forbidden_by: Option<u32>,
}

impl Asked {
    /// Whether it can be taken back if wanted.
    fn may_go(self) -> bool {
        match self.reason {
            ConflictReason::TakenSince | ConflictReason::GoneSince => false,
            ConflictReason::ChangedSince | ConflictReason::UsedByNewer => self.forbidden_by.is_none(),
        }
    }
}

/// The rows of a table, as they are now.
pub(super) struct FoundTable {
    /// Its place in the run's file.
    pub(super) place: usize,
    /// The table.
    pub(super) facts: TableFacts,
    /// Columns that are never shown.
    pub(super) sensitive: Vec<String>,
    /// Its rows, by number.
    pub(super) rows: Vec<Found>,
}

impl FoundTable {
    /// The row of this number.
    pub(super) fn row(&self, number: u32) -> Option<&Found> {
        let at = self.rows.binary_search_by_key(&number, |found| found.number).ok()?;
        self.rows.get(at)
    }
}

/// What was found of a run.
pub(super) struct Looked {
    /// The run's file.
    pub(super) reader: ChangeReader,
    /// Tables.
    pub(super) tables: Vec<FoundTable>,
    /// Tables that refer to them.
    pub(super) referring: Vec<TableFacts>,
    /// Tables that are left out, and why.
    pub(super) refused: Vec<String>,
    /// The rows asked about that are told one by one, with the newer rows that use them.
    pub(super) used_by: BTreeMap<Place, Vec<UsedBy>>,
    /// Those rows, told.
    pub(super) told: Vec<UndoConflict>,
}

impl Looked {
    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.tables.iter().map(|table| table.rows.len()).sum()
    }

    /// The rows that are asked about, in order.
    pub(super) fn asked(&self) -> impl Iterator<Item = Place> {
        self.tables.iter().flat_map(|table| {
            table.rows.iter().filter(|row| row.asked.is_some()).map(|row| (table.place, row.number))
        })
    }

    /// Why a row cannot be taken back even if wanted, as a sentence.
    pub(super) fn impossible(&self, asked: Asked) -> Option<String> {
        match asked.reason {
            ConflictReason::TakenSince => {
                Some("A row with the same key is there now, so this one cannot come back.".to_owned())
            }
            ConflictReason::GoneSince => {
                Some("It is not there any more, so there is nothing to take back.".to_owned())
            }
            ConflictReason::ChangedSince | ConflictReason::UsedByNewer => {
                let child = asked.forbidden_by?;
                let child = self.referring.iter().find(|table| table.oid == child)?;
                Some(format!(
                    "Rows of {} refer to it, and the database forbids to delete it while they do.",
                    child.qualified()
                ))
            }
        }
    }

    /// Why the row of this name cannot be taken back, with its key; `None`: it can be, or there is none.
    pub(super) fn cannot(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let Some((place, number)) = place(name) else { return Ok(None) };
        let asked = self
            .tables
            .iter()
            .find(|table| table.place == place)
            .and_then(|table| Some((table, table.row(number)?.asked?)));
        let Some((table, asked)) = asked else { return Ok(None) };
        let Some(why) = self.impossible(asked) else { return Ok(None) };
        let key = table.spoken_key(&self.reader.row(place, number)?);
        Ok(Some(format!("{key} of {}: {why}", table.facts.qualified())))
    }
}

/// What a row is called in [`UndoChoice`].
pub(super) fn name((table, row): Place) -> String {
    format!("{table}:{row}")
}

/// The row that is called so.
fn place(text: &str) -> Option<Place> {
    let (table, row) = text.split_once(':')?;
    let place = (table.parse().ok()?, row.parse().ok()?);
    (name(place) == text).then_some(place)
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

/// Where columns stand in a table.
pub(super) fn positions(facts: &TableFacts, names: &[String]) -> Vec<usize> {
    names.iter().filter_map(|name| facts.columns.iter().position(|column| column.name == *name)).collect()
}

/// The values of a row in these columns, as the run left it; of a deleted row, as it was.
pub(super) fn key_of(row: &FileRow, positions: &[usize]) -> Row {
    let cells = row.after.as_ref().or(row.before.as_ref());
    cells
        .map(|cells| positions.iter().map(|at| cells.get(*at).cloned().flatten()).collect())
        .unwrap_or_default()
}

/// The first rows of these of a table: fewer where they are large, at least one where there is one.
pub(super) fn batch(
    reader: &mut ChangeReader,
    place: usize,
    numbers: impl IntoIterator<Item = u32>,
) -> Result<Vec<FileRow>, Failure> {
    let mut rows = Vec::new();
    let mut bytes = 0;
    for number in numbers.into_iter().take(BATCH) {
        let row = reader.row(place, number)?;
        bytes += [&row.before, &row.after]
            .into_iter()
            .flatten()
            .flatten()
            .flatten()
            .map(String::len)
            .sum::<usize>();
        rows.push(row);
        if bytes > BYTES {
            break;
        }
    }
    Ok(rows)
}

/// These rows as they are now.
pub(super) async fn rows_now(
    connection: &mut PgConnection,
    facts: &TableFacts,
    rows: &[FileRow],
) -> Result<Vec<Option<Row>>, Failure> {
    let key = facts.identity().unwrap_or_default();
    let positions = positions(facts, key);
    let keys: Vec<Row> = rows.iter().map(|row| key_of(row, &positions)).collect();
    capture::by_key(connection, facts, key, &keys).await.map_err(|error| failure(&error))
}

/// Compares the rows of a table with what is there now.
pub(super) async fn compare(
    connection: &mut PgConnection,
    reader: &mut ChangeReader,
    place: usize,
    facts: &TableFacts,
) -> Result<Vec<Found>, Failure> {
    let all = u32::try_from(reader.kinds(place).len()).unwrap_or(u32::MAX);
    let mut found: Vec<Found> = (0..all)
        .filter_map(|number| {
            let kind = reader.kind(place, number)?;
            matches!(kind, RowKind::Inserted | RowKind::Updated | RowKind::Deleted).then_some(Found {
                number,
                kind,
                asked: None,
            })
        })
        .collect();
    let mut left = &mut found[..];
    while !left.is_empty() {
        let rows = batch(reader, place, left.iter().map(|found| found.number))?;
        let now = rows_now(connection, facts, &rows).await?;
        let (compared, after) = left.split_at_mut(rows.len());
        for ((found, row), now) in compared.iter_mut().zip(&rows).zip(&now) {
            found.asked = reason(row, now.as_ref()).map(|reason| Asked { reason, forbidden_by: None });
        }
        left = after;
    }
    Ok(found)
}

fn reason(row: &FileRow, now: Option<&Row>) -> Option<ConflictReason> {
    match (row.kind, now) {
        (RowKind::Deleted, None) => None,
        (RowKind::Deleted, Some(_)) => Some(ConflictReason::TakenSince),
        (_, None) => Some(ConflictReason::GoneSince),
        (_, Some(now)) if row.after.as_ref() == Some(now) => None,
        (_, Some(_)) => Some(ConflictReason::ChangedSince),
    }
}

/// The rows to take back: those as the run left them, and those that were chosen.
pub(super) fn chosen(looked: Looked, choices: &[UndoChoice]) -> (Vec<UndoTable>, ChangeReader) {
    let wanted = || choices.iter().filter(|choice| choice.take_back);
    let all = wanted().any(|choice| choice.row == ALL);
    let named: HashSet<Place> = wanted().filter_map(|choice| place(&choice.row)).collect();
    let tables = looked
        .tables
        .into_iter()
        .map(|table| UndoTable {
            place: table.place,
            facts: table.facts,
            sensitive: table.sensitive,
            rows: table
                .rows
                .iter()
                .filter_map(|found| {
                    let forced = match found.asked {
                        None => false,
                        Some(asked) if !asked.may_go() => return None,
                        Some(_) if !all && !named.contains(&(table.place, found.number)) => return None,
                        Some(asked) => asked.reason == ConflictReason::ChangedSince,
                    };
                    Some(UndoRow { number: found.number, forced })
                })
                .collect(),
        })
        .filter(|table| !table.rows.is_empty())
        .collect();
    (tables, looked.reader)
}
