//! Drift from end to end: replay, read both sides, bring them to the same words, compare, attribute.

use super::{
    rendering::render_live,
    replay::{AppliedScript, Replay, object_of, replay},
};
use crate::{
    adapters::postgres::{catalogue, scratch, script::in_time},
    checks::drift::{Attribution, compare, headline, lead},
    domain::{
        Failure, FailureCode,
        catalogue::{Catalogue, Extension, ObjectRef, Origin},
        drift::DriftReport,
        statement::{ObjectKind, Script},
    },
};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use std::time::{Duration, Instant};

/// Compares the live schema with what its applied migrations make.
///
/// `scratch` is an empty database that may be filled at will; it is left filled. `pending_or_failed`,
/// in the order they would run, only explain differences. `patience`: how long one answer of the live
/// server is waited for.
pub async fn drift(
    live: &mut PgConnection,
    patience: Duration,
    scratch: &mut PgConnection,
    applied: &[AppliedScript],
    pending_or_failed: &[(String, Script)],
    schema: &str,
    now: DateTime<Utc>,
) -> Result<DriftReport, Failure> {
    let started = Instant::now();
    let scratch_version = scratch::version(scratch).await.map_err(on_scratch)?;
    let live_version = in_time(patience, scratch::version(live)).await.map_err(on_live)?;
    let replay = replay(scratch, applied, schema).await.map_err(on_scratch)?;

    let schemas = compared_schemas(scratch::schemas(scratch).await.map_err(on_scratch)?, schema);
    let mut expected = catalogue::read(scratch, &schemas).await.map_err(on_scratch)?;
    let mut there = in_time(patience, catalogue::read(live, &schemas)).await.map_err(on_live)?;
    drop_untouched_schemas(&mut expected, &mut there, schema);
    assume_extensions(&mut expected, &there, &replay);

    let gap = version_gap(&scratch_version, &live_version);
    let mut not_comparable = replay.not_comparable.clone();
    not_comparable
        .extend(render_live(scratch, &expected, &mut there, gap.as_deref()).await.map_err(on_scratch)?);

    let culprit = |object: &ObjectRef| {
        let by_transaction = expected.origin(object).and_then(|transaction| replay.culprit(transaction));
        by_transaction.map(str::to_owned).or_else(|| asked_for_extension(object, &replay))
    };
    let settled_by = |object: &ObjectRef| settles(object, pending_or_failed, schema);
    let attribution = Attribution {
        culprit: &culprit,
        settled_by: &settled_by,
        not_comparable: &not_comparable,
        same_major: gap.is_none(),
    };
    let differences = compare(&expected, &there, &attribution);
    let replayed = number(applied.len());
    Ok(DriftReport {
        headline: headline(&differences, replayed),
        lead: lead(replayed, replay.not_replayed.len(), &scratch_version, started.elapsed().as_secs_f64()),
        compared: number(expected.count().max(there.count())),
        replayed,
        not_replayed: replay.not_replayed.iter().map(|(name, reason)| format!("{name}: {reason}")).collect(),
        differences,
        scratch_version,
        live_version,
        version_gap: gap,
        read_at: now,
    })
}

/// All schemas that the replay left, the ledger's among them.
fn compared_schemas(mut made: Vec<String>, schema: &str) -> Vec<String> {
    if !made.iter().any(|each| each == schema) {
        made.push(schema.to_owned());
    }
    made
}

/// `public` is in every database. If no migration put anything there, it is not the migrations' business.
fn drop_untouched_schemas(expected: &mut Catalogue, live: &mut Catalogue, schema: &str) {
    let touched = |name: &str| {
        expected.tables.iter().any(|each| each.schema == name)
            || expected.enums.iter().any(|each| each.schema == name)
            || expected.types.iter().any(|each| each.schema == name)
            || expected.sequences.iter().any(|each| each.schema == name)
            || expected.views.iter().any(|each| each.schema == name)
            || expected.functions.iter().any(|each| each.schema == name)
    };
    if schema == "public" || touched("public") {
        return;
    }
    for catalogue in [expected, live] {
        catalogue.schemas.retain(|each| each != "public");
        catalogue.tables.retain(|each| each.schema != "public");
        catalogue.indexes.retain(|each| each.schema != "public");
        catalogue.constraints.retain(|each| each.schema != "public");
        catalogue.enums.retain(|each| each.schema != "public");
        catalogue.types.retain(|each| each.schema != "public");
        catalogue.sequences.retain(|each| each.schema != "public");
        catalogue.views.retain(|each| each.schema != "public");
        catalogue.functions.retain(|each| each.schema != "public");
        catalogue.triggers.retain(|each| each.schema != "public");
        catalogue.policies.retain(|each| each.schema != "public");
    }
}

