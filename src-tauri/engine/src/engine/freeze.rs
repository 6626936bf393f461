//! The freeze: Drydock writes nothing, on one environment or on all.

use super::{Engine, Target};
use crate::adapters::files::operator;
use crate::domain::desk::{EnvironmentFreeze, Freeze, Freezes};
use crate::domain::environment::Environment;
use crate::domain::{Failure, FailureCode};
use chrono::Utc;

/// What is typed to lift the freeze of all environments.
const EVERYWHERE: &str = "everywhere";
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
        let freezes = self.freezes().await?;
        let standing = match environment_id {
            None => freezes.everywhere,
            Some(id) => own(freezes, id),
        };
        if let Some(standing) = standing {
            return Err(Failure::new(FailureCode::Frozen, "Writes are frozen there already.")
                .why(format!("By {}: {}", standing.by, standing.why))
                .unchanged("That freeze stands as it is.")
                .next("Lift it first, if its reason is gone."));
        }
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
        let wanted = match &target {
            Some(target) => target.rules.typed_confirmation.then(|| target.name.clone()),
            None => {
                let careful = |environment: &Environment| environment.rules.typed_confirmation;
                self.store().environments().await?.iter().any(careful).then(|| EVERYWHERE.to_owned())
            }
        };
        if let Some(wanted) = wanted
            && typed_name != Some(wanted.as_str())
        {
            return Err(Failure::new(
                FailureCode::ConfirmationMissing,
                format!("`{wanted}` was not typed to confirm."),
            )
            .unchanged("Writes are still frozen.")
            .next("Type it exactly as it is shown."));
        }
        self.store().lift_freeze(environment_id).await?;
        self.audit_freeze(target.as_ref(), "lift freeze", "lifted").await?;
        self.freezes().await
    }

    /// The freeze that holds for a target.
    pub(super) async fn frozen(&self, target: &Target) -> Result<Option<Freeze>, Failure> {
        let freezes = self.freezes().await?;
        if freezes.everywhere.is_some() {
            return Ok(freezes.everywhere);
        }
        // Another environment, or DATABASE_URL, that leads to a frozen database is frozen with it.
        for frozen in freezes.environments {
            if target.environment_id().as_ref() == Some(&frozen.environment_id) {
                return Ok(Some(frozen.freeze));
            }
            if let Ok(other) = self.store().environment(&frozen.environment_id).await
                && leads_to_the_same(target, &other)
            {
                return Ok(Some(frozen.freeze));
            }
        }
        Ok(None)
    }

    /// Refuses to make or throw away databases of the sandbox while writes are frozen everywhere, or on an environment
    /// of the sandbox.
    ///
    /// # Errors
    /// [`FailureCode::Frozen`].
    pub(super) async fn sandbox_writes_open(&self) -> Result<(), Failure> {
        let freezes = self.freezes().await?;
        let environments = self.store().environments().await?;
        let sandbox = |frozen: &EnvironmentFreeze| {
            environments.iter().any(|known| known.sandbox && known.id == frozen.environment_id)
        };
        let freeze =
            freezes.everywhere.or(freezes.environments.into_iter().find(sandbox).map(|frozen| frozen.freeze));
        match freeze {
            Some(freeze) => Err(refused("the sandbox", &freeze)),
            None => Ok(()),
        }
    }

    /// Refuses what would write while writes are frozen.
    ///
    /// # Errors
    /// [`FailureCode::Frozen`].
    pub(super) async fn writes_open(&self, target: &Target) -> Result<(), Failure> {
        let Some(freeze) = self.frozen(target).await? else { return Ok(()) };
        Err(refused(&target.name, &freeze))
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

/// The freeze of one environment.
fn own(freezes: Freezes, id: &str) -> Option<Freeze> {
    freezes.environments.into_iter().find(|own| own.environment_id == id).map(|own| own.freeze)
}

/// Whether a target is the database of another environment: by its pin, or by the address that is written down.
fn leads_to_the_same(target: &Target, other: &Environment) -> bool {
    let pinned = target.environment.as_ref().and_then(|environment| environment.pin.as_ref());
    let same_pin = pinned
        .zip(other.pin.as_ref())
        .is_some_and(|(one, other)| one.identity.is_same_database(&other.identity));
    let (one, other) = (&target.connector.address, &other.direct.address);
    same_pin || (one.host == other.host && one.port == other.port && one.database == other.database)
}

fn refused(place: &str, freeze: &Freeze) -> Failure {
    let place = if freeze.everywhere { "all environments" } else { place };
    Failure::new(FailureCode::Frozen, format!("Writes on {place} are frozen."))
        .why(format!(
            "{} froze them at {}: {}",
            freeze.by,
            freeze.at.format("%Y-%m-%d %H:%M UTC"),
            freeze.why
        ))
        .unchanged("Nothing was started, nothing was written.")
        .next("Lift the freeze in the banner once its reason is gone.")
}
