#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may stop at the first surprise"
)]

use super::*;
use crate::domain::address::{TlsMode::*, TlsRoots};

const PASSWORD: &str = "hunter2-Zq9x";

fn parsed(text: &str) -> (ParsedAddress, Option<Secret>) {
    parse(text).unwrap_or_else(|failure| panic!("{text}: {failure:?}"))
}

fn password(text: &str) -> Option<String> {
    parsed(text).1.map(|secret| secret.reveal().to_owned())
}

/// Text, then `user@host:port/database schema tls`.
#[test]
fn real_world_forms_are_read_as_their_authors_mean_them() {
    let table: &[(&str, &str, &str, TlsMode)] = &[
        // Prisma, libpq, drivers
        (
            "postgresql://u:p@db.example.com:5432/app?schema=public",
            "u@db.example.com:5432/app",
            "public",
            VerifyFull,
        ),
        ("postgres://u:p@db.example.com/app", "u@db.example.com:5432/app", "public", VerifyFull),
        ("POSTGRES://u:p@db.example.com/app", "u@db.example.com:5432/app", "public", VerifyFull),
        ("postgresql://u:p@localhost:5433/app?schema=shop", "u@localhost:5433/app", "shop", Off),
        ("postgresql://u:p@127.0.0.1/app?sslmode=prefer", "u@127.0.0.1:5432/app", "public", Off),
        ("postgresql://u:p@127.0.0.1/app?sslmode=require", "u@127.0.0.1:5432/app", "public", Unchecked),
        ("postgresql://u:p@[::1]:5433/app", "u@::1:5433/app", "public", Off),
        ("postgresql://u:p@[2001:db8::24]/app", "u@2001:db8::24:5432/app", "public", VerifyFull),
        ("postgresql://u@/app?host=/run/postgresql", "u@/run/postgresql:5432/app", "public", Off),
        ("postgresql://u@%2Frun%2Fpostgresql:5433/app", "u@/run/postgresql:5433/app", "public", Off),
        ("postgresql:///app?host=/cloudsql/p:r:i&user=u", "u@/cloudsql/p:r:i:5432/app", "public", Off),
        ("postgresql:///app", "postgres@localhost:5432/app", "public", Off),
        ("postgresql://db.example.com", "postgres@db.example.com:5432/postgres", "public", VerifyFull),
        ("postgresql://u:p@db.example.com/", "u@db.example.com:5432/u", "public", VerifyFull),
        ("postgresql+psycopg2://u:p@db.example.com/app", "u@db.example.com:5432/app", "public", VerifyFull),
        (
            "postgresql+asyncpg://u:p@db.example.com/app?ssl=require",
            "u@db.example.com:5432/app",
            "public",
            VerifyFull,
        ),
        (
            "jdbc:postgresql://db.example.com:5432/app?user=u&password=p&currentSchema=shop",
            "u@db.example.com:5432/app",
            "shop",
            VerifyFull,
        ),
        ("postgres://a%40b:p%2Fq@db.example.com/app", "a@b@db.example.com:5432/app", "public", VerifyFull),
        // encryption
        ("postgres://u:p@db.example.com/app?sslmode=disable", "u@db.example.com:5432/app", "public", Off),
        (
            "postgres://u:p@db.example.com/app?sslmode=allow",
            "u@db.example.com:5432/app",
            "public",
            VerifyFull,
        ),
        (
            "postgres://u:p@db.example.com/app?sslmode=prefer",
            "u@db.example.com:5432/app",
            "public",
            VerifyFull,
        ),
        (
            "postgres://u:p@db.example.com/app?sslmode=require",
            "u@db.example.com:5432/app",
            "public",
            VerifyFull,
        ),
        (
            "postgres://u:p@db.example.com/app?sslmode=verify-ca",
            "u@db.example.com:5432/app",
            "public",
            VerifyCa,
        ),
        (
            "postgres://u:p@db.example.com/app?sslmode=verify-full",
            "u@db.example.com:5432/app",
            "public",
            VerifyFull,
        ),
        (
            "postgres://u:p@db.example.com/app?sslmode=no-verify",
            "u@db.example.com:5432/app",
            "public",
            VerifyFull,
        ),
        (
            "postgres://u:p@db.example.com/app?sslmode=banana",
            "u@db.example.com:5432/app",
            "public",
            VerifyFull,
        ),
        (
            "postgres://u:p@db.example.com/app?sslaccept=accept_invalid_certs",
            "u@db.example.com:5432/app",
            "public",
            VerifyFull,
        ),
        (
            "postgres://u:p@localhost/app?sslmode=require&sslaccept=strict",
            "u@localhost:5432/app",
            "public",
            VerifyFull,
        ),
        // as pasted
        ("DATABASE_URL=postgres://u:p@db.example.com/app", "u@db.example.com:5432/app", "public", VerifyFull),
        (
            "DATABASE_URL=\"postgres://u:p@db.example.com/app?schema=public\"\n",
            "u@db.example.com:5432/app",
            "public",
            VerifyFull,
        ),
        (
            "export DIRECT_URL='postgres://u:p@db.example.com/app'  # direct",
            "u@db.example.com:5432/app",
            "public",
            VerifyFull,
        ),
        ("  url = \"postgres://u:p@db.example.com/app\"", "u@db.example.com:5432/app", "public", VerifyFull),
        (
            "DATABASE_URL: postgres://u:p@db.example.com/app",
            "u@db.example.com:5432/app",
            "public",
            VerifyFull,
        ),
        (
            "psql 'postgresql://u:p@db.example.com/app?sslmode=require'",
            "u@db.example.com:5432/app",
            "public",
            VerifyFull,
        ),
        (
            "psql \"host=db.example.com port=5433 dbname=app user=u\"",
            "u@db.example.com:5433/app",
            "public",
            VerifyFull,
        ),
        // key=value
        (
            "host=db.example.com port=5433 dbname=app user=u password=p",
            "u@db.example.com:5433/app",
            "public",
            VerifyFull,
        ),
        (
            "host = 'db.example.com' dbname='a b' user='o\\'hara' sslmode=disable",
            "o'hara@db.example.com:5432/a b",
            "public",
            Off,
        ),
        ("host=/run/postgresql user=u dbname=app", "u@/run/postgresql:5432/app", "public", Off),
    ];
    for (text, label, schema, tls) in table {
        let (seen, _) = parsed(text);
        assert_eq!(seen.address.label(), *label, "{text}");
        assert_eq!(seen.address.schema, *schema, "{text}");
        assert_eq!(seen.address.tls, *tls, "{text}");
        assert!(seen.password.is_none(), "the handle is the caller's to fill");
    }
}

