//! Indexes of restored tables: whatever became of them on the way, afterwards each is what it was.

use super::harness::{Bench, State, lines, one, quick, run};
use super::restore::{all_of, restored};
use drydock_engine::domain::backup::{BackupRequest, BackupScope, TableName};
use drydock_lab::Version;
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Rows enough for their indexes to be made again after them.
const INDEXED: &str = r#"
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE elsewhere LOCATION '';
CREATE TABLE wide (id integer PRIMARY KEY, "Mixed Name" text COLLATE "C", code text NOT NULL, tags text[], at timestamptz NOT NULL, n integer, span int4range, twin integer NOT NULL, moved integer NOT NULL);
INSERT INTO wide SELECT i, 'm' || i % 900, 'c' || i, ARRAY['a' || i % 10], timestamptz '2026-01-01' + i * interval '1 minute', i, int4range(i, i + 1), i, i FROM generate_series(1, 12000) i;
COMMENT ON CONSTRAINT wide_pkey ON wide IS 'the key''s own';
COMMENT ON INDEX wide_pkey IS 'the key''s index';
ALTER TABLE wide ADD CONSTRAINT "Code Once" UNIQUE NULLS NOT DISTINCT (code) INCLUDE (n) WITH (fillfactor = 70);
ALTER TABLE wide ADD CONSTRAINT later UNIQUE (n) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE wide ADD CONSTRAINT apart EXCLUDE USING gist (span WITH &&);
ALTER TABLE wide ADD CONSTRAINT twin_1 UNIQUE (twin);
CREATE UNIQUE INDEX twin_2 ON wide (twin);
CREATE INDEX "Plain One" ON wide ("Mixed Name" DESC NULLS LAST, n) WITH (fillfactor = 50, deduplicate_items = off);
COMMENT ON INDEX "Plain One" IS E'plain \\ and it''s';
CREATE INDEX partly ON wide (at) WHERE n > 100 AND code <> 'it''s';
CREATE INDEX patterned ON wide (code text_pattern_ops, "Mixed Name" COLLATE "POSIX");
CREATE INDEX by_hash ON wide USING hash (n);
CREATE INDEX by_tag ON wide USING gin (tags) WITH (fastupdate = off);
CREATE INDEX by_block ON wide USING brin (at) WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX computed_key ON wide (lower("Mixed Name"), (n * 2));
ALTER INDEX computed_key ALTER COLUMN 2 SET STATISTICS 321;
CREATE INDEX in_order ON wide (at, id);
ALTER TABLE wide CLUSTER ON in_order;
CREATE UNIQUE INDEX told_by ON wide (at, code);
ALTER TABLE wide REPLICA IDENTITY USING INDEX told_by;
CREATE INDEX far_away ON wide (n) TABLESPACE elsewhere;
CREATE UNIQUE INDEX by_move ON wide (moved);
CREATE TABLE grouped (id integer PRIMARY KEY, v text, w text);
INSERT INTO grouped SELECT i, 'v' || i, 'w' FROM generate_series(1, 12000) i;
CREATE VIEW by_key AS SELECT id, v, w FROM grouped GROUP BY id;
CREATE TABLE refers (id integer PRIMARY KEY, wide integer REFERENCES wide (id), twin integer REFERENCES wide (twin), moved integer REFERENCES wide (moved));
INSERT INTO refers SELECT i, i, i, i FROM generate_series(1, 12000) i;
CREATE TABLE split (id integer, part integer, v text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
CREATE TABLE split_1 PARTITION OF split FOR VALUES IN (1);
CREATE INDEX split_v ON split (v);
CREATE INDEX split_1_own ON split_1 (v, id);
INSERT INTO split SELECT i, 1, 'v' || i FROM generate_series(1, 12000) i;
CREATE TABLE few (id integer PRIMARY KEY, v text UNIQUE);
INSERT INTO few SELECT i, 'v' || i FROM generate_series(1, 50) i;
ANALYZE;
"#;

/// All that is known of the indexes, but for their numbers and sizes.
async fn indexes(connection: &mut PgConnection) -> Vec<String> {
    let mut all = lines(
        connection,
        "SELECT concat_ws(' | ', i.oid::regclass, pg_get_indexdef(i.oid), to_jsonb(x) - 'indexrelid' - 'indrelid' - 'indcheckxmin' - 'indpred' - 'indexprs', \
             i.reloptions, i.relowner::regrole, i.relpersistence, i.relam, (SELECT spcname FROM pg_tablespace WHERE oid = i.reltablespace), \
             obj_description(i.oid, 'pg_class'), c.relreplident, \
             (SELECT string_agg(concat_ws(' ', a.attname, a.attstattarget, a.attoptions, a.attcollation::regcollation), ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = i.oid), \
             (SELECT h.inhparent::regclass FROM pg_inherits h WHERE h.inhrelid = i.oid), \
             (SELECT count(*) FROM pg_statistic s WHERE s.starelid = i.oid)) \
         FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid \
         WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1",
    )
    .await;
    all.extend(
        lines(
            connection,
            "SELECT concat_ws(' | ', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid), k.conindid::regclass, obj_description(k.oid, 'pg_constraint'), \
                 to_jsonb(k) - 'oid' - 'conrelid' - 'conindid' - 'conparentid' - 'confrelid') \
             FROM pg_constraint k WHERE k.connamespace = 'public'::regnamespace ORDER BY 1",
        )
        .await,
    );
    all
}

async fn numbers(connection: &mut PgConnection) -> BTreeMap<String, String> {
    lines(
        connection,
        "SELECT concat_ws(' | ', i.relname, i.oid) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE i.relnamespace = 'public'::regnamespace",
    )
    .await
    .into_iter()
    .filter_map(|line| line.split_once(" | ").map(|(name, number)| (name.to_owned(), number.to_owned())))
    .collect()
}

#[tokio::test]
async fn every_kind_of_index_is_the_same_after_a_restore() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start_on(version).await;
        let (target, mut connection) = bench.base("indexed", "").await;
        for statement in INDEXED.split_inclusive(";\n") {
            run(&mut connection, statement).await;
        }
        let state = State::read(&mut connection).await;
        let (before, was) = (indexes(&mut connection).await, numbers(&mut connection).await);
        let (backup, _) = bench.proven(&target, quick()).await;
        run(&mut connection, "TRUNCATE refers; DELETE FROM wide WHERE id % 3 = 0; DELETE FROM split; UPDATE grouped SET v = 'x'; DELETE FROM few").await;
        restored(&bench, &target, all_of(&backup.id)).await;
        State::read(&mut connection).await.is_as(&state);
        let (after, is) = (indexes(&mut connection).await, numbers(&mut connection).await);
        for (after, before) in after.iter().zip(&before) {
            assert_eq!(after, before);
        }
        assert_eq!(after.len(), before.len());
        let again: Vec<&str> = was
            .iter()
            .filter(|(name, number)| is.get(*name) != Some(number))
            .map(|(name, _)| &**name)
            .collect();
        assert_eq!(
            again,
            [
                "Code Once",
                "Plain One",
                "by_block",
                "by_hash",
                "by_move",
                "by_tag",
                "partly",
                "patterned",
                "refers_pkey",
                "split_1_own",
                "wide_pkey"
            ],
            "those that are all in their definition, of tables with many rows, were made again"
        );
    }
}

