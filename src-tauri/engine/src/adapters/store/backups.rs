//! What the console knows of its backups: where they lie, how they stand, what their proofs said.

use super::{Store, from_json, store_failure, to_json};
use crate::domain::backup::BackupRecord;
use crate::domain::{Failure, FailureCode};

impl Store {
    /// Keeps a backup's record, new or changed.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn save_backup(&self, record: &BackupRecord) -> Result<(), Failure> {
        sqlx::query(
            "INSERT INTO backups (id, environment, started_at, document) VALUES (?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET environment = excluded.environment, document = excluded.document",
        )
        .bind(&record.id)
        .bind(&record.environment_key)
        .bind(record.started_at.to_rfc3339())
        .bind(to_json(record)?)
        .execute(&self.durable)
        .await
        .map_err(store_failure)?;
        Ok(())
    }

    /// The backups of an environment, newest first.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn backups(&self, environment_key: &str) -> Result<Vec<BackupRecord>, Failure> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT document FROM backups WHERE environment = ? ORDER BY started_at DESC, id")
                .bind(environment_key)
                .fetch_all(&self.durable)
                .await
                .map_err(store_failure)?;
        rows.iter().map(|(text,)| from_json(text)).collect()
    }

    /// One backup.
    ///
    /// # Errors
    /// [`FailureCode::BackupDamaged`] when there is none of this id; [`FailureCode::Store`].
    pub async fn backup(&self, id: &str) -> Result<BackupRecord, Failure> {
        let row: Option<(String,)> = sqlx::query_as("SELECT document FROM backups WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.durable)
            .await
            .map_err(store_failure)?;
        match row {
            Some((text,)) => from_json(&text),
            None => Err(Failure::new(FailureCode::BackupDamaged, "There is no such backup.")
                .unchanged("Nothing was changed.")
                .next("Choose one on the Backups panel.")),
        }
    }

    /// Forgets a backup.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn forget_backup(&self, id: &str) -> Result<(), Failure> {
        sqlx::query("DELETE FROM backups WHERE id = ?")
            .bind(id)
            .execute(&self.durable)
            .await
            .map_err(store_failure)?;
        Ok(())
    }
}
