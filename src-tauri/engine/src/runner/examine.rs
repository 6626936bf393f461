//! What became of a run whose console was killed or whose line was lost: journal and server side by
//! side. Reads only; nothing is ever sent again.

mod beside;

use super::apply::beside::afterwards;
use super::apply::rows::committing;
use super::session::Connector;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::{databases, ledger, observe, trial};
use crate::adapters::store::Store;
use crate::domain::ledger::LedgerRow;
use crate::domain::plan::{Plan, Step};
use crate::domain::run::{
    Examination, ExaminedStep, NextButton, Run, RunKind, RunStatus, RunStep, StepStatus,
};
use crate::domain::{Failure, FailureCode, Finding, Outcome};
use chrono::Utc;

/// Examines a run and, where its outcome is now known, records it.
///
/// # Errors
/// [`FailureCode::RunUnknown`], [`FailureCode::Store`]. A server that cannot be reached is a result.
pub async fn examine(
    store: &Store,
    connector: Option<&Connector>,
    run_id: &str,
) -> Result<Examination, Failure> {
    store.mark_cut_off_runs().await?;
    let run = store.run(run_id).await?;
    let plan = store.plan(&run.plan_id).await?;
    let sessions = store.sessions(run_id).await?;
    let server = match connector {
        Some(connector) => read(connector, &plan, &run, &sessions).await,
        None => Err(Failure::new(
            FailureCode::EnvironmentUnknown,
            "The environment of this run does not exist any more.",
        )),
    };
    let server = match server {
        Ok(server) => server,
        Err(failure) => return Ok(unreachable(run, failure)),
    };
    let alive = !server.alive.is_empty();
    let rows: Vec<ExaminedStep> = run.steps.iter().map(|step| examined(step, &plan, &run, &server)).collect();
    let open = rows.iter().any(|row| row.outcome == StepStatus::Started);
    let failed = rows.iter().any(|row| row.outcome == StepStatus::Failed);
    let mut examination = Examination {
        headline: String::new(),
        evidence: evidence(&server, &sessions),
        unknown: Vec::new(),
        still_running: alive,
        next: Vec::new(),
        read_at: Some(Utc::now()),
        rows,
        run,
    };
    words(&mut examination, alive, open, failed, &plan);
    if examination.run.status == RunStatus::NeedsAttention && !alive && !open {
        settle(store, &mut examination, failed, &plan).await?;
    }
    Ok(examination)
}

struct Server {
    rows: Vec<LedgerRow>,
    has_ledger: bool,
    same_database: bool,
    alive: Vec<(i32, String, observe::SessionState)>,
    /// What became of the transaction that was about to be committed; `None`: none was, or nobody knows.
    fate: Option<String>,
    /// All databases, where the run made one.
    databases: Vec<databases::Named>,
}

async fn read(
    connector: &Connector,
    plan: &Plan,
    run: &Run,
    sessions: &[(i32, String)],
) -> Result<Server, Failure> {
    let mut connection = connector.open_reading("drydock examine").await?;
    let connection = &mut connection;
    // Sessions first: what is read after they are gone is final. The other way round, a commit in between
    // would be missed.
    let mut alive = Vec::new();
    for (pid, application) in sessions {
        if let Some(state) = connector
            .read(observe::session(connection, *pid, application))
            .await
            .map_err(|error| failure(&error))?
        {
            alive.push((*pid, application.clone(), state));
        }
    }
    let facts =
        connector.read(observe::facts(connection, &plan.schema)).await.map_err(|error| failure(&error))?;
    let rows = if facts.has_ledger() {
        connector.read(ledger::read(connection, &plan.schema)).await.map_err(|error| failure(&error))?
    } else {
        Vec::new()
    };
    let beside = plan.restore().and_then(|step| step.beside.as_deref());
    let back = plan.swap_back();
    let databases = match (beside, back) {
        (None, None) => Vec::new(),
        _ => connector.read(databases::all(connection)).await.map_err(|error| failure(&error))?,
    };
    // Where the databases were exchanged, the other one answers now.
    let kept = beside.and_then(|beside| beside.kept_as.as_ref()).or(back.map(|back| &back.away));
    let exchanged = kept.is_some_and(|kept| {
        databases.iter().any(|found| found.name == *kept && found.oid == plan.identity.database_oid)
    });
    let same_database = (exchanged || facts.database_oid == plan.identity.database_oid)
        && facts.system_identifier == plan.identity.system_identifier
        && facts.database == plan.identity.database;
    let sent = run.steps.iter().find_map(|step| committing(step.note.as_deref()));
    let fate = match sent {
        Some(transaction) => {
            connector.read(trial::fate(connection, transaction)).await.map_err(|error| failure(&error))?
        }
        None => None,
    };
    Ok(Server { rows, has_ledger: facts.has_ledger(), same_database, alive, fate, databases })
}

