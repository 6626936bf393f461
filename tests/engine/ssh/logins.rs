//! Every way to log in, and every way to be refused.

use super::by_both;
use super::parts::{Desk, Echo, access, by_key, credential, echoes, key_file, known, tcp};
use drydock_engine::adapters::ssh::{Question, Secrets};
use drydock_engine::domain::FailureCode;
use drydock_engine::domain::doctor::HopKind;
use drydock_engine::domain::secret::Secret;
use drydock_engine::domain::ssh::{SshAccess, SshImplementation, SshJump, SshLogin};
use drydock_lab::{SshAgent, SshServer, SshSettings};
use std::sync::{Arc, Mutex};

by_both!(
    a_key_file_logs_in,
    a_key_file_with_a_passphrase_logs_in_or_is_honestly_refused,
    a_password_logs_in_or_is_honestly_refused,
    questions_are_answered_or_honestly_refused,
    a_key_of_a_real_agent_logs_in,
    an_alias_of_the_configuration_logs_in,
    the_way_leads_over_a_jump_host,
    a_jump_host_of_the_configuration_is_followed,
    an_ipv6_address_is_reached,
    a_key_that_is_not_authorized_is_refused_in_words,
    an_encrypted_key_without_passphrase_asks_for_it,
    too_many_keys_are_recognised_and_the_chosen_one_alone_gets_in,
    a_port_where_nobody_listens_is_named,
    a_name_that_leads_nowhere_is_named,
    something_else_than_ssh_on_the_port_is_named,
    a_host_that_looks_like_an_option_is_refused_before_anything_runs,
);

async fn a_key_file_logs_in(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let desk = Desk::for_servers(&[&server]);
    let line = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap();
    echoes(&line, &echo.target()).await;
    line.close().await;
    assert!(server.log().contains("Accepted publickey"), "{}", server.log());
}

/// The built-in one gets in; the own one says why it does not and whom to ask instead.
async fn in_or_unsuited(
    by: SshImplementation,
    server: &SshServer,
    login: SshLogin,
    secrets: &Secrets,
    word: &str,
) {
    let echo = Echo::start().await;
    let desk = Desk::for_servers(&[server]);
    let opened = desk.connect(&access(server, by, login), secrets).await;
    match by {
        SshImplementation::Russh => {
            let line = opened.unwrap();
            echoes(&line, &echo.target()).await;
            line.close().await;
        }
        SshImplementation::Openssh => {
            let refusal = opened.unwrap_err();
            assert_eq!(refusal.failure.code, FailureCode::SshUnsuited);
            assert!(refusal.failure.what.contains(word), "{}", refusal.failure.what);
            assert!(refusal.failure.next.unwrap().contains("built in"));
            assert!(
                !server.log().contains("Connection from"),
                "the host was not even asked: {}",
                server.log()
            );
        }
    }
}

async fn a_key_file_with_a_passphrase_logs_in_or_is_honestly_refused(by: SshImplementation) {
    let server = SshServer::start();
    let handle = credential("passphrase");
    let secrets = Secrets::none().with(&handle, Secret::new(server.passphrase()));
    let login =
        SshLogin::KeyFile { path: server.locked_key().display().to_string(), passphrase: Some(handle) };
    in_or_unsuited(by, &server, login, &secrets, "passphrase").await;
}

async fn a_password_logs_in_or_is_honestly_refused(by: SshImplementation) {
    let server = SshServer::start();
    let handle = credential("password");
    let secrets = Secrets::none().with(&handle, Secret::new(server.password()));
    in_or_unsuited(by, &server, SshLogin::Password { password: handle }, &secrets, "password").await;
}

async fn questions_are_answered_or_honestly_refused(by: SshImplementation) {
    let server = SshServer::start_with(SshSettings {
        lines: vec!["AuthenticationMethods keyboard-interactive".to_owned()],
        ..SshSettings::default()
    });
    let handle = credential("answer");
    let secrets = Secrets::none().with(&handle, Secret::new(server.password()));
    let login = SshLogin::KeyboardInteractive { answer: Some(handle) };
    in_or_unsuited(by, &server, login, &secrets, "questions").await;
}

#[tokio::test]
async fn a_question_that_nothing_stored_answers_is_put_to_a_person() {
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    let login = SshLogin::KeyboardInteractive { answer: None };
    let access = access(&server, SshImplementation::Russh, login);
    let refusal = desk.connect(&access, &Secrets::none()).await.unwrap_err();
    assert_eq!(refusal.failure.code, FailureCode::SshLoginRefused, "nobody was there: {refusal:?}");
    let asked: Arc<Mutex<Vec<Question>>> = Arc::default();
    let (heard, answer) = (Arc::clone(&asked), server.password().to_owned());
    let secrets = Secrets::none().asking(Arc::new(move |question| {
        heard.lock().unwrap().push(question);
        let answer = answer.clone();
        Box::pin(async move { Some(Secret::new(answer)) })
    }));
    desk.connect(&access, &secrets).await.unwrap().close().await;
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].text.contains("Password") && !asked[0].shown, "{asked:?}");
}

