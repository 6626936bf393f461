//! The real parts these tests need, each private to one test, on loopback and free ports, ended on drop.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
pub const PASSWORD: &str = "s3cret-Wq7:%/@ä";

pub use drydock_lab::free_port;

/// The server's own programs: Debian's, or those of the folder in DRYDOCK_TEST_SERVER.
fn server_program(name: &str) -> PathBuf {
    std::env::var_os("DRYDOCK_TEST_SERVER").map_or_else(|| PathBuf::from(PROGRAMS), PathBuf::from).join(name)
}

/// A command as the unprivileged user `postgres` where we are root.
fn unprivileged(program: impl AsRef<Path>) -> Command {
    if nix::unistd::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program.as_ref());
        command
    } else {
        Command::new(program.as_ref())
    }
}

fn give(path: &Path) {
    if nix::unistd::geteuid().is_root() {
        let user = nix::unistd::User::from_name("postgres").unwrap().expect("the system has a user postgres");
        nix::unistd::chown(path, Some(user.uid), Some(user.gid)).unwrap();
    }
}

fn run(what: &str, command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

fn folder(name: &str) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix(&format!("drydock-{name}-")).tempdir().unwrap();
    give(folder.path());
    folder
}

/// A child that is ended with its owner.
struct Own(Child);

impl Own {
    fn stop(&mut self, signal: nix::sys::signal::Signal) {
        let _ =
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap()), signal);
        let _ = self.0.wait();
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.stop(nix::sys::signal::Signal::SIGINT);
    }
}

/// PostgreSQL 15 with a superuser `owner` whose password is [`PASSWORD`].
pub struct Server {
    process: Option<Own>,
    pub folder: tempfile::TempDir,
    pub port: u16,
}

impl Server {
    pub fn start(settings: &[&str]) -> Self {
        let mut server = Self::prepare();
        server.settings(settings);
        server.resume();
        server
    }

    fn prepare() -> Self {
        let folder = folder("pg");
        let secret = folder.path().join("password");
        std::fs::write(&secret, PASSWORD).unwrap();
        give(&secret);
        run(
            "initdb",
            unprivileged(server_program("initdb"))
                .args([
                    "-U",
                    "owner",
                    "-A",
                    "scram-sha-256",
                    "--no-sync",
                    "-E",
                    "UTF8",
                    "--locale=C.UTF-8",
                    "--pwfile",
                ])
                .arg(&secret)
                .arg("-D")
                .arg(folder.path().join("data")),
        );
        Self { process: None, folder, port: free_port() }
    }

    pub fn settings(&self, settings: &[&str]) {
        let file = self.folder.path().join("data/postgresql.auto.conf");
        let mut text = std::fs::read_to_string(&file).unwrap_or_default();
        for setting in settings {
            text.push_str(setting);
            text.push('\n');
        }
        std::fs::write(&file, text).unwrap();
    }

    pub fn resume(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = unprivileged(server_program("postgres"))
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .arg("-k")
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string(), "-c", "fsync=off", "-c", "max_connections=40"])
            .args(["-c", "listen_addresses=127.0.0.1,::1"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(Own(child));
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let ready = unprivileged(format!("{PROGRAMS}/pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status()
                .unwrap();
            if ready.success() {
                return;
            }
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < limit, "the server does not start: {}", log());
            std::thread::sleep(Duration::from_millis(40));
        }
    }

    pub fn stop(&mut self) {
        self.process = None;
    }

    /// A physical copy on another port; both stopped meanwhile.
    pub fn copy(&mut self) -> Self {
        self.stop();
        let folder = folder("copy");
        run(
            "cp",
            unprivileged("cp").arg("-a").arg(self.folder.path().join("data")).arg(folder.path().join("data")),
        );
        let mut copy = Self { process: None, folder, port: free_port() };
        copy.resume();
        self.resume();
        copy
    }

    /// A hot standby on another port: a copy that waits for a primary's log and only reads.
    pub fn standby(&mut self) -> Self {
        self.stop();
        let folder = folder("standby");
        run(
            "cp",
            unprivileged("cp").arg("-a").arg(self.folder.path().join("data")).arg(folder.path().join("data")),
        );
        let signal = folder.path().join("data/standby.signal");
        std::fs::write(&signal, "").unwrap();
        give(&signal);
        let mut copy = Self { process: None, folder, port: free_port() };
        copy.resume();
        self.resume();
        copy
    }

    pub fn sql(&self, database: &str, text: &str) {
        let output = Command::new(format!("{PROGRAMS}/psql"))
            .env("PGPASSWORD", PASSWORD)
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "owner", "-d", database])
            .args(["-v", "ON_ERROR_STOP=1", "-q", "-c", text])
            .output()
            .unwrap();
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Puts a certificate in place and turns encryption on at the next start.
    pub fn with_certificate(&mut self, authority: &Authority, name: &str, days: &str) {
        self.stop();
        let data = self.folder.path().join("data");
        authority.issue(name, days, &data);
        self.settings(&["ssl = on", "ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'"]);
        self.resume();
    }
}

