//! Opening a connection: field by field from the `Address`, encrypted as it says, one try only.
//!
//! No URL string is built, `.pgpass` is not read, and PG* variables of the process are overridden. Three
//! of them sqlx reads without a way to take them back (`PGOPTIONS`, `PGSSLCERT`, `PGSSLKEY`); while one is
//! set, connecting is refused with that reason. Programs that start the engine should drop
//! [`FOREIGN_VARIABLES`] first thing.
//!
//! Every session gets `search_path` = the address's schema (as Prisma's own engine does) and
//! `extra_float_digits` = 3 as start-up settings, in one go with the login. A PgBouncer refuses such
//! settings; that refusal names the pooler and is wanted.

use super::failure::{failure, scrub};
use crate::adapters::ssh::Local;
use crate::domain::{
    Failure, FailureCode,
    address::{Address, TlsMode, TlsRoots},
    secret::Secret,
};
use sqlx::{
    ConnectOptions, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use std::time::Duration;

/// Variables of the process that would change a connection behind the operator's back and that sqlx
/// gives no way to override.
pub const FOREIGN_VARIABLES: [&str; 3] = ["PGOPTIONS", "PGSSLCERT", "PGSSLKEY"];

/// Which start-up settings a session gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settings {
    /// `search_path`, `extra_float_digits` and the address's own.
    Full,
    /// The same, and a time limit for each statement in milliseconds.
    Reading(u32),
    /// None but the address's own: every pooler takes that. For the doctor.
    Bare,
}

/// A way to a database: what the address says, and the local end of a tunnel where one leads there.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// The address, as the server's side sees it.
    pub address: &'a Address,
    /// Password.
    pub password: Option<&'a Secret>,
    /// The tunnel; `None`: straight from this computer.
    pub through: Option<Through<'a>>,
}

/// A tunnel on the way.
#[derive(Debug, Clone, Copy)]
pub struct Through<'a> {
    /// Its local end.
    pub local: &'a Local,
    /// The SSH host, as the operator named it.
    pub host: &'a str,
}

impl<'a> Way<'a> {
    /// Straight from this computer.
    pub fn direct(address: &'a Address, password: Option<&'a Secret>) -> Self {
        Self { address, password, through: None }
    }

    /// Where it leads, as an identity records it.
    pub fn place(&self) -> String {
        place(self.address, self.through.map(|through| through.host))
    }
}

/// `host:port`, IPv6 addresses in brackets, and the SSH host from which that is seen.
pub fn place(address: &Address, ssh_host: Option<&str>) -> String {
    let (host, port) = (&address.host, address.port);
    let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    match ssh_host {
        Some(ssh_host) => format!("{place} seen from {ssh_host}"),
        None => place,
    }
}

/// Opens a connection. One try; a wrong password is never tried twice, a refused encryption never
/// answered by going on in plain text. Limited to the address's `connect_timeout_seconds`.
/// Fails with the codes DRY-1101 to DRY-1110.
pub async fn connect(way: Way<'_>, application_name: &str) -> Result<PgConnection, Failure> {
    connect_with(way, application_name, if way.address.says_pooler { Settings::Bare } else { Settings::Full })
        .await
}

/// [`connect`] for a session that only reads: each statement ends after `limit_ms`.
pub async fn connect_reading(
    way: Way<'_>,
    application_name: &str,
    limit_ms: u32,
) -> Result<PgConnection, Failure> {
    let settings = if way.address.says_pooler { Settings::Bare } else { Settings::Reading(limit_ms) };
    connect_with(way, application_name, settings).await
}

/// [`connect`] with a choice of start-up settings.
pub(super) async fn connect_with(
    way: Way<'_>,
    application_name: &str,
    settings: Settings,
) -> Result<PgConnection, Failure> {
    let options = options(way, application_name, settings).await?;
    let limit = Duration::from_secs(u64::from(way.address.connect_timeout_seconds.clamp(1, 60)));
    match tokio::time::timeout(limit, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(scrub(failure(&error), way.password, way.address)),
        Err(_) => Err(Failure::new(
            FailureCode::Unreachable,
            format!("The server did not let us in within {} s.", limit.as_secs()),
        )
        .unchanged("Nothing was written.")
        .next("Test the connection: the doctor says which hop does not answer.")),
    }
}

