//! The release desk, computed: from what is known of a target and of a release to its stages and the one next step.

mod evidence;
mod next;

use crate::domain::Failure;
use crate::domain::checklist::{Bound, Checklist, ChecklistItem};
use crate::domain::desk::{
    Desk, DeskCheck, DeskItem, DeskLink, DeskNext, DeskStage, DeskState, Freeze, PersonTick, Release, Sealed,
    Stage,
};
use crate::domain::drift::DriftReport;
use crate::domain::environment::Tier;
use crate::domain::identity::IdentityVerdict;
use crate::domain::migration::MigrationStatus;
use crate::domain::plan::{PlanPurpose, PlanReview};
use crate::domain::run::{RunStatus, RunSummary};
use crate::domain::verification::Verification;
use crate::planner::restore_point::Cover;
use chrono::{DateTime, Duration, Utc};

/// A comparison of the live schema counts for this long, hours.
pub const DRIFT_GOOD_HOURS: i64 = 24;

/// What one look at the target told.
pub struct Seen {
    /// How the target compares with its pin.
    pub verdict: IdentityVerdict,
    /// Short identity.
    pub identity: String,
    /// Milliseconds of one round trip.
    pub round_trip_ms: f64,
    /// It is a standby.
    pub in_recovery: bool,
    /// Sessions that wait for a lock.
    pub blocked: u32,
    /// Transactions open for long, longest first: process id, application and seconds.
    pub long: Vec<(i32, String, f64)>,
    /// Sessions that may not be looked at.
    pub hidden: u32,
    /// When.
    pub at: DateTime<Utc>,
}

/// A run that has not ended, and its plan.
pub struct OpenRun {
    /// The run.
    pub run: RunSummary,
    /// Its plan.
    pub plan_id: String,
}

/// The newest apply of the plan.
pub struct Applied {
    /// Run.
    pub id: String,
    /// Its number.
    pub number: u32,
    /// How it stands.
    pub status: RunStatus,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it did not get through.
    pub why: Option<String>,
}

/// Everything the desk stands on.
pub struct Known<'a> {
    /// Name of the environment.
    pub name: &'a str,
    /// Its tier.
    pub tier: Tier,
    /// The release.
    pub release: &'a Release,
    /// Whether writes are frozen.
    pub frozen: Option<&'a Freeze>,
    /// The look at the target.
    pub seen: Result<&'a Seen, &'a Failure>,
    /// Runs that have not ended.
    pub open: &'a [OpenRun],
    /// Files and ledger; `None`: no folder is chosen.
    pub status: Option<Result<&'a MigrationStatus, &'a Failure>>,
    /// The newest comparison of the schema.
    pub drift: Option<&'a DriftReport>,
    /// When the newest apply of any plan on the environment ended, or began where it did not end.
    pub last_apply: Option<DateTime<Utc>>,
    /// The plan as it stands now.
    pub plan: Option<&'a PlanReview>,
    /// What the backups say of it.
    pub cover: Option<&'a Cover>,
    /// Its newest apply.
    pub applied: Option<&'a Applied>,
    /// The checks as they were read last; `None`: none is set up.
    pub checks: Result<Option<&'a Verification>, &'a Failure>,
    /// Checklists that could be read.
    pub lists: &'a [Checklist],
    /// Checklists that could not, and why.
    pub broken: &'a [String],
    /// Now.
    pub now: DateTime<Utc>,
}

impl Known<'_> {
    /// When the plan was applied to its end.
    fn done_at(&self) -> Option<DateTime<Utc>> {
        self.applied.filter(|run| run.status == RunStatus::Succeeded).and_then(|run| run.ended_at)
    }

    /// The stages before the apply as the desk sealed them, where this plan was applied through it.
    fn sealed(&self) -> Option<&Sealed> {
        let over = |status| matches!(status, RunStatus::Failed | RunStatus::Cancelled);
        let applied = self.applied.filter(|run| !over(run.status))?;
        self.release.sealed.as_ref().filter(|sealed| sealed.run_id.as_ref() == Some(&applied.id))
    }
}

/// What is found of an item.
struct Found {
    state: DeskState,
    text: String,
    at: Option<DateTime<Utc>>,
    link: Option<DeskLink>,
}

impl Found {
    fn new(state: DeskState, text: impl Into<String>) -> Self {
        Self { state, text: text.into(), at: None, link: None }
    }

    fn at(mut self, at: DateTime<Utc>) -> Self {
        self.at = Some(at);
        self
    }

