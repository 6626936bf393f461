//! An open line: its state, streams over it, tunnels on top of it.

#[cfg(unix)]
use super::folder::Folder;
use super::{
    tunnel::Tunnel,
    words::{closed, lost},
};
use crate::domain::{
    Failure,
    ssh::{SshTarget, TunnelState},
};
use chrono::Utc;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};

/// A stream of bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A stream to a target, through the line. It ends when the line does.
pub type ByteStream = Box<dyn Stream>;

/// What an implementation has to do: open streams, and end.
pub(super) trait Transport: Send + Sync {
    /// Opens a stream to a target as seen from the host. Returns once the host has said that it is open.
    fn open<'a>(&'a self, target: &'a SshTarget) -> BoxFuture<'a, Result<ByteStream, Failure>>;

    /// Says goodbye. The standing is already `Closed` by then.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// How the line stands, shared by everything that lives on it.
#[derive(Clone)]
pub(super) struct Standing(Arc<watch::Sender<TunnelState>>);

impl Standing {
    /// A line that is being opened.
    pub(super) fn connecting() -> Self {
        Self(Arc::new(watch::Sender::new(TunnelState::Connecting)))
    }

    pub(super) fn opened(&self) {
        self.0.send_if_modified(|state| {
            let is_new = *state == TunnelState::Connecting;
            if is_new {
                *state = TunnelState::Open { since: Utc::now() };
            }
            is_new
        });
    }

    /// The line is gone; the first reason stays, and a line that was closed is not lost.
    pub(super) fn lost(&self, reason: &str) {
        self.0.send_if_modified(|state| {
            let is_new = matches!(state, TunnelState::Open { .. } | TunnelState::Connecting);
            if is_new {
                *state = TunnelState::Lost { reason: reason.to_owned(), since: Utc::now() };
            }
            is_new
        });
    }

    fn closed(&self) {
        self.0.send_if_modified(|state| {
            let is_new = matches!(state, TunnelState::Open { .. } | TunnelState::Connecting);
            if is_new {
                *state = TunnelState::Closed;
            }
            is_new
        });
    }

    pub(super) fn watch(&self) -> watch::Receiver<TunnelState> {
        self.0.subscribe()
    }

    /// Fails unless the line is open.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match &*self.0.borrow() {
            TunnelState::Open { .. } => Ok(()),
            TunnelState::Lost { reason, .. } => Err(lost(reason)),
            TunnelState::Closed | TunnelState::Connecting => Err(closed()),
        }
    }

    /// Returns as soon as the line is no longer open.
    pub(super) async fn ended(&self) {
        let mut state = self.watch();
        // An error means that nobody is left to tell of an end: it is one.
        let _ = state.wait_for(|state| matches!(state, TunnelState::Lost { .. } | TunnelState::Closed)).await;
    }
}

/// An open line. Dropping it closes it, and with it every tunnel and stream.
pub struct Line {
    host: String,
    transport: Arc<dyn Transport>,
    standing: Standing,
    #[cfg(unix)]
    folder: Arc<tokio::sync::Mutex<Folder>>,
}

impl Line {
    #[cfg(unix)]
    pub(super) fn new(
        host: &str,
        transport: Arc<dyn Transport>,
        standing: Standing,
        folder: Arc<tokio::sync::Mutex<Folder>>,
    ) -> Self {
        Self { host: host.to_owned(), transport, standing, folder }
    }

    #[cfg(not(unix))]
    pub(super) fn new(host: &str, transport: Arc<dyn Transport>, standing: Standing) -> Self {
        Self { host: host.to_owned(), transport, standing }
    }

    /// The SSH host as the operator named it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// How the line stands, now and from now on.
    pub fn state(&self) -> watch::Receiver<TunnelState> {
        self.standing.watch()
    }

    /// A raw stream to a target as the host sees it, for a handshake of one's own.
    /// Fails with DRY-1118 (forbidden), DRY-1119 (not reached from there) or DRY-1120 (line lost).
    pub async fn open(&self, target: &SshTarget) -> Result<ByteStream, Failure> {
        self.standing.check()?;
        self.transport.open(target).await
    }

    /// A tunnel to a target: a local end that any number of connections may use. The target is not
    /// asked for before the first of them.
    pub async fn tunnel(&self, target: SshTarget) -> Result<Tunnel, Failure> {
        self.standing.check()?;
        #[cfg(unix)]
        let folder = self.folder.lock().await.below()?;
        #[cfg(unix)]
        let tunnel = Tunnel::listen(target, &folder, Arc::clone(&self.transport), self.standing.clone())?;
        #[cfg(not(unix))]
        let tunnel =
            Tunnel::listen_on_loopback(target, Arc::clone(&self.transport), self.standing.clone()).await?;
        Ok(tunnel)
    }

    /// The same with its local end on loopback, for programs that encrypt only over TCP. Any user of this
    /// computer could connect to it: keep it no longer than needed.
    pub async fn tunnel_on_loopback(&self, target: SshTarget) -> Result<Tunnel, Failure> {
        self.standing.check()?;
        Tunnel::listen_on_loopback(target, Arc::clone(&self.transport), self.standing.clone()).await
    }

    /// Closes the line: every connection over it ends, and no process, socket or folder stays.
    pub async fn close(&self) {
        self.standing.closed();
        self.transport.close().await;
        #[cfg(unix)]
        self.folder.lock().await.close().await;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.standing.closed();
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("host", &self.host).field("state", &*self.standing.0.borrow()).finish()
    }
}
