//! The release desk on real servers: it leads from the first check to the watch, stays shut while anything is missing
//! or not known, and resumes where it was; and the freeze, under which nothing is written.

use super::backups::harness::{PASSPHRASE, one, run};
use super::backups::rollback::project;
use super::seeds::harness::profile_of;
use drydock_engine::domain::desk::{Desk, DeskAction, DeskItem, DeskState, ReleaseKind, Saying, Stage};
use drydock_engine::domain::environment::{
    AccessDraft, Colour, EnvironmentDraft, GuardRules, PasswordChoice, Tier,
};
use drydock_engine::domain::plan::{Confirmation, GateKind};
use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::secret::{Keeping, Secret};
use drydock_engine::domain::seed::SeedAnswers;
use drydock_engine::domain::transport::TransportDraft;
use drydock_engine::domain::{FailureCode, Outcome};
use drydock_engine::{ApplyOptions, Engine};
use drydock_lab::{Postgres, Version};
use sqlx::{Connection, PgConnection};

const INIT: (&str, &str) =
    ("01_init", "CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users VALUES (1, 'Ana');");
const NEXT: (&str, &str) =
    ("02_age", "ALTER TABLE users ADD COLUMN age int; UPDATE users SET age = 30 WHERE id = 1;");

/// A production environment with one migration applied and one waiting.
struct Place {
    server: Postgres,
    engine: Engine,
    data: tempfile::TempDir,
    project: tempfile::TempDir,
    id: String,
}

impl Place {
    async fn new() -> Self {
        Self::of(Tier::Production).await
    }

    async fn of(tier: Tier) -> Self {
        let server = Postgres::start(Version::Debian15);
        let data = tempfile::tempdir().unwrap();
        let engine = Engine::open(data.path()).await.unwrap();
        engine.vault_create(Secret::new(PASSPHRASE)).await.unwrap();
        let url = server.create_database("shop").await;
        let project = project(&[INIT]);
        let mut place = Self { server, engine, data, project, id: String::new() };
        let first = drydock_engine::Target::from_url(
            &Secret::new(url.clone()),
            Tier::Development,
            Some(place.project.path()),
        )
        .unwrap();
        let review = place
            .engine
            .plan_create(&first, drydock_engine::domain::plan::PlanPurpose::ApplyPending)
            .await
            .unwrap();
        let options = ApplyOptions { despite_failed_dry_run: false };
        let run_id = place.engine.start_dry_run(&first, &review.plan.id).await.unwrap().id;
        place.engine.wait_run(&run_id, &mut |_| {}).await.unwrap();
        let confirmation = Confirmation { digest: review.plan.digest, ..Confirmation::default() };
        let run_id =
            place.engine.start_apply(&first, &review.plan.id, confirmation, options).await.unwrap().id;
        assert_eq!(place.ends(&run_id).await, RunStatus::Succeeded);
        place.write(NEXT);
        place.id = place.environment("shop", tier, &url).await;
        place
    }

