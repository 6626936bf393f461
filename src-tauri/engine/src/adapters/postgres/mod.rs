//! PostgreSQL: the only user of `sqlx::postgres` and of TLS to a database.

pub mod catalogue;
pub mod connect;
pub mod doctor;
pub mod failure;
pub mod identity;
pub mod ledger;
pub mod observe;
pub mod scratch;
pub mod script;
pub mod tls;
pub mod trial;
pub mod words;
