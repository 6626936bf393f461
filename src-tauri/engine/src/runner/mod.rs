//! Executes a plan step by step: emits run events, journals, cancels, recovers.

pub mod apply;
pub mod backup;
pub mod drift;
pub mod dry_run;
pub mod events;
pub mod examine;
pub mod flow;
pub mod rendering;
pub mod replay;
pub mod rollback;
pub mod seed;
pub mod session;
pub mod words;

use crate::adapters::postgres::{catalogue, ledger};
use crate::domain::ledger::LedgerRow;
use crate::domain::migration::{MigrationSet, hex};
use crate::domain::plan::Fingerprint;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnection;

/// The state of a target now: ledger, catalogue, and the files it is compared with.
///
/// # Errors
/// The server's error.
pub async fn fingerprint(
    connection: &mut PgConnection,
    schema: &str,
    has_ledger: bool,
    files: String,
) -> Result<Fingerprint, sqlx::Error> {
    let rows = if has_ledger { ledger::read(connection, schema).await? } else { Vec::new() };
    let catalogue = catalogue::fingerprint(connection, &[schema.to_owned()]).await?;
    Ok(Fingerprint { ledger: ledger_digest(&rows), catalogue, files })
}

/// SHA-256 over ledger rows.
pub fn ledger_digest(rows: &[LedgerRow]) -> String {
    hex(&Sha256::digest(serde_json::to_vec(rows).unwrap_or_default()))
}

/// SHA-256 over names and checksums of all files.
pub fn files_digest(set: &MigrationSet) -> String {
    let names: Vec<(&str, Option<&str>)> =
        set.files.iter().map(|file| (file.name.as_str(), file.checksum.as_deref())).collect();
    hex(&Sha256::digest(serde_json::to_vec(&names).unwrap_or_default()))
}