#[test]
fn providers_and_poolers_are_recognised_with_a_way_out() {
    let reference = "abcdefghijklmnopqrst";
    let table: &[(String, &str, bool, Option<&str>)] = &[
        (format!("postgresql://postgres:p@db.{reference}.supabase.co:5432/postgres"), "Supabase direct", false, None),
        (
            format!("postgresql://postgres:p@db.{reference}.supabase.co:6543/postgres"),
            "Supabase dedicated pooler",
            true,
            Some("db.abcdefghijklmnopqrst.supabase.co:5432"),
        ),
        (
            format!("postgresql://postgres.{reference}:p@aws-0-eu-central-1.pooler.supabase.com:5432/postgres"),
            "Supabase session pooler",
            false,
            None,
        ),
        (
            format!("postgresql://postgres.{reference}:p@aws-1-eu-central-1.pooler.supabase.com:6543/postgres?pgbouncer=true&connection_limit=1"),
            "Supabase transaction pooler",
            true,
            Some("aws-1-eu-central-1.pooler.supabase.com:5432"),
        ),
        (
            "postgresql://doadmin:p@app-do-user-1-0.b.db.ondigitalocean.com:25060/defaultdb?sslmode=require".to_owned(),
            "DigitalOcean managed PostgreSQL, direct",
            false,
            None,
        ),
        (
            "postgresql://doadmin:p@app-do-user-1-0.b.db.ondigitalocean.com:25061/pool?sslmode=require".to_owned(),
            "DigitalOcean managed PostgreSQL, connection pool",
            true,
            Some("app-do-user-1-0.b.db.ondigitalocean.com:25060"),
        ),
        (
            "postgresql://u:p@ep-cool-name-123-pooler.eu-central-1.aws.neon.tech/app?sslmode=require&channel_binding=require".to_owned(),
            "Neon pooler",
            true,
            Some("ep-cool-name-123.eu-central-1.aws.neon.tech:5432"),
        ),
        ("postgresql://u:p@ep-cool-name-123.eu-central-1.aws.neon.tech/app".to_owned(), "Neon direct", false, None),
        ("postgresql://u:p@db.example.com:6432/app".to_owned(), "pooler, port 6432", true, Some("db.example.com:5432")),
        ("postgresql://u:p@db.example.com:5432/app?pgbouncer=true".to_owned(), "pooler", true, None),
        ("postgresql://u:p@db.example.com:5432/app?pgbouncer=false".to_owned(), "direct", false, None),
        ("postgresql://u:p@x.c1.eu-central-1.rds.amazonaws.com/app".to_owned(), "Amazon RDS", false, None),
        ("postgresql://u:p@localhost:5432/app".to_owned(), "PostgreSQL on this computer", false, None),
        ("postgresql://atelier:p@db.example.com:5432".to_owned(), "PostgreSQL, direct, port 5432", false, None),
    ];
    for (text, recognised, pooler, suggestion) in table {
        let (seen, _) = parsed(text);
        assert!(seen.recognised.contains(recognised), "{text}: {}", seen.recognised);
        assert_eq!(seen.address.says_pooler, *pooler, "{text}");
        let shown = seen.direct_suggestion.as_ref().map(|other| format!("{}:{}", other.host, other.port));
        assert_eq!(shown.as_deref(), *suggestion, "{text}");
        assert_eq!(
            *pooler,
            seen.warnings.iter().any(|warning| warning.contains("another session")),
            "{text}: a pooler is warned about"
        );
        assert!(
            seen.direct_suggestion.is_none_or(|other| !other.says_pooler),
            "{text}: the suggestion is no pooler"
        );
    }
}

