//! Going back after the world moved: rows, columns, references and migrations that came in between are told before,
//! decided by the operator, and never guessed.

use super::harness::{Bench, State, deep, one, quick, run};
use super::restore::{all_of, restore};
use super::rollback::{add, apply, back, carry_out, project};
use drydock_engine::ApplyOptions;
use drydock_engine::domain::FailureCode;
use drydock_engine::domain::backup::{RestoreRequest, RestoreWhat, TableName};
use drydock_engine::domain::plan::Confirmation;
use drydock_engine::domain::run::RunStatus;
use drydock_lab::PrismaPeer;

const FIRST: &str = "CREATE TABLE users (id integer PRIMARY KEY, name text); INSERT INTO users SELECT i, 'u' || i FROM generate_series(1, 20) i;";
const SECOND: &str = "CREATE TABLE avatars (id integer PRIMARY KEY, who integer REFERENCES users (id)); INSERT INTO avatars VALUES (1, 1);";

#[tokio::test]
async fn a_migration_by_another_tool_voids_the_plan_of_a_roll_back_and_is_left_alone() {
    let bench = Bench::start().await;
    let (target, mut connection) = bench.base("shop", "").await;
    let project = project(&[("20260101000000_first", FIRST), ("20260102000000_second", SECOND)]);
    let target = target.with_folder(project.path()).unwrap();
    assert_eq!(apply(&bench, &target).await.status, RunStatus::Succeeded);
    let review = bench.engine.roll_back_plan(&target, back(&["20260102000000_second"])).await.unwrap();
    let tried = bench.engine.start_dry_run(&target, &review.plan.id).await.unwrap();
    assert_eq!(bench.engine.wait_run(&tried.id, &mut |_| {}).await.unwrap().status, RunStatus::Succeeded);
    // Somebody deploys the next one meanwhile, with the other tool.
    add(
        project.path(),
        "20260103000000_third",
        "CREATE TABLE orders (id integer PRIMARY KEY); INSERT INTO orders VALUES (7);",
    );
    let migrations = project.path().join("prisma/migrations");
    let deployed = PrismaPeer::find().deploy(&bench.server.url("shop"), &migrations);
    assert_eq!(deployed.exit, 0, "{deployed:?}");
    let before = State::read(&mut connection).await;
    let confirmation = Confirmation {
        digest: review.plan.digest.clone(),
        ticked_findings: (0_u32..).take(review.plan.findings.len()).collect(),
        ..Confirmation::default()
    };
    let refused =
        bench.engine.start_apply(&target, &review.plan.id, confirmation, ApplyOptions::default()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, FailureCode::PlanVoid, "{refused:?}");
    State::read(&mut connection).await.is_as(&before);
    // The new plan knows it, and takes back what was asked for alone.
    let review = bench.engine.roll_back_plan(&target, back(&["20260102000000_second"])).await.unwrap();
    let rolled = carry_out(&bench, &target, review).await.unwrap();
    assert_eq!(rolled.status, RunStatus::Succeeded, "{:#?}", rolled.failure);
    let there = "SELECT concat_ws(' ', to_regclass('avatars') IS NULL, (SELECT string_agg(id::text, ',') FROM orders), (SELECT count(*) FROM users))";
    assert_eq!(one(&mut connection, there).await, "t 7 20");
    let ledger = "SELECT string_agg(migration_name || CASE WHEN rolled_back_at IS NULL THEN '' ELSE ' back' END, ',' ORDER BY migration_name) FROM _prisma_migrations";
    assert_eq!(
        one(&mut connection, ledger).await,
        "20260101000000_first,20260102000000_second back,20260103000000_third"
    );
}

