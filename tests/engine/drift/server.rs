//! Private servers for these tests: one of each major a test run, in a temporary folder, reached by socket only.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// How long the compared server may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server that ends with the value.
pub struct Server {
    folder: tempfile::TempDir,
    binaries: PathBuf,
    major: u16,
}

impl Server {
    /// Starts the server of a major.
    pub fn start(major: u16) -> Self {
        let binaries = binaries(major).unwrap_or_else(|| {
            panic!("no PostgreSQL {major} found: run scripts/toolkit, or set DRYDOCK_TEST_POSTGRES_{major} to its bin folder")
        });
        let folder = tempfile::Builder::new().prefix("drydock-drift-").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let server = Self { folder, binaries, major };
        server.run(
            "initdb",
            &["-D", &server.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
        );
        let options = format!(
            "-k {} -c listen_addresses= -c fsync=off -c port={major}00 -c max_connections=30",
            server.folder.path().display()
        );
        let log = format!("{}/log", server.folder.path().display());
        server.run("pg_ctl", &["-D", &server.data(), "-w", "-o", &options, "-l", &log, "start"]);
        server
    }

    /// A connection to a new, empty database.
    pub async fn database(&self) -> PgConnection {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut admin = self.connect("postgres").await;
        run(&mut admin, &format!("CREATE DATABASE {name}")).await;
        admin.close().await.unwrap();
        self.connect(&name).await
    }

    async fn connect(&self, database: &str) -> PgConnection {
        PgConnectOptions::new_without_pgpass()
            .socket(self.folder.path())
            .port(self.major * 100)
            .username("postgres")
            .database(database)
            .connect()
            .await
            .unwrap()
    }

    fn data(&self) -> String {
        format!("{}/data", self.folder.path().display())
    }

    /// Runs a program of the server, never as root: PostgreSQL refuses that.
    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.binaries.join(program);
        let mut command = if nix::unistd::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let status = command.args(arguments).current_dir("/").stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{arguments:?} of PostgreSQL {} failed", self.major);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }
}

/// Where the programs of a major are.
fn binaries(major: u16) -> Option<PathBuf> {
    let named = std::env::var(format!("DRYDOCK_TEST_POSTGRES_{major}")).ok().map(PathBuf::from);
    let debian = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"));
    let toolkit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/toolkit/linux-x64/bin");
    let candidates = [named, Some(debian), (major == 18).then_some(toolkit)];
    candidates.into_iter().flatten().find(|folder| folder.join("initdb").exists())
}

/// Runs SQL that has to work.
pub async fn run(connection: &mut PgConnection, sql: &str) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await {
        panic!("{error}\nin: {}", &sql[..sql.len().min(400)]);
    }
}
