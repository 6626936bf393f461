//! Plans: immutable, reviewable, bound to a target's identity and to the state they were made from.

use super::{
    environment::{GuardRules, Tier},
    finding::{Finding, Outcome},
    identity::TargetIdentity,
    statement::Script,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PlanPurpose {
    /// Apply all pending migrations.
    ApplyPending,
    /// Run the statements of a failed migration that are not there yet, then mark it as applied.
    FinishFailed {
        /// Migration.
        migration: String,
    },
    /// Take back what a failed migration left, then mark it as rolled back.
    UndoFailed {
        /// Migration.
        migration: String,
    },
    /// Mark as applied without running anything (`prisma migrate resolve --applied`).
    MarkApplied {
        /// Migration.
        migration: String,
    },
    /// Mark as rolled back without running anything (`prisma migrate resolve --rolled-back`).
    MarkRolledBack {
        /// Migration.
        migration: String,
    },
    /// Record migrations as applied in a database that has tables but no ledger.
    Baseline {
        /// The last migration that the database already contains.
        up_to: String,
    },
    /// Write the rows of a profile.
    Seed {
        /// The profile's id.
        profile: String,
        /// Its title.
        title: String,
    },
    /// Take back the rows of a run.
    Undo {
        /// The run to take back.
        run_id: String,
        /// Its number.
        run_number: u32,
        /// What it did, in words.
        run_title: String,
    },
    /// Take a backup.
    BackUp {
        /// What it is to hold, in words: `a deep backup of the whole database`.
        words: String,
    },
    /// Prove a backup.
    Prove {
        /// Which, in words: `the deep backup of 14:02`.
        words: String,
    },
    /// Make a backup from a dump.
    Import {
        /// Which, in words: `nightly.dump`.
        words: String,
    },
    /// Roll migrations back.
    RollBack {
        /// The migrations, newest first.
        migrations: Vec<String>,
    },
    /// Restore a backup.
    Restore {
        /// What, in words: `3 tables from the deep backup of 14:02`.
        words: String,
    },
    /// Take the swap of a restore back.
    SwapBack {
        /// The run whose swap it is.
        run_id: String,
        /// The name that the database from before is kept under.
        kept: String,
    },
}

/// One unit of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Step {
    /// Read identity, ledger and catalogue again and compare with the fingerprint.
    Check,
    /// Create the ledger table.
    CreateLedger {
        /// The DDL, exactly as Prisma writes it.
        sql: String,
    },
    /// Run one migration and record it.
    Migrate(MigrateStep),
    /// Run statements outside a migration file (finish or undo a failed one), in one transaction where possible.
    RunStatements {
        /// Whose repair this is.
        migration: String,
        /// The statements in order.
        statements: Vec<RepairStatement>,
        /// All in one transaction; false where one of them cannot run in one.
        atomic: bool,
    },
    /// Write ledger rows without running anything.
    Resolve {
        /// Migration.
        migration: String,
        /// Ids of failed rows to mark as rolled back.
        roll_back_rows: Vec<String>,
        /// Id and checksum of the row to insert as applied, if any.
        insert_applied: Option<AppliedRow>,
    },
    /// Write the rows of a profile, in one transaction.
    Seed(SeedStep),
    /// Take back the rows of a run, in one transaction.
    Undo(UndoStep),
    /// Ask the app to write. It cannot be tried, and not be taken back.
    Call(CallStep),
    /// Take a backup. It only reads.
    BackUp(super::backup::BackUpStep),
    /// Load a dump on a scratch database and make a backup of it.
    Import(super::import::ImportStep),
    /// Restore a backup on a scratch database and compare.
    Prove(super::backup::ProveStep),
    /// Put a backup's rows, or all of it, in the place of what is there now.
    Restore(super::backup::RestoreStep),
    /// Exchange the names of two databases once more, in one transaction.
    SwapBack(super::backup::SwapBackStep),
    /// Roll migrations back, in one transaction.
    RollBack(super::rollback::RollBackStep),
    /// Read again and compare with what was planned.
    Verify,
}

