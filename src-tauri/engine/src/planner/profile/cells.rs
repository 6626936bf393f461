//! A value as written: a literal, or a small table that says how it comes about.

use super::document::{Reading, Section, Value, array, expected, text, whole};
use super::problems::{instead, nearest, one_of, quoted};
use super::templates::template;
use super::{fakes, keys, numbers, references, words};
use crate::domain::profile::{Cell, Form, TableName};
use toml::de::DeValue;

/// What texts call the row's number.
pub(super) const ROW: &str = "row";

/// How a cell uses a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Through {
    /// `{ field = "name" }`: a field of the row.
    Field,
    /// `{{name}}`: a field, an input or `row`.
    Gap,
}

/// A name that a cell uses, which the row has to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NameUse {
    /// The column that is filled with it.
    pub(super) column: String,
    /// The name.
    pub(super) name: String,
    /// How it is used.
    pub(super) through: Through,
    /// Line of `profile.toml`.
    pub(super) line: u32,
}

/// A block that a cell takes rows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockUse {
    /// The block's table.
    pub(super) table: TableName,
    /// Byte of `profile.toml`.
    pub(super) at: usize,
}

/// What the cells of a row, or of `columns`, use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Uses {
    /// Names in the row.
    pub(super) names: Vec<NameUse>,
    /// Other blocks.
    pub(super) blocks: Vec<BlockUse>,
}

/// A value of a row or of `columns`.
pub(super) fn cell(reading: &mut Reading, value: &Value, column: &str, uses: &mut Uses) -> Option<Cell> {
    let DeValue::Table(table) = value.get_ref() else {
        return literal(reading, value, column).map(|form| Cell { form, on: None });
    };
    let section = Section::new(table, value.span().start, format!("The value of {}", quoted(column)));
    let key = form_key(reading, &section)?;
    let known = keys::FORMS.iter().find(|(form, _)| *form == key).map_or(&[][..], |(_, beside)| beside);
    let known: Vec<&str> = std::iter::once(key).chain(known.iter().copied()).collect();
    section.refuse_unknown(reading, &known);
    let on = section.word(reading, "on", words::WRITTEN_ON);
    let value = section.value(key)?;
    let called = quoted(key);
    let form = match key {
        "null" => section.only_true(reading, key).map(|()| Form::Null),
        "default" => section.only_true(reading, key).map(|()| Form::Default),
        "json" => json(reading, value).map(Form::Json),
        "input" => input(reading, value).map(Form::Input),
        "field" => field(reading, value, column, uses).map(Form::Field),
        "text" => template(reading, value, &called, column, uses).map(Form::Template),
        "generate" => section.word(reading, key, words::GENERATORS).map(Form::Generate),
        "counter" => counter(reading, &section, value),
        "sequence" => section.needed_text(reading, key).map(Form::Sequence),
        "hash" => hash(reading, &section, column, uses),
        "choose" => choose(reading, &section, value, column),
        "fake" => fakes::fake(reading, &section).map(Form::Fake),
        "sql" => section.needed_text(reading, key).map(Form::Sql),
        _ => references::reference(reading, &section, column, uses).map(Form::Reference),
    };
    Some(Cell { form: form?, on })
}

/// The one key that says which form a table has.
fn form_key(reading: &mut Reading, section: &Section) -> Option<&'static str> {
    let forms: Vec<&'static str> = keys::FORMS.iter().map(|(form, _)| *form).collect();
    let found: Vec<&'static str> = forms.iter().copied().filter(|form| section.has(form)).collect();
    match found.as_slice() {
        [only] => Some(only),
        [] => {
            let near =
                section.entries().into_iter().find_map(|(key, at, _)| Some((nearest(key, &forms)?, at)));
            let what = format!("{} is a table without a form.", section.called);
            match near {
                Some((near, at)) => reading.wrong(at, what, format!("Did you mean {}?", quoted(near))),
                None => reading.wrong(
                    section.at,
                    what,
                    format!("Write `{{ json = {{ ... }} }}` for JSON, else one of {}.", one_of(&forms)),
                ),
            }
            None
        }
        [first, second, ..] => {
            let what = format!("{} has two forms, {} and {}.", section.called, quoted(first), quoted(second));
            reading.wrong(section.at, what, "Keep one of them.");
            None
        }
    }
}

