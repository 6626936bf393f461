//! Secrets as a type that cannot be printed, serialized or sent to the web view.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A secret in memory. `Debug` is redacted, there is no `Serialize` and no `Display`; wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The clear text, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// The handle of a secret. The secret itself is only ever in the keyring or vault and in memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Credential {
    /// Random id; the account name in the keyring.
    pub id: String,
    /// Where the secret is kept.
    pub kept: Keeping,
}

/// Where a secret is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum Keeping {
    /// In the operating system's keyring.
    Keyring,
    /// In Drydock's vault, encrypted with a key from a passphrase (argon2id).
    Vault,
    /// Nowhere: asked for at each start of the console.
    AskEachTime,
}

/// Which secret of an environment is handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum SecretOf {
    /// The password of the direct address.
    Direct,
    /// The password of the app's own address.
    Runtime,
    /// The password or passphrase of the SSH login.
    Ssh,
}

/// What this computer offers for keeping secrets, found by really storing and reading one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SecretStoreStatus {
    /// The keyring's name as the operator knows it, such as `macOS Keychain`.
    pub keyring_name: String,
    /// Whether the keyring was probed and works.
    pub keyring_works: bool,
    /// Why not, in words.
    pub keyring_problem: Option<String>,
    /// Whether a vault exists on this computer.
    pub vault_exists: bool,
    /// Whether the vault is unlocked in this session.
    pub vault_unlocked: bool,
    /// What new secrets are kept in unless the operator chooses otherwise.
    pub preferred: Keeping,
}
