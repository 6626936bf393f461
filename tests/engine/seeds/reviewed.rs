//! Cases in which rows could be lost or shown wrongly, one a test, so that they stay mended.

use super::harness::{Bench, counts, nothing, profile_of, run, stopped, table, text};
use drydock_engine::domain::FailureCode;
use drydock_engine::domain::seed::UndoChoice;

#[tokio::test]
async fn a_row_that_stays_keeps_what_it_refers_to() {
    let bench = Bench::start().await;
    let mut base = bench
        .base("chain", "CREATE TABLE org (id int PRIMARY KEY); CREATE TABLE team (id int PRIMARY KEY, org_id int REFERENCES org (id) ON DELETE CASCADE); CREATE TABLE member (id int PRIMARY KEY, team_id int REFERENCES team (id) ON DELETE CASCADE);")
        .await;
    let profile = profile_of(
        "[[tables]]\ntable = \"org\"\nkey = [\"id\"]\nmode = \"upsert\"\nrows = [ { id = 1 }, { id = 2 } ]\n[[tables]]\ntable = \"team\"\nkey = [\"id\"]\nmode = \"upsert\"\nrows = [ { id = 1, org_id = 1 } ]\n",
    );
    let (seeded, _) = bench.seed(&base.target, profile.path(), nothing()).await;
    run(&mut base.connection, "INSERT INTO member VALUES (7, 1)").await;
    let review = bench.engine.undo_review(&base.target, &seeded.id).await.unwrap();
    assert_eq!((review.untouched, review.conflicts_total), (1, 2), "{review:?}");
    bench.undo(&base.target, &seeded, Vec::new()).await;
    let all = "SELECT (SELECT string_agg(id::text, ',') FROM org) || ' ' || (SELECT count(*) FROM team) || ' ' || (SELECT count(*) FROM member)";
    assert_eq!(text(&mut base.connection, all).await, "1 1 1");
}

#[tokio::test]
async fn a_forced_undo_only_overwrites_the_version_that_was_seen() {
    let bench = Bench::start().await;
    let mut base = bench
        .base("seen", "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (5, 'a')")
        .await;
    let profile = profile_of(
        "[[tables]]\ntable = \"t\"\nkey = [\"id\"]\nmode = \"upsert\"\nrows = [ { id = 5, v = \"b\" } ]\n",
    );
    let (seeded, _) = bench.seed(&base.target, profile.path(), nothing()).await;
    run(&mut base.connection, "UPDATE t SET v = 'c'").await;
    let choices = vec![UndoChoice { row: "*".to_owned(), take_back: true }];
    let review = bench.engine.undo_plan(&base.target, &seeded.id, choices).await.unwrap();
    let (review, _, _) = bench.try_plan(&base.target, review).await;
    run(&mut base.connection, "UPDATE t SET v = 'd'").await;
    let ended = bench.apply(&base.target, &review).await;
    assert_eq!(ended.failure.unwrap().code, FailureCode::NotAsShown);
    assert_eq!(text(&mut base.connection, "SELECT v FROM t").await, "d");
}

