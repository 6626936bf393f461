//! The statements of a dump, judged one by one: what is part of the database, what belongs to owners and rights, and
//! what `pg_dump` never writes.

use super::cursor::Cursor;
use super::lex::{Lexer, Token};

/// Tokens that are looked at; what decides stands at the beginning, and statements about owners are short.
const LOOKED_AT: usize = 96;

/// What a statement is for the database that it is loaded into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearing {
    /// Part of the database.
    Object,
    /// A schema, and nothing with it.
    Schema,
    /// Settings of the session.
    Setting,
    /// The encoding of what follows.
    Encoding(String),
    /// Owners and rights, which are another server's.
    Rights,
    /// Clears the way for what follows (`pg_dump --clean`).
    Clears,
    /// An extension, and the schema that it is wanted in.
    Extension(String, Option<String>),
    /// A row of this table, written out as a statement.
    Row(Option<String>, String),
    /// Rows of this table follow.
    Rows(Option<String>, String),
    /// Nothing that `pg_dump` writes.
    Strange,
}

/// Functions that a dump calls by SELECT.
const CALLS: [&str; 10] = [
    "set_config",
    "setval",
    "lo_create",
    "lo_creat",
    "lo_open",
    "lowrite",
    "lo_close",
    "lo_put",
    "lo_unlink",
    "lo_from_bytea",
];

/// What is made for a whole server, which no dump of one database makes.
const OF_THE_SERVER: [&str; 10] = [
    "CREATE ROLE",
    "CREATE USER",
    "CREATE GROUP",
    "CREATE TABLESPACE",
    "ALTER ROLE",
    "ALTER USER",
    "ALTER GROUP",
    "ALTER TABLESPACE",
    "ALTER SYSTEM",
    "ALTER DATABASE",
];

/// Judges a statement of a dump.
pub fn bearing(sql: &str) -> Bearing {
    let tokens: Vec<Token> = Lexer::new(sql).take(LOOKED_AT + 1).collect();
    let cursor = Cursor::new(sql, &tokens);
    let mapping = cursor.sees("CREATE USER MAPPING") || cursor.sees("ALTER USER MAPPING");
    if !mapping && OF_THE_SERVER.iter().any(|words| cursor.sees(words)) {
        return Bearing::Strange;
    }
    let short = tokens.len() <= LOOKED_AT;
    let first = tokens.first().map(|token| token.text(sql).to_ascii_uppercase()).unwrap_or_default();
    match first.as_str() {
        "GRANT" | "REVOKE" | "RESET" => Bearing::Rights,
        "SET" => setting(sql, cursor, &tokens),
        "DROP" => Bearing::Clears,
        "ALTER" => altered(sql, cursor, &tokens, short),
        "CREATE" => made(cursor),
        "INSERT" => {
            into(cursor, "INSERT INTO").map_or(Bearing::Strange, |(schema, name)| Bearing::Row(schema, name))
        }
        "COPY" => into(cursor, "COPY").map_or(Bearing::Strange, |(schema, name)| Bearing::Rows(schema, name)),
        "SELECT" if unlinks(cursor) => Bearing::Clears,
        "SELECT" if calls(cursor) => Bearing::Object,
        "COMMENT" | "BEGIN" | "COMMIT" | "START" => Bearing::Object,
        "SECURITY" if cursor.sees("SECURITY LABEL") => Bearing::Object,
        "REFRESH" if cursor.sees("REFRESH MATERIALIZED VIEW") => Bearing::Object,
        _ => Bearing::Strange,
    }
}

fn setting(sql: &str, mut cursor: Cursor<'_>, tokens: &[Token]) -> Bearing {
    if cursor.sees("SET SESSION AUTHORIZATION") || cursor.sees("SET ROLE") {
        return Bearing::Rights;
    }
    if cursor.take("SET client_encoding") {
        let value = tokens.last().and_then(|token| token.constant(sql).or_else(|| token.name(sql)));
        return Bearing::Encoding(value.unwrap_or_default());
    }
    Bearing::Setting
}

fn altered(sql: &str, mut cursor: Cursor<'_>, tokens: &[Token], short: bool) -> Bearing {
    if cursor.sees("ALTER DEFAULT PRIVILEGES") {
        return Bearing::Rights;
    }
    // `... OWNER TO name`: always at the end.
    let owner = tokens.len().checked_sub(3).and_then(|at| tokens.get(at..));
    if short
        && let Some([word, to, _]) = owner
        && word.is_word(sql, "OWNER")
        && to.is_word(sql, "TO")
    {
        return Bearing::Rights;
    }
    if cursor.take("ALTER TABLE") {
        cursor.take("IF EXISTS");
        cursor.take("ONLY");
        if cursor.name().is_some() {
            let alone = cursor.sees("DROP") || cursor.sees("ALTER COLUMN");
            let drops = cursor.has(&["DROP CONSTRAINT", "DROP DEFAULT", "DROP IDENTITY"]);
            if alone && drops {
                return Bearing::Clears;
            }
        }
    }
    Bearing::Object
}

