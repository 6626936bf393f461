//! Settings of the console itself.

use super::Engine;
use crate::domain::{Failure, FailureCode};
use serde::{Deserialize, Serialize};

/// What the operator may set about the console.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Settings {
    /// Light, dark, or as the system is.
    pub theme: Theme,
    /// How long changed rows are kept on this computer.
    #[serde(default)]
    pub rows_kept: RowsKept,
}

/// How long the files of changed rows are kept, in days, from 1 to 3,650.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct RowsKept {
    /// Those of applies; after that a run cannot be taken back any more.
    pub applies: u16,
    /// Those that a dry run saw.
    pub dry_runs: u16,
}

impl Default for RowsKept {
    fn default() -> Self {
        Self { applies: 90, dry_runs: 7 }
    }
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
    /// [`FailureCode::Store`].
    pub async fn settings(&self) -> Result<Settings, Failure> {
        let text = self.store().setting("settings").await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Changes the settings.
    ///
    /// # Errors
    /// [`FailureCode::SettingInvalid`]; [`FailureCode::Store`].
    pub async fn set_settings(&self, settings: Settings) -> Result<Settings, Failure> {
        let RowsKept { applies, dry_runs } = settings.rows_kept;
        if [applies, dry_runs].iter().any(|days| !(1..=3_650).contains(days)) {
            return Err(Failure::new(FailureCode::SettingInvalid, "Changed rows cannot be kept that long.")
                .why(format!("Applies: {applies} days, dry runs: {dry_runs} days."))
                .unchanged("The settings are as they were.")
                .next("Choose from 1 to 3,650 days."));
        }
        let text = serde_json::to_string(&settings).unwrap_or_default();
        self.store().set_setting("settings", &text).await?;
        Ok(settings)
    }
}
