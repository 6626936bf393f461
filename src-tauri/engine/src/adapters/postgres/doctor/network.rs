//! From the name to the encrypted connection; no user, no password.

use super::{NOTHING_WRITTEN, Seen, Walk, explain};
use crate::{
    adapters::{
        postgres::{failure::from_io, tls},
        ssh::{ByteStream, Stream},
    },
    domain::{
        Failure, FailureCode, Outcome,
        address::{Address, TlsMode, TlsRoots},
        doctor::{Explanation, HopKind},
        provider,
    },
};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// Once one address answers, the others get this long.
const STRAGGLERS: Duration = Duration::from_millis(700);

/// A certificate that ends sooner is worth a look.
const SOON_DAYS: i64 = 21;

/// Walks the three network hops. False: the walk ends here.
pub(super) async fn walk(walk: &mut Walk<'_>, address: &Address) -> bool {
    if address.is_socket() {
        return socket(walk, address).await;
    }
    let Some(addresses) = lookup(walk, address).await else { return false };
    let Some(stream) = tcp(walk, address, &addresses).await else { return false };
    encryption(walk, address, stream, false).await
}

/// The hop that is left where a tunnel leads to the server's port: `stream` comes out there.
pub(super) async fn walk_tunnelled(walk: &mut Walk<'_>, address: &Address, stream: ByteStream) -> bool {
    if address.is_socket() {
        walk.reached(
            HopKind::Tls,
            Duration::ZERO,
            Seen::pass("not needed: a socket on the SSH host, inside the tunnel"),
        );
        return true;
    }
    encryption(walk, address, stream, true).await
}

async fn socket(walk: &mut Walk<'_>, address: &Address) -> bool {
    let folder = format!("the socket in {}", address.host);
    walk.reached(HopKind::NameLookup, Duration::ZERO, Seen::pass(format!("{folder}, no name to look up")));
    let start = Instant::now();
    #[cfg(unix)]
    let result = {
        let path = format!("{}/.s.PGSQL.{}", address.host, address.port);
        walk.limited(address, async move {
            tokio::net::UnixStream::connect(path).await.map(drop).map_err(|error| from_io(&error))
        })
        .await
    };
    #[cfg(not(unix))]
    let result: Result<(), Failure> =
        Err(Failure::new(FailureCode::Unreachable, "This computer has no unix sockets.")
            .next("Use host and port."));
    match result {
        Ok(()) => {
            walk.reached(
                HopKind::Tcp,
                start.elapsed(),
                Seen::pass(format!("the socket answers, port {}", address.port)),
            );
            walk.reached(
                HopKind::Tls,
                Duration::ZERO,
                Seen::pass("not needed: a socket stays on this computer"),
            );
            true
        }
        Err(failure) => {
            walk.reached(HopKind::Tcp, start.elapsed(), Seen::failed(Outcome::Block, HopKind::Tcp, &failure));
            false
        }
    }
}

async fn lookup(walk: &mut Walk<'_>, address: &Address) -> Option<Vec<SocketAddr>> {
    let start = Instant::now();
    let target = (address.host.clone(), address.port);
    let limit = walk.limit(address);
    let result = match tokio::time::timeout(limit, tokio::net::lookup_host(target)).await {
        Ok(Ok(found)) => {
            let mut addresses: Vec<SocketAddr> = Vec::new();
            for one in found {
                if !addresses.contains(&one) {
                    addresses.push(one);
                }
            }
            Ok(addresses)
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("The name service did not answer within {:.0} s.", limit.as_secs_f64())),
    };
    match result {
        Ok(addresses) if !addresses.is_empty() => {
            let evidence = if address.host.parse::<IpAddr>().is_ok() {
                "an IP address, no name to look up".to_owned()
            } else {
                listed(&addresses)
            };
            walk.reached(HopKind::NameLookup, start.elapsed(), Seen::pass(evidence));
            Some(addresses)
        }
        result => {
            let why = match result {
                Err(text) => crate::adapters::postgres::failure::visible(&text),
                Ok(_) => "The name exists but has no address.".to_owned(),
            };
            let next = match provider::supabase_reference(address) {
                Some(_) => {
                    "Compare the host with the project's Connect page. The name of a paused project disappears: resume it first."
                }
                None => "Check the spelling, the network and the VPN, then test again.",
            };
            let failure = Failure::new(
                FailureCode::NameLookup,
                format!("The name {} leads to no address.", address.host),
            )
            .why(why)
            .unchanged("Nothing was sent to any database.")
            .next(next);
            walk.reached(
                HopKind::NameLookup,
                start.elapsed(),
                Seen::failed(Outcome::Block, HopKind::NameLookup, &failure),
            );
            None
        }
    }
}

