//! Runs: started, watched, cancelled, examined.

use super::plans::{Scripts, no_transaction_pooler};
use super::{ApplyOptions, Engine, Live, Target};
use crate::adapters::store::{AuditEntry, NewRun};
use crate::domain::change_set::{DryRunReport, Tried};
use crate::domain::plan::{Confirmation, Plan, PlanPurpose};
use crate::domain::run::{
    Examination, Run, RunEvent, RunEventKind, RunKind, RunStatus, RunStep, RunSummary, StepStatus,
};
use crate::domain::verification::Moment;
use crate::domain::{Failure, FailureCode, Outcome};
use crate::runner::apply::restore::Work;
use crate::runner::apply::{Apply, Checks};
use crate::runner::dry_run::{self, Piece, TargetTrial};
use crate::runner::events::Stream;
use crate::runner::examine;
use crate::runner::words::queued_steps;
use chrono::Utc;
use std::sync::Arc;
use tokio::sync::{broadcast, watch};

impl Engine {
    /// Starts a dry run and returns its run at once.
    ///
    /// # Errors
    /// When the plan is not known, its files have changed, or another run works on the target.
    pub async fn start_dry_run(&self, target: &Target, plan_id: &str) -> Result<Run, Failure> {
        no_transaction_pooler(target)?;
        // What is taken back is written first.
        self.writes_open(target).await?;
        let plan = self.store().plan(plan_id).await?;
        self.nobody_else(target).await?;
        if plan.writes_rows() {
            return self.start_row_dry_run(target, plan).await;
        }
        if plan.call().is_some() {
            return Err(Failure::new(FailureCode::NotDryRun, "What the app writes cannot be tried.")
                .why("The rows are written by the app, at once and for good.")
                .unchanged("Nothing was sent.")
                .next("Read the requests of the plan, then apply it or leave it."));
        }
        let scripts = self.scripts(target, &plan).await?;
        let pieces = match self.roll_back_job(&plan).await? {
            Some(job) => Self::roll_back_pieces(&plan, &job),
            None => Self::pieces(&plan, &scripts.texts),
        };
        let steps = (0_u32..)
            .zip(&pieces)
            .map(|(index, piece)| RunStep {
                index,
                verb: "Dry run".to_owned(),
                title: piece.name.clone(),
                status: StepStatus::Queued,
                seconds: None,
                note: None,
            })
            .collect();
        let run = self
            .accept(&plan, RunKind::DryRun, format!("Dry run of plan {}", plan.number), steps, None)
            .await?;
        let (live, cancel) = self.register(&run, target);
        let (engine, target, started) = (self.clone(), target.clone(), run.clone());
        tokio::spawn(async move {
            let mut run = started;
            if let Err(failure) =
                engine.dry_run(&target, &plan, &pieces, &mut run, &live.stream, cancel).await
            {
                tracing::error!(code = %failure.code, run = run.number, "the journal of a dry run could not be written");
            }
            live.stream.flush().await;
            engine.live().remove(&run.id);
        });
        Ok(run)
    }

