//! The real Prisma command line, to agree with. `tests/lab/prisma-peer` says what stands in for its engine.

use crate::parts::repository;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the command answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Exit code.
    pub exit: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The installed Prisma CLI.
#[derive(Debug, Clone)]
pub struct PrismaPeer {
    folder: PathBuf,
}

impl PrismaPeer {
    /// The peer that `scripts/test` installs in `target/lab/prisma-peer`.
    pub fn find() -> Self {
        let folder = std::env::var_os("DRYDOCK_PRISMA_PEER")
            .map(PathBuf::from)
            .unwrap_or_else(|| repository().join("target/lab/prisma-peer"));
        assert!(
            folder.join("node_modules/prisma/package.json").exists(),
            "the Prisma peer is not at {}; run scripts/lab-peers",
            folder.display()
        );
        Self { folder }
    }

    /// `prisma migrate status`.
    pub fn status(&self, url: &str, migrations: &Path) -> Answer {
        self.run(url, migrations, &["migrate", "status"])
    }

    /// `prisma migrate deploy`.
    pub fn deploy(&self, url: &str, migrations: &Path) -> Answer {
        self.run(url, migrations, &["migrate", "deploy"])
    }

    /// `prisma migrate resolve` with `--applied` or `--rolled-back`.
    pub fn resolve(&self, url: &str, migrations: &Path, how: &str, migration: &str) -> Answer {
        self.run(url, migrations, &["migrate", "resolve", how, migration])
    }

    /// Any command of the CLI.
    pub fn run(&self, url: &str, migrations: &Path, arguments: &[&str]) -> Answer {
        let output = Command::new("node")
            .arg(self.folder.join("node_modules/prisma/build/index.js"))
            .args(arguments)
            .arg("--config")
            .arg(self.folder.join("prisma.config.mjs"))
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.folder)
            .env("NO_COLOR", "1")
            .env("CI", "1")
            .env("CHECKPOINT_DISABLE", "1")
            .env("PRISMA_HIDE_UPDATE_MESSAGE", "1")
            .env("PRISMA_SCHEMA_ENGINE_BINARY", self.folder.join("engine.mjs"))
            .env("PEER_URL", url)
            .env("PEER_MIGRATIONS", migrations)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("node cannot be run: {error}"));
        Answer {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
