//! Environments made from others: a copy, and the database that a restore left beside its target.

use super::{Engine, invalid};
use crate::domain::Failure;
use crate::domain::environment::Environment;
use crate::domain::run::{RunKind, RunStatus};
use chrono::Utc;

impl Engine {
    /// Adds a copy; it shares no secret with the original and has no pin.
    ///
    /// # Errors
    /// A secret that cannot be read or kept; [`FailureCode::Store`](crate::domain::FailureCode::Store).
    pub async fn environment_duplicate(&self, id: &str) -> Result<Environment, Failure> {
        let original = self.store().environment(id).await?;
        let copy = Environment { name: self.free_name(&original.name).await?, sandbox: false, ..original };
        self.keep_copy(copy).await
    }

    /// Adds the database that a restore left beside its target: the new one, or, after a swap, the one from before.
    /// It is reached as the target is, with the target's tier and rules; the app's own address is left out, because a
    /// pooler leads to the database it was set up for. Where there is such an environment, it is that one.
    ///
    /// # Errors
    /// [`FailureCode::EnvironmentInvalid`](crate::domain::FailureCode::EnvironmentInvalid) where the run left no
    /// database; else as [`Engine::environment_duplicate`].
    pub async fn environment_of_restore(&self, run_id: &str) -> Result<Environment, Failure> {
        let run = self.store().run(run_id).await?;
        let plan = self.store().plan(&run.plan_id).await?;
        let beside = plan.restore().and_then(|step| step.beside.as_deref());
        let got_in = run.kind == RunKind::Apply && run.status == RunStatus::Succeeded;
        let (true, Some(beside), Some(id)) = (got_in, beside, run.environment_id) else {
            return Err(invalid(format!("Run {} left no database beside its target.", run.number)));
        };
        let original = self.store().environment(&id).await?;
        let mut direct = original.direct.clone();
        direct.address.database = beside.kept_as.clone().unwrap_or_else(|| beside.name.clone());
        let host = |of: &Environment| {
            of.transport.ssh().map(|access| (access.host.clone(), access.port, access.user.clone()))
        };
        let mut environments = self.store().environments().await?.into_iter();
        let is_it =
            |known: &Environment| known.direct.address == direct.address && host(known) == host(&original);
        if let Some(known) = environments.find(is_it) {
            return Ok(known);
        }
        let name = self.free_name(&direct.address.database).await?;
        self.keep_copy(Environment { name, direct, runtime: None, ..original }).await
    }

    /// The name, with a number where it is taken.
    ///
    /// # Errors
    /// [`FailureCode::Store`](crate::domain::FailureCode::Store).
    pub(in crate::engine) async fn free_name(&self, name: &str) -> Result<String, Failure> {
        let environments = self.store().environments().await?;
        let free = |wished: &String| {
            environments.iter().all(|known| known.name.to_lowercase() != wished.to_lowercase())
        };
        let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
        Ok(std::iter::once(name.to_owned()).chain(numbered).find(free).unwrap_or_default())
    }

    /// Keeps a copy of an environment under an id, with secrets and without a pin of its own.
    async fn keep_copy(&self, mut copy: Environment) -> Result<Environment, Failure> {
        copy.id = Self::draw_id();
        copy.pin = None;
        copy.created_at = Utc::now();
        let passwords = copy.runtime.iter_mut().chain([&mut copy.direct]);
        let own = passwords.filter_map(|access| access.password.as_mut());
        for credential in own.chain(copy.transport.credentials_mut()) {
            let secret = self.secrets().get(credential).await?;
            let handle = self.secrets().pending_put(secret);
            *credential = self.secrets().keep(&handle, credential.kept).await?;
        }
        self.store().save_environment(&copy).await?;
        Ok(copy)
    }
}
