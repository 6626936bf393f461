//! An end of the line is never taken for an end of the data: half a dump must not look like a whole one.

use crate::domain::Failure;
use futures_util::future::BoxFuture;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Asks whether the line still holds.
pub(super) type Holds = Arc<dyn Fn() -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>;

/// A stream whose end is only an end while the line holds; else reading fails.
pub(super) struct Ending<S> {
    stream: S,
    holds: Holds,
    asking: Option<BoxFuture<'static, Result<(), Failure>>>,
}

impl<S> Ending<S> {
    pub(super) fn new(stream: S, holds: Holds) -> Self {
        Self { stream, holds, asking: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Ending<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.asking.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            self.asking = Some((self.holds)());
        }
        let Some(asking) = self.asking.as_mut() else { return Poll::Ready(Ok(())) };
        let answer = ready!(asking.as_mut().poll(context));
        self.asking = None;
        Poll::Ready(answer.map_err(|failure| io::Error::new(io::ErrorKind::ConnectionReset, failure)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ending<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
