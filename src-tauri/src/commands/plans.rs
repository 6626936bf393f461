//! Plans: made, reviewed, tried, applied.

use super::{Answer, On};
use drydock_engine::ApplyOptions;
use drydock_engine::domain::plan::{Confirmation, PlanPurpose, PlanReview};

/// Makes a plan.
#[tauri::command]
#[specta::specta]
pub async fn plan_create(engine: On<'_>, environment_id: String, purpose: PlanPurpose) -> Answer<PlanReview> {
    engine.plan_create(&engine.target(&environment_id).await?, purpose).await
}

/// A plan with its gates as they stand now.
#[tauri::command]
#[specta::specta]
pub async fn plan_get(engine: On<'_>, plan_id: String) -> Answer<PlanReview> {
    Ok(engine.plan_review(&engine.target_of_plan(&plan_id).await?, &plan_id).await?.for_screen())
}

/// Starts the dry run; returns the run's id.
#[tauri::command]
#[specta::specta]
pub async fn plan_dry_run(engine: On<'_>, plan_id: String) -> Answer<String> {
    Ok(engine.start_dry_run(&engine.target_of_plan(&plan_id).await?, &plan_id).await?.id)
}

/// Starts the apply; returns the run's id.
#[tauri::command]
#[specta::specta]
pub async fn plan_apply(engine: On<'_>, plan_id: String, confirmation: Confirmation) -> Answer<String> {
    let target = engine.target_of_plan(&plan_id).await?;
    Ok(engine.start_apply(&target, &plan_id, confirmation, ApplyOptions::default()).await?.id)
}
