//! One reading query: refused by the server if it writes, limited in rows and time, its values as the server
//! writes them.

use super::capture::PINNED;
use super::observe::json;
use super::script::send;
use sqlx::postgres::{PgColumn, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Column, Row, ValueRef};

/// What a query answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Names and types of its columns.
    pub columns: Vec<(String, String)>,
    /// Rows, up to the limit.
    pub rows: Vec<Vec<Option<String>>>,
    /// There were more.
    pub more: bool,
}

/// Runs one statement in a transaction that only reads. The caller has seen to it that it is one statement;
/// `cursor`: it answers rows that can be fetched piece by piece.
///
/// # Errors
/// The server's error: 25006 where it would write, 57014 where it takes too long.
pub async fn read(
    connection: &mut PgConnection,
    sql: &str,
    cursor: bool,
    most: usize,
) -> Result<Answered, sqlx::Error> {
    send(connection, format!("BEGIN TRANSACTION READ ONLY; {PINNED}")).await?;
    let answered = within(connection, sql, cursor, most).await;
    // Whatever it was, nothing of it stays.
    let ended = send(connection, "ROLLBACK".to_owned()).await;
    let answered = answered?;
    ended?;
    Ok(answered)
}

async fn within(
    connection: &mut PgConnection,
    sql: &str,
    cursor: bool,
    most: usize,
) -> Result<Answered, sqlx::Error> {
    let rows: Vec<PgRow> = if cursor {
        send(connection, format!("DECLARE drydock_query NO SCROLL CURSOR FOR {sql}")).await?;
        let fetch = format!("FETCH FORWARD {} FROM drydock_query", most + 1);
        sqlx::raw_sql(AssertSqlSafe(fetch)).fetch_all(&mut *connection).await?
    } else {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut *connection).await?
    };
    let columns: Vec<(String, Option<u32>, String)> = rows.first().map(columns).unwrap_or_default();
    let mut named = Vec::with_capacity(columns.len());
    for (name, oid, word) in columns {
        let type_name = match oid {
            Some(oid) => {
                let sql = format!("SELECT to_json(pg_catalog.format_type({oid}, NULL))::text");
                json::<String>(connection, sql).await.unwrap_or(word)
            }
            None => word,
        };
        named.push((name, type_name));
    }
    let more = rows.len() > most;
    let rows = rows.iter().take(most).map(values).collect::<Result<Vec<_>, _>>()?;
    Ok(Answered { columns: named, rows, more })
}

fn columns(row: &PgRow) -> Vec<(String, Option<u32>, String)> {
    let column = |column: &PgColumn| {
        use sqlx::TypeInfo;
        let info = column.type_info();
        (column.name().to_owned(), info.oid().map(|oid| oid.0), info.name().to_lowercase())
    };
    row.columns().iter().map(column).collect()
}

fn values(row: &PgRow) -> Result<Vec<Option<String>>, sqlx::Error> {
    (0..row.len())
        .map(|at| {
            let value = row.try_get_raw(at)?;
            if value.is_null() {
                return Ok(None);
            }
            value.as_str().map(|text| Some(text.to_owned())).map_err(sqlx::Error::Decode)
        })
        .collect()
}
