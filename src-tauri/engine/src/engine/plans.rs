//! Making plans, trying them, judging their gates, starting them.

use super::status::{read_set, row, unknown};
use super::{Engine, Observation, Target};
use crate::adapters::postgres::doctor::transaction_pooler;
use crate::adapters::postgres::ledger;
use crate::adapters::postgres::words::identifier;
use crate::checks::repair::{self, FailedMigration};
use crate::domain::environment::Tier;
use crate::domain::identity::IdentityVerdict;
use crate::domain::ledger::LedgerRow;
use crate::domain::migration::{LedgerPresence, MigrationSet, MigrationState, MigrationStatus};
use crate::domain::plan::{AppliedRow, Confirmation, Gate, GateKind, Plan, PlanPurpose, PlanReview, Step};
use crate::domain::{Failure, FailureCode, Finding, Outcome};
use crate::planner::plan::{self as planning, IdentityView, Inventory, Present};
use crate::planner::sql;
use crate::runner;
use crate::runner::dry_run::Piece;
use chrono::Utc;
use std::collections::HashMap;

/// How strictly an apply is held to its gates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Apply although the dry run failed: development only, and kept on record.
    pub despite_failed_dry_run: bool,
}

/// The scripts of a plan, as they are now.
#[derive(Default)]
pub(super) struct Scripts {
    /// Text by migration.
    pub texts: HashMap<String, String>,
    /// Digest of all files of the folder.
    pub digest: String,
}

/// A plan before it is bound to a target.
pub(super) struct Draft {
    /// Digest of what it stands on beside the database: files, a profile, a backup.
    pub files: String,
    /// Where that is, for people.
    pub folder: String,
    /// What is to be said about it.
    pub findings: Vec<Finding>,
    /// What it is for.
    pub purpose: PlanPurpose,
    /// Its steps between the checks.
    pub work: Vec<Step>,
}

impl Engine {
    /// Makes a plan from what is there now.
    ///
    /// # Errors
    /// When target or files cannot be read, another database answers, or the purpose does not fit the state.
    pub async fn plan_create(&self, target: &Target, purpose: PlanPurpose) -> Result<PlanReview, Failure> {
        no_transaction_pooler(target)?;
        let set = read_set(target).await?;
        let observation = self.observe(target).await?;
        if let IdentityVerdict::Different { reasons } = &observation.verdict {
            return Err(identity_changed(reasons));
        }
        let status = self.status_of(&set, &observation)?;
        let (work, findings) = self.work(&set, &observation, &status, &purpose)?;
        let files = runner::files_digest(&set);
        let plan = self
            .keep_plan(target, Draft { files, folder: set.folder.clone(), findings, purpose, work })
            .await?;
        self.plan_review(target, &plan.id).await
    }

    /// Binds a draft to the target as it is now, seals it and keeps it.
    ///
    /// # Errors
    /// When the target cannot be read, another database answers, or sessions are not kept between transactions.
    pub(super) async fn keep_plan(&self, target: &Target, draft: Draft) -> Result<Plan, Failure> {
        target.connector.keeps_sessions().await?;
        let (identity, verdict, fingerprint) = self.fingerprint_now(target, draft.files).await?;
        if let IdentityVerdict::Different { reasons } = &verdict {
            return Err(identity_changed(reasons));
        }
        let inventory = Inventory {
            environment_id: target.environment_id(),
            environment_name: target.name.clone(),
            tier: target.tier,
            rules: target.rules.clone(),
            identity,
            schema: target.connector.address.schema.clone(),
            fingerprint,
            folder: draft.folder,
            findings: draft.findings,
            draw_id: &Self::draw_id,
            now: Utc::now(),
        };
        let mut plan = planning::seal(inventory, draft.purpose, draft.work);
        self.store().save_plan(&mut plan).await?;
        Ok(plan)
    }

