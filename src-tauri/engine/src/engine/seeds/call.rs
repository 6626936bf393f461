//! Profiles that ask the app to write: their plans, and what their requests need.

use super::{Known, read_answered};
use crate::adapters::http::HttpClient;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::observe;
use crate::domain::environment::Tier;
use crate::domain::http::HttpWork;
use crate::domain::plan::{CallStep, CountedTable, Plan, PlannedAnswer, PlannedRequest};
use crate::domain::profile::{Profile, Work};
use crate::domain::{Failure, FailureCode, Finding, Outcome};
use crate::engine::{Engine, Target};
use crate::runner::apply::app::AppJob;

impl Engine {
    /// The step that asks the app, with the tables counted as they are now.
    ///
    /// # Errors
    /// [`FailureCode::ProfileInvalid`] where a table is not there, [`FailureCode::AddressInvalid`] and
    /// [`FailureCode::SecretNeeded`] where the environment lacks what the requests need.
    pub(super) async fn call_step(
        &self,
        target: &Target,
        profile: &str,
        known: (&Profile, &HttpWork),
        files: &str,
        answers: Vec<PlannedAnswer>,
    ) -> Result<CallStep, Failure> {
        let (profile_read, work) = known;
        let (address, _) = self.app_for(target, profile_read, work).await?;
        let schema = &target.connector.address.schema;
        let mut connection = target.connector.open_reading("drydock plan").await?;
        let mut counts = Vec::new();
        for table in &work.counts {
            let own = table.schema.clone().unwrap_or_else(|| schema.clone());
            let counted = target.connector.read(observe::count(&mut connection, &own, &table.name)).await;
            let rows = counted.map_err(|error| {
                let failure = failure(&error);
                Failure::new(
                    FailureCode::ProfileInvalid,
                    format!("{own}.{} could not be counted.", table.name),
                )
                .why(failure.why.unwrap_or(failure.what))
                .unchanged("Nothing was written.")
                .next("Correct `counts` in the profile, or apply the migration that makes the table.")
            })?;
            counts.push(CountedTable { schema: own, name: table.name.clone(), rows });
        }
        let requests =
            work.steps.iter().map(|step| PlannedRequest { name: step.label(), request: step.request() });
        Ok(CallStep {
            profile: profile.to_owned(),
            title: profile_read.title.clone(),
            files: files.to_owned(),
            app: address,
            answers,
            requests: requests.collect(),
            counts,
            repeatable: work.repeatable,
        })
    }

    /// What a run of such a plan works with; refused where profile or environment moved since the plan.
    pub(in crate::engine) async fn app_job(
        &self,
        target: &Target,
        plan: &Plan,
    ) -> Result<Option<AppJob>, Failure> {
        let Some(step) = plan.call() else { return Ok(None) };
        let Known { profile, digest, .. } = read_answered(&step.profile, &step.answers)?;
        let void = |what: &str| {
            Failure::new(FailureCode::PlanVoid, format!("The plan is void: {what} moved since it was made."))
                .unchanged("Nothing was sent.")
                .next("Make a new plan.")
        };
        let Work::Http(work) = &profile.work else { return Err(void("the profile's files")) };
        if digest != step.files {
            return Err(void("the profile's files"));
        }
        let (address, credentials) = self.app_for(target, &profile, work).await?;
        if address != step.app {
            return Err(void("the app's address"));
        }
        let mut values = crate::checks::http::Values::new(credentials, work.steps.iter());
        for answer in &step.answers {
            values = values.with(&answer.name, answer.value.as_deref().unwrap_or_default());
        }
        Ok(Some(AppJob {
            client: HttpClient::new(crate::adapters::http::app_address(&address)?)?,
            steps: work.steps.clone(),
            values,
            counts: step.counts.clone(),
        }))
    }
}

/// What is to be said of a plan whose rows the app writes.
pub(super) fn about_call(work: &HttpWork, tier: Tier) -> Vec<Finding> {
    let mut findings = vec![
        Finding::new(
            "app-decides",
            Outcome::Warn,
            "The app decides what is written: it cannot be tried, and Drydock cannot take it back.",
        )
        .detail("The requests are listed, and the named tables are counted before and after. Only a backup leads back.")
        .destructive(),
    ];
    if !work.repeatable {
        findings.push(
            Finding::new(
                "not-idempotent",
                if tier == Tier::Production { Outcome::Block } else { Outcome::Warn },
                "The profile does not say that a second time changes nothing.",
            )
            .detail("Say `repeatable = true` under `[http]` if the app's requests see to that. On production a profile without it does not run."),
        );
    }
    findings
}
