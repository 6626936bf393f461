//! The line to a host: how it is logged in to, whose key is trusted, what is reached from there, and how
//! the line stands. Pure; the adapter that opens it is `adapters::ssh`.

use super::secret::Credential;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

mod choose;

pub use choose::{Choice, Means, choose};

/// How a host is reached and logged in to. Holds handles of secrets, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SshAccess {
    /// Host name, address, or an alias of the operator's ssh configuration.
    pub host: String,
    /// Port; `None`: what the configuration says, else 22.
    pub port: Option<u16>,
    /// User; `None`: what the configuration says, else this computer's user.
    pub user: Option<String>,
    /// Who speaks the protocol.
    pub implementation: SshImplementation,
    /// How to log in.
    pub login: SshLogin,
    /// Hosts to go through, first one first; empty: what the configuration says.
    pub jumps: Vec<SshJump>,
    /// Host keys an operator compared. Where a host has one, nothing else is accepted for it.
    pub pins: Vec<HostKeyPin>,
}

/// Who speaks the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum SshImplementation {
    /// "Your own ssh": the program of this computer with all of its configuration. Not on Windows. It is
    /// never handed a secret.
    Openssh,
    /// "Built in": works on every system and takes passwords and passphrases from the keyring. It reads
    /// the common part of the configuration.
    Russh,
}

/// How to log in. One method is tried, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum SshLogin {
    /// The agent's keys, and the key files that the configuration names for the host.
    Agent {
        /// Only this key (`ssh-ed25519 AAAA…`); `None`: those the configuration names, else all.
        public_key: Option<String>,
    },
    /// A key file.
    KeyFile {
        /// Absolute path of the private key.
        path: String,
        /// Handle of its passphrase, if it has one.
        passphrase: Option<Credential>,
    },
    /// A password.
    Password {
        /// Its handle.
        password: Credential,
    },
    /// Questions of the host, answered one by one.
    KeyboardInteractive {
        /// Answers the first hidden question; the others are put to the operator.
        answer: Option<Credential>,
    },
}

impl SshLogin {
    /// The method in words, as the doctor says it.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Agent { .. } => "key of the agent",
            Self::KeyFile { .. } => "key file",
            Self::Password { .. } => "password",
            Self::KeyboardInteractive { .. } => "questions of the host",
        }
    }

    /// The same handle, to be replaced.
    pub fn credential_mut(&mut self) -> Option<&mut Credential> {
        match self {
            Self::Agent { .. } => None,
            Self::KeyFile { passphrase, .. } => passphrase.as_mut(),
            Self::Password { password } => Some(password),
            Self::KeyboardInteractive { answer } => answer.as_mut(),
        }
    }

    /// The handle of the secret that it needs.
    pub fn credential(&self) -> Option<&Credential> {
        match self {
            Self::Agent { .. } => None,
            Self::KeyFile { passphrase, .. } => passphrase.as_ref(),
            Self::Password { password } => Some(password),
            Self::KeyboardInteractive { answer } => answer.as_ref(),
        }
    }
}

/// A host on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct SshJump {
    /// Host name, address or alias.
    pub host: String,
    /// Port.
    pub port: Option<u16>,
    /// User.
    pub user: Option<String>,
    /// How to log in there.
    pub login: SshLogin,
}

/// What is reached from the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum SshTarget {
    /// A port. The name is looked up by the host, never here.
    Tcp {
        /// Name or address as the host sees it.
        host: String,
        /// Port.
        port: u16,
    },
    /// A unix socket on the host.
    Socket {
        /// Absolute path of the socket itself.
        path: String,
    },
}

impl SshTarget {
    /// The port that names the local socket file: a TCP port, or the number at the end of a PostgreSQL
    /// socket's name.
    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp { port, .. } => *port,
            Self::Socket { path } => {
                path.rsplit_once(".s.PGSQL.").and_then(|(_, port)| port.parse().ok()).unwrap_or(5432)
            }
        }
    }
}

impl std::fmt::Display for SshTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Socket { path } => f.write_str(path),
        }
    }
}

/// A host's public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct HostKey {
    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, …
    pub algorithm: String,
    /// `SHA256:` and 43 characters.
    pub fingerprint: String,
    /// The key itself, base64, as in a `known_hosts` line.
    pub key: String,
    /// Where it is known from.
    pub source: HostKeySource,
}

/// Where a host key is known from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum HostKeySource {
    /// The host just showed it.
    Shown,
    /// An operator compared it in Drydock.
    Pinned {
        /// When.
        compared_at: DateTime<Utc>,
        /// Who.
        compared_by: String,
    },
    /// A line of a `known_hosts` file.
    KnownHosts {
        /// File.
        path: String,
        /// 1-based line.
        line: u32,
    },
    /// A certificate of an authority that a `known_hosts` file trusts for this host.
    Authority {
        /// File.
        path: String,
        /// 1-based line of the authority.
        line: u32,
        /// The certificate's own name for the host.
        key_id: String,
    },
}

/// A host key that an operator compared and trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct HostKeyPin {
    /// Host as it was connected to (`HostKeyReport::host`).
    pub host: String,
    /// Port as it was connected to.
    pub port: u16,
    /// Algorithm.
    pub algorithm: String,
    /// The key, base64.
    pub key: String,
    /// `SHA256:…`
    pub fingerprint: String,
    /// When it was compared.
    pub compared_at: DateTime<Utc>,
    /// By whom.
    pub compared_by: String,
}

/// Why a host's key was not accepted; what the screen shows beside the failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct HostKeyReport {
    /// Host, after the configuration was followed.
    pub host: String,
    /// Port.
    pub port: u16,
    /// What is wrong.
    pub verdict: HostKeyVerdict,
    /// The key it showed.
    pub shown: HostKey,
    /// The keys on record for it.
    pub recorded: Vec<HostKey>,
}

impl HostKeyReport {
    /// The pin for the shown key, to be stored once an operator has compared it. `None` for everything
    /// but an unknown key: a changed or revoked one cannot be confirmed away.
    pub fn pin(&self, compared_at: DateTime<Utc>, compared_by: &str) -> Option<HostKeyPin> {
        (self.verdict == HostKeyVerdict::Unknown).then(|| HostKeyPin {
            host: self.host.clone(),
            port: self.port,
            algorithm: self.shown.algorithm.clone(),
            key: self.shown.key.clone(),
            fingerprint: self.shown.fingerprint.clone(),
            compared_at,
            compared_by: compared_by.to_owned(),
        })
    }
}

/// What is wrong with a host key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum HostKeyVerdict {
    /// Nothing is on record for this host: compare, then pin.
    Unknown,
    /// Other keys are on record for this host.
    Changed,
    /// The key is marked as revoked, or a certificate that does not hold.
    Refused,
}

/// How a line stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TunnelState {
    /// Being opened.
    Connecting,
    /// Open.
    Open {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Lost; every connection over it has ended. Opening it again is up to the caller.
    Lost {
        /// Why, in words.
        reason: String,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Closed by Drydock.
    Closed,
}
