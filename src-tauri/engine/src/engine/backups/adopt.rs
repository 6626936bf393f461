//! Backups that this console did not take: folders of another Drydock, from another computer or another place.

use super::take::summary_of;
use crate::adapters::backups::Stored;
use crate::domain::backup::{BackupRecord, BackupState};
use crate::domain::{Failure, FailureCode};
use crate::engine::{Engine, Target};
use chrono::Utc;
use std::path::Path;

impl Engine {
    /// The backup of this id or in this folder. A folder that is not known yet is listed under the target from now
    /// on, as unproven; its files stay where they are.
    ///
    /// # Errors
    /// [`FailureCode::BackupDamaged`] when there is none, or it is not whole.
    pub async fn backup_find(&self, target: &Target, id_or_folder: &str) -> Result<BackupRecord, Failure> {
        let path = Path::new(id_or_folder);
        if !path.is_dir() {
            return self.store().backup(id_or_folder).await;
        }
        let folder = path.canonicalize().map_err(|error| super::unreadable(error.to_string()))?;
        let opened = folder.clone();
        let stored = tokio::task::spawn_blocking(move || Stored::open(&opened))
            .await
            .map_err(|error| super::unreadable(error.to_string()))??;
        let id = stored.manifest.id.clone();
        match self.store().backup(&id).await {
            Ok(record) if record.sha256.as_deref() == Some(stored.sha256.as_str()) => {
                let moved = BackupRecord { folder: Some(folder.display().to_string()), ..record };
                self.store().save_backup(&moved).await?;
                return Ok(moved);
            }
            Ok(_) => {
                return Err(Failure::new(
                    FailureCode::BackupDamaged,
                    "Another backup of the same id is known already.",
                )
                .why(format!("Id {id}; their manifests differ."))
                .unchanged("Nothing was listed.")
                .next("One of them was changed. Prove the known one, and do not use the other."));
            }
            Err(_) => {}
        }
        let manifest = &stored.manifest;
        let record = BackupRecord {
            environment_id: target.environment_id(),
            environment_name: manifest.environment_name.clone(),
            state: BackupState::Complete,
            folder: Some(folder.display().to_string()),
            sha256: Some(stored.sha256.clone()),
            summary: Some(summary_of(&stored, 0.0)),
            imported: Some(match &manifest.imported {
                Some(origin) => format!("imported from {}, found in {}", origin.name, folder.display()),
                None => format!("found in {}", folder.display()),
            }),
            ..BackupRecord::begun(id, target.key(), manifest.kind, manifest.snapshot_at)
        };
        self.store().save_backup(&record).await?;
        self.audit(target, "backup listed", &stored.sha256, &format!("at {}", Utc::now().to_rfc3339()))
            .await?;
        Ok(record)
    }
}
