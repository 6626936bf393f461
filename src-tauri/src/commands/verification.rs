//! Verification: expectations read, their history, and a query box that only reads.

use super::{Answer, On};
use drydock_engine::domain::profile::ProfileProblem;
use drydock_engine::domain::secret::Keeping;
use drydock_engine::domain::verification::{
    CheckDraft, CheckFile, CheckReading, CheckResult, CheckSetup, QueryResult, Verification,
};

/// What was read last; reads nothing.
#[tauri::command]
#[specta::specta]
pub async fn verification_last(engine: On<'_>, environment_id: String) -> Answer<Verification> {
    engine.verification_last(&engine.target(&environment_id).await?).await
}

/// Reads every check; on production, of those that write only the named ones.
#[tauri::command]
#[specta::specta]
pub async fn verify(engine: On<'_>, environment_id: String, writing: Vec<String>) -> Answer<Verification> {
    engine.verify(&engine.target(&environment_id).await?, &writing).await
}

/// Where the checks of the app come from, and what they still need.
#[tauri::command]
#[specta::specta]
pub async fn check_setup(engine: On<'_>, environment_id: String) -> Answer<CheckSetup> {
    engine.check_setup(&engine.target(&environment_id).await?).await
}

/// Sets the address of the app; null: it has none.
#[tauri::command]
#[specta::specta]
pub async fn check_app_set(
    engine: On<'_>,
    environment_id: String,
    address: Option<String>,
) -> Answer<CheckSetup> {
    engine.check_app_set(&environment_id, address.as_deref()).await
}

/// Reads the files of checks of a folder, too.
#[tauri::command]
#[specta::specta]
pub async fn check_folder_add(engine: On<'_>, environment_id: String, folder: String) -> Answer<CheckSetup> {
    engine.check_folder_add(&environment_id, folder.as_ref()).await
}

/// Reads the files of a folder no longer.
#[tauri::command]
#[specta::specta]
pub async fn check_folder_remove(
    engine: On<'_>,
    environment_id: String,
    folder: String,
) -> Answer<CheckSetup> {
    engine.check_folder_remove(&environment_id, &folder).await
}

/// Keeps a secret that requests need; it was handed in before.
#[tauri::command]
#[specta::specta]
pub async fn check_credential_set(
    engine: On<'_>,
    environment_id: String,
    name: String,
    handle: String,
    keeping: Keeping,
) -> Answer<CheckSetup> {
    engine.check_credential_set(&environment_id, &name, &handle, keeping).await
}

/// Hands a kept secret to a form, by handle.
#[tauri::command]
#[specta::specta]
pub async fn check_credential_take(engine: On<'_>, environment_id: String, name: String) -> Answer<String> {
    engine.check_credential_take(&environment_id, &name).await
}

/// The text of a file of checks.
#[tauri::command]
#[specta::specta]
pub async fn check_file(engine: On<'_>, environment_id: String, path: String) -> Answer<CheckFile> {
    engine.check_file(&environment_id, &path).await
}

/// What is wrong in a text of checks; it is written nowhere.
#[tauri::command]
#[specta::specta]
pub async fn check_text_judge(engine: On<'_>, name: String, text: String) -> Answer<Vec<ProfileProblem>> {
    Ok(engine.check_text_judge(&name, &text))
}

/// Writes a file of checks, new or as it was read.
#[tauri::command]
#[specta::specta]
pub async fn check_file_save(
    engine: On<'_>,
    environment_id: String,
    path: String,
    text: String,
    digest: Option<String>,
) -> Answer<CheckSetup> {
    engine.check_file_save(&environment_id, &path, &text, digest.as_deref()).await
}

/// The text of a check, from what a form asks.
#[tauri::command]
#[specta::specta]
pub async fn check_compose(engine: On<'_>, draft: CheckDraft) -> Answer<String> {
    Ok(engine.check_compose(&draft))
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

/// Writes a check as it was read, with its history, to a file in the downloads folder; returns its path.
#[tauri::command]
#[specta::specta]
pub async fn check_export(engine: On<'_>, environment_id: String, check: CheckResult) -> Answer<String> {
    engine.check_export(&engine.target(&environment_id).await?, &check).await
}

/// The rows of a query that only reads.
#[tauri::command]
#[specta::specta]
pub async fn query_read(engine: On<'_>, environment_id: String, sql: String) -> Answer<QueryResult> {
    engine.read_query(&engine.target(&environment_id).await?, &sql).await
}
