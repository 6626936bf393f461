//! Taking a swap back: the database from before gets its name again, and the present one is kept under another.

use super::around::{free_of, joined};
use super::findings::exchanging;
use super::ways::closed_exchange;
use super::words::at;
use crate::adapters::postgres::databases;
use crate::adapters::postgres::failure::failure;
use crate::domain::backup::{RestoreStep, SwapBackStep};
use crate::domain::plan::{PlanPurpose, PlanReview, Step};
use crate::domain::run::{RunKind, RunStatus};
use crate::domain::{Failure, FailureCode};
use crate::engine::plans::{Draft, no_transaction_pooler};
use crate::engine::{Engine, Target};
use crate::runner::backup::beside::outside;
use chrono::Local;

impl Engine {
    /// Plans to take the swap of a restore back.
    ///
    /// # Errors
    /// [`FailureCode::RestoreRefused`] where the run swapped nothing here, where the database from before is not there
    /// any more, or where this login may not exchange the names; when the target cannot be read.
    pub async fn swap_back_plan(&self, target: &Target, run_id: &str) -> Result<PlanReview, Failure> {
        no_transaction_pooler(target)?;
        let run = self.store().run(run_id).await?;
        let swap = self.store().plan(&run.plan_id).await?;
        let got_in = run.kind == RunKind::Apply && run.status == RunStatus::Succeeded;
        let here = run.environment_id == target.environment_id();
        let kept = swap.restore().and_then(RestoreStep::kept_as).filter(|_| got_in && here);
        let kept =
            kept.ok_or_else(|| refused(format!("Run {} swapped no databases here.", run.number)))?.to_owned();
        let connector = &target.connector;
        let mut connection = connector.open("drydock restore").await?;
        let (identity, _, _) = self.fingerprint_now(target, String::new()).await?;
        let seen = connector
            .read(databases::surroundings(&mut connection))
            .await
            .map_err(|error| failure(&error))?;
        let there = connector.read(databases::all(&mut connection)).await.map_err(|error| failure(&error))?;
        let (name, kept_oid) = (swap.identity.database.clone(), swap.identity.database_oid);
        if identity.database != name || identity.system_identifier != swap.identity.system_identifier {
            return Err(refused(format!("Run {} was on another database or server.", run.number)));
        }
        if identity.database_oid == kept_oid {
            return Err(refused(format!("It is taken back already: {name} is the one from before.")));
        }
        if !there.iter().any(|found| found.name == kept && found.oid == kept_oid) {
            return Err(refused(format!("The database {kept} is not there any more, or it is another one.")));
        }
        if let Some(closed) = closed_exchange(&seen, &name) {
            return Err(refused(closed));
        }
        outside(connector, "drydock look").await?.close().await;
        let end = Local::now().format("_restored_%Y%m%d_%H%M").to_string();
        let away = free_of(&seen.databases, &joined(&name, &end));
        let since = run.ended_at.map_or_else(|| "the restore".to_owned(), at);
        let late =
            format!("Rows written since {since} are not in the database from before; they stay in {away}.");
        let findings = exchanging(late, &seen.sessions);
        let purpose = PlanPurpose::SwapBack { run_id: run.id.clone(), kept: kept.clone() };
        let step = SwapBackStep { run_id: run.id, run_number: run.number, name, kept, kept_oid, away };
        let work = vec![Step::SwapBack(step)];
        let draft = Draft { files: String::new(), folder: String::new(), findings, purpose, work };
        let plan = self.keep_plan(target, draft).await?;
        self.plan_review(target, &plan.id).await
    }
}

fn refused(why: String) -> Failure {
    Failure::new(FailureCode::RestoreRefused, "The swap cannot be taken back.")
        .why(why)
        .unchanged("Nothing was changed.")
        .next("Add the database from before as an environment to look at it, or restore a backup.")
}
