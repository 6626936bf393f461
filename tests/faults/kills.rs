//! `kill -9` at random moments of an apply. Afterwards the examination must tell what the ledger and a
//! counter table prove, and the next apply must get everything in exactly once.

use crate::parts::{Answer, Console, finish, pairs, text};
use drydock_lab::{Postgres, Version};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const MIGRATIONS: usize = 40;

/// A generated migration and the marks it leaves in the counter table, one a transaction of its own.
struct Generated {
    name: String,
    sql: String,
    marks: usize,
}

/// Forty migrations of every kind that is sent differently.
fn generate() -> Vec<Generated> {
    (0..MIGRATIONS)
        .map(|number| {
            let mark = |part: usize| format!("INSERT INTO hits (mark) VALUES ('{number}.{part}');");
            let (kind, sql, marks) = match number {
                0 => (
                    "base",
                    format!("CREATE TABLE hits (mark text NOT NULL); CREATE TABLE base (id int, n int);\n{}", mark(0)),
                    1,
                ),
                _ => match number % 8 {
                    0 => ("atomic", format!("CREATE TABLE t{number} (id int PRIMARY KEY);\n{}", mark(0)), 1),
                    1 => (
                        "own_block",
                        format!("BEGIN;\nCREATE TABLE t{number} (id int);\n{}\nCOMMIT;", mark(0)),
                        1,
                    ),
                    2 => ("concurrently", format!("CREATE INDEX CONCURRENTLY i{number} ON base (id);"), 0),
                    3 => (
                        "settings",
                        format!("SET statement_timeout = '5min';\nSET application_name = 'elsewhere';\n{}", mark(0)),
                        1,
                    ),
                    4 => ("slow", format!("SELECT pg_sleep(0.12);\n{}", mark(0)), 1),
                    5 => (
                        "two_blocks",
                        format!(
                            "BEGIN;\n{}\nCREATE TABLE a{number} (id int);\nCOMMIT;\nSELECT pg_sleep(0.08);\nBEGIN;\nCREATE TABLE b{number} (id int);\n{}\nCOMMIT;",
                            mark(0),
                            mark(1)
                        ),
                        2,
                    ),
                    6 => (
                        "data",
                        format!(
                            "INSERT INTO base SELECT g, g FROM generate_series(1, 500) g;\nUPDATE base SET n = n + 1;\n{}",
                            mark(0)
                        ),
                        1,
                    ),
                    _ => (
                        "stepwise",
                        format!(
                            "CREATE TABLE s{number} (id int);\nCREATE INDEX CONCURRENTLY s{number}_i ON s{number} (id);\nSELECT pg_sleep(0.05);\n{}",
                            mark(0)
                        ),
                        1,
                    ),
                },
            };
            Generated { name: format!("202601{number:02}000000_{kind}"), sql, marks }
        })
        .collect()
}

/// What the database proves.
#[derive(Debug)]
struct Truth {
    /// Migration name to `applied`, `unfinished` or `rolled back`; several rows are joined.
    ledger: BTreeMap<String, Vec<String>>,
    /// Mark to how often it is there.
    hits: BTreeMap<String, u32>,
    /// Valid and invalid indexes and tables.
    objects: BTreeSet<String>,
}

impl Truth {
    async fn read(connection: &mut PgConnection) -> Self {
        let there =
            |name: &str| format!("SELECT coalesce(pg_catalog.to_regclass('public.{name}')::text, '')");
        let mut ledger: BTreeMap<String, Vec<String>> = BTreeMap::new();
        if text(connection, &there("_prisma_migrations")).await.is_some_and(|name| !name.is_empty()) {
            let sql = "SELECT migration_name::text, CASE WHEN rolled_back_at IS NOT NULL THEN 'rolled back' WHEN finished_at IS NOT NULL THEN 'applied' ELSE 'unfinished' END FROM _prisma_migrations ORDER BY started_at";
            for (name, state) in pairs(connection, sql).await {
                ledger.entry(name).or_default().push(state);
            }
        }
        let mut hits = BTreeMap::new();
        if text(connection, &there("hits")).await.is_some_and(|name| !name.is_empty()) {
            for (mark, count) in
                pairs(connection, "SELECT mark, count(*)::text FROM hits GROUP BY mark").await
            {
                hits.insert(mark, count.parse().unwrap());
            }
        }
        let objects = pairs(
            connection,
            "SELECT relname::text, coalesce((SELECT indisvalid FROM pg_index WHERE indexrelid = c.oid), true)::text FROM pg_class c WHERE relnamespace = 'public'::regnamespace",
        )
        .await
        .into_iter()
        .map(|(name, valid)| if valid == "true" { name } else { format!("{name} INVALID") })
        .collect();
        Self { ledger, hits, objects }
    }

