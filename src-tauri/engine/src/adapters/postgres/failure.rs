//! sqlx's errors in the operator's words: what failed, why (with the server's own text), what is
//! unchanged, what to do next. Server text is data: control characters and direction marks are made
//! visible and long texts are cut.

mod supabase;

use crate::domain::{Failure, FailureCode, address::Address, secret::Secret};
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

/// What a PostgreSQL server answered instead of a result, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// SQLSTATE, five characters.
    pub code: String,
    /// The primary message, made visible.
    pub message: String,
    /// 1-based position in the statement, in characters.
    pub position: Option<usize>,
    /// The server's detail, made visible.
    pub detail: Option<String>,
    /// The server's hint, made visible.
    pub hint: Option<String>,
}

/// The server's error inside, if the server answered one.
pub fn server_error(error: &sqlx::Error) -> Option<ServerError> {
    let sqlx::Error::Database(inner) = error else { return None };
    let inner = inner.try_downcast_ref::<PgDatabaseError>()?;
    Some(ServerError {
        code: inner.code().to_owned(),
        message: visible(inner.message()),
        position: match inner.position() {
            Some(PgErrorPosition::Original(position)) => Some(position),
            _ => None,
        },
        detail: inner.detail().map(visible),
        hint: inner.hint().map(visible),
    })
}

