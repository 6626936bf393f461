//! What became of a database since a backup: which rows going back would lose. Reads, and writes only into a
//! temporary table of its own, which is taken back.

use super::Meter;
use super::load::Opened;
use super::reading::Reading;
use super::sums::{self, Summed};
use crate::adapters::postgres::capture::PINNED;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::row_hash;
use crate::adapters::postgres::script::send;
use crate::adapters::postgres::words::{identifier, qualified};
use crate::adapters::sandbox::Toolkit;
use crate::domain::Failure;
use crate::domain::backup::{HashDefinition, StoredTable, TableLoss};
use crate::domain::inventory::{Inventory, Relation};
use crate::domain::words::whole;
use crate::runner::events::Stream;
use serde::Deserialize;
use sqlx::postgres::PgConnection;

/// Rows of a table up to which it is compared row by row.
const ROW_BY_ROW: u64 = 200_000;
/// How long the counting and hashing of one group of tables may take on the server.
const LIMIT_MS: u32 = 60_000;

/// What one table came to.
pub enum Since {
    /// Every row is as it was.
    Unchanged,
    /// Rows are not as they were.
    Changed(TableLoss),
    /// The table is not there any more.
    Gone,
    /// Its columns are not those of the backup, in words.
    Moved(String),
}

/// Looks at every table of the list.
///
/// # Errors
/// A lost line, or a backup that cannot be read; what one table alone denies is a line of the answer.
pub async fn since(
    connection: &mut PgConnection,
    opened: &Opened,
    toolkit: Option<&Toolkit>,
    inventory: &Inventory,
    tables: &[StoredTable],
    events: &Stream,
) -> Result<Vec<Since>, Failure> {
    let mut found: Vec<Option<Since>> = Vec::new();
    let mut there = Vec::new();
    for table in tables {
        let relation = inventory.relations.iter().find(|relation| relation.table() == table.table);
        found.push(match relation {
            None => Some(Since::Gone),
            Some(relation) => match moved(table, relation) {
                Some(words) => Some(Since::Moved(words)),
                None if !relation.may_read || relation.hidden => {
                    Some(unknown(table, "no right to read this table"))
                }
                None => {
                    there.push(table.clone());
                    None
                }
            },
        });
    }
    send(
        connection,
        format!("BEGIN; SET LOCAL row_security = off; SET LOCAL statement_timeout = {LIMIT_MS}; SET LOCAL search_path = pg_catalog, pg_temp; {PINNED}"),
    )
    .await
    .map_err(|error| failure(&error))?;
    super::speak_bytes(connection, &opened.stored.manifest.encoding)
        .await
        .map_err(|error| failure(&error))?;
    let looked = look(connection, opened, toolkit, &there, events).await;
    let _ = send(connection, "ROLLBACK".to_owned()).await;
    let mut looked = looked?.into_iter();
    Ok(found
        .into_iter()
        .zip(tables)
        .map(|(known, table)| {
            known.or_else(|| looked.next()).unwrap_or_else(|| unknown(table, "it was not compared"))
        })
        .collect())
}

async fn look(
    connection: &mut PgConnection,
    opened: &Opened,
    toolkit: Option<&Toolkit>,
    tables: &[StoredTable],
    events: &Stream,
) -> Result<Vec<Since>, Failure> {
    let meter = Meter::new(events, 0, "compared", 0.0, tables.len());
    let definition = opened.stored.manifest.hash;
    let summed = sums::sums(connection, definition, tables, &|_| f64::MAX, &|done| meter.tables(done)).await;
    let summed = match summed {
        Ok(summed) => summed,
        Err(error) if crate::adapters::postgres::script::is_lost(&error) => return Err(failure(&error)),
        Err(error) => {
            let why = failure(&error).what;
            return Ok(tables.iter().map(|table| unknown(table, &why)).collect());
        }
    };
    let mut all = Vec::new();
    // Those whose rows are read back from the backup, with their place in the answer and their rows now.
    let (mut closer, mut places) = (Vec::new(), Vec::new());
    for (table, sum) in tables.iter().zip(summed) {
        let (rows, same) = match &sum {
            Summed::Sum(sum) => (sum.rows, sum.rows == table.rows && table.hash.as_ref() == Some(&sum.hash)),
            Summed::Counted(rows) => (*rows, false),
        };
        all.push(if same {
            Since::Unchanged
        } else if table.key.is_empty() {
            counted(table, rows, "it has no key, so rows cannot be told apart")
        } else if rows.max(table.rows) > ROW_BY_ROW {
            counted(table, rows, "too large to be compared row by row")
        } else {
            closer.push(table.clone());
            places.push((all.len(), rows));
            unknown(table, "it was not compared")
        });
    }
    let mut reading = Reading::open(opened, toolkit, &closer)?;
    while let Some(table) = reading.next().await? {
        let place = closer.iter().position(|other| other.table == table.table).and_then(|at| places.get(at));
        let Some((at, rows)) = place else { continue };
        let since = row_by_row(connection, &mut reading, definition, table, *rows, &meter).await?;
        if let Some(slot) = all.get_mut(*at) {
            *slot = since;
        }
    }
    Ok(all)
}

