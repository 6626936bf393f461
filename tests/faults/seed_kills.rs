//! `kill -9` at random moments of a seed and of its undo. Afterwards every row is as before or as after, never
//! between, and the journal says which.

use crate::parts::{Console, finish, text};
use drydock_lab::{Postgres, Version};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const TABLES: &str = "CREATE TABLE plans (id serial PRIMARY KEY, code text UNIQUE NOT NULL, price int NOT NULL);
CREATE TABLE offers (id int PRIMARY KEY, plan_id int NOT NULL REFERENCES plans (id), name text);
CREATE TABLE notes (id bigserial PRIMARY KEY, what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO notes (what) VALUES (TG_OP); RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON plans FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO plans (code, price) SELECT 'P' || i, 0 FROM generate_series(1, 1000) i; TRUNCATE notes;";

const PROFILE: &str = r#"
title = "Kills"
description = ""
engines = ["postgresql"]
tiers = ["development"]
[[tables]]
table = "plans"
key = ["code"]
mode = "upsert"
repeat = 2000
columns.code = { text = "P{{row}}" }
columns.price = { counter = 1, on = "always" }
[[tables]]
table = "offers"
key = ["id"]
mode = "upsert"
repeat = 3000
columns.id = { counter = 1 }
columns.plan_id = { reference = "plans", row = "cycle", take = "id" }
columns.name = { fake = "sentence" }
"#;

/// Every row, without what a sequence numbers anew.
async fn image(connection: &mut PgConnection) -> String {
    let sql = "SELECT concat_ws('|', (SELECT count(*) || md5(string_agg(code || price, ',' ORDER BY code)) FROM plans),
                 (SELECT count(*) || coalesce(md5(string_agg(o.id || p.code || o.name, ',' ORDER BY o.id)), '') FROM offers o JOIN plans p ON p.id = o.plan_id),
                 (SELECT count(*) FROM notes))";
    text(connection, sql).await.unwrap()
}

#[tokio::test]
async fn a_killed_seed_or_undo_leaves_old_or_new_rows_and_says_which() {
    let full = std::env::var_os("DRYDOCK_FULL").is_some();
    let kills: u32 = if full { 200 } else { 10 };
    let server = Postgres::start(Version::Debian15);
    let console = Console::new(&server.create_database("seeds").await);
    let mut connection = server.connect("seeds").await;
    connection.execute(AssertSqlSafe(TABLES.to_owned())).await.unwrap();
    let profile = tempfile::tempdir().unwrap();
    std::fs::write(profile.path().join("profile.toml"), PROFILE).unwrap();
    let folder = profile.path().display().to_string();
    let mut random = StdRng::seed_from_u64(0x5EED);
    let (mut report, mut done, mut in_after_kill) = (String::new(), 0, 0);
    // What is there: nothing of ours, or the rows of the run with this number.
    let mut seeded: Option<u64> = None;
    while done < kills {
        let before = image(&mut connection).await;
        let number = seeded.map(|number| number.to_string()).unwrap_or_default();
        let arguments: Vec<&str> =
            if seeded.is_some() { vec!["undo", &number] } else { vec!["seed", &folder] };
        let mut child = console.start(&arguments);
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drydock run%'";
            if text(&mut connection, sql).await.as_deref() != Some("0") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let delay = Duration::from_micros(random.random_range(0..700_000));
        tokio::time::sleep(delay).await;
        let killed = child.try_wait().unwrap().is_none();
        let run = if killed {
            child.kill().unwrap();
            child.wait().unwrap();
            done += 1;
            let run = console.newest_apply().unwrap();
            if run["status"] == "needs_attention" { console.examine(&run).json["run"].clone() } else { run }
        } else {
            let answer = finish(child);
            assert_eq!(answer.exit, Some(0), "without a kill it gets through: {}", answer.text());
            console.newest_apply().unwrap()
        };
        let after = image(&mut connection).await;
        let status = run["status"].as_str().unwrap().to_owned();
        let said = format!("{arguments:?} killed after {delay:?}: {run}");
        assert!(matches!(status.as_str(), "succeeded" | "failed"), "it is settled: {said}");
        assert_eq!(status == "succeeded", after != before, "the journal says what the rows prove: {said}");
        if status == "succeeded" {
            in_after_kill += u32::from(killed);
            seeded = if seeded.is_some() { None } else { run["number"].as_u64() };
        }
        let _ = writeln!(report, "{arguments:?} after {:>6.1} ms: {status}", delay.as_secs_f64() * 1000.0);
    }
    if let Some(number) = seeded {
        let answer = console.run(&["undo", &number.to_string()]);
        assert_eq!(answer.exit, Some(0), "what a killed run wrote can be taken back: {}", answer.text());
    }
    let codes = text(&mut connection, "SELECT count(*) || ' ' || sum(price) FROM plans").await.unwrap();
    assert_eq!(codes, "1000 0", "everything of ours is gone again");
    if let Ok(folder) = std::env::var("DRYDOCK_REPORTS") {
        let _ = writeln!(report, "{done} kills, {in_after_kill} of them after the commit");
        std::fs::write(std::path::Path::new(&folder).join("seed-kills.txt"), report).unwrap();
    }
}