/// The text with control characters, direction marks and zero-width characters written out
/// (`\u{202e}`), line breaks as blanks, at most 600 characters long.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(600));
    for (count, c) in text.trim().chars().enumerate() {
        if count == 600 {
            shown.push('…');
            break;
        }
        match c {
            '\n' | '\r' | '\t' => shown.push(' '),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                shown.extend(c.escape_unicode());
            }
            c if c.is_control() => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// Takes a password out of a failure's texts, should a server have sent it back. Passwords shorter than
/// six characters or equal to a name in use are left: every text would match them.
pub(super) fn scrub(mut failure: Failure, password: Option<&Secret>, address: &Address) -> Failure {
    let Some(password) = password.map(Secret::reveal).filter(|p| p.chars().count() >= 6) else {
        return failure;
    };
    if [&address.user, &address.database, &address.host].iter().any(|name| name.contains(password)) {
        return failure;
    }
    let shown = visible(password);
    let clean = |text: &mut String| {
        for form in [password, shown.as_str()] {
            if text.contains(form) {
                *text = text.replace(form, "(password)");
            }
        }
    };
    clean(&mut failure.what);
    [&mut failure.why, &mut failure.unchanged, &mut failure.next].into_iter().flatten().for_each(clean);
    failure
}

/// The failure an operator reads for an error of sqlx's. Holds neither password nor statement.
pub fn failure(error: &sqlx::Error) -> Failure {
    if let Some(server) = server_error(error) {
        return from_server(&server);
    }
    match error {
        sqlx::Error::Io(io) => from_io(io),
        sqlx::Error::Tls(inner) => from_tls_text(&inner.to_string()),
        sqlx::Error::Protocol(text) => not_postgres(text),
        sqlx::Error::PoolTimedOut => {
            Failure::new(FailureCode::TimedOut, "No connection became free in time.").next("Try again.")
        }
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => lost("The connection is closed."),
        sqlx::Error::Configuration(inner) => {
            Failure::new(FailureCode::AddressInvalid, "The connection's settings are not acceptable.")
                .why(visible(&inner.to_string()))
        }
        sqlx::Error::ColumnDecode { index, source } => unexpected(&format!("column {index}: {source}")),
        sqlx::Error::RowNotFound => unexpected("it sent no row where one was expected"),
        other => unexpected(&other.to_string()),
    }
}

fn unexpected(text: &str) -> Failure {
    Failure::new(FailureCode::ServerError, "The server's answer could not be understood.")
        .why(visible(text))
        .next("Test the connection; if it passes, keep this message and report it.")
}

fn not_postgres(text: &str) -> Failure {
    let text = visible(text);
    let (what, next) =
        if text.contains("unsupported authentication method") || text.contains("unsupported SASL") {
            (
                "The server asks for a kind of login Drydock does not know.",
                "Use a database user that logs in with a password (scram-sha-256).",
            )
        } else {
            (
                "What answers does not speak PostgreSQL's language.",
                "Check host and port; another program may listen there.",
            )
        };
    Failure::new(FailureCode::ServerUnsupported, what)
        .why(text)
        .unchanged("Nothing was sent to a database.")
        .next(next)
}

fn lost(why: &str) -> Failure {
    Failure::new(FailureCode::ConnectionLost, "The connection to the server was lost.")
        .why(visible(why))
        .next("Test the connection, then look at the run: it says what is known of the last statement.")
}

/// The failure for a network error, shared with the doctor's own network steps.
pub(super) fn from_io(error: &std::io::Error) -> Failure {
    use std::io::ErrorKind as Kind;
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return from_tls(tls);
    }
    let text = visible(&error.to_string());
    let unreachable = |what: &str, next: &str| {
        Failure::new(FailureCode::Unreachable, what)
            .why(text.clone())
            .unchanged("Nothing was sent to the database.")
            .next(next)
    };
    match error.kind() {
        Kind::ConnectionRefused => unreachable(
            "Nothing answers on this port: the connection was refused.",
            "Check host and port, and whether the server runs. After several wrong passwords a provider may also have blocked this network.",
        ),
        Kind::TimedOut => unreachable(
            "The server did not answer in time.",
            "Check host and port, the firewall and the server's list of allowed networks.",
        ),
        Kind::NetworkUnreachable | Kind::HostUnreachable | Kind::AddrNotAvailable => unreachable(
            "There is no way from this network to the server.",
            "If the host has an IPv6 address only, use an address with IPv4 (Supabase: the session pooler on port 5432); else check VPN and network.",
        ),
        Kind::NotFound => unreachable(
            "There is no server's socket in that folder.",
            "Check the folder and the port; the socket is called .s.PGSQL.<port>.",
        ),
        Kind::PermissionDenied => unreachable(
            "This computer does not allow the connection.",
            "Check the socket folder's permissions or this computer's firewall.",
        ),
        Kind::UnexpectedEof if announced_bytes(&text).is_some_and(|bytes| bytes > 64 * 1024 * 1024) => not_postgres(&text),
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::UnexpectedEof => lost(&text),
        _ if is_lookup(&text) => Failure::new(FailureCode::NameLookup, "The host's name leads to no address.")
            .why(text)
            .unchanged("Nothing was sent.")
            .next("Check the spelling, the network and the VPN. A paused Supabase project's direct name also disappears."),
        _ => lost(&text),
    }
}

/// The length a message claimed to have, out of sqlx's `expected to read 1414811696 bytes, got …`: other
/// protocols' first bytes read as absurd lengths.
fn announced_bytes(text: &str) -> Option<u64> {
    text.strip_prefix("expected to read ")?.split(' ').next()?.parse().ok()
}

fn is_lookup(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    [
        "lookup address",
        "no such host is known",
        "name or service not known",
        "nodename nor servname",
        "name resolution",
    ]
    .iter()
    .any(|part| text.contains(part))
}

