//! What the rows of a block write, ready for a server: which columns, from where, staged how.

use super::profile::{Mode, Place, WrittenOn};
use super::tables::TableFacts;

/// A block that fits its table.
#[derive(Debug, Clone)]
pub struct Staging {
    /// Its position in the profile.
    pub block: usize,
    /// Where it begins.
    pub at: Place,
    /// The table.
    pub table: TableFacts,
    /// Natural key.
    pub key: Vec<String>,
    /// Mode.
    pub mode: Mode,
    /// What is staged, beside number and shape of the row.
    pub stage: Vec<StageColumn>,
    /// Sets of columns that rows write.
    pub shapes: Vec<Shape>,
    /// Rows.
    pub rows: u64,
    /// Columns that are written after all rows are in, because they lead to rows that come later.
    pub late: Vec<String>,
    /// Columns that are never shown.
    pub sensitive: Vec<String>,
}

/// A column of the staging table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageColumn {
    /// The column or field that it is for.
    pub name: String,
    /// Its type.
    pub like: Like,
}

/// The type of a staged column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Like {
    /// That of a column of the block's table.
    Own(String),
    /// That of a column of another table.
    Other {
        /// Schema.
        schema: String,
        /// Table.
        table: String,
        /// Column.
        column: String,
    },
    /// Text.
    Text,
}

/// The columns that a row writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Columns.
    pub columns: Vec<ShapeColumn>,
}

/// A column that a row writes.
#[derive(Debug, Clone, PartialEq)]
pub struct ShapeColumn {
    /// Column.
    pub column: String,
    /// Where its value comes from.
    pub source: Source,
    /// When it is written.
    pub on: WrittenOn,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A staged column, by position.
    Staged(usize),
    /// A column of another row.
    Reference {
        /// Schema.
        schema: String,
        /// Table.
        table: String,
        /// Column taken.
        take: String,
        /// Columns it is found by, and the staged columns that hold their values.
        by: Vec<(String, usize)>,
        /// The columns have a unique index.
        unique: bool,
    },
    /// The next value of a sequence.
    Sequence(String),
    /// An expression over staged fields, which are texts.
    Sql {
        /// The expression.
        expression: String,
        /// Fields by name, and the staged columns that hold them.
        fields: Vec<(String, usize)>,
    },
}

impl Staging {
    /// The column that a staged value is for, for messages.
    pub fn staged_name(&self, at: usize) -> &str {
        self.stage.get(at).map_or("", |column| match &column.like {
            Like::Own(name) => name,
            Like::Other { column: name, .. } => name,
            Like::Text => &column.name,
        })
    }

    /// The columns that rows write, each once, in order of their names; sequences apart.
    pub fn written(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .shapes
            .iter()
            .flat_map(|shape| &shape.columns)
            .filter(|column| !matches!(column.source, Source::Sequence(_)))
            .map(|column| column.column.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether values have to be looked up or computed by the server before they are written.
    pub fn needs_server(&self) -> bool {
        self.shapes
            .iter()
            .flat_map(|shape| &shape.columns)
            .any(|column| matches!(column.source, Source::Reference { .. } | Source::Sql { .. }))
    }
}

/// A reference of a block's rows to another table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dangles {
    /// Column that refers.
    pub column: String,
    /// Table referred to.
    pub table: String,
    /// Its columns that the row is found by.
    pub keys: Vec<String>,
}