/// A value that stands for itself.
pub(super) fn literal(reading: &mut Reading, value: &Value, called: &str) -> Option<Form> {
    match value.get_ref() {
        DeValue::String(_) => {
            text(reading, value, &format!("The value of {}", quoted(called))).map(Form::Text)
        }
        DeValue::Integer(_) | DeValue::Float(_) => number(reading, value).map(Form::Number),
        DeValue::Boolean(yes) => Some(Form::Boolean(*yes)),
        DeValue::Datetime(_) => Some(Form::Text(reading.written(value).to_owned())),
        DeValue::Array(items) => {
            let is_scalar = |item: &Value| !matches!(item.get_ref(), DeValue::Array(_) | DeValue::Table(_));
            if !items.iter().all(is_scalar) {
                refuse_tables(reading, value)?;
                return json(reading, value).map(Form::Json);
            }
            let forms: Vec<Option<Form>> = items.iter().map(|item| literal(reading, item, called)).collect();
            forms.into_iter().collect::<Option<Vec<Form>>>().map(Form::List)
        }
        DeValue::Table(_) => expected(
            reading,
            value,
            &format!("The value of {}", quoted(called)),
            "a text, a number, true or false, a date or an array",
            "Write the value itself here.",
        ),
    }
}

/// Tables in an array would be taken for forms: JSON has to say that it is JSON.
fn refuse_tables(reading: &mut Reading, value: &Value) -> Option<()> {
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        match value.get_ref() {
            DeValue::Array(items) => waiting.extend(items.iter()),
            DeValue::Table(_) => {
                let next = "Write the whole array as JSON, `{ json = [...] }`.";
                reading.wrong(value.span().start, "A table stands in an array of values.", next);
                return None;
            }
            _ => {}
        }
    }
    Some(())
}

/// A number, digit for digit.
fn number(reading: &mut Reading, value: &Value) -> Option<String> {
    match value.get_ref() {
        DeValue::Integer(integer) => {
            let digits = numbers::whole(integer);
            if digits.is_none() {
                let what = format!("The number {} has more than 128 bits.", quoted(reading.written(value)));
                reading.wrong(value.span().start, what, "Write it in decimal digits.");
            }
            digits
        }
        DeValue::Float(float) => Some(numbers::decimals(float)),
        _ => None,
    }
}

/// The value as JSON; keys in the order written.
fn json(reading: &mut Reading, value: &Value) -> Option<String> {
    let mut written = String::new();
    write_json(reading, value, &mut written).then_some(written)
}

/// Nesting is bounded by the reader of TOML.
fn write_json(reading: &mut Reading, value: &Value, written: &mut String) -> bool {
    match value.get_ref() {
        DeValue::String(_) => match text(reading, value, "A text in the JSON") {
            Some(text) => written.push_str(&json_text(&text)),
            None => return false,
        },
        DeValue::Integer(_) | DeValue::Float(_) => match number(reading, value) {
            Some(digits) if digits.ends_with(|c: char| c.is_ascii_digit()) => written.push_str(&digits),
            Some(digits) => {
                let next = "Write a number, a text or leave it out.";
                reading.wrong(value.span().start, format!("JSON knows no {}.", quoted(&digits)), next);
                return false;
            }
            None => return false,
        },
        DeValue::Boolean(yes) => written.push_str(if *yes { "true" } else { "false" }),
        DeValue::Datetime(_) => written.push_str(&json_text(reading.written(value))),
        DeValue::Array(items) => {
            written.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    written.push(',');
                }
                if !write_json(reading, item, written) {
                    return false;
                }
            }
            written.push(']');
        }
        DeValue::Table(table) => {
            written.push('{');
            let section = Section::new(table, value.span().start, "A table in the JSON");
            for (index, (key, _, item)) in section.entries().into_iter().enumerate() {
                if index > 0 {
                    written.push(',');
                }
                written.push_str(&json_text(key));
                written.push(':');
                if !write_json(reading, item, written) {
                    return false;
                }
            }
            written.push('}');
        }
    }
    true
}

