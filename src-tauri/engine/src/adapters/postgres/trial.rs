//! The SQL of a dry run: tripwire, witness of the transaction, locks, counters, rewritten tables.

use super::observe::json;
use super::script::{fresh_settings_sql, send};
use super::words::{identifier, literal};
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};
use std::collections::HashMap;

/// A table as it was before.
#[derive(Debug, Clone, Deserialize)]
pub struct TableFile {
    /// Oid.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `pg_relation_filenode`: changes with TRUNCATE and rewrites.
    pub file: Option<u32>,
    /// Bytes with indexes.
    pub bytes: f64,
    /// Estimated rows; -1: never analysed.
    pub rows: f64,
}

/// How much a dry run may take on this server.
#[derive(Debug, Clone, Deserialize)]
pub struct Capacity {
    /// Places in the shared lock table.
    pub locks: f64,
    /// `track_counts` is on.
    pub counts: bool,
    /// The user may create temporary tables.
    pub temporary: bool,
}

/// Opens the transaction that cannot commit: two violating rows under a deferred unique constraint make
/// every COMMIT fail, wherever it comes from. Returns the transaction's own id, its witness.
///
/// # Errors
/// The server's error.
pub async fn begin(connection: &mut PgConnection, lock_timeout_ms: u32) -> Result<String, sqlx::Error> {
    send(
        connection,
        format!(
            "{}; BEGIN ISOLATION LEVEL REPEATABLE READ; \
             CREATE TEMP TABLE drydock_tripwire (i int UNIQUE DEFERRABLE INITIALLY DEFERRED); \
             INSERT INTO drydock_tripwire VALUES (1),(1)",
            limits(lock_timeout_ms)
        ),
    )
    .await?;
    witness(connection).await?.ok_or_else(|| sqlx::Error::Protocol("the transaction has no id".to_owned()))
}

/// Opens a transaction that writes rows. `lock`: tables whose other writers have to wait, taken before the
/// first look at any row. With `tripwire` it cannot commit, as in [`begin`]. Returns its id.
///
/// # Errors
/// The server's error.
pub async fn begin_rows(
    connection: &mut PgConnection,
    lock_timeout_ms: u32,
    lock: &[String],
    tripwire: bool,
) -> Result<String, sqlx::Error> {
    let mut sql = format!("{}; BEGIN ISOLATION LEVEL REPEATABLE READ", limits(lock_timeout_ms));
    if !lock.is_empty() {
        sql.push_str(&format!("; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", lock.join(", ")));
    }
    if tripwire {
        sql.push_str(
            "; CREATE TEMP TABLE drydock_tripwire (i int UNIQUE DEFERRABLE INITIALLY DEFERRED); \
             INSERT INTO drydock_tripwire VALUES (1),(1)",
        );
    }
    send(connection, sql).await?;
    json(connection, "SELECT pg_catalog.to_json(pg_catalog.txid_current()::text)::text".to_owned()).await
}

/// Locks on relations of others that this transaction holds, read before anything else takes locks of its own.
///
/// # Errors
/// The server's error.
pub async fn held_locks(connection: &mut PgConnection) -> Result<Vec<HeldLock>, sqlx::Error> {
    json(
        connection,
        "SELECT coalesce(json_agg(json_build_object('relation', l.relation::bigint, 'mode', l.mode)), '[]')::text FROM pg_catalog.pg_locks l \
         JOIN pg_catalog.pg_class c ON c.oid = l.relation WHERE l.pid = pg_catalog.pg_backend_pid() AND l.granted AND l.relation >= 16384 \
         AND l.mode NOT IN ('AccessShareLock', 'RowShareLock') AND c.relpersistence <> 't' AND c.relkind IN ('r','p','m')"
            .to_owned(),
    )
    .await
}

/// What became of a transaction: `committed`, `aborted`, `in progress`; `None`: the server has forgotten it.
///
/// # Errors
/// The server's error.
pub async fn fate(connection: &mut PgConnection, transaction: &str) -> Result<Option<String>, sqlx::Error> {
    json(
        connection,
        format!(
            "SELECT coalesce(pg_catalog.to_json(pg_catalog.txid_status({}::bigint))::text, 'null')",
            literal(transaction)
        ),
    )
    .await
}

/// The id of the transaction the session is in; `None` outside of one. While it stays the same, nothing
/// was committed and nothing can be.
///
/// # Errors
/// 25P02 in an aborted transaction, or any other server error.
pub async fn witness(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    // A message in autocommit has no id before its first write.
    json(
        connection,
        "SELECT coalesce(pg_catalog.to_json(pg_catalog.txid_current_if_assigned()::text)::text, 'null')"
            .to_owned(),
    )
    .await
}

