//! The dry run on the target: executed in a transaction that cannot commit, looked at, taken back.
//! What cannot be tried together in one transaction is left to the rehearsal, by name.

use super::events::Stream;
use super::session::{Connector, Session, cancel_session};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::{self, ScriptError, send};
use crate::adapters::postgres::{catalogue, trial};
use crate::domain::change_set::{LockTaken, ObjectChange, TableRows, Trial, Tried};
use crate::domain::environment::Tier;
use crate::domain::plan::Plan;
use crate::domain::run::RunEventKind;
use crate::domain::statement::{Script, Waits};
use crate::domain::{Failure, FailureCode};
use crate::planner::objects;
use crate::planner::sql;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;

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
    /// Why the pieces after the tried ones have to be rehearsed.
    pub left_because: Option<String>,
    /// What could not be known.
    pub unknowns: Vec<String>,
}

/// Larger tables are not scanned for the proof of row counts: the scan would hold the locks longer.
const LARGEST_SCAN_BYTES: f64 = 256.0 * 1024.0 * 1024.0;
/// What a busy server is taken to rewrite or index in a second, for the estimate before a dry run.
const ESTIMATED_BYTES_A_SECOND: f64 = 200.0 * 1024.0 * 1024.0;

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
    let mut watcher = Session::open(connector, format!("drydock watch {short}")).await?;
    let mut result = TargetTrial::default();
    let outcome = inside(&mut work, &mut watcher, plan, pieces, events, cancel, &mut result).await;
    // Whatever happened, the transaction ends here; if the line is gone the server ends it.
    let _ = send(&mut work.connection, "ROLLBACK".to_owned()).await;
    work.close().await;
    watcher.close().await;
    outcome?;
    Ok(result)
}

struct Before {
    catalogue: crate::domain::catalogue::Catalogue,
    files: HashMap<u32, trial::TableFile>,
    capacity: trial::Capacity,
}

