//! Seeds as the console shows them: profiles to choose from, answers, changed rows, the way back.

use super::environment::Tier;
use super::finding::{Finding, Outcome};
use super::profile::{Input, Mode, ProfileProblem, Scale};
use super::run::RunStatus;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A profile to choose from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ProfileSummary {
    /// Its folder's path, or `bundled:NAME`; names it in every other call.
    pub id: String,
    /// Title; the folder's name where the profile cannot be read.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Comes with Drydock.
    pub bundled: bool,
    /// Where it may run.
    pub tiers: Vec<Tier>,
    /// What is asked before it runs.
    pub inputs: Vec<Input>,
    /// The factor it asks for.
    pub scale: Option<Scale>,
    /// What it writes.
    pub writes: ProfileWork,
    /// How many expectations it has.
    pub expectations: u32,
    /// What is wrong in its files; such a profile cannot run.
    pub problems: Vec<ProfileProblem>,
    /// Why it cannot run on this environment, as a sentence.
    pub refused: Option<String>,
    /// Its newest apply on this environment.
    pub last: Option<LastSeed>,
}

/// What a profile writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ProfileWork {
    /// Rows.
    Tables {
        /// A block a table.
        blocks: Vec<BlockSummary>,
    },
    /// Scripts.
    Sql {
        /// Their files.
        files: Vec<String>,
    },
    /// The app writes; requests ask it to.
    Http {
        /// The requests by name.
        requests: Vec<String>,
        /// Tables whose rows are counted before and after.
        counts: Vec<String>,
    },
    /// Not known: the profile cannot be read.
    Unreadable,
}

/// A block of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct BlockSummary {
    /// Table.
    pub table: String,
    /// Mode.
    pub mode: Mode,
    /// Natural key.
    pub key: Vec<String>,
    /// Rows, at the scale's default.
    pub rows: u32,
}

/// The newest apply of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct LastSeed {
    /// Run.
    pub run_id: String,
    /// Its number.
    pub number: u32,
    /// How it ended.
    pub status: RunStatus,
    /// When it began.
    pub at: DateTime<Utc>,
}

/// The profiles that an environment shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SeedShelf {
    /// Profiles, own ones first.
    pub profiles: Vec<ProfileSummary>,
    /// Own folders that are looked in.
    pub folders: Vec<String>,
    /// Folders that could not be read, and why.
    pub unreadable: Vec<String>,
}

/// One answer of the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Answer {
    /// Input.
    pub name: String,
    /// Its value.
    pub value: AnswerValue,
}

/// The value of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum AnswerValue {
    /// Anything but a password, as typed.
    Text {
        /// The text.
        text: String,
    },
    /// Left empty.
    Empty,
    /// A password that was handed in before.
    Secret {
        /// Handle.
        handle: String,
    },
}

/// The filled form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SeedAnswers {
    /// Answers.
    pub answers: Vec<Answer>,
    /// Scale; `None`: the profile's default.
    pub scale: Option<u32>,
    /// Well-known passwords may be tried on the stored hashes of administrators; asked for on production only.
    #[serde(default)]
    pub try_stored: bool,
    /// From scratch: rows of its tables that are not in the profile are deleted.
    #[serde(default)]
    pub reseed: bool,
}

/// How hard a password is to guess.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct PasswordVerdict {
    /// 0 (guessed at once) to 4 (very hard).
    pub score: u8,
    /// Pass, warn, or block.
    pub outcome: Outcome,
    /// In words.
    pub words: String,
}

/// What a seed, an undo or their dry run did to rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RowChanges {
    /// Tables, those of the profile first.
    pub tables: Vec<TableChanges>,
    /// What running it again would do.
    pub again: Finding,
    /// Sequences that moved; they are never taken back.
    pub sequences: Vec<SequenceMove>,
    /// What else is to be known: locks, effects outside, what could not be read.
    pub notes: Vec<Finding>,
}

/// Rows changed in one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct TableChanges {
    /// Qualified name.
    pub table: String,
    /// Columns in the table's order.
    pub columns: Vec<ChangedColumn>,
    /// Names of the columns that tell rows apart; empty: nothing does.
    pub key: Vec<String>,
    /// Rows added.
    pub inserted: u32,
    /// Rows changed.
    pub updated: u32,
    /// Rows deleted.
    pub deleted: u32,
    /// Rows written again with the same values.
    pub rewritten: u32,
    /// Rows of the profile that stay as they are; `None` where no profile names rows of this table.
    pub unchanged: Option<u32>,
    /// The table as a whole was made, emptied or written anew.
    pub whole: Option<WholeTable>,
    /// The profile names this table; false: a trigger, a cascade or a script reached it.
    pub named: bool,
    /// `None`: all changes of this table are shown, and that is proven. Else why it is not known.
    pub unknown: Option<String>,
}

/// A column of a changed table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ChangedColumn {
    /// Name.
    pub name: String,
    /// Type as the server writes it.
    pub type_name: String,
    /// Its values are never shown.
    pub sensitive: bool,
    /// The server fills it in new rows: what a dry run saw there is not what an apply will write.
    pub server_filled: bool,
}

/// What happened to a table as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum WholeTable {
    /// It is new.
    Created,
    /// TRUNCATE, or something like it.
    Emptied,
    /// Every row was written anew.
    Rewritten,
    /// It is gone.
    Dropped,
}

