//! Drydock's engine: plans, executes, proves and undoes database changes. It knows no window and
//! prints nothing; the shell and `drydockctl` reach it only through its public door.

pub mod adapters;
pub mod checks;
pub mod domain;
mod engine;
pub mod planner;
pub mod runner;

pub use adapters::postgres::failure::visible;
pub use engine::{AppAnswers, ApplyOptions, Engine, Observation, RowsKept, Settings, Target, Theme};
