//! Pure types and rules: no I/O, no clock, no randomness. Everything else imports this; it imports nothing.

pub mod address;
pub mod backup;
pub mod catalogue;
pub mod change_set;
pub mod checklist;
pub mod desk;
pub mod doctor;
pub mod drift;
pub mod environment;
pub mod error;
pub mod finding;
pub mod http;
pub mod identity;
pub mod import;
pub mod inventory;
pub mod ledger;
pub mod migration;
pub mod overview;
pub mod plan;
pub mod profile;
pub mod provider;
pub mod repair;
pub mod rollback;
pub mod run;
pub mod sandbox;
pub mod secret;
pub mod seed;
pub mod ssh;
pub mod staging;
pub mod statement;
pub mod tables;
pub mod transport;
pub mod verification;
pub mod words;

pub use error::{Failure, FailureCode};
pub use finding::{Finding, Outcome};
