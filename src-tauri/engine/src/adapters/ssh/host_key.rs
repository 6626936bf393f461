//! Whether a host's key is accepted: pins first, then known hosts. Never by itself, never by asking.

use super::{known_hosts, known_hosts::Record, places::Places};
use crate::domain::{
    Failure, FailureCode,
    ssh::{HostKey, HostKeyPin, HostKeyReport, HostKeySource, HostKeyVerdict},
};
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey, PublicKeyOrCertificate, ssh_key};
use std::time::{SystemTime, UNIX_EPOCH};

/// All that is on record about one host's keys.
pub(super) struct HostKeys {
    host: String,
    port: u16,
    pins: Vec<HostKeyPin>,
    book: known_hosts::Book,
}

/// A key that was not accepted.
pub(super) struct Refused {
    pub(super) failure: Failure,
    pub(super) report: HostKeyReport,
}

impl HostKeys {
    /// Reads what is on record.
    pub(super) fn read(
        host: &str,
        port: u16,
        alias: Option<&str>,
        pins: &[HostKeyPin],
        places: &Places,
    ) -> Result<Self, Failure> {
        let files = places.known_hosts.iter().chain(&places.system_known_hosts);
        let book = known_hosts::read(files, host, port, alias)?;
        let pins = pins
            .iter()
            .filter(|pin| pin.host.eq_ignore_ascii_case(host) && pin.port == port)
            .cloned()
            .collect();
        Ok(Self { host: host.to_owned(), port, pins, book })
    }

    /// The pins of this host.
    #[cfg(unix)]
    pub(super) fn pins(&self) -> &[HostKeyPin] {
        &self.pins
    }

    /// The lines that revoke keys, as they stand.
    #[cfg(unix)]
    pub(super) fn revoking_lines(&self) -> &[String] {
        &self.book.revoking_lines
    }

    /// The algorithms of the keys on record: the host is asked for those first, so that it shows a key
    /// that can be compared.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let mut found: Vec<Algorithm> = Vec::new();
        let names = self.pins.iter().filter_map(|pin| Algorithm::new(&pin.algorithm).ok());
        let records = self.book.keys.iter().chain(&self.book.bare).map(|record| record.key.algorithm());
        let all: Vec<Algorithm> = if self.pins.is_empty() { records.collect() } else { names.collect() };
        for algorithm in all {
            if !found.contains(&algorithm) {
                found.push(algorithm);
            }
        }
        found
    }

    /// Whether certificates are wanted: an authority is trusted for the host, and no pin says otherwise.
    pub(super) fn wants_certificate(&self) -> bool {
        self.pins.is_empty() && !self.book.authorities.is_empty()
    }

    /// Judges what the host showed.
    pub(super) fn judge(&self, shown: &PublicKeyOrCertificate) -> Result<HostKey, Box<Refused>> {
        match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.judge_key(key),
            PublicKeyOrCertificate::Certificate(certificate) => self.judge_certificate(certificate),
        }
    }

    /// Judges a plain key.
    pub(super) fn judge_key(&self, key: &PublicKey) -> Result<HostKey, Box<Refused>> {
        if let Some(record) = self.book.revoked.iter().find(|record| same(&record.key, key)) {
            return Err(self.revoked(key, record));
        }
        if !self.pins.is_empty() {
            let shown = facts(key, HostKeySource::Shown);
            return match self.pins.iter().find(|pin| pin.key == shown.key) {
                Some(pin) => Ok(HostKey { source: pinned(pin), ..shown }),
                None => Err(self.changed(shown)),
            };
        }
        let mut vouching = self.book.keys.iter().chain(&self.book.bare);
        if let Some(record) = vouching.find(|record| same(&record.key, key)) {
            return Ok(facts(key, known(record)));
        }
        let shown = facts(key, HostKeySource::Shown);
        Err(if self.book.keys.is_empty() { self.unknown(shown) } else { self.changed(shown) })
    }

    fn judge_certificate(&self, certificate: &Certificate) -> Result<HostKey, Box<Refused>> {
        let key = PublicKey::from(certificate.public_key().clone());
        let signer = PublicKey::from(certificate.signature_key().clone());
        for revoked in &self.book.revoked {
            if same(&revoked.key, &key) || same(&revoked.key, &signer) {
                return Err(self.revoked(&key, revoked));
            }
        }
        let authority = self.book.authorities.iter().find(|record| same(&record.key, &signer));
        let Some(authority) = authority.filter(|_| self.pins.is_empty()) else {
            return Err(self.certificate_refused(
                &key,
                format!("It is signed by {}, which is not trusted for this host.", fingerprint(&signer)),
            ));
        };
        if let Err(why) = holds(certificate, &authority.key, &self.host) {
            return Err(self.certificate_refused(&key, why.to_string()));
        }
        let source = HostKeySource::Authority {
            path: authority.path.display().to_string(),
            line: authority.line,
            key_id: certificate.key_id().to_owned(),
        };
        Ok(facts(&key, source))
    }

    /// The keys on record: the pins where there are any, else the known hosts.
    pub(super) fn recorded(&self) -> Vec<HostKey> {
        if self.pins.is_empty() {
            return self.book.keys.iter().map(|record| facts(&record.key, known(record))).collect();
        }
        let key = |pin: &HostKeyPin| HostKey {
            algorithm: pin.algorithm.clone(),
            fingerprint: pin.fingerprint.clone(),
            key: pin.key.clone(),
            source: pinned(pin),
        };
        self.pins.iter().map(key).collect()
    }

    fn report(&self, verdict: HostKeyVerdict, shown: HostKey, failure: Failure) -> Box<Refused> {
        let report = HostKeyReport {
            host: self.host.clone(),
            port: self.port,
            verdict,
            shown,
            recorded: self.recorded(),
        };
        Box::new(Refused { failure, report })
    }

    fn unknown(&self, shown: HostKey) -> Box<Refused> {
        let failure = Failure::new(
            FailureCode::SshHostKeyUnknown,
            format!("{} shows a key nobody has compared yet.", self.host),
        )
        .why(format!("{} {}", shown.algorithm, shown.fingerprint))
        .unchanged("Nothing of yours was sent: no user name, no key, no password.")
        .next("Compare it with what the host itself prints for its key, then trust it.");
        self.report(HostKeyVerdict::Unknown, shown, failure)
    }

    fn changed(&self, shown: HostKey) -> Box<Refused> {
        let recorded: Vec<String> = self
            .recorded()
            .iter()
            .map(|key| format!("{} {} ({})", key.algorithm, key.fingerprint, place(&key.source)))
            .collect();
        let failure = Failure::new(
            FailureCode::SshHostKeyChanged,
            format!("The key of {} has changed. Drydock stops here.", self.host),
        )
        .why(format!(
            "Recorded: {}. Shown now: {} {}. Either the host was rebuilt, or this is not your server.",
            recorded.join("; "),
            shown.algorithm,
            shown.fingerprint
        ))
        .unchanged("Nothing of yours was sent, nothing was written.")
        .next("Ask who runs the host. If it was rebuilt, forget the recorded key; the new one is then compared like any unknown key.");
        self.report(HostKeyVerdict::Changed, shown, failure)
    }

    fn revoked(&self, key: &PublicKey, record: &Record) -> Box<Refused> {
        let shown = facts(key, HostKeySource::Shown);
        let failure =
            Failure::new(FailureCode::SshHostKeyRefused, format!("The key of {} is revoked.", self.host))
                .why(format!(
                    "{} {} is marked @revoked in {} line {}.",
                    shown.algorithm,
                    shown.fingerprint,
                    record.path.display(),
                    record.line
                ))
                .unchanged("Nothing of yours was sent, nothing was written.")
                .next("Ask who runs the host why its key was revoked; it needs a new one.");
        self.report(HostKeyVerdict::Refused, shown, failure)
    }

    fn certificate_refused(&self, key: &PublicKey, why: String) -> Box<Refused> {
        let shown = facts(key, HostKeySource::Shown);
        let failure = Failure::new(
            FailureCode::SshHostKeyRefused,
            format!("The certificate of {} does not hold.", self.host),
        )
        .why(why)
        .unchanged("Nothing of yours was sent, nothing was written.")
        .next("Ask who runs the host, or its certificate authority.");
        self.report(HostKeyVerdict::Refused, shown, failure)
    }
}