/// pgbouncer in front of a server.
pub struct Bouncer {
    _process: Own,
    _folder: tempfile::TempDir,
    pub port: u16,
}

impl Bouncer {
    pub fn start(server: &Server, mode: &str, more: &str) -> Self {
        let folder = folder("bouncer");
        let port = free_port();
        let users = folder.path().join("users");
        std::fs::write(&users, format!("\"owner\" \"{PASSWORD}\"\n")).unwrap();
        give(&users);
        let settings = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\napp = host=127.0.0.1 port={}\npostgres = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\n\
             unix_socket_dir=\nauth_type=scram-sha-256\nauth_file={}\npool_mode={mode}\nserver_login_retry=1\n{more}\n",
            server.port,
            server.port,
            users.display()
        );
        std::fs::write(&settings, text).unwrap();
        give(&settings);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = unprivileged("/usr/sbin/pgbouncer")
            .arg(&settings)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let process = Own(child);
        let limit = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < limit, "pgbouncer does not start: {}", log());
            std::thread::sleep(Duration::from_millis(30));
        }
        Self { _process: process, _folder: folder, port }
    }
}

/// A certificate authority of its own.
pub struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let folder = folder("authority");
        let path = |name: &str| folder.path().join(name);
        run(
            "openssl",
            Command::new("openssl")
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "rsa:2048",
                    "-nodes",
                    "-days",
                    "30",
                    "-subj",
                    "/CN=Test Root",
                ])
                .args([
                    "-addext",
                    "basicConstraints=critical,CA:TRUE",
                    "-addext",
                    "keyUsage=critical,keyCertSign",
                ])
                .arg("-keyout")
                .arg(path("ca.key"))
                .arg("-out")
                .arg(path("ca.crt")),
        );
        Self { folder }
    }

    pub fn pem(&self) -> String {
        std::fs::read_to_string(self.root()).unwrap()
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// `days` as openssl takes it; `expired` for one that ended yesterday, `self` for one without us.
    fn issue(&self, name: &str, days: &str, data: &Path) {
        let path = |name: &str| self.folder.path().join(name);
        let (key, crt) = (path("server.key"), path("server.crt"));
        let alternative = if name.parse::<std::net::IpAddr>().is_ok() {
            format!("IP:{name}")
        } else {
            format!("DNS:{name}")
        };
        let subject = format!("/CN={name}");
        if days == "self" {
            run(
                "openssl",
                Command::new("openssl")
                    .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", &subject])
                    .args([
                        "-addext",
                        &format!("subjectAltName={alternative}"),
                        "-addext",
                        "basicConstraints=CA:FALSE",
                    ])
                    .arg("-keyout")
                    .arg(&key)
                    .arg("-out")
                    .arg(&crt),
            );
        } else {
            let request = path("server.csr");
            run(
                "openssl",
                Command::new("openssl")
                    .args(["req", "-newkey", "rsa:2048", "-nodes", "-subj", &subject, "-keyout"])
                    .arg(&key)
                    .arg("-out")
                    .arg(&request),
            );
            std::fs::write(path("ext"), format!("subjectAltName={alternative}\nbasicConstraints=CA:FALSE\n"))
                .unwrap();
            let mut sign = Command::new("openssl");
            sign.args(["x509", "-req", "-CAcreateserial", "-in"]).arg(&request);
            sign.arg("-CA")
                .arg(self.root())
                .arg("-CAkey")
                .arg(path("ca.key"))
                .arg("-extfile")
                .arg(path("ext"));
            if days == "expired" {
                sign.args(["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"]);
                let output = sign.arg("-out").arg(&crt).output().unwrap();
                if !output.status.success() {
                    // An older openssl has no -not_after; a negative number of days does the same.
                    let mut sign = Command::new("openssl");
                    sign.args(["x509", "-req", "-CAcreateserial", "-days", "-1", "-in"]).arg(&request);
                    sign.arg("-CA")
                        .arg(self.root())
                        .arg("-CAkey")
                        .arg(path("ca.key"))
                        .arg("-extfile")
                        .arg(path("ext"));
                    run("openssl", sign.arg("-out").arg(&crt));
                }
            } else {
                run("openssl", sign.args(["-days", days, "-out"]).arg(&crt));
            }
        }
        for (from, to) in [(key, "server.key"), (crt, "server.crt")] {
            let to = data.join(to);
            std::fs::copy(from, &to).unwrap();
            std::fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            give(&to);
        }
    }
}

