//! A network of its own for the parts of one test: a namespace behind a cable, and what crosses it.
//!
//! Needs root, like the SSH servers.

use crate::parts::{Own, guard, run, wait_until};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// A namespace with one cable to this computer's own network.
pub struct Network {
    name: String,
    near: String,
    far: String,
    third: u8,
}

static NUMBER: AtomicU8 = AtomicU8::new(0);

impl Network {
    /// Makes one. Its names and addresses are this process's own.
    pub fn start() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let third = u8::try_from((process + u32::from(number)) % 250).unwrap_or(0) + 1;
        let name = format!("ddl{process}-{number}");
        let (near, far) = (format!("ddn{process}{number}"), format!("ddf{process}{number}"));
        let this = Self { name, near, far, third };
        this.ip(&["netns", "add", &this.name]);
        this.ip(&["link", "add", &this.near, "type", "veth", "peer", "name", &this.far, "netns", &this.name]);
        this.ip(&["addr", "add", &format!("10.231.{third}.1/24"), "dev", &this.near]);
        this.ip(&["link", "set", &this.near, "up"]);
        this.ip(&["-n", &this.name, "addr", "add", &format!("10.231.{third}.2/24"), "dev", &this.far]);
        this.ip(&["-n", &this.name, "link", "set", &this.far, "up"]);
        this.ip(&["-n", &this.name, "link", "set", "lo", "up"]);
        this
    }

    fn ip(&self, arguments: &[&str]) {
        run(&format!("ip {}", arguments.join(" ")), Command::new("ip").args(arguments));
    }

    /// Address of the namespace, as seen from here.
    pub fn address(&self) -> String {
        format!("10.231.{}.2", self.third)
    }

    /// This end of the cable.
    pub fn device(&self) -> &str {
        &self.near
    }

    /// Runs something in the namespace, on a thread of its own; programs it starts stay there.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let place = Path::new("/run/netns").join(&self.name);
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let space = std::fs::File::open(&place)
                    .unwrap_or_else(|error| panic!("{} is not there: {error}", place.display()));
                nix::sched::setns(space, nix::sched::CloneFlags::CLONE_NEWNET)
                    .unwrap_or_else(|error| panic!("the namespace cannot be entered: {error}"));
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Pulls the cable: packets vanish, and nobody is told.
    pub fn pull(&self) {
        self.ip(&["-n", &self.name, "link", "set", &self.far, "down"]);
    }

    /// Plugs it in again.
    pub fn plug(&self) {
        self.ip(&["-n", &self.name, "link", "set", &self.far, "up"]);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let quiet = |arguments: &[&str]| {
            let _ = Command::new("ip").args(arguments).stderr(Stdio::null()).status();
        };
        quiet(&["link", "del", &self.near]);
        quiet(&["netns", "del", &self.name]);
    }
}

/// Everything that crosses every device of this computer's own network, until it is read.
pub struct Capture {
    tcpdump: Option<Own>,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Capture {
    /// Starts to listen.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("dd-lab-capture-")
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let (file, log) = (folder.path().join("packets"), folder.path().join("log"));
        let sink = std::fs::File::create(&log).unwrap_or_else(|error| panic!("no log: {error}"));
        let mut command = Command::new("/bin/sh");
        guard(&mut command, "INT", "tcpdump");
        command
            .args(["--immediate-mode", "-i", "any", "-nn", "-U", "-s", "96", "-Z", "root", "-w"])
            .arg(&file);
        command.stdout(Stdio::null()).stderr(sink);
        let mut tcpdump = Own::start("tcpdump", &mut command);
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        wait_until(
            Duration::from_secs(10),
            || !tcpdump.has_ended() && said().contains("listening on"),
            || format!("tcpdump does not listen: {}", said()),
        );
        Self { tcpdump: Some(tcpdump), file, _folder: folder }
    }

    /// Stops listening.
    pub fn stop(&mut self) {
        // What was seen last is written with a delay.
        std::thread::sleep(Duration::from_millis(500));
        self.tcpdump = None;
    }

    /// How many packets fit a filter of tcpdump's.
    pub fn count(&self, filter: &str) -> usize {
        self.lines(filter).len()
    }

    /// The packets that fit, a line each.
    pub fn lines(&self, filter: &str) -> Vec<String> {
        let output = Command::new("tcpdump")
            .args(["-nn", "-r"])
            .arg(&self.file)
            .arg(filter)
            .stderr(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("tcpdump cannot read: {error}"));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}
