//! The lab: real parts for the tests, each private to a test run, on loopback and free ports, killed
//! on drop. It only ever ends processes that it started. A part that cannot start panics and says why:
//! a test without its part has proven nothing.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a part that cannot start ends the test"
)]

mod app;
mod keyring;
mod network;
mod parts;
mod pgbouncer;
mod postgres;
mod prisma;
mod slow;
mod ssh;

pub use app::App;
pub use keyring::Keyring;
pub use network::{Capture, Network};
pub use parts::{corpus, free_port, repository};
pub use pgbouncer::PgBouncer;
pub use postgres::{Authority, Postgres, Tls, Version};
pub use prisma::{Answer, PrismaPeer};
pub use slow::{Fault, Slow};
pub use ssh::{SshAgent, SshServer, SshSettings, descendants};
