//! What a new database beside the target would meet on the server: rights, names, sessions, what is tied to the one that
//! is there. What could not be read closes the way.

use crate::adapters::postgres::databases::{self, Surroundings};
use crate::adapters::postgres::failure::failure;
use crate::domain::Failure;
use crate::domain::address::Address;
use crate::domain::backup::{Beside, DatabaseForm, Manifest, RestoreInto};
use crate::domain::identity::TargetIdentity;
use crate::runner::backup::beside::outside;
use crate::runner::session::Connector;
use chrono::{DateTime, Local, Utc};
use sqlx::postgres::PgConnection;

/// Bytes of the longest name.
const LONGEST: usize = 63;

/// What there is around the target.
pub(super) struct Around {
    /// Read from the server.
    pub seen: Result<Surroundings, Failure>,
    /// Whether another database lets us in to work from.
    pub outside: Result<(), Failure>,
    /// The backup is of this server.
    pub same_server: bool,
    /// The backup is of the database of this name on this server; it may have been made again since.
    pub same_name: bool,
    /// A platform that keeps its own list of databases.
    pub managed: Option<&'static str>,
}

impl Around {
    /// Reads it.
    pub(super) async fn read(
        connector: &Connector,
        connection: &mut PgConnection,
        manifest: &Manifest,
        identity: &TargetIdentity,
    ) -> Self {
        let seen = connector.read(databases::surroundings(connection)).await.map_err(|error| failure(&error));
        let outside = match outside(connector, "drydock look").await {
            Ok(session) => {
                session.close().await;
                Ok(())
            }
            Err(failure) => Err(failure),
        };
        let from = &manifest.identity;
        let same_server = match (&from.system_identifier, &identity.system_identifier) {
            (Some(then), Some(now)) => then == now,
            (None, None) => from.address == identity.address,
            _ => false,
        };
        Self {
            seen,
            outside,
            same_server,
            same_name: same_server && from.database == identity.database,
            managed: managed(&connector.address),
        }
    }

    /// Owners and rights can be as they were: the roles are there, and this login may act for them.
    pub(super) fn with_owners(&self) -> bool {
        match &self.seen {
            Ok(seen) => self.same_server && (seen.superuser || (self.same_name && seen.strangers.is_empty())),
            Err(_) => false,
        }
    }

    /// A name for a new database, none that is taken.
    pub(super) fn free_name(&self, database: &str, at: DateTime<Utc>) -> String {
        let end = at.with_timezone(&Local).format("_%Y%m%d_%H%M").to_string();
        self.free(&joined(database, &end))
    }

    fn free(&self, name: &str) -> String {
        free_of(self.seen.as_ref().map(|seen| seen.databases.as_slice()).unwrap_or_default(), name)
    }

    /// Why a name cannot be given; `None`: it can.
    pub(super) fn unfit(&self, name: &str) -> Option<String> {
        if name.is_empty() || name.len() > LONGEST {
            return Some(format!("A database's name has 1 to {LONGEST} bytes; this one has {}.", name.len()));
        }
        if name.chars().any(char::is_control) || name.trim() != name {
            return Some("A name has no line breaks, and no blanks at its ends.".to_owned());
        }
        let seen = self.seen.as_ref().ok()?;
        seen.databases
            .iter()
            .any(|other| other == name)
            .then(|| format!("There is a database {name} already."))
    }

    /// The database that a restore makes; `None`: in place, or nothing is known of the server.
    pub(super) fn beside(
        &self,
        into: &RestoreInto,
        manifest: &Manifest,
        token: &str,
        now: DateTime<Utc>,
    ) -> Option<Beside> {
        let seen = self.seen.as_ref().ok()?;
        let frame = &seen.frame;
        let (name, kept_as) = match into {
            RestoreInto::Target => return None,
            RestoreInto::NewDatabase { name } => (name.clone(), None),
            RestoreInto::Swap => {
                let current = manifest.identity.database.clone();
                let end = now.with_timezone(&Local).format("_before_%Y%m%d_%H%M").to_string();
                (current.clone(), Some(self.free(&joined(&current, &end))))
            }
        };
        // The manifest does not name the provider of the locale; the database that it is from does.
        let alike = self.same_name
            && (&frame.encoding, &frame.collate, &frame.ctype)
                == (&manifest.encoding, &manifest.locale.0, &manifest.locale.1);
        let swapped = kept_as.is_some();
        let form = DatabaseForm {
            owner: swapped.then(|| frame.owner.clone()),
            encoding: manifest.encoding.clone(),
            collate: manifest.locale.0.clone(),
            ctype: manifest.locale.1.clone(),
            provider: if alike { frame.provider.clone() } else { "c".to_owned() },
            locale: frame.locale.clone().filter(|_| alike),
            rules: frame.rules.clone().filter(|_| alike),
            // The usual one is nobody's to name but a superuser's, and needs no name.
            tablespace: (swapped && frame.tablespace != "pg_default").then(|| frame.tablespace.clone()),
        };
        let making = joined(&name, &format!("_drydock_{token}"));
        Some(Beside { making, name, kept_as, form, with_owners: self.with_owners() })
    }
}

/// The name, with a number where it is taken.
pub(super) fn free_of(taken: &[String], name: &str) -> String {
    let mut free = name.to_owned();
    let mut number = 2;
    while taken.contains(&free) {
        free = joined(name, &format!("_{number}"));
        number += 1;
    }
    free
}

/// A name with an end, cut so that both fit.
pub(super) fn joined(name: &str, end: &str) -> String {
    let mut start = name;
    while start.len() + end.len() > LONGEST {
        let mut characters = start.chars();
        characters.next_back();
        start = characters.as_str();
    }
    format!("{start}{end}")
}

/// A platform that knows its databases by itself.
fn managed(address: &Address) -> Option<&'static str> {
    let host = address.host.to_ascii_lowercase();
    [
        (".supabase.co", "Supabase"),
        (".supabase.com", "Supabase"),
        (".neon.tech", "Neon"),
        (".db.ondigitalocean.com", "DigitalOcean"),
        (".aivencloud.com", "Aiven"),
        (".render.com", "Render"),
        ("db.prisma.io", "Prisma Postgres"),
    ]
    .into_iter()
    .find(|(end, _)| host.ends_with(end))
    .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_so_that_their_end_stays() {
        assert_eq!(joined("shop", "_before_20261129_1402"), "shop_before_20261129_1402");
        let long = joined(&"ä".repeat(40), "_drydock_1a2b3c4d");
        assert!(long.len() <= LONGEST && long.ends_with("ä_drydock_1a2b3c4d"), "{long}");
    }
}
