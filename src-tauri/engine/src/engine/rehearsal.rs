//! Rehearsing what could not be tried on the target: on a scratch copy of its schema, without data.

use super::{Engine, Target};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::{self, Leftover, ScriptError};
use crate::adapters::postgres::{catalogue, words};
use crate::domain::change_set::{DryRunReport, Trial, Tried};
use crate::domain::plan::Plan;
use crate::domain::run::RunEventKind;
use crate::domain::{Failure, FailureCode};
use crate::planner::{objects, sql};
use crate::runner::dry_run::Piece;
use crate::runner::events::Stream;
use crate::runner::session::Connector;
use sqlx::postgres::PgConnection;
use std::time::Instant;

impl Engine {
    /// Rehearses a plan and completes the report of its dry run: every piece that was not tried on the
    /// target gets its trial here, or says why it has none.
    pub(super) async fn rehearse(
        &self,
        target: &Target,
        plan: &Plan,
        pieces: &[Piece],
        report: &mut DryRunReport,
        why: &str,
        stream: &Stream,
    ) {
        stream.note(format!("The rest is rehearsed on a scratch copy of the schema, without data. {why}"));
        let tried = report.trials.len();
        let started = Instant::now();
        if let Err(failure) = self.rehearse_on_scratch(target, plan, pieces, report, tried, why, stream).await
        {
            let reason = failure.why.map(|why| format!(" {why}")).unwrap_or_default();
            report.unknowns.push(format!("The rehearsal could not be held: {}{reason}", failure.what));
        }
        report.rehearsal_seconds = started.elapsed().as_secs_f64();
        for piece in &pieces[report.trials.len().min(pieces.len())..] {
            report.trials.push(Trial {
                migration: piece.name.clone(),
                tried: Tried::Not,
                worked: None,
                seconds: None,
                note: Some(why.to_owned()),
                failed_statement: None,
            });
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `rehearse`, split off for its early returns")]
    async fn rehearse_on_scratch(
        &self,
        target: &Target,
        plan: &Plan,
        pieces: &[Piece],
        report: &mut DryRunReport,
        tried: usize,
        why: &str,
        stream: &Stream,
    ) -> Result<(), Failure> {
        let sandbox = self.sandbox()?;
        let scratch = sandbox.scratch().await?;
        let connector = Connector {
            address: scratch.address().clone(),
            password: sandbox.password(),
            check_timeout_ms: target.rules.check_timeout_ms,
            route: None,
        };
        let mut connection = connector.open("drydock rehearsal").await?;
        let result =
            self.copy_and_try(&mut connection, target, plan, pieces, report, tried, why, stream).await;
        drop(connection);
        let closed = scratch.close().await;
        result.and(closed)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step of `rehearse`, split off so that the scratch database is always closed"
    )]
    async fn copy_and_try(
        &self,
        connection: &mut PgConnection,
        target: &Target,
        plan: &Plan,
        pieces: &[Piece],
        report: &mut DryRunReport,
        tried: usize,
        why: &str,
        stream: &Stream,
    ) -> Result<(), Failure> {
        let schema = &plan.schema;
        self.copy_schema(connection, target, schema).await?;
        let schemas = [schema.clone()];
        let before = catalogue::read(connection, &schemas).await.map_err(|error| failure(&error))?;
        let mut complete = true;
        for (number, piece) in pieces.iter().enumerate() {
            stream.emit(RunEventKind::Progress {
                index: u32::try_from(piece.step).unwrap_or(u32::MAX),
                migrations_done: u32::try_from(number).unwrap_or(u32::MAX),
                migrations_total: u32::try_from(pieces.len()).unwrap_or(u32::MAX),
                statement: None,
                statements_total: u32::try_from(piece.script.statements.len()).unwrap_or(u32::MAX),
                seconds: 0.0,
            });
            let started = Instant::now();
            let outcome = try_one(connection, piece, schema).await;
            let seconds = started.elapsed().as_secs_f64();
            let trial = |worked, note, failed_statement| Trial {
                migration: piece.name.clone(),
                tried: Tried::Rehearsal,
                worked,
                seconds: Some(seconds),
                note,
                failed_statement,
            };
            match outcome {
                Ok(()) if number >= tried => {
                    report.trials.push(trial(Some(true), (number == tried).then(|| why.to_owned()), None));
                }
                Ok(()) => {}
                Err(error) => {
                    complete = false;
                    if number < tried {
                        report.unknowns.push(format!(
                            "{} worked on the target, but its rehearsal did not ({}), so the ones after it could not be rehearsed.",
                            piece.name,
                            error.message()
                        ));
                    } else {
                        let (worked, note) = judge(&error);
                        let statement = error.statement.or_else(|| {
                            error.position.map(|position| sql::locate(&piece.sql, &piece.script, position).0)
                        });
                        if worked.is_none() {
                            report.unknowns.push(format!("{}: {note}", piece.name));
                        }
                        report.trials.push(trial(worked, Some(note), statement));
                    }
                    break;
                }
            }
        }
        if complete {
            let after = catalogue::read(connection, &schemas).await.map_err(|error| failure(&error))?;
            report.objects = objects::changes(&before, &after);
        }
        Ok(())
    }

    /// Makes the scratch database like the target, without rows.
    async fn copy_schema(
        &self,
        connection: &mut PgConnection,
        target: &Target,
        schema: &str,
    ) -> Result<(), Failure> {
        let mut live = target.connector.open_reading("drydock").await?;
        let there = target
            .connector
            .read(catalogue::read(&mut live, &[schema.to_owned()]))
            .await
            .map_err(|error| failure(&error))?;
        drop(live);
        if there.count() > 0 {
            let text = target.connector.dump_schema(&self.toolkit()?, schema).await?;
            let text = format!("DROP SCHEMA IF EXISTS {} CASCADE;\n{text}", words::identifier(schema));
            script::send(connection, text).await.map_err(|error| {
                Failure::new(
                    FailureCode::SandboxFailed,
                    "The target's schema could not be copied to the scratch server.",
                )
                .why(failure(&error).what)
            })?;
            // The dump sets an empty search path for its own session.
            script::send(connection, "RESET ALL".to_owned()).await.map_err(|error| failure(&error))?;
        } else {
            let make = format!("CREATE SCHEMA IF NOT EXISTS {}", words::identifier(schema));
            script::send(connection, make).await.map_err(|error| failure(&error))?;
        }
        Ok(())
    }
}

async fn try_one(connection: &mut PgConnection, piece: &Piece, schema: &str) -> Result<(), ScriptError> {
    let plain = |error| ScriptError { error, position: None, statement: None };
    let version = connection.server_version_num();
    script::send(connection, script::fresh_settings_sql(schema, version)).await.map_err(plain)?;
    let result = script::run(connection, &piece.sql, &piece.script, &mut |_| {}).await;
    let left = script::leftover(connection).await.map_err(plain)?;
    if left != Leftover::Clean {
        script::send(connection, "ROLLBACK".to_owned()).await.map_err(plain)?;
    }
    result?;
    if left != Leftover::Clean {
        return Err(plain(sqlx::Error::Protocol(
            "The script began a transaction and never committed it.".to_owned(),
        )));
    }
    Ok(())
}

/// What an error on the scratch copy tells about the target: some only say that the copy is not it.
fn judge(error: &ScriptError) -> (Option<bool>, String) {
    let code = error.code().unwrap_or_default();
    let text = format!("{} (SQLSTATE {code})", error.message());
    match code.as_str() {
        "58P01" | "0A000" if error.message().contains("extension") => {
            (None, format!("The scratch server lacks an extension: {text}"))
        }
        "42501" => {
            (None, format!("It needs a right that the scratch role does not have, on purpose: {text}"))
        }
        _ if code.starts_with("23") => {
            (None, format!("It needs rows that the scratch copy does not have: {text}"))
        }
        _ => {
            let detail = error.detail().map(|detail| format!(". {detail}")).unwrap_or_default();
            (Some(false), format!("{text}{detail}"))
        }
    }
}
