//! Gates: what has to hold before a plan is carried out, each with its evidence.

use super::{duration, needs_dry_run};
use crate::domain::backup::{BackupRecord, RestoreInto, RestoreStep};
use crate::domain::change_set::{DryRunReport, Tried};
use crate::domain::desk::Freeze;
use crate::domain::plan::{Fingerprint, Gate, GateKind, Plan};
use crate::domain::statement::Waits;
use crate::domain::{Finding, Outcome};
use crate::planner::restore_point;
use chrono::{DateTime, Utc};

/// What is known about the present when gates are judged.
pub struct Present<'a> {
    /// `None`: the target could not be read.
    pub identity: Option<IdentityView>,
    /// `None`: the target could not be read.
    pub fingerprint: Option<&'a Fingerprint>,
    /// The newest dry run of the plan.
    pub dry_run: Option<&'a DryRunReport>,
    /// Backups of this environment.
    pub backups: &'a [BackupRecord],
    /// Now.
    pub now: DateTime<Utc>,
}

/// How the target compares with the pin.
pub enum IdentityView {
    /// Same as pinned (or pinned now) and as planned.
    Same(String),
    /// Different, with reasons.
    Different(Vec<String>),
}

/// Judges every gate.
pub fn gates(plan: &Plan, present: &Present<'_>) -> Vec<Gate> {
    let gate = |kind, title: &str, outcome, evidence: String, can_override| Gate {
        kind,
        title: title.to_owned(),
        outcome,
        evidence,
        can_override,
    };
    let identity = match &present.identity {
        Some(IdentityView::Same(short)) => (Outcome::Pass, format!("id {short}, read just now")),
        Some(IdentityView::Different(reasons)) => (Outcome::Block, reasons.join(" ")),
        None => (Outcome::Unknown, "the database could not be read".to_owned()),
    };
    let fingerprint = match present.fingerprint {
        Some(now) if *now == plan.fingerprint => (Outcome::Pass, "fingerprint read just now".to_owned()),
        Some(now) => {
            (Outcome::Block, format!("{} moved since the plan was made", moved(&plan.fingerprint, now)))
        }
        None => (Outcome::Unknown, "the database could not be read".to_owned()),
    };
    let dry_run = dry_run_gate(plan, present.dry_run);
    let restore = if let Some(step) = plan.restore() {
        (Outcome::Pass, restore_point_of(step), false)
    } else if let Some(back) = plan.swap_back() {
        (Outcome::Pass, kept_on_the_server(&back.away), false)
    } else if plan.rules.restore_point {
        let cover = restore_point::judge(plan, present.dry_run, present.backups, present.now);
        let (outcome, evidence) = cover.gate();
        (outcome, evidence, true)
    } else {
        (Outcome::Pass, "not required by this environment's rules".to_owned(), false)
    };
    let blocking: Vec<&Finding> =
        plan.findings.iter().filter(|finding| finding.outcome == Outcome::Block).collect();
    let findings = match blocking.first() {
        Some(first) => (Outcome::Block, first.title.clone()),
        None => (Outcome::Pass, format!("{} to read, none blocks", plan.findings.len())),
    };
    let locks = lock_gate(plan, present.dry_run);
    vec![
        gate(GateKind::Identity, "Same database", identity.0, identity.1, false),
        gate(GateKind::Fingerprint, "Plan fits the present state", fingerprint.0, fingerprint.1, false),
        gate(GateKind::DryRun, "Dry run", dry_run.0, dry_run.1, false),
        gate(GateKind::RestorePoint, "Restore point", restore.0, restore.1, restore.2),
        gate(GateKind::Findings, "Nothing forbids it", findings.0, findings.1, false),
        gate(GateKind::Locks, "Longest lock", locks.0, locks.1, false),
    ]
}

/// The gate that stands while writes are frozen.
pub fn frozen(freeze: &Freeze) -> Gate {
    Gate {
        kind: GateKind::Freeze,
        title: "Writes are open".to_owned(),
        outcome: Outcome::Block,
        evidence: format!(
            "frozen{} by {}: {}",
            if freeze.everywhere { " on all environments" } else { "" },
            freeze.by,
            freeze.why
        ),
        can_override: false,
    }
}

/// What covers a restore.
fn restore_point_of(step: &RestoreStep) -> String {
    match step.request.into {
        RestoreInto::Target => "a backup of what is there now is taken first, in this run".to_owned(),
        RestoreInto::Swap => kept_on_the_server(step.kept_as().unwrap_or_default()),
        RestoreInto::NewDatabase { .. } => "nothing that is there is touched".to_owned(),
    }
}

fn kept_on_the_server(name: &str) -> String {
    format!("the database that is there now is kept on the server as {name}; it is no backup")
}

