//! Which implementation fits what the operator has.

use super::{SshImplementation, SshLogin};
use serde::{Deserialize, Serialize};

/// What is known before a choice is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    /// The operator's own ssh can be used: not Windows, and the program is there and new enough.
    pub own_ssh: bool,
    /// The host is an alias in the operator's configuration.
    pub alias: bool,
}

/// A choice and its reason. The operator may choose otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Choice {
    /// Which.
    pub implementation: SshImplementation,
    /// Why, as a sentence.
    pub reason: String,
    /// What of the operator's ssh configuration the built-in one does not follow, by file and line; empty
    /// where the operator's own ssh is used.
    pub notes: Vec<String>,
}

/// Which implementation fits: secrets can only be handed to the built-in one; else the operator's own ssh
/// knows best how its hosts are reached.
pub fn choose(login: &SshLogin, means: Means) -> Choice {
    let (implementation, reason) = match login {
        SshLogin::Password { .. } => {
            (SshImplementation::Russh, "Built in: your own ssh cannot be handed a password from the keyring.")
        }
        SshLogin::KeyboardInteractive { .. } => {
            (SshImplementation::Russh, "Built in: your own ssh would ask its questions on a terminal.")
        }
        SshLogin::KeyFile { passphrase: Some(_), .. } => (
            SshImplementation::Russh,
            "Built in: your own ssh cannot be handed a passphrase from the keyring.",
        ),
        _ if !means.own_ssh => {
            (SshImplementation::Russh, "Built in: there is no ssh of your own here that can be used.")
        }
        _ if means.alias => (
            SshImplementation::Openssh,
            "Your own ssh: the host is an alias in your ssh configuration, which it follows in full.",
        ),
        SshLogin::Agent { .. } => {
            (SshImplementation::Openssh, "Your own ssh: it uses your agent and your configuration as you do.")
        }
        SshLogin::KeyFile { .. } => {
            (SshImplementation::Openssh, "Your own ssh: it uses this key file with your configuration.")
        }
    };
    Choice { implementation, reason: reason.to_owned(), notes: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::{Credential, Keeping};

    const HERE: Means = Means { own_ssh: true, alias: false };

    fn credential() -> Credential {
        Credential { id: "1".to_owned(), kept: Keeping::Keyring }
    }

    #[test]
    fn a_secret_from_the_keyring_is_only_ever_handed_to_the_built_in_one() {
        for login in [
            SshLogin::Password { password: credential() },
            SshLogin::KeyboardInteractive { answer: None },
            SshLogin::KeyFile { path: "/k".to_owned(), passphrase: Some(credential()) },
        ] {
            let choice = choose(&login, Means { own_ssh: true, alias: true });
            assert_eq!(choice.implementation, SshImplementation::Russh, "{}", choice.reason);
        }
    }

    #[test]
    fn agent_and_plain_key_files_go_through_the_operators_own_ssh_where_there_is_one() {
        for login in [
            SshLogin::Agent { public_key: None },
            SshLogin::KeyFile { path: "/k".to_owned(), passphrase: None },
        ] {
            assert_eq!(choose(&login, HERE).implementation, SshImplementation::Openssh);
            let without = Means { own_ssh: false, alias: true };
            assert_eq!(choose(&login, without).implementation, SshImplementation::Russh);
        }
    }

    #[test]
    fn the_reason_names_the_alias() {
        let choice = choose(&SshLogin::Agent { public_key: None }, Means { own_ssh: true, alias: true });
        assert!(choice.reason.contains("alias"), "{}", choice.reason);
    }
}
