//! Which database is this, and is it still the same one?

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A target's identity. A physical clone shares the system identifier, so the address and the
/// provider's reference count too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct TargetIdentity {
    /// `pg_control_system().system_identifier`, as text; `None` where the server does not allow reading it.
    pub system_identifier: Option<String>,
    /// `pg_database.oid` of the database.
    pub database_oid: u32,
    /// The database's name.
    pub database: String,
    /// `host:port` it was reached at, or the provider's reference.
    pub address: String,
    /// `server_version_num`.
    pub server_version: u32,
}

/// What stands in the place of a system identifier where it is not known which database something is from. A server's
/// own is a number, so this equals none.
const UNKNOWN: &str = "unknown";

impl TargetIdentity {
    /// Of something that does not tell which database it is from; equal to no database.
    pub fn unknown(database: Option<&str>, address: String, server_version: u32) -> Self {
        Self {
            system_identifier: Some(UNKNOWN.to_owned()),
            database_oid: 0,
            database: database.unwrap_or("not named").to_owned(),
            address,
            server_version,
        }
    }

    /// Whether it is known which database it is.
    pub fn is_known(&self) -> bool {
        self.system_identifier.as_deref() != Some(UNKNOWN)
    }

    /// Short form for the banner: the first four and the last four characters of a digest.
    pub fn short(&self) -> String {
        match &self.system_identifier {
            Some(id) if id.len() > 8 => format!("{}…{}", &id[..4], &id[id.len() - 4..]),
            Some(id) => id.clone(),
            None => format!("oid {}", self.database_oid),
        }
    }

    /// Whether it is the same database; where it was reached at does not matter.
    pub fn is_same_database(&self, other: &Self) -> bool {
        self.is_known()
            && self.system_identifier == other.system_identifier
            && self.database_oid == other.database_oid
            && self.database == other.database
    }

    /// `PostgreSQL 15.18` from the version number.
    pub fn version_words(&self) -> String {
        format!("PostgreSQL {}.{}", self.server_version / 10_000, self.server_version % 10_000)
    }
}

/// The identity that was recorded at first connect, and the ledger last seen there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct IdentityPin {
    /// The identity.
    pub identity: TargetIdentity,
    /// When it was pinned.
    pub pinned_at: DateTime<Utc>,
    /// Ids of the ledger rows last seen; a later ledger must contain them.
    pub ledger_ids: Vec<String>,
}

/// How a target compares with its pin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum IdentityVerdict {
    /// First contact: pinned now.
    First,
    /// The same database as before.
    Same,
    /// Another database; every write is refused until it is pinned again on purpose.
    Different {
        /// What differs, as sentences.
        reasons: Vec<String>,
    },
}

impl IdentityPin {
    /// Compares the database seen now with the pinned one. Name, oid and system identifier must be
    /// equal and the ledger must extend the one last seen; a changed address alone is a move of the
    /// same database and accepted only with an equal system identifier.
    pub fn compare(&self, seen: &TargetIdentity, ledger_ids: &[String]) -> IdentityVerdict {
        let mut reasons = Vec::new();
        let pinned = &self.identity;
        if pinned.system_identifier != seen.system_identifier {
            reasons.push(format!(
                "The server's system identifier was {} and is {}.",
                pinned.system_identifier.as_deref().unwrap_or("not readable"),
                seen.system_identifier.as_deref().unwrap_or("not readable")
            ));
        }
        if pinned.database != seen.database {
            reasons.push(format!("The database was `{}` and is `{}`.", pinned.database, seen.database));
        }
        if pinned.database_oid != seen.database_oid {
            reasons.push(format!(
                "The database's number was {} and is {}: it was dropped and created again, or restored.",
                pinned.database_oid, seen.database_oid
            ));
        }
        if seen.address != pinned.address {
            reasons.push(format!(
                "It was reached at {} and is reached at {}: a physical copy has the same identifier.",
                pinned.address, seen.address
            ));
        }
        let known: std::collections::HashSet<&str> = ledger_ids.iter().map(String::as_str).collect();
        let gone = self.ledger_ids.iter().filter(|id| !known.contains(id.as_str())).count();
        if gone > 0 {
            reasons.push(format!("{gone} ledger rows that were there before are gone."));
        }
        if reasons.is_empty() { IdentityVerdict::Same } else { IdentityVerdict::Different { reasons } }
    }
}
