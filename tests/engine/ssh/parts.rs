//! A desk: the operator's files in a folder of the test's own, and targets behind a host.

use drydock_engine::adapters::ssh::{self, Line, Places, Refusal, Secrets};
use drydock_engine::domain::secret::{Credential, Keeping};
use drydock_engine::domain::ssh::{SshAccess, SshImplementation, SshLogin, SshTarget};
use drydock_lab::SshServer;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The operator's side of a test.
pub struct Desk {
    pub folder: tempfile::TempDir,
    pub places: Places,
}

impl Desk {
    /// With these lines as known hosts.
    pub fn knowing(lines: &[String]) -> Self {
        let folder = tempfile::Builder::new().prefix("dd-desk-").tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("run")).unwrap();
        std::fs::write(path("known_hosts"), lines.join("\n") + "\n").unwrap();
        std::fs::write(path("config"), "").unwrap();
        let places = Places {
            home: folder.path().to_path_buf(),
            user: "nobody-here".to_owned(),
            config: vec![path("config")],
            known_hosts: vec![path("known_hosts")],
            system_known_hosts: vec![path("no-such-file")],
            agent: None,
            ssh: PathBuf::from("ssh"),
            runtime: path("run"),
        };
        Self { folder, places }
    }

    /// Which knows the keys of these servers.
    pub fn for_servers(servers: &[&SshServer]) -> Self {
        let lines: Vec<String> = servers.iter().map(|server| known(server)).collect();
        Self::knowing(&lines)
    }

    pub fn configure(&self, text: &str) {
        std::fs::write(self.folder.path().join("config"), text).unwrap();
    }

    pub async fn connect(&self, access: &SshAccess, secrets: &Secrets) -> Result<Line, Refusal> {
        ssh::connect(access, secrets, &self.places, &mut |_| {}).await
    }

    /// What is left in the folder for sockets.
    pub fn left(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.folder.path().join("run"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    }
}

/// A server's line for a known hosts file.
pub fn known(server: &SshServer) -> String {
    format!("{} {}", server.known_name(), server.host_public_key())
}

pub fn access(server: &SshServer, implementation: SshImplementation, login: SshLogin) -> SshAccess {
    SshAccess {
        host: server.address().to_owned(),
        port: Some(server.port()),
        user: Some(server.user().to_owned()),
        implementation,
        login,
        jumps: Vec::new(),
        pins: Vec::new(),
    }
}

pub fn key_file(path: &Path) -> SshLogin {
    SshLogin::KeyFile { path: path.display().to_string(), passphrase: None }
}

/// Access by the server's plain key, which suits both implementations.
pub fn by_key(server: &SshServer, implementation: SshImplementation) -> SshAccess {
    access(server, implementation, key_file(&server.key()))
}

pub fn credential(id: &str) -> Credential {
    Credential { id: id.to_owned(), kept: Keeping::Keyring }
}

/// A target that sends everything back.
pub struct Echo {
    pub port: u16,
}

impl Echo {
    pub async fn start() -> Self {
        Self::start_on("127.0.0.1").await
    }

    pub async fn start_on(address: &str) -> Self {
        let listener = tokio::net::TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        Self { port }
    }

    /// One on a unix socket that the server's user may use.
    pub async fn start_on_socket(path: &Path) {
        use std::os::unix::fs::PermissionsExt;
        let listener = tokio::net::UnixListener::bind(path).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
    }

    pub fn target(&self) -> SshTarget {
        tcp("127.0.0.1", self.port)
    }
}

pub fn tcp(host: &str, port: u16) -> SshTarget {
    SshTarget::Tcp { host: host.to_owned(), port }
}

/// Sends something through a target that echoes and checks that it comes back.
pub async fn echoes(line: &Line, target: &SshTarget) {
    let mut stream = line.open(target).await.unwrap_or_else(|failure| panic!("{failure:?}"));
    stream.write_all(b"through the line").await.unwrap();
    let mut back = [0; 16];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"through the line");
}

/// Everything that a failure says, for looking words up in it.
pub fn all_words(refusal: &Refusal) -> String {
    format!("{refusal:?} {}", serde_json::to_string(&refusal.failure).unwrap())
}
