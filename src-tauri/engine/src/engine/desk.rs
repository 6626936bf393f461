//! The release desk: evidence gathered, people's words kept, the apply let through or not.

use super::status::read_set;
use super::{ApplyOptions, Engine, Observation, Target};
use crate::adapters::files::{checklists, operator, operator_name};
use crate::domain::checklist::Checklist;
use crate::domain::desk::{
    Desk, DeskAction, DeskNext, Freeze, PersonTick, Release, ReleaseKind, Saying, Sealed, Stage,
};
use crate::domain::drift::DriftReport;
use crate::domain::migration::MigrationStatus;
use crate::domain::plan::{Confirmation, PlanPurpose, PlanReview};
use crate::domain::run::{Run, RunKind, RunStatus};
use crate::domain::verification::Verification;
use crate::domain::{Failure, FailureCode};
use crate::planner::checklist;
use crate::planner::desk::{self as planning, Applied, Around, Known, OpenRun, Seen};
use crate::planner::restore_point::{self, Cover};
use chrono::{DateTime, Utc};

/// Longest name of a person, characters.
const LONGEST_NAME: usize = 80;
/// Longest note, characters.
const LONGEST_NOTE: usize = 1_000;
/// Shortest reason for putting a release away, characters.
const SHORTEST_REASON: usize = 8;

/// Everything that was gathered for a desk.
struct Gathered {
    release: Release,
    frozen: Option<Freeze>,
    seen: Result<Seen, Failure>,
    open: Vec<OpenRun>,
    status: Option<Result<MigrationStatus, Failure>>,
    drift: Option<DriftReport>,
    last_apply: Option<DateTime<Utc>>,
    plan: Option<PlanReview>,
    cover: Option<Cover>,
    applied: Option<Applied>,
    checks: Result<Option<Verification>, Failure>,
    lists: Vec<Checklist>,
    broken: Vec<String>,
    now: DateTime<Utc>,
}

impl Gathered {
    fn known<'a>(&'a self, target: &'a Target) -> Known<'a> {
        Known {
            name: &target.name,
            tier: target.tier,
            release: &self.release,
            frozen: self.frozen.as_ref(),
            seen: self.seen.as_ref(),
            open: &self.open,
            status: self.status.as_ref().map(Result::as_ref),
            drift: self.drift.as_ref(),
            last_apply: self.last_apply,
            plan: self.plan.as_ref(),
            cover: self.cover.as_ref(),
            applied: self.applied.as_ref(),
            checks: self.checks.as_ref().map(Option::as_ref),
            lists: &self.lists,
            broken: &self.broken,
            now: self.now,
        }
    }
}

impl Engine {
    /// The desk of a stored environment, also where its secret is not at hand: then what needs it is unknown.
    ///
    /// # Errors
    /// When the environment or the console's own store cannot be read.
    pub async fn desk(&self, environment_id: &str) -> Result<Desk, Failure> {
        match self.target(environment_id).await {
            Ok(target) => {
                let observed = self.observe(&target).await;
                self.desk_with(&target, observed).await
            }
            Err(failure) if failure.code == FailureCode::EnvironmentUnknown => Err(failure),
            Err(failure) => {
                let target = Target::bare(self.environment(environment_id).await?);
                self.desk_with(&target, Err(failure)).await
            }
        }
    }

    async fn desk_with(
        &self,
        target: &Target,
        observed: Result<Observation, Failure>,
    ) -> Result<Desk, Failure> {
        let id = target.environment_id().unwrap_or_default();
        let around = Around {
            own_checklists: checklists::own_folder(self.store().folder()).display().to_string(),
            operator: operator_name().unwrap_or_default(),
            earlier: self.store().earlier_releases(&id).await?,
        };
        let Some(release) = self.store().release(&id).await? else {
            let frozen = self.frozen(target).await?;
            let status = self.status_for(target, &observed).await;
            let (headline, lead, next) = nothing_released(target, status.as_ref());
            return Ok(planning::empty(headline, lead, next, frozen, around, Utc::now()));
        };
        let gathered = self.gather(target, release, observed).await?;
        Ok(planning::desk(&gathered.known(target), around))
    }

    async fn status_for(
        &self,
        target: &Target,
        observed: &Result<Observation, Failure>,
    ) -> Option<Result<MigrationStatus, Failure>> {
        target.folder.as_ref()?;
        let set = match read_set(target).await {
            Ok(set) => set,
            Err(failure) => return Some(Err(failure)),
        };
        Some(match observed {
            Ok(observation) => self.status_of(&set, observation),
            Err(failure) => Err(failure.clone()),
        })
    }

