//! Applying a plan. Intent is journalled and synced before each act, the outcome after it; the server's
//! ledger carries the ids that the plan drew, so that after any cut the truth can be read back.

use super::events::Stream;
use super::session::{Connector, LINE_PATIENCE, Session, cancel_session, wait_gone};
use super::words::{aftermath, lock_failure, log_text, migration_failure};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::{self, Leftover, ScriptError};
use crate::adapters::postgres::{ledger, observe};
use crate::adapters::store::Store;
use crate::domain::plan::{Fingerprint, MigrateStep, Plan, RepairStatement, Step};
use crate::domain::run::{Run, RunEventKind, RunStatus, StepStatus};
use crate::domain::statement::{ScriptMode, StatementKind};
use crate::domain::{Failure, FailureCode};
use crate::planner::plan::moved;
use chrono::Utc;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long Prisma and we wait for each other's lock.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// How long we look for the outcome of a statement after the line was lost.
const SETTLE_PATIENCE: Duration = Duration::from_secs(10);
/// A concurrent index build waits for old transactions without making anybody wait behind it; when it is
/// interrupted it leaves an INVALID index. It gets its own, longer limit.
const CONCURRENT_LOCK_TIMEOUT_MS: u32 = 600_000;

/// Everything an apply works with.
pub struct Apply {
    /// Journal.
    pub store: Arc<Store>,
    /// Way to the target.
    pub connector: Connector,
    /// What to do.
    pub plan: Plan,
    /// Script of each migration; its checksum was compared with the plan's.
    pub scripts: HashMap<String, String>,
    /// Fingerprint of the files as they are now.
    pub files_fingerprint: String,
    /// Live stream.
    pub events: Stream,
    /// Set to true by the operator.
    pub cancel: watch::Receiver<bool>,
    /// The run as accepted.
    pub run: Run,
}

/// Why a run stopped before its end.
struct Stop {
    status: RunStatus,
    failure: Failure,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        let status =
            if failure.code == FailureCode::Cancelled { RunStatus::Cancelled } else { RunStatus::Failed };
        Self { status, failure }
    }
}

/// A refusal ends the run; a lost line leaves open what became of what was sent.
fn from_server(error: sqlx::Error) -> Stop {
    let mut stop = Stop::from(failure(&error));
    if script::is_lost(&error) {
        stop.status = RunStatus::NeedsAttention;
        stop.failure.next =
            Some("When the server is back, open this run and ask again; nothing is sent twice.".to_owned());
    }
    stop
}

/// The answer, or a lost line where none comes.
async fn in_time<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    script::in_time(LINE_PATIENCE, answer).await
}

/// Sends bookkeeping, which never takes long, and waits for its end.
async fn send(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    in_time(script::send(connection, sql)).await
}

async fn leftover(connection: &mut PgConnection) -> Result<Leftover, sqlx::Error> {
    in_time(script::leftover(connection)).await
}

struct Sessions {
    work: Session,
    watch: Session,
}

impl Apply {
    /// Runs the plan to its end and returns the run as it is recorded.
    ///
    /// # Errors
    /// Only when the journal itself cannot be written; the run then needs attention at the next start.
    pub async fn execute(mut self) -> Result<Run, Failure> {
        self.events.emit(RunEventKind::Status { status: RunStatus::Running });
        let result = self.steps().await;
        let (status, failure) = match result {
            Ok(()) => (RunStatus::Succeeded, None),
            Err(stop) => (stop.status, Some(stop.failure)),
        };
        for step in &mut self.run.steps {
            if matches!(step.status, StepStatus::Queued) {
                step.status = StepStatus::NotRun;
            }
        }
        self.run.status = status;
        self.run.failure = failure;
        self.run.ended_at = Some(Utc::now());
        self.run.aftermath = aftermath(&self.run);
        let run = self.run.clone();
        self.store
            .end_run(
                &run.id,
                status,
                run.failure.as_ref(),
                &run.aftermath,
                &run.steps,
                run.ended_at.unwrap_or_else(Utc::now),
            )
            .await?;
        for step in run.steps.iter().filter(|step| step.status == StepStatus::NotRun) {
            self.events.emit(RunEventKind::Step { step: step.clone() });
        }
        if let Some(failure) = &run.failure {
            self.events.emit(RunEventKind::Failed { failure: failure.clone() });
        }
        self.events.emit(RunEventKind::Status { status });
        self.events.flush().await;
        Ok(run)
    }

