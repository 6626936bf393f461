//! What all parts need: places, ports, the unprivileged user, children that end with their test.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The repository's root folder.
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or_else(|error| panic!("{} does not exist: {error}", root.display()))
}

/// The folder of real migration histories: `DRYDOCK_CORPUS`, else `../shared/corpus` beside the repository.
pub fn corpus() -> PathBuf {
    let folder = std::env::var_os("DRYDOCK_CORPUS")
        .map(PathBuf::from)
        .unwrap_or_else(|| repository().join("../shared/corpus"));
    assert!(
        folder.is_dir(),
        "the corpus of real migration histories is not at {}; set DRYDOCK_CORPUS to its folder",
        folder.display()
    );
    folder.canonicalize().unwrap_or(folder)
}

/// Ports that the kernel gives to nobody by itself: below those of outgoing connections, which would otherwise take
/// one between the moment it is chosen and the moment its server listens.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// A port on loopback that is free, and that no other caller in this process gets.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    for _ in 0..1000 {
        let drawn = RandomState::new().hash_one(()) % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + drawn as u16;
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && given.insert(port) {
            return port;
        }
    }
    panic!("no free port on loopback between {} and {}", PORTS.start, PORTS.end);
}

/// The user that servers run as when the test runs as root; `None`: as ourselves.
pub(crate) fn server_user() -> Option<nix::unistd::User> {
    if !nix::unistd::Uid::effective().is_root() {
        return None;
    }
    let found =
        ["postgres", "nobody"].iter().find_map(|name| nix::unistd::User::from_name(name).ok().flatten());
    Some(found.unwrap_or_else(|| panic!("running as root, and there is neither a user postgres nor nobody")))
}

/// A temporary folder that the server's user owns, with a short path (sockets must fit in).
pub(crate) fn server_folder(prefix: &str) -> tempfile::TempDir {
    let folder = tempfile::Builder::new()
        .prefix(&format!("drydock-lab-{prefix}-{}-", std::process::id()))
        .tempdir()
        .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    give(folder.path());
    folder
}

/// Removes folders of that prefix whose test process is gone: those kept until a process ends are never
/// dropped by it.
pub(crate) fn sweep(prefix: &str) {
    let prefix = format!("drydock-lab-{prefix}-");
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(&prefix).and_then(|rest| rest.split('-').next()?.parse().ok());
        if let Some(owner) = owner
            && nix::sys::signal::kill(nix::unistd::Pid::from_raw(owner), None) == Err(nix::Error::ESRCH)
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Gives a file or folder to the server's user.
pub(crate) fn give(path: &Path) {
    if let Some(user) = server_user() {
        nix::unistd::chown(path, Some(user.uid), Some(user.gid))
            .unwrap_or_else(|error| panic!("cannot hand {} over: {error}", path.display()));
    }
}

/// A command that runs as the server's user, with a small environment of its own.
pub(crate) fn as_server_user(program: impl AsRef<std::ffi::OsStr>) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C.UTF-8").env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    command.current_dir("/").stdin(Stdio::null());
    if let Some(user) = server_user() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

/// Runs a command to its end; panics with its output if it fails.
pub(crate) fn run(what: &str, command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{what}: cannot run it: {error}"));
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what} failed ({}): {text}", output.status);
    text
}

/// Starts `$2...` and waits for the end of standard input, which comes when the test lets go or its
/// process dies, kill -9 included; then sends signal `$1`, and kills after five seconds.
const GUARD: &str = r#"
signal=$1
shift
exec 3<&0 </dev/null
"$@" 3<&- &
part=$!
(
  while read -r line <&3; do :; done
  kill -"$signal" "$part"
  sleep 5
  kill -KILL "$part"
) >/dev/null 2>&1 &
reader=$!
exec 3<&-
wait "$part"
code=$?
kill "$reader" 2>/dev/null
exit "$code"
"#;

/// Turns a shell's command into one that guards a program; its arguments are added by the caller.
pub(crate) fn guard(shell: &mut Command, signal: &str, program: impl AsRef<std::ffi::OsStr>) {
    shell.arg("-c").arg(GUARD).arg("drydock-lab").arg(signal).arg(program).stdin(Stdio::piped());
}

/// A guarded part: it ends with this value, and with the test's process however that ends.
pub(crate) struct Own(Child);

impl Own {
    pub(crate) fn start(what: &str, command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{what} cannot be started: {error}")))
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// The guard's process, which leads its own group where the command asked for one.
    pub(crate) fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    fn end(&mut self) {
        drop(self.0.stdin.take());
        let until = Instant::now() + Duration::from_secs(8);
        while !self.has_ended() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until something is so; panics with the text of `otherwise` after the patience.
pub(crate) fn wait_until(
    patience: Duration,
    mut so: impl FnMut() -> bool,
    otherwise: impl FnOnce() -> String,
) {
    let until = Instant::now() + patience;
    while !so() {
        assert!(Instant::now() < until, "{}", otherwise());
        std::thread::sleep(Duration::from_millis(20));
    }
}
