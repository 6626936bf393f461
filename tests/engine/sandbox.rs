//! The sandbox on its real server: it starts, adopts, recovers, sweeps, and never outlives us.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use drydock_engine::adapters::dumps::schema_dump;
use drydock_engine::adapters::postgres::connect::Way;
use drydock_engine::adapters::sandbox::{Sandbox, Toolkit, demo};
use drydock_engine::domain::address::{Address, TlsMode, TlsRoots};
use drydock_engine::domain::secret::Secret;
use drydock_lab::{Postgres, PrismaPeer, Tls, Version};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn sandbox(folder: &Path) -> Sandbox {
    Sandbox::new(Toolkit::find(None).unwrap(), folder.to_path_buf())
}

/// A folder whose sandbox leaves nothing behind, not even where root keeps it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
    async fn clear(self, sandbox: Sandbox) {
        let home = PathBuf::from(sandbox.status().await.folder);
        sandbox.stop().await.unwrap();
        if home.starts_with("/var/lib/drydock") {
            std::fs::remove_dir_all(home).unwrap();
        }
    }
}

async fn connect(address: &Address) -> PgConnection {
    PgConnectOptions::new_without_pgpass()
        .socket(&address.host)
        .port(address.port)
        .username(&address.user)
        .database(&address.database)
        .connect()
        .await
        .unwrap()
}

async fn text(address: &Address, sql: &str) -> String {
    let row = sqlx::query(AssertSqlSafe(format!("SELECT ({sql})::text")))
        .fetch_one(&mut connect(address).await)
        .await
        .unwrap();
    row.get(0)
}

/// Processes whose command line names that folder.
fn processes_in(folder: &str) -> Vec<String> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
        .filter(|line| line.contains(folder) && line.contains("postgres"))
        .collect()
}

fn wait_for_none(folder: &str) {
    let until = Instant::now() + Duration::from_secs(15);
    while !processes_in(folder).is_empty() {
        assert!(Instant::now() < until, "still running: {:?}", processes_in(folder));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test]
async fn starting_twice_gives_the_same_server_and_stopping_leaves_no_process() {
    let place = Place::new();
    let sandbox = sandbox(place.path());
    let address = sandbox.start().await.unwrap();
    assert_eq!(sandbox.start().await.unwrap(), address);
    assert!(
        address.is_socket() && sandbox.password().is_none(),
        "on unix nothing listens on TCP and no secret exists"
    );
    assert_eq!(text(&address, "current_setting('listen_addresses')").await, "");
    let home = sandbox.status().await.folder;
    place.clear(sandbox).await;
    wait_for_none(&home);
}

#[tokio::test]
async fn a_killed_program_leaves_no_server_and_the_next_one_starts_on_its_data() {
    let place = Place::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sandbox::holds_a_sandbox_until_killed", "--ignored", "--nocapture"])
        .env("DRYDOCK_TEST_FOLDER", place.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let home = lines
        .find_map(|line| line.unwrap().split_once("HOLDING ").map(|(_, home)| home.to_owned()))
        .expect("the child never held its sandbox");
    assert!(!processes_in(&home).is_empty());

    let adopting = sandbox(place.path());
    let address = adopting.start().await.unwrap();
    assert_eq!(
        text(&address, "SELECT count(*) FROM pg_database WHERE datname = 'kept'").await,
        "1",
        "a second instance uses the first one's server"
    );
    assert!(adopting.reset().await.is_err(), "only the owner may throw the databases away");

    child.kill().unwrap();
    child.wait().unwrap();
    wait_for_none(&home);

    let next = sandbox(place.path());
    let address = next.start().await.unwrap();
    assert_eq!(text(&address, "SELECT count(*) FROM pg_database WHERE datname = 'kept'").await, "1");
    assert_eq!(
        text(&address, "SELECT count(*) FROM pg_database WHERE starts_with(datname, 'scratch_')").await,
        "0",
        "what the killed program left is swept"
    );
    place.clear(next).await;
    wait_for_none(&home);
}

#[tokio::test]
#[ignore = "the child of the test above"]
async fn holds_a_sandbox_until_killed() {
    let Some(folder) = std::env::var_os("DRYDOCK_TEST_FOLDER") else { return };
    let sandbox = sandbox(Path::new(&folder));
    sandbox.create_database("kept").await.unwrap();
    let scratch = sandbox.scratch().await.unwrap();
    println!("\nHOLDING {}", sandbox.status().await.folder);
    tokio::time::sleep(Duration::from_secs(60)).await;
    scratch.close().await.unwrap();
}

/// The guards (and only they) whose command line names that folder.
fn guards_in(folder: &str) -> Vec<i32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let line = String::from_utf8_lossy(&std::fs::read(entry.path().join("cmdline")).ok()?)
                .replace('\0', " ");
            (line.contains("drydock-guard") && line.contains(folder)).then_some(entry.file_name())
        })
        .filter_map(|pid| pid.to_string_lossy().parse().ok())
        .collect()
}

