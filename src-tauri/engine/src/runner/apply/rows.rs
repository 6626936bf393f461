//! Applying rows: written, looked at, compared with the dry run, kept on this computer for the way back, and
//! only then committed. The transaction's number is journalled before COMMIT is sent, so that after any cut
//! the server can be asked what became of it.

use super::lost::Open;
use super::{Apply, SETTLE_PATIENCE, Sessions, Stop, in_time, index_u32, send};
use crate::adapters::changes::{ChangeKey, ChangeWriter};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script;
use crate::adapters::postgres::{capture, trial};
use crate::adapters::store::StoredChanges;
use crate::domain::run::{RunStatus, StepStatus};
use crate::domain::seed::RowChanges;
use crate::domain::words::{count, whole};
use crate::domain::{Failure, FailureCode, Finding, Outcome};
use crate::runner::seed::{self, Attendant, Captured, Guard, Look, Progress, RowWork};
use std::path::PathBuf;
use std::time::Duration;

/// What a run needs to write rows.
pub struct RowJob {
    /// What is to be written.
    pub rows: RowWork,
    /// Where the changed rows are kept.
    pub path: PathBuf,
    /// What they are sealed with.
    pub key: ChangeKey,
    /// What the dry run found; `None`: there was none that fits.
    pub shown: Option<StoredChanges>,
}

/// How a step's journal names the transaction that was about to be committed.
pub const COMMITTING: &str = "committing transaction ";

impl Apply {
    /// Writes the rows of a seed or an undo.
    pub(super) async fn write_rows(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
    ) -> Result<Option<String>, Stop> {
        let Some(job) = self.rows.take() else {
            return Err(Failure::new(
                FailureCode::ProfileInvalid,
                "The rows of this plan are not there any more.",
            )
            .unchanged("Nothing was written.")
            .into());
        };
        let attempts = self.plan.rules.lock_retries + 1;
        let mut attempt = 1;
        loop {
            match self.try_rows(sessions, index, &job).await {
                Ok(note) => return Ok(Some(note)),
                Err(seed::Stop::Refused(failure)) => {
                    let _ = send(&mut sessions.work.connection, "ROLLBACK".to_owned()).await;
                    self.settle_step(index, StepStatus::TakenBack, Some(failure.what.clone()), None);
                    return Err(failure.into());
                }
                Err(seed::Stop::Server(error)) if script::is_lost(&error) => {
                    return self.settle_lost_rows(sessions, index, &error).await.map(Some);
                }
                Err(seed::Stop::Server(error)) => {
                    let _ = send(&mut sessions.work.connection, "ROLLBACK".to_owned()).await;
                    let code = script::code(&error).unwrap_or_default();
                    if *self.cancel.borrow() {
                        let note = "cancelled; every row was taken back".to_owned();
                        self.settle_step(index, StepStatus::TakenBack, Some(note), None);
                        return Err(Failure::new(
                            FailureCode::Cancelled,
                            "The run was cancelled by the operator.",
                        )
                        .unchanged("Every row was taken back; nothing has changed.")
                        .into());
                    }
                    if super::waiting::is_retryable(&code) && attempt < attempts {
                        self.wait_to_retry(sessions, index, attempt, attempts, "The rows").await?;
                        attempt += 1;
                        continue;
                    }
                    let note = "the server took it back".to_owned();
                    self.settle_step(index, StepStatus::TakenBack, Some(note), None);
                    return Err(match code.as_str() {
                        "40001" | "40P01" => Failure::new(
                            FailureCode::NotAsShown,
                            "Somebody else keeps changing the same rows.",
                        )
                        .why(failure(&error).what)
                        .unchanged("Every row was taken back; nothing has changed.")
                        .next("Make a new dry run: it shows what is there now."),
                        _ => seed::refusal(error),
                    }
                    .into());
                }
            }
        }
    }

