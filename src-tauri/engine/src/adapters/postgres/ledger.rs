//! `_prisma_migrations`: read, and written byte for byte as `prisma migrate deploy` and `resolve` would.
//! Every statement names the table with its schema, so that a script's `search_path` cannot misdirect it.

use super::words::{literal, qualified};
use crate::domain::ledger::LedgerRow;
use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

/// The ledger's table name.
pub const LEDGER: &str = "_prisma_migrations";
/// The advisory lock that `prisma migrate` takes; session lock, bigint form.
pub const LOCK_KEY: i64 = 72_707_369;

/// The DDL of the ledger, exactly as Prisma writes it but for the schema in front of the name.
pub fn create_sql(schema: &str) -> String {
    format!(
        "CREATE TABLE {} (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)",
        qualified(schema, LEDGER)
    )
}

/// All rows, oldest first, in one round trip.
///
/// # Errors
/// The server's error as it is: a ledger that cannot be read is not an empty one.
pub async fn read(connection: &mut PgConnection, schema: &str) -> Result<Vec<LedgerRow>, sqlx::Error> {
    let time =
        |column: &str| format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
    let sql = format!(
        "SELECT id::text, checksum::text, {}, migration_name::text, logs::text, {}, {}, applied_steps_count::text \
         FROM {} ORDER BY started_at ASC, id ASC",
        time("finished_at"),
        time("rolled_back_at"),
        time("started_at"),
        qualified(schema, LEDGER)
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            Ok(LedgerRow {
                id: row.try_get::<String, _>(0)?,
                checksum: row.try_get::<String, _>(1)?,
                finished_at: parse_time(row.try_get::<Option<String>, _>(2)?)?,
                migration_name: row.try_get::<String, _>(3)?,
                logs: row.try_get::<Option<String>, _>(4)?,
                rolled_back_at: parse_time(row.try_get::<Option<String>, _>(5)?)?,
                started_at: parse_time(row.try_get::<Option<String>, _>(6)?)?.unwrap_or(DateTime::UNIX_EPOCH),
                applied_steps_count: row
                    .try_get::<String, _>(7)?
                    .parse()
                    .map_err(|error: std::num::ParseIntError| sqlx::Error::Decode(Box::new(error)))?,
            })
        })
        .collect()
}

fn parse_time(text: Option<String>) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    text.map(|text| {
        DateTime::parse_from_rfc3339(&text)
            .map(|time| time.with_timezone(&Utc))
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))
    })
    .transpose()
}

fn timestamp(at: DateTime<Utc>) -> String {
    format!("{}::timestamptz", literal(&at.to_rfc3339_opts(SecondsFormat::Micros, true)))
}

/// The row of a migration that was run, for use inside its own transaction: finished when the server
/// gets here, measured from the start of the message on the client's clock.
pub fn insert_finished_sql(
    schema: &str,
    id: &str,
    checksum: &str,
    name: &str,
    started_at: DateTime<Utc>,
) -> String {
    let started = timestamp(started_at);
    format!(
        "INSERT INTO {} (\"id\",\"checksum\",\"started_at\",\"finished_at\",\"migration_name\",\"applied_steps_count\") \
         VALUES ({},{},{started},{started} OPERATOR(pg_catalog.+) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.statement_timestamp()),{},1)",
        qualified(schema, LEDGER),
        literal(id),
        literal(checksum),
        literal(name),
    )
}

/// The row of a migration that is about to run.
pub fn insert_started_sql(
    schema: &str,
    id: &str,
    checksum: &str,
    name: &str,
    started_at: DateTime<Utc>,
) -> String {
    format!(
        "INSERT INTO {} (\"id\",\"checksum\",\"started_at\",\"migration_name\") VALUES ({},{},{},{})",
        qualified(schema, LEDGER),
        literal(id),
        literal(checksum),
        timestamp(started_at),
        literal(name),
    )
}

/// A started migration got through: one step, finished. Sent twice, it changes nothing more.
pub fn finish_sql(schema: &str, id: &str, finished_at: DateTime<Utc>) -> String {
    format!(
        "UPDATE {} SET \"applied_steps_count\" = (\"applied_steps_count\" + 1), \"finished_at\" = {} WHERE \"id\" = {} AND \"finished_at\" IS NULL",
        qualified(schema, LEDGER),
        timestamp(finished_at),
        literal(id)
    )
}

/// A started migration failed.
pub fn fail_sql(schema: &str, id: &str, logs: &str) -> String {
    format!(
        "UPDATE {} SET \"logs\" = {} WHERE \"id\" = {}",
        qualified(schema, LEDGER),
        literal(logs),
        literal(id)
    )
}

/// A started migration of which nothing is in: its row goes as if it had never begun.
pub fn forget_sql(schema: &str, id: &str) -> String {
    format!(
        "DELETE FROM {} WHERE \"id\" = {} AND \"finished_at\" IS NULL",
        qualified(schema, LEDGER),
        literal(id)
    )
}

/// Marks rows as rolled back.
pub fn roll_back_sql(schema: &str, ids: &[String], at: DateTime<Utc>) -> String {
    let ids: Vec<String> = ids.iter().map(|id| literal(id)).collect();
    format!(
        "UPDATE {} SET \"rolled_back_at\" = {} WHERE \"id\" IN ({})",
        qualified(schema, LEDGER),
        timestamp(at),
        ids.join(",")
    )
}

/// Records a migration as applied without running it.
pub fn insert_applied_sql(schema: &str, id: &str, checksum: &str, name: &str, at: DateTime<Utc>) -> String {
    let at = timestamp(at);
    format!(
        "INSERT INTO {} (\"id\",\"checksum\",\"logs\",\"started_at\",\"finished_at\",\"migration_name\") VALUES ({},{},'',{at},{at},{})",
        qualified(schema, LEDGER),
        literal(id),
        literal(checksum),
        literal(name),
    )
}

/// The text Prisma's engine keeps in `logs` and prints with P3018: message, server error and, where the
/// server gave a position, the failing line with up to five lines before it.
pub fn failure_log(name: &str, code: &str, message: &str, script: &str, position: Option<usize>) -> String {
    let mut text = format!(
        "A migration failed to apply. New migrations cannot be applied before the error is recovered from. Read more about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve\n\nMigration name: {name}\n\nDatabase error code: {code}\n\nDatabase error:\nERROR: {message}"
    );
    if let Some(position) = position {
        let line =
            script.chars().take(position.saturating_sub(1)).filter(|character| *character == '\n').count();
        text.push_str("\n\nPosition:\n");
        for (number, content) in script.lines().enumerate().take(line + 1).skip(line.saturating_sub(5)) {
            let colour = if number == line { "\u{1b}[1;31m" } else { "\u{1b}[0m" };
            text.push_str(&format!("\u{1b}[1m{:>3}{colour} {content}\u{1b}[0m\n", number + 1));
        }
    }
    text
}
