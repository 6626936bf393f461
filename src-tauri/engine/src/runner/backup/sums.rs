//! Counts and hashes of rows, table by table, in few statements.

use crate::adapters::postgres::backup::{self, RowSum};
use crate::adapters::postgres::script::send;
use crate::domain::backup::{HashDefinition, StoredTable};
use sqlx::postgres::PgConnection;

/// Tables that are hashed by one statement, at most.
const GROUP: usize = 40;
/// Bytes of the tables that are hashed by one statement, at most, if they are more than one.
const GROUP_BYTES: f64 = 16.0 * 1024.0 * 1024.0;

/// What one table came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Summed {
    /// Rows and hash.
    Sum(RowSum),
    /// Rows alone: one of them is too large to be written as text.
    Counted(u64),
}

/// Sums tables inside of an open transaction, by a manifest's definition. `bytes` tells a table's size for grouping; `done` is told how many
/// tables are done.
///
/// # Errors
/// The server's error, after which the transaction is aborted.
pub async fn sums(
    connection: &mut PgConnection,
    definition: HashDefinition,
    tables: &[StoredTable],
    bytes: &(dyn Fn(usize) -> f64 + Sync),
    done: &(dyn Fn(u32) + Sync),
) -> Result<Vec<Summed>, sqlx::Error> {
    let mut sums = Vec::with_capacity(tables.len());
    let mut at = 0;
    while at < tables.len() {
        let mut end = at + 1;
        let mut size = bytes(at);
        while end < tables.len() && end - at < GROUP && size + bytes(end) <= GROUP_BYTES {
            size += bytes(end);
            end += 1;
        }
        let group: Vec<&StoredTable> = tables.get(at..end).unwrap_or_default().iter().collect();
        match guarded(connection, definition, &group).await? {
            Some(found) => sums.extend(found.into_iter().map(Summed::Sum)),
            None => {
                for table in &group {
                    sums.push(
                        match guarded(connection, definition, &[table])
                            .await?
                            .and_then(|mut found| found.pop())
                        {
                            Some(sum) => Summed::Sum(sum),
                            None => Summed::Counted(backup::row_count(connection, &table.table).await?),
                        },
                    );
                }
            }
        }
        at = end;
        done(u32::try_from(at).unwrap_or(u32::MAX));
    }
    Ok(sums)
}

/// `None`: a row is too large; the transaction goes on.
async fn guarded(
    connection: &mut PgConnection,
    definition: HashDefinition,
    tables: &[&StoredTable],
) -> Result<Option<Vec<RowSum>>, sqlx::Error> {
    send(connection, "SAVEPOINT drydock_sum".to_owned()).await?;
    match backup::row_sums(connection, definition, tables).await {
        Ok(sums) => {
            send(connection, "RELEASE SAVEPOINT drydock_sum".to_owned()).await?;
            Ok(Some(sums))
        }
        Err(error) if backup::is_too_large(&error) => {
            send(connection, "ROLLBACK TO SAVEPOINT drydock_sum".to_owned()).await?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
