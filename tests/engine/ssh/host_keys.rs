//! Whose key is trusted: never by itself, never after it changed.

use super::by_both;
use super::parts::{Desk, by_key, key_file, known};
use drydock_engine::adapters::ssh::Secrets;
use drydock_engine::domain::FailureCode;
use drydock_engine::domain::doctor::HopKind;
use drydock_engine::domain::ssh::{HostKeyVerdict, SshImplementation, SshJump};
use drydock_lab::{SshServer, SshSettings};
use std::path::Path;
use std::process::Command;

by_both!(
    an_unknown_key_stops_with_its_fingerprint_and_nothing_was_sent,
    an_unknown_key_gets_in_once_it_is_pinned_and_no_file_was_touched,
    a_changed_key_stops_with_both_fingerprints_and_cannot_be_pinned,
    a_pinned_host_accepts_nothing_but_its_pin,
    a_host_known_by_another_kind_of_key_counts_as_changed,
    a_hashed_known_host_is_found,
    a_revoked_key_is_refused_even_where_it_is_known_or_pinned,
    a_certificate_of_a_trusted_authority_gets_in,
    a_certificate_for_another_host_or_by_a_stranger_is_refused,
    an_expired_certificate_is_refused,
    an_unknown_key_of_a_jump_host_stops_whatever_the_operators_setting,
    the_operators_own_setting_cannot_make_an_unknown_key_accepted,
);

/// Nobody's name reached the host.
fn nothing_was_sent(server: &SshServer) {
    let log = server.log();
    assert!(!log.contains(server.user()), "the user's name was sent: {log}");
}

async fn an_unknown_key_stops_with_its_fingerprint_and_nothing_was_sent(by: SshImplementation) {
    let server = SshServer::start();
    let desk = Desk::knowing(&[]);
    let refusal = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap_err();
    let seen = (refusal.failure.code, refusal.hop);
    assert_eq!(seen, (FailureCode::SshHostKeyUnknown, HopKind::SshHostKey), "{refusal:?}");
    let report = refusal.host_key.unwrap();
    assert_eq!(report.verdict, HostKeyVerdict::Unknown);
    assert_eq!(report.shown.fingerprint, server.fingerprint(), "as ssh-keygen prints it");
    assert_eq!(report.shown.algorithm, "ssh-ed25519");
    assert!(refusal.failure.why.unwrap().contains(&server.fingerprint()));
    nothing_was_sent(&server);
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

async fn an_unknown_key_gets_in_once_it_is_pinned_and_no_file_was_touched(by: SshImplementation) {
    let server = SshServer::start();
    let desk = Desk::knowing(&[]);
    let mut access = by_key(&server, by);
    let refusal = desk.connect(&access, &Secrets::none()).await.unwrap_err();
    access.pins.extend(refusal.host_key.unwrap().pin(Default::default(), "operator"));
    desk.connect(&access, &Secrets::none()).await.unwrap().close().await;
    let text = std::fs::read_to_string(desk.folder.path().join("known_hosts")).unwrap();
    assert_eq!(text.trim(), "", "the operator's file is theirs");
}

async fn a_changed_key_stops_with_both_fingerprints_and_cannot_be_pinned(by: SshImplementation) {
    let (server, before) = (SshServer::start(), SshServer::start());
    let line = format!("{} {}", server.known_name(), before.host_public_key());
    let desk = Desk::knowing(&[line]);
    let refusal = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap_err();
    assert_eq!(refusal.failure.code, FailureCode::SshHostKeyChanged, "{refusal:?}");
    let why = refusal.failure.why.unwrap();
    assert!(why.contains(&server.fingerprint()) && why.contains(&before.fingerprint()), "{why}");
    let report = refusal.host_key.unwrap();
    assert_eq!(report.recorded[0].fingerprint, before.fingerprint());
    assert_eq!(report.pin(Default::default(), "operator"), None, "a changed key cannot be confirmed away");
    nothing_was_sent(&server);
}

async fn a_pinned_host_accepts_nothing_but_its_pin(by: SshImplementation) {
    let mut server = SshServer::start();
    let desk = Desk::knowing(&[]);
    let mut access = by_key(&server, by);
    let refusal = desk.connect(&access, &Secrets::none()).await.unwrap_err();
    access.pins.extend(refusal.host_key.unwrap().pin(Default::default(), "operator"));
    let (port, pinned) = (server.port(), server.fingerprint());
    server.crash();
    let other = SshServer::start_with(SshSettings { port: Some(port), ..SshSettings::default() });
    // Even where the operator's own file vouches for the new key.
    std::fs::write(desk.folder.path().join("known_hosts"), known(&other) + "\n").unwrap();
    let refusal = desk.connect(&access, &Secrets::none()).await.unwrap_err();
    assert_eq!(refusal.failure.code, FailureCode::SshHostKeyChanged, "{refusal:?}");
    let why = refusal.failure.why.unwrap();
    assert!(why.contains(&pinned) && why.contains(&other.fingerprint()), "{why}");
    nothing_was_sent(&other);
}

async fn a_host_known_by_another_kind_of_key_counts_as_changed(by: SshImplementation) {
    let server = SshServer::start();
    let desk = Desk::knowing(&[]);
    let path = desk.folder.path().join("other");
    keygen(&["-q", "-t", "ecdsa", "-N", "", "-f"], &path);
    let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    let text = format!("{} {public}", server.known_name());
    std::fs::write(desk.folder.path().join("known_hosts"), text).unwrap();
    let refusal = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap_err();
    assert_eq!(refusal.failure.code, FailureCode::SshHostKeyChanged, "{refusal:?}");
    nothing_was_sent(&server);
}

async fn a_hashed_known_host_is_found(by: SshImplementation) {
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    let file = desk.folder.path().join("known_hosts");
    keygen(&["-q", "-H", "-f"], &file);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("|1|"));
    desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap().close().await;
}

