//! Verification: the expectations of the profiles that were seeded, read and kept; and a query box that only
//! reads.

use super::seeds::read_profile;
use super::{Engine, Target};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::query::{self, Answered};
use crate::adapters::postgres::script;
use crate::adapters::postgres::tables::{self, Which};
use crate::adapters::store::StoredReading;
use crate::checks::expectations::{Question, judge, question};
use crate::domain::profile::{Expectation, Expected};
use crate::domain::tables::ForeignKey;
use crate::domain::verification::{
    CheckReading, CheckResult, Moment, QueryColumn, QueryResult, Verification,
};
use crate::domain::{Failure, FailureCode, Outcome};
use crate::engine::seeds::shown_cell;
use crate::planner::seed::policy::{is_personal, sounds_secret};
use crate::planner::sql;
use chrono::Utc;
use sqlx::postgres::PgConnection;
use std::time::Instant;

/// Rows that speak against a check, at most.
const SAMPLE: usize = 20;
/// Rows of a query, at most.
const MOST_ROWS: usize = 200;
/// Readings of a check's history, at most.
const MOST_READINGS: u32 = 500;

/// A profile whose expectations are read.
struct Suite {
    id: String,
    title: String,
    expectations: Vec<Expectation>,
}

impl Engine {
    /// What was read last; reads nothing.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn verification_last(&self, target: &Target) -> Result<Verification, Failure> {
        let (suites, unreadable) = self.suites(target).await?;
        let mut checks = Vec::new();
        let applied = self.store().last_apply(&target.environment_id().unwrap_or_default()).await?;
        for suite in &suites {
            for expectation in &suite.expectations {
                let id = check_id(suite, expectation);
                let newest = self.store().readings(&target.key(), Some(&id), None, 1).await?;
                if let Some(StoredReading { check: mut reading, run_id, after }) = newest.into_iter().next() {
                    reading.before = self.before_run(target, &id).await?;
                    // What was read before the newest run ended says nothing about now, unless that run itself
                    // read it as its last step.
                    if let Some((at, number, id)) = &applied
                        && reading.at < *at
                        && !(after && run_id.as_ref() == Some(id))
                    {
                        reading.outcome = Outcome::Unknown;
                        reading.why = Some(format!("It was not read since run {number}."));
                    }
                    checks.push(reading);
                }
            }
        }
        let run = self.newest_seed(target).await?;
        Ok(summed(checks, suites.iter().map(|suite| suite.expectations.len()).sum(), unreadable, run))
    }

    /// Reads every check of the profiles that were seeded here.
    ///
    /// # Errors
    /// When the target cannot be reached. A check that cannot be read is a result, unknown.
    pub async fn verify(&self, target: &Target) -> Result<Verification, Failure> {
        let (suites, unreadable) = self.suites(target).await?;
        let checks = self.read_suites(target, &suites).await?;
        self.store().save_readings(&target.key(), None, Moment::Asked, &checks).await?;
        let run = self.newest_seed(target).await?;
        let expected = suites.iter().map(|suite| suite.expectations.len()).sum();
        Ok(summed(checks, expected, unreadable, run))
    }

    /// Reads the checks of one profile, seeded here or not.
    ///
    /// # Errors
    /// When the profile or the target cannot be read.
    pub async fn verify_profile(&self, target: &Target, profile: &str) -> Result<Verification, Failure> {
        let suite = suite(profile)?;
        let expected = suite.expectations.len();
        let checks = self.read_suites(target, &[suite]).await?;
        self.store().save_readings(&target.key(), None, Moment::Asked, &checks).await?;
        Ok(summed(checks, expected, Vec::new(), None))
    }

    /// Reads the checks of a profile around a run of it.
    pub(super) async fn read_around(
        &self,
        target: &Target,
        profile: &str,
        run_id: &str,
        moment: Moment,
    ) -> Result<Vec<CheckResult>, Failure> {
        let suite = suite(profile)?;
        let checks = self.read_suites(target, &[suite]).await?;
        self.store().save_readings(&target.key(), Some(run_id), moment, &checks).await?;
        Ok(checks)
    }

    async fn suites(&self, target: &Target) -> Result<(Vec<Suite>, Vec<String>), Failure> {
        let environment = target.environment_id().unwrap_or_default();
        let (mut suites, mut unreadable) = (Vec::new(), Vec::new());
        for (profile, _) in self.store().seeded(&environment).await? {
            match suite(&profile) {
                Ok(suite) => suites.push(suite),
                Err(failure) => unreadable.push(format!("{profile}: {}", failure.what)),
            }
        }
        Ok((suites, unreadable))
    }

    async fn newest_seed(&self, target: &Target) -> Result<Option<u32>, Failure> {
        let environment = target.environment_id().unwrap_or_default();
        let seeds = self.store().seeded(&environment).await?;
        Ok(seeds.into_iter().map(|(_, seed)| seed.number).max())
    }

    async fn before_run(&self, target: &Target, check: &str) -> Result<Option<String>, Failure> {
        let readings = self.store().readings(&target.key(), Some(check), Some(Moment::Before), 1).await?;
        Ok(readings.into_iter().next().and_then(|reading| reading.check.now))
    }

    async fn read_suites(&self, target: &Target, suites: &[Suite]) -> Result<Vec<CheckResult>, Failure> {
        let mut connection = target.connector.open_reading("drydock verify").await?;
        let schema = &target.connector.address.schema;
        let mut checks = Vec::new();
        for suite in suites {
            for expectation in &suite.expectations {
                let keys = references(&mut connection, expectation, schema).await;
                let id = check_id(suite, expectation);
                let before = self.before_run(target, &id).await?;
                let mut check = CheckResult {
                    id,
                    suite: suite.title.clone(),
                    part: crate::domain::verification::CheckPart::Database,
                    name: expectation.name.clone(),
                    now: None,
                    expected: String::new(),
                    before,
                    outcome: Outcome::Unknown,
                    why: None,
                    at: Utc::now(),
                    seconds: 0.0,
                    sql: None,
                    rows: None,
                };
                let asked = question(expectation, schema, keys.as_deref().unwrap_or_default());
                check.part = asked.part;
                check.expected = asked.expected.clone();
                check.sql = Some(asked.sql.clone());
                let started = Instant::now();
                match keys {
                    Err(error) => check.why = Some(unread(&error)),
                    Ok(_) => ask(target, &mut connection, &asked, &mut check).await,
                }
                check.seconds = started.elapsed().as_secs_f64();
                check.at = Utc::now();
                if let Some(rows) = &mut check.rows {
                    rows.seconds = check.seconds;
                }
                checks.push(check);
            }
        }
        Ok(checks)
    }

    /// Earlier readings of a check, oldest first.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn check_history(
        &self,
        environment_id: &str,
        check: &str,
    ) -> Result<Vec<CheckReading>, Failure> {
        let mut history = Vec::new();
        for StoredReading { check: reading, run_id, .. } in
            self.store().readings(environment_id, Some(check), None, MOST_READINGS).await?.into_iter().rev()
        {
            let run = match run_id {
                Some(id) => self.store().run(&id).await.ok().map(|run| run.number),
                None => None,
            };
            history.push(CheckReading { at: reading.at, now: reading.now, outcome: reading.outcome, run });
        }
        Ok(history)
    }

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

