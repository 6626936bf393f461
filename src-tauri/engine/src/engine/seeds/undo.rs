//! The way back: what a run's rows are now, which of them can simply be taken back, which are asked about.

mod looked;
mod told;
mod used;

use crate::adapters::changes::{self, ChangeReader};
use crate::adapters::postgres::capture::PINNED;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::send;
use crate::adapters::postgres::tables::{self, Which};
use crate::adapters::store::StoredChanges;
use crate::domain::identity::IdentityVerdict;
use crate::domain::migration::hex;
use crate::domain::plan::{PlanPurpose, PlanReview, Step, UndoStep};
use crate::domain::run::Run;
use crate::domain::seed::{UndoChoice, UndoReview, UndoState};
use crate::domain::{Failure, FailureCode};
use crate::engine::plans::{Draft, identity_changed, no_transaction_pooler};
use crate::engine::{Engine, Target};
use crate::runner::seed::{RowWork, UndoRows, in_order};
use chrono::Utc;
use looked::{FoundTable, Looked, chosen, compare, fits};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use told::tell;
use used::used;

/// Most conflicts that are told one by one.
const MOST_CONFLICTS: usize = 500;

/// A run whose rows may be taken back.
struct Taken {
    run: Run,
    stored: StoredChanges,
    reader: ChangeReader,
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
        let looked = self.look_at(target, taken, MOST_CONFLICTS).await?;
        let count = |rows: usize| u32::try_from(rows).unwrap_or(u32::MAX);
        let (rows, asked) = (looked.rows(), looked.asked().count());
        review.changes = count(rows);
        review.untouched = count(rows - asked);
        review.conflicts_total = count(asked);
        review.conflicts = looked.told;
        review.refused = looked.refused;
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
        if !made_for.is_same_database(seen) {
            return Err(Failure::new(
                FailureCode::IdentityChanged,
                "This is not the database that the run wrote to.",
            )
            .why(format!("It wrote to id {}; this is id {}.", made_for.short(), seen.short()))
            .unchanged("Nothing was written.")
            .next("Open the environment that the run belongs to."));
        }
        let mut looked = self.look_at(target, taken, 0).await?;
        for choice in choices.iter().filter(|choice| choice.take_back) {
            if let Some(why) = looked.cannot(&choice.row)? {
                return Err(Failure::new(FailureCode::UndoRefused, "A chosen row cannot be taken back.")
                    .why(why)
                    .unchanged("Nothing was written.")
                    .next("Keep that row as it is now."));
            }
        }
        let (tables, _) = chosen(looked, &choices);
        let rows: usize = tables.iter().map(|table| table.rows.len()).sum();
        if rows == 0 {
            return Err(Failure::new(FailureCode::NothingToDo, "No row would be taken back.")
                .unchanged("Nothing was written.")
                .next("Every row of the run has moved since; choose those to take back all the same."));
        }
        let step =
            UndoStep { run_id: run.id.clone(), choices, rows: u32::try_from(rows).unwrap_or(u32::MAX) };
        let draft = Draft {
            files: self.undo_digest(run_id).await?,
            folder: format!("run {}", run.number),
            findings: Vec::new(),
            purpose: PlanPurpose::Undo { run_id: run.id, run_number: run.number, run_title: run.title },
            work: vec![Step::Undo(step)],
        };
        let plan = self.keep_plan(target, draft).await?;
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
        let looked = self.look_at(target, taken, 0).await?;
        let (mut tables, reader) = chosen(looked, &step.choices);
        in_order(&mut tables);
        Ok(RowWork::Undo(UndoRows::new(tables, reader)))
    }

    /// Compares every row of a run with what is there now, and tells the first `most` of those asked about.
    async fn look_at(&self, target: &Target, taken: Taken, most: usize) -> Result<Looked, Failure> {
        let mut connection = target.connector.open_reading("drydock undo").await?;
        let read = |error: sqlx::Error| failure(&error);
        send(&mut connection, format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {PINNED}"))
            .await
            .map_err(read)?;
        let Taken { stored, mut reader, .. } = taken;
        let names: Vec<(String, String)> =
            reader.tables().iter().map(|table| (table.schema.clone(), table.name.clone())).collect();
        let facts = tables::read(&mut connection, Which::Named(&names)).await.map_err(read)?;
        let oids: Vec<u32> = facts.iter().map(|facts| facts.oid).collect();
        let referring = tables::read(&mut connection, Which::Referring(&oids)).await.map_err(read)?;
        let (mut tables, mut refused) = (Vec::new(), Vec::new());
        for (place, (schema, name)) in names.iter().enumerate() {
            let Some(changes) =
                stored.changes.tables.iter().find(|table| table.table == format!("{schema}.{name}"))
            else {
                continue;
            };
            if changes.inserted + changes.updated + changes.deleted == 0 && changes.unknown.is_none() {
                continue;
            }
            match fits(&reader, place, changes, &facts) {
                Err(why) => refused.push(format!("{}: {why}", changes.table)),
                Ok(facts) => {
                    let sensitive = changes
                        .columns
                        .iter()
                        .filter(|column| column.sensitive)
                        .map(|column| column.name.clone());
                    let rows = compare(&mut connection, &mut reader, place, &facts).await?;
                    tables.push(FoundTable { place, facts, sensitive: sensitive.collect(), rows });
                }
            }
        }
        let (used_by, told) = (BTreeMap::new(), Vec::new());
        let mut looked = Looked { reader, tables, referring, refused, used_by, told };
        used(&mut connection, &mut looked, most).await?;
        tell(&mut connection, &mut looked).await?;
        Ok(looked)
    }
}
