//! Runs: watched, searched, cancelled, examined.

use super::{Answer, On};
use drydock_engine::domain::run::{Examination, Run, RunEvent, RunSummary};
use tauri::ipc::Channel;

/// A run as it is recorded.
#[tauri::command]
#[specta::specta]
pub async fn run_get(engine: On<'_>, run_id: String) -> Answer<Run> {
    engine.run(&run_id).await
}

/// Runs, newest first.
#[tauri::command]
#[specta::specta]
pub async fn runs_list(
    engine: On<'_>,
    environment_id: Option<String>,
    search: String,
) -> Answer<Vec<RunSummary>> {
    engine.runs(environment_id.as_deref(), &search).await
}

/// The record of a run's events.
#[tauri::command]
#[specta::specta]
pub async fn run_events(engine: On<'_>, run_id: String) -> Answer<Vec<RunEvent>> {
    engine.run_events(&run_id).await
}

/// Everything so far, then live until the run ends.
#[tauri::command]
#[specta::specta]
pub async fn run_watch(engine: On<'_>, run_id: String, on_event: Channel<RunEvent>) -> Answer<()> {
    engine.watch_run(&run_id, &mut |event| drop(on_event.send(event))).await
}

/// Asks a run to stop.
#[tauri::command]
#[specta::specta]
pub async fn run_cancel(engine: On<'_>, run_id: String) -> Answer<String> {
    engine.cancel_run(&run_id)
}

/// What became of a run that was cut off.
#[tauri::command]
#[specta::specta]
pub async fn run_examine(engine: On<'_>, run_id: String) -> Answer<Examination> {
    let target = engine.target_of_run(&run_id).await.ok();
    engine.examine_run(target.as_ref(), &run_id).await
}

/// Asks the server to stop the sessions of a run that was cut off.
#[tauri::command]
#[specta::specta]
pub async fn run_stop_on_server(engine: On<'_>, run_id: String) -> Answer<()> {
    engine.stop_on_server(&engine.target_of_run(&run_id).await?, &run_id).await
}
