//! The common part of ssh's configuration, for the built-in implementation: who a name stands for, and
//! through which hosts it is reached.
//!
//! What is not understood is said with file and line. What would lead elsewhere (`ProxyCommand`, a `Match`
//! that changes the way) is refused, never passed over.

mod read;
#[cfg(test)]
mod tests;

use super::{places::Places, words};
use crate::domain::{
    Failure, FailureCode,
    ssh::{SshAccess, SshLogin},
};
use std::path::PathBuf;

/// What the configuration says about a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    /// Host to connect to; `None`: the name itself.
    pub(super) host_name: Option<String>,
    pub(super) user: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) identity_files: Vec<PathBuf>,
    pub(super) identities_only: bool,
    pub(super) identity_agent: Option<String>,
    pub(super) host_key_alias: Option<String>,
    pub(super) proxy_jump: Option<String>,
    /// A `Host` line other than `*` is about the name.
    pub(super) is_alias: bool,
    /// What was not followed, by file and line.
    pub(super) notes: Vec<String>,
}

/// Looks a name up.
pub(super) fn resolve(name: &str, places: &Places) -> Result<Resolved, Failure> {
    let mut reading = read::Reading::new(name, places);
    for file in &places.config {
        reading.file(file, 0)?;
    }
    reading.finish()
}

/// One host of the way, as it is connected to.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    /// As the operator named it.
    pub(super) name: String,
    /// Host to connect to.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) login: SshLogin,
    /// What the configuration adds.
    pub(super) resolved: Resolved,
}

/// Longest way that is followed; a longer one is a circle.
pub(super) const STOPS: usize = 8;

/// The way to the host, the host itself last.
pub(super) fn route(access: &SshAccess, places: &Places) -> Result<Vec<Stop>, Failure> {
    let mut stops = Vec::new();
    let mut last = stop(&access.host, access.user.as_deref(), access.port, &access.login, places)?;
    if access.jumps.is_empty() {
        through(last.resolved.proxy_jump.take(), places, &mut stops)?;
    }
    for jump in &access.jumps {
        stops.push(stop(&jump.host, jump.user.as_deref(), jump.port, &jump.login, places)?);
    }
    stops.push(last);
    Ok(stops)
}

/// The hosts of a `ProxyJump`. As ssh does, only the first of a list brings its own way along.
fn through(jumps: Option<String>, places: &Places, stops: &mut Vec<Stop>) -> Result<(), Failure> {
    let Some(jumps) = jumps.filter(|jumps| !jumps.eq_ignore_ascii_case("none")) else { return Ok(()) };
    let mut found = Vec::new();
    for text in jumps.split(',') {
        let (user, host, port) = destination(text.trim())
            .ok_or_else(|| refused(format!("The jump host `{text}` cannot be understood."), None))?;
        let login = SshLogin::Agent { public_key: None };
        found.push(stop(host, user, port, &login, places)?);
    }
    if found.len() + stops.len() >= STOPS {
        return Err(refused("The jump hosts lead in a circle, or through too many hosts.".to_owned(), None));
    }
    let own = found.first_mut().and_then(|first| first.resolved.proxy_jump.take());
    stops.splice(0..0, found);
    through(own, places, stops)
}

fn stop(
    name: &str,
    user: Option<&str>,
    port: Option<u16>,
    login: &SshLogin,
    places: &Places,
) -> Result<Stop, Failure> {
    let resolved = resolve(name, places)?;
    let user = user.map(str::to_owned).or_else(|| resolved.user.clone());
    Ok(Stop {
        name: name.to_owned(),
        host: resolved.host_name.clone().unwrap_or_else(|| name.to_owned()),
        port: port.or(resolved.port).unwrap_or(22),
        user: user.unwrap_or_else(|| places.user.clone()),
        login: login.clone(),
        resolved,
    })
}

/// `[user@]host[:port]`, `ssh://…` as well, an IPv6 address in brackets.
pub(super) fn destination(text: &str) -> Option<(Option<&str>, &str, Option<u16>)> {
    let text = text.strip_prefix("ssh://").unwrap_or(text);
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match rest.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (rest, None),
        },
    };
    let port = match port {
        Some(port) => Some(port.parse().ok()?),
        None => None,
    };
    (!host.is_empty()).then_some((user, host, port))
}

/// A configuration that cannot be followed.
pub(super) fn refused(why: String, next: Option<&str>) -> Failure {
    Failure::new(
        FailureCode::SshConfiguration,
        "Your ssh configuration asks for something that the built-in SSH cannot follow.",
    )
    .why(why)
    .unchanged(words::NOTHING)
    .next(next.unwrap_or("Choose `your own ssh`, which follows your configuration in full."))
}
