//! The audit: append-only and hash-chained, with its head kept beside it so that truncation shows.

use super::{Store, store_failure};
use crate::domain::migration::hex;
use crate::domain::{Failure, FailureCode};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

/// One audit entry: who, what, target, digest, outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// The operating system's user.
    pub actor: String,
    /// What was done: `apply`, `repin`, `delete environment`, ...
    pub action: String,
    /// Environment and database.
    pub target: String,
    /// Plan digest, or empty.
    pub digest: String,
    /// Outcome or reason.
    pub outcome: String,
}

type Row = (i64, String, String, String, String, String, String, String, String);

const HEAD: &str = "audit.head";

fn link(sequence: i64, fields: [&str; 6], previous: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(sequence.to_be_bytes());
    for field in fields.iter().chain([&previous]) {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field.as_bytes());
    }
    hex(&hasher.finalize())
}

impl Store {
    /// Appends an entry.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn audit(&self, entry: &AuditEntry) -> Result<(), Failure> {
        // The write lock first, so that two processes cannot read the same head.
        let mut transaction = self.durable.begin_with("BEGIN IMMEDIATE").await.map_err(store_failure)?;
        let last: Option<(i64, String)> =
            sqlx::query_as("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")
                .fetch_optional(&mut *transaction)
                .await
                .map_err(store_failure)?;
        let (sequence, previous) = last.map_or((1, String::new()), |(sequence, hash)| (sequence + 1, hash));
        let at = entry.at.to_rfc3339();
        let fields = [at.as_str(), &entry.actor, &entry.action, &entry.target, &entry.digest, &entry.outcome];
        let hash = link(sequence, fields, &previous);
        let mut query = sqlx::query(
            "INSERT INTO audit (sequence, at, actor, action, target, digest, outcome, previous, hash) VALUES (?,?,?,?,?,?,?,?,?)",
        )
        .bind(sequence);
        for field in fields {
            query = query.bind(field);
        }
        query.bind(&previous).bind(&hash).execute(&mut *transaction).await.map_err(store_failure)?;
        transaction.commit().await.map_err(store_failure)?;
        let path = self.folder.join(HEAD);
        let temporary = self.folder.join(format!("{HEAD}.{}", uuid::Uuid::new_v4()));
        std::fs::write(&temporary, format!("{sequence} {hash}\n"))
            .and_then(|()| std::fs::rename(&temporary, &path))
            .map_err(store_failure)
    }

    /// Checks the whole chain; the sentence says how many entries hold.
    ///
    /// # Errors
    /// [`FailureCode::AuditBroken`] with the place, [`FailureCode::Store`].
    pub async fn verify_audit(&self) -> Result<String, Failure> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT sequence, at, actor, action, target, digest, outcome, previous, hash FROM audit ORDER BY sequence",
        )
        .fetch_all(&self.durable)
        .await
        .map_err(store_failure)?;
        let broken = |what: String| {
            Failure::new(FailureCode::AuditBroken, what)
                .why("The chain of hashes does not hold from there on.")
                .next("Someone or something wrote to Drydock's store by hand; compare with a backup of the data folder.")
        };
        let mut previous = String::new();
        let mut expected = 1;
        for (sequence, at, actor, action, target, digest, outcome, stored_previous, hash) in &rows {
            if *sequence != expected {
                return Err(broken(format!("Audit entry {expected} is missing.")));
            }
            if *stored_previous != previous {
                return Err(broken(format!("Audit entry {sequence} does not follow the one before it.")));
            }
            if link(*sequence, [at, actor, action, target, digest, outcome], &previous) != *hash {
                return Err(broken(format!("Audit entry {sequence} was changed after it was written.")));
            }
            previous.clone_from(hash);
            expected += 1;
        }
        let head = std::fs::read_to_string(self.folder.join(HEAD)).unwrap_or_default();
        let stored: Option<(i64, &str)> =
            head.trim().split_once(' ').and_then(|(sequence, hash)| Some((sequence.parse().ok()?, hash)));
        match stored {
            Some((sequence, _)) if sequence >= expected => {
                return Err(broken(format!(
                    "The audit ends at entry {}, but {sequence} were written.",
                    expected - 1
                )));
            }
            Some((sequence, hash)) => {
                // A crash between commit and head leaves the head one entry behind, never ahead.
                let at_head = usize::try_from(sequence)
                    .ok()
                    .and_then(|place| rows.get(place - 1))
                    .map(|row| row.8.as_str());
                if at_head != Some(hash) {
                    return Err(broken(format!("Audit entry {sequence} is not the one that was written.")));
                }
            }
            None if !rows.is_empty() => {
                return Err(broken("The mark of the audit's end is gone.".to_owned()));
            }
            None => {}
        }
        Ok(format!("All {} audit entries are as they were written.", rows.len()))
    }
}
