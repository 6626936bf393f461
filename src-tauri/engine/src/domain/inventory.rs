//! What there is in a database, for a backup that has to say what it holds and what not.

use super::backup::{CopyFormat, StoredColumn, StoredTable, TableName};
use chrono::{DateTime, Utc};
use serde::Deserialize;

/// A relation that a backup has to say something about.
#[derive(Debug, Clone, Deserialize)]
pub struct Relation {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `r` table, `p` partitioned table, `f` foreign table, `m` materialized view.
    pub kind: String,
    /// The partitioned tables it is a part of, nearest first.
    pub ancestors: Vec<TableName>,
    /// The session may read it.
    pub may_read: bool,
    /// Row security hides rows from this session.
    pub hidden: bool,
    /// Rows as last analysed; -1: never.
    pub rows: f64,
    /// Bytes without indexes.
    pub bytes: f64,
    /// Bytes of them that hold values too large for their row.
    pub toast_bytes: f64,
    /// Columns in order.
    pub columns: Vec<RelationColumn>,
    /// Columns that tell rows apart: the primary key, else a complete unique index without NULLs.
    pub key: Vec<String>,
}

impl Relation {
    /// Its name.
    pub fn table(&self) -> TableName {
        TableName::new(&self.schema, &self.name)
    }

    /// As a manifest holds it, before anything of it was read.
    pub fn stored(&self) -> StoredTable {
        let by_number = self.columns.iter().any(|column| column.by_number && !column.generated);
        StoredTable {
            table: self.table(),
            columns: self
                .columns
                .iter()
                .map(|column| StoredColumn {
                    name: column.name.clone(),
                    type_name: column.type_name.clone(),
                    generated: column.generated,
                })
                .collect(),
            key: self.key.clone(),
            rows: 0,
            hash: None,
            format: if by_number { CopyFormat::Text } else { CopyFormat::Binary },
            segment: None,
        }
    }
}

/// A column of a relation.
#[derive(Debug, Clone, Deserialize)]
pub struct RelationColumn {
    /// Name.
    pub name: String,
    /// Type as the server writes it.
    pub type_name: String,
    /// The server computes it.
    pub generated: bool,
    /// Its binary form names types or objects by their number in this database, or there is none.
    pub by_number: bool,
}

/// A sequence that a backup has to keep.
#[derive(Debug, Clone, Deserialize)]
pub struct FoundSequence {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// The session may read it.
    pub may_read: bool,
    /// Schema and name of the table whose column it feeds.
    pub owner: Option<(String, String)>,
    /// Step.
    pub increment: String,
}

/// What there is in a database.
#[derive(Debug, Clone, Deserialize)]
pub struct Inventory {
    /// Tables and what else holds rows, of all schemas of the product.
    pub relations: Vec<Relation>,
    /// Sequences.
    pub sequences: Vec<FoundSequence>,
    /// Schemas of the product.
    pub schemas: Vec<String>,
    /// Schemas that belong to the hosting platform.
    pub platform_schemas: Vec<String>,
    /// Large objects.
    pub large_objects: u32,
    /// The session may read all of them.
    pub may_read_large_objects: bool,
    /// Event triggers, publications and subscriptions, in words.
    pub others: Vec<String>,
    /// Tables of extensions.
    pub extension_tables: u32,
    /// `server_encoding`.
    pub encoding: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// The server's clock.
    pub now: DateTime<Utc>,
    /// `pg_current_snapshot()`.
    pub snapshot: String,
}