/// Removes the tripwire's reason to fail and lets every deferred constraint speak now.
///
/// # Errors
/// The violation that the COMMIT of a real run would meet.
pub async fn check_deferred(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // The tripwire is armed again at once: this transaction must not be able to commit at any instant.
    send(
        connection,
        "DELETE FROM pg_temp.drydock_tripwire; SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS pg_temp.drydock_tripwire_i_key DEFERRED; INSERT INTO pg_temp.drydock_tripwire VALUES (1),(1)"
            .to_owned(),
    )
    .await
}

/// Every ordinary table and materialized view of the schemas, with its file.
///
/// # Errors
/// The server's error.
pub async fn table_files(
    connection: &mut PgConnection,
    schemas: &[String],
) -> Result<Vec<TableFile>, sqlx::Error> {
    let list: Vec<String> = schemas.iter().map(|schema| literal(schema)).collect();
    json(
        connection,
        format!(
            "SELECT coalesce(json_agg(json_build_object('oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, \
             'file', pg_catalog.pg_relation_filenode(c.oid)::bigint, 'bytes', c.relpages::float8 * 8192, 'rows', c.reltuples::float8)), '[]')::text \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r','m','p') AND n.nspname IN ({})",
            list.join(",")
        ),
    )
    .await
}

/// The file of every table of every schema of the product, by oid.
///
/// # Errors
/// The server's error.
pub async fn all_table_files(
    connection: &mut PgConnection,
) -> Result<HashMap<u32, Option<u32>>, sqlx::Error> {
    let pairs: Vec<(u32, Option<u32>)> = json(
        connection,
        "SELECT coalesce(json_agg(json_build_array(c.oid::bigint, pg_catalog.pg_relation_filenode(c.oid)::bigint)), '[]')::text \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r','m','p','f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
            .to_owned(),
    )
    .await?;
    Ok(pairs.into_iter().collect())
}

/// Capacity of the server for a dry run.
///
/// # Errors
/// The server's error.
pub async fn capacity(connection: &mut PgConnection) -> Result<Capacity, sqlx::Error> {
    json(
        connection,
        "SELECT json_build_object(\
         'locks', current_setting('max_locks_per_transaction')::float8 * (current_setting('max_connections')::float8 + current_setting('max_prepared_transactions')::float8), \
         'counts', current_setting('track_counts') = 'on', \
         'temporary', has_database_privilege(current_database(), 'TEMP'))::text"
            .to_owned(),
    )
    .await
}

/// Where the server keeps its files and how large they are.
#[derive(Debug, Clone, Deserialize)]
pub struct Space {
    /// Size of this database, bytes; 0 without the right to ask.
    pub database_bytes: f64,
    /// Size of all databases whose size may be asked for, bytes.
    pub all_bytes: f64,
    /// The server's data folder, where it may be read.
    pub data_directory: Option<String>,
}

/// Reads how much room the server's databases take.
///
/// # Errors
/// The server's error.
pub async fn space(connection: &mut PgConnection) -> Result<Space, sqlx::Error> {
    json(
        connection,
        "SELECT json_build_object(\
         'database_bytes', coalesce((SELECT pg_catalog.pg_database_size(oid) FROM pg_catalog.pg_database WHERE datname = current_database() AND has_database_privilege(oid, 'CONNECT')), 0)::float8, \
         'all_bytes', (SELECT coalesce(sum(pg_catalog.pg_database_size(oid)), 0)::float8 FROM pg_catalog.pg_database WHERE has_database_privilege(oid, 'CONNECT')), \
         'data_directory', CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory', true) END)::text"
            .to_owned(),
    )
    .await
}

/// Size of the database with what open transactions wrote, bytes; 0 without the right to ask.
///
/// # Errors
/// The server's error.
pub async fn database_bytes(connection: &mut PgConnection) -> Result<f64, sqlx::Error> {
    json(
        connection,
        "SELECT coalesce((SELECT pg_catalog.pg_database_size(oid) FROM pg_catalog.pg_database WHERE datname = current_database() AND has_database_privilege(oid, 'CONNECT')), 0)::float8::text"
            .to_owned(),
    )
    .await
}

/// A lock on a relation.
#[derive(Debug, Clone, Deserialize)]
pub struct HeldLock {
    /// Oid of the relation.
    pub relation: u32,
    /// `AccessExclusiveLock`, ...
    pub mode: String,
}

/// State of the dry run after a piece: witness, locks on relations.
#[derive(Debug, Clone, Deserialize)]
pub struct After {
    /// Id of the transaction.
    pub witness: Option<String>,
    /// Locks held, of any kind.
    pub count: f64,
    /// Locks on relations.
    pub locks: Vec<HeldLock>,
}

