//! PostgreSQL servers: Debian's 15 and the toolkit's 18, with password, on a free loopback port.

use crate::parts::{self, Own, as_server_user, give, guard, run, server_folder, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The distribution's PostgreSQL 15.
    Debian15,
    /// The bundled toolkit's PostgreSQL 18.
    Toolkit18,
}

impl Version {
    fn programs(self) -> PathBuf {
        let folder = match self {
            Self::Debian15 => PathBuf::from("/usr/lib/postgresql/15/bin"),
            Self::Toolkit18 => toolkit().join("bin"),
        };
        assert!(
            folder.join("initdb").exists(),
            "{self:?} is not installed: {} has no initdb. scripts/test installs it",
            folder.display()
        );
        folder
    }

    /// One initialised data folder a process and version; servers start on copies of it.
    fn template(self) -> &'static Path {
        static TEMPLATES: [OnceLock<tempfile::TempDir>; 2] = [OnceLock::new(), OnceLock::new()];
        let place = match self {
            Self::Debian15 => 0,
            Self::Toolkit18 => 1,
        };
        TEMPLATES[place]
            .get_or_init(|| {
                parts::sweep("template");
                let folder = server_folder("template");
                let secret = folder.path().join("password");
                std::fs::write(&secret, PASSWORD)
                    .unwrap_or_else(|error| panic!("cannot write a password: {error}"));
                give(&secret);
                run(
                    "initdb",
                    as_server_user(self.programs().join("initdb"))
                        .args([
                            "-U",
                            USER,
                            "-A",
                            "scram-sha-256",
                            "--no-sync",
                            "-E",
                            "UTF8",
                            "--locale=C.UTF-8",
                        ])
                        .arg("--pwfile")
                        .arg(&secret)
                        .arg("-D")
                        .arg(folder.path().join("data")),
                );
                folder
            })
            .path()
    }
}

const USER: &str = "owner";
const PASSWORD: &str = "lab password: 100% 'odd' @/\\";

/// The toolkit in a place that the server's user can read.
fn toolkit() -> PathBuf {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE
        .get_or_init(|| {
            let processor = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
            let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
            let place = std::env::var_os("DRYDOCK_TOOLKIT").map(PathBuf::from).unwrap_or_else(|| {
                parts::repository().join("target/toolkit").join(format!("{system}-{processor}"))
            });
            assert!(
                place.join("bin/postgres").exists(),
                "no toolkit at {}; run scripts/toolkit",
                place.display()
            );
            let readable = as_server_user("test").arg("-x").arg(place.join("bin/postgres")).status();
            if readable.is_ok_and(|status| status.success()) {
                return place;
            }
            parts::sweep("toolkit");
            let copy = std::env::temp_dir().join(format!("drydock-lab-toolkit-{}-", std::process::id()));
            run("copying the toolkit", Command::new("cp").arg("-a").arg(&place).arg(&copy));
            copy
        })
        .clone()
}

/// Encryption of a lab server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// None.
    Off,
    /// A certificate for `localhost` and 127.0.0.1.
    On,
    /// A certificate for another name.
    WrongName,
}

/// A running server of one test.
pub struct Postgres {
    server: Option<Own>,
    version: Version,
    folder: tempfile::TempDir,
    port: u16,
    tls: Tls,
    authority: Option<Authority>,
}

impl Postgres {
    /// Starts a server without encryption.
    pub fn start(version: Version) -> Self {
        Self::start_with(version, Tls::Off, &[])
    }

    /// Starts a server with encryption as told and further settings (`name=value`).
    pub fn start_with(version: Version, tls: Tls, settings: &[&str]) -> Self {
        let folder = server_folder("pg");
        let data = folder.path().join("data");
        run(
            "copying the template",
            as_server_user("cp").arg("-a").arg(version.template().join("data")).arg(&data),
        );
        let authority = (tls != Tls::Off).then(Authority::new);
        if let Some(authority) = &authority {
            let name = if tls == Tls::WrongName { "elsewhere.example.com" } else { "localhost" };
            authority.issue(name, &data);
        }
        let mut settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        if tls != Tls::Off {
            settings
                .extend(["ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key"].map(str::to_owned));
        }
        std::fs::write(folder.path().join("settings"), settings.join("\n"))
            .unwrap_or_else(|error| panic!("cannot keep the settings: {error}"));
        let mut postgres = Self { server: None, version, folder, port: parts::free_port(), tls, authority };
        postgres.resume();
        postgres
    }

