//! Writes the rows of a profile: staged, looked up, compared, changed, added; one set a block.

use super::guard::Guard;
use super::{ProfileRows, Stop, refused};
use crate::adapters::postgres::capture::{PINNED, UNPINNED};
use crate::adapters::postgres::copy;
use crate::adapters::postgres::observe::json;
use crate::adapters::postgres::script::{self, send};
use crate::adapters::postgres::seed::{BlockSql, Late};
use crate::domain::run::RunEventKind;
use crate::domain::staging::Staging;
use crate::domain::{Failure, FailureCode};
use crate::planner::seed::values::{BlockRows, RowMaker};
use crate::runner::events::Stream;
use sqlx::postgres::PgConnection;
use std::time::{Duration, Instant};

/// From how many rows on the server is told how many there are before it joins them.
const WORTH_ANALYSING: u64 = 1_000;
/// From how many rows on keys are looked up as a set, whatever the server believes of the tables: one whose rows were
/// taken back can be on its books as empty, and then each row would be sought among all the others.
const LOOKED_UP_AS_A_SET: u64 = 10_000;
const AS_A_SET: &str = "SET LOCAL enable_nestloop = off";
const AS_USUAL: &str = "SET LOCAL enable_nestloop TO DEFAULT";
/// Up to how many rows the one that is refused is searched for.
const MOST_SEARCHED: u64 = 20_000;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Tells how many rows were sent.
pub struct Progress<'a> {
    /// The run's stream.
    pub events: &'a Stream,
    /// The step at work.
    pub index: u32,
}

impl ProfileRows {
    /// Writes every block. What was staged, missing, different stays in temporary tables for a look.
    pub(super) async fn write(
        &self,
        connection: &mut PgConnection,
        guard: &mut Guard<'_>,
        progress: &Progress<'_>,
    ) -> Result<(), Stop> {
        let maker = RowMaker::new(&self.blocks, &self.staging, &self.schema, &self.answers);
        let all: u64 = self.staging.iter().map(|staging| staging.rows).sum();
        let started = Instant::now();
        let mut sent_before = 0;
        for (number, staging) in self.staging.iter().enumerate() {
            let rows = maker.rows(number);
            let sql = BlockSql::new(staging, number);
            let joins = if staging.rows >= LOOKED_UP_AS_A_SET { AS_A_SET } else { AS_USUAL };
            self.settle(connection, guard, format!("{PINNED}; {joins}; {}", sql.create())).await?;
            let mut told = Instant::now();
            let mut next = 0_u64;
            let sent = guard
                .over(copy::write(connection, &sql.copy_target(), |piece, size| {
                    let first = next;
                    while next < staging.rows && piece.len() < size {
                        let row = rows.row(next).map_err(|unmade| {
                            let at = rows.place(next);
                            Failure::new(
                                FailureCode::ProfileInvalid,
                                format!("{}, line {}: {unmade}", at.file, at.line),
                            )
                            .unchanged(refused::UNCHANGED)
                            .next("Correct the profile.")
                        })?;
                        let (number, shape) = (next.to_string(), row.shape.to_string());
                        let cells = row.cells.iter().map(Option::as_deref);
                        copy::write_row(
                            piece,
                            [Some(number.as_str()), Some(shape.as_str())].into_iter().chain(cells),
                        );
                        next += 1;
                    }
                    if told.elapsed() > TELL_EVERY || next == staging.rows {
                        told = Instant::now();
                        progress.events.emit(RunEventKind::Rows {
                            index: progress.index,
                            table: staging.table.name.clone(),
                            done: count(next),
                            total: count(staging.rows),
                            all_done: count(sent_before + next),
                            all: count(all),
                            seconds: started.elapsed().as_secs_f64(),
                        });
                    }
                    Ok::<u64, Failure>(next - first)
                }))
                .await;
            match sent {
                Ok(Ok(_)) => {}
                Ok(Err(failure)) => return Err(failure.into()),
                Err(error) if is_passing(&error) => return Err(error.into()),
                Err(error) => return Err(refused::staged(error, staging, &rows).into()),
            }
            sent_before += staging.rows;
            self.references(connection, guard, staging, &sql, &rows, false).await?;
            for fill in sql.fill() {
                guard.over(send(connection, fill)).await.map_err(|error| {
                    understood(error, |error| refused::written(error, staging, &rows, None))
                })?;
            }
            if staging.rows >= WORTH_ANALYSING {
                self.settle(connection, guard, sql.analyse()).await?;
            }
            let broken = guard.over(copy::rows(connection, &sql.broken_keys())).await?;
            if let Some(found) = broken.first() {
                let number =
                    |at: usize| found.get(at).and_then(Option::as_deref).and_then(|text| text.parse().ok());
                return Err(refused::broken_key(staging, &rows, number(0).unwrap_or(0), number(1)).into());
            }
            self.settle(connection, guard, sql.find_missing()).await?;
            if let Some(different) = sql.find_different() {
                self.settle(connection, guard, different).await?;
            }
            // From here on triggers of the product run: they find the session's own settings.
            self.settle(connection, guard, format!("{UNPINNED}; {AS_USUAL}; SAVEPOINT drydock_block"))
                .await?;
            for (updates, statements) in [(true, sql.update(None)), (false, sql.insert(None))] {
                for statement in statements {
                    if let Err(error) = guard.over(send(connection, statement)).await {
                        return Err(self
                            .explain(connection, guard, staging, &sql, &rows, updates, error)
                            .await);
                    }
                }
            }
            self.settle(connection, guard, "RELEASE SAVEPOINT drydock_block".to_owned()).await?;
        }
        for (number, staging) in self.staging.iter().enumerate() {
            let rows = maker.rows(number);
            let sql = BlockSql::new(staging, number);
            if staging.late.is_empty() {
                continue;
            }
            let joins = if staging.rows >= LOOKED_UP_AS_A_SET { AS_A_SET } else { AS_USUAL };
            self.settle(connection, guard, joins.to_owned()).await?;
            self.references(connection, guard, staging, &sql, &rows, true).await?;
            let Late { looks, writes } = sql.late();
            for statement in looks.into_iter().chain([AS_USUAL.to_owned()]).chain(writes) {
                guard.over(send(connection, statement)).await.map_err(|error| {
                    understood(error, |error| refused::written(error, staging, &rows, None))
                })?;
            }
        }
        for (number, staging) in self.staging.iter().enumerate().rev() {
            let rows = maker.rows(number);
            for statement in BlockSql::new(staging, number).delete_others().into_iter().flatten() {
                guard.over(send(connection, statement)).await.map_err(|error| {
                    understood(error, |error| refused::written(error, staging, &rows, None))
                })?;
            }
        }
        Ok(())
    }