    /// The steps between the checks, and what is to be said about them.
    fn work(
        &self,
        set: &MigrationSet,
        observation: &Observation,
        status: &MigrationStatus,
        purpose: &PlanPurpose,
    ) -> Result<(Vec<Step>, Vec<Finding>), Failure> {
        if !matches!(purpose, PlanPurpose::MarkRolledBack { .. }) {
            provider_fits(set)?;
        }
        match purpose {
            PlanPurpose::ApplyPending => self.apply_pending(set, observation, status),
            PlanPurpose::MarkApplied { migration } => {
                let resolve = mark_applied(set, &observation.rows, migration)?;
                let mut steps = create_ledger(observation);
                steps.push(resolve);
                Ok((steps, vec![nothing_runs(migration)]))
            }
            PlanPurpose::MarkRolledBack { migration } => {
                Ok((vec![mark_rolled_back(observation, migration)?], vec![nothing_runs(migration)]))
            }
            PlanPurpose::Baseline { up_to } => {
                if observation.presence == LedgerPresence::Present && !observation.rows.is_empty() {
                    return Err(Failure::new(
                        FailureCode::ResolveRefused,
                        "This database has a ledger already.",
                    )
                    .unchanged("Nothing was written.")
                    .next("Mark single migrations as applied instead."));
                }
                let end =
                    set.files.iter().position(|file| file.name == *up_to).ok_or_else(|| unknown(up_to))?;
                let mut steps = create_ledger(observation);
                for file in &set.files[..=end] {
                    steps.push(mark_applied(set, &observation.rows, &file.name)?);
                }
                let finding = Finding::new("baseline", Outcome::Warn, format!("{} migrations are recorded as applied; none of them runs.", end + 1))
                    .detail("If the database does not contain what they make, the drift panel will show it afterwards.");
                Ok((steps, vec![finding]))
            }
            PlanPurpose::RollBack { .. } => Err(Failure::new(
                FailureCode::ResolveRefused,
                "A roll back is planned from what the migrations made.",
            )
            .unchanged("Nothing was written.")
            .next("Open the migration, or the run that applied it.")),
            PlanPurpose::BackUp { .. }
            | PlanPurpose::Import { .. }
            | PlanPurpose::Prove { .. }
            | PlanPurpose::Restore { .. }
            | PlanPurpose::SwapBack { .. } => Err(Failure::new(
                FailureCode::BackupRefused,
                "A backup is taken, imported, proven and restored from the Backups panel.",
            )
            .unchanged("Nothing was written.")),
            PlanPurpose::Seed { .. } | PlanPurpose::Undo { .. } => Err(Failure::new(
                FailureCode::ProfileInvalid,
                "A seed and its undo are planned from a profile and its answers.",
            )
            .unchanged("Nothing was written.")
            .next("Open the Seeds panel, or the run to take back.")),
            PlanPurpose::FinishFailed { migration } | PlanPurpose::UndoFailed { migration } => {
                self.repair(set, observation, status, purpose, migration)
            }
        }
    }