#[test]
fn a_supabase_pooler_user_without_the_project_is_warned_about() {
    let (seen, _) = parsed("postgresql://postgres:p@aws-0-eu-central-1.pooler.supabase.com:5432/postgres");
    assert!(seen.warnings.iter().any(|warning| warning.contains("20 letters")), "{:?}", seen.warnings);
}

#[test]
fn what_is_not_postgresql_is_refused_by_name() {
    let table = [
        ("mysql://u:hunter2-Zq9x@db.example.com/app", FailureCode::ServerUnsupported, "MySQL"),
        ("mariadb://u:hunter2-Zq9x@db.example.com/app", FailureCode::ServerUnsupported, "MariaDB"),
        (
            "prisma+postgres://accelerate.example.com/?api_key=hunter2-Zq9x",
            FailureCode::ServerUnsupported,
            "Accelerate",
        ),
        (
            "prisma://accelerate.example.com/?api_key=hunter2-Zq9x",
            FailureCode::ServerUnsupported,
            "Accelerate",
        ),
        (
            "sqlserver://db.example.com:1433;database=app;password=hunter2-Zq9x",
            FailureCode::ServerUnsupported,
            "SQL Server",
        ),
        ("mongodb+srv://u:hunter2-Zq9x@cluster.example.com/app", FailureCode::ServerUnsupported, "MongoDB"),
        ("file:///home/u/dev.db", FailureCode::ServerUnsupported, "SQLite"),
        ("https://db.example.com/?password=hunter2-Zq9x", FailureCode::AddressInvalid, "web address"),
        ("hunter2-Zq9x://db.example.com", FailureCode::AddressInvalid, "kind of database"),
        ("hunter2-Zq9x", FailureCode::AddressInvalid, "postgresql://"),
        ("", FailureCode::AddressInvalid, "postgresql://"),
        (
            "postgresql://u:hunter2-Zq9x@a.example.com:1,b.example.com:2/app",
            FailureCode::AddressInvalid,
            "several servers",
        ),
        ("postgresql://u:hunter2-Zq9x@db.example.com:99999/app", FailureCode::AddressInvalid, "65535"),
        ("postgresql://u:hunter2-Zq9x@db.example.com:0/app", FailureCode::AddressInvalid, "65535"),
        ("postgresql://u:hunter2-Zq9x@[::1/app", FailureCode::AddressInvalid, "never closed"),
        ("postgresql://u:hunter2-Zq9x@[nonsense]/app", FailureCode::AddressInvalid, "IPv6"),
        (
            "postgresql://u:hunter2-Zq9x@db.example.com/app/more",
            FailureCode::AddressInvalid,
            "more than one part",
        ),
        ("postgresql://u:hunter2-Zq9x@db example.com/app", FailureCode::AddressInvalid, "cannot be part"),
        ("postgresql://u:hunter2-Zq9x@db.example.com/ap\u{202e}p", FailureCode::AddressInvalid, "U+202E"),
        ("postgresql://u:hunter2-Zq9x@db.example.com/a%0Ab", FailureCode::AddressInvalid, "line"),
        ("postgresql://u:hunter2-Zq9x%00@db.example.com/a", FailureCode::AddressInvalid, "U+0000"),
        (
            "A=postgres://u:hunter2-Zq9x@a/b\nB=postgres://u:hunter2-Zq9x@a/b",
            FailureCode::AddressInvalid,
            "line",
        ),
        ("DATABASE_URL=\"postgres://u:hunter2-Zq9x@a/b", FailureCode::AddressInvalid, "never closed"),
        ("host=db.example.com hunter2-Zq9x", FailureCode::AddressInvalid, "no `=`"),
        ("host=db.example.com password='hunter2-Zq9x", FailureCode::AddressInvalid, "never closed"),
    ];
    for (text, code, part) in table {
        let failure = parse(text).expect_err(text);
        assert_eq!(failure.code, code, "{text}: {failure:?}");
        let shown = format!("{failure:?} {failure}");
        assert!(shown.contains(part), "{text}: {shown}");
        assert!(!shown.contains(PASSWORD), "{text}: the password is in {shown}");
        assert!(failure.next.is_some(), "{text}: a way on is named");
    }
}

