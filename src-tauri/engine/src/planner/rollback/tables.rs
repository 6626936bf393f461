//! Tables and columns that were dropped or changed come back.

use super::{Way, any, same, say, table_name};
use crate::domain::backup::TableName;
use crate::domain::catalogue::{Column, Table};
use crate::domain::plan::RepairStatement;
use crate::planner::rebuild::{
    can_make, column_sql, identifier, owned_by, qualified, row_security, sequence_sql, table as rebuild_table,
};

impl Way<'_> {
    pub(super) fn make_tables(&mut self) {
        for table in self.lost(|all| &all.tables, any) {
            if !can_make(table) {
                self.out.notes.push(format!(
                    "The foreign table {} was dropped; Drydock cannot make it again.",
                    table.name
                ));
                continue;
            }
            let rebuild = rebuild_table(self.before, table);
            let words = |what: &str| format!("{what} {} again", table.name);
            self.out.make.extend(rebuild.before_rows.into_iter().map(|sql| say(sql, words("Make"))));
            self.out.finish.extend(rebuild.after_rows.into_iter().map(|sql| say(sql, words("Make keys of"))));
            self.out.finish.extend(rebuild.last.into_iter().map(|sql| say(sql, words("Tie"))));
            if table.partition_key.is_none() {
                self.out.back.push(table_name(&table.schema, &table.name));
            }
        }
    }

    pub(super) fn make_columns(&mut self) {
        for old in &self.before.tables {
            let Some(now) = same(&self.after.tables, old) else { continue };
            if same(&self.live.tables, old).is_none() {
                continue;
            }
            let name = table_name(&old.schema, &old.name);
            let mut back = Vec::new();
            for column in &old.columns {
                match now.columns.iter().find(|other| other.name == column.name) {
                    Some(changed) => self.column_as_it_was(&name, column, changed),
                    None if self.live.column(&old.schema, &old.name, &column.name).is_some() => {}
                    None => {
                        self.make_column(old, column);
                        back.extend(column.generated.is_none().then(|| column.name.clone()));
                    }
                }
            }
            self.table_as_it_was(&name, old, now);
            if !back.is_empty() {
                self.out.columns.push((name, back));
            }
        }
    }

    fn make_column(&mut self, table: &Table, column: &Column) {
        let on = qualified(&table.schema, &table.name);
        let name = table_name(&table.schema, &table.name);
        let fed = self.before.sequences.iter().filter(|sequence| {
            !sequence.of_identity
                && sequence.schema == table.schema
                && sequence.owner_table.as_ref() == Some(&table.name)
                && sequence.owner_column.as_ref() == Some(&column.name)
        });
        for sequence in fed {
            self.out.make.push(say(sequence_sql(sequence), format!("Make sequence {} again", sequence.name)));
            let tie = owned_by(sequence).map(|sql| say(sql, format!("Tie sequence {}", sequence.name)));
            self.out.finish.extend(tie);
        }
        // Its values come before it has to have one.
        let empty = Column { not_null: false, ..column.clone() };
        self.make(
            format!("ALTER TABLE {on} ADD COLUMN {}", column_sql(self.before, table, &empty)),
            format!("Make column {name}.{} again", column.name),
        );
        if column.not_null {
            self.not_empty(&name, column);
        }
    }

    fn column_as_it_was(&mut self, table: &TableName, old: &Column, now: &Column) {
        self.out.make.extend(column_back(table, old, now));
        if old.not_null && !now.not_null {
            self.not_empty(table, old);
        }
        if old.generated != now.generated {
            self.out.notes.push(format!(
                "The column {table}.{} is computed differently; it stays as it is now.",
                old.name
            ));
        }
    }

    fn not_empty(&mut self, table: &TableName, column: &Column) {
        let on = qualified(&table.schema, &table.name);
        self.finish(
            format!("ALTER TABLE {on} ALTER COLUMN {} SET NOT NULL", identifier(&column.name)),
            format!("Column {table}.{} may not be empty", column.name),
        );
    }

    fn table_as_it_was(&mut self, name: &TableName, old: &Table, now: &Table) {
        if (old.row_security, old.force_row_security) != (now.row_security, now.force_row_security) {
            let on = qualified(&name.schema, &name.name);
            let off = format!(
                "ALTER TABLE {on} DISABLE ROW LEVEL SECURITY; ALTER TABLE {on} NO FORCE ROW LEVEL SECURITY"
            );
            for sql in std::iter::once(off).chain(row_security(old)) {
                self.finish(sql, format!("Row security of {name} as it was"));
            }
        }
        if old.options != now.options {
            self.out.notes.push(format!("The storage settings of {name} stay as they are now."));
        }
    }
}

/// A column that was changed, as it was.
fn column_back(table: &TableName, old: &Column, now: &Column) -> Vec<RepairStatement> {
    let (on, own) = (qualified(&table.schema, &table.name), identifier(&old.name));
    let mut back = Vec::new();
    let mut alter = |what: String, words: &str| {
        back.push(say(
            format!("ALTER TABLE {on} ALTER COLUMN {own} {what}"),
            format!("{words} of {table}.{} as it was", old.name),
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