    /// Starts the stopped server again, on the same port and data.
    pub fn resume(&mut self) {
        let folder = self.folder.path();
        let log = folder.join("log");
        let sink = std::fs::File::create(&log).unwrap_or_else(|error| panic!("no log: {error}"));
        let mut command = as_server_user("/bin/sh");
        guard(&mut command, "INT", self.version.programs().join("postgres"));
        command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder).arg("-p").arg(self.port.to_string());
        for setting in
            ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=60", "max_locks_per_transaction=512"]
        {
            command.arg("-c").arg(setting);
        }
        for setting in std::fs::read_to_string(folder.join("settings")).unwrap_or_default().lines() {
            command.arg("-c").arg(setting);
        }
        let copy = sink.try_clone().unwrap_or_else(|error| panic!("no log: {error}"));
        command.stdout(sink).stderr(Stdio::from(copy));
        let mut server = Own::start("PostgreSQL", &mut command);
        wait_until(
            Duration::from_secs(30),
            || {
                assert!(
                    !server.has_ended(),
                    "PostgreSQL ended: {}",
                    std::fs::read_to_string(&log).unwrap_or_default()
                );
                std::fs::read_to_string(folder.join("data/postmaster.pid"))
                    .is_ok_and(|text| text.lines().nth(7).is_some_and(|state| state.trim() == "ready"))
            },
            || format!("PostgreSQL is not ready: {}", std::fs::read_to_string(&log).unwrap_or_default()),
        );
        self.server = Some(server);
    }

    /// Stops the server; its data stays until the test ends.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Ends the server at once, without a checkpoint; the next start has to recover.
    pub fn crash(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGQUIT);
        }
        self.server = None;
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's name.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The superuser's password; it holds characters that URLs and files must escape.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// The server's process id while it runs.
    pub fn pid(&self) -> Option<i32> {
        let text = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The authority that signed the server's certificate.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// The superuser's address of a database, with password.
    pub fn url(&self, database: &str) -> String {
        self.url_as(USER, PASSWORD, database)
    }

    /// Another user's address of a database.
    pub fn url_as(&self, user: &str, password: &str, database: &str) -> String {
        let mode = if self.tls == Tls::Off { "disable" } else { "require" };
        let host = if self.tls == Tls::Off { "127.0.0.1" } else { "localhost" };
        format!(
            "postgresql://{}:{}@{host}:{}/{}?sslmode={mode}",
            escape(user),
            escape(password),
            self.port,
            escape(database)
        )
    }

    /// Makes an empty database and returns its address.
    pub async fn create_database(&self, name: &str) -> String {
        self.execute("postgres", &format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""))).await;
        self.url(name)
    }

    /// Makes a role that can log in and read everything in that database's schema `public`, nothing
    /// more, and returns its address.
    pub async fn create_reader(&self, database: &str, name: &str) -> String {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        self.execute(
            database,
            &format!(
                "CREATE ROLE {quoted} LOGIN PASSWORD 'reader'; GRANT USAGE ON SCHEMA public TO {quoted}; \
                 GRANT SELECT ON ALL TABLES IN SCHEMA public TO {quoted}; \
                 ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {quoted}"
            ),
        )
        .await;
        self.url_as(name, "reader", database)
    }

    /// Runs a script as the superuser.
    pub async fn execute(&self, database: &str, script: &str) {
        let mut connection = self.connect(database).await;
        sqlx::raw_sql(AssertSqlSafe(script.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap_or_else(|error| panic!("the lab's script failed: {error}\n{script}"));
        let _ = connection.close().await;
    }

    /// Opens a connection as the superuser.
    pub async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.url(database))
            .await
            .unwrap_or_else(|error| panic!("the lab's server does not let us in: {error}"))
    }
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// A certificate authority of one test, made by openssl.
pub struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    /// A new authority.
    #[expect(
        clippy::new_without_default,
        reason = "it makes keys and files; nothing about that is a default"
    )]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        run(
            "openssl (authority)",
            Command::new("openssl")
                .current_dir(folder.path())
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                    "-days",
                    "2",
                ])
                .args(["-subj", "/CN=Drydock lab", "-keyout", "ca.key", "-out", "ca.crt"])
                .args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]),
        );
        Self { folder }
    }

    /// Its certificate's file (PEM).
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// Puts `server.crt` and `server.key` for that name (and 127.0.0.1 if it is localhost) into a folder.
    pub fn issue(&self, name: &str, into: &Path) {
        let alternatives =
            if name == "localhost" { "DNS:localhost,IP:127.0.0.1".to_owned() } else { format!("DNS:{name}") };
        let extensions = self.folder.path().join("extensions");
        std::fs::write(&extensions, format!("subjectAltName={alternatives}\nextendedKeyUsage=serverAuth\n"))
            .unwrap_or_else(|error| panic!("cannot write extensions: {error}"));
        run(
            "openssl (request)",
            Command::new("openssl")
                .current_dir(self.folder.path())
                .args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
                .args(["-subj", &format!("/CN={name}"), "-keyout", "server.key", "-out", "server.csr"]),
        );
        run(
            "openssl (certificate)",
            Command::new("openssl")
                .current_dir(self.folder.path())
                .args([
                    "x509",
                    "-req",
                    "-in",
                    "server.csr",
                    "-CA",
                    "ca.crt",
                    "-CAkey",
                    "ca.key",
                    "-CAcreateserial",
                ])
                .args(["-days", "2", "-extfile", "extensions", "-out", "server.crt"]),
        );
        for name in ["server.crt", "server.key"] {
            let target = into.join(name);
            std::fs::copy(self.folder.path().join(name), &target)
                .unwrap_or_else(|error| panic!("cannot place {name}: {error}"));
            std::fs::set_permissions(&target, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .unwrap_or_else(|error| panic!("cannot close {name}: {error}"));
            give(&target);
        }
    }
}
