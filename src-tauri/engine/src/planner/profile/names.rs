//! The names that cells use: every one has to be given by the row, by the block's columns, or by an input.
//!
//! In a text a name means the row's field, else the input, else `row`; a column's own name in its own text can only
//! mean the input.

use super::PROFILE_FILE;
use super::blocks::Draft;
use super::cells::{NameUse, ROW, Through};
use super::document::Reading;
use super::problems::{instead, quoted};
use crate::domain::profile::{Cell, Form, GivenRow, NamedCell, Place, Rows};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Checks the names that the cells of a block use.
pub(super) fn check(reading: &mut Reading, draft: &Draft) {
    let made = [GivenRow { at: draft.block.at.clone(), cells: Vec::new() }];
    let rows = match &draft.block.rows {
        Rows::Given(rows) => rows.as_slice(),
        Rows::Repeat { .. } => &made,
    };
    let columns: BTreeMap<&str, &NamedCell> =
        draft.block.columns.iter().map(|column| (column.name.as_str(), column)).collect();
    let shared: Vec<&NameUse> = draft.column_uses.iter().flat_map(|uses| &uses.names).collect();
    let mut fates = vec![Fate::default(); shared.len()];
    let mut shapes = HashSet::new();
    for (index, row) in rows.iter().enumerate() {
        let own = draft.row_uses.get(index).map_or(&[][..], |uses| uses.names.as_slice());
        if own.is_empty() && shared.is_empty() {
            continue;
        }
        let scope = Scope { columns: &columns, row };
        for used in own {
            if let Some(problem) = scope.problem(reading, used) {
                report(reading, used, problem, scope.names());
            }
        }
        let mut shape = Vec::with_capacity(shared.len());
        for (used, fate) in shared.iter().zip(&mut fates) {
            let filled_by_column = !gives(row, &used.column);
            shape.push(filled_by_column);
            if filled_by_column {
                fate.note(scope.problem(reading, used), row);
            }
        }
        // Rows that leave the same columns open and use nothing themselves go round in the same circles.
        if !own.is_empty() || shapes.insert(shape) {
            let uses = shared.iter().copied().filter(|used| !gives(row, &used.column)).chain(own);
            scope.refuse_circles(reading, &uses.collect::<Vec<_>>());
        }
    }
    let given: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.cells.iter().map(|(name, _)| name.as_str())).collect();
    for (used, fate) in shared.iter().zip(fates) {
        fate.report(reading, used, &columns, &given);
    }
}

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    /// Nothing gives it.
    Unknown,
    /// It is a password, or filled from one.
    Password,
}

/// How a column's use of a name fares over all rows that the column fills.
#[derive(Debug, Clone, Default)]
struct Fate {
    rows: usize,
    unknown: usize,
    first_unknown: Option<Place>,
    password: bool,
}

impl Fate {
    fn note(&mut self, problem: Option<Problem>, row: &GivenRow) {
        self.rows += 1;
        match problem {
            None => {}
            Some(Problem::Password) => self.password = true,
            Some(Problem::Unknown) => {
                self.unknown += 1;
                self.first_unknown.get_or_insert_with(|| row.at.clone());
            }
        }
    }

    /// A name that no row gives is wrong where it is used; one that some rows give is missing in the others.
    fn report(
        self,
        reading: &mut Reading,
        used: &NameUse,
        columns: &BTreeMap<&str, &NamedCell>,
        given: &BTreeSet<&str>,
    ) {
        if self.password {
            report(reading, used, Problem::Password, []);
        }
        let Some(first) = self.first_unknown else { return };
        if self.unknown < self.rows {
            let (name, column) = (quoted(&used.name), quoted(&used.column));
            let what = format!("The row does not give {name}, which its column {column} is filled with.");
            reading.problems.add(first, what, format!("Add {name} to the row, or to `columns`."));
            return;
        }
        report(reading, used, Problem::Unknown, columns.keys().chain(given).copied());
    }
}

