//! Plans that write a profile's rows.

use super::answers::{hashes, kept, weak};
use super::call::about_call;
use super::{Known, read, read_answered, work};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::tables::{self, Which};
use crate::adapters::postgres::trial;
use crate::domain::environment::Tier;
use crate::domain::identity::IdentityVerdict;
use crate::domain::plan::{PlanPurpose, PlanReview, SeedStep, Step};
use crate::domain::profile::{Mode, Profile, ProfileProblem, TableBlock, Work};
use crate::domain::seed::{AnswerValue, SeedAnswers};
use crate::domain::staging::Staging;
use crate::domain::statement::{Action, ObjectKind};
use crate::domain::{Failure, FailureCode, Finding, Outcome};
use crate::engine::plans::{Draft, identity_changed, no_transaction_pooler};
use crate::engine::status::read_set;
use crate::engine::{Engine, Target};
use crate::planner::seed::reseed::reseeded;
use crate::planner::seed::{Answers, order, policy, prepare};
use crate::planner::sql;
use crate::runner::seed::{ProfileRows, RowWork};
use chrono::Utc;
use std::sync::Arc;

impl Engine {
    /// Makes a plan that writes the rows of a profile. Reads the target, writes nothing.
    ///
    /// # Errors
    /// [`FailureCode::ProfileInvalid`] with file, line, what is wrong and what to do;
    /// [`FailureCode::SeedForbidden`]; or when the target cannot be read.
    pub async fn seed_plan(
        &self,
        target: &Target,
        profile: &str,
        form: SeedAnswers,
    ) -> Result<PlanReview, Failure> {
        no_transaction_pooler(target)?;
        let found = read(profile)?;
        let known = &found.profile;
        let production = target.tier == Tier::Production;
        if let Some(why) = policy::refused(known, target.tier) {
            return Err(Failure::new(
                FailureCode::SeedForbidden,
                format!("{} may not run on {}.", known.title, target.name),
            )
            .why(format!("{why} {} is {}.", target.name, policy::word(target.tier)))
            .unchanged("Nothing was written.")
            .next("Choose another environment, or add the tier under `tiers` in the profile."));
        }
        let scale = scale(known, form.scale)?;
        let typed = self.typed(known, &form)?;
        let mut findings = weak(&typed, production);
        let answers = typed.answers.clone();
        let Known { profile: mut known, digest, .. } = found.with_chosen(&answers)?;
        if form.reseed {
            known.work = reseeded(known.work)?;
        }
        let (mut hashed, passwords) = hashes(typed).await?;
        let observation = self.observe(target).await?;
        if let IdentityVerdict::Different { reasons } = &observation.verdict {
            return Err(identity_changed(reasons));
        }
        let mut step = SeedStep {
            profile: profile.to_owned(),
            title: known.title.clone(),
            files: digest.clone(),
            answers,
            hashes: hashed.clone(),
            scale,
            draw: format!("{}{}", Self::draw_id(), Self::draw_id()),
            now: Utc::now(),
            writes: work(&known, scale),
            reseed: form.reseed,
        };
        if let Work::Sql(files) = &known.work {
            for file in files {
                if let Err(why) = sql::dry_runnable(&sql::analyse(&file.text)) {
                    return Err(Failure::new(
                        FailureCode::ProfileInvalid,
                        format!("{} cannot run in one transaction.", file.file),
                    )
                    .why(why)
                    .unchanged("Nothing was written.")
                    .next("Take that statement out of the script."));
                }
            }
        }
        if let Work::Tables(blocks) = &known.work {
            let answers = Answers::of(&step);
            let staging = self.staging(target, blocks, &answers).await?;
            if !passwords.is_empty() {
                let mut connection = target.connector.open_reading("drydock plan").await?;
                hashed.extend(
                    kept(
                        &mut connection,
                        blocks,
                        &staging,
                        &target.connector.address.schema,
                        &answers,
                        &passwords,
                    )
                    .await
                    .map_err(|error| failure(&error))?,
                );
            }
            step.hashes = hashed;
            findings.extend(about_rows(blocks, &staging, production));
        }
        findings.extend(about_profile(&known, &step, production));
        if production {
            findings.extend(self.stored_administrators(target, form.try_stored).await?);
        }
        let step = match &known.work {
            Work::Http(work) => {
                findings.extend(about_call(work, target.tier));
                let answers = step.answers;
                Step::Call(self.call_step(target, profile, (&known, work), &digest, answers).await?)
            }
            _ => Step::Seed(step),
        };
        let title = if form.reseed { format!("{}, from scratch", known.title) } else { known.title };
        let purpose = PlanPurpose::Seed { profile: profile.to_owned(), title };
        let draft = Draft { files: digest, folder: profile.to_owned(), findings, purpose, work: vec![step] };
        let plan = self.keep_plan(target, draft).await?;
        for answer in &form.answers {
            // The plan holds the hash; the password itself is not needed any more.
            if let AnswerValue::Secret { handle } = &answer.value {
                self.secrets().pending_drop(handle);
            }
        }
        self.plan_review(target, &plan.id).await
    }