fn examined(step: &RunStep, plan: &Plan, run: &Run, server: &Server) -> ExaminedStep {
    let planned = plan.steps.get(step.index as usize);
    let beside = match planned {
        Some(Step::Restore(restore)) => restore.beside.as_deref(),
        _ => None,
    };
    let begun = !matches!(step.status, StepStatus::Queued | StepStatus::NotRun);
    let journal = match step.status {
        StepStatus::Queued | StepStatus::NotRun => "not started".to_owned(),
        StepStatus::Started | StepStatus::Waiting => "started, no end".to_owned(),
        StepStatus::Done => step.note.clone().unwrap_or_else(|| "done".to_owned()),
        StepStatus::Failed => step.note.clone().unwrap_or_else(|| "failed".to_owned()),
        StepStatus::TakenBack => step.note.clone().unwrap_or_else(|| "taken back".to_owned()),
    };
    let (words, outcome) = if run.kind == RunKind::DryRun {
        dry(step, server)
    } else if let Some(beside) = beside.filter(|_| begun && step.status != StepStatus::Done) {
        let before = plan.identity.database_oid;
        beside::on_server(beside, step, before, &server.databases, !server.alive.is_empty())
    } else if let Some(Step::SwapBack(back)) = planned.filter(|_| begun && step.status != StepStatus::Done) {
        let before = plan.identity.database_oid;
        beside::swapped_back(back, before, &server.databases, !server.alive.is_empty())
    } else if !server.same_database {
        ("another database answers here".to_owned(), step.status)
    } else {
        on_server(step, planned, server)
    };
    let open = matches!(step.status, StepStatus::Started | StepStatus::Waiting);
    let differs = open
        || (step.status != outcome
            && !matches!((step.status, outcome), (StepStatus::Queued, StepStatus::NotRun)));
    ExaminedStep { step: step.clone(), journal, server: words, outcome, differs }
}

fn dry(step: &RunStep, server: &Server) -> (String, StepStatus) {
    if server.alive.is_empty() {
        let status = match step.status {
            StepStatus::Queued => StepStatus::NotRun,
            StepStatus::Started | StepStatus::Waiting => StepStatus::TakenBack,
            other => other,
        };
        ("taken back: a dry run cannot commit".to_owned(), status)
    } else {
        ("still at work; it cannot commit".to_owned(), StepStatus::Started)
    }
}

