//! Backups, proofs and restores on real servers.

mod beside;
mod filler;
pub mod harness;
mod hashes;
mod import;
mod indexes;
mod keeping;
mod moved;
pub mod restore;
pub mod rollback;
mod shapes;
mod take;
mod traps;