    /// Fits blocks to the tables of a target, in the order they are written.
    pub(super) async fn staging(
        &self,
        target: &Target,
        blocks: &[TableBlock],
        answers: &Answers,
    ) -> Result<Vec<Staging>, Failure> {
        let schema = &target.connector.address.schema;
        let names = prepare::tables_named(blocks, schema);
        let mut connection = target.connector.open_reading("drydock plan").await?;
        let found = target
            .connector
            .read(tables::read(&mut connection, Which::Named(&names)))
            .await
            .map_err(|error| failure(&error))?;
        let mut others = Vec::new();
        if found.len() < names.len() {
            let schemas = [schema.clone()];
            let there =
                trial::table_files(&mut connection, &schemas).await.map_err(|error| failure(&error))?;
            others.extend(there.into_iter().map(|table| table.name));
        }
        let tables =
            found.into_iter().map(|table| ((table.schema.clone(), table.name.clone()), table)).collect();
        let mut staging = match prepare::prepare(blocks, &tables, schema, &others, answers) {
            Ok(staging) => staging,
            Err(problems) => return Err(self.unfit(target, problems, &names).await),
        };
        order::order(&mut staging).map_err(|problems| unfit(&problems, None))?;
        Ok(staging)
    }

    /// What is said when a profile does not fit the tables: where a pending migration makes what is missing,
    /// it is named.
    async fn unfit(
        &self,
        target: &Target,
        problems: Vec<ProfileProblem>,
        names: &[(String, String)],
    ) -> Failure {
        let pending = self.pending_makes(target, names).await;
        unfit(&problems, pending)
    }

    async fn pending_makes(&self, target: &Target, names: &[(String, String)]) -> Option<String> {
        target.folder.as_ref()?;
        let set = read_set(target).await.ok()?;
        let observation = self.observe(target).await.ok()?;
        crate::planner::status::pending(&set, &observation.rows).iter().find_map(|file| {
            let script = self.script_of(file)?;
            let makes = script.statements.iter().flat_map(|statement| &statement.effects).any(|effect| {
                effect.action == Action::Create
                    && matches!(effect.kind, ObjectKind::Table | ObjectKind::Column)
                    && names
                        .iter()
                        .any(|(_, table)| effect.name == *table || effect.parent.as_ref() == Some(table))
            });
            makes.then(|| file.name.clone())
        })
    }

