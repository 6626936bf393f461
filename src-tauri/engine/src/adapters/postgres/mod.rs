//! PostgreSQL: the only user of `sqlx::postgres` and of TLS to a database.

pub mod backup;
pub mod capture;
pub mod catalogue;
pub mod clear;
pub mod connect;
pub mod copy;
pub mod databases;
pub mod doctor;
pub mod failure;
pub mod identity;
pub mod ledger;
pub mod observe;
pub mod people;
pub mod query;
pub mod row_hash;
pub mod scratch;
pub mod script;
pub mod seed;
pub mod tables;
pub mod tls;
pub mod trial;
pub mod undo;
pub mod words;
