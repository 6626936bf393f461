//! The connection doctor: walks from this computer to the database hop by hop, says what it saw at
//! each, and explains the first hop that needs attention. It writes nothing; the locks it takes have
//! random keys and are released. The whole walk takes less than ten seconds, black holes included.

mod network;
mod pooler;
mod same;
mod session;

use super::connect::{Settings, Way, connect_with};
use crate::adapters::ssh::ByteStream;
use crate::domain::{
    Failure, FailureCode, Outcome,
    address::Address,
    doctor::{DoctorReport, Explanation, Hop, HopKind},
    identity::{IdentityPin, TargetIdentity},
    ssh::HostKeyReport,
};
use sqlx::Connection;
use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Longest time for one hop.
const HOP: Duration = Duration::from_secs(5);

/// Longest time for everything.
const WALK: Duration = Duration::from_millis(9_300);

/// The name the doctor's sessions carry on the server.
const NAME: &str = "drydock doctor";

const NOTHING_WRITTEN: &str = "Nothing was written. The saved address is as it was.";

/// Whether a connection keeps its session from one transaction to the next; a pooler may hand each to another one,
/// and its address does not have to say so. What cannot be tried, because no second session is to be had, is let pass:
/// whoever needs two sessions finds that out.
///
/// # Errors
/// [`FailureCode::TransactionPooler`], or what keeps the server from being asked.
pub async fn keeps_sessions(way: Way<'_>) -> Result<(), Failure> {
    let look = async {
        let mut first = connect_with(way, NAME, Settings::Bare).await?;
        let observed = pooler::observe(&mut first, way).await;
        let _ = tokio::time::timeout(Duration::from_millis(300), first.close()).await;
        observed
    };
    let observed = tokio::time::timeout(WALK, look).await.map_err(|_| {
        Failure::new(FailureCode::Unreachable, "The server did not say in time which session answers.")
            .unchanged(NOTHING_WRITTEN)
            .next("Test the connection.")
    })?;
    match observed?.mode {
        pooler::Mode::Transaction { .. } => Err(transaction_pooler()),
        pooler::Mode::Session | pooler::Mode::NotTried { .. } => Ok(()),
    }
}

/// What is said where each transaction may get another session.
pub fn transaction_pooler() -> Failure {
    Failure::new(
        FailureCode::TransactionPooler,
        "This address leads to a transaction pooler; Drydock cannot work through it.",
    )
    .why("Every transaction may get another session there, so a lock or a snapshot would stay on one while the statements run on the next.")
    .unchanged("Nothing was written.")
    .next("Use the direct or session address (often port 5432, without pgbouncer=true) for Drydock; the app keeps its own.")
}

/// Examines the way to the direct address and, if there is one, whether the app's own (runtime)
/// address leads to the same database. `on_hop` is told every hop as it is known, in order; hops that
/// were not reached last. Never fails: what goes wrong is in the report. One login is tried for each
/// address, and no further one after a refusal.
pub async fn examine(
    direct: Way<'_>,
    runtime: Option<Way<'_>>,
    pin: Option<&IdentityPin>,
    on_hop: &mut (dyn FnMut(&Hop) + Send + Sync),
) -> DoctorReport {
    let mut walk = Walk::new(on_hop, true, runtime.is_some());
    if network::walk(&mut walk, direct.address).await {
        session::walk(&mut walk, direct, runtime, pin).await;
    }
    walk.finish()
}

/// The same over a line to an SSH host that was walked before: `stream` comes out at the database's port.
pub async fn examine_tunnelled(
    line: LineWalked,
    stream: ByteStream,
    direct: Way<'_>,
    runtime: Option<Way<'_>>,
    pin: Option<&IdentityPin>,
    on_hop: &mut (dyn FnMut(&Hop) + Send + Sync),
) -> DoctorReport {
    let mut walk = Walk::new(on_hop, false, runtime.is_some()).after(line);
    if network::walk_tunnelled(&mut walk, direct.address, stream).await {
        session::walk(&mut walk, direct, runtime, pin).await;
    }
    walk.finish()
}

/// A failure on the line after its own hops had passed.
pub fn explain_line(failure: &Failure) -> Explanation {
    explain(HopKind::SshTarget, failure)
}

/// The report of a walk that did not get beyond the SSH host.
pub fn line_only(
    line: LineWalked,
    with_runtime: bool,
    on_hop: &mut (dyn FnMut(&Hop) + Send + Sync),
) -> DoctorReport {
    Walk::new(on_hop, false, with_runtime).after(line).finish()
}

