//! Who is this database, and what may this session do in it: one round trip each, simple protocol, so
//! that it also works through a pooler.

use super::failure::{failure, visible};
use crate::domain::{Failure, FailureCode, identity::TargetIdentity};
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgRow};

/// Reading the system identifier is a privilege some providers withhold. A denied function call in a
/// sub-select fails the whole statement even where CASE skips it, so it is wrapped in a query of text.
const IDENTITY: &str = "SELECT pg_catalog.current_database()::text AS name,
       (SELECT oid::int8 FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AS oid,
       pg_catalog.current_setting('server_version_num')::int4 AS version,
       CASE WHEN pg_catalog.has_function_privilege(
                     pg_catalog.to_regprocedure('pg_catalog.pg_control_system()')::oid, 'EXECUTE')
            THEN substring(
                     pg_catalog.query_to_xml('SELECT system_identifier FROM pg_catalog.pg_control_system()',
                                             false, true, '')::text
                     FROM '<system_identifier>([0-9]+)<')
       END AS system_identifier";

/// The identity of the database behind an open connection, in one round trip. The system identifier is
/// `None` where the server does not allow reading it; `place`: the way's own. The transaction, if one is open, goes on.
pub async fn identity(connection: &mut PgConnection, place: String) -> Result<TargetIdentity, Failure> {
    let row = sqlx::raw_sql(IDENTITY).fetch_one(connection).await.map_err(|error| failure(&error))?;
    let oid: i64 = get(&row, "oid")?;
    let version: i32 = get(&row, "version")?;
    Ok(TargetIdentity {
        system_identifier: get(&row, "system_identifier")?,
        database_oid: u32::try_from(oid).map_err(|_| not_understood("oid"))?,
        database: get(&row, "name")?,
        address: place,
        server_version: u32::try_from(version).map_err(|_| not_understood("version"))?,
    })
}

/// What the server says about the session, its rights and the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// `server_version_num`.
    pub server_version: u32,
    /// `version()`, made visible.
    pub version_text: String,
    /// Server process of this session.
    pub backend_pid: i32,
    /// The user rights are taken from.
    pub current_user: String,
    /// Whether that user is a superuser.
    pub superuser: bool,
    /// A standby in recovery: it only reads.
    pub in_recovery: bool,
    /// This very transaction only reads.
    pub transaction_read_only: bool,
    /// New transactions only read unless they say otherwise.
    pub default_read_only: bool,
    /// Whether the address's schema exists.
    pub schema_exists: bool,
    /// USAGE on the schema (false where it does not exist).
    pub may_use_schema: bool,
    /// CREATE on the schema (false where it does not exist).
    pub may_create_in_schema: bool,
    /// CREATE on the database: may make schemas.
    pub may_create_schema: bool,
    /// TEMP on the database: may make temporary tables.
    pub may_create_temporary: bool,
    /// Tables in the schema.
    pub tables: u32,
    /// Of these, tables whose owner's rights this user does not have.
    pub foreign_tables: u32,
    /// The owner of one of them.
    pub foreign_owner: Option<String>,
    /// Whether the schema holds `_prisma_migrations`.
    pub ledger_exists: bool,
    /// Whether the ledger may be read (false where there is none).
    pub may_read_ledger: bool,
    /// Whether rows may be added to the ledger and changed (false where there is none).
    pub may_write_ledger: bool,
    /// Whether this session is encrypted, as the server sees it (through a pooler: the pooler's own).
    pub encrypted: bool,
}

/// Reads the facts in one round trip.
pub async fn session_facts(connection: &mut PgConnection, schema: &str) -> Result<SessionFacts, Failure> {
    let schema = quote_literal(schema);
    let statement = format!(
        "SELECT pg_catalog.current_setting('server_version_num')::int4 AS version,
       pg_catalog.version() AS version_text,
       pg_catalog.pg_backend_pid() AS backend_pid,
       current_user::text AS who,
       pg_catalog.current_setting('is_superuser') = 'on' AS superuser,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('transaction_read_only') = 'on' AS transaction_read_only,
       pg_catalog.current_setting('default_transaction_read_only') = 'on' AS default_read_only,
       n.oid IS NOT NULL AS schema_exists,
       COALESCE(pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false) AS may_use,
       COALESCE(pg_catalog.has_schema_privilege(n.oid, 'CREATE'), false) AS may_create,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create_schema,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMP') AS may_temporary,
       COALESCE(t.tables, 0)::int4 AS tables,
       COALESCE(t.strange, 0)::int4 AS strange,
       t.owner AS strange_owner,
       l.oid IS NOT NULL AS ledger,
       COALESCE(pg_catalog.has_table_privilege(l.oid, 'SELECT'), false) AS ledger_read,
       COALESCE(pg_catalog.has_table_privilege(l.oid, 'INSERT')
                AND pg_catalog.has_table_privilege(l.oid, 'UPDATE'), false) AS ledger_write,
       COALESCE((SELECT s.ssl FROM pg_catalog.pg_stat_ssl s WHERE s.pid = pg_catalog.pg_backend_pid()), false) AS encrypted
  FROM (SELECT 1) AS one
  LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = {schema}
  LEFT JOIN pg_catalog.pg_class l ON l.relnamespace = n.oid AND l.relname = '_prisma_migrations' AND l.relkind IN ('r', 'p')
  LEFT JOIN LATERAL (
       SELECT count(*) AS tables,
              count(*) FILTER (WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')) AS strange,
              min(pg_catalog.pg_get_userbyid(c.relowner)::text)
                  FILTER (WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')) AS owner
         FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')) t ON true"
    );
    let row = sqlx::raw_sql(AssertSqlSafe(statement))
        .fetch_one(connection)
        .await
        .map_err(|error| failure(&error))?;
    let number = |name: &str| -> Result<u32, Failure> {
        u32::try_from(get::<i32>(&row, name)?).map_err(|_| not_understood(name))
    };
    Ok(SessionFacts {
        server_version: number("version")?,
        version_text: visible(&get::<String>(&row, "version_text")?),
        backend_pid: get(&row, "backend_pid")?,
        current_user: visible(&get::<String>(&row, "who")?),
        superuser: get(&row, "superuser")?,
        in_recovery: get(&row, "in_recovery")?,
        transaction_read_only: get(&row, "transaction_read_only")?,
        default_read_only: get(&row, "default_read_only")?,
        schema_exists: get(&row, "schema_exists")?,
        may_use_schema: get(&row, "may_use")?,
        may_create_in_schema: get(&row, "may_create")?,
        may_create_schema: get(&row, "may_create_schema")?,
        may_create_temporary: get(&row, "may_temporary")?,
        tables: number("tables")?,
        foreign_tables: number("strange")?,
        foreign_owner: get::<Option<String>>(&row, "strange_owner")?.map(|owner| visible(&owner)),
        ledger_exists: get(&row, "ledger")?,
        may_read_ledger: get(&row, "ledger_read")?,
        may_write_ledger: get(&row, "ledger_write")?,
        encrypted: get(&row, "encrypted")?,
    })
}

fn get<'r, T>(row: &'r PgRow, name: &str) -> Result<T, Failure>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(name).map_err(|error| failure(&error))
}

fn not_understood(what: &str) -> Failure {
    Failure::new(FailureCode::ServerError, "The server's answer could not be understood.")
        .why(format!("Its {what} is out of range."))
}

/// A text as an SQL literal that reads the same whatever `standard_conforming_strings` is.
pub(super) fn quote_literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