fn on_server(step: &RunStep, planned: Option<&Step>, server: &Server) -> (String, StepStatus) {
    let at_work = !server.alive.is_empty();
    let begun = !matches!(step.status, StepStatus::Queued | StepStatus::NotRun);
    match planned {
        Some(Step::Migrate(migrate)) => {
            let row = server.rows.iter().find(|row| row.id == migrate.ledger_id);
            match row {
                Some(row) if row.finished_at.is_some() => {
                    let words =
                        if row.rolled_back_at.is_some() { "row, rolled back since" } else { "row, finished" };
                    (words.to_owned(), StepStatus::Done)
                }
                Some(row) if row.rolled_back_at.is_some() => {
                    ("row, failed, rolled back since".to_owned(), StepStatus::Failed)
                }
                Some(_) if at_work && begun => {
                    ("row, not finished; a session is at work".to_owned(), StepStatus::Started)
                }
                Some(_) => ("row, not finished; nobody is at work".to_owned(), StepStatus::Failed),
                None if at_work && begun && step.status != StepStatus::TakenBack => {
                    ("no row yet; a session is at work".to_owned(), StepStatus::Started)
                }
                None if begun => ("no row: the server took it back".to_owned(), StepStatus::TakenBack),
                None => ("no row".to_owned(), StepStatus::NotRun),
            }
        }
        Some(Step::CreateLedger { .. }) => {
            if server.has_ledger {
                ("the table is there".to_owned(), StepStatus::Done)
            } else {
                ("no table".to_owned(), StepStatus::NotRun)
            }
        }
        Some(Step::Resolve { roll_back_rows, insert_applied, .. }) => {
            let rolled = roll_back_rows
                .iter()
                .all(|id| server.rows.iter().any(|row| row.id == *id && row.rolled_back_at.is_some()));
            let inserted = insert_applied
                .as_ref()
                .is_none_or(|applied| server.rows.iter().any(|row| row.id == applied.id));
            if rolled && inserted {
                ("recorded".to_owned(), StepStatus::Done)
            } else if begun {
                ("not recorded: taken back".to_owned(), StepStatus::TakenBack)
            } else {
                ("not recorded".to_owned(), StepStatus::NotRun)
            }
        }
        Some(Step::RunStatements { .. }) if step.status == StepStatus::Done => {
            ("as the journal says".to_owned(), StepStatus::Done)
        }
        Some(Step::RunStatements { .. }) if begun => (
            "see the failed migration: it shows what is there".to_owned(),
            if at_work { StepStatus::Started } else { StepStatus::Failed },
        ),
        Some(Step::Seed(_) | Step::Undo(_) | Step::Restore(_) | Step::RollBack(_))
            if step.status == StepStatus::Done =>
        {
            ("as the journal says".to_owned(), StepStatus::Done)
        }
        Some(Step::Seed(_) | Step::Undo(_) | Step::Restore(_) | Step::RollBack(_)) if begun => {
            rows_on_server(step, server, at_work)
        }
        Some(Step::Call(_)) if begun && step.status != StepStatus::Done => {
            ("the app was not asked what it did".to_owned(), StepStatus::Failed)
        }
        Some(Step::Check) if begun => (
            "same database".to_owned(),
            if step.status == StepStatus::Failed { StepStatus::Failed } else { StepStatus::Done },
        ),
        _ if step.status == StepStatus::Done => ("as the journal says".to_owned(), StepStatus::Done),
        _ if step.status == StepStatus::Failed => ("as the journal says".to_owned(), StepStatus::Failed),
        _ => ("nothing to read".to_owned(), StepStatus::NotRun),
    }
}

/// Rows are written in one transaction; its number was journalled before it was committed.
fn rows_on_server(step: &RunStep, server: &Server, at_work: bool) -> (String, StepStatus) {
    match (committing(step.note.as_deref()), server.fate.as_deref()) {
        (Some(_), Some("committed")) => ("committed".to_owned(), StepStatus::Done),
        (Some(_), Some("aborted")) => ("taken back".to_owned(), StepStatus::TakenBack),
        _ if at_work => ("a session is at work".to_owned(), StepStatus::Started),
        // The server keeps the fate of old transactions for a long while; without it nothing is claimed.
        (Some(_), _) => ("the server does not know the transaction any more".to_owned(), StepStatus::Started),
        (None, _) if step.status == StepStatus::TakenBack => ("taken back".to_owned(), StepStatus::TakenBack),
        (None, _) => ("never committed: the server took it back".to_owned(), StepStatus::TakenBack),
    }
}

