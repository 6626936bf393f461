//! Backups: what was stored and from where, what is not in it, and whether it was proven by restoring it.

use super::environment::Tier;
use super::error::Failure;
use super::finding::Outcome;
use super::identity::TargetIdentity;
use super::import::DumpOrigin;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A table by its full name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct TableName {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
}

impl TableName {
    /// A table's name.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.schema.as_str() {
            "public" => f.write_str(&self.name),
            schema => write!(f, "{schema}.{}", self.name),
        }
    }
}

/// What kind of backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum BackupKind {
    /// Schema and rows, by `pg_dump`.
    Deep,
    /// The rows of tables, by COPY over our own connection.
    Quick,
}

/// What a backup is to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum BackupScope {
    /// Everything that is the product's own.
    Whole,
    /// Some schemas.
    Schemas {
        /// Their names.
        schemas: Vec<String>,
    },
    /// Some tables.
    Tables {
        /// Their names.
        tables: Vec<TableName>,
    },
}

/// A backup that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct BackupRequest {
    /// Kind.
    pub kind: BackupKind,
    /// What it is to hold.
    pub scope: BackupScope,
    /// Prove it right afterwards.
    pub prove: bool,
    /// The plan that it is a restore point for.
    pub for_plan: Option<String>,
    /// The folder to keep it in; `None`: where the environment's backups are kept.
    #[serde(default)]
    pub folder: Option<String>,
}

/// What a backup would be, before it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct BackupPreview {
    /// The answer in one sentence.
    pub headline: String,
    /// Which program reads the database out, and why that one: `pg_dump 18.4 of the toolkit`.
    pub tool: String,
    /// Why not another way, a line each: the rungs of the ladder that do not hold here.
    pub other_ways: Vec<String>,
    /// Tables it would hold.
    pub tables: u32,
    /// Rows as last analysed; `None`: some tables were never analysed.
    pub rows: Option<f64>,
    /// Bytes that the tables take on the server, indexes left out.
    pub source_bytes: f64,
    /// Bytes that are asked to be free before it starts.
    pub needed_bytes: f64,
    /// Bytes free where backups are kept; `None`: not known.
    pub free_bytes: Option<f64>,
    /// What is not in it.
    pub left_out: Vec<LeftOut>,
    /// Why it cannot be taken. Nothing is stored while there is one.
    pub refusals: Vec<String>,
    /// Where it would be kept.
    pub folder: String,
    /// It would be proven by itself; `None`: it would, else the reason why it is asked for first.
    pub prove_later: Option<String>,
}

/// Something that a backup does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct LeftOut {
    /// What: `2 large objects`.
    pub what: String,
    /// Why, and where else it can be had.
    pub why: String,
}

/// How the rows of a table are compared. One definition a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashDefinition {
    /// `sum(hashtextextended(row as text, 0))` over all rows of the table alone (`ONLY`), computed on the server
    /// under pinned settings (ISO dates, UTC, `extra_float_digits` 3, `bytea_output` hex). Two rows that swap
    /// values between them in a colliding way would not be told apart; the chance is about 2^-64 a pair.
    TextSum64,
    /// As [`HashDefinition::TextSum64`], at half the work: columns of common types are hashed one after the other,
    /// each with the hash so far as its seed, and only what is left is written as one text before them. Which
    /// columns are null is hashed with them.
    ColumnSum64,
}

/// In which of COPY's formats the rows of a table are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyFormat {
    /// Binary.
    Binary,
    /// Text: for types whose binary form names types by number, which is another one in another database.
    Text,
}

/// A column as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredColumn {
    /// Name.
    pub name: String,
    /// Type as the server writes it.
    pub type_name: String,
    /// The server computes it; its values are not stored.
    pub generated: bool,
}

