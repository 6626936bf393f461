//! The key that backups are encrypted with: an age identity (X25519), kept as a secret.

use super::damaged;
use crate::domain::secret::Secret;
use crate::domain::{Failure, FailureCode};
use age::secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::str::FromStr;

/// What an exported file begins with, inside of its encryption.
const HEAD: &str = "# Keys of Drydock's backups. Whoever has them can read every backup made with them.";

/// A key for backups. Not printable; the identity is wiped on drop.
#[derive(Clone)]
pub struct BackupKey {
    identity: age::x25519::Identity,
}

impl std::fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BackupKey({})", self.recipient())
    }
}

impl BackupKey {
    /// A new key.
    pub fn generate() -> Self {
        Self { identity: age::x25519::Identity::generate() }
    }

    /// The key that was kept as a secret.
    ///
    /// # Errors
    /// [`FailureCode::BackupKeyMissing`] when it is no such key.
    pub fn parse(secret: &Secret) -> Result<Self, Failure> {
        age::x25519::Identity::from_str(secret.reveal().trim())
            .map(|identity| Self { identity })
            .map_err(|why| no_key(format!("What is kept in its place is no age identity: {why}.")))
    }

    /// The key as a secret, to be kept.
    pub fn secret(&self) -> Secret {
        Secret::new(self.identity.to_string().expose_secret())
    }

    /// Its public half, `age1...`.
    pub fn recipient(&self) -> String {
        self.identity.to_public().to_string()
    }

    /// An encryptor to this key.
    pub(super) fn encryptor(&self) -> Result<age::Encryptor, Failure> {
        let public = self.identity.to_public();
        age::Encryptor::with_recipients(std::iter::once(&public as &dyn age::Recipient))
            .map_err(|why| no_key(format!("{why}.")))
    }

    /// The clear stream of an encrypted one.
    pub(super) fn open<R: Read>(&self, sealed: R) -> Result<age::stream::StreamReader<R>, Failure> {
        let decryptor = age::Decryptor::new(sealed)
            .map_err(|why| damaged("A file of the backup cannot be decrypted.", format!("{why}.")))?;
        decryptor.decrypt(std::iter::once(&self.identity as &dyn age::Identity)).map_err(|why| match why {
            age::DecryptError::NoMatchingKeys => no_key("It was encrypted to another key.".to_owned()),
            why => damaged("A file of the backup cannot be decrypted.", format!("{why}.")),
        })
    }

    /// The seal of a text: only the key's owner can make it.
    pub(super) fn seal(&self, text: &[u8]) -> String {
        let mut secret = Sha256::new();
        secret.update(b"drydock backup manifest 1\0");
        secret.update(self.identity.to_string().expose_secret().as_bytes());
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret.finalize());
        super::hex(ring::hmac::sign(&key, text).as_ref())
    }
}

/// Keys in one file, encrypted with a passphrase (age's scrypt recipient).
///
/// # Errors
/// [`FailureCode::BackupKeyMissing`] when it cannot be made.
pub fn export_keys(keys: &[BackupKey], passphrase: &Secret) -> Result<Vec<u8>, Failure> {
    let failed = |why: String| {
        Failure::new(FailureCode::BackupKeyMissing, "The keys could not be written out.")
            .why(why)
            .unchanged("No file was written.")
    };
    let encryptor = age::Encryptor::with_user_passphrase(age::secrecy::SecretString::from(
        passphrase.reveal().to_owned(),
    ));
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(|error| failed(error.to_string()))?;
    let mut text = zeroize::Zeroizing::new(format!("{HEAD}\n"));
    for key in keys {
        text.push_str(&format!("# public key: {}\n", key.recipient()));
        text.push_str(key.secret().reveal());
        text.push('\n');
    }
    writer.write_all(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
    writer.finish().map_err(|error| failed(error.to_string()))?;
    Ok(sealed)
}

/// The keys of an exported file.
///
/// # Errors
/// [`FailureCode::BackupKeyMissing`]: another passphrase, or no such file.
pub fn import_keys(sealed: &[u8], passphrase: &Secret) -> Result<Vec<BackupKey>, Failure> {
    let refused = |why: &str| {
        Failure::new(FailureCode::BackupKeyMissing, "The file's keys could not be read.")
            .why(why)
            .unchanged("No key was added.")
            .next("Choose the file that was exported on the other computer, and type the passphrase it was given.")
    };
    let decryptor =
        age::Decryptor::new(sealed).map_err(|_| refused("It is not an encrypted file of keys."))?;
    let mut identity =
        age::scrypt::Identity::new(age::secrecy::SecretString::from(passphrase.reveal().to_owned()));
    // Work that takes minutes on any computer is not what was exported.
    identity.set_max_work_factor(22);
    let mut reader =
        decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(|why| match why {
            age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed => {
                refused("The passphrase is not the one it was exported with.")
            }
            _ => refused("It is not a file that was encrypted with a passphrase."),
        })?;
    let mut text = zeroize::Zeroizing::new(String::new());
    reader.read_to_string(&mut text).map_err(|_| refused("The file is damaged."))?;
    let keys = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| BackupKey::parse(&Secret::new(line)))
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(refused("It holds no key."));
    }
    Ok(keys)
}

fn no_key(why: String) -> Failure {
    Failure::new(FailureCode::BackupKeyMissing, "The key of this backup is not here.")
        .why(why)
        .unchanged("Nothing was changed.")
        .next("Import the key on the Backups panel: it was exported on the computer that took the backup.")
}
