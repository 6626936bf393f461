//! `kill -9` and a crashing server at random moments of a backup, a proof, a restore and a roll back. Afterwards the
//! database is wholly old or wholly new, the journal says which, and nothing incomplete is offered for a restore.

use crate::moments::Moments;
use crate::parts::{Console, finish, kill_after, text};
use drydock_lab::{Postgres, Version};
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

pub const TABLES: &str = "CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE NOT NULL, old text);
INSERT INTO users (email, old) SELECT 'u' || i || '@example.com', md5(i::text) FROM generate_series(1, 20000) i;
CREATE TABLE orders (id integer PRIMARY KEY, who integer NOT NULL REFERENCES users (id), note text);
INSERT INTO orders SELECT i, 1 + i % 20000, repeat(md5(i::text), 4) FROM generate_series(1, 60000) i;";

pub const DAMAGE: &str =
    "UPDATE users SET email = email || '.x' WHERE id % 3 = 0; DELETE FROM orders WHERE id % 7 = 0;";

/// Rows, constraints and objects, in one line.
pub async fn image(connection: &mut PgConnection) -> String {
    let gone = "SELECT to_regclass('orders') IS NULL";
    if text(connection, gone).await.as_deref() == Some("true") {
        return "without orders".to_owned();
    }
    let sql = "SELECT concat_ws('|', (SELECT count(*) || ' ' || coalesce(sum(hashtextextended(u::text, 0)), 0) FROM users u),
                 (SELECT count(*) || ' ' || coalesce(sum(hashtextextended(o::text, 0)), 0) FROM orders o),
                 (SELECT string_agg(conname || convalidated, ',' ORDER BY conname) FROM pg_constraint WHERE connamespace = 'public'::regnamespace),
                 (SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname <> '_prisma_migrations'))";
    text(connection, sql).await.unwrap()
}

/// A console whose vault opens by itself.
pub fn keyed(url: &str) -> Console {
    let mut console = Console::new(url);
    let file = console.root.path().join("passphrase");
    std::fs::write(&file, "a passphrase for faults\n").unwrap();
    console.variables.push(("DRYDOCK_VAULT_PASSPHRASE_FILE".to_owned(), file.display().to_string()));
    console
}

/// Random moments of each kind.
pub fn points() -> u32 {
    if std::env::var_os("DRYDOCK_FULL").is_some() { 20 } else { 4 }
}

pub fn report(name: &str, text: &str) {
    if let Ok(folder) = std::env::var("DRYDOCK_REPORTS") {
        std::fs::write(std::path::Path::new(&folder).join(name), text).unwrap();
    }
}

/// Every backup that is offered is complete, and nothing else lies in the folder.
pub fn only_whole_ones(console: &Console) -> Vec<Value> {
    let listed = console.run(&["backups"]);
    assert_eq!(listed.exit, Some(0), "{}", listed.text());
    let backups = listed.json["shelf"]["backups"].as_array().unwrap().clone();
    let complete: Vec<Value> =
        backups.iter().filter(|backup| backup["state"] == "complete").cloned().collect();
    for backup in &backups {
        let state = backup["state"].as_str().unwrap();
        assert!(matches!(state, "complete" | "broken"), "nobody is at work: {backup}");
    }
    let mut folders = 0;
    for environment in std::fs::read_dir(console.data().join("backups")).into_iter().flatten() {
        for entry in std::fs::read_dir(environment.unwrap().path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(name.ends_with(".backup"), "{name} was left");
            folders += 1;
        }
    }
    assert_eq!(folders, complete.len(), "a folder a backup: {backups:#?}");
    complete
}

#[tokio::test]
async fn a_killed_backup_or_proof_leaves_nothing_that_is_offered() {
    let server = Postgres::start(Version::Debian15);
    let console = keyed(&server.create_database("shop").await);
    let mut connection = server.connect("shop").await;
    connection.execute(AssertSqlSafe(TABLES.to_owned())).await.unwrap();
    let before = image(&mut connection).await;
    let mut said = String::new();
    for kind in [&["backup"][..], &["backup", "--quick"]] {
        let started = Instant::now();
        let whole = console.run(kind);
        assert_eq!(whole.exit, Some(0), "{}", whole.text());
        let mut moments = Moments::new(0xBAC, 0.02, started.elapsed());
        moments.want(points());
        while let Some(delay) = moments.draw() {
            let killed = kill_after(console.start(kind), delay).await;
            moments.met(killed);
            let complete = only_whole_ones(&console);
            let _ = writeln!(said, "{kind:?} killed after {delay:?} ({killed}): {} complete", complete.len());
        }
        let complete = only_whole_ones(&console);
        let newest = complete[0]["id"].as_str().unwrap();
        let proved = console.run(&["prove", newest]);
        assert_eq!(proved.exit, Some(0), "what is offered can be restored: {}", proved.text());
    }
    assert_eq!(image(&mut connection).await, before, "a backup only reads");
    report("backup-kills.txt", &said);
}

