//! `profile.toml` as it is read: from bytes to lines, keys that are not known, and values of the wrong type.

use super::inputs::{self, InputFacts};
use super::problems::{Problems, instead, nearest, one_of, quoted};
use super::words::Words;
use super::{blocks, numbers};
use crate::domain::profile::{Place, ProfileFiles, TableName};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value with the bytes it stands on.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// What is known while a profile is read.
pub(super) struct Reading<'a> {
    /// The file that is read, as its problems name it.
    file: &'a str,
    /// The profile's files.
    pub(super) files: &'a BTreeMap<String, Vec<u8>>,
    /// Which of them was chosen for an input.
    pub(super) chosen: &'a BTreeMap<String, String>,
    /// What is wrong so far.
    pub(super) problems: Problems,
    /// The inputs by name, wherever they stand.
    pub(super) inputs: BTreeMap<String, InputFacts>,
    /// The tables that have a block, wherever they stand.
    pub(super) tables: Vec<TableName>,
    /// The largest scale, if there is one.
    pub(super) scale: Option<u32>,
    /// The secrets that requests may name.
    pub(super) credentials: Vec<String>,
    /// Keys that were probably meant by unknown ones, each with where its table begins.
    misspelt: Vec<(usize, String)>,
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(file: &'a str, files: &'a ProfileFiles) -> Self {
        Self {
            file,
            files: &files.files,
            chosen: &files.chosen,
            problems: Problems::default(),
            inputs: BTreeMap::new(),
            tables: Vec::new(),
            scale: None,
            credentials: Vec::new(),
            misspelt: Vec::new(),
            text: "",
            line_starts: vec![0],
        }
    }

    /// From here on positions are bytes of this text.
    pub(super) fn open(&mut self, text: &'a str) {
        self.text = text;
        self.line_starts = line_starts(text);
    }

    /// Looks ahead at the names that other parts of the profile may refer to.
    pub(super) fn know(&mut self, root: &Section) {
        self.inputs = inputs::facts(root);
        self.tables = blocks::tables(root);
    }

    /// The place of a byte of the file.
    pub(super) fn place(&self, at: usize) -> Place {
        Place { file: self.file.to_owned(), line: line_of(&self.line_starts, at) }
    }

    /// Reports what is wrong at a byte of the file, and what to do.
    pub(super) fn wrong(&mut self, at: usize, what: impl Into<String>, next: impl Into<String>) {
        self.problems.add(self.place(at), what, next);
    }

    /// The characters a value is written with.
    pub(super) fn written(&self, value: &Value) -> &'a str {
        self.text.get(value.span()).unwrap_or_default()
    }
}

/// Where the lines of a text begin.
pub(super) fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0)
        .chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1))
        .collect()
}

/// The 1-based line of a byte.
pub(super) fn line_of(line_starts: &[usize], at: usize) -> u32 {
    u32::try_from(line_starts.partition_point(|start| *start <= at)).unwrap_or(u32::MAX)
}

/// Reports what is no TOML, a problem a line.
pub(super) fn report_syntax(reading: &mut Reading, errors: &[toml::de::Error]) {
    let mut reported = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or_default();
        let line = reading.place(span.start).line;
        if reported.contains(&line) {
            continue;
        }
        reported.push(line);
        let message = error.message().replace('\n', " ");
        let (what, next) = match message.as_str() {
            "duplicate key" => {
                let key = reading.text.get(span.clone()).unwrap_or_default();
                (format!("The key {} stands here for the second time.", quoted(key)), "Keep one of them.")
            }
            message => match bare_word(reading.text, span.start, message) {
                Some(word) => (
                    format!("The word {} stands here without quotes.", quoted(word)),
                    "Put it in quotes; true and false are written in small letters.",
                ),
                None => (
                    format!("This is not TOML: {message}."),
                    "Correct the line: texts stand in quotes, and what is opened is closed.",
                ),
            },
        };
        reading.wrong(span.start, what, next);
    }
}

