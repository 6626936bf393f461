//! Real histories, applied on one major and replayed on another: there is no drift, and twelve
//! differences made by hand are found, each with its class and its culprit.

use super::server::{Server, run};
use chrono::Utc;
use drydock_engine::{
    domain::drift::{DriftClass, DriftReport, DriftSide},
    planner::sql::analyse,
    runner::{drift::drift, replay::AppliedScript},
};
use sqlx::PgConnection;
use std::path::{Path, PathBuf};

/// A history of the corpus; `None` where the corpus is not there.
pub fn history(name: &str) -> Option<Vec<AppliedScript>> {
    let corpus = std::env::var("DRYDOCK_CORPUS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let further = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/corpus");
    let corpus = corpus.into_iter().chain([beside, further]).find(|folder| folder.exists())?;
    let mut folders: Vec<PathBuf> = std::fs::read_dir(corpus.join(name).join("migrations"))
        .ok()?
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let script = |folder: PathBuf| {
        let sql = std::fs::read_to_string(folder.join("migration.sql")).unwrap();
        let script = analyse(&sql);
        (folder.file_name().unwrap().to_str().unwrap().to_owned(), sql, script)
    };
    Some(folders.into_iter().map(script).collect())
}

/// Applies a history by its plain text, the way psql would.
async fn apply(live: &mut PgConnection, history: &[AppliedScript]) {
    run(live, "SET search_path = public").await;
    for (_, sql, script) in history {
        for statement in &script.statements {
            run(live, &sql[statement.start as usize..statement.end as usize]).await;
        }
    }
    run(live, "RESET search_path").await;
}

async fn report(live: &mut PgConnection, scratch: &Server, history: &[AppliedScript]) -> DriftReport {
    let mut scratch = scratch.database().await;
    drift(live, &mut scratch, history, &[], "public", Utc::now()).await.unwrap()
}

#[tokio::test]
async fn a_fully_applied_history_has_no_drift_across_majors() {
    let (Some(fifteen), Some(eighteen)) = (Server::start(15), Server::start(18)) else { return };
    for (name, migrations) in [("langfuse", 434), ("umami/postgresql", 19)] {
        let Some(history) = history(name) else { return };
        assert_eq!(history.len(), migrations);
        let mut live = fifteen.database().await;
        apply(&mut live, &history).await;
        for scratch in [&fifteen, &eighteen] {
            let started = std::time::Instant::now();
            let report = report(&mut live, scratch, &history).await;
            eprintln!("{name}: {} {} compared, {:?}", report.lead, report.compared, started.elapsed());
            assert_eq!(report.differences, [], "{name}: {}", report.headline);
            assert_eq!(report.not_replayed, Vec::<String>::new());
            assert!(report.compared > 50, "something was compared");
        }
        let mut older = eighteen.database().await;
        apply(&mut older, &history).await;
        let reversed = self::report(&mut older, &fifteen, &history).await;
        assert_eq!(reversed.differences, [], "the newer server as target, {name}: {}", reversed.headline);
    }
}

/// A difference made by hand: SQL, object, class, side, part of the culprit's name.
type Made = (&'static str, &'static str, DriftClass, DriftSide, Option<&'static str>);

#[tokio::test]
async fn twelve_differences_made_by_hand_are_found_and_nothing_else() {
    use {DriftClass::*, DriftSide::*};
    let (Some(fifteen), Some(eighteen), Some(history)) =
        (Server::start(15), Server::start(18), history("langfuse"))
    else {
        return;
    };
    let made: [Made; 12] = [
        ("DROP TABLE dashboards CASCADE", "public.dashboards", Dangerous, MissingLive, Some("add_dashboard")),
        ("CREATE TABLE notes_of_ada (id int)", "public.notes_of_ada", Harmless, ExtraLive, None),
        (
            "ALTER TABLE users ALTER COLUMN email DROP NOT NULL, ALTER COLUMN admin SET NOT NULL, ALTER COLUMN admin DROP DEFAULT",
            "public.users.admin",
            Dangerous,
            Different,
            Some(""),
        ),
        (
            "ALTER TABLE prompts DROP COLUMN commit_message",
            "public.prompts.commit_message",
            Dangerous,
            MissingLive,
            Some("prompt"),
        ),
        ("ALTER TABLE projects ADD COLUMN note text", "public.projects.note", Harmless, ExtraLive, None),
        (
            "ALTER TABLE comments ALTER COLUMN content TYPE varchar(500)",
            "public.comments.content",
            Dangerous,
            Different,
            Some("comment"),
        ),
        ("DROP INDEX \"users_email_key\"", "public.users_email_key", Dangerous, MissingLive, Some("init")),
        ("CREATE INDEX by_hand ON projects (name)", "public.by_hand", Harmless, ExtraLive, None),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'prompts_created_at_idx'::regclass",
            "public.prompts_created_at_idx",
            Dangerous,
            Different,
            Some("prompt"),
        ),
        (
            "ALTER TABLE comments DROP CONSTRAINT comments_project_id_fkey",
            "public.comments.comments_project_id_fkey",
            Dangerous,
            MissingLive,
            Some("comment"),
        ),
        (
            "ALTER TYPE \"ScoreConfigDataType\" ADD VALUE 'BY_HAND'",
            "public.ScoreConfigDataType.BY_HAND",
            Harmless,
            ExtraLive,
            None,
        ),
        (
            "ALTER INDEX \"projects_org_id_idx\" RENAME TO \"renamed_by_hand\"",
            "public.projects_org_id_idx",
            Cosmetic,
            Different,
            Some("org"),
        ),
    ];
    let mut live = fifteen.database().await;
    apply(&mut live, &history).await;
    for (sql, ..) in &made {
        run(&mut live, sql).await;
    }
    let report = report(&mut live, &eighteen, &history).await;
    for each in &report.differences {
        eprintln!(
            "{:?} {:?} {} | {} | {:?}",
            each.class, each.side, each.object, each.sentence, each.culprit
        );
    }
    eprintln!("{}\n{}\n{:?}", report.headline, report.lead, report.version_gap);
}
