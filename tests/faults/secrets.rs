//! A canary password goes through everything; afterwards it must not be found anywhere.

use crate::backups::keyed;
use crate::parts::Console;
use drydock_engine::ApplyOptions;
use drydock_engine::Engine;
use drydock_engine::domain::environment::{
    AccessDraft, Colour, EnvironmentDraft, GuardRules, PasswordChoice, Tier,
};
use drydock_engine::domain::plan::{Confirmation, PlanPurpose};
use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::secret::{Keeping, Secret};
use drydock_engine::domain::transport::TransportDraft;
use drydock_lab::{Keyring, Postgres, Version};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::SystemTime;

const CANARY: &str = "CANARY-9f3b7c-pässword";
const CHILD: &str = "DRYDOCK_FAULTS_CANARY";

/// Every way the canary could be written down.
fn forms() -> Vec<Vec<u8>> {
    let mut escaped = String::new();
    for byte in CANARY.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => escaped.push(char::from(byte)),
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    vec![CANARY.into(), escaped.to_lowercase().into(), escaped.into(), b"CANARY-9f3b7c".to_vec()]
}

fn holds(bytes: &[u8]) -> bool {
    forms().iter().any(|form| bytes.windows(form.len()).any(|window| window == form.as_slice()))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&path, found),
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
}

fn nothing_in(folder: &Path, since: SystemTime) -> usize {
    let mut found = Vec::new();
    files(folder, &mut found);
    let mut read = 0;
    for path in found {
        let is_new = path.metadata().and_then(|data| data.modified()).is_ok_and(|time| time >= since);
        if is_new && let Ok(bytes) = std::fs::read(&path) {
            assert!(!holds(&bytes), "the canary lies in {}", path.display());
            read += 1;
        }
    }
    read
}

/// Reads arguments and environment of every process until told to stop; the environment of `drydockctl`
/// itself holds DATABASE_URL by contract.
struct Watcher {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicUsize>,
    dumps: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<String>>,
}

impl Watcher {
    fn start() -> Self {
        let (stop, looks, dumps) = (Arc::default(), Arc::default(), Arc::default());
        let (ends, counts, seen) = (Arc::clone(&stop), Arc::clone(&looks), Arc::clone(&dumps));
        let thread = std::thread::spawn(move || watch(&ends, &counts, &seen));
        Self { stop, looks, dumps, thread }
    }

    fn end(self) -> (usize, usize) {
        self.stop.store(true, SeqCst);
        let found = self.thread.join().unwrap();
        assert!(found.is_empty(), "other processes could read the canary: {found:?}");
        (self.looks.load(SeqCst), self.dumps.load(SeqCst))
    }
}

fn watch(stop: &AtomicBool, looks: &AtomicUsize, dumps: &AtomicUsize) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let own = Path::new(env!("CARGO_BIN_EXE_drydockctl")).canonicalize().unwrap();
    while !stop.load(SeqCst) {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            if !entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            // After both, so that a fork that has not yet become its program counts as its parent.
            let program = std::fs::read_link(entry.path().join("exe")).unwrap_or_default();
            if program.file_name().is_some_and(|name| name == "pg_dump") {
                dumps.fetch_add(1, SeqCst);
            }
            let is_own = program == own || program.as_os_str().is_empty();
            if holds(&arguments) || (holds(&environment) && !is_own) {
                found.push(format!("{}: {}", program.display(), String::from_utf8_lossy(&arguments)));
            }
        }
        looks.fetch_add(1, SeqCst);
    }
    found
}

/// Migrations of which one must be rehearsed, so that the schema is dumped by another program.
fn fill(console: &Console) {
    console.write("000_start", "SELECT 1;");
    console.write("001_base", "CREATE TABLE base (id int);");
    console.write("002_later", "CREATE INDEX CONCURRENTLY later ON base (id);");
    console.write("003_own", "BEGIN;\nCREATE TABLE more (id int);\nCOMMIT;");
}

