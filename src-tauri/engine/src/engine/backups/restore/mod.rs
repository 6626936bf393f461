//! Going back to a backup: what it would lose, the ways that are open, the plan, and the run.

mod around;
mod back;
mod findings;
mod looking;
mod ways;
mod words;

use crate::domain::backup::{
    BackUpStep, BackupKind, BackupRequest, BackupScope, RestoreInto, RestoreLoss, RestoreRequest,
    RestoreStep, RestoreWhat, RestoredTable, TableName,
};
use crate::domain::identity::IdentityPin;
use crate::domain::plan::{Plan, PlanPurpose, PlanReview, Step};
use crate::domain::run::Run;
use crate::domain::{Failure, FailureCode};
use crate::engine::plans::{Draft, no_transaction_pooler};
use crate::engine::{Engine, Live, Target};
use crate::runner::apply::restore::{RestoreJob, Work};
use crate::runner::backup::restore::Restore;
use crate::runner::backup::schema::catalogue_of;
use chrono::Utc;
use findings::findings;
use looking::{Looked, chosen};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use words::{at, what_words};

impl Engine {
    /// What going back to a backup would lose, and the ways that are open.
    ///
    /// # Errors
    /// When the backup cannot be used, is from another database and its name was not typed, or the target cannot
    /// be read.
    pub async fn restore_loss(
        &self,
        target: &Target,
        request: &RestoreRequest,
    ) -> Result<RestoreLoss, Failure> {
        Ok(self.look(target, request).await?.loss)
    }

    /// Plans a restore.
    ///
    /// # Errors
    /// As [`Engine::restore_loss`]; [`FailureCode::RestoreRefused`] where the way is closed.
    pub async fn restore_plan(
        &self,
        target: &Target,
        request: RestoreRequest,
    ) -> Result<PlanReview, Failure> {
        no_transaction_pooler(target)?;
        let looked = self.look(target, &request).await?;
        let token = drawn();
        let beside = looked
            .around
            .beside(&request.into, &looked.opened.stored.manifest, &token, Utc::now())
            .map(Box::new);
        let kind = std::mem::discriminant(&request.into);
        let way = looked.loss.ways.iter().find(|way| std::mem::discriminant(&way.into) == kind);
        let closed = match (way.map(|way| way.closed.clone()), &request.into) {
            (None, _) => Some("There is no such way.".to_owned()),
            // What has no database of its own would end in this one.
            (Some(None), RestoreInto::NewDatabase { .. } | RestoreInto::Swap) if beside.is_none() => {
                Some("What there is on the server is not known.".to_owned())
            }
            (Some(None), RestoreInto::NewDatabase { name }) => looked.around.unfit(name),
            (Some(closed), _) => closed,
        };
        if let Some(closed) = closed {
            return Err(Failure::new(FailureCode::RestoreRefused, "The backup cannot be restored this way.")
                .why(closed)
                .unchanged("Nothing was changed.")
                .next(match request.into {
                    RestoreInto::Target => {
                        "Choose another way, or restore into a new database and copy what is needed."
                    }
                    RestoreInto::Swap | RestoreInto::NewDatabase { .. } => {
                        "Settle that, or choose another way."
                    }
                }));
        }
        let manifest = &looked.opened.stored.manifest;
        let step = RestoreStep {
            sha256: looked.opened.stored.sha256.clone(),
            backup_kind: manifest.kind,
            taken_at: manifest.snapshot_at,
            tables: looked
                .tables
                .iter()
                .map(|table| RestoredTable {
                    table: table.table.clone(),
                    rows: table.rows as f64,
                    made: looked.made.contains(&table.table),
                })
                .collect(),
            schemas: if beside.is_some() { Vec::new() } else { looked.schemas.clone() },
            loss: looked.loss.totals,
            request: request.clone(),
            beside,
        };
        let mut work = Vec::new();
        // Where a database is made beside it, the one that is there stays and is the way back; where there is no
        // table yet, there is nothing to keep.
        if step.beside.is_none() && !looked.empty {
            work.push(Step::BackUp(BackUpStep { backup_id: drawn(), request: safety_of(&looked) }));
        }
        let files = step.sha256.clone();
        let findings = findings(&looked, &request, step.beside.as_deref());
        work.push(Step::Restore(step));
        let words = format!(
            "{} from {}{}",
            what_words(&request.what, &looked.tables),
            match &manifest.imported {
                Some(origin) => format!("the imported {}", origin.name),
                None => format!("the backup of {}", at(manifest.snapshot_at)),
            },
            match &request.into {
                RestoreInto::Target => String::new(),
                RestoreInto::Swap => ", by swapping databases".to_owned(),
                RestoreInto::NewDatabase { name } => format!(" into a new database {name}"),
            }
        );
        let draft =
            Draft { files, folder: String::new(), findings, purpose: PlanPurpose::Restore { words }, work };
        let plan = self.keep_plan(target, draft).await?;
        self.plan_review(target, &plan.id).await
    }

