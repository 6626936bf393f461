//! Connecting and the connection doctor, against real servers, poolers and certificates, and against
//! broken ones. Every case: the right hop is named, in less than ten seconds, and the password is
//! nowhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod parts;

use drydock_engine::{
    adapters::postgres::{
        connect::{Way, connect, place},
        doctor::examine,
        failure::{failure, server_error},
        identity::{identity, session_facts},
    },
    domain::{
        FailureCode, Outcome,
        address::{Address, TlsMode, TlsRoots},
        doctor::{DoctorReport, HopKind},
        identity::IdentityPin,
        secret::Secret,
    },
};
use parts::*;
use std::time::{Duration, Instant};

fn address(port: u16) -> Address {
    Address {
        host: "127.0.0.1".to_owned(),
        port,
        user: "owner".to_owned(),
        database: "app".to_owned(),
        schema: "public".to_owned(),
        tls: TlsMode::Off,
        roots: TlsRoots::System,
        connect_timeout_seconds: 5,
        says_pooler: false,
        settings: Vec::new(),
    }
}

fn as_user(address: &Address, user: &str) -> Address {
    Address { user: user.to_owned(), ..address.clone() }
}

fn with_tls(address: &Address, host: &str, tls: TlsMode, roots: TlsRoots) -> Address {
    Address { host: host.to_owned(), tls, roots, ..address.clone() }
}

fn secret() -> Secret {
    Secret::new(PASSWORD)
}

async fn doctor(
    address: &Address,
    password: Option<&Secret>,
    runtime: Option<&Address>,
    pin: Option<&IdentityPin>,
) -> DoctorReport {
    let mut told = Vec::new();
    let start = Instant::now();
    let mut on_hop = |hop: &drydock_engine::domain::doctor::Hop| told.push(hop.clone());
    let report = examine(
        Way::direct(address, password),
        runtime.map(|runtime| Way::direct(runtime, password)),
        pin,
        &mut on_hop,
    )
    .await;
    assert!(start.elapsed() < Duration::from_secs(10), "the walk took {:?}", start.elapsed());
    assert_eq!(told, report.hops, "every hop was told, in the report's order");
    let mut kinds: Vec<HopKind> = report.hops.iter().map(|hop| hop.kind).collect();
    assert_eq!(kinds.len(), if runtime.is_some() { 12 } else { 11 });
    kinds.dedup();
    assert!(kinds.is_sorted(), "hops come in their order: {kinds:?}");
    let text = format!("{report:?} {}", serde_json::to_string(&report).unwrap());
    if let Some(password) = password {
        assert!(!text.contains(password.reveal()), "the password is in the report: {text}");
    }
    assert_eq!(
        report.usable,
        report.hops.iter().all(|hop| matches!(hop.outcome, Some(Outcome::Pass | Outcome::Warn)))
    );
    report
}

/// The hop of this kind has this outcome and, unless it passes, is the one explained, with this code.
#[track_caller]
fn names(what: &str, report: &DoctorReport, kind: HopKind, outcome: Outcome, code: FailureCode) {
    let hop = report.hops.iter().find(|hop| hop.kind == kind).unwrap();
    assert_eq!(hop.outcome, Some(outcome), "{what}: {report:#?}");
    let explanation =
        report.explanation.as_ref().unwrap_or_else(|| panic!("{what}: no explanation in {report:#?}"));
    assert_eq!((explanation.hop, explanation.code), (kind, code), "{what}: {report:#?}");
    assert!(!explanation.title.is_empty() && !explanation.next.is_empty(), "{what}: {explanation:?}");
    if outcome == Outcome::Block {
        assert!(!report.usable, "{what}");
    }
}

use FailureCode as Code;
use HopKind as Kind;
use Outcome::{Block, Pass, Unknown, Warn};

