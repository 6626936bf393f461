//! Compares what the migrations make with what is there, object by object, in sentences.
//!
//! Pure: it is handed two catalogues and knows neither servers nor files. A table that is missing is
//! one difference, not one for each of its columns; what goes with an object is folded into it.

mod columns;
mod keys;
mod lookup;
mod others;
mod summary;
mod tables;
mod words;

pub use summary::{headline, lead};

use self::lookup::Lookup;
use crate::domain::{
    catalogue::{Catalogue, ObjectRef},
    drift::{Difference, DriftClass, DriftSide},
    statement::ObjectKind,
};

/// What is known about objects beside the two catalogues.
pub struct Attribution<'a> {
    /// The applied migration that made or last changed an object.
    pub culprit: &'a dyn Fn(&ObjectRef) -> Option<String>,
    /// The pending or failed migration that settles a difference in an object.
    pub settled_by: &'a dyn Fn(&ObjectRef) -> Option<String>,
    /// Objects that cannot be compared.
    pub not_comparable: &'a [NotComparable],
    /// Both servers render text alike, so extension versions are comparable too.
    pub same_major: bool,
}

/// An object that cannot be compared, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotComparable {
    /// The object.
    pub object: ObjectRef,
    /// Why, to be read after a colon: `no pg_trgm on the scratch copy`.
    pub reason: String,
    /// The applied migration that makes it.
    pub migration: Option<String>,
}

/// All differences between what the migrations make and what is there, most dangerous first.
pub fn compare(expected: &Catalogue, live: &Catalogue, attribution: &Attribution<'_>) -> Vec<Difference> {
    let (expected, live) = (Lookup::new(expected), Lookup::new(live));
    let mut comparison =
        Comparison { expected: &expected, live: &live, attribution, differences: Vec::new() };
    comparison.tables();
    comparison.keys();
    comparison.enums();
    comparison.types();
    comparison.sequences();
    comparison.views();
    comparison.functions();
    comparison.triggers();
    comparison.policies();
    comparison.extensions();
    comparison.not_comparable();
    let mut differences = comparison.differences;
    differences.sort_by(|a, b| (a.class, a.kind, &a.object).cmp(&(b.class, b.kind, &b.object)));
    differences
}

/// A comparison under way.
struct Comparison<'a> {
    expected: &'a Lookup<'a>,
    live: &'a Lookup<'a>,
    attribution: &'a Attribution<'a>,
    differences: Vec<Difference>,
}

/// A difference before it is known who made it and who settles it.
struct Draft {
    class: DriftClass,
    side: DriftSide,
    sentence: String,
    expected: Option<String>,
    live: Option<String>,
}

impl Draft {
    /// The migrations make it, the database lacks it.
    fn missing(class: DriftClass, sentence: String, expected: String) -> Self {
        Self { class, side: DriftSide::MissingLive, sentence, expected: Some(expected), live: None }
    }

    /// The database has it, no applied migration makes it.
    fn extra(class: DriftClass, sentence: String, live: String) -> Self {
        Self { class, side: DriftSide::ExtraLive, sentence, expected: None, live: Some(live) }
    }

    /// Both have it, differently.
    fn different(class: DriftClass, sentence: String, expected: String, live: String) -> Self {
        Self { class, side: DriftSide::Different, sentence, expected: Some(expected), live: Some(live) }
    }
}

impl Comparison<'_> {
    /// Records a difference, unless the object is one that cannot be compared: those are listed once, at the end.
    fn report(&mut self, object: &ObjectRef, draft: Draft) {
        if self.attribution.not_comparable.iter().any(|each| covers(&each.object, object)) {
            return;
        }
        let culprit = match draft.side {
            DriftSide::ExtraLive => None,
            _ => (self.attribution.culprit)(object),
        };
        self.differences.push(Difference {
            class: draft.class,
            side: draft.side,
            kind: object.kind,
            object: object.qualified(),
            sentence: draft.sentence,
            expected: draft.expected,
            live: draft.live,
            culprit,
            settled_by: (self.attribution.settled_by)(object),
        });
    }

    /// Lists what cannot be compared, by name.
    fn not_comparable(&mut self) {
        let mut seen: Vec<&ObjectRef> = Vec::new();
        for NotComparable { object, reason, migration } in self.attribution.not_comparable {
            let within_another = self
                .attribution
                .not_comparable
                .iter()
                .any(|each| each.object != *object && covers(&each.object, object));
            if within_another || seen.contains(&object) {
                continue;
            }
            seen.push(object);
            self.differences.push(Difference {
                class: DriftClass::Unknown,
                side: DriftSide::NotCompared,
                kind: object.kind,
                object: object.qualified(),
                sentence: match object.kind {
                    ObjectKind::Schema => {
                        format!("{} was not compared in full: {reason}.", self.title(object))
                    }
                    _ => format!("{} was not compared: {reason}.", self.title(object)),
                },
                expected: None,
                live: None,
                culprit: migration.clone(),
                settled_by: (self.attribution.settled_by)(object),
            });
        }
    }
}

/// Whether what is said about `whole` holds for `part` too.
fn covers(whole: &ObjectRef, part: &ObjectRef) -> bool {
    if whole.schema != part.schema {
        return false;
    }
    let same_kind = whole.kind == part.kind
        || matches!(
            (whole.kind, part.kind),
            (ObjectKind::View, ObjectKind::MaterializedView)
                | (ObjectKind::MaterializedView, ObjectKind::View)
                | (ObjectKind::Enum, ObjectKind::Type)
                | (ObjectKind::Type, ObjectKind::Enum)
                | (ObjectKind::Index, ObjectKind::Constraint)
                | (ObjectKind::Constraint, ObjectKind::Index)
        );
    let same_parent = match (&whole.parent, &part.parent) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let same_name = whole.name == part.name
        || (whole.kind == ObjectKind::Function && part.name.split('(').next() == Some(whole.name.as_str()));
    let holds = matches!(
        whole.kind,
        ObjectKind::Table
            | ObjectKind::Enum
            | ObjectKind::Type
            | ObjectKind::MaterializedView
            | ObjectKind::View
    ) && part.parent.as_deref() == Some(whole.name.as_str());
    (same_kind && same_parent && same_name) || holds
}
