//! Scripts taken apart: modes, effects, locks, words, and the real histories.

use drydock_engine::{
    checks::lint::lint,
    domain::{
        finding::Outcome,
        statement::{Action, ObjectKind, Script, ScriptMode, StatementKind, Waits},
    },
    planner::sql::{
        analyse, destructive, dry_runnable, locate, outside_effects, referenced_tables, unwrapped,
    },
};
use std::{collections::BTreeMap, path::PathBuf, time::Instant};

fn mode(sql: &str) -> ScriptMode {
    analyse(sql).mode
}

fn kinds(sql: &str) -> Vec<StatementKind> {
    analyse(sql).statements.iter().map(|statement| statement.kind).collect()
}

fn summaries(sql: &str) -> Vec<String> {
    analyse(sql).statements.into_iter().map(|statement| statement.summary).collect()
}

fn effects(sql: &str) -> Vec<String> {
    let script = analyse(sql);
    let all = script.statements.iter().flat_map(|statement| &statement.effects);
    all.map(|effect| {
        let action = match effect.action {
            Action::Create => '+',
            Action::Alter => '~',
            Action::Drop => '-',
        };
        let place = [effect.schema.clone(), effect.parent.clone(), Some(effect.name.clone())];
        let place: Vec<String> = place.into_iter().flatten().collect();
        format!("{action}{:?} {}{}", effect.kind, place.join("."), if effect.conditional { "?" } else { "" })
    })
    .collect()
}

fn locks(sql: &str) -> Vec<String> {
    let script = analyse(sql);
    let all = script.statements.iter().flat_map(|statement| &statement.locks);
    all.map(|lock| format!("{} {}", lock.table, lock.mode)).collect()
}

#[test]
fn a_script_of_ordinary_statements_is_atomic() {
    for sql in [
        "",
        "-- nothing\n;;",
        "CREATE TABLE a (id int); INSERT INTO a VALUES (1); UPDATE a SET id = 2",
        "DO $$ BEGIN ALTER TABLE a ADD b int; EXCEPTION WHEN duplicate_column THEN NULL; END $$;",
        "SET LOCAL lock_timeout = '5s'; ALTER TABLE a ADD b int",
        "SET CONSTRAINTS ALL DEFERRED; DELETE FROM a",
        "CREATE TEMP TABLE x ON COMMIT DROP AS SELECT 1",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = '' AS 'SELECT 1'",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v; ANALYZE a",
        "ALTER TYPE t ADD VALUE 'NEW'; ALTER TYPE t ADD VALUE 'NEWER' AFTER 'NEW'",
        "CREATE TYPE t AS ENUM ('A'); ALTER TYPE t ADD VALUE 'NEW'; INSERT INTO a VALUES ('NEW')",
        "INSERT INTO a VALUES ('COMMIT; BEGIN; SET search_path = x')",
        "SELECT commit, \"set_config\" FROM a",
    ] {
        let script = analyse(sql);
        assert_eq!(script.mode, ScriptMode::Atomic, "{sql}: {}", script.mode_reason);
        assert_eq!(dry_runnable(&script), Ok(()), "{sql}");
    }
}

#[test]
fn what_reaches_beyond_the_transaction_is_sent_as_written() {
    for sql in [
        "BEGIN; CREATE TABLE a (); COMMIT",
        "SAVEPOINT a; SELECT 1",
        "SET search_path = x; SELECT 1",
        "SELECT pg_catalog.set_config('search_path', '', false); SELECT 1",
        "SELECT \"set_config\"('a', 'b', true)",
        "SELECT pg_advisory_lock(72707369); SELECT 1",
        "SET LOCAL ROLE admin; SELECT 1",
        "SET LOCAL search_path = x; SELECT 1",
        "RESET ALL",
        "PREPARE x AS SELECT 1",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "CREATE TEMP TABLE x (a int)",
        "SELECT 1 INTO TEMP x",
        "CREATE TABLE pg_temp.x (a int)",
        "CALL f()",
        "DO $$ BEGIN COMMIT; END $$",
        "DO $$ BEGIN CALL p(); END $$",
        "DO LANGUAGE plpython3u $$ pass $$",
        "DO $$ BEGIN PERFORM set_config('a', 'b', false); END $$",
        "DO $$ BEGIN EXECUTE 'SET search_path = x'; END $$",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELECT set_config('search_path', '', false) $$; SELECT f()",
        "INSERT INTO \"_Prisma_Migrations\" VALUES (1)",
        "FROBNICATE a; SELECT 1",
        "CREATE INDEX CONCURRENTLY i ON a (b)",
        "CREATE INDEX CONCURRENTLY i ON a (b);; -- that is all\n",
        "BEGIN; SELECT 1; COMMIT; VACUUM a",
    ] {
        let script = analyse(sql);
        assert_eq!(script.mode, ScriptMode::AsWritten, "{sql}: {}", script.mode_reason);
        assert_eq!(script.uncertain, None, "{sql}");
    }
}