    async fn dry_run(
        &self,
        target: &Target,
        plan: &Plan,
        pieces: &[Piece],
        run: &mut Run,
        stream: &Stream,
        cancel: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        stream.emit(RunEventKind::Status { status: RunStatus::Running });
        let tried = dry_run::on_target(&target.connector, plan, pieces, stream, &cancel, &run.id).await;
        let (status, failure) = match tried {
            Ok(tried) => {
                let report = self.dry_run_report(target, plan, pieces, run, stream, tried).await;
                for (step, trial) in run.steps.iter_mut().zip(&report.trials) {
                    step.status = match trial.worked {
                        Some(true) => StepStatus::Done,
                        Some(false) => StepStatus::Failed,
                        None => StepStatus::NotRun,
                    };
                    step.seconds = trial.seconds;
                    step.note = match (trial.tried, &trial.note) {
                        (Tried::Rehearsal, Some(note)) => Some(format!("Rehearsed without data. {note}")),
                        (Tried::Rehearsal, None) => Some("Rehearsed without data.".to_owned()),
                        (_, note) => note.clone(),
                    };
                    stream.emit(RunEventKind::Step { step: step.clone() });
                }
                self.store().save_dry_run(&report).await?;
                let failed = report.trials.iter().find(|trial| trial.worked == Some(false));
                match failed {
                    Some(trial) => (
                        RunStatus::Failed,
                        Some(
                            Failure::new(
                                FailureCode::MigrationFailed,
                                format!("{} would fail.", trial.migration),
                            )
                            .why(trial.note.clone().unwrap_or_default())
                            .unchanged("All of it was taken back; nothing has changed.")
                            .next("Correct the migration, then make a new plan."),
                        ),
                    ),
                    None => (RunStatus::Succeeded, None),
                }
            }
            Err(failure) if failure.code == FailureCode::Cancelled => (RunStatus::Cancelled, Some(failure)),
            Err(failure) => (RunStatus::Failed, Some(failure)),
        };
        for step in &mut run.steps {
            if step.status == StepStatus::Queued {
                step.status = StepStatus::NotRun;
            }
        }
        let aftermath = vec!["Everything was taken back: a dry run cannot commit.".to_owned()];
        self.store().end_run(&run.id, status, failure.as_ref(), &aftermath, &run.steps, Utc::now()).await?;
        if let Some(failure) = failure {
            stream.emit(RunEventKind::Failed { failure });
        }
        stream.emit(RunEventKind::Status { status });
        Ok(())
    }

    async fn dry_run_report(
        &self,
        target: &Target,
        plan: &Plan,
        pieces: &[Piece],
        run: &Run,
        stream: &Stream,
        tried: TargetTrial,
    ) -> DryRunReport {
        let taken_back = match self.scripts(target, plan).await {
            Ok(scripts) => match self.fingerprint_now(target, scripts.digest).await {
                Ok((_, _, now)) => Some(now == plan.fingerprint),
                Err(_) => None,
            },
            Err(_) => Some(false),
        };
        let mut report = DryRunReport {
            run_id: run.id.clone(),
            plan_id: plan.id.clone(),
            digest: plan.digest.clone(),
            at: Utc::now(),
            seconds: tried.seconds,
            rehearsal_seconds: 0.0,
            trials: tried.trials,
            worked: None,
            objects: tried.objects,
            rows: tried.rows,
            locks: tried.locks,
            longest_block_seconds: tried.longest_block_seconds,
            space: tried.space,
            taken_back,
            unknowns: tried.unknowns,
            changes: None,
        };
        for piece in pieces {
            if let Some(text) = plan.migrations().find(|step| step.name == piece.name) {
                report.unknowns.extend(
                    crate::planner::sql::outside_effects(&piece.sql, &text.script)
                        .into_iter()
                        .map(|effect| format!("{}: {effect}", piece.name)),
                );
            }
        }
        let failed = report.trials.iter().any(|trial| trial.worked == Some(false));
        if !failed && report.trials.len() < pieces.len() {
            let why = tried
                .left_because
                .unwrap_or_else(|| "It could not be tried together with the others.".to_owned());
            self.rehearse(target, plan, pieces, &mut report, &why, stream).await;
        }
        report.locks.sort_by(|left, right| right.held_seconds.total_cmp(&left.held_seconds));
        let all = report.trials.len() == pieces.len()
            && report.trials.iter().all(|trial| trial.worked == Some(true));
        report.worked = if report.trials.iter().any(|trial| trial.worked == Some(false)) {
            Some(false)
        } else if all {
            Some(true)
        } else {
            None
        };
        if report.trials.iter().any(|trial| trial.tried == Tried::Rehearsal) {
            report.unknowns.push(
                "What was rehearsed met no data: rows that break a rule there would still fail.".to_owned(),
            );
        }
        report
    }

    /// Starts an apply and returns its run at once.
    ///
    /// # Errors
    /// When a gate does not pass or the confirmation is not complete; nothing is written then.
    pub async fn start_apply(
        &self,
        target: &Target,
        plan_id: &str,
        confirmation: Confirmation,
        options: ApplyOptions,
    ) -> Result<Run, Failure> {
        self.start_apply_as(Self::draw_id(), target, plan_id, confirmation, options).await
    }

