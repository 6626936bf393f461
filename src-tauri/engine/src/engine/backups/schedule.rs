//! Backups that are taken by themselves, every day at a time, while the console is open.

use super::keeping::time_of_day;
use crate::domain::backup::{BackupKind, BackupRecord, BackupRequest, BackupScope, BackupState};
use crate::domain::environment::Environment;
use crate::domain::{Failure, FailureCode};
use crate::engine::Engine;
use chrono::{DateTime, Local, Utc};
use std::time::Duration;

/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_secs(30);

impl Engine {
    /// Looks for due backups for as long as the console is open.
    pub async fn keep_schedule(&self) {
        loop {
            for (name, outcome) in self.schedule_tick(Local::now()).await {
                if let Err(failure) = outcome {
                    tracing::warn!(code = %failure.code, environment = %name, "the daily backup was not started");
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts the backups that are due at this moment; answers the run of each, by the environment's name. One that
    /// cannot be started is tried again the next day, and leaves its reason.
    pub async fn schedule_tick(&self, now: DateTime<Local>) -> Vec<(String, Result<String, Failure>)> {
        let Ok(environments) = self.store().environments().await else { return Vec::new() };
        let mut started = Vec::new();
        for environment in environments {
            let Ok(policy) = self.backup_policy(&environment.id).await else { continue };
            let Some(time) = policy.daily_at.as_deref().and_then(time_of_day) else { continue };
            let today = now.date_naive().to_string();
            let setting = format!("backup_scheduled:{}", environment.id);
            let last = self.store().setting(&setting).await.unwrap_or_default();
            if now.time() < time || last.as_deref() == Some(today.as_str()) {
                continue;
            }
            // Marked before it is tried: a backup that cannot be taken is not tried every half minute.
            if self.store().set_setting(&setting, &today).await.is_err() {
                continue;
            }
            let outcome = self.scheduled(&environment.id).await;
            if let Err(failure) = &outcome {
                self.not_taken(&environment, failure).await;
            }
            started.push((environment.name.clone(), outcome));
        }
        started
    }

    /// A daily backup that could not begin stands in the list, so that nobody believes in it.
    async fn not_taken(&self, environment: &Environment, failure: &Failure) {
        let id = Self::draw_backup_id();
        let record = BackupRecord {
            environment_id: Some(environment.id.clone()),
            environment_name: environment.name.clone(),
            state: BackupState::Broken,
            failure: Some(failure.clone()),
            ..BackupRecord::begun(id, environment.id.clone(), BackupKind::Deep, Utc::now())
        };
        if let Err(failure) = self.store().save_backup(&record).await {
            tracing::warn!(code = %failure.code, "that a daily backup was not taken could not be recorded");
        }
    }

    async fn scheduled(&self, environment_id: &str) -> Result<String, Failure> {
        let target = self.target(environment_id).await?;
        let request = BackupRequest {
            kind: BackupKind::Deep,
            scope: BackupScope::Whole,
            prove: true,
            for_plan: None,
            folder: None,
        };
        let run = self.start_backup(&target, request).await.map_err(|failure| match failure.code {
            FailureCode::RunInProgress => failure.next("The one that is being taken counts for today."),
            _ => failure,
        })?;
        self.audit(&target, "daily backup", &run.id, "started by the schedule").await?;
        Ok(run.id)
    }
}
