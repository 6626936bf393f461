//! Reading `known_hosts` files as ssh reads them: plain and hashed names, ports, patterns, markers.

use super::pattern;
use crate::domain::{Failure, FailureCode};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use russh::keys::PublicKey;
use std::path::{Path, PathBuf};

/// A line that is about the host.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) key: PublicKey,
    pub(super) path: PathBuf,
    pub(super) line: u32,
}

/// What the files say about one host.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// Keys of the host at its port.
    pub(super) keys: Vec<Record>,
    /// Keys of the host without a port; they may vouch for it but not speak against it.
    pub(super) bare: Vec<Record>,
    /// Keys that are never accepted.
    pub(super) revoked: Vec<Record>,
    /// Keys that sign certificates for the host.
    pub(super) authorities: Vec<Record>,
    #[cfg_attr(not(unix), expect(dead_code, reason = "only the operator's own ssh is told"))]
    /// The text of all revoking lines, to be repeated to the operator's own ssh.
    pub(super) revoking_lines: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    Revoked,
    Authority,
}

/// Reads the files for a host. A missing file is empty; one that cannot be read fails, and so does a
/// revoking line that cannot be understood: it must not be passed over.
pub(super) fn read<'a>(
    files: impl IntoIterator<Item = &'a PathBuf>,
    host: &str,
    port: u16,
    alias: Option<&str>,
) -> Result<Book, Failure> {
    let exact = match alias {
        Some(alias) => alias.to_owned(),
        None if port == 22 => host.to_owned(),
        None => format!("[{host}]:{port}"),
    };
    let mut book = Book::default();
    for path in files {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(path, &error.to_string())),
        };
        for (number, line) in (1u32..).zip(text.lines()) {
            book.take(path, number, line.trim(), &exact, host)?;
        }
    }
    Ok(book)
}

impl Book {
    fn take(&mut self, path: &Path, number: u32, line: &str, exact: &str, bare: &str) -> Result<(), Failure> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let mut fields = line.split_ascii_whitespace();
        let first = fields.next().unwrap_or_default();
        let (marker, names) = match first {
            "@revoked" => (Marker::Revoked, fields.next().unwrap_or_default()),
            "@cert-authority" => (Marker::Authority, fields.next().unwrap_or_default()),
            marker if marker.starts_with('@') => return Ok(()),
            names => (Marker::None, names),
        };
        if marker == Marker::Revoked {
            self.revoking_lines.push(line.to_owned());
        }
        let is_exact = names_fit(names, exact);
        let is_bare = exact != bare && names_fit(names, bare);
        if !is_exact && !is_bare {
            return Ok(());
        }
        let (algorithm, text) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let key = match PublicKey::from_openssh(&format!("{algorithm} {text}")) {
            Ok(key) => key,
            Err(error) if marker == Marker::Revoked => {
                return Err(unreadable(
                    path,
                    &format!("line {number} revokes a key that cannot be read: {error}"),
                ));
            }
            // A key of a kind that this build does not know can neither match nor speak against another.
            Err(_) => return Ok(()),
        };
        let record = Record { key, path: path.to_path_buf(), line: number };
        match marker {
            Marker::Revoked => self.revoked.push(record),
            Marker::Authority => self.authorities.push(record),
            Marker::None if is_exact => self.keys.push(record),
            Marker::None => self.bare.push(record),
        }
        Ok(())
    }
}

fn names_fit(names: &str, host: &str) -> bool {
    match names.strip_prefix("|1|") {
        Some(hashed) => hash_fits(hashed, host),
        None => pattern::fits_list(names.split(','), host),
    }
}

/// `salt|hash`, both base64: HMAC-SHA1 of the name with the salt as key.
fn hash_fits(hashed: &str, host: &str) -> bool {
    let Some((salt, hash)) = hashed.split_once('|') else { return false };
    let (Ok(salt), Ok(hash)) = (BASE64_STANDARD.decode(salt), BASE64_STANDARD.decode(hash)) else {
        return false;
    };
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    ring::hmac::verify(&key, host.to_lowercase().as_bytes(), &hash).is_ok()
}

fn unreadable(path: &Path, why: &str) -> Failure {
    Failure::new(FailureCode::FileSystem, "A file of known hosts cannot be read.")
        .why(format!("{}: {why}", path.display()))
        .unchanged("Nothing was sent.")
        .next("Make the file readable or mend the line; without it nobody can tell whose key is trusted.")
}

#[cfg(test)]
#[path = "known_hosts_tests.rs"]
mod tests;