    fn apply_pending(
        &self,
        set: &MigrationSet,
        observation: &Observation,
        status: &MigrationStatus,
    ) -> Result<(Vec<Step>, Vec<Finding>), Failure> {
        if let LedgerPresence::BaselineNeeded { tables } = observation.presence {
            return Err(Failure::new(
                FailureCode::BaselineNeeded,
                format!("The database has {tables} tables and no record of its migrations."),
            )
            .why("Applying from the beginning would collide with what is there (Prisma: P3005).")
            .unchanged("Nothing was written.")
            .next("Make a baseline: record the migrations it already contains as applied."));
        }
        let unfinished: Vec<&LedgerRow> = observation.rows.iter().filter(|row| row.is_unfinished()).collect();
        if let Some(first) = unfinished.first() {
            return Err(Failure::new(
                FailureCode::LedgerFailed,
                format!(
                    "`{}` failed, and no other migration can start before it is repaired.",
                    first.migration_name
                ),
            )
            .why(format!(
                "Its row says: started at {}, never finished (Prisma: P3009).",
                first.started_at.format("%Y-%m-%d %H:%M:%S UTC")
            ))
            .unchanged("Nothing was written.")
            .next("Open the failed migration and choose how to repair it."));
        }
        let pending = crate::planner::status::pending(set, &observation.rows);
        if pending.is_empty() {
            return Err(Failure::new(FailureCode::NothingToDo, "No migration is waiting.")
                .unchanged("Nothing was written.")
                .next("Nothing has to be done."));
        }
        if let Some(file) = pending.iter().find(|file| file.script.is_err()) {
            return Err(Failure::new(
                FailureCode::ScriptUnreadable,
                format!("`{}` has no readable migration.sql.", file.name),
            )
            .why(file.script.as_ref().err().cloned().unwrap_or_default())
            .unchanged("Nothing was written; a deploy would stop when it gets there (Prisma: P3015).")
            .next("Restore the file or delete the folder, then plan again."));
        }
        if let Some(file) = pending.iter().find(|file| file.name.chars().count() > 255) {
            return Err(Failure::new(
                FailureCode::ScriptUnreadable,
                format!(
                    "The name `{}…` is too long for the ledger.",
                    file.name.chars().take(40).collect::<String>()
                ),
            )
            .why("The ledger keeps names up to 255 characters.")
            .unchanged("Nothing was written.")
            .next("Rename the folder."));
        }
        let mut steps = create_ledger(observation);
        let mut findings = self.findings_for(&pending);
        findings.extend(status.findings.iter().filter(|finding| finding.check == "out-of-order").cloned());
        for file in &pending {
            if let Some(script) = self.script_of(file) {
                if let Some(why) = &script.uncertain {
                    findings.push(
                        Finding::new(
                            "uncertain",
                            Outcome::Unknown,
                            "The script could not be taken apart with certainty.",
                        )
                        .detail(why.clone())
                        .at(file.name.clone(), None),
                    );
                }
                steps.push(Step::Migrate(planning::migrate_step(file, script, &Self::draw_id)));
            }
        }
        Ok((steps, findings))
    }

    fn repair(
        &self,
        set: &MigrationSet,
        observation: &Observation,
        status: &MigrationStatus,
        purpose: &PlanPurpose,
        migration: &str,
    ) -> Result<(Vec<Step>, Vec<Finding>), Failure> {
        let report = self.repair_report(set, observation, status, migration)?;
        let way =
            report.ways.into_iter().find(|way| way.purpose == *purpose).ok_or_else(|| unknown(migration))?;
        if let Some(why) = way.refused {
            return Err(Failure::new(
                FailureCode::ResolveRefused,
                format!("This way is not open for `{migration}`."),
            )
            .why(why)
            .unchanged("Nothing was written.")
            .next("Choose another way to repair it."));
        }
        let findings = way
            .statements
            .iter()
            .filter(|statement| statement.destructive)
            .map(|statement| {
                Finding::new("repair-destroys", Outcome::Warn, statement.summary.clone())
                    .detail(statement.sql.clone())
                    .at(migration, None)
                    .destructive()
            })
            .collect();
        let atomic = sql::dry_runnable(&sql::analyse(&joined(&way.statements))).is_ok();
        let resolve = match purpose {
            PlanPurpose::FinishFailed { .. } => mark_applied(set, &observation.rows, migration)?,
            _ => mark_rolled_back(observation, migration)?,
        };
        let mut steps = Vec::new();
        if !way.statements.is_empty() {
            steps.push(Step::RunStatements {
                migration: migration.to_owned(),
                statements: way.statements,
                atomic,
            });
        }
        steps.push(resolve);
        Ok((steps, findings))
    }

    /// The doctor of a failed migration.
    ///
    /// # Errors
    /// When target or files cannot be read, or the migration is not failed.
    pub async fn repair_examine(
        &self,
        target: &Target,
        name: &str,
    ) -> Result<crate::domain::repair::RepairReport, Failure> {
        let set = read_set(target).await?;
        let observation = self.observe(target).await?;
        let status = self.status_of(&set, &observation)?;
        self.repair_report(&set, &observation, &status, name)
    }

