//! The dry run of rows: written in a transaction that cannot commit, looked at, taken back.

use super::capture::Look;
use super::captured::Captured;
use super::guard::Guard;
use super::profile::Progress;
use super::{RowWork, Stop, refused, undo};
use crate::adapters::changes::ChangeWriter;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::{self, send};
use crate::adapters::postgres::{capture, trial};
use crate::domain::change_set::LockTaken;
use crate::domain::plan::Plan;
use crate::domain::seed::SequenceMove;
use crate::domain::statement::Waits;
use crate::domain::words::count;
use crate::domain::{Failure, FailureCode, Finding, Outcome};
use crate::planner::sql;
use crate::runner::dry_run::estimate::SpaceCap;
use crate::runner::dry_run::watching::Watch;
use crate::runner::dry_run::{GOODBYE, free_here, stop_from_elsewhere, strength, waits};
use crate::runner::events::Stream;
use crate::runner::session::{Connector, Session};
use std::collections::HashMap;
use std::time::Instant;
use tokio::sync::watch;

/// What a dry run of rows found.
#[derive(Debug)]
pub struct Tried {
    /// Tables.
    pub captured: Vec<Captured>,
    /// What writing it again would do.
    pub again: Finding,
    /// Sequences that moved.
    pub sequences: Vec<SequenceMove>,
    /// Locks on tables.
    pub locks: Vec<LockTaken>,
    /// Longest time others may have waited, seconds.
    pub longest_block_seconds: f64,
    /// Seconds.
    pub seconds: f64,
    /// What it wrote on the server's disk.
    pub space: String,
    /// Why it ended early, without saying anything about the rows.
    pub stopped: Option<String>,
    /// The row or rule that would fail.
    pub refused: Option<Failure>,
}

/// Tries.
///
/// # Errors
/// When the target cannot be reached or read, or the run is cancelled. A row that is refused is a result.
#[expect(clippy::too_many_arguments, reason = "the parts of one run")]
pub async fn try_out(
    connector: &Connector,
    plan: &Plan,
    rows: &RowWork,
    writer: &mut ChangeWriter,
    events: &Stream,
    cancel: &watch::Receiver<bool>,
    run_id: &str,
    index: u32,
) -> Result<Tried, Failure> {
    let short = run_id.get(..8).unwrap_or(run_id);
    let mut work = Session::open(connector, format!("drydock dry run {short}")).await?;
    let mut watcher = Session::open_watching(connector, format!("drydock watch {short}")).await?;
    let course = Course { connector, plan, rows, events, short, index };
    let outcome = course.inside(&mut work, &mut watcher, cancel, writer).await;
    let ended = script::in_time(GOODBYE, send(&mut work.connection, "ROLLBACK".to_owned())).await;
    let (pid, name) = (work.pid, work.application.clone());
    work.close().await;
    watcher.close().await;
    if ended.is_err() {
        stop_from_elsewhere(connector, pid, &name).await;
    }
    outcome
}

struct Course<'a> {
    connector: &'a Connector,
    plan: &'a Plan,
    rows: &'a RowWork,
    events: &'a Stream,
    short: &'a str,
    index: u32,
}

