//! The dry run on the target: executed in a transaction that cannot commit, looked at, taken back.
//! What cannot be tried together in one transaction is left to the rehearsal, by name.

pub(super) mod estimate;
mod look;
pub(super) mod watching;

use super::events::Stream;
use super::rollback::RollBack;
use super::session::{Connector, Session, cancel_session};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::{self, ScriptError, send};
use crate::adapters::postgres::{catalogue, observe, trial};
use crate::domain::catalogue::Catalogue;
use crate::domain::change_set::{LockTaken, ObjectChange, TableRows, Trial, Tried};
use crate::domain::plan::Plan;
use crate::domain::run::RunEventKind;
use crate::domain::statement::{Script, Waits};
use crate::domain::{Failure, FailureCode};
use crate::planner::sql;
use estimate::SpaceCap;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use watching::Watch;

/// One thing to try: a migration's script, or the statements of a repair.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Index of its step in the plan.
    pub step: usize,
    /// Migration's name.
    pub name: String,
    /// Its text.
    pub sql: String,
    /// The text taken apart.
    pub script: Script,
    /// Rows that are put back after the text ran.
    pub rows: Option<Arc<RollBack>>,
}

/// What the dry run on the target found.
#[derive(Debug, Default)]
pub struct TargetTrial {
    /// Trials of the pieces that were tried here, in order.
    pub trials: Vec<Trial>,
    /// Objects.
    pub objects: Vec<ObjectChange>,
    /// Rows.
    pub rows: Vec<TableRows>,
    /// Locks on tables that existed before.
    pub locks: Vec<LockTaken>,
    /// Longest time a blocking lock was held, seconds.
    pub longest_block_seconds: f64,
    /// Seconds on the target.
    pub seconds: f64,
    /// What it wrote on the server's disk, beside what it may write.
    pub space: Option<String>,
    /// Why the pieces after the tried ones have to be rehearsed.
    pub left_because: Option<String>,
    /// What could not be known.
    pub unknowns: Vec<String>,
}

/// Tries as many pieces as can be tried together.
///
/// # Errors
/// When the target cannot be reached or read; a statement that fails is a result, not an error.
pub async fn on_target(
    connector: &Connector,
    plan: &Plan,
    pieces: &[Piece],
    events: &Stream,
    cancel: &watch::Receiver<bool>,
    run_id: &str,
) -> Result<TargetTrial, Failure> {
    let short = run_id.get(..8).unwrap_or(run_id);
    let mut work = Session::open(connector, format!("drydock dry run {short}")).await?;
    let mut watcher = Session::open_watching(connector, format!("drydock watch {short}")).await?;
    let mut result = TargetTrial::default();
    let course = Course { connector, plan, pieces, events };
    let outcome = course.inside(&mut work, &mut watcher, cancel, &mut result).await;
    // Whatever happened, the transaction ends here; if the line is gone the server ends it.
    let ended = script::in_time(GOODBYE, send(&mut work.connection, "ROLLBACK".to_owned())).await;
    let (pid, name) = (work.pid, work.application.clone());
    work.close().await;
    watcher.close().await;
    if ended.is_err() {
        stop_from_elsewhere(connector, pid, &name).await;
    }
    outcome?;
    Ok(result)
}

/// How long the server may take to say that it took the dry run back.
pub(super) const GOODBYE: Duration = Duration::from_secs(5);

/// A statement at work on a line that is gone would hold its locks until its end: one try on a new line.
pub(super) async fn stop_from_elsewhere(connector: &Connector, pid: i32, application: &str) {
    let stop = async {
        let mut connection = connector.open_reading("drydock stop").await?;
        let stop = async {
            if observe::session(&mut connection, pid, application).await?.is_some() {
                cancel_session(&mut connection, pid).await?;
            }
            Ok(())
        };
        stop.await.map_err(|error| failure(&error))
    };
    match tokio::time::timeout(GOODBYE, stop).await {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => {
            tracing::warn!(code = %reason.code, "the dry run's session could not be ended; it cannot commit");
        }
        Err(_) => tracing::warn!("the dry run's session could not be reached; it cannot commit"),
    }
}

/// The target as it was before.
struct Before {
    catalogue: Catalogue,
    files: HashMap<u32, trial::TableFile>,
    capacity: trial::Capacity,
}

struct Course<'a> {
    connector: &'a Connector,
    plan: &'a Plan,
    pieces: &'a [Piece],
    events: &'a Stream,
}

