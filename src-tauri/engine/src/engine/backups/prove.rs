//! Proving backups: as the last part of taking one, or later by itself.

use crate::domain::backup::{BackupRecord, ProofState, ProveStep};
use crate::domain::plan::{PlanPurpose, Step};
use crate::domain::run::{Run, RunEventKind, RunKind, RunStatus, StepStatus};
use crate::domain::{Failure, FailureCode};
use crate::engine::{Engine, Live, Target};
use crate::runner::backup::prove::Prove;
use crate::runner::words::queued_steps;
use chrono::Local;
use std::time::Instant;
use tokio::sync::watch;

impl Engine {
    /// Starts a proof of a backup and returns its run at once.
    ///
    /// # Errors
    /// When the backup is not complete, its key is not here, or it is being proven already.
    pub async fn start_proof(&self, target: &Target, backup_id: &str) -> Result<Run, Failure> {
        let record = self.store().backup(backup_id).await?;
        self.opened(&record).await?;
        let lane = lane(backup_id);
        if self.live().values().any(|live| live.target == lane) {
            return Err(Failure::new(FailureCode::RunInProgress, "This backup is being proven already.")
                .unchanged("Nothing was started.")
                .next("Wait for it, or cancel it."));
        }
        let at = record
            .summary
            .as_ref()
            .map_or(record.started_at, |summary| summary.taken_at)
            .with_timezone(&Local);
        let words = format!("the backup of {}", at.format("%-d %b, %H:%M"));
        let work = vec![Step::Prove(ProveStep { backup_id: backup_id.to_owned() })];
        let plan = self.plan_reading(target, PlanPurpose::Prove { words: words.clone() }, work).await?;
        let run =
            self.accept(&plan, RunKind::Prove, format!("Prove {words}"), queued_steps(&plan), None).await?;
        let (live, cancel) = self.register_in(&run, &lane);
        let (engine, target, started) = (self.clone(), target.clone(), run.clone());
        tokio::spawn(async move {
            engine.proof_run(&target, record, started, live, cancel).await;
        });
        Ok(run)
    }

    async fn proof_run(
        &self,
        target: &Target,
        mut record: BackupRecord,
        mut run: Run,
        live: Live,
        cancel: watch::Receiver<bool>,
    ) {
        live.stream.emit(RunEventKind::Status { status: RunStatus::Running });
        let ended = async {
            self.step(
                &mut run,
                &live,
                0,
                StepStatus::Done,
                Some("the backup is here, and so is its key".to_owned()),
                None,
            )
            .await?;
            self.prove_step(target, &mut record, &mut run, &live, 1, &cancel).await?;
            let proven = record.proof.as_ref().is_some_and(|proof| proof.state == ProofState::Proven);
            let last = run.steps.len().saturating_sub(1);
            self.step(
                &mut run,
                &live,
                last,
                StepStatus::Done,
                Some("the result is recorded".to_owned()),
                None,
            )
            .await?;
            if proven {
                return Ok(());
            }
            let why: Vec<String> = record
                .proof
                .iter()
                .flat_map(|proof| {
                    proof.facts.iter().flat_map(|fact| fact.differences.clone()).chain(proof.notes.clone())
                })
                .take(5)
                .collect();
            Err(Failure::new(FailureCode::RestoreDiffers, "The backup could not be proven.")
                .why(why.join(" "))
                .unchanged("No target was touched.")
                .next("Open the backup: it tells what differed. Do not count on it before that is settled."))
        };
        let ended = ended.await;
        self.end_reading(&mut run, &live, ended).await;
    }

    /// Proves a backup as a step of a run, and records what came of it.
    pub(super) async fn prove_step(
        &self,
        target: &Target,
        record: &mut BackupRecord,
        run: &mut Run,
        live: &Live,
        index: usize,
        cancel: &watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        self.step(run, live, index, StepStatus::Started, None, None).await?;
        let opened = self.opened(record).await?;
        let (sandbox, toolkit) = (self.sandbox()?, self.toolkit()?);
        let proving = Prove {
            opened: &opened,
            sandbox: &sandbox,
            toolkit: &toolkit,
            events: &live.stream,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            cancel,
        };
        let proof = proving.prove().await?;
        let (status, words) = match proof.state {
            ProofState::Proven => (StepStatus::Done, "restored and equal in every row"),
            ProofState::Failed => (StepStatus::Failed, "restored, and not equal"),
            _ => (StepStatus::Failed, "it could not be found out whether it restores"),
        };
        record.proof = Some(proof);
        self.store().save_backup(record).await?;
        self.audit(target, "backup proof", record.sha256.as_deref().unwrap_or_default(), words).await?;
        self.step(run, live, index, status, Some(words.to_owned()), Some(started)).await
    }

    /// Whether a run at work proves this backup.
    pub(super) fn proves(&self, backup_id: &str) -> bool {
        let lane = lane(backup_id);
        self.live().values().any(|live| live.target == lane)
    }
}

fn lane(backup_id: &str) -> String {
    format!("proof of {backup_id}")
}
