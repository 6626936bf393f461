//! The engine's integration tests, one module an area.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod drift;
mod sandbox;
mod sql;
//! The engine against real servers and keyrings.

mod connect;
mod secrets;
