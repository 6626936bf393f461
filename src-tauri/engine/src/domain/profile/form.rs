//! The forms in which a profile gives values.

use super::Place;

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

impl Template {
    /// What its gaps name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Gap { name, .. } => Some(name.as_str()),
            TemplatePart::Text(_) => None,
        })
    }
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
