//! The commands: ask the engine, print, return an exit code.

use crate::arguments::{Arguments, Command, Confirm, On, Way};
use crate::{backups, exit, freeze, seeds};
use drydock_engine::domain::backup::RestoreInto;
use drydock_engine::domain::change_set::DryRunReport;
use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::migration::MigrationStatus;
use drydock_engine::domain::plan::{Confirmation, PlanPurpose, PlanReview};
use drydock_engine::domain::run::{Run, RunEvent, RunEventKind, RunStatus};
use drydock_engine::domain::secret::Secret;
use drydock_engine::domain::{Failure, FailureCode};
use drydock_engine::{ApplyOptions, Engine, Target};
use serde_json::{Value, json};
use std::time::Instant;

/// What a command has to say.
pub(crate) struct Answer {
    pub(crate) code: u8,
    pub(crate) json: Value,
    pub(crate) text: String,
}

/// Runs a command and prints its answer.
pub async fn run(arguments: Arguments) -> u8 {
    let as_json = match &arguments.command {
        Command::Status(on) | Command::Plan(on) | Command::DryRun(on) | Command::Backups(on) => on.json,
        Command::Keys { json, .. } | Command::Freeze { json, .. } => *json,
        Command::Apply { on, .. }
        | Command::Resolve { on, .. }
        | Command::Runs { on, .. }
        | Command::Seed { on, .. }
        | Command::Undo { on, .. }
        | Command::Backup { on, .. }
        | Command::Import { on, .. }
        | Command::Prove { on, .. }
        | Command::Restore { on, .. }
        | Command::SwapBack { on, .. }
        | Command::Rollback { on, .. }
        | Command::Verify { on, .. } => on.json,
    };
    let answer = match answer(arguments).await {
        Ok(answer) => answer,
        Err(failure) => Answer {
            code: exit::of_failure(&failure),
            text: words(&failure),
            json: json!({ "outcome": outcome_of(&failure), "failure": failure }),
        },
    };
    if as_json {
        println!("{}", answer.json);
    } else if answer.code == exit::DONE || answer.code == exit::WAITING {
        println!("{}", answer.text);
    } else {
        eprintln!("{}", answer.text);
    }
    answer.code
}

fn outcome_of(failure: &Failure) -> &'static str {
    match exit::of_failure(failure) {
        exit::DONE => "nothing_to_do",
        exit::USAGE => "invalid",
        exit::REFUSED => "refused",
        exit::UNREACHABLE => "unreachable",
        exit::CANCELLED => "cancelled",
        _ => "failed",
    }
}

async fn answer(arguments: Arguments) -> Result<Answer, Failure> {
    let engine = Engine::open(&Engine::data_folder()?).await?;
    backups::open_vault(&engine).await?;
    let answer = carry_out(&engine, arguments.command).await;
    engine.close_lines().await;
    answer
}