/// `v4 203.0.113.24, v6 2001:db8::24`, four addresses at most.
fn listed(addresses: &[SocketAddr]) -> String {
    let mut parts: Vec<String> = addresses
        .iter()
        .take(4)
        .map(|one| format!("{} {}", if one.is_ipv4() { "v4" } else { "v6" }, one.ip()))
        .collect();
    if addresses.len() > 4 {
        parts.push(format!("{} more", addresses.len() - 4));
    }
    parts.join(", ")
}

async fn tcp(walk: &mut Walk<'_>, address: &Address, addresses: &[SocketAddr]) -> Option<TcpStream> {
    let start = Instant::now();
    let limit = walk.limit(address);
    let mut attempts: FuturesUnordered<_> = addresses
        .iter()
        .take(8)
        .map(|one| async move {
            let late = || {
                io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no answer within {:.0} s", limit.as_secs_f64()),
                )
            };
            (*one, tokio::time::timeout(limit, TcpStream::connect(one)).await.unwrap_or_else(|_| Err(late())))
        })
        .collect();
    let mut stream = None;
    let mut answered = Vec::new();
    let mut silent: Vec<(SocketAddr, io::Error)> = Vec::new();
    let mut first_answer = None;
    let mut pending: Vec<SocketAddr> = addresses.iter().take(8).copied().collect();
    let mut until = tokio::time::Instant::now() + limit + Duration::from_millis(200);
    while let Ok(Some((one, result))) = tokio::time::timeout_at(until, attempts.next()).await {
        pending.retain(|address| *address != one);
        match result {
            Ok(opened) => {
                answered.push(one);
                if stream.is_none() {
                    first_answer = Some(start.elapsed());
                    until = until.min(tokio::time::Instant::now() + STRAGGLERS);
                    stream = Some(opened);
                }
            }
            Err(error) => silent.push((one, error)),
        }
    }
    let left_behind =
        pending.into_iter().map(|one| (one, io::Error::new(io::ErrorKind::TimedOut, "no answer")));
    silent.extend(left_behind);
    let took = first_answer.unwrap_or_else(|| start.elapsed());
    let Some(stream) = stream else {
        let seen = unreachable(address, &silent);
        walk.reached(HopKind::Tcp, took, seen);
        return None;
    };
    let seen = if silent.is_empty() {
        Seen::pass(format!("port {} answers", address.port))
    } else {
        let evidence = format!(
            "port {} answers on {} of {} addresses",
            address.port,
            answered.len(),
            addresses.len().min(8)
        );
        let harmless = silent.iter().all(|(one, error)| one.ip().is_loopback() || is_no_route(error));
        if harmless {
            Seen::pass(evidence)
        } else {
            let names: Vec<String> =
                silent.iter().map(|(one, error)| format!("{}: {error}", one.ip())).collect();
            let failure = Failure::new(FailureCode::Unreachable, "Not every address of the host answers.")
                .why(format!("{}. Each new connection may wait for that one first.", names.join("; ")))
                .next("Ask the server's owner whether the name should still lead there.");
            Seen::with(Outcome::Warn, evidence, explain(HopKind::Tcp, &failure))
        }
    };
    walk.reached(HopKind::Tcp, took, seen);
    Some(stream)
}

fn is_no_route(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::NetworkUnreachable | Kind::HostUnreachable | Kind::AddrNotAvailable)
}

/// Whether this network has a way to the address at all; asks the routing table, sends nothing.
fn has_route(to: &SocketAddr) -> bool {
    let any: SocketAddr = if to.is_ipv6() { ([0_u16; 8], 0).into() } else { ([0, 0, 0, 0], 0).into() };
    UdpSocket::bind(any).and_then(|socket| socket.connect(to)).is_ok()
}

