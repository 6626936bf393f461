//! What is reached through a line, and how refusals of the host read.

use super::by_both;
use super::parts::{Desk, Echo, by_key, echoes, tcp};
use drydock_engine::adapters::ssh::{Line, Local, Secrets, Tunnel};
use drydock_engine::domain::FailureCode;
use drydock_engine::domain::ssh::{SshImplementation, SshTarget};
use drydock_lab::{Postgres, SshServer, SshSettings, Tls, Version};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Row};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

by_both!(
    a_driver_speaks_through_the_tunnel_and_still_checks_the_certificate,
    a_unix_socket_of_the_host_is_reached,
    a_name_that_only_the_host_knows_is_reached,
    the_end_of_the_line_is_an_error_and_the_end_of_the_data_is_not,
    a_stream_that_is_let_go_ends_at_the_target,
    many_connections_share_one_line,
    streams_that_are_given_up_do_not_confuse_the_others,
    the_end_of_one_direction_arrives_and_the_other_goes_on,
    a_connection_that_nobody_reads_does_not_stop_the_others,
    a_target_that_does_not_take_what_is_sent_does_not_stop_the_others,
    a_target_that_dies_while_it_is_written_to_ends_the_drivers_connection,
    forwarding_that_is_forbidden_is_said,
    a_target_that_is_not_reached_from_there_is_said,
    a_refused_target_ends_the_drivers_connection_and_says_why,
    the_local_end_is_closed_to_other_users,
);

async fn line(by: SshImplementation, server: &SshServer) -> (Desk, Line) {
    let desk = Desk::for_servers(&[server]);
    let line = desk.connect(&by_key(server, by), &Secrets::none()).await.unwrap();
    (desk, line)
}

fn place(tunnel: &Tunnel) -> (std::path::PathBuf, u16) {
    match tunnel.local() {
        Local::Socket { folder, port } => (folder.clone(), *port),
        Local::Loopback { .. } => panic!("a socket on Unix"),
    }
}

async fn a_driver_speaks_through_the_tunnel_and_still_checks_the_certificate(by: SshImplementation) {
    let database = Postgres::start_with(Version::Debian15, Tls::On, &[]);
    let server = SshServer::start();
    let (_desk, line) = line(by, &server).await;
    let tunnel = line.tunnel(tcp("127.0.0.1", database.port())).await.unwrap();
    let (folder, port) = place(&tunnel);
    let options = |host: &str| {
        PgConnectOptions::new_without_pgpass()
            .socket(&folder)
            .host(host)
            .port(port)
            .username(database.user())
            .password(database.password())
            .database("postgres")
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert(database.authority().unwrap().certificate())
    };
    let mut connection = options("localhost").connect().await.unwrap();
    let row = sqlx::query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .fetch_one(&mut connection)
        .await;
    assert!(row.unwrap().get::<bool, _>(0), "the session is encrypted end to end");
    let error = options("db.example.com").connect().await.unwrap_err();
    assert!(
        format!("{error:?}").contains("NotValidForName"),
        "the certificate is checked against the name: {error:?}"
    );
    line.close().await;
}

async fn a_unix_socket_of_the_host_is_reached(by: SshImplementation) {
    let server = SshServer::start();
    let (desk, line) = line(by, &server).await;
    open_to_all(desk.folder.path());
    let path = desk.folder.path().join(".s.PGSQL.6001");
    Echo::start_on_socket(&path).await;
    let target = SshTarget::Socket { path: path.display().to_string() };
    echoes(&line, &target).await;
    let tunnel = line.tunnel(target).await.unwrap();
    assert_eq!(place(&tunnel).1, 6001, "the local socket is named for the same port");
    line.close().await;
}

fn open_to_all(path: &std::path::Path) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

async fn a_name_that_only_the_host_knows_is_reached(by: SshImplementation) {
    let names = vec![("127.0.0.1".to_owned(), "db.lab.invalid".to_owned())];
    let server = SshServer::start_with(SshSettings { names, ..SshSettings::default() });
    let echo = Echo::start().await;
    assert!(tokio::net::lookup_host(("db.lab.invalid", 1)).await.is_err(), "nobody here knows it");
    let (_desk, line) = line(by, &server).await;
    echoes(&line, &tcp("db.lab.invalid", echo.port)).await;
    line.close().await;
}

