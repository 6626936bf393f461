//! A secret goes to the host's login and nowhere else.

use super::parts::{Desk, access, all_words, credential, known};
use drydock_engine::adapters::ssh::Secrets;
use drydock_engine::domain::secret::Secret;
use drydock_engine::domain::ssh::{SshImplementation, SshLogin};
use drydock_lab::SshServer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Reads every process's command and environment again and again; tells what was found and how often it
/// looked.
fn watch(words: Vec<String>) -> (Arc<AtomicBool>, std::thread::JoinHandle<(Vec<String>, usize)>) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let looks = AtomicUsize::new(0);
        let mut found = Vec::new();
        while !stopped.load(Ordering::SeqCst) {
            for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                for file in ["cmdline", "environ"] {
                    let text = std::fs::read(entry.path().join(file)).unwrap_or_default();
                    let text = String::from_utf8_lossy(&text);
                    if words.iter().any(|word| text.contains(word.as_str())) {
                        found.push(format!("{}: {text}", entry.path().display()));
                    }
                }
            }
            looks.fetch_add(1, Ordering::SeqCst);
        }
        (found, looks.into_inner())
    });
    (stop, thread)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_or_passphrase_is_seen_in_any_command_environment_or_word() {
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    let wrong = "Canary-wrong-51c7-password";
    let canaries = vec![server.password().to_owned(), server.passphrase().to_owned(), wrong.to_owned()];
    let handle = credential("secret");
    let (stop, thread) = watch(canaries.clone());
    let mut said = String::new();
    for (login, secret) in [
        (SshLogin::Password { password: handle.clone() }, server.password()),
        (SshLogin::Password { password: handle.clone() }, wrong),
        (SshLogin::KeyboardInteractive { answer: Some(handle.clone()) }, wrong),
        (
            SshLogin::KeyFile {
                path: server.locked_key().display().to_string(),
                passphrase: Some(handle.clone()),
            },
            server.passphrase(),
        ),
        (
            SshLogin::KeyFile {
                path: server.locked_key().display().to_string(),
                passphrase: Some(handle.clone()),
            },
            wrong,
        ),
    ] {
        for by in [SshImplementation::Russh, SshImplementation::Openssh] {
            let secrets = Secrets::none().with(&handle, Secret::new(secret));
            let access = access(&server, by, login.clone());
            match desk.connect(&access, &secrets).await {
                Ok(line) => {
                    said.push_str(&format!("{line:?}"));
                    line.close().await;
                }
                Err(refusal) => said.push_str(&all_words(&refusal)),
            }
            said.push_str(&format!("{secrets:?} {access:?} {}", serde_json::to_string(&access).unwrap()));
        }
    }
    stop.store(true, Ordering::SeqCst);
    let (found, looks) = thread.join().unwrap();
    assert!(looks > 10, "it looked {looks} times");
    assert!(found.is_empty(), "{found:?}");
    for canary in &canaries {
        assert!(!said.contains(canary.as_str()), "said: {canary}");
    }
    let known = known(&server);
    assert!(said.contains("refused the login"), "the wrong ones were refused, {known}");
}

#[test]
fn the_watch_sees_a_secret_that_is_on_a_command_line() {
    let (stop, thread) = watch(vec!["Canary-on-purpose-77".to_owned()]);
    let mut child = std::process::Command::new("sleep")
        .arg("2")
        .env("DRYDOCK_CANARY", "Canary-on-purpose-77")
        .spawn()
        .unwrap();
    child.wait().unwrap();
    stop.store(true, Ordering::SeqCst);
    assert!(!thread.join().unwrap().0.is_empty(), "the watch is blind");
}