fn dry_run_gate(plan: &Plan, dry_run: Option<&DryRunReport>) -> (Outcome, String) {
    if plan.call().is_some() {
        let words =
            "cannot be tried: the app writes; the requests are listed, rows are counted before and after";
        return (Outcome::Warn, words.to_owned());
    }
    if plan.restore().is_some() {
        let words = match plan.restore().map(|step| &step.request.into) {
            Some(RestoreInto::NewDatabase { .. }) => "not needed: what is there is not touched",
            Some(RestoreInto::Swap) => "cannot be tried; it is compared before the names are exchanged",
            _ => "cannot be tried; what it replaces is shown, and it is compared before it is committed",
        };
        let harmless = plan.restore().is_some_and(|step| !step.takes_its_place());
        return (if harmless { Outcome::Pass } else { Outcome::Warn }, words.to_owned());
    }
    if plan.swap_back().is_some() {
        let words = "cannot be tried; both names change in one transaction, or none does";
        return (Outcome::Warn, words.to_owned());
    }
    if !needs_dry_run(plan) {
        return (Outcome::Pass, "nothing runs; the ledger rows are shown exactly".to_owned());
    }
    let Some(report) = dry_run.filter(|report| report.digest == plan.digest) else {
        return (Outcome::Block, "not tried yet".to_owned());
    };
    let tried = report.trials.iter().filter(|trial| trial.tried == Tried::DryRun).count();
    let rehearsed = report.trials.iter().filter(|trial| trial.tried == Tried::Rehearsal).count();
    let how = match (tried, rehearsed) {
        (_, 0) => "on the target, taken back".to_owned(),
        (0, _) => "rehearsed on a scratch copy without data".to_owned(),
        _ => format!("{tried} on the target, {rehearsed} rehearsed without data"),
    };
    match (report.worked, report.taken_back) {
        (Some(false), _) => {
            let failed = report.trials.iter().find(|trial| trial.worked == Some(false));
            (
                Outcome::Block,
                failed.map_or("it failed".to_owned(), |trial| match &trial.note {
                    Some(note) => format!("{} would fail: {note}", trial.migration),
                    None => format!("{} would fail", trial.migration),
                }),
            )
        }
        (_, Some(false)) => (Outcome::Block, "the target was not the same afterwards".to_owned()),
        (Some(true), Some(true)) => (Outcome::Pass, how),
        _ => {
            let untried = report.trials.iter().filter(|trial| trial.worked.is_none()).count();
            (
                Outcome::Unknown,
                if untried > 0 {
                    format!("{untried} could not be tried")
                } else if let Some(first) = report.unknowns.first() {
                    format!("not all of it is known: {first}")
                } else {
                    "its end was not seen".to_owned()
                },
            )
        }
    }
}

const SWAP_WAITS: &str = "no table is locked; who comes while the names are exchanged waits for seconds";

fn lock_gate(plan: &Plan, dry_run: Option<&DryRunReport>) -> (Outcome, String) {
    let Some(report) = dry_run.filter(|report| report.digest == plan.digest) else {
        return if let Some(step) = plan.restore() {
            match step.request.into {
                RestoreInto::Target => {
                    (Outcome::Warn, "the tables it replaces are locked until it is done".to_owned())
                }
                RestoreInto::Swap => (Outcome::Warn, SWAP_WAITS.to_owned()),
                RestoreInto::NewDatabase { .. } => (Outcome::Pass, "none on what is there".to_owned()),
            }
        } else if plan.swap_back().is_some() {
            (Outcome::Warn, SWAP_WAITS.to_owned())
        } else if plan.call().is_some() {
            (Outcome::Warn, "the app's own; not measured".to_owned())
        } else if needs_dry_run(plan) {
            (Outcome::Unknown, "measured by the dry run".to_owned())
        } else {
            (Outcome::Pass, "none on the product's tables".to_owned())
        };
    };
    let longest = report
        .locks
        .iter()
        .filter(|lock| lock.waits != Waits::Nobody)
        .max_by(|left, right| left.held_seconds.total_cmp(&right.held_seconds));
    match longest {
        Some(lock) => {
            let limit = f64::from(plan.rules.dry_run_lock_ms) / 1000.0;
            let outcome = if lock.held_seconds > limit { Outcome::Warn } else { Outcome::Pass };
            (outcome, format!("{} on {}", duration(lock.held_seconds), lock.table))
        }
        None if report.trials.iter().any(|trial| trial.tried == Tried::Rehearsal) => {
            (Outcome::Warn, "none in what was tried on the target; the rest was rehearsed".to_owned())
        }
        None => (Outcome::Pass, "no existing table is locked".to_owned()),
    }
}

/// What moved between two fingerprints, in words.
pub fn moved(before: &Fingerprint, now: &Fingerprint) -> String {
    let parts: Vec<&str> = [
        (before.ledger != now.ledger, "the ledger"),
        (before.catalogue != now.catalogue, "the live schema"),
        (before.files != now.files, "the files"),
    ]
    .into_iter()
    .filter_map(|(differs, words)| differs.then_some(words))
    .collect();
    parts.join(" and ")
}
