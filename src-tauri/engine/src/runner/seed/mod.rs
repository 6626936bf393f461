//! Writing rows: tried and taken back, or applied. Both do the same in a transaction, look at what came of it
//! before its end, and keep what they saw; only the end differs.

mod capture;
mod captured;
mod dry_run;
mod guard;
mod profile;
mod refused;
mod undo;

pub use capture::Look;
pub use captured::Captured;
pub use dry_run::{Tried, try_out};
pub(in crate::runner) use dry_run::{ended_itself, moved, no_temporary, waiting_check, write};
pub use guard::{Attendant, Guard};
pub use profile::Progress;
pub(in crate::runner) use refused::plain as refusal;
pub use undo::{UndoRow, UndoRows, UndoTable, in_order};

use crate::domain::Failure;
use crate::domain::profile::{ScriptFile, TableBlock};
use crate::domain::staging::{Source, Staging};
use crate::domain::statement::Script;
use crate::planner::seed::Answers;
use std::sync::Arc;

/// What is to be written.
pub enum RowWork {
    /// The rows of a profile.
    Profile(ProfileRows),
    /// What scripts do.
    Scripts(Vec<(ScriptFile, Arc<Script>)>),
    /// The rows of a run, back.
    Undo(UndoRows),
}

/// The rows of a profile, fitted to the tables.
pub struct ProfileRows {
    /// Blocks as written.
    pub blocks: Vec<TableBlock>,
    /// Blocks as they are written to the server, in order.
    pub staging: Vec<Staging>,
    /// Answers and what is drawn.
    pub answers: Answers,
    /// Schema of tables that name none.
    pub schema: String,
    /// Columns that would be written again at every run.
    pub never_settles: Vec<String>,
}

impl RowWork {
    /// Tables whose other writers have to wait: no unique index covers the natural key.
    pub(super) fn to_lock(&self) -> Vec<String> {
        let Self::Profile(rows) = self else { return Vec::new() };
        rows.staging
            .iter()
            .filter(|staging| !staging.table.is_unique(&staging.key))
            .map(|staging| {
                crate::adapters::postgres::words::qualified(&staging.table.schema, &staging.table.name)
            })
            .collect()
    }

    /// Whether SQL of others runs, which may try to end the transaction.
    pub(super) fn runs_scripts(&self) -> bool {
        match self {
            Self::Scripts(_) => true,
            Self::Undo(_) => false,
            Self::Profile(rows) => rows
                .staging
                .iter()
                .flat_map(|staging| &staging.shapes)
                .flat_map(|shape| &shape.columns)
                .any(|column| matches!(column.source, Source::Sql { .. })),
        }
    }
}

/// Why writing rows came to its end.
#[derive(Debug)]
pub enum Stop {
    /// The server's error as it came.
    Server(sqlx::Error),
    /// Something that is understood.
    Refused(Failure),
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Server(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}
