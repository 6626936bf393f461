//! What may not run on production: profiles that say so, test accounts, passwords that everybody knows, and
//! rows that would be written again at every run.

use crate::domain::environment::Tier;
use crate::domain::profile::{Form, Profile, Rows, TableBlock, Work, WrittenOn};
use crate::domain::secret::Secret;
use crate::domain::seed::PasswordVerdict;
use crate::domain::{Finding, Outcome};

/// Passwords and their parts that a list of common ones need not hold to be refused.
const KNOWN: [&str; 12] = [
    "admin",
    "admin123",
    "changeme",
    "demo",
    "letmein",
    "passw0rd",
    "password",
    "password1",
    "root",
    "secret",
    "test",
    "test123",
];
/// Passwords that anybody tries first, to be tried on stored hashes.
pub const TRIED_FIRST: [&str; 20] = [
    "admin",
    "admin123",
    "password",
    "password1",
    "password123",
    "passw0rd",
    "changeme",
    "letmein",
    "welcome",
    "root",
    "secret",
    "test",
    "test123",
    "demo",
    "123456",
    "12345678",
    "123456789",
    "qwerty",
    "qwerty123",
    "administrator",
];
/// Domains that nobody gets mail at.
const NOWHERE: [&str; 8] = [
    "admin.com",
    "demo.com",
    "example.com",
    "example.net",
    "example.org",
    "localhost",
    "test.com",
    "test.test",
];

/// Why a profile may not run on a tier, as a sentence.
pub fn refused(profile: &Profile, tier: Tier) -> Option<String> {
    if profile.tiers.contains(&tier) {
        return None;
    }
    let allowed: Vec<&str> = profile.tiers.iter().map(|tier| word(*tier)).collect();
    Some(format!("The profile may run on {} only.", allowed.join(" and ")))
}

/// The tier as a word.
pub fn word(tier: Tier) -> &'static str {
    match tier {
        Tier::Production => "production",
        Tier::Staging => "staging",
        Tier::Development => "development",
    }
}

/// How hard a password is to guess. `about`: what an attacker knows of the account.
pub fn judge(password: &Secret, about: &[&str]) -> PasswordVerdict {
    let text = password.reveal();
    let lower = text.to_lowercase();
    if text.is_empty() {
        return PasswordVerdict { score: 0, outcome: Outcome::Block, words: "Nothing was typed.".to_owned() };
    }
    if KNOWN.contains(&lower.as_str()) {
        return PasswordVerdict {
            score: 0,
            outcome: Outcome::Block,
            words: "It is one of the first passwords that anybody tries.".to_owned(),
        };
    }
    // Longer ones would take long to judge, and are not weak by their length.
    let judged: String = text.chars().take(100).collect();
    let score = u8::from(zxcvbn::zxcvbn(&judged, about).score());
    let length = text.chars().count();
    let (outcome, words) = match score {
        _ if length < 8 => (Outcome::Block, "It is shorter than 8 characters."),
        0 | 1 => (Outcome::Block, "It is on the lists of common passwords, or nearly so."),
        2 => (Outcome::Warn, "It can be guessed with some effort; a longer one is better."),
        3 => (Outcome::Pass, "It is hard to guess."),
        _ => (Outcome::Pass, "It is very hard to guess."),
    };
    PasswordVerdict { score, outcome, words: words.to_owned() }
}

/// Accounts in a profile's rows that only exist for trying things, as findings. `answer` tells what an input
/// was answered with.
pub fn test_accounts(profile: &Profile, answer: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let Work::Tables(blocks) = &profile.work else { return Vec::new() };
    let mut findings = Vec::new();
    for block in blocks {
        let Rows::Given(rows) = &block.rows else { continue };
        for row in rows {
            for (_, cell) in &row.cells {
                let text = match &cell.form {
                    Form::Text(text) => Some(text.clone()),
                    Form::Input(input) => answer(input),
                    _ => None,
                };
                let Some(text) = text.filter(|text| is_test_account(text)) else { continue };
                findings.push(
                    Finding::new("test-account", Outcome::Block, format!("`{text}` is a test account."))
                        .detail(format!(
                            "{}, line {}: nobody gets mail there. It does not belong on production.",
                            row.at.file, row.at.line
                        )),
                );
            }
        }
    }
    findings
}

