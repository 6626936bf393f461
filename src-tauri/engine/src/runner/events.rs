//! A run's live stream: to whoever watches, and to the record.

use crate::adapters::store::Store;
use crate::domain::run::{RunEvent, RunEventKind};
use chrono::Utc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::{broadcast, mpsc, oneshot};

/// Emits a run's events. Cheap to clone.
#[derive(Clone)]
pub struct Stream {
    run_id: Arc<str>,
    sequence: Arc<AtomicU32>,
    live: broadcast::Sender<RunEvent>,
    record: mpsc::UnboundedSender<Entry>,
}

enum Entry {
    Event(RunEvent),
    Flush(oneshot::Sender<()>),
}

impl Stream {
    /// A stream that records into the store in the background.
    pub fn start(run_id: &str, store: Arc<Store>) -> Self {
        let (live, _) = broadcast::channel(4096);
        let (record, mut entries) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while let Some(entry) = entries.recv().await {
                let mut waiting = Vec::new();
                let mut take = |entry, batch: &mut Vec<RunEvent>| match entry {
                    Entry::Event(event) => batch.push(event),
                    Entry::Flush(done) => waiting.push(done),
                };
                take(entry, &mut batch);
                while let Ok(entry) = entries.try_recv() {
                    take(entry, &mut batch);
                }
                if let Err(failure) = store.record_events(&batch).await {
                    tracing::warn!(code = %failure.code, "the record of a run's events has a gap");
                }
                batch.clear();
                for done in waiting {
                    let _ = done.send(());
                }
            }
        });
        Self { run_id: run_id.into(), sequence: Arc::default(), live, record }
    }

    /// A stream that nobody watches and nothing records.
    pub fn nowhere() -> Self {
        let (live, _) = broadcast::channel(1);
        let (record, _) = mpsc::unbounded_channel();
        Self { run_id: "".into(), sequence: Arc::default(), live, record }
    }

    /// Tells what happened.
    pub fn emit(&self, what: RunEventKind) {
        let event = RunEvent {
            run_id: self.run_id.to_string(),
            sequence: self.sequence.fetch_add(1, Ordering::SeqCst) + 1,
            at: Utc::now(),
            what,
        };
        let _ = self.live.send(event.clone());
        let _ = self.record.send(Entry::Event(event));
    }

    /// A line for the record.
    pub fn note(&self, text: impl Into<String>) {
        self.emit(RunEventKind::Note { text: text.into() });
    }

    /// Watches from now on.
    pub fn watch(&self) -> broadcast::Receiver<RunEvent> {
        self.live.subscribe()
    }

    /// Waits until everything emitted so far is in the record.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.record.send(Entry::Flush(done)).is_ok() {
            let _ = wait.await;
        }
    }
}
