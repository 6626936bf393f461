//! SSH servers: the real sshd, with host keys, users, names and settings of its own.
//!
//! Logins by password need real accounts. They exist only in the server's own view of the file system: it
//! runs in a mount namespace where private copies of `/etc/passwd`, `/etc/shadow`, `/etc/hosts` and its
//! PAM file lie over the real ones, and in a process namespace, so that everything it starts ends with it.
//! Both need root; without it a server cannot start, and says so.

use crate::parts::{Own, free_port, guard, run, wait_until};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What differs from one server to the next.
#[derive(Debug, Clone, Default)]
pub struct SshSettings {
    /// Lines of `sshd_config` that come before the lab's own, so they count.
    pub lines: Vec<String>,
    /// The address it listens on; 127.0.0.1 unless told.
    pub address: Option<String>,
    /// Names that only this server knows: address, name.
    pub names: Vec<(String, String)>,
    /// The host key of another server.
    pub host_key: Option<PathBuf>,
    /// The port; a free one unless told.
    pub port: Option<u16>,
}

/// A running sshd of one test.
pub struct SshServer {
    server: Option<Own>,
    folder: tempfile::TempDir,
    address: String,
    port: u16,
    user: String,
    password: String,
    passphrase: String,
}

impl SshServer {
    /// Starts one on loopback.
    pub fn start() -> Self {
        Self::start_with(SshSettings::default())
    }

    /// Starts one with settings.
    pub fn start_with(settings: SshSettings) -> Self {
        assert!(
            nix::unistd::Uid::effective().is_root(),
            "an SSH server of the lab needs root: accounts with passwords live in namespaces of its own. Run the tests as root, as continuous integration does"
        );
        let sshd = Path::new("/usr/sbin/sshd");
        assert!(sshd.exists(), "sshd is not installed; scripts/test installs openssh-server");
        let folder = tempfile::Builder::new()
            .prefix("dd-lab-ssh-")
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        // The account reads its keys below it.
        open_to_all(folder.path());
        let port = settings.port.unwrap_or_else(free_port);
        let address = settings.address.clone().unwrap_or_else(|| "127.0.0.1".to_owned());
        let mut this = Self {
            server: None,
            folder,
            address,
            port,
            user: format!("drydock-lab-{port}"),
            password: format!("lab-Canary-{port} 'ssh' @/\\"),
            passphrase: format!("lab-Passphrase-{port} of the key"),
        };
        this.make_keys(settings.host_key.as_deref());
        this.make_account();
        this.write("hosts", &hosts(&settings.names));
        this.write("sshd_config", &this.settings(&settings.lines));
        std::fs::create_dir_all("/run/sshd").unwrap_or_else(|error| panic!("no /run/sshd: {error}"));
        this.resume();
        this
    }

