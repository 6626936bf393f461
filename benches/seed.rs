//! Measures the budgets of seeds, both sides in one run on loopback: a million rows into an empty table with
//! key and unique text index, against COPY FROM of the same rows; the memory that their capture and their undo take;
//! cancel; and the dry run of 10,000 rows beside 50,000.
//!
//! `scripts/bench seed` runs it. `DRYDOCK_ROWS` sets how many rows are written (1,000,000).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement stops at the first surprise"
)]

use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::plan::{Confirmation, PlanReview};
use drydock_engine::domain::run::{Run, RunEvent, RunEventKind, RunStatus};
use drydock_engine::domain::secret::Secret;
use drydock_engine::domain::seed::SeedAnswers;
use drydock_engine::{ApplyOptions, Engine, Target};
use drydock_lab::{Postgres, Version};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

const TABLES: &str = "CREATE TABLE items (id bigint PRIMARY KEY, code text UNIQUE NOT NULL, name text NOT NULL, price numeric(12,2) NOT NULL, made date NOT NULL);";

fn profile(folder: &Path, rows: u32, price: &str) {
    let text = format!(
        "title = \"Items\"\ndescription = \"\"\nengines = [\"postgresql\"]\ntiers = [\"development\"]\n[[tables]]\ntable = \"items\"\nkey = [\"id\"]\nmode = \"upsert\"\nrepeat = {rows}\ncolumns.id = {{ counter = 1 }}\ncolumns.code = {{ text = \"ITEM-{{{{row | pad 8}}}}\" }}\ncolumns.name = {{ text = \"A name that is as long as names are, number {{{{row}}}}\" }}\ncolumns.price = {price}\ncolumns.made = 2026-11-21\n"
    );
    std::fs::write(folder.join("profile.toml"), text).unwrap();
}

struct Desk {
    engine: Engine,
    target: Target,
    connection: PgConnection,
}

impl Desk {
    async fn plan(&self, folder: &Path) -> PlanReview {
        self.engine
            .seed_plan(&self.target, &folder.display().to_string(), SeedAnswers::default())
            .await
            .unwrap()
    }

    async fn dry_run(&self, review: &PlanReview) -> (Run, f64) {
        let started = Instant::now();
        let run = self.engine.start_dry_run(&self.target, &review.plan.id).await.unwrap();
        let run = self.engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
        assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
        (run, started.elapsed().as_secs_f64())
    }

    /// Looks at a run's rows, plans to take them back, dry-runs and applies that.
    async fn undo(&self, run: &Run) {
        let seen = self.engine.undo_review(&self.target, &run.id).await.unwrap();
        assert_eq!((seen.untouched, seen.conflicts_total), (seen.changes, 0));
        let review = self.engine.undo_plan(&self.target, &run.id, Vec::new()).await.unwrap();
        self.dry_run(&review).await;
        let undone = self.start(&review).await;
        let undone = self.engine.wait_run(&undone.id, &mut |_| {}).await.unwrap();
        assert_eq!(undone.status, RunStatus::Succeeded, "{:?}", undone.failure);
    }

    async fn start(&self, review: &PlanReview) -> Run {
        let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
        self.engine
            .start_apply(&self.target, &review.plan.id, confirmation, ApplyOptions::default())
            .await
            .unwrap()
    }
}

/// Most memory this process ever had, and has now, MB.
fn memory() -> (f64, f64) {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    };
    (line("VmHWM"), line("VmRSS"))
}

