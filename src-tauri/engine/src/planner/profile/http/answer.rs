//! What a step says of its answer: what it must be, what is kept of it, what is waited for.

use super::super::document::{Reading, Section, text};
use super::super::expectations::{Of, condition};
use super::super::keys;
use super::super::problems::{instead, one_of, quoted};
use super::{Known, gaps};
use crate::domain::http::{AnswerCondition, AnswerExpectation, Found, Until};
use crate::domain::profile::Condition;
use serde_json_path::JsonPath;
use toml::de::DeValue;

/// The one place of an answer that a section names; `None` and nothing reported: it names none.
fn place(reading: &mut Reading, section: &Section) -> Option<Option<Found>> {
    let found: Vec<&str> = keys::PLACES.iter().copied().filter(|key| section.has(key)).collect();
    let key = match found.as_slice() {
        [] => return Some(None),
        [one] => *one,
        [first, second, ..] => {
            let what =
                format!("{} looks at two places, {} and {}.", section.called, quoted(first), quoted(second));
            reading.wrong(section.at_key(second), what, "Write an entry for each.");
            return None;
        }
    };
    let written = section.needed_text(reading, key)?;
    Some(Some(match key {
        "header" => Found::Header(written),
        _ => {
            if let Err(error) = JsonPath::parse(&written) {
                let at = section.value(key).map_or(section.at, |value| value.span().start);
                let what = format!("{} is no JSONPath: {}.", quoted(&written), error.message());
                reading.wrong(at, what, "Write one that begins with `$`, like `$.items[0].name`.");
                return None;
            }
            if key == "count" { Found::Count(written) } else { Found::Json(written) }
        }
    }))
}

pub(super) fn expectation(
    reading: &mut Reading,
    section: &Section,
    known: &Known,
) -> Option<AnswerExpectation> {
    section.refuse_unknown(reading, keys::ANSWER);
    for key in ["text", "text_missing"] {
        let Some(value) = section.value(key) else { continue };
        if let Some((other, at, _)) = section.entries().into_iter().find(|(other, _, _)| *other != key) {
            let what = format!("{} does not belong beside {}.", quoted(other), quoted(key));
            reading.wrong(at, what, "Write an entry for each.");
            return None;
        }
        section.needed_text(reading, key)?;
        let text = gaps(reading, value, &quoted(key), known)?;
        return Some(if key == "text" {
            AnswerExpectation::Contains(text)
        } else {
            AnswerExpectation::Lacks(text)
        });
    }
    let Some(of) = place(reading, section)? else {
        if !section.misspelt(reading, keys::ANSWER) {
            let what = format!("{} looks at nothing.", section.called);
            let next = format!("Add {}, `text` or `text_missing`.", one_of(keys::PLACES));
            reading.wrong(section.at, what, next);
        }
        return None;
    };
    let holds = answer_condition(reading, section, known)?;
    Some(AnswerExpectation::Value { of, holds })
}

fn answer_condition(reading: &mut Reading, section: &Section, known: &Known) -> Option<AnswerCondition> {
    if let Some(value) = section.value("contains") {
        if let Some(other) = keys::CONDITIONS.iter().find(|key| section.has(key)) {
            let what = format!("{} has two conditions, `contains` and {}.", section.called, quoted(other));
            reading.wrong(section.at_key(other), what, "Keep one of them.");
            return None;
        }
        return gaps(reading, value, "`contains`", known).map(AnswerCondition::Contains);
    }
    if let Some(value) = section.value("equals") {
        match value.get_ref() {
            DeValue::Boolean(yes) => {
                let condition = Condition::Equals(yes.to_string());
                return Some(AnswerCondition::Holds { condition, since: None });
            }
            DeValue::String(_)
                if !keys::CONDITIONS.iter().any(|key| *key != "equals" && section.has(key)) =>
            {
                return gaps(reading, value, "`equals`", known).map(AnswerCondition::Equals);
            }
            _ => {}
        }
    }
    let condition = condition(reading, section, Of::Value)?;
    let compares = matches!(condition, Condition::Unchanged | Condition::ChangedBy(_));
    let since = match section.value("since") {
        None if compares => {
            let what = format!("{} does not say since what.", section.called);
            reading.wrong(section.at, what, "Add `since` with the name of what an earlier step keeps.");
            return None;
        }
        None => None,
        Some(value) => {
            let name = text(reading, value, "`since`")?;
            let at = value.span().start;
            if !compares {
                let what = "`since` belongs only beside `unchanged` and `changed_by`.";
                reading.wrong(at, what, "Remove it.");
                return None;
            }
            if !known.kept.contains(&name) {
                let names: Vec<&str> = known.kept.iter().map(String::as_str).collect();
                reading.wrong(
                    at,
                    format!("No earlier step keeps {}.", quoted(&name)),
                    instead(&name, &names),
                );
                return None;
            }
            Some(name)
        }
    };
    Some(AnswerCondition::Holds { condition, since })
}

pub(super) fn until(reading: &mut Reading, section: &Section, known: &Known) -> Option<Until> {
    section.refuse_unknown(reading, keys::UNTIL);
    let of = place(reading, section)?;
    if of.is_none() && !section.misspelt(reading, keys::PLACES) {
        reading.wrong(section.at, "`until` looks at nothing.", format!("Add {}.", one_of(keys::PLACES)));
    }
    let holds = answer_condition(reading, section, known);
    let every_s = section.whole(reading, "every_s", 1, 60);
    let for_s = section.needed_whole(reading, "for_s", 1, 300);
    Some(Until { of: of?, holds: holds?, every_s: every_s.unwrap_or(2), for_s: for_s? })
}

pub(super) fn keep(reading: &mut Reading, section: &Section, known: &mut Known) -> Vec<(String, Found)> {
    let Some(kept) = section.section(reading, "keep", "`keep`") else { return Vec::new() };
    let mut found = Vec::new();
    for (name, at, value) in kept.entries() {
        let Some(inner) = Section::of(reading, value, &quoted(name)) else { continue };
        inner.refuse_unknown(reading, keys::PLACES);
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let what =
                format!("The name {} holds something other than letters, digits and `_`.", quoted(name));
            reading.wrong(at, what, "Write it with those alone.");
            continue;
        }
        if known.credentials.iter().chain(&known.inputs).any(|known| known == name) {
            let what = format!("{} is a credential or an input already.", quoted(name));
            reading.wrong(at, what, "Give what is kept another name.");
            continue;
        }
        match place(reading, &inner) {
            Some(Some(place)) => found.push((name.to_owned(), place)),
            Some(None) if !inner.misspelt(reading, keys::PLACES) => {
                let what = format!("{} does not say what is kept.", quoted(name));
                reading.wrong(at, what, format!("Write {}.", one_of(keys::PLACES)));
            }
            _ => {}
        }
    }
    known.kept.extend(found.iter().map(|(name, _)| name.clone()));
    found
}
