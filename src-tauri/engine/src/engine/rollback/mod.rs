//! Rolling migrations back: what they made is found by replaying the history with and without them, what they dropped
//! comes from a backup that is older than they are.

mod findings;
mod histories;
mod source;

use super::plans::{Draft, identity_changed, no_transaction_pooler};
use super::status::read_set;
use super::{Engine, Target, while_it_answers};
use crate::adapters::postgres::{catalogue, failure::failure};
use crate::domain::backup::{StoredTable, TableName};
use crate::domain::identity::IdentityVerdict;
use crate::domain::ledger::LedgerRow;
use crate::domain::migration::MigrationStatus;
use crate::domain::plan::{Plan, PlanPurpose, PlanReview, Step};
use crate::domain::rollback::{LostTable, RollBackRequest, RollBackStep};
use crate::domain::run::{RunKind, RunStatus};
use crate::domain::{Failure, FailureCode};
use crate::planner::rollback::take_back;
use crate::planner::rollback_report::report;
use crate::planner::sql;
use crate::runner;
use crate::runner::dry_run::Piece;
use crate::runner::rollback::{RollBack, RowSource, count};
use chrono::Utc;
use findings::{said, written_rows};
use source::{Source, is_proven};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Engine {
    /// Plans to roll migrations back.
    ///
    /// # Errors
    /// When one of them is not applied, its file is not here, the history cannot be replayed, or the target cannot
    /// be read.
    pub async fn roll_back_plan(
        &self,
        target: &Target,
        request: RollBackRequest,
    ) -> Result<PlanReview, Failure> {
        no_transaction_pooler(target)?;
        while_it_answers(target, self.roll_back_planned(target, request)).await
    }

    async fn roll_back_planned(
        &self,
        target: &Target,
        request: RollBackRequest,
    ) -> Result<PlanReview, Failure> {
        let set = read_set(target).await?;
        let observation = self.observe(target).await?;
        if let IdentityVerdict::Different { reasons } = &observation.verdict {
            return Err(identity_changed(reasons));
        }
        let status = self.status_of(&set, &observation)?;
        let rows = ledger_rows(&status, &request)?;
        let scripts = self.applied_scripts(&set, &status)?;
        let histories = self.histories(target, &scripts, &request.migrations).await?;
        let mut schemas: BTreeSet<String> = histories.before.schemas.iter().cloned().collect();
        schemas.extend(histories.after.schemas.iter().cloned());
        let schemas: Vec<String> = schemas.into_iter().collect();
        let connector = &target.connector;
        let mut connection = connector.open_reading("drydock roll back").await?;
        let live = connector
            .read(catalogue::read(&mut connection, &schemas))
            .await
            .map_err(|error| failure(&error))?;
        let back = take_back(&histories.before, &histories.after, &live);
        let mut findings = histories.findings;
        let lost: Vec<LostTable> = back
            .gone
            .iter()
            .cloned()
            .zip(count(&mut connection, &back.gone).await)
            .map(|(table, rows)| LostTable { table, rows })
            .collect();
        drop(connection);
        let began = rows.iter().map(|row| row.started_at).min().unwrap_or_else(Utc::now);
        let (written, unknown) = written_rows(&scripts, &request, &histories.before, &observation.schema);
        let source = match self.older_backup(target, &observation.identity, &request, began).await? {
            Some((record, opened)) => Source { proven: is_proven(&record), found: Some((record, opened)) },
            None => Source { proven: false, found: None },
        };
        let rows_back = source.rows_of(&request, &back, &mut findings);
        let written = source.written(written, &rows_back);
        findings.extend(said(&back, &lost, &written));
        findings.extend(unknown);
        let backup = match (&source.found, rows_back.is_empty()) {
            (Some((record, opened)), false) => Some((record.id.clone(), opened.stored.sha256.clone())),
            _ => None,
        };
        let step = RollBackStep {
            migrations: newest_first(&rows),
            remove: back.remove,
            make: back.make,
            rows: rows_back,
            finish: back.finish,
            ledger: rows,
            backup,
            lost,
            written,
        };
        let files = runner::files_digest(&set);
        let purpose = PlanPurpose::RollBack { migrations: step.migrations.clone() };
        let work = vec![Step::RollBack(step)];
        let plan = self
            .keep_plan(target, Draft { files, folder: set.folder.clone(), findings, purpose, work })
            .await?;
        self.plan_review(target, &plan.id).await
    }

    /// The report for the developer of a roll back that got through, in Markdown.
    ///
    /// # Errors
    /// [`FailureCode::RunUnknown`] where the run is none, or did not get through; [`FailureCode::Store`].
    pub async fn roll_back_report(&self, run_id: &str) -> Result<String, Failure> {
        let run = self.store().run(run_id).await?;
        let plan = self.store().plan(&run.plan_id).await?;
        match plan.roll_back() {
            Some(step) if run.kind == RunKind::Apply && run.status == RunStatus::Succeeded => {
                Ok(report(&plan, step, &run))
            }
            _ => Err(Failure::new(FailureCode::RunUnknown, "This run rolled no migration back.")
                .unchanged("Nothing was changed.")
                .next("Open a run that did.")),
        }
    }

    /// What a plan rolls back; `None`: it rolls nothing back.
    pub(super) async fn roll_back_job(&self, plan: &Plan) -> Result<Option<Arc<RollBack>>, Failure> {
        let Some(step) = plan.roll_back() else { return Ok(None) };
        let source = match &step.backup {
            None => None,
            Some((id, sha256)) => {
                let opened = self.opened(&self.store().backup(id).await?).await?;
                if opened.stored.sha256 != *sha256 {
                    return Err(Failure::new(
                        FailureCode::PlanVoid,
                        "The plan is void: its backup is another one now.",
                    )
                    .unchanged("Nothing was written.")
                    .next("Make a new plan."));
                }
                let checked = Arc::clone(&opened.stored);
                tokio::task::spawn_blocking(move || {
                    crate::adapters::backups::verify_files(&checked, &mut |_| true)
                })
                .await
                .map_err(|error| {
                    Failure::new(FailureCode::BackupDamaged, "The backup could not be read.")
                        .why(error.to_string())
                })??;
                let manifest = &opened.stored.manifest;
                let tables: Vec<StoredTable> =
                    step.rows.iter().filter_map(|rows| manifest.table(&rows.table).cloned()).collect();
                let whole: Vec<&TableName> =
                    step.rows.iter().filter(|rows| rows.columns.is_none()).map(|rows| &rows.table).collect();
                let sequences = manifest
                    .sequences
                    .iter()
                    .filter(|sequence| sequence.owner.as_ref().is_some_and(|owner| whole.contains(&owner)))
                    .cloned()
                    .collect();
                Some(RowSource { toolkit: self.toolkit().ok(), tables, sequences, opened })
            }
        };
        Ok(Some(Arc::new(RollBack { step: step.clone(), schema: plan.schema.clone(), source })))
    }

    /// What the dry run of a roll back has to try.
    pub(super) fn roll_back_pieces(plan: &Plan, job: &Arc<RollBack>) -> Vec<Piece> {
        let at = plan.steps.iter().position(|step| matches!(step, Step::RollBack(_))).unwrap_or(0);
        let text = |statements: &[crate::domain::plan::RepairStatement]| -> String {
            statements
                .iter()
                .map(|statement| format!("{};\n", statement.sql.trim().trim_end_matches(';')))
                .collect()
        };
        let piece = |name: &str, sql: String, rows: bool| Piece {
            step: at,
            name: name.to_owned(),
            script: sql::analyse(&sql),
            sql,
            rows: rows.then(|| Arc::clone(job)),
        };
        let settings = "SET LOCAL check_function_bodies = off;\n";
        let mut pieces = Vec::new();
        if !job.step.remove.is_empty() {
            pieces.push(piece("take away what they made", text(&job.step.remove), false));
        }
        if !job.step.make.is_empty() || !job.step.rows.is_empty() {
            pieces.push(piece(
                "make again what they dropped",
                format!("{settings}{}", text(&job.step.make)),
                true,
            ));
        }
        let rest = format!("{settings}{}{};\n", text(&job.step.finish), job.ledger_sql());
        pieces.push(piece("keys, references and the ledger", rest, false));
        pieces
    }
}

/// The ledger's rows of the chosen migrations, which all have to be applied.
fn ledger_rows(status: &MigrationStatus, request: &RollBackRequest) -> Result<Vec<LedgerRow>, Failure> {
    if request.migrations.is_empty() {
        return Err(Failure::new(FailureCode::NothingToDo, "No migration is chosen.")
            .next("Choose those to roll back."));
    }
    let mut rows = Vec::new();
    for name in &request.migrations {
        let row = super::status::row(status, name)?;
        let applied: Vec<LedgerRow> = row.rows.iter().filter(|row| row.is_applied()).cloned().collect();
        if applied.is_empty() {
            return Err(Failure::new(FailureCode::ResolveRefused, format!("`{name}` is not applied."))
                .unchanged("Nothing was written.")
                .next("Read the migrations again. A failed one is taken back from its own repair."));
        }
        rows.extend(applied);
    }
    Ok(rows)
}

fn newest_first(rows: &[LedgerRow]) -> Vec<String> {
    let mut rows: Vec<&LedgerRow> = rows.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.finished_at, row.migration_name.clone())));
    rows.into_iter().map(|row| row.migration_name.clone()).collect()
}