/// The word without quotes that a message is about, if it is about one.
fn bare_word<'a>(text: &'a str, at: usize, message: &str) -> Option<&'a str> {
    let about_words = ["invalid boolean", "invalid float", "string values must be quoted"];
    if !about_words.iter().any(|about| message.starts_with(about)) {
        return None;
    }
    let rest = text.get(at..)?;
    let end = rest.find(|c: char| c.is_whitespace() || ",]}#\"'".contains(c)).unwrap_or(rest.len());
    rest.get(..end).filter(|word| word.starts_with(char::is_alphabetic))
}

/// A table of the profile, and what it is called in sentences.
#[derive(Clone)]
pub(super) struct Section<'t> {
    /// Its keys.
    pub(super) table: &'t DeTable<'t>,
    /// Where it begins.
    pub(super) at: usize,
    /// What it is called at the beginning of a sentence, `The input `name``.
    pub(super) called: String,
}

impl<'t> Section<'t> {
    pub(super) fn new(table: &'t DeTable<'t>, at: usize, called: impl Into<String>) -> Self {
        Self { table, at, called: called.into() }
    }

    /// The value as a table; reported if it is something else.
    pub(super) fn of(reading: &mut Reading, value: &'t Value<'t>, called: &str) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Self::new(table, value.span().start, called)),
            _ => expected(reading, value, called, "a table", "Write it in braces, `{ key = value }`."),
        }
    }

    pub(super) fn value(&self, key: &str) -> Option<&'t Value<'t>> {
        self.table.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where a key stands, else the table.
    pub(super) fn at_key(&self, key: &str) -> usize {
        self.table.get_key_value(key).map_or(self.at, |(key, _)| key.span().start)
    }

    /// Its keys and values in the order written, each with where its key stands.
    pub(super) fn entries(&self) -> Vec<(&'t str, usize, &'t Value<'t>)> {
        let mut entries: Vec<_> =
            self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span().start, value)).collect();
        entries.sort_by_key(|(_, at, _)| *at);
        entries
    }

    /// Reports every key that is not known here.
    pub(super) fn refuse_unknown(&self, reading: &mut Reading, known: &[&str]) {
        let open: Vec<&str> = known.iter().copied().filter(|key| !self.has(key)).collect();
        for (key, at, _) in self.entries() {
            if known.contains(&key) {
                continue;
            }
            let near = nearest(key, &open).or_else(|| nearest(key, known));
            let next = match near {
                Some(near) => {
                    reading.misspelt.push((self.at, near.to_owned()));
                    format!("Did you mean {}?", quoted(near))
                }
                None if open.is_empty() => "Remove it.".to_owned(),
                None => format!("Remove it, or write {}.", one_of(&open)),
            };
            reading.wrong(at, format!("{} has no key {}.", self.called, quoted(key)), next);
        }
    }

    /// Whether one of these keys is there under a misspelt name, which was reported.
    pub(super) fn misspelt(&self, reading: &Reading, keys: &[&str]) -> bool {
        reading.misspelt.iter().any(|(at, key)| *at == self.at && keys.contains(&key.as_str()))
    }

    /// Reports a key that is missing.
    fn missing<T>(&self, reading: &mut Reading, key: &str) -> Option<T> {
        self.missing_with(reading, key, format!("Add `{key} = ...`."))
    }

    fn missing_with<T>(&self, reading: &mut Reading, key: &str, next: String) -> Option<T> {
        if !self.misspelt(reading, &[key]) {
            reading.wrong(self.at, format!("{} has no {}, which it needs.", self.called, quoted(key)), next);
        }
        None
    }

    /// The value of a key that must be there.
    pub(super) fn needed(&self, reading: &mut Reading, key: &str) -> Option<&'t Value<'t>> {
        match self.value(key) {
            Some(value) => Some(value),
            None => self.missing(reading, key),
        }
    }

    pub(super) fn text(&self, reading: &mut Reading, key: &str) -> Option<String> {
        let value = self.value(key)?;
        text(reading, value, &quoted(key))
    }

    /// A text that must be there and not be blank.
    pub(super) fn needed_text(&self, reading: &mut Reading, key: &str) -> Option<String> {
        let value = self.needed(reading, key)?;
        let text = text(reading, value, &quoted(key))?;
        if text.trim().is_empty() {
            reading.wrong(
                value.span().start,
                format!("{} is empty.", quoted(key)),
                "Write a text between the quotes.",
            );
            return None;
        }
        Some(text)
    }

    pub(super) fn boolean(&self, reading: &mut Reading, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Boolean(yes) => Some(*yes),
            _ => expected(
                reading,
                value,
                &quoted(key),
                "true or false",
                "Write `true` or `false`, without quotes.",
            ),
        }
    }

    /// A key that stands only for itself: `true` or not written at all.
    pub(super) fn only_true(&self, reading: &mut Reading, key: &str) -> Option<()> {
        if self.boolean(reading, key)? {
            return Some(());
        }
        let what = format!("{} is false, which means nothing.", quoted(key));
        reading.wrong(self.at_key(key), what, format!("Write `{key} = true`, or something else instead."));
        None
    }

    /// A whole number from `least` to `most`.
    pub(super) fn whole(&self, reading: &mut Reading, key: &str, least: u32, most: u32) -> Option<u32> {
        let value = self.value(key)?;
        let number = whole(reading, value, &quoted(key))?;
        let fitting = u32::try_from(number).ok().filter(|number| (least..=most).contains(number));
        if fitting.is_none() {
            let what = format!("{} is {number}.", quoted(key));
            reading.wrong(value.span().start, what, format!("Write a number from {least} to {most}."));
        }
        fitting
    }

    pub(super) fn needed_whole(
        &self,
        reading: &mut Reading,
        key: &str,
        least: u32,
        most: u32,
    ) -> Option<u32> {
        self.needed(reading, key)?;
        self.whole(reading, key, least, most)
    }

    /// Texts, each with where it stands.
    pub(super) fn texts(&self, reading: &mut Reading, key: &str) -> Option<Vec<(String, usize)>> {
        let value = self.value(key)?;
        let items = array(reading, value, &quoted(key))?;
        let mut texts = Vec::new();
        let mut sound = true;
        for item in items {
            match text(reading, item, &format!("An entry of {}", quoted(key))) {
                Some(text) => texts.push((text, item.span().start)),
                None => sound = false,
            }
        }
        sound.then_some(texts)
    }

    /// Names: texts, without those that are empty or stand there twice, which are reported. `needed`: at least one.
    pub(super) fn names(
        &self,
        reading: &mut Reading,
        key: &str,
        needed: bool,
    ) -> Option<Vec<(String, usize)>> {
        if needed {
            self.needed(reading, key)?;
        }
        let texts = self.texts(reading, key)?;
        if needed && texts.is_empty() {
            reading.wrong(
                self.at_key(key),
                format!("{} is empty.", quoted(key)),
                "Write at least one entry.",
            );
        }
        let mut names: Vec<(String, usize)> = Vec::new();
        for (name, at) in texts {
            if name.trim().is_empty() {
                let what = format!("{} has an empty entry.", quoted(key));
                reading.wrong(at, what, "Write a name, or remove it.");
            } else if names.iter().any(|(earlier, _)| *earlier == name) {
                let what = format!("{} names {} twice.", quoted(key), quoted(&name));
                reading.wrong(at, what, "Remove one of them.");
            } else {
                names.push((name, at));
            }
        }
        Some(names)
    }

    /// One of some words.
    pub(super) fn word<T: Clone>(&self, reading: &mut Reading, key: &str, words: &Words<T>) -> Option<T> {
        let value = self.value(key)?;
        let word = text(reading, value, &quoted(key))?;
        meaning(reading, &word, value.span().start, words)
    }

    pub(super) fn needed_word<T: Clone>(
        &self,
        reading: &mut Reading,
        key: &str,
        words: &Words<T>,
    ) -> Option<T> {
        if self.has(key) {
            return self.word(reading, key, words);
        }
        self.missing_with(reading, key, format!("Add `{key}` with {}.", one_of(&words.names())))
    }

    /// Several of some words.
    pub(super) fn words<T: Clone>(
        &self,
        reading: &mut Reading,
        key: &str,
        words: &Words<T>,
        needed: bool,
    ) -> Option<Vec<T>> {
        let names = self.names(reading, key, needed)?;
        let meanings: Vec<Option<T>> =
            names.iter().map(|(word, at)| meaning(reading, word, *at, words)).collect();
        meanings.into_iter().collect()
    }

    /// The value of a key as a table.
    pub(super) fn section(&self, reading: &mut Reading, key: &str, called: &str) -> Option<Section<'t>> {
        let value = self.value(key)?;
        Section::of(reading, value, called)
    }

    /// The `[[key]]` tables.
    pub(super) fn sections(&self, reading: &mut Reading, key: &str, called: &str) -> Vec<Section<'t>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let next = format!("Write `[[{key}]]`, with two brackets, before each of them.");
        match value.get_ref() {
            DeValue::Array(items) => {
                items.iter().filter_map(|item| Section::of(reading, item, called)).collect()
            }
            _ => {
                expected::<()>(reading, value, &quoted(key), "an array of tables", &next);
                Vec::new()
            }
        }
    }
}

