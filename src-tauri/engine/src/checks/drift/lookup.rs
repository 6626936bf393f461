//! One side of a comparison with its names at hand, so that large schemas compare in one pass.

use crate::domain::catalogue::{Catalogue, Column, Constraint, EnumType, Index, Table};
use std::{collections::HashMap, hash::Hash, ops::Deref};

/// A catalogue and where its objects are.
pub(super) struct Lookup<'a> {
    catalogue: &'a Catalogue,
    table_by_name: HashMap<(&'a str, &'a str), &'a Table>,
    index_by_name: HashMap<(&'a str, &'a str), &'a Index>,
    constraint_by_name: HashMap<(&'a str, &'a str, &'a str), &'a Constraint>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(catalogue: &'a Catalogue) -> Self {
        let table = |each: &'a Table| ((each.schema.as_str(), each.name.as_str()), each);
        let index = |each: &'a Index| ((each.schema.as_str(), each.name.as_str()), each);
        let constraint =
            |each: &'a Constraint| ((each.schema.as_str(), each.table.as_str(), each.name.as_str()), each);
        Self {
            catalogue,
            table_by_name: catalogue.tables.iter().map(table).collect(),
            index_by_name: catalogue.indexes.iter().map(index).collect(),
            constraint_by_name: catalogue.constraints.iter().map(constraint).collect(),
        }
    }

    pub(super) fn table(&self, schema: &str, name: &str) -> Option<&'a Table> {
        self.table_by_name.get(&(schema, name)).copied()
    }

    pub(super) fn column(&self, schema: &str, table: &str, name: &str) -> Option<&'a Column> {
        self.table(schema, table)?.columns.iter().find(|column| column.name == name)
    }

    pub(super) fn index(&self, schema: &str, name: &str) -> Option<&'a Index> {
        self.index_by_name.get(&(schema, name)).copied()
    }

    pub(super) fn constraint(&self, schema: &str, table: &str, name: &str) -> Option<&'a Constraint> {
        self.constraint_by_name.get(&(schema, table, name)).copied()
    }

    pub(super) fn enum_type(&self, schema: &str, name: &str) -> Option<&'a EnumType> {
        self.catalogue.enum_type(schema, name)
    }

    /// A table, view or materialized view of that name.
    pub(super) fn has_relation(&self, schema: &str, name: &str) -> bool {
        self.table(schema, name).is_some()
            || self.catalogue.views.iter().any(|view| view.schema == schema && view.name == name)
    }
}

impl Deref for Lookup<'_> {
    type Target = Catalogue;

    fn deref(&self) -> &Catalogue {
        self.catalogue
    }
}

/// Objects of both sides by their key: all expected ones, then those that are live only.
pub(super) fn pairs<'a, T, K: Eq + Hash>(
    expected: &'a [T],
    live: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    let mut there: HashMap<K, &'a T> = live.iter().map(|each| (key(each), each)).collect();
    let mut pairs: Vec<_> = expected.iter().map(|made| (Some(made), there.remove(&key(made)))).collect();
    let only_live = live.iter().filter(|each| there.contains_key(&key(each)));
    pairs.extend(only_live.map(|each| (None, Some(each))));
    pairs
}
