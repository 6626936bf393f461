//! Rolling migrations back: what they made is found by replaying the history with and without them, what they dropped
//! comes from a backup that is older than they are.

use super::plans::{Draft, identity_changed, no_transaction_pooler};
use super::status::read_set;
use super::{Engine, Target, while_it_answers};
use crate::adapters::postgres::{catalogue, failure::failure};
use crate::domain::backup::{BackupRecord, BackupState, Manifest, ProofState, StoredTable, TableName};
use crate::domain::catalogue::Catalogue;
use crate::domain::identity::{IdentityVerdict, TargetIdentity};
use crate::domain::ledger::LedgerRow;
use crate::domain::migration::{MigrationSet, MigrationState, MigrationStatus};
use crate::domain::plan::{Plan, PlanPurpose, PlanReview, Step};
use crate::domain::rollback::{LostTable, RollBackRequest, RollBackStep, RowsBack, WrittenTable};
use crate::domain::run::{RunKind, RunStatus};
use crate::domain::{Failure, FailureCode, Finding, Outcome};
use crate::planner::rollback::{TakenBack, take_back};
use crate::planner::rollback_report::report;
use crate::planner::sql;
use crate::runner;
use crate::runner::backup::load::Opened;
use crate::runner::dry_run::Piece;
use crate::runner::replay::{AppliedScript, replay, replay_on};
use crate::runner::rollback::{RollBack, RowSource, count};
use crate::runner::session::Connector;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The schema that a history makes, and what of it could not be replayed, with the reason.
type Replayed = (Catalogue, Vec<(String, String)>);

