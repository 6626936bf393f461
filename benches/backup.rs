//! Measures the budgets of backups, both sides in one run, on a database of 1.35 million rows in 46 tables: a quick
//! and a deep backup, the comparison of every row, and a restore in one transaction, against COPY, `pg_dump`,
//! and psql.
//!
//! `scripts/bench backup` runs it. `DRYDOCK_ROWS` sets the rows of the largest table (1,000,000).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement stops at the first surprise"
)]

use drydock_engine::domain::backup::{
    BackupKind, BackupRequest, BackupScope, HashDefinition, RestoreInto, RestoreRequest, RestoreWhat,
};
use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::plan::Confirmation;
use drydock_engine::domain::run::{Run, RunStatus};
use drydock_engine::domain::secret::Secret;
use drydock_engine::{ApplyOptions, Engine, Target};
use drydock_lab::{Postgres, Version};
use futures_util::StreamExt;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Rounds of each side; the middle one counts.
const ROUNDS: usize = 5;

async fn execute(connection: &mut PgConnection, sql: &str) {
    connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
}

async fn build(connection: &mut PgConnection, rows: u32) {
    execute(
        connection,
        &format!(
            "CREATE TABLE accounts (aid integer PRIMARY KEY, bid integer, abalance integer, filler char(84));
             INSERT INTO accounts SELECT i, i % 10, 0, '' FROM generate_series(1, {rows}) i;
             CREATE TABLE documents (id bigint PRIMARY KEY, title text NOT NULL, body text, meta jsonb, tags text[], made timestamptz);
             INSERT INTO documents SELECT i, 'Título número ' || i || ' Größe', (SELECT string_agg((ARRAY['the','order','größer','is','of','customer','a','señal','for','with','naïve','price','and','not','in','week','delivered','on','street','ответ','later','note','asked','about','return','parcel','was','never','seen','again','by','noon'])[1 + abs(hashint8(i * 131 + g)) % 32], ' ') FROM generate_series(1, 110) g), json_build_object('n', i, 'k', md5((i * 7)::text)), ARRAY['a' || i % 100, 'ü'], timestamptz '2026-01-01' + i * interval '1 second' FROM generate_series(1, {documents}) i;
             CREATE TABLE users (id integer PRIMARY KEY, email text UNIQUE NOT NULL, name text);
             INSERT INTO users SELECT i, 'user' || i || '@example.com', 'Name ' || i FROM generate_series(1, {users}) i;
             CREATE TABLE orders (id integer PRIMARY KEY, who integer NOT NULL REFERENCES users (id), total numeric(12,2), at timestamptz);
             INSERT INTO orders SELECT i, 1 + i % {users}, i / 100.0, timestamptz '2026-01-01' + i * interval '1 minute' FROM generate_series(1, {orders}) i;
             CREATE INDEX orders_who ON orders (who)",
            documents = rows / 5,
            users = rows / 20,
            orders = rows / 10
        ),
    )
    .await;
    for number in 0..42 {
        execute(
            connection,
            &format!("CREATE TABLE small_{number} (id integer PRIMARY KEY, v text); INSERT INTO small_{number} SELECT i, md5(i::text) FROM generate_series(1, 52) i"),
        )
        .await;
    }
    execute(connection, "VACUUM (FREEZE, ANALYZE)").await;
    execute(connection, "CHECKPOINT").await;
}

