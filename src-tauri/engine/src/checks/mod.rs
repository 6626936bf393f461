//! Preflight and verification checks; each returns findings.

pub mod drift;
pub mod effects;
pub mod expectations;
pub mod http;
pub mod lint;
pub mod repair;
