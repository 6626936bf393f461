//! All other scripts: the ledger row is written first and finished afterwards, by the watching session.

use super::waiting::is_retryable;
use super::{Apply, CONCURRENT_LOCK_TIMEOUT_MS, Sessions, Stop, from_server, in_time, leftover, send};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::{Leftover, ScriptError};
use crate::adapters::postgres::{ledger, script};
use crate::domain::plan::MigrateStep;
use crate::domain::run::StepStatus;
use crate::domain::statement::{ScriptMode, StatementKind};
use crate::domain::{Failure, FailureCode};
use crate::runner::words::{lock_failure, log_text, migration_failure};
use chrono::Utc;
use std::time::Instant;

impl Apply {
    /// Script on the working session, ledger row from the other one: for scripts with their own
    /// transactions, session settings, or statements that cannot run in a transaction.
    pub(super) async fn migrate_apart(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        done: usize,
        total: usize,
        migrate: &MigrateStep,
        sql: &str,
    ) -> Result<Option<String>, Stop> {
        let schema = self.plan.schema.clone();
        let started = ledger::insert_started_sql(
            &schema,
            &migrate.ledger_id,
            &migrate.checksum,
            &migrate.name,
            Utc::now(),
        );
        let pieces: Vec<(Option<u32>, usize, String, bool)> = if migrate.script.mode == ScriptMode::Stepwise {
            migrate
                .script
                .statements
                .iter()
                .map(|statement| {
                    let (start, end) = (statement.start as usize, statement.end as usize);
                    let before = sql.get(..start).unwrap_or_default().chars().count();
                    let alone = statement.kind == StatementKind::OutsideTransaction;
                    (
                        Some(statement.number),
                        before,
                        sql.get(start..end).unwrap_or_default().to_owned(),
                        alone,
                    )
                })
                .collect()
        } else {
            let alone = migrate
                .script
                .statements
                .iter()
                .any(|statement| statement.kind == StatementKind::OutsideTransaction);
            vec![(None, 0, sql.to_owned(), alone)]
        };
        let (lock_timeout, statement_timeout) =
            (self.plan.rules.lock_timeout_ms, self.plan.rules.statement_timeout_ms);
        let limits = |alone: bool| {
            let timeout = if alone { CONCURRENT_LOCK_TIMEOUT_MS } else { lock_timeout };
            let mut limits = format!("SET lock_timeout = {timeout}");
            if let Some(limit) = statement_timeout.filter(|_| !alone) {
                limits.push_str(&format!(";SET statement_timeout = {limit}"));
            }
            limits
        };
        // The row and the first limits travel at the same time, each on its own session.
        let first_limits = format!(
            "{};{}",
            script::fresh_settings_sql(&schema, sessions.work.connection.server_version_num()),
            limits(pieces.first().is_some_and(|(_, _, _, alone)| *alone))
        );
        let (recorded, limited) = tokio::join!(
            send(&mut sessions.watch.connection, started),
            send(&mut sessions.work.connection, first_limits)
        );
        if let Err(error) = recorded {
            if script::is_lost(&error) {
                return self.settle_lost(sessions, index, migrate, &error).await;
            }
            return Err(from_server(error));
        }
        let mut limited = Some(limited);
        let begun = Instant::now();
        let whole_is_safe = !migrate.script.statements.iter().any(|statement| {
            matches!(
                statement.kind,
                StatementKind::TransactionControl
                    | StatementKind::OutsideTransaction
                    | StatementKind::Procedural
            )
        }) && migrate.script.uncertain.is_none();
        for (number, before, text, alone) in &pieces {
            if number.is_some() {
                self.progress(index, done, total, migrate, *number, begun);
            }
            let first = number.is_none_or(|number| number == 1);
            let safe_to_retry = if number.is_some() { !alone } else { whole_is_safe };
            let attempts = if safe_to_retry { self.plan.rules.lock_retries + 1 } else { 1 };
            let mut attempt = 1;
            loop {
                // The limits travel alone: in one message with a CONCURRENTLY they would make a transaction.
                let limited = match limited.take() {
                    Some(first) => first,
                    None => send(&mut sessions.work.connection, limits(*alone)).await,
                };
                let result = match limited {
                    Ok(()) => self.watched(sessions, index, attempt, attempts, text.clone()).await,
                    Err(error) => Err(error),
                };
                let Err(error) = result else { break };
                if script::is_lost(&error) {
                    return self.settle_lost(sessions, index, migrate, &error).await;
                }
                let _ = leftover_gone(sessions).await;
                let code = script::code(&error).unwrap_or_default();
                if is_retryable(&code) && attempt < attempts {
                    self.wait_to_retry(sessions, index, attempt, attempts, &migrate.name).await?;
                    attempt += 1;
                    continue;
                }
                let error = ScriptError {
                    position: script::position(&error).map(|position| position + before),
                    statement: *number,
                    error,
                };
                let cancelled = code == "57014" && *self.cancel.borrow();
                if (cancelled || is_retryable(&code)) && first && safe_to_retry {
                    return Err(self.took_back(sessions, index, migrate, cancelled, attempts, &error).await);
                }
                let mut logs = log_text(&migrate.name, sql, &error);
                if cancelled {
                    logs.push_str("\n\nCancelled by the operator.");
                }
                self.record_failure_on_watch(sessions, &ledger::fail_sql(&schema, &migrate.ledger_id, &logs))
                    .await;
                let stayed = match number {
                    Some(number) if *number > 1 => format!(
                        "Statements 1 to {} stay; {} was taken back; the rest did not run.",
                        number - 1,
                        number
                    ),
                    Some(_) => "Its first statement was taken back; the rest did not run.".to_owned(),
                    None => {
                        "What it committed itself before the error stays; its row says failed.".to_owned()
                    }
                };
                if cancelled {
                    self.settle_step(index, StepStatus::Failed, Some(format!("cancelled. {stayed}")), None);
                    return Err(Failure::new(
                        FailureCode::Cancelled,
                        "The run was cancelled by the operator.",
                    )
                    .why(format!("{} is not all-or-nothing.", migrate.name))
                    .unchanged(stayed)
                    .next("Open the failed migration: it shows which statements are in.")
                    .into());
                }
                return Err(migration_failure(migrate, sql, &error, &stayed).into());
            }
        }
        let left = if ends_outside_a_block(migrate, sql) {
            Ok(Leftover::Clean)
        } else {
            leftover(&mut sessions.work.connection).await
        };
        match left {
            Ok(Leftover::Clean) => {}
            Ok(_) => {
                let _ = send(&mut sessions.work.connection, "ROLLBACK".to_owned()).await;
                let what = "The script began a transaction and never committed it.";
                let logs = format!("{what} Everything since its BEGIN was rolled back.");
                self.record_failure_on_watch(sessions, &ledger::fail_sql(&schema, &migrate.ledger_id, &logs))
                    .await;
                return Err(Failure::new(
                    FailureCode::MigrationFailed,
                    format!("{} did not finish: {what}", migrate.name),
                )
                .why("There is a BEGIN without its COMMIT in the file.")
                .unchanged("Everything since its BEGIN was taken back; its row says failed.")
                .next(
                    "Add the missing COMMIT to the file, mark the migration as rolled back, and plan again.",
                )
                .into());
            }
            Err(error) if script::is_lost(&error) => {
                return self.settle_lost(sessions, index, migrate, &error).await;
            }
            Err(error) => return Err(from_server(error)),
        }
        let finish = ledger::finish_sql(&schema, &migrate.ledger_id, Utc::now());
        if let Err(error) = send(&mut sessions.watch.connection, finish.clone()).await {
            // The script is in; only its row is not. One more try on the other session.
            if send(&mut sessions.work.connection, finish).await.is_err() {
                if script::is_lost(&error) {
                    return self.settle_lost(sessions, index, migrate, &error).await;
                }
                return Err(from_server(error));
            }
        }
        if migrate.script.statements.iter().any(|statement| statement.kind == StatementKind::Session) {
            let held = in_time(sessions.work.reset(&schema)).await.map_err(from_server)?;
            if !held {
                return Err(Failure::new(
                    FailureCode::MigrationLock,
                    "A script let go of the migration lock, and another tool took it.",
                )
                .unchanged(format!("{} is in; the later ones did not run.", migrate.name))
                .next("Wait until the other tool is done, then make a new plan.")
                .into());
            }
        }
        Ok(Some(migrate.script.mode_reason.clone()))
    }