    /// As [`Engine::start_apply`], as the run with this id.
    pub(super) async fn start_apply_as(
        &self,
        id: String,
        target: &Target,
        plan_id: &str,
        confirmation: Confirmation,
        options: ApplyOptions,
    ) -> Result<Run, Failure> {
        self.writes_open(target).await?;
        let review = self.plan_review(target, plan_id).await?;
        let plan = review.plan;
        no_transaction_pooler(target)?;
        Self::permitted(&plan, &review.gates, &confirmation, options)?;
        self.nobody_else(target).await?;
        let rows = if plan.writes_rows() {
            Some(self.row_job(target, &plan, &id, review.dry_run.as_ref()).await?)
        } else {
            None
        };
        if plan.call().is_some() && self.store().was_applied(&plan.id).await? {
            return Err(Failure::new(
                FailureCode::PlanVoid,
                "The plan is void: it was applied once already.",
            )
            .why("Its requests may have been sent, and nothing in the database tells.")
            .unchanged("Nothing was sent.")
            .next("Make a new plan: it counts the tables as they are now."));
        }
        let app = self.app_job(target, &plan).await?;
        let restore = match self.roll_back_job(&plan).await? {
            Some(roll_back) => Some(Work::RollBack(roll_back)),
            None => self.restore_job(&plan).await?.map(|restore| Work::Restore(Box::new(restore))),
        };
        let scripts = if plan.is_of_rows() {
            Scripts { digest: self.row_files_now(&plan).await?, ..Scripts::default() }
        } else {
            self.scripts(target, &plan).await?
        };
        self.audit(target, "apply", &plan.digest, &spoken(&confirmation, options)).await?;
        // All that was read took its time: somebody may have frozen writes meanwhile.
        self.writes_open(target).await?;
        let title = title(&plan);
        let steps = queued_steps(&plan);
        let checks = std::sync::Mutex::new(self.checks_after(target, &plan.purpose, &id));
        let run = self.accept_as(id, &plan, RunKind::Apply, title, steps, Some(confirmation)).await?;
        let (live, cancel) = self.register(&run, target);
        let apply = Apply {
            store: Arc::clone(self.store()),
            connector: target.connector.clone(),
            scripts: scripts.texts,
            files_fingerprint: scripts.digest,
            rows,
            app,
            restore: restore.map(|restore| self.with_safety(target, &plan, &run, restore, &live, &cancel)),
            checks,
            events: live.stream.clone(),
            cancel,
            run: run.clone(),
            plan,
        };
        let (engine, target, id) = (self.clone(), target.clone(), run.id.clone());
        tokio::spawn(async move {
            let (purpose, events) = (apply.plan.purpose.clone(), apply.events.clone());
            let takes_its_place = apply.plan.takes_its_place();
            engine.checks_before(&target, &purpose, &id, &events).await;
            match apply.execute().await {
                Ok(run) => {
                    let outcome = format!("{:?}", run.status).to_lowercase();
                    if let Err(failure) = engine.audit(&target, "apply ended", &run.plan_id, &outcome).await {
                        tracing::error!(code = %failure.code, "the audit could not be written");
                    }
                    if let Ok(plan) = engine.store().plan(&run.plan_id).await
                        && let Err(failure) = engine.after_rows(&plan, &run).await
                    {
                        tracing::error!(code = %failure.code, "what was taken back could not be marked");
                    }
                    if run.status == RunStatus::Succeeded {
                        if takes_its_place {
                            engine.pin_restored(&target).await;
                        }
                        engine.follow_ledger(&target).await;
                    }
                }
                Err(failure) => {
                    tracing::error!(code = %failure.code, run = %id, "the journal of a run could not be written")
                }
            }
            engine.live().remove(&id);
        });
        Ok(run)
    }

    /// The checks of a profile before it is seeded. That they could not be read is no reason not to seed.
    async fn checks_before(&self, target: &Target, purpose: &PlanPurpose, run_id: &str, events: &Stream) {
        let PlanPurpose::Seed { profile, .. } = purpose else { return };
        if let Err(failure) = self.read_around(target, profile, run_id, Moment::Before).await {
            events.note(format!("The profile's checks could not be read: {}", failure.what));
        }
    }