    fn link(mut self, link: DeskLink) -> Self {
        self.link = Some(link);
        self
    }
}

/// The stages of a release.
pub fn stages(known: &Known<'_>) -> Vec<DeskStage> {
    let mut stages: Vec<DeskStage> = Vec::new();
    for stage in Stage::ALL {
        if stage < Stage::Apply
            && let Some(sealed) =
                known.sealed().and_then(|sealed| sealed.stages.iter().find(|sealed| sealed.stage == stage))
        {
            stages.push(sealed.clone());
            continue;
        }
        let before_is_ticked = stages.iter().all(|stage| stage.state.is_ticked());
        stages.push(one_stage(known, stage, before_is_ticked));
    }
    stages
}

fn one_stage(known: &Known<'_>, stage: Stage, before_is_ticked: bool) -> DeskStage {
    let mut items: Vec<DeskItem> = Vec::new();
    for list in known.lists.iter().filter(|list| list.kinds.contains(&known.release.kind)) {
        for item in &list.items {
            if item.stage == stage && item.tiers.contains(&known.tier) {
                items.push(one_item(known, list, item, before_is_ticked));
            }
        }
    }
    // What cannot be read may hold an item of any stage: it shuts the first one that is still open.
    let open = if known.done_at().is_some() { Stage::Verify } else { Stage::Prepare };
    if stage == open {
        items.extend(known.broken.iter().enumerate().map(|(index, why)| broken(index, why)));
    }
    let state = together(&items);
    let ticked = items.iter().filter(|item| item.state.is_ticked()).count();
    DeskStage {
        stage,
        title: stage.title().to_owned(),
        state,
        ticked: u32::try_from(ticked).unwrap_or(u32::MAX),
        text: stage_text(known, stage, state, &items),
        at: items.iter().filter_map(|item| item.at).min(),
        items,
    }
}

/// A list that cannot be read may hold an item that stops the release: nobody knows.
fn broken(index: usize, why: &str) -> DeskItem {
    DeskItem {
        id: format!("broken/{index}"),
        title: "A checklist of your own cannot be read".to_owned(),
        state: DeskState::Unknown,
        text: why.to_owned(),
        at: None,
        link: None,
        by_person: false,
        said: None,
        not_before: None,
        checklist: "Your own".to_owned(),
    }
}

fn one_item(known: &Known<'_>, list: &Checklist, item: &ChecklistItem, before_is_ticked: bool) -> DeskItem {
    let id = format!("{}/{}", list.id, item.id);
    let mut made = DeskItem {
        id: id.clone(),
        title: item.title.clone(),
        state: DeskState::Waiting,
        text: String::new(),
        at: None,
        link: None,
        by_person: false,
        said: None,
        not_before: None,
        checklist: list.title.clone(),
    };
    match &item.bound {
        Bound::Check(check) => {
            let found = found(known, item.stage, *check, before_is_ticked);
            made.state = found.state;
            made.text = found.text;
            made.at = found.at;
            made.link = found.link;
        }
        Bound::Person { todo, after_minutes } => {
            made.by_person = true;
            made.text = todo.clone();
            made.link = (item.stage == Stage::Plan).then(|| plan_link(known)).flatten();
            made.not_before = match (known.done_at(), after_minutes) {
                (Some(done), Some(minutes)) => Some(done + Duration::minutes(i64::from(*minutes))),
                _ => None,
            };
            if let Some(said) = counting(known, item.stage, &id) {
                made.state = DeskState::Pass;
                made.at = Some(said.at);
                made.said = Some(said.clone());
            } else if let Some(why) = not_yet(known, item.stage, made.not_before) {
                made.text = format!("{why} {todo}");
            }
        }
    }
    made
}

/// Why a person's item cannot be said yet.
fn not_yet(known: &Known<'_>, stage: Stage, not_before: Option<DateTime<Utc>>) -> Option<String> {
    if stage > Stage::Apply && known.done_at().is_none() {
        return Some("After the apply.".to_owned());
    }
    if stage > Stage::Prepare && stage < Stage::Apply && known.release.plan_id.is_none() {
        return Some("Once there is a plan.".to_owned());
    }
    not_before.filter(|at| *at > known.now).map(|_| "Its time has not come.".to_owned())
}

