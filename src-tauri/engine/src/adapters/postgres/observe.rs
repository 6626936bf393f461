//! Reading a target without changing anything: one message for its facts, one for ledgers.

use super::ledger::{LEDGER, LOCK_KEY};
use super::words::{identifier, literal};
use crate::domain::identity::TargetIdentity;
use crate::domain::migration::{ForeignLedger, LockHolder};
use crate::domain::run::Blocker;
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

/// Which row `a` of `pg_stat_activity` is somebody's who has to wait, or is cut off, when tables are replaced: no process
/// of the server's own, and none of the sessions that a console reads with. Those that write for a console, or read for
/// a backup of it, count.
pub(super) const SOMEBODY_ELSE: &str = "a.pid <> pg_catalog.pg_backend_pid() AND a.usesysid IS NOT NULL \
    AND (a.application_name !~ '^drydock( |$)' OR a.application_name ~ '^drydock (run|backup)')";

/// Everything about the target that one round trip can tell.
#[derive(Debug, Clone, Deserialize)]
pub struct Facts {
    /// `None` where the server does not allow reading it.
    pub system_identifier: Option<String>,
    /// Oid of the database.
    pub database_oid: u32,
    /// Name of the database.
    pub database: String,
    /// `server_version_num`.
    pub server_version: u32,
    /// Backend process id of this session.
    pub pid: i32,
    /// Whether the schema exists.
    pub schema_exists: bool,
    /// Ordinary tables of the schema (relkind `r`), as Prisma counts them.
    pub tables: Vec<String>,
    /// The server is a standby.
    pub in_recovery: bool,
    /// The session can only read.
    pub read_only: bool,
    /// Who holds the migration lock.
    pub lock_holders: Vec<LockHolder>,
    /// Tables that other migration tools use, with their columns.
    pub foreign: Vec<ForeignTable>,
    /// Sessions that wait for a lock, of rows too.
    pub blocked_sessions: u32,
    /// Sessions connected to the database that are not a console's for reading.
    pub sessions: u32,
    /// Sessions whose transaction has been open for longer than [`LONG_TRANSACTION_MINUTES`].
    pub long_transactions: Vec<LongTransaction>,
    /// Sessions of other users whose state this one may not read.
    pub hidden_sessions: u32,
    /// Size of the database, bytes; `None` without the right to ask.
    pub database_bytes: Option<f64>,
    /// Tables of the schema with rows and bytes as last analysed.
    pub sizes: Vec<TableSize>,
}

/// A transaction is long from here on, minutes.
pub const LONG_TRANSACTION_MINUTES: u32 = 5;

/// A session whose transaction has been open for long.
#[derive(Debug, Clone, Deserialize)]
pub struct LongTransaction {
    /// Backend process id.
    pub pid: i32,
    /// `application_name`, possibly empty.
    pub application: String,
    /// Seconds since the transaction began.
    pub seconds: f64,
}

/// A table's size as the statistics have it.
#[derive(Debug, Clone, Deserialize)]
pub struct TableSize {
    /// Name.
    pub name: String,
    /// `reltuples`; -1: never analysed.
    pub rows: f64,
    /// Bytes with indexes and TOAST, from the page counts.
    pub bytes: f64,
}

/// A table that may be another tool's ledger.
#[derive(Debug, Clone, Deserialize)]
pub struct ForeignTable {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Column names.
    pub columns: Vec<String>,
}

impl Facts {
    /// Whether the ledger is there.
    pub fn has_ledger(&self) -> bool {
        self.tables.iter().any(|table| table == LEDGER)
    }

    /// Ordinary tables that make a deploy refuse a database without ledger (P3005).
    pub fn other_tables(&self) -> usize {
        self.tables.iter().filter(|table| *table != LEDGER && *table != "spatial_ref_sys").count()
    }

    /// The identity, with the address it was reached at.
    pub fn identity(&self, address: String) -> TargetIdentity {
        TargetIdentity {
            system_identifier: self.system_identifier.clone(),
            database_oid: self.database_oid,
            database: self.database.clone(),
            address,
            server_version: self.server_version,
        }
    }
}

