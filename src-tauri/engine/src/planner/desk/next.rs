//! The one next step, and the headline that goes with it.

use super::Known;
use crate::domain::Outcome;
use crate::domain::desk::{
    DeskAction, DeskCheck, DeskItem, DeskLink, DeskNext, DeskStage, DeskState, ReleaseKind, Stage,
};
use crate::domain::identity::IdentityVerdict;
use crate::domain::plan::GateKind;
use crate::domain::run::RunStatus;
use crate::domain::verification::Verification;

/// A step and its button.
fn step(action: DeskAction, title: impl Into<String>, detail: &str, button: impl Into<String>) -> DeskNext {
    DeskNext { action, title: title.into(), detail: detail.to_owned(), button: button.into(), subject: None }
}

/// Headline and step.
pub(super) fn next(known: &Known<'_>, current: Option<&DeskStage>) -> (String, DeskNext) {
    let Some(stage) = current else {
        return (
            "The release is through.".to_owned(),
            step(
                DeskAction::End,
                "End the release.",
                "Everything about it stays on record. The desk is free for the next one.",
                "End the release",
            ),
        );
    };
    // Of those that wait, one whose time has come goes first.
    let has_time = |item: &&DeskItem| item.not_before.is_none_or(|at| at <= known.now);
    let open = |state| {
        let mut items = stage.items.iter().filter(move |item| item.state == state);
        items.clone().find(has_time).or_else(|| items.next())
    };
    // What is at work first; then what stops, what is not known; last what only waits to be done.
    let item =
        [DeskState::Running, DeskState::Block, DeskState::Unknown, DeskState::Waiting, DeskState::Locked]
            .into_iter()
            .find_map(open);
    let Some(item) = item else {
        return ("The release cannot be judged.".to_owned(), read_again("Read everything again."));
    };
    if item.state == DeskState::Running {
        return (item.text.clone(), open_run(item, "Watch the run.", "It goes on while you look elsewhere."));
    }
    if item.by_person {
        return person(known, item);
    }
    if item.id.starts_with("broken/") {
        return (
            format!("{}.", item.title),
            read_again("Correct the file, or take it out of the folder, then read again."),
        );
    }
    let headline = match item.state {
        DeskState::Waiting | DeskState::Locked => waiting_headline(stage.stage),
        _ => item.text.clone(),
    };
    (headline, by_check(known, stage.stage, item))
}

fn waiting_headline(stage: Stage) -> String {
    match stage {
        Stage::Prepare => "The place is being looked at.",
        Stage::Plan => "The place is ready. Make the plan.",
        Stage::DryRun => "The plan is ready. Try it.",
        Stage::BackUp => "It worked in the dry run. Make sure of the way back.",
        Stage::Apply => "Everything before it is ticked. It can be applied.",
        Stage::Verify => "It is applied. See whether it did what it was to do.",
        Stage::Watch => "It is applied and verified. Watch it.",
    }
    .to_owned()
}

fn person(known: &Known<'_>, item: &DeskItem) -> (String, DeskNext) {
    if let Some(at) = item.not_before.filter(|at| *at > known.now) {
        let minutes = (at - known.now).num_minutes() + 1;
        let next = DeskNext {
            subject: Some(item.id.clone()),
            ..read_again(&format!("Then: {}. You may look elsewhere meanwhile.", lower_first(&item.title)))
        };
        return (format!("The watch goes on for {minutes} min."), next);
    }
    let next = DeskNext {
        subject: Some(item.id.clone()),
        ..step(DeskAction::Say, format!("{}: is it so?", item.title), &item.text, "Say it is so…")
    };
    (format!("A person has to say: {}.", lower_first(&item.title)), next)
}

/// Names like `API` keep their capitals.
fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next();
    let second = characters.clone().next();
    match (first, second) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text.to_owned(),
    }
}

fn read_again(title: &str) -> DeskNext {
    step(DeskAction::ReadAgain, title, "Reads only.", "Read again")
}

fn open_run(item: &DeskItem, title: &str, detail: &str) -> DeskNext {
    match &item.link {
        Some(DeskLink::Run { id }) => {
            DeskNext { subject: Some(id.clone()), ..step(DeskAction::OpenRun, title, detail, "Open the run") }
        }
        _ => read_again("Read everything again."),
    }
}

