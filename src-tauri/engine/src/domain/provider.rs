//! Who runs the server and what kind of door this is, told from host, port and user alone: direct,
//! session pooler or transaction pooler. The doctor finds out by behaviour; this is the first word.

use super::address::{Address, TlsMode, TlsRoots};

/// What the address gives away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognition {
    /// In words.
    pub recognised: String,
    /// What the operator should know before connecting.
    pub warnings: Vec<String>,
    /// The address for migrations, where it can be derived.
    pub suggestion: Option<Address>,
}

/// Looks at the address and sets `says_pooler` where host and port say so (or, for providers whose doors
/// are known, takes a wrong `pgbouncer=true` back).
pub fn recognise(address: &mut Address) -> Recognition {
    let host = address.host.to_ascii_lowercase();
    let mut seen = Recognition { recognised: String::new(), warnings: Vec::new(), suggestion: None };
    if address.is_socket() {
        seen.recognised = format!("PostgreSQL, local socket, port {}", address.port);
    } else if host.ends_with(".pooler.supabase.com") {
        supabase_shared(address, &mut seen);
    } else if host.ends_with(".supabase.co") && host.starts_with("db.") {
        supabase_direct(address, &mut seen);
    } else if host.ends_with(".db.ondigitalocean.com") {
        digitalocean(address, &mut seen);
    } else if host.ends_with(".neon.tech") {
        neon(address, &mut seen);
    } else {
        other(address, &host, &mut seen);
    }
    if address.says_pooler && seen.warnings.is_empty() {
        seen.warnings.push(transaction_warning(
            "The address says that it leads to a transaction pooler (pgbouncer=true)",
        ));
    }
    seen
}

fn transaction_warning(because: &str) -> String {
    format!(
        "{because}: every transaction may get another session, so migrations, backups and their locks are not safe \
         there. Use the direct or session address for Drydock; the app keeps this one."
    )
}

/// The same address on another port, no pooler.
fn on_port(address: &Address, port: u16) -> Address {
    Address { port, says_pooler: false, ..address.clone() }
}

fn supabase_roots(address: &Address, seen: &mut Recognition) {
    let checked = !matches!(address.tls, TlsMode::Off | TlsMode::Unchecked);
    if address.roots == TlsRoots::System && checked {
        seen.warnings.push(
            "Supabase signs with its own root certificate, which this computer does not know. Download it in the \
             project's Database settings, SSL configuration, and choose it as trusted root."
                .to_owned(),
        );
    }
}

fn supabase_shared(address: &mut Address, seen: &mut Recognition) {
    if address.port == 6543 {
        address.says_pooler = true;
        seen.recognised = "Supabase transaction pooler, port 6543".to_owned();
        seen.warnings.push(transaction_warning("Port 6543 is Supabase's transaction pooler"));
        seen.suggestion = Some(on_port(address, 5432));
    } else {
        address.says_pooler = false;
        seen.recognised = format!("Supabase session pooler, port {}", address.port);
    }
    let reference = address.user.rsplit_once('.').map(|(_, reference)| reference);
    if !reference.is_some_and(|r| r.len() == 20 && r.bytes().all(|b| b.is_ascii_lowercase())) {
        seen.warnings.push(
            "Supabase's pooler tells projects apart by the user name, and this one lacks it. The user is written \
             `postgres.` followed by the project's reference of 20 letters."
                .to_owned(),
        );
    }
    supabase_roots(address, seen);
}

fn supabase_direct(address: &mut Address, seen: &mut Recognition) {
    if address.port == 6543 {
        address.says_pooler = true;
        seen.recognised = "Supabase dedicated pooler, port 6543".to_owned();
        seen.warnings.push(transaction_warning("Port 6543 is the project's dedicated transaction pooler"));
        seen.suggestion = Some(on_port(address, 5432));
    } else {
        address.says_pooler = false;
        seen.recognised = format!("Supabase direct, port {}", address.port);
        seen.warnings.push(
            "Supabase's direct host has IPv6 addresses only, unless the project has the IPv4 add-on. On a network \
             without IPv6 use the session pooler (…pooler.supabase.com, port 5432)."
                .to_owned(),
        );
    }
    if address.user.contains('.') {
        seen.warnings.push(
            "The user name carries a project reference. That is the pooler's form; the direct host expects `postgres`."
                .to_owned(),
        );
    }
    supabase_roots(address, seen);
}

