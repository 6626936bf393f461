//! Rows for any schema: tables in the order of their references, a value a type, references to rows that are there.

use super::harness::{lines, one, run};
use sqlx::PgConnection;
use std::collections::BTreeSet;

/// Adds up to `rows` rows to every table; answers how many there are then. A table that refuses its rows stays empty.
pub async fn fill(connection: &mut PgConnection, rows: u32) -> u64 {
    run(connection, "SELECT setseed(0.5)").await;
    let mut open: BTreeSet<String> = lines(
        connection,
        "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> '_prisma_migrations'",
    )
    .await
    .into_iter()
    .collect();
    let mut total = 0;
    while !open.is_empty() {
        let mut done = Vec::new();
        for table in &open {
            let parents = lines(
                connection,
                &format!("SELECT DISTINCT quote_ident(r.relname) FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid WHERE f.contype = 'f' AND f.conrelid = '{table}'::regclass"),
            )
            .await;
            if parents.iter().any(|parent| parent != table && open.contains(parent)) {
                continue;
            }
            total += fill_one(connection, table, rows).await;
            done.push(table.clone());
        }
        if done.is_empty() {
            break;
        }
        for table in done {
            open.remove(&table);
        }
    }
    total
}

async fn fill_one(connection: &mut PgConnection, table: &str, rows: u32) -> u64 {
    let columns = lines(
        connection,
        &format!(
            "SELECT quote_ident(a.attname) || E'\\t' || coalesce( \
               (SELECT CASE WHEN f.confrelid = f.conrelid THEN 'NULL' ELSE format('(SELECT r.%I FROM %s r ORDER BY r.%I OFFSET (i * 7) %% (SELECT greatest(count(*), 1) FROM %s) LIMIT 1)', \
                   ra.attname, f.confrelid::regclass, ra.attname, f.confrelid::regclass) END \
                FROM pg_constraint f JOIN pg_attribute ra ON ra.attrelid = f.confrelid AND ra.attnum = f.confkey[1] \
                WHERE f.contype = 'f' AND f.conrelid = a.attrelid AND f.conkey[1] = a.attnum AND array_length(f.conkey, 1) = 1 LIMIT 1), \
               CASE WHEN t.typtype = 'e' THEN format('(SELECT enumlabel FROM pg_enum WHERE enumtypid = %s ORDER BY enumsortorder OFFSET i %% (SELECT count(*) FROM pg_enum WHERE enumtypid = %s) LIMIT 1)::%s', t.oid, t.oid, t.oid::regtype) \
                    WHEN t.typcategory = 'A' THEN format('''{{}}''::%s', format_type(a.atttypid, a.atttypmod)) \
                    WHEN t.typname IN ('int2','int4','int8','float4','float8','numeric') THEN 'i' \
                    WHEN t.typname = 'bool' THEN '(i % 2 = 0)' \
                    WHEN t.typname IN ('json','jsonb') THEN 'json_build_object(''n'', i)' \
                    WHEN t.typname IN ('timestamp','timestamptz','date') THEN 'timestamp ''2026-01-01'' + i * interval ''1 minute''' \
                    WHEN t.typname = 'uuid' THEN 'md5(i::text)::uuid' \
                    WHEN t.typname = 'bytea' THEN 'decode(md5(i::text), ''hex'')' \
                    ELSE '''r'' || i' END) \
             FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
             WHERE a.attrelid = '{table}'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity = '' \
               AND NOT (a.atthasdef AND EXISTS (SELECT FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval%')) \
             ORDER BY a.attnum"
        ),
    )
    .await;
    let pairs: Vec<(&str, &str)> = columns.iter().filter_map(|line| line.split_once('\t')).collect();
    let names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
    let values: Vec<String> = pairs.iter().map(|(_, value)| (*value).to_owned()).collect();
    let insert = if names.is_empty() {
        format!("INSERT INTO {table} SELECT FROM generate_series(1, {rows}) i")
    } else {
        format!(
            "INSERT INTO {table} ({}) SELECT {} FROM generate_series(1, {rows}) i ON CONFLICT DO NOTHING",
            names.join(", "),
            values.join(", ")
        )
    };
    let sent = sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mut *connection).await;
    drop(sent);
    one(connection, &format!("SELECT count(*)::text FROM {table}")).await.parse().unwrap()
}
