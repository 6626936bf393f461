//! Reads what has to be known of tables before their rows are written, compared or taken back.

use super::observe::json;
use super::words::literal;
use crate::domain::tables::TableFacts;
use sqlx::postgres::PgConnection;

/// Which tables to read.
#[derive(Debug, Clone)]
pub enum Which<'a> {
    /// By schema and name.
    Named(&'a [(String, String)]),
    /// By oid.
    Oids(&'a [u32]),
    /// All that refer to these tables.
    Referring(&'a [u32]),
}

/// Reads tables in one round trip; those that do not exist are left out.
///
/// # Errors
/// The server's error.
pub async fn read(connection: &mut PgConnection, which: Which<'_>) -> Result<Vec<TableFacts>, sqlx::Error> {
    let list = |oids: &[u32]| oids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let condition = match which {
        Which::Named([]) | Which::Oids([]) | Which::Referring([]) => {
            return Ok(Vec::new());
        }
        Which::Named(names) => {
            let names: Vec<String> = names
                .iter()
                .map(|(schema, name)| format!("({},{})", literal(schema), literal(name)))
                .collect();
            format!("(n.nspname::text, c.relname::text) IN ({})", names.join(","))
        }
        Which::Oids(oids) => format!("c.oid IN ({})", list(oids)),
        Which::Referring(oids) => format!(
            "c.oid IN (SELECT conrelid FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid IN ({}))",
            list(oids)
        ),
    };
    json(connection, format!("{FACTS} AND {condition}")).await
}

const FACTS: &str = "SELECT coalesce(json_agg(json_build_object(
 'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind::text,
 'root', CASE WHEN c.relispartition THEN (WITH RECURSIVE up(oid) AS (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid
    UNION ALL SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN up ON i.inhrelid = up.oid JOIN pg_catalog.pg_class p ON p.oid = up.oid AND p.relispartition)
    SELECT up.oid::bigint FROM up JOIN pg_catalog.pg_class p ON p.oid = up.oid WHERE NOT p.relispartition) END,
 'has_children', c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid),
 'columns', (SELECT coalesce(json_agg(json_build_object('name', a.attname, 'type_name', pg_catalog.format_type(a.atttypid, a.atttypmod),
    'category', coalesce(b.typcategory, t.typcategory)::text, 'base_type', pg_catalog.format_type(coalesce(b.oid, t.oid), NULL),
    'not_null', a.attnotnull OR t.typnotnull, 'has_default', (a.atthasdef AND a.attgenerated = '') OR a.attidentity <> '',
    'volatile_default', a.attidentity <> '' OR coalesce(a.attgenerated = '' AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~* '\\m(nextval|now|random|gen_random_\\w+|uuid_generate_\\w+|uuidv\\d|clock_timestamp|statement_timestamp|transaction_timestamp|current_\\w+|localtime\\w*|txid_current|timeofday)\\M', false),
    'generated', a.attgenerated <> '', 'identity_always', a.attidentity = 'a',
    'labels', (SELECT coalesce(json_agg(e.enumlabel ORDER BY e.enumsortorder), '[]') FROM pg_catalog.pg_enum e WHERE e.enumtypid = coalesce(b.oid, t.oid)),
    'equals', coalesce((SELECT pg_catalog.format('OPERATOR(%I.%s)', xn.nspname, xo.oprname) FROM pg_catalog.pg_opclass k JOIN pg_catalog.pg_amop m ON m.amopfamily = k.opcfamily AND m.amopstrategy = 3 AND m.amoplefttype = k.opcintype AND m.amoprighttype = k.opcintype
       JOIN pg_catalog.pg_operator xo ON xo.oid = m.amopopr JOIN pg_catalog.pg_namespace xn ON xn.oid = xo.oprnamespace WHERE k.opcmethod = 403 AND k.opcdefault AND k.opcintype = coalesce(b.oid, t.oid) LIMIT 1), 'OPERATOR(pg_catalog.=)'))
    ORDER BY a.attnum), '[]') FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
 'primary_key', (SELECT coalesce(json_agg(a.attname ORDER BY k.place), '[]') FROM pg_catalog.pg_index x, LATERAL unnest(x.indkey::int2[]) WITH ORDINALITY k(number, place)
    JOIN pg_catalog.pg_attribute a ON a.attnum = k.number WHERE a.attrelid = c.oid AND x.indrelid = c.oid AND x.indisprimary AND x.indisvalid AND k.place <= x.indnkeyatts),
 'unique', (SELECT coalesce(json_agg(u.columns), '[]') FROM (SELECT json_agg(a.attname ORDER BY k.place) AS columns FROM pg_catalog.pg_index x, LATERAL unnest(x.indkey::int2[]) WITH ORDINALITY k(number, place)
    JOIN pg_catalog.pg_attribute a ON a.attnum = k.number WHERE a.attrelid = c.oid AND x.indrelid = c.oid AND x.indisunique AND x.indisvalid AND x.indimmediate AND x.indpred IS NULL AND x.indexprs IS NULL AND k.place <= x.indnkeyatts GROUP BY x.indexrelid ORDER BY x.indexrelid) u),
 'references', (SELECT coalesce(json_agg(json_build_object('name', f.conname, 'table', f.confrelid::bigint, 'schema', rn.nspname, 'table_name', rc.relname, 'on_delete', f.confdeltype::text, 'deferrable', f.condeferrable,
    'columns', (SELECT json_agg(a.attname ORDER BY k.place) FROM unnest(f.conkey) WITH ORDINALITY k(number, place) JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number),
    'referenced', (SELECT json_agg(a.attname ORDER BY k.place) FROM unnest(f.confkey) WITH ORDINALITY k(number, place) JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.number)) ORDER BY f.conname), '[]')
    FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class rc ON rc.oid = f.confrelid JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace WHERE f.conrelid = c.oid AND f.contype = 'f'),
 'hidden_rows', c.relkind IN ('r','p') AND pg_catalog.row_security_active(c.oid),
 'may_select', pg_catalog.has_table_privilege(c.oid, 'SELECT'), 'may_insert', pg_catalog.has_table_privilege(c.oid, 'INSERT'),
 'may_update', pg_catalog.has_table_privilege(c.oid, 'UPDATE'), 'may_delete', pg_catalog.has_table_privilege(c.oid, 'DELETE'),
 'rows', c.reltuples::float8, 'file', pg_catalog.pg_relation_filenode(c.oid)::bigint) ORDER BY c.oid), '[]')::text
 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p','f','v','m')";
