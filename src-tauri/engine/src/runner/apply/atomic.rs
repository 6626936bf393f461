//! Scripts that are all in or all out: script and ledger row in one message and one transaction.

use super::waiting::is_retryable;
use super::{Apply, Sessions, Stop, send};
use crate::adapters::postgres::script::ScriptError;
use crate::adapters::postgres::{ledger, script};
use crate::domain::plan::MigrateStep;
use crate::domain::run::StepStatus;
use crate::domain::{Failure, FailureCode};
use crate::runner::words::{lock_failure, log_text, migration_failure};
use chrono::Utc;

impl Apply {
    /// Script and ledger row in one transaction and one message.
    pub(super) async fn migrate_atomic(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        migrate: &MigrateStep,
        sql: &str,
    ) -> Result<Option<String>, Stop> {
        // What an earlier script, or a function it called, did to the session ends here.
        let version = sessions.work.connection.server_version_num();
        let fresh = script::fresh_settings_sql(&self.plan.schema, version);
        let mut prefix =
            format!("BEGIN;{fresh};SET LOCAL lock_timeout = {};", self.plan.rules.lock_timeout_ms);
        if let Some(limit) = self.plan.rules.statement_timeout_ms {
            prefix.push_str(&format!("SET LOCAL statement_timeout = {limit};"));
        }
        let attempts = self.plan.rules.lock_retries + 1;
        for attempt in 1..=attempts {
            let started_at = Utc::now();
            let row = ledger::insert_finished_sql(
                &self.plan.schema,
                &migrate.ledger_id,
                &migrate.checksum,
                &migrate.name,
                started_at,
            );
            let message = format!("{prefix}{sql}\n;\n{row};COMMIT");
            let result = self.watched(sessions, index, attempt, attempts, message).await;
            let Err(error) = result else { return Ok(None) };
            if script::is_lost(&error) {
                return self.settle_lost(sessions, index, migrate, &error).await;
            }
            let _ = send(&mut sessions.work.connection, "ROLLBACK".to_owned()).await;
            let code = error
                .as_database_error()
                .and_then(|error| error.code())
                .map(|code| code.into_owned())
                .unwrap_or_default();
            if is_retryable(&code) && attempt < attempts {
                self.wait_to_retry(sessions, index, attempt, attempts, &migrate.name).await?;
                continue;
            }
            let skipped = prefix.chars().count();
            let position = script::position(&error)
                .and_then(|position| position.checked_sub(skipped))
                .filter(|position| *position >= 1 && *position <= sql.chars().count());
            let error = ScriptError { position, statement: None, error };
            if code == "57014" && *self.cancel.borrow() {
                self.settle_step(
                    index,
                    StepStatus::TakenBack,
                    Some("cancelled, taken back as a whole".to_owned()),
                    None,
                );
                return Err(
                    Failure::new(FailureCode::Cancelled, "The run was cancelled by the operator.").into()
                );
            }
            if is_retryable(&code) {
                self.settle_step(
                    index,
                    StepStatus::TakenBack,
                    Some("no lock in time; taken back as a whole".to_owned()),
                    None,
                );
                return Err(lock_failure(&migrate.name, attempts, &error).into());
            }
            let failed = ledger::insert_started_sql(
                &self.plan.schema,
                &migrate.ledger_id,
                &migrate.checksum,
                &migrate.name,
                started_at,
            );
            let logs = log_text(&migrate.name, sql, &error);
            let record = format!(
                "BEGIN;{failed};{};COMMIT",
                ledger::fail_sql(&self.plan.schema, &migrate.ledger_id, &logs)
            );
            self.record_failure(sessions, record).await;
            return Err(migration_failure(
                migrate,
                sql,
                &error,
                "The whole migration was taken back by the server; its row says failed.",
            )
            .into());
        }
        Err(Failure::new(FailureCode::LockTimeout, format!("{} got no lock.", migrate.name)).into())
    }
}
