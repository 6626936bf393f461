//! What a scratch database is asked to do: run scripts the way an apply does, and render texts of
//! another server in its own words. Nothing here is for a database anybody uses.

use super::catalogue::{identifier, read};
use crate::domain::catalogue::Catalogue;
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// The ledger's table as an apply creates it; some migrations look at it.
const LEDGER: &str = "CREATE TABLE IF NOT EXISTS _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, \
     checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, \
     rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT now(), \
     applied_steps_count INTEGER NOT NULL DEFAULT 0)";

/// Why a statement failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// SQLSTATE.
    pub state: String,
    /// The server's text.
    pub message: String,
}

impl Refusal {
    /// It names something that does not exist.
    pub fn names_something_missing(&self) -> bool {
        matches!(self.state.as_str(), "42P01" | "42703" | "42704" | "42883" | "3F000")
    }
}

/// Makes the schema and an empty ledger in it.
pub async fn prepare(connection: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    let schema = identifier(schema);
    let sql = format!("CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path = {schema}; {LEDGER}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

/// Makes the session as new, with the search path of an apply, and returns the number that the next
/// transaction will have.
pub async fn begin_migration(connection: &mut PgConnection, schema: &str) -> Result<u32, sqlx::Error> {
    let sql = format!(
        "RESET ROLE; RESET SESSION AUTHORIZATION; RESET ALL; SET search_path = {}; \
         SELECT (pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) & 4294967295)::text AS next",
        identifier(schema)
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await?;
    rows.iter()
        .find_map(|row| row.try_get::<String, _>("next").ok())
        .and_then(|next| next.parse().ok())
        .ok_or(sqlx::Error::RowNotFound)
}

/// Sends a script or statement as one query. The outer error is a lost connection, the inner one the
/// server's refusal.
pub async fn run(connection: &mut PgConnection, sql: &str) -> Result<Result<(), Refusal>, sqlx::Error> {
    match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await {
        Ok(_) => Ok(Ok(())),
        Err(sqlx::Error::Database(error)) => {
            let state = error.code().map(|code| code.into_owned()).unwrap_or_default();
            Ok(Err(Refusal { state, message: error.message().to_owned() }))
        }
        Err(error) => Err(error),
    }
}

/// Ends a transaction that a script left open; true if there was one.
pub async fn close_transaction(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match run(connection, "SAVEPOINT drydock_probe").await? {
        Err(refusal) if refusal.state == "25P01" => Ok(false),
        _ => {
            sqlx::raw_sql("ROLLBACK").execute(connection).await?;
            Ok(true)
        }
    }
}

/// The schemas that people made, in order of name.
pub async fn schemas(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::raw_sql(
        "SELECT n.nspname::text AS name FROM pg_catalog.pg_namespace n \
         WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
                           WHERE d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.objid = n.oid AND d.deptype = 'e') \
         ORDER BY 1",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| row.try_get("name")).collect()
}

/// The version as people say it: `15.18`.
pub async fn version(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    let row = sqlx::raw_sql("SELECT pg_catalog.current_setting('server_version') AS version")
        .fetch_one(connection)
        .await?;
    let version: String = row.try_get("version")?;
    Ok(version.split(' ').next().unwrap_or_default().to_owned())
}

/// Something to be rendered: the statements that put it there.
#[derive(Debug, Clone)]
pub struct Sketch {
    /// Run in order; all or none of them hold.
    pub statements: String,
}

/// Runs all sketches on the scratch database, reads its catalogue, and takes everything back. Returns
/// the catalogue and for every sketch whether it could be drawn.
pub async fn render(
    connection: &mut PgConnection,
    schemas: &[String],
    sketches: &[Sketch],
) -> Result<(Catalogue, Vec<Result<(), Refusal>>), sqlx::Error> {
    let open = "BEGIN; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL check_function_bodies = off; \
                SET LOCAL standard_conforming_strings = on";
    sqlx::raw_sql(open).execute(&mut *connection).await?;
    let drawn = draw(connection, schemas, sketches).await;
    sqlx::raw_sql("ROLLBACK").execute(connection).await?;
    drawn
}

async fn draw(
    connection: &mut PgConnection,
    schemas: &[String],
    sketches: &[Sketch],
) -> Result<(Catalogue, Vec<Result<(), Refusal>>), sqlx::Error> {
    let mut outcomes = Vec::with_capacity(sketches.len());
    for sketch in sketches {
        sqlx::raw_sql("SAVEPOINT drydock_sketch").execute(&mut *connection).await?;
        let outcome = run(connection, &sketch.statements).await?;
        if outcome.is_err() {
            sqlx::raw_sql("ROLLBACK TO SAVEPOINT drydock_sketch").execute(&mut *connection).await?;
        }
        outcomes.push(outcome);
    }
    Ok((read(connection, schemas).await?, outcomes))
}

/// A qualified name for use in a statement.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

/// A name for use in a statement.
pub fn quoted(name: &str) -> String {
    identifier(name)
}
