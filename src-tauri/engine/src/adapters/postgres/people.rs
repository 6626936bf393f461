//! Tables that hold people who log in, and the stored hashes of their administrators.

use super::observe::json;
use super::words::identifier;
use serde::Deserialize;
use sqlx::postgres::PgConnection;

/// A table with a column of password hashes and one that tells administrators.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PeopleTable {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Column of hashes.
    pub hash: String,
    /// Condition in SQL that is true for administrators.
    pub admin: String,
    /// It is a yes or no that tells administrators, not a word.
    pub flag: bool,
    /// Row security may hide rows of it.
    pub hidden: bool,
    /// First column of the primary key.
    pub key: Option<String>,
}

/// A stored hash of an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StoredHash {
    /// Value of the key's first column.
    pub key: Option<String>,
    /// The hash as stored.
    pub hash: String,
}

/// Tables by the names of their columns: a text that sounds like a password's hash beside a role, or beside a yes or no
/// that sounds like an administrator. Those that may not be read are left out.
///
/// # Errors
/// The server's error.
pub async fn tables(connection: &mut PgConnection) -> Result<Vec<PeopleTable>, sqlx::Error> {
    let sql = r"SELECT coalesce(json_agg(json_build_object('schema', n.nspname, 'name', c.relname, 'hash', h.attname, 'key', k.attname, 'flag', a.atttypid = 'bool'::regtype, 'hidden', pg_catalog.row_security_active(c.oid),
        'admin', CASE WHEN a.atttypid = 'bool'::regtype THEN format('t.%I', a.attname)
                      ELSE format('t.%I::text ~* ''(super|admin|owner|root)''', a.attname) END)), '[]')::text
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT x.attname FROM pg_catalog.pg_attribute x
        WHERE x.attrelid = c.oid AND x.attnum > 0 AND NOT x.attisdropped AND x.atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype)
          AND lower(replace(x.attname, '_', '')) IN ('password', 'passwordhash', 'hashedpassword', 'encryptedpassword', 'passwd', 'passhash', 'passworddigest')
        ORDER BY x.attnum LIMIT 1) AS h
    CROSS JOIN LATERAL (SELECT x.attname, x.atttypid FROM pg_catalog.pg_attribute x
        WHERE x.attrelid = c.oid AND x.attnum > 0 AND NOT x.attisdropped
          AND (lower(replace(x.attname, '_', '')) IN ('role', 'roles', 'userrole', 'usertype')
               OR (x.atttypid = 'bool'::regtype AND lower(replace(x.attname, '_', '')) IN ('admin', 'isadmin', 'superuser', 'issuperuser', 'isstaff')))
        ORDER BY x.attnum LIMIT 1) AS a
    LEFT JOIN LATERAL (SELECT x.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute x ON x.attrelid = i.indrelid AND x.attnum = i.indkey[0]
        WHERE i.indrelid = c.oid AND i.indisprimary) AS k ON true
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')";
    json(connection, sql.to_owned()).await
}

/// Hashes of administrators, at most as many.
///
/// # Errors
/// The server's error.
pub async fn hashes(
    connection: &mut PgConnection,
    table: &PeopleTable,
    most: usize,
) -> Result<Vec<StoredHash>, sqlx::Error> {
    let (schema, name, hash) = (identifier(&table.schema), identifier(&table.name), identifier(&table.hash));
    let key = table.key.as_ref().map_or("NULL".to_owned(), |key| format!("t.{}::text", identifier(key)));
    let sql = format!(
        "SELECT coalesce(json_agg(json_build_object('key', q.key, 'hash', q.hash)), '[]')::text FROM (SELECT {key} AS key, t.{hash}::text AS hash FROM {schema}.{name} t WHERE ({}) AND t.{hash} IS NOT NULL ORDER BY 1 LIMIT {most}) q",
        table.admin
    );
    json(connection, sql).await
}
