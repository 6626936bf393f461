//! Measures what a line costs, all ways in one run on loopback: `SELECT 1` and COPY in both directions
//! through the built-in SSH and the operator's own, against a plain `ssh -L`.
//!
//! `scripts/bench tunnel` runs it. `DRYDOCK_REPETITIONS` sets how often each way is measured (3; the
//! median counts).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement stops at the first surprise"
)]

use drydock_engine::adapters::ssh::{self, Local, Places, Secrets};
use drydock_engine::domain::ssh::{SshAccess, SshImplementation, SshLogin, SshTarget};
use drydock_lab::{Postgres, SshServer, Version};
use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const QUESTIONS: usize = 1_000;
const ROWS: usize = 200_000;

#[tokio::main]
async fn main() {
    let database = Postgres::start(Version::Debian15);
    let server = SshServer::start();
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known_hosts");
    std::fs::write(&known, format!("{} {}\n", server.known_name(), server.host_public_key())).unwrap();
    let mut report = format!("{} repetitions each, medians; loopback.\n\n", repetitions());
    let plain = Plain::start(&server, &database, folder.path(), &known);
    let base = measure(&database, folder.path(), "ssh -L", &mut report).await;
    drop(plain);
    for (name, implementation) in
        [("own ssh", SshImplementation::Openssh), ("built in", SshImplementation::Russh)]
    {
        let places = Places {
            config: Vec::new(),
            known_hosts: vec![known.clone()],
            system_known_hosts: Vec::new(),
            agent: None,
            ..Places::of_this_user()
        };
        let line =
            ssh::connect(&access(&server, implementation), &Secrets::none(), &places, &mut |_| {}).await;
        let line = line.unwrap();
        let target = SshTarget::Tcp { host: "127.0.0.1".to_owned(), port: database.port() };
        let tunnel = line.tunnel(target).await.unwrap();
        let Local::Socket { folder, .. } = tunnel.local() else { panic!("a socket on Unix") };
        let found = measure(&database, folder, name, &mut report).await;
        for (what, ours, theirs) in [
            ("SELECT 1", found.question, base.question),
            ("COPY TO", found.out, base.out),
            ("COPY FROM", found.into, base.into),
        ] {
            let line = format!("{name} / ssh -L, {what:<10} time {:>6.2} x", ours / theirs);
            println!("{line}");
            let _ = writeln!(report, "{line}");
        }
        line.close().await;
    }
    let reports = drydock_lab::repository().join("target/reports");
    std::fs::create_dir_all(&reports).unwrap();
    std::fs::write(reports.join("bench-tunnel.txt"), report).unwrap();
}

fn access(server: &SshServer, implementation: SshImplementation) -> SshAccess {
    SshAccess {
        host: server.address().to_owned(),
        port: Some(server.port()),
        user: Some(server.user().to_owned()),
        implementation,
        login: SshLogin::KeyFile { path: server.key().display().to_string(), passphrase: None },
        jumps: Vec::new(),
        pins: Vec::new(),
    }
}

/// Seconds for one question, for the table out, and for the table in.
struct Found {
    question: f64,
    out: f64,
    into: f64,
}

async fn measure(database: &Postgres, socket: &Path, name: &str, report: &mut String) -> Found {
    let mut connection = connect(database, socket).await;
    let (mut question, mut out, mut into) = (Vec::new(), Vec::new(), Vec::new());
    sqlx::query("CREATE TEMP TABLE t (v text)").execute(&mut connection).await.unwrap();
    for _ in 0..repetitions() {
        let mut times = Vec::with_capacity(QUESTIONS);
        for _ in 0..QUESTIONS {
            let started = Instant::now();
            sqlx::query("SELECT 1").execute(&mut connection).await.unwrap();
            times.push(started.elapsed().as_secs_f64());
        }
        question.push(median(times));
        let started = Instant::now();
        let mut bytes = 0;
        let copy = format!("COPY (SELECT repeat('x', 999) FROM generate_series(1, {ROWS})) TO STDOUT");
        {
            let mut stream = connection.copy_out_raw(&copy).await.unwrap();
            while let Some(chunk) = stream.try_next().await.unwrap() {
                bytes += chunk.len();
            }
        }
        assert_eq!(bytes, ROWS * 1_000);
        out.push(started.elapsed().as_secs_f64());
        let row = [vec![b'x'; 999], vec![b'\n']].concat().repeat(1_000);
        let started = Instant::now();
        let mut copy = connection.copy_in_raw("COPY t FROM STDIN").await.unwrap();
        for _ in 0..ROWS / 1_000 {
            copy.send(row.as_slice()).await.unwrap();
        }
        assert_eq!(copy.finish().await.unwrap(), ROWS as u64);
        into.push(started.elapsed().as_secs_f64());
        sqlx::query("TRUNCATE t").execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let found = Found { question: median(question), out: median(out), into: median(into) };
    let rate = |seconds: f64| (ROWS * 1_000) as f64 / 1e6 / seconds;
    let line = format!(
        "{name:<10} SELECT 1 {:>7.0} us, COPY TO {:>6.0} MB/s, COPY FROM {:>6.0} MB/s",
        found.question * 1e6,
        rate(found.out),
        rate(found.into)
    );
    println!("{line}");
    let _ = writeln!(report, "{line}");
    found
}

async fn connect(database: &Postgres, socket: &Path) -> PgConnection {
    PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .port(database.port())
        .username(database.user())
        .password(database.password())
        .database("postgres")
        .ssl_mode(PgSslMode::Disable)
        .disable_statement_logging()
        .connect()
        .await
        .unwrap()
}

/// A plain `ssh -L` to the same database, ended on drop.
struct Plain(std::process::Child, PathBuf);

impl Plain {
    fn start(server: &SshServer, database: &Postgres, folder: &Path, known: &Path) -> Self {
        let socket = folder.join(format!(".s.PGSQL.{}", database.port()));
        let child = Command::new("ssh")
            .args(["-F", "none", "-N", "-o", "BatchMode=yes", "-o"])
            .arg(format!("UserKnownHostsFile={}", known.display()))
            .arg("-i")
            .arg(server.key())
            .args(["-l", server.user(), "-p", &server.port().to_string(), "-L"])
            .arg(format!("{}:127.0.0.1:{}", socket.display(), database.port()))
            .arg(server.address())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !socket.exists() {
            assert!(started.elapsed() < Duration::from_secs(10), "ssh -L does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self(child, socket)
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_file(&self.1);
    }
}

fn repetitions() -> usize {
    std::env::var("DRYDOCK_REPETITIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
