//! Checklists: what must hold before, during and after a release, each item bound to a check or to a person.

use super::desk::{DeskCheck, ReleaseKind, Stage};
use super::environment::Tier;

/// A checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checklist {
    /// Its file's name without the ending.
    pub id: String,
    /// Title.
    pub title: String,
    /// The releases it is for.
    pub kinds: Vec<ReleaseKind>,
    /// Items in order.
    pub items: Vec<ChecklistItem>,
}

/// An item of a checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChecklistItem {
    /// Names it within its list.
    pub id: String,
    /// Stage.
    pub stage: Stage,
    /// What must hold, in one line.
    pub title: String,
    /// Who or what ticks it.
    pub bound: Bound,
    /// Tiers it is for.
    pub tiers: Vec<Tier>,
}

/// Who or what ticks an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// Evidence.
    Check(DeskCheck),
    /// A person.
    Person {
        /// What there is to do before saying so.
        todo: String,
        /// Minutes after the apply before which it cannot be said.
        after_minutes: Option<u32>,
    },
}
