//! The built-in implementation: `russh`, on every system. Jump hosts are lines within lines.

mod agent;
mod handler;
mod keys;
mod login;
mod reach;
mod relay;
mod transport;

#[cfg(unix)]
use super::folder::Folder;
use super::{
    ALIVE_EVERY_SECONDS, ALIVE_TRIES, Passed, Places, Progress, Refusal, STEP, Secrets,
    config::{self, Stop},
    host_key::{self, HostKeys},
    line::{ByteStream, Line, Standing},
    words,
};
use crate::domain::{
    doctor::HopKind,
    ssh::{SshAccess, SshTarget},
};
use handler::{Host, Keeper};
use russh::{
    SshId,
    client::{self, Handle},
    keys::{Algorithm, HashAlg},
};
use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

/// A host that let us in.
pub(super) struct Entered {
    handle: Handle<Keeper>,
    host: Arc<Host>,
    name: String,
}

/// Opens a line host by host.
pub(super) async fn connect(
    access: &SshAccess,
    secrets: &Secrets,
    places: &Places,
    progress: Progress<'_>,
) -> Result<Line, Refusal> {
    let stops = config::route(access, places)
        .map_err(|failure| Refusal::new(HopKind::SshNameLookup, &access.host, failure))?;
    let standing = Standing::connecting();
    let mut entered: Vec<Entered> = Vec::new();
    for stop in &stops {
        let stream = match entered.last() {
            None => reach::directly(stop, progress).await?,
            Some(before) => through(before, stop, progress).await?,
        };
        let next = enter(stream, stop, access, secrets, places, &standing, progress).await?;
        entered.push(next);
    }
    #[cfg(unix)]
    let folder = {
        let local = |failure| Refusal::new(HopKind::SshForwarding, &access.host, failure);
        let folder = Folder::make(places).and_then(Folder::guarded).map_err(local)?;
        Arc::new(tokio::sync::Mutex::new(folder))
    };
    standing.opened();
    // A host may have hung up between its login and here.
    if let Some(gone) = entered.iter().find(|one| one.handle.is_closed()) {
        standing.lost(&gone.host.farewell().unwrap_or_else(|| format!("{} hung up.", gone.name)));
    }
    let transport = Arc::new(transport::BuiltIn::new(entered, standing.clone()));
    #[cfg(unix)]
    let line = Line::new(&access.host, transport, standing, folder);
    #[cfg(not(unix))]
    let line = Line::new(&access.host, transport, standing);
    Ok(line)
}

/// The next host's port, as the host before sees it.
async fn through(before: &Entered, stop: &Stop, progress: Progress<'_>) -> Result<ByteStream, Refusal> {
    let started = Instant::now();
    let target = SshTarget::Tcp { host: stop.host.clone(), port: stop.port };
    let refused = |failure| Refusal::new(HopKind::SshTcp, &stop.name, failure);
    let opened = tokio::time::timeout(STEP, transport::channel(before, &target)).await;
    let channel = match opened {
        Ok(Ok(channel)) => channel,
        Ok(Err(failure)) => return Err(refused(failure)),
        Err(_) => {
            let why = format!("No answer within {} s.", STEP.as_secs());
            return Err(refused(words::target_unreachable(&before.name, &target, &why)));
        }
    };
    progress(Passed {
        hop: HopKind::SshTcp,
        host: stop.name.clone(),
        evidence: format!("{} reaches {}:{}", before.name, stop.host, stop.port),
        took: Some(started.elapsed()),
    });
    Ok(Box::new(channel.into_stream()))
}

/// Host key, then login.
async fn enter(
    stream: ByteStream,
    stop: &Stop,
    access: &SshAccess,
    secrets: &Secrets,
    places: &Places,
    standing: &Standing,
    progress: Progress<'_>,
) -> Result<Entered, Refusal> {
    let at_key = |failure| Refusal::new(HopKind::SshHostKey, &stop.name, failure);
    let alias = stop.resolved.host_key_alias.as_deref();
    let keys = HostKeys::read(&stop.host, stop.port, alias, &access.pins, places).map_err(at_key)?;
    let settings = Arc::new(settings(&keys));
    let host = Arc::new(Host::new(&stop.name, keys, standing.clone()));
    let started = Instant::now();
    let shaken =
        tokio::time::timeout(STEP, client::connect_stream(settings, stream, Keeper::of(&host))).await;
    let mut handle = match shaken {
        Ok(Ok(handle)) => handle,
        Ok(Err(error)) => {
            if let Some(refused) = host.refused_key() {
                let mut refusal = at_key(refused.failure);
                refusal.host_key = Some(Box::new(refused.report));
                return Err(refusal);
            }
            return Err(at_key(words::handshake(&stop.name, &why(&error, &host))));
        }
        Err(_) => {
            let why = format!("It said nothing of use within {} s.", STEP.as_secs());
            return Err(at_key(words::handshake(&stop.name, &why)));
        }
    };
    if let Some(key) = host.accepted_key() {
        progress(Passed {
            hop: HopKind::SshHostKey,
            host: stop.name.clone(),
            evidence: format!("{} {}, {}", key.algorithm, key.fingerprint, host_key::place(&key.source)),
            took: Some(started.elapsed()),
        });
    }
    let started = Instant::now();
    let evidence = login::log_in(&mut handle, stop, secrets, places, &host)
        .await
        .map_err(|failure| Refusal::new(HopKind::SshLogin, &stop.name, failure))?;
    progress(Passed {
        hop: HopKind::SshLogin,
        host: stop.name.clone(),
        evidence,
        took: Some(started.elapsed()),
    });
    Ok(Entered { handle, host, name: stop.name.clone() })
}

fn settings(keys: &HostKeys) -> client::Config {
    let mut settings = client::Config {
        client_id: SshId::Standard(Cow::Borrowed("SSH-2.0-Drydock")),
        keepalive_interval: Some(Duration::from_secs(ALIVE_EVERY_SECONDS)),
        keepalive_max: ALIVE_TRIES,
        nodelay: true,
        ..client::Config::default()
    };
    // The kinds of keys on record first; SHA-1 signatures never.
    let mut order: Vec<Algorithm> = Vec::new();
    for known in keys.algorithms() {
        match known {
            Algorithm::Rsa { .. } => {
                order.push(Algorithm::Rsa { hash: Some(HashAlg::Sha512) });
                order.push(Algorithm::Rsa { hash: Some(HashAlg::Sha256) });
            }
            other => order.push(other),
        }
    }
    for usual in settings.preferred.key.iter() {
        if *usual != (Algorithm::Rsa { hash: None }) && !order.contains(usual) {
            order.push(usual.clone());
        }
    }
    if keys.wants_certificate() {
        settings.preferred.host_key_certificates = Cow::Owned(order.clone());
    }
    settings.preferred.key = Cow::Owned(order);
    settings
}

/// Why a conversation ended: the host's own words where it said any.
fn why(error: &russh::Error, host: &Host) -> String {
    host.farewell().unwrap_or_else(|| match error {
        russh::Error::NoCommonAlgo { kind, theirs, .. } => {
            format!("No {kind:?} method in common; it offers {}.", theirs.join(", "))
        }
        other => words::plain(&other.to_string()),
    })
}
