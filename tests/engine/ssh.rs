//! The line to a host over SSH: one suite, both implementations, real sshd.
#![allow(clippy::print_stderr, reason = "campaigns tell what they saw")]

mod capture;
mod cuts;
mod doctor;
mod host_keys;
mod journey;
mod leftovers;
mod logins;
mod loss;
mod office;
mod parts;
mod secrets;
mod streams;

/// Declares each claim as two tests: by the operator's own ssh, and by the built-in one.
macro_rules! by_both {
    ($($name:ident),* $(,)?) => {
        mod by_own_ssh {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(drydock_engine::domain::ssh::SshImplementation::Openssh).await;
            })*
        }
        mod by_built_in {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(drydock_engine::domain::ssh::SshImplementation::Russh).await;
            })*
        }
    };
}
use by_both;
