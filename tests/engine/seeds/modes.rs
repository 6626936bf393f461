//! What each mode does to rows that are there, and what a second run does.

use super::harness::{Bench, counts, image, nothing, profile_of, run, shown, table, text};
use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::seed::{CellView, RowKind, SeedAnswers};
use drydock_engine::domain::{FailureCode, Outcome};

const FLAGS: &str = "CREATE TABLE flags (id serial PRIMARY KEY, name text NOT NULL UNIQUE, enabled boolean NOT NULL, note text, made_at timestamptz NOT NULL DEFAULT now());
INSERT INTO flags (name, enabled, note) VALUES ('dark', true, 'ours'), ('old', true, NULL);";

#[tokio::test]
async fn insert_missing_leaves_rows_that_are_there() {
    let bench = Bench::start().await;
    let base = bench.base("missing", FLAGS).await;
    let profile = profile_of(
        "[[tables]]\ntable = \"flags\"\nkey = [\"name\"]\nmode = \"insert-missing\"\nrows = [ { name = \"dark\", enabled = false }, { name = \"new\", enabled = false } ]\n",
    );
    let (_, dry, changes) = bench.try_out(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&changes, "flags")), (1, 0, 0, 0));
    assert_eq!(table(&changes, "flags").unchanged, Some(1));
    let rows = bench.rows(&dry.id, 0).await;
    let added = rows.iter().find(|row| row.kind == RowKind::Inserted).unwrap();
    let after = added.after.as_ref().unwrap();
    let cells: Vec<&str> = after.iter().map(shown).collect();
    assert_eq!(
        cells,
        ["<on apply>", "new", "f", "<NULL>", "<on apply>"],
        "what the server fills in is not promised"
    );
    let (_, written) = bench.seed(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&written, "flags")), (1, 0, 0, 0));
}

#[tokio::test]
async fn upsert_changes_what_differs_and_touches_nothing_else() {
    let bench = Bench::start().await;
    let mut base = bench.base("upsert", FLAGS).await;
    let profile = profile_of(
        "[[tables]]\ntable = \"flags\"\nkey = [\"name\"]\nmode = \"upsert\"\nrows = [ { name = \"dark\", enabled = false }, { name = \"old\", enabled = true }, { name = \"new\", enabled = false } ]\n",
    );
    let version = "SELECT xmin FROM flags WHERE name = 'old'";
    let before = text(&mut base.connection, version).await;
    let (run, written) = bench.seed(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&written, "flags")), (1, 1, 0, 0));
    assert_eq!(text(&mut base.connection, version).await, before, "an equal row is not written");
    assert_eq!(
        text(&mut base.connection, "SELECT note FROM flags WHERE name = 'dark'").await,
        "ours",
        "a column that the profile does not name stays"
    );
    let rows = bench.rows(&run.id, 0).await;
    let changed = rows.iter().find(|row| row.kind == RowKind::Updated).unwrap();
    assert_eq!(changed.changed, [2], "only `enabled` changed");
    assert_eq!(shown(&changed.before.as_ref().unwrap()[2]), "t");
    assert_eq!(shown(&changed.after.as_ref().unwrap()[2]), "f");
}

#[tokio::test]
async fn top_up_stops_at_the_wished_count() {
    let bench = Bench::start().await;
    let mut base = bench.base("topup", FLAGS).await;
    let profile = profile_of(
        "[[tables]]\ntable = \"flags\"\nkey = [\"name\"]\nmode = \"top-up\"\ncount = 4\nrepeat = 10\ncolumns.name = { text = \"flag-{{row | pad 2}}\" }\ncolumns.enabled = false\n",
    );
    let (_, written) = bench.seed(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&written, "flags")), (2, 0, 0, 0));
    assert_eq!(
        text(&mut base.connection, "SELECT string_agg(name, ',' ORDER BY name) FROM flags").await,
        "dark,flag-01,flag-02,old"
    );
    let (_, again) = bench.seed(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&again, "flags")), (0, 0, 0, 0));
}

