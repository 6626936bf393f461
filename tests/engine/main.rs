//! The engine's integration tests, one module an area.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod drift;
mod sql;
