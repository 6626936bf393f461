//! The line to a host over SSH, and what is reached through it.
//!
//! One contract, two implementations: [`own`] drives the operator's own ssh through the `openssh` crate,
//! [`built_in`] speaks the protocol itself through `russh`. What is built on top (tunnels with a local
//! end, raw streams, the doctor's walk) is the same for both and knows neither.
//!
//! ```text
//! let line = ssh::connect(&access, &secrets, &places, &mut no_progress).await?;
//! let tunnel = line.tunnel(SshTarget::Tcp { host, port }).await?;   // a local end for a driver
//! let stream = line.open(&target).await?;                           // a raw stream for a handshake
//! line.state();                                                     // watch: open, lost with reason, closed
//! line.close().await;
//! ```
//!
//! It never accepts a host key by itself, never tries a login twice, never opens a lost line again, and
//! never sends anything over another way than the line.

mod built_in;
mod config;
mod ending;
mod folder;
mod found;
mod host_key;
mod known_hosts;
mod line;
mod lines;
#[cfg(unix)]
mod own;
mod pattern;
mod places;
mod secrets;
mod tunnel;
mod walk;
mod words;

pub use found::found;
pub use line::{ByteStream, Line, Stream};
pub use lines::Lines;
pub use places::Places;
pub use secrets::{Ask, Question, Secrets};
pub use tunnel::{Local, Tunnel};
pub use walk::{Walked, examine};

use crate::domain::{
    Failure,
    doctor::HopKind,
    ssh::{HostKeyReport, Means, SshAccess, SshImplementation},
};
use std::time::Duration;

/// Longest time for one step to a host: name and port, handshake, login without a person.
const STEP: Duration = Duration::from_secs(10);

/// Longest time for a login that puts questions to a person.
const PERSON: Duration = Duration::from_secs(180);

/// A question to the other side this often while nothing else comes from it.
const ALIVE_EVERY_SECONDS: u64 = 2;

/// This many questions without an answer mean that the line is lost: 8 s at the latest.
const ALIVE_TRIES: usize = 3;

/// Why a line could not be opened: the failure, at which hop, and the host key that is asked about.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The failure in words.
    pub failure: Failure,
    /// The hop that failed.
    pub hop: HopKind,
    /// The host at which it failed.
    pub host: String,
    /// The host key that was not accepted; with [`HostKeyReport::pin`] an unknown one can be confirmed.
    pub host_key: Option<Box<HostKeyReport>>,
}

impl Refusal {
    fn new(hop: HopKind, host: &str, failure: Failure) -> Self {
        Self { failure, hop, host: host.to_owned(), host_key: None }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        refusal.failure
    }
}

/// A hop that was passed on the way.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Which.
    pub hop: HopKind,
    /// On which host.
    pub host: String,
    /// What was seen; holds no secret.
    pub evidence: String,
    /// How long it took; `None`: it took no step of its own, or nobody can tell.
    pub took: Option<Duration>,
}

/// Is told every hop as it is passed.
pub type Progress<'a> = &'a mut (dyn FnMut(Passed) + Send);

/// Opens a line. One try at each hop, one login; nothing is sent to a host before its key is accepted.
pub async fn connect(
    access: &SshAccess,
    secrets: &Secrets,
    places: &Places,
    progress: Progress<'_>,
) -> Result<Line, Refusal> {
    words::check(access).map_err(|failure| Refusal::new(HopKind::SshNameLookup, &access.host, failure))?;
    match access.implementation {
        SshImplementation::Russh => built_in::connect(access, secrets, places, progress).await,
        #[cfg(unix)]
        SshImplementation::Openssh => own::connect(access, places, progress).await,
        #[cfg(not(unix))]
        SshImplementation::Openssh => Err(Refusal::new(
            HopKind::SshLogin,
            &access.host,
            words::no_own_ssh("It cannot keep a line open on Windows."),
        )),
    }
}

/// What this computer offers for a host, to choose an implementation by (`domain::ssh::choose`).
pub async fn means(host: &str, places: &Places) -> Means {
    #[cfg(unix)]
    let own_ssh = own::usable(places).await.is_ok();
    #[cfg(not(unix))]
    let own_ssh = false;
    Means { own_ssh, alias: config::resolve(host, places).is_ok_and(|resolved| resolved.is_alias) }
}

/// What of the operator's configuration for a host the built-in implementation does not follow, by file
/// and line. Fails where it would lead elsewhere than that configuration says.
pub fn configuration_notes(host: &str, places: &Places) -> Result<Vec<String>, Failure> {
    Ok(config::resolve(host, places)?.notes)
}
