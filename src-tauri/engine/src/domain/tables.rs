//! What has to be known of a table before its rows are written, compared or taken back.

use serde::{Deserialize, Serialize};

/// A table as rows see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableFacts {
    /// Oid.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `r` ordinary, `p` partitioned, `f` foreign, `v` view, `m` materialized view.
    pub kind: String,
    /// Oid of the topmost partitioned table it is a part of.
    pub root: Option<u32>,
    /// Tables inherit from it (other than partitions).
    pub has_children: bool,
    /// Columns in order.
    pub columns: Vec<ColumnFacts>,
    /// Columns of the primary key; empty: none.
    pub primary_key: Vec<String>,
    /// Columns of each complete, valid unique index.
    pub unique: Vec<Vec<String>>,
    /// References to other tables.
    pub references: Vec<ForeignKey>,
    /// Row security hides rows from this session.
    pub hidden_rows: bool,
    /// The session may read it.
    pub may_select: bool,
    /// The session may add rows.
    pub may_insert: bool,
    /// The session may change rows.
    pub may_update: bool,
    /// The session may delete rows.
    pub may_delete: bool,
    /// Estimated rows; -1: never analysed.
    pub rows: f64,
    /// Its file, which changes with TRUNCATE and rewrites.
    pub file: Option<u32>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnFacts {
    /// Name.
    pub name: String,
    /// Type as the server writes it, `numeric(12,2)`.
    pub type_name: String,
    /// Category of the type, domains followed: `A` array, `E` enum, `N` number, ...
    pub category: String,
    /// The type, domains followed: `jsonb`.
    pub base_type: String,
    /// No NULL.
    pub not_null: bool,
    /// The server fills it when it is not given: default or identity.
    pub has_default: bool,
    /// The default can be another one each time.
    pub volatile_default: bool,
    /// Always computed by the server.
    pub generated: bool,
    /// GENERATED ALWAYS AS IDENTITY.
    pub identity_always: bool,
    /// Labels of an enum.
    pub labels: Vec<String>,
    /// The operator by which two values are the same, as the type's indexes see it.
    pub equals: String,
}

impl ColumnFacts {
    /// Whether it holds JSON.
    pub fn is_json(&self) -> bool {
        matches!(self.base_type.as_str(), "json" | "jsonb")
    }

    /// Whether it holds an array.
    pub fn is_array(&self) -> bool {
        self.category == "A"
    }
}

/// A reference to another table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Constraint.
    pub name: String,
    /// Columns that refer.
    pub columns: Vec<String>,
    /// Oid of the table referred to.
    pub table: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table_name: String,
    /// Its columns.
    pub referenced: Vec<String>,
    /// What a delete of the referenced row does: `a` nothing allowed, `r` restrict, `c` cascade, `n` set
    /// null, `d` set default.
    pub on_delete: String,
    /// Checked at the end of the transaction if asked to.
    pub deferrable: bool,
}

impl TableFacts {
    /// `schema.name`.
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&ColumnFacts> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns that tell rows apart: the primary key, else a unique index without NULLs.
    pub fn identity(&self) -> Option<&[String]> {
        if !self.primary_key.is_empty() {
            return Some(&self.primary_key);
        }
        self.unique
            .iter()
            .find(|columns| {
                columns.iter().all(|name| self.column(name).is_some_and(|column| column.not_null))
            })
            .map(Vec::as_slice)
    }

    /// Whether a unique index covers exactly these columns.
    pub fn is_unique(&self, columns: &[String]) -> bool {
        let same = |index: &Vec<String>| {
            index.len() == columns.len() && index.iter().all(|name| columns.contains(name))
        };
        same(&self.primary_key) || self.unique.iter().any(same)
    }
}
