//! The locks a statement takes on tables, as PostgreSQL's manual and source state them.
//!
//! Only what the text names: the table behind `DROP INDEX x` or the tables that point to a dropped one are not
//! known here.

use super::{
    command::{AlterTable, ColumnChange, Command, Constraint, ConstraintKind, TableAction, Verb},
    cursor::Name,
};
use crate::domain::statement::{StatementLock, Waits};

/// Table lock modes, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::RowShare => "RowShareLock",
            Self::RowExclusive => "RowExclusiveLock",
            Self::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            Self::Share => "ShareLock",
            Self::ShareRowExclusive => "ShareRowExclusiveLock",
            Self::Exclusive => "ExclusiveLock",
            Self::AccessExclusive => "AccessExclusiveLock",
        }
    }

    fn waits(self) -> Waits {
        match self {
            Self::AccessExclusive => Waits::ReadersAndWriters,
            Self::Share | Self::ShareRowExclusive | Self::Exclusive => Waits::Writers,
            Self::RowShare | Self::RowExclusive | Self::ShareUpdateExclusive => Waits::Nobody,
        }
    }
}

/// The strongest lock a statement takes on each table it names.
pub(super) fn locks(command: &Command) -> Vec<StatementLock> {
    let mut taken = Taken::default();
    match command {
        Command::CreateTable(table) => {
            taken.add(table.partition_of.as_ref(), Mode::AccessExclusive);
            table.inherits.iter().for_each(|parent| taken.add(Some(parent), Mode::ShareUpdateExclusive));
            let of_columns = table.columns.iter().flat_map(|column| &column.constraints);
            for constraint in of_columns.chain(&table.constraints) {
                taken.add(constraint.references.as_ref(), Mode::ShareRowExclusive);
            }
        }
        Command::AlterTable(table) => alter_table(table, &mut taken),
        Command::CreateIndex(index) => {
            let mode = if index.concurrently { Mode::ShareUpdateExclusive } else { Mode::Share };
            taken.add(Some(&index.table), mode);
        }
        Command::Create { kind, on, .. } => match kind.words {
            "trigger" => taken.add(on.as_ref(), Mode::ShareRowExclusive),
            "statistics" => taken.add(on.as_ref(), Mode::ShareUpdateExclusive),
            _ => taken.add(on.as_ref(), Mode::AccessExclusive),
        },
        Command::Alter { on, .. } => taken.add(on.as_ref(), Mode::AccessExclusive),
        Command::Drop(drop) => {
            taken.add(drop.on.as_ref(), Mode::AccessExclusive);
            if drop.kind.kind == Some(crate::domain::statement::ObjectKind::Table) {
                drop.names.iter().for_each(|name| taken.add(Some(name), Mode::AccessExclusive));
            }
        }
        Command::Truncate { tables, .. } => {
            tables.iter().for_each(|table| taken.add(Some(table), Mode::AccessExclusive));
        }
        Command::Rows { verb, written, .. } => {
            if *verb != Verb::CopyOut {
                written.iter().for_each(|table| taken.add(Some(table), Mode::RowExclusive));
            }
        }
        Command::Lock { tables, mode } => {
            if let Some(mode) = by_name(mode) {
                tables.iter().for_each(|table| taken.add(Some(table), mode));
            }
        }
        Command::Maintain { verb, target, concurrently, full } => match (*verb, *concurrently) {
            ("Rebuild the indexes of", false) => {
                taken.add_waiting(target.as_ref(), Mode::Share, Waits::ReadersAndWriters)
            }
            ("Refresh materialized view", true) => taken.add(target.as_ref(), Mode::Exclusive),
            ("Refresh materialized view" | "Cluster", _) => taken.add(target.as_ref(), Mode::AccessExclusive),
            _ if *full => taken.add(target.as_ref(), Mode::AccessExclusive),
            _ => taken.add(target.as_ref(), Mode::ShareUpdateExclusive),
        },
        Command::Comment { table } => taken.add(table.as_ref(), Mode::ShareUpdateExclusive),
        Command::CreateEnum { .. }
        | Command::AddEnumValue { .. }
        | Command::RenameEnumValue { .. }
        | Command::Other { .. } => {}
    }
    taken
        .locks
        .into_iter()
        .map(|(table, mode, waits)| StatementLock {
            table: table.to_string(),
            mode: mode.name().to_owned(),
            waits,
        })
        .collect()
}

fn by_name(name: &str) -> Option<Mode> {
    [
        Mode::RowShare,
        Mode::RowExclusive,
        Mode::ShareUpdateExclusive,
        Mode::Share,
        Mode::ShareRowExclusive,
        Mode::Exclusive,
        Mode::AccessExclusive,
    ]
    .into_iter()
    .find(|mode| mode.name() == name)
}

fn alter_table(alter: &AlterTable, taken: &mut Taken) {
    for action in &alter.actions {
        taken.add(Some(&alter.name), own_mode(action));
        match action {
            TableAction::AddColumn { column, .. } => {
                column.constraints.iter().for_each(|constraint| also_referenced(constraint, taken));
            }
            TableAction::AddConstraint(constraint) => also_referenced(constraint, taken),
            TableAction::AttachPartition(partition) | TableAction::DetachPartition { partition, .. } => {
                taken.add(Some(partition), Mode::AccessExclusive);
            }
            TableAction::Inherit(parent) => taken.add(Some(parent), Mode::ShareUpdateExclusive),
            _ => {}
        }
    }
}

fn also_referenced(constraint: &Constraint, taken: &mut Taken) {
    taken.add(constraint.references.as_ref(), Mode::ShareRowExclusive);
}

fn own_mode(action: &TableAction) -> Mode {
    match action {
        TableAction::AddConstraint(constraint) if constraint.kind == ConstraintKind::ForeignKey => {
            Mode::ShareRowExclusive
        }
        TableAction::Triggers => Mode::ShareRowExclusive,
        TableAction::AlterColumn { change: ColumnChange::Statistics, .. }
        | TableAction::ValidateConstraint { .. }
        | TableAction::AttachPartition(_)
        | TableAction::DetachPartition { concurrently: true, .. }
        | TableAction::Settings => Mode::ShareUpdateExclusive,
        _ => Mode::AccessExclusive,
    }
}

#[derive(Default)]
struct Taken {
    locks: Vec<(Name, Mode, Waits)>,
}

impl Taken {
    fn add(&mut self, table: Option<&Name>, mode: Mode) {
        self.add_waiting(table, mode, mode.waits());
    }

    fn add_waiting(&mut self, table: Option<&Name>, mode: Mode, waits: Waits) {
        let Some(table) = table else { return };
        match self.locks.iter_mut().find(|(known, ..)| known == table) {
            Some(known) if known.1 < mode => *known = (table.clone(), mode, waits),
            Some(_) => {}
            None => self.locks.push((table.clone(), mode, waits)),
        }
    }
}