fn digitalocean(address: &mut Address, seen: &mut Recognition) {
    if address.port == 25061 {
        address.says_pooler = true;
        seen.recognised = "DigitalOcean managed PostgreSQL, connection pool, port 25061".to_owned();
        seen.warnings.push(transaction_warning("Port 25061 is DigitalOcean's connection pool"));
        seen.warnings.push(
            "In a pool's address the database is the pool's name. Check the database's own name before using the \
             direct address."
                .to_owned(),
        );
        seen.suggestion = Some(on_port(address, 25060));
    } else {
        seen.recognised = format!("DigitalOcean managed PostgreSQL, direct, port {}", address.port);
    }
    if address.roots == TlsRoots::System {
        seen.warnings.push(
            "DigitalOcean signs with the cluster's own certificate. Download it on the database's overview page and \
             choose it as trusted root."
                .to_owned(),
        );
    }
}

fn neon(address: &mut Address, seen: &mut Recognition) {
    let host = address.host.clone();
    let (first, rest) = host.split_once('.').unwrap_or((&host, ""));
    if let Some(endpoint) = first.strip_suffix("-pooler") {
        address.says_pooler = true;
        seen.recognised = format!("Neon pooler, port {}", address.port);
        seen.warnings.push(transaction_warning("A Neon host with -pooler is a transaction pooler"));
        seen.suggestion =
            Some(Address { host: format!("{endpoint}.{rest}"), says_pooler: false, ..address.clone() });
    } else {
        seen.recognised = format!("Neon direct, port {}", address.port);
    }
}

fn other(address: &mut Address, host: &str, seen: &mut Recognition) {
    let port = address.port;
    let managed = [
        (".rds.amazonaws.com", "Amazon RDS PostgreSQL"),
        (".postgres.database.azure.com", "Azure PostgreSQL"),
        (".aivencloud.com", "Aiven PostgreSQL"),
        (".render.com", "Render PostgreSQL"),
        (".rlwy.net", "Railway PostgreSQL"),
        (".railway.internal", "Railway PostgreSQL, internal name"),
        (".flycast", "Fly PostgreSQL, internal name"),
        ("db.prisma.io", "Prisma Postgres"),
    ]
    .iter()
    .find(|(end, _)| host.ends_with(end))
    .map(|(_, name)| *name);
    let first = host.split('.').next().unwrap_or_default();
    let by_host = host.contains(".proxy-")
        || host.starts_with("pooled.")
        || host.starts_with("pooler.")
        || first.ends_with("-pooler");
    if host.ends_with(".cockroachlabs.cloud") || port == 26257 {
        seen.recognised = format!("CockroachDB, port {port}");
        seen.warnings.push(
            "CockroachDB speaks PostgreSQL's protocol but is another server; Drydock is not tested with it."
                .to_owned(),
        );
        return;
    }
    let kind =
        managed.unwrap_or(if address.is_local() { "PostgreSQL on this computer" } else { "PostgreSQL" });
    if matches!(port, 6432 | 6543) {
        address.says_pooler = true;
        seen.recognised = format!("{kind}, pooler, port {port}");
        let usual =
            if port == 6432 { "PgBouncer's usual port" } else { "the usual port of a transaction pooler" };
        seen.warnings.push(transaction_warning(&format!("Port {port} is {usual}")));
        seen.suggestion = Some(on_port(address, 5432));
    } else if by_host {
        address.says_pooler = true;
        seen.recognised = format!("{kind}, pooler, port {port}");
        seen.warnings.push(transaction_warning("The host's name says that it is a pooler"));
        if let Some(direct) = address.host.strip_prefix("pooled.") {
            seen.suggestion =
                Some(Address { host: direct.to_owned(), says_pooler: false, ..address.clone() });
        } else if let Some((first, rest)) = address.host.split_once("-pooler.") {
            seen.suggestion =
                Some(Address { host: format!("{first}.{rest}"), says_pooler: false, ..address.clone() });
        }
    } else {
        seen.recognised = if address.says_pooler {
            format!("{kind}, pooler, port {port}")
        } else {
            format!("{kind}, direct, port {port}")
        };
    }
}

/// The project's reference, if the host or user is Supabase's.
pub fn supabase_reference(address: &Address) -> Option<String> {
    let host = address.host.to_ascii_lowercase();
    if let Some(reference) = host.strip_prefix("db.").and_then(|h| h.strip_suffix(".supabase.co")) {
        return Some(reference.to_owned());
    }
    let pooled = host.ends_with(".pooler.supabase.com");
    address.user.rsplit_once('.').filter(|_| pooled).map(|(_, reference)| reference.to_owned())
}

/// Whether host and port are those of a door that is a transaction pooler whatever its behaviour at
/// the moment: Supabase's 6543 and Neon's `-pooler` hosts.
pub fn is_surely_transaction_pooler(address: &Address) -> bool {
    let host = address.host.to_ascii_lowercase();
    let supabase = host.ends_with(".pooler.supabase.com") || host.ends_with(".supabase.co");
    let neon = host.ends_with(".neon.tech")
        && host.split('.').next().is_some_and(|first| first.ends_with("-pooler"));
    (supabase && address.port == 6543) || neon
}
