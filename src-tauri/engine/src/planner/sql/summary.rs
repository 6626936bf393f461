//! A statement in words an operator knows.

use super::command::{ColumnChange, Command, Constraint, ConstraintKind, TableAction, Verb};
use super::cursor::Name;

/// How many names or actions are written out before `and 3 more`.
const SHOWN: usize = 3;

/// One sentence without a full stop: `Add column users.email_lower`.
pub(super) fn summary(command: &Command) -> String {
    capitalised(&match command {
        Command::CreateTable(table) => {
            let temporary = if table.temporary { "temporary " } else { "" };
            let source = if table.from_query { " from a query" } else { "" };
            format!("create {temporary}table {}{source}", table.name)
        }
        Command::AlterTable(table) => match table.actions.as_slice() {
            [] => format!("change table {}", table.name),
            [action] => single(action, &table.name),
            actions => {
                let phrases = actions.iter().map(|action| phrase(action, &Here)).collect();
                format!("change table {}: {}", table.name, listed(phrases))
            }
        },
        Command::CreateIndex(index) => {
            let unique = if index.unique { "unique " } else { "" };
            let name = index.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
            format!("create {unique}index{name} on {}{}", index.table, without_blocking(index.concurrently))
        }
        Command::CreateEnum { name, labels } => {
            let values = if labels.len() == 1 { "value" } else { "values" };
            format!("create type {name} with {} {values}", labels.len())
        }
        Command::AddEnumValue { name, label, .. } => format!("add value '{label}' to type {name}"),
        Command::RenameEnumValue { name, from, to } => {
            format!("rename value '{from}' of type {name} to '{to}'")
        }
        Command::Create { kind, name, on, replace, .. } => {
            let verb = if *replace { "create or replace" } else { "create" };
            format!("{verb} {} {name}{}", kind.words, belonging(on.as_ref(), "on"))
        }
        Command::Alter { kind, name, on, renamed, .. } => match renamed {
            Some(renamed) => {
                format!("rename {} {name}{} to {renamed}", kind.words, belonging(on.as_ref(), "on"))
            }
            None => format!("change {} {name}{}", kind.words, belonging(on.as_ref(), "on")),
        },
        Command::Drop(drop) => {
            let names = listed(drop.names.iter().map(Name::to_string).collect());
            let plural =
                if drop.names.len() > 1 { plural(drop.kind.words) } else { drop.kind.words.to_owned() };
            let cascade = if drop.cascade { " and everything that depends on it" } else { "" };
            format!(
                "drop {plural} {names}{}{cascade}{}",
                belonging(drop.on.as_ref(), "from"),
                without_blocking(drop.concurrently)
            )
        }
        Command::Truncate { tables, cascade } => {
            let names = listed(tables.iter().map(Name::to_string).collect());
            let plural = if tables.len() > 1 { "tables" } else { "table" };
            let cascade = if *cascade { " and every table that points to it" } else { "" };
            format!("empty {plural} {names}{cascade}")
        }
        Command::Rows { verb, table, whole, .. } => rows(*verb, table.as_ref(), *whole),
        Command::Lock { tables, .. } => {
            format!("lock {}", listed(tables.iter().map(Name::to_string).collect()))
        }
        Command::Maintain { verb, target, concurrently, full } => {
            let what = target.as_ref().map_or_else(|| "the whole database".to_owned(), Name::to_string);
            let full = if *full { " completely" } else { "" };
            format!("{verb} {what}{full}{}", without_blocking(*concurrently))
        }
        Command::Comment { table } => match table {
            Some(table) => format!("comment on {table}"),
            None => "comment on an object".to_owned(),
        },
        Command::Other { words } if words.is_empty() => "run a statement".to_owned(),
        Command::Other { words } => match words.as_str() {
            "do" => "run a code block".to_owned(),
            "begin" | "begin transaction" | "start transaction" => "begin a transaction".to_owned(),
            "commit" | "end" | "commit transaction" => "commit the transaction".to_owned(),
            "rollback" | "abort" => "roll back the transaction".to_owned(),
            words => match words.strip_prefix("set local ") {
                Some(setting) => format!("set {setting} for this transaction"),
                None => words.to_owned(),
            },
        },
    })
}

/// How the place of an action is written: with the table for a single one, without it in a list.
trait Place {
    fn column(&self, name: &str) -> String;
    fn on(&self, word: &str) -> String;
}

struct Here;

impl Place for Here {
    fn column(&self, name: &str) -> String {
        name.to_owned()
    }

    fn on(&self, _word: &str) -> String {
        String::new()
    }
}

impl Place for Name {
    fn column(&self, name: &str) -> String {
        format!("{self}.{name}")
    }

    fn on(&self, word: &str) -> String {
        format!(" {word} {self}")
    }
}

