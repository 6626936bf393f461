//! The sandbox's own folders, and the user its server runs as.
//!
//! Layout: `owner.lock` (held while the server runs), `data`, `run` (the socket), `log`. The server
//! refuses to run as root, so under root everything lies in `/var/lib/drydock` and belongs to an
//! unprivileged user; the folder above stays root's, so that user can plant nothing in it.

use super::toolkit::Toolkit;
use crate::domain::{Failure, FailureCode};
use std::path::{Path, PathBuf};

/// Where one sandbox lives and who runs it.
#[derive(Debug, Clone)]
pub(super) struct Home {
    /// The folder of everything.
    pub root: PathBuf,
    /// PostgreSQL's data folder.
    pub data: PathBuf,
    /// The socket's folder.
    pub run: PathBuf,
    /// The server's log.
    pub log: PathBuf,
    /// The toolkit in a place the server's user can read.
    pub toolkit: Toolkit,
    /// Whom to run the server as; `None`: as ourselves.
    pub user: Option<User>,
}

/// An unprivileged user.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// A sandbox failure with its usual closing lines.
pub(super) fn failed(what: impl Into<String>, why: impl Into<String>) -> Failure {
    Failure::new(FailureCode::SandboxFailed, what)
        .why(why)
        .unchanged("No target was touched; the sandbox is separate from every environment.")
        .next("Try again; if it stays so, reset the sandbox. Its contents can always be made anew.")
}

pub(super) fn file_failed(action: &str, path: &Path, error: &std::io::Error) -> Failure {
    failed(
        "The sandbox's folder could not be prepared.",
        format!("Could not {action} {}: {error}.", path.display()),
    )
}

/// Where the log of a sandbox of this folder would be; makes nothing.
pub(super) fn location(folder: &Path) -> PathBuf {
    imp::location(folder)
}

/// Makes the folders and finds the user.
pub(super) fn prepare(toolkit: &Toolkit, folder: &Path) -> Result<Home, Failure> {
    imp::prepare(toolkit, folder)
}

/// Makes an empty folder that only the server's user (and root) can enter.
pub(super) fn private_folder(home: &Home, path: &Path) -> Result<(), Failure> {
    remove(path)?;
    imp::private_folder(home, path)
}

/// Removes a folder and everything in it; it need not exist.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(file_failed("remove", path, &error)),
    }
}