    fn is_applied(&self, name: &str) -> bool {
        self.ledger.get(name).is_some_and(|rows| rows.iter().any(|state| state == "applied"))
    }

    fn is_unfinished(&self, name: &str) -> bool {
        self.ledger.get(name).is_some_and(|rows| rows.iter().any(|state| state == "unfinished"))
    }

    fn marks(&self, number: usize) -> usize {
        (0..2).filter(|part| self.hits.contains_key(&format!("{number}.{part}"))).count()
    }

    fn never_twice(&self) {
        for (mark, count) in &self.hits {
            assert_eq!(*count, 1, "mark {mark} is there {count} times: a migration ran twice");
        }
        for (name, rows) in &self.ledger {
            let applied = rows.iter().filter(|state| *state == "applied").count();
            assert!(applied <= 1, "{name} has {applied} applied rows");
        }
    }
}

/// The examination of a cut-off run against what the database proves.
fn told_the_truth(answer: &Answer, truth: &Truth, generated: &[Generated]) {
    let examination = &answer.json["examination"];
    let said = format!("{}\n{truth:?}", answer.text());
    let Some(rows) = examination["rows"].as_array() else {
        // It ended by itself before the signal came; the journal alone is enough then.
        let status = answer.json["run"]["status"].as_str().unwrap_or_default();
        assert!(matches!(status, "succeeded" | "failed"), "{said}");
        return;
    };
    assert_eq!(examination["still_running"], false, "the server was waited for: {said}");
    for row in rows.iter().filter(|row| row["step"]["verb"] == "Migrate") {
        let name = row["step"]["title"].as_str().unwrap();
        let number = generated.iter().position(|migration| migration.name == name).unwrap();
        let (all, found) = (generated[number].marks, truth.marks(number));
        match row["outcome"].as_str().unwrap() {
            "done" => {
                assert!(truth.is_applied(name), "{name} is called done: {said}");
                assert_eq!(found, all, "{name} is called done: {said}");
            }
            "taken_back" | "not_run" => {
                assert!(!truth.is_applied(name) && !truth.is_unfinished(name), "{name} left a row: {said}");
                assert_eq!(found, 0, "{name} left data: {said}");
            }
            "failed" => assert!(truth.is_unfinished(name), "{name} is called failed: {said}"),
            other => panic!("{name} is called {other} although nobody is at work: {said}"),
        }
    }
    let done = rows.iter().filter(|row| row["step"]["verb"] == "Migrate" && row["outcome"] == "done").count();
    let headline = examination["headline"].as_str().unwrap();
    assert!(headline.starts_with(&format!("{done} of ")), "the headline counts what is in: {headline}");
    let failed = rows.iter().any(|row| row["outcome"] == "failed");
    let next = examination["next"].to_string();
    assert_eq!(next.contains("open_repair"), failed, "the doctor is offered where one is needed: {next}");
}

/// Repairs the failed migration by the doctor where it knows a way; else as an operator would who can see
/// what is there: what is wholly in is marked as applied, what is not is cleared by hand.
async fn repair(
    console: &Console,
    connection: &mut PgConnection,
    number: usize,
    generated: &Generated,
    truth: &Truth,
) -> String {
    let name = &generated.name;
    let mut reasons = Vec::new();
    for way in ["--finish", "--undo"] {
        let answer = console.run(&["resolve", way, name, "--accept-data-loss"]);
        if answer.exit == Some(0) {
            return way.to_owned();
        }
        assert_eq!(answer.exit, Some(3), "a way that is not open is refused: {}", answer.text());
        reasons.push(answer.json["failure"]["why"].as_str().unwrap_or_default().to_owned());
    }
    let tables: Vec<String> = ["t", "a", "b", "s"]
        .iter()
        .map(|kind| format!("{kind}{number}"))
        .filter(|table| truth.objects.contains(table))
        .collect();
    let how = match truth.marks(number) {
        0 => "--rolled-back",
        all if all == generated.marks => "--applied",
        part => panic!("{name}: {part} of {} marks are in and no way is open: {reasons:?}", generated.marks),
    };
    if how == "--rolled-back" {
        for table in &tables {
            sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE {table}")))
                .execute(&mut *connection)
                .await
                .unwrap();
        }
    }
    let marked = console.run(&["resolve", how, name]);
    assert_eq!(marked.exit, Some(0), "{how}: {}", marked.text());
    let by_hand = if how == "--rolled-back" && !tables.is_empty() { " after clearing by hand" } else { "" };
    format!("{how}{by_hand} ({})", reasons[0])
}

