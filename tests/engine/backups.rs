//! Backups, proofs and restores on real servers.

mod filler;
mod harness;
mod keeping;
mod restore;
mod rollback;
mod take;
