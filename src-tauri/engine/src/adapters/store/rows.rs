//! What runs did to rows, and readings of checks.

use super::{Store, from_json, store_failure, to_json};
use crate::domain::Failure;
use crate::domain::plan::PlanPurpose;
use crate::domain::run::RunStatus;
use crate::domain::seed::{LastSeed, RowChanges};
use crate::domain::verification::{CheckResult, Moment};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a run did to rows, with sums to compare two runs by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredChanges {
    /// The changes.
    pub changes: RowChanges,
    /// Sum of each table's changed rows, in the order of the tables.
    pub sums: Vec<String>,
}

/// A reading of a check, with what it was read for.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredReading {
    /// The reading.
    pub check: CheckResult,
    /// The run that it was read around.
    pub run_id: Option<String>,
    /// It was read when that run's rows were in.
    pub after: bool,
}

impl Store {
    /// Keeps what a run did to rows. Synced when it returns.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`].
    pub async fn save_changes(&self, run_id: &str, changes: &StoredChanges) -> Result<(), Failure> {
        sqlx::query("INSERT OR REPLACE INTO row_changes (run_id, document) VALUES (?, ?)")
            .bind(run_id)
            .bind(to_json(changes)?)
            .execute(&self.durable)
            .await
            .map_err(store_failure)?;
        Ok(())
    }

    /// What a run did to rows, and which run took it back.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`].
    pub async fn changes(&self, run_id: &str) -> Result<Option<(StoredChanges, Option<String>)>, Failure> {
        let row: Option<(String, Option<String>)> =
            sqlx::query_as("SELECT document, undone_by FROM row_changes WHERE run_id = ?")
                .bind(run_id)
                .fetch_optional(&self.durable)
                .await
                .map_err(store_failure)?;
        row.map(|(document, undone_by)| Ok((from_json(&document)?, undone_by))).transpose()
    }

    /// Records that a run was taken back by another one; `None`: that one was taken back in turn.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`].
    pub async fn mark_undone(&self, run_id: &str, by: Option<&str>) -> Result<(), Failure> {
        sqlx::query("UPDATE row_changes SET undone_by = ? WHERE run_id = ?")
            .bind(by)
            .bind(run_id)
            .execute(&self.durable)
            .await
            .map_err(store_failure)?;
        Ok(())
    }

    /// The newest apply of each profile on an environment.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`].
    pub async fn last_seeds(&self, environment_id: &str) -> Result<Vec<(String, LastSeed)>, Failure> {
        let rows: Vec<(String, i64, String, String, String)> = sqlx::query_as(
            "SELECT r.id, r.number, r.status, r.started_at, json_extract(p.document, '$.purpose') \
             FROM runs r JOIN plans p ON p.id = r.plan_id \
             WHERE r.environment_id = ? AND r.kind = 'apply' AND json_extract(p.document, '$.purpose.kind') = 'seed' \
             ORDER BY r.number DESC LIMIT 500",
        )
        .bind(environment_id)
        .fetch_all(&self.durable)
        .await
        .map_err(store_failure)?;
        let mut last: Vec<(String, LastSeed)> = Vec::new();
        for (run_id, number, status, at, purpose) in rows {
            let PlanPurpose::Seed { profile, .. } = from_json(&purpose)? else { continue };
            if last.iter().any(|(known, _)| *known == profile) {
                continue;
            }
            let status: RunStatus =
                serde_json::from_value(serde_json::Value::String(status)).map_err(store_failure)?;
            let at = DateTime::parse_from_rfc3339(&at).map_err(store_failure)?.with_timezone(&Utc);
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            last.push((profile, LastSeed { run_id, number, status, at }));
        }
        Ok(last)
    }

    /// The profiles whose newest apply on an environment got in and was not taken back.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`].
    pub async fn seeded(&self, environment_id: &str) -> Result<Vec<(String, LastSeed)>, Failure> {
        let mut seeded = Vec::new();
        for (profile, last) in self.last_seeds(environment_id).await? {
            let undone = self.changes(&last.run_id).await?.is_some_and(|(_, undone_by)| undone_by.is_some());
            if last.status == RunStatus::Succeeded && !undone {
                seeded.push((profile, last));
            }
        }
        Ok(seeded)
    }

    /// When the newest apply on an environment ended, its number and id.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`].
    pub async fn last_apply(
        &self,
        environment_id: &str,
    ) -> Result<Option<(DateTime<Utc>, u32, String)>, Failure> {
        let row: Option<(Option<String>, String, i64, String)> = sqlx::query_as(
            "SELECT ended_at, started_at, number, id FROM runs WHERE environment_id = ? AND kind = 'apply' ORDER BY number DESC LIMIT 1",
        )
        .bind(environment_id)
        .fetch_optional(&self.durable)
        .await
        .map_err(store_failure)?;
        row.map(|(ended, started, number, id)| {
            let at =
                DateTime::parse_from_rfc3339(ended.as_deref().unwrap_or(&started)).map_err(store_failure)?;
            Ok((at.with_timezone(&Utc), u32::try_from(number).unwrap_or(u32::MAX), id))
        })
        .transpose()
    }

    /// Keeps readings of checks, without the rows that speak against them: those stay in the database.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`].
    pub async fn save_readings(
        &self,
        environment: &str,
        run_id: Option<&str>,
        moment: Moment,
        readings: &[CheckResult],
    ) -> Result<(), Failure> {
        let mut transaction = self.light.begin().await.map_err(store_failure)?;
        for reading in readings {
            sqlx::query(
                "INSERT INTO check_readings (environment, check_id, at, run_id, moment, document) VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(environment)
            .bind(&reading.id)
            .bind(reading.at.to_rfc3339())
            .bind(run_id)
            .bind(moment.word())
            .bind(to_json(&CheckResult { rows: None, ..reading.clone() })?)
            .execute(&mut *transaction)
            .await
            .map_err(store_failure)?;
        }
        transaction.commit().await.map_err(store_failure)
    }

    /// Takes one reading out again.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`].
    pub async fn drop_reading(&self, environment: &str, reading: &CheckResult) -> Result<(), Failure> {
        sqlx::query("DELETE FROM check_readings WHERE environment = ? AND check_id = ? AND at = ?")
            .bind(environment)
            .bind(&reading.id)
            .bind(reading.at.to_rfc3339())
            .execute(&self.light)
            .await
            .map_err(store_failure)?;
        Ok(())
    }

    /// Readings of an environment, newest first: of one check or of all, at any moment or at one.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`].
    pub async fn readings(
        &self,
        environment: &str,
        check: Option<&str>,
        moment: Option<Moment>,
        most: u32,
    ) -> Result<Vec<StoredReading>, Failure> {
        let rows: Vec<(String, Option<String>, String)> = sqlx::query_as(
            "SELECT document, run_id, moment FROM check_readings WHERE environment = ?1 AND (?2 IS NULL OR check_id = ?2) \
             AND (?3 IS NULL OR moment = ?3) ORDER BY at DESC, rowid DESC LIMIT ?4",
        )
        .bind(environment)
        .bind(check)
        .bind(moment.map(Moment::word))
        .bind(i64::from(most))
        .fetch_all(&self.light)
        .await
        .map_err(store_failure)?;
        rows.into_iter()
            .map(|(document, run_id, moment)| {
                let after = moment == Moment::After.word();
                Ok(StoredReading { check: from_json(&document)?, run_id, after })
            })
            .collect()
    }
}
