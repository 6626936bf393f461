//! The PostgreSQL toolkit: where it is, what it holds, whether its files are the ones that were packed.

use crate::domain::{Failure, FailureCode};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `linux-x64`: the platform's name in the toolkit's folder and lock file.
pub(super) fn platform() -> String {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{system}-{processor}")
}

/// The stamp that `scripts/toolkit` writes beside the files.
#[derive(Debug, Clone, Deserialize)]
struct Stamp {
    version: String,
    recipe: String,
    files: BTreeMap<String, String>,
}

/// A PostgreSQL server with its contrib extensions, and the client tools of the same major version.
#[derive(Debug, Clone)]
pub struct Toolkit {
    root: PathBuf,
    stamp: Stamp,
}

impl Toolkit {
    /// Finds the toolkit: the explicit folder, `DRYDOCK_TOOLKIT`, beside the executable (where the
    /// installer puts it), or `target/toolkit/<platform>` above an executable that cargo has built.
    pub fn find(explicit: Option<&Path>) -> Result<Self, Failure> {
        if let Some(folder) = explicit {
            return Self::open(folder);
        }
        if let Some(folder) = std::env::var_os("DRYDOCK_TOOLKIT").filter(|value| !value.is_empty()) {
            return Self::open(Path::new(&folder));
        }
        let executable = std::env::current_exe().unwrap_or_default();
        let places = places_near(&executable);
        match places.iter().find(|place| place.join("toolkit.json").is_file()) {
            Some(folder) => Self::open(folder),
            None => Err(missing(format!(
                "There is no toolkit for {} beside the program. Looked in {}.",
                platform(),
                places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ")
            ))),
        }
    }

    fn open(folder: &Path) -> Result<Self, Failure> {
        let root = folder
            .canonicalize()
            .map_err(|error| missing(format!("{} cannot be opened: {error}.", folder.display())))?;
        let stamp_file = root.join("toolkit.json");
        let text = std::fs::read_to_string(&stamp_file)
            .map_err(|error| missing(format!("{} cannot be read: {error}.", stamp_file.display())))?;
        let stamp = serde_json::from_str::<Stamp>(&text).map_err(|error| {
            missing(format!("{} is not a toolkit's stamp: {error}.", stamp_file.display()))
        })?;
        let toolkit = Self { root, stamp };
        for program in [toolkit.postgres(), toolkit.initdb(), toolkit.pg_dump(), toolkit.pg_restore()] {
            if !program.is_file() {
                return Err(missing(format!("{} is not there.", program.display())));
            }
        }
        Ok(toolkit)
    }

    /// Compares the programs with the hashes taken when they were packed.
    pub fn verify(&self) -> Result<(), Failure> {
        for (name, expected) in &self.stamp.files {
            let path = self.root.join(name);
            let bytes = std::fs::read(&path)
                .map_err(|error| missing(format!("{} cannot be read: {error}.", path.display())))?;
            let found = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            if &found != expected {
                return Err(missing(format!(
                    "{} is not the file that was packed: its SHA-256 is {found}, it should be {expected}.",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    /// `PostgreSQL 18.4`.
    pub fn server_version(&self) -> String {
        format!("PostgreSQL {}", self.stamp.version)
    }

    /// The major version of the server and the client tools, such as 18; 0 if the stamp is odd.
    pub fn major(&self) -> u32 {
        self.stamp.version.split('.').next().and_then(|part| part.parse().ok()).unwrap_or(0)
    }

    /// The folder that holds `bin`, `lib` and `share`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The program that reads a database out.
    pub fn pg_dump(&self) -> PathBuf {
        self.program("pg_dump")
    }

    /// The program that reads a dump back in.
    pub fn pg_restore(&self) -> PathBuf {
        self.program("pg_restore")
    }

    /// The server.
    pub fn postgres(&self) -> PathBuf {
        self.program("postgres")
    }

    /// The program that makes a data folder.
    pub fn initdb(&self) -> PathBuf {
        self.program("initdb")
    }

    fn program(&self, name: &str) -> PathBuf {
        self.root.join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// A short text that differs between two toolkits of different content.
    pub(super) fn short_hash(&self) -> &str {
        self.stamp.recipe.get(..12).unwrap_or("unknown")
    }
}

/// The folders in which an installed or a built program has its toolkit.
fn places_near(executable: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let Some(folder) = executable.parent() else { return places };
    places.push(folder.join("toolkit"));
    if let Some(above) = folder.parent() {
        places.push(above.join("Resources").join("toolkit"));
        places.push(above.join("lib").join("Drydock").join("toolkit"));
        places.push(above.join("lib").join("drydock").join("toolkit"));
    }
    let built =
        executable.ancestors().find(|ancestor| ancestor.file_name().is_some_and(|name| name == "target"));
    places.extend(built.map(|target| target.join("toolkit").join(platform())));
    places
}

fn missing(why: String) -> Failure {
    Failure::new(
        FailureCode::ToolkitMissing,
        format!("The PostgreSQL toolkit for {} is missing or damaged.", platform()),
    )
    .why(why)
    .unchanged("No target was touched. Everything but the sandbox, drift replay and deep backups works without it.")
    .next("Install Drydock again; when working on its sources, run scripts/toolkit. DRYDOCK_TOOLKIT may name another folder.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_program_never_looks_into_a_build_folder() {
        let places = places_near(Path::new("/usr/bin/drydock"));
        assert!(places.iter().all(|place| !place.to_string_lossy().contains("target")), "{places:?}");
    }

    #[test]
    fn a_folder_without_toolkit_is_named_in_the_failure() {
        let failure = Toolkit::find(Some(Path::new("/nonexistent/toolkit"))).err();
        assert!(failure.is_some_and(|failure| failure.code == FailureCode::ToolkitMissing
            && failure.why.is_some_and(|why| why.contains("/nonexistent/toolkit"))));
    }
}
