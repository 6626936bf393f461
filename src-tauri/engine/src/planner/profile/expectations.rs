//! `[[expect]]`: what must hold afterwards.

use super::document::{Reading, Section, Value, array, expected};
use super::inputs::number_text;
use super::numbers::Exact;
use super::problems::{one_of, quoted};
use super::references::table_name;
use super::{http, keys};
use crate::domain::profile::{Condition, Expectation, Expected, SoftReference, TableName, TablePart};
use toml::de::DeValue;

/// The expectations in the order written.
pub(super) fn expectations(reading: &mut Reading, root: &Section) -> Vec<Expectation> {
    let sections = root.sections(reading, "expect", "An expectation");
    let mut found: Vec<Expectation> = Vec::new();
    for section in sections {
        let Some(expectation) = expectation(reading, section) else { continue };
        if let Some(first) = found.iter().find(|known| known.name == expectation.name) {
            let what = format!(
                "The expectation {} is already on line {}.",
                quoted(&expectation.name),
                first.at.line
            );
            reading.problems.add(expectation.at, what, "Give one of them another name.");
        } else {
            found.push(expectation);
        }
    }
    found
}

fn expectation(reading: &mut Reading, mut section: Section) -> Option<Expectation> {
    if let Some(name) = section.value("name").and_then(|name| name.get_ref().as_str()) {
        section.called = format!("The expectation {}", quoted(name));
    }
    section.refuse_unknown(reading, keys::EXPECT);
    let name = section.needed_text(reading, "name");
    let forms: Vec<&str> = keys::EXPECTED.iter().copied().filter(|form| section.has(form)).collect();
    let what = match forms.as_slice() {
        [form] => {
            refuse_conditions(reading, &section, form);
            form_of(reading, &section, form)
        }
        [] if section.misspelt(reading, keys::EXPECTED) => None,
        [] => {
            let what = format!("{} looks at nothing.", section.called);
            reading.wrong(section.at, what, format!("Add {}.", one_of(keys::EXPECTED)));
            None
        }
        [first, second, ..] => {
            let what =
                format!("{} looks at two things, {} and {}.", section.called, quoted(first), quoted(second));
            reading.wrong(section.at_key(second), what, "Write an expectation for each.");
            None
        }
    };
    Some(Expectation { name: name?, what: what?, at: reading.place(section.at) })
}

/// Conditions beside the form belong to `sql` alone.
fn refuse_conditions(reading: &mut Reading, section: &Section, form: &str) {
    if form == "sql" {
        return;
    }
    for key in keys::CONDITIONS.iter().filter(|key| section.has(key)) {
        let next = if form == "count" { "Move it into the braces of `count`." } else { "Remove it." };
        let what = format!("{} does not belong beside {}.", quoted(key), quoted(form));
        reading.wrong(section.at_key(key), what, next);
    }
}

fn form_of(reading: &mut Reading, section: &Section, form: &str) -> Option<Expected> {
    match form {
        "sql" => {
            let sql = section.needed_text(reading, "sql");
            let holds = condition(reading, section, Of::Value);
            return Some(Expected::Value { sql: sql?, holds: holds? });
        }
        "none" => return section.needed_text(reading, "none").map(|sql| Expected::None { sql }),
        _ => {}
    }
    let inner = section.section(reading, form, &quoted(form))?;
    match form {
        "count" => count(reading, &inner),
        "exists" => exists(reading, &inner),
        "no_orphans" => no_orphans(reading, &inner),
        "http" => http::flow(reading, &inner).map(Expected::Http),
        "sequence_ahead" => {
            inner.refuse_unknown(reading, keys::SEQUENCE_AHEAD);
            let table = table(reading, &inner, "table");
            let column = inner.needed_text(reading, "column");
            Some(Expected::SequenceAhead { table: table?, column: column? })
        }
        "enum_labels" => {
            inner.refuse_unknown(reading, keys::ENUM_LABELS);
            let name = table(reading, &inner, "type");
            let labels = names(reading, &inner, "labels");
            Some(Expected::EnumLabels { name: name?, labels: labels? })
        }
        _ => {
            inner.refuse_unknown(reading, keys::NONE_FAILED);
            let table = table(reading, &inner, "table");
            let column = inner.needed_text(reading, "column");
            let values = names(reading, &inner, "values");
            Some(Expected::NoneFailed { table: table?, column: column?, values: values? })
        }
    }
}

fn count(reading: &mut Reading, section: &Section) -> Option<Expected> {
    section.refuse_unknown(reading, keys::COUNT);
    let table = table(reading, section, "table");
    let where_is_written = section.has("where");
    let condition_text =
        if where_is_written { section.needed_text(reading, "where").map(Some) } else { Some(None) };
    let holds = condition(reading, section, Of::Count);
    Some(Expected::Count { table: table?, condition: condition_text?, holds: holds? })
}

fn exists(reading: &mut Reading, section: &Section) -> Option<Expected> {
    section.refuse_unknown(reading, keys::EXISTS);
    let table = table(reading, section, "table");
    let parts: Vec<&str> =
        ["column", "index", "constraint"].into_iter().filter(|part| section.has(part)).collect();
    if section.has("type") && !section.has("column") {
        let what = "`type` stands without `column`.";
        reading.wrong(section.at_key("type"), what, "Name the column that has this type, or remove it.");
    }
    let part = match parts.as_slice() {
        [] => Some(None),
        [part] => {
            let name = section.needed_text(reading, part);
            let type_name = section.has("type").then(|| section.needed_text(reading, "type"));
            let name = name?;
            Some(Some(match *part {
                "column" => TablePart::Column { name, type_name: type_name.flatten() },
                "index" => TablePart::Index { name },
                _ => TablePart::Constraint { name },
            }))
        }
        [first, second, ..] => {
            let what =
                format!("`exists` names two parts of the table, {} and {}.", quoted(first), quoted(second));
            reading.wrong(section.at_key(second), what, "Write an expectation for each.");
            None
        }
    };
    Some(Expected::Exists { table: table?, part: part? })
}

