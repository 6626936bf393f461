//! One question of the desk each: what is known, how old it is, where it can be read.

use super::{Applied, DRIFT_GOOD_HOURS, Found, Known, plan_link};
use crate::domain::Outcome;
use crate::domain::desk::{DeskLink, DeskState};
use crate::domain::drift::{DriftClass, DriftReport};
use crate::domain::identity::IdentityVerdict;
use crate::domain::migration::{LedgerPresence, MigrationState};
use crate::domain::plan::{Gate, GateKind};
use crate::domain::run::{RunKind, RunStatus};
use crate::planner::restore_point::Cover;
use chrono::{DateTime, Duration, Utc};

pub(super) fn connection(known: &Known<'_>) -> Found {
    let found = match known.seen {
        Err(failure) => Found::new(DeskState::Unknown, failure.what.clone()),
        Ok(seen) => match &seen.verdict {
            IdentityVerdict::Different { reasons } => Found::new(
                DeskState::Block,
                format!("Another database answers than before. {}", reasons.join(" ")),
            )
            .at(seen.at),
            _ if seen.in_recovery => {
                Found::new(DeskState::Block, "It is a standby: it can be read, not written.").at(seen.at)
            }
            _ => Found::new(
                DeskState::Pass,
                format!("Answers in {:.0} ms, id {}.", seen.round_trip_ms.max(1.0), seen.identity),
            )
            .at(seen.at),
        },
    };
    found.link(DeskLink::Doctor)
}

pub(super) fn writes_open(known: &Known<'_>) -> Found {
    match known.frozen {
        Some(freeze) => Found::new(
            DeskState::Block,
            format!(
                "Writes are frozen{} by {}: {}.",
                if freeze.everywhere { " on all environments" } else { "" },
                freeze.by,
                freeze.why.trim_end_matches('.')
            ),
        )
        .at(freeze.at),
        None => Found::new(DeskState::Pass, "Drydock may write here.").at(known.now),
    }
}

/// Runs of this release's plan, backups and proofs have items of their own.
pub(super) fn runs_settled(known: &Known<'_>) -> Found {
    let others = known.open.iter().filter(|open| {
        matches!(open.run.kind, RunKind::DryRun | RunKind::Apply)
            && Some(&open.plan_id) != known.release.plan_id.as_ref()
    });
    match others.max_by_key(|open| open.run.status == RunStatus::NeedsAttention) {
        Some(open) => {
            let words = match open.run.status {
                RunStatus::NeedsAttention => {
                    format!("What became of run {} is not known: {}.", open.run.number, open.run.title)
                }
                _ => format!("Run {} is at work: {}.", open.run.number, open.run.title),
            };
            let state = match open.run.status {
                RunStatus::NeedsAttention => DeskState::Unknown,
                _ => DeskState::Block,
            };
            Found::new(state, words).at(open.run.started_at).link(DeskLink::Run { id: open.run.id.clone() })
        }
        None => Found::new(DeskState::Pass, "No other run of this console is open here.").at(known.now),
    }
}

pub(super) fn files_and_ledger(known: &Known<'_>) -> Found {
    let status = match known.status {
        None => {
            return Found::new(DeskState::Unknown, "No migrations folder is chosen for this environment.")
                .link(DeskLink::Migrations);
        }
        Some(Err(failure)) => {
            return Found::new(DeskState::Unknown, failure.what.clone()).link(DeskLink::Migrations);
        }
        Some(Ok(status)) => status,
    };
    let of = |state| status.migrations.iter().filter(move |row| row.state == state);
    let named = |state, words: &str| {
        of(state).next().map(|first| match of(state).count() {
            1 => format!("`{}` is {words}.", first.name),
            count => format!("{count} migrations are {words}, the first is `{}`.", first.name),
        })
    };
    let (state, text) = if let LedgerPresence::BaselineNeeded { tables } = status.ledger {
        (DeskState::Block, format!("The database has {tables} tables and no record of its migrations."))
    } else if let Some(words) = named(MigrationState::Failed, "failed in the ledger") {
        (DeskState::Block, words)
    } else if let Some(words) = named(MigrationState::Unreadable, "not readable") {
        (DeskState::Block, words)
    } else if let Some(words) = named(MigrationState::Running, "perhaps running right now") {
        (DeskState::Unknown, words)
    } else if let Some(words) = named(MigrationState::Edited, "not what was applied: the file was edited") {
        (DeskState::Warn, words)
    } else if let Some(words) = named(MigrationState::Missing, "in the ledger and have no file") {
        (DeskState::Warn, words)
    } else {
        (DeskState::Pass, status.headline.clone())
    };
    Found::new(state, text).at(status.read_at).link(DeskLink::Migrations)
}