async fn tables(connection: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1";
    let rows = sqlx::raw_sql(sql).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// REF: every table by binary COPY in one snapshot, thrown away.
async fn reference(connection: &mut PgConnection, tables: &[String]) -> f64 {
    let started = Instant::now();
    execute(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await;
    for table in tables {
        let mut rows =
            connection.copy_out_raw(&format!("COPY {table} TO STDOUT (FORMAT binary)")).await.unwrap();
        while let Some(piece) = rows.next().await {
            std::hint::black_box(piece.unwrap().len());
        }
    }
    execute(connection, "COMMIT").await;
    started.elapsed().as_secs_f64()
}

/// The middle of some rounds, and the fastest and the slowest one.
struct Rounds {
    middle: f64,
    words: String,
}

impl Rounds {
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let (middle, last) = (seconds[seconds.len() / 2], seconds[seconds.len() - 1]);
        Self { middle, words: format!("{middle:.2} s ({:.2}-{last:.2})", seconds[0]) }
    }
}

struct Desk {
    engine: Engine,
    target: Target,
}

impl Desk {
    /// Takes one, and how long its own step took.
    async fn back_up(&self, kind: BackupKind) -> f64 {
        let request =
            BackupRequest { kind, scope: BackupScope::Whole, prove: false, for_plan: None, folder: None };
        let run = self.engine.start_backup(&self.target, request).await.unwrap();
        step(&self.ended(&run).await, "Back up")
    }

    async fn ended(&self, run: &Run) -> Run {
        let run = self.engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
        assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
        run
    }

    async fn newest(&self) -> String {
        self.engine.backup_shelf(&self.target).await.unwrap().backups[0].id.clone()
    }

    async fn restore(&self, backup_id: &str) -> f64 {
        let request = RestoreRequest {
            backup_id: backup_id.to_owned(),
            what: RestoreWhat::Everything,
            into: RestoreInto::Target,
            other_database: None,
        };
        let review = self.engine.restore_plan(&self.target, request).await.unwrap();
        let ticked_findings = (0_u32..).take(review.plan.findings.len()).collect();
        let confirmation =
            Confirmation { digest: review.plan.digest.clone(), ticked_findings, ..Confirmation::default() };
        let run = self
            .engine
            .start_apply(&self.target, &review.plan.id, confirmation, ApplyOptions::default())
            .await
            .unwrap();
        step(&self.ended(&run).await, "Restore")
    }
}

fn step(run: &Run, verb: &str) -> f64 {
    run.steps.iter().find(|step| step.verb == verb).and_then(|step| step.seconds).unwrap()
}

/// Counts and hashes of every row, as a proof and a restore compare them.
async fn verification(connection: &mut PgConnection, tables: &[String]) -> f64 {
    use drydock_engine::adapters::postgres::backup;
    use drydock_engine::runner::backup::sums::sums;
    backup::begin(connection, None, 3_000).await.unwrap();
    let inventory = backup::inventory(connection).await.unwrap();
    let stored: Vec<_> = inventory.relations.iter().map(|relation| relation.stored()).collect();
    assert_eq!(stored.len(), tables.len());
    let started = Instant::now();
    let found = sums(connection, HashDefinition::ColumnSum64, &stored, &|_| 0.0, &|_| {}).await.unwrap();
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(found.len(), tables.len());
    execute(connection, "ROLLBACK").await;
    seconds
}

fn pg_dump(url: &str, file: &std::path::Path) -> f64 {
    let started = Instant::now();
    let done = Command::new("/usr/lib/postgresql/15/bin/pg_dump")
        .args(["-Fc", "-f"])
        .arg(file)
        .arg(url)
        .stderr(Stdio::inherit())
        .status()
        .unwrap();
    assert!(done.success());
    started.elapsed().as_secs_f64()
}

/// TRUNCATE and COPY of every table by psql, in one transaction.
fn psql(url: &str, folder: &std::path::Path, tables: &[String]) -> f64 {
    let mut script = String::from("BEGIN;\n");
    writeln!(script, "TRUNCATE {};", tables.join(", ")).unwrap();
    // Referenced tables first.
    let mut ordered: Vec<&String> = tables.iter().collect();
    ordered.sort_by_key(|table| table.as_str() == "orders");
    for table in ordered {
        writeln!(script, "\\copy {table} FROM '{}' (FORMAT binary)", folder.join(table).display()).unwrap();
    }
    script.push_str("COMMIT;\n");
    let file = folder.join("restore.sql");
    std::fs::write(&file, script).unwrap();
    let started = Instant::now();
    let done = Command::new("/usr/lib/postgresql/15/bin/psql")
        .args(["-q", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(&file)
        .arg(url)
        .status()
        .unwrap();
    assert!(done.success());
    started.elapsed().as_secs_f64()
}

async fn written_out(connection: &mut PgConnection, folder: &std::path::Path, tables: &[String]) {
    for table in tables {
        let mut bytes = Vec::new();
        let mut rows =
            connection.copy_out_raw(&format!("COPY {table} TO STDOUT (FORMAT binary)")).await.unwrap();
        while let Some(piece) = rows.next().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        drop(rows);
        std::fs::write(folder.join(table), bytes).unwrap();
    }
}

#[tokio::main]
async fn main() {
    let rows = std::env::var("DRYDOCK_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let server = Postgres::start(Version::Debian15);
    let url = server.create_database("bench").await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    build(&mut connection, rows).await;
    let tables = tables(&mut connection).await;
    let data = tempfile::tempdir().unwrap();
    let engine = Engine::open(data.path()).await.unwrap();
    engine.vault_create(Secret::new("a passphrase for benches")).await.unwrap();
    let target = Target::from_url(&Secret::new(url.clone()), Tier::Development, None).unwrap();
    let desk = Desk { engine, target };
    let folder = tempfile::tempdir().unwrap();
    written_out(&mut connection, folder.path(), &tables).await;

    let (mut copied, mut quick, mut dumped, mut deep, mut verified) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    reference(&mut connection, &tables).await;
    for _ in 0..ROUNDS {
        copied.push(reference(&mut connection, &tables).await);
        quick.push(desk.back_up(BackupKind::Quick).await);
        verified.push(verification(&mut connection, &tables).await);
        dumped.push(pg_dump(&url, &folder.path().join("dump")));
        deep.push(desk.back_up(BackupKind::Deep).await);
    }
    desk.back_up(BackupKind::Quick).await;
    let backup = desk.newest().await;
    let (mut by_psql, mut restored) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        by_psql.push(psql(&url, folder.path(), &tables));
        restored.push(desk.restore(&backup).await);
    }
    let [copied, quick, verified, dumped, deep, by_psql, restored] =
        [copied, quick, verified, dumped, deep, by_psql, restored].map(Rounds::of);
    let mut report = format!(
        "{} tables, {rows} rows in the largest; the middle of {ROUNDS} rounds (fastest and slowest)\n",
        tables.len()
    );
    let mut line = |what: &str, own: Rounds, rival: &str, other: &Rounds, must: f64| {
        let ratio = own.middle / other.middle;
        let verdict = if ratio <= must { "holds" } else { "FALLS SHORT" };
        writeln!(
            report,
            "{what:<40} {:>18}, {rival} {:>18}: {ratio:.2} x (must {must} x) {verdict}",
            own.words, other.words
        )
        .unwrap();
    };
    line("quick backup", quick, "REF", &copied, 2.0);
    line("comparison of every row", verified, "REF", &copied, 1.5);
    line("deep backup", deep, "pg_dump -Fc", &dumped, 0.5);
    line("restore of all tables in one transaction", restored, "TRUNCATE + COPY by psql", &by_psql, 1.3);
    print!("{report}");
    let reports = drydock_lab::repository().join("target/reports");
    std::fs::create_dir_all(&reports).unwrap();
    std::fs::write(reports.join("bench-backup.txt"), report).unwrap();
}
