//! `reference`: a column of another row, and how that row is found. Also names of tables.

use super::cells::{self, BlockUse, Uses};
use super::document::{Reading, Section, Value, text};
use super::problems::quoted;
use super::templates::template;
use super::{keys, words};
use crate::domain::profile::{Form, Reference, ReferenceBy, TableName};
use toml::de::DeValue;

/// The table, the way to the row, and the column taken.
pub(super) fn reference(
    reading: &mut Reading,
    section: &Section,
    column: &str,
    uses: &mut Uses,
) -> Option<Reference> {
    let table =
        section.needed(reading, "reference").and_then(|value| table_name(reading, value, "`reference`"));
    let take = section.needed_text(reading, "take");
    let by = match (section.has("by"), section.value("row")) {
        (true, None) => key(reading, section, column, uses).map(ReferenceBy::Key),
        (false, Some(row)) => {
            if let Some(table) = &table {
                uses.blocks.push(BlockUse { table: table.clone(), at: row.span().start });
            }
            section.word(reading, "row", words::SPREADS).map(ReferenceBy::Row)
        }
        (true, Some(_)) => {
            let what = "The reference finds its row by `by` and by `row`.";
            reading.wrong(section.at_key("row"), what, "Keep one of them.");
            None
        }
        (false, None) => {
            let next =
                "Add `by = { column = value }`, or `row` with the way to choose a row of another block.";
            reading.wrong(section.at, "The reference does not say how its row is found.", next);
            None
        }
    };
    let TableName { schema, name } = table?;
    Some(Reference { schema, table: name, take: take?, by: by? })
}

/// Columns of the other table and what they must be.
fn key(
    reading: &mut Reading,
    section: &Section,
    column: &str,
    uses: &mut Uses,
) -> Option<Vec<(String, Form)>> {
    let by = section.section(reading, "by", "`by`")?;
    if by.table.is_empty() {
        reading.wrong(by.at, "`by` names no column.", "Write the columns of the other table's key.");
        return None;
    }
    let mut columns = Vec::new();
    let mut sound = true;
    for (name, _, value) in by.entries() {
        match operand(reading, value, name, column, uses) {
            Some(form) => columns.push((name.to_owned(), form)),
            None => sound = false,
        }
    }
    sound.then_some(columns)
}

/// A literal, an input, a field or a text with gaps: what is known before the row is written.
fn operand(reading: &mut Reading, value: &Value, name: &str, column: &str, uses: &mut Uses) -> Option<Form> {
    let DeValue::Table(table) = value.get_ref() else { return cells::literal(reading, value, name) };
    let section = Section::new(table, value.span().start, format!("The value of {} in `by`", quoted(name)));
    section.refuse_unknown(reading, keys::OPERAND);
    let found: Vec<&str> = keys::OPERAND.iter().copied().filter(|form| section.has(form)).collect();
    match found.as_slice() {
        ["input"] => {
            let value = section.value("input")?;
            let name = cells::input(reading, value)?;
            if reading.inputs.get(&name).is_some_and(|input| input.password) {
                let what = format!("The password {} cannot be used to find a row.", quoted(&name));
                reading.wrong(value.span().start, what, "Find the row by another column.");
                return None;
            }
            Some(Form::Input(name))
        }
        ["field"] => cells::field(reading, section.value("field")?, column, uses).map(Form::Field),
        ["text"] => template(reading, section.value("text")?, "`text`", column, uses).map(Form::Template),
        [] if !table.is_empty() => None,
        _ => {
            let what = format!("{} must have exactly one form.", section.called);
            reading.wrong(section.at, what, "Write a value, or one of `input`, `field` and `text`.");
            None
        }
    }
}

/// The name of a table, `name` or `schema.name`.
pub(super) fn table_name(reading: &mut Reading, value: &Value, called: &str) -> Option<TableName> {
    let written = text(reading, value, called)?;
    let name = split_name(&written);
    if name.is_none() {
        let what = format!("{called} is {}, which is not the name of a table.", quoted(&written));
        reading.wrong(value.span().start, what, "Write `name` or `schema.name`.");
    }
    name
}

/// `name` or `schema.name`.
pub(super) fn split_name(written: &str) -> Option<TableName> {
    let sound = |part: &str| !part.trim().is_empty() && !part.contains('.');
    match written.split_once('.') {
        None => sound(written).then(|| TableName { schema: None, name: written.to_owned() }),
        Some((schema, name)) => (sound(schema) && sound(name))
            .then(|| TableName { schema: Some(schema.to_owned()), name: name.to_owned() }),
    }
}

/// Whether two names can mean one table: a name without a schema means the environment's, whichever that is.
pub(super) fn may_be_same(one: &TableName, other: &TableName) -> bool {
    one.name == other.name && (one.schema == other.schema || one.schema.is_none() || other.schema.is_none())
}