    async fn steps(&mut self) -> Result<(), Stop> {
        self.intend(0).await?;
        let short = self.run.id.get(..8).unwrap_or(&self.run.id).to_owned();
        let mut sessions = match self.open(&short).await {
            Ok(sessions) => sessions,
            Err(stop) => {
                self.settle_step(0, StepStatus::Failed, Some(stop.failure.what.clone()), None);
                return Err(stop);
            }
        };
        let result = self.with_sessions(&mut sessions).await;
        sessions.work.close().await;
        sessions.watch.close().await;
        result
    }

    async fn open(&self, short: &str) -> Result<Sessions, Stop> {
        let work = Session::open(&self.connector, format!("drydock run {short}")).await?;
        let watch = Session::open(&self.connector, format!("drydock watch {short}")).await?;
        let journalled: Vec<(i32, String)> =
            [&work, &watch].iter().map(|session| (session.pid, session.application.clone())).collect();
        self.store.journal_sessions(&self.run.id, &journalled).await?;
        Ok(Sessions { work, watch })
    }

    async fn with_sessions(&mut self, sessions: &mut Sessions) -> Result<(), Stop> {
        let started = Instant::now();
        match self.check(sessions).await {
            Ok(()) => {
                let note = "same database, nothing moved since the plan".to_owned();
                self.settle_step(0, StepStatus::Done, Some(note), Some(started.elapsed()));
            }
            Err(mut stop) => {
                // Checking writes nothing, so its outcome is known even without a line.
                if stop.status == RunStatus::NeedsAttention {
                    stop.status = RunStatus::Failed;
                    stop.failure.unchanged = Some("Nothing was written.".to_owned());
                    stop.failure.next = Some("Test the connection, then apply again.".to_owned());
                }
                let status =
                    if stop.status == RunStatus::Cancelled { StepStatus::NotRun } else { StepStatus::Failed };
                self.settle_step(0, status, Some(stop.failure.what.clone()), Some(started.elapsed()));
                return Err(stop);
            }
        }
        let steps = self.plan.steps.clone();
        let total = self.plan.migrations().count();
        let mut done = 0;
        for (index, step) in steps.iter().enumerate().skip(1) {
            if *self.cancel.borrow() {
                return Err(
                    Failure::new(FailureCode::Cancelled, "The run was cancelled by the operator.").into()
                );
            }
            self.intend(index).await?;
            let started = Instant::now();
            let result = match step {
                Step::Check => self.check(sessions).await.map(|()| None),
                Step::CreateLedger { sql } => self.bookkeeping(sessions, sql.clone()).await.map(|()| None),
                Step::Migrate(migrate) => {
                    self.progress(index, done, total, migrate, None, started);
                    self.migrate(sessions, index, done, total, migrate).await
                }
                Step::RunStatements { statements, atomic, .. } => {
                    self.run_statements(sessions, index, statements, *atomic).await.map(|()| None)
                }
                Step::Resolve { migration, roll_back_rows, insert_applied } => {
                    let mut sql = vec!["BEGIN".to_owned()];
                    let at = Utc::now();
                    if !roll_back_rows.is_empty() {
                        sql.push(ledger::roll_back_sql(&self.plan.schema, roll_back_rows, at));
                    }
                    if let Some(row) = insert_applied {
                        sql.push(ledger::insert_applied_sql(
                            &self.plan.schema,
                            &row.id,
                            &row.checksum,
                            migration,
                            at,
                        ));
                    }
                    sql.push("COMMIT".to_owned());
                    self.bookkeeping(sessions, sql.join(";")).await.map(|()| None)
                }
                Step::Verify => self.verify(sessions).await.map(Some),
            };
            match result {
                Ok(note) => {
                    if matches!(step, Step::Migrate(_)) {
                        done += 1;
                    }
                    self.settle_step(index, StepStatus::Done, note, Some(started.elapsed()));
                }
                Err(stop) => {
                    // A step whose outcome is open keeps its intent and no end.
                    if matches!(self.run.steps[index].status, StepStatus::Started | StepStatus::Waiting)
                        && stop.status != RunStatus::NeedsAttention
                    {
                        self.settle_step(
                            index,
                            StepStatus::Failed,
                            Some(stop.failure.what.clone()),
                            Some(started.elapsed()),
                        );
                    }
                    return Err(stop);
                }
            }
        }
        Ok(())
    }

