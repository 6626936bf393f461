//! What one host says while the line is open: its key, its goodbye, its refusals.

use crate::adapters::ssh::{
    host_key::{HostKeys, Refused},
    line::Standing,
    words,
};
use crate::domain::ssh::HostKey;
use russh::{
    ChannelId, ChannelOpenFailure,
    client::{DisconnectReason, Handler, Session},
    keys::PublicKeyOrCertificate,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known of one host, shared between the conversation and its callers.
pub(super) struct Host {
    name: String,
    keys: HostKeys,
    standing: Standing,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    accepted: Option<HostKey>,
    refused: Option<Box<Refused>>,
    farewell: Option<String>,
    not_opened: Vec<String>,
}

impl Host {
    pub(super) fn new(name: &str, keys: HostKeys, standing: Standing) -> Self {
        Self { name: name.to_owned(), keys, standing, heard: Mutex::default() }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn accepted_key(&self) -> Option<HostKey> {
        self.heard().accepted.clone()
    }

    pub(super) fn refused_key(&self) -> Option<Refused> {
        self.heard().refused.take().map(|refused| *refused)
    }

    /// Why the conversation ended, if it did.
    pub(super) fn farewell(&self) -> Option<String> {
        self.heard().farewell.clone()
    }

    /// The host's words for a stream that it did not open.
    pub(super) fn not_opened(&self) -> Option<String> {
        self.heard().not_opened.pop()
    }
}

/// The ear of one conversation.
pub(super) struct Keeper(Arc<Host>);

impl Keeper {
    pub(super) fn of(host: &Arc<Host>) -> Self {
        Self(Arc::clone(host))
    }
}

impl Handler for Keeper {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let verdict = self.0.keys.judge(shown);
        let mut heard = self.0.heard();
        match verdict {
            Ok(key) => {
                heard.accepted = Some(key);
                Ok(true)
            }
            Err(refused) => {
                heard.refused = Some(refused);
                Ok(false)
            }
        }
    }

    async fn channel_open_failure(
        &mut self,
        _channel: ChannelId,
        _reason: ChannelOpenFailure,
        description: &str,
        _language: &str,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        let mut heard = self.0.heard();
        heard.not_opened.clear();
        heard.not_opened.push(words::plain(description));
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<russh::Error>) -> Result<(), russh::Error> {
        let name = &self.0.name;
        let why = match reason {
            DisconnectReason::ReceivedDisconnect(said) => {
                format!("{name} ended the line: {}", words::plain(&said.message))
            }
            DisconnectReason::Error(russh::Error::KeepaliveTimeout) => {
                format!("{name} no longer answers.")
            }
            DisconnectReason::Error(russh::Error::IO(error))
                if error.kind() == std::io::ErrorKind::UnexpectedEof =>
            {
                format!("{name} hung up.")
            }
            DisconnectReason::Error(russh::Error::Disconnect | russh::Error::HUP) => {
                format!("{name} hung up.")
            }
            DisconnectReason::Error(error) => format!("{name}: {}", words::plain(&error.to_string())),
        };
        self.0.heard().farewell = Some(why.clone());
        self.0.standing.lost(&why);
        Ok(())
    }
}
