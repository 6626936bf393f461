//! Runs: one attempt at a plan, never edited, and the events of its live stream.

use super::{error::Failure, finding::Finding, plan::Confirmation};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Tries a plan and takes it back.
    DryRun,
    /// Applies a plan.
    Apply,
    /// Takes a backup.
    BackUp,
    /// Makes a backup from a dump.
    Import,
    /// Proves a backup by restoring it on a scratch database.
    Prove,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Accepted, not started.
    Queued,
    /// At work.
    Running,
    /// All steps done.
    Succeeded,
    /// A step failed; what stayed is recorded.
    Failed,
    /// Cancelled; what stayed is recorded.
    Cancelled,
    /// The outcome is not known from the journal alone.
    NeedsAttention,
}

/// State of one step of a run, as the journal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not begun.
    Queued,
    /// Intent is journalled; no outcome yet.
    Started,
    /// Waits for a lock.
    Waiting,
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Taken back by the server or by us.
    TakenBack,
    /// Not run because an earlier one did not get through.
    NotRun,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RunStep {
    /// 0-based index in the plan's steps.
    pub index: u32,
    /// `Check`, `Migrate`, `Verify`, ...
    pub verb: String,
    /// Migration name or evidence line.
    pub title: String,
    /// State.
    pub status: StepStatus,
    /// Seconds it took.
    pub seconds: Option<f64>,
    /// Outcome in a line.
    pub note: Option<String>,
}

/// One attempt at a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Run {
    /// Random id.
    pub id: String,
    /// Running number, for people.
    pub number: u32,
    /// Plan.
    pub plan_id: String,
    /// Kind.
    pub kind: RunKind,
    /// Environment; `None` for `DATABASE_URL`.
    pub environment_id: Option<String>,
    /// Environment's name then.
    pub environment_name: String,
    /// What it was to do, in words.
    pub title: String,
    /// Status.
    pub status: RunStatus,
    /// When it was accepted.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Steps.
    pub steps: Vec<RunStep>,
    /// Why it did not get through.
    pub failure: Option<Failure>,
    /// What stayed and what was taken back, as sentences.
    pub aftermath: Vec<String>,
    /// What the operator confirmed.
    pub confirmation: Option<Confirmation>,
}

/// A run as the Runs panel lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RunSummary {
    /// Id.
    pub id: String,
    /// Number.
    pub number: u32,
    /// Kind.
    pub kind: RunKind,
    /// Environment's name then.
    pub environment_name: String,
    /// Title.
    pub title: String,
    /// Status.
    pub status: RunStatus,
    /// When accepted.
    pub started_at: DateTime<Utc>,
    /// Seconds it took.
    pub seconds: Option<f64>,
}

/// One entry of a run's live stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RunEvent {
    /// Run.
    pub run_id: String,
    /// 1-based, without gaps.
    pub sequence: u32,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub what: RunEventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RunEventKind {
    /// The run's status changed.
    Status {
        /// New status.
        status: RunStatus,
    },
    /// A step's state changed.
    Step {
        /// The step as it is now.
        step: RunStep,
    },
    /// Progress within a step.
    Progress {
        /// Step index.
        index: u32,
        /// Migrations done.
        migrations_done: u32,
        /// Migrations in all.
        migrations_total: u32,
        /// 1-based statement at work, where statements are sent one by one.
        statement: Option<u32>,
        /// Statements of this migration.
        statements_total: u32,
        /// Seconds in this step.
        seconds: f64,
    },
    /// Rows written so far in the table at work.
    Rows {
        /// Step index.
        index: u32,
        /// Table.
        table: String,
        /// Rows of this table that were sent.
        done: u32,
        /// Rows of this table in all.
        total: u32,
        /// Rows of all tables that were sent.
        all_done: u32,
        /// Rows of all tables.
        all: u32,
        /// Seconds since the first row was sent.
        seconds: f64,
    },
    /// Bytes read out, stored, restored or compared so far.
    Moved {
        /// Step index.
        index: u32,
        /// What is done with them: `stored`, `restored`, `compared`.
        verb: String,
        /// Tables that are done.
        tables_done: u32,
        /// Tables in all.
        tables_total: u32,
        /// Bytes that are done.
        bytes: f64,
        /// Bytes in all, estimated; 0: not known.
        bytes_total: f64,
        /// Seconds since it began.
        seconds: f64,
    },
    /// The run waits for a lock.
    Waiting {
        /// Step index.
        index: u32,
        /// Who holds it.
        blockers: Vec<Blocker>,
        /// Which try this is, 1-based.
        attempt: u32,
        /// Tries in all.
        attempts: u32,
    },
    /// A line for the record.
    Note {
        /// Text.
        text: String,
    },
    /// A finding made on the way.
    Finding {
        /// The finding.
        finding: Finding,
    },
    /// The run ended with this failure.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// A session that holds what a run waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Blocker {
    /// Backend process id.
    pub pid: i32,
    /// `application_name`.
    pub application: String,
    /// User.
    pub user: String,
    /// `active`, `idle in transaction`, ...
    pub state: String,
    /// Seconds in that state.
    pub seconds: f64,
    /// The relation waited for, where known.
    pub relation: Option<String>,
}

/// After a kill: journal and server side by side, per step, and what is safe to press.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Examination {
    /// The run.
    pub run: Run,
    /// The answer in one or two sentences.
    pub headline: String,
    /// Step by step.
    pub rows: Vec<ExaminedStep>,
    /// How it is known: `Session 4207 is gone`.
    pub evidence: Vec<Finding>,
    /// What is not known.
    pub unknown: Vec<String>,
    /// True while a session of the run is still at work on the server.
    pub still_running: bool,
    /// What is safe to do next.
    pub next: Vec<NextButton>,
    /// When the server was read; `None`: it could not be.
    pub read_at: Option<DateTime<Utc>>,
}

/// One step, as the journal has it and as the server has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ExaminedStep {
    /// The step as the journal has it.
    pub step: RunStep,
    /// What the journal says, in words.
    pub journal: String,
    /// What the server says, in words.
    pub server: String,
    /// What became of it.
    pub outcome: StepStatus,
    /// Journal and server differ.
    pub differs: bool,
}

/// A safe next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum NextButton {
    /// Read the server again.
    ExamineAgain,
    /// Make a new plan for what is left.
    NewPlan,
    /// Open the failed migration's doctor.
    OpenRepair,
    /// Ask the server to stop the session that is still at work.
    CancelOnServer,
    /// Nothing is left to do.
    Nothing,
}
