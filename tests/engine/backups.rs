//! Backups, proofs and restores on real servers.

mod beside;
mod filler;
pub mod harness;
mod keeping;
mod restore;
pub mod rollback;
mod take;
