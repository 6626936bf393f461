//! The queries that look at what a block wrote: added, changed, deleted, the same.

use super::{BlockSql, ORDERED};
use crate::adapters::postgres::words::identifier;
use crate::domain::profile::Mode;

impl BlockSql<'_> {
    /// Whether rows that differ were looked for.
    pub fn remembers_before(&self) -> bool {
        self.differs(false).is_some() || self.differs(true).is_some()
    }

    fn own_columns(&self, alias: &str) -> String {
        self.staging
            .table
            .columns
            .iter()
            .map(|column| format!(", {alias}.{}", identifier(&column.name)))
            .collect()
    }

    /// The added rows: whether this transaction wrote them, then their columns.
    pub fn inserted(&self) -> String {
        format!(
            "SELECT (pg_catalog.age(t.xmin) <= 0){} FROM {} AS m JOIN {} AS v ON v.n = m.drydock_n JOIN {} AS t ON {}{}",
            self.own_columns("t"),
            self.temporary("missing"),
            self.values(),
            self.target(),
            self.same_key("t", "v"),
            if self.staging.rows <= ORDERED { " ORDER BY v.n" } else { "" },
        )
    }

    /// The changed rows: whether this transaction wrote them, then their columns before and after.
    pub fn updated(&self) -> Option<String> {
        self.remembers_before().then(|| {
            format!(
                "SELECT (pg_catalog.age(t.xmin) <= 0){}{} FROM {} AS b JOIN {} AS t ON {}{}",
                self.own_columns("b"),
                self.own_columns("t"),
                self.temporary("before"),
                self.target(),
                self.same_own_key("t", "b"),
                if self.staging.rows <= ORDERED { " ORDER BY b.drydock_n" } else { "" },
            )
        })
    }

    /// The deleted rows.
    pub fn deleted(&self) -> Option<String> {
        (self.staging.mode == Mode::Replace)
            .then(|| format!("SELECT true{} FROM {} AS d", self.own_columns("d"), self.temporary("gone"),))
    }

    /// The rows of the profile that stay as they are.
    pub fn unchanged(&self) -> String {
        format!(
            "SELECT true{} FROM {} AS v JOIN {} AS t ON {} WHERE NOT EXISTS (SELECT FROM {} AS m WHERE m.drydock_n = v.n){} ORDER BY v.n",
            self.own_columns("t"),
            self.values(),
            self.target(),
            self.same_key("t", "v"),
            self.temporary("missing"),
            if self.remembers_before() {
                format!(
                    " AND NOT EXISTS (SELECT FROM {} AS b WHERE b.drydock_n = v.n)",
                    self.temporary("before")
                )
            } else {
                String::new()
            },
        )
    }
}
