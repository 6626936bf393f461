//! What goes wrong, done on purpose: kills, cut lines, bad input, damaged stores, and a secret that must
//! not be found anywhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests"
)]

mod backup_cuts;
mod backups;
mod beside;
mod input;
mod kills;
mod lines;
mod moments;
mod parts;
mod secrets;
mod seed_kills;
mod store;