    async fn gather(
        &self,
        target: &Target,
        release: Release,
        observed: Result<Observation, Failure>,
    ) -> Result<Gathered, Failure> {
        let id = release.environment_id.clone();
        let status = self.status_for(target, &observed).await;
        let mut open = Vec::new();
        for run in self.store().open_runs(Some(&id), &target.name).await? {
            let plan_id = self.store().run(&run.id).await?.plan_id;
            open.push(OpenRun { run, plan_id });
        }
        let (mut plan, mut cover, mut applied) = (None, None, None);
        if let Some(plan_id) = &release.plan_id {
            let review = self.plan_review(target, plan_id).await?;
            let backups = self.backups_at_hand(&target.key()).await.unwrap_or_default();
            let dry_run = review.dry_run.as_ref();
            cover = Some(restore_point::judge(&review.plan, dry_run, &backups, Utc::now()));
            applied = self.store().newest_apply(plan_id).await?.map(applied_of);
            plan = Some(review);
        }
        let (lists, broken) = self.checklists();
        let now = Utc::now();
        Ok(Gathered {
            frozen: self.frozen(target).await?,
            seen: observed.map(|observation| seen(&observation)),
            open,
            status,
            drift: self.store().reading::<DriftReport>(&id, "drift").await?,
            last_apply: self.store().last_apply(&id).await?.map(|(at, ..)| at),
            plan,
            cover,
            applied,
            checks: self.last_checks(target).await,
            lists,
            broken,
            release,
            now,
        })
    }

    /// The checklists, and what cannot be read of them.
    fn checklists(&self) -> (Vec<Checklist>, Vec<String>) {
        let (mut lists, mut broken) = (Vec::new(), Vec::new());
        for file in checklists::all(self.store().folder()) {
            match file.text.and_then(|text| checklist::read(&file.id, &text)) {
                Ok(list) => lists.push(list),
                Err(why) => broken.push(format!("{}.toml: {why}", file.id.trim_start_matches("own/"))),
            }
        }
        (lists, broken)
    }

    /// Begins a release: of the pending migrations, or of a plan that was made elsewhere.
    ///
    /// # Errors
    /// [`FailureCode::ReleaseRefused`] where one is on the desk, or the plan is of a kind that is not released;
    /// [`FailureCode::Store`].
    pub async fn desk_begin(&self, environment_id: &str, plan_id: Option<&str>) -> Result<Desk, Failure> {
        let target = Target::bare(self.environment(environment_id).await?);
        let kind = match plan_id {
            None => ReleaseKind::Migrations,
            Some(plan_id) => self.released_by(environment_id, plan_id).await?,
        };
        let mut release = Release {
            id: Self::draw_id(),
            number: 0,
            environment_id: environment_id.to_owned(),
            kind,
            begun_at: Utc::now(),
            begun_by: operator(),
            ended_at: None,
            put_away: None,
            plan_id: plan_id.map(str::to_owned),
            said: Vec::new(),
            sealed: None,
        };
        self.store().begin_release(&mut release).await?;
        self.audit(&target, "begin release", "", &format!("release {}", release.number)).await?;
        self.desk(environment_id).await
    }

    async fn released_by(&self, environment_id: &str, plan_id: &str) -> Result<ReleaseKind, Failure> {
        let refused = |what: &str| {
            Failure::new(FailureCode::ReleaseRefused, what)
                .unchanged("No release was begun.")
                .next("Take a plan of pending migrations or of a seed to the desk; apply others on their own screen.")
        };
        let plan = self.store().plan(plan_id).await?;
        if plan.environment_id.as_deref() != Some(environment_id) {
            return Err(refused("The plan is for another environment."));
        }
        match plan.purpose {
            PlanPurpose::ApplyPending => Ok(ReleaseKind::Migrations),
            PlanPurpose::Seed { .. } if plan.writes_rows() => Ok(ReleaseKind::Seed),
            PlanPurpose::Seed { .. } => {
                Err(refused("What the app writes cannot be tried, so the desk has no dry run for it."))
            }
            _ => Err(refused("This plan is no release.")),
        }
    }