/// Why a comparison says nothing about now; a new one would.
pub(super) fn drift_is_old(
    known: &Known<'_>,
    report: &DriftReport,
    since: Option<DateTime<Utc>>,
) -> Option<String> {
    if since.is_some_and(|since| report.read_at < since) {
        return Some("Not compared since the apply.".to_owned());
    }
    if known.last_apply.is_some_and(|at| report.read_at < at) {
        return Some("Not compared since the newest run.".to_owned());
    }
    if known.now - report.read_at > Duration::hours(DRIFT_GOOD_HOURS) {
        return Some(format!("Compared more than {DRIFT_GOOD_HOURS} hours ago; it says nothing about now."));
    }
    let newest = match known.status {
        Some(Ok(status)) => status
            .migrations
            .iter()
            .flat_map(|row| &row.rows)
            .filter_map(|row| row.finished_at.max(row.rolled_back_at))
            .max(),
        _ => None,
    };
    let moved = newest.is_some_and(|newest| newest > report.read_at);
    moved.then(|| "The ledger has moved since it was compared.".to_owned())
}

/// `since`: it must have been compared after that.
pub(super) fn drift(known: &Known<'_>, since: Option<DateTime<Utc>>) -> Found {
    let Some(report) = known.drift else {
        return Found::new(DeskState::Unknown, "The live schema was never compared with the migrations.")
            .link(DeskLink::Drift);
    };
    let found = |state, text: String| Found::new(state, text).at(report.read_at).link(DeskLink::Drift);
    if let Some(why) = drift_is_old(known, report, since) {
        return found(DeskState::Unknown, why);
    }
    if let Some(first) = report.not_replayed.first() {
        return found(DeskState::Unknown, format!("Not all of it could be compared: {first}"));
    }
    let of = |class| report.differences.iter().filter(move |difference| difference.class == class);
    if let Some(first) = of(DriftClass::Dangerous).find(|difference| difference.settled_by.is_none()) {
        return found(DeskState::Block, first.sentence.clone());
    }
    if let Some(first) = of(DriftClass::Unknown).next() {
        return found(DeskState::Unknown, first.sentence.clone());
    }
    match of(DriftClass::Dangerous).count() {
        0 => found(DeskState::Pass, report.headline.clone()),
        count => found(
            DeskState::Warn,
            format!("{count} dangerous differences; migrations that wait settle all of them."),
        ),
    }
}

pub(super) fn sessions(known: &Known<'_>) -> Found {
    let seen = match known.seen {
        Err(failure) => return Found::new(DeskState::Unknown, failure.what.clone()).link(DeskLink::Doctor),
        Ok(seen) => seen,
    };
    let (state, text) = if seen.hidden > 0 {
        (
            DeskState::Unknown,
            format!(
                "Sessions of other users cannot be looked at ({} of them): the role lacks the right. An administrator grants it with: GRANT pg_read_all_stats TO this role.",
                seen.hidden
            ),
        )
    } else if let Some((pid, application, seconds)) = seen.long.first() {
        let who = if application.is_empty() { String::new() } else { format!(" of {application}") };
        (
            DeskState::Warn,
            format!(
                "Session {pid}{who} has had a transaction open for {} min: a migration may have to wait for it.",
                (*seconds / 60.0).floor()
            ),
        )
    } else if seen.blocked > 0 {
        (DeskState::Warn, format!("{} waiting for a lock right now.", sessions_are(seen.blocked)))
    } else {
        (DeskState::Pass, "Nobody waits, nothing is open for long.".to_owned())
    };
    Found::new(state, text).at(seen.at)
}

