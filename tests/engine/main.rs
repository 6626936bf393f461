//! The engine against real servers.

mod drift;

#[test]
fn placeholder() {}
