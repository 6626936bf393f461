//! Texts with gaps: `Order {{number | pad 6}}`.

use super::cells::{NameUse, Through, Uses};
use super::document::{Reading, Value, text};
use super::problems::{instead, quoted};
use crate::domain::profile::{Filter, Template, TemplatePart};

/// What a gap's text can be sent through, as it is written.
pub(super) const FILTERS: &[&str] = &["lower", "upper", "trim", "slug", "pad"];

/// A text with gaps; the names in its gaps are noted as used by `column`.
pub(super) fn template(
    reading: &mut Reading,
    value: &Value,
    called: &str,
    column: &str,
    uses: &mut Uses,
) -> Option<Template> {
    let text = text(reading, value, called)?;
    let at = value.span().start;
    let mut parts = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inner, behind)) = after.split_once("}}") else {
            let what = "A gap is opened with `{{` and never closed.";
            reading.wrong(at, what, "Close it with `}}`; a text without gaps is written without `text =`.");
            return None;
        };
        if !before.is_empty() {
            parts.push(TemplatePart::Text(before.to_owned()));
        }
        let gap = gap(reading, inner, at)?;
        if let TemplatePart::Gap { name, .. } = &gap {
            let line = reading.place(at).line;
            uses.names.push(NameUse {
                column: column.to_owned(),
                name: name.clone(),
                through: Through::Gap,
                line,
            });
        }
        parts.push(gap);
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(TemplatePart::Text(rest.to_owned()));
    }
    Some(Template { parts })
}

fn gap(reading: &mut Reading, inner: &str, at: usize) -> Option<TemplatePart> {
    let mut pieces = inner.split('|').map(str::trim);
    let name = pieces.next().unwrap_or_default();
    if name.is_empty() || name.contains(['{', '}']) {
        let what = format!("The gap {} names nothing.", quoted(&format!("{{{{{inner}}}}}")));
        reading.wrong(at, what, "Write the name of a field, an input or `row` between the braces.");
        return None;
    }
    let filters: Vec<Option<Filter>> = pieces.map(|piece| filter(reading, piece, at)).collect();
    let filters: Option<Vec<Filter>> = filters.into_iter().collect();
    Some(TemplatePart::Gap { name: name.to_owned(), filters: filters? })
}

fn filter(reading: &mut Reading, piece: &str, at: usize) -> Option<Filter> {
    let (word, argument) = piece.split_once(char::is_whitespace).unwrap_or((piece, ""));
    let plain = match word {
        "lower" => Filter::Lower,
        "upper" => Filter::Upper,
        "trim" => Filter::Trim,
        "slug" => Filter::Slug,
        "pad" => return pad(reading, argument.trim(), at),
        _ => {
            reading.wrong(at, format!("{} is not a filter.", quoted(word)), instead(word, FILTERS));
            return None;
        }
    };
    if !argument.trim().is_empty() {
        let what = format!("The filter {} takes no {}.", quoted(word), quoted(argument.trim()));
        reading.wrong(at, what, "Remove it.");
        return None;
    }
    Some(plain)
}

fn pad(reading: &mut Reading, argument: &str, at: usize) -> Option<Filter> {
    let length = argument.parse().ok().filter(|length: &u8| *length > 0);
    if length.is_none() {
        let what = match argument {
            "" => "The filter `pad` has no length.".to_owned(),
            _ => format!("The filter `pad` has {} as its length.", quoted(argument)),
        };
        reading.wrong(at, what, "Write a length from 1 to 255, like `pad 6`.");
    }
    length.map(Filter::Pad)
}
