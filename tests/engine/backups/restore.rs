//! Going back: what is lost is told before, what comes back is exactly what was stored, and a restore that cannot be
//! exact changes nothing.

use super::harness::{Bench, State, TORTURE, deep, one, quick, run};
use drydock_engine::domain::backup::{
    BackupRequest, BackupScope, RestoreInto, RestoreRequest, RestoreWhat, TableName,
};
use drydock_engine::domain::plan::Confirmation;
use drydock_engine::domain::run::{Run, RunStatus};
use drydock_engine::domain::{Failure, FailureCode};
use drydock_engine::{ApplyOptions, Target};
use drydock_lab::Version;

pub fn all_of(backup_id: &str) -> RestoreRequest {
    RestoreRequest {
        backup_id: backup_id.to_owned(),
        what: RestoreWhat::Everything,
        into: RestoreInto::Target,
        other_database: None,
    }
}

pub async fn restore(bench: &Bench, target: &Target, request: RestoreRequest) -> Result<Run, Failure> {
    let review = bench.engine.restore_plan(target, request).await?;
    let ticked = (0_u32..).take(review.plan.findings.len()).collect();
    let confirmation = Confirmation {
        digest: review.plan.digest.clone(),
        ticked_findings: ticked,
        ..Confirmation::default()
    };
    let run =
        bench.engine.start_apply(target, &review.plan.id, confirmation, ApplyOptions::default()).await?;
    bench.engine.wait_run(&run.id, &mut |_| {}).await
}

pub async fn restored(bench: &Bench, target: &Target, request: RestoreRequest) {
    let run = restore(bench, target, request).await.unwrap();
    assert_eq!(run.status, RunStatus::Succeeded, "{:#?}\n{:#?}", run.failure, run.steps);
}

const ROW_DAMAGE: &str = "
    DELETE FROM every_type WHERE id > 110;
    UPDATE serials SET text = 'changed' WHERE id < 4;
    INSERT INTO serials (text) VALUES ('new one');
    SELECT nextval('never_called');
    DELETE FROM events WHERE at > '2026-01-01';
    UPDATE people SET boss = NULL; UPDATE audited SET v = 'other';
    TRUNCATE heap; INSERT INTO bare DEFAULT VALUES;
    INSERT INTO booked VALUES ('[20,30)');
    UPDATE guarded SET tenant = 'z' WHERE tenant = 'a';";

#[tokio::test]
async fn rows_of_the_torture_database_come_back_from_a_quick_backup() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start_on(version).await;
        let (target, mut connection) = bench.base("torture", TORTURE).await;
        let before = State::read(&mut connection).await;
        let (backup, _) = bench.proven(&target, quick()).await;
        run(&mut connection, ROW_DAMAGE).await;
        assert_ne!(State::read(&mut connection).await, before);
        let loss = bench.engine.restore_loss(&target, &all_of(&backup.id)).await.unwrap();
        let of = |name: &str| loss.tables.iter().find(|table| table.table.name == name).unwrap();
        let serials = of("serials");
        assert_eq!(
            (serials.new, serials.changed, serials.deleted),
            (Some(1.0), Some(3.0), Some(0.0)),
            "{loss:#?}"
        );
        assert!(of("heap").new.is_none() && of("heap").note.is_some());
        assert!(loss.totals.unknown >= 2 && loss.unchanged >= 5, "{loss:#?}");
        assert_eq!(loss.sessions, 1, "the test's own session; the console's count for nobody");
        restored(&bench, &target, all_of(&backup.id)).await;
        State::read(&mut connection).await.is_as(&before);
        // The one that was taken first brings the damage back.
        let safety = bench.newest(&target).await;
        assert_ne!(safety.id, backup.id);
        restored(&bench, &target, all_of(&safety.id)).await;
        assert_eq!(one(&mut connection, "SELECT text FROM serials WHERE id = 1").await, "changed");
    }
}

