//! Where the rows of a block come from: written in it, in a file beside it, or made from its columns.

use super::cells::{Uses, cell};
use super::document::{Reading, Section, array, text};
use super::problems::{instead, quoted};
use super::{MOST_COLUMNS, MOST_ROWS, beside, csv, json, keys};
use crate::domain::profile::{GivenRow, Rows};
use toml::de::DeValue;

/// Endings of files that rows can be read from.
const ROWS_ENDINGS: [&str; 3] = ["csv", "json", "ndjson"];

/// The rows of a block, and what the cells of those that are written in it use.
pub(super) struct BlockRows {
    /// The rows.
    pub(super) rows: Rows,
    /// One for each given row that is written in the block; rows of a file use nothing.
    pub(super) uses: Vec<Uses>,
}

/// The rows, from exactly one of `rows`, `file` and `repeat`.
pub(super) fn rows(reading: &mut Reading, section: &Section) -> Option<BlockRows> {
    let sources: Vec<&str> = ["rows", "file", "repeat"].into_iter().filter(|key| section.has(key)).collect();
    if section.has("scaled") && !section.has("repeat") {
        let what = "`scaled` stands without `repeat`.";
        reading.wrong(
            section.at_key("scaled"),
            what,
            "Remove it, or write `repeat` with the number of rows.",
        );
    }
    match sources.as_slice() {
        ["rows"] => written(reading, section),
        ["file"] => {
            from_file(reading, section).map(|rows| BlockRows { rows: Rows::Given(rows), uses: Vec::new() })
        }
        [_] => repeat(reading, section).map(|rows| BlockRows { rows, uses: Vec::new() }),
        [] if section.misspelt(reading, &["rows", "file", "repeat"]) => None,
        [] => {
            let what = format!("{} gives no rows.", section.called);
            reading.wrong(section.at, what, "Add `rows`, `file` or `repeat`.");
            None
        }
        [first, .., last] => {
            let what =
                format!("{} takes its rows from {} and {}.", section.called, quoted(first), quoted(last));
            reading.wrong(section.at_key(last), what, "Keep one of them.");
            None
        }
    }
}

fn written(reading: &mut Reading, section: &Section) -> Option<BlockRows> {
    let items = array(reading, section.value("rows")?, "`rows`")?;
    if let Some(beyond) = items.get(MOST_ROWS as usize) {
        let what = format!("The block gives more than {MOST_ROWS} rows.");
        reading.wrong(beyond.span().start, what, "Split them over several profiles.");
        return None;
    }
    let before = reading.problems.count();
    let mut rows = Vec::with_capacity(items.len());
    let mut uses = Vec::with_capacity(items.len());
    for item in items {
        let Some(row) = Section::of(reading, item, "A row") else { continue };
        let mut used = Uses::default();
        let mut cells = Vec::with_capacity(row.table.len());
        refuse_too_many(reading, &row);
        for (name, at, value) in row.entries() {
            check_name(reading, name, at);
            if let Some(cell) = cell(reading, value, name, &mut used) {
                cells.push((name.to_owned(), cell));
            }
        }
        rows.push(GivenRow { at: reading.place(row.at), cells });
        uses.push(used);
    }
    (reading.problems.count() == before).then_some(BlockRows { rows: Rows::Given(rows), uses })
}

/// No table has as many columns as this.
pub(super) fn refuse_too_many(reading: &mut Reading, cells: &Section) {
    let columns = cells.table.len();
    if columns > MOST_COLUMNS {
        let what =
            format!("{} has {columns} columns, but no table has more than {MOST_COLUMNS}.", cells.called);
        reading.wrong(cells.at, what, "Remove what is too much.");
    }
}

/// The name of a column cannot be empty.
pub(super) fn check_name(reading: &mut Reading, name: &str, at: usize) {
    if name.trim().is_empty() || name.contains('\0') {
        reading.wrong(at, "A column has no name.", "Name it, or remove it.");
    }
}

fn from_file(reading: &mut Reading, section: &Section) -> Option<Vec<GivenRow>> {
    let value = section.value("file")?;
    let at = value.span().start;
    if let DeValue::Table(table) = value.get_ref() {
        return from_chosen(reading, &Section::new(table, at, "`file`"));
    }
    let name = text(reading, value, "`file`")?;
    if beside::inside(&name).is_ok() && !ROWS_ENDINGS.contains(&ending_of(&name).as_str()) {
        let what = format!("The file {} is none that rows can be read from.", quoted(&name));
        reading.wrong(at, what, "Name a file that ends in `.csv`, `.json` or `.ndjson`.");
        return None;
    }
    let (file, text) = beside::named(reading, &name, at)?;
    of_file(reading, &file, text)
}

/// `file = { input = "name" }`: rows of the file that is chosen in the form. Before one is chosen there are none.
fn from_chosen(reading: &mut Reading, section: &Section) -> Option<Vec<GivenRow>> {
    section.refuse_unknown(reading, keys::CHOSEN_FILE);
    let name = section.needed_text(reading, "input")?;
    if !reading.inputs.get(&name).is_some_and(|input| input.file) {
        let files = reading.inputs.iter().filter(|(_, input)| input.file);
        let files: Vec<String> = files.map(|(name, _)| name.clone()).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let next = match files.is_empty() {
            true => "Add it as `[[inputs]]` of the kind `file`.".to_owned(),
            false => instead(&name, &files),
        };
        reading.wrong(
            section.at_key("input"),
            format!("There is no input {} that is a file.", quoted(&name)),
            next,
        );
        return None;
    }
    let Some(file) = reading.chosen.get(&name) else { return Some(Vec::new()) };
    if !ROWS_ENDINGS.contains(&ending_of(file).as_str()) {
        let what = format!("{} was chosen, which is none that rows can be read from.", quoted(file));
        reading.wrong(section.at, what, "Choose a file that ends in `.csv`, `.json` or `.ndjson`.");
        return None;
    }
    let text = beside::text(reading, file)?;
    of_file(reading, file, text)
}

fn ending_of(name: &str) -> String {
    name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default()
}

fn of_file(reading: &mut Reading, file: &str, text: &str) -> Option<Vec<GivenRow>> {
    match ending_of(file).as_str() {
        "csv" => csv::rows(file, text, &mut reading.problems),
        "json" => json::rows(file, text, &mut reading.problems),
        _ => json::rows_by_line(file, text, &mut reading.problems),
    }
}

fn repeat(reading: &mut Reading, section: &Section) -> Option<Rows> {
    let count = section.whole(reading, "repeat", 1, MOST_ROWS);
    let scaled = section.boolean(reading, "scaled").unwrap_or(false);
    let count = count?;
    if scaled {
        let Some(largest) = reading.scale else {
            let what = "`scaled` is true, but the profile has no `scale`.";
            let next = "Add `scale = { default = 1, max = 1000 }` at the top, or remove `scaled`.";
            reading.wrong(section.at_key("scaled"), what, next);
            return None;
        };
        if count.checked_mul(largest).is_none() {
            let rows = u64::from(count) * u64::from(largest);
            let what = format!(
                "At the largest scale this makes {rows} rows, which is more than can be counted here."
            );
            reading.wrong(section.at_key("repeat"), what, "Make `repeat` or the largest scale smaller.");
            return None;
        }
    }
    Some(Rows::Repeat { count, scaled })
}
