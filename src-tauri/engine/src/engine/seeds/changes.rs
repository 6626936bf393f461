//! The key that files of changed rows are sealed with: in the keyring, else in the vault, else, where this
//! computer keeps no secrets at all, in a file of its own that only the owner may read.

use crate::adapters::changes::{self, ChangeKey};
use crate::adapters::files;
use crate::domain::run::RunKind;
use crate::domain::secret::{Credential, Keeping, Secret};
use crate::domain::{Failure, FailureCode};
use crate::engine::Engine;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rand::TryRngCore;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Where the handle of the key stands.
const SETTING: &str = "change_key";
/// The file, where no other place is.
const FILE: &str = "changes.key";

impl Engine {
    /// Removes files of changed rows that are older than they are kept. What cannot be removed stays.
    pub(in crate::engine) async fn sweep_changes(&self) {
        // With settings that cannot be read nothing is removed.
        let Ok(settings) = self.settings().await else { return };
        for (run_id, age) in changes::kept(self.store().folder()) {
            let kind = self.store().run(&run_id).await.map(|run| run.kind);
            let keep = match kind {
                Ok(RunKind::Apply) => settings.rows_kept.applies,
                // A file without a run is of one that never began.
                Ok(_) | Err(_) => settings.rows_kept.dry_runs,
            };
            if age > DAY * u32::from(keep) {
                changes::remove(self.store().folder(), &run_id);
            }
        }
    }

    /// The key; made at first use.
    pub(in crate::engine) async fn change_key(&self) -> Result<ChangeKey, Failure> {
        let mut held = self.inner.change_key.lock().await;
        if let Some(key) = &*held {
            return Ok(key.clone());
        }
        let file = self.store().folder().join(FILE);
        let text = match self.kept_key(&file).await? {
            Some(text) => text,
            None => {
                self.new_change_key(&file).await?;
                // Where two consoles made one at the same time, one of them won, and both take that one.
                self.kept_key(&file).await?.ok_or_else(damaged)?
            }
        };
        let bytes = BASE64.decode(text.reveal().trim()).map_err(|_| damaged())?;
        let key = ChangeKey::new(<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| damaged())?);
        *held = Some(key.clone());
        Ok(key)
    }

    async fn kept_key(&self, file: &std::path::Path) -> Result<Option<Secret>, Failure> {
        match self.store().setting(SETTING).await? {
            Some(stored) => {
                let credential: Credential = serde_json::from_str(&stored).map_err(|_| damaged())?;
                Ok(Some(self.secrets().get(&credential).await?))
            }
            None => Ok(files::read_private(file)?.map(Secret::new)),
        }
    }

    async fn new_change_key(&self, file: &std::path::Path) -> Result<(), Failure> {
        let mut bytes = [0; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(|_| damaged())?;
        let text = Secret::new(BASE64.encode(bytes));
        let keeping = self.secrets().status().await.preferred;
        if keeping == Keeping::AskEachTime {
            return files::write_private_once(file, text.reveal());
        }
        let handle = self.secrets().pending_put(text);
        let credential = self.secrets().keep(&handle, keeping).await?;
        let stored = serde_json::to_string(&credential).map_err(|_| damaged())?;
        if !self.store().set_setting_once(SETTING, &stored).await? {
            self.secrets().forget(&credential).await?;
        }
        Ok(())
    }
}

fn damaged() -> Failure {
    Failure::new(FailureCode::JournalUnavailable, "The key of the kept rows cannot be read.")
        .unchanged("Nothing was written.")
        .next("Restore the keyring, the vault, or the console's data folder from its backup.")
}
