//! What is known of a restore before it is planned: the backup, what became of its tables since, and which ways are open.

use super::around::Around;
use super::ways::ways;
use super::words::words;
use crate::adapters::postgres::backup as reading;
use crate::adapters::postgres::failure::failure;
use crate::domain::backup::{
    BackupKind, BackupRecord, BackupScope, LossTotals, Manifest, RestoreInto, RestoreLoss, RestoreRequest,
    RestoreWhat, StoredTable, TableLoss, TableName,
};
use crate::domain::inventory::Inventory;
use crate::domain::{Failure, FailureCode};
use crate::engine::{Engine, Target, while_it_answers};
use crate::planner::rebuild;
use crate::runner::backup::load::Opened;
use crate::runner::backup::loss::{Since, since};
use crate::runner::backup::schema::catalogue_of;
use crate::runner::events::Stream;
use chrono::Utc;

/// What is known of a restore before it is planned.
pub(super) struct Looked {
    pub opened: Opened,
    pub record: BackupRecord,
    pub tables: Vec<StoredTable>,
    pub made: Vec<TableName>,
    /// All objects of these schemas are replaced.
    pub schemas: Vec<String>,
    pub loss: RestoreLoss,
    pub around: Around,
    /// The target has no table.
    pub empty: bool,
}

impl Engine {
    /// Reads what a restore would meet.
    ///
    /// # Errors
    /// When the backup cannot be used, is from another database and its name was not typed, or the target cannot be
    /// read.
    pub(super) async fn look(&self, target: &Target, request: &RestoreRequest) -> Result<Looked, Failure> {
        while_it_answers(target, self.looked(target, request)).await
    }

    async fn looked(&self, target: &Target, request: &RestoreRequest) -> Result<Looked, Failure> {
        let record = self.store().backup(&request.backup_id).await?;
        let opened = self.opened(&record).await?;
        let manifest = &opened.stored.manifest;
        let connector = &target.connector;
        let mut connection = connector.open("drydock restore").await?;
        let (identity, _, _) = self.fingerprint_now(target, String::new()).await?;
        // A new database takes nobody's place.
        let beside = matches!(request.into, RestoreInto::NewDatabase { .. });
        if !beside
            && !manifest.identity.is_same_database(&identity)
            && request.other_database.as_deref() != Some(target.name.as_str())
        {
            let here = format!("{} (id {})", identity.database, identity.short());
            let (what, why) = match &manifest.imported {
                Some(origin) => (
                    "It is not known of which database this backup is.",
                    format!("It is imported from {}; this is {here}.", origin.name),
                ),
                None => (
                    "This backup is of another database.",
                    format!(
                        "It is of {} (id {}), this is {here}.",
                        manifest.identity.database,
                        manifest.identity.short()
                    ),
                ),
            };
            return Err(Failure::new(FailureCode::RestoreRefused, what)
                .why(why)
                .unchanged("Nothing was changed.")
                .next(format!(
                    "To restore it here all the same, type the name {}; that is kept on record.",
                    target.name
                )));
        }
        let inventory =
            connector.read(reading::inventory_now(&mut connection)).await.map_err(|error| failure(&error))?;
        let tables = chosen(manifest, &request.what)?;
        let everything = request.what == RestoreWhat::Everything;
        let whole = everything && manifest.kind == BackupKind::Deep && manifest.scope == BackupScope::Whole;
        let events = Stream::nowhere();
        let toolkit = self.toolkit().ok();
        let compared: &[StoredTable] = if beside { &[] } else { &tables };
        let found = since(&mut connection, &opened, toolkit.as_ref(), &inventory, compared, &events).await?;
        let catalogue = catalogue_of(&opened).await?;
        let mut losses = Vec::new();
        let mut made = Vec::new();
        let mut obstacles = Vec::new();
        let mut unchanged = 0;
        for (table, since) in compared.iter().zip(found) {
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
        if whole && !beside {
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
        let around = Around::read(connector, &mut connection, manifest, &identity).await;
        let ways = ways(manifest, &obstacles, (whole, &request.what), &identity.database, &around);
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
            around,
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
}

/// The tables that a restore touches.
pub(super) fn chosen(manifest: &Manifest, what: &RestoreWhat) -> Result<Vec<StoredTable>, Failure> {
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

/// What a table's loss weighs in a list.
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