async fn a_key_of_a_real_agent_logs_in(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let agent = SshAgent::start(&[&server.key()]);
    let mut desk = Desk::for_servers(&[&server]);
    desk.places.agent = Some(agent.socket());
    let access = access(&server, by, SshLogin::Agent { public_key: None });
    let line = desk.connect(&access, &Secrets::none()).await.unwrap();
    echoes(&line, &echo.target()).await;
    line.close().await;
}

/// An access that says nothing but the name.
fn alias(name: &str, by: SshImplementation) -> SshAccess {
    SshAccess {
        host: name.to_owned(),
        port: None,
        user: None,
        implementation: by,
        login: SshLogin::Agent { public_key: None },
        jumps: Vec::new(),
        pins: Vec::new(),
    }
}

fn block(name: &str, host: &str, server: &SshServer) -> String {
    format!(
        "Host {name}\n  HostName {host}\n  Port {}\n  User {}\n  IdentityFile {}\n",
        server.port(),
        server.user(),
        server.key().display()
    )
}

async fn an_alias_of_the_configuration_logs_in(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let desk = Desk::for_servers(&[&server]);
    desk.configure(&block("dock", "127.0.0.1", &server));
    let line = desk.connect(&alias("dock", by), &Secrets::none()).await.unwrap();
    echoes(&line, &echo.target()).await;
    line.close().await;
}

/// A gate, and a host whose name only the gate knows.
fn behind_a_gate() -> (SshServer, SshServer, Desk) {
    let inner = SshServer::start_with(SshSettings {
        address: Some("127.0.0.2".to_owned()),
        ..SshSettings::default()
    });
    let names = vec![("127.0.0.2".to_owned(), "inner.lab.invalid".to_owned())];
    let gate = SshServer::start_with(SshSettings { names, ..SshSettings::default() });
    let inner_line = format!("[inner.lab.invalid]:{} {}", inner.port(), inner.host_public_key());
    let desk = Desk::knowing(&[known(&gate), inner_line]);
    (gate, inner, desk)
}

async fn the_way_leads_over_a_jump_host(by: SshImplementation) {
    let echo = Echo::start().await;
    let (gate, inner, desk) = behind_a_gate();
    let mut access = by_key(&inner, by);
    access.host = "inner.lab.invalid".to_owned();
    access.jumps = vec![SshJump {
        host: gate.address().to_owned(),
        port: Some(gate.port()),
        user: Some(gate.user().to_owned()),
        login: key_file(&gate.key()),
    }];
    let line = desk.connect(&access, &Secrets::none()).await.unwrap();
    echoes(&line, &echo.target()).await;
    line.close().await;
    assert!(gate.log().contains("Accepted publickey"), "the gate let us through: {}", gate.log());
    assert!(inner.log().contains("Accepted publickey"), "{}", inner.log());
}

async fn a_jump_host_of_the_configuration_is_followed(by: SshImplementation) {
    let echo = Echo::start().await;
    let (gate, inner, desk) = behind_a_gate();
    let text = format!(
        "{}  ProxyJump gate\n{}",
        block("inner", "inner.lab.invalid", &inner),
        block("gate", "127.0.0.1", &gate)
    );
    desk.configure(&text);
    let line = desk.connect(&alias("inner", by), &Secrets::none()).await.unwrap();
    echoes(&line, &echo.target()).await;
    line.close().await;
    assert!(gate.log().contains("Accepted publickey"), "{}", gate.log());
}

async fn an_ipv6_address_is_reached(by: SshImplementation) {
    let server =
        SshServer::start_with(SshSettings { address: Some("::1".to_owned()), ..SshSettings::default() });
    let echo = Echo::start_on("::1").await;
    let desk = Desk::for_servers(&[&server]);
    let line = desk.connect(&by_key(&server, by), &Secrets::none()).await.unwrap();
    echoes(&line, &tcp("::1", echo.port)).await;
    line.close().await;
}