fn evidence(server: &Server, sessions: &[(i32, String)]) -> Vec<Finding> {
    let mut evidence = vec![if server.same_database {
        Finding::new("identity", Outcome::Pass, "It is the database the run worked on.")
    } else {
        Finding::new("identity", Outcome::Block, "Another database answers at this address now.")
    }];
    for (pid, _) in sessions {
        evidence.push(match server.alive.iter().find(|(alive, _, _)| alive == pid) {
            Some((_, _, state)) => Finding::new(
                "session",
                Outcome::Unknown,
                format!("Session {pid} is still there: {} for {:.0} s.", state.state, state.seconds),
            ),
            None => Finding::new("session", Outcome::Pass, format!("Session {pid} is gone.")),
        });
    }
    let unfinished = server.rows.iter().filter(|row| row.is_unfinished()).count();
    evidence.push(if unfinished == 0 {
        Finding::new(
            "ledger",
            Outcome::Pass,
            format!("The ledger has {} rows, none unfinished.", server.rows.len()),
        )
    } else {
        Finding::new("ledger", Outcome::Warn, format!("The ledger has {unfinished} unfinished rows."))
    });
    evidence
}

fn words(examination: &mut Examination, alive: bool, open: bool, failed: bool, plan: &Plan) {
    let total = plan.migrations().count();
    let done = examination
        .rows
        .iter()
        .filter(|row| row.step.verb == "Migrate" && row.outcome == StepStatus::Done)
        .count();
    let cut = examination.rows.iter().find(|row| row.step.verb == "Migrate" && row.differs);
    if alive && open {
        examination.headline = "The server is still working on this run.".to_owned();
        examination.next = vec![NextButton::ExamineAgain, NextButton::CancelOnServer];
        return;
    }
    if examination.run.kind == RunKind::DryRun {
        examination.headline = "The dry run was cut off. The server took all of it back.".to_owned();
        examination.next = vec![NextButton::NewPlan];
        return;
    }
    if plan.writes_rows() {
        let step = examination.rows.iter().find(|row| matches!(row.step.verb.as_str(), "Seed" | "Undo"));
        let outcome = step.map(|row| row.outcome);
        let (headline, next) = match outcome {
            Some(StepStatus::Done) => {
                ("Every row is in. The run can be taken back like any other.", NextButton::Nothing)
            }
            Some(StepStatus::Started) => (
                "Whether the rows are in is not known: the server does not know the transaction any more.",
                NextButton::ExamineAgain,
            ),
            _ => ("No row is in: the server took all of them back.", NextButton::NewPlan),
        };
        examination.headline = headline.to_owned();
        examination.next = vec![next];
        if examination.run.failure.is_none() && examination.run.status == RunStatus::NeedsAttention {
            examination.unknown.push("Why the console stopped: its journal ends without a word.".to_owned());
        }
        return;
    }
    if let Some(back) = plan.swap_back() {
        let step = examination.rows.iter().find(|row| row.step.verb == "Swap back");
        let (headline, next) = beside::back_headline(back, step.map(|row| row.outcome));
        examination.headline = headline;
        examination.next = vec![next];
        return;
    }
    if plan.restore().is_some() || plan.roll_back().is_some() {
        let verbs = ["Restore", "Roll back"];
        let step = examination.rows.iter().find(|row| verbs.contains(&row.step.verb.as_str()));
        let outcome = step.map(|row| row.outcome);
        if let Some(beside) = plan.restore().and_then(|step| step.beside.as_deref()) {
            let (headline, next) = beside::headline(beside, outcome);
            examination.headline = headline;
            examination.next = vec![next];
            return;
        }
        let (headline, next) = match outcome {
            Some(StepStatus::Done) => ("It got in, all of it.", NextButton::Nothing),
            Some(StepStatus::Started) => (
                "Whether it got in is not known: the server does not know the transaction any more.",
                NextButton::ExamineAgain,
            ),
            _ => ("None of it got in: the database is as it was before.", NextButton::NewPlan),
        };
        examination.headline = headline.to_owned();
        examination.next = vec![next];
        if examination.run.failure.is_none() && examination.run.status == RunStatus::NeedsAttention {
            examination.unknown.push("Why the console stopped: its journal ends without a word.".to_owned());
        }
        return;
    }
    if plan.call().is_some() {
        let step = examination.rows.iter().find(|row| row.step.verb == "Call");
        let (headline, next) = match step.map(|row| (row.outcome, &row.step.note)) {
            Some((StepStatus::Done, _)) => ("Every request was answered.".to_owned(), NextButton::Nothing),
            Some((StepStatus::Failed, Some(sent))) => {
                examination.unknown.push(format!("Whether the app did what it was asked for: {sent}."));
                (format!("The run stopped in its requests: {sent}."), NextButton::NewPlan)
            }
            Some((StepStatus::Failed, None)) => {
                ("The run stopped before its first request.".to_owned(), NextButton::NewPlan)
            }
            _ => ("No request was sent.".to_owned(), NextButton::NewPlan),
        };
        examination.headline = headline;
        examination.next = vec![next];
        return;
    }
    let ended = match cut {
        Some(row) => match row.outcome {
            StepStatus::Done => format!(" {} got in before the end.", row.step.title),
            StepStatus::TakenBack => format!(" {} was taken back by the server.", row.step.title),
            StepStatus::Failed => format!(
                " {} was started and not finished; its repair shows what of it is in.",
                row.step.title
            ),
            _ => String::new(),
        },
        None => String::new(),
    };
    examination.headline = format!("{done} of {total} migrations are in.{ended}");
    examination.next = if failed {
        vec![NextButton::OpenRepair, NextButton::ExamineAgain]
    } else if done < total {
        vec![NextButton::NewPlan, NextButton::ExamineAgain]
    } else {
        vec![NextButton::Nothing]
    };
    if examination.run.failure.is_none() && examination.run.status == RunStatus::NeedsAttention {
        examination.unknown.push("Why the console stopped: its journal ends without a word.".to_owned());
    }
}