/// A text as JSON writes it.
fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The name of an input that there is.
pub(super) fn input(reading: &mut Reading, value: &Value) -> Option<String> {
    let name = text(reading, value, "`input`")?;
    if !reading.inputs.contains_key(&name) {
        let known: Vec<String> = reading.inputs.keys().cloned().collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let next =
            if known.is_empty() { "Add it as `[[inputs]]`.".to_owned() } else { instead(&name, &known) };
        reading.wrong(value.span().start, format!("There is no input {}.", quoted(&name)), next);
        return None;
    }
    if reading.inputs.get(&name).is_some_and(|input| input.file) {
        let what = format!("The input {} is a file of rows.", quoted(&name));
        reading.wrong(
            value.span().start,
            what,
            format!("Take its rows with `file = {{ input = \"{name}\" }}`."),
        );
        return None;
    }
    Some(name)
}

/// The name of a field, noted as used.
pub(super) fn field(reading: &mut Reading, value: &Value, column: &str, uses: &mut Uses) -> Option<String> {
    let name = text(reading, value, "`field`")?;
    let line = reading.place(value.span().start).line;
    uses.names.push(NameUse { column: column.to_owned(), name: name.clone(), through: Through::Field, line });
    Some(name)
}

fn counter(reading: &mut Reading, section: &Section, value: &Value) -> Option<Form> {
    let start = whole(reading, value, "`counter`");
    let step = match section.value("step") {
        Some(step) => whole(reading, step, "`step`"),
        None => Some(1),
    };
    if step == Some(0) {
        let what = "`step` is 0, so every row would have the same number.";
        reading.wrong(section.at_key("step"), what, "Write another number, or the value itself.");
        return None;
    }
    Some(Form::Counter { start: start?, step: step? })
}

fn hash(reading: &mut Reading, section: &Section, column: &str, uses: &mut Uses) -> Option<Form> {
    let algorithm = section.word(reading, "hash", words::HASHES);
    let of = section.needed(reading, "of")?;
    let of = template(reading, of, "`of`", column, uses);
    Some(Form::Hash { algorithm: algorithm?, of: of? })
}

fn choose(reading: &mut Reading, section: &Section, value: &Value, column: &str) -> Option<Form> {
    let items = array(reading, value, "`choose`")?;
    if items.is_empty() {
        reading.wrong(
            value.span().start,
            "`choose` has nothing to choose from.",
            "Write at least one value.",
        );
        return None;
    }
    let of: Vec<Option<Form>> = items.iter().map(|item| chosen(reading, item, column)).collect();
    let weights = match section.value("weights") {
        Some(weights) => weights_of(reading, weights, items.len()),
        None => Some(Vec::new()),
    };
    Some(Form::Choose { of: of.into_iter().collect::<Option<Vec<Form>>>()?, weights: weights? })
}

/// A literal, NULL or JSON: what is known before any row is.
fn chosen(reading: &mut Reading, value: &Value, column: &str) -> Option<Form> {
    let DeValue::Table(table) = value.get_ref() else { return literal(reading, value, column) };
    let section = Section::new(table, value.span().start, "A value to choose from");
    section.refuse_unknown(reading, keys::CHOSEN);
    match (section.value("null"), section.value("json")) {
        (Some(_), None) => section.only_true(reading, "null").map(|()| Form::Null),
        (None, Some(value)) => json(reading, value).map(Form::Json),
        (Some(_), Some(_)) => {
            reading.wrong(section.at, "A value to choose from is NULL and JSON.", "Keep one of them.");
            None
        }
        (None, None) if table.is_empty() => {
            reading.wrong(section.at, "A value to choose from is an empty table.", "Write the value itself.");
            None
        }
        (None, None) => None,
    }
}

fn weights_of(reading: &mut Reading, value: &Value, values: usize) -> Option<Vec<u32>> {
    let items = array(reading, value, "`weights`")?;
    let mut weights = Vec::new();
    for item in items {
        let weight = whole(reading, item, "A weight")?;
        let Some(weight) = u32::try_from(weight).ok().filter(|weight| *weight <= 1_000_000) else {
            reading.wrong(
                item.span().start,
                format!("A weight is {weight}."),
                "Write a number from 0 to 1000000.",
            );
            return None;
        };
        weights.push(weight);
    }
    let (what, next) = if weights.len() != values {
        (
            format!("`choose` has {values} values, but `weights` has {}.", weights.len()),
            "Write a weight for each.",
        )
    } else if weights.iter().all(|weight| *weight == 0) {
        ("All of `weights` are 0, so nothing could be chosen.".to_owned(), "Make one of them larger.")
    } else {
        return Some(weights);
    };
    reading.wrong(value.span().start, what, next);
    None
}
