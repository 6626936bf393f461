//! The sandbox and the demo on it.

use super::Engine;
use crate::adapters::sandbox::{Sandbox, Toolkit, demo};
use crate::domain::environment::{Access, Colour, Environment, GuardRules, MigrationSource, Tier};
use crate::domain::sandbox::SandboxStatus;
use crate::domain::transport::Transport;
use crate::domain::{Failure, FailureCode};
use chrono::Utc;
use std::sync::Arc;

/// Name of the environment that the demo makes.
const DEMO_NAME: &str = "sandbox";

impl Engine {
    /// The sandbox of this data folder.
    ///
    /// # Errors
    /// [`FailureCode::ToolkitMissing`] where this build has no PostgreSQL of its own.
    pub(super) fn sandbox(&self) -> Result<Arc<Sandbox>, Failure> {
        let mut kept = self.inner.sandbox.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(sandbox) = &*kept {
            return Ok(Arc::clone(sandbox));
        }
        let sandbox = Arc::new(Sandbox::new(self.toolkit()?, self.store().folder().join("sandbox")));
        *kept = Some(Arc::clone(&sandbox));
        Ok(sandbox)
    }

    pub(super) fn toolkit(&self) -> Result<Toolkit, Failure> {
        Toolkit::find(None)
    }

    /// The sandbox's state; starts nothing.
    pub async fn sandbox_status(&self) -> SandboxStatus {
        match self.sandbox() {
            Ok(sandbox) => sandbox.status().await,
            Err(failure) => SandboxStatus {
                available: false,
                problem: Some(match failure.why {
                    Some(why) => format!("{} {why}", failure.what),
                    None => failure.what,
                }),
                running: false,
                version: None,
                port: None,
                folder: self.store().folder().join("sandbox").display().to_string(),
            },
        }
    }

    /// Starts the sandbox.
    ///
    /// # Errors
    /// [`FailureCode::ToolkitMissing`], [`FailureCode::SandboxFailed`].
    pub async fn sandbox_start(&self) -> Result<SandboxStatus, Failure> {
        self.sandbox()?.start().await?;
        Ok(self.sandbox_status().await)
    }

    /// Stops the sandbox.
    ///
    /// # Errors
    /// [`FailureCode::SandboxFailed`].
    pub async fn sandbox_stop(&self) -> Result<SandboxStatus, Failure> {
        self.inner.connections.lock().await.clear();
        self.sandbox()?.stop().await?;
        Ok(self.sandbox_status().await)
    }

    /// Throws the sandbox's databases away and forgets the environments on it.
    ///
    /// # Errors
    /// [`FailureCode::SandboxFailed`], [`FailureCode::Store`].
    pub async fn sandbox_reset(&self) -> Result<SandboxStatus, Failure> {
        self.sandbox_writes_open().await?;
        self.inner.connections.lock().await.clear();
        self.sandbox()?.reset().await?;
        for environment in self.store().environments().await? {
            if environment.sandbox {
                self.store().delete_environment(&environment.id).await?;
            }
        }
        Ok(self.sandbox_status().await)
    }

    /// Starts the sandbox, brings the demo into its first state, and makes (or renews) its environment.
    ///
    /// # Errors
    /// [`FailureCode::ToolkitMissing`], [`FailureCode::SandboxFailed`], [`FailureCode::Store`].
    pub async fn demo_start(&self) -> Result<Environment, Failure> {
        self.sandbox_writes_open().await?;
        let sandbox = self.sandbox()?;
        let old = self.store().environments().await?.into_iter().find(|environment| {
            environment.sandbox && environment.direct.address.database == demo::database()
        });
        if let Some(old) = &old
            && self.live().values().any(|live| live.target == old.id)
        {
            return Err(Failure::new(FailureCode::RunInProgress, "A run is at work on the sandbox.")
                .unchanged("The demo was not started again.")
                .next("Wait for it, or cancel it."));
        }
        self.inner.connections.lock().await.clear();
        let installed = demo::install(&sandbox, &self.store().folder().join("demo")).await?;
        if let Some(old) = &old {
            self.store().delete_environment(&old.id).await?;
        }
        let password = match sandbox.password() {
            Some(password) => {
                let handle = self.secrets().pending_put(password);
                Some(self.secrets().keep(&handle, crate::domain::secret::Keeping::AskEachTime).await?)
            }
            None => None,
        };
        let environment = Environment {
            id: Self::draw_id(),
            name: DEMO_NAME.to_owned(),
            tier: Tier::Development,
            colour: Colour::Tier,
            runtime: None,
            direct: Access { address: installed.address, password },
            transport: Transport::Direct,
            rules: GuardRules::for_tier(Tier::Development),
            migrations: Some(MigrationSource { folder: installed.migrations_folder.display().to_string() }),
            pin: None,
            sandbox: true,
            created_at: Utc::now(),
        };
        self.store().save_environment(&environment).await?;
        Ok(environment)
    }

    /// Makes sure that the server behind a sandbox environment runs, and follows its place.
    pub(super) async fn sandbox_for(&self, environment: &Environment) -> Result<(), Failure> {
        let sandbox = self.sandbox()?;
        let server = sandbox.start().await?;
        let mut stored = environment.clone();
        stored.direct.address = crate::domain::address::Address {
            database: environment.direct.address.database.clone(),
            ..server
        };
        if let (Some(credential), Some(password)) = (&stored.direct.password, sandbox.password()) {
            self.secrets().provide(credential, password);
        }
        if stored.direct.address != environment.direct.address {
            // The sandbox's socket moves with each start; that is no other database.
            let place = format!("{}:{}", stored.direct.address.host, stored.direct.address.port);
            if let Some(pin) = &mut stored.pin {
                pin.identity.address = place;
            }
            self.store().save_environment(&stored).await?;
        }
        Ok(())
    }
}
