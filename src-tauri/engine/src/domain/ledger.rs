//! Rows of `_prisma_migrations` and the rules that follow from them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct LedgerRow {
    /// Random id.
    pub id: String,
    /// Stored checksum.
    pub checksum: String,
    /// Set once the migration was through.
    pub finished_at: Option<DateTime<Utc>>,
    /// Name.
    pub migration_name: String,
    /// Error text of a failed one.
    pub logs: Option<String>,
    /// Set once it was marked as rolled back.
    pub rolled_back_at: Option<DateTime<Utc>>,
    /// When it was started (client clock).
    pub started_at: DateTime<Utc>,
    /// 1 for a deployed one, 0 for one that was marked as applied or failed.
    pub applied_steps_count: i32,
}

impl LedgerRow {
    /// Finished and not rolled back.
    pub fn is_applied(&self) -> bool {
        self.finished_at.is_some() && self.rolled_back_at.is_none()
    }

    /// Neither finished nor rolled back: failed, or running just now.
    pub fn is_unfinished(&self) -> bool {
        self.finished_at.is_none() && self.rolled_back_at.is_none()
    }
}
