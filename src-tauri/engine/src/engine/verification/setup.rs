//! Where an environment's checks of the app come from: its address, folders with files of checks, and the secrets
//! that their requests need.

use super::{Engine, Suite, Target, suite};
use crate::adapters::files::suites::{self, SuiteFile};
use crate::adapters::http::app_address;
use crate::domain::profile::{CheckSuite, Expected, ProfileProblem};
use crate::domain::secret::{Credential, Keeping};
use crate::domain::verification::{CheckDraft, CheckFile, CheckSetup, NeededCredential, SuiteSummary};
use crate::domain::{Failure, FailureCode};
use crate::planner::profile as parsing;
use serde::{Deserialize, Serialize};
use std::path::Path;
use url::Url;

/// What an environment keeps of its checks.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct KeptSetup {
    /// The app's address.
    pub(super) app: Option<String>,
    /// Folders with files of checks.
    pub(super) folders: Vec<String>,
    /// Handles of secrets, by name.
    pub(super) credentials: Vec<(String, Credential)>,
}

impl Engine {
    pub(super) async fn kept_setup(&self, environment: &str) -> Result<KeptSetup, Failure> {
        let Some(stored) = self.store().setting(&key(environment)).await? else {
            return Ok(KeptSetup::default());
        };
        serde_json::from_str(&stored).map_err(|error| {
            Failure::new(FailureCode::Store, "What is kept of the environment's checks cannot be read.")
                .why(error.to_string())
                .unchanged("It is as it was.")
                .next("Restore the console's data folder from its backup.")
        })
    }

    async fn keep_setup(&self, environment: &str, kept: &KeptSetup) -> Result<(), Failure> {
        self.store().set_setting(&key(environment), &serde_json::to_string(kept).unwrap_or_default()).await
    }

    /// The files of checks of an environment; and what of them cannot be read.
    pub(super) async fn own_suites(&self, target: &Target) -> Result<(Vec<Suite>, Vec<String>), Failure> {
        let kept = self.kept_setup(&target.environment_id().unwrap_or_default()).await?;
        let (mut found, mut unreadable) = (Vec::new(), Vec::new());
        for folder in &kept.folders {
            match suites::in_folder(Path::new(folder)) {
                Err(failure) => unreadable.push(failure.what),
                Ok(files) => {
                    for file in files {
                        match parsed(&file) {
                            Ok(suite) => {
                                found.push(Suite { id: file.path, title: suite.title, checks: suite.checks });
                            }
                            Err(problems) => unreadable.push(told(&file.name, &problems)),
                        }
                    }
                }
            }
        }
        Ok((found, unreadable))
    }

    /// Where the environment's checks come from, and what they still need.
    ///
    /// # Errors
    /// [`FailureCode::Store`]. A file that cannot be read is a line of the answer.
    pub async fn check_setup(&self, target: &Target) -> Result<CheckSetup, Failure> {
        let environment = target.environment_id().unwrap_or_default();
        let kept = self.kept_setup(&environment).await?;
        let mut setup = CheckSetup {
            app: kept.app.clone(),
            folders: kept.folders.clone(),
            suites: Vec::new(),
            credentials: Vec::new(),
            unreadable: Vec::new(),
        };
        for folder in &kept.folders {
            match suites::in_folder(Path::new(folder)) {
                Err(failure) => setup.unreadable.push(failure.what),
                Ok(files) => setup.suites.extend(files.iter().map(summary)),
            }
        }
        let (mut read, _) = self.suites(target).await?;
        for profile in self.own_profiles(&environment).await? {
            if !read.iter().any(|suite| suite.id == profile) {
                read.extend(suite(&profile).ok());
            }
        }
        for suite in &read {
            for named in &suite.checks.credentials {
                match setup.credentials.iter_mut().find(|needed| needed.name == named.name) {
                    Some(needed) => needed.asked_by.push(suite.title.clone()),
                    None => {
                        let credential = kept.credentials.iter().find(|(name, _)| *name == named.name);
                        let problem = match credential {
                            None => Some("Not set yet.".to_owned()),
                            Some((_, credential)) => {
                                self.secrets().get(credential).await.err().map(|failure| failure.what)
                            }
                        };
                        setup.credentials.push(NeededCredential {
                            name: named.name.clone(),
                            label: named.label.clone(),
                            asked_by: vec![suite.title.clone()],
                            kept: credential.map(|(_, credential)| credential.kept),
                            problem,
                        });
                    }
                }
            }
        }
        Ok(setup)
    }