/// A table of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTable {
    /// Name.
    pub table: TableName,
    /// Columns in order.
    pub columns: Vec<StoredColumn>,
    /// Columns that tell rows apart.
    pub key: Vec<String>,
    /// Rows.
    pub rows: u64,
    /// Their hash, by the manifest's definition; `None`: rows too large for it, only counted and checksummed.
    pub hash: Option<String>,
    /// Format of the stored rows.
    pub format: CopyFormat,
    /// Where its rows are, in a quick backup.
    pub segment: Option<Segment>,
}

/// A piece of a file, sealed by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// First byte.
    pub at: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of those bytes, hex.
    pub sha256: String,
}

/// A sequence of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSequence {
    /// Name.
    pub sequence: TableName,
    /// The table whose column it feeds.
    pub owner: Option<TableName>,
    /// Last value, as text.
    pub last_value: String,
    /// The last value was given out; the next one is one step on.
    pub is_called: bool,
    /// Step.
    pub increment: String,
}

impl StoredSequence {
    /// The value it gives next; `None` past the ends of 64 bits.
    pub fn next(&self) -> Option<i64> {
        let last: i64 = self.last_value.parse().ok()?;
        if !self.is_called {
            return Some(last);
        }
        last.checked_add(self.increment.parse().ok()?)
    }
}

/// The large objects of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredLargeObjects {
    /// How many.
    pub count: u64,
    /// `sum(hashtextextended(number and content, 0))`; `None`: one of them is too large for that.
    pub hash: Option<String>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Name inside of the backup's folder.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
}

/// The program that read the database out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct BackupTool {
    /// `pg_dump` or `COPY`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it ran: `the toolkit`, `this computer`, `our own connection`.
    pub place: String,
}

/// A program that could read the database out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTool {
    /// What and where.
    pub tool: BackupTool,
    /// Its major version.
    pub major: u32,
    /// Where its program is.
    pub program: String,
}

/// What a backup holds. Written last; a folder without it holds no backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of the folder; 1.
    pub format: u32,
    /// Random id.
    pub id: String,
    /// Kind.
    pub kind: BackupKind,
    /// Environment; `None` for `DATABASE_URL`.
    pub environment_id: Option<String>,
    /// Its name then.
    pub environment_name: String,
    /// Its tier then.
    pub tier: Tier,
    /// The database it is from.
    pub identity: TargetIdentity,
    /// Encoding of that database.
    pub encoding: String,
    /// `LC_COLLATE` and `LC_CTYPE` of that database.
    pub locale: (String, String),
    /// What read it out.
    pub tool: BackupTool,
    /// The snapshot all of it was read in, as `pg_current_snapshot()` writes it.
    pub snapshot: String,
    /// When that snapshot was taken, by the server's clock.
    pub snapshot_at: DateTime<Utc>,
    /// When the last byte was synced, by this computer's clock.
    pub finished_at: DateTime<Utc>,
    /// Seconds it took.
    pub milliseconds: u64,
    /// What it was asked to hold.
    pub scope: BackupScope,
    /// Schemas whose objects its catalogue describes.
    pub schemas: Vec<String>,
    /// How rows are compared.
    pub hash: HashDefinition,
    /// Tables with rows of their own.
    pub tables: Vec<StoredTable>,
    /// Sequences.
    pub sequences: Vec<StoredSequence>,
    /// Large objects, in a deep backup of the whole database.
    pub large_objects: Option<StoredLargeObjects>,
    /// What is not in it.
    pub left_out: Vec<LeftOut>,
    /// Its files, all of them but this one.
    pub files: Vec<StoredFile>,
    /// The public key it is encrypted to (`age1...`).
    pub recipient: String,
    /// The dump that it was made from, if it was not taken from a database. Its identity is not known then, and its
    /// snapshot is that of the scratch database it was read in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<DumpOrigin>,
    /// Always true: written last.
    pub complete: bool,
}

impl Manifest {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// A table of it.
    pub fn table(&self, name: &TableName) -> Option<&StoredTable> {
        self.tables.iter().find(|table| table.table == *name)
    }
}

