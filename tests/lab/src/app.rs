//! An app over HTTP, on which checks are tried.

use crate::parts::repository;
use crate::postgres::Authority;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A small shop in Node; ends when dropped.
pub struct App {
    child: Child,
    port: u16,
    scheme: &'static str,
}

impl App {
    /// Starts it, well, on a free port of loopback.
    pub fn start() -> Self {
        Self::launch(&mut Command::new("node"), "http")
    }

    /// Starts it on a database of its own, by URL.
    pub fn start_on(database: &str) -> Self {
        Self::launch(Command::new("node").env("APP_DATABASE", database), "http")
    }

    /// Starts it with a certificate of an authority, for `localhost` and 127.0.0.1.
    pub fn start_encrypted(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        authority.issue("localhost", folder.path());
        Self::launch(Command::new("node").env("APP_CERTIFICATE", folder.path()), "https")
    }

    fn launch(command: &mut Command, scheme: &'static str) -> Self {
        let mut child = command
            .arg(repository().join("tests/lab/app.mjs"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("node does not start: {error}"));
        let mut line = String::new();
        let told = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        let port = line.trim().parse().unwrap_or_else(|_| panic!("the app told no port: {told:?} {line:?}"));
        Self { child, port, scheme }
    }

    /// The password of its account.
    pub fn password(&self) -> &'static str {
        "correct-horse-battery"
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// Plants a fault.
    pub fn fault(&self, name: &str) {
        self.ask(&format!("/lab/fault/{name}"));
    }

    /// Takes all faults back, with what was written.
    pub fn well(&self) {
        self.ask("/lab/well");
    }

    /// What it holds and which requests came, as JSON.
    pub fn state(&self) -> String {
        self.ask("/lab/state")
    }

    fn ask(&self, path: &str) -> String {
        let failed = |error: std::io::Error| panic!("the app does not answer {path}: {error}");
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap_or_else(failed);
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap_or_else(|error| panic!("{error}"));
        let request = format!("POST {path} HTTP/1.0\r\nHost: app\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{error}"));
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or(answer)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
