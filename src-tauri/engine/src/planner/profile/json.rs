//! Rows from JSON and NDJSON. Values are cut out of the text as they stand, so that numbers keep their digits.

use super::document::{line_of, line_starts};
use super::problems::{Problems, quoted};
use super::{MOST_COLUMNS, MOST_ROWS};
use crate::domain::profile::{Cell, Form, GivenRow, Place};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashSet;

/// The rows of an array of objects; `None` if something was wrong and reported.
pub(super) fn rows(file: &str, text: &str, problems: &mut Problems) -> Option<Vec<GivenRow>> {
    let before = problems.count();
    let mut source = Source { file, text, line_starts: line_starts(text), problems };
    let content = text.trim_start();
    let begins = if content.is_empty() { 0 } else { text.len() - content.len() };
    if !content.starts_with('[') {
        let (what, next) = match content.chars().next() {
            None => ("The file is empty.", "Write an array of objects, `[{ \"column\": value }]`."),
            Some('{') => (
                "The file is one object and no array.",
                "Put the objects in square brackets, or name the file `.ndjson` if it has one a line.",
            ),
            Some(_) => ("The file is not an array.", "Write an array of objects, `[{ \"column\": value }]`."),
        };
        source.wrong(begins, what, next);
        return None;
    }
    let values: Vec<&RawValue> = match serde_json::from_str(text) {
        Ok(values) => values,
        Err(error) => {
            source.not_json(0, &error);
            return None;
        }
    };
    source.check_objects(0, text);
    let mut rows = Vec::new();
    for value in values {
        if source.add(&mut rows, value).is_none() {
            break;
        }
    }
    (problems.count() == before).then_some(rows)
}

/// The rows of a file with an object a line; `None` if something was wrong and reported.
pub(super) fn rows_by_line(file: &str, text: &str, problems: &mut Problems) -> Option<Vec<GivenRow>> {
    let before = problems.count();
    let mut source = Source { file, text, line_starts: line_starts(text), problems };
    let mut rows = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        match serde_json::from_str::<&RawValue>(line) {
            Ok(value) => {
                source.check_objects(start, line);
                if source.add(&mut rows, value).is_none() {
                    break;
                }
            }
            Err(error) => source.not_json(start, &error),
        }
    }
    (problems.count() == before).then_some(rows)
}

/// A file while it is read.
struct Source<'a, 'p> {
    file: &'a str,
    text: &'a str,
    line_starts: Vec<usize>,
    problems: &'p mut Problems,
}

impl Source<'_, '_> {
    fn place(&self, at: usize) -> Place {
        Place { file: self.file.to_owned(), line: line_of(&self.line_starts, at) }
    }

    fn wrong(&mut self, at: usize, what: impl Into<String>, next: &str) {
        self.problems.add(self.place(at), what, next);
    }

    /// Reports what the reader of JSON says of the text that begins at `start`.
    fn not_json(&mut self, start: usize, error: &serde_json::Error) {
        let mut place = self.place(start);
        let further = u32::try_from(error.line().saturating_sub(1)).unwrap_or(u32::MAX);
        place.line = place.line.saturating_add(further);
        let message = error.to_string();
        let message = match message.split(" at line ").next() {
            Some(message) if !error.is_eof() => message,
            _ => "it ends too early",
        };
        self.problems.add(place, format!("This is not JSON: {message}."), "Correct the line.");
    }

    /// Where a piece of the text begins.
    fn start_of(&self, piece: &str) -> usize {
        piece.as_ptr().addr().saturating_sub(self.text.as_ptr().addr())
    }

