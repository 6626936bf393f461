//! The console's own store: SQLite in WAL mode. Intent and outcome are written with
//! `synchronous=FULL`; the live stream with `NORMAL`, since losing its tail loses no truth.

mod audit;
mod backups;
mod environments;
mod releases;
mod rows;
mod runs;

pub use audit::AuditEntry;
pub use rows::{StoredChanges, StoredReading};
pub use runs::{NewRun, StepChange};

use crate::domain::{Failure, FailureCode};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The store of one data folder. Several processes may have it open.
pub struct Store {
    /// Synced before it returns.
    durable: SqlitePool,
    /// Not synced.
    light: SqlitePool,
    folder: PathBuf,
    owner: Owner,
}

/// The mark of this process: a locked file, free again the moment the process ends, however it ends.
struct Owner {
    name: String,
    _lock: File,
}

impl Store {
    /// Opens (and on first use makes) the store in a data folder, brings its tables up to date, and marks
    /// runs whose process has died as needing attention.
    ///
    /// # Errors
    /// [`FailureCode::Store`] with the path and the reason.
    pub async fn open(folder: &Path) -> Result<Self, Failure> {
        let failed = |why: String| {
            Failure::new(
                FailureCode::Store,
                format!("Drydock's own store in {} cannot be opened.", folder.display()),
            )
            .why(why)
            .unchanged("No database was contacted.")
            .next("Check that the folder can be written and has space; DRYDOCK_DATA names another one.")
        };
        private_folder(folder).map_err(|error| failed(error.to_string()))?;
        let owner = Owner::claim(&folder.join("owners")).map_err(|error| failed(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(folder.join("drydock.sqlite"))
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(Duration::from_secs(10));
        let pool = |synchronous| {
            SqlitePoolOptions::new()
                .max_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_with(options.clone().synchronous(synchronous))
        };
        let damaged = |why: String| {
            failed(why).next(
                "The file is left as it is. Put drydock.sqlite and its -wal and -shm files aside, or restore the folder from a backup; a new store is made without them, and each database's own ledger still knows what is applied.",
            )
        };
        let durable = pool(SqliteSynchronous::Full).await.map_err(|error| {
            if is_damage(&error) { damaged(error.to_string()) } else { failed(error.to_string()) }
        })?;
        // A journal that cannot be trusted is worse than none: damage shows here, not in the middle of a run.
        let check: Result<String, _> = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&durable).await;
        match check {
            Ok(said) if said == "ok" => {}
            Ok(said) => return Err(damaged(format!("The file is damaged: {}", said.replace('\n', " ")))),
            Err(error) if is_damage(&error) => return Err(damaged(error.to_string())),
            Err(error) => return Err(failed(error.to_string())),
        }
        {
            // SQLite migrations take no lock of their own: two consoles that start together would both make
            // the tables.
            let _one_at_a_time =
                exclusive(&folder.join("opening")).map_err(|error| failed(error.to_string()))?;
            sqlx::migrate!("../../migrations")
                .run(&durable)
                .await
                .map_err(|error| failed(error.to_string()))?;
        }
        let light = pool(SqliteSynchronous::Normal).await.map_err(|error| failed(error.to_string()))?;
        let store = Self { durable, light, folder: folder.to_path_buf(), owner };
        store.mark_cut_off_runs().await?;
        Ok(store)
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A setting.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn setting(&self, key: &str) -> Result<Option<String>, Failure> {
        let row: Option<(String,)> = sqlx::query_as("SELECT value FROM settings WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.durable)
            .await
            .map_err(store_failure)?;
        Ok(row.map(|(value,)| value))
    }

    /// Sets a setting that is not set yet; answers whether it was not.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn set_setting_once(&self, key: &str, value: &str) -> Result<bool, Failure> {
        let done = sqlx::query("INSERT OR IGNORE INTO settings (key, value) VALUES (?, ?)")
            .bind(key)
            .bind(value)
            .execute(&self.durable)
            .await
            .map_err(store_failure)?;
        Ok(done.rows_affected() == 1)
    }

    /// Sets a setting.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn set_setting(&self, key: &str, value: &str) -> Result<(), Failure> {
        sqlx::query("INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
            .bind(key)
            .bind(value)
            .execute(&self.durable)
            .await
            .map_err(store_failure)?;
        Ok(())
    }

    /// Keeps what an instrument read.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn keep_reading<T: serde::Serialize>(
        &self,
        environment_id: &str,
        instrument: &str,
        at: chrono::DateTime<chrono::Utc>,
        reading: &T,
    ) -> Result<(), Failure> {
        sqlx::query(
            "INSERT INTO readings (environment_id, instrument, at, document) VALUES (?, ?, ?, ?) \
             ON CONFLICT (environment_id, instrument) DO UPDATE SET at = excluded.at, document = excluded.document",
        )
        .bind(environment_id)
        .bind(instrument)
        .bind(at.to_rfc3339())
        .bind(to_json(reading)?)
        .execute(&self.light)
        .await
        .map_err(store_failure)?;
        Ok(())
    }

    /// Forgets what an instrument last read: it was read of something else.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn forget_reading(&self, environment_id: &str, instrument: &str) -> Result<(), Failure> {
        sqlx::query("DELETE FROM readings WHERE environment_id = ? AND instrument = ?")
            .bind(environment_id)
            .bind(instrument)
            .execute(&self.light)
            .await
            .map_err(store_failure)?;
        Ok(())
    }