#[tokio::test]
async fn a_server_whose_guard_was_killed_is_stopped_by_the_next_start() {
    let place = Place::new();
    let first = sandbox(place.path());
    first.create_database("kept").await.unwrap();
    let home = first.status().await.folder;
    for guard in guards_in(&home) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(guard), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    assert!(!processes_in(&home).is_empty(), "the server itself is still there");
    drop(first);
    let next = sandbox(place.path());
    let address = next.start().await.unwrap();
    assert_eq!(text(&address, "SELECT count(*) FROM pg_database WHERE datname = 'kept'").await, "1");
    let until = Instant::now() + Duration::from_secs(15);
    while guards_in(&home).len() != 2 {
        assert!(Instant::now() < until, "no guard with its reader: the server we use is not ours");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    place.clear(next).await;
    wait_for_none(&home);
}

#[tokio::test]
async fn a_reset_leaves_an_empty_running_server() {
    let place = Place::new();
    let sandbox = sandbox(place.path());
    sandbox.create_database("gone").await.unwrap();
    sandbox.reset().await.unwrap();
    assert!(sandbox.status().await.running);
    let left = "SELECT count(*) FROM pg_database WHERE datname = 'gone'";
    assert_eq!(text(&sandbox.start().await.unwrap(), left).await, "0");
    place.clear(sandbox).await;
}

#[tokio::test]
async fn a_damaged_data_folder_is_made_anew_and_a_stale_pid_file_is_no_hindrance() {
    let place = Place::new();
    let first = sandbox(place.path());
    first.start().await.unwrap();
    let home = PathBuf::from(first.status().await.folder);
    first.stop().await.unwrap();
    std::fs::write(home.join("data/postmaster.pid"), format!("{}\n/elsewhere\n", std::process::id()))
        .unwrap();
    std::fs::write(home.join("data/global/pg_control"), b"torn").unwrap();
    first.start().await.unwrap();
    assert!(first.status().await.running);
    place.clear(first).await;
}

#[tokio::test]
async fn a_scratch_database_is_gone_after_closing_even_with_a_session_on_it() {
    let place = Place::new();
    let sandbox = sandbox(place.path());
    let scratch = sandbox.scratch().await.unwrap();
    let address = scratch.address().clone();
    let _session = connect(&address).await;
    scratch.close().await.unwrap();
    let left = format!("SELECT count(*) FROM pg_database WHERE datname = '{}'", address.database);
    assert_eq!(text(&sandbox.start().await.unwrap(), &left).await, "0");
    place.clear(sandbox).await;
}

#[tokio::test]
async fn a_schema_read_out_of_18_can_be_sent_to_15() {
    let place = Place::new();
    let sandbox = sandbox(place.path());
    let scratch = sandbox.scratch().await.unwrap();
    let script = "CREATE EXTENSION citext; CREATE SCHEMA \"Odd *\"; \
                  CREATE TABLE users (id int PRIMARY KEY, email citext NOT NULL UNIQUE); \
                  CREATE TABLE \"Odd *\".t (note text DEFAULT E'\\\\restrict me'); \
                  CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 2 * n; END $$";
    sqlx::raw_sql(script).execute(&mut connect(scratch.address()).await).await.unwrap();
    let toolkit = Toolkit::find(None).unwrap();
    let schemas = ["public".to_owned(), "Odd *".to_owned()];
    for chosen in [&schemas[..], &[]] {
        let sql = schema_dump(&toolkit, Way::direct(scratch.address(), None), chosen).await.unwrap();
        assert!(!sql.contains("transaction_timeout") && !sql.contains("\\unrestrict"), "{sql}");
        let old = Postgres::start(Version::Debian15);
        old.create_database("copy").await;
        old.execute("copy", &sql).await;
        let again = schema_dump(
            &toolkit,
            Way::direct(&tcp(&old, "copy", TlsMode::Off), Some(&Secret::new(old.password()))),
            chosen,
        )
        .await
        .unwrap();
        let body =
            |text: &str| text.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
        assert_eq!(body(&again), body(&sql), "the copy on 15 reads out as the original did");
    }
    scratch.close().await.unwrap();
    place.clear(sandbox).await;
}

fn tcp(server: &Postgres, database: &str, tls: TlsMode) -> Address {
    let roots = match server.authority() {
        Some(authority) => TlsRoots::File { path: authority.certificate().display().to_string() },
        None => TlsRoots::System,
    };
    Address {
        host: "localhost".to_owned(),
        port: server.port(),
        user: server.user().to_owned(),
        database: database.to_owned(),
        schema: "public".to_owned(),
        tls,
        roots,
        connect_timeout_seconds: 5,
        says_pooler: false,
        settings: vec![("search_path".to_owned(), "public, pg_temp".to_owned())],
    }
}

#[tokio::test]
async fn a_schema_dump_checks_the_certificate_as_the_address_says() {
    let toolkit = Toolkit::find(None).unwrap();
    let none: &[String] = &[];
    let right = Postgres::start_with(Version::Debian15, Tls::On, &[]);
    let wrong = Postgres::start_with(Version::Debian15, Tls::WrongName, &[]);
    let secret = Secret::new(right.password());
    let read = async |server: &Postgres, tls: TlsMode, roots: Option<TlsRoots>| {
        let mut address = tcp(server, "postgres", tls);
        address.roots = roots.unwrap_or(address.roots);
        schema_dump(&toolkit, Way::direct(&address, Some(&secret)), none).await
    };
    assert!(read(&right, TlsMode::VerifyFull, None).await.is_ok());
    let pem = std::fs::read_to_string(right.authority().unwrap().certificate()).unwrap();
    assert!(read(&right, TlsMode::VerifyFull, Some(TlsRoots::Pasted { pem })).await.is_ok());
    assert!(
        read(&right, TlsMode::VerifyFull, Some(TlsRoots::System)).await.is_err(),
        "the lab's authority is not the system's"
    );
    assert!(read(&right, TlsMode::VerifyCa, Some(TlsRoots::System)).await.is_err());
    assert!(read(&wrong, TlsMode::VerifyFull, None).await.is_err(), "the certificate is for another name");
    assert!(read(&wrong, TlsMode::VerifyCa, None).await.is_ok());
    assert!(read(&wrong, TlsMode::Unchecked, Some(TlsRoots::System)).await.is_ok());
    let failure = schema_dump(
        &toolkit,
        Way::direct(&tcp(&right, "postgres", TlsMode::VerifyFull), Some(&Secret::new("wrong"))),
        none,
    )
    .await
    .unwrap_err();
    assert!(
        failure.why.as_deref().is_some_and(|why| why.contains("password authentication failed")),
        "{failure:?}"
    );
}

const FAILED: &str = "20261016150000_mascot_pose_split";
const STUDIO_TABLES: &str = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename ~ '^(mascot|pose|persona|generated)'";
const VARIATION_KEY: &str = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'generated_poses' AND column_name = 'variationKey'";

/// The address as the Prisma CLI takes it: with the socket's folder.
fn socket_url(address: &Address) -> String {
    format!(
        "postgresql://{}@localhost:{}/{}?host={}",
        address.user, address.port, address.database, address.host
    )
}

#[tokio::test]
async fn the_demo_goes_from_broken_to_verified_and_prisma_agrees() {
    let place = Place::new();
    let sandbox = sandbox(place.path());
    let project = tempfile::tempdir().unwrap();
    let peer = PrismaPeer::find();
    for undo_first in [false, true] {
        let target = demo::install(&sandbox, project.path()).await.unwrap();
        let (address, migrations) = (&target.address, &target.migrations_folder);
        let url = socket_url(address);
        assert_eq!(text(address, "SELECT count(*) FROM studio_models").await, "5");
        assert_eq!(text(address, STUDIO_TABLES).await, "0", "the app is listed, its tables are missing");

        let refused = peer.deploy(&url, migrations);
        assert!(
            refused.exit == 1 && refused.stderr.contains("P3009") && refused.stderr.contains(FAILED),
            "{refused:?}"
        );

        if undo_first {
            let undo = "ALTER TABLE users DROP COLUMN \"unlimitedUntil\"";
            sqlx::raw_sql(undo).execute(&mut connect(address).await).await.unwrap();
        }
        let marked = peer.resolve(&url, migrations, "--rolled-back", FAILED);
        assert_eq!(marked.exit, 0, "{marked:?}");
        let applied = peer.deploy(&url, migrations);
        assert_eq!(applied.exit, 0, "{applied:?}");
        let status = peer.status(&url, migrations);
        assert!(status.exit == 0 && status.stdout.contains("Database schema is up to date!"), "{status:?}");

        assert_eq!(text(address, STUDIO_TABLES).await, "13");
        assert_eq!(text(address, VARIATION_KEY).await, "1", "the retry of the failed migration did its work");
        assert_eq!(text(address, "SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, "0");
        let column = "SELECT is_nullable FROM information_schema.columns WHERE table_name = 'mascot_generations' AND column_name = 'projectId'";
        assert_eq!(text(address, column).await, "NO");
        let ledger = "SELECT string_agg(migration_name || ' ' || applied_steps_count || ' ' || (rolled_back_at IS NULL), ', ' ORDER BY started_at) FROM _prisma_migrations WHERE migration_name ~ 'pose_split'";
        assert_eq!(text(address, ledger).await, format!("{FAILED} 0 false, {FAILED} 1 true"));
    }
    place.clear(sandbox).await;
}

#[tokio::test]
async fn the_demo_s_wrong_way_out_satisfies_prisma_but_leaves_a_column_missing() {
    let place = Place::new();
    let sandbox = sandbox(place.path());
    let project = tempfile::tempdir().unwrap();
    let peer = PrismaPeer::find();
    let target = demo::install(&sandbox, project.path()).await.unwrap();
    let url = socket_url(&target.address);
    assert_eq!(peer.resolve(&url, &target.migrations_folder, "--applied", FAILED).exit, 0);
    assert_eq!(peer.deploy(&url, &target.migrations_folder).exit, 0);
    assert_eq!(peer.status(&url, &target.migrations_folder).exit, 0);
    assert_eq!(text(&target.address, VARIATION_KEY).await, "0", "only drift can tell");
    place.clear(sandbox).await;
}
