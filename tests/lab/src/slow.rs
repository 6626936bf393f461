//! A slow and faulty line: a TCP proxy that delays, counts round trips, and breaks on demand.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How the line is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Connections end in an orderly way.
    Cut,
    /// Connections are reset.
    Reset,
    /// Nothing arrives any more, in either direction, and nobody is told.
    Blackhole,
}

/// A proxy in front of one address.
pub struct Slow {
    port: u16,
    line: Arc<Line>,
}

struct Line {
    target: SocketAddr,
    delay_microseconds: AtomicU64,
    round_trips: AtomicU64,
    connections: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
    blackhole: AtomicBool,
    closed: AtomicBool,
    open: Mutex<Vec<Pair>>,
}

/// The two ends of one connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    /// To be reset: nothing more is sent, not even an orderly end.
    torn: Arc<AtomicBool>,
}

impl Slow {
    /// A line to that port on loopback with that delay each way.
    pub fn start(target_port: u16, one_way: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .unwrap_or_else(|error| panic!("no port for the proxy: {error}"));
        let port =
            listener.local_addr().unwrap_or_else(|error| panic!("no port for the proxy: {error}")).port();
        let line = Arc::new(Line {
            target: SocketAddr::from(([127, 0, 0, 1], target_port)),
            delay_microseconds: AtomicU64::new(one_way.as_micros() as u64),
            round_trips: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            bytes_up: AtomicU64::new(0),
            bytes_down: AtomicU64::new(0),
            blackhole: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            open: Mutex::new(Vec::new()),
        });
        let accepting = Arc::clone(&line);
        thread::spawn(move || accept(&listener, &accepting));
        Self { port, line }
    }

    /// The proxy's port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// An address of the target, leading through the proxy instead.
    pub fn through(&self, url: &str) -> String {
        url.replacen(&format!(":{}/", self.line.target.port()), &format!(":{}/", self.port), 1)
    }

    /// Changes the delay each way, for what is sent from now on.
    pub fn set_delay(&self, one_way: Duration) {
        self.line.delay_microseconds.store(one_way.as_micros() as u64, SeqCst);
    }

    /// How often a connection turned from answering to asking: the number of sequential round trips.
    pub fn round_trips(&self) -> u64 {
        self.line.round_trips.load(SeqCst)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.line.connections.load(SeqCst)
    }

    /// Bytes sent to the server and to the client so far.
    pub fn bytes(&self) -> (u64, u64) {
        (self.line.bytes_up.load(SeqCst), self.line.bytes_down.load(SeqCst))
    }

    /// Starts counting anew.
    pub fn reset_counters(&self) {
        for counter in
            [&self.line.round_trips, &self.line.connections, &self.line.bytes_up, &self.line.bytes_down]
        {
            counter.store(0, SeqCst);
        }
    }

    /// Breaks every open connection; a black hole also swallows the ones to come.
    pub fn fault(&self, fault: Fault) {
        if fault == Fault::Blackhole {
            self.line.blackhole.store(true, SeqCst);
            return;
        }
        self.line.drop_connections(fault == Fault::Reset);
    }

    /// Ends a black hole. What was swallowed stays lost, so its connections are reset.
    pub fn heal(&self) {
        self.line.drop_connections(true);
        self.line.blackhole.store(false, SeqCst);
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.line.closed.store(true, SeqCst);
        self.line.drop_connections(false);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Line {
    fn drop_connections(&self, reset: bool) {
        let mut open = self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for Pair { client, server, torn } in open.drain(..) {
            torn.store(reset, SeqCst);
            for stream in [client, server] {
                if reset {
                    let _ = nix::sys::socket::setsockopt(
                        &stream,
                        nix::sys::socket::sockopt::Linger,
                        &nix::libc::linger { l_onoff: 1, l_linger: 0 },
                    );
                }
                let _ = stream.shutdown(if reset { Shutdown::Read } else { Shutdown::Both });
            }
        }
    }
}

fn accept(listener: &TcpListener, line: &Arc<Line>) {
    for client in listener.incoming() {
        if line.closed.load(SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        line.connections.fetch_add(1, SeqCst);
        let line = Arc::clone(line);
        thread::spawn(move || {
            let Ok(server) = TcpStream::connect(line.target) else { return };
            let pair = |stream: &TcpStream| {
                stream.try_clone().unwrap_or_else(|error| panic!("no second handle: {error}"))
            };
            let (client_out, server_out) = (pair(&client), pair(&server));
            for stream in [&client, &server] {
                let _ = stream.set_nodelay(true);
            }
            let torn = Arc::new(AtomicBool::new(false));
            line.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(Pair {
                client: pair(&client),
                server: pair(&server),
                torn: Arc::clone(&torn),
            });
            let asking = Arc::new(AtomicBool::new(false));
            let (up, down) = (Arc::clone(&line), Arc::clone(&line));
            let (was_asking, answers) = (Arc::clone(&asking), asking);
            pump(client, server_out, up, Arc::clone(&torn), move |line, bytes| {
                line.bytes_up.fetch_add(bytes, SeqCst);
                if !was_asking.swap(true, SeqCst) {
                    line.round_trips.fetch_add(1, SeqCst);
                }
            });
            pump(server, client_out, down, torn, move |line, bytes| {
                line.bytes_down.fetch_add(bytes, SeqCst);
                answers.store(false, SeqCst);
            });
        });
    }
}

/// Carries one direction: one thread reads and stamps, one waits until each piece is due and writes it.
fn pump(
    mut from: TcpStream,
    mut to: TcpStream,
    line: Arc<Line>,
    torn: Arc<AtomicBool>,
    seen: impl Fn(&Line, u64) + Send + 'static,
) {
    let (send, due): (Sender<(Instant, Vec<u8>)>, Receiver<_>) = channel();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match from.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(length) => {
                    seen(&line, length as u64);
                    if line.blackhole.load(SeqCst) {
                        continue;
                    }
                    let delay = Duration::from_micros(line.delay_microseconds.load(SeqCst));
                    if send.send((Instant::now() + delay, buffer[..length].to_vec())).is_err() {
                        return;
                    }
                }
            }
        }
    });
    thread::spawn(move || {
        for (at, piece) in due {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if torn.load(SeqCst) || to.write_all(&piece).is_err() {
                return;
            }
        }
        if !torn.load(SeqCst) {
            let _ = to.shutdown(Shutdown::Write);
        }
    });
}
