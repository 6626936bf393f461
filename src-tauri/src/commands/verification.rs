//! Verification: expectations read, their history, and a query box that only reads.

use super::{Answer, On};
use drydock_engine::domain::verification::{CheckReading, QueryResult, Verification};

/// What was read last; reads nothing.
#[tauri::command]
#[specta::specta]
pub async fn verification_last(engine: On<'_>, environment_id: String) -> Answer<Verification> {
    engine.verification_last(&engine.target(&environment_id).await?).await
}

/// Reads every check.
#[tauri::command]
#[specta::specta]
pub async fn verify(engine: On<'_>, environment_id: String) -> Answer<Verification> {
    engine.verify(&engine.target(&environment_id).await?).await
}

/// Earlier readings of a check, oldest first.
#[tauri::command]
#[specta::specta]
pub async fn check_history(
    engine: On<'_>,
    environment_id: String,
    check: String,
) -> Answer<Vec<CheckReading>> {
    engine.check_history(&environment_id, &check).await
}

/// The rows of a query that only reads.
#[tauri::command]
#[specta::specta]
pub async fn query_read(engine: On<'_>, environment_id: String, sql: String) -> Answer<QueryResult> {
    engine.read_query(&engine.target(&environment_id).await?, &sql).await
}
