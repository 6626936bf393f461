//! The sessions a run works with: one that holds the migration lock and runs scripts, one that watches,
//! cancels and keeps books. The lock sits on the session that works: after a kill of the console it
//! stays held for as long as the server is still at work.

use crate::adapters::dumps::schema_dump;
use crate::adapters::postgres::connect::{self, Through, Way};
use crate::adapters::postgres::doctor::keeps_sessions;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::ledger::LOCK_KEY;
use crate::adapters::postgres::observe::{self, SessionState};
use crate::adapters::postgres::script::{self, send};
use crate::adapters::postgres::words::identifier;
use crate::adapters::sandbox::Toolkit;
use crate::adapters::ssh::{Lines, Secrets, Tunnel};
use crate::domain::address::Address;
use crate::domain::run::Blocker;
use crate::domain::secret::Secret;
use crate::domain::ssh::{SshAccess, SshTarget};
use crate::domain::{Failure, FailureCode};
use sqlx::Row;
use sqlx::postgres::PgConnection;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the server may take to answer what is answered at once on a line that is not dead.
pub const LINE_PATIENCE: Duration = Duration::from_secs(20);
/// How much longer than the server's own limit we wait for its answer before the line counts as dead.
const BEYOND_THE_LIMIT: Duration = Duration::from_secs(5);

/// How to open sessions on a target.
#[derive(Clone, Debug)]
pub struct Connector {
    /// Direct or session address.
    pub address: Address,
    /// Password.
    pub password: Option<Secret>,
    /// What a read may take, milliseconds; a guard rule.
    pub check_timeout_ms: u32,
    /// The line to go through; `None`: straight from this computer.
    pub route: Option<Route>,
}

/// A line to an SSH host, with what is needed to open it.
#[derive(Clone)]
pub struct Route {
    /// The console's lines.
    pub lines: Arc<Lines>,
    /// The host and the login there.
    pub access: SshAccess,
    /// Secrets of the login.
    pub secrets: Secrets,
}

impl Route {
    /// A tunnel to where the address leads, seen from the SSH host.
    ///
    /// # Errors
    /// When the line cannot be opened.
    pub async fn tunnel(&self, address: &Address) -> Result<Arc<Tunnel>, Failure> {
        self.lines.tunnel(&self.access, &self.secrets, &ssh_target(address)).await
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("access", &self.access).finish_non_exhaustive()
    }
}

async fn open(way: Way<'_>, application: &str, limit_ms: Option<u32>) -> Result<PgConnection, Failure> {
    match limit_ms {
        Some(limit) => connect::connect_reading(way, application, limit).await,
        None => connect::connect(way, application).await,
    }
}

/// What a tunnel has to lead to for an address.
pub fn ssh_target(address: &Address) -> SshTarget {
    if address.is_socket() {
        let folder = address.host.trim_end_matches('/');
        SshTarget::Socket { path: format!("{folder}/.s.PGSQL.{}", address.port) }
    } else {
        SshTarget::Tcp { host: address.host.clone(), port: address.port }
    }
}

impl Connector {
    /// Opens a session.
    ///
    /// # Errors
    /// The failure of the first hop that does not work.
    pub async fn open(&self, application: &str) -> Result<PgConnection, Failure> {
        self.open_within(application, None).await
    }

    /// Opens a session that only reads: the server ends each of its statements after the time a check may
    /// take. Its answers are awaited with [`Connector::read`].
    ///
    /// # Errors
    /// The failure of the first hop that does not work.
    pub async fn open_reading(&self, application: &str) -> Result<PgConnection, Failure> {
        self.open_within(application, Some(self.check_timeout_ms)).await
    }

    /// The schema as SQL text, read out by the toolkit's `pg_dump`.
    ///
    /// # Errors
    /// When the target cannot be reached or its schema not be read.
    pub async fn dump_schema(&self, toolkit: &Toolkit, schema: &str) -> Result<String, Failure> {
        let schemas = [schema.to_owned()];
        self.with_client(async |way| schema_dump(toolkit, way, &schemas).await).await
    }

