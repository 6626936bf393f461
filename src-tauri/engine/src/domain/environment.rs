//! Environments: a named place with a tier, a target and guard rules.

use super::{
    address::Address,
    identity::IdentityPin,
    secret::Credential,
    transport::{Transport, TransportDraft},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How careful Drydock must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Real users' data.
    Production,
    /// A copy to try things on.
    Staging,
    /// Anything goes.
    Development,
}

/// The limits every plan on the environment obeys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct GuardRules {
    /// Give up waiting for a lock after this many milliseconds, then take all back and try again.
    pub lock_timeout_ms: u32,
    /// How many times to try again.
    pub lock_retries: u32,
    /// Time limit of a migration's statement in milliseconds; `None`: no limit.
    pub statement_timeout_ms: Option<u32>,
    /// Time limit of checks and probes in milliseconds; beyond it a check is unknown.
    pub check_timeout_ms: u32,
    /// A dry run holds blocking locks at most this many milliseconds; fixed at 2000 for production.
    pub dry_run_lock_ms: u32,
    /// A dry run writes at most this share of the free space, percent; fixed at 10 for production.
    pub dry_run_space_percent: u32,
    /// Size of the disk that holds the server's files, in gigabytes, as the operator knows it; `None`: not
    /// told. PostgreSQL cannot be asked for free space.
    #[serde(default)]
    pub server_disk_gb: Option<u32>,
    /// The environment's name is typed before a write; always on for production.
    pub typed_confirmation: bool,
    /// A restore point is required before a write; always on for production.
    pub restore_point: bool,
}

impl GuardRules {
    /// The rules an environment of a tier starts with.
    pub fn for_tier(tier: Tier) -> Self {
        let production = tier == Tier::Production;
        Self {
            lock_timeout_ms: if production { 1_000 } else { 5_000 },
            lock_retries: if production { 8 } else { 3 },
            statement_timeout_ms: None,
            check_timeout_ms: 15_000,
            dry_run_lock_ms: if production { 2_000 } else { 30_000 },
            dry_run_space_percent: if production { 10 } else { 50 },
            server_disk_gb: None,
            typed_confirmation: production,
            restore_point: production,
        }
    }

    /// The same rules with what the tier fixes put back.
    pub fn clamped(mut self, tier: Tier) -> Self {
        self.lock_timeout_ms = self.lock_timeout_ms.clamp(50, 600_000);
        self.lock_retries = self.lock_retries.min(1_000);
        self.check_timeout_ms = self.check_timeout_ms.clamp(500, 600_000);
        self.dry_run_space_percent = self.dry_run_space_percent.clamp(1, 90);
        self.server_disk_gb = self.server_disk_gb.map(|disk| disk.clamp(1, 1_000_000));
        if tier == Tier::Production {
            self.dry_run_lock_ms = 2_000;
            self.dry_run_space_percent = 10;
            self.typed_confirmation = true;
            self.restore_point = true;
        }
        self
    }
}

/// Where the migration set's files come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct MigrationSource {
    /// Absolute path of the folder that holds the migrations.
    pub folder: String,
}

/// One way to the target: its address and the handle of its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Access {
    /// The address without secret.
    pub address: Address,
    /// The password's handle; `None`: the server asks for none (trust, peer) or a root decides.
    pub password: Option<Credential>,
}

/// A named place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Environment {
    /// Random id.
    pub id: String,
    /// Unique name, as typed to confirm a write.
    pub name: String,
    /// Tier.
    pub tier: Tier,
    /// Colour of the mark in the rail, a token's name; never the only sign of anything.
    pub colour: Colour,
    /// The app's own address, often a pooler; shown and compared, never used for migrations.
    pub runtime: Option<Access>,
    /// The direct or session address: everything Drydock does goes here.
    pub direct: Access,
    /// How both addresses are reached.
    #[serde(default)]
    pub transport: Transport,
    /// Limits.
    pub rules: GuardRules,
    /// The migration set, once chosen.
    pub migrations: Option<MigrationSource>,
    /// The identity recorded at first connect.
    pub pin: Option<IdentityPin>,
    /// True for the embedded sandbox.
    pub sandbox: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Colours an operator can tell environments apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// The tier's own.
    Tier,
    /// Blue.
    Blue,
    /// Green.
    Green,
    /// Amber.
    Amber,
    /// Violet.
    Violet,
    /// Grey.
    Grey,
}

/// What the form sends: an environment without id, pin and time. Passwords are handles of pending or
/// stored credentials, never text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct EnvironmentDraft {
    /// Unique name.
    pub name: String,
    /// Tier.
    pub tier: Tier,
    /// Colour.
    pub colour: Colour,
    /// The app's own address.
    pub runtime: Option<AccessDraft>,
    /// The direct or session address.
    pub direct: AccessDraft,
    /// How both addresses are reached.
    #[serde(default)]
    pub transport: TransportDraft,
    /// Limits.
    pub rules: GuardRules,
    /// Migrations folder or project root, as chosen.
    pub migrations_folder: Option<String>,
}

/// One way to the target as the form sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct AccessDraft {
    /// The address without secret.
    pub address: Address,
    /// What to do about the password.
    pub password: PasswordChoice,
}

/// What to do about a password on saving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PasswordChoice {
    /// None is needed.
    None,
    /// Keep the stored one.
    Keep,
    /// Store the pending one under this handle.
    Pending {
        /// Handle given when it was set.
        handle: String,
        /// Where to keep it.
        keeping: super::secret::Keeping,
    },
}

/// An environment as the rail lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct EnvironmentSummary {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Tier.
    pub tier: Tier,
    /// Colour.
    pub colour: Colour,
    /// True for the embedded sandbox.
    pub sandbox: bool,
    /// The last known status word; `None`: not read since the console started.
    pub status: Option<EnvironmentStatus>,
}

/// The word beside an environment in the rail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentStatus {
    /// All instruments that were read pass.
    Pass,
    /// Something is worth a look.
    Warn,
    /// Something is broken or waits for repair.
    Block,
    /// Something could not be read.
    Unknown,
    /// A run is on.
    Running,
    /// Read too long ago.
    Stale,
}
