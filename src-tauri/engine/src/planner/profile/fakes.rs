//! `fake`: invented data, and the ranges that some of it needs.

use super::document::{Reading, Section, Value, expected, whole};
use super::inputs::number_text;
use super::numbers::Exact;
use super::problems::quoted;
use super::words::{self, FakeWord};
use crate::domain::profile::Fake;
use chrono::NaiveDate;
use toml::de::DeValue;

/// Most decimals of an invented number.
const MOST_DECIMALS: u32 = 18;

/// The kind and its range.
pub(super) fn fake(reading: &mut Reading, section: &Section) -> Option<Fake> {
    let word = section.word(reading, "fake", words::FAKES)?;
    refuse_others(reading, section, &word);
    match word {
        FakeWord::Plain(fake) => Some(fake),
        FakeWord::Integer => {
            let min = section.needed(reading, "min").and_then(|value| whole(reading, value, "`min`"));
            let max = section.needed(reading, "max").and_then(|value| whole(reading, value, "`max`"));
            let (min, max) = (min?, max?);
            in_order(reading, section, "min", "max", min <= max)?;
            Some(Fake::Integer { min, max })
        }
        FakeWord::Decimal => {
            let scale = section.needed_whole(reading, "scale", 0, MOST_DECIMALS)?;
            let scale = u8::try_from(scale).ok()?;
            let min = section.needed(reading, "min").and_then(|value| units(reading, value, "`min`", scale));
            let max = section.needed(reading, "max").and_then(|value| units(reading, value, "`max`", scale));
            let (min, max) = (min?, max?);
            in_order(reading, section, "min", "max", min <= max)?;
            Some(Fake::Decimal { min, max, scale })
        }
        FakeWord::Date => {
            let from = section.needed(reading, "from").and_then(|value| date(reading, value, "`from`"));
            let to = section.needed(reading, "to").and_then(|value| date(reading, value, "`to`"));
            let (from, to) = (from?, to?);
            in_order(reading, section, "from", "to", from <= to)?;
            Some(Fake::Date { from, to })
        }
    }
}

/// Keys that only other kinds have.
fn refuse_others(reading: &mut Reading, section: &Section, word: &FakeWord) {
    let (has, needs): (&[&str], &str) = match word {
        FakeWord::Plain(_) => (&[], "no range"),
        FakeWord::Integer => (&["min", "max"], "`min` and `max` alone"),
        FakeWord::Decimal => (&["min", "max", "scale"], "`min`, `max` and `scale` alone"),
        FakeWord::Date => (&["from", "to"], "`from` and `to` alone"),
    };
    for key in ["min", "max", "scale", "from", "to"] {
        if section.has(key) && !has.contains(&key) {
            let what =
                format!("{} does not belong here: this kind of invented data has {needs}.", quoted(key));
            reading.wrong(section.at_key(key), what, "Remove it.");
        }
    }
}

fn in_order(reading: &mut Reading, section: &Section, first: &str, last: &str, fine: bool) -> Option<()> {
    if !fine {
        let what = format!("{} is more than {}.", quoted(first), quoted(last));
        reading.wrong(section.at_key(first), what, "Exchange them, or correct one of them.");
    }
    fine.then_some(())
}

/// A number in units of its last decimal.
fn units(reading: &mut Reading, value: &Value, called: &str, scale: u8) -> Option<i64> {
    let text = number_text(reading, value, called)?;
    let units = Exact::parse(&text).and_then(|number| number.units(scale));
    if units.is_none() {
        let what = format!("{called} is {text}, which has more than {scale} decimals or is too large.");
        reading.wrong(value.span().start, what, "Write fewer digits, or make `scale` larger.");
    }
    units
}

/// A date, written as one or as a text.
fn date(reading: &mut Reading, value: &Value, called: &str) -> Option<NaiveDate> {
    let text = match value.get_ref() {
        DeValue::Datetime(_) => reading.written(value).to_owned(),
        DeValue::String(text) => text.as_ref().to_owned(),
        _ => return expected(reading, value, called, "a date", "Write it like `2026-01-31`."),
    };
    let date = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok();
    if date.is_none() {
        let what = format!("{called} is {}, which is not a date alone.", quoted(&text));
        reading.wrong(value.span().start, what, "Write it like `2026-01-31`.");
    }
    date
}
