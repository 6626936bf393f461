//! Reads the catalogue of a PostgreSQL server, 11 or later, in one round trip.
//!
//! Names are rendered under a pinned search path, so that the same schema reads the same whoever
//! asks. The pin lasts for the query only, also inside a caller's transaction.

use crate::domain::catalogue::Catalogue;
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// The catalogue as one JSON document; the gaps in braces are filled by `document`.
const DOCUMENT: &str = include_str!("catalogue.sql");

/// Settings that change how names and expressions are rendered, or that only cost time here.
const PINNED: [(&str, &str); 8] = [
    ("search_path", "pg_catalog, pg_temp"),
    ("quote_all_identifiers", "off"),
    ("timezone", "UTC"),
    ("datestyle", "ISO, MDY"),
    ("intervalstyle", "postgres"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("jit", "off"),
];

/// Remembers the caller's settings and pins ours, for this transaction only.
fn pin() -> String {
    let (remembered, set): (Vec<_>, Vec<_>) = PINNED
        .iter()
        .map(|(name, value)| {
            let remember = format!(
                "pg_catalog.set_config('drydock.{name}', pg_catalog.current_setting('{name}'), true)"
            );
            (remember, format!("pg_catalog.set_config('{name}', '{value}', true)"))
        })
        .unzip();
    format!("SELECT {}; SELECT {}", remembered.join(", "), set.join(", "))
}

/// Gives the caller's settings back, for the case that the transaction is the caller's.
fn unpin() -> String {
    let back = PINNED.map(|(name, _)| {
        format!("pg_catalog.set_config('{name}', pg_catalog.current_setting('drydock.{name}'), true)")
    });
    format!("SELECT {}", back.join(", "))
}

/// What the catalogue holds for these schemas. Schemas that do not exist are left out.
pub async fn read(connection: &mut PgConnection, schemas: &[String]) -> Result<Catalogue, sqlx::Error> {
    let document = document(connection, schemas, true);
    let text = one_text(connection, &format!("SELECT ({document})::text AS document")).await?;
    serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// SHA-256 over the same catalogue, computed on the server. Moves whenever an object moves; rows,
/// statistics and rewrites do not move it.
pub async fn fingerprint(connection: &mut PgConnection, schemas: &[String]) -> Result<String, sqlx::Error> {
    let document = document(connection, schemas, false);
    let digest = "pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(";
    one_text(connection, &format!("SELECT {digest}({document})::text, 'UTF8')), 'hex') AS document")).await
}

/// The query for these schemas on this server. `facts`: with what is not part of the schema itself.
fn document(connection: &PgConnection, schemas: &[String], facts: bool) -> String {
    let version = connection.server_version_num().unwrap_or(0);
    let generated = if version >= 120_000 { "nullif(a.attgenerated, '')" } else { "NULL::text" };
    let list = schemas.iter().map(|schema| literal(schema)).collect::<Vec<_>>().join(", ");
    DOCUMENT
        .trim_end()
        .replace("{generated}", generated)
        .replace("{facts}", if facts { "true" } else { "false" })
        .replace("{schemas}", &format!("ARRAY[{list}]::text[]"))
}

/// Runs one query between pin and unpin, in one message, and returns its only text.
async fn one_text(connection: &mut PgConnection, query: &str) -> Result<String, sqlx::Error> {
    let message = format!("{};\n{query};\n{}", pin(), unpin());
    let rows = sqlx::raw_sql(AssertSqlSafe(message)).fetch_all(connection).await?;
    rows.iter().find_map(|row| row.try_get::<String, _>("document").ok()).ok_or(sqlx::Error::RowNotFound)
}

/// A string literal that means the same whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A quoted identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_cannot_leave_a_literal_or_an_identifier() {
        assert_eq!(literal(r"a'b\c"), r"E'a''b\\c'");
        assert_eq!(identifier(r#"a"b"#), r#""a""b""#);
    }
}