/// Whether a backup can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum ProofState {
    /// Never restored.
    Unproven,
    /// It is being restored right now.
    Proving,
    /// Restored and equal to what was stored.
    Proven,
    /// Restored, and something differed; or its files are not what was stored.
    Failed,
    /// It could not be found out.
    Unknown,
}

/// What came of restoring a backup on a scratch database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Proof {
    /// The answer.
    pub state: ProofState,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Seconds it took.
    pub seconds: f64,
    /// Where it was restored: `PostgreSQL 18.4 of the sandbox`.
    pub server: String,
    /// What was compared.
    pub facts: Vec<ProofFact>,
    /// What a proof there cannot show.
    pub notes: Vec<String>,
}

/// One comparison of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ProofFact {
    /// In words: `Row counts are the same`.
    pub title: String,
    /// The outcome.
    pub outcome: Outcome,
    /// The number beside it: `43 of 43`.
    pub figure: String,
    /// What differed, a line each, at most twenty.
    pub differences: Vec<String>,
}

/// How a backup stands on this computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum BackupState {
    /// It is being taken.
    Taking,
    /// All of it is stored.
    Complete,
    /// It was not finished; nothing of it can be restored.
    Broken,
    /// Its folder is gone.
    Gone,
}

/// A backup as the panel lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct BackupView {
    /// Id.
    pub id: String,
    /// Environment it is from; `None` for `DATABASE_URL`.
    pub environment_id: Option<String>,
    /// That environment's name then.
    pub environment_name: String,
    /// Kind.
    pub kind: BackupKind,
    /// How it stands.
    pub state: BackupState,
    /// When its snapshot was taken; while it is being taken, when it began.
    pub taken_at: DateTime<Utc>,
    /// What it holds: `43 tables`, or why it is broken.
    pub holds: String,
    /// Tables.
    pub tables: u32,
    /// Rows.
    pub rows: f64,
    /// Bytes on this computer.
    pub bytes: f64,
    /// Whether it can be trusted.
    pub proof: ProofState,
    /// When that was found out.
    pub proof_at: Option<DateTime<Utc>>,
    /// The run that took it.
    pub run_id: Option<String>,
    /// That run's number.
    pub run_number: Option<u32>,
    /// Where it came from, if it was not taken here: `imported from nightly.dump`.
    pub imported: Option<String>,
    /// It is known which database it is from; of an imported dump it is not.
    pub knows_database: bool,
    /// Its key is on this computer.
    pub has_key: bool,
}

/// A backup with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct BackupDetail {
    /// As listed.
    pub backup: BackupView,
    /// The newest proof.
    pub proof: Option<Proof>,
    /// The program that took it, with version and place.
    pub tool: Option<BackupTool>,
    /// The server it is from: `PostgreSQL 15.18`, database and identity.
    pub source: String,
    /// Seconds it took.
    pub seconds: Option<f64>,
    /// Files and whether their checksums are right, in words.
    pub files: String,
    /// SHA-256 of its manifest, hex.
    pub sha256: Option<String>,
    /// Its folder.
    pub folder: String,
    /// Tables with their rows.
    pub tables: Vec<BackupTable>,
    /// What is not in it.
    pub left_out: Vec<LeftOut>,
    /// Why it is broken, if it is.
    pub failure: Option<Failure>,
}

/// A table of a backup as the screen lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct BackupTable {
    /// Name.
    pub table: TableName,
    /// Rows.
    pub rows: f64,
}

/// The Backups panel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct BackupShelf {
    /// The answer in one sentence.
    pub headline: String,
    /// What follows.
    pub lead: String,
    /// Newest first.
    pub backups: Vec<BackupView>,
    /// The newest proven deep backup.
    pub newest_proven: Option<String>,
    /// State of the panel.
    pub outcome: Outcome,
    /// What is due next, in one line.
    pub due: String,
    /// Whether keys can be kept on this computer, and if not, what to do first.
    pub key: BackupKeyState,
    /// How backups are kept.
    pub policy: BackupPolicy,
    /// Where this environment's backups lie.
    pub folder: String,
    /// Bytes that this environment's backups take.
    pub used_bytes: f64,
    /// Bytes free where they are kept; `None`: not known.
    pub free_bytes: Option<f64>,
    /// When it was read.
    pub read_at: DateTime<Utc>,
}

