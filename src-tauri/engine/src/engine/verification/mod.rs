//! Verification: the expectations of the profiles that were seeded and of the environment's files of checks, read
//! and kept; and a query box that only reads.

mod app;
mod database;
mod export;
mod query;
mod setup;

pub use app::AppAnswers;

use super::seeds::read_profile;
use super::{Engine, Target};
use crate::adapters::store::StoredReading;
use crate::domain::profile::{Checks, Expectation, Expected};
use crate::domain::verification::{CheckPart, CheckReading, CheckResult, Moment, Verification};
use crate::domain::{Failure, Outcome};
use app::App;
use chrono::Utc;
use sqlx::postgres::PgConnection;

/// Readings of a check's history, at most.
const MOST_READINGS: u32 = 500;

/// A profile or a file whose checks are read.
struct Suite {
    id: String,
    title: String,
    checks: Checks,
}

impl Suite {
    fn check_id(&self, expectation: &Expectation) -> String {
        format!("{}#{}", self.id, expectation.name)
    }
}

impl Engine {
    /// What was read last; reads nothing.
    ///
    /// # Errors
    /// [`FailureCode::Store`](crate::domain::FailureCode::Store).
    pub async fn verification_last(&self, target: &Target) -> Result<Verification, Failure> {
        let (suites, unreadable) = self.suites(target).await?;
        let mut checks = Vec::new();
        let app = self.app_named(target).await?;
        for suite in &suites {
            for expectation in &suite.checks.expectations {
                match self.last_reading(target, suite, expectation, &app).await? {
                    Some(check) => checks.push(check),
                    // It is read only where somebody says so; without a line nobody could.
                    None if writes(expectation) => checks.push(not_run(suite, expectation)),
                    None => {}
                }
            }
        }
        let run = self.newest_seed(target).await?;
        Ok(summed(checks, expected(&suites), unreadable, run))
    }

    /// As [`Engine::verification_last`]; `None` where no check is set up at all.
    pub(super) async fn last_checks(&self, target: &Target) -> Result<Option<Verification>, Failure> {
        let (suites, unreadable) = self.suites(target).await?;
        if expected(&suites) == 0 && unreadable.is_empty() {
            return Ok(None);
        }
        self.verification_last(target).await.map(Some)
    }

    /// Reads every check of the profiles that were seeded here and of the environment's files. On production a check
    /// that writes is left as it was read last, unless `writing` names it.
    ///
    /// # Errors
    /// When the target cannot be reached. A check that cannot be read is a result, unknown.
    pub async fn verify(&self, target: &Target, writing: &[String]) -> Result<Verification, Failure> {
        let (suites, unreadable) = self.suites(target).await?;
        let app = self.app(target, &suites, writing).await?;
        let app = if self.frozen(target).await?.is_some() { app.without_writing() } else { app };
        let checks = self.read_suites(target, &suites, &app, None, Moment::Asked).await?;
        let checks = self.with_left_out(target, &suites, &app, checks).await?;
        let run = self.newest_seed(target).await?;
        Ok(summed(checks, expected(&suites), unreadable, run))
    }

    /// Reads the checks of a profile, of a file or of a folder of files, whether they belong to an environment or not.
    ///
    /// # Errors
    /// When they or the target cannot be read.
    pub async fn verify_source(
        &self,
        target: &Target,
        source: &str,
        answers: AppAnswers,
    ) -> Result<Verification, Failure> {
        let suites = setup::from_source(source)?;
        // What was not told is what the environment keeps.
        let app = if answers.app.is_none() && target.environment.is_some() {
            self.app(target, &suites, &[]).await?
        } else {
            App::answered(answers, &suites, target.tier)?
        };
        let app = if self.frozen(target).await?.is_some() { app.without_writing() } else { app };
        let checks = self.read_suites(target, &suites, &app, None, Moment::Asked).await?;
        let checks = self.with_left_out(target, &suites, &app, checks).await?;
        Ok(summed(checks, expected(&suites), Vec::new(), None))
    }

    /// Reads the checks of a profile and of the environment's files around a run of the profile; those that write are
    /// left out.
    pub(super) async fn read_around(
        &self,
        target: &Target,
        profile: &str,
        run_id: &str,
        moment: Moment,
    ) -> Result<Vec<CheckResult>, Failure> {
        let mut suites = self.own_suites(target).await?.0;
        suites.insert(0, suite(profile)?);
        let app = self.app(target, &suites, &[]).await?.without_writing();
        self.read_suites(target, &suites, &app, Some(run_id), moment).await
    }