async fn carry_out(engine: &Engine, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Status(on) => status(engine, &target(engine, &on).await?).await,
        Command::Plan(on) => plan(engine, &target(engine, &on).await?).await,
        Command::DryRun(on) => dry_run(engine, &target(engine, &on).await?, &on).await,
        Command::Apply { on, confirm } => {
            let target = target(engine, &on).await?;
            apply(engine, &target, &on, &confirm, PlanPurpose::ApplyPending).await
        }
        Command::Resolve { on, confirm, way } => {
            let target = target(engine, &on).await?;
            apply(engine, &target, &on, &confirm, purpose(way)?).await
        }
        Command::Seed { profile, dry_run, inputs, try_stored_passwords, reseed, scale, on, confirm } => {
            let target = target(engine, &on).await?;
            let form =
                seeds::Form { inputs: inputs.as_deref(), scale, try_stored: try_stored_passwords, reseed };
            if dry_run {
                seeds::dry_run(engine, &target, &on, &profile, form).await
            } else {
                seeds::seed(engine, &target, &on, &confirm, &profile, form).await
            }
        }
        Command::Undo { run, take_back_changed, dry_run, on, confirm } => {
            let target = target(engine, &on).await?;
            seeds::undo(engine, &target, &on, &confirm, &run, take_back_changed, dry_run).await
        }
        Command::Verify { checks, app, credentials, writing, on } => {
            let form = seeds::AppForm { app, credentials: credentials.as_deref(), writing };
            seeds::verify(engine, &target(engine, &on).await?, checks.as_deref(), form).await
        }
        Command::Backup { quick, tables, schemas, out, unproven, preview, on } => {
            let target = target(engine, &on).await?;
            let wish = backups::Wish {
                quick,
                tables: &tables,
                schemas: &schemas,
                out: out.as_deref(),
                unproven,
                preview,
            };
            backups::take(engine, &target, &on, wish).await
        }
        Command::Import { dump, unproven, preview, on } => {
            backups::import(engine, &target(engine, &on).await?, &on, &dump, !unproven, preview).await
        }
        Command::Backups(on) => backups::list(engine, &target(engine, &on).await?).await,
        Command::Prove { backup, on } => {
            backups::prove(engine, &target(engine, &on).await?, &on, &backup).await
        }
        Command::Restore { backup, tables, into, swap, other_database, preview, on, confirm } => {
            let target = target(engine, &on).await?;
            let into = match into {
                Some(name) => RestoreInto::NewDatabase { name },
                None if swap => RestoreInto::Swap,
                None => RestoreInto::Target,
            };
            let wish =
                backups::RestoreWish { backup: &backup, tables: &tables, into, other_database, preview };
            backups::restore(engine, &target, &on, &confirm, wish).await
        }
        Command::SwapBack { run, preview, on, confirm } => {
            let target = target(engine, &on).await?;
            let started = Instant::now();
            let review = engine.swap_back_plan(&target, &run_named(engine, &run).await?).await?;
            if preview {
                return Ok(previewed(&review));
            }
            carry_through(engine, &target, &on, &confirm, review, started).await
        }
        Command::Rollback { names, rows_back, from, preview, on, confirm } => {
            let target = target(engine, &on).await?;
            let started = Instant::now();
            let request = backups::roll_back(&target, names, &rows_back, from);
            let review = engine.roll_back_plan(&target, request).await?;
            if preview {
                return Ok(previewed(&review));
            }
            let mut answer = carry_through(engine, &target, &on, &confirm, review, started).await?;
            if answer.code == exit::DONE
                && let Some(run) = answer.json["run_id"].as_str().map(str::to_owned)
            {
                let report = engine.roll_back_report(&run).await?;
                answer.text.push_str(&format!("\n\n{report}"));
                answer.json["developer_report"] = report.into();
            }
            Ok(answer)
        }
        Command::Keys { export, import, passphrase_file, .. } => {
            backups::keys(engine, export.as_deref(), import.as_deref(), &passphrase_file).await
        }
        Command::Freeze { environment, everywhere, why, lift, confirm, .. } => {
            let wish = freeze::Wish {
                environment: environment.as_deref(),
                everywhere,
                why: why.as_deref(),
                lift,
                confirm: confirm.as_deref(),
            };
            freeze::freeze(engine, wish).await
        }
        Command::Runs { run, search, on } => runs(engine, run.as_deref(), &search, &on).await,
    }
}

pub(crate) async fn target(engine: &Engine, on: &On) -> Result<Target, Failure> {
    if let Some(name) = &on.environment {
        let mut target = engine.target_named(name).await?;
        if let Some(folder) = &on.migrations {
            target = target.with_folder(folder)?;
        }
        return Ok(target);
    }
    let url = match std::env::var("DATABASE_URL") {
        Ok(url) if !url.trim().is_empty() => Secret::new(url),
        _ => {
            return Err(Failure::new(FailureCode::AddressInvalid, "There is no target.")
                .why("Neither --environment was given nor is DATABASE_URL set.")
                .next("Set DATABASE_URL, or name a stored environment. An address is never taken from the command line, where every process could read it."));
        }
    };
    Target::from_url(&url, on.tier.map_or(Tier::Production, Tier::from), on.migrations.as_deref())
}

