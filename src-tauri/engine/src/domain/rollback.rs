//! Rolling migrations back: what goes, what comes back, what was written since and is lost.

use super::backup::TableName;
use super::ledger::LedgerRow;
use super::plan::RepairStatement;
use serde::{Deserialize, Serialize};

/// A roll back that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RollBackRequest {
    /// The migrations.
    pub migrations: Vec<String>,
    /// Tables whose rows are to be as they were before, too; all that was written to them since is lost.
    pub rows_back: Vec<TableName>,
    /// The backup that dropped rows and values come from; `None`: the newest that fits.
    pub backup_id: Option<String>,
}

/// Roll migrations back, in one transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RollBackStep {
    /// The migrations, newest first.
    pub migrations: Vec<String>,
    /// Takes away what they made, in the order in which it can go.
    pub remove: Vec<RepairStatement>,
    /// Makes again what they dropped, as far as rows need it.
    pub make: Vec<RepairStatement>,
    /// Rows and values that come back from the backup.
    pub rows: Vec<RowsBack>,
    /// Makes the rest again: keys, indexes, references, views.
    pub finish: Vec<RepairStatement>,
    /// The ledger's rows that are marked as rolled back, as they were.
    pub ledger: Vec<LedgerRow>,
    /// The backup, and the SHA-256 of its manifest.
    pub backup: Option<(String, String)>,
    /// Tables that go, with the rows that are in them now.
    pub lost: Vec<LostTable>,
    /// Tables that stay, and whose rows the migrations wrote.
    #[serde(default)]
    pub written: Vec<WrittenTable>,
}

/// Rows or values that come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RowsBack {
    /// Table.
    pub table: TableName,
    /// Only these columns, by the table's key; `None`: all rows.
    pub columns: Option<Vec<String>>,
    /// Rows there are now are replaced.
    pub replace: bool,
}

/// A table that goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct LostTable {
    /// Table.
    pub table: TableName,
    /// Rows that are in it now; `None`: not known.
    pub rows: Option<f64>,
}

/// A table that stays, and whose rows the migrations wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct WrittenTable {
    /// Table.
    pub table: TableName,
    /// All of its rows are put back as the backup holds them.
    pub back: bool,
    /// Why they cannot be; `None`: they can.
    pub closed: Option<String>,
}
