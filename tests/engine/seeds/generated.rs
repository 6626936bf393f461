//! Generated profiles over generated tables: what the dry run shows, what the apply records, and what a
//! comparison of everything before and after finds must be the same; where completeness cannot be proven the
//! table says so, and never shows a wrong row.

use super::harness::{Base, Bench, nothing, profile, run};
use drydock_engine::adapters::postgres::copy;
use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::seed::{CellView, RowKind, RowQuery, TableChanges};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sqlx::postgres::PgConnection;
use std::collections::BTreeMap;
use std::fmt::Write as _;

type Cells = Vec<Option<String>>;

/// A type and values of it, as the server writes them.
struct Kind {
    name: &'static str,
    values: &'static [&'static str],
    /// Its values can be a key.
    key: bool,
}

const KINDS: &[Kind] = &[
    Kind { name: "int", values: &["0", "-1", "7", "2147483647", "41", "42", "43"], key: true },
    Kind { name: "bigint", values: &["9223372036854775807", "-5", "0", "12", "13"], key: true },
    Kind {
        name: "text",
        values: &[
            "",
            " ",
            "NULL",
            "a",
            "A",
            "é",
            "tab\there",
            "line\nbreak",
            "back\\slash",
            "it's \"q\"",
            "\\N",
            "<b>&amp;</b>",
            "\u{202e}rtl",
            "\u{1b}[31m",
        ],
        key: true,
    },
    Kind { name: "varchar(20)", values: &["x", "y ", "zz", "ümlaut"], key: true },
    Kind { name: "char(5)", values: &["ab", "abcde", "x"], key: true },
    Kind {
        name: "uuid",
        values: &[
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-4fff-bfff-ffffffffffff",
        ],
        key: true,
    },
    Kind { name: "date", values: &["2026-11-21", "0044-03-15 BC", "infinity", "5874897-12-31"], key: true },
    Kind {
        name: "numeric",
        values: &["1.10", "1.1", "-0.000", "NaN", "123456789012345678901234567890.5", "0"],
        key: false,
    },
    Kind { name: "numeric(12,2)", values: &["1.10", "99.99", "-3", "0"], key: false },
    Kind { name: "float8", values: &["NaN", "-0", "Infinity", "0.1", "1e300"], key: false },
    Kind { name: "boolean", values: &["t", "f"], key: false },
    Kind {
        name: "timestamptz",
        values: &["2026-11-21 10:00:00+00", "-infinity", "294276-12-31 23:59:59+00"],
        key: false,
    },
    Kind { name: "interval", values: &["1 mon 2 days", "-1 year", "00:00:00.000001"], key: false },
    Kind { name: "json", values: &["{\"a\": 1, \"a\": 2}", "[1, 2]", "null", "\"x\""], key: false },
    Kind { name: "jsonb", values: &["{\"b\": [1.10, null], \"a\": \"é\"}", "[]", "1e2"], key: false },
    Kind { name: "bytea", values: &["\\x", "\\xdeadbeef", "\\x00"], key: false },
    Kind {
        name: "text[]",
        values: &["{}", "{a,NULL,\"NULL\",\"\"}", "[2:3]={x,y}", "{{a,b},{c,d}}"],
        key: false,
    },
    Kind { name: "int4range", values: &["empty", "[1,5)", "(,3)"], key: false },
    Kind { name: "inet", values: &["::1", "10.0.0.1/8"], key: false },
    Kind { name: "bit(4)", values: &["1010", "0000"], key: false },
    Kind { name: "tsvector", values: &["'cat' 'fat'", ""], key: false },
    Kind { name: "mood", values: &["ok", "", "it's"], key: true },
    Kind { name: "code", values: &["AB", "Z"], key: true },
    Kind { name: "xml", values: &["<a>b</a>", "plain"], key: false },
    Kind { name: "point", values: &["(1.5,-0)", "(0,0)"], key: false },
];

const TYPES: &str =
    "CREATE TYPE mood AS ENUM ('ok', '', 'it''s'); CREATE DOMAIN code AS text CHECK (VALUE ~ '^[A-Z]+$');";

/// A generated case.
struct Case {
    tables: String,
    existing: String,
    files: Vec<(String, String)>,
    words: String,
}

fn literal(text: &str) -> String {
    format!(
        "E'{}'",
        text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\t', "\\t")
    )
}

