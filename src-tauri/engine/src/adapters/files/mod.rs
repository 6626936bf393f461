//! Migration sets on disk: Prisma's layout, read exactly as `prisma migrate deploy` reads it
//! (prisma/prisma since 6.6: Node's `readdir` with file types, UTF-8 with replacement, root collation).

pub mod checklists;
pub mod profiles;
pub mod suites;

use crate::domain::migration::{MigrationFile, MigrationSet};
use crate::domain::{Failure, FailureCode};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// More migrations than this in one folder are refused: no real history comes near it.
pub const MOST_MIGRATIONS: usize = 20_000;
/// A larger script is not read.
pub const LARGEST_SCRIPT_BYTES: u64 = 100 * 1024 * 1024;

/// Finds the migrations folder from what the operator chose: the folder itself, or a project's root.
///
/// # Errors
/// [`FailureCode::MigrationsUnreadable`] when there is no such folder or it holds no migrations folder.
pub fn find_migrations_folder(chosen: &Path) -> Result<PathBuf, Failure> {
    let unreadable = |what: String| {
        Failure::new(FailureCode::MigrationsUnreadable, what)
            .unchanged("Nothing was changed.")
            .next("Choose the folder that holds the migrations, or the project's root.")
    };
    let metadata = fs::metadata(chosen)
        .map_err(|error| unreadable(format!("The folder {} cannot be read: {error}.", chosen.display())))?;
    if !metadata.is_dir() {
        return Err(unreadable(format!("{} is a file, not a folder.", chosen.display())));
    }
    let chosen = fs::canonicalize(chosen)
        .map(plain)
        .map_err(|error| unreadable(format!("The path {} cannot be used: {error}.", chosen.display())))?;
    if looks_like_migrations(&chosen) {
        return Ok(chosen);
    }
    for below in [
        "prisma/migrations",
        "migrations",
        "prisma",
        "packages/shared/prisma/migrations",
        "packages/database/prisma/migrations",
        "backend/prisma/migrations",
        "server/prisma/migrations",
        "apps/api/prisma/migrations",
    ] {
        let candidate = chosen.join(below);
        if looks_like_migrations(&candidate) {
            return Ok(candidate);
        }
    }
    // An empty folder is a legal, empty set; a folder full of something else is more likely a mistake.
    let is_empty = fs::read_dir(&chosen).is_ok_and(|mut entries| entries.next().is_none());
    let named_migrations = chosen.file_name().is_some_and(|name| name == "migrations");
    if is_empty || named_migrations {
        return Ok(chosen);
    }
    Err(unreadable(format!(
        "No migrations were found in {} or its prisma/migrations folder.",
        chosen.display()
    ))
    .why("A migrations folder holds one folder a migration, each with a migration.sql."))
}

/// Without the `\\\\?\\` that Windows puts in front of canonical paths.
fn plain(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|text| text.strip_prefix(r"\\?\")) {
        Some(rest) if !rest.starts_with("UNC") => PathBuf::from(rest),
        _ => path,
    }
}

fn looks_like_migrations(folder: &Path) -> bool {
    if folder.join("migration_lock.toml").is_file() {
        return true;
    }
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.filter_map(Result::ok).take(2_000).any(|entry| {
        entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.path().join("migration.sql").is_file()
    })
}

/// Reads a migration set.
///
/// # Errors
/// [`FailureCode::MigrationsUnreadable`] when the folder cannot be listed, [`FailureCode::InputTooLarge`]
/// when it holds more than [`MOST_MIGRATIONS`] folders. A script that cannot be read is no error of the
/// set: its migration says so.
pub fn read_migration_set(folder: &Path) -> Result<MigrationSet, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| {
        Failure::new(
            FailureCode::MigrationsUnreadable,
            format!("The migrations folder {} cannot be read.", folder.display()),
        )
        .why(error.to_string())
        .unchanged("Nothing was changed.")
        .next("Check that the folder exists and may be read, or choose another one.")
    })?;
    let mut folders = Vec::new();
    let mut loose_files = 0_usize;
    let mut notes = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| {
            Failure::new(
                FailureCode::MigrationsUnreadable,
                format!("The migrations folder {} could not be read to its end.", folder.display()),
            )
            .why(error.to_string())
            .next("Try again; if it stays, check the disk or network drive.")
        })?;
        let kind = entry.file_type().ok();
        if kind.is_some_and(|kind| kind.is_dir()) {
            folders.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        } else if kind.is_some_and(|kind| kind.is_symlink()) && entry.path().is_dir() {
            notes.push(format!(
                "`{}` is a link to a folder; a deploy passes it over, and so does Drydock.",
                entry.file_name().to_string_lossy()
            ));
        } else if entry.file_name() != "migration_lock.toml" {
            loose_files += 1;
        }
        if folders.len() > MOST_MIGRATIONS {
            return Err(Failure::new(
                FailureCode::InputTooLarge,
                format!("{} holds more than {MOST_MIGRATIONS} folders.", folder.display()),
            )
            .why("A migrations folder holds one folder a migration.")
            .unchanged("Nothing was read further and nothing was changed.")
            .next("Choose the folder that holds the migrations."));
        }
    }
    if loose_files > 0 {
        notes.push(format!(
            "{loose_files} loose files beside the migrations are not migrations and were passed over."
        ));
    }
    sort_like_deploy(&mut folders)?;
    let files = folders.into_iter().map(|(name, path)| read_migration(name, &path)).collect();
    Ok(MigrationSet { folder: folder.display().to_string(), files, provider: read_provider(folder), notes })
}

