//! Databases in other encodings, cells of hundreds of megabytes, an owner without more rights than that, and a newer
//! server as the target: what was stored comes back, or is refused by name before anything is written.

use super::harness::{Bench, State, TORTURE, deep, one, quick, run};
use super::restore::{all_of, restore};
use drydock_engine::Target;
use drydock_engine::domain::backup::{RestoreRequest, RestoreWhat, TableName};
use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::secret::Secret;
use drydock_lab::{Postgres, Version};
use sqlx::{Connection, PgConnection};

/// A database of that encoding; its rows hold letters that only that one has.
async fn encoded(bench: &Bench, encoding: &str) -> (Target, PgConnection) {
    let name = encoding.to_lowercase();
    let create = format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
    );
    bench.server.execute("postgres", &create).await;
    let url = bench.server.url(&name);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let sql = "CREATE TABLE words (id integer PRIMARY KEY, w text, \"größe\" text DEFAULT 'ä'); CREATE TYPE farbe AS ENUM ('grün', 'weiß');
        ALTER TABLE words ADD COLUMN f farbe; COMMENT ON TABLE words IS 'Wörter';
        INSERT INTO words SELECT i, 'señor ' || i, 'straße', 'grün' FROM generate_series(1, 300) i";
    run(&mut connection, sql).await;
    (Target::from_url(&Secret::new(url), Tier::Development, None).unwrap(), connection)
}

#[tokio::test]
async fn databases_in_other_encodings_come_back_byte_by_byte() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let bench = Bench::start().await;
        let (target, mut connection) = encoded(&bench, encoding).await;
        if encoding == "SQL_ASCII" {
            // Bytes that are no text in any other encoding.
            run(
                &mut connection,
                "INSERT INTO words (id, w) SELECT 1000, convert_from('\\xff80fe'::bytea, 'SQL_ASCII')",
            )
            .await;
        }
        let before = State::read(&mut connection).await;
        let bytes = "SELECT string_agg(encode(convert_to(w, getdatabaseencoding()), 'hex'), ',' ORDER BY id) FROM words";
        let raw = one(&mut connection, bytes).await;
        for request in [quick(), deep()] {
            let (backup, _) = bench.proven(&target, request).await;
            run(&mut connection, "UPDATE words SET w = 'x' WHERE id < 9; DELETE FROM words WHERE id > 290")
                .await;
            let ended = restore(&bench, &target, all_of(&backup.id)).await.unwrap();
            assert_eq!(ended.status, RunStatus::Succeeded, "{encoding}: {:#?}", ended.failure);
            State::read(&mut connection).await.is_as(&before);
            assert_eq!(one(&mut connection, bytes).await, raw, "{encoding}");
        }
    }
}

/// The owner of the database, and nothing more: no superuser, no replica role, bound by row security where it is forced.
#[tokio::test]
async fn an_owner_without_more_rights_backs_up_and_restores_everything() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start_on(version).await;
        bench.server.execute("postgres", "CREATE ROLE app LOGIN PASSWORD 'app'").await;
        bench.server.execute("postgres", "CREATE DATABASE shop OWNER app").await;
        let url = bench.server.url_as("app", "app", "shop");
        let mut connection = PgConnection::connect(&url).await.unwrap();
        run(&mut connection, TORTURE).await;
        let target = Target::from_url(&Secret::new(url), Tier::Development, None).unwrap();
        for request in [quick(), deep()] {
            let refusals = bench.engine.backup_preview(&target, &request).await.unwrap().refusals;
            assert!(
                refusals.len() == 1 && refusals[0].contains("guarded"),
                "named before it starts: {refusals:?}"
            );
        }
        run(&mut connection, "ALTER TABLE guarded NO FORCE ROW LEVEL SECURITY").await;
        let before = State::read(&mut connection).await;
        for request in [quick(), deep()] {
            let (backup, _) = bench.proven(&target, request).await;
            run(
                &mut connection,
                "DELETE FROM every_type WHERE id > 110; UPDATE people SET boss = NULL; TRUNCATE heap; DELETE FROM events WHERE at > '2026-01-01';
                 UPDATE guarded SET tenant = 'z'; SELECT nextval('never_called'); UPDATE computed SET n = 0; UPDATE audited SET v = 'x'",
            )
            .await;
            let ended = restore(&bench, &target, all_of(&backup.id)).await.unwrap();
            assert_eq!(ended.status, RunStatus::Succeeded, "{version:?}: {:#?}", ended.failure);
            State::read(&mut connection).await.is_as(&before);
        }
    }
}