/// What a person said of an item, if it still counts: what belongs to a plan was said of this one, and what belongs
/// after the apply was said after it.
fn counting<'a>(known: &'a Known<'_>, stage: Stage, id: &str) -> Option<&'a PersonTick> {
    let said = known.release.said.iter().rev().find(|said| said.item == id)?;
    let of_this_plan = stage == Stage::Prepare || said.plan_id == known.release.plan_id;
    let in_time = stage <= Stage::Apply || known.done_at().is_some_and(|done| said.at >= done);
    (of_this_plan && in_time).then_some(said)
}

/// Whether a person's item may be said now; the error says why not.
///
/// # Errors
/// The reason, as a sentence.
pub fn may_say(known: &Known<'_>, id: &str) -> Result<(), String> {
    let found = stages(known)
        .into_iter()
        .flat_map(|stage| stage.items.into_iter().map(move |item| (stage.stage, item)))
        .find(|(_, item)| item.id == id);
    match found {
        None => Err("There is no such item on the desk.".to_owned()),
        Some((_, item)) if !item.by_person => Err("Evidence ticks this item, not a person.".to_owned()),
        Some((stage, item)) => match not_yet(known, stage, item.not_before) {
            Some(why) => Err(why),
            None => Ok(()),
        },
    }
}

fn found(known: &Known<'_>, stage: Stage, check: DeskCheck, before_is_ticked: bool) -> Found {
    if stage > Stage::Apply && known.done_at().is_none() {
        return Found::new(DeskState::Waiting, "Read after the apply.");
    }
    match check {
        DeskCheck::Connection => evidence::connection(known),
        DeskCheck::WritesOpen => evidence::writes_open(known),
        DeskCheck::RunsSettled => evidence::runs_settled(known),
        DeskCheck::FilesAndLedger => evidence::files_and_ledger(known),
        DeskCheck::Drift => evidence::drift(known, None),
        DeskCheck::Sessions => evidence::sessions(known),
        DeskCheck::PlanFits => evidence::plan_fits(known),
        DeskCheck::Findings => evidence::findings(known),
        DeskCheck::DryRun => evidence::dry_run(known),
        DeskCheck::Locks => evidence::locks(known),
        DeskCheck::BackupNewer => evidence::backup(known, |cover| Some(&cover.newer)),
        DeskCheck::BackupCovers => evidence::backup(known, |cover| cover.covers.as_ref()),
        DeskCheck::BackupProven => evidence::backup(known, |cover| cover.proven.as_ref()),
        DeskCheck::Applied => evidence::applied(known, before_is_ticked),
        DeskCheck::LedgerAfter => evidence::ledger_after(known),
        DeskCheck::DriftAfter => evidence::drift(known, known.done_at()),
        DeskCheck::ChecksAfter => evidence::checks_after(known),
    }
}

/// The check that an item is bound to.
fn check_of(known: &Known<'_>, id: &str) -> Option<DeskCheck> {
    known.lists.iter().find_map(|list| {
        let item = list.items.iter().find(|item| id == format!("{}/{}", list.id, item.id))?;
        match item.bound {
            Bound::Check(check) => Some(check),
            Bound::Person { .. } => None,
        }
    })
}

/// The state of the weakest; a run of ours at work is said first, since all else may move with it.
fn together(items: &[DeskItem]) -> DeskState {
    use DeskState::{Block, Locked, Pass, Running, Unknown, Waiting, Warn};
    [Running, Block, Unknown, Locked, Waiting, Warn]
        .into_iter()
        .find(|state| items.iter().any(|item| item.state == *state))
        .unwrap_or(Pass)
}

fn stage_text(known: &Known<'_>, stage: Stage, state: DeskState, items: &[DeskItem]) -> String {
    if items.is_empty() {
        return "No item of a checklist is for this stage.".to_owned();
    }
    if stage > Stage::Apply && known.done_at().is_none() {
        return "After the apply".to_owned();
    }
    // One sentence: that of the item that decides, else what the stage came to.
    if let Some(item) = items.iter().find(|item| item.state == state && !state.is_ticked()) {
        let others = items.iter().filter(|other| !other.state.is_ticked()).count() - 1;
        let words = if item.by_person { item.title.clone() } else { first_sentence(&item.text) };
        return match others {
            0 => words,
            1 => format!("{words} (1 more is open)"),
            others => format!("{words} ({others} more are open)"),
        };
    }
    match (stage, known.plan, items.first(), items.last()) {
        (Stage::Plan, Some(review), ..) => what(review),
        (Stage::DryRun | Stage::Apply, _, Some(first), _) => first_sentence(&first.text),
        (Stage::BackUp, _, _, Some(last)) => first_sentence(&last.text),
        _ if state == DeskState::Warn => items
            .iter()
            .find(|item| item.state == DeskState::Warn)
            .map_or_else(String::new, |item| first_sentence(&item.text)),
        _ => "All of it holds".to_owned(),
    }
}

