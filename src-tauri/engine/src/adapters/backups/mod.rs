//! Backups at rest: a folder each, with the files that hold the rows and a manifest that is written last.
//!
//! Every file is compressed with zstd and encrypted with age (<https://age-encryption.org/v1>) to a key of this
//! console, so that `age -d -i KEY FILE | zstd -d` opens it without Drydock. The manifest stands in clear: names,
//! counts and checksums, no values. It carries its own SHA-256, and a seal (HMAC-SHA-256) that only the key's owner
//! can make. A folder is written under another name, synced, and renamed when all of it is there.

mod key;
mod read;
mod write;

pub use key::{BackupKey, export_keys, import_keys};
pub use read::{Chunks, Stored, verify_files};
pub use write::{Draft, Writer};

use crate::domain::{Failure, FailureCode};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// How the folder of a backup ends.
pub const ENDING: &str = ".backup";
/// How it ends while it is written.
const PARTIAL: &str = ".partial";
/// The manifest.
pub const MANIFEST: &str = "manifest.json";
/// The rows of a quick backup, a segment a table.
pub const ROWS: &str = "rows.copy.zst.age";
/// The archive of a deep backup.
pub const ARCHIVE: &str = "archive.pgdump.zst.age";
/// The catalogue of the database as it was.
pub const CATALOGUE: &str = "catalogue.json.zst.age";

/// Bytes free where a folder is or would be made; `None`: not known.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|place| place.exists())?;
    fs4::available_space(there).ok()
}

/// Removes what a cut-off backup left in a folder of backups. `alive` tells which ids are at work.
pub fn sweep(root: &Path, alive: &dyn Fn(&str) -> bool) {
    let Ok(entries) = std::fs::read_dir(root) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(id) = name.strip_suffix(PARTIAL).and_then(|name| name.rsplit('-').next()) else { continue };
        if !alive(id)
            && let Err(error) = std::fs::remove_dir_all(&path)
        {
            tracing::warn!(%error, "what a cut-off backup left could not be removed");
        }
    }
}

/// The finished backup of this short id in a folder, if one is there and its manifest is whole.
pub fn finished(root: &Path, id: &str) -> Option<Stored> {
    let folders = std::fs::read_dir(root).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let of_id = |path: &PathBuf| {
        let stem = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(ENDING));
        stem.and_then(|stem| stem.rsplit('-').next()) == Some(id)
    };
    folders
        .filter(of_id)
        .find_map(|folder| Stored::open(&folder).ok().filter(|found| found.manifest.id == id))
}

/// Removes a backup's folder: the manifest first, so that a half-removed one is no backup any more.
///
/// # Errors
/// [`FailureCode::FileSystem`].
pub fn remove(folder: &Path) -> Result<(), Failure> {
    let gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    match std::fs::remove_file(folder.join(MANIFEST)) {
        Err(error) if !gone(&error) => return Err(file_failure("removed", folder, &error)),
        _ => sync_folder(folder),
    }
    match std::fs::remove_dir_all(folder) {
        Err(error) if !gone(&error) => Err(file_failure("removed", folder, &error)),
        _ => Ok(()),
    }
}

/// Syncs a folder's entries, where the system can.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(handle) = std::fs::File::open(folder) {
        let _ = handle.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

fn hex(bytes: &[u8]) -> String {
    crate::domain::migration::hex(bytes)
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A file of a backup that could not be written, read or removed.
fn file_failure(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::StorageFull || error.kind() == std::io::ErrorKind::QuotaExceeded {
        return Failure::new(FailureCode::DiskFull, "The disk ran full while the backup was written.")
            .why(format!("{}: {error}.", path.display()))
            .unchanged("The unfinished backup was removed; the database was only read.")
            .next("Make room, or choose another folder for backups, then back up again.");
    }
    Failure::new(FailureCode::FileSystem, format!("A file of the backup could not be {verb}."))
        .why(format!("{}: {error}.", path.display()))
        .unchanged("The database was not changed.")
        .next("Look at the folder's rights and at the disk, then try again.")
}

/// Something that is not what was stored.
fn damaged(what: impl Into<String>, why: impl Into<String>) -> Failure {
    Failure::new(FailureCode::BackupDamaged, what)
        .why(why)
        .unchanged("Nothing was changed.")
        .next("Do not use this backup. Choose another one, or back up again.")
}

/// The folder under which a backup is written, and the one it gets.
fn names(root: &Path, stem: &str) -> (PathBuf, PathBuf) {
    (root.join(format!("{stem}{PARTIAL}")), root.join(format!("{stem}{ENDING}")))
}

#[cfg(test)]
mod tests;