async fn a_revoked_key_is_refused_even_where_it_is_known_or_pinned(by: SshImplementation) {
    let server = SshServer::start();
    let revoked = format!("@revoked * {}", server.host_public_key());
    let open = Desk::knowing(&[]);
    let mut access = by_key(&server, by);
    let pin = open.connect(&access, &Secrets::none()).await.unwrap_err().host_key.unwrap();
    let desk = Desk::knowing(&[known(&server), revoked]);
    for pins in [Vec::new(), Vec::from_iter(pin.pin(Default::default(), "operator"))] {
        access.pins = pins;
        let refusal = desk.connect(&access, &Secrets::none()).await.unwrap_err();
        assert_eq!(refusal.failure.code, FailureCode::SshHostKeyRefused, "{refusal:?}");
        assert!(refusal.failure.what.contains("revoked"), "{}", refusal.failure.what);
        assert_eq!(refusal.host_key.unwrap().pin(Default::default(), "operator"), None);
    }
    nothing_was_sent(&server);
}

fn keygen(arguments: &[&str], path: &Path) {
    let output = Command::new("ssh-keygen").args(arguments).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A server with a host certificate for these names, and the authority's public key.
fn certified(names: &str, validity: &str) -> (SshServer, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority");
    keygen(&["-q", "-t", "ed25519", "-N", "", "-f"], &authority);
    let first = SshServer::start();
    let host = folder.path().join("host.pub");
    std::fs::write(&host, first.host_public_key() + "\n").unwrap();
    let authority_text = authority.display().to_string();
    keygen(&["-q", "-s", &authority_text, "-h", "-I", "dock of the lab", "-n", names, "-V", validity], &host);
    let server = SshServer::start_with(SshSettings {
        host_key: Some(first.host_key()),
        lines: vec![format!("HostCertificate {}", folder.path().join("host-cert.pub").display())],
        ..SshSettings::default()
    });
    let public = std::fs::read_to_string(authority.with_extension("pub")).unwrap();
    let public = public.split_ascii_whitespace().take(2).collect::<Vec<_>>().join(" ");
    // sshd reads the certificate anew for each connection.
    (server, public, folder)
}

fn trusting(server: &SshServer, authority: &str) -> Desk {
    Desk::knowing(&[format!("@cert-authority {},127.0.0.* {authority}", server.known_name())])
}

async fn a_certificate_of_a_trusted_authority_gets_in(by: SshImplementation) {
    let (server, authority, _files) = certified("127.0.0.1", "-1h:+1h");
    let desk = trusting(&server, &authority);
    desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap().close().await;
}

async fn a_certificate_for_another_host_or_by_a_stranger_is_refused(by: SshImplementation) {
    let (server, authority, _files) = certified("other.example.com", "-1h:+1h");
    let desk = trusting(&server, &authority);
    let refusal = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap_err();
    assert_eq!(refusal.hop, HopKind::SshHostKey, "{refusal:?}");
    assert_eq!(refusal.failure.code, FailureCode::SshHostKeyRefused, "{refusal:?}");
    nothing_was_sent(&server);
    let (server, _, _files) = certified("127.0.0.1", "-1h:+1h");
    let (_, stranger, _) = certified("127.0.0.1", "-1h:+1h");
    let desk = trusting(&server, &stranger);
    let refusal = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap_err();
    assert_eq!(refusal.hop, HopKind::SshHostKey, "{refusal:?}");
    nothing_was_sent(&server);
}

async fn an_expired_certificate_is_refused(by: SshImplementation) {
    let (server, authority, _files) = certified("127.0.0.1", "-2h:-1h");
    let desk = trusting(&server, &authority);
    let refusal = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap_err();
    assert_eq!(refusal.failure.code, FailureCode::SshHostKeyRefused, "{refusal:?}");
    nothing_was_sent(&server);
}

async fn an_unknown_key_of_a_jump_host_stops_whatever_the_operators_setting(by: SshImplementation) {
    let (gate, inner) = (SshServer::start(), SshServer::start());
    let desk = Desk::for_servers(&[&inner]);
    desk.configure("Host *\n  StrictHostKeyChecking no\n");
    let mut access = by_key(&inner, by);
    access.jumps = vec![SshJump {
        host: gate.address().to_owned(),
        port: Some(gate.port()),
        user: Some(gate.user().to_owned()),
        login: key_file(&gate.key()),
    }];
    let refusal = desk.connect(&access, &Secrets::none()).await.unwrap_err();
    assert_eq!(refusal.failure.code, FailureCode::SshHostKeyUnknown, "{refusal:?}");
    let report = refusal.host_key.unwrap();
    assert_eq!((report.port, &report.shown.fingerprint), (gate.port(), &gate.fingerprint()));
    nothing_was_sent(&gate);
    access.pins.extend(report.pin(Default::default(), "operator"));
    desk.connect(&access, &Secrets::none()).await.unwrap().close().await;
}

async fn the_operators_own_setting_cannot_make_an_unknown_key_accepted(by: SshImplementation) {
    let server = SshServer::start();
    let desk = Desk::knowing(&[]);
    desk.configure("Host *\n  StrictHostKeyChecking no\n  UpdateHostKeys yes\n");
    let refusal = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap_err();
    assert_eq!(refusal.failure.code, FailureCode::SshHostKeyUnknown, "{refusal:?}");
    nothing_was_sent(&server);
}
