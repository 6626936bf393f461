//! Indexes of emptied tables: out of the way while many rows are read in, and made again afterwards, in the same
//! transaction of the caller's. Sorting all rows once is far less work than finding a place for each of them.
//!
//! Only an index that comes back exactly as it was is touched. One that carries more than its definition stays and
//! grows with the rows: on expressions (they have statistics of their own), of a partitioned index, clustered on,
//! a replica identity, in another tablespace, deferrable, an exclusion, not valid, or with anything built on it. All of
//! it is tried first, while the tables are empty.

use crate::adapters::postgres::observe::json;
use crate::adapters::postgres::script::{is_lost, send};
use crate::adapters::postgres::words::{identifier, literal, qualified};
use crate::domain::backup::StoredTable;
use serde::Deserialize;
use sqlx::postgres::PgConnection;

/// Rows from which it is worth it.
const MANY_ROWS: u64 = 10_000;

/// Indexes that are made again after the rows.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Indexes {
    list: Vec<Index>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Index {
    schema: String,
    table: String,
    name: String,
    definition: String,
    comment: Option<String>,
    /// `p` or `u` where a constraint of the same name owns it.
    constraint: Option<String>,
    constraint_comment: Option<String>,
}

impl Indexes {
    /// Takes those of emptied tables out of the way; references have to be gone already. Where they do not come back
    /// as they are, because of a right or of what somebody hung on such commands, all of them stay.
    ///
    /// # Errors
    /// The server's error.
    pub(super) async fn put_aside(
        connection: &mut PgConnection,
        tables: &[StoredTable],
    ) -> Result<Self, sqlx::Error> {
        let indexes = Self::read(connection, tables).await?;
        if indexes.list.is_empty() {
            return Ok(indexes);
        }
        send(connection, "SAVEPOINT drydock_indexes".to_owned()).await?;
        let tried = async {
            indexes.clear(connection).await?;
            indexes.put_back(connection).await?;
            Self::read(connection, tables).await
        };
        let tried = tried.await;
        if let Err(error) = &tried
            && is_lost(error)
        {
            return tried;
        }
        // Rows may only be written as old ones outside of it.
        let back = "ROLLBACK TO SAVEPOINT drydock_indexes; RELEASE SAVEPOINT drydock_indexes";
        send(connection, back.to_owned()).await?;
        if tried.is_ok_and(|again| again == indexes) {
            indexes.clear(connection).await?;
            return Ok(indexes);
        }
        Ok(Self::default())
    }

    async fn read(connection: &mut PgConnection, tables: &[StoredTable]) -> Result<Self, sqlx::Error> {
        let names: Vec<String> = tables
            .iter()
            .filter(|table| table.rows >= MANY_ROWS)
            .map(|table| format!("({},{})", literal(&table.table.schema), literal(&table.table.name)))
            .collect();
        if names.is_empty() {
            return Ok(Self::default());
        }
        json(
            connection,
            format!(
                "WITH own AS (SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name FROM pg_catalog.pg_class c \
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE (n.nspname::text, c.relname::text) IN ({}) AND c.relkind = 'r' \
                     AND pg_catalog.pg_has_role(c.relowner, 'USAGE') AND pg_catalog.has_schema_privilege(n.oid, 'CREATE')) \
                 SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('schema', o.schema, 'table', o.name, 'name', i.relname, \
                     'definition', pg_catalog.pg_get_indexdef(i.oid), 'comment', pg_catalog.obj_description(i.oid, 'pg_class'), \
                     'constraint', k.contype::text, 'constraint_comment', pg_catalog.obj_description(k.oid, 'pg_constraint')) ORDER BY i.oid), '[]')::text \
                 FROM own o JOIN pg_catalog.pg_index x ON x.indrelid = o.oid JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
                 LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.oid AND k.contype IN ('p','u','x') \
                 WHERE i.relkind = 'i' AND i.reltablespace = 0 AND x.indexprs IS NULL AND x.indisvalid AND x.indisready AND x.indislive \
                   AND x.indimmediate AND NOT x.indisexclusion AND NOT x.indisclustered AND NOT x.indisreplident \
                   AND (k.oid IS NULL OR (k.contype <> 'x' AND NOT k.condeferrable AND k.conname = i.relname AND k.conislocal AND k.coninhcount = 0)) \
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.oid) \
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = i.oid) \
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.refobjid = k.oid \
                       AND NOT (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.oid)) \
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype IN ('e','x') \
                       AND ((d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.oid) \
                         OR (d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid = k.oid))) \
                   AND NOT (x.indisunique AND EXISTS (SELECT FROM pg_catalog.pg_index y WHERE y.indrelid = x.indrelid AND y.indexrelid <> x.indexrelid \
                       AND y.indisunique AND y.indkey::int2[] @> x.indkey::int2[] AND y.indkey::int2[] <@ x.indkey::int2[]))",
                names.join(",")
            ),
        )
        .await
    }

    async fn clear(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let sql: Vec<String> = self
            .list
            .iter()
            .map(|index| match index.constraint {
                Some(_) => format!(
                    "ALTER TABLE ONLY {} DROP CONSTRAINT {}",
                    qualified(&index.schema, &index.table),
                    identifier(&index.name)
                ),
                None => format!("DROP INDEX {}", qualified(&index.schema, &index.name)),
            })
            .collect();
        if sql.is_empty() { Ok(()) } else { send(connection, sql.join(";")).await }
    }

    /// Makes them again, in the order in which they were made.
    ///
    /// # Errors
    /// The server's error, as for rows that a unique index refuses.
    pub(super) async fn put_back(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.list.is_empty() {
            return Ok(());
        }
        send(connection, "SET LOCAL default_tablespace = ''".to_owned()).await?;
        for index in &self.list {
            send(connection, index.again().join(";")).await?;
        }
        Ok(())
    }
}

impl Index {
    fn again(&self) -> Vec<String> {
        let (table, name) = (qualified(&self.schema, &self.table), identifier(&self.name));
        let mut sql = vec![self.definition.clone()];
        if let Some(kind) = &self.constraint {
            let kind = if kind == "p" { "PRIMARY KEY" } else { "UNIQUE" };
            sql.push(format!("ALTER TABLE ONLY {table} ADD CONSTRAINT {name} {kind} USING INDEX {name}"));
        }
        if let Some(comment) = &self.constraint_comment {
            sql.push(format!("COMMENT ON CONSTRAINT {name} ON {table} IS {}", literal(comment)));
        }
        if let Some(comment) = &self.comment {
            let index = qualified(&self.schema, &self.name);
            sql.push(format!("COMMENT ON INDEX {index} IS {}", literal(comment)));
        }
        sql
    }
}
