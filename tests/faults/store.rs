//! The console's own store: the audit's chain, the order of the journal, two consoles at once.

use crate::parts::{Console, finish};
use drydock_engine::Engine;
use drydock_lab::{Postgres, Version};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};
use std::path::Path;

async fn open(data: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(data.join("drydock.sqlite")).connect().await.unwrap()
}

async fn tamper(data: &Path, sql: &str) {
    let mut store = open(data).await;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut store).await.unwrap();
    store.close().await.unwrap();
}

async fn verdict(data: &Path) -> Result<String, String> {
    let engine = Engine::open(data).await.unwrap();
    engine.verify_audit().await.map_err(|failure| format!("{} {}", failure.code, failure.what))
}

fn copy(from: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    folder
}

#[tokio::test]
async fn every_change_to_the_audit_is_detected_and_located() {
    let server = Postgres::start(Version::Debian15);
    let console = Console::new(&server.create_database("audit").await);
    for number in 1..=4 {
        console.write(&format!("00{number}_x"), &format!("CREATE TABLE x{number} (id int);"));
        assert_eq!(console.run(&["apply"]).exit, Some(0));
    }
    let good = verdict(&console.data()).await.unwrap();
    assert_eq!(good, "All 8 audit entries are as they were written.", "two entries an apply");
    let swap = "UPDATE audit SET sequence = 99 WHERE sequence = 3; UPDATE audit SET sequence = 3 WHERE sequence = 5; UPDATE audit SET sequence = 5 WHERE sequence = 99";
    for (sql, place) in [
        ("UPDATE audit SET outcome = 'nothing' WHERE sequence = 4", "entry 4 was changed"),
        ("UPDATE audit SET actor = 'somebody else' WHERE sequence = 1", "entry 1 was changed"),
        ("UPDATE audit SET at = '2020-01-01T00:00:00+00:00' WHERE sequence = 8", "entry 8 was changed"),
        (swap, "entry 3"),
        ("DELETE FROM audit WHERE sequence = 5", "entry 5 is missing"),
        ("DELETE FROM audit WHERE sequence = 1", "entry 1 is missing"),
        (
            "DELETE FROM audit WHERE sequence = 5; UPDATE audit SET sequence = sequence - 1 WHERE sequence > 5",
            "entry 5",
        ),
        ("DELETE FROM audit WHERE sequence = 8", "ends at entry 7"),
        ("DELETE FROM audit WHERE sequence > 2", "ends at entry 2"),
        ("DELETE FROM audit", "ends at entry 0"),
    ] {
        let data = copy(&console.data());
        tamper(data.path(), sql).await;
        let told = verdict(data.path()).await.expect_err(sql);
        assert!(told.contains("DRY-1502") && told.contains(place), "{sql}: {told}");
    }
    let data = copy(&console.data());
    std::fs::remove_file(data.path().join("audit.head")).unwrap();
    let told = verdict(data.path()).await.expect_err("the mark of the end is part of it");
    assert!(told.contains("mark of the audit's end"), "{told}");
    let data = copy(&console.data());
    std::fs::write(data.path().join("audit.head"), "not a mark").unwrap();
    assert!(verdict(data.path()).await.is_err(), "an unreadable mark is not a good one");
}

#[tokio::test]
async fn two_consoles_at_once_take_turns_and_each_keeps_its_record() {
    let server = Postgres::start(Version::Debian15);
    let one = Console::new(&server.create_database("turns").await);
    one.write("001_slow", "SELECT pg_sleep(0.5);\nCREATE TABLE once (id int);");
    one.write("002_more", "INSERT INTO once VALUES (1);");
    let children: Vec<_> = (0..4).map(|_| one.start(&["apply"])).collect();
    let answers: Vec<_> = children.into_iter().map(finish).collect();
    let through = answers.iter().filter(|answer| answer.json["outcome"] == "succeeded").count();
    assert!(through >= 1, "one gets through: {answers:?}");
    for answer in &answers {
        assert!(!answer.text().contains("panicked"), "{}", answer.text());
        assert!(
            matches!(answer.exit, Some(0 | 3 | 4)),
            "the others learn that they came too late: {}",
            answer.text()
        );
        assert_ne!(answer.code(), "DRY-1501", "a busy store is waited for: {}", answer.text());
    }
    let mut connection = server.connect("turns").await;
    let count = crate::parts::text(&mut connection, "SELECT count(*) FROM once").await;
    assert_eq!(count.as_deref(), Some("1"), "and nothing runs twice");
    let list = one.run(&["runs"]);
    let mut numbers: Vec<i64> =
        list.json["runs"].as_array().unwrap().iter().map(|run| run["number"].as_i64().unwrap()).collect();
    let all = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), all, "every run has its own number");
    assert!(verdict(&one.data()).await.is_ok(), "the audit's chain held");
}