    /// Does something with a client program of PostgreSQL, which needs a way that libpq can go.
    ///
    /// # Errors
    /// When the target cannot be reached, or what `work` answers.
    pub async fn with_client<T>(
        &self,
        work: impl AsyncFnOnce(Way<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let way = Way::direct(&self.address, self.password.as_ref());
        let Some(route) = &self.route else { return work(way).await };
        // libpq encrypts nothing on a socket, so a port is needed; it is closed when the program has ended.
        let target = ssh_target(&self.address);
        let tunnel = route.lines.tunnel_on_loopback(&route.access, &route.secrets, &target).await?;
        let through = Through { local: tunnel.local(), host: &route.access.host };
        let worked = work(Way { through: Some(through), ..way }).await;
        worked.map_err(|failure| tunnel.refused().unwrap_or(failure))
    }

    /// Whether sessions are kept from one transaction to the next.
    ///
    /// # Errors
    /// [`FailureCode::TransactionPooler`], or the failure of the first hop that does not work.
    pub async fn keeps_sessions(&self) -> Result<(), Failure> {
        self.along(async |way| keeps_sessions(way).await).await
    }

    async fn open_within(&self, application: &str, limit_ms: Option<u32>) -> Result<PgConnection, Failure> {
        self.along(async |way| open(way, application, limit_ms).await).await
    }

    /// Does something with the way to the target, through its tunnel where it has one.
    async fn along<T>(&self, work: impl AsyncFnOnce(Way<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        let way = Way::direct(&self.address, self.password.as_ref());
        let Some(route) = &self.route else { return work(way).await };
        let tunnel = route.tunnel(&self.address).await?;
        let through = Through { local: tunnel.local(), host: &route.access.host };
        let worked = work(Way { through: Some(through), ..way }).await;
        // The driver only sees the connection end; the tunnel knows why.
        worked.map_err(|failure| tunnel.refused().unwrap_or(failure))
    }

    /// The answer to one reading message, or a lost line where neither answer nor time-out comes.
    ///
    /// # Errors
    /// The server's error, or an I/O error of kind `ConnectionAborted`.
    pub async fn read<T>(
        &self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        script::in_time(self.patience(), answer).await
    }

    /// How long [`Connector::read`] waits.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(u64::from(self.check_timeout_ms)) + BEYOND_THE_LIMIT
    }

    /// Where it leads, as the identity records it.
    pub fn place(&self) -> String {
        connect::place(&self.address, self.route.as_ref().map(|route| route.access.host.as_str()))
    }
}

/// A session with its server-side process id.
pub struct Session {
    /// The connection.
    pub connection: PgConnection,
    /// Backend process id.
    pub pid: i32,
    /// Its application name, by which it is found again.
    pub application: String,
}

impl Session {
    /// Opens the session that works: it holds locks, so the server is told to end it when it rests for long.
    ///
    /// # Errors
    /// As [`Connector::open`].
    pub async fn open(connector: &Connector, application: String) -> Result<Self, Failure> {
        let connection = connector.open(&application).await?;
        let limits = format!("{};", script::orphan_limits_sql(connection.server_version_num()));
        Self::begin(connector, connection, application, &limits).await
    }

    /// Opens the session that watches: it holds nothing, and rests for as long as the other one needs no help.
    ///
    /// # Errors
    /// As [`Connector::open`].
    pub async fn open_watching(connector: &Connector, application: String) -> Result<Self, Failure> {
        let connection = connector.open(&application).await?;
        Self::begin(connector, connection, application, "").await
    }

