//! The release desk: what is still missing before an apply, and after it. Everything on it is computed from
//! evidence; all that is kept is which plan is released and what people said.

use super::finding::Outcome;
use super::plan::Gate;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A stage of a release, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The place is fit for a release, and people know of it.
    Prepare,
    /// What will be done is written down and fits the present state.
    Plan,
    /// It was tried and taken back.
    DryRun,
    /// There is a proven way back.
    BackUp,
    /// It is done.
    Apply,
    /// It did what it was to do.
    Verify,
    /// It stays well.
    Watch,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Prepare, Self::Plan, Self::DryRun, Self::BackUp, Self::Apply, Self::Verify, Self::Watch];

    /// As the screen names it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Prepare => "Prepare",
            Self::Plan => "Plan",
            Self::DryRun => "Dry run",
            Self::BackUp => "Back up",
            Self::Apply => "Apply",
            Self::Verify => "Verify",
            Self::Watch => "Watch",
        }
    }
}

/// What is released: a checklist says which of them it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum ReleaseKind {
    /// Pending migrations.
    Migrations,
    /// The rows of a seed profile.
    Seed,
}

/// What an item is bound to. Each is one question that the console answers from evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "kebab-case")]
pub enum DeskCheck {
    /// The target answers and is the database it was.
    Connection,
    /// Nothing is frozen.
    WritesOpen,
    /// No run is at work or of unknown outcome.
    RunsSettled,
    /// Files and ledger agree on what was applied.
    FilesAndLedger,
    /// The live schema is what the applied migrations make.
    Drift,
    /// Nobody waits for a lock, and no transaction is open for long.
    Sessions,
    /// There is a plan, and it fits the present state.
    PlanFits,
    /// No finding of the plan stops it.
    Findings,
    /// The plan was tried and taken back.
    DryRun,
    /// No lock is held longer than allowed.
    Locks,
    /// A backup is newer than the plan.
    BackupNewer,
    /// It holds every table the plan touches.
    BackupCovers,
    /// It was restored on a scratch copy and compared.
    BackupProven,
    /// The plan was applied.
    Applied,
    /// After the apply, nothing that was planned waits any more.
    LedgerAfter,
    /// After the apply, the live schema is what the migrations make.
    DriftAfter,
    /// After the apply, all checks hold.
    ChecksAfter,
}

/// How a stage or an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum DeskState {
    /// Ticked: evidence, or a person, says so.
    Pass,
    /// Ticked, and worth a look.
    Warn,
    /// Its turn has not come, or a person has not said so yet.
    Waiting,
    /// A run of ours is at work on it.
    Running,
    /// Not known. Never a tick.
    Unknown,
    /// Stops the release.
    Block,
    /// Earlier stages do not pass.
    Locked,
}

impl DeskState {
    /// Whether it counts as ticked.
    pub fn is_ticked(self) -> bool {
        matches!(self, Self::Pass | Self::Warn)
    }
}

impl From<Outcome> for DeskState {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::Pass,
            Outcome::Warn => Self::Warn,
            Outcome::Unknown => Self::Unknown,
            Outcome::Block => Self::Block,
        }
    }
}

/// Where the evidence of an item can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum DeskLink {
    /// The connection doctor.
    Doctor,
    /// The Migrations panel.
    Migrations,
    /// The Drift panel.
    Drift,
    /// The Verification panel.
    Verification,
    /// The Backups panel.
    Backups,
    /// A backup.
    Backup {
        /// Its id.
        id: String,
    },
    /// A plan.
    Plan {
        /// Its id.
        id: String,
    },
    /// A run.
    Run {
        /// Its id.
        id: String,
    },
}

/// What a person said of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct PersonTick {
    /// The item.
    pub item: String,
    /// Who, as typed.
    pub name: String,
    /// What they added.
    pub note: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// The plan it was said of; a new plan un-ticks what belongs to a plan.
    pub plan_id: Option<String>,
}

/// What a person is about to say, of the desk that they saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Saying {
    /// The item.
    pub item: String,
    /// Who, as typed.
    pub name: String,
    /// What they add.
    pub note: Option<String>,
    /// The release that was on the desk.
    pub release_id: String,
    /// Its plan, if it had one.
    pub plan_id: Option<String>,
}

/// An item of the desk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct DeskItem {
    /// Names it within the release: the checklist's id and its own.
    pub id: String,
    /// What must hold, in one line.
    pub title: String,
    /// State.
    pub state: DeskState,
    /// The evidence in a sentence; for a person's item what there is to do.
    pub text: String,
    /// When the evidence was read or said; `None`: there is none.
    pub at: Option<DateTime<Utc>>,
    /// Where it can be read.
    pub link: Option<DeskLink>,
    /// It is for a person to say.
    pub by_person: bool,
    /// What was said, while it counts.
    pub said: Option<PersonTick>,
    /// It cannot be said before.
    pub not_before: Option<DateTime<Utc>>,
    /// Title of its checklist.
    pub checklist: String,
}

