//! Applying a plan. Intent is journalled and synced before each act, the outcome after it; the server's
//! ledger carries the ids that the plan drew, so that after any cut the truth can be read back.

mod apart;
pub mod app;
mod atomic;
pub mod beside;
mod lost;
pub mod restore;
pub mod rows;
mod statements;
mod swap_back;
mod waiting;

use super::events::Stream;
use super::session::{Connector, LINE_PATIENCE, Session};
use super::words::aftermath;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::{self, Leftover};
use crate::adapters::postgres::{ledger, observe};
use crate::adapters::store::Store;
use crate::domain::backup::RestoreStep;
use crate::domain::plan::{Fingerprint, MigrateStep, Plan, Step};
use crate::domain::run::{Run, RunEventKind, RunStatus, StepStatus};
use crate::domain::statement::ScriptMode;
use crate::domain::{Failure, FailureCode};
use crate::planner::plan::moved;
use chrono::Utc;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long Prisma and we wait for each other's lock.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// How long we look for the outcome of a statement after the line was lost.
const SETTLE_PATIENCE: Duration = Duration::from_secs(10);
/// A concurrent index build waits for old transactions without making anybody wait behind it; when it is
/// interrupted it leaves an INVALID index. It gets its own, longer limit.
const CONCURRENT_LOCK_TIMEOUT_MS: u32 = 600_000;

/// Checks to be read when the rows are in, and how they stand then.
pub type Checks = Pin<Box<dyn Future<Output = String> + Send>>;

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
    /// The rows to write, if the plan writes some.
    pub rows: Option<rows::RowJob>,
    /// The requests to send, if the app writes.
    pub app: Option<app::AppJob>,
    /// The backup to restore, if that is what it does.
    pub restore: Option<restore::RestoreJob>,
    /// Reads the checks of what was written, as the run's last step; answers how they stand.
    pub checks: Mutex<Option<Checks>>,
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
        if status == RunStatus::Succeeded {
            self.run.aftermath.extend(beside::afterwards(&self.plan));
        }
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
        let watch = Session::open_watching(&self.connector, format!("drydock watch {short}")).await?;
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
            // Rows that are committed stay, whatever is asked for afterwards.
            let committed = self.plan.is_of_rows() && matches!(step, Step::Verify);
            if *self.cancel.borrow() && !committed {
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
                Step::Seed(_) | Step::Undo(_) => self.write_rows(sessions, index).await,
                Step::Call(_) => self.call_app(sessions, index).await,
                Step::BackUp(_) => self.back_up_first().await,
                // Runs of their own.
                Step::Import(_) | Step::Prove(_) => Ok(None),
                Step::Restore(RestoreStep { beside: Some(beside), .. }) => {
                    self.restore_beside(sessions, index, beside).await
                }
                Step::SwapBack(back) => self.swap_back(sessions, index, back).await,
                Step::Restore(_) | Step::RollBack(_) => self.in_one_transaction(sessions, index).await,
                Step::Verify if self.plan.restore().is_some() => {
                    let beside = self.plan.restore().is_some_and(|step| step.beside.is_some());
                    Ok(Some(format!(
                        "rows, counts and sequences were compared before it {}",
                        if beside { "got its name" } else { "was committed" }
                    )))
                }
                Step::Verify if self.plan.swap_back().is_some() => {
                    Ok(Some("the numbers of both were compared before it was committed".to_owned()))
                }
                Step::Verify if self.plan.is_of_rows() => Ok(Some(self.read_checks().await)),
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
        if !seen.is_same_database(planned) {
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

    /// The rows are committed; what the profile expects is read.
    async fn read_checks(&mut self) -> String {
        let checks = self.checks.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        match checks {
            Some(checks) => checks.await,
            None => "the server confirmed the commit".to_owned(),
        }
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

    async fn record_failure(&self, sessions: &mut Sessions, sql: String) {
        if let Err(error) = send(&mut sessions.work.connection, sql).await {
            let _ = send(&mut sessions.work.connection, "ROLLBACK".to_owned()).await;
            self.events.note(format!("The failed row could not be written: {}", failure(&error).what));
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
