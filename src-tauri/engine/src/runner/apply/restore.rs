//! Restoring in place: a safety backup first, then everything in one transaction that is compared before it is
//! committed. The transaction's number is journalled before COMMIT is sent, as for rows.

use super::rows::COMMITTING;
use super::{Apply, Sessions, Stop, in_time, send, waiting};
use crate::adapters::postgres::observe::json;
use crate::adapters::postgres::script;
use crate::domain::run::StepStatus;
use crate::domain::{Failure, FailureCode};
use crate::runner::backup::pulse;
use crate::runner::backup::restore::Restore;
use crate::runner::events::Stream;
use crate::runner::rollback::RollBack;
use crate::runner::session::cancel_session;
use sqlx::postgres::PgConnection;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Takes the safety backup; answers what it holds.
pub type Safety = Pin<Box<dyn Future<Output = Result<String, Failure>> + Send>>;

/// What happens in the one transaction.
pub enum Work {
    /// A backup comes back.
    Restore(Box<Restore>),
    /// Migrations are rolled back.
    RollBack(Arc<RollBack>),
}

impl Work {
    async fn run(
        &self,
        connection: &mut PgConnection,
        events: &Stream,
        index: u32,
    ) -> Result<String, Failure> {
        match self {
            Self::Restore(restore) => restore.run(connection, events, index).await,
            Self::RollBack(roll_back) => roll_back.run(connection, events, index).await,
        }
    }
}

/// What a restore or a roll back needs.
pub struct RestoreJob {
    /// What is done.
    pub work: Work,
    /// The backup of what is there now.
    pub safety: Mutex<Option<Safety>>,
}

impl Apply {
    /// Takes the safety backup.
    pub(super) async fn back_up_first(&mut self) -> Result<Option<String>, Stop> {
        let safety = self
            .restore
            .as_ref()
            .and_then(|job| job.safety.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
        let Some(safety) = safety else { return Ok(None) };
        safety.await.map(Some).map_err(|failure| {
            Failure {
                unchanged: Some("Nothing was restored; the database is as it was.".to_owned()),
                ..failure
            }
            .into()
        })
    }

    /// Restores, or rolls back.
    pub(super) async fn in_one_transaction(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
    ) -> Result<Option<String>, Stop> {
        let Some(job) = self.restore.take() else {
            return Err(Failure::new(FailureCode::RestoreRefused, "The backup is not there any more.")
                .unchanged("Nothing was changed.")
                .into());
        };
        let attempts = self.plan.rules.lock_retries + 1;
        let mut attempt = 1;
        loop {
            match self.try_restore(sessions, index, &job.work).await {
                Ok(note) => return Ok(Some(note)),
                Err(Tried::Lost(failure)) => {
                    let error = sqlx::Error::Io(std::io::Error::new(
                        std::io::ErrorKind::ConnectionAborted,
                        failure.what,
                    ));
                    return self.settle_lost_rows(sessions, index, &error).await.map(Some);
                }
                Err(Tried::Refused(failure)) => {
                    let _ = send(&mut sessions.work.connection, "ROLLBACK".to_owned()).await;
                    if *self.cancel.borrow() {
                        let note = "cancelled; all of it was taken back".to_owned();
                        self.settle_step(index, StepStatus::TakenBack, Some(note), None);
                        return Err(Failure::new(
                            FailureCode::Cancelled,
                            "The run was cancelled by the operator.",
                        )
                        .unchanged("All of it was taken back; the database is as it was.")
                        .into());
                    }
                    let busy = failure.code == FailureCode::LockTimeout;
                    if busy && attempt < attempts {
                        self.wait_to_retry(sessions, index, attempt, attempts, "The run").await?;
                        attempt += 1;
                        continue;
                    }
                    self.settle_step(index, StepStatus::TakenBack, Some(failure.what.clone()), None);
                    return Err(failure.into());
                }
            }
        }
    }

    async fn try_restore(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        job: &Work,
    ) -> Result<String, Tried> {
        let Sessions { work, watch } = sessions;
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {}",
            self.plan.rules.lock_timeout_ms
        );
        send(&mut work.connection, begin).await.map_err(|error| server(&error))?;
        let transaction: String = in_time(json(
            &mut work.connection,
            "SELECT pg_catalog.to_json(pg_catalog.txid_current()::text)::text".to_owned(),
        ))
        .await
        .map_err(|error| server(&error))?;
        let step = super::index_u32(index);
        let events = self.events.clone();
        let note = attended(
            job.run(&mut work.connection, &events, step),
            &mut watch.connection,
            work.pid,
            &self.cancel,
        )
        .await?;
        if *self.cancel.borrow() {
            return Err(Tried::Refused(Failure::new(
                FailureCode::Cancelled,
                "The run was cancelled by the operator.",
            )));
        }
        // From here on a cut leaves open whether it was committed; the number tells.
        let step = &mut self.run.steps[index];
        step.note = Some(format!("{COMMITTING}{transaction}"));
        self.store.journal(&self.run.id, std::slice::from_ref(step)).await.map_err(Tried::Refused)?;
        in_time(script::send(&mut work.connection, "COMMIT".to_owned()))
            .await
            .map_err(|error| server(&error))?;
        Ok(note)
    }
}

/// How a try ended.
pub(super) enum Tried {
    /// Refused; the transaction is to be taken back.
    Refused(Failure),
    /// The line was lost.
    Lost(Failure),
}

fn server(error: &sqlx::Error) -> Tried {
    let failure = crate::adapters::postgres::failure::failure(error);
    if script::is_lost(error) {
        Tried::Lost(failure)
    } else if script::code(error).is_some_and(|code| waiting::is_retryable(&code)) {
        Tried::Refused(Failure { code: FailureCode::LockTimeout, ..failure })
    } else {
        Tried::Refused(failure)
    }
}

/// Waits for work on the server while another session shows that the line is alive, and carries a cancel there.
pub(super) async fn attended<T>(
    work: impl Future<Output = Result<T, Failure>>,
    watcher: &mut sqlx::postgres::PgConnection,
    pid: i32,
    cancel: &watch::Receiver<bool>,
) -> Result<T, Tried> {
    let mut work = std::pin::pin!(work);
    let mut cancel = cancel.clone();
    let mut asked = false;
    loop {
        if *cancel.borrow() && !asked {
            asked = true;
            let _ = in_time(cancel_session(watcher, pid)).await;
        }
        tokio::select! {
            done = &mut work => {
                return done.map_err(|failure| match failure.code {
                    FailureCode::ConnectionLost => Tried::Lost(failure),
                    _ => Tried::Refused(failure),
                });
            }
            lost = pulse(watcher) => return Err(Tried::Lost(lost)),
            changed = cancel.changed(), if !asked => {
                if changed.is_err() {
                    asked = true;
                }
            }
        }
    }
}
