//! PostgreSQL: everything that speaks to a server through sqlx.

pub mod catalogue;
pub mod scratch;
