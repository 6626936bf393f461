//! The engine's integration tests, one module an area.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backups;
mod conformance;
mod connect;
mod desk;
mod drift;
mod sandbox;
mod secrets;
mod seeds;
mod sql;
mod ssh;