    /// The checks of a profile after it was seeded, to be read by the run itself.
    fn checks_after(&self, target: &Target, purpose: &PlanPurpose, run_id: &str) -> Option<Checks> {
        let PlanPurpose::Seed { profile, .. } = purpose else { return None };
        let (engine, target) = (self.clone(), target.clone());
        let (profile, run_id) = (profile.clone(), run_id.to_owned());
        Some(Box::pin(async move {
            match engine.read_around(&target, &profile, &run_id, Moment::After).await {
                Ok(checks) => {
                    let hold = checks.iter().filter(|check| check.outcome == Outcome::Pass).count();
                    match checks.len() {
                        0 => "there are no checks to read".to_owned(),
                        1 if hold == 1 => "the only check holds".to_owned(),
                        all if all == hold => format!("all {all} checks hold"),
                        all => format!("{hold} of {all} checks hold"),
                    }
                }
                Err(failure) => format!("the checks could not be read: {}", failure.what),
            }
        }))
    }

    /// After our own writes the pin follows the ledger.
    async fn follow_ledger(&self, target: &Target) {
        if let Some(environment) = &target.environment
            && let Ok(environment) = self.store().environment(&environment.id).await
        {
            let target = Target { environment: Some(environment), ..target.clone() };
            let _ = self.observe(&target).await;
        }
    }

    pub(super) async fn accept(
        &self,
        plan: &Plan,
        kind: RunKind,
        title: String,
        steps: Vec<RunStep>,
        confirmation: Option<Confirmation>,
    ) -> Result<Run, Failure> {
        self.accept_as(Self::draw_id(), plan, kind, title, steps, confirmation).await
    }

    async fn accept_as(
        &self,
        id: String,
        plan: &Plan,
        kind: RunKind,
        title: String,
        steps: Vec<RunStep>,
        confirmation: Option<Confirmation>,
    ) -> Result<Run, Failure> {
        self.store().begin_run(&NewRun { id, plan, kind, title, at: Utc::now(), steps, confirmation }).await
    }

    pub(super) fn register(&self, run: &Run, target: &Target) -> (Live, watch::Receiver<bool>) {
        self.register_in(run, &target.key())
    }

    /// As [`Engine::register`], in a lane of its own: it is in nobody's way but its own kind's.
    pub(super) fn register_in(&self, run: &Run, lane: &str) -> (Live, watch::Receiver<bool>) {
        let (sender, receiver) = watch::channel(false);
        let live = Live {
            stream: Stream::start(&run.id, Arc::clone(self.store())),
            cancel: Arc::new(sender),
            target: lane.to_owned(),
        };
        self.live().insert(run.id.clone(), live.clone());
        (live, receiver)
    }

    /// One run a target at a time, and none while an earlier one's outcome is open.
    async fn nobody_else(&self, target: &Target) -> Result<(), Failure> {
        let key = target.key();
        if self.live().values().any(|live| live.target == key) {
            return Err(Failure::new(
                FailureCode::RunInProgress,
                format!("Another run is at work on {}.", target.name),
            )
            .unchanged("Nothing was started.")
            .next("Wait for it, or cancel it."));
        }
        let open = self.store().open_runs(target.environment_id().as_deref(), &target.name).await?;
        for run in
            open.iter().filter(|run| run.kind == RunKind::DryRun && run.status == RunStatus::NeedsAttention)
        {
            // A dry run cannot have left anything; looking at it settles it.
            examine::examine(self.store(), Some(&target.connector), &run.id).await?;
        }
        if let Some(run) =
            open.iter().find(|run| run.kind == RunKind::Apply && run.status == RunStatus::NeedsAttention)
        {
            let examination = examine::examine(self.store(), Some(&target.connector), &run.id).await?;
            if examination.run.status == RunStatus::NeedsAttention {
                return Err(Failure::new(
                    FailureCode::RunInProgress,
                    format!("What became of run {} is not known yet.", run.number),
                )
                .why(examination.headline)
                .unchanged("Nothing was started.")
                .next("Open that run; it tells what is known and what is safe to do."));
            }
        }
        Ok(())
    }

