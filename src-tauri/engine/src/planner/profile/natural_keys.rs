//! The natural key of a block: its columns are there in every row, never NULL, and no two rows have the same.

use super::blocks::Draft;
use super::document::Reading;
use super::problems::quoted;
use crate::domain::profile::{Cell, Form, GivenRow, NamedCell, Place, Rows};
use std::collections::HashMap;

/// Checks the key of a block against its rows.
pub(super) fn check(reading: &mut Reading, draft: &Draft) {
    let before = reading.problems.count();
    for (name, at) in draft.block.key.iter().zip(&draft.key_at) {
        check_column(reading, draft, name, *at);
    }
    if reading.problems.count() == before {
        refuse_same(reading, draft);
    }
}

fn check_column(reading: &mut Reading, draft: &Draft, name: &str, at: usize) {
    let name_shown = quoted(name);
    if draft.block.fields.iter().any(|field| field == name) {
        let what = format!("The key names {name_shown}, which is a field and no column.");
        reading.wrong(at, what, "Name a column, or remove it from `fields`.");
        return;
    }
    let column = draft.block.columns.iter().find(|column| column.name == name);
    let rows = given(draft);
    let lacking: Vec<&GivenRow> = rows.iter().filter(|row| cell(row, name).is_none()).collect();
    let made = matches!(draft.block.rows, Rows::Repeat { .. });
    match column {
        Some(column) if made || !lacking.is_empty() => check_cell(reading, name, &column.cell, &column.at),
        Some(_) => {}
        None if made || (!rows.is_empty() && lacking.len() == rows.len()) => {
            let what = format!("No row and no column gives {name_shown}, which is part of the key.");
            reading.wrong(
                at,
                what,
                format!("Give {name_shown} in the rows or in `columns`, or correct the key."),
            );
        }
        None => {
            for row in lacking {
                let what = format!("The row does not give {name_shown}, which is part of the key.");
                reading.problems.add(row.at.clone(), what, format!("Add {name_shown} to the row."));
            }
        }
    }
    for row in rows {
        if let Some(cell) = cell(row, name) {
            check_cell(reading, name, cell, &row.at);
        }
    }
}

/// A cell of the key has a value before the row is written, and is found by it again.
fn check_cell(reading: &mut Reading, name: &str, cell: &Cell, at: &Place) {
    let input = match &cell.form {
        Form::Input(input) => reading.inputs.get(input),
        _ => None,
    };
    let why = match (&cell.form, input) {
        (Form::Null, _) => "is NULL here",
        (Form::Default, _) => "is left to the server here",
        (_, Some(input)) if input.password => "is filled from a password here",
        (_, Some(input)) if input.optional => "is filled from an input that may stay empty",
        _ => return,
    };
    let what = format!("The column {} is part of the key and {why}.", quoted(name));
    reading.problems.add(
        at.clone(),
        what,
        "Write a value by which the row is found again, or choose another key.",
    );
}

/// Two rows with the same key would be one row.
fn refuse_same(reading: &mut Reading, draft: &Draft) {
    if let Rows::Repeat { count: 2.., .. } = draft.block.rows {
        let of = |name: &String| draft.block.columns.iter().find(|column| column.name == *name);
        let cells: Option<Vec<&NamedCell>> = draft.block.key.iter().map(of).collect();
        let constant =
            |cell: &&NamedCell| constant(&cell.cell).is_some() || matches!(cell.cell.form, Form::Input(_));
        if cells.is_some_and(|cells| cells.iter().all(constant)) {
            let next = "Fill a column of the key with a counter, or with a text with `{{row}}`.";
            reading.problems.add(draft.block.at.clone(), "Every row that is made has the same key.", next);
        }
    }
    let mut seen: HashMap<Vec<&str>, u32> = HashMap::new();
    for row in given(draft) {
        let cell_of = |name: &String| {
            let column =
                || draft.block.columns.iter().find(|column| column.name == *name).map(|column| &column.cell);
            constant(cell(row, name).or_else(column)?)
        };
        let Some(key) = draft.block.key.iter().map(cell_of).collect::<Option<Vec<&str>>>() else { continue };
        let shown: Vec<String> = key.iter().map(|value| quoted(value)).collect();
        if let Some(first) = seen.get(&key) {
            let what = format!("The key {} is already on line {first}.", shown.join(", "));
            reading.problems.add(row.at.clone(), what, "Remove one of the two rows, or correct its key.");
        } else {
            seen.insert(key, row.at.line);
        }
    }
}

/// The text of a literal.
fn constant(cell: &Cell) -> Option<&str> {
    match &cell.form {
        Form::Text(text) | Form::Number(text) | Form::Json(text) => Some(text),
        Form::Boolean(yes) => Some(if *yes { "true" } else { "false" }),
        _ => None,
    }
}

fn cell<'r>(row: &'r GivenRow, name: &str) -> Option<&'r Cell> {
    row.cells.iter().find(|(given, _)| given == name).map(|(_, cell)| cell)
}

fn given(draft: &Draft) -> &[GivenRow] {
    match &draft.block.rows {
        Rows::Given(rows) => rows,
        Rows::Repeat { .. } => &[],
    }
}
