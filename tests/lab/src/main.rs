//! The lab for tests that are not written in Rust: starts an SSH host and a PostgreSQL server that it
//! reaches, with two empty databases `shop` and `shop_too`, says where they are in one line of JSON, freezes
//! and thaws the host when told, and ends both when its input ends.

#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use drydock_lab::{Postgres, SshServer, Version};

fn main() {
    let host = SshServer::start();
    let server = Postgres::start(Version::Debian15);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("no runtime: {error}"));
    for database in ["shop", "shop_too"] {
        runtime.block_on(server.create_database(database));
    }
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
    ];
    let text = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let pairs: Vec<String> =
        facts.iter().map(|(name, value)| format!("{}:{}", text(name), text(value))).collect();
    println!("{{{}}}", pairs.join(","));
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match line.as_str() {
            "freeze" => host.freeze(),
            "thaw" => host.thaw(),
            other => panic!("the lab does not know `{other}`"),
        }
    }
}
