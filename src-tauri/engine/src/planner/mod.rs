//! Pure planning: from files, ledger and catalogue to a plan. Never touches the network.

pub mod address;
pub mod objects;
pub mod plan;
pub mod profile;
pub mod seed;
pub mod sql;
pub mod status;
