//! The embedded sandbox: a real PostgreSQL server on a private data folder, for the demo, for trying a
//! profile, for drift replay and rehearsal. No install, no container engine. Its contents are
//! throwaway: durability is switched off, and a data folder that cannot be opened is made anew.

pub mod demo;
mod home;
mod process;
mod server;
mod toolkit;

pub(in crate::adapters) use process::bare;
pub use server::{Sandbox, ScratchDatabase};
pub use toolkit::Toolkit;
