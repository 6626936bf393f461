//! Columns: type, emptiness, default, identity, generation, collation.

use super::{Comparison, Draft};
use crate::domain::{
    catalogue::{Column, ObjectRef},
    drift::DriftClass,
};

impl Comparison<'_> {
    pub(super) fn missing_column(&mut self, object: &ObjectRef, column: &Column) {
        let sentence =
            format!("{} has no column `{}`.{}", self.parent(object), column.name, self.goes_with(object));
        self.report(object, Draft::missing(DriftClass::Dangerous, sentence, column.definition()));
    }

    pub(super) fn extra_column(&mut self, object: &ObjectRef, column: &Column) {
        let title = self.title(object);
        let (class, sentence) = if column.fills_itself() {
            (DriftClass::Harmless, format!("{title} is on the database only; no applied migration makes it."))
        } else {
            (
                DriftClass::Dangerous,
                format!(
                    "{title} is on the database only, may not be empty and has no default: inserts that do not know it fail."
                ),
            )
        };
        self.report(object, Draft::extra(class, sentence, column.definition()));
    }

    /// A column that both have: one difference, however many aspects differ.
    pub(super) fn column(&mut self, object: &ObjectRef, expected: &Column, live: &Column) {
        let aspects: Vec<(DriftClass, String)> = [
            type_name(expected, live),
            emptiness(expected, live),
            default(expected, live),
            identity(expected, live),
            collation(expected, live),
        ]
        .into_iter()
        .flatten()
        .collect();
        let Some(class) = aspects.iter().map(|(class, _)| *class).min() else { return };
        let said: Vec<&str> = aspects.iter().map(|(_, words)| words.as_str()).collect();
        let sentence = format!("{} {}.", self.name(object), said.join(". It "));
        self.report(object, Draft::different(class, sentence, expected.definition(), live.definition()));
    }
}

fn type_name(expected: &Column, live: &Column) -> Option<(DriftClass, String)> {
    if expected.type_name == live.type_name {
        return None;
    }
    let words = match (characters(&expected.type_name), characters(&live.type_name)) {
        (Some(made), Some(there)) => {
            let class = if there > made { DriftClass::Harmless } else { DriftClass::Dangerous };
            return Some((class, format!("takes {there} characters; its migration says {made}")));
        }
        (Some(made), None) if matches!(live.type_name.as_str(), "text" | "character varying") => {
            return Some((
                DriftClass::Harmless,
                format!("takes text of any length; its migration says {made} characters"),
            ));
        }
        _ => format!("is {}; its migration makes it {}", live.type_name, expected.type_name),
    };
    Some((DriftClass::Dangerous, words))
}

/// The length of a `character varying(n)`.
fn characters(type_name: &str) -> Option<u32> {
    type_name.strip_prefix("character varying(")?.strip_suffix(')')?.parse().ok()
}

fn emptiness(expected: &Column, live: &Column) -> Option<(DriftClass, String)> {
    match (expected.not_null, live.not_null) {
        (true, false) => {
            Some((DriftClass::Dangerous, "may be empty; its migration says it must not".to_owned()))
        }
        (false, true) => {
            Some((DriftClass::Dangerous, "must not be empty; its migration says it may".to_owned()))
        }
        _ => None,
    }
}

fn default(expected: &Column, live: &Column) -> Option<(DriftClass, String)> {
    if expected.generated != live.generated {
        let words = if live.generated.is_some() {
            "is computed by the server; its migration says it is not"
        } else if expected.generated.as_deref() == Some("s") && live.generated.is_none() {
            "is not computed by the server; its migration says it is"
        } else {
            "is computed in another way than its migration says"
        };
        return Some((DriftClass::Dangerous, words.to_owned()));
    }
    let words = match (&expected.default, &live.default) {
        (made, there) if made == there => return None,
        (Some(made), Some(there)) if expected.generated.is_some() => {
            format!("is computed as {there}; its migration says {made}")
        }
        (Some(made), Some(there)) => format!("has the default {there}; its migration sets {made}"),
        (Some(made), None) => format!("has no default; its migration sets {made}"),
        (None, Some(there)) => {
            return Some((DriftClass::Harmless, format!("has the default {there}; its migration sets none")));
        }
        (None, None) => return None,
    };
    Some((DriftClass::Dangerous, words))
}

fn identity(expected: &Column, live: &Column) -> Option<(DriftClass, String)> {
    match (expected.identity.as_deref(), live.identity.as_deref()) {
        (made, there) if made == there => None,
        (Some(_), None) => {
            Some((DriftClass::Dangerous, "does not number itself; its migration says it does".to_owned()))
        }
        (None, Some(_)) => {
            Some((DriftClass::Dangerous, "numbers itself; its migration says it does not".to_owned()))
        }
        _ => {
            Some((DriftClass::Dangerous, "numbers itself in another way than its migration says".to_owned()))
        }
    }
}

fn collation(expected: &Column, live: &Column) -> Option<(DriftClass, String)> {
    if expected.collation == live.collation {
        return None;
    }
    let word = |column: &Column| column.collation.clone().unwrap_or_else(|| "the default".to_owned());
    Some((
        DriftClass::Dangerous,
        format!("is sorted by {}; its migration says {}", word(live), word(expected)),
    ))
}
