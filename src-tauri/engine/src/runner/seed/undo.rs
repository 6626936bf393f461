//! Takes the rows of a run back: statements that only touch a row while it is as the run left it, unless the
//! operator said otherwise. In the order that references need.

use super::Stop;
use super::guard::Guard;
use crate::adapters::changes::ChangeReader;
use crate::adapters::postgres::capture::{PINNED, UNPINNED};
use crate::adapters::postgres::copy;
use crate::adapters::postgres::script::send;
use crate::adapters::postgres::undo::UndoSql;
use crate::domain::Failure;
use crate::domain::seed::RowKind;
use crate::domain::tables::TableFacts;
use sqlx::postgres::PgConnection;
use tokio::sync::Mutex;

/// The rows of a run to take back. Their values stay in the run's file until they are sent.
pub struct UndoRows {
    /// Tables, those referred to first.
    pub tables: Vec<UndoTable>,
    reader: Mutex<ChangeReader>,
}

impl UndoRows {
    /// Rows of the run whose file this reads.
    pub fn new(tables: Vec<UndoTable>, reader: ChangeReader) -> Self {
        Self { tables, reader: Mutex::new(reader) }
    }
}

/// A table of a run, with the rows to take back.
#[derive(Debug, Clone)]
pub struct UndoTable {
    /// Its place in the run's file.
    pub place: usize,
    /// The table as it is now.
    pub facts: TableFacts,
    /// Columns that are never shown.
    pub sensitive: Vec<String>,
    /// Rows to take back.
    pub rows: Vec<UndoRow>,
}

/// A row to take back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UndoRow {
    /// Its number in the run's file.
    pub number: u32,
    /// Take it back even if it is not as the run left it.
    pub forced: bool,
}

/// Takes rows back.
pub(super) async fn write(
    rows: &UndoRows,
    connection: &mut PgConnection,
    guard: &mut Guard<'_>,
) -> Result<(), Stop> {
    let tables = &rows.tables;
    let mut reader = rows.reader.lock().await;
    guard.over(send(connection, format!("{PINNED}; SET CONSTRAINTS ALL DEFERRED"))).await?;
    for (number, table) in tables.iter().enumerate() {
        let sql = UndoSql::new(&table.facts, number);
        guard.over(send(connection, sql.create())).await?;
        let none = vec![None; table.facts.columns.len()];
        let mut left = table.rows.iter();
        let sent = guard
            .over(copy::write(connection, &sql.copy_target(), |piece, size| {
                let mut sent = 0;
                while piece.len() < size
                    && let Some(row) = left.next()
                {
                    let kept = reader.row(table.place, row.number)?;
                    let kind = match kept.kind {
                        RowKind::Inserted => "i",
                        RowKind::Deleted => "d",
                        _ => "u",
                    };
                    let (wrote, before) = (kept.after.as_ref(), kept.before.as_ref());
                    let cells = wrote.unwrap_or(&none).iter().chain(before.unwrap_or(&none));
                    let forced = if row.forced { "t" } else { "f" };
                    let head = [Some(kind), Some(forced)];
                    copy::write_row(piece, head.into_iter().chain(cells.map(Option::as_deref)));
                    sent += 1;
                }
                Ok::<u64, Failure>(sent)
            }))
            .await?;
        sent?;
    }
    drop(reader);
    // Triggers of the product find the session's own settings.
    guard.over(send(connection, UNPINNED.to_owned())).await?;
    for (number, table) in tables.iter().enumerate() {
        guard.over(send(connection, UndoSql::new(&table.facts, number).put_back())).await?;
    }
    for (number, table) in tables.iter().enumerate() {
        if let Some(sql) = UndoSql::new(&table.facts, number).change_back() {
            guard.over(send(connection, sql)).await?;
        }
    }
    for (number, table) in tables.iter().enumerate().rev() {
        guard.over(send(connection, UndoSql::new(&table.facts, number).take_out())).await?;
    }
    Ok(())
}

/// Puts tables in order: those referred to first. Circles keep the order they came in; their constraints
/// are checked at the end where they allow it.
pub fn in_order(tables: &mut Vec<UndoTable>) {
    let mut left: Vec<UndoTable> = std::mem::take(tables);
    while !left.is_empty() {
        let free = left.iter().position(|table| {
            table.facts.references.iter().all(|reference| {
                reference.table == table.facts.oid
                    || !left.iter().any(|other| other.facts.oid == reference.table)
            })
        });
        tables.push(left.remove(free.unwrap_or(0)));
    }
}
