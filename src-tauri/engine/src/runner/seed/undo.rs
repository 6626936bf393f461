//! Takes the rows of a run back: statements that only touch a row while it is as the run left it, unless the
//! operator said otherwise. In the order that references need.

use super::Stop;
use super::guard::Guard;
use crate::adapters::postgres::capture::{PINNED, UNPINNED};
use crate::adapters::postgres::copy;
use crate::adapters::postgres::script::send;
use crate::adapters::postgres::undo::UndoSql;
use crate::domain::Failure;
use crate::domain::seed::RowKind;
use crate::domain::tables::TableFacts;
use sqlx::postgres::PgConnection;

/// A table of a run, with the rows to take back.
#[derive(Debug, Clone)]
pub struct UndoTable {
    /// The table as it is now.
    pub facts: TableFacts,
    /// Columns that are never shown.
    pub sensitive: Vec<String>,
    /// Rows to take back.
    pub rows: Vec<UndoRow>,
}

/// A row to take back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoRow {
    /// What the run had done.
    pub kind: RowKind,
    /// Before the run.
    pub before: Option<Vec<Option<String>>>,
    /// As the run left it.
    pub wrote: Option<Vec<Option<String>>>,
    /// Take it back even if it is not as the run left it.
    pub forced: bool,
}

/// Takes rows back. The tables come with those referred to first.
pub(super) async fn write(
    tables: &[UndoTable],
    connection: &mut PgConnection,
    guard: &mut Guard<'_>,
) -> Result<(), Stop> {
    guard.over(send(connection, format!("{PINNED}; SET CONSTRAINTS ALL DEFERRED"))).await?;
    for (number, table) in tables.iter().enumerate() {
        let sql = UndoSql::new(&table.facts, number);
        guard.over(send(connection, sql.create())).await?;
        let columns = table.facts.columns.len();
        let mut next = 0;
        let sent = guard
            .over(copy::write(connection, &sql.copy_target(), |piece, size| {
                let first = next;
                while next < table.rows.len() && piece.len() < size {
                    let row = &table.rows[next];
                    let kind = match row.kind {
                        RowKind::Inserted => "i",
                        RowKind::Deleted => "d",
                        _ => "u",
                    };
                    let none = vec![None; columns];
                    let wrote = row.wrote.as_ref().unwrap_or(&none);
                    let before = row.before.as_ref().unwrap_or(&none);
                    let cells = wrote.iter().chain(before).map(Option::as_deref);
                    let forced = if row.forced { "t" } else { "f" };
                    copy::write_row(piece, [Some(kind), Some(forced)].into_iter().chain(cells));
                    next += 1;
                }
                Ok::<u64, Failure>((next - first) as u64)
            }))
            .await?;
        sent?;
    }
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
