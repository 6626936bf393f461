//! Rows from CSV, strictly as in RFC 4180. Our own reader, because an empty field is NULL here and `""` is the empty
//! text, and because wrong quotes have to be a problem with their line instead of a guess.

use super::problems::{Problems, quoted};
use super::{MOST_COLUMNS, MOST_ROWS};
use crate::domain::profile::{Cell, Form, GivenRow, Place};

/// The rows of a file; `None` if something in it was wrong and reported.
pub(super) fn rows(file: &str, text: &str, problems: &mut Problems) -> Option<Vec<GivenRow>> {
    let before = problems.count();
    let mut report = |line: u32, fault: Fault| {
        let (what, next) = fault.sentences();
        problems.add(Place { file: file.to_owned(), line }, what, next);
    };
    let mut reader = Reader { text, at: 0, line: 1 };
    let header = match reader.record() {
        Ok(Some((line, fields))) => header(line, fields, &mut report)?,
        Ok(None) => {
            report(1, Fault::NoHeader);
            return None;
        }
        Err((line, fault)) => {
            report(line, fault);
            return None;
        }
    };
    let mut rows = Vec::new();
    loop {
        let (line, fields) = match reader.record() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err((line, Fault::EmptyLine)) => {
                report(line, Fault::EmptyLine);
                continue;
            }
            Err((line, fault)) => {
                report(line, fault);
                break;
            }
        };
        if fields.len() != header.len() {
            report(line, Fault::FieldCount { found: fields.len(), wanted: header.len() });
            continue;
        }
        if rows.len() >= MOST_ROWS as usize {
            report(line, Fault::TooMany);
            break;
        }
        let cells = header.iter().zip(fields).map(|(name, field)| {
            let form = field.map_or(Form::Null, Form::Text);
            (name.clone(), Cell { form, on: None })
        });
        rows.push(GivenRow { at: Place { file: file.to_owned(), line }, cells: cells.collect() });
    }
    (problems.count() == before).then_some(rows)
}

