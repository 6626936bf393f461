//! Well-known passwords tried on the stored hashes of administrators: on production, with consent, few and for a
//! bounded time.

use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::people::{self, PeopleTable, StoredHash};
use crate::domain::{Failure, Finding, Outcome};
use crate::engine::{Engine, Target};
use crate::planner::seed::policy;
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordVerifier};
use std::time::{Duration, Instant};

/// Most administrators of a table whose hashes are tried.
const MOST_ADMINISTRATORS: usize = 20;
/// For how long hashes are tried, all tables together.
const PATIENCE: Duration = Duration::from_secs(15);
/// Largest memory of a hash that is tried, KiB.
const MOST_MEMORY_KIB: u32 = 262_144;
/// Most passes of a hash that is tried.
const MOST_PASSES: u32 = 20;
/// Largest cost of a bcrypt hash that is tried.
const MOST_COST: u32 = 13;

/// What came of the hashes of a table.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tried {
    /// Keys of those whose password is well known.
    weak: Vec<String>,
    /// None of the passwords fits.
    sound: usize,
    /// Not tried to the end: no time, too costly, or of another kind.
    open: usize,
    /// There are others, which were not tried.
    more: bool,
}

impl Engine {
    /// What is to be said of the administrators that a production database has already.
    pub(super) async fn stored_administrators(
        &self,
        target: &Target,
        consent: bool,
    ) -> Result<Vec<Finding>, Failure> {
        let mut connection = target.connector.open_reading("drydock plan").await?;
        let tables = target.connector.read(people::tables(&mut connection)).await;
        let tables = tables.map_err(|error| failure(&error))?;
        if !consent {
            return Ok(tables.iter().map(untried).collect());
        }
        let until = Instant::now() + PATIENCE;
        let mut findings = Vec::new();
        for table in tables {
            let hashes = people::hashes(&mut connection, &table, MOST_ADMINISTRATORS + 1);
            match target.connector.read(hashes).await {
                Ok(hashes) => {
                    let tried = tokio::task::spawn_blocking(move || try_all(&hashes, until));
                    findings.push(tried.await.map_or_else(|_| untried(&table), |tried| told(&table, &tried)));
                }
                Err(error) => {
                    let why = failure(&error);
                    findings.push(untried(&table).detail(why.why.unwrap_or(why.what)));
                }
            }
        }
        Ok(findings)
    }
}

fn name(table: &PeopleTable) -> String {
    format!("{}.{}", table.schema, table.name)
}

fn untried(table: &PeopleTable) -> Finding {
    let title = format!(
        "Whether an administrator in {} has a password that everybody tries is not known.",
        name(table)
    );
    Finding::new("stored-passwords", Outcome::Unknown, title)
        .detail("It is tried on their stored hashes only where the form says so.")
}

fn told(table: &PeopleTable, tried: &Tried) -> Finding {
    let all = tried.weak.len() + tried.sound + tried.open;
    let own = name(table);
    if !tried.weak.is_empty() {
        let who = tried.weak.join(", ");
        let title = match tried.weak.len() {
            1 => format!("An administrator in {own} has a password that anybody tries first: {who}."),
            count => {
                format!("{count} administrators in {own} have passwords that anybody tries first: {who}.")
            }
        };
        return Finding::new("stored-passwords", Outcome::Block, title)
            .detail("Give them other passwords first. Which ones they have is told nowhere.");
    }
    if tried.open > 0 {
        let title = format!("Of {all} administrators in {own}, {} could not be tried.", tried.open);
        return Finding::new("stored-passwords", Outcome::Unknown, title).detail(
            "Their hashes are of a kind that is not known here, too costly, or there was no time left (15 s).",
        );
    }
    if tried.more {
        let title =
            format!("{own} has more than {MOST_ADMINISTRATORS} administrators; only the first were tried.");
        return Finding::new("stored-passwords", Outcome::Unknown, title)
            .detail("None of those has one of 20 passwords that everybody tries.");
    }
    if all == 0 && (!table.flag || table.hidden) {
        let title =
            format!("Whether {own} has an administrator is not known: none was found by its columns.");
        return Finding::new("stored-passwords", Outcome::Unknown, title);
    }
    let title = match all {
        0 => format!("{own} has no administrator yet."),
        1 => format!("The administrator in {own} has none of 20 passwords that everybody tries."),
        all => format!("None of {all} administrators in {own} has one of 20 passwords that everybody tries."),
    };
    Finding::new("stored-passwords", Outcome::Pass, title)
}

fn try_all(hashes: &[StoredHash], until: Instant) -> Tried {
    let mut tried = Tried::default();
    // One more than are tried tells that there are more.
    if hashes.len() > MOST_ADMINISTRATORS {
        tried.more = true;
    }
    for (number, stored) in hashes.iter().enumerate().take(MOST_ADMINISTRATORS) {
        match fits_any(&stored.hash, until) {
            Some(true) => {
                let key = stored.key.as_deref().map(|key| key.chars().take(60).collect());
                tried.weak.push(key.unwrap_or_else(|| format!("number {}", number + 1)));
            }
            Some(false) => tried.sound += 1,
            None => tried.open += 1,
        }
    }
    tried
}

/// Whether one of the well-known passwords fits; `None`: not known.
fn fits_any(hash: &str, until: Instant) -> Option<bool> {
    // Whoever stores the password itself stores no hash.
    if policy::TRIED_FIRST.contains(&hash) {
        return Some(true);
    }
    for password in policy::TRIED_FIRST {
        if Instant::now() >= until {
            return None;
        }
        if fits(hash, password)? {
            return Some(true);
        }
    }
    Some(false)
}

/// Whether a password fits a hash of bcrypt or argon2; `None`: of another kind, damaged, or too costly.
fn fits(hash: &str, password: &str) -> Option<bool> {
    if hash.starts_with("$2") {
        let cost: u32 = hash.split('$').nth(2)?.parse().ok()?;
        return if cost <= MOST_COST { bcrypt::verify(password, hash).ok() } else { None };
    }
    let parsed = PasswordHash::new(hash).ok().filter(|_| hash.starts_with("$argon2"))?;
    let (memory, passes) = (parsed.params.get_decimal("m")?, parsed.params.get_decimal("t")?);
    if memory > MOST_MEMORY_KIB || passes > MOST_PASSES {
        return None;
    }
    match Argon2::default().verify_password(password.as_bytes(), &parsed) {
        Ok(()) => Some(true),
        Err(argon2::password_hash::Error::Password) => Some(false),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_known_passwords_are_found_and_what_cannot_be_tried_is_not_known() {
        let later = Instant::now() + Duration::from_secs(60);
        for (hash, expected) in [
            (bcrypt::hash("password", 4).unwrap_or_default(), Some(true)),
            (bcrypt::hash("mossy-lantern-42-orbit", 4).unwrap_or_default(), Some(false)),
            ("$2b$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuuabcdefghijklmno".to_owned(), None),
            ("$argon2id$v=19$m=4194304,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo".to_owned(), None),
            ("$2b$".to_owned(), None),
            ("pbkdf2_sha256$260000$salt$hash".to_owned(), None),
            ("admin123".to_owned(), Some(true)),
            (String::new(), None),
        ] {
            assert_eq!(fits_any(&hash, later), expected, "{hash}");
        }
        let sound = bcrypt::hash("mossy-lantern-42-orbit", 4).unwrap_or_default();
        assert_eq!(fits_any(&sound, Instant::now()), None, "no time left");
    }
}
