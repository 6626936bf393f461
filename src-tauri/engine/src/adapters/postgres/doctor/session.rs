//! From the login to the rights: one session, one login try.

use super::{
    NAME, NOTHING_WRITTEN, Seen, Walk, explain,
    pooler::{self, Mode},
    same::{self, Sameness},
};
use crate::{
    adapters::postgres::{
        connect::{Settings, Way, connect_with, quote_identifier},
        failure::failure,
        identity::{SessionFacts, identity, session_facts},
    },
    domain::{
        Failure, FailureCode, Outcome,
        address::Address,
        doctor::{Explanation, HopKind},
        identity::{IdentityPin, IdentityVerdict, TargetIdentity},
        provider,
    },
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::time::{Duration, Instant};

/// Walks every hop that needs a session.
pub(super) async fn walk(
    walk: &mut Walk<'_>,
    direct: Way<'_>,
    runtime: Option<Way<'_>>,
    pin: Option<&IdentityPin>,
) {
    let Some(mut connection) = login(walk, direct).await else { return };
    after_login(walk, &mut connection, direct, runtime, pin).await;
    let _ = tokio::time::timeout(Duration::from_millis(300), connection.close()).await;
}

async fn login(walk: &mut Walk<'_>, way: Way<'_>) -> Option<PgConnection> {
    let address = way.address;
    let start = Instant::now();
    let result = walk.limited(address, connect_with(way, NAME, Settings::Bare)).await;
    let took = start.elapsed();
    let by = if way.password.is_some_and(|password| !password.is_empty()) {
        "with password"
    } else {
        "without password"
    };
    match result {
        Ok(connection) => {
            walk.reached(HopKind::Authentication, took, Seen::pass(format!("as {}, {by}", address.user)));
            walk.reached(
                HopKind::Database,
                Duration::ZERO,
                Seen::pass(format!("{} exists and is open", address.database)),
            );
            Some(connection)
        }
        Err(failure) => {
            let hop = match failure.code {
                FailureCode::DatabaseMissing => HopKind::Database,
                FailureCode::Privilege => HopKind::Database,
                FailureCode::TransactionPooler => HopKind::PoolerMode,
                _ => HopKind::Authentication,
            };
            match hop {
                HopKind::Database
                    if failure.why.as_deref().is_some_and(|why| why.contains("no such database")) =>
                {
                    walk.skipped(
                        HopKind::Authentication,
                        "not asked: the pooler looks for the database first",
                    );
                }
                HopKind::Database => {
                    walk.reached(
                        HopKind::Authentication,
                        took,
                        Seen::pass(format!("as {}, {by}", address.user)),
                    );
                }
                HopKind::PoolerMode => {
                    for kind in [HopKind::Authentication, HopKind::Database, HopKind::Schema] {
                        walk.skipped(kind, "not asked: the pooler refused the session's settings");
                    }
                }
                _ => {}
            }
            let mut seen = Seen::failed(Outcome::Block, hop, &failure);
            if let Some(explanation) = &mut seen.explanation {
                if hop == HopKind::PoolerMode {
                    explanation.suggestion = suggestion(address);
                }
                if failure.code == FailureCode::Authentication {
                    explanation.tried.push(("Logins tried".to_owned(), "1".to_owned()));
                }
            }
            walk.reached(hop, took, seen);
            None
        }
    }
}

async fn after_login(
    walk: &mut Walk<'_>,
    connection: &mut PgConnection,
    way: Way<'_>,
    runtime: Option<Way<'_>>,
    pin: Option<&IdentityPin>,
) {
    let address = way.address;
    let start = Instant::now();
    let facts = match walk.limited(address, session_facts(connection, &address.schema)).await {
        Ok(facts) => facts,
        Err(failure) => {
            walk.reached(
                HopKind::Schema,
                start.elapsed(),
                Seen::failed(Outcome::Unknown, HopKind::Schema, &failure),
            );
            return;
        }
    };
    walk.reached(HopKind::Schema, start.elapsed(), schema(address, &facts));
    if !pooler_mode(walk, connection, way).await {
        return;
    }
    walk.reached(HopKind::Writable, Duration::ZERO, writable(address, &facts));
    walk.reached(HopKind::Privileges, Duration::ZERO, privileges(address, &facts));
    walk.reached(HopKind::ServerVersion, Duration::ZERO, version(&facts));
    let Some(seen) = who(walk, connection, way, &facts, pin).await else { return };
    if let Some(runtime) = runtime {
        same_database(walk, connection, address, &seen, runtime).await;
    }
}

fn schema(address: &Address, facts: &SessionFacts) -> Seen {
    if facts.schema_exists {
        let tables = match facts.tables {
            0 => "no tables yet".to_owned(),
            1 => "1 table".to_owned(),
            n => format!("{n} tables"),
        };
        return Seen::pass(format!("{}, {tables}", address.schema));
    }
    let failure = Failure::new(FailureCode::DatabaseMissing, format!("The schema `{}` does not exist yet.", address.schema))
        .why("The first apply creates it, as Prisma does. If it should exist, the address names the wrong database or schema.")
        .unchanged("Nothing was created.")
        .next("Check the database's and the schema's name; go on if this is a new database.");
    Seen::with(
        Outcome::Warn,
        format!("{} does not exist yet; the first apply creates it", address.schema),
        explain(HopKind::Schema, &failure),
    )
}

/// The address to use instead, by the provider's rules.
fn suggestion(address: &Address) -> Option<Address> {
    provider::recognise(&mut address.clone()).suggestion
}

/// False: the connection is of no use any more.
async fn pooler_mode(walk: &mut Walk<'_>, connection: &mut PgConnection, way: Way<'_>) -> bool {
    let address = way.address;
    let start = Instant::now();
    let observed = walk.limited(address, pooler::observe(connection, way)).await;
    let hop = HopKind::PoolerMode;
    let seen = match observed {
        Err(failure) => {
            walk.reached(hop, start.elapsed(), Seen::failed(Outcome::Unknown, hop, &failure));
            return false;
        }
        Ok(observation) => {
            walk.round_trip = observation.round_trip;
            match observation.mode {
                Mode::Transaction { sessions } => transaction_pooler(walk, way, Some(sessions)).await,
                Mode::Session if provider::is_surely_transaction_pooler(address) => {
                    transaction_pooler(walk, way, None).await
                }
                Mode::Session if address.says_pooler => {
                    let failure = Failure::new(
                        FailureCode::TransactionPooler,
                        "The address says transaction pooler, but sessions are kept.",
                    )
                    .why("Two connections kept their own sessions over several transactions, and a lock held. A pooler in session mode does that.")
                    .next("Go on if you know that it pools by session; the direct address is safer.");
                    let mut explanation = explain(hop, &failure);
                    explanation.suggestion = suggestion(address);
                    explanation.tried = kept();
                    Seen::with(
                        Outcome::Warn,
                        "session: 1 session, lock held; the address says otherwise",
                        explanation,
                    )
                }
                Mode::Session => Seen::pass("session: 1 session in 1 connection, lock held"),
                Mode::NotTried { failure } if address.says_pooler => {
                    let mut seen = Seen::failed(Outcome::Block, hop, &failure);
                    if let Some(explanation) = &mut seen.explanation {
                        explanation.code = FailureCode::TransactionPooler;
                        explanation.suggestion = suggestion(address);
                    }
                    seen
                }
                Mode::NotTried { failure } => {
                    let mut seen = Seen::failed(Outcome::Unknown, hop, &failure);
                    seen.evidence = format!("a second session is needed for the test: {}", failure.what);
                    seen
                }
            }
        }
    };
    walk.reached(hop, start.elapsed(), seen);
    true
}

fn kept() -> Vec<(String, String)> {
    vec![
        ("Asked several times who answers".to_owned(), "1 session".to_owned()),
        ("Took a lock, looked for it".to_owned(), "held".to_owned()),
    ]
}

async fn transaction_pooler(walk: &Walk<'_>, way: Way<'_>, sessions: Option<usize>) -> Seen {
    let address = way.address;
    let suggestion = suggestion(address);
    let (evidence, mut tried) = match sessions {
        Some(1) => (
            "transaction: 2 connections share 1 session".to_owned(),
            vec![("Asked over two connections who answers".to_owned(), "the same session".to_owned())],
        ),
        Some(n) => (
            format!("transaction: {n} sessions in 1 connection"),
            vec![("Asked several times who answers".to_owned(), format!("{n} sessions"))],
        ),
        None => (
            format!("transaction: port {} of this provider", address.port),
            vec![("Asked several times who answers".to_owned(), "1 session, by chance".to_owned())],
        ),
    };
    tried.push(("Took a lock, looked for it".to_owned(), "not tried: it would stay behind".to_owned()));
    if let Some(other) = &suggestion {
        tried.push((
            format!("The same on {}", other_door(address, other)),
            try_suggestion(walk, way, other).await,
        ));
    }
    let next = match &suggestion {
        Some(other) => {
            format!("Use {} for migrations. The app keeps its address.", other_door(address, other))
        }
        None => "Use the database's direct address for migrations. The app keeps its address.".to_owned(),
    };
    let explanation = Explanation {
        hop: HopKind::PoolerMode,
        code: FailureCode::TransactionPooler,
        title: format!("Port {} gives every transaction another session.", address.port),
        detail: "A migration's lock would stay on one while its statements run on the next.".to_owned(),
        tried,
        unchanged: NOTHING_WRITTEN.to_owned(),
        next,
        suggestion,
    };
    Seen::with(Outcome::Block, evidence, explanation)
}

/// What differs: the port, or else the host.
fn other_door(address: &Address, other: &Address) -> String {
    if other.host == address.host { format!("port {}", other.port) } else { other.host.clone() }
}

async fn try_suggestion(walk: &Walk<'_>, way: Way<'_>, other: &Address) -> String {
    if way.through.is_some() {
        return "not tried: the tunnel leads to the other port".to_owned();
    }
    let other = Way { address: other, ..way };
    let limit = walk.limit(other.address).min(Duration::from_secs(2));
    let attempt = async {
        let mut connection = connect_with(other, NAME, Settings::Bare).await?;
        let observed = pooler::observe(&mut connection, other).await;
        let _ = connection.close().await;
        observed
    };
    match tokio::time::timeout(limit, attempt).await {
        Ok(Ok(observation)) => match observation.mode {
            Mode::Session => "1 session, lock held".to_owned(),
            Mode::Transaction { .. } => "a pooler, too".to_owned(),
            Mode::NotTried { failure } => failure.what,
        },
        Ok(Err(failure)) => failure.what,
        Err(_) => "no answer yet".to_owned(),
    }
}

fn writable(address: &Address, facts: &SessionFacts) -> Seen {
    let hop = HopKind::Writable;
    let by_address = address.settings.iter().any(|(key, _)| key.contains("read_only"));
    let (evidence, title, detail, next) = if facts.in_recovery {
        (
            "a standby: it only reads",
            "This server is a standby: it only repeats what the primary does.",
            "The server says that it is in recovery.",
            "Use the primary's address.",
        )
    } else if facts.transaction_read_only || facts.default_read_only {
        let next = if by_address {
            "Take the read-only setting out of the address's options."
        } else {
            "Use a user that may write. On Supabase's free plan a full disk turns writing off: make room first."
        };
        (
            "read-only: new transactions may not write",
            "The server refuses to write in this session.",
            "default_transaction_read_only is on for this server, database or user.",
            next,
        )
    } else {
        return Seen::pass("a primary that takes writes");
    };
    let failure = Failure::new(FailureCode::ReadOnly, title).why(detail).next(next);
    Seen::with(Outcome::Block, evidence, explain(hop, &failure))
}

fn privileges(address: &Address, facts: &SessionFacts) -> Seen {
    let hop = HopKind::Privileges;
    let blocked = |what: String, why: &str, next: String| {
        let failure = Failure::new(FailureCode::Privilege, what.clone()).why(why).next(next);
        Seen::with(Outcome::Block, what, explain(hop, &failure))
    };
    let user = &facts.current_user;
    let schema = &address.schema;
    if !facts.schema_exists && !facts.may_create_schema {
        return blocked(
            format!("{user} may not create the schema {schema}."),
            "The schema does not exist yet, and the user lacks CREATE on the database.",
            format!("Create the schema {schema} and let {user} use it, or grant CREATE on the database."),
        );
    }
    if facts.schema_exists && !(facts.may_create_in_schema && facts.may_use_schema) {
        return blocked(
            format!("{user} may not create tables in {schema}."),
            "Migrations create and change tables; the user lacks CREATE or USAGE on the schema.",
            "Use the role that owns the tables (often the one in DIRECT_URL), or grant USAGE and CREATE on the schema.".to_owned(),
        );
    }
    if facts.ledger_exists && !(facts.may_read_ledger && facts.may_write_ledger) {
        return blocked(
            format!(
                "{user} may not keep the ledger: _prisma_migrations can be {}.",
                if facts.may_read_ledger { "read but not written" } else { "neither read nor trusted" }
            ),
            "The ledger records what was applied; without it no plan can be made or carried out.",
            "Use the role that owns the tables, or grant SELECT, INSERT and UPDATE on _prisma_migrations."
                .to_owned(),
        );
    }
    let mut lacks = Vec::new();
    if facts.foreign_tables > 0 {
        let owner = facts.foreign_owner.as_deref().unwrap_or("another role");
        let (tables, verb) = if facts.tables == 1 { ("table", "belongs") } else { ("tables", "belong") };
        lacks.push(format!(
            "{} of {} {tables} {verb} to {owner}; a migration that changes one will be refused",
            facts.foreign_tables, facts.tables
        ));
    }
    if !facts.may_create_temporary {
        lacks.push("temporary tables are not allowed, which some seeds need".to_owned());
    }
    if lacks.is_empty() {
        let word = if facts.superuser { "everything (superuser)" } else { "read, write, create tables" };
        return Seen::pass(word);
    }
    let failure =
        Failure::new(FailureCode::Privilege, format!("{user} may not do everything a migration could need."))
            .why(format!("{}.", lacks.join("; ")))
            .next("Use the role that owns the tables, or have the rights granted.");
    Seen::with(Outcome::Warn, lacks.join("; "), explain(hop, &failure))
}

fn version(facts: &SessionFacts) -> Seen {
    let hop = HopKind::ServerVersion;
    let number = facts.server_version;
    let words = if number >= 100_000 {
        format!("PostgreSQL {}.{}", number / 10_000, number % 10_000)
    } else {
        format!("PostgreSQL {}.{}", number / 10_000, (number / 100) % 100)
    };
    if !facts.version_text.starts_with("PostgreSQL") {
        let failure = Failure::new(
            FailureCode::ServerUnsupported,
            "This server is not PostgreSQL, though it speaks its language.",
        )
        .why(facts.version_text.clone())
        .next("Drydock does not write to it.");
        return Seen::with(Outcome::Block, facts.version_text.clone(), explain(hop, &failure));
    }
    match number / 10_000 {
        ..=10 => {
            let failure =
                Failure::new(FailureCode::ServerUnsupported, format!("{words} is too old for Drydock."))
                    .why("Drydock needs version 11 or later; dry runs rely on what came with it.")
                    .next("Have the server upgraded.");
            Seen::with(Outcome::Block, format!("{words}, too old"), explain(hop, &failure))
        }
        15 | 18 => Seen::pass(words),
        11..=17 => Seen::pass(format!("{words}; tested with 15 and 18")),
        _ => {
            let failure = Failure::new(
                FailureCode::ServerUnsupported,
                format!("{words} is newer than what Drydock was tested with."),
            )
            .why("It was tested with 15 and 18.")
            .next("Rehearse on a copy first, or look for a newer Drydock.");
            Seen::with(Outcome::Warn, format!("{words}, newer than tested"), explain(hop, &failure))
        }
    }
}

async fn who(
    walk: &mut Walk<'_>,
    connection: &mut PgConnection,
    way: Way<'_>,
    facts: &SessionFacts,
    pin: Option<&IdentityPin>,
) -> Option<TargetIdentity> {
    let hop = HopKind::Identity;
    let address = way.address;
    let start = Instant::now();
    let read = walk.limited(address, async {
        let seen = identity(connection, way.place()).await?;
        let ledger = match pin {
            Some(pin) if !pin.ledger_ids.is_empty() && facts.may_read_ledger => {
                Some(ledger_ids(connection, &address.schema).await?)
            }
            Some(pin) if !pin.ledger_ids.is_empty() && facts.ledger_exists => Some(pin.ledger_ids.clone()),
            _ => None,
        };
        Ok((seen, ledger.unwrap_or_default()))
    });
    let (seen, ledger) = match read.await {
        Ok(read) => read,
        Err(failure) => {
            walk.reached(hop, start.elapsed(), Seen::failed(Outcome::Unknown, hop, &failure));
            return None;
        }
    };
    let short = match &seen.system_identifier {
        Some(_) => format!("id {}", seen.short()),
        None => format!("{}; the server does not tell its identifier", seen.short()),
    };
    let result = match pin {
        None => Seen::pass(format!("{short}, first contact")),
        Some(pin) => {
            match pin.compare(&seen, &ledger) {
                IdentityVerdict::First | IdentityVerdict::Same => {
                    Seen::pass(format!("{short}, as on {}", pin.pinned_at.format("%-d %B")))
                }
                IdentityVerdict::Different { reasons } => {
                    let explanation = Explanation {
                    hop,
                    code: FailureCode::IdentityChanged,
                    title: "This is not the database that was pinned.".to_owned(),
                    detail: reasons.join(" "),
                    tried: vec![
                        ("Pinned".to_owned(), format!("{} at {}", pin.identity.short(), pin.identity.address)),
                        ("Seen now".to_owned(), format!("{} at {}", seen.short(), seen.address)),
                    ],
                    unchanged: "Nothing was written; every write is refused until this is settled.".to_owned(),
                    next: "Check the address. If the database was restored or moved on purpose, pin it again.".to_owned(),
                    suggestion: None,
                };
                    Seen::with(Outcome::Block, format!("{short}, another one than pinned"), explanation)
                }
            }
        }
    };
    walk.identity = Some(seen.clone());
    walk.reached(hop, start.elapsed(), result);
    Some(seen)
}

async fn ledger_ids(connection: &mut PgConnection, schema: &str) -> Result<Vec<String>, Failure> {
    let statement = format!("SELECT id::text FROM {}.\"_prisma_migrations\"", quote_identifier(schema));
    let rows = sqlx::raw_sql(AssertSqlSafe(statement))
        .fetch_all(connection)
        .await
        .map_err(|error| failure(&error))?;
    rows.iter().map(|row| row.try_get::<String, _>(0).map_err(|error| failure(&error))).collect()
}

async fn same_database(
    walk: &mut Walk<'_>,
    connection: &mut PgConnection,
    direct: &Address,
    seen: &TargetIdentity,
    runtime: Way<'_>,
) {
    let hop = HopKind::SameDatabase;
    let start = Instant::now();
    let compared = walk.limited(runtime.address, same::compare(connection, seen, runtime)).await;
    let runtime = runtime.address;
    let result = match compared {
        Ok(Sameness::Same) => {
            Seen::pass(format!("port {} leads to the same database; a lock proves it", runtime.port))
        }
        Ok(Sameness::Different { reasons }) => different(
            direct,
            runtime,
            "another database",
            "The app works on another database than Drydock would.",
            &reasons.join(" "),
        ),
        Ok(Sameness::Copy { standby }) => {
            let (what, why) = if standby {
                (
                    "a standby of it",
                    "Its server is in recovery: the app would not see a migration at once and cannot write.",
                )
            } else {
                (
                    "a copy of it",
                    "Number and name agree, but a lock taken on one is not seen on the other: one is a copy.",
                )
            };
            different(direct, runtime, what, "The app's address leads to a copy of this database.", why)
        }
        Err(failure) => {
            // An internal name of the app's network is no fault of the database.
            let apart = matches!(failure.code, FailureCode::NameLookup | FailureCode::Unreachable);
            let outcome = if apart { Outcome::Warn } else { Outcome::Unknown };
            let mut explanation = explain(hop, &failure);
            explanation.title = "The app's own address could not be compared.".to_owned();
            explanation.detail =
                format!("{} {}", failure.what, failure.why.unwrap_or_default()).trim().to_owned();
            Seen::with(outcome, format!("not compared: {}", failure.what), explanation)
        }
    };
    walk.reached(hop, start.elapsed(), result);
}

fn different(direct: &Address, runtime: &Address, evidence: &str, title: &str, detail: &str) -> Seen {
    let explanation = Explanation {
        hop: HopKind::SameDatabase,
        code: FailureCode::IdentityChanged,
        title: title.to_owned(),
        detail: detail.to_owned(),
        tried: vec![
            ("Runtime, for the app".to_owned(), runtime.label()),
            ("Direct, for migrations".to_owned(), direct.label()),
        ],
        unchanged: NOTHING_WRITTEN.to_owned(),
        next: "Compare both addresses and correct the one that is wrong.".to_owned(),
        suggestion: None,
    };
    Seen::with(Outcome::Block, evidence, explanation)
}