const FOREIGN_NAMES: &str = "'_sqlx_migrations','__drizzle_migrations','schema_migrations','knex_migrations','knex_migrations_lock','migrations','flyway_schema_history','databasechangelog','databasechangeloglock','ar_internal_metadata','django_migrations','alembic_version','goose_db_version'";

/// Reads the facts in one round trip.
///
/// # Errors
/// The server's error.
pub async fn facts(connection: &mut PgConnection, schema: &str) -> Result<Facts, sqlx::Error> {
    facts_after(connection, schema, "").await
}

/// Begins a transaction that only reads, with a time limit of its own, and reads the facts in the same
/// message. Nothing of it outlives the transaction, so that a pooler hands no setting on to the application.
///
/// # Errors
/// The server's error.
pub async fn begin_reading(
    connection: &mut PgConnection,
    schema: &str,
    limit_ms: u32,
) -> Result<Facts, sqlx::Error> {
    facts_after(connection, schema, &format!("BEGIN READ ONLY;SET LOCAL statement_timeout = {limit_ms};"))
        .await
}

async fn facts_after(
    connection: &mut PgConnection,
    schema: &str,
    before: &str,
) -> Result<Facts, sqlx::Error> {
    let schema = literal(schema);
    let sql = format!(
        "{before}SELECT pg_catalog.json_build_object(
  'system_identifier', CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') THEN (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) END,
  'database_oid', (SELECT oid::bigint FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
  'database', pg_catalog.current_database(),
  'server_version', pg_catalog.current_setting('server_version_num')::int,
  'pid', pg_catalog.pg_backend_pid(),
  'schema_exists', EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = {schema}),
  'tables', (SELECT coalesce(json_agg(c.relname ORDER BY c.relname), '[]') FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname = {schema}),
  'in_recovery', pg_catalog.pg_is_in_recovery(),
  'read_only', pg_catalog.current_setting('default_transaction_read_only') = 'on',
  'lock_holders', (SELECT coalesce(json_agg(json_build_object('pid', l.pid, 'application', coalesce(a.application_name, ''), 'user', coalesce(a.usename, ''), 'client', a.client_addr::text, 'seconds', extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::float8)), '[]')
     FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid() AND l.objsubid = 1
       AND ((l.classid::bigint << 32) | l.objid::bigint) = {LOCK_KEY}
       AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())),
  'foreign', (SELECT coalesce(json_agg(json_build_object('schema', n.nspname, 'name', c.relname, 'columns', (SELECT coalesce(json_agg(att.attname), '[]') FROM pg_catalog.pg_attribute att WHERE att.attrelid = c.oid AND att.attnum > 0 AND NOT att.attisdropped))), '[]')
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p') AND c.relname IN ({FOREIGN_NAMES}) AND n.nspname NOT IN ('auth','storage','realtime','_realtime','supabase_functions','pgbouncer')),
  'blocked_sessions', (SELECT count(DISTINCT l.pid) FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE NOT l.granted AND a.datname = pg_catalog.current_database()),
  'sessions', (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.datname = pg_catalog.current_database() AND {SOMEBODY_ELSE}),
  'long_transactions', (SELECT coalesce(json_agg(json_build_object('pid', pid, 'application', coalesce(application_name, ''), 'seconds', extract(epoch FROM pg_catalog.clock_timestamp() - xact_start)::float8) ORDER BY xact_start), '[]')
     FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND backend_type = 'client backend' AND xact_start < pg_catalog.clock_timestamp() - interval '{LONG_TRANSACTION_MINUTES} minutes'),
  'hidden_sessions', (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND backend_type IS NULL AND usesysid IS NOT NULL),
  'database_bytes', CASE WHEN pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CONNECT') THEN pg_catalog.pg_database_size(pg_catalog.current_database())::float8 END,
  'sizes', (SELECT coalesce(json_agg(json_build_object('name', c.relname, 'rows', c.reltuples::float8, 'bytes', (c.relpages::float8 + coalesce((SELECT sum(i.relpages)::float8 FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid), 0) + coalesce((SELECT t.relpages::float8 FROM pg_catalog.pg_class t WHERE t.oid = c.reltoastrelid), 0)) * pg_catalog.current_setting('block_size')::float8)), '[]')
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p') AND n.nspname = {schema})
)::text"
    );
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await?;
    decode(&row.try_get::<String, _>(0)?)
}

