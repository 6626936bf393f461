//! PostgreSQL: connecting, asking, explaining. One file for each thing done on a server.

pub mod connect;
pub mod doctor;
pub mod failure;
pub mod identity;
pub mod tls;
