//! The line is cut, reset or goes dead in the middle of a backup, a restore and a roll back. The operator is told within
//! a minute, the rows are wholly old or wholly new, nothing incomplete is offered, and no lock stays on the server.

use crate::backups::{DAMAGE, Image, TABLES, image, keyed, only_whole_ones, report, settled};
use crate::moments::Moments;
use crate::parts::{Answer, Console, finish, text};
use drydock_lab::{Fault, Network, Postgres, Slow, Tls, Version};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::fmt::Write as _;
use std::process::Child;
use std::time::{Duration, Instant};

/// Moments of each fault: 21 of each kind of work in the long campaign.
fn each() -> u32 {
    if std::env::var_os("DRYDOCK_FULL").is_some() { 7 } else { 1 }
}

/// All faults; in the sample some of them for each kind, since a dead line takes its time to be told.
fn faults(sample: &'static [Fault]) -> &'static [Fault] {
    if std::env::var_os("DRYDOCK_FULL").is_some() {
        &[Fault::Cut, Fault::Reset, Fault::Blackhole]
    } else {
        sample
    }
}

/// The longest that a person may have to wait for an answer.
const TOLD: Duration = Duration::from_secs(60);

/// A command that got through and ended this soon after the fault did not need the line any more.
const AT_ITS_END: Duration = Duration::from_millis(50);

/// A server, a line to it that can be broken, and a console behind that line.
struct Office {
    server: Postgres,
    line: Slow,
    console: Console,
    said: String,
    /// The last fault met the command at work.
    met: bool,
}

impl Office {
    async fn open() -> (Self, PgConnection) {
        let server = Postgres::start(Version::Debian15);
        let line = Slow::start(server.port(), Duration::from_micros(200));
        let console = keyed(&line.through(&server.create_database("shop").await));
        let connection = server.connect("shop").await;
        (Self { server, line, console, said: String::new(), met: false }, connection)
    }

    /// Breaks the line under a command and waits until the command has said what it knows.
    async fn broken(&mut self, child: Child, fault: Fault, delay: Duration) -> Answer {
        tokio::time::sleep(delay).await;
        let struck = Instant::now();
        self.line.fault(fault);
        let waiting = tokio::task::spawn_blocking(move || finish(child));
        let answer = waiting.await.unwrap();
        let took = struck.elapsed();
        self.line.heal();
        assert!(took < TOLD, "{fault:?}: told after {took:?} only: {}", answer.text());
        assert!(!answer.text().contains("panicked"), "{}", answer.text());
        if answer.exit != Some(0) {
            assert!(answer.json["failure"]["what"].is_string(), "what failed is said: {}", answer.text());
        }
        self.met = answer.exit != Some(0) || took > AT_ITS_END;
        let code = answer.code();
        let _ =
            writeln!(self.said, "{fault:?} after {delay:?}: exit {:?} {code} after {took:?}", answer.exit);
        answer
    }

    /// Nothing of ours stays at work on the server, so no lock does.
    async fn left_alone(&self, connection: &mut PgConnection) {
        let until = Instant::now() + TOLD;
        let ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drydock%'";
        while text(connection, ours).await.as_deref() != Some("0") {
            assert!(Instant::now() < until, "a session stayed on the server");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn a_backup_over_a_broken_line_leaves_nothing_that_is_offered() {
    let (mut office, mut connection) = Office::open().await;
    connection.execute(AssertSqlSafe(TABLES.to_owned())).await.unwrap();
    let before = image(&mut connection).await;
    let kinds =
        [(&["backup"][..], &[Fault::Cut, Fault::Blackhole][..]), (&["backup", "--quick"], &[Fault::Reset])];
    for (kind, sample) in kinds {
        let started = Instant::now();
        let whole = office.console.run(kind);
        assert_eq!(whole.exit, Some(0), "{}", whole.text());
        // The proof, which comes last, needs no line.
        let mut moments = Moments::new(0xCAB1, 0.02, started.elapsed().mul_f64(0.5));
        for &fault in faults(sample) {
            moments.want(each());
            while let Some(delay) = moments.draw() {
                let known = only_whole_ones(&office.console).len();
                let child = office.console.start(kind);
                let answer = office.broken(child, fault, delay).await;
                moments.met(office.met);
                office.left_alone(&mut connection).await;
                let complete = only_whole_ones(&office.console).len();
                if answer.exit == Some(0) {
                    assert_eq!(complete, known + 1, "it got through: {}", answer.text());
                } else {
                    assert!(complete <= known + 1, "{}", answer.text());
                }
            }
        }
    }
    assert_eq!(image(&mut connection).await, before, "a backup only reads");
    report("backup-cuts.txt", &office.said);
}

#[tokio::test]
async fn a_restore_over_a_broken_line_is_wholly_old_or_wholly_new() {
    let (mut office, mut connection) = Office::open().await;
    connection.execute(AssertSqlSafe(TABLES.to_owned())).await.unwrap();
    let good = image(&mut connection).await;
    let kinds =
        [(&["backup", "--quick"][..], &[Fault::Reset, Fault::Blackhole][..]), (&["backup"], &[Fault::Cut])];
    for (kind, sample) in kinds {
        let taken = office.console.run(kind);
        assert_eq!(taken.exit, Some(0), "{}", taken.text());
        let id = taken.json["backup"]["backup"]["id"].as_str().unwrap().to_owned();
        let arguments = ["restore", &id, "--accept-data-loss"];
        let longest = run_whole(&office.console, &mut connection, &arguments, &good).await;
        let mut moments = Moments::new(0xCAB2, 0.3, longest);
        for &fault in faults(sample) {
            moments.want(each());
            while let Some(delay) = moments.draw() {
                connection.execute(AssertSqlSafe(DAMAGE.to_owned())).await.unwrap();
                let damaged = image(&mut connection).await;
                let images = Image { old: &damaged, new: &good };
                let earlier = office.console.newest_apply().map(|run| run["number"].clone());
                let child = office.console.start(&arguments);
                let answer = office.broken(child, fault, delay).await;
                moments.met(office.met);
                office.left_alone(&mut connection).await;
                let what = format!("{kind:?}, {fault:?} after {delay:?}: {}", answer.text());
                settled(&office.console, &mut connection, earlier.as_ref(), images, &what).await;
                let again = office.console.run(&arguments);
                assert_eq!(again.exit, Some(0), "it can be done again: {}", again.text());
                assert_eq!(image(&mut connection).await, good);
                only_whole_ones(&office.console);
            }
        }
    }
    report("restore-cuts.txt", &office.said);
}

/// Damages the rows and restores them over a whole line; how long that takes.
async fn run_whole(
    console: &Console,
    connection: &mut PgConnection,
    command: &[&str],
    good: &str,
) -> Duration {
    connection.execute(AssertSqlSafe(DAMAGE.to_owned())).await.unwrap();
    let started = Instant::now();
    let whole = console.run(command);
    assert_eq!(whole.exit, Some(0), "{}", whole.text());
    assert_eq!(image(connection).await, good);
    started.elapsed()
}

#[tokio::test]
async fn a_roll_back_over_a_broken_line_is_wholly_old_or_wholly_new() {
    let (mut office, mut connection) = Office::open().await;
    office.console.write("1_first", TABLES);
    let applied = office.console.run(&["apply"]);
    assert_eq!(applied.exit, Some(0), "{}", applied.text());
    let good = image(&mut connection).await;
    let taken = office.console.run(&["backup"]);
    assert_eq!(taken.exit, Some(0), "{}", taken.text());
    office.console.write(
        "2_second",
        "ALTER TABLE users ADD COLUMN nick text; CREATE TABLE avatars (id serial PRIMARY KEY, who integer REFERENCES users (id)); \
         INSERT INTO avatars (who) SELECT id FROM users; DROP TABLE orders;",
    );
    let arguments = ["rollback", "2_second", "--accept-data-loss"];
    let release = |console: &Console| {
        let applied = console.run(&["apply", "--accept-data-loss"]);
        assert_eq!(applied.exit, Some(0), "{}", applied.text());
    };
    release(&office.console);
    let started = Instant::now();
    let whole = office.console.run(&arguments);
    assert_eq!(whole.exit, Some(0), "{}", whole.text());
    assert_eq!(image(&mut connection).await, good);
    let mut moments = Moments::new(0xCAB3, 0.5, started.elapsed());
    for &fault in faults(&[Fault::Cut, Fault::Blackhole]) {
        moments.want(each());
        while let Some(delay) = moments.draw() {
            release(&office.console);
            let released = image(&mut connection).await;
            let images = Image { old: &released, new: &good };
            let earlier = office.console.newest_apply().map(|run| run["number"].clone());
            let child = office.console.start(&arguments);
            let answer = office.broken(child, fault, delay).await;
            moments.met(office.met);
            office.left_alone(&mut connection).await;
            let what = format!("{fault:?} after {delay:?}: {}", answer.text());
            settled(&office.console, &mut connection, earlier.as_ref(), images, &what).await;
            if image(&mut connection).await == released {
                let again = office.console.run(&arguments);
                assert_eq!(again.exit, Some(0), "it can be done again: {}", again.text());
            }
            assert_eq!(image(&mut connection).await, good, "{what}");
        }
    }
    report("roll-back-cuts.txt", &office.said);
    drop(office.server);
}

/// One value, asked from where the server is.
fn ask(network: &Network, server: &Postgres, sql: &str) -> String {
    network.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = server.connect("shop").await;
            let said = text(&mut connection, sql).await.unwrap_or_default();
            connection.close().await.unwrap();
            said
        })
    })
}