fn sessions_are(count: u32) -> String {
    if count == 1 { "1 session is".to_owned() } else { format!("{count} sessions are") }
}

fn no_plan() -> Found {
    Found::new(DeskState::Waiting, "Once there is a plan.")
}

fn gate<'a>(known: &'a Known<'_>, kind: GateKind) -> Option<&'a Gate> {
    known.plan?.gates.iter().find(|gate| gate.kind == kind)
}

/// A gate's evidence as a sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.trim_end_matches('.').chars();
    let first: String = characters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

/// An apply outside of the desk leaves nothing to read of what was before it.
fn outside(known: &Known<'_>) -> Option<Found> {
    let applied = known.applied.filter(|run| run.status == RunStatus::Succeeded)?;
    Some(
        Found::new(
            DeskState::Unknown,
            format!(
                "Run {} applied the plan outside of the desk, which did not look before.",
                applied.number
            ),
        )
        .link(DeskLink::Run { id: applied.id.clone() }),
    )
}

fn of_gate(known: &Known<'_>, kind: GateKind) -> Found {
    if let Some(found) = outside(known) {
        return found;
    }
    let Some(gate) = gate(known, kind) else { return no_plan() };
    let found = Found::new(gate.outcome.into(), sentence(&gate.evidence)).at(known.now);
    match plan_link(known) {
        Some(link) => found.link(link),
        None => found,
    }
}

pub(super) fn plan_fits(known: &Known<'_>) -> Found {
    if known.plan.is_none() {
        return Found::new(DeskState::Waiting, "There is no plan yet.");
    }
    let identity = of_gate(known, GateKind::Identity);
    if identity.state.is_ticked() { of_gate(known, GateKind::Fingerprint) } else { identity }
}

pub(super) fn findings(known: &Known<'_>) -> Found {
    let mut found = of_gate(known, GateKind::Findings);
    let destructive = known
        .plan
        .map_or(0, |review| review.plan.findings.iter().filter(|finding| finding.destructive).count());
    if found.state == DeskState::Pass && destructive > 0 {
        found.state = DeskState::Warn;
        found.text = match destructive {
            1 => "1 finding destroys data; it needs its own tick before the apply.".to_owned(),
            count => format!("{count} findings destroy data; each needs its own tick before the apply."),
        };
    }
    found
}

fn at_work(known: &Known<'_>, kinds: &[RunKind], of_plan: bool) -> Option<Found> {
    let open = known.open.iter().find(|open| {
        kinds.contains(&open.run.kind)
            && open.run.status != RunStatus::NeedsAttention
            && (!of_plan || Some(&open.plan_id) == known.release.plan_id.as_ref())
    })?;
    Some(
        Found::new(DeskState::Running, format!("Run {} is at work: {}.", open.run.number, open.run.title))
            .at(open.run.started_at)
            .link(DeskLink::Run { id: open.run.id.clone() }),
    )
}

pub(super) fn dry_run(known: &Known<'_>) -> Found {
    if let Some(found) = at_work(known, &[RunKind::DryRun], true) {
        return found;
    }
    let mut found = of_gate(known, GateKind::DryRun);
    if let Some(report) = known.plan.and_then(|review| review.dry_run.as_ref()) {
        found.at = Some(report.at);
        found.link = Some(DeskLink::Run { id: report.run_id.clone() });
    } else if found.state == DeskState::Block && known.plan.is_some() {
        // It was not tried: that is its turn, not a fault.
        found.state = DeskState::Waiting;
        found.at = None;
    }
    found
}

pub(super) fn locks(known: &Known<'_>) -> Found {
    let mut found = of_gate(known, GateKind::Locks);
    if known.plan.is_some_and(|review| review.dry_run.is_none()) && found.state == DeskState::Unknown {
        found = Found::new(DeskState::Waiting, "Measured by the dry run.");
    }
    found
}

