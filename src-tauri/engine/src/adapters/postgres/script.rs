//! Sending scripts to the server in the way the plan says, and telling exactly where one failed.

use super::words::identifier;
use crate::domain::statement::{Script, ScriptMode};
use sqlx::postgres::{PgConnection, PgErrorPosition};
use sqlx::{AssertSqlSafe, Row};
use std::time::Duration;

/// A statement or message that the server refused.
#[derive(Debug)]
pub struct ScriptError {
    /// The error as it came.
    pub error: sqlx::Error,
    /// 1-based character position in the script, where the server gave one.
    pub position: Option<usize>,
    /// 1-based statement number, where statements are sent one by one.
    pub statement: Option<u32>,
}

impl ScriptError {
    /// SQLSTATE, if it is a server error.
    pub fn code(&self) -> Option<String> {
        code(&self.error)
    }

    /// The server's message, or the driver's.
    pub fn message(&self) -> String {
        match self.error.as_database_error() {
            Some(error) => error.message().to_owned(),
            None => self.error.to_string(),
        }
    }

    /// Detail and hint lines of the server, if any.
    pub fn detail(&self) -> Option<String> {
        let error = self.error.as_database_error()?.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?;
        let lines: Vec<&str> = [error.detail(), error.hint()].into_iter().flatten().collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// The connection is gone, so that the outcome is open.
    pub fn lost(&self) -> bool {
        is_lost(&self.error)
    }
}

/// SQLSTATE, if it is a server error.
pub fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Whether an error means that the connection is gone, and not that the server refused something.
pub fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            true
        }
        sqlx::Error::Database(error) => {
            // 57P01 admin shutdown, 57P02 crash shutdown, 57P03 cannot connect now, 57P05 idle session timeout,
            // 25P03 idle in transaction timeout; class 08 connection exceptions.
            error.code().is_some_and(|code| {
                matches!(code.as_ref(), "57P01" | "57P02" | "57P03" | "57P05" | "25P03")
                    || code.starts_with("08")
            })
        }
        _ => false,
    }
}

/// Position of a server error in the message that was sent, 1-based characters.
pub fn position(error: &sqlx::Error) -> Option<usize> {
    match error.as_database_error()?.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?.position()? {
        PgErrorPosition::Original(position) => Some(position),
        PgErrorPosition::Internal { .. } => None,
    }
}

/// The answer, or a lost line where none comes in `limit`: nobody tells us when a line goes dead.
///
/// # Errors
/// The server's error, or an I/O error of kind `ConnectionAborted`.
pub async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(dead_line(limit)))
}

/// What is said of a line that gave no answer in `limit`.
pub fn dead_line(limit: Duration) -> sqlx::Error {
    let text = format!("the server did not answer within {} s", limit.as_secs());
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::ConnectionAborted, text))
}

/// Sends one message and waits for its end.
///
/// # Errors
/// The server's error.
pub async fn send(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(|_| ())
}

/// Runs a script: one message, or statement by statement when its mode is [`ScriptMode::Stepwise`].
/// `before` is told the 1-based number of each statement that is about to be sent by itself.
///
/// # Errors
/// The first error; nothing is sent after it.
pub async fn run(
    connection: &mut PgConnection,
    sql: &str,
    script: &Script,
    before: &mut (dyn FnMut(u32) + Send),
) -> Result<(), ScriptError> {
    if script.mode != ScriptMode::Stepwise {
        return send(connection, sql.to_owned()).await.map_err(|error| ScriptError {
            position: position(&error),
            error,
            statement: None,
        });
    }
    for statement in &script.statements {
        before(statement.number);
        let (start, end) = (statement.start as usize, statement.end as usize);
        let text = sql.get(start..end).unwrap_or_default();
        send(connection, text.to_owned()).await.map_err(|error| ScriptError {
            position: position(&error)
                .map(|position| position + sql.get(..start).unwrap_or_default().chars().count()),
            error,
            statement: Some(statement.number),
        })?;
    }
    Ok(())
}

/// Settings as at the start of the session, whatever earlier scripts (or functions they called) changed:
/// the next script must not run as another role or in another schema. In a transaction it is part of it.
pub fn fresh_settings_sql(schema: &str, version: Option<u32>) -> String {
    format!(
        "RESET SESSION AUTHORIZATION;RESET ROLE;RESET ALL;SET search_path = {};{}",
        identifier(schema),
        orphan_limits_sql(version)
    )
}

/// How long a session of ours may rest before the server ends it. None of them rests for more than a few
/// seconds while its console is there; where the line is gone, or the console with its computer, its locks
/// must not stay.
pub const ORPHAN_MS: u32 = 45_000;

/// After how many milliseconds the server gives up on a line that carries nothing any more. A session that waits for
/// rows is at work and does not rest; only the line's own silence tells that nobody will send them.
const SILENT_MS: u32 = 30_000;

/// The settings that make it so. PostgreSQL 14 and later can end a session that rests outside of a
/// transaction; before that, such a session stays until the server notices that its line is gone.
pub fn orphan_limits_sql(version: Option<u32>) -> String {
    let version = version.unwrap_or(0);
    let outside =
        if version >= 140_000 { format!(";SET idle_session_timeout = {ORPHAN_MS}") } else { String::new() };
    let unanswered =
        if version >= 120_000 { format!(";SET tcp_user_timeout = {SILENT_MS}") } else { String::new() };
    format!(
        "SET idle_in_transaction_session_timeout = {ORPHAN_MS}{outside};\
         SET tcp_keepalives_idle = 15;SET tcp_keepalives_interval = 5;SET tcp_keepalives_count = 3{unanswered}"
    )
}

/// What a script left of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover {
    /// No transaction is open.
    Clean,
    /// A transaction is open that the script began and did not end.
    OpenTransaction,
    /// A transaction is open and aborted.
    AbortedTransaction,
}

/// Asks whether the session is in a transaction block.
///
/// A session in no block starts a new transaction for each message, so that two messages see different
/// start times; in a block they are equal. An aborted block answers 25P02.
///
/// # Errors
/// Any error but 25P02.
pub async fn leftover(connection: &mut PgConnection) -> Result<Leftover, sqlx::Error> {
    let ask = "SELECT (pg_catalog.now() OPERATOR(pg_catalog.<) pg_catalog.statement_timestamp())::text";
    match sqlx::raw_sql(ask).fetch_one(connection).await {
        // Outside a block, now() is the start of this very message.
        Ok(row) => Ok(if row.try_get::<String, _>(0)? == "true" {
            Leftover::OpenTransaction
        } else {
            Leftover::Clean
        }),
        Err(error)
            if error.as_database_error().and_then(|error| error.code()).as_deref() == Some("25P02") =>
        {
            Ok(Leftover::AbortedTransaction)
        }
        Err(error) => Err(error),
    }
}
