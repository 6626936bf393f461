//! Restoring beside the target: a database is made under a drawn name, loaded, compared, and only then gets its name,
//! in one transaction. So the name tells at any time what became of it: whoever bears it is whole.

use super::restore::{Tried, Work, attended};
use super::{Apply, SETTLE_PATIENCE, Sessions, Stop, in_time};
use crate::adapters::postgres::databases::{self, Named};
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::{self, send};
use crate::adapters::postgres::words::identifier;
use crate::domain::backup::Beside;
use crate::domain::plan::Plan;
use crate::domain::run::{RunStatus, StepStatus};
use crate::domain::words::count;
use crate::domain::{Failure, FailureCode};
use crate::runner::backup::beside::{Naming, fill, on, outside, rename};
use crate::runner::backup::pulse;
use crate::runner::backup::restore::Restore;
use crate::runner::session::{Session, cancel_session, wait_gone};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Before the number of the database that is made, in a step's note.
const NUMBER: &str = ", number ";

/// At the beginning of that note, once the name is about to be given.
pub(super) const NAMING: &str = "naming ";

/// The number of the database that a step made, as it was journalled before the name was given.
pub fn number(note: Option<&str>) -> Option<u32> {
    note?.rsplit_once(NUMBER)?.1.parse().ok()
}

/// What to do after a restore beside the target, or after a swap back, as sentences.
pub fn afterwards(plan: &Plan) -> Vec<String> {
    if let Some(back) = plan.swap_back() {
        return vec![kept_words(&back.away, "everything that was written into it")];
    }
    let Some(beside) = plan.restore().and_then(|step| step.beside.as_deref()) else { return Vec::new() };
    match &beside.kept_as {
        Some(kept) => vec![
            kept_words(kept, "everything that was written until the names were exchanged"),
            "To go back to it, take the swap back: the button of this run exchanges the names once more."
                .to_owned(),
        ],
        None => vec![
            "Nothing that was there was touched.".to_owned(),
            format!(
                "To look at it, make an environment for it: the same server and login, database {}.",
                beside.name
            ),
        ],
    }
}

fn kept_words(name: &str, with: &str) -> String {
    format!(
        "The database that was there is kept as {name}, with {with}. When nobody needs it any more: DROP DATABASE {}.",
        identifier(name)
    )
}

/// How a database that was begun stands after something failed.
enum Left {
    /// It is not there; whether there was one to drop.
    Nothing { dropped: bool },
    /// It got its name after all.
    Named,
    /// It is there and could not be dropped.
    Remains(String),
    /// It is not known.
    Unknown(Failure),
}

impl Apply {
    /// Makes the database, and gives it its name.
    pub(super) async fn restore_beside(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        beside: &Beside,
    ) -> Result<Option<String>, Stop> {
        let restore = match self.restore.take().map(|job| job.work) {
            Some(Work::Restore(restore)) => restore,
            _ => {
                return Err(Failure::new(FailureCode::RestoreRefused, "The backup is not there any more.")
                    .unchanged("Nothing was changed.")
                    .into());
            }
        };
        let mut known = Vec::new();
        let made = self.make(sessions, index, beside, &restore, &mut known).await;
        let failure = match made {
            Ok(words) => return Ok(Some(words)),
            Err(failure) => failure,
        };
        let note = self.run.steps[index].note.clone().unwrap_or_default();
        let untouched = match &beside.kept_as {
            Some(_) if note.starts_with(NAMING) => {
                format!(
                    "The database {} is the one that it was; its sessions may have been cut.",
                    beside.name
                )
            }
            Some(_) => format!("The database {} is the one that it was.", beside.name),
            None => "Nothing that was there was touched.".to_owned(),
        };
        if note.is_empty() {
            return Err(Failure { unchanged: Some(untouched), ..failure }.into());
        }
        match self.left(index, beside, &known).await {
            Left::Named => Ok(Some("it has its name; the line was lost just after that".to_owned())),
            Left::Nothing { dropped } => {
                let note =
                    if dropped { "the new database was dropped again" } else { "no database was made" };
                self.settle_step(index, StepStatus::TakenBack, Some(note.to_owned()), None);
                let again = if dropped { " What was made beside it was dropped again." } else { "" };
                let unchanged = format!("{untouched}{again}");
                Err(Failure { unchanged: Some(unchanged), ..failure }.into())
            }
            Left::Remains(why) => {
                let note = format!("{} was left on the server", beside.making);
                self.settle_step(index, StepStatus::Failed, Some(note), None);
                let unchanged = format!(
                    "{untouched} The database {} was made and could not be dropped ({why}). It is not whole: DROP DATABASE {}.",
                    beside.making,
                    identifier(&beside.making)
                );
                Err(Failure { unchanged: Some(unchanged), ..failure }.into())
            }
            Left::Unknown(why) => Err(open_end(failure, &why)),
        }
    }