    /// A run as it is recorded.
    ///
    /// # Errors
    /// [`FailureCode::RunUnknown`], [`FailureCode::Store`].
    pub async fn run(&self, id: &str) -> Result<Run, Failure> {
        self.store().run(id).await
    }

    /// The id of the run with this number.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn run_id(&self, number: u32) -> Result<Option<String>, Failure> {
        self.store().run_id(number).await
    }

    /// The dry run's report of a run, if it made one.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn newest_dry_run(&self, plan_id: &str) -> Result<Option<DryRunReport>, Failure> {
        self.store().newest_dry_run(plan_id).await
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn runs(&self, environment_id: Option<&str>, search: &str) -> Result<Vec<RunSummary>, Failure> {
        self.store().mark_cut_off_runs().await?;
        self.store().runs(environment_id, search).await
    }

    /// The record of a run's events.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn run_events(&self, id: &str) -> Result<Vec<RunEvent>, Failure> {
        let stream = self.live().get(id).map(|live| live.stream.clone());
        if let Some(stream) = stream {
            stream.flush().await;
        }
        self.store().events(id).await
    }

    /// Watches a run: first everything so far, then live until it ends.
    ///
    /// # Errors
    /// [`FailureCode::RunUnknown`], [`FailureCode::Store`].
    pub async fn watch_run(
        &self,
        id: &str,
        on_event: &mut (dyn FnMut(RunEvent) + Send),
    ) -> Result<(), Failure> {
        let receiver = self.live().get(id).map(|live| live.stream.watch());
        self.store().run(id).await?;
        let mut last = 0;
        for event in self.run_events(id).await? {
            last = event.sequence;
            on_event(event);
        }
        let Some(mut receiver) = receiver else { return Ok(()) };
        loop {
            match receiver.recv().await {
                Ok(event) if event.sequence > last => {
                    last = event.sequence;
                    let ended = matches!(&event.what, RunEventKind::Status { status } if !matches!(status, RunStatus::Queued | RunStatus::Running));
                    on_event(event);
                    if ended {
                        return Ok(());
                    }
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    let known = last;
                    for event in self.run_events(id).await?.into_iter().filter(|event| event.sequence > known)
                    {
                        last = event.sequence;
                        on_event(event);
                    }
                }
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            }
        }
    }

    /// Waits until a run of this process has ended and returns it as recorded.
    ///
    /// # Errors
    /// [`FailureCode::RunUnknown`], [`FailureCode::Store`].
    pub async fn wait_run(
        &self,
        id: &str,
        on_event: &mut (dyn FnMut(RunEvent) + Send),
    ) -> Result<Run, Failure> {
        self.watch_run(id, on_event).await?;
        while self.live().contains_key(id) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        self.store().run(id).await
    }

    /// Asks a run to stop. It says what was asked; the run's end says what stayed.
    ///
    /// # Errors
    /// [`FailureCode::RunUnknown`] when it is not at work in this process.
    pub fn cancel_run(&self, id: &str) -> Result<String, Failure> {
        let live = self.live().get(id).cloned();
        match live {
            Some(live) => {
                let _ = live.cancel.send(true);
                Ok("It is stopped, on the server too. What is done stays; what was at work is taken back, and the run's end says which is which.".to_owned())
            }
            None => Err(Failure::new(FailureCode::RunUnknown, "This run is not at work in this console.")
                .next("Open it to see how it ended.")),
        }
    }

    /// What became of a run, from the journal and the server.
    ///
    /// # Errors
    /// [`FailureCode::RunUnknown`], [`FailureCode::Store`].
    pub async fn examine_run(&self, target: Option<&Target>, id: &str) -> Result<Examination, Failure> {
        let before = self.store().run(id).await?.status;
        let examination = examine::examine(self.store(), target.map(|target| &target.connector), id).await?;
        let plan = self.store().plan(&examination.run.plan_id).await?;
        if let Some(target) = target
            && (before, examination.run.status) == (RunStatus::NeedsAttention, RunStatus::Succeeded)
            && plan.takes_its_place()
        {
            self.pin_restored(target).await;
        }
        if examination.run.kind == RunKind::Apply {
            self.after_rows(&plan, &examination.run).await?;
        }
        Ok(examination)
    }

    /// Asks the server to stop the sessions of a run that was cut off.
    ///
    /// # Errors
    /// When the server cannot be reached or does not allow it.
    pub async fn stop_on_server(&self, target: &Target, id: &str) -> Result<(), Failure> {
        use crate::adapters::postgres::{failure::failure, observe};
        let sessions = self.store().sessions(id).await?;
        let mut connection = target.connector.open_reading("drydock stop").await?;
        for (pid, application) in sessions {
            let alive = observe::session(&mut connection, pid, &application)
                .await
                .map_err(|error| failure(&error))?;
            if alive.is_some() {
                crate::runner::session::cancel_session(&mut connection, pid)
                    .await
                    .map_err(|error| failure(&error))?;
            }
        }
        self.audit(target, "stop on server", "", id).await
    }

    pub(super) async fn audit(
        &self,
        target: &Target,
        action: &str,
        digest: &str,
        outcome: &str,
    ) -> Result<(), Failure> {
        let place = format!("{} ({})", target.name, target.connector.address.label());
        self.audit_place(&place, action, digest, outcome).await
    }

    /// As [`Engine::audit`], for what is about no single target.
    pub(super) async fn audit_place(
        &self,
        place: &str,
        action: &str,
        digest: &str,
        outcome: &str,
    ) -> Result<(), Failure> {
        self.store()
            .audit(&AuditEntry {
                at: Utc::now(),
                actor: crate::adapters::files::operator(),
                action: action.to_owned(),
                target: place.to_owned(),
                digest: digest.to_owned(),
                outcome: outcome.to_owned(),
            })
            .await
    }

    /// Checks the audit's chain.
    ///
    /// # Errors
    /// [`FailureCode::AuditBroken`], [`FailureCode::Store`].
    pub async fn verify_audit(&self) -> Result<String, Failure> {
        self.store().verify_audit().await
    }
}

