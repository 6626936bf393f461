//! PostgreSQL: the only user of `sqlx::postgres` and of TLS to a database.

pub mod ledger;
pub mod observe;
pub mod script;
pub mod words;
//! PostgreSQL: connecting, asking, explaining. One file for each thing done on a server.

pub mod connect;
pub mod failure;
//! PostgreSQL: everything that speaks to a server through sqlx.

pub mod catalogue;
