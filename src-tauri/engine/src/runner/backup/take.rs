//! Takes a backup: one snapshot, rows and hashes read beside each other, the manifest last.

use super::{Keeper, Meter, NO_ENCODING, Pids, cancelled, deep, join, lost, pulse, quick, speak_bytes, sums};
use crate::adapters::backups::{self, BackupKey, Draft, Stored, Writer};
use crate::adapters::dumps::DeepScope;
use crate::adapters::postgres::{backup, catalogue, failure::failure, observe, script};
use crate::domain::backup::{
    BackupKind, BackupRequest, BackupScope, BackupTool, FoundTool, HashDefinition, Manifest, StoredTable,
};
use crate::domain::environment::Tier;
use crate::domain::identity::TargetIdentity;
use crate::domain::inventory::Inventory;
use crate::domain::{Failure, FailureCode};
use crate::planner::backup::{Selection, needed_bytes, select, size_words, too_wide};
use crate::runner::events::Stream;
use crate::runner::session::{Connector, LINE_PATIENCE};
use bytes::Bytes;
use chrono::Utc;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How rows of new backups are compared.
pub(super) const HASH: HashDefinition = HashDefinition::ColumnSum64;

/// A backup that is to be taken.
pub struct BackUp<'a> {
    /// Way to the target.
    pub connector: &'a Connector,
    /// What is asked for.
    pub request: &'a BackupRequest,
    /// Its id.
    pub id: &'a str,
    /// Environment's id.
    pub environment_id: Option<&'a str>,
    /// Environment's name.
    pub environment_name: &'a str,
    /// Tier.
    pub tier: Tier,
    /// The database it has to be.
    pub identity: &'a TargetIdentity,
    /// Folder of the environment's backups.
    pub root: &'a Path,
    /// Key.
    pub key: &'a BackupKey,
    /// The program, for a deep one.
    pub tool: Option<&'a FoundTool>,
    /// Milliseconds to wait for a lock.
    pub lock_timeout_ms: u32,
    /// Live stream.
    pub events: &'a Stream,
    /// Step that is at work.
    pub index: u32,
    /// Set to true by the operator.
    pub cancel: &'a watch::Receiver<bool>,
}

/// A backup that was taken.
pub struct Taken {
    /// As it lies on this computer.
    pub stored: Stored,
    /// Bytes of its tables on the server.
    pub source_bytes: f64,
}

