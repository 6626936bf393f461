//! What the dry run sees beside the profile's own rows: triggers, cascades, defaults, partitions.

use super::harness::{Bench, counts, nothing, profile, profile_of, shown, table, text};
use drydock_engine::domain::Outcome;
use drydock_engine::domain::seed::RowKind;

#[tokio::test]
async fn what_triggers_and_cascades_do_is_shown_and_taken_back() {
    let bench = Bench::start().await;
    let mut base = bench
        .base(
            "triggers",
            "CREATE TABLE plans (code text PRIMARY KEY, price int NOT NULL, changed_at timestamptz);
             CREATE TABLE audit (id bigserial PRIMARY KEY, what text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
             CREATE TABLE offers (id int PRIMARY KEY, plan text NOT NULL REFERENCES plans (code) ON DELETE CASCADE);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               BEGIN INSERT INTO audit (what) VALUES (TG_OP || ' ' || coalesce(NEW.code, OLD.code)); EXCEPTION WHEN unique_violation THEN NULL; END;
               IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
               NEW.changed_at := clock_timestamp(); RETURN NEW; END $$;
             CREATE TRIGGER note BEFORE INSERT OR UPDATE OR DELETE ON plans FOR EACH ROW EXECUTE FUNCTION note();
             INSERT INTO plans VALUES ('free', 0), ('gone', 9); INSERT INTO offers VALUES (1, 'gone'), (2, 'gone'), (3, 'free'); TRUNCATE audit;",
        )
        .await;
    let profile = profile_of(
        "[[tables]]\ntable = \"plans\"\nkey = [\"code\"]\nmode = \"replace\"\nrows = [ { code = \"free\", price = 1 }, { code = \"pro\", price = 20 } ]\n",
    );
    let (review, dry, changes) = bench.try_out(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&changes, "plans")), (1, 1, 1, 0));
    assert_eq!(
        counts(table(&changes, "audit")),
        (3, 0, 0, 0),
        "rows of triggers are found, savepoints or not"
    );
    assert_eq!(counts(table(&changes, "offers")), (0, 0, 2, 0), "rows that a cascade takes are found");
    assert!(table(&changes, "plans").named && !table(&changes, "audit").named);
    assert!(changes.tables.iter().all(|table| table.unknown.is_none()), "{changes:?}");
    assert!(
        changes.sequences.iter().any(|moved| moved.sequence == "public.audit_id_seq"),
        "{:?}",
        changes.sequences
    );
    assert_eq!(text(&mut base.connection, "SELECT count(*) FROM plans").await, "2", "nothing stayed");
    let position = changes.tables.iter().position(|table| table.table == "public.offers").unwrap();
    let gone = bench.rows(&dry.id, u32::try_from(position).unwrap()).await;
    assert!(
        gone.iter()
            .all(|row| row.kind == RowKind::Deleted && shown(&row.before.as_ref().unwrap()[1]) == "gone")
    );
    let run = bench.apply(&base.target, &review).await;
    bench.undo(&base.target, &run, Vec::new()).await;
    assert_eq!(
        text(&mut base.connection, "SELECT string_agg(code || price, ',' ORDER BY code) FROM plans").await,
        "free0,gone9"
    );
    assert_eq!(
        text(&mut base.connection, "SELECT string_agg(id::text, ',' ORDER BY id) FROM offers").await,
        "1,2,3"
    );
}

#[tokio::test]
async fn a_trigger_that_changes_the_key_is_seen_by_what_it_wrote() {
    let bench = Bench::start().await;
    let base = bench
        .base(
            "lower",
            "CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE NOT NULL);
             CREATE FUNCTION low() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.email := lower(NEW.email); RETURN NEW; END $$;
             CREATE TRIGGER low BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION low();",
        )
        .await;
    let profile = profile_of(
        "[[tables]]\ntable = \"users\"\nkey = [\"email\"]\nmode = \"upsert\"\nrows = [ { email = \"Ada@Atelier.Example\" } ]\n",
    );
    let (_, dry, changes) = bench.try_out(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&changes, "users")), (1, 0, 0, 0));
    assert_eq!(shown(&bench.rows(&dry.id, 0).await[0].after.as_ref().unwrap()[1]), "ada@atelier.example");
    assert_eq!(
        changes.again.outcome,
        Outcome::Warn,
        "it would be added again each time: {:?}",
        changes.again
    );
}

