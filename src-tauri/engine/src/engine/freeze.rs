//! The freeze: Drydock writes nothing, on one environment or on all.

use super::{Engine, Target};
use crate::adapters::files::operator;
use crate::domain::desk::{Freeze, Freezes};
use crate::domain::{Failure, FailureCode};
use chrono::Utc;

/// Shortest reason of a freeze, characters.
const SHORTEST_REASON: usize = 4;

impl Engine {
    /// All freezes.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn freezes(&self) -> Result<Freezes, Failure> {
        self.store().freezes().await
    }

    /// Freezes an environment, or all of them (`None`). What only reads goes on; a run at work goes on to its end.
    ///
    /// # Errors
    /// [`FailureCode::SettingInvalid`] without a reason; when the environment is not known; [`FailureCode::Store`].
    pub async fn freeze(&self, environment_id: Option<&str>, why: &str) -> Result<Freezes, Failure> {
        let why = why.trim();
        if why.chars().count() < SHORTEST_REASON {
            return Err(Failure::new(FailureCode::SettingInvalid, "A freeze needs a reason.")
                .why(format!("Whoever meets it has to know why; {SHORTEST_REASON} characters at least."))
                .unchanged("Nothing is frozen by this.")
                .next("Type why writes are to stop."));
        }
        let target = self.bare_target(environment_id).await?;
        let freeze = Freeze {
            everywhere: environment_id.is_none(),
            by: operator(),
            why: why.chars().take(500).collect(),
            at: Utc::now(),
        };
        self.store().set_freeze(environment_id, &freeze).await?;
        self.audit_freeze(target.as_ref(), "freeze", &freeze.why).await?;
        self.freezes().await
    }

    /// Lifts the freeze of an environment, or the one of all (`None`). A production environment's name is typed.
    ///
    /// # Errors
    /// [`FailureCode::ConfirmationMissing`]; [`FailureCode::Store`].
    pub async fn lift_freeze(
        &self,
        environment_id: Option<&str>,
        typed_name: Option<&str>,
    ) -> Result<Freezes, Failure> {
        let target = self.bare_target(environment_id).await?;
        if let Some(target) = &target
            && target.rules.typed_confirmation
            && typed_name != Some(target.name.as_str())
        {
            return Err(Failure::new(
                FailureCode::ConfirmationMissing,
                format!("The name `{}` was not typed to confirm.", target.name),
            )
            .unchanged("Writes are still frozen.")
            .next("Type the environment's name exactly as it is shown."));
        }
        self.store().lift_freeze(environment_id).await?;
        self.audit_freeze(target.as_ref(), "lift freeze", "lifted").await?;
        self.freezes().await
    }

    /// The freeze that holds for a target.
    pub(super) async fn frozen(&self, target: &Target) -> Result<Option<Freeze>, Failure> {
        let freezes = self.freezes().await?;
        let own = target.environment_id().and_then(|id| {
            freezes.environments.into_iter().find(|own| own.environment_id == id).map(|own| own.freeze)
        });
        Ok(freezes.everywhere.or(own))
    }

    /// Refuses what would write while writes are frozen.
    ///
    /// # Errors
    /// [`FailureCode::Frozen`].
    pub(super) async fn writes_open(&self, target: &Target) -> Result<(), Failure> {
        let Some(freeze) = self.frozen(target).await? else { return Ok(()) };
        let place = if freeze.everywhere { "all environments".to_owned() } else { target.name.clone() };
        Err(Failure::new(FailureCode::Frozen, format!("Writes on {place} are frozen."))
            .why(format!(
                "{} froze them at {}: {}",
                freeze.by,
                freeze.at.format("%Y-%m-%d %H:%M UTC"),
                freeze.why
            ))
            .unchanged("Nothing was started, nothing was written.")
            .next("Lift the freeze in the banner once its reason is gone."))
    }

    async fn bare_target(&self, environment_id: Option<&str>) -> Result<Option<Target>, Failure> {
        match environment_id {
            Some(id) => Ok(Some(Target::bare(self.environment(id).await?))),
            None => Ok(None),
        }
    }

    async fn audit_freeze(
        &self,
        target: Option<&Target>,
        action: &str,
        outcome: &str,
    ) -> Result<(), Failure> {
        match target {
            Some(target) => self.audit(target, action, "", outcome).await,
            None => self.audit_place("all environments", action, "", outcome).await,
        }
    }
}
