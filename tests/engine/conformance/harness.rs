//! One server, one engine, the real command line, and projects to try them on.

use drydock_engine::adapters::postgres::connect::Way;
use drydock_engine::adapters::{dumps::schema_dump, sandbox::Toolkit};
use drydock_engine::domain::change_set::DryRunReport;
use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::migration::{MigrationState, MigrationStatus};
use drydock_engine::domain::plan::{Confirmation, PlanPurpose, PlanReview};
use drydock_engine::domain::run::{Run, RunEvent, RunStatus};
use drydock_engine::domain::secret::Secret;
use drydock_engine::domain::{Failure, FailureCode};
use drydock_engine::{ApplyOptions, Engine, Target};
use drydock_lab::{Answer, Postgres, PrismaPeer, Version};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A migrations folder of one test.
pub struct Project {
    root: tempfile::TempDir,
}

impl Project {
    /// An empty folder with Prisma's lock file.
    pub fn new() -> Self {
        let project = Self::bare();
        project.lock("provider = \"postgresql\"\n");
        project
    }

    /// A folder without lock file.
    pub fn bare() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("prisma/migrations")).unwrap();
        Self { root }
    }

    /// A folder with these migrations.
    pub fn of(migrations: &[(&str, &str)]) -> Self {
        let project = Self::new();
        for (name, sql) in migrations {
            project.write(name, sql);
        }
        project
    }

    pub fn path(&self) -> PathBuf {
        self.root.path().join("prisma/migrations")
    }

    pub fn write(&self, name: &str, sql: impl AsRef<[u8]>) {
        let folder = self.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("migration.sql"), sql).unwrap();
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_dir_all(self.path().join(name)).unwrap();
    }

    pub fn lock(&self, text: &str) {
        std::fs::write(self.path().join("migration_lock.toml"), text).unwrap();
    }
}

/// One ledger row without what differs between any two runs: id, times, wording of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub name: String,
    pub checksum: String,
    pub finished: bool,
    pub rolled_back: bool,
    pub steps: i32,
    /// `None`: NULL; `Some("")`: empty; `Some("text")`: any text.
    pub logs: Option<&'static str>,
}

/// A server, an engine on its own data folder, the real command line.
pub struct Bench {
    pub server: Postgres,
    pub engine: Engine,
    pub peer: PrismaPeer,
    data: tempfile::TempDir,
    databases: AtomicU32,
}

impl Bench {
    pub async fn start(version: Version) -> Self {
        let data = tempfile::tempdir().unwrap();
        Self {
            server: Postgres::start(version),
            engine: Engine::open(data.path()).await.unwrap(),
            peer: PrismaPeer::find(),
            data,
            databases: AtomicU32::new(0),
        }
    }

