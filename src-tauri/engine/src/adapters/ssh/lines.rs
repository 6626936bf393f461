//! The open lines of a console: one for each way to log in, shared by everything that goes over it.
//!
//! A line is opened when somebody needs it and stays until it is closed or lost. A lost one is opened
//! again when the next connection is asked for; what was under way on it is not sent again by anybody here.

use super::{Line, Places, Secrets, Tunnel, connect};
use crate::domain::{
    Failure,
    ssh::{SshAccess, SshTarget, TunnelState},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// All lines of one console.
pub struct Lines {
    places: Places,
    kept: Mutex<HashMap<String, Arc<Kept>>>,
}

/// One way to log in; locked while it is being opened, so that nobody logs in twice.
#[derive(Default)]
struct Kept {
    open: tokio::sync::Mutex<Option<Open>>,
    /// Of the newest line; `None`: none was asked for.
    standing: Mutex<Option<watch::Receiver<TunnelState>>>,
}

struct Open {
    line: Line,
    tunnels: HashMap<SshTarget, Arc<Tunnel>>,
}

impl Lines {
    /// None is open yet.
    pub fn new(places: Places) -> Self {
        Self { places, kept: Mutex::default() }
    }

    /// Where this computer keeps what a line needs.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// A tunnel to a target, over the open line or a new one.
    ///
    /// # Errors
    /// As [`connect`] and [`Line::tunnel`].
    pub async fn tunnel(
        &self,
        access: &SshAccess,
        secrets: &Secrets,
        target: &SshTarget,
    ) -> Result<Arc<Tunnel>, Failure> {
        let kept = self.kept(access);
        let mut open = kept.open.lock().await;
        let open = self.usable(&kept, &mut open, access, secrets).await?;
        if let Some(tunnel) = open.tunnels.get(target) {
            return Ok(Arc::clone(tunnel));
        }
        let tunnel = Arc::new(open.line.tunnel(target.clone()).await?);
        open.tunnels.insert(target.clone(), Arc::clone(&tunnel));
        Ok(tunnel)
    }

    /// A tunnel with its local end on loopback, for one program's run.
    ///
    /// # Errors
    /// As [`connect`] and [`Line::tunnel_on_loopback`].
    pub async fn tunnel_on_loopback(
        &self,
        access: &SshAccess,
        secrets: &Secrets,
        target: &SshTarget,
    ) -> Result<Tunnel, Failure> {
        let kept = self.kept(access);
        let mut open = kept.open.lock().await;
        let open = self.usable(&kept, &mut open, access, secrets).await?;
        open.line.tunnel_on_loopback(target.clone()).await
    }

    /// The open line, or a new one where there is none.
    async fn usable<'a>(
        &self,
        kept: &Kept,
        open: &'a mut Option<Open>,
        access: &SshAccess,
        secrets: &Secrets,
    ) -> Result<&'a mut Open, Failure> {
        if let Some(gone) = open.take_if(|open| !is_open(&open.line)) {
            gone.line.close().await;
        }
        match open {
            Some(open) => Ok(open),
            None => {
                let before = kept.follow(Some(watch::channel(TunnelState::Connecting).1));
                match connect(access, secrets, &self.places, &mut |_| {}).await {
                    Ok(line) => {
                        kept.follow(Some(line.state()));
                        Ok(open.insert(Open { line, tunnels: HashMap::new() }))
                    }
                    Err(refusal) => {
                        kept.follow(before);
                        Err(refusal.failure)
                    }
                }
            }
        }
    }

    /// Takes over a line that was just opened elsewhere (by the doctor), unless one is open.
    pub async fn keep(&self, access: &SshAccess, line: Line) {
        let kept = self.kept(access);
        let mut open = kept.open.lock().await;
        if open.as_ref().is_some_and(|open| is_open(&open.line)) {
            line.close().await;
            return;
        }
        kept.follow(Some(line.state()));
        *open = Some(Open { line, tunnels: HashMap::new() });
    }

    /// How the line stands; `None`: it was not asked for since the console started.
    pub fn state(&self, access: &SshAccess) -> Option<TunnelState> {
        let kept = self.all().get(&key(access)).map(Arc::clone)?;
        let standing = kept.standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.as_ref().map(|standing| standing.borrow().clone())
    }

    /// Closes a line.
    pub async fn close(&self, access: &SshAccess) {
        let kept = self.all().remove(&key(access));
        if let Some(kept) = kept {
            let open = kept.open.lock().await.take();
            if let Some(open) = open {
                open.line.close().await;
            }
        }
    }

    /// Closes all of them.
    pub async fn close_all(&self) {
        let all: Vec<Arc<Kept>> = self.all().drain().map(|(_, kept)| kept).collect();
        for kept in all {
            let open = kept.open.lock().await.take();
            if let Some(open) = open {
                open.line.close().await;
            }
        }
    }

    fn kept(&self, access: &SshAccess) -> Arc<Kept> {
        Arc::clone(self.all().entry(key(access)).or_default())
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Tells of this line from now on; returns the one it told of before.
    fn follow(&self, standing: Option<watch::Receiver<TunnelState>>) -> Option<watch::Receiver<TunnelState>> {
        std::mem::replace(&mut *self.standing.lock().unwrap_or_else(PoisonError::into_inner), standing)
    }
}

fn is_open(line: &Line) -> bool {
    matches!(*line.state().borrow(), TunnelState::Open { .. })
}

/// Everything that makes a difference to where a line leads and who logs in.
fn key(access: &SshAccess) -> String {
    serde_json::to_string(access).unwrap_or_default()
}
