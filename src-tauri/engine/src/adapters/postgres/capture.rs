//! Reading what a transaction wrote: its own row versions, the rows as they were before (from a second
//! session on the same snapshot), and the proof that nothing is left out.

use super::copy::{self, RowStream};
use super::observe::json;
use super::script::send;
use super::seed::from;
use super::words::{identifier, literal};
use crate::domain::tables::TableFacts;
use serde::Deserialize;
use sqlx::postgres::PgConnection;

/// A row as the server writes its values.
pub type Row = Vec<Option<String>>;

/// Values read the same whoever asks; for this transaction only.
pub const PINNED: &str = "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL timezone = 'UTC'; \
     SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = 'hex'; SET LOCAL xmloption = 'content'";
/// The same settings as the session had them.
pub const UNPINNED: &str = "SET LOCAL datestyle TO DEFAULT; SET LOCAL intervalstyle TO DEFAULT; SET LOCAL timezone TO DEFAULT; \
     SET LOCAL extra_float_digits TO DEFAULT; SET LOCAL bytea_output TO DEFAULT; SET LOCAL xmloption TO DEFAULT";

/// Lets another session see what this transaction sees.
///
/// # Errors
/// The server's error.
pub async fn export_snapshot(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    json(connection, "SELECT to_json(pg_catalog.pg_export_snapshot())::text".to_owned()).await
}

/// Begins to read on another transaction's snapshot.
///
/// # Errors
/// The server's error.
pub async fn join_snapshot(
    connection: &mut PgConnection,
    snapshot: &str,
    lock_timeout_ms: u32,
) -> Result<(), sqlx::Error> {
    send(
        connection,
        format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}; SET LOCAL lock_timeout = {lock_timeout_ms}; {PINNED}",
            literal(snapshot)
        ),
    )
    .await
}

/// A sequence and its last value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SequenceState {
    /// Qualified name.
    pub name: String,
    /// Last value; `None`: it had none, or may not be read.
    pub last: Option<String>,
}

/// The sequences of the schemas.
///
/// # Errors
/// The server's error.
pub async fn sequences(
    connection: &mut PgConnection,
    schemas: &[String],
) -> Result<Vec<SequenceState>, sqlx::Error> {
    let list: Vec<String> = schemas.iter().map(|schema| literal(schema)).collect();
    json(
        connection,
        format!(
            "SELECT coalesce(json_agg(json_build_object('name', schemaname || '.' || sequencename, 'last', last_value::text) ORDER BY schemaname, sequencename), '[]')::text \
             FROM pg_catalog.pg_sequences WHERE schemaname IN ({})",
            list.join(",")
        ),
    )
    .await
}

fn columns(table: &TableFacts) -> String {
    table
        .columns
        .iter()
        .map(|column| format!("t.{}", identifier(&column.name)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The row versions that the transaction wrote and that survive, of a table with its partitions.
///
/// # Errors
/// The server's error.
pub async fn own_rows<'c>(
    connection: &'c mut PgConnection,
    table: &TableFacts,
) -> Result<RowStream<'c>, sqlx::Error> {
    let query =
        format!("SELECT {} FROM {} AS t WHERE pg_catalog.age(t.xmin) <= 0", columns(table), from(table));
    RowStream::open(connection, &query).await
}

/// Rows that a transaction which began with `xid` or after may have replaced or deleted, as they were.
///
/// # Errors
/// The server's error.
pub async fn replaced_rows<'c>(
    connection: &'c mut PgConnection,
    table: &TableFacts,
    xid: &str,
) -> Result<RowStream<'c>, sqlx::Error> {
    let query = format!(
        "SELECT {} FROM {} AS t WHERE t.xmax <> '0'::pg_catalog.xid AND pg_catalog.age(t.xmax) <= pg_catalog.age({}::pg_catalog.xid)",
        columns(table),
        from(table),
        literal(xid)
    );
    RowStream::open(connection, &query).await
}

/// Every row of a table.
///
/// # Errors
/// The server's error.
pub async fn all_rows<'c>(
    connection: &'c mut PgConnection,
    table: &TableFacts,
) -> Result<RowStream<'c>, sqlx::Error> {
    RowStream::open(connection, &format!("SELECT {} FROM {} AS t", columns(table), from(table))).await
}

