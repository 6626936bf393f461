//! Watches a dry run from a second session: how long it keeps others waiting, how much it writes, whether
//! the operator cancels, and whether the line still answers. Past a cap it ends what the dry run is doing.

use super::estimate::SpaceCap;
use crate::adapters::postgres::script::in_time;
use crate::adapters::postgres::trial;
use crate::domain::plan::Plan;
use crate::runner::session::{LINE_PATIENCE, Session, cancel_session};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often the session at work is looked at.
const EVERY: Duration = Duration::from_millis(150);
/// How often the database's size is asked for: the server adds up its files each time.
const SIZE_EVERY: Duration = Duration::from_secs(1);

/// The watching session of a dry run.
pub struct Watch<'a> {
    watcher: &'a mut Session,
    cancel: &'a watch::Receiver<bool>,
    /// Process id of the session at work.
    pid: i32,
    lock_cap: Duration,
    space: SpaceCap,
    existing: HashSet<u32>,
    blocking_since: Option<Instant>,
    measured: Instant,
    written: f64,
    stopped: Option<String>,
}

impl<'a> Watch<'a> {
    /// Watches `pid`; `existing`: the relations that were there before.
    pub fn new(
        watcher: &'a mut Session,
        cancel: &'a watch::Receiver<bool>,
        pid: i32,
        plan: &Plan,
        space: SpaceCap,
        existing: HashSet<u32>,
    ) -> Self {
        Self {
            watcher,
            cancel,
            pid,
            lock_cap: Duration::from_millis(u64::from(plan.rules.dry_run_lock_ms)),
            space,
            existing,
            blocking_since: None,
            measured: Instant::now(),
            written: 0.0,
            stopped: None,
        }
    }

    /// How long others may have waited so far, seconds.
    pub fn longest_block_seconds(&self) -> f64 {
        self.blocking_since.map_or(0.0, |since| since.elapsed().as_secs_f64())
    }

    /// The cap that was passed, in words; told once.
    pub fn take_stopped(&mut self) -> Option<String> {
        self.stopped.take()
    }

    /// What the dry run wrote, in words.
    pub async fn space(&mut self) -> String {
        let _ = self.measure().await;
        self.space.words(self.written)
    }

    /// Waits for an answer of the session at work, and looks at that session meanwhile.
    ///
    /// # Errors
    /// The server's error; `Protocol` with the reason where the answer came but a cap was passed; an I/O
    /// error where the line does not answer any more.
    pub async fn over<T>(
        &mut self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                result = &mut answer => {
                    self.look().await?;
                    return match (result, &self.stopped) {
                        // Too much in spite of having worked: nothing more may start.
                        (Ok(_), Some(why)) => Err(sqlx::Error::Protocol(why.clone())),
                        (result, _) => result,
                    };
                }
                () = tokio::time::sleep(EVERY) => {
                    self.look().await?;
                    if self.stopped.is_some() || *self.cancel.borrow() {
                        in_time(LINE_PATIENCE, cancel_session(&mut self.watcher.connection, self.pid)).await?;
                    }
                }
            }
        }
    }

    /// Both sessions share the line: where the idle one gets no answer, none will come for the other, and
    /// without it no cap would hold.
    async fn look(&mut self) -> Result<(), sqlx::Error> {
        let seen = in_time(LINE_PATIENCE, trial::watch(&mut self.watcher.connection, self.pid)).await?;
        let blocks = seen.blocking.iter().any(|relation| self.existing.contains(relation));
        if blocks && self.blocking_since.is_none() {
            self.blocking_since = Some(Instant::now());
        }
        if self.stopped.is_some() {
            return Ok(());
        }
        if blocks && seen.waiters > 0 {
            self.stopped = Some("Somebody waited for a lock of the dry run, so it ended at once.".to_owned());
        } else if blocks && self.blocking_since.is_some_and(|since| since.elapsed() > self.lock_cap) {
            self.stopped = Some(format!(
                "The dry run held a lock that others may wait for longer than {:.1} s, so it ended.",
                self.lock_cap.as_secs_f64()
            ));
        } else if self.measured.elapsed() >= SIZE_EVERY {
            self.measure().await?;
            self.stopped = self.space.passed(self.written);
        }
        Ok(())
    }

    async fn measure(&mut self) -> Result<(), sqlx::Error> {
        self.measured = Instant::now();
        let bytes = in_time(LINE_PATIENCE, trial::database_bytes(&mut self.watcher.connection)).await?;
        self.written = self.written.max(bytes - self.space.before());
        Ok(())
    }
}