impl BackUp<'_> {
    /// Takes it.
    ///
    /// # Errors
    /// Why it was not taken; nothing of it is kept then.
    pub async fn take(&self) -> Result<Taken, Failure> {
        let pids = Pids::default();
        tokio::select! {
            taken = self.taken(&pids) => taken,
            failure = cancelled(self.cancel) => {
                pids.cancel(self.connector).await;
                Err(failure)
            }
        }
    }

    /// The plan was made on another connection: what is read has to be the same database.
    async fn same_database(&self, keeper: &mut Keeper, patience: Duration) -> Result<(), Failure> {
        let schema = &self.connector.address.schema;
        let facts = script::in_time(patience, observe::facts(&mut keeper.connection, schema));
        let facts = facts.await.map_err(|error| lost(&error))?;
        if facts.identity(self.connector.place()).is_same_database(self.identity) {
            return Ok(());
        }
        Err(Failure::new(
            FailureCode::IdentityChanged,
            "Another database answers than when the backup was planned.",
        )
        .unchanged("Nothing was stored.")
        .next("Test the connection and find out what is behind this address now."))
    }

    async fn taken(&self, pids: &Pids) -> Result<Taken, Failure> {
        let started = Instant::now();
        let mut keeper = Keeper::open(self.connector, self.lock_timeout_ms).await?;
        let patience = self.connector.patience().max(LINE_PATIENCE);
        self.same_database(&mut keeper, patience).await?;
        let (inventory, selection) = self.choose(&mut keeper).await?;
        let read = async {
            let sequences = backup::sequences(&mut keeper.connection, &selection.sequences).await?;
            let catalogue = catalogue::read(&mut keeper.connection, &inventory.schemas).await?;
            let whole = self.request.kind == BackupKind::Deep && self.request.scope == BackupScope::Whole;
            let objects = match whole {
                true => Some(backup::large_objects(&mut keeper.connection).await?),
                false => None,
            };
            Ok((sequences, catalogue, objects))
        };
        let (sequences, catalogue, large_objects) =
            script::in_time(patience, read).await.map_err(|error| lost(&error))?;
        let draft = Draft::create(self.root, &self.stem(&inventory))?;
        let mut tables = selection.tables.clone();
        let file = {
            let store = self.store(&keeper.snapshot, &inventory, &selection, &mut tables, draft.path(), pids);
            tokio::select! {
                stored = store => stored?,
                failure = pulse(&mut keeper.connection) => return Err(failure),
            }
        };
        let mut describing = Writer::create(draft.path(), backups::CATALOGUE, self.key)?;
        describing.begin().await?;
        let text = serde_json::to_vec(&catalogue).unwrap_or_default();
        describing.send(Bytes::from(text)).await?;
        describing.end().await?;
        let manifest = Manifest {
            format: 1,
            id: self.id.to_owned(),
            kind: self.request.kind,
            environment_id: self.environment_id.map(str::to_owned),
            environment_name: self.environment_name.to_owned(),
            tier: self.tier,
            identity: self.identity.clone(),
            encoding: inventory.encoding.clone(),
            locale: (inventory.collate.clone(), inventory.ctype.clone()),
            tool: self.tool_words(),
            snapshot: inventory.snapshot.clone(),
            snapshot_at: inventory.now,
            finished_at: Utc::now(),
            milliseconds: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            scope: self.request.scope.clone(),
            schemas: inventory.schemas.clone(),
            hash: HASH,
            tables,
            sequences,
            large_objects,
            left_out: selection.left_out.clone(),
            files: vec![file, describing.finish().await?],
            recipient: self.key.recipient(),
            imported: None,
            complete: true,
        };
        let folder: PathBuf = {
            let key = self.key.clone();
            let finished = tokio::task::spawn_blocking(move || draft.finish(&manifest, &key)).await;
            finished
                .map_err(|error| {
                    Failure::new(FailureCode::FileSystem, "The backup could not be finished.")
                        .why(error.to_string())
                })??
                .0
        };
        Ok(Taken { stored: Stored::open(&folder)?, source_bytes: selection.bytes })
    }

    /// What it holds, and whether it can be taken at all.
    async fn choose(&self, keeper: &mut Keeper) -> Result<(Inventory, Selection), Failure> {
        let patience = self.connector.patience().max(LINE_PATIENCE);
        let inventory = script::in_time(patience, backup::inventory(&mut keeper.connection))
            .await
            .map_err(|error| lost(&error))?;
        let mut selection = select(&inventory, self.request.kind, &self.request.scope);
        if selection.refusals.is_empty() {
            let as_text = self.request.kind == BackupKind::Deep;
            let wide = backup::too_wide(&mut keeper.connection, &inventory, &selection.tables, as_text);
            let wide = script::in_time(patience, wide).await.map_err(|error| lost(&error))?;
            selection.refusals = wide.iter().map(|table| too_wide(self.request.kind, table)).collect();
        }
        if !selection.refusals.is_empty() {
            return Err(refused(&selection.refusals));
        }
        let needed = needed_bytes(selection.bytes);
        if let Some(free) = backups::free_bytes(self.root)
            && (free as f64) < needed
        {
            return Err(no_room(self.root, needed, free as f64));
        }
        Ok((inventory, selection))
    }

    /// Rows and hashes, beside each other.
    async fn store(
        &self,
        snapshot: &str,
        inventory: &Inventory,
        selection: &Selection,
        tables: &mut [StoredTable],
        folder: &Path,
        pids: &Pids,
    ) -> Result<crate::domain::backup::StoredFile, Failure> {
        let mut hashing = join(self.connector, snapshot, self.lock_timeout_ms, pids).await?;
        // One process for the rows and one for the hashes: more of them would only starve the rows, and the server's own
        // work.
        script::send(&mut hashing, "SET LOCAL max_parallel_workers_per_gather = 0".to_owned())
            .await
            .map_err(|error| failure(&error))?;
        let to_hash: Vec<StoredTable> = tables.to_vec();
        let sizes: Vec<f64> = to_hash
            .iter()
            .map(|table| {
                let same = |relation: &&crate::domain::inventory::Relation| relation.table() == table.table;
                inventory.relations.iter().find(same).map_or(0.0, |relation| relation.bytes)
            })
            .collect();
        let size = |at: usize| sizes.get(at).copied().unwrap_or(0.0);
        let hashes = async {
            sums::sums(&mut hashing, HASH, &to_hash, &size, &|_| {}).await.map_err(|error| failure(&error))
        };
        let meter = Meter::new(self.events, self.index, "stored", selection.bytes, tables.len());
        let rows = async {
            match (self.request.kind, self.tool) {
                (BackupKind::Deep, Some(tool)) => {
                    let mut writer = Writer::create(folder, backups::ARCHIVE, self.key)?;
                    let scope = DeepScope {
                        scope: &self.request.scope,
                        without: &inventory.platform_schemas,
                        snapshot,
                        lock_timeout_ms: self.lock_timeout_ms,
                        encoding: if inventory.encoding == NO_ENCODING { NO_ENCODING } else { "UTF8" },
                    };
                    deep::store_archive(self.connector, tool, &scope, &mut writer, &meter).await?;
                    writer.finish().await
                }
                (BackupKind::Deep, None) => Err(no_tool()),
                (BackupKind::Quick, _) => {
                    let mut reading = join(self.connector, snapshot, self.lock_timeout_ms, pids).await?;
                    speak_bytes(&mut reading, &inventory.encoding).await.map_err(|error| failure(&error))?;
                    let mut writer = Writer::create(folder, backups::ROWS, self.key)?;
                    quick::store_rows(&mut reading, tables, &mut writer, &meter).await?;
                    writer.finish().await
                }
            }
        };
        let (file, sums) = tokio::try_join!(rows, hashes)?;
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

    fn tool_words(&self) -> BackupTool {
        match (self.request.kind, self.tool) {
            (BackupKind::Deep, Some(tool)) => tool.tool.clone(),
            _ => BackupTool {
                name: "COPY".to_owned(),
                version: self.identity.version_words(),
                place: "our own connection".to_owned(),
            },
        }
    }

    fn stem(&self, inventory: &Inventory) -> String {
        let kind = match self.request.kind {
            BackupKind::Deep => "deep",
            BackupKind::Quick => "quick",
        };
        format!("{}-{kind}-{}", inventory.now.format("%Y%m%d-%H%M%S"), self.id)
    }
}

/// A backup that would lack something is not taken.
pub fn refused(refusals: &[String]) -> Failure {
    Failure::new(FailureCode::BackupRefused, "A backup would not hold everything it should.")
        .why(refusals.iter().take(20).cloned().collect::<Vec<_>>().join(" "))
        .unchanged("Nothing was stored; the database was only read.")
        .next("Use a login that may read all of it, or choose the tables that it may read.")
}

/// No program that could read this server out.
pub fn no_tool() -> Failure {
    Failure::new(FailureCode::BackupRefused, "There is no pg_dump that can read this server.")
        .why("The toolkit's is missing or older than the server, and none that would do is installed on this computer.")
        .unchanged("Nothing was stored; the database was only read.")
        .next("Take a quick backup, which needs no program, or install a pg_dump of the server's version.")
}

fn no_room(root: &Path, needed: f64, free: f64) -> Failure {
    Failure::new(FailureCode::DiskFull, "There is not enough room for this backup.")
        .why(format!("{} needed, {} free in {}.", size_words(needed), size_words(free), root.display()))
        .unchanged("Nothing was stored; the database was only read.")
        .next("Make room, or choose another folder for backups.")
}
