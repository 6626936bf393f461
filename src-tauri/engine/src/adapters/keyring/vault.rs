//! The vault file: every entry sealed by itself (XChaCha20-Poly1305, the entry's id and kind bound to
//! it), with a key that comes from a passphrase (argon2id) or is a random one kept in the keyring.
//! Written as a whole: temporary file, fsync, rename. Only the owner may read it, and nothing in it is
//! in clear but ids and the key derivation's parameters.

use crate::domain::{Failure, FailureCode, secret::Secret};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use rand::TryRngCore;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    path::{Path, PathBuf},
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Largest file read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// argon2id: memory in KiB, passes, lanes (RFC 9106, second recommended choice).
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// What is sealed to recognise a right passphrase.
const CHECK: &str = "drydock";

/// A key of 256 bits; wiped on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn random() -> Result<Self, Failure> {
        let mut key = Self([0; 32]);
        fill(&mut key.0)?;
        Ok(key)
    }

    /// For the keyring, which keeps text.
    pub(super) fn to_text(&self) -> Secret {
        Secret::new(BASE64.encode(self.0))
    }

    pub(super) fn from_text(text: &Secret) -> Result<Self, Failure> {
        let bytes = BASE64.decode(text.reveal()).map(Zeroizing::new);
        bytes.ok().and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok()).map(Self).ok_or_else(|| {
            Failure::new(FailureCode::KeyringUnavailable, "The vault file's key in the keyring is damaged.")
                .unchanged("Nothing was changed.")
                .next("Restore the keyring, or enter these secrets again with another way of keeping them.")
        })
    }
}

/// Which key an entry is sealed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sealing {
    /// The one derived from the passphrase.
    Passphrase,
    /// The random one in the keyring.
    Keyring,
}

impl Sealing {
    fn word(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::Keyring => "keyring",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    passphrase: Option<Derivation>,
    entries: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Derivation {
    function: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
    check: Sealed,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    by: Sealing,
    sealed: Sealed,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    nonce: String,
    text: String,
}

/// The vault file.
pub(super) struct Vault {
    path: PathBuf,
}

impl Vault {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Whether there is a passphrase part. An unreadable file counts as one: it is not to be replaced.
    pub(super) fn has_passphrase(&self) -> bool {
        match self.read() {
            Ok(Some(file)) => file.passphrase.is_some(),
            Ok(None) => false,
            Err(_) => true,
        }
    }

    pub(super) fn has(&self, id: &str, by: Sealing) -> Result<bool, Failure> {
        Ok(self.read()?.is_some_and(|file| file.entries.get(id).is_some_and(|entry| entry.by == by)))
    }

    pub(super) fn has_any(&self, by: Sealing) -> Result<bool, Failure> {
        Ok(self.read()?.is_some_and(|file| file.entries.values().any(|entry| entry.by == by)))
    }

    pub(super) fn create(&self, passphrase: &Secret) -> Result<Key, Failure> {
        self.change(|file| {
            if file.passphrase.is_some() {
                return Err(Failure::new(
                    FailureCode::VaultLocked,
                    "There is a vault on this computer already.",
                )
                .unchanged("The vault is as it was.")
                .next("Unlock it with its passphrase."));
            }
            let mut salt = [0_u8; 16];
            fill(&mut salt)?;
            let key = derive(passphrase, &salt, MEMORY_KIB, PASSES, LANES)?;
            let check = seal(&key, &check_label(MEMORY_KIB, PASSES, LANES), CHECK)?;
            file.passphrase = Some(Derivation {
                function: "argon2id".to_owned(),
                memory_kib: MEMORY_KIB,
                passes: PASSES,
                lanes: LANES,
                salt: BASE64.encode(salt),
                check,
            });
            Ok(key)
        })
    }

    pub(super) fn unlock(&self, passphrase: &Secret) -> Result<Key, Failure> {
        let Some(derivation) = self.read()?.and_then(|file| file.passphrase) else {
            return Err(Failure::new(FailureCode::VaultLocked, "There is no vault on this computer yet.")
                .next("Make one with a passphrase."));
        };
        let Derivation { function, memory_kib, passes, lanes, salt, check } = derivation;
        let sane = (8 * 1024..=1024 * 1024).contains(&memory_kib)
            && (1..=20).contains(&passes)
            && (1..=8).contains(&lanes);
        let salt = BASE64.decode(salt).unwrap_or_default();
        if function != "argon2id" || !sane || salt.len() != 16 {
            return Err(damaged("Its key derivation is not one Drydock writes."));
        }
        let key = derive(passphrase, &salt, memory_kib, passes, lanes)?;
        match open(&key, &check_label(memory_kib, passes, lanes), &check) {
            Some(text) if text.reveal() == CHECK => Ok(key),
            _ => Err(Failure::new(
                FailureCode::VaultLocked,
                "The passphrase is wrong, or the vault's file is damaged.",
            )
            .why("The two cannot be told apart: what the file holds does not open with this passphrase.")
            .unchanged("The vault is as it was.")
            .next("Try the passphrase again; if it is surely right, restore vault.json from a backup.")),
        }
    }

    pub(super) fn put(&self, id: &str, by: Sealing, key: &Key, secret: &Secret) -> Result<(), Failure> {
        self.change(|file| {
            let sealed = seal(key, &label(id, by), secret.reveal())?;
            file.entries.insert(id.to_owned(), Entry { by, sealed });
            Ok(())
        })
    }

    /// `None`: there is no such entry.
    pub(super) fn get(&self, id: &str, by: Sealing, key: &Key) -> Result<Option<Secret>, Failure> {
        let Some(entry) =
            self.read()?.and_then(|mut file| file.entries.remove(id)).filter(|entry| entry.by == by)
        else {
            return Ok(None);
        };
        match open(key, &label(id, by), &entry.sealed) {
            Some(secret) => Ok(Some(secret)),
            None => Err(damaged(
                "An entry does not open with the key: it was changed, or belongs to another vault.",
            )),
        }
    }

    pub(super) fn remove(&self, id: &str) -> Result<(), Failure> {
        self.change(|file| {
            file.entries.remove(id);
            Ok(())
        })
    }

    /// `None`: there is no file yet.
    fn read(&self) -> Result<Option<File>, Failure> {
        let file = match std::fs::File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.trouble("read", &error)),
        };
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text).map_err(|error| self.trouble("read", &error))?;
        let file: File = serde_json::from_str(&text).map_err(|error| {
            damaged(&format!(
                "It cannot be read as a vault (line {}, column {}).",
                error.line(),
                error.column()
            ))
        })?;
        if file.version != 1 {
            return Err(damaged("It was written by a newer Drydock."));
        }
        Ok(Some(file))
    }

    /// Reads, changes and writes the file while holding its lock, so that two consoles do not lose each
    /// other's entries.
    fn change<T>(&self, work: impl FnOnce(&mut File) -> Result<T, Failure>) -> Result<T, Failure> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| self.trouble("write", &error))?;
        let lock = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path.with_extension("lock"))
            .map_err(|error| self.trouble("write", &error))?;
        lock.lock().map_err(|error| self.trouble("write", &error))?;
        let mut file =
            self.read()?.unwrap_or(File { version: 1, passphrase: None, entries: BTreeMap::new() });
        let result = work(&mut file)?;
        let text = serde_json::to_vec_pretty(&file)
            .map_err(|error| self.trouble("write", &std::io::Error::other(error)))?;
        self.replace(folder, &text).map_err(|error| self.trouble("write", &error))?;
        Ok(result)
    }

    fn replace(&self, folder: &Path, text: &[u8]) -> std::io::Result<()> {
        // Created for the owner only (0600 on unix; the user's own folder on Windows).
        let mut temporary = tempfile::Builder::new().prefix(".vault-").tempfile_in(folder)?;
        temporary.write_all(text)?;
        temporary.as_file().sync_all()?;
        temporary.persist(&self.path).map_err(|error| error.error)?;
        #[cfg(unix)]
        std::fs::File::open(folder)?.sync_all()?;
        Ok(())
    }

    fn trouble(&self, verb: &str, error: &std::io::Error) -> Failure {
        Failure::new(
            FailureCode::FileSystem,
            format!("The vault's file cannot be {}.", if verb == "read" { "read" } else { "written" }),
        )
        .why(format!("{}: {error}", self.path.display()))
        .unchanged("The vault is as it was.")
        .next("Check the folder's permissions and the free space.")
    }
}

