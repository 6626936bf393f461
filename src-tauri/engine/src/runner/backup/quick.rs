//! The rows of tables, by COPY over our own connection.

use super::Meter;
use crate::adapters::backups::Writer;
use crate::adapters::postgres::backup::copy_out;
use crate::adapters::postgres::failure::failure;
use crate::domain::Failure;
use crate::domain::backup::StoredTable;
use bytes::BytesMut;
use futures_util::StreamExt;
use sqlx::postgres::PgConnection;

/// Bytes that are handed to the writer at once.
const PIECE: usize = 256 * 1024;

/// Stores the rows of every table, a segment each.
pub(super) async fn store_rows(
    connection: &mut PgConnection,
    tables: &mut [StoredTable],
    writer: &mut Writer,
    meter: &Meter<'_>,
) -> Result<(), Failure> {
    let mut done = 0;
    for table in tables {
        writer.begin().await?;
        let mut rows = connection
            .copy_out_raw(&copy_out(table))
            .await
            .map_err(|error| failure(&error).why(format!("While reading {}: {error}", table.table)))?;
        // The server sends a message a row; the writer gets them by the piece.
        let mut piece = BytesMut::with_capacity(PIECE + 4096);
        while let Some(row) = rows.next().await {
            piece.extend_from_slice(&row.map_err(|error| unreadable(&error, table))?);
            if piece.len() >= PIECE {
                meter.add(piece.len());
                writer.send(piece.split().freeze()).await?;
                piece.reserve(PIECE + 4096);
            }
        }
        drop(rows);
        meter.add(piece.len());
        writer.send(piece.freeze()).await?;
        table.segment = Some(writer.end().await?);
        done += 1;
        meter.tables(done);
    }
    Ok(())
}

fn unreadable(error: &sqlx::Error, table: &StoredTable) -> Failure {
    let mut failure = failure(error);
    failure.what = format!("The rows of {} could not be read. {}", table.table, failure.what);
    failure.unchanged = Some("Nothing of it was kept; the database was only read.".to_owned());
    failure
}
