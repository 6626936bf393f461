//! The address of a database, taken apart and without its password.

use serde::{Deserialize, Serialize};

/// How the connection is encrypted and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// No encryption. Only ever chosen by the operator or for a loopback address or socket.
    Off,
    /// Encrypted, certificate not checked. Only ever chosen by the operator.
    Unchecked,
    /// Encrypted, certificate signed by a trusted root, name not checked.
    VerifyCa,
    /// Encrypted, certificate and name checked. The default for remote hosts.
    VerifyFull,
}

/// Which roots the server's certificate may be signed by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TlsRoots {
    /// The operating system's.
    System,
    /// Only those in this PEM file.
    File {
        /// Absolute path.
        path: String,
    },
    /// Only those pasted (PEM text).
    Pasted {
        /// PEM text of one or more certificates.
        pem: String,
    },
}

/// A database address without secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Address {
    /// Host name, IP address, or the absolute folder of a unix socket.
    pub host: String,
    /// TCP port (also names the socket file).
    pub port: u16,
    /// User name.
    pub user: String,
    /// Database name.
    pub database: String,
    /// Schema of the migrations; `public` unless `?schema=` says otherwise.
    pub schema: String,
    /// Encryption.
    pub tls: TlsMode,
    /// Trusted roots.
    pub roots: TlsRoots,
    /// Seconds to wait for each network step; 5 unless the address says otherwise.
    pub connect_timeout_seconds: u32,
    /// `pgbouncer=true` or another sign in the address that it leads to a transaction pooler.
    pub says_pooler: bool,
    /// Extra start-up settings (`options=-c key=value`), in order.
    pub settings: Vec<(String, String)>,
}

impl Address {
    /// Whether host is a unix socket's folder.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Whether the address stays on this computer.
    pub fn is_local(&self) -> bool {
        self.is_socket()
            || self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// `user@host:port/database`, for people; holds no secret.
    pub fn label(&self) -> String {
        format!("{}@{}:{}/{}", self.user, self.host, self.port, self.database)
    }
}

/// What became of one parameter of a pasted address: none is silently ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ParameterNote {
    /// The parameter's name, such as `sslmode`.
    pub name: String,
    /// What Drydock does with it, as a sentence.
    pub effect: String,
    /// False where it has no effect in Drydock and the operator should know.
    pub used: bool,
}

/// A pasted address, taken apart. The password has gone to a pending credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ParsedAddress {
    /// The address without secret.
    pub address: Address,
    /// Handle of the pending password, if the text held one.
    pub password: Option<String>,
    /// What was recognised: `Supabase session pooler`, `PostgreSQL, direct`, ...
    pub recognised: String,
    /// What each parameter does.
    pub parameters: Vec<ParameterNote>,
    /// Warnings, such as a transaction pooler, as sentences with a next step.
    pub warnings: Vec<String>,
    /// The direct or session address to use for migrations, where it can be derived.
    pub direct_suggestion: Option<Address>,
}
