//! The rows of some tables of a backup, table by table as they lie in it. An archive is read once for all of them.

use super::Meter;
use super::load::{Opened, Parts, Source, copy_segment, pass_over};
use crate::adapters::dumps::ArchiveWish;
use crate::adapters::postgres::backup::copy_in;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::words::qualified;
use crate::adapters::sandbox::Toolkit;
use crate::domain::backup::{BackupKind, CopyFormat, StoredColumn, StoredTable, TableName};
use crate::domain::{Failure, FailureCode};
use crate::planner::dump::Part;
use crate::planner::sql::{Bearing, bearing, copied_columns};
use sqlx::postgres::PgConnection;

/// Tables that are read one after the other.
pub(super) struct Reading<'a> {
    opened: &'a Opened,
    tables: &'a [StoredTable],
    found: usize,
    /// The archive of a deep backup, and the columns of the rows that it stands before, if nobody has taken them.
    archive: Option<(Parts, Option<Vec<String>>)>,
}

impl<'a> Reading<'a> {
    /// Begins.
    ///
    /// # Errors
    /// [`FailureCode::ToolkitMissing`] for a deep backup without it, or that the archive is not there.
    pub(super) fn open(
        opened: &'a Opened,
        toolkit: Option<&Toolkit>,
        tables: &'a [StoredTable],
    ) -> Result<Self, Failure> {
        let mut archive = None;
        if opened.stored.manifest.kind == BackupKind::Deep && !tables.is_empty() {
            let toolkit = toolkit.ok_or_else(|| {
                Failure::new(
                    FailureCode::ToolkitMissing,
                    "A deep backup needs the toolkit's pg_restore to be read.",
                )
            })?;
            let wish = ArchiveWish {
                only_rows: true,
                tables: tables.iter().map(|table| table.table.clone()).collect(),
                ..ArchiveWish::default()
            };
            let source = Source::of_deep(&opened.stored, &opened.key, toolkit, &wish)?;
            archive = Some((Parts::new(source), None));
        }
        Ok(Self { opened, tables, found: 0, archive })
    }

    /// Tables that were handed out so far.
    pub(super) fn found(&self) -> u32 {
        u32::try_from(self.found).unwrap_or(u32::MAX)
    }

    /// The next table, in the backup's order; its rows are to be taken before the next one is asked for. `None`:
    /// that were all of them.
    ///
    /// # Errors
    /// That the backup is damaged, or lacks a table.
    pub(super) async fn next(&mut self) -> Result<Option<&'a StoredTable>, Failure> {
        let Some((parts, waiting)) = &mut self.archive else {
            let table = self.tables.get(self.found);
            self.found += usize::from(table.is_some());
            return Ok(table);
        };
        if waiting.take().is_some() {
            pass_over(parts).await?;
        }
        while let Some(part) = parts.next().await? {
            let Part::CopyBegin(sql) = part else { continue };
            let Bearing::Rows(Some(schema), name) = bearing(&sql) else {
                pass_over(parts).await?;
                continue;
            };
            let named = TableName::new(schema, name);
            match self.tables.iter().find(|table| table.table == named) {
                Some(table) => {
                    *waiting = Some(copied_columns(&sql));
                    self.found += 1;
                    return Ok(Some(table));
                }
                None => pass_over(parts).await?,
            }
        }
        if self.found == self.tables.len() {
            return Ok(None);
        }
        Err(Failure::new(
            FailureCode::BackupDamaged,
            "The archive does not hold the rows of every table that was asked for.",
        )
        .why(format!("{} of {} tables were found in it.", self.found, self.tables.len()))
        .unchanged("All of it was taken back; nothing has changed."))
    }

    /// Reads the rows of the table that was handed out last into `into`, or into the table itself, which was made or
    /// emptied in this transaction.
    ///
    /// # Errors
    /// The server's error, or that the rows are not what was stored.
    pub(super) async fn take(
        &mut self,
        connection: &mut PgConnection,
        table: &StoredTable,
        into: Option<&str>,
        meter: &Meter<'_>,
    ) -> Result<(), Failure> {
        let Some((parts, waiting)) = &mut self.archive else {
            let Opened { stored, key } = self.opened;
            return copy_segment(connection, stored, key, table, into, true, meter).await.map(|_| ());
        };
        let own = qualified(&table.table.schema, &table.table.name);
        let columns = in_order(table, &waiting.take().unwrap_or_default())?;
        let text = StoredTable { format: CopyFormat::Text, columns, ..table.clone() };
        let sql = copy_in(into.unwrap_or(&own), &text, into.is_none());
        let refused = |error: &sqlx::Error| {
            let told = failure(error);
            Failure { what: format!("The rows of {} cannot be read in. {}", table.table, told.what), ..told }
        };
        let mut copy = connection.copy_in_raw(&sql).await.map_err(|error| refused(&error))?;
        loop {
            match parts.next().await {
                Ok(Some(Part::Rows(rows))) => {
                    meter.add(rows.len());
                    copy.send(&rows[..]).await.map_err(|error| refused(&error))?;
                }
                Ok(Some(Part::CopyEnd) | None) => break,
                Ok(Some(_)) => {}
                Err(failure) => {
                    let _ = copy.abort("the backup is damaged").await;
                    return Err(failure);
                }
            }
        }
        copy.finish().await.map(|_| ()).map_err(|error| refused(&error))
    }
}

/// The columns of a table in the order in which an archive holds their values. In an archive that was imported it may be
/// another one than in the manifest, which was read elsewhere.
fn in_order(table: &StoredTable, names: &[String]) -> Result<Vec<StoredColumn>, Failure> {
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        columns.extend(table.columns.iter().find(|column| column.name == *name).cloned());
    }
    let stored = table.columns.iter().filter(|column| !column.generated).count();
    if columns.len() == names.len() && columns.len() == stored {
        return Ok(columns);
    }
    Err(Failure::new(
        FailureCode::BackupDamaged,
        format!("The archive holds other columns of {} than its manifest says.", table.table),
    )
    .unchanged("All of it was taken back; nothing has changed."))
}
