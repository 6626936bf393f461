//! Reading a database out for a backup: what there is, what of it may be read, row hashes, sequences, rows.

use super::capture::PINNED;
use super::observe::json;
use super::row_hash;
use super::script::send;
use super::words::{identifier, literal, qualified};
use crate::domain::backup::{
    CopyFormat, HashDefinition, StoredLargeObjects, StoredSequence, StoredTable, TableName,
};
use crate::domain::inventory::{FoundSequence, Inventory};
use serde::Deserialize;
use sqlx::postgres::PgConnection;

/// Schemas of a Supabase project that are the platform's and not the product's
/// (supabase/cli: pkg/migration/dump.go).
const PLATFORM_SCHEMAS: [&str; 24] = [
    "_analytics",
    "_realtime",
    "_supavisor",
    "auth",
    "cron",
    "dbdev",
    "etl",
    "extensions",
    "graphql",
    "graphql_public",
    "net",
    "pgbouncer",
    "pgmq",
    "pgsodium",
    "pgsodium_masks",
    "pgtle",
    "realtime",
    "repack",
    "storage",
    "supabase_functions",
    "supabase_migrations",
    "tiger",
    "topology",
    "vault",
];

/// Begins the transaction that a backup is read in: one snapshot, nothing can be written, row security is an error
/// instead of a filter.
///
/// # Errors
/// The server's error.
pub async fn begin(
    connection: &mut PgConnection,
    snapshot: Option<&str>,
    lock_timeout_ms: u32,
) -> Result<(), sqlx::Error> {
    let join =
        snapshot.map_or(String::new(), |snapshot| format!("SET TRANSACTION SNAPSHOT {};", literal(snapshot)));
    send(
        connection,
        format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {join} SET LOCAL row_security = off; \
             SET LOCAL search_path = pg_catalog, pg_temp; \
             SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {lock_timeout_ms}; {PINNED}"
        ),
    )
    .await
}

