//! The words of a plan: what it does or did when it was tried, in a headline and a lead.

use super::{duration, needs_dry_run};
use crate::domain::backup::{RestoreInto, RestoreStep};
use crate::domain::change_set::{DryRunReport, Tried};
use crate::domain::plan::{Gate, Plan, PlanPurpose, PlanReview};
use crate::domain::seed::{RowChanges, TableChanges};
use crate::domain::words::{count, whole};

/// The review screen's words.
pub fn review(plan: Plan, dry_run: Option<DryRunReport>, gates: Vec<Gate>) -> PlanReview {
    let what = match &plan.purpose {
        PlanPurpose::ApplyPending => count(plan.migrations().count(), "migration", "migrations"),
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
                format!("This asks the app to write, by {}.", count(requests, "request", "requests")),
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

/// The words of a restore.
fn restore_review(step: &RestoreStep, what: &str) -> (String, String) {
    let loss = &step.loss;
    let changes = loss.new + loss.changed;
    let headline = match &step.request.into {
        RestoreInto::NewDatabase { name } => format!("This makes the database {name} from the backup."),
        _ if loss.unknown > 0 => format!(
            "This loses {}, and what became of {} is not known.",
            count(changes, "row change", "row changes"),
            count(loss.unknown, "table", "tables")
        ),
        _ if changes + loss.deleted < 1.0 => "Nothing has changed since the backup.".to_owned(),
        _ => format!("This loses {} made since the backup.", count(changes, "row change", "row changes")),
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

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