    fn repair_report(
        &self,
        set: &MigrationSet,
        observation: &Observation,
        status: &MigrationStatus,
        name: &str,
    ) -> Result<crate::domain::repair::RepairReport, Failure> {
        let row = row(status, name)?;
        if row.state == MigrationState::Running {
            return Err(Failure::new(
                FailureCode::MigrationLock,
                format!("`{name}` may be running right now."),
            )
            .why("Another session holds the migration lock.")
            .unchanged("Nothing was written.")
            .next("Wait until it is done, then read again."));
        }
        if row.state != MigrationState::Failed {
            return Err(Failure::new(FailureCode::ResolveRefused, format!("`{name}` is not failed."))
                .unchanged("Nothing was written.")
                .next("Read the migrations again."));
        }
        let file = set.files.iter().find(|file| file.name == name);
        let script = file.and_then(|file| self.script_of(file)).unwrap_or_else(|| sql::analyse(""));
        let logs = row.rows.iter().rev().find(|row| row.is_unfinished()).and_then(|row| row.logs.clone());
        Ok(repair::report(&FailedMigration {
            name,
            script_text: file.and_then(|file| file.script.as_deref().ok()),
            script: &script,
            live: &observation.catalogue,
            schema: &observation.schema,
            failed_statement: None,
            ledger_logs: logs.as_deref(),
        }))
    }

    /// A plan with its dry run and its gates as they stand now.
    ///
    /// # Errors
    /// When the plan is not known. A target that cannot be read makes its gates unknown.
    pub async fn plan_review(&self, target: &Target, plan_id: &str) -> Result<PlanReview, Failure> {
        let plan = self.store().plan(plan_id).await?;
        let dry_run = self.store().newest_dry_run(plan_id).await?;
        let mut gates = self.gates(target, &plan, dry_run.as_ref()).await;
        if let Some(freeze) = self.frozen(target).await? {
            gates.insert(0, planning::frozen(&freeze));
        }
        Ok(planning::review(plan, dry_run, gates))
    }

    async fn gates(
        &self,
        target: &Target,
        plan: &Plan,
        dry_run: Option<&crate::domain::change_set::DryRunReport>,
    ) -> Vec<Gate> {
        let files = if plan.is_of_rows() {
            self.row_files_now(plan).await.unwrap_or_else(|failure| failure.what)
        } else {
            match read_set(target).await {
                Ok(set) => runner::files_digest(&set),
                Err(failure) => failure.what,
            }
        };
        // Backups that cannot be listed are none.
        let backups = self.backups_at_hand(&target.key()).await.unwrap_or_default();
        let clock = Utc::now();
        match self.fingerprint_now(target, files).await {
            Ok((identity, verdict, now)) => {
                let view = match verdict {
                    IdentityVerdict::Different { reasons } => IdentityView::Different(reasons),
                    _ if identity.database_oid != plan.identity.database_oid
                        || identity.system_identifier != plan.identity.system_identifier =>
                    {
                        IdentityView::Different(vec![
                            "It is not the database the plan was made for.".to_owned(),
                        ])
                    }
                    _ => IdentityView::Same(identity.short()),
                };
                let present = Present {
                    identity: Some(view),
                    fingerprint: Some(&now),
                    dry_run,
                    backups: &backups,
                    now: clock,
                };
                planning::gates(plan, &present)
            }
            Err(_) => {
                let present =
                    Present { identity: None, fingerprint: None, dry_run, backups: &backups, now: clock };
                planning::gates(plan, &present)
            }
        }
    }

