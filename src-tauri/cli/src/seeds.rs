//! Seeds, their undo, and checks.

use crate::arguments::{Confirm, On};
use crate::commands::{Answer, carry_through, report_text, run_named, try_plan, visible, words};
use crate::exit;
use drydock_engine::domain::plan::PlanReview;
use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::secret::Secret;
use drydock_engine::domain::seed::{Answer as Given, AnswerValue, RowChanges, SeedAnswers, UndoChoice};
use drydock_engine::domain::{Failure, FailureCode, Outcome};
use drydock_engine::{AppAnswers, Engine, Target};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Answers for a profile.
pub struct Form<'a> {
    /// File with answers.
    pub inputs: Option<&'a Path>,
    /// Scale.
    pub scale: Option<u32>,
    /// Well-known passwords may be tried on stored hashes.
    pub try_stored: bool,
    /// From scratch: rows of its tables that are not in the profile are deleted.
    pub reseed: bool,
}

/// A folder or file that is there is meant as one; else it is an id.
fn id_of(named: &str) -> String {
    PathBuf::from(named).canonicalize().map_or_else(|_| named.to_owned(), |path| path.display().to_string())
}

fn unusable(what: String, next: &str) -> Failure {
    Failure::new(FailureCode::ProfileInvalid, what).unchanged("Nothing was written.").next(next)
}

/// The lines of a TOML file.
fn table_of(path: &Path) -> Result<toml::Table, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        unusable(format!("{} cannot be read: {error}.", path.display()), "Name a TOML file that is there.")
    })?;
    toml::from_str(&text).map_err(|error| {
        unusable(
            format!("{} is no TOML: {}", path.display(), error.message()),
            "Write one `name = \"value\"` a line.",
        )
    })
}

/// The secret in the variable that `{ environment = "VARIABLE" }` names.
fn from_environment(name: &str, table: &toml::Table) -> Result<Secret, Failure> {
    let variable = table.get("environment").and_then(toml::Value::as_str);
    let secret = variable.and_then(|variable| std::env::var(variable).ok());
    secret.filter(|_| table.len() == 1).map(Secret::new).ok_or_else(|| {
        unusable(
            format!("`{name}` names no variable that is set."),
            "Write `{ environment = \"VARIABLE\" }` and set the variable.",
        )
    })
}

/// The handle of the secret that `{ credential = "NAME" }` names, kept for the environment.
async fn from_kept(
    engine: &Engine,
    target: &Target,
    name: &str,
    table: &toml::Table,
) -> Result<String, Failure> {
    let credential = table.get("credential").and_then(toml::Value::as_str).filter(|_| table.len() == 1);
    match (credential, &target.environment) {
        (Some(credential), Some(environment)) => {
            engine.check_credential_take(&environment.id, credential).await
        }
        (Some(_), None) => Err(unusable(
            format!("`{name}` names a kept credential, and none is kept for an address."),
            "Name a stored environment with --environment, or write `{ environment = \"VARIABLE\" }`.",
        )),
        (None, _) => {
            Err(unusable(format!("`{name}` names no credential."), "Write `{ credential = \"NAME\" }`."))
        }
    }
}

async fn answers(engine: &Engine, target: &Target, form: &Form<'_>) -> Result<SeedAnswers, Failure> {
    let mut answers = SeedAnswers {
        answers: Vec::new(),
        scale: form.scale,
        try_stored: form.try_stored,
        reseed: form.reseed,
    };
    let Some(path) = form.inputs else { return Ok(answers) };
    for (name, value) in table_of(path)? {
        let value = match value {
            toml::Value::Table(table) if table.contains_key("credential") => {
                AnswerValue::Secret { handle: from_kept(engine, target, &name, &table).await? }
            }
            toml::Value::Table(table) => {
                AnswerValue::Secret { handle: engine.password_set(from_environment(&name, &table)?) }
            }
            toml::Value::String(text) => AnswerValue::Text { text },
            toml::Value::Integer(number) => AnswerValue::Text { text: number.to_string() },
            toml::Value::Boolean(value) => AnswerValue::Text { text: value.to_string() },
            _ => {
                return Err(unusable(
                    format!(
                        "`{name}` is neither a text, a whole number, true, false, nor a variable's name."
                    ),
                    "Write other numbers as texts, so that every digit stays.",
                ));
            }
        };
        answers.answers.push(Given { name, value });
    }
    Ok(answers)
}

async fn plan(
    engine: &Engine,
    target: &Target,
    profile: &str,
    form: &Form<'_>,
) -> Result<PlanReview, Failure> {
    let answers = answers(engine, target, form).await?;
    engine.seed_plan(target, &id_of(profile), answers).await
}

fn changes_text(changes: &RowChanges) -> String {
    let mut text = String::new();
    for table in &changes.tables {
        text.push_str(&format!(
            "  {}: +{} ~{} -{}{}{}\n",
            visible(&table.table),
            table.inserted,
            table.updated,
            table.deleted,
            table.unchanged.map(|rows| format!(" ={rows}")).unwrap_or_default(),
            table.unknown.as_ref().map(|why| format!(" unknown: {}", visible(why))).unwrap_or_default(),
        ));
    }
    text.push_str(&format!("{}\n", changes.again.title));
    text
}