fn purpose(way: Way) -> Result<PlanPurpose, Failure> {
    Ok(match way {
        Way { applied: Some(migration), .. } => PlanPurpose::MarkApplied { migration },
        Way { rolled_back: Some(migration), .. } => PlanPurpose::MarkRolledBack { migration },
        Way { finish: Some(migration), .. } => PlanPurpose::FinishFailed { migration },
        Way { undo: Some(migration), .. } => PlanPurpose::UndoFailed { migration },
        Way { baseline: Some(up_to), .. } => PlanPurpose::Baseline { up_to },
        _ => return Err(Failure::new(FailureCode::ResolveRefused, "No way to resolve was named.")),
    })
}

async fn status(engine: &Engine, target: &Target) -> Result<Answer, Failure> {
    let status = engine.migration_status(target).await?;
    let code = u8::from(status.prisma_exit_code != 0);
    let mut text = format!("{}\n{}\n", status.headline, status.lead);
    for row in &status.migrations {
        let state = serde_json::to_value(row.state)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default();
        let place = row.order.map_or_else(String::new, |place| format!("{place}."));
        text.push_str(&format!("{place:>5} {state:<12} {}\n", visible(&row.name)));
    }
    for finding in &status.findings {
        text.push_str(&format!("{:?}: {}\n", finding.outcome, visible(&finding.title)));
    }
    Ok(Answer { code, json: status_json(&status), text })
}

fn status_json(status: &MigrationStatus) -> Value {
    let mut value = serde_json::to_value(status).unwrap_or_default();
    let outcome = if status.prisma_exit_code == 0 { "up_to_date" } else { "waiting" };
    if let Value::Object(fields) = &mut value {
        fields.insert("outcome".to_owned(), json!(outcome));
    }
    value
}

async fn plan(engine: &Engine, target: &Target) -> Result<Answer, Failure> {
    let review = engine.plan_create(target, PlanPurpose::ApplyPending).await?;
    Ok(previewed(&review))
}

/// A plan that is only shown.
fn previewed(review: &PlanReview) -> Answer {
    Answer { code: exit::DONE, json: review_json(review), text: review_text(review) }
}

/// The id of a run that was named by its number or id.
///
/// # Errors
/// [`FailureCode::Store`].
pub async fn run_named(engine: &Engine, name: &str) -> Result<String, Failure> {
    let numbered = match name.trim_start_matches('#').parse::<u32>() {
        Ok(number) => engine.run_id(number).await?,
        Err(_) => None,
    };
    Ok(numbered.unwrap_or_else(|| name.to_owned()))
}

fn review_json(review: &PlanReview) -> Value {
    json!({ "outcome": "planned", "plan": review.clone().for_screen().plan, "gates": review.gates, "headline": review.headline })
}

fn review_text(review: &PlanReview) -> String {
    let plan = &review.plan;
    let mut text = format!("{}\nRisk: {}\nDigest: {}\n", review.headline, plan.risk, plan.digest);
    for step in plan.migrations() {
        text.push_str(&format!(
            "  {} ({} statements): {}\n",
            visible(&step.name),
            step.script.statements.len(),
            step.script.mode_reason
        ));
    }
    for finding in &plan.findings {
        let place =
            finding.migration.as_deref().map(|name| format!(" [{}]", visible(name))).unwrap_or_default();
        let mark = if finding.destructive { " (destroys data)" } else { "" };
        text.push_str(&format!("  {:?}: {}{mark}{place}\n", finding.outcome, visible(&finding.title)));
    }
    text
}

