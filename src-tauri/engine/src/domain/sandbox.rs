//! The embedded sandbox as the operator sees it.

use serde::{Deserialize, Serialize};

/// The sandbox's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SandboxStatus {
    /// The toolkit is there and its files are what they should be.
    pub available: bool,
    /// What is missing, and for which platform.
    pub problem: Option<String>,
    /// The server answers.
    pub running: bool,
    /// `PostgreSQL 18.4`.
    pub version: Option<String>,
    /// Loopback port while it runs.
    pub port: Option<u16>,
    /// Data folder.
    pub folder: String,
}
