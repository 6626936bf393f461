//! Releases, and the freezes that stand in their way.

use super::{Store, from_json, store_failure, to_json};
use crate::domain::desk::{EnvironmentFreeze, Freeze, Freezes, Release};
use crate::domain::{Failure, FailureCode};

/// Releases that ended and are listed.
const MOST_EARLIER: u32 = 50;
/// What the key of a freeze begins with; behind it the environment, or nothing for all.
const FREEZE: &str = "freeze/";

impl Store {
    /// Puts a release on the desk of its environment and gives it the next number.
    ///
    /// # Errors
    /// [`FailureCode::ReleaseRefused`] where one is on the desk already; [`FailureCode::Store`].
    pub async fn begin_release(&self, release: &mut Release) -> Result<(), Failure> {
        let mut transaction = self.durable.begin_with("BEGIN IMMEDIATE").await.map_err(store_failure)?;
        let (number, open): (i64, i64) = sqlx::query_as(
            "SELECT coalesce(max(number), 0) + 1, count(*) FILTER (WHERE ended_at IS NULL) FROM releases WHERE environment = ?",
        )
        .bind(&release.environment_id)
        .fetch_one(&mut *transaction)
        .await
        .map_err(store_failure)?;
        if open > 0 {
            return Err(Failure::new(FailureCode::ReleaseRefused, "There is a release on the desk already.")
                .unchanged("It is as it was.")
                .next("End it or put it away, then begin the next one."));
        }
        release.number = u32::try_from(number).unwrap_or(u32::MAX);
        sqlx::query("INSERT INTO releases (id, environment, number, document) VALUES (?, ?, ?, ?)")
            .bind(&release.id)
            .bind(&release.environment_id)
            .bind(number)
            .bind(to_json(release)?)
            .execute(&mut *transaction)
            .await
            .map_err(store_failure)?;
        transaction.commit().await.map_err(store_failure)
    }

    /// The release on the desk of an environment.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn release(&self, environment_id: &str) -> Result<Option<Release>, Failure> {
        let row: Option<(String,)> =
            sqlx::query_as("SELECT document FROM releases WHERE environment = ? AND ended_at IS NULL")
                .bind(environment_id)
                .fetch_optional(&self.durable)
                .await
                .map_err(store_failure)?;
        row.map(|(text,)| from_json(&text)).transpose()
    }

    /// Releases of an environment that ended, newest first.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn earlier_releases(&self, environment_id: &str) -> Result<Vec<Release>, Failure> {
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT document FROM releases WHERE environment = ? AND ended_at IS NOT NULL ORDER BY number DESC LIMIT ?",
        )
        .bind(environment_id)
        .bind(MOST_EARLIER)
        .fetch_all(&self.durable)
        .await
        .map_err(store_failure)?;
        rows.iter().map(|(text,)| from_json(text)).collect()
    }

    /// Changes the release on the desk; nobody changes it between the reading and the writing.
    ///
    /// # Errors
    /// [`FailureCode::ReleaseRefused`] where there is none; [`FailureCode::Store`].
    pub async fn change_release(
        &self,
        environment_id: &str,
        change: impl FnOnce(&mut Release) + Send,
    ) -> Result<Release, Failure> {
        let mut transaction = self.durable.begin_with("BEGIN IMMEDIATE").await.map_err(store_failure)?;
        let row: Option<(String,)> =
            sqlx::query_as("SELECT document FROM releases WHERE environment = ? AND ended_at IS NULL")
                .bind(environment_id)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(store_failure)?;
        let Some((text,)) = row else {
            return Err(Failure::new(FailureCode::ReleaseRefused, "There is no release on the desk.")
                .unchanged("Nothing was changed.")
                .next("Begin one on the release desk."));
        };
        let mut release: Release = from_json(&text)?;
        change(&mut release);
        sqlx::query("UPDATE releases SET ended_at = ?, document = ? WHERE id = ?")
            .bind(release.ended_at.map(|at| at.to_rfc3339()))
            .bind(to_json(&release)?)
            .bind(&release.id)
            .execute(&mut *transaction)
            .await
            .map_err(store_failure)?;
        transaction.commit().await.map_err(store_failure)?;
        Ok(release)
    }

    /// All freezes.
    ///
    /// # Errors
    /// [`FailureCode::Store`], also where one cannot be understood: what may be frozen is not open.
    pub async fn freezes(&self) -> Result<Freezes, Failure> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT key, value FROM settings WHERE key LIKE ? || '%' ORDER BY key")
                .bind(FREEZE)
                .fetch_all(&self.durable)
                .await
                .map_err(store_failure)?;
        let mut freezes = Freezes::default();
        for (key, value) in rows {
            let freeze: Freeze = from_json(&value)?;
            match key.strip_prefix(FREEZE) {
                None | Some("") => freezes.everywhere = Some(freeze),
                Some(environment) => freezes
                    .environments
                    .push(EnvironmentFreeze { environment_id: environment.to_owned(), freeze }),
            }
        }
        Ok(freezes)
    }

    /// Freezes an environment, or all of them.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn set_freeze(&self, environment_id: Option<&str>, freeze: &Freeze) -> Result<(), Failure> {
        let key = format!("{FREEZE}{}", environment_id.unwrap_or_default());
        self.set_setting(&key, &to_json(freeze)?).await
    }

    /// Lifts the freeze of an environment, or the one of all.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn lift_freeze(&self, environment_id: Option<&str>) -> Result<(), Failure> {
        sqlx::query("DELETE FROM settings WHERE key = ?")
            .bind(format!("{FREEZE}{}", environment_id.unwrap_or_default()))
            .execute(&self.durable)
            .await
            .map_err(store_failure)?;
        Ok(())
    }
}