/// Reads the state after a piece before anything else takes locks of its own; then, in the same round
/// trip, makes the session as an apply would find it for the next piece, and lets every check that waits
/// for the end of the transaction speak. That happens under a savepoint that is rolled back, so that
/// the checks still wait afterwards and the tripwire stays armed.
///
/// # Errors
/// 25P01 when the piece ended the transaction, 25P02 in an aborted one, what a waiting check says, or any
/// other server error.
pub async fn after(
    connection: &mut PgConnection,
    schema: &str,
    lock_timeout_ms: u32,
) -> Result<After, sqlx::Error> {
    let version = connection.server_version_num();
    let sql = format!(
        "SELECT json_build_object('witness', pg_catalog.txid_current_if_assigned()::text, \
         'count', (SELECT count(*) FROM pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid()), \
         'locks', (SELECT coalesce(json_agg(json_build_object('relation', relation::bigint, 'mode', mode)), '[]') FROM pg_catalog.pg_locks \
           WHERE pid = pg_catalog.pg_backend_pid() AND relation IS NOT NULL AND granted AND relation >= 16384 \
           AND mode <> 'AccessShareLock'))::text; \
         {}; {}; SAVEPOINT drydock_settle; DELETE FROM pg_temp.drydock_tripwire; SET CONSTRAINTS ALL IMMEDIATE; \
         ROLLBACK TO SAVEPOINT drydock_settle; RELEASE SAVEPOINT drydock_settle",
        fresh_settings_sql(schema, version),
        limits(lock_timeout_ms)
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await?;
    let text: String = rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
    serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn limits(lock_timeout_ms: u32) -> String {
    format!("SET lock_timeout = {lock_timeout_ms}")
}

/// What the watching session sees of a dry run at work.
#[derive(Debug, Clone, Deserialize)]
pub struct Seen {
    /// Sessions that wait for it.
    pub waiters: u32,
    /// Existing relations on which it holds a lock that others may wait for.
    pub blocking: Vec<u32>,
}

/// Looks at a session from another one.
///
/// # Errors
/// The server's error.
pub async fn watch(connection: &mut PgConnection, pid: i32) -> Result<Seen, sqlx::Error> {
    json(
        connection,
        format!(
            "SELECT json_build_object('waiters', (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.wait_event_type = 'Lock' AND {pid} = ANY (pg_catalog.pg_blocking_pids(a.pid))), \
             'blocking', (SELECT coalesce(json_agg(DISTINCT l.relation::bigint), '[]') FROM pg_catalog.pg_locks l WHERE l.pid = {pid} AND l.granted AND l.relation >= 16384 \
             AND l.mode IN ('ShareLock','ShareRowExclusiveLock','ExclusiveLock','AccessExclusiveLock')))::text"
        ),
    )
    .await
}

/// Counters of the transaction, by table oid.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Counters {
    /// Row versions inserted.
    pub inserted: f64,
    /// Row versions updated.
    pub updated: f64,
    /// Row versions deleted.
    pub deleted: f64,
}

/// Reads the counters; only meaningful on a fresh connection.
///
/// # Errors
/// The server's error.
pub async fn counters(connection: &mut PgConnection) -> Result<HashMap<u32, Counters>, sqlx::Error> {
    #[derive(Deserialize)]
    struct Row {
        relation: u32,
        #[serde(flatten)]
        counters: Counters,
    }
    let rows: Vec<Row> = json(
        connection,
        "SELECT coalesce(json_agg(json_build_object('relation', relid::bigint, 'inserted', n_tup_ins, 'updated', n_tup_upd, 'deleted', n_tup_del)), '[]')::text \
         FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND relname <> 'drydock_tripwire'"
            .to_owned(),
    )
    .await?;
    Ok(rows.into_iter().map(|row| (row.relation, row.counters)).collect())
}

/// Counts the surviving row versions that the transaction wrote: `age(xmin) <= 0` in REPEATABLE READ.
/// Under a savepoint of its own, so that a table that cannot be read does not end the dry run.
///
/// # Errors
/// The server's error, after the savepoint was rolled back.
pub async fn own_rows(connection: &mut PgConnection, schema: &str, name: &str) -> Result<f64, sqlx::Error> {
    send(connection, "SAVEPOINT drydock_count".to_owned()).await?;
    let sql = format!(
        "SELECT count(*)::text FROM ONLY {}.{} AS t WHERE pg_catalog.age(t.xmin) <= 0",
        identifier(schema),
        identifier(name)
    );
    let counted = json::<f64>(connection, sql).await;
    let after = if counted.is_ok() {
        "RELEASE SAVEPOINT drydock_count"
    } else {
        "ROLLBACK TO SAVEPOINT drydock_count"
    };
    send(connection, after.to_owned()).await?;
    counted
}