    /// What an instrument last read, if it can still be understood.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn reading<T: serde::de::DeserializeOwned>(
        &self,
        environment_id: &str,
        instrument: &str,
    ) -> Result<Option<T>, Failure> {
        let row: Option<(String,)> =
            sqlx::query_as("SELECT document FROM readings WHERE environment_id = ? AND instrument = ?")
                .bind(environment_id)
                .bind(instrument)
                .fetch_optional(&self.light)
                .await
                .map_err(store_failure)?;
        Ok(row.and_then(|(document,)| serde_json::from_str(&document).ok()))
    }
}

impl Owner {
    fn claim(folder: &Path) -> std::io::Result<Self> {
        private_folder(folder)?;
        for entry in std::fs::read_dir(folder)?.filter_map(Result::ok) {
            // Marks of dead processes are free to lock; remove them once their runs were looked at.
            if entry.metadata().is_ok_and(|metadata| {
                metadata
                    .modified()
                    .is_ok_and(|time| time.elapsed().is_ok_and(|age| age > Duration::from_secs(30 * 86_400)))
            }) && !is_alive(&entry.path())
            {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        let name = uuid::Uuid::new_v4().to_string();
        let lock = exclusive(&folder.join(&name))?;
        Ok(Self { name, _lock: lock })
    }
}

/// A locked file; free again when it is dropped or the process ends.
fn exclusive(path: &Path) -> std::io::Result<File> {
    let file = File::create(path)?;
    file.lock()?;
    Ok(file)
}

/// Whether the process that made this mark still lives. The look is a shared lock, so that two processes
/// looking at the same time do not take each other for the owner.
fn is_alive(mark: &Path) -> bool {
    match File::open(mark) {
        Ok(file) => matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)),
        Err(_) => false,
    }
}

fn private_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// SQLite's own words for a file that is not, or no longer, its own.
fn is_damage(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| {
        // The low byte is the primary code: 11 is CORRUPT, 26 is NOTADB.
        code.parse::<i32>().is_ok_and(|code| matches!(code & 0xFF, 11 | 26))
    })
}

fn store_failure(error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureCode::Store, "Drydock's own store could not be read or written.")
        .why(error.to_string())
        .next("Check that the disk has space and the data folder can be written, then try again.")
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(store_failure)
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(store_failure)
}
