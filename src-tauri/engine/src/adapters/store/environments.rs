//! Environments in the store.

use super::{Store, from_json, store_failure, to_json};
use crate::domain::environment::Environment;
use crate::domain::{Failure, FailureCode};

impl Store {
    /// All environments in their order.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn environments(&self) -> Result<Vec<Environment>, Failure> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT document FROM environments ORDER BY position, name")
                .fetch_all(&self.durable)
                .await
                .map_err(store_failure)?;
        rows.iter().map(|(document,)| from_json(document)).collect()
    }

    /// One environment.
    ///
    /// # Errors
    /// [`FailureCode::EnvironmentUnknown`], [`FailureCode::Store`].
    pub async fn environment(&self, id: &str) -> Result<Environment, Failure> {
        let row: Option<(String,)> = sqlx::query_as("SELECT document FROM environments WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.durable)
            .await
            .map_err(store_failure)?;
        match row {
            Some((document,)) => from_json(&document),
            None => Err(Failure::new(
                FailureCode::EnvironmentUnknown,
                "This environment does not exist any more.",
            )
            .next("Choose another one in the list.")),
        }
    }

    /// Adds an environment at the end, or replaces the one with its id.
    ///
    /// # Errors
    /// [`FailureCode::EnvironmentInvalid`] when the name is taken, [`FailureCode::Store`].
    pub async fn save_environment(&self, environment: &Environment) -> Result<(), Failure> {
        let result = sqlx::query(
            "INSERT INTO environments (id, name, position, document) \
             VALUES (?, ?, (SELECT coalesce(max(position), 0) + 1 FROM environments), ?) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, document = excluded.document",
        )
        .bind(&environment.id)
        .bind(&environment.name)
        .bind(to_json(environment)?)
        .execute(&self.durable)
        .await;
        match result {
            Ok(_) => Ok(()),
            Err(error) if error.as_database_error().is_some_and(|error| error.is_unique_violation()) => {
                Err(Failure::new(
                    FailureCode::EnvironmentInvalid,
                    format!("There is already an environment named `{}`.", environment.name),
                )
                .unchanged("Nothing was saved.")
                .next("Choose another name."))
            }
            Err(error) => Err(store_failure(error)),
        }
    }

    /// Puts environments in this order; ids that are not named keep theirs behind.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn reorder_environments(&self, ids: &[String]) -> Result<(), Failure> {
        let mut transaction = self.durable.begin().await.map_err(store_failure)?;
        sqlx::query("UPDATE environments SET position = position + 100000")
            .execute(&mut *transaction)
            .await
            .map_err(store_failure)?;
        for (id, position) in ids.iter().zip(1_i64..) {
            sqlx::query("UPDATE environments SET position = ? WHERE id = ?")
                .bind(position)
                .bind(id)
                .execute(&mut *transaction)
                .await
                .map_err(store_failure)?;
        }
        transaction.commit().await.map_err(store_failure)
    }

    /// Forgets an environment. Its runs and audit entries stay.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn delete_environment(&self, id: &str) -> Result<(), Failure> {
        let mut transaction = self.durable.begin().await.map_err(store_failure)?;
        for sql in [
            "DELETE FROM environments WHERE id = ?",
            "DELETE FROM readings WHERE environment_id = ?",
            "DELETE FROM settings WHERE key = 'freeze/' || ?",
        ] {
            sqlx::query(sql).bind(id).execute(&mut *transaction).await.map_err(store_failure)?;
        }
        transaction.commit().await.map_err(store_failure)
    }
}