#[tokio::test]
async fn a_killed_restore_is_wholly_old_or_wholly_new_and_says_which() {
    let server = Postgres::start(Version::Debian15);
    let console = keyed(&server.create_database("shop").await);
    let mut connection = server.connect("shop").await;
    connection.execute(AssertSqlSafe(TABLES.to_owned())).await.unwrap();
    let good = image(&mut connection).await;
    let mut said = String::new();
    for kind in [&["backup", "--quick"][..], &["backup"]] {
        let taken = console.run(kind);
        assert_eq!(taken.exit, Some(0), "{}", taken.text());
        let id = taken.json["backup"]["backup"]["id"].as_str().unwrap().to_owned();
        let arguments = ["restore", &id, "--accept-data-loss"];
        connection.execute(AssertSqlSafe(DAMAGE.to_owned())).await.unwrap();
        let started = Instant::now();
        let whole = console.run(&arguments);
        assert_eq!(whole.exit, Some(0), "{}", whole.text());
        assert_eq!(image(&mut connection).await, good);
        let mut moments = Moments::new(0x2E57, 0.3, started.elapsed());
        moments.want(points());
        while let Some(delay) = moments.draw() {
            connection.execute(AssertSqlSafe(DAMAGE.to_owned())).await.unwrap();
            let damaged = image(&mut connection).await;
            let earlier = console.newest_apply().map(|run| run["number"].clone());
            let killed = kill_after(console.start(&arguments), delay).await;
            moments.met(killed);
            let what = format!("{kind:?} killed after {delay:?}");
            settled(&console, &mut connection, earlier.as_ref(), Image { old: &damaged, new: &good }, &what)
                .await;
            let _ = writeln!(said, "restore of {kind:?} killed after {delay:?} ({killed})");
            let again = console.run(&arguments);
            assert_eq!(again.exit, Some(0), "it can be done again: {}", again.text());
            assert_eq!(image(&mut connection).await, good);
        }
    }
    report("restore-kills.txt", &said);
}

/// How it was before, and how it is to be.
#[derive(Clone, Copy)]
pub struct Image<'a> {
    pub old: &'a str,
    pub new: &'a str,
}

/// The newest run is settled, and what it says is what the rows prove.
pub async fn settled(
    console: &Console,
    connection: &mut PgConnection,
    earlier: Option<&Value>,
    Image { old, new }: Image<'_>,
    what: &str,
) {
    let run = console.newest_apply().filter(|run| Some(&run["number"]) != earlier);
    let now = image(connection).await;
    let Some(run) = run else {
        assert_eq!(now, old, "{what}: no run, no change");
        return;
    };
    let run =
        if run["status"] == "needs_attention" { console.examine(&run).json["run"].clone() } else { run };
    // The server may have been at work when the console died.
    let now = if now == old || now == new { image(connection).await } else { now };
    assert!(now == old || now == new, "{what}: neither old nor new: {run}");
    let status = run["status"].as_str().unwrap();
    assert!(matches!(status, "succeeded" | "failed" | "cancelled"), "{what}: it is settled: {run}");
    let steps = run["steps"].as_array();
    let restored = steps.is_none_or(|steps| {
        steps.iter().any(|step| step["verb"] == "Restore" || step["verb"] == "Roll back")
    });
    if restored && status == "succeeded" {
        assert_eq!(now, new, "{what}: {run}");
    } else {
        assert_eq!(now, old, "{what}: {run}");
    }
}

#[tokio::test]
async fn a_crashing_server_leaves_a_restore_wholly_old_or_wholly_new() {
    let mut server = Postgres::start(Version::Debian15);
    let url = server.create_database("shop").await;
    let console = keyed(&url);
    let mut connection = server.connect("shop").await;
    connection.execute(AssertSqlSafe(TABLES.to_owned())).await.unwrap();
    let good = image(&mut connection).await;
    let taken = console.run(&["backup", "--quick"]);
    assert_eq!(taken.exit, Some(0), "{}", taken.text());
    let id = taken.json["backup"]["backup"]["id"].as_str().unwrap().to_owned();
    let arguments = ["restore", &id, "--accept-data-loss"];
    let mut moments = Moments::new(0xC4A5, 0.0, Duration::from_millis(900));
    moments.want(points());
    let mut said = String::new();
    while let Some(delay) = moments.draw() {
        connection.execute(AssertSqlSafe(DAMAGE.to_owned())).await.unwrap();
        let damaged = image(&mut connection).await;
        let earlier = console.newest_apply().map(|run| run["number"].clone());
        let child = console.start(&arguments);
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drydock run%' AND state <> 'idle'";
            if text(&mut connection, sql).await.as_deref() != Some("0") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(delay).await;
        let _ = connection.close().await;
        server.crash();
        server.resume();
        let ended = finish(child);
        moments.met(ended.exit != Some(0));
        connection = server.connect("shop").await;
        let _ = writeln!(said, "server crashed: exit {:?}, {}", ended.exit, ended.code());
        settled(
            &console,
            &mut connection,
            earlier.as_ref(),
            Image { old: &damaged, new: &good },
            "the server crashed",
        )
        .await;
        let again = console.run(&arguments);
        assert_eq!(again.exit, Some(0), "it can be done again: {}", again.text());
        assert_eq!(image(&mut connection).await, good);
    }
    report("restore-crashes.txt", &said);
}

