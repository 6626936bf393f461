//! Settings of the console itself.

use super::{Answer, On};
use drydock_engine::Settings;

/// The settings.
#[tauri::command]
#[specta::specta]
pub async fn settings_get(engine: On<'_>) -> Answer<Settings> {
    engine.settings().await
}

/// Changes the settings.
#[tauri::command]
#[specta::specta]
pub async fn settings_set(engine: On<'_>, settings: Settings) -> Answer<Settings> {
    engine.set_settings(settings).await
}

/// Checks the audit's chain.
#[tauri::command]
#[specta::specta]
pub async fn audit_verify(engine: On<'_>) -> Answer<String> {
    engine.verify_audit().await
}
