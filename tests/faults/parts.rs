//! A console of its own for each test: the built `drydockctl`, a private data folder, a migrations folder.

use drydock_engine::adapters::sandbox::{Sandbox, Toolkit};
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the command line answered.
#[derive(Debug)]
pub struct Answer {
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub json: Value,
}

impl Answer {
    /// Everything a person could have seen.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The stable code of the failure.
    pub fn code(&self) -> &str {
        self.json["failure"]["code"].as_str().unwrap_or("")
    }
}

/// Where a console's folders are.
pub enum Root {
    Own(tempfile::TempDir),
    Borrowed(PathBuf),
}

impl Root {
    pub fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Borrowed(folder) => folder,
        }
    }
}

/// A console's data folder and the target it works on.
pub struct Console {
    pub root: Root,
    pub url: String,
    pub variables: Vec<(String, String)>,
}

impl Console {
    pub fn new(url: &str) -> Self {
        let root = tempfile::Builder::new().prefix("drydock-faults-").tempdir().unwrap();
        std::fs::create_dir(root.path().join("migrations")).unwrap();
        Self { root: Root::Own(root), url: url.to_owned(), variables: Vec::new() }
    }

    /// A console on the folder of another one.
    pub fn at(root: PathBuf, url: &str) -> Self {
        Self { root: Root::Borrowed(root), url: url.to_owned(), variables: Vec::new() }
    }

    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    pub fn migrations(&self) -> PathBuf {
        self.root.path().join("migrations")
    }

    pub fn write(&self, name: &str, sql: &str) {
        write(&self.migrations(), name, sql);
    }

    /// The program with its variables and arguments, not started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drydockctl"));
        command
            .args(arguments)
            .arg("--migrations")
            .arg(self.migrations())
            .env("DRYDOCK_DATA", self.data())
            .env("DATABASE_URL", &self.url)
            .env_remove("DRYDOCK_LOG")
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end. `--tier development --json` are added.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        let arguments: Vec<&str> =
            arguments.iter().copied().chain(["--tier", "development", "--json"]).collect();
        finish(self.command(&arguments).spawn().unwrap())
    }

    /// Starts a command and does not wait.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let arguments: Vec<&str> =
            arguments.iter().copied().chain(["--tier", "development", "--json"]).collect();
        self.command(&arguments).spawn().unwrap()
    }

    /// The newest run that applies, as listed.
    pub fn newest_apply(&self) -> Option<Value> {
        let list = self.run(&["runs"]);
        list.json["runs"].as_array()?.iter().find(|run| run["kind"] == "apply").cloned()
    }

    /// Looks at a run until the server is done with it.
    pub fn examine(&self, run: &Value) -> Answer {
        let number = run["number"].to_string();
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.run(&["runs", &number]);
            if answer.json["examination"]["still_running"] != Value::Bool(true) || Instant::now() > until {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Console {
    /// Root's console keeps its sandbox elsewhere; the server ends with the console, the folder is ours to clear.
    fn drop(&mut self) {
        if matches!(self.root, Root::Borrowed(_)) {
            return;
        }
        let folder = self.data().join("sandbox");
        let home = std::thread::spawn(move || {
            let toolkit = Toolkit::find(None).ok()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            Some(PathBuf::from(runtime.block_on(Sandbox::new(toolkit, folder).status()).folder))
        });
        let Ok(Some(home)) = home.join() else { return };
        let until = Instant::now() + Duration::from_secs(3);
        while home.exists() && std::fs::remove_dir_all(&home).is_err() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

pub fn write(migrations: &Path, name: &str, sql: &str) {
    let folder = migrations.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("migration.sql"), sql).unwrap();
}

/// Waits for a child and reads what it said.
pub fn finish(child: Child) -> Answer {
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Answer {
        exit: output.status.code(),
        json: serde_json::from_str(&stdout).unwrap_or(Value::Null),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        stdout,
    }
}

/// Kills a command after a while; whether it was still at work then.
pub async fn kill_after(mut child: Child, delay: Duration) -> bool {
    tokio::time::sleep(delay).await;
    let at_work = child.try_wait().unwrap().is_none();
    if at_work {
        child.kill().unwrap();
    }
    child.wait_with_output().unwrap();
    at_work
}

/// One value as text.
pub async fn text(connection: &mut PgConnection, sql: &str) -> Option<String> {
    let row =
        sqlx::raw_sql(AssertSqlSafe(format!("SELECT ({sql})::text"))).fetch_one(connection).await.unwrap();
    row.get::<Option<String>, _>(0)
}

/// Two text columns.
pub async fn pairs(connection: &mut PgConnection, sql: &str) -> Vec<(String, String)> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .fetch_all(connection)
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get::<String, _>(0), row.get::<String, _>(1)))
        .collect()
}

/// A sentence a person can act on: what, why or what is unchanged, and what to do next.
pub fn assert_clear(answer: &Answer, exit: i32, code: &str) {
    let said = answer.text();
    assert_eq!(answer.exit, Some(exit), "the exit code is part of the interface: {said}");
    assert_eq!(answer.code(), code, "the code is stable: {said}");
    let failure = &answer.json["failure"];
    for part in ["what", "next"] {
        assert!(failure[part].as_str().is_some_and(|text| text.len() > 8), "`{part}` is missing: {said}");
    }
    assert!(
        failure["why"].is_string() || failure["unchanged"].is_string(),
        "neither why nor what is unchanged: {said}"
    );
    assert!(!said.contains("panicked"), "a panic is never an answer: {said}");
}