impl Course<'_> {
    async fn inside(
        &self,
        work: &mut Session,
        watcher: &mut Session,
        cancel: &watch::Receiver<bool>,
        result: &mut TargetTrial,
    ) -> Result<(), Failure> {
        let Self { connector, plan, pieces, events } = *self;
        let schemas = [plan.schema.clone()];
        let connection = &mut work.connection;
        let capacity = connector.read(trial::capacity(connection)).await.map_err(|error| failure(&error))?;
        let together = estimate::together(pieces, &capacity);
        if together.count == 0 {
            result.left_because = together.reason;
            return Ok(());
        }
        let space = connector.read(trial::space(connection)).await.map_err(|error| failure(&error))?;
        let cap = SpaceCap::new(plan, &space, free_here(connector, &space));
        let witness = connector
            .read(trial::begin(connection, plan.rules.lock_timeout_ms))
            .await
            .map_err(|error| failure(&error))?;
        let catalogue =
            connector.read(catalogue::read(connection, &schemas)).await.map_err(|error| failure(&error))?;
        let tables = connector
            .read(trial::table_files(connection, &schemas))
            .await
            .map_err(|error| failure(&error))?;
        let mut reason = together.reason;
        let existing = tables.iter().map(|file| file.oid).collect();
        let before = Before {
            catalogue,
            files: tables.iter().map(|file| (file.oid, file.clone())).collect(),
            capacity,
        };
        let mut watching = Watch::new(watcher, cancel, work.pid, plan, cap.clone(), existing);
        let start = Instant::now();
        let mut failed = false;
        for piece in &pieces[..together.count] {
            if let Some(why) = estimate::too_much(plan, piece, &tables, &cap) {
                reason = Some(why);
                break;
            }
            events.emit(RunEventKind::Progress {
                index: u32::try_from(piece.step).unwrap_or(u32::MAX),
                migrations_done: u32::try_from(result.trials.len()).unwrap_or(u32::MAX),
                migrations_total: u32::try_from(pieces.len()).unwrap_or(u32::MAX),
                statement: None,
                statements_total: u32::try_from(piece.script.statements.len()).unwrap_or(u32::MAX),
                seconds: start.elapsed().as_secs_f64(),
            });
            let text = sql::unwrapped(&piece.sql, &piece.script).unwrap_or_else(|| piece.sql.clone());
            let from = start.elapsed().as_secs_f64();
            let mut sent = watching.over(send(&mut work.connection, text)).await;
            if let (Ok(()), Some(job)) = (&sent, &piece.rows) {
                let index = u32::try_from(piece.step).unwrap_or(u32::MAX);
                let connection = &mut work.connection;
                let put = async {
                    // A refusal by the server aborts the transaction, which the next look at it tells.
                    match job.rows_back(connection, events, index).await {
                        Ok(Some(aside)) => aside.put_back(connection).await.map(|()| None),
                        Ok(None) => Ok(None),
                        Err(failure) => Ok(Some(failure)),
                    }
                };
                match watching.over(put).await {
                    Ok(None) => {}
                    Ok(Some(failure)) => {
                        let why = failure.why.map_or(String::new(), |why| format!(" {why}"));
                        let note = Some(format!("{}{why}", failure.what));
                        result.trials.push(tried(
                            piece,
                            false,
                            start.elapsed().as_secs_f64() - from,
                            note,
                            None,
                        ));
                        failed = true;
                        break;
                    }
                    Err(error) => sent = Err(error),
                }
            }
            let seconds = start.elapsed().as_secs_f64() - from;
            let ran = sent.is_ok();
            let state = match sent {
                Ok(()) => {
                    let after = trial::after(&mut work.connection, &plan.schema, plan.rules.lock_timeout_ms);
                    watching.over(after).await
                }
                Err(error) => Err(error),
            };
            let ended = match &state {
                Ok(state) => state.witness.as_deref() != Some(witness.as_str()),
                // Outside of a transaction there is nothing to settle.
                Err(error) => ran && script::code(error).as_deref() == Some("25P01"),
            };
            match state {
                Ok(state) if !ended => {
                    note_locks(result, &before, &state.locks, piece, from, seconds);
                    result.trials.push(tried(piece, true, seconds, None, None));
                    if state.count > before.capacity.locks * 0.5 {
                        reason = Some(format!(
                            "{} locks were held after {}; more would crowd out the application, so the rest is rehearsed.",
                            state.count, piece.name
                        ));
                        break;
                    }
                }
                Err(error) if !ended => {
                    if *cancel.borrow() {
                        return Err(Failure::new(FailureCode::Cancelled, "The dry run was cancelled.")
                            .unchanged("All of it was taken back."));
                    }
                    if let Some(why) = watching.take_stopped() {
                        reason = Some(format!("{why} The rest is rehearsed."));
                        failed = true;
                        break;
                    }
                    if script::is_lost(&error) {
                        // Says nothing about the migration; what was sent cannot commit.
                        return Err(
                            failure(&error).unchanged("A dry run cannot commit: nothing of it stays.")
                        );
                    }
                    match not_together(&error, piece) {
                        Some(why) => reason = Some(why),
                        None => {
                            let error =
                                ScriptError { position: script::position(&error), statement: None, error };
                            let (note, statement) = if ran {
                                (
                                    format!(
                                        "A check that waits for the end of the transaction fails: {}",
                                        words(&error)
                                    ),
                                    None,
                                )
                            } else {
                                let at = error
                                    .position
                                    .map(|position| sql::locate(&piece.sql, &piece.script, position).0);
                                (words(&error), at)
                            };
                            result.trials.push(tried(piece, false, seconds, Some(note), statement));
                        }
                    }
                    failed = true;
                    break;
                }
                _ => {
                    // The transaction we opened is gone although nothing failed: stop before anything else is sent.
                    failed = true;
                    result.trials.push(tried(
                        piece,
                        false,
                        seconds,
                        Some("It ended the dry run's transaction. Nothing more was sent.".to_owned()),
                        None,
                    ));
                    result.unknowns.push(format!("{} ended the transaction it was tried in.", piece.name));
                    break;
                }
            }
        }
        result.seconds = start.elapsed().as_secs_f64();
        if !failed && !result.trials.is_empty() {
            look::look(&mut work.connection, &before, &schemas, &mut watching, result).await;
        }
        result.space = Some(watching.space().await);
        result.longest_block_seconds = watching.longest_block_seconds();
        let end = start.elapsed().as_secs_f64();
        for lock in &mut result.locks {
            lock.dry_run_seconds = end - lock.from_seconds;
        }
        result.seconds = end;
        if result.trials.len() < pieces.len()
            && !result.trials.iter().any(|trial| trial.worked == Some(false))
        {
            result.left_because = reason;
        }
        Ok(())
    }
}

