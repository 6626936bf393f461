//! `kill -9` at random moments of a restore into a new database, and of one that exchanges databases. A name is only ever
//! borne by a whole database, the target is wholly old or wholly new, and the console says which.

use crate::backups::{DAMAGE, TABLES, image, keyed, points, report};
use crate::moments::Moments;
use crate::parts::{Console, kill_after, text};
use drydock_lab::{Postgres, Version};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// A database with a backup of it: the server, the console, what is in the database, and the backup's id.
async fn backed_up() -> (Postgres, Console, String, String) {
    let server = Postgres::start(Version::Debian15);
    let console = keyed(&server.create_database("shop").await);
    server.execute("shop", TABLES).await;
    let good = image(&mut server.connect("shop").await).await;
    let taken = console.run(&["backup"]);
    assert_eq!(taken.exit, Some(0), "{}", taken.text());
    let id = taken.json["backup"]["backup"]["id"].as_str().unwrap().to_owned();
    (server, console, good, id)
}

/// Names of the databases that are not the server's own, and whether one of them was left half made.
async fn databases(outside: &mut PgConnection) -> (Vec<String>, Vec<String>) {
    let sql = "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'";
    let all = text(outside, sql).await.unwrap_or_default();
    all.split(',').map(str::to_owned).partition(|name| !name.contains("_drydock_"))
}

