//! Reading a private key's file.

use crate::adapters::ssh::words;
use crate::domain::{Failure, secret::Secret};
use russh::keys::{Error, PrivateKey, decode_secret_key, ssh_key};
use std::{io::Read, path::Path};
use zeroize::Zeroizing;

/// No key is as large as this.
const LARGEST: u64 = 256 * 1024;

/// Reads and decrypts a key. A wrong passphrase is said as such, a missing one asked for.
pub(super) fn read(path: &Path, passphrase: Option<&Secret>) -> Result<PrivateKey, Failure> {
    let shown = path.display().to_string();
    let unusable = |why: String| {
        words::key_unusable(
            "The key file cannot be read.",
            format!("{shown}: {why}"),
            "Choose the private key's file.",
        )
    };
    let file = std::fs::File::open(path).map_err(|error| unusable(error.to_string()))?;
    let mut text = Zeroizing::new(String::new());
    file.take(LARGEST).read_to_string(&mut text).map_err(|error| unusable(error.to_string()))?;
    let needed = || {
        words::passphrase_needed(
            &shown,
            "Enter its passphrase; it is kept where you say and handed to nothing but the key.",
        )
    };
    // An OpenSSH key that is encrypted reads well without a passphrase, but cannot sign.
    match decode_secret_key(&text, passphrase.map(Secret::reveal)) {
        Ok(key) if key.is_encrypted() => Err(needed()),
        Ok(key) => Ok(key),
        Err(Error::KeyIsEncrypted) => Err(needed()),
        Err(Error::SshKey(ssh_key::Error::Crypto) | Error::Pkcs8(_) | Error::Unpad(_) | Error::Pad(_))
            if passphrase.is_some() =>
        {
            Err(words::key_unusable(
                "The passphrase does not open the key file.",
                shown.clone(),
                "Enter the key's passphrase again.",
            ))
        }
        Err(Error::SshKey(ssh_key::Error::Encrypted)) => Err(needed()),
        Err(error) => Err(unusable(words::plain(&error.to_string()))),
    }
}
