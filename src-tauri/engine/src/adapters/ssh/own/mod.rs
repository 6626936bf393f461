//! The operator's own ssh: its configuration, its agent, its jump hosts, honoured in full.
//!
//! The crate's own way to start a master (`Session::connect`) puts it into the background, where it would
//! outlive a killed console; it also leaves out options that are needed here. So the master is started as
//! a child of our guard, in the foreground, and the `openssh` crate speaks to it over its control socket
//! (`Session::resume_mux`). No `ControlPersist`, and a control path in our private folder.
//!
//! What the master is told goes through a configuration file that comes before the operator's own:
//! options on the command line would not reach the ssh processes it starts for jump hosts, and there,
//! too, no key may be accepted by itself. The first value counts in ssh, so ours do.
//!
//! Which key an unknown host showed, ssh tells a `KnownHostsCommand` of ours, which writes it down and
//! vouches for nothing.

mod failure;
mod hosts;
mod log;
mod settings;
mod transport;

use super::{
    Passed, Places, Progress, Refusal, STEP,
    folder::Folder,
    host_key::HostKeys,
    line::{Line, Standing},
    words,
};
use crate::domain::{
    Failure,
    doctor::HopKind,
    ssh::{SshAccess, SshLogin},
};
use log::{Said, Talk};
use std::{
    path::Path,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::process::Command;

/// The oldest version that names every stream it opens (`LogVerbose`) and shows us a host's key
/// (`KnownHostsCommand`): March 2021.
const OLDEST: (u32, u32) = (8, 5);

/// Whether the operator's own ssh is there and new enough.
pub(super) async fn usable(places: &Places) -> Result<(), Failure> {
    let output = Command::new(&places.ssh).arg("-V").stdin(Stdio::null()).output().await;
    let text = match output {
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => return Err(words::no_own_ssh(&format!("{}: {error}", places.ssh.display()))),
    };
    match version(&text) {
        Some(found) if found >= OLDEST => Ok(()),
        _ => Err(words::no_own_ssh(&format!(
            "OpenSSH {}.{} or newer is needed; found: {}.",
            OLDEST.0,
            OLDEST.1,
            words::plain(&text)
        ))),
    }
}

/// `OpenSSH_9.2p1 Debian-2+deb12u10, …`
fn version(text: &str) -> Option<(u32, u32)> {
    let (_, rest) = text.split_once("OpenSSH_")?;
    let rest = rest.strip_prefix("for_Windows_").unwrap_or(rest);
    let (major, rest) = rest.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Refuses what BatchMode could only fail at, before anything is sent.
fn suits(access: &SshAccess) -> Result<(), Failure> {
    for login in std::iter::once(&access.login).chain(access.jumps.iter().map(|jump| &jump.login)) {
        match login {
            SshLogin::Password { .. } => {
                return Err(words::unsuited(
                    "Your own ssh cannot be handed a password.",
                    "Choose `built in`, which takes it from the keyring.",
                ));
            }
            SshLogin::KeyboardInteractive { .. } => {
                return Err(words::unsuited(
                    "Your own ssh would put the host's questions to a terminal.",
                    "Choose `built in`, which puts them to you here.",
                ));
            }
            SshLogin::KeyFile { passphrase: Some(_), .. } => {
                return Err(words::unsuited(
                    "Your own ssh cannot be handed a passphrase.",
                    "Add the key to your agent (ssh-add), or choose `built in`, which takes the passphrase from the keyring.",
                ));
            }
            SshLogin::KeyFile { .. } | SshLogin::Agent { .. } => {}
        }
    }
    Ok(())
}

/// Opens a line.
pub(super) async fn connect(
    access: &SshAccess,
    places: &Places,
    progress: Progress<'_>,
) -> Result<Line, Refusal> {
    let early = |failure| Refusal::new(HopKind::SshNameLookup, &access.host, failure);
    suits(access).map_err(|failure| Refusal::new(HopKind::SshLogin, &access.host, failure))?;
    usable(places).await.map_err(|failure| Refusal::new(HopKind::SshLogin, &access.host, failure))?;
    let made = Folder::make(places).map_err(early)?;
    let path = made.path().to_path_buf();
    let (hosts, arguments) = prepare(access, places, &path).await.map_err(early)?;
    let started = Folder::start(made, &arguments).map_err(early)?;
    let mut talk = Talk::new(started.said);
    let mut folder = started.folder;
    let session = openssh::Session::resume_mux(path.join("c").into_boxed_path(), None);
    let names: Vec<String> = hosts.iter().map(|(host, _)| host.name.clone()).collect();
    if let Err(Stopped { hop, at }) = enter(&names, &session, &path, &mut talk, progress).await {
        let refusal = failure::told(access, &hosts, &path, talk.all(), hop, at);
        folder.close().await;
        return Err(refusal);
    }
    let standing = Standing::connecting();
    standing.opened();
    let folder = Arc::new(tokio::sync::Mutex::new(folder));
    let transport =
        transport::Own::new(&access.host, session, &path, talk, standing.clone(), Arc::downgrade(&folder));
    Ok(Line::new(&access.host, Arc::new(transport), standing, folder))
}

/// Looks the hosts up, writes configuration and pins, and puts the command together.
async fn prepare(
    access: &SshAccess,
    places: &Places,
    folder: &Path,
) -> Result<(Vec<(hosts::Host, HostKeys)>, Vec<std::ffi::OsString>), Failure> {
    let plain = folder.join("plain");
    settings::write(&plain, &settings::plain(places))?;
    let mut known = Vec::new();
    for host in hosts::way(access, places, &plain).await? {
        let keys = HostKeys::read(&host.host, host.port, host.key_alias.as_deref(), &access.pins, places)?;
        known.push((host, keys));
    }
    settings::write_all(access, places, folder, &known)?;
    let arguments = settings::arguments(access, places, folder)?;
    Ok((known, arguments))
}

/// Where ssh stopped: at which hop of which host of the way.
struct Stopped {
    hop: HopKind,
    at: usize,
}

/// Follows what ssh says until its control socket answers, or until it has ended. Hosts are entered in
/// the order of the way, so the number of logins tells which host a line is about.
async fn enter(
    names: &[String],
    session: &openssh::Session,
    folder: &Path,
    talk: &mut Talk,
    progress: Progress<'_>,
) -> Result<(), Stopped> {
    let socket = folder.join("c");
    let hosts = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let deadline = tokio::time::sleep(STEP * hosts.saturating_mul(3).min(30));
    tokio::pin!(deadline);
    let mut hop = HopKind::SshNameLookup;
    let mut entered = 0;
    let mut began = Instant::now();
    loop {
        let said = tokio::select! {
            biased;
            said = talk.next() => said,
            () = &mut deadline => return Err(Stopped { hop, at: entered }),
            // ssh does not say when its control socket is there.
            () = tokio::time::sleep(Duration::from_millis(5)), if entered > 0 => {
                if socket.exists() && session.check().await.is_ok() {
                    return Ok(());
                }
                continue;
            }
        };
        let (passed, next, evidence) = match said {
            None => return Err(Stopped { hop, at: entered }),
            Some(Said::Connecting { address, .. }) => (HopKind::SshNameLookup, HopKind::SshTcp, address),
            Some(Said::Connected) => (HopKind::SshTcp, HopKind::SshHostKey, "the port answers".to_owned()),
            // It is judged right after this: what is said next is a refusal or the login.
            Some(Said::HostKey { key }) => (HopKind::SshHostKey, HopKind::SshLogin, key),
            Some(Said::Entered { method }) => {
                (HopKind::SshLogin, HopKind::SshForwarding, format!("by {method}"))
            }
            Some(Said::Refusal { hop: at }) => {
                hop = at;
                continue;
            }
            Some(_) => continue,
        };
        progress(Passed {
            hop: passed,
            host: names.get(entered).or(names.last()).cloned().unwrap_or_default(),
            evidence,
            took: Some(began.elapsed()),
        });
        began = Instant::now();
        hop = next;
        if passed == HopKind::SshLogin {
            entered += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_read_from_what_ssh_prints() {
        for (text, found) in [
            ("OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19 27 Jan 2026", Some((9, 2))),
            ("OpenSSH_10.0p2, LibreSSL 3.3.6", Some((10, 0))),
            ("OpenSSH_8.4p1", Some((8, 4))),
            ("Sun_SSH_2.4", None),
        ] {
            assert_eq!(version(text), found, "{text}");
        }
    }
}
