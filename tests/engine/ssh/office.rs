//! An operator's engine, an SSH host, and a database that only the host has to reach.

use drydock_engine::Engine;
use drydock_engine::domain::Outcome;
use drydock_engine::domain::address::{TlsMode, TlsRoots};
use drydock_engine::domain::doctor::HopKind;
use drydock_engine::domain::environment::{
    AccessDraft, Colour, Environment, EnvironmentDraft, GuardRules, PasswordChoice, Tier,
};
use drydock_engine::domain::secret::{Keeping, Secret};
use drydock_engine::domain::ssh::{HostKeyVerdict, SshImplementation, TunnelState};
use drydock_engine::domain::transport::{SshDraft, SshLoginDraft, TransportDraft};
use drydock_lab::{Network, Postgres, Slow, SshServer, SshSettings, Tls, Version};
use sqlx::{AssertSqlSafe, Row};
use std::path::Path;
use std::time::Duration;

pub struct Office {
    pub engine: Engine,
    pub host: SshServer,
    pub server: Postgres,
    pub folder: tempfile::TempDir,
    /// Host and database are in a network of their own.
    pub network: Option<Network>,
    /// The way to the host goes through this line.
    pub line: Option<Slow>,
}

impl Office {
    /// All on this computer.
    pub async fn open() -> Self {
        Self::of(SshServer::start(), Postgres::start_with(Version::Debian15, Tls::On, &[]), None, None).await
    }

    /// The host is behind a line that can be slow, reset or go dead.
    pub async fn behind_a_line(one_way: Duration) -> Self {
        let host = SshServer::start();
        let line = Slow::start(host.port(), one_way);
        let server = Postgres::start_with(Version::Debian15, Tls::On, &[]);
        Self::of(host, server, None, Some(line)).await
    }

    /// Host and database are on the other end of a cable.
    pub async fn behind_a_cable() -> Self {
        let network = Network::start();
        let address = network.address();
        let (host, server) = network.inside(|| {
            let settings = SshSettings { address: Some(address), ..SshSettings::default() };
            (SshServer::start_with(settings), Postgres::start_with(Version::Debian15, Tls::On, &[]))
        });
        Self::of(host, server, Some(network), None).await
    }

    async fn of(host: SshServer, server: Postgres, network: Option<Network>, line: Option<Slow>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(&folder.path().join("data")).await.unwrap();
        Self { engine, host, server, folder, network, line }
    }

    pub fn write(&self, name: &str, sql: &str) {
        let folder = self.folder.path().join("migrations").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("migration.sql"), sql).unwrap();
        let lock = self.folder.path().join("migrations/migration_lock.toml");
        std::fs::write(lock, "provider = \"postgresql\"\n").unwrap();
    }

    /// Two text columns, asked beside the console.
    pub async fn ask(&self, database: &str, sql: &str) -> Vec<(String, String)> {
        let ask = async {
            let mut connection = self.server.connect(database).await;
            let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap();
            rows.iter().map(|row| (row.get(0), row.get(1))).collect()
        };
        self.there(ask).await
    }

    /// Runs something where the database is.
    async fn there<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        let Some(network) = &self.network else { return work.await };
        tokio::task::block_in_place(|| {
            network.inside(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(work)
            })
        })
    }

    pub async fn draft(&self, name: &str, implementation: SshImplementation) -> EnvironmentDraft {
        let url = self.there(self.server.create_database(name)).await;
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
        let (host, port) = match &self.line {
            Some(line) => ("127.0.0.1".to_owned(), line.port()),
            None => (self.host.address().to_owned(), self.host.port()),
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
                    host,
                    port: Some(port),
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
    pub async fn environment(&self, name: &str, implementation: SshImplementation) -> Environment {
        let mut draft = self.draft(name, implementation).await;
        let report = self.engine.connection_test_draft(&draft, None, &mut |_| {}).await.unwrap();
        assert!(!report.usable);
        let asked = report.host_key.expect("an unknown key is shown, not accepted");
        assert_eq!(asked.verdict, HostKeyVerdict::Unknown);
        assert_eq!(asked.shown.fingerprint, self.host.fingerprint(), "and it is the host's own");
        let not_reached = report.hops.iter().filter(|hop| hop.outcome.is_none()).count();
        assert!(not_reached >= 9, "nothing was sent beyond it: {:?}", report.hops);
        let mut forged = asked.clone();
        forged.shown.key = "AAAAforged".to_owned();
        assert!(self.engine.host_key_pin(&forged).is_err(), "only a key that was really shown can be pinned");
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

    pub async fn state(&self, environment: &Environment) -> Option<TunnelState> {
        self.engine.line_status(&environment.id).await.unwrap().unwrap().state
    }

    /// Ends what the console opened.
    pub async fn close(&self) {
        self.engine.close_lines().await;
        let sandbox = self.engine.sandbox_status().await.folder;
        let _ = self.engine.sandbox_stop().await;
        if Path::new(&sandbox).starts_with("/var/lib/drydock") {
            let _ = std::fs::remove_dir_all(sandbox);
        }
    }
}