    /// No lock in time, or cancelled, before anything of the script was in: its row goes too, as nothing failed.
    pub(super) async fn took_back(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        migrate: &MigrateStep,
        cancelled: bool,
        attempts: u32,
        error: &ScriptError,
    ) -> Stop {
        let forget = ledger::forget_sql(&self.plan.schema, &migrate.ledger_id);
        if let Err(error) = send(&mut sessions.watch.connection, forget).await {
            return from_server(error);
        }
        let note = if cancelled {
            "cancelled, taken back as a whole"
        } else {
            "no lock in time; taken back as a whole"
        };
        self.settle_step(index, StepStatus::TakenBack, Some(note.to_owned()), None);
        if cancelled {
            Failure::new(FailureCode::Cancelled, "The run was cancelled by the operator.").into()
        } else {
            lock_failure(&migrate.name, attempts, error).into()
        }
    }

    pub(super) async fn record_failure_on_watch(&self, sessions: &mut Sessions, sql: &str) {
        if let Err(error) = send(&mut sessions.watch.connection, sql.to_owned()).await {
            self.events
                .note(format!("The reason could not be written to the ledger: {}", failure(&error).what));
        }
    }
}

/// Ends whatever block an error left open on the working session.
pub(super) async fn leftover_gone(sessions: &mut Sessions) -> Result<(), sqlx::Error> {
    if leftover(&mut sessions.work.connection).await? != Leftover::Clean {
        send(&mut sessions.work.connection, "ROLLBACK".to_owned()).await?;
    }
    Ok(())
}

/// Whether a script that got through is certain to have left no transaction open: it has none of its own,
/// or the last word about one is a plain COMMIT. Anything else is asked of the server.
pub(super) fn ends_outside_a_block(migrate: &MigrateStep, sql: &str) -> bool {
    let last = migrate
        .script
        .statements
        .iter()
        .rfind(|statement| statement.kind == StatementKind::TransactionControl)
        .map(|statement| sql.get(statement.start as usize..statement.end as usize).unwrap_or_default());
    let is_commit = |text: &str| {
        ["COMMIT", "END"]
            .iter()
            .any(|word| text.trim().trim_end_matches(';').trim().eq_ignore_ascii_case(word))
    };
    migrate.script.uncertain.is_none() && last.is_none_or(is_commit)
}
