//! Taking migrations back: from the schema as it was without them and as it is with them, the statements that lead
//! from the one to the other, in an order that references and uses allow. Nothing is dropped with CASCADE: what hangs
//! on it and is not the migrations' own stops it, by name.

use super::rebuild::{
    can_make, column_sql, constraint_sql, enum_sql, function_kind, function_sql, identifier, index_sql,
    owned_by, policy_sql, qualified, row_security, sequence_sql, table as rebuild_table, trigger_sql,
    type_kind, type_sql, view_sql,
};
use crate::domain::backup::TableName;
use crate::domain::catalogue::{Catalogue, Column, Constraint, ConstraintKind, EnumType, Index, Table};
use crate::domain::plan::RepairStatement;
use std::collections::BTreeSet;

/// What leads back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenBack {
    /// Takes away what was made.
    pub remove: Vec<RepairStatement>,
    /// Makes tables and columns again.
    pub make: Vec<RepairStatement>,
    /// Makes the rest again.
    pub finish: Vec<RepairStatement>,
    /// Tables that were made and go.
    pub gone: Vec<TableName>,
    /// Tables that were dropped and come back.
    pub back: Vec<TableName>,
    /// Columns that were dropped and come back.
    pub columns: Vec<(TableName, Vec<String>)>,
    /// What stays, or comes back differently.
    pub notes: Vec<String>,
}

impl TakenBack {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.make.is_empty() && self.finish.is_empty()
    }
}

fn say(sql: impl Into<String>, summary: impl Into<String>, destructive: bool) -> RepairStatement {
    RepairStatement { sql: sql.into(), summary: summary.into(), destructive }
}

fn table_name(schema: &str, name: &str) -> TableName {
    TableName::new(schema, name)
}

/// From `after` back to `before`; `live` tells what is really there. Of what others made in between nothing is
/// touched.
pub fn take_back(before: &Catalogue, after: &Catalogue, live: &Catalogue) -> TakenBack {
    let mut way = Way { before, after, live, out: TakenBack::default() };
    way.removals();
    way.enums();
    way.functions_and_types();
    way.tables();
    way.columns();
    way.finishing();
    way.notes();
    way.out
}

struct Way<'a> {
    before: &'a Catalogue,
    after: &'a Catalogue,
    live: &'a Catalogue,
    out: TakenBack,
}

