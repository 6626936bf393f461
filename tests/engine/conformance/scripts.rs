//! Scripts by content and folders by shape. Where the peer gets a script through, we leave the same
//! rows and schema; where it fails, we fail alike or better, and always with the original error.

use super::harness::{
    Bench, Project, Recorded, connect, development, execute, failure_of, recorded, said, schema_of, text,
};
use drydock_engine::domain::FailureCode;
use drydock_engine::domain::run::RunStatus;
use drydock_lab::Version;
use sqlx::Connection;

/// Scripts that the peer runs without complaint, as one history.
const GOOD: &[(&str, &str)] = &[
    ("01_init", "CREATE TABLE a (id int PRIMARY KEY, b text);\nINSERT INTO a VALUES (1, 'x');"),
    ("02_concurrently_alone", "CREATE INDEX CONCURRENTLY a_b ON a (b);"),
    ("03_drop_concurrently_alone", "DROP INDEX CONCURRENTLY a_b"),
    ("04_empty", ""),
    ("05_only_a_comment", "-- nothing to do"),
    ("06_windows_lines", "CREATE TABLE crlf (\r\n  id int\r\n);\r\n\r\n-- done\r\n"),
    ("07_ends_in_a_comment", "CREATE TABLE c7 (id int) -- no semicolon, no line end"),
    (
        "08_bodies",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN NEW.b := 'a;b'; RETURN NEW; END; $body$;\n\
         CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();\n\
         DO $$ BEGIN EXECUTE 'CREATE TABLE from_do (id int)'; END $$;\n\
         INSERT INTO a VALUES (2, 'y');",
    ),
    ("09_own_transaction", "BEGIN;\nCREATE TABLE own (id int);\nCOMMIT;\n"),
    ("10_commit_without_begin", "CREATE TABLE c10 (id int); COMMIT; CREATE TABLE c10b (id int);"),
    ("11_vacuum_alone", "VACUUM a;"),
    ("12_add_value", "CREATE TYPE mood AS ENUM ('ok');\n"),
    ("13_add_value_alone", "ALTER TYPE mood ADD VALUE 'fine';"),
    ("14_use_of_the_value", "CREATE TABLE m (mood mood DEFAULT 'fine'); INSERT INTO m VALUES ('fine');"),
    (
        "15_procedure_that_commits",
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO a VALUES (15); COMMIT; INSERT INTO a VALUES (16); END $$;",
    ),
    ("16_call_alone", "CALL p();"),
    ("17_locks", "LOCK TABLE a IN SHARE MODE; SET LOCAL statement_timeout = 1000; SELECT 1;"),
    (
        "18_deferred",
        "CREATE TABLE d (id int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO d VALUES (1), (2); UPDATE d SET id = 3 - id;",
    ),
    (
        "19_quotes",
        "CREATE TABLE \"odd \"\"name\" (\"a;b\" text DEFAULT E'it\\'s; -- no comment'); COMMENT ON TABLE \"odd \"\"name\" IS 'x /* y';",
    ),
    (
        "20_session_timeouts",
        "SET statement_timeout = '5s'; SET lock_timeout = '4s'; CREATE TABLE s20 (id int);",
    ),
    ("21_after_the_timeouts", "CREATE TABLE s21 (id int); SELECT pg_sleep(0.01);"),
];

#[tokio::test]
async fn every_script_the_peer_can_run_leaves_the_same_rows_and_the_same_schema() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start(version).await;
        let project = Project::of(GOOD);
        let (ours, theirs) = (bench.database().await.1, bench.database().await.1);
        let answer = bench.peer.deploy(&theirs, &project.path());
        assert_eq!(answer.exit, 0, "{}", said(&answer));
        let run = bench.apply(&development(&ours, &project)).await.unwrap();
        assert_eq!(run.status, RunStatus::Succeeded, "{run:?}");
        assert_eq!(recorded(&ours).await, recorded(&theirs).await);
        assert_eq!(schema_of(&ours).await, schema_of(&theirs).await, "pg_dump sees no difference");
        for rows in ["SELECT string_agg(a::text, ',' ORDER BY id) FROM a", "SELECT count(*) FROM d"] {
            assert_eq!(text(&ours, rows).await, text(&theirs, rows).await, "{rows}");
        }
    }
}

