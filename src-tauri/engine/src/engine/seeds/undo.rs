//! The way back: what a run's rows are now, which of them can simply be taken back, which are asked about.

use super::rows::cell_view;
use crate::adapters::changes::{self, ChangeReader, FileRow};
use crate::adapters::postgres::capture::{self, PINNED, Row};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::send;
use crate::adapters::postgres::tables::{self, Which};
use crate::adapters::store::StoredChanges;
use crate::domain::identity::IdentityVerdict;
use crate::domain::migration::hex;
use crate::domain::plan::{PlanPurpose, PlanReview, Step, UndoStep};
use crate::domain::run::Run;
use crate::domain::seed::{
    CellView, ConflictReason, RowKind, TableChanges, ThreeVersions, UndoChoice, UndoConflict, UndoReview,
    UndoState, UsedBy,
};
use crate::domain::tables::{ForeignKey, TableFacts};
use crate::domain::{Failure, FailureCode};
use crate::engine::plans::{identity_changed, no_transaction_pooler};
use crate::engine::{Engine, Target};
use crate::planner::plan::{self as planning, Inventory};
use crate::runner::seed::{RowWork, UndoRow, UndoTable, in_order};
use chrono::Utc;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnection;
use std::collections::HashMap;

/// Rows compared in one message.
const BATCH: usize = 2_000;
/// The choice that stands for every row that was asked about.
const ALL: &str = "*";
/// Most conflicts that are told one by one.
const MOST_CONFLICTS: usize = 500;

/// A run whose rows may be taken back.
struct Taken {
    run: Run,
    stored: StoredChanges,
    reader: ChangeReader,
}

/// A row of a run, as it is now.
struct Found {
    /// `table:row`.
    name: String,
    row: FileRow,
    conflict: Option<UndoConflict>,
}

/// The rows of a table, as they are now.
struct FoundTable {
    facts: TableFacts,
    /// Columns that are never shown.
    sensitive: Vec<String>,
    rows: Vec<Found>,
}

/// What was found of a run.
struct Looked {
    tables: Vec<FoundTable>,
    refused: Vec<String>,
}

impl Engine {
    /// Opens what a run kept; refused where it cannot be taken back at all.
    async fn taken(&self, target: &Target, run_id: &str) -> Result<Taken, Failure> {
        let run = self.store().run(run_id).await?;
        let refused = |why: String| {
            Failure::new(FailureCode::UndoRefused, format!("Run {} cannot be taken back.", run.number))
                .why(why)
                .unchanged("Nothing was written.")
                .next("Open the run to see what it did.")
        };
        if run.environment_id != target.environment_id() {
            return Err(refused(format!("It ran on {}, and this is {}.", run.environment_name, target.name)));
        }
        let Some(changes) = self.run_changes(run_id).await? else {
            return Err(refused("It kept no rows.".to_owned()));
        };
        match changes.undo {
            UndoState::Possible => {}
            UndoState::Undone { number } => {
                return Err(refused(format!("Run {number} took it back already.")));
            }
            UndoState::Impossible { why } => return Err(refused(why)),
        }
        let (stored, _) =
            self.store().changes(run_id).await?.ok_or_else(|| refused("It kept no rows.".to_owned()))?;
        let key = self.change_key().await?;
        let path = changes::path(self.store().folder(), run_id);
        let reader = tokio::task::spawn_blocking(move || ChangeReader::open(&path, &key))
            .await
            .map_err(|_| refused("Its rows could not be read.".to_owned()))??;
        Ok(Taken { run, stored, reader })
    }

    /// What taking a run back would do, row by row. Reads only.
    ///
    /// # Errors
    /// When the target cannot be read, or another database answers.
    pub async fn undo_review(&self, target: &Target, run_id: &str) -> Result<UndoReview, Failure> {
        let run = self.store().run(run_id).await?;
        let mut review = UndoReview {
            run_id: run.id.clone(),
            run_number: run.number,
            run_title: run.title.clone(),
            run_at: run.ended_at.unwrap_or(run.started_at),
            at: Utc::now(),
            impossible: None,
            changes: 0,
            untouched: 0,
            conflicts: Vec::new(),
            conflicts_total: 0,
            refused: Vec::new(),
        };
        let taken = match self.taken(target, run_id).await {
            Ok(taken) => taken,
            Err(failure) if failure.code == FailureCode::UndoRefused => {
                review.impossible = failure.why.or(Some(failure.what));
                return Ok(review);
            }
            Err(failure) => return Err(failure),
        };
        let looked = self.look_at(target, taken).await?;
        review.refused = looked.refused;
        for found in looked.tables.into_iter().flat_map(|table| table.rows) {
            review.changes += 1;
            match found.conflict {
                None => review.untouched += 1,
                Some(conflict) => {
                    review.conflicts_total += 1;
                    if review.conflicts.len() < MOST_CONFLICTS {
                        review.conflicts.push(conflict);
                    }
                }
            }
        }
        if review.changes == 0 && !review.refused.is_empty() {
            review.impossible = Some(review.refused.join(" "));
        }
        Ok(review)
    }

