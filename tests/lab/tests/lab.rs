//! The lab's own parts do what the tests rely on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use drydock_lab::{Fault, Keyring, PgBouncer, Postgres, PrismaPeer, Slow, SshServer, Tls, Version, corpus};
use sqlx::{Connection, PgConnection, Row};
use std::process::Command;
use std::time::{Duration, Instant};

async fn version(url: &str) -> i32 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let row = sqlx::query("SELECT current_setting('server_version_num')::int / 10000")
        .fetch_one(&mut connection)
        .await;
    row.unwrap().get(0)
}

#[tokio::test]
async fn both_servers_start_with_a_password_and_come_back_after_a_crash() {
    for (which, major) in [(Version::Debian15, 15), (Version::Toolkit18, 18)] {
        let mut server = Postgres::start(which);
        let url = server.create_database("Odd name").await;
        assert_eq!(version(&url).await, major);
        assert!(PgConnection::connect(&server.url_as(server.user(), "wrong", "postgres")).await.is_err());
        server.execute("Odd name", "CREATE TABLE t (id int); INSERT INTO t VALUES (1)").await;
        let reader = server.create_reader("Odd name", "reader").await;
        let mut connection = PgConnection::connect(&reader).await.unwrap();
        assert!(sqlx::query("SELECT * FROM t").fetch_one(&mut connection).await.is_ok());
        assert!(sqlx::query("INSERT INTO t VALUES (2)").execute(&mut connection).await.is_err());
        server.crash();
        assert!(PgConnection::connect(&url).await.is_err());
        server.resume();
        assert_eq!(version(&url).await, major);
    }
}

#[tokio::test]
async fn encrypted_servers_show_the_certificate_they_were_asked_for() {
    let right = Postgres::start_with(Version::Debian15, Tls::On, &[]);
    let wrong = Postgres::start_with(Version::Debian15, Tls::WrongName, &[]);
    let full = |server: &Postgres| {
        let roots = server.authority().unwrap().certificate();
        server
            .url("postgres")
            .replace("sslmode=require", &format!("sslmode=verify-full&sslrootcert={}", roots.display()))
    };
    assert_eq!(version(&full(&right)).await, 15);
    assert!(PgConnection::connect(&full(&wrong)).await.is_err());
}

#[tokio::test]
async fn the_pooler_gives_transactions_other_sessions() {
    let server = Postgres::start(Version::Debian15);
    let pooler = PgBouncer::start(&server);
    let mut connection = PgConnection::connect(&pooler.url("postgres")).await.unwrap();
    let row = sqlx::raw_sql("SELECT 1").fetch_one(&mut connection).await.unwrap();
    assert_eq!(row.get::<i32, _>(0), 1);
}

#[tokio::test]
async fn the_slow_line_delays_counts_and_breaks() {
    let server = Postgres::start(Version::Debian15);
    let line = Slow::start(server.port(), Duration::from_millis(20));
    let mut connection = PgConnection::connect(&line.through(&server.url("postgres"))).await.unwrap();
    let mut took = Duration::MAX;
    // The quickest of some: the processors may be busy with other tests for a while.
    for _ in 0..5 {
        line.reset_counters();
        let started = Instant::now();
        for _ in 0..5 {
            sqlx::raw_sql("SELECT 1").execute(&mut connection).await.unwrap();
        }
        took = took.min(started.elapsed());
        assert_eq!(line.round_trips(), 5);
    }
    assert!(
        took >= Duration::from_millis(200) && took < Duration::from_millis(600),
        "5 x 40 ms took {took:?}"
    );
    line.fault(Fault::Blackhole);
    let lost =
        tokio::time::timeout(Duration::from_millis(300), sqlx::raw_sql("SELECT 1").execute(&mut connection))
            .await;
    assert!(lost.is_err(), "a black hole tells nobody");
    line.heal();
    let mut fresh = PgConnection::connect(&line.through(&server.url("postgres"))).await.unwrap();
    line.fault(Fault::Reset);
    let error = sqlx::raw_sql("SELECT 1").execute(&mut fresh).await.unwrap_err().to_string();
    assert!(error.contains("reset") || error.contains("Broken pipe"), "{error}");
}

#[test]
fn the_keyring_keeps_a_secret_for_a_child_that_knows_its_bus() {
    let keyring = Keyring::start();
    let call = |method: &str, arguments: &[&str]| {
        let output = Command::new("dbus-send")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(keyring.environment())
            .args(["--session", "--print-reply", "--dest=org.freedesktop.secrets"])
            .arg("/org/freedesktop/secrets/collection/login")
            .arg(method)
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let locked = call(
        "org.freedesktop.DBus.Properties.Get",
        &["string:org.freedesktop.Secret.Collection", "string:Locked"],
    );
    assert!(locked.contains("boolean false"), "the login collection is there and unlocked: {locked}");
}

#[tokio::test]
async fn the_prisma_peer_deploys_a_real_history() {
    let server = Postgres::start(Version::Debian15);
    let url = server.create_database("umami").await;
    let peer = PrismaPeer::find();
    let migrations = corpus().join("umami/postgresql/migrations");
    let before = peer.status(&url, &migrations);
    assert_eq!(before.exit, 1, "{before:?}");
    assert!(before.stdout.contains("01_init"), "{before:?}");
    let deployed = peer.deploy(&url, &migrations);
    assert_eq!(deployed.exit, 0, "{deployed:?}");
    let after = peer.status(&url, &migrations);
    assert_eq!(after.exit, 0, "{after:?}");
    let again = peer.resolve(&url, &migrations, "--applied", "01_init");
    assert!(again.exit == 1 && again.stderr.contains("P3008"), "{again:?}");
}

#[test]
fn an_ssh_server_has_accounts_that_only_it_knows_and_takes_its_sessions_along() {
    let mut server = SshServer::start();
    let command = |key: &std::path::Path, what: &[&str]| {
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o"]);
        let known = server.write("known", &format!("{} {}\n", server.known_name(), server.host_public_key()));
        command.arg(format!("UserKnownHostsFile={}", known.display())).arg("-i").arg(key);
        command.args(["-o", "IdentitiesOnly=yes", "-l", server.user(), "-p", &server.port().to_string()]);
        command.arg(server.address()).args(what);
        command
    };
    let output = command(&server.key(), &["id", "-un"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), server.user(), "{output:?}");
    assert!(!command(&server.strange_key(), &["true"]).status().unwrap().success());
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    assert!(!passwd.contains(server.user()), "the system's own accounts are as they were");
    let mut session = command(&server.key(), &["sleep", "600"]).spawn().unwrap();
    let started = Instant::now();
    while server.log().matches("Starting session").count() < 2 {
        assert!(started.elapsed() < Duration::from_secs(10), "{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    server.crash();
    let ended = session.wait().unwrap();
    assert!(!ended.success() && started.elapsed() < Duration::from_secs(10), "{ended:?}");
}