impl Way<'_> {
    fn was(&self, schema: &str, name: &str) -> Option<&Table> {
        self.before.table(schema, name)
    }

    fn is_there(&self, schema: &str, name: &str) -> bool {
        self.live.table(schema, name).is_some()
    }

    /// Made by the migrations, and still there.
    fn made_tables(&self) -> Vec<&Table> {
        self.after
            .tables
            .iter()
            .filter(|table| {
                self.was(&table.schema, &table.name).is_none() && self.is_there(&table.schema, &table.name)
            })
            .collect()
    }

    fn remove(&mut self, sql: String, summary: String, destructive: bool) {
        self.out.remove.push(say(sql, summary, destructive));
    }

    fn removals(&mut self) {
        let (before, after, live) = (self.before, self.after, self.live);
        let goes = |schema: &str, table: &str| before.table(schema, table).is_none();
        for policy in &after.policies {
            let same = |other: &crate::domain::catalogue::Policy| {
                (&other.schema, &other.table, &other.name) == (&policy.schema, &policy.table, &policy.name)
            };
            let old = before.policies.iter().find(|other| same(other));
            let there = live.policies.iter().any(same);
            if there
                && !goes(&policy.schema, &policy.table)
                && old.is_none_or(|old| old.definition != policy.definition)
            {
                let table = qualified(&policy.schema, &policy.table);
                self.remove(
                    format!("DROP POLICY {} ON {table}", identifier(&policy.name)),
                    format!("Drop policy {} of {}", policy.name, policy.table),
                    false,
                );
            }
        }
        for trigger in &after.triggers {
            let same = |other: &crate::domain::catalogue::Trigger| {
                (&other.schema, &other.table, &other.name) == (&trigger.schema, &trigger.table, &trigger.name)
            };
            let old = before.triggers.iter().find(|other| same(other));
            let there = live.triggers.iter().any(same);
            if there
                && !goes(&trigger.schema, &trigger.table)
                && old.is_none_or(|old| old.definition != trigger.definition)
            {
                let table = qualified(&trigger.schema, &trigger.table);
                self.remove(
                    format!("DROP TRIGGER {} ON {table}", identifier(&trigger.name)),
                    format!("Drop trigger {} of {}", trigger.name, trigger.table),
                    false,
                );
            }
        }
        for materialized in [false, true] {
            let views: Vec<String> = after
                .views
                .iter()
                .filter(|view| view.materialized == materialized)
                .filter(|view| {
                    let same = |other: &&crate::domain::catalogue::View| {
                        (&other.schema, &other.name) == (&view.schema, &view.name)
                    };
                    let old = before.views.iter().find(same);
                    live.views.iter().any(|other| same(&other))
                        && old.is_none_or(|old| {
                            old.definition != view.definition || old.options != view.options
                        })
                })
                .map(|view| qualified(&view.schema, &view.name))
                .collect();
            if !views.is_empty() {
                let kind = if materialized { "MATERIALIZED VIEW" } else { "VIEW" };
                self.remove(
                    format!("DROP {kind} {}", views.join(", ")),
                    format!("Drop {} views", views.len()),
                    false,
                );
            }
        }
        let changed = |constraint: &Constraint| {
            let old = before.constraint(&constraint.schema, &constraint.table, &constraint.name);
            let there = live.constraint(&constraint.schema, &constraint.table, &constraint.name).is_some();
            there
                && !goes(&constraint.schema, &constraint.table)
                && old.is_none_or(|old| {
                    old.definition != constraint.definition || old.validated != constraint.validated
                })
        };
        let mut constraints: Vec<&Constraint> =
            after.constraints.iter().filter(|each| changed(each)).collect();
        // References first: keys cannot go while something refers to them.
        constraints.sort_by_key(|constraint| constraint.kind != ConstraintKind::ForeignKey);
        for constraint in constraints {
            let table = qualified(&constraint.schema, &constraint.table);
            self.remove(
                format!("ALTER TABLE {table} DROP CONSTRAINT {}", identifier(&constraint.name)),
                format!(
                    "Drop {} {} of {}",
                    constraint.kind.words().to_lowercase(),
                    constraint.name,
                    constraint.table
                ),
                false,
            );
        }
        for index in
            after.indexes.iter().filter(|index| !index.of_constraint && !goes(&index.schema, &index.table))
        {
            let old = before.index(&index.schema, &index.name);
            if live.index(&index.schema, &index.name).is_some()
                && old.is_none_or(|old| old.shape() != index.shape())
            {
                self.remove(
                    format!("DROP INDEX {}", qualified(&index.schema, &index.name)),
                    format!("Drop index {}", index.name),
                    false,
                );
            }
        }
        let made = self.made_tables();
        if !made.is_empty() {
            let names: Vec<String> = made.iter().map(|table| qualified(&table.schema, &table.name)).collect();
            let gone: Vec<TableName> =
                made.iter().map(|table| table_name(&table.schema, &table.name)).collect();
            let words: Vec<String> = gone.iter().map(TableName::to_string).collect();
            self.remove(
                format!("DROP TABLE {}", names.join(", ")),
                format!("Drop {} with every row in them", words.join(", ")),
                true,
            );
            self.out.gone = gone;
        }
        self.removed_columns();
    }

    fn removed_columns(&mut self) {
        let mut dropped = Vec::new();
        for table in &self.after.tables {
            let Some(old) = self.was(&table.schema, &table.name) else { continue };
            for column in &table.columns {
                let there = self.live.column(&table.schema, &table.name, &column.name).is_some();
                if there && !old.columns.iter().any(|other| other.name == column.name) {
                    dropped.push((table.schema.clone(), table.name.clone(), column.name.clone()));
                }
            }
        }
        for (schema, table, column) in dropped {
            self.remove(
                format!("ALTER TABLE {} DROP COLUMN {}", qualified(&schema, &table), identifier(&column)),
                format!("Drop column {table}.{column} with every value in it"),
                true,
            );
        }
    }

    /// Labels cannot be taken out of an enum: it is made again, and its columns are moved to it.
    fn enums(&mut self) {
        let mut work = Vec::new();
        for each in &self.after.enums {
            let same = |other: &&EnumType| (&other.schema, &other.name) == (&each.schema, &each.name);
            let labels =
                |each: &EnumType| each.labels.iter().map(|label| label.name.clone()).collect::<Vec<_>>();
            if !self.live.enums.iter().any(|other| same(&other)) {
                continue;
            }
            if let Some(old) = self.before.enums.iter().find(same)
                && labels(old) != labels(each)
            {
                work.push(old.clone());
            }
        }
        for old in work {
            self.rebuild_enum(&old);
        }
    }

    fn rebuild_enum(&mut self, old: &EnumType) {
        let name = qualified(&old.schema, &old.name);
        let aside = format!("{}_before_roll_back", old.name);
        let bare = |text: &str| text.replace('"', "");
        let full = format!("{}.{}", old.schema, old.name);
        let uses = |column: &Column| {
            let kind = bare(&column.type_name);
            kind == full || kind == format!("{full}[]")
        };
        let mut sql = vec![format!("ALTER TYPE {name} RENAME TO {}", identifier(&aside)), enum_sql(old)];
        let mut again = Vec::new();
        let gone: BTreeSet<(String, String)> =
            self.out.gone.iter().map(|table| (table.schema.clone(), table.name.clone())).collect();
        for table in &self.live.tables {
            if gone.contains(&(table.schema.clone(), table.name.clone())) {
                continue;
            }
            let on = qualified(&table.schema, &table.name);
            for column in table.columns.iter().filter(|column| uses(column)) {
                let removed = self.after.column(&table.schema, &table.name, &column.name).is_some()
                    && self.was(&table.schema, &table.name).is_some()
                    && self.before.column(&table.schema, &table.name, &column.name).is_none();
                if removed {
                    continue;
                }
                let array = if column.type_name.ends_with("[]") { "[]" } else { "" };
                let own = identifier(&column.name);
                // Indexes whose text names the type do not move by themselves.
                for index in &self.live.indexes {
                    let names_it = bare(&index.definition).contains(&full);
                    if index.schema == table.schema
                        && index.table == table.name
                        && names_it
                        && !index.of_constraint
                    {
                        sql.push(format!("DROP INDEX IF EXISTS {}", qualified(&index.schema, &index.name)));
                        again.push(index_sql(index));
                    }
                }
                if column.default.is_some() {
                    sql.push(format!("ALTER TABLE {on} ALTER COLUMN {own} DROP DEFAULT"));
                }
                sql.push(format!(
                    "ALTER TABLE {on} ALTER COLUMN {own} TYPE {name}{array} USING {own}::text{array}::{name}{array}"
                ));
                let default = self
                    .before
                    .column(&table.schema, &table.name, &column.name)
                    .map_or(&column.default, |old| &old.default);
                if let Some(default) = default {
                    sql.push(format!("ALTER TABLE {on} ALTER COLUMN {own} SET DEFAULT {default}"));
                }
            }
        }
        sql.extend(again);
        sql.push(format!("DROP TYPE {}", qualified(&old.schema, &aside)));
        for (number, sql) in sql.into_iter().enumerate() {
            let summary = if number == 0 {
                format!("Make the type {} again without its new values", old.name)
            } else {
                format!("... type {}", old.name)
            };
            self.out.remove.push(say(sql, summary, false));
        }
    }

    fn functions_and_types(&mut self) {
        let (before, after, live) = (self.before, self.after, self.live);
        for function in &after.functions {
            let same = |other: &&crate::domain::catalogue::Function| {
                (&other.schema, &other.name, &other.arguments)
                    == (&function.schema, &function.name, &function.arguments)
            };
            if before.functions.iter().any(|other| same(&other))
                || !live.functions.iter().any(|other| same(&other))
            {
                continue;
            }
            let name = qualified(&function.schema, &function.name);
            self.remove(
                format!("DROP {} {name}({})", function_kind(function), function.arguments),
                format!("Drop {} {}", function_kind(function).to_lowercase(), function.name),
                false,
            );
        }
        for sequence in after.sequences.iter().filter(|sequence| sequence.owner_table.is_none()) {
            let same = |other: &&crate::domain::catalogue::Sequence| {
                (&other.schema, &other.name) == (&sequence.schema, &sequence.name)
            };
            if !before.sequences.iter().any(|other| same(&other))
                && live.sequences.iter().any(|other| same(&other))
            {
                self.remove(
                    format!("DROP SEQUENCE {}", qualified(&sequence.schema, &sequence.name)),
                    format!("Drop sequence {}", sequence.name),
                    false,
                );
            }
        }
        for each in &after.types {
            let same = |other: &&crate::domain::catalogue::OtherType| {
                (&other.schema, &other.name) == (&each.schema, &each.name)
            };
            match before.types.iter().find(same) {
                None if live.types.iter().any(|other| same(&other)) => {
                    self.remove(
                        format!("DROP {} {}", type_kind(each), qualified(&each.schema, &each.name)),
                        format!("Drop type {}", each.name),
                        false,
                    );
                }
                Some(old) if old.definition != each.definition => {
                    self.out
                        .notes
                        .push(format!("The type {} was changed; it stays as it is now.", each.name));
                }
                _ => {}
            }
        }
        for each in &after.enums {
            let same = |other: &&EnumType| (&other.schema, &other.name) == (&each.schema, &each.name);
            if !before.enums.iter().any(|other| same(&other)) && live.enums.iter().any(|other| same(&other)) {
                self.remove(
                    format!("DROP TYPE {}", qualified(&each.schema, &each.name)),
                    format!("Drop type {}", each.name),
                    false,
                );
            }
        }
        for schema in after
            .schemas
            .iter()
            .filter(|schema| !before.schemas.contains(schema) && live.schemas.contains(schema))
        {
            self.remove(
                format!("DROP SCHEMA {}", identifier(schema)),
                format!("Drop schema {schema}"),
                false,
            );
        }
        // What was dropped or changed comes back, before tables need it.
        for schema in before.schemas.iter().filter(|schema| !live.schemas.contains(schema)) {
            self.out.make.push(say(
                format!("CREATE SCHEMA {}", identifier(schema)),
                format!("Make schema {schema} again"),
                false,
            ));
        }
        for each in before.enums.iter().filter(|each| {
            let same = |other: &&EnumType| (&other.schema, &other.name) == (&each.schema, &each.name);
            !after.enums.iter().any(|other| same(&other)) && !live.enums.iter().any(|other| same(&other))
        }) {
            self.out.make.push(say(enum_sql(each), format!("Make type {} again", each.name), false));
        }
        for each in before.types.iter().filter(|each| {
            let same = |other: &&crate::domain::catalogue::OtherType| {
                (&other.schema, &other.name) == (&each.schema, &each.name)
            };
            !after.types.iter().any(|other| same(&other)) && !live.types.iter().any(|other| same(&other))
        }) {
            if let Some(sql) = type_sql(each) {
                self.out.make.push(say(sql, format!("Make type {} again", each.name), false));
            }
        }
        for function in &before.functions {
            let same = |other: &&crate::domain::catalogue::Function| {
                (&other.schema, &other.name, &other.arguments)
                    == (&function.schema, &function.name, &function.arguments)
            };
            let now = after.functions.iter().find(same);
            if now.is_some_and(|now| now.definition == function.definition) {
                continue;
            }
            match function_sql(function) {
                Some(sql) => {
                    self.out.make.push(say(sql, format!("Make function {} as it was", function.name), false))
                }
                None => self.out.notes.push(format!(
                    "The aggregate {} was changed or dropped; Drydock cannot make it again.",
                    function.name
                )),
            }
        }
        for sequence in before.sequences.iter().filter(|sequence| sequence.owner_table.is_none()) {
            let same = |other: &&crate::domain::catalogue::Sequence| {
                (&other.schema, &other.name) == (&sequence.schema, &sequence.name)
            };
            if !after.sequences.iter().any(|other| same(&other))
                && !live.sequences.iter().any(|other| same(&other))
            {
                self.out.make.push(say(
                    sequence_sql(sequence),
                    format!("Make sequence {} again", sequence.name),
                    false,
                ));
            }
        }
    }

    fn tables(&mut self) {
        let dropped: Vec<&Table> = self
            .before
            .tables
            .iter()
            .filter(|table| {
                self.after.table(&table.schema, &table.name).is_none()
                    && !self.is_there(&table.schema, &table.name)
            })
            .collect();
        for table in dropped {
            if !can_make(table) {
                self.out.notes.push(format!(
                    "The foreign table {} was dropped; Drydock cannot make it again.",
                    table.name
                ));
                continue;
            }
            let rebuild = rebuild_table(self.before, table);
            let words = |what: &str| format!("{what} {} again", table.name);
            self.out.make.extend(rebuild.before_rows.into_iter().map(|sql| say(sql, words("Make"), false)));
            self.out
                .finish
                .extend(rebuild.after_rows.into_iter().map(|sql| say(sql, words("Make keys of"), false)));
            self.out.finish.extend(rebuild.last.into_iter().map(|sql| say(sql, words("Tie"), false)));
            if table.partition_key.is_none() {
                self.out.back.push(table_name(&table.schema, &table.name));
            }
        }
    }

    fn columns(&mut self) {
        let mut back: Vec<(TableName, Vec<String>)> = Vec::new();
        for old in &self.before.tables {
            let Some(now) = self.after.table(&old.schema, &old.name) else { continue };
            if !self.is_there(&old.schema, &old.name) {
                continue;
            }
            let on = qualified(&old.schema, &old.name);
            let name = table_name(&old.schema, &old.name);
            for column in &old.columns {
                let own = identifier(&column.name);
                match now.columns.iter().find(|other| other.name == column.name) {
                    None => {
                        if self.live.column(&old.schema, &old.name, &column.name).is_some() {
                            continue;
                        }
                        let empty = Column { not_null: false, ..column.clone() };
                        let fed = self.before.sequences.iter().filter(|sequence| {
                            !sequence.of_identity
                                && sequence.schema == old.schema
                                && sequence.owner_table.as_deref() == Some(old.name.as_str())
                                && sequence.owner_column.as_deref() == Some(column.name.as_str())
                        });
                        for sequence in fed {
                            self.out.make.push(say(
                                sequence_sql(sequence),
                                format!("Make sequence {} again", sequence.name),
                                false,
                            ));
                            let tie = owned_by(sequence)
                                .map(|sql| say(sql, format!("Tie sequence {}", sequence.name), false));
                            self.out.finish.extend(tie);
                        }
                        self.out.make.push(say(
                            format!("ALTER TABLE {on} ADD COLUMN {}", column_sql(self.before, old, &empty)),
                            format!("Make column {name}.{} again", column.name),
                            false,
                        ));
                        if column.not_null {
                            self.out.finish.push(say(
                                format!("ALTER TABLE {on} ALTER COLUMN {own} SET NOT NULL"),
                                format!("Column {name}.{} may not be empty", column.name),
                                false,
                            ));
                        }
                        if column.generated.is_none() {
                            match back.iter_mut().find(|(table, _)| *table == name) {
                                Some((_, columns)) => columns.push(column.name.clone()),
                                None => back.push((name.clone(), vec![column.name.clone()])),
                            }
                        }
                    }
                    Some(changed) => {
                        for statement in column_back(&on, &name, column, changed) {
                            self.out.make.push(statement);
                        }
                        if column.not_null && !changed.not_null {
                            self.out.finish.push(say(
                                format!("ALTER TABLE {on} ALTER COLUMN {own} SET NOT NULL"),
                                format!("Column {name}.{} may not be empty", column.name),
                                false,
                            ));
                        }
                        if column.generated != changed.generated {
                            self.out.notes.push(format!(
                                "The column {name}.{} is computed differently; it stays as it is now.",
                                column.name
                            ));
                        }
                    }
                }
            }
            if (old.row_security, old.force_row_security) != (now.row_security, now.force_row_security) {
                self.out.finish.push(say(
                    format!("ALTER TABLE {on} DISABLE ROW LEVEL SECURITY; ALTER TABLE {on} NO FORCE ROW LEVEL SECURITY"),
                    format!("Row security of {name} as it was"),
                    false,
                ));
                for sql in row_security(old) {
                    self.out.finish.push(say(sql, format!("Row security of {name} as it was"), false));
                }
            }
            if old.options != now.options {
                self.out.notes.push(format!("The storage settings of {name} stay as they are now."));
            }
        }
        self.out.columns = back;
    }

    fn finishing(&mut self) {
        let dropped: BTreeSet<TableName> = self.out.back.iter().cloned().collect();
        let known = |schema: &str, table: &str| dropped.contains(&table_name(schema, table));
        let (before, after, live) = (self.before, self.after, self.live);
        let missing = |constraint: &&Constraint| {
            let now = after.constraint(&constraint.schema, &constraint.table, &constraint.name);
            let there = live.constraint(&constraint.schema, &constraint.table, &constraint.name).is_some();
            let changed = now.is_some_and(|now| {
                now.definition != constraint.definition || now.validated != constraint.validated
            });
            !known(&constraint.schema, &constraint.table) && (changed || (now.is_none() && !there))
        };
        let mut constraints: Vec<&Constraint> = before.constraints.iter().filter(missing).collect();
        constraints.sort_by_key(|constraint| constraint.kind == ConstraintKind::ForeignKey);
        let mut last = Vec::new();
        for constraint in constraints {
            let statement = say(
                constraint_sql(constraint),
                format!("Make {} of {} again", constraint.name, constraint.table),
                false,
            );
            if constraint.kind == ConstraintKind::ForeignKey {
                last.push(statement);
            } else {
                self.out.finish.push(statement);
            }
        }
        let index_missing = |index: &&Index| {
            let now = after.index(&index.schema, &index.name);
            let there = live.index(&index.schema, &index.name).is_some();
            !index.of_constraint
                && !known(&index.schema, &index.table)
                && (now.is_some_and(|now| now.shape() != index.shape()) || (now.is_none() && !there))
        };
        for index in before.indexes.iter().filter(index_missing) {
            self.out.finish.push(say(index_sql(index), format!("Make index {} again", index.name), false));
        }
        // References of all tables stand at the end: keys they need are there by then.
        let is_reference = |statement: &RepairStatement| statement.sql.contains(" FOREIGN KEY ");
        let (references, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.out.finish).into_iter().partition(is_reference);
        self.out.finish = rest;
        self.out.finish.extend(references);
        self.out.finish.extend(last);
        for view in &before.views {
            let same = |other: &&crate::domain::catalogue::View| {
                (&other.schema, &other.name) == (&view.schema, &view.name)
            };
            let now = after.views.iter().find(same);
            let there = live.views.iter().any(|other| same(&other));
            if now.is_some_and(|now| now.definition != view.definition || now.options != view.options)
                || (now.is_none() && !there)
            {
                self.out.finish.push(say(view_sql(view), format!("Make view {} again", view.name), false));
                if view.materialized {
                    self.out.finish.push(say(
                        format!("REFRESH MATERIALIZED VIEW {}", qualified(&view.schema, &view.name)),
                        format!("Compute {} again", view.name),
                        false,
                    ));
                }
            }
        }
        for trigger in before.triggers.iter().filter(|trigger| !known(&trigger.schema, &trigger.table)) {
            let same = |other: &&crate::domain::catalogue::Trigger| {
                (&other.schema, &other.table, &other.name) == (&trigger.schema, &trigger.table, &trigger.name)
            };
            let now = after.triggers.iter().find(same);
            let there = live.triggers.iter().any(|other| same(&other));
            if now.is_some_and(|now| now.definition != trigger.definition) || (now.is_none() && !there) {
                for sql in trigger_sql(trigger) {
                    self.out.finish.push(say(sql, format!("Make trigger {} again", trigger.name), false));
                }
            }
        }
        for policy in before.policies.iter().filter(|policy| !known(&policy.schema, &policy.table)) {
            let same = |other: &&crate::domain::catalogue::Policy| {
                (&other.schema, &other.table, &other.name) == (&policy.schema, &policy.table, &policy.name)
            };
            let now = after.policies.iter().find(same);
            let there = live.policies.iter().any(|other| same(&other));
            if now.is_some_and(|now| now.definition != policy.definition) || (now.is_none() && !there) {
                self.out.finish.push(say(
                    policy_sql(policy),
                    format!("Make policy {} again", policy.name),
                    false,
                ));
            }
        }
    }

    fn notes(&mut self) {
        for extension in self
            .after
            .extensions
            .iter()
            .filter(|each| !self.before.extensions.iter().any(|old| old.name == each.name))
        {
            self.out.notes.push(format!(
                "The extension {} stays: it does no harm, and others may use it by now.",
                extension.name
            ));
        }
    }
}

