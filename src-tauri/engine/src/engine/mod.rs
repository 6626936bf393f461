//! The public door: what the shell and `drydockctl` can ask for.

mod backups;
mod desk;
mod drift;
mod environments;
mod exports;
mod freeze;
mod lines;
mod observe;
mod overview;
mod plans;
mod questions;
mod rehearsal;
mod rollback;
mod runs;
mod sandbox;
mod seeds;
mod settings;
mod status;
mod verification;

pub use observe::Observation;
use observe::while_it_answers;
pub use plans::ApplyOptions;
pub use settings::{RowsKept, Settings, Theme};
pub use verification::AppAnswers;

use crate::adapters::changes::ChangeKey;
use crate::adapters::keyring::SecretStore;
use crate::adapters::sandbox::Sandbox;
use crate::adapters::ssh::{Lines, Places};
use crate::adapters::store::Store;
use crate::domain::environment::{Environment, GuardRules, Tier};
use crate::domain::secret::Secret;
use crate::domain::ssh::HostKeyReport;
use crate::domain::statement::Script;
use crate::domain::{Failure, FailureCode};
use crate::planner;
use crate::runner::events::Stream;
use crate::runner::session::Connector;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The engine of one data folder. Cheap to clone; all clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    secrets: SecretStore,
    lines: Arc<Lines>,
    questions: Arc<questions::Questions>,
    shown_keys: Mutex<Vec<HostKeyReport>>,
    sandbox: Mutex<Option<Arc<Sandbox>>>,
    live: Mutex<HashMap<String, Live>>,
    scripts: Mutex<HashMap<String, Arc<Script>>>,
    connections: tokio::sync::Mutex<HashMap<String, PgConnection>>,
    change_key: tokio::sync::Mutex<Option<ChangeKey>>,
    /// One maker of a backup key at a time.
    backup_keys: tokio::sync::Mutex<()>,
    /// One reader-then-writer of an environment's checks at a time.
    check_setup: tokio::sync::Mutex<()>,
    shown_rows: tokio::sync::Mutex<Option<seeds::ShownRows>>,
}

/// A run at work in this process.
#[derive(Clone)]
struct Live {
    stream: Stream,
    cancel: Arc<watch::Sender<bool>>,
    target: String,
}

/// A target with everything needed to work on it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The stored environment, if it is one.
    pub environment: Option<Environment>,
    /// Name to confirm with.
    pub name: String,
    /// Tier.
    pub tier: Tier,
    /// Guard rules.
    pub rules: GuardRules,
    /// Way to it.
    pub connector: Connector,
    /// Migrations folder, once chosen.
    pub folder: Option<PathBuf>,
}

impl Target {
    /// A target from the text of `DATABASE_URL`, for scripts and CI.
    ///
    /// # Errors
    /// [`FailureCode::AddressInvalid`]; [`FailureCode::TransactionPooler`] where the address says so.
    pub fn from_url(url: &Secret, tier: Tier, folder: Option<&Path>) -> Result<Self, Failure> {
        let (parsed, password) = planner::address::from_url_secret(url)?;
        let folder = folder.map(crate::adapters::files::find_migrations_folder).transpose()?;
        Ok(Self {
            environment: None,
            name: parsed.address.database.clone(),
            tier,
            rules: GuardRules::for_tier(tier),
            connector: Connector {
                address: parsed.address,
                password,
                check_timeout_ms: GuardRules::for_tier(tier).check_timeout_ms,
                route: None,
            },
            folder,
        })
    }

    /// The same target with another migrations folder.
    ///
    /// # Errors
    /// [`FailureCode::MigrationsUnreadable`].
    pub fn with_folder(mut self, folder: &Path) -> Result<Self, Failure> {
        self.folder = Some(crate::adapters::files::find_migrations_folder(folder)?);
        Ok(self)
    }

    fn key(&self) -> String {
        match &self.environment {
            Some(environment) => environment.id.clone(),
            None => format!("url {}", self.connector.address.label()),
        }
    }

    fn environment_id(&self) -> Option<String> {
        self.environment.as_ref().map(|environment| environment.id.clone())
    }

    fn folder(&self) -> Result<&Path, Failure> {
        self.folder.as_deref().ok_or_else(|| {
            Failure::new(
                FailureCode::MigrationsUnreadable,
                "No migrations folder is chosen for this environment.",
            )
            .unchanged("Nothing was read.")
            .next("Choose the folder that holds the migrations, or the project's root.")
        })
    }
}

impl Engine {
    /// Opens the engine on a data folder.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn open(data: &Path) -> Result<Self, Failure> {
        let store = Arc::new(Store::open(data).await?);
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                secrets: SecretStore::open(data),
                lines: Arc::new(Lines::new(Places::of_this_user())),
                questions: Arc::default(),
                shown_keys: Mutex::default(),
                sandbox: Mutex::default(),
                live: Mutex::default(),
                scripts: Mutex::default(),
                connections: tokio::sync::Mutex::default(),
                change_key: tokio::sync::Mutex::default(),
                backup_keys: tokio::sync::Mutex::default(),
                check_setup: tokio::sync::Mutex::default(),
                shown_rows: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// Where the console keeps its data: `DRYDOCK_DATA`, else the platform's place for it.
    ///
    /// # Errors
    /// [`FailureCode::Store`] where neither is known.
    pub fn data_folder() -> Result<PathBuf, Failure> {
        crate::adapters::files::data_folder()
    }

    fn store(&self) -> &Arc<Store> {
        &self.inner.store
    }

    fn secrets(&self) -> &SecretStore {
        &self.inner.secrets
    }

    fn lines(&self) -> Arc<Lines> {
        Arc::clone(&self.inner.lines)
    }

    /// Closes every line to an SSH host. For the end of the program: a line that is open then is noticed
    /// by the host only after a while.
    pub async fn close_lines(&self) {
        self.inner.connections.lock().await.clear();
        self.inner.lines.close_all().await;
    }

    fn draw_id() -> String {
        uuid::Uuid::new_v4().to_string()
    }

    /// Taken apart once per text.
    fn script(&self, checksum: &str, text: &str) -> Arc<Script> {
        let mut scripts = self.inner.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(script) = scripts.get(checksum) {
            return Arc::clone(script);
        }
        if scripts.len() > 50_000 {
            scripts.clear();
        }
        let script = Arc::new(planner::sql::analyse(text));
        scripts.insert(checksum.to_owned(), Arc::clone(&script));
        script
    }

    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<String, Live>> {
        self.inner.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