/// What the walk to the SSH host came to; its hops were told already.
#[derive(Debug)]
pub struct LineWalked {
    /// Hops in order.
    pub hops: Vec<Hop>,
    /// The hop that failed, explained.
    pub explanation: Option<Explanation>,
    /// The host key that is asked about.
    pub host_key: Option<HostKeyReport>,
    /// How long it took.
    pub took: Duration,
}

/// The walk so far.
struct Walk<'a> {
    on_hop: &'a mut (dyn FnMut(&Hop) + Send + Sync),
    started: Instant,
    kinds: Vec<HopKind>,
    hops: Vec<Hop>,
    explanations: Vec<(Outcome, Explanation)>,
    identity: Option<TargetIdentity>,
    round_trip: Option<Duration>,
    /// What the walk to an SSH host took.
    before: Duration,
    host_key: Option<HostKeyReport>,
}

/// What a hop showed.
struct Seen {
    outcome: Outcome,
    evidence: String,
    explanation: Option<Explanation>,
}

impl Seen {
    fn pass(evidence: impl Into<String>) -> Self {
        Self { outcome: Outcome::Pass, evidence: evidence.into(), explanation: None }
    }

    fn with(outcome: Outcome, evidence: impl Into<String>, explanation: Explanation) -> Self {
        Self { outcome, evidence: evidence.into(), explanation: Some(explanation) }
    }

    /// A failure as the hop's result; its first sentence is the evidence.
    fn failed(outcome: Outcome, hop: HopKind, failure: &Failure) -> Self {
        Self::with(outcome, failure.what.clone(), explain(hop, failure))
    }
}

/// An explanation out of a failure's four sentences.
fn explain(hop: HopKind, failure: &Failure) -> Explanation {
    Explanation::of(hop, failure, NOTHING_WRITTEN)
}

impl<'a> Walk<'a> {
    fn new(on_hop: &'a mut (dyn FnMut(&Hop) + Send + Sync), from_here: bool, with_runtime: bool) -> Self {
        use HopKind as Kind;
        let mut kinds = if from_here { vec![Kind::NameLookup, Kind::Tcp] } else { Vec::new() };
        kinds.extend([
            Kind::Tls,
            Kind::Authentication,
            Kind::Database,
            Kind::Schema,
            Kind::PoolerMode,
            Kind::Writable,
            Kind::Privileges,
            Kind::ServerVersion,
            Kind::Identity,
        ]);
        if with_runtime {
            kinds.push(Kind::SameDatabase);
        }
        Self {
            on_hop,
            started: Instant::now(),
            kinds,
            hops: Vec::new(),
            explanations: Vec::new(),
            identity: None,
            round_trip: None,
            before: Duration::ZERO,
            host_key: None,
        }
    }

    fn after(mut self, line: LineWalked) -> Self {
        self.hops = line.hops;
        self.explanations.extend(line.explanation.map(|explanation| (Outcome::Block, explanation)));
        self.host_key = line.host_key;
        self.before = line.took;
        self
    }

    /// What is left for the next step: the address's own limit, at most [`HOP`], never beyond [`WALK`].
    fn limit(&self, address: &Address) -> Duration {
        let own = Duration::from_secs(u64::from(address.connect_timeout_seconds.max(1)));
        own.min(HOP).min(WALK.saturating_sub(self.started.elapsed()))
    }

    /// Runs a step of a conversation within the limit.
    async fn limited<T>(
        &self,
        address: &Address,
        step: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let limit = self.limit(address);
        match tokio::time::timeout(limit, step).await {
            Ok(result) => result,
            Err(_) => Err(Failure::new(
                FailureCode::TimedOut,
                format!("No answer within {:.1} s.", limit.as_secs_f64()),
            )
            .unchanged(NOTHING_WRITTEN)
            .next("Test again; if it stays so, ask the server's owner what holds it up.")),
        }
    }

    /// Notes a hop that was reached. A time of zero means that it took no step of its own: its facts came
    /// with another hop's answer.
    fn reached(&mut self, kind: HopKind, took: Duration, seen: Seen) {
        let hop = Hop {
            kind,
            name: kind.label().to_owned(),
            outcome: Some(seen.outcome),
            evidence: seen.evidence,
            milliseconds: (!took.is_zero()).then_some(took.as_secs_f64() * 1_000.0),
        };
        self.explanations.extend(seen.explanation.map(|explanation| (seen.outcome, explanation)));
        (self.on_hop)(&hop);
        self.hops.push(hop);
    }