/// The failure for a TLS error. The doctor adds what it read from the certificate.
pub(super) fn from_tls(error: &rustls::Error) -> Failure {
    use rustls::CertificateError as Certificate;
    let (what, next) = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => (
                "The server's certificate is for another name.",
                "Use the name the certificate is made for; or check the issuer only, if the way there is trusted.",
            ),
            // A root of the same name with another key ends in a bad signature.
            Certificate::UnknownIssuer | Certificate::BadSignature => (
                "The server's certificate is signed by a root this computer does not trust.",
                "Get the provider's root certificate and choose it as trusted root.",
            ),
            Certificate::Expired | Certificate::ExpiredContext { .. } => (
                "The server's certificate has expired.",
                "The server's owner must renew it. Check this computer's clock, too.",
            ),
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                ("The server's certificate is not valid yet.", "Check this computer's clock.")
            }
            Certificate::Revoked => ("The server's certificate was revoked.", "Ask the server's owner."),
            _ => (
                "The server's certificate cannot be accepted.",
                "Ask the server's owner for a certificate signed by a root, and choose that root.",
            ),
        },
        rustls::Error::InvalidMessage(_) => {
            ("What answers does not speak TLS.", "Check host and port; another program may listen there.")
        }
        rustls::Error::AlertReceived(_) => (
            "The server ended the TLS handshake.",
            "The server may insist on a client certificate or on another TLS version; ask its owner.",
        ),
        _ => (
            "The encrypted connection could not be set up.",
            "Ask the server's owner which TLS versions it speaks.",
        ),
    };
    Failure::new(FailureCode::Tls, what)
        .why(visible(&error.to_string()))
        .unchanged("No password was sent; Drydock never goes on unencrypted.")
        .next(next)
}

fn from_tls_text(text: &str) -> Failure {
    if text.contains("does not support TLS") {
        return no_tls();
    }
    Failure::new(FailureCode::Tls, "The encrypted connection could not be set up.")
        .why(visible(text))
        .unchanged("No password was sent; Drydock never goes on unencrypted.")
        .next("Check the trusted root and the host's name.")
}

/// The server answered `N` to the request for encryption.
pub(super) fn no_tls() -> Failure {
    Failure::new(FailureCode::Tls, "The server does not offer encryption.")
        .why("It answered no to the request for TLS.")
        .unchanged("No password was sent; Drydock never goes on unencrypted.")
        .next("Turn encryption on at the server; choose `off` only where the way there is protected by something else.")
}

