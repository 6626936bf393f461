//! Enums, types, sequences, views, functions, triggers, policies, extensions.

use super::{Comparison, Draft, lookup::pairs};
use crate::domain::{
    catalogue::{EnumType, Function, ObjectRef, OtherType, Policy, Sequence, Trigger, View},
    drift::DriftClass,
    statement::ObjectKind,
};

impl Comparison<'_> {
    pub(super) fn enums(&mut self) {
        let (expected, live) = (self.expected, self.live);
        let object = |each: &EnumType| ObjectRef::top(ObjectKind::Enum, &each.schema, &each.name);
        let text = |each: &EnumType| {
            each.labels.iter().map(|label| label.name.as_str()).collect::<Vec<_>>().join("\n")
        };
        for made in &expected.enums {
            match live.enum_type(&made.schema, &made.name) {
                Some(there) => self.labels(made, there),
                None => self.missing(&object(made), text(made)),
            }
        }
        for there in &live.enums {
            if expected.enum_type(&there.schema, &there.name).is_none() {
                self.extra(DriftClass::Harmless, &object(there), text(there));
            }
        }
    }

    /// An enum type that both have.
    fn labels(&mut self, expected: &EnumType, live: &EnumType) {
        let has = |of: &EnumType, name: &str| of.labels.iter().any(|label| label.name == name);
        let object =
            |name: &str| ObjectRef::part(ObjectKind::EnumValue, &expected.schema, &expected.name, name);
        for label in expected.labels.iter().filter(|label| !has(live, &label.name)) {
            let object = object(&label.name);
            let sentence = format!("Enum {} has no value `{}`.", self.parent(&object), label.name);
            self.report(&object, Draft::missing(DriftClass::Dangerous, sentence, label.name.clone()));
        }
        for label in live.labels.iter().filter(|label| !has(expected, &label.name)) {
            let object = object(&label.name);
            let sentence = format!(
                "Enum {} has the value `{}`; no applied migration adds it.",
                self.parent(&object),
                label.name
            );
            self.report(&object, Draft::extra(DriftClass::Harmless, sentence, label.name.clone()));
        }
        let common = |of: &EnumType, other: &EnumType| -> Vec<String> {
            of.labels.iter().map(|label| label.name.clone()).filter(|name| has(other, name)).collect()
        };
        let (made, there) = (common(expected, live), common(live, expected));
        if made != there {
            let object = ObjectRef::top(ObjectKind::Enum, &expected.schema, &expected.name);
            let sentence = format!("Enum {} lists its values in another order.", self.name(&object));
            self.report(
                &object,
                Draft::different(DriftClass::Cosmetic, sentence, made.join("\n"), there.join("\n")),
            );
        }
    }

    pub(super) fn types(&mut self) {
        let (expected, live) = (self.expected, self.live);
        let object = |each: &OtherType| ObjectRef::top(ObjectKind::Type, &each.schema, &each.name);
        for (made, there) in pairs(&expected.types, &live.types, |each| (&each.schema, &each.name)) {
            match (made, there) {
                (Some(made), Some(there)) => self.differs(&object(made), &made.definition, &there.definition),
                (Some(made), None) => self.missing(&object(made), made.definition.clone()),
                (None, Some(there)) => {
                    self.extra(DriftClass::Harmless, &object(there), there.definition.clone())
                }
                (None, None) => {}
            }
        }
    }

    /// Sequences of their own. Those of identity columns are part of the column.
    pub(super) fn sequences(&mut self) {
        let (expected, live) = (self.expected, self.live);
        let object = |each: &Sequence| ObjectRef::top(ObjectKind::Sequence, &each.schema, &each.name);
        for (made, there) in pairs(&expected.sequences, &live.sequences, |each| (&each.schema, &each.name)) {
            match (made, there) {
                (Some(made), Some(there)) => {
                    if !made.of_identity && !there.of_identity {
                        self.differs(&object(made), &made.definition, &there.definition);
                    }
                }
                (Some(made), None) => {
                    let owner_is_there = match (&made.owner_table, &made.owner_column) {
                        (Some(table), Some(column)) => live.column(&made.schema, table, column).is_some(),
                        _ => true,
                    };
                    if !made.of_identity && owner_is_there {
                        self.missing(&object(made), made.definition.clone());
                    }
                }
                (None, Some(there)) => {
                    let owner_was_made = match (&there.owner_table, &there.owner_column) {
                        (Some(table), Some(column)) => {
                            expected.column(&there.schema, table, column).is_some()
                        }
                        _ => true,
                    };
                    if !there.of_identity && owner_was_made {
                        self.extra(DriftClass::Harmless, &object(there), there.definition.clone());
                    }
                }
                (None, None) => {}
            }
        }
    }

    pub(super) fn views(&mut self) {
        let (expected, live) = (self.expected, self.live);
        let object = |each: &View| ObjectRef::top(each.kind(), &each.schema, &each.name);
        let text = |each: &View| match &each.options {
            Some(options) => format!("with ({options})\n{}", each.definition.trim()),
            None => each.definition.trim().to_owned(),
        };
        for (made, there) in pairs(&expected.views, &live.views, |each| (&each.schema, &each.name)) {
            match (made, there) {
                (Some(made), Some(there)) if made.materialized != there.materialized => {
                    let object = object(made);
                    let word = if there.materialized { "is materialized" } else { "is not materialized" };
                    let sentence =
                        format!("View {} {word}; its migration says otherwise.", self.name(&object));
                    self.report(
                        &object,
                        Draft::different(DriftClass::Dangerous, sentence, text(made), text(there)),
                    );
                }
                (Some(made), Some(there)) => self.differs(&object(made), &text(made), &text(there)),
                (Some(made), None) => self.missing(&object(made), text(made)),
                (None, Some(there)) => self.extra(DriftClass::Harmless, &object(there), text(there)),
                (None, None) => {}
            }
        }
    }

    pub(super) fn functions(&mut self) {
        let (expected, live) = (self.expected, self.live);
        let object = |each: &Function| ObjectRef::top(ObjectKind::Function, &each.schema, &each.signature());
        let key = |each: &Function| (each.schema.clone(), each.signature());
        for (made, there) in pairs(&expected.functions, &live.functions, key) {
            match (made, there) {
                (Some(made), Some(there)) => self.differs(&object(made), &made.definition, &there.definition),
                (Some(made), None) => self.missing(&object(made), made.definition.clone()),
                (None, Some(there)) => {
                    self.extra(DriftClass::Harmless, &object(there), there.definition.clone())
                }
                (None, None) => {}
            }
        }
    }

    pub(super) fn triggers(&mut self) {
        let (expected, live) = (self.expected, self.live);
        let object =
            |each: &Trigger| ObjectRef::part(ObjectKind::Trigger, &each.schema, &each.table, &each.name);
        let key = |each: &Trigger| (each.schema.clone(), each.table.clone(), each.name.clone());
        for (made, there) in pairs(&expected.triggers, &live.triggers, key) {
            match (made, there) {
                (Some(made), Some(there)) if made.enabled != there.enabled => {
                    let object = object(made);
                    let word =
                        if there.enabled == "D" { "is switched off" } else { "fires in other sessions" };
                    let sentence = format!("{} {word}; its migration says otherwise.", self.title(&object));
                    let (made, there) = (made.definition.clone(), there.definition.clone());
                    self.report(&object, Draft::different(DriftClass::Dangerous, sentence, made, there));
                }
                (Some(made), Some(there)) => self.differs(&object(made), &made.definition, &there.definition),
                (Some(made), None) if live.has_relation(&made.schema, &made.table) => {
                    self.missing(&object(made), made.definition.clone());
                }
                (None, Some(there)) if expected.has_relation(&there.schema, &there.table) => {
                    self.extra(DriftClass::Dangerous, &object(there), there.definition.clone());
                }
                _ => {}
            }
        }
    }

    pub(super) fn policies(&mut self) {
        let (expected, live) = (self.expected, self.live);
        let object =
            |each: &Policy| ObjectRef::part(ObjectKind::Policy, &each.schema, &each.table, &each.name);
        let key = |each: &Policy| (each.schema.clone(), each.table.clone(), each.name.clone());
        for (made, there) in pairs(&expected.policies, &live.policies, key) {
            match (made, there) {
                (Some(made), Some(there)) => self.differs(&object(made), &made.definition, &there.definition),
                (Some(made), None) if live.has_relation(&made.schema, &made.table) => {
                    self.missing(&object(made), made.definition.clone());
                }
                (None, Some(there)) if expected.has_relation(&there.schema, &there.table) => {
                    self.extra(DriftClass::Dangerous, &object(there), there.definition.clone());
                }
                _ => {}
            }
        }
    }

    pub(super) fn extensions(&mut self) {
        let (expected, live) = (self.expected, self.live);
        for (made, there) in pairs(&expected.extensions, &live.extensions, |each| &each.name) {
            let Some(name) = made.or(there).map(|each| each.name.as_str()) else { continue };
            let object = ObjectRef::top(ObjectKind::Extension, "", name);
            match (made, there) {
                (Some(made), Some(there)) if made.schema != there.schema => {
                    let sentence = format!(
                        "Extension `{name}` is in schema `{}`; its migration puts it into `{}`.",
                        there.schema, made.schema
                    );
                    let (made, there) = (made.schema.clone(), there.schema.clone());
                    self.report(&object, Draft::different(DriftClass::Harmless, sentence, made, there));
                }
                (Some(made), Some(there)) if self.attribution.same_major && made.version != there.version => {
                    let sentence = format!(
                        "Extension `{name}` is {}; the scratch copy has {}.",
                        there.version, made.version
                    );
                    let (made, there) = (made.version.clone(), there.version.clone());
                    self.report(&object, Draft::different(DriftClass::Cosmetic, sentence, made, there));
                }
                (Some(made), None) => self.missing(&object, made.version.clone()),
                (None, Some(there)) => self.extra(DriftClass::Harmless, &object, there.version.clone()),
                _ => {}
            }
        }
    }

    fn missing(&mut self, object: &ObjectRef, expected: String) {
        let sentence = format!("{} is missing.", self.title(object));
        self.report(object, Draft::missing(DriftClass::Dangerous, sentence, expected));
    }

    fn extra(&mut self, class: DriftClass, object: &ObjectRef, live: String) {
        let so = match (class, object.kind) {
            (DriftClass::Dangerous, ObjectKind::Trigger) => "it changes what writes do",
            (DriftClass::Dangerous, ObjectKind::Policy) => "it changes who sees which rows",
            _ => "no applied migration makes it",
        };
        let sentence = format!("{} is on the database only; {so}.", self.title(object));
        self.report(object, Draft::extra(class, sentence, live));
    }

    fn differs(&mut self, object: &ObjectRef, expected: &str, live: &str) {
        if expected != live {
            let sentence = format!("{} is defined differently than its migration says.", self.title(object));
            let draft =
                Draft::different(DriftClass::Dangerous, sentence, expected.to_owned(), live.to_owned());
            self.report(object, draft);
        }
    }
}
