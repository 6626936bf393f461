//! Measures what the budgets of the design promise for applying migrations, both sides in one run:
//! apply against psql and against the real Prisma CLI, round trips on a slow line, the dry run.
//!
//! `scripts/bench` runs it. `DRYDOCK_REPETITIONS` sets how often each side is measured (3; the median
//! counts), an argument picks the measurements whose name holds it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement stops at the first surprise"
)]

use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::plan::{Confirmation, PlanPurpose};
use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::secret::Secret;
use drydock_engine::{ApplyOptions, Engine, Target};
use drydock_lab::{Postgres, PrismaPeer, Slow, Tls, Version};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    let mut report = format!("{} repetitions each, medians. `must` is the budget.\n\n", repetitions());
    let mut bench = Bench { databases: 0 };
    if is_wanted("real") {
        bench.real_history(&mut report).await;
    }
    if is_wanted("line") {
        bench.slow_line(&mut report).await;
    }
    if is_wanted("read") {
        bench.reading(&mut report).await;
    }
    if is_wanted("dry") {
        bench.dry_run(&mut report).await;
    }
    println!("\n{report}");
    let folder = drydock_lab::repository().join("target/reports");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("bench-apply.txt"), report).unwrap();
}

fn repetitions() -> usize {
    std::env::var("DRYDOCK_REPETITIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn line(report: &mut String, what: &str, value: String, must: &str) {
    println!("{what:<72} {value:>22}   must {must}");
    let _ = writeln!(report, "{what:<72} {value:>22}   must {must}");
}

struct Bench {
    databases: usize,
}

impl Bench {
    /// A new, empty database's address.
    async fn database(&mut self, server: &Postgres) -> String {
        self.databases += 1;
        server.create_database(&format!("bench{}", self.databases)).await
    }

    /// A real history of 434 files: our apply phase, one psql session, the real CLI.
    async fn real_history(&mut self, report: &mut String) {
        let server = Postgres::start_with(Version::Debian15, Tls::Off, &["fsync=on"]);
        let migrations = find_migrations(&corpus().join("langfuse"));
        let count = folders(&migrations).len();
        let script = tempfile::Builder::new().suffix(".sql").tempfile().unwrap();
        let includes: String = folders(&migrations)
            .iter()
            .map(|folder| format!("\\i '{}'\n", folder.join("migration.sql").display()))
            .collect();
        std::fs::write(script.path(), includes).unwrap();
        let peer = PrismaPeer::find();
        let (mut ours, mut dry, mut whole, mut psql, mut prisma) = (vec![], vec![], vec![], vec![], vec![]);
        for _ in 0..repetitions() {
            let url = self.database(&server).await;
            psql.push(timed(|| run_psql(&url, script.path())));
            let url = self.database(&server).await;
            let data = tempfile::tempdir().unwrap();
            let started = Instant::now();
            let answer = drydockctl(&url, data.path(), &migrations, &["apply", "--accept-data-loss"]);
            whole.push(started.elapsed().as_secs_f64());
            ours.push(answer["seconds"].as_f64().unwrap());
            dry.push(answer["dry_run_seconds"].as_f64().unwrap());
            let url = self.database(&server).await;
            let started = Instant::now();
            let answer = peer.deploy(&url, &migrations);
            assert_eq!(answer.exit, 0, "{}{}", answer.stdout, answer.stderr);
            prisma.push(started.elapsed().as_secs_f64());
        }
        let (ours, dry, whole) = (median(ours), median(dry), median(whole));
        let (psql, prisma) = (median(psql), median(prisma));
        println!(
            "langfuse, {count} files: apply phase {ours:.2} s (dry run {dry:.2} s, whole command {whole:.2} s), psql {psql:.2} s, Prisma CLI {prisma:.2} s"
        );
        let _ = writeln!(
            report,
            "langfuse, {count} files: apply phase {ours:.2} s (dry run {dry:.2} s, whole command {whole:.2} s), psql {psql:.2} s, Prisma CLI {prisma:.2} s"
        );
        line(
            report,
            "apply phase / one psql session running the same files",
            format!("{:.2} x", ours / psql),
            "<= 1.5 x, aim 1.1 x",
        );
        line(
            report,
            "wall time of `prisma migrate deploy` / apply phase",
            format!("{:.2} x", prisma / ours),
            ">= 1.5 x, aim 2.5 x",
        );
        line(report, "... / whole command with its dry run", format!("{:.2} x", prisma / whole), "-");
    }

    /// What one more migration costs on a line of 40 ms.
    async fn slow_line(&mut self, report: &mut String) {
        let server = Postgres::start_with(Version::Debian15, Tls::Off, &["fsync=on"]);
        for (kind, sql) in [
            ("atomic", "CREATE TABLE t{} (id int PRIMARY KEY);"),
            ("with its own BEGIN and COMMIT", "BEGIN;\nCREATE TABLE t{} (id int PRIMARY KEY);\nCOMMIT;"),
            ("one CREATE INDEX CONCURRENTLY", "CREATE INDEX CONCURRENTLY i{} ON pg_temp_base (id);"),
        ] {
            let (mut trips, mut seconds) = (vec![], vec![]);
            for _ in 0..repetitions() {
                let mut seen = Vec::new();
                for count in [10, 30] {
                    let root = tempfile::tempdir().unwrap();
                    for number in 0..count {
                        write(
                            root.path(),
                            &format!("{number:04}_step"),
                            &sql.replace("{}", &number.to_string()),
                        );
                    }
                    let url = self.database(&server).await;
                    if sql.contains("pg_temp_base") {
                        write(root.path(), "0000_base", "CREATE TABLE pg_temp_base (id int);");
                    }
                    let proxy = Slow::start(server.port(), Duration::ZERO);
                    let ready = ready_to_apply(&proxy.through(&url), root.path()).await;
                    proxy.set_delay(Duration::from_millis(20));
                    proxy.reset_counters();
                    let started = Instant::now();
                    ready.apply().await;
                    seen.push((proxy.round_trips() as f64, started.elapsed().as_secs_f64()));
                }
                trips.push((seen[1].0 - seen[0].0) / 20.0);
                seconds.push((seen[1].1 - seen[0].1) / 20.0);
            }
            line(
                report,
                &format!("one more migration on a 40 ms line, {kind}"),
                format!("{:.2} trips, {:.0} ms", median(trips), median(seconds) * 1000.0),
                "<= 3 trips, aim 1.5",
            );
        }
    }

    /// Status and overview on a line of 40 ms, the connection being open.
    async fn reading(&mut self, report: &mut String) {
        let server = Postgres::start(Version::Debian15);
        let migrations = find_migrations(&corpus().join("langfuse"));
        let url = self.database(&server).await;
        let data = tempfile::tempdir().unwrap();
        drydockctl(&url, data.path(), &migrations, &["apply", "--accept-data-loss"]);
        let proxy = Slow::start(server.port(), Duration::from_millis(20));
        let engine = Engine::open(data.path()).await.unwrap();
        let secret = Secret::new(proxy.through(&url));
        let target = Target::from_url(&secret, Tier::Development, Some(&migrations)).unwrap();
        engine.migration_status(&target).await.unwrap();
        let (mut trips, mut seconds) = (vec![], vec![]);
        let (mut overview_trips, mut overview_seconds) = (vec![], vec![]);
        for _ in 0..repetitions() {
            proxy.reset_counters();
            let started = Instant::now();
            engine.migration_status(&target).await.unwrap();
            seconds.push(started.elapsed().as_secs_f64());
            trips.push(proxy.round_trips() as f64);
            proxy.reset_counters();
            let started = Instant::now();
            engine.overview(&target).await.unwrap();
            overview_seconds.push(started.elapsed().as_secs_f64());
            overview_trips.push(proxy.round_trips() as f64);
        }
        for (what, trips, seconds) in [
            ("status of 434 migrations on a 40 ms line, connection open", trips, seconds),
            ("overview of the same", overview_trips, overview_seconds),
        ] {
            line(
                report,
                what,
                format!("{:.0} trips, {:.0} ms", median(trips), median(seconds) * 1000.0),
                "<= 6 trips, aim 3",
            );
        }
    }

    /// A migration that changes 50,000 rows, tried and taken back.
    async fn dry_run(&mut self, report: &mut String) {
        let server = Postgres::start(Version::Debian15);
        let url = self.database(&server).await;
        let name = format!("bench{}", self.databases);
        server
            .execute(&name, "CREATE TABLE rows (id int PRIMARY KEY, name text, n int); INSERT INTO rows SELECT g, 'row ' || g, g FROM generate_series(1, 50000) g;")
            .await;
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "0001_base", "SELECT 1;");
        let data = tempfile::tempdir().unwrap();
        drydockctl(&url, data.path(), root.path(), &["resolve", "--baseline", "0001_base"]);
        let change = "UPDATE rows SET n = n + 1;";
        write(root.path(), "0002_change", change);
        let script = tempfile::Builder::new().suffix(".sql").tempfile().unwrap();
        std::fs::write(script.path(), format!("BEGIN;\n{change}\nROLLBACK;\n")).unwrap();
        let (mut ours, mut psql) = (vec![], vec![]);
        for _ in 0..repetitions() {
            psql.push(timed(|| run_psql(&url, script.path())));
            let ready = plan(&url, root.path()).await;
            let started = Instant::now();
            ready.try_it().await;
            ours.push(started.elapsed().as_secs_f64());
        }
        let (ours, psql) = (median(ours), median(psql));
        line(
            report,
            "dry run of a migration that changes 50,000 rows",
            format!("{ours:.3} s = {:.1} x psql", ours / psql),
            "<= 1 s, aim 0.1 s (of the seeds' row)",
        );
    }
}

