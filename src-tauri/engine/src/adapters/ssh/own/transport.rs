//! Streams over the master: one local socket a target, forwarded by it, and its words about each stream.

use super::log::{Said, Talk};
use crate::adapters::ssh::{
    STEP,
    ending::{Ending, Holds},
    folder::Folder,
    line::{ByteStream, Standing, Transport},
    words,
};
use crate::domain::{Failure, ssh::SshTarget};
use futures_util::future::BoxFuture;
use openssh::{ForwardType, Session, Socket};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    net::UnixStream,
    sync::{Mutex, broadcast},
};

/// Longest wait for a host to reach a target.
const REACH: Duration = Duration::from_secs(STEP.as_secs() + 5);

/// Longest wait for ssh to say that it is alive: it is on this computer.
const ANSWER: Duration = Duration::from_secs(2);

pub(super) struct Own(Arc<Master>);

struct Master {
    host: String,
    session: Arc<Session>,
    holds: Holds,
    folder: PathBuf,
    standing: Standing,
    said: broadcast::Sender<Said>,
    /// The sockets that are forwarded. Held while a stream gets its number: ssh numbers streams, not
    /// sockets, so only one may be asked for at a time.
    forwarded: Mutex<HashMap<SshTarget, PathBuf>>,
}

impl Own {
    pub(super) fn new(
        host: &str,
        session: Session,
        folder: &Path,
        mut talk: Talk,
        standing: Standing,
        guard: Weak<Mutex<Folder>>,
    ) -> Self {
        let (said, _) = broadcast::channel(1024);
        let (heard, listeners) = (standing.clone(), said.clone());
        let name = host.to_owned();
        tokio::spawn(async move {
            while let Some(said) = talk.next().await {
                // Nobody listens unless a stream is being opened.
                let _ = listeners.send(said);
            }
            heard.lost(&reason(&name, talk.all()));
            if let Some(guard) = guard.upgrade() {
                guard.lock().await.program_ended().await;
            }
        });
        let session = Arc::new(session);
        let (asked, state) = (Arc::clone(&session), standing.clone());
        // A stream may end a moment before the end of ssh itself is noticed.
        let holds: Holds = Arc::new(move || {
            let (asked, state) = (Arc::clone(&asked), state.clone());
            Box::pin(async move {
                state.check()?;
                let answer = tokio::time::timeout(ANSWER, asked.check()).await;
                answer.ok().and_then(Result::ok).ok_or_else(|| words::lost("Your ssh has ended."))
            })
        });
        Self(Arc::new(Master {
            host: host.to_owned(),
            session,
            holds,
            folder: folder.to_path_buf(),
            standing,
            said,
            forwarded: Mutex::default(),
        }))
    }
}

impl Master {
    /// Connects to the socket of a target and finds out which number ssh gave the stream.
    async fn number(
        &self,
        target: &SshTarget,
    ) -> Result<(UnixStream, broadcast::Receiver<Said>, u32), Failure> {
        let mut forwarded = self.forwarded.lock().await;
        let socket = match forwarded.get(target) {
            Some(socket) => socket.clone(),
            None => {
                let socket = self.folder.join(format!("f{}", forwarded.len()));
                self.forward(target, &socket).await?;
                forwarded.insert(target.clone(), socket.clone());
                socket
            }
        };
        let mut said = self.said.subscribe();
        let stream = UnixStream::connect(&socket).await.map_err(|error| words::lost(&error.to_string()))?;
        loop {
            match said.recv().await {
                Ok(Said::Stream { number }) => return Ok((stream, said, number)),
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return Err(words::lost("Your ssh has ended.")),
            }
        }
    }

    async fn forward(&self, target: &SshTarget, socket: &Path) -> Result<(), Failure> {
        let far = match target {
            SshTarget::Tcp { host, port } => Socket::TcpSocket { host: host.into(), port: *port },
            SshTarget::Socket { path } => Socket::UnixSocket { path: Path::new(path).into() },
        };
        let near = Socket::UnixSocket { path: socket.into() };
        self.session.request_port_forward(ForwardType::Local, near, far).await.map_err(|error| {
            words::local("Your ssh did not open a local end.", words::plain(&error.to_string()))
        })
    }

    async fn stream(self: &Arc<Self>, target: &SshTarget) -> Result<ByteStream, Failure> {
        // In a task of its own: a caller who gives up in the middle must not leave a number behind for
        // the next one to take for its own.
        let (master, wanted) = (Arc::clone(self), target.clone());
        let numbered = tokio::spawn(async move {
            match tokio::time::timeout(STEP, master.number(&wanted)).await {
                Ok(numbered) => numbered,
                Err(_) => Err(words::local("Your ssh did not open a stream.", "It said nothing about it.")),
            }
        });
        let (stream, mut said, number) = numbered
            .await
            .map_err(|error| words::local("Your ssh did not open a stream.", error.to_string()))??;
        loop {
            match said.recv().await {
                Ok(Said::StreamOpen { number: open }) if open == number => {
                    return Ok(Box::new(Ending::new(stream, Arc::clone(&self.holds))));
                }
                Ok(Said::StreamRefused { number: refused, why }) if refused == number => {
                    let prohibited = why.contains("prohibited") || why.contains("unknown channel type");
                    return Err(words::not_opened(&self.host, target, prohibited, &words::plain(&why)));
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    return Err(words::local(
                        "A stream was opened, but its answer was missed.",
                        "too many at once",
                    ));
                }
                Err(broadcast::error::RecvError::Closed) => return Err(words::lost("Your ssh has ended.")),
            }
        }
    }
}

impl Transport for Own {
    fn open<'a>(&'a self, target: &'a SshTarget) -> BoxFuture<'a, Result<ByteStream, Failure>> {
        Box::pin(async move {
            tokio::select! {
                opened = tokio::time::timeout(REACH, self.0.stream(target)) => match opened {
                    Ok(opened) => opened,
                    Err(_) => {
                        let why = format!("It did not get there within {} s.", REACH.as_secs());
                        Err(words::target_unreachable(&self.0.host, target, &why))
                    }
                },
                () = self.0.standing.ended() => {
                    self.0.standing.check()?;
                    Err(words::closed())
                }
            }
        })
    }

    /// The guard ends the master; there is nobody to say goodbye to.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Why ssh ended, by its last words.
fn reason(host: &str, said: &[String]) -> String {
    match said.iter().rev().map(|line| words::plain(line)).find(|line| !line.is_empty()) {
        Some(line) if line.contains("not responding") => format!("{host} no longer answers."),
        Some(line) => format!("Your ssh ended: {line}"),
        None => "Your ssh ended without a word.".to_owned(),
    }
}