fn generate(random: &mut StdRng) -> Case {
    let keys = random.random_range(1..=3);
    let keyed: Vec<&Kind> = KINDS.iter().filter(|kind| kind.key).collect();
    let key: Vec<&Kind> = (0..keys).map(|_| *keyed.choose(random).unwrap()).collect();
    let others: Vec<&Kind> = (0..random.random_range(1..=6)).map(|_| KINDS.choose(random).unwrap()).collect();
    let mut columns: Vec<String> = Vec::new();
    for (at, kind) in key.iter().enumerate() {
        columns.push(format!("k{at} {} NOT NULL", kind.name));
    }
    for (at, kind) in others.iter().enumerate() {
        columns.push(format!("c{at} {}", kind.name));
    }
    let names: Vec<String> = (0..keys).map(|at| format!("k{at}")).collect();
    let (trigger, before, partitioned) =
        (random.random_ratio(1, 2), random.random_ratio(1, 4), random.random_ratio(1, 4));
    let child = !partitioned && random.random_ratio(1, 3);
    let (defaults, surrogate) = (random.random_ratio(1, 2), !partitioned && random.random_ratio(1, 3));
    if defaults {
        columns.push("made_at timestamptz NOT NULL DEFAULT clock_timestamp()".to_owned());
        columns.push("serial_no bigserial".to_owned());
        columns.push("twice text GENERATED ALWAYS AS (md5(c0_text(0))) STORED".replace("c0_text(0)", "'x'"));
    }
    let mut tables = TYPES.to_owned();
    let list = names.join(", ");
    if surrogate {
        columns.insert(0, "id bigserial PRIMARY KEY".to_owned());
        columns.push(format!("UNIQUE ({list})"));
    } else {
        columns.push(format!("PRIMARY KEY ({list})"));
    }
    let _ = write!(
        tables,
        "CREATE TABLE t ({}){};",
        columns.join(", "),
        if partitioned { " PARTITION BY HASH (k0)" } else { "" }
    );
    if partitioned {
        tables.push_str("CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1);");
    }
    tables.push_str("CREATE TABLE audit (id bigserial PRIMARY KEY, op text NOT NULL, at timestamptz DEFAULT clock_timestamp()); CREATE TABLE bare (line text);");
    if trigger {
        tables.push_str("CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN BEGIN INSERT INTO audit (op) VALUES (TG_OP); IF random() < 0 THEN RAISE unique_violation; END IF; EXCEPTION WHEN unique_violation THEN NULL; END; BEGIN INSERT INTO audit (op) VALUES ('never'); RAISE EXCEPTION 'x'; EXCEPTION WHEN raise_exception THEN NULL; END; IF TG_OP = 'DELETE' THEN UPDATE audit SET op = op; END IF; RETURN NULL; END $$; CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION noted();");
    }
    if before {
        tables.push_str("ALTER TABLE t ADD stamp text; CREATE FUNCTION stamped() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.stamp := TG_OP; RETURN NEW; END $$; CREATE TRIGGER stamped BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION stamped();");
    }
    if child {
        let _ = write!(
            tables,
            "CREATE TABLE child (n bigserial PRIMARY KEY, {}, FOREIGN KEY ({}) REFERENCES t ({list}) ON DELETE {} );",
            key.iter()
                .enumerate()
                .map(|(at, kind)| format!("p{at} {}", kind.name))
                .collect::<Vec<_>>()
                .join(", "),
            (0..keys).map(|at| format!("p{at}")).collect::<Vec<_>>().join(", "),
            ["CASCADE", "SET NULL"].choose(random).unwrap()
        );
    }
    let draw = |random: &mut StdRng, kind: &Kind| (*kind.values.choose(random).unwrap()).to_owned();
    let mut rows: BTreeMap<Vec<String>, Vec<Option<String>>> = BTreeMap::new();
    for _ in 0..random.random_range(0..14) {
        let key: Vec<String> = key.iter().map(|kind| draw(random, kind)).collect();
        let cells = others.iter().map(|kind| random.random_ratio(4, 5).then(|| draw(random, kind))).collect();
        rows.insert(key, cells);
    }
    let mut existing = String::new();
    for (key, cells) in &rows {
        let values: Vec<String> = key
            .iter()
            .map(|text| literal(text))
            .chain(cells.iter().map(|cell| cell.as_deref().map_or("NULL".to_owned(), literal)))
            .collect();
        let _ = write!(
            existing,
            "INSERT INTO t ({list}{}) VALUES ({}) ON CONFLICT DO NOTHING;",
            (0..others.len()).map(|at| format!(", c{at}")).collect::<String>(),
            values.join(", ")
        );
        if child && random.random_ratio(1, 2) {
            let _ = write!(
                existing,
                "INSERT INTO child ({}) VALUES ({});",
                (0..keys).map(|at| format!("p{at}")).collect::<Vec<_>>().join(", "),
                key.iter().map(|text| literal(text)).collect::<Vec<_>>().join(", ")
            );
        }
    }
    existing.push_str(
        "TRUNCATE audit; INSERT INTO audit (op) VALUES ('old'); INSERT INTO bare VALUES ('a'), ('a');",
    );
    let head =
        "title = \"Generated\"\ndescription = \"\"\nengines = [\"postgresql\"]\ntiers = [\"development\"]\n";
    if random.random_ratio(1, 4) {
        let all = [
            "UPDATE t SET c0 = NULL WHERE k0 IN (SELECT k0 FROM t LIMIT 3);",
            "UPDATE t SET c0 = c0;",
            "DELETE FROM t WHERE k0 IN (SELECT max(k0::text) FROM t)::boolean IS NULL;",
            "DELETE FROM t WHERE (k0::text) = (SELECT max(k0::text) FROM t);",
            "INSERT INTO audit (op) VALUES ('script');",
            "DELETE FROM audit; INSERT INTO audit (op) SELECT 'again' FROM generate_series(1, 3);",
            "INSERT INTO bare VALUES ('new');",
            "UPDATE bare SET line = 'b';",
            "TRUNCATE audit;",
            "ALTER TABLE audit ADD extra float DEFAULT random();",
            "CREATE TABLE made AS SELECT 1 AS one;",
            "DO $$ BEGIN BEGIN INSERT INTO audit (op) VALUES ('gone'); RAISE EXCEPTION 'x'; EXCEPTION WHEN others THEN NULL; END; INSERT INTO audit (op) VALUES ('kept'); END $$;",
        ];
        let chosen: Vec<&str> = (0..random.random_range(1..5))
            .map(|_| *all.choose(random).unwrap())
            .filter(|sql| !sql.contains("IS NULL;") || sql.starts_with("UPDATE"))
            .collect();
        let script = chosen.join("\n");
        let words = format!("{tables}\n{existing}\n{script}");
        return Case {
            tables,
            existing,
            files: vec![
                ("profile.toml".to_owned(), format!("{head}[sql]\nfiles = [\"s.sql\"]\n")),
                ("s.sql".to_owned(), if script.is_empty() { "SELECT 1;".to_owned() } else { script }),
            ],
            words,
        };
    }
    let mode = ["insert-missing", "upsert", "upsert", "replace"].choose(random).unwrap();
    let mut seeds: BTreeMap<Vec<String>, Vec<(usize, Option<String>)>> = BTreeMap::new();
    let known: Vec<Vec<String>> = rows.keys().cloned().collect();
    for _ in 0..random.random_range(1..12) {
        let key: Vec<String> = match known.choose(random) {
            Some(known) if random.random_ratio(1, 2) => known.clone(),
            _ => key.iter().map(|kind| draw(random, kind)).collect(),
        };
        let mut given = Vec::new();
        for (at, kind) in others.iter().enumerate() {
            match random.random_range(0..6) {
                0 => {}
                1 => given.push((at, None)),
                2 if rows.contains_key(&key) => given.push((at, rows[&key][at].clone())),
                _ => given.push((at, Some(draw(random, kind)))),
            }
        }
        seeds.insert(key, given);
    }
    let mut lines = String::new();
    for (key, given) in &seeds {
        let mut row = serde_json::Map::new();
        for (at, text) in key.iter().enumerate() {
            row.insert(format!("k{at}"), serde_json::Value::from(text.as_str()));
        }
        for (at, cell) in given {
            row.insert(format!("c{at}"), cell.as_deref().into());
        }
        lines.push_str(&serde_json::Value::Object(row).to_string());
        lines.push('\n');
    }
    let block = format!(
        "{head}[[tables]]\ntable = \"t\"\nkey = [{}]\nmode = \"{mode}\"\nfile = \"rows.ndjson\"\n",
        names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
    );
    let words = format!("{tables}\n{existing}\n{block}\n{lines}");
    Case {
        tables,
        existing,
        files: vec![("profile.toml".to_owned(), block), ("rows.ndjson".to_owned(), lines)],
        words,
    }
}

