//! The sandbox's life: start, adopt, stop, reset, and the databases on it.

use super::home::{self, Home, failed};
use super::process::{self, Guarded};
use super::toolkit::Toolkit;
use crate::domain::Failure;
use crate::domain::address::{Address, TlsMode, TlsRoots};
use crate::domain::sandbox::SandboxStatus;
use crate::domain::secret::Secret;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The one role on the server, a superuser.
const ROLE: &str = "drydock";
/// Names the socket file; on unix the server listens on no TCP port.
const SOCKET_PORT: u16 = 5432;
/// The role that other people's scripts run as on scratch databases: it owns its database and nothing else,
/// so that a script can neither start programs nor read files of this computer.
const SCRATCH_ROLE: &str = "drydock_scratch";
const SCRATCH_PREFIX: &str = "scratch_";
const START_PATIENCE: Duration = Duration::from_secs(30);

/// A private PostgreSQL server for throwaway databases.
pub struct Sandbox {
    toolkit: Toolkit,
    folder: PathBuf,
    state: Mutex<State>,
    password: std::sync::Mutex<Option<Secret>>,
}

enum State {
    Stopped,
    /// We started it; it ends with us.
    Owned {
        server: Box<Guarded>,
        address: Address,
        /// Held so that a second instance adopts the server instead of starting one on the same data.
        _lock: OwnersLock,
    },
    /// Another instance of the program started it; it ends with that one.
    Adopted {
        address: Address,
    },
}

impl Sandbox {
    /// A sandbox in that folder; nothing is started or written yet.
    pub fn new(toolkit: Toolkit, folder: PathBuf) -> Self {
        Self { toolkit, folder, state: Mutex::new(State::Stopped), password: std::sync::Mutex::new(None) }
    }

    /// Starts the server if it does not run, making its data folder at the first use, and returns the
    /// address of its database `postgres`. A server that another instance started is used as it is.
    pub async fn start(&self) -> Result<Address, Failure> {
        let mut state = self.state.lock().await;
        if let Some(address) = self.running(&mut state).await {
            return Ok(address);
        }
        *state = State::Stopped;
        let home = home::prepare(&self.toolkit, &self.folder)?;
        let Some(lock) = own(&home.root)? else {
            let address = self.adopt(&home).await?;
            *state = State::Adopted { address: address.clone() };
            return Ok(address);
        };
        self.toolkit.verify()?;
        stop_orphan(&home).await?;
        let (server, address) = self.start_or_remake(&home).await?;
        *state = State::Owned { server: Box::new(server), address: address.clone(), _lock: lock };
        self.sweep(&address).await?;
        Ok(address)
    }

    /// The password of the one role; `None` where the private socket is trusted.
    pub fn password(&self) -> Option<Secret> {
        self.password.lock().ok().and_then(|password| password.clone())
    }

    /// Stops the server. One that another instance started is only let go of.
    pub async fn stop(&self) -> Result<(), Failure> {
        let mut state = self.state.lock().await;
        match std::mem::replace(&mut *state, State::Stopped) {
            State::Owned { server, .. } => server.stop().await,
            State::Stopped | State::Adopted { .. } => Ok(()),
        }
    }

    /// Throws all databases away. A server that ran runs again afterwards, empty.
    pub async fn reset(&self) -> Result<(), Failure> {
        let ran = match &*self.state.lock().await {
            State::Adopted { .. } => return Err(in_use()),
            State::Owned { .. } => true,
            State::Stopped => false,
        };
        self.stop().await?;
        let home = home::prepare(&self.toolkit, &self.folder)?;
        let lock = own(&home.root)?.ok_or_else(in_use)?;
        stop_orphan(&home).await?;
        home::remove(&home.data)?;
        drop(lock);
        if ran {
            self.start().await?;
        }
        Ok(())
    }

    /// The state as the operator sees it; starts nothing.
    pub async fn status(&self) -> SandboxStatus {
        let available = self.toolkit.postgres().is_file();
        let mut state = self.state.lock().await;
        let address = self.running(&mut state).await;
        SandboxStatus {
            available,
            problem: (!available).then(|| {
                format!(
                    "The PostgreSQL toolkit for {} is no longer in {}.",
                    super::toolkit::platform(),
                    self.toolkit.root().display()
                )
            }),
            running: address.is_some(),
            version: Some(self.toolkit.server_version()),
            port: address.filter(|address| !address.is_socket()).map(|address| address.port),
            folder: home::location(&self.folder).display().to_string(),
        }
    }

    /// Makes an empty database.
    pub async fn create_database(&self, name: &str) -> Result<Address, Failure> {
        self.create_database_with(name, "").await
    }

