//! Files of changed rows: what a dry run saw, and the before-images that an undo needs. Rows are packed into
//! pieces, each compressed (zstd) and sealed by itself (XChaCha20-Poly1305, its place in the file bound to
//! it), so that any row can be read without the others and in bounded memory. The list of pieces stands at
//! the end and is written last: a file without it was cut off and is not used.

mod read;
mod write;

pub use read::ChangeReader;
pub use write::{ChangeWriter, WriterMark};

use crate::domain::seed::RowKind;
use crate::domain::{Failure, FailureCode};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What a file begins with.
const HEAD: &[u8; 16] = b"DRYDOCK CHANGES\x01";
/// Bytes of rows in a piece, before they are packed.
const PIECE: usize = 64 * 1024;
/// Largest piece that is read; one row may be large.
const LARGEST: u64 = 2 * 1024 * 1024 * 1024;

/// The key that files of changed rows are sealed with; wiped on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ChangeKey([u8; 32]);

impl ChangeKey {
    /// A key of 32 bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// A table of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTable {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Names and types of its columns.
    pub columns: Vec<(String, String)>,
    /// Columns that tell rows apart.
    pub key: Vec<String>,
}

/// A row of a file, as the server writes its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// What happened.
    pub kind: RowKind,
    /// Before.
    pub before: Option<Vec<Option<String>>>,
    /// After.
    pub after: Option<Vec<Option<String>>>,
}

/// A table of a file, with where its rows are.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Index {
    table: FileTable,
    pieces: Vec<Piece>,
    /// A letter a row.
    kinds: String,
}

/// Some rows of a table.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Piece {
    /// Number of the piece in the file.
    number: u64,
    /// Byte at which it begins.
    at: u64,
    /// Sealed bytes.
    bytes: u64,
    /// Number of its first row in the table.
    first: u32,
    /// Rows.
    rows: u32,
}

/// Where a run's file lies.
pub fn path(data: &Path, run_id: &str) -> PathBuf {
    data.join("changes").join(format!("{run_id}.changes"))
}

/// The runs whose files lie there, with their age.
pub fn kept(data: &Path) -> Vec<(String, Duration)> {
    let Ok(entries) = std::fs::read_dir(data.join("changes")) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let age = entry.metadata().ok()?.modified().ok()?.elapsed().ok()?;
            Some((name.strip_suffix(".changes")?.to_owned(), age))
        })
        .collect()
}

/// Removes a run's file; one that cannot be removed stays.
pub fn remove(data: &Path, run_id: &str) {
    if let Err(error) = std::fs::remove_file(path(data, run_id)) {
        tracing::warn!(%error, "an old file of changed rows could not be removed");
    }
}

fn letter(kind: RowKind) -> char {
    match kind {
        RowKind::Inserted => 'i',
        RowKind::Updated => 'u',
        RowKind::Deleted => 'd',
        RowKind::Rewritten => 'r',
        RowKind::Unchanged => '=',
    }
}

fn kind(letter: u8) -> Option<RowKind> {
    Some(match letter {
        b'i' => RowKind::Inserted,
        b'u' => RowKind::Updated,
        b'd' => RowKind::Deleted,
        b'r' => RowKind::Rewritten,
        b'=' => RowKind::Unchanged,
        _ => return None,
    })
}

/// The cipher of one file.
struct Seal {
    cipher: XChaCha20Poly1305,
    /// Drawn for each file.
    salt: [u8; 16],
}

impl Seal {
    fn new(key: &ChangeKey, salt: [u8; 16]) -> Self {
        Self { cipher: XChaCha20Poly1305::new(&key.0.into()), salt }
    }

    /// The index is sealed as the last number there is.
    fn nonce(&self, number: u64) -> XNonce {
        let mut nonce = [0; 24];
        nonce[..16].copy_from_slice(&self.salt);
        nonce[16..].copy_from_slice(&number.to_be_bytes());
        nonce.into()
    }

    fn close(&self, number: u64, clear: &[u8]) -> Option<Vec<u8>> {
        let aad = number.to_be_bytes();
        self.cipher.encrypt(&self.nonce(number), Payload { msg: clear, aad: &aad }).ok()
    }

    fn open(&self, number: u64, sealed: &[u8]) -> Option<Vec<u8>> {
        let aad = number.to_be_bytes();
        self.cipher.decrypt(&self.nonce(number), Payload { msg: sealed, aad: &aad }).ok()
    }
}

/// The number that the list of pieces is sealed as.
const INDEX: u64 = u64::MAX;

