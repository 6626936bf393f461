//! Seeds: profiles to choose from, their plans, the rows they change, and the way back.

mod answers;
mod call;
mod changes;
mod plan;
mod rows;
mod run;
mod sandbox;
mod stored;
mod undo;

pub(super) use rows::{ShownRows, cell_view as shown_cell};

use super::{Engine, Target};
use crate::adapters::files::profiles::{self, BUNDLED, ReadProfile};
use crate::domain::environment::Tier;
use crate::domain::http::HttpStep;
use crate::domain::migration::hex;
use crate::domain::plan::PlannedAnswer;
use crate::domain::profile::{InputKind, Profile, ProfileFiles, Work};
use crate::domain::seed::{BlockSummary, LastSeed, PasswordVerdict, ProfileSummary, ProfileWork, SeedShelf};
use crate::domain::{Failure, FailureCode};
use crate::planner::profile as parsing;
use crate::planner::seed::{policy, prepare::row_count};
use sha2::{Digest, Sha256};
use std::path::Path;

impl Engine {
    /// The profiles that an environment shows: those of its own folders, then the bundled ones.
    ///
    /// # Errors
    /// [`FailureCode::Store`]. A folder that cannot be read is a line of the answer.
    pub async fn seed_shelf(&self, target: &Target) -> Result<SeedShelf, Failure> {
        let environment = target.environment_id().unwrap_or_default();
        let folders = self.seed_folders(&environment).await?;
        let last = self.store().last_seeds(&environment).await?;
        let mut shelf = SeedShelf { profiles: Vec::new(), folders: folders.clone(), unreadable: Vec::new() };
        for folder in &folders {
            match profiles::in_folder(Path::new(folder)) {
                Ok(found) if found.is_empty() => {
                    shelf.unreadable.push(format!("{folder} holds no folder with a profile.toml."));
                }
                Ok(found) => {
                    for id in found {
                        shelf.profiles.push(summary(&id, target.tier, &last));
                    }
                }
                Err(failure) => shelf.unreadable.push(failure.what),
            }
        }
        for id in profiles::bundled() {
            shelf.profiles.push(summary(&id, target.tier, &last));
        }
        Ok(shelf)
    }

    /// Ids of the profiles in an environment's own folders; a folder that cannot be read has none.
    pub(super) async fn own_profiles(&self, environment: &str) -> Result<Vec<String>, Failure> {
        let folders = self.seed_folders(environment).await?;
        Ok(folders
            .iter()
            .flat_map(|folder| profiles::in_folder(Path::new(folder)).unwrap_or_default())
            .collect())
    }

