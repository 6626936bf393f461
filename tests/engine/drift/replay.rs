//! The replay runs scripts as an apply does, and knows which migration made what.

use super::server::{PATIENCE, Server, run};
use chrono::Utc;
use drydock_engine::{
    adapters::postgres::catalogue::read,
    domain::{catalogue::ObjectRef, statement::ObjectKind},
    planner::sql::analyse,
    runner::{
        drift::drift,
        replay::{AppliedScript, replay, unreadable},
    },
};

fn scripts(scripts: &[(&str, &str)]) -> Vec<AppliedScript> {
    scripts.iter().map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned(), analyse(sql))).collect()
}

#[tokio::test]
async fn every_object_finds_the_migration_that_made_or_last_changed_it() {
    for major in [15, 18] {
        let server = Server::start(major);
        let mut scratch = server.database().await;
        let scripts = scripts(&[
            ("1_tables", "CREATE TABLE t (a int, b int, c text); CREATE TYPE mood AS ENUM ('good');"),
            ("2_nothing", "-- only a comment"),
            ("3_column", "ALTER TABLE t ADD COLUMN d int; ALTER TABLE t ALTER COLUMN b SET NOT NULL;"),
            (
                "4_index",
                "CREATE INDEX CONCURRENTLY t_a_idx ON t (a);\nCREATE INDEX CONCURRENTLY t_b_idx ON t (b);",
            ),
            (
                "5_block",
                "DO $$ BEGIN BEGIN ALTER TABLE t ADD CHECK (a > 0); EXCEPTION WHEN OTHERS THEN NULL; END; END $$;",
            ),
            (
                "6_own_transaction",
                "BEGIN; CREATE VIEW v AS SELECT a FROM t; COMMIT; ALTER TABLE t ADD COLUMN e int;",
            ),
            ("7_label", "ALTER TYPE mood ADD VALUE 'bad';"),
            ("8_type", "ALTER TABLE t ALTER COLUMN c TYPE varchar(10);"),
            ("9_session", "SET search_path = pg_catalog; SET ROLE pg_monitor; SET statement_timeout = 1;"),
            ("10_after_session", "CREATE TABLE u (id int); SELECT pg_sleep(0.05);"),
        ]);
        let replay = replay(&mut scratch, &scripts, "public").await.unwrap();
        assert_eq!(replay.not_replayed, []);
        let catalogue = read(&mut scratch, &["public".to_owned()]).await.unwrap();
        let part = |kind, name| ObjectRef::part(kind, "public", "t", name);
        for (object, migration) in [
            (ObjectRef::top(ObjectKind::Table, "public", "t"), "1_tables"),
            (part(ObjectKind::Column, "a"), "1_tables"),
            (part(ObjectKind::Column, "b"), "3_column"),
            (part(ObjectKind::Column, "c"), "8_type"),
            (part(ObjectKind::Column, "d"), "3_column"),
            (part(ObjectKind::Column, "e"), "6_own_transaction"),
            (part(ObjectKind::Index, "t_a_idx"), "4_index"),
            (part(ObjectKind::Index, "t_b_idx"), "4_index"),
            (part(ObjectKind::Constraint, "t_a_check"), "5_block"),
            (ObjectRef::top(ObjectKind::View, "public", "v"), "6_own_transaction"),
            (ObjectRef::part(ObjectKind::EnumValue, "public", "mood", "good"), "1_tables"),
            (ObjectRef::part(ObjectKind::EnumValue, "public", "mood", "bad"), "7_label"),
            (ObjectRef::top(ObjectKind::Table, "public", "u"), "10_after_session"),
        ] {
            let culprit = catalogue.origin(&object).and_then(|transaction| replay.culprit(transaction));
            assert_eq!(culprit, Some(migration), "{} on PostgreSQL {major}", object.qualified());
        }
    }
}

#[tokio::test]
async fn a_transaction_that_is_never_committed_leaves_nothing_and_says_so() {
    let server = Server::start(15);
    let mut scratch = server.database().await;
    let scripts = scripts(&[
        ("1_open", "BEGIN; CREATE TABLE lost (id int);"),
        ("2_next", "CREATE TABLE kept (id int);"),
        ("3_half", "BEGIN; CREATE TABLE first (id int); COMMIT; CREATE TABLE second (id nonsense);"),
    ]);
    let replay = replay(&mut scratch, &scripts, "public").await.unwrap();
    let names: Vec<&str> = replay.not_replayed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["1_open", "3_half"]);
    assert_eq!(replay.not_replayed[0].1, "its transaction is never committed, so nothing of it stays");
    let catalogue = read(&mut scratch, &["public".to_owned()]).await.unwrap();
    let tables: Vec<&str> = catalogue.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(tables, ["first", "kept"]);
}

#[tokio::test]
async fn other_schemas_count_where_migrations_make_them() {
    let server = Server::start(15);
    let (mut live, mut scratch) = (server.database().await, server.database().await);
    let sql = "CREATE TABLE accounts (id int PRIMARY KEY); CREATE SCHEMA audit; CREATE TABLE audit.log (id int, what text);";
    let applied = scripts(&[("1_init", sql)]);
    run(&mut live, &format!("CREATE SCHEMA app; SET search_path = app; {sql}")).await;
    run(
        &mut live,
        "CREATE TABLE public.of_somebody_else (id int); CREATE SCHEMA theirs; CREATE TABLE theirs.t (id int);
         ALTER TABLE audit.log DROP COLUMN what",
    )
    .await;
    let report = drift(&mut live, PATIENCE, &mut scratch, &applied, &[], "app", Utc::now()).await.unwrap();
    let sentences: Vec<&str> = report.differences.iter().map(|each| each.sentence.as_str()).collect();
    assert_eq!(
        sentences,
        ["`audit.log` has no column `what`."],
        "the schema is named where there are several"
    );
    assert_eq!(report.differences[0].culprit.as_deref(), Some("1_init"));
}

#[tokio::test]
async fn an_applied_migration_without_a_file_is_unknown_by_name() {
    let server = Server::start(15);
    let (mut live, mut scratch) = (server.database().await, server.database().await);
    let mut applied = scripts(&[("1_init", "CREATE TABLE t (id int);")]);
    applied.push(unreadable("2_lost", "its file is missing"));
    run(&mut live, "CREATE TABLE t (id int)").await;
    let report = drift(&mut live, PATIENCE, &mut scratch, &applied, &[], "public", Utc::now()).await.unwrap();
    let sentences: Vec<&str> = report.differences.iter().map(|each| each.sentence.as_str()).collect();
    assert_eq!(
        sentences,
        ["Schema `public` was not compared in full: `2_lost` could not be replayed (its file is missing)."]
    );
    assert_eq!(report.headline, "1 object could not be compared; nothing dangerous was found in the others.");
}
