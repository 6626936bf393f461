//! Preflight and verification checks; each returns findings.