/// What there is, in one round trip.
///
/// # Errors
/// The server's error.
pub async fn inventory(connection: &mut PgConnection) -> Result<Inventory, sqlx::Error> {
    let platform = PLATFORM_SCHEMAS.map(literal).join(",");
    let version = connection.server_version_num().unwrap_or(0);
    let generated = if version >= 120_000 { "a.attgenerated <> ''" } else { "false" };
    let snapshot = if version >= 130_000 {
        "pg_catalog.pg_current_snapshot()"
    } else {
        "pg_catalog.txid_current_snapshot()"
    };
    let query = format!(
        "WITH platform AS (SELECT n.oid FROM pg_catalog.pg_namespace n \
             WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = 'supabase_admin') \
               AND (n.nspname IN ({platform}) OR n.nspname LIKE '\\_timescaledb\\_%' OR n.nspname LIKE 'timescaledb\\_%')), \
         space AS (SELECT n.oid, n.nspname::text AS name FROM pg_catalog.pg_namespace n \
             WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.oid NOT IN (SELECT oid FROM platform)), \
         of_extension AS (SELECT d.objid FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e') \
         SELECT pg_catalog.json_build_object( \
         'relations', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object( \
             'schema', s.name, 'name', c.relname, 'kind', c.relkind::text, \
             'may_read', pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'), \
             'ancestors', (WITH RECURSIVE up(oid) AS (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid AND c.relispartition \
                 UNION ALL SELECT i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid) \
                 SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('schema', un.nspname, 'name', u.relname)), '[]') \
                 FROM up JOIN pg_catalog.pg_class u USING (oid) JOIN pg_catalog.pg_namespace un ON un.oid = u.relnamespace), \
             'hidden', c.relkind IN ('r','p') AND pg_catalog.row_security_active(c.oid), \
             'rows', c.reltuples::float8, 'bytes', CASE WHEN c.relkind IN ('r','m') THEN pg_catalog.pg_table_size(c.oid) ELSE 0 END::float8, \
             'toast_bytes', CASE WHEN c.relkind IN ('r','m') AND c.reltoastrelid <> 0 THEN pg_catalog.pg_relation_size(c.reltoastrelid) ELSE 0 END::float8, \
             'columns', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, \
                 'type_name', pg_catalog.format_type(a.atttypid, a.atttypmod), 'generated', {generated}, \
                 'by_number', t.typtype = 'c' OR t.typsend = 0 OR t.typreceive = 0 \
                     OR (t.typtype = 'b' AND t.typname ~ '^reg' AND t.oid < 16384) \
                     OR (t.typcategory = 'A' AND t.typelem >= 16384) OR (t.typcategory = 'A' AND e.typname ~ '^reg')) \
                 ORDER BY a.attnum), '[]') FROM pg_catalog.pg_attribute a \
                 JOIN pg_catalog.pg_type o ON o.oid = a.atttypid \
                 JOIN pg_catalog.pg_type t ON t.oid = (WITH RECURSIVE base(oid, up) AS (SELECT o.oid, o.typbasetype \
                     UNION ALL SELECT b.oid, b.typbasetype FROM base JOIN pg_catalog.pg_type b ON b.oid = base.up WHERE base.up <> 0) \
                     SELECT oid FROM base WHERE up = 0) \
                 LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem \
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), \
             'key', coalesce((SELECT k.columns FROM (SELECT x.indisprimary, x.indexrelid, \
                     pg_catalog.json_agg(a.attname ORDER BY u.place) AS columns, bool_and(a.attnotnull) AS whole \
                 FROM pg_catalog.pg_index x CROSS JOIN LATERAL unnest(x.indkey::int2[]) WITH ORDINALITY u(number, place) \
                 LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = u.number \
                 WHERE x.indrelid = c.oid AND x.indisunique AND x.indisvalid AND x.indimmediate AND x.indpred IS NULL \
                   AND x.indexprs IS NULL AND u.place <= x.indnkeyatts \
                 GROUP BY x.indexrelid, x.indisprimary) k WHERE k.whole ORDER BY k.indisprimary DESC, k.indexrelid LIMIT 1), '[]')) \
             ORDER BY s.name, c.relname), '[]') \
           FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace \
           WHERE c.relkind IN ('r','p','f','m') AND c.relpersistence <> 't' AND c.oid NOT IN (SELECT objid FROM of_extension)), \
         'sequences', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('schema', s.name, 'name', c.relname, \
             'may_read', pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') AND pg_catalog.has_sequence_privilege(c.oid, 'SELECT'), \
             'owner', (SELECT pg_catalog.json_build_array(rn.nspname, r.relname) FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class r ON r.oid = d.refobjid \
                 JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace \
                 WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.refobjsubid > 0 AND d.deptype IN ('a','i') LIMIT 1), \
             'increment', q.seqincrement::text) ORDER BY s.name, c.relname), '[]') \
           FROM pg_catalog.pg_sequence q JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid JOIN space s ON s.oid = c.relnamespace \
           WHERE c.relpersistence <> 't' AND c.oid NOT IN (SELECT objid FROM of_extension)), \
         'schemas', (SELECT coalesce(pg_catalog.json_agg(name ORDER BY name), '[]') FROM space WHERE NOT EXISTS \
             (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.objid = space.oid AND d.deptype = 'e')), \
         'platform_schemas', (SELECT coalesce(pg_catalog.json_agg(n.nspname ORDER BY n.nspname), '[]') FROM pg_catalog.pg_namespace n JOIN platform USING (oid)), \
         'large_objects', (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata)::int4, \
         'may_read_large_objects', coalesce((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), false) \
             OR NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata m WHERE NOT pg_catalog.pg_has_role(m.lomowner, 'USAGE')), \
         'others', (SELECT coalesce(pg_catalog.json_agg(w), '[]') FROM ( \
             SELECT 'event trigger ' || evtname AS w FROM pg_catalog.pg_event_trigger \
             UNION ALL SELECT 'publication ' || pubname FROM pg_catalog.pg_publication) o), \
         'extension_tables', (SELECT count(*) FROM pg_catalog.pg_class c JOIN of_extension x ON x.objid = c.oid WHERE c.relkind = 'r')::int4, \
         'encoding', pg_catalog.current_setting('server_encoding'), \
         'collate', (SELECT datcollate::text FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()), \
         'ctype', (SELECT datctype::text FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()), \
         'now', pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
         'snapshot', {snapshot}::text)::text"
    );
    json(connection, query).await
}

/// Bytes that a server can write as one row: a little less than its largest buffer of 1 GB.
const WIDEST_ROW: u64 = (1 << 30) - (1 << 16);
/// Packed values take up to some 250 times less; below this no row can be too wide.
const TOAST_OF_A_WIDE_ROW: f64 = 2.0 * 1024.0 * 1024.0;
/// Bytes of a table without its large values up to which it is looked through.
const LOOKED_THROUGH: f64 = 256.0 * 1024.0 * 1024.0;

