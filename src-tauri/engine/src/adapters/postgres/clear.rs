//! Taking everything of the product's out of a database, object by object, so that a dump of it can be read back in
//! the same transaction. Extensions stay as they are.

use super::observe::json;
use super::words::literal;
use sqlx::postgres::PgConnection;

/// The statements that drop what is in these schemas, and what of the whole database a dump makes again:
/// publications, event triggers, large objects. Objects of extensions are left.
///
/// # Errors
/// The server's error.
pub async fn drops(connection: &mut PgConnection, schemas: &[String]) -> Result<Vec<String>, sqlx::Error> {
    let list: Vec<String> = schemas.iter().map(|schema| literal(schema)).collect();
    let member = |class: &str, oid: &str| {
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.{class}'::pg_catalog.regclass AND d.objid = {oid} AND d.deptype = 'e')"
        )
    };
    let query = format!(
        "WITH space AS (SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname::text IN ({schemas})) \
         SELECT coalesce(pg_catalog.json_agg(sql ORDER BY step, sql), '[]')::text FROM ( \
           SELECT 1 AS step, pg_catalog.format('DROP EVENT TRIGGER IF EXISTS %I', e.evtname) AS sql FROM pg_catalog.pg_event_trigger e WHERE NOT {event} \
           UNION ALL SELECT 1, pg_catalog.format('DROP PUBLICATION IF EXISTS %I', p.pubname) FROM pg_catalog.pg_publication p WHERE NOT {publication} \
           UNION ALL SELECT 2, pg_catalog.format('DROP %s IF EXISTS %I.%I CASCADE', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' \
               WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, s.nspname, c.relname) \
             FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace \
             WHERE c.relkind IN ('r','p','v','m','f','S') AND NOT c.relispartition AND NOT {class} \
               AND (c.relkind <> 'S' OR NOT EXISTS (SELECT FROM pg_catalog.pg_depend i WHERE i.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.objid = c.oid AND i.deptype = 'i')) \
           UNION ALL SELECT 3, pg_catalog.format('DROP %s IF EXISTS %I.%I(%s) CASCADE', CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END, \
               s.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)) \
             FROM pg_catalog.pg_proc p JOIN space s ON s.oid = p.pronamespace WHERE NOT {proc} \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend i WHERE i.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND i.objid = p.oid AND i.deptype = 'i') \
           UNION ALL SELECT 4, pg_catalog.format('DROP %s IF EXISTS %I.%I CASCADE', CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, s.nspname, t.typname) \
             FROM pg_catalog.pg_type t JOIN space s ON s.oid = t.typnamespace LEFT JOIN pg_catalog.pg_class r ON r.oid = t.typrelid \
             WHERE (t.typtype IN ('d','e','r') OR (t.typtype = 'c' AND r.relkind = 'c')) AND NOT {kind} \
           UNION ALL SELECT 5, pg_catalog.format('DROP COLLATION IF EXISTS %I.%I CASCADE', s.nspname, c.collname) \
             FROM pg_catalog.pg_collation c JOIN space s ON s.oid = c.collnamespace WHERE NOT {collation} \
           UNION ALL SELECT 6, pg_catalog.format('DROP SCHEMA IF EXISTS %I CASCADE', s.nspname) FROM space s \
             WHERE s.nspname <> 'public' AND NOT EXISTS (SELECT FROM pg_catalog.pg_extension x WHERE x.extnamespace = s.oid) \
           UNION ALL SELECT 7, pg_catalog.format('SELECT pg_catalog.lo_unlink(%s)', m.oid) FROM pg_catalog.pg_largeobject_metadata m) all_of_it",
        schemas = list.join(","),
        event = member("pg_event_trigger", "e.oid"),
        publication = member("pg_publication", "p.oid"),
        class = member("pg_class", "c.oid"),
        proc = member("pg_proc", "p.oid"),
        kind = member("pg_type", "t.oid"),
        collation = member("pg_collation", "c.oid"),
    );
    json(connection, query).await
}