/// Write the rows of a profile. Everything that is drawn is drawn from `draw`, so that the dry run and the
/// apply write the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SeedStep {
    /// The profile's id.
    pub profile: String,
    /// Its title.
    pub title: String,
    /// SHA-256 over its files.
    pub files: String,
    /// Answers of the form, without passwords.
    pub answers: Vec<PlannedAnswer>,
    /// Hashes of the passwords. Empty where a plan is shown.
    pub hashes: Vec<PlannedHash>,
    /// The scale.
    pub scale: u32,
    /// What generated values are drawn from, in hex. Empty where a plan is shown.
    pub draw: String,
    /// The time that is written as now.
    pub now: DateTime<Utc>,
    /// What it writes, in order.
    pub writes: super::seed::ProfileWork,
    /// From scratch: rows of its tables that are not in the profile are deleted.
    #[serde(default)]
    pub reseed: bool,
}

/// An answer of the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct PlannedAnswer {
    /// Input.
    pub name: String,
    /// The form's words for it.
    pub label: String,
    /// Its value; `None`: left empty, or a password.
    pub value: Option<String>,
    /// It is a password.
    pub password: bool,
}

/// The hash of a password, in the PHC string format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct PlannedHash {
    /// Input.
    pub input: String,
    /// Only for this row: block and row, both 0-based. Its stored hash fits the password already.
    pub kept_for: Option<(u32, u32)>,
    /// The hash.
    pub hash: String,
}

/// Take back the rows of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct UndoStep {
    /// The run to take back.
    pub run_id: String,
    /// What to do with rows that were asked about; all others that moved are kept as they are now.
    pub choices: Vec<super::seed::UndoChoice>,
    /// Row changes that will be taken back.
    pub rows: u32,
}

/// Ask the app to write, by requests in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct CallStep {
    /// The profile's id.
    pub profile: String,
    /// Its title.
    pub title: String,
    /// SHA-256 over its files.
    pub files: String,
    /// The app's address.
    pub app: String,
    /// Answers of the form, without passwords.
    pub answers: Vec<PlannedAnswer>,
    /// The requests in order.
    pub requests: Vec<PlannedRequest>,
    /// Tables whose rows are counted before and after.
    pub counts: Vec<CountedTable>,
    /// A second time changes nothing, as the profile says.
    pub repeatable: bool,
}

/// A request to the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct PlannedRequest {
    /// Name.
    pub name: String,
    /// Method and path, without what is filled into them.
    pub request: String,
}

/// A table and how many rows it had when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct CountedTable {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Rows.
    pub rows: u32,
}

/// A ledger row to insert as applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct AppliedRow {
    /// Row id, drawn once.
    pub id: String,
    /// Checksum of the current file.
    pub checksum: String,
}

/// A statement of a repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RepairStatement {
    /// The SQL.
    pub sql: String,
    /// What it does, in words.
    pub summary: String,
    /// It destroys data.
    pub destructive: bool,
}

/// Run one migration and record it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct MigrateStep {
    /// Migration.
    pub name: String,
    /// Checksum of the script that will run.
    pub checksum: String,
    /// Id of the ledger row, drawn once: after a kill it tells whether this run wrote it.
    pub ledger_id: String,
    /// The script taken apart.
    pub script: Script,
    /// Bytes of the script.
    pub bytes: u32,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Plan {
    /// Random id.
    pub id: String,
    /// Running number in this console's store, for people.
    pub number: u32,
    /// Environment; `None` for a plan made from `DATABASE_URL`.
    pub environment_id: Option<String>,
    /// Name to confirm with.
    pub environment_name: String,
    /// Tier.
    pub tier: Tier,
    /// Purpose.
    pub purpose: PlanPurpose,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The target it is bound to.
    pub identity: TargetIdentity,
    /// Schema of the ledger.
    pub schema: String,
    /// The state it was made from.
    pub fingerprint: Fingerprint,
    /// Limits it obeys.
    pub rules: GuardRules,
    /// Folder the scripts come from.
    pub folder: String,
    /// Steps in order.
    pub steps: Vec<Step>,
    /// What the linter and our own facts say, strongest first.
    pub findings: Vec<Finding>,
    /// Estimated risk in words.
    pub risk: String,
    /// SHA-256 over everything above but id, number and time; what the operator confirms.
    pub digest: String,
}