    /// Notes a hop that was jumped over, with the reason.
    fn skipped(&mut self, kind: HopKind, evidence: &str) {
        let hop = Hop {
            kind,
            name: kind.label().to_owned(),
            outcome: None,
            evidence: evidence.to_owned(),
            milliseconds: None,
        };
        (self.on_hop)(&hop);
        self.hops.push(hop);
    }

    fn finish(mut self) -> DoctorReport {
        for kind in self.kinds.clone() {
            if !self.hops.iter().any(|hop| hop.kind == kind) {
                self.skipped(kind, "not reached");
            }
        }
        let count = |outcome: Outcome| self.hops.iter().filter(|hop| hop.outcome == Some(outcome)).count();
        let (pass, warn, unknown, block) =
            (count(Outcome::Pass), count(Outcome::Warn), count(Outcome::Unknown), count(Outcome::Block));
        let reached = pass + warn + unknown + block;
        let not_reached = self.hops.len() - reached;
        let mut parts = vec![format!("{pass} pass")];
        let mut part = |number: usize, one: &str, many: &str| match number {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            n => parts.push(format!("{n} {many}")),
        };
        part(warn, "warns", "warn");
        part(unknown, "is unknown", "are unknown");
        part(block, "blocks", "block");
        part(not_reached, "was not reached", "were not reached");
        let lead = format!(
            "{} hops in {:.2} s: {}.",
            self.hops.len(),
            (self.before + self.started.elapsed()).as_secs_f64(),
            parts.join(", ")
        );
        let usable = block == 0 && unknown == 0 && not_reached == 0;
        let explanation = [Outcome::Block, Outcome::Unknown, Outcome::Warn]
            .into_iter()
            .find_map(|wanted| self.explanations.iter().find(|(outcome, _)| *outcome == wanted))
            .map(|(_, explanation)| explanation.clone());
        let headline = match &explanation {
            Some(explanation) if !usable => headline(explanation),
            Some(_) => "The database is reached; one thing is worth a look.".to_owned(),
            None if usable => "The database is reached, and everything fits.".to_owned(),
            None => "The database was not reached.".to_owned(),
        };
        DoctorReport {
            headline,
            lead,
            hops: self.hops,
            explanation,
            identity: self.identity,
            round_trip_ms: self.round_trip.map(|time| time.as_secs_f64() * 1_000.0),
            usable,
            host_key: self.host_key,
        }
    }
}

fn headline(explanation: &Explanation) -> String {
    match explanation.hop {
        HopKind::SshNameLookup | HopKind::SshTcp => "The SSH host is not reached.",
        HopKind::SshHostKey => "The SSH host is reached, but its key is not trusted.",
        HopKind::SshLogin => "The SSH host is reached, but it does not let us in.",
        HopKind::SshForwarding => "The SSH host lets us in, but it does not forward.",
        HopKind::SshTarget => "The SSH host does not reach the database.",
        HopKind::NameLookup => "The host's name leads nowhere.",
        HopKind::Tcp => "The server is not reached.",
        HopKind::Tls if explanation.code == FailureCode::ServerUnsupported => {
            "The port answers, but it is not PostgreSQL."
        }
        HopKind::Tls if explanation.code == FailureCode::Unreachable => {
            "The port answers, but then nothing comes."
        }
        HopKind::Tls => "The server is reached, but the encryption does not hold.",
        HopKind::Authentication => match explanation.code {
            FailureCode::Authentication => "The server is reached, but it does not let us in.",
            _ => "The server is reached, but no session came about.",
        },
        HopKind::Database => "The server lets us in, but not into this database.",
        HopKind::PoolerMode if explanation.code == FailureCode::TransactionPooler => {
            "The database is reached, but this is the pooler."
        }
        HopKind::Schema | HopKind::PoolerMode => {
            "The database is reached, but it did not answer as expected."
        }
        HopKind::Writable => "The database is reached, but it only reads.",
        HopKind::Privileges => "The database is reached, but this user may not do enough.",
        HopKind::ServerVersion => "The server is reached, but it is not one Drydock supports.",
        HopKind::Identity => "The database is reached, but it is not the one that was pinned.",
        HopKind::SameDatabase => {
            "The database is reached, but whether the app uses the same one is in doubt."
        }
    }
    .to_owned()
}
