//! The schema of a database as SQL text, read out by the toolkit's `pg_dump`.

use super::process;
use super::toolkit::Toolkit;
use crate::adapters::postgres::connect::Way;
use crate::adapters::ssh::Local;
use crate::domain::address::{Address, TlsMode, TlsRoots};
use crate::domain::secret::Secret;
use crate::domain::{Failure, FailureCode};
use base64::Engine as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Reads the schema out as SQL that another server accepts: no rows, owners or privileges, no commands
/// of psql's own, no settings that older servers lack. An empty list of schemas means all of them.
pub async fn schema_dump(toolkit: &Toolkit, way: Way<'_>, schemas: &[String]) -> Result<String, Failure> {
    let Way { address, password, through } = way;
    let private = tempfile::Builder::new()
        .prefix("drydock-dump-")
        .tempdir()
        .map_err(|error| failed(address, format!("No private folder could be made: {error}.")))?;
    let connection = connection_string(address, through.map(|through| through.local), private.path())?;
    let mut command = process::bare(&toolkit.pg_dump());
    command.env("HOME", private.path()).env("APPDATA", private.path());
    if let Some(password) = password {
        let file = private.path().join("pgpass");
        write_private(&file, &passfile(password).map_err(|why| failed(address, why.to_string()))?).map_err(
            |error| failed(address, format!("The private password file could not be written: {error}.")),
        )?;
        command.env("PGPASSFILE", file);
    }
    command.args([
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--no-password",
        "--quote-all-identifiers",
    ]);
    for schema in schemas {
        command.arg(format!("--schema=\"{}\"", schema.replace('"', "\"\"")));
    }
    if !schemas.is_empty() {
        // Naming schemas would otherwise leave out the extensions that their columns need.
        command.arg("--extension=*");
    }
    command.arg(format!("--dbname={connection}"));
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| failed(address, format!("pg_dump could not be run: {error}.")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(failed(address, text));
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|_| failed(address, "pg_dump's output is not UTF-8.".to_owned()))?;
    Ok(portable(&text))
}

/// Leaves out what only psql or a newer server understands. Only the lines that pg_dump itself puts
/// around a dump go; the same text inside a function body stays.
fn portable(dump: &str) -> String {
    let key = dump.lines().find_map(|line| line.strip_prefix("\\restrict ")).map(str::to_owned);
    let guard = |line: &str| {
        key.as_deref().is_some_and(|key| {
            line.strip_prefix("\\restrict ").or_else(|| line.strip_prefix("\\unrestrict ")) == Some(key)
        })
    };
    let mut setting_seen = false;
    let mut heading = "";
    let mut text = String::with_capacity(dump.len());
    for line in dump.lines() {
        if line.starts_with("-- Name: ") {
            heading = line;
        }
        let newer_setting = !setting_seen && line == "SET transaction_timeout = 0;";
        setting_seen |= newer_setting;
        if newer_setting || guard(line) {
            continue;
        }
        // Every new database has this schema already.
        let public =
            heading.starts_with("-- Name: public; Type: SCHEMA;") && line == "CREATE SCHEMA \"public\";";
        text.push_str(if public { "CREATE SCHEMA IF NOT EXISTS \"public\";" } else { line });
        text.push('\n');
    }
    text
}

/// libpq's own notation. Holds no secret, so it may be seen in a process list.
fn connection_string(address: &Address, local: Option<&Local>, private: &Path) -> Result<String, Failure> {
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
        ("application_name", "drydock schema dump".to_owned()),
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
fn roots(address: &Address, private: &Path) -> Result<PathBuf, Failure> {
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
    write_private(&file, &pem)
        .map_err(|error| failed(address, format!("The trusted roots could not be written: {error}.")))?;
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
struct LineBreak;

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

fn failed(address: &Address, why: String) -> Failure {
    Failure::new(
        FailureCode::ServerError,
        format!("The schema of {} could not be read out.", address.label()),
    )
    .why(why)
    .unchanged("Nothing was written to the database.")
    .next("Test the connection; reading a schema needs the right to read every table in it.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_around_a_dump_are_left_out() {
        let dump = "\\restrict Ab1\nSET transaction_timeout = 0;\nSELECT 1;\n\\restrict other\n\
                    SET transaction_timeout = 0;\n\\unrestrict Ab1\n";
        assert_eq!(portable(dump), "SELECT 1;\n\\restrict other\nSET transaction_timeout = 0;\n");
    }

    #[test]
    fn a_password_with_colons_and_backslashes_survives_the_file() {
        assert_eq!(passfile(&Secret::new("a:b\\c")).as_deref(), Ok("*:*:*:*:a\\:b\\\\c\n"));
        assert!(passfile(&Secret::new("a\nb")).is_err());
    }
}
