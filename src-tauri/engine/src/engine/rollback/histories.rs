//! The schema with and without some migrations, by replaying their history.

use crate::adapters::postgres::{catalogue, failure::failure};
use crate::domain::catalogue::Catalogue;
use crate::domain::ledger::LedgerRow;
use crate::domain::migration::{MigrationSet, MigrationState, MigrationStatus};
use crate::domain::{Failure, FailureCode, Finding, Outcome};
use crate::engine::{Engine, Target};
use crate::runner::replay::{AppliedScript, replay, replay_on};
use crate::runner::session::Connector;

/// The schema that a history makes, and what of it could not be replayed, with the reason.
type Replayed = (Catalogue, Vec<(String, String)>);

/// The schema with and without some migrations, by replaying the history.
pub(super) struct Histories {
    pub before: Catalogue,
    pub after: Catalogue,
    pub findings: Vec<Finding>,
}

impl Engine {
    /// The applied migrations with their texts, in the order in which they ran.
    pub(super) fn applied_scripts(
        &self,
        set: &MigrationSet,
        status: &MigrationStatus,
    ) -> Result<Vec<AppliedScript>, Failure> {
        let mut applied = Vec::new();
        for row in &status.migrations {
            if !matches!(
                row.state,
                MigrationState::Applied | MigrationState::Edited | MigrationState::Missing
            ) {
                continue;
            }
            let finished = row
                .rows
                .iter()
                .filter(|row| row.is_applied())
                .filter_map(|row: &LedgerRow| row.finished_at)
                .max();
            let file = set.files.iter().find(|file| file.name == row.name);
            let text = file.and_then(|file| file.script.as_ref().ok());
            let script = file.and_then(|file| self.script_of(file));
            match (text, script) {
                (Some(text), Some(script)) if row.state != MigrationState::Missing => {
                    applied.push((finished, (row.name.clone(), text.clone(), script)));
                }
                _ => {
                    return Err(Failure::new(
                        FailureCode::ScriptUnreadable,
                        format!(
                            "The file of `{}` is not here, so what the others made cannot be told apart.",
                            row.name
                        ),
                    )
                    .unchanged("Nothing was written.")
                    .next("Bring its folder back, or restore from a backup."));
                }
            }
        }
        applied.sort_by_key(|(finished, _)| *finished);
        Ok(applied.into_iter().map(|(_, script)| script).collect())
    }

    pub(super) async fn histories(
        &self,
        target: &Target,
        scripts: &[AppliedScript],
        chosen: &[String],
    ) -> Result<Histories, Failure> {
        let schema = &target.connector.address.schema;
        let without: Vec<AppliedScript> =
            scripts.iter().filter(|(name, ..)| !chosen.contains(name)).cloned().collect();
        // The newest ones, as mostly, are replayed on top of the others.
        let newest = scripts.get(without.len()..).unwrap_or_default();
        let replayed = if newest.iter().all(|(name, ..)| chosen.contains(name)) {
            self.replayed(target, &[&without, newest], schema).await?
        } else {
            let mut replayed = self.replayed(target, &[&without], schema).await?;
            replayed.extend(self.replayed(target, &[scripts], schema).await?);
            replayed
        };
        let [(before, first), (after, second)]: [Replayed; 2] = replayed.try_into().map_err(|_| {
            Failure::new(FailureCode::ResolveRefused, "The migrations could not be replayed.")
                .unchanged("Nothing was written.")
        })?;
        let mut findings = Vec::new();
        for (name, why) in first {
            if second.iter().any(|(other, _)| *other == name) {
                continue;
            }
            return Err(Failure::new(
                FailureCode::ResolveRefused,
                format!("`{name}` was applied later and needs what would be rolled back."),
            )
            .why(why)
            .unchanged("Nothing was written.")
            .next(format!("Roll `{name}` back together with it.")));
        }
        for (name, why) in second {
            let own = chosen.contains(&name);
            let outcome = if own { Outcome::Block } else { Outcome::Warn };
            let title = if own {
                format!("What `{name}` made is not all known: it could not be replayed.")
            } else {
                format!("`{name}` could not be replayed as a whole; what it made is left alone.")
            };
            findings.push(Finding::new("not-replayed", outcome, title).detail(why).at(&name, None));
        }
        Ok(Histories { before, after, findings })
    }

    /// The schema that some migrations make on a scratch database, and those that could not be replayed.
    async fn replayed(
        &self,
        target: &Target,
        stages: &[&[AppliedScript]],
        schema: &str,
    ) -> Result<Vec<Replayed>, Failure> {
        let sandbox = self.sandbox()?;
        let scratch = sandbox.scratch().await?;
        let connector = Connector {
            address: scratch.address().clone(),
            password: sandbox.password(),
            check_timeout_ms: target.rules.check_timeout_ms,
            route: None,
        };
        let read = async {
            let mut connection = connector.open("drydock roll back").await?;
            let mut read = Vec::new();
            let mut not_replayed = Vec::new();
            for scripts in stages {
                let replayed = match read.is_empty() {
                    true => replay(&mut connection, scripts, schema).await,
                    false => replay_on(&mut connection, scripts, schema).await,
                };
                not_replayed.extend(replayed.map_err(|error| failure(&error))?.not_replayed);
                let schemas = crate::adapters::postgres::scratch::schemas(&mut connection)
                    .await
                    .map_err(|error| failure(&error))?;
                let made =
                    catalogue::read(&mut connection, &schemas).await.map_err(|error| failure(&error))?;
                read.push((made, not_replayed.clone()));
            }
            Ok(read)
        };
        let read: Result<_, Failure> = read.await;
        scratch.close().await?;
        read
    }
}