async fn with_role(server: &Postgres, database: &str) -> String {
    server.create_database(database).await;
    server
        .execute(
            database,
            &format!("CREATE ROLE canary_{database} SUPERUSER LOGIN PASSWORD '{CANARY}'; CREATE TABLE before (id int)"),
        )
        .await;
    // With a ledger there is no baseline to make, and with a table there is a schema to copy.
    let console = Console::new(&server.url(database));
    console.write("000_start", "SELECT 1;");
    let answer = console.run(&["resolve", "--baseline", "000_start"]);
    assert_eq!(answer.exit, Some(0), "{}", answer.text());
    server.url_as(&format!("canary_{database}"), CANARY, database)
}

#[tokio::test]
async fn a_password_in_database_url_is_found_nowhere_else() {
    let since = SystemTime::now();
    let server = Postgres::start(Version::Debian15);
    let mut console = keyed(&with_role(&server, "canary").await);
    console.variables.push(("DRYDOCK_LOG".to_owned(), "trace".to_owned()));
    fill(&console);
    let watcher = Watcher::start();
    let mut said = String::new();
    for command in
        [&["status"][..], &["plan"], &["dry-run"], &["apply"], &["runs"], &["runs", "2"], &["status"]]
    {
        let answer = console.run(command);
        assert!(answer.exit.is_some(), "{command:?}");
        said.push_str(&answer.text());
    }
    for kind in [&["backup"][..], &["backup", "--quick"]] {
        let taken = console.run(kind);
        assert_eq!(taken.exit, Some(0), "{}", taken.text());
        let id = taken.json["backup"]["backup"]["id"].as_str().unwrap().to_owned();
        let restored = console.run(&["restore", &id, "--accept-data-loss"]);
        assert_eq!(restored.exit, Some(0), "{}", restored.text());
        said.push_str(&(taken.text() + &restored.text()));
    }
    assert!(said.contains("TRACE") || said.contains("DEBUG"), "the log was really on");
    assert!(said.contains("\"rehearsal\""), "something was rehearsed");
    let good = console.url.clone();
    for wrong in [
        good.replacen("CANARY", "CANARY-9f3b7c-wrong-CANARY", 1),
        good.replacen("/canary?", "/nowhere?", 1),
        good.replacen("sslmode=disable", "sslmode=verify-full", 1),
        good.replacen("127.0.0.1", "nowhere.invalid", 1),
        good.replacen("127.0.0.1", "127.0.0.1 ", 1),
        good.replacen("postgresql:", "postgresqlx:", 1),
    ] {
        console.url = wrong;
        for command in ["status", "apply"] {
            let answer = console.run(&[command]);
            assert!(!matches!(answer.exit, Some(0 | 1)), "{}", answer.text());
            said.push_str(&answer.text());
        }
    }
    let (looks, dumps) = watcher.end();
    assert!(!holds(said.as_bytes()), "it is printed somewhere in: {said}");
    let read = nothing_in(&console.data(), since) + nothing_in(&std::env::temp_dir(), since);
    nothing_in(Path::new("/var/lib/drydock"), since);
    println!("{looks} looks at all processes (pg_dump seen {dumps} times), {read} files read");
    assert!(looks > 20 && dumps > 0, "the watch saw the dump at work: {looks} looks, {dumps} dumps");
}

