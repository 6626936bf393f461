//! Seeds: profiles, their plans, the rows they change, and the way back.

use super::{Answer, On};
use drydock_engine::domain::environment::Environment;
use drydock_engine::domain::plan::PlanReview;
use drydock_engine::domain::seed::{
    ExportFormat, PasswordVerdict, RowPage, RowQuery, RunChanges, SeedAnswers, SeedShelf, UndoChoice,
    UndoReview,
};

/// The profiles that an environment shows.
#[tauri::command]
#[specta::specta]
pub async fn seed_shelf(engine: On<'_>, environment_id: String) -> Answer<SeedShelf> {
    engine.seed_shelf(&engine.target(&environment_id).await?).await
}

/// Shows the profiles of a folder, too.
#[tauri::command]
#[specta::specta]
pub async fn seed_folder_add(engine: On<'_>, environment_id: String, folder: String) -> Answer<SeedShelf> {
    engine.seed_folder_add(&environment_id, folder.as_ref()).await
}

/// Shows the profiles of a folder no longer.
#[tauri::command]
#[specta::specta]
pub async fn seed_folder_remove(engine: On<'_>, environment_id: String, folder: String) -> Answer<SeedShelf> {
    engine.seed_folder_remove(&environment_id, &folder).await
}

/// How hard a password that was handed in is to guess.
#[tauri::command]
#[specta::specta]
pub async fn password_judge(engine: On<'_>, handle: String) -> Answer<PasswordVerdict> {
    engine.judge_password(&handle)
}

/// Makes a plan that writes a profile's rows.
#[tauri::command]
#[specta::specta]
pub async fn seed_plan(
    engine: On<'_>,
    environment_id: String,
    profile: String,
    answers: SeedAnswers,
) -> Answer<PlanReview> {
    let target = engine.target(&environment_id).await?;
    Ok(engine.seed_plan(&target, &profile, answers).await?.for_screen())
}

/// Makes a sandbox database with a profile's tables, and an environment for it.
#[tauri::command]
#[specta::specta]
pub async fn seed_sandbox(engine: On<'_>, profile: String) -> Answer<Environment> {
    engine.seed_sandbox(&profile).await
}

/// What a run did to rows; null if it did nothing to rows, or kept nothing.
#[tauri::command]
#[specta::specta]
pub async fn run_changes(engine: On<'_>, run_id: String) -> Answer<Option<RunChanges>> {
    engine.run_changes(&run_id).await
}

/// Some of a table's changed rows.
#[tauri::command]
#[specta::specta]
pub async fn row_changes(engine: On<'_>, query: RowQuery) -> Answer<RowPage> {
    engine.row_changes(&query).await
}

/// Writes all changed rows to a file in the downloads folder; returns its path.
#[tauri::command]
#[specta::specta]
pub async fn rows_export(engine: On<'_>, run_id: String, format: ExportFormat) -> Answer<String> {
    engine.export_rows(&run_id, format).await
}

/// What taking a run back would do, row by row.
#[tauri::command]
#[specta::specta]
pub async fn undo_review(engine: On<'_>, run_id: String) -> Answer<UndoReview> {
    engine.undo_review(&engine.target_of_run(&run_id).await?, &run_id).await
}

/// Makes a plan that takes a run back.
#[tauri::command]
#[specta::specta]
pub async fn undo_plan(engine: On<'_>, run_id: String, choices: Vec<UndoChoice>) -> Answer<PlanReview> {
    engine.undo_plan(&engine.target_of_run(&run_id).await?, &run_id, choices).await
}
