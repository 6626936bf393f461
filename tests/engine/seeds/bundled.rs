//! The profiles that come with Drydock, on the tables that they bring.

use super::harness::{Base, Bench, answers, counts, image, nothing, run, table, text, with_password};
use drydock_engine::domain::Outcome;
use drydock_engine::domain::seed::{ProfileWork, SeedAnswers, UndoState};
use std::path::Path;

const PROFILES: [&str; 4] = ["production-baseline", "ai-models", "erp-light", "erp-full"];

/// A database with the tables of a bundled profile.
async fn base(bench: &Bench, name: &str) -> Base {
    let mut files: Vec<_> =
        std::fs::read_dir(drydock_lab::repository().join("seeds").join(name).join("migrations"))
            .unwrap()
            .map(|entry| entry.unwrap().path().join("migration.sql"))
            .filter(|path| path.is_file())
            .collect();
    files.sort();
    let mut base = bench.base(&name.replace('-', "_"), "").await;
    for file in files {
        run(&mut base.connection, &std::fs::read_to_string(file).unwrap()).await;
    }
    base
}

fn form(bench: &Bench, name: &str, password: &str) -> SeedAnswers {
    match name {
        "production-baseline" => with_password(
            answers(&[("admin_email", "ada@atelier.example"), ("admin_name", "Ada")]),
            &bench.engine,
            "admin_password",
            password,
        ),
        _ => nothing(),
    }
}

#[tokio::test]
async fn each_is_written_as_shown_then_changes_nothing_then_goes_without_a_trace() {
    let bench = Bench::start().await;
    for name in PROFILES {
        let mut base = base(&bench, name).await;
        let id = format!("bundled:{name}");
        let before = image(&mut base.connection).await;
        let (first, written) =
            bench.seed(&base.target, Path::new(&id), form(&bench, name, "mossy-lantern-42-orbit")).await;
        let rows: u32 = written.tables.iter().map(|table| table.inserted).sum();
        assert!(
            rows > 4 && written.tables.iter().all(|table| counts(table).1 == 0),
            "{name} only adds: {written:?}"
        );
        assert_eq!(written.again.outcome, Outcome::Pass, "{name}: {:?}", written.again);
        let versions = "SELECT string_agg(xmin::text, ',' ORDER BY xmin::text) FROM (SELECT xmin FROM roles UNION ALL SELECT xmin FROM clients) x";
        let erp = name.starts_with("erp");
        let seeded = image(&mut base.connection).await;
        let written_by = if erp { text(&mut base.connection, versions).await } else { String::new() };

        let (second, again) =
            bench.seed(&base.target, Path::new(&id), form(&bench, name, "mossy-lantern-42-orbit")).await;
        assert!(
            again.tables.iter().all(|table| counts(table) == (0, 0, 0, 0)),
            "{name}, a second time: {again:?}"
        );
        assert_eq!(image(&mut base.connection).await, seeded, "{name}");
        if erp {
            assert_eq!(text(&mut base.connection, versions).await, written_by, "no row version was written");
        }
        let state = bench.engine.run_changes(&second.id).await.unwrap().unwrap().undo;
        assert!(matches!(state, UndoState::Impossible { .. }), "there is nothing to take back: {state:?}");

        let (undone, _) = bench.undo(&base.target, &first, Vec::new()).await;
        assert_eq!(image(&mut base.connection).await, before, "{name} left nothing");
        let state = bench.engine.run_changes(&first.id).await.unwrap().unwrap().undo;
        assert_eq!(state, UndoState::Undone { number: undone.number });
        bench.undo(&base.target, &undone, Vec::new()).await;
        assert_eq!(
            image(&mut base.connection).await,
            seeded,
            "undoing the undo of {name} brings every row back"
        );
    }
}

#[tokio::test]
async fn the_shelf_names_them_with_what_they_write_and_ask() {
    let bench = Bench::start().await;
    let base = bench.base("shelf", "").await;
    let shelf = bench.engine.seed_shelf(&base.target).await.unwrap();
    for name in PROFILES {
        let found = shelf.profiles.iter().find(|profile| profile.id == format!("bundled:{name}")).unwrap();
        assert!(found.problems.is_empty() && found.expectations > 0, "{found:?}");
        assert!(matches!(&found.writes, ProfileWork::Tables { blocks } if !blocks.is_empty()));
    }
}

#[tokio::test]
async fn a_salted_hash_is_no_change_while_the_password_is_the_same() {
    let bench = Bench::start().await;
    let mut base = base(&bench, "production-baseline").await;
    let id = Path::new("bundled:production-baseline");
    bench.seed(&base.target, id, form(&bench, "production-baseline", "mossy-lantern-42-orbit")).await;
    let hash = "SELECT password_hash FROM users";
    let first = text(&mut base.connection, hash).await;
    assert!(first.starts_with("$argon2id$v=19$m=65536,t=3,p=4$"), "{first}");
    let (_, again) =
        bench.seed(&base.target, id, form(&bench, "production-baseline", "mossy-lantern-42-orbit")).await;
    assert_eq!(counts(table(&again, "users")), (0, 0, 0, 0), "the same password fits the stored hash");
    assert_eq!(text(&mut base.connection, hash).await, first);
    let (_, other) =
        bench.seed(&base.target, id, form(&bench, "production-baseline", "quiet-harbour-77-violet")).await;
    assert_eq!(counts(table(&other, "users")), (0, 1, 0, 0), "another password is a change");
    assert_ne!(text(&mut base.connection, hash).await, first);
}

#[tokio::test]
async fn the_seeded_admin_logs_in_by_the_argon2_of_node() {
    let bench = Bench::start().await;
    let mut base = base(&bench, "production-baseline").await;
    let id = Path::new("bundled:production-baseline");
    bench.seed(&base.target, id, form(&bench, "production-baseline", "mossy-lantern-42-orbit é")).await;
    let hash = text(&mut base.connection, "SELECT password_hash FROM users").await;
    let script = "import argon2 from 'argon2'; const [, hash, right, wrong] = process.argv; console.log(await argon2.verify(hash, right), await argon2.verify(hash, wrong));";
    let answer = std::process::Command::new("node")
        .args([
            "--input-type=module",
            "-e",
            script,
            &hash,
            "mossy-lantern-42-orbit é",
            "mossy-lantern-42-orbit e",
        ])
        .current_dir(drydock_lab::repository().join("target/lab/prisma-peer"))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&answer.stdout).trim(),
        "true false",
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
}
