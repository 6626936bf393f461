//! Verification: what was checked, what was found, since when.

use super::finding::Outcome;
use super::http::Writes;
use super::profile::ProfileProblem;
use super::secret::Keeping;
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
    /// Answers of the app's interface.
    Api,
    /// Pages that people see.
    Page,
    /// What somebody does with the app, from beginning to end.
    Functional,
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
    /// Names what was asked, and of which app: another text or address gives another one.
    #[serde(default)]
    pub of: String,
    /// The requests of a check of the app, in the order they were sent.
    #[serde(default)]
    pub requests: Vec<RequestResult>,
    /// Whether it writes; `None`: it only reads.
    #[serde(default)]
    pub writes: Option<Writes>,
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RequestResult {
    /// Name.
    pub name: String,
    /// Method and path, without what was filled into them.
    pub request: String,
    /// It takes back what the others wrote.
    pub cleanup: bool,
    /// Status; `None`: no answer.
    pub status: Option<u16>,
    /// Milliseconds until the whole answer was there.
    pub milliseconds: Option<u32>,
    /// How often it was sent.
    pub tries: u32,
    /// Verdict.
    pub outcome: Outcome,
    /// Why, as a sentence.
    pub why: Option<String>,
    /// What was looked at in the answer.
    pub found: Vec<AnswerFound>,
    /// What was kept of it for later requests; secret ones masked.
    pub kept: Vec<String>,
}

/// One thing that an answer was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct AnswerFound {
    /// What.
    pub what: String,
    /// As found; `None`: it is not there.
    pub now: Option<String>,
    /// As expected.
    pub expected: String,
    /// Verdict.
    pub outcome: Outcome,
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

/// Where an environment's checks of the app come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct CheckSetup {
    /// The app's address.
    pub app: Option<String>,
    /// Folders with files of checks.
    pub folders: Vec<String>,
    /// The files.
    pub suites: Vec<SuiteSummary>,
    /// Secrets that requests need.
    pub credentials: Vec<NeededCredential>,
    /// Folders that cannot be read, and why.
    pub unreadable: Vec<String>,
}

/// A file of checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SuiteSummary {
    /// Its path.
    pub id: String,
    /// Title; the file's name where it cannot be read.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// How many checks it has.
    pub checks: u32,
    /// How many of them ask the app.
    pub flows: u32,
    /// What is wrong in it; such a file is not read.
    pub problems: Vec<ProfileProblem>,
}

/// A secret that requests need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct NeededCredential {
    /// Name in the files.
    pub name: String,
    /// Words of the form.
    pub label: String,
    /// Titles of what needs it.
    pub asked_by: Vec<String>,
    /// Where it is kept; `None`: it is not set.
    pub kept: Option<Keeping>,
    /// Why it cannot be used now; `None`: it can.
    pub problem: Option<String>,
}

/// The text of a file of checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct CheckFile {
    /// Its path.
    pub path: String,
    /// Its text.
    pub text: String,
    /// SHA-256 over it, to see whether somebody else wrote it meanwhile.
    pub digest: String,
    /// What is wrong in it.
    pub problems: Vec<ProfileProblem>,
}

/// A check as a form asks for it; written into a file by [`crate::planner::profile::compose`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct CheckDraft {
    /// Name.
    pub name: String,
    /// What it asks.
    pub asks: DraftAsks,
}

/// What a check of a form asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum DraftAsks {
    /// The app, with one request that reads.
    App {
        /// Part.
        part: CheckPart,
        /// Path and query.
        path: String,
        /// Status; `None`: any of 200 to 299.
        status: Option<u16>,
        /// Most milliseconds.
        within_ms: Option<u32>,
        /// A text that the answer holds.
        text: Option<String>,
        /// A JSONPath and the text of the value that it leads to.
        json: Option<(String, String)>,
        /// A credential that is sent as a bearer token.
        bearer: Option<String>,
    },
    /// How many rows a table has.
    Count {
        /// Table.
        table: String,
        /// Condition in SQL.
        condition: Option<String>,
        /// The fewest.
        at_least: u32,
    },
    /// A query that must find no row.
    NoRow {
        /// The query.
        sql: String,
    },
}
