//! Why the operator's ssh ended, in our words.

use super::hosts::Host;
use crate::adapters::ssh::{Refusal, host_key::HostKeys, words};
use crate::domain::{
    Failure, FailureCode,
    doctor::HopKind,
    ssh::{HostKeyReport, HostKeyVerdict, SshAccess, SshLogin},
};
use russh::keys::{Certificate, PublicKey};
use std::path::Path;

/// The refusal out of where it stopped, what it said, and the keys that were shown.
pub(super) fn told(
    access: &SshAccess,
    hosts: &[(Host, HostKeys)],
    folder: &Path,
    said: &[String],
    hop: HopKind,
    at: usize,
) -> Refusal {
    let mut text = words(said);
    if text.is_empty() {
        text = "It did not answer in time.".to_owned();
    }
    let host = hosts.get(at).or(hosts.last()).map(|(host, _)| host);
    let name = host.map_or(access.host.as_str(), |host| &host.name);
    let (target, port) = host.map_or((name, 22), |host| (host.host.as_str(), host.port));
    let user = host.map_or("", |host| &host.user);
    if let Some((failure, report)) = host_key(hosts, folder, &text) {
        let host = report.as_ref().map_or(name, |report| &report.host).to_owned();
        return Refusal { failure, hop: HopKind::SshHostKey, host, host_key: report.map(Box::new) };
    }
    let lower = text.to_lowercase();
    let (hop, failure) = if lower.contains("could not resolve hostname") {
        (HopKind::SshNameLookup, words::name_unknown(target, &text))
    } else if lower.contains("too many authentication failures") {
        (HopKind::SshLogin, words::too_many_keys(name, &text))
    } else if lower.contains("permission denied (") || hop == HopKind::SshLogin {
        (HopKind::SshLogin, login(access, name, user, &text))
    } else if ["connect to host", "connection timed out", "open failed", "stdio forwarding failed"]
        .iter()
        .any(|words| lower.contains(words))
    {
        (HopKind::SshTcp, words::unreachable(target, port, &text))
    } else if lower.contains("bad configuration option") || lower.contains("terminating,") {
        let failure = crate::adapters::ssh::config::refused(text, Some("Mend the line that ssh names."));
        (HopKind::SshNameLookup, failure)
    } else if hop <= HopKind::SshTcp {
        (hop, words::unreachable(target, port, &text))
    } else {
        (HopKind::SshHostKey, words::handshake(name, &text))
    };
    Refusal::new(hop, name, failure)
}

/// What ssh said last, without its banners.
fn words(said: &[String]) -> String {
    let lines: Vec<String> = said
        .iter()
        .map(|line| match line.split_once("): ") {
            Some((tag, text)) if tag.contains("(pid=") => words::plain(text),
            _ => words::plain(line),
        })
        .filter(|line| !line.is_empty() && !line.starts_with('@') && line != "entering")
        .collect();
    let skip = lines.len().saturating_sub(6);
    lines.get(skip..).unwrap_or_default().join(" ")
}

/// The key that was not accepted: ssh names no fingerprint for an unknown one, but told us the key
/// itself, and the same files are judged again.
fn host_key(
    hosts: &[(Host, HostKeys)],
    folder: &Path,
    text: &str,
) -> Option<(Failure, Option<HostKeyReport>)> {
    let is_about_keys = text.contains("Host key verification failed")
        || text.contains("key is known for")
        || text.contains("is marked as revoked")
        || text.contains("certificate");
    if !is_about_keys {
        return None;
    }
    let shown = std::fs::read_to_string(folder.join("shown")).unwrap_or_default();
    let (host, keys, key) = shown.lines().rev().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (about, name) = (fields.next()?, fields.next()?);
        let key = shown_key(fields.next()?, fields.next()?)?;
        if about != "HOSTNAME" {
            return None;
        }
        let (host, keys) = hosts.iter().find(|(host, _)| host.is_called(name))?;
        Some((host, keys, key))
    })?;
    let is_certificate =
        text.contains("Certificate invalid") || text.contains("Certificate") && text.contains("not valid");
    match keys.judge_key(&key) {
        Err(refused) if is_certificate && refused.report.verdict != HostKeyVerdict::Changed => {
            let failure = Failure::new(
                FailureCode::SshHostKeyRefused,
                format!("The certificate of {} does not hold.", host.name),
            )
            .why(text)
            .unchanged("Nothing of yours was sent, nothing was written.")
            .next("Ask who runs the host, or its certificate authority.");
            let report = HostKeyReport { verdict: HostKeyVerdict::Refused, ..refused.report };
            Some((failure, Some(report)))
        }
        Err(refused) => Some((refused.failure, Some(refused.report))),
        // Ours would accept what theirs refuses: a revocation list, a certificate of theirs.
        Ok(_) => {
            let failure = Failure::new(
                FailureCode::SshHostKeyRefused,
                format!("Your ssh does not accept the key of {}.", host.name),
            )
            .why(text)
            .unchanged("Nothing of yours was sent, nothing was written.")
            .next("Ask who runs the host; your ssh configuration says what it trusts.");
            Some((failure, None))
        }
    }
}

/// A key as ssh told it; of a certificate the key that it certifies.
fn shown_key(algorithm: &str, text: &str) -> Option<PublicKey> {
    let whole = format!("{algorithm} {text}");
    match PublicKey::from_openssh(&whole) {
        Ok(key) => Some(key),
        Err(_) => Some(PublicKey::from(Certificate::from_openssh(&whole).ok()?.public_key().clone())),
    }
}

impl Host {
    /// Whether ssh calls it so in its files.
    fn is_called(&self, name: &str) -> bool {
        match &self.key_alias {
            Some(alias) => name.eq_ignore_ascii_case(alias),
            None if self.port == 22 => name.eq_ignore_ascii_case(&self.host),
            None => name.eq_ignore_ascii_case(&format!("[{}]:{}", self.host, self.port)),
        }
    }
}

/// A refused login: an encrypted key that nobody opened is its own case.
fn login(access: &SshAccess, name: &str, user: &str, text: &str) -> Failure {
    if let SshLogin::KeyFile { path, .. } = &access.login {
        match std::fs::read_to_string(path) {
            Ok(key) if is_encrypted(&key) => {
                return words::passphrase_needed(
                    path,
                    "Add the key to your agent (ssh-add), or choose `built in`, which takes its passphrase from the keyring.",
                );
            }
            Err(error) => {
                return words::key_unusable(
                    "The key file cannot be read.",
                    format!("{path}: {error}"),
                    "Choose the private key's file.",
                );
            }
            Ok(_) => {}
        }
    }
    words::login_refused(name, user, access.login.label(), text)
}

fn is_encrypted(text: &str) -> bool {
    match russh::keys::decode_secret_key(text, None) {
        Ok(key) => key.is_encrypted(),
        Err(russh::keys::Error::KeyIsEncrypted) => true,
        Err(_) => text.contains("ENCRYPTED"),
    }
}
