//! Preflight and verification checks; each returns findings.

pub mod lint;
