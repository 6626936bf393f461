//! The SQL that takes rows back, each only while it is as the run left it.

use super::seed::from;
use super::words::{identifier, qualified};
use crate::domain::tables::TableFacts;

/// The statements of a table; `number` tells its temporary table from those of others.
pub struct UndoSql<'a> {
    table: &'a TableFacts,
    number: usize,
}

impl<'a> UndoSql<'a> {
    /// The statements of a table.
    pub fn new(table: &'a TableFacts, number: usize) -> Self {
        Self { table, number }
    }

    fn staged(&self) -> String {
        format!("pg_temp.drydock_undo{}", self.number)
    }

    /// Makes the temporary table: what the run did, whether to force it, as it wrote the row, as it was before.
    pub fn create(&self) -> String {
        let columns: Vec<String> = ["w", "b"]
            .iter()
            .flat_map(|side| {
                self.table
                    .columns
                    .iter()
                    .enumerate()
                    .map(move |(at, column)| format!("t.{} AS {side}{at}", identifier(&column.name)))
            })
            .collect();
        format!(
            "CREATE TEMP TABLE drydock_undo{} AS SELECT NULL::text AS kind, NULL::boolean AS forced, {} FROM {} AS t WITH NO DATA",
            self.number,
            columns.join(", "),
            from(self.table)
        )
    }

    /// What rows are copied into.
    pub fn copy_target(&self) -> String {
        self.staged()
    }

    fn same_key(&self, side: &str) -> String {
        let key = self.table.identity().unwrap_or_default();
        let parts: Vec<String> = key
            .iter()
            .filter_map(|name| {
                let at = self.table.columns.iter().position(|column| column.name == *name)?;
                Some(format!("t.{} {} u.{side}{at}", identifier(name), self.table.columns[at].equals))
            })
            .collect();
        parts.join(" AND ")
    }

    /// The row is as the run left it, or it does not matter.
    fn untouched(&self) -> String {
        let own: Vec<String> =
            self.table.columns.iter().map(|column| format!("t.{}", identifier(&column.name))).collect();
        let wrote: Vec<String> = (0..self.table.columns.len()).map(|at| format!("u.w{at}")).collect();
        format!(
            "(u.forced OR pg_catalog.record_image_eq(ROW({}), ROW({})))",
            own.join(", "),
            wrote.join(", ")
        )
    }

    fn writable(&self) -> Vec<(usize, &str)> {
        self.table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| !column.generated)
            .map(|(at, column)| (at, column.name.as_str()))
            .collect()
    }

    /// Puts deleted rows back.
    pub fn put_back(&self) -> String {
        let columns = self.writable();
        let names: Vec<String> = columns.iter().map(|(_, name)| identifier(name)).collect();
        let values: Vec<String> = columns.iter().map(|(at, _)| format!("u.b{at}")).collect();
        let always = self.table.columns.iter().any(|column| column.identity_always);
        format!(
            "INSERT INTO {} ({}){} SELECT {} FROM {} AS u WHERE u.kind = 'd' AND NOT EXISTS (SELECT FROM {} AS t WHERE {})",
            qualified(&self.table.schema, &self.table.name),
            names.join(", "),
            if always { " OVERRIDING SYSTEM VALUE" } else { "" },
            values.join(", "),
            self.staged(),
            from(self.table),
            self.same_key("b")
        )
    }

    /// Gives changed rows their values back; `None` where there is no column beside the key.
    pub fn change_back(&self) -> Option<String> {
        let key = self.table.identity().unwrap_or_default();
        let set: Vec<String> = self
            .writable()
            .iter()
            .filter(|(at, name)| {
                !self.table.columns[*at].identity_always && !key.iter().any(|key| key == name)
            })
            .map(|(at, name)| format!("{} = u.b{at}", identifier(name)))
            .collect();
        (!set.is_empty()).then(|| {
            format!(
                "UPDATE {} AS t SET {} FROM {} AS u WHERE u.kind = 'u' AND {} AND {}",
                from(self.table),
                set.join(", "),
                self.staged(),
                self.same_key("w"),
                self.untouched()
            )
        })
    }

    /// Takes added rows out.
    pub fn take_out(&self) -> String {
        format!(
            "DELETE FROM {} AS t USING {} AS u WHERE u.kind = 'i' AND {} AND {}",
            from(self.table),
            self.staged(),
            self.same_key("w"),
            self.untouched()
        )
    }
}
