//! What hangs on tables comes back, once they and their rows are there.

use super::{Way, say, table_name};
use crate::domain::backup::TableName;
use crate::domain::catalogue::ConstraintKind;
use crate::domain::plan::RepairStatement;
use crate::planner::rebuild::{constraint_sql, index_sql, policy_sql, qualified, trigger_sql, view_sql};

impl Way<'_> {
    /// A table that comes back brings its own with it.
    fn comes_back(&self, schema: &str, table: &str) -> bool {
        let name: TableName = table_name(schema, table);
        self.out.back.contains(&name)
    }

    pub(super) fn finish_constraints_and_indexes(&mut self) {
        let mut constraints = self.lost(
            |all| &all.constraints,
            |old, now| (&old.definition, old.validated) == (&now.definition, now.validated),
        );
        constraints.retain(|each| !self.comes_back(&each.schema, &each.table));
        let (last, first): (Vec<_>, Vec<_>) =
            constraints.into_iter().partition(|each| each.kind == ConstraintKind::ForeignKey);
        let words = |name: &str, table: &str| format!("Make {name} of {table} again");
        for constraint in first {
            self.finish(constraint_sql(constraint), words(&constraint.name, &constraint.table));
        }
        for index in self.lost(|all| &all.indexes, |old, now| old.shape() == now.shape()) {
            if !index.of_constraint && !self.comes_back(&index.schema, &index.table) {
                self.finish(index_sql(index), format!("Make index {} again", index.name));
            }
        }
        // References of all tables stand at the end: keys they need are there by then.
        let is_reference = |statement: &RepairStatement| statement.sql.contains(" FOREIGN KEY ");
        let (references, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.out.finish).into_iter().partition(is_reference);
        self.out.finish = rest;
        self.out.finish.extend(references);
        for constraint in last {
            self.finish(constraint_sql(constraint), words(&constraint.name, &constraint.table));
        }
    }

    pub(super) fn finish_what_hangs_on_tables(&mut self) {
        for view in self.lost(
            |all| &all.views,
            |old, now| (&old.definition, &old.options) == (&now.definition, &now.options),
        ) {
            self.finish(view_sql(view), format!("Make view {} again", view.name));
            if view.materialized {
                self.finish(
                    format!("REFRESH MATERIALIZED VIEW {}", qualified(&view.schema, &view.name)),
                    format!("Compute {} again", view.name),
                );
            }
        }
        for trigger in self.lost(
            |all| &all.triggers,
            |old, now| (&old.definition, &old.enabled) == (&now.definition, &now.enabled),
        ) {
            if !self.comes_back(&trigger.schema, &trigger.table) {
                let words = format!("Make trigger {} again", trigger.name);
                self.out.finish.extend(trigger_sql(trigger).into_iter().map(|sql| say(sql, words.clone())));
            }
        }
        for policy in self.lost(|all| &all.policies, |old, now| old.definition == now.definition) {
            if !self.comes_back(&policy.schema, &policy.table) {
                self.finish(policy_sql(policy), format!("Make policy {} again", policy.name));
            }
        }
    }
}
