//! Where secrets are kept: the operating system's keyring, Drydock's own vault behind a passphrase, or
//! nowhere (asked for at each start). The operator chooses; nothing falls back to another place by
//! itself, and no secret is ever written in clear.

mod system;
mod vault;

use crate::domain::{
    Failure, FailureCode,
    secret::{Credential, Keeping, Secret, SecretStoreStatus},
};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use system::SystemKeyring;
use vault::{Key, Sealing, Vault};

/// Longest secret that goes into the keyring itself, in characters. Windows takes about 1280; the rule
/// is the same everywhere, so that what works on one computer works on the next. Longer ones are kept
/// in the vault file, encrypted with a random key that is in the keyring.
pub const LONGEST_IN_KEYRING: usize = 1_000;

/// Most secrets that may wait for being kept; the oldest goes first.
const MOST_PENDING: usize = 64;

/// The account in the keyring that holds the vault file's random key.
const KEY_ACCOUNT: &str = "vault-key";

/// Keeps and hands out secrets. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct SecretStore {
    inner: Arc<Inner>,
}

struct Inner {
    system: SystemKeyring,
    vault: Vault,
    /// Handle and secret, oldest first.
    pending: Mutex<Vec<(String, Secret)>>,
    /// Secrets for this session only, by credential id.
    session: Mutex<HashMap<String, Secret>>,
    /// The vault's key while it is unlocked.
    passphrase_key: Mutex<Option<Key>>,
    /// One reader-then-writer of the vault file at a time.
    writing: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretStore(redacted)")
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SecretStore {
    /// A store whose vault is `vault.json` in the data folder. Touches nothing yet.
    pub fn open(data_folder: impl Into<PathBuf>) -> Self {
        Self {
            inner: Arc::new(Inner {
                system: SystemKeyring::new(),
                vault: Vault::new(data_folder.into().join("vault.json")),
                pending: Mutex::default(),
                session: Mutex::default(),
                passphrase_key: Mutex::default(),
                writing: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// What this computer offers, found by really storing, reading and deleting a random value. Takes
    /// five seconds at most; a keyring that waits for its dialog counts as not working and says so.
    pub async fn status(&self) -> SecretStoreStatus {
        let problem = self.inner.system.probe().await.err().map(|failure| match failure.why {
            Some(why) => format!("{} {why}", failure.what),
            None => failure.what,
        });
        let vault_exists = self.inner.vault.has_passphrase();
        SecretStoreStatus {
            keyring_name: system::NAME.to_owned(),
            keyring_works: problem.is_none(),
            preferred: match (&problem, vault_exists) {
                (None, _) => Keeping::Keyring,
                (Some(_), true) => Keeping::Vault,
                (Some(_), false) => Keeping::AskEachTime,
            },
            keyring_problem: problem,
            vault_exists,
            vault_unlocked: held(&self.inner.passphrase_key).is_some(),
        }
    }

    /// Takes a secret in memory and gives a handle for it. It is gone when the console ends, unless
    /// [`keep`](Self::keep) is called.
    pub fn pending_put(&self, secret: Secret) -> String {
        let handle = uuid::Uuid::new_v4().to_string();
        let mut pending = held(&self.inner.pending);
        if pending.len() >= MOST_PENDING {
            pending.remove(0);
        }
        pending.push((handle.clone(), secret));
        handle
    }

    /// The secret behind a pending handle, for a connection test before it is kept. Fails with
    /// `DRY-1403`.
    pub fn pending_get(&self, handle: &str) -> Result<Secret, Failure> {
        let pending = held(&self.inner.pending);
        pending.iter().find(|(own, _)| own == handle).map(|(_, secret)| secret.clone()).ok_or_else(|| {
            Failure::new(FailureCode::SecretNeeded, "The password that was entered is no longer held.")
                .next("Enter it again.")
        })
    }

    /// Drops a pending secret.
    pub fn pending_drop(&self, handle: &str) {
        held(&self.inner.pending).retain(|(own, _)| own != handle);
    }

    /// Moves a pending secret to where it is to be kept. If that fails, it stays pending, so that
    /// another place can be chosen; it never goes to another place by itself. Fails with `DRY-1401`
    /// (keyring), `DRY-1402` (vault locked), `DRY-1403` (no such handle), `DRY-1801` (file).
    pub async fn keep(&self, handle: &str, keeping: Keeping) -> Result<Credential, Failure> {
        let secret = self.pending_get(handle)?;
        let credential = Credential { id: uuid::Uuid::new_v4().to_string(), kept: keeping };
        match keeping {
            Keeping::Keyring if secret.reveal().chars().count() > LONGEST_IN_KEYRING => {
                let key = self.keyring_key(true).await?;
                self.write_entry(&credential.id, Sealing::Keyring, key, secret).await?;
            }
            Keeping::Keyring => self.inner.system.set(&credential.id, secret).await?,
            Keeping::Vault => {
                let key = self.unlocked_key()?;
                self.write_entry(&credential.id, Sealing::Passphrase, key, secret).await?;
            }
            Keeping::AskEachTime => {
                held(&self.inner.session).insert(credential.id.clone(), secret);
            }
        }
        self.pending_drop(handle);
        Ok(credential)
    }

    /// The secret itself, for the one call that needs it. Fails with `DRY-1401`, `DRY-1402`, or
    /// `DRY-1403` where it has to be entered again (see [`provide`](Self::provide)).
    pub async fn get(&self, credential: &Credential) -> Result<Secret, Failure> {
        if let Some(secret) = held(&self.inner.session).get(&credential.id) {
            return Ok(secret.clone());
        }
        match credential.kept {
            Keeping::AskEachTime => {
                Err(Failure::new(FailureCode::SecretNeeded, "The password is asked for at each start.")
                    .unchanged("No connection was made.")
                    .next("Enter the password."))
            }
            Keeping::Vault => {
                let key = self.unlocked_key()?;
                self.read_entry(&credential.id, Sealing::Passphrase, key).await
            }
            Keeping::Keyring => {
                if self.inner.vault.has(&credential.id, Sealing::Keyring)? {
                    let key = self.keyring_key(false).await?;
                    return self.read_entry(&credential.id, Sealing::Keyring, key).await;
                }
                match self.inner.system.get(&credential.id).await? {
                    Some(secret) => Ok(secret),
                    None => Err(gone("the keyring")),
                }
            }
        }
    }

    /// Hands in a secret for this session only: one that is asked for each time, or one whose place
    /// cannot be read today.
    pub fn provide(&self, credential: &Credential, secret: Secret) {
        held(&self.inner.session).insert(credential.id.clone(), secret);
    }

    /// Deletes a secret from where it is kept; one that is gone already is no failure. Fails with
    /// `DRY-1401` or `DRY-1801`.
    pub async fn forget(&self, credential: &Credential) -> Result<(), Failure> {
        held(&self.inner.session).remove(&credential.id);
        if credential.kept == Keeping::AskEachTime {
            return Ok(());
        }
        let sealing = if credential.kept == Keeping::Vault { Sealing::Passphrase } else { Sealing::Keyring };
        if self.inner.vault.has(&credential.id, sealing)? {
            let _turn = self.inner.writing.lock().await;
            let inner = Arc::clone(&self.inner);
            let id = credential.id.clone();
            return blocking(move || inner.vault.remove(&id)).await;
        }
        match credential.kept {
            Keeping::Keyring => self.inner.system.delete(&credential.id).await,
            Keeping::Vault | Keeping::AskEachTime => Ok(()),
        }
    }

    /// Makes the vault's passphrase part and leaves it unlocked. Fails with `DRY-1402` where there is
    /// one already or the passphrase has fewer than eight characters.
    pub async fn vault_create(&self, passphrase: Secret) -> Result<(), Failure> {
        if passphrase.reveal().chars().count() < 8 {
            return Err(Failure::new(
                FailureCode::VaultLocked,
                "The passphrase has fewer than eight characters.",
            )
            .unchanged("No vault was made.")
            .next("Choose a longer one, such as four words."));
        }
        let _turn = self.inner.writing.lock().await;
        let inner = Arc::clone(&self.inner);
        let key = blocking(move || inner.vault.create(&passphrase)).await?;
        *held(&self.inner.passphrase_key) = Some(key);
        Ok(())
    }

    /// Unlocks the vault for this session. Fails with `DRY-1402` where the passphrase is wrong or the
    /// file is damaged: the two cannot be told apart.
    pub async fn vault_unlock(&self, passphrase: Secret) -> Result<(), Failure> {
        let inner = Arc::clone(&self.inner);
        let key = blocking(move || inner.vault.unlock(&passphrase)).await?;
        *held(&self.inner.passphrase_key) = Some(key);
        Ok(())
    }

    /// Forgets the vault's key and every secret handed in for this session.
    pub fn vault_lock(&self) {
        *held(&self.inner.passphrase_key) = None;
        held(&self.inner.session).clear();
    }

    fn unlocked_key(&self) -> Result<Key, Failure> {
        if let Some(key) = &*held(&self.inner.passphrase_key) {
            return Ok(key.clone());
        }
        Err(if self.inner.vault.has_passphrase() {
            Failure::new(FailureCode::VaultLocked, "The vault is locked.")
                .next("Unlock it with its passphrase.")
        } else {
            Failure::new(FailureCode::VaultLocked, "There is no vault on this computer yet.")
                .next("Make one with a passphrase.")
        })
    }

    /// The vault file's random key out of the keyring; made on first need only where `make` says so.
    async fn keyring_key(&self, make: bool) -> Result<Key, Failure> {
        let _turn = self.inner.writing.lock().await;
        if let Some(text) = self.inner.system.get(KEY_ACCOUNT).await? {
            return Key::from_text(&text);
        }
        if !make || self.inner.vault.has_any(Sealing::Keyring)? {
            return Err(Failure::new(FailureCode::KeyringUnavailable, "The keyring no longer holds the vault file's key.")
                .why("Long secrets are kept in the vault file, encrypted with that key. Without it they cannot be read.")
                .unchanged("Nothing was changed.")
                .next("Restore the keyring, or enter these secrets again with another way of keeping them."));
        }
        let key = Key::random()?;
        self.inner.system.set(KEY_ACCOUNT, key.to_text()).await?;
        Ok(key)
    }

    async fn write_entry(&self, id: &str, sealing: Sealing, key: Key, secret: Secret) -> Result<(), Failure> {
        let _turn = self.inner.writing.lock().await;
        let (inner, id) = (Arc::clone(&self.inner), id.to_owned());
        blocking(move || inner.vault.put(&id, sealing, &key, &secret)).await
    }

    async fn read_entry(&self, id: &str, sealing: Sealing, key: Key) -> Result<Secret, Failure> {
        let (inner, id) = (Arc::clone(&self.inner), id.to_owned());
        blocking(move || inner.vault.get(&id, sealing, &key)).await?.ok_or_else(|| gone("the vault"))
    }
}

fn gone(place: &str) -> Failure {
    Failure::new(FailureCode::SecretNeeded, format!("The password is no longer in {place}."))
        .why("It was deleted there, or the environment comes from another computer.")
        .unchanged("No connection was made.")
        .next("Enter the password again.")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(Failure::new(FailureCode::FileSystem, "Work on the vault's file was broken off.")
            .next("Try again.")),
    }
}