#[test]
fn statements_that_refuse_a_transaction_are_run_one_by_one_beside_others() {
    for statement in [
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON a (b)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY a",
        "REINDEX (VERBOSE, CONCURRENTLY) INDEX i",
        "REINDEX DATABASE x",
        "ALTER TABLE a DETACH PARTITION b CONCURRENTLY",
        "VACUUM (FULL) a",
        "CREATE DATABASE x",
        "DROP DATABASE x",
        "CREATE TABLESPACE x LOCATION '/x'",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "CLUSTER",
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
        "DISCARD ALL",
    ] {
        assert_eq!(kinds(statement), [StatementKind::OutsideTransaction], "{statement}");
        let script = analyse(&format!("SELECT 1;\n{statement};"));
        assert_eq!(script.mode, ScriptMode::Stepwise, "{statement}");
        assert!(script.mode_reason.contains("line 2"), "the reason says where: {}", script.mode_reason);
        assert!(dry_runnable(&script).is_err());
    }
    for statement in [
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false)",
        "CLUSTER a USING i",
        "REINDEX TABLE a",
        "ALTER DATABASE x SET work_mem = '1MB'",
        "ALTER TABLE a DETACH PARTITION b",
    ] {
        assert_eq!(kinds(statement), [StatementKind::Ordinary], "{statement}");
    }
}

#[test]
fn a_new_enum_value_that_is_used_at_once_needs_a_commit_between() {
    for use_of_it in [
        "UPDATE a SET s = 'NEW' WHERE true",
        "ALTER TABLE a ALTER s SET DEFAULT 'NEW'",
        "DO $$ BEGIN UPDATE a SET s = 'NEW' WHERE true; END $$",
        "INSERT INTO a VALUES ('{\"NEW\"}')",
        "SELECT enum_range(NULL::t)",
    ] {
        let script = analyse(&format!("ALTER TYPE t ADD VALUE IF NOT EXISTS 'NEW'; {use_of_it}"));
        assert_eq!(script.mode, ScriptMode::Stepwise, "{use_of_it}");
        assert!(script.mode_reason.contains("Statement 2"), "{}", script.mode_reason);
    }
    assert_eq!(mode("UPDATE a SET s = 'NEW' WHERE true; ALTER TYPE t ADD VALUE 'NEW'"), ScriptMode::Atomic);
}

#[test]
fn doubtful_text_is_never_atomic() {
    for sql in [
        "SELECT 'a",
        "/* x",
        "SELECT $a$ $b$",
        "SELECT (1",
        "\\i x.sql",
        "COPY a FROM STDIN;\n1\n\\.\n",
        "COPY a TO STDOUT",
        "\u{feff}SELECT 1",
        "SET standard_conforming_strings = off; SELECT 'a\\'; COMMIT; --'",
    ] {
        let script = analyse(sql);
        assert!(script.uncertain.is_some(), "{sql}");
        assert_eq!(script.mode, ScriptMode::AsWritten, "{sql}");
        assert!(dry_runnable(&script).is_err());
        assert!(
            lint("m", sql, &script)
                .iter()
                .any(|finding| matches!(finding.outcome, Outcome::Block | Outcome::Unknown))
        );
    }
    assert_eq!(analyse("SET standard_conforming_strings = on; SELECT '\\'").uncertain, None);
}

