//! Keeping secrets: the vault on disk, and the real keyring on a private bus.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use drydock_engine::{
    adapters::keyring::{LONGEST_IN_KEYRING, SecretStore},
    domain::{
        FailureCode,
        secret::{Credential, Keeping, Secret},
    },
};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const PASSWORD: &str = "s3cret-Wq7";
const PASSPHRASE: &str = "correct horse battery";

fn files(folder: &Path) -> String {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect()
}

#[tokio::test]
async fn the_vault_keeps_secrets_and_tells_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = SecretStore::open(folder.path());
    let handle = store.pending_put(Secret::new(PASSWORD));
    assert_eq!(
        store.keep(&handle, Keeping::Vault).await.expect_err("there is no vault").code,
        FailureCode::VaultLocked
    );
    assert!(store.pending_get(&handle).is_ok(), "a failed keep leaves the secret pending");
    assert!(!folder.path().join("vault.json").exists(), "nothing is made silently");

    assert!(store.vault_create(Secret::new("short")).await.is_err());
    store.vault_create(Secret::new(PASSPHRASE)).await.unwrap();
    assert!(store.vault_create(Secret::new(PASSPHRASE)).await.is_err(), "a vault is never replaced");
    let credential = store.keep(&handle, Keeping::Vault).await.unwrap();
    assert!(store.pending_get(&handle).is_err(), "kept, no longer pending");
    let long = "k".repeat(100_000);
    let handle = store.pending_put(Secret::new(long.clone()));
    let large = store.keep(&handle, Keeping::Vault).await.unwrap();
    assert_eq!(store.get(&credential).await.unwrap().reveal(), PASSWORD);
    let text = files(folder.path());
    assert!(
        !text.contains(PASSWORD) && !text.contains(PASSPHRASE) && !text.contains("kkkk"),
        "nothing is in clear"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path().join("vault.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "only the owner may read it");
    }

    store.vault_lock();
    assert_eq!(store.get(&credential).await.expect_err("locked").code, FailureCode::VaultLocked);
    let store = SecretStore::open(folder.path());
    let wrong = store.vault_unlock(Secret::new("wrong horse battery")).await.expect_err("wrong passphrase");
    assert_eq!(wrong.code, FailureCode::VaultLocked);
    assert!(
        wrong.what.contains("wrong, or"),
        "wrong and damaged cannot be told apart, and it says so: {wrong:?}"
    );
    store.vault_unlock(Secret::new(PASSPHRASE)).await.unwrap();
    assert_eq!(store.get(&credential).await.unwrap().reveal(), PASSWORD, "after a restart");
    assert_eq!(store.get(&large).await.unwrap().reveal(), long);
    store.forget(&credential).await.unwrap();
    store.forget(&credential).await.expect("twice is no failure");
    assert_eq!(store.get(&credential).await.expect_err("gone").code, FailureCode::SecretNeeded);
    assert_eq!(format!("{store:?}"), "SecretStore(redacted)");
}

#[tokio::test]
async fn every_change_to_the_vault_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vault.json");
    let store = SecretStore::open(folder.path());
    store.vault_create(Secret::new(PASSPHRASE)).await.unwrap();
    let mut kept = Vec::new();
    for text in ["first-secret", "other-secret"] {
        let handle = store.pending_put(Secret::new(text));
        kept.push(store.keep(&handle, Keeping::Vault).await.unwrap());
    }
    let good = std::fs::read_to_string(&file).unwrap();
    let value: serde_json::Value = serde_json::from_str(&good).unwrap();

    // Two entries swapped: each is bound to its id.
    let mut swapped = value.clone();
    let (a, b) = (value["entries"][&kept[0].id].clone(), value["entries"][&kept[1].id].clone());
    swapped["entries"][&kept[0].id] = b;
    swapped["entries"][&kept[1].id] = a;
    std::fs::write(&file, swapped.to_string()).unwrap();
    for credential in &kept {
        let told = store.get(credential).await.expect_err("swapped");
        assert_eq!(told.code, FailureCode::VaultLocked, "{told:?}");
    }
    // An entry's kind changed.
    let mut moved = value.clone();
    moved["entries"][&kept[0].id]["by"] = "keyring".into();
    std::fs::write(&file, moved.to_string()).unwrap();
    assert!(store.get(&kept[0]).await.is_err());
    // Cheaper key derivation, other versions, cut files, odd fields.
    let mut weak = value.clone();
    weak["passphrase"]["passes"] = 1.into();
    let mut newer = value.clone();
    newer["version"] = 2.into();
    let mut odd = value.clone();
    odd["extra"] = 1.into();
    let texts = [
        weak.to_string(),
        newer.to_string(),
        odd.to_string(),
        good[..good.len() / 2].to_owned(),
        String::new(),
    ];
    for text in texts {
        std::fs::write(&file, &text).unwrap();
        let fresh = SecretStore::open(folder.path());
        let told = fresh.vault_unlock(Secret::new(PASSPHRASE)).await.expect_err("changed");
        assert_eq!(told.code, FailureCode::VaultLocked, "{told:?}");
        let handle = fresh.pending_put(Secret::new(PASSWORD));
        assert!(fresh.keep(&handle, Keeping::Vault).await.is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "a damaged vault is never written over");
    }
    // Every single bit of a sealed text.
    std::fs::write(&file, &good).unwrap();
    let sealed = value["entries"][&kept[0].id]["sealed"]["text"].as_str().unwrap().to_owned();
    for place in 0..sealed.len() {
        let mut bytes = sealed.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let mut changed = value.clone();
        changed["entries"][&kept[0].id]["sealed"]["text"] = String::from_utf8(bytes).unwrap().into();
        std::fs::write(&file, changed.to_string()).unwrap();
        assert!(store.get(&kept[0]).await.is_err(), "character {place}");
    }
    std::fs::write(&file, &good).unwrap();
    assert_eq!(store.get(&kept[0]).await.unwrap().reveal(), "first-secret");
}

