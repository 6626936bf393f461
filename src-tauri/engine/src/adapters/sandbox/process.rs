//! The server as a child process that cannot outlive the program.
//!
//! Unix: a guard (`/bin/sh`) starts the server and reads from a pipe whose other end only this program
//! holds. However the program ends, kill -9 included, the pipe closes and the guard stops the server.
//! Windows: the guard is `cmd.exe`, waiting in the same way and then calling `pg_ctl stop`; it is not
//! tied into a job object, so ending the guard itself by force leaves the server until the next start.

use super::home::{Home, failed};
use crate::domain::Failure;
use std::path::Path;
use std::process::Stdio;
use tokio::process::{Child, ChildStdin, Command};

/// The running server with its guard.
pub(super) struct Guarded {
    guard: Child,
    /// Dropping this is what stops the server.
    leash: Option<ChildStdin>,
}

impl Guarded {
    /// Whether guard and server have ended.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.guard.try_wait(), Ok(None))
    }

    /// Lets go of the leash and waits until the server is gone.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        drop(self.leash.take());
        match tokio::time::timeout(std::time::Duration::from_secs(20), self.guard.wait()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failed("The sandbox's server could not be stopped.", error.to_string())),
            Err(_) => Err(failed("The sandbox's server does not stop.", "It was asked to 20 seconds ago.")),
        }
    }
}

/// A child with nothing of our environment and as the server's user.
pub(super) fn command(program: &Path, home: &Home) -> Command {
    let mut command = bare(program);
    command.current_dir(&home.root);
    #[cfg(unix)]
    if let Some(user) = home.user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

/// A child with a cleared environment: only what a program needs to run at all.
pub(in crate::adapters) fn bare(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if cfg!(windows) {
        for name in ["SystemRoot", "SystemDrive", "TEMP", "TMP", "PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
    } else {
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
    }
    command
}

/// Starts the server under its guard. `settings` are `name=value`; none is secret.
pub(super) fn start(home: &Home, settings: &[String]) -> Result<Guarded, Failure> {
    let log = home.log.join("server.log");
    let mut command = imp::guard(home, &log)?;
    for setting in settings {
        command.arg("-c").arg(setting);
    }
    let mut guard = command
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| failed("The sandbox's server could not be started.", error.to_string()))?;
    let leash = guard.stdin.take();
    Ok(Guarded { guard, leash })
}

#[cfg(unix)]
mod imp {
    use super::*;

    /// `$1` is the log, the rest the server and its arguments. The inner reader waits for the end of
    /// standard input, then asks for a fast shutdown, an immediate one after 5 s, and kills after 10 s.
    /// It leads a process group of its own, so a Ctrl-C at the terminal reaches only the program.
    const GUARD: &str = r#"
log=$1
shift
exec 3<&0 </dev/null >"$log" 2>&1
trap '' HUP
"$@" 3<&- &
server=$!
(
  while read -r line <&3; do :; done
  kill -INT "$server" || exit 0
  tries=0
  while kill -0 "$server"; do
    tries=$((tries + 1))
    case $tries in
      50) kill -QUIT "$server" ;;
      100) kill -KILL "$server" ;;
      150) exit 1 ;;
    esac
    sleep 0.1
  done
) 2>/dev/null &
reader=$!
exec 3<&-
wait "$server"
code=$?
kill "$reader" 2>/dev/null
exit "$code"
"#;

    pub(super) fn guard(home: &Home, log: &Path) -> Result<Command, Failure> {
        let mut command = command(Path::new("/bin/sh"), home);
        command.arg("-c").arg(GUARD).arg("drydock-guard").arg(log);
        command.arg(home.toolkit.postgres()).arg("-D").arg(&home.data);
        command.process_group(0);
        Ok(command)
    }
}

#[cfg(windows)]
mod imp {
    use super::*;

    const GUARD: &str = "@echo off\r\nstart \"\" /b %* >\"%DRYDOCK_LOG%\" 2>&1\r\nset /p line=\r\n\"%DRYDOCK_PG_CTL%\" stop -D \"%DRYDOCK_DATA%\" -m fast -t 10\r\n";

    pub(super) fn guard(home: &Home, log: &Path) -> Result<Command, Failure> {
        let script = home.root.join("guard.cmd");
        std::fs::write(&script, GUARD)
            .map_err(|error| super::super::home::file_failed("write", &script, &error))?;
        let mut command = command(&script, home);
        command
            .env("DRYDOCK_LOG", log)
            .env("DRYDOCK_DATA", &home.data)
            .env("DRYDOCK_PG_CTL", home.toolkit.root().join("bin").join("pg_ctl.exe"));
        command.arg(home.toolkit.postgres()).arg("-D").arg(&home.data);
        Ok(command)
    }
}
