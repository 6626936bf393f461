//! Going back to a backup: what is asked for, where to, and what it would lose.

use super::{BackupKind, TableName};
use crate::domain::words::count;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What of a backup is to be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RestoreWhat {
    /// All of it.
    Everything,
    /// The rows of some tables.
    Tables {
        /// Their names.
        tables: Vec<TableName>,
    },
    /// Some rows of one table.
    Rows {
        /// The table.
        table: TableName,
        /// Values of the key's columns, a list a row, in the order of the key.
        keys: Vec<Vec<String>>,
    },
}

/// Where a backup is to be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RestoreInto {
    /// The target of this environment, in place: one transaction, compared before it ends.
    Target,
    /// A new database beside it, compared, then given the old one's name. The old one is kept under another.
    Swap,
    /// A new database beside it, of this name. Nothing else is touched.
    NewDatabase {
        /// Its name.
        name: String,
    },
}

/// A restore that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RestoreRequest {
    /// The backup.
    pub backup_id: String,
    /// What of it.
    pub what: RestoreWhat,
    /// Where.
    pub into: RestoreInto,
    /// It is from another database than this target: the target's name, typed, and kept on record.
    pub other_database: Option<String>,
}

/// Restore a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RestoreStep {
    /// As asked for.
    pub request: RestoreRequest,
    /// SHA-256 of the backup's manifest.
    pub sha256: String,
    /// Kind of the backup.
    pub backup_kind: BackupKind,
    /// When the backup was taken.
    pub taken_at: DateTime<Utc>,
    /// Tables whose rows are replaced.
    pub tables: Vec<RestoredTable>,
    /// All objects of these schemas are replaced; empty: only rows.
    pub schemas: Vec<String>,
    /// What it loses, as it was read when the plan was made.
    pub loss: LossTotals,
    /// The database that is made for it; `None`: it happens in place.
    #[serde(default)]
    pub beside: Option<Box<Beside>>,
}

/// A database that a restore makes beside the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Beside {
    /// Its name until all of it is in and was compared; a drawn one, nobody else's.
    pub making: String,
    /// The name that it gets then.
    pub name: String,
    /// The name that the database of that name is kept under; `None`: there is none, and nothing is touched.
    pub kept_as: Option<String>,
    /// What it is.
    pub form: DatabaseForm,
    /// Owners and rights as they were.
    pub with_owners: bool,
}

/// Take a swap back: the database from before gets its name again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SwapBackStep {
    /// The run whose swap it is.
    pub run_id: String,
    /// Its number, for people.
    pub run_number: u32,
    /// The name that changes hands.
    pub name: String,
    /// The name that the database from before is kept under.
    pub kept: String,
    /// Its number on the server, which tells whether it is the one that is meant.
    pub kept_oid: u32,
    /// The name that the present database is kept under then.
    pub away: String,
}

impl SwapBackStep {
    /// What happens, in words.
    pub fn words(&self) -> String {
        format!("{} is {} again; the present one is kept as {}", self.kept, self.name, self.away)
    }
}

/// What a database is made as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct DatabaseForm {
    /// Owner; `None`: who makes it.
    pub owner: Option<String>,
    /// Encoding.
    pub encoding: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// `c` libc, `i` ICU, `b` the server's own.
    pub provider: String,
    /// Locale of ICU or of the server's own.
    pub locale: Option<String>,
    /// Rules of ICU.
    pub rules: Option<String>,
    /// Tablespace; `None`: the server's usual one.
    pub tablespace: Option<String>,
}

impl RestoreStep {
    /// What is at the target's address afterwards is another database than before, or what is in it is.
    pub fn takes_its_place(&self) -> bool {
        !matches!(self.request.into, RestoreInto::NewDatabase { .. })
    }

    /// The name that the database from before a swap is kept under; `None`: nothing is swapped.
    pub fn kept_as(&self) -> Option<&str> {
        self.beside.as_ref()?.kept_as.as_deref()
    }

    /// What comes back, in words.
    pub fn words(&self) -> String {
        let rows: f64 = self.tables.iter().map(|table| table.rows).sum();
        let what = match (&self.request.what, self.tables.len()) {
            (RestoreWhat::Rows { table, keys }, _) => {
                format!("{} of {table}", count(keys.len(), "row", "rows"))
            }
            (_, tables) => format!("{} of {}", count(rows, "row", "rows"), count(tables, "table", "tables")),
        };
        match self.beside.as_deref() {
            Some(Beside { name, kept_as: None, .. }) => format!("{what} into a new database {name}"),
            Some(Beside { name, kept_as: Some(kept), .. }) => {
                format!("{what} into a new {name}; the one before is kept as {kept}")
            }
            None => what,
        }
    }
}

/// A table that a restore touches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RestoredTable {
    /// Table.
    pub table: TableName,
    /// Rows that come back.
    pub rows: f64,
    /// It is not there any more and is made again.
    pub made: bool,
}

/// What going back to a backup would lose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RestoreLoss {
    /// The answer: `Going back to 14:02 loses 56 minutes of work.`
    pub headline: String,
    /// What follows.
    pub lead: String,
    /// Tables that changed since, those with most changes first.
    pub tables: Vec<TableLoss>,
    /// Tables that did not change since.
    pub unchanged: u32,
    /// Rows of the tables that the restore would touch.
    pub totals: LossTotals,
    /// Why the rows of a table cannot be put back as they are, a line each; a restore in place is closed then.
    pub obstacles: Vec<String>,
    /// Sessions that would be cut or would have to wait.
    pub sessions: u32,
    /// The ways that are open, with what each does.
    pub ways: Vec<RestoreWay>,
    /// When it was read.
    pub read_at: DateTime<Utc>,
}

/// A way to restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RestoreWay {
    /// Which.
    pub into: RestoreInto,
    /// In words.
    pub title: String,
    /// What it does, and what stays as it is.
    pub detail: String,
    /// Why it is closed.
    pub closed: Option<String>,
}

/// What became of a table's rows since a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct TableLoss {
    /// Table.
    pub table: TableName,
    /// Rows added since, lost; `None`: not known.
    pub new: Option<f64>,
    /// Rows changed since, their changes lost; `None`: not known.
    pub changed: Option<f64>,
    /// Rows deleted since, back again; `None`: not known.
    pub deleted: Option<f64>,
    /// What else there is to say, or why it is not known.
    pub note: Option<String>,
}

/// Sums over tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct LossTotals {
    /// Rows added since.
    pub new: f64,
    /// Rows changed since.
    pub changed: f64,
    /// Rows deleted since.
    pub deleted: f64,
    /// Tables of which it is not known.
    pub unknown: u32,
}
