//! A query box that only reads, and how answers of the database are shown.

use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::query::{self, Answered};
use crate::adapters::postgres::script;
use crate::domain::verification::{QueryColumn, QueryResult};
use crate::domain::{Failure, FailureCode};
use crate::engine::seeds::shown_cell;
use crate::engine::{Engine, Target};
use crate::planner::seed::policy::{is_personal, sounds_secret};
use crate::planner::sql;
use std::time::Instant;

/// Rows of a query, at most.
const MOST_ROWS: usize = 200;

impl Engine {
    /// The rows of a query that only reads: one statement, limited in rows and time, writes refused by the
    /// server.
    ///
    /// # Errors
    /// [`FailureCode::QueryRefused`] with the server's words; or when the target cannot be reached.
    pub async fn read_query(&self, target: &Target, text: &str) -> Result<QueryResult, Failure> {
        let Single { sql, cursor } = single(text).map_err(|why| refused(why.to_string()))?;
        let mut connection = target.connector.open_reading("drydock query").await?;
        let started = Instant::now();
        let answered = target.connector.read(query::read(&mut connection, &sql, cursor, MOST_ROWS)).await;
        match answered {
            Ok(answered) => Ok(shown(answered, started.elapsed().as_secs_f64(), false)),
            Err(error) if script::is_lost(&error) => Err(failure(&error)),
            Err(error) => Err(refused(unread(&error))),
        }
    }
}

fn refused(why: String) -> Failure {
    Failure::new(FailureCode::QueryRefused, "The query was refused.")
        .why(why)
        .unchanged("Nothing was written: the transaction only reads, and was taken back.")
        .next("Ask with one SELECT, WITH, VALUES, TABLE, SHOW or EXPLAIN statement.")
}

/// A statement that may be read, alone and without its semicolon.
pub(super) struct Single {
    pub(super) sql: String,
    /// It answers rows that a cursor can fetch piece by piece.
    pub(super) cursor: bool,
}

/// Why a text is not one statement that reads.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotSingle {
    #[error("It could not be taken apart with certainty. {0}")]
    Uncertain(String),
    #[error("There is no statement in it.")]
    Empty,
    #[error("It has {0} statements; one at a time is read.")]
    Many(usize),
    #[error("`{0}` is not a statement that reads.")]
    DoesMore(String),
}

pub(super) fn single(text: &str) -> Result<Single, NotSingle> {
    let script = sql::analyse(text);
    if let Some(doubt) = script.uncertain {
        return Err(NotSingle::Uncertain(doubt));
    }
    let statement = match script.statements.as_slice() {
        [] => return Err(NotSingle::Empty),
        [one] => one,
        many => return Err(NotSingle::Many(many.len())),
    };
    let (start, end) = (statement.start as usize, statement.end as usize);
    let sql = text.get(start..end).unwrap_or_default().trim().trim_end_matches(';').to_owned();
    let word: String = sql.trim_start_matches('(').chars().take_while(char::is_ascii_alphabetic).collect();
    match word.to_ascii_uppercase().as_str() {
        "SELECT" | "WITH" | "VALUES" | "TABLE" => Ok(Single { sql, cursor: true }),
        "SHOW" | "EXPLAIN" => Ok(Single { sql, cursor: false }),
        other => Err(NotSingle::DoesMore(other.to_owned())),
    }
}

pub(super) fn unread(error: &sqlx::Error) -> String {
    let code = script::code(error).unwrap_or_default();
    let failure = failure(error);
    match code.as_str() {
        "42P01" => "It could not be read: a table of it does not exist.".to_owned(),
        "42501" => "It could not be read: the user that is logged in lacks a right.".to_owned(),
        "57014" => "It could not be read: it took longer than a check may.".to_owned(),
        "25006" => "It would write, and only reading is allowed here.".to_owned(),
        _ => format!("It could not be read: {}", failure.why.unwrap_or(failure.what)),
    }
}

/// Rows as the screen gets them: secrets masked; `sample`: people's addresses, too.
pub(super) fn shown(answered: Answered, seconds: f64, sample: bool) -> QueryResult {
    let masked: Vec<bool> = answered
        .columns
        .iter()
        .map(|(name, _)| sounds_secret(name) || (sample && is_personal(name)))
        .collect();
    QueryResult {
        rows: answered
            .rows
            .iter()
            .map(|row| {
                row.iter().zip(&masked).map(|(cell, masked)| shown_cell(cell.as_deref(), *masked)).collect()
            })
            .collect(),
        columns: answered
            .columns
            .into_iter()
            .map(|(name, type_name)| QueryColumn { name, type_name })
            .collect(),
        more: answered.more,
        seconds,
    }
}