#[tokio::test(flavor = "multi_thread")]
async fn broken_networks_are_named_by_their_hop() {
    let secret = secret();
    let check = async |what: &str, address: Address, kind: Kind, code: Code| {
        let report = doctor(&address, Some(&secret), None, None).await;
        names(what, &report, kind, Block, code);
        let later = report.hops.iter().filter(|hop| hop.kind > kind);
        assert!(
            later.clone().all(|hop| hop.outcome.is_none()),
            "{what}: nothing after the failing hop is claimed"
        );
        report
    };
    let base = address(free_port());
    let full = |port: u16| Address { tls: TlsMode::VerifyFull, ..address(port) };

    check("closed port", base.clone(), Kind::Tcp, Code::Unreachable).await;
    let nowhere = Address { host: "no-such-host.invalid".to_owned(), ..base.clone() };
    check("unresolvable name", nowhere, Kind::NameLookup, Code::NameLookup).await;
    let v6 = Address { host: "2001:db8::1".to_owned(), connect_timeout_seconds: 2, ..base.clone() };
    let report = check("IPv6 without a way", v6.clone(), Kind::Tcp, Code::Unreachable).await;
    let routed = std::net::UdpSocket::bind("[::]:0").and_then(|s| s.connect("[2001:db8::1]:9")).is_ok();
    if !routed {
        assert!(report.explanation.unwrap().title.contains("IPv6"), "a network without IPv6 is explained");
    }
    let socket = Address { host: "/nonexistent/folder".to_owned(), ..base.clone() };
    check("missing socket", socket, Kind::Tcp, Code::Unreachable).await;
    let hole = BlackHole::open().await;
    check("black hole", address(hole.port), Kind::Tcp, Code::Unreachable).await;

    let http = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    check("web server, encrypted", full(fake(Fake::Answer(http))), Kind::Tls, Code::ServerUnsupported).await;
    check("web server, plain", address(fake(Fake::Answer(http))), Kind::Tls, Code::ServerUnsupported).await;
    check("SSH server", full(fake(Fake::Banner(b"SSH-2.0-OpenSSH_9.9\r\n"))), Kind::Tls, Code::Tls).await;
    check(
        "MySQL server",
        full(fake(Fake::Banner(b"\x4a\0\0\0\x0a8.0.36\0"))),
        Kind::Tls,
        Code::ServerUnsupported,
    )
    .await;
    check("silent, encrypted", full(fake(Fake::Silence)), Kind::Tls, Code::Unreachable).await;
    check("silent, plain", address(fake(Fake::Silence)), Kind::Tls, Code::Unreachable).await;
    check("closes, encrypted", full(fake(Fake::Close)), Kind::Tls, Code::ServerUnsupported).await;
    check("closes, plain", address(fake(Fake::Close)), Kind::Tls, Code::ServerUnsupported).await;
    check("says no to encryption", full(fake(Fake::Answer(b"N"))), Kind::Tls, Code::Tls).await;
    check("wild bytes", full(fake(Fake::Answer(b"S\0\0\0\0\0\0\0\0"))), Kind::Tls, Code::Tls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poolers_texts_lead_to_the_right_advice() {
    let table = [
        ("XX000", "Tenant or user not found", Code::Authentication, "password is not the reason"),
        (
            "XX000",
            "(ENOTFOUND) tenant/user postgres.abc not found",
            Code::Authentication,
            "password is not the reason",
        ),
        (
            "XX000",
            "(ENOIDENTIFIER) no tenant identifier provided (external_id or sni_hostname required)",
            Code::Authentication,
            "which project",
        ),
        (
            "XX000",
            "(ECIRCUITBREAKER) too many authentication failures, new connections are temporarily blocked",
            Code::Authentication,
            "Wait two minutes",
        ),
        (
            "XX000",
            "(EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: 15",
            Code::ServerError,
            "no free place",
        ),
        (
            "XX000",
            "Address not in tenant allow_list: {192, 0, 2, 1}",
            Code::Unreachable,
            "Network restrictions",
        ),
        ("XX000", "SSL connection is required for user: postgres", Code::Tls, "encrypted"),
        ("57P03", "the database system is starting up", Code::Unreachable, "Try again"),
        ("53300", "sorry, too many clients already", Code::ServerError, "no free connection"),
        (
            "28000",
            "no pg_hba.conf entry for host \"192.0.2.1\", user \"owner\", database \"app\", no encryption",
            Code::Authentication,
            "Turn encryption on",
        ),
        ("28P01", "bad \u{202e}text\u{7} with marks", Code::Authentication, "\\\\u{202e}"),
    ];
    let secret = secret();
    for (state, text, code, part) in table {
        let report = doctor(&address(fake(Fake::Error(state, text))), Some(&secret), None, None).await;
        names(text, &report, Kind::Authentication, Block, code);
        let shown = format!("{:?}", report.explanation);
        assert!(shown.contains(part), "{text}: {shown}");
    }
    let pooler = address(fake(Fake::Error("08P01", "unsupported startup parameter in options: search_path")));
    let report = doctor(&pooler, Some(&secret), None, None).await;
    names("PgBouncer refuses settings", &report, Kind::PoolerMode, Block, Code::TransactionPooler);
    let report =
        doctor(&address(fake(Fake::Error("08P01", "no such database: app"))), Some(&secret), None, None)
            .await;
    names("PgBouncer without the database", &report, Kind::Database, Block, Code::DatabaseMissing);

    let parrot = address(fake(Fake::Parrot));
    let report = doctor(&parrot, Some(&secret), None, None).await;
    names(
        "a server that sends the password back",
        &report,
        Kind::Authentication,
        Block,
        Code::Authentication,
    );
    let told = connect(Way::direct(&parrot, Some(&secret)), "test").await.expect_err("the parrot refuses");
    assert!(!format!("{told:?}").contains(PASSWORD), "{told:?}");
    assert!(told.why.unwrap().contains("(password)"), "the server's text is kept, without the password");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_read_and_judged() {
    let authority = Authority::new();
    let other = Authority::new();
    let secret = secret();
    let mut server = Server::start(&[]);
    server.sql("postgres", "CREATE DATABASE app");
    let base = address(server.port);
    let pasted = || TlsRoots::Pasted { pem: authority.pem() };

    let plain = with_tls(&base, "localhost", TlsMode::VerifyFull, TlsRoots::System);
    let report = doctor(&plain, Some(&secret), None, None).await;
    names("server without encryption", &report, Kind::Tls, Block, Code::Tls);
    let refused =
        connect(Way::direct(&plain, Some(&secret)), "test").await.expect_err("never goes on unencrypted");
    assert_eq!(refused.code, Code::Tls, "{refused:?}");

    server.with_certificate(&authority, "localhost", "90");
    let good = with_tls(&base, "localhost", TlsMode::VerifyFull, pasted());
    let report = doctor(&good, Some(&secret), None, None).await;
    assert!(report.usable && report.explanation.is_none(), "{report:#?}");
    let hop = report.hops.iter().find(|hop| hop.kind == Kind::Tls).unwrap();
    assert!(hop.evidence.contains("for localhost, 89 days left"), "{hop:?}");
    let mut connection = connect(Way::direct(&good, Some(&secret)), "test").await.unwrap();
    assert!(session_facts(&mut connection, "public").await.unwrap().encrypted);

    let file = TlsRoots::File { path: authority.root().display().to_string() };
    let report =
        doctor(&with_tls(&base, "localhost", TlsMode::VerifyFull, file), Some(&secret), None, None).await;
    assert!(report.usable, "a root from a file: {report:#?}");
    let report = doctor(
        &with_tls(&base, "localhost", TlsMode::VerifyFull, TlsRoots::System),
        Some(&secret),
        None,
        None,
    )
    .await;
    names("unknown issuer", &report, Kind::Tls, Block, Code::Tls);
    assert!(format!("{:?}", report.explanation).contains("Test Root"), "the issuer is named: {report:#?}");
    let wrong_root = TlsRoots::Pasted { pem: other.pem() };
    let report =
        doctor(&with_tls(&base, "localhost", TlsMode::VerifyFull, wrong_root), Some(&secret), None, None)
            .await;
    names("another root", &report, Kind::Tls, Block, Code::Tls);
    assert!(report.explanation.unwrap().title.contains("chosen root"));
    let missing = TlsRoots::File { path: "/nonexistent/ca.pem".to_owned() };
    let report =
        doctor(&with_tls(&base, "localhost", TlsMode::VerifyFull, missing), Some(&secret), None, None).await;
    names("missing root file", &report, Kind::Tls, Block, Code::Tls);
    let empty = TlsRoots::Pasted { pem: "no certificate".to_owned() };
    let report =
        doctor(&with_tls(&base, "localhost", TlsMode::VerifyFull, empty), Some(&secret), None, None).await;
    names("no certificate pasted", &report, Kind::Tls, Block, Code::Tls);
    let report = doctor(
        &with_tls(&base, "localhost", TlsMode::Unchecked, TlsRoots::System),
        Some(&secret),
        None,
        None,
    )
    .await;
    names("not checked", &report, Kind::Tls, Warn, Code::Tls);
    assert!(report.usable, "a choice of the operator's only warns");

    server.with_certificate(&authority, "elsewhere.example.com", "90");
    let report = doctor(&good, Some(&secret), None, None).await;
    names("wrong name", &report, Kind::Tls, Block, Code::Tls);
    assert!(
        format!("{:?}", report.explanation).contains("elsewhere.example.com"),
        "the certificate's name is told"
    );
    assert_eq!(
        connect(Way::direct(&good, Some(&secret)), "test").await.expect_err("wrong name").code,
        Code::Tls
    );
    let report =
        doctor(&with_tls(&base, "localhost", TlsMode::VerifyCa, pasted()), Some(&secret), None, None).await;
    assert!(report.usable, "with the name left out it is accepted: {report:#?}");

    server.with_certificate(&authority, "localhost", "5");
    let report = doctor(&good, Some(&secret), None, None).await;
    names("ends soon", &report, Kind::Tls, Warn, Code::Tls);
    server.with_certificate(&authority, "localhost", "expired");
    let report = doctor(&good, Some(&secret), None, None).await;
    names("expired", &report, Kind::Tls, Block, Code::Tls);
    assert!(report.explanation.unwrap().title.contains("expired"));
    server.with_certificate(&authority, "localhost", "self");
    let report = doctor(&good, Some(&secret), None, None).await;
    names("self-signed", &report, Kind::Tls, Block, Code::Tls);
    assert!(format!("{:?}", report.explanation).contains("by itself"));
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_rights_and_identity_are_told_apart() {
    let secret = secret();
    let mut server = Server::start(&["log_connections = on"]);
    server.sql("postgres", "CREATE DATABASE app");
    server.sql("postgres", "CREATE DATABASE other");
    for role in [
        "reader LOGIN",
        "sleeper NOLOGIN",
        "stranger LOGIN",
        "lonely LOGIN CONNECTION LIMIT 1",
        "frozen LOGIN",
        "maker LOGIN",
    ] {
        server.sql("postgres", &format!("CREATE ROLE {role} PASSWORD '{PASSWORD}'"));
    }
    server.sql("postgres", "REVOKE CONNECT ON DATABASE other FROM PUBLIC; ALTER ROLE frozen SET default_transaction_read_only = on");
    server.sql("app", "GRANT CREATE ON SCHEMA public TO frozen, maker, lonely");
    let base = address(server.port);

    let report = doctor(&base, Some(&secret), None, None).await;
    assert!(report.usable && report.explanation.is_none(), "a healthy server: {report:#?}");
    assert_eq!(report.headline, "The database is reached, and everything fits.");
    assert!(report.round_trip_ms.is_some_and(|time| time > 0.0));
    let seen = report.identity.clone().unwrap();
    assert!(seen.system_identifier.is_some() && seen.database == "app");

    for host in ["::1", "localhost", server.folder.path().to_str().unwrap()] {
        let report =
            doctor(&Address { host: host.to_owned(), ..base.clone() }, Some(&secret), None, None).await;
        assert!(report.usable, "{host}: {report:#?}");
    }

    let before = std::fs::read_to_string(server.folder.path().join("log")).unwrap();
    let tries = |text: &str| text.matches("password authentication failed").count();
    let wrong = Secret::new("wr0ng-Wq7-password");
    let report = doctor(&base, Some(&wrong), None, None).await;
    names("wrong password", &report, Kind::Authentication, Block, Code::Authentication);
    let after = std::fs::read_to_string(server.folder.path().join("log")).unwrap();
    assert_eq!(tries(&after) - tries(&before), 1, "a wrong password is tried once");

    let report = doctor(&base, None, None, None).await;
    names("no password", &report, Kind::Authentication, Block, Code::Authentication);
    let report = doctor(&as_user(&base, "nobody_here"), Some(&secret), None, None).await;
    names("unknown user", &report, Kind::Authentication, Block, Code::Authentication);
    let report = doctor(&as_user(&base, "sleeper"), Some(&secret), None, None).await;
    names("user without login", &report, Kind::Authentication, Block, Code::Authentication);
    let report =
        doctor(&Address { database: "nothing".to_owned(), ..base.clone() }, Some(&secret), None, None).await;
    names("database missing", &report, Kind::Database, Block, Code::DatabaseMissing);
    assert_eq!(report.hops[3].outcome, Some(Pass), "the login itself went well");
    let closed = Address { database: "other".to_owned(), ..as_user(&base, "reader") };
    names(
        "no CONNECT",
        &doctor(&closed, Some(&secret), None, None).await,
        Kind::Database,
        Block,
        Code::Privilege,
    );
    let report =
        doctor(&Address { schema: "later".to_owned(), ..base.clone() }, Some(&secret), None, None).await;
    names("schema missing", &report, Kind::Schema, Warn, Code::DatabaseMissing);
    assert!(report.usable, "Prisma creates it");
    let report = doctor(
        &Address { schema: "later".to_owned(), ..as_user(&base, "reader") },
        Some(&secret),
        None,
        None,
    )
    .await;
    names("may not create the schema", &report, Kind::Privileges, Block, Code::Privilege);
    names(
        "may only read",
        &doctor(&as_user(&base, "reader"), Some(&secret), None, None).await,
        Kind::Privileges,
        Block,
        Code::Privilege,
    );
    names(
        "read-only user",
        &doctor(&as_user(&base, "frozen"), Some(&secret), None, None).await,
        Kind::Writable,
        Block,
        Code::ReadOnly,
    );
    names(
        "one connection only",
        &doctor(&as_user(&base, "lonely"), Some(&secret), None, None).await,
        Kind::PoolerMode,
        Unknown,
        Code::ServerError,
    );

    server.sql("app", "CREATE TABLE things (id int)");
    names(
        "tables of another role",
        &doctor(&as_user(&base, "maker"), Some(&secret), None, None).await,
        Kind::Privileges,
        Warn,
        Code::Privilege,
    );
    server.sql("app", "CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY); INSERT INTO _prisma_migrations VALUES ('one'), ('two')");
    names(
        "ledger out of reach",
        &doctor(&as_user(&base, "maker"), Some(&secret), None, None).await,
        Kind::Privileges,
        Block,
        Code::Privilege,
    );

    let pin = |ledger: &[&str]| IdentityPin {
        identity: seen.clone(),
        pinned_at: "2026-05-03T10:00:00Z".parse().unwrap(),
        ledger_ids: ledger.iter().map(|id| (*id).to_owned()).collect(),
    };
    let report = doctor(&base, Some(&secret), None, Some(&pin(&["one"]))).await;
    assert!(report.usable, "the ledger grew: {report:#?}");
    names(
        "ledger rows gone",
        &doctor(&base, Some(&secret), None, Some(&pin(&["three"]))).await,
        Kind::Identity,
        Block,
        Code::IdentityChanged,
    );
    let elsewhere = Address { database: "other".to_owned(), ..base.clone() };
    names(
        "another database",
        &doctor(&elsewhere, Some(&secret), None, Some(&pin(&[]))).await,
        Kind::Identity,
        Block,
        Code::IdentityChanged,
    );

    let report = doctor(&base, Some(&secret), Some(&base), None).await;
    assert!(report.usable && report.hops[11].outcome == Some(Pass), "the same database: {report:#?}");
    names(
        "the app uses another",
        &doctor(&base, Some(&secret), Some(&elsewhere), None).await,
        Kind::SameDatabase,
        Block,
        Code::IdentityChanged,
    );
    let hidden = Address { host: "app-internal.invalid".to_owned(), ..base.clone() };
    names(
        "the app's address is internal",
        &doctor(&base, Some(&secret), Some(&hidden), None).await,
        Kind::SameDatabase,
        Warn,
        Code::NameLookup,
    );
    let standby = server.standby();
    let report = doctor(&address(standby.port), Some(&secret), None, None).await;
    names("a standby", &report, Kind::Writable, Block, Code::ReadOnly);
    let report = doctor(&base, Some(&secret), Some(&address(standby.port)), None).await;
    names("the app uses a standby", &report, Kind::SameDatabase, Block, Code::IdentityChanged);
    assert!(report.explanation.unwrap().detail.contains("recovery"), "a standby is told from a copy");
    let copy = server.copy();
    let report = doctor(&base, Some(&secret), Some(&address(copy.port)), None).await;
    names("the app uses a physical copy", &report, Kind::SameDatabase, Block, Code::IdentityChanged);
    assert!(
        report.explanation.unwrap().title.contains("copy"),
        "every identifier is equal, and still it is seen"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn transaction_poolers_are_found_by_behaviour() {
    let secret = secret();
    let mut server = Server::start(&[]);
    server.sql("postgres", "CREATE DATABASE app");
    let direct = address(server.port);
    let pools = [
        ("two sessions", "default_pool_size=2"),
        ("one session", "default_pool_size=1"),
        ("in turn", "default_pool_size=4\nserver_round_robin=1"),
        ("many, warm", "default_pool_size=8\nmin_pool_size=4"),
    ];
    for (what, more) in pools {
        let bouncer = Bouncer::start(&server, "transaction", more);
        let report = doctor(&address(bouncer.port), Some(&secret), None, None).await;
        names(what, &report, Kind::PoolerMode, Block, Code::TransactionPooler);
        assert_eq!(report.headline, "The database is reached, but this is the pooler.");
        let report = doctor(&direct, Some(&secret), Some(&address(bouncer.port)), None).await;
        assert!(report.usable, "{what}: as the app's address it is fine, and the same database: {report:#?}");
        let refused = connect(Way::direct(&address(bouncer.port), Some(&secret)), "test")
            .await
            .expect_err("session settings are refused");
        assert_eq!(refused.code, Code::TransactionPooler, "{refused:?}");
        let said = Address { says_pooler: true, ..address(bouncer.port) };
        connect(Way::direct(&said, Some(&secret)), "test")
            .await
            .expect("an address that says pooler gets no settings");
    }
    let locks = async || {
        let mut connection = connect(Way::direct(&direct, Some(&secret)), "test").await.unwrap();
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            .fetch_one(&mut connection)
            .await
            .unwrap()
    };
    assert_eq!(locks().await, 0, "no lock stays behind");

    let session = Bouncer::start(&server, "session", "default_pool_size=5");
    let report = doctor(&address(session.port), Some(&secret), None, None).await;
    assert!(report.usable && report.explanation.is_none(), "a session pooler is fine: {report:#?}");
    let said = Address { says_pooler: true, ..address(session.port) };
    names(
        "says pooler, keeps sessions",
        &doctor(&said, Some(&secret), None, None).await,
        Kind::PoolerMode,
        Warn,
        Code::TransactionPooler,
    );

    let bouncer = Bouncer::start(&server, "transaction", "query_wait_timeout=3");
    server.stop();
    let report = doctor(&address(bouncer.port), Some(&secret), None, None).await;
    assert!(!report.usable, "{report:#?}");
    let hop = report.explanation.unwrap().hop;
    assert!(
        matches!(hop, Kind::Authentication | Kind::Schema),
        "the database behind the pooler is down: {hop:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_get_their_settings_and_errors_their_place() {
    let secret = secret();
    let server = Server::start(&[]);
    server.sql("postgres", "CREATE DATABASE app");
    server.sql("app", "CREATE SCHEMA \"odd \"\"name\"");
    let odd = Address {
        schema: "odd \"name".to_owned(),
        settings: vec![("statement_timeout".to_owned(), "7s".to_owned())],
        ..address(server.port)
    };
    let mut connection = connect(Way::direct(&odd, Some(&secret)), "drydock test").await.unwrap();
    let show: (String, String, String, String) = sqlx::query_as(
        "SELECT current_schema()::text, current_setting('statement_timeout'), current_setting('application_name'), current_setting('extra_float_digits')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(show, ("odd \"name".to_owned(), "7s".to_owned(), "drydock test".to_owned(), "3".to_owned()));
    assert!(identity(&mut connection, place(&odd, None)).await.unwrap().system_identifier.is_some());

    let error = sqlx::raw_sql("SELECT 1; SELECT * FROM nowhere")
        .execute(&mut connection)
        .await
        .expect_err("no such table");
    let told = server_error(&error).unwrap();
    assert_eq!((told.code.as_str(), told.position), ("42P01", Some(25)));
    assert_eq!(failure(&error).code, Code::ServerError);

    // Reading the system identifier may be denied; the rest is still told, inside a transaction too.
    server.sql("app", "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
    server.sql("postgres", &format!("CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'"));
    let plain = as_user(&address(server.port), "plain");
    let mut connection = connect(Way::direct(&plain, Some(&secret)), "test").await.unwrap();
    sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
    let seen = identity(&mut connection, place(&plain, None)).await.unwrap();
    assert_eq!((seen.system_identifier, seen.database.as_str()), (None, "app"));
    sqlx::raw_sql("SELECT 1").execute(&mut connection).await.expect("the transaction is not aborted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_answering_ends_the_walk_in_time() {
    let secret = secret();
    let server = Server::start(&[]);
    server.sql("postgres", "CREATE DATABASE app");
    let address = address(server.port);
    let mut holder = connect(Way::direct(&address, Some(&secret)), "holder").await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE pg_catalog.pg_namespace IN ACCESS EXCLUSIVE MODE")
        .execute(&mut holder)
        .await
        .unwrap();
    let report = doctor(&address, Some(&secret), None, None).await;
    assert!(!report.usable, "{report:#?}");
    let explanation = report.explanation.unwrap();
    assert!(matches!(explanation.code, Code::TimedOut | Code::Unreachable), "{explanation:?}");
}

/// psql's variables and files must not change a connection; runs the test below in a process that has them.
#[test]
fn variables_and_files_of_psql_have_no_say() {
    let server = Server::start(&[]);
    server.sql("postgres", "CREATE DATABASE app");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("passwords");
    std::fs::write(&file, format!("*:*:*:*:{}\n", PASSWORD.replace(':', "\\:"))).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for options in ["", "-c search_path=evil"] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "connect::with_variables_of_psql", "--nocapture"])
            .env("DRYDOCK_TEST_PORT", server.port.to_string())
            .envs([("PGHOST", "203.0.113.1"), ("PGPORT", "1"), ("PGUSER", "evil"), ("PGDATABASE", "evil")])
            .envs([
                ("PGPASSWORD", PASSWORD),
                ("PGSSLMODE", "require"),
                ("PGSSLROOTCERT", "/nonexistent"),
                ("PGAPPNAME", "evil"),
            ])
            .env("PGPASSFILE", &file)
            .env("PGOPTIONS", options)
            .output()
            .unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}

#[tokio::test]
#[ignore = "run by variables_and_files_of_psql_have_no_say in a process of its own"]
async fn with_variables_of_psql() {
    let address = address(std::env::var("DRYDOCK_TEST_PORT").unwrap().parse().unwrap());
    let result = connect(Way::direct(&address, Some(&secret())), "test").await;
    if !std::env::var("PGOPTIONS").unwrap().is_empty() {
        let told = result.expect_err("a setting that cannot be taken back is refused");
        assert!(told.what.contains("PGOPTIONS"), "{told:?}");
        return;
    }
    let name: String = sqlx::query_scalar("SELECT current_setting('application_name')")
        .fetch_one(&mut result.unwrap())
        .await
        .unwrap();
    assert_eq!(name, "test");
    let told = connect(Way::direct(&address, None), "test")
        .await
        .expect_err("neither PGPASSWORD nor the password file is used");
    assert_eq!(told.code, Code::Authentication, "{told:?}");
}
