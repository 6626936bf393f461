//! What the console knows of its backups, how they are kept, and what the panel shows of them.

use super::{BackupKind, BackupScope, BackupTool, LeftOut, Proof, ProofState, TableName};
use crate::domain::error::Failure;
use crate::domain::finding::Outcome;
use crate::domain::identity::TargetIdentity;
use crate::domain::import::DumpOrigin;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

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
