//! What a statement says, as far as the console needs to know it.

use super::cursor::Name;
use crate::domain::statement::ObjectKind;

/// A statement, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    CreateTable(CreateTable),
    AlterTable(AlterTable),
    CreateIndex(CreateIndex),
    /// `CREATE TYPE ... AS ENUM`.
    CreateEnum {
        name: Name,
        labels: Vec<String>,
    },
    /// `ALTER TYPE ... ADD VALUE`.
    AddEnumValue {
        name: Name,
        label: String,
        conditional: bool,
    },
    /// `ALTER TYPE ... RENAME VALUE`.
    RenameEnumValue {
        name: Name,
        from: String,
        to: String,
    },
    /// Any other CREATE of something that has a name. `on`: the table it belongs to.
    Create {
        kind: Thing,
        name: Name,
        on: Option<Name>,
        conditional: bool,
        replace: bool,
    },
    /// Any other ALTER. `renamed`: its new name.
    Alter {
        kind: Thing,
        name: Name,
        on: Option<Name>,
        conditional: bool,
        renamed: Option<String>,
    },
    Drop(Drop),
    /// TRUNCATE.
    Truncate {
        tables: Vec<Name>,
        cascade: bool,
    },
    /// INSERT, UPDATE, DELETE, MERGE, COPY, SELECT and WITH.
    Rows {
        verb: Verb,
        table: Option<Name>,
        whole: bool,
        written: Vec<Name>,
    },
    /// LOCK TABLE, with the mode as PostgreSQL names it.
    Lock {
        tables: Vec<Name>,
        mode: &'static str,
    },
    /// VACUUM, ANALYZE, CLUSTER, REINDEX, REFRESH: work on what is there.
    Maintain {
        verb: &'static str,
        target: Option<Name>,
        concurrently: bool,
        full: bool,
    },
    /// COMMENT ON TABLE or COLUMN: the table.
    Comment {
        table: Option<Name>,
    },
    /// Everything else: its first words.
    Other {
        words: String,
    },
}

/// `CREATE TABLE`, `CREATE TABLE AS` and `SELECT INTO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CreateTable {
    pub(super) name: Name,
    pub(super) conditional: bool,
    pub(super) temporary: bool,
    pub(super) from_query: bool,
    pub(super) columns: Vec<Column>,
    pub(super) constraints: Vec<Constraint>,
    pub(super) partition_of: Option<Name>,
    pub(super) inherits: Vec<Name>,
}

/// A column with the constraints written behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) constraints: Vec<Constraint>,
}

/// A constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Constraint {
    /// Its name, or the one PostgreSQL gives it; empty where that is not known.
    pub(super) name: String,
    pub(super) kind: ConstraintKind,
    /// The table that a foreign key points to.
    pub(super) references: Option<Name>,
    pub(super) not_valid: bool,
    pub(super) using_index: bool,
}

/// Kinds of constraints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConstraintKind {
    PrimaryKey,
    Unique,
    ForeignKey,
    Check,
    Exclusion,
    NotNull,
}

/// `ALTER TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AlterTable {
    pub(super) name: Name,
    pub(super) conditional: bool,
    pub(super) actions: Vec<TableAction>,
}

/// One action of an `ALTER TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TableAction {
    AddColumn {
        column: Column,
        conditional: bool,
    },
    DropColumn {
        name: String,
        conditional: bool,
        cascade: bool,
    },
    AlterColumn {
        name: String,
        change: ColumnChange,
    },
    RenameColumn {
        from: String,
        to: String,
    },
    AddConstraint(Constraint),
    DropConstraint {
        name: String,
        conditional: bool,
    },
    AlterConstraint {
        name: String,
    },
    ValidateConstraint {
        name: String,
    },
    RenameConstraint {
        from: String,
        to: String,
    },
    RenameTo(String),
    SetSchema(String),
    AttachPartition(Name),
    DetachPartition {
        partition: Name,
        concurrently: bool,
    },
    Inherit(Name),
    /// Triggers switched on or off.
    Triggers,
    /// Row-level security switched on, off or forced.
    RowSecurity,
    /// Storage parameters and the like, which only other schema changes notice.
    Settings,
    /// Everything else, as written.
    Other(String),
}

/// What happens to a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ColumnChange {
    /// The new type as written, and the expression that converts the old values.
    Type {
        to: String,
        using: Option<String>,
        using_mentions_column: bool,
    },
    SetDefault,
    DropDefault,
    SetNotNull,
    DropNotNull,
    Statistics,
    Other,
}

/// `CREATE INDEX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CreateIndex {
    /// `None` where the server chooses it.
    pub(super) name: Option<String>,
    pub(super) table: Name,
    pub(super) unique: bool,
    pub(super) concurrently: bool,
    pub(super) conditional: bool,
}

/// `DROP`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drop {
    pub(super) kind: Thing,
    pub(super) names: Vec<Name>,
    pub(super) on: Option<Name>,
    pub(super) conditional: bool,
    pub(super) cascade: bool,
    pub(super) concurrently: bool,
}

/// A kind of object: its words, and what it counts as among the effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thing {
    /// `materialized view`.
    pub(super) words: &'static str,
    /// `None`: not among the kinds that effects know.
    pub(super) kind: Option<ObjectKind>,
}

/// What a statement does with rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Insert,
    Update,
    Delete,
    Merge,
    CopyIn,
    CopyOut,
    Query,
}
