//! Schemas, types, functions and sequences that were dropped or changed come back, before tables need them.

use super::{Way, any, same, say};
use crate::planner::rebuild::{enum_sql, function_sql, identifier, sequence_sql, type_sql};

impl Way<'_> {
    pub(super) fn make_functions_and_types(&mut self) {
        for schema in self.before.schemas.iter().filter(|schema| !self.live.schemas.contains(schema)) {
            self.out.make.push(say(
                format!("CREATE SCHEMA {}", identifier(schema)),
                format!("Make schema {schema} again"),
            ));
        }
        for each in self.lost(|all| &all.enums, any) {
            self.make(enum_sql(each), format!("Make type {} again", each.name));
        }
        for each in self.lost(|all| &all.types, any) {
            if let Some(sql) = type_sql(each) {
                self.make(sql, format!("Make type {} again", each.name));
            }
        }
        for each in &self.after.types {
            if same(&self.before.types, each).is_some_and(|old| old.definition != each.definition) {
                self.out.notes.push(format!("The type {} was changed; it stays as it is now.", each.name));
            }
        }
        for function in self.lost(|all| &all.functions, |old, now| old.definition == now.definition) {
            match function_sql(function) {
                Some(sql) => self.make(sql, format!("Make function {} as it was", function.name)),
                None => self.out.notes.push(format!(
                    "The aggregate {} was changed or dropped; Drydock cannot make it again.",
                    function.name
                )),
            }
        }
        for sequence in self.lost(|all| &all.sequences, any) {
            if sequence.owner_table.is_none() {
                self.make(sequence_sql(sequence), format!("Make sequence {} again", sequence.name));
            }
        }
    }
}
