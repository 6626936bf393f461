//! Rolling migrations back: afterwards schema, rows and next values are as before them; what others did since is told
//! before, and stops it by name where it is in the way.

use super::filler::fill;
use super::harness::{Bench, State, deep, one, quick, run};
use drydock_engine::ApplyOptions;
use drydock_engine::Target;
use drydock_engine::domain::Failure;
use drydock_engine::domain::backup::TableName;
use drydock_engine::domain::plan::{Confirmation, PlanPurpose, PlanReview};
use drydock_engine::domain::rollback::RollBackRequest;
use drydock_engine::domain::run::{Run, RunStatus};
use std::path::Path;

const FIRST: &str = r#"
CREATE TYPE "Mood" AS ENUM ('ok', 'bad');
CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, mood "Mood" NOT NULL DEFAULT 'ok', age integer, old_name text NOT NULL DEFAULT 'x', score numeric(10,2));
CREATE TABLE posts (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, author integer NOT NULL REFERENCES users (id) ON DELETE CASCADE, title text, body text);
CREATE INDEX posts_title ON posts (title);
CREATE TABLE tags (id text PRIMARY KEY, label text);
CREATE TABLE post_tags (post integer REFERENCES posts (id), tag text REFERENCES tags (id), PRIMARY KEY (post, tag));
CREATE VIEW happy AS SELECT id, email FROM users WHERE mood = 'ok';
CREATE FUNCTION shout(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper(t)';
CREATE TABLE plain (id integer PRIMARY KEY, v text CHECK (v <> 'no'));
"#;

const SECOND: &str = r#"
ALTER TYPE "Mood" ADD VALUE 'great';
"#;

const THIRD: &str = r#"
CREATE TYPE "Level" AS ENUM ('low', 'high');
CREATE TABLE avatar_projects (id serial PRIMARY KEY, owner integer NOT NULL REFERENCES users (id), level "Level" NOT NULL DEFAULT 'low');
CREATE TABLE avatars (id serial PRIMARY KEY, project integer NOT NULL REFERENCES avatar_projects (id), parent integer REFERENCES avatars (id));
ALTER TABLE avatar_projects ADD COLUMN cover integer REFERENCES avatars (id);
CREATE INDEX avatars_project ON avatars (project);
ALTER TABLE users ADD COLUMN nickname text, ADD COLUMN level "Level";
ALTER TABLE users DROP COLUMN old_name;
ALTER TABLE users ALTER COLUMN age TYPE bigint, ALTER COLUMN age SET DEFAULT 7;
ALTER TABLE users ALTER COLUMN score SET NOT NULL;
DROP INDEX posts_title;
CREATE UNIQUE INDEX posts_body ON posts (md5(body), id);
ALTER TABLE posts DROP CONSTRAINT posts_author_fkey;
ALTER TABLE posts ADD CONSTRAINT posts_author_fkey FOREIGN KEY (author) REFERENCES users (id) ON DELETE RESTRICT;
DROP TABLE post_tags; DROP TABLE tags;
CREATE OR REPLACE VIEW happy AS SELECT id, email, nickname FROM users WHERE mood = 'ok';
CREATE OR REPLACE FUNCTION shout(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper(t) || ''!''';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE plain ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_it ON plain USING (true);
ALTER TABLE plain DROP CONSTRAINT plain_v_check;
UPDATE plain SET v = 'no';
"#;

pub fn project(migrations: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("prisma/migrations");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("migration_lock.toml"), "provider = \"postgresql\"\n").unwrap();
    for (name, sql) in migrations {
        add(root.path(), name, sql);
    }
    root
}

pub fn add(root: &Path, name: &str, sql: &str) {
    let folder = root.join("prisma/migrations").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("migration.sql"), sql).unwrap();
}

pub async fn apply(bench: &Bench, target: &Target) -> Run {
    let review = bench.engine.plan_create(target, PlanPurpose::ApplyPending).await.unwrap();
    carry_out(bench, target, review).await.unwrap()
}

pub async fn carry_out(bench: &Bench, target: &Target, review: PlanReview) -> Result<Run, Failure> {
    let tried = bench.engine.start_dry_run(target, &review.plan.id).await?;
    let tried = bench.engine.wait_run(&tried.id, &mut |_| {}).await?;
    if tried.status != RunStatus::Succeeded {
        return Ok(tried);
    }
    let ticked = (0_u32..).take(review.plan.findings.len()).collect();
    let confirmation = Confirmation {
        digest: review.plan.digest.clone(),
        ticked_findings: ticked,
        ..Confirmation::default()
    };
    let run =
        bench.engine.start_apply(target, &review.plan.id, confirmation, ApplyOptions::default()).await?;
    bench.engine.wait_run(&run.id, &mut |_| {}).await
}

pub fn back(migrations: &[&str]) -> RollBackRequest {
    RollBackRequest {
        migrations: migrations.iter().map(|name| (*name).to_owned()).collect(),
        rows_back: Vec::new(),
        backup_id: None,
    }
}

#[tokio::test]
async fn migrations_of_every_kind_are_rolled_back_to_what_was_before_them() {
    for request in [quick(), deep()] {
        let bench = Bench::start().await;
        let (target, mut connection) = bench.base("shop", "").await;
        let project = project(&[("1_first", FIRST)]);
        let target = target.with_folder(project.path()).unwrap();
        assert_eq!(apply(&bench, &target).await.status, RunStatus::Succeeded);
        fill(&mut connection, 50).await;
        let before = State::of_product(&mut connection).await;
        bench.proven(&target, request).await;
        add(project.path(), "2_second", SECOND);
        add(project.path(), "3_third", &THIRD.replace("SET NOT NULL", "SET DEFAULT 0"));
        let applied = apply(&bench, &target).await;
        assert_eq!(applied.status, RunStatus::Succeeded, "{:?}", applied.failure);
        run(&mut connection, "INSERT INTO avatar_projects (owner) SELECT min(id) FROM users").await;
        let rolled = RollBackRequest {
            rows_back: vec![TableName::new("public", "plain")],
            ..back(&["2_second", "3_third"])
        };
        let review = bench.engine.roll_back_plan(&target, rolled).await.unwrap();
        let said: Vec<&str> = review.plan.findings.iter().map(|finding| finding.title.as_str()).collect();
        assert!(said.iter().any(|said| said.contains("avatar_projects goes, with the 1 row")), "{said:#?}");
        assert!(said.iter().any(|said| said.contains("nickname")), "{said:#?}");
        assert!(said.iter().any(|said| said.contains("next deploy applies them again")), "{said:#?}");
        let run = carry_out(&bench, &target, review).await.unwrap();
        assert_eq!(run.status, RunStatus::Succeeded, "{:#?}\n{:#?}", run.failure, run.steps);
        State::of_product(&mut connection).await.is_as_but_for_order(&before);
        let marked = one(
            &mut connection,
            "SELECT count(*)::text FROM _prisma_migrations WHERE rolled_back_at IS NOT NULL",
        )
        .await;
        assert_eq!(marked, "2");
        // Prisma's next deploy applies them again, and so do we.
        let again = bench.engine.plan_create(&target, PlanPurpose::ApplyPending).await.unwrap();
        assert_eq!(again.plan.migrations().count(), 2);
    }
}

#[tokio::test]
async fn what_others_built_on_a_migration_stops_its_roll_back_by_name() {
    let bench = Bench::start().await;
    let (target, mut connection) = bench.base("shop", "").await;
    let project = project(&[
        ("1_first", FIRST),
        (
            "2_tables",
            "CREATE TABLE avatars (id serial PRIMARY KEY, name text); ALTER TABLE users ADD COLUMN nickname text;",
        ),
    ]);
    let target = target.with_folder(project.path()).unwrap();
    assert_eq!(apply(&bench, &target).await.status, RunStatus::Succeeded);
    run(&mut connection, "CREATE TABLE foreign_part (id integer REFERENCES avatars (id)); INSERT INTO avatars (name) VALUES ('a'), ('b')").await;
    let before = State::of_product(&mut connection).await;
    let review = bench.engine.roll_back_plan(&target, back(&["2_tables"])).await.unwrap();
    let tried = carry_out(&bench, &target, review).await.unwrap();
    assert_eq!(tried.status, RunStatus::Failed, "the dry run tells it");
    assert!(tried.failure.unwrap().why.unwrap().contains("foreign_part"));
    State::of_product(&mut connection).await.is_as(&before);
    // One that a later migration needs is refused before anything is tried.
    add(project.path(), "3_more", "ALTER TABLE avatars ADD COLUMN size integer;");
    run(&mut connection, "DROP TABLE foreign_part").await;
    assert_eq!(apply(&bench, &target).await.status, RunStatus::Succeeded);
    let refused = bench.engine.roll_back_plan(&target, back(&["2_tables"])).await.unwrap_err();
    assert!(refused.what.contains("3_more"), "{refused:?}");
    // A column that somebody else added to a table of the migration goes with it, and is said.
    let review = bench.engine.roll_back_plan(&target, back(&["2_tables", "3_more"])).await.unwrap();
    let rolled = carry_out(&bench, &target, review).await.unwrap();
    assert_eq!(rolled.status, RunStatus::Succeeded, "{:#?}", rolled.failure);
    assert_eq!(one(&mut connection, "SELECT (to_regclass('avatars') IS NULL)::text").await, "true");
}

/// The last migrations of a real history, over generated rows.
#[tokio::test]
async fn the_last_migrations_of_a_real_history_are_rolled_back() {
    let corpus = drydock_lab::corpus().join("langfuse/migrations");
    let mut names: Vec<String> = std::fs::read_dir(&corpus)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| corpus.join(name).is_dir())
        .collect();
    names.sort();
    let (older, newer) = names.split_at(names.len() - 30);
    let copy = |root: &Path, name: &str| {
        add(root, name, &std::fs::read_to_string(corpus.join(name).join("migration.sql")).unwrap());
    };
    let project = project(&[]);
    for name in older {
        copy(project.path(), name);
    }
    let bench = Bench::start().await;
    let (target, mut connection) = bench.base("langfuse", "").await;
    let target = target.with_folder(project.path()).unwrap();
    let first = apply(&bench, &target).await;
    assert_eq!(first.status, RunStatus::Succeeded, "{:?}", first.failure);
    let rows = fill(&mut connection, 200).await;
    assert!(rows > 2_000, "{rows}");
    let before = State::of_product(&mut connection).await;
    bench.proven(&target, deep()).await;
    for name in newer {
        copy(project.path(), name);
    }
    let release = apply(&bench, &target).await;
    assert_eq!(release.status, RunStatus::Succeeded, "{:?}", release.failure);
    let all: Vec<&str> = newer.iter().map(String::as_str).collect();
    let review = bench.engine.roll_back_plan(&target, back(&all)).await.unwrap();
    // Every table whose rows the release wrote gets them back.
    let rows_back: Vec<TableName> = review
        .plan
        .findings
        .iter()
        .filter(|finding| finding.check == "rows-stay")
        .filter_map(|finding| finding.title.strip_prefix("They wrote rows of "))
        .filter_map(|rest| rest.split(';').next())
        .map(|name| TableName::new("public", name))
        .collect();
    let review =
        bench.engine.roll_back_plan(&target, RollBackRequest { rows_back, ..back(&all) }).await.unwrap();
    let findings: Vec<String> = review.plan.findings.iter().map(|finding| finding.title.clone()).collect();
    let rolled = carry_out(&bench, &target, review).await.unwrap();
    assert_eq!(
        rolled.status,
        RunStatus::Succeeded,
        "{:#?}\n{:#?}\n{findings:#?}",
        rolled.failure,
        rolled.steps
    );
    State::of_product(&mut connection).await.is_as_but_for_order(&before);
}
