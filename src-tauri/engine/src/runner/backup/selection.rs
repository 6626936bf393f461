//! Some tables out of a whole archive: everything is made, only their rows are read in.

use crate::adapters::postgres::script::{code, send};
use crate::domain::backup::TableName;
use crate::domain::words::count;
use crate::domain::{Failure, FailureCode};
use crate::planner::sql::{Bearing, bearing};
use sqlx::postgres::PgConnection;

/// References that are named.
const NAMED: usize = 8;

/// The tables whose rows are read in, and what had to be left out for want of the others.
#[derive(Debug)]
pub struct Selection {
    /// Whose rows did not come yet.
    missing: Vec<TableName>,
    /// References that lead to rows which were not read in.
    left_out: Vec<String>,
}

impl Selection {
    /// Rows of these tables.
    pub fn of(tables: Vec<TableName>) -> Self {
        Self { missing: tables, left_out: Vec::new() }
    }

    /// Whether the rows that this COPY brings are wanted.
    pub(super) fn wants(&mut self, copy: &str) -> bool {
        let Bearing::Rows(Some(schema), name) = bearing(copy) else { return false };
        let named = TableName::new(schema, name);
        let at = self.missing.iter().position(|table| *table == named);
        at.map(|at| self.missing.swap_remove(at)).is_some()
    }

    /// Sends a statement of the archive inside of the open transaction. A reference that the rows do not keep is left
    /// out; every other error is the caller's.
    ///
    /// # Errors
    /// The server's error.
    pub(super) async fn send(&mut self, connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
        // Foreign key violation; undefined object: the comment of a reference that is not there.
        let (reference, forgiven) = match reference(sql) {
            Some(name) => (Some(name), "23503"),
            None if !self.left_out.is_empty() && sql.starts_with("COMMENT ON CONSTRAINT ") => (None, "42704"),
            None => return send(connection, sql.to_owned()).await,
        };
        send(connection, "SAVEPOINT drydock_reference".to_owned()).await?;
        match send(connection, sql.to_owned()).await {
            Ok(()) => send(connection, "RELEASE SAVEPOINT drydock_reference".to_owned()).await,
            Err(error) if code(&error).as_deref() == Some(forgiven) => {
                self.left_out.extend(reference);
                let back = "ROLLBACK TO SAVEPOINT drydock_reference; RELEASE SAVEPOINT drydock_reference";
                send(connection, back.to_owned()).await
            }
            Err(error) => Err(error),
        }
    }

    /// What was left out, in words; `None`: nothing, all is as it is in the archive but for the rows.
    ///
    /// # Errors
    /// [`FailureCode::BackupDamaged`] where rows of a table never came.
    pub fn end(self) -> Result<Option<String>, Failure> {
        if let Some(table) = self.missing.first() {
            return Err(Failure::new(
                FailureCode::BackupDamaged,
                format!("The archive does not hold the rows of {table}."),
            ));
        }
        if self.left_out.is_empty() {
            return Ok(None);
        }
        let named: Vec<&str> = self.left_out.iter().take(NAMED).map(String::as_str).collect();
        let more = match self.left_out.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let references = count(self.left_out.len(), "reference", "references");
        Ok(Some(format!("left out: {references} to rows that are not in it ({}{more})", named.join(", "))))
    }
}

/// The name of the reference that a statement of `pg_dump` adds.
fn reference(sql: &str) -> Option<String> {
    if !sql.starts_with("ALTER TABLE ") {
        return None;
    }
    let (_, added) = sql.split_once(" ADD CONSTRAINT ")?;
    let (name, _) = added.split_once(" FOREIGN KEY (")?;
    let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    Some(quoted.map_or_else(|| name.to_owned(), |name| name.replace("\"\"", "\"")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_other_constraints() {
        let added = |what: &str| format!("ALTER TABLE ONLY public.orders\n    ADD CONSTRAINT {what}");
        for (written, name) in [("plain", "plain"), ("\"Odd \"\"name\"", "Odd \"name")] {
            let key = added(&format!("{written} FOREIGN KEY (client) REFERENCES public.clients(id)"));
            assert_eq!(reference(&key).as_deref(), Some(name));
        }
        assert_eq!(reference(&added("orders_pkey PRIMARY KEY (id)")), None);
        assert_eq!(reference("CREATE INDEX a ON public.orders (id)"), None);
    }

    #[test]
    fn rows_that_never_came_are_a_damage_and_what_is_left_out_is_named() {
        let table = |name: &str| TableName::new("public", name);
        let mut selection = Selection::of(vec![table("orders"), table("clients")]);
        assert!(selection.wants("COPY public.orders (id) FROM stdin"));
        assert!(!selection.wants("COPY public.orders (id) FROM stdin"), "once");
        assert!(!selection.wants("COPY public.lines (id) FROM stdin"));
        let left_out = (0..10).map(|at| format!("key_{at}")).collect();
        let whole = Selection { missing: Vec::new(), left_out };
        let words = whole.end().unwrap().unwrap();
        assert!(
            words.starts_with("left out: 10 references") && words.ends_with("key_7 and 2 more)"),
            "{words}"
        );
        assert_eq!(selection.end().unwrap_err().code, FailureCode::BackupDamaged);
    }
}
