//! Taking migrations back: from the schema as it was without them and as it is with them, the statements that lead
//! from the one to the other, in an order that references and uses allow. Nothing is dropped with CASCADE: what hangs
//! on it and is not the migrations' own stops it, by name.

mod enums;
mod finish;
mod remove;
mod tables;
mod types;

use crate::domain::backup::TableName;
use crate::domain::catalogue::{
    Catalogue, Constraint, EnumType, Function, Index, OtherType, Policy, Sequence, Table, Trigger, View,
};
use crate::domain::plan::RepairStatement;

/// What leads back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenBack {
    /// Takes away what was made.
    pub remove: Vec<RepairStatement>,
    /// Makes tables and columns again.
    pub make: Vec<RepairStatement>,
    /// Makes the rest again.
    pub finish: Vec<RepairStatement>,
    /// Tables that were made and go.
    pub gone: Vec<TableName>,
    /// Tables that were dropped and come back.
    pub back: Vec<TableName>,
    /// Columns that were dropped and come back.
    pub columns: Vec<(TableName, Vec<String>)>,
    /// What stays, or comes back differently.
    pub notes: Vec<String>,
}

impl TakenBack {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.make.is_empty() && self.finish.is_empty()
    }
}

/// From `after` back to `before`; `live` tells what is really there. Of what others made in between nothing is
/// touched.
pub fn take_back(before: &Catalogue, after: &Catalogue, live: &Catalogue) -> TakenBack {
    let mut way = Way { before, after, live, out: TakenBack::default() };
    way.remove_what_hangs_on_tables();
    way.remove_tables();
    way.remove_columns();
    way.rebuild_enums();
    way.remove_functions_and_types();
    way.make_functions_and_types();
    way.make_tables();
    way.make_columns();
    way.finish_constraints_and_indexes();
    way.finish_what_hangs_on_tables();
    way.notes();
    way.out
}

/// An object that is told apart from others of its kind by up to three names.
trait Named {
    fn names(&self) -> [&str; 3];
}

macro_rules! named {
    ($($kind:ty: $first:ident, $second:ident $(, $third:ident)?;)*) => {
        $(impl Named for $kind {
            fn names(&self) -> [&str; 3] {
                [&self.$first, &self.$second, named!(@third self $($third)?)]
            }
        })*
    };
    (@third $of:ident $third:ident) => { &$of.$third };
    (@third $of:ident) => { "" };
}

named! {
    Constraint: schema, table, name;
    EnumType: schema, name;
    Function: schema, name, arguments;
    Index: schema, name;
    OtherType: schema, name;
    Policy: schema, table, name;
    Sequence: schema, name;
    Table: schema, name;
    Trigger: schema, table, name;
    View: schema, name;
}

/// The one of the same names.
fn same<'a, T: Named>(among: &'a [T], one: &T) -> Option<&'a T> {
    among.iter().find(|other| other.names() == one.names())
}

struct Way<'a> {
    before: &'a Catalogue,
    after: &'a Catalogue,
    live: &'a Catalogue,
    out: TakenBack,
}

impl<'a> Way<'a> {
    /// What the migrations made, or changed to be no longer alike, and is still there.
    fn made<T: Named + 'a>(
        &self,
        of: impl Fn(&'a Catalogue) -> &'a [T],
        alike: impl Fn(&T, &T) -> bool,
    ) -> Vec<&'a T> {
        let (before, live) = (of(self.before), of(self.live));
        of(self.after)
            .iter()
            .filter(|each| same(live, each).is_some())
            .filter(|each| same(before, each).is_none_or(|old| !alike(old, each)))
            .collect()
    }

    /// As it was: what the migrations dropped and nobody made again, or changed to be no longer alike.
    fn lost<T: Named + 'a>(
        &self,
        of: impl Fn(&'a Catalogue) -> &'a [T],
        alike: impl Fn(&T, &T) -> bool,
    ) -> Vec<&'a T> {
        let (after, live) = (of(self.after), of(self.live));
        of(self.before)
            .iter()
            .filter(|each| match same(after, each) {
                Some(now) => !alike(each, now),
                None => same(live, each).is_none(),
            })
            .collect()
    }

    /// Tables that were there before the migrations.
    fn was_there(&self, schema: &str, table: &str) -> bool {
        self.before.table(schema, table).is_some()
    }

    fn remove(&mut self, sql: String, summary: String) {
        self.out.remove.push(say(sql, summary));
    }

    fn make(&mut self, sql: String, summary: String) {
        self.out.make.push(say(sql, summary));
    }

    fn finish(&mut self, sql: String, summary: String) {
        self.out.finish.push(say(sql, summary));
    }

    fn notes(&mut self) {
        let new = self
            .after
            .extensions
            .iter()
            .filter(|each| !self.before.extensions.iter().any(|old| old.name == each.name));
        self.out.notes.extend(new.map(|extension| {
            format!("The extension {} stays: it does no harm, and others may use it by now.", extension.name)
        }));
    }
}

/// It exists: two of the same names are alike.
fn any<T>(_: &T, _: &T) -> bool {
    true
}

fn say(sql: impl Into<String>, summary: impl Into<String>) -> RepairStatement {
    RepairStatement { sql: sql.into(), summary: summary.into(), destructive: false }
}

/// It takes data with it.
fn say_destructive(sql: String, summary: String) -> RepairStatement {
    RepairStatement { sql, summary, destructive: true }
}

fn table_name(schema: &str, name: &str) -> TableName {
    TableName::new(schema, name)
}