fn unreachable(run: Run, failure: Failure) -> Examination {
    let rows = run
        .steps
        .iter()
        .map(|step| ExaminedStep {
            step: step.clone(),
            journal: format!("{:?}", step.status).to_lowercase(),
            server: "could not be read".to_owned(),
            outcome: step.status,
            differs: false,
        })
        .collect();
    Examination {
        headline: "What became of this run is not known: the server cannot be read.".to_owned(),
        rows,
        evidence: vec![Finding::new("connection", Outcome::Unknown, failure.what.clone())],
        unknown: vec!["Everything the journal has no end for.".to_owned()],
        still_running: false,
        next: vec![NextButton::ExamineAgain],
        read_at: None,
        run,
    }
}

/// Records the outcome that the server has proven.
async fn settle(
    store: &Store,
    examination: &mut Examination,
    failed: bool,
    plan: &Plan,
) -> Result<(), Failure> {
    let steps: Vec<RunStep> = examination
        .rows
        .iter()
        .map(|row| {
            let mut step = row.step.clone();
            if row.differs || step.status != row.outcome {
                step.status = row.outcome;
                step.note = Some(format!("read from the server afterwards: {}", row.server));
            }
            step
        })
        .collect();
    let all_in = steps
        .iter()
        .filter(|step| step.verb != "Verify" && step.verb != "Check")
        .all(|step| step.status == StepStatus::Done);
    let status = if all_in && examination.run.kind == RunKind::Apply && !failed {
        RunStatus::Succeeded
    } else {
        RunStatus::Failed
    };
    let cut = examination.run.failure.clone().or_else(|| {
        (status == RunStatus::Failed).then(|| {
            Failure::new(FailureCode::ConnectionLost, "The console stopped before the run's end.")
                .why("Its journal ends without an outcome; the outcome was read from the server afterwards.")
                .unchanged("Nothing was sent twice.")
                .next("Make a new plan for what is left.")
        })
    });
    let mut aftermath = vec![examination.headline.clone()];
    if status == RunStatus::Succeeded {
        aftermath.extend(afterwards(plan));
    }
    store.end_run(&examination.run.id, status, cut.as_ref(), &aftermath, &steps, Utc::now()).await?;
    examination.run = store.run(&examination.run.id).await?;
    Ok(())
}
