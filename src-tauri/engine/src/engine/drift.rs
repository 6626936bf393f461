//! Drift of a target: its applied migrations replayed on the sandbox and compared.

use super::status::read_set;
use super::{Engine, Target};
use crate::domain::Failure;
use crate::domain::drift::DriftReport;
use crate::domain::ledger::LedgerRow;
use crate::domain::migration::MigrationState;
use crate::runner::drift::drift;
use crate::runner::session::Connector;
use chrono::Utc;

impl Engine {
    /// Replays the applied migrations on a scratch database and compares the live schema with it.
    ///
    /// # Errors
    /// When target, files or sandbox cannot be used.
    pub async fn drift_compare(&self, target: &Target) -> Result<DriftReport, Failure> {
        let set = read_set(target).await?;
        let observation = self.observe(target).await?;
        let status = self.status_of(&set, &observation)?;
        let sandbox = self.sandbox()?;
        let mut applied = Vec::new();
        let mut open = Vec::new();
        let mut gone = Vec::new();
        for row in &status.migrations {
            let file = set.files.iter().find(|file| file.name == row.name);
            let script = file.and_then(|file| self.script_of(file));
            let text = file.and_then(|file| file.script.as_ref().ok());
            match (row.state, text, script) {
                (MigrationState::Applied | MigrationState::Edited, Some(text), Some(script)) => {
                    let finished = row
                        .rows
                        .iter()
                        .filter(|row| row.is_applied())
                        .filter_map(|row: &LedgerRow| row.finished_at)
                        .max();
                    applied.push((finished, (row.name.clone(), text.clone(), script)));
                }
                (MigrationState::Missing, ..) => gone.push(row.name.clone()),
                (_, _, Some(script)) => open.push((row.name.clone(), script)),
                _ => {}
            }
        }
        // In the order in which they really ran.
        applied.sort_by_key(|(finished, _)| *finished);
        let applied: Vec<_> = applied.into_iter().map(|(_, script)| script).collect();
        let mut live = target.connector.open_reading("drydock drift").await?;
        let scratch = sandbox.scratch().await?;
        let connector = Connector {
            address: scratch.address().clone(),
            password: sandbox.password(),
            check_timeout_ms: target.rules.check_timeout_ms,
            route: None,
        };
        let mut connection = connector.open("drydock drift").await?;
        let patience = target.connector.patience();
        let schema = &observation.schema;
        let compared = drift(&mut live, patience, &mut connection, &applied, &open, schema, Utc::now()).await;
        drop(connection);
        scratch.close().await?;
        let mut report = compared?;
        for name in gone {
            report.not_replayed.push(format!(
                "`{name}` was applied and its file is not here, so what it makes is not expected."
            ));
        }
        if let Some(environment) = &target.environment {
            self.store().keep_reading(&environment.id, "drift", report.read_at, &report).await?;
        }
        Ok(report)
    }
}
