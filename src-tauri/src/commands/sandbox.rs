//! The sandbox and the demo.

use super::{Answer, On};
use drydock_engine::domain::environment::Environment;
use drydock_engine::domain::sandbox::SandboxStatus;

/// The sandbox's state; starts nothing.
#[tauri::command]
#[specta::specta]
pub async fn sandbox_status(engine: On<'_>) -> Answer<SandboxStatus> {
    Ok(engine.sandbox_status().await)
}

/// Starts the sandbox.
#[tauri::command]
#[specta::specta]
pub async fn sandbox_start(engine: On<'_>) -> Answer<SandboxStatus> {
    engine.sandbox_start().await
}

/// Stops the sandbox.
#[tauri::command]
#[specta::specta]
pub async fn sandbox_stop(engine: On<'_>) -> Answer<SandboxStatus> {
    engine.sandbox_stop().await
}

/// Throws the sandbox's databases away.
#[tauri::command]
#[specta::specta]
pub async fn sandbox_reset(engine: On<'_>) -> Answer<SandboxStatus> {
    engine.sandbox_reset().await
}

/// Brings the demo into its first state.
#[tauri::command]
#[specta::specta]
pub async fn demo_start(engine: On<'_>) -> Answer<Environment> {
    engine.demo_start().await
}
