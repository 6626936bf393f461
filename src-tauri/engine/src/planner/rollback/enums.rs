//! Enums whose labels were changed.

use super::{Way, same, table_name};
use crate::domain::catalogue::{Catalogue, Column, EnumType, Index, Table};
use crate::planner::rebuild::{enum_sql, identifier, index_sql, qualified};
use crate::planner::sql::{NAME_BYTES, cut_name};

impl Way<'_> {
    /// Labels cannot be taken out of an enum: it is made again, and its columns are moved to it.
    pub(super) fn rebuild_enums(&mut self) {
        let labels = |each: &EnumType| each.labels.iter().map(|label| label.name.clone()).collect::<Vec<_>>();
        for now in self.made(|all| &all.enums, |old, now| labels(old) == labels(now)) {
            if let Some(old) = same(&self.before.enums, now) {
                self.rebuild_enum(old);
            }
        }
    }

    fn rebuild_enum(&mut self, old: &EnumType) {
        let name = qualified(&old.schema, &old.name);
        let aside = aside(&old.name);
        let mut sql = vec![format!("ALTER TYPE {name} RENAME TO {}", identifier(&aside)), enum_sql(old)];
        let mut again = Vec::new();
        for table in &self.live.tables {
            if self.out.gone.contains(&table_name(&table.schema, &table.name)) {
                continue;
            }
            let on = qualified(&table.schema, &table.name);
            for column in table.columns.iter().filter(|column| uses(old, column)) {
                if self.goes(table, column) {
                    continue;
                }
                let array = if column.type_name.ends_with("[]") { "[]" } else { "" };
                let own = identifier(&column.name);
                // Indexes whose text names the type do not move by themselves.
                for index in self.live.indexes.iter().filter(|index| names(index, table, old)) {
                    sql.push(format!("DROP INDEX IF EXISTS {}", qualified(&index.schema, &index.name)));
                    again.push(index_sql(index));
                }
                if column.default.is_some() {
                    sql.push(format!("ALTER TABLE {on} ALTER COLUMN {own} DROP DEFAULT"));
                }
                sql.push(format!(
                    "ALTER TABLE {on} ALTER COLUMN {own} TYPE {name}{array} USING {own}::text{array}::{name}{array}"
                ));
                let before = self.before.column(&table.schema, &table.name, &column.name);
                if let Some(default) = &before.unwrap_or(column).default {
                    sql.push(format!("ALTER TABLE {on} ALTER COLUMN {own} SET DEFAULT {default}"));
                }
            }
        }
        sql.extend(again);
        sql.push(format!("DROP TYPE {}", qualified(&old.schema, &aside)));
        let mut summary = format!("Make the type {} again without its new values", old.name);
        for sql in sql {
            self.remove(sql, std::mem::replace(&mut summary, format!("... type {}", old.name)));
        }
    }

    /// A column of the migrations', on a table that was there before them.
    fn goes(&self, table: &Table, column: &Column) -> bool {
        let of = |all: &Catalogue| all.column(&table.schema, &table.name, &column.name).is_some();
        self.was_there(&table.schema, &table.name) && of(self.after) && !of(self.before)
    }
}

/// Where the type goes until its columns have left it: a name that the server does not cut off.
fn aside(name: &str) -> String {
    const ENDING: &str = "_before_roll_back";
    cut_name(name.to_owned(), NAME_BYTES - ENDING.len()) + ENDING
}

fn full_name(of: &EnumType) -> String {
    format!("{}.{}", of.schema, of.name)
}

fn bare(text: &str) -> String {
    text.replace('"', "")
}

fn uses(of: &EnumType, column: &Column) -> bool {
    let kind = bare(&column.type_name);
    kind.strip_suffix("[]").unwrap_or(&kind) == full_name(of)
}

fn names(index: &Index, table: &Table, of: &EnumType) -> bool {
    (&index.schema, &index.table) == (&table.schema, &table.name)
        && !index.of_constraint
        && bare(&index.definition).contains(&full_name(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_stays_apart_from_itself() {
        let long = "é".repeat(31);
        assert_ne!(aside(&long), long);
        assert!(aside(&long).len() <= NAME_BYTES);
        assert_eq!(aside("mood"), "mood_before_roll_back");
    }
}