#[tokio::test]
async fn what_a_trigger_does_to_other_rows_of_a_table_with_late_columns_is_shown_and_kept() {
    let bench = Bench::start().await;
    let mut base = bench
        .base("late", "CREATE TABLE cat (id serial PRIMARY KEY, code text UNIQUE NOT NULL, parent_id int REFERENCES cat (id), chosen boolean NOT NULL DEFAULT false, name text);
             CREATE FUNCTION one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE cat SET chosen = false WHERE chosen AND code <> NEW.code; RETURN NULL; END $$;
             CREATE TRIGGER one AFTER INSERT ON cat FOR EACH ROW EXECUTE FUNCTION one(); INSERT INTO cat (code, chosen, name) VALUES ('old', false, 'x'); INSERT INTO cat (code, name) VALUES ('users', 'mine'); UPDATE cat SET chosen = true WHERE code = 'old'; UPDATE cat SET parent_id = 1 WHERE code = 'users';")
        .await;
    let profile = profile_of(
        r#"[[tables]]
table = "cat"
key = ["code"]
mode = "upsert"
rows = [
  { code = "a", name = "A" },
  { code = "b", name = "B", parent_id = { reference = "cat", by = { code = "a" }, take = "id", on = "insert" } },
  { code = "users", name = "ours", parent_id = { reference = "cat", by = { code = "a" }, take = "id", on = "insert" } },
]
"#,
    );
    let (seeded, written) = bench.seed(&base.target, profile.path(), nothing()).await;
    assert_eq!(
        counts(table(&written, "cat")),
        (2, 2, 0, 0),
        "the trigger's change of another row is among them"
    );
    let state = "SELECT string_agg(code || coalesce(parent_id::text, '-') || chosen || name, ' ' ORDER BY code) FROM cat WHERE code IN ('old', 'users')";
    assert_eq!(
        text(&mut base.connection, state).await,
        "old-falsex users1falseours",
        "what is written on insert alone stays as users have it"
    );
    bench.undo(&base.target, &seeded, Vec::new()).await;
    assert_eq!(text(&mut base.connection, state).await, "old-truex users1falsemine");
}

#[tokio::test]
async fn a_table_that_a_trigger_empties_is_not_shown_as_only_filled() {
    let bench = Bench::start().await;
    let base = bench
        .base("emptied", "CREATE TABLE cache (id int PRIMARY KEY); INSERT INTO cache SELECT generate_series(100, 200); CREATE TABLE settings (id int PRIMARY KEY);
             CREATE FUNCTION clear() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE cache; RETURN NULL; END $$; CREATE TRIGGER clear AFTER INSERT ON settings FOR EACH STATEMENT EXECUTE FUNCTION clear();")
        .await;
    let profile = profile_of(
        "[[tables]]\ntable = \"settings\"\nkey = [\"id\"]\nmode = \"upsert\"\nrows = [ { id = 1 } ]\n[[tables]]\ntable = \"cache\"\nkey = [\"id\"]\nmode = \"upsert\"\nrows = [ { id = 1 } ]\n",
    );
    let (review, _, changes) = bench.try_out(&base.target, profile.path(), nothing()).await;
    assert!(table(&changes, "cache").unknown.is_some(), "{changes:?}");
    assert_eq!(review.dry_run.unwrap().worked, None);
}

#[tokio::test]
async fn tables_of_one_name_in_two_schemas_are_told_apart() {
    let bench = Bench::start().await;
    let mut base = bench
        .base("schemas", "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.users (id int PRIMARY KEY, email text UNIQUE); CREATE TABLE b.users (id int PRIMARY KEY, email text UNIQUE); INSERT INTO a.users VALUES (1, 'x'); INSERT INTO b.users VALUES (2, 'x'); CREATE TABLE things (name text PRIMARY KEY, owner int);")
        .await;
    let profile = profile_of(
        "[[tables]]\ntable = \"things\"\nkey = [\"name\"]\nmode = \"upsert\"\nrows = [ { name = \"one\", owner = { reference = \"a.users\", by = { email = \"x\" }, take = \"id\" } }, { name = \"two\", owner = { reference = \"b.users\", by = { email = \"x\" }, take = \"id\" } } ]\n",
    );
    bench.seed(&base.target, profile.path(), nothing()).await;
    assert_eq!(
        text(&mut base.connection, "SELECT string_agg(name || owner, ',' ORDER BY name) FROM things").await,
        "one1,two2"
    );
}

#[tokio::test]
async fn the_servers_words_about_a_row_do_not_carry_what_is_never_shown() {
    let bench = Bench::start().await;
    let base = bench
        .base("words", "CREATE TABLE t (id int PRIMARY KEY, badge text UNIQUE, level int CHECK (level > 0)); INSERT INTO t VALUES (1, 'CANARY-5ec', 1)")
        .await;
    let block = |row: &str| {
        profile_of(&format!(
            "[[tables]]\ntable = \"t\"\nkey = [\"id\"]\nmode = \"upsert\"\nsensitive = [\"badge\"]\nrows = [ {row} ]\n"
        ))
    };
    for row in
        ["{ id = 2, badge = \"CANARY-5ec\", level = 1 }", "{ id = 3, badge = \"CANARY-5ec-2\", level = 0 }"]
    {
        let failure = stopped(&bench, &base.target, block(row).path(), FailureCode::RowRefused).await;
        let said = format!("{failure:?}");
        assert!(!said.contains("CANARY"), "{said}");
        assert!(said.contains("SQLSTATE"), "the server's own words are there otherwise: {said}");
    }
}
