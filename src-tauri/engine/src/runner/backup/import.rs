//! Makes a backup from a dump that Drydock did not take: loaded on a scratch database as a role without rights, counted
//! and hashed there, then stored like any other. An archive is stored as it came, if every table's rows can be read out
//! of it alone; everything else as an archive that the toolkit's `pg_dump` makes of the scratch database.

use super::foreign::Intake;
use super::load::{Loaded, Manners, Parts, Source, load};
use super::take::{HASH, Taken};
use super::{Keeper, Meter, Pids, cancelled, deep, join, lost, pulse, sums};
use crate::adapters::backups::{self, BackupKey, Chunks, Draft, Stored, Writer};
use crate::adapters::dumps::{ArchiveWish, DeepScope, Place};
use crate::adapters::postgres::{backup, catalogue, failure::failure, script};
use crate::adapters::sandbox::{Sandbox, ScratchDatabase, Toolkit};
use crate::domain::backup::{
    BackupKind, BackupScope, BackupTool, FoundTool, Manifest, StoredFile, StoredTable,
};
use crate::domain::environment::Tier;
use crate::domain::identity::TargetIdentity;
use crate::domain::import::{DumpForm, DumpOrigin, DumpPacking};
use crate::domain::{Failure, FailureCode};
use crate::planner::backup::select;
use crate::planner::import::{left_out, without_rows};
use crate::runner::events::Stream;
use crate::runner::session::{Connector, LINE_PATIENCE};
use bytes::Bytes;
use chrono::Utc;
use std::path::Path;
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Milliseconds to wait for a lock on a database that nobody else uses.
const LOCK: u32 = 10_000;

/// An import that is to be made.
pub struct Import<'a> {
    /// The file or folder.
    pub place: &'a Place,
    /// What it is.
    pub origin: &'a DumpOrigin,
    /// The backup's id.
    pub id: &'a str,
    /// Environment's id.
    pub environment_id: Option<&'a str>,
    /// Environment's name.
    pub environment_name: &'a str,
    /// Tier.
    pub tier: Tier,
    /// Folder of the environment's backups.
    pub root: &'a Path,
    /// Key.
    pub key: &'a BackupKey,
    /// Where it is loaded.
    pub sandbox: &'a Sandbox,
    /// The toolkit.
    pub toolkit: &'a Toolkit,
    /// Its `pg_dump`.
    pub tool: &'a FoundTool,
    /// Live stream.
    pub events: &'a Stream,
    /// Step that is at work.
    pub index: u32,
    /// Set to true by the operator.
    pub cancel: &'a watch::Receiver<bool>,
}

