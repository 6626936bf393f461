//! The overview: one card an instrument, each a number with a state and an age.

use super::{finding::Outcome, identity::TargetIdentity, run::RunStatus};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The instruments, in their fixed places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum Instrument {
    /// Connection.
    Connection,
    /// Migrations.
    Migrations,
    /// Drift.
    Drift,
    /// Runs.
    Runs,
    /// Activity: sessions and locks.
    Activity,
}

/// One card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Card {
    /// Which.
    pub instrument: Instrument,
    /// State; `None`: never read.
    pub outcome: Option<Outcome>,
    /// The number, as printed; `None`: not read.
    pub figure: Option<String>,
    /// Its unit in words.
    pub unit: String,
    /// Two or three short sentences.
    pub detail: String,
    /// When it was read.
    pub read_at: Option<DateTime<Utc>>,
    /// A run at work, for the Runs card.
    pub running: Option<RunStatus>,
}

/// The next step, always one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum NextStep {
    /// Open the connection doctor.
    OpenDoctor,
    /// Choose a migrations folder.
    ChooseMigrations,
    /// Open the failed migration.
    OpenRepair,
    /// Plan the pending migrations.
    PlanPending,
    /// Baseline the database.
    Baseline,
    /// Compare the schema.
    CompareDrift,
    /// Open the run that needs attention or is at work.
    OpenRun,
    /// Pin the identity again.
    Repin,
    /// Nothing waits.
    Nothing,
}

/// Is this environment all right, and if not, what is wrong?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Overview {
    /// The answer in one or two sentences.
    pub headline: String,
    /// What follows.
    pub lead: String,
    /// Cards in their fixed order.
    pub cards: Vec<Card>,
    /// The next step.
    pub next: NextStep,
    /// The next step in words.
    pub next_title: String,
    /// What it does and does not do.
    pub next_detail: String,
    /// What the next step is about: a migration's name or a run's id.
    pub next_subject: Option<String>,
    /// The target as seen now.
    pub identity: Option<TargetIdentity>,
    /// Sequential round trips it took.
    pub round_trips: u32,
    /// When it was read.
    pub read_at: DateTime<Utc>,
}
