//! The operating system's keyring. Its calls block and may wait for a dialog, so each runs on a thread
//! of its own and is waited for five seconds; a thread that still waits is left alone (the dialog may be
//! answered) and until then no other call is started.

use crate::domain::{Failure, FailureCode, secret::Secret};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, oneshot};

/// The keyring's name as the operator knows it.
#[cfg(target_os = "macos")]
pub(super) const NAME: &str = "macOS Keychain";
/// The keyring's name as the operator knows it.
#[cfg(target_os = "windows")]
pub(super) const NAME: &str = "Windows Credential Manager";
/// The keyring's name as the operator knows it.
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
pub(super) const NAME: &str = "the desktop's keyring (Secret Service)";

/// The name Drydock's entries carry in the keyring.
const SERVICE: &str = "Drydock";

/// Longest wait for one operation.
const PATIENCE: Duration = Duration::from_millis(4_500);

/// The keyring.
pub(super) struct SystemKeyring {
    turn: Arc<Semaphore>,
    probed: Arc<std::sync::atomic::AtomicBool>,
}

impl SystemKeyring {
    pub(super) fn new() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), probed: Arc::default() }
    }

    /// Stores, reads and deletes a random value. A success is remembered, a failure is tried again.
    pub(super) async fn probe(&self) -> Result<(), Failure> {
        use std::sync::atomic::Ordering;
        if self.probed.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.call(|| {
            let account = format!("probe-{}", uuid::Uuid::new_v4());
            let value = uuid::Uuid::new_v4().to_string();
            let entry = keyring::Entry::new(SERVICE, &account)?;
            entry.set_password(&value)?;
            let read = entry.get_password();
            let deleted = entry.delete_credential();
            Ok((read? == value).then_some(deleted?))
        })
        .await?
        .ok_or_else(|| unavailable("It gave back another value than was stored."))?;
        self.probed.store(true, Ordering::Relaxed);
        Ok(())
    }

    pub(super) async fn set(&self, account: &str, secret: Secret) -> Result<(), Failure> {
        let account = account.to_owned();
        let same = self
            .call(move || {
                let entry = keyring::Entry::new(SERVICE, &account)?;
                entry.set_password(secret.reveal())?;
                // Read back: some stores accept and keep nothing.
                Ok(Secret::new(entry.get_password()?) == secret)
            })
            .await?;
        if same { Ok(()) } else { Err(unavailable("It gave back another value than was stored.")) }
    }

    /// `None`: there is no such entry.
    pub(super) async fn get(&self, account: &str) -> Result<Option<Secret>, Failure> {
        let account = account.to_owned();
        self.call(move || match keyring::Entry::new(SERVICE, &account)?.get_password() {
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// An entry that is gone already is no failure.
    pub(super) async fn delete(&self, account: &str) -> Result<(), Failure> {
        let account = account.to_owned();
        self.call(move || match keyring::Entry::new(SERVICE, &account)?.delete_credential() {
            Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
            Err(error) => Err(error),
        })
        .await
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, keyring::Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let waiting = || {
            unavailable(
                "It did not answer within five seconds; perhaps its dialog is open behind another window.",
            )
            .next("Answer the keyring's dialog, then try again.")
        };
        let all = async {
            let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| waiting())?;
            let (send, receive) = oneshot::channel();
            // A plain thread: the runtime would wait for a pool's thread when the console ends.
            let started = std::thread::Builder::new().name("keyring".to_owned()).spawn(move || {
                let result = match keyring::Entry::store_status() {
                    Ok(()) => work().map_err(|error| in_words(&error)),
                    Err(error) => Err(in_words(error)),
                };
                drop(turn);
                let _ = send.send(result);
            });
            started.map_err(|error| unavailable(format!("No thread could be started: {error}.")))?;
            receive.await.map_err(|_| unavailable("Its library broke off."))?
        };
        tokio::time::timeout(PATIENCE, all).await.unwrap_or_else(|_| Err(waiting()))
    }
}

fn unavailable(why: impl Into<String>) -> Failure {
    Failure::new(FailureCode::KeyringUnavailable, format!("Secrets cannot be kept in {NAME}."))
        .why(why)
        .unchanged("Nothing was stored anywhere else.")
        .next("Choose the vault with a passphrase, or let Drydock ask each time.")
}

/// The keyring's error in words; never its data.
fn in_words(error: &keyring::Error) -> Failure {
    let visible = |text: String| -> String {
        text.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
    };
    match error {
        keyring::Error::NoDefaultStore => unavailable("No keyring runs in this session."),
        keyring::Error::NoStorageAccess(inner) => {
            unavailable(visible(format!("It is locked or refuses access: {inner}.")))
                .next("Unlock the keyring and start Drydock again, or choose the vault or asking each time.")
        }
        keyring::Error::PlatformFailure(inner) => unavailable(visible(format!("It answered: {inner}."))),
        keyring::Error::TooLong(_, limit) => unavailable(format!("It takes at most {limit} characters.")),
        keyring::Error::Ambiguous(items) => {
            unavailable(format!("It holds {} entries under one name.", items.len()))
                .next("Delete Drydock's entries in the keyring's own window, then enter the password again.")
        }
        keyring::Error::BadEncoding(_)
        | keyring::Error::BadDataFormat(..)
        | keyring::Error::BadStoreFormat(_) => unavailable("What it holds was not written by Drydock."),
        keyring::Error::NoEntry => unavailable("The entry vanished while it was read."),
        _ => unavailable("It refused."),
    }
}
