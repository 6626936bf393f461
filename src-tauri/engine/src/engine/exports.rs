//! Changed rows as a file to keep or to hand on: CSV, JSON, HTML. Sensitive values are masked.

use crate::adapters::changes::FileRow;
use crate::domain::Failure;
use crate::domain::seed::{ExportFormat, RowKind, TableChanges};
use std::io::{self, Write};

/// Why an export did not get through.
pub(super) enum Unwritten {
    /// The file.
    File(io::Error),
    /// The rows.
    Rows(Failure),
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// Hands the rows of a table on, one by one.
type Found<'f> = &'f mut dyn FnMut(u32, FileRow) -> Result<(), Failure>;

/// Writes every changed row; `each` hands on the rows of a table. `masks`: a dry run's, so what the server
/// fills in is not yet decided.
pub(super) fn write(
    out: &mut impl Write,
    format: ExportFormat,
    title: &str,
    tables: &[TableChanges],
    masks: bool,
    mut each: impl FnMut(usize, Found<'_>) -> Result<(), Failure>,
) -> Result<(), Unwritten> {
    match format {
        ExportFormat::Csv => out.write_all(b"table,change,row,column,before,after\r\n")?,
        ExportFormat::Json => out.write_all(b"[")?,
        ExportFormat::Html => write!(
            out,
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title><style>body{{font:14px system-ui}}table{{border-collapse:collapse}}td,th{{border:1px solid #ccc;padding:4px 8px;text-align:left;vertical-align:top;white-space:pre-wrap}}s{{color:#a00}}i{{color:#666}}</style><h1>{0}</h1>",
            html(title)
        )?,
    }
    let mut first = true;
    for (at, table) in tables.iter().enumerate() {
        if format == ExportFormat::Html {
            write!(
                out,
                "<h2>{}</h2><p>{} added, {} changed, {} deleted.{}</p><table><tr><th>change</th>{}</tr>",
                html(&table.table),
                table.inserted,
                table.updated,
                table.deleted,
                table.unknown.as_ref().map(|why| format!(" Not known: {}", html(why))).unwrap_or_default(),
                table
                    .columns
                    .iter()
                    .map(|column| format!("<th>{}</th>", html(&column.name)))
                    .collect::<String>()
            )?;
        }
        let mut unwritten = None;
        each(at, &mut |number, row| {
            if row.kind == RowKind::Unchanged || unwritten.is_some() {
                return Ok(());
            }
            if let Err(error) = one(out, format, table, number, &row, masks, &mut first) {
                unwritten = Some(error);
            }
            Ok(())
        })
        .map_err(Unwritten::Rows)?;
        if let Some(error) = unwritten {
            return Err(error.into());
        }
        if format == ExportFormat::Html {
            out.write_all(b"</table>")?;
        }
    }
    match format {
        ExportFormat::Csv => {}
        ExportFormat::Json => out.write_all(b"\n]\n")?,
        ExportFormat::Html => out.write_all(b"</html>\n")?,
    }
    Ok(())
}

fn word(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Inserted => "added",
        RowKind::Updated => "changed",
        RowKind::Deleted => "deleted",
        RowKind::Rewritten => "rewritten",
        RowKind::Unchanged => "same",
    }
}

/// What stands for a value: nothing there, NULL, a text, or a word in place of it.
enum Value<'v> {
    Absent,
    Null,
    Text(&'v str),
    Word(&'static str),
}

fn value<'v>(row: &'v FileRow, table: &TableChanges, column: usize, after: bool, masks: bool) -> Value<'v> {
    let cells = if after { &row.after } else { &row.before };
    let Some(cells) = cells else { return Value::Absent };
    let facts = table.columns.get(column);
    if after && masks && row.kind == RowKind::Inserted && facts.is_some_and(|facts| facts.server_filled) {
        return Value::Word("on apply");
    }
    match cells.get(column).and_then(Option::as_deref) {
        None => Value::Null,
        Some(_) if facts.is_some_and(|facts| facts.sensitive) => Value::Word("masked"),
        Some(text) => Value::Text(text),
    }
}

fn one(
    out: &mut impl Write,
    format: ExportFormat,
    table: &TableChanges,
    number: u32,
    row: &FileRow,
    masks: bool,
    first: &mut bool,
) -> io::Result<()> {
    let columns = table.columns.len();
    match format {
        ExportFormat::Csv => {
            for (at, column) in table.columns.iter().enumerate() {
                let same = row
                    .before
                    .as_ref()
                    .zip(row.after.as_ref())
                    .is_some_and(|(before, after)| before.get(at) == after.get(at));
                if same && !table.key.contains(&column.name) {
                    continue;
                }
                writeln!(
                    out,
                    "{},{},{},{},{},{}\r",
                    csv(&table.table),
                    word(row.kind),
                    number + 1,
                    csv(&column.name),
                    csv_value(&value(row, table, at, false, masks)),
                    csv_value(&value(row, table, at, true, masks)),
                )?;
            }
            Ok(())
        }
        ExportFormat::Json => {
            let side = |after: bool| {
                let there = if after { row.after.is_some() } else { row.before.is_some() };
                there.then(|| {
                    (0..columns)
                        .map(|at| {
                            let value = match value(row, table, at, after, masks) {
                                Value::Absent | Value::Null => serde_json::Value::Null,
                                Value::Text(text) => text.into(),
                                Value::Word(word) => serde_json::json!({ "not_shown": word }),
                            };
                            (table.columns[at].name.clone(), value)
                        })
                        .collect::<serde_json::Map<_, _>>()
                })
            };
            let document = serde_json::json!({
                "table": table.table,
                "change": word(row.kind),
                "row": number + 1,
                "before": side(false),
                "after": side(true),
            });
            write!(out, "{}\n{document}", if *first { "" } else { "," })?;
            *first = false;
            Ok(())
        }
        ExportFormat::Html => {
            write!(out, "<tr><td>{}</td>", word(row.kind))?;
            for at in 0..columns {
                let (before, after) =
                    (value(row, table, at, false, masks), value(row, table, at, true, masks));
                let same = row
                    .before
                    .as_ref()
                    .zip(row.after.as_ref())
                    .is_some_and(|(before, after)| before.get(at) == after.get(at));
                let text = match (&before, &after) {
                    (Value::Absent, after) => html_value(after),
                    (before, Value::Absent) => format!("<s>{}</s>", html_value(before)),
                    (before, _) if same => html_value(before),
                    (before, after) => format!("<s>{}</s> <b>{}</b>", html_value(before), html_value(after)),
                };
                write!(out, "<td>{text}</td>")?;
            }
            out.write_all(b"</tr>")
        }
    }
}

/// Spreadsheets run what begins like a formula.
fn csv(text: &str) -> String {
    let guarded = if text.starts_with(['=', '+', '@', '\t', '\r'])
        || (text.starts_with('-') && !crate::planner::seed::answers::is_number(text))
    {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if guarded.is_empty() || guarded.contains(['"', ',', '\n', '\r']) || guarded != guarded.trim() {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

fn csv_value(value: &Value<'_>) -> String {
    match value {
        Value::Absent | Value::Null => String::new(),
        Value::Text(text) => csv(text),
        Value::Word(word) => format!("({word})"),
    }
}

/// A text that HTML shows as what it is.
pub(super) fn html(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            // Control characters and direction marks are named, so that they do nothing.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => {
                format!("[U+{:04X}]", character as u32)
            }
            character if character.is_control() && !matches!(character, '\n' | '\t') => {
                format!("[U+{:04X}]", character as u32)
            }
            character => character.to_string(),
        })
        .collect()
}

fn html_value(value: &Value<'_>) -> String {
    match value {
        Value::Absent => String::new(),
        Value::Null => "<i>NULL</i>".to_owned(),
        Value::Text("") => "<i>empty</i>".to_owned(),
        Value::Text(text) => html(text),
        Value::Word(word) => format!("<i>{word}</i>"),
    }
}
