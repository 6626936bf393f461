//! Proves a backup: restored on a scratch database, compared with its manifest. Listing an archive, or a program's
//! good exit, proves nothing.

use super::foreign::Intake;
use super::load::{Loaded, Manners, Opened, Parts, Source, copy_segment, load};
use super::{Meter, cancelled, schema, sums};
use crate::adapters::backups::verify_files;
use crate::adapters::dumps::ArchiveWish;
use crate::adapters::postgres::{backup, failure::failure, script};
use crate::adapters::sandbox::{Sandbox, ScratchDatabase, Toolkit};
use crate::domain::backup::{BackupKind, Manifest, Proof, ProofFact, ProofState};
use crate::domain::catalogue::Catalogue;
use crate::domain::inventory::Inventory;
use crate::domain::words::whole;
use crate::domain::{Failure, FailureCode, Outcome};
use crate::planner::describe;
use crate::runner::events::Stream;
use crate::runner::session::Connector;
use chrono::Utc;
use sqlx::postgres::PgConnection;
use std::time::Instant;
use tokio::sync::watch;

/// Lines of differences that are kept.
const MOST: usize = 20;

/// A proof that is to be made.
pub struct Prove<'a> {
    /// The backup.
    pub opened: &'a Opened,
    /// Where it is restored.
    pub sandbox: &'a Sandbox,
    /// The toolkit.
    pub toolkit: &'a Toolkit,
    /// Live stream.
    pub events: &'a Stream,
    /// Step that is at work.
    pub index: u32,
    /// Set to true by the operator.
    pub cancel: &'a watch::Receiver<bool>,
}

