//! The way back after others have written, too.

use super::harness::{Bench, counts, image, nothing, profile_of, run, shown, table, text};
use drydock_engine::domain::FailureCode;
use drydock_engine::domain::seed::{ConflictReason, UndoChoice};
use drydock_engine::{RowsKept, Settings};

const TABLES: &str = "CREATE TABLE models (id serial PRIMARY KEY, slug text UNIQUE NOT NULL, credits int NOT NULL, api_key text);
CREATE TABLE styles (id serial PRIMARY KEY, slug text UNIQUE NOT NULL);
CREATE TABLE avatars (id serial PRIMARY KEY, style_id int REFERENCES styles (id) ON DELETE SET NULL, model_id int REFERENCES models (id));
INSERT INTO models (slug, credits, api_key) VALUES ('portrait', 4, 'k1'), ('sketch', 1, 'k2'), ('other', 7, 'k3');";

const PROFILE: &str = "[[tables]]\ntable = \"models\"\nkey = [\"slug\"]\nmode = \"upsert\"\nrows = [ { slug = \"portrait\", credits = 5 }, { slug = \"sketch\", credits = 2 }, { slug = \"land\", credits = 9 }, { slug = \"turn\", credits = 9 } ]\n[[tables]]\ntable = \"styles\"\nkey = [\"slug\"]\nmode = \"upsert\"\nrows = [ { slug = \"ink\" }, { slug = \"oil\" } ]\n";

#[tokio::test]
async fn rows_changed_since_are_asked_about_and_kept_unless_chosen() {
    let bench = Bench::start().await;
    let mut base = bench.base("conflicts", TABLES).await;
    let profile = profile_of(PROFILE);
    let (seeded, _) = bench.seed(&base.target, profile.path(), nothing()).await;
    run(
        &mut base.connection,
        "UPDATE models SET credits = 6, api_key = 'k9' WHERE slug = 'portrait'; DELETE FROM models WHERE slug = 'turn';
         INSERT INTO avatars (style_id) SELECT id FROM styles WHERE slug = 'ink'; INSERT INTO avatars (style_id) SELECT id FROM styles WHERE slug = 'ink';
         INSERT INTO avatars (model_id) SELECT id FROM models WHERE slug = 'land'; UPDATE models SET credits = 70 WHERE slug = 'other';",
    )
    .await;
    let review = bench.engine.undo_review(&base.target, &seeded.id).await.unwrap();
    assert_eq!((review.changes, review.untouched, review.conflicts_total), (6, 2, 4), "{review:?}");
    let conflict = |slug: &str, reason| {
        review
            .conflicts
            .iter()
            .find(|conflict| conflict.reason == reason && conflict.table.ends_with(slug))
            .unwrap()
    };
    let changed = conflict("models", ConflictReason::ChangedSince);
    let credits = changed.columns.iter().find(|column| column.column == "credits").unwrap();
    let three =
        [&credits.before, &credits.wrote, &credits.now].map(|cell| shown(cell.as_ref().unwrap()).to_owned());
    assert_eq!(three, ["4", "5", "6"]);
    let key = changed.columns.iter().find(|column| column.column == "api_key").unwrap();
    assert!(
        !key.ours && key.since && shown(key.now.as_ref().unwrap()) == "<masked>",
        "secrets stay masked: {key:?}"
    );
    assert!(conflict("models", ConflictReason::GoneSince).impossible.is_some());
    let used = conflict("styles", ConflictReason::UsedByNewer);
    assert_eq!((used.used_by[0].rows, used.impossible.is_none()), (2, true), "{used:?}");
    assert!(conflict("models", ConflictReason::UsedByNewer).impossible.is_some(), "a reference forbids it");

    let (undone, changes) = bench.undo(&base.target, &seeded, Vec::new()).await;
    assert_eq!(counts(table(&changes, "models")), (0, 1, 0, 0), "only what nobody touched goes back");
    assert_eq!(counts(table(&changes, "styles")), (0, 0, 1, 0));
    let models = "SELECT string_agg(slug || credits, ',' ORDER BY slug) FROM models";
    assert_eq!(text(&mut base.connection, models).await, "land9,other70,portrait6,sketch1");
    bench.undo(&base.target, &undone, Vec::new()).await;
    assert_eq!(
        text(&mut base.connection, models).await,
        "land9,other70,portrait6,sketch2",
        "undo of the undo"
    );
}