/// Sorts as `String.localeCompare` does: ICU root collation at its default strength; equal keys by bytes.
fn sort_like_deploy(folders: &mut [(String, PathBuf)]) -> Result<(), Failure> {
    let collator = root_collator()?;
    folders.sort_by(|(left, _), (right, _)| collator.compare(left, right).then_with(|| left.cmp(right)));
    Ok(())
}

/// The collation a deploy orders migrations by.
///
/// # Errors
/// Only if the compiled-in collation data were damaged.
pub fn root_collator() -> Result<icu_collator::CollatorBorrowed<'static>, Failure> {
    icu_collator::Collator::try_new(
        icu_collator::CollatorPreferences::default(),
        icu_collator::options::CollatorOptions::default(),
    )
    .map_err(|error| {
        Failure::new(FailureCode::FileSystem, "The sort order of migrations is not available.")
            .why(error.to_string())
    })
}

fn read_migration(name: String, folder: &Path) -> MigrationFile {
    let path = folder.join("migration.sql");
    let unreadable = |why: String| MigrationFile {
        name: name.clone(),
        script: Err(why),
        checksum: None,
        replaced_invalid: false,
    };
    match fs::metadata(&path) {
        Ok(metadata) if !metadata.is_file() => return unreadable("migration.sql is not a file.".to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return unreadable("There is no migration.sql in it.".to_owned());
        }
        Err(error) => return unreadable(format!("migration.sql cannot be read: {error}.")),
    }
    let mut bytes = Vec::new();
    let read = fs::File::open(&path)
        .and_then(|file| file.take(LARGEST_SCRIPT_BYTES + 1).read_to_end(&mut bytes).map(|_| ()));
    match read {
        Ok(()) if bytes.len() as u64 > LARGEST_SCRIPT_BYTES => unreadable(format!(
            "migration.sql has {} MB; Drydock reads scripts up to {} MB. Split it, or run it by hand and mark it as applied.",
            fs::metadata(&path).map_or(0, |metadata| metadata.len()).max(bytes.len() as u64) / 1_048_576,
            LARGEST_SCRIPT_BYTES / 1_048_576
        )),
        Ok(()) => {
            let (script, replaced_invalid) = match String::from_utf8(bytes) {
                Ok(text) => (text, false),
                Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
            };
            let checksum = Some(checksum(script.as_bytes()));
            MigrationFile { name, script: Ok(script), checksum, replaced_invalid }
        }
        Err(error) => unreadable(format!("migration.sql cannot be read: {error}.")),
    }
}

/// Free bytes on the disk that holds a folder; `None` where it is not here or does not tell.
pub fn free_bytes(folder: &Path) -> Option<f64> {
    fs4::available_space(folder).ok().map(|bytes| bytes as f64)
}

/// A small file that only the owner may read; `None`: there is none.
///
/// # Errors
/// [`FailureCode::FileSystem`].
pub fn read_private(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(private_failure(path, &error)),
    }
}

/// Writes a small file that only the owner may read, under its name only when it is whole; one that is there
/// already stays.
///
/// # Errors
/// [`FailureCode::FileSystem`].
pub fn write_private_once(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let failed = |error: std::io::Error| private_failure(path, &error);
    // Temporary files are the owner's alone from the beginning.
    let mut file =
        tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error.error)),
        Ok(_) => Ok(()),
    }
}

/// Writes a new file that only the owner may read; one that is there already stays, and is an error.
///
/// # Errors
/// [`FailureCode::FileSystem`].
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write;
    let failed = |error: std::io::Error| private_failure(path, &error);
    let mut file =
        tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::new(FailureCode::FileSystem, format!("{} is there already.", path.display()))
                .unchanged("It was left as it is.")
                .next("Choose another name."))
        }
        Err(error) => Err(failed(error.error)),
    }
}

/// A file of at most 1 MiB.
///
/// # Errors
/// [`FailureCode::FileSystem`], [`FailureCode::InputTooLarge`].
pub fn read_small(path: &Path) -> Result<Vec<u8>, Failure> {
    let size = fs::metadata(path).map_err(|error| private_failure(path, &error))?.len();
    if size > 1024 * 1024 {
        return Err(Failure::new(FailureCode::InputTooLarge, format!("{} is too large.", path.display()))
            .why(format!("It has {size} bytes."))
            .unchanged("Nothing was read.")
            .next("Choose another file."));
    }
    fs::read(path).map_err(|error| private_failure(path, &error))
}