fn unreachable(address: &Address, silent: &[(SocketAddr, io::Error)]) -> Seen {
    let only_v6 =
        !silent.is_empty() && silent.iter().all(|(one, _)| one.is_ipv6() && !one.ip().is_loopback());
    if only_v6 && silent.iter().all(|(one, error)| is_no_route(error) || !has_route(one)) {
        return v6_only(address, silent);
    }
    let Some((_, error)) = silent.first() else {
        let failure =
            Failure::new(FailureCode::Unreachable, "No address could be tried.").next("Test again.");
        return Seen::failed(Outcome::Block, HopKind::Tcp, &failure);
    };
    let mut failure = from_io(error);
    // Whatever the system calls it, the port was not reached.
    failure.code = FailureCode::Unreachable;
    let tried: Vec<(String, String)> =
        silent.iter().map(|(one, error)| (format!("Asked {one}"), error.to_string())).collect();
    let evidence = match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("port {} refuses", address.port),
        io::ErrorKind::TimedOut => format!("port {} does not answer", address.port),
        _ => format!("port {}: {error}", address.port),
    };
    Seen::with(Outcome::Block, evidence, Explanation { tried, ..explain(HopKind::Tcp, &failure) })
}

fn v6_only(address: &Address, silent: &[(SocketAddr, io::Error)]) -> Seen {
    let reference = provider::supabase_reference(address);
    let next = match &reference {
        Some(reference) => format!(
            "Use Supabase's session pooler, which has IPv4: host …pooler.supabase.com from the project's Connect page, port 5432, user postgres.{reference}."
        ),
        None => "Use an address that has IPv4, or a network or VPN that has IPv6.".to_owned(),
    };
    let explanation = Explanation {
        hop: HopKind::Tcp,
        code: FailureCode::Unreachable,
        title: "The host has IPv6 addresses only, and this network has no IPv6.".to_owned(),
        detail: if reference.is_some() {
            "Supabase's direct host is reached over IPv6 only, unless the project has the IPv4 add-on."
                .to_owned()
        } else {
            "The name leads to no IPv4 address.".to_owned()
        },
        tried: silent.iter().map(|(one, error)| (format!("Asked {one}"), error.to_string())).collect(),
        unchanged: NOTHING_WRITTEN.to_owned(),
        next,
        suggestion: None,
    };
    Seen::with(Outcome::Block, "IPv6 addresses only, and no IPv6 here", explanation)
}

async fn encryption(
    walk: &mut Walk<'_>,
    address: &Address,
    stream: impl Stream + 'static,
    tunnelled: bool,
) -> bool {
    if address.tls == TlsMode::Off {
        return unencrypted(walk, address, stream, tunnelled).await;
    }
    let start = Instant::now();
    let limit = walk.limit(address);
    let Ok(shaken) = tokio::time::timeout(limit, tls::handshake(stream, address)).await else {
        walk.reached(HopKind::Tls, start.elapsed(), silence(limit));
        return false;
    };
    let took = start.elapsed();
    match shaken.result {
        Ok(()) => {
            walk.reached(HopKind::Tls, took, accepted(address, shaken.certificate.as_ref(), Utc::now()));
            true
        }
        Err(failure) => {
            let seen = refused(address, &failure, shaken.certificate.as_ref());
            walk.reached(HopKind::Tls, took, seen);
            false
        }
    }
}

/// The port is open, but nothing speaks.
fn silence(limit: Duration) -> Seen {
    let failure = Failure::new(FailureCode::Unreachable, "The port answers, but then nothing comes.")
        .why(format!("The first question was not answered within {:.0} s.", limit.as_secs_f64()))
        .unchanged("No password was sent.")
        .next("Check host and port; a proxy or another program may listen there.");
    Seen::failed(Outcome::Block, HopKind::Tls, &failure)
}

/// Without encryption it is still asked whether PostgreSQL answers, before any password is sent.
async fn unencrypted(walk: &mut Walk<'_>, address: &Address, stream: impl Stream, tunnelled: bool) -> bool {
    let start = Instant::now();
    let limit = walk.limit(address);
    let offered = match tokio::time::timeout(limit, tls::offers_encryption(stream)).await {
        Err(_) => {
            walk.reached(HopKind::Tls, start.elapsed(), silence(limit));
            return false;
        }
        Ok(Err(failure)) => {
            walk.reached(HopKind::Tls, start.elapsed(), Seen::failed(Outcome::Block, HopKind::Tls, &failure));
            return false;
        }
        Ok(Ok(offered)) => offered,
    };
    let seen = if address.is_local() {
        Seen::pass(if tunnelled {
            "off: the database is on the SSH host, and the tunnel is encrypted"
        } else {
            "off: the connection stays on this computer"
        })
    } else {
        let (evidence, why) = if tunnelled {
            (
                "off: unencrypted between the SSH host and the database",
                "Encryption is turned off in the address. The tunnel protects the way to the SSH host, not the way from there.",
            )
        } else if offered {
            (
                "off, though the server offers it",
                "Encryption is turned off in the address; the server offers it.",
            )
        } else {
            (
                "off: readable for anyone on the way",
                "Encryption is turned off in the address, and the server offers none.",
            )
        };
        let failure = Failure::new(FailureCode::Tls, "Password and data cross the network unencrypted.")
            .why(why)
            .next("Choose `checked in full`, unless the way to the server is protected by something else.");
        Seen::with(Outcome::Warn, evidence, explain(HopKind::Tls, &failure))
    };
    walk.reached(HopKind::Tls, start.elapsed(), seen);
    true
}

