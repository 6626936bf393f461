//! The objects a statement makes, changes or drops.

use super::{
    command::{AlterTable, Column, ColumnChange, Command, Constraint, CreateTable, TableAction, Thing},
    cursor::Name,
};
use crate::domain::statement::{
    Action::{self, Alter, Create, Drop},
    Effect, ObjectKind,
};

/// The effects of a statement, in the order it names them.
pub(super) fn effects(command: &Command) -> Vec<Effect> {
    match command {
        Command::CreateTable(table) => create_table(table),
        Command::AlterTable(table) => alter_table(table),
        Command::CreateIndex(index) => {
            let name = index.name.clone().unwrap_or_default();
            vec![of_table(Create, ObjectKind::Index, &index.table, &name, index.conditional)]
        }
        Command::CreateEnum { name, labels } => {
            let mut found = vec![effect(Create, ObjectKind::Enum, name, false)];
            found.extend(
                labels.iter().map(|label| of_table(Create, ObjectKind::EnumValue, name, label, false)),
            );
            found
        }
        Command::AddEnumValue { name, label, conditional } => {
            vec![of_table(Create, ObjectKind::EnumValue, name, label, *conditional)]
        }
        Command::RenameEnumValue { name, from, to } => vec![
            of_table(Drop, ObjectKind::EnumValue, name, from, false),
            of_table(Create, ObjectKind::EnumValue, name, to, false),
        ],
        Command::Create { kind, name, on, conditional, replace } => {
            object(Create, *kind, name, on.as_ref(), *conditional || *replace).into_iter().collect()
        }
        Command::Alter { kind, name, on, conditional, renamed } => match renamed {
            None => object(Alter, *kind, name, on.as_ref(), *conditional).into_iter().collect(),
            Some(renamed) => {
                let to = Name { schema: name.schema.clone(), name: renamed.clone() };
                let old = object(Drop, *kind, name, on.as_ref(), *conditional);
                old.into_iter().chain(object(Create, *kind, &to, on.as_ref(), *conditional)).collect()
            }
        },
        Command::Drop(drop) => drop
            .names
            .iter()
            .filter_map(|name| object(Drop, drop.kind, name, drop.on.as_ref(), drop.conditional))
            .collect(),
        _ => Vec::new(),
    }
}

fn effect(action: Action, kind: ObjectKind, name: &Name, conditional: bool) -> Effect {
    Effect { action, kind, schema: name.schema.clone(), parent: None, name: name.name.clone(), conditional }
}

/// An effect on something that belongs to a table or an enum type.
fn of_table(action: Action, kind: ObjectKind, table: &Name, name: &str, conditional: bool) -> Effect {
    Effect {
        action,
        kind,
        schema: table.schema.clone(),
        parent: Some(table.name.clone()),
        name: name.to_owned(),
        conditional,
    }
}

fn object(action: Action, kind: Thing, name: &Name, on: Option<&Name>, conditional: bool) -> Option<Effect> {
    let object_kind = kind.kind?;
    Some(match on {
        Some(table) => of_table(action, object_kind, table, &name.name, conditional),
        None => effect(action, object_kind, name, conditional),
    })
}

fn create_table(table: &CreateTable) -> Vec<Effect> {
    let conditional = table.conditional;
    let mut found = vec![effect(Create, ObjectKind::Table, &table.name, conditional)];
    for column in &table.columns {
        found.extend(add_column(&table.name, column, conditional));
    }
    found.extend(
        table.constraints.iter().map(|constraint| add_constraint(&table.name, constraint, conditional)),
    );
    found
}

fn add_column(table: &Name, column: &Column, conditional: bool) -> Vec<Effect> {
    let mut found = vec![of_table(Create, ObjectKind::Column, table, &column.name, conditional)];
    found.extend(column.constraints.iter().map(|constraint| add_constraint(table, constraint, conditional)));
    found
}

fn add_constraint(table: &Name, constraint: &Constraint, conditional: bool) -> Effect {
    of_table(Create, ObjectKind::Constraint, table, &constraint.name, conditional)
}

fn alter_table(alter: &AlterTable) -> Vec<Effect> {
    let table = &alter.name;
    let outer = alter.conditional;
    let part = |action, kind, name: &str, conditional: bool| {
        of_table(action, kind, table, name, conditional || outer)
    };
    let mut found = Vec::new();
    let mut whole = false;
    for action in &alter.actions {
        match action {
            TableAction::AddColumn { column, conditional } => {
                found.extend(add_column(table, column, *conditional || outer));
            }
            TableAction::DropColumn { name, conditional, .. } => {
                found.push(part(Drop, ObjectKind::Column, name, *conditional));
            }
            TableAction::AlterColumn { name, .. } => found.push(part(Alter, ObjectKind::Column, name, false)),
            TableAction::RenameColumn { from, to } => {
                found.push(part(Drop, ObjectKind::Column, from, false));
                found.push(part(Create, ObjectKind::Column, to, false));
            }
            TableAction::AddConstraint(constraint) => found.push(add_constraint(table, constraint, outer)),
            TableAction::DropConstraint { name, conditional } => {
                found.push(part(Drop, ObjectKind::Constraint, name, *conditional));
            }
            TableAction::AlterConstraint { name } | TableAction::ValidateConstraint { name } => {
                found.push(part(Alter, ObjectKind::Constraint, name, false));
            }
            TableAction::RenameConstraint { from, to } => {
                found.push(part(Drop, ObjectKind::Constraint, from, false));
                found.push(part(Create, ObjectKind::Constraint, to, false));
            }
            TableAction::RenameTo(to) => {
                let renamed = Name { schema: table.schema.clone(), name: to.clone() };
                found.push(effect(Drop, ObjectKind::Table, table, outer));
                found.push(effect(Create, ObjectKind::Table, &renamed, outer));
            }
            TableAction::SetSchema(schema) => {
                let moved = Name { schema: Some(schema.clone()), name: table.name.clone() };
                found.push(effect(Drop, ObjectKind::Table, table, outer));
                found.push(effect(Create, ObjectKind::Table, &moved, outer));
            }
            _ => whole = true,
        }
    }
    if whole {
        found.push(effect(Alter, ObjectKind::Table, table, outer));
    }
    found
}

/// Whether the change of a column's type may lose part of its values, as far as the text tells.
pub(super) fn may_lose_values(change: &ColumnChange) -> bool {
    let ColumnChange::Type { to, using, using_mentions_column } = change else { return false };
    let to = to.to_ascii_lowercase().replace('"', "");
    let has_length = to.contains('(');
    let base = to.split(['(', '[']).next().unwrap_or_default().trim();
    let base = base.strip_prefix("pg_catalog.").unwrap_or(base);
    let cuts = using.is_some() && has_length;
    match base {
        "smallint" | "int2" | "int" | "int4" | "integer" | "real" | "float4" | "date" | "time"
        | "boolean" | "bool" => true,
        "numeric" | "decimal" => has_length,
        "timestamp" if !to.contains("with time zone") => true,
        "varchar" | "character varying" | "char" | "character" | "bpchar" | "bit" => cuts,
        _ => using.is_some() && !using_mentions_column,
    }
}
