//! Reads a plain SQL dump as it comes, the way `pg_dump` and `pg_restore -f -` write it: statements, and rows after
//! `COPY ... FROM stdin`. Commands for psql are refused, because they can run programs on this computer; only the
//! pair `\restrict` and `\unrestrict` that pg_dump itself puts around a dump is known and left out.

use super::sql::whole_statements;
use crate::domain::{Failure, FailureCode};
use bytes::Bytes;

/// Longest statement that is read, bytes. Rows are no statements and may be of any length.
const LONGEST: usize = 512 * 1024 * 1024;
/// The last line of a dump that is whole.
const END: &[u8] = b"-- PostgreSQL database dump complete";

/// A part of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A statement, without its semicolon.
    Statement(String),
    /// `COPY ... FROM stdin`: its rows follow.
    CopyBegin(String),
    /// Rows in COPY's text format.
    Rows(Bytes),
    /// The rows end.
    CopyEnd,
}

/// Takes a dump apart.
#[derive(Debug, Default)]
pub struct DumpReader {
    rest: Vec<u8>,
    statement: String,
    line: u64,
    in_rows: bool,
    /// What is left stands at the beginning of a line.
    inside_line: bool,
    restricted: Option<String>,
    ended: bool,
}

impl DumpReader {
    /// A reader at the beginning of a dump.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next bytes and appends what they complete.
    ///
    /// # Errors
    /// [`FailureCode::RestoreRefused`]: a command for psql, or what no dump holds.
    pub fn push(&mut self, bytes: &[u8], parts: &mut Vec<Part>) -> Result<(), Failure> {
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let mut left: &[u8] = &rest;
        loop {
            left = if self.in_rows {
                match self.rows(left, parts) {
                    Some(after) => after,
                    None => return Ok(()),
                }
            } else {
                let Some(end) = memchr::memchr(b'\n', left) else { break };
                let (line, after) = left.split_at(end);
                self.line += 1;
                // A mark of the byte order, as editors on Windows write it.
                let line = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.line == 1).unwrap_or(line);
                self.take_line(line, parts)?;
                after.get(1..).unwrap_or_default()
            };
        }
        if left.len() + self.statement.len() > LONGEST {
            return Err(self.refused("holds a statement that is too long to be one"));
        }
        self.rest = left.to_vec();
        Ok(())
    }

    /// The dump ends here.
    ///
    /// # Errors
    /// [`FailureCode::BackupDamaged`]: it was cut.
    pub fn finish(mut self, parts: &mut Vec<Part>) -> Result<(), Failure> {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() && !self.in_rows {
            self.take_line(&rest, parts)?;
        }
        let why = if self.in_rows {
            "It ends in the middle of a table's rows."
        } else if !self.statement.trim().is_empty() {
            "It ends in the middle of a statement."
        } else if !self.ended {
            "Its last line, with which pg_dump says that all is written, is not there."
        } else {
            return Ok(());
        };
        Err(Failure::new(FailureCode::BackupDamaged, "The dump was cut: it does not hold everything.")
            .why(why)
            .unchanged("Nothing of it was kept.")
            .next("Use another dump, or make it again."))
    }

    /// Hands on rows; what stands behind them, or `None` where more has to come.
    fn rows<'a>(&mut self, bytes: &'a [u8], parts: &mut Vec<Part>) -> Option<&'a [u8]> {
        for mark in [&b"\\.\n"[..], b"\\.\r\n"] {
            if !self.inside_line && bytes.starts_with(mark) {
                return Some(self.end_rows(bytes.get(mark.len()..).unwrap_or_default(), parts));
            }
        }
        let ends = [&b"\n\\.\n"[..], b"\n\\.\r\n"]
            .map(|mark| memchr::memmem::find(bytes, mark).map(|at| (at + 1, mark.len() - 1)));
        if let Some((at, mark)) = ends.into_iter().flatten().min() {
            let (rows, after) = bytes.split_at(at);
            self.hand_on(rows, parts);
            return Some(self.end_rows(after.get(mark..).unwrap_or_default(), parts));
        }
        // The end mark may be cut in two: its beginning waits for the rest.
        let keep = match memchr::memrchr(b'\n', bytes) {
            Some(at) if b"\\.\r\n".starts_with(bytes.get(at + 1..).unwrap_or_default()) => at + 1,
            Some(_) => bytes.len(),
            None if !self.inside_line && b"\\.\r\n".starts_with(bytes) => 0,
            None => bytes.len(),
        };
        let (rows, wait) = bytes.split_at(keep);
        self.hand_on(rows, parts);
        self.rest = wait.to_vec();
        None
    }

    fn hand_on(&mut self, rows: &[u8], parts: &mut Vec<Part>) {
        if let Some(last) = rows.last() {
            self.inside_line = *last != b'\n';
            self.line += memchr::memchr_iter(b'\n', rows).count() as u64;
            parts.push(Part::Rows(Bytes::copy_from_slice(rows)));
        }
    }

    fn end_rows<'a>(&mut self, after: &'a [u8], parts: &mut Vec<Part>) -> &'a [u8] {
        self.in_rows = false;
        self.inside_line = false;
        self.line += 1;
        parts.push(Part::CopyEnd);
        after
    }

    fn take_line(&mut self, line: &[u8], parts: &mut Vec<Part>) -> Result<(), Failure> {
        if self.statement.is_empty() {
            let bare = line.trim_ascii();
            if bare.is_empty() || bare.starts_with(b"--") {
                self.ended |= bare.starts_with(END);
                return Ok(());
            }
            if bare.first() == Some(&b'\\') {
                return self.psql_command(bare);
            }
        }
        let text = std::str::from_utf8(line)
            .map_err(|_| self.refused("is not UTF-8; Drydock reads dumps made with --encoding=UTF8"))?;
        self.ended = false;
        self.statement.push_str(text);
        self.statement.push('\n');
        if !text.trim_end().ends_with(';') {
            return Ok(());
        }
        let Some(statements) = whole_statements(&self.statement) else { return Ok(()) };
        self.statement.clear();
        let last = statements.len();
        for (number, (statement, copies)) in statements.into_iter().enumerate() {
            if copies && number + 1 < last {
                return Err(self.refused("holds statements behind a COPY on the same line"));
            }
            self.in_rows = copies;
            parts.push(if copies { Part::CopyBegin(statement) } else { Part::Statement(statement) });
        }
        Ok(())
    }

    fn psql_command(&mut self, line: &[u8]) -> Result<(), Failure> {
        let text = String::from_utf8_lossy(line).into_owned();
        match (text.split_once(' '), &self.restricted) {
            (Some(("\\restrict", key)), None) => self.restricted = Some(key.trim().to_owned()),
            (Some(("\\unrestrict", key)), Some(known)) if key.trim() == known => self.restricted = None,
            _ => {
                let command: String = text.chars().take(24).collect();
                return Err(self.refused(&format!("holds a command for psql (`{command}`)")));
            }
        }
        Ok(())
    }

    fn refused(&self, what: &str) -> Failure {
        Failure::new(FailureCode::RestoreRefused, format!("Line {} of the dump {what}.", self.line))
            .why("Drydock reads dumps itself and never through psql, because psql's commands can run programs on this computer.")
            .unchanged("Nothing of it was kept.")
            .next("Make the dump with pg_dump, in the custom format or as plain SQL.")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict AbC\nSET statement_timeout = 0;\n\
        CREATE FUNCTION public.f() RETURNS text\n    LANGUAGE sql\n    AS $$\n-- it; stays\nSELECT '\\d';\n$$;\n\n\
        CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a;\n DELETE FROM b);\n\
        COPY public.t (id, text) FROM stdin;\n1\ta;b\n2\t\\\\.\n\\\\.\tx\n\\.\n\n\
        COPY public.empty (id) FROM stdin;\n\\.\n\nSELECT pg_catalog.setval('public.s', 1, true);\n\n\
        \\unrestrict AbC\n--\n-- PostgreSQL database dump complete\n--\n\n";

    fn read(text: &[u8], piece: usize) -> Result<Vec<Part>, Failure> {
        let mut reader = DumpReader::new();
        let mut parts = Vec::new();
        for bytes in text.chunks(piece) {
            reader.push(bytes, &mut parts)?;
        }
        reader.finish(&mut parts)?;
        let mut joined: Vec<Part> = Vec::new();
        for part in parts {
            match (joined.last_mut(), part) {
                (Some(Part::Rows(before)), Part::Rows(rows)) => {
                    *before = [&before[..], &rows[..]].concat().into();
                }
                (_, part) => joined.push(part),
            }
        }
        Ok(joined)
    }

    #[test]
    fn a_dump_is_taken_apart_wherever_it_is_cut_into_pieces() {
        let whole = read(DUMP.as_bytes(), usize::MAX / 2).unwrap();
        let texts: Vec<String> = whole
            .iter()
            .map(|part| match part {
                Part::Statement(text) => text.clone(),
                Part::CopyBegin(text) => format!("> {text}"),
                Part::Rows(rows) => String::from_utf8_lossy(rows).into_owned(),
                Part::CopyEnd => ".".to_owned(),
            })
            .collect();
        assert_eq!(texts.len(), 9, "{texts:#?}");
        assert!(texts[1].contains("-- it; stays\nSELECT '\\d';"));
        assert!(texts[2].ends_with("DELETE FROM b)"));
        assert_eq!(texts[4], "1\ta;b\n2\t\\\\.\n\\\\.\tx\n");
        assert_eq!(texts[6], "> COPY public.empty (id) FROM stdin");
        for piece in 1..40 {
            assert_eq!(read(DUMP.as_bytes(), piece).unwrap(), whole, "in pieces of {piece}");
        }
        assert_eq!(read(DUMP.replace('\n', "\r\n").as_bytes(), 7).unwrap().len(), 9);
    }

    #[test]
    fn a_dump_that_was_cut_anywhere_is_noticed() {
        for cut in 0..DUMP.len() - "dump complete\n--\n\n".len() {
            assert!(read(&DUMP.as_bytes()[..cut], 64).is_err(), "cut at {cut}: {:?}", &DUMP[..cut]);
        }
    }

    #[test]
    fn commands_for_psql_are_refused() {
        for bad in [
            "\\! rm -rf /\n",
            "\\copy t from x\n",
            "\\restrict a\n\\restrict b\n",
            "\\unrestrict x\n",
            "  \\i y\n",
        ] {
            let failure = read(format!("SELECT 1;\n{bad}").as_bytes(), 64).unwrap_err();
            assert_eq!(failure.code, FailureCode::RestoreRefused, "{bad}");
        }
        let failure = read(b"COPY t FROM stdin; SELECT 1;\n", 64).unwrap_err();
        assert_eq!(failure.code, FailureCode::RestoreRefused);
        assert!(read(b"SELECT '\xff';\n", 64).is_err());
    }
}