fn by_check(known: &Known<'_>, stage: Stage, item: &DeskItem) -> DeskNext {
    let Some(check) = super::check_of(known, &item.id) else { return read_again("Read everything again.") };
    match check {
        DeskCheck::Connection => step(
            DeskAction::OpenDoctor,
            "Find out what is wrong with the connection.",
            "The connection doctor tests it hop by hop. Nothing is written.",
            "Open the connection doctor",
        ),
        DeskCheck::WritesOpen => step(
            DeskAction::LiftFreeze,
            "Lift the freeze, if its reason is gone.",
            "Until then Drydock writes nothing. It says who froze, and why.",
            "Lift the freeze…",
        ),
        DeskCheck::RunsSettled => open_run(item, "Settle the other run first.", "The desk stays as it is."),
        DeskCheck::FilesAndLedger | DeskCheck::LedgerAfter => step(
            DeskAction::OpenMigrations,
            "See what the files and the ledger say.",
            "The Migrations panel names each one and the ways to mend it.",
            "Open the migrations",
        ),
        DeskCheck::Drift | DeskCheck::DriftAfter if compares_again(known, check) => step(
            DeskAction::CompareDrift,
            "Compare the live schema with what the migrations make.",
            "They are replayed on a scratch copy. The database is only read.",
            "Compare the schema",
        ),
        DeskCheck::Drift | DeskCheck::DriftAfter => step(
            DeskAction::OpenDrift,
            "See in what the live schema differs.",
            "The Drift panel tells how bad it is, and which migration is behind it.",
            "Open the drift",
        ),
        DeskCheck::Sessions => read_again("Read the sessions again."),
        DeskCheck::PlanFits | DeskCheck::Findings | DeskCheck::DryRun | DeskCheck::Locks => {
            of_plan(known, check, item)
        }
        DeskCheck::BackupNewer | DeskCheck::BackupCovers | DeskCheck::BackupProven => {
            of_backup(known, check, item)
        }
        DeskCheck::Applied => apply(known, item),
        DeskCheck::ChecksAfter => match known.checks {
            Ok(Some(checks)) if checks.outcome == Outcome::Block => step(
                DeskAction::OpenVerification,
                "See which check fails, and in which rows.",
                "The runs and the Backups panel know the way back.",
                "Open the verification",
            ),
            Ok(Some(checks)) if reads_no_more(known, checks) => step(
                DeskAction::OpenVerification,
                "See which checks are open: some write and have to be chosen, or cannot be read.",
                "Checks that write run only when somebody says so.",
                "Open the verification",
            ),
            _ => step(
                DeskAction::Verify,
                "Read all checks.",
                "Database, schema and app. Checks that write stay out unless they are chosen on their panel.",
                "Verify",
            ),
        },
    }
    .at_stage(stage)
}

/// Whether a new comparison could tell more than the last one.
fn compares_again(known: &Known<'_>, check: DeskCheck) -> bool {
    let since = if check == DeskCheck::DriftAfter { known.done_at() } else { None };
    known.drift.is_none_or(|report| super::evidence::drift_is_old(known, report, since).is_some())
}

/// Whether reading the checks again from here would leave the same ones open: those that write stay out, and the others
/// were read after the apply.
fn reads_no_more(known: &Known<'_>, checks: &Verification) -> bool {
    let after = |at| known.done_at().is_some_and(|done| at >= done);
    let mut open = checks.checks.iter().filter(|check| check.outcome == Outcome::Unknown).peekable();
    open.peek().is_some()
        && open.all(|check| check.writes.is_some() || (check.seconds > 0.0 && after(check.at)))
}

impl DeskNext {
    /// After the apply nothing leads back to making a plan.
    fn at_stage(self, stage: Stage) -> Self {
        if stage > Stage::Apply && self.action == DeskAction::MakePlan {
            return read_again("Read everything again.");
        }
        self
    }
}

