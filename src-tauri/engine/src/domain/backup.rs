//! Backups: what was stored and from where, what is not in it, and whether it was proven by restoring it.

mod manifest;
mod restore;
mod shelf;

pub use manifest::{
    CopyFormat, HashDefinition, Manifest, Segment, StoredColumn, StoredFile, StoredLargeObjects,
    StoredSequence, StoredTable,
};
pub use restore::{
    Beside, DatabaseForm, LossTotals, RestoreInto, RestoreLoss, RestoreRequest, RestoreStep, RestoreWay,
    RestoreWhat, RestoredTable, SwapBackStep, TableLoss,
};
pub use shelf::{
    BackupDetail, BackupKeyState, BackupPolicy, BackupRecord, BackupShelf, BackupState, BackupSummary,
    BackupTable, BackupView,
};

use super::finding::Outcome;
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
