//! Rows that are asked about, told for the screen: which one it is, and its three versions.

use super::looked::{FoundTable, Looked, batch, name, rows_now};
use crate::adapters::changes::FileRow;
use crate::adapters::postgres::capture::Row;
use crate::domain::Failure;
use crate::domain::seed::{CellView, ThreeVersions, UndoConflict};
use crate::engine::seeds::shown_cell;
use sqlx::postgres::PgConnection;

/// Tells the rows that were chosen to be told.
pub(super) async fn tell(connection: &mut PgConnection, looked: &mut Looked) -> Result<(), Failure> {
    let mut told = Vec::new();
    for table in &looked.tables {
        let users: Vec<_> = looked.used_by.range((table.place, 0)..=(table.place, u32::MAX)).collect();
        let mut left = &users[..];
        while !left.is_empty() {
            let rows = batch(&mut looked.reader, table.place, left.iter().map(|((_, number), _)| *number))?;
            let now = rows_now(connection, &table.facts, &rows).await?;
            let (here, after) = left.split_at(rows.len());
            for ((place, used_by), (row, now)) in here.iter().zip(rows.iter().zip(&now)) {
                let Some(asked) = table.row(place.1).and_then(|found| found.asked) else { continue };
                told.push(UndoConflict {
                    row: name(**place),
                    table: table.facts.qualified(),
                    key: table.spoken_key(row),
                    kind: row.kind,
                    reason: asked.reason,
                    columns: versions(table, row, now.as_ref()),
                    used_by: (*used_by).clone(),
                    impossible: looked.impossible(asked),
                });
            }
            left = after;
        }
    }
    looked.told = told;
    Ok(())
}

impl FoundTable {
    /// The key of a row in words; sensitive parts are masked.
    pub(super) fn spoken_key(&self, row: &FileRow) -> String {
        let cells = row.after.as_ref().or(row.before.as_ref());
        let part = |name: &String| {
            let at = self.facts.columns.iter().position(|column| column.name == *name);
            let value = at.and_then(|at| cells?.get(at)).and_then(Option::as_deref).unwrap_or("NULL");
            format!("{name} {}", if self.sensitive.contains(name) { "(masked)" } else { value })
        };
        self.facts.identity().unwrap_or_default().iter().map(part).collect::<Vec<_>>().join(", ")
    }
}

/// The columns in question: those that the run changed or that were changed since.
fn versions(table: &FoundTable, row: &FileRow, now: Option<&Row>) -> Vec<ThreeVersions> {
    let cell = |side: Option<&Row>, at: usize| side.and_then(|cells| cells.get(at).cloned().flatten());
    let (before, wrote) = (row.before.as_ref(), row.after.as_ref());
    table
        .facts
        .columns
        .iter()
        .enumerate()
        .filter_map(|(at, column)| {
            let ours = before.is_some() && wrote.is_some() && cell(before, at) != cell(wrote, at);
            let since = now.is_some() && wrote.is_some() && cell(wrote, at) != cell(now, at);
            let sensitive = table.sensitive.contains(&column.name);
            let value = |side: Option<&Row>| -> Option<CellView> {
                side.map(|cells| shown_cell(cells.get(at).and_then(Option::as_deref), sensitive))
            };
            (ours || since).then(|| ThreeVersions {
                column: column.name.clone(),
                before: value(before),
                wrote: value(wrote),
                now: value(now),
                ours,
                since,
            })
        })
        .collect()
}