    /// Gives it the schema's search path, as Prisma's engine does.
    async fn begin(
        connector: &Connector,
        mut connection: PgConnection,
        application: String,
        limits: &str,
    ) -> Result<Self, Failure> {
        let sql = format!(
            "{limits}SET search_path = {}; SELECT pg_catalog.pg_backend_pid()::text",
            identifier(&connector.address.schema)
        );
        let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await
            .map_err(|error| failure(&error))?;
        let pid = row.try_get::<String, _>(0).ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
            Failure::new(FailureCode::ServerUnsupported, "The server did not tell the number of the session.")
        })?;
        Ok(Self { connection, pid, application })
    }

    /// Takes the migration lock, waiting up to `patience`; tells who holds it while waiting.
    ///
    /// # Errors
    /// [`FailureCode::MigrationLock`] when it stays taken, [`FailureCode::Cancelled`].
    pub async fn lock(
        &mut self,
        patience: Duration,
        cancelled: &(dyn Fn() -> bool + Sync),
        waiting: &mut (dyn FnMut(Vec<Blocker>) + Send),
    ) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            let sql = format!("SELECT pg_catalog.pg_try_advisory_lock({LOCK_KEY})::text");
            let asked = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_one(&mut self.connection);
            let row = script::in_time(LINE_PATIENCE, asked).await.map_err(|error| failure(&error))?;
            if row.try_get::<String, _>(0).is_ok_and(|text| text == "true") {
                return Ok(());
            }
            let facts = script::in_time(LINE_PATIENCE, observe::facts(&mut self.connection, "public"))
                .await
                .map_err(|error| failure(&error))?;
            let holders: Vec<Blocker> = facts
                .lock_holders
                .iter()
                .map(|holder| Blocker {
                    pid: holder.pid,
                    application: holder.application.clone(),
                    user: holder.user.clone(),
                    state: "holds the migration lock".to_owned(),
                    seconds: holder.seconds.unwrap_or(0.0),
                    relation: None,
                })
                .collect();
            if start.elapsed() >= patience {
                let who = holders.first().map_or_else(String::new, |holder| {
                    format!(
                        " Session {} ({}) holds it.",
                        holder.pid,
                        if holder.application.is_empty() { &holder.user } else { &holder.application }
                    )
                });
                return Err(Failure::new(
                    FailureCode::MigrationLock,
                    format!(
                        "Another tool is migrating this database: its lock did not come free within {} s.",
                        patience.as_secs()
                    ),
                )
                .why(format!(
                    "Prisma and Drydock use the same lock, so that they never work at the same time.{who}"
                ))
                .unchanged("Nothing was written.")
                .next("Wait until it is done, then try again."));
            }
            if cancelled() {
                return Err(Failure::new(
                    FailureCode::Cancelled,
                    "Cancelled while waiting for the migration lock.",
                )
                .unchanged("Nothing was written."));
            }
            waiting(holders);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Puts back what a script may have changed in the session, without letting go of the lock.
    ///
    /// # Errors
    /// The server's error.
    pub async fn reset(&mut self, schema: &str) -> Result<bool, sqlx::Error> {
        // In one message: a line that dies in between must not leave the lock with a session that rests for ever.
        let fresh = script::fresh_settings_sql(schema, self.connection.server_version_num());
        send(&mut self.connection, fresh).await?;
        for sql in ["DEALLOCATE ALL", "CLOSE ALL", "UNLISTEN *", "DISCARD TEMP", "DISCARD SEQUENCES"] {
            send(&mut self.connection, sql.to_owned()).await?;
        }
        let sql = format!("SELECT pg_catalog.pg_try_advisory_lock({LOCK_KEY})::text");
        let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_one(&mut self.connection).await?;
        Ok(row.try_get::<String, _>(0)? == "true")
    }

    /// Ends the session.
    pub async fn close(self) {
        use sqlx::Connection;
        let _ = tokio::time::timeout(Duration::from_secs(2), self.connection.close()).await;
    }
}

/// Asks the server to stop what a session does.
///
/// # Errors
/// The server's error.
pub async fn cancel_session(connection: &mut PgConnection, pid: i32) -> Result<(), sqlx::Error> {
    send(connection, format!("SELECT pg_catalog.pg_cancel_backend({pid})")).await
}

/// Waits until a session of ours whose line was lost is gone; `None` if it is still at work. One that rests
/// is ended: its work is done, nobody listens to it any more, and its locks would stay.
///
/// # Errors
/// The server's error.
pub async fn wait_gone(
    connection: &mut PgConnection,
    pid: i32,
    application: &str,
    patience: Duration,
) -> Result<Option<()>, sqlx::Error> {
    let start = Instant::now();
    loop {
        match observe::session(connection, pid, application).await? {
            None => return Ok(Some(())),
            Some(_) if start.elapsed() > patience => return Ok(None),
            Some(SessionState { state, .. }) if state.starts_with("idle") => {
                observe::end_resting(connection, pid, application).await?;
            }
            Some(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