#[tokio::test]
async fn rows_that_a_migration_changed_come_back_from_the_backup_where_the_operator_says_so() {
    for request in [quick(), deep()] {
        let bench = Bench::start().await;
        let (target, mut connection) = bench.base("shop", "").await;
        let project = project(&[("1_first", FIRST)]);
        let target = target.with_folder(project.path()).unwrap();
        assert_eq!(apply(&bench, &target).await.status, RunStatus::Succeeded);
        let before = State::of_product(&mut connection).await;
        bench.proven(&target, request).await;
        add(
            project.path(),
            "2_second",
            "UPDATE users SET name = upper(name); DELETE FROM users WHERE id > 15; CREATE TABLE later (id integer);",
        );
        assert_eq!(apply(&bench, &target).await.status, RunStatus::Succeeded);
        // Somebody goes on working on the same table.
        run(
            &mut connection,
            "INSERT INTO users VALUES (100, 'new'); UPDATE users SET name = 'Ana' WHERE id = 1",
        )
        .await;
        // Left as it is unless it is chosen, and named.
        let review = bench.engine.roll_back_plan(&target, back(&["2_second"])).await.unwrap();
        let step = review.plan.roll_back().unwrap();
        assert_eq!(step.written.len(), 1, "{:#?}", step.written);
        assert_eq!((&step.written[0].table.name[..], step.written[0].back), ("users", false));
        assert_eq!(step.written[0].closed, None);
        assert!(step.rows.is_empty());
        // Chosen: every row as it was, and what is lost by that is said and counted.
        let mut chosen = back(&["2_second"]);
        chosen.rows_back = vec![TableName::new("public", "users")];
        let review = bench.engine.roll_back_plan(&target, chosen).await.unwrap();
        assert!(review.plan.roll_back().unwrap().written[0].back);
        let lost = review.plan.findings.iter().find(|finding| finding.check == "rows-replaced").unwrap();
        assert!(lost.destructive && lost.title.contains("users"), "{lost:?}");
        let rolled = carry_out(&bench, &target, review).await.unwrap();
        assert_eq!(rolled.status, RunStatus::Succeeded, "{:#?}", rolled.failure);
        State::of_product(&mut connection).await.is_as(&before);
    }
}

#[tokio::test]
async fn without_a_backup_from_before_the_rows_of_a_migration_cannot_be_chosen() {
    let bench = Bench::start().await;
    let (target, _connection) = bench.base("shop", "").await;
    let project = project(&[("1_first", FIRST), ("2_second", "UPDATE users SET name = upper(name);")]);
    let target = target.with_folder(project.path()).unwrap();
    assert_eq!(apply(&bench, &target).await.status, RunStatus::Succeeded);
    bench.proven(&target, deep()).await;
    let mut chosen = back(&["2_second"]);
    chosen.rows_back = vec![TableName::new("public", "users")];
    let review = bench.engine.roll_back_plan(&target, chosen).await.unwrap();
    let step = review.plan.roll_back().unwrap();
    assert!(step.rows.is_empty() && !step.written[0].back, "a newer backup holds what they wrote");
    assert!(step.written[0].closed.as_ref().unwrap().contains("no backup from before"));
    assert!(review.plan.findings.iter().any(|finding| finding.check == "no-rows"));
}

#[tokio::test]
async fn references_and_columns_that_are_new_stop_a_restore_by_name() {
    let bench = Bench::start().await;
    let (target, mut connection) = bench.base("shop", FIRST).await;
    let (backup, _) = bench.proven(&target, quick()).await;
    run(&mut connection, "INSERT INTO users VALUES (50, 'later'); CREATE TABLE cards (id integer PRIMARY KEY, who integer REFERENCES users (id)); INSERT INTO cards VALUES (1, 50)").await;
    let moved = State::read(&mut connection).await;
    let users = || RestoreRequest {
        what: RestoreWhat::Tables { tables: vec![TableName::new("public", "users")] },
        ..all_of(&backup.id)
    };
    let ended = restore(&bench, &target, users()).await.unwrap();
    assert_eq!(ended.status, RunStatus::Failed);
    let failure = ended.failure.unwrap();
    assert!(failure.why.as_ref().unwrap().contains("cards"), "{failure:?}");
    State::read(&mut connection).await.is_as(&moved);
    // Where the new rows refer to what comes back, the reference is kept, and checked.
    run(&mut connection, "UPDATE cards SET who = 3").await;
    let ended = restore(&bench, &target, users()).await.unwrap();
    assert_eq!(ended.status, RunStatus::Succeeded, "{:#?}", ended.failure);
    let valid = "SELECT count(*) || bool_and(convalidated)::text FROM pg_constraint WHERE conrelid = 'cards'::regclass AND contype = 'f'";
    assert_eq!(one(&mut connection, valid).await, "1true");
    for (change, said) in [
        ("ALTER TABLE users ADD COLUMN mail text", "column mail is new"),
        ("ALTER TABLE users DROP COLUMN mail, DROP COLUMN name", "column name is gone"),
        ("ALTER TABLE users ADD COLUMN name integer", "column name was text and is integer"),
    ] {
        run(&mut connection, change).await;
        let loss = bench.engine.restore_loss(&target, &users()).await.unwrap();
        assert!(loss.obstacles.iter().any(|line| line.contains(said)), "{:#?}", loss.obstacles);
        assert_eq!(restore(&bench, &target, users()).await.unwrap_err().code, FailureCode::RestoreRefused);
    }
}
