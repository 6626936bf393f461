//! Taking backups, proving them, restoring them.
//!
//! A backup is read in one snapshot. One session holds the snapshot and shows that the line is alive; another one
//! hashes rows on it; the rows themselves are read by a third one (quick) or by `pg_dump` (deep).

pub mod beside;
mod deep;
pub mod foreign;
pub mod import;
mod indexes;
pub mod load;
pub mod loss;
pub mod prove;
mod quick;
mod reading;
pub mod restore;
pub mod rows;
pub mod schema;
pub mod selection;
pub mod sums;
mod take;

pub use take::{BackUp, Taken, no_tool};

use super::events::Stream;
use super::session::{Connector, LINE_PATIENCE, cancel_session};
use crate::adapters::postgres::script::{self, orphan_limits_sql};
use crate::adapters::postgres::{backup, capture, failure::failure};
use crate::domain::run::RunEventKind;
use crate::domain::{Failure, FailureCode};
use sqlx::postgres::PgConnection;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often the session that holds the snapshot speaks; the server ends it when it rests for long.
const PULSE: Duration = Duration::from_secs(5);
/// The encoding of a database that has none.
const NO_ENCODING: &str = "SQL_ASCII";
/// How often progress is told.
const TELL: Duration = Duration::from_millis(250);

/// The session that holds a snapshot for others.
pub(super) struct Keeper {
    /// The session.
    pub connection: PgConnection,
    /// The exported snapshot.
    pub snapshot: String,
}

impl Keeper {
    /// Opens it.
    ///
    /// # Errors
    /// The failure of the first hop, or the server's error.
    pub(super) async fn open(connector: &Connector, lock_timeout_ms: u32) -> Result<Self, Failure> {
        let mut connection = connector.open("drydock backup").await?;
        let limits = orphan_limits_sql(connection.server_version_num());
        let opened = async {
            script::send(&mut connection, limits).await?;
            backup::begin(&mut connection, None, lock_timeout_ms).await?;
            capture::export_snapshot(&mut connection).await
        };
        let snapshot = script::in_time(LINE_PATIENCE, opened).await.map_err(|error| failure(&error))?;
        Ok(Self { connection, snapshot })
    }
}

/// Speaks on a session that rests, until its line is lost.
pub(crate) async fn pulse(connection: &mut PgConnection) -> Failure {
    loop {
        tokio::time::sleep(PULSE).await;
        let spoken = script::send(connection, "SELECT 1".to_owned());
        if let Err(error) = script::in_time(LINE_PATIENCE, spoken).await {
            return lost(&error);
        }
    }
}

/// A session that reads on a keeper's snapshot.
///
/// # Errors
/// The failure of the first hop, or the server's error.
pub(super) async fn join(
    connector: &Connector,
    snapshot: &str,
    lock_timeout_ms: u32,
    pids: &Pids,
) -> Result<PgConnection, Failure> {
    let mut connection = connector.open("drydock backup").await?;
    let limits = orphan_limits_sql(connection.server_version_num());
    let begun = async {
        script::send(&mut connection, limits).await?;
        backup::begin(&mut connection, Some(snapshot), lock_timeout_ms).await?;
        crate::adapters::postgres::observe::json::<i32>(
            &mut connection,
            "SELECT pg_catalog.pg_backend_pid()::text".to_owned(),
        )
        .await
    };
    let pid = script::in_time(LINE_PATIENCE, begun).await.map_err(|error| failure(&error))?;
    pids.add(pid);
    Ok(connection)
}

/// Makes a session send and take bytes as they are where a database names no encoding: such bytes need not be text in
/// any other one. Everywhere else the driver's own encoding holds, and the server converts.
///
/// # Errors
/// The server's error.
pub(in crate::runner) async fn speak_bytes(
    connection: &mut PgConnection,
    encoding: &str,
) -> Result<(), sqlx::Error> {
    if encoding != NO_ENCODING {
        return Ok(());
    }
    script::send(connection, format!("SET client_encoding = '{NO_ENCODING}'")).await
}

/// Sessions that are at work, so that a cancel reaches them on the server.
#[derive(Default)]
pub(super) struct Pids(Mutex<Vec<i32>>);

impl Pids {
    fn add(&self, pid: i32) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(pid);
    }

    /// Asks the server to stop what they do.
    pub(super) async fn cancel(&self, connector: &Connector) {
        let pids = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let Ok(mut connection) = connector.open_reading("drydock cancel").await else { return };
        for pid in pids {
            let _ = script::in_time(LINE_PATIENCE, cancel_session(&mut connection, pid)).await;
        }
    }
}

/// One value of a statement that answers with JSON.
async fn one<T: serde::de::DeserializeOwned>(
    connection: &mut PgConnection,
    sql: &str,
) -> Result<T, sqlx::Error> {
    crate::adapters::postgres::observe::json(connection, sql.to_owned()).await
}

/// A lost line.
fn lost(error: &sqlx::Error) -> Failure {
    let mut failure = failure(error);
    if script::is_lost(error) {
        failure.unchanged = Some("Nothing of it was kept; the database was only read.".to_owned());
        failure.next = Some("Test the connection, then try again.".to_owned());
    }
    failure
}

/// Waits until the operator cancels.
pub(super) async fn cancelled(cancel: &watch::Receiver<bool>) -> Failure {
    let mut cancel = cancel.clone();
    while !*cancel.borrow() {
        if cancel.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
    Failure::new(FailureCode::Cancelled, "Cancelled by the operator.")
        .unchanged("What was stored so far was removed; the database was only read.")
}

/// How far it is, for whoever watches.
pub struct Meter<'a> {
    events: &'a Stream,
    index: u32,
    verb: &'static str,
    started: Instant,
    total: f64,
    tables_total: u32,
    bytes: AtomicU64,
    tables: AtomicU32,
    told: Mutex<Instant>,
}

impl<'a> Meter<'a> {
    /// At its beginning; `total` is 0 where it is not known.
    pub fn new(events: &'a Stream, index: u32, verb: &'static str, total: f64, tables: usize) -> Self {
        let now = Instant::now();
        Self {
            events,
            index,
            verb,
            started: now,
            total,
            tables_total: u32::try_from(tables).unwrap_or(u32::MAX),
            bytes: AtomicU64::new(0),
            tables: AtomicU32::new(0),
            told: Mutex::new(now.checked_sub(TELL).unwrap_or(now)),
        }
    }

    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.tell(false);
    }

    pub(super) fn tables(&self, done: u32) {
        self.tables.store(done, Ordering::Relaxed);
        self.tell(done == self.tables_total);
    }

    fn tell(&self, now: bool) {
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !now && told.elapsed() < TELL {
            return;
        }
        *told = Instant::now();
        self.events.emit(RunEventKind::Moved {
            index: self.index,
            verb: self.verb.to_owned(),
            tables_done: self.tables.load(Ordering::Relaxed),
            tables_total: self.tables_total,
            bytes: self.bytes.load(Ordering::Relaxed) as f64,
            bytes_total: self.total,
            seconds: self.started.elapsed().as_secs_f64(),
        });
    }
}
