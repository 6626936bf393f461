//! A whole database, by `pg_dump`.

use super::Meter;
use crate::adapters::backups::Writer;
use crate::adapters::dumps::{DeepDump, DeepScope};
use crate::domain::Failure;
use crate::domain::backup::FoundTool;
use crate::runner::session::Connector;

/// Stores the archive that the program writes.
pub(super) async fn store_archive(
    connector: &Connector,
    tool: &FoundTool,
    scope: &DeepScope<'_>,
    writer: &mut Writer,
    meter: &Meter<'_>,
) -> Result<(), Failure> {
    connector
        .with_client(async |way| {
            let mut dump = DeepDump::start(tool, way, scope)?;
            writer.begin().await?;
            while let Some(piece) = dump.next().await? {
                meter.add(piece.len());
                meter.tables(dump.tables());
                writer.send(piece).await?;
            }
            dump.end().await?;
            writer.end().await.map(|_| ())
        })
        .await
}
