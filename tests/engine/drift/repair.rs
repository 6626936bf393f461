//! The doctor of failed migrations against a real server: what is in is told rightly, taking it back
//! leaves the schema as before, and finishing leaves it as if nothing had failed.

use super::server::{Server, run};
use drydock_engine::{
    adapters::postgres::catalogue::{fingerprint, read},
    checks::{
        effects::live_objects,
        repair::{FailedMigration, report},
    },
    domain::{
        plan::PlanPurpose,
        repair::{EffectState, RepairReport, RepairWay},
        statement::Script,
    },
    planner::sql::analyse,
};
use sqlx::PgConnection;

/// What is there before the migration.
const BEFORE: &str = "CREATE TYPE mood AS ENUM ('good');
    CREATE TABLE users (id int PRIMARY KEY, email text, age int, mood mood);
    INSERT INTO users SELECT n, 'a' || n % 2, n, 'good' FROM generate_series(1, 4) n;
    CREATE TABLE old_table (id int); CREATE INDEX old_idx ON users (age);";

struct Case {
    connection: PgConnection,
    sql: &'static str,
    script: Script,
    failed: Option<u32>,
    logs: String,
}

impl Case {
    /// Runs a script statement by statement, as a file with CONCURRENTLY is run, until it fails.
    async fn stepwise(server: &Server, sql: &'static str) -> Self {
        let mut connection = server.database().await;
        run(&mut connection, BEFORE).await;
        let script = analyse(sql);
        let (mut failed, mut logs) = (None, String::new());
        for statement in &script.statements {
            let text = sql[statement.start as usize..statement.end as usize].to_owned();
            if let Err(error) = sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut connection).await {
                let error = error.into_database_error().unwrap();
                logs =
                    format!("ERROR: {}\n\nDatabase error code: {}", error.message(), error.code().unwrap());
                failed = Some(statement.number);
                break;
            }
        }
        Self { connection, sql, script, failed, logs }
    }

    async fn report(&mut self, knows_the_failed_one: bool) -> RepairReport {
        let live = read(&mut self.connection, &["public".to_owned()]).await.unwrap();
        report(&FailedMigration {
            name: "1_failed",
            script_text: Some(self.sql),
            script: &self.script,
            live: &live,
            schema: "public",
            failed_statement: self.failed.filter(|_| knows_the_failed_one),
            ledger_logs: Some(&self.logs),
        })
    }

    async fn fingerprint(&mut self) -> String {
        fingerprint(&mut self.connection, &["public".to_owned()]).await.unwrap()
    }

    async fn execute(&mut self, way: &RepairWay) {
        for statement in &way.statements {
            run(&mut self.connection, &statement.sql).await;
        }
    }
}

fn states(report: &RepairReport) -> String {
    report
        .statements
        .iter()
        .map(|each| match each.state {
            EffectState::Present => '+',
            EffectState::Absent => '-',
            EffectState::Unknown => '?',
            EffectState::Broken => '!',
        })
        .collect()
}

fn way(report: &RepairReport, wanted: fn(&PlanPurpose) -> bool) -> &RepairWay {
    report.ways.iter().find(|way| wanted(&way.purpose)).unwrap()
}

fn undo(purpose: &PlanPurpose) -> bool {
    matches!(purpose, PlanPurpose::UndoFailed { .. })
}

fn finish(purpose: &PlanPurpose) -> bool {
    matches!(purpose, PlanPurpose::FinishFailed { .. })
}

/// Adds, fills, requires, then fails on doubles.
const DOUBLES: &str = r#"-- lower-case addresses
ALTER TABLE users ADD COLUMN email_lower text;
UPDATE users SET email_lower = lower(email);
ALTER TABLE "users" ALTER COLUMN "email_lower" SET NOT NULL;
CREATE UNIQUE INDEX CONCURRENTLY users_email_lower_key ON users (email_lower);
ALTER TABLE users ADD CONSTRAINT adult CHECK (age > 0);
"#;