#[tokio::test]
async fn where_the_peer_fails_in_good_order_we_leave_the_same_and_name_the_same_error() {
    let bench = Bench::start(Version::Debian15).await;
    for (title, sql, tables, error) in [
        (
            "third statement",
            "CREATE TABLE x (i int); CREATE TABLE y (i int);\nINSERT INTO nope VALUES (1);",
            "",
            "relation \"nope\" does not exist (SQLSTATE 42P01), line 2",
        ),
        (
            "after a commit",
            "BEGIN; CREATE TABLE x (i int); COMMIT; INSERT INTO nope VALUES (1);",
            "x",
            "relation \"nope\" does not exist",
        ),
        (
            "savepoint without begin",
            "CREATE TABLE x (i int); SAVEPOINT s; CREATE TABLE y (i int);",
            "",
            "SAVEPOINT can only be used in transaction blocks",
        ),
        (
            "commit in a procedure beside others",
            "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$; CALL p();",
            "",
            "invalid transaction termination",
        ),
        (
            "deferred check",
            "CREATE TABLE x (i int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO x VALUES (1),(1);",
            "",
            "Key (i)=(1) already exists",
        ),
        (
            "raised by hand",
            "DO $$ BEGIN RAISE EXCEPTION 'stop %', 7 USING HINT = 'ask Anna'; END $$;",
            "",
            "ask Anna",
        ),
    ] {
        let project = Project::of(&[("01_case", sql)]);
        let (ours, theirs) = (bench.database().await.1, bench.database().await.1);
        let answer = bench.peer.deploy(&theirs, &project.path());
        assert_eq!(answer.exit, 1, "{title}: {}", said(&answer));
        let run = bench.apply(&development(&ours, &project)).await.unwrap();
        let why = failure_of(&run, FailureCode::MigrationFailed).why.clone().unwrap();
        assert!(why.contains(error), "{title}: the server's own words: {why}");
        assert_eq!(recorded(&ours).await, recorded(&theirs).await, "{title}");
        let list = "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> '_prisma_migrations'";
        assert_eq!(text(&ours, list).await, tables, "{title}: what stayed");
        assert_eq!(text(&theirs, list).await, tables, "{title}: what stayed after the peer");
        let logs = text(&ours, "SELECT logs FROM _prisma_migrations").await;
        assert!(
            logs.contains("Migration name: 01_case") && logs.contains("Database error code:"),
            "{title}: {logs}"
        );
    }
}

fn failed(name: &str) -> Recorded {
    Recorded {
        name: name.to_owned(),
        checksum: String::new(),
        finished: false,
        rolled_back: false,
        steps: 0,
        logs: Some("text"),
    }
}

fn bare(rows: Vec<Recorded>) -> Vec<Recorded> {
    rows.into_iter().map(|row| Recorded { checksum: String::new(), ..row }).collect()
}

#[tokio::test]
async fn files_that_cannot_work_are_refused_before_anything_runs() {
    let bench = Bench::start(Version::Debian15).await;
    for (title, sql, why) in [
        ("byte order mark", "\u{feff}CREATE TABLE x (i int);", "PostgreSQL will refuse this file"),
        ("BEGIN without COMMIT", "BEGIN;\nCREATE TABLE x (i int);", "never commits"),
        (
            "BEGIN; CONCURRENTLY; COMMIT",
            "BEGIN; CREATE INDEX CONCURRENTLY x ON y (z); COMMIT;",
            "do not go together",
        ),
    ] {
        let project = Project::of(&[("01_init", "CREATE TABLE a (id int);"), ("02_case", sql)]);
        let (_, url) = bench.database().await;
        let refused = bench.apply(&development(&url, &project)).await.unwrap_err();
        assert_eq!(refused.code, FailureCode::GateClosed, "{title}");
        assert!(refused.what.contains(why), "{title}: {refused:?}");
        assert_eq!(
            recorded(&url).await,
            [],
            "{title}: the peer would leave a failed row; we leave nothing at all"
        );
    }
}

/// Where the peer fails or spoils its own ledger, and what we leave instead.
struct Better {
    title: &'static str,
    script: &'static str,
    /// SQL on the target afterwards, and its answer.
    then: (&'static str, &'static str),
    /// The error; `None`: it goes through, and so does the next migration.
    error: Option<&'static str>,
}

