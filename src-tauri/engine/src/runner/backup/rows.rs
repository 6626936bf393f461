//! Puts the rows of tables back, in one transaction of the caller's: references and triggers are out of the way
//! while rows are replaced and are back before anything is compared. No superuser is needed for it.

use super::Meter;
use super::load::{Opened, Parts, Source, copy_segment};
use crate::adapters::dumps::ArchiveWish;
use crate::adapters::postgres::backup::copy_in;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::observe::json;
use crate::adapters::postgres::script::send;
use crate::adapters::postgres::words::{identifier, literal, qualified};
use crate::adapters::sandbox::Toolkit;
use crate::domain::backup::{BackupKind, CopyFormat, StoredSequence, StoredTable, TableName};
use crate::domain::{Failure, FailureCode};
use crate::planner::dump::Part;
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;

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
    if opened.stored.manifest.kind == BackupKind::Quick {
        let mut done = 0;
        for table in tables {
            let name = into(table);
            copy_segment(connection, &opened.stored, &opened.key, table, name.as_deref(), true, meter)
                .await?;
            done += 1;
            meter.tables(done);
        }
        return Ok(());
    }
    let toolkit = toolkit.ok_or_else(|| {
        Failure::new(FailureCode::ToolkitMissing, "A deep backup needs the toolkit's pg_restore to be read.")
    })?;
    let wish = ArchiveWish {
        only_rows: true,
        tables: tables.iter().map(|table| table.table.clone()).collect(),
        ..ArchiveWish::default()
    };
    let wanted: HashMap<String, &StoredTable> = tables
        .iter()
        .map(|table| (format!("COPY {} ", qualified(&table.table.schema, &table.table.name)), table))
        .collect();
    let mut parts = Parts::new(Source::of_deep(&opened.stored, &opened.key, toolkit, &wish)?);
    let mut found = 0;
    while let Some(part) = parts.next().await? {
        let Part::CopyBegin(sql) = part else { continue };
        let table = wanted.iter().find(|(start, _)| sql.starts_with(start.as_str())).map(|(_, table)| *table);
        let Some(table) = table else {
            while !matches!(parts.next().await?, None | Some(Part::CopyEnd)) {}
            continue;
        };
        let own = qualified(&table.table.schema, &table.table.name);
        let text = StoredTable { format: CopyFormat::Text, ..table.clone() };
        let staged = into(table);
        let sql = copy_in(staged.as_ref().unwrap_or(&own), &text, staged.is_none());
        let refused = |error: &sqlx::Error| {
            let told = failure(error);
            Failure { what: format!("The rows of {} cannot be read in. {}", table.table, told.what), ..told }
        };
        let mut copy = connection.copy_in_raw(&sql).await.map_err(|error| refused(&error))?;
        loop {
            match parts.next().await {
                Ok(Some(Part::Rows(rows))) => {
                    meter.add(rows.len());
                    copy.send(&rows[..]).await.map_err(|error| refused(&error))?;
                }
                Ok(Some(Part::CopyEnd) | None) => break,
                Ok(Some(_)) => {}
                Err(failure) => {
                    let _ = copy.abort("the backup is damaged").await;
                    return Err(failure);
                }
            }
        }
        copy.finish().await.map_err(|error| refused(&error))?;
        found += 1;
        meter.tables(found);
    }
    if usize::try_from(found) == Ok(tables.len()) {
        return Ok(());
    }
    Err(Failure::new(
        FailureCode::BackupDamaged,
        "The archive does not hold the rows of every table that was asked for.",
    )
    .why(format!("{found} of {} tables were found in it.", tables.len()))
    .unchanged("All of it was taken back; nothing has changed."))
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