/// Why a host certificate of a trusted authority is not good for a host.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("It is a user's certificate, not a host's.")]
    NotAHosts,
    #[error("It is for {listed}, not for {host}.")]
    OtherHost { listed: String, host: String },
    #[error("It carries a critical option that is not known here.")]
    UnknownOption,
    #[error("This computer's clock is before 1970.")]
    Clock(#[from] std::time::SystemTimeError),
    #[error("It is not valid at this time; it has expired or begins later.")]
    OutOfTime,
    #[error("Its signature does not hold: {0}.")]
    Signature(#[from] ssh_key::Error),
}

/// Whether a host certificate of a trusted authority is good for this host now.
fn holds(certificate: &Certificate, authority: &PublicKey, host: &str) -> Result<(), Unfit> {
    if certificate.cert_type() != ssh_key::certificate::CertType::Host {
        return Err(Unfit::NotAHosts);
    }
    let listed = certificate.valid_principals();
    if !listed.iter().any(|name| super::pattern::fits(name, host)) {
        return Err(Unfit::OtherHost { listed: listed.join(", "), host: host.to_owned() });
    }
    if !certificate.critical_options().is_empty() {
        return Err(Unfit::UnknownOption);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    if now < certificate.valid_after() || now >= certificate.valid_before() {
        return Err(Unfit::OutOfTime);
    }
    Ok(certificate.validate_at(now, [&authority.fingerprint(HashAlg::Sha256)])?)
}

fn same(one: &PublicKey, other: &PublicKey) -> bool {
    one.key_data() == other.key_data()
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// A key's facts.
pub(super) fn facts(key: &PublicKey, source: HostKeySource) -> HostKey {
    let text = key.to_openssh().unwrap_or_default();
    let mut fields = text.split_ascii_whitespace();
    HostKey {
        algorithm: fields.next().unwrap_or_default().to_owned(),
        key: fields.next().unwrap_or_default().to_owned(),
        fingerprint: fingerprint(key),
        source,
    }
}

fn known(record: &Record) -> HostKeySource {
    HostKeySource::KnownHosts { path: record.path.display().to_string(), line: record.line }
}

fn pinned(pin: &HostKeyPin) -> HostKeySource {
    HostKeySource::Pinned { compared_at: pin.compared_at, compared_by: pin.compared_by.clone() }
}

/// Where a key is known from, in words.
pub(super) fn place(source: &HostKeySource) -> String {
    match source {
        HostKeySource::Shown => "just shown".to_owned(),
        HostKeySource::Pinned { compared_at, compared_by } => {
            format!("compared on {} by {compared_by}", compared_at.format("%-d %b %Y"))
        }
        HostKeySource::KnownHosts { path, line } => format!("{path} line {line}"),
        HostKeySource::Authority { path, line, key_id } => {
            format!("certificate {key_id}, authority in {path} line {line}")
        }
    }
}