#[test]
fn ranges_lines_and_words_are_those_of_the_file() {
    let sql = "-- first\r\nCREATE TABLE \"Ü\" (id int); -- x\r\n\r\n  /* a */ DROP VIEW v -- end\r\n;";
    let script = analyse(sql);
    let texts: Vec<&str> = script
        .statements
        .iter()
        .map(|statement| &sql[statement.start as usize..statement.end as usize])
        .collect();
    assert_eq!(texts, ["CREATE TABLE \"Ü\" (id int)", "DROP VIEW v"]);
    assert_eq!(
        script.statements.iter().map(|statement| (statement.number, statement.line)).collect::<Vec<_>>(),
        [(1, 2), (2, 4)]
    );
}

#[test]
fn summaries_read_like_sentences() {
    let expected = [
        ("CREATE TABLE avatars (id int)", "Create table avatars"),
        ("ALTER TABLE \"users\" ADD COLUMN email_lower text", "Add column users.email_lower"),
        ("ALTER TABLE a DROP COLUMN b, ADD c int", "Change table a: drop column b, add column c"),
        ("ALTER TABLE a ALTER b SET NOT NULL", "Make a.b required"),
        (
            "ALTER TABLE a ALTER COLUMN b SET DATA TYPE varchar(3) USING b::varchar(3)",
            "Change the type of a.b to varchar(3)",
        ),
        (
            "ALTER TABLE a ADD CONSTRAINT a_b_fkey FOREIGN KEY (b) REFERENCES c(id)",
            "Add foreign key a_b_fkey on a to c",
        ),
        ("ALTER TABLE ONLY s.a RENAME TO b", "Rename table s.a to b"),
        (
            "CREATE UNIQUE INDEX CONCURRENTLY users_email_key ON users (lower(email))",
            "Create unique index users_email_key on users, without blocking writers",
        ),
        ("DROP INDEX a, b", "Drop indexes a, b"),
        ("DROP TABLE a CASCADE", "Drop table a and everything that depends on it"),
        (
            "CREATE OR REPLACE FUNCTION s.f(a int) RETURNS int LANGUAGE sql AS '1'",
            "Create or replace function s.f",
        ),
        ("CREATE TRIGGER t AFTER INSERT OR UPDATE ON a EXECUTE FUNCTION f()", "Create trigger t on a"),
        ("ALTER TYPE t ADD VALUE 'x'", "Add value 'x' to type t"),
        ("WITH x AS (SELECT 1) UPDATE a SET b = 1 FROM x", "Update every row of a"),
        ("INSERT INTO a SELECT 1 ON CONFLICT DO UPDATE SET b = 1", "Insert rows into a"),
        ("DELETE FROM a WHERE b", "Delete rows from a"),
        ("CREATE TYPE t AS ENUM ('a')", "Create type t with 1 value"),
        ("SET LOCAL lock_timeout = 1", "Set lock_timeout for this transaction"),
        ("START TRANSACTION", "Begin a transaction"),
        ("DO $$ BEGIN END $$", "Run a code block"),
        ("GRANT SELECT ON a TO b", "Grant select on a"),
        ("CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\"", "Create extension uuid-ossp"),
    ];
    for (sql, summary) in expected {
        assert_eq!(summaries(sql), [summary]);
    }
}

