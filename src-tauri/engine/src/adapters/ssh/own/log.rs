//! What the operator's ssh says on its error stream, line by line.

use crate::domain::doctor::HopKind;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::ChildStderr,
};

/// The functions whose words are wanted whatever the operator's log level is.
pub(super) const VERBOSE: &str = "*:ssh_connect_direct():*,*:verify_host_key():*,*:ssh_userauth2():*,*:channel_input_open_confirmation():*,*:channel_input_open_failure():*,*:channel_new():*";

/// The same for the processes that ssh starts for jump hosts: no channels, which are not ours.
pub(super) const VERBOSE_JUMPS: &str = "*:ssh_connect_direct():*,*:verify_host_key():*,*:ssh_userauth2():*";

/// One thing said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Connecting {
        host: String,
        address: String,
    },
    Connected,
    HostKey {
        key: String,
    },
    /// A login succeeded, on a jump host or the host itself.
    Entered {
        method: String,
    },
    /// What comes now is why it failed at this hop.
    Refusal {
        hop: HopKind,
    },
    Stream {
        number: u32,
    },
    StreamOpen {
        number: u32,
    },
    StreamRefused {
        number: u32,
        why: String,
    },
    Other,
}

/// Understands a line.
pub(super) fn understand(line: &str) -> Said {
    // `debug1: sshconnect.c:ssh_connect_direct():485 (pid=26852): Connecting to …`
    let text = match line.split_once("): ") {
        Some((tag, text)) if tag.contains("(pid=") => text,
        _ => line,
    };
    if let Some(rest) = text.strip_prefix("Connecting to ")
        && let Some((host, rest)) = rest.split_once(" [")
    {
        let address = rest.split_once(']').map(|(address, _)| address).unwrap_or_default();
        return Said::Connecting { host: host.to_owned(), address: address.to_owned() };
    }
    if text == "Connection established." {
        return Said::Connected;
    }
    if let Some(key) = text.strip_prefix("Server host key: ") {
        return Said::HostKey { key: key.to_owned() };
    }
    if let Some(rest) = text.strip_prefix("Authenticated to ") {
        return Said::Entered { method: rest.split('"').nth(1).unwrap_or_default().to_owned() };
    }
    if let Some(rest) = text.strip_prefix("channel ")
        && let Some((number, rest)) = rest.split_once(": ")
        && let Ok(number) = number.parse()
    {
        return channel(number, rest);
    }
    if text.contains("Could not resolve hostname") {
        return Said::Refusal { hop: HopKind::SshNameLookup };
    }
    if text.starts_with("ssh: connect to host") {
        return Said::Refusal { hop: HopKind::SshTcp };
    }
    if text.contains("Host key verification failed")
        || text.contains("key is known for")
        || text.contains("HOST IDENTIFICATION HAS CHANGED")
    {
        return Said::Refusal { hop: HopKind::SshHostKey };
    }
    if text.contains("Permission denied (") || text.contains("Too many authentication failures") {
        return Said::Refusal { hop: HopKind::SshLogin };
    }
    Said::Other
}

fn channel(number: u32, rest: &str) -> Said {
    if rest.starts_with("new direct-") {
        return Said::Stream { number };
    }
    if rest.starts_with("open confirm") {
        return Said::StreamOpen { number };
    }
    match rest.strip_prefix("open failed: ") {
        Some(why) => Said::StreamRefused { number, why: why.to_owned() },
        None => Said::Other,
    }
}

/// The lines of one ssh, kept for the failure's words.
pub(super) struct Talk {
    lines: Lines<BufReader<ChildStderr>>,
    all: Vec<String>,
}

/// Lines that are kept; the last ones say why it ended.
const KEPT: usize = 200;

impl Talk {
    pub(super) fn new(said: ChildStderr) -> Self {
        Self { lines: BufReader::new(said).lines(), all: Vec::new() }
    }

    /// The next thing said; `None` once ssh has ended.
    pub(super) async fn next(&mut self) -> Option<Said> {
        let line = match self.lines.next_line().await {
            Ok(Some(line)) => line,
            Ok(None) | Err(_) => return None,
        };
        let line = line.trim_end_matches('\r').to_owned();
        let said = understand(&line);
        if matches!(said, Said::Other | Said::Refusal { .. }) {
            if self.all.len() >= KEPT {
                self.all.remove(0);
            }
            self.all.push(line);
        }
        Some(said)
    }

    /// What was said beside what is understood.
    pub(super) fn all(&self) -> &[String] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_real_ssh_are_understood() {
        for (line, said) in [
            (
                "debug1: sshconnect.c:ssh_connect_direct():485 (pid=26852): Connecting to dock [192.0.2.7] port 22922.",
                Said::Connecting { host: "dock".to_owned(), address: "192.0.2.7".to_owned() },
            ),
            (
                "debug1: sshconnect.c:ssh_connect_direct():522 (pid=26852): Connection established.",
                Said::Connected,
            ),
            (
                "debug1: sshconnect.c:verify_host_key():1477 (pid=26852): Server host key: ssh-ed25519 SHA256:ij",
                Said::HostKey { key: "ssh-ed25519 SHA256:ij".to_owned() },
            ),
            (
                "sshconnect2.c:ssh_userauth2():580 (pid=26852): Authenticated to 127.0.0.1 (via proxy) using \"publickey\".",
                Said::Entered { method: "publickey".to_owned() },
            ),
            (
                "debug1: channels.c:channel_new():503 (pid=26852): channel 3: new direct-tcpip [direct-tcpip] (inactive timeout: 0)",
                Said::Stream { number: 3 },
            ),
            (
                "debug2: channels.c:channel_input_open_confirmation():3518 (pid=1): channel 3: open confirm rwindow 2097152 rmax 32768",
                Said::StreamOpen { number: 3 },
            ),
            (
                "channels.c:channel_input_open_failure():3563 (pid=1): channel 4: open failed: connect failed: Connection refused",
                Said::StreamRefused { number: 4, why: "connect failed: Connection refused".to_owned() },
            ),
            ("Host key verification failed.", Said::Refusal { hop: HopKind::SshHostKey }),
            ("deploy@dock: Permission denied (publickey).", Said::Refusal { hop: HopKind::SshLogin }),
            ("Timeout, server dock not responding.", Said::Other),
        ] {
            assert_eq!(understand(line), said, "{line}");
        }
    }
}
