//! A lost line is noticed, said, and ends everything that lives on it.

use super::by_both;
use super::parts::{Desk, Echo, by_key, echoes, known};
use drydock_engine::adapters::ssh::{Line, Secrets};
use drydock_engine::domain::FailureCode;
use drydock_engine::domain::ssh::{SshImplementation, TunnelState};
use drydock_lab::{Fault, Slow, SshServer};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

by_both!(
    a_host_that_dies_is_noticed_at_once,
    a_host_that_freezes_is_noticed_within_ten_seconds,
    a_host_that_freezes_under_load_is_noticed_within_ten_seconds,
    a_line_into_a_black_hole_is_noticed_within_ten_seconds,
    a_healthy_idle_line_stays_open,
    a_lost_line_is_opened_anew_by_the_caller_alone,
);

/// A driver's connection that waits for an answer.
async fn waiting(line: &Line, echo: &Echo) -> (drydock_engine::adapters::ssh::Tunnel, UnixStream) {
    let tunnel = line.tunnel(echo.target()).await.unwrap();
    let mut near = UnixStream::connect(tunnel.local().socket().unwrap()).await.unwrap();
    near.write_all(b"x").await.unwrap();
    near.read_exact(&mut [0; 1]).await.unwrap();
    (tunnel, near)
}

/// Waits until the line says that it is lost and the driver's connection has ended.
async fn noticed(line: &Line, near: &mut UnixStream, limit: Duration) -> String {
    let started = Instant::now();
    let ended = tokio::time::timeout(limit, async {
        let mut rest = [0; 4096];
        while matches!(near.read(&mut rest).await, Ok(read) if read > 0) {}
    });
    ended.await.unwrap_or_else(|_| panic!("the driver still waits after {:?}", started.elapsed()));
    let mut state = line.state();
    let lost =
        tokio::time::timeout(limit, state.wait_for(|state| matches!(state, TunnelState::Lost { .. }))).await;
    let lost =
        lost.unwrap_or_else(|_| panic!("nothing was said after {:?}", started.elapsed())).unwrap().clone();
    assert!(started.elapsed() < limit);
    match lost {
        TunnelState::Lost { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

async fn a_host_that_dies_is_noticed_at_once(by: SshImplementation) {
    let (mut server, echo) = (SshServer::start(), Echo::start().await);
    let desk = Desk::for_servers(&[&server]);
    let line = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap();
    let (tunnel, mut near) = waiting(&line, &echo).await;
    let socket = tunnel.local().socket().unwrap();
    server.crash();
    let reason = noticed(&line, &mut near, Duration::from_secs(2)).await;
    assert!(!reason.is_empty());
    let failure = line.open(&echo.target()).await.err().unwrap();
    assert_eq!(failure.code, FailureCode::SshLineLost, "{failure:?}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(UnixStream::connect(&socket).await.is_err(), "the local end is gone, too");
    line.close().await;
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

async fn a_host_that_freezes_is_noticed_within_ten_seconds(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let desk = Desk::for_servers(&[&server]);
    let line = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap();
    let (_tunnel, mut near) = waiting(&line, &echo).await;
    server.freeze();
    let reason = noticed(&line, &mut near, Duration::from_secs(10)).await;
    assert!(reason.contains("no longer answers"), "{reason}");
    server.thaw();
    line.close().await;
}

async fn a_host_that_freezes_under_load_is_noticed_within_ten_seconds(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let desk = Desk::for_servers(&[&server]);
    let line = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap();
    let (_tunnel, near) = waiting(&line, &echo).await;
    let (mut read, mut write) = near.into_split();
    let flood = tokio::spawn(async move { while write.write_all(&[1; 65_536]).await.is_ok() {} });
    let drain = tokio::spawn(async move {
        let mut rest = vec![0; 65_536];
        while matches!(read.read(&mut rest).await, Ok(count) if count > 0) {}
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.freeze();
    tokio::time::timeout(Duration::from_secs(10), drain)
        .await
        .expect("the driver's connection ends")
        .unwrap();
    flood.await.unwrap();
    // The connection may end a moment before the line is said to be lost.
    let mut state = line.state();
    let lost = state.wait_for(|state| matches!(state, TunnelState::Lost { .. }));
    tokio::time::timeout(Duration::from_secs(1), lost).await.expect("the line says that it is lost").unwrap();
    server.thaw();
    line.close().await;
}

async fn a_line_into_a_black_hole_is_noticed_within_ten_seconds(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let proxy = Slow::start(server.port(), Duration::ZERO);
    let desk = Desk::knowing(&[format!("[127.0.0.1]:{} {}", proxy.port(), server.host_public_key())]);
    let mut access = by_key(&server, by);
    access.port = Some(proxy.port());
    let line = desk.connect(&access, &Secrets::none()).await.unwrap();
    let (_tunnel, mut near) = waiting(&line, &echo).await;
    proxy.fault(Fault::Blackhole);
    noticed(&line, &mut near, Duration::from_secs(10)).await;
    line.close().await;
}

async fn a_healthy_idle_line_stays_open(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let desk = Desk::knowing(&[known(&server)]);
    let line = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap();
    let (_tunnel, mut near) = waiting(&line, &echo).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(matches!(&*line.state().borrow(), TunnelState::Open { .. }), "{line:?}");
    near.write_all(b"y").await.unwrap();
    near.read_exact(&mut [0; 1]).await.unwrap();
    line.close().await;
    assert_eq!(*line.state().borrow(), TunnelState::Closed, "closed, not lost");
}

async fn a_lost_line_is_opened_anew_by_the_caller_alone(by: SshImplementation) {
    let (mut server, echo) = (SshServer::start(), Echo::start().await);
    let desk = Desk::for_servers(&[&server]);
    let access = by_key(&server, by);
    let line = desk.connect(&access, &Secrets::none()).await.unwrap();
    let (_tunnel, mut near) = waiting(&line, &echo).await;
    server.crash();
    noticed(&line, &mut near, Duration::from_secs(2)).await;
    server.resume();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.log().matches("Accepted publickey").count(), 1, "nothing came by itself");
    assert!(matches!(&*line.state().borrow(), TunnelState::Lost { .. }));
    let again = desk.connect(&access, &Secrets::none()).await.unwrap();
    echoes(&again, &echo.target()).await;
    again.close().await;
}