#[test]
fn effects_carry_the_names_the_server_will_use() {
    assert_eq!(
        effects(
            r#"CREATE TABLE IF NOT EXISTS s."User" (
                ID serial PRIMARY KEY, "email" text UNIQUE CHECK (a > 1), "teamId" int CONSTRAINT fk REFERENCES "Team" (id),
                exclude int, t numeric(3, 2) DEFAULT 1 NOT NULL,
                CONSTRAINT named UNIQUE (a), UNIQUE (a, b), FOREIGN KEY (a, b) REFERENCES x, LIKE y)"#
        ),
        [
            "+Table s.User?",
            "+Column s.User.id?",
            "+Constraint s.User.User_pkey?",
            "+Column s.User.email?",
            "+Constraint s.User.User_email_key?",
            "+Constraint s.User.?",
            "+Column s.User.teamId?",
            "+Constraint s.User.fk?",
            "+Column s.User.exclude?",
            "+Column s.User.t?",
            "+Constraint s.User.named?",
            "+Constraint s.User.User_a_b_key?",
            "+Constraint s.User.User_a_b_fkey?",
        ]
    );
    assert_eq!(
        effects("ALTER TABLE a RENAME b TO c, DROP CONSTRAINT IF EXISTS d"),
        ["-Column a.b", "+Column a.c", "-Constraint a.d?"]
    );
    assert_eq!(
        effects("CREATE INDEX ON a (b); CREATE INDEX i ON s.a (b); DROP INDEX IF EXISTS i"),
        ["+Index a.", "+Index s.a.i", "-Index i?"]
    );
    assert_eq!(
        effects(
            "CREATE TYPE \"N\" AS ENUM ('A', 'it''s'); ALTER TYPE \"N\" RENAME TO \"M\"; DROP TYPE \"M\"; DROP TYPE z"
        ),
        ["+Enum N", "+EnumValue N.A", "+EnumValue N.it's", "-Enum N", "+Enum M", "-Enum M", "-Type z"]
    );
    assert_eq!(effects("ALTER TYPE t RENAME VALUE 'a' TO 'b'"), ["-EnumValue t.a", "+EnumValue t.b"]);
    assert_eq!(
        effects(
            "CREATE POLICY p ON s.a USING (true); DROP TRIGGER t ON a; CREATE SCHEMA x; DROP FUNCTION f(int, text), g"
        ),
        ["+Policy s.a.p", "-Trigger a.t", "+Schema x", "-Function f", "-Function g"]
    );
    assert_eq!(
        effects("SELECT 1 INTO b FROM c; CREATE TABLE d AS SELECT 1; CREATE MATERIALIZED VIEW v AS SELECT 1"),
        ["+Table b", "+Table d", "+MaterializedView v"]
    );
    let long = "x".repeat(60);
    let made = effects(&format!("CREATE TABLE {long} (\"{}\" int UNIQUE)", "y".repeat(60)));
    assert_eq!(
        made[2],
        format!("+Constraint {long}.{}_{}_key", "x".repeat(29), "y".repeat(29)),
        "cut as PostgreSQL cuts"
    );
}

#[test]
fn locks_are_those_of_the_manual() {
    let expected: &[(&str, &[&str])] = &[
        ("ALTER TABLE a ADD b int", &["a AccessExclusiveLock"]),
        ("ALTER TABLE a VALIDATE CONSTRAINT b", &["a ShareUpdateExclusiveLock"]),
        ("ALTER TABLE a ALTER b SET STATISTICS 100", &["a ShareUpdateExclusiveLock"]),
        ("ALTER TABLE a SET (fillfactor = 70)", &["a ShareUpdateExclusiveLock"]),
        (
            "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c",
            &["a ShareRowExclusiveLock", "c ShareRowExclusiveLock"],
        ),
        ("ALTER TABLE a DISABLE TRIGGER ALL", &["a ShareRowExclusiveLock"]),
        ("ALTER TABLE a VALIDATE CONSTRAINT b, ADD c int", &["a AccessExclusiveLock"]),
        (
            "ALTER TABLE a ATTACH PARTITION b DEFAULT",
            &["a ShareUpdateExclusiveLock", "b AccessExclusiveLock"],
        ),
        ("CREATE INDEX i ON s.a (b)", &["s.a ShareLock"]),
        ("CREATE INDEX CONCURRENTLY i ON a (b)", &["a ShareUpdateExclusiveLock"]),
        ("CREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f()", &["a ShareRowExclusiveLock"]),
        ("DROP TABLE a, b", &["a AccessExclusiveLock", "b AccessExclusiveLock"]),
        ("TRUNCATE ONLY a", &["a AccessExclusiveLock"]),
        (
            "WITH x AS (DELETE FROM b RETURNING *) INSERT INTO a SELECT * FROM x",
            &["a RowExclusiveLock", "b RowExclusiveLock"],
        ),
        ("SELECT * FROM a FOR UPDATE", &[]),
        ("LOCK TABLE a IN SHARE MODE", &["a ShareLock"]),
        (
            "CREATE TABLE n (id int REFERENCES a); CREATE INDEX i ON n (id); DROP TABLE n",
            &["a ShareRowExclusiveLock"],
        ),
        ("CREATE TABLE IF NOT EXISTS n (id int); CREATE INDEX i ON n (id)", &["n ShareLock"]),
        ("CREATE TABLE n (); ALTER TABLE n RENAME TO m; ALTER TABLE m ADD a int", &[]),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", &["v ExclusiveLock"]),
    ];
    for (sql, expected) in expected {
        assert_eq!(locks(sql), *expected, "{sql}");
    }
    let waits = |sql: &str| analyse(sql).statements[0].locks[0].waits;
    assert_eq!(waits("ALTER TABLE a ADD b int"), Waits::ReadersAndWriters);
    assert_eq!(waits("CREATE INDEX i ON a (b)"), Waits::Writers);
    assert_eq!(waits("UPDATE a SET b = 1"), Waits::Nobody);
}