    /// Makes an empty database with further words of CREATE DATABASE.
    async fn create_database_with(&self, name: &str, options: &str) -> Result<Address, Failure> {
        let address = self.start().await?;
        let sql = format!("CREATE DATABASE {}{options}", quoted(name));
        self.run(&address, sql, "The database could not be made on the sandbox.").await?;
        Ok(Address { database: name.to_owned(), ..address })
    }

    /// Drops a database and ends the sessions on it; it need not exist.
    pub async fn drop_database(&self, name: &str) -> Result<(), Failure> {
        let address = self.start().await?;
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name));
        self.run(&address, sql, "The database could not be dropped from the sandbox.").await
    }

    /// Makes an empty database of a random name, owned by a role without any other right. Close it when
    /// done; what a crash leaves is swept at the next start.
    pub async fn scratch(&self) -> Result<ScratchDatabase<'_>, Failure> {
        self.scratch_encoded("UTF8").await
    }

    /// As [`Sandbox::scratch`], in an encoding by PostgreSQL's name for it. Texts in any but UTF-8 sort by bytes.
    pub async fn scratch_encoded(&self, encoding: &str) -> Result<ScratchDatabase<'_>, Failure> {
        let name = format!("{SCRATCH_PREFIX}{}", uuid::Uuid::new_v4().simple());
        let options = match encoding {
            "UTF8" => String::new(),
            other => format!(
                " TEMPLATE template0 ENCODING '{}' LOCALE_PROVIDER libc LOCALE 'C'",
                other.replace('\'', "''")
            ),
        };
        let address = self.create_database_with(&name, &options).await?;
        let password =
            self.password().map_or("NULL".to_owned(), |password| format!("'{}'", password.reveal()));
        let sql = format!(
            "DO $$ BEGIN CREATE ROLE {SCRATCH_ROLE} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE; \
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$; \
             ALTER ROLE {SCRATCH_ROLE} PASSWORD {password}; ALTER ROLE {SCRATCH_ROLE} RESET ALL; ALTER DATABASE {} OWNER TO {SCRATCH_ROLE}",
            quoted(&name)
        );
        self.run(&address, sql, "The scratch database could not be handed to its own role.").await?;
        Ok(ScratchDatabase { sandbox: self, address: Address { user: SCRATCH_ROLE.to_owned(), ..address } })
    }

    /// The address of the server that we know of, if it still answers.
    async fn running(&self, state: &mut State) -> Option<Address> {
        let address = match state {
            State::Owned { server, address, .. } => (!server.has_ended()).then(|| address.clone())?,
            State::Adopted { address } => address.clone(),
            State::Stopped => return None,
        };
        let connection = self.connect(&address).await.ok()?;
        let _ = connection.close().await;
        Some(address)
    }

    /// Opens a connection to one of the sandbox's databases.
    pub(super) async fn connect(&self, address: &Address) -> Result<PgConnection, sqlx::Error> {
        let options = PgConnectOptions::new_without_pgpass()
            .port(address.port)
            .username(&address.user)
            .database(&address.database)
            .ssl_mode(PgSslMode::Disable)
            .application_name("drydock sandbox")
            .disable_statement_logging();
        let options =
            if address.is_socket() { options.socket(&address.host) } else { options.host(&address.host) };
        let options = match self.password() {
            Some(password) => options.password(password.reveal()),
            None => options,
        };
        match tokio::time::timeout(Duration::from_secs(5), options.connect()).await {
            Ok(answer) => answer,
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    /// Runs one trusted statement on a connection of its own.
    async fn run(&self, address: &Address, sql: String, what: &str) -> Result<(), Failure> {
        let broken = |error: sqlx::Error| failed(what, error.to_string());
        let mut connection = self.connect(address).await.map_err(broken)?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map_err(broken)?;
        connection.close().await.map_err(broken)
    }

    /// Waits for the server another instance is running, or is just starting.
    async fn adopt(&self, home: &Home) -> Result<Address, Failure> {
        let address = imp::foreign_address(home).ok_or_else(in_use)?;
        let until = Instant::now() + START_PATIENCE;
        loop {
            match self.connect(&address).await {
                Ok(connection) => {
                    let _ = connection.close().await;
                    return Ok(address);
                }
                Err(_) if Instant::now() < until => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(_) => return Err(in_use()),
            }
        }
    }

    /// Starts the server; a data folder that it cannot open is thrown away and made anew, once.
    async fn start_or_remake(&self, home: &Home) -> Result<(Guarded, Address), Failure> {
        let fresh = !has_data(home);
        if fresh {
            initialise(home).await?;
        }
        match self.start_once(home).await {
            Err(_) if !fresh => {
                tracing::warn!(folder = %home.data.display(), "the sandbox's data folder cannot be opened; making it anew");
                initialise(home).await?;
                self.start_once(home).await
            }
            other => other,
        }
    }

    async fn start_once(&self, home: &Home) -> Result<(Guarded, Address), Failure> {
        let (address, password, mut settings) = imp::listen(home).await?;
        if let Ok(mut place) = self.password.lock() {
            *place = password;
        }
        settings.extend(
            [
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
                "shared_buffers=32MB",
                "max_connections=50",
                "max_locks_per_transaction=1024",
                "max_wal_size=1GB",
                "checkpoint_timeout=30min",
                "autovacuum_naptime=10min",
                "log_min_messages=warning",
            ]
            .map(str::to_owned),
        );
        let mut server = process::start(home, &settings)?;
        let until = Instant::now() + START_PATIENCE;
        loop {
            match self.connect(&address).await {
                Ok(connection) => {
                    let _ = connection.close().await;
                    return Ok((server, address));
                }
                Err(_) if !server.has_ended() && Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(25)).await;
                }
                Err(error) => {
                    let _ = server.stop().await;
                    let log = last_lines(&home.log.join("server.log"));
                    return Err(failed(
                        "The sandbox's server did not start.",
                        format!("{error}. Its log ends: {log}"),
                    ));
                }
            }
        }
    }

    /// Drops the scratch databases of an instance that crashed. Only the owner may: no one else runs.
    async fn sweep(&self, address: &Address) -> Result<(), Failure> {
        let broken =
            |error: sqlx::Error| failed("Leftover scratch databases could not be listed.", error.to_string());
        let mut connection = self.connect(address).await.map_err(broken)?;
        let rows = sqlx::query("SELECT datname FROM pg_database WHERE starts_with(datname, $1)")
            .bind(SCRATCH_PREFIX)
            .fetch_all(&mut connection)
            .await
            .map_err(broken)?;
        for row in rows {
            let name: String = row.try_get(0).map_err(broken)?;
            let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&name));
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map_err(broken)?;
        }
        connection.close().await.map_err(broken)
    }
}