async fn a_key_that_is_not_authorized_is_refused_in_words(by: SshImplementation) {
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    let access = access(&server, by, key_file(&server.strange_key()));
    let refusal = desk.connect(&access, &Secrets::none()).await.unwrap_err();
    assert_eq!((refusal.failure.code, refusal.hop), (FailureCode::SshLoginRefused, HopKind::SshLogin));
    assert!(refusal.failure.what.contains(server.user()), "{}", refusal.failure.what);
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

async fn an_encrypted_key_without_passphrase_asks_for_it(by: SshImplementation) {
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    let access = access(&server, by, key_file(&server.locked_key()));
    let refusal = desk.connect(&access, &Secrets::none()).await.unwrap_err();
    assert_eq!(refusal.failure.code, FailureCode::SshPassphraseNeeded, "{refusal:?}");
}

async fn too_many_keys_are_recognised_and_the_chosen_one_alone_gets_in(by: SshImplementation) {
    let server = SshServer::start_with(SshSettings {
        lines: vec!["MaxAuthTries 3".to_owned()],
        ..SshSettings::default()
    });
    let others: Vec<SshServer> = (0..5).map(|_| SshServer::start()).collect();
    let keys: Vec<std::path::PathBuf> =
        others.iter().map(SshServer::strange_key).chain([server.key()]).collect();
    let agent = SshAgent::start(&keys.iter().map(std::path::PathBuf::as_path).collect::<Vec<_>>());
    let mut desk = Desk::for_servers(&[&server]);
    desk.places.agent = Some(agent.socket());
    let all = access(&server, by, SshLogin::Agent { public_key: None });
    let refusal = desk.connect(&all, &Secrets::none()).await.unwrap_err();
    assert_eq!(refusal.failure.code, FailureCode::SshTooManyKeys, "{refusal:?}");
    let chosen = std::fs::read_to_string(server.key().with_extension("pub")).unwrap();
    let one = access(&server, by, SshLogin::Agent { public_key: Some(chosen.trim().to_owned()) });
    desk.connect(&one, &Secrets::none()).await.unwrap().close().await;
}

async fn a_port_where_nobody_listens_is_named(by: SshImplementation) {
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    let mut access = by_key(&server, by);
    access.port = Some(1);
    let refusal = desk.connect(&access, &Secrets::none()).await.unwrap_err();
    assert_eq!(
        (refusal.failure.code, refusal.hop),
        (FailureCode::Unreachable, HopKind::SshTcp),
        "{refusal:?}"
    );
    assert!(refusal.failure.what.contains("port 1"), "{}", refusal.failure.what);
}

async fn a_name_that_leads_nowhere_is_named(by: SshImplementation) {
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    let mut access = by_key(&server, by);
    access.host = "no-such-host.invalid".to_owned();
    let refusal = desk.connect(&access, &Secrets::none()).await.unwrap_err();
    let seen = (refusal.failure.code, refusal.hop);
    assert_eq!(seen, (FailureCode::NameLookup, HopKind::SshNameLookup), "{refusal:?}");
}

async fn something_else_than_ssh_on_the_port_is_named(by: SshImplementation) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    let mut access = by_key(&server, by);
    access.port = Some(port);
    let refusal = desk.connect(&access, &Secrets::none()).await.unwrap_err();
    assert_eq!(refusal.failure.code, FailureCode::SshHandshake, "{refusal:?}");
}

async fn a_host_that_looks_like_an_option_is_refused_before_anything_runs(by: SshImplementation) {
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    for host in ["-oProxyCommand=touch /tmp/never", "a b", "x\nProxyCommand y", ""] {
        let mut access = by_key(&server, by);
        access.host = host.to_owned();
        let refusal = desk.connect(&access, &Secrets::none()).await.unwrap_err();
        assert_eq!(refusal.failure.code, FailureCode::SshConfiguration, "{host:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_exactly_once() {
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    let handle = credential("password");
    let secrets = Secrets::none().with(&handle, Secret::new("not the password"));
    let access = access(&server, SshImplementation::Russh, SshLogin::Password { password: handle });
    let refusal = desk.connect(&access, &secrets).await.unwrap_err();
    assert_eq!(refusal.failure.code, FailureCode::SshLoginRefused, "{refusal:?}");
    let tries = server.log().matches("Failed password for").count();
    assert_eq!(tries, 1, "{}", server.log());
}

#[tokio::test]
async fn a_wrong_passphrase_says_so_and_the_host_is_not_asked() {
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    let handle = credential("passphrase");
    let secrets = Secrets::none().with(&handle, Secret::new("not the passphrase"));
    let login =
        SshLogin::KeyFile { path: server.locked_key().display().to_string(), passphrase: Some(handle) };
    let refusal =
        desk.connect(&access(&server, SshImplementation::Russh, login), &secrets).await.unwrap_err();
    assert_eq!(refusal.failure.code, FailureCode::SshKeyUnusable, "{refusal:?}");
    assert!(refusal.failure.what.contains("passphrase does not open"), "{}", refusal.failure.what);
}

#[tokio::test]
async fn what_the_built_in_one_cannot_follow_in_a_configuration_is_refused() {
    let server = SshServer::start();
    let desk = Desk::for_servers(&[&server]);
    desk.configure("Host dock\n  ProxyCommand nc %h %p\n");
    let refusal = desk.connect(&alias("dock", SshImplementation::Russh), &Secrets::none()).await.unwrap_err();
    assert_eq!(refusal.failure.code, FailureCode::SshConfiguration);
    assert!(refusal.failure.why.unwrap().contains("line 2"));
}