/// The meaning of a word; reported with the nearest one if it has none.
fn meaning<T: Clone>(reading: &mut Reading, word: &str, at: usize, words: &Words<T>) -> Option<T> {
    let meaning = words.meaning(word);
    if meaning.is_none() {
        let what = format!("{} is not {}.", quoted(word), words.called);
        reading.wrong(at, what, instead(word, &words.names()));
    }
    meaning
}

/// The value as a text that PostgreSQL can store.
pub(super) fn text(reading: &mut Reading, value: &Value, called: &str) -> Option<String> {
    let DeValue::String(text) = value.get_ref() else {
        return expected(reading, value, called, "a text", "Write it in quotes.");
    };
    if text.contains('\0') {
        let what = format!("{called} holds the character U+0000, which PostgreSQL cannot store.");
        reading.wrong(value.span().start, what, "Remove it.");
        return None;
    }
    Some(text.as_ref().to_owned())
}

/// The value as a whole number of 64 bits.
pub(super) fn whole(reading: &mut Reading, value: &Value, called: &str) -> Option<i64> {
    let DeValue::Integer(integer) = value.get_ref() else {
        return expected(reading, value, called, "a whole number", "Write a whole number, without quotes.");
    };
    let number = numbers::whole(integer).and_then(|digits| digits.parse().ok());
    if number.is_none() {
        let what = format!("{called} is a number of more than 64 bits.");
        reading.wrong(value.span().start, what, "Write a smaller one.");
    }
    number
}

/// The value as an array.
pub(super) fn array<'t>(
    reading: &mut Reading,
    value: &'t Value<'t>,
    called: &str,
) -> Option<&'t [Value<'t>]> {
    match value.get_ref() {
        DeValue::Array(items) => Some(items),
        _ => expected(reading, value, called, "an array", "Write it in square brackets."),
    }
}

/// Reports a value of the wrong type.
pub(super) fn expected<T>(
    reading: &mut Reading,
    value: &Value,
    called: &str,
    wanted: &str,
    next: &str,
) -> Option<T> {
    let found = type_name(value.get_ref());
    reading.wrong(value.span().start, format!("{called} must be {wanted}, but {found} stands here."), next);
    None
}

/// What a value is, in a sentence.
fn type_name(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with decimals",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