/// What a stored environment goes through; run in a process of its own where a keyring is on its bus.
async fn through_the_engine(console: &Console, keeping: Keeping) {
    let engine = Engine::open(&console.data()).await.unwrap();
    if keeping == Keeping::Vault {
        engine.vault_create(Secret::new("a passphrase of the vault")).await.unwrap();
    }
    if keeping == Keeping::Keyring {
        let mut status = engine.secret_store_status().await;
        for _ in 0..50 {
            if status.keyring_works {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            status = Engine::open(&console.data()).await.unwrap().secret_store_status().await;
        }
        println!("{status:?}");
    }
    let parsed = engine.address_parse(&console.url).unwrap();
    assert!(!format!("{parsed:?}").contains("CANARY"), "a parsed address holds no password");
    let draft = EnvironmentDraft {
        name: "canary".to_owned(),
        tier: Tier::Development,
        colour: Colour::Tier,
        runtime: None,
        direct: AccessDraft {
            address: parsed.address.clone(),
            password: PasswordChoice::Pending { handle: parsed.password.unwrap(), keeping },
        },
        transport: TransportDraft::Direct,
        rules: GuardRules::for_tier(Tier::Development),
        migrations_folder: Some(console.migrations().display().to_string()),
    };
    assert!(!serde_json::to_string(&draft).unwrap().contains("CANARY"));
    let environment = engine.environment_create(draft).await.unwrap();
    assert!(!serde_json::to_string(&environment).unwrap().contains("CANARY"));
    let target = engine.target(&environment.id).await.unwrap();
    assert!(!format!("{target:?}").contains("CANARY"), "Debug of a target is redacted");
    let review = engine.plan_create(&target, PlanPurpose::ApplyPending).await.unwrap();
    let run = engine.start_dry_run(&target, &review.plan.id).await.unwrap();
    engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
    let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
    let run =
        engine.start_apply(&target, &review.plan.id, confirmation, ApplyOptions::default()).await.unwrap();
    let run = engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
    assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
    engine.overview(&target).await.unwrap();
    let report = engine.connection_test(&environment.id, &mut |_| {}).await.unwrap();
    assert!(!serde_json::to_string(&report).unwrap().contains("CANARY"));
    // Another console does not know a secret that is asked for each time, or behind the vault's lock.
    let fresh = Engine::open(&console.data()).await.unwrap();
    let answer = fresh.target(&environment.id).await;
    match keeping {
        Keeping::Keyring => assert!(answer.is_ok(), "the keyring keeps it"),
        _ => {
            let failure = answer.unwrap_err();
            assert!(!format!("{failure:?}").contains("CANARY") && failure.next.is_some(), "{failure:?}");
        }
    }
    println!("{keeping:?} done");
}

fn child(console: &Console, keeping: &str, variables: &[(String, String)]) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "secrets::the_child_that_keeps_a_secret", "--nocapture"])
        .envs(variables.iter().cloned())
        .env(CHILD, keeping)
        .env("DRYDOCK_FAULTS_ROOT", console.root.path())
        .env("RUST_LOG", "trace")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            use std::io::Write;
            // The address goes in by a pipe: this child's environment must be clean.
            child.stdin.take().unwrap().write_all(console.url.as_bytes())?;
            child.wait_with_output()
        })
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("done"), "{keeping}: {said}");
    assert!(!holds(said.as_bytes()), "{keeping}: {said}");
}

#[tokio::test]
async fn the_child_that_keeps_a_secret() {
    let Ok(keeping) = std::env::var(CHILD) else { return };
    let mut url = String::new();
    std::io::Read::read_to_string(&mut std::io::stdin(), &mut url).unwrap();
    let keeping = match keeping.as_str() {
        "keyring" => Keeping::Keyring,
        "vault" => Keeping::Vault,
        _ => Keeping::AskEachTime,
    };
    let console = Console::at(PathBuf::from(std::env::var_os("DRYDOCK_FAULTS_ROOT").unwrap()), &url);
    through_the_engine(&console, keeping).await;
}

#[tokio::test]
async fn a_stored_password_is_found_nowhere_in_clear() {
    let since = SystemTime::now();
    let server = Postgres::start(Version::Debian15);
    let keyring = Keyring::start();
    for keeping in ["vault", "ask", "keyring"] {
        let console = Console::new(&with_role(&server, keeping).await);
        fill(&console);
        let watcher = Watcher::start();
        child(&console, keeping, &if keeping == "keyring" { keyring.environment() } else { Vec::new() });
        if keeping == "keyring" {
            let mut by_name = Console::at(console.root.path().to_path_buf(), "");
            by_name.variables = keyring.environment();
            let mut command = by_name.command(&["status", "--environment", "canary", "--json"]);
            let answer = crate::parts::finish(command.env_remove("DATABASE_URL").spawn().unwrap());
            assert_eq!(answer.exit, Some(0), "the command line finds it in the keyring: {}", answer.text());
            assert!(!holds(answer.text().as_bytes()), "{}", answer.text());
        }
        watcher.end();
        assert!(nothing_in(console.root.path(), since) > 3, "the store's files were read");
    }
    nothing_in(&std::env::temp_dir(), since);
}
