//! Settings of the console itself.

use super::Engine;
use crate::domain::Failure;
use serde::{Deserialize, Serialize};

/// What the operator may set about the console.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Settings {
    /// Light, dark, or as the system is.
    pub theme: Theme,
}

/// Light, dark, or as the system is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// As the system is.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Engine {
    /// The settings.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`].
    pub async fn settings(&self) -> Result<Settings, Failure> {
        let text = self.store().setting("settings").await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Changes the settings.
    ///
    /// # Errors
    /// [`crate::domain::FailureCode::Store`].
    pub async fn set_settings(&self, settings: Settings) -> Result<Settings, Failure> {
        let text = serde_json::to_string(&settings).unwrap_or_default();
        self.store().set_setting("settings", &text).await?;
        Ok(settings)
    }
}