fn is_test_account(text: &str) -> bool {
    let Some((user, domain)) = text.split_once('@') else { return false };
    let domain = domain.to_lowercase();
    !user.is_empty()
        && !user.contains(char::is_whitespace)
        && NOWHERE.iter().any(|nowhere| domain == *nowhere || domain.ends_with(&format!(".{nowhere}")))
}

/// Columns that hold secrets by their name, whatever anybody says of them.
pub fn sounds_secret(name: &str) -> bool {
    let name = parted(name);
    [
        "password",
        "passwd",
        "secret",
        "api_key",
        "apikey",
        "private_key",
        "access_key",
        "credential",
        "jwt",
        "bearer",
    ]
    .iter()
    .any(|word| name.contains(word))
        || [
            "hash",
            "token",
            "otp",
            "pin",
            "sid",
            "session",
            "session_id",
            "authorization",
            "cookie",
            "set_cookie",
        ]
        .contains(&name.as_str())
        || ["_token", "_tokens", "token_hash", "_cookie", "_sid"].iter().any(|end| name.ends_with(end))
        || name == "tokens"
}

/// A name in small letters, its words parted by `_`: `accessToken` and `Access-Token` are `access_token`.
fn parted(name: &str) -> String {
    let mut parted = String::new();
    let mut was_small = false;
    for character in name.chars() {
        if character.is_uppercase() && was_small {
            parted.push('_');
        }
        was_small = character.is_lowercase() || character.is_numeric();
        parted.extend(if character == '-' { vec!['_'] } else { character.to_lowercase().collect() });
    }
    parted
}

/// Columns that tell who somebody is, by their name.
pub fn is_personal(name: &str) -> bool {
    let name = parted(name);
    ["email", "e_mail", "phone", "address"]
        .iter()
        .any(|word| name == *word || name.ends_with(&format!("_{word}")))
}

/// Columns that would be written again at every run, by table: `orders.token`.
pub fn never_settles(blocks: &[TableBlock]) -> Vec<String> {
    let mut columns = Vec::new();
    for block in blocks {
        let given = match &block.rows {
            Rows::Given(rows) => rows.as_slice(),
            Rows::Repeat { .. } => &[],
        };
        let cells = block
            .columns
            .iter()
            .map(|named| (&named.name, &named.cell))
            .chain(given.iter().flat_map(|row| row.cells.iter().map(|(name, cell)| (name, cell))));
        for (name, cell) in cells {
            let drawn = match &cell.form {
                Form::Generate(_) => true,
                Form::Sql(expression) => is_volatile(expression),
                _ => false,
            };
            let key = block.key.contains(name) && drawn;
            let named = format!("{}.{name}", block.label());
            if (key || (drawn && cell.written_on() == WrittenOn::Always)) && !columns.contains(&named) {
                columns.push(named);
            }
        }
    }
    columns
}

/// Whether an expression can give another value each time. Errs on the side of yes.
pub fn is_volatile(expression: &str) -> bool {
    let lower = expression.to_lowercase();
    [
        "now(",
        "random",
        "nextval",
        "current_",
        "clock_timestamp",
        "gen_random",
        "uuid",
        "localtime",
        "timeofday",
        "txid",
    ]
    .iter()
    .any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_everybody_knows_are_refused() {
        for known in ["admin123", "password", "Password1", "qwertyuiop", "12345678", "letmein", "short", ""] {
            assert_eq!(judge(&Secret::new(known), &[]).outcome, Outcome::Block, "{known}");
        }
        assert_eq!(judge(&Secret::new("mossy-lantern-42-orbit-fern"), &[]).outcome, Outcome::Pass);
        let about = judge(&Secret::new("ada.lovelace"), &["ada.lovelace@atelier.example"]);
        assert_ne!(about.outcome, Outcome::Pass, "what is known of the account is no password: {about:?}");
    }

    #[test]
    fn a_test_account_is_an_address_that_leads_nowhere() {
        for test in ["admin@admin.com", "jo@example.com", "a@mail.example.org", "x@localhost"] {
            assert!(is_test_account(test), "{test}");
        }
        for other in ["ada@atelier.io", "Write to us @ example.com", "@example.com", "plain"] {
            assert!(!is_test_account(other), "{other}");
        }
    }
}
