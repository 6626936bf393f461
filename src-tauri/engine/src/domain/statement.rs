//! One SQL statement of a script, and what is known about it without running it.

use serde::{Deserialize, Serialize};

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Statement {
    /// 1-based position in the script.
    pub number: u32,
    /// 1-based line of its first token.
    pub line: u32,
    /// Byte range in the script, without the closing semicolon and without leading comments.
    pub start: u32,
    /// End of the byte range, exclusive.
    pub end: u32,
    /// What it does, in words: `Add column users.email_lower`.
    pub summary: String,
    /// Its kind.
    pub kind: StatementKind,
    /// The strongest lock it takes on an existing table, where that is known from the text.
    pub locks: Vec<StatementLock>,
    /// The objects it makes, changes or drops, where that is known from the text.
    pub effects: Vec<Effect>,
}

/// What a statement means for a transaction around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// Runs in a transaction and leaves the session as it was.
    Ordinary,
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT, PREPARE TRANSACTION, ...
    TransactionControl,
    /// SET, RESET, DISCARD, LISTEN, LOAD, PREPARE, `set_config(...)`, advisory locks: outlives the transaction.
    Session,
    /// Cannot run in a transaction block: CONCURRENTLY, VACUUM, CREATE DATABASE, ...
    OutsideTransaction,
    /// `ALTER TYPE ... ADD VALUE`: the new value cannot be used in the same transaction.
    AddEnumValue,
    /// CALL and DO: may commit inside, may do anything.
    Procedural,
}

/// Who has to wait while a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum Waits {
    /// Nobody but other schema changes.
    Nobody,
    /// Those who write.
    Writers,
    /// Those who read and those who write.
    ReadersAndWriters,
}

/// A lock that a statement takes on a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct StatementLock {
    /// Table as written, unquoted, with schema if it was written.
    pub table: String,
    /// PostgreSQL's name of the mode: `AccessExclusiveLock`.
    pub mode: String,
    /// Who waits.
    pub waits: Waits,
}

/// Kinds of schema objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// Table, partitioned or not.
    Table,
    /// Column of a table.
    Column,
    /// Index.
    Index,
    /// Primary key, unique, foreign key, check or exclusion constraint.
    Constraint,
    /// Enum type.
    Enum,
    /// Label of an enum type.
    EnumValue,
    /// Domain, composite or range type.
    Type,
    /// Sequence.
    Sequence,
    /// View.
    View,
    /// Materialized view.
    MaterializedView,
    /// Function or procedure.
    Function,
    /// Trigger.
    Trigger,
    /// Extension.
    Extension,
    /// Schema.
    Schema,
    /// Row-level security policy.
    Policy,
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It comes into being.
    Create,
    /// It changes.
    Alter,
    /// It goes.
    Drop,
}

/// An effect on an object, read from the text of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Effect {
    /// What happens.
    pub action: Action,
    /// To what kind of object.
    pub kind: ObjectKind,
    /// Schema, if it was written.
    pub schema: Option<String>,
    /// Table (or enum type) that the object belongs to, for columns, constraints, triggers, enum values.
    pub parent: Option<String>,
    /// The object's name, unquoted; empty where the server chooses it.
    pub name: String,
    /// `IF NOT EXISTS` or `IF EXISTS` was written.
    pub conditional: bool,
}

/// A script taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Script {
    /// Its statements in order; empty for an empty or comment-only script.
    pub statements: Vec<Statement>,
    /// How Drydock will run it.
    pub mode: ScriptMode,
    /// Why that mode, as a sentence for the operator.
    pub mode_reason: String,
    /// The text could not be taken apart with certainty (unclosed quote or comment); runs as one query, nothing is proven.
    pub uncertain: Option<String>,
}

/// How a script is sent to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum ScriptMode {
    /// All or nothing: script and ledger row in one transaction and one message.
    Atomic,
    /// As it stands, in one message (its own BEGIN/COMMIT decide); ledger on a second session.
    AsWritten,
    /// Statement by statement, each its own transaction; ledger on a second session.
    Stepwise,
}