    /// Starts it again after [`SshServer::crash`].
    pub fn resume(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log"));
        let log = log.unwrap_or_else(|error| panic!("no log: {error}"));
        let script = "for name in passwd shadow group hosts; do mount --bind \"$1/$name\" /etc/$name || exit 1; done\n\
                      mount --bind \"$1/pam\" /etc/pam.d/sshd || exit 1\n\
                      exec /usr/sbin/sshd -D -e -f \"$1/sshd_config\"";
        let mut command = Command::new("/bin/sh");
        guard(&mut command, "KILL", "unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]);
        command.args(["/bin/sh", "-c", script, "drydock-lab-sshd"]).arg(self.folder.path());
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8");
        command.stdout(Stdio::null()).stderr(log);
        let listening = || self.log().matches("Server listening on ").count();
        let before = listening();
        let mut server = Own::start("sshd", &mut command);
        // Its own word is waited for: a connection would stand in the log beside those of the test.
        wait_until(
            Duration::from_secs(15),
            || !server.has_ended() && listening() > before,
            || format!("sshd does not listen on {} port {}: {}", self.address, self.port, self.log()),
        );
        self.server = Some(server);
    }

    /// Ends it at once, with every session.
    pub fn crash(&mut self) {
        self.server = None;
    }

    /// Stops it and every session without ending them: nothing is answered, nothing is closed.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Ends every session at once; the server goes on listening.
    pub fn kill_sessions(&self) {
        // The listener is the first of them: sessions are its children.
        let sessions: Vec<String> = self.processes().into_iter().skip(1).collect();
        send_signal("KILL", &sessions);
    }

    /// Ends every ssh program that this process started and that is connected to this server.
    pub fn kill_clients(&self) {
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let sockets = sockets_to(self.port);
        let connected = |pid: &i32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "ssh")
                && std::fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|entries| {
                    entries.filter_map(Result::ok).any(|entry| {
                        std::fs::read_link(entry.path()).is_ok_and(|link| {
                            sockets.iter().any(|socket| link.as_os_str() == socket.as_str())
                        })
                    })
                })
        };
        let clients: Vec<String> =
            descendants(own).iter().filter(|pid| connected(pid)).map(ToString::to_string).collect();
        assert!(!clients.is_empty(), "no ssh of ours is connected to port {}", self.port);
        send_signal("KILL", &clients);
    }

    /// Sends a signal to sshd and its sessions.
    fn signal(&self, signal: &str) {
        let sshd = self.processes();
        assert!(!sshd.is_empty(), "no sshd is there");
        send_signal(signal, &sshd);
    }

    /// sshd and its sessions, which are ours: descendants of the guard, parents first.
    fn processes(&self) -> Vec<String> {
        let guard = self.server.as_ref().map_or(0, Own::pid);
        let is_sshd = |pid: &i32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("sshd"))
        };
        descendants(guard).iter().filter(|pid| is_sshd(pid)).map(ToString::to_string).collect()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address it listens on.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A user who may log in by every method.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The user's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// A private key of the user's without passphrase.
    pub fn key(&self) -> PathBuf {
        self.path("key")
    }

    /// A private key of the user's with a passphrase.
    pub fn locked_key(&self) -> PathBuf {
        self.path("locked")
    }

    /// Its passphrase.
    pub fn passphrase(&self) -> &str {
        &self.passphrase
    }

    /// A private key that opens nothing.
    pub fn strange_key(&self) -> PathBuf {
        self.path("strange")
    }

    /// The host's private key, to sign it or to start another server with it.
    pub fn host_key(&self) -> PathBuf {
        self.path("host")
    }

    /// The host's public key: algorithm and text.
    pub fn host_public_key(&self) -> String {
        let text = self.read("host.pub");
        text.split_ascii_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// The host key's fingerprint as ssh-keygen prints it.
    pub fn fingerprint(&self) -> String {
        let text = run("ssh-keygen", Command::new("ssh-keygen").arg("-lf").arg(self.path("host.pub")));
        text.split_ascii_whitespace().nth(1).unwrap_or_default().to_owned()
    }

    /// The name that known hosts files use for it.
    pub fn known_name(&self) -> String {
        format!("[{}]:{}", self.address, self.port)
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.read("log")
    }

    /// Writes a file of its folder, such as one that its settings name, and tells where.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn make_keys(&self, host_key: Option<&Path>) {
        let make = |name: &str, passphrase: &str| {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-C", name, "-N", passphrase, "-f"]).arg(self.path(name));
            run("ssh-keygen", &mut command);
        };
        match host_key {
            Some(other) => {
                let text =
                    std::fs::read_to_string(other).unwrap_or_else(|error| panic!("no host key: {error}"));
                let path = self.write("host", &text);
                std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))
                    .unwrap_or_else(|error| panic!("cannot close the host key: {error}"));
                let public = run("ssh-keygen", Command::new("ssh-keygen").arg("-yf").arg(&path));
                self.write("host.pub", &public);
            }
            None => make("host", ""),
        }
        make("key", "");
        make("locked", &self.passphrase);
        make("strange", "");
        self.write("authorized_keys", &format!("{}{}", self.read("key.pub"), self.read("locked.pub")));
        let public = PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(self.path("authorized_keys"), public)
            .unwrap_or_else(|error| panic!("cannot open the authorized keys: {error}"));
    }

    fn make_account(&self) {
        let hash = run("openssl", Command::new("openssl").args(["passwd", "-6", &self.password]));
        let with = |file: &str, line: String| {
            let text = std::fs::read_to_string(format!("/etc/{file}")).unwrap_or_default();
            self.write(file, &format!("{text}{line}\n"));
        };
        let user = &self.user;
        with("passwd", format!("{user}:x:61999:61999::{}:/bin/sh", self.folder.path().display()));
        with("shadow", format!("{user}:{}:19000::::::", hash.trim()));
        with("group", format!("{user}:x:61999:"));
        self.write(
            "pam",
            "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n",
        );
    }

    fn settings(&self, first: &[String]) -> String {
        let here = self.folder.path().display();
        format!(
            "{}\nPort {}\nListenAddress {}\nHostKey {here}/host\nPidFile none\nLogLevel VERBOSE\nUseDNS no\nUsePAM yes\n\
             StrictModes no\nAuthorizedKeysFile {here}/authorized_keys\nPubkeyAuthentication yes\n\
             PasswordAuthentication yes\nKbdInteractiveAuthentication yes\nMaxAuthTries 6\nMaxStartups 100\n\
             AllowTcpForwarding yes\nAllowStreamLocalForwarding yes\nPrintMotd no\n",
            first.join("\n"),
            self.port,
            self.address
        )
    }
}

