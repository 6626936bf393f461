//! Whether one effect of a statement is there, from the catalogue alone.

use super::{
    alteration::alterations,
    words::{begins, contains, words},
};
use crate::domain::{
    catalogue::Catalogue,
    repair::EffectState,
    statement::{Action, Effect, ObjectKind},
};

/// What was seen of an effect, with the evidence in a few words.
pub(super) struct Sight {
    pub(super) state: EffectState,
    pub(super) evidence: String,
}

fn sight(state: EffectState, evidence: String) -> Sight {
    Sight { state, evidence }
}

/// A statement whose effects are looked for.
pub(super) struct Observed<'a> {
    pub(super) sql: &'a str,
    pub(super) live: &'a Catalogue,
    pub(super) schema: &'a str,
}

impl Observed<'_> {
    /// Looks for one effect; `None` where the effect tells nothing, such as a constraint the server names.
    pub(super) fn see(&self, effect: &Effect) -> Option<Sight> {
        if effect.name.is_empty() {
            return None;
        }
        match effect.action {
            Action::Create => self.created(effect),
            Action::Drop => self.dropped(effect),
            Action::Alter => self.altered(effect),
        }
    }

    fn created(&self, effect: &Effect) -> Option<Sight> {
        let name = &effect.name;
        let is_there = match self.exists(effect) {
            Some(is_there) => is_there,
            None => return Some(sight(EffectState::Unknown, format!("`{name}` was not looked for"))),
        };
        if !is_there {
            return Some(sight(EffectState::Absent, format!("`{name}` is not there")));
        }
        let schema = self.schema_of(effect);
        if effect.kind == ObjectKind::Index
            && let Some(index) = self.live.index(schema, name)
            && !(index.valid && index.ready)
        {
            return Some(sight(EffectState::Broken, format!("`{name}` is there but INVALID")));
        }
        if contains(&words(self.sql), "or replace") {
            return Some(self.replaced(effect));
        }
        Some(sight(EffectState::Present, format!("`{name}` is there")))
    }

    /// CREATE OR REPLACE: an object of that name may be an older version of it.
    fn replaced(&self, effect: &Effect) -> Sight {
        let name = &effect.name;
        let bodies: Vec<String> = words(self.sql)
            .into_iter()
            .filter(|word| self.sql[word.start..word.end].starts_with('$'))
            .map(|word| word.text)
            .collect();
        let schema = self.schema_of(effect);
        let mut versions =
            self.live.functions.iter().filter(|each| each.schema == schema && each.name == *name).peekable();
        if effect.kind == ObjectKind::Function && !bodies.is_empty() && versions.peek().is_some() {
            let same = versions.any(|each| bodies.iter().all(|body| each.definition.contains(body.as_str())));
            return if same {
                sight(EffectState::Present, format!("`{name}` is there with this body"))
            } else {
                sight(EffectState::Absent, format!("`{name}` is there with another body"))
            };
        }
        sight(EffectState::Unknown, format!("`{name}` is there; whether it is this version cannot be told"))
    }

    fn dropped(&self, effect: &Effect) -> Option<Sight> {
        let name = &effect.name;
        Some(match self.exists(effect) {
            Some(true) => sight(EffectState::Absent, format!("`{name}` is still there")),
            Some(false) => sight(EffectState::Present, format!("`{name}` is gone")),
            None => sight(EffectState::Unknown, format!("`{name}` was not looked for")),
        })
    }

    fn altered(&self, effect: &Effect) -> Option<Sight> {
        let schema = self.schema_of(effect);
        let unknown =
            || Some(sight(EffectState::Unknown, format!("how `{}` was before is not known", effect.name)));
        match effect.kind {
            ObjectKind::Column | ObjectKind::Table => {
                let table_name = effect.parent.as_ref().unwrap_or(&effect.name);
                let Some(table) = self.live.table(schema, table_name) else {
                    return Some(sight(EffectState::Absent, format!("`{table_name}` is not there")));
                };
                let column = (effect.kind == ObjectKind::Column).then_some(effect.name.as_str());
                let about: Vec<_> =
                    alterations(self.sql).into_iter().filter(|each| each.column() == column).collect();
                if about.is_empty() {
                    return unknown();
                }
                let seen: Vec<Option<bool>> = about.iter().map(|each| each.is_in(table)).collect();
                let words = about.iter().map(|each| each.words()).collect::<Vec<_>>().join(", ");
                if seen.iter().all(|each| *each == Some(true)) {
                    Some(sight(EffectState::Present, words))
                } else if seen.contains(&Some(false)) && !seen.contains(&Some(true)) {
                    Some(sight(EffectState::Absent, format!("not in: {words}")))
                } else {
                    Some(sight(EffectState::Unknown, format!("cannot be told: {words}")))
                }
            }
            ObjectKind::Constraint if contains(&words(self.sql), "validate constraint") => {
                let table = effect.parent.as_deref().unwrap_or_default();
                let state = match self.live.constraint(schema, table, &effect.name) {
                    Some(constraint) if constraint.validated => EffectState::Present,
                    _ => EffectState::Absent,
                };
                let not = if state == EffectState::Present { "is" } else { "is not" };
                Some(sight(state, format!("`{}` {not} checked against all rows", effect.name)))
            }
            _ => unknown(),
        }
    }

    /// Whether the object exists; `None` where the catalogue does not say.
    pub(super) fn exists(&self, effect: &Effect) -> Option<bool> {
        exists(self.live, effect, self.schema)
    }

    fn schema_of<'a>(&'a self, effect: &'a Effect) -> &'a str {
        effect.schema.as_deref().unwrap_or(self.schema)
    }
}