#[tokio::test]
async fn a_killed_roll_back_is_wholly_old_or_wholly_new() {
    let server = Postgres::start(Version::Debian15);
    let console = keyed(&server.create_database("shop").await);
    console.write("1_first", TABLES);
    let applied = console.run(&["apply"]);
    assert_eq!(applied.exit, Some(0), "{}", applied.text());
    let mut connection = server.connect("shop").await;
    let good = image(&mut connection).await;
    let taken = console.run(&["backup"]);
    assert_eq!(taken.exit, Some(0), "{}", taken.text());
    console.write(
        "2_second",
        "ALTER TABLE users ADD COLUMN nick text; CREATE TABLE avatars (id serial PRIMARY KEY, who integer REFERENCES users (id)); \
         INSERT INTO avatars (who) SELECT id FROM users; DROP TABLE orders;",
    );
    let arguments = ["rollback", "2_second", "--accept-data-loss"];
    let release = |console: &Console| {
        let applied = console.run(&["apply", "--accept-data-loss"]);
        assert_eq!(applied.exit, Some(0), "{}", applied.text());
    };
    release(&console);
    let started = Instant::now();
    let whole = console.run(&arguments);
    assert_eq!(whole.exit, Some(0), "{}", whole.text());
    assert_eq!(image(&mut connection).await, good);
    let mut moments = Moments::new(0x2011, 0.5, started.elapsed());
    moments.want(points());
    let mut said = String::new();
    while let Some(delay) = moments.draw() {
        release(&console);
        let before = image(&mut connection).await;
        let killed = kill_after(console.start(&arguments), delay).await;
        moments.met(killed);
        let run = console.newest_apply().unwrap();
        if run["status"] == "needs_attention" {
            console.examine(&run);
        }
        let now = image(&mut connection).await;
        let _ = writeln!(said, "roll back killed after {delay:?} ({killed}): done {}", now == good);
        if now == before {
            let again = console.run(&arguments);
            assert_eq!(again.exit, Some(0), "it can be done again: {}", again.text());
        }
        assert_eq!(image(&mut connection).await, good, "killed after {delay:?}");
    }
    report("roll-back-kills.txt", &said);
}

#[tokio::test]
async fn a_disk_that_takes_no_more_leaves_no_backup_and_says_so() {
    let server = Postgres::start(Version::Debian15);
    let console = keyed(&server.create_database("shop").await);
    let mut connection = server.connect("shop").await;
    // Rows that cannot be packed: 12 MB.
    let sql = "CREATE TABLE noise (id integer PRIMARY KEY, b text); INSERT INTO noise SELECT i, (SELECT string_agg(md5(random()::text || i || g), '') FROM generate_series(1, 40) g) FROM generate_series(1, 10000) i";
    connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    // The vault and the journal are there before files get a largest size.
    let whole = console.run(&["backup", "--quick"]);
    assert_eq!(whole.exit, Some(0), "{}", whole.text());
    for kind in [&["backup", "--quick"][..], &["backup"]] {
        let command = console.command(&[kind, &["--tier", "development", "--json"]].concat());
        let mut limited = std::process::Command::new("/bin/sh");
        // A write beyond the limit is an error and no signal then: what a full disk looks like to a program.
        limited.args(["-c", "trap '' XFSZ; ulimit -f 6000; exec \"$@\"", "sh"]).arg(command.get_program());
        limited.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        limited.stdin(std::process::Stdio::null());
        limited.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let ended = finish(limited.spawn().unwrap());
        assert_eq!(ended.exit, Some(4), "{}", ended.text());
        assert!(ended.text().contains("could not be written"), "{}", ended.text());
        assert_eq!(only_whole_ones(&console).len(), 1);
    }
    let newest = console.run(&["backups"]).json["shelf"]["backups"].as_array().unwrap().len();
    assert_eq!(newest, 3, "the broken ones are listed as broken");
}
