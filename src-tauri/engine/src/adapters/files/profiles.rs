//! Seed profiles on disk, and those that come with Drydock.

use crate::domain::profile::ProfileFiles;
use crate::domain::{Failure, FailureCode};
use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What the id of a bundled profile begins with.
pub const BUNDLED: &str = "bundled:";
/// Largest file of a profile, bytes.
pub const LARGEST_FILE: u64 = 100 * 1024 * 1024;
/// Most profiles of a folder that are shown.
const MOST_PROFILES: usize = 200;
/// The file that makes a folder a profile.
const PROFILE: &str = "profile.toml";

static SEEDS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../seeds");

/// A profile's files, as read at one time.
pub struct ReadProfile {
    /// The files that it names, and `profile.toml`.
    pub files: ProfileFiles,
    /// SHA-256 over them.
    pub digest: String,
}

/// Ids of the profiles that come with Drydock.
pub fn bundled() -> Vec<String> {
    SEEDS
        .dirs()
        .filter(|folder| folder.get_file(folder.path().join(PROFILE)).is_some())
        .map(|folder| format!("{BUNDLED}{}", folder.path().display()))
        .collect()
}

/// Ids of the profiles in a folder: the folder itself, or folders inside of it.
///
/// # Errors
/// [`FailureCode::FileSystem`].
pub fn in_folder(folder: &Path) -> Result<Vec<String>, Failure> {
    let unread = |error: std::io::Error| {
        Failure::new(FailureCode::FileSystem, format!("{} cannot be read.", folder.display()))
            .why(error.to_string())
            .unchanged("Nothing was changed.")
            .next("Choose a folder that is there and that you may read.")
    };
    if folder.join(PROFILE).is_file() {
        return Ok(vec![folder.display().to_string()]);
    }
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(unread)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join(PROFILE).is_file())
        .collect();
    found.sort();
    found.truncate(MOST_PROFILES);
    Ok(found.into_iter().map(|path| path.display().to_string()).collect())
}

/// Reads the files of a profile. `named`: which files a `profile.toml` names.
///
/// # Errors
/// [`FailureCode::ProfileInvalid`] where there is no profile; [`FailureCode::FileSystem`]. A named file that
/// is not there is left out: the profile's own check says so.
pub fn read(id: &str, named: &dyn Fn(&str) -> Vec<String>) -> Result<ReadProfile, Failure> {
    let files = match id.strip_prefix(BUNDLED) {
        Some(name) => {
            let folder = SEEDS.get_dir(name).ok_or_else(|| missing(id))?;
            let file =
                |path: &str| folder.get_file(folder.path().join(path)).map(|file| file.contents().to_vec());
            collect(named, |path| Ok(file(path)))?
        }
        None => {
            let folder = Path::new(id);
            collect(named, |path| read_file(folder, path))?
        }
    };
    if !files.contains_key(PROFILE) {
        return Err(missing(id));
    }
    let mut hash = Sha256::new();
    for (path, bytes) in &files {
        hash.update((path.len() as u64).to_be_bytes());
        hash.update(path);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    let files = ProfileFiles { files, ..ProfileFiles::default() };
    Ok(ReadProfile { files, digest: crate::domain::migration::hex(&hash.finalize()) })
}

fn collect(
    named: &dyn Fn(&str) -> Vec<String>,
    file: impl Fn(&str) -> Result<Option<Vec<u8>>, Failure>,
) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let mut files = BTreeMap::new();
    let Some(profile) = file(PROFILE)? else { return Ok(files) };
    let text = String::from_utf8_lossy(&profile).into_owned();
    files.insert(PROFILE.to_owned(), profile);
    for path in named(&text) {
        if is_inside(&path)
            && let Some(bytes) = file(&path)?
        {
            files.insert(path, bytes);
        }
    }
    Ok(files)
}

/// Whether a path stays in the profile's folder.
fn is_inside(path: &str) -> bool {
    let path = Path::new(path);
    path.components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir))
}

