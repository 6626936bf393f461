//! How a target is reached, and what the form sends about it.

use super::{
    environment::PasswordChoice,
    secret::Credential,
    ssh::{HostKeyPin, SshAccess, SshImplementation, SshJump, SshLogin, TunnelState},
};
use serde::{Deserialize, Serialize};

/// How a target is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Transport {
    /// Straight from this computer.
    #[default]
    Direct,
    /// Through a tunnel from an SSH host. Both addresses are as that host sees them.
    Ssh {
        /// The host and the login there.
        access: SshAccess,
    },
}

impl Transport {
    /// The SSH host, if there is one.
    pub fn ssh(&self) -> Option<&SshAccess> {
        match self {
            Self::Direct => None,
            Self::Ssh { access } => Some(access),
        }
    }

    /// Handles of all secrets that it needs.
    pub fn credentials(&self) -> Vec<&Credential> {
        self.ssh().map(SshAccess::credentials).unwrap_or_default()
    }
}

/// How a target is reached, as the form sends it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TransportDraft {
    /// Straight from this computer.
    #[default]
    Direct,
    /// Through a tunnel from an SSH host.
    Ssh {
        /// The host and the login there.
        access: SshDraft,
    },
}

/// An SSH host as the form sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SshDraft {
    /// Host name, address, or an alias of the operator's ssh configuration.
    pub host: String,
    /// Port; `None`: what the configuration says, else 22.
    pub port: Option<u16>,
    /// User; `None`: what the configuration says.
    pub user: Option<String>,
    /// Who speaks the protocol; `None`: what fits best.
    pub implementation: Option<SshImplementation>,
    /// How to log in.
    pub login: SshLoginDraft,
    /// Hosts to go through, first one first.
    pub jumps: Vec<SshJumpDraft>,
    /// Host keys that were compared.
    pub pins: Vec<HostKeyPin>,
}

/// A host on the way, as the form sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SshJumpDraft {
    /// Host name, address or alias.
    pub host: String,
    /// Port.
    pub port: Option<u16>,
    /// User.
    pub user: Option<String>,
    /// How to log in there.
    pub login: SshLoginDraft,
}

/// How to log in, as the form sends it. Secrets are choices about handles, never text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum SshLoginDraft {
    /// The agent's keys, and the key files that the configuration names.
    Agent,
    /// A key file.
    KeyFile {
        /// Path of the private key.
        path: String,
        /// Its passphrase.
        passphrase: PasswordChoice,
    },
    /// A password.
    Password {
        /// The password.
        password: PasswordChoice,
    },
    /// Questions of the host.
    KeyboardInteractive {
        /// Answers the first hidden question.
        answer: PasswordChoice,
    },
}

impl SshLoginDraft {
    /// What to do about its secret.
    pub fn choice(&self) -> &PasswordChoice {
        match self {
            Self::Agent => &PasswordChoice::None,
            Self::KeyFile { passphrase, .. } => passphrase,
            Self::Password { password } => password,
            Self::KeyboardInteractive { answer } => answer,
        }
    }

    /// The login with the handle of its secret; `None` where a password is missing.
    pub fn with(&self, credential: Option<Credential>) -> Option<SshLogin> {
        Some(match self {
            Self::Agent => SshLogin::Agent { public_key: None },
            Self::KeyFile { path, .. } => SshLogin::KeyFile { path: path.clone(), passphrase: credential },
            Self::Password { .. } => SshLogin::Password { password: credential? },
            Self::KeyboardInteractive { .. } => SshLogin::KeyboardInteractive { answer: credential },
        })
    }
}

impl Transport {
    /// The same, to be replaced.
    pub fn credentials_mut(&mut self) -> Vec<&mut Credential> {
        let Self::Ssh { access } = self else { return Vec::new() };
        let jumps = access.jumps.iter_mut().map(|jump| &mut jump.login);
        jumps.chain([&mut access.login]).filter_map(SshLogin::credential_mut).collect()
    }
}

impl SshAccess {
    /// Handles of all secrets that the logins on the way need.
    pub fn credentials(&self) -> Vec<&Credential> {
        let jumps = self.jumps.iter().map(|jump: &SshJump| &jump.login);
        jumps.chain([&self.login]).filter_map(SshLogin::credential).collect()
    }

    /// `deploy@bastion.example.com`, as the banner says it.
    pub fn label(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.host),
            None => self.host.clone(),
        }
    }
}

/// What this computer has for an SSH login.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SshFound {
    /// Names of the operator's ssh configuration.
    pub aliases: Vec<String>,
    /// Absolute paths of private keys in the operator's ssh folder.
    pub key_files: Vec<String>,
    /// An agent answers here.
    pub agent: bool,
}

/// A question of an SSH host that no stored secret answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SshQuestion {
    /// Random id.
    pub id: String,
    /// The host that asks, as the operator named it.
    pub host: String,
    /// Its words.
    pub text: String,
    /// Whether the answer may be shown while it is typed.
    pub shown: bool,
}

/// What becomes of an SSH host's questions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum SshQuestionEvent {
    /// It is asked and waits, three minutes at most.
    Asked {
        /// The question.
        question: SshQuestion,
    },
    /// It is answered, or nobody waits for it any more.
    Withdrawn {
        /// Its id.
        id: String,
    },
}

/// How an environment's line stands, for the banner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct LineStatus {
    /// `deploy@bastion.example.com`.
    pub host: String,
    /// Who speaks the protocol.
    pub implementation: SshImplementation,
    /// How it stands; `None`: not opened since the console started.
    pub state: Option<TunnelState>,
}