/// Decodes a JSON document that the server built.
pub(crate) fn decode<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Runs a query of one text cell that holds JSON.
pub(crate) async fn json<T: serde::de::DeserializeOwned>(
    connection: &mut PgConnection,
    sql: String,
) -> Result<T, sqlx::Error> {
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await?;
    decode(&row.try_get::<String, _>(0)?)
}

/// Reads what other tools' ledgers say. A table that cannot be read is listed with its problem.
pub async fn foreign_ledgers(connection: &mut PgConnection, tables: &[ForeignTable]) -> Vec<ForeignLedger> {
    let mut ledgers = Vec::new();
    for table in tables {
        let Some(kind) = recognise(table, tables) else { continue };
        let qualified = format!("{}.{}", identifier(&table.schema), identifier(&table.name));
        let sql = format!(
            "SELECT json_build_object('rows', (SELECT count(*) FROM {qualified}), \
             'newest', (SELECT coalesce(json_agg(entry), '[]') FROM (SELECT ({entry})::text AS entry FROM {qualified} ORDER BY {order} DESC LIMIT 20) newest), \
             'problems', (SELECT count(*) FROM {qualified} WHERE {problem}))::text",
            entry = kind.entry,
            order = kind.order,
            problem = kind.problem,
        );
        #[derive(Deserialize)]
        struct Answer {
            rows: i64,
            newest: Vec<Option<String>>,
            problems: i64,
        }
        let ledger = match json::<Answer>(connection, sql).await {
            Ok(answer) => ForeignLedger {
                tool: kind.tool.to_owned(),
                table: format!("{}.{}", table.schema, table.name),
                rows: Some(answer.rows),
                newest: answer.newest.into_iter().flatten().collect(),
                problem: (answer.problems > 0).then(|| kind.problem_words.to_owned()),
            },
            Err(error) => ForeignLedger {
                tool: kind.tool.to_owned(),
                table: format!("{}.{}", table.schema, table.name),
                rows: None,
                newest: Vec::new(),
                problem: Some(format!("It could not be read: {error}.")),
            },
        };
        ledgers.push(ledger);
    }
    ledgers
}

struct ForeignKind {
    tool: &'static str,
    entry: &'static str,
    order: &'static str,
    problem: &'static str,
    problem_words: &'static str,
}

