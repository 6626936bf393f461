//! Taking backups: what one would be, and the run that takes and proves it.

use super::list::size;
use super::request_words;
use crate::adapters::backups::{self, Stored};
use crate::adapters::dumps::{local_tools, toolkit_tool};
use crate::adapters::postgres::backup as reading;
use crate::adapters::postgres::failure::failure;
use crate::adapters::sandbox::Toolkit;
use crate::domain::backup::{
    BackUpStep, BackupKind, BackupPreview, BackupRecord, BackupRequest, BackupScope, BackupState,
    BackupSummary, FoundTool, Proof, ProofState, ProveStep,
};
use crate::domain::plan::{Plan, PlanPurpose, Step};
use crate::domain::run::{Run, RunEventKind, RunKind, RunStatus, RunStep, StepStatus};
use crate::domain::words::whole;
use crate::domain::{Failure, FailureCode};
use crate::engine::plans::{Draft, no_transaction_pooler};
use crate::engine::{Engine, Live, Target};
use crate::planner::backup::{ladder, needed_bytes, select, size_words, too_wide};
use crate::planner::restore_point::touched;
use crate::runner::backup::{BackUp, Taken};
use crate::runner::events::Stream;
use crate::runner::words::queued_steps;
use chrono::Utc;
use std::time::Instant;
use tokio::sync::watch;

impl Engine {
    /// What a backup would be. Reads, and stores nothing.
    ///
    /// # Errors
    /// When the target cannot be read.
    pub async fn backup_preview(
        &self,
        target: &Target,
        request: &BackupRequest,
    ) -> Result<BackupPreview, Failure> {
        no_transaction_pooler(target)?;
        let connector = &target.connector;
        let mut connection = connector.open_reading("drydock backup").await?;
        let inventory =
            connector.read(reading::inventory_now(&mut connection)).await.map_err(|error| failure(&error))?;
        let version = connection.server_version_num().unwrap_or(0);
        let mut selection = select(&inventory, request.kind, &request.scope);
        if selection.refusals.is_empty() {
            let as_text = request.kind == BackupKind::Deep;
            let wide = reading::too_wide(&mut connection, &inventory, &selection.tables, as_text);
            let wide = connector.read(wide).await.map_err(|error| failure(&error))?;
            selection.refusals = wide.iter().map(|table| too_wide(request.kind, table)).collect();
        }
        let (tool, other_ways) = match request.kind {
            BackupKind::Quick => ("COPY over our own connection".to_owned(), Vec::new()),
            BackupKind::Deep => {
                let (chosen, others) = ladder(version, &tools().await);
                match chosen {
                    Some(found) => {
                        let tool = &found.tool;
                        (format!("{} {}, {}", tool.name, tool.version, tool.place), others)
                    }
                    None => {
                        selection.refusals.push(crate::runner::backup::no_tool().what);
                        ("none".to_owned(), others)
                    }
                }
            }
        };
        let key = self.backup_key_state().await?;
        selection.refusals.extend(key.problem.map(|problem| problem.what));
        let root = self.backup_root(target).await?;
        let needed = needed_bytes(selection.bytes);
        let free = backups::free_bytes(&root).map(|bytes| bytes as f64);
        if free.is_some_and(|free| free < needed) {
            selection.refusals.push(format!(
                "There is not enough room: {} needed, {} free.",
                size_words(needed),
                size_words(free.unwrap_or(0.0))
            ));
        }
        let policy = self.backup_policy(&target.key()).await?;
        let headline = if selection.refusals.is_empty() {
            format!("This takes {} and only reads.", request_words(request.kind, &request.scope))
        } else {
            "This backup cannot be taken.".to_owned()
        };
        Ok(BackupPreview {
            headline,
            tool,
            other_ways,
            tables: u32::try_from(selection.tables.len()).unwrap_or(u32::MAX),
            rows: selection.rows,
            source_bytes: selection.bytes,
            needed_bytes: needed,
            free_bytes: free,
            left_out: selection.left_out,
            refusals: selection.refusals,
            folder: root.display().to_string(),
            prove_later: too_large_to_prove(selection.bytes, policy.prove_up_to_mb),
        })
    }