    async fn seed_folders(&self, environment: &str) -> Result<Vec<String>, Failure> {
        let stored = self.store().setting(&folders_key(environment)).await?;
        Ok(stored.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Shows the profiles of a folder, too.
    ///
    /// # Errors
    /// [`FailureCode::FileSystem`] where there is none; [`FailureCode::Store`].
    pub async fn seed_folder_add(&self, environment_id: &str, folder: &Path) -> Result<SeedShelf, Failure> {
        let target = self.target(environment_id).await?;
        let found = profiles::in_folder(folder)?;
        if found.is_empty() {
            return Err(Failure::new(
                FailureCode::ProfileInvalid,
                format!("{} holds no seed profile.", folder.display()),
            )
            .why("Neither the folder nor one inside of it has a profile.toml.")
            .unchanged("The list is as it was.")
            .next("Choose a profile's folder, or the folder that holds the profiles."));
        }
        let mut folders = self.seed_folders(environment_id).await?;
        let path = folder.display().to_string();
        if !folders.contains(&path) {
            folders.push(path);
        }
        self.keep_folders(environment_id, &folders).await?;
        self.seed_shelf(&target).await
    }

    /// Shows the profiles of a folder no longer; the folder stays as it is.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn seed_folder_remove(&self, environment_id: &str, folder: &str) -> Result<SeedShelf, Failure> {
        let target = self.target(environment_id).await?;
        let mut folders = self.seed_folders(environment_id).await?;
        folders.retain(|known| known != folder);
        self.keep_folders(environment_id, &folders).await?;
        self.seed_shelf(&target).await
    }

    async fn keep_folders(&self, environment: &str, folders: &[String]) -> Result<(), Failure> {
        let text = serde_json::to_string(folders).unwrap_or_default();
        self.store().set_setting(&folders_key(environment), &text).await
    }

    /// How hard a password that was handed in is to guess.
    ///
    /// # Errors
    /// [`FailureCode::SecretNeeded`] when it is no longer held.
    pub fn judge_password(&self, handle: &str) -> Result<PasswordVerdict, Failure> {
        Ok(policy::judge(&self.secrets().pending_get(handle)?, &[]))
    }
}

fn folders_key(environment: &str) -> String {
    format!("seed_folders:{environment}")
}

/// A profile, read and taken apart.
pub(super) struct Known {
    /// The profile.
    pub profile: Profile,
    /// SHA-256 over its files.
    pub digest: String,
    files: ProfileFiles,
}

/// Reads a profile, whatever its digest.
///
/// # Errors
/// As [`read`].
pub(super) fn read_profile(id: &str) -> Result<Profile, Failure> {
    Ok(read(id)?.profile)
}

/// Reads a profile.
///
/// # Errors
/// [`FailureCode::ProfileInvalid`] with the first problem and how many there are.
pub(super) fn read(id: &str) -> Result<Known, Failure> {
    let ReadProfile { files, digest } = profiles::read(id, &parsing::files_named)?;
    parsed(files, digest)
}

/// Reads a profile with the files that were chosen for its inputs.
///
/// # Errors
/// As [`read`] and [`Known::with_chosen`].
pub(super) fn read_answered(id: &str, answers: &[PlannedAnswer]) -> Result<Known, Failure> {
    read(id)?.with_chosen(answers)
}

impl Known {
    /// The same with the files that were chosen for its inputs.
    ///
    /// # Errors
    /// [`FailureCode::FileSystem`] where a chosen file cannot be read; [`FailureCode::ProfileInvalid`].
    fn with_chosen(self, answers: &[PlannedAnswer]) -> Result<Self, Failure> {
        let mut hash = Sha256::new_with_prefix(&self.digest);
        let mut files = self.files;
        for input in self.profile.inputs.iter().filter(|input| matches!(input.kind, InputKind::File)) {
            let answer = answers.iter().find(|answer| answer.name == input.name);
            let Some(path) = answer.and_then(|answer| answer.value.as_ref()) else { continue };
            let (mut name, bytes) = profiles::read_chosen(Path::new(path))?;
            // A file of the profile may have the same name.
            while files.files.contains_key(&name) {
                name.insert_str(0, "chosen ");
            }
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(&bytes);
            files.files.insert(name.clone(), bytes);
            files.chosen.insert(input.name.clone(), name);
        }
        if files.chosen.is_empty() {
            return Ok(Self { files, ..self });
        }
        parsed(files, hex(&hash.finalize()))
    }
}

fn parsed(files: ProfileFiles, digest: String) -> Result<Known, Failure> {
    match parsing::parse(&files) {
        Ok(profile) => Ok(Known { profile, digest, files }),
        Err(problems) => {
            let lines: Vec<String> = problems
                .iter()
                .take(20)
                .map(|problem| {
                    format!(
                        "{}, line {}: {} {}",
                        problem.at.file, problem.at.line, problem.what, problem.next
                    )
                })
                .collect();
            let more = problems.len().saturating_sub(lines.len());
            let what = match problems.len() {
                1 => "The profile has a mistake.".to_owned(),
                count => format!("The profile has {count} mistakes."),
            };
            let tail = if more > 0 { format!("\nand {more} more") } else { String::new() };
            Err(Failure::new(FailureCode::ProfileInvalid, what)
                .why(lines.join("\n") + &tail)
                .unchanged("Nothing was written.")
                .next("Correct the files, then read the profile again."))
        }
    }
}

fn summary(id: &str, tier: Tier, last: &[(String, LastSeed)]) -> ProfileSummary {
    let name = Path::new(id.strip_prefix(BUNDLED).unwrap_or(id))
        .file_name()
        .map_or_else(|| id.to_owned(), |name| name.to_string_lossy().into_owned());
    let mut summary = ProfileSummary {
        id: id.to_owned(),
        title: name,
        description: String::new(),
        bundled: id.starts_with(BUNDLED),
        tiers: Vec::new(),
        inputs: Vec::new(),
        scale: None,
        writes: ProfileWork::Unreadable,
        expectations: 0,
        problems: Vec::new(),
        refused: None,
        last: last.iter().find(|(known, _)| known == id).map(|(_, last)| last.clone()),
    };
    let files = match profiles::read(id, &parsing::files_named) {
        Ok(read) => read.files,
        Err(failure) => {
            summary.refused = Some(failure.why.unwrap_or(failure.what));
            return summary;
        }
    };
    match parsing::parse(&files) {
        Err(problems) => summary.problems = problems,
        Ok(profile) => {
            summary.refused = policy::refused(&profile, tier);
            summary.writes = work(&profile, profile.scale.map_or(1, |scale| scale.default));
            summary.expectations = u32::try_from(profile.checks.expectations.len()).unwrap_or(u32::MAX);
            summary.title = profile.title;
            summary.description = profile.description;
            summary.tiers = profile.tiers;
            summary.inputs = profile.inputs;
            summary.scale = profile.scale;
        }
    }
    summary
}

/// What a profile writes, at a scale.
fn work(profile: &Profile, scale: u32) -> ProfileWork {
    match &profile.work {
        Work::Http(work) => ProfileWork::Http {
            requests: work.steps.iter().map(HttpStep::label).collect(),
            counts: work
                .counts
                .iter()
                .map(|table| match &table.schema {
                    Some(schema) => format!("{schema}.{}", table.name),
                    None => table.name.clone(),
                })
                .collect(),
        },
        Work::Sql(files) => ProfileWork::Sql { files: files.iter().map(|file| file.file.clone()).collect() },
        Work::Tables(blocks) => ProfileWork::Tables {
            blocks: blocks
                .iter()
                .map(|block| BlockSummary {
                    table: block.label(),
                    mode: block.mode,
                    key: block.key.clone(),
                    rows: u32::try_from(row_count(block, scale)).unwrap_or(u32::MAX),
                })
                .collect(),
        },
    }
}
