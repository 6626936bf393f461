//! Trying a profile in the sandbox: a database of its own with the profile's tables.

use crate::adapters::files::profiles::{self, BUNDLED};
use crate::domain::environment::{Access, Colour, Environment, GuardRules, MigrationSource, Tier};
use crate::domain::plan::{Confirmation, PlanPurpose};
use crate::domain::run::RunStatus;
use crate::domain::secret::Keeping;
use crate::domain::transport::Transport;
use crate::domain::{Failure, FailureCode};
use crate::engine::{ApplyOptions, Engine};
use chrono::Utc;
use std::path::Path;

impl Engine {
    /// Makes a sandbox database with a profile's tables, from the migrations beside the profile, and an
    /// environment for it; one that is there already is taken as it is.
    ///
    /// # Errors
    /// [`FailureCode::ProfileInvalid`] where the profile brings no migrations; the sandbox's own failures.
    pub async fn seed_sandbox(&self, profile: &str) -> Result<Environment, Failure> {
        let name = Path::new(profile.strip_prefix(BUNDLED).unwrap_or(profile))
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let database: String = name
            .chars()
            .map(
                |character| {
                    if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '_' }
                },
            )
            .take(40)
            .collect();
        let database = format!("seed_{database}");
        let folder =
            profiles::write_migrations(profile, &self.store().folder().join("seeds").join(&database))?;
        let known = self.store().environments().await?;
        let environment = match known
            .into_iter()
            .find(|environment| environment.sandbox && environment.direct.address.database == database)
        {
            Some(environment) => environment,
            None => {
                self.sandbox_writes_open().await?;
                self.make_sandbox(&name, &database, &folder).await?
            }
        };
        let target = self.target(&environment.id).await?;
        let review = match self.plan_create(&target, PlanPurpose::ApplyPending).await {
            Ok(review) => review,
            Err(failure) if failure.code == FailureCode::NothingToDo => return Ok(environment),
            Err(failure) => return Err(failure),
        };
        let nothing = &mut |_| ();
        let tried = self.start_dry_run(&target, &review.plan.id).await?;
        self.wait_run(&tried.id, nothing).await?;
        let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
        let run = self.start_apply(&target, &review.plan.id, confirmation, ApplyOptions::default()).await?;
        let run = self.wait_run(&run.id, nothing).await?;
        match (run.status, run.failure) {
            (RunStatus::Succeeded, _) => Ok(environment),
            (_, Some(failure)) => Err(failure),
            (_, None) => {
                Err(Failure::new(FailureCode::SandboxFailed, "The profile's tables could not be made."))
            }
        }
    }

    async fn make_sandbox(&self, name: &str, database: &str, folder: &Path) -> Result<Environment, Failure> {
        let sandbox = self.sandbox()?;
        sandbox.start().await?;
        // One that an environment of a lost store made is empty of anything the console knows of.
        sandbox.drop_database(database).await?;
        let address = sandbox.create_database(database).await?;
        let password = match sandbox.password() {
            Some(password) => {
                let handle = self.secrets().pending_put(password);
                Some(self.secrets().keep(&handle, Keeping::AskEachTime).await?)
            }
            None => None,
        };
        let environment = Environment {
            id: Self::draw_id(),
            name: self.free_name(&format!("sandbox {name}")).await?,
            tier: Tier::Development,
            colour: Colour::Tier,
            runtime: None,
            direct: Access { address, password },
            transport: Transport::Direct,
            rules: GuardRules::for_tier(Tier::Development),
            migrations: Some(MigrationSource { folder: folder.display().to_string() }),
            pin: None,
            sandbox: true,
            created_at: Utc::now(),
        };
        self.store().save_environment(&environment).await?;
        Ok(environment)
    }
}