/// Which of these tables have a row that is too large to be read out: as text (`pg_dump`) or in binary. Looks at the
/// lengths of `bytea` and text values alone, which the server knows without unpacking them, and only at tables that
/// are small but for such values; of others it is only found out when they are read.
///
/// # Errors
/// The server's error.
pub async fn too_wide(
    connection: &mut PgConnection,
    inventory: &Inventory,
    tables: &[StoredTable],
    as_text: bool,
) -> Result<Vec<TableName>, sqlx::Error> {
    let mut found = Vec::new();
    for table in tables {
        let relation = inventory.relations.iter().find(|relation| relation.table() == table.table);
        let suspect = relation.is_some_and(|relation| {
            relation.toast_bytes >= TOAST_OF_A_WIDE_ROW
                && relation.bytes - relation.toast_bytes <= LOOKED_THROUGH
        });
        let lengths: Vec<String> = table
            .columns
            .iter()
            .filter(|column| !column.generated)
            .filter_map(|column| {
                let factor = match column.type_name.as_str() {
                    "bytea" if as_text => 2,
                    "bytea" | "text" | "character varying" => 1,
                    _ => return None,
                };
                Some(format!(
                    "{factor} * coalesce(pg_catalog.octet_length(t.{})::int8, 0)",
                    identifier(&column.name)
                ))
            })
            .collect();
        if !suspect || lengths.is_empty() {
            continue;
        }
        let query = format!(
            "SELECT pg_catalog.to_json(coalesce(max({}), 0) > {WIDEST_ROW})::text FROM ONLY {} AS t",
            lengths.join(" + "),
            qualified(&table.table.schema, &table.table.name)
        );
        if json::<bool>(connection, query).await? {
            found.push(table.table.clone());
        }
    }
    Ok(found)
}

/// As [`inventory`], in a transaction of its own.
///
/// # Errors
/// The server's error.
pub async fn inventory_now(connection: &mut PgConnection) -> Result<Inventory, sqlx::Error> {
    // Names of types are written in full, as in a backup.
    send(connection, "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp".to_owned()).await?;
    let found = inventory(connection).await;
    send(connection, "ROLLBACK".to_owned()).await?;
    found
}

/// Where sequences stand.
///
/// # Errors
/// The server's error.
pub async fn sequences(
    connection: &mut PgConnection,
    found: &[FoundSequence],
) -> Result<Vec<StoredSequence>, sqlx::Error> {
    #[derive(Deserialize)]
    struct Stand {
        last: String,
        called: bool,
    }
    let mut stored = Vec::with_capacity(found.len());
    for part in found.chunks(500) {
        let queries: Vec<String> = part
            .iter()
            .enumerate()
            .map(|(number, each)| {
                format!(
                    "SELECT {number} AS n, last_value::text AS last, is_called AS called FROM {}",
                    qualified(&each.schema, &each.name)
                )
            })
            .collect();
        let stands: Vec<Stand> = json(
            connection,
            format!(
                "SELECT coalesce(pg_catalog.json_agg(s ORDER BY s.n), '[]')::text FROM ({}) s",
                queries.join(" UNION ALL ")
            ),
        )
        .await?;
        stored.extend(part.iter().zip(stands).map(|(each, stand)| StoredSequence {
            sequence: TableName::new(&each.schema, &each.name),
            owner: each.owner.as_ref().map(|(schema, name)| TableName::new(schema, name)),
            last_value: stand.last,
            is_called: stand.called,
            increment: each.increment.clone(),
        }));
    }
    Ok(stored)
}

/// Number of rows and their hash, of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSum {
    /// Rows of the table alone.
    pub rows: u64,
    /// Their hash, by the definition that was asked for.
    pub hash: String,
}

/// Counts and hashes the rows of some tables in one statement.
///
/// # Errors
/// The server's error; see [`is_too_large`].
pub async fn row_sums(
    connection: &mut PgConnection,
    definition: HashDefinition,
    tables: &[&StoredTable],
) -> Result<Vec<RowSum>, sqlx::Error> {
    #[derive(Deserialize)]
    struct Sum {
        rows: String,
        hash: String,
    }
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let queries: Vec<String> = tables
        .iter()
        .enumerate()
        .map(|(number, table)| {
            format!(
                "SELECT {number} AS n, count(*)::text AS rows, coalesce(sum({}), 0)::text AS hash FROM ONLY {} AS t",
                row_hash::of_row(definition, "t", table),
                qualified(&table.table.schema, &table.table.name)
            )
        })
        .collect();
    let sums: Vec<Sum> = json(
        connection,
        format!(
            "SELECT pg_catalog.json_agg(pg_catalog.json_build_object('rows', s.rows, 'hash', s.hash) ORDER BY s.n)::text FROM ({}) s",
            queries.join(" UNION ALL ")
        ),
    )
    .await?;
    Ok(sums.into_iter().map(|sum| RowSum { rows: sum.rows.parse().unwrap_or(0), hash: sum.hash }).collect())
}