fn read_file(folder: &Path, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    let whole = folder.join(path);
    let unread = |why: String| {
        Failure::new(FailureCode::FileSystem, format!("{} cannot be read.", whole.display()))
            .why(why)
            .unchanged("Nothing was written.")
            .next("Make the file readable, or take it out of the profile.")
    };
    // A link may not lead out of the profile either.
    let (Ok(real), Ok(home)) = (whole.canonicalize(), folder.canonicalize()) else { return Ok(None) };
    if !real.starts_with(&home) {
        return Err(unread("It is a link that leads out of the profile's folder.".to_owned()));
    }
    let file = std::fs::File::open(&real).map_err(|error| unread(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| unread(error.to_string()))?;
    Ok(Some(bytes))
}

/// A file that was chosen in a form: its name and its bytes.
///
/// # Errors
/// [`FailureCode::FileSystem`].
pub fn read_chosen(path: &Path) -> Result<(String, Vec<u8>), Failure> {
    let unread = |why: String| {
        Failure::new(FailureCode::FileSystem, format!("{} cannot be read.", path.display()))
            .why(why)
            .unchanged("Nothing was written.")
            .next("Choose a file that is there and that you may read.")
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.filter(|_| path.is_file()).ok_or_else(|| unread("It is no file.".to_owned()))?;
    let file = std::fs::File::open(path).map_err(|error| unread(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| unread(error.to_string()))?;
    Ok((name, bytes))
}

fn missing(id: &str) -> Failure {
    Failure::new(FailureCode::ProfileInvalid, "The profile is not there.")
        .why(format!("{id} has no profile.toml."))
        .unchanged("Nothing was written.")
        .next("Choose a folder that holds a profile.toml.")
}

/// Writes the migrations of a bundled profile out; answers their folder.
///
/// # Errors
/// [`FailureCode::ProfileInvalid`] where it has none; [`FailureCode::FileSystem`].
pub fn write_migrations(id: &str, into: &Path) -> Result<PathBuf, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(FailureCode::FileSystem, "The profile's migrations could not be written out.")
            .why(error.to_string())
            .next("Make room in the console's data folder.")
    };
    let without = || {
        Failure::new(FailureCode::ProfileInvalid, "This profile brings no migrations for the sandbox.")
            .unchanged("Nothing was made.")
            .next("Put the migrations that make its tables in a folder `migrations` beside profile.toml.")
    };
    let Some(name) = id.strip_prefix(BUNDLED) else {
        let folder = Path::new(id).join("migrations");
        return if folder.is_dir() { Ok(folder) } else { Err(without()) };
    };
    let folder = SEEDS.get_dir(format!("{name}/migrations")).ok_or_else(without)?;
    let mut left = vec![folder];
    while let Some(folder) = left.pop() {
        let inner = folder.path().strip_prefix(name).unwrap_or(folder.path());
        std::fs::create_dir_all(into.join(inner)).map_err(failed)?;
        for file in folder.files() {
            let inner = file.path().strip_prefix(name).unwrap_or(file.path());
            std::fs::write(into.join(inner), file.contents()).map_err(failed)?;
        }
        left.extend(folder.dirs());
    }
    Ok(into.join("migrations"))
}

/// The folder that people look in for what they saved.
pub fn downloads() -> PathBuf {
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE")).map(PathBuf::from);
    let told = std::env::var_os("XDG_DOWNLOAD_DIR").map(PathBuf::from);
    told.or_else(|| home.as_ref().map(|home| home.join("Downloads")).filter(|folder| folder.is_dir()))
        .or(home)
        .unwrap_or_else(std::env::temp_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_cannot_reach_out_of_its_folder() {
        for outside in ["../secret.csv", "/etc/passwd", "a/../../b", ".."] {
            assert!(!is_inside(outside), "{outside}");
        }
        for inside in ["flags.csv", "data/flags.csv", "./flags.csv"] {
            assert!(is_inside(inside), "{inside}");
        }
    }

    #[test]
    fn the_demo_is_no_profile() {
        let bundled = bundled();
        assert!(bundled.contains(&"bundled:production-baseline".to_owned()), "{bundled:?}");
        assert!(!bundled.iter().any(|id| id.contains("demo")));
    }
}