/// The failure for what a server answered.
pub fn from_server(error: &ServerError) -> Failure {
    let mut why = format!("{} (SQLSTATE {})", error.message, error.code);
    for more in [&error.detail, &error.hint].into_iter().flatten() {
        why.push(' ');
        why.push_str(more);
    }
    if let Some(failure) = supabase::failure(error, &why) {
        return failure;
    }
    let text = error.message.to_ascii_lowercase();
    let make = |code, what: &str, next: &str| Failure::new(code, what).why(why.clone()).next(next);
    let login = |what: &str, next: &str| {
        make(FailureCode::Authentication, what, next)
            .unchanged("One try was made, no second one. Nothing was written.")
    };
    match error.code.as_str() {
        _ if text.contains("unsupported startup parameter") || text.contains("unsupported pkt type") => make(
            FailureCode::TransactionPooler,
            "A pooler (PgBouncer) answers here, and it does not pass Drydock's session settings on.",
            "Use the database's direct address, usually port 5432.",
        )
        .unchanged("Nothing was written."),
        "28P01" if text.contains("empty password") => login("The server asks for a password, and none is stored.", "Enter the password."),
        "28P01" | "28000" if text.contains("password") || text.contains("sasl") => {
            login("The server refused the user or the password.", "Enter the password again; repeated wrong tries may get this network blocked.")
        }
        "28000" | "28P01" if text.contains("no pg_hba.conf entry") || text.contains("pg_hba.conf rejects") => {
            let next = if text.contains("no encryption") || text.contains("ssl off") {
                "Turn encryption on for this address; the server does not let this user in without it."
            } else {
                "Have this network, user and database added to the server's list of allowed logins."
            };
            login("The server does not let this user in from this network to this database.", next)
        }
        "28000" if text.contains("does not exist") => login("The user does not exist on the server.", "Check the user name."),
        "28000" if text.contains("not permitted to log in") => {
            login("This user may not log in.", "Use a user with the LOGIN right.")
        }
        "28000" | "28P01" | "28XXX" => login("The server refused the login.", "Check user, password and the server's list of allowed logins."),
        "08P01" | "XX000" | "08006" if text.contains("password authentication failed") || text.contains("no such user") || text.contains("auth failed") || text.contains("sasl authentication failed") => {
            login("The pooler refused the user or the password.", "Enter the password again and check the user name.")
        }
        _ if text.contains("no such database") => database_missing(&why),
        "3D000" => database_missing(&why),
        "08P01" | "08006" | "08000" | "58000" if text.contains("server login") || text.contains("cannot connect to server") || text.contains("query_wait_timeout") || text.contains("server conn crashed") => make(
            FailureCode::Unreachable,
            "The pooler answers, but it does not reach the database behind it.",
            "Check that the database runs; then try again in a minute, or use the direct address.",
        )
        .unchanged("Nothing was written."),
        "3F000" => make(FailureCode::DatabaseMissing, "The schema does not exist.", "Check the schema's name."),
        "25006" => make(
            FailureCode::ReadOnly,
            "The server only reads: it refuses to write in this session.",
            "Use the primary's address. On Supabase's free plan a full disk also turns writing off; make room first.",
        )
        .unchanged("The statement changed nothing."),
        "42501" => make(
            FailureCode::Privilege,
            "The database user lacks a right for this.",
            "Use the role that owns the objects, or have the right granted.",
        )
        .unchanged("The statement changed nothing."),
        "53300" => make(
            FailureCode::ServerError,
            "The server has no free connection.",
            "Wait, or close sessions that are not needed; Activity shows them.",
        )
        .unchanged("Nothing was written."),
        "53100" | "53200" | "53400" => make(
            FailureCode::ServerError,
            "The server has run out of disk space or memory.",
            "Make room on the server, then try again.",
        ),
        "57P03" => make(FailureCode::Unreachable, "The server is there but takes no connections yet.", "It is starting, stopping or recovering. Try again in a minute.")
            .unchanged("Nothing was written."),
        "57P01" | "57P02" | "57P05" | "25P03" | "08006" | "08003" => make(
            FailureCode::ConnectionLost,
            "The server ended the session.",
            "Test the connection, then look at the run: it says what is known of the last statement.",
        ),
        "57014" if text.contains("statement timeout") => make(
            FailureCode::TimedOut,
            "The statement took longer than allowed and was stopped.",
            "Try again when the server is less busy, or allow more time in the guard rules.",
        )
        .unchanged("The statement changed nothing."),
        "57014" => make(FailureCode::Cancelled, "The statement was cancelled.", "Start again when ready.")
            .unchanged("The statement changed nothing."),
        "55P03" => make(
            FailureCode::LockTimeout,
            "A lock was not granted in the allowed time.",
            "See under Activity who holds it, then try again.",
        )
        .unchanged("The statement changed nothing."),
        "40P01" | "40001" => make(
            FailureCode::ServerError,
            "The server took the transaction back because another one was in its way.",
            "Try again.",
        )
        .unchanged("The transaction changed nothing."),
        "42P05" | "26000" => make(
            FailureCode::TransactionPooler,
            "A transaction pooler is in between: statements of one connection reached different sessions.",
            "Use the database's direct or session address.",
        ),
        _ => make(
            FailureCode::ServerError,
            "The server answered with an error.",
            "Read the server's message; it says what to change.",
        ),
    }
}