/// An extension that the scratch server lacks is expected all the same: the migration asks for it.
fn assume_extensions(expected: &mut Catalogue, live: &Catalogue, replay: &Replay) {
    for (name, _) in &replay.missing_extensions {
        if expected.extensions.iter().any(|each| each.name == *name) {
            continue;
        }
        let there = live.extensions.iter().find(|each| each.name == *name).cloned();
        expected.extensions.push(there.unwrap_or_else(|| Extension {
            name: name.clone(),
            version: "any version".to_owned(),
            schema: String::new(),
            origin: Origin(None),
        }));
    }
}

fn asked_for_extension(object: &ObjectRef, replay: &Replay) -> Option<String> {
    let asked = replay.missing_extensions.iter().find(|(name, _)| *name == object.name);
    asked.filter(|_| object.kind == ObjectKind::Extension).map(|(_, migration)| migration.clone())
}

/// The majors, if they differ, as a sentence without its full stop.
fn version_gap(scratch: &str, live: &str) -> Option<String> {
    let major = |version: &str| version.split(['.', 'b', 'r', 'd']).next().unwrap_or_default().to_owned();
    let (made, there) = (major(scratch), major(live));
    (made != there).then(|| format!("replayed on PostgreSQL {made}, the database is PostgreSQL {there}"))
}

/// The first waiting migration that touches the object.
fn settles(object: &ObjectRef, waiting: &[(String, Script)], schema: &str) -> Option<String> {
    let touches = |script: &Script| {
        script.statements.iter().flat_map(|statement| &statement.effects).any(|effect| {
            let touched = object_of(effect, schema);
            let same_schema = touched.schema == object.schema;
            let same = same_kind(touched.kind, object.kind)
                && touched.name == object.name.split('(').next().unwrap_or_default()
                && (touched.parent.is_none() || object.parent.is_none() || touched.parent == object.parent);
            let whole_table = touched.kind == ObjectKind::Table
                && effect.action != crate::domain::statement::Action::Alter
                && object.parent.as_deref() == Some(touched.name.as_str());
            same_schema && (same || whole_table)
        })
    };
    waiting.iter().find(|(_, script)| touches(script)).map(|(name, _)| name.clone())
}

fn same_kind(one: ObjectKind, other: ObjectKind) -> bool {
    let group = |kind| match kind {
        ObjectKind::Constraint => ObjectKind::Index,
        ObjectKind::MaterializedView => ObjectKind::View,
        ObjectKind::Type => ObjectKind::Enum,
        other => other,
    };
    group(one) == group(other)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn on_scratch(error: sqlx::Error) -> Failure {
    let what = "The applied migrations could not be replayed on the scratch copy.";
    failure(error, what).unchanged("The database was only read.").next("Compare again.")
}

fn on_live(error: sqlx::Error) -> Failure {
    let what = "The database's schema could not be read.";
    failure(error, what).unchanged("Nothing was changed.").next("Compare again.")
}

fn failure(error: sqlx::Error, what: &str) -> Failure {
    let (code, why) = match &error {
        sqlx::Error::Database(refused) => {
            let state = refused.code().unwrap_or_default().into_owned();
            let code = match state.as_str() {
                "57014" => FailureCode::TimedOut,
                "42501" => FailureCode::Privilege,
                _ => FailureCode::ServerError,
            };
            (code, format!("{} ({state})", refused.message()))
        }
        sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => {
            (FailureCode::ServerError, "The server's answer was not understood.".to_owned())
        }
        _ => (FailureCode::ConnectionLost, "The connection was lost.".to_owned()),
    };
    Failure::new(code, what).why(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_majors_make_a_gap() {
        assert_eq!(version_gap("15.18", "15.8"), None);
        assert_eq!(
            version_gap("18.4", "15.18").as_deref(),
            Some("replayed on PostgreSQL 18, the database is PostgreSQL 15")
        );
    }
}