    /// Starts a backup and returns its run at once.
    ///
    /// # Errors
    /// When another database answers, no key can be kept, or a backup of this target is being taken.
    pub async fn start_backup(&self, target: &Target, request: BackupRequest) -> Result<Run, Failure> {
        no_transaction_pooler(target)?;
        let lane = format!("backups of {}", target.key());
        if self.live().values().any(|live| live.target == lane) {
            return Err(Failure::new(
                FailureCode::RunInProgress,
                "A backup of this database is being taken already.",
            )
            .unchanged("Nothing was started.")
            .next("Wait for it, or cancel it."));
        }
        // Before anything is read: without a key nothing could be stored.
        self.newest_backup_key().await?;
        let backup_id = Self::draw_backup_id();
        let words = request_words(request.kind, &request.scope);
        let mut work =
            vec![Step::BackUp(BackUpStep { backup_id: backup_id.clone(), request: request.clone() })];
        if request.prove {
            work.push(Step::Prove(ProveStep { backup_id: backup_id.clone() }));
        }
        let plan = self.plan_reading(target, PlanPurpose::BackUp { words: words.clone() }, work).await?;
        let run =
            self.accept(&plan, RunKind::BackUp, format!("Take {words}"), queued_steps(&plan), None).await?;
        let record = self.begun(target, backup_id, &request, Some(&run));
        self.store().save_backup(&record).await?;
        let (live, cancel) = self.register_in(&run, &lane);
        let (engine, target, started) = (self.clone(), target.clone(), run.clone());
        tokio::spawn(async move {
            engine.backup_run(&target, &plan, &request, record, started, live, cancel).await;
        });
        Ok(run)
    }

    /// The record of a backup that begins now.
    pub(super) fn begun(
        &self,
        target: &Target,
        id: String,
        request: &BackupRequest,
        run: Option<&Run>,
    ) -> BackupRecord {
        BackupRecord {
            environment_id: target.environment_id(),
            environment_name: target.name.clone(),
            run_id: run.map(|run| run.id.clone()),
            run_number: run.map(|run| run.number),
            root: request.folder.clone(),
            for_plan: request.for_plan.clone(),
            ..BackupRecord::begun(id, target.key(), request.kind, Utc::now())
        }
    }

    /// A short id for a backup.
    pub(super) fn draw_backup_id() -> String {
        Self::draw_id().chars().filter(char::is_ascii_hexdigit).take(8).collect()
    }

    /// The backup that would cover a plan: the tables it touches, where its dry run showed them, else all.
    ///
    /// # Errors
    /// When the plan is not known.
    pub async fn backup_request_for(&self, plan_id: &str) -> Result<BackupRequest, Failure> {
        let plan = self.store().plan(plan_id).await?;
        let dry_run = self.store().newest_dry_run(plan_id).await?;
        let touched = touched(&plan, dry_run.as_ref());
        let named = |name: &String| {
            name.split_once('.').map(|(schema, table)| crate::domain::backup::TableName::new(schema, table))
        };
        let tables: Option<Vec<_>> = touched.and_then(|touched| touched.iter().map(named).collect());
        let (kind, scope) = match tables {
            Some(tables) if !tables.is_empty() => (BackupKind::Quick, BackupScope::Tables { tables }),
            _ => (BackupKind::Deep, BackupScope::Whole),
        };
        Ok(BackupRequest { kind, scope, prove: true, for_plan: Some(plan.id), folder: None })
    }

    /// A plan of steps that write to no target.
    pub(super) async fn plan_reading(
        &self,
        target: &Target,
        purpose: PlanPurpose,
        work: Vec<Step>,
    ) -> Result<Plan, Failure> {
        let draft =
            Draft { files: String::new(), folder: String::new(), findings: Vec::new(), purpose, work };
        self.keep_plan(target, draft).await
    }

    #[expect(clippy::too_many_arguments, reason = "what a run at work owns")]
    async fn backup_run(
        &self,
        target: &Target,
        plan: &Plan,
        request: &BackupRequest,
        mut record: BackupRecord,
        mut run: Run,
        live: Live,
        cancel: watch::Receiver<bool>,
    ) {
        live.stream.emit(RunEventKind::Status { status: RunStatus::Running });
        let taken = self.backup_steps(target, plan, request, &mut record, &mut run, &live, &cancel).await;
        let ended = match taken {
            Ok(()) => Ok(()),
            Err(failure) => {
                if record.state == BackupState::Taking {
                    record.state = BackupState::Broken;
                    record.failure = Some(failure.clone());
                }
                Err(failure)
            }
        };
        if let Err(failure) = self.store().save_backup(&record).await {
            tracing::error!(code = %failure.code, "the record of a backup could not be written");
        }
        if ended.is_ok()
            && let Err(failure) = self.tidy_backups(target).await
        {
            live.stream.note(format!("Older backups could not be tidied: {}", failure.what));
        }
        self.end_reading(&mut run, &live, ended).await;
    }

