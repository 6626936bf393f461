//! Importing dumps that Drydock did not take: what one would be, and the run that makes a backup of it.

use super::list::size;
use crate::adapters::backups;
use crate::adapters::dumps::toolkit_tool;
use crate::domain::backup::{BackupKind, BackupRecord, BackupState, ProveStep};
use crate::domain::import::{DumpForm, ImportPreview, ImportRequest, ImportStep};
use crate::domain::plan::{Plan, PlanPurpose, Step};
use crate::domain::run::{Run, RunEventKind, RunKind, RunStatus, StepStatus};
use crate::domain::{Failure, FailureCode};
use crate::engine::{Engine, Live, Target};
use crate::planner::backup::size_words;
use crate::planner::import::{needed_bytes, rights};
use crate::runner::backup::foreign::{Found, look};
use crate::runner::backup::import::Import;
use crate::runner::events::Stream;
use crate::runner::words::queued_steps;
use chrono::{Local, Utc};
use std::path::Path;
use std::time::Instant;
use tokio::sync::watch;

impl Engine {
    /// What an import would be. Reads the file's beginning, and stores nothing.
    ///
    /// # Errors
    /// Where the console's own store or folders cannot be read; what is wrong with the dump is part of the answer.
    pub async fn import_preview(&self, target: &Target, path: &str) -> Result<ImportPreview, Failure> {
        let root = self.backup_root(target).await?;
        let free = backups::free_bytes(&root).map(|bytes| bytes as f64);
        let mut preview = ImportPreview {
            headline: String::new(),
            origin: None,
            what: String::new(),
            bytes: 0.0,
            tables: None,
            made: String::new(),
            stored: String::new(),
            left_out: Vec::new(),
            refusals: Vec::new(),
            next: None,
            needed_bytes: 0.0,
            free_bytes: free,
            folder: root.display().to_string(),
        };
        let found = match self.dump_at(path).await {
            Ok(found) => found,
            Err(failure) => {
                preview.refuse(&failure);
                return Ok(preview);
            }
        };
        let origin = &found.origin;
        preview.headline =
            format!("This makes a backup of {} and touches no database but a scratch one.", origin.name);
        preview.what = described(&found);
        preview.bytes = found.place.bytes as f64;
        preview.tables = found.tables;
        preview.made = made_words(&found);
        preview.stored = match origin.form {
            DumpForm::Custom => {
                "The archive as it came, encrypted, and a manifest with counts and hashes. One that writes rows as INSERT is made again.".to_owned()
            }
            _ => {
                let tool = toolkit_tool(&self.toolkit()?).tool;
                format!(
                    "An archive that {} {} makes of the scratch copy, encrypted, and a manifest with counts and hashes. The dump itself is not kept.",
                    tool.name, tool.version
                )
            }
        };
        preview.left_out = vec![rights(origin, origin.form == DumpForm::Custom, true)];
        preview.needed_bytes = needed_bytes(origin, found.place.bytes);
        if let Err(failure) = self.import_room(&found, &root).await {
            preview.refuse(&failure);
        }
        if let Some(problem) = self.backup_key_state().await?.problem {
            preview.refuse(&problem);
        }
        preview.origin = Some(found.origin);
        Ok(preview)
    }

    /// Starts an import and returns its run at once.
    ///
    /// # Errors
    /// When the dump is none that can be imported, no key can be kept, there is no room, or a backup of this target is
    /// being taken.
    pub async fn start_import(&self, target: &Target, request: ImportRequest) -> Result<Run, Failure> {
        let lane = format!("backups of {}", target.key());
        if self.live().values().any(|live| live.target == lane) {
            return Err(Failure::new(
                FailureCode::RunInProgress,
                "A backup of this database is being taken or imported already.",
            )
            .unchanged("Nothing was started.")
            .next("Wait for it, or cancel it."));
        }
        self.newest_backup_key().await?;
        let found = self.dump_at(&request.path).await?;
        self.import_room(&found, &self.backup_root(target).await?).await?;
        let backup_id = Self::draw_backup_id();
        let step = ImportStep {
            backup_id: backup_id.clone(),
            path: found.place.path.display().to_string(),
            origin: found.origin.clone(),
        };
        let mut work = vec![Step::Import(step)];
        if request.prove {
            work.push(Step::Prove(ProveStep { backup_id: backup_id.clone() }));
        }
        let words = found.origin.name.clone();
        let plan = self.plan_reading(target, PlanPurpose::Import { words: words.clone() }, work).await?;
        let run =
            self.accept(&plan, RunKind::Import, format!("Import {words}"), queued_steps(&plan), None).await?;
        let record = BackupRecord {
            environment_id: target.environment_id(),
            environment_name: target.name.clone(),
            run_id: Some(run.id.clone()),
            run_number: Some(run.number),
            imported: Some(format!("imported from {words}")),
            ..BackupRecord::begun(backup_id, target.key(), BackupKind::Deep, Utc::now())
        };
        self.store().save_backup(&record).await?;
        let (live, cancel) = self.register_in(&run, &lane);
        let (engine, target, started) = (self.clone(), target.clone(), run.clone());
        tokio::spawn(async move {
            engine.import_run(&target, &plan, found, record, started, live, cancel).await;
        });
        Ok(run)
    }

