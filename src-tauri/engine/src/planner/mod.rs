//! Pure planning: from files, ledger and catalogue to a plan. Never touches the network.

pub mod address;
pub mod archive;
pub mod backup;
pub mod checklist;
pub mod describe;
pub mod desk;
pub mod dump;
#[cfg(test)]
mod fixtures;
pub mod foreign;
pub mod import;
pub mod objects;
pub mod plan;
pub mod profile;
pub mod rebuild;
pub mod restore_point;
pub mod rollback;
pub mod rollback_report;
pub mod seed;
pub mod sql;
pub mod status;