#[tokio::test]
async fn replace_deletes_what_is_not_in_the_profile_and_the_way_back_brings_it_again() {
    let bench = Bench::start().await;
    let mut base = bench.base("replace", FLAGS).await;
    let before = image(&mut base.connection).await;
    let profile = profile_of(
        "[[tables]]\ntable = \"flags\"\nkey = [\"name\"]\nmode = \"replace\"\nrows = [ { name = \"dark\", enabled = true }, { name = \"new\", enabled = false } ]\n",
    );
    let (review, _, changes) = bench.try_out(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&changes, "flags")), (1, 0, 1, 0));
    assert!(review.plan.findings.iter().any(|finding| finding.destructive), "it needs its own tick");
    let run = bench.apply(&base.target, &review).await;
    assert_eq!(
        text(&mut base.connection, "SELECT string_agg(name, ',' ORDER BY name) FROM flags").await,
        "dark,new"
    );
    bench.undo(&base.target, &run, Vec::new()).await;
    assert_eq!(image(&mut base.connection).await, before);
}

#[tokio::test]
async fn every_type_is_written_as_it_stands_and_compared_as_it_is_stored() {
    let bench = Bench::start().await;
    let mut base = bench
        .base(
            "types",
            "CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('ok', '', 'it''s'); CREATE DOMAIN code AS text CHECK (VALUE ~ '^[A-Z]+$'); CREATE TYPE pair AS (a int, b text);
             CREATE TABLE every (id int PRIMARY KEY, n numeric, money numeric(12,2), f float8, big bigint, t text, c char(5), b boolean, m mood, d code, p pair, arr text[], ints int[], j json, jb jsonb, by bytea, day date, at timestamptz, plain timestamp, span interval, r int4range, mr nummultirange, x xml, h hstore, ci citext, u uuid, ip inet, bits bit(4), tsv tsvector, pt point)",
        )
        .await;
    let long = "9".repeat(1500);
    let profile = profile_of(&format!(
        r#"[[tables]]
table = "every"
key = ["id"]
mode = "upsert"
rows = [
  {{ id = 1, n = "{long}", money = 1.10, f = "NaN", big = 9223372036854775807, t = "NULL", c = "ab", b = true, m = "it's", d = "OK", p = "(1,\"x,y\")", arr = ["a", "b,c", "", "NULL"], ints = [1, 2], j = '{{"a": 1, "a": 2}}', jb = {{ json = {{ a = [1, "x"] }} }}, by = '\xdeadbeef', day = "0044-03-15 BC", at = "294276-12-31 23:59:59+00", plain = 2026-11-21T10:00:00, span = "1 mon 2 days", r = "[1,5)", mr = "{{[1,2),[3,4)}}", x = "<a>b</a>", h = "a=>1, b=>NULL", ci = "MixedCase", u = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", ip = "::1", bits = "1010", tsv = "fat cat", pt = "(1.5,-0)" }},
  {{ id = 2, n = "-0.000", money = "-0.01", f = "-Infinity", big = -9223372036854775808, t = "", day = "infinity", at = "-infinity", span = "-1 year -2 mons +3 days", jb = "null", b = false, arr = "[2:3]={{x,y}}", f = 0.1 }},
]
"#
    ).replace(", b = false, arr = \"[2:3]={x,y}\", f = 0.1", ", b = false, arr = \"[2:3]={x,y}\""));
    let (first, written) = bench.seed(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&written, "every")), (2, 0, 0, 0));
    let stored = "SELECT concat_ws('|', length(n::text), money, f, big, t, '[' || c || ']', m, arr[2], arr[4], ints, j, day, span, ci, pt) FROM every WHERE id = 1";
    assert_eq!(
        text(&mut base.connection, stored).await,
        "1500|1.10|NaN|9223372036854775807|NULL|[ab]|it's|b,c|NULL|{1,2}|{\"a\": 1, \"a\": 2}|0044-03-15 BC|1 mon 2 days|MixedCase|(1.5,-0)"
    );
    let rows = bench.rows(&first.id, 0).await;
    let cell = |row: usize, column: &str| {
        let at = table(&written, "every").columns.iter().position(|known| known.name == column).unwrap();
        rows[row].after.as_ref().unwrap()[at].clone()
    };
    assert_eq!(
        cell(0, "n"),
        CellView::Text { text: long, of: None },
        "no digit is lost on the way to the screen"
    );
    assert_eq!(shown(&cell(0, "c")), "ab   ", "char(n) shows its blanks");
    assert_eq!(shown(&cell(0, "t")), "NULL");
    assert_eq!(shown(&cell(1, "t")), "");
    assert_eq!(cell(1, "c"), CellView::Null);
    let (_, again) = bench.seed(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&again, "every")), (0, 0, 0, 0), "what is stored is what was written");
    bench.undo(&base.target, &first, Vec::new()).await;
    assert_eq!(text(&mut base.connection, "SELECT count(*) FROM every").await, "0");
}