    #[expect(clippy::too_many_arguments, reason = "what a run at work owns")]
    async fn backup_steps(
        &self,
        target: &Target,
        plan: &Plan,
        request: &BackupRequest,
        record: &mut BackupRecord,
        run: &mut Run,
        live: &Live,
        cancel: &watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        self.step(run, live, 0, StepStatus::Started, None, None).await?;
        self.step(run, live, 0, StepStatus::Done, Some("same database".to_owned()), Some(started)).await?;
        let started = Instant::now();
        self.step(run, live, 1, StepStatus::Started, None, None).await?;
        let note = self.store_backup(target, plan, request, record, &live.stream, 1, cancel).await?;
        let source_bytes = record.summary.as_ref().map_or(0.0, |summary| summary.source_bytes);
        self.step(run, live, 1, StepStatus::Done, Some(note), Some(started)).await?;
        let proves = plan.steps.iter().position(|step| matches!(step, Step::Prove(_)));
        if let Some(index) = proves {
            let policy = self.backup_policy(&target.key()).await?;
            if let Some(why) = too_large_to_prove(source_bytes, policy.prove_up_to_mb) {
                self.step(run, live, index, StepStatus::NotRun, Some(why), None).await?;
            } else {
                self.prove_step(target, record, run, live, index, cancel).await?;
            }
        }
        self.end_stored(plan, record, run, live, ("stored", "The database was only read.")).await
    }

    /// Says at the end of a run what became of a backup that it made; one that was to be proven and is not fails the
    /// run. `words`: what was done with it, and what is unchanged.
    pub(super) async fn end_stored(
        &self,
        plan: &Plan,
        record: &BackupRecord,
        run: &mut Run,
        live: &Live,
        (done, unchanged): (&str, &str),
    ) -> Result<(), Failure> {
        let note = match record.proof.as_ref().map(|proof| proof.state) {
            Some(ProofState::Proven) => "stored, and proven by restoring it",
            Some(_) => "stored; its proof did not get through",
            None => "stored, not proven yet",
        };
        self.step(run, live, plan.steps.len() - 1, StepStatus::Done, Some(note.to_owned()), None).await?;
        let Some(Proof { state: ProofState::Failed | ProofState::Unknown, facts, notes, .. }) = &record.proof
        else {
            return Ok(());
        };
        let lines = facts.iter().flat_map(|fact| &fact.differences).chain(notes);
        let why: Vec<String> = lines.take(5).cloned().collect();
        let what = format!("The backup was {done}, but it could not be proven.");
        Err(Failure::new(FailureCode::RestoreDiffers, what)
            .why(why.join(" "))
            .unchanged(unchanged)
            .next("Open the backup: it tells what differed. Do not count on it before that is settled."))
    }

    /// Records a backup that is stored, in the store and in the audit. `from`: what it was read by, or made from.
    pub(super) async fn stored(
        &self,
        target: &Target,
        record: &mut BackupRecord,
        Taken { stored, source_bytes }: Taken,
        (action, from): (&str, &str),
    ) -> Result<String, Failure> {
        record.state = BackupState::Complete;
        record.folder = Some(stored.folder.display().to_string());
        record.sha256 = Some(stored.sha256.clone());
        record.summary = Some(summary_of(&stored, source_bytes));
        self.store().save_backup(record).await?;
        let manifest = &stored.manifest;
        let (tables, rows) = (manifest.tables.len(), manifest.rows());
        let note = format!("{tables} tables, {} rows, {} {from}", whole(rows), size(manifest.bytes()));
        self.audit(target, action, &stored.sha256, &note).await?;
        Ok(note)
    }

    /// Reads a backup out, stores it and records it; answers what it holds.
    #[expect(clippy::too_many_arguments, reason = "what a run at work owns")]
    async fn store_backup(
        &self,
        target: &Target,
        plan: &Plan,
        request: &BackupRequest,
        record: &mut BackupRecord,
        events: &Stream,
        index: usize,
        cancel: &watch::Receiver<bool>,
    ) -> Result<String, Failure> {
        let key = self.newest_backup_key().await?;
        let root = match &request.folder {
            Some(folder) => std::path::PathBuf::from(folder),
            None => self.backup_root(target).await?,
        };
        let tool = match request.kind {
            BackupKind::Quick => None,
            BackupKind::Deep => {
                let (chosen, _) = ladder(plan.identity.server_version, &tools().await);
                Some(chosen.ok_or_else(crate::runner::backup::no_tool)?)
            }
        };
        let job = BackUp {
            connector: &target.connector,
            request,
            id: &record.id,
            environment_id: record.environment_id.as_deref(),
            environment_name: &record.environment_name,
            tier: target.tier,
            identity: &plan.identity,
            root: &root,
            key: &key,
            tool: tool.as_ref(),
            lock_timeout_ms: target.rules.lock_timeout_ms,
            events,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            cancel,
        };
        let taken = job.take().await?;
        let tool = &taken.stored.manifest.tool;
        let from = format!("by {} {}", tool.name, tool.version);
        self.stored(target, record, taken, ("backup taken", &from)).await
    }

