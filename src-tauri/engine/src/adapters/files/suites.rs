//! Files of checks on disk.

use crate::domain::{Failure, FailureCode};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Most files of a folder that are read.
const MOST_FILES: usize = 100;
/// Largest file that is read, bytes.
const LARGEST: u64 = 1024 * 1024;

/// A file of checks, as read at one time.
pub struct SuiteFile {
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl SuiteFile {
    /// SHA-256 over it.
    pub fn digest(&self) -> String {
        super::checksum(&self.bytes)
    }
}

/// The files of a folder that end with `.toml`, by name; not those of folders inside of it.
///
/// # Errors
/// [`FailureCode::FileSystem`].
pub fn in_folder(folder: &Path) -> Result<Vec<SuiteFile>, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|error| unread(folder, &error.to_string()))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml") && path.is_file())
        .collect();
    paths.sort();
    if paths.len() > MOST_FILES {
        return Err(unread(
            folder,
            &format!("It holds {} files of checks; at most {MOST_FILES} are read.", paths.len()),
        ));
    }
    paths.iter().map(|path| read(path)).collect()
}

/// One file.
///
/// # Errors
/// [`FailureCode::FileSystem`], also where it is larger than a megabyte.
pub fn read(path: &Path) -> Result<SuiteFile, Failure> {
    let file = std::fs::File::open(path).map_err(|error| unread(path, &error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| unread(path, &error.to_string()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(unread(path, "It is larger than 1 MB."));
    }
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(SuiteFile { path: path.display().to_string(), name, bytes })
}

/// Writes a file whole or not at all. `digest`: what it had when it was read; `None`: it is new.
///
/// # Errors
/// [`FailureCode::FileSystem`], also where somebody else wrote it meanwhile.
pub fn write(path: &Path, text: &str, digest: Option<&str>) -> Result<(), Failure> {
    // A link stays one: what it leads to is written.
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let path = real.as_path();
    let there = path.exists();
    let same = match digest {
        None => !there,
        Some(digest) => there && read(path)?.digest() == digest,
    };
    if !same {
        let why = if digest.is_none() {
            "There is a file of that name already."
        } else {
            "It was changed or removed since it was read."
        };
        return Err(unwritten(path, why).next("Copy your text, open the file again and put it in."));
    }
    let failed = |error: std::io::Error| {
        unwritten(path, &error.to_string())
            .next("Make room on the disk, and see that the folder may be written.")
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut whole = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    whole.write_all(text.as_bytes()).map_err(failed)?;
    // Others may read it as before; a new one as the folder it lies in.
    let like = std::fs::metadata(if there { path } else { folder }).map_err(failed)?.permissions();
    #[cfg(unix)]
    let like = {
        use std::os::unix::fs::PermissionsExt;
        std::fs::Permissions::from_mode(if there { like.mode() } else { like.mode() & 0o666 })
    };
    whole.as_file().set_permissions(like).map_err(failed)?;
    whole.as_file().sync_all().map_err(failed)?;
    // A new file must not take the place of one that came meanwhile.
    let kept = if there { whole.persist(path) } else { whole.persist_noclobber(path) };
    kept.map_err(|error| failed(error.error))?;
    Ok(())
}

fn unread(path: &Path, why: &str) -> Failure {
    Failure::new(FailureCode::FileSystem, format!("{} cannot be read.", path.display()))
        .why(why)
        .unchanged("Nothing was changed.")
        .next("Choose one that is there and that you may read.")
}

fn unwritten(path: &Path, why: &str) -> Failure {
    Failure::new(FailureCode::FileSystem, format!("{} was not written.", path.display()))
        .why(why)
        .unchanged("The file is as it was.")
}