impl Import<'_> {
    /// Makes it.
    ///
    /// # Errors
    /// Why it was not made; nothing of it is kept then.
    pub async fn import(&self) -> Result<Taken, Failure> {
        let scratch = self.sandbox.scratch().await?;
        let made = tokio::select! {
            made = self.made(&scratch) => made,
            failure = cancelled(self.cancel) => {
                Err(failure.unchanged("What was stored so far was removed; no target was touched."))
            }
        };
        if let Err(failure) = scratch.close().await {
            tracing::warn!(code = %failure.code, "the scratch database of an import could not be dropped");
        }
        made
    }

    fn connector(&self, address: crate::domain::address::Address) -> Connector {
        Connector { address, password: self.sandbox.password(), check_timeout_ms: 60_000, route: None }
    }

    async fn made(&self, scratch: &ScratchDatabase<'_>) -> Result<Taken, Failure> {
        let started = Instant::now();
        let begun = Utc::now();
        let admin = self.connector(scratch.admin_address());
        let draft =
            Draft::create(self.root, &format!("{}-import-{}", begun.format("%Y%m%d-%H%M%S"), self.id))?;
        let mut intake = Intake::default();
        let (loaded, original) = self.load(scratch, &draft, &mut intake).await?;
        if !loaded.problems.is_empty() {
            return Err(not_whole(&loaded));
        }
        let mut original = match original {
            Some(keeping) => Some(keeping.end().await?),
            None => None,
        };
        let mut keeper = Keeper::open(&admin, LOCK).await?;
        let version = keeper.connection.server_version_num().unwrap_or(0);
        let inventory = script::in_time(LINE_PATIENCE, backup::inventory(&mut keeper.connection))
            .await
            .map_err(|error| lost(&error))?;
        let mut selection = select(&inventory, BackupKind::Deep, &BackupScope::Whole);
        if !selection.refusals.is_empty() {
            return Err(nothing_to_keep(&selection.refusals));
        }
        let read = async {
            let sequences = backup::sequences(&mut keeper.connection, &selection.sequences).await?;
            let catalogue = catalogue::read(&mut keeper.connection, &inventory.schemas).await?;
            let objects = backup::large_objects(&mut keeper.connection).await?;
            Ok::<_, sqlx::Error>((sequences, catalogue, objects))
        };
        let (sequences, catalogue, large_objects) = read.await.map_err(|error| lost(&error))?;
        let mut tables = selection.tables.clone();
        let alone = |table: &StoredTable| {
            let relation = inventory.relations.iter().find(|relation| relation.table() == table.table);
            relation.is_some_and(|relation| relation.ancestors.is_empty()) || intake.has(&table.table)
        };
        if original.is_some() && (intake.written_out || !tables.iter().all(alone)) {
            // Rows that are INSERT, or stand under another table's name, could not be read out table by table.
            original = None;
            let path = draft.path().join(backups::ARCHIVE);
            std::fs::remove_file(&path).map_err(|error| {
                Failure::new(FailureCode::FileSystem, "The archive could not be replaced.")
                    .why(format!("{}: {error}.", path.display()))
                    .unchanged("Nothing of it was kept.")
            })?;
        }
        let kept = original.is_some();
        let file = {
            let store = self.store(&admin, &keeper.snapshot, original, &mut tables, draft.path());
            tokio::select! {
                stored = store => stored?,
                failure = pulse(&mut keeper.connection) => return Err(failure),
            }
        };
        let empty = without_rows(&inventory, &tables, &|table| intake.has(table));
        if !intake.written_out && !tables.is_empty() && empty.len() == tables.len() {
            return Err(no_rows_at_all());
        }
        if !intake.written_out {
            tables.retain(|table| !empty.contains(&table.table));
        }
        let mut describing = Writer::create(draft.path(), backups::CATALOGUE, self.key)?;
        describing.begin().await?;
        describing.send(Bytes::from(serde_json::to_vec(&catalogue).unwrap_or_default())).await?;
        describing.end().await?;
        let outward: Vec<&str> = intake.outward.iter().map(String::as_str).collect();
        selection.left_out.extend(left_out(
            self.origin,
            kept,
            intake.rights > 0,
            intake.written_out,
            &empty,
            &loaded.not_here,
            &outward,
        ));
        let manifest = Manifest {
            format: 1,
            id: self.id.to_owned(),
            kind: BackupKind::Deep,
            environment_id: self.environment_id.map(str::to_owned),
            environment_name: self.environment_name.to_owned(),
            tier: self.tier,
            identity: TargetIdentity::unknown(
                self.origin.database.as_deref(),
                format!("imported from {}", self.origin.name),
                version,
            ),
            encoding: inventory.encoding.clone(),
            locale: (inventory.collate.clone(), inventory.ctype.clone()),
            tool: self.tool_words(kept),
            snapshot: inventory.snapshot.clone(),
            snapshot_at: self.origin.dumped_at.unwrap_or(begun),
            finished_at: Utc::now(),
            milliseconds: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            scope: BackupScope::Whole,
            schemas: inventory.schemas.clone(),
            hash: HASH,
            tables,
            sequences,
            large_objects: Some(large_objects),
            left_out: selection.left_out.clone(),
            files: vec![file, describing.finish().await?],
            recipient: self.key.recipient(),
            imported: Some(self.origin.clone()),
            complete: true,
        };
        let key = self.key.clone();
        let finished = tokio::task::spawn_blocking(move || draft.finish(&manifest, &key)).await;
        let (folder, _) = finished.map_err(|error| {
            Failure::new(FailureCode::FileSystem, "The backup could not be finished.").why(error.to_string())
        })??;
        Ok(Taken { stored: Stored::open(&folder)?, source_bytes: selection.bytes })
    }

    /// Loads it on the scratch database. An archive is stored in the same pass, so that what is stored is what was
    /// loaded.
    async fn load(
        &self,
        scratch: &ScratchDatabase<'_>,
        draft: &Draft,
        intake: &mut Intake,
    ) -> Result<(Loaded, Option<Keeping>), Failure> {
        let mut work = self.connector(scratch.address().clone()).open("drydock import").await?;
        let mut admin = self.connector(scratch.admin_address()).open("drydock import").await?;
        let wish = ArchiveWish::default();
        let (source, keeping) = match self.origin.form {
            DumpForm::Custom => {
                let writer = Writer::create(draft.path(), backups::ARCHIVE, self.key)?;
                let (chunks, keeping) = Keeping::begin(self.place.chunks(self.origin.packing), writer);
                (Source::archive(chunks, self.toolkit, &wish)?, Some(keeping))
            }
            DumpForm::Directory | DumpForm::Tar => {
                (Source::archive_at(&self.place.path, self.toolkit, &wish)?, None)
            }
            DumpForm::Plain => (Source::Plain(self.place.chunks(self.origin.packing)), None),
        };
        // Only of clear text it is known how many bytes of rows there can be.
        let total = match (self.origin.form, self.origin.packing) {
            (DumpForm::Plain, DumpPacking::None) => self.place.bytes as f64,
            _ => 0.0,
        };
        let meter = Meter::new(self.events, self.index, "loaded", total, 0);
        let manners = Manners::Scratch { admin: &mut admin, intake: Some(intake) };
        let loaded = load(&mut work, &mut Parts::new(source), manners, &meter).await?;
        Ok((loaded, keeping))
    }

    /// Counts and hashes; the archive, where the dump was none.
    async fn store(
        &self,
        admin: &Connector,
        snapshot: &str,
        original: Option<StoredFile>,
        tables: &mut [StoredTable],
        folder: &Path,
    ) -> Result<StoredFile, Failure> {
        let pids = Pids::default();
        let mut hashing = join(admin, snapshot, LOCK, &pids).await?;
        let to_hash: Vec<StoredTable> = tables.to_vec();
        let meter = Meter::new(self.events, self.index, "counted", 0.0, to_hash.len());
        let hashes = async {
            let done = |done: u32| {
                if original.is_some() {
                    meter.tables(done)
                }
            };
            sums::sums(&mut hashing, HASH, &to_hash, &|_| 0.0, &done).await.map_err(|error| failure(&error))
        };
        let storing = Meter::new(self.events, self.index, "stored", 0.0, to_hash.len());
        let archive = async {
            if let Some(file) = &original {
                return Ok(file.clone());
            }
            let mut writer = Writer::create(folder, backups::ARCHIVE, self.key)?;
            let scope = DeepScope {
                scope: &BackupScope::Whole,
                without: &[],
                snapshot,
                lock_timeout_ms: LOCK,
                encoding: "UTF8",
            };
            deep::store_archive(admin, self.tool, &scope, &mut writer, &storing).await?;
            writer.finish().await
        };
        let (file, sums) = tokio::try_join!(archive, hashes)?;
        for (table, sum) in tables.iter_mut().zip(sums) {
            match sum {
                sums::Summed::Sum(sum) => {
                    table.rows = sum.rows;
                    table.hash = Some(sum.hash);
                }
                sums::Summed::Counted(rows) => table.rows = rows,
            }
        }
        Ok(file)
    }

    fn tool_words(&self, kept: bool) -> BackupTool {
        let place = format!("imported from {}", self.origin.name);
        match kept {
            true => BackupTool {
                name: "pg_dump".to_owned(),
                version: self
                    .origin
                    .dumped_by
                    .clone()
                    .unwrap_or_else(|| "of a version that it does not name".to_owned()),
                place,
            },
            false => BackupTool { place: format!("the toolkit, {place}"), ..self.tool.tool.clone() },
        }
    }
}

