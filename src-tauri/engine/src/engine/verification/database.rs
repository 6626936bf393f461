//! Expectations of the database: the query of each asked, its answer judged.

use super::query::{Single, shown, single, unread};
use crate::adapters::postgres::query as reading;
use crate::adapters::postgres::tables::{self, Which};
use crate::checks::expectations::{Judge, Question, judge, question};
use crate::domain::profile::{Expectation, Expected};
use crate::domain::tables::ForeignKey;
use crate::domain::verification::CheckResult;
use crate::engine::Target;
use chrono::Utc;
use sqlx::postgres::PgConnection;
use std::time::Instant;

/// Rows that speak against a check, at most.
const SAMPLE: usize = 20;

/// Reads an expectation of the database into its result; nothing where it is one of the app.
pub(super) async fn read(
    target: &Target,
    connection: &mut PgConnection,
    expectation: &Expectation,
    check: &mut CheckResult,
) {
    let schema = &target.connector.address.schema;
    let keys = references(connection, expectation, schema).await;
    let Some(asked) = question(expectation, schema, keys.as_deref().unwrap_or_default()) else { return };
    check.part = asked.part;
    check.expected = asked.expected.clone();
    check.sql = Some(asked.sql.clone());
    let started = Instant::now();
    match keys {
        Err(error) => check.why = Some(unread(&error)),
        Ok(_) => ask(target, connection, &asked, check).await,
    }
    check.seconds = started.elapsed().as_secs_f64();
    check.at = Utc::now();
    if let Some(rows) = &mut check.rows {
        rows.seconds = check.seconds;
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
    match target.connector.read(reading::read(connection, &sql, cursor, SAMPLE)).await {
        Err(error) => check.why = Some(unread(&error)),
        Ok(answered) => {
            let judged = judge(asked, &answered.rows, answered.more, check.before.as_deref());
            check.now = judged.now;
            check.outcome = judged.outcome;
            check.why = judged.why;
            if !answered.rows.is_empty() && asked.judge == Judge::NoRow {
                check.rows = Some(shown(answered, 0.0, true));
            }
        }
    }
}