impl Prove<'_> {
    /// Makes it. What could not be found out is a proof, too: one that says unknown.
    ///
    /// # Errors
    /// [`FailureCode::Cancelled`].
    pub async fn prove(&self) -> Result<Proof, Failure> {
        let started = Instant::now();
        let proof = |state, facts: Vec<ProofFact>, notes: Vec<String>| Proof {
            state,
            at: Utc::now(),
            seconds: started.elapsed().as_secs_f64(),
            server: format!("{} of the sandbox", self.toolkit.server_version()),
            facts,
            notes,
        };
        let mut facts = Vec::new();
        if let Err(failure) = self.files(&mut facts).await {
            return match failure.code {
                FailureCode::Cancelled => Err(failure),
                FailureCode::BackupDamaged => Ok(proof(ProofState::Failed, facts, Vec::new())),
                _ => Ok(proof(ProofState::Unknown, facts, vec![sentence(&failure)])),
            };
        }
        let scratch = match self.sandbox.scratch_encoded(&self.opened.stored.manifest.encoding).await {
            Ok(scratch) => scratch,
            Err(failure) => return Ok(proof(ProofState::Unknown, facts, vec![sentence(&failure)])),
        };
        let mut notes = Vec::new();
        let restored = tokio::select! {
            restored = self.restored(&scratch, &mut facts, &mut notes) => restored,
            failure = cancelled(self.cancel) => Err(failure),
        };
        if let Err(failure) = scratch.close().await {
            tracing::warn!(code = %failure.code, "the scratch database of a proof could not be dropped");
        }
        match restored {
            Ok(()) => {}
            Err(failure) if failure.code == FailureCode::Cancelled => {
                return Err(failure.unchanged("The backup is as it was, and still unproven."));
            }
            Err(failure) if failure.code == FailureCode::BackupDamaged => {
                facts.push(fact("It can be restored", Outcome::Block, "no", vec![sentence(&failure)]));
            }
            Err(failure) => {
                facts.push(fact(
                    "It can be restored",
                    Outcome::Unknown,
                    "not known",
                    vec![sentence(&failure)],
                ));
            }
        }
        let worst = facts.iter().map(|fact| fact.outcome).max().unwrap_or(Outcome::Unknown);
        let state = match worst {
            Outcome::Pass | Outcome::Warn => ProofState::Proven,
            Outcome::Unknown => ProofState::Unknown,
            Outcome::Block => ProofState::Failed,
        };
        Ok(proof(state, facts, notes))
    }

    async fn files(&self, facts: &mut Vec<ProofFact>) -> Result<(), Failure> {
        let opened = self.opened.clone();
        let cancel = self.cancel.clone();
        let files = opened.stored.manifest.files.len() + 1;
        let checked = tokio::task::spawn_blocking(move || {
            opened.stored.check_seal(&opened.key)?;
            verify_files(&opened.stored, &mut |_| !*cancel.borrow())
        })
        .await
        .map_err(|error| {
            Failure::new(FailureCode::FileSystem, "The files could not be read.").why(error.to_string())
        })?;
        let (outcome, figure, differences) = match &checked {
            Ok(()) => (Outcome::Pass, format!("{files} of {files}"), Vec::new()),
            Err(failure) if failure.code == FailureCode::BackupDamaged => {
                (Outcome::Block, "no".to_owned(), vec![sentence(failure)])
            }
            Err(failure) => (Outcome::Unknown, "not known".to_owned(), vec![sentence(failure)]),
        };
        facts.push(fact("Files are what was stored", outcome, &figure, differences));
        checked
    }

    async fn restored(
        &self,
        scratch: &ScratchDatabase<'_>,
        facts: &mut Vec<ProofFact>,
        notes: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let manifest = &self.opened.stored.manifest;
        let connector = |address| Connector {
            address,
            password: self.sandbox.password(),
            check_timeout_ms: 60_000,
            route: None,
        };
        let mut work = connector(scratch.address().clone()).open("drydock proof").await?;
        let mut admin = connector(scratch.admin_address()).open("drydock proof").await?;
        let catalogue = schema::catalogue_of(self.opened).await?;
        super::speak_bytes(&mut work, &manifest.encoding).await.map_err(|error| failure(&error))?;
        let meter = Meter::new(self.events, self.index, "restored", 0.0, manifest.tables.len());
        let loaded = match manifest.kind {
            BackupKind::Deep => {
                let wish = ArchiveWish { bare: true, ..ArchiveWish::default() };
                let source = Source::of_deep(&self.opened.stored, &self.opened.key, self.toolkit, &wish)?;
                let mut intake = manifest.imported.as_ref().map(|_| Intake::default());
                let manners = Manners::Scratch { admin: &mut admin, intake: intake.as_mut() };
                load(&mut work, &mut Parts::new(source), manners, &meter).await?
            }
            BackupKind::Quick => self.rows(&mut work, &mut admin, &catalogue, &meter).await?,
        };
        let all = loaded.problems.is_empty();
        let outcome = match (all, loaded.not_here.is_empty()) {
            (true, _) => Outcome::Pass,
            (false, true) => Outcome::Block,
            // What is missing on the scratch server explains what did not load there.
            (false, false) => Outcome::Unknown,
        };
        let figure = if all { "all of it" } else { "not all of it" };
        facts.push(fact("It can be restored", outcome, figure, loaded.problems));
        notes.extend(
            loaded.not_here.into_iter().map(|line| format!("Not tried on the scratch server: {line}")),
        );
        self.rows_compared(&mut admin, outcome, facts).await?;
        if manifest.kind == BackupKind::Deep {
            let inventory = self.inventory(&mut admin).await?;
            self.sequences_compared(&mut admin, &inventory, facts).await?;
            self.schema_compared(&mut work, catalogue, outcome, facts, notes).await?;
        } else {
            notes.push(
                "A quick backup holds rows, so rows were compared; the schema around them is not in it."
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Makes tables like those of the backup, and reads the rows in.
    async fn rows(
        &self,
        work: &mut PgConnection,
        admin: &mut PgConnection,
        catalogue: &Catalogue,
        meter: &Meter<'_>,
    ) -> Result<Loaded, Failure> {
        let mut loaded = Loaded::default();
        for (name, sql) in describe::extensions(catalogue) {
            if let Err(error) = script::send(admin, sql).await {
                loaded.not_here.push(format!("extension {name}: {}", failure(&error).what));
            }
        }
        let mut open = describe::tables(catalogue, &self.opened.stored.manifest.tables);
        loop {
            let before = open.len();
            let mut still = Vec::new();
            for sql in open {
                if let Err(error) = script::send(work, sql.clone()).await {
                    if script::is_lost(&error) {
                        return Err(failure(&error));
                    }
                    still.push((sql, failure(&error).what));
                }
            }
            if still.is_empty() || still.len() == before {
                // A type that no stored table uses is no problem of the rows'.
                let tables = still.into_iter().filter(|(sql, _)| sql.starts_with("CREATE TABLE"));
                loaded.problems.extend(tables.take(MOST).map(|(sql, why)| format!("{sql}: {why}")));
                break;
            }
            open = still.into_iter().map(|(sql, _)| sql).collect();
        }
        if loaded.problems.is_empty() {
            let mut done = 0;
            for table in &self.opened.stored.manifest.tables {
                copy_segment(work, &self.opened.stored, &self.opened.key, table, None, false, meter).await?;
                done += 1;
                meter.tables(done);
            }
        }
        Ok(loaded)
    }

    async fn rows_compared(
        &self,
        admin: &mut PgConnection,
        loaded: Outcome,
        facts: &mut Vec<ProofFact>,
    ) -> Result<(), Failure> {
        let manifest = &self.opened.stored.manifest;
        let meter = Meter::new(self.events, self.index, "compared", 0.0, manifest.tables.len());
        let read = async {
            backup::begin(admin, None, 10_000).await?;
            let sums =
                sums::sums(admin, manifest.hash, &manifest.tables, &|_| 0.0, &|done| meter.tables(done))
                    .await;
            let objects = match (&sums, &manifest.large_objects) {
                (Ok(_), Some(_)) => Some(backup::large_objects(admin).await?),
                _ => None,
            };
            script::send(admin, "ROLLBACK".to_owned()).await?;
            sums.map(|sums| (sums, objects))
        };
        let sums = match read.await {
            Ok((sums, objects)) => {
                if let (Some(there), Some(stored)) = (&objects, &manifest.large_objects)
                    && stored.count + there.count > 0
                {
                    let same = there == stored;
                    let differences = if same {
                        Vec::new()
                    } else {
                        vec![format!(
                            "{} large objects are there, {} were stored, or their content differs.",
                            there.count, stored.count
                        )]
                    };
                    let outcome = match (same, &stored.hash) {
                        (true, Some(_)) => Outcome::Pass,
                        (true, None) => Outcome::Warn,
                        (false, _) => Outcome::Block,
                    };
                    facts.push(fact(
                        "Large objects are the same",
                        outcome,
                        &there.count.to_string(),
                        differences,
                    ));
                }
                sums
            }
            Err(error) if loaded != Outcome::Pass => {
                facts.push(fact("Rows are the same", loaded, "not compared", vec![failure(&error).what]));
                return Ok(());
            }
            Err(error) => return Err(failure(&error)),
        };
        facts.extend(compared(manifest, &sums));
        Ok(())
    }

    async fn inventory(&self, admin: &mut PgConnection) -> Result<Inventory, Failure> {
        backup::inventory(admin).await.map_err(|error| failure(&error))
    }

    async fn sequences_compared(
        &self,
        admin: &mut PgConnection,
        inventory: &Inventory,
        facts: &mut Vec<ProofFact>,
    ) -> Result<(), Failure> {
        let manifest = &self.opened.stored.manifest;
        let there = backup::sequences(admin, &inventory.sequences).await.map_err(|error| failure(&error))?;
        let mut differences = Vec::new();
        for sequence in &manifest.sequences {
            match there.iter().find(|found| found.sequence == sequence.sequence) {
                Some(found)
                    if (&found.last_value, found.is_called) == (&sequence.last_value, sequence.is_called) => {
                }
                Some(found) => differences.push(format!(
                    "{} stands at {}, it was at {}.",
                    sequence.sequence, found.last_value, sequence.last_value
                )),
                None => differences.push(format!("{} is missing.", sequence.sequence)),
            }
        }
        facts.push(counted("Sequences are the same", manifest.sequences.len(), differences));
        Ok(())
    }

    async fn schema_compared(
        &self,
        work: &mut PgConnection,
        stored: Catalogue,
        loaded: Outcome,
        facts: &mut Vec<ProofFact>,
        notes: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let manifest = &self.opened.stored.manifest;
        if manifest.scope != crate::domain::backup::BackupScope::Whole {
            notes.push(
                "Only part of the database is in this backup, so its schema was not compared as a whole."
                    .to_owned(),
            );
            return Ok(());
        }
        let found = schema::compared(work, manifest, stored, "the scratch server")
            .await
            .map_err(|error| failure(&error))?;
        let mut same = counted("Schema is the same", found.objects, found.differences);
        if same.outcome == Outcome::Block && (loaded == Outcome::Unknown || found.gap.is_some()) {
            // Another major, or something that is missing there, may be why.
            same.outcome = Outcome::Unknown;
        }
        facts.push(same);
        notes.extend(found.gap.map(|gap| format!("Restored on another major: {gap}.")));
        notes.extend(found.not_comparable.iter().take(MOST).map(|reason| format!("Not compared: {reason}")));
        Ok(())
    }
}

/// Counts and hashes against a manifest.
pub fn compared(manifest: &Manifest, sums: &[sums::Summed]) -> Vec<ProofFact> {
    let (mut counts, mut hashes, mut only_counted) = (Vec::new(), Vec::new(), 0);
    for (table, sum) in manifest.tables.iter().zip(sums) {
        let (rows, hash) = match sum {
            sums::Summed::Sum(sum) => (sum.rows, Some(&sum.hash)),
            sums::Summed::Counted(rows) => (*rows, None),
        };
        if rows != table.rows {
            counts.push(format!(
                "{} has {} rows, {} were stored.",
                table.table,
                whole(rows),
                whole(table.rows)
            ));
        }
        match (&table.hash, hash) {
            (Some(stored), Some(found)) if stored != found => {
                hashes.push(format!("Rows of {} are not those that were stored.", table.table));
            }
            (Some(_), Some(_)) => {}
            _ => only_counted += 1,
        }
    }
    let total = manifest.tables.len();
    let mut hashed = counted("Row hashes are the same", total, hashes);
    if only_counted > 0 {
        hashed.figure = format!("{} of {total}", total - only_counted);
        hashed.differences.push(format!(
            "{only_counted} tables hold rows too large for a hash on the server; their rows were counted, and their files compared by SHA-256."
        ));
        hashed.outcome = hashed.outcome.max(Outcome::Warn);
    }
    let mut rows = counted("Row counts are the same", total, counts);
    if rows.outcome == Outcome::Pass {
        rows.figure = manifest.rows().to_string();
    }
    vec![rows, hashed]
}

fn counted(title: &str, total: usize, mut differences: Vec<String>) -> ProofFact {
    let outcome = if differences.is_empty() { Outcome::Pass } else { Outcome::Block };
    let figure = format!("{} of {total}", total.saturating_sub(differences.len()));
    differences.truncate(MOST);
    fact(title, outcome, &figure, differences)
}

fn fact(title: &str, outcome: Outcome, figure: &str, differences: Vec<String>) -> ProofFact {
    ProofFact { title: title.to_owned(), outcome, figure: figure.to_owned(), differences }
}

fn sentence(failure: &Failure) -> String {
    match &failure.why {
        Some(why) => format!("{} {why}", failure.what),
        None => failure.what.clone(),
    }
}