    /// Whether a plan may be applied with this confirmation; the failure says what is missing.
    pub(super) fn permitted(
        plan: &Plan,
        gates: &[Gate],
        confirmation: &Confirmation,
        options: ApplyOptions,
    ) -> Result<(), Failure> {
        let refused = |code, what: String| Failure::new(code, what).unchanged("Nothing was written.");
        if confirmation.digest != plan.digest {
            return Err(refused(FailureCode::PlanVoid, "What was confirmed is not this plan.".to_owned())
                .next("Open the plan again and read it."));
        }
        for gate in gates {
            let development = plan.tier == Tier::Development;
            let open = match (gate.kind, gate.outcome) {
                (_, Outcome::Pass | Outcome::Warn) => true,
                (GateKind::RestorePoint, _) => confirmation
                    .override_reason
                    .as_deref()
                    .is_some_and(|reason| reason.trim().chars().count() >= 8),
                // Nothing of value is at stake: what could not be tried may still be run, said out loud.
                (GateKind::DryRun | GateKind::Locks, Outcome::Unknown) => development,
                (GateKind::DryRun, Outcome::Block) => development && options.despite_failed_dry_run,
                _ => false,
            };
            if !open {
                let code = match gate.kind {
                    GateKind::Identity => FailureCode::IdentityChanged,
                    GateKind::Freeze => FailureCode::Frozen,
                    GateKind::Fingerprint if gate.outcome == Outcome::Block => FailureCode::PlanVoid,
                    GateKind::DryRun => FailureCode::NotDryRun,
                    _ => FailureCode::GateClosed,
                };
                let next = match gate.kind {
                    GateKind::Fingerprint => "Make a new plan; it is shown what is there now.",
                    GateKind::DryRun => "Run the dry run, or read why it did not get through.",
                    GateKind::RestorePoint => {
                        "Take a backup and have it proven, or type why it is applied without one, in eight characters or more; the reason is kept on record."
                    }
                    GateKind::Identity => "Test the connection and find out what is behind this address now.",
                    _ => "Read the finding and settle it first.",
                };
                return Err(refused(
                    code,
                    format!("The gate \"{}\" does not pass: {}.", gate.title, gate.evidence),
                )
                .next(next));
            }
        }
        if plan.rules.typed_confirmation
            && confirmation.typed_name.as_deref() != Some(plan.environment_name.as_str())
        {
            return Err(refused(
                FailureCode::ConfirmationMissing,
                format!("The name `{}` was not typed to confirm.", plan.environment_name),
            )
            .next("Type the environment's name exactly as it is shown."));
        }
        for (index, finding) in plan.findings.iter().enumerate().filter(|(_, finding)| finding.destructive) {
            let ticked = confirmation
                .ticked_findings
                .iter()
                .any(|tick| usize::try_from(*tick).is_ok_and(|tick| tick == index));
            if !ticked && plan.tier != Tier::Development {
                return Err(refused(
                    FailureCode::ConfirmationMissing,
                    format!("Not ticked: {}", finding.title),
                )
                .next("Read it and tick it, or take it out of the migration."));
            }
        }
        Ok(())
    }

    /// The scripts of a plan, read again and compared with it.
    pub(super) async fn scripts(&self, target: &Target, plan: &Plan) -> Result<Scripts, Failure> {
        let set = read_set(target).await?;
        let mut scripts = HashMap::new();
        for step in plan.migrations() {
            let file = set.files.iter().find(|file| file.name == step.name);
            match file {
                Some(file) if file.checksum.as_deref() == Some(step.checksum.as_str()) => {
                    if let Ok(text) = &file.script {
                        scripts.insert(step.name.clone(), text.clone());
                    }
                }
                _ => {
                    return Err(Failure::new(
                        FailureCode::PlanVoid,
                        format!("The file of `{}` has changed since the plan was made.", step.name),
                    )
                    .unchanged("Nothing was written.")
                    .next("Make a new plan."));
                }
            }
        }
        Ok(Scripts { texts: scripts, digest: runner::files_digest(&set) })
    }

    /// What a dry run of a plan has to try.
    pub(super) fn pieces(plan: &Plan, scripts: &HashMap<String, String>) -> Vec<Piece> {
        plan.steps
            .iter()
            .enumerate()
            .filter_map(|(step, planned)| match planned {
                Step::Migrate(migrate) => Some(Piece {
                    step,
                    name: migrate.name.clone(),
                    sql: scripts.get(&migrate.name).cloned().unwrap_or_default(),
                    script: migrate.script.clone(),
                    rows: None,
                }),
                Step::RunStatements { migration, statements, .. } => {
                    let text = joined(statements);
                    Some(Piece {
                        step,
                        name: format!("repair of {migration}"),
                        script: sql::analyse(&text),
                        sql: text,
                        rows: None,
                    })
                }
                _ => None,
            })
            .collect()
    }
}

fn joined(statements: &[crate::domain::plan::RepairStatement]) -> String {
    statements.iter().map(|statement| format!("{};\n", statement.sql.trim().trim_end_matches(';'))).collect()
}