    /// Adds a row; `None` if no more are taken.
    fn add(&mut self, rows: &mut Vec<GivenRow>, value: &RawValue) -> Option<()> {
        let at = self.start_of(value.get());
        if rows.len() >= MOST_ROWS as usize {
            self.wrong(
                at,
                format!("The file gives more than {MOST_ROWS} rows."),
                "Split them over several profiles.",
            );
            return None;
        }
        if !value.get().starts_with('{') {
            let what = format!("A row must be an object, but {} stands here.", type_name(value.get()));
            self.wrong(at, what, "Write the row in braces, `{ \"column\": value }`.");
            return Some(());
        }
        // What cannot be read here was reported when the objects were checked.
        let Ok(Members(members)) = serde_json::from_str::<Members>(value.get()) else { return Some(()) };
        if members.len() > MOST_COLUMNS {
            let what =
                format!("The row has {} columns, but no table has more than {MOST_COLUMNS}.", members.len());
            self.wrong(at, what, "Remove what is too much.");
            return Some(());
        }
        let mut cells = Vec::with_capacity(members.len());
        for (name, value) in members {
            if name.trim().is_empty() {
                self.wrong(self.start_of(value.get()), "A column has no name.", "Name it, or remove it.");
            }
            if let Some(form) = form(value) {
                cells.push((name, Cell { form, on: None }));
            }
        }
        rows.push(GivenRow { at: self.place(at), cells });
        Some(())
    }

    /// Reports keys that stand twice in an object, and texts that cannot be stored, however deep they are. The text
    /// is JSON already, so that it is enough to look at its brackets and texts.
    fn check_objects(&mut self, start: usize, json: &str) {
        let mut open: Vec<Option<HashSet<String>>> = Vec::new();
        let mut at = 0;
        while let Some(found) = json.get(at..).and_then(|rest| rest.find(['{', '}', '[', ']', '"'])) {
            at += found;
            match json.as_bytes().get(at) {
                Some(b'{') => open.push(Some(HashSet::new())),
                Some(b'[') => open.push(None),
                Some(b'}' | b']') => {
                    open.pop();
                }
                _ => {
                    let end = text_end(json, at);
                    let written = json.get(at..end).unwrap_or_default();
                    let is_key = json.get(end..).is_some_and(|rest| rest.trim_start().starts_with(':'));
                    self.check_text(start + at, written, open.last_mut().filter(|_| is_key));
                    at = end;
                    continue;
                }
            }
            at += 1;
        }
    }

    /// A text, and whether it is a key that its object has already.
    fn check_text(&mut self, at: usize, written: &str, object: Option<&mut Option<HashSet<String>>>) {
        // Of texts in JSON that was read already, only their escapes can still be wrong.
        let Ok(text) = serde_json::from_str::<String>(written) else {
            let what = "The text holds half of a surrogate pair, which is no character.";
            return self.wrong(at, what, "Write both halves, or the character itself.");
        };
        if text.contains('\0') {
            let what = "The text holds the character U+0000, which PostgreSQL cannot store.";
            self.wrong(at, what, "Remove it.");
        }
        if let Some(Some(keys)) = object
            && let Some(twice) = keys.replace(text)
        {
            self.wrong(
                at,
                format!("The key {} stands twice in one object.", quoted(&twice)),
                "Remove one of them.",
            );
        }
    }
}

/// The byte behind the text that begins at `start` with its quote.
fn text_end(json: &str, start: usize) -> usize {
    let mut escaped = false;
    let inner = json.bytes().enumerate().skip(start + 1);
    for (at, byte) in inner {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    json.len()
}

/// The members of an object in the order written, each value as it stands.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The value as a form; `None` if it was reported when the objects were checked.
fn form(value: &RawValue) -> Option<Form> {
    let written = value.get();
    match written.as_bytes().first() {
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(written).ok()?;
            if items.iter().any(|item| item.get().starts_with(['[', '{'])) {
                return Some(Form::Json(written.to_owned()));
            }
            items.into_iter().map(scalar).collect::<Option<Vec<Form>>>().map(Form::List)
        }
        Some(b'{') => Some(Form::Json(written.to_owned())),
        _ => scalar(value),
    }
}

fn scalar(value: &RawValue) -> Option<Form> {
    match value.get() {
        "null" => Some(Form::Null),
        "true" => Some(Form::Boolean(true)),
        "false" => Some(Form::Boolean(false)),
        text if text.starts_with('"') => serde_json::from_str(text).ok().map(Form::Text),
        number => Some(Form::Number(number.to_owned())),
    }
}

/// What a value is, in a sentence.
fn type_name(written: &str) -> &'static str {
    match written.as_bytes().first() {
        Some(b'"') => "a text",
        Some(b'[') => "an array",
        Some(b't') => "true",
        Some(b'f') => "false",
        Some(b'n') => "null",
        _ => "a number",
    }
}
