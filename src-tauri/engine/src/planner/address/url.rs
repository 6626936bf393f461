//! The URL form: `postgresql://user:password@host:port/database?key=value`.

use super::{
    decode, not_an_address,
    parameters::{Draft, Form, is_known},
};
use crate::domain::{Failure, secret::Secret};

/// Reads what follows `://`.
pub(super) fn read(rest: &str) -> Result<Draft, Failure> {
    let mut draft = Draft::new(Form::Url);
    let (credentials, rest) = split_credentials(rest, &mut draft);
    if let Some(credentials) = credentials {
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (credentials, None),
        };
        draft.user = Some(decode(user, "The user name")?.0);
        if let Some(password) = password {
            let (password, lone) = decode(password, "The password")?;
            if lone {
                draft.warnings.push(
                    "The password holds a % that is not followed by two hexadecimal digits; it was taken as it stands."
                        .to_owned(),
                );
            }
            draft.password = Some(Secret::new(password));
        }
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    read_host(&rest[..end], &mut draft)?;
    let mut rest = &rest[end..];
    if let Some((before, _)) = rest.split_once('#') {
        draft.note("#", "What follows # is a fragment and has no effect.", false);
        rest = before;
    }
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    read_database(path, &mut draft)?;
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            // Not repeated: in a badly encoded address it may be a piece of the password.
            draft.note("(unreadable)", "A parameter without a value; it has no effect.", false);
            continue;
        };
        let (name, _) = decode(name, "A parameter's name")?;
        // `+` is a blank in Prisma's reading and itself in libpq's; it matters only in these two.
        let spaced = value.replace('+', " ");
        let value =
            if matches!(name.as_str(), "options" | "application_name") { spaced.as_str() } else { value };
        let (value, _) = decode(value, "A parameter")?;
        draft.apply(&name, &value)?;
    }
    Ok(draft)
}

/// Splits `user:password@` off. Passwords that were not percent-encoded may hold `/`, `?` or `#`; then
/// everything up to the last `@` is taken, with a warning.
fn split_credentials<'a>(rest: &'a str, draft: &mut Draft) -> (Option<&'a str>, &'a str) {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if let Some(at) = rest[..end].rfind('@') {
        // `user:pa@ss/word@host/db`: an `@` in the path means that the right one comes later.
        let host = &rest[at + 1..end];
        let path = rest[end..].split('?').next().unwrap_or_default();
        if !(path.contains('@') || looks_broken(host) && rest[end..].contains('@')) {
            return (Some(&rest[..at]), &rest[at + 1..]);
        }
    } else if !rest[..end].contains(':') || rest.starts_with('[') || at_is_in_a_parameter(rest) {
        return (None, rest);
    }
    match rest.rfind('@') {
        Some(at) => {
            draft.warnings.push(
                "The password holds characters that must be percent-encoded in an address (such as / ? # @). \
                 Drydock took everything up to the last @ as user and password; other tools will not."
                    .to_owned(),
            );
            (Some(&rest[..at]), &rest[at + 1..])
        }
        None => (None, rest),
    }
}

/// A host part whose port is no number.
fn looks_broken(host: &str) -> bool {
    !host.starts_with('[')
        && host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()))
}

/// `host:5432/db?user=a@b`: the `@` belongs to a known parameter's value.
fn at_is_in_a_parameter(rest: &str) -> bool {
    let Some(at) = rest.rfind('@') else { return true };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let Some(query) = rest.find('?').filter(|query| *query < at) else { return false };
    let name = rest[query + 1..].split(['=', '&', '@']).next().unwrap_or_default();
    !looks_broken(authority) && is_known(name)
}

fn read_host(text: &str, draft: &mut Draft) -> Result<(), Failure> {
    if text.contains(',') {
        return Err(not_an_address("It names several servers; Drydock works on exactly one.")
            .next("Keep the one host that takes writes, and paste again."));
    }
    let (host, port) = if let Some(inner) = text.strip_prefix('[') {
        let (host, behind) = inner
            .split_once(']')
            .ok_or_else(|| not_an_address("The [ of an IPv6 address is never closed."))?;
        if host.split('%').next().is_none_or(|ip| ip.parse::<std::net::Ipv6Addr>().is_err()) {
            return Err(not_an_address("What stands in [ ] is not an IPv6 address."));
        }
        match behind.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if behind.is_empty() => (host, None),
            None => return Err(not_an_address("Text follows the ] of the IPv6 address.")),
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    draft.host = Some(decode(host, "The host")?.0);
    if let Some(port) = port.filter(|port| !port.is_empty()) {
        draft.set_port(port)?;
    }
    Ok(())
}

fn read_database(path: &str, draft: &mut Draft) -> Result<(), Failure> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.contains('/') {
        return Err(not_an_address(
            "The path has more than one part; only the database's name belongs there.",
        )
        .next("If the name holds a /, write it as %2F."));
    }
    let (name, _) = decode(path, "The database name")?;
    if name != path {
        draft.note(
            "database",
            "The name is percent-decoded, as libpq does. Prisma takes it as written: its tools would look for another database.",
            true,
        );
        draft.warnings.push(format!(
            "The database name is percent-encoded. Drydock uses `{name}`; Prisma would look for a database called `{path}`."
        ));
    }
    if !name.is_empty() {
        draft.database = Some(name);
    }
    Ok(())
}
