//! The first host's name and port, and a stream that notices when nobody takes what is sent.

use crate::adapters::ssh::{
    ALIVE_EVERY_SECONDS, ALIVE_TRIES, Passed, Progress, Refusal, STEP, config::Stop, line::ByteStream, words,
};
use crate::domain::doctor::HopKind;
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

/// Longest wait for one of several addresses.
const ADDRESS: Duration = Duration::from_secs(4);

/// Reaches a host from this computer.
pub(super) async fn directly(stop: &Stop, progress: Progress<'_>) -> Result<ByteStream, Refusal> {
    let started = Instant::now();
    let unknown =
        |why: &str| Refusal::new(HopKind::SshNameLookup, &stop.name, words::name_unknown(&stop.host, why));
    let looked_up =
        tokio::time::timeout(STEP, tokio::net::lookup_host((stop.host.as_str(), stop.port))).await;
    let addresses: Vec<SocketAddr> = match looked_up {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => return Err(unknown(&error.to_string())),
        Err(_) => return Err(unknown("The lookup was not answered.")),
    };
    if addresses.is_empty() {
        return Err(unknown("The name has no address."));
    }
    let list: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    progress(Passed {
        hop: HopKind::SshNameLookup,
        host: stop.name.clone(),
        evidence: list.join(", "),
        took: Some(started.elapsed()),
    });
    let started = Instant::now();
    let mut problems = Vec::new();
    for address in &addresses {
        let limit = if addresses.len() == 1 { STEP } else { ADDRESS };
        let problem = match tokio::time::timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                progress(Passed {
                    hop: HopKind::SshTcp,
                    host: stop.name.clone(),
                    evidence: format!("{} answers on port {}", address.ip(), address.port()),
                    took: Some(started.elapsed()),
                });
                return Ok(Box::new(Attended::new(stream, PATIENCE)));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", limit.as_secs()),
        };
        problems.push(format!("{}: {problem}", address.ip()));
    }
    let failure = words::unreachable(&stop.host, stop.port, &problems.join("; "));
    Err(Refusal::new(HopKind::SshTcp, &stop.name, failure))
}

/// A stream whose writes fail when they make no headway: the keep-alive questions of the protocol wait
/// behind what cannot be sent, so they notice nothing then.
struct Attended<S> {
    stream: S,
    limit: Duration,
    patience: Option<Pin<Box<Sleep>>>,
}

const PATIENCE: Duration = Duration::from_secs(ALIVE_EVERY_SECONDS * (ALIVE_TRIES as u64 + 1));

impl<S> Attended<S> {
    fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, patience: None }
    }

    fn attend<T>(&mut self, progress: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.patience = None;
            return progress;
        }
        let limit = self.limit;
        let patience = self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        match patience.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("nothing that was sent was taken for {} s", limit.as_secs()),
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Attended<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Attended<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.attend(progress, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_flush(context);
        self.attend(progress, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LIMIT: Duration = Duration::from_millis(300);

    #[tokio::test]
    async fn a_write_that_nobody_takes_fails_when_its_time_is_over() {
        let (near, _far) = tokio::io::duplex(16);
        let mut stream = Attended::new(near, LIMIT);
        let started = Instant::now();
        let error = stream.write_all(&[0; 64]).await.err().map(|error| error.kind());
        assert_eq!(error, Some(io::ErrorKind::TimedOut));
        assert!(started.elapsed() >= LIMIT, "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn a_write_that_is_taken_slowly_does_not_fail() {
        let (near, mut far) = tokio::io::duplex(16);
        let mut stream = Attended::new(near, LIMIT);
        let reader = async {
            let mut taken = 0;
            while taken < 64 {
                tokio::time::sleep(LIMIT / 2).await;
                taken += far.read(&mut [0; 16]).await.unwrap_or_default();
            }
        };
        let (written, ()) = tokio::join!(stream.write_all(&[0; 64]), reader);
        assert!(written.is_ok(), "{written:?}");
    }

    #[test]
    fn what_is_not_taken_is_noticed_within_ten_seconds() {
        assert!(PATIENCE < Duration::from_secs(10));
    }
}
