//! Do two addresses lead to the same database? A physical copy has the same system identifier, number
//! and name, so a lock is taken over one connection and looked for over the other.

use crate::{
    adapters::postgres::{
        connect::{Settings, Way, connect_with},
        failure::failure,
        identity::identity,
    },
    domain::{Failure, identity::TargetIdentity},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::time::Duration;

/// Prisma's migration lock; never taken by accident.
const PRISMA_LOCK: i64 = 72_707_369;

/// How the two compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sameness {
    /// Proven by the lock.
    Same,
    /// Another server or database.
    Different {
        /// As sentences.
        reasons: Vec<String>,
    },
    /// Identifier, number and name agree, but the lock is not seen: a copy or a standby.
    Copy {
        /// A standby, says the server.
        standby: bool,
    },
}

/// A key nobody else uses.
pub(super) fn random_key() -> i64 {
    loop {
        let key: i64 = rand::random();
        if key != PRISMA_LOCK {
            return key;
        }
    }
}

/// Compares. The lock lives in a transaction on the direct connection and ends with it.
pub(super) async fn compare(
    direct: &mut PgConnection,
    seen: &TargetIdentity,
    runtime: Way<'_>,
) -> Result<Sameness, Failure> {
    let mut other = connect_with(runtime, super::NAME, Settings::Bare).await?;
    let result = compare_open(direct, seen, &mut other, runtime.place()).await;
    let _ = tokio::time::timeout(Duration::from_millis(300), other.close()).await;
    result
}

async fn compare_open(
    direct: &mut PgConnection,
    seen: &TargetIdentity,
    other: &mut PgConnection,
    place: String,
) -> Result<Sameness, Failure> {
    let theirs = identity(other, place).await?;
    let mut reasons = Vec::new();
    if let (Some(ours), Some(theirs)) = (&seen.system_identifier, &theirs.system_identifier)
        && ours != theirs
    {
        reasons.push("They lead to two different servers.".to_owned());
    }
    if seen.database != theirs.database {
        reasons.push(format!(
            "The direct address leads to `{}`, the app's to `{}`.",
            seen.database, theirs.database
        ));
    } else if seen.database_oid != theirs.database_oid {
        reasons.push(format!("Both are called `{}`, but they are two databases.", seen.database));
    }
    if !reasons.is_empty() {
        return Ok(Sameness::Different { reasons });
    }
    let key = random_key();
    let take = format!("BEGIN READ ONLY; SELECT pg_catalog.pg_advisory_xact_lock({key})");
    execute(direct, take).await?;
    let look = look(other, key).await;
    execute(direct, "ROLLBACK".to_owned()).await?;
    let (found, standby) = look?;
    Ok(if found { Sameness::Same } else { Sameness::Copy { standby } })
}

/// Whether the lock is seen over there, and whether that server is a standby.
async fn look(other: &mut PgConnection, key: i64) -> Result<(bool, bool), Failure> {
    // pg_locks shows a bigint key as two halves: classid above, objid below, objsubid 1.
    let statement = format!(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_locks
                 WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                   AND classid = (({key}::int8 >> 32) & 4294967295)::oid AND objid = ({key}::int8 & 4294967295)::oid
                   AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())),
                pg_catalog.pg_is_in_recovery()"
    );
    let row =
        sqlx::raw_sql(AssertSqlSafe(statement)).fetch_one(other).await.map_err(|error| failure(&error))?;
    let read = |at: usize| row.try_get::<bool, _>(at).map_err(|error| failure(&error));
    Ok((read(0)?, read(1)?))
}

async fn execute(connection: &mut PgConnection, statement: String) -> Result<(), Failure> {
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| failure(&error))
}