    /// Looks at a path on a thread of its own.
    async fn dump_at(&self, path: &str) -> Result<Found, Failure> {
        let (path, major) = (path.to_owned(), self.toolkit()?.major());
        tokio::task::spawn_blocking(move || look(&path, major)).await.map_err(|error| {
            Failure::new(FailureCode::FileSystem, "The dump could not be looked at.").why(error.to_string())
        })?
    }

    /// Both the backup and the scratch database have to find room.
    async fn import_room(&self, found: &Found, root: &Path) -> Result<(), Failure> {
        let needed = needed_bytes(&found.origin, found.place.bytes);
        let sandbox = self.sandbox()?.status().await.folder;
        for folder in [root, Path::new(&sandbox)] {
            if let Some(free) = backups::free_bytes(folder)
                && (free as f64) < needed
            {
                return Err(Failure::new(FailureCode::DiskFull, "There is not enough room for this import.")
                    .why(format!(
                        "{} needed for the backup and the scratch database, {} free in {}.",
                        size_words(needed),
                        size_words(free as f64),
                        folder.display()
                    ))
                    .unchanged("Nothing was stored.")
                    .next("Make room, or choose another folder for backups."));
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "what a run at work owns")]
    async fn import_run(
        &self,
        target: &Target,
        plan: &Plan,
        found: Found,
        mut record: BackupRecord,
        mut run: Run,
        live: Live,
        cancel: watch::Receiver<bool>,
    ) {
        live.stream.emit(RunEventKind::Status { status: RunStatus::Running });
        let ended = self.import_steps(target, plan, &found, &mut record, &mut run, &live, &cancel).await;
        if record.state == BackupState::Taking {
            // The run keeps why; a dump that was refused is no broken backup.
            if let Err(failure) = self.store().forget_backup(&record.id).await {
                tracing::error!(code = %failure.code, "the record of an import could not be removed");
            }
        }
        self.end_reading(&mut run, &live, ended).await;
    }

    #[expect(clippy::too_many_arguments, reason = "what a run at work owns")]
    async fn import_steps(
        &self,
        target: &Target,
        plan: &Plan,
        found: &Found,
        record: &mut BackupRecord,
        run: &mut Run,
        live: &Live,
        cancel: &watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let note = Some(format!("{}, {}", found.origin.words(), size(found.place.bytes)));
        self.step(run, live, 0, StepStatus::Done, note, None).await?;
        let started = Instant::now();
        self.step(run, live, 1, StepStatus::Started, None, None).await?;
        let note = self.store_import(target, found, record, &live.stream, cancel).await?;
        self.step(run, live, 1, StepStatus::Done, Some(note), Some(started)).await?;
        if let Some(index) = plan.steps.iter().position(|step| matches!(step, Step::Prove(_))) {
            self.prove_step(target, record, run, live, index, cancel).await?;
        }
        self.end_stored(plan, record, run, live, ("made from the dump", "No target was touched.")).await
    }

    async fn store_import(
        &self,
        target: &Target,
        found: &Found,
        record: &mut BackupRecord,
        events: &Stream,
        cancel: &watch::Receiver<bool>,
    ) -> Result<String, Failure> {
        let key = self.newest_backup_key().await?;
        let root = self.backup_root(target).await?;
        let (sandbox, toolkit) = (self.sandbox()?, self.toolkit()?);
        let tool = toolkit_tool(&toolkit);
        let job = Import {
            place: &found.place,
            origin: &found.origin,
            id: &record.id,
            environment_id: record.environment_id.as_deref(),
            environment_name: &record.environment_name,
            tier: target.tier,
            root: &root,
            key: &key,
            sandbox: &sandbox,
            toolkit: &toolkit,
            tool: &tool,
            events,
            index: 1,
            cancel,
        };
        let from = format!("from {}", found.origin.name);
        self.stored(target, record, job.import().await?, ("backup imported", &from)).await
    }
}

fn described(found: &Found) -> String {
    let origin = &found.origin;
    let mut words = origin.words();
    if let Some(version) = &origin.dumped_by {
        words.push_str(&format!(" {version}"));
    }
    match (&origin.database, &origin.server) {
        (Some(database), Some(server)) => {
            format!("{words}, of the database {database} on PostgreSQL {server}")
        }
        (None, Some(server)) => {
            format!("{words}, of a database on PostgreSQL {server} that it does not name")
        }
        (Some(database), None) => format!("{words}, of the database {database}"),
        (None, None) => format!("{words}; it does not say of which database"),
    }
}

fn made_words(found: &Found) -> String {
    match found.origin.dumped_at {
        Some(at) => format!(
            "{}, as its header says. A header has no time zone; it is read as this computer's.",
            at.with_timezone(&Local).format("%-d %b %Y, %H:%M")
        ),
        None => {
            "not known: the dump does not say it. The time of the import is shown in its place.".to_owned()
        }
    }
}