    /// Makes the plan of the release on the desk, or a new one in its place.
    ///
    /// # Errors
    /// As [`Engine::plan_create`]; [`FailureCode::ReleaseRefused`] where nothing, or a seed, is released.
    pub async fn desk_plan(&self, environment_id: &str) -> Result<Desk, Failure> {
        let release = self.release_on_desk(environment_id).await?;
        if release.kind == ReleaseKind::Seed {
            return Err(Failure::new(FailureCode::ReleaseRefused, "A seed is planned from its form.")
                .unchanged("The release keeps its plan.")
                .next("Put this release away, fill in the form again, and take the new plan to the desk."));
        }
        if let Some(plan_id) = &release.plan_id
            && let Some(run) = self.store().newest_apply(plan_id).await?
            && !over(run.status)
        {
            return Err(Failure::new(
                FailureCode::ReleaseRefused,
                format!("Run {} applied the plan of this release, or is at it.", run.number),
            )
            .unchanged("The release keeps its plan.")
            .next("End this release, or put it away; what waits then is the next one."));
        }
        let target = self.target(environment_id).await?;
        let review = self.plan_create(&target, PlanPurpose::ApplyPending).await?;
        let planned = |now: &mut Release| now.plan_id = Some(review.plan.id);
        if !self.change_seen(environment_id, (&release.id, release.plan_id.as_deref()), planned).await? {
            return Err(changed_meanwhile().unchanged("The release is as they left it."));
        }
        self.desk(environment_id).await
    }

    /// Changes the release on the desk if it still is the one that was seen, with the same plan. `false`: it is not,
    /// and nothing was changed.
    async fn change_seen(
        &self,
        environment_id: &str,
        (id, plan_id): (&str, Option<&str>),
        change: impl FnOnce(&mut Release) + Send,
    ) -> Result<bool, Failure> {
        let mut fits = false;
        self.store()
            .change_release(environment_id, |release| {
                fits = release.id == id && release.plan_id.as_deref() == plan_id;
                if fits {
                    change(release);
                }
            })
            .await?;
        Ok(fits)
    }

    async fn release_on_desk(&self, environment_id: &str) -> Result<Release, Failure> {
        self.store().release(environment_id).await?.ok_or_else(|| {
            Failure::new(FailureCode::ReleaseRefused, "There is no release on the desk.")
                .unchanged("Nothing was changed.")
                .next("Begin one on the release desk.")
        })
    }