fn hosts(names: &[(String, String)]) -> String {
    let mut text = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    for (address, name) in names {
        text.push_str(&format!("\n{address} {name}\n"));
    }
    text
}

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755))
        .unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()));
}

/// The sockets of this computer that are connected to a port, as `/proc` names them.
fn sockets_to(port: u16) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let wanted = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let remote = words.get(2).filter(|remote| remote.ends_with(&wanted));
            remote.and(words.get(9)).map(|inode| format!("socket:[{inode}]"))
        })
        .collect()
}

fn send_signal(signal: &str, to: &[String]) {
    if !to.is_empty() {
        // A session may end in between.
        let _ = Command::new("kill").arg(format!("-{signal}")).args(to).stderr(Stdio::null()).status();
    }
}

/// Every process below another one.
pub fn descendants(of: i32) -> Vec<i32> {
    let mut parents: Vec<(i32, i32)> = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name may hold anything but ends with the last bracket.
        let rest = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        if let Some(parent) = rest.split_ascii_whitespace().nth(1).and_then(|text| text.parse().ok()) {
            parents.push((pid, parent));
        }
    }
    let mut found = vec![of];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, one)| *one == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}

/// A real ssh-agent of one test.
pub struct SshAgent {
    _agent: Own,
    folder: tempfile::TempDir,
}

impl SshAgent {
    /// Starts one that holds these private keys, in this order.
    pub fn start(keys: &[&Path]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("dd-lab-agent-")
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let socket = folder.path().join("agent");
        let mut command = Command::new("/bin/sh");
        guard(&mut command, "TERM", "ssh-agent");
        command.arg("-D").arg("-a").arg(&socket);
        command.env_clear().env("PATH", "/usr/bin:/bin").stdout(Stdio::null()).stderr(Stdio::null());
        let agent = Own::start("ssh-agent", &mut command);
        // The socket is there before anybody listens on it.
        let answers = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
        wait_until(Duration::from_secs(10), answers, || "ssh-agent does not start".to_owned());
        for key in keys {
            run("ssh-add", Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &socket));
        }
        Self { _agent: agent, folder }
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("agent")
    }
}