    /// Makes a plan that takes a run back. Rows that moved since are kept as they are now, unless a choice
    /// says otherwise.
    ///
    /// # Errors
    /// [`FailureCode::UndoRefused`], [`FailureCode::NothingToDo`]; or when the target cannot be read.
    pub async fn undo_plan(
        &self,
        target: &Target,
        run_id: &str,
        choices: Vec<UndoChoice>,
    ) -> Result<PlanReview, Failure> {
        no_transaction_pooler(target)?;
        let taken = self.taken(target, run_id).await?;
        let run = taken.run.clone();
        let observation = self.observe(target).await?;
        if let IdentityVerdict::Different { reasons } = &observation.verdict {
            return Err(identity_changed(reasons));
        }
        let made_for = self.store().plan(&run.plan_id).await?.identity;
        let seen = &observation.identity;
        if made_for.system_identifier != seen.system_identifier
            || made_for.database_oid != seen.database_oid
            || made_for.database != seen.database
        {
            return Err(Failure::new(
                FailureCode::IdentityChanged,
                "This is not the database that the run wrote to.",
            )
            .why(format!("It wrote to id {}; this is id {}.", made_for.short(), seen.short()))
            .unchanged("Nothing was written.")
            .next("Open the environment that the run belongs to."));
        }
        let looked = self.look_at(target, taken).await?;
        if let Some(bad) = choices.iter().filter(|choice| choice.take_back).find_map(|choice| {
            let conflict = looked
                .tables
                .iter()
                .flat_map(|table| &table.rows)
                .find(|found| found.name == choice.row)?
                .conflict
                .as_ref()?;
            conflict.impossible.as_ref().map(|why| format!("{} of {}: {why}", conflict.key, conflict.table))
        }) {
            return Err(Failure::new(FailureCode::UndoRefused, "A chosen row cannot be taken back.")
                .why(bad)
                .unchanged("Nothing was written.")
                .next("Keep that row as it is now."));
        }
        let rows: usize = chosen(looked.tables, &choices).iter().map(|table| table.rows.len()).sum();
        if rows == 0 {
            return Err(Failure::new(FailureCode::NothingToDo, "No row would be taken back.")
                .unchanged("Nothing was written.")
                .next("Every row of the run has moved since; choose those to take back all the same."));
        }
        let step =
            UndoStep { run_id: run.id.clone(), choices, rows: u32::try_from(rows).unwrap_or(u32::MAX) };
        let (_, _, fingerprint) = self.fingerprint_now(target, self.undo_digest(run_id).await?).await?;
        let inventory = Inventory {
            environment_id: target.environment_id(),
            environment_name: target.name.clone(),
            tier: target.tier,
            rules: target.rules.clone(),
            identity: observation.identity.clone(),
            schema: target.connector.address.schema.clone(),
            fingerprint,
            folder: format!("run {}", run.number),
            findings: Vec::new(),
            draw_id: &Self::draw_id,
            now: Utc::now(),
        };
        let purpose = PlanPurpose::Undo { run_id: run.id, run_number: run.number, run_title: run.title };
        let mut plan = planning::seal(inventory, purpose, vec![Step::Undo(step)]);
        self.store().save_plan(&mut plan).await?;
        self.plan_review(target, &plan.id).await
    }

    /// What an undo stands on: the run's rows, and that nobody took them back meanwhile.
    pub(super) async fn undo_digest(&self, run_id: &str) -> Result<String, Failure> {
        let stored = self.store().changes(run_id).await?;
        let text = serde_json::to_vec(&stored.map(|(changes, by)| (changes.sums, by))).unwrap_or_default();
        Ok(hex(&Sha256::digest([run_id.as_bytes(), &text].concat())))
    }

    /// The rows that an undo takes back, looked at again.
    pub(super) async fn undo_work(&self, target: &Target, step: &UndoStep) -> Result<RowWork, Failure> {
        let taken = self.taken(target, &step.run_id).await?;
        let looked = self.look_at(target, taken).await?;
        let mut tables = chosen(looked.tables, &step.choices);
        in_order(&mut tables);
        Ok(RowWork::Undo(tables))
    }

