//! A transaction pooler in front of a lab server.

use crate::parts::{Own, as_server_user, free_port, give, guard, server_folder, wait_until};
use crate::postgres::Postgres;
use std::process::Stdio;
use std::time::Duration;

/// A running pgbouncer of one test.
pub struct PgBouncer {
    _server: Own,
    _folder: tempfile::TempDir,
    port: u16,
    user: String,
}

impl PgBouncer {
    /// Starts one in transaction mode in front of every database of that server. It keeps two server
    /// connections a database, so that two transactions of one client easily meet different sessions.
    pub fn start(postgres: &Postgres) -> Self {
        Self::start_in_mode(postgres, "transaction")
    }

    /// Starts one in that pool mode.
    pub fn start_in_mode(postgres: &Postgres, mode: &str) -> Self {
        let folder = server_folder("bouncer");
        let port = free_port();
        let users = folder.path().join("users");
        let settings = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\nunix_socket_dir=\n\
             auth_type=scram-sha-256\nauth_file={}\npool_mode={mode}\ndefault_pool_size=2\nmax_client_conn=50\n\
             ignore_startup_parameters=extra_float_digits,options\n",
            postgres.port(),
            users.display()
        );
        let write = |path: &std::path::Path, text: &str| {
            std::fs::write(path, text)
                .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
            give(path);
        };
        write(&settings, &text);
        write(&users, &format!("\"{}\" \"{}\"\n", postgres.user(), postgres.password().replace('"', "\"\"")));
        let log = folder.path().join("log");
        let sink = std::fs::File::create(&log).unwrap_or_else(|error| panic!("no log: {error}"));
        let mut command = as_server_user("/bin/sh");
        guard(&mut command, "INT", "pgbouncer");
        let mut server = Own::start("pgbouncer", command.arg(&settings).stdout(Stdio::null()).stderr(sink));
        wait_until(
            Duration::from_secs(10),
            || !server.has_ended() && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(),
            || format!("pgbouncer does not answer: {}", std::fs::read_to_string(&log).unwrap_or_default()),
        );
        let user = postgres.url("");
        let user = user.split("@").next().unwrap_or_default().to_owned();
        Self { _server: server, _folder: folder, port, user }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's address of a database through the pooler.
    pub fn url(&self, database: &str) -> String {
        format!("{}@127.0.0.1:{}/{database}?sslmode=disable", self.user, self.port)
    }
}