fn provider_fits(set: &MigrationSet) -> Result<(), Failure> {
    match set.provider.as_deref() {
        None | Some("postgresql") => Ok(()),
        Some(other) => Err(Failure::new(
            FailureCode::ProviderMismatch,
            format!("These migrations are for `{other}`, and the target is PostgreSQL."),
        )
        .why("migration_lock.toml says so (Prisma: P3019).")
        .unchanged("Nothing was written.")
        .next("Choose the folder made for PostgreSQL, or correct the provider line.")),
    }
}

fn create_ledger(observation: &Observation) -> Vec<Step> {
    if observation.presence == LedgerPresence::Present {
        return Vec::new();
    }
    let schema = &observation.schema;
    let mut sql = ledger::create_sql(schema);
    if !observation.facts.schema_exists {
        sql = format!("CREATE SCHEMA {};{sql}", identifier(schema));
    }
    vec![Step::CreateLedger { sql }]
}

fn nothing_runs(migration: &str) -> Finding {
    Finding::new(
        "nothing-runs",
        Outcome::Warn,
        "Only the ledger is written; no statement of the migration runs.",
    )
    .detail("The live schema stays as it is. The drift panel tells whether it fits.")
    .at(migration, None)
}

/// `prisma migrate resolve --applied`.
fn mark_applied(set: &MigrationSet, rows: &[LedgerRow], name: &str) -> Result<Step, Failure> {
    let refused =
        |what: String| Failure::new(FailureCode::ResolveRefused, what).unchanged("Nothing was written.");
    let file = set.files.iter().find(|file| file.name == name && file.script.is_ok()).ok_or_else(|| {
        refused(format!("The folder of `{name}` with its migration.sql is not here (Prisma: P3017)."))
            .next("Restore the file first.")
    })?;
    if rows.iter().any(|row| row.migration_name == name && row.finished_at.is_some()) {
        return Err(refused(format!("`{name}` is already recorded as applied (Prisma: P3008).")));
    }
    Ok(Step::Resolve {
        migration: name.to_owned(),
        roll_back_rows: unfinished_ids(rows, name),
        insert_applied: Some(AppliedRow {
            id: Engine::draw_id(),
            checksum: file.checksum.clone().unwrap_or_default(),
        }),
    })
}

/// `prisma migrate resolve --rolled-back`.
fn mark_rolled_back(observation: &Observation, name: &str) -> Result<Step, Failure> {
    let refused =
        |what: String| Failure::new(FailureCode::ResolveRefused, what).unchanged("Nothing was written.");
    if observation.presence != LedgerPresence::Present {
        return Err(refused(
            "The database has no ledger, so nothing can be marked as rolled back.".to_owned(),
        ));
    }
    let rows: Vec<&LedgerRow> = observation.rows.iter().filter(|row| row.migration_name == name).collect();
    if rows.is_empty() {
        return Err(refused(format!("`{name}` was never applied to the database (Prisma: P3011)."))
            .next("Use the whole name of its folder, such as 20201207184859_initial_migration."));
    }
    if rows.iter().all(|row| row.finished_at.is_some()) {
        return Err(refused(format!("`{name}` is not in a failed state (Prisma: P3012).")));
    }
    Ok(Step::Resolve {
        migration: name.to_owned(),
        roll_back_rows: unfinished_ids(&observation.rows, name),
        insert_applied: None,
    })
}

fn unfinished_ids(rows: &[LedgerRow], name: &str) -> Vec<String> {
    rows.iter()
        .filter(|row| row.migration_name == name && row.is_unfinished())
        .map(|row| row.id.clone())
        .collect()
}

/// Migrations need one session from beginning to end; a transaction pooler gives every transaction another.
pub(in crate::engine) fn no_transaction_pooler(target: &Target) -> Result<(), Failure> {
    if !target.connector.address.says_pooler {
        return Ok(());
    }
    Err(transaction_pooler())
}

pub(in crate::engine) fn identity_changed(reasons: &[String]) -> Failure {
    Failure::new(FailureCode::IdentityChanged, "Another database is behind this environment than before.")
        .why(reasons.join(" "))
        .unchanged("Nothing was written, and nothing will be until this is settled.")
        .next("If this is what you expect (a restore, a move), pin the identity again by typing the environment's name.")
}