#[tokio::test]
async fn a_chosen_row_is_taken_back_in_spite_of_it_and_its_effects_are_shown() {
    let bench = Bench::start().await;
    let mut base = bench.base("chosen", TABLES).await;
    let profile = profile_of(PROFILE);
    let (seeded, _) = bench.seed(&base.target, profile.path(), nothing()).await;
    run(
        &mut base.connection,
        "UPDATE models SET credits = 6 WHERE slug = 'portrait'; INSERT INTO avatars (style_id) SELECT id FROM styles WHERE slug = 'ink';",
    )
    .await;
    let review = bench.engine.undo_review(&base.target, &seeded.id).await.unwrap();
    let choices = review
        .conflicts
        .iter()
        .map(|conflict| UndoChoice { row: conflict.row.clone(), take_back: true })
        .collect();
    let (_, changes) = bench.undo(&base.target, &seeded, choices).await;
    assert_eq!(
        counts(table(&changes, "avatars")),
        (0, 1, 0, 0),
        "the row that loses its style is shown beforehand"
    );
    assert_eq!(
        text(&mut base.connection, "SELECT string_agg(slug || credits, ',' ORDER BY slug) FROM models").await,
        "other7,portrait4,sketch1"
    );
    assert_eq!(text(&mut base.connection, "SELECT count(*) FROM styles").await, "0");
}

#[tokio::test]
async fn after_many_foreign_writes_everything_else_is_byte_for_byte_as_it_was() {
    let bench = Bench::start().await;
    let mut base = bench.base("many", TABLES).await;
    run(
        &mut base.connection,
        "INSERT INTO models (slug, credits) SELECT 'm' || i, i FROM generate_series(1, 2000) i",
    )
    .await;
    let profile = profile_of(
        "[[tables]]\ntable = \"models\"\nkey = [\"slug\"]\nmode = \"upsert\"\nrepeat = 3000\ncolumns.slug = { text = \"m{{row}}\" }\ncolumns.credits = { counter = 100000, on = \"always\" }\n",
    );
    let (seeded, written) = bench.seed(&base.target, profile.path(), nothing()).await;
    assert_eq!(counts(table(&written, "models")), (1000, 2000, 0, 0));
    run(&mut base.connection, "UPDATE models SET credits = -id WHERE id % 7 = 0; DELETE FROM models WHERE id % 11 = 0; INSERT INTO models (slug, credits) SELECT 'x' || i, i FROM generate_series(1, 500) i").await;
    let foreign = "SELECT string_agg(id || slug || credits, ',' ORDER BY id) FROM models WHERE id % 7 = 0 OR slug LIKE 'x%'";
    let before = text(&mut base.connection, foreign).await;
    let gone =
        text(&mut base.connection, "SELECT count(*) FROM models WHERE id % 11 = 0 AND slug NOT LIKE 'x%'")
            .await;
    let review = bench.engine.undo_review(&base.target, &seeded.id).await.unwrap();
    assert_eq!(review.changes, 3000);
    assert!(
        review.conflicts_total > 600 && review.untouched + review.conflicts_total == 3000,
        "{}",
        review.conflicts_total
    );
    bench.undo(&base.target, &seeded, Vec::new()).await;
    assert_eq!(text(&mut base.connection, foreign).await, before, "no foreign write is lost");
    assert_eq!(
        text(&mut base.connection, "SELECT count(*) FROM models WHERE id % 11 = 0 AND slug NOT LIKE 'x%'")
            .await,
        gone
    );
    assert_eq!(
        text(&mut base.connection, "SELECT count(*) FROM models WHERE credits >= 100000").await,
        "0",
        "every row of ours that nobody touched went back"
    );
    let image_now = image(&mut base.connection).await;
    let again = bench.engine.undo_review(&base.target, &seeded.id).await.unwrap();
    assert!(again.impossible.unwrap().contains("took it back already"));
    assert_eq!(image(&mut base.connection).await, image_now, "looking changes nothing");
}

