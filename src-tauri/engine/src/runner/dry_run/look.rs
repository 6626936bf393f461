//! What a dry run did, read at its end and still inside: objects, rows, checks that wait.

use super::watching::Watch;
use super::{Before, TargetTrial, words};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::ScriptError;
use crate::adapters::postgres::{catalogue, trial};
use crate::domain::change_set::TableRows;
use crate::domain::words::whole;
use crate::planner::objects;
use sqlx::postgres::PgConnection;

/// Larger tables are not scanned for the proof of row counts: the scan would hold the locks longer.
const LARGEST_SCAN_BYTES: f64 = 256.0 * 1024.0 * 1024.0;

/// Objects, rows and deferred constraints, at the end and still inside.
pub async fn look(
    connection: &mut PgConnection,
    before: &Before,
    schemas: &[String],
    watching: &mut Watch<'_>,
    result: &mut TargetTrial,
) {
    if let Err(error) = watching.over(trial::check_deferred(connection)).await {
        if let Some(why) = watching.take_stopped() {
            result.unknowns.push(format!("What waits for the end of the transaction was not checked. {why}"));
            return;
        }

        let error = ScriptError { position: None, statement: None, error };
        if let Some(last) = result.trials.last_mut() {
            last.worked = Some(false);
            last.note =
                Some(format!("A check that waits for the end of the transaction fails: {}", words(&error)));
        }
        return;
    }
    match watching.over(catalogue::read(connection, schemas)).await {
        Ok(after) => result.objects = objects::changes(&before.catalogue, &after),
        Err(error) => {
            result.unknowns.push(format!("The objects could not be compared: {}", failure(&error).what));
            return;
        }
    }
    if let Err(error) = rows(connection, before, schemas, watching, result).await {
        result.unknowns.push(format!("The rows could not be counted: {}", failure(&error).what));
    }
}

async fn rows(
    connection: &mut PgConnection,
    before: &Before,
    schemas: &[String],
    watching: &mut Watch<'_>,
    result: &mut TargetTrial,
) -> Result<(), sqlx::Error> {
    if !before.capacity.counts {
        result.unknowns.push(
            "The server does not count rows (track_counts is off), so changed rows are not known.".to_owned(),
        );
        return Ok(());
    }
    let counters = watching.over(trial::counters(connection)).await?;
    let files = watching.over(trial::table_files(connection, schemas)).await?;
    for file in &files {
        let counted = counters.get(&file.oid).copied().unwrap_or_default();
        let rewritten = before.files.get(&file.oid).is_some_and(|old| old.file != file.file);
        let written = counted.inserted + counted.updated;
        if written + counted.deleted == 0.0 && !rewritten {
            continue;
        }
        let mut entry = TableRows {
            table: format!("{}.{}", file.schema, file.name),
            inserted: saturated(counted.inserted),
            updated: saturated(counted.updated),
            deleted: saturated(counted.deleted),
            rewritten,
            known: true,
            note: None,
        };
        if rewritten {
            entry.note = Some(match before.files.get(&file.oid) {
                Some(old) if old.rows >= 0.0 => {
                    format!(
                        "The whole table is written anew or emptied (about {} rows).",
                        whole(old.rows.round())
                    )
                }
                _ => "The whole table is written anew or emptied.".to_owned(),
            });
        } else if file.bytes > LARGEST_SCAN_BYTES {
            entry.known = false;
            entry.note =
                Some("The server's counters; the table is too large to prove them by a scan.".to_owned());
        } else if written > 0.0 {
            match watching.over(trial::own_rows(connection, &file.schema, &file.name)).await {
                Ok(own) if own == written => {}
                Ok(own) if own < written => {
                    entry.note = Some(format!(
                        "{} writes leave {} changed rows: some were written more than once.",
                        whole(written.round()),
                        whole(own.round())
                    ));
                }
                Ok(own) => {
                    entry.known = false;
                    entry.note = Some(format!(
                        "The server counted {} writes, but {} rows are new.",
                        whole(written.round()),
                        whole(own.round())
                    ));
                }
                Err(error) => {
                    entry.known = false;
                    entry.note = Some(format!("The rows could not be read: {}", failure(&error).what));
                }
            }
        }
        result.rows.push(entry);
    }
    Ok(())
}

fn saturated(count: f64) -> u32 {
    if count >= f64::from(u32::MAX) { u32::MAX } else { count as u32 }
}
