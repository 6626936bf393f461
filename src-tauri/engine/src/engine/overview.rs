//! The overview: is this environment all right, and if not, what is wrong?

use super::status::read_set;
use super::{Engine, Observation, Target};
use crate::domain::drift::{DriftClass, DriftReport};
use crate::domain::identity::IdentityVerdict;
use crate::domain::migration::{LedgerPresence, MigrationState, MigrationStatus};
use crate::domain::overview::{Card, Instrument, NextStep, Overview};
use crate::domain::run::{RunStatus, RunSummary};
use crate::domain::{Failure, FailureCode, Outcome};
use chrono::Utc;

impl Engine {
    /// Reads every instrument of a stored environment, also where its secret is not at hand.
    ///
    /// # Errors
    /// As [`Engine::overview`].
    pub async fn overview_of(&self, id: &str) -> Result<Overview, Failure> {
        match self.target(id).await {
            Ok(target) => self.overview(&target).await,
            Err(failure) if failure.code == FailureCode::EnvironmentUnknown => Err(failure),
            Err(failure) => {
                let target = Target::bare(self.environment(id).await?);
                self.overview_with(&target, Err(failure)).await
            }
        }
    }

    /// Reads every instrument of an environment. What cannot be read is unknown, not an error.
    ///
    /// # Errors
    /// Only when the environment or the console's own store cannot be read.
    pub async fn overview(&self, target: &Target) -> Result<Overview, Failure> {
        let observed = self.observe(target).await;
        self.overview_with(target, observed).await
    }

    async fn overview_with(
        &self,
        target: &Target,
        observed: Result<Observation, Failure>,
    ) -> Result<Overview, Failure> {
        let set = if target.folder.is_some() { Some(read_set(target).await) } else { None };
        let status = match (&observed, &set) {
            (Ok(observation), Some(Ok(set))) => Some(self.status_of(set, observation)),
            (_, Some(Err(failure))) => Some(Err(failure.clone())),
            _ => None,
        };
        let id = target.environment.as_ref().map(|environment| environment.id.clone()).unwrap_or_default();
        let drift = self.store().reading::<DriftReport>(&id, "drift").await?;
        let runs = self
            .store()
            .runs(target.environment.as_ref().map(|environment| environment.id.as_str()), "")
            .await?;
        let open = self
            .store()
            .open_runs(target.environment.as_ref().map(|environment| environment.id.as_str()), &target.name)
            .await?;
        let overview = compose(target, &observed, status.as_ref(), drift.as_ref(), &runs, &open);
        if !id.is_empty() {
            self.store().keep_reading(&id, "overview", overview.read_at, &overview).await?;
        }
        Ok(overview)
    }
}

fn compose(
    target: &Target,
    observed: &Result<Observation, Failure>,
    status: Option<&Result<MigrationStatus, Failure>>,
    drift: Option<&DriftReport>,
    runs: &[RunSummary],
    open: &[RunSummary],
) -> Overview {
    let now = Utc::now();
    let moved = status.and_then(|status| status.as_ref().ok()).is_some_and(|status| {
        drift.is_some_and(|drift| {
            status
                .migrations
                .iter()
                .flat_map(|row| &row.rows)
                .filter_map(|row| row.finished_at)
                .any(|finished| finished > drift.read_at)
        })
    });
    let cards = vec![
        connection_card(target, observed),
        migrations_card(target, observed, status),
        drift_card(drift, moved),
        activity_card(observed),
        runs_card(runs, open),
    ];
    let next = next(target, observed, status, drift.filter(|_| !moved), open);
    Overview {
        headline: next.headline,
        lead: next.lead,
        cards,
        next: next.step,
        next_title: next.title,
        next_detail: next.detail,
        next_subject: next.subject,
        identity: observed.as_ref().ok().map(|observation| observation.identity.clone()),
        round_trips: observed.as_ref().map_or(0, |observation| observation.round_trips),
        read_at: now,
    }
}

fn card(
    instrument: Instrument,
    outcome: Option<Outcome>,
    figure: Option<String>,
    unit: &str,
    detail: String,
) -> Card {
    Card {
        instrument,
        outcome,
        figure,
        unit: unit.to_owned(),
        detail,
        read_at: Some(Utc::now()),
        running: None,
    }
}

