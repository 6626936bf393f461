//! Nothing stays: no process, no socket, no folder, however a line or its program ends.

use super::by_both;
use super::parts::{Desk, Echo, by_key, echoes};
use drydock_engine::adapters::ssh::{Places, Secrets};
use drydock_engine::domain::ssh::{SshAccess, SshImplementation};
use drydock_lab::{SshServer, descendants};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

by_both!(
    closing_leaves_no_process_and_no_folder,
    dropping_a_line_without_closing_it_leaves_nothing_either,
    a_killed_program_leaves_no_process_and_no_folder,
    a_login_that_is_given_up_leaves_nothing,
);

/// Processes whose command or working files name this folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let name = folder.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(&name) {
            found.push(command);
        }
    }
    found
}

async fn gone(desk: &Desk, limit: Duration) {
    let started = Instant::now();
    let run = desk.folder.path().join("run");
    loop {
        let (left, processes) = (desk.left(), processes_of(&run));
        if left.is_empty() && processes.is_empty() {
            return;
        }
        assert!(started.elapsed() < limit, "still there: {left:?} {processes:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn closing_leaves_no_process_and_no_folder(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let desk = Desk::for_servers(&[&server]);
    let line = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap();
    let _tunnel = line.tunnel(echo.target()).await.unwrap();
    echoes(&line, &echo.target()).await;
    assert!(!desk.left().is_empty(), "there is something to leave");
    assert!(!processes_of(&desk.folder.path().join("run")).is_empty(), "and somebody");
    line.close().await;
    gone(&desk, Duration::ZERO).await;
}

async fn dropping_a_line_without_closing_it_leaves_nothing_either(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let desk = Desk::for_servers(&[&server]);
    let line = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap();
    let tunnel = line.tunnel(echo.target()).await.unwrap();
    drop(line);
    drop(tunnel);
    gone(&desk, Duration::from_secs(5)).await;
    let ended = Instant::now();
    while descendants(std::process::id() as i32).iter().any(|pid| is_session_of(*pid, &server)) {
        assert!(ended.elapsed() < Duration::from_secs(5), "the host still holds the session");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An sshd process that serves the server's user.
fn is_session_of(pid: i32, server: &SshServer) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&command).contains(&format!("sshd: {}", server.user()))
}

async fn a_login_that_is_given_up_leaves_nothing(by: SshImplementation) {
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    server.freeze();
    let access = by_key(&server, by);
    let secrets = Secrets::none();
    let attempt = desk.connect(&access, &secrets);
    assert!(tokio::time::timeout(Duration::from_secs(1), attempt).await.is_err(), "it hangs");
    gone(&desk, Duration::from_secs(5)).await;
    server.thaw();
}

async fn a_killed_program_leaves_no_process_and_no_folder(by: SshImplementation) {
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    let order = serde_json::to_string(&by_key(&server, by)).unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ssh::leftovers::holds_a_line_until_it_is_killed", "--ignored", "--nocapture"])
        .env("DRYDOCK_TEST_LINE", &order)
        .env("DRYDOCK_TEST_DESK", desk.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let open = desk.folder.path().join("open");
    let started = Instant::now();
    while !open.exists() {
        assert!(
            started.elapsed() < Duration::from_secs(20) && program.try_wait().unwrap().is_none(),
            "no line: {}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!desk.left().is_empty());
    program.kill().unwrap();
    program.wait().unwrap();
    gone(&desk, Duration::from_secs(5)).await;
}

#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn holds_a_line_until_it_is_killed() {
    let access: SshAccess = serde_json::from_str(&std::env::var("DRYDOCK_TEST_LINE").unwrap()).unwrap();
    let folder = PathBuf::from(std::env::var_os("DRYDOCK_TEST_DESK").unwrap());
    let places = Places {
        home: folder.clone(),
        config: vec![folder.join("config")],
        known_hosts: vec![folder.join("known_hosts")],
        system_known_hosts: Vec::new(),
        agent: None,
        runtime: folder.join("run"),
        ..Places::of_this_user()
    };
    let line = drydock_engine::adapters::ssh::connect(&access, &Secrets::none(), &places, &mut |_| {})
        .await
        .unwrap();
    let target = drydock_engine::domain::ssh::SshTarget::Tcp { host: "127.0.0.1".to_owned(), port: 1 };
    let _tunnel = line.tunnel(target).await.unwrap();
    std::fs::write(folder.join("open"), "").unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
}
