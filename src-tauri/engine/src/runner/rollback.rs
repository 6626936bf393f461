//! Rolls migrations back in one transaction of the caller's: what they made goes, what they dropped comes back with
//! its rows, the ledger says so.

use super::backup::Meter;
use super::backup::load::Opened;
use super::backup::rows::{Aside, empty, read_in, set_sequences};
use super::backup::sums::{self, Summed};
use super::events::Stream;
use crate::adapters::postgres::backup;
use crate::adapters::postgres::capture::PINNED;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::ledger;
use crate::adapters::postgres::script::{is_lost, send};
use crate::adapters::postgres::words::{identifier, qualified};
use crate::adapters::sandbox::Toolkit;
use crate::domain::backup::{StoredSequence, StoredTable};
use crate::domain::plan::RepairStatement;
use crate::domain::rollback::{RollBackStep, RowsBack};
use crate::domain::{Failure, FailureCode};
use chrono::Utc;
use sqlx::postgres::PgConnection;

/// A roll back that was taken apart.
pub struct RollBack {
    /// The step of the plan.
    pub step: RollBackStep,
    /// Schema of the ledger.
    pub schema: String,
    /// The backup that rows come from.
    pub source: Option<RowSource>,
}

/// Where rows come back from.
pub struct RowSource {
    /// The backup.
    pub opened: Opened,
    /// The toolkit, for a deep one.
    pub toolkit: Option<Toolkit>,
    /// The tables that rows come back to, in the order of the step's rows.
    pub tables: Vec<StoredTable>,
    /// Sequences of tables that come back whole.
    pub sequences: Vec<StoredSequence>,
}

impl std::fmt::Debug for RollBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RollBack").field("migrations", &self.step.migrations).finish_non_exhaustive()
    }
}

impl RollBack {
    /// Does it, inside of an open transaction.
    ///
    /// # Errors
    /// What keeps it from being done; the transaction has to be taken back then.
    pub async fn run(
        &self,
        connection: &mut PgConnection,
        events: &Stream,
        index: u32,
    ) -> Result<String, Failure> {
        settings(connection).await?;
        statements(connection, &self.step.remove).await?;
        statements(connection, &self.step.make).await?;
        let back = self.rows_back(connection, events, index).await?;
        settings(connection).await?;
        statements(connection, &self.step.finish).await?;
        if let Some(aside) = back {
            aside.put_back(connection).await.map_err(|error| told(&error))?;
        }
        send(connection, self.ledger_sql()).await.map_err(|error| told(&error))?;
        let count = self.step.migrations.len();
        Ok(format!(
            "{} rolled back; the ledger says so",
            if count == 1 { "1 migration is".to_owned() } else { format!("{count} migrations are") }
        ))
    }

    /// The ledger's rows, marked as rolled back.
    pub fn ledger_sql(&self) -> String {
        let ids: Vec<String> = self.step.ledger.iter().map(|row| row.id.clone()).collect();
        ledger::roll_back_sql(&self.schema, &ids, Utc::now())
    }