/// An older server's backup in a newer one: rows, next values and what the older one knows of the schema are equal.
#[tokio::test]
async fn an_older_servers_backup_comes_back_whole_on_a_newer_one() {
    let bench = Bench::start().await;
    let (source, mut there) = bench.base("torture", TORTURE).await;
    let before = State::read(&mut there).await;
    let newer = Postgres::start(Version::Toolkit18);
    for (name, request) in [("by_deep", deep()), ("by_quick", quick())] {
        let (backup, _) = bench.proven(&source, request.clone()).await;
        let url = newer.create_database(name).await;
        let mut here = PgConnection::connect(&url).await.unwrap();
        if request == quick() {
            // Rows alone need tables that are there; the same ones, with nothing in them.
            run(&mut here, TORTURE).await;
            run(&mut here, "TRUNCATE every_type, serials, computed, events, base, derived, heap, people, teams, audited, audit_trail CASCADE")
                .await;
        }
        let target = Target::from_url(&Secret::new(url), Tier::Development, None).unwrap();
        let typed = RestoreRequest { other_database: Some(target.name.clone()), ..all_of(&backup.id) };
        let ended = restore(&bench, &target, typed).await.unwrap();
        assert_eq!(ended.status, RunStatus::Succeeded, "{name}: {:#?}", ended.failure);
        State::read(&mut here).await.holds_the_rows_of(&before);
    }
}

/// A value that is too large to be written as text, so no hash of its text can be made.
#[tokio::test]
async fn a_cell_of_hundreds_of_megabytes_is_stored_or_refused_by_name() {
    let megabytes = if std::env::var_os("DRYDOCK_FULL").is_some() { 600 } else { 64 };
    let bench = Bench::start().await;
    let (target, mut connection) = bench
        .base(
            "films",
            &format!(
                "CREATE TABLE films (id integer PRIMARY KEY, title text, data bytea);
                 ALTER TABLE films ALTER COLUMN data SET STORAGE EXTERNAL;
                 INSERT INTO films VALUES (1, 'small', '\\x00ff');
                 INSERT INTO films SELECT 2, 'large', decode(repeat('a7', {half} * 1024 * 1024), 'hex');
                 UPDATE films SET data = data || data WHERE id = 2;",
                half = megabytes / 2
            ),
        )
        .await;
    let sum = "SELECT string_agg(md5(data) || octet_length(data), ',' ORDER BY id) FROM films";
    let before = one(&mut connection, sum).await;
    let taken = bench.back_up(&target, quick()).await;
    assert_eq!(taken.status, RunStatus::Succeeded, "{:#?}", taken.failure);
    let backup = bench.newest(&target).await;
    run(&mut connection, "UPDATE films SET data = '\\x01', title = 'lost'").await;
    let films = RestoreWhat::Tables { tables: vec![TableName::new("public", "films")] };
    let ended = restore(&bench, &target, RestoreRequest { what: films, ..all_of(&backup.id) }).await.unwrap();
    assert_eq!(ended.status, RunStatus::Succeeded, "{:#?}", ended.failure);
    assert_eq!(one(&mut connection, sum).await, before);
    // pg_dump writes bytea as text of twice the size; a server cannot make one of more than 1 GB.
    let preview = bench.engine.backup_preview(&target, &deep()).await.unwrap();
    if megabytes >= 512 {
        assert!(preview.refusals.iter().any(|refusal| refusal.contains("films")), "{preview:#?}");
    } else {
        assert!(preview.refusals.is_empty(), "{preview:#?}");
        let taken = bench.back_up(&target, deep()).await;
        assert_eq!(taken.status, RunStatus::Succeeded, "{:#?}", taken.failure);
    }
}
