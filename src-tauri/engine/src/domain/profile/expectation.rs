//! What a profile expects of the database afterwards.

use super::Place;
use crate::domain::http::{HttpFlow, NamedCredential};

/// A file of checks, `checks/*.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckSuite {
    /// Name on the screen.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Its checks.
    pub checks: Checks,
}

/// The checks that a suite or a profile brings, and what they need.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checks {
    /// Secrets that requests need.
    pub credentials: Vec<NamedCredential>,
    /// The checks.
    pub expectations: Vec<Expectation>,
}

/// What must hold afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Name on the screen.
    pub name: String,
    /// What is looked at.
    pub what: Expected,
    /// Where it stands.
    pub at: Place,
}

/// What an expectation looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Number of rows.
    Count {
        /// Table, qualified or not.
        table: TableName,
        /// Condition in SQL.
        condition: Option<String>,
        /// What the number must be.
        holds: Condition,
    },
    /// The first column of the only row of a query.
    Value {
        /// The query.
        sql: String,
        /// What the value must be.
        holds: Condition,
    },
    /// A query that returns no row.
    None {
        /// The query.
        sql: String,
    },
    /// An object is there.
    Exists {
        /// Table.
        table: TableName,
        /// Which part of it; `None`: the table.
        part: Option<TablePart>,
    },
    /// Every reference leads to a row.
    NoOrphans {
        /// Table.
        table: TableName,
        /// A reference that the database does not know of.
        soft: Option<SoftReference>,
    },
    /// The next number is above the highest one.
    SequenceAhead {
        /// Table.
        table: TableName,
        /// Column.
        column: String,
    },
    /// A type has exactly these labels.
    EnumLabels {
        /// Type.
        name: TableName,
        /// Labels in order.
        labels: Vec<String>,
    },
    /// No row is in one of these states.
    NoneFailed {
        /// Table.
        table: TableName,
        /// Column of the state.
        column: String,
        /// States that mean failure.
        values: Vec<String>,
    },
    /// The app answers requests as it should.
    Http(HttpFlow),
}

/// A table's (or type's) name as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// Schema, if one is named.
    pub schema: Option<String>,
    /// Name.
    pub name: String,
}

/// Part of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TablePart {
    /// A column, with its type if it matters.
    Column {
        /// Name.
        name: String,
        /// Type as the server writes it, `numeric(12,2)`.
        type_name: Option<String>,
    },
    /// An index.
    Index {
        /// Name.
        name: String,
    },
    /// A constraint.
    Constraint {
        /// Name.
        name: String,
    },
}

/// A reference that the database does not know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftReference {
    /// Columns that refer.
    pub columns: Vec<String>,
    /// Table referred to.
    pub references: TableName,
    /// Its columns.
    pub referenced: Vec<String>,
}

/// What a number or value must be. Numbers are kept as text, so that every digit stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Exactly this.
    Equals(String),
    /// This or more.
    AtLeast(String),
    /// This or less.
    AtMost(String),
    /// From the first to the second, both included.
    Between(String, String),
    /// As before the run.
    Unchanged,
    /// As before the run, plus this.
    ChangedBy(String),
}
