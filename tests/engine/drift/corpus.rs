//! Real histories, applied on one major and replayed on another: there is no drift, and twelve
//! differences made by hand are found, each with its class and its culprit.

use super::server::{PATIENCE, Server, run};
use chrono::Utc;
use drydock_engine::{
    adapters::postgres::catalogue::read,
    checks::effects::{effect_states, live_objects},
    domain::{
        drift::{DriftClass, DriftReport, DriftSide},
        repair::EffectState,
        statement::{Action, Effect},
    },
    planner::sql::analyse,
    runner::{drift::drift, replay::AppliedScript},
};
use sqlx::PgConnection;
use std::path::{Path, PathBuf};

/// A history of the corpus.
pub fn history(name: &str) -> Vec<AppliedScript> {
    let corpus = std::env::var("DRYDOCK_CORPUS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let further = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/corpus");
    let corpus = corpus.into_iter().chain([beside, further]).find(|folder| folder.exists()).unwrap();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(corpus.join(name).join("migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let script = |folder: PathBuf| {
        let sql = std::fs::read_to_string(folder.join("migration.sql")).unwrap();
        let script = analyse(&sql);
        (folder.file_name().unwrap().to_str().unwrap().to_owned(), sql, script)
    };
    folders.into_iter().map(script).collect()
}

/// A real history, migration by migration: before each, what it makes is not there; after it, all is.
#[tokio::test]
async fn the_effects_of_real_migrations_are_told_before_and_after() {
    let server = Server::start(15);
    for name in ["langfuse", "umami/postgresql"] {
        let mut live = server.database().await;
        let schemas = ["public".to_owned()];
        let mut before = read(&mut live, &schemas).await.unwrap();
        let (mut told, mut statements) = (0, 0);
        for migration in history(name) {
            let (migration_name, sql, script) = &migration;
            let early = effect_states(sql, script, &before, "public", None, None);
            apply(&mut live, std::slice::from_ref(&migration)).await;
            let after = read(&mut live, &schemas).await.unwrap();
            let late = effect_states(sql, script, &after, "public", None, None);
            for (statement, (early, late)) in script.statements.iter().zip(early.iter().zip(&late)) {
                let creates = |effect: &Effect| effect.action == Action::Create && !effect.conditional;
                if statement.effects.iter().any(creates) {
                    assert_ne!(early.state, EffectState::Present, "{migration_name}: {early:?}");
                }
                let not_in = matches!(late.state, EffectState::Absent | EffectState::Broken);
                assert!(!not_in, "{migration_name}: {late:?}");
                statements += 1;
                told += usize::from(late.state == EffectState::Present);
            }
            if let Some(objects) = live_objects(script, &after, "public") {
                assert_eq!(objects.present, objects.countable, "{migration_name}");
            }
            before = after;
        }
        eprintln!("{name}: {told} of {statements} statements told after they ran");
        assert!(told * 10 >= statements * 8, "most statements leave something to see");
    }
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
    drift(live, PATIENCE, &mut scratch, history, &[], "public", Utc::now()).await.unwrap()
}

#[tokio::test]
async fn a_fully_applied_history_has_no_drift_across_majors() {
    let (fifteen, eighteen) = (Server::start(15), Server::start(18));
    for (name, migrations) in [("langfuse", 434), ("umami/postgresql", 19)] {
        let history = history(name);
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

/// A difference made by hand: SQL, object, class, side, culprit.
type Made = (&'static str, &'static str, DriftClass, DriftSide, Option<&'static str>);

#[tokio::test]
async fn twelve_differences_made_by_hand_are_found_and_nothing_else() {
    use {DriftClass::*, DriftSide::*};
    let (fifteen, eighteen, history) = (Server::start(15), Server::start(18), history("langfuse"));
    let made: [Made; 12] = [
        (
            "DROP TABLE dashboards CASCADE",
            "public.dashboards",
            Dangerous,
            MissingLive,
            Some("20250409154352_add_dashboard_data_model"),
        ),
        ("CREATE TABLE by_hand (id int PRIMARY KEY)", "public.by_hand", Harmless, ExtraLive, None),
        (
            "ALTER TABLE users ALTER COLUMN admin DROP NOT NULL, ALTER COLUMN admin DROP DEFAULT",
            "public.users.admin",
            Dangerous,
            Different,
            Some("20231014131841_users_add_admin_flag"),
        ),
        (
            "ALTER TABLE prompts DROP COLUMN commit_message",
            "public.prompts.commit_message",
            Dangerous,
            MissingLive,
            Some("20250128163035_add_nullable_commit_message_prompts"),
        ),
        ("ALTER TABLE projects ADD COLUMN note text", "public.projects.note", Harmless, ExtraLive, None),
        (
            "ALTER TABLE comments ALTER COLUMN content TYPE varchar(500)",
            "public.comments.content",
            Dangerous,
            Different,
            Some("20240815171916_add_comments"),
        ),
        (
            "DROP INDEX users_email_key",
            "public.users_email_key",
            Dangerous,
            MissingLive,
            Some("20230530204241_auth_api_ui"),
        ),
        ("CREATE INDEX index_by_hand ON projects (name)", "public.index_by_hand", Harmless, ExtraLive, None),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'prompts_created_at_idx'::regclass",
            "public.prompts_created_at_idx",
            Dangerous,
            Different,
            Some("20240528214728_add_cursor_index_12"),
        ),
        (
            "ALTER TABLE comments DROP CONSTRAINT comments_project_id_fkey",
            "public.comments.comments_project_id_fkey",
            Dangerous,
            MissingLive,
            Some("20240815171916_add_comments"),
        ),
        (
            "ALTER TYPE \"ScoreConfigDataType\" ADD VALUE 'BY_HAND'",
            "public.ScoreConfigDataType.BY_HAND",
            Harmless,
            ExtraLive,
            None,
        ),
        (
            "ALTER INDEX projects_org_id_idx RENAME TO renamed_by_hand",
            "public.projects_org_id_idx",
            Cosmetic,
            Different,
            Some("20240807111359_add_organizations_main_migration"),
        ),
    ];
    let mut live = fifteen.database().await;
    apply(&mut live, &history).await;
    for (sql, ..) in &made {
        run(&mut live, sql).await;
    }
    for scratch in [&fifteen, &eighteen] {
        let report = report(&mut live, scratch, &history).await;
        let mut found: Vec<_> = report
            .differences
            .iter()
            .map(|each| (each.object.as_str(), each.class, each.side, each.culprit.as_deref()))
            .collect();
        let mut expected: Vec<_> =
            made.iter().map(|(_, object, class, side, culprit)| (*object, *class, *side, *culprit)).collect();
        found.sort_by_key(|each| each.0);
        expected.sort_by_key(|each| each.0);
        assert_eq!(found, expected, "exactly what was made, each with its class and its culprit");
        assert_eq!(report.headline, "The database has 1 table fewer than its migrations make.");
        let admin = report.differences.iter().find(|each| each.object == "public.users.admin").unwrap();
        assert_eq!(
            admin.sentence,
            "`users.admin` may be empty; its migration says it must not. It has no default; its migration sets false."
        );
    }
}
