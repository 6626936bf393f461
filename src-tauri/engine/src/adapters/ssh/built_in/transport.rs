//! Streams over the last host's session.

use super::{Entered, handler::Keeper, relay::Relayed};
use crate::adapters::ssh::{
    STEP,
    ending::{Ending, Holds},
    line::{ByteStream, Standing, Transport},
    words,
};
use crate::domain::{Failure, ssh::SshTarget};
use futures_util::future::BoxFuture;
use russh::{Channel, ChannelOpenFailure, Disconnect, client::Msg};
use std::{sync::Arc, time::Duration};

/// Longest wait for a host to reach a target: its own attempt may take long.
const REACH: Duration = Duration::from_secs(STEP.as_secs() + 5);

pub(super) struct BuiltIn {
    /// First host first; each lives in a stream of the one before.
    entered: Vec<Entered>,
    standing: Standing,
    holds: Holds,
}

impl BuiltIn {
    pub(super) fn new(entered: Vec<Entered>, standing: Standing) -> Self {
        // The session says that it is lost before it lets its streams go.
        let asked = standing.clone();
        let holds: Holds = Arc::new(move || Box::pin(std::future::ready(asked.check())));
        Self { entered, standing, holds }
    }
}

/// Asks a host for a stream to a target.
pub(super) async fn channel(at: &Entered, target: &SshTarget) -> Result<Channel<Msg>, Failure> {
    let handle: &russh::client::Handle<Keeper> = &at.handle;
    let opened = match target {
        SshTarget::Tcp { host, port } => {
            handle.channel_open_direct_tcpip(host, u32::from(*port), "127.0.0.1", 0).await
        }
        SshTarget::Socket { path } => handle.channel_open_direct_streamlocal(path).await,
    };
    match opened {
        Ok(channel) => Ok(channel),
        Err(russh::Error::ChannelOpenFailure(reason)) => {
            let said = at.host.not_opened().filter(|said| !said.is_empty());
            let prohibited = matches!(
                reason,
                ChannelOpenFailure::AdministrativelyProhibited | ChannelOpenFailure::UnknownChannelType
            );
            let why = said.unwrap_or_else(|| format!("{reason:?}"));
            Err(words::not_opened(&at.name, target, prohibited, &why))
        }
        Err(error) => {
            let why = at.host.farewell().unwrap_or_else(|| words::plain(&error.to_string()));
            Err(words::lost(&why))
        }
    }
}

impl Transport for BuiltIn {
    fn open<'a>(&'a self, target: &'a SshTarget) -> BoxFuture<'a, Result<ByteStream, Failure>> {
        Box::pin(async move {
            let Some(last) = self.entered.last() else { return Err(words::closed()) };
            let opened = tokio::select! {
                opened = tokio::time::timeout(REACH, channel(last, target)) => opened,
                () = self.standing.ended() => {
                    self.standing.check()?;
                    return Err(words::closed());
                }
            };
            match opened {
                Ok(Ok(channel)) => {
                    let stream = Relayed::new(channel);
                    Ok(Box::new(Ending::new(stream, Arc::clone(&self.holds))) as ByteStream)
                }
                Ok(Err(failure)) => Err(failure),
                Err(_) => {
                    let why = format!("It did not get there within {} s.", REACH.as_secs());
                    Err(words::target_unreachable(&last.name, target, &why))
                }
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            for one in self.entered.iter().rev() {
                let goodbye = one.handle.disconnect(Disconnect::ByApplication, "", "");
                let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
            }
        })
    }
}
