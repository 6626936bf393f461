//! Failures of a line in words, the same for both implementations.

use crate::domain::{
    Failure, FailureCode,
    ssh::{SshAccess, SshTarget},
};

pub(super) const NOTHING: &str = "Nothing was sent to the database; nothing was written.";

/// Refuses what could be taken for an option or break a configuration line.
pub(super) fn check(access: &SshAccess) -> Result<(), Failure> {
    let hosts = std::iter::once(&access.host).chain(access.jumps.iter().map(|jump| &jump.host));
    let users = std::iter::once(&access.user).chain(access.jumps.iter().map(|jump| &jump.user));
    let odd = |text: &str| {
        text.is_empty()
            || text.starts_with('-')
            || text.chars().any(|c| c.is_whitespace() || c.is_control() || "\"'`$\\,;&|<>(){}@%/".contains(c))
    };
    let odd_user = |text: &str| {
        text.is_empty()
            || text.starts_with('-')
            || text.chars().any(|c| c.is_control() || "\"'`$;&|<>(){}%\\ ".contains(c))
    };
    for host in hosts {
        if odd(host) {
            return Err(Failure::new(FailureCode::SshConfiguration, format!("{host:?} is no host name."))
                .unchanged("No connection was made.")
                .next("Enter the name, the address or the alias of the SSH host alone; port and user have fields of their own."));
        }
    }
    for user in users.flatten() {
        if odd_user(user) {
            return Err(Failure::new(FailureCode::SshConfiguration, format!("{user:?} is no user name."))
                .unchanged("No connection was made.")
                .next("Enter the user's name alone."));
        }
    }
    Ok(())
}

/// The name leads nowhere.
pub(super) fn name_unknown(host: &str, why: &str) -> Failure {
    Failure::new(FailureCode::NameLookup, format!("The SSH host's name {host} leads nowhere."))
        .why(why)
        .unchanged(NOTHING)
        .next("Check the host's name; if it is an alias, it has to stand in your ssh configuration.")
}

/// The port does not answer.
pub(super) fn unreachable(host: &str, port: u16, why: &str) -> Failure {
    Failure::new(FailureCode::Unreachable, format!("The SSH host {host} does not answer on port {port}."))
        .why(why)
        .unchanged(NOTHING)
        .next("Check host and port, and that this computer may reach it (VPN, firewall).")
}

/// The conversation broke before the login.
pub(super) fn handshake(host: &str, why: &str) -> Failure {
    Failure::new(FailureCode::SshHandshake, format!("{host} and Drydock could not agree on a line."))
        .why(why)
        .unchanged("Nothing of yours was sent: no user name, no key, no password.")
        .next("Check that an SSH server listens on that port; a very old one may offer only methods that are no longer safe.")
}

/// The login was refused.
pub(super) fn login_refused(host: &str, user: &str, method: &str, why: &str) -> Failure {
    Failure::new(FailureCode::SshLoginRefused, format!("{host} refused the login of {user} by {method}."))
        .why(why)
        .unchanged("It was tried once and not again. Nothing was written.")
        .next("Check user and method; on the host, its log says why it refused.")
}

/// More keys were offered than the host accepts.
pub(super) fn too_many_keys(host: &str, why: &str) -> Failure {
    Failure::new(FailureCode::SshTooManyKeys, format!("{host} was offered too many keys and hung up."))
        .why(why)
        .unchanged("Nothing was written.")
        .next("Choose the one key that belongs to this host; then only that one is offered.")
}

/// An encrypted key without its passphrase.
pub(super) fn passphrase_needed(path: &str, next: &str) -> Failure {
    Failure::new(FailureCode::SshPassphraseNeeded, "The key file is protected by a passphrase.")
        .why(path)
        .unchanged("The key was not used.")
        .next(next)
}

/// A key file or agent that cannot be used.
pub(super) fn key_unusable(what: impl Into<String>, why: impl Into<String>, next: &str) -> Failure {
    Failure::new(FailureCode::SshKeyUnusable, what)
        .why(why)
        .unchanged("The host was not asked to let us in.")
        .next(next)
}

/// The login method is not one for this implementation.
#[cfg(unix)]
pub(super) fn unsuited(what: &str, next: &str) -> Failure {
    Failure::new(FailureCode::SshUnsuited, what).unchanged("No connection was made.").next(next)
}

/// The operator's own ssh cannot be used.
pub(super) fn no_own_ssh(why: &str) -> Failure {
    Failure::new(FailureCode::SshUnsuited, "Your own ssh cannot be used here.")
        .why(why)
        .unchanged("No connection was made.")
        .next("Choose `built in`.")
}

/// The host does not forward.
pub(super) fn forwarding_forbidden(host: &str, target: &SshTarget, why: &str) -> Failure {
    let setting = match target {
        SshTarget::Tcp { .. } => "AllowTcpForwarding and PermitOpen",
        SshTarget::Socket { .. } => "AllowStreamLocalForwarding",
    };
    Failure::new(
        FailureCode::SshForwardingForbidden,
        format!("{host} does not allow forwarding to {target}."),
    )
    .why(why)
    .unchanged(NOTHING)
    .next(format!(
        "Ask who runs the host: its sshd settings {setting}, or the key's own restrictions, forbid it."
    ))
}

/// The host allows it but does not get there.
pub(super) fn target_unreachable(host: &str, target: &SshTarget, why: &str) -> Failure {
    let failure =
        Failure::new(FailureCode::SshTargetUnreachable, format!("From {host}, {target} is not reached."))
            .unchanged(NOTHING);
    match target {
        SshTarget::Tcp { .. } => failure.why(why).next(
            "Check the database's host and port as that host sees them; `localhost` there means the SSH host itself.",
        ),
        // sshd answers the same, whether it may not or cannot.
        SshTarget::Socket { .. } => failure
            .why(format!("{why}. The host does not say whether the socket is missing, closed to this user, or not to be forwarded."))
            .next("Check the socket's path and rights on the host, and its sshd setting AllowStreamLocalForwarding."),
    }
}

/// The line is gone.
pub(super) fn lost(reason: &str) -> Failure {
    Failure::new(FailureCode::SshLineLost, "The line to the SSH host was lost.")
        .why(reason)
        .unchanged("Nothing is sent again by itself.")
        .next("Open the line again.")
}

/// The console closed the line itself.
pub(super) fn closed() -> Failure {
    Failure::new(FailureCode::SshLineLost, "The line to the SSH host is closed.")
        .unchanged("Nothing was sent.")
        .next("Open the line again.")
}

/// Something of this computer failed.
pub(super) fn local(what: &str, why: impl Into<String>) -> Failure {
    Failure::new(FailureCode::FileSystem, what).why(why).unchanged("Nothing was sent.").next("Try again.")
}

/// A channel that was not opened, told by the host's own code or words.
pub(super) fn not_opened(host: &str, target: &SshTarget, prohibited: bool, why: &str) -> Failure {
    if prohibited { forwarding_forbidden(host, target, why) } else { target_unreachable(host, target, why) }
}

/// The host's text for people: control characters removed, not too long.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect::<String>().trim().to_owned()
}
