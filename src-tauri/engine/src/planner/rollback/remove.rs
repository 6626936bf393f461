//! What the migrations made goes, and what hangs on it before it.

use super::{Way, any, say, say_destructive, table_name};
use crate::domain::backup::TableName;
use crate::domain::catalogue::ConstraintKind;
use crate::planner::rebuild::{function_kind, identifier, qualified, type_kind};

impl Way<'_> {
    pub(super) fn remove_what_hangs_on_tables(&mut self) {
        for policy in self.made(|all| &all.policies, |old, now| old.definition == now.definition) {
            if self.was_there(&policy.schema, &policy.table) {
                let table = qualified(&policy.schema, &policy.table);
                self.remove(
                    format!("DROP POLICY {} ON {table}", identifier(&policy.name)),
                    format!("Drop policy {} of {}", policy.name, policy.table),
                );
            }
        }
        for trigger in self.made(
            |all| &all.triggers,
            |old, now| (&old.definition, &old.enabled) == (&now.definition, &now.enabled),
        ) {
            if self.was_there(&trigger.schema, &trigger.table) {
                let table = qualified(&trigger.schema, &trigger.table);
                self.remove(
                    format!("DROP TRIGGER {} ON {table}", identifier(&trigger.name)),
                    format!("Drop trigger {} of {}", trigger.name, trigger.table),
                );
            }
        }
        let views = self.made(
            |all| &all.views,
            |old, now| (&old.definition, &old.options) == (&now.definition, &now.options),
        );
        for (materialized, kind) in [(false, "VIEW"), (true, "MATERIALIZED VIEW")] {
            let of_kind = views.iter().filter(|view| view.materialized == materialized);
            let names: Vec<String> = of_kind.map(|view| qualified(&view.schema, &view.name)).collect();
            let words = match &names[..] {
                [] => continue,
                [one] => format!("Drop view {one}"),
                more => format!("Drop {} views", more.len()),
            };
            self.remove(format!("DROP {kind} {}", names.join(", ")), words);
        }
        let mut constraints = self.made(
            |all| &all.constraints,
            |old, now| (&old.definition, old.validated) == (&now.definition, now.validated),
        );
        constraints.retain(|each| self.was_there(&each.schema, &each.table));
        // References first: keys cannot go while something refers to them.
        constraints.sort_by_key(|constraint| constraint.kind != ConstraintKind::ForeignKey);
        for constraint in constraints {
            let table = qualified(&constraint.schema, &constraint.table);
            let kind = constraint.kind.words().to_lowercase();
            self.remove(
                format!("ALTER TABLE {table} DROP CONSTRAINT {}", identifier(&constraint.name)),
                format!("Drop {kind} {} of {}", constraint.name, constraint.table),
            );
        }
        for index in self.made(|all| &all.indexes, |old, now| old.shape() == now.shape()) {
            if !index.of_constraint && self.was_there(&index.schema, &index.table) {
                self.remove(
                    format!("DROP INDEX {}", qualified(&index.schema, &index.name)),
                    format!("Drop index {}", index.name),
                );
            }
        }
    }

    pub(super) fn remove_tables(&mut self) {
        let made = self.made(|all| &all.tables, any);
        if made.is_empty() {
            return;
        }
        let names: Vec<String> = made.iter().map(|table| qualified(&table.schema, &table.name)).collect();
        let gone: Vec<TableName> = made.iter().map(|table| table_name(&table.schema, &table.name)).collect();
        let words: Vec<String> = gone.iter().map(TableName::to_string).collect();
        self.out.remove.push(say_destructive(
            format!("DROP TABLE {}", names.join(", ")),
            format!("Drop {} with every row in them", words.join(", ")),
        ));
        self.out.gone = gone;
    }

    pub(super) fn remove_columns(&mut self) {
        for table in &self.after.tables {
            let Some(old) = self.before.table(&table.schema, &table.name) else { continue };
            for column in &table.columns {
                let there = self.live.column(&table.schema, &table.name, &column.name).is_some();
                if there && !old.columns.iter().any(|other| other.name == column.name) {
                    let on = qualified(&table.schema, &table.name);
                    self.out.remove.push(say_destructive(
                        format!("ALTER TABLE {on} DROP COLUMN {}", identifier(&column.name)),
                        format!("Drop column {}.{} with every value in it", table.name, column.name),
                    ));
                }
            }
        }
    }

    pub(super) fn remove_functions_and_types(&mut self) {
        for function in self.made(|all| &all.functions, any) {
            let kind = function_kind(function);
            let name = qualified(&function.schema, &function.name);
            self.remove(
                format!("DROP {kind} {name}({})", function.arguments),
                format!("Drop {} {}", kind.to_lowercase(), function.name),
            );
        }
        for sequence in self.made(|all| &all.sequences, any) {
            if sequence.owner_table.is_none() {
                self.remove(
                    format!("DROP SEQUENCE {}", qualified(&sequence.schema, &sequence.name)),
                    format!("Drop sequence {}", sequence.name),
                );
            }
        }
        for each in self.made(|all| &all.types, any) {
            self.remove(
                format!("DROP {} {}", type_kind(each), qualified(&each.schema, &each.name)),
                format!("Drop type {}", each.name),
            );
        }
        for each in self.made(|all| &all.enums, any) {
            self.remove(
                format!("DROP TYPE {}", qualified(&each.schema, &each.name)),
                format!("Drop type {}", each.name),
            );
        }
        let (before, live) = (&self.before.schemas, &self.live.schemas);
        for schema in self.after.schemas.iter().filter(|each| !before.contains(each) && live.contains(each)) {
            let sql = format!("DROP SCHEMA {}", identifier(schema));
            self.out.remove.push(say(sql, format!("Drop schema {schema}")));
        }
    }
}
