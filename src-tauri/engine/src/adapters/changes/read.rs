//! Reading a file of changed rows, any of them.

use super::{ChangeKey, FileRow, FileTable, HEAD, INDEX, Index, LARGEST, Piece, Seal, broken, kind};
use crate::domain::Failure;
use crate::domain::seed::RowKind;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Reads rows.
pub struct ChangeReader {
    file: File,
    seal: Seal,
    tables: Vec<Index>,
    /// The piece that was read last.
    last: Option<(u64, Vec<FileRow>)>,
}

impl ChangeReader {
    /// Opens a file that is whole.
    ///
    /// # Errors
    /// When it is not there, not whole, or sealed with another key.
    pub fn open(path: &Path, key: &ChangeKey) -> Result<Self, Failure> {
        let unread = |error: std::io::Error| broken(&format!("{error}."));
        let mut file = File::open(path).map_err(unread)?;
        let mut head = [0; 32];
        file.read_exact(&mut head).map_err(unread)?;
        if &head[..16] != HEAD {
            return Err(broken("It is of another kind or version."));
        }
        let mut salt = [0; 16];
        salt.copy_from_slice(&head[16..]);
        let seal = Seal::new(key, salt);
        file.seek(SeekFrom::End(-16)).map_err(unread)?;
        let mut tail = [0; 16];
        file.read_exact(&mut tail).map_err(unread)?;
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let (at, bytes) = (number(&tail[..8]), number(&tail[8..]));
        let mut reader = Self { file, seal, tables: Vec::new(), last: None };
        let list = reader.unpacked(Piece { number: INDEX, at, bytes, first: 0, rows: 0 })?;
        reader.tables =
            serde_json::from_slice(&list).map_err(|error| broken(&format!("Its list of rows: {error}.")))?;
        Ok(reader)
    }

    /// Its tables.
    pub fn tables(&self) -> Vec<&FileTable> {
        self.tables.iter().map(|index| &index.table).collect()
    }

    /// What happened to each row of a table, a letter a row.
    pub fn kinds(&self, table: usize) -> &[u8] {
        self.tables.get(table).map_or(&[], |index| index.kinds.as_bytes())
    }

    /// What happened to a row.
    pub fn kind(&self, table: usize, row: u32) -> Option<RowKind> {
        self.kinds(table).get(row as usize).copied().and_then(kind)
    }

    /// One row.
    ///
    /// # Errors
    /// When there is no such row, or the file is damaged.
    pub fn row(&mut self, table: usize, row: u32) -> Result<FileRow, Failure> {
        let index = self.tables.get(table).ok_or_else(|| broken("It has no such table."))?;
        let at = index.pieces.partition_point(|piece| piece.first + piece.rows <= row);
        let piece = *index.pieces.get(at).ok_or_else(|| broken("It has no such row."))?;
        if self.last.as_ref().is_none_or(|(number, _)| *number != piece.number) {
            let rows = self.rows(table, piece)?;
            self.last = Some((piece.number, rows));
        }
        self.last
            .as_ref()
            .and_then(|(_, rows)| rows.get((row - piece.first) as usize).cloned())
            .ok_or_else(|| broken("It has no such row."))
    }

    /// Every row of a table, in order.
    ///
    /// # Errors
    /// When the file is damaged, or what `found` answers.
    pub fn each(
        &mut self,
        table: usize,
        mut found: impl FnMut(u32, FileRow) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let pieces = self.tables.get(table).map(|index| index.pieces.clone()).unwrap_or_default();
        for piece in pieces {
            for (number, row) in (piece.first..).zip(self.rows(table, piece)?) {
                found(number, row)?;
            }
        }
        Ok(())
    }

    fn unpacked(&mut self, piece: Piece) -> Result<Vec<u8>, Failure> {
        let size = self.file.metadata().map_or(0, |metadata| metadata.len());
        if piece.bytes > LARGEST || piece.at.checked_add(piece.bytes).is_none_or(|end| end > size) {
            return Err(broken("It was cut off."));
        }
        let mut sealed = vec![0; usize::try_from(piece.bytes).unwrap_or(0)];
        self.file
            .seek(SeekFrom::Start(piece.at))
            .and_then(|_| self.file.read_exact(&mut sealed))
            .map_err(|error| broken(&format!("{error}.")))?;
        let small = self
            .seal
            .open(piece.number, &sealed)
            .ok_or_else(|| broken("It is damaged, or sealed with another key."))?;
        zstd::stream::decode_all(&small[..]).map_err(|error| broken(&format!("{error}.")))
    }

    fn rows(&mut self, table: usize, piece: Piece) -> Result<Vec<FileRow>, Failure> {
        let bytes = self.unpacked(piece)?;
        let index = &self.tables[table];
        let columns = index.table.columns.len();
        let mut rest: &[u8] = &bytes;
        (piece.first..piece.first + piece.rows)
            .map(|row| {
                let kind = index.kinds.as_bytes().get(row as usize).copied().and_then(kind);
                let kind = kind.ok_or_else(|| broken("Its list of rows does not fit its rows."))?;
                let before = cells(&mut rest, columns)?;
                let after = cells(&mut rest, columns)?;
                Ok(FileRow { kind, before, after })
            })
            .collect()
    }
}

fn cells(rest: &mut &[u8], columns: usize) -> Result<Option<Vec<Option<String>>>, Failure> {
    let cut = || broken("A row of it was cut off.");
    let (there, after) = rest.split_first().ok_or_else(cut)?;
    *rest = after;
    if *there == 0 {
        return Ok(None);
    }
    let mut cells = Vec::with_capacity(columns);
    for _ in 0..columns {
        let length = number(rest).ok_or_else(cut)?;
        if length == 0 {
            cells.push(None);
            continue;
        }
        let length = usize::try_from(length - 1).map_err(|_| cut())?;
        if length > rest.len() {
            return Err(cut());
        }
        let (text, after) = rest.split_at(length);
        *rest = after;
        cells.push(Some(String::from_utf8(text.to_vec()).map_err(|_| cut())?));
    }
    Ok(Some(cells))
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