/// The dry run of a plan that writes rows.
async fn tried(engine: &Engine, target: &Target, on: &On, review: &PlanReview) -> Result<Answer, Failure> {
    let started = Instant::now();
    let (run, report) = try_plan(engine, target, review, on.json).await?;
    let worked = report.as_ref().and_then(|report| report.worked);
    let code = match (worked, run.status) {
        (Some(true), RunStatus::Succeeded) => exit::DONE,
        (_, RunStatus::Cancelled) => exit::CANCELLED,
        (Some(false), _) | (_, RunStatus::Failed) => exit::FAILED,
        _ => exit::UNKNOWN,
    };
    let outcome = match worked {
        Some(true) => "worked",
        Some(false) => "would_fail",
        None => "unknown",
    };
    let mut text = report.as_ref().map(report_text).unwrap_or_default();
    let changes = report.as_ref().and_then(|report| report.changes.clone());
    if let Some(changes) = &changes {
        text.push_str(&changes_text(changes));
    }
    if let Some(failure) = &run.failure {
        text.push_str(&words(failure));
    }
    Ok(Answer {
        code,
        json: json!({
            "outcome": outcome, "run_id": run.id, "run_number": run.number, "plan_digest": review.plan.digest,
            "changes": changes, "findings": review.plan.findings, "failure": run.failure,
            "seconds": started.elapsed().as_secs_f64(),
        }),
        text,
    })
}

/// Shows which rows a profile would change.
pub async fn dry_run(
    engine: &Engine,
    target: &Target,
    on: &On,
    profile: &str,
    form: Form<'_>,
) -> Result<Answer, Failure> {
    let review = plan(engine, target, profile, &form).await?;
    tried(engine, target, on, &review).await
}

/// Writes a profile's rows, then reads its checks.
pub async fn seed(
    engine: &Engine,
    target: &Target,
    on: &On,
    confirm: &Confirm,
    profile: &str,
    form: Form<'_>,
) -> Result<Answer, Failure> {
    let started = Instant::now();
    let review = plan(engine, target, profile, &form).await?;
    let mut answer = carried(engine, target, on, confirm, review, started).await?;
    if answer.code == exit::DONE {
        // The rows are in, whatever becomes of the checks.
        match engine.verify_source(target, &id_of(profile), AppAnswers::default()).await {
            Ok(verification) => {
                answer.text.push_str(&format!("{}\n", verification.headline));
                put(&mut answer.json, "verification", json!(verification));
            }
            Err(failure) => {
                answer.text.push_str(&format!("The checks could not be read. {}", words(&failure)));
                put(&mut answer.json, "verification", Value::Null);
            }
        }
    }
    Ok(answer)
}

async fn carried(
    engine: &Engine,
    target: &Target,
    on: &On,
    confirm: &Confirm,
    review: PlanReview,
    started: Instant,
) -> Result<Answer, Failure> {
    let mut answer = carry_through(engine, target, on, confirm, review, started).await?;
    let run_id = answer.json["run_id"].as_str().map(str::to_owned);
    if let Some(run_id) = run_id
        && let Some(changes) = engine.run_changes(&run_id).await?
    {
        answer.text.push_str(&changes_text(&changes.changes));
        put(&mut answer.json, "changes", json!(changes.changes));
        put(&mut answer.json, "undo", json!(changes.undo));
    }
    Ok(answer)
}

fn put(json: &mut Value, field: &str, value: Value) {
    if let Value::Object(fields) = json {
        fields.insert(field.to_owned(), value);
    }
}

/// Takes a run back.
pub async fn undo(
    engine: &Engine,
    target: &Target,
    on: &On,
    confirm: &Confirm,
    run: &str,
    take_back_changed: bool,
    only_try: bool,
) -> Result<Answer, Failure> {
    let started = Instant::now();
    let id = run_named(engine, run).await?;
    let review = engine.undo_review(target, &id).await?;
    let all = UndoChoice { row: "*".to_owned(), take_back: true };
    let choices = if take_back_changed { vec![all] } else { Vec::new() };
    let plan = engine.undo_plan(target, &id, choices).await?;
    let mut answer = if only_try {
        tried(engine, target, on, &plan).await?
    } else {
        carried(engine, target, on, confirm, plan, started).await?
    };
    answer.text.push_str(&format!(
        "{} of {} row changes were as run {} left them; {} were not.\n",
        review.untouched, review.changes, review.run_number, review.conflicts_total
    ));
    put(&mut answer.json, "undone", json!(review));
    Ok(answer)
}

/// What checks of the app need.
pub struct AppForm<'a> {
    /// The app's address.
    pub app: Option<String>,
    /// File with secrets.
    pub credentials: Option<&'a Path>,
    /// Those that write run on production, too.
    pub writing: bool,
}

/// Reads checks.
pub async fn verify(
    engine: &Engine,
    target: &Target,
    checks: Option<&str>,
    form: AppForm<'_>,
) -> Result<Answer, Failure> {
    let mut answers = AppAnswers { app: form.app, credentials: Vec::new(), writing: form.writing };
    if let Some(path) = form.credentials {
        for (name, value) in table_of(path)? {
            let toml::Value::Table(table) = value else {
                return Err(unusable(
                    format!("`{name}` is a secret in clear."),
                    "Write `{ environment = \"VARIABLE\" }` and set the variable.",
                ));
            };
            let secret = from_environment(&name, &table)?;
            answers.credentials.push((name, secret));
        }
    }
    let verification = match checks {
        Some(checks) => engine.verify_source(target, &id_of(checks), answers).await?,
        None => engine.verify(target, &[]).await?,
    };
    let mut text = format!("{}\n{}\n", verification.headline, visible(&verification.lead));
    for check in &verification.checks {
        text.push_str(&format!(
            "  {:<8} {}: {} (expected {}){}\n",
            format!("{:?}", check.outcome).to_lowercase(),
            visible(&check.name),
            visible(check.now.as_deref().unwrap_or("?")),
            visible(&check.expected),
            check.why.as_ref().map(|why| format!(". {}", visible(why))).unwrap_or_default()
        ));
    }
    let code = if verification.outcome == Outcome::Pass { exit::DONE } else { exit::WAITING };
    Ok(Answer { code, json: json!({ "outcome": verification.outcome, "verification": verification }), text })
}