/// Number and hash of all large objects, inside of an open transaction.
///
/// # Errors
/// The server's error; one that is too large for a hash is none.
pub async fn large_objects(connection: &mut PgConnection) -> Result<StoredLargeObjects, sqlx::Error> {
    #[derive(Deserialize)]
    struct Sum {
        count: String,
        hash: String,
    }
    let all = "SELECT pg_catalog.json_build_object('count', count(*)::text, 'hash', coalesce(sum(pg_catalog.hashtextextended( \
        (m.oid::text || ' ' || pg_catalog.encode(pg_catalog.lo_get(m.oid), 'hex')) COLLATE pg_catalog.\"C\", 0)), 0)::text)::text \
        FROM pg_catalog.pg_largeobject_metadata m";
    send(connection, "SAVEPOINT drydock_sum".to_owned()).await?;
    match json::<Sum>(connection, all.to_owned()).await {
        Ok(sum) => Ok(StoredLargeObjects { count: sum.count.parse().unwrap_or(0), hash: Some(sum.hash) }),
        Err(error) if is_too_large(&error) => {
            send(connection, "ROLLBACK TO SAVEPOINT drydock_sum".to_owned()).await?;
            let count: String = json(
                connection,
                "SELECT pg_catalog.to_json(count(*)::text)::text FROM pg_catalog.pg_largeobject_metadata"
                    .to_owned(),
            )
            .await?;
            Ok(StoredLargeObjects { count: count.parse().unwrap_or(0), hash: None })
        }
        Err(error) => Err(error),
    }
}

/// Only the number of rows.
///
/// # Errors
/// The server's error.
pub async fn row_count(connection: &mut PgConnection, table: &TableName) -> Result<u64, sqlx::Error> {
    let count: String = json(
        connection,
        format!(
            "SELECT pg_catalog.to_json(count(*)::text)::text FROM ONLY {} AS t",
            qualified(&table.schema, &table.name)
        ),
    )
    .await?;
    Ok(count.parse().unwrap_or(0))
}

/// Whether an error says that a row is too large to be written as text.
pub fn is_too_large(error: &sqlx::Error) -> bool {
    let code = super::script::code(error).unwrap_or_default();
    code == "54000"
        || (code == "XX000" && error.to_string().contains("invalid memory alloc request size"))
        || code == "53200"
}

/// The columns of a table whose values are stored, in brackets; with none of them, empty brackets are no SQL, so
/// nothing.
pub fn column_list(table: &StoredTable) -> String {
    let columns: Vec<String> = table
        .columns
        .iter()
        .filter(|column| !column.generated)
        .map(|column| identifier(&column.name))
        .collect();
    if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) }
}

/// The statement that reads a table's rows out.
pub fn copy_out(table: &StoredTable) -> String {
    format!(
        "COPY {}{} TO STDOUT{}",
        qualified(&table.table.schema, &table.table.name),
        column_list(table),
        format_words(table.format)
    )
}

/// The statement that reads rows into a table of that name. `fresh`: the table was made or emptied in the same
/// transaction, so its rows are written as old ones: nobody else can see the table before the transaction ends, and
/// they need no second look.
pub fn copy_in(into: &str, table: &StoredTable, fresh: bool) -> String {
    let words = match (table.format, fresh) {
        (CopyFormat::Binary, false) => " WITH (FORMAT binary)",
        (CopyFormat::Binary, true) => " WITH (FORMAT binary, FREEZE)",
        (CopyFormat::Text, false) => "",
        (CopyFormat::Text, true) => " WITH (FREEZE)",
    };
    format!("COPY {into}{} FROM STDIN{words}", column_list(table))
}

fn format_words(format: CopyFormat) -> &'static str {
    match format {
        CopyFormat::Binary => " WITH (FORMAT binary)",
        CopyFormat::Text => "",
    }
}
