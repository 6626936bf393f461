//! The only users of sqlx, rustls, the keyring, the file system and child processes. Adapters import
//! only `domain`.

pub mod sandbox;
