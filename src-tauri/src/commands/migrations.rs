//! Overview, truth panel, drift and the doctor of failed migrations.

use super::{Answer, On};
use drydock_engine::domain::drift::DriftReport;
use drydock_engine::domain::environment::Environment;
use drydock_engine::domain::migration::{MigrationDetail, MigrationStatus};
use drydock_engine::domain::overview::Overview;
use drydock_engine::domain::repair::RepairReport;
use tauri::AppHandle;
use tauri_plugin_dialog::DialogExt;

/// Lets the operator choose a folder; null if they changed their mind.
#[tauri::command]
#[specta::specta]
pub async fn folder_pick(app: AppHandle) -> Answer<Option<String>> {
    let picked =
        tauri::async_runtime::spawn_blocking(move || app.dialog().file().blocking_pick_folder()).await;
    Ok(picked.ok().flatten().map(|path| path.to_string()))
}

/// Asks for a file of rows in the desktop's own dialog; null if nothing was chosen.
#[tauri::command]
#[specta::specta]
pub async fn file_pick(app: AppHandle) -> Answer<Option<String>> {
    let picked = tauri::async_runtime::spawn_blocking(move || {
        app.dialog().file().add_filter("Rows", &["csv", "json", "ndjson"]).blocking_pick_file()
    });
    Ok(picked.await.ok().flatten().map(|path| path.to_string()))
}

/// Chooses where an environment's migrations are.
#[tauri::command]
#[specta::specta]
pub async fn migrations_choose(
    engine: On<'_>,
    environment_id: String,
    folder: String,
) -> Answer<Environment> {
    engine.migrations_choose(&environment_id, folder.as_ref()).await
}

/// Reads every instrument.
#[tauri::command]
#[specta::specta]
pub async fn overview_read(engine: On<'_>, environment_id: String) -> Answer<Overview> {
    engine.overview_of(&environment_id).await
}

/// The truth about every migration.
#[tauri::command]
#[specta::specta]
pub async fn migration_status(engine: On<'_>, environment_id: String) -> Answer<MigrationStatus> {
    engine.migration_status(&engine.target(&environment_id).await?).await
}

/// One migration in detail.
#[tauri::command]
#[specta::specta]
pub async fn migration_detail(
    engine: On<'_>,
    environment_id: String,
    name: String,
) -> Answer<MigrationDetail> {
    engine.migration_detail(&engine.target(&environment_id).await?, &name).await
}

/// The doctor of a failed migration.
#[tauri::command]
#[specta::specta]
pub async fn repair_examine(engine: On<'_>, environment_id: String, name: String) -> Answer<RepairReport> {
    engine.repair_examine(&engine.target(&environment_id).await?, &name).await
}

/// Compares the live schema with what the applied migrations make.
#[tauri::command]
#[specta::specta]
pub async fn drift_compare(engine: On<'_>, environment_id: String) -> Answer<DriftReport> {
    engine.drift_compare(&engine.target(&environment_id).await?).await
}