#[test]
fn a_wrapped_script_can_be_tried_without_its_wrapping() {
    let sql = "-- é\nBEGIN /* x */ TRANSACTION;\nCREATE TABLE a ();\nCOMMIT;\n";
    let inner = unwrapped(sql, &analyse(sql)).expect("only wrapped");
    assert_eq!(analyse(&inner).statements.len(), 1);
    assert_eq!(analyse(&inner).statements[0].line, 3, "lines stay");
    assert_eq!(inner.chars().count(), sql.chars().count(), "positions stay");
    for sql in [
        "SELECT 1",
        "BEGIN; SELECT 1",
        "BEGIN; SELECT 1; COMMIT; SELECT 2",
        "BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT",
        "BEGIN; SELECT 1; ROLLBACK",
        "BEGIN; CALL f(); COMMIT",
        "BEGIN; ALTER TYPE t ADD VALUE 'a'; SELECT 'a'; COMMIT",
    ] {
        assert_eq!(unwrapped(sql, &analyse(sql)), None, "{sql}");
    }
}

#[test]
fn effects_beyond_a_rollback_are_named() {
    let sql = "SELECT setval('a', 1);\nCOPY a TO PROGRAM 'x'; DO $$ BEGIN PERFORM dblink_exec('x'); END $$; SELECT 1";
    let found = outside_effects(sql, &analyse(sql));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("Statement 1 on line 1: moves a sequence"));
    assert!(
        outside_effects("UPDATE a SET b = 'setval(1)'", &analyse("UPDATE a SET b = 'setval(1)'")).is_empty()
    );
}

#[test]
fn error_positions_become_places() {
    let sql = "-- é\nSELECT 1;\n  SELECT é, nope;";
    let script = analyse(sql);
    let position =
        sql.chars().position(|character| character == 'n').map(|_| sql.find("nope").unwrap()).unwrap();
    let characters = sql[..position].chars().count() + 1;
    assert_eq!(locate(sql, &script, characters), (2, 3, 13));
    assert_eq!(locate(sql, &script, 1), (0, 1, 1));
    assert_eq!(locate(sql, &script, 100_000).0, 2, "beyond the end is the last statement");
}

#[test]
fn referenced_tables_are_changed_locked_and_pointed_to_ones() {
    let sql =
        "ALTER TABLE s.a ADD b int REFERENCES c; UPDATE d SET e = 1; DROP VIEW v; CREATE INDEX i ON f (g)";
    let found = referenced_tables(&analyse(sql));
    let names: Vec<String> = found
        .iter()
        .map(|(schema, table)| {
            format!("{}{table}", schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default())
        })
        .collect();
    assert_eq!(names, ["c", "d", "f", "s.a"]);
}

#[test]
fn findings_are_plain_and_placed() {
    let sql = "CREATE TABLE n (id int);\nCREATE INDEX i ON n (id);\nCREATE INDEX j ON users (email);\nALTER TABLE users DROP COLUMN a;\n\
               ALTER TABLE n ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES users (id);";
    let script = analyse(sql);
    let findings = lint("m", sql, &script);
    let told: Vec<(Option<u32>, &str, bool)> = findings
        .iter()
        .map(|finding| (finding.statement, finding.check.as_str(), finding.destructive))
        .collect();
    assert_eq!(
        told,
        [(Some(3), "require-concurrent-index-creation", false), (Some(4), "destroys-data", true)]
    );
    assert_eq!(findings[0].title, "Nobody can write to users while the index is built");
    assert!(
        findings.iter().all(|finding| finding.migration.as_deref() == Some("m") && finding.detail.is_some())
    );
}