    /// Puts rows and values back, after the tables and columns were made again. What was put out of the way for it
    /// is handed back, to be put back at the end.
    ///
    /// # Errors
    /// The server's error, or that the backup is damaged.
    pub async fn rows_back(
        &self,
        connection: &mut PgConnection,
        events: &Stream,
        index: u32,
    ) -> Result<Option<Aside>, Failure> {
        let Some(source) = self.source.as_ref().filter(|source| !source.tables.is_empty()) else {
            return Ok(None);
        };
        let server = |error: sqlx::Error| told(&error);
        settings(connection).await?;
        let pairs: Vec<(&RowsBack, &StoredTable)> = self.step.rows.iter().zip(&source.tables).collect();
        let replaced: Vec<StoredTable> =
            pairs.iter().filter(|(rows, _)| rows.replace).map(|(_, table)| (*table).clone()).collect();
        let names: Vec<_> = replaced.iter().map(|table| table.table.clone()).collect();
        let aside = Aside::read(connection, &names).await.map_err(server)?;
        aside.clear(connection).await.map_err(server)?;
        empty(connection, &replaced).await.map_err(server)?;
        for (number, (rows, table)) in pairs.iter().enumerate() {
            if rows.columns.is_some() {
                let columns: Vec<String> = table
                    .columns
                    .iter()
                    .filter(|column| !column.generated)
                    .map(|column| format!("NULL::{} AS {}", column.type_name, identifier(&column.name)))
                    .collect();
                send(
                    connection,
                    format!(
                        "CREATE TEMP TABLE drydock_back_{number} ON COMMIT DROP AS SELECT {} LIMIT 0",
                        columns.join(", ")
                    ),
                )
                .await
                .map_err(server)?;
            }
        }
        let meter = Meter::new(events, index, "restored", 0.0, source.tables.len());
        let staged = |table: &StoredTable| {
            pairs
                .iter()
                .position(|(rows, other)| rows.columns.is_some() && other.table == table.table)
                .map(|number| format!("pg_temp.drydock_back_{number}"))
        };
        let encoding = &source.opened.stored.manifest.encoding;
        super::backup::speak_bytes(connection, encoding).await.map_err(|error| failure(&error))?;
        read_in(connection, &source.opened, source.toolkit.as_ref(), &source.tables, &staged, &meter).await?;
        for (number, (rows, table)) in pairs.iter().enumerate() {
            let Some(columns) = &rows.columns else { continue };
            let set: Vec<String> =
                columns.iter().map(|column| format!("{0} = b.{0}", identifier(column))).collect();
            let same: Vec<String> =
                table.key.iter().map(|column| format!("t.{0} = b.{0}", identifier(column))).collect();
            send(
                connection,
                format!(
                    "UPDATE ONLY {} AS t SET {} FROM pg_temp.drydock_back_{number} AS b WHERE {}; DROP TABLE pg_temp.drydock_back_{number}",
                    qualified(&table.table.schema, &table.table.name),
                    set.join(", "),
                    same.join(" AND ")
                ),
            )
            .await
            .map_err(server)?;
        }
        set_sequences(connection, &source.sequences).await.map_err(server)?;
        let whole: Vec<StoredTable> = pairs
            .iter()
            .filter(|(rows, _)| rows.columns.is_none())
            .map(|(_, table)| (*table).clone())
            .collect();
        let found = sums::sums(connection, source.opened.stored.manifest.hash, &whole, &|_| 0.0, &|_| {})
            .await
            .map_err(server)?;
        for (table, sum) in whole.iter().zip(found) {
            let same = match &sum {
                Summed::Sum(sum) => {
                    sum.rows == table.rows && table.hash.as_ref().is_none_or(|hash| *hash == sum.hash)
                }
                Summed::Counted(rows) => *rows == table.rows,
            };
            if !same {
                return Err(Failure::new(
                    FailureCode::RestoreDiffers,
                    format!("The rows of {} are not what was stored.", table.table),
                )
                .unchanged("All of it was taken back; nothing has changed.")
                .next("Do not use this backup; choose another one."));
            }
        }
        Ok(Some(aside))
    }
}

/// Settings under which texts of a catalogue mean the same everywhere.
async fn settings(connection: &mut PgConnection) -> Result<(), Failure> {
    let sql = format!(
        "SET LOCAL row_security = off; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL check_function_bodies = off; SET LOCAL statement_timeout = 0; {PINNED}"
    );
    send(connection, sql).await.map_err(|error| told(&error))
}

async fn statements(connection: &mut PgConnection, statements: &[RepairStatement]) -> Result<(), Failure> {
    for statement in statements {
        send(connection, statement.sql.clone()).await.map_err(|error| {
            let told = told(&error);
            Failure {
                what: format!("This cannot be done: {}.", statement.summary),
                why: told.why.or(Some(told.what)),
                ..told
            }
        })?;
    }
    Ok(())
}

fn told(error: &sqlx::Error) -> Failure {
    let told = failure(error);
    if is_lost(error) {
        return told;
    }
    Failure { unchanged: Some("All of it was taken back; nothing has changed.".to_owned()), ..told }
}

/// Rows of tables that would go, counted now; a table that cannot be counted has none.
pub async fn count(
    connection: &mut PgConnection,
    tables: &[crate::domain::backup::TableName],
) -> Vec<Option<f64>> {
    let mut counts = Vec::new();
    for table in tables {
        counts.push(backup::row_count(connection, table).await.ok().map(|rows| rows as f64));
    }
    counts
}