impl Course<'_> {
    async fn inside(
        &self,
        work: &mut Session,
        watcher: &mut Session,
        cancel: &watch::Receiver<bool>,
        writer: &mut ChangeWriter,
    ) -> Result<Tried, Failure> {
        let read = |error: sqlx::Error| failure(&error);
        let schemas = [self.plan.schema.clone()];
        let capacity = self.connector.read(trial::capacity(&mut work.connection)).await.map_err(read)?;
        if !capacity.temporary {
            return Err(no_temporary());
        }
        let space = self.connector.read(trial::space(&mut work.connection)).await.map_err(read)?;
        let cap = SpaceCap::new(self.plan, &space, free_here(self.connector, &space));
        let tables = self.connector.read(trial::all_table_files(&mut work.connection)).await.map_err(read)?;
        let names =
            self.connector.read(trial::table_files(&mut work.connection, &schemas)).await.map_err(read)?;
        let sequences =
            self.connector.read(capture::sequences(&mut work.connection, &schemas)).await.map_err(read)?;
        let start = Instant::now();
        let lock = self.rows.to_lock();
        let begun = trial::begin_rows(&mut work.connection, self.plan.rules.lock_timeout_ms, &lock, true);
        let transaction = match self.connector.read(begun).await {
            Ok(transaction) => transaction,
            Err(error) => return Err(could_not_start(&error)),
        };
        let snapshot =
            self.connector.read(capture::export_snapshot(&mut work.connection)).await.map_err(read)?;
        let existing = tables.keys().copied().collect();
        let watching = Watch::new(watcher, cancel, work.pid, self.plan, cap, existing);
        let mut guard = Guard::DryRun(Box::new(watching));
        let mut tried = Tried {
            captured: Vec::new(),
            again: Finding::new(
                "again",
                Outcome::Unknown,
                "Whether it would change rows again is not known.",
            ),
            sequences: Vec::new(),
            locks: Vec::new(),
            longest_block_seconds: 0.0,
            seconds: 0.0,
            space: String::new(),
            stopped: None,
            refused: None,
        };
        let parts = Parts {
            transaction: &transaction,
            snapshot: &snapshot,
            files: &tables,
            names: &names,
            counts: capacity.counts,
        };
        let outcome = self.write_and_look(work, &mut guard, writer, &parts, &mut tried).await;
        tried.seconds = start.elapsed().as_secs_f64();
        for lock in &mut tried.locks {
            lock.held_seconds = tried.seconds;
            lock.dry_run_seconds = tried.seconds;
        }
        let Guard::DryRun(mut watching) = guard else { return Ok(tried) };
        tried.stopped = watching.take_stopped();
        tried.longest_block_seconds = watching.longest_block_seconds();
        tried.space = watching.space().await;
        drop(watching);
        // Sequences are not part of the transaction, so they are as they will stay.
        if let Ok(after) = self.connector.read(capture::sequences(&mut watcher.connection, &schemas)).await {
            tried.sequences = moved(&sequences, &after);
        }
        match outcome {
            Ok(()) => Ok(tried),
            Err(Stop::Refused(refused)) => {
                tried.refused = Some(refused);
                Ok(tried)
            }
            Err(Stop::Server(_)) if *cancel.borrow() => {
                Err(Failure::new(FailureCode::Cancelled, "The dry run was cancelled.")
                    .unchanged("All of it was taken back."))
            }
            Err(Stop::Server(_)) if tried.stopped.is_some() => Ok(tried),
            Err(Stop::Server(error)) if script::is_lost(&error) => {
                Err(failure(&error).unchanged("A dry run cannot commit: nothing of it stays."))
            }
            Err(Stop::Server(error)) => {
                let code = script::code(&error).unwrap_or_default();
                let why = match code.as_str() {
                    "55P03" => "A lock was not free; nobody was kept waiting.".to_owned(),
                    "40001" | "40P01" => "Another session changed the same rows at this moment.".to_owned(),
                    _ => {
                        tried.refused = Some(refused::plain(error));
                        return Ok(tried);
                    }
                };
                tried.stopped = Some(why);
                Ok(tried)
            }
        }
    }

    async fn write_and_look(
        &self,
        work: &mut Session,
        guard: &mut Guard<'_>,
        writer: &mut ChangeWriter,
        parts: &Parts<'_>,
        tried: &mut Tried,
    ) -> Result<(), Stop> {
        write(self.rows, work, guard, &Progress { events: self.events, index: self.index }).await?;
        let witness = guard.over(trial::witness(&mut work.connection)).await?;
        if witness.as_deref() != Some(parts.transaction) {
            return Err(ended_itself().into());
        }
        let locks = guard.over(trial::held_locks(&mut work.connection)).await?;
        tried.locks = locks_taken(&locks, parts.names, &self.plan.purpose_title());
        guard
            .over(trial::check_deferred(&mut work.connection))
            .await
            .map_err(|error| waiting_check(error, true))?;
        let look = Look {
            connector: self.connector,
            snapshot: parts.snapshot,
            transaction: parts.transaction,
            before: parts.files,
            locks: &locks,
            counts: parts.counts,
            short: self.short,
        };
        tried.captured = look.read(work, guard, self.rows, writer).await?;
        tried.again = self.again(work, guard).await?;
        Ok(())
    }

    async fn again(&self, work: &mut Session, guard: &mut Guard<'_>) -> Result<Finding, Stop> {
        Ok(match self.rows {
            RowWork::Profile(profile) => {
                let left = profile.still_to_do(&mut work.connection, guard).await?;
                match (profile.never_settles.as_slice(), left) {
                    ([], 0) => Finding::new("again", Outcome::Pass, "Running it again would change 0 rows.")
                        .detail("Proven: what is written was compared with the profile a second time."),
                    ([], left) => Finding::new(
                        "again",
                        Outcome::Warn,
                        format!("Running it again would change {}.", count(left, "row", "rows")),
                    )
                    .detail("The database changes what is written, by a trigger or by rounding, so it never is what the profile says."),
                    (columns, _) => Finding::new(
                        "again",
                        Outcome::Warn,
                        format!("Running it again would change rows each time: {}.", columns.join(", ")),
                    )
                    .detail("These columns get another value at each run."),
                }
            }
            RowWork::Scripts(_) => Finding::new(
                "again",
                Outcome::Unknown,
                "Whether running the scripts again would change rows is not known.",
            )
            .detail(
                "A second pass in one transaction proves nothing for times, random values and sequences.",
            ),
            RowWork::Undo(_) => Finding::new("again", Outcome::Pass, "Undoing it again would change 0 rows.")
                .detail("A row is only touched while it is as the run left it."),
        })
    }
}

struct Parts<'a> {
    transaction: &'a str,
    snapshot: &'a str,
    files: &'a HashMap<u32, Option<u32>>,
    names: &'a [trial::TableFile],
    counts: bool,
}