    /// A person says that an item is so, of the release and the plan that they saw.
    ///
    /// # Errors
    /// [`FailureCode::ReleaseRefused`] where it is not theirs to say, not now, or of another plan than the one on the
    /// desk; [`FailureCode::SettingInvalid`] without a name.
    pub async fn desk_say(&self, environment_id: &str, saying: Saying) -> Result<Desk, Failure> {
        let Saying { item, name, note, release_id, plan_id } = saying;
        let name = name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(Failure::new(FailureCode::SettingInvalid, "Somebody has to stand for it by name.")
                .why(format!("A name has 1 to {LONGEST_NAME} visible characters."))
                .unchanged("The item is as it was.")
                .next("Type your name."));
        }
        let target = self.target_or_bare(environment_id).await?;
        let release = self.release_on_desk(environment_id).await?;
        let observed = self.observe(&target).await;
        let gathered = self.gather(&target, release, observed).await?;
        planning::may_say(&gathered.known(&target), &item).map_err(|why| {
            Failure::new(FailureCode::ReleaseRefused, "This cannot be said now.")
                .why(why)
                .unchanged("The item is as it was.")
                .next("Read the desk again.")
        })?;
        let note = note.as_deref().map(str::trim).filter(|note| !note.is_empty());
        let said = PersonTick {
            item: item.clone(),
            name: name.to_owned(),
            note: note.map(|note| note.chars().take(LONGEST_NOTE).collect()),
            at: Utc::now(),
            plan_id,
        };
        let plan_id = said.plan_id.clone();
        let push = |release: &mut Release| release.said.push(said);
        if !self.change_seen(environment_id, (&release_id, plan_id.as_deref()), push).await? {
            return Err(Failure::new(FailureCode::ReleaseRefused, "This was said of another plan.")
                .why("The release on the desk, or its plan, is not the one that was on the screen.")
                .unchanged("The item is as it was.")
                .next("Read the desk again, and look at its plan before you say so."));
        }
        self.audit(&target, "say", "", &format!("{item}: {name}")).await?;
        self.desk(environment_id).await
    }

    /// Takes back what was said of an item.
    ///
    /// # Errors
    /// [`FailureCode::ReleaseRefused`] where nothing is released; [`FailureCode::Store`].
    pub async fn desk_unsay(&self, environment_id: &str, item: &str) -> Result<Desk, Failure> {
        let target = Target::bare(self.environment(environment_id).await?);
        self.store()
            .change_release(environment_id, |release| release.said.retain(|said| said.item != item))
            .await?;
        self.audit(&target, "unsay", "", item).await?;
        self.desk(environment_id).await
    }

    /// Applies the plan on the desk, if every stage before the apply is through. The restore point alone may be
    /// missing for a typed reason, which is kept on record.
    ///
    /// # Errors
    /// [`FailureCode::ReleaseRefused`] naming the stage and the item; as [`Engine::start_apply`].
    pub async fn desk_apply(&self, environment_id: &str, confirmation: Confirmation) -> Result<Run, Failure> {
        let target = self.target(environment_id).await?;
        let release = self.release_on_desk(environment_id).await?;
        let refused =
            |what: String| Failure::new(FailureCode::ReleaseRefused, what).unchanged("Nothing was written.");
        let Some(plan_id) = release.plan_id.clone() else {
            return Err(refused("There is no plan on the desk.".to_owned()).next("Make the plan first."));
        };
        let observed = self.observe(&target).await;
        let gathered = self.gather(&target, release, observed).await?;
        if gathered.applied.as_ref().is_some_and(|run| !over(run.status)) {
            return Err(refused("The plan is applied already, or a run of it is at work.".to_owned())
                .next("Read the desk again; it tells which run."));
        }
        let known = gathered.known(&target);
        let stages = planning::stages(&known);
        let reason = confirmation.override_reason.as_deref().unwrap_or_default();
        let reasoned = reason.trim().chars().count() >= SHORTEST_REASON;
        if let Some((stage, item)) = planning::closed(&known, &stages, reasoned) {
            return Err(refused(format!("The stage \"{}\" is not through.", stage.title))
                .why(format!("{}: {}", item.title, item.text))
                .next("Settle it on the release desk; what is not known does not count as settled."));
        }
        let run_id = Self::draw_id();
        let sealed = Sealed {
            at: Utc::now(),
            plan_id: plan_id.clone(),
            run_id: Some(run_id.clone()),
            stages: stages.into_iter().filter(|stage| stage.stage < Stage::Apply).collect(),
        };
        // Before the run, so that nothing about it can fail once it writes; taken back where it does not start.
        let mut before = None;
        let seal = |release: &mut Release| before = release.sealed.replace(sealed);
        if !self.change_seen(environment_id, (&gathered.release.id, Some(&plan_id)), seal).await? {
            return Err(changed_meanwhile().unchanged("Nothing was written."));
        }
        let options = ApplyOptions::default();
        let started = self.start_apply_as(run_id.clone(), &target, &plan_id, confirmation, options).await;
        if started.is_err() {
            let take_back = self.store().change_release(environment_id, |release| {
                if release.sealed.as_ref().is_some_and(|sealed| sealed.run_id.as_ref() == Some(&run_id)) {
                    release.sealed = before;
                }
            });
            if let Err(failure) = take_back.await {
                tracing::error!(code = %failure.code, "the seal of a release could not be taken back");
            }
        }
        started
    }

    /// Ends the release on the desk, as through, or put away before for a reason.
    ///
    /// # Errors
    /// [`FailureCode::ReleaseRefused`] where it is not through and no reason is given, or a run of it is at work.
    pub async fn desk_end(&self, environment_id: &str, put_away: Option<&str>) -> Result<Desk, Failure> {
        let target = self.target_or_bare(environment_id).await?;
        let release = self.release_on_desk(environment_id).await?;
        let seen = (release.id.clone(), release.plan_id.clone());
        let refused = |what: &str| {
            Failure::new(FailureCode::ReleaseRefused, what).unchanged("It is still on the desk.")
        };
        if let Some(reason) = put_away {
            if reason.trim().chars().count() < SHORTEST_REASON {
                return Err(refused("Putting a release away needs a reason.")
                    .next("Type why, in eight characters or more; it is kept on record."));
            }
            let open = self.store().open_runs(Some(environment_id), &target.name).await?;
            if let Some(run) = open.iter().find(|run| matches!(run.kind, RunKind::Apply | RunKind::DryRun)) {
                return Err(refused(&format!("Run {} is at work, or its outcome is not known.", run.number))
                    .next("Wait for it, cancel it, or see what became of it."));
            }
        } else {
            let observed = self.observe(&target).await;
            let gathered = self.gather(&target, release, observed).await?;
            let around =
                Around { own_checklists: String::new(), operator: String::new(), earlier: Vec::new() };
            let desk = planning::desk(&gathered.known(&target), around);
            if desk.next.action != DeskAction::End {
                return Err(refused("The release is not through.")
                    .why(desk.headline)
                    .next("Settle what is open, or put the release away with a reason."));
            }
        }
        let reason = put_away.map(|reason| reason.trim().chars().take(LONGEST_NOTE).collect::<String>());
        let outcome = reason.clone().unwrap_or_else(|| "through".to_owned());
        let end = |release: &mut Release| {
            release.ended_at = Some(Utc::now());
            release.put_away = reason;
        };
        if !self.change_seen(environment_id, (&seen.0, seen.1.as_deref()), end).await? {
            return Err(changed_meanwhile().unchanged("It is still on the desk."));
        }
        self.audit(&target, "end release", "", &outcome).await?;
        self.desk(environment_id).await
    }

    async fn target_or_bare(&self, environment_id: &str) -> Result<Target, Failure> {
        match self.target(environment_id).await {
            Ok(target) => Ok(target),
            Err(failure) if failure.code == FailureCode::EnvironmentUnknown => Err(failure),
            Err(_) => Ok(Target::bare(self.environment(environment_id).await?)),
        }
    }
}