#[tokio::test]
async fn of_many_conflicts_the_first_are_told_and_any_can_be_chosen() {
    let bench = Bench::start().await;
    let mut base = bench.base("asked", TABLES).await;
    let profile = profile_of(
        "[[tables]]\ntable = \"models\"\nkey = [\"slug\"]\nmode = \"upsert\"\nrepeat = 3000\ncolumns.slug = { text = \"m{{row}}\" }\ncolumns.credits = { counter = 1 }\n",
    );
    let (seeded, _) = bench.seed(&base.target, profile.path(), nothing()).await;
    run(&mut base.connection, "UPDATE models SET credits = -1 WHERE slug LIKE 'm%'").await;
    let review = bench.engine.undo_review(&base.target, &seeded.id).await.unwrap();
    assert_eq!((review.changes, review.untouched, review.conflicts_total), (3000, 0, 3000));
    assert_eq!(review.conflicts.len(), 500);
    for (number, conflict) in review.conflicts.iter().enumerate() {
        assert_eq!(conflict.row, format!("0:{number}"), "they are told in order");
        let credits = &conflict.columns[0];
        assert_eq!(shown(credits.wrote.as_ref().unwrap()), (number + 1).to_string());
        assert_eq!(shown(credits.now.as_ref().unwrap()), "-1");
    }
    let take_back = |row: &str| UndoChoice { row: row.to_owned(), take_back: true };
    let (undone, _) = bench
        .undo(&base.target, &seeded, vec![take_back("0:0"), take_back("0:2900"), take_back("0:02")])
        .await;
    let gone = "SELECT string_agg(i::text, ',' ORDER BY i) FROM generate_series(1, 3000) i WHERE NOT EXISTS (SELECT FROM models WHERE slug = 'm' || i)";
    assert_eq!(text(&mut base.connection, gone).await, "1,2901", "only the rows that were named");
    bench.undo(&base.target, &undone, Vec::new()).await;
    assert_eq!(text(&mut base.connection, gone).await, "NULL");
    let (_, changes) = bench.undo(&base.target, &seeded, vec![take_back("*")]).await;
    assert_eq!(counts(table(&changes, "models")), (0, 0, 3000, 0));
}

#[tokio::test]
async fn newer_rows_are_told_from_those_of_the_run_among_thousands() {
    let bench = Bench::start().await;
    let mut base = bench
        .base("newer", "CREATE TABLE teams (id int PRIMARY KEY); CREATE TABLE members (id int PRIMARY KEY, team_id int NOT NULL REFERENCES teams (id), note text)")
        .await;
    let profile = profile_of(
        "[[tables]]\ntable = \"teams\"\nkey = [\"id\"]\nmode = \"upsert\"\nrepeat = 2500\ncolumns.id = { counter = 1 }\n[[tables]]\ntable = \"members\"\nkey = [\"id\"]\nmode = \"upsert\"\nrepeat = 6000\ncolumns.id = { counter = 1 }\ncolumns.team_id = { reference = \"teams\", row = \"cycle\", take = \"id\" }\n",
    );
    let (seeded, _) = bench.seed(&base.target, profile.path(), nothing()).await;
    run(
        &mut base.connection,
        "INSERT INTO members VALUES (10000, 2400), (10001, 2400); UPDATE members SET note = 'mine' WHERE id = 7",
    )
    .await;
    let review = bench.engine.undo_review(&base.target, &seeded.id).await.unwrap();
    assert_eq!((review.changes, review.conflicts_total), (8500, 3), "{review:?}");
    let of = |key: &str| review.conflicts.iter().find(|conflict| conflict.key == key).unwrap();
    let team = of("id 2400");
    assert_eq!(team.used_by.iter().map(|users| users.rows).collect::<Vec<_>>(), [2], "its own members go");
    assert_eq!(team.reason, ConflictReason::UsedByNewer);
    let choices = vec![UndoChoice { row: team.row.clone(), take_back: true }];
    let failure = bench.engine.undo_plan(&base.target, &seeded.id, choices).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::UndoRefused);
    assert!(failure.why.as_ref().unwrap().starts_with("id 2400 of public.teams: Rows of public.members"));
    bench.undo(&base.target, &seeded, Vec::new()).await;
    let left = "SELECT (SELECT string_agg(id::text, ',' ORDER BY id) FROM teams) || ' ' || (SELECT string_agg(id::text, ',' ORDER BY id) FROM members)";
    assert_eq!(text(&mut base.connection, left).await, "7,2400 7,10000,10001");
}