#[tokio::test]
async fn a_half_applied_migration_is_told_taken_back_and_finished() {
    let server = Server::start(15);
    let mut case = Case::stepwise(&server, DOUBLES).await;
    let seen = case.report(true).await;
    assert_eq!(states(&seen), "+++!-");
    assert_eq!(seen.headline, "3 of 5 statements are in. 1 left something half done. Statement 4 failed.");
    assert_eq!(
        seen.error.as_deref(),
        Some("could not create unique index \"users_email_lower_key\" (23505)")
    );
    assert_eq!(seen.statements[1].evidence, "Statement 3, which runs after it, is in.");
    let back = &seen.ways[0];
    assert!(undo(&back.purpose) && back.recommended, "{:?}", back.purpose);
    let sql: Vec<&str> = back.statements.iter().map(|each| each.sql.as_str()).collect();
    assert_eq!(
        sql,
        [
            r#"DROP INDEX CONCURRENTLY "public"."users_email_lower_key""#,
            r#"ALTER TABLE "public"."users" DROP COLUMN "email_lower""#
        ]
    );
    assert_eq!((back.statements[0].destructive, back.statements[1].destructive), (false, true));
    let back = back.clone();
    case.execute(&back).await;
    let mut untouched = Case::stepwise(&server, "").await;
    assert_eq!(case.fingerprint().await, untouched.fingerprint().await, "the schema is as it was before");
    let again = case.report(false).await;
    assert_eq!(states(&again), "-----");
    assert!(again.ways[0].recommended && matches!(again.ways[0].purpose, PlanPurpose::MarkRolledBack { .. }));

    let mut case = Case::stepwise(&server, DOUBLES).await;
    run(&mut case.connection, "UPDATE users SET email_lower = email_lower || id").await;
    let rest = way(&case.report(true).await, finish).clone();
    assert_eq!(rest.refused, None);
    assert_eq!(rest.statements.len(), 3, "the INVALID index goes first: {:?}", rest.statements);
    case.execute(&rest).await;
    let all_in = case.report(false).await;
    assert_eq!(states(&all_in), "+++++", "{:?}", all_in.statements);
    assert!(all_in.ways[0].recommended && matches!(all_in.ways[0].purpose, PlanPurpose::MarkApplied { .. }));
}

#[tokio::test]
async fn every_invertible_statement_is_taken_back_exactly() {
    let server = Server::start(15);
    let sql = r#"CREATE TYPE colour AS ENUM ('red');
CREATE DOMAIN short AS varchar(10);
CREATE SEQUENCE numbers;
CREATE TABLE posts (id serial PRIMARY KEY, author int REFERENCES users (id), colour colour);
CREATE INDEX posts_author_idx ON posts (author);
INSERT INTO posts (author) VALUES (1);
ALTER TABLE users ADD COLUMN a int DEFAULT 1, ADD COLUMN b short UNIQUE, ADD CONSTRAINT age_positive CHECK (age > 0);
ALTER TABLE users ALTER COLUMN age SET NOT NULL;
ALTER TABLE users RENAME COLUMN email TO mail;
ALTER TABLE old_table RENAME TO new_table;
ALTER INDEX old_idx RENAME TO new_idx;
ALTER TYPE mood RENAME VALUE 'good' TO 'fine';
CREATE VIEW v AS SELECT mail FROM users;
CREATE MATERIALIZED VIEW m AS SELECT mail FROM users;
CREATE FUNCTION f(x int DEFAULT 1) RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION g();
CREATE POLICY p ON users USING (id > 0);
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE EXTENSION citext;
SELECT 1 / 0;"#;
    // A trigger function cannot have arguments.
    let sql: &'static str = Box::leak(
        sql.replace(
            "f(x int DEFAULT 1) RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
            "f(x int DEFAULT 1) RETURNS int LANGUAGE sql AS $$ SELECT x $$",
        )
        .into_boxed_str(),
    );
    let mut case = Case::stepwise(&server, sql).await;
    assert_eq!(case.failed, Some(21), "{}", case.logs);
    let seen = case.report(true).await;
    assert_eq!(states(&seen), "++++++++++++++++++++-", "{:#?}", seen.statements);
    let back = way(&seen, undo).clone();
    assert_eq!(back.refused, None);
    let destructive: Vec<&str> =
        back.statements.iter().filter(|each| each.destructive).map(|each| each.sql.as_str()).collect();
    assert_eq!(
        destructive,
        [
            r#"ALTER TABLE "public"."users" DROP COLUMN "b""#,
            r#"ALTER TABLE "public"."users" DROP COLUMN "a""#,
            r#"DROP TABLE "public"."posts""#
        ]
    );
    case.execute(&back).await;
    let mut untouched = Case::stepwise(&server, "").await;
    let schemas = ["public".to_owned()];
    let (now, before) = (
        read(&mut case.connection, &schemas).await.unwrap(),
        read(&mut untouched.connection, &schemas).await.unwrap(),
    );
    assert_eq!(now, before, "object by object as before");
}