    /// Sets the address of the environment's app; `None` or an empty one: it has none.
    ///
    /// # Errors
    /// [`FailureCode::AddressInvalid`], [`FailureCode::Store`].
    pub async fn check_app_set(
        &self,
        environment_id: &str,
        address: Option<&str>,
    ) -> Result<CheckSetup, Failure> {
        let target = self.target(environment_id).await?;
        let _turn = self.inner.check_setup.lock().await;
        let mut kept = self.kept_setup(environment_id).await?;
        let app = match address.map(str::trim) {
            None | Some("") => None,
            Some(text) => Some(app_address(text)?),
        };
        // Secrets belong to the app that they were entered for, not to the next one.
        let before = kept.app.as_deref().and_then(|text| app_address(text).ok()).map(|url| url.origin());
        let moved = before.is_some_and(|before| app.as_ref().map(Url::origin) != Some(before));
        let forgotten = if moved { std::mem::take(&mut kept.credentials) } else { Vec::new() };
        kept.app = app.map(String::from);
        for (_, credential) in &forgotten {
            self.secrets().forget(credential).await?;
        }
        self.keep_setup(environment_id, &kept).await?;
        self.check_setup(&target).await
    }

    /// Reads the files of checks of a folder, too.
    ///
    /// # Errors
    /// [`FailureCode::FileSystem`] where there is none; [`FailureCode::Store`].
    pub async fn check_folder_add(&self, environment_id: &str, folder: &Path) -> Result<CheckSetup, Failure> {
        let target = self.target(environment_id).await?;
        suites::in_folder(folder)?;
        // One folder in two spellings would be read twice.
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let _turn = self.inner.check_setup.lock().await;
        let mut kept = self.kept_setup(environment_id).await?;
        let path = folder.display().to_string();
        if !kept.folders.contains(&path) {
            kept.folders.push(path);
        }
        self.keep_setup(environment_id, &kept).await?;
        self.check_setup(&target).await
    }

    /// Reads the files of a folder no longer; the folder stays as it is.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn check_folder_remove(
        &self,
        environment_id: &str,
        folder: &str,
    ) -> Result<CheckSetup, Failure> {
        let target = self.target(environment_id).await?;
        let _turn = self.inner.check_setup.lock().await;
        let mut kept = self.kept_setup(environment_id).await?;
        kept.folders.retain(|known| known != folder);
        self.keep_setup(environment_id, &kept).await?;
        self.check_setup(&target).await
    }

    /// Keeps a secret that requests need; it was handed in before.
    ///
    /// # Errors
    /// When it is no longer held or cannot be kept there; [`FailureCode::Store`].
    pub async fn check_credential_set(
        &self,
        environment_id: &str,
        name: &str,
        handle: &str,
        keeping: Keeping,
    ) -> Result<CheckSetup, Failure> {
        let target = self.target(environment_id).await?;
        let _turn = self.inner.check_setup.lock().await;
        let mut kept = self.kept_setup(environment_id).await?;
        let credential = self.secrets().keep(handle, keeping).await?;
        let old = kept.credentials.iter().position(|(known, _)| known == name);
        let old = old.map(|at| kept.credentials.remove(at).1);
        kept.credentials.push((name.to_owned(), credential));
        self.keep_setup(environment_id, &kept).await?;
        if let Some(old) = old {
            self.secrets().forget(&old).await?;
        }
        self.check_setup(&target).await
    }

    /// Hands a kept secret out as one that waits for a form, by handle; the secret itself stays in the engine.
    ///
    /// # Errors
    /// [`FailureCode::SecretNeeded`] where none is kept under that name, or its place cannot be read.
    pub async fn check_credential_take(&self, environment_id: &str, name: &str) -> Result<String, Failure> {
        let kept = self.kept_setup(environment_id).await?;
        let Some((_, credential)) = kept.credentials.iter().find(|(known, _)| known == name) else {
            return Err(Failure::new(
                FailureCode::SecretNeeded,
                format!("No credential `{name}` is kept for this environment."),
            )
            .unchanged("Nothing was written.")
            .next("Set it under Verification, Set up, or type the password."));
        };
        let secret = self.secrets().get(credential).await?;
        Ok(self.secrets().pending_put(secret))
    }

    /// Forgets everything that an environment keeps of its checks, secrets first.
    pub(in crate::engine) async fn forget_checks(&self, environment_id: &str) -> Result<(), Failure> {
        let kept = self.kept_setup(environment_id).await?;
        for (_, credential) in &kept.credentials {
            self.secrets().forget(credential).await?;
        }
        self.keep_setup(environment_id, &KeptSetup::default()).await
    }

    /// The text of a file of checks, to be edited.
    ///
    /// # Errors
    /// [`FailureCode::FileSystem`] where it is in none of the environment's folders.
    pub async fn check_file(&self, environment_id: &str, path: &str) -> Result<CheckFile, Failure> {
        self.in_own_folder(environment_id, path).await?;
        let file = suites::read(Path::new(path))?;
        Ok(CheckFile {
            problems: parsed(&file).err().unwrap_or_default(),
            digest: file.digest(),
            text: String::from_utf8_lossy(&file.bytes).into_owned(),
            path: file.path,
        })
    }

    /// What is wrong in a text of checks; it is written nowhere.
    pub fn check_text_judge(&self, name: &str, text: &str) -> Vec<ProfileProblem> {
        parsing::parse_suite(name, text.as_bytes()).err().unwrap_or_default()
    }

    /// The text of a check, from what a form asks.
    pub fn check_compose(&self, draft: &CheckDraft) -> String {
        parsing::compose(draft)
    }

    /// Writes a file of checks, new or as it was read. `digest`: what it had then; `None`: it must not be there yet.
    ///
    /// # Errors
    /// [`FailureCode::ProfileInvalid`] where the text is none; [`FailureCode::FileSystem`] where the file changed
    /// meanwhile, or lies in none of the environment's folders.
    pub async fn check_file_save(
        &self,
        environment_id: &str,
        path: &str,
        text: &str,
        digest: Option<&str>,
    ) -> Result<CheckSetup, Failure> {
        let target = self.target(environment_id).await?;
        self.in_own_folder(environment_id, path).await?;
        let name =
            Path::new(path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        if let Err(problems) = parsing::parse_suite(&name, text.as_bytes()) {
            return Err(invalid(&name, &problems));
        }
        suites::write(Path::new(path), text, digest)?;
        self.check_setup(&target).await
    }

    async fn in_own_folder(&self, environment_id: &str, path: &str) -> Result<(), Failure> {
        let kept = self.kept_setup(environment_id).await?;
        let own = Path::new(path)
            .parent()
            .is_some_and(|parent| kept.folders.iter().any(|folder| Path::new(folder) == parent));
        if own && Path::new(path).extension().is_some_and(|extension| extension == "toml") {
            return Ok(());
        }
        Err(Failure::new(FailureCode::FileSystem, "This is no file of checks of the environment.")
            .why(format!("{path} is no .toml file in one of its folders."))
            .unchanged("Nothing was written.")
            .next("Add the folder to the environment's checks first."))
    }
}

