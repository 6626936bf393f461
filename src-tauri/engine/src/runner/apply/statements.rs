//! A repair's statements.

use super::apart::leftover_gone;
use super::waiting::is_retryable;
use super::{Apply, Sessions, Stop, from_server, send};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script;
use crate::domain::plan::RepairStatement;
use crate::domain::{Failure, FailureCode};

impl Apply {
    /// Statements of a repair.
    pub(super) async fn run_statements(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        statements: &[RepairStatement],
        atomic: bool,
    ) -> Result<(), Stop> {
        let attempts = self.plan.rules.lock_retries + 1;
        let limit = format!("SET lock_timeout = {}", self.plan.rules.lock_timeout_ms);
        let messages: Vec<String> = if atomic {
            let body: Vec<&str> =
                statements.iter().map(|statement| statement.sql.trim_end_matches([';', ' ', '\n'])).collect();
            vec![format!("BEGIN;{}\n;COMMIT", body.join("\n;\n"))]
        } else {
            statements.iter().map(|statement| statement.sql.clone()).collect()
        };
        for (number, message) in messages.iter().enumerate() {
            let mut attempt = 1;
            loop {
                send(&mut sessions.work.connection, limit.clone()).await.map_err(from_server)?;
                let Err(error) = self.watched(sessions, index, attempt, attempts, message.clone()).await
                else {
                    break;
                };
                if script::is_lost(&error) {
                    return Err(from_server(error));
                }
                let _ = leftover_gone(sessions).await;
                let code = script::code(&error).unwrap_or_default();
                if is_retryable(&code) && attempt < attempts {
                    self.wait_to_retry(sessions, index, attempt, attempts, "the repair").await?;
                    attempt += 1;
                    continue;
                }
                let stayed = if atomic || number == 0 {
                    "All of the repair was taken back.".to_owned()
                } else {
                    format!("The first {number} statements of the repair stay; the others did not run.")
                };
                return Err(Failure::new(FailureCode::ServerError, "The repair stopped at a statement.")
                    .why(failure(&error).what)
                    .unchanged(stayed)
                    .next("Open the failed migration again: it shows what is there now.")
                    .into());
            }
        }
        Ok(())
    }
}
