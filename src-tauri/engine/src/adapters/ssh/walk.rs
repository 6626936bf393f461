//! The doctor's walk over the SSH hops: name, port, host key and login of every host on the way, then
//! whether forwarding is allowed and the target is reached from there. It stops at the first failure and
//! writes nothing.

use super::{Line, Passed, Places, Refusal, Secrets, connect};
use crate::domain::{
    FailureCode, Outcome,
    doctor::{Explanation, Hop, HopKind},
    ssh::{HostKeyReport, SshAccess, SshTarget},
};
use std::time::{Duration, Instant};

/// What the walk came to.
#[derive(Debug)]
pub struct Walked {
    /// Hops in order; those not reached have no outcome.
    pub hops: Vec<Hop>,
    /// The hop that failed, explained.
    pub explanation: Option<Explanation>,
    /// The host key that is asked about.
    pub host_key: Option<Box<HostKeyReport>>,
    /// The open line, if every hop passed: the database's own hops go on over it.
    pub line: Option<Line>,
}

/// Walks. `on_hop` is told every hop as it is known, in order. Never fails: what goes wrong is in the
/// answer.
pub async fn examine(
    access: &SshAccess,
    target: &SshTarget,
    secrets: &Secrets,
    places: &Places,
    on_hop: &mut (dyn FnMut(&Hop) + Send),
) -> Walked {
    let mut hops: Vec<Hop> = Vec::new();
    let opened = {
        let mut passed = |passed: Passed| {
            let hop = reached(passed.hop, &passed.host, access, Outcome::Pass, passed.evidence, passed.took);
            on_hop(&hop);
            hops.push(hop);
        };
        connect(access, secrets, places, &mut passed).await
    };
    let mut walk = Walk { access, hops, on_hop };
    let line = match opened {
        Ok(line) => line,
        Err(refusal) => return walk.stopped(refusal),
    };
    let started = Instant::now();
    match line.open(target).await {
        Ok(stream) => {
            drop(stream);
            walk.note(HopKind::SshForwarding, Outcome::Pass, "allowed by the SSH host".to_owned(), None);
            let took = started.elapsed();
            walk.note(HopKind::SshTarget, Outcome::Pass, format!("{target} answers"), Some(took));
            Walked { hops: walk.hops, explanation: None, host_key: None, line: Some(line) }
        }
        Err(failure) => {
            line.close().await;
            let hop = match failure.code {
                FailureCode::SshTargetUnreachable => {
                    // For a socket sshd answers the same, whether it may not or cannot.
                    let (outcome, evidence) = match target {
                        SshTarget::Tcp { .. } => (Outcome::Pass, "allowed by the SSH host"),
                        SshTarget::Socket { .. } => (Outcome::Unknown, "the SSH host does not say"),
                    };
                    walk.note(HopKind::SshForwarding, outcome, evidence.to_owned(), None);
                    HopKind::SshTarget
                }
                _ => HopKind::SshForwarding,
            };
            let mut refusal = Refusal::new(hop, &access.host, failure);
            refusal.host = access.host.clone();
            walk.failed(refusal, Some(started.elapsed()))
        }
    }
}

struct Walk<'a> {
    access: &'a SshAccess,
    hops: Vec<Hop>,
    on_hop: &'a mut (dyn FnMut(&Hop) + Send),
}

impl Walk<'_> {
    fn note(&mut self, kind: HopKind, outcome: Outcome, evidence: String, took: Option<Duration>) {
        let host = self.access.host.clone();
        self.push(reached(kind, &host, self.access, outcome, evidence, took));
    }

    fn push(&mut self, hop: Hop) {
        (self.on_hop)(&hop);
        self.hops.push(hop);
    }

    /// A line that was not opened. The operator's own ssh shows a key before it judges it: that hop is
    /// then already noted as passed, and is put right.
    fn stopped(mut self, refusal: Refusal) -> Walked {
        if self.hops.last().is_some_and(|hop| hop.kind == refusal.hop) {
            self.hops.pop();
        }
        self.failed(refusal, None)
    }

    fn failed(mut self, refusal: Refusal, took: Option<Duration>) -> Walked {
        let evidence = refusal.failure.what.clone();
        let hop = reached(refusal.hop, &refusal.host, self.access, Outcome::Block, evidence, took);
        self.push(hop);
        // The way ends at this hop: what comes after it was not reached. A jump host's hop does not count
        // for the host itself.
        for kind in ORDER {
            let is_noted = |hop: &Hop| hop.kind == kind && hop.name == kind.label();
            if !self.hops.iter().any(is_noted) {
                self.push(Hop {
                    kind,
                    name: kind.label().to_owned(),
                    outcome: None,
                    evidence: "not reached".to_owned(),
                    milliseconds: None,
                });
            }
        }
        let explanation = Some(Explanation::of(refusal.hop, &refusal.failure, super::words::NOTHING));
        Walked { hops: self.hops, explanation, host_key: refusal.host_key, line: None }
    }
}

const ORDER: [HopKind; 6] = [
    HopKind::SshNameLookup,
    HopKind::SshTcp,
    HopKind::SshHostKey,
    HopKind::SshLogin,
    HopKind::SshForwarding,
    HopKind::SshTarget,
];

fn reached(
    kind: HopKind,
    host: &str,
    access: &SshAccess,
    outcome: Outcome,
    evidence: String,
    took: Option<Duration>,
) -> Hop {
    let label = kind.label();
    let name = if host == access.host { label.to_owned() } else { format!("{label} of {host}") };
    Hop {
        kind,
        name,
        outcome: Some(outcome),
        evidence,
        milliseconds: took.map(|took| took.as_secs_f64() * 1_000.0),
    }
}