/// One table, whose rows stand next in the backup. They are read into a table of their own, which is taken back.
async fn row_by_row(
    connection: &mut PgConnection,
    reading: &mut Reading<'_>,
    definition: HashDefinition,
    table: &StoredTable,
    rows: u64,
    meter: &Meter<'_>,
) -> Result<Since, Failure> {
    #[derive(Deserialize)]
    struct Counts {
        new: f64,
        changed: f64,
        deleted: f64,
    }
    let own = qualified(&table.table.schema, &table.table.name);
    let columns: Vec<String> = table
        .columns
        .iter()
        .filter(|column| !column.generated)
        .map(|column| identifier(&column.name))
        .collect();
    let stage = format!(
        "SAVEPOINT drydock_loss; CREATE TEMP TABLE drydock_then AS SELECT {} FROM ONLY {own} WITH NO DATA",
        columns.join(", ")
    );
    if let Err(error) = send(connection, stage).await {
        let why = failure(&error).what;
        send(connection, "ROLLBACK TO SAVEPOINT drydock_loss".to_owned())
            .await
            .map_err(|error| failure(&error))?;
        return Ok(counted(table, rows, &why));
    }
    reading.take(connection, table, Some("pg_temp.drydock_then"), meter).await?;
    let keys: Vec<String> = table.key.iter().map(|key| identifier(key)).collect();
    let hash = row_hash::of_row(definition, "t", table);
    let query = format!(
        "SELECT pg_catalog.json_build_object('new', count(*) FILTER (WHERE b.hash IS NULL), \
            'changed', count(*) FILTER (WHERE a.hash <> b.hash), 'deleted', count(*) FILTER (WHERE a.hash IS NULL))::text \
         FROM (SELECT {keys}, {hash} AS hash FROM ONLY {own} AS t) a FULL JOIN (SELECT {keys}, {hash} AS hash FROM pg_temp.drydock_then AS t) b USING ({keys})",
        keys = keys.join(", ")
    );
    let counts: Result<Counts, sqlx::Error> = super::one(connection, &query).await;
    send(connection, "ROLLBACK TO SAVEPOINT drydock_loss".to_owned())
        .await
        .map_err(|error| failure(&error))?;
    Ok(match counts {
        Ok(counts) => Since::Changed(TableLoss {
            table: table.table.clone(),
            new: Some(counts.new),
            changed: Some(counts.changed),
            deleted: Some(counts.deleted),
            note: None,
        }),
        Err(error) => counted(table, rows, &failure(&error).what),
    })
}

/// Only the numbers of rows are known.
fn counted(table: &StoredTable, rows: u64, why: &str) -> Since {
    let note = format!("{} rows now, {} then; {why}", whole(rows), whole(table.rows));
    Since::Changed(TableLoss {
        table: table.table.clone(),
        new: None,
        changed: None,
        deleted: None,
        note: Some(note),
    })
}

fn unknown(table: &StoredTable, why: &str) -> Since {
    Since::Changed(TableLoss {
        table: table.table.clone(),
        new: None,
        changed: None,
        deleted: None,
        note: Some(why.to_owned()),
    })
}

/// In what the columns differ, in words.
fn moved(stored: &StoredTable, now: &Relation) -> Option<String> {
    let then: Vec<(&str, &str)> = stored
        .columns
        .iter()
        .filter(|column| !column.generated)
        .map(|column| (column.name.as_str(), column.type_name.as_str()))
        .collect();
    let now: Vec<(&str, &str)> = now
        .columns
        .iter()
        .filter(|column| !column.generated)
        .map(|column| (column.name.as_str(), column.type_name.as_str()))
        .collect();
    let mut words = Vec::new();
    for (name, kind) in &then {
        match now.iter().find(|(other, _)| other == name) {
            None => words.push(format!("column {name} is gone")),
            Some((_, other)) if other != kind => {
                words.push(format!("column {name} was {kind} and is {other}"))
            }
            Some(_) => {}
        }
    }
    for (name, _) in &now {
        if !then.iter().any(|(other, _)| other == name) {
            words.push(format!("column {name} is new"));
        }
    }
    (!words.is_empty()).then(|| words.join(", "))
}
