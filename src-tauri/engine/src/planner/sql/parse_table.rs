//! Reading `CREATE TABLE` and `ALTER TABLE`, with the names PostgreSQL gives to unnamed constraints.

use super::{
    command::{AlterTable, Column, ColumnChange, Constraint, ConstraintKind, CreateTable, TableAction},
    cursor::{Cursor, Name},
    lex::{NAME_BYTES, cut_name},
};

/// Reads what follows `CREATE TABLE`.
pub(super) fn create_table(cursor: &mut Cursor<'_>, temporary: bool) -> Option<CreateTable> {
    let conditional = cursor.take_condition();
    let name = cursor.name()?;
    let mut table = CreateTable {
        name,
        conditional,
        temporary,
        from_query: false,
        columns: Vec::new(),
        constraints: Vec::new(),
        partition_of: None,
        inherits: Vec::new(),
    };
    if cursor.take("PARTITION OF") {
        table.partition_of = cursor.name();
    } else if cursor.take("OF") {
        let _ = cursor.name();
    }
    if let Some(elements) = cursor.parentheses() {
        for element in elements.items() {
            read_element(element, &mut table);
        }
    }
    while let Some(found) = cursor.seek(&["INHERITS", "AS"]) {
        if found == "AS" {
            table.from_query = true;
            break;
        }
        if let Some(mut parents) = cursor.parentheses() {
            table.inherits = parents.names();
        }
    }
    Some(table)
}

fn read_element(mut element: Cursor<'_>, table: &mut CreateTable) {
    if element.sees("LIKE") {
        return;
    }
    if let Some(constraint) = table_constraint(&mut element, &table.name.name) {
        table.constraints.push(constraint);
    } else if let Some(column) = column(&mut element, &table.name.name) {
        table.columns.push(column);
    }
}

fn column(cursor: &mut Cursor<'_>, table: &str) -> Option<Column> {
    let name = cursor.identifier()?;
    let mut constraints = Vec::new();
    let mut named: Option<String> = None;
    while let Some(found) = cursor.seek(&[
        "CONSTRAINT",
        "PRIMARY KEY",
        "UNIQUE",
        "REFERENCES",
        "CHECK",
        "NOT NULL",
        "NULL",
        "DEFAULT",
    ]) {
        let columns = std::slice::from_ref(&name);
        let mut references = None;
        let (kind, default) = match found {
            "CONSTRAINT" => {
                named = cursor.identifier();
                continue;
            }
            "PRIMARY KEY" => (ConstraintKind::PrimaryKey, default_name(table, &[], "pkey")),
            "UNIQUE" => (ConstraintKind::Unique, default_name(table, columns, "key")),
            "REFERENCES" => {
                references = cursor.name();
                (ConstraintKind::ForeignKey, default_name(table, columns, "fkey"))
            }
            "CHECK" => (ConstraintKind::Check, String::new()),
            _ => {
                named = None;
                continue;
            }
        };
        constraints.push(Constraint {
            name: named.take().unwrap_or(default),
            kind,
            references,
            not_valid: false,
            using_index: false,
        });
    }
    Some(Column { name, constraints })
}

/// Reads a table constraint, or returns `None` without moving.
fn table_constraint(cursor: &mut Cursor<'_>, table: &str) -> Option<Constraint> {
    let start = *cursor;
    let named = if cursor.take("CONSTRAINT") { cursor.identifier() } else { None };
    let Some(found) =
        cursor.take_any(&["PRIMARY KEY", "UNIQUE", "FOREIGN KEY", "CHECK", "EXCLUDE", "NOT NULL"])
    else {
        *cursor = start;
        return None;
    };
    if found == "EXCLUDE" && !(cursor.sees("USING") || cursor.sees_symbol(b'(')) {
        *cursor = start; // a column called exclude
        return None;
    }
    cursor.take("NULLS NOT DISTINCT");
    cursor.take("NULLS DISTINCT");
    let using_index = cursor.take("USING INDEX");
    let index = if using_index { cursor.identifier() } else { None };
    let columns = if found == "CHECK" || found == "EXCLUDE" {
        None
    } else {
        cursor.parentheses().and_then(|list| list.plain_names())
    };
    let not_valid = cursor.has(&["NOT VALID"]);
    let references = cursor.seek(&["REFERENCES"]).and_then(|_| cursor.name());
    let keyed = |label: &str| {
        columns.as_ref().map_or_else(String::new, |columns| default_name(table, columns, label))
    };
    let (kind, default) = match found {
        "PRIMARY KEY" => (ConstraintKind::PrimaryKey, default_name(table, &[], "pkey")),
        "UNIQUE" => (ConstraintKind::Unique, keyed("key")),
        "FOREIGN KEY" => (ConstraintKind::ForeignKey, keyed("fkey")),
        "CHECK" => (ConstraintKind::Check, String::new()),
        "EXCLUDE" => (ConstraintKind::Exclusion, String::new()),
        _ => (ConstraintKind::NotNull, String::new()),
    };
    let name = named.or(index).unwrap_or(default);
    Some(Constraint { name, kind, references, not_valid, using_index })
}

/// The name PostgreSQL makes: table, columns and label joined by `_`, the longer part cut until it fits 63 bytes.
fn default_name(table: &str, columns: &[String], label: &str) -> String {
    let columns = cut_name(columns.join("_"), NAME_BYTES);
    let overhead = label.len() + 1 + usize::from(!columns.is_empty());
    let room = NAME_BYTES.saturating_sub(overhead);
    let (mut first, mut second) = (table.len(), columns.len());
    while first + second > room {
        if first > second {
            first -= 1;
        } else {
            second -= 1;
        }
    }
    let table = cut_name(table.to_owned(), first);
    if columns.is_empty() {
        return format!("{table}_{label}");
    }
    format!("{table}_{}_{label}", cut_name(columns, second))
}

