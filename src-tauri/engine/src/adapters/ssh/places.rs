//! Where this computer keeps what a line needs. Passed in, so that nothing is ever read from elsewhere.

use std::path::{Path, PathBuf};

/// Files, folders and programs.
#[derive(Debug, Clone)]
pub struct Places {
    /// The operator's home folder, for `~` in the configuration.
    pub home: PathBuf,
    /// The operator's name on this computer; the user where nothing else says one.
    pub user: String,
    /// ssh configuration files: the operator's, then the system's. Missing ones count as empty.
    pub config: Vec<PathBuf>,
    /// The operator's known hosts.
    pub known_hosts: Vec<PathBuf>,
    /// The system's known hosts.
    pub system_known_hosts: Vec<PathBuf>,
    /// The agent's socket (Unix) or pipe (Windows).
    pub agent: Option<PathBuf>,
    /// The operator's own ssh: a path, or a name to be found like a command.
    pub ssh: PathBuf,
    /// Folder in which private folders for sockets are made.
    pub runtime: PathBuf,
}

impl Places {
    /// Those of the operator who runs this process.
    pub fn of_this_user() -> Self {
        let home = std::env::home_dir().unwrap_or_default();
        let ssh = home.join(".ssh");
        let system = system_folder();
        Self {
            user: user(),
            config: vec![ssh.join("config"), system.join("ssh_config")],
            known_hosts: vec![ssh.join("known_hosts"), ssh.join("known_hosts2")],
            system_known_hosts: vec![system.join("ssh_known_hosts"), system.join("ssh_known_hosts2")],
            agent: agent(),
            ssh: PathBuf::from("ssh"),
            runtime: runtime(),
            home,
        }
    }

    /// A path of the configuration with `~` resolved.
    pub fn expand(&self, path: &str) -> PathBuf {
        match path.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None if path == "~" => self.home.clone(),
            None => PathBuf::from(path),
        }
    }

    /// The folder that relative names in the operator's configuration start from.
    pub(super) fn ssh_folder(&self) -> PathBuf {
        self.config.first().and_then(|file| file.parent()).map(Path::to_path_buf).unwrap_or_default()
    }
}

#[cfg(unix)]
fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::Uid::effective())
        .ok()
        .flatten()
        .map(|user| user.name)
        .unwrap_or_default()
}

#[cfg(not(unix))]
fn user() -> String {
    std::env::var("USERNAME").unwrap_or_default()
}

#[cfg(unix)]
fn system_folder() -> PathBuf {
    PathBuf::from("/etc/ssh")
}

#[cfg(not(unix))]
fn system_folder() -> PathBuf {
    std::env::var_os("ProgramData").map(PathBuf::from).unwrap_or_default().join("ssh")
}

fn agent() -> Option<PathBuf> {
    let told = std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from);
    if cfg!(windows) { told.or_else(|| Some(PathBuf::from(r"\\.\pipe\openssh-ssh-agent"))) } else { told }
}

/// A folder of this session where there is one: it is on no disk and gone with the session.
fn runtime() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(folder) if cfg!(unix) && folder.is_absolute() && folder.is_dir() => folder,
        _ => std::env::temp_dir(),
    }
}