/// Tells tools apart by table name and columns (three of them share `schema_migrations`).
fn recognise(table: &ForeignTable, all: &[ForeignTable]) -> Option<ForeignKind> {
    let has = |column: &str| table.columns.iter().any(|name| name == column);
    let kind = |tool, entry, order, problem, problem_words| {
        Some(ForeignKind { tool, entry, order, problem, problem_words })
    };
    match table.name.as_str() {
        "_sqlx_migrations" if has("version") => kind(
            "sqlx",
            "version || ' ' || description",
            "version",
            "NOT success",
            "A migration is marked as not successful (dirty).",
        ),
        "__drizzle_migrations" if has("hash") => {
            kind("Drizzle", "created_at || ' ' || hash", "created_at", "false", "")
        }
        "schema_migrations" if has("dirty") => kind(
            "golang-migrate",
            "version",
            "version",
            "dirty",
            "The current version is marked as dirty: the last migration failed.",
        ),
        "schema_migrations" if has("statements") => {
            kind("Supabase CLI", "version || ' ' || coalesce(name, '')", "version", "false", "")
        }
        "schema_migrations" if has("version") => {
            let rails =
                all.iter().any(|other| other.name == "ar_internal_metadata" && other.schema == table.schema);
            kind(if rails { "Rails" } else { "dbmate" }, "version", "version", "false", "")
        }
        "knex_migrations" if has("batch") => kind("Knex", "name", "id", "false", ""),
        "knex_migrations_lock" if has("is_locked") => kind(
            "Knex lock",
            "is_locked",
            "is_locked",
            "is_locked = 1",
            "The lock is set: a run is on, or one died.",
        ),
        "migrations" if has("timestamp") && has("name") => kind("TypeORM", "name", "timestamp", "false", ""),
        "flyway_schema_history" if has("installed_rank") => kind(
            "Flyway",
            "coalesce(version, 'R') || ' ' || description",
            "installed_rank",
            "NOT success",
            "A migration is marked as failed.",
        ),
        "databasechangelog" if has("orderexecuted") => kind(
            "Liquibase",
            "id || ' ' || author || ' ' || filename",
            "orderexecuted",
            "exectype = 'FAILED'",
            "A change set is marked as failed.",
        ),
        "databasechangeloglock" if has("locked") => {
            kind("Liquibase lock", "locked", "id", "locked", "The lock is set: a run is on, or one died.")
        }
        "django_migrations" if has("app") => kind("Django", "app || ' ' || name", "id", "false", ""),
        "alembic_version" if has("version_num") => kind("Alembic", "version_num", "version_num", "false", ""),
        "goose_db_version" if has("version_id") => kind("goose", "version_id", "id", "false", ""),
        _ => None,
    }
}

/// Sessions that hold what the session `pid` waits for, with the relation it waits for.
pub async fn blockers(connection: &mut PgConnection, pid: i32) -> Result<Vec<Blocker>, sqlx::Error> {
    let sql = format!(
        "SELECT coalesce(json_agg(json_build_object('pid', a.pid, 'application', coalesce(a.application_name, ''), 'user', coalesce(a.usename, ''), \
         'state', coalesce(a.state, ''), 'seconds', coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change), 0)::float8, \
         'relation', (SELECT l.relation::regclass::text FROM pg_catalog.pg_locks l WHERE l.pid = {pid} AND NOT l.granted AND l.relation IS NOT NULL LIMIT 1))), '[]')::text \
         FROM pg_catalog.pg_stat_activity a WHERE a.pid = ANY (pg_catalog.pg_blocking_pids({pid}))"
    );
    json(connection, sql).await
}

/// How a session of ours stands on the server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SessionState {
    /// `active`, `idle in transaction`, ...
    pub state: String,
    /// Seconds in that state.
    pub seconds: f64,
}

/// The session with this process id and start (both journalled), if it still exists.
pub async fn session(
    connection: &mut PgConnection,
    pid: i32,
    application: &str,
) -> Result<Option<SessionState>, sqlx::Error> {
    let sql = format!(
        "SELECT coalesce((SELECT json_build_object('state', coalesce(state, ''), 'seconds', coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - state_change), 0)::float8) \
         FROM pg_catalog.pg_stat_activity WHERE pid = {pid} AND (application_name = {} \
           OR EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = {pid} AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
                        AND ((l.classid::bigint << 32) | l.objid::bigint) = {LOCK_KEY})))::text, 'null')",
        literal(application)
    );
    json(connection, sql).await
}

/// Ends the session with this process id if it bears this name and rests.
///
/// # Errors
/// The server's error.
pub async fn end_resting(
    connection: &mut PgConnection,
    pid: i32,
    application: &str,
) -> Result<(), sqlx::Error> {
    let sql = format!(
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
         WHERE pid = {pid} AND application_name = {} AND state LIKE 'idle%'",
        literal(application)
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Rows of a table, counted.
///
/// # Errors
/// The server's error.
pub async fn count(connection: &mut PgConnection, schema: &str, table: &str) -> Result<u32, sqlx::Error> {
    let sql = format!("SELECT count(*) FROM {}.{}", identifier(schema), identifier(table));
    let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await?;
    Ok(u32::try_from(rows).unwrap_or(u32::MAX))
}
