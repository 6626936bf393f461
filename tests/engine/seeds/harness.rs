//! One server, one engine, profiles to try on it.

use drydock_engine::domain::environment::{
    AccessDraft, Colour, EnvironmentDraft, GuardRules, PasswordChoice, Tier,
};
use drydock_engine::domain::plan::{Confirmation, PlanReview};
use drydock_engine::domain::run::{Run, RunStatus};
use drydock_engine::domain::secret::{Keeping, Secret};
use drydock_engine::domain::seed::{
    Answer, AnswerValue, CellView, RowChange, RowChanges, RowQuery, SeedAnswers, TableChanges, UndoChoice,
};
use drydock_engine::domain::transport::TransportDraft;
use drydock_engine::domain::{Failure, FailureCode};
use drydock_engine::{ApplyOptions, Engine, Target};
use drydock_lab::{Postgres, Version};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::path::Path;

/// A server and an engine.
pub struct Bench {
    pub server: Postgres,
    pub engine: Engine,
    pub data: tempfile::TempDir,
}

/// A database of a bench.
pub struct Base {
    pub url: String,
    pub target: Target,
    pub connection: PgConnection,
}

impl Bench {
    /// On PostgreSQL 15; on 18 where `DRYDOCK_SEEDS_ON_18` is set, so that one suite holds for both.
    pub async fn start() -> Self {
        let on_18 = std::env::var_os("DRYDOCK_SEEDS_ON_18").is_some();
        Self::start_on(if on_18 { Version::Toolkit18 } else { Version::Debian15 }).await
    }

    pub async fn start_on(version: Version) -> Self {
        let data = tempfile::tempdir().unwrap();
        let engine = Engine::open(data.path()).await.unwrap();
        Self { server: Postgres::start(version), engine, data }
    }

    /// A new database with these tables.
    pub async fn base(&self, name: &str, sql: &str) -> Base {
        let url = self.server.create_database(name).await;
        let mut connection = PgConnection::connect(&url).await.unwrap();
        run(&mut connection, sql).await;
        let target = Target::from_url(&Secret::new(url.clone()), Tier::Development, None).unwrap();
        Base { url, target, connection }
    }

    /// A stored environment of the database; its id.
    pub async fn environment(&self, name: &str, url: &str) -> String {
        let parsed = self.engine.address_parse(url).unwrap();
        let handle = parsed.password.unwrap();
        let password = PasswordChoice::Pending { handle, keeping: Keeping::AskEachTime };
        let draft = EnvironmentDraft {
            name: name.to_owned(),
            tier: Tier::Development,
            colour: Colour::Tier,
            runtime: None,
            direct: AccessDraft { address: parsed.address, password },
            transport: TransportDraft::default(),
            rules: GuardRules::for_tier(Tier::Development),
            migrations_folder: None,
        };
        self.engine.environment_create(draft).await.unwrap().id
    }

    /// Plans and dry-runs; the changes it would make.
    pub async fn try_out(
        &self,
        target: &Target,
        profile: &Path,
        answers: SeedAnswers,
    ) -> (PlanReview, Run, RowChanges) {
        let review = self.engine.seed_plan(target, &profile.display().to_string(), answers).await.unwrap();
        self.try_plan(target, review).await
    }

    pub async fn try_plan(&self, target: &Target, review: PlanReview) -> (PlanReview, Run, RowChanges) {
        let run = self.engine.start_dry_run(target, &review.plan.id).await.unwrap();
        let run = self.engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
        assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
        let review = self.engine.plan_review(target, &review.plan.id).await.unwrap();
        let changes = review.dry_run.clone().unwrap().changes.unwrap();
        (review, run, changes)
    }

    /// Applies a plan that had its dry run.
    pub async fn apply(&self, target: &Target, review: &PlanReview) -> Run {
        let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
        let run = self
            .engine
            .start_apply(target, &review.plan.id, confirmation, ApplyOptions::default())
            .await
            .unwrap();
        self.engine.wait_run(&run.id, &mut |_| {}).await.unwrap()
    }

    /// Plan, dry run, apply; every run must get through, and write what was shown.
    pub async fn seed(&self, target: &Target, profile: &Path, answers: SeedAnswers) -> (Run, RowChanges) {
        let (review, _, shown) = self.try_out(target, profile, answers).await;
        let run = self.apply(target, &review).await;
        assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
        let written = self.engine.run_changes(&run.id).await.unwrap().unwrap().changes;
        for table in &shown.tables {
            let same = written.tables.iter().find(|known| known.table == table.table).unwrap();
            assert_eq!(counts(same), counts(table), "{}: what was shown is what is written", table.table);
        }
        (run, written)
    }

