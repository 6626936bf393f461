//! Recognises by its first bytes what a file is that somebody calls a dump.

use super::archive::MAGIC;
use crate::domain::{Failure, FailureCode};

/// Bytes of the beginning that are looked at.
pub const HEAD: usize = 64 * 1024;

/// What the first bytes of a file say it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognised {
    /// An archive of `pg_dump`, or the list of contents of one.
    Archive,
    /// A tar archive.
    Tar,
    /// SQL text of `pg_dump`.
    Plain(PlainHead),
    /// Packed with gzip.
    Gzip,
    /// Packed with zstd.
    Zstd,
}

/// What the first lines of SQL text say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlainHead {
    /// The server's version.
    pub server: Option<String>,
    /// The program's version.
    pub dumped_by: Option<String>,
}

/// Recognises a file by its first bytes.
///
/// # Errors
/// [`FailureCode::RestoreRefused`] for everything that is no dump of one PostgreSQL database, in words.
pub fn recognise(head: &[u8]) -> Result<Recognised, Failure> {
    if head.is_empty() {
        return Err(no_dump(
            "The file is empty.",
            "Make the dump again, and look whether pg_dump ended well.",
        ));
    }
    if head.starts_with(MAGIC) {
        return Ok(Recognised::Archive);
    }
    if head.get(257..262) == Some(b"ustar") {
        return Ok(Recognised::Tar);
    }
    if head.starts_with(&[0x1f, 0x8b]) {
        return Ok(Recognised::Gzip);
    }
    if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Ok(Recognised::Zstd);
    }
    for (magic, what) in [
        (&b"BZh"[..], "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"PK\x03\x04", "zip"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (b"\x04\x22\x4d\x18", "lz4"),
    ] {
        if head.starts_with(magic) {
            return Err(no_dump(
                &format!("The file is packed with {what}, which Drydock does not unpack."),
                "Unpack it, then import what was in it.",
            ));
        }
    }
    if head.starts_with(b"age-encryption.org/")
        || head.starts_with(b"-----BEGIN")
        || head.starts_with(b"Salted__")
    {
        return Err(no_dump("The file is encrypted.", "Decrypt it, then import what was in it."));
    }
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Err(no_dump(
            "The file is in UTF-16, as PowerShell's > writes it; pg_dump did not write it like that, and rows may be damaged.",
            "Make the dump again with pg_dump --file=NAME, without >.",
        ));
    }
    plain(&String::from_utf8_lossy(head)).map(Recognised::Plain)
}

fn plain(head: &str) -> Result<PlainHead, Failure> {
    let lines = || head.trim_start_matches('\u{feff}').lines().take(60).map(str::trim);
    let begins = |words: &str| lines().any(|line| line.starts_with(words));
    if begins("-- PostgreSQL database cluster dump") {
        return Err(no_dump(
            "The file is a dump of a whole server by pg_dumpall: several databases, and roles.",
            "Dump the one database with pg_dump and import that.",
        ));
    }
    if begins("-- MySQL dump")
        || begins("-- MariaDB dump")
        || begins("/*M!")
        || begins("/*!40")
        || begins("-- Host:")
    {
        return Err(no_dump(
            "The file is a dump of MySQL or MariaDB, not of PostgreSQL.",
            "Choose a dump of PostgreSQL.",
        ));
    }
    if head.starts_with("SQLite format 3") || begins("PRAGMA foreign_keys=OFF") {
        return Err(no_dump(
            "The file is a database or a dump of SQLite, not of PostgreSQL.",
            "Choose a dump of PostgreSQL.",
        ));
    }
    if !begins("-- PostgreSQL database dump") {
        return Err(no_dump(
            "The file is no dump by pg_dump.",
            "Choose an archive (pg_dump -Fc), a folder (-Fd), a tar archive (-Ft) or SQL text that pg_dump wrote.",
        ));
    }
    let after =
        |words: &str| lines().find_map(|line| line.strip_prefix(words)).map(|rest| rest.trim().to_owned());
    Ok(PlainHead {
        server: after("-- Dumped from database version "),
        dumped_by: after("-- Dumped by pg_dump version "),
    })
}

/// It is no dump that can be imported.
pub fn no_dump(what: &str, next: &str) -> Failure {
    Failure::new(FailureCode::RestoreRefused, what).unchanged("Nothing was stored.").next(next)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_follows_from_its_content() {
        assert_eq!(recognise(b"PGDMP\x01\x10").unwrap(), Recognised::Archive);
        assert_eq!(recognise(&[0x1f, 0x8b, 8, 0]).unwrap(), Recognised::Gzip);
        assert_eq!(recognise(&[0x28, 0xb5, 0x2f, 0xfd, 0]).unwrap(), Recognised::Zstd);
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(recognise(&tar).unwrap(), Recognised::Tar);
        let text = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n-- Dumped from database version 15.18 (Debian)\n-- Dumped by pg_dump version 18.4\n";
        let Recognised::Plain(head) = recognise(text.as_bytes()).unwrap() else {
            unreachable!("it is plain text")
        };
        assert_eq!(head.server.as_deref(), Some("15.18 (Debian)"));
        assert_eq!(head.dumped_by.as_deref(), Some("18.4"));
    }

    #[test]
    fn everything_else_is_refused_in_words() {
        for (head, words) in [
            (&b""[..], "empty"),
            (b"-- PostgreSQL database cluster dump\n", "pg_dumpall"),
            (b"-- MySQL dump 10.13\n", "MySQL"),
            (b"/*M!999999\\- enable the sandbox mode */\n-- MariaDB dump\n", "MariaDB"),
            (b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;", "SQLite"),
            (b"SQLite format 3\0", "SQLite"),
            (b"BZh91AY", "bzip2"),
            (b"\xfd7zXZ\0\0", "xz"),
            (b"PK\x03\x04", "zip"),
            (b"age-encryption.org/v1\n", "encrypted"),
            (b"\xff\xfe-\0-\0", "UTF-16"),
            (b"CREATE TABLE users (id integer);", "no dump by pg_dump"),
            (b"\x7fELF", "no dump by pg_dump"),
        ] {
            let failure = recognise(head).unwrap_err();
            assert!(failure.what.contains(words), "{failure:?}");
            assert!(failure.next.is_some());
        }
    }
}