#[tokio::test]
async fn before_images_are_kept_sealed() {
    let bench = Bench::start().await;
    let mut base = bench.base("sealed", TABLES).await;
    run(&mut base.connection, "UPDATE models SET api_key = 'CANARY-before' WHERE slug = 'portrait'").await;
    let profile = profile_of(
        "[[tables]]\ntable = \"models\"\nkey = [\"slug\"]\nmode = \"upsert\"\nfile = \"models.csv\"\n",
    );
    std::fs::write(profile.path().join("models.csv"), "slug,credits,api_key\nportrait,5,CANARY-after\n")
        .unwrap();
    let (seeded, _) = bench.seed(&base.target, profile.path(), nothing()).await;
    assert!(bench.data.path().join(format!("changes/{}.changes", seeded.id)).exists());
    let mut left = vec![bench.data.path().to_owned()];
    let mut files = 0;
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        files += 1;
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            !bytes.windows(7).any(|window| window == b"CANARY-"),
            "{} holds a value in clear",
            path.display()
        );
    }
    assert!(files > 2);
    bench.undo(&base.target, &seeded, Vec::new()).await;
    assert_eq!(
        text(&mut base.connection, "SELECT api_key FROM models WHERE slug = 'portrait'").await,
        "CANARY-before"
    );
}

#[tokio::test]
async fn old_files_of_changed_rows_go_and_the_run_says_that_it_cannot_be_taken_back() {
    let bench = Bench::start().await;
    let base = bench.base("old", TABLES).await;
    let profile = profile_of(PROFILE);
    let (_, dry, _) = bench.try_out(&base.target, profile.path(), nothing()).await;
    let (seeded, _) = bench.seed(&base.target, profile.path(), nothing()).await;
    let file = |id: &str| bench.data.path().join(format!("changes/{id}.changes"));
    let age = |id: &str, days: u64| {
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(days * 24 * 3600);
        std::fs::File::options().write(true).open(file(id)).unwrap().set_modified(then).unwrap();
    };
    age(&dry.id, 8);
    age(&seeded.id, 89);
    bench.try_out(&base.target, profile.path(), nothing()).await;
    assert!(!file(&dry.id).exists() && file(&seeded.id).exists());
    age(&seeded.id, 91);
    let kept = |applies| Settings { rows_kept: RowsKept { applies, dry_runs: 7 }, ..Settings::default() };
    assert_eq!(bench.engine.set_settings(kept(0)).await.unwrap_err().code, FailureCode::SettingInvalid);
    bench.engine.set_settings(kept(400)).await.unwrap();
    bench.try_out(&base.target, profile.path(), nothing()).await;
    assert!(file(&seeded.id).exists(), "the setting says how long");
    bench.engine.set_settings(kept(90)).await.unwrap();
    bench.try_out(&base.target, profile.path(), nothing()).await;
    assert!(!file(&seeded.id).exists());
    let review = bench.engine.undo_review(&base.target, &seeded.id).await.unwrap();
    assert!(review.impossible.unwrap().contains("not kept any more"));
}
