//! A database beside the target: where it is made from, how it is filled, how it gets its name.

use super::restore::Restore;
use super::schema;
use crate::adapters::postgres::databases::{self, MAINTENANCE};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::{self, send};
use crate::domain::backup::BackupScope;
use crate::domain::{Failure, FailureCode};
use crate::runner::events::Stream;
use crate::runner::session::{Connector, Session};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often the sessions on a database are ended while it waits for its other name. The server waits 5 s for the last
/// of them.
const CUT_EVERY: Duration = Duration::from_millis(50);
/// How often a name is given up and tried again while sessions come back.
const RENAME_TRIES: u32 = 3;
/// Differences that are told.
const TOLD: usize = 5;

/// The way to another database of the same server.
pub fn on(connector: &Connector, database: &str) -> Connector {
    let mut other = connector.clone();
    other.address.database = database.to_owned();
    other
}

/// A session on the server that is not in the target's database: that one cannot be renamed from inside.
///
/// # Errors
/// [`FailureCode::RestoreRefused`] where neither of the usual databases lets this login in; a lost line.
pub async fn outside(connector: &Connector, application: &str) -> Result<Session, Failure> {
    let mut last = None;
    for name in MAINTENANCE.into_iter().filter(|name| *name != connector.address.database) {
        match Session::open_watching(&on(connector, name), application.to_owned()).await {
            Ok(session) => return Ok(session),
            Err(refused) => last = Some(refused),
        }
    }
    let why = last.map(|refused| refused.why.unwrap_or(refused.what)).unwrap_or_default();
    Err(Failure::new(
        FailureCode::RestoreRefused,
        "No database of the server lets this login in to make another one: neither postgres nor template1.",
    )
    .why(why)
    .unchanged("Nothing was changed.")
    .next("Let this login connect to one of them, or restore in place."))
}

/// Reads a backup into a new, empty database and compares it; answers what was restored, in words.
///
/// # Errors
/// Anything that keeps it from being exactly what was stored. The database is to be dropped then.
pub async fn fill(
    restore: &Restore,
    session: &mut Session,
    events: &Stream,
    index: u32,
) -> Result<String, Failure> {
    let server = |error: sqlx::Error| failure(&error);
    let connection = &mut session.connection;
    send(connection, "SET statement_timeout = 0".to_owned()).await.map_err(server)?;
    send(connection, "BEGIN ISOLATION LEVEL READ COMMITTED".to_owned()).await.map_err(server)?;
    let (words, left_out) = restore.fill(connection, events, index).await?;
    send(connection, "COMMIT".to_owned()).await.map_err(server)?;
    let manifest = &restore.opened.stored.manifest;
    let gap = if left_out.is_some() {
        left_out
    } else if manifest.scope == BackupScope::Whole {
        let found = schema::compared(connection, manifest, restore.catalogue.clone(), "this server")
            .await
            .map_err(server)?;
        if found.gap.is_none() && !found.differences.is_empty() {
            let told: Vec<String> = found.differences.into_iter().take(TOLD).collect();
            return Err(Failure::new(FailureCode::RestoreDiffers, "The schema is not what was stored.")
                .why(told.join(" "))
                .next("Do not use this backup; prove another one and restore that."));
        }
        found.gap
    } else {
        Some("only part of the database is in this backup".to_owned())
    };
    // A database without statistics is slow when the application meets it.
    send(connection, "ANALYZE".to_owned()).await.map_err(server)?;
    let some = restore.tables.len() < manifest.tables.len();
    let others = if some { "; the other tables are empty" } else { "" };
    Ok(match gap {
        Some(gap) => format!("{words}{others}; the schema around them was not compared: {gap}"),
        None => format!("{words}, and so is the schema around them{others}"),
    })
}

/// A name that a database gets.
pub struct Naming<'a> {
    /// Its name until now.
    pub from: &'a str,
    /// Its name from now on.
    pub to: &'a str,
    /// Its number.
    pub oid: u32,
}

/// Gives databases other names, all in one transaction. Whoever is connected to one of them is cut off; whoever comes
/// meanwhile waits for its end. Answers the process ids that were cut; `None`: one of the names is another database's,
/// and nothing has changed.
///
/// Nothing that outlives the transaction keeps sessions away: where this console dies, the server takes all of it back
/// and lets everybody in again.
///
/// # Errors
/// The server's error; where it is no lost line, nothing has changed but that sessions were cut.
pub async fn rename(
    session: &mut Session,
    cutter: &mut Session,
    names: &[Naming<'_>],
) -> Result<Option<BTreeSet<i32>>, sqlx::Error> {
    let mut cut = BTreeSet::new();
    let mut tried = 1;
    loop {
        match try_rename(session, cutter, names, &mut cut).await {
            Ok(true) => return Ok(Some(cut)),
            Ok(false) => {
                send(&mut session.connection, "ROLLBACK".to_owned()).await?;
                return Ok(None);
            }
            Err(error) if script::is_lost(&error) => return Err(error),
            Err(error) => {
                send(&mut session.connection, "ROLLBACK".to_owned()).await?;
                // Object in use: somebody came back between the last cut and the lock.
                if script::code(&error).as_deref() != Some("55006") || tried == RENAME_TRIES {
                    return Err(error);
                }
                tried += 1;
            }
        }
    }
}

async fn try_rename(
    session: &mut Session,
    cutter: &mut Session,
    names: &[Naming<'_>],
    cut: &mut BTreeSet<i32>,
) -> Result<bool, sqlx::Error> {
    let oids: Vec<u32> = names.iter().map(|naming| naming.oid).collect();
    send(
        &mut session.connection,
        "BEGIN; SET LOCAL lock_timeout = 10000; SET LOCAL statement_timeout = 0".to_owned(),
    )
    .await?;
    let renamed = AtomicBool::new(false);
    let renaming = async {
        let mut all = Ok(());
        for naming in names {
            all = send(&mut session.connection, databases::rename_sql(naming.from, naming.to)).await;
            if all.is_err() {
                break;
            }
        }
        renamed.store(true, Ordering::Relaxed);
        all
    };
    let cutting = async {
        while !renamed.load(Ordering::Relaxed) {
            cut.extend(databases::cut(&mut cutter.connection, &oids).await?);
            tokio::time::sleep(CUT_EVERY).await;
        }
        Ok::<(), sqlx::Error>(())
    };
    let (all, ended) = tokio::join!(renaming, cutting);
    all?;
    ended?;
    // Names change hands: the numbers tell whether these are the databases that were meant.
    let there = databases::all(&mut session.connection).await?;
    let meant = names
        .iter()
        .all(|naming| there.iter().any(|found| found.name == naming.to && found.oid == naming.oid));
    if meant {
        send(&mut session.connection, "COMMIT".to_owned()).await?;
    }
    Ok(meant)
}
