//! Reading a target for the screens, in as few round trips as it takes.

use super::{Engine, Target};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::observe::Facts;
use crate::adapters::postgres::script::send;
use crate::adapters::postgres::{catalogue, ledger, observe};
use crate::domain::catalogue::Catalogue;
use crate::domain::identity::{IdentityPin, IdentityVerdict, TargetIdentity};
use crate::domain::ledger::LedgerRow;
use crate::domain::migration::{ForeignLedger, LedgerPresence};
use crate::domain::{Failure, FailureCode};
use crate::runner;
use crate::runner::backup::pulse;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;

/// What was read of a target.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Facts.
    pub facts: Facts,
    /// Schema of the ledger.
    pub schema: String,
    /// Identity.
    pub identity: TargetIdentity,
    /// How it compares with the pin.
    pub verdict: IdentityVerdict,
    /// Ledger.
    pub presence: LedgerPresence,
    /// All its rows.
    pub rows: Vec<LedgerRow>,
    /// Live schema.
    pub catalogue: Catalogue,
    /// Other tools' ledgers.
    pub foreign: Vec<ForeignLedger>,
    /// Sequential round trips it took, the connection being open.
    pub round_trips: u32,
    /// Milliseconds of one round trip.
    pub round_trip_ms: f64,
    /// When.
    pub read_at: DateTime<Utc>,
}

/// Does something that asks a target many questions, each of which may take long, and ends it as soon as the line no
/// longer answers.
///
/// # Errors
/// What `work` answers, or that the line is lost.
pub(super) async fn while_it_answers<T>(
    target: &Target,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut line = target.connector.open_reading("drydock line").await?;
    tokio::select! {
        done = work => done,
        failure = pulse(&mut line) => Err(failure),
    }
}

impl Engine {
    /// Reads a target on its kept connection; a connection that has gone stale is opened anew, once.
    pub(super) async fn observe(&self, target: &Target) -> Result<Observation, Failure> {
        let key = target.key();
        let kept = self.inner.connections.lock().await.remove(&key);
        let attempt = match kept {
            Some(mut connection) => match self.observe_on(&mut connection, target).await {
                Ok(observation) => Some((connection, observation)),
                Err(_) => None,
            },
            None => None,
        };
        let (connection, observation) = match attempt {
            Some(done) => done,
            None => {
                let mut connection = target.connector.open_reading("drydock").await?;
                let observation = self.observe_on(&mut connection, target).await?;
                (connection, observation)
            }
        };
        self.inner.connections.lock().await.insert(key, connection);
        self.pin(target, &observation).await?;
        Ok(observation)
    }

    async fn observe_on(
        &self,
        connection: &mut PgConnection,
        target: &Target,
    ) -> Result<Observation, Failure> {
        let connector = &target.connector;
        let schema = &connector.address.schema;
        let mut facts_started = std::time::Instant::now();
        let facts = connector
            .read(observe::begin_reading(connection, schema, target.rules.check_timeout_ms))
            .await
            .map_err(|error| failure(&error))?;
        let mut round_trips = 1;
        let round_trip_ms = facts_started.elapsed().as_secs_f64() * 1000.0;
        let rows = if facts.has_ledger() {
            round_trips += 1;
            facts_started = std::time::Instant::now();
            connector.read(ledger::read(connection, schema)).await.map_err(|error| ledger_failure(&error))?
        } else {
            Vec::new()
        };
        let round_trip_ms = round_trip_ms.min(facts_started.elapsed().as_secs_f64() * 1000.0);
        round_trips += 1;
        let catalogue = connector
            .read(catalogue::read(connection, std::slice::from_ref(schema)))
            .await
            .map_err(|error| failure(&error))?;
        round_trips += 1;
        connector.read(send(connection, "COMMIT".to_owned())).await.map_err(|error| failure(&error))?;
        let foreign = if facts.foreign.is_empty() {
            Vec::new()
        } else {
            round_trips += u32::try_from(facts.foreign.len()).unwrap_or(u32::MAX);
            let ledgers = observe::foreign_ledgers(connection, &facts.foreign);
            connector.read(async { Ok(ledgers.await) }).await.map_err(|error| failure(&error))?
        };
        let presence = if facts.has_ledger() {
            LedgerPresence::Present
        } else if facts.other_tables() > 0 {
            LedgerPresence::BaselineNeeded { tables: u32::try_from(facts.other_tables()).unwrap_or(u32::MAX) }
        } else {
            LedgerPresence::Absent
        };
        let identity = facts.identity(target.connector.place());
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let verdict = match target.environment.as_ref().and_then(|environment| environment.pin.as_ref()) {
            Some(pin) => pin.compare(&identity, &ids),
            None => IdentityVerdict::First,
        };
        Ok(Observation {
            schema: schema.clone(),
            facts,
            identity,
            verdict,
            presence,
            rows,
            catalogue,
            foreign,
            round_trips,
            round_trip_ms,
            read_at: Utc::now(),
        })
    }

    /// Pins the identity at first contact, and follows the ledger as it grows.
    async fn pin(&self, target: &Target, observation: &Observation) -> Result<(), Failure> {
        let Some(environment) = &target.environment else { return Ok(()) };
        let ids: Vec<String> = observation.rows.iter().map(|row| row.id.clone()).collect();
        let pinned_at = match (&observation.verdict, &environment.pin) {
            (IdentityVerdict::First, _) => Utc::now(),
            (IdentityVerdict::Same, Some(pin)) if pin.ledger_ids != ids => pin.pinned_at,
            _ => return Ok(()),
        };
        let mut stored = self.store().environment(&environment.id).await?;
        stored.pin = Some(IdentityPin { identity: observation.identity.clone(), pinned_at, ledger_ids: ids });
        self.store().save_environment(&stored).await
    }

    /// The fingerprint of a target as it is now, read on a fresh look.
    pub(super) async fn fingerprint_now(
        &self,
        target: &Target,
        files: String,
    ) -> Result<(TargetIdentity, IdentityVerdict, crate::domain::plan::Fingerprint), Failure> {
        let connector = &target.connector;
        let schema = &connector.address.schema;
        let mut connection = connector.open_reading("drydock").await?;
        let facts =
            connector.read(observe::facts(&mut connection, schema)).await.map_err(|error| failure(&error))?;
        let identity = facts.identity(connector.place());
        let rows = if facts.has_ledger() {
            connector
                .read(ledger::read(&mut connection, schema))
                .await
                .map_err(|error| ledger_failure(&error))?
        } else {
            Vec::new()
        };
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let verdict = match target.environment.as_ref().and_then(|environment| environment.pin.as_ref()) {
            Some(pin) => pin.compare(&identity, &ids),
            None => IdentityVerdict::First,
        };
        let now = connector
            .read(runner::fingerprint(&mut connection, schema, facts.has_ledger(), files))
            .await
            .map_err(|error| failure(&error))?;
        Ok((identity, verdict, now))
    }
}

fn ledger_failure(error: &sqlx::Error) -> Failure {
    let mut failed = failure(error);
    if error.as_database_error().is_some() {
        failed.code = FailureCode::LedgerUnreadable;
        failed.why = Some(failed.what.clone());
        failed.what = "The ledger `_prisma_migrations` cannot be read.".to_owned();
        failed.unchanged = Some("Nothing was written. An unreadable ledger is not an empty one.".to_owned());
    }
    failed
}