#[tokio::test]
async fn tables_that_refer_to_each_other_are_written_in_order_and_circles_through_null() {
    let bench = Bench::start().await;
    let mut base = bench
        .base(
            "circle",
            "CREATE TABLE teams (id serial PRIMARY KEY, name text UNIQUE NOT NULL, lead_id int);
             CREATE TABLE people (id serial PRIMARY KEY, email text UNIQUE NOT NULL, team_id int NOT NULL REFERENCES teams (id));
             ALTER TABLE teams ADD FOREIGN KEY (lead_id) REFERENCES people (id);
             CREATE TABLE nodes (code text PRIMARY KEY, parent text REFERENCES nodes (code));",
        )
        .await;
    let profile = profile_of(
        r#"[[tables]]
table = "people"
key = ["email"]
mode = "upsert"
fields = ["team"]
columns.team_id = { reference = "teams", by = { name = { field = "team" } }, take = "id" }
rows = [ { email = "ada@atelier.example", team = "core" }, { email = "bo@atelier.example", team = "core" } ]

[[tables]]
table = "teams"
key = ["name"]
mode = "upsert"
rows = [ { name = "core", lead_id = { reference = "people", by = { email = "ada@atelier.example" }, take = "id" } } ]

[[tables]]
table = "nodes"
key = ["code"]
mode = "upsert"
rows = [ { code = "leaf", parent = "root" }, { code = "root", parent = { null = true } } ]
"#,
    );
    let (run_, written) = bench.seed(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&written, "teams")), (1, 0, 0, 0));
    assert_eq!(
        text(&mut base.connection, "SELECT p.email FROM teams t JOIN people p ON p.id = t.lead_id").await,
        "ada@atelier.example"
    );
    let (_, again) = bench.seed(&base.target, profile.path(), nothing()).await;
    assert!(again.tables.iter().all(|table| counts(table) == (0, 0, 0, 0)), "{again:?}");
    assert_eq!(again.again.outcome, Outcome::Pass);
    run(&mut base.connection, "UPDATE teams SET lead_id = NULL").await;
    let (_, third) = bench.seed(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&third, "teams")), (0, 1, 0, 0), "a column that waits is compared, too");
    let _ = run_;
}

