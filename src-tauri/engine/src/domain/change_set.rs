//! What a dry run found: objects, rows, locks, time, and what could not be tried.

use super::statement::{Action, ObjectKind, Waits};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How a migration was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum Tried {
    /// On the target itself, with its data, and taken back.
    DryRun,
    /// On a scratch copy of the schema, without data.
    Rehearsal,
    /// Not at all.
    Not,
}

/// One migration's trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Trial {
    /// Migration (or repair) name.
    pub migration: String,
    /// How it was tried.
    pub tried: Tried,
    /// Whether it worked; `None`: not tried, unknown.
    pub worked: Option<bool>,
    /// Seconds it took.
    pub seconds: Option<f64>,
    /// Why it was not tried on the target, or the error it met.
    pub note: Option<String>,
    /// 1-based number of the failing statement, where known.
    pub failed_statement: Option<u32>,
}

/// A created, altered or dropped object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ObjectChange {
    /// What happens.
    pub action: Action,
    /// Kind.
    pub kind: ObjectKind,
    /// Qualified name: `public.users`, `public.users.email`.
    pub name: String,
    /// What exactly changes, in words; empty for created and dropped ones.
    pub detail: String,
}

/// Rows changed in one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct TableRows {
    /// Qualified name.
    pub table: String,
    /// Rows inserted.
    pub inserted: u32,
    /// Rows updated.
    pub updated: u32,
    /// Rows deleted.
    pub deleted: u32,
    /// The table was rewritten as a whole (type change, volatile default), or emptied by TRUNCATE.
    pub rewritten: bool,
    /// The counts are proven; false: `unknown`, with the reason in `note`.
    pub known: bool,
    /// Why not known, or what rewritten means here.
    pub note: Option<String>,
}

/// A lock that was really taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct LockTaken {
    /// Qualified table.
    pub table: String,
    /// Strongest mode.
    pub mode: String,
    /// Who waits.
    pub waits: Waits,
    /// Migration that took it first.
    pub migration: String,
    /// Seconds from the start of the dry run to when it was first seen held.
    pub from_seconds: f64,
    /// Seconds it will be held when applied: to the end of that migration's own transaction.
    pub held_seconds: f64,
    /// Seconds it was held in the dry run: to the end of the whole dry run.
    pub dry_run_seconds: f64,
}

/// What a dry run (and rehearsal) found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct DryRunReport {
    /// Run id of the dry run.
    pub run_id: String,
    /// Plan it tried.
    pub plan_id: String,
    /// Digest it tried.
    pub digest: String,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Seconds on the target.
    pub seconds: f64,
    /// Seconds of the rehearsal.
    pub rehearsal_seconds: f64,
    /// Each migration's trial, in order.
    pub trials: Vec<Trial>,
    /// All that was tried worked, and nothing was left untried.
    pub worked: Option<bool>,
    /// Objects created, altered, dropped.
    pub objects: Vec<ObjectChange>,
    /// Rows changed per table.
    pub rows: Vec<TableRows>,
    /// Locks on tables that existed before, longest first.
    pub locks: Vec<LockTaken>,
    /// Longest time a blocking lock was held in the dry run, seconds.
    pub longest_block_seconds: f64,
    /// What it wrote on the server's disk beside what it may write, as a sentence; `None`: nothing was tried
    /// on the target.
    #[serde(default)]
    pub space: Option<String>,
    /// Proof that it was taken back: the fingerprint read afterwards equals the one before.
    pub taken_back: Option<bool>,
    /// What could not be known, as sentences.
    pub unknowns: Vec<String>,
    /// The changed rows of a seed or an undo.
    #[serde(default)]
    pub changes: Option<super::seed::RowChanges>,
}
