//! The release desk, and the freeze.

use super::{Answer, On};
use drydock_engine::domain::desk::{Desk, Freezes, Saying};
use drydock_engine::domain::plan::Confirmation;

/// The release desk of an environment as it stands now.
#[tauri::command]
#[specta::specta]
pub async fn desk_read(engine: On<'_>, environment_id: String) -> Answer<Desk> {
    engine.desk(&environment_id).await
}

/// Begins a release: of the pending migrations, or of a plan that was made elsewhere.
#[tauri::command]
#[specta::specta]
pub async fn desk_begin(engine: On<'_>, environment_id: String, plan_id: Option<String>) -> Answer<Desk> {
    engine.desk_begin(&environment_id, plan_id.as_deref()).await
}

/// Makes the plan of the release on the desk.
#[tauri::command]
#[specta::specta]
pub async fn desk_plan(engine: On<'_>, environment_id: String) -> Answer<Desk> {
    engine.desk_plan(&environment_id).await
}

/// A person says that an item is so, of the release and the plan that they saw.
#[tauri::command]
#[specta::specta]
pub async fn desk_say(engine: On<'_>, environment_id: String, saying: Saying) -> Answer<Desk> {
    engine.desk_say(&environment_id, saying).await
}

/// Takes back what was said of an item.
#[tauri::command]
#[specta::specta]
pub async fn desk_unsay(engine: On<'_>, environment_id: String, item: String) -> Answer<Desk> {
    engine.desk_unsay(&environment_id, &item).await
}

/// Applies the plan on the desk, if every stage before is through; returns the run's id.
#[tauri::command]
#[specta::specta]
pub async fn desk_apply(
    engine: On<'_>,
    environment_id: String,
    confirmation: Confirmation,
) -> Answer<String> {
    Ok(engine.desk_apply(&environment_id, confirmation).await?.id)
}

/// Ends the release on the desk, as through, or put away for a reason.
#[tauri::command]
#[specta::specta]
pub async fn desk_end(engine: On<'_>, environment_id: String, put_away: Option<String>) -> Answer<Desk> {
    engine.desk_end(&environment_id, put_away.as_deref()).await
}

/// All freezes.
#[tauri::command]
#[specta::specta]
pub async fn freezes_read(engine: On<'_>) -> Answer<Freezes> {
    engine.freezes().await
}

/// Freezes an environment, or all of them.
#[tauri::command]
#[specta::specta]
pub async fn freeze_set(engine: On<'_>, environment_id: Option<String>, why: String) -> Answer<Freezes> {
    engine.freeze(environment_id.as_deref(), &why).await
}

/// Lifts the freeze of an environment, or the one of all.
#[tauri::command]
#[specta::specta]
pub async fn freeze_lift(
    engine: On<'_>,
    environment_id: Option<String>,
    typed_name: Option<String>,
) -> Answer<Freezes> {
    engine.lift_freeze(environment_id.as_deref(), typed_name.as_deref()).await
}
