//! Pasted address to `Address`: every form people copy (Prisma, libpq URL, `key=value`, a line of a
//! `.env` file), taken apart by ourselves. It never opens a connection, never reads a file or the
//! process environment, and no text it makes holds the password.
//!
//! Where Prisma and libpq read the same text differently, Drydock decides and says so in a note:
//! user, password **and database name** are percent-decoded (as libpq does; Prisma takes the database
//! name as written), `sslcert` in a URL without `sslkey` is the **root** certificate (as Prisma means
//! it), and no `sslmode` ever weakens the check of a remote server's certificate silently.

mod conninfo;
mod parameters;
mod url;

use crate::domain::{
    Failure, FailureCode,
    address::{Address, ParameterNote, ParsedAddress, TlsMode, TlsRoots},
    provider,
    secret::Secret,
};
use parameters::Draft;

/// Longest text looked at, in bytes; a pasted root certificate fits.
const LONGEST: usize = 64 * 1024;

/// Seconds to wait for a network step where the address says nothing, as Prisma does.
const CONNECT_TIMEOUT: u32 = 5;

/// Takes a pasted address apart. The password comes back apart from the rest and `password` (its
/// handle) is `None`: the caller stores it. Fails with `DRY-1001` where the text cannot be understood,
/// `DRY-1110` where it names a server that is not PostgreSQL, `DRY-1302` where it is far too long.
pub fn parse(text: &str) -> Result<(ParsedAddress, Option<Secret>), Failure> {
    if text.len() > LONGEST {
        return Err(Failure::new(FailureCode::InputTooLarge, "The address is longer than 64 KiB.")
            .unchanged("Nothing was stored.")
            .next("Paste one address only."));
    }
    let bare = unwrap(text)?;
    refuse_invisible(bare, "The address")?;
    let draft = match scheme(bare) {
        Some((scheme, rest)) => {
            check_scheme(&scheme)?;
            url::read(rest)?
        }
        None if bare.contains('=') => conninfo::read(bare)?,
        None => return Err(not_an_address("It has neither `postgresql://` in front nor `key=value` pairs.")),
    };
    finish(draft)
}

/// Reads the address out of a variable such as `DATABASE_URL`, which is a secret as a whole. Same
/// rules and failures as [`parse`].
pub fn from_url_secret(text: &Secret) -> Result<(ParsedAddress, Option<Secret>), Failure> {
    parse(text.reveal())
}

/// Checks an address that was typed into fields instead of pasted: same rules. Fails with `DRY-1001`.
pub fn check(address: &Address) -> Result<(), Failure> {
    if address.host.is_empty() {
        return Err(not_an_address("The host is empty."));
    }
    check_host(&address.host)?;
    let fields = [
        (&address.user, "The user name"),
        (&address.database, "The database name"),
        (&address.schema, "The schema"),
    ];
    for (text, what) in fields {
        check_name(text, what)?;
        if text.is_empty() {
            return Err(not_an_address(format!("{what} is empty.")));
        }
    }
    if address.port == 0 {
        return Err(not_an_address("The port is not a number from 1 to 65535."));
    }
    if !(1..=60).contains(&address.connect_timeout_seconds) {
        return Err(not_an_address("The time to wait for a network step is not between 1 and 60 s."));
    }
    for (name, value) in &address.settings {
        refuse_invisible(value, "A start-up setting")?;
        if !parameters::is_setting_name(name) {
            return Err(not_an_address(
                "The name of a start-up setting holds a character that does not belong there.",
            ));
        }
    }
    match &address.roots {
        TlsRoots::File { path } => refuse_invisible(path, "The root certificate's path"),
        TlsRoots::Pasted { pem } if pem.len() > LONGEST => {
            Err(not_an_address("The pasted certificate is longer than 64 KiB."))
        }
        TlsRoots::System | TlsRoots::Pasted { .. } => Ok(()),
    }
}

fn check_name(text: &str, what: &str) -> Result<(), Failure> {
    refuse_invisible(text, what)?;
    if text.len() > 255 {
        return Err(not_an_address(format!("{what} is longer than 255 bytes.")));
    }
    Ok(())
}

/// The failure for a text that is no address; never repeats the text, which may hold a password.
fn not_an_address(why: impl Into<String>) -> Failure {
    Failure::new(FailureCode::AddressInvalid, "This is not a database address Drydock can read.")
        .why(why)
        .unchanged("Nothing was stored and no connection was made.")
        .next(
            "Paste an address like postgresql://user:password@db.example.com:5432/name, or fill the fields.",
        )
}

