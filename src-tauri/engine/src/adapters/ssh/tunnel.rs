//! A local end for drivers: each connection to it becomes a stream of the line.
//!
//! Unix: a socket named `.s.PGSQL.<port>` in a folder that only this user can enter, so that a driver can
//! be told the folder as socket and the database's own name as host, and still checks the certificate
//! against that name. Windows: a free port on loopback, which any user of the computer could connect to,
//! as with `ssh -L`.

use super::line::{ByteStream, Standing, Transport};
use crate::domain::{Failure, ssh::SshTarget};
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Bytes that are taken at a time in each direction.
const CHUNK: usize = 64 * 1024;

/// Where a driver connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// The socket `.s.PGSQL.<port>` in a folder.
    #[cfg(unix)]
    Socket {
        /// The folder.
        folder: PathBuf,
        /// The port in the socket's name.
        port: u16,
    },
    /// A port on 127.0.0.1.
    Loopback {
        /// The port.
        port: u16,
    },
}

#[cfg(unix)]
impl Local {
    /// The socket's own path.
    pub fn socket(&self) -> Option<PathBuf> {
        match self {
            Self::Socket { folder, port } => Some(folder.join(format!(".s.PGSQL.{port}"))),
            Self::Loopback { .. } => None,
        }
    }
}

/// A tunnel. Dropping it ends its connections; the line stays.
#[derive(Debug)]
pub struct Tunnel {
    local: Local,
    refused: watch::Receiver<Option<Failure>>,
    task: JoinHandle<()>,
}

impl Tunnel {
    /// Where a driver connects to.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// Why the latest connection did not get through to the target, if the latest one did not: the driver
    /// only sees it end.
    pub fn refused(&self) -> Option<Failure> {
        self.refused.borrow().clone()
    }

    #[cfg(unix)]
    pub(super) fn listen(
        target: SshTarget,
        folder: &Path,
        transport: Arc<dyn Transport>,
        standing: Standing,
    ) -> Result<Self, Failure> {
        let local = Local::Socket { folder: folder.to_path_buf(), port: target.port() };
        let path = folder.join(format!(".s.PGSQL.{}", target.port()));
        let listener = tokio::net::UnixListener::bind(&path).map_err(|error| cannot_listen(&error))?;
        let listener = Listener::Socket { socket: listener, folder: folder.to_path_buf() };
        Ok(Self::serve(local, target, transport, standing, listener))
    }

    /// A local end on loopback, for programs that cannot use a socket as they must. Any user of this
    /// computer could connect to it while it is open.
    pub(super) async fn listen_on_loopback(
        target: SshTarget,
        transport: Arc<dyn Transport>,
        standing: Standing,
    ) -> Result<Self, Failure> {
        let listener =
            tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| cannot_listen(&error))?;
        let port = listener.local_addr().map_err(|error| cannot_listen(&error))?.port();
        Ok(Self::serve(Local::Loopback { port }, target, transport, standing, Listener::Port(listener)))
    }

    fn serve(
        local: Local,
        target: SshTarget,
        transport: Arc<dyn Transport>,
        standing: Standing,
        listener: Listener,
    ) -> Self {
        let (refusals, refused) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let ended = standing.ended();
            tokio::pin!(ended);
            loop {
                tokio::select! {
                    biased;
                    () = &mut ended => break,
                    Some(_) = connections.join_next(), if !connections.is_empty() => {}
                    accepted = listener.accept() => match accepted {
                        Ok(stream) => {
                            connections.spawn(carry(stream, target.clone(), Arc::clone(&transport), refusals.clone()));
                        }
                        Err(error) => {
                            tracing::warn!(%error, "a tunnel could not take a connection");
                            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                        }
                    },
                }
            }
        });
        Self { local, refused, task }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn cannot_listen(error: &std::io::Error) -> Failure {
    super::words::local("The tunnel's local end cannot be opened.", error.to_string())
}

/// The listening end; the socket goes with it.
enum Listener {
    #[cfg(unix)]
    Socket {
        socket: tokio::net::UnixListener,
        folder: PathBuf,
    },
    Port(tokio::net::TcpListener),
}

impl Listener {
    async fn accept(&self) -> std::io::Result<ByteStream> {
        match self {
            #[cfg(unix)]
            Self::Socket { socket, .. } => Ok(Box::new(socket.accept().await?.0)),
            Self::Port(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }
}

#[cfg(unix)]
impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Socket { folder, .. } = self {
            // The guard removes what stays here.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// One connection from its first byte to its last. An end of the line aborts it.
async fn carry(
    mut near: ByteStream,
    target: SshTarget,
    transport: Arc<dyn Transport>,
    refusals: watch::Sender<Option<Failure>>,
) {
    match transport.open(&target).await {
        Ok(mut far) => {
            refusals.send_replace(None);
            // How it ended is the business of the two who spoke.
            let _ = tokio::io::copy_bidirectional_with_sizes(&mut near, &mut far, CHUNK, CHUNK).await;
        }
        Err(failure) => {
            refusals.send_replace(Some(failure));
        }
    }
}