const BETTER: &[Better] = &[
    Better {
        title: "CREATE INDEX CONCURRENTLY beside others",
        script: "ALTER TABLE a ADD COLUMN c int;\nCREATE INDEX CONCURRENTLY a_c ON a (c);\nCREATE TABLE z (i int);",
        then: ("SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_c'::regclass", "true"),
        error: None,
    },
    Better {
        title: "DROP INDEX CONCURRENTLY beside others",
        script: "CREATE INDEX a_id ON a (id);\nDROP INDEX CONCURRENTLY a_id;\nCREATE TABLE z (i int);",
        then: ("SELECT to_regclass('a_id') IS NULL AND to_regclass('z') IS NOT NULL", "true"),
        error: None,
    },
    Better {
        title: "an enum value added and used",
        script: "ALTER TYPE mood ADD VALUE 'fine';\nCREATE TABLE m (mood mood DEFAULT 'fine');\nINSERT INTO m DEFAULT VALUES;",
        then: ("SELECT mood FROM m", "fine"),
        error: None,
    },
    Better {
        title: "CONCURRENTLY in the middle, failing after it",
        script: "CREATE TABLE z (i int);\nCREATE INDEX CONCURRENTLY z_i ON z (i);\nINSERT INTO nope VALUES (1);",
        then: ("SELECT indisvalid FROM pg_index WHERE indexrelid = 'z_i'::regclass", "true"),
        error: Some("relation \"nope\" does not exist (SQLSTATE 42P01), line 3"),
    },
    Better {
        title: "BEGIN; a; bad; COMMIT",
        script: "BEGIN;\nCREATE TABLE z (i int);\nINSERT INTO nope VALUES (1);\nCOMMIT;",
        then: ("SELECT to_regclass('z') IS NULL", "true"),
        error: Some("relation \"nope\" does not exist (SQLSTATE 42P01), line 3"),
    },
    Better {
        title: "a second transaction is begun and never committed",
        script: "BEGIN;\nCREATE TABLE kept (i int);\nCOMMIT AND CHAIN;\nCREATE TABLE z (i int);",
        then: ("SELECT to_regclass('z') IS NULL AND to_regclass('kept') IS NOT NULL", "true"),
        error: Some("BEGIN without its COMMIT"),
    },
    Better {
        title: "SET search_path",
        script: "CREATE SCHEMA z;\nSET search_path = z;\nCREATE TABLE inside (i int);",
        then: ("SELECT to_regclass('z.inside') IS NOT NULL", "true"),
        error: None,
    },
    Better {
        title: "pg_dump's set_config",
        script: "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.dumped (i int);",
        then: ("SELECT to_regclass('public.dumped') IS NOT NULL", "true"),
        error: None,
    },
    Better {
        title: "search_path changed from inside a DO block",
        script: "CREATE SCHEMA z;\nDO $$ BEGIN PERFORM set_config('search_path', 'z', false); END $$;",
        then: ("SELECT to_regnamespace('z') IS NOT NULL", "true"),
        error: None,
    },
    Better {
        title: "search_path changed by a function that is called",
        script: "CREATE SCHEMA z;\nCREATE FUNCTION public.go() RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE ''SET search_path = z''; END';\nSELECT public.go();",
        then: ("SELECT to_regnamespace('z') IS NOT NULL", "true"),
        error: None,
    },
    Better {
        title: "SET ROLE",
        script: "CREATE ROLE weak_%; GRANT CREATE, USAGE ON SCHEMA public TO weak_%; SET ROLE weak_%;\nCREATE TABLE of_weak (i int);",
        then: ("SELECT tableowner LIKE 'weak%' FROM pg_tables WHERE tablename = 'of_weak'", "true"),
        error: None,
    },
    Better {
        title: "all session locks let go",
        script: "SELECT pg_advisory_unlock_all();\nCREATE TABLE z (i int);",
        then: ("SELECT to_regclass('z') IS NOT NULL", "true"),
        error: None,
    },
];

#[tokio::test]
async fn scripts_that_spoil_the_peer_s_ledger_do_not_spoil_ours() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start(version).await;
        for (number, case) in BETTER.iter().enumerate() {
            let project = Project::of(&[
                ("01_init", "CREATE TABLE a (id int); CREATE TYPE mood AS ENUM ('ok');"),
                ("02_case", &case.script.replace('%', &number.to_string())),
                ("03_next", "CREATE TABLE next (i int);"),
            ]);
            let (_, url) = bench.database().await;
            let run = bench.apply(&development(&url, &project)).await.unwrap();
            let title = case.title;
            let rows = bare(recorded(&url).await);
            match case.error {
                None => {
                    assert_eq!(run.status, RunStatus::Succeeded, "{title}: {run:?}");
                    assert_eq!(rows.len(), 3, "{title}: {rows:?}");
                    assert!(
                        rows.iter().all(|row| row.finished && row.steps == 1 && row.logs.is_none()),
                        "{title}: {rows:?}"
                    );
                    assert_eq!(
                        text(&url, "SELECT relnamespace::regnamespace || ' ' || relowner::regrole FROM pg_class WHERE relname = 'next'").await,
                        format!("public {}", bench.server.user()),
                        "{title}: nothing of the session carries over to the next migration"
                    );
                    let answer = bench.peer_after(number, &url, &project);
                    assert!(answer.is_none_or(|exit| exit == 0), "{title}: the peer sees it as up to date");
                }
                Some(error) => {
                    let failure = failure_of(&run, FailureCode::MigrationFailed);
                    let told = format!("{} {}", failure.what, failure.why.clone().unwrap_or_default());
                    assert!(told.contains(error), "{title}: the original error: {told}");
                    assert_eq!(
                        rows[1..],
                        [failed("02_case")],
                        "{title}: its row says failed and why; the next did not run"
                    );
                }
            }
            assert_eq!(text(&url, case.then.0).await, case.then.1, "{title}");
        }
    }
}

