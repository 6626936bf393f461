//! After the line was lost: nothing is sent again, the server is asked what became of it.

use super::{Apply, SETTLE_PATIENCE, Sessions, Stop, in_time, send};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::ledger;
use crate::domain::plan::MigrateStep;
use crate::domain::run::{RunStatus, StepStatus};
use crate::domain::{Failure, FailureCode};
use crate::runner::session::wait_gone;
use sqlx::postgres::PgConnection;
use std::time::{Duration, Instant};

/// Why the outcome of what was at work stays open.
pub(super) enum Open {
    /// The server cannot be reached.
    Unreachable,
    /// The session is still at work there.
    AtWork,
}

impl Apply {
    /// A new session on the server, once the one whose line was lost is gone there: what is read then is final.
    pub(super) async fn after_lost(&self, sessions: &Sessions) -> Result<PgConnection, Open> {
        self.events.note(
            "The line to the server was lost. Nothing is sent again; asking the server what became of it.",
        );
        let application = format!("drydock settle {}", self.run.id.get(..8).unwrap_or_default());
        let start = Instant::now();
        let mut connection = loop {
            match self.connector.open(&application).await {
                Ok(connection) => break connection,
                Err(_) if start.elapsed() >= SETTLE_PATIENCE => return Err(Open::Unreachable),
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        };
        let work = &sessions.work;
        match in_time(wait_gone(&mut connection, work.pid, &work.application, SETTLE_PATIENCE)).await {
            Ok(Some(())) => Ok(connection),
            _ => Err(Open::AtWork),
        }
    }

    /// The line was lost: nothing is sent again; the server is asked what became of it.
    pub(super) async fn settle_lost(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        migrate: &MigrateStep,
        error: &sqlx::Error,
    ) -> Result<Option<String>, Stop> {
        let lost = |what: String| Failure::new(FailureCode::ConnectionLost, what).why(failure(error).what);
        let attention = |failure: Failure| Stop { status: RunStatus::NeedsAttention, failure };
        let mut connection = match self.after_lost(sessions).await {
            Ok(connection) => connection,
            Err(Open::Unreachable) => {
                return Err(attention(
                    lost(format!(
                        "The line was lost while {} ran, and the server cannot be reached.",
                        migrate.name
                    ))
                    .next("When the server is back, open this run and ask again; nothing was sent twice."),
                ));
            }
            Err(Open::AtWork) => {
                return Err(attention(
                    lost(format!("The line was lost; the server is still working on {}.", migrate.name))
                        .next("Open this run and ask again in a while."),
                ));
            }
        };
        let rows = match in_time(ledger::read(&mut connection, &self.plan.schema)).await {
            Ok(rows) => rows,
            Err(error) => {
                return Err(attention(
                    lost("The line was lost and the ledger cannot be read.".to_owned())
                        .next(failure(&error).what),
                ));
            }
        };
        let row = rows.iter().find(|row| row.id == migrate.ledger_id);
        match row {
            Some(row) if row.is_applied() => {
                self.settle_step(
                    index,
                    StepStatus::Done,
                    Some("it got in before the line was lost; the ledger says so".to_owned()),
                    None,
                );
                Err(lost(format!("The line was lost just after {} got in.", migrate.name))
                    .unchanged("The later migrations did not run.")
                    .next("Make a new plan for what is left.")
                    .into())
            }
            Some(_) => {
                let logs = "The connection was lost while the migration ran; part of it may be in.";
                let _ = send(&mut connection, ledger::fail_sql(&self.plan.schema, &migrate.ledger_id, logs))
                    .await;
                Err(lost(format!("The line was lost while {} ran; it is not all-or-nothing.", migrate.name))
                    .unchanged("Nothing was sent again. Its row says failed; part of it may be in.")
                    .next("Open the failed migration: it shows which statements are in.")
                    .into())
            }
            None => {
                self.settle_step(
                    index,
                    StepStatus::TakenBack,
                    Some("the server took it back when the line was lost".to_owned()),
                    None,
                );
                Err(lost(format!("The line was lost while {} ran; the server took it back.", migrate.name))
                    .unchanged("The migration left nothing; the later ones did not run.")
                    .next("Make a new plan for what is left.")
                    .into())
            }
        }
    }
}