/// Forgets the most memory that this process had until now.
fn forget_most_memory() {
    // Where the kernel cannot, what is printed is too high.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

async fn execute(connection: &mut PgConnection, sql: &str) -> f64 {
    let started = Instant::now();
    connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    started.elapsed().as_secs_f64()
}

/// COPY FROM of the same rows into a table made the same.
async fn copy(connection: &mut PgConnection, file: &Path) -> f64 {
    execute(connection, "DROP TABLE IF EXISTS copied; CREATE TABLE copied (LIKE items INCLUDING ALL)").await;
    let bytes = std::fs::read(file).unwrap();
    let started = Instant::now();
    let mut into = connection.copy_in_raw("COPY copied FROM STDIN").await.unwrap();
    for piece in bytes.chunks(256 * 1024) {
        into.send(piece).await.unwrap();
    }
    into.finish().await.unwrap();
    started.elapsed().as_secs_f64()
}

#[tokio::main]
async fn main() {
    let rows: u32 =
        std::env::var("DRYDOCK_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let server = Postgres::start(Version::Debian15);
    let url = server.create_database("seeds").await;
    let data = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk {
        engine: Engine::open(data.path()).await.unwrap(),
        target: Target::from_url(&Secret::new(url.clone()), Tier::Development, None).unwrap(),
        connection: PgConnection::connect(&url).await.unwrap(),
    };
    execute(&mut desk.connection, TABLES).await;
    let mut report = format!("{rows} rows with key and unique text index, loopback, PostgreSQL 15.\n\n");
    profile(folder.path(), rows, "9.90");
    let idle = memory().1;
    let review = desk.plan(folder.path()).await;
    let (_, dry) = desk.dry_run(&review).await;
    let captured = memory().0 - idle;
    execute(&mut desk.connection, "VACUUM items").await;
    execute(&mut desk.connection, "CHECKPOINT").await;
    let whole = Instant::now();
    let run = desk.start(&review).await;
    let mut events: Vec<RunEvent> = Vec::new();
    let seeded = desk.engine.wait_run(&run.id, &mut |event| events.push(event)).await.unwrap();
    let apply = whole.elapsed().as_secs_f64();
    assert_eq!(seeded.status, RunStatus::Succeeded, "{:?}", seeded.failure);
    let begun = events
        .iter()
        .find(|event| matches!(&event.what, RunEventKind::Step { step } if step.verb == "Seed"))
        .unwrap()
        .at;
    let written = events.iter().find(|event| matches!(&event.what, RunEventKind::Note { text } if text.starts_with("All rows are written"))).unwrap().at;
    let write = (written - begun).num_milliseconds() as f64 / 1000.0;
    let file = data.path().join("rows.txt");
    {
        use futures_util::TryStreamExt;
        use std::io::Write as _;
        let mut out = std::io::BufWriter::new(std::fs::File::create(&file).unwrap());
        let mut pieces = desk.connection.copy_out_raw("COPY items TO STDOUT").await.unwrap();
        while let Some(piece) = pieces.try_next().await.unwrap() {
            out.write_all(&piece).unwrap();
        }
        out.flush().unwrap();
    }
    let mut copies = Vec::new();
    for _ in 0..3 {
        copies.push(copy(&mut desk.connection, &file).await);
    }
    copies.sort_by(f64::total_cmp);
    let base = copies[1];
    let _ = writeln!(report, "COPY FROM                     {base:>6.2} s (median of 3)");
    let _ = writeln!(
        report,
        "write phase                   {write:>6.2} s  {:>5.2} x  (must 2, aim 1.3)",
        write / base
    );
    let _ = writeln!(
        report,
        "dry run {dry:.2} s + apply {apply:.2} s {:>6.2} s  {:>5.2} x  (must 6, aim 3)",
        dry + apply,
        (dry + apply) / base
    );
    let _ = writeln!(report, "capture of {rows} rows: memory over idle {captured:.0} MB (must 200, aim 64)");

    let (_, again) = desk.dry_run(&desk.plan(folder.path()).await).await;
    let _ = writeln!(report, "dry run with nothing to change {again:>5.2} s");
    profile(folder.path(), rows, "12.50");
    let review = desk.plan(folder.path()).await;
    desk.dry_run(&review).await;
    let run = desk.start(&review).await;
    tokio::time::sleep(std::time::Duration::from_secs_f64(write / 2.0)).await;
    let asked = Instant::now();
    desk.engine.cancel_run(&run.id).unwrap();
    let run = desk.engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
    let _ = writeln!(
        report,
        "cancel amid {rows} changes: {:.2} s to the run's end ({:?}) (must 2, aim 0.5)",
        asked.elapsed().as_secs_f64(),
        run.status
    );

    forget_most_memory();
    let started = Instant::now();
    desk.undo(&seeded).await;
    let undo = started.elapsed().as_secs_f64();
    let most = memory().0 - idle;
    let _ = writeln!(
        report,
        "undo of {rows} rows, looked at, planned, dry-run, applied: {undo:.1} s, memory over idle {most:.0} MB (must 300, aim 200)"
    );

    execute(&mut desk.connection, "TRUNCATE items; INSERT INTO items SELECT i, 'ITEM-' || lpad(i::text, 8, '0'), 'n', 1, '2026-01-01' FROM generate_series(1, 50000) i; ANALYZE items").await;
    profile(folder.path(), 10_000, "9.90");
    let review = desk.plan(folder.path()).await;
    let mut times = Vec::new();
    for _ in 0..5 {
        let (run, _) = desk.dry_run(&review).await;
        times.push(desk.engine.newest_dry_run(&review.plan.id).await.unwrap().unwrap().seconds);
        let _ = run;
    }
    times.sort_by(f64::total_cmp);
    let _ = writeln!(
        report,
        "dry run with full row diff, 10,000 rows beside 50,000: {:.2} s (must 1, aim 0.1)",
        times[2]
    );
    println!("{report}");
    let reports = drydock_lab::repository().join("target/reports");
    std::fs::create_dir_all(&reports).unwrap();
    std::fs::write(reports.join("bench-seed.txt"), report).unwrap();
}
