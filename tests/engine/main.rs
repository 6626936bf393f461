//! The engine against real servers.

mod drift;

#[test]
fn placeholder() {}
//! The engine's integration tests, one module an area.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sql;
