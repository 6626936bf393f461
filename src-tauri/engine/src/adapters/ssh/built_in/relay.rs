//! Takes what comes for one stream out of the session's way.
//!
//! `russh` hands all streams' data on in one loop and opens a stream's window again as soon as data has
//! come, not once it was read. A stream that nobody reads would stop all the others, the one that cancels
//! included. So each has a store of its own. A slow reader slows the line down once its store is full; one
//! that takes nothing at all for a while loses its connection, and the line goes on.

use russh::{Channel, ChannelMsg, ChannelReadHalf, client::Msg};
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    sync::oneshot,
};

/// What is kept for a reader; used up only by one that is slower than the line.
const STORE: usize = 64 * 1024 * 1024;

/// How long a reader whose store is full may take nothing before its connection is ended.
const STALLED: Duration = Duration::from_secs(5);

/// A stream with its store.
pub(super) struct Relayed {
    reader: DuplexStream,
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    stalled: Arc<AtomicBool>,
    /// Ends when the host closes the stream: what is still being written has no taker.
    closed: oneshot::Receiver<()>,
    /// Dropped with the stream, which tells the relay to close it.
    _kept: oneshot::Sender<()>,
}

impl Relayed {
    pub(super) fn new(channel: Channel<Msg>) -> Self {
        let (far, near) = channel.split();
        let writer = Box::pin(near.make_writer());
        let (reader, store) = tokio::io::duplex(STORE);
        let (closing, closed) = oneshot::channel();
        let (kept, let_go) = oneshot::channel();
        let stalled = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&stalled);
        tokio::spawn(async move {
            relay(far, store, let_go, &noted).await;
            drop(closing);
            // A session that has ended has nobody to tell.
            let _ = near.close().await;
        });
        Self { reader, writer, stalled, closed, _kept: kept }
    }
}

/// Moves data until the host closes the stream, the stream is let go, or its reader stalls.
async fn relay(
    mut far: ChannelReadHalf,
    store: DuplexStream,
    mut let_go: oneshot::Receiver<()>,
    stalled: &AtomicBool,
) {
    let mut store = Some(store);
    loop {
        let said = tokio::select! {
            said = far.wait() => said,
            _ = &mut let_go => return,
        };
        match said {
            Some(ChannelMsg::Data { data }) => {
                let Some(store) = store.as_mut() else { continue };
                let mut rest: &[u8] = &data;
                while !rest.is_empty() {
                    match tokio::time::timeout(STALLED, store.write(rest)).await {
                        Ok(Ok(taken)) => rest = rest.get(taken..).unwrap_or_default(),
                        // Nobody reads any more.
                        Ok(Err(_)) => return,
                        Err(_) => {
                            tracing::warn!(
                                "a connection was ended: nobody read it, and others waited behind it"
                            );
                            stalled.store(true, Ordering::Release);
                            return;
                        }
                    }
                }
            }
            // The other direction may go on.
            Some(ChannelMsg::Eof) => store = None,
            Some(ChannelMsg::Close) | None => return,
            Some(_) => {}
        }
    }
}

impl AsyncRead for Relayed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.reader).poll_read(context, buffer))?;
        let is_end = buffer.filled().len() == before && buffer.remaining() > 0;
        if is_end && self.stalled.load(Ordering::Acquire) {
            let why = format!("not read for {} s while {STORE} bytes waited", STALLED.as_secs());
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Relayed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.closed.is_terminated() || Pin::new(&mut self.closed).poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.writer.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_shutdown(context)
    }
}
