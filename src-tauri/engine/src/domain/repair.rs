//! The doctor of failed migrations: which statements' effects exist, and the ways on.

use super::plan::{PlanPurpose, RepairStatement};
use serde::{Deserialize, Serialize};

/// Whether a statement's effect is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum EffectState {
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// It cannot be told from the catalogue (rows, DO blocks, text not understood).
    Unknown,
    /// It left something half done, such as an INVALID index.
    Broken,
}

/// One statement of a failed migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct StatementEffect {
    /// 1-based number.
    pub number: u32,
    /// Line in the file.
    pub line: u32,
    /// What it does.
    pub summary: String,
    /// The SQL.
    pub sql: String,
    /// Whether its effect exists.
    pub state: EffectState,
    /// The evidence in a line.
    pub evidence: String,
    /// It is the one that failed, as far as known.
    pub failed_here: bool,
}

/// A way to repair, with its preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RepairWay {
    /// What the plan would be for.
    pub purpose: PlanPurpose,
    /// Button text: `Finish the rest: 4 statements`.
    pub title: String,
    /// What it does and what it leaves.
    pub explanation: String,
    /// What would run.
    pub statements: Vec<RepairStatement>,
    /// `None`: available; else why not.
    pub refused: Option<String>,
    /// The one Drydock recommends.
    pub recommended: bool,
}

/// What is known about a failed migration and the ways on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RepairReport {
    /// Migration.
    pub migration: String,
    /// The answer: `3 of 7 statements are in. Statement 4 failed.`
    pub headline: String,
    /// The original error, if the ledger or our journal has it.
    pub error: Option<String>,
    /// Statements.
    pub statements: Vec<StatementEffect>,
    /// Ways on, recommended first.
    pub ways: Vec<RepairWay>,
}