fn connection_card(target: &Target, observed: &Result<Observation, Failure>) -> Card {
    let place = if target.environment.as_ref().is_some_and(|environment| environment.sandbox) {
        "The sandbox on this computer".to_owned()
    } else {
        format!("Direct to {}", target.connector.address.host)
    };
    match observed {
        Ok(observation) => {
            let (outcome, words) = match &observation.verdict {
                IdentityVerdict::Different { .. } => {
                    (Outcome::Block, "Another database answers than before; writes are refused.")
                }
                _ if observation.facts.in_recovery => {
                    (Outcome::Warn, "It is a standby: it can be read, not written.")
                }
                IdentityVerdict::First => (Outcome::Pass, "First contact: this database is remembered now."),
                IdentityVerdict::Same => (Outcome::Pass, "The same database as before."),
            };
            let milliseconds = observation.round_trip_ms;
            let figure =
                if milliseconds < 9.95 { format!("{milliseconds:.1}") } else { format!("{milliseconds:.0}") };
            card(
                Instrument::Connection,
                Some(outcome),
                Some(figure),
                "ms round trip",
                format!("{place}, {}. {words}", observation.identity.version_words()),
            )
        }
        Err(failure) => {
            // A missing secret says nothing about the database.
            let outcome = match failure.code {
                FailureCode::SecretNeeded | FailureCode::VaultLocked | FailureCode::KeyringUnavailable => {
                    Outcome::Unknown
                }
                _ => Outcome::Block,
            };
            card(
                Instrument::Connection,
                Some(outcome),
                None,
                "not reached",
                format!("{place}. {}", failure.what),
            )
        }
    }
}

fn migrations_card(
    target: &Target,
    observed: &Result<Observation, Failure>,
    status: Option<&Result<MigrationStatus, Failure>>,
) -> Card {
    match status {
        Some(Ok(status)) => {
            let count = |state| status.migrations.iter().filter(|row| row.state == state).count();
            let (failed, edited, missing) = (
                count(MigrationState::Failed),
                count(MigrationState::Edited),
                count(MigrationState::Missing),
            );
            let waiting = status.next_apply.len();
            let outcome = if failed > 0
                || matches!(status.ledger, LedgerPresence::BaselineNeeded { .. })
                || count(MigrationState::Unreadable) > 0
            {
                Outcome::Block
            } else if count(MigrationState::Running) > 0 {
                Outcome::Unknown
            } else if waiting > 0 || edited + missing > 0 {
                Outcome::Warn
            } else {
                Outcome::Pass
            };
            let mut parts = Vec::new();
            for (number, words) in [(failed, "failed"), (edited, "edited"), (missing, "missing")] {
                if number > 0 {
                    parts.push(format!("{number} {words}"));
                }
            }
            let detail = if parts.is_empty() {
                status.lead.clone()
            } else {
                format!("{}. {}", parts.join(", "), status.lead)
            };
            card(Instrument::Migrations, Some(outcome), Some(waiting.to_string()), "waiting", detail)
        }
        Some(Err(failure)) => {
            card(Instrument::Migrations, Some(Outcome::Unknown), None, "not read", failure.what.clone())
        }
        None if target.folder.is_none() => card(
            Instrument::Migrations,
            Some(Outcome::Unknown),
            None,
            "no folder",
            "Choose the migrations folder first.".to_owned(),
        ),
        None => card(
            Instrument::Migrations,
            Some(Outcome::Unknown),
            None,
            "not read",
            observed.as_ref().err().map_or_else(String::new, |_| "The database was not reached.".to_owned()),
        ),
    }
}

fn drift_card(drift: Option<&DriftReport>, moved: bool) -> Card {
    let Some(drift) = drift else {
        return Card {
            read_at: None,
            ..card(
                Instrument::Drift,
                None,
                None,
                "not compared",
                "Compare the live schema with what the applied migrations make.".to_owned(),
            )
        };
    };
    let count = |class| drift.differences.iter().filter(|difference| difference.class == class).count();
    let (dangerous, unknown) = (count(DriftClass::Dangerous), count(DriftClass::Unknown));
    let outcome = if moved {
        Outcome::Unknown
    } else if dangerous > 0 {
        Outcome::Block
    } else if unknown > 0 || !drift.not_replayed.is_empty() {
        Outcome::Unknown
    } else {
        Outcome::Pass
    };
    let detail = if moved {
        format!("The ledger has moved since. {}", drift.headline)
    } else {
        drift.headline.clone()
    };
    Card {
        read_at: Some(drift.read_at),
        ..card(Instrument::Drift, Some(outcome), Some(dangerous.to_string()), "dangerous differences", detail)
    }
}

fn activity_card(observed: &Result<Observation, Failure>) -> Card {
    match observed {
        Ok(observation) => {
            let blocked = observation.facts.blocked_sessions;
            let outcome = if blocked > 0 { Outcome::Warn } else { Outcome::Pass };
            let holder = match observation.facts.lock_holders.first() {
                Some(holder) => format!(" Session {} holds the migration lock.", holder.pid),
                None => String::new(),
            };
            let detail = format!("{} other sessions on the database.{holder}", observation.facts.sessions);
            card(Instrument::Activity, Some(outcome), Some(blocked.to_string()), "waiting for a lock", detail)
        }
        Err(_) => card(
            Instrument::Activity,
            Some(Outcome::Unknown),
            None,
            "not read",
            "The database was not reached.".to_owned(),
        ),
    }
}