    fn write(&self, (name, sql): (&str, &str)) {
        let folder = self.project.path().join("prisma/migrations").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("migration.sql"), sql).unwrap();
    }

    async fn environment(&self, name: &str, tier: Tier, url: &str) -> String {
        let parsed = self.engine.address_parse(url).unwrap();
        let password = match parsed.password {
            Some(handle) => PasswordChoice::Pending { handle, keeping: Keeping::Vault },
            None => PasswordChoice::None,
        };
        let draft = EnvironmentDraft {
            name: name.to_owned(),
            tier,
            colour: Colour::Tier,
            runtime: None,
            direct: AccessDraft { address: parsed.address, password },
            transport: TransportDraft::default(),
            rules: GuardRules::for_tier(tier),
            migrations_folder: Some(self.project.path().display().to_string()),
        };
        self.engine.environment_create(draft).await.unwrap().id
    }

    async fn ends(&self, run: &str) -> RunStatus {
        self.engine.wait_run(run, &mut |_| {}).await.unwrap().status
    }

    async fn desk(&self) -> Desk {
        self.engine.desk(&self.id).await.unwrap()
    }

    async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.server.url("shop")).await.unwrap()
    }

    /// Presses the one next button, as the window does.
    async fn press(&self, desk: &Desk) {
        let (engine, id) = (&self.engine, self.id.as_str());
        let target = engine.target(id).await.unwrap();
        let plan = desk.release.as_ref().and_then(|release| release.plan_id.clone());
        match desk.next.action {
            DeskAction::Begin => drop(engine.desk_begin(id, None).await.unwrap()),
            DeskAction::Say => {
                drop(engine.desk_say(id, said(desk, desk.next.subject.as_deref().unwrap())).await.unwrap());
            }
            DeskAction::CompareDrift => drop(engine.drift_compare(&target).await.unwrap()),
            DeskAction::MakePlan => drop(engine.desk_plan(id).await.unwrap()),
            DeskAction::DryRun => {
                let run = engine.start_dry_run(&target, &plan.unwrap()).await.unwrap();
                assert_eq!(self.ends(&run.id).await, RunStatus::Succeeded);
            }
            DeskAction::BackUp => {
                let request = engine.backup_request_for(&plan.unwrap()).await.unwrap();
                let run = engine.start_backup(&target, request).await.unwrap();
                assert_eq!(self.ends(&run.id).await, RunStatus::Succeeded);
            }
            DeskAction::Apply => {
                let review = engine.plan_review(&target, &plan.unwrap()).await.unwrap();
                let run = engine.desk_apply(id, self.confirmed(&review.plan.digest)).await.unwrap();
                assert_eq!(self.ends(&run.id).await, RunStatus::Succeeded);
            }
            DeskAction::Verify => drop(engine.verify(&target, &[]).await.unwrap()),
            DeskAction::End => drop(engine.desk_end(id, None).await.unwrap()),
            other => panic!("{other:?}: {} / {}", desk.headline, desk.next.title),
        }
    }

    fn confirmed(&self, digest: &str) -> Confirmation {
        Confirmation {
            digest: digest.to_owned(),
            typed_name: Some("shop".to_owned()),
            ..Confirmation::default()
        }
    }

    /// Presses on until this is the next step.
    async fn until(&self, action: DeskAction) -> Desk {
        for _ in 0..30 {
            let desk = self.desk().await;
            if desk.next.action == action {
                return desk;
            }
            self.press(&desk).await;
        }
        panic!("never came to {action:?}: {:#?}", self.desk().await);
    }
}

/// What Ana says of an item on this desk.
fn said(desk: &Desk, item: &str) -> Saying {
    let release = desk.release.as_ref().unwrap();
    Saying {
        item: item.to_owned(),
        name: "Ana".to_owned(),
        note: None,
        release_id: release.id.clone(),
        plan_id: release.plan_id.clone(),
    }
}

fn item(desk: &Desk, id: &str) -> DeskItem {
    desk.stages.iter().flat_map(|stage| &stage.items).find(|item| item.id == id).unwrap().clone()
}

