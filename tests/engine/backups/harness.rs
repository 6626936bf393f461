//! A server with a torture database, an engine with a vault, and what is asked of them.

use drydock_engine::domain::backup::{BackupKind, BackupRequest, BackupScope, BackupView, Proof};
use drydock_engine::domain::environment::{
    AccessDraft, Colour, EnvironmentDraft, GuardRules, PasswordChoice, Tier,
};
use drydock_engine::domain::run::{Run, RunStatus};
use drydock_engine::domain::secret::{Keeping, Secret};
use drydock_engine::domain::transport::TransportDraft;
use drydock_engine::{Engine, Target};
use drydock_lab::{Postgres, Version};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

pub const TORTURE: &str = include_str!("torture.sql");
pub const PASSPHRASE: &str = "a passphrase for tests";

/// A server and an engine that can keep keys.
pub struct Bench {
    pub server: Postgres,
    pub engine: Engine,
    data: tempfile::TempDir,
}

impl Bench {
    pub async fn start_on(version: Version) -> Self {
        let data = tempfile::tempdir().unwrap();
        let engine = Engine::open(data.path()).await.unwrap();
        engine.vault_create(Secret::new(PASSPHRASE)).await.unwrap();
        Self { server: Postgres::start(version), engine, data }
    }

    /// The console's data folder.
    pub fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    pub async fn start() -> Self {
        Self::start_on(Version::Debian15).await
    }

    /// A new database with this in it.
    pub async fn base(&self, name: &str, sql: &str) -> (Target, PgConnection) {
        let url = self.server.create_database(name).await;
        let mut connection = PgConnection::connect(&url).await.unwrap();
        run(&mut connection, sql).await;
        (Target::from_url(&Secret::new(url), Tier::Development, None).unwrap(), connection)
    }

    /// A stored environment of the database of this name; its id.
    pub async fn environment(&self, name: &str) -> String {
        let parsed = self.engine.address_parse(&self.server.url(name)).unwrap();
        let handle = parsed.password.unwrap();
        let draft = EnvironmentDraft {
            name: name.to_owned(),
            tier: Tier::Development,
            colour: Colour::Tier,
            runtime: None,
            direct: AccessDraft {
                address: parsed.address,
                password: PasswordChoice::Pending { handle, keeping: Keeping::AskEachTime },
            },
            transport: TransportDraft::default(),
            rules: GuardRules::for_tier(Tier::Development),
            migrations_folder: None,
        };
        self.engine.environment_create(draft).await.unwrap().id
    }

    /// Takes a backup and waits for its end.
    pub async fn back_up(&self, target: &Target, request: BackupRequest) -> Run {
        let run = self.engine.start_backup(target, request).await.unwrap();
        self.engine.wait_run(&run.id, &mut |_| {}).await.unwrap()
    }

    /// Takes one that has to get through, proof included.
    pub async fn proven(&self, target: &Target, request: BackupRequest) -> (BackupView, Proof) {
        let run = self.back_up(target, request).await;
        let view = self.newest(target).await;
        let proof = self.engine.backup_detail(&view.id).await.unwrap().proof;
        assert_eq!(run.status, RunStatus::Succeeded, "{:#?}\n{proof:#?}", run.failure);
        (view, proof.unwrap())
    }

    pub async fn newest(&self, target: &Target) -> BackupView {
        self.engine.backup_shelf(target).await.unwrap().backups.into_iter().next().unwrap()
    }
}

pub fn deep() -> BackupRequest {
    BackupRequest {
        kind: BackupKind::Deep,
        scope: BackupScope::Whole,
        prove: true,
        for_plan: None,
        folder: None,
    }
}

pub fn quick() -> BackupRequest {
    BackupRequest { kind: BackupKind::Quick, ..deep() }
}

pub async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

pub async fn one(connection: &mut PgConnection, sql: &str) -> String {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap().get::<String, _>(0)
}

/// Everything that a restore has to bring back: rows, next values, schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    rows: Vec<String>,
    sequences: Vec<String>,
    schema: drydock_engine::domain::catalogue::Catalogue,
}

impl State {
    pub async fn read(connection: &mut PgConnection) -> Self {
        let tables = lines(
            connection,
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1",
        )
        .await;
        let mut rows = Vec::new();
        for table in tables {
            // By name: a column that was made again stands at the end.
            let columns = lines(
                connection,
                &format!("SELECT 't.' || quote_ident(attname) FROM pg_attribute WHERE attrelid = '{}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname", table.replace('\'', "''")),
            )
            .await;
            let sum = one(
                connection,
                &format!("SELECT count(*) || ' ' || coalesce(sum(hashtextextended(ROW({})::text, 0)), 0) FROM ONLY {table} AS t", columns.join(", ")),
            )
            .await;
            rows.push(format!("{table} {sum}"));
        }
        let names = lines(
            connection,
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'S' AND n.nspname !~ '^pg_' ORDER BY 1",
        )
        .await;
        let mut sequences = Vec::new();
        for name in names {
            let next = format!(
                "SELECT (CASE WHEN is_called THEN last_value + (SELECT seqincrement FROM pg_sequence WHERE seqrelid = '{}'::regclass) ELSE last_value END)::text FROM {name}",
                name.replace('\'', "''")
            );
            sequences.push(format!("{name} {}", one(connection, &next).await));
        }
        let schemas = lines(connection, "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1").await;
        let mut schema =
            drydock_engine::adapters::postgres::catalogue::read(connection, &schemas).await.unwrap();
        forget_origins(&mut schema);
        Self { rows, sequences, schema }
    }

    /// As [`State::read`], without the ledger of migrations.
    pub async fn of_product(connection: &mut PgConnection) -> Self {
        let mut state = Self::read(connection).await;
        state.rows.retain(|row| !row.contains("_prisma_migrations"));
        state
    }

    /// As [`State::is_as`]; columns that were made again stand at the end of their table.
    pub fn is_as_but_for_order(&self, before: &Self) {
        let sorted = |state: &Self| {
            let mut state = state.clone();
            for table in &mut state.schema.tables {
                table.columns.sort_by(|left, right| left.name.cmp(&right.name));
            }
            state
        };
        sorted(self).is_as(&sorted(before));
    }

    /// Rows and next values alone: another major writes parts of the schema in other words.
    pub fn holds_the_rows_of(&self, before: &Self) {
        assert_eq!(self.rows, before.rows, "rows");
        assert_eq!(self.sequences, before.sequences, "sequences");
    }

    /// Fails with what differs.
    pub fn is_as(&self, before: &Self) {
        assert_eq!(self.rows, before.rows, "rows");
        assert_eq!(self.sequences, before.sequences, "sequences");
        assert_eq!(self.schema.schemas, before.schema.schemas, "schemas");
        assert_eq!(self.schema.tables, before.schema.tables, "tables");
        assert_eq!(self.schema.constraints, before.schema.constraints, "constraints");
        assert_eq!(self.schema.indexes, before.schema.indexes, "indexes");
        assert!(self.schema == before.schema, "the rest of the schema");
    }
}

/// Who made what is no part of a state: a restore makes it again.
fn forget_origins(schema: &mut drydock_engine::domain::catalogue::Catalogue) {
    let text = serde_json::to_string(schema).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    fn walk(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                map.remove("origin");
                map.remove("empty");
                map.values_mut().for_each(walk);
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    *schema = serde_json::from_value(value).unwrap();
}

pub async fn lines(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0)).collect()
}