    async fn try_rows(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        job: &RowJob,
    ) -> Result<String, seed::Stop> {
        let schemas = [self.plan.schema.clone()];
        let lock_timeout = self.plan.rules.lock_timeout_ms;
        let Sessions { work, watch } = sessions;
        let capacity = in_time(trial::capacity(&mut work.connection)).await?;
        if !capacity.temporary {
            return Err(seed::no_temporary().into());
        }
        let tables = in_time(trial::all_table_files(&mut work.connection)).await?;
        let sequences = in_time(capture::sequences(&mut work.connection, &schemas)).await?;
        let lock = job.rows.to_lock();
        let begun = trial::begin_rows(&mut work.connection, lock_timeout, &lock, job.rows.runs_scripts());
        let transaction =
            tokio::time::timeout(Duration::from_millis(u64::from(lock_timeout)) + SETTLE_PATIENCE, begun)
                .await
                .unwrap_or_else(|_| Err(script::dead_line(SETTLE_PATIENCE)))?;
        let snapshot = in_time(capture::export_snapshot(&mut work.connection)).await?;
        let mut guard = Guard::Apply(Attendant {
            watcher: watch,
            cancel: self.cancel.clone(),
            pid: work.pid,
            events: self.events.clone(),
            index: index_u32(index),
        });
        let progress = Progress { events: &self.events, index: index_u32(index) };
        seed::write(&job.rows, work, &mut guard, &progress).await?;
        let witness = guard.over(trial::witness(&mut work.connection)).await?;
        if witness.as_deref() != Some(transaction.as_str()) {
            return Err(seed::ended_itself().into());
        }
        let locks = guard.over(trial::held_locks(&mut work.connection)).await?;
        if job.rows.runs_scripts() {
            let disarm = "DROP TABLE pg_temp.drydock_tripwire".to_owned();
            guard
                .over(script::send(
                    &mut work.connection,
                    format!("DELETE FROM pg_temp.drydock_tripwire; SET CONSTRAINTS ALL IMMEDIATE; {disarm}"),
                ))
                .await
                .map_err(|error| seed::waiting_check(error, false))?;
        } else {
            guard
                .over(script::send(&mut work.connection, "SET CONSTRAINTS ALL IMMEDIATE".to_owned()))
                .await
                .map_err(|error| seed::waiting_check(error, false))?;
        }
        self.events.note("All rows are written; reading back what came of them before it is committed.");
        let mut writer = ChangeWriter::create(&job.path, &job.key)?;
        let look = Look {
            connector: &self.connector,
            snapshot: &snapshot,
            transaction: &transaction,
            before: &tables,
            locks: &locks,
            counts: capacity.counts,
            short: self.run.id.get(..8).unwrap_or(&self.run.id),
        };
        let captured = look.read(work, &mut guard, &job.rows, &mut writer).await?;
        drop(guard);
        as_shown(&captured, job.shown.as_ref())?;
        writer.finish()?;
        let moved = match in_time(capture::sequences(&mut watch.connection, &schemas)).await {
            Ok(after) => seed::moved(&sequences, &after),
            Err(_) => Vec::new(),
        };
        let stored = StoredChanges {
            sums: captured.iter().map(|table| table.sum.clone()).collect(),
            changes: RowChanges {
                tables: captured.into_iter().map(|table| table.changes).collect(),
                again: job.shown.as_ref().map_or_else(
                    || {
                        Finding::new(
                            "again",
                            Outcome::Unknown,
                            "Whether it would change rows again was not tried.",
                        )
                    },
                    |shown| shown.changes.again.clone(),
                ),
                sequences: moved,
                notes: Vec::new(),
            },
        };
        let words = words(&stored.changes);
        self.store.save_changes(&self.run.id, &stored).await?;
        if *self.cancel.borrow() {
            return Err(Failure::new(FailureCode::Cancelled, "The run was cancelled by the operator.")
                .unchanged("Every row was taken back; nothing has changed.")
                .into());
        }
        // From here on a cut leaves open whether it was committed; the number tells.
        let step = &mut self.run.steps[index];
        step.note = Some(format!("{COMMITTING}{transaction}"));
        self.store.journal(&self.run.id, std::slice::from_ref(step)).await?;
        in_time(script::send(&mut work.connection, "COMMIT".to_owned())).await?;
        Ok(words)
    }

