//! Backups, proofs and restores on real servers.

mod beside;
mod filler;
pub mod harness;
mod hashes;
mod indexes;
mod keeping;
mod moved;
mod restore;
pub mod rollback;
mod shapes;
mod take;
mod traps;