    /// How many rows writing everything again would change.
    pub(super) async fn still_to_do(
        &self,
        connection: &mut PgConnection,
        guard: &mut Guard<'_>,
    ) -> Result<u64, sqlx::Error> {
        let mut rows = 0;
        for (number, staging) in self.staging.iter().enumerate() {
            let joins = if staging.rows >= LOOKED_UP_AS_A_SET { AS_A_SET } else { AS_USUAL };
            guard.over(send(connection, joins.to_owned())).await?;
            let sql = BlockSql::new(staging, number).still_to_do();
            rows += guard.over(json::<u64>(connection, sql)).await?;
        }
        Ok(rows)
    }

    async fn settle(
        &self,
        connection: &mut PgConnection,
        guard: &mut Guard<'_>,
        sql: String,
    ) -> Result<(), Stop> {
        Ok(guard.over(send(connection, sql)).await?)
    }

    async fn references(
        &self,
        connection: &mut PgConnection,
        guard: &mut Guard<'_>,
        staging: &Staging,
        sql: &BlockSql<'_>,
        rows: &BlockRows<'_>,
        late: bool,
    ) -> Result<(), Stop> {
        for (dangles, query) in sql.dangling(late) {
            if let Some(found) = guard.over(copy::rows(connection, &query)).await?.first() {
                return Err(refused::dangling(&dangles, staging, rows, found, false).into());
            }
        }
        if late {
            return Ok(());
        }
        for (dangles, query) in sql.ambiguous() {
            if let Some(found) = guard.over(copy::rows(connection, &query)).await?.first() {
                return Err(refused::dangling(&dangles, staging, rows, found, true).into());
            }
        }
        Ok(())
    }

    /// Searches for the row that the server refused: the last one of the shortest beginning that fails.
    #[expect(clippy::too_many_arguments, reason = "one search, told in one place")]
    async fn explain(
        &self,
        connection: &mut PgConnection,
        guard: &mut Guard<'_>,
        staging: &Staging,
        sql: &BlockSql<'_>,
        rows: &BlockRows<'_>,
        updates: bool,
        error: sqlx::Error,
    ) -> Stop {
        if is_passing(&error) {
            return error.into();
        }
        let again = |end: u64| {
            let within = Some((0, end));
            let mut statements = vec!["SAVEPOINT drydock_search".to_owned()];
            statements.extend(if updates { sql.update(within) } else { sql.insert(within) });
            statements
        };
        let mut row = None;
        if staging.rows > 0
            && staging.rows <= MOST_SEARCHED
            && send(connection, "ROLLBACK TO SAVEPOINT drydock_block".to_owned()).await.is_ok()
        {
            let (mut works, mut fails) = (0, staging.rows - 1);
            while works < fails {
                let middle = works + (fails - works) / 2;
                let mut refused = false;
                for statement in again(middle) {
                    match guard.over(send(connection, statement)).await {
                        Ok(()) => {}
                        Err(error) if is_passing(&error) => return error.into(),
                        Err(_) => {
                            refused = true;
                            break;
                        }
                    }
                }
                if send(connection, "ROLLBACK TO SAVEPOINT drydock_search".to_owned()).await.is_err() {
                    return refused::written(error, staging, rows, None).into();
                }
                if refused { fails = middle } else { works = middle + 1 }
            }
            row = Some(fails);
        }
        refused::written(error, staging, rows, row).into()
    }
}

/// Errors that say nothing about a row: locks, cancel, a lost line, another session at the same rows.
pub(super) fn is_passing(error: &sqlx::Error) -> bool {
    script::is_lost(error)
        || script::code(error).is_some_and(|code| {
            matches!(code.as_str(), "55P03" | "40001" | "40P01" | "57014" | "53100" | "53200")
        })
}

fn understood(error: sqlx::Error, words: impl FnOnce(sqlx::Error) -> Failure) -> Stop {
    if is_passing(&error) { error.into() } else { words(error).into() }
}

fn count(rows: u64) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}
