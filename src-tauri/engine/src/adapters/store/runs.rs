//! The journal: plans, runs, steps, events.

use super::{Store, from_json, is_alive, store_failure, to_json};
use crate::domain::change_set::DryRunReport;
use crate::domain::plan::{Confirmation, Plan};
use crate::domain::run::{Run, RunEvent, RunKind, RunStatus, RunStep, RunSummary};
use crate::domain::{Failure, FailureCode};
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

/// A run to be accepted.
pub struct NewRun<'a> {
    /// Random id.
    pub id: String,
    /// Plan.
    pub plan: &'a Plan,
    /// Kind.
    pub kind: RunKind,
    /// What it is to do, in words.
    pub title: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Steps as they are queued.
    pub steps: Vec<RunStep>,
    /// What the operator confirmed.
    pub confirmation: Option<Confirmation>,
}

/// New states of steps, journalled together and synced.
pub type StepChange = RunStep;

fn word<T: serde::Serialize>(value: T) -> Result<String, Failure> {
    match serde_json::to_value(value).map_err(store_failure)? {
        serde_json::Value::String(text) => Ok(text),
        other => Err(store_failure(format!("{other} is no word"))),
    }
}

fn from_word<T: serde::de::DeserializeOwned>(text: String) -> Result<T, Failure> {
    serde_json::from_value(serde_json::Value::String(text)).map_err(store_failure)
}

fn time(text: &str) -> Result<DateTime<Utc>, Failure> {
    DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc)).map_err(store_failure)
}

