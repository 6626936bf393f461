//! An archive of `pg_dump` as SQL text: `pg_restore` without a database takes it apart. What it writes is read and
//! executed by Drydock itself, so that nothing of it is kept before it was compared.

use crate::adapters::sandbox::{Toolkit, bare};
use crate::domain::backup::TableName;
use crate::domain::{Failure, FailureCode};
use bytes::{Bytes, BytesMut};
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};

/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;

/// What of an archive is wanted.
#[derive(Debug, Clone, Default)]
pub struct ArchiveWish {
    /// Only rows, no schema.
    pub only_rows: bool,
    /// Only these tables; empty: all.
    pub tables: Vec<TableName>,
    /// Owners and rights as they were; needs the same roles.
    pub with_owners: bool,
    /// Without comments, labels, publications and subscriptions: for a scratch database.
    pub bare: bool,
}

/// A running `pg_restore`. Dropped, it is killed.
pub struct Archive {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Archive {
    /// Starts it.
    ///
    /// # Errors
    /// [`FailureCode::ToolkitMissing`] when it cannot be started.
    pub fn open(toolkit: &Toolkit, wish: &ArchiveWish) -> Result<Self, Failure> {
        Self::start(toolkit, wish, None)
    }

    /// Starts it on a file or folder that lies on this computer. Formats that hold their parts in several places
    /// cannot be fed.
    ///
    /// # Errors
    /// [`FailureCode::ToolkitMissing`] when it cannot be started.
    pub fn open_at(toolkit: &Toolkit, wish: &ArchiveWish, path: &Path) -> Result<Self, Failure> {
        Self::start(toolkit, wish, Some(path))
    }

    fn start(toolkit: &Toolkit, wish: &ArchiveWish, path: Option<&Path>) -> Result<Self, Failure> {
        let failed = |why: String| {
            Failure::new(FailureCode::ToolkitMissing, "The toolkit's pg_restore could not be started.")
                .why(why)
                .unchanged("Nothing was changed.")
                .next("Install Drydock again.")
        };
        let mut command = bare(&toolkit.pg_restore());
        command.arg("--file=-");
        if !wish.with_owners {
            command.args(["--no-owner", "--no-privileges"]);
        }
        if wish.bare {
            command.args([
                "--no-comments",
                "--no-security-labels",
                "--no-publications",
                "--no-subscriptions",
            ]);
        }
        if wish.only_rows {
            command.arg("--data-only");
        }
        for table in &wish.tables {
            // Matched as it stands, without patterns.
            command.arg(format!("--schema={}", table.schema)).arg(format!("--table={}", table.name));
        }
        if let Some(path) = path {
            command.arg("--").arg(path);
        }
        let mut child = command
            .stdin(if path.is_some() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("{}: {error}.", toolkit.pg_restore().display())))?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or_else(|| failed("It has no output.".to_owned()))?;
        Ok(Self { child, input, output })
    }

    /// Its input, to be fed beside reading its output; to be dropped at the archive's end.
    pub fn input(&mut self) -> Option<ArchiveInput> {
        self.input.take().map(ArchiveInput)
    }

    /// The next bytes of SQL; `None`: it closed its output.
    ///
    /// # Errors
    /// [`FailureCode::BackupDamaged`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut piece = BytesMut::with_capacity(PIECE);
        while piece.len() < PIECE / 2 {
            match self.output.read_buf(&mut piece).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(not_an_archive(error.to_string())),
            }
        }
        Ok((!piece.is_empty()).then(|| piece.freeze()))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`FailureCode::BackupDamaged`] with what it said.
    pub async fn end(mut self) -> Result<(), Failure> {
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut said).await;
        }
        let status = self.child.wait().await.map_err(|error| not_an_archive(error.to_string()))?;
        if status.success() {
            Ok(())
        } else {
            Err(not_an_archive(said.replace("pg_restore: ", "").trim().to_owned()))
        }
    }
}

/// The input of a running `pg_restore`.
pub struct ArchiveInput(ChildStdin);

impl ArchiveInput {
    /// Feeds bytes; false: it takes no more.
    pub async fn feed(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }
}

fn not_an_archive(why: String) -> Failure {
    Failure::new(FailureCode::BackupDamaged, "The archive could not be taken apart.")
        .why(why)
        .unchanged("Nothing of it was kept.")
        .next("Use another backup, or make a new one.")
}