fn spoken(confirmation: &Confirmation, options: ApplyOptions) -> String {
    let mut parts = Vec::new();
    if let Some(reason) = &confirmation.override_reason {
        parts.push(format!("without restore point: {reason}"));
    }
    if !confirmation.ticked_findings.is_empty() {
        parts.push(format!("ticked {} destructive findings", confirmation.ticked_findings.len()));
    }
    if options.despite_failed_dry_run {
        parts.push("although the dry run failed".to_owned());
    }
    if parts.is_empty() { "confirmed".to_owned() } else { parts.join("; ") }
}

fn title(plan: &Plan) -> String {
    match &plan.purpose {
        PlanPurpose::ApplyPending => match plan.migrations().count() {
            1 => "Apply 1 migration".to_owned(),
            count => format!("Apply {count} migrations"),
        },
        PlanPurpose::FinishFailed { migration } => format!("Finish {migration}"),
        PlanPurpose::UndoFailed { migration } => format!("Take back {migration}"),
        PlanPurpose::MarkApplied { migration } => format!("Mark {migration} as applied"),
        PlanPurpose::MarkRolledBack { migration } => format!("Mark {migration} as rolled back"),
        PlanPurpose::Baseline { up_to } => format!("Baseline up to {up_to}"),
        PlanPurpose::Seed { title, .. } => format!("Seed {title}"),
        PlanPurpose::Undo { run_number, run_title, .. } => format!("Undo run {run_number}: {run_title}"),
        PlanPurpose::BackUp { words } => format!("Take {words}"),
        PlanPurpose::Import { words } => format!("Import {words}"),
        PlanPurpose::Prove { words } => format!("Prove {words}"),
        PlanPurpose::Restore { words } => format!("Restore {words}"),
        PlanPurpose::SwapBack { kept, .. } => format!("Go back to {kept}"),
        PlanPurpose::RollBack { migrations } => match migrations.as_slice() {
            [one] => format!("Roll back {one}"),
            many => format!("Roll back {} migrations", many.len()),
        },
    }
}