impl Bench {
    /// The peer's status after one case in four: each call takes the better part of a second.
    fn peer_after(&self, number: usize, url: &str, project: &Project) -> Option<i32> {
        (number % 4 == 0).then(|| self.peer.status(url, &project.path()).exit)
    }
}

#[tokio::test]
async fn folders_are_listed_ordered_and_hashed_as_the_peer_does() {
    let bench = Bench::start(Version::Debian15).await;
    let project = Project::new();
    // `_` before `-` before digits before letters, numbers by digit, lower case before upper case.
    for name in [
        "_x",
        "0_init",
        "1_z",
        "10_z",
        "2_z",
        "20240101000000_a",
        "20240101000000_b",
        "20240101000000_B",
        "20240101000000-a",
        "20240101000000a",
        "20240101_x",
        "20240101000000_y",
        "A",
        "b",
        ".hidden",
        "20240126184148_new_models copy",
        "Ünïcode ~ name",
        "it's",
    ] {
        project.write(name, format!("SELECT '{}';", name.replace('\'', "''")));
    }
    project.write("30_invalid_bytes", b"SELECT 'caf\xe9' AS x;");
    project.write("31_windows", "SELECT 1;\r\nSELECT 2;\r\n");
    project.write("32_empty", "");
    // None of these is a migration.
    std::fs::write(project.path().join("33_file"), "SELECT 1").unwrap();
    std::fs::create_dir_all(project.path().join("34_outer/35_inner")).unwrap();
    std::fs::write(project.path().join("34_outer/migration.sql"), "SELECT 34").unwrap();
    std::fs::write(project.path().join("34_outer/35_inner/migration.sql"), "SELECT nope").unwrap();
    let elsewhere = Project::of(&[("linked", "SELECT nope")]);
    std::os::unix::fs::symlink(elsewhere.path().join("linked"), project.path().join("36_link")).unwrap();
    let (ours, theirs) = (bench.database().await.1, bench.database().await.1);
    let answer = bench.peer.deploy(&theirs, &project.path());
    assert_eq!(answer.exit, 0, "{}", said(&answer));
    let target = development(&ours, &project);
    let run = bench.apply(&target).await.unwrap();
    assert_eq!(run.status, RunStatus::Succeeded, "{run:?}");
    assert_eq!(recorded(&ours).await, recorded(&theirs).await, "names, checksums and order");
    assert_eq!(recorded(&ours).await.len(), 22);
    let (status, _) = bench.states(&development(&theirs, &project)).await;
    assert_eq!(status.prisma_exit_code, 0, "checksums fit, and no folder is missing: {:?}", status.findings);
}

#[tokio::test]
async fn a_schema_of_its_own_is_created_and_used_as_the_peer_does() {
    let bench = Bench::start(Version::Debian15).await;
    let project = Project::of(&[
        ("01_init", "CREATE TABLE a (id int PRIMARY KEY);"),
        ("02_more", "ALTER TABLE a ADD COLUMN b text;"),
    ]);
    let (ours, theirs) = (bench.database().await.1, bench.database().await.1);
    // The peer's stand-in engine does not make the schema; the native one does.
    execute(&theirs, "CREATE SCHEMA \"App \"\"1\"\"\"").await;
    let schema = |url: &str| format!("{url}&schema=App%20%221%22");
    let (ours_there, theirs_there) = (schema(&ours), schema(&theirs));
    let run = bench.apply(&development(&ours_there, &project)).await.unwrap();
    assert_eq!(run.status, RunStatus::Succeeded, "{run:?}");
    assert_eq!(text(&ours, "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = '\"App \"\"1\"\"\"'::regnamespace").await, "_prisma_migrations,a");
    let plain = ours.replace("base_", "base_");
    let mut connection = connect(&plain).await;
    sqlx::raw_sql("CREATE TABLE public.mine (id int)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let status = bench.engine.migration_status(&development(&ours_there, &project)).await.unwrap();
    assert_eq!(status.prisma_exit_code, 0, "tables of another schema are none of its business");
    drop(theirs_there);
}