async fn dry_run(engine: &Engine, target: &Target, on: &On) -> Result<Answer, Failure> {
    let started = Instant::now();
    let review = engine.plan_create(target, PlanPurpose::ApplyPending).await?;
    let (run, report) = try_plan(engine, target, &review, on.json).await?;
    let worked = report.as_ref().and_then(|report| report.worked);
    let code = match (worked, run.status) {
        (Some(true), RunStatus::Succeeded) => exit::DONE,
        (Some(false), _) | (_, RunStatus::Failed) => exit::FAILED,
        (_, RunStatus::Cancelled) => exit::CANCELLED,
        _ => exit::UNKNOWN,
    };
    let outcome = match worked {
        Some(true) => "worked",
        Some(false) => "would_fail",
        None => "unknown",
    };
    let mut text = review_text(&review);
    if let Some(report) = &report {
        text.push_str(&report_text(report));
    }
    if let Some(failure) = &run.failure {
        text.push_str(&words(failure));
    }
    Ok(Answer {
        code,
        json: json!({
            "outcome": outcome, "run_id": run.id, "plan_digest": review.plan.digest, "report": report,
            "findings": review.plan.findings, "failure": run.failure, "seconds": started.elapsed().as_secs_f64(),
        }),
        text,
    })
}

pub(crate) fn report_text(report: &DryRunReport) -> String {
    let mut text = format!(
        "Dry run: {:.2} s on the target, {:.2} s rehearsed.\n",
        report.seconds, report.rehearsal_seconds
    );
    for trial in &report.trials {
        let worked = trial.worked.map_or("not known", |worked| if worked { "works" } else { "FAILS" });
        text.push_str(&format!(
            "  {worked:<9} {:?} {}{}\n",
            trial.tried,
            visible(&trial.migration),
            trial.note.as_deref().map(|note| format!(": {}", visible(note))).unwrap_or_default()
        ));
    }
    for rows in &report.rows {
        text.push_str(&format!(
            "  rows {}: +{} ~{} -{}{}\n",
            visible(&rows.table),
            rows.inserted,
            rows.updated,
            rows.deleted,
            if rows.known { "" } else { " (not proven)" }
        ));
    }
    for unknown in &report.unknowns {
        text.push_str(&format!("  unknown: {}\n", visible(unknown)));
    }
    text
}

pub(crate) async fn try_plan(
    engine: &Engine,
    target: &Target,
    review: &PlanReview,
    quiet: bool,
) -> Result<(Run, Option<DryRunReport>), Failure> {
    let run = engine.start_dry_run(target, &review.plan.id).await?;
    let run = follow(engine, run, quiet).await?;
    let report = engine.newest_dry_run(&review.plan.id).await?;
    Ok((run, report))
}

/// Waits for a run, telling its progress on standard error; Ctrl+C asks it to stop.
pub(crate) async fn follow(engine: &Engine, run: Run, quiet: bool) -> Result<Run, Failure> {
    let (canceller, id) = (engine.clone(), run.id.clone());
    let listener = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            let _ = canceller.cancel_run(&id);
        }
    });
    let ended = engine
        .wait_run(&run.id, &mut |event| {
            if !quiet {
                tell(&event)
            }
        })
        .await;
    listener.abort();
    ended
}

fn tell(event: &RunEvent) {
    match &event.what {
        RunEventKind::Step { step } => {
            let status = serde_json::to_value(step.status)
                .ok()
                .and_then(|value| value.as_str().map(str::to_owned))
                .unwrap_or_default();
            eprintln!("{:<10} {} {}", status, step.verb, visible(&step.title));
        }
        RunEventKind::Waiting { blockers, attempt, attempts, .. } => {
            let who: Vec<String> = blockers
                .iter()
                .map(|blocker| format!("session {} ({})", blocker.pid, visible(&blocker.application)))
                .collect();
            eprintln!("waiting    try {attempt} of {attempts}: {}", who.join(", "));
        }
        RunEventKind::Note { text } => eprintln!("           {}", visible(text)),
        _ => {}
    }
}

