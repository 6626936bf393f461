//! What happens while a message is under way: who blocks it, cancel, a line that went dead; and the pause
//! before it is tried again.

use super::{Apply, Sessions, Stop, in_time, index_u32};
use crate::adapters::postgres::{observe, script};
use crate::domain::run::{RunEventKind, StepStatus};
use crate::domain::{Failure, FailureCode};
use crate::runner::session::{LINE_PATIENCE, cancel_session};
use std::time::{Duration, Instant};

impl Apply {
    /// Sends a message on the working session while the other one watches: who blocks it, cancel.
    pub(super) async fn watched(
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

    pub(super) async fn wait_to_retry(
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
}

/// Lock not available, deadlock, serialization: nothing of the transaction stayed, so it may be tried again.
pub(super) fn is_retryable(code: &str) -> bool {
    matches!(code, "55P03" | "40P01" | "40001")
}
