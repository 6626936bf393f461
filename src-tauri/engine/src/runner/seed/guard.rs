//! Watches the session that writes rows from another one: a dry run is held to its caps, an apply tells who
//! blocks it; both can be cancelled.

use crate::adapters::postgres::{observe, script};
use crate::domain::run::RunEventKind;
use crate::runner::dry_run::watching::Watch;
use crate::runner::events::Stream;
use crate::runner::session::{LINE_PATIENCE, Session, cancel_session};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often an apply is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Who watches.
pub enum Guard<'a> {
    /// A dry run's watch.
    DryRun(Box<Watch<'a>>),
    /// An apply's.
    Apply(Attendant<'a>),
}

impl Guard<'_> {
    /// Waits for an answer of the session at work, and looks at that session meanwhile.
    ///
    /// # Errors
    /// The server's error; 57014 after a cancel; an I/O error where the line does not answer any more.
    pub async fn over<T>(
        &mut self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        match self {
            Self::DryRun(watch) => watch.over(answer).await,
            Self::Apply(attendant) => attendant.over(answer).await,
        }
    }
}

/// The watching session of an apply.
pub struct Attendant<'a> {
    /// The session that watches.
    pub watcher: &'a mut Session,
    /// Set to true by the operator.
    pub cancel: watch::Receiver<bool>,
    /// Process id of the session at work.
    pub pid: i32,
    /// The run's stream.
    pub events: Stream,
    /// The step at work.
    pub index: u32,
}

impl Attendant<'_> {
    async fn over<T>(
        &mut self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                result = &mut answer => return result,
                () = tokio::time::sleep(EVERY) => {
                    if *self.cancel.borrow() {
                        script::in_time(LINE_PATIENCE, cancel_session(&mut self.watcher.connection, self.pid)).await?;
                        continue;
                    }
                    let asked = Instant::now();
                    match script::in_time(LINE_PATIENCE, observe::blockers(&mut self.watcher.connection, self.pid)).await {
                        Ok(blockers) if !blockers.is_empty() => {
                            self.events.emit(RunEventKind::Waiting { index: self.index, blockers, attempt: 1, attempts: 1 });
                        }
                        Err(_) if asked.elapsed() >= LINE_PATIENCE => return Err(script::dead_line(LINE_PATIENCE)),
                        _ => {}
                    }
                }
            }
        }
    }
}
