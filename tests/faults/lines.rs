//! The line to the server is cut, reset or goes dead in the middle of an apply: the outcome is known or
//! said to be open, and nothing is sent twice.

use crate::parts::{Answer, Console, finish, pairs, text};
use drydock_lab::{Fault, Postgres, Slow, Tls, Version};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use sqlx::postgres::PgConnection;
use std::process::Child;
use std::time::{Duration, Instant};

const MIGRATIONS: usize = 12;

/// Every third is atomic, has its own blocks, or takes its time; each leaves one mark.
fn fill(console: &Console) {
    console.write("000_base", "CREATE TABLE hits (mark text NOT NULL);");
    for number in 1..MIGRATIONS {
        let mark = format!("INSERT INTO hits VALUES ('{number}');");
        let sql = match number % 3 {
            0 => format!("CREATE TABLE t{number} (id int);\n{mark}"),
            1 => format!("BEGIN;\n{mark}\nCREATE TABLE t{number} (id int);\nCOMMIT;"),
            _ => format!("SELECT pg_sleep(0.15);\n{mark}"),
        };
        console.write(&format!("{number:03}_part"), &sql);
    }
}

async fn wait_for_run(connection: &mut PgConnection, child: &mut Child) {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until && child.try_wait().unwrap().is_none() {
        let seen = text(
            connection,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'drydock run%'",
        )
        .await;
        if seen.as_deref() != Some("0") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The answer of a run that lost its line, against the ledger and the marks.
async fn told_the_truth(console: &Console, answer: &Answer, connection: &mut PgConnection) {
    let said = answer.text();
    assert!(!said.contains("panicked"), "{said}");
    let (status, steps) = if answer.json["outcome"] == "needs_attention" {
        assert_eq!(answer.exit, Some(5), "open is an exit code of its own: {said}");
        let run = console.newest_apply().unwrap();
        let examined = console.examine(&run);
        assert_ne!(examined.json["run"]["status"], "needs_attention", "settled now: {}", examined.text());
        (examined.json["run"]["status"].clone(), examined.json["run"]["steps"].clone())
    } else {
        let run = console.newest_apply().unwrap();
        let shown = console.examine(&run);
        (answer.json["outcome"].clone(), shown.json["run"]["steps"].clone())
    };
    let has_ledger =
        text(connection, "SELECT pg_catalog.to_regclass('public._prisma_migrations')").await.is_some();
    let ledger = if has_ledger {
        pairs(
            connection,
            "SELECT migration_name::text, CASE WHEN finished_at IS NULL THEN 'unfinished' ELSE 'applied' END FROM _prisma_migrations WHERE rolled_back_at IS NULL",
        )
        .await
    } else {
        Vec::new()
    };
    for step in steps.as_array().unwrap().iter().filter(|step| step["verb"] == "Migrate") {
        let name = step["title"].as_str().unwrap();
        let row = ledger.iter().find(|(row, _)| row == name).map(|(_, state)| state.as_str());
        match step["status"].as_str().unwrap() {
            "done" => assert_eq!(row, Some("applied"), "{name} is called done ({status}): {said}"),
            "failed" => assert_eq!(row, Some("unfinished"), "{name} is called failed ({status}): {said}"),
            "taken_back" | "not_run" => assert_eq!(row, None, "{name} is called {step} ({status}): {said}"),
            other => panic!("{name} has no outcome: {other} ({status}): {said}"),
        }
    }
    if status == "succeeded" {
        assert_eq!(ledger.len(), MIGRATIONS, "{said}");
    }
}

async fn finish_and_count(console: &Console, connection: &mut PgConnection) {
    for _ in 0..4 {
        let unfinished = if text(connection, "SELECT pg_catalog.to_regclass('public._prisma_migrations')")
            .await
            .is_some()
        {
            pairs(
                connection,
                "SELECT migration_name::text, '' FROM _prisma_migrations WHERE finished_at IS NULL AND rolled_back_at IS NULL",
            )
            .await
        } else {
            Vec::new()
        };
        for (name, _) in unfinished {
            let number: usize = name[..3].parse().unwrap();
            let is_in = text(connection, &format!("SELECT count(*) FROM hits WHERE mark = '{number}'")).await;
            let how = if is_in.as_deref() == Some("0") { "--rolled-back" } else { "--applied" };
            let resolved = console.run(&["resolve", how, &name]);
            assert_eq!(resolved.exit, Some(0), "{how} {name}: {}", resolved.text());
        }
        let answer = console.run(&["apply"]);
        if answer.exit == Some(0) {
            break;
        }
        assert_eq!(answer.code(), "DRY-1208", "{}", answer.text());
    }
    let marks = pairs(connection, "SELECT mark, count(*)::text FROM hits GROUP BY mark").await;
    assert_eq!(marks.len(), MIGRATIONS - 1, "every migration left its mark: {marks:?}");
    assert!(marks.iter().all(|(_, count)| count == "1"), "and only once: {marks:?}");
}

async fn broken(server: &Postgres, database: &str, fault: Fault, delay: Duration) {
    let url = server.create_database(database).await;
    let line = Slow::start(server.port(), Duration::from_millis(1));
    let mut console = Console::new(&line.through(&url));
    fill(&console);
    let mut connection = server.connect(database).await;
    let mut child = console.start(&["apply"]);
    wait_for_run(&mut connection, &mut child).await;
    tokio::time::sleep(delay).await;
    let struck = Instant::now();
    line.fault(fault);
    if fault == Fault::Blackhole {
        tokio::time::sleep(Duration::from_secs(3)).await;
        line.heal();
    }
    let answer = finish(child);
    println!(
        "{fault:?} after {delay:?}: {} after {:?}: {}",
        answer.json["outcome"],
        struck.elapsed(),
        answer.json["failure"]["what"]
    );
    assert!(struck.elapsed() < Duration::from_secs(60), "the operator is told in time");
    told_the_truth(&console, &answer, &mut connection).await;
    console.url = url;
    finish_and_count(&console, &mut connection).await;
}

#[tokio::test]
async fn a_cut_line_leaves_a_known_outcome_and_nothing_runs_twice() {
    let server = Postgres::start(Version::Debian15);
    let mut random = StdRng::seed_from_u64(0x11_4E);
    let each = if std::env::var_os("DRYDOCK_FULL").is_some() { 20 } else { 4 };
    for (place, fault) in [Fault::Cut, Fault::Reset, Fault::Blackhole].into_iter().enumerate() {
        for number in 0..each {
            let delay = Duration::from_micros(random.random_range(0..900_000));
            broken(&server, &format!("line{place}_{number}"), fault, delay).await;
        }
    }
}

/// Whatever moment a line dies at: a session that lost its settings would keep its lock for ever.
#[tokio::test]
async fn the_limits_of_a_session_that_rests_are_never_missing() {
    let server = Postgres::start_with(Version::Debian15, Tls::Off, &["log_statement=all"]);
    let console = Console::new(&server.create_database("limits").await);
    fill(&console);
    console.write("900_reset", "RESET ALL;");
    let applied = console.run(&["apply"]);
    assert_eq!(applied.exit, Some(0), "{}", applied.text());
    let log = server.log();
    let resets: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("RESET ALL") && !line.trim_end().ends_with("statement: RESET ALL;"))
        .collect();
    assert!(resets.len() >= MIGRATIONS / 3, "settings are put back after scripts: {resets:?}");
    for line in resets {
        let after = line.split_once("RESET ALL").unwrap().1;
        assert!(
            after.contains("SET idle_session_timeout") && after.contains("SET tcp_keepalives_idle"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_line_that_goes_dead_for_good_is_told_within_a_minute() {
    let server = Postgres::start(Version::Debian15);
    let url = server.create_database("dead").await;
    let line = Slow::start(server.port(), Duration::from_millis(1));
    let console = Console::new(&line.through(&url));
    fill(&console);
    console.write("000_slow_start", "SELECT pg_sleep(1);");
    let mut connection = server.connect("dead").await;
    let mut child = console.start(&["apply"]);
    wait_for_run(&mut connection, &mut child).await;
    // In the middle of a script, so that its outcome hangs on the line.
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drydock run%' AND wait_event = 'PgSleep'";
    let until = Instant::now() + Duration::from_secs(60);
    while text(&mut connection, asleep).await.as_deref() == Some("0") {
        assert!(Instant::now() < until, "the script was never sent");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let struck = Instant::now();
    line.fault(Fault::Blackhole);
    while child.try_wait().unwrap().is_none() && struck.elapsed() < Duration::from_secs(75) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let took = struck.elapsed();
    let in_time = child.try_wait().unwrap().is_some();
    if !in_time {
        child.kill().unwrap();
    }
    let answer = finish(child);
    line.heal();
    assert!(in_time, "a dead line is noticed; it still hung after {took:?}");
    assert_eq!(answer.exit, Some(5), "nobody can know the outcome yet: {}", answer.text());
    assert_eq!(answer.json["outcome"], Value::from("needs_attention"));
    println!("a dead line was told after {took:?}: {}", answer.json["failure"]["what"]);
    told_the_truth(&console, &answer, &mut connection).await;
}

#[tokio::test]
async fn a_server_that_stops_or_crashes_in_the_middle_loses_nothing() {
    for (name, crash) in [("stopped", false), ("crashed", true)] {
        let mut server = Postgres::start_with(Version::Debian15, drydock_lab::Tls::Off, &["fsync=on"]);
        let url = server.create_database(name).await;
        let console = Console::new(&url);
        fill(&console);
        let mut connection = server.connect(name).await;
        let mut child = console.start(&["apply"]);
        wait_for_run(&mut connection, &mut child).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        drop(connection);
        if crash {
            server.crash();
        } else {
            server.stop();
        }
        let answer = finish(child);
        println!("{name}: {} {}", answer.json["outcome"], answer.json["failure"]["what"]);
        assert!(matches!(answer.exit, Some(4 | 5)), "{}", answer.text());
        assert!(answer.json["failure"]["next"].is_string(), "{}", answer.text());
        server.resume();
        let mut connection = server.connect(name).await;
        told_the_truth(&console, &answer, &mut connection).await;
        finish_and_count(&console, &mut connection).await;
    }
}