/// The key that backups are encrypted with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct BackupKeyState {
    /// Its public half, `age1...`; `None`: none was made yet.
    pub recipient: Option<String>,
    /// When it was last exported; without an export, losing this computer loses every backup.
    pub exported_at: Option<DateTime<Utc>>,
    /// Why there can be none, and what to do.
    pub problem: Option<Failure>,
}

/// How backups of an environment are kept and when they are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct BackupPolicy {
    /// Folder; empty: the console's own.
    pub folder: String,
    /// Remove those older than this many days; the newest proven one of each kind stays. 0: never.
    pub keep_days: u32,
    /// Keep at most this many. 0: any number.
    pub keep_count: u32,
    /// Keep at most this many GB. 0: any size.
    pub keep_gb: u32,
    /// Take a deep one every day at this time of this computer, `02:00`, while the console is open.
    pub daily_at: Option<String>,
    /// A finding when the newest proven deep one is older than this many hours. 0: never.
    pub old_after_hours: u32,
    /// Prove by itself up to this many MB of rows on the server; larger ones are asked about.
    pub prove_up_to_mb: u32,
}

impl Default for BackupPolicy {
    fn default() -> Self {
        Self {
            folder: String::new(),
            keep_days: 30,
            keep_count: 0,
            keep_gb: 0,
            daily_at: None,
            old_after_hours: 26,
            prove_up_to_mb: 4_096,
        }
    }
}

/// What the console knows of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupRecord {
    /// Id.
    pub id: String,
    /// The environment it is listed under.
    pub environment_key: String,
    /// That environment's id; `None` for `DATABASE_URL`.
    pub environment_id: Option<String>,
    /// Its name then.
    pub environment_name: String,
    /// Kind.
    pub kind: BackupKind,
    /// How it stands.
    pub state: BackupState,
    /// When it began, by this computer's clock.
    pub started_at: DateTime<Utc>,
    /// The run that took it.
    pub run_id: Option<String>,
    /// That run's number.
    pub run_number: Option<u32>,
    /// The folder that it is written into.
    #[serde(default)]
    pub root: Option<String>,
    /// Its folder, once it is complete.
    pub folder: Option<String>,
    /// SHA-256 of its manifest.
    pub sha256: Option<String>,
    /// What of the manifest is listed.
    pub summary: Option<BackupSummary>,
    /// Its newest proof.
    pub proof: Option<Proof>,
    /// Why it is broken.
    pub failure: Option<Failure>,
    /// Where it came from, if it was not taken here.
    pub imported: Option<String>,
    /// The plan that it is a restore point for.
    pub for_plan: Option<String>,
}

impl BackupRecord {
    /// It was made from a dump, which does not tell of which database it is.
    pub fn is_of_unknown_database(&self) -> bool {
        self.summary.as_ref().is_some_and(|summary| !summary.identity.is_known())
    }

    /// One that is being taken.
    pub fn begun(id: String, environment_key: String, kind: BackupKind, started_at: DateTime<Utc>) -> Self {
        Self {
            id,
            environment_key,
            environment_id: None,
            environment_name: String::new(),
            kind,
            state: BackupState::Taking,
            started_at,
            run_id: None,
            run_number: None,
            root: None,
            folder: None,
            sha256: None,
            summary: None,
            proof: None,
            failure: None,
            imported: None,
            for_plan: None,
        }
    }
}