#[tokio::test]
async fn one_button_leads_a_production_release_from_the_first_check_to_the_watch() {
    let place = Place::new().await;
    let desk = place.desk().await;
    assert!(desk.headline.contains("1 migration waits"), "{}", desk.headline);
    let desk = place.until(DeskAction::Apply).await;
    assert!(desk.stages.iter().take(4).all(|stage| stage.state.is_ticked()), "{:#?}", desk.stages);
    // Another console opened now, or this one after a crash, stands at the same place.
    let again = Engine::open(place.data.path()).await.unwrap();
    again.vault_unlock(Secret::new(PASSPHRASE)).await.unwrap();
    assert_eq!(again.desk(&place.id).await.unwrap().next.action, DeskAction::Apply);
    place.press(&desk).await;
    let mut connection = place.connection().await;
    assert_eq!(one(&mut connection, "SELECT age::text FROM users").await, "30");
    let desk = place.desk().await;
    assert_eq!(desk.current, Some(Stage::Verify));
    assert!(desk.stages.iter().take(5).all(|stage| stage.state.is_ticked()), "as sealed: {:#?}", desk.stages);
    assert_eq!(item(&desk, "post-deploy/ledger-after").state, DeskState::Pass);
    // The watch's own minutes hold the end up; nothing talks them away.
    let desk = place.until(DeskAction::ReadAgain).await;
    assert_eq!(desk.current, Some(Stage::Watch));
    let early = place.engine.desk_say(&place.id, said(&desk, "post-deploy/logs-5")).await.unwrap_err();
    assert_eq!(early.code, FailureCode::ReleaseRefused);
    let early = place.engine.desk_end(&place.id, None).await.unwrap_err();
    assert_eq!(early.code, FailureCode::ReleaseRefused);
    let desk = place.engine.desk_end(&place.id, Some("watched by the night shift")).await.unwrap();
    assert!(desk.release.is_none());
    assert_eq!(desk.earlier[0].put_away.as_deref(), Some("watched by the night shift"));
    assert!(desk.earlier[0].sealed.is_some(), "what held before the apply stays on record");
}

#[tokio::test]
async fn the_apply_stays_shut_while_a_stage_is_not_through_and_the_stage_is_named() {
    let place = Place::new().await;
    place.engine.desk_begin(&place.id, None).await.unwrap();
    let failure = place.engine.desk_apply(&place.id, place.confirmed("")).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::ReleaseRefused, "there is no plan yet");
    let desk = place.until(DeskAction::DryRun).await;
    // Another plan is made while somebody reads this one: their word is not about the other.
    let other = place.engine.desk_plan(&place.id).await.unwrap();
    let failure = place.engine.desk_say(&place.id, said(&desk, "pre-deploy/team-told")).await.unwrap_err();
    assert!(failure.what.contains("another plan"), "{failure:?}");
    assert_eq!(
        item(&place.desk().await, "pre-deploy/team-told").said,
        item(&other, "pre-deploy/team-told").said
    );
    let desk = place.until(DeskAction::DryRun).await;
    let target = place.engine.target(&place.id).await.unwrap();
    let plan_id = desk.release.unwrap().plan_id.unwrap();
    let digest = place.engine.plan_review(&target, &plan_id).await.unwrap().plan.digest;
    let failure = place.engine.desk_apply(&place.id, place.confirmed(&digest)).await.unwrap_err();
    assert!(failure.what.contains("Dry run"), "{failure:?}");
    let desk = place.until(DeskAction::Apply).await;
    // The world moves: each item un-ticks itself and names what happened.
    let mut connection = place.connection().await;
    run(&mut connection, "CREATE INDEX sneaked ON users (name)").await;
    let moved = place.desk().await;
    assert_eq!(item(&desk, "deploy/plan-fits").state, DeskState::Pass);
    assert_eq!(item(&moved, "deploy/plan-fits").state, DeskState::Block);
    let failure = place.engine.desk_apply(&place.id, place.confirmed(&digest)).await.unwrap_err();
    assert!(failure.what.contains("Plan"), "{failure:?}");
    run(&mut connection, "DROP INDEX sneaked").await;
    assert_eq!(place.desk().await.next.action, DeskAction::Apply, "and ticks itself again");
    // A backup that is gone takes its tick with it.
    let backup = place.engine.backup_shelf(&target).await.unwrap().backups[0].id.clone();
    let folder = place.engine.backup_detail(&backup).await.unwrap().folder;
    std::fs::rename(&folder, format!("{folder}.away")).unwrap();
    let gone = place.desk().await;
    assert_eq!(gone.current, Some(Stage::BackUp), "{:#?}", gone.next);
    std::fs::rename(format!("{folder}.away"), &folder).unwrap();
    // Somebody takes back what they said.
    place.engine.desk_unsay(&place.id, "pre-deploy/team-told").await.unwrap();
    let failure = place.engine.desk_apply(&place.id, place.confirmed(&digest)).await.unwrap_err();
    assert!(failure.what.contains("Prepare"), "{failure:?}");
    assert_eq!(one(&mut connection, "SELECT count(*)::text FROM _prisma_migrations").await, "1");
}

