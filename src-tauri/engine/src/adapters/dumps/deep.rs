//! A whole database as an archive of `pg_dump`, as it is written.

use super::way::Client;
use crate::adapters::postgres::connect::Way;
use crate::domain::backup::{BackupScope, FoundTool, TableName};
use crate::domain::{Failure, FailureCode};
use bytes::{Bytes, BytesMut};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout};

/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;
/// Last lines of what the program says that are kept.
const LINES: usize = 12;

/// What the archive is to hold.
#[derive(Debug, Clone)]
pub struct DeepScope<'a> {
    /// As asked for.
    pub scope: &'a BackupScope,
    /// Schemas to leave out.
    pub without: &'a [String],
    /// The exported snapshot to read in.
    pub snapshot: &'a str,
    /// Milliseconds to wait for a lock.
    pub lock_timeout_ms: u32,
    /// The encoding it is written in.
    pub encoding: &'a str,
}

/// A running `pg_dump`. Dropped, it is killed.
pub struct DeepDump {
    child: Child,
    output: ChildStdout,
    said: Arc<Mutex<Said>>,
    _private: TempDir,
    label: String,
}

#[derive(Default)]
struct Said {
    last: Vec<String>,
    tables: u32,
}

impl DeepDump {
    /// Starts the program.
    ///
    /// # Errors
    /// [`FailureCode::BackupRefused`] when it cannot be started.
    pub fn start(tool: &FoundTool, way: Way<'_>, scope: &DeepScope<'_>) -> Result<Self, Failure> {
        let label = format!("{} {}", tool.tool.name, tool.tool.version);
        let refused = |why: String| {
            Failure::new(FailureCode::BackupRefused, format!("{label} could not be started."))
                .why(why)
                .unchanged("Nothing was stored; the database was only read.")
                .next("Install Drydock again, or take a quick backup, which needs no program.")
        };
        let Client { mut command, connection, private } =
            Client::prepare(Path::new(&tool.program), way, "drydock backup")
                .map_err(|why| refused(why.to_string()))?;
        command.args(["--format=custom", "--compress=0", "--no-password", "--verbose"]);
        command.arg(format!("--encoding={}", scope.encoding));
        command.arg("--quote-all-identifiers");
        command.arg(format!("--snapshot={}", scope.snapshot));
        command.arg(format!("--lock-wait-timeout={}", scope.lock_timeout_ms));
        let pattern = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        match scope.scope {
            BackupScope::Whole => {
                for schema in scope.without {
                    command.arg(format!("--exclude-schema={}", pattern(schema)));
                }
            }
            BackupScope::Schemas { schemas } => {
                command.arg("--extension=*");
                for schema in schemas {
                    command.arg(format!("--schema={}", pattern(schema)));
                }
            }
            BackupScope::Tables { tables } => {
                for TableName { schema, name } in tables {
                    command.arg(format!("--table={}.{}", pattern(schema), pattern(name)));
                }
            }
        }
        command.arg(format!("--dbname={connection}"));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| refused(format!("{}: {error}.", tool.program)))?;
        let said = Arc::default();
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(listen(stderr, Arc::clone(&said)));
        }
        let output = child.stdout.take().ok_or_else(|| refused("It has no output.".to_owned()))?;
        Ok(Self { child, output, said, _private: private, label })
    }

    /// The next bytes of the archive; `None`: the program closed its output.
    ///
    /// # Errors
    /// The error of reading from it.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut piece = BytesMut::with_capacity(PIECE);
        while piece.len() < PIECE / 2 {
            let count = self.output.read_buf(&mut piece).await.map_err(|error| {
                Failure::new(FailureCode::BackupRefused, format!("{} stopped writing.", self.label))
                    .why(error.to_string())
                    .unchanged("Nothing of it was kept; the database was only read.")
            })?;
            if count == 0 {
                break;
            }
        }
        Ok((!piece.is_empty()).then(|| piece.freeze()))
    }

    /// Tables whose rows it has begun to read.
    pub fn tables(&self) -> u32 {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).tables
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`FailureCode::BackupRefused`] with what it said, when it did not end well.
    pub async fn end(mut self) -> Result<(), Failure> {
        let status = self.child.wait().await.map_err(|error| {
            Failure::new(FailureCode::BackupRefused, format!("{} was lost.", self.label))
                .why(error.to_string())
        })?;
        if status.success() {
            return Ok(());
        }
        // Its last words arrive on another task.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).last.join(" ");
        let lost = said.contains("server closed the connection")
            || said.contains("could not connect")
            || said.contains("terminating connection");
        let code = if lost { FailureCode::ConnectionLost } else { FailureCode::BackupRefused };
        Err(Failure::new(code, format!("{} did not read the database to its end.", self.label))
            .why(if said.is_empty() { format!("It ended with {status}.") } else { said })
            .unchanged("Nothing of it was kept; the database was only read.")
            .next("Settle what it says, then back up again."))
    }
}

/// Keeps the last lines that are no progress, and counts the tables.
async fn listen(stderr: ChildStderr, said: Arc<Mutex<Said>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if line.contains("dumping contents of table") {
            said.tables += 1;
        }
        let telling = ["error:", "detail:", "hint:", "warning:", "ERROR", "DETAIL", "HINT"];
        if telling.iter().any(|word| line.contains(word)) {
            if said.last.len() >= LINES {
                said.last.remove(0);
            }
            said.last.push(line.replace("pg_dump: ", ""));
        }
    }
}
