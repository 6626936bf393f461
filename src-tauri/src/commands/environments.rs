//! The rail and the environment form.

use super::{Answer, On};
use drydock_engine::domain::environment::{Environment, EnvironmentDraft, EnvironmentSummary};

/// All environments in their order.
#[tauri::command]
#[specta::specta]
pub async fn environments_list(engine: On<'_>) -> Answer<Vec<EnvironmentSummary>> {
    engine.environments().await
}

/// One environment.
#[tauri::command]
#[specta::specta]
pub async fn environment_get(engine: On<'_>, id: String) -> Answer<Environment> {
    engine.environment(&id).await
}

/// Adds an environment.
#[tauri::command]
#[specta::specta]
pub async fn environment_create(engine: On<'_>, draft: EnvironmentDraft) -> Answer<Environment> {
    engine.environment_create(draft).await
}

/// Changes an environment.
#[tauri::command]
#[specta::specta]
pub async fn environment_update(engine: On<'_>, id: String, draft: EnvironmentDraft) -> Answer<Environment> {
    engine.environment_update(&id, draft).await
}

/// Adds a copy.
#[tauri::command]
#[specta::specta]
pub async fn environment_duplicate(engine: On<'_>, id: String) -> Answer<Environment> {
    engine.environment_duplicate(&id).await
}

/// Adds the database that a restore left beside its target.
#[tauri::command]
#[specta::specta]
pub async fn environment_of_restore(engine: On<'_>, run: String) -> Answer<Environment> {
    engine.environment_of_restore(&run).await
}

/// Puts environments in this order.
#[tauri::command]
#[specta::specta]
pub async fn environment_reorder(engine: On<'_>, ids: Vec<String>) -> Answer<()> {
    engine.environment_reorder(&ids).await
}

/// Forgets an environment and its secrets.
#[tauri::command]
#[specta::specta]
pub async fn environment_delete(engine: On<'_>, id: String, typed_name: Option<String>) -> Answer<()> {
    engine.environment_delete(&id, typed_name.as_deref()).await
}