#[tokio::test]
async fn what_cannot_be_told_or_taken_back_is_refused_with_its_reason() {
    let server = Server::start(15);
    let mut case = Case::stepwise(
        &server,
        "ALTER TYPE mood ADD VALUE 'bad'; DROP TABLE old_table; CREATE INDEX CONCURRENTLY i ON users (age); SELECT 1 / 0;",
    )
    .await;
    let seen = case.report(true).await;
    assert_eq!(states(&seen), "+++-");
    assert_eq!(way(&seen, undo).refused.as_deref(), Some("Statements 1 and 2 cannot be taken back."));
    let forward = &seen.ways[0];
    assert!(finish(&forward.purpose) && forward.recommended, "forward is the only way");

    let mut case =
        Case::stepwise(&server, "UPDATE users SET age = age + 1; UPDATE users SET age = 1 / 0;").await;
    case.failed = None;
    case.logs = String::new();
    let seen = case.report(false).await;
    assert_eq!(states(&seen), "??");
    assert_eq!(
        way(&seen, finish).refused.as_deref(),
        Some("Whether statements 1 and 2 ran cannot be told; running it twice may do harm.")
    );
    assert!(seen.ways.iter().all(|way| !way.recommended), "nothing is recommended on a guess");

    let mut case = Case::stepwise(&server, "CREATE TABLE made (id int); CREATE TABLE users (id int);").await;
    let seen = case.report(true).await;
    assert_eq!(states(&seen), "++");
    assert!(seen.statements[1].evidence.contains("It was there before"), "{}", seen.statements[1].evidence);
    let back = way(&seen, undo);
    assert_eq!(back.statements.len(), 1, "the table that was there before is not ours to drop");
}

#[tokio::test]
async fn the_failed_statement_is_found_in_the_ledgers_error_text() {
    let server = Server::start(15);
    let mut case =
        Case::stepwise(&server, "CREATE TABLE made (id int);\nCREATE TABLE users (id int);\nSELECT 1;").await;
    let seen = case.report(false).await;
    assert_eq!(
        seen.statements.iter().position(|each| each.failed_here),
        Some(1),
        "by the name in the message"
    );
    case.logs = "ERROR: division by zero\n\nPosition:\n\u{1b}[1m  2\u{1b}[0m CREATE TABLE users (id int);\n\u{1b}[1m  3\u{1b}[1;31m SELECT 1;\u{1b}[0m\n".into();
    let seen = case.report(false).await;
    assert_eq!(
        seen.statements.iter().position(|each| each.failed_here),
        Some(2),
        "by the line marked in red"
    );
}

#[tokio::test]
async fn the_objects_of_a_migration_are_counted_as_people_count_them() {
    let server = Server::start(15);
    let count = |live: &_, sql: &str| {
        live_objects(&analyse(sql), live, "public").map(|found| (found.present, found.countable))
    };
    let mut case = Case::stepwise(&server, "").await;
    let live = read(&mut case.connection, &["public".to_owned()]).await.unwrap();
    assert_eq!(
        count(
            &live,
            "CREATE TABLE users (id int PRIMARY KEY, email text); CREATE INDEX missing ON users (age);"
        ),
        Some((1, 2))
    );
    assert_eq!(count(&live, "DROP TABLE gone; DROP INDEX old_idx;"), Some((1, 2)));
    assert_eq!(
        count(&live, "ALTER TABLE users ADD COLUMN age int; ALTER TABLE users DROP COLUMN email;"),
        Some((1, 2))
    );
    assert_eq!(count(&live, "CREATE TABLE passing (id int); DROP TABLE passing;"), Some((1, 1)));
    assert_eq!(count(&live, "UPDATE users SET age = 1;"), None, "rows are not objects");
}