    /// The line was lost: nothing is sent again; the server is asked what became of the transaction.
    pub(super) async fn settle_lost_rows(
        &mut self,
        sessions: &Sessions,
        index: usize,
        error: &sqlx::Error,
    ) -> Result<String, Stop> {
        let lost = |what: String| Failure::new(FailureCode::ConnectionLost, what).why(failure(error).what);
        let open = |what: String| Stop {
            status: RunStatus::NeedsAttention,
            failure: lost(what)
                .next("When the server is back, open this run and ask again; nothing was sent twice."),
        };
        let sent = committing(self.run.steps[index].note.as_deref()).map(str::to_owned);
        let mut connection = match self.after_lost(sessions).await {
            Ok(connection) => connection,
            Err(Open::Unreachable) => {
                return Err(open(
                    "The line was lost while rows were written, and the server cannot be reached.".to_owned(),
                ));
            }
            Err(Open::AtWork) => {
                return Err(open("The line was lost; the server is still working on the rows.".to_owned()));
            }
        };
        let committed = match &sent {
            None => Some(false),
            Some(transaction) => match in_time(trial::fate(&mut connection, transaction)).await {
                Ok(Some(fate)) if fate == "committed" => Some(true),
                Ok(Some(fate)) if fate == "aborted" => Some(false),
                _ => None,
            },
        };
        match committed {
            Some(true) => Ok("committed just before the line was lost; the server says so".to_owned()),
            Some(false) => {
                let note = "the server took it back when the line was lost".to_owned();
                self.settle_step(index, StepStatus::TakenBack, Some(note), None);
                Err(lost("The line was lost while rows were written; the server took them back.".to_owned())
                    .unchanged("No row has changed.")
                    .next("Make a new dry run, then apply again.")
                    .into())
            }
            None => Err(open("The line was lost, and what became of the rows could not be read.".to_owned())),
        }
    }
}

/// The transaction that was about to be committed, as a step's journal has it.
pub fn committing(note: Option<&str>) -> Option<&str> {
    note?.strip_prefix(COMMITTING)
}

/// What was written must be what the dry run showed: same rows, same values in every column that the profile
/// writes.
fn as_shown(captured: &[Captured], shown: Option<&StoredChanges>) -> Result<(), Failure> {
    let Some(shown) = shown else { return Ok(()) };
    for table in captured {
        let changes = &table.changes;
        let before = shown.changes.tables.iter().position(|known| known.table == changes.table);
        let counts = |changes: &crate::domain::seed::TableChanges| {
            (changes.inserted, changes.updated, changes.deleted, changes.unknown.is_some())
        };
        let nothing = (0, 0, 0, false);
        let known = before.and_then(|at| shown.changes.tables.get(at));
        let expected = known.map_or(nothing, counts);
        let sum = before.and_then(|at| shown.sums.get(at));
        let same_values = sum.is_none_or(|sum| *sum == table.sum) || expected == nothing;
        if counts(changes) != expected || !same_values {
            let why = if counts(changes) == expected {
                format!("In {} other rows would change, or they would get other values.", changes.table)
            } else {
                format!(
                    "In {} the dry run showed {} added, {} changed, {} deleted; now it would be {}, {} and {}.",
                    changes.table,
                    expected.0,
                    expected.1,
                    expected.2,
                    changes.inserted,
                    changes.updated,
                    changes.deleted
                )
            };
            return Err(Failure::new(
                FailureCode::NotAsShown,
                "What would be written is no longer what the dry run showed.",
            )
            .why(format!("{why} Somebody changed rows since."))
            .unchanged("Every row was taken back; nothing has changed.")
            .next("Make a new dry run: it shows what is there now."));
        }
    }
    for known in &shown.changes.tables {
        let gone = !captured.iter().any(|table| table.changes.table == known.table);
        if gone && known.inserted + known.updated + known.deleted > 0 {
            return Err(Failure::new(
                FailureCode::NotAsShown,
                "What would be written is no longer what the dry run showed.",
            )
            .why(format!("{} would not be changed any more.", known.table))
            .unchanged("Every row was taken back; nothing has changed.")
            .next("Make a new dry run: it shows what is there now."));
        }
    }
    Ok(())
}

fn words(changes: &RowChanges) -> String {
    let sum = |count: fn(&crate::domain::seed::TableChanges) -> u32| -> u64 {
        changes.tables.iter().map(|table| u64::from(count(table))).sum()
    };
    let (inserted, updated, deleted) =
        (sum(|table| table.inserted), sum(|table| table.updated), sum(|table| table.deleted));
    if inserted + updated + deleted == 0 {
        return "no row changed".to_owned();
    }
    format!(
        "{} added, {} changed, {} deleted; before-images are kept",
        count(inserted, "row", "rows"),
        whole(updated),
        whole(deleted)
    )
}