#[tokio::test]
async fn intent_is_in_the_journal_before_the_server_sees_the_act() {
    let server = Postgres::start(Version::Debian15);
    let console = Console::new(&server.create_database("order").await);
    console.write("001_base", "CREATE TABLE base (id int);");
    assert_eq!(console.run(&["apply"]).exit, Some(0));
    // Its dry run cannot meet the table's lock, its apply can: the lock is taken in between.
    console.write("002_waits", "SELECT pg_sleep(6);");
    let mut child = console.start(&["apply"]);
    let mut connection = server.connect("order").await;
    loop {
        let at_work = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drydock run%' AND state = 'active' AND query LIKE '%pg_sleep(6)%' AND pid <> pg_backend_pid()";
        if crate::parts::text(&mut connection, at_work).await.as_deref() == Some("1") {
            break;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was seen at work");
    }
    let mut store = open(&console.data()).await;
    let row = sqlx::query("SELECT r.status, r.sessions, s.status FROM runs r JOIN run_steps s ON s.run_id = r.id WHERE r.kind = 'apply' AND s.title = '002_waits' ORDER BY r.number DESC")
        .fetch_one(&mut store)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>(0), "running");
    assert_eq!(row.get::<String, _>(2), "started", "the intent is on disk while the act is on its way");
    let pids = crate::parts::pairs(
        &mut connection,
        "SELECT pid::text, application_name FROM pg_stat_activity WHERE application_name LIKE 'drydock run%'",
    )
    .await;
    assert!(row.get::<String, _>(1).contains(&pids[0].0), "the session can be found again after a kill");
    let confirmed: i64 = sqlx::query_scalar("SELECT count(*) FROM audit WHERE action = 'apply'")
        .fetch_one(&mut store)
        .await
        .unwrap();
    assert_eq!(confirmed, 2, "the audit knows of it before it happens");
    child.kill().unwrap();
    child.wait().unwrap();
    let run = console.newest_apply().unwrap();
    let examined = console.run(&["runs", &run["number"].to_string()]);
    assert_eq!(
        examined.json["examination"]["still_running"],
        true,
        "the server goes on: {}",
        examined.text()
    );
    assert_eq!(examined.exit, Some(5));
    let refused = console.run(&["apply"]);
    assert_eq!(refused.exit, Some(3), "nothing new begins meanwhile: {}", refused.text());
    let examined = console.examine(&run);
    assert_eq!(examined.json["run"]["status"], "succeeded", "it got in by itself: {}", examined.text());
}

#[tokio::test]
async fn a_script_that_changes_its_sessions_name_is_still_found_at_work() {
    let server = Postgres::start(Version::Debian15);
    let console = Console::new(&server.create_database("renamed").await);
    console.write(
        "001_renamed",
        "SET application_name = 'elsewhere';\nSELECT pg_sleep(5);\nCREATE TABLE r (id int);",
    );
    let mut child = console.start(&["apply"]);
    let mut connection = server.connect("renamed").await;
    loop {
        // The dry run's ledger row is never committed; a visible one is the apply's.
        let at_work = "SELECT count(*) FROM pg_stat_activity a WHERE application_name = 'elsewhere' AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory')";
        if crate::parts::text(&mut connection, at_work).await.as_deref() == Some("1") {
            break;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was seen at work");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let run = console.newest_apply().unwrap();
    let examined = console.run(&["runs", &run["number"].to_string()]);
    assert_eq!(examined.json["examination"]["still_running"], true, "{}", examined.text());
}