#[tokio::test]
async fn everything_comes_back_from_a_deep_backup() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start_on(version).await;
        let (target, mut connection) = bench.base("torture", TORTURE).await;
        let before = State::read(&mut connection).await;
        let (backup, _) = bench.proven(&target, deep()).await;
        run(&mut connection, ROW_DAMAGE).await;
        run(
            &mut connection,
            "DROP TABLE computed; ALTER TABLE serials DROP COLUMN text; ALTER TABLE people ADD COLUMN extra jsonb DEFAULT '{}';
             CREATE TABLE newer (id serial PRIMARY KEY); INSERT INTO newer DEFAULT VALUES; ALTER TYPE mood ADD VALUE 'later';
             CREATE OR REPLACE FUNCTION double_it(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n * 3';
             DROP VIEW open_people; DROP MATERIALIZED VIEW mood_count; DROP PUBLICATION everything;
             CREATE SCHEMA later; CREATE TABLE later.t (id integer);
             SELECT lo_unlink(424242); SELECT lo_from_bytea(0, '\\x01'); ALTER TABLE guarded NO FORCE ROW LEVEL SECURITY",
        )
        .await;
        let loss = bench.engine.restore_loss(&target, &all_of(&backup.id)).await.unwrap();
        let newer = loss.tables.iter().find(|table| table.table.name == "newer").unwrap();
        assert_eq!(newer.new, Some(1.0));
        assert!(newer.note.as_ref().unwrap().contains("removed as a whole"));
        restored(&bench, &target, all_of(&backup.id)).await;
        State::read(&mut connection).await.is_as(&before);
        assert_eq!(one(&mut connection, "SELECT encode(lo_get(424242), 'hex')").await, "0001fe");
        assert_eq!(
            one(&mut connection, "SELECT obj_description('audited'::regclass)").await,
            "it's commented"
        );
        assert_eq!(one(&mut connection, "SELECT count(*)::text FROM pg_publication_tables").await, "2");
    }
}

/// The archive is read once for all tables that changed.
#[tokio::test]
async fn what_would_be_lost_is_told_for_every_changed_table_of_an_archive() {
    let bench = Bench::start().await;
    let sql = "CREATE TABLE a (id integer PRIMARY KEY, v text); CREATE TABLE b (id integer PRIMARY KEY, v text); CREATE TABLE c (id integer PRIMARY KEY, v text); CREATE TABLE d (v text);
               INSERT INTO a SELECT i, 'a' FROM generate_series(1, 50) i; INSERT INTO b SELECT * FROM a; INSERT INTO c SELECT * FROM a; INSERT INTO d VALUES ('d')";
    let (target, mut connection) = bench.base("shop", sql).await;
    let (backup, _) = bench.proven(&target, deep()).await;
    run(&mut connection, "DELETE FROM a WHERE id < 4; UPDATE c SET v = 'c' WHERE id < 6; INSERT INTO c VALUES (90), (91); DELETE FROM d").await;
    let loss = bench.engine.restore_loss(&target, &all_of(&backup.id)).await.unwrap();
    let of = |name: &str| {
        let table = loss.tables.iter().find(|table| table.table.name == name)?;
        Some((table.new, table.changed, table.deleted))
    };
    assert_eq!(of("a"), Some((Some(0.0), Some(0.0), Some(3.0))), "{loss:#?}");
    assert_eq!(of("b"), None);
    assert_eq!(of("c"), Some((Some(2.0), Some(5.0), Some(0.0))));
    assert_eq!(of("d"), Some((None, None, None)), "it has no key");
    assert_eq!(loss.unchanged, 1);
}

#[tokio::test]
async fn tables_and_rows_come_back_one_by_one_from_both_kinds() {
    let bench = Bench::start().await;
    let (target, mut connection) = bench.base("torture", TORTURE).await;
    let before = State::read(&mut connection).await;
    for request in [quick(), deep()] {
        let (backup, _) = bench.proven(&target, request).await;
        run(&mut connection, "DROP TABLE serials CASCADE; UPDATE computed SET n = 0; DELETE FROM people WHERE id = 39; DELETE FROM audited WHERE id < 3; UPDATE audited SET v = 'x' WHERE id = 9").await;
        let what = |name: &str| RestoreWhat::Tables { tables: vec![TableName::new("public", name)] };
        for name in ["serials", "computed", "people", "audit_trail"] {
            restored(&bench, &target, RestoreRequest { what: what(name), ..all_of(&backup.id) }).await;
        }
        let rows = RestoreWhat::Rows {
            table: TableName::new("public", "audited"),
            keys: vec![vec!["1".to_owned()], vec!["2".to_owned()], vec!["9".to_owned()]],
        };
        restored(&bench, &target, RestoreRequest { what: rows, ..all_of(&backup.id) }).await;
        State::read(&mut connection).await.is_as(&before);
    }
}

