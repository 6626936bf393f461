//! Seeds on real servers: what the dry run shows is what is written, what was written can be taken back, and
//! what is wrong is told by file and line before anything changes.

mod app;
mod bundled;
mod calls;
mod capture;
mod concurrent;
mod generated;
pub mod harness;
mod hostile;
mod modes;
mod refusals;
mod reviewed;
mod undo;
mod verify;