/// Rows of a table by key: for each of `keys` the row that is there, if one is.
///
/// # Errors
/// The server's error.
pub async fn by_key(
    connection: &mut PgConnection,
    table: &TableFacts,
    key: &[String],
    keys: &[Row],
) -> Result<Vec<Option<Row>>, sqlx::Error> {
    let mut found: Vec<Option<Row>> = vec![None; keys.len()];
    if keys.is_empty() {
        return Ok(found);
    }
    let (rows, same) = keyed(table, key, keys);
    let query = format!("SELECT k.n, {} FROM {rows} JOIN {} AS t ON {same}", columns(table), from(table),);
    for mut row in copy::rows(connection, &query).await? {
        let number =
            row.first().and_then(|number| number.as_deref()).and_then(|number| number.parse::<usize>().ok());
        if let Some(place) = number.and_then(|number| found.get_mut(number.saturating_sub(1))) {
            row.remove(0);
            *place = Some(row);
        }
    }
    Ok(found)
}

/// How many rows of a table have these values in these columns, for each of `keys`.
///
/// # Errors
/// The server's error.
pub async fn count_by_key(
    connection: &mut PgConnection,
    table: &TableFacts,
    key: &[String],
    keys: &[Row],
) -> Result<Vec<u32>, sqlx::Error> {
    let mut counts = vec![0; keys.len()];
    if keys.is_empty() {
        return Ok(counts);
    }
    let (rows, same) = keyed(table, key, keys);
    let query = format!("SELECT k.n, count(*) FROM {rows} JOIN {} AS t ON {same} GROUP BY k.n", from(table));
    for row in copy::rows(connection, &query).await? {
        let number =
            |at: usize| row.get(at).and_then(Option::as_deref).and_then(|text| text.parse::<u32>().ok());
        if let (Some(number), Some(count)) = (number(0), number(1))
            && let Some(place) = counts.get_mut((number as usize).saturating_sub(1))
        {
            *place = count;
        }
    }
    Ok(counts)
}

/// Keys as a set of rows named `k`, numbered from 1 in `k.n`, and the condition that `t` has one of them.
fn keyed(table: &TableFacts, key: &[String], keys: &[Row]) -> (String, String) {
    let arrays: Vec<String> = key
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let values: Vec<Option<&str>> =
                keys.iter().map(|row| row.get(at).and_then(Option::as_deref)).collect();
            let type_name = table.column(name).map_or("text", |column| column.type_name.as_str());
            format!("pg_catalog.unnest({}::{}[])", literal(&array(&values)), untyped(type_name))
        })
        .collect();
    let names: Vec<String> = (0..key.len()).map(|at| format!("k{at}")).collect();
    let same: Vec<String> = key
        .iter()
        .zip(&names)
        .map(|(name, known)| {
            let equals = table.column(name).map_or("=", |column| column.equals.as_str());
            format!("t.{} {equals} k.{known}", identifier(name))
        })
        .collect();
    (
        format!("ROWS FROM ({}) WITH ORDINALITY AS k({}, n)", arrays.join(", "), names.join(", ")),
        same.join(" AND "),
    )
}

/// The type without its length, so that no value is cut on its way into a comparison.
fn untyped(type_name: &str) -> &str {
    match type_name {
        // `character` alone would be one character long.
        _ if type_name.starts_with("character(") => "pg_catalog.bpchar",
        _ if type_name.starts_with("character varying(") => "character varying",
        _ if type_name.starts_with("numeric(") => "numeric",
        _ => type_name,
    }
}

/// Rows of a table.
///
/// # Errors
/// The server's error.
pub async fn count(connection: &mut PgConnection, table: &TableFacts) -> Result<u64, sqlx::Error> {
    json(connection, format!("SELECT count(*)::text FROM {} AS t", from(table))).await
}

/// A list of texts as PostgreSQL writes arrays.
pub fn array(values: &[Option<&str>]) -> String {
    let items: Vec<String> = values
        .iter()
        .map(|value| match value {
            None => "NULL".to_owned(),
            Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        })
        .collect();
    format!("{{{}}}", items.join(","))
}
