//! Going back to a backup: what it would lose, the ways that are open, the plan, and the run.

use crate::adapters::backups::CATALOGUE;
use crate::adapters::postgres::backup as reading;
use crate::adapters::postgres::failure::failure;
use crate::domain::backup::{
    BackUpStep, BackupKind, BackupRecord, BackupRequest, BackupScope, LossTotals, Manifest, RestoreInto,
    RestoreLoss, RestoreRequest, RestoreStep, RestoreWay, RestoreWhat, RestoredTable, StoredTable, TableLoss,
    TableName,
};
use crate::domain::catalogue::Catalogue;
use crate::domain::identity::IdentityPin;
use crate::domain::inventory::Inventory;
use crate::domain::plan::{Plan, PlanPurpose, PlanReview, Step};
use crate::domain::run::Run;
use crate::domain::{Failure, FailureCode, Finding, Outcome};
use crate::engine::plans::{Draft, no_transaction_pooler};
use crate::engine::{Engine, Live, Target};
use crate::planner::backup::size_words;
use crate::planner::rebuild;
use crate::runner::apply::restore::{RestoreJob, Work};
use crate::runner::backup::load::Opened;
use crate::runner::backup::loss::{Since, since};
use crate::runner::backup::restore::Restore;
use crate::runner::events::Stream;
use chrono::{DateTime, Local, Utc};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// What is known of a restore before it is planned.
struct Looked {
    opened: Opened,
    record: BackupRecord,
    tables: Vec<StoredTable>,
    made: Vec<TableName>,
    /// All objects of these schemas are replaced.
    schemas: Vec<String>,
    loss: RestoreLoss,
    /// The target has no table.
    empty: bool,
}

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
        let way = looked
            .loss
            .ways
            .iter()
            .find(|way| std::mem::discriminant(&way.into) == std::mem::discriminant(&request.into));
        let Some(way) = way else {
            return Err(Failure::new(FailureCode::RestoreRefused, "Drydock cannot restore into another database yet.")
                .why("A backup is restored in place, in one transaction that is compared before it is committed.")
                .unchanged("Nothing was changed.")
                .next("Restore in place; or make an environment for the other database and restore the backup there."));
        };
        if let Some(closed) = way.closed.clone() {
            return Err(Failure::new(FailureCode::RestoreRefused, "The backup cannot be restored this way.")
                .why(closed)
                .unchanged("Nothing was changed.")
                .next("Choose another way, or restore into a new database and copy what is needed."));
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
            schemas: looked.schemas.clone(),
            loss: looked.loss.totals,
            request: request.clone(),
        };
        let mut work = Vec::new();
        // Where there is no table yet, there is nothing to keep.
        if !matches!(request.into, RestoreInto::NewDatabase { .. }) && !looked.empty {
            let backup_id =
                Self::draw_id().chars().filter(char::is_ascii_hexdigit).take(8).collect::<String>();
            work.push(Step::BackUp(BackUpStep { backup_id, request: safety_of(&looked) }));
        }
        let files = step.sha256.clone();
        work.push(Step::Restore(step));
        let words = format!(
            "{} from the backup of {}",
            what_words(&request.what, &looked.tables),
            at(manifest.snapshot_at)
        );
        let draft = Draft {
            files,
            folder: String::new(),
            findings: findings(&looked, &request),
            purpose: PlanPurpose::Restore { words },
            work,
        };
        let plan = self.keep_plan(target, draft).await?;
        self.plan_review(target, &plan.id).await
    }

    async fn look(&self, target: &Target, request: &RestoreRequest) -> Result<Looked, Failure> {
        let record = self.store().backup(&request.backup_id).await?;
        let opened = self.opened(&record).await?;
        let manifest = &opened.stored.manifest;
        let connector = &target.connector;
        let mut connection = connector.open("drydock restore").await?;
        let (identity, _, _) = self.fingerprint_now(target, String::new()).await?;
        if !manifest.identity.is_same_database(&identity)
            && request.other_database.as_deref() != Some(target.name.as_str())
        {
            return Err(Failure::new(FailureCode::RestoreRefused, "This backup is of another database.")
                .why(format!(
                    "It is of {} (id {}), this is {} (id {}).",
                    manifest.identity.database,
                    manifest.identity.short(),
                    identity.database,
                    identity.short()
                ))
                .unchanged("Nothing was changed.")
                .next(format!(
                    "To restore it here all the same, type the name {}; that is kept on record.",
                    target.name
                )));
        }
        let inventory =
            connector.read(reading::inventory_now(&mut connection)).await.map_err(|error| failure(&error))?;
        let tables = chosen(manifest, &request.what)?;
        let whole = manifest.kind == BackupKind::Deep
            && manifest.scope == BackupScope::Whole
            && request.what == RestoreWhat::Everything;
        let events = Stream::nowhere();
        let toolkit = self.toolkit().ok();
        let found = since(&mut connection, &opened, toolkit.as_ref(), &inventory, &tables, &events).await?;
        let catalogue = self.catalogue_of(&opened).await?;
        let mut losses = Vec::new();
        let mut made = Vec::new();
        let mut obstacles = Vec::new();
        let mut unchanged = 0;
        for (table, since) in tables.iter().zip(found) {
            match since {
                Since::Unchanged => unchanged += 1,
                Since::Changed(loss) => losses.push(loss),
                Since::Gone => {
                    losses.push(TableLoss {
                        table: table.table.clone(),
                        new: Some(0.0),
                        changed: Some(0.0),
                        deleted: Some(table.rows as f64),
                        note: Some("the table is gone; it is made again".to_owned()),
                    });
                    made.push(table.table.clone());
                    let known = catalogue.table(&table.table.schema, &table.table.name);
                    if !whole && !known.is_some_and(rebuild::can_make) {
                        obstacles.push(format!(
                            "{} is gone, and the backup does not describe how to make it.",
                            table.table
                        ));
                    }
                }
                Since::Moved(words) => {
                    losses.push(TableLoss {
                        table: table.table.clone(),
                        new: None,
                        changed: None,
                        deleted: None,
                        note: Some(format!("its columns moved since: {words}")),
                    });
                    if !whole {
                        obstacles
                            .push(format!("The columns of {} moved since the backup: {words}.", table.table));
                    }
                }
            }
        }
        if whole {
            losses.extend(self.newer_tables(&mut connection, &inventory, manifest).await);
        }
        if let RestoreWhat::Rows { table, .. } = &request.what
            && tables.first().is_some_and(|table| table.key.is_empty())
        {
            obstacles.push(format!("{table} has no key, so its rows cannot be told apart."));
        }
        losses
            .sort_by(|left, right| weight(right).total_cmp(&weight(left)).then(left.table.cmp(&right.table)));
        let totals = totals(&losses);
        let sessions = connector
            .read(crate::adapters::postgres::observe::facts(&mut connection, &connector.address.schema))
            .await
            .map_or(0, |facts| facts.sessions);
        let (headline, lead) = words(manifest, &totals);
        let ways = ways(manifest, &obstacles, whole);
        let schemas = if whole { inventory.schemas.clone() } else { Vec::new() };
        Ok(Looked {
            empty: !inventory.relations.iter().any(|relation| relation.kind == "r"),
            record,
            tables,
            made,
            schemas,
            loss: RestoreLoss {
                headline,
                lead,
                tables: losses,
                unchanged,
                totals,
                obstacles,
                sessions,
                ways,
                read_at: Utc::now(),
            },
            opened,
        })
    }

    /// Tables that the backup does not know, and that go when all of it is restored.
    async fn newer_tables(
        &self,
        connection: &mut sqlx::PgConnection,
        inventory: &Inventory,
        manifest: &Manifest,
    ) -> Vec<TableLoss> {
        let mut newer = Vec::new();
        for relation in inventory.relations.iter().filter(|relation| relation.kind == "r") {
            let table = relation.table();
            if manifest.table(&table).is_some() {
                continue;
            }
            let rows = reading::row_count(connection, &table).await.ok();
            newer.push(TableLoss {
                table,
                new: rows.map(|rows| rows as f64),
                changed: rows.map(|_| 0.0),
                deleted: rows.map(|_| 0.0),
                note: Some("newer than the backup; removed as a whole".to_owned()),
            });
        }
        newer
    }

    async fn catalogue_of(&self, opened: &Opened) -> Result<Catalogue, Failure> {
        let bytes = opened.stored.read_all(CATALOGUE, &opened.key).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::new(FailureCode::BackupDamaged, "The backup's catalogue cannot be read.")
                .why(error.to_string())
        })
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
        let whole = !step.schemas.is_empty();
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
            catalogue: self.catalogue_of(&opened).await?,
            schemas: step.schemas.clone(),
            with_owners: step.request.other_database.is_none(),
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