    async fn make(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        beside: &Beside,
        restore: &Restore,
        known: &mut Vec<(i32, String)>,
    ) -> Result<String, Failure> {
        let short = self.run.id.get(..8).unwrap_or_default().to_owned();
        let mut maker = outside(&self.connector, &format!("drydock make {short}")).await?;
        self.know(sessions, known, &maker).await?;
        free(
            &in_time(databases::all(&mut maker.connection)).await.map_err(|error| failure(&error))?,
            beside,
        )?;
        self.mark(index, format!("making {}", beside.making)).await?;
        let sql = databases::create_sql(&beside.making, &beside.form);
        let pid = maker.pid;
        let creating = async {
            send(&mut maker.connection, sql)
                .await
                .map_err(|error| refused(&error, "The database could not be made."))
        };
        beside_the_target(creating, sessions, pid, &self.cancel).await?;
        let there = in_time(databases::all(&mut maker.connection)).await.map_err(|error| failure(&error))?;
        let made = there.iter().find(|found| found.name == beside.making).map(|found| found.oid);
        let oid =
            made.ok_or_else(|| Failure::new(FailureCode::ServerError, "The new database is not there."))?;
        maker.close().await;
        self.mark(index, format!("making {}{NUMBER}{oid}", beside.making)).await?;

        let connector = on(&self.connector, &beside.making);
        let mut loader = Session::open(&connector, format!("drydock restore {short}")).await?;
        self.know(sessions, known, &loader).await?;
        let (events, pid) = (self.events.clone(), loader.pid);
        let filling = fill(restore, &mut loader, &events, super::index_u32(index));
        let words = beside_the_target(filling, sessions, pid, &self.cancel).await?;
        loader.close().await;

        let mut giver = outside(&self.connector, &format!("drydock name {short}")).await?;
        let cutter = outside(&self.connector, &format!("drydock cut {short}")).await?;
        self.know(sessions, known, &giver).await?;
        self.know(sessions, known, &cutter).await?;
        if beside.kept_as.is_some() {
            dress(&mut giver, beside).await?;
        }
        if *self.cancel.borrow() {
            return Err(cancelled());
        }
        // From here on a cut leaves open who bears the name; the numbers tell.
        self.mark(index, format!("{NAMING}{}{NUMBER}{oid}", beside.making)).await?;
        let mut names = Vec::new();
        if let Some(kept) = &beside.kept_as {
            names.push(Naming { from: &beside.name, to: kept, oid: self.plan.identity.database_oid });
        }
        names.push(Naming { from: &beside.making, to: &beside.name, oid });
        let cut = give(giver, cutter, sessions, &names, "The database could not be given its name.").await?;
        Ok(match &beside.kept_as {
            None => format!("the database {} is new; {words}", beside.name),
            Some(kept) => format!("{words}; {cut} cut, and the database before is kept as {kept}"),
        })
    }

    /// Journals what is about to happen.
    pub(super) async fn mark(&mut self, index: usize, note: String) -> Result<(), Failure> {
        let step = &mut self.run.steps[index];
        step.note = Some(note);
        self.store.journal(&self.run.id, std::slice::from_ref(step)).await
    }

    /// Journals a session before it does anything.
    pub(super) async fn know(
        &self,
        sessions: &Sessions,
        known: &mut Vec<(i32, String)>,
        session: &Session,
    ) -> Result<(), Failure> {
        known.push((session.pid, session.application.clone()));
        let mut all: Vec<(i32, String)> = [&sessions.work, &sessions.watch]
            .iter()
            .map(|session| (session.pid, session.application.clone()))
            .collect();
        all.extend(known.iter().cloned());
        self.store.journal_sessions(&self.run.id, &all).await
    }