fn accepted(address: &Address, certificate: Option<&tls::Certificate>, now: DateTime<Utc>) -> Seen {
    let Some(certificate) = certificate else { return Seen::pass("encrypted") };
    let days = (certificate.not_after - now).num_days();
    let left = match days {
        d if certificate.not_after <= now => format!("expired {} days ago", -d),
        d => format!("{d} days left"),
    };
    let who = shown_name(certificate);
    if address.tls == TlsMode::Unchecked {
        let failure = Failure::new(FailureCode::Tls, "Encrypted, but nobody checked who answers.")
            .why(format!(
                "The certificate is for {who}, signed by {}; {left}. It is not checked, as the address says.",
                certificate.issuer
            ))
            .next("Choose the provider's root certificate and `checked in full`.");
        return Seen::with(
            Outcome::Warn,
            format!("not checked: for {who}, {left}"),
            explain(HopKind::Tls, &failure),
        );
    }
    let evidence = match address.tls {
        TlsMode::VerifyCa => format!("issuer checked, name not: for {who}, {left}"),
        _ => format!("for {}, {left}", address.host),
    };
    if days < SOON_DAYS {
        let failure =
            Failure::new(FailureCode::Tls, format!("The server's certificate ends in {days} days."))
                .why(format!(
                    "It is valid until {} and signed by {}.",
                    certificate.not_after.format("%-d %B %Y"),
                    certificate.issuer
                ))
                .next("Have it renewed in time; afterwards Drydock refuses the connection.");
        return Seen::with(Outcome::Warn, evidence, explain(HopKind::Tls, &failure));
    }
    Seen::pass(evidence)
}

fn shown_name(certificate: &tls::Certificate) -> String {
    match certificate.names.as_slice() {
        [] => certificate.subject.clone(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

fn refused(address: &Address, failure: &Failure, certificate: Option<&tls::Certificate>) -> Seen {
    let mut explanation = explain(HopKind::Tls, failure);
    let Some(certificate) = certificate.filter(|_| failure.code == FailureCode::Tls) else {
        return Seen::with(Outcome::Block, failure.what.clone(), explanation);
    };
    let now = Utc::now();
    let names =
        if certificate.names.is_empty() { certificate.subject.clone() } else { certificate.names.join(", ") };
    let self_signed = if certificate.self_signed { ", by itself" } else { "" };
    explanation.tried = vec![
        ("Certificate for".to_owned(), names),
        ("Signed by".to_owned(), format!("{}{self_signed}", certificate.issuer)),
        ("Valid until".to_owned(), certificate.not_after.format("%-d %B %Y, %H:%M UTC").to_string()),
    ];
    let unknown_issuer = failure.what.contains("root this computer does not trust");
    if unknown_issuer && certificate.self_signed {
        explanation.title = "The server's certificate is signed by itself.".to_owned();
        explanation.next =
            "Get the certificate from the server's owner and choose it as trusted root; then it is checked in full.".to_owned();
    } else if unknown_issuer && address.roots != TlsRoots::System {
        explanation.title = "The server's certificate is not signed by the chosen root.".to_owned();
        explanation.next = "Choose the root certificate that belongs to this server.".to_owned();
    }
    if unknown_issuer && provider::supabase_reference(address).is_some() {
        explanation.next =
            "Download Supabase's root certificate in the project's Database settings, SSL configuration, and choose it as trusted root."
                .to_owned();
    }
    if certificate.not_after <= now {
        explanation.title =
            format!("The server's certificate expired on {}.", certificate.not_after.format("%-d %B %Y"));
        explanation.next = "The server's owner must renew it. Check this computer's clock, too.".to_owned();
    }
    let evidence = explanation.title.clone();
    Seen::with(Outcome::Block, evidence, explanation)
}