impl Plan {
    /// Whether it writes rows (a seed or an undo), and not the schema.
    pub fn writes_rows(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Seed(_) | Step::Undo(_)))
    }

    /// Whether it stands on a profile or a run, and not on migration files.
    pub fn is_of_rows(&self) -> bool {
        self.writes_rows() || self.call().is_some() || self.restore().is_some() || self.swap_back().is_some()
    }

    /// Whether it writes to no target: a backup, an import or a proof.
    pub fn only_reads(&self) -> bool {
        matches!(
            self.purpose,
            PlanPurpose::BackUp { .. } | PlanPurpose::Import { .. } | PlanPurpose::Prove { .. }
        )
    }

    /// The roll back that it is.
    pub fn roll_back(&self) -> Option<&super::rollback::RollBackStep> {
        self.steps.iter().find_map(|step| match step {
            Step::RollBack(roll_back) => Some(roll_back),
            _ => None,
        })
    }

    /// The restore that it is.
    pub fn restore(&self) -> Option<&super::backup::RestoreStep> {
        self.steps.iter().find_map(|step| match step {
            Step::Restore(restore) => Some(restore),
            _ => None,
        })
    }

    /// The swap that it takes back.
    pub fn swap_back(&self) -> Option<&super::backup::SwapBackStep> {
        self.steps.iter().find_map(|step| match step {
            Step::SwapBack(back) => Some(back),
            _ => None,
        })
    }

    /// What is at the target's address afterwards is another database than before, or what is in it is.
    pub fn takes_its_place(&self) -> bool {
        self.swap_back().is_some() || self.restore().is_some_and(super::backup::RestoreStep::takes_its_place)
    }

    /// What it asks the app for.
    pub fn call(&self) -> Option<&CallStep> {
        self.steps.iter().find_map(|step| match step {
            Step::Call(call) => Some(call),
            _ => None,
        })
    }

    /// The seed or run that it is about, for lines about its rows; else empty.
    pub fn purpose_title(&self) -> String {
        match &self.purpose {
            PlanPurpose::Seed { title, .. } => title.clone(),
            PlanPurpose::Undo { run_number, .. } => format!("undo of run {run_number}"),
            _ => String::new(),
        }
    }

    /// The migrations it runs.
    pub fn migrations(&self) -> impl Iterator<Item = &MigrateStep> {
        self.steps.iter().filter_map(|step| match step {
            Step::Migrate(migrate) => Some(migrate),
            _ => None,
        })
    }
}

/// The state a plan was made from. Read again before the first write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Fingerprint {
    /// SHA-256 over all ledger rows.
    pub ledger: String,
    /// SHA-256 over the catalogue rows of every table of the schema.
    pub catalogue: String,
    /// SHA-256 over names and checksums of all migration files.
    pub files: String,
}

/// A condition that must hold before an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Gate {
    /// Which gate.
    pub kind: GateKind,
    /// Name in words: `Same database`.
    pub title: String,
    /// State.
    pub outcome: Outcome,
    /// The evidence, in one line.
    pub evidence: String,
    /// The operator can go on by typing the reason; kept on record.
    pub can_override: bool,
}

/// The gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum GateKind {
    /// Writes are not frozen; a gate only while they are.
    Freeze,
    /// Same database as pinned.
    Identity,
    /// Plan fits the present state.
    Fingerprint,
    /// Dry run or rehearsal worked.
    DryRun,
    /// A proven backup newer than the plan covers it.
    RestorePoint,
    /// No blocking finding.
    Findings,
    /// Longest blocking lock within the limit.
    Locks,
}

/// A plan with everything its review screen shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct PlanReview {
    /// The plan.
    pub plan: Plan,
    /// Its newest dry run, if any.
    pub dry_run: Option<super::change_set::DryRunReport>,
    /// The gates as they stand.
    pub gates: Vec<Gate>,
    /// The answer in one sentence.
    pub headline: String,
    /// What follows from it.
    pub lead: String,
}

impl PlanReview {
    /// The review as a screen gets it: without hashes, and without what ids are drawn from.
    pub fn for_screen(mut self) -> Self {
        for step in &mut self.plan.steps {
            if let Step::Seed(seed) = step {
                seed.hashes.clear();
                seed.draw.clear();
            }
        }
        self
    }
}

/// What the operator confirms an apply with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Confirmation {
    /// The plan's digest as shown.
    pub digest: String,
    /// The environment's name as typed; needed where the guard rules say so.
    pub typed_name: Option<String>,
    /// Numbers (index in `plan.findings`) of destructive findings that were ticked.
    pub ticked_findings: Vec<u32>,
    /// Why it is applied without a restore point, as typed; kept on record.
    pub override_reason: Option<String>,
}