/// Stores an archive while it is being read.
struct Keeping(Option<JoinHandle<Result<StoredFile, Failure>>>);

impl Keeping {
    /// Hands the bytes on as they come, and writes them.
    fn begin(mut bytes: Chunks, mut writer: Writer) -> (Chunks, Self) {
        let (onward, chunks) = Chunks::channel();
        let task = tokio::spawn(async move {
            let stored = async {
                writer.begin().await?;
                while let Some(piece) = bytes.next().await? {
                    writer.send(piece.clone()).await?;
                    if onward.send(Ok(piece)).await.is_err() {
                        return Err(Failure::new(FailureCode::Cancelled, "The import was given up."));
                    }
                }
                writer.end().await?;
                writer.finish().await
            };
            let stored = stored.await;
            if let Err(failure) = &stored {
                let _ = onward.send(Err(failure.clone())).await;
            }
            stored
        });
        (chunks, Self(Some(task)))
    }

    async fn end(mut self) -> Result<StoredFile, Failure> {
        let Some(task) = self.0.take() else {
            return Err(Failure::new(FailureCode::FileSystem, "The archive could not be stored."));
        };
        task.await.map_err(|error| {
            Failure::new(FailureCode::FileSystem, "The archive could not be stored.").why(error.to_string())
        })?
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

fn not_whole(loaded: &Loaded) -> Failure {
    let mut lines: Vec<String> = loaded.problems.iter().take(5).cloned().collect();
    if loaded.problems.len() > lines.len() {
        lines.push("There is more of this kind.".to_owned());
    }
    if !loaded.not_here.is_empty() {
        lines.push(format!("What the scratch server lacks may be why: {}", loaded.not_here.join(" ")));
    }
    let of_rows = ["COPY", "INSERT", "SELECT"];
    let no_schema = loaded.problems.iter().all(|line| of_rows.iter().any(|word| line.starts_with(word)));
    let next = if no_schema {
        "A dump of rows alone holds no tables to load them into. Make one of the whole database."
    } else {
        "Settle what the server says, or make the dump again."
    };
    Failure::new(FailureCode::RestoreRefused, "Not all of the dump can be loaded, so it is no backup.")
        .why(lines.join(" "))
        .unchanged("Nothing of it was kept.")
        .next(next)
}

fn nothing_to_keep(refusals: &[String]) -> Failure {
    Failure::new(FailureCode::RestoreRefused, "The dump holds nothing that a backup could hold.")
        .why(refusals.iter().take(20).cloned().collect::<Vec<_>>().join(" "))
        .unchanged("Nothing of it was kept.")
        .next("Choose a dump of the whole database.")
}

fn no_rows_at_all() -> Failure {
    Failure::new(FailureCode::RestoreRefused, "The dump holds tables, and the rows of none.")
        .why("It was made with --schema-only. Restored, it would leave every table empty.")
        .unchanged("Nothing of it was kept.")
        .next("Choose a dump that was made with its rows.")
}
