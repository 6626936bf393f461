//! Backups, proofs and restores on real servers.

mod filler;
pub mod harness;
mod hashes;
mod indexes;
mod keeping;
mod restore;
pub mod rollback;
mod take;