fn private_failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(FailureCode::FileSystem, format!("{} cannot be read or written.", path.display()))
        .why(error.to_string())
        .unchanged("Nothing was written.")
        .next("Make room on the disk, and see that the folder is yours.")
}

/// SHA-256 as the ledger stores it: 64 lower-case hexadecimal digits.
pub fn checksum(bytes: &[u8]) -> String {
    crate::domain::migration::hex(&Sha256::digest(bytes))
}

/// The provider line of `migration_lock.toml`, read as Prisma reads it (no TOML parser).
fn read_provider(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("migration_lock.toml")).ok()?;
    let provider = text
        .lines()
        .find(|line| line.starts_with("provider"))
        .map_or("<PROVIDER NOT FOUND>", |line| line.trim_start_matches("provider = ").trim_matches('"'));
    Some(provider.to_owned())
}

/// The operating system's name of whoever is at the keyboard, for the audit.
pub fn operator() -> String {
    operator_name().unwrap_or_else(|| "unknown user".to_owned())
}

/// As [`operator`]; `None`: the operating system does not tell.
pub fn operator_name() -> Option<String> {
    let names = ["USER", "USERNAME", "LOGNAME"];
    names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// Where the console keeps its data: `DRYDOCK_DATA`, else the platform's place for application data.
///
/// # Errors
/// [`FailureCode::Store`] where neither is known.
pub fn data_folder() -> Result<PathBuf, Failure> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = variable("DRYDOCK_DATA") {
        return Ok(folder);
    }
    let found = if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Application Support/Drydock"))
    } else if cfg!(windows) {
        variable("APPDATA").map(|folder| folder.join("Drydock"))
    } else {
        variable("XDG_DATA_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
            .map(|folder| folder.join("drydock"))
    };
    found.ok_or_else(|| {
        Failure::new(FailureCode::Store, "There is no place known for Drydock's own data.")
            .next("Set DRYDOCK_DATA to a folder that only you can read.")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, sql: &[u8]) {
        let folder = root.join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("migration.sql"), sql).unwrap();
    }

    #[test]
    fn order_is_the_root_collation_that_a_deploy_uses() {
        let root = tempfile::tempdir().unwrap();
        let expected = [
            "_x",
            "0_init",
            "1_z",
            "10_z",
            "2_z",
            "20240101_x",
            "20240101000000_a",
            "20240101000000_b",
            "20240101000000_B",
            "20240101000000-a",
            "20240101000000a",
            "A",
            "b",
        ];
        for name in expected.iter().rev() {
            write(root.path(), name, b"");
        }
        let set = read_migration_set(root.path()).unwrap();
        let names: Vec<&str> = set.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, expected, "measured with the real CLI");
    }

    #[test]
    fn links_are_passed_over_and_dot_folders_count() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), ".dot", b"select 1");
        write(root.path(), "with space", b"");
        fs::create_dir(root.path().join("no_script")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(root.path().join(".dot"), root.path().join("linked")).unwrap();
        fs::write(root.path().join("loose.sql"), "x").unwrap();
        let set = read_migration_set(root.path()).unwrap();
        let names: Vec<&str> = set.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, [".dot", "no_script", "with space"]);
        assert!(set.files[1].script.is_err());
        assert_eq!(
            set.files[2].checksum.as_deref(),
            Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        );
        assert_eq!(set.notes.len(), if cfg!(unix) { 2 } else { 1 });
    }

    #[test]
    fn invalid_utf8_runs_and_is_hashed_as_replaced_text() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "1_bad", b"select '\xff'");
        let set = read_migration_set(root.path()).unwrap();
        assert!(set.files[0].replaced_invalid);
        assert_eq!(set.files[0].checksum.as_deref(), Some(checksum("select '\u{fffd}'".as_bytes()).as_str()));
    }

    #[test]
    fn the_provider_line_is_read_without_a_toml_parser() {
        let root = tempfile::tempdir().unwrap();
        for (text, provider) in [
            ("provider = \"postgresql\"\r\n", "postgresql"),
            ("provider=\"postgresql\"", "provider=\"postgresql"),
            ("# nothing", "<PROVIDER NOT FOUND>"),
        ] {
            fs::write(root.path().join("migration_lock.toml"), text).unwrap();
            assert_eq!(read_migration_set(root.path()).unwrap().provider.as_deref(), Some(provider));
        }
    }

    #[test]
    fn a_project_root_leads_to_its_migrations() {
        let root = tempfile::tempdir().unwrap();
        let migrations = root.path().join("prisma/migrations");
        fs::create_dir_all(&migrations).unwrap();
        write(&migrations, "1_init", b"");
        assert_eq!(find_migrations_folder(root.path()).unwrap(), migrations);
        fs::write(root.path().join("package.json"), "{}").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("holiday.jpg"), "").unwrap();
        let failure = find_migrations_folder(elsewhere.path()).unwrap_err();
        assert_eq!(failure.code, FailureCode::MigrationsUnreadable);
    }
}