/// Free bytes where the server's files are, if they are on this machine.
pub(super) fn free_here(connector: &Connector, space: &trial::Space) -> Option<f64> {
    let address = &connector.address;
    // Behind a tunnel, localhost is another computer.
    let here = connector.route.is_none()
        && (address.is_socket() || matches!(address.host.as_str(), "localhost" | "127.0.0.1" | "::1"));
    crate::adapters::files::free_bytes(Path::new(space.data_directory.as_ref().filter(|_| here)?))
}

/// Errors that mean "not together", and not "will fail".
fn not_together(error: &sqlx::Error, piece: &Piece) -> Option<String> {
    let code = script::code(error)?;
    let why = match code.as_str() {
        "25001" => "a statement that cannot run in a transaction",
        "55P04" => "it uses an enum value that an earlier migration adds",
        "55006" => "rows written by an earlier migration still wait for their checks",
        "55P03" => "a table's lock was not free; nobody was kept waiting",
        "53200" => "the server's table of locks is full",
        "23505" if error.to_string().contains("drydock_tripwire") => {
            "it commits, or has every waiting check made at once, which a dry run does not allow"
        }
        "2D000" => "it commits or rolls back inside a procedure",
        "40001" | "40P01" => "another session changed the same rows at this moment",
        _ => return None,
    };
    Some(format!("{}: {why} (SQLSTATE {code}). From here on it is rehearsed.", piece.name))
}

fn words(error: &ScriptError) -> String {
    let mut text = error.message();
    if let Some(code) = error.code() {
        text.push_str(&format!(" (SQLSTATE {code})"));
    }
    if let Some(detail) = error.detail() {
        text.push_str(&format!(". {detail}"));
    }
    text
}

fn tried(
    piece: &Piece,
    worked: bool,
    seconds: f64,
    note: Option<String>,
    failed_statement: Option<u32>,
) -> Trial {
    Trial {
        migration: piece.name.clone(),
        tried: Tried::DryRun,
        worked: Some(worked),
        seconds: Some(seconds),
        note,
        failed_statement,
    }
}

pub(super) fn waits(mode: &str) -> Waits {
    match mode {
        "AccessExclusiveLock" => Waits::ReadersAndWriters,
        "ExclusiveLock" | "ShareRowExclusiveLock" | "ShareLock" => Waits::Writers,
        _ => Waits::Nobody,
    }
}

pub(super) fn strength(mode: &str) -> u8 {
    match mode {
        "AccessExclusiveLock" => 8,
        "ExclusiveLock" => 7,
        "ShareRowExclusiveLock" => 6,
        "ShareLock" => 5,
        "ShareUpdateExclusiveLock" => 4,
        "RowExclusiveLock" => 3,
        "RowShareLock" => 2,
        _ => 1,
    }
}

fn note_locks(
    result: &mut TargetTrial,
    before: &Before,
    locks: &[trial::HeldLock],
    piece: &Piece,
    from: f64,
    seconds: f64,
) {
    for lock in locks {
        let Some(table) = before.files.get(&lock.relation) else { continue };
        let name = format!("{}.{}", table.schema, table.name);
        let known = result.locks.iter_mut().find(|taken| taken.table == name);
        match known {
            Some(taken) if strength(&taken.mode) >= strength(&lock.mode) => {}
            Some(taken) => {
                taken.mode.clone_from(&lock.mode);
                taken.waits = waits(&lock.mode);
                taken.migration.clone_from(&piece.name);
                taken.from_seconds = from;
                taken.held_seconds = seconds;
            }
            None => result.locks.push(LockTaken {
                table: name,
                mode: lock.mode.clone(),
                waits: waits(&lock.mode),
                migration: piece.name.clone(),
                from_seconds: from,
                held_seconds: seconds,
                dry_run_seconds: 0.0,
            }),
        }
    }
}
