//! Which `pg_dump` there are on this computer.

use crate::adapters::sandbox::{Toolkit, bare};
use crate::domain::backup::{BackupTool, FoundTool};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(5);

/// The toolkit's `pg_dump`.
pub fn toolkit_tool(toolkit: &Toolkit) -> FoundTool {
    let version = toolkit.server_version().replace("PostgreSQL ", "");
    FoundTool {
        tool: BackupTool { name: "pg_dump".to_owned(), version, place: "the toolkit".to_owned() },
        major: toolkit.major(),
        program: toolkit.pg_dump().display().to_string(),
    }
}

/// Those that are installed on this computer, newest first.
pub async fn local_tools() -> Vec<FoundTool> {
    let mut found: Vec<FoundTool> = Vec::new();
    for program in places() {
        if let Some(version) = version(&program).await
            && let Some(major) = version.split(['.', ' ']).next().and_then(|part| part.parse().ok())
            && !found.iter().any(|known| known.tool.version == version)
        {
            let place = "installed on this computer".to_owned();
            let tool = BackupTool { name: "pg_dump".to_owned(), version, place };
            found.push(FoundTool { tool, major, program: program.display().to_string() });
        }
    }
    found.sort_by_key(|tool| std::cmp::Reverse(tool.major));
    found
}

fn places() -> Vec<PathBuf> {
    let name = format!("pg_dump{}", std::env::consts::EXE_SUFFIX);
    let mut places = Vec::new();
    for parent in
        ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "C:\\Program Files\\PostgreSQL"]
    {
        let Ok(entries) = std::fs::read_dir(parent) else { continue };
        for entry in entries.filter_map(Result::ok) {
            let program = entry.path().join("bin").join(&name);
            let version =
                entry.file_name().to_string_lossy().starts_with(|first: char| first.is_ascii_digit());
            let formula = entry.file_name().to_string_lossy().starts_with("postgresql")
                || entry.file_name().to_string_lossy().starts_with("libpq");
            if (version || formula) && program.is_file() {
                places.push(program);
            }
        }
    }
    places
}

async fn version(program: &Path) -> Option<String> {
    let mut command = bare(program);
    command.arg("--version").stdout(Stdio::piped()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.trim().strip_prefix("pg_dump (PostgreSQL) ")?;
    Some(version.split(' ').next()?.to_owned())
}
