//! Environments: made, changed, tested, forgotten.

mod copies;

use super::lines::{OnHop, examine};
use super::{Engine, Target};
use crate::adapters::files;
use crate::domain::address::ParsedAddress;
use crate::domain::doctor::DoctorReport;
use crate::domain::environment::{
    Access, AccessDraft, Environment, EnvironmentDraft, EnvironmentStatus, EnvironmentSummary,
    MigrationSource, PasswordChoice,
};
use crate::domain::identity::{IdentityPin, IdentityVerdict};
use crate::domain::overview::Overview;
use crate::domain::run::RunStatus;
use crate::domain::secret::{Credential, Secret, SecretOf, SecretStoreStatus};
use crate::domain::ssh::TunnelState;
use crate::domain::{Failure, FailureCode, Outcome};
use crate::planner;
use crate::runner::session::Connector;
use chrono::{TimeDelta, Utc};
use std::path::Path;

/// A reading older than this is stale.
const STALE_AFTER: TimeDelta = TimeDelta::minutes(15);

impl Engine {
    /// All environments in their order, each with the word beside it.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn environments(&self) -> Result<Vec<EnvironmentSummary>, Failure> {
        let mut summaries = Vec::new();
        for environment in self.store().environments().await? {
            summaries.push(EnvironmentSummary {
                status: self.status_word(&environment).await?,
                id: environment.id,
                name: environment.name,
                tier: environment.tier,
                colour: environment.colour,
                sandbox: environment.sandbox,
            });
        }
        Ok(summaries)
    }

    async fn status_word(&self, environment: &Environment) -> Result<Option<EnvironmentStatus>, Failure> {
        let open = self.store().open_runs(Some(&environment.id), &environment.name).await?;
        if open.iter().any(|run| run.status == RunStatus::NeedsAttention) {
            return Ok(Some(EnvironmentStatus::Unknown));
        }
        if open.iter().any(|run| run.status == RunStatus::Running) {
            return Ok(Some(EnvironmentStatus::Running));
        }
        if let Some(access) = environment.transport.ssh()
            && matches!(self.lines().state(access), Some(TunnelState::Lost { .. }))
        {
            return Ok(Some(EnvironmentStatus::Unknown));
        }
        let Some(overview) = self.store().reading::<Overview>(&environment.id, "overview").await? else {
            return Ok(None);
        };
        if Utc::now() - overview.read_at > STALE_AFTER {
            return Ok(Some(EnvironmentStatus::Stale));
        }
        let worst = overview.cards.iter().filter_map(|card| card.outcome).max();
        Ok(worst.map(|worst| match worst {
            Outcome::Pass => EnvironmentStatus::Pass,
            Outcome::Warn => EnvironmentStatus::Warn,
            Outcome::Unknown => EnvironmentStatus::Unknown,
            Outcome::Block => EnvironmentStatus::Block,
        }))
    }

    /// One environment.
    ///
    /// # Errors
    /// [`FailureCode::EnvironmentUnknown`], [`FailureCode::Store`].
    pub async fn environment(&self, id: &str) -> Result<Environment, Failure> {
        self.store().environment(id).await
    }

    /// Adds an environment.
    ///
    /// # Errors
    /// [`FailureCode::EnvironmentInvalid`] with what to correct; a secret that could not be kept.
    pub async fn environment_create(&self, draft: EnvironmentDraft) -> Result<Environment, Failure> {
        self.name_is_free(&draft.name, None).await?;
        let environment = self.environment_from(draft, Self::draw_id(), None).await?;
        self.store().save_environment(&environment).await?;
        Ok(environment)
    }

    /// Changes an environment. A changed address forgets the identity pin only if the operator pins anew.
    ///
    /// # Errors
    /// As [`Engine::environment_create`].
    pub async fn environment_update(
        &self,
        id: &str,
        draft: EnvironmentDraft,
    ) -> Result<Environment, Failure> {
        let old = self.store().environment(id).await?;
        self.name_is_free(&draft.name, Some(id)).await?;
        let new = self.environment_from(draft, old.id.clone(), Some(&old)).await?;
        self.store().save_environment(&new).await?;
        if old.direct.address != new.direct.address || old.migrations != new.migrations {
            self.store().forget_reading(id, "drift").await?;
        }
        self.inner.connections.lock().await.remove(id);
        if old.transport != new.transport {
            self.close_line(&old.transport).await;
        }
        for credential in
            credentials(&old).into_iter().filter(|credential| !credentials(&new).contains(credential))
        {
            self.secrets().forget(credential).await?;
        }
        Ok(new)
    }

    /// Puts environments in this order.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn environment_reorder(&self, ids: &[String]) -> Result<(), Failure> {
        self.store().reorder_environments(ids).await
    }

    /// Forgets an environment and its secrets; its runs and the audit stay. Production needs its name typed.
    ///
    /// # Errors
    /// [`FailureCode::ConfirmationMissing`], [`FailureCode::RunInProgress`], [`FailureCode::Store`].
    pub async fn environment_delete(&self, id: &str, typed_name: Option<&str>) -> Result<(), Failure> {
        let environment = self.store().environment(id).await?;
        if environment.rules.typed_confirmation && typed_name != Some(environment.name.as_str()) {
            return Err(Failure::new(
                FailureCode::ConfirmationMissing,
                format!("The name `{}` was not typed to confirm.", environment.name),
            )
            .unchanged("Nothing was deleted.")
            .next("Type the environment's name exactly as it is shown."));
        }
        if self.live().values().any(|live| live.target == environment.id) {
            return Err(Failure::new(FailureCode::RunInProgress, "A run is at work on this environment.")
                .unchanged("Nothing was deleted.")
                .next("Wait for it, or cancel it."));
        }
        self.inner.connections.lock().await.remove(id);
        self.close_line(&environment.transport).await;
        for credential in credentials(&environment) {
            self.secrets().forget(credential).await?;
        }
        self.forget_checks(id).await?;
        self.store().delete_environment(id).await?;
        let target = Target::bare(environment);
        self.audit(&target, "delete environment", "", "deleted").await
    }

    async fn name_is_free(&self, name: &str, own: Option<&str>) -> Result<(), Failure> {
        let taken = self.store().environments().await?;
        match taken
            .iter()
            .find(|other| other.name.eq_ignore_ascii_case(name.trim()) && Some(other.id.as_str()) != own)
        {
            Some(other) => Err(invalid(format!("There is already an environment named `{}`.", other.name))
                .next("Choose another name.")),
            None => Ok(()),
        }
    }

    async fn environment_from(
        &self,
        draft: EnvironmentDraft,
        id: String,
        old: Option<&Environment>,
    ) -> Result<Environment, Failure> {
        let name = draft.name.trim().to_owned();
        if name.is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
            return Err(
                invalid("An environment needs a name of 1 to 80 visible characters.").next("Give it a name.")
            );
        }
        check_address(&draft.direct)?;
        draft.runtime.as_ref().map_or(Ok(()), check_address)?;
        let migrations = match &draft.migrations_folder {
            Some(folder) if !folder.trim().is_empty() => Some(source(Path::new(folder.trim()))?),
            _ => None,
        };
        let transport = self.transport_from(draft.transport, old.map(|old| &old.transport)).await?;
        let direct = self.access(draft.direct, old.map(|old| &old.direct)).await?;
        let runtime = match draft.runtime {
            Some(runtime) => Some(self.access(runtime, old.and_then(|old| old.runtime.as_ref())).await?),
            None => None,
        };
        Ok(Environment {
            id,
            name,
            tier: draft.tier,
            colour: draft.colour,
            runtime,
            direct,
            transport,
            rules: draft.rules.clamped(draft.tier),
            migrations,
            pin: old.and_then(|old| old.pin.clone()),
            sandbox: old.is_some_and(|old| old.sandbox),
            created_at: old.map_or_else(Utc::now, |old| old.created_at),
        })
    }

    async fn access(&self, draft: AccessDraft, old: Option<&Access>) -> Result<Access, Failure> {
        let password = match draft.password {
            PasswordChoice::None => None,
            PasswordChoice::Keep => old.and_then(|old| old.password.clone()),
            PasswordChoice::Pending { handle, keeping } => Some(self.secrets().keep(&handle, keeping).await?),
        };
        Ok(Access { address: draft.address, password })
    }

    /// Takes a pasted address apart; its password becomes a pending credential.
    ///
    /// # Errors
    /// [`FailureCode::AddressInvalid`] with what to correct; the text is not repeated in it.
    pub fn address_parse(&self, text: &str) -> Result<ParsedAddress, Failure> {
        let (mut parsed, password) = planner::address::parse(text)?;
        parsed.password = password.map(|password| self.secrets().pending_put(password));
        Ok(parsed)
    }

    /// Takes a typed password; it stays in memory until an environment is saved with its handle.
    pub fn password_set(&self, text: Secret) -> String {
        self.secrets().pending_put(text)
    }

    /// What this computer offers for keeping secrets.
    pub async fn secret_store_status(&self) -> SecretStoreStatus {
        self.secrets().status().await
    }

    /// Makes the vault.
    ///
    /// # Errors
    /// [`FailureCode::VaultLocked`] with the reason.
    pub async fn vault_create(&self, passphrase: Secret) -> Result<SecretStoreStatus, Failure> {
        self.secrets().vault_create(passphrase).await?;
        Ok(self.secrets().status().await)
    }

    /// Unlocks the vault for this session.
    ///
    /// # Errors
    /// [`FailureCode::VaultLocked`].
    pub async fn vault_unlock(&self, passphrase: Secret) -> Result<SecretStoreStatus, Failure> {
        self.secrets().vault_unlock(passphrase).await?;
        Ok(self.secrets().status().await)
    }

    /// Takes a secret that an environment asks for at each start.
    ///
    /// # Errors
    /// [`FailureCode::EnvironmentUnknown`], [`FailureCode::Store`].
    pub async fn secret_provide(&self, id: &str, text: Secret, of: SecretOf) -> Result<(), Failure> {
        let environment = self.store().environment(id).await?;
        let access = match of {
            SecretOf::Direct => Some(&environment.direct),
            SecretOf::Runtime => environment.runtime.as_ref(),
            SecretOf::Ssh => {
                self.provide_ssh_secret(&environment.transport, text).await;
                return Ok(());
            }
        };
        if let Some(credential) = access.and_then(|access| access.password.as_ref()) {
            self.secrets().provide(credential, text);
        }
        Ok(())
    }

    /// Walks to the database hop by hop.
    ///
    /// # Errors
    /// Only when the environment or its secret is not at hand; what fails on the way is in the report.
    pub async fn connection_test(&self, id: &str, on_hop: OnHop<'_>) -> Result<DoctorReport, Failure> {
        let environment = self.store().environment(id).await?;
        let route = self.route(&environment.transport).await?;
        let connector = |access: &Access, password| Connector {
            address: access.address.clone(),
            password,
            check_timeout_ms: environment.rules.check_timeout_ms,
            route: route.clone(),
        };
        let password = self.secret(environment.direct.password.as_ref()).await?;
        let direct = connector(&environment.direct, password);
        let runtime = match &environment.runtime {
            Some(access) => Some(connector(access, self.secret(access.password.as_ref()).await?)),
            None => None,
        };
        let report = examine(&direct, runtime.as_ref(), environment.pin.as_ref(), true, on_hop).await;
        self.remember_shown(&report);
        if report.identity.is_some() && environment.pin.is_none() && report.usable {
            let target = self.target(&environment.id).await?;
            // First contact: pinned with the ledger as it is.
            let _ = self.observe(&target).await;
        }
        Ok(report)
    }

    /// Walks to the database of a draft that is not saved.
    ///
    /// # Errors
    /// As [`Engine::connection_test`].
    pub async fn connection_test_draft(
        &self,
        draft: &EnvironmentDraft,
        id: Option<&str>,
        on_hop: OnHop<'_>,
    ) -> Result<DoctorReport, Failure> {
        let old = match id {
            Some(id) => Some(self.store().environment(id).await?),
            None => None,
        };
        check_address(&draft.direct)?;
        let route = self.draft_route(&draft.transport, old.as_ref().map(|old| &old.transport)).await?;
        let connector = |access: &AccessDraft, password| Connector {
            address: access.address.clone(),
            password,
            check_timeout_ms: draft.rules.check_timeout_ms,
            route: route.clone(),
        };
        let password = self.draft_secret(&draft.direct, old.as_ref().map(|old| &old.direct)).await?;
        let direct = connector(&draft.direct, password);
        let runtime = match &draft.runtime {
            Some(access) => {
                let kept = old.as_ref().and_then(|old| old.runtime.as_ref());
                Some(connector(access, self.draft_secret(access, kept).await?))
            }
            None => None,
        };
        let pin = old.as_ref().and_then(|old| old.pin.as_ref());
        let report = examine(&direct, runtime.as_ref(), pin, false, on_hop).await;
        self.remember_shown(&report);
        Ok(report)
    }

    async fn secret(&self, credential: Option<&Credential>) -> Result<Option<Secret>, Failure> {
        match credential {
            Some(credential) => self.secrets().get(credential).await.map(Some),
            None => Ok(None),
        }
    }

    async fn draft_secret(
        &self,
        access: &AccessDraft,
        old: Option<&Access>,
    ) -> Result<Option<Secret>, Failure> {
        match &access.password {
            PasswordChoice::None => Ok(None),
            PasswordChoice::Keep => self.secret(old.and_then(|old| old.password.as_ref())).await,
            PasswordChoice::Pending { handle, .. } => self.secrets().pending_get(handle).map(Some),
        }
    }

    /// Pins the database that answers now, on purpose and on record.
    ///
    /// # Errors
    /// [`FailureCode::ConfirmationMissing`]; when the target cannot be read.
    pub async fn identity_repin(&self, id: &str, typed_name: &str) -> Result<Environment, Failure> {
        let mut environment = self.store().environment(id).await?;
        if typed_name != environment.name {
            return Err(Failure::new(
                FailureCode::ConfirmationMissing,
                format!("The name `{}` was not typed to confirm.", environment.name),
            )
            .unchanged("The old identity stays pinned, and writes stay refused.")
            .next("Type the environment's name exactly as it is shown."));
        }
        let target = self.target(id).await?;
        let observation = self.observe(&target).await?;
        let reasons = match &observation.verdict {
            IdentityVerdict::Different { reasons } => reasons.join(" "),
            _ => "nothing differed".to_owned(),
        };
        self.audit(&target, "pin identity again", &observation.identity.short(), &reasons).await?;
        environment.pin = Some(IdentityPin {
            identity: observation.identity.clone(),
            pinned_at: Utc::now(),
            ledger_ids: observation.rows.iter().map(|row| row.id.clone()).collect(),
        });
        self.store().save_environment(&environment).await?;
        self.store().forget_reading(id, "drift").await?;
        Ok(environment)
    }

    /// Chooses where an environment's migrations are.
    ///
    /// # Errors
    /// [`FailureCode::MigrationsUnreadable`].
    pub async fn migrations_choose(&self, id: &str, folder: &Path) -> Result<Environment, Failure> {
        let mut environment = self.store().environment(id).await?;
        environment.migrations = Some(source(folder)?);
        self.store().save_environment(&environment).await?;
        Ok(environment)
    }

    /// Everything needed to work on a stored environment.
    ///
    /// # Errors
    /// [`FailureCode::EnvironmentUnknown`]; [`FailureCode::SecretNeeded`] or [`FailureCode::VaultLocked`]
    /// where its password is not at hand.
    pub async fn target(&self, id: &str) -> Result<Target, Failure> {
        let environment = self.store().environment(id).await?;
        if environment.sandbox {
            self.sandbox_for(&environment).await?;
        }
        let environment = self.store().environment(id).await?;
        let password = self.secret(environment.direct.password.as_ref()).await?;
        let route = self.route(&environment.transport).await?;
        let mut target = Target::bare(environment);
        target.connector.password = password;
        target.connector.route = route;
        Ok(target)
    }

    /// The target that a plan was made for.
    ///
    /// # Errors
    /// As [`Engine::target`]; [`FailureCode::RunUnknown`].
    pub async fn target_of_plan(&self, plan_id: &str) -> Result<Target, Failure> {
        let plan = self.store().plan(plan_id).await?;
        self.target(&plan.environment_id.ok_or_else(elsewhere)?).await
    }

    /// The target that a run worked on.
    ///
    /// # Errors
    /// As [`Engine::target`]; [`FailureCode::RunUnknown`].
    pub async fn target_of_run(&self, run_id: &str) -> Result<Target, Failure> {
        let run = self.store().run(run_id).await?;
        self.target(&run.environment_id.ok_or_else(elsewhere)?).await
    }

    /// The target of the stored environment with this name.
    ///
    /// # Errors
    /// As [`Engine::target`].
    pub async fn target_named(&self, name: &str) -> Result<Target, Failure> {
        let environments = self.store().environments().await?;
        let found = environments
            .iter()
            .find(|environment| environment.name == name)
            .or_else(|| environments.iter().find(|environment| environment.name.eq_ignore_ascii_case(name)));
        match found {
            Some(environment) => self.target(&environment.id).await,
            None => {
                let names: Vec<&str> =
                    environments.iter().map(|environment| environment.name.as_str()).collect();
                let known = if names.is_empty() {
                    "None is stored yet.".to_owned()
                } else {
                    format!("Stored: {}.", names.join(", "))
                };
                Err(Failure::new(
                    FailureCode::EnvironmentUnknown,
                    format!("There is no environment named `{name}`."),
                )
                .why(known)
                .next("Use one of these names, or add it in Drydock."))
            }
        }
    }
}

