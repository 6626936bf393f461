//! Drift against real servers: the live side on the system's PostgreSQL 15, the replay on the toolkit's 18.

#![allow(clippy::print_stderr)]

mod corpus;
mod differences;
mod fingerprint;
mod repair;
mod replay;
mod server;
