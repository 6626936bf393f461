//! Preflight and verification checks; each returns findings.

pub mod drift;
pub mod effects;
pub mod lint;
pub mod repair;
