//! The first journey through a line: compared key, doctor, status, dry run, rehearsal, apply, drift; and
//! what everything says when the line is lost or the host is another.

use super::by_both;
use drydock_engine::domain::address::{TlsMode, TlsRoots};
use drydock_engine::domain::doctor::HopKind;
use drydock_engine::domain::environment::{
    AccessDraft, Colour, Environment, EnvironmentDraft, GuardRules, PasswordChoice, Tier,
};
use drydock_engine::domain::migration::MigrationState;
use drydock_engine::domain::plan::{Confirmation, PlanPurpose};
use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::secret::{Keeping, Secret};
use drydock_engine::domain::ssh::{HostKeyVerdict, SshImplementation, TunnelState};
use drydock_engine::domain::transport::{SshDraft, SshLoginDraft, Transport, TransportDraft};
use drydock_engine::domain::{FailureCode, Outcome};
use drydock_engine::{ApplyOptions, Engine};
use drydock_lab::{Postgres, SshServer, Tls, Version};
use std::path::Path;
use std::time::{Duration, Instant};

const MIGRATIONS: usize = 40;

/// Atomic ones, one with its own transaction, and one that no transaction takes: it has to be rehearsed.
fn write_migrations(root: &Path) {
    for number in 0..MIGRATIONS {
        let folder = root.join(format!("migrations/{number:03}_step"));
        std::fs::create_dir_all(&folder).unwrap();
        let sql = match number {
            20 => "BEGIN; CREATE TABLE own_block (id int PRIMARY KEY); COMMIT;".to_owned(),
            38 => "CREATE INDEX CONCURRENTLY t5_id ON t5 (id);".to_owned(),
            _ => format!("CREATE TABLE t{number} (id int PRIMARY KEY);"),
        };
        std::fs::write(folder.join("migration.sql"), sql).unwrap();
    }
    std::fs::write(root.join("migrations/migration_lock.toml"), "provider = \"postgresql\"\n").unwrap();
}

struct Office {
    engine: Engine,
    host: SshServer,
    server: Postgres,
    folder: tempfile::TempDir,
}

impl Office {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_migrations(folder.path());
        Self {
            engine: Engine::open(&folder.path().join("data")).await.unwrap(),
            host: SshServer::start(),
            server: Postgres::start_with(Version::Debian15, Tls::On, &[]),
            folder,
        }
    }

    async fn draft(&self, implementation: SshImplementation) -> EnvironmentDraft {
        let name = match implementation {
            SshImplementation::Openssh => "own",
            SshImplementation::Russh => "built_in",
        };
        let url = self.server.create_database(name).await;
        let mut parsed = self.engine.address_parse(&url).unwrap();
        // The certificate is for this name, and is checked against it, although the socket is elsewhere.
        parsed.address.tls = TlsMode::VerifyFull;
        let authority = self.server.authority().unwrap().certificate().display().to_string();
        parsed.address.roots = TlsRoots::File { path: authority };
        let login = match implementation {
            SshImplementation::Openssh => SshLoginDraft::KeyFile {
                path: self.host.key().display().to_string(),
                passphrase: PasswordChoice::None,
            },
            SshImplementation::Russh => SshLoginDraft::Password { password: self.pending() },
        };
        EnvironmentDraft {
            name: name.to_owned(),
            tier: Tier::Development,
            colour: Colour::Tier,
            runtime: None,
            direct: AccessDraft {
                address: parsed.address,
                password: PasswordChoice::Pending {
                    handle: parsed.password.unwrap(),
                    keeping: Keeping::AskEachTime,
                },
            },
            transport: TransportDraft::Ssh {
                access: SshDraft {
                    host: self.host.address().to_owned(),
                    port: Some(self.host.port()),
                    user: Some(self.host.user().to_owned()),
                    implementation: Some(implementation),
                    login,
                    jumps: Vec::new(),
                    pins: Vec::new(),
                },
            },
            rules: GuardRules::for_tier(Tier::Development),
            migrations_folder: Some(self.folder.path().join("migrations").display().to_string()),
        }
    }

    fn pending(&self) -> PasswordChoice {
        let handle = self.engine.password_set(Secret::new(self.host.password().to_owned()));
        PasswordChoice::Pending { handle, keeping: Keeping::AskEachTime }
    }

    /// Tests the draft, compares the host's key, pins it, tests again and saves.
    async fn environment(&self, implementation: SshImplementation) -> Environment {
        let mut draft = self.draft(implementation).await;
        let report = self.engine.connection_test_draft(&draft, None, &mut |_| {}).await.unwrap();
        assert!(!report.usable);
        let asked = report.host_key.expect("an unknown key is shown, not accepted");
        assert_eq!(asked.verdict, HostKeyVerdict::Unknown);
        assert_eq!(asked.shown.fingerprint, self.host.fingerprint(), "and it is the host's own");
        let not_reached = report.hops.iter().filter(|hop| hop.outcome.is_none()).count();
        assert!(not_reached >= 9, "nothing was sent beyond it: {:?}", report.hops);
        let pin = self.engine.host_key_pin(&asked).unwrap();
        let TransportDraft::Ssh { access } = &mut draft.transport else { panic!("an SSH draft") };
        access.pins.push(pin);

        let mut told = Vec::new();
        let report =
            self.engine.connection_test_draft(&draft, None, &mut |hop| told.push(hop.clone())).await.unwrap();
        assert!(report.usable, "{report:?}");
        assert_eq!(told, report.hops, "every hop was told, in order");
        let kinds: Vec<HopKind> = report.hops.iter().map(|hop| hop.kind).collect();
        assert!(kinds.is_sorted() && kinds.starts_with(&[HopKind::SshNameLookup]), "{kinds:?}");
        assert!(!kinds.contains(&HopKind::NameLookup), "the host looks the database's name up, not we");
        // The lab's certificates end soon, which is worth a look and says that one was checked.
        let passes = |kind, outcome| outcome == Some(Outcome::Pass) || kind == HopKind::Tls;
        assert!(report.hops.iter().all(|hop| passes(hop.kind, hop.outcome)), "{:?}", report.hops);
        self.engine.environment_create(draft).await.unwrap()
    }

    async fn state(&self, environment: &Environment) -> Option<TunnelState> {
        self.engine.line_status(&environment.id).await.unwrap().unwrap().state
    }
}

