//! Seed profiles as they are written: what a `profile.toml` and the files beside it say, taken apart and
//! checked against the format (`docs/seed-profiles.md`), before any database was asked.

mod expectation;
mod form;

pub use expectation::{
    CheckSuite, Checks, Condition, Expectation, Expected, SoftReference, TableName, TablePart,
};
pub use form::{
    Cell, Fake, Filter, Form, Generator, HashAlgorithm, NamedCell, Reference, ReferenceBy, Spread, Template,
    TemplatePart, WrittenOn,
};

use super::environment::Tier;
use super::http::HttpWork;
use serde::{Deserialize, Serialize};

/// Where something stands in a profile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Place {
    /// File, relative to the profile's folder.
    pub file: String,
    /// 1-based line.
    pub line: u32,
}

/// What is wrong in a profile, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ProfileProblem {
    /// Where.
    pub at: Place,
    /// What is wrong, as a sentence.
    pub what: String,
    /// What to do, as a sentence.
    pub next: String,
}

/// A profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Name on the screen.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Where it may run.
    pub tiers: Vec<Tier>,
    /// The factor it asks for, if it has one.
    pub scale: Option<Scale>,
    /// What it asks for.
    pub inputs: Vec<Input>,
    /// What it writes.
    pub work: Work,
    /// What must hold afterwards.
    pub checks: Checks,
}

/// The factor that `repeat` is multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Scale {
    /// What the form begins with.
    pub default: u32,
    /// The largest.
    pub max: u32,
}

/// One question of the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Input {
    /// Name in the profile.
    pub name: String,
    /// Words of the form.
    pub label: String,
    /// More words.
    pub help: Option<String>,
    /// May stay empty.
    pub optional: bool,
    /// What is asked for.
    pub kind: InputKind,
    /// Where it stands.
    pub at: Place,
}

/// Kinds of answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum InputKind {
    /// A text.
    Text {
        /// What the form begins with.
        default: Option<String>,
        /// Fewest characters.
        shortest: Option<u32>,
        /// Most characters.
        longest: Option<u32>,
    },
    /// An e-mail address.
    Email {
        /// What the form begins with.
        default: Option<String>,
    },
    /// A number, kept as text so that every digit stays.
    Number {
        /// What the form begins with.
        default: Option<String>,
        /// Smallest.
        min: Option<String>,
        /// Largest.
        max: Option<String>,
    },
    /// One of several.
    Choice {
        /// What the form begins with.
        default: Option<String>,
        /// What can be chosen.
        choices: Vec<String>,
    },
    /// Yes or no.
    Boolean {
        /// What the form begins with.
        default: bool,
    },
    /// A file of rows on this computer, by its path.
    File,
    /// A password; only its hash is written.
    Password {
        /// How it is hashed.
        hash: Argon2Cost,
    },
}

/// Cost of argon2id, as in the PHC string format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Argon2Cost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Argon2Cost {
    /// What npm's `argon2` uses unless told otherwise.
    fn default() -> Self {
        Self { memory_kib: 65_536, passes: 3, lanes: 4 }
    }
}

/// What a profile writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Rows, a block a table, in the order written.
    Tables(Vec<TableBlock>),
    /// Scripts, in the order they run.
    Sql(Vec<ScriptFile>),
    /// Requests: the app writes.
    Http(HttpWork),
}

/// A script of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptFile {
    /// File, relative to the profile's folder.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Where it is named.
    pub at: Place,
}

/// The rows of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableBlock {
    /// Where it begins.
    pub at: Place,
    /// Schema, if one is named.
    pub schema: Option<String>,
    /// Table.
    pub table: String,
    /// Natural key.
    pub key: Vec<String>,
    /// What happens to rows.
    pub mode: Mode,
    /// Where the rows come from.
    pub rows: Rows,
    /// How columns are filled in rows that do not give them.
    pub columns: Vec<NamedCell>,
    /// Names in the rows that are no columns.
    pub fields: Vec<String>,
    /// Columns that are never shown.
    pub sensitive: Vec<String>,
}

impl TableBlock {
    /// The table as the profile calls it.
    pub fn label(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.table),
            None => self.table.clone(),
        }
    }
}

/// What happens to the rows of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Mode {
    /// Rows whose key is not there are added.
    InsertMissing,
    /// Missing rows are added, rows that differ are changed.
    Upsert,
    /// Rows are added until the table has as many.
    TopUp {
        /// How many rows there should be.
        count: u32,
    },
    /// As upsert, and all other rows are deleted.
    Replace,
}

/// Where the rows of a block come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// Written in the profile or a file beside it.
    Given(Vec<GivenRow>),
    /// Made from the columns alone.
    Repeat {
        /// How many.
        count: u32,
        /// Multiplied by the scale.
        scaled: bool,
    },
}

/// One row as written.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenRow {
    /// Where.
    pub at: Place,
    /// Columns and fields it gives.
    pub cells: Vec<(String, Cell)>,
}

/// A profile's files as they were read: relative path and bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileFiles {
    /// The files.
    pub files: std::collections::BTreeMap<String, Vec<u8>>,
    /// Which of them was chosen for an input, by input.
    pub chosen: std::collections::BTreeMap<String, String>,
}