#[tokio::test]
async fn what_cannot_be_read_is_unknown_and_shuts_the_desk() {
    let place = Place::new().await;
    place.until(DeskAction::Apply).await;
    // A right that is missing: sessions of others cannot be looked at.
    let connection = place.connection().await;
    let url = place.server.create_reader("shop", "little").await;
    let mut little = Place { id: place.environment("little", Tier::Staging, &url).await, ..place };
    little.engine.desk_begin(&little.id, None).await.unwrap();
    let desk = little.desk().await;
    let sessions = item(&desk, "pre-deploy/sessions");
    assert_eq!(sessions.state, DeskState::Unknown, "{}", sessions.text);
    assert!(sessions.text.contains("pg_read_all_stats"), "{}", sessions.text);
    // A server that does not answer.
    drop(connection);
    little.server.stop();
    let desk = little.desk().await;
    assert_eq!(item(&desk, "pre-deploy/connection").state, DeskState::Unknown);
    assert_eq!(item(&desk, "pre-deploy/files-and-ledger").state, DeskState::Unknown);
    assert_eq!(desk.next.action, DeskAction::OpenDoctor);
    assert!(desk.stages.iter().flat_map(|stage| &stage.items).all(|item| !item.state.is_ticked()
        || item.id.ends_with("writes-open")
        || item.id.ends_with("runs-settled")));
}

#[tokio::test]
async fn a_checklist_of_ones_own_counts_and_a_broken_one_shuts_the_desk() {
    let place = Place::of(Tier::Development).await;
    let own = place.data.path().join("checklists");
    std::fs::create_dir_all(&own).unwrap();
    let list = "title = \"Ours\"\nfor = [\"migrations\"]\n\n[[items]]\nid = \"cake\"\nstage = \"prepare\"\ntitle = \"There is cake\"\nperson = \"Buy some.\"\n";
    std::fs::write(own.join("ours.toml"), list).unwrap();
    place.engine.desk_begin(&place.id, None).await.unwrap();
    assert_eq!(item(&place.desk().await, "own/ours/cake").state, DeskState::Waiting);
    std::fs::write(own.join("ours.toml"), list.replace("person", "persom")).unwrap();
    let desk = place.desk().await;
    let broken = item(&desk, "broken/0");
    assert_eq!(broken.state, DeskState::Unknown);
    assert!(broken.text.contains("ours.toml: Line 8") && broken.text.contains("persom"), "{}", broken.text);
    assert_eq!(desk.stages[0].state, DeskState::Unknown);
}

#[tokio::test]
async fn a_seed_comes_to_the_desk_with_its_plan_and_has_items_of_its_own() {
    let place = Place::of(Tier::Development).await;
    let profile = profile_of(
        "[[tables]]\ntable = \"users\"\nkey = [\"id\"]\nmode = \"upsert\"\nrows = [ { id = 2, name = \"Ben\" } ]\n",
    );
    let target = place.engine.target(&place.id).await.unwrap();
    let source = profile.path().display().to_string();
    let review = place.engine.seed_plan(&target, &source, SeedAnswers::default()).await.unwrap();
    let desk = place.engine.desk_begin(&place.id, Some(&review.plan.id)).await.unwrap();
    assert_eq!(desk.release.as_ref().unwrap().kind, ReleaseKind::Seed);
    assert!(
        desk.stages.iter().flat_map(|stage| &stage.items).all(|item| !item.id.starts_with("pre-deploy/"))
    );
    assert_eq!(item(&desk, "production-seed/right-profile").state, DeskState::Waiting);
    let other = place.engine.desk_begin(&place.id, None).await.unwrap_err();
    assert_eq!(other.code, FailureCode::ReleaseRefused, "one release at a time");
    let migrations = place.engine.desk_plan(&place.id).await.unwrap_err();
    assert_eq!(migrations.code, FailureCode::ReleaseRefused, "its plan comes from its form");
    let desk = place.until(DeskAction::Apply).await;
    place.press(&desk).await;
    let mut connection = place.connection().await;
    assert_eq!(one(&mut connection, "SELECT name FROM users WHERE id = 2").await, "Ben");
    let desk = place.until(DeskAction::End).await;
    place.press(&desk).await;
    let desk = place.desk().await;
    assert!(desk.release.is_none() && desk.earlier[0].put_away.is_none(), "it ended as through");
}