async fn apply(
    engine: &Engine,
    target: &Target,
    on: &On,
    confirm: &Confirm,
    purpose: PlanPurpose,
) -> Result<Answer, Failure> {
    let started = Instant::now();
    let review = match engine.plan_create(target, purpose).await {
        Ok(review) => review,
        Err(failure) if failure.code == FailureCode::NothingToDo => {
            return Ok(Answer {
                code: exit::DONE,
                text: failure.what.clone(),
                json: json!({
                    "outcome": "nothing_to_do", "run_id": null, "migrations": [], "findings": [],
                    "seconds": 0.0, "dry_run_seconds": 0.0, "total_seconds": started.elapsed().as_secs_f64(), "failure": null,
                }),
            });
        }
        Err(failure) => return Err(failure),
    };
    carry_through(engine, target, on, confirm, review, started).await
}

/// Tries a plan where it can be tried, then applies it.
pub(crate) async fn carry_through(
    engine: &Engine,
    target: &Target,
    on: &On,
    confirm: &Confirm,
    review: PlanReview,
    started: Instant,
) -> Result<Answer, Failure> {
    let trying = Instant::now();
    let mut report = None;
    if review.plan.migrations().next().is_some()
        || review.gates.iter().any(|gate| gate.evidence == "not tried yet")
    {
        let (run, tried) = try_plan(engine, target, &review, on.json).await?;
        if run.status == RunStatus::Cancelled {
            return Ok(ended(&review, run, tried, 0.0, trying.elapsed().as_secs_f64(), started));
        }
        if tried.is_none()
            && let Some(failure) = run.failure
        {
            return Err(failure);
        }
        report = tried;
    }
    let dry_run_seconds = trying.elapsed().as_secs_f64();
    if confirm.back_up && review.plan.restore().is_none() {
        let request = engine.backup_request_for(&review.plan.id).await?;
        let run = follow(engine, engine.start_backup(target, request).await?, on.json).await?;
        if let Some(failure) = run.failure {
            return Err(failure);
        }
    }
    let confirmation = Confirmation {
        digest: review.plan.digest.clone(),
        typed_name: confirm.confirm.clone(),
        ticked_findings: if confirm.accept_data_loss {
            (0_u32..)
                .zip(&review.plan.findings)
                .filter(|(_, finding)| finding.destructive)
                .map(|(index, _)| index)
                .collect()
        } else {
            Vec::new()
        },
        override_reason: confirm.without_restore_point.clone(),
    };
    let options = ApplyOptions { despite_failed_dry_run: confirm.despite_failed_dry_run };
    let applying = Instant::now();
    let run = match engine.start_apply(target, &review.plan.id, confirmation, options).await {
        Ok(run) => run,
        Err(failure) => {
            return Ok(Answer {
                code: exit::of_failure(&failure),
                text: format!("{}{}", report.as_ref().map(report_text).unwrap_or_default(), words(&failure)),
                json: json!({
                    "outcome": "refused", "run_id": null, "plan_digest": review.plan.digest,
                    "migrations": review.plan.migrations().map(|step| json!({ "name": step.name, "state": "pending" })).collect::<Vec<_>>(),
                    "findings": review.plan.findings, "dry_run": report, "seconds": 0.0,
                    "dry_run_seconds": dry_run_seconds, "total_seconds": started.elapsed().as_secs_f64(), "failure": failure,
                }),
            });
        }
    };
    let run = follow(engine, run, on.json).await?;
    let seconds = applying.elapsed().as_secs_f64();
    Ok(ended(&review, run, report, seconds, dry_run_seconds, started))
}