    /// A new, empty database: its name and address.
    pub async fn database(&self) -> (String, String) {
        let name = format!("base_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let url = self.server.create_database(&name).await;
        (name, url)
    }

    /// A second engine with a data folder of its own, as another operator would have.
    pub async fn other_engine(&self) -> Engine {
        let folder = self.data.path().join("other");
        std::fs::create_dir_all(&folder).unwrap();
        Engine::open(&folder).await.unwrap()
    }

    /// Stops the rehearsal server, if there was one, and removes what it left.
    pub async fn close(self) {
        let home = PathBuf::from(self.engine.sandbox_status().await.folder);
        let _ = self.engine.sandbox_stop().await;
        if home.starts_with("/var/lib/drydock") {
            let _ = std::fs::remove_dir_all(home);
        }
    }

    /// Plans and applies without a dry run, as development allows.
    pub async fn apply(&self, target: &Target) -> Result<Run, Failure> {
        apply(&self.engine, target, PlanPurpose::ApplyPending).await
    }

    /// Plans and dry-runs; the report of it.
    pub async fn dry_run(&self, target: &Target) -> (PlanReview, Run, DryRunReport) {
        let review = self.engine.plan_create(target, PlanPurpose::ApplyPending).await.unwrap();
        let run = self.engine.start_dry_run(target, &review.plan.id).await.unwrap();
        let run = self.engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
        let report = self.engine.newest_dry_run(&review.plan.id).await.unwrap();
        let report = report.unwrap_or_else(|| panic!("no report: {run:?}"));
        (review, run, report)
    }

    /// The status with the states of all migrations by name.
    pub async fn states(&self, target: &Target) -> (MigrationStatus, Vec<(String, MigrationState)>) {
        let status = self.engine.migration_status(target).await.unwrap();
        let states = status.migrations.iter().map(|row| (row.name.clone(), row.state)).collect();
        (status, states)
    }
}

/// A target on that address.
pub fn target(url: &str, folder: &Path, tier: Tier) -> Target {
    Target::from_url(&Secret::new(url.to_owned()), tier, Some(folder)).unwrap()
}

/// A target that development rules hold for.
pub fn development(url: &str, project: &Project) -> Target {
    target(url, &project.path(), Tier::Development)
}

/// Plans and applies for a purpose, without a dry run.
pub async fn apply(engine: &Engine, target: &Target, purpose: PlanPurpose) -> Result<Run, Failure> {
    let review = engine.plan_create(target, purpose).await?;
    let run = start(engine, target, &review).await?;
    engine.wait_run(&run.id, &mut |_| {}).await
}

/// Starts the apply of a plan, untried, as development allows.
pub async fn start(engine: &Engine, target: &Target, review: &PlanReview) -> Result<Run, Failure> {
    let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
    let options = ApplyOptions { despite_failed_dry_run: true };
    engine.start_apply(target, &review.plan.id, confirmation, options).await
}

/// Waits for a run and returns its events too.
pub async fn watch(engine: &Engine, run: &Run) -> (Run, Vec<RunEvent>) {
    let mut events = Vec::new();
    let run = engine.wait_run(&run.id, &mut |event| events.push(event)).await.unwrap();
    (run, events)
}

/// The failure of a run that has to have failed with it.
pub fn failure_of(run: &Run, code: FailureCode) -> &Failure {
    assert_eq!(run.status, RunStatus::Failed, "{run:?}");
    let failure = run.failure.as_ref().unwrap();
    assert_eq!(failure.code, code, "{failure:?}");
    failure
}

pub async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

pub async fn execute(url: &str, sql: &str) {
    let mut connection = connect(url).await;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The first column of the first row, as text.
pub async fn text(url: &str, sql: &str) -> String {
    let mut connection = connect(url).await;
    let row = sqlx::query(AssertSqlSafe(format!("SELECT coalesce(({sql})::text, '')")))
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    row.get(0)
}

/// Waits until a session of ours waits for a lock, or sleeps as its script says.
pub async fn is_held_up(url: &str) {
    let held_up = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'drydock %' AND state = 'active' AND (wait_event_type = 'Lock' OR wait_event = 'PgSleep')";
    let until = Instant::now() + Duration::from_secs(60);
    while text(url, held_up).await != "1" {
        assert!(Instant::now() < until, "nothing of ours waits on the server");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// All ledger rows, oldest first.
pub async fn recorded(url: &str) -> Vec<Recorded> {
    if text(url, "to_regclass('public._prisma_migrations')").await.is_empty() {
        return Vec::new();
    }
    let mut connection = connect(url).await;
    let rows = sqlx::query(
        "SELECT migration_name, checksum, finished_at IS NOT NULL, rolled_back_at IS NOT NULL, applied_steps_count, logs, \
         id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$', \
         coalesce(finished_at >= started_at, true), started_at > now() - interval '10 minutes' \
         FROM public._prisma_migrations ORDER BY started_at, migration_name",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    rows.iter()
        .map(|row| {
            let name: String = row.get(0);
            assert!(row.get::<bool, _>(6), "{name}: Prisma's ids are UUIDs of version 4, lower case");
            assert!(row.get::<bool, _>(7) && row.get::<bool, _>(8), "{name}: its times make sense");
            Recorded {
                name,
                checksum: row.get(1),
                finished: row.get(2),
                rolled_back: row.get(3),
                steps: row.get(4),
                logs: row.get::<Option<String>, _>(5).map(|text| if text.is_empty() { "" } else { "text" }),
            }
        })
        .collect()
}

/// Everything of a database but its rows, as pg_dump writes it.
pub async fn schema_of(url: &str) -> String {
    let target = Target::from_url(&Secret::new(url.to_owned()), Tier::Development, None).unwrap();
    let connector = &target.connector;
    schema_dump(
        &Toolkit::find(None).unwrap(),
        Way::direct(&connector.address, connector.password.as_ref()),
        &[],
    )
    .await
    .unwrap()
}

/// The definitions of everything, and number and digest of every table's rows: equal before and after
/// means untouched.
pub async fn everything(url: &str) -> (String, Vec<String>) {
    let tables = text(url, "SELECT string_agg(format('%I.%I', schemaname, tablename), E'\n' ORDER BY schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')").await;
    let mut rows = Vec::new();
    for table in tables.lines() {
        let digest = format!(
            "SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, ';' ORDER BY t::text)), '') FROM {table} t"
        );
        rows.push(format!("{table} {}", text(url, &digest).await));
    }
    (schema_of(url).await, rows)
}

/// What the command line printed, for messages.
pub fn said(answer: &Answer) -> String {
    format!("exit {}\n{}\n{}", answer.exit, answer.stdout, answer.stderr)
}
