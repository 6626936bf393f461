//! The only users of sqlx, reqwest, rustls, openssh, russh, the keyring, the file system and child processes. Adapters import
//! only `domain`.

pub mod backups;
pub mod changes;
pub mod dumps;
pub mod files;
pub mod http;
pub mod keyring;
pub mod postgres;
pub mod sandbox;
pub mod ssh;
pub mod store;