fn database_missing(why: &str) -> Failure {
    Failure::new(FailureCode::DatabaseMissing, "The server has no database of this name.")
        .why(why)
        .unchanged("Nothing was created.")
        .next("Check the name's spelling and case; if the database is new, create it first.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: &str, message: &str) -> Failure {
        from_server(&ServerError {
            code: code.to_owned(),
            message: visible(message),
            position: None,
            detail: None,
            hint: None,
        })
    }

    #[test]
    fn direction_marks_and_control_characters_are_written_out() {
        assert_eq!(visible("a\u{202e}b\u{7}c\nd"), "a\\u{202e}b\\u{7}c d");
        assert_eq!(visible(&"x".repeat(5_000)).chars().count(), 601, "a long text is cut");
    }

    #[test]
    fn every_known_server_text_gets_its_code() {
        use FailureCode as Code;
        let table = [
            ("28P01", "password authentication failed for user \"a\"", Code::Authentication),
            (
                "28000",
                "no pg_hba.conf entry for host \"192.0.2.1\", user \"a\", database \"b\", no encryption",
                Code::Authentication,
            ),
            ("28000", "role \"a\" does not exist", Code::Authentication),
            ("28000", "role \"a\" is not permitted to log in", Code::Authentication),
            ("08P01", "unsupported startup parameter: extra_float_digits", Code::TransactionPooler),
            ("08P01", "unsupported startup parameter in options: search_path", Code::TransactionPooler),
            ("08P01", "no such database: x", Code::DatabaseMissing),
            ("3D000", "database \"x\" does not exist", Code::DatabaseMissing),
            ("25006", "cannot execute INSERT in a read-only transaction", Code::ReadOnly),
            ("42501", "permission denied for schema public", Code::Privilege),
            ("57014", "canceling statement due to statement timeout", Code::TimedOut),
            ("57014", "canceling statement due to user request", Code::Cancelled),
            ("55P03", "canceling statement due to lock timeout", Code::LockTimeout),
            ("57P01", "terminating connection due to administrator command", Code::ConnectionLost),
            ("57P03", "the database system is starting up", Code::Unreachable),
            ("42P05", "(EPREPAREDDUP) prepared statement \"s0\" already exists", Code::TransactionPooler),
            ("26000", "prepared statement \"s0\" does not exist", Code::TransactionPooler),
            (
                "XX000",
                "transaction mode only supports prepared statements using the Extended Query Protocol",
                Code::TransactionPooler,
            ),
            ("XX000", "Tenant or user not found", Code::Authentication),
            ("XX000", "(ENOTFOUND) tenant/user postgres.abc not found", Code::Authentication),
            (
                "XX000",
                "(ENOIDENTIFIER) no tenant identifier provided (external_id or sni_hostname required)",
                Code::Authentication,
            ),
            (
                "XX000",
                "(EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: 15",
                Code::ServerError,
            ),
            (
                "XX000",
                "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size",
                Code::ServerError,
            ),
            ("XX000", "Max client connections reached", Code::ServerError),
            (
                "XX000",
                "(ECHECKOUTTIMEOUT) unable to check out connection from the pool after 15000ms in Session mode",
                Code::ServerError,
            ),
            (
                "XX000",
                "(EADDRNOTALLOWED) address not in tenant allow_list: {192, 0, 2, 1}",
                Code::Unreachable,
            ),
            ("XX000", "Address not in tenant allow_list: {192, 0, 2, 1}", Code::Unreachable),
            ("XX000", "SSL connection is required for user: postgres", Code::Tls),
            (
                "XX000",
                "(ECIRCUITBREAKER) too many authentication failures, new connections are temporarily blocked",
                Code::Authentication,
            ),
            (
                "XX000",
                "(ECIRCUITBREAKER) failed to retrieve database credentials after multiple attempts",
                Code::Unreachable,
            ),
            (
                "XX000",
                "(ECIRCUITBREAKER) too many failed attempts to connect to the database",
                Code::Unreachable,
            ),
            ("42P01", "relation \"x\" does not exist", Code::ServerError),
        ];
        for (state, text, code) in table {
            let failure = answered(state, text);
            assert_eq!(failure.code, code, "{state} {text}: {failure:?}");
            assert!(
                failure.next.is_some() && failure.why.is_some(),
                "{text}: every failure says why and what next"
            );
        }
    }
}