/// A plan, ready to be tried and applied.
struct Ready {
    _data: tempfile::TempDir,
    engine: Engine,
    target: Target,
    plan_id: String,
    digest: String,
}

async fn plan(url: &str, migrations: &Path) -> Ready {
    let data = tempfile::tempdir().unwrap();
    let engine = Engine::open(data.path()).await.unwrap();
    let target = Target::from_url(&Secret::new(url.to_owned()), Tier::Development, Some(migrations)).unwrap();
    let review = engine.plan_create(&target, PlanPurpose::ApplyPending).await.unwrap();
    Ready { _data: data, engine, target, plan_id: review.plan.id, digest: review.plan.digest }
}

async fn ready_to_apply(url: &str, migrations: &Path) -> Ready {
    let ready = plan(url, migrations).await;
    ready.try_it().await;
    ready
}

impl Ready {
    async fn try_it(&self) {
        let run = self.engine.start_dry_run(&self.target, &self.plan_id).await.unwrap();
        let run = self.engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
        assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
    }

    async fn apply(&self) {
        let confirmation = Confirmation { digest: self.digest.clone(), ..Confirmation::default() };
        let run = self
            .engine
            .start_apply(&self.target, &self.plan_id, confirmation, ApplyOptions::default())
            .await
            .unwrap();
        let run = self.engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
        assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
    }
}