/// After a dry run was taken back, autovacuum can leave a table on the server's books as one that has room and no rows.
#[tokio::test]
async fn a_table_that_the_server_believes_to_be_empty_is_seeded_as_fast_as_another() {
    let bench = Bench::start().await;
    let mut base = bench
        .base(
            "believed",
            "CREATE TABLE orders (id int PRIMARY KEY, code text UNIQUE NOT NULL); CREATE TABLE lines (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders (id))",
        )
        .await;
    let profile = profile_of(
        "[[tables]]\ntable = \"orders\"\nkey = [\"id\"]\nmode = \"upsert\"\nrepeat = 80000\ncolumns.id = { counter = 1 }\ncolumns.code = { text = \"O{{row}}\" }\n\
         [[tables]]\ntable = \"lines\"\nkey = [\"id\"]\nmode = \"upsert\"\nrepeat = 80000\ncolumns.id = { counter = 1 }\ncolumns.order_id = { reference = \"orders\", row = \"cycle\", take = \"id\" }\n",
    );
    let believe = "UPDATE pg_class SET relpages = 5000, reltuples = 0 WHERE relname IN ('orders', 'lines')";
    run(&mut base.connection, believe).await;
    let (review, _, _) = bench.try_out(&base.target, profile.path(), nothing()).await;
    run(&mut base.connection, believe).await;
    let since = std::time::Instant::now();
    let applied = bench.apply(&base.target, &review).await;
    assert_eq!(applied.status, RunStatus::Succeeded, "{:?}", applied.failure);
    assert!(since.elapsed() < std::time::Duration::from_secs(60), "{:?}", since.elapsed());
    assert_eq!(text(&mut base.connection, "SELECT count(*) FROM lines").await, "80000");
}

/// The runbook's rollback: whatever a seed, an import or a person did to these tables, they end with the profile's rows.
#[tokio::test]
async fn from_scratch_leaves_the_rows_of_the_profile_alone_and_can_be_undone() {
    let bench = Bench::start().await;
    let shop = "CREATE TABLE vendors (code text PRIMARY KEY, name text); CREATE TABLE others (id integer PRIMARY KEY); INSERT INTO others VALUES (1);
        CREATE TABLE orders (number text PRIMARY KEY, vendor text NOT NULL REFERENCES vendors (code), total integer);";
    let mut base = bench.base("scratch", shop).await;
    let erp = profile_of(
        "[[tables]]\ntable = \"vendors\"\nkey = [\"code\"]\nmode = \"insert-missing\"\nrows = [ { code = \"A\", name = \"Ada\" }, { code = \"B\", name = \"Ben\" } ]\n\
         [[tables]]\ntable = \"orders\"\nkey = [\"number\"]\nmode = \"insert-missing\"\nrows = [ { number = \"1\", vendor = \"A\", total = 5 } ]\n",
    );
    bench.seed(&base.target, erp.path(), nothing()).await;
    let good = image(&mut base.connection).await;
    run(
        &mut base.connection,
        "UPDATE vendors SET name = 'wrong' WHERE code = 'A'; INSERT INTO vendors VALUES ('C', 'Cy'); DELETE FROM vendors WHERE code = 'B'; INSERT INTO orders VALUES ('2', 'C', 7), ('3', 'A', 8)",
    )
    .await;
    let wrong = image(&mut base.connection).await;
    let reseed = SeedAnswers { reseed: true, ..nothing() };
    let (run_of, written) = bench.seed(&base.target, erp.path(), reseed.clone()).await;
    assert_eq!(image(&mut base.connection).await, good, "the profile's rows and no others");
    assert_eq!(counts(table(&written, "vendors")), (1, 1, 1, 0));
    assert_eq!(counts(table(&written, "orders")), (0, 0, 2, 0));
    bench.undo(&base.target, &run_of, Vec::new()).await;
    assert_eq!(image(&mut base.connection).await, wrong, "and back again");
    // Where no row is the profile's alone, it is refused in words.
    let filled = profile_of(
        "[[tables]]\ntable = \"vendors\"\nkey = [\"code\"]\nmode = \"top-up\"\ncount = 3\nrepeat = 3\ncolumns.code = { text = \"V{{row}}\" }\n",
    );
    let refused = bench.engine.seed_plan(&base.target, &filled.path().display().to_string(), reseed).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, FailureCode::SeedForbidden, "{refused:?}");
    assert!(refused.why.unwrap().contains("vendors"));
}
