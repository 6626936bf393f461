//! `[[inputs]]`: the questions of the form, each with what its kind allows.

use super::document::{Reading, Section, Value, expected};
use super::numbers::{self, Exact};
use super::problems::quoted;
use super::words::{KINDS, Kind, PASSWORD_HASHES};
use super::{cells, keys};
use crate::domain::profile::{Argon2Cost, Input, InputKind};
use std::collections::BTreeMap;
use toml::de::DeValue;

/// Longest text an input may ask for, in characters.
const LONGEST_TEXT: u32 = 1_000_000;

/// What other parts of a profile need to know of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InputFacts {
    /// Its answer is a password, of which only the hash is written.
    pub(super) password: bool,
    /// Its answer may be NULL.
    pub(super) optional: bool,
    /// Its answer is a file of rows.
    pub(super) file: bool,
}

/// Looks ahead at the inputs; what is wrong in them is reported by [`inputs`].
pub(super) fn facts(root: &Section) -> BTreeMap<String, InputFacts> {
    let blocks = root.value("inputs").and_then(|value| value.get_ref().as_array());
    let fact = |input: &Value| {
        let of = |key: &str| input.get_ref().get(key).map(|value| value.get_ref());
        let name = of("name")?.as_str()?.to_owned();
        let password = of("kind").and_then(DeValue::as_str) == Some("password");
        let optional = of("optional").and_then(DeValue::as_bool) == Some(true);
        let file = of("kind").and_then(DeValue::as_str) == Some("file");
        Some((name, InputFacts { password, optional, file }))
    };
    blocks.into_iter().flat_map(|blocks| blocks.iter()).filter_map(fact).collect()
}

/// The inputs in the order written.
pub(super) fn inputs(reading: &mut Reading, root: &Section) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    for section in root.sections(reading, "inputs", "An input") {
        let Some(input) = input(reading, section) else { continue };
        if let Some(first) = inputs.iter().find(|known| known.name == input.name) {
            let what = format!("The input {} is already on line {}.", quoted(&input.name), first.at.line);
            reading.problems.add(input.at, what, "Give one of them another name.");
        } else {
            inputs.push(input);
        }
    }
    inputs
}

fn input(reading: &mut Reading, mut section: Section) -> Option<Input> {
    if let Some(name) = section.value("name").and_then(|name| name.get_ref().as_str()) {
        section.called = format!("The input {}", quoted(name));
    }
    section.refuse_unknown(reading, keys::INPUT);
    let name = name(reading, &section);
    let label = section.needed_text(reading, "label");
    let help = section.text(reading, "help");
    let optional = section.boolean(reading, "optional").unwrap_or(false);
    let word = section.needed_word(reading, "kind", KINDS)?;
    refuse_others(reading, &section, word);
    let kind = match word {
        Kind::Text => text_kind(reading, &section),
        Kind::Email => email(reading, &section),
        Kind::Number => number(reading, &section),
        Kind::Choice => choice(reading, &section),
        Kind::Boolean => {
            Some(InputKind::Boolean { default: section.boolean(reading, "default").unwrap_or(false) })
        }
        Kind::File => file(reading, &section),
        Kind::Password => password(reading, &section),
    };
    Some(Input { name: name?, label: label?, help, optional, kind: kind?, at: reading.place(section.at) })
}

/// Letters, digits and `_`.
pub(super) fn plain_name(reading: &mut Reading, section: &Section) -> Option<String> {
    let name = section.needed_text(reading, "name")?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        let what = format!("The name {} holds something other than letters, digits and `_`.", quoted(&name));
        let next = "Write it with those alone; `label` may hold any words.";
        reading.wrong(section.at_key("name"), what, next);
        return None;
    }
    Some(name)
}

/// A plain name, and not `row`, which texts know already.
fn name(reading: &mut Reading, section: &Section) -> Option<String> {
    let name = plain_name(reading, section)?;
    let at = section.at_key("name");
    if name == cells::ROW {
        reading.wrong(
            at,
            "An input cannot be called `row`: in texts that is the row's number.",
            "Give it another name.",
        );
        return None;
    }
    Some(name)
}

/// A file has no default: its path is another one on each computer.
fn file(reading: &mut Reading, section: &Section) -> Option<InputKind> {
    if section.has("default") {
        refuse_default(reading, section, "names a file of this computer alone");
        return None;
    }
    Some(InputKind::File)
}

/// Keys that only other kinds of inputs have.
fn refuse_others(reading: &mut Reading, section: &Section, kind: Kind) {
    let belongs: &[(&str, &[Kind], &str)] = &[
        ("choices", &[Kind::Choice], "only to the kind `choice`"),
        ("min", &[Kind::Number, Kind::Text], "only to the kinds `number` and `text`"),
        ("max", &[Kind::Number, Kind::Text], "only to the kinds `number` and `text`"),
        ("hash", &[Kind::Password], "only to the kind `password`"),
        ("argon2", &[Kind::Password], "only to the kind `password`"),
    ];
    for (key, kinds, whose) in belongs {
        if section.has(key) && !kinds.contains(&kind) {
            let next = "Remove it, or change `kind`.";
            reading.wrong(section.at_key(key), format!("{} belongs {whose}.", quoted(key)), next);
        }
    }
}