    /// Compares every row of a run with what is there now.
    async fn look_at(&self, target: &Target, mut taken: Taken) -> Result<Looked, Failure> {
        let mut connection = target.connector.open_reading("drydock undo").await?;
        let read = |error: sqlx::Error| failure(&error);
        send(&mut connection, format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {PINNED}"))
            .await
            .map_err(read)?;
        let names: Vec<(String, String)> =
            taken.reader.tables().iter().map(|table| (table.schema.clone(), table.name.clone())).collect();
        let facts = tables::read(&mut connection, Which::Named(&names)).await.map_err(read)?;
        let oids: Vec<u32> = facts.iter().map(|facts| facts.oid).collect();
        let referring = tables::read(&mut connection, Which::Referring(&oids)).await.map_err(read)?;
        let mut looked = Looked { tables: Vec::new(), refused: Vec::new() };
        for (at, (schema, name)) in names.iter().enumerate() {
            let Some(changes) =
                taken.stored.changes.tables.iter().find(|table| table.table == format!("{schema}.{name}"))
            else {
                continue;
            };
            if changes.inserted + changes.updated + changes.deleted == 0 && changes.unknown.is_none() {
                continue;
            }
            match fits(&taken.reader, at, changes, &facts) {
                Err(why) => looked.refused.push(format!("{}: {why}", changes.table)),
                Ok(table) => {
                    let rows = compare(&mut connection, &mut taken.reader, at, changes, &table).await?;
                    let sensitive = changes
                        .columns
                        .iter()
                        .filter(|column| column.sensitive)
                        .map(|column| column.name.clone())
                        .collect();
                    looked.tables.push(FoundTable { facts: table, sensitive, rows });
                }
            }
        }
        // A row that stays because newer rows use it keeps what it refers to itself, and so on.
        loop {
            let before = conflicts(&looked.tables);
            for conflict in looked
                .tables
                .iter_mut()
                .flat_map(|table| &mut table.rows)
                .filter_map(|row| row.conflict.as_mut())
            {
                conflict.used_by.clear();
            }
            used(&mut connection, &mut looked.tables, &referring).await.map_err(read)?;
            if conflicts(&looked.tables) == before {
                break;
            }
        }
        Ok(looked)
    }
}

fn conflicts(tables: &[FoundTable]) -> usize {
    tables.iter().flat_map(|table| &table.rows).filter(|row| row.conflict.is_some()).count()
}

/// Whether a table's rows can be taken back one by one.
fn fits(
    reader: &ChangeReader,
    at: usize,
    changes: &TableChanges,
    facts: &[TableFacts],
) -> Result<TableFacts, String> {
    if let Some(why) = &changes.unknown {
        return Err(format!("Not all of its changes are known. {why}"));
    }
    if changes.whole.is_some() {
        return Err("The run made, emptied or rewrote it as a whole.".to_owned());
    }
    let kept = reader.tables()[at];
    let Some(now) = facts.iter().find(|facts| facts.schema == kept.schema && facts.name == kept.name) else {
        return Err("It does not exist any more.".to_owned());
    };
    let columns: Vec<(String, String)> =
        now.columns.iter().map(|column| (column.name.clone(), column.type_name.clone())).collect();
    if columns != kept.columns {
        return Err("Its columns have changed since.".to_owned());
    }
    if now.identity().is_none() || now.identity() != Some(kept.key.as_slice()) {
        return Err("Nothing tells its rows apart, so they cannot be found again.".to_owned());
    }
    if now.hidden_rows {
        return Err("Row security hides rows of it from the user that is logged in.".to_owned());
    }
    Ok(now.clone())
}

fn key_of(row: &Row, positions: &[usize]) -> Row {
    positions.iter().map(|at| row.get(*at).cloned().flatten()).collect()
}

async fn compare(
    connection: &mut PgConnection,
    reader: &mut ChangeReader,
    at: usize,
    changes: &TableChanges,
    facts: &TableFacts,
) -> Result<Vec<Found>, Failure> {
    let key: Vec<String> = facts.identity().map(<[String]>::to_vec).unwrap_or_default();
    let positions: Vec<usize> =
        key.iter().filter_map(|name| facts.columns.iter().position(|column| column.name == *name)).collect();
    let numbers: Vec<u32> = (0..u32::try_from(reader.kinds(at).len()).unwrap_or(u32::MAX))
        .filter(|number| {
            matches!(reader.kind(at, *number), Some(RowKind::Inserted | RowKind::Updated | RowKind::Deleted))
        })
        .collect();
    let mut found = Vec::new();
    for batch in numbers.chunks(BATCH) {
        let rows: Vec<FileRow> =
            batch.iter().map(|number| reader.row(at, *number)).collect::<Result<_, Failure>>()?;
        let keys: Vec<Row> = rows
            .iter()
            .map(|row| {
                row.after
                    .as_ref()
                    .or(row.before.as_ref())
                    .map(|row| key_of(row, &positions))
                    .unwrap_or_default()
            })
            .collect();
        let now = capture::by_key(connection, facts, &key, &keys).await.map_err(|error| failure(&error))?;
        for ((number, row), now) in batch.iter().zip(rows).zip(now) {
            let name = format!("{at}:{number}");
            let conflict = conflict(&name, changes, facts, &positions, &row, now.as_ref());
            found.push(Found { name, row, conflict });
        }
    }
    Ok(found)
}

fn conflict(
    name: &str,
    changes: &TableChanges,
    facts: &TableFacts,
    positions: &[usize],
    row: &FileRow,
    now: Option<&Row>,
) -> Option<UndoConflict> {
    let (reason, impossible) = match (row.kind, now) {
        (RowKind::Deleted, None) => return None,
        (RowKind::Deleted, Some(_)) => (
            ConflictReason::TakenSince,
            Some("A row with the same key is there now, so this one cannot come back.".to_owned()),
        ),
        (_, None) => (
            ConflictReason::GoneSince,
            Some("It is not there any more, so there is nothing to take back.".to_owned()),
        ),
        (_, Some(now)) if row.after.as_ref() == Some(now) => return None,
        (_, Some(_)) => (ConflictReason::ChangedSince, None),
    };
    Some(UndoConflict {
        row: name.to_owned(),
        table: changes.table.clone(),
        key: spoken_key(changes, facts, positions, row),
        kind: row.kind,
        reason,
        columns: versions(changes, facts, row, now),
        used_by: Vec::new(),
        impossible,
    })
}

fn spoken_key(changes: &TableChanges, facts: &TableFacts, positions: &[usize], row: &FileRow) -> String {
    let cells = row.after.as_ref().or(row.before.as_ref());
    positions
        .iter()
        .map(|at| {
            let name = facts.columns.get(*at).map_or("", |column| column.name.as_str());
            let sensitive = changes.columns.get(*at).is_some_and(|column| column.sensitive);
            let value = cells.and_then(|cells| cells.get(*at)).and_then(Option::as_deref).unwrap_or("NULL");
            format!("{name} {}", if sensitive { "(masked)" } else { value })
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// The columns in question: those that the run changed or that were changed since.
fn versions(
    changes: &TableChanges,
    facts: &TableFacts,
    row: &FileRow,
    now: Option<&Row>,
) -> Vec<ThreeVersions> {
    let value = |side: Option<&Row>, at: usize| -> Option<CellView> {
        let sensitive = changes.columns.get(at).is_some_and(|column| column.sensitive);
        side.map(|cells| cell_view(cells.get(at).and_then(Option::as_deref), sensitive))
    };
    let cell = |side: Option<&Row>, at: usize| side.and_then(|cells| cells.get(at).cloned().flatten());
    let (before, wrote) = (row.before.as_ref(), row.after.as_ref());
    facts
        .columns
        .iter()
        .enumerate()
        .filter_map(|(at, column)| {
            let ours = before.is_some() && wrote.is_some() && cell(before, at) != cell(wrote, at);
            let since = now.is_some() && wrote.is_some() && cell(wrote, at) != cell(now, at);
            (ours || since).then(|| ThreeVersions {
                column: column.name.clone(),
                before: value(before, at),
                wrote: value(wrote, at),
                now: value(now, at),
                ours,
                since,
            })
        })
        .collect()
}

/// Finds added rows that newer rows of others refer to.
async fn used(
    connection: &mut PgConnection,
    tables: &mut [FoundTable],
    referring: &[TableFacts],
) -> Result<(), sqlx::Error> {
    for child in referring {
        for reference in &child.references {
            let Some(parent) = tables.iter().position(|table| table.facts.oid == reference.table) else {
                continue;
            };
            let own = own_references(tables, child, reference);
            let facts = tables[parent].facts.clone();
            let sensitive = tables[parent].sensitive.clone();
            let positions: Vec<usize> = reference
                .referenced
                .iter()
                .filter_map(|name| facts.columns.iter().position(|column| column.name == *name))
                .collect();
            let candidates: Vec<usize> = tables[parent]
                .rows
                .iter()
                .enumerate()
                .filter(|(_, found)| found.row.kind == RowKind::Inserted)
                .filter(|(_, found)| {
                    !found
                        .conflict
                        .as_ref()
                        .is_some_and(|conflict| conflict.reason == ConflictReason::GoneSince)
                })
                .map(|(at, _)| at)
                .collect();
            for batch in candidates.chunks(BATCH) {
                let keys: Vec<Row> = batch
                    .iter()
                    .map(|at| {
                        tables[parent].rows[*at]
                            .row
                            .after
                            .as_ref()
                            .map(|row| key_of(row, &positions))
                            .unwrap_or_default()
                    })
                    .collect();
                let counts = capture::count_by_key(connection, child, &reference.columns, &keys).await?;
                for ((at, key), count) in batch.iter().zip(keys).zip(counts) {
                    let newer = count.saturating_sub(own.get(&key).copied().unwrap_or(0));
                    if newer > 0 {
                        mark_used(&mut tables[parent].rows[*at], &facts, &sensitive, child, reference, newer);
                    }
                }
            }
        }
    }
    Ok(())
}

/// How many rows that the run itself added refer to each key.
fn own_references(tables: &[FoundTable], child: &TableFacts, reference: &ForeignKey) -> HashMap<Row, u32> {
    let mut counts = HashMap::new();
    let Some(table) = tables.iter().find(|table| table.facts.oid == child.oid) else { return counts };
    let positions: Vec<usize> = reference
        .columns
        .iter()
        .filter_map(|name| child.columns.iter().position(|column| column.name == *name))
        .collect();
    for found in
        table.rows.iter().filter(|found| found.row.kind == RowKind::Inserted && found.conflict.is_none())
    {
        if let Some(row) = &found.row.after {
            *counts.entry(key_of(row, &positions)).or_insert(0) += 1;
        }
    }
    counts
}

fn mark_used(
    found: &mut Found,
    facts: &TableFacts,
    sensitive: &[String],
    child: &TableFacts,
    reference: &ForeignKey,
    newer: u32,
) {
    let (effect, forbidden) = match reference.on_delete.as_str() {
        "c" => ("they would be deleted with it".to_owned(), false),
        "n" => (format!("they stay, with {} NULL", reference.columns.join(", ")), false),
        "d" => (format!("they stay, with the default of {}", reference.columns.join(", ")), false),
        _ => ("they forbid it".to_owned(), true),
    };
    let cells = found.row.after.clone().unwrap_or_default();
    let key = facts
        .identity()
        .unwrap_or_default()
        .iter()
        .map(|name| {
            let at = facts.columns.iter().position(|column| column.name == *name);
            let value = at.and_then(|at| cells.get(at)).and_then(Option::as_deref).unwrap_or("NULL");
            format!("{name} {}", if sensitive.contains(name) { "(masked)" } else { value })
        })
        .collect::<Vec<_>>()
        .join(", ");
    let conflict = found.conflict.get_or_insert_with(|| UndoConflict {
        row: found.name.clone(),
        table: facts.qualified(),
        key,
        kind: RowKind::Inserted,
        reason: ConflictReason::UsedByNewer,
        columns: Vec::new(),
        used_by: Vec::new(),
        impossible: None,
    });
    conflict.used_by.push(UsedBy { table: child.qualified(), rows: newer, effect });
    if forbidden {
        conflict.impossible = Some(format!(
            "Rows of {} refer to it, and the database forbids to delete it while they do.",
            child.qualified()
        ));
    }
}

/// The rows to take back: those as the run left them, and those that were chosen.
fn chosen(tables: Vec<FoundTable>, choices: &[UndoChoice]) -> Vec<UndoTable> {
    tables
        .into_iter()
        .map(|table| UndoTable {
            facts: table.facts,
            sensitive: table.sensitive,
            rows: table
                .rows
                .into_iter()
                .filter_map(|found| {
                    let forced = match &found.conflict {
                        None => false,
                        Some(conflict) if conflict.impossible.is_some() => return None,
                        Some(conflict) => {
                            let wanted = choices.iter().any(|choice| {
                                choice.take_back && (choice.row == found.name || choice.row == ALL)
                            });
                            if !wanted {
                                return None;
                            }
                            conflict.reason == ConflictReason::ChangedSince
                        }
                    };
                    Some(UndoRow {
                        kind: found.row.kind,
                        before: found.row.before,
                        wrote: found.row.after,
                        forced,
                    })
                })
                .collect(),
        })
        .filter(|table| !table.rows.is_empty())
        .collect()
}