/// A sequence that moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SequenceMove {
    /// Qualified name.
    pub sequence: String,
    /// Last value before; `None`: it had none.
    pub from: Option<String>,
    /// Last value after.
    pub to: String,
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// Added.
    Inserted,
    /// Changed.
    Updated,
    /// Deleted.
    Deleted,
    /// Written again with the same values.
    Rewritten,
    /// Stays as it is.
    Unchanged,
}

/// A value on the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum CellView {
    /// NULL.
    Null,
    /// As the server writes it.
    Text {
        /// The text, or its beginning.
        text: String,
        /// Characters in all, where only the beginning is here.
        of: Option<u32>,
    },
    /// Never shown.
    Masked,
    /// The server decides when it is applied.
    OnApply,
}

/// A changed row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RowChange {
    /// 0-based number in its table.
    pub number: u32,
    /// What happened.
    pub kind: RowKind,
    /// Before, a value a column; `None` for an added row.
    pub before: Option<Vec<CellView>>,
    /// After, a value a column; `None` for a deleted row.
    pub after: Option<Vec<CellView>>,
    /// Which columns changed, by position; masked ones too.
    pub changed: Vec<u32>,
}

/// What to show of a table's changed rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RowQuery {
    /// Run.
    pub run_id: String,
    /// Table's position in `RowChanges::tables`.
    pub table: u32,
    /// Only these; empty: all.
    pub kinds: Vec<RowKind>,
    /// Only rows with this text in a value that is shown.
    pub search: String,
    /// Column to sort by, by position.
    pub sort: Option<u32>,
    /// Largest first.
    pub descending: bool,
    /// First row wanted.
    pub offset: u32,
    /// At most so many, up to 500.
    pub limit: u32,
}

/// Some of a table's changed rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RowPage {
    /// Rows that fit the query, in all.
    pub total: u32,
    /// The wanted ones.
    pub rows: Vec<RowChange>,
}

/// Formats of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// Comma-separated, RFC 4180.
    Csv,
    /// An array of objects.
    Json,
    /// A page to read or print.
    Html,
}

/// What a run did to rows, and whether it can be taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RunChanges {
    /// The changes.
    pub changes: RowChanges,
    /// The way back.
    pub undo: UndoState,
}

/// Whether a run's rows can be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum UndoState {
    /// Before-images are kept.
    Possible,
    /// A later run took it back.
    Undone {
        /// That run's number.
        number: u32,
    },
    /// It cannot be.
    Impossible {
        /// Why, as a sentence.
        why: String,
    },
}

/// What taking a run back would do, row by row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct UndoReview {
    /// The run to take back.
    pub run_id: String,
    /// Its number.
    pub run_number: u32,
    /// What it did.
    pub run_title: String,
    /// When it ended.
    pub run_at: DateTime<Utc>,
    /// When the rows were looked at.
    pub at: DateTime<Utc>,
    /// Why none of it can be taken back, as a sentence; the lists are empty then.
    pub impossible: Option<String>,
    /// Row changes of the run in all.
    pub changes: u32,
    /// Rows that are as the run left them.
    pub untouched: u32,
    /// Rows that need an answer, at most 500; the others are kept as they are now.
    pub conflicts: Vec<UndoConflict>,
    /// Conflicts in all.
    pub conflicts_total: u32,
    /// Tables that cannot be taken back row by row, and why.
    pub refused: Vec<String>,
}

/// A row that cannot simply be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct UndoConflict {
    /// Names the row in [`UndoChoice`].
    pub row: String,
    /// Table.
    pub table: String,
    /// The key as text: `slug portrait-v2`.
    pub key: String,
    /// What the run had done.
    pub kind: RowKind,
    /// Why it is asked about.
    pub reason: ConflictReason,
    /// The columns in question, with their three versions.
    pub columns: Vec<ThreeVersions>,
    /// How many newer rows use it, where that is the reason.
    pub used_by: Vec<UsedBy>,
    /// It cannot be taken back even if wanted, as a sentence.
    pub impossible: Option<String>,
}

/// Why a row is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum ConflictReason {
    /// Somebody changed it since.
    ChangedSince,
    /// Somebody deleted it since.
    GoneSince,
    /// Somebody made a row with the same key since.
    TakenSince,
    /// Newer rows refer to it.
    UsedByNewer,
}

/// A column before the run, as the run wrote it, and as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ThreeVersions {
    /// Column.
    pub column: String,
    /// Before the run; `None`: the row was not there.
    pub before: Option<CellView>,
    /// As the run wrote it; `None`: the run deleted the row.
    pub wrote: Option<CellView>,
    /// Now; `None`: the row is not there.
    pub now: Option<CellView>,
    /// The run changed it.
    pub ours: bool,
    /// It was changed since.
    pub since: bool,
}

/// Newer rows that refer to a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct UsedBy {
    /// Their table.
    pub table: String,
    /// How many.
    pub rows: u32,
    /// What happens to them if the row goes, in words.
    pub effect: String,
}

/// What to do with a row that is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct UndoChoice {
    /// The row, as [`UndoConflict`] names it; `*`: every row that was asked about and can be taken back.
    pub row: String,
    /// Take it back; false: keep it as it is now.
    pub take_back: bool,
}