#[test]
fn findings_cover_transactions_sessions_and_what_is_not_understood() {
    let outcome = |sql: &str, check: &str| {
        let script = analyse(sql);
        let found = lint("m", sql, &script).into_iter().find(|finding| finding.check == check);
        found.map(|finding| finding.outcome)
    };
    assert_eq!(outcome("BEGIN; SELECT 1; COMMIT", "own-transaction"), Some(Outcome::Warn));
    assert_eq!(outcome("BEGIN; SELECT 1", "ban-uncommitted-transaction"), Some(Outcome::Block));
    assert_eq!(outcome("BEGIN; COMMIT; VACUUM", "transaction-and-outside-transaction"), Some(Outcome::Block));
    assert_eq!(outcome("SELECT 1; VACUUM", "runs-step-by-step"), Some(Outcome::Warn));
    assert_eq!(outcome("SET search_path = x", "session-settings"), Some(Outcome::Warn));
    assert_eq!(outcome("COPY a FROM STDIN;", "not-for-the-server"), Some(Outcome::Block));
    assert_eq!(outcome("ALTER TABLE a FROB b", "not-linted"), Some(Outcome::Unknown));
    assert_eq!(
        outcome("-- squawk-ignore-file\nALTER TABLE a ALTER b SET NOT NULL", "adding-not-nullable-field"),
        Some(Outcome::Warn)
    );
    assert_eq!(outcome("CREATE TABLE a (b int, c varchar(3), d timestamp)", "not-linted"), None);
}

#[test]
fn one_finding_a_matter_and_the_telling_one() {
    let checks = |sql: &str| -> Vec<String> {
        lint("m", sql, &analyse(sql)).into_iter().map(|finding| finding.check).collect()
    };
    assert_eq!(
        checks("ALTER TABLE a ADD CONSTRAINT b FOREIGN KEY (c) REFERENCES d (e)"),
        ["adding-foreign-key-constraint"]
    );
    assert_eq!(checks("ALTER TABLE a ADD CONSTRAINT b UNIQUE (c)"), ["disallowed-unique-constraint"]);
    assert_eq!(checks("DROP VIEW v"), ["ban-drop-view"]);
    assert!(
        checks("DROP VIEW v; CREATE VIEW v AS SELECT 1").is_empty(),
        "a view that is made again is no loss"
    );
    assert!(
        checks("CREATE INDEX i ON a (b); DROP INDEX i").len() == 1,
        "an index of the same script is dropped at once"
    );
}

#[test]
fn deep_and_long_texts_end_well() {
    let deep = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let unary = format!("ALTER TABLE a ADD CHECK ({}true)", "NOT ".repeat(3_900));
    let wide = format!("CREATE VIEW v AS SELECT {}", vec!["1"; 200_000].join("+"));
    let cases =
        format!("CREATE VIEW v AS SELECT {}1{}", "CASE WHEN true THEN ".repeat(900), " END".repeat(900));
    for sql in [deep, unary, wide, cases] {
        let script = analyse(&sql);
        let _ = lint("m", &sql, &script);
        assert_eq!(script.statements.len(), 1);
    }
}

#[test]
fn time_grows_with_length_only() {
    let started = Instant::now();
    let rows = "INSERT INTO a (b, c) VALUES ('it''s', 1), ($$x;$$, 2);\n".repeat(40_000);
    let tables: String = (0..5_000)
        .map(|n| format!("CREATE TABLE t{n} (id int); CREATE INDEX i{n} ON t{n} (id);\n"))
        .collect();
    let hidden = "$a".repeat(500_000);
    let comments = "/*".repeat(500_000);
    for sql in [rows, tables, hidden, comments] {
        let script = analyse(&sql);
        let _ = (referenced_tables(&script), outside_effects(&sql, &script));
        script.statements.iter().for_each(|statement| drop(destructive(statement, &sql)));
    }
    assert!(started.elapsed().as_secs() < 30, "took {:?} even unoptimised", started.elapsed());
}