async fn the_end_of_the_line_is_an_error_and_the_end_of_the_data_is_not(by: SshImplementation) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut ending, _) = listener.accept().await.unwrap();
        ending.write_all(b"all of it").await.unwrap();
        drop(ending);
        let (mut going_on, _) = listener.accept().await.unwrap();
        going_on.write_all(b"half of it").await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
    });
    let mut server = SshServer::start();
    let (_desk, line) = line(by, &server).await;
    let mut text = String::new();
    line.open(&tcp("127.0.0.1", port)).await.unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "all of it");
    let mut stream = line.open(&tcp("127.0.0.1", port)).await.unwrap();
    stream.read_exact(&mut [0; 10]).await.unwrap();
    server.crash();
    let error =
        stream.read_to_end(&mut Vec::new()).await.expect_err("half a dump must not look like a whole one");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    line.close().await;
}

async fn a_stream_that_is_let_go_ends_at_the_target(by: SshImplementation) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = SshServer::start();
    let (_desk, line) = line(by, &server).await;
    let stream = line.open(&tcp("127.0.0.1", port)).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    drop(stream);
    let ended = tokio::time::timeout(Duration::from_secs(5), far.read(&mut [0; 1]))
        .await
        .expect("the target hears of it");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    line.close().await;
}

async fn many_connections_share_one_line(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let (_desk, line) = line(by, &server).await;
    let tunnel = line.tunnel(echo.target()).await.unwrap();
    let socket = tunnel.local().socket().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40_u8 {
        let socket = socket.clone();
        tasks.spawn(async move {
            let mut stream = UnixStream::connect(socket).await.unwrap();
            let sent = vec![number; 300_000];
            let (mut read, mut write) = stream.split();
            let mut back = vec![0; sent.len()];
            let (written, got) = tokio::join!(write.write_all(&sent), read.read_exact(&mut back));
            written.unwrap();
            got.unwrap();
            assert!(back == sent, "connection {number} got its own bytes back");
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(server.log().matches("Accepted publickey").count(), 1, "one login for all");
    line.close().await;
}

async fn the_end_of_one_direction_arrives_and_the_other_goes_on(by: SshImplementation) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let far = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        stream.write_all(format!("{} bytes and an end", all.len()).as_bytes()).await.unwrap();
    });
    let server = SshServer::start();
    let (_desk, line) = line(by, &server).await;
    let tunnel = line.tunnel(tcp("127.0.0.1", port)).await.unwrap();
    let mut near = UnixStream::connect(tunnel.local().socket().unwrap()).await.unwrap();
    near.write_all(&[7; 100_000]).await.unwrap();
    near.shutdown().await.unwrap();
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "100000 bytes and an end");
    far.await.unwrap();
    line.close().await;
}

/// A target that sends without end.
async fn spring() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { while stream.write_all(&[1; 65_536]).await.is_ok() {} });
        }
    });
    port
}

async fn a_connection_that_nobody_reads_does_not_stop_the_others(by: SshImplementation) {
    let (server, echo, spring) = (SshServer::start(), Echo::start().await, spring().await);
    let (_desk, line) = line(by, &server).await;
    let tunnel = line.tunnel(tcp("127.0.0.1", spring)).await.unwrap();
    let _unread = UnixStream::connect(tunnel.local().socket().unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    tokio::time::timeout(Duration::from_secs(20), echoes(&line, &echo.target()))
        .await
        .expect("another connection gets through");
    line.close().await;
}

async fn a_target_that_does_not_take_what_is_sent_does_not_stop_the_others(by: SshImplementation) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let (_desk, line) = line(by, &server).await;
    let tunnel = line.tunnel(tcp("127.0.0.1", port)).await.unwrap();
    let mut near = UnixStream::connect(tunnel.local().socket().unwrap()).await.unwrap();
    let (_deaf, _) = listener.accept().await.unwrap();
    let flood = tokio::spawn(async move { while near.write_all(&[1; 65_536]).await.is_ok() {} });
    tokio::time::sleep(Duration::from_secs(2)).await;
    tokio::time::timeout(Duration::from_secs(10), echoes(&line, &echo.target()))
        .await
        .expect("another connection gets through");
    flood.abort();
    line.close().await;
}

