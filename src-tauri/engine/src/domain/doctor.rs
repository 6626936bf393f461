//! The connection doctor: every hop from this computer to the database, with time and state.

use super::{
    address::Address,
    error::{Failure, FailureCode},
    finding::Outcome,
};
use serde::{Deserialize, Serialize};

/// The hops, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum HopKind {
    /// An SSH host's name to addresses.
    SshNameLookup,
    /// An SSH host's port answers.
    SshTcp,
    /// An SSH host's key is the one on record.
    SshHostKey,
    /// The login on an SSH host.
    SshLogin,
    /// The SSH host allows forwarding.
    SshForwarding,
    /// The SSH host reaches the target.
    SshTarget,
    /// Name to addresses, v4 and v6.
    NameLookup,
    /// Port answers.
    Tcp,
    /// Encryption and certificate.
    Tls,
    /// User and password.
    Authentication,
    /// Database exists and is open.
    Database,
    /// Schema exists.
    Schema,
    /// Session or transaction pooler.
    PoolerMode,
    /// Standby, read-only.
    Writable,
    /// What the user may do.
    Privileges,
    /// Server version.
    ServerVersion,
    /// The same database as pinned.
    Identity,
    /// Runtime and direct address lead to the same database.
    SameDatabase,
}

impl HopKind {
    /// Its name in words.
    pub fn label(self) -> &'static str {
        match self {
            Self::SshNameLookup => "Name lookup of the SSH host",
            Self::SshTcp => "Port of the SSH host",
            Self::SshHostKey => "SSH host key",
            Self::SshLogin => "SSH login",
            Self::SshForwarding => "Forwarding",
            Self::SshTarget => "Target from the SSH host",
            Self::NameLookup => "Name lookup",
            Self::Tcp => "TCP",
            Self::Tls => "TLS certificate",
            Self::Authentication => "Authentication",
            Self::Database => "Database",
            Self::Schema => "Schema",
            Self::PoolerMode => "Pooler mode",
            Self::Writable => "Writable",
            Self::Privileges => "Rights",
            Self::ServerVersion => "Server version",
            Self::Identity => "Identity",
            Self::SameDatabase => "Same database",
        }
    }
}

/// One hop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Hop {
    /// Which.
    pub kind: HopKind,
    /// Its name in words: `Name lookup`.
    pub name: String,
    /// State; `None`: not reached because an earlier hop failed.
    pub outcome: Option<Outcome>,
    /// What was seen, in one line; holds no secret.
    pub evidence: String,
    /// Milliseconds.
    pub milliseconds: Option<f64>,
}

/// The explanation of the hop that needs attention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Explanation {
    /// Hop.
    pub hop: HopKind,
    /// Stable code.
    pub code: FailureCode,
    /// The answer: `Port 6543 gives every transaction another session.`
    pub title: String,
    /// Why that matters.
    pub detail: String,
    /// What was tried, question and answer.
    pub tried: Vec<(String, String)>,
    /// What is unchanged.
    pub unchanged: String,
    /// The one way on.
    pub next: String,
    /// An address that would work, if one is known.
    pub suggestion: Option<Address>,
}

impl Explanation {
    /// Out of a failure's four sentences. `unchanged`: what is said where the failure does not say it.
    pub fn of(hop: HopKind, failure: &Failure, unchanged: &str) -> Self {
        Self {
            hop,
            code: failure.code,
            title: failure.what.clone(),
            detail: failure.why.clone().unwrap_or_default(),
            tried: Vec::new(),
            unchanged: failure.unchanged.clone().unwrap_or_else(|| unchanged.to_owned()),
            next: failure.next.clone().unwrap_or_else(|| "Test again.".to_owned()),
            suggestion: None,
        }
    }
}

/// The doctor's report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct DoctorReport {
    /// The answer in one sentence.
    pub headline: String,
    /// `12 hops in 0.34 s: 10 pass, 1 warns, 1 blocks.`
    pub lead: String,
    /// Hops in order.
    pub hops: Vec<Hop>,
    /// The first hop that blocks (or else the first unknown, or else the first that warns), explained.
    pub explanation: Option<Explanation>,
    /// The identity seen, if it got that far.
    pub identity: Option<super::identity::TargetIdentity>,
    /// Round-trip time, milliseconds.
    pub round_trip_ms: Option<f64>,
    /// Nothing blocks and nothing is unknown.
    pub usable: bool,
    /// The SSH host's key that was not accepted: an unknown one can be compared and pinned.
    #[serde(default)]
    pub host_key: Option<super::ssh::HostKeyReport>,
}
