//! Which session answers? Found by behaviour, not by the port's number: a transaction pooler gives the
//! next transaction to whichever server session is free.

use crate::{
    adapters::postgres::{
        connect::{Settings, Way, connect_with},
        failure::failure,
    },
    domain::Failure,
};
use futures_util::future::join;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::{Duration, Instant};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// Every connection kept its own session.
    Session,
    /// Sessions were swapped or shared between transactions.
    Transaction {
        /// Different server sessions seen in one connection.
        sessions: usize,
    },
    /// The second session that the test needs did not come about.
    NotTried {
        /// Why.
        failure: Failure,
    },
}

/// What was found, and the shortest round trip seen.
pub(super) struct Observation {
    pub(super) mode: Mode,
    pub(super) round_trip: Option<Duration>,
}

/// Watches two connections. Takes an advisory lock with a random key and releases it; where sessions
/// are swapped, no lock is taken, because it would stay behind.
pub(super) async fn observe(first: &mut PgConnection, way: Way<'_>) -> Result<Observation, Failure> {
    let mut watch = Watch { mine: Vec::new(), theirs: Vec::new(), round_trip: None };
    let start = pid(first).await?;
    watch.mine.push(start.0);
    watch.time(start.1);
    let mut second = match connect_with(way, super::NAME, Settings::Bare).await {
        Ok(connection) => connection,
        Err(failure) => {
            return Ok(Observation { mode: Mode::NotTried { failure }, round_trip: watch.round_trip });
        }
    };
    let result = swaps(first, &mut second, &mut watch).await;
    let mode = match result {
        Ok(()) if watch.swapped() => Ok(Mode::Transaction { sessions: watch.sessions() }),
        Ok(()) => match lock_holds(first, &mut second).await {
            Ok(true) => Ok(Mode::Session),
            Ok(false) => Ok(Mode::Transaction { sessions: watch.sessions().max(1) }),
            Err(failure) => Err(failure),
        },
        Err(failure) => Err(failure),
    };
    let _ = tokio::time::timeout(Duration::from_millis(300), second.close()).await;
    Ok(Observation { mode: mode?, round_trip: watch.round_trip })
}

struct Watch {
    mine: Vec<i32>,
    theirs: Vec<i32>,
    round_trip: Option<Duration>,
}

impl Watch {
    fn time(&mut self, took: Duration) {
        self.round_trip = Some(self.round_trip.map_or(took, |best| best.min(took)));
    }

    /// One connection saw two sessions, or two connections saw the same one.
    fn swapped(&self) -> bool {
        let changed = |pids: &[i32]| pids.windows(2).any(|pair| pair[0] != pair[1]);
        changed(&self.mine) || changed(&self.theirs) || self.mine.iter().any(|pid| self.theirs.contains(pid))
    }

    fn sessions(&self) -> usize {
        self.mine.iter().collect::<std::collections::BTreeSet<_>>().len()
    }
}

/// Asks in an order that makes a pooler swap, whether it hands out the last or the first free session:
/// one after the other, then with transactions held open across each other.
async fn swaps(
    first: &mut PgConnection,
    second: &mut PgConnection,
    watch: &mut Watch,
) -> Result<(), Failure> {
    for _ in 0..2 {
        let (pid_second, took) = pid(second).await?;
        watch.theirs.push(pid_second);
        watch.time(took);
        let (pid_first, took) = pid(first).await?;
        watch.mine.push(pid_first);
        watch.time(took);
        if watch.swapped() {
            // Seen already; the rounds below would only add load.
            break;
        }
    }
    for round in 0..2 {
        if watch.swapped() && round > 0 {
            return Ok(());
        }
        run(first, "BEGIN READ ONLY").await?;
        watch.mine.push(pid(first).await?.0);
        // With a single server session behind the pooler this waits: the first holds it.
        let patience = Duration::from_millis(900).max(watch.round_trip.unwrap_or_default() * 6);
        let blocked = tokio::time::timeout(patience, async {
            run(second, "BEGIN READ ONLY").await?;
            pid(second).await
        })
        .await;
        match blocked {
            Err(_) => {
                watch.theirs.push(watch.mine.last().copied().unwrap_or_default());
                return run(first, "ROLLBACK").await;
            }
            Ok(result) => watch.theirs.push(result?.0),
        }
        // Release in one order and take in the other.
        if round == 0 {
            run(first, "ROLLBACK").await?;
            run(second, "ROLLBACK").await?;
            watch.mine.push(pid(first).await?.0);
            watch.theirs.push(pid(second).await?.0);
        } else {
            run(second, "ROLLBACK").await?;
            run(first, "ROLLBACK").await?;
            watch.theirs.push(pid(second).await?.0);
            watch.mine.push(pid(first).await?.0);
        }
    }
    Ok(())
}

/// A session lock with a random key: the other connection must not get it, and ours must still be there.
async fn lock_holds(first: &mut PgConnection, second: &mut PgConnection) -> Result<bool, Failure> {
    let key = super::same::random_key();
    let take = format!("SELECT pg_catalog.pg_try_advisory_lock({key})");
    let give = format!("SELECT pg_catalog.pg_advisory_unlock({key})");
    let held = yes(first, &take).await?;
    let stolen = yes(second, &take).await?;
    let released = yes(first, &give).await?;
    if stolen || !released {
        // Not where it was left: ask both until nobody holds it.
        for _ in 0..4 {
            let (one, other) = join(yes(first, &give), yes(second, &give)).await;
            if !one.unwrap_or(false) && !other.unwrap_or(false) {
                break;
            }
        }
    }
    Ok(held && released && !stolen)
}

async fn pid(connection: &mut PgConnection) -> Result<(i32, Duration), Failure> {
    use sqlx::Row;
    let start = Instant::now();
    let row = sqlx::raw_sql("SELECT pg_catalog.pg_backend_pid() AS pid")
        .fetch_one(connection)
        .await
        .map_err(|error| failure(&error))?;
    Ok((row.try_get("pid").map_err(|error| failure(&error))?, start.elapsed()))
}

async fn yes(connection: &mut PgConnection, question: &str) -> Result<bool, Failure> {
    use sqlx::Row;
    let row = sqlx::raw_sql(AssertSqlSafe(question.to_owned()))
        .fetch_one(connection)
        .await
        .map_err(|error| failure(&error))?;
    row.try_get(0).map_err(|error| failure(&error))
}

async fn run(connection: &mut PgConnection, statement: &'static str) -> Result<(), Failure> {
    sqlx::raw_sql(statement).execute(connection).await.map(drop).map_err(|error| failure(&error))
}