/// Writes the rows.
pub(in crate::runner) async fn write(
    rows: &RowWork,
    work: &mut Session,
    guard: &mut Guard<'_>,
    progress: &Progress<'_>,
) -> Result<(), Stop> {
    match rows {
        RowWork::Profile(profile) => profile.write(&mut work.connection, guard, progress).await,
        RowWork::Undo(rows) => undo::write(rows, &mut work.connection, guard).await,
        RowWork::Scripts(scripts) => {
            for (file, script) in scripts {
                let text = sql::unwrapped(&file.text, script).unwrap_or_else(|| file.text.clone());
                if let Err(error) = guard.over(send(&mut work.connection, text)).await {
                    if super::profile::is_passing(&error) {
                        return Err(error.into());
                    }
                    return Err(script_refused(file, script, error).into());
                }
            }
            Ok(())
        }
    }
}

fn script_refused(
    file: &crate::domain::profile::ScriptFile,
    script: &crate::domain::statement::Script,
    error: sqlx::Error,
) -> Failure {
    let position = script::position(&error);
    let error = script::ScriptError { position, statement: None, error };
    let at = position.map(|position| {
        let (statement, line, _) = sql::locate(&file.text, script, position);
        format!(", line {line} (statement {statement})")
    });
    let code = error.code().map(|code| format!(" (SQLSTATE {code})")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(" {detail}")).unwrap_or_default();
    Failure::new(FailureCode::RowRefused, format!("{}{} is refused.", file.file, at.unwrap_or_default()))
        .why(format!("The server says: {}{code}.{detail}", error.message()))
        .unchanged(refused::UNCHANGED)
        .next("Correct the script, then plan again.")
}

/// A check that waits for the end of the transaction.
pub(in crate::runner) fn waiting_check(error: sqlx::Error, dry_run: bool) -> Stop {
    if super::profile::is_passing(&error) {
        return error.into();
    }
    let why = refused::plain(error).why.unwrap_or_default();
    Failure::new(FailureCode::RowRefused, "A check that waits for the end of the transaction fails.")
        .why(why)
        .unchanged(if dry_run {
            "All of it was taken back; nothing has changed."
        } else {
            refused::UNCHANGED
        })
        .next("Correct the rows that break it, then plan again.")
        .into()
}

/// Somebody else's statement ended the transaction.
pub(in crate::runner) fn ended_itself() -> Failure {
    Failure::new(FailureCode::RowRefused, "A script ended the transaction that it ran in.")
        .unchanged("Nothing of it was committed: the transaction could not be.")
        .next("Take COMMIT and ROLLBACK out of the script.")
}

pub(in crate::runner) fn no_temporary() -> Failure {
    Failure::new(
        FailureCode::Privilege,
        "The user that is logged in may not make temporary tables in this database.",
    )
    .why("Rows are staged in temporary tables before they are compared and written.")
    .unchanged("Nothing was written.")
    .next("Have it granted: GRANT TEMPORARY ON DATABASE ... TO ...")
}

/// The transaction could not begin.
pub(in crate::runner) fn could_not_start(error: &sqlx::Error) -> Failure {
    match script::code(error).as_deref() {
        Some("55P03") => Failure::new(
            FailureCode::LockTimeout,
            "A table of the profile could not be locked in time.",
        )
        .why("No unique index covers the profile's key there, so other writers have to wait while rows are compared.")
        .unchanged("Nothing was written.")
        .next("Try again when it is quiet, or add a unique index on the key."),
        _ => failure(error),
    }
}

/// Sequences that moved.
pub(in crate::runner) fn moved(
    before: &[capture::SequenceState],
    after: &[capture::SequenceState],
) -> Vec<SequenceMove> {
    after
        .iter()
        .filter_map(|now| {
            let to = now.last.clone()?;
            let from =
                before.iter().find(|known| known.name == now.name).and_then(|known| known.last.clone());
            (from.as_ref() != Some(&to)).then(|| SequenceMove { sequence: now.name.clone(), from, to })
        })
        .collect()
}

fn locks_taken(locks: &[trial::HeldLock], tables: &[trial::TableFile], title: &str) -> Vec<LockTaken> {
    let mut taken: Vec<LockTaken> = Vec::new();
    for lock in locks {
        let Some(table) = tables.iter().find(|table| table.oid == lock.relation) else { continue };
        let name = format!("{}.{}", table.schema, table.name);
        match taken.iter_mut().find(|known| known.table == name) {
            Some(known) if strength(&known.mode) < strength(&lock.mode) => {
                known.mode = lock.mode.clone();
                known.waits = waits(&lock.mode);
            }
            Some(_) => {}
            None => taken.push(LockTaken {
                table: name,
                mode: lock.mode.clone(),
                waits: waits(&lock.mode),
                migration: title.to_owned(),
                from_seconds: 0.0,
                held_seconds: 0.0,
                dry_run_seconds: 0.0,
            }),
        }
    }
    taken.retain(|lock| lock.waits != Waits::Nobody);
    taken
}