/// What of a manifest is listed without reading it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupSummary {
    /// When its snapshot was taken, by the server's clock.
    pub taken_at: DateTime<Utc>,
    /// The database it is from.
    pub identity: TargetIdentity,
    /// What it was asked to hold.
    pub scope: BackupScope,
    /// Tables.
    pub tables: Vec<TableName>,
    /// Rows.
    pub rows: u64,
    /// Bytes on this computer.
    pub bytes: u64,
    /// Bytes of its tables on the server.
    pub source_bytes: f64,
    /// Program.
    pub tool: BackupTool,
    /// Seconds it took.
    pub seconds: f64,
    /// The public key it is encrypted to.
    pub recipient: String,
    /// The dump that it was made from, if it was not taken from a database.
    #[serde(default)]
    pub imported: Option<DumpOrigin>,
}

/// Take a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct BackUpStep {
    /// The backup's id.
    pub backup_id: String,
    /// What is asked for.
    pub request: BackupRequest,
}

impl BackUpStep {
    /// What it holds, in words.
    pub fn words(&self) -> String {
        let what = match &self.request.scope {
            BackupScope::Whole => "the whole database".to_owned(),
            BackupScope::Schemas { schemas } if schemas.len() == 1 => format!("schema {}", schemas[0]),
            BackupScope::Schemas { schemas } => format!("{} schemas", schemas.len()),
            BackupScope::Tables { tables } if tables.len() == 1 => format!("table {}", tables[0]),
            BackupScope::Tables { tables } => format!("{} tables", tables.len()),
        };
        match self.request.kind {
            BackupKind::Deep => format!("{what}, deep"),
            BackupKind::Quick => format!("rows of {what}, quick"),
        }
    }
}

/// Prove a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ProveStep {
    /// The backup's id.
    pub backup_id: String,
}

/// What of a backup is to be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RestoreWhat {
    /// All of it.
    Everything,
    /// The rows of some tables.
    Tables {
        /// Their names.
        tables: Vec<TableName>,
    },
    /// Some rows of one table.
    Rows {
        /// The table.
        table: TableName,
        /// Values of the key's columns, a list a row, in the order of the key.
        keys: Vec<Vec<String>>,
    },
}

/// Where a backup is to be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RestoreInto {
    /// The target of this environment, in place: one transaction, compared before it ends.
    Target,
    /// A new database beside it, compared, then given the old one's name. The old one is kept under another.
    Swap,
    /// A new database beside it, of this name. Nothing else is touched.
    NewDatabase {
        /// Its name.
        name: String,
    },
}

/// A restore that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RestoreRequest {
    /// The backup.
    pub backup_id: String,
    /// What of it.
    pub what: RestoreWhat,
    /// Where.
    pub into: RestoreInto,
    /// It is from another database than this target: the target's name, typed, and kept on record.
    pub other_database: Option<String>,
}

/// Restore a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RestoreStep {
    /// As asked for.
    pub request: RestoreRequest,
    /// SHA-256 of the backup's manifest.
    pub sha256: String,
    /// Kind of the backup.
    pub backup_kind: BackupKind,
    /// When the backup was taken.
    pub taken_at: DateTime<Utc>,
    /// Tables whose rows are replaced.
    pub tables: Vec<RestoredTable>,
    /// All objects of these schemas are replaced; empty: only rows.
    pub schemas: Vec<String>,
    /// What it loses, as it was read when the plan was made.
    pub loss: LossTotals,
    /// The database that is made for it; `None`: it happens in place.
    #[serde(default)]
    pub beside: Option<Box<Beside>>,
}

/// A database that a restore makes beside the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Beside {
    /// Its name until all of it is in and was compared; a drawn one, nobody else's.
    pub making: String,
    /// The name that it gets then.
    pub name: String,
    /// The name that the database of that name is kept under; `None`: there is none, and nothing is touched.
    pub kept_as: Option<String>,
    /// What it is.
    pub form: DatabaseForm,
    /// Owners and rights as they were.
    pub with_owners: bool,
}

