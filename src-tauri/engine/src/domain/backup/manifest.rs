//! What a backup holds, as its manifest says it.

use super::{BackupKind, BackupScope, BackupTool, LeftOut, TableName};
use crate::domain::environment::Tier;
use crate::domain::identity::TargetIdentity;
use crate::domain::import::DumpOrigin;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How the rows of a table are compared. One definition a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashDefinition {
    /// `sum(hashtextextended(row as text, 0))` over all rows of the table alone (`ONLY`), computed on the server
    /// under pinned settings (ISO dates, UTC, `extra_float_digits` 3, `bytea_output` hex). Two rows that swap
    /// values between them in a colliding way would not be told apart; the chance is about 2^-64 a pair.
    TextSum64,
    /// As [`HashDefinition::TextSum64`], at half the work: columns of common types are hashed one after the other,
    /// each with the hash so far as its seed, and only what is left is written as one text before them. Which
    /// columns are null is hashed with them.
    ColumnSum64,
}

/// In which of COPY's formats the rows of a table are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyFormat {
    /// Binary.
    Binary,
    /// Text: for types whose binary form names types by number, which is another one in another database.
    Text,
}

/// A column as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredColumn {
    /// Name.
    pub name: String,
    /// Type as the server writes it.
    pub type_name: String,
    /// The server computes it; its values are not stored.
    pub generated: bool,
}

/// A table of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTable {
    /// Name.
    pub table: TableName,
    /// Columns in order.
    pub columns: Vec<StoredColumn>,
    /// Columns that tell rows apart.
    pub key: Vec<String>,
    /// Rows.
    pub rows: u64,
    /// Their hash, by the manifest's definition; `None`: rows too large for it, only counted and checksummed.
    pub hash: Option<String>,
    /// Format of the stored rows.
    pub format: CopyFormat,
    /// Where its rows are, in a quick backup.
    pub segment: Option<Segment>,
}

/// A piece of a file, sealed by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// First byte.
    pub at: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of those bytes, hex.
    pub sha256: String,
}

/// A sequence of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSequence {
    /// Name.
    pub sequence: TableName,
    /// The table whose column it feeds.
    pub owner: Option<TableName>,
    /// Last value, as text.
    pub last_value: String,
    /// The last value was given out; the next one is one step on.
    pub is_called: bool,
    /// Step.
    pub increment: String,
}

impl StoredSequence {
    /// The value it gives next; `None` past the ends of 64 bits.
    pub fn next(&self) -> Option<i64> {
        let last: i64 = self.last_value.parse().ok()?;
        if !self.is_called {
            return Some(last);
        }
        last.checked_add(self.increment.parse().ok()?)
    }
}

/// The large objects of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredLargeObjects {
    /// How many.
    pub count: u64,
    /// `sum(hashtextextended(number and content, 0))`; `None`: one of them is too large for that.
    pub hash: Option<String>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Name inside of the backup's folder.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
}

/// What a backup holds. Written last; a folder without it holds no backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of the folder; 1.
    pub format: u32,
    /// Random id.
    pub id: String,
    /// Kind.
    pub kind: BackupKind,
    /// Environment; `None` for `DATABASE_URL`.
    pub environment_id: Option<String>,
    /// Its name then.
    pub environment_name: String,
    /// Its tier then.
    pub tier: Tier,
    /// The database it is from.
    pub identity: TargetIdentity,
    /// Encoding of that database.
    pub encoding: String,
    /// `LC_COLLATE` and `LC_CTYPE` of that database.
    pub locale: (String, String),
    /// What read it out.
    pub tool: BackupTool,
    /// The snapshot all of it was read in, as `pg_current_snapshot()` writes it.
    pub snapshot: String,
    /// When that snapshot was taken, by the server's clock.
    pub snapshot_at: DateTime<Utc>,
    /// When the last byte was synced, by this computer's clock.
    pub finished_at: DateTime<Utc>,
    /// Seconds it took.
    pub milliseconds: u64,
    /// What it was asked to hold.
    pub scope: BackupScope,
    /// Schemas whose objects its catalogue describes.
    pub schemas: Vec<String>,
    /// How rows are compared.
    pub hash: HashDefinition,
    /// Tables with rows of their own.
    pub tables: Vec<StoredTable>,
    /// Sequences.
    pub sequences: Vec<StoredSequence>,
    /// Large objects, in a deep backup of the whole database.
    pub large_objects: Option<StoredLargeObjects>,
    /// What is not in it.
    pub left_out: Vec<LeftOut>,
    /// Its files, all of them but this one.
    pub files: Vec<StoredFile>,
    /// The public key it is encrypted to (`age1...`).
    pub recipient: String,
    /// The dump that it was made from, if it was not taken from a database. Its identity is not known then, and its
    /// snapshot is that of the scratch database it was read in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<DumpOrigin>,
    /// Always true: written last.
    pub complete: bool,
}

impl Manifest {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// A table of it.
    pub fn table(&self, name: &TableName) -> Option<&StoredTable> {
        self.tables.iter().find(|table| table.table == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_tells_what_it_gives_next() {
        let sequence = |last: &str, is_called, increment: &str| StoredSequence {
            sequence: TableName::new("public", "s"),
            owner: None,
            last_value: last.to_owned(),
            is_called,
            increment: increment.to_owned(),
        };
        assert_eq!(sequence("7", false, "1").next(), Some(7));
        assert_eq!(sequence("7", true, "5").next(), Some(12));
        assert_eq!(sequence("-7", true, "-1").next(), Some(-8));
        assert_eq!(sequence("9223372036854775807", true, "1").next(), None);
    }
}
