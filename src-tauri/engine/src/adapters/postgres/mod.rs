//! PostgreSQL: the only user of `sqlx::postgres` and of TLS to a database.

pub mod ledger;
pub mod observe;
pub mod script;
pub mod words;