/// What a fake server does with each connection.
#[derive(Clone)]
pub enum Fake {
    /// Says this at once, then waits.
    Banner(&'static [u8]),
    /// Answers whatever comes with this, then closes.
    Answer(&'static [u8]),
    /// Says nothing.
    Silence,
    /// Closes at once.
    Close,
    /// Answers the start-up message with an error of this SQLSTATE and text.
    Error(&'static str, &'static str),
    /// Asks for the password in clear and sends it back in the error's text.
    Parrot,
}

pub fn fake(what: Fake) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let what = what.clone();
            std::thread::spawn(move || serve(stream, &what));
        }
    });
    port
}

fn serve(mut stream: TcpStream, what: &Fake) {
    stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    let mut heard = [0_u8; 4096];
    match what {
        Fake::Banner(text) => {
            let _ = stream.write_all(text);
            let _ = stream.read(&mut heard);
            std::thread::sleep(Duration::from_millis(200));
        }
        Fake::Answer(text) => {
            let _ = stream.read(&mut heard);
            let _ = stream.write_all(text);
        }
        Fake::Silence => std::thread::sleep(Duration::from_secs(12)),
        Fake::Close => {}
        Fake::Error(code, text) => {
            hear_start(&mut stream, &mut heard);
            let _ = stream.write_all(&error_response(code, text));
            let _ = stream.read(&mut heard);
        }
        Fake::Parrot => {
            hear_start(&mut stream, &mut heard);
            // AuthenticationCleartextPassword
            let _ = stream.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]);
            let length = stream.read(&mut heard).unwrap_or(0);
            let said = String::from_utf8_lossy(heard.get(5..length.saturating_sub(1)).unwrap_or_default())
                .into_owned();
            let _ = stream.write_all(&error_response(
                "28P01",
                &format!("password authentication failed, you said {said}"),
            ));
            let _ = stream.read(&mut heard);
        }
    }
}

/// Reads up to the start-up message, answering no to the request for encryption before it.
fn hear_start(stream: &mut TcpStream, heard: &mut [u8]) {
    if stream.read(heard).is_ok_and(|length| length == 8) {
        let _ = stream.write_all(b"N");
        let _ = stream.read(heard);
    }
}

fn error_response(code: &str, text: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, value) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', code), (b'M', text)] {
        body.push(field);
        body.extend(value.as_bytes());
        body.push(0);
    }
    body.push(0);
    let mut message = vec![b'E'];
    message.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend(body);
    message
}

/// A port that takes no connection and refuses none: its queue is full.
pub struct BlackHole {
    _listener: tokio::net::TcpListener,
    _queue: Vec<tokio::net::TcpStream>,
    pub port: u16,
}

impl BlackHole {
    pub async fn open() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address)).await
        {
            queue.push(stream);
        }
        Self { _listener: listener, _queue: queue, port: address.port() }
    }
}