#[test]
fn every_parameter_leaves_a_note() {
    let names = [
        "schema",
        "sslmode",
        "sslaccept",
        "sslcert",
        "sslidentity",
        "sslpassword",
        "connect_timeout",
        "pool_timeout",
        "socket_timeout",
        "connection_limit",
        "pgbouncer",
        "statement_cache_size",
        "max_connection_lifetime",
        "max_idle_connection_lifetime",
        "application_name",
        "channel_binding",
        "options",
        "sslrootcert",
        "sslkey",
        "sslcrl",
        "search_path",
        "currentSchema",
        "hostaddr",
        "passfile",
        "service",
        "target_session_attrs",
        "load_balance_hosts",
        "keepalives",
        "gssencmode",
        "krbsrvname",
        "require_auth",
        "sslnegotiation",
        "sslsni",
        "client_encoding",
        "replication",
        "fallback_application_name",
        "tcp_user_timeout",
        "ssl",
        "requiressl",
        "supa",
        "ssl_min_protocol_version",
        "uselibpqcompat",
        "something_new",
        "options[jit]",
    ];
    for name in names {
        let (seen, _) = parsed(&format!("postgresql://u:p@db.example.com/app?{name}=1"));
        assert!(
            seen.parameters.iter().any(|note| note.name == name && !note.effect.is_empty()),
            "{name}: {:?}",
            seen.parameters
        );
    }
}