impl Store {
    /// Whether an apply of a plan was ever begun.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`].
    pub async fn was_applied(&self, plan_id: &str) -> Result<bool, Failure> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM runs WHERE plan_id = ? AND kind = 'apply')")
            .bind(plan_id)
            .fetch_one(&self.durable)
            .await
            .map_err(store_failure)
    }

    /// The newest apply of a plan.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn newest_apply(&self, plan_id: &str) -> Result<Option<Run>, Failure> {
        let id: Option<String> = sqlx::query_scalar(
            "SELECT id FROM runs WHERE plan_id = ? AND kind = 'apply' ORDER BY number DESC LIMIT 1",
        )
        .bind(plan_id)
        .fetch_optional(&self.durable)
        .await
        .map_err(store_failure)?;
        match id {
            Some(id) => self.run(&id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Stores a plan and gives it the next number.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn save_plan(&self, plan: &mut Plan) -> Result<(), Failure> {
        let mut transaction = self.durable.begin_with("BEGIN IMMEDIATE").await.map_err(store_failure)?;
        let (number,): (i64,) = sqlx::query_as("SELECT coalesce(max(number), 0) + 1 FROM plans")
            .fetch_one(&mut *transaction)
            .await
            .map_err(store_failure)?;
        plan.number = u32::try_from(number).unwrap_or(u32::MAX);
        sqlx::query("INSERT INTO plans (id, number, created_at, document) VALUES (?, ?, ?, ?)")
            .bind(&plan.id)
            .bind(number)
            .bind(plan.created_at.to_rfc3339())
            .bind(to_json(plan)?)
            .execute(&mut *transaction)
            .await
            .map_err(store_failure)?;
        transaction.commit().await.map_err(store_failure)
    }

    /// A plan.
    ///
    /// # Errors
    /// [`FailureCode::RunUnknown`], [`FailureCode::Store`].
    pub async fn plan(&self, id: &str) -> Result<Plan, Failure> {
        let row: Option<(String,)> = sqlx::query_as("SELECT document FROM plans WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.durable)
            .await
            .map_err(store_failure)?;
        let (document,) = row.ok_or_else(|| {
            Failure::new(FailureCode::RunUnknown, "This plan does not exist.").next("Make a new plan.")
        })?;
        from_json(&document)
    }

    /// Keeps what a dry run found.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn save_dry_run(&self, report: &DryRunReport) -> Result<(), Failure> {
        sqlx::query("INSERT INTO dry_runs (run_id, plan_id, at, document) VALUES (?, ?, ?, ?)")
            .bind(&report.run_id)
            .bind(&report.plan_id)
            .bind(report.at.to_rfc3339())
            .bind(to_json(report)?)
            .execute(&self.durable)
            .await
            .map_err(store_failure)?;
        Ok(())
    }

    /// The newest dry run of a plan.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn newest_dry_run(&self, plan_id: &str) -> Result<Option<DryRunReport>, Failure> {
        let row: Option<(String,)> =
            sqlx::query_as("SELECT document FROM dry_runs WHERE plan_id = ? ORDER BY at DESC LIMIT 1")
                .bind(plan_id)
                .fetch_optional(&self.durable)
                .await
                .map_err(store_failure)?;
        row.map(|(document,)| from_json(&document)).transpose()
    }

    /// Accepts a run: its intent is on disk when this returns.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn begin_run(&self, new: &NewRun<'_>) -> Result<Run, Failure> {
        let mut transaction = self.durable.begin_with("BEGIN IMMEDIATE").await.map_err(store_failure)?;
        let (number,): (i64,) = sqlx::query_as("SELECT coalesce(max(number), 0) + 1 FROM runs")
            .fetch_one(&mut *transaction)
            .await
            .map_err(store_failure)?;
        sqlx::query(
            "INSERT INTO runs (id, number, plan_id, kind, environment_id, environment_name, title, status, started_at, owner, confirmation) \
             VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        )
        .bind(&new.id)
        .bind(number)
        .bind(&new.plan.id)
        .bind(word(new.kind)?)
        .bind(&new.plan.environment_id)
        .bind(&new.plan.environment_name)
        .bind(&new.title)
        .bind(word(RunStatus::Running)?)
        .bind(new.at.to_rfc3339())
        .bind(&self.owner.name)
        .bind(new.confirmation.as_ref().map(to_json).transpose()?)
        .execute(&mut *transaction)
        .await
        .map_err(store_failure)?;
        for step in &new.steps {
            insert_step(&mut transaction, &new.id, step).await?;
        }
        transaction.commit().await.map_err(store_failure)?;
        Ok(Run {
            id: new.id.clone(),
            number: u32::try_from(number).unwrap_or(u32::MAX),
            plan_id: new.plan.id.clone(),
            kind: new.kind,
            environment_id: new.plan.environment_id.clone(),
            environment_name: new.plan.environment_name.clone(),
            title: new.title.clone(),
            status: RunStatus::Running,
            started_at: new.at,
            ended_at: None,
            steps: new.steps.clone(),
            failure: None,
            aftermath: Vec::new(),
            confirmation: new.confirmation.clone(),
        })
    }

    /// Journals steps together: outcomes and the next intent in one sync.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn journal(&self, run_id: &str, steps: &[StepChange]) -> Result<(), Failure> {
        let mut transaction = self.durable.begin().await.map_err(store_failure)?;
        for step in steps {
            insert_step(&mut transaction, run_id, step).await?;
        }
        transaction.commit().await.map_err(store_failure)
    }

    /// Records the sessions a run works with (process id and application name), before they do anything.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn journal_sessions(&self, run_id: &str, sessions: &[(i32, String)]) -> Result<(), Failure> {
        sqlx::query("UPDATE runs SET sessions = ? WHERE id = ?")
            .bind(to_json(&sessions)?)
            .bind(run_id)
            .execute(&self.durable)
            .await
            .map_err(store_failure)?;
        Ok(())
    }

    /// The sessions a run worked with.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn sessions(&self, run_id: &str) -> Result<Vec<(i32, String)>, Failure> {
        let row: Option<(String,)> = sqlx::query_as("SELECT sessions FROM runs WHERE id = ?")
            .bind(run_id)
            .fetch_optional(&self.durable)
            .await
            .map_err(store_failure)?;
        row.map_or(Ok(Vec::new()), |(text,)| from_json(&text))
    }

    /// Ends a run, with the last states of its steps.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn end_run(
        &self,
        run_id: &str,
        status: RunStatus,
        failure: Option<&Failure>,
        aftermath: &[String],
        steps: &[RunStep],
        at: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let mut transaction = self.durable.begin().await.map_err(store_failure)?;
        for step in steps {
            insert_step(&mut transaction, run_id, step).await?;
        }
        sqlx::query("UPDATE runs SET status = ?, ended_at = ?, failure = ?, aftermath = ? WHERE id = ?")
            .bind(word(status)?)
            .bind(at.to_rfc3339())
            .bind(failure.map(to_json).transpose()?)
            .bind(to_json(&aftermath)?)
            .bind(run_id)
            .execute(&mut *transaction)
            .await
            .map_err(store_failure)?;
        transaction.commit().await.map_err(store_failure)
    }

    /// A run with its steps.
    ///
    /// # Errors
    /// [`FailureCode::RunUnknown`], [`FailureCode::Store`].
    pub async fn run(&self, id: &str) -> Result<Run, Failure> {
        let row = sqlx::query("SELECT * FROM runs WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.durable)
            .await
            .map_err(store_failure)?
            .ok_or_else(|| {
                Failure::new(FailureCode::RunUnknown, "This run does not exist.")
                    .next("Choose one in the list of runs.")
            })?;
        let text = |column: &str| row.try_get::<String, _>(column).map_err(store_failure);
        let optional = |column: &str| row.try_get::<Option<String>, _>(column).map_err(store_failure);
        let steps = sqlx::query("SELECT * FROM run_steps WHERE run_id = ? ORDER BY step")
            .bind(id)
            .fetch_all(&self.durable)
            .await
            .map_err(store_failure)?;
        let steps = steps
            .iter()
            .map(|row| {
                Ok(RunStep {
                    index: u32::try_from(row.try_get::<i64, _>("step").map_err(store_failure)?).unwrap_or(0),
                    verb: row.try_get("verb").map_err(store_failure)?,
                    title: row.try_get("title").map_err(store_failure)?,
                    status: from_word(row.try_get("status").map_err(store_failure)?)?,
                    seconds: row.try_get("seconds").map_err(store_failure)?,
                    note: row.try_get("note").map_err(store_failure)?,
                })
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        Ok(Run {
            id: text("id")?,
            number: u32::try_from(row.try_get::<i64, _>("number").map_err(store_failure)?).unwrap_or(0),
            plan_id: text("plan_id")?,
            kind: from_word(text("kind")?)?,
            environment_id: optional("environment_id")?,
            environment_name: text("environment_name")?,
            title: text("title")?,
            status: from_word(text("status")?)?,
            started_at: time(&text("started_at")?)?,
            ended_at: optional("ended_at")?.as_deref().map(time).transpose()?,
            steps,
            failure: optional("failure")?.as_deref().map(from_json).transpose()?,
            aftermath: from_json(&text("aftermath")?)?,
            confirmation: optional("confirmation")?.as_deref().map(from_json).transpose()?,
        })
    }

    /// Runs, newest first, at most 500; `search` looks in title, environment, steps and failure.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn runs(&self, environment_id: Option<&str>, search: &str) -> Result<Vec<RunSummary>, Failure> {
        let pattern =
            format!("%{}%", search.trim().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
        let rows = sqlx::query(
            "SELECT id, number, kind, environment_name, title, status, started_at, ended_at FROM runs \
             WHERE (?1 IS NULL OR environment_id = ?1) \
               AND (title LIKE ?2 ESCAPE '\\' OR environment_name LIKE ?2 ESCAPE '\\' OR status LIKE ?2 ESCAPE '\\' \
                    OR coalesce(failure, '') LIKE ?2 ESCAPE '\\' OR ('#' || number) LIKE ?2 ESCAPE '\\' \
                    OR EXISTS (SELECT 1 FROM run_steps s WHERE s.run_id = runs.id AND s.title LIKE ?2 ESCAPE '\\')) \
             ORDER BY number DESC LIMIT 500",
        )
        .bind(environment_id)
        .bind(pattern)
        .fetch_all(&self.durable)
        .await
        .map_err(store_failure)?;
        rows.iter().map(summary).collect()
    }

    /// Appends events to the record, unsynced.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn record_events(&self, events: &[RunEvent]) -> Result<(), Failure> {
        let mut transaction = self.light.begin().await.map_err(store_failure)?;
        for event in events {
            sqlx::query(
                "INSERT OR IGNORE INTO run_events (run_id, sequence, at, document) VALUES (?, ?, ?, ?)",
            )
            .bind(&event.run_id)
            .bind(i64::from(event.sequence))
            .bind(event.at.to_rfc3339())
            .bind(to_json(&event.what)?)
            .execute(&mut *transaction)
            .await
            .map_err(store_failure)?;
        }
        transaction.commit().await.map_err(store_failure)
    }

    /// The record of a run's events, in order.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn events(&self, run_id: &str) -> Result<Vec<RunEvent>, Failure> {
        let rows: Vec<(i64, String, String)> = sqlx::query_as(
            "SELECT sequence, at, document FROM run_events WHERE run_id = ? ORDER BY sequence",
        )
        .bind(run_id)
        .fetch_all(&self.light)
        .await
        .map_err(store_failure)?;
        rows.iter()
            .map(|(sequence, at, document)| {
                Ok(RunEvent {
                    run_id: run_id.to_owned(),
                    sequence: u32::try_from(*sequence).unwrap_or(u32::MAX),
                    at: time(at)?,
                    what: from_json(document)?,
                })
            })
            .collect()
    }

    /// Marks running runs whose process has died; their outcome is open until the server was asked.
    pub async fn mark_cut_off_runs(&self) -> Result<(), Failure> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT id, owner FROM runs WHERE status IN ('running', 'queued')")
                .fetch_all(&self.durable)
                .await
                .map_err(store_failure)?;
        for (id, owner) in rows {
            if owner != self.owner.name && !is_alive(&self.folder.join("owners").join(&owner)) {
                // Backups and proofs write to no target, so nothing about them is open.
                sqlx::query(
                    "UPDATE runs SET status = CASE WHEN kind IN ('back_up', 'prove') THEN 'failed' ELSE 'needs_attention' END, \
                     ended_at = CASE WHEN kind IN ('back_up', 'prove') THEN started_at END, \
                     failure = CASE WHEN kind IN ('back_up', 'prove') THEN ? END \
                     WHERE id = ? AND status IN ('running', 'queued')",
                )
                    .bind(to_json(&cut_off())?)
                    .bind(id)
                    .execute(&self.durable)
                    .await
                    .map_err(store_failure)?;
            }
        }
        Ok(())
    }

    /// Runs at work or in need of attention on an environment or, for `DATABASE_URL`, under its name.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn open_runs(
        &self,
        environment_id: Option<&str>,
        environment_name: &str,
    ) -> Result<Vec<RunSummary>, Failure> {
        self.mark_cut_off_runs().await?;
        let rows = sqlx::query(
            "SELECT id, number, kind, environment_name, title, status, started_at, ended_at FROM runs \
             WHERE status IN ('running', 'queued', 'needs_attention') \
               AND CASE WHEN ?1 IS NULL THEN environment_id IS NULL AND environment_name = ?2 ELSE environment_id = ?1 END \
             ORDER BY number DESC",
        )
        .bind(environment_id)
        .bind(environment_name)
        .fetch_all(&self.durable)
        .await
        .map_err(store_failure)?;
        rows.iter().map(summary).collect()
    }

    /// The id of the run with this number.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn run_id(&self, number: u32) -> Result<Option<String>, Failure> {
        sqlx::query_scalar("SELECT id FROM runs WHERE number = ?")
            .bind(i64::from(number))
            .fetch_optional(&self.durable)
            .await
            .map_err(store_failure)
    }
}