#[tokio::test]
async fn indexes_stay_where_they_could_not_be_made_again() {
    let bench = Bench::start().await;
    let sql = "CREATE ROLE app LOGIN PASSWORD 'app'; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
               CREATE TABLE notes (id integer PRIMARY KEY, v text); CREATE INDEX notes_v ON notes (v); ALTER TABLE notes OWNER TO app;
               INSERT INTO notes SELECT i, 'v' || i FROM generate_series(1, 12000) i";
    let (target, mut connection) = bench.base("narrow", sql).await;
    let mut app = target.clone();
    app.connector.address.user = "app".to_owned();
    app.connector.password = Some(drydock_engine::domain::secret::Secret::new("app"));
    let scope = BackupScope::Tables { tables: vec![TableName::new("public", "notes")] };
    let (backup, _) = bench.proven(&app, BackupRequest { scope, ..quick() }).await;
    let was = numbers(&mut connection).await;
    run(&mut connection, "DELETE FROM notes WHERE id > 5").await;
    restored(&bench, &app, all_of(&backup.id)).await;
    assert_eq!(one(&mut connection, "SELECT count(*)::text FROM notes").await, "12000");
    assert_eq!(numbers(&mut connection).await, was, "a schema that nothing may be made in keeps its indexes");
    // What cannot be made again although nothing says so beforehand is found by trying it.
    run(
        &mut connection,
        "GRANT CREATE ON SCHEMA public TO app;
         CREATE FUNCTION no_index() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no index'; END $$;
         CREATE EVENT TRIGGER no_index ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION no_index();
         DELETE FROM notes WHERE id > 5",
    )
    .await;
    restored(&bench, &app, all_of(&backup.id)).await;
    assert_eq!(one(&mut connection, "SELECT count(*)::text FROM notes").await, "12000");
    assert_eq!(numbers(&mut connection).await, was);
    run(&mut connection, "DROP EVENT TRIGGER no_index; DELETE FROM notes WHERE id > 5").await;
    restored(&bench, &app, all_of(&backup.id)).await;
    let is = numbers(&mut connection).await;
    assert!(was.iter().all(|(name, number)| is.get(name).is_some_and(|other| other != number)), "{is:?}");
}
