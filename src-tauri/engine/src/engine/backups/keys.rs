//! The keys that backups are encrypted with: kept in the keyring or the vault, never in a file. One is in use; others
//! came from other computers and open what was taken there.

use crate::adapters::backups::{BackupKey, export_keys, import_keys};
use crate::domain::backup::BackupKeyState;
use crate::domain::secret::{Credential, Keeping, Secret};
use crate::domain::{Failure, FailureCode};
use crate::engine::Engine;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where the handles of the keys stand.
const SETTING: &str = "backup_keys";
/// Shortest passphrase that keys leave this computer under, in characters.
const SHORTEST: usize = 12;

/// The keys of this console; the first one is in use.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Ring {
    keys: Vec<Kept>,
    exported_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    recipient: String,
    credential: Credential,
}

impl Engine {
    /// The key in use; made at first use.
    ///
    /// # Errors
    /// [`FailureCode::BackupKeyMissing`] where this computer keeps no secrets.
    pub(in crate::engine) async fn newest_backup_key(&self) -> Result<BackupKey, Failure> {
        let _one_at_a_time = self.inner.backup_keys.lock().await;
        let ring = self.ring().await?;
        if let Some(kept) = ring.keys.first() {
            return BackupKey::parse(&self.secrets().get(&kept.credential).await?);
        }
        let key = BackupKey::generate();
        self.keep_key(ring, &key).await?;
        Ok(key)
    }

    /// The key of a backup.
    ///
    /// # Errors
    /// [`FailureCode::BackupKeyMissing`] where it is not on this computer; what keeping it says.
    pub(in crate::engine) async fn backup_key(&self, recipient: &str) -> Result<BackupKey, Failure> {
        let ring = self.ring().await?;
        let kept = ring.keys.iter().find(|kept| kept.recipient == recipient).ok_or_else(|| {
            Failure::new(FailureCode::BackupKeyMissing, "The key of this backup is not on this computer.")
                .why(format!("It is encrypted to {recipient}."))
                .unchanged("Nothing was changed.")
                .next("Import the key on the Backups panel: it was exported on the computer that took the backup.")
        })?;
        BackupKey::parse(&self.secrets().get(&kept.credential).await?)
    }

    /// The public halves of the keys on this computer.
    pub(in crate::engine) async fn backup_recipients(&self) -> Result<Vec<String>, Failure> {
        Ok(self.ring().await?.keys.into_iter().map(|kept| kept.recipient).collect())
    }

    /// Whether there is a key, or can be one.
    pub(in crate::engine) async fn backup_key_state(&self) -> Result<BackupKeyState, Failure> {
        let ring = self.ring().await?;
        let status = self.secrets().status().await;
        let first = ring.keys.first();
        let locked = first.is_some_and(|kept| kept.credential.kept == Keeping::Vault)
            || status.preferred == Keeping::Vault;
        let problem = if first.is_none() && status.preferred == Keeping::AskEachTime {
            Some(nowhere(status.keyring_problem.as_deref()))
        } else if locked && !status.vault_unlocked {
            Some(
                Failure::new(FailureCode::VaultLocked, "The vault with the key of the backups is locked.")
                    .unchanged("Nothing was stored.")
                    .next("Unlock the vault in Settings."),
            )
        } else {
            None
        };
        Ok(BackupKeyState {
            recipient: first.map(|kept| kept.recipient.clone()),
            exported_at: ring.exported_at,
            problem,
        })
    }

    /// Writes all keys into a new file, encrypted with a passphrase that was handed in.
    ///
    /// # Errors
    /// [`FailureCode::SecretNeeded`], [`FailureCode::BackupKeyMissing`], [`FailureCode::FileSystem`].
    pub async fn backup_keys_export(&self, path: &Path, passphrase: &str) -> Result<u32, Failure> {
        let secret = self.secrets().pending_get(passphrase)?;
        self.backup_keys_export_with(path, &secret).await
    }