fn damaged(why: &str) -> Failure {
    Failure::new(FailureCode::VaultLocked, "The vault's file is damaged.")
        .why(why)
        .unchanged("The file was left as it is.")
        .next("Restore vault.json from a backup, or move it away and enter the passwords again.")
}

fn check_label(memory_kib: u32, passes: u32, lanes: u32) -> String {
    format!("drydock vault 1 check argon2id {memory_kib} {passes} {lanes}")
}

fn label(id: &str, by: Sealing) -> String {
    format!("drydock vault 1 entry {} {id}", by.word())
}

fn derive(
    passphrase: &Secret,
    salt: &[u8],
    memory_kib: u32,
    passes: u32,
    lanes: u32,
) -> Result<Key, Failure> {
    let trouble = |_| damaged("Its key derivation is not one Drydock writes.");
    let parameters = argon2::Params::new(memory_kib, passes, lanes, Some(32)).map_err(trouble)?;
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters);
    let mut key = Key([0; 32]);
    argon.hash_password_into(passphrase.reveal().as_bytes(), salt, &mut key.0).map_err(trouble)?;
    Ok(key)
}

fn seal(key: &Key, label: &str, text: &str) -> Result<Sealed, Failure> {
    let mut nonce = [0_u8; 24];
    fill(&mut nonce)?;
    let sealed = XChaCha20Poly1305::new(&key.0.into())
        .encrypt(XNonce::from_slice(&nonce), Payload { msg: text.as_bytes(), aad: label.as_bytes() })
        .map_err(|_| Failure::new(FailureCode::InputTooLarge, "The secret is too long to be kept."))?;
    Ok(Sealed { nonce: BASE64.encode(nonce), text: BASE64.encode(sealed) })
}

fn open(key: &Key, label: &str, sealed: &Sealed) -> Option<Secret> {
    let nonce = <[u8; 24]>::try_from(BASE64.decode(&sealed.nonce).ok()?).ok()?;
    let text = BASE64.decode(&sealed.text).ok()?;
    let clear = XChaCha20Poly1305::new(&key.0.into())
        .decrypt(XNonce::from_slice(&nonce), Payload { msg: &text, aad: label.as_bytes() })
        .ok()?;
    match String::from_utf8(clear) {
        Ok(text) => Some(Secret::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            None
        }
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    rand::rngs::OsRng.try_fill_bytes(bytes).map_err(|error| {
        Failure::new(FailureCode::FileSystem, "The system gives no random numbers.").why(error.to_string())
    })
}