/// Whether the object of an effect exists; `None` where the catalogue does not say.
pub(super) fn exists(live: &Catalogue, effect: &Effect, default_schema: &str) -> Option<bool> {
    let name = effect.name.as_str();
    let schema = effect.schema.as_deref().unwrap_or(default_schema);
    let parent = effect.parent.as_deref().unwrap_or_default();
    let read = live.schemas.iter().any(|each| each == schema);
    if !read && !matches!(effect.kind, ObjectKind::Extension | ObjectKind::Schema) {
        return None;
    }
    Some(match effect.kind {
        ObjectKind::Table => live.table(schema, name).is_some(),
        ObjectKind::Column => live.column(schema, parent, name).is_some(),
        ObjectKind::Index => live.index(schema, name).is_some(),
        ObjectKind::Constraint => live.constraint(schema, parent, name).is_some(),
        ObjectKind::Enum | ObjectKind::Type => {
            live.enum_type(schema, name).is_some()
                || live.types.iter().any(|each| each.schema == schema && each.name == name)
        }
        ObjectKind::EnumValue => live
            .enum_type(schema, parent)
            .is_some_and(|each| each.labels.iter().any(|label| label.name == name)),
        ObjectKind::Sequence => live.sequences.iter().any(|each| each.schema == schema && each.name == name),
        ObjectKind::View | ObjectKind::MaterializedView => {
            live.views.iter().any(|each| each.schema == schema && each.name == name)
        }
        ObjectKind::Function => live.functions.iter().any(|each| each.schema == schema && each.name == name),
        ObjectKind::Trigger => live.triggers.iter().any(|each| {
            each.schema == schema && each.name == name && (parent.is_empty() || each.table == parent)
        }),
        ObjectKind::Policy => live.policies.iter().any(|each| {
            each.schema == schema && each.name == name && (parent.is_empty() || each.table == parent)
        }),
        ObjectKind::Extension => live.extensions.iter().any(|each| each.name == name),
        ObjectKind::Schema => return live.schemas.iter().any(|each| each == name).then_some(true),
    })
}

/// Whether a statement reads or writes rows only, or steers the session: nothing of it is in the catalogue.
pub(super) fn begins_with_rows(sql: &str) -> bool {
    let words = words(sql);
    ["insert", "update", "delete", "merge", "copy", "truncate", "with", "select"]
        .iter()
        .any(|keyword| begins(&words, keyword))
}