/// Takes away what surrounds an address in `.env` files, compose files and shells: `export`, a name
/// and `=` or `:`, quotes, a comment behind them, `psql`.
fn unwrap(text: &str) -> Result<&str, Failure> {
    let mut rest = text.trim().trim_start_matches('\u{feff}').trim_start();
    for word in ["export ", "psql ", "set "] {
        if let Some(after) = rest.strip_prefix(word) {
            rest = after.trim_start();
        }
    }
    if let Some(after) = strip_name(rest) {
        rest = after;
    }
    let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) else {
        return Ok(rest.trim_end_matches([';', ',']).trim_end());
    };
    let inner = &rest[1..];
    let Some(end) = inner.find(quote) else {
        return Err(not_an_address("A quotation mark is opened and never closed."));
    };
    let behind = inner[end + 1..].trim();
    if !(behind.is_empty() || behind.starts_with(['#', ';', ','])) {
        return Err(not_an_address("Text follows the closing quotation mark."));
    }
    Ok(inner[..end].trim())
}

/// `DATABASE_URL=`, `url = `, `DIRECT_URL: ` in front of an address; not the first pair of a
/// `host=... user=...` text.
fn strip_name(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    let name = &text[..end];
    let mut rest = text[end..].trim_start();
    rest = rest.strip_prefix('=').or_else(|| rest.strip_prefix(':').filter(|r| !r.starts_with("//")))?;
    let rest = rest.trim_start();
    let shouted =
        name.chars().any(|c| c.is_ascii_uppercase()) && !name.chars().any(|c| c.is_ascii_lowercase());
    let unquoted = rest.trim_start_matches(['"', '\'', '`']);
    let is_url = scheme(unquoted).is_some() || unquoted.starts_with("jdbc:");
    (name != "jdbc" && (is_url || shouted)).then_some(rest)
}

/// The scheme in lower case and what follows `://`.
fn scheme(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix("jdbc:").unwrap_or(text);
    let (scheme, rest) = text.split_once("://")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    (scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(fits))
        .then(|| (scheme.to_ascii_lowercase(), rest))
}

fn check_scheme(scheme: &str) -> Result<(), Failure> {
    let plain = scheme.split('+').next().unwrap_or_default();
    let other = match (plain, scheme) {
        (_, "prisma+postgres") => {
            return Err(Failure::new(
                FailureCode::ServerUnsupported,
                "This is a Prisma Accelerate address (prisma+postgres://), not a database's own.",
            )
            .why("It leads over HTTPS to a proxy and not to the database; migrations cannot be run through it.")
            .unchanged("Nothing was stored and no connection was made.")
            .next("Paste the database's direct address, usually DIRECT_URL or DIRECT_DATABASE_URL."));
        }
        ("postgres" | "postgresql", _) => return Ok(()),
        ("mysql" | "mysqlx", _) => "MySQL",
        ("mariadb", _) => "MariaDB",
        ("sqlserver" | "mssql", _) => "SQL Server",
        ("mongodb", _) => "MongoDB",
        ("cockroachdb" | "cockroach", _) => "CockroachDB",
        ("file" | "sqlite" | "libsql", _) => "SQLite",
        ("redis" | "rediss" | "valkey", _) => "Redis",
        ("prisma", _) => "Prisma Accelerate",
        ("http" | "https" | "ws" | "wss", _) => {
            return Err(not_an_address(
                "It is a web address. The database's address begins with postgresql://.",
            ));
        }
        ("ssh", _) => {
            return Err(not_an_address(
                "It is an SSH address. The database's address begins with postgresql://.",
            ));
        }
        _ => {
            return Err(not_an_address(
                "What stands in front of `://` is not a kind of database Drydock knows.",
            ));
        }
    };
    Err(Failure::new(FailureCode::ServerUnsupported, format!("This is a {other} address."))
        .why("Drydock works on PostgreSQL.")
        .unchanged("Nothing was stored and no connection was made.")
        .next("Paste an address that begins with postgresql://."))
}

/// Refuses control characters, direction marks and zero-width characters, which make a text read
/// differently from what it is. `what` begins the sentence.
fn refuse_invisible(text: &str, what: &str) -> Result<(), Failure> {
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    match text.chars().find(|c| invisible(*c)) {
        None => Ok(()),
        Some('\n' | '\r') => Err(not_an_address(format!("{what} goes over more than one line."))
            .next("Paste one address only, on one line.")),
        Some(c) => Err(not_an_address(format!(
            "{what} holds an invisible character (U+{:04X}), perhaps from a web page.",
            u32::from(c)
        ))),
    }
}