/// An empty database of a random name on the sandbox.
pub struct ScratchDatabase<'a> {
    sandbox: &'a Sandbox,
    address: Address,
}

impl ScratchDatabase<'_> {
    /// Its address, as the role that owns it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its address, as the server's superuser. For what runs nothing of other people's.
    pub fn admin_address(&self) -> Address {
        Address { user: ROLE.to_owned(), ..self.address.clone() }
    }

    /// Drops it.
    pub async fn close(self) -> Result<(), Failure> {
        self.sandbox.drop_database(&self.address.database).await
    }
}

/// A name as a quoted identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn in_use() -> Failure {
    Failure::new(crate::domain::FailureCode::SandboxFailed, "The sandbox belongs to another running Drydock.")
        .why("Only one instance may start, stop or reset its server.")
        .unchanged("The other instance and its databases were left alone.")
        .next("Close the other window or command, or do it there.")
}

/// The lock of the one instance that may start and stop the server. The kernel gives it back however we end.
struct OwnersLock(File);

impl Drop for OwnersLock {
    /// Closing would not be enough: a program that is just being started elsewhere in this process holds a
    /// copy of the open file, and with it the lock, until it runs (flock(2)). Without the lock, our own
    /// server would look like another instance's to the next start.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the sandbox's lock is kept until its file is closed everywhere");
        }
    }
}

