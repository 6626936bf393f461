//! (inventory, ledger, files) -> Plan. Pure: ids and the clock are passed in.

use super::restore_point;
use crate::domain::backup::{BackupRecord, RestoreInto, RestoreStep};
use crate::domain::change_set::{DryRunReport, Tried};
use crate::domain::desk::Freeze;
use crate::domain::environment::{GuardRules, Tier};
use crate::domain::identity::TargetIdentity;
use crate::domain::migration::{MigrationFile, hex};
use crate::domain::plan::{Fingerprint, Gate, GateKind, MigrateStep, Plan, PlanPurpose, PlanReview, Step};
use crate::domain::seed::{RowChanges, TableChanges};
use crate::domain::statement::{Script, Waits};
use crate::domain::words::{self, whole};
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

/// The words of a restore.
fn restore_review(step: &RestoreStep, what: &str) -> (String, String) {
    let loss = &step.loss;
    let changes = loss.new + loss.changed;
    let headline = match &step.request.into {
        RestoreInto::NewDatabase { name } => format!("This makes the database {name} from the backup."),
        _ if loss.unknown > 0 => format!(
            "This loses {}, and what became of {} is not known.",
            words::count(changes, "row change", "row changes"),
            words::count(loss.unknown, "table", "tables")
        ),
        _ if changes + loss.deleted < 1.0 => "Nothing has changed since the backup.".to_owned(),
        _ => format!(
            "This loses {} made since the backup.",
            words::count(changes, "row change", "row changes")
        ),
    };
    let lead = match step.request.into {
        RestoreInto::NewDatabase { .. } => "Nothing that is there is touched.".to_owned(),
        RestoreInto::Swap => {
            format!(
                "It is for {what}. The database is made beside the old one, compared, and given its name."
            )
        }
        RestoreInto::Target => {
            format!("It is for {what}. It is all in or all out: compared before it is committed.")
        }
    };
    (headline, lead)
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

/// `3 ms`, `0.24 s`: two figures that mean something.
fn duration(seconds: f64) -> String {
    if seconds < 0.1 { format!("{:.0} ms", (seconds * 1000.0).max(1.0)) } else { format!("{seconds:.2} s") }
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

/// How a plan was tried, in a sentence.
fn what_was_tried(plan: &Plan, report: &DryRunReport) -> String {
    let all = report.trials.len();
    let rehearsed = report.trials.iter().filter(|trial| trial.tried == Tried::Rehearsal).count();
    match rehearsed {
        0 => format!(
            "Plan {} ran for {} and was taken back. This is what applying it does.",
            plan.number,
            duration(report.seconds)
        ),
        _ if rehearsed == all => format!(
            "Plan {} was rehearsed on a scratch copy of the schema, without data and with fewer rights.",
            plan.number
        ),
        _ => format!(
            "Plan {}: {} of {all} migrations ran on the target for {} and were taken back; {rehearsed} were rehearsed without data.",
            plan.number,
            all - rehearsed,
            duration(report.seconds)
        ),
    }
}

/// What a seed or an undo does to rows, as the headline: `add 17 rows and change 4`.
fn rows_done(changes: &RowChanges) -> Option<String> {
    let sum = |count: fn(&TableChanges) -> u32| {
        changes.tables.iter().map(|table| u64::from(count(table))).sum::<u64>()
    };
    let parts: Vec<(&str, u64)> = [
        ("add", sum(|table| table.inserted)),
        ("change", sum(|table| table.updated)),
        ("delete", sum(|table| table.deleted)),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .collect();
    let mut words = Vec::new();
    for (at, (verb, count)) in parts.iter().enumerate() {
        words.push(match (at, count) {
            (0, 1) => format!("{verb} 1 row"),
            (0, count) => format!("{verb} {} rows", whole(count)),
            (_, count) => format!("{verb} {}", whole(count)),
        });
    }
    match words.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        [first @ .., last] => Some(format!("{} and {last}", first.join(", "))),
    }
}

/// The words of a plan that writes rows.
fn rows_review(plan: &Plan, report: Option<&DryRunReport>, what: &str) -> (String, String) {
    let subject = match &plan.purpose {
        PlanPurpose::Undo { run_number, .. } => format!("Undoing run {run_number}"),
        _ => "This seed".to_owned(),
    };
    let name = match &plan.purpose {
        PlanPurpose::Seed { title, .. } => format!("Profile {title}."),
        PlanPurpose::Undo { run_title, .. } => format!("The run was: {run_title}."),
        _ => String::new(),
    };
    let Some(report) = report else {
        return (
            format!("Plan {} is ready for its dry run.", plan.number),
            format!("It is for {what}. The dry run writes the rows and takes all of them back."),
        );
    };
    let ran = format!("It ran for {} and was taken back; no row has changed.", duration(report.seconds));
    if report.taken_back == Some(false) {
        return (
            "Something changed during the dry run.".to_owned(),
            "The target is not as it was before. Make a new plan; it is shown what is there now.".to_owned(),
        );
    }
    let trial = report.trials.first();
    match (&report.changes, trial.and_then(|trial| trial.worked)) {
        (Some(changes), _) => {
            let unknown = changes.tables.iter().filter(|table| table.unknown.is_some()).count();
            let headline = match (rows_done(changes), unknown) {
                (Some(done), 0) => format!("{subject} would {done}."),
                (None, 0) => format!("{subject} would change nothing."),
                (Some(done), 1) => format!("{subject} would {done}; what happens in 1 table is not known."),
                (Some(done), many) => {
                    format!("{subject} would {done}; what happens in {many} tables is not known.")
                }
                (None, _) => format!("What {} would change is not known.", lower_first(&subject)),
            };
            (headline, format!("{name} {ran}"))
        }
        (None, Some(false)) => (
            format!("{subject} would fail. Nothing has changed."),
            trial.and_then(|trial| trial.note.clone()).unwrap_or_default(),
        ),
        (None, _) => (
            "The dry run ended before it was done. Nothing has changed.".to_owned(),
            trial.and_then(|trial| trial.note.clone()).unwrap_or_default(),
        ),
    }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// The review screen's words.
pub fn review(plan: Plan, dry_run: Option<DryRunReport>, gates: Vec<Gate>) -> PlanReview {
    let count = plan.migrations().count();
    let what = match &plan.purpose {
        PlanPurpose::ApplyPending => {
            if count == 1 {
                "1 migration".to_owned()
            } else {
                format!("{count} migrations")
            }
        }
        PlanPurpose::FinishFailed { migration } => format!("finishing {migration}"),
        PlanPurpose::UndoFailed { migration } => format!("taking back {migration}"),
        PlanPurpose::MarkApplied { migration } => format!("marking {migration} as applied"),
        PlanPurpose::MarkRolledBack { migration } => format!("marking {migration} as rolled back"),
        PlanPurpose::Baseline { up_to } => format!("a baseline up to {up_to}"),
        PlanPurpose::Seed { title, .. } => format!("the seed {title}"),
        PlanPurpose::Undo { run_number, .. } => format!("the undo of run {run_number}"),
        PlanPurpose::BackUp { words } => words.clone(),
        PlanPurpose::Import { words } => format!("the import of {words}"),
        PlanPurpose::Prove { words } => format!("a proof of {words}"),
        PlanPurpose::Restore { words } => words.clone(),
        PlanPurpose::SwapBack { kept, .. } => format!("going back to {kept}"),
        PlanPurpose::RollBack { migrations } => match migrations.as_slice() {
            [one] => format!("rolling back {one}"),
            many => format!("rolling back {} migrations", many.len()),
        },
    };
    let fitting = dry_run.filter(|report| needs_dry_run(&plan) && report.digest == plan.digest);
    if plan.writes_rows() {
        let (headline, lead) = rows_review(&plan, fitting.as_ref(), &what);
        return PlanReview { plan, dry_run: fitting, gates, headline, lead };
    }
    if let Some(step) = plan.restore() {
        let (headline, lead) = restore_review(step, &what);
        return PlanReview { plan, dry_run: fitting, gates, headline, lead };
    }
    if let Some(back) = plan.swap_back() {
        let headline = format!("This makes {} the database {} again.", back.kept, back.name);
        let lead = format!(
            "It is from before run {}. The present one is kept as {}; both names change in one transaction.",
            back.run_number, back.away
        );
        return PlanReview { plan, dry_run: fitting, gates, headline, lead };
    }
    let (headline, lead) = match &fitting {
        None if plan.call().is_some() => {
            let requests = plan.call().map_or(0, |call| call.requests.len());
            (
                format!(
                    "This asks the app to write, by {}.",
                    if requests == 1 { "1 request".to_owned() } else { format!("{requests} requests") }
                ),
                format!("It is for {what}. It cannot be tried, and Drydock cannot take it back."),
            )
        }
        None if !needs_dry_run(&plan) => (
            format!("Plan {} only writes to the ledger.", plan.number),
            format!("It is for {what}. No statement of a migration runs."),
        ),
        None => (
            format!("Plan {} is ready for its dry run.", plan.number),
            format!("It is for {what}. The dry run executes it and takes all of it back."),
        ),
        Some(report) if report.worked == Some(true) && report.taken_back == Some(true) => {
            ("The dry run worked. Nothing has changed.".to_owned(), what_was_tried(&plan, report))
        }
        Some(report) if report.worked == Some(false) => {
            let failed = report.trials.iter().find(|trial| trial.worked == Some(false));
            (
                "The dry run failed. Nothing has changed.".to_owned(),
                failed.map_or_else(String::new, |trial| {
                    format!("{} stops with: {}", trial.migration, trial.note.clone().unwrap_or_default())
                }),
            )
        }
        Some(report) if report.taken_back == Some(false) => (
            "Something changed during the dry run.".to_owned(),
            "The target is not as it was before. Read its state again before doing anything else.".to_owned(),
        ),
        Some(report) => (
            "Part of the plan could not be tried. Nothing has changed.".to_owned(),
            report.unknowns.first().cloned().unwrap_or_default(),
        ),
    };
    PlanReview { plan, dry_run: fitting, gates, headline, lead }
}
