//! Drift: in what the live schema differs from what the applied migrations make.

use super::statement::ObjectKind;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How bad a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum DriftClass {
    /// The app fails, or may.
    Dangerous,
    /// Could not be compared; does not count as the same.
    Unknown,
    /// The app works the same.
    Harmless,
    /// Order and names only.
    Cosmetic,
}

/// Which side has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum DriftSide {
    /// Migrations make it, the live schema lacks it.
    MissingLive,
    /// The live schema has it, no migration makes it.
    ExtraLive,
    /// Both have it, differently.
    Different,
    /// Not comparable.
    NotCompared,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Difference {
    /// Class.
    pub class: DriftClass,
    /// Side.
    pub side: DriftSide,
    /// Kind of object.
    pub kind: ObjectKind,
    /// Qualified name.
    pub object: String,
    /// The difference as a sentence.
    pub sentence: String,
    /// What the migrations make, as definition text.
    pub expected: Option<String>,
    /// What the live schema has, as definition text.
    pub live: Option<String>,
    /// The applied migration that makes (or last touched) it.
    pub culprit: Option<String>,
    /// The pending or failed migration that settles it.
    pub settled_by: Option<String>,
}

/// The comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct DriftReport {
    /// The answer in one sentence.
    pub headline: String,
    /// How it was found: `26 migrations replayed on a scratch copy, PostgreSQL 18.4, in 3 s`.
    pub lead: String,
    /// Differences, most dangerous first.
    pub differences: Vec<Difference>,
    /// Objects compared.
    pub compared: u32,
    /// Migrations replayed.
    pub replayed: u32,
    /// What could not be replayed, by name and reason.
    pub not_replayed: Vec<String>,
    /// Version of the scratch server.
    pub scratch_version: String,
    /// Version of the target.
    pub live_version: String,
    /// A version gap between both, named; never reported as drift.
    pub version_gap: Option<String>,
    /// When the target was read.
    pub read_at: DateTime<Utc>,
}