    /// Reads which databases there are, once nobody of ours is at work on them.
    ///
    /// # Errors
    /// The server does not come back, or is still at work: nothing is known then.
    pub(super) async fn settled(&self, known: &[(i32, String)]) -> Result<(Session, Vec<Named>), Failure> {
        let start = Instant::now();
        let application = format!("drydock settle {}", self.run.id.get(..8).unwrap_or_default());
        let mut session = loop {
            match outside(&self.connector, &application).await {
                Ok(session) => break session,
                Err(failure) if start.elapsed() >= SETTLE_PATIENCE => return Err(failure),
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        };
        for (pid, application) in known {
            // What it does is of no use any more.
            let _ = cancel_session(&mut session.connection, *pid).await;
            let gone = wait_gone(&mut session.connection, *pid, application, SETTLE_PATIENCE).await;
            if gone.map_err(|error| failure(&error))?.is_none() {
                return Err(Failure::new(FailureCode::ConnectionLost, "The server is still at work on it."));
            }
        }
        let there = databases::all(&mut session.connection).await.map_err(|error| failure(&error))?;
        Ok((session, there))
    }

    /// Looks what there is of the new database, and drops it if it has no name.
    async fn left(&self, index: usize, beside: &Beside, known: &[(i32, String)]) -> Left {
        let (mut session, there) = match self.settled(known).await {
            Ok(settled) => settled,
            Err(failure) => return Left::Unknown(failure),
        };
        let made = number(self.run.steps[index].note.as_deref());
        if there.iter().any(|found| found.name == beside.name && Some(found.oid) == made) {
            return Left::Named;
        }
        let remains = there.iter().any(|found| found.name == beside.making);
        if !remains {
            return Left::Nothing { dropped: false };
        }
        let dropped = databases::drop(&mut session.connection, &beside.making).await;
        session.close().await;
        match dropped {
            Ok(()) => Left::Nothing { dropped: true },
            Err(error) if script::is_lost(&error) => Left::Unknown(failure(&error)),
            Err(error) => {
                let failure = failure(&error);
                Left::Remains(failure.why.unwrap_or(failure.what))
            }
        }
    }
}

/// Waits for work beside the target while the target's sessions show that its line is alive: one of them holds the lock
/// that keeps other tools from migrating.
async fn beside_the_target<T>(
    work: impl Future<Output = Result<T, Failure>>,
    sessions: &mut Sessions,
    pid: i32,
    cancel: &watch::Receiver<bool>,
) -> Result<T, Failure> {
    let Sessions { work: holder, watch } = sessions;
    let held = async {
        tokio::select! {
            done = work => done,
            lost = pulse(&mut holder.connection) => Err(lost),
        }
    };
    match attended(held, &mut watch.connection, pid, cancel).await {
        Ok(_) if *cancel.borrow() => Err(cancelled()),
        Ok(done) => Ok(done),
        Err(_) if *cancel.borrow() => Err(cancelled()),
        Err(Tried::Lost(failure) | Tried::Refused(failure)) => Err(failure),
    }
}

/// Gives databases their names, by sessions that end with it; answers how many sessions of others were cut, in words.
pub(super) async fn give(
    mut giver: Session,
    mut cutter: Session,
    sessions: &Sessions,
    names: &[Naming<'_>],
    what: &str,
) -> Result<String, Failure> {
    let cut = rename(&mut giver, &mut cutter, names)
        .await
        .map_err(|error| refused(&error, what))?
        .ok_or_else(|| {
            Failure::new(FailureCode::IdentityChanged, "Another database bears one of the names now.")
                .next("Read the target again, and make a new plan.")
        })?;
    giver.close().await;
    cutter.close().await;
    let ours = [sessions.work.pid, sessions.watch.pid];
    let cut = cut.iter().filter(|pid| !ours.contains(pid)).count();
    Ok(count(cut, "session was", "sessions were"))
}

/// Gives the new database what the old one has around its content, and looks whether it has it.
async fn dress(session: &mut Session, beside: &Beside) -> Result<(), Failure> {
    let server = |error: sqlx::Error| refused(&error, "The settings of the database cannot be carried over.");
    let connection = &mut session.connection;
    let old = in_time(databases::frame(connection, &beside.name)).await.map_err(server)?;
    let Some(old) = old else {
        return Err(Failure::new(
            FailureCode::PlanVoid,
            format!("There is no database {} any more.", beside.name),
        )
        .next("Read the target again."));
    };
    for sql in databases::dress_sql(&beside.making, &old) {
        in_time(send(connection, sql)).await.map_err(server)?;
    }
    let new = in_time(databases::frame(connection, &beside.making)).await.map_err(server)?;
    let unlike = new.map_or_else(|| vec!["all of it"], |new| databases::unlike(&new, &old));
    if unlike.is_empty() {
        return Ok(());
    }
    Err(Failure::new(FailureCode::RestoreDiffers, "The settings of the database could not be carried over.")
        .why(format!("The new database differs in {}.", unlike.join(", ")))
        .next("Restore in place, or into a new database."))
}

/// The names have to be free.
fn free(there: &[Named], beside: &Beside) -> Result<(), Failure> {
    let mut wanted = vec![&beside.making];
    wanted.push(beside.kept_as.as_ref().unwrap_or(&beside.name));
    match wanted.into_iter().find(|name| there.iter().any(|found| found.name == **name)) {
        Some(taken) => {
            Err(Failure::new(FailureCode::RestoreRefused, format!("There is a database {taken} already."))
                .next("Make a new plan, with another name."))
        }
        None => Ok(()),
    }
}

fn refused(error: &sqlx::Error, what: &str) -> Failure {
    let told = failure(error);
    if script::is_lost(error) {
        return told;
    }
    Failure { what: what.to_owned(), why: Some(told.why.unwrap_or(told.what)), ..told }
}

/// What became of it is not known: the run waits to be looked at.
pub(super) fn open_end(failure: Failure, why: &Failure) -> Stop {
    let failure = Failure {
        why: Some(format!("{} {}", failure.why.unwrap_or(failure.what.clone()), why.what)),
        next: Some("When the server is back, open this run and ask again; nothing is sent twice.".to_owned()),
        ..failure
    };
    Stop { status: RunStatus::NeedsAttention, failure }
}

pub(super) fn cancelled() -> Failure {
    Failure::new(FailureCode::Cancelled, "The run was cancelled by the operator.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_tells_the_number() {
        assert_eq!(number(Some("making shop_drydock_1a2b, number 16402")), Some(16402));
        assert_eq!(number(Some("making shop, number 3, number 4")), Some(4));
        assert_eq!(number(Some("making shop_drydock_1a2b")), None);
        assert_eq!(number(None), None);
    }
}