fn single(action: &TableAction, table: &Name) -> String {
    match action {
        TableAction::RenameTo(to) => format!("rename table {table} to {to}"),
        TableAction::SetSchema(schema) => format!("move table {table} to schema {schema}"),
        TableAction::Other(text) => format!("change table {table}: {}", clipped(text)),
        action => phrase(action, table),
    }
}

fn phrase(action: &TableAction, place: &dyn Place) -> String {
    match action {
        TableAction::AddColumn { column, .. } => format!("add column {}", place.column(&column.name)),
        TableAction::DropColumn { name, .. } => format!("drop column {}", place.column(name)),
        TableAction::AlterColumn { name, change } => {
            let column = place.column(name);
            match change {
                ColumnChange::Type { to, .. } => format!("change the type of {column} to {}", clipped(to)),
                ColumnChange::SetDefault => format!("set the default of {column}"),
                ColumnChange::DropDefault => format!("remove the default of {column}"),
                ColumnChange::SetNotNull => format!("make {column} required"),
                ColumnChange::DropNotNull => format!("make {column} optional"),
                ColumnChange::Statistics => format!("change the statistics settings of {column}"),
                ColumnChange::Other => format!("change column {column}"),
            }
        }
        TableAction::RenameColumn { from, to } => format!("rename column {} to {to}", place.column(from)),
        TableAction::AddConstraint(added) => constraint(added, place),
        TableAction::DropConstraint { name, .. } => format!("drop constraint {name}{}", place.on("from")),
        TableAction::AlterConstraint { name } => format!("change constraint {name}{}", place.on("of")),
        TableAction::ValidateConstraint { name } => {
            format!("check existing rows against constraint {name}{}", place.on("of"))
        }
        TableAction::RenameConstraint { from, to } => {
            format!("rename constraint {from} to {to}{}", place.on("on"))
        }
        TableAction::RenameTo(to) => format!("rename to {to}"),
        TableAction::SetSchema(schema) => format!("move to schema {schema}"),
        TableAction::AttachPartition(partition) => format!("attach partition {partition}{}", place.on("to")),
        TableAction::DetachPartition { partition, concurrently } => {
            format!("detach partition {partition}{}{}", place.on("from"), without_blocking(*concurrently))
        }
        TableAction::Inherit(parent) => format!("inherit from {parent}{}", place.on("in")),
        TableAction::Triggers => format!("switch triggers on or off{}", place.on("on")),
        TableAction::RowSecurity => format!("change row-level security{}", place.on("of")),
        TableAction::Settings => format!("change storage settings{}", place.on("of")),
        TableAction::Other(text) => clipped(text),
    }
}

fn constraint(added: &Constraint, place: &dyn Place) -> String {
    let kind = match added.kind {
        ConstraintKind::PrimaryKey => "primary key",
        ConstraintKind::Unique => "unique constraint",
        ConstraintKind::ForeignKey => "foreign key",
        ConstraintKind::Check => "check",
        ConstraintKind::Exclusion => "exclusion constraint",
        ConstraintKind::NotNull => "not-null constraint",
    };
    let name = if added.name.is_empty() { String::new() } else { format!(" {}", added.name) };
    let target = added.references.as_ref().map(|table| format!(" to {table}")).unwrap_or_default();
    let unchecked = if added.not_valid { ", without checking existing rows" } else { "" };
    format!("add {kind}{name}{}{target}{unchecked}", place.on("on"))
}

fn rows(verb: Verb, table: Option<&Name>, whole: bool) -> String {
    let table = table.map_or_else(|| "a query".to_owned(), Name::to_string);
    match (verb, whole) {
        (Verb::Insert, _) => format!("insert rows into {table}"),
        (Verb::Update, true) => format!("update every row of {table}"),
        (Verb::Update, false) => format!("update rows of {table}"),
        (Verb::Delete, true) => format!("delete every row of {table}"),
        (Verb::Delete, false) => format!("delete rows from {table}"),
        (Verb::Merge, _) => format!("merge rows into {table}"),
        (Verb::CopyIn, _) => format!("copy rows into {table}"),
        (Verb::CopyOut, _) => format!("copy rows out of {table}"),
        (Verb::Query, _) => "run a query".to_owned(),
    }
}

fn without_blocking(concurrently: bool) -> &'static str {
    if concurrently { ", without blocking writers" } else { "" }
}

fn belonging(table: Option<&Name>, word: &str) -> String {
    table.map(|table| format!(" {word} {table}")).unwrap_or_default()
}

fn plural(words: &str) -> String {
    match words {
        "index" => "indexes".to_owned(),
        "policy" => "policies".to_owned(),
        "everything owned by" | "statistics" => words.to_owned(),
        words => format!("{words}s"),
    }
}

fn listed(mut phrases: Vec<String>) -> String {
    let more = phrases.len().saturating_sub(SHOWN);
    if more < 2 {
        return phrases.join(", ");
    }
    phrases.truncate(SHOWN);
    format!("{} and {more} more", phrases.join(", "))
}

fn clipped(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(LONGEST).collect();
    cut.push('…');
    cut
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}
