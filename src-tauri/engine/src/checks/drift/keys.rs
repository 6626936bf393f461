//! Indexes and constraints. The same thing under another name is cosmetic; a unique index and a
//! unique constraint over the same columns keep the same rows out.

use super::{Comparison, Draft};
use crate::domain::{
    catalogue::{Constraint, ConstraintKind, Index, ObjectRef, Table},
    drift::DriftClass,
    statement::ObjectKind,
};
use std::collections::HashSet;

/// Names of live objects that stand in for an expected one of another name.
#[derive(Default)]
struct Taken {
    indexes: HashSet<(String, String)>,
    constraints: HashSet<(String, String, String)>,
}

impl Comparison<'_> {
    pub(super) fn keys(&mut self) {
        let mut taken = Taken::default();
        self.missing_constraints(&mut taken);
        self.missing_indexes(&mut taken);
        self.extra_constraints(&taken);
        self.extra_indexes(&taken);
    }

    fn missing_constraints(&mut self, taken: &mut Taken) {
        let (expected, live) = (self.expected, self.live);
        for constraint in &expected.constraints {
            if let Some(there) = live.constraint(&constraint.schema, &constraint.table, &constraint.name) {
                self.constraint(constraint, there);
                continue;
            }
            if self.gone_with_its_table_or_column(&constraint.schema, &constraint.table, &constraint.columns)
                || self.leads_to_a_missing_table(constraint)
            {
                continue;
            }
            let object = constraint_object(constraint);
            let twin = live.constraints.iter().find(|there| {
                same_table(there, constraint)
                    && (there.kind, &there.definition) == (constraint.kind, &constraint.definition)
                    && expected.constraint(&there.schema, &there.table, &there.name).is_none()
                    && !taken.constraints.contains(&constraint_key(there))
            });
            if let Some(twin) = twin {
                taken.constraints.insert(constraint_key(twin));
                let sentence = format!(
                    "{} `{}` is there under the name `{}`.",
                    constraint.kind.words(),
                    constraint.name,
                    twin.name
                );
                let (made, there) = (constraint.name.clone(), twin.name.clone());
                self.report(&object, Draft::different(DriftClass::Cosmetic, sentence, made, there));
                continue;
            }
            if constraint.kind == ConstraintKind::Unique
                && let Some(own) = expected.index(&constraint.schema, &constraint.name)
                && let Some(index) = self.free_live_twin(own, taken)
            {
                taken.indexes.insert((index.schema.clone(), index.name.clone()));
                let sentence = format!(
                    "Unique constraint `{}` is there as the unique index `{}`.",
                    constraint.name, index.name
                );
                let draft = Draft::different(
                    DriftClass::Harmless,
                    sentence,
                    constraint.definition.clone(),
                    index.text(),
                );
                self.report(&object, draft);
                continue;
            }
            let sentence = format!(
                "{} `{}` on {} is missing{}.",
                constraint.kind.words(),
                constraint.name,
                self.parent(&object),
                consequence(constraint.kind)
            );
            self.report(
                &object,
                Draft::missing(DriftClass::Dangerous, sentence, constraint.definition.clone()),
            );
        }
    }

    /// A constraint that both have.
    fn constraint(&mut self, expected: &Constraint, live: &Constraint) {
        let object = constraint_object(expected);
        let name = format!("{} `{}` on {}", expected.kind.words(), expected.name, self.parent(&object));
        let text = |of: &Constraint| {
            if of.validated { of.definition.clone() } else { format!("{} NOT VALID", of.definition) }
        };
        let (class, sentence) = if (expected.kind, &expected.definition) != (live.kind, &live.definition) {
            (DriftClass::Dangerous, format!("{name} says something else than its migration."))
        } else if expected.validated && !live.validated {
            (
                DriftClass::Dangerous,
                format!("{name} was never checked against the rows that were there before it."),
            )
        } else if live.validated && !expected.validated {
            (
                DriftClass::Harmless,
                format!("{name} was checked against all rows; its migration leaves that out."),
            )
        } else {
            return;
        };
        self.report(&object, Draft::different(class, sentence, text(expected), text(live)));
    }

    fn missing_indexes(&mut self, taken: &mut Taken) {
        let (expected, live) = (self.expected, self.live);
        for index in expected.indexes.iter().filter(|index| !index.of_constraint) {
            let object = index_object(index);
            if let Some(there) = live.index(&index.schema, &index.name) {
                self.index(&object, index, there);
                continue;
            }
            if self.gone_with_its_table_or_column(&index.schema, &index.table, &index.columns) {
                continue;
            }
            if let Some(twin) = self.free_live_twin(index, taken) {
                taken.indexes.insert((twin.schema.clone(), twin.name.clone()));
                let role = if twin.of_constraint { "as the constraint" } else { "under the name" };
                if twin.of_constraint {
                    taken.constraints.insert((twin.schema.clone(), twin.table.clone(), twin.name.clone()));
                }
                let sentence = format!("Index `{}` is there {role} `{}`.", index.name, twin.name);
                let (made, there) = (index.name.clone(), twin.name.clone());
                self.report(&object, Draft::different(DriftClass::Cosmetic, sentence, made, there));
                continue;
            }
            let (class, so) = if index.unique {
                (DriftClass::Dangerous, format!("{} may hold doubles", self.parent(&object)))
            } else {
                (DriftClass::Harmless, "queries that use it are slower".to_owned())
            };
            let sentence = format!("{} is missing; {so}.", self.title(&object));
            self.report(&object, Draft::missing(class, sentence, index.text()));
        }
    }

    /// An index that both have.
    fn index(&mut self, object: &ObjectRef, expected: &Index, live: &Index) {
        let title = self.title(object);
        let (class, sentence) = if !live.valid || !live.ready {
            let so = if live.unique {
                "queries do not use it, and doubles may be there"
            } else {
                "queries do not use it"
            };
            (DriftClass::Dangerous, format!("{title} is INVALID, left by an interrupted build: {so}."))
        } else if expected.table != live.table {
            (
                DriftClass::Dangerous,
                format!("{title} is on `{}`; its migration puts it on `{}`.", live.table, expected.table),
            )
        } else if expected.shape() != live.shape() {
            let what = match (expected.unique, live.unique) {
                (true, false) => "lets doubles in; its migration says it must not",
                (false, true) => "refuses doubles; its migration says it does not",
                (true, true) => "refuses doubles over something else than its migration says",
                (false, false) => "is built in another way than its migration says; queries may be slower",
            };
            let class =
                if expected.unique || live.unique { DriftClass::Dangerous } else { DriftClass::Harmless };
            (class, format!("{title} {what}."))
        } else {
            return;
        };
        self.report(object, Draft::different(class, sentence, expected.text(), live.text()));
    }

    fn extra_constraints(&mut self, taken: &Taken) {
        let (expected, live) = (self.expected, self.live);
        for constraint in &live.constraints {
            if expected.constraint(&constraint.schema, &constraint.table, &constraint.name).is_some()
                || expected.table(&constraint.schema, &constraint.table).is_none()
                || taken.constraints.contains(&constraint_key(constraint))
                || self.no_longer_a_partition(&constraint.schema, &constraint.table)
                || self.came_with_an_extra_column(&constraint.schema, &constraint.table, &constraint.columns)
            {
                continue;
            }
            let object = constraint_object(constraint);
            let sentence = format!(
                "{} `{}` on {} is on the database only; it may refuse rows that the app writes.",
                constraint.kind.words(),
                constraint.name,
                self.parent(&object)
            );
            self.report(
                &object,
                Draft::extra(DriftClass::Dangerous, sentence, constraint.definition.clone()),
            );
        }
    }

    fn extra_indexes(&mut self, taken: &Taken) {
        let (expected, live) = (self.expected, self.live);
        for index in live.indexes.iter().filter(|index| !index.of_constraint) {
            if expected.index(&index.schema, &index.name).is_some()
                || !expected.has_relation(&index.schema, &index.table)
                || taken.indexes.contains(&(index.schema.clone(), index.name.clone()))
                || self.no_longer_a_partition(&index.schema, &index.table)
            {
                continue;
            }
            let object = index_object(index);
            let title = self.title(&object);
            let (class, sentence) = if !index.valid {
                let text = "is on the database only and INVALID: it slows writes and serves no query";
                (DriftClass::Harmless, format!("{title} {text}."))
            } else if index.unique
                && !self.came_with_an_extra_column(&index.schema, &index.table, &index.columns)
            {
                let text = "is on the database only; it may refuse rows that the app writes";
                (DriftClass::Dangerous, format!("{title} {text}."))
            } else {
                (
                    DriftClass::Harmless,
                    format!("{title} is on the database only; no applied migration makes it."),
                )
            };
            self.report(&object, Draft::extra(class, sentence, index.text()));
        }
    }

    /// A valid live index of the same shape on the same table that has no expected one of its own.
    fn free_live_twin(&self, index: &Index, taken: &Taken) -> Option<&Index> {
        self.live.indexes.iter().find(|there| {
            (&there.schema, &there.table, there.shape()) == (&index.schema, &index.table, index.shape())
                && there.valid
                && self.expected.index(&there.schema, &there.name).is_none()
                && !taken.indexes.contains(&(there.schema.clone(), there.name.clone()))
                && !taken.constraints.contains(&(
                    there.schema.clone(),
                    there.table.clone(),
                    there.name.clone(),
                ))
        })
    }

    /// The missing table or column is reported already, and it took this with it.
    fn gone_with_its_table_or_column(&self, schema: &str, table: &str, columns: &[String]) -> bool {
        let gone_column = |name: &String| self.live.column(schema, table, name).is_none();
        match self.live.table(schema, table) {
            Some(_) => columns.iter().any(gone_column),
            None => !self.live.has_relation(schema, table),
        }
    }

    fn leads_to_a_missing_table(&self, constraint: &Constraint) -> bool {
        constraint.references.as_ref().is_some_and(|to| {
            let has = |tables: &[Table]| {
                tables.iter().any(|table| format!("{}.{}", table.schema, table.name) == *to)
            };
            has(&self.expected.tables) && !has(&self.live.tables)
        })
    }

    /// A partition's share of its parent's indexes and constraints shows once it is detached; the
    /// detachment is the difference.
    fn no_longer_a_partition(&self, schema: &str, table: &str) -> bool {
        let attached = |side: &super::lookup::Lookup<'_>| {
            side.table(schema, table).is_some_and(|table| table.partition_bound.is_some())
        };
        attached(self.expected) && !attached(self.live)
    }

    /// All its columns are on the database only, so no write of the app meets it.
    fn came_with_an_extra_column(&self, schema: &str, table: &str, columns: &[String]) -> bool {
        !columns.is_empty() && columns.iter().all(|name| self.expected.column(schema, table, name).is_none())
    }
}

fn consequence(kind: ConstraintKind) -> &'static str {
    match kind {
        ConstraintKind::PrimaryKey | ConstraintKind::Unique => "; doubles may come in",
        ConstraintKind::ForeignKey => "; rows may point to nothing",
        ConstraintKind::Check | ConstraintKind::Exclusion => "; rows that it refuses may come in",
    }
}

fn same_table(one: &Constraint, other: &Constraint) -> bool {
    (&one.schema, &one.table) == (&other.schema, &other.table)
}

fn constraint_key(constraint: &Constraint) -> (String, String, String) {
    (constraint.schema.clone(), constraint.table.clone(), constraint.name.clone())
}

fn constraint_object(constraint: &Constraint) -> ObjectRef {
    ObjectRef::part(ObjectKind::Constraint, &constraint.schema, &constraint.table, &constraint.name)
}

fn index_object(index: &Index) -> ObjectRef {
    ObjectRef::part(ObjectKind::Index, &index.schema, &index.table, &index.name)
}
