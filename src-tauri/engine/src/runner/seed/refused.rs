//! What is said when the server refuses a row: which one, where it stands in the profile, what is wrong with
//! it, what to do.

use crate::adapters::postgres::copy::refused_at;
use crate::adapters::postgres::failure::failure as failure_of;
use crate::adapters::postgres::script::ScriptError;
use crate::domain::profile::Place;
use crate::domain::staging::{Dangles, Staging};
use crate::domain::{Failure, FailureCode};
use crate::planner::seed::policy::sounds_secret;
use crate::planner::seed::values::BlockRows;

/// What has not changed.
pub const UNCHANGED: &str = "Everything was taken back; no row has changed.";

fn failure(at: &Place, table: &str, what: &str) -> Failure {
    Failure::new(
        FailureCode::RowRefused,
        format!("{}, line {}: a row of `{table}` is refused. {what}", at.file, at.line),
    )
    .unchanged(UNCHANGED)
}

/// Message, detail and code of the server, without values of columns that are never shown.
fn server(error: sqlx::Error, sensitive: &[String]) -> (String, Option<String>, String) {
    let error = ScriptError { error, position: None, statement: None };
    let hidden = |name: &str| sounds_secret(name) || sensitive.iter().any(|column| column == name);
    let detail = error.detail().and_then(|detail| {
        if detail.starts_with("Failing row contains") {
            // It repeats the whole row.
            return None;
        }
        match detail.strip_prefix("Key (").and_then(|rest| rest.split_once(")=(")) {
            Some((names, _)) if names.split(", ").any(|name| hidden(name.trim_matches('"'))) => {
                Some(format!("Key ({names}), whose value is not shown."))
            }
            _ => Some(detail),
        }
    });
    (error.message(), detail, error.code().unwrap_or_default())
}

/// What the server refused while rows were written, where no single row is known.
pub fn plain(error: sqlx::Error) -> Failure {
    let failure = failure_of(&error);
    let (message, detail, code) = server(error, &[]);
    let detail = detail.map(|detail| format!(" {detail}")).unwrap_or_default();
    failure.why(format!("The server says: {message} (SQLSTATE {code}).{detail}")).unchanged(UNCHANGED)
}

/// A value that the server could not read while rows were sent.
pub fn staged(error: sqlx::Error, staging: &Staging, rows: &BlockRows<'_>) -> Failure {
    let place = refused_at(&error);
    let (mut message, _, code) = server(error, &staging.sensitive);
    let Some((line, column)) = place else {
        return Failure::new(
            FailureCode::RowRefused,
            format!("A row of `{}` is refused.", staging.table.name),
        )
        .why(format!("The server says: {message} (SQLSTATE {code})."))
        .unchanged(UNCHANGED)
        .next("Correct the profile, then plan again.");
    };
    let name = column
        .as_deref()
        .and_then(|column| column.strip_prefix('c'))
        .and_then(|number| number.parse().ok())
        .map(|at: usize| staging.staged_name(at).to_owned());
    let facts = name.as_deref().and_then(|name| staging.table.column(name));
    if name
        .as_deref()
        .is_none_or(|name| sounds_secret(name) || staging.sensitive.iter().any(|column| column == name))
    {
        "the value is refused, and is not shown".clone_into(&mut message);
    }
    let what = match &name {
        Some(name) => format!("The value of `{name}` does not fit."),
        None => "A value does not fit.".to_owned(),
    };
    let next = match facts {
        Some(facts) if !facts.labels.is_empty() => format!("Use one of: {}.", facts.labels.join(", ")),
        Some(facts) => format!("Write a value of the type {}.", facts.type_name),
        None => "Correct the value in the profile.".to_owned(),
    };
    failure(rows.place(line.saturating_sub(1)), &staging.table.name, &what)
        .why(format!("The server says: {message} (SQLSTATE {code})."))
        .next(next)
}

/// A row that could not be added or changed.
pub fn written(error: sqlx::Error, staging: &Staging, rows: &BlockRows<'_>, row: Option<u64>) -> Failure {
    let (message, detail, code) = server(error, &staging.sensitive);
    let why = format!(
        "The server says: {message} (SQLSTATE {code}).{}",
        detail.map(|detail| format!(" {detail}")).unwrap_or_default()
    );
    let (what, next) = match code.as_str() {
        "23505" => (
            "Another row has the same value where it must be unique.",
            "Change the value, or make the unique columns the block's key, so that the row is found again.",
        ),
        "23503" => {
            ("It refers to a row that is not there.", "Seed that row first, or correct the reference.")
        }
        "23514" => ("It breaks a CHECK rule of the table.", "Correct the value."),
        "23502" => (
            "It leaves a column empty that may not be NULL.",
            "Give the column in the row or under `columns`.",
        ),
        "23P01" => ("It collides with another row under an exclusion rule.", "Correct the value."),
        "428C9" => {
            ("It gives a value to a column that the database always fills itself.", "Leave the column out.")
        }
        "P0001" => {
            ("A trigger of the table turns it away.", "Read what the trigger says, and correct the row.")
        }
        "22001" => ("A text is too long for its column.", "Shorten it."),
        "22003" => ("A number is out of its column's range.", "Correct the number."),
        _ => ("The database does not take it.", "Correct the row, then plan again."),
    };
    match row {
        Some(row) => failure(rows.place(row), &staging.table.name, what).why(why).next(next),
        None => Failure::new(
            FailureCode::RowRefused,
            format!(
                "{}, line {}: a row of `{}` is refused. {what}",
                staging.at.file, staging.at.line, staging.table.name
            ),
        )
        .why(why)
        .unchanged(UNCHANGED)
        .next(next),
    }
}

/// A reference that leads nowhere, or to more than one row.
pub fn dangling(
    dangles: &Dangles,
    staging: &Staging,
    rows: &BlockRows<'_>,
    found: &[Option<String>],
    many: bool,
) -> Failure {
    let row = found
        .first()
        .and_then(|number| number.as_deref())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    let keys: Vec<String> = dangles
        .keys
        .iter()
        .zip(found.iter().skip(1))
        .map(|(key, value)| format!("{key} = {}", value.as_deref().unwrap_or("NULL")))
        .collect();
    let (what, next) = if many {
        (
            format!(
                "`{}` leads to more than one row of `{}` with {}.",
                dangles.column,
                dangles.table,
                keys.join(", ")
            ),
            "Find the row by columns that are unique.",
        )
    } else {
        (
            format!("`{}` leads to no row of `{}` with {}.", dangles.column, dangles.table, keys.join(", ")),
            "Seed that row first, or correct the reference.",
        )
    };
    failure(rows.place(row), &staging.table.name, &what).next(next)
}

/// A row without a key, or two rows with the same one.
pub fn broken_key(staging: &Staging, rows: &BlockRows<'_>, first: u64, second: Option<u64>) -> Failure {
    let keys = staging.key.join(", ");
    match second {
        None => failure(rows.place(first), &staging.table.name, &format!("Its key ({keys}) is NULL."))
            .next("Give the key in every row."),
        Some(second) => {
            let other = rows.place(second);
            failure(
                rows.place(first),
                &staging.table.name,
                &format!("The row of line {} in {} has the same key ({keys}).", other.line, other.file),
            )
            .next("Take one of them out, or choose a key that tells them apart.")
        }
    }
}
