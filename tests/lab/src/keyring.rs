//! A real, unlocked Secret Service keyring on a private session bus.

use crate::parts::{Own, guard, wait_until};
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A running keyring of one test. Its variables go to the child that is to use it, never into the
/// test's own environment: other tests run in the same process.
pub struct Keyring {
    bus: Own,
    folder: tempfile::TempDir,
    address: String,
}

impl Keyring {
    /// Starts a bus and an unlocked keyring on it.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("drydock-lab-keyring-")
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let told = folder.path().join("address");
        let log = std::fs::File::create(folder.path().join("log"))
            .unwrap_or_else(|error| panic!("no log: {error}"));
        // The inner shell stays on the bus until it is ended; the bus and the keyring end with it. The daemon answers
        // before it has made its collection, so it is asked for that one.
        let script = "printf 'lab\\n' | gnome-keyring-daemon --unlock --components=secrets --foreground >/dev/null & daemon=$!\n\
                      trap 'kill $daemon; exit 0' TERM INT\n\
                      until dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets/collection/login \
                          org.freedesktop.DBus.Properties.Get string:org.freedesktop.Secret.Collection string:Locked 2>/dev/null \
                          | grep -q 'boolean false'; do sleep 0.05; done\n\
                      printf %s \"$DBUS_SESSION_BUS_ADDRESS\" > \"$1.new\"; mv \"$1.new\" \"$1\"\n\
                      wait $daemon";
        let mut command = Command::new("/bin/sh");
        guard(&mut command, "TERM", "dbus-run-session");
        command.arg("--").arg("sh").arg("-c").arg(script).arg("drydock-lab-keyring").arg(&told);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
        for (name, value) in Self::folders(folder.path()) {
            std::fs::create_dir_all(&value)
                .unwrap_or_else(|error| panic!("no folder for the keyring: {error}"));
            command.env(name, value);
        }
        let runtime = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(folder.path().join("run"), runtime)
            .unwrap_or_else(|error| panic!("cannot close the keyring's folder: {error}"));
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdout(Stdio::null()).stderr(log);
        let mut bus = Own::start("dbus-run-session", &mut command);
        wait_until(
            Duration::from_secs(15),
            || {
                assert!(!bus.has_ended(), "the keyring ended: {}", read(folder.path(), "log"));
                told.exists()
            },
            || format!("no keyring answers on the private bus: {}", read(folder.path(), "log")),
        );
        let address = read(folder.path(), "address");
        Self { bus, folder, address }
    }

    /// The variables a child needs to find this keyring and no other.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut variables: Vec<(String, String)> = Self::folders(self.folder.path())
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.display().to_string()))
            .collect();
        variables.push(("DBUS_SESSION_BUS_ADDRESS".to_owned(), self.address.clone()));
        variables
    }

    fn folders(root: &Path) -> [(&'static str, std::path::PathBuf); 3] {
        [
            ("HOME", root.join("home")),
            ("XDG_DATA_HOME", root.join("home/data")),
            ("XDG_RUNTIME_DIR", root.join("run")),
        ]
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        // The group is ours alone: the bus, its shell and the keyring.
        let group = nix::unistd::Pid::from_raw(self.bus.pid());
        let _ = nix::sys::signal::killpg(group, Signal::SIGTERM);
    }
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_default()
}
