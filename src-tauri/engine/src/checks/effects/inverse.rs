//! The statements that take a statement back. Only what can be taken back exactly; rows, drops and
//! replaced definitions cannot.

use super::{
    alteration::{Alteration, alterations},
    words::{contains, words},
};
use crate::domain::{
    catalogue::Catalogue,
    plan::RepairStatement,
    statement::{Action, Effect, ObjectKind, Statement},
};

/// What takes a statement back, in the order it has to run; `None` if it cannot be taken back.
///
/// `sql` is the statement's own text, `schema` where its unqualified names lead.
pub fn inverse(
    statement: &Statement,
    sql: &str,
    live: &Catalogue,
    schema: &str,
) -> Option<Vec<RepairStatement>> {
    if statement.effects.is_empty() {
        return None;
    }
    let text = words(sql);
    let context = Context { sql, live, schema, concurrently: contains(&text, "concurrently") };
    if contains(&text, "rename") {
        return context.rename_back(statement).map(|only| vec![only]);
    }
    if contains(&text, "or replace") || contains(&text, "set schema") {
        return None;
    }
    let made_table = |effect: &Effect| {
        statement.effects.iter().any(|each| {
            each.action == Action::Create
                && matches!(each.kind, ObjectKind::Table | ObjectKind::Enum)
                && effect.parent.as_deref() == Some(each.name.as_str())
        })
    };
    let mut back = Vec::new();
    let mut altered_columns: Vec<&str> = Vec::new();
    for effect in statement.effects.iter().rev().filter(|effect| !made_table(effect)) {
        match effect.action {
            // IF NOT EXISTS: it may have been there before, and then it is not ours to drop.
            Action::Create if effect.conditional => return None,
            Action::Create => {
                let goes_with_a_new_column = effect.kind == ObjectKind::Constraint
                    && statement
                        .effects
                        .iter()
                        .any(|each| each.kind == ObjectKind::Column && each.action == Action::Create)
                    && !contains(&text, "add constraint");
                if !goes_with_a_new_column {
                    back.push(context.uncreate(effect)?);
                }
            }
            Action::Alter => {
                if effect.kind == ObjectKind::Column {
                    if altered_columns.contains(&effect.name.as_str()) {
                        continue;
                    }
                    altered_columns.push(&effect.name);
                }
                back.extend(context.unalter(effect)?);
            }
            Action::Drop => return None,
        }
    }
    Some(back)
}

/// The statement being taken back, and what it meets.
struct Context<'a> {
    sql: &'a str,
    live: &'a Catalogue,
    schema: &'a str,
    concurrently: bool,
}