#[tokio::test]
async fn asking_each_time_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = SecretStore::open(folder.path());
    let handle = store.pending_put(Secret::new(PASSWORD));
    let credential = store.keep(&handle, Keeping::AskEachTime).await.unwrap();
    assert_eq!(store.get(&credential).await.unwrap().reveal(), PASSWORD, "for this session");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file");
    let later = SecretStore::open(folder.path());
    assert_eq!(later.get(&credential).await.expect_err("asked again").code, FailureCode::SecretNeeded);
    later.provide(&credential, Secret::new(PASSWORD));
    assert_eq!(later.get(&credential).await.unwrap().reveal(), PASSWORD);
    assert_eq!(
        later.keep("no such handle", Keeping::AskEachTime).await.expect_err("unknown").code,
        FailureCode::SecretNeeded
    );
}

/// Runs one of the ignored tests below in a process of its own, in that environment.
fn inside(test: &str, command: &mut Command) {
    let home = tempfile::tempdir().unwrap();
    let run = home.path().join("run");
    std::fs::create_dir(&run).unwrap();
    std::fs::set_permissions(&run, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let output = command
        .env("HOME", home.path())
        .env("XDG_DATA_HOME", home.path().join("data"))
        .env("XDG_RUNTIME_DIR", &run)
        .env("DRYDOCK_TEST", std::env::current_exe().unwrap())
        .env("DRYDOCK_TEST_NAME", format!("secrets::{test}"))
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{test}: {text}");
    let found = Command::new("grep").args(["-ra", PASSWORD]).arg(home.path()).output().unwrap();
    assert!(found.stdout.is_empty(), "the keyring's own files hold no secret in clear");
}

const RUN: &str = "\"$DRYDOCK_TEST\" --ignored --exact \"$DRYDOCK_TEST_NAME\" --nocapture";

#[test]
fn a_real_keyring_keeps_short_and_long_secrets() {
    let unlock = "printf 'lab\\n' | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; ";
    inside(
        "in_an_unlocked_keyring",
        Command::new("dbus-run-session").args(["--", "sh", "-c", &format!("{unlock}{RUN}")]),
    );
}

#[test]
fn without_a_keyring_nothing_is_kept_elsewhere() {
    inside("without_a_keyring", Command::new("sh").args(["-c", RUN]).env_remove("DBUS_SESSION_BUS_ADDRESS"));
}

#[test]
fn a_bus_without_keyring_ends_in_time() {
    inside("without_a_keyring", Command::new("dbus-run-session").args(["--", "sh", "-c", RUN]));
}

#[test]
fn a_locked_keyring_ends_in_time() {
    let start = "gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1; ";
    inside(
        "without_a_keyring",
        Command::new("dbus-run-session").args(["--", "sh", "-c", &format!("{start}{RUN}")]),
    );
}

#[tokio::test]
#[ignore = "run by a_real_keyring_keeps_short_and_long_secrets on a private bus"]
async fn in_an_unlocked_keyring() {
    let folder = tempfile::tempdir().unwrap();
    let store = SecretStore::open(folder.path());
    let status = store.status().await;
    assert!(status.keyring_works && status.preferred == Keeping::Keyring, "{status:?}");
    let secrets = [
        PASSWORD.to_owned(),
        "ä".repeat(LONGEST_IN_KEYRING),
        "x".repeat(LONGEST_IN_KEYRING + 1),
        "y".repeat(50_000),
    ];
    let mut kept = Vec::new();
    for secret in &secrets {
        let handle = store.pending_put(Secret::new(secret.clone()));
        kept.push(store.keep(&handle, Keeping::Keyring).await.unwrap());
    }
    assert!(folder.path().join("vault.json").exists(), "long ones are in the vault's file");
    assert!(!files(folder.path()).contains("xxxx"), "not in clear");
    let later = SecretStore::open(folder.path());
    for (secret, credential) in secrets.iter().zip(&kept) {
        assert_eq!(later.get(credential).await.unwrap().reveal(), secret);
    }
    assert!(!later.status().await.vault_exists, "a file with long secrets only is no passphrase vault");
    let stranger = Credential { id: "nobody".to_owned(), kept: Keeping::Keyring };
    assert_eq!(later.get(&stranger).await.expect_err("never kept").code, FailureCode::SecretNeeded);
    for credential in &kept {
        later.forget(credential).await.unwrap();
        assert_eq!(later.get(credential).await.expect_err("gone").code, FailureCode::SecretNeeded);
    }
}

#[tokio::test]
#[ignore = "run by the tests above where no keyring is"]
async fn without_a_keyring() {
    let folder = tempfile::tempdir().unwrap();
    let store = SecretStore::open(folder.path());
    let start = Instant::now();
    let status = store.status().await;
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert!(!status.keyring_works && status.keyring_problem.is_some(), "{status:?}");
    assert_eq!(status.preferred, Keeping::AskEachTime);
    let handle = store.pending_put(Secret::new(PASSWORD));
    let start = Instant::now();
    let told = store.keep(&handle, Keeping::Keyring).await.expect_err("no keyring");
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert_eq!(told.code, FailureCode::KeyringUnavailable, "{told:?}");
    assert!(store.pending_get(&handle).is_ok(), "the secret waits for another choice");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was kept anywhere else");
}