/// What a database is made as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct DatabaseForm {
    /// Owner; `None`: who makes it.
    pub owner: Option<String>,
    /// Encoding.
    pub encoding: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// `c` libc, `i` ICU, `b` the server's own.
    pub provider: String,
    /// Locale of ICU or of the server's own.
    pub locale: Option<String>,
    /// Rules of ICU.
    pub rules: Option<String>,
    /// Tablespace; `None`: the server's usual one.
    pub tablespace: Option<String>,
}

impl RestoreStep {
    /// What is at the target's address afterwards is another database than before, or what is in it is.
    pub fn takes_its_place(&self) -> bool {
        !matches!(self.request.into, RestoreInto::NewDatabase { .. })
    }

    /// What comes back, in words.
    pub fn words(&self) -> String {
        let rows: f64 = self.tables.iter().map(|table| table.rows).sum();
        let what = match (&self.request.what, self.tables.len()) {
            (RestoreWhat::Rows { table, keys }, _) if keys.len() == 1 => format!("1 row of {table}"),
            (RestoreWhat::Rows { table, keys }, _) => format!("{} rows of {table}", keys.len()),
            (_, 1) => format!("{rows} rows of 1 table"),
            (_, tables) => format!("{rows} rows of {tables} tables"),
        };
        match self.beside.as_deref() {
            Some(Beside { name, kept_as: None, .. }) => format!("{what} into a new database {name}"),
            Some(Beside { name, kept_as: Some(kept), .. }) => {
                format!("{what} into a new {name}; the one before is kept as {kept}")
            }
            None => what,
        }
    }
}

/// A table that a restore touches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RestoredTable {
    /// Table.
    pub table: TableName,
    /// Rows that come back.
    pub rows: f64,
    /// It is not there any more and is made again.
    pub made: bool,
}

/// What going back to a backup would lose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RestoreLoss {
    /// The answer: `Going back to 14:02 loses 56 minutes of work.`
    pub headline: String,
    /// What follows.
    pub lead: String,
    /// Tables that changed since, those with most changes first.
    pub tables: Vec<TableLoss>,
    /// Tables that did not change since.
    pub unchanged: u32,
    /// Rows of the tables that the restore would touch.
    pub totals: LossTotals,
    /// Why the rows of a table cannot be put back as they are, a line each; a restore in place is closed then.
    pub obstacles: Vec<String>,
    /// Sessions that would be cut or would have to wait.
    pub sessions: u32,
    /// The ways that are open, with what each does.
    pub ways: Vec<RestoreWay>,
    /// When it was read.
    pub read_at: DateTime<Utc>,
}

/// A way to restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RestoreWay {
    /// Which.
    pub into: RestoreInto,
    /// In words.
    pub title: String,
    /// What it does, and what stays as it is.
    pub detail: String,
    /// Why it is closed.
    pub closed: Option<String>,
}

/// What became of a table's rows since a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct TableLoss {
    /// Table.
    pub table: TableName,
    /// Rows added since, lost; `None`: not known.
    pub new: Option<f64>,
    /// Rows changed since, their changes lost; `None`: not known.
    pub changed: Option<f64>,
    /// Rows deleted since, back again; `None`: not known.
    pub deleted: Option<f64>,
    /// What else there is to say, or why it is not known.
    pub note: Option<String>,
}

/// Sums over tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct LossTotals {
    /// Rows added since.
    pub new: f64,
    /// Rows changed since.
    pub changed: f64,
    /// Rows deleted since.
    pub deleted: f64,
    /// Tables of which it is not known.
    pub unknown: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_tells_what_it_gives_next() {
        let sequence = |last: &str, is_called, increment: &str| StoredSequence {
            sequence: TableName::new("public", "s"),
            owner: None,
            last_value: last.to_owned(),
            is_called,
            increment: increment.to_owned(),
        };
        assert_eq!(sequence("7", false, "1").next(), Some(7));
        assert_eq!(sequence("7", true, "5").next(), Some(12));
        assert_eq!(sequence("-7", true, "-1").next(), Some(-8));
        assert_eq!(sequence("9223372036854775807", true, "1").next(), None);
    }
}