/// Percent-decodes; a lone `%` stays. The flag says whether one did.
fn decode(text: &str, what: &str) -> Result<(String, bool), Failure> {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let lone = (0..bytes.len()).any(|at| bytes[at] == b'%' && !(hex(at + 1) && hex(at + 2)));
    let decoded = percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| not_an_address(format!("{what} is not UTF-8 once its percent signs are decoded.")))?;
    Ok((decoded.into_owned(), lone))
}

/// From the collected pieces to the address, with the defaults, the encryption rule and what was
/// recognised.
fn finish(mut draft: Draft) -> Result<(ParsedAddress, Option<Secret>), Failure> {
    let host = match draft.host.take().filter(|host| !host.is_empty()) {
        Some(host) => host,
        None => {
            draft.note("host", "No host is named; Drydock uses localhost.", true);
            "localhost".to_owned()
        }
    };
    check_host(&host)?;
    let user = match draft.user.take().filter(|user| !user.is_empty()) {
        Some(user) => user,
        None => {
            draft.note("user", "No user is named; Drydock uses postgres and never your login name.", true);
            "postgres".to_owned()
        }
    };
    let database = match draft.database.take().filter(|database| !database.is_empty()) {
        Some(database) => database,
        None => {
            draft.note(
                "database",
                "No database is named; as the server does, Drydock uses the user's name.",
                true,
            );
            user.clone()
        }
    };
    check_name(&user, "The user name")?;
    check_name(&database, "The database name")?;
    let password = match draft.password.take().filter(|password| !password.is_empty()) {
        Some(password) => {
            refuse_invisible(password.reveal(), "The password")?;
            if is_placeholder(password.reveal()) {
                draft.warnings.push(
                    "The address holds a placeholder instead of the password. Enter the password in its own field."
                        .to_owned(),
                );
                None
            } else {
                Some(password)
            }
        }
        None => None,
    };
    let mut address = Address {
        host,
        port: draft.port.unwrap_or(5432),
        user,
        database,
        schema: draft
            .schema
            .take()
            .filter(|schema| !schema.is_empty())
            .unwrap_or_else(|| "public".to_owned()),
        tls: TlsMode::VerifyFull,
        roots: TlsRoots::System,
        connect_timeout_seconds: draft.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        says_pooler: draft.pgbouncer,
        settings: std::mem::take(&mut draft.settings),
    };
    draft.settle_encryption(&mut address);
    check(&address)?;
    let seen = provider::recognise(&mut address);
    let Draft { mut notes, mut warnings, .. } = draft;
    if let Some(password) = password.as_ref().map(Secret::reveal).filter(|password| password.len() >= 4) {
        notes.retain(|note| !note.name.contains(password));
    }
    warnings.extend(seen.warnings);
    let parsed = ParsedAddress {
        address,
        password: None,
        recognised: seen.recognised,
        parameters: notes,
        warnings,
        direct_suggestion: seen.suggestion,
    };
    Ok((parsed, password))
}

fn check_host(host: &str) -> Result<(), Failure> {
    refuse_invisible(host, "The host")?;
    if host.starts_with('/') {
        return Ok(());
    }
    if host.starts_with('@') {
        return Err(not_an_address("Abstract unix sockets (a host that begins with @) are not supported."));
    }
    if host.contains(',') {
        return Err(not_an_address("It names several servers; Drydock works on exactly one.")
            .next("Keep the one host that takes writes, and paste again."));
    }
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.len() > 255 || !host.chars().all(plain) {
        return Err(not_an_address("The host holds a character that cannot be part of a name or an IP address.")
            .next("If the password holds one of @ : / ? # %, write it percent-encoded or enter it in its own field."));
    }
    if host.contains(':') && host.split('%').next().is_none_or(|ip| ip.parse::<std::net::Ipv6Addr>().is_err())
    {
        return Err(not_an_address("The host holds a colon but is not an IPv6 address."));
    }
    Ok(())
}

/// `[YOUR-PASSWORD]`, `<password>`, `${PASSWORD}`, `****`: what dashboards and templates print.
fn is_placeholder(password: &str) -> bool {
    let inner = [("[", "]"), ("<", ">"), ("${", "}"), ("{{", "}}")]
        .iter()
        .find_map(|(open, close)| password.strip_prefix(open)?.strip_suffix(close));
    inner.is_some_and(|inner| inner.to_ascii_lowercase().contains("pass"))
        || (password.len() > 2 && password.chars().all(|c| c == '*'))
}

/// A note about one parameter.
fn note(name: &str, effect: impl Into<String>, used: bool) -> ParameterNote {
    ParameterNote { name: name.to_owned(), effect: effect.into(), used }
}

#[cfg(test)]
mod tests;