/// Takes the lock; `None` if another instance has it.
fn own(root: &Path) -> Result<Option<OwnersLock>, Failure> {
    let path = root.join("owner.lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| home::file_failed("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(OwnersLock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(home::file_failed("lock", &path, &error)),
    }
}

fn has_data(home: &Home) -> bool {
    std::fs::read_to_string(home.data.join("PG_VERSION"))
        .is_ok_and(|text| text.trim().parse() == Ok(home.toolkit.major()))
}

/// Makes the data folder beside its place and moves it there, so that a half-made one is never used.
async fn initialise(home: &Home) -> Result<(), Failure> {
    let fresh = home.root.join("data.new");
    home::private_folder(home, &fresh)?;
    let mut command = process::command(&home.toolkit.initdb(), home);
    command.args(["--username", ROLE, "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8"]);
    command.args(["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]);
    command.args(["--no-sync", "--no-instructions"]).arg("-D").arg(&fresh);
    let output = command
        .stderr(std::process::Stdio::piped())
        .output()
        .await
        .map_err(|error| failed("The sandbox's data folder could not be made.", error.to_string()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(failed("The sandbox's data folder could not be made.", format!("initdb: {text}")));
    }
    home::remove(&home.data)?;
    std::fs::rename(&fresh, &home.data).map_err(|error| home::file_failed("create", &home.data, &error))
}

/// Stops a server that outlived its guard, and clears its traces. We hold the owner's lock, so no
/// instance is using it.
async fn stop_orphan(home: &Home) -> Result<(), Failure> {
    imp::stop_orphan(home).await?;
    let pid_file = home.data.join("postmaster.pid");
    match std::fs::remove_file(&pid_file) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(home::file_failed("remove", &pid_file, &error)),
    }
}

fn last_lines(path: &Path) -> String {
    let text =
        std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(4).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}

fn address(host: String, port: u16) -> Address {
    Address {
        host,
        port,
        user: ROLE.to_owned(),
        database: "postgres".to_owned(),
        schema: "public".to_owned(),
        tls: TlsMode::Off,
        roots: TlsRoots::System,
        connect_timeout_seconds: 5,
        says_pooler: false,
        settings: Vec::new(),
    }
}

/// Unix: a socket in a private folder, trusted; no TCP port, no secret.
#[cfg(unix)]
mod imp {
    use super::*;
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use tokio::net::UnixStream;

    pub(super) fn foreign_address(home: &Home) -> Option<Address> {
        Some(address(home.run.display().to_string(), SOCKET_PORT))
    }

    pub(super) async fn listen(home: &Home) -> Result<(Address, Option<Secret>, Vec<String>), Failure> {
        let settings = vec![
            "listen_addresses=".to_owned(),
            format!("port={SOCKET_PORT}"),
            format!("unix_socket_directories={}", quoted(&home.run.display().to_string())),
            "unix_socket_permissions=0700".to_owned(),
        ];
        Ok((address(home.run.display().to_string(), SOCKET_PORT), None, settings))
    }

    /// Whoever listens on the socket in our private folder is our server: the kernel names its process,
    /// so no process id out of a file, which may be someone else's by now, is ever trusted.
    pub(super) async fn stop_orphan(home: &Home) -> Result<(), Failure> {
        let socket = home.run.join(format!(".s.PGSQL.{SOCKET_PORT}"));
        for attempt in 0..200 {
            let Ok(stream) = UnixStream::connect(&socket).await else { return Ok(()) };
            let pid = stream.peer_cred().ok().and_then(|peer| peer.pid()).filter(|pid| *pid > 1);
            drop(stream);
            let Some(pid) = pid else { break };
            let signal = match attempt {
                0 => Some(Signal::SIGINT),
                60 => Some(Signal::SIGQUIT),
                120 => Some(Signal::SIGKILL),
                _ => None,
            };
            if let Some(signal) = signal {
                let _ = kill(Pid::from_raw(pid), signal);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(failed(
            "A server of an earlier session still runs on the sandbox and does not stop.",
            format!("It listens on {}.", socket.display()),
        ))
    }
}

/// Windows: loopback and a password made anew at each start. Another instance cannot know it, so a
/// running server is refused there instead of adopted.
#[cfg(windows)]
mod imp {
    use super::*;
    use std::process::Stdio;
    use tokio::io::AsyncWriteExt;

    pub(super) fn foreign_address(_home: &Home) -> Option<Address> {
        None
    }

    pub(super) async fn listen(home: &Home) -> Result<(Address, Option<Secret>, Vec<String>), Failure> {
        let broken =
            |error: std::io::Error| failed("The sandbox's password could not be set.", error.to_string());
        let password =
            Secret::new(format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()));
        let mut command = process::command(&home.toolkit.postgres(), home);
        let mut single = command
            .arg("--single")
            .arg("-D")
            .arg(&home.data)
            .arg("postgres")
            .stdin(Stdio::piped())
            .spawn()
            .map_err(broken)?;
        if let Some(mut input) = single.stdin.take() {
            let line = format!("ALTER ROLE {ROLE} PASSWORD '{}'\n", password.reveal());
            input.write_all(line.as_bytes()).await.map_err(broken)?;
        }
        if !single.wait().await.map_err(broken)?.success() {
            return Err(failed(
                "The sandbox's password could not be set.",
                "PostgreSQL ended with an error.",
            ));
        }
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .map_err(broken)?
            .port();
        let settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            "unix_socket_directories=".to_owned(),
            "password_encryption=scram-sha-256".to_owned(),
        ];
        Ok((address("127.0.0.1".to_owned(), port), Some(password), settings))
    }

    pub(super) async fn stop_orphan(home: &Home) -> Result<(), Failure> {
        if home.data.join("postmaster.pid").exists() {
            let program = home.toolkit.root().join("bin").join("pg_ctl.exe");
            let mut command = process::command(&program, home);
            let _ =
                command.arg("stop").arg("-D").arg(&home.data).args(["-m", "fast", "-t", "10"]).status().await;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_was_let_go_is_free_although_a_copy_of_its_file_is_open() {
        let place = tempfile::tempdir().unwrap();
        let first = own(place.path()).unwrap().unwrap();
        let copy = first.0.try_clone().unwrap();
        assert!(own(place.path()).unwrap().is_none(), "held by the first");
        drop(first);
        assert!(own(place.path()).unwrap().is_some(), "free, whoever still has the file open");
        drop(copy);
    }
}
