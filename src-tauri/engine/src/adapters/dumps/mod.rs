//! PostgreSQL's client programs: `pg_dump` reads a database out, `pg_restore` takes its archives apart. They get
//! their password by a private file and nothing of this process's environment. psql is never run.

mod archive;
mod deep;
mod foreign;
mod schema;
mod tools;
mod way;

pub use archive::{Archive, ArchiveWish};
pub use deep::{DeepDump, DeepScope};
pub use foreign::Place;
pub use schema::schema_dump;
pub use tools::{local_tools, toolkit_tool};