fn key(environment: &str) -> String {
    format!("checks:{environment}")
}

fn parsed(file: &SuiteFile) -> Result<CheckSuite, Vec<ProfileProblem>> {
    parsing::parse_suite(&file.name, &file.bytes)
}

fn told(name: &str, problems: &[ProfileProblem]) -> String {
    match problems.first() {
        Some(first) => format!("{name}, line {}: {} {}", first.at.line, first.what, first.next),
        None => name.to_owned(),
    }
}

fn invalid(name: &str, problems: &[ProfileProblem]) -> Failure {
    let what = match problems.len() {
        1 => format!("{name} has a mistake."),
        count => format!("{name} has {count} mistakes."),
    };
    let lines: Vec<String> = problems
        .iter()
        .take(20)
        .map(|problem| told(&problem.at.file, std::slice::from_ref(problem)))
        .collect();
    Failure::new(FailureCode::ProfileInvalid, what)
        .why(lines.join("\n"))
        .unchanged("Nothing was written.")
        .next("Correct the file, then read it again.")
}

fn summary(file: &SuiteFile) -> SuiteSummary {
    let mut summary = SuiteSummary {
        id: file.path.clone(),
        title: file.name.clone(),
        description: String::new(),
        checks: 0,
        flows: 0,
        problems: Vec::new(),
    };
    match parsed(file) {
        Err(problems) => summary.problems = problems,
        Ok(suite) => {
            let expectations = &suite.checks.expectations;
            let flows = expectations.iter().filter(|one| matches!(one.what, Expected::Http(_))).count();
            summary.title = suite.title;
            summary.description = suite.description;
            summary.checks = u32::try_from(expectations.len()).unwrap_or(u32::MAX);
            summary.flows = u32::try_from(flows).unwrap_or(u32::MAX);
        }
    }
    summary
}

/// The suites behind a path: a profile's folder, a file of checks, or a folder of them.
pub(super) fn from_source(source: &str) -> Result<Vec<Suite>, Failure> {
    let path = Path::new(source);
    let files = if path.is_file() {
        vec![suites::read(path)?]
    } else if path.is_dir() && !path.join(parsing::PROFILE_FILE).is_file() {
        suites::in_folder(path)?
    } else {
        return Ok(vec![suite(source)?]);
    };
    if files.is_empty() {
        return Err(Failure::new(FailureCode::ProfileInvalid, format!("{source} holds no checks."))
            .why("It has neither a profile.toml nor another .toml file.")
            .unchanged("Nothing was read.")
            .next("Name a profile's folder, a file of checks, or a folder of such files."));
    }
    files
        .into_iter()
        .map(|file| match parsed(&file) {
            Ok(suite) => Ok(Suite { id: file.path, title: suite.title, checks: suite.checks }),
            Err(problems) => Err(invalid(&file.name, &problems)),
        })
        .collect()
}
