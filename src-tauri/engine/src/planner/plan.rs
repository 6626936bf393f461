//! (inventory, ledger, files) -> Plan. Pure: ids and the clock are passed in.

mod gates;
mod review;

pub use gates::{IdentityView, Present, frozen, gates, moved};
pub use review::review;

use crate::domain::environment::{GuardRules, Tier};
use crate::domain::identity::TargetIdentity;
use crate::domain::migration::{MigrationFile, hex};
use crate::domain::plan::{Fingerprint, MigrateStep, Plan, PlanPurpose, Step};
use crate::domain::statement::{Script, Waits};
use crate::domain::{Finding, Outcome};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

/// What a plan is made from.
pub struct Inventory<'a> {
    /// Environment id, if it is a stored one.
    pub environment_id: Option<String>,
    /// Environment's name.
    pub environment_name: String,
    /// Tier.
    pub tier: Tier,
    /// Guard rules.
    pub rules: GuardRules,
    /// Target.
    pub identity: TargetIdentity,
    /// Schema of the ledger.
    pub schema: String,
    /// State it is made from.
    pub fingerprint: Fingerprint,
    /// Folder of the files.
    pub folder: String,
    /// Findings of linter and facts, for the migrations the plan runs.
    pub findings: Vec<Finding>,
    /// Draws an id.
    pub draw_id: &'a dyn Fn() -> String,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Puts steps between the checks that every plan begins and ends with, and seals them with a digest.
pub fn seal(inventory: Inventory<'_>, purpose: PlanPurpose, work: Vec<Step>) -> Plan {
    let mut steps = vec![Step::Check];
    steps.extend(work);
    steps.push(Step::Verify);
    let mut findings = inventory.findings;
    findings.sort_by(|left, right| {
        right.outcome.cmp(&left.outcome).then(right.destructive.cmp(&left.destructive))
    });
    let mut plan = Plan {
        id: (inventory.draw_id)(),
        number: 0,
        environment_id: inventory.environment_id,
        environment_name: inventory.environment_name,
        tier: inventory.tier,
        purpose,
        created_at: inventory.now,
        identity: inventory.identity,
        schema: inventory.schema,
        fingerprint: inventory.fingerprint,
        rules: inventory.rules,
        folder: inventory.folder,
        risk: String::new(),
        steps,
        findings,
        digest: String::new(),
    };
    plan.risk = risk(&plan);
    plan.digest = digest(&plan);
    plan
}

/// The step of one migration.
pub fn migrate_step(file: &MigrationFile, script: Script, draw_id: &dyn Fn() -> String) -> MigrateStep {
    MigrateStep {
        name: file.name.clone(),
        checksum: file.checksum.clone().unwrap_or_default(),
        ledger_id: draw_id(),
        bytes: file.script.as_ref().map_or(0, |text| u32::try_from(text.len()).unwrap_or(u32::MAX)),
        script,
    }
}

/// SHA-256 over everything a plan will do and is bound to; id, number and time left out.
pub fn digest(plan: &Plan) -> String {
    let mut bare = plan.clone();
    bare.id.clear();
    bare.number = 0;
    bare.created_at = DateTime::UNIX_EPOCH;
    bare.digest.clear();
    hex(&Sha256::digest(serde_json::to_vec(&bare).unwrap_or_default()))
}

/// The risk in words, from findings and locks.
fn risk(plan: &Plan) -> String {
    if plan.call().is_some() {
        return "Not known: the app decides what it writes.".to_owned();
    }
    if plan.swap_back().is_some() {
        return "Sessions of both databases are cut; rows written since the restore stay behind.".to_owned();
    }
    let destructive = plan.findings.iter().filter(|finding| finding.destructive).count();
    let blocking = plan.findings.iter().filter(|finding| finding.outcome == Outcome::Block).count();
    let unknown = plan.findings.iter().filter(|finding| finding.outcome == Outcome::Unknown).count();
    let everyone = plan
        .migrations()
        .flat_map(|step| &step.script.statements)
        .flat_map(|statement| &statement.locks)
        .filter(|lock| lock.waits == Waits::ReadersAndWriters)
        .map(|lock| lock.table.as_str())
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    let apart = plan
        .migrations()
        .filter(|step| step.script.mode != crate::domain::statement::ScriptMode::Atomic)
        .count();
    let mut words = Vec::new();
    if blocking > 0 {
        words.push(format!("{blocking} findings stop it."));
    }
    if destructive > 0 {
        words.push(format!(
            "{} data.",
            if destructive == 1 {
                "1 statement destroys".to_owned()
            } else {
                format!("{destructive} statements destroy")
            }
        ));
    }
    if everyone > 0 {
        words.push(format!(
            "{} closed to readers and writers for a moment.",
            if everyone == 1 { "1 table is".to_owned() } else { format!("{everyone} tables are") }
        ));
    }
    if apart > 0 {
        words.push(format!(
            "{} not all-or-nothing: if one fails midway, part of it stays.",
            if apart == 1 { "1 migration is".to_owned() } else { format!("{apart} migrations are") }
        ));
    }
    if unknown > 0 {
        words.push(format!("{unknown} checks could not tell."));
    }
    if words.is_empty() {
        "Low: nothing is destroyed, nobody has to wait long.".to_owned()
    } else {
        words.join(" ")
    }
}

/// Whether the plan runs SQL that can be tried.
pub fn needs_dry_run(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| {
        matches!(
            step,
            Step::Migrate(_) | Step::RunStatements { .. } | Step::Seed(_) | Step::Undo(_) | Step::RollBack(_)
        )
    })
}

/// `3 ms`, `0.24 s`: two figures that mean something.
fn duration(seconds: f64) -> String {
    if seconds < 0.1 { format!("{:.0} ms", (seconds * 1000.0).max(1.0)) } else { format!("{seconds:.2} s") }
}
