//! The shell without a window: what crosses to the web view, and who may import whom.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bindings;
mod imports;