#[tokio::test]
async fn a_restore_that_cannot_be_exact_changes_nothing() {
    let bench = Bench::start().await;
    let sql = "CREATE TABLE users (id integer PRIMARY KEY, name text); CREATE TABLE orders (id integer PRIMARY KEY, who integer REFERENCES users (id));
               INSERT INTO users VALUES (1, 'a'); INSERT INTO orders VALUES (1, 1)";
    let (target, mut connection) = bench.base("shop", sql).await;
    let tables = BackupScope::Tables { tables: vec![TableName::new("public", "users")] };
    let (backup, _) = bench.proven(&target, BackupRequest { scope: tables, ..quick() }).await;
    run(&mut connection, "INSERT INTO users VALUES (2, 'b'); INSERT INTO orders VALUES (2, 2)").await;
    let before = State::read(&mut connection).await;
    let run_of = restore(&bench, &target, all_of(&backup.id)).await.unwrap();
    assert_eq!(run_of.status, RunStatus::Failed);
    let failure = run_of.failure.unwrap();
    assert_eq!(failure.code, FailureCode::RestoreRefused, "{failure:?}");
    State::read(&mut connection).await.is_as(&before);
    // Columns that moved since close the way before anything starts.
    run(&mut connection, "ALTER TABLE users ADD COLUMN mail text").await;
    let loss = bench.engine.restore_loss(&target, &all_of(&backup.id)).await.unwrap();
    assert!(loss.obstacles[0].contains("column mail is new"), "{loss:#?}");
    let refused = bench.engine.restore_plan(&target, all_of(&backup.id)).await.unwrap_err();
    assert_eq!(refused.code, FailureCode::RestoreRefused);
    // A way that there is not is never taken for one that there is.
    for into in [RestoreInto::Swap, RestoreInto::NewDatabase { name: "copy".to_owned() }] {
        let refused = bench.engine.restore_plan(&target, RestoreRequest { into, ..all_of(&backup.id) }).await;
        assert_eq!(refused.unwrap_err().code, FailureCode::RestoreRefused);
    }
    // Another database refuses until its name is typed.
    let (other, _) = bench.base("elsewhere", sql).await;
    let refused = bench.engine.restore_loss(&other, &all_of(&backup.id)).await.unwrap_err();
    assert!(refused.what.contains("another database"), "{refused:?}");
    let typed = RestoreRequest { other_database: Some("elsewhere".to_owned()), ..all_of(&backup.id) };
    restored(&bench, &other, typed).await;
}

/// A newer server's backup on an older server either gets in, equal in every row, or leaves everything as it was.
#[tokio::test]
async fn a_newer_servers_backup_on_an_older_one_is_exact_or_changes_nothing() {
    let newer = Bench::start_on(Version::Toolkit18).await;
    let simple = "CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL); INSERT INTO users (name) SELECT 'u' || i FROM generate_series(1, 500) i;";
    let modern = "CREATE TABLE totals (id integer PRIMARY KEY, n integer, twice integer GENERATED ALWAYS AS (n * 2) VIRTUAL); INSERT INTO totals VALUES (1, 2);";
    let older = drydock_lab::Postgres::start(Version::Debian15);
    for (name, sql, fits) in
        [("simple", simple.to_owned(), true), ("modern", format!("{simple}{modern}"), false)]
    {
        let (source, mut there) = newer.base(name, &sql).await;
        let (backup, _) = newer.proven(&source, deep()).await;
        let url = older.create_database(name).await;
        let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.unwrap();
        run(&mut connection, "CREATE TABLE before (id integer); INSERT INTO before VALUES (1)").await;
        let before = State::read(&mut connection).await;
        let target = Target::from_url(
            &drydock_engine::domain::secret::Secret::new(url),
            drydock_engine::domain::environment::Tier::Development,
            None,
        )
        .unwrap();
        let typed = RestoreRequest { other_database: Some(name.to_owned()), ..all_of(&backup.id) };
        let ended = restore(&newer, &target, typed).await.unwrap();
        if fits {
            assert_eq!(ended.status, RunStatus::Succeeded, "{:?}", ended.failure);
            assert_eq!(
                one(&mut connection, "SELECT count(*) || max(name) FROM users").await,
                one(&mut there, "SELECT count(*) || max(name) FROM users").await
            );
        } else {
            assert_eq!(ended.status, RunStatus::Failed);
            assert!(ended.failure.unwrap().why.unwrap().contains("totals"));
            State::read(&mut connection).await.is_as(&before);
        }
    }
}
