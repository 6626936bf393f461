//! Tables: there or not, of the same kind, with the same columns in the same order.

use super::{Comparison, Draft, words};
use crate::domain::{
    catalogue::{Index, ObjectRef, Table, TableKind},
    drift::DriftClass,
    statement::ObjectKind,
};

impl Comparison<'_> {
    pub(super) fn tables(&mut self) {
        let (expected, live) = (self.expected, self.live);
        for table in &expected.tables {
            match live.table(&table.schema, &table.name) {
                Some(there) => self.table(table, there),
                None => {
                    let object = object(table);
                    let sentence = format!("{} is missing.", self.title(&object));
                    self.report(&object, Draft::missing(DriftClass::Dangerous, sentence, text(table)));
                }
            }
        }
        for table in &live.tables {
            if expected.table(&table.schema, &table.name).is_none() {
                let object = object(table);
                let sentence = format!(
                    "{} is on the database only; no applied migration makes it.",
                    self.title(&object)
                );
                self.report(&object, Draft::extra(DriftClass::Harmless, sentence, text(table)));
            }
        }
    }

    /// A table that both have.
    fn table(&mut self, expected: &Table, live: &Table) {
        self.nature(expected, live);
        for column in &expected.columns {
            let object = ObjectRef::part(ObjectKind::Column, &expected.schema, &expected.name, &column.name);
            match live.columns.iter().find(|there| there.name == column.name) {
                Some(there) => self.column(&object, column, there),
                None => self.missing_column(&object, column),
            }
        }
        for column in &live.columns {
            if !expected.columns.iter().any(|made| made.name == column.name) {
                let object = ObjectRef::part(ObjectKind::Column, &live.schema, &live.name, &column.name);
                self.extra_column(&object, column);
            }
        }
        self.column_order(expected, live);
    }

    /// What kind of table it is.
    fn nature(&mut self, expected: &Table, live: &Table) {
        let object = object(expected);
        let name = self.name(&object);
        let mut said = Vec::new();
        let mut class = DriftClass::Harmless;
        let mut say = |worse: DriftClass, sentence: String| {
            class = class.min(worse);
            said.push(sentence);
        };
        if (expected.kind, &expected.partition_key) != (live.kind, &live.partition_key) {
            let make = format!("{name} is {}; its migration makes it {}.", nature(live), nature(expected));
            say(DriftClass::Dangerous, make);
        }
        if (&expected.parent, &expected.partition_bound) != (&live.parent, &live.partition_bound) {
            say(DriftClass::Dangerous, format!("{name} is attached in another way than its migration says."));
        }
        match (expected.unlogged, live.unlogged) {
            (false, true) => {
                say(DriftClass::Dangerous, format!("{name} is unlogged: its rows do not survive a crash."));
            }
            (true, false) => {
                say(DriftClass::Harmless, format!("{name} is logged; its migration makes it unlogged."));
            }
            _ => {}
        }
        if expected.row_security != live.row_security
            || expected.force_row_security != live.force_row_security
        {
            let words = if live.row_security { "is on" } else { "is off" };
            let sentence = if expected.row_security == live.row_security {
                format!("Row-level security of {name} binds its owner differently than its migration says.")
            } else {
                format!("Row-level security of {name} {words}; its migration says otherwise.")
            };
            say(DriftClass::Dangerous, sentence);
        }
        if expected.options != live.options {
            say(DriftClass::Harmless, format!("{name} has other storage settings."));
        }
        if !said.is_empty() {
            let draft = Draft::different(class, said.join(" "), text(expected), text(live));
            self.report(&object, draft);
        }
    }

    /// The order of the columns that both have.
    fn column_order(&mut self, expected: &Table, live: &Table) {
        let names = |of: &Table, other: &Table| -> Vec<String> {
            let both = |name: &str| other.columns.iter().any(|column| column.name == name);
            of.columns.iter().map(|column| column.name.clone()).filter(|name| both(name)).collect()
        };
        let (made, there) = (names(expected, live), names(live, expected));
        if made != there {
            let object = object(expected);
            let sentence = format!("{} lists its columns in another order.", self.name(&object));
            self.report(
                &object,
                Draft::different(DriftClass::Cosmetic, sentence, made.join("\n"), there.join("\n")),
            );
        }
    }

    /// Indexes and constraints that go with a column, to be named with it.
    pub(super) fn goes_with(&self, column: &ObjectRef) -> String {
        let table = column.parent.as_deref().unwrap_or_default();
        let on = |schema: &str, of: &str, columns: &[String]| {
            schema == column.schema && of == table && columns.contains(&column.name)
        };
        let gone_index = |index: &&Index| {
            on(&index.schema, &index.table, &index.columns)
                && !index.of_constraint
                && self.live.index(&index.schema, &index.name).is_none()
        };
        let mut names: Vec<String> =
            self.expected.indexes.iter().filter(gone_index).map(|index| index.name.clone()).collect();
        names.extend(
            self.expected
                .constraints
                .iter()
                .filter(|each| on(&each.schema, &each.table, &each.columns))
                .filter(|each| self.live.constraint(&each.schema, &each.table, &each.name).is_none())
                .map(|each| each.name.clone()),
        );
        if names.is_empty() { String::new() } else { format!(" With it went {}.", words::list(&names, 3)) }
    }
}

fn object(table: &Table) -> ObjectRef {
    ObjectRef::top(ObjectKind::Table, &table.schema, &table.name)
}

fn nature(table: &Table) -> String {
    match (table.kind, &table.partition_key) {
        (TableKind::Ordinary, _) => "an ordinary table".to_owned(),
        (TableKind::Foreign, _) => "a foreign table".to_owned(),
        (TableKind::Partitioned, Some(key)) => format!("partitioned by {key}"),
        (TableKind::Partitioned, None) => "partitioned".to_owned(),
    }
}

/// A table's definition, a column a line.
fn text(table: &Table) -> String {
    let mut lines: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("{} {}", column.name, column.definition().replace('\n', " ")))
        .collect();
    lines.extend(table.partition_key.iter().map(|key| format!("partitioned by {key}")));
    lines.extend(table.partition_bound.iter().cloned());
    if table.unlogged {
        lines.push("unlogged".to_owned());
    }
    if table.row_security {
        lines.push("row-level security".to_owned());
    }
    lines.extend(table.options.iter().map(|options| format!("with {options}")));
    lines.join("\n")
}
