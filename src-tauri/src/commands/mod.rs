//! What the web view may ask for, one file a panel. Every command is typed and names its environment.

pub mod backups;
pub mod connection;
pub mod desk;
pub mod environments;
pub mod migrations;
pub mod plans;
pub mod runs;
pub mod sandbox;
pub mod seeds;
pub mod settings;
pub mod verification;

use drydock_engine::Engine;
use drydock_engine::domain::Failure;
use tauri::State;

/// The engine as commands see it.
type On<'a> = State<'a, Engine>;
/// What commands answer.
type Answer<T> = Result<T, Failure>;