/// A run that only read, whose console ended before it did.
fn cut_off() -> Failure {
    Failure::new(FailureCode::Cancelled, "Drydock ended before this did.")
        .unchanged("Nothing of it was kept; the database was only read.")
        .next("Start it again.")
}

fn summary(row: &SqliteRow) -> Result<RunSummary, Failure> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(store_failure);
    let started_at = time(&text("started_at")?)?;
    let ended_at: Option<String> = row.try_get("ended_at").map_err(store_failure)?;
    let seconds = ended_at
        .as_deref()
        .map(time)
        .transpose()?
        .map(|ended| (ended - started_at).num_milliseconds() as f64 / 1000.0);
    Ok(RunSummary {
        id: text("id")?,
        number: u32::try_from(row.try_get::<i64, _>("number").map_err(store_failure)?).unwrap_or(0),
        kind: from_word(text("kind")?)?,
        environment_name: text("environment_name")?,
        title: text("title")?,
        status: from_word(text("status")?)?,
        started_at,
        seconds,
    })
}

async fn insert_step(
    transaction: &mut Transaction<'_, Sqlite>,
    run_id: &str,
    step: &RunStep,
) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO run_steps (run_id, step, verb, title, status, seconds, note) VALUES (?,?,?,?,?,?,?) \
         ON CONFLICT (run_id, step) DO UPDATE SET status = excluded.status, seconds = excluded.seconds, note = excluded.note",
    )
    .bind(run_id)
    .bind(i64::from(step.index))
    .bind(&step.verb)
    .bind(&step.title)
    .bind(word(step.status)?)
    .bind(step.seconds)
    .bind(&step.note)
    .execute(&mut **transaction)
    .await
    .map_err(store_failure)?;
    Ok(())
}