fn of_plan(known: &Known<'_>, check: DeskCheck, item: &DeskItem) -> DeskNext {
    let Some(review) = known.plan else {
        return match known.release.kind {
            ReleaseKind::Migrations => step(
                DeskAction::MakePlan,
                "Plan the pending migrations.",
                "Files and database are read. Nothing is written.",
                "Make the plan",
            ),
            ReleaseKind::Seed => read_again("Read everything again."),
        };
    };
    let renew = |title: &str| match known.release.kind {
        ReleaseKind::Migrations => step(
            DeskAction::MakePlan,
            title,
            "It is made from what is there now. Nothing is written.",
            "Make a new plan",
        ),
        // A seed's plan is made from a form.
        ReleaseKind::Seed => DeskNext {
            subject: Some(review.plan.id.clone()),
            ..step(
                DeskAction::OpenPlan,
                title,
                "Fill in the profile's form again, put this release away, and take the new plan here.",
                "Open the plan",
            )
        },
    };
    let read_plan = |title: &str| DeskNext {
        subject: Some(review.plan.id.clone()),
        ..step(
            DeskAction::OpenPlan,
            title,
            "Nothing was written.",
            format!("Open plan {}", review.plan.number),
        )
    };
    let again = step(
        DeskAction::DryRun,
        format!("Try plan {} and take it back.", review.plan.number),
        "The dry run executes it on the database and undoes everything. Nothing stays.",
        "Dry run",
    );
    match (check, item.state) {
        (DeskCheck::PlanFits, DeskState::Block) => {
            let identity = review.gates.iter().find(|gate| gate.kind == GateKind::Identity);
            if identity.is_some_and(|gate| gate.outcome == Outcome::Block)
                || matches!(known.seen, Ok(seen) if matches!(seen.verdict, IdentityVerdict::Different { .. }))
            {
                step(
                    DeskAction::OpenDoctor,
                    "Find out which database this is.",
                    "Until then every write is refused.",
                    "Open the connection doctor",
                )
            } else {
                renew("The plan no longer fits. Make a new one.")
            }
        }
        (DeskCheck::PlanFits, _) => read_again("Read everything again."),
        (DeskCheck::Findings, _) => read_plan("Read what stops the plan, mend it, then plan again."),
        (DeskCheck::DryRun | DeskCheck::Locks, DeskState::Waiting) => again,
        (DeskCheck::DryRun, DeskState::Block) => {
            read_plan("Read where it stopped. Mend that, then plan again.")
        }
        (DeskCheck::DryRun, _) if review.dry_run.is_some() => read_plan("See what is not known of it."),
        (DeskCheck::DryRun | DeskCheck::Locks, DeskState::Unknown) => again,
        _ => read_plan("Read the plan."),
    }
}

fn of_backup(known: &Known<'_>, check: DeskCheck, item: &DeskItem) -> DeskNext {
    let backup = known.cover.and_then(|cover| cover.backup.clone());
    let take = step(
        DeskAction::BackUp,
        "Take a new backup and prove it by a restore.",
        "Reads only; the app keeps working. It is restored on a scratch copy and compared.",
        "Back up and prove",
    );
    match (check, item.state, backup) {
        (DeskCheck::BackupProven, DeskState::Unknown | DeskState::Waiting, Some(id)) => DeskNext {
            subject: Some(id),
            ..step(
                DeskAction::Prove,
                "Prove the backup by restoring it.",
                "It is restored on a scratch copy and compared. The database is not touched.",
                "Prove the backup",
            )
        },
        _ => take,
    }
}

fn apply(known: &Known<'_>, item: &DeskItem) -> DeskNext {
    match known.applied.map(|run| (run.status, run.number)) {
        Some((RunStatus::NeedsAttention, number)) => open_run(
            item,
            &format!("See what became of run {number}."),
            "The journal has no outcome for it. The server is asked; nothing is sent again.",
        ),
        Some((RunStatus::Failed | RunStatus::Cancelled, number)) => match known.release.kind {
            ReleaseKind::Migrations => step(
                DeskAction::MakePlan,
                format!("Read run {number}: what stayed and what was taken back. Then make a new plan."),
                "It is made from what is there now. Nothing is written.",
                "Make a new plan",
            ),
            ReleaseKind::Seed => open_run(
                item,
                &format!("Read run {number}, then plan the seed again."),
                "Nothing is written.",
            ),
        },
        _ => step(
            DeskAction::Apply,
            format!("Apply it to {}.", known.name),
            "You confirm once more. If anything has moved since the dry run, it stops before writing.",
            format!("Apply to {}…", known.name),
        ),
    }
}
