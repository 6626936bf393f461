//! Verification: what was checked, what was found, since when.

use super::finding::Outcome;
use super::seed::CellView;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Where a check looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum CheckPart {
    /// Rows and values.
    Database,
    /// Tables, columns, types.
    Schema,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct CheckResult {
    /// Names the check for as long as its profile and its name stay the same.
    pub id: String,
    /// Profile or suite it belongs to.
    pub suite: String,
    /// Part.
    pub part: CheckPart,
    /// Name.
    pub name: String,
    /// What was found, in one value; `None`: it could not be read.
    pub now: Option<String>,
    /// What was expected, in one value.
    pub expected: String,
    /// What was found before the newest run; `None`: not looked at then.
    pub before: Option<String>,
    /// Verdict.
    pub outcome: Outcome,
    /// Why, as a sentence.
    pub why: Option<String>,
    /// When it was read.
    pub at: DateTime<Utc>,
    /// Seconds it took.
    pub seconds: f64,
    /// The query, to be read by a person.
    pub sql: Option<String>,
    /// Rows that speak against it.
    pub rows: Option<QueryResult>,
}

/// One reading of a check, for its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct CheckReading {
    /// When.
    pub at: DateTime<Utc>,
    /// What was found.
    pub now: Option<String>,
    /// Verdict.
    pub outcome: Outcome,
    /// The run it was read for, by number.
    pub run: Option<u32>,
}

/// All checks of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Verification {
    /// The answer in a sentence.
    pub headline: String,
    /// What follows from it.
    pub lead: String,
    /// The whole: pass only where every check passes and there is one.
    pub outcome: Outcome,
    /// Checks, in the order of their profiles.
    pub checks: Vec<CheckResult>,
    /// When it was read; `None`: never.
    pub at: Option<DateTime<Utc>>,
    /// The run that `before` was read for, by number.
    pub run: Option<u32>,
    /// Profiles whose checks could not be read at all, and why.
    pub unreadable: Vec<String>,
}

/// The rows of a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct QueryResult {
    /// Columns.
    pub columns: Vec<QueryColumn>,
    /// Rows, a value a column.
    pub rows: Vec<Vec<CellView>>,
    /// There were more rows than may be shown.
    pub more: bool,
    /// Seconds it took.
    pub seconds: f64,
}

/// A column of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct QueryColumn {
    /// Name.
    pub name: String,
    /// Type as the server writes it.
    pub type_name: String,
}

/// When a check was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before a run.
    Before,
    /// After a run.
    After,
    /// Because somebody asked.
    Asked,
}

impl Moment {
    /// As it is stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Asked => "asked",
        }
    }
}
