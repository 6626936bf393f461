//! A private folder for sockets that does not outlive the program.
//!
//! Unix: a guard (`/bin/sh`) reads from a pipe whose other end only this program holds. However the
//! program ends, kill -9 included, the pipe closes; the guard then ends the ssh it started, if any, and
//! removes the folder. Nothing in it is specific to Linux. Windows needs no folder: its local ends are
//! ports, which close with the process.

#[cfg(unix)]
pub(super) use imp::Folder;

#[cfg(unix)]
mod imp {
    use super::super::{places::Places, words};
    use crate::domain::Failure;
    use std::{
        ffi::OsString,
        path::{Path, PathBuf},
        process::Stdio,
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };
    use tempfile::TempDir;
    use tokio::{
        io::AsyncWriteExt,
        process::{Child, ChildStderr, ChildStdin, Command},
    };

    /// `$1` is the folder, the rest a program with its arguments, or nothing. A line on standard input
    /// says that the program is known to have ended, so that its number is not used any more. The guard
    /// leads a process group of its own: a Ctrl-C at a terminal reaches only the console.
    const GUARD: &str = r#"
folder=$1
shift
exec 3<&0 4>&2 </dev/null >/dev/null 2>&1
trap '' HUP INT
program=
if [ "$#" -gt 0 ]; then
  "$@" 2>&4 3<&- 4>&- &
  program=$!
fi
exec 4>&-
while read -r line <&3; do program=; done
if [ -n "$program" ]; then
  kill -TERM "$program"
  tries=0
  while kill -0 "$program" && [ "$tries" -lt 20 ]; do
    tries=$((tries + 1))
    sleep 0.05
  done
  kill -KILL "$program"
fi
rm -rf -- "$folder"
"#;

    /// Longest name that is put below the folder: `/t99/.s.PGSQL.65535`.
    const BELOW: usize = 20;

    /// What a socket's path may be long everywhere: macOS allows 104 with the final zero, Linux 108.
    const LONGEST: usize = 103;

    /// The folder with its guard.
    pub(in super::super) struct Folder {
        path: PathBuf,
        guard: Child,
        leash: Option<ChildStdin>,
        count: AtomicU32,
    }

    /// A folder whose program was started.
    pub(in super::super) struct Started {
        pub(in super::super) folder: Folder,
        /// What the program says; ends when it has ended.
        pub(in super::super) said: ChildStderr,
    }

    impl Folder {
        /// Makes a folder that only this user can enter, in a place where sockets' paths fit.
        pub(in super::super) fn make(places: &Places) -> Result<TempDir, Failure> {
            let fits = |folder: &Path| folder.as_os_str().len() + "/dd-123456".len() + BELOW <= LONGEST;
            let parent = [places.runtime.as_path(), Path::new("/tmp")]
                .into_iter()
                .find(|folder| fits(folder))
                .unwrap_or(Path::new("/tmp"));
            tempfile::Builder::new()
                .prefix("dd-")
                .rand_bytes(6)
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
                .tempdir_in(parent)
                .map_err(|error| {
                    words::local(
                        "No private folder for sockets can be made.",
                        format!("{}: {error}", parent.display()),
                    )
                })
        }

        /// Puts a folder under guard, without a program.
        pub(in super::super) fn guarded(made: TempDir) -> Result<Self, Failure> {
            Ok(Self::start(made, &[])?.folder)
        }

        /// Puts a folder under guard together with a program.
        pub(in super::super) fn start(made: TempDir, program: &[OsString]) -> Result<Started, Failure> {
            let spawned = Command::new("/bin/sh")
                .arg("-c")
                .arg(GUARD)
                .arg("drydock-line")
                .arg(made.path())
                .args(program)
                .env("LC_ALL", "C")
                .env_remove("SSH_ASKPASS")
                .process_group(0)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn();
            let mut guard = spawned.map_err(|error| {
                words::local("The guard of the line could not be started.", error.to_string())
            })?;
            // From here on the guard removes it.
            let path = made.keep();
            let leash = guard.stdin.take();
            let said = guard.stderr.take();
            let folder = Self { path, guard, leash, count: AtomicU32::new(0) };
            match said {
                Some(said) => Ok(Started { folder, said }),
                None => Err(words::local("The guard of the line could not be heard.", "no pipe")),
            }
        }

        /// A new folder below it.
        pub(in super::super) fn below(&self) -> Result<PathBuf, Failure> {
            use std::os::unix::fs::DirBuilderExt;
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            let path = self.path.join(format!("t{number}"));
            std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| {
                words::local("No folder for a tunnel can be made.", format!("{}: {error}", path.display()))
            })?;
            Ok(path)
        }

        /// Tells the guard that its program has ended.
        pub(in super::super) async fn program_ended(&mut self) {
            if let Some(leash) = &mut self.leash {
                let _ = leash.write_all(b"ended\n").await;
            }
        }

        /// Lets go of the leash and waits until program and folder are gone.
        pub(in super::super) async fn close(&mut self) {
            drop(self.leash.take());
            if tokio::time::timeout(Duration::from_secs(5), self.guard.wait()).await.is_err() {
                tracing::warn!(folder = %self.path.display(), "the guard of a line does not end");
            }
        }
    }
}