fn made(mut cursor: Cursor<'_>) -> Bearing {
    if cursor.take("CREATE EXTENSION") {
        cursor.take_condition();
        let Some(name) = cursor.identifier() else { return Bearing::Strange };
        cursor.take("WITH");
        let schema = if cursor.take("SCHEMA") { cursor.identifier() } else { None };
        return Bearing::Extension(name, schema);
    }
    if cursor.take("CREATE SCHEMA") {
        cursor.take_condition();
        return if cursor.identifier().is_some() && cursor.is_done() {
            Bearing::Schema
        } else {
            Bearing::Object
        };
    }
    Bearing::Object
}

fn into(mut cursor: Cursor<'_>, words: &str) -> Option<(Option<String>, String)> {
    if !cursor.take(words) {
        return None;
    }
    let name = cursor.name()?;
    Some((name.schema, name.name))
}

/// The columns that a `COPY` names, in its order; none where it names none.
pub fn copied_columns(sql: &str) -> Vec<String> {
    let tokens: Vec<Token> = Lexer::new(sql).collect();
    let mut cursor = Cursor::new(sql, &tokens);
    if !cursor.take("COPY") || cursor.name().is_none() {
        return Vec::new();
    }
    cursor.parentheses().and_then(|inside| inside.plain_names()).unwrap_or_default()
}

/// Takes a large object away, as `--clean` does before it makes it again.
fn unlinks(mut cursor: Cursor<'_>) -> bool {
    cursor.take("SELECT")
        && cursor.name().is_some_and(|name| name.name == "lo_unlink")
        && cursor.sees_symbol(b'(')
}

fn calls(mut cursor: Cursor<'_>) -> bool {
    if !cursor.take("SELECT") {
        return false;
    }
    // Statistics of the planner's, which PostgreSQL 18 can write.
    if cursor.take_symbol(b'*') {
        return cursor.take("FROM")
            && cursor.name().is_some_and(|name| {
                name.schema.as_deref() == Some("pg_catalog")
                    && ["pg_restore_relation_stats", "pg_restore_attribute_stats"]
                        .contains(&name.name.as_str())
            });
    }
    cursor.name().is_some_and(|name| {
        name.schema.is_none_or(|schema| schema == "pg_catalog") && CALLS.contains(&name.name.as_str())
    }) && cursor.sees_symbol(b'(')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_apart() {
        let table = |schema: Option<&str>, name: &str| (schema.map(str::to_owned), name.to_owned());
        let cases = [
            ("SET default_tablespace = ''", Bearing::Setting),
            ("SET client_encoding = 'LATIN1'", Bearing::Encoding("LATIN1".to_owned())),
            ("SET SESSION AUTHORIZATION 'postgres'", Bearing::Rights),
            ("ALTER TABLE public.\"OWNER TO x\" OWNER TO postgres", Bearing::Rights),
            ("ALTER FUNCTION public.f(a integer) OWNER TO \"Odd Owner\"", Bearing::Rights),
            ("GRANT SELECT ON TABLE public.t TO app", Bearing::Rights),
            ("ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b", Bearing::Rights),
            ("ALTER TABLE ONLY public.t ADD CONSTRAINT k PRIMARY KEY (id)", Bearing::Object),
            ("ALTER TABLE ONLY public.t DROP CONSTRAINT k", Bearing::Clears),
            ("ALTER TABLE public.t ALTER COLUMN id DROP DEFAULT", Bearing::Clears),
            ("DROP TABLE public.t", Bearing::Clears),
            ("SELECT pg_catalog.lo_unlink('7')", Bearing::Clears),
            ("CREATE TABLE public.t (id integer)", Bearing::Object),
            ("CREATE SCHEMA \"Odd \"\"One\"", Bearing::Schema),
            ("CREATE SCHEMA a CREATE TABLE b (id integer)", Bearing::Object),
            (
                "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA public",
                Bearing::Extension("uuid-ossp".to_owned(), Some("public".to_owned())),
            ),
            ("SELECT pg_catalog.setval('public.s', 5, true)", Bearing::Object),
            ("SELECT pg_catalog.set_config('search_path', '', false)", Bearing::Object),
            ("CREATE USER MAPPING FOR PUBLIC SERVER s", Bearing::Object),
        ];
        for (sql, expected) in cases {
            assert_eq!(bearing(sql), expected, "{sql}");
        }
        let (schema, name) = table(Some("Odd"), "a.b");
        assert_eq!(bearing("COPY \"Odd\".\"a.b\" (id) FROM stdin"), Bearing::Rows(schema, name));
        assert_eq!(copied_columns("COPY a.b (id, \"B, c\", \"D\") FROM stdin"), ["id", "B, c", "D"]);
        assert!(copied_columns("COPY a.b  FROM stdin").is_empty());
        let (schema, name) = table(Some("public"), "t");
        assert_eq!(bearing("INSERT INTO public.t VALUES (1, 'x')"), Bearing::Row(schema, name));
        for strange in [
            "DO $$ BEGIN END $$",
            "CALL p()",
            "CREATE ROLE x",
            "ALTER ROLE x SUPERUSER",
            "ALTER SYSTEM SET x = 1",
            "ALTER DATABASE d SET search_path = evil",
            "SELECT evil()",
            "SELECT public.setval('s', 1)",
            "UPDATE t SET a = 1",
            "TRUNCATE t",
            "WITH a AS (DELETE FROM t RETURNING 1) SELECT 1",
            "LISTEN x",
            "",
        ] {
            assert_eq!(bearing(strange), Bearing::Strange, "{strange}");
        }
    }
}
