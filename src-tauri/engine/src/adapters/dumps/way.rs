//! How a client program of PostgreSQL is told where to go: the address in libpq's own notation, the password by a
//! private file, nothing of this process's environment.

use crate::adapters::postgres::connect::Way;
use crate::adapters::sandbox::bare;
use crate::adapters::ssh::Local;
use crate::domain::address::{Address, TlsMode, TlsRoots};
use crate::domain::secret::Secret;
use base64::Engine as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::process::Command;

/// Why a client program could not be prepared.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unprepared {
    /// No folder for its files.
    #[error("No private folder could be made: {0}.")]
    Folder(std::io::Error),
    /// Its password file.
    #[error("The private password file could not be written: {0}.")]
    PasswordFile(std::io::Error),
    /// Its roots.
    #[error("The trusted roots could not be written: {0}.")]
    Roots(std::io::Error),
    /// A password that its file cannot hold.
    #[error(transparent)]
    Password(#[from] LineBreak),
}

/// A client program that is about to be started.
pub(super) struct Client {
    /// The program, with its environment.
    pub command: Command,
    /// What to give it as `--dbname`; holds no secret.
    pub connection: String,
    /// Holds the password's file; removed when dropped, so it is kept as long as the program runs.
    pub private: TempDir,
}

impl Client {
    /// Prepares a program for a way to a database.
    pub(super) fn prepare(program: &Path, way: Way<'_>, application: &str) -> Result<Self, Unprepared> {
        let Way { address, password, through } = way;
        let private =
            tempfile::Builder::new().prefix("drydock-dump-").tempdir().map_err(Unprepared::Folder)?;
        let local = through.map(|through| through.local);
        let connection = connection_string(address, local, private.path(), application)?;
        let mut command = bare(program);
        command.env("HOME", private.path()).env("APPDATA", private.path());
        if let Some(password) = password {
            let file = private.path().join("pgpass");
            write_private(&file, &passfile(password)?).map_err(Unprepared::PasswordFile)?;
            command.env("PGPASSFILE", file);
        }
        Ok(Self { command, connection, private })
    }
}

/// libpq's own notation. Holds no secret, so it may be seen in a process list.
fn connection_string(
    address: &Address,
    local: Option<&Local>,
    private: &Path,
    application: &str,
) -> Result<String, Unprepared> {
    let mut parts = match local {
        None => vec![("host", address.host.clone()), ("port", address.port.to_string())],
        #[cfg(unix)]
        Some(Local::Socket { folder, port }) => {
            vec![("host", folder.display().to_string()), ("port", port.to_string())]
        }
        // The name is only used to check the certificate.
        Some(Local::Loopback { port }) => vec![
            ("host", if address.is_socket() { "localhost".to_owned() } else { address.host.clone() }),
            ("hostaddr", "127.0.0.1".to_owned()),
            ("port", port.to_string()),
        ],
    };
    parts.extend([
        ("user", address.user.clone()),
        ("dbname", address.database.clone()),
        ("connect_timeout", address.connect_timeout_seconds.max(2).to_string()),
        ("application_name", application.to_owned()),
        ("gssencmode", "disable".to_owned()),
        ("client_encoding", "UTF8".to_owned()),
    ]);
    let mode = match address.tls {
        TlsMode::Off => "disable",
        TlsMode::Unchecked => "require",
        TlsMode::VerifyCa => "verify-ca",
        TlsMode::VerifyFull => "verify-full",
    };
    parts.push(("sslmode", mode.to_owned()));
    if matches!(address.tls, TlsMode::VerifyCa | TlsMode::VerifyFull) {
        parts.push(("sslrootcert", roots(address, private)?.display().to_string()));
    }
    if !address.settings.is_empty() {
        let options = address
            .settings
            .iter()
            .map(|(name, value)| format!("-c {}={}", name, value.replace('\\', "\\\\").replace(' ', "\\ ")))
            .collect::<Vec<_>>()
            .join(" ");
        parts.push(("options", options));
    }
    let quoted = |value: &str| format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"));
    Ok(parts.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect::<Vec<_>>().join(" "))
}

/// The trusted roots as a file: the operator's own, or one written into the private folder. The
/// system's roots are written out too, because the bundled OpenSSL does not know where they are.
fn roots(address: &Address, private: &Path) -> Result<PathBuf, Unprepared> {
    let pem = match &address.roots {
        TlsRoots::File { path } => return Ok(PathBuf::from(path)),
        TlsRoots::Pasted { pem } => pem.clone(),
        TlsRoots::System => rustls_native_certs::load_native_certs()
            .certs
            .iter()
            .map(|certificate| pem_block(certificate.as_ref()))
            .collect(),
    };
    let file = private.join("roots.pem");
    write_private(&file, &pem).map_err(Unprepared::Roots)?;
    Ok(file)
}

fn pem_block(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut block = String::from("-----BEGIN CERTIFICATE-----\n");
    for (place, letter) in text.chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            block.push('\n');
        }
        block.push(letter);
    }
    block.push_str("\n-----END CERTIFICATE-----\n");
    block
}

/// A password that a password file cannot hold.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("The password holds a line break, which a password file cannot.")]
pub(super) struct LineBreak;

fn passfile(password: &Secret) -> Result<String, LineBreak> {
    let clear = password.reveal();
    if clear.contains(['\n', '\r', '\0']) {
        return Err(LineBreak);
    }
    Ok(format!("*:*:*:*:{}\n", clear.replace('\\', "\\\\").replace(':', "\\:")))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_with_colons_and_backslashes_survives_the_file() {
        assert_eq!(passfile(&Secret::new("a:b\\c")).as_deref(), Ok("*:*:*:*:a\\:b\\\\c\n"));
        assert!(passfile(&Secret::new("a\nb")).is_err());
    }
}
