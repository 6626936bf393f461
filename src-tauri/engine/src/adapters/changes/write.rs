//! Writing a file of changed rows: under a temporary name, synced, then named.

use super::{ChangeKey, FileTable, HEAD, INDEX, Index, PIECE, Piece, Seal, letter};
use crate::domain::seed::RowKind;
use crate::domain::{Failure, FailureCode};
use rand::TryRngCore;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A place in the table that was begun last.
pub struct WriterMark {
    pieces: usize,
    kinds: usize,
}

/// Writes rows, table by table.
pub struct ChangeWriter {
    file: BufWriter<tempfile::NamedTempFile>,
    path: PathBuf,
    seal: Seal,
    at: u64,
    number: u64,
    rows: Vec<u8>,
    rows_here: u32,
    tables: Vec<Index>,
}

impl ChangeWriter {
    /// Begins a file; it gets its name when it is whole.
    ///
    /// # Errors
    /// [`FailureCode::JournalUnavailable`].
    pub fn create(path: &Path, key: &ChangeKey) -> Result<Self, Failure> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| unkept(&error))?;
        private(folder);
        let mut salt = [0; 16];
        rand::rngs::OsRng
            .try_fill_bytes(&mut salt)
            .map_err(|error| unkept(&std::io::Error::other(error.to_string())))?;
        let file = tempfile::Builder::new()
            .prefix(".changes-")
            .tempfile_in(folder)
            .map_err(|error| unkept(&error))?;
        let mut writer = Self {
            file: BufWriter::with_capacity(256 * 1024, file),
            path: path.to_owned(),
            seal: Seal::new(key, salt),
            at: 0,
            number: 0,
            rows: Vec::with_capacity(PIECE * 2),
            rows_here: 0,
            tables: Vec::new(),
        };
        writer.put(HEAD)?;
        writer.put(&salt)?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.at += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|error| unkept(&error))
    }

    /// Begins a table.
    ///
    /// # Errors
    /// [`FailureCode::JournalUnavailable`].
    pub fn begin(&mut self, table: FileTable) -> Result<(), Failure> {
        self.flush()?;
        self.tables.push(Index { table, pieces: Vec::new(), kinds: String::new() });
        Ok(())
    }

    /// Takes back the table that was begun last, with its rows.
    ///
    /// # Errors
    /// [`FailureCode::JournalUnavailable`].
    pub fn drop_table(&mut self) -> Result<(), Failure> {
        self.rows.clear();
        self.rows_here = 0;
        self.tables.pop();
        Ok(())
    }

    /// Marks this place in the table that was begun last.
    ///
    /// # Errors
    /// [`FailureCode::JournalUnavailable`].
    pub fn mark(&mut self) -> Result<WriterMark, Failure> {
        self.flush()?;
        let (pieces, kinds) =
            self.tables.last().map(|table| (table.pieces.len(), table.kinds.len())).unwrap_or_default();
        Ok(WriterMark { pieces, kinds })
    }

    /// Takes back the rows of that table since a mark. Their pieces stay in the file, named by no list.
    pub fn back_to(&mut self, mark: &WriterMark) {
        self.rows.clear();
        self.rows_here = 0;
        if let Some(table) = self.tables.last_mut() {
            table.pieces.truncate(mark.pieces);
            table.kinds.truncate(mark.kinds);
        }
    }

    /// Adds a row to the table that was begun last.
    ///
    /// # Errors
    /// [`FailureCode::JournalUnavailable`].
    pub fn row(
        &mut self,
        kind: RowKind,
        before: Option<&[Option<String>]>,
        after: Option<&[Option<String>]>,
    ) -> Result<(), Failure> {
        let Some(table) = self.tables.last_mut() else { return Ok(()) };
        table.kinds.push(letter(kind));
        for cells in [before, after] {
            match cells {
                None => self.rows.push(0),
                Some(cells) => {
                    self.rows.push(1);
                    for cell in cells {
                        match cell {
                            None => number(&mut self.rows, 0),
                            Some(text) => {
                                number(&mut self.rows, text.len() as u64 + 1);
                                self.rows.extend_from_slice(text.as_bytes());
                            }
                        }
                    }
                }
            }
        }
        self.rows_here += 1;
        if self.rows.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if self.rows_here == 0 {
            return Ok(());
        }
        let sealed = self.packed(self.number, &self.rows)?;
        let (at, rows) = (self.at, self.rows_here);
        self.put(&sealed)?;
        let number = self.number;
        if let Some(table) = self.tables.last_mut() {
            let first = table.pieces.last().map_or(0, |piece| piece.first + piece.rows);
            table.pieces.push(Piece { number, at, bytes: sealed.len() as u64, first, rows });
        }
        self.number += 1;
        self.rows.clear();
        self.rows_here = 0;
        Ok(())
    }

    fn packed(&self, number: u64, clear: &[u8]) -> Result<Vec<u8>, Failure> {
        let small = zstd::bulk::compress(clear, 1).map_err(|error| unkept(&error))?;
        self.seal
            .close(number, &small)
            .ok_or_else(|| unkept(&std::io::Error::other("the rows could not be sealed")))
    }

    /// Ends the file: everything is on the disk, under its name, when this returns.
    ///
    /// # Errors
    /// [`FailureCode::JournalUnavailable`]; no file is left then.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.flush()?;
        let list = serde_json::to_vec(&self.tables).map_err(|error| unkept(&std::io::Error::other(error)))?;
        let sealed = self.packed(INDEX, &list)?;
        let at = self.at;
        self.put(&sealed)?;
        self.put(&at.to_be_bytes())?;
        self.put(&(sealed.len() as u64).to_be_bytes())?;
        let file = self.file.into_inner().map_err(|error| unkept(error.error()))?;
        file.as_file().sync_all().map_err(|error| unkept(&error))?;
        file.persist(&self.path).map_err(|error| unkept(&error.error))?;
        if let Some(folder) = self.path.parent()
            && let Ok(folder) = File::open(folder)
        {
            // Where folders cannot be synced (Windows), the rename is as durable as it gets.
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or(0));
}

#[cfg(unix)]
fn private(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
}

#[cfg(not(unix))]
fn private(_: &Path) {}

fn unkept(error: &std::io::Error) -> Failure {
    Failure::new(FailureCode::JournalUnavailable, "The changed rows could not be kept on this computer.")
        .why(format!("The file of changed rows could not be written: {error}."))
        .unchanged("Nothing was committed.")
        .next("Make room on the disk of this computer, then start again.")
}
