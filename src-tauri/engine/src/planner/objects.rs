//! Two catalogues into the objects created, altered and dropped between them.

use crate::domain::catalogue::Catalogue;
use crate::domain::change_set::ObjectChange;
use crate::domain::statement::{Action, ObjectKind};
use std::collections::BTreeMap;

type Objects = BTreeMap<(ObjectKind, String), String>;

/// What changed. The columns, indexes and constraints of a created or dropped table are part of it and
/// counted with it only as indexes and constraints, not column by column.
pub fn changes(before: &Catalogue, after: &Catalogue) -> Vec<ObjectChange> {
    let (old, new) = (flatten(before), flatten(after));
    let mut changes = Vec::new();
    for ((kind, name), definition) in &new {
        match old.get(&(*kind, name.clone())) {
            None if *kind == ObjectKind::Column
                && table_of(name)
                    .is_some_and(|table| !old.contains_key(&(ObjectKind::Table, table.clone()))) => {}
            None => changes.push(change(Action::Create, *kind, name, String::new())),
            Some(previous) if previous != definition => {
                changes.push(change(
                    Action::Alter,
                    *kind,
                    name,
                    format!("was {}, becomes {}", one_line(previous), one_line(definition)),
                ));
            }
            Some(_) => {}
        }
    }
    for (kind, name) in old.keys() {
        if new.contains_key(&(*kind, name.clone())) {
            continue;
        }
        if *kind == ObjectKind::Column
            && table_of(name).is_some_and(|table| !new.contains_key(&(ObjectKind::Table, table)))
        {
            continue;
        }
        changes.push(change(Action::Drop, *kind, name, String::new()));
    }
    changes
}

fn change(action: Action, kind: ObjectKind, name: &str, detail: String) -> ObjectChange {
    ObjectChange { action, kind, name: name.to_owned(), detail }
}

fn table_of(column: &str) -> Option<String> {
    column.rsplit_once('.').map(|(table, _)| table.to_owned())
}

fn one_line(text: &str) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if joined.is_empty() {
        return "nothing".to_owned();
    }
    match joined.char_indices().nth(120) {
        Some((cut, _)) => format!("{}…", &joined[..cut]),
        None => joined,
    }
}

fn flatten(catalogue: &Catalogue) -> Objects {
    let mut objects = Objects::new();
    let mut put = |kind: ObjectKind, name: String, definition: String| {
        objects.insert((kind, name), definition);
    };
    for schema in &catalogue.schemas {
        put(ObjectKind::Schema, schema.clone(), String::new());
    }
    for table in &catalogue.tables {
        let name = format!("{}.{}", table.schema, table.name);
        let definition = format!(
            "{}{}{}{}",
            if table.unlogged { "unlogged " } else { "" },
            if table.row_security { "row security " } else { "" },
            if table.force_row_security { "forced " } else { "" },
            table.options.clone().unwrap_or_default()
        );
        put(ObjectKind::Table, name.clone(), definition);
        for column in &table.columns {
            put(ObjectKind::Column, format!("{name}.{}", column.name), column.definition());
        }
    }
    for index in &catalogue.indexes {
        if !index.of_constraint {
            put(ObjectKind::Index, format!("{}.{}", index.schema, index.name), index.text());
        }
    }
    for constraint in &catalogue.constraints {
        let definition = if constraint.validated {
            constraint.definition.clone()
        } else {
            format!("{} not valid", constraint.definition)
        };
        put(
            ObjectKind::Constraint,
            format!("{}.{}.{}", constraint.schema, constraint.table, constraint.name),
            definition,
        );
    }
    for kind in &catalogue.enums {
        let labels: Vec<&str> = kind.labels.iter().map(|label| label.name.as_str()).collect();
        put(ObjectKind::Enum, format!("{}.{}", kind.schema, kind.name), labels.join(", "));
    }
    for other in &catalogue.types {
        put(ObjectKind::Type, format!("{}.{}", other.schema, other.name), other.definition.clone());
    }
    for sequence in &catalogue.sequences {
        if sequence.owner_column.is_none() {
            put(
                ObjectKind::Sequence,
                format!("{}.{}", sequence.schema, sequence.name),
                sequence.definition.clone(),
            );
        }
    }
    for view in &catalogue.views {
        put(view.kind(), format!("{}.{}", view.schema, view.name), view.definition.clone());
    }
    for function in &catalogue.functions {
        put(
            ObjectKind::Function,
            format!("{}.{}", function.schema, function.signature()),
            function.definition.clone(),
        );
    }
    for trigger in &catalogue.triggers {
        put(
            ObjectKind::Trigger,
            format!("{}.{}.{}", trigger.schema, trigger.table, trigger.name),
            format!("{} {}", trigger.definition, trigger.enabled),
        );
    }
    for policy in &catalogue.policies {
        put(
            ObjectKind::Policy,
            format!("{}.{}.{}", policy.schema, policy.table, policy.name),
            policy.definition.clone(),
        );
    }
    for extension in &catalogue.extensions {
        put(ObjectKind::Extension, extension.name.clone(), extension.version.clone());
    }
    objects
}