/// Foreign keys of the table, or a soft reference, which needs all three of its keys.
fn no_orphans(reading: &mut Reading, section: &Section) -> Option<Expected> {
    section.refuse_unknown(reading, keys::NO_ORPHANS);
    let own = table(reading, section, "table");
    if !["columns", "references", "referenced"].into_iter().any(|key| section.has(key)) {
        return Some(Expected::NoOrphans { table: own?, soft: None });
    }
    let columns = names(reading, section, "columns");
    let references = table(reading, section, "references");
    let referenced = names(reading, section, "referenced");
    let (columns, referenced) = (columns?, referenced?);
    if columns.len() != referenced.len() {
        let what = format!(
            "`columns` and `referenced` differ in length: {} and {}.",
            columns.len(),
            referenced.len()
        );
        reading.wrong(section.at_key("referenced"), what, "Name a referenced column for each column.");
        return None;
    }
    let soft = Some(SoftReference { columns, references: references?, referenced });
    Some(Expected::NoOrphans { table: own?, soft })
}

fn table(reading: &mut Reading, section: &Section, key: &str) -> Option<TableName> {
    let value = section.needed(reading, key)?;
    table_name(reading, value, &quoted(key))
}

fn names(reading: &mut Reading, section: &Section, key: &str) -> Option<Vec<String>> {
    let names = section.names(reading, key, true)?;
    Some(names.into_iter().map(|(name, _)| name).collect())
}

/// What a condition is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// A number of rows: whole, not below zero.
    Count,
    /// A value of a query, which `equals` may compare as a text.
    Value,
}

/// Exactly one condition.
pub(super) fn condition(reading: &mut Reading, section: &Section, of: Of) -> Option<Condition> {
    let found: Vec<&str> = keys::CONDITIONS.iter().copied().filter(|key| section.has(key)).collect();
    let (key, value) = match found.as_slice() {
        [only] => (*only, section.value(only)?),
        [] if section.misspelt(reading, keys::CONDITIONS) => return None,
        [] => {
            let what = format!("{} has no condition.", section.called);
            reading.wrong(section.at, what, format!("Add {}.", one_of(keys::CONDITIONS)));
            return None;
        }
        [first, second, ..] => {
            let what =
                format!("{} has two conditions, {} and {}.", section.called, quoted(first), quoted(second));
            reading.wrong(section.at_key(second), what, "Keep one of them; `between` has two ends.");
            return None;
        }
    };
    match key {
        "equals" if of == Of::Value && matches!(value.get_ref(), DeValue::String(_)) => {
            section.text(reading, key).map(Condition::Equals)
        }
        "equals" if of == Of::Value && !is_number(value) => {
            expected(reading, value, "`equals`", "a number or a text", "Write a number, or a text in quotes.")
        }
        "equals" => number(reading, value, "`equals`", of, true).map(Condition::Equals),
        "at_least" => number(reading, value, "`at_least`", of, true).map(Condition::AtLeast),
        "at_most" => number(reading, value, "`at_most`", of, true).map(Condition::AtMost),
        "between" => between(reading, value, of),
        "unchanged" => section.only_true(reading, key).map(|()| Condition::Unchanged),
        _ => number(reading, value, "`changed_by`", of, false).map(Condition::ChangedBy),
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value.get_ref(), DeValue::Integer(_) | DeValue::Float(_))
}

fn between(reading: &mut Reading, value: &Value, of: Of) -> Option<Condition> {
    let [low, high] = array(reading, value, "`between`")? else {
        let what = "`between` must have two numbers.";
        reading.wrong(value.span().start, what, "Write the smallest and the largest, `between = [1, 9]`.");
        return None;
    };
    let low = number(reading, low, "The first number of `between`", of, true);
    let high = number(reading, high, "The second number of `between`", of, true);
    let (low, high) = (low?, high?);
    if Exact::parse(&low) > Exact::parse(&high) {
        let what = format!("`between` begins with {low}, which is more than its end, {high}.");
        reading.wrong(value.span().start, what, "Exchange them, or correct one of them.");
        return None;
    }
    Some(Condition::Between(low, high))
}

/// A number; of rows there are only whole ones, and less than none only as a difference.
fn number(reading: &mut Reading, value: &Value, called: &str, of: Of, total: bool) -> Option<String> {
    if !is_number(value) {
        return expected(reading, value, called, "a number", "Write a number, without quotes.");
    }
    let text = number_text(reading, value, called)?;
    let exact = Exact::parse(&text)?;
    if of == Of::Count && (!exact.is_whole() || (total && exact.is_negative())) {
        let (what, next) = if total {
            ("a number of rows is whole and not below 0", "Write 0 or more.")
        } else {
            ("rows are counted in whole numbers", "Write a whole number.")
        };
        reading.wrong(value.span().start, format!("{called} is {text}, but {what}."), next);
        return None;
    }
    Some(text)
}
