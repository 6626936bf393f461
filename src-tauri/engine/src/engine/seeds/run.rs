//! Dry runs and applies of plans that write rows.

use crate::adapters::changes::{self, ChangeWriter};
use crate::adapters::store::StoredChanges;
use crate::domain::change_set::{DryRunReport, Trial, Tried as How};
use crate::domain::plan::{Plan, Step};
use crate::domain::run::{Run, RunEventKind, RunKind, RunStatus, RunStep, StepStatus};
use crate::domain::seed::RowChanges;
use crate::domain::{Failure, FailureCode};
use crate::engine::{Engine, Target};
use crate::runner::apply::rows::RowJob;
use crate::runner::events::Stream;
use crate::runner::seed::{self, RowWork, Tried};
use chrono::Utc;
use tokio::sync::watch;

impl Engine {
    /// What a plan that writes rows stands on beside the database: the profile's files, or the rows to take
    /// back.
    pub(in crate::engine) async fn row_files_now(&self, plan: &Plan) -> Result<String, Failure> {
        for step in &plan.steps {
            match step {
                Step::Seed(seed) => return Ok(super::read_answered(&seed.profile, &seed.answers)?.digest),
                Step::Undo(undo) => return self.undo_digest(&undo.run_id).await,
                Step::Call(call) => return Ok(super::read_answered(&call.profile, &call.answers)?.digest),
                Step::Restore(restore) => return self.restore_files(restore).await,
                _ => {}
            }
        }
        Ok(String::new())
    }

    /// The rows that a plan writes.
    async fn row_work(&self, target: &Target, plan: &Plan) -> Result<RowWork, Failure> {
        for step in &plan.steps {
            match step {
                Step::Seed(seed) => return self.seed_work(target, seed).await,
                Step::Undo(undo) => return self.undo_work(target, undo).await,
                _ => {}
            }
        }
        Err(Failure::new(FailureCode::NothingToDo, "The plan writes no rows."))
    }

    /// What an apply of rows needs, beside what every apply does.
    pub(in crate::engine) async fn row_job(
        &self,
        target: &Target,
        plan: &Plan,
        run_id: &str,
        dry_run: Option<&DryRunReport>,
    ) -> Result<RowJob, Failure> {
        let shown = match dry_run {
            Some(report) if report.digest == plan.digest => {
                self.store().changes(&report.run_id).await?.map(|(changes, _)| changes)
            }
            _ => None,
        };
        Ok(RowJob {
            rows: self.row_work(target, plan).await?,
            path: changes::path(self.store().folder(), run_id),
            key: self.change_key().await?,
            shown,
        })
    }