#[tokio::test]
async fn under_a_freeze_nothing_is_written_and_what_reads_goes_on() {
    let place = Place::new().await;
    let desk = place.until(DeskAction::Apply).await;
    let target = place.engine.target(&place.id).await.unwrap();
    let plan_id = desk.release.unwrap().plan_id.unwrap();
    assert_eq!(
        place.engine.freeze(Some(&place.id), "no").await.unwrap_err().code,
        FailureCode::SettingInvalid,
        "a reason is needed"
    );
    for everywhere in [false, true] {
        let id = (!everywhere).then_some(place.id.as_str());
        place.engine.freeze(id, "incident 42").await.unwrap();
        let review = place.engine.plan_review(&target, &plan_id).await.unwrap();
        let gate = review.gates.iter().find(|gate| gate.kind == GateKind::Freeze).unwrap();
        assert_eq!(gate.outcome, Outcome::Block);
        assert!(gate.evidence.contains("incident 42"), "{}", gate.evidence);
        let confirmation = place.confirmed(&review.plan.digest);
        let apply =
            place.engine.start_apply(&target, &plan_id, confirmation.clone(), ApplyOptions::default());
        assert_eq!(apply.await.unwrap_err().code, FailureCode::Frozen);
        assert_eq!(
            place.engine.start_dry_run(&target, &plan_id).await.unwrap_err().code,
            FailureCode::Frozen
        );
        let failure = place.engine.desk_apply(&place.id, confirmation).await.unwrap_err();
        assert!(failure.why.unwrap().contains("incident 42"));
        assert_eq!(place.desk().await.next.action, DeskAction::LiftFreeze);
        let request = place.engine.backup_request_for(&plan_id).await.unwrap();
        let run = place.engine.start_backup(&target, request).await.unwrap();
        assert_eq!(place.ends(&run.id).await, RunStatus::Succeeded, "a backup only reads");
        if !everywhere {
            let refused = place.engine.lift_freeze(id, None).await.unwrap_err();
            assert_eq!(refused.code, FailureCode::ConfirmationMissing, "production's name is typed");
        }
        if everywhere {
            let named = place.engine.lift_freeze(None, Some("shop")).await.unwrap_err();
            assert_eq!(named.code, FailureCode::ConfirmationMissing, "all of it is more than one");
        }
        // The same database by its address is frozen with it.
        let url = Secret::new(place.server.url("shop"));
        let by_url =
            drydock_engine::Target::from_url(&url, Tier::Development, Some(place.project.path())).unwrap();
        let other = place
            .engine
            .plan_create(&by_url, drydock_engine::domain::plan::PlanPurpose::ApplyPending)
            .await
            .unwrap();
        let refused = place.engine.start_dry_run(&by_url, &other.plan.id).await.unwrap_err();
        assert_eq!(refused.code, FailureCode::Frozen);
        let typed = if everywhere { "everywhere" } else { "shop" };
        let freezes = place.engine.lift_freeze(id, Some(typed)).await.unwrap();
        assert!(freezes.everywhere.is_none() && freezes.environments.is_empty());
    }
    assert_eq!(place.desk().await.next.action, DeskAction::Apply);
}