/// The tables that a restore touches.
fn chosen(manifest: &Manifest, what: &RestoreWhat) -> Result<Vec<StoredTable>, Failure> {
    let named = |names: &[TableName]| {
        names
            .iter()
            .map(|name| {
                manifest.table(name).cloned().ok_or_else(|| {
                    Failure::new(FailureCode::RestoreRefused, format!("The backup does not hold {name}."))
                        .unchanged("Nothing was changed.")
                        .next("Choose tables that it holds.")
                })
            })
            .collect::<Result<Vec<_>, _>>()
    };
    match what {
        RestoreWhat::Everything => Ok(manifest.tables.clone()),
        RestoreWhat::Tables { tables } if tables.is_empty() => {
            Err(Failure::new(FailureCode::NothingToDo, "No table is chosen.")
                .next("Tick the tables to restore."))
        }
        RestoreWhat::Tables { tables } => named(tables),
        RestoreWhat::Rows { table, keys } => {
            let tables = named(std::slice::from_ref(table))?;
            let columns = tables.first().map_or(0, |table| table.key.len());
            if keys.is_empty() || keys.iter().any(|key| key.len() != columns) {
                return Err(Failure::new(FailureCode::NothingToDo, "No row is chosen.")
                    .why(format!("A row of {table} is named by {columns} values."))
                    .next("Name the rows by their key."));
            }
            Ok(tables)
        }
    }
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

fn findings(looked: &Looked, request: &RestoreRequest) -> Vec<Finding> {
    if matches!(request.into, RestoreInto::NewDatabase { .. }) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let totals = &looked.loss.totals;
    for loss in &looked.loss.tables {
        let number = |count: Option<f64>| count.unwrap_or(0.0);
        let lost = number(loss.new) + number(loss.changed);
        let title = match (&loss.note, loss.new) {
            (_, Some(_)) if lost > 0.0 => format!("{lost} row changes of {} are lost.", loss.table),
            (Some(note), None) => format!("What is lost of {} is not known: {note}.", loss.table),
            _ => continue,
        };
        if findings.len() < 50 {
            let mut finding = Finding::new("restore-loss", Outcome::Warn, title);
            finding.destructive = true;
            findings.push(finding);
        }
    }
    if findings.is_empty() && totals.deleted > 0.0 {
        findings.push(Finding::new(
            "restore-back",
            Outcome::Warn,
            format!("{} deleted rows come back.", totals.deleted),
        ));
    }
    if let Some(name) = &request.other_database {
        findings.push(Finding::new(
            "other-database",
            Outcome::Warn,
            format!("The backup is of another database; {name} was typed to restore it here."),
        ));
    }
    if looked.loss.sessions > 0 {
        findings.push(Finding::new(
            "sessions",
            Outcome::Warn,
            match looked.loss.sessions {
                1 => "1 other session is connected; it waits while the tables are replaced.".to_owned(),
                many => {
                    format!("{many} other sessions are connected; they wait while the tables are replaced.")
                }
            },
        ));
    }
    findings
}

fn ways(manifest: &Manifest, obstacles: &[String], whole: bool) -> Vec<RestoreWay> {
    let closed = (!obstacles.is_empty()).then(|| obstacles.join(" "));
    let in_place = if whole {
        "Everything that is there now is replaced, in one transaction. It is compared before it is committed; any error leaves all as it was."
    } else {
        "The rows of these tables are replaced, in one transaction. They are compared before it is committed; any error leaves all as it was."
    };
    let size: u64 = manifest.bytes();
    vec![RestoreWay {
        into: RestoreInto::Target,
        title: "In place".to_owned(),
        detail: format!("{in_place} {} are read back.", size_words(size as f64)),
        closed,
    }]
}

fn weight(loss: &TableLoss) -> f64 {
    match (loss.new, loss.changed, loss.deleted) {
        (Some(new), Some(changed), Some(deleted)) => new + changed + deleted,
        // Not known stands above all that is known.
        _ => f64::MAX,
    }
}

fn totals(losses: &[TableLoss]) -> LossTotals {
    let mut totals = LossTotals::default();
    for loss in losses {
        totals.new += loss.new.unwrap_or(0.0);
        totals.changed += loss.changed.unwrap_or(0.0);
        totals.deleted += loss.deleted.unwrap_or(0.0);
        totals.unknown += u32::from(loss.new.is_none());
    }
    totals
}

fn words(manifest: &Manifest, totals: &LossTotals) -> (String, String) {
    let minutes = (Utc::now() - manifest.snapshot_at).num_minutes().max(0);
    let ago = match minutes {
        0 => "less than a minute".to_owned(),
        1 => "1 minute".to_owned(),
        minutes if minutes < 120 => format!("{minutes} minutes"),
        minutes if minutes < 48 * 60 => format!("{} hours", minutes / 60),
        minutes => format!("{} days", minutes / (24 * 60)),
    };
    let at = at(manifest.snapshot_at);
    let lost = totals.new + totals.changed;
    let unknown = totals.unknown > 0;
    let headline = match (lost > 0.0, unknown) {
        (false, false) if totals.deleted > 0.0 => {
            format!("Going back to {at} loses nothing, and brings rows back.")
        }
        (false, false) => format!("Nothing has changed since {at}."),
        (false, true) => format!("What going back to {at} would lose is not all known."),
        (true, _) => format!("Going back to {at} loses {ago} of work."),
    };
    let lead = match (lost > 0.0, unknown) {
        (true, false) => {
            format!("{lost} row changes would be gone from here. A safety backup, taken first, keeps them.")
        }
        (true, true) => format!(
            "{lost} row changes are known and would be gone from here; {} could not be compared. A safety backup, taken first, keeps them.",
            if totals.unknown == 1 { "1 table".to_owned() } else { format!("{} tables", totals.unknown) }
        ),
        (false, _) => "A safety backup of what is there now is taken first.".to_owned(),
    };
    (headline, lead)
}

fn what_words(what: &RestoreWhat, tables: &[StoredTable]) -> String {
    match what {
        RestoreWhat::Everything => "everything".to_owned(),
        RestoreWhat::Tables { .. } if tables.len() == 1 => format!("table {}", tables[0].table),
        RestoreWhat::Tables { .. } => format!("{} tables", tables.len()),
        RestoreWhat::Rows { table, keys } if keys.len() == 1 => format!("1 row of {table}"),
        RestoreWhat::Rows { table, keys } => format!("{} rows of {table}", keys.len()),
    }
}

fn at(time: DateTime<Utc>) -> String {
    let local = time.with_timezone(&Local);
    if local.date_naive() == Local::now().date_naive() {
        local.format("%H:%M").to_string()
    } else {
        local.format("%-d %b, %H:%M").to_string()
    }
}