async fn journey(office: &Office, implementation: SshImplementation) -> Environment {
    let engine = &office.engine;
    let environment = office.environment(implementation).await;
    let report = engine.connection_test(&environment.id, &mut |_| {}).await.unwrap();
    assert!(report.usable, "{report:?}");
    assert!(matches!(office.state(&environment).await, Some(TunnelState::Open { .. })), "the line stays");
    let target = engine.target(&environment.id).await.unwrap();
    let status = engine.migration_status(&target).await.unwrap();
    assert_eq!(status.migrations.len(), MIGRATIONS);

    let review = engine.plan_create(&target, PlanPurpose::ApplyPending).await.unwrap();
    let run = engine.start_dry_run(&target, &review.plan.id).await.unwrap();
    let run = engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
    assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
    let report = engine.newest_dry_run(&review.plan.id).await.unwrap().unwrap();
    assert_eq!(report.worked, Some(true), "tried there, and the rest on a copy of its schema: {report:?}");

    let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
    let run =
        engine.start_apply(&target, &review.plan.id, confirmation, ApplyOptions::default()).await.unwrap();
    let run = engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
    assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
    let status = engine.migration_status(&target).await.unwrap();
    assert!(status.migrations.iter().all(|row| row.state == MigrationState::Applied));
    let drift = engine.drift_compare(&target).await.unwrap();
    assert!(drift.differences.is_empty(), "{:?}", drift.differences);
    engine.overview(&target).await.unwrap();
    environment
}

by_both!(
    the_first_journey_goes_through,
    a_lost_line_is_said_in_time_and_reading_opens_it_again,
    another_host_behind_the_name_stops_every_feature,
);

async fn the_first_journey_goes_through(implementation: SshImplementation) {
    let office = Office::open().await;
    journey(&office, implementation).await;
    let _ = office.engine.sandbox_stop().await;
    office.engine.close_lines().await;
}

async fn a_lost_line_is_said_in_time_and_reading_opens_it_again(implementation: SshImplementation) {
    let mut office = Office::open().await;
    let environment = office.environment(implementation).await;
    let target = office.engine.target(&environment.id).await.unwrap();
    office.engine.migration_status(&target).await.unwrap();
    office.host.freeze();
    let frozen = Instant::now();
    while !matches!(office.state(&environment).await, Some(TunnelState::Lost { .. })) {
        assert!(frozen.elapsed() < Duration::from_secs(10), "a dead line is said in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{implementation:?}: said after {:?}", frozen.elapsed());
    office.host.thaw();
    office.engine.migration_status(&target).await.unwrap();
    assert!(matches!(office.state(&environment).await, Some(TunnelState::Open { .. })));

    office.host.crash();
    office.host.resume();
    let status = office.engine.migration_status(&target).await.unwrap();
    assert_eq!(status.migrations.len(), MIGRATIONS, "reads reconnect by themselves");
    office.engine.close_lines().await;
}

async fn another_host_behind_the_name_stops_every_feature(implementation: SshImplementation) {
    let office = Office::open().await;
    let environment = office.environment(implementation).await;
    let target = office.engine.target(&environment.id).await.unwrap();
    let review = office.engine.plan_create(&target, PlanPurpose::ApplyPending).await.unwrap();
    office.engine.close_lines().await;

    // As if the host had been set up anew: the pin is for another key.
    let other = SshServer::start();
    let mut route = target.clone();
    let Transport::Ssh { access } = &environment.transport else { panic!("an SSH environment") };
    let mut moved = access.clone();
    moved.port = Some(other.port());
    moved.user = Some(other.user().to_owned());
    for pin in &mut moved.pins {
        pin.port = other.port();
    }
    if let Some(route) = &mut route.connector.route {
        route.access = moved;
    }
    let engine = &office.engine;
    let refusals = [
        engine.migration_status(&route).await.err(),
        engine.plan_create(&route, PlanPurpose::ApplyPending).await.err(),
        engine.drift_compare(&route).await.err(),
    ];
    for (number, refusal) in refusals.iter().enumerate() {
        let refusal = refusal.as_ref().unwrap_or_else(|| panic!("feature {number} went on"));
        assert_eq!(refusal.code, FailureCode::SshHostKeyChanged, "{implementation:?} {number}: {refusal:?}");
    }
    let overview = engine.overview(&route).await.unwrap();
    let green = overview.cards.iter().filter(|card| card.outcome == Some(Outcome::Pass)).count();
    assert_eq!(green, 0, "nothing is green: {:?}", overview.cards);
    let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
    let applied = engine.start_apply(&route, &review.plan.id, confirmation, ApplyOptions::default()).await;
    assert!(applied.is_err(), "nothing is applied: {applied:?}");
    office.engine.close_lines().await;
}
