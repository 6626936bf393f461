//! Seed profiles as they are written: what a `profile.toml` and the files beside it say, taken apart and
//! checked against the format (`docs/seed-profiles.md`), before any database was asked.

use super::environment::Tier;
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
    pub expectations: Vec<Expectation>,
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

/// How a column is filled.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedCell {
    /// Column or field.
    pub name: String,
    /// With what.
    pub cell: Cell,
    /// Where it stands.
    pub at: Place,
}

/// A value as written, and when it is written to a row that is there already.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The value's form.
    pub form: Form,
    /// When it is written; `None`: as its form begins with.
    pub on: Option<WrittenOn>,
}

impl Cell {
    /// When it is written.
    pub fn written_on(&self) -> WrittenOn {
        self.on.unwrap_or(match self.form {
            Form::Generate(_)
            | Form::Counter { .. }
            | Form::Sequence(_)
            | Form::Choose { .. }
            | Form::Fake(_)
            | Form::Default => WrittenOn::Insert,
            _ => WrittenOn::Always,
        })
    }
}

/// When a column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WrittenOn {
    /// Only when the row is added.
    Insert,
    /// When the row is added, and when another of its columns changes.
    Change,
    /// Whenever it differs.
    Always,
}

/// Forms of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// NULL.
    Null,
    /// What the server fills in.
    Default,
    /// A text or date, exactly.
    Text(String),
    /// A number, digit for digit as written.
    Number(String),
    /// True or false.
    Boolean(bool),
    /// JSON in a JSON column, an array in an array column.
    List(Vec<Form>),
    /// A JSON value, as text.
    Json(String),
    /// An answer of the form.
    Input(String),
    /// Another field of the row.
    Field(String),
    /// A text with gaps.
    Template(Template),
    /// An id or the time, drawn once.
    Generate(Generator),
    /// Counts up from row to row.
    Counter {
        /// First.
        start: i64,
        /// From one to the next.
        step: i64,
    },
    /// The next value of a sequence, drawn by the server on apply.
    Sequence(String),
    /// A hash of a text, in hex.
    Hash {
        /// Which.
        algorithm: HashAlgorithm,
        /// Of what.
        of: Template,
    },
    /// One of these, drawn once.
    Choose {
        /// What from; literals only.
        of: Vec<Form>,
        /// How often each; as many as there are values, or none.
        weights: Vec<u32>,
    },
    /// Invented data, the same at every run.
    Fake(Fake),
    /// An expression over the row's fields, computed by the server.
    Sql(String),
    /// A column of another row.
    Reference(Reference),
}

/// A text with gaps in double braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its parts in order.
    pub parts: Vec<TemplatePart>,
}

/// Part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePart {
    /// As it stands.
    Text(String),
    /// A field, an input or `row`, with filters.
    Gap {
        /// Name.
        name: String,
        /// Applied in order.
        filters: Vec<Filter>,
    },
}

/// What happens to a gap's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
    /// Without blanks at the ends.
    Trim,
    /// Lower case letters, digits and single dashes.
    Slug,
    /// Zeros in front, up to this length.
    Pad(u8),
}

/// What Drydock draws once a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generator {
    /// A random UUID (RFC 9562 version 4).
    UuidV4,
    /// A UUID that begins with the time (RFC 9562 version 7).
    UuidV7,
    /// A collision-resistant id in the form of `@paralleldrive/cuid2`.
    Cuid,
    /// 21 characters of A-Za-z0-9_-.
    Nanoid,
    /// The time at which the plan was made.
    Now,
}

/// Hashes of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// MD5, for what is not about secrets.
    Md5,
}

/// Invented data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fake {
    /// First name.
    FirstName,
    /// Last name.
    LastName,
    /// First and last name.
    Name,
    /// Company.
    Company,
    /// An address at example.com, example.org or example.net.
    Email,
    /// Phone number.
    Phone,
    /// Street with number.
    Street,
    /// City.
    City,
    /// Postal code.
    Postcode,
    /// Country.
    Country,
    /// One word.
    Word,
    /// One sentence.
    Sentence,
    /// Some sentences.
    Paragraph,
    /// A whole number.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A number with a fixed number of decimals, in units of the last one.
    Decimal {
        /// Smallest, in units of the last decimal.
        min: i64,
        /// Largest, in units of the last decimal.
        max: i64,
        /// Decimals.
        scale: u8,
    },
    /// A date.
    Date {
        /// First.
        from: chrono::NaiveDate,
        /// Last.
        to: chrono::NaiveDate,
    },
}

/// A column of another table's row.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Schema, if one is named.
    pub schema: Option<String>,
    /// Table.
    pub table: String,
    /// The column taken.
    pub take: String,
    /// How the row is found.
    pub by: ReferenceBy,
}

/// How a referenced row is found.
#[derive(Debug, Clone, PartialEq)]
pub enum ReferenceBy {
    /// By columns of it; the values are literals, inputs, fields or templates.
    Key(Vec<(String, Form)>),
    /// A row of another block of the profile.
    Row(Spread),
}

/// Which row of another block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// One after the other.
    Cycle,
    /// Neighbouring rows share one.
    Spread,
    /// Any, drawn once.
    Random,
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

/// A profile's files as they were read: relative path and bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileFiles {
    /// The files.
    pub files: std::collections::BTreeMap<String, Vec<u8>>,
}