    /// The rows of a plan, made again from its profile; refused where the profile's files have moved.
    pub(super) async fn seed_work(&self, target: &Target, step: &SeedStep) -> Result<RowWork, Failure> {
        let known = read_answered(&step.profile, &step.answers)?;
        if known.digest != step.files {
            return Err(Failure::new(
                FailureCode::PlanVoid,
                "The plan is void: the profile's files moved since it was made.",
            )
            .unchanged("Nothing was written.")
            .next("Fill the form again; the new plan is made from the files as they are."));
        }
        let work = if step.reseed { reseeded(known.profile.work)? } else { known.profile.work };
        match work {
            Work::Http(_) => {
                Err(Failure::new(FailureCode::NothingToDo, "The app writes the rows, not Drydock."))
            }
            Work::Sql(files) => Ok(RowWork::Scripts(
                files
                    .into_iter()
                    .map(|file| {
                        let script = Arc::new(sql::analyse(&file.text));
                        (file, script)
                    })
                    .collect(),
            )),
            Work::Tables(blocks) => {
                let answers = Answers::of(step);
                let staging = self.staging(target, &blocks, &answers).await?;
                Ok(RowWork::Profile(ProfileRows {
                    never_settles: policy::never_settles(&blocks),
                    schema: target.connector.address.schema.clone(),
                    staging,
                    answers,
                    blocks,
                }))
            }
        }
    }
}

fn scale(profile: &Profile, wanted: Option<u32>) -> Result<u32, Failure> {
    match (profile.scale, wanted) {
        (None, None | Some(1)) => Ok(1),
        (None, Some(_)) => Err(Failure::new(FailureCode::ProfileInvalid, "The profile has no scale.")
            .unchanged("Nothing was written.")
            .next("Leave the scale out.")),
        (Some(scale), None) => Ok(scale.default),
        (Some(scale), Some(wanted)) if wanted >= 1 && wanted <= scale.max => Ok(wanted),
        (Some(scale), Some(_)) => Err(Failure::new(
            FailureCode::ProfileInvalid,
            format!("The scale must be from 1 to {}.", scale.max),
        )
        .unchanged("Nothing was written.")
        .next("Choose another scale.")),
    }
}

fn unfit(problems: &[ProfileProblem], pending: Option<String>) -> Failure {
    let lines: Vec<String> = problems
        .iter()
        .take(20)
        .map(|problem| {
            format!("{}, line {}: {} {}", problem.at.file, problem.at.line, problem.what, problem.next)
        })
        .collect();
    let failure = Failure::new(FailureCode::ProfileInvalid, "The profile does not fit this database.")
        .why(lines.join("\n"))
        .unchanged("Nothing was written.");
    match pending {
        Some(migration) => failure.next(format!(
            "The migration {migration} makes it and is still waiting here: apply it first, then seed."
        )),
        None => failure.next("Correct the profile, or apply the migration that makes what is missing."),
    }
}

/// What is to be said of how rows are written.
fn about_rows(blocks: &[TableBlock], staging: &[Staging], production: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for staging in staging {
        let name = staging.table.qualified();
        if staging.mode == Mode::Replace {
            findings.push(
                Finding::new(
                    "replace",
                    Outcome::Warn,
                    format!("Every row of {name} that is not in the profile is deleted."),
                )
                .detail("The dry run shows each of them, and the run keeps them for the way back.")
                .destructive(),
            );
        }
        if !staging.table.is_unique(&staging.key) {
            findings.push(
                Finding::new(
                    "key-not-unique",
                    Outcome::Warn,
                    format!("No unique index covers {} of {name}.", staging.key.join(", ")),
                )
                .detail("Two writers could both add the same row, so other writers of the table wait while the seed runs."),
            );
        }
    }
    let again = policy::never_settles(blocks);
    if !again.is_empty() {
        findings.push(
            Finding::new(
                "not-idempotent",
                if production { Outcome::Block } else { Outcome::Warn },
                format!("Every run would write other values: {}.", again.join(", ")),
            )
            .detail("Say `on = \"insert\"` for these columns, or take another key. On production such a profile does not run."),
        );
    }
    findings
}

fn about_profile(profile: &Profile, step: &SeedStep, production: bool) -> Vec<Finding> {
    if !production {
        return Vec::new();
    }
    let answer = |name: &str| step.answers.iter().find(|answer| answer.name == name)?.value.clone();
    policy::test_accounts(profile, answer)
}