/// One database from its first migration to its last, with a kill in every apply until `budget` is used.
async fn life(
    server: &Postgres,
    database: &str,
    random: &mut StdRng,
    budget: &mut usize,
    report: &mut String,
) {
    let generated = generate();
    let console = Console::new(&server.create_database(database).await);
    for migration in &generated {
        console.write(&migration.name, &migration.sql);
    }
    let mut connection = server.connect(database).await;
    let mut kills_here = 0;
    for round in 0.. {
        assert!(round < 400, "forty migrations do not need {round} attempts");
        let last = *budget == 0 || kills_here >= 12;
        let mut child = console.start(&["apply", "--accept-data-loss"]);
        if last {
            let answer = finish(child);
            assert_eq!(answer.exit, Some(0), "without a kill it gets through: {}", answer.text());
            break;
        }
        // One in five kills falls anywhere; the others wait until the apply has its sessions.
        let anywhere = random.random_ratio(1, 5);
        let until = Instant::now() + Duration::from_secs(60);
        while !anywhere && Instant::now() < until && child.try_wait().unwrap().is_none() {
            let seen = text(
                &mut connection,
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'drydock run%'",
            )
            .await;
            if seen.as_deref() != Some("0") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let delay = Duration::from_micros(random.random_range(0..if anywhere { 900_000 } else { 350_000 }));
        tokio::time::sleep(delay).await;
        if child.try_wait().unwrap().is_some() {
            let answer = finish(child);
            assert_eq!(answer.exit, Some(0), "it was not killed: {}", answer.text());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        *budget -= 1;
        kills_here += 1;
        let mut how = String::new();
        let listed = console.run(&["runs"]);
        let runs = listed.json["runs"].as_array().cloned().unwrap_or_default();
        for run in runs.iter().filter(|run| run["status"] == "needs_attention") {
            let examined = console.examine(run);
            let truth = Truth::read(&mut connection).await;
            truth.never_twice();
            if run["kind"] == "apply" {
                told_the_truth(&examined, &truth, &generated);
                how = examined.json["examination"]["headline"].as_str().unwrap_or_default().to_owned();
            }
            let again = console.run(&["runs", &run["number"].to_string()]);
            assert_ne!(again.json["run"]["status"], "needs_attention", "it is settled: {}", again.text());
            assert_ne!(again.json["run"]["status"], "running", "{}", again.text());
        }
        let truth = Truth::read(&mut connection).await;
        truth.never_twice();
        let mut repaired = String::new();
        for (number, migration) in generated.iter().enumerate() {
            if truth.is_unfinished(&migration.name) {
                let refused = console.run(&["apply"]);
                assert_eq!(refused.exit, Some(3), "new ones wait for the repair: {}", refused.text());
                assert_eq!(refused.code(), "DRY-1208");
                repaired = repair(&console, &mut connection, number, migration, &truth).await;
                repaired.push_str(&format!(" of {}", migration.name));
            }
        }
        let _ = writeln!(
            report,
            "{database} kill {kills_here:>2} after {:>6.1} ms{}: {}{}",
            delay.as_secs_f64() * 1000.0,
            if anywhere { " from the start" } else { " in the apply" },
            if how.is_empty() { "no apply had begun" } else { &how },
            if repaired.is_empty() { String::new() } else { format!(" Repaired by {repaired}.") }
        );
    }
    let truth = Truth::read(&mut connection).await;
    truth.never_twice();
    for (number, migration) in generated.iter().enumerate() {
        assert!(truth.is_applied(&migration.name), "{} is in the ledger: {truth:?}", migration.name);
        assert_eq!(truth.marks(number), migration.marks, "{} left all it should: {truth:?}", migration.name);
    }
    assert!(!truth.objects.iter().any(|object| object.ends_with("INVALID")), "{:?}", truth.objects);
    let status = console.run(&["status"]);
    assert_eq!(status.exit, Some(0), "nothing waits: {}", status.text());
    let list = console.run(&["runs"]);
    for run in list.json["runs"].as_array().unwrap() {
        let status = run["status"].as_str().unwrap();
        assert!(!matches!(status, "running" | "needs_attention"), "every run has an end: {run}");
    }
}

#[tokio::test]
async fn a_killed_apply_tells_the_truth_and_nothing_runs_twice() {
    let full = std::env::var_os("DRYDOCK_FULL").is_some();
    let kills: usize = if full { 200 } else { 12 };
    let server = Postgres::start(Version::Debian15);
    let mut random = StdRng::seed_from_u64(0x0D17_D0C4);
    let (mut budget, mut report, mut lives) = (kills, String::new(), 0);
    let started = Instant::now();
    while budget > 0 {
        lives += 1;
        life(&server, &format!("life{lives}"), &mut random, &mut budget, &mut report).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    let summary = format!(
        "{kills} kills over {lives} databases of {MIGRATIONS} migrations in {seconds:.0} s: no double apply, no false outcome.\n"
    );
    println!("{report}{summary}");
    if full {
        let folder = drydock_lab::repository().join("target/reports");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("kills.txt"), format!("{report}{summary}")).unwrap();
    }
}