/// Reports a name; `fields` are those that the row has.
fn report<'f>(
    reading: &mut Reading,
    used: &NameUse,
    problem: Problem,
    fields: impl IntoIterator<Item = &'f str>,
) {
    let name = quoted(&used.name);
    let (what, next) = match (problem, used.through) {
        (Problem::Unknown, Through::Field) if reading.inputs.contains_key(&used.name) => (
            format!("The row has no field {name}, but there is an input of that name."),
            format!("Write `{{ input = \"{}\" }}`.", used.name),
        ),
        (Problem::Unknown, Through::Field) => {
            (format!("The row has no field {name}."), known_instead(used, fields.into_iter().collect()))
        }
        (Problem::Unknown, Through::Gap) if used.name == used.column => (
            format!("The text that fills {name} names {name} itself, and there is no input of that name."),
            "Name another field.".to_owned(),
        ),
        (Problem::Unknown, Through::Gap) => {
            let inputs = reading.inputs.keys().map(String::as_str);
            let mut known: BTreeSet<&str> = inputs.collect();
            for field in fields {
                known.insert(field);
            }
            (
                format!("The text names {name}, which is no field of the row and no input."),
                known_instead(used, known),
            )
        }
        (Problem::Password, Through::Field) => (
            format!("The field {name} is filled from a password, which fills one column alone."),
            "Fill the column with `{ input = ... }` itself.".to_owned(),
        ),
        (Problem::Password, Through::Gap) => (
            format!("The text names {name}, which is a password."),
            "Passwords are only written as their hash, with `{ input = ... }`.".to_owned(),
        ),
    };
    let at = Place { file: PROFILE_FILE.to_owned(), line: used.line };
    reading.problems.add(at, what, next);
}

/// What to write instead of a name, among those that are known.
fn known_instead(used: &NameUse, known: BTreeSet<&str>) -> String {
    let known: Vec<&str> = known.into_iter().filter(|known| *known != used.column).collect();
    if known.is_empty() { "Give it in the row.".to_owned() } else { instead(&used.name, &known) }
}

fn gives(row: &GivenRow, name: &str) -> bool {
    row.cells.iter().any(|(given, _)| given == name)
}

/// What names mean in one row.
struct Scope<'d> {
    columns: &'d BTreeMap<&'d str, &'d NamedCell>,
    row: &'d GivenRow,
}

impl<'d> Scope<'d> {
    /// The cell that fills a field of the row.
    fn cell(&self, name: &str) -> Option<&'d Cell> {
        let given = self.row.cells.iter().find(|(given, _)| given == name).map(|(_, cell)| cell);
        given.or_else(|| self.columns.get(name).map(|column| &column.cell))
    }

    /// The field that a name means, if it means one.
    fn field(&self, used: &NameUse) -> Option<&'d Cell> {
        let own_text = used.through == Through::Gap && used.name == used.column;
        if own_text { None } else { self.cell(&used.name) }
    }

    fn problem(&self, reading: &Reading, used: &NameUse) -> Option<Problem> {
        let is_password = |name: &str| reading.inputs.get(name).is_some_and(|input| input.password);
        if let Some(cell) = self.field(used) {
            let secret = matches!(&cell.form, Form::Input(name) if is_password(name));
            return secret.then_some(Problem::Password);
        }
        if used.through == Through::Field {
            return Some(Problem::Unknown);
        }
        if reading.inputs.contains_key(&used.name) {
            return is_password(&used.name).then_some(Problem::Password);
        }
        (used.name != ROW).then_some(Problem::Unknown)
    }

    /// The fields of the row.
    fn names(&self) -> impl Iterator<Item = &'d str> {
        self.row.cells.iter().map(|(name, _)| name.as_str()).chain(self.columns.keys().copied())
    }

    /// Fields that are filled with each other could never be filled: what waits for nothing is taken away until only
    /// circles, and what waits for them, are left.
    fn refuse_circles(&self, reading: &mut Reading, uses: &[&NameUse]) {
        let mut waiting: Vec<&NameUse> =
            uses.iter().copied().filter(|used| self.field(used).is_some()).collect();
        loop {
            let open: HashSet<&str> = waiting.iter().map(|used| used.column.as_str()).collect();
            let left: Vec<&NameUse> =
                waiting.iter().copied().filter(|used| open.contains(used.name.as_str())).collect();
            if left.len() == waiting.len() {
                break;
            }
            waiting = left;
        }
        let Some(first) = waiting.first() else { return };
        let mut circle: Vec<&NameUse> = Vec::new();
        let mut next = Some(first);
        while let Some(used) = next {
            if let Some(begin) = circle.iter().position(|earlier| earlier.column == used.column) {
                circle.drain(..begin);
                break;
            }
            circle.push(used);
            next = waiting.iter().find(|other| other.column == used.name);
        }
        let names: Vec<String> = circle.iter().map(|used| quoted(&used.column)).collect();
        let Some(line) = circle.iter().map(|used| used.line).min() else { return };
        let at = Place { file: PROFILE_FILE.to_owned(), line };
        let (what, next) = match names.as_slice() {
            [only] => (format!("The field {only} is filled with itself."), "Give it a value of its own."),
            names => (
                format!("The fields {} are filled with each other.", names.join(", ")),
                "Give one of them a value of its own.",
            ),
        };
        reading.problems.add(at, what, next);
    }
}
