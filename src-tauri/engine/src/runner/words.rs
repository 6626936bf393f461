//! What an apply says: the steps as they are queued, its failures, what stayed and what was taken back.
//! Pure words; nothing here talks to a server.

use crate::adapters::postgres::ledger;
use crate::adapters::postgres::script::ScriptError;
use crate::domain::plan::{MigrateStep, Plan, Step};
use crate::domain::run::{Run, RunStep, StepStatus};
use crate::domain::{Failure, FailureCode};

/// What the ledger keeps of a failure.
pub(super) fn log_text(name: &str, sql: &str, error: &ScriptError) -> String {
    let code = error.code().unwrap_or_else(|| "none".to_owned());
    let mut text = ledger::failure_log(name, &code, &error.message(), sql, error.position);
    if let Some(detail) = error.detail() {
        text.push_str(&format!("\n\n{detail}"));
    }
    text
}

pub(super) fn migration_failure(
    migrate: &MigrateStep,
    sql: &str,
    error: &ScriptError,
    stayed: &str,
) -> Failure {
    let place = error.position.map(|position| {
        let line =
            sql.chars().take(position.saturating_sub(1)).filter(|character| *character == '\n').count() + 1;
        format!(", line {line}")
    });
    let code = error.code().map(|code| format!(" (SQLSTATE {code})")).unwrap_or_default();
    let mut why = format!("The server says: {}{code}{}.", error.message(), place.unwrap_or_default());
    if let Some(detail) = error.detail() {
        why.push_str(&format!(" {detail}"));
    }
    Failure::new(FailureCode::MigrationFailed, format!("{} failed.", migrate.name))
        .why(why)
        .unchanged(stayed.to_owned())
        .next("Open the failed migration: it shows what is in and the ways on.")
}

pub(super) fn lock_failure(name: &str, attempts: u32, error: &ScriptError) -> Failure {
    Failure::new(FailureCode::LockTimeout, format!("{name} got no lock in {attempts} tries."))
        .why(format!("The server says: {}.", error.message()))
        .unchanged("It was taken back each time and left nothing; the application never queued behind it for longer than one try.")
        .next("Find the session that holds the table, or try again when it is quiet.")
}

/// What stayed and what was taken back, as sentences.
pub(super) fn aftermath(run: &Run) -> Vec<String> {
    let titles = |status: StepStatus| -> Vec<&str> {
        run.steps
            .iter()
            .filter(|step| step.verb == "Migrate" && step.status == status)
            .map(|step| step.title.as_str())
            .collect()
    };
    let list = |names: &[&str]| match names {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first, .., last] if names.len() > 3 => format!("{} migrations, `{first}` to `{last}`,", names.len()),
        _ => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    };
    let mut sentences = Vec::new();
    let verb = |names: &[&str], one: &str, many: &str| {
        if names.len() == 1 { one.to_owned() } else { many.to_owned() }
    };
    for (status, one, many) in [
        (StepStatus::Done, "is in and stays.", "are in and stay."),
        (StepStatus::TakenBack, "was taken back and left nothing.", "were taken back and left nothing."),
        (
            StepStatus::Failed,
            "failed; its row in the ledger says so.",
            "failed; their rows in the ledger say so.",
        ),
        (StepStatus::NotRun, "did not run.", "did not run."),
    ] {
        let names = titles(status);
        if !names.is_empty() {
            sentences.push(format!("{} {}", list(&names), verb(&names, one, many)));
        }
    }
    for step in run.steps.iter().filter(|step| matches!(step.verb.as_str(), "Record" | "Repair")) {
        sentences.push(match (step.verb.as_str(), step.status) {
            ("Record", StepStatus::Done) => format!("The ledger has {}.", step.title),
            ("Record", _) => "The ledger is as it was.".to_owned(),
            (_, StepStatus::Done) => format!("The repair is in: {}.", step.title),
            (_, StepStatus::Failed) => format!("The repair of {} did not get through.", step.title),
            _ => format!("The repair of {} did not run.", step.title),
        });
    }
    for step in run.steps.iter().filter(|step| matches!(step.verb.as_str(), "Seed" | "Undo")) {
        sentences.push(match step.status {
            StepStatus::Done if step.verb == "Undo" => match &step.note {
                Some(note) => format!("The run is taken back: {note}."),
                None => "The run is taken back.".to_owned(),
            },
            StepStatus::Done => match &step.note {
                Some(note) => format!("Every row is in: {note}."),
                None => "Every row is in.".to_owned(),
            },
            StepStatus::TakenBack | StepStatus::Failed => {
                "Every row was taken back; nothing has changed.".to_owned()
            }
            StepStatus::NotRun => "No row was written.".to_owned(),
            _ => "Whether the rows are in is not known.".to_owned(),
        });
    }
    for step in
        run.steps.iter().filter(|step| matches!(step.verb.as_str(), "Restore" | "Swap back" | "Roll back"))
    {
        sentences.push(match step.status {
            StepStatus::Done => match &step.note {
                Some(note) if step.verb == "Restore" => format!("Restored: {note}."),
                Some(note) => format!("{note}."),
                None => "All of it got in.".to_owned(),
            },
            // A database that was left on the server is named there.
            StepStatus::Failed | StepStatus::TakenBack => run
                .failure
                .as_ref()
                .filter(|_| step.status == StepStatus::Failed)
                .and_then(|failure| failure.unchanged.clone())
                .unwrap_or_else(|| "All of it was taken back; the database is as it was.".to_owned()),
            StepStatus::NotRun => "Nothing of it was done.".to_owned(),
            _ => "Whether it got in is not known.".to_owned(),
        });
    }
    for step in run.steps.iter().filter(|step| step.verb == "Call") {
        sentences.push(match step.status {
            StepStatus::Done => match &step.note {
                Some(note) => format!("The app was asked: {note}"),
                None => "The app was asked.".to_owned(),
            },
            StepStatus::NotRun => "No request was sent.".to_owned(),
            _ => run.failure.as_ref().and_then(|failure| failure.unchanged.clone()).unwrap_or_default(),
        });
    }
    sentences
}