fn changed_meanwhile() -> Failure {
    Failure::new(FailureCode::ReleaseRefused, "Somebody changed the release on the desk meanwhile.")
        .next("Read the desk again.")
}

/// It ended and left the plan unapplied.
fn over(status: RunStatus) -> bool {
    matches!(status, RunStatus::Failed | RunStatus::Cancelled)
}

fn seen(observation: &Observation) -> Seen {
    let facts = &observation.facts;
    Seen {
        verdict: observation.verdict.clone(),
        identity: observation.identity.short(),
        round_trip_ms: observation.round_trip_ms,
        in_recovery: facts.in_recovery,
        blocked: facts.blocked_sessions,
        long: facts
            .long_transactions
            .iter()
            .map(|session| (session.pid, session.application.clone(), session.seconds))
            .collect(),
        hidden: facts.hidden_sessions,
        at: observation.read_at,
    }
}

fn applied_of(run: Run) -> Applied {
    Applied {
        id: run.id,
        number: run.number,
        status: run.status,
        started_at: run.started_at,
        ended_at: run.ended_at,
        why: run.failure.map(|failure| failure.what),
    }
}

/// The words of a desk without a release.
fn nothing_released(
    target: &Target,
    status: Option<&Result<MigrationStatus, Failure>>,
) -> (String, String, DeskNext) {
    let step = |action, title: &str, detail: &str, button: &str| DeskNext {
        action,
        title: title.to_owned(),
        detail: detail.to_owned(),
        button: button.to_owned(),
        subject: None,
    };
    let seeds = "A seed comes here from its plan.";
    match status {
        Some(Ok(status)) if !status.next_apply.is_empty() => {
            let waiting = match status.next_apply.len() {
                1 => "1 migration waits".to_owned(),
                count => format!("{count} migrations wait"),
            };
            (
                format!("{waiting} for {}. No release is on the desk.", target.name),
                format!("The desk leads from the first check to the watch after the apply. {seeds}"),
                step(
                    DeskAction::Begin,
                    "Begin a release of the pending migrations.",
                    "Nothing is written by that. You can put it away at any time.",
                    "Begin the release",
                ),
            )
        }
        Some(Ok(_)) => (
            "No release is on the desk, and no migration waits.".to_owned(),
            seeds.to_owned(),
            step(DeskAction::Nothing, "Nothing has to be done.", "Reads only.", "Read again"),
        ),
        Some(Err(failure)) => (
            "What waits to be released is not known.".to_owned(),
            failure.what.clone(),
            step(
                DeskAction::OpenMigrations,
                "See why the migrations cannot be read.",
                "Nothing is written.",
                "Open the migrations",
            ),
        ),
        None => (
            "No migrations folder is chosen for this environment.".to_owned(),
            format!("The desk releases pending migrations. {seeds}"),
            step(
                DeskAction::OpenMigrations,
                "Choose the migrations folder.",
                "The folder itself, or the project's root. Nothing is written.",
                "Open the migrations",
            ),
        ),
    }
}