async fn inside(
    work: &mut Session,
    watcher: &mut Session,
    plan: &Plan,
    pieces: &[Piece],
    events: &Stream,
    cancel: &watch::Receiver<bool>,
    result: &mut TargetTrial,
) -> Result<(), Failure> {
    let schemas = [plan.schema.clone()];
    let connection = &mut work.connection;
    let capacity = trial::capacity(connection).await.map_err(|error| failure(&error))?;
    let togetherness = together(plan, pieces, &capacity);
    if togetherness.count == 0 {
        result.left_because = togetherness.reason;
        return Ok(());
    }
    let witness =
        trial::begin(connection, plan.rules.lock_timeout_ms).await.map_err(|error| failure(&error))?;
    let before = Before {
        catalogue: catalogue::read(connection, &schemas).await.map_err(|error| failure(&error))?,
        files: trial::table_files(connection, &schemas)
            .await
            .map_err(|error| failure(&error))?
            .into_iter()
            .map(|file| (file.oid, file))
            .collect(),
        capacity,
    };
    let mut reason = togetherness.reason;
    let mut watching = Watch::new(plan, &before);
    let start = Instant::now();
    let mut failed = false;
    for piece in &pieces[..togetherness.count] {
        if let Some(why) = too_much(plan, piece, &before) {
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
        let sent = watching.send(work, watcher, text, cancel).await;
        let seconds = start.elapsed().as_secs_f64() - from;
        let ran = sent.is_ok();
        let state = match sent {
            Ok(()) => trial::after(&mut work.connection, &plan.schema, plan.rules.lock_timeout_ms).await,
            Err(error) => Err(error),
        };
        let ended = match &state {
            Ok(state) => state.witness.as_deref() != Some(witness.as_str()),
            // Outside of a transaction there is nothing to settle.
            Err(error) => ran && code_of(error).as_deref() == Some("25P01"),
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
                if let Some(why) = watching.stopped.take() {
                    reason = Some(why);
                    failed = true;
                    break;
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
        look(work, &before, &schemas, result).await;
    }
    result.longest_block_seconds = watching.longest();
    let end = start.elapsed().as_secs_f64();
    for lock in &mut result.locks {
        lock.dry_run_seconds = end - lock.from_seconds;
    }
    result.seconds = end;
    if result.trials.len() < pieces.len() && !result.trials.iter().any(|trial| trial.worked == Some(false)) {
        result.left_because = reason;
    }
    Ok(())
}

/// How many pieces can be tried together, and why not the next one.
struct Together {
    count: usize,
    reason: Option<String>,
}

fn together(plan: &Plan, pieces: &[Piece], capacity: &trial::Capacity) -> Together {
    if !capacity.temporary {
        let reason = "This user may not create temporary tables, so a dry run could not be kept from committing; rehearsed instead.";
        return Together { count: 0, reason: Some(reason.to_owned()) };
    }
    let mut added: std::collections::HashSet<String> = std::collections::HashSet::new();
    for (count, piece) in pieces.iter().enumerate() {
        if let Err(reason) = sql::dry_runnable(&piece.script)
            && sql::unwrapped(&piece.sql, &piece.script).is_none()
        {
            return Together { count, reason: Some(format!("{}: {reason}", piece.name)) };
        }
        // A value added to an enum can be used only after its own transaction ended.
        for statement in &piece.script.statements {
            for effect in &statement.effects {
                if effect.kind == crate::domain::statement::ObjectKind::EnumValue {
                    added.insert(effect.name.clone());
                }
            }
        }
    }
    let _ = plan;
    Together { count: pieces.len(), reason: None }
}

/// On production: an estimate above the caps means a rehearsal instead.
fn too_much(plan: &Plan, piece: &Piece, before: &Before) -> Option<String> {
    if plan.tier != Tier::Production {
        return None;
    }
    let cap = f64::from(plan.rules.dry_run_lock_ms) / 1000.0;
    for lock in piece.script.statements.iter().flat_map(|statement| &statement.locks) {
        if lock.waits == Waits::Nobody {
            continue;
        }
        let name = lock.table.rsplit('.').next().unwrap_or(&lock.table);
        let Some(table) = before.files.values().find(|file| file.name == name) else { continue };
        let seconds = table.bytes / ESTIMATED_BYTES_A_SECOND;
        if seconds > cap {
            return Some(format!(
                "{} works on `{}` ({:.1} GB), which could hold its lock for about {seconds:.0} s; at most {cap:.0} s are allowed here, so it is rehearsed.",
                piece.name,
                table.name,
                table.bytes / 1e9
            ));
        }
    }
    None
}

fn code_of(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Errors that mean "not together", and not "will fail".
fn not_together(error: &sqlx::Error, piece: &Piece) -> Option<String> {
    let code = code_of(error)?;
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

fn waits(mode: &str) -> Waits {
    match mode {
        "AccessExclusiveLock" => Waits::ReadersAndWriters,
        "ExclusiveLock" | "ShareRowExclusiveLock" | "ShareLock" => Waits::Writers,
        _ => Waits::Nobody,
    }
}

fn strength(mode: &str) -> u8 {
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

/// Objects, rows and deferred constraints, at the end and still inside.
async fn look(work: &mut Session, before: &Before, schemas: &[String], result: &mut TargetTrial) {
    let connection = &mut work.connection;
    if let Err(error) = trial::check_deferred(connection).await {
        let error = ScriptError { position: None, statement: None, error };
        if let Some(last) = result.trials.last_mut() {
            last.worked = Some(false);
            last.note =
                Some(format!("A check that waits for the end of the transaction fails: {}", words(&error)));
        }
        return;
    }
    match catalogue::read(connection, schemas).await {
        Ok(after) => result.objects = objects::changes(&before.catalogue, &after),
        Err(error) => {
            result.unknowns.push(format!("The objects could not be compared: {}", failure(&error).what));
            return;
        }
    }
    if let Err(error) = rows(connection, before, schemas, result).await {
        result.unknowns.push(format!("The rows could not be counted: {}", failure(&error).what));
    }
}

async fn rows(
    connection: &mut sqlx::postgres::PgConnection,
    before: &Before,
    schemas: &[String],
    result: &mut TargetTrial,
) -> Result<(), sqlx::Error> {
    if !before.capacity.counts {
        result.unknowns.push(
            "The server does not count rows (track_counts is off), so changed rows are not known.".to_owned(),
        );
        return Ok(());
    }
    let counters = trial::counters(connection).await?;
    let files = trial::table_files(connection, schemas).await?;
    for file in &files {
        let counted = counters.get(&file.oid).copied().unwrap_or_default();
        let rewritten = before.files.get(&file.oid).is_some_and(|old| old.file != file.file);
        let written = counted.inserted + counted.updated;
        if written + counted.deleted == 0.0 && !rewritten {
            continue;
        }
        let mut entry = TableRows {
            table: format!("{}.{}", file.schema, file.name),
            inserted: whole(counted.inserted),
            updated: whole(counted.updated),
            deleted: whole(counted.deleted),
            rewritten,
            known: true,
            note: None,
        };
        if rewritten {
            entry.note = Some(match before.files.get(&file.oid) {
                Some(old) if old.rows >= 0.0 => {
                    format!("The whole table is written anew or emptied (about {:.0} rows).", old.rows)
                }
                _ => "The whole table is written anew or emptied.".to_owned(),
            });
        } else if file.bytes > LARGEST_SCAN_BYTES {
            entry.known = false;
            entry.note =
                Some("The server's counters; the table is too large to prove them by a scan.".to_owned());
        } else if written > 0.0 {
            match trial::own_rows(connection, &file.schema, &file.name).await {
                Ok(own) if own == written => {}
                Ok(own) if own < written => {
                    entry.note = Some(format!(
                        "{written:.0} writes leave {own:.0} changed rows: some were written more than once."
                    ));
                }
                Ok(own) => {
                    entry.known = false;
                    entry.note =
                        Some(format!("The server counted {written:.0} writes, but {own:.0} rows are new."));
                }
                Err(error) => {
                    entry.known = false;
                    entry.note = Some(format!("The rows could not be read: {}", failure(&error).what));
                }
            }
        }
        result.rows.push(entry);
    }
    Ok(())
}

fn whole(count: f64) -> u32 {
    if count >= f64::from(u32::MAX) { u32::MAX } else { count as u32 }
}

/// Watches the dry run from a second session: the cap on blocking locks, waiters, cancel.
struct Watch {
    cap: Duration,
    existing: std::collections::HashSet<u32>,
    blocking_since: Option<Instant>,
    stopped: Option<String>,
}

impl Watch {
    fn new(plan: &Plan, before: &Before) -> Self {
        Self {
            cap: Duration::from_millis(u64::from(plan.rules.dry_run_lock_ms)),
            existing: before.files.keys().copied().collect(),
            blocking_since: None,
            stopped: None,
        }
    }

    fn longest(&self) -> f64 {
        self.blocking_since.map_or(0.0, |since| since.elapsed().as_secs_f64())
    }

    async fn send(
        &mut self,
        work: &mut Session,
        watcher: &mut Session,
        text: String,
        cancel: &watch::Receiver<bool>,
    ) -> Result<(), sqlx::Error> {
        let pid = work.pid;
        let message = send(&mut work.connection, text);
        tokio::pin!(message);
        loop {
            tokio::select! {
                biased;
                result = &mut message => {
                    self.look(watcher, pid).await;
                    return match (&result, &self.stopped) {
                        // Too long in spite of having worked: the next piece must not start.
                        (Ok(()), Some(why)) => Err(sqlx::Error::Protocol(why.clone())),
                        _ => result,
                    };
                }
                () = tokio::time::sleep(Duration::from_millis(150)) => {
                    self.look(watcher, pid).await;
                    if self.stopped.is_some() || *cancel.borrow() {
                        let _ = cancel_session(&mut watcher.connection, pid).await;
                    }
                }
            }
        }
    }

    async fn look(&mut self, watcher: &mut Session, pid: i32) {
        let Ok(seen) = trial::watch(&mut watcher.connection, pid).await else { return };
        let blocks = seen.blocking.iter().any(|relation| self.existing.contains(relation));
        if blocks && self.blocking_since.is_none() {
            self.blocking_since = Some(Instant::now());
        }
        if self.stopped.is_some() || !blocks {
            return;
        }
        if seen.waiters > 0 {
            self.stopped = Some(
                "Somebody waited for a lock of the dry run, so it ended at once; the rest is rehearsed."
                    .to_owned(),
            );
        } else if self.blocking_since.is_some_and(|since| since.elapsed() > self.cap) {
            self.stopped = Some(format!(
                "The dry run held a lock that others may wait for longer than {:.1} s, so it ended; the rest is rehearsed.",
                self.cap.as_secs_f64()
            ));
        }
    }
}