/// A stage of the desk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct DeskStage {
    /// Which.
    pub stage: Stage,
    /// Its name: `Dry run`.
    pub title: String,
    /// State: that of its weakest item.
    pub state: DeskState,
    /// Items that are ticked.
    pub ticked: u32,
    /// The stage in one line.
    pub text: String,
    /// The oldest of its evidence.
    pub at: Option<DateTime<Utc>>,
    /// Items, in the order of their checklists.
    pub items: Vec<DeskItem>,
}

/// What the one next button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum DeskAction {
    /// Begin a release of the pending migrations.
    Begin,
    /// Read everything again.
    ReadAgain,
    /// Open the connection doctor.
    OpenDoctor,
    /// Lift the freeze, here or everywhere.
    LiftFreeze,
    /// Open the run that is at work, failed or was cut off: `subject` is its id.
    OpenRun,
    /// Open the Migrations panel.
    OpenMigrations,
    /// Compare the live schema.
    CompareDrift,
    /// Open the Drift panel.
    OpenDrift,
    /// Say an item: `subject` is its id.
    Say,
    /// Make the plan.
    MakePlan,
    /// Open the plan: `subject` is its id.
    OpenPlan,
    /// Start the dry run of the plan.
    DryRun,
    /// Take a backup for the plan; it is proven by itself where it can be.
    BackUp,
    /// Prove a backup: `subject` is its id.
    Prove,
    /// Open a backup: `subject` is its id.
    OpenBackup,
    /// Apply the plan, after the confirmation.
    Apply,
    /// Read all checks.
    Verify,
    /// Open the Verification panel.
    OpenVerification,
    /// End the release: it is through.
    End,
    /// Nothing is to be released.
    Nothing,
}

/// The one next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct DeskNext {
    /// What it does.
    pub action: DeskAction,
    /// In words: `Take a new backup and prove it by a restore.`
    pub title: String,
    /// What it does and does not do.
    pub detail: String,
    /// The words of the button.
    pub button: String,
    /// What it is about: an item, a run, a plan or a backup.
    pub subject: Option<String>,
}

/// Drydock writes nothing: on one environment, or on all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Freeze {
    /// It is for all environments.
    pub everywhere: bool,
    /// Who.
    pub by: String,
    /// Why, as typed.
    pub why: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// All freezes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Freezes {
    /// That of all environments.
    pub everywhere: Option<Freeze>,
    /// Those of single environments.
    pub environments: Vec<EnvironmentFreeze>,
}

/// The freeze of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct EnvironmentFreeze {
    /// Environment.
    pub environment_id: String,
    /// Its freeze.
    pub freeze: Freeze,
}

/// A release as it is kept: the plan it is about, and what people said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Release {
    /// Random id.
    pub id: String,
    /// Running number of the environment, for people.
    pub number: u32,
    /// Environment.
    pub environment_id: String,
    /// What is released.
    pub kind: ReleaseKind,
    /// When it began.
    pub begun_at: DateTime<Utc>,
    /// Who began it.
    pub begun_by: String,
    /// When it ended; `None`: it is on the desk.
    pub ended_at: Option<DateTime<Utc>>,
    /// It was put away before it was through, for this reason.
    pub put_away: Option<String>,
    /// Its plan, once there is one.
    pub plan_id: Option<String>,
    /// What people said, oldest first.
    pub said: Vec<PersonTick>,
    /// The stages before the apply as they stood when the desk let it begin.
    pub sealed: Option<Sealed>,
}

/// The stages before an apply as they stood when it began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Sealed {
    /// When.
    pub at: DateTime<Utc>,
    /// The plan that was applied.
    pub plan_id: String,
    /// The run that applied it; `None`: none was started from the desk with it.
    pub run_id: Option<String>,
    /// The stages.
    pub stages: Vec<DeskStage>,
}

/// What is still missing before an apply, and after it?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Desk {
    /// The answer in one or two sentences.
    pub headline: String,
    /// What it stands on.
    pub lead: String,
    /// The release on the desk; `None`: there is none.
    pub release: Option<Release>,
    /// Number of its plan, for people.
    pub plan_number: Option<u32>,
    /// The stages in order; empty without a release.
    pub stages: Vec<DeskStage>,
    /// The stage whose turn it is; `None`: all are through, or nothing is released.
    pub current: Option<Stage>,
    /// The gates of the plan as they stand now; empty without a plan, and once it is applied.
    pub gates: Vec<Gate>,
    /// When the plan was applied to its end.
    pub applied_at: Option<DateTime<Utc>>,
    /// Whether writes are frozen.
    pub frozen: Option<Freeze>,
    /// Folder for checklists of one's own.
    pub own_checklists: String,
    /// Who sits at this computer, to begin with where a name is asked; empty where nobody tells.
    pub operator: String,
    /// Releases that ended, newest first.
    pub earlier: Vec<Release>,
    /// The one next step.
    pub next: DeskNext,
    /// When everything was read.
    pub read_at: DateTime<Utc>,
}
