//! Backups: the panel, taking one, proving one, how they are kept, their keys.

use super::{Answer, On};
use drydock_engine::domain::backup::{
    BackupDetail, BackupPolicy, BackupPreview, BackupRequest, BackupShelf, RestoreLoss, RestoreRequest,
};
use drydock_engine::domain::import::{ImportPreview, ImportRequest};
use drydock_engine::domain::plan::PlanReview;
use drydock_engine::domain::rollback::RollBackRequest;
use tauri::AppHandle;
use tauri_plugin_dialog::DialogExt;

/// The backups of an environment.
#[tauri::command]
#[specta::specta]
pub async fn backup_shelf(engine: On<'_>, environment_id: String) -> Answer<BackupShelf> {
    engine.backup_shelf(&engine.target(&environment_id).await?).await
}

/// One backup with its evidence.
#[tauri::command]
#[specta::specta]
pub async fn backup_detail(engine: On<'_>, backup_id: String) -> Answer<BackupDetail> {
    engine.backup_detail(&backup_id).await
}

/// What a backup would be; stores nothing.
#[tauri::command]
#[specta::specta]
pub async fn backup_preview(
    engine: On<'_>,
    environment_id: String,
    request: BackupRequest,
) -> Answer<BackupPreview> {
    engine.backup_preview(&engine.target(&environment_id).await?, &request).await
}

/// Starts a backup; returns the run's id.
#[tauri::command]
#[specta::specta]
pub async fn backup_start(engine: On<'_>, environment_id: String, request: BackupRequest) -> Answer<String> {
    Ok(engine.start_backup(&engine.target(&environment_id).await?, request).await?.id)
}

/// Lets the operator choose a dump's file; null if they changed their mind. What it is follows from its content, so no
/// ending is asked for.
#[tauri::command]
#[specta::specta]
pub async fn dump_pick(app: AppHandle) -> Answer<Option<String>> {
    let picked = tauri::async_runtime::spawn_blocking(move || app.dialog().file().blocking_pick_file()).await;
    Ok(picked.ok().flatten().map(|path| path.to_string()))
}

/// What importing a dump would be; stores nothing.
#[tauri::command]
#[specta::specta]
pub async fn import_preview(engine: On<'_>, environment_id: String, path: String) -> Answer<ImportPreview> {
    engine.import_preview(&engine.target(&environment_id).await?, &path).await
}

/// Starts an import; returns the run's id.
#[tauri::command]
#[specta::specta]
pub async fn import_start(engine: On<'_>, environment_id: String, request: ImportRequest) -> Answer<String> {
    Ok(engine.start_import(&engine.target(&environment_id).await?, request).await?.id)
}

/// Starts the proof of a backup; returns the run's id.
#[tauri::command]
#[specta::specta]
pub async fn backup_prove(engine: On<'_>, environment_id: String, backup_id: String) -> Answer<String> {
    Ok(engine.start_proof(&engine.target(&environment_id).await?, &backup_id).await?.id)
}

/// Removes a backup.
#[tauri::command]
#[specta::specta]
pub async fn backup_remove(engine: On<'_>, environment_id: String, backup_id: String) -> Answer<BackupShelf> {
    engine.backup_remove(&engine.target(&environment_id).await?, &backup_id).await
}

/// Changes how backups of an environment are kept and when they are taken.
#[tauri::command]
#[specta::specta]
pub async fn backup_policy_set(
    engine: On<'_>,
    environment_id: String,
    policy: BackupPolicy,
) -> Answer<BackupShelf> {
    engine.backup_policy_set(&engine.target(&environment_id).await?, policy).await
}

/// Writes the keys of backups into a new file, encrypted with a passphrase that was handed in.
#[tauri::command]
#[specta::specta]
pub async fn backup_keys_export(engine: On<'_>, path: String, passphrase: String) -> Answer<u32> {
    engine.backup_keys_export(path.as_ref(), &passphrase).await
}

/// Adds the keys of an exported file.
#[tauri::command]
#[specta::specta]
pub async fn backup_keys_import(engine: On<'_>, path: String, passphrase: String) -> Answer<u32> {
    engine.backup_keys_import(path.as_ref(), &passphrase).await
}

/// What going back to a backup would lose, and the ways that are open.
#[tauri::command]
#[specta::specta]
pub async fn restore_loss(
    engine: On<'_>,
    environment_id: String,
    request: RestoreRequest,
) -> Answer<RestoreLoss> {
    engine.restore_loss(&engine.target(&environment_id).await?, &request).await
}

/// Plans a restore.
#[tauri::command]
#[specta::specta]
pub async fn restore_plan(
    engine: On<'_>,
    environment_id: String,
    request: RestoreRequest,
) -> Answer<PlanReview> {
    engine.restore_plan(&engine.target(&environment_id).await?, request).await
}

/// Plans to take the swap of a restore back.
#[tauri::command]
#[specta::specta]
pub async fn swap_back_plan(engine: On<'_>, environment_id: String, run: String) -> Answer<PlanReview> {
    engine.swap_back_plan(&engine.target(&environment_id).await?, &run).await
}

/// Plans to roll migrations back.
#[tauri::command]
#[specta::specta]
pub async fn roll_back_plan(
    engine: On<'_>,
    environment_id: String,
    request: RollBackRequest,
) -> Answer<PlanReview> {
    engine.roll_back_plan(&engine.target(&environment_id).await?, request).await
}

/// The report for the developer of a roll back that got through, in Markdown.
#[tauri::command]
#[specta::specta]
pub async fn roll_back_report(engine: On<'_>, run_id: String) -> Answer<String> {
    engine.roll_back_report(&run_id).await
}

/// The backup that would cover a plan: the tables it touches, where its dry run showed them, else all.
#[tauri::command]
#[specta::specta]
pub async fn backup_for_plan(engine: On<'_>, plan_id: String) -> Answer<BackupRequest> {
    engine.backup_request_for(&plan_id).await
}