#[test]
fn any_cut_of_a_script_is_taken_without_panic() {
    let sql = "CREATE TABLE \"ü\" (a int PRIMARY KEY, b text DEFAULT E'\\'x' UNIQUE REFERENCES c (d), CHECK (a > 1));\n\
        ALTER TABLE IF EXISTS ONLY s.a ADD COLUMN IF NOT EXISTS b int, DROP CONSTRAINT c, ALTER COLUMN d TYPE t USING d::t;\n\
        CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE 1 WHEN 1 THEN 2 END; END;\n\
        DO $x$ BEGIN UPDATE a SET b = 'NEW'; END $x$; ALTER TYPE t ADD VALUE 'NEW'; COPY a TO PROGRAM 'x';\n\
        WITH x AS (DELETE FROM b) SELECT 1 INTO TEMP y; CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false);";
    for cut in 0..=sql.len() {
        for piece in [sql.get(..cut), sql.get(cut..)].into_iter().flatten() {
            let script = analyse(piece);
            let _ = (unwrapped(piece, &script), outside_effects(piece, &script), referenced_tables(&script));
            for statement in &script.statements {
                let _ = destructive(statement, piece);
                let _ = destructive(statement, "");
                let _ = destructive(statement, "é");
            }
            let _ = (locate(piece, &script, cut), locate("", &script, cut));
            if cut % 40 == 0 {
                let _ = lint("m", piece, &script);
                let _ = lint("m", "", &script);
            }
        }
    }
}

/// Real histories, if they are there: `DRYDOCK_CORPUS`, else `../shared/corpus` beside the repository.
fn corpus() -> Option<PathBuf> {
    let named = std::env::var_os("DRYDOCK_CORPUS").map(PathBuf::from);
    let beside = || {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .canonicalize()
            .expect("the repository");
        root.ancestors().map(|above| above.join("shared/corpus")).find(|path| path.exists())
    };
    named.or_else(beside)
}

fn history(path: PathBuf) -> BTreeMap<String, (String, Script)> {
    let folders = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut found = BTreeMap::new();
    for folder in folders {
        let file = folder.expect("a readable folder").path().join("migration.sql");
        if let Ok(script) = std::fs::read_to_string(&file) {
            let name = file
                .parent()
                .and_then(|folder| folder.file_name())
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let analysed = analyse(&script);
            found.insert(name, (script, analysed));
        }
    }
    found
}

/// The numbers were proven against PostgreSQL 15.18: psql sees the same statements in every file, and applying them one
/// by one gives the same schema.
#[test]
fn real_histories_are_split_as_the_server_splits_them() {
    let Some(corpus) = corpus() else { return };
    for (folder, files, statements, atomic) in
        [("langfuse/migrations", 434, 1117, 322), ("umami/postgresql/migrations", 19, 177, 19)]
    {
        let history = history(corpus.join(folder));
        assert_eq!(history.len(), files, "{folder}");
        assert_eq!(
            history.values().map(|(_, script)| script.statements.len()).sum::<usize>(),
            statements,
            "{folder}"
        );
        let modes = |wanted| history.values().filter(|(_, script)| script.mode == wanted).count();
        assert_eq!((modes(ScriptMode::Atomic), modes(ScriptMode::Stepwise)), (atomic, 0), "{folder}");
        for (name, (text, script)) in &history {
            assert_eq!(script.uncertain, None, "{name}");
            let findings = lint(name, text, script);
            let bad = findings.iter().find(|finding| finding.outcome > Outcome::Warn);
            assert_eq!(bad, None, "{name} was applied by its authors, so nothing in it may block");
        }
    }
}

#[test]
fn effects_know_their_kinds() {
    let script = analyse("CREATE SEQUENCE s; CREATE DOMAIN d AS int; CREATE VIEW v AS SELECT 1");
    let kinds: Vec<ObjectKind> =
        script.statements.iter().flat_map(|statement| &statement.effects).map(|effect| effect.kind).collect();
    assert_eq!(kinds, [ObjectKind::Sequence, ObjectKind::Type, ObjectKind::View]);
}

#[test]
fn an_expression_stays_within_its_brackets() {
    use drydock_engine::planner::sql::is_expression;
    for one in ["1", "upper(code)", "'a;b)' || ')'", "a[1]", "$$;)$$", "1 -- )", "(SELECT 1)", "E'\\')'"] {
        assert!(is_expression(one), "{one}");
    }
    for other in
        ["", "1; DROP TABLE t", "1) FROM t; COMMIT; --", ")(", "(1", "'open", "/* open", "1) + (2", "-- only"]
    {
        assert!(!is_expression(other), "{other}");
    }
}
