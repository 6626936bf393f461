//! Statements that destroy data, in plain words.

use super::{
    command::{ColumnChange, Command, TableAction, Verb},
    cursor::Name,
    effects::may_lose_values,
    tokens_of,
};
use crate::domain::statement::Statement;

/// What data a statement destroys, as a sentence; `None` if it destroys none as far as the text tells.
///
/// `script` is the text that `statement` was read from. DELETE and UPDATE count only without a WHERE; what triggers,
/// functions or cascading foreign keys destroy is not seen here. Tables that the same script made do not count.
pub fn destructive(statement: &Statement, script: &str) -> Option<String> {
    let tokens = tokens_of(script, statement);
    // Locks are noted on tables that were there before the script only.
    let was_there = |table: &Name| statement.locks.iter().any(|lock| lock.table == table.to_string());
    let found = match super::parse::parse(script, &tokens) {
        Command::Drop(mut drop) => {
            if drop.kind.words == "table" {
                drop.names.retain(was_there);
                if drop.names.is_empty() {
                    return None;
                }
            }
            let names = names(&drop.names);
            match (drop.kind.words, drop.cascade) {
                ("table", false) => Some(format!("Drops {names} with all its rows.")),
                ("table", true) => {
                    Some(format!("Drops {names} with all its rows, and everything that depends on it."))
                }
                ("database", _) => Some(format!("Drops the database {names} with everything in it.")),
                ("everything owned by", _) => {
                    Some(format!("Drops everything that {names} owns in this database."))
                }
                ("schema", true) => Some(format!("Drops the schema {names} with every table and row in it.")),
                ("type" | "domain", true) => {
                    Some(format!("Drops {names} and every column of that type, with its values."))
                }
                ("extension", true) => Some(format!(
                    "Drops the extension {names} and everything that depends on it, also columns of its types with their values."
                )),
                ("sequence" | "function" | "routine" | "foreign table" | "server" | "language", true) => {
                    Some(format!("Drops {names} and everything that depends on it."))
                }
                _ => None,
            }
        }
        Command::Truncate { mut tables, cascade } => {
            tables.retain(was_there);
            if tables.is_empty() {
                return None;
            }
            let more = if cascade { ", and every table that points to it" } else { "" };
            Some(format!("Deletes every row of {}{more}.", names(&tables)))
        }
        Command::Rows { verb: Verb::Delete, table: Some(table), whole: true, .. } if was_there(&table) => {
            Some(format!("Deletes every row of {table}: it has no WHERE."))
        }
        Command::Rows { verb: Verb::Update, table: Some(table), whole: true, .. } if was_there(&table) => {
            Some(format!("Overwrites values in every row of {table}: it has no WHERE."))
        }
        Command::AlterTable(table) if was_there(&table.name) => {
            let lost: Vec<String> =
                table.actions.iter().filter_map(|action| lost_by(action, &table.name)).collect();
            (!lost.is_empty()).then(|| lost.join(" "))
        }
        _ => None,
    };
    found.or_else(|| deletes_inside(script, &tokens))
}

fn lost_by(action: &TableAction, table: &Name) -> Option<String> {
    match action {
        TableAction::DropColumn { name, cascade: false, .. } => {
            Some(format!("Drops the column {table}.{name} with every value in it."))
        }
        TableAction::DropColumn { name, .. } => Some(format!(
            "Drops the column {table}.{name} with every value in it, and everything that depends on it."
        )),
        TableAction::AlterColumn { name, change } if may_lose_values(change) => {
            let ColumnChange::Type { to, .. } = change else { return None };
            Some(format!(
                "Changes {table}.{name} to {to}: values that do not fit may be cut, rounded or replaced."
            ))
        }
        _ => None,
    }
}

/// A DELETE or UPDATE without WHERE inside a WITH.
fn deletes_inside(script: &str, tokens: &[super::lex::Token]) -> Option<String> {
    if !tokens.first()?.is_word(script, "WITH") {
        return None;
    }
    let mut cursor = super::cursor::Cursor::new(script, tokens);
    while !cursor.is_done() {
        if let Some(inner) = cursor.parentheses() {
            let whole = (inner.sees("DELETE FROM") || inner.sees("UPDATE")) && !inner.has(&["WHERE"]);
            if whole {
                let mut inner = inner;
                let deletes = inner.take("DELETE FROM");
                let _ = deletes || inner.take("UPDATE");
                inner.take("ONLY");
                let table = inner.name()?;
                let what = if deletes { "Deletes every row of" } else { "Overwrites values in every row of" };
                return Some(format!("{what} {table}: it has no WHERE."));
            }
        } else {
            cursor.skip();
        }
    }
    None
}

fn names(names: &[Name]) -> String {
    names.iter().map(Name::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use crate::planner::sql::{analyse, destructive};

    fn lost(sql: &str) -> Option<String> {
        let script = analyse(sql);
        destructive(&script.statements[0], sql)
    }

    #[test]
    fn data_that_goes_is_named() {
        assert_eq!(lost("DROP TABLE \"User\", b").unwrap(), "Drops User, b with all its rows.");
        assert_eq!(lost("ALTER TABLE a DROP b").unwrap(), "Drops the column a.b with every value in it.");
        assert!(lost("TRUNCATE a CASCADE").unwrap().contains("points to it"));
        assert!(lost("DELETE FROM a").unwrap().contains("every row of a"));
        assert!(
            lost("UPDATE a SET b = (SELECT 1 WHERE true)").unwrap().contains("every row of a"),
            "the WHERE of a subquery does not count"
        );
        assert!(
            lost("WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x")
                .unwrap()
                .contains("of a")
        );
        assert!(lost("DROP SCHEMA s CASCADE").is_some());
        assert!(lost("DROP TYPE s CASCADE").is_some());
        assert!(lost("ALTER TABLE a ALTER COLUMN b TYPE date USING b::date").unwrap().contains("to date:"));
        assert!(lost("ALTER TABLE a ALTER COLUMN b TYPE varchar(3) USING b::varchar(3)").is_some());
        assert!(lost("ALTER TABLE a ALTER COLUMN b TYPE \"X\" USING NULL").is_some());
    }

    #[test]
    fn what_the_script_itself_made_is_no_loss() {
        let sql =
            "CREATE TEMP TABLE t AS SELECT 1; DELETE FROM t; TRUNCATE t; ALTER TABLE t DROP a; DROP TABLE t";
        let script = analyse(sql);
        assert!(script.statements.iter().all(|statement| destructive(statement, sql).is_none()));
        assert!(
            script.statements.iter().all(|statement| statement.effects.is_empty()),
            "nor part of the schema"
        );
    }

    #[test]
    fn harmless_statements_are_left_alone() {
        for sql in [
            "DELETE FROM a WHERE true",
            "UPDATE a SET b = 1 WHERE c",
            "DROP INDEX a",
            "DROP TYPE a",
            "DROP SCHEMA s",
            "ALTER TABLE a ALTER COLUMN b TYPE text",
            "ALTER TABLE a ALTER COLUMN b SET DATA TYPE bigint",
            "ALTER TABLE a ALTER COLUMN b TYPE \"X\" USING (b::text::\"X\")",
            "SELECT 1",
        ] {
            assert_eq!(lost(sql), None, "{sql}");
        }
    }
}