/// Runs it until it is killed; the run as it was settled, if there is one.
/// `outside`: the delay begins when the names are about to be given.
async fn killed(
    console: &Console,
    arguments: &[&str],
    delay: Duration,
    outside: Option<&mut PgConnection>,
) -> (bool, Option<Value>, String) {
    let earlier = console.newest_apply().map(|run| run["number"].clone());
    let mut child = console.start(arguments);
    if let Some(outside) = outside {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drydock name%'";
        while child.try_wait().unwrap().is_none() && text(outside, sql).await.as_deref() == Some("0") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let killed = kill_after(child, delay).await;
    let Some(run) = console.newest_apply().filter(|run| Some(&run["number"]) != earlier.as_ref()) else {
        return (killed, None, String::new());
    };
    if run["status"] != "needs_attention" {
        return (killed, Some(run), String::new());
    }
    let answer = console.examine(&run);
    let said = answer.text();
    (killed, Some(answer.json["run"].clone()), said)
}

/// What was left half made is named by the console, with how to get rid of it; then it is gotten rid of.
async fn named_and_dropped(outside: &mut PgConnection, left: &[String], said: &str) {
    for name in left {
        assert!(said.contains(&format!("DROP DATABASE \\\"{name}\\\"")), "{name} is not named: {said}");
        let drop = format!("DROP DATABASE \"{name}\" WITH (FORCE)");
        outside.execute(AssertSqlSafe(drop)).await.unwrap();
    }
}

#[tokio::test]
async fn a_killed_restore_into_a_new_database_makes_a_whole_one_or_none() {
    let (server, console, good, id) = backed_up().await;
    let mut connection = server.connect("shop").await;
    let mut outside = server.connect("postgres").await;
    connection.execute(AssertSqlSafe(DAMAGE.to_owned())).await.unwrap();
    let damaged = image(&mut connection).await;
    let started = Instant::now();
    let whole = console.run(&["restore", &id, "--into", "whole"]);
    assert_eq!(whole.exit, Some(0), "{}", whole.text());
    let mut moments = Moments::new(0xBE51DE, 0.15, started.elapsed());
    moments.want(points());
    let mut lines = String::new();
    for point in 0.. {
        let Some(delay) = moments.draw() else { break };
        let name = format!("copy_{point}");
        let (killed, run, said) = killed(&console, &["restore", &id, "--into", &name], delay, None).await;
        moments.met(killed);
        let (there, left) = databases(&mut outside).await;
        let made = there.contains(&name);
        let _ = writeln!(lines, "killed after {delay:?} ({killed}): made {made}, left {}", left.len());
        match run {
            Some(run) => {
                let expected = if made { "succeeded" } else { "failed" };
                assert_eq!(run["status"], expected, "{run}\n{said}");
            }
            None => assert!(!made && left.is_empty(), "no run, no database"),
        }
        if made {
            assert_eq!(
                image(&mut server.connect(&name).await).await,
                good,
                "whoever bears the name is whole"
            );
        }
        named_and_dropped(&mut outside, &left, &said).await;
        assert_eq!(image(&mut connection).await, damaged, "the target is not touched");
        let again = console.run(&["restore", &id, "--into", &format!("again_{point}")]);
        assert_eq!(again.exit, Some(0), "it can be done again: {}", again.text());
    }
    report("restore-beside-kills.txt", &lines);
}

#[tokio::test]
async fn a_killed_swap_leaves_the_old_database_or_the_new_one_by_that_name() {
    let (server, console, good, id) = backed_up().await;
    let mut outside = server.connect("postgres").await;
    // After an exchange the database is another one than the backup is of.
    let arguments = ["restore", &id, "--swap", "--accept-data-loss", "--other-database", "shop"];
    server.execute("shop", DAMAGE).await;
    let started = Instant::now();
    let whole = console.run(&arguments);
    assert_eq!(whole.exit, Some(0), "{}", whole.text());
    let mut moments = Moments::new(0x5A4B, 0.15, started.elapsed());
    moments.want(points());
    assert_eq!(image(&mut server.connect("shop").await).await, good);
    let mut random = StdRng::seed_from_u64(0x5A4B);
    let mut lines = String::new();
    for point in 0.. {
        let Some(anywhere) = moments.draw() else { break };
        let (there, _) = databases(&mut outside).await;
        for kept in there.iter().filter(|name| *name != "shop") {
            outside.execute(AssertSqlSafe(format!("DROP DATABASE \"{kept}\" WITH (FORCE)"))).await.unwrap();
        }
        server.execute("shop", DAMAGE).await;
        let damaged = image(&mut server.connect("shop").await).await;
        // Every second one in the middle of the exchange, which takes no longer than this.
        let (delay, near) = match point % 2 {
            0 => (anywhere, None),
            _ => (Duration::from_millis(random.random_range(0..250)), Some(&mut outside)),
        };
        let (killed, run, said) = killed(&console, &arguments, delay, near).await;
        moments.met(killed);
        let (there, left) = databases(&mut outside).await;
        let now = image(&mut server.connect("shop").await).await;
        let swapped = now == good;
        let _ = writeln!(lines, "killed after {delay:?} ({killed}): swapped {swapped}, left {}", left.len());
        assert!(swapped || now == damaged, "neither old nor new: {said}");
        let kept: Vec<&String> = there.iter().filter(|name| *name != "shop").collect();
        assert_eq!(kept.len(), usize::from(swapped), "{there:?}");
        if let Some(kept) = kept.first() {
            assert_eq!(
                image(&mut server.connect(kept).await).await,
                damaged,
                "the old one is kept as it was"
            );
        }
        match run {
            Some(run) => {
                let expected = if swapped { "succeeded" } else { "failed" };
                assert_eq!(run["status"], expected, "{run}\n{said}");
            }
            None => assert!(!swapped && left.is_empty(), "no run, no change"),
        }
        named_and_dropped(&mut outside, &left, &said).await;
    }
    let again = console.run(&arguments);
    assert_eq!(again.exit, Some(0), "it can be done again: {}", again.text());
    report("swap-kills.txt", &lines);
}

#[tokio::test]
async fn a_killed_swap_back_gives_the_name_to_one_of_the_two_and_the_console_says_to_which() {
    let (server, console, good, id) = backed_up().await;
    let mut outside = server.connect("postgres").await;
    let restore = ["restore", &id, "--swap", "--accept-data-loss", "--other-database", "shop"];
    let (mut swap, mut damaged) = (None, String::new());
    let mut moments: Option<Moments> = None;
    let mut random = StdRng::seed_from_u64(0xBAC4);
    let mut lines = String::new();
    for point in 0.. {
        if swap.is_none() {
            let (there, _) = databases(&mut outside).await;
            for other in there.iter().filter(|name| *name != "shop") {
                let drop = format!("DROP DATABASE \"{other}\" WITH (FORCE)");
                outside.execute(AssertSqlSafe(drop)).await.unwrap();
            }
            server.execute("shop", DAMAGE).await;
            damaged = image(&mut server.connect("shop").await).await;
            let swapped = console.run(&restore);
            assert_eq!(swapped.exit, Some(0), "{}", swapped.text());
            swap = swapped.json["run_id"].as_str().map(str::to_owned);
        }
        let run = swap.clone().unwrap();
        let arguments = ["swap-back", &run, "--accept-data-loss"];
        let Some(moments) = &mut moments else {
            // The first one tells how long it takes.
            let started = Instant::now();
            let back = console.run(&arguments);
            assert_eq!(back.exit, Some(0), "{}", back.text());
            assert_eq!(image(&mut server.connect("shop").await).await, damaged);
            let mut from_here = Moments::new(0xBAC4, 0.15, started.elapsed());
            from_here.want(points());
            moments = Some(from_here);
            swap = None;
            continue;
        };
        let Some(anywhere) = moments.draw() else { break };
        let (delay, near) = match point % 2 {
            0 => (anywhere, None),
            _ => (Duration::from_millis(random.random_range(0..200)), Some(&mut outside)),
        };
        let (killed, run, said) = killed(&console, &arguments, delay, near).await;
        moments.met(killed);
        let now = image(&mut server.connect("shop").await).await;
        let back = now == damaged;
        let _ = writeln!(lines, "killed after {delay:?} ({killed}): taken back {back}");
        assert!(back || now == good, "neither the one nor the other: {said}");
        let (there, left) = databases(&mut outside).await;
        assert!(there.len() == 2 && left.is_empty(), "both are there: {there:?} {left:?}");
        let other = there.iter().find(|name| *name != "shop").unwrap();
        assert_eq!(
            image(&mut server.connect(other).await).await,
            if back { good.clone() } else { damaged.clone() }
        );
        match run {
            Some(run) => {
                assert_eq!(run["status"], if back { "succeeded" } else { "failed" }, "{run}\n{said}");
            }
            None => assert!(!back, "no run, no change"),
        }
        if back {
            swap = None;
        }
    }
    report("swap-back-kills.txt", &lines);
}
