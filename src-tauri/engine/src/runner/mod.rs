//! Executes a plan step by step: emits run events, journals, cancels, recovers.

pub mod apply;
pub mod dry_run;
pub mod events;
pub mod examine;
pub mod session;