    /// As [`Engine::backup_keys_export`], with the passphrase itself.
    ///
    /// # Errors
    /// As there.
    pub async fn backup_keys_export_with(&self, path: &Path, passphrase: &Secret) -> Result<u32, Failure> {
        if passphrase.reveal().chars().count() < SHORTEST {
            return Err(Failure::new(FailureCode::SettingInvalid, "The passphrase is too short.")
                .why(format!(
                    "Whoever guesses it can read every backup; it has {SHORTEST} characters or more."
                ))
                .unchanged("No file was written.")
                .next("Type a longer one, such as four words, and write it down where the file is not."));
        }
        self.newest_backup_key().await?;
        let mut ring = self.ring().await?;
        let mut keys = Vec::new();
        for kept in &ring.keys {
            keys.push(BackupKey::parse(&self.secrets().get(&kept.credential).await?)?);
        }
        let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let (path, secret) = (path.to_path_buf(), passphrase.clone());
        tokio::task::spawn_blocking(move || {
            let sealed = export_keys(&keys, &secret)?;
            crate::adapters::files::write_new(&path, &sealed)
        })
        .await
        .map_err(|error| {
            Failure::new(FailureCode::FileSystem, "The keys could not be written.").why(error.to_string())
        })??;
        ring.exported_at = Some(Utc::now());
        self.save_ring(&ring).await?;
        Ok(count)
    }

    /// Adds the keys of an exported file; answers how many were new.
    ///
    /// # Errors
    /// [`FailureCode::SecretNeeded`], [`FailureCode::BackupKeyMissing`], [`FailureCode::FileSystem`].
    pub async fn backup_keys_import(&self, path: &Path, passphrase: &str) -> Result<u32, Failure> {
        let secret = self.secrets().pending_get(passphrase)?;
        self.backup_keys_import_with(path, &secret).await
    }

    /// As [`Engine::backup_keys_import`], with the passphrase itself.
    ///
    /// # Errors
    /// As there.
    pub async fn backup_keys_import_with(&self, path: &Path, passphrase: &Secret) -> Result<u32, Failure> {
        let (path, secret) = (path.to_path_buf(), passphrase.clone());
        let keys = tokio::task::spawn_blocking(move || {
            let sealed = crate::adapters::files::read_small(&path)?;
            import_keys(&sealed, &secret)
        })
        .await
        .map_err(|error| {
            Failure::new(FailureCode::FileSystem, "The keys could not be read.").why(error.to_string())
        })??;
        let _one_at_a_time = self.inner.backup_keys.lock().await;
        let mut new = 0;
        for key in keys {
            let ring = self.ring().await?;
            if ring.keys.iter().any(|kept| kept.recipient == key.recipient()) {
                continue;
            }
            self.keep_key(ring, &key).await?;
            new += 1;
        }
        Ok(new)
    }

    async fn ring(&self) -> Result<Ring, Failure> {
        match self.store().setting(SETTING).await? {
            None => Ok(Ring::default()),
            Some(text) => serde_json::from_str(&text).map_err(|error| {
                Failure::new(FailureCode::Store, "The list of backup keys cannot be read.")
                    .why(error.to_string())
            }),
        }
    }

    async fn save_ring(&self, ring: &Ring) -> Result<(), Failure> {
        let text = serde_json::to_string(ring).unwrap_or_default();
        self.store().set_setting(SETTING, &text).await
    }

    /// Keeps a key where secrets are kept, behind those that are there.
    async fn keep_key(&self, mut ring: Ring, key: &BackupKey) -> Result<(), Failure> {
        let status = self.secrets().status().await;
        if status.preferred == Keeping::AskEachTime {
            return Err(nowhere(status.keyring_problem.as_deref()));
        }
        let handle = self.secrets().pending_put(key.secret());
        let credential = self.secrets().keep(&handle, status.preferred).await?;
        ring.keys.push(Kept { recipient: key.recipient(), credential });
        self.save_ring(&ring).await
    }
}

fn nowhere(problem: Option<&str>) -> Failure {
    Failure::new(FailureCode::BackupKeyMissing, "Backups are encrypted, and this computer keeps no key.")
        .why(problem.map_or_else(
            || "There is neither a keyring nor a vault.".to_owned(),
            |problem| format!("The keyring does not work: {problem} There is no vault either."),
        ))
        .unchanged("Nothing was stored.")
        .next("Set up the vault in Settings; on the command line, name a passphrase file in DRYDOCK_VAULT_PASSPHRASE_FILE.")
}
