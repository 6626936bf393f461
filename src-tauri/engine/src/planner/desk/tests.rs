#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::backup::{BackupRecord, ProofState};
use crate::domain::desk::{DeskAction, ReleaseKind};
use crate::domain::finding::Outcome;
use crate::domain::migration::{LedgerPresence, MigrationRow, MigrationState};
use crate::domain::plan::Plan;
use crate::domain::{Failure, FailureCode};
use crate::planner::checklist;
use crate::planner::fixtures::{at, backup, dry_run, fingerprint, identity, plan};
use crate::planner::plan::{self as planning, IdentityView, Present};
use crate::planner::restore_point;

/// Everything that the desk stands on, owned, all of it well until a test says otherwise.
struct Scene {
    release: Release,
    frozen: Option<Freeze>,
    seen: Result<Seen, Failure>,
    open: Vec<OpenRun>,
    status: Result<MigrationStatus, Failure>,
    drift: Option<DriftReport>,
    plan: Option<Plan>,
    tried: bool,
    ledger: &'static str,
    backups: Vec<BackupRecord>,
    applied: Option<Applied>,
    checks: Result<Option<Verification>, Failure>,
    broken: Vec<String>,
    now: DateTime<Utc>,
}

fn lists() -> Vec<Checklist> {
    [
        ("pre-deploy", include_str!("../../../../../checklists/pre-deploy.toml")),
        ("deploy", include_str!("../../../../../checklists/deploy.toml")),
        ("post-deploy", include_str!("../../../../../checklists/post-deploy.toml")),
        ("production-seed", include_str!("../../../../../checklists/production-seed.toml")),
    ]
    .into_iter()
    .map(|(id, text)| checklist::read(id, text).unwrap())
    .collect()
}

fn said(item: &str, minute: u32, plan_id: Option<&str>) -> PersonTick {
    PersonTick {
        item: item.to_owned(),
        name: "Ana".to_owned(),
        note: None,
        at: at(minute),
        plan_id: plan_id.map(str::to_owned),
    }
}

fn row(name: &str, state: MigrationState) -> MigrationRow {
    serde_json::from_value(serde_json::json!({
        "name": name, "state": state, "order": 1, "on_disk": true, "file_checksum": null, "statements": 1,
        "rows": [], "live": null, "note": null,
    }))
    .unwrap()
}

impl Scene {
    fn new() -> Self {
        Self {
            release: Release {
                id: "release".to_owned(),
                number: 3,
                environment_id: "environment".to_owned(),
                kind: ReleaseKind::Migrations,
                begun_at: at(0),
                begun_by: "ana".to_owned(),
                ended_at: None,
                put_away: None,
                plan_id: None,
                said: vec![said("pre-deploy/team-told", 1, None), said("pre-deploy/code-ready", 1, None)],
                sealed: None,
            },
            frozen: None,
            seen: Ok(Seen {
                verdict: IdentityVerdict::Same,
                identity: "7391…c20f".to_owned(),
                round_trip_ms: 4.0,
                in_recovery: false,
                blocked: 0,
                long: Vec::new(),
                hidden: 0,
                at: at(30),
            }),
            open: Vec::new(),
            status: Ok(MigrationStatus {
                headline: "1 migration waits.".to_owned(),
                lead: String::new(),
                folder: String::new(),
                ledger: LedgerPresence::Present,
                migrations: vec![row("02_more", MigrationState::Pending)],
                next_apply: vec!["02_more".to_owned()],
                findings: Vec::new(),
                foreign_ledgers: Vec::new(),
                lock_holder: None,
                prisma_exit_code: 1,
                ledger_ids: Vec::new(),
                read_at: at(30),
            }),
            drift: Some(DriftReport {
                headline: "The live schema is what the migrations make.".to_owned(),
                lead: String::new(),
                differences: Vec::new(),
                compared: 9,
                replayed: 1,
                not_replayed: Vec::new(),
                scratch_version: String::new(),
                live_version: String::new(),
                version_gap: None,
                read_at: at(2),
            }),
            plan: None,
            tried: false,
            ledger: "before",
            backups: Vec::new(),
            applied: None,
            checks: Ok(None),
            broken: Vec::new(),
            now: at(30),
        }
    }

    /// With a plan that was read by somebody.
    fn planned() -> Self {
        let mut scene = Self::new();
        scene.plan = Some(plan(10));
        scene.release.plan_id = Some("plan".to_owned());
        scene.release.said.push(said("deploy/reviewed", 11, Some("plan")));
        scene
    }