/// The steps of a run as they are queued.
pub fn queued_steps(plan: &Plan) -> Vec<RunStep> {
    plan.steps
        .iter()
        .zip(0_u32..)
        .map(|(step, index)| {
            let (verb, title) = match step {
                Step::Check => ("Check", "Same database, plan fits the present state".to_owned()),
                Step::CreateLedger { .. } => ("Prepare", "Create the ledger".to_owned()),
                Step::Migrate(migrate) => ("Migrate", migrate.name.clone()),
                Step::RunStatements { migration, statements, .. } => {
                    ("Repair", format!("{migration}: {} statements", statements.len()))
                }
                Step::Resolve { migration, insert_applied, .. } => (
                    "Record",
                    format!(
                        "{migration} as {}",
                        if insert_applied.is_some() { "applied" } else { "rolled back" }
                    ),
                ),
                Step::Seed(seed) => ("Seed", seed.title.clone()),
                Step::Undo(undo) => ("Undo", format!("{} row changes", undo.rows)),
                Step::Call(call) => ("Call", call.title.clone()),
                Step::BackUp(step) => ("Back up", step.words()),
                Step::Restore(step) => ("Restore", step.words()),
                Step::SwapBack(step) => ("Swap back", step.words()),
                Step::RollBack(step) => ("Roll back", step.migrations.join(", ")),
                Step::Verify if plan.restore().is_some() => ("Verify", "Compare with the backup".to_owned()),
                Step::Verify if plan.swap_back().is_some() => {
                    ("Verify", "Ask the server which database has the name".to_owned())
                }
                Step::Import(step) => ("Import", format!("{}, {}", step.origin.name, step.origin.words())),
                Step::Prove(_) => ("Prove", "Restore on a scratch database and compare".to_owned()),
                Step::Verify if plan.only_reads() => ("Record", "Keep the result".to_owned()),
                Step::Verify if plan.is_of_rows() => ("Verify", "Read the checks".to_owned()),
                Step::Verify => ("Verify", "Read the ledger back".to_owned()),
            };
            RunStep {
                index,
                verb: verb.to_owned(),
                title,
                status: StepStatus::Queued,
                seconds: None,
                note: None,
            }
        })
        .collect()
}