fn broken(what: &str) -> Failure {
    Failure::new(FailureCode::JournalUnavailable, "The file of changed rows cannot be read.")
        .why(what.to_owned())
        .unchanged("Nothing was changed.")
        .next("A dry run can be made again. For an undo, restore the console's data folder from its backup.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn table(name: &str) -> FileTable {
        FileTable {
            schema: "public".to_owned(),
            name: name.to_owned(),
            columns: vec![("id".to_owned(), "integer".to_owned()), ("text".to_owned(), "text".to_owned())],
            key: vec!["id".to_owned()],
        }
    }

    fn row(number: u32) -> FileRow {
        let cells =
            |text: String| Some(vec![Some(number.to_string()), (!number.is_multiple_of(3)).then_some(text)]);
        match number % 4 {
            0 => FileRow { kind: RowKind::Inserted, before: None, after: cells(format!("new {number}")) },
            1 => FileRow {
                kind: RowKind::Updated,
                before: cells(format!("old {number}")),
                after: cells("x".repeat(number as usize % 700)),
            },
            2 => FileRow { kind: RowKind::Deleted, before: cells(String::new()), after: None },
            _ => FileRow { kind: RowKind::Unchanged, before: None, after: cells("NULL".to_owned()) },
        }
    }

    fn written(folder: &Path, key: &ChangeKey) -> PathBuf {
        let path = path(folder, "run");
        let mut writer = ChangeWriter::create(&path, key).unwrap();
        writer.begin(table("first")).unwrap();
        for number in 0..5_000 {
            let row = row(number);
            writer.row(row.kind, row.before.as_deref(), row.after.as_deref()).unwrap();
        }
        writer.begin(table("second")).unwrap();
        writer.begin(table("third")).unwrap();
        writer
            .row(RowKind::Inserted, None, Some(&[Some("1".to_owned()), Some("y".repeat(3_000_000))]))
            .unwrap();
        assert!(!path.exists(), "a file has its name only when it is whole");
        writer.finish().unwrap();
        path
    }

    #[test]
    fn every_row_comes_back_from_anywhere() {
        let folder = tempfile::tempdir().unwrap();
        let key = ChangeKey::new([7; 32]);
        let path = written(folder.path(), &key);
        let mut reader = ChangeReader::open(&path, &key).unwrap();
        assert_eq!(reader.tables().len(), 3);
        for number in [0, 4_999, 17, 2_500, 2_501, 0] {
            assert_eq!(reader.row(0, number).unwrap(), row(number));
        }
        assert_eq!(reader.kinds(0).len(), 5_000);
        assert_eq!(reader.kinds(1).len(), 0);
        let mut seen = 0;
        reader
            .each(0, |number, found| {
                assert_eq!(found, row(number));
                seen += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, 5_000);
        assert_eq!(reader.row(2, 0).unwrap().after.unwrap()[1].as_ref().unwrap().len(), 3_000_000);
        assert!(reader.row(1, 0).is_err(), "a row that is not there is an error");
    }

    #[test]
    fn rows_after_a_mark_go_and_those_before_it_stay() {
        let folder = tempfile::tempdir().unwrap();
        let key = ChangeKey::new([7; 32]);
        let path = path(folder.path(), "run");
        let mut writer = ChangeWriter::create(&path, &key).unwrap();
        let write = |writer: &mut ChangeWriter, numbers: std::ops::Range<u32>| {
            for number in numbers {
                let row = row(number);
                writer.row(row.kind, row.before.as_deref(), row.after.as_deref()).unwrap();
            }
        };
        writer.begin(table("first")).unwrap();
        write(&mut writer, 0..10);
        writer.begin(table("second")).unwrap();
        write(&mut writer, 0..7);
        let mark = writer.mark().unwrap();
        // The second time some of them are in pieces of their own already.
        for others in [100..103, 100..5_000] {
            write(&mut writer, others);
            writer.back_to(&mark);
        }
        write(&mut writer, 7..2_000);
        writer.finish().unwrap();
        let mut reader = ChangeReader::open(&path, &key).unwrap();
        for (table, rows) in [(0, 10), (1, 2_000)] {
            assert_eq!(reader.kinds(table).len(), rows as usize);
            for number in 0..rows {
                assert_eq!(reader.row(table, number).unwrap(), row(number));
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_or_touched_is_refused_and_shows_nothing_in_clear() {
        let folder = tempfile::tempdir().unwrap();
        let key = ChangeKey::new([7; 32]);
        let path = written(folder.path(), &key);
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(4).any(|window| window == b"old "), "no value stands in clear");
        assert!(ChangeReader::open(&path, &ChangeKey::new([8; 32])).is_err(), "another key opens nothing");
        let all = |path: &Path| -> Result<(), Failure> {
            let mut reader = ChangeReader::open(path, &key)?;
            for table in 0..reader.tables().len() {
                reader.each(table, |_, _| Ok(()))?;
            }
            Ok(())
        };
        for at in (0..bytes.len()).step_by(bytes.len() / 200) {
            let mut touched = bytes.clone();
            touched[at] ^= 1;
            std::fs::write(&path, &touched).unwrap();
            assert!(all(&path).is_err(), "byte {at} was touched");
            std::fs::write(&path, &bytes[..at]).unwrap();
            assert!(all(&path).is_err(), "cut at {at}");
        }
    }
}