async fn options(
    way: Way<'_>,
    application_name: &str,
    settings: Settings,
) -> Result<PgConnectOptions, Failure> {
    refuse_foreign_variables()?;
    let Way { address, password, through } = way;
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&address.host)
        .port(address.port)
        .username(&address.user)
        .database(&address.database)
        // Always set, so that PGPASSWORD of the process is never used.
        .password(password.map(Secret::reveal).unwrap_or_default())
        .application_name(application_name)
        .ssl_mode(if address.is_socket() { PgSslMode::Disable } else { ssl_mode(address.tls) })
        // Always set, so that PGSSLROOTCERT of the process is never used.
        .ssl_root_cert_from_pem(roots(address).await?)
        .extra_float_digits(None)
        .statement_cache_capacity(if address.says_pooler { 0 } else { 64 })
        .disable_statement_logging();
    let own = |name: &str| address.settings.iter().any(|(key, _)| key == name);
    if settings != Settings::Bare {
        if !own("search_path") {
            options = options.options([("search_path", quote_identifier(&address.schema))]);
        }
        if !own("extra_float_digits") {
            options = options.options([("extra_float_digits", "3")]);
        }
    }
    options = match through.map(|through| through.local) {
        None => options,
        // The host stays the database's own name: its certificate is checked against that.
        #[cfg(unix)]
        Some(Local::Socket { folder, port }) => options.socket(folder).port(*port),
        Some(Local::Loopback { port }) => loopback(options, address, *port)?,
    };
    if !address.settings.is_empty() {
        options = options.options(address.settings.iter().map(|(key, value)| (key, value)));
    }
    if let Settings::Reading(limit_ms) = settings {
        // Last, so that it holds whatever the address asks for.
        options = options.options([("statement_timeout", limit_ms.to_string())]);
    }
    Ok(options)
}

/// A tunnel that ends on a port of this computer. The driver checks a certificate against the name that it
/// connects to, which is not the database's here: an address that asks for that check is refused.
fn loopback(options: PgConnectOptions, address: &Address, port: u16) -> Result<PgConnectOptions, Failure> {
    if address.tls == TlsMode::VerifyFull {
        return Err(Failure::new(
            FailureCode::Tls,
            "Through a tunnel on this system, the database's certificate cannot be checked against its name yet.",
        )
        .unchanged("No connection was made.")
        .next("Choose `issuer only` in the address: the tunnel itself is encrypted, and its host is checked."));
    }
    Ok(options.host("127.0.0.1").port(port))
}

fn ssl_mode(tls: TlsMode) -> PgSslMode {
    match tls {
        TlsMode::Off => PgSslMode::Disable,
        TlsMode::Unchecked => PgSslMode::Require,
        TlsMode::VerifyCa => PgSslMode::VerifyCa,
        TlsMode::VerifyFull => PgSslMode::VerifyFull,
    }
}

/// PEM of the extra roots; empty where the system's are meant or nothing is checked.
async fn roots(address: &Address) -> Result<Vec<u8>, Failure> {
    if address.is_socket() || matches!(address.tls, TlsMode::Off | TlsMode::Unchecked) {
        return Ok(Vec::new());
    }
    match &address.roots {
        TlsRoots::System => Ok(Vec::new()),
        TlsRoots::Pasted { pem } => Ok(pem.clone().into_bytes()),
        TlsRoots::File { path } => read_roots(path).await,
    }
}

/// Reads a root certificate's file; at most 1 MiB.
pub(super) async fn read_roots(path: &str) -> Result<Vec<u8>, Failure> {
    use tokio::io::AsyncReadExt;
    let problem = |why: String| {
        Failure::new(FailureCode::Tls, "The trusted root certificate's file cannot be read.")
            .why(why)
            .unchanged("No connection was made.")
            .next("Choose the file again.")
    };
    let file = tokio::fs::File::open(path).await.map_err(|error| problem(format!("{path}: {error}")))?;
    let mut text = Vec::new();
    file.take(1024 * 1024)
        .read_to_end(&mut text)
        .await
        .map_err(|error| problem(format!("{path}: {error}")))?;
    Ok(text)
}

fn refuse_foreign_variables() -> Result<(), Failure> {
    match FOREIGN_VARIABLES.iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
    {
        None => Ok(()),
        Some(name) => Err(Failure::new(
            FailureCode::AddressInvalid,
            format!(
                "The variable {name} is set where Drydock was started, and would change every connection."
            ),
        )
        .unchanged("No connection was made.")
        .next(format!(
            "Unset {name} and start Drydock again; put what it says into the environment's address."
        ))),
    }
}

/// A name in double quotes, safe in a statement or setting.
pub(super) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
