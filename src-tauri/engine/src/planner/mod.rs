//! Pure planning: from files, ledger and catalogue to a plan. Never touches the network.

pub mod sql;