    /// The profiles that were seeded here and the environment's files; and what of them cannot be read.
    async fn suites(&self, target: &Target) -> Result<(Vec<Suite>, Vec<String>), Failure> {
        let environment = target.environment_id().unwrap_or_default();
        let (mut suites, mut unreadable) = (Vec::new(), Vec::new());
        for (profile, _) in self.store().seeded(&environment).await? {
            match suite(&profile) {
                Ok(suite) => suites.push(suite),
                Err(failure) => unreadable.push(format!("{profile}: {}", failure.what)),
            }
        }
        let (own, unread) = self.own_suites(target).await?;
        suites.extend(own);
        unreadable.extend(unread);
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

    /// The newest reading of a check. What was read before the newest run ended says nothing about now, unless that
    /// run itself read it as its last step; nor does what was asked before the check or the app's address changed.
    async fn last_reading(
        &self,
        target: &Target,
        suite: &Suite,
        expectation: &Expectation,
        app: &App,
    ) -> Result<Option<CheckResult>, Failure> {
        let id = suite.check_id(expectation);
        let newest = self.store().readings(&target.key(), Some(&id), None, 1).await?;
        let Some(StoredReading { mut check, run_id, after }) = newest.into_iter().next() else {
            return Ok(None);
        };
        let present = unread_check(suite, expectation, self.before_run(target, &id).await?);
        check.before = present.before;
        check.writes = present.writes;
        check.suite = present.suite;
        if check.of != app.digest(expectation) {
            check.outcome = Outcome::Unknown;
            check.why = Some("It was not read since it was changed.".to_owned());
            return Ok(Some(check));
        }
        let applied = self.store().last_apply(&target.environment_id().unwrap_or_default()).await?;
        if let Some((at, number, run)) = applied
            && check.at < at
            && !(after && run_id == Some(run))
        {
            check.outcome = Outcome::Unknown;
            check.why = Some(format!("It was not read since run {number}."));
        }
        Ok(Some(check))
    }

    /// Every check of the suites in their order, each kept as soon as it is read; one that writes is left out where it
    /// may not.
    async fn read_suites(
        &self,
        target: &Target,
        suites: &[Suite],
        app: &App,
        run_id: Option<&str>,
        moment: Moment,
    ) -> Result<Vec<CheckResult>, Failure> {
        let mut connection: Option<Result<PgConnection, Failure>> = None;
        let mut checks = Vec::new();
        for suite in suites {
            for expectation in &suite.checks.expectations {
                let id = suite.check_id(expectation);
                let mut check = unread_check(suite, expectation, self.before_run(target, &id).await?);
                check.of = app.digest(expectation);
                if let Expected::Http(flow) = &expectation.what {
                    if flow.writes.is_some() && !app.may_write(&id) {
                        continue;
                    }
                    let begun = flow.writes.is_some().then(|| begun(&check));
                    if let Some(begun) = &begun {
                        let readings = std::slice::from_ref(begun);
                        self.store().save_readings(&target.key(), run_id, moment, readings).await?;
                    }
                    app.read(flow, &mut check).await;
                    if let Some(begun) = &begun {
                        self.store().drop_reading(&target.key(), begun).await?;
                    }
                } else {
                    if connection.is_none() {
                        connection = Some(target.connector.open_reading("drydock verify").await);
                    }
                    match &mut connection {
                        Some(Ok(connection)) => {
                            database::read(target, connection, expectation, &mut check).await;
                        }
                        // Without a database nothing at all can be told, unless the app told something already.
                        Some(Err(failure)) if checks.is_empty() => return Err(failure.clone()),
                        Some(Err(failure)) => check.why = Some(failure.what.clone()),
                        None => {}
                    }
                }
                let readings = std::slice::from_ref(&check);
                self.store().save_readings(&target.key(), run_id, moment, readings).await?;
                checks.push(check);
            }
        }
        Ok(checks)
    }

    /// The checks as they were read, and those that were left out as they were read last.
    async fn with_left_out(
        &self,
        target: &Target,
        suites: &[Suite],
        app: &App,
        read: Vec<CheckResult>,
    ) -> Result<Vec<CheckResult>, Failure> {
        let mut read = read.into_iter().peekable();
        let mut checks = Vec::new();
        for suite in suites {
            for expectation in &suite.checks.expectations {
                let id = suite.check_id(expectation);
                if let Some(check) = read.next_if(|check| check.id == id) {
                    checks.push(check);
                    continue;
                }
                let last = self.last_reading(target, suite, expectation, app).await?;
                checks.push(last.unwrap_or_else(|| not_run(suite, expectation)));
            }
        }
        Ok(checks)
    }

    /// Earlier readings of a check, oldest first.
    ///
    /// # Errors
    /// [`FailureCode::Store`](crate::domain::FailureCode::Store).
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
}

/// The checks of a profile.
fn suite(profile: &str) -> Result<Suite, Failure> {
    let known = read_profile(profile)?;
    Ok(Suite { id: profile.to_owned(), title: known.title, checks: known.checks })
}

fn expected(suites: &[Suite]) -> usize {
    suites.iter().map(|suite| suite.checks.expectations.len()).sum()
}

fn writes(expectation: &Expectation) -> bool {
    matches!(&expectation.what, Expected::Http(flow) if flow.writes.is_some())
}

/// What is known of a check that writes while it runs; it stays where the console ends before it does.
fn begun(check: &CheckResult) -> CheckResult {
    let mut begun = check.clone();
    begun.at = Utc::now();
    begun.seconds = f64::MIN_POSITIVE;
    begun.why =
        Some("It was begun and never ended: whether what it wrote was taken back is not known.".to_owned());
    begun
}

/// A check that writes and never ran.
fn not_run(suite: &Suite, expectation: &Expectation) -> CheckResult {
    let mut check = unread_check(suite, expectation, None);
    check.why = Some("It writes, so it runs only when somebody says so.".to_owned());
    check
}

/// A check before anything is known of it.
fn unread_check(suite: &Suite, expectation: &Expectation, before: Option<String>) -> CheckResult {
    let (part, writes) = match &expectation.what {
        Expected::Http(flow) => (flow.part, flow.writes.clone()),
        _ => (CheckPart::Database, None),
    };
    CheckResult {
        id: suite.check_id(expectation),
        suite: suite.title.clone(),
        part,
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
        of: String::new(),
        requests: Vec::new(),
        writes,
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
    let not_run = checks.iter().filter(|check| check.seconds == 0.0).count();
    let none_read = not_run == checks.len();
    let unread_all = unread + not_run;
    let headline = match (checks.len(), failed, unknown) {
        _ if none_read && expected > 0 => "Nothing has been checked yet.".to_owned(),
        (0, _, _) if !unreadable.is_empty() => "The checks could not be read.".to_owned(),
        (0, _, _) => "There is nothing to check yet.".to_owned(),
        (1, 0, 0) if unread_all == 0 && unreadable.is_empty() => "The only check holds.".to_owned(),
        (all, 0, 0) if unread_all == 0 && unreadable.is_empty() => format!("All {all} checks hold."),
        _ => {
            let part = |count: usize, one: &str, many: &str| match count {
                0 => None,
                1 => Some(format!("1 {one}")),
                count => Some(format!("{count} {many}")),
            };
            let parts: Vec<String> = [
                part(failed, "fails", "fail"),
                part(unknown.saturating_sub(not_run), "could not be read", "could not be read"),
                part(unread_all, "was not read yet", "were not read yet"),
                part(
                    unreadable.len(),
                    "profile or file is not readable",
                    "profiles or files are not readable",
                ),
            ]
            .into_iter()
            .flatten()
            .collect();
            format!("{pass} of {expected} checks hold. {}.", parts.join(", "))
        }
    };
    let lead = if none_read {
        if let Some(first) = unreadable.first() {
            first.clone()
        } else if expected > 0 {
            "The seeded profiles and the files of checks bring some; read them now.".to_owned()
        } else {
            "Checks come with seed profiles and from files of checks: set one up, and they are read before and after a seed.".to_owned()
        }
    } else if let Some(first) = checks.iter().find(|check| check.outcome == Outcome::Block) {
        format!("{}: {}", first.name, first.why.clone().unwrap_or_default())
    } else if let Some(first) = checks.iter().find(|check| check.outcome == Outcome::Unknown) {
        format!("{}: {}", first.name, first.why.clone().unwrap_or_default())
    } else if let Some(first) = unreadable.first() {
        first.clone()
    } else if unread > 0 {
        format!("{unread} more have not been read yet.")
    } else {
        "Each was read from the database or from the app.".to_owned()
    };
    Verification {
        at: checks.iter().filter(|check| check.seconds > 0.0).map(|check| check.at).min(),
        headline,
        lead,
        outcome,
        checks,
        run,
        unreadable,
    }
}