    /// Takes a run back: plan with these choices, dry run, apply.
    pub async fn undo(&self, target: &Target, run: &Run, choices: Vec<UndoChoice>) -> (Run, RowChanges) {
        let review = self.engine.undo_plan(target, &run.id, choices).await.unwrap();
        let (review, _, shown) = self.try_plan(target, review).await;
        let run = self.apply(target, &review).await;
        assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.failure);
        (run, shown)
    }

    /// All changed rows of a table of a run.
    pub async fn rows(&self, run_id: &str, table: u32) -> Vec<RowChange> {
        let query = RowQuery {
            run_id: run_id.to_owned(),
            table,
            kinds: Vec::new(),
            search: String::new(),
            sort: None,
            descending: false,
            offset: 0,
            limit: 500,
        };
        self.engine.row_changes(&query).await.unwrap().rows
    }
}

/// Inserted, updated, deleted, rewritten.
pub fn counts(table: &TableChanges) -> (u32, u32, u32, u32) {
    (table.inserted, table.updated, table.deleted, table.rewritten)
}

/// The table of that name.
pub fn table<'c>(changes: &'c RowChanges, name: &str) -> &'c TableChanges {
    let wanted = format!("public.{name}");
    let found = changes.tables.iter().find(|table| table.table == wanted);
    found.unwrap_or_else(|| {
        panic!("{name} is not among {:?}", changes.tables.iter().map(|t| &t.table).collect::<Vec<_>>())
    })
}

pub async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

/// The first column of the only row, as text.
pub async fn text(connection: &mut PgConnection, sql: &str) -> String {
    let sql = format!("SELECT coalesce(x::text, 'NULL') FROM ({sql}) AS q(x)");
    sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap().get(0)
}

/// Every row of every table of the schema, as one text: two databases with the same one are the same.
pub async fn image(connection: &mut PgConnection) -> String {
    let names: Vec<String> = sqlx::raw_sql(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY 1",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap()
    .iter()
    .map(|row| row.get(0))
    .collect();
    let mut image = String::new();
    for name in names {
        let sql = format!("SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM \"{name}\" t");
        image.push_str(&format!("== {name}\n{}\n", text(connection, &sql).await));
    }
    image
}

/// A profile's folder with these files.
pub fn profile(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// A profile with this text after its title.
pub fn profile_of(text: &str) -> tempfile::TempDir {
    let head = "title = \"Test\"\ndescription = \"A test.\"\nengines = [\"postgresql\"]\ntiers = [\"development\", \"staging\", \"production\"]\n";
    profile(&[("profile.toml", &format!("{head}{text}"))])
}

pub fn nothing() -> SeedAnswers {
    SeedAnswers::default()
}

/// Answers by name.
pub fn answers(texts: &[(&str, &str)]) -> SeedAnswers {
    SeedAnswers {
        answers: texts
            .iter()
            .map(|(name, text)| Answer {
                name: (*name).to_owned(),
                value: AnswerValue::Text { text: (*text).to_owned() },
            })
            .collect(),
        ..SeedAnswers::default()
    }
}

pub fn with_password(mut form: SeedAnswers, engine: &Engine, name: &str, password: &str) -> SeedAnswers {
    let handle = engine.password_set(Secret::new(password));
    form.answers.push(Answer { name: name.to_owned(), value: AnswerValue::Secret { handle } });
    form
}

/// The text of a value that is shown.
pub fn shown(cell: &CellView) -> &str {
    match cell {
        CellView::Null => "<NULL>",
        CellView::Text { text, .. } => text,
        CellView::Masked => "<masked>",
        CellView::OnApply => "<on apply>",
    }
}

/// A plan that has to be refused with this code.
pub async fn refused(
    bench: &Bench,
    target: &Target,
    profile: &Path,
    answers: SeedAnswers,
    code: FailureCode,
) -> Failure {
    let failure = bench.engine.seed_plan(target, &profile.display().to_string(), answers).await.unwrap_err();
    assert_eq!(failure.code, code, "{failure:?}");
    failure
}

/// A dry run that has to fail with this code.
pub async fn stopped(bench: &Bench, target: &Target, profile: &Path, code: FailureCode) -> Failure {
    let review = bench.engine.seed_plan(target, &profile.display().to_string(), nothing()).await.unwrap();
    let run = bench.engine.start_dry_run(target, &review.plan.id).await.unwrap();
    let run = bench.engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
    assert_eq!(run.status, RunStatus::Failed, "{run:?}");
    let failure = run.failure.unwrap();
    assert_eq!(failure.code, code, "{failure:?}");
    failure
}