fn ended(
    review: &PlanReview,
    run: Run,
    report: Option<DryRunReport>,
    seconds: f64,
    dry_run_seconds: f64,
    started: Instant,
) -> Answer {
    use drydock_engine::domain::run::StepStatus;
    let state = |status: StepStatus| match status {
        StepStatus::Done => "applied",
        StepStatus::Failed => "failed",
        StepStatus::Started | StepStatus::Waiting => "unknown",
        StepStatus::Queued | StepStatus::TakenBack | StepStatus::NotRun => "pending",
    };
    let migrations: Vec<Value> = run
        .steps
        .iter()
        .filter(|step| matches!(step.verb.as_str(), "Migrate" | "Record" | "Repair"))
        .map(|step| json!({ "name": step.title, "state": state(step.status), "step": step.status, "seconds": step.seconds, "note": step.note }))
        .collect();
    let status = serde_json::to_value(run.status).unwrap_or_default();
    let mut text = match run.status {
        RunStatus::Succeeded => {
            format!("Run {} succeeded in {seconds:.2} s (dry run {dry_run_seconds:.2} s).\n", run.number)
        }
        _ => format!("Run {} ended: {}.\n", run.number, status.as_str().unwrap_or_default()),
    };
    for sentence in &run.aftermath {
        text.push_str(&format!("{}\n", visible(sentence)));
    }
    if let Some(failure) = &run.failure {
        text.push_str(&words(failure));
    }
    Answer {
        code: exit::of_run(run.status),
        text,
        json: json!({
            "outcome": status, "run_id": run.id, "run_number": run.number, "plan_digest": review.plan.digest,
            "migrations": migrations, "findings": review.plan.findings, "dry_run": report, "aftermath": run.aftermath,
            "seconds": seconds, "dry_run_seconds": dry_run_seconds, "total_seconds": started.elapsed().as_secs_f64(),
            "failure": run.failure,
        }),
    }
}

async fn runs(engine: &Engine, run: Option<&str>, search: &str, on: &On) -> Result<Answer, Failure> {
    let list = engine.runs(None, search).await?;
    let Some(wanted) = run else {
        let text = list
            .iter()
            .map(|run| {
                format!(
                    "#{:<5} {:?} {:<16} {} {}",
                    run.number,
                    run.status,
                    run.environment_name,
                    run.started_at.format("%Y-%m-%d %H:%M:%S"),
                    visible(&run.title)
                )
            })
            .collect::<Vec<_>>()
            .join("\n");
        return Ok(Answer { code: exit::DONE, json: json!({ "outcome": "listed", "runs": list }), text });
    };
    let id = run_named(engine, wanted).await?;
    let mut found = engine.run(&id).await?;
    let mut examination = None;
    if found.status == RunStatus::NeedsAttention {
        let target = target(engine, on).await.ok();
        let examined = engine.examine_run(target.as_ref(), &id).await?;
        found = examined.run.clone();
        examination = Some(examined);
    }
    let mut text = format!("Run {}: {} ({:?})\n", found.number, visible(&found.title), found.status);
    for step in &found.steps {
        text.push_str(&format!(
            "  {:?} {} {}{}\n",
            step.status,
            step.verb,
            visible(&step.title),
            step.note.as_deref().map(|note| format!(": {}", visible(note))).unwrap_or_default()
        ));
    }
    if let Some(examination) = &examination {
        text.push_str(&format!("{}\n", examination.headline));
    }
    if let Some(failure) = &found.failure {
        text.push_str(&words(failure));
    }
    let events = engine.run_events(&id).await?;
    Ok(Answer {
        code: exit::of_run(found.status),
        json: json!({ "outcome": found.status, "run": found, "examination": examination, "events": events }),
        text,
    })
}

pub(crate) fn words(failure: &Failure) -> String {
    let mut text = format!("{} ({})\n", visible(&failure.what), failure.code);
    for part in [&failure.why, &failure.unchanged, &failure.next].into_iter().flatten() {
        text.push_str(&format!("  {}\n", visible(part)));
    }
    text
}

/// Server text is data: control characters and direction marks are made visible.
pub(crate) fn visible(text: &str) -> String {
    drydock_engine::visible(text)
}