/// Reads what follows `ALTER TABLE`.
pub(super) fn alter_table(cursor: &mut Cursor<'_>) -> Option<AlterTable> {
    let conditional = cursor.take_condition();
    cursor.take("ONLY");
    let name = cursor.name()?;
    cursor.take_symbol(b'*');
    let actions = cursor.items().into_iter().map(|item| action(item, &name.name)).collect();
    Some(AlterTable { name, conditional, actions })
}

fn action(cursor: Cursor<'_>, table: &str) -> TableAction {
    read_action(cursor, table).unwrap_or_else(|| TableAction::Other(cursor.text()))
}

fn read_action(mut cursor: Cursor<'_>, table: &str) -> Option<TableAction> {
    if cursor.take("ADD") {
        if let Some(constraint) = table_constraint(&mut cursor, table) {
            return Some(TableAction::AddConstraint(constraint));
        }
        cursor.take("COLUMN");
        let conditional = cursor.take_condition();
        return Some(TableAction::AddColumn { column: column(&mut cursor, table)?, conditional });
    }
    if cursor.take("DROP") {
        let constraint = cursor.take("CONSTRAINT");
        if !constraint {
            cursor.take("COLUMN");
        }
        let conditional = cursor.take_condition();
        let name = cursor.identifier()?;
        return Some(if constraint {
            TableAction::DropConstraint { name, conditional }
        } else {
            TableAction::DropColumn { name, conditional, cascade: cursor.take("CASCADE") }
        });
    }
    if cursor.take("ALTER CONSTRAINT") {
        return Some(TableAction::AlterConstraint { name: cursor.identifier()? });
    }
    if cursor.take("ALTER") {
        cursor.take("COLUMN");
        let name = cursor.identifier()?;
        let change = column_change(cursor, &name);
        return Some(TableAction::AlterColumn { name, change });
    }
    if cursor.take("VALIDATE CONSTRAINT") {
        return Some(TableAction::ValidateConstraint { name: cursor.identifier()? });
    }
    if cursor.take("RENAME TO") {
        return Some(TableAction::RenameTo(cursor.identifier()?));
    }
    if cursor.take("RENAME") {
        let constraint = cursor.take("CONSTRAINT");
        if !constraint {
            cursor.take("COLUMN");
        }
        let from = cursor.identifier()?;
        cursor.take("TO");
        let to = cursor.identifier()?;
        return Some(if constraint {
            TableAction::RenameConstraint { from, to }
        } else {
            TableAction::RenameColumn { from, to }
        });
    }
    if cursor.take("SET SCHEMA") {
        return Some(TableAction::SetSchema(cursor.identifier()?));
    }
    if cursor.take("ATTACH PARTITION") {
        return Some(TableAction::AttachPartition(cursor.name()?));
    }
    if cursor.take("DETACH PARTITION") {
        let partition: Name = cursor.name()?;
        return Some(TableAction::DetachPartition { partition, concurrently: cursor.take("CONCURRENTLY") });
    }
    if cursor.take("INHERIT") {
        return Some(TableAction::Inherit(cursor.name()?));
    }
    if cursor.take_any(&["ENABLE", "DISABLE", "FORCE", "NO FORCE"]).is_some() {
        cursor.take_any(&["REPLICA", "ALWAYS"]);
        if cursor.take("TRIGGER") {
            return Some(TableAction::Triggers);
        }
        return cursor.take("ROW LEVEL SECURITY").then_some(TableAction::RowSecurity);
    }
    let resets = cursor.take("RESET") || cursor.take("SET");
    let settings =
        resets && cursor.sees_symbol(b'(') || cursor.sees("CLUSTER ON") || cursor.sees("WITHOUT CLUSTER");
    settings.then_some(TableAction::Settings)
}

fn column_change(mut cursor: Cursor<'_>, column: &str) -> ColumnChange {
    if cursor.take("SET DATA TYPE") || cursor.take("TYPE") {
        let start = cursor;
        let found = cursor.seek(&["COLLATE", "USING"]);
        let mut to = cursor.since(start).text();
        let mut using = None;
        if let Some(word) = found {
            to = to.get(..to.len().saturating_sub(word.len())).unwrap_or_default().trim_end().to_owned();
            if word == "USING" || cursor.seek(&["USING"]).is_some() {
                using = Some(cursor);
            }
        }
        let mentions = using.is_some_and(|expression| {
            expression.rest().iter().any(|token| token.name(expression.script()).as_deref() == Some(column))
        });
        return ColumnChange::Type {
            to,
            using: using.map(|expression| expression.text()),
            using_mentions_column: mentions,
        };
    }
    match () {
        () if cursor.take("SET DEFAULT") => ColumnChange::SetDefault,
        () if cursor.take("DROP DEFAULT") => ColumnChange::DropDefault,
        () if cursor.take("SET NOT NULL") => ColumnChange::SetNotNull,
        () if cursor.take("DROP NOT NULL") => ColumnChange::DropNotNull,
        () if cursor.take("SET STATISTICS") => ColumnChange::Statistics,
        () if (cursor.take("SET") || cursor.take("RESET")) && cursor.sees_symbol(b'(') => {
            ColumnChange::Statistics
        }
        () => ColumnChange::Other,
    }
}
