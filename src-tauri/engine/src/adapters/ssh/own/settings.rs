//! The configuration that the operator's ssh is started with: ours first, then theirs.

use super::{hosts::Host, log};
use crate::adapters::ssh::{ALIVE_EVERY_SECONDS, ALIVE_TRIES, Places, STEP, host_key::HostKeys, words};
use crate::domain::{
    Failure,
    ssh::{SshAccess, SshJump, SshLogin},
};
use std::{
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// What holds for every host of the way. The first value counts in ssh, so nothing in the operator's own
/// files can take any of it back.
fn always() -> String {
    format!(
        "  BatchMode yes
  StrictHostKeyChecking yes
  UpdateHostKeys no
  VerifyHostKeyDNS no
  NoHostAuthenticationForLocalhost no
  ConnectTimeout {}
  ConnectionAttempts 1
  NumberOfPasswordPrompts 0
  ServerAliveInterval {ALIVE_EVERY_SECONDS}
  ServerAliveCountMax {ALIVE_TRIES}
  TCPKeepAlive yes
  LogLevel INFO
  ControlMaster no
  ControlPath none
  ControlPersist no
  ClearAllForwardings yes
  ExitOnForwardFailure no
  ForwardAgent no
  ForwardX11 no
  PermitLocalCommand no
  RemoteCommand none
  RequestTTY no
  ForkAfterAuthentication no
  AddKeysToAgent no
  Tunnel no
  StreamLocalBindMask 0177
  StreamLocalBindUnlink yes
",
        STEP.as_secs()
    )
}

/// Only what the operator's files say, for looking hosts up.
pub(super) fn plain(places: &Places) -> String {
    places.config.iter().filter(|file| file.exists()).fold(String::new(), |mut text, file| {
        let _ = writeln!(text, "Include {}", quoted(file));
        text
    })
}

/// Writes the configuration, the pins and the command that writes down what hosts show.
pub(super) fn write_all(
    access: &SshAccess,
    places: &Places,
    folder: &Path,
    known: &[(Host, HostKeys)],
) -> Result<(), Failure> {
    let mut pins = String::new();
    let mut text = String::new();
    // `Host` lines know no ports: hosts of one name share what is written for it.
    let is_pinned =
        |name: &str| known.iter().any(|(host, keys)| host.name == name && !keys.pins().is_empty());
    for (host, keys) in known.iter().filter(|(host, _)| is_pinned(&host.name)) {
        let name = match (&host.key_alias, host.port) {
            (Some(alias), _) => alias.clone(),
            (None, 22) => host.host.clone(),
            (None, port) => format!("[{}]:{port}", host.host),
        };
        // The pins where there are any, else what the operator's files say.
        for key in keys.recorded() {
            let _ = writeln!(pins, "{name} {} {}", key.algorithm, key.key);
        }
        // Nothing else vouches for it; what revokes keys still does.
        for line in keys.revoking_lines() {
            let _ = writeln!(pins, "{line}");
        }
        let _ = writeln!(
            text,
            "Host {}\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none",
            host.name,
            quoted(&folder.join("pins"))
        );
    }
    for jump in &access.jumps {
        text.push_str(&jump_key(jump, folder)?);
    }
    text.push_str("Host *\n");
    text.push_str(&always());
    let mut files: Vec<String> = places.known_hosts.iter().map(|file| quoted(file)).collect();
    for file in known.iter().flat_map(|(host, _)| &host.known_hosts) {
        let file = quoted(Path::new(file));
        if !files.contains(&file) {
            files.push(file);
        }
    }
    let _ = writeln!(text, "  UserKnownHostsFile {}", files.join(" "));
    let global: Vec<String> = places.system_known_hosts.iter().map(|file| quoted(file)).collect();
    if !global.is_empty() {
        let _ = writeln!(text, "  GlobalKnownHostsFile {}", global.join(" "));
    }
    let note = folder.join("note");
    let _ = writeln!(text, "  KnownHostsCommand /bin/sh {} %I %H %t %K", quoted(&note));
    let _ = writeln!(text, "  LogVerbose {}", log::VERBOSE_JUMPS);
    text.push_str(&plain(places));
    write(&folder.join("config"), &text)?;
    write(&folder.join("pins"), &pins)?;
    let shown = folder.join("shown");
    write(&note, &format!("printf '%s %s %s %s\\n' \"$@\" >>{}\n", shell_quoted(&shown)))
}

/// The key of a jump host that was told to use one.
fn jump_key(jump: &SshJump, folder: &Path) -> Result<String, Failure> {
    let file = match &jump.login {
        SshLogin::KeyFile { path, .. } => PathBuf::from(path),
        SshLogin::Agent { public_key: Some(key) } => public_half(folder, &jump.host, key)?,
        _ => return Ok(String::new()),
    };
    Ok(format!("Host {}\n  IdentityFile {}\n  IdentitiesOnly yes\n", jump.host, quoted(&file)))
}

/// A chosen key of the agent: ssh wants its public half as a file.
fn public_half(folder: &Path, name: &str, key: &str) -> Result<PathBuf, Failure> {
    let safe: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let path = folder.join(format!("key-{safe}.pub"));
    write(&path, &format!("{key}\n"))?;
    Ok(path)
}

/// The master's command. Nothing in it is secret: hosts, users, paths.
pub(super) fn arguments(
    access: &SshAccess,
    places: &Places,
    folder: &Path,
) -> Result<Vec<OsString>, Failure> {
    let mut command: Vec<OsString> =
        vec![places.ssh.clone().into(), "-F".into(), folder.join("config").into()];
    // The operator's configuration may still name another agent.
    match &places.agent {
        Some(agent) => {
            command.splice(0..0, ["/usr/bin/env".into(), environment("SSH_AUTH_SOCK=", agent)]);
        }
        None => {
            command.splice(0..0, ["/usr/bin/env".into(), "-u".into(), "SSH_AUTH_SOCK".into()]);
        }
    }
    let mut option = |text: &str| {
        command.push("-o".into());
        command.push(text.into());
    };
    option("ControlMaster=yes");
    option(&format!("LogVerbose={}", log::VERBOSE));
    match &access.login {
        SshLogin::KeyFile { path, .. } => {
            option("IdentitiesOnly=yes");
            option(&format!("IdentityFile={}", quoted(Path::new(path))));
        }
        SshLogin::Agent { public_key: Some(key) } => {
            option("IdentitiesOnly=yes");
            let path = public_half(folder, "host", key)?;
            option(&format!("IdentityFile={}", quoted(&path)));
        }
        _ => {}
    }
    command.extend(["-N".into(), "-T".into(), "-S".into(), folder.join("c").into_os_string()]);
    if !access.jumps.is_empty() {
        let list: Vec<String> = access.jumps.iter().map(jump_text).collect();
        command.extend(["-J".into(), list.join(",").into()]);
    }
    if let Some(user) = &access.user {
        command.extend(["-l".into(), user.into()]);
    }
    if let Some(port) = access.port {
        command.extend(["-p".into(), port.to_string().into()]);
    }
    command.extend(["--".into(), (&access.host).into()]);
    Ok(command)
}

fn environment(name: &str, path: &Path) -> OsString {
    let mut text = OsString::from(name);
    text.push(path);
    text
}

fn jump_text(jump: &SshJump) -> String {
    let user = jump.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let host = if jump.host.contains(':') { format!("[{}]", jump.host) } else { jump.host.clone() };
    let port = jump.port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{user}{host}{port}")
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('"', "\\\""))
}

fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// Writes a file of the private folder.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        words::local("The line's own files cannot be written.", format!("{}: {error}", path.display()))
    })
}