fn text_kind(reading: &mut Reading, section: &Section) -> Option<InputKind> {
    let shortest = section.whole(reading, "min", 0, LONGEST_TEXT);
    let longest = section.whole(reading, "max", 0, LONGEST_TEXT);
    if let (Some(shortest), Some(longest)) = (shortest, longest)
        && shortest > longest
    {
        refuse_range(reading, section, &shortest.to_string(), &longest.to_string());
        return None;
    }
    let default = section.text(reading, "default");
    if let Some(default) = &default {
        let length = u32::try_from(default.chars().count()).unwrap_or(u32::MAX);
        if shortest.is_some_and(|shortest| length < shortest)
            || longest.is_some_and(|longest| length > longest)
        {
            refuse_default(
                reading,
                section,
                &format!("has {length} characters, which is outside its own range"),
            );
        }
    }
    Some(InputKind::Text { default, shortest, longest })
}

fn email(reading: &mut Reading, section: &Section) -> Option<InputKind> {
    let default = section.text(reading, "default");
    let is_address = |text: &str| {
        text.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !host.is_empty() && !host.contains('@') && !text.contains(char::is_whitespace)
        })
    };
    if default.as_deref().is_some_and(|default| !is_address(default)) {
        refuse_default(reading, section, "is no e-mail address");
    }
    Some(InputKind::Email { default })
}

fn number(reading: &mut Reading, section: &Section) -> Option<InputKind> {
    let before = reading.problems.count();
    let default = digits(reading, section, "default");
    let min = digits(reading, section, "min");
    let max = digits(reading, section, "max");
    if reading.problems.count() > before {
        return None;
    }
    let exact = |text: &Option<String>| text.as_deref().and_then(Exact::parse);
    let (least, most) = (exact(&min), exact(&max));
    if let (Some(low), Some(high)) = (&least, &most)
        && low > high
    {
        refuse_range(
            reading,
            section,
            min.as_deref().unwrap_or_default(),
            max.as_deref().unwrap_or_default(),
        );
        return None;
    }
    if let Some(default) = exact(&default)
        && (least.is_some_and(|least| default < least) || most.is_some_and(|most| default > most))
    {
        refuse_default(reading, section, "is outside its own range");
    }
    Some(InputKind::Number { default, min, max })
}

fn choice(reading: &mut Reading, section: &Section) -> Option<InputKind> {
    let choices = section.names(reading, "choices", true)?;
    let choices: Vec<String> = choices.into_iter().map(|(choice, _)| choice).collect();
    let default = section.text(reading, "default");
    if default.as_ref().is_some_and(|default| !choices.contains(default)) {
        refuse_default(reading, section, "is not one of its own choices");
    }
    Some(InputKind::Choice { default, choices })
}

fn password(reading: &mut Reading, section: &Section) -> Option<InputKind> {
    if section.has("default") {
        refuse_default(reading, section, "would be a password that everybody can read");
    }
    let hash = section.needed_word(reading, "hash", PASSWORD_HASHES);
    let cost = match section.section(reading, "argon2", "`argon2`") {
        Some(cost) => argon2(reading, &cost),
        None => Some(Argon2Cost::default()),
    };
    hash?;
    Some(InputKind::Password { hash: cost? })
}

/// The cost of a hash, within what a computer can bear while somebody waits.
fn argon2(reading: &mut Reading, section: &Section) -> Option<Argon2Cost> {
    section.refuse_unknown(reading, keys::ARGON2);
    let before = reading.problems.count();
    let usual = Argon2Cost::default();
    let memory_kib = section.whole(reading, "memory_kib", 8, 2 * 1024 * 1024).unwrap_or(usual.memory_kib);
    let passes = section.whole(reading, "passes", 1, 100).unwrap_or(usual.passes);
    let lanes = section.whole(reading, "lanes", 1, 64).unwrap_or(usual.lanes);
    if reading.problems.count() > before {
        return None;
    }
    if memory_kib < 8 * lanes {
        let what = format!(
            "{lanes} lanes need at least {} KiB of memory, but `memory_kib` is {memory_kib}.",
            8 * lanes
        );
        reading.wrong(section.at, what, "Make `memory_kib` larger or `lanes` smaller.");
        return None;
    }
    Some(Argon2Cost { memory_kib, passes, lanes })
}

/// A number, written as one or as a text.
fn digits(reading: &mut Reading, section: &Section, key: &str) -> Option<String> {
    let value = section.value(key)?;
    number_text(reading, value, &quoted(key))
}

/// The digits of a finite number, written as one or as a text.
pub(super) fn number_text(reading: &mut Reading, value: &Value, called: &str) -> Option<String> {
    let number = match value.get_ref() {
        DeValue::Integer(integer) => numbers::whole(integer),
        DeValue::Float(float) => Some(numbers::decimals(float)),
        DeValue::String(text) => Some(text.as_ref().to_owned()),
        _ => return expected(reading, value, called, "a number", "Write a number, without quotes."),
    };
    let number = number.filter(|number| Exact::parse(number).is_some());
    if number.is_none() {
        let what = format!("{called} is {}, which is not a number.", quoted(reading.written(value)));
        reading.wrong(value.span().start, what, "Write it with digits, like `12.50`.");
    }
    number
}

fn refuse_default(reading: &mut Reading, section: &Section, why: &str) {
    let what = format!("{} begins with a `default` that {why}.", section.called);
    reading.wrong(section.at_key("default"), what, "Remove `default`, or correct it.");
}

fn refuse_range(reading: &mut Reading, section: &Section, min: &str, max: &str) {
    let what = format!("`min` is {min}, which is more than `max`, {max}.");
    reading.wrong(section.at_key("min"), what, "Exchange them, or correct one of them.");
}