/// The schema with and without some migrations, by replaying the history.
struct Histories {
    before: Catalogue,
    after: Catalogue,
    findings: Vec<Finding>,
}

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

    /// The applied migrations with their texts, in the order in which they ran.
    fn applied_scripts(
        &self,
        set: &MigrationSet,
        status: &MigrationStatus,
    ) -> Result<Vec<AppliedScript>, Failure> {
        let mut applied = Vec::new();
        for row in &status.migrations {
            if !matches!(
                row.state,
                MigrationState::Applied | MigrationState::Edited | MigrationState::Missing
            ) {
                continue;
            }
            let finished = row
                .rows
                .iter()
                .filter(|row| row.is_applied())
                .filter_map(|row: &LedgerRow| row.finished_at)
                .max();
            let file = set.files.iter().find(|file| file.name == row.name);
            let text = file.and_then(|file| file.script.as_ref().ok());
            let script = file.and_then(|file| self.script_of(file));
            match (text, script) {
                (Some(text), Some(script)) if row.state != MigrationState::Missing => {
                    applied.push((finished, (row.name.clone(), text.clone(), script)));
                }
                _ => {
                    return Err(Failure::new(
                        FailureCode::ScriptUnreadable,
                        format!(
                            "The file of `{}` is not here, so what the others made cannot be told apart.",
                            row.name
                        ),
                    )
                    .unchanged("Nothing was written.")
                    .next("Bring its folder back, or restore from a backup."));
                }
            }
        }
        applied.sort_by_key(|(finished, _)| *finished);
        Ok(applied.into_iter().map(|(_, script)| script).collect())
    }

    async fn histories(
        &self,
        target: &Target,
        scripts: &[AppliedScript],
        chosen: &[String],
    ) -> Result<Histories, Failure> {
        let schema = &target.connector.address.schema;
        let without: Vec<AppliedScript> =
            scripts.iter().filter(|(name, ..)| !chosen.contains(name)).cloned().collect();
        // The newest ones, as mostly, are replayed on top of the others.
        let newest = scripts.get(without.len()..).unwrap_or_default();
        let replayed = if newest.iter().all(|(name, ..)| chosen.contains(name)) {
            self.replayed(target, &[&without, newest], schema).await?
        } else {
            let mut replayed = self.replayed(target, &[&without], schema).await?;
            replayed.extend(self.replayed(target, &[scripts], schema).await?);
            replayed
        };
        let [(before, first), (after, second)]: [Replayed; 2] = replayed.try_into().map_err(|_| {
            Failure::new(FailureCode::ResolveRefused, "The migrations could not be replayed.")
                .unchanged("Nothing was written.")
        })?;
        let mut findings = Vec::new();
        for (name, why) in first {
            if second.iter().any(|(other, _)| *other == name) {
                continue;
            }
            return Err(Failure::new(
                FailureCode::ResolveRefused,
                format!("`{name}` was applied later and needs what would be rolled back."),
            )
            .why(why)
            .unchanged("Nothing was written.")
            .next(format!("Roll `{name}` back together with it.")));
        }
        for (name, why) in second {
            let own = chosen.contains(&name);
            let outcome = if own { Outcome::Block } else { Outcome::Warn };
            let title = if own {
                format!("What `{name}` made is not all known: it could not be replayed.")
            } else {
                format!("`{name}` could not be replayed as a whole; what it made is left alone.")
            };
            findings.push(Finding::new("not-replayed", outcome, title).detail(why).at(&name, None));
        }
        Ok(Histories { before, after, findings })
    }

    /// The schema that some migrations make on a scratch database, and those that could not be replayed.
    async fn replayed(
        &self,
        target: &Target,
        stages: &[&[AppliedScript]],
        schema: &str,
    ) -> Result<Vec<Replayed>, Failure> {
        let sandbox = self.sandbox()?;
        let scratch = sandbox.scratch().await?;
        let connector = Connector {
            address: scratch.address().clone(),
            password: sandbox.password(),
            check_timeout_ms: target.rules.check_timeout_ms,
            route: None,
        };
        let read = async {
            let mut connection = connector.open("drydock roll back").await?;
            let mut read = Vec::new();
            let mut not_replayed = Vec::new();
            for scripts in stages {
                let replayed = match read.is_empty() {
                    true => replay(&mut connection, scripts, schema).await,
                    false => replay_on(&mut connection, scripts, schema).await,
                };
                not_replayed.extend(replayed.map_err(|error| failure(&error))?.not_replayed);
                let schemas = crate::adapters::postgres::scratch::schemas(&mut connection)
                    .await
                    .map_err(|error| failure(&error))?;
                let made =
                    catalogue::read(&mut connection, &schemas).await.map_err(|error| failure(&error))?;
                read.push((made, not_replayed.clone()));
            }
            Ok(read)
        };
        let read: Result<_, Failure> = read.await;
        scratch.close().await?;
        read
    }

    /// The backup that was asked for, else the newest one from before, proven ones first.
    async fn older_backup(
        &self,
        target: &Target,
        identity: &TargetIdentity,
        request: &RollBackRequest,
        began: DateTime<Utc>,
    ) -> Result<Option<(BackupRecord, Opened)>, Failure> {
        if let Some(id) = &request.backup_id {
            let record = self.store().backup(id).await?;
            let opened = self.opened(&record).await?;
            if !opened.stored.manifest.identity.is_known() {
                return Err(Failure::new(
                    FailureCode::RestoreRefused,
                    "Rows cannot be taken from an imported dump in a roll back.",
                )
                .why("It is not known which database it is from, nor what the database was like then.")
                .unchanged("Nothing was changed.")
                .next("Choose a backup that was taken of this database, or restore tables from the import first."));
            }
            return Ok(Some((record, opened)));
        }
        let mut older: Vec<BackupRecord> = self
            .store()
            .backups(&target.key())
            .await?
            .into_iter()
            .filter(|record| {
                record.state == BackupState::Complete
                    && record.started_at < began
                    && record
                        .summary
                        .as_ref()
                        .is_some_and(|summary| summary.identity.is_same_database(identity))
            })
            .collect();
        older.sort_by_key(|record| (!is_proven(record), std::cmp::Reverse(record.started_at)));
        for record in older {
            if let Ok(opened) = self.opened(&record).await {
                return Ok(Some((record, opened)));
            }
        }
        Ok(None)
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

fn is_proven(record: &BackupRecord) -> bool {
    record.proof.as_ref().is_some_and(|proof| proof.state == ProofState::Proven)
}

/// Where dropped rows and values come from.
struct Source {
    found: Option<(BackupRecord, Opened)>,
    proven: bool,
}

impl Source {
    /// What comes back from the backup, and what of it does not, by name.
    fn rows_of(
        &self,
        request: &RollBackRequest,
        back: &TakenBack,
        findings: &mut Vec<Finding>,
    ) -> Vec<RowsBack> {
        let whole = |table: &TableName, replace| RowsBack { table: table.clone(), columns: None, replace };
        let mut wanted: Vec<RowsBack> = back.back.iter().map(|table| whole(table, false)).collect();
        wanted.extend(request.rows_back.iter().map(|table| whole(table, true)));
        wanted.extend(back.columns.iter().filter(|(table, _)| !request.rows_back.contains(table)).map(
            |(table, columns)| RowsBack {
                table: table.clone(),
                columns: Some(columns.clone()),
                replace: false,
            },
        ));
        if wanted.is_empty() {
            return wanted;
        }
        wanted.retain(|rows| {
            let why = self.closed(rows);
            if let Some(why) = &why {
                let mut finding = Finding::new("no-rows", Outcome::Warn, why.clone());
                finding.destructive = true;
                findings.push(finding);
            }
            why.is_none()
        });
        if !wanted.is_empty()
            && let Some((_, opened)) = &self.found
        {
            let at = opened.stored.manifest.snapshot_at.with_timezone(&chrono::Local).format("%-d %b, %H:%M");
            findings.push(Finding::new(
                "rows-from-backup",
                if self.proven { Outcome::Pass } else { Outcome::Warn },
                format!(
                    "Dropped rows and values come back as they were at {at}, from a backup that is {}.",
                    if self.proven { "proven" } else { "not proven" }
                ),
            ));
        }
        wanted
    }

    /// The tables whose rows the migrations wrote, with those that are put back.
    fn written(&self, tables: BTreeSet<TableName>, rows_back: &[RowsBack]) -> Vec<WrittenTable> {
        let chosen = |table: &TableName| rows_back.iter().any(|rows| rows.replace && rows.table == *table);
        let also = rows_back.iter().filter(|rows| rows.replace).map(|rows| rows.table.clone());
        let tables: BTreeSet<TableName> = tables.into_iter().chain(also).collect();
        tables
            .into_iter()
            .map(|table| {
                let rows = RowsBack { table: table.clone(), columns: None, replace: true };
                WrittenTable { back: chosen(&table), closed: self.closed(&rows), table }
            })
            .collect()
    }

    /// Why these cannot come from the backup.
    fn closed(&self, rows: &RowsBack) -> Option<String> {
        let Some((_, opened)) = &self.found else {
            let what = match &rows.columns {
                Some(columns) => format!("The values of {}.{}", rows.table, columns.join(", ")),
                None => format!("The rows of {}", rows.table),
            };
            return Some(format!(
                "{what} do not come back: no backup from before these migrations holds them."
            ));
        };
        cannot(&opened.stored.manifest, rows)
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

/// Why rows cannot come from a backup.
fn cannot(manifest: &Manifest, rows: &RowsBack) -> Option<String> {
    let Some(table) = manifest.table(&rows.table) else {
        return Some(format!("The rows of {} do not come back: the backup does not hold them.", rows.table));
    };
    let columns = rows.columns.as_ref()?;
    if table.key.is_empty() {
        return Some(format!(
            "The values of {}.{} do not come back: the table has no key to tell its rows apart.",
            rows.table,
            columns.join(", ")
        ));
    }
    let missing = columns.iter().find(|name| !table.columns.iter().any(|column| column.name == **name))?;
    Some(format!("The values of {}.{missing} do not come back: the backup does not hold them.", rows.table))
}

/// What is lost, and what follows.
fn said(back: &TakenBack, lost: &[LostTable], written: &[WrittenTable]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let empty: Vec<String> =
        lost.iter().filter(|table| table.rows == Some(0.0)).map(|table| table.table.to_string()).collect();
    let title = match empty.as_slice() {
        [] => None,
        [one] => Some(format!("{one} goes; it is empty.")),
        many => Some(format!("{} tables go; they are empty: {}.", many.len(), many.join(", "))),
    };
    findings.extend(title.map(|title| Finding::new("table-goes", Outcome::Warn, title)));
    for table in lost.iter().filter(|table| table.rows != Some(0.0)) {
        let title = match table.rows {
            Some(1.0) => format!("{} goes, with the 1 row in it.", table.table),
            Some(rows) => format!("{} goes, with the {rows} rows in it.", table.table),
            None => format!("{} goes; how many rows are in it is not known.", table.table),
        };
        let mut finding = Finding::new("table-goes", Outcome::Warn, title);
        finding.destructive = true;
        findings.push(finding);
    }
    for statement in
        back.remove.iter().filter(|statement| statement.destructive && statement.sql.contains("DROP COLUMN"))
    {
        let mut finding = Finding::new("column-goes", Outcome::Warn, format!("{}.", statement.summary));
        finding.destructive = true;
        findings.push(finding);
    }
    for written in written {
        let table = &written.table;
        findings.push(if written.back {
            let title =
                format!("The rows of {table} become what they were; what was written to it since is lost.");
            let mut finding = Finding::new("rows-replaced", Outcome::Warn, title);
            finding.destructive = true;
            finding
        } else {
            let title = format!("They wrote rows of {table}; those rows stay as they are now.");
            let finding = Finding::new("rows-stay", Outcome::Warn, title);
            match &written.closed {
                Some(why) => finding.detail(why.clone()),
                None => finding.detail(
                    "All rows of the table can be put back as the backup holds them instead: tick it below, or name it with `drydockctl rollback --rows-back`.",
                ),
            }
        });
    }
    findings.extend(back.notes.iter().map(|note| Finding::new("stays", Outcome::Warn, note.clone())));
    if back.is_empty() {
        findings.push(Finding::new(
            "nothing-runs",
            Outcome::Warn,
            "They left nothing to take back; only the ledger is written.",
        ));
    }
    findings.push(
        Finding::new(
            "applied-again",
            Outcome::Warn,
            "The next deploy applies them again, also one by CI, unless their folders are removed or corrected.",
        )
        .detail("Drydock never edits migration files. Tell whoever owns them what was rolled back, and why."),
    );
    findings
}

/// Tables whose rows the migrations wrote and that were there before them, and the migrations of which that is not
/// known.
fn written_rows(
    scripts: &[AppliedScript],
    request: &RollBackRequest,
    before: &Catalogue,
    schema: &str,
) -> (BTreeSet<TableName>, Vec<Finding>) {
    let mut tables: BTreeSet<TableName> = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    for (name, text, script) in scripts.iter().filter(|(name, ..)| request.migrations.contains(name)) {
        for statement in &script.statements {
            let own = sql::statement_text(statement, text);
            let word: String = own
                .trim_start()
                .chars()
                .take_while(char::is_ascii_alphabetic)
                .collect::<String>()
                .to_ascii_uppercase();
            match word.as_str() {
                "INSERT" | "UPDATE" | "DELETE" | "TRUNCATE" | "MERGE" | "COPY" | "WITH" => {
                    for (written, table) in sql::referenced_tables(&sql::analyse(own)) {
                        let table = TableName::new(written.unwrap_or_else(|| schema.to_owned()), table);
                        if before.table(&table.schema, &table.name).is_some() {
                            tables.insert(table);
                        }
                    }
                }
                "DO" | "CALL" => {
                    unknown.insert(name.clone());
                }
                _ => {}
            }
        }
    }
    let unknown = unknown.into_iter().map(|name| {
        Finding::new(
            "rows-unknown",
            Outcome::Warn,
            format!("`{name}` ran code; which rows it wrote is not known, and they stay."),
        )
    });
    (tables, unknown.collect())
}