    /// Lock, then identity, ledger, catalogue and files once more: nothing may have moved.
    async fn check(&mut self, sessions: &mut Sessions) -> Result<(), Stop> {
        let cancel = self.cancel.clone();
        let events = self.events.clone();
        sessions
            .work
            .lock(LOCK_PATIENCE, &|| *cancel.borrow(), &mut |blockers| {
                events.emit(RunEventKind::Waiting { index: 0, blockers, attempt: 1, attempts: 1 });
            })
            .await?;
        let connection = &mut sessions.watch.connection;
        let facts = in_time(observe::facts(connection, &self.plan.schema)).await.map_err(from_server)?;
        if facts.read_only || facts.in_recovery {
            return Err(Failure::new(
                FailureCode::ReadOnly,
                "The server only reads; nothing can be applied.",
            )
            .why(if facts.in_recovery {
                "It is a standby."
            } else {
                "Sessions are read-only by default there."
            })
            .unchanged("Nothing was written.")
            .next("Use the primary server's address, or ask who made it read-only.")
            .into());
        }
        let seen = facts.identity(self.connector.place());
        let planned = &self.plan.identity;
        if seen.system_identifier != planned.system_identifier
            || seen.database_oid != planned.database_oid
            || seen.database != planned.database
        {
            return Err(Failure::new(
                FailureCode::IdentityChanged,
                "This is not the database the plan was made for.",
            )
            .why(format!(
                "Planned for id {} ({}), found id {} ({}).",
                planned.short(),
                planned.database,
                seen.short(),
                seen.database
            ))
            .unchanged("Nothing was written.")
            .next("Test the connection and find out what is behind this address now.")
            .into());
        }
        let now = in_time(super::fingerprint(
            connection,
            &self.plan.schema,
            facts.has_ledger(),
            self.files_fingerprint.clone(),
        ))
        .await
        .map_err(from_server)?;
        self.compare(&now)
    }

    fn compare(&self, now: &Fingerprint) -> Result<(), Stop> {
        if *now == self.plan.fingerprint {
            return Ok(());
        }
        Err(Failure::new(
            FailureCode::PlanVoid,
            format!("The plan is void: {} moved since it was made.", moved(&self.plan.fingerprint, now)),
        )
        .unchanged("Nothing was written.")
        .next("Make a new plan; it is shown what is there now.")
        .into())
    }