    /// Takes a backup as the first step of another run.
    #[expect(clippy::too_many_arguments, reason = "what a run at work owns")]
    pub(super) async fn take_first(
        &self,
        target: &Target,
        plan: &Plan,
        request: &BackupRequest,
        mut record: BackupRecord,
        events: &Stream,
        index: usize,
        cancel: &watch::Receiver<bool>,
    ) -> Result<String, Failure> {
        self.store().save_backup(&record).await?;
        let taken = self.store_backup(target, plan, request, &mut record, events, index, cancel).await;
        if let Err(failure) = &taken {
            record.state = BackupState::Broken;
            record.failure = Some(failure.clone());
            self.store().save_backup(&record).await?;
        }
        taken
    }

    /// Journals a step of a run that only reads, and tells who watches.
    pub(super) async fn step(
        &self,
        run: &mut Run,
        live: &Live,
        index: usize,
        status: StepStatus,
        note: Option<String>,
        since: Option<Instant>,
    ) -> Result<(), Failure> {
        let Some(step) = run.steps.get_mut(index) else { return Ok(()) };
        step.status = status;
        step.note = note.or(step.note.take());
        step.seconds = since.map(|since| since.elapsed().as_secs_f64()).or(step.seconds);
        self.store().journal(&run.id, std::slice::from_ref(step)).await?;
        live.stream.emit(RunEventKind::Step { step: step.clone() });
        Ok(())
    }

    /// Ends a run that only reads.
    pub(super) async fn end_reading(&self, run: &mut Run, live: &Live, ended: Result<(), Failure>) {
        let (status, failure) = match ended {
            Ok(()) => (RunStatus::Succeeded, None),
            Err(failure) if failure.code == FailureCode::Cancelled => (RunStatus::Cancelled, Some(failure)),
            Err(failure) => (RunStatus::Failed, Some(failure)),
        };
        let mut changed: Vec<RunStep> = Vec::new();
        for step in &mut run.steps {
            let settled = match step.status {
                StepStatus::Queued => StepStatus::NotRun,
                StepStatus::Started | StepStatus::Waiting if status == RunStatus::Cancelled => {
                    StepStatus::TakenBack
                }
                StepStatus::Started | StepStatus::Waiting => StepStatus::Failed,
                _ => continue,
            };
            step.status = settled;
            if settled != StepStatus::NotRun {
                step.note = failure.as_ref().map(|failure| failure.what.clone());
            }
            changed.push(step.clone());
        }
        for step in changed {
            live.stream.emit(RunEventKind::Step { step });
        }
        let aftermath = vec![if run.kind == RunKind::Import {
            "No database but a scratch one was touched.".to_owned()
        } else {
            "The database was only read.".to_owned()
        }];
        if let Err(failure) =
            self.store().end_run(&run.id, status, failure.as_ref(), &aftermath, &run.steps, Utc::now()).await
        {
            tracing::error!(code = %failure.code, run = run.number, "the journal of a run could not be written");
        }
        self.live().remove(&run.id);
        if let Some(failure) = failure {
            live.stream.emit(RunEventKind::Failed { failure });
        }
        live.stream.emit(RunEventKind::Status { status });
        live.stream.flush().await;
    }
}

/// What of a stored backup is listed.
pub(super) fn summary_of(stored: &Stored, source_bytes: f64) -> BackupSummary {
    let manifest = &stored.manifest;
    BackupSummary {
        taken_at: manifest.snapshot_at,
        identity: manifest.identity.clone(),
        scope: manifest.scope.clone(),
        tables: manifest.tables.iter().map(|table| table.table.clone()).collect(),
        rows: manifest.rows(),
        bytes: manifest.bytes(),
        source_bytes,
        tool: manifest.tool.clone(),
        seconds: manifest.milliseconds as f64 / 1000.0,
        recipient: manifest.recipient.clone(),
        imported: manifest.imported.clone(),
    }
}

/// The programs that could read a database out, in order of preference.
async fn tools() -> Vec<FoundTool> {
    let mut found: Vec<FoundTool> = Toolkit::find(None).ok().iter().map(toolkit_tool).collect();
    found.extend(local_tools().await);
    found
}

fn too_large_to_prove(bytes: f64, up_to_mb: u32) -> Option<String> {
    let limit = f64::from(up_to_mb) * 1024.0 * 1024.0;
    (bytes > limit).then(|| {
        format!(
            "Its tables take {} on the server; above {} a proof is asked for, because it takes that room here.",
            size_words(bytes),
            size_words(limit)
        )
    })
}