pub(super) fn backup(
    known: &Known<'_>,
    question: impl for<'a> Fn(&'a Cover) -> Option<&'a (Outcome, String)>,
) -> Found {
    if let Some(found) = outside(known) {
        return found;
    }
    if let Some(found) = at_work(known, &[RunKind::BackUp, RunKind::Prove], false) {
        return found;
    }
    let (Some(review), Some(cover)) = (known.plan, known.cover) else { return no_plan() };
    let link = match &cover.backup {
        Some(id) => DeskLink::Backup { id: id.clone() },
        None => DeskLink::Backups,
    };
    let found = match question(cover) {
        Some((outcome, text)) => Found::new((*outcome).into(), sentence(text)),
        None => Found::new(DeskState::Waiting, "Looked at once there is a backup newer than the plan."),
    };
    let found = Found { at: cover.taken_at, ..found }.link(link);
    if !found.state.is_ticked() && !review.plan.rules.restore_point {
        let text = format!("{} This environment's rules do not ask for a backup.", found.text);
        return Found { state: DeskState::Warn, text, ..found };
    }
    found
}

pub(super) fn applied(known: &Known<'_>, before_is_ticked: bool) -> Found {
    if let Some(found) = at_work(known, &[RunKind::Apply], true) {
        return found;
    }
    let Some(Applied { id, number, status, started_at, ended_at, why }) = known.applied else {
        return if before_is_ticked {
            Found::new(DeskState::Waiting, "Everything before it is ticked.")
        } else {
            Found::new(DeskState::Locked, "Locked until every stage before it is through.")
        };
    };
    let why = why.as_deref().unwrap_or("its steps tell more.");
    let (state, text) = match status {
        RunStatus::Succeeded => (DeskState::Pass, format!("Run {number} applied it.")),
        RunStatus::Failed => (DeskState::Block, format!("Run {number} failed: {why}")),
        RunStatus::Cancelled => (DeskState::Block, format!("Run {number} was cancelled.")),
        RunStatus::NeedsAttention => {
            (DeskState::Unknown, format!("What became of run {number} is not known."))
        }
        RunStatus::Queued | RunStatus::Running => (DeskState::Running, format!("Run {number} is at work.")),
    };
    Found::new(state, text).at(ended_at.unwrap_or(*started_at)).link(DeskLink::Run { id: id.clone() })
}

pub(super) fn ledger_after(known: &Known<'_>) -> Found {
    let (Some(review), Some(status)) = (known.plan, known.status) else { return no_plan() };
    let status = match status {
        Ok(status) => status,
        Err(failure) => {
            return Found::new(DeskState::Unknown, failure.what.clone()).link(DeskLink::Migrations);
        }
    };
    let is_applied = |name: &str| {
        status.migrations.iter().any(|row| row.name == name && row.state == MigrationState::Applied)
    };
    let names: Vec<&str> = review.plan.migrations().map(|step| step.name.as_str()).collect();
    let found = match names.iter().find(|name| !is_applied(name)) {
        Some(name) => Found::new(DeskState::Block, format!("`{name}` is not applied in the ledger.")),
        None => Found::new(
            DeskState::Pass,
            match names.len() {
                1 => "Its migration is in the ledger as applied.".to_owned(),
                count => format!("All {count} migrations are in the ledger as applied."),
            },
        ),
    };
    found.at(status.read_at).link(DeskLink::Migrations)
}

pub(super) fn checks_after(known: &Known<'_>) -> Found {
    let checks = match known.checks {
        Err(failure) => {
            return Found::new(DeskState::Unknown, failure.what.clone()).link(DeskLink::Verification);
        }
        Ok(None) => {
            return Found::new(
                DeskState::Warn,
                "No check is set up for this environment: only ledger and schema were verified.",
            )
            .at(known.now)
            .link(DeskLink::Verification);
        }
        Ok(Some(checks)) => checks,
    };
    let found = if checks.outcome == Outcome::Pass {
        Found::new(DeskState::Pass, checks.headline.clone())
    } else if checks.outcome == Outcome::Block {
        Found::new(DeskState::Block, format!("{} {}", checks.headline, checks.lead))
    } else {
        Found::new(DeskState::Unknown, format!("{} {}", checks.headline, checks.lead))
    };
    Found { at: checks.at, ..found }.link(DeskLink::Verification)
}