    /// Ledger statements of our own, on the session that holds the lock.
    async fn bookkeeping(&mut self, sessions: &mut Sessions, sql: String) -> Result<(), Stop> {
        let guarded = format!("SET lock_timeout = {};{sql}", self.plan.rules.lock_timeout_ms);
        match send(&mut sessions.work.connection, guarded).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let _ = send(&mut sessions.work.connection, "ROLLBACK".to_owned()).await;
                Err(from_server(error))
            }
        }
    }

    async fn migrate(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        done: usize,
        total: usize,
        migrate: &MigrateStep,
    ) -> Result<Option<String>, Stop> {
        let Some(sql) = self.scripts.get(&migrate.name).cloned() else {
            return Err(Failure::new(
                FailureCode::ScriptUnreadable,
                format!("The script of {} is not there any more.", migrate.name),
            )
            .unchanged("It did not run.")
            .into());
        };
        match migrate.script.mode {
            ScriptMode::Atomic => self.migrate_atomic(sessions, index, migrate, &sql).await,
            ScriptMode::AsWritten | ScriptMode::Stepwise => {
                self.migrate_apart(sessions, index, done, total, migrate, &sql).await
            }
        }
    }

    /// Script and ledger row in one transaction and one message.
    async fn migrate_atomic(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        migrate: &MigrateStep,
        sql: &str,
    ) -> Result<Option<String>, Stop> {
        // What an earlier script, or a function it called, did to the session ends here.
        let version = sessions.work.connection.server_version_num();
        let fresh = script::fresh_settings_sql(&self.plan.schema, version);
        let mut prefix =
            format!("BEGIN;{fresh};SET LOCAL lock_timeout = {};", self.plan.rules.lock_timeout_ms);
        if let Some(limit) = self.plan.rules.statement_timeout_ms {
            prefix.push_str(&format!("SET LOCAL statement_timeout = {limit};"));
        }
        let attempts = self.plan.rules.lock_retries + 1;
        for attempt in 1..=attempts {
            let started_at = Utc::now();
            let row = ledger::insert_finished_sql(
                &self.plan.schema,
                &migrate.ledger_id,
                &migrate.checksum,
                &migrate.name,
                started_at,
            );
            let message = format!("{prefix}{sql}\n;\n{row};COMMIT");
            let result = self.watched(sessions, index, attempt, attempts, message).await;
            let Err(error) = result else { return Ok(None) };
            if script::is_lost(&error) {
                return self.settle_lost(sessions, index, migrate, &error).await;
            }
            let _ = send(&mut sessions.work.connection, "ROLLBACK".to_owned()).await;
            let code = error
                .as_database_error()
                .and_then(|error| error.code())
                .map(|code| code.into_owned())
                .unwrap_or_default();
            if is_retryable(&code) && attempt < attempts {
                self.wait_to_retry(sessions, index, attempt, attempts, &migrate.name).await?;
                continue;
            }
            let skipped = prefix.chars().count();
            let position = script::position(&error)
                .and_then(|position| position.checked_sub(skipped))
                .filter(|position| *position >= 1 && *position <= sql.chars().count());
            let error = ScriptError { position, statement: None, error };
            if code == "57014" && *self.cancel.borrow() {
                self.settle_step(
                    index,
                    StepStatus::TakenBack,
                    Some("cancelled, taken back as a whole".to_owned()),
                    None,
                );
                return Err(
                    Failure::new(FailureCode::Cancelled, "The run was cancelled by the operator.").into()
                );
            }
            if is_retryable(&code) {
                self.settle_step(
                    index,
                    StepStatus::TakenBack,
                    Some("no lock in time; taken back as a whole".to_owned()),
                    None,
                );
                return Err(lock_failure(&migrate.name, attempts, &error).into());
            }
            let failed = ledger::insert_started_sql(
                &self.plan.schema,
                &migrate.ledger_id,
                &migrate.checksum,
                &migrate.name,
                started_at,
            );
            let logs = log_text(&migrate.name, sql, &error);
            let record = format!(
                "BEGIN;{failed};{};COMMIT",
                ledger::fail_sql(&self.plan.schema, &migrate.ledger_id, &logs)
            );
            self.record_failure(sessions, record).await;
            return Err(migration_failure(
                migrate,
                sql,
                &error,
                "The whole migration was taken back by the server; its row says failed.",
            )
            .into());
        }
        Err(Failure::new(FailureCode::LockTimeout, format!("{} got no lock.", migrate.name)).into())
    }

    /// Script on the working session, ledger row from the other one: for scripts with their own
    /// transactions, session settings, or statements that cannot run in a transaction.
    async fn migrate_apart(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        done: usize,
        total: usize,
        migrate: &MigrateStep,
        sql: &str,
    ) -> Result<Option<String>, Stop> {
        let schema = self.plan.schema.clone();
        let started = ledger::insert_started_sql(
            &schema,
            &migrate.ledger_id,
            &migrate.checksum,
            &migrate.name,
            Utc::now(),
        );
        let pieces: Vec<(Option<u32>, usize, String, bool)> = if migrate.script.mode == ScriptMode::Stepwise {
            migrate
                .script
                .statements
                .iter()
                .map(|statement| {
                    let (start, end) = (statement.start as usize, statement.end as usize);
                    let before = sql.get(..start).unwrap_or_default().chars().count();
                    let alone = statement.kind == StatementKind::OutsideTransaction;
                    (
                        Some(statement.number),
                        before,
                        sql.get(start..end).unwrap_or_default().to_owned(),
                        alone,
                    )
                })
                .collect()
        } else {
            let alone = migrate
                .script
                .statements
                .iter()
                .any(|statement| statement.kind == StatementKind::OutsideTransaction);
            vec![(None, 0, sql.to_owned(), alone)]
        };
        let (lock_timeout, statement_timeout) =
            (self.plan.rules.lock_timeout_ms, self.plan.rules.statement_timeout_ms);
        let limits = |alone: bool| {
            let timeout = if alone { CONCURRENT_LOCK_TIMEOUT_MS } else { lock_timeout };
            let mut limits = format!("SET lock_timeout = {timeout}");
            if let Some(limit) = statement_timeout.filter(|_| !alone) {
                limits.push_str(&format!(";SET statement_timeout = {limit}"));
            }
            limits
        };
        // The row and the first limits travel at the same time, each on its own session.
        let first_limits = format!(
            "{};{}",
            script::fresh_settings_sql(&schema, sessions.work.connection.server_version_num()),
            limits(pieces.first().is_some_and(|(_, _, _, alone)| *alone))
        );
        let (recorded, limited) = tokio::join!(
            send(&mut sessions.watch.connection, started),
            send(&mut sessions.work.connection, first_limits)
        );
        if let Err(error) = recorded {
            if script::is_lost(&error) {
                return self.settle_lost(sessions, index, migrate, &error).await;
            }
            return Err(from_server(error));
        }
        let mut limited = Some(limited);
        let begun = Instant::now();
        let whole_is_safe = !migrate.script.statements.iter().any(|statement| {
            matches!(
                statement.kind,
                StatementKind::TransactionControl
                    | StatementKind::OutsideTransaction
                    | StatementKind::Procedural
            )
        }) && migrate.script.uncertain.is_none();
        for (number, before, text, alone) in &pieces {
            if number.is_some() {
                self.progress(index, done, total, migrate, *number, begun);
            }
            let first = number.is_none_or(|number| number == 1);
            let safe_to_retry = if number.is_some() { !alone } else { whole_is_safe };
            let attempts = if safe_to_retry { self.plan.rules.lock_retries + 1 } else { 1 };
            let mut attempt = 1;
            loop {
                // The limits travel alone: in one message with a CONCURRENTLY they would make a transaction.
                let limited = match limited.take() {
                    Some(first) => first,
                    None => send(&mut sessions.work.connection, limits(*alone)).await,
                };
                let result = match limited {
                    Ok(()) => self.watched(sessions, index, attempt, attempts, text.clone()).await,
                    Err(error) => Err(error),
                };
                let Err(error) = result else { break };
                if script::is_lost(&error) {
                    return self.settle_lost(sessions, index, migrate, &error).await;
                }
                let _ = leftover_gone(sessions).await;
                let code = error
                    .as_database_error()
                    .and_then(|error| error.code())
                    .map(|code| code.into_owned())
                    .unwrap_or_default();
                if is_retryable(&code) && attempt < attempts {
                    self.wait_to_retry(sessions, index, attempt, attempts, &migrate.name).await?;
                    attempt += 1;
                    continue;
                }
                let error = ScriptError {
                    position: script::position(&error).map(|position| position + before),
                    statement: *number,
                    error,
                };
                let cancelled = code == "57014" && *self.cancel.borrow();
                if (cancelled || is_retryable(&code)) && first && safe_to_retry {
                    return Err(self.took_back(sessions, index, migrate, cancelled, attempts, &error).await);
                }
                let mut logs = log_text(&migrate.name, sql, &error);
                if cancelled {
                    logs.push_str("\n\nCancelled by the operator.");
                }
                self.record_failure_on_watch(sessions, &ledger::fail_sql(&schema, &migrate.ledger_id, &logs))
                    .await;
                let stayed = match number {
                    Some(number) if *number > 1 => format!(
                        "Statements 1 to {} stay; {} was taken back; the rest did not run.",
                        number - 1,
                        number
                    ),
                    Some(_) => "Its first statement was taken back; the rest did not run.".to_owned(),
                    None => {
                        "What it committed itself before the error stays; its row says failed.".to_owned()
                    }
                };
                if cancelled {
                    self.settle_step(index, StepStatus::Failed, Some(format!("cancelled. {stayed}")), None);
                    return Err(Failure::new(
                        FailureCode::Cancelled,
                        "The run was cancelled by the operator.",
                    )
                    .why(format!("{} is not all-or-nothing.", migrate.name))
                    .unchanged(stayed)
                    .next("Open the failed migration: it shows which statements are in.")
                    .into());
                }
                return Err(migration_failure(migrate, sql, &error, &stayed).into());
            }
        }
        let left = if ends_outside_a_block(migrate, sql) {
            Ok(Leftover::Clean)
        } else {
            leftover(&mut sessions.work.connection).await
        };
        match left {
            Ok(Leftover::Clean) => {}
            Ok(_) => {
                let _ = send(&mut sessions.work.connection, "ROLLBACK".to_owned()).await;
                let what = "The script began a transaction and never committed it.";
                let logs = format!("{what} Everything since its BEGIN was rolled back.");
                self.record_failure_on_watch(sessions, &ledger::fail_sql(&schema, &migrate.ledger_id, &logs))
                    .await;
                return Err(Failure::new(
                    FailureCode::MigrationFailed,
                    format!("{} did not finish: {what}", migrate.name),
                )
                .why("There is a BEGIN without its COMMIT in the file.")
                .unchanged("Everything since its BEGIN was taken back; its row says failed.")
                .next(
                    "Add the missing COMMIT to the file, mark the migration as rolled back, and plan again.",
                )
                .into());
            }
            Err(error) if script::is_lost(&error) => {
                return self.settle_lost(sessions, index, migrate, &error).await;
            }
            Err(error) => return Err(from_server(error)),
        }
        let finish = ledger::finish_sql(&schema, &migrate.ledger_id, Utc::now());
        if let Err(error) = send(&mut sessions.watch.connection, finish.clone()).await {
            // The script is in; only its row is not. One more try on the other session.
            if send(&mut sessions.work.connection, finish).await.is_err() {
                if script::is_lost(&error) {
                    return self.settle_lost(sessions, index, migrate, &error).await;
                }
                return Err(from_server(error));
            }
        }
        if migrate.script.statements.iter().any(|statement| statement.kind == StatementKind::Session) {
            let held = in_time(sessions.work.reset(&schema)).await.map_err(from_server)?;
            if !held {
                return Err(Failure::new(
                    FailureCode::MigrationLock,
                    "A script let go of the migration lock, and another tool took it.",
                )
                .unchanged(format!("{} is in; the later ones did not run.", migrate.name))
                .next("Wait until the other tool is done, then make a new plan.")
                .into());
            }
        }
        Ok(Some(migrate.script.mode_reason.clone()))
    }

    /// No lock in time, or cancelled, before anything of the script was in: its row goes too, as nothing failed.
    async fn took_back(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        migrate: &MigrateStep,
        cancelled: bool,
        attempts: u32,
        error: &ScriptError,
    ) -> Stop {
        let forget = ledger::forget_sql(&self.plan.schema, &migrate.ledger_id);
        if let Err(error) = send(&mut sessions.watch.connection, forget).await {
            return from_server(error);
        }
        let note = if cancelled {
            "cancelled, taken back as a whole"
        } else {
            "no lock in time; taken back as a whole"
        };
        self.settle_step(index, StepStatus::TakenBack, Some(note.to_owned()), None);
        if cancelled {
            Failure::new(FailureCode::Cancelled, "The run was cancelled by the operator.").into()
        } else {
            lock_failure(&migrate.name, attempts, error).into()
        }
    }

    /// Statements of a repair.
    async fn run_statements(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        statements: &[RepairStatement],
        atomic: bool,
    ) -> Result<(), Stop> {
        let attempts = self.plan.rules.lock_retries + 1;
        let limit = format!("SET lock_timeout = {}", self.plan.rules.lock_timeout_ms);
        let messages: Vec<String> = if atomic {
            let body: Vec<&str> =
                statements.iter().map(|statement| statement.sql.trim_end_matches([';', ' ', '\n'])).collect();
            vec![format!("BEGIN;{}\n;COMMIT", body.join("\n;\n"))]
        } else {
            statements.iter().map(|statement| statement.sql.clone()).collect()
        };
        for (number, message) in messages.iter().enumerate() {
            let mut attempt = 1;
            loop {
                send(&mut sessions.work.connection, limit.clone()).await.map_err(from_server)?;
                let Err(error) = self.watched(sessions, index, attempt, attempts, message.clone()).await
                else {
                    break;
                };
                if script::is_lost(&error) {
                    return Err(from_server(error));
                }
                let _ = leftover_gone(sessions).await;
                let code = error
                    .as_database_error()
                    .and_then(|error| error.code())
                    .map(|code| code.into_owned())
                    .unwrap_or_default();
                if is_retryable(&code) && attempt < attempts {
                    self.wait_to_retry(sessions, index, attempt, attempts, "the repair").await?;
                    attempt += 1;
                    continue;
                }
                let stayed = if atomic || number == 0 {
                    "All of the repair was taken back.".to_owned()
                } else {
                    format!("The first {number} statements of the repair stay; the others did not run.")
                };
                return Err(Failure::new(FailureCode::ServerError, "The repair stopped at a statement.")
                    .why(failure(&error).what)
                    .unchanged(stayed)
                    .next("Open the failed migration again: it shows what is there now.")
                    .into());
            }
        }
        Ok(())
    }

    /// Every migration of the plan must be in the ledger under the id that the plan drew.
    async fn verify(&mut self, sessions: &mut Sessions) -> Result<String, Stop> {
        let rows = in_time(ledger::read(&mut sessions.watch.connection, &self.plan.schema))
            .await
            .map_err(from_server)?;
        let missing: Vec<&str> = self
            .plan
            .migrations()
            .filter(|step| !rows.iter().any(|row| row.id == step.ledger_id && row.is_applied()))
            .map(|step| step.name.as_str())
            .collect();
        if !missing.is_empty() {
            return Err(Failure::new(
                FailureCode::LedgerUnreadable,
                format!("The ledger does not show {} as applied.", missing.join(", ")),
            )
            .why("It was written by this run; another tool or a script changed the ledger.")
            .next("Read the migrations' status again.")
            .into());
        }
        let unfinished = rows.iter().filter(|row| row.is_unfinished()).count();
        Ok(if unfinished == 0 {
            format!("{} rows read back, none failed", rows.len())
        } else {
            format!("{} rows read back; {unfinished} migrations are still failed", rows.len())
        })
    }

    /// Sends a message on the working session while the other one watches: who blocks it, cancel.
    async fn watched(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        attempt: u32,
        attempts: u32,
        message: String,
    ) -> Result<(), sqlx::Error> {
        let pid = sessions.work.pid;
        let work = script::send(&mut sessions.work.connection, message);
        tokio::pin!(work);
        let mut cancel = self.cancel.clone();
        let mut asked = false;
        let mut seen_waiting = false;
        let mut pause = Duration::from_millis(400);
        loop {
            tokio::select! {
                biased;
                result = &mut work => {
                    if seen_waiting {
                        self.set_status(index, StepStatus::Started);
                    }
                    return result;
                }
                changed = cancel.changed(), if !asked => {
                    if changed.is_ok() && *cancel.borrow() {
                        asked = true;
                        self.events.note("Cancel was asked for; the server is told to stop the statement at work.");
                        let _ = in_time(cancel_session(&mut sessions.watch.connection, pid)).await;
                        pause = Duration::from_millis(500);
                    }
                }
                () = tokio::time::sleep(pause) => {
                    if asked {
                        let _ = in_time(cancel_session(&mut sessions.watch.connection, pid)).await;
                    }
                    // Both sessions share the line: where the idle one gets no answer, none will come for the other.
                    let asked_at = Instant::now();
                    let seen = in_time(observe::blockers(&mut sessions.watch.connection, pid)).await;
                    if seen.is_err() && asked_at.elapsed() >= LINE_PATIENCE {
                        return Err(script::dead_line(LINE_PATIENCE));
                    }
                    if let Ok(blockers) = seen {
                        if !blockers.is_empty() {
                            seen_waiting = true;
                            self.set_status(index, StepStatus::Waiting);
                            self.events.emit(RunEventKind::Waiting {
                                index: index_u32(index), blockers, attempt, attempts,
                            });
                        } else if seen_waiting {
                            seen_waiting = false;
                            self.set_status(index, StepStatus::Started);
                        }
                    }
                    pause = Duration::from_millis(500);
                }
            }
        }
    }

    async fn wait_to_retry(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        attempt: u32,
        attempts: u32,
        name: &str,
    ) -> Result<(), Stop> {
        self.events.note(format!(
            "{name}: no lock in time, all taken back (try {attempt} of {attempts}); trying again shortly."
        ));
        let blockers = in_time(observe::blockers(&mut sessions.watch.connection, sessions.work.pid))
            .await
            .unwrap_or_default();
        self.events.emit(RunEventKind::Waiting { index: index_u32(index), blockers, attempt, attempts });
        let mut cancel = self.cancel.clone();
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(500 * u64::from(attempt.min(6)))) => {}
            _ = cancel.changed() => {}
        }
        if *self.cancel.borrow() {
            self.settle_step(
                index,
                StepStatus::TakenBack,
                Some("cancelled while waiting for a lock".to_owned()),
                None,
            );
            return Err(Failure::new(
                FailureCode::Cancelled,
                "The run was cancelled while it waited for a lock.",
            )
            .into());
        }
        Ok(())
    }

    /// The line was lost: nothing is sent again; the server is asked what became of it.
    async fn settle_lost(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        migrate: &MigrateStep,
        error: &sqlx::Error,
    ) -> Result<Option<String>, Stop> {
        self.events.note(
            "The line to the server was lost. Nothing is sent again; asking the server what became of it.",
        );
        let lost = |what: String| Failure::new(FailureCode::ConnectionLost, what).why(failure(error).what);
        let application = format!("drydock settle {}", self.run.id.get(..8).unwrap_or_default());
        let start = Instant::now();
        let mut fresh = None;
        while start.elapsed() < SETTLE_PATIENCE {
            if let Ok(connection) = self.connector.open(&application).await {
                fresh = Some(connection);
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let attention = |failure: Failure| Stop { status: RunStatus::NeedsAttention, failure };
        let Some(mut connection) = fresh else {
            return Err(attention(
                lost(format!(
                    "The line was lost while {} ran, and the server cannot be reached.",
                    migrate.name
                ))
                .next("When the server is back, open this run and ask again; nothing was sent twice."),
            ));
        };
        let gone = in_time(wait_gone(
            &mut connection,
            sessions.work.pid,
            &sessions.work.application,
            SETTLE_PATIENCE,
        ))
        .await;
        if !matches!(gone, Ok(Some(()))) {
            return Err(attention(
                lost(format!("The line was lost; the server is still working on {}.", migrate.name))
                    .next("Open this run and ask again in a while."),
            ));
        }
        let rows = match in_time(ledger::read(&mut connection, &self.plan.schema)).await {
            Ok(rows) => rows,
            Err(error) => {
                return Err(attention(
                    lost("The line was lost and the ledger cannot be read.".to_owned())
                        .next(failure(&error).what),
                ));
            }
        };
        let row = rows.iter().find(|row| row.id == migrate.ledger_id);
        match row {
            Some(row) if row.is_applied() => {
                self.settle_step(
                    index,
                    StepStatus::Done,
                    Some("it got in before the line was lost; the ledger says so".to_owned()),
                    None,
                );
                Err(lost(format!("The line was lost just after {} got in.", migrate.name))
                    .unchanged("The later migrations did not run.")
                    .next("Make a new plan for what is left.")
                    .into())
            }
            Some(_) => {
                let logs = "The connection was lost while the migration ran; part of it may be in.";
                let _ = send(&mut connection, ledger::fail_sql(&self.plan.schema, &migrate.ledger_id, logs))
                    .await;
                Err(lost(format!("The line was lost while {} ran; it is not all-or-nothing.", migrate.name))
                    .unchanged("Nothing was sent again. Its row says failed; part of it may be in.")
                    .next("Open the failed migration: it shows which statements are in.")
                    .into())
            }
            None => {
                self.settle_step(
                    index,
                    StepStatus::TakenBack,
                    Some("the server took it back when the line was lost".to_owned()),
                    None,
                );
                Err(lost(format!("The line was lost while {} ran; the server took it back.", migrate.name))
                    .unchanged("The migration left nothing; the later ones did not run.")
                    .next("Make a new plan for what is left.")
                    .into())
            }
        }
    }

    async fn record_failure(&self, sessions: &mut Sessions, sql: String) {
        if let Err(error) = send(&mut sessions.work.connection, sql).await {
            let _ = send(&mut sessions.work.connection, "ROLLBACK".to_owned()).await;
            self.events.note(format!("The failed row could not be written: {}", failure(&error).what));
        }
    }

    async fn record_failure_on_watch(&self, sessions: &mut Sessions, sql: &str) {
        if let Err(error) = send(&mut sessions.watch.connection, sql.to_owned()).await {
            self.events
                .note(format!("The reason could not be written to the ledger: {}", failure(&error).what));
        }
    }

    /// Journals the outcome so far and the intent to do the next step, in one sync.
    async fn intend(&mut self, index: usize) -> Result<(), Stop> {
        self.run.steps[index].status = StepStatus::Started;
        let mut changed = Vec::with_capacity(2);
        if index > 0 {
            changed.push(self.run.steps[index - 1].clone());
        }
        changed.push(self.run.steps[index].clone());
        self.store.journal(&self.run.id, &changed).await?;
        self.events.emit(RunEventKind::Step { step: self.run.steps[index].clone() });
        Ok(())
    }

    fn settle_step(
        &mut self,
        index: usize,
        status: StepStatus,
        note: Option<String>,
        took: Option<Duration>,
    ) {
        let step = &mut self.run.steps[index];
        step.status = status;
        step.note = note;
        if let Some(took) = took {
            step.seconds = Some(took.as_secs_f64());
        }
        self.events.emit(RunEventKind::Step { step: step.clone() });
    }

    fn set_status(&mut self, index: usize, status: StepStatus) {
        if self.run.steps[index].status != status {
            self.run.steps[index].status = status;
            self.events.emit(RunEventKind::Step { step: self.run.steps[index].clone() });
        }
    }

    fn progress(
        &self,
        index: usize,
        done: usize,
        total: usize,
        migrate: &MigrateStep,
        statement: Option<u32>,
        since: Instant,
    ) {
        self.events.emit(RunEventKind::Progress {
            index: index_u32(index),
            migrations_done: index_u32(done),
            migrations_total: index_u32(total),
            statement,
            statements_total: index_u32(migrate.script.statements.len()),
            seconds: since.elapsed().as_secs_f64(),
        });
    }
}

fn index_u32(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Ends whatever block an error left open on the working session.
async fn leftover_gone(sessions: &mut Sessions) -> Result<(), sqlx::Error> {
    if leftover(&mut sessions.work.connection).await? != Leftover::Clean {
        send(&mut sessions.work.connection, "ROLLBACK".to_owned()).await?;
    }
    Ok(())
}

/// Whether a script that got through is certain to have left no transaction open: it has none of its own,
/// or the last word about one is a plain COMMIT. Anything else is asked of the server.
fn ends_outside_a_block(migrate: &MigrateStep, sql: &str) -> bool {
    let last = migrate
        .script
        .statements
        .iter()
        .rfind(|statement| statement.kind == StatementKind::TransactionControl)
        .map(|statement| sql.get(statement.start as usize..statement.end as usize).unwrap_or_default());
    let is_commit = |text: &str| {
        ["COMMIT", "END"]
            .iter()
            .any(|word| text.trim().trim_end_matches(';').trim().eq_ignore_ascii_case(word))
    };
    migrate.script.uncertain.is_none() && last.is_none_or(is_commit)
}

/// Lock not available, deadlock, serialization: nothing of the transaction stayed, so it may be tried again.
fn is_retryable(code: &str) -> bool {
    matches!(code, "55P03" | "40P01" | "40001")
}
