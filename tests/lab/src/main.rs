//! The lab for tests that are not written in Rust: starts an SSH host and a PostgreSQL server that it
//! reaches, says where they are in one line of JSON, and ends both when its input ends.

#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use drydock_lab::{Postgres, SshServer, Version};
use std::io::Read;

fn main() {
    let host = SshServer::start();
    let server = Postgres::start(Version::Debian15);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("no runtime: {error}"));
    runtime.block_on(server.create_database("shop"));
    let facts = [
        ("host", host.address().to_owned()),
        ("port", host.port().to_string()),
        ("user", host.user().to_owned()),
        ("password", host.password().to_owned()),
        ("key", host.key().display().to_string()),
        ("fingerprint", host.fingerprint()),
        ("database_port", server.port().to_string()),
        ("database_user", server.user().to_owned()),
        ("database_password", server.password().to_owned()),
        ("database", "shop".to_owned()),
    ];
    let text = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let pairs: Vec<String> =
        facts.iter().map(|(name, value)| format!("{}:{}", text(name), text(value))).collect();
    println!("{{{}}}", pairs.join(","));
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