/// A column that was changed, as it was.
fn column_back(on: &str, table: &TableName, old: &Column, now: &Column) -> Vec<RepairStatement> {
    let own = identifier(&old.name);
    let mut back = Vec::new();
    let mut alter = |what: String, words: &str| {
        back.push(say(
            format!("ALTER TABLE {on} ALTER COLUMN {own} {what}"),
            format!("{words} of {table}.{} as it was", old.name),
            false,
        ));
    };
    if now.not_null && !old.not_null {
        alter("DROP NOT NULL".to_owned(), "Emptiness");
    }
    if now.identity.is_some() && old.identity.is_none() {
        alter("DROP IDENTITY".to_owned(), "Numbering");
    }
    let default_moves = now.default != old.default && now.generated.is_none() && old.generated.is_none();
    let type_moves = now.type_name != old.type_name || now.collation != old.collation;
    if (default_moves || type_moves) && now.default.is_some() && now.generated.is_none() {
        alter("DROP DEFAULT".to_owned(), "Default");
    }
    if type_moves {
        let collation =
            old.collation.as_ref().map_or(String::new(), |collation| format!(" COLLATE {collation}"));
        alter(format!("TYPE {kind}{collation} USING {own}::{kind}", kind = old.type_name), "Type");
    }
    if (default_moves || type_moves)
        && let (Some(default), None) = (&old.default, &old.generated)
    {
        alter(format!("SET DEFAULT {default}"), "Default");
    }
    if let (Some(identity), None) = (old.identity.as_deref(), &now.identity) {
        let how = if identity == "a" { "ALWAYS" } else { "BY DEFAULT" };
        alter(format!("ADD GENERATED {how} AS IDENTITY"), "Numbering");
    }
    back
}