/// A cable that is pulled: no packet says so. The server waits for rows then and does not rest, so only the line's
/// own silence can end its session.
#[test]
fn a_restore_whose_cable_is_pulled_leaves_no_lock_on_the_server() {
    let network = Network::start();
    let server =
        network.inside(|| Postgres::start_with(Version::Debian15, Tls::Off, &["listen_addresses=*"]));
    network.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            server.create_database("shop").await;
            let sql = "COPY (SELECT 'host all all 10.231.0.0/16 scram-sha-256') TO PROGRAM 'cat >> pg_hba.conf'; SELECT pg_reload_conf();";
            server.execute("shop", sql).await;
            server.execute("shop", &TABLES.replace("60000", "240000")).await;
        });
    });
    let rows = "SELECT count(*) || ' ' || sum(hashtextextended(o::text, 0)) FROM orders o";
    let url = server.url("shop").replace("127.0.0.1", &network.address());
    let console = keyed(&url);
    let taken = console.run(&["backup", "--quick"]);
    assert_eq!(taken.exit, Some(0), "{}", taken.text());
    let id = taken.json["backup"]["backup"]["id"].as_str().unwrap().to_owned();
    let good = ask(&network, &server, rows);
    network.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(server.execute("shop", "DELETE FROM orders WHERE id % 7 = 0"));
    });
    let damaged = ask(&network, &server, rows);
    let child = console.start(&["restore", &id, "--accept-data-loss"]);
    let copying = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drydock%' AND query LIKE 'COPY%orders%FROM STDIN%' AND state = 'active'";
    let until = Instant::now() + TOLD;
    while ask(&network, &server, copying) == "0" {
        assert!(Instant::now() < until, "the rows were never read in");
        std::thread::sleep(Duration::from_millis(5));
    }
    network.pull();
    let pulled = Instant::now();
    let waiting = std::thread::spawn(move || finish(child));
    let holding = "SELECT coalesce(string_agg(DISTINCT concat_ws(' ', a.application_name, a.state, a.wait_event, a.query), ';'), '') \
        FROM pg_stat_activity a JOIN pg_locks l USING (pid) WHERE a.application_name LIKE 'drydock%' AND l.locktype IN ('relation', 'advisory')";
    loop {
        let held = ask(&network, &server, holding);
        if held.is_empty() {
            break;
        }
        assert!(pulled.elapsed() < TOLD, "locks are held {:?} after it: {held}", pulled.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("the server let go after {:?}", pulled.elapsed());
    let answer = waiting.join().unwrap();
    assert!(pulled.elapsed() < TOLD, "told after {:?}", pulled.elapsed());
    assert!(matches!(answer.exit, Some(4 | 5)), "{}", answer.text());
    network.plug();
    assert_eq!(ask(&network, &server, rows), damaged, "what was half read in is gone");
    let run = console.newest_apply().unwrap();
    let run =
        if run["status"] == "needs_attention" { console.examine(&run).json["run"].clone() } else { run };
    assert_eq!(run["status"], "failed", "{run}");
    let again = console.run(&["restore", &id, "--accept-data-loss"]);
    assert_eq!(again.exit, Some(0), "it can be done again: {}", again.text());
    assert_eq!(ask(&network, &server, rows), good);
}
