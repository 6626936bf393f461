//! The truth panel: files, ledger and live schema of a target.

use super::{Engine, Observation, Target};
use crate::adapters::files;
use crate::checks::{effects, lint};
use crate::domain::migration::{
    MigrationDetail, MigrationFile, MigrationRow, MigrationSet, MigrationStatus, TouchedTable,
};
use crate::domain::statement::{Script, Waits};
use crate::domain::{Failure, FailureCode, Finding};
use crate::planner::status::{Derived, Evidence, derive};

/// A longer script is cut for the screen; the whole of it is still what runs.
const LONGEST_SHOWN_BYTES: usize = 256 * 1024;

impl Engine {
    /// Reads files and target and says the truth about every migration. Creates nothing on the target.
    ///
    /// # Errors
    /// When the folder or the target cannot be read.
    pub async fn migration_status(&self, target: &Target) -> Result<MigrationStatus, Failure> {
        let set = read_set(target).await?;
        let observation = self.observe(target).await?;
        self.status_of(&set, &observation)
    }

    pub(super) fn status_of(
        &self,
        set: &MigrationSet,
        observation: &Observation,
    ) -> Result<MigrationStatus, Failure> {
        let Derived { migrations, next_apply, findings, prisma_exit_code, headline, lead } =
            self.derive(set, observation)?;
        Ok(MigrationStatus {
            headline,
            lead,
            folder: set.folder.clone(),
            ledger: observation.presence.clone(),
            migrations,
            next_apply,
            findings,
            foreign_ledgers: observation.foreign.clone(),
            lock_holder: observation.facts.lock_holders.first().cloned(),
            prisma_exit_code,
            ledger_ids: observation.rows.iter().map(|row| row.id.clone()).collect(),
            read_at: observation.read_at,
        })
    }

    fn derive(&self, set: &MigrationSet, observation: &Observation) -> Result<Derived, Failure> {
        let collator = files::root_collator()?;
        Ok(derive(&Evidence {
            set,
            rows: &observation.rows,
            presence: &observation.presence,
            lock_holder: observation.facts.lock_holders.first(),
            collation: &|left, right| collator.compare(left, right),
            script: &|file| self.script_of(file),
            live: &|_, script| effects::live_objects(script, &observation.catalogue, &observation.schema),
        }))
    }

    pub(super) fn script_of(&self, file: &MigrationFile) -> Option<Script> {
        match (&file.script, &file.checksum) {
            (Ok(text), Some(checksum)) => Some((*self.script(checksum, text)).clone()),
            _ => None,
        }
    }

    /// One migration in detail.
    ///
    /// # Errors
    /// When the folder or the target cannot be read, or there is no such migration.
    pub async fn migration_detail(&self, target: &Target, name: &str) -> Result<MigrationDetail, Failure> {
        let set = read_set(target).await?;
        let observation = self.observe(target).await?;
        let status = self.status_of(&set, &observation)?;
        let row = status.migrations.into_iter().find(|row| row.name == name).ok_or_else(|| unknown(name))?;
        let file = set.files.iter().find(|file| file.name == name);
        let Some((file, Ok(text))) = file.map(|file| (file, file.script.as_ref())) else {
            return Ok(MigrationDetail {
                row,
                sql: None,
                cut: 0,
                script: None,
                findings: Vec::new(),
                tables: Vec::new(),
            });
        };
        let script = self.script_of(file);
        let findings = script.as_ref().map_or_else(Vec::new, |script| lint::lint(name, text, script));
        let tables = script.as_ref().map_or_else(Vec::new, |script| touched(script, &observation));
        let shown = text
            .char_indices()
            .map(|(at, _)| at)
            .take_while(|at| *at <= LONGEST_SHOWN_BYTES)
            .last()
            .unwrap_or(0);
        let end = if text.len() <= LONGEST_SHOWN_BYTES { text.len() } else { shown };
        Ok(MigrationDetail {
            row,
            sql: Some(text[..end].to_owned()),
            cut: u32::try_from(text.len() - end).unwrap_or(u32::MAX),
            script,
            findings,
            tables,
        })
    }

    /// What linter and facts say about the migrations of a plan.
    pub(super) fn findings_for(&self, files: &[&MigrationFile]) -> Vec<Finding> {
        files
            .iter()
            .filter_map(|file| {
                let text = file.script.as_ref().ok()?;
                Some(lint::lint(&file.name, text, &self.script_of(file)?))
            })
            .flatten()
            .collect()
    }
}

/// Reads the set off the async threads: a folder can be large or on a slow drive.
pub(super) async fn read_set(target: &Target) -> Result<MigrationSet, Failure> {
    let folder = target.folder()?.to_path_buf();
    tokio::task::spawn_blocking(move || files::read_migration_set(&folder)).await.map_err(|error| {
        Failure::new(FailureCode::MigrationsUnreadable, "Reading the migrations folder was interrupted.")
            .why(error.to_string())
    })?
}

pub(super) fn unknown(name: &str) -> Failure {
    Failure::new(
        FailureCode::ResolveRefused,
        format!("There is no migration `{name}`, neither in the folder nor in the ledger."),
    )
    .unchanged("Nothing was changed.")
    .next("Use the whole name of its folder, such as 20201207184859_initial_migration.")
}

/// The existing tables a script touches, with their strongest lock.
fn touched(script: &Script, observation: &Observation) -> Vec<TouchedTable> {
    let mut tables: Vec<TouchedTable> = Vec::new();
    for lock in script.statements.iter().flat_map(|statement| &statement.locks) {
        let (schema, name) = match lock.table.split_once('.') {
            Some((schema, name)) => (schema.to_owned(), name.to_owned()),
            None => (observation.catalogue.schemas.first().cloned().unwrap_or_default(), lock.table.clone()),
        };
        match tables.iter_mut().find(|table| table.name == name && table.schema == schema) {
            Some(table) if table.waits >= lock.waits => {}
            Some(table) => {
                table.waits = lock.waits;
                table.mode.clone_from(&lock.mode);
            }
            None => {
                let exists = observation.catalogue.table(&schema, &name).is_some();
                let size = observation.facts.sizes.iter().find(|size| exists && size.name == name);
                tables.push(TouchedTable {
                    schema,
                    name,
                    rows: size.and_then(|size| (size.rows >= 0.0).then_some(size.rows)),
                    bytes: size.map(|size| size.bytes),
                    mode: lock.mode.clone(),
                    waits: lock.waits,
                });
            }
        }
    }
    tables.sort_by(|left, right| right.waits.cmp(&left.waits).then_with(|| left.name.cmp(&right.name)));
    tables.retain(|table| table.waits != Waits::Nobody || table.bytes.is_some());
    tables
}

/// A row of the status by name.
pub(super) fn row<'a>(status: &'a MigrationStatus, name: &str) -> Result<&'a MigrationRow, Failure> {
    status.migrations.iter().find(|row| row.name == name).ok_or_else(|| unknown(name))
}