    /// With everything before the apply through.
    fn ready() -> Self {
        let mut scene = Self::planned();
        scene.tried = true;
        scene.backups = vec![backup(12, &["users"], Some(ProofState::Proven))];
        scene
    }

    fn desk(&self) -> Desk {
        self.with(|known| {
            let around =
                Around { own_checklists: String::new(), operator: String::new(), earlier: Vec::new() };
            desk(known, around)
        })
    }

    fn with<T>(&self, look: impl FnOnce(&Known<'_>) -> T) -> T {
        let lists = lists();
        let now_is = fingerprint(self.ledger);
        let report = self.tried.then(|| dry_run(11, &["public.users"]));
        let review = self.plan.clone().map(|plan| {
            let present = Present {
                identity: Some(IdentityView::Same(identity().short())),
                fingerprint: Some(&now_is),
                dry_run: report.as_ref(),
                backups: &self.backups,
                now: self.now,
            };
            let gates = planning::gates(&plan, &present);
            planning::review(plan, report.clone(), gates)
        });
        let cover = review.as_ref().map(|review| {
            restore_point::judge(&review.plan, review.dry_run.as_ref(), &self.backups, self.now)
        });
        look(&Known {
            name: "atelier-production",
            tier: Tier::Production,
            release: &self.release,
            frozen: self.frozen.as_ref(),
            seen: self.seen.as_ref(),
            open: &self.open,
            status: Some(self.status.as_ref()),
            drift: self.drift.as_ref(),
            last_apply: self.applied.as_ref().and_then(|run| run.ended_at),
            plan: review.as_ref(),
            cover: cover.as_ref(),
            applied: self.applied.as_ref(),
            checks: self.checks.as_ref().map(Option::as_ref),
            lists: &lists,
            broken: &self.broken,
            now: self.now,
        })
    }

    /// The stage whose turn it is, and the next step.
    fn stands(&self) -> (Option<Stage>, DeskAction) {
        let desk = self.desk();
        (desk.current, desk.next.action)
    }

    fn item(&self, id: &str) -> DeskItem {
        self.desk().stages.into_iter().flat_map(|stage| stage.items).find(|item| item.id == id).unwrap()
    }

    /// The apply stays shut, and the desk names this item.
    fn is_shut_by(&self, stage: Stage, id: &str, state: DeskState) {
        let desk = self.desk();
        let shut = self.with(|known| closed(known, &stages(known), false).map(|(stage, _)| stage.stage));
        assert_eq!(shut, Some(stage), "{id}: {:#?}", desk.next);
        let item = self.item(id);
        assert_eq!(item.state, state, "{id}: {}", item.text);
        assert!(!item.text.is_empty(), "{id} says why");
        assert_eq!(desk.current, Some(stage));
        let headline_names_it =
            desk.headline == item.text || desk.headline.contains(&item.title.to_lowercase()[1..]);
        assert!(headline_names_it || state == DeskState::Waiting, "{} / {}", desk.headline, item.text);
    }
}

fn succeeded(minute: u32) -> Applied {
    Applied {
        id: "run".to_owned(),
        number: 14,
        status: RunStatus::Succeeded,
        started_at: at(minute),
        ended_at: Some(at(minute)),
        why: None,
    }
}

#[test]
fn one_button_leads_from_the_first_stage_to_the_apply() {
    let mut scene = Scene::new();
    scene.release.said.clear();
    assert_eq!(scene.stands(), (Some(Stage::Prepare), DeskAction::Say));
    assert_eq!(Scene::new().stands(), (Some(Stage::Plan), DeskAction::MakePlan));
    let mut scene = Scene::planned();
    assert_eq!(scene.stands(), (Some(Stage::DryRun), DeskAction::DryRun));
    scene.tried = true;
    assert_eq!(scene.stands(), (Some(Stage::BackUp), DeskAction::BackUp));
    scene.backups = vec![backup(12, &["users"], None)];
    assert_eq!(scene.stands(), (Some(Stage::BackUp), DeskAction::Prove));
    assert_eq!(Scene::ready().stands(), (Some(Stage::Apply), DeskAction::Apply));
    let scene = Scene::ready();
    assert!(scene.with(|known| closed(known, &stages(known), false).is_none()));
}

#[test]
fn after_the_apply_it_leads_to_the_end() {
    let mut scene = Scene::ready();
    let sealed = scene.desk().stages.into_iter().filter(|stage| stage.stage < Stage::Apply).collect();
    let run_id = Some("run".to_owned());
    scene.release.sealed = Some(Sealed { at: at(13), plan_id: "plan".to_owned(), run_id, stages: sealed });
    // The ledger moved, by our own apply: what was ticked before stays as it was.
    scene.ledger = "after";
    scene.applied = Some(succeeded(14));
    if let Ok(status) = &mut scene.status {
        status.migrations = vec![row("02_more", MigrationState::Applied)];
    }
    scene.now = at(15);
    assert_eq!(scene.stands(), (Some(Stage::Verify), DeskAction::CompareDrift));
    assert!(scene.desk().stages.iter().take(5).all(|stage| stage.state.is_ticked()));
    if let Some(drift) = &mut scene.drift {
        drift.read_at = at(15);
    }
    assert_eq!(scene.item("post-deploy/checks-after").state, DeskState::Warn, "no check is no pass");
    scene.release.said.push(said("post-deploy/app-restarted", 15, Some("plan")));
    scene.now = at(16);
    assert_eq!(
        scene.desk().next.subject.as_deref(),
        Some("post-deploy/team-told"),
        "that can be said already"
    );
    scene.release.said.push(said("post-deploy/team-told", 16, Some("plan")));
    assert_eq!(scene.stands(), (Some(Stage::Watch), DeskAction::ReadAgain), "its 5 minutes are not over");
    scene.with(|known| {
        assert!(may_say(known, "post-deploy/logs-5").is_err());
        assert!(may_say(known, "post-deploy/ledger-after").is_err(), "evidence ticks it");
    });
    scene.now = at(19);
    assert_eq!(scene.stands(), (Some(Stage::Watch), DeskAction::Say));
    for item in ["logs-5", "logs-30"] {
        scene.release.said.push(said(&format!("post-deploy/{item}"), 45, Some("plan")));
    }
    scene.now = at(46);
    assert_eq!(scene.stands(), (None, DeskAction::End));
}

#[test]
fn what_is_wrong_or_not_known_shuts_the_apply_and_is_named() {
    let gone = || Failure::new(FailureCode::TimedOut, "The database did not answer in time.");
    let mut scene = Scene::ready();
    scene.seen = Err(gone());
    scene.is_shut_by(Stage::Prepare, "pre-deploy/connection", DeskState::Unknown);

    let mut scene = Scene::ready();
    if let Ok(seen) = &mut scene.seen {
        seen.verdict = IdentityVerdict::Different { reasons: vec!["The oid differs.".to_owned()] };
    }
    scene.is_shut_by(Stage::Prepare, "pre-deploy/connection", DeskState::Block);

    let mut scene = Scene::ready();
    if let Ok(seen) = &mut scene.seen {
        seen.hidden = 2;
    }
    scene.is_shut_by(Stage::Prepare, "pre-deploy/sessions", DeskState::Unknown);

    let mut scene = Scene::ready();
    scene.frozen =
        Some(Freeze { everywhere: false, by: "ben".to_owned(), why: "incident".to_owned(), at: at(20) });
    scene.is_shut_by(Stage::Prepare, "pre-deploy/writes-open", DeskState::Block);
    assert_eq!(scene.stands().1, DeskAction::LiftFreeze);

    let mut scene = Scene::ready();
    scene.status = Err(gone());
    scene.is_shut_by(Stage::Prepare, "pre-deploy/files-and-ledger", DeskState::Unknown);

    let mut scene = Scene::ready();
    if let Ok(status) = &mut scene.status {
        status.migrations.push(row("01_bad", MigrationState::Failed));
    }
    scene.is_shut_by(Stage::Prepare, "pre-deploy/files-and-ledger", DeskState::Block);

    let mut scene = Scene::ready();
    scene.drift = None;
    scene.is_shut_by(Stage::Prepare, "pre-deploy/drift", DeskState::Unknown);
    assert_eq!(scene.stands().1, DeskAction::CompareDrift);

    let mut scene = Scene::ready();
    scene.now = at(0) + Duration::hours(DRIFT_GOOD_HOURS + 1);
    scene.is_shut_by(Stage::Prepare, "pre-deploy/drift", DeskState::Unknown);

    let mut scene = Scene::ready();
    scene.broken = vec!["ours.toml: Line 3: unknown field `colour`.".to_owned()];
    scene.is_shut_by(Stage::Prepare, "broken/0", DeskState::Unknown);

    let mut scene = Scene::ready();
    scene.ledger = "moved";
    scene.is_shut_by(Stage::Plan, "deploy/plan-fits", DeskState::Block);
    assert_eq!(scene.stands().1, DeskAction::MakePlan);

    let mut scene = Scene::ready();
    scene.backups = vec![backup(9, &["users"], Some(ProofState::Proven))];
    scene.is_shut_by(Stage::BackUp, "deploy/backup-newer", DeskState::Block);

    let mut scene = Scene::ready();
    scene.backups = vec![backup(12, &["posts"], Some(ProofState::Proven))];
    scene.is_shut_by(Stage::BackUp, "deploy/backup-covers", DeskState::Block);

    let mut scene = Scene::ready();
    scene.backups = vec![backup(12, &["users"], Some(ProofState::Unknown))];
    scene.is_shut_by(Stage::BackUp, "deploy/backup-proven", DeskState::Unknown);
}

#[test]
fn a_reason_excuses_a_missing_restore_point_and_nothing_else() {
    let mut scene = Scene::ready();
    scene.backups.clear();
    assert!(scene.with(|known| closed(known, &stages(known), false).is_some()));
    assert!(scene.with(|known| closed(known, &stages(known), true).is_none()));
    scene.drift = None;
    assert!(scene.with(|known| closed(known, &stages(known), true).is_some()), "drift is not known");
}

#[test]
fn the_next_button_never_leads_to_what_was_just_done() {
    let mut scene = Scene::ready();
    if let Some(drift) = &mut scene.drift {
        drift.not_replayed = vec!["01_init: its file is missing".to_owned()];
    }
    assert_eq!(
        scene.stands(),
        (Some(Stage::Prepare), DeskAction::OpenDrift),
        "comparing again tells no more"
    );
}

#[test]
fn a_checklist_that_breaks_during_the_watch_holds_the_end_up() {
    let mut scene = Scene::ready();
    scene.applied = Some(succeeded(14));
    scene.broken = vec!["ours.toml: Line 3: unknown field `colour`.".to_owned()];
    assert_eq!(scene.item("broken/0").state, DeskState::Unknown);
    let stage = scene.desk().stages.into_iter().find(|stage| stage.stage == Stage::Verify).unwrap();
    assert!(!stage.state.is_ticked());
}

#[test]
fn a_new_plan_takes_back_what_was_said_of_the_old_one() {
    let mut scene = Scene::ready();
    scene.release.said = vec![
        said("pre-deploy/team-told", 1, None),
        said("pre-deploy/code-ready", 1, None),
        said("deploy/reviewed", 5, Some("older")),
    ];
    scene.is_shut_by(Stage::Plan, "deploy/reviewed", DeskState::Waiting);
    assert_eq!(scene.item("pre-deploy/team-told").state, DeskState::Pass, "that was of the release");
}

#[test]
fn a_run_that_was_cut_off_comes_before_everything_else() {
    let mut scene = Scene::ready();
    scene.ledger = "moved";
    scene.applied = Some(Applied { status: RunStatus::NeedsAttention, ended_at: None, ..succeeded(14) });
    assert_eq!(scene.stands(), (Some(Stage::Apply), DeskAction::OpenRun));
    assert_eq!(scene.desk().next.subject.as_deref(), Some("run"));
}

#[test]
fn an_apply_outside_of_the_desk_leaves_what_was_before_it_unknown() {
    let mut scene = Scene::planned();
    // The desk was about to apply it once, and did not.
    let stages = scene.desk().stages;
    scene.release.sealed = Some(Sealed { at: at(13), plan_id: "plan".to_owned(), run_id: None, stages });
    scene.applied = Some(succeeded(14));
    scene.ledger = "after";
    let desk = scene.desk();
    assert_eq!(desk.current, Some(Stage::Verify));
    for id in ["deploy/plan-fits", "deploy/dry-run", "deploy/backup-proven"] {
        assert_eq!(scene.item(id).state, DeskState::Unknown, "{id}");
    }
}

#[test]
fn checks_that_fail_or_were_not_read_hold_the_end_up() {
    let checks = |outcome| Verification {
        headline: "1 of 2 checks hold.".to_owned(),
        lead: "Users: 3 instead of 4.".to_owned(),
        outcome,
        checks: Vec::new(),
        at: Some(at(15)),
        run: None,
        unreadable: Vec::new(),
    };
    let mut scene = Scene::ready();
    scene.applied = Some(succeeded(14));
    if let Some(drift) = &mut scene.drift {
        drift.read_at = at(15);
    }
    if let Ok(status) = &mut scene.status {
        status.migrations = vec![row("02_more", MigrationState::Applied)];
    }
    for (outcome, state, action) in [
        (Outcome::Block, DeskState::Block, DeskAction::OpenVerification),
        (Outcome::Unknown, DeskState::Unknown, DeskAction::Verify),
    ] {
        scene.checks = Ok(Some(checks(outcome)));
        assert_eq!(scene.item("post-deploy/checks-after").state, state);
        assert_eq!(scene.stands(), (Some(Stage::Verify), action));
    }
}