    /// What a restore stands on beside the database: the backup's manifest.
    pub(in crate::engine) async fn restore_files(&self, step: &RestoreStep) -> Result<String, Failure> {
        let record = self.store().backup(&step.request.backup_id).await?;
        Ok(self.opened(&record).await?.stored.sha256.clone())
    }

    /// What a plan restores; `None`: it restores nothing. Every file is compared with its checksum here, before
    /// the run begins.
    pub(in crate::engine) async fn restore_job(&self, plan: &Plan) -> Result<Option<Restore>, Failure> {
        let Some(step) = plan.restore() else { return Ok(None) };
        let record = self.store().backup(&step.request.backup_id).await?;
        let opened = self.opened(&record).await?;
        let checked = Arc::clone(&opened.stored);
        tokio::task::spawn_blocking(move || crate::adapters::backups::verify_files(&checked, &mut |_| true))
            .await
            .map_err(|error| super::unreadable(error.to_string()))??;
        let manifest = &opened.stored.manifest;
        let tables = chosen(manifest, &step.request.what)?;
        let of_tables = |owner: &Option<TableName>| {
            owner.as_ref().is_some_and(|owner| tables.iter().any(|table| table.table == *owner))
        };
        let whole = !step.schemas.is_empty() || step.beside.is_some();
        let sequences = match &step.request.what {
            RestoreWhat::Rows { .. } => Vec::new(),
            _ if whole => manifest.sequences.clone(),
            RestoreWhat::Everything => manifest.sequences.clone(),
            RestoreWhat::Tables { .. } => {
                manifest.sequences.iter().filter(|sequence| of_tables(&sequence.owner)).cloned().collect()
            }
        };
        Ok(Some(Restore {
            what: step.request.what.clone(),
            make: step.tables.iter().filter(|table| table.made).map(|table| table.table.clone()).collect(),
            sequences,
            catalogue: catalogue_of(&opened).await?,
            schemas: step.schemas.clone(),
            with_owners: match &step.beside {
                Some(beside) => beside.with_owners,
                None => step.request.other_database.is_none(),
            },
            toolkit: self.toolkit().ok(),
            tables,
            opened,
        }))
    }

    /// A restore with the backup that is taken first.
    pub(in crate::engine) fn with_safety(
        &self,
        target: &Target,
        plan: &Plan,
        run: &Run,
        work: Work,
        live: &Live,
        cancel: &watch::Receiver<bool>,
    ) -> RestoreJob {
        let step = plan.steps.iter().enumerate().find_map(|(index, step)| match step {
            Step::BackUp(step) => Some((index, step.clone())),
            _ => None,
        });
        let safety = step.map(|(index, step)| {
            let (engine, target, plan, run) = (self.clone(), target.clone(), plan.clone(), run.clone());
            let (events, cancel) = (live.stream.clone(), cancel.clone());
            let safety: crate::runner::apply::restore::Safety = Box::pin(async move {
                let mut record = engine.begun(&target, step.backup_id.clone(), &step.request, Some(&run));
                record.for_plan = Some(plan.id.clone());
                engine.take_first(&target, &plan, &step.request, record, &events, index, &cancel).await
            });
            safety
        });
        RestoreJob { work, safety: Mutex::new(safety) }
    }

    /// After a restore the database is another one to its ledger: it is pinned as it is now. The name was typed
    /// where the rules ask for it, and the run is on record.
    pub(in crate::engine) async fn pin_restored(&self, target: &Target) {
        let Some(environment) = &target.environment else { return };
        let pinned = async {
            let mut environment = self.store().environment(&environment.id).await?;
            let observation = self.observe(target).await?;
            environment.pin = Some(IdentityPin {
                identity: observation.identity.clone(),
                pinned_at: Utc::now(),
                ledger_ids: observation.rows.iter().map(|row| row.id.clone()).collect(),
            });
            self.store().save_environment(&environment).await?;
            self.store().forget_reading(&environment.id, "drift").await?;
            self.audit(target, "pin identity again", &observation.identity.short(), "after a restore").await
        };
        if let Err(failure) = pinned.await {
            tracing::warn!(code = %failure.code, "the identity could not be pinned again after a restore");
        }
    }
}

/// Eight characters that nobody else has.
fn drawn() -> String {
    Engine::draw_id().chars().filter(char::is_ascii_hexdigit).take(8).collect()
}

/// The backup of what is there now.
fn safety_of(looked: &Looked) -> BackupRequest {
    if looked.schemas.is_empty() {
        let tables: Vec<TableName> = looked
            .tables
            .iter()
            .map(|table| table.table.clone())
            .filter(|table| !looked.made.contains(table))
            .collect();
        let scope = if tables.is_empty() { BackupScope::Whole } else { BackupScope::Tables { tables } };
        return BackupRequest { kind: BackupKind::Quick, scope, prove: false, for_plan: None, folder: None };
    }
    BackupRequest {
        kind: looked.record.kind,
        scope: BackupScope::Whole,
        prove: false,
        for_plan: None,
        folder: None,
    }
}