impl Target {
    /// A stored environment without its secret.
    pub(super) fn bare(environment: Environment) -> Self {
        Self {
            name: environment.name.clone(),
            tier: environment.tier,
            rules: environment.rules.clone(),
            connector: Connector {
                address: environment.direct.address.clone(),
                password: None,
                check_timeout_ms: environment.rules.check_timeout_ms,
                route: None,
            },
            folder: environment.migrations.as_ref().map(|source| source.folder.clone().into()),
            environment: Some(environment),
        }
    }
}

fn elsewhere() -> Failure {
    Failure::new(FailureCode::EnvironmentUnknown, "This was started from the command line with DATABASE_URL.")
        .why("Its address is not stored.")
        .next("Use drydockctl with the same DATABASE_URL.")
}

fn source(folder: &Path) -> Result<MigrationSource, Failure> {
    Ok(MigrationSource { folder: files::find_migrations_folder(folder)?.display().to_string() })
}

fn credentials(environment: &Environment) -> Vec<&Credential> {
    environment
        .runtime
        .iter()
        .chain([&environment.direct])
        .filter_map(|access| access.password.as_ref())
        .chain(environment.transport.credentials())
        .collect()
}

fn check_address(access: &AccessDraft) -> Result<(), Failure> {
    let address = &access.address;
    let bad = |text: &str| text.trim().is_empty() || text.chars().any(char::is_control);
    for (what, text) in [
        ("host", &address.host),
        ("user", &address.user),
        ("database", &address.database),
        ("schema", &address.schema),
    ] {
        if bad(text) {
            return Err(invalid(format!("The {what} is empty or holds a control character."))
                .next(format!("Fill in the {what}.")));
        }
    }
    if address.port == 0 {
        return Err(invalid("Port 0 is not a port.").next("PostgreSQL's usual port is 5432."));
    }
    Ok(())
}

fn invalid(what: impl Into<String>) -> Failure {
    Failure::new(FailureCode::EnvironmentInvalid, what).unchanged("Nothing was saved.")
}
