//! The demo project: writes its files out and brings a sandbox database into the state in which the
//! story of `seeds/demo/README.md` begins. Everything is compiled in, so it works offline once installed.

use super::home::failed;
use super::server::Sandbox;
use crate::domain::Failure;
use crate::domain::address::Address;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use std::path::{Path, PathBuf};

/// The demo's database and the folder of its migrations.
#[derive(Debug, Clone)]
pub struct DemoTarget {
    /// The database on the sandbox.
    pub address: Address,
    /// The Prisma migrations folder that was written out.
    pub migrations_folder: PathBuf,
}

macro_rules! demo_files {
    ($($path:literal),* $(,)?) => {
        /// Every file of the demo project, by its path in the project.
        const FILES: &[(&str, &str)] = &[$(($path, include_str!(concat!("../../../../../seeds/demo/", $path)))),*];
    };
}

demo_files![
    "README.md",
    "prisma/schema.prisma",
    "prisma/migrations/migration_lock.toml",
    "prisma/migrations/20260901083000_init/migration.sql",
    "prisma/migrations/20260908101500_studio_models/migration.sql",
    "prisma/migrations/20260922141200_reel_mixer/migration.sql",
    "prisma/migrations/20261005090300_sign_in_events/migration.sql",
    "prisma/migrations/20261014093000_add_mascot_studio_complete/migration.sql",
    "prisma/migrations/20261016150000_mascot_pose_split/migration.sql",
    "prisma/migrations/20261028110000_recovery_indexes/migration.sql",
    "prisma/migrations/20261104120000_credit_history_index/migration.sql",
    "prisma/migrations/20261112170000_performance_indexes/migration.sql",
];

const STATE: &str = include_str!("../../../../../seeds/demo/state.sql");
const DESCRIPTION: &str = include_str!("../../../../../seeds/demo/demo.toml");

const LEDGER: &str = "CREATE TABLE _prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    database: String,
    applied: Vec<Applied>,
    failed: Failed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Applied {
    name: String,
    at: DateTime<Utc>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    name: String,
    at: DateTime<Utc>,
    logs: String,
}

/// The name of the demo's database.
pub fn database() -> String {
    toml::from_str::<Description>(DESCRIPTION).map(|description| description.database).unwrap_or_default()
}

/// Writes the project into that folder and makes its database anew, whatever was there before.
pub async fn install(sandbox: &Sandbox, project_root: &Path) -> Result<DemoTarget, Failure> {
    let description: Description =
        toml::from_str(DESCRIPTION).map_err(|error| broken("demo.toml", error.to_string()))?;
    let migrations_folder = write_files(project_root)?;
    sandbox.drop_database(&description.database).await?;
    let address = sandbox.create_database(&description.database).await?;
    let mut connection =
        sandbox.connect(&address).await.map_err(|error| broken(&description.database, error.to_string()))?;
    run(&mut connection, "the ledger", LEDGER).await?;
    for migration in &description.applied {
        let started = migration.at;
        run(&mut connection, &migration.name, script(&migration.name)?).await?;
        record(&mut connection, &migration.name, started, Some(started + TimeDelta::milliseconds(84)), None)
            .await?;
    }
    run(&mut connection, "state.sql", STATE).await?;
    let failure = &description.failed;
    record(&mut connection, &failure.name, failure.at, None, Some(&failure.logs)).await?;
    connection.close().await.map_err(|error| broken(&description.database, error.to_string()))?;
    Ok(DemoTarget { address, migrations_folder })
}

fn write_files(project_root: &Path) -> Result<PathBuf, Failure> {
    let migrations = project_root.join("prisma").join("migrations");
    super::home::remove(&migrations)?;
    for (name, text) in FILES {
        let path = project_root.join(name);
        let folder = path.parent().unwrap_or(project_root);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|error| super::home::file_failed("write", &path, &error))?;
    }
    Ok(migrations)
}

fn script(migration: &str) -> Result<&'static str, Failure> {
    let path = format!("prisma/migrations/{migration}/migration.sql");
    FILES
        .iter()
        .find_map(|(name, text)| (*name == path).then_some(*text))
        .ok_or_else(|| broken(migration, "demo.toml names it, but it is not compiled in.".to_owned()))
}

/// Writes the ledger's row as a deploy would have.
async fn record(
    connection: &mut PgConnection,
    migration: &str,
    started: DateTime<Utc>,
    finished: Option<DateTime<Utc>>,
    logs: Option<&str>,
) -> Result<(), Failure> {
    let checksum: String =
        Sha256::digest(script(migration)?).iter().map(|byte| format!("{byte:02x}")).collect();
    sqlx::query(
        "INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, logs, applied_steps_count)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(uuid::Uuid::new_v4().to_string())
    .bind(checksum)
    .bind(migration)
    .bind(started)
    .bind(finished)
    .bind(logs)
    .bind(i32::from(finished.is_some()))
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(|error| broken(migration, error.to_string()))
}

async fn run(connection: &mut PgConnection, part: &str, sql: &'static str) -> Result<(), Failure> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|error| broken(part, error.to_string()))
}

fn broken(part: &str, why: String) -> Failure {
    failed(format!("The demo could not be set up: {part}."), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_of_the_demo_is_compiled_in() -> std::io::Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../seeds/demo/prisma/migrations");
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            assert!(
                name == "migration_lock.toml" || script(&name).is_ok(),
                "{name} lies in seeds/demo but is missing from the list in demo.rs"
            );
        }
        Ok(())
    }
}
