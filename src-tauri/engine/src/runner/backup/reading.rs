//! The rows of some tables of a backup, table by table as they lie in it. An archive is read once for all of them.

use super::Meter;
use super::load::{Opened, Parts, Source, copy_segment};
use crate::adapters::dumps::ArchiveWish;
use crate::adapters::postgres::backup::copy_in;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::words::qualified;
use crate::adapters::sandbox::Toolkit;
use crate::domain::backup::{BackupKind, CopyFormat, StoredTable};
use crate::domain::{Failure, FailureCode};
use crate::planner::dump::Part;
use sqlx::postgres::PgConnection;

/// Tables that are read one after the other.
pub(super) struct Reading<'a> {
    opened: &'a Opened,
    tables: &'a [StoredTable],
    found: usize,
    /// The archive of a deep backup, and whether it stands before rows that nobody has taken.
    archive: Option<(Parts, bool)>,
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
            archive = Some((Parts::new(source), false));
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
        if std::mem::take(waiting) {
            pass_over(parts).await?;
        }
        while let Some(part) = parts.next().await? {
            let Part::CopyBegin(sql) = part else { continue };
            let table = self.tables.iter().find(|table| {
                sql.starts_with(&format!("COPY {} ", qualified(&table.table.schema, &table.table.name)))
            });
            match table {
                Some(table) => {
                    *waiting = true;
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
        let text = StoredTable { format: CopyFormat::Text, ..table.clone() };
        let sql = copy_in(into.unwrap_or(&own), &text, into.is_none());
        let refused = |error: &sqlx::Error| {
            let told = failure(error);
            Failure { what: format!("The rows of {} cannot be read in. {}", table.table, told.what), ..told }
        };
        let mut copy = connection.copy_in_raw(&sql).await.map_err(|error| refused(&error))?;
        *waiting = false;
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

/// Reads to the end of rows that nobody wants.
async fn pass_over(parts: &mut Parts) -> Result<(), Failure> {
    while !matches!(parts.next().await?, None | Some(Part::CopyEnd)) {}
    Ok(())
}
