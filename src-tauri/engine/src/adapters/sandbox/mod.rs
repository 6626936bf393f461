//! The embedded sandbox: a real PostgreSQL server on a private data folder, for the demo, for trying a
//! profile, for drift replay and rehearsal. No install, no container engine. Its contents are
//! throwaway: durability is switched off, and a data folder that cannot be opened is made anew.

pub mod demo;
mod dump;
mod home;
mod process;
mod server;
mod toolkit;

pub use dump::schema_dump;
pub use server::{Sandbox, ScratchDatabase};
pub use toolkit::Toolkit;