async fn a_target_that_dies_while_it_is_written_to_ends_the_drivers_connection(by: SshImplementation) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = SshServer::start();
    let (_desk, line) = line(by, &server).await;
    let tunnel = line.tunnel(tcp("127.0.0.1", port)).await.unwrap();
    let mut near = UnixStream::connect(tunnel.local().socket().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    let flood = tokio::spawn(async move { while near.write_all(&[1; 65_536]).await.is_ok() {} });
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(far);
    tokio::time::timeout(Duration::from_secs(5), flood).await.expect("the driver hears of it").unwrap();
    line.close().await;
}

async fn forwarding_that_is_forbidden_is_said(by: SshImplementation) {
    let lines = vec!["AllowTcpForwarding no".to_owned(), "AllowStreamLocalForwarding no".to_owned()];
    let server = SshServer::start_with(SshSettings { lines, ..SshSettings::default() });
    let echo = Echo::start().await;
    let (_desk, line) = line(by, &server).await;
    let failure = line.open(&echo.target()).await.err().unwrap();
    assert_eq!(failure.code, FailureCode::SshForwardingForbidden, "{failure:?}");
    assert!(failure.next.unwrap().contains("AllowTcpForwarding"));
    // For a socket, sshd answers the same whether it may not or cannot: both are said.
    let socket = SshTarget::Socket { path: "/run/postgresql/.s.PGSQL.5432".to_owned() };
    let failure = line.open(&socket).await.err().unwrap();
    assert_eq!(failure.code, FailureCode::SshTargetUnreachable, "{failure:?}");
    assert!(failure.next.unwrap().contains("AllowStreamLocalForwarding"));
    line.close().await;
}

async fn a_target_that_is_not_reached_from_there_is_said(by: SshImplementation) {
    let server = SshServer::start();
    let (_desk, line) = line(by, &server).await;
    let nowhere = SshTarget::Socket { path: "/nonexistent/.s.PGSQL.5432".to_owned() };
    for target in [tcp("127.0.0.1", 1), tcp("no-such-host.invalid", 5432), nowhere] {
        let failure = line.open(&target).await.err().unwrap();
        assert_eq!(failure.code, FailureCode::SshTargetUnreachable, "{failure:?}");
        assert!(failure.what.contains(&target.to_string()), "{}", failure.what);
    }
    line.close().await;
}

async fn a_refused_target_ends_the_drivers_connection_and_says_why(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let (_desk, line) = line(by, &server).await;
    let tunnel = line.tunnel(tcp("127.0.0.1", 1)).await.unwrap();
    let mut near = UnixStream::connect(tunnel.local().socket().unwrap()).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), near.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    assert_eq!(tunnel.refused().unwrap().code, FailureCode::SshTargetUnreachable);
    echoes(&line, &echo.target()).await;
    line.close().await;
}

async fn the_local_end_is_closed_to_other_users(by: SshImplementation) {
    use std::os::unix::fs::PermissionsExt;
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let (_desk, line) = line(by, &server).await;
    let tunnel = line.tunnel(echo.target()).await.unwrap();
    let (folder, _) = place(&tunnel);
    for folder in [folder.as_path(), folder.parent().unwrap()] {
        let mode = std::fs::metadata(folder).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{}", folder.display());
    }
    assert!(tunnel.local().socket().unwrap().as_os_str().len() < 104, "a socket's path has room everywhere");
    line.close().await;
}

async fn streams_that_are_given_up_do_not_confuse_the_others(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let (_desk, line) = line(by, &server).await;
    let (good, bad) = (echo.target(), tcp("127.0.0.1", 1));
    for round in 0..60_u64 {
        let limit = Duration::from_micros(round * 40);
        let _ = tokio::time::timeout(limit, line.open(if round % 2 == 0 { &bad } else { &good })).await;
        echoes(&line, &good).await;
        assert!(line.open(&bad).await.is_err(), "round {round}: nobody listens there");
    }
    line.close().await;
}
