//! Asks the app to write: requests in order, tables counted before and after. What the app does is its own; nothing of
//! it can be taken back here.

use super::{Apply, Sessions, Stop, in_time};
use crate::adapters::http::HttpClient;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::observe;
use crate::checks::http::Values;
use crate::domain::http::HttpStep;
use crate::domain::plan::CountedTable;
use crate::domain::run::RunStatus;
use crate::domain::words::{count, whole};
use crate::domain::{Failure, FailureCode, Outcome};
use crate::runner::flow;
use sqlx::postgres::PgConnection;

/// What the requests of a plan need.
pub struct AppJob {
    /// Sends them.
    pub client: HttpClient,
    /// The requests.
    pub steps: Vec<HttpStep>,
    /// What their gaps are filled with.
    pub values: Values,
    /// Tables to count.
    pub counts: Vec<CountedTable>,
}

impl Apply {
    pub(super) async fn call_app(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
    ) -> Result<Option<String>, Stop> {
        let Some(mut job) = self.app.take() else {
            return Err(Failure::new(FailureCode::NothingToDo, "The plan asks the app for nothing.").into());
        };
        let before = counted(&mut sessions.watch.connection, &job.counts).await.map_err(|why| {
            Failure::new(FailureCode::ServerError, "The tables could not be counted, so nothing was sent.")
                .why(why)
                .unchanged("Nothing was sent.")
                .next("Make a new plan.")
        })?;
        let all = job.steps.len();
        for (at, step) in job.steps.iter().enumerate() {
            if *self.cancel.borrow() {
                return Err(self.stopped(sessions, &job.counts, &before, at, all, None).await);
            }
            // After a cut the journal tells how far it came; whether the app acted on this one it cannot tell.
            let sending = format!("request {} of {all}, {}, was sent", at + 1, step.label());
            self.run.steps[index].note = Some(sending.clone());
            self.store.journal(&self.run.id, std::slice::from_ref(&self.run.steps[index])).await?;
            self.events.note(format!("Request {} of {all}: {}.", at + 1, step.label()));
            let mut cancel = self.cancel.clone();
            let result = tokio::select! {
                result = flow::send(step, &job.client, &mut job.values, false) => result,
                _ = async { while cancel.changed().await.is_ok() && !*cancel.borrow() {} } => {
                    return Err(self.stopped(sessions, &job.counts, &before, at, all, Some(&sending)).await);
                }
            };
            if result.outcome != Outcome::Pass {
                let why = result.why.unwrap_or_default();
                let counts = self.counts_words(sessions, &job.counts, &before).await;
                let unknown = result.status.is_none();
                let what = format!("{} was not answered as it should be.", step.label());
                let kept = if unknown {
                    format!("Whether the app did it is not known. {} {counts}", stays(at))
                } else {
                    format!("{} {counts}", stays(at))
                };
                return Err(Stop {
                    status: RunStatus::Failed,
                    failure: Failure::new(FailureCode::AppFailed, what)
                        .why(why)
                        .unchanged(kept)
                        .next("Look at the app's own log, then decide whether to send the requests again."),
                });
            }
        }
        let counts = self.counts_words(sessions, &job.counts, &before).await;
        let answered =
            if all == 1 { "the request was".to_owned() } else { format!("all {all} requests were") };
        Ok(Some(format!("{answered} answered as expected. {counts}")))
    }

    async fn stopped(
        &self,
        sessions: &mut Sessions,
        counts: &[CountedTable],
        before: &[u32],
        answered: usize,
        all: usize,
        under_way: Option<&str>,
    ) -> Stop {
        let counts = self.counts_words(sessions, counts, before).await;
        let open = match under_way {
            Some(sending) => format!(
                " Its {sending}, and its answer was not waited for: whether the app did it is not known."
            ),
            None => String::new(),
        };
        Failure::new(FailureCode::Cancelled, "The run was cancelled by the operator.")
            .unchanged(format!(
                "{answered} of {all} requests were answered. {}{open} {counts}",
                stays(answered)
            ))
            .into()
    }

    /// How many rows there were and are; what cannot be counted is said.
    async fn counts_words(&self, sessions: &mut Sessions, tables: &[CountedTable], before: &[u32]) -> String {
        match counted(&mut sessions.watch.connection, tables).await {
            Err(why) => format!("How many rows there are now could not be counted: {why}"),
            Ok(after) => {
                let words: Vec<String> = tables
                    .iter()
                    .zip(before.iter().zip(&after))
                    .map(|(table, (before, after))| match before == after {
                        true => format!(
                            "{}.{}: {}, as before",
                            table.schema,
                            table.name,
                            count(after, "row", "rows")
                        ),
                        false => {
                            format!(
                                "{}.{}: {} before, {} now",
                                table.schema,
                                table.name,
                                count(before, "row", "rows"),
                                whole(after)
                            )
                        }
                    })
                    .collect();
                format!("{}.", words.join("; "))
            }
        }
    }
}

fn stays(answered: usize) -> &'static str {
    if answered == 0 {
        "No request was answered as expected."
    } else {
        "What the app did with the requests before stays: Drydock cannot take it back."
    }
}

async fn counted(connection: &mut PgConnection, tables: &[CountedTable]) -> Result<Vec<u32>, String> {
    let mut rows = Vec::new();
    for table in tables {
        let counted = in_time(observe::count(connection, &table.schema, &table.name)).await;
        rows.push(counted.map_err(|error| failure(&error).what)?);
    }
    Ok(rows)
}
