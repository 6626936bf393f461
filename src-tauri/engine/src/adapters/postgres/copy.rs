//! COPY in text format: rows in and out of the server as it writes them, value by value, in bounded memory.
//! The format: <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2>.

use super::script::code;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sqlx::postgres::PgConnection;
use std::collections::VecDeque;

/// Rows are sent on in pieces of about this many bytes.
const PIECE: usize = 256 * 1024;
/// Rows are handed on in batches of about this many bytes at most.
const BATCH: usize = 8 * 1024 * 1024;

/// Appends one row to a piece.
pub fn write_row<'a>(piece: &mut Vec<u8>, cells: impl IntoIterator<Item = Option<&'a str>>) {
    let mut first = true;
    for cell in cells {
        if !first {
            piece.push(b'\t');
        }
        first = false;
        match cell {
            None => piece.extend_from_slice(b"\\N"),
            Some(text) => {
                for byte in text.bytes() {
                    match byte {
                        b'\\' => piece.extend_from_slice(b"\\\\"),
                        b'\n' => piece.extend_from_slice(b"\\n"),
                        b'\r' => piece.extend_from_slice(b"\\r"),
                        b'\t' => piece.extend_from_slice(b"\\t"),
                        byte => piece.push(byte),
                    }
                }
            }
        }
    }
    piece.push(b'\n');
}

/// Takes one line (without its end) apart.
///
/// # Errors
/// When it is not UTF-8.
pub fn read_row(line: &[u8]) -> Result<Vec<Option<String>>, sqlx::Error> {
    line.split(|byte| *byte == b'\t')
        .map(|raw| {
            if raw == b"\\N" {
                return Ok(None);
            }
            let mut clear = Vec::with_capacity(raw.len());
            let mut bytes = raw.iter();
            while let Some(byte) = bytes.next() {
                if *byte != b'\\' {
                    clear.push(*byte);
                    continue;
                }
                clear.push(match bytes.next() {
                    Some(b'n') => b'\n',
                    Some(b't') => b'\t',
                    Some(b'r') => b'\r',
                    Some(b'b') => 8,
                    Some(b'f') => 12,
                    Some(b'v') => 11,
                    Some(other) => *other,
                    None => b'\\',
                });
            }
            String::from_utf8(clear).map(Some).map_err(|error| sqlx::Error::Decode(Box::new(error)))
        })
        .collect()
}

/// The rows of a query, as they come.
pub struct RowStream<'c> {
    pieces: BoxStream<'c, Result<Bytes, sqlx::Error>>,
    rest: Vec<u8>,
    ready: VecDeque<Vec<Option<String>>>,
}

impl<'c> RowStream<'c> {
    /// Begins to read a query.
    ///
    /// # Errors
    /// The server's error.
    pub async fn open(connection: &'c mut PgConnection, query: &str) -> Result<Self, sqlx::Error> {
        let pieces = connection.copy_out_raw(&format!("COPY ({query}) TO STDOUT")).await?;
        Ok(Self { pieces, rest: Vec::new(), ready: VecDeque::new() })
    }

    /// The next row; `None`: there is no more.
    ///
    /// # Errors
    /// The server's error.
    pub async fn next(&mut self) -> Result<Option<Vec<Option<String>>>, sqlx::Error> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Ok(Some(row));
            }
            let Some(piece) = self.pieces.next().await else { return Ok(None) };
            let piece = piece?;
            let mut bytes: &[u8] = &piece;
            while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                let (line, after) = bytes.split_at(end);
                bytes = after.get(1..).unwrap_or_default();
                if self.rest.is_empty() {
                    self.ready.push_back(read_row(line)?);
                } else {
                    self.rest.extend_from_slice(line);
                    self.ready.push_back(read_row(&self.rest)?);
                    self.rest.clear();
                }
            }
            self.rest.extend_from_slice(bytes);
        }
    }

    /// Up to `most` further rows, fewer where they are large; empty: there is no more.
    ///
    /// # Errors
    /// The server's error.
    pub async fn batch(&mut self, most: usize) -> Result<Vec<Vec<Option<String>>>, sqlx::Error> {
        let mut rows = Vec::new();
        let mut bytes = 0;
        while rows.len() < most
            && bytes < BATCH
            && let Some(row) = self.next().await?
        {
            bytes += row.iter().flatten().map(String::len).sum::<usize>();
            rows.push(row);
        }
        Ok(rows)
    }
}

/// All rows of a query that has few.
///
/// # Errors
/// The server's error.
pub async fn rows(
    connection: &mut PgConnection,
    query: &str,
) -> Result<Vec<Vec<Option<String>>>, sqlx::Error> {
    let mut stream = RowStream::open(connection, query).await?;
    let mut rows = Vec::new();
    while let Some(row) = stream.next().await? {
        rows.push(row);
    }
    Ok(rows)
}

/// Sends rows into `target` (`table (columns)`). `next` appends rows to the piece it is given and answers
/// how many; 0: there are no more.
///
/// # Errors
/// The server's error, after which the transaction is aborted. Inside of it, what `next` answers: no error of
/// the server's, but the COPY was given up for it.
pub async fn write<E>(
    connection: &mut PgConnection,
    target: &str,
    mut next: impl FnMut(&mut Vec<u8>, usize) -> Result<u64, E>,
) -> Result<Result<u64, E>, sqlx::Error> {
    let mut copy = connection.copy_in_raw(&format!("COPY {target} FROM STDIN")).await?;
    let mut rows = 0;
    let mut piece = Vec::with_capacity(PIECE + 4096);
    loop {
        piece.clear();
        match next(&mut piece, PIECE) {
            Ok(0) => break,
            Ok(count) => rows += count,
            Err(error) => {
                let _ = copy.abort("no more rows").await;
                return Ok(Err(error));
            }
        }
        copy.send(&piece[..]).await?;
    }
    copy.finish().await?;
    Ok(Ok(rows))
}

/// Row (1-based) and column that a refused COPY names.
pub fn refused_at(error: &sqlx::Error) -> Option<(u64, Option<String>)> {
    code(error)?;
    let context =
        error.as_database_error()?.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?.r#where()?;
    let after = context.split(", line ").nth(1)?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    let column = after
        .split(", column ")
        .nth(1)
        .map(|rest| rest.split(": ").next().unwrap_or(rest).trim_end_matches(": ").to_owned());
    Some((digits.parse().ok()?, column))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_as_it_was_sent() {
        let cells =
            [None, Some(""), Some("NULL"), Some("\\N"), Some("a\tb\nc\r\\d"), Some("\u{202e}é"), Some(" ")];
        let mut piece = Vec::new();
        write_row(&mut piece, cells);
        let line = piece.strip_suffix(b"\n").unwrap();
        assert!(!line.contains(&b'\n'), "a line break in a value is escaped");
        let back = read_row(line).unwrap();
        assert_eq!(back.iter().map(Option::as_deref).collect::<Vec<_>>(), cells);
    }
}