fn suite(profile: &str) -> Result<Suite, Failure> {
    let known = read_profile(profile)?;
    Ok(Suite { id: profile.to_owned(), title: known.title, expectations: known.expectations })
}

fn check_id(suite: &Suite, expectation: &Expectation) -> String {
    format!("{}#{}", suite.id, expectation.name)
}

/// A statement that may be read, alone and without its semicolon.
struct Single {
    sql: String,
    /// It answers rows that a cursor can fetch piece by piece.
    cursor: bool,
}

/// Why a text is not one statement that reads.
#[derive(Debug, thiserror::Error)]
enum NotSingle {
    #[error("It could not be taken apart with certainty. {0}")]
    Uncertain(String),
    #[error("There is no statement in it.")]
    Empty,
    #[error("It has {0} statements; one at a time is read.")]
    Many(usize),
    #[error("`{0}` is not a statement that reads.")]
    DoesMore(String),
}

fn single(text: &str) -> Result<Single, NotSingle> {
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

async fn references(
    connection: &mut PgConnection,
    expectation: &Expectation,
    schema: &str,
) -> Result<Vec<ForeignKey>, sqlx::Error> {
    let Expected::NoOrphans { table, soft: None } = &expectation.what else { return Ok(Vec::new()) };
    let name = (table.schema.clone().unwrap_or_else(|| schema.to_owned()), table.name.clone());
    let found = tables::read(connection, Which::Named(&[name])).await?;
    Ok(found.into_iter().flat_map(|table| table.references).collect())
}

async fn ask(target: &Target, connection: &mut PgConnection, asked: &Question, check: &mut CheckResult) {
    let Single { sql, cursor } = match single(&asked.sql) {
        Ok(single) => single,
        Err(why) => {
            check.why = Some(why.to_string());
            return;
        }
    };
    match target.connector.read(query::read(connection, &sql, cursor, SAMPLE)).await {
        Err(error) => check.why = Some(unread(&error)),
        Ok(answered) => {
            let judged = judge(asked, &answered.rows, answered.more, check.before.as_deref());
            check.now = judged.now;
            check.outcome = judged.outcome;
            check.why = judged.why;
            if !answered.rows.is_empty() && asked.judge == crate::checks::expectations::Judge::NoRow {
                check.rows = Some(shown(answered, 0.0, true));
            }
        }
    }
}

fn unread(error: &sqlx::Error) -> String {
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
fn shown(answered: Answered, seconds: f64, sample: bool) -> QueryResult {
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

/// The whole in a sentence.
fn summed(
    checks: Vec<CheckResult>,
    expected: usize,
    unreadable: Vec<String>,
    run: Option<u32>,
) -> Verification {
    let count = |outcome: Outcome| checks.iter().filter(|check| check.outcome == outcome).count();
    let (pass, failed, unknown) =
        (count(Outcome::Pass), count(Outcome::Block), count(Outcome::Unknown) + count(Outcome::Warn));
    let unread = expected.saturating_sub(checks.len());
    let outcome = if failed > 0 {
        Outcome::Block
    } else if checks.is_empty() || unknown > 0 || unread > 0 || !unreadable.is_empty() {
        Outcome::Unknown
    } else {
        Outcome::Pass
    };
    let plural = |count: usize, one: &str, many: &str| {
        if count == 1 { one.to_owned() } else { format!("{count} {many}") }
    };
    let headline = match (checks.len(), failed, unknown) {
        (0, _, _) if expected > 0 => "Nothing has been checked yet.".to_owned(),
        (0, _, _) => "There is nothing to check yet.".to_owned(),
        (1, 0, 0) => "The only check holds.".to_owned(),
        (all, 0, 0) if unread == 0 => format!("All {all} checks hold."),
        (all, failed, unknown) => {
            let mut parts = Vec::new();
            if failed > 0 {
                parts.push(plural(failed, "1 fails", "fail"));
            }
            if unknown > 0 {
                parts.push(plural(unknown, "1 could not be read", "could not be read"));
            }
            format!("{pass} of {all} checks hold. {}.", parts.join(", "))
        }
    };
    let lead = if checks.is_empty() {
        if expected > 0 {
            "The profiles that were seeded here bring checks; read them now.".to_owned()
        } else {
            "Checks come with seed profiles: seed one that has expectations, and they are read before and after it.".to_owned()
        }
    } else if let Some(first) = checks.iter().find(|check| check.outcome == Outcome::Block) {
        format!("{}: {}", first.name, first.why.clone().unwrap_or_default())
    } else if let Some(first) = checks.iter().find(|check| check.outcome == Outcome::Unknown) {
        format!("{}: {}", first.name, first.why.clone().unwrap_or_default())
    } else if unread > 0 {
        format!("{unread} more have not been read yet.")
    } else {
        "Each was read from the database.".to_owned()
    };
    Verification {
        at: checks.iter().map(|check| check.at).min(),
        headline,
        lead,
        outcome,
        checks,
        run,
        unreadable,
    }
}
