//! Linter.
use crate::domain::{Finding, statement::Script};
/// Lint.
pub fn lint(_migration: &str, _script: &str, _analysed: &Script) -> Vec<Finding> {
    Vec::new()
}