/// Every row of a table, by its key.
async fn rows(connection: &mut PgConnection, table: &TableChanges) -> Vec<Cells> {
    let columns: Vec<String> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let sql = format!("SELECT {} FROM {}", columns.join(", "), table.table);
    let there = sqlx::query("SELECT 1 WHERE to_regclass($1) IS NOT NULL")
        .bind(&table.table)
        .fetch_optional(&mut *connection)
        .await
        .unwrap();
    if there.is_none() {
        return Vec::new();
    }
    copy::rows(connection, &sql).await.unwrap()
}

/// The tables of the product, without partitions.
async fn tables(connection: &mut PgConnection) -> Vec<String> {
    use sqlx::Row;
    sqlx::raw_sql("SELECT 'public.' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1")
        .fetch_all(connection).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// A row as text of every value, for a table whose columns may have changed.
async fn image(connection: &mut PgConnection, table: &str) -> Vec<String> {
    let mut rows: Vec<String> = copy::rows(connection, &format!("SELECT t::text FROM {table} AS t"))
        .await
        .unwrap()
        .into_iter()
        .map(|mut row| row.remove(0).unwrap_or_default())
        .collect();
    rows.sort();
    rows
}

fn changes_between(
    table: &TableChanges,
    before: &[Cells],
    after: &[Cells],
) -> Vec<(RowKind, Option<Cells>, Option<Cells>)> {
    let positions: Vec<usize> = table
        .key
        .iter()
        .map(|name| table.columns.iter().position(|column| column.name == *name).unwrap())
        .collect();
    let by_key = |rows: &[Cells]| -> BTreeMap<Cells, Cells> {
        rows.iter().map(|row| (positions.iter().map(|at| row[*at].clone()).collect(), row.clone())).collect()
    };
    let (old, new) = (by_key(before), by_key(after));
    let mut found = Vec::new();
    for (key, row) in &new {
        match old.get(key) {
            None => found.push((RowKind::Inserted, None, Some(row.clone()))),
            Some(known) if known != row => {
                found.push((RowKind::Updated, Some(known.clone()), Some(row.clone())))
            }
            Some(_) => {}
        }
    }
    found.extend(
        old.iter()
            .filter(|(key, _)| !new.contains_key(*key))
            .map(|(_, row)| (RowKind::Deleted, Some(row.clone()), None)),
    );
    found.sort_by(|left, right| format!("{left:?}").cmp(&format!("{right:?}")));
    found
}

fn cells(cells: &Option<Vec<CellView>>) -> Option<Cells> {
    cells.as_ref().map(|cells| {
        cells
            .iter()
            .map(|cell| match cell {
                CellView::Null => None,
                CellView::Text { text, of: None } => Some(text.clone()),
                other => Some(format!("{other:?}")),
            })
            .collect()
    })
}

/// What a run recorded of a table.
async fn recorded(bench: &Bench, run_id: &str, at: usize) -> Vec<(RowKind, Option<Cells>, Option<Cells>)> {
    let query = RowQuery {
        run_id: run_id.to_owned(),
        table: u32::try_from(at).unwrap(),
        kinds: vec![RowKind::Inserted, RowKind::Updated, RowKind::Deleted],
        search: String::new(),
        sort: None,
        descending: false,
        offset: 0,
        limit: 500,
    };
    let page = bench.engine.row_changes(&query).await.unwrap();
    let mut found: Vec<_> =
        page.rows.iter().map(|row| (row.kind, cells(&row.before), cells(&row.after))).collect();
    found.sort_by(|left, right| format!("{left:?}").cmp(&format!("{right:?}")));
    found
}

async fn one(
    bench: &Bench,
    base: &mut Base,
    case: &Case,
    number: u32,
    tally: &mut BTreeMap<&'static str, u32>,
) {
    let files: Vec<(&str, &str)> =
        case.files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let folder = profile(&files);
    let said = |what: &str| format!("case {number}: {what}\n{}", case.words);
    let review =
        match bench.engine.seed_plan(&base.target, &folder.path().display().to_string(), nothing()).await {
            Ok(review) => review,
            Err(failure) => panic!("{}", said(&format!("{failure:?}"))),
        };
    let dry = bench.engine.start_dry_run(&base.target, &review.plan.id).await.unwrap();
    let dry = bench.engine.wait_run(&dry.id, &mut |_| {}).await.unwrap();
    if dry.status != RunStatus::Succeeded {
        // Two keys that differ as texts may be one for the database, and a script may fail: that is a result.
        assert!(dry.failure.is_some(), "{}", said("no failure"));
        *tally.entry("refused").or_insert(0) += 1;
        return;
    }
    run(&mut base.connection, "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET extra_float_digits = 3; SET bytea_output = 'hex'").await;
    let report = bench.engine.newest_dry_run(&review.plan.id).await.unwrap().unwrap();
    let shown = report.changes.unwrap();
    let (mut before, mut images) = (BTreeMap::new(), BTreeMap::new());
    for table in shown.tables.iter().filter(|table| table.unknown.is_none()) {
        before.insert(table.table.clone(), rows(&mut base.connection, table).await);
    }
    for table in tables(&mut base.connection).await {
        images.insert(table.clone(), image(&mut base.connection, &table).await);
    }
    let confirmation = drydock_engine::domain::plan::Confirmation {
        digest: review.plan.digest.clone(),
        ..Default::default()
    };
    let applied = bench
        .engine
        .start_apply(&base.target, &review.plan.id, confirmation, Default::default())
        .await
        .unwrap_or_else(|failure| panic!("{}", said(&format!("{failure:?}"))));
    let applied = bench.engine.wait_run(&applied.id, &mut |_| {}).await.unwrap();
    assert_eq!(applied.status, RunStatus::Succeeded, "{}", said(&format!("{:?}", applied.failure)));
    let written = bench.engine.run_changes(&applied.id).await.unwrap().unwrap().changes;
    for table in tables(&mut base.connection).await {
        if !written.tables.iter().any(|known| known.table == table) {
            let now = image(&mut base.connection, &table).await;
            assert_eq!(
                images.get(&table),
                Some(&now),
                "{}",
                said(&format!("{table} changed and was not named"))
            );
        }
    }
    for (at, table) in written.tables.iter().enumerate() {
        let preview = shown.tables.iter().position(|known| known.table == table.table);
        let preview =
            preview.unwrap_or_else(|| panic!("{}", said(&format!("{} was not shown", table.table))));
        if table.unknown.is_some() || shown.tables[preview].unknown.is_some() {
            assert_eq!(
                table.unknown.is_some(),
                shown.tables[preview].unknown.is_some(),
                "{}",
                said("unknown on one side only")
            );
            *tally.entry("unknown tables").or_insert(0) += 1;
            continue;
        }
        let after = rows(&mut base.connection, table).await;
        let recorded_now = recorded(bench, &applied.id, at).await;
        if table.key.is_empty() {
            assert_eq!(
                u32::try_from(after.len() - before[&table.table].len()).unwrap(),
                table.inserted,
                "{}",
                said("rows of a table without key")
            );
            continue;
        }
        let truth = changes_between(table, &before[&table.table], &after);
        assert_eq!(recorded_now, truth, "{}", said(&format!("{}: what the run recorded", table.table)));
        let dry_rows = recorded(bench, &dry.id, preview).await;
        let kinds = |rows: &[(RowKind, Option<Cells>, Option<Cells>)]| {
            let mut kinds: Vec<String> = rows.iter().map(|row| format!("{:?} {:?}", row.0, row.1)).collect();
            kinds.sort();
            kinds
        };
        assert_eq!(
            kinds(&dry_rows),
            kinds(&truth),
            "{}",
            said(&format!("{}: what the dry run showed", table.table))
        );
        *tally.entry("rows").or_insert(0) += u32::try_from(truth.len()).unwrap();
    }
    *tally.entry("equal").or_insert(0) += 1;
}

#[tokio::test]
async fn what_is_shown_is_what_a_full_comparison_finds() {
    let full = std::env::var_os("DRYDOCK_FULL").is_some();
    let cases: u32 = if full { 1_000 } else { 40 };
    let bench = Bench::start().await;
    let mut random = StdRng::seed_from_u64(0x5EED_0001);
    let mut base = bench.base("generated", "").await;
    let mut tally = BTreeMap::new();
    for number in 0..cases {
        let case = generate(&mut random);
        run(&mut base.connection, "DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
        run(&mut base.connection, &format!("{}{}", case.tables, case.existing)).await;
        one(&bench, &mut base, &case, number, &mut tally).await;
    }
    let equal = tally.get("equal").copied().unwrap_or(0);
    assert!(equal * 10 >= cases * 7, "most cases get through: {tally:?}");
    if let Ok(folder) = std::env::var("DRYDOCK_REPORTS") {
        std::fs::write(
            std::path::Path::new(&folder).join("generated-seeds.txt"),
            format!("{cases} cases: {tally:?}\n"),
        )
        .unwrap();
    }
}