fn drydockctl(url: &str, data: &Path, migrations: &Path, arguments: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_drydockctl"))
        .args(arguments)
        .arg("--migrations")
        .arg(migrations)
        .args(["--tier", "development", "--json"])
        .env("DATABASE_URL", url)
        .env("DRYDOCK_DATA", data)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

fn run_psql(url: &str, script: &Path) {
    let output = Command::new("/usr/lib/postgresql/15/bin/psql")
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f"])
        .arg(script)
        .env("PGOPTIONS", "-c client_min_messages=warning")
        .stdout(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn timed(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

fn corpus() -> PathBuf {
    std::env::var_os("DRYDOCK_CORPUS")
        .map(PathBuf::from)
        .unwrap_or_else(|| drydock_lab::repository().join("../shared/corpus"))
}

/// The one folder below that holds `migration_lock.toml`.
fn find_migrations(root: &Path) -> PathBuf {
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        if folder.join("migration_lock.toml").is_file() {
            return folder;
        }
        let entries = std::fs::read_dir(&folder).unwrap();
        open.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()));
    }
    panic!("no migrations in {}", root.display());
}

fn folders(migrations: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(migrations)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("migration.sql").is_file())
        .collect();
    folders.sort();
    folders
}

fn write(root: &Path, name: &str, sql: &str) {
    let folder = root.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("migration.sql"), sql).unwrap();
}