/// The names of the columns.
fn header(
    line: u32,
    fields: Vec<Option<String>>,
    report: &mut impl FnMut(u32, Fault),
) -> Option<Vec<String>> {
    if fields.len() > MOST_COLUMNS {
        report(line, Fault::TooManyColumns(fields.len()));
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    let mut sound = true;
    for (index, field) in fields.into_iter().enumerate() {
        let name = field.unwrap_or_default();
        if name.trim().is_empty() {
            report(line, Fault::NamelessColumn(index + 1));
            sound = false;
        } else if names.contains(&name) {
            report(line, Fault::DoubleColumn(name.clone()));
            sound = false;
        }
        names.push(name);
    }
    sound.then_some(names)
}

/// What can be wrong.
enum Fault {
    NoHeader,
    TooManyColumns(usize),
    NamelessColumn(usize),
    DoubleColumn(String),
    EmptyLine,
    FieldCount { found: usize, wanted: usize },
    QuoteInside,
    TextBehindQuote,
    OpenQuote,
    LoneReturn,
    Null,
    TooMany,
}

impl Fault {
    /// What is wrong, and what to do.
    fn sentences(&self) -> (String, &'static str) {
        match self {
            Self::NoHeader => (
                "The file is empty: it has no header line.".to_owned(),
                "Write the names of the columns on its first line.",
            ),
            Self::TooManyColumns(columns) => (
                format!("The header has {columns} columns, but no table has more than {MOST_COLUMNS}."),
                "Remove what is too much from every line.",
            ),
            Self::NamelessColumn(number) => (
                format!("Column {number} of the header has no name."),
                "Name it, or remove it from every line.",
            ),
            Self::DoubleColumn(name) => (
                format!("The header names {} twice.", quoted(name)),
                "Rename one of them, or remove it from every line.",
            ),
            Self::EmptyLine => ("The line is empty.".to_owned(), "Remove it."),
            Self::FieldCount { found, wanted } => {
                let s = if *found == 1 { "" } else { "s" };
                let next = if found < wanted {
                    "Add the missing commas; an empty field is NULL."
                } else {
                    "Remove what is too much, or put a field that holds a comma in quotes."
                };
                (format!("The line has {found} field{s}, but the header has {wanted}."), next)
            }
            Self::QuoteInside => (
                "A quote stands inside a field that does not begin with one.".to_owned(),
                "Put the whole field in quotes and double the quotes in it.",
            ),
            Self::TextBehindQuote => (
                "Text follows the closing quote of a field.".to_owned(),
                "Double the quotes in the field, or put a comma behind it.",
            ),
            Self::OpenQuote => {
                ("A quote is opened here and never closed.".to_owned(), "Close it at the end of the field.")
            }
            Self::LoneReturn => (
                "A carriage return stands outside of quotes without a line feed.".to_owned(),
                "End lines with CRLF or LF.",
            ),
            Self::Null => (
                "The line holds the character U+0000, which PostgreSQL cannot store.".to_owned(),
                "Remove it.",
            ),
            Self::TooMany => {
                (format!("The file gives more than {MOST_ROWS} rows."), "Split them over several profiles.")
            }
        }
    }
}

/// A record: the line it begins on, and its fields; an empty field without quotes is `None`.
type Record = (u32, Vec<Option<String>>);

/// What ends a field.
#[derive(PartialEq, Eq)]
enum End {
    Comma,
    Line,
    File,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl Reader<'_> {
    /// The next record; `None` at the end of the file.
    fn record(&mut self) -> Result<Option<Record>, (u32, Fault)> {
        let begins = self.line;
        if self.rest().is_empty() {
            return Ok(None);
        }
        if self.take_line_end() {
            return Err((begins, Fault::EmptyLine));
        }
        let mut fields = Vec::new();
        loop {
            let (field, end) = self.field()?;
            fields.push(field);
            if end != End::Comma {
                return Ok(Some((begins, fields)));
            }
        }
    }

    fn field(&mut self) -> Result<(Option<String>, End), (u32, Fault)> {
        if self.rest().starts_with('"') {
            let text = self.quoted()?;
            return match self.end() {
                Some(end) => Ok((Some(text), end)),
                None if self.rest().starts_with('\r') => Err((self.line, Fault::LoneReturn)),
                None => Err((self.line, Fault::TextBehindQuote)),
            };
        }
        let length = self.rest().find([',', '\n', '\r', '"', '\0']).unwrap_or(self.rest().len());
        let text = self.rest().get(..length).unwrap_or_default().to_owned();
        self.at += length;
        match self.end() {
            Some(end) => Ok(((!text.is_empty()).then_some(text), end)),
            None if self.rest().starts_with('"') => Err((self.line, Fault::QuoteInside)),
            None if self.rest().starts_with('\0') => Err((self.line, Fault::Null)),
            None => Err((self.line, Fault::LoneReturn)),
        }
    }

    /// The text between quotes; they may hold anything, and doubled quotes mean one.
    fn quoted(&mut self) -> Result<String, (u32, Fault)> {
        let opened = self.line;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(length) = self.rest().find('"') else { return Err((opened, Fault::OpenQuote)) };
            let part = self.rest().get(..length).unwrap_or_default();
            let lines = part.bytes().filter(|byte| *byte == b'\n').count();
            if let Some(at) = part.find('\0') {
                let before = part.bytes().take(at).filter(|byte| *byte == b'\n').count();
                return Err((self.line + u32::try_from(before).unwrap_or(u32::MAX), Fault::Null));
            }
            text.push_str(part);
            self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
            self.at += length + 1;
            if !self.rest().starts_with('"') {
                return Ok(text);
            }
            text.push('"');
            self.at += 1;
        }
    }

    /// What ends a field here, if something does.
    fn end(&mut self) -> Option<End> {
        if self.rest().is_empty() {
            return Some(End::File);
        }
        if self.rest().starts_with(',') {
            self.at += 1;
            return Some(End::Comma);
        }
        self.take_line_end().then_some(End::Line)
    }

    fn take_line_end(&mut self) -> bool {
        let length = match self.rest().as_bytes() {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return false,
        };
        self.at += length;
        self.line = self.line.saturating_add(1);
        true
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

    use super::*;

    fn read(text: &str) -> Vec<(u32, Vec<Form>)> {
        let mut problems = Problems::default();
        let rows = rows("a.csv", text, &mut problems).unwrap();
        rows.into_iter()
            .map(|row| (row.at.line, row.cells.into_iter().map(|(_, cell)| cell.form).collect()))
            .collect()
    }

    fn text(text: &str) -> Form {
        Form::Text(text.to_owned())
    }

    #[test]
    fn an_empty_field_is_null_and_empty_quotes_are_the_empty_text() {
        assert_eq!(
            read("a,b,c\n,\"\",x\n1,,\n"),
            [(2, vec![Form::Null, text(""), text("x")]), (3, vec![text("1"), Form::Null, Form::Null])]
        );
    }

    #[test]
    fn quotes_hold_commas_quotes_and_line_breaks_and_lines_are_counted_through_them() {
        assert_eq!(
            read("a,b\r\n\"x, \"\"y\"\"\",\"one\r\ntwo\nthree\"\r\nlast,\"\"\"\""),
            [(2, vec![text("x, \"y\""), text("one\r\ntwo\nthree")]), (5, vec![text("last"), text("\"")])]
        );
    }

    #[test]
    fn blanks_belong_to_the_field() {
        assert_eq!(read("a,b\n x , y"), [(2, vec![text(" x "), text(" y")])]);
    }

    #[test]
    fn a_header_alone_gives_no_rows() {
        assert_eq!(read("a,b"), []);
        assert_eq!(read("a,b\r\n"), []);
    }
}
