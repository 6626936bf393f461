//! Backups: what there is, what could be taken, what was proven.

mod adopt;
mod import;
mod keeping;
mod keys;
mod list;
mod prove;
mod restore;
mod schedule;
mod take;

use super::{Engine, Target};
use crate::adapters::backups::Stored;
use crate::domain::backup::{BackupKind, BackupRecord, BackupScope, BackupState};
use crate::domain::{Failure, FailureCode};
use crate::runner::backup::load::Opened;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Engine {
    /// A complete backup with its key, checked against its own checksums up to the manifest.
    pub(in crate::engine) async fn opened(&self, record: &BackupRecord) -> Result<Opened, Failure> {
        let folder = complete_folder(record)?;
        let stored = tokio::task::spawn_blocking(move || Stored::open(&folder))
            .await
            .map_err(|error| unreadable(error.to_string()))??;
        if record.sha256.as_deref() != Some(stored.sha256.as_str()) {
            return Err(Failure::new(
                FailureCode::BackupDamaged,
                "The backup in this folder is not the one that was stored there.",
            )
            .why("Its manifest is another one than the console recorded.")
            .unchanged("Nothing was changed.")
            .next("Do not use it. If it was put there on purpose, import it as a backup of its own."));
        }
        let key = self.backup_key(&stored.manifest.recipient).await?;
        stored.check_seal(&key)?;
        Ok(Opened { stored: Arc::new(stored), key })
    }

    /// Folder of an environment's backups.
    pub(in crate::engine) async fn backup_root(&self, target: &Target) -> Result<PathBuf, Failure> {
        let policy = self.backup_policy(&target.key()).await?;
        let root = if policy.folder.is_empty() {
            self.store().folder().join("backups")
        } else {
            PathBuf::from(&policy.folder)
        };
        Ok(root.join(folder_name(&target.name)))
    }
}

/// The folder of a complete backup.
///
/// # Errors
/// [`FailureCode::BackupDamaged`] for one that is not finished, broken or gone.
fn complete_folder(record: &BackupRecord) -> Result<PathBuf, Failure> {
    let refused = |what: &str| {
        Failure::new(FailureCode::BackupDamaged, what)
            .unchanged("Nothing was changed.")
            .next("Choose another backup.")
    };
    match (record.state, &record.folder) {
        (BackupState::Complete, Some(folder)) if Path::new(folder).is_dir() => Ok(PathBuf::from(folder)),
        (BackupState::Complete | BackupState::Gone, _) => {
            Err(refused("The backup's folder is gone.").why(record.folder.clone().unwrap_or_default()))
        }
        (BackupState::Taking, _) => Err(refused("The backup is still being taken.")),
        (BackupState::Broken, _) => Err(refused("The backup was never finished.")),
    }
}

fn unreadable(why: String) -> Failure {
    Failure::new(FailureCode::BackupDamaged, "The backup could not be read.").why(why)
}

/// A name that every file system takes.
fn folder_name(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() || character == '-' { character } else { '_' })
        .take(60)
        .collect();
    if plain.is_empty() { "environment".to_owned() } else { plain }
}

/// `a deep backup of the whole database`.
fn request_words(kind: BackupKind, scope: &BackupScope) -> String {
    let kind = match kind {
        BackupKind::Deep => "a deep backup",
        BackupKind::Quick => "a quick backup",
    };
    let what = match scope {
        BackupScope::Whole => "of the whole database".to_owned(),
        BackupScope::Schemas { schemas } if schemas.len() == 1 => format!("of schema {}", schemas[0]),
        BackupScope::Schemas { schemas } => format!("of {} schemas", schemas.len()),
        BackupScope::Tables { tables } if tables.len() == 1 => format!("of table {}", tables[0]),
        BackupScope::Tables { tables } => format!("of {} tables", tables.len()),
    };
    format!("{kind} {what}")
}