fn first_sentence(text: &str) -> String {
    text.split_inclusive(". ").next().unwrap_or(text).trim().trim_end_matches('.').to_owned()
}

/// What a plan does: `4 migrations`.
pub fn what(review: &PlanReview) -> String {
    match &review.plan.purpose {
        PlanPurpose::Seed { title, .. } => format!("the seed {title}"),
        _ => match review.plan.migrations().count() {
            1 => "1 migration".to_owned(),
            count => format!("{count} migrations"),
        },
    }
}

fn plan_link(known: &Known<'_>) -> Option<DeskLink> {
    known.plan.map(|review| DeskLink::Plan { id: review.plan.id.clone() })
}

/// The whole desk of a release.
pub fn desk(known: &Known<'_>, around: Around) -> Desk {
    let stages = stages(known);
    // What was applied outside of the desk has no stages that could still pass; the desk goes on from there.
    let applied = known.done_at().is_some();
    // While an apply is at work, or cut off, nothing else is to be settled first.
    let applying = known.applied.is_some_and(|run| {
        matches!(run.status, RunStatus::Queued | RunStatus::Running | RunStatus::NeedsAttention)
    });
    let current = stages.iter().find(|stage| match stage.stage {
        Stage::Verify | Stage::Watch => !stage.state.is_ticked(),
        Stage::Apply => !applied && !stage.state.is_ticked(),
        _ => !applied && !applying && !stage.state.is_ticked(),
    });
    let items = stages.iter().map(|stage| stage.items.len()).sum::<usize>();
    let ticked = stages.iter().map(|stage| stage.ticked).sum::<u32>();
    let subject = match known.plan {
        Some(review) => format!("{}, plan {}", what(review), review.plan.number),
        None => "the pending migrations, not planned yet".to_owned(),
    };
    let (headline, next) = next::next(known, current);
    let gates =
        if applied { Vec::new() } else { known.plan.map(|review| review.gates.clone()).unwrap_or_default() };
    Desk {
        headline,
        lead: format!(
            "Release {}: {subject}. {ticked} of {items} items are ticked; each ticks and un-ticks itself from evidence.",
            known.release.number
        ),
        release: Some(known.release.clone()),
        plan_number: known.plan.map(|review| review.plan.number),
        current: current.map(|stage| stage.stage),
        stages,
        gates,
        applied_at: known.done_at(),
        frozen: known.frozen.cloned(),
        own_checklists: around.own_checklists,
        operator: around.operator,
        earlier: around.earlier,
        next,
        read_at: known.now,
    }
}

/// What the desk shows beside the release.
pub struct Around {
    /// Folder for checklists of one's own.
    pub own_checklists: String,
    /// Who sits at this computer.
    pub operator: String,
    /// Releases that ended, newest first.
    pub earlier: Vec<Release>,
}

/// The desk without a release.
pub fn empty(
    headline: String,
    lead: String,
    next: DeskNext,
    frozen: Option<Freeze>,
    around: Around,
    now: DateTime<Utc>,
) -> Desk {
    Desk {
        headline,
        lead,
        release: None,
        plan_number: None,
        stages: Vec::new(),
        current: None,
        gates: Vec::new(),
        applied_at: None,
        frozen,
        own_checklists: around.own_checklists,
        operator: around.operator,
        earlier: around.earlier,
        next,
        read_at: now,
    }
}

/// The first stage before the apply that is not through, and the item that shuts it; the apply waits for it.
/// `reasoned`: a reason was given for a missing restore point, which excuses the items about backups and no other.
pub fn closed<'a>(
    known: &Known<'_>,
    stages: &'a [DeskStage],
    reasoned: bool,
) -> Option<(&'a DeskStage, &'a DeskItem)> {
    let excused = |item: &DeskItem| {
        reasoned
            && matches!(
                check_of(known, &item.id),
                Some(DeskCheck::BackupNewer | DeskCheck::BackupCovers | DeskCheck::BackupProven)
            )
    };
    stages.iter().filter(|stage| stage.stage < Stage::Apply).find_map(|stage| {
        let item = stage.items.iter().find(|item| !item.state.is_ticked() && !excused(item))?;
        Some((stage, item))
    })
}

#[cfg(test)]
mod tests;