#[tokio::test]
async fn partitions_and_row_moves_are_shown_under_the_table_that_people_know() {
    let bench = Bench::start().await;
    let mut base = bench
        .base(
            "parts",
            "CREATE TABLE events (id int, year int, what text, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
             CREATE TABLE events_25 PARTITION OF events FOR VALUES IN (2025); CREATE TABLE events_26 PARTITION OF events FOR VALUES IN (2026);
             INSERT INTO events VALUES (1, 2025, 'a'), (2, 2026, 'b');",
        )
        .await;
    let profile = profile_of(
        "[[tables]]\ntable = \"events\"\nkey = [\"id\", \"year\"]\nmode = \"upsert\"\nrows = [ { id = 1, year = 2025, what = \"A\" }, { id = 3, year = 2026, what = \"c\" } ]\n",
    );
    let (run, written) = bench.seed(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&written, "events")), (1, 1, 0, 0));
    bench.undo(&base.target, &run, Vec::new()).await;
    assert_eq!(
        text(&mut base.connection, "SELECT string_agg(id::text || what, ',' ORDER BY id) FROM events").await,
        "1a,2b"
    );
    let moving = super::harness::profile(&[
        (
            "profile.toml",
            "title = \"Move\"\ndescription = \"\"\nengines = [\"postgresql\"]\ntiers = [\"development\"]\n[sql]\nfiles = [\"move.sql\"]\n",
        ),
        ("move.sql", "UPDATE events SET year = 2026 WHERE id = 1;"),
    ]);
    let (_, written) = bench.seed(&base.target, moving.path(), nothing()).await;
    assert_eq!(
        counts(table(&written, "events")),
        (1, 0, 1, 0),
        "a row that gets another key is one less and one more"
    );
}

#[tokio::test]
async fn scripts_are_seen_by_what_they_change_and_what_cannot_be_seen_is_unknown() {
    let bench = Bench::start().await;
    let mut base = bench
        .base(
            "scripts",
            "CREATE TABLE flags (name text PRIMARY KEY, enabled boolean); INSERT INTO flags SELECT 'f' || i, false FROM generate_series(1, 50) i;
             CREATE TABLE log (line text); CREATE TABLE big (id int PRIMARY KEY, v text); INSERT INTO big VALUES (1, 'x'); INSERT INTO log VALUES ('old');",
        )
        .await;
    let head = "title = \"Scripts\"\ndescription = \"\"\nengines = [\"postgresql\"]\ntiers = [\"development\"]\n[sql]\nfiles = [\"a.sql\", \"b.sql\"]\n";
    let scripts = profile(&[
        ("profile.toml", head),
        (
            "a.sql",
            "UPDATE flags SET enabled = true WHERE name < 'f2'; DELETE FROM flags WHERE name = 'f50'; UPDATE flags SET enabled = enabled WHERE name = 'f3';",
        ),
        (
            "b.sql",
            "INSERT INTO flags VALUES ('new', true); SAVEPOINT s; INSERT INTO flags VALUES ('never', true); ROLLBACK TO s; INSERT INTO log VALUES ('new');",
        ),
    ]);
    let failure =
        bench.engine.seed_plan(&base.target, &scripts.path().display().to_string(), nothing()).await;
    if let Err(failure) = failure {
        assert!(failure.why.unwrap_or_default().contains("SAVEPOINT") || !failure.what.is_empty());
        std::fs::write(
            scripts.path().join("b.sql"),
            "INSERT INTO flags VALUES ('new', true); INSERT INTO log VALUES ('new');",
        )
        .unwrap();
    }
    let (run, written) = bench.seed(&base.target, scripts.path(), nothing()).await;
    assert_eq!(counts(table(&written, "flags")), (1, 11, 1, 1));
    assert_eq!(counts(table(&written, "log")), (1, 0, 0, 0), "added rows of a table without key are found");
    let review = bench.engine.undo_review(&base.target, &run.id).await.unwrap();
    assert!(review.refused.iter().any(|why| why.contains("public.log")), "{review:?}");
    bench.undo(&base.target, &run, Vec::new()).await;
    assert_eq!(
        text(&mut base.connection, "SELECT count(*) || ' ' || count(*) FILTER (WHERE enabled) FROM flags")
            .await,
        "50 0"
    );

    std::fs::write(scripts.path().join("a.sql"), "TRUNCATE big;").unwrap();
    std::fs::write(scripts.path().join("b.sql"), "UPDATE log SET line = 'changed';").unwrap();
    let review =
        bench.engine.seed_plan(&base.target, &scripts.path().display().to_string(), nothing()).await.unwrap();
    let (review, _, changes) = bench.try_plan(&base.target, review).await;
    assert!(
        table(&changes, "big").unknown.is_some() && table(&changes, "log").unknown.is_some(),
        "{changes:?}"
    );
    let report = review.dry_run.unwrap();
    assert_eq!(report.worked, None, "what is not known is no pass");
    assert_eq!(changes.again.outcome, Outcome::Unknown);
    assert_eq!(text(&mut base.connection, "SELECT count(*) FROM big").await, "1");
}
