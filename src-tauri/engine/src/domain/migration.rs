//! Migration sets, their files, and the state of each migration against a ledger.

use super::{finding::Finding, ledger::LedgerRow, statement::Script};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One migration's folder on disk, with its script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationFile {
    /// The folder's name = the migration's name.
    pub name: String,
    /// The script exactly as it runs (UTF-8, invalid bytes replaced by U+FFFD as Prisma does since 6.6), or why it cannot be read.
    pub script: Result<String, String>,
    /// SHA-256 of the script as read, lower-case hex; `None` if it cannot be read.
    pub checksum: Option<String>,
    /// The bytes were not valid UTF-8 and have been replaced.
    pub replaced_invalid: bool,
}

/// A migration set as read from its folder, in the order a deploy uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationSet {
    /// Absolute path.
    pub folder: String,
    /// Migrations in deploy order (ICU root collation, as Prisma since 6.6).
    pub files: Vec<MigrationFile>,
    /// What `migration_lock.toml` says, if there is one.
    pub provider: Option<String>,
    /// Things that were passed over and why (symlinks to folders, loose files).
    pub notes: Vec<String>,
}

/// The state of one migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum MigrationState {
    /// On disk, not in the ledger: the next apply runs it.
    Pending,
    /// In the ledger and on disk, equal.
    Applied,
    /// Started and not finished, and nobody is working on it.
    Failed,
    /// Started and not finished, and a session holds the migration lock: it may be running.
    Running,
    /// Its last row was rolled back: the next apply runs it again.
    RolledBack,
    /// Applied, and the file has changed since.
    Edited,
    /// Applied, and there is no file.
    Missing,
    /// On disk without a readable script.
    Unreadable,
}

/// One migration as the truth panel lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct MigrationRow {
    /// Name.
    pub name: String,
    /// State.
    pub state: MigrationState,
    /// Place in the order a deploy would use, 1-based; `None` if the next apply does not run it.
    pub order: Option<u32>,
    /// Whether a folder of that name exists.
    pub on_disk: bool,
    /// SHA-256 of the file.
    pub file_checksum: Option<String>,
    /// Number of statements in the file; `None` if unreadable.
    pub statements: Option<u32>,
    /// All ledger rows of that name, oldest first.
    pub rows: Vec<LedgerRow>,
    /// Of the objects its file makes: how many exist in the live schema; `None`: not looked at or not countable.
    pub live: Option<LiveObjects>,
    /// One sentence of explanation where the state alone does not say it.
    pub note: Option<String>,
}

/// How much of a migration is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct LiveObjects {
    /// Objects that exist as the file leaves them.
    pub present: u32,
    /// Objects that the file makes or drops and that can be looked up.
    pub countable: u32,
}

/// The ledger of another tool that was found on the target. Listed, never written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ForeignLedger {
    /// `Flyway`, `Rails`, ...
    pub tool: String,
    /// Qualified table name.
    pub table: String,
    /// Number of rows; `None` if it could not be read.
    pub rows: Option<i64>,
    /// The newest entries, newest first, at most 20.
    pub newest: Vec<String>,
    /// A sentence where something is wrong (dirty, failed, locked).
    pub problem: Option<String>,
}

/// What the ledger is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum LedgerPresence {
    /// It is there.
    Present,
    /// It is not there and the schema has no table: the first apply creates it.
    Absent,
    /// It is not there but the schema has tables: baseline first.
    BaselineNeeded {
        /// How many tables.
        tables: u32,
    },
}

/// The truth panel: files, ledger and live schema, and where they disagree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct MigrationStatus {
    /// The answer in one sentence.
    pub headline: String,
    /// What follows from it, one or two sentences.
    pub lead: String,
    /// Folder that was read.
    pub folder: String,
    /// Ledger.
    pub ledger: LedgerPresence,
    /// All migrations, in deploy order; missing ones at the place their name sorts to.
    pub migrations: Vec<MigrationRow>,
    /// Names the next apply would run, in its exact order, rolled-back retries included.
    pub next_apply: Vec<String>,
    /// Findings beside the states: provider mismatch, edited, missing, failed and pending, order.
    pub findings: Vec<Finding>,
    /// Ledgers of other tools.
    pub foreign_ledgers: Vec<ForeignLedger>,
    /// Whether another session holds the migration lock now.
    pub lock_holder: Option<LockHolder>,
    /// What the real CLI's `migrate status` would say: its exit code (0 or 1).
    pub prisma_exit_code: i32,
    /// Ids of all ledger rows, for the identity pin.
    pub ledger_ids: Vec<String>,
    /// When the target was read.
    pub read_at: DateTime<Utc>,
}

/// Who holds the migration lock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct LockHolder {
    /// Backend process id.
    pub pid: i32,
    /// `application_name`, possibly empty.
    pub application: String,
    /// User.
    pub user: String,
    /// Client address, if any.
    pub client: Option<String>,
    /// Seconds since the session's last state change.
    pub seconds: Option<f64>,
}

/// One migration in detail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct MigrationDetail {
    /// The row of the truth panel.
    pub row: MigrationRow,
    /// The script's text; `None` if it is missing or unreadable. Very long scripts are cut, `cut` says so.
    pub sql: Option<String>,
    /// Bytes left out of `sql` at its end.
    pub cut: u32,
    /// The script taken apart.
    pub script: Option<Script>,
    /// What the linter and our own facts say.
    pub findings: Vec<Finding>,
    /// The existing tables it touches.
    pub tables: Vec<TouchedTable>,
}

/// A table a migration touches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct TouchedTable {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Estimated rows (`reltuples`); `None` if never analysed or not existing.
    pub rows: Option<f64>,
    /// Bytes with indexes and TOAST; `None` if the table does not exist.
    pub bytes: Option<f64>,
    /// The strongest lock.
    pub mode: String,
    /// Who waits.
    pub waits: super::statement::Waits,
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