    /// Starts the dry run of a plan that writes rows.
    pub(in crate::engine) async fn start_row_dry_run(
        &self,
        target: &Target,
        plan: Plan,
    ) -> Result<Run, Failure> {
        let rows = self.row_work(target, &plan).await?;
        self.sweep_changes().await;
        let key = self.change_key().await?;
        let title = plan.purpose_title();
        let steps = vec![RunStep {
            index: 0,
            verb: "Dry run".to_owned(),
            title,
            status: StepStatus::Queued,
            seconds: None,
            note: None,
        }];
        let name = format!("Dry run of plan {}", plan.number);
        let run = self.accept(&plan, RunKind::DryRun, name, steps, None).await?;
        let (live, cancel) = self.register(&run, target);
        let (engine, target, mut run_now) = (self.clone(), target.clone(), run.clone());
        tokio::spawn(async move {
            let path = changes::path(engine.store().folder(), &run_now.id);
            let tried = match ChangeWriter::create(&path, &key) {
                Ok(writer) => {
                    engine.try_rows(&target, &plan, &rows, writer, &live.stream, &cancel, &run_now).await
                }
                Err(failure) => Err(failure),
            };
            let ended =
                engine.end_row_dry_run(&target, &plan, &rows, tried, &mut run_now, &live.stream).await;
            if let Err(failure) = ended {
                tracing::error!(code = %failure.code, run = run_now.number, "the journal of a dry run could not be written");
            }
            live.stream.flush().await;
            engine.live().remove(&run_now.id);
        });
        Ok(run)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one run")]
    async fn try_rows(
        &self,
        target: &Target,
        plan: &Plan,
        rows: &RowWork,
        mut writer: ChangeWriter,
        stream: &Stream,
        cancel: &watch::Receiver<bool>,
        run: &Run,
    ) -> Result<Tried, Failure> {
        stream.emit(RunEventKind::Status { status: RunStatus::Running });
        let tried =
            seed::try_out(&target.connector, plan, rows, &mut writer, stream, cancel, &run.id, 0).await?;
        if tried.refused.is_none() && tried.stopped.is_none() {
            writer.finish()?;
        }
        Ok(tried)
    }

    async fn end_row_dry_run(
        &self,
        target: &Target,
        plan: &Plan,
        rows: &RowWork,
        tried: Result<Tried, Failure>,
        run: &mut Run,
        stream: &Stream,
    ) -> Result<(), Failure> {
        let (status, failure) = match tried {
            Ok(tried) => self.report_rows(target, plan, rows, tried, run).await?,
            Err(failure) if failure.code == FailureCode::Cancelled => (RunStatus::Cancelled, Some(failure)),
            Err(failure) => (RunStatus::Failed, Some(failure)),
        };
        if let Some(step) = run.steps.first_mut() {
            step.status = match status {
                RunStatus::Succeeded => StepStatus::Done,
                RunStatus::Cancelled => StepStatus::TakenBack,
                _ => StepStatus::Failed,
            };
            stream.emit(RunEventKind::Step { step: step.clone() });
        }
        let aftermath = vec!["Everything was taken back: a dry run cannot commit.".to_owned()];
        self.store().end_run(&run.id, status, failure.as_ref(), &aftermath, &run.steps, Utc::now()).await?;
        if let Some(failure) = failure {
            stream.emit(RunEventKind::Failed { failure });
        }
        stream.emit(RunEventKind::Status { status });
        Ok(())
    }

    async fn report_rows(
        &self,
        target: &Target,
        plan: &Plan,
        rows: &RowWork,
        tried: Tried,
        run: &mut Run,
    ) -> Result<(RunStatus, Option<Failure>), Failure> {
        let taken_back = match self.row_files_now(plan).await {
            Ok(files) => match self.fingerprint_now(target, files).await {
                Ok((_, _, now)) => Some(now == plan.fingerprint),
                Err(_) => None,
            },
            Err(_) => Some(false),
        };
        let worked = match (&tried.refused, &tried.stopped) {
            (Some(_), _) => Some(false),
            (None, Some(_)) => None,
            (None, None) => Some(true),
        };
        let mut unknowns: Vec<String> = tried
            .captured
            .iter()
            .filter_map(|table| {
                let why = table.changes.unknown.as_ref()?;
                Some(format!("{}: {why}", table.changes.table))
            })
            .collect();
        if let RowWork::Scripts(scripts) = rows {
            for (file, script) in scripts {
                let outside = crate::planner::sql::outside_effects(&file.text, script);
                unknowns.extend(outside.into_iter().map(|effect| format!("{}: {effect}", file.file)));
            }
        }
        unknowns.extend(tried.stopped.clone());
        let stored = StoredChanges {
            sums: tried.captured.iter().map(|table| table.sum.clone()).collect(),
            changes: RowChanges {
                tables: tried.captured.into_iter().map(|table| table.changes).collect(),
                again: tried.again,
                sequences: tried.sequences,
                notes: Vec::new(),
            },
        };
        // What could not be read completely was not proven to work.
        let proven = worked.filter(|worked| !*worked || unknowns.is_empty());
        let report = DryRunReport {
            run_id: run.id.clone(),
            plan_id: plan.id.clone(),
            digest: plan.digest.clone(),
            at: Utc::now(),
            seconds: tried.seconds,
            rehearsal_seconds: 0.0,
            trials: vec![Trial {
                migration: plan.purpose_title(),
                tried: How::DryRun,
                worked,
                seconds: Some(tried.seconds),
                note: tried.refused.as_ref().map(|failure| failure.what.clone()).or(tried.stopped.clone()),
                failed_statement: None,
            }],
            worked: proven,
            objects: Vec::new(),
            rows: Vec::new(),
            locks: tried.locks,
            longest_block_seconds: tried.longest_block_seconds,
            space: Some(tried.space),
            taken_back,
            unknowns,
            changes: (worked == Some(true)).then(|| stored.changes.clone()),
        };
        if worked == Some(true) {
            self.store().save_changes(&run.id, &stored).await?;
        }
        self.store().save_dry_run(&report).await?;
        if let Some(step) = run.steps.first_mut() {
            step.seconds = Some(tried.seconds);
            step.note = tried.refused.as_ref().map(|failure| failure.what.clone()).or(tried.stopped.clone());
        }
        Ok(match (tried.refused, tried.stopped) {
            (Some(failure), _) => (RunStatus::Failed, Some(failure)),
            (None, Some(why)) => (
                RunStatus::Failed,
                Some(
                    Failure::new(FailureCode::TimedOut, "The dry run ended before it was done.")
                        .why(why)
                        .unchanged("All of it was taken back; nothing has changed.")
                        .next("Try again when it is quiet, seed fewer rows at a time, or allow more in the guard rules."),
                ),
            ),
            (None, None) => (RunStatus::Succeeded, None),
        })
    }

    /// After a seed or an undo got in: what it took back is marked.
    pub(in crate::engine) async fn after_rows(&self, plan: &Plan, run: &Run) -> Result<(), Failure> {
        let is_in =
            |step: &RunStep| matches!(step.verb.as_str(), "Seed" | "Undo") && step.status == StepStatus::Done;
        if !run.steps.iter().any(is_in) {
            return Ok(());
        }
        for step in &plan.steps {
            let Step::Undo(undo) = step else { continue };
            self.store().mark_undone(&undo.run_id, Some(&run.id)).await?;
            // The undo of an undo: what was undone first is back.
            let first = self.store().run(&undo.run_id).await?;
            for step in self.store().plan(&first.plan_id).await?.steps {
                if let Step::Undo(first) = step {
                    self.store().mark_undone(&first.run_id, None).await?;
                }
            }
        }
        Ok(())
    }
}
