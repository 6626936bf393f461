//! The key that files of changed rows are sealed with: in the keyring, else in the vault, else, where this
//! computer keeps no secrets at all, in a file of its own that only the owner may read.

use crate::adapters::changes::ChangeKey;
use crate::adapters::files;
use crate::domain::secret::{Credential, Keeping, Secret};
use crate::domain::{Failure, FailureCode};
use crate::engine::Engine;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rand::TryRngCore;

/// Where the handle of the key stands.
const SETTING: &str = "change_key";
/// The file, where no other place is.
const FILE: &str = "changes.key";

impl Engine {
    /// The key; made at first use.
    pub(in crate::engine) async fn change_key(&self) -> Result<ChangeKey, Failure> {
        let mut held = self.inner.change_key.lock().await;
        if let Some(key) = &*held {
            return Ok(key.clone());
        }
        let file = self.store().folder().join(FILE);
        let text = match self.store().setting(SETTING).await? {
            Some(stored) => {
                let credential: Credential = serde_json::from_str(&stored).map_err(|_| damaged())?;
                self.secrets().get(&credential).await?
            }
            None => match files::read_private(&file)? {
                Some(text) => Secret::new(text),
                None => self.new_change_key(&file).await?,
            },
        };
        let bytes = BASE64.decode(text.reveal().trim()).map_err(|_| damaged())?;
        let key = ChangeKey::new(<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| damaged())?);
        *held = Some(key.clone());
        Ok(key)
    }

    async fn new_change_key(&self, file: &std::path::Path) -> Result<Secret, Failure> {
        let mut bytes = [0; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(|_| damaged())?;
        let text = Secret::new(BASE64.encode(bytes));
        let keeping = self.secrets().status().await.preferred;
        if keeping == Keeping::AskEachTime {
            files::write_private(file, text.reveal())?;
            return Ok(text);
        }
        let handle = self.secrets().pending_put(text.clone());
        let credential = self.secrets().keep(&handle, keeping).await?;
        let stored = serde_json::to_string(&credential).map_err(|_| damaged())?;
        self.store().set_setting(SETTING, &stored).await?;
        Ok(text)
    }
}

fn damaged() -> Failure {
    Failure::new(FailureCode::JournalUnavailable, "The key of the kept rows cannot be read.")
        .unchanged("Nothing was written.")
        .next("Restore the keyring, the vault, or the console's data folder from its backup.")
}