#[test]
fn certificates_and_settings_reach_the_address() {
    let address = |text: &str| parsed(text).0.address;
    let file = |path: &str| TlsRoots::File { path: path.to_owned() };
    assert_eq!(
        address("postgres://u@db.example.com/a?sslcert=/etc/ca.pem").roots,
        file("/etc/ca.pem"),
        "Prisma's sslcert is the root"
    );
    assert_eq!(address("postgres://u@db.example.com/a?sslrootcert=/etc/ca.pem").roots, file("/etc/ca.pem"));
    assert_eq!(address("postgres://u@db.example.com/a?sslrootcert=C:/ca.pem").roots, file("C:/ca.pem"));
    assert_eq!(
        address("postgres://u@db.example.com/a?sslcert=/c.pem&sslkey=/k.pem&sslrootcert=/ca.pem").roots,
        file("/ca.pem"),
        "with sslkey, sslcert is the client's"
    );
    let (relative, _) = parsed("postgres://u@db.example.com/a?sslcert=../ca.pem");
    assert_eq!(relative.address.roots, TlsRoots::System);
    assert!(relative.warnings.iter().any(|warning| warning.contains("relative")), "a relative path is told");
    assert_eq!(
        address(
            "postgres://u@db.example.com/a?options=-c%20statement_timeout%3D5s%20-cjit%3Don+--geqo%3Doff"
        )
        .settings,
        [("statement_timeout", "5s"), ("jit", "on"), ("geqo", "off")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
    assert_eq!(address("postgres://u@db.example.com/a?options=-c%20search_path%3Dshop").schema, "shop");
    assert_eq!(address("postgres://u@db.example.com/a?connect_timeout=0").connect_timeout_seconds, 60);
    assert_eq!(address("postgres://u@db.example.com/a?connect_timeout=9").connect_timeout_seconds, 9);
    assert_eq!(address("postgres://u@db.example.com/a").connect_timeout_seconds, 5);
    let (percent, _) = parsed("postgres://u@db.example.com/my%20db");
    assert_eq!(percent.address.database, "my db", "libpq's reading");
    assert!(
        percent.warnings.iter().any(|warning| warning.contains("Prisma")),
        "Prisma's other reading is told"
    );
}

#[test]
fn passwords_are_decoded_and_badly_encoded_ones_still_found() {
    let table = [
        ("postgres://u:p%40ss%2Fw%3Ard@db.example.com/a", "p@ss/w:rd"),
        ("postgres://u:p:q@db.example.com/a", "p:q"),
        ("postgres://u:p@q@db.example.com/a", "p@q"),
        ("postgres://u:100%@db.example.com/a", "100%"),
        ("postgres://u:a+b@db.example.com/a", "a+b"),
        ("postgres://u:pa/ss@db.example.com/a", "pa/ss"),
        ("postgres://u:pa#ss?x@db.example.com:5432/a", "pa#ss?x"),
        ("postgres://u:12?34@db.example.com/a", "12?34"),
        ("postgres://u:p@a/b#c@db.example.com:5432/a", "p@a/b#c"),
        ("postgres://db.example.com/a?user=u&password=p@q", "p@q"),
        ("host=db.example.com user=u password='a b\\'c'", "a b'c"),
    ];
    for (text, wanted) in table {
        assert_eq!(password(text).as_deref(), Some(wanted), "{text}");
        assert_eq!(parsed(text).0.address.host, "db.example.com", "{text}");
    }
    for text in [
        "postgres://u:[YOUR-PASSWORD]@db.example.com/a",
        "postgres://u:<password>@db.example.com/a",
        "postgres://u:****@db.example.com/a",
    ] {
        let (seen, none) = parsed(text);
        assert!(
            none.is_none() && seen.warnings.iter().any(|warning| warning.contains("placeholder")),
            "{text}"
        );
    }
    assert_eq!(password("postgres://u:@db.example.com/a"), None);
}

/// Many odd texts around one password: whatever comes of them, it is in no output.
#[test]
fn no_output_contains_the_password() {
    let passwords = [
        PASSWORD,
        "Zq9x/hunter2",
        "Zq9x?hunter2=1",
        "Zq9x#hunter2",
        "Zq9x@hunter2",
        "Zq9x:hunter2",
        "Zq9x%hunter2",
        "Zq9x hunter2",
        "Zq9x&hunter2",
        "12345?hunter2",
        "12/hunter2",
        "[hunter2",
        "hunter2]",
    ];
    let shapes = [
        "postgres://u:{}@db.example.com:5432/app?schema=x",
        "postgres://u:{}@db.example.com",
        "postgres://u:{}@",
        "postgres://:{}@db.example.com/app",
        "postgres://u:{}",
        "postgres://{}",
        "postgres://{}@",
        "mysql://u:{}@h/d",
        "postgres://u:{}@[::1]:99999/x",
        "postgres://u:{}@h:abc/x",
        "postgres://u:{}@h/x?{}",
        "postgres://h/x?password={}&sslmode=require",
        "postgres://h/x?sslpassword={}",
        "host=h user=u password={}",
        "host=h user=u password='{}'",
        "password={}",
        "{}",
        "DATABASE_URL=postgres://u:{}@h/x",
        "DATABASE_URL=\"postgres://u:{}@h/x",
        "\"{}\"",
        "postgres://u:{}@a,b/x",
        "postgres://u:{}@h\u{202e}/x",
        "postgres://u:{}@h/x\n",
        "jdbc:postgresql://h/x?user=u&password={}",
        "prisma+postgres://h/?api_key={}",
        "postgres://u:{}@pooler.example.com:6543/x",
    ];
    for password in passwords {
        for shape in shapes {
            let text = shape.replace("{}", password);
            let shown = match parse(&text) {
                Ok((seen, secret)) => {
                    // Where the text gives the password no place, it is a host or name like any other.
                    if secret.as_ref().is_none_or(|secret| !secret.reveal().contains("hunter2")) {
                        continue;
                    }
                    format!("{seen:?} {secret:?} {}", serde_json::to_string(&seen).unwrap())
                }
                Err(failure) => format!("{failure:?} {failure}"),
            };
            assert!(!shown.contains("hunter2"), "{text}: {shown}");
        }
    }
}

#[test]
fn typed_fields_obey_the_same_rules() {
    let good = parsed("postgres://u:p@db.example.com/app").0.address;
    check(&good).unwrap();
    let broken = [
        Address { host: String::new(), ..good.clone() },
        Address { host: "db example".to_owned(), ..good.clone() },
        Address { host: "db\u{202e}.example.com".to_owned(), ..good.clone() },
        Address { port: 0, ..good.clone() },
        Address { user: "u\n".to_owned(), ..good.clone() },
        Address { database: String::new(), ..good.clone() },
        Address { schema: "s\u{0}".to_owned(), ..good.clone() },
        Address { connect_timeout_seconds: 0, ..good.clone() },
        Address { settings: vec![("a b".to_owned(), "c".to_owned())], ..good.clone() },
    ];
    for address in broken {
        assert_eq!(check(&address).expect_err("refused").code, FailureCode::AddressInvalid, "{address:?}");
    }
}