impl Context<'_> {
    fn uncreate(&self, effect: &Effect) -> Option<RepairStatement> {
        if effect.name.is_empty() {
            return None;
        }
        let schema = effect.schema.as_deref().unwrap_or(self.schema);
        let name = quoted(&effect.name);
        let qualified = format!("{}.{name}", quoted(schema));
        let parent = effect.parent.as_deref();
        let table = parent.map(|parent| format!("{}.{}", quoted(schema), quoted(parent)));
        let has_rows = |table: &str| !self.live.table(schema, table).is_some_and(|table| table.empty.0);
        let plain = |kind: &str| Some((format!("DROP {kind} {qualified}"), false));
        let (sql, destructive) = match effect.kind {
            ObjectKind::Table => Some((format!("DROP TABLE {qualified}"), has_rows(&effect.name))),
            ObjectKind::Column => {
                Some((format!("ALTER TABLE {} DROP COLUMN {name}", table?), has_rows(parent?)))
            }
            ObjectKind::Constraint => Some((format!("ALTER TABLE {} DROP CONSTRAINT {name}", table?), false)),
            ObjectKind::Index if self.concurrently => plain("INDEX CONCURRENTLY"),
            ObjectKind::Index => plain("INDEX"),
            ObjectKind::Enum | ObjectKind::Type => {
                let domain = contains(&words(self.sql), "create domain");
                plain(if domain { "DOMAIN" } else { "TYPE" })
            }
            ObjectKind::Sequence => plain("SEQUENCE"),
            ObjectKind::View => plain("VIEW"),
            ObjectKind::MaterializedView => plain("MATERIALIZED VIEW"),
            ObjectKind::Function => {
                let mut versions = self
                    .live
                    .functions
                    .iter()
                    .filter(|each| each.schema == schema && each.name == effect.name);
                let only = versions.next()?;
                if versions.next().is_some() {
                    return None;
                }
                let kind = match only {
                    each if each.procedure => "PROCEDURE",
                    each if each.definition.starts_with("aggregate") => "AGGREGATE",
                    _ => "FUNCTION",
                };
                Some((format!("DROP {kind} {qualified}({})", only.arguments), false))
            }
            ObjectKind::Trigger => Some((format!("DROP TRIGGER {name} ON {}", table?), false)),
            ObjectKind::Policy => Some((format!("DROP POLICY {name} ON {}", table?), false)),
            ObjectKind::Extension => Some((format!("DROP EXTENSION {name}"), false)),
            ObjectKind::Schema => Some((format!("DROP SCHEMA {name}"), false)),
            ObjectKind::EnumValue => None,
        }?;
        let what = match parent {
            Some(parent) if effect.kind == ObjectKind::Column => format!("{parent}.{}", effect.name),
            _ => effect.name.clone(),
        };
        let mut summary = format!("Drop {} {what}", kind_words(effect.kind));
        if destructive {
            summary.push_str(", with what it holds");
        }
        Some(RepairStatement { sql, summary, destructive })
    }

    fn unalter(&self, effect: &Effect) -> Option<Vec<RepairStatement>> {
        let table_name = effect.parent.as_ref().unwrap_or(&effect.name);
        let table =
            format!("{}.{}", quoted(effect.schema.as_deref().unwrap_or(self.schema)), quoted(table_name));
        let column = (effect.kind == ObjectKind::Column).then_some(effect.name.as_str());
        let about: Vec<Alteration> =
            alterations(self.sql).into_iter().filter(|each| each.column() == column).collect();
        if about.is_empty() {
            return None;
        }
        about
            .iter()
            .rev()
            .map(|each| {
                let (action, summary) = match each {
                    Alteration::NotNull { column, not_null: true } => (
                        format!("ALTER COLUMN {} DROP NOT NULL", quoted(column)),
                        format!("Let {table_name}.{column} be empty again"),
                    ),
                    Alteration::NotNull { column, not_null: false } => (
                        format!("ALTER COLUMN {} SET NOT NULL", quoted(column)),
                        format!("Require {table_name}.{column} again"),
                    ),
                    Alteration::RowSecurity { on: true } => (
                        "DISABLE ROW LEVEL SECURITY".to_owned(),
                        format!("Switch row-level security of {table_name} off again"),
                    ),
                    Alteration::RowSecurity { on: false } => (
                        "ENABLE ROW LEVEL SECURITY".to_owned(),
                        format!("Switch row-level security of {table_name} on again"),
                    ),
                    Alteration::Default { .. } | Alteration::Type { .. } | Alteration::OtherColumn { .. } => {
                        return None;
                    }
                };
                Some(RepairStatement {
                    sql: format!("ALTER TABLE {table} {action}"),
                    summary,
                    destructive: false,
                })
            })
            .collect()
    }

    /// A rename is a drop of the old name and a create of the new one, in that order, and nothing else.
    fn rename_back(&self, statement: &Statement) -> Option<RepairStatement> {
        let [old, new] = statement.effects.as_slice() else { return None };
        if (old.action, new.action) != (Action::Drop, Action::Create) || old.kind != new.kind {
            return None;
        }
        let schema = quoted(old.schema.as_deref().unwrap_or(self.schema));
        let (from, to) = (quoted(&new.name), quoted(&old.name));
        let parent = || Some(format!("{schema}.{}", quoted(old.parent.as_deref()?)));
        let sql = match old.kind {
            ObjectKind::Column => format!("ALTER TABLE {} RENAME COLUMN {from} TO {to}", parent()?),
            ObjectKind::Constraint => format!("ALTER TABLE {} RENAME CONSTRAINT {from} TO {to}", parent()?),
            ObjectKind::EnumValue => {
                format!("ALTER TYPE {} RENAME VALUE {} TO {}", parent()?, text(&new.name), text(&old.name))
            }
            ObjectKind::Trigger => format!("ALTER TRIGGER {from} ON {} RENAME TO {to}", parent()?),
            ObjectKind::Policy => format!("ALTER POLICY {from} ON {} RENAME TO {to}", parent()?),
            ObjectKind::Schema => format!("ALTER SCHEMA {from} RENAME TO {to}"),
            ObjectKind::Table => format!("ALTER TABLE {schema}.{from} RENAME TO {to}"),
            ObjectKind::Index => format!("ALTER INDEX {schema}.{from} RENAME TO {to}"),
            ObjectKind::Enum | ObjectKind::Type => format!("ALTER TYPE {schema}.{from} RENAME TO {to}"),
            ObjectKind::Sequence => format!("ALTER SEQUENCE {schema}.{from} RENAME TO {to}"),
            ObjectKind::View => format!("ALTER VIEW {schema}.{from} RENAME TO {to}"),
            ObjectKind::MaterializedView => format!("ALTER MATERIALIZED VIEW {schema}.{from} RENAME TO {to}"),
            ObjectKind::Function | ObjectKind::Extension => return None,
        };
        let summary = format!("Rename {} back to {}", new.name, old.name);
        Some(RepairStatement { sql, summary, destructive: false })
    }
}

fn kind_words(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Table => "table",
        ObjectKind::Column => "column",
        ObjectKind::Index => "index",
        ObjectKind::Constraint => "constraint",
        ObjectKind::Enum | ObjectKind::Type => "type",
        ObjectKind::EnumValue => "enum value",
        ObjectKind::Sequence => "sequence",
        ObjectKind::View => "view",
        ObjectKind::MaterializedView => "materialized view",
        ObjectKind::Function => "function",
        ObjectKind::Trigger => "trigger",
        ObjectKind::Extension => "extension",
        ObjectKind::Schema => "schema",
        ObjectKind::Policy => "policy",
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
