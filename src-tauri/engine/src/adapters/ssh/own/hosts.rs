//! The hosts of the way as the operator's own ssh resolves them (`ssh -G`, which connects to nothing).

use crate::adapters::ssh::{Places, config, words};
use crate::domain::{Failure, FailureCode, ssh::SshAccess};
use std::{path::Path, process::Stdio, time::Duration};
use tokio::process::Command;

/// One host.
#[derive(Debug, Clone, Default)]
pub(super) struct Host {
    /// As the operator or the configuration named it: what `Host` lines are about.
    pub(super) name: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) key_alias: Option<String>,
    /// Files in which the operator keeps known hosts for it.
    pub(super) known_hosts: Vec<String>,
    jumps: Option<String>,
}

/// The way to the host, the host itself last.
pub(super) async fn way(access: &SshAccess, places: &Places, settings: &Path) -> Result<Vec<Host>, Failure> {
    let look = Look { places, settings };
    let mut last = look.up(&access.host, access.user.as_deref(), access.port).await?;
    let mut hosts = Vec::new();
    for jump in &access.jumps {
        hosts.push(look.up(&jump.host, jump.user.as_deref(), jump.port).await?);
    }
    let mut jumps = if access.jumps.is_empty() { last.jumps.take() } else { None };
    // As ssh does, only the first of a list brings its own way along.
    while let Some(list) = jumps {
        let mut found = Vec::new();
        for text in list.split(',') {
            let (user, host, port) = config::destination(text.trim())
                .ok_or_else(|| odd(&format!("The jump host `{text}` cannot be understood.")))?;
            found.push(look.up(host, user, port).await?);
        }
        if hosts.len() + found.len() >= config::STOPS {
            return Err(odd("The jump hosts lead in a circle, or through too many hosts."));
        }
        jumps = found.first_mut().and_then(|first| first.jumps.take());
        hosts.splice(0..0, found);
    }
    hosts.push(last);
    Ok(hosts)
}

fn odd(why: &str) -> Failure {
    Failure::new(FailureCode::SshConfiguration, "Your ssh configuration cannot be followed.")
        .why(why)
        .unchanged(words::NOTHING)
        .next("Mend the configuration; `ssh -G` and the host's name shows what it comes to.")
}

struct Look<'a> {
    places: &'a Places,
    settings: &'a Path,
}

impl Look<'_> {
    async fn up(&self, name: &str, user: Option<&str>, port: Option<u16>) -> Result<Host, Failure> {
        let mut command = Command::new(&self.places.ssh);
        command.arg("-G").arg("-F").arg(self.settings);
        if let Some(user) = user {
            command.arg("-l").arg(user);
        }
        if let Some(port) = port {
            command.arg("-p").arg(port.to_string());
        }
        command.arg("--").arg(name).stdin(Stdio::null()).kill_on_drop(true);
        let output = match tokio::time::timeout(Duration::from_secs(10), command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(words::no_own_ssh(&error.to_string())),
            Err(_) => return Err(odd("ssh did not finish reading its configuration within 10 s.")),
        };
        if !output.status.success() {
            return Err(odd(&words::plain(&String::from_utf8_lossy(&output.stderr))));
        }
        let mut found = Host { name: name.to_owned(), port: 22, ..Host::default() };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
            match keyword {
                "hostname" => found.host = value.to_owned(),
                "port" => found.port = value.parse().unwrap_or(22),
                "user" => found.user = value.to_owned(),
                "hostkeyalias" => found.key_alias = Some(value.to_owned()),
                "proxyjump" if value != "none" => found.jumps = Some(value.to_owned()),
                "userknownhostsfile" => {
                    found.known_hosts = value.split_ascii_whitespace().map(str::to_owned).collect();
                }
                _ => {}
            }
        }
        Ok(found)
    }
}
