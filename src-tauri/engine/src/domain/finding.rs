//! The result of a check.

use serde::{Deserialize, Serialize};

/// What a check found. `Unknown` never counts as a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Proven to be well.
    Pass,
    /// Worth a look; does not stop a run by itself.
    Warn,
    /// Not known: timed out, lacked a right, could not be parsed.
    Unknown,
    /// Stops a run.
    Block,
}

/// The result of one check, in the operator's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Finding {
    /// Stable name of the check or rule, kebab-case, such as `adding-not-nullable-field`.
    pub check: String,
    /// What was found.
    pub outcome: Outcome,
    /// One short sentence, the answer.
    pub title: String,
    /// The evidence: what it means, what to do.
    pub detail: Option<String>,
    /// Where: a migration's name, if the finding is about one.
    pub migration: Option<String>,
    /// Where: 1-based statement number in the migration.
    pub statement: Option<u32>,
    /// The finding destroys data and needs its own tick before an apply.
    pub destructive: bool,
}

impl Finding {
    /// A finding about the whole target or plan.
    pub fn new(check: impl Into<String>, outcome: Outcome, title: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            outcome,
            title: title.into(),
            detail: None,
            migration: None,
            statement: None,
            destructive: false,
        }
    }

    /// Adds the evidence.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Names the migration (and statement) it is about.
    pub fn at(mut self, migration: impl Into<String>, statement: Option<u32>) -> Self {
        self.migration = Some(migration.into());
        self.statement = statement;
        self
    }

    /// Marks it as destroying data.
    pub fn destructive(mut self) -> Self {
        self.destructive = true;
        self
    }
}