#[cfg(unix)]
mod imp {
    use super::*;
    use nix::unistd::{Gid, Uid, chown};
    use sha2::{Digest, Sha256};
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};

    /// Root's place for servers of unprivileged users.
    const SHARED: &str = "/var/lib/drydock";
    /// Says which sandbox folder a home stands for.
    const ORIGIN: &str = "origin";
    /// The longest folder in which PostgreSQL can make its socket on every system (104 bytes on macOS).
    const LONGEST_SOCKET_FOLDER: usize = 85;

    pub(super) fn location(folder: &Path) -> PathBuf {
        if !Uid::effective().is_root() || folder.starts_with(SHARED) {
            return folder.to_path_buf();
        }
        Path::new(SHARED).join(format!("sandbox-{}", short_hash(folder)))
    }

    pub(super) fn prepare(toolkit: &Toolkit, folder: &Path) -> Result<Home, Failure> {
        let root = location(folder);
        if !Uid::effective().is_root() {
            make(&root, 0o700, None)?;
            let run = socket_folder(&root)?;
            let home = Home {
                data: root.join("data"),
                run,
                log: root.join("log"),
                root,
                toolkit: toolkit.clone(),
                user: None,
            };
            make(&home.log, 0o700, None)?;
            return Ok(home);
        }
        let user = unprivileged()?;
        make(Path::new(SHARED), 0o755, None)?;
        make(&root, 0o710, None)?;
        chown(&root, Some(Uid::from_raw(0)), Some(Gid::from_raw(user.gid)))
            .map_err(|error| file_failed("hand over", &root, &error.into()))?;
        std::fs::write(root.join(ORIGIN), folder.as_os_str().as_encoded_bytes())
            .map_err(|error| file_failed("write into", &root, &error))?;
        sweep(Path::new(SHARED), &root);
        let home = Home {
            data: root.join("data"),
            run: root.join("run"),
            log: root.join("log"),
            toolkit: reachable(toolkit)?,
            user: Some(user),
            root,
        };
        make(&home.run, 0o700, Some(user))?;
        make(&home.log, 0o700, Some(user))?;
        Ok(home)
    }

    /// Clears root's sandboxes whose console has no data folder any more and whose server is not running.
    /// They are throwaway, and nobody else knows of them.
    fn sweep(shared: &Path, own: &Path) {
        let Ok(entries) = std::fs::read_dir(shared) else { return };
        for root in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let is_sandbox = root
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with("sandbox-"));
            let Ok(origin) = std::fs::read_to_string(root.join(ORIGIN)) else { continue };
            let console = Path::new(&origin).parent();
            let is_orphan = console.is_some_and(|console| console.is_absolute() && !console.exists());
            if is_sandbox && is_orphan && root != own && !is_running(&root.join("data")) {
                let _ = std::fs::remove_dir_all(&root);
            }
        }
    }

    fn is_running(data: &Path) -> bool {
        let text = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        let pid = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok());
        pid.is_some_and(|pid| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok())
    }

    pub(super) fn private_folder(home: &Home, path: &Path) -> Result<(), Failure> {
        make(path, 0o700, home.user)
    }

    /// Makes a folder of that mode, or checks that the one found is ours and closed to others.
    fn make(path: &Path, mode: u32, owner: Option<User>) -> Result<(), Failure> {
        match std::fs::DirBuilder::new().mode(mode).recursive(true).create(path) {
            Ok(()) => {}
            Err(error) => return Err(file_failed("create", path, &error)),
        }
        let found = std::fs::symlink_metadata(path).map_err(|error| file_failed("look at", path, &error))?;
        let own = Uid::effective().as_raw();
        if !found.is_dir() || (found.uid() != own && Some(found.uid()) != owner.map(|user| user.uid)) {
            return Err(failed(
                "The sandbox's folder belongs to someone else.",
                format!("{} is not a folder of this user.", path.display()),
            ));
        }
        if found.mode() & 0o7777 != mode {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
                .map_err(|error| file_failed("close", path, &error))?;
        }
        if let Some(user) = owner {
            chown(path, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))
                .map_err(|error| file_failed("hand over", path, &error.into()))?;
        }
        Ok(())
    }

    /// The socket lies in the sandbox's folder; where that path is too long, in a private one of the
    /// runtime or temporary folder.
    fn socket_folder(root: &Path) -> Result<PathBuf, Failure> {
        let inside = root.join("run");
        let run = if inside.as_os_str().len() <= LONGEST_SOCKET_FOLDER {
            inside
        } else {
            let name = format!("drydock-{}-{}", Uid::effective(), short_hash(root));
            std::env::var_os("XDG_RUNTIME_DIR")
                .map(|folder| PathBuf::from(folder).join(&name))
                .filter(|path| path.is_absolute() && path.as_os_str().len() <= LONGEST_SOCKET_FOLDER)
                .unwrap_or_else(|| Path::new("/tmp").join(&name))
        };
        make(&run, 0o700, None)?;
        Ok(run)
    }

    fn unprivileged() -> Result<User, Failure> {
        for name in ["postgres", "nobody"] {
            if let Ok(Some(user)) = nix::unistd::User::from_name(name) {
                return Ok(User { uid: user.uid.as_raw(), gid: user.gid.as_raw() });
            }
        }
        Err(failed(
            "The sandbox needs an unprivileged user.",
            "Drydock runs as root, PostgreSQL refuses to, and there is neither a user postgres nor nobody.",
        ))
    }

    /// The toolkit itself if every folder above it lets others in, else a copy that does.
    fn reachable(toolkit: &Toolkit) -> Result<Toolkit, Failure> {
        let open = |path: &Path| path.metadata().is_ok_and(|found| found.mode() & 0o005 == 0o005);
        let passable = |path: &Path| path.metadata().is_ok_and(|found| found.mode() & 0o001 == 0o001);
        if toolkit.root().ancestors().skip(1).all(passable)
            && open(toolkit.root())
            && open(&toolkit.postgres())
        {
            return Ok(toolkit.clone());
        }
        let target = Path::new(SHARED).join(format!("toolkit-{}", toolkit.short_hash()));
        if let Ok(copy) = Toolkit::find(Some(&target))
            && copy.verify().is_ok()
        {
            return Ok(copy);
        }
        let fresh =
            Path::new(SHARED).join(format!("toolkit-{}.{}", toolkit.short_hash(), std::process::id()));
        copy_tree(toolkit.root(), &fresh)
            .map_err(|error| file_failed("copy the toolkit to", &fresh, &error))?;
        if target.exists() {
            std::fs::remove_dir_all(&target).map_err(|error| file_failed("replace", &target, &error))?;
        }
        std::fs::rename(&fresh, &target).map_err(|error| file_failed("create", &target, &error))?;
        Toolkit::find(Some(&target))
    }

    fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
        std::fs::DirBuilder::new().mode(0o755).recursive(true).create(to)?;
        std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755))?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                copy_tree(&entry.path(), &target)?;
            } else if kind.is_symlink() {
                std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, &target)?;
            } else {
                std::fs::copy(entry.path(), &target)?;
                let readable = entry.metadata()?.mode() | 0o444;
                let mode = if readable & 0o100 != 0 { readable | 0o111 } else { readable };
                std::fs::set_permissions(&target, std::fs::Permissions::from_mode(mode & 0o755))?;
            }
        }
        Ok(())
    }

    fn short_hash(path: &Path) -> String {
        Sha256::digest(path.as_os_str().as_encoded_bytes())
            .iter()
            .take(5)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    #[cfg(test)]
    #[expect(clippy::unwrap_used, reason = "a test")]
    mod tests {
        use super::*;

        #[test]
        fn only_sandboxes_without_console_and_server_are_cleared() {
            let place = tempfile::tempdir().unwrap();
            let shared = place.path().join("shared");
            let home = |name: &str, origin: Option<&Path>, pid: Option<u32>| {
                let root = shared.join(name);
                std::fs::create_dir_all(root.join("data")).unwrap();
                if let Some(origin) = origin {
                    std::fs::write(root.join(ORIGIN), origin.as_os_str().as_encoded_bytes()).unwrap();
                }
                if let Some(pid) = pid {
                    std::fs::write(root.join("data/postmaster.pid"), format!("{pid}\n")).unwrap();
                }
                root
            };
            let there = place.path().join("sandbox");
            let gone = place.path().join("gone/sandbox");
            let kept = [
                home("sandbox-used", Some(&there), None),
                home("sandbox-running", Some(&gone), Some(std::process::id())),
                home("sandbox-unknown", None, None),
                home("sandbox-own", Some(&gone), None),
                home("elsewhere", Some(&gone), None),
            ];
            let orphan = home("sandbox-orphan", Some(&gone), None);
            sweep(&shared, &kept[3]);
            assert!(!orphan.exists());
            assert!(kept.iter().all(|root| root.exists()), "{kept:?}");
        }
    }
}

#[cfg(windows)]
mod imp {
    use super::*;

    pub(super) fn location(folder: &Path) -> PathBuf {
        folder.to_path_buf()
    }

    pub(super) fn prepare(toolkit: &Toolkit, folder: &Path) -> Result<Home, Failure> {
        let home = Home {
            root: folder.to_path_buf(),
            data: folder.join("data"),
            run: folder.join("run"),
            log: folder.join("log"),
            toolkit: toolkit.clone(),
            user: None,
        };
        for path in [&home.root, &home.run, &home.log] {
            std::fs::create_dir_all(path).map_err(|error| file_failed("create", path, &error))?;
        }
        Ok(home)
    }

    pub(super) fn private_folder(_home: &Home, path: &Path) -> Result<(), Failure> {
        std::fs::create_dir_all(path).map_err(|error| file_failed("create", path, &error))
    }
}