fn runs_card(runs: &[RunSummary], open: &[RunSummary]) -> Card {
    let attention = open.iter().find(|run| run.status == RunStatus::NeedsAttention);
    let working = open.iter().find(|run| run.status == RunStatus::Running);
    let (outcome, detail, running) = match (attention, working, runs.first()) {
        (Some(run), ..) => (
            Some(Outcome::Unknown),
            format!("Run {} was cut off; what became of it is to be read.", run.number),
            None,
        ),
        (None, Some(run), _) => {
            (None, format!("Run {} is at work: {}.", run.number, run.title), Some(RunStatus::Running))
        }
        (None, None, Some(run)) => {
            let outcome = match run.status {
                RunStatus::Succeeded => Outcome::Pass,
                _ => Outcome::Warn,
            };
            let word = match run.status {
                RunStatus::Succeeded => "succeeded",
                RunStatus::Cancelled => "was cancelled",
                _ => "failed",
            };
            (Some(outcome), format!("Run {} {word}: {}.", run.number, run.title), None)
        }
        (None, None, None) => (None, "Nothing has been run from this console.".to_owned(), None),
    };
    Card { running, ..card(Instrument::Runs, outcome, Some(runs.len().to_string()), "on record", detail) }
}

struct Next {
    headline: String,
    lead: String,
    step: NextStep,
    title: String,
    detail: String,
    subject: Option<String>,
}

fn next(
    target: &Target,
    observed: &Result<Observation, Failure>,
    status: Option<&Result<MigrationStatus, Failure>>,
    drift: Option<&DriftReport>,
    open: &[RunSummary],
) -> Next {
    let say = |headline: String, lead: &str, step, title: String, detail: &str, subject| Next {
        headline,
        lead: lead.to_owned(),
        step,
        title,
        detail: detail.to_owned(),
        subject,
    };
    if let Some(run) = open.iter().find(|run| run.status == RunStatus::NeedsAttention) {
        return say(
            format!("Run {} was cut off before its end.", run.number),
            "The journal has no outcome for it. The server is asked; nothing is sent again.",
            NextStep::OpenRun,
            format!("See what became of run {}.", run.number),
            "Reads only.",
            Some(run.id.clone()),
        );
    }
    let observation = match observed {
        Err(failure) => {
            return say(
                format!("{} is not reached.", target.name),
                &failure.what,
                NextStep::OpenDoctor,
                "Test the connection, hop by hop.".to_owned(),
                "It finds the first hop that fails. Nothing is written.",
                None,
            );
        }
        Ok(observation) => observation,
    };
    if let IdentityVerdict::Different { reasons } = &observation.verdict {
        return say(
            "Another database answers than before.".to_owned(),
            &reasons.join(" "),
            NextStep::Repin,
            "Settle which database this is.".to_owned(),
            "Until then every write is refused.",
            None,
        );
    }
    let status = match status {
        None => {
            return say(
                format!("{} is reached. Its migrations are not known yet.", target.name),
                "Drydock compares the migration files with the ledger and the live schema.",
                NextStep::ChooseMigrations,
                "Choose the migrations folder.".to_owned(),
                "The folder itself, or the project's root. Nothing is written.",
                None,
            );
        }
        Some(Err(failure)) => {
            return say(
                "The migrations folder cannot be read.".to_owned(),
                &failure.what,
                NextStep::ChooseMigrations,
                "Choose the migrations folder again.".to_owned(),
                "Nothing is written.",
                None,
            );
        }
        Some(Ok(status)) => status,
    };
    if let LedgerPresence::BaselineNeeded { .. } = status.ledger {
        return say(
            status.headline.clone(),
            &status.lead,
            NextStep::Baseline,
            "Record what the database already contains.".to_owned(),
            "Making a plan writes nothing.",
            None,
        );
    }
    if let Some(failed) = status.migrations.iter().find(|row| row.state == MigrationState::Failed) {
        return say(
            status.headline.clone(),
            &status.lead,
            NextStep::OpenRepair,
            format!("Repair {}.", failed.name),
            "You will see the repair before anything is written.",
            Some(failed.name.clone()),
        );
    }
    if !status.next_apply.is_empty() {
        return say(
            status.headline.clone(),
            &status.lead,
            NextStep::PlanPending,
            "Plan what is waiting.".to_owned(),
            "Making a plan writes nothing; the dry run takes all of it back.",
            None,
        );
    }
    match drift {
        None => say(
            status.headline.clone(),
            "Whether the live schema is what they make has not been compared yet.",
            NextStep::CompareDrift,
            "Compare the live schema.".to_owned(),
            "Replays the migrations on a scratch copy. Nothing is written on the target.",
            None,
        ),
        Some(drift)
            if drift.differences.iter().any(|difference| difference.class == DriftClass::Dangerous) =>
        {
            say(
                drift.headline.clone(),
                "Every migration is in, but the live schema is not what they make.",
                NextStep::CompareDrift,
                "Read the differences.".to_owned(),
                "Nothing is written.",
                None,
            )
        }
        Some(drift) => say(
            status.headline.clone(),
            &drift.headline,
            NextStep::Nothing,
            "Nothing waits.".to_owned(),
            "Read again whenever you like.",
            None,
        ),
    }
}
