//! Puts the rows of tables back, in one transaction of the caller's: references and triggers are out of the way
//! while rows are replaced and are back before anything is compared. No superuser is needed for it.

use super::Meter;
use super::load::Opened;
use super::reading::Reading;
use crate::adapters::postgres::observe::json;
use crate::adapters::postgres::script::send;
use crate::adapters::postgres::words::{identifier, literal, qualified};
use crate::adapters::sandbox::Toolkit;
use crate::domain::Failure;
use crate::domain::backup::{StoredSequence, StoredTable, TableName};
use serde::Deserialize;
use sqlx::postgres::PgConnection;

/// What stands in the way of replacing rows of some tables, and comes back afterwards.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Aside {
    /// References from and to these tables.
    references: Vec<Reference>,
    /// Triggers of people, by table, as they are switched.
    triggers: Vec<Switched>,
    /// Tables whose row security binds their owner.
    forced: Vec<(String, String)>,
}

#[derive(Debug, Clone, Deserialize)]
struct Reference {
    schema: String,
    table: String,
    name: String,
    definition: String,
    comment: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Switched {
    schema: String,
    table: String,
    name: String,
    enabled: String,
}

impl Aside {
    /// Reads what stands in the way.
    ///
    /// # Errors
    /// The server's error.
    pub async fn read(connection: &mut PgConnection, tables: &[TableName]) -> Result<Self, sqlx::Error> {
        let names: Vec<String> = tables
            .iter()
            .map(|table| format!("({},{})", literal(&table.schema), literal(&table.name)))
            .collect();
        if names.is_empty() {
            return Ok(Self::default());
        }
        json(
            connection,
            format!(
                "WITH RECURSIVE own AS (SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relforcerowsecurity AS forced FROM pg_catalog.pg_class c \
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE (n.nspname::text, c.relname::text) IN ({})), \
                 up(oid) AS (SELECT oid FROM own UNION SELECT i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid) \
                 SELECT pg_catalog.json_build_object( \
                 'references', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('schema', n.nspname, 'table', c.relname, 'name', f.conname, \
                     'definition', pg_catalog.pg_get_constraintdef(f.oid), 'comment', pg_catalog.obj_description(f.oid, 'pg_constraint')) ORDER BY f.oid), '[]') \
                     FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class c ON c.oid = f.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                     WHERE f.contype = 'f' AND f.conparentid = 0 AND (f.conrelid IN (SELECT oid FROM up) OR f.confrelid IN (SELECT oid FROM up))), \
                 'triggers', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('schema', o.schema, 'table', o.name, 'name', g.tgname, 'enabled', g.tgenabled)), '[]') \
                     FROM pg_catalog.pg_trigger g JOIN own o ON o.oid = g.tgrelid WHERE NOT g.tgisinternal AND g.tgenabled <> 'D'), \
                 'forced', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(schema, name)), '[]') FROM own WHERE forced))::text",
                names.join(",")
            ),
        )
        .await
    }

    /// Takes it out of the way.
    ///
    /// # Errors
    /// The server's error.
    pub async fn clear(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut sql = Vec::new();
        for each in &self.references {
            sql.push(format!(
                "ALTER TABLE {} DROP CONSTRAINT {}",
                qualified(&each.schema, &each.table),
                identifier(&each.name)
            ));
        }
        for each in &self.triggers {
            sql.push(format!(
                "ALTER TABLE {} DISABLE TRIGGER {}",
                qualified(&each.schema, &each.table),
                identifier(&each.name)
            ));
        }
        for (schema, name) in &self.forced {
            sql.push(format!("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", qualified(schema, name)));
        }
        if sql.is_empty() { Ok(()) } else { send(connection, sql.join(";")).await }
    }

    /// Puts it back. References are checked against every row: one that dangles is the server's error.
    ///
    /// # Errors
    /// The server's error.
    pub async fn put_back(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        for (schema, name) in &self.forced {
            send(connection, format!("ALTER TABLE {} FORCE ROW LEVEL SECURITY", qualified(schema, name)))
                .await?;
        }
        for each in &self.references {
            let table = qualified(&each.schema, &each.table);
            let mut sql =
                format!("ALTER TABLE {table} ADD CONSTRAINT {} {}", identifier(&each.name), each.definition);
            if let Some(comment) = &each.comment {
                sql.push_str(&format!(
                    "; COMMENT ON CONSTRAINT {} ON {table} IS {}",
                    identifier(&each.name),
                    literal(comment)
                ));
            }
            send(connection, sql).await?;
        }
        for each in &self.triggers {
            let how = match each.enabled.as_str() {
                "R" => "ENABLE REPLICA TRIGGER",
                "A" => "ENABLE ALWAYS TRIGGER",
                _ => "ENABLE TRIGGER",
            };
            send(
                connection,
                format!(
                    "ALTER TABLE {} {how} {}",
                    qualified(&each.schema, &each.table),
                    identifier(&each.name)
                ),
            )
            .await?;
        }
        Ok(())
    }
}

/// Empties tables together.
///
/// # Errors
/// The server's error.
pub async fn empty(connection: &mut PgConnection, tables: &[StoredTable]) -> Result<(), sqlx::Error> {
    if tables.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = tables
        .iter()
        .map(|table| format!("ONLY {}", qualified(&table.table.schema, &table.table.name)))
        .collect();
    send(connection, format!("TRUNCATE {}", names.join(", "))).await
}

/// Reads the rows of tables in, from either kind of backup; `into` names another table for each, `None` its own, which
/// was made or emptied in this transaction.
///
/// # Errors
/// The server's error, or that the backup is damaged.
pub async fn read_in(
    connection: &mut PgConnection,
    opened: &Opened,
    toolkit: Option<&Toolkit>,
    tables: &[StoredTable],
    into: &(dyn Fn(&StoredTable) -> Option<String> + Sync),
    meter: &Meter<'_>,
) -> Result<(), Failure> {
    let mut rows = Reading::open(opened, toolkit, tables)?;
    while let Some(table) = rows.next().await? {
        rows.take(connection, table, into(table).as_deref(), meter).await?;
        meter.tables(rows.found());
    }
    Ok(())
}

/// Sets sequences to where they stood, in a way that goes back with the transaction.
///
/// # Errors
/// The server's error.
pub async fn set_sequences(
    connection: &mut PgConnection,
    sequences: &[StoredSequence],
) -> Result<(), sqlx::Error> {
    for sequence in sequences {
        let name = qualified(&sequence.sequence.schema, &sequence.sequence.name);
        let Some(next) = sequence.next() else { continue };
        send(connection, "SAVEPOINT drydock_sequence".to_owned()).await?;
        match send(connection, format!("ALTER SEQUENCE {name} RESTART WITH {next}")).await {
            Ok(()) => send(connection, "RELEASE SAVEPOINT drydock_sequence".to_owned()).await?,
            Err(error) if crate::adapters::postgres::script::code(&error).as_deref() == Some("22023") => {
                // It stood at its end: there is no next value to restart with.
                send(
                    connection,
                    format!(
                        "ROLLBACK TO SAVEPOINT drydock_sequence; SELECT pg_catalog.setval({}, {}, {})",
                        literal(&name),
                        sequence.last_value,
                        sequence.is_called
                    ),
                )
                .await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
