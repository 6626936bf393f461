//! The doctor's own TLS handshake: asks the server for encryption, reads its certificate and judges it
//! by the address's rule. No user, no password, nothing of a database is sent.
//!
//! Drydock's sessions themselves are encrypted by sqlx, which trusts a chosen root *in addition* to the
//! system's; this handshake trusts the chosen root only, and is what the operator is told.

use super::{
    connect::read_roots,
    failure::{from_io, from_tls, no_tls, visible},
};
use crate::adapters::ssh::Stream;
use crate::domain::{
    Failure, FailureCode,
    address::{Address, TlsMode, TlsRoots},
};
use chrono::{DateTime, Utc};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

/// SSLRequest: length 8, code 80877103 (PostgreSQL's protocol, "SSL Session Encryption").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The certificate a server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Who it is made for, as it says itself.
    pub subject: String,
    /// DNS names and IP addresses it is valid for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// Valid from.
    pub not_before: DateTime<Utc>,
    /// Valid until.
    pub not_after: DateTime<Utc>,
    /// Signed by itself.
    pub self_signed: bool,
}

/// What came of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The certificate, if the server got as far as showing one.
    pub certificate: Option<Certificate>,
    /// `TLS 1.3`, if the handshake was finished.
    pub protocol: Option<String>,
    /// Accepted by the address's rule, or why not.
    pub result: Result<(), Failure>,
}

/// Asks for encryption on a fresh stream and shakes hands by the address's rule. Has no time limit of
/// its own.
pub async fn handshake(stream: impl Stream + 'static, address: &Address) -> Handshake {
    let seen = Arc::new(Mutex::new(None));
    let result = attempt(stream, address, Arc::clone(&seen)).await;
    let certificate = seen
        .lock()
        .ok()
        .and_then(|mut seen| seen.take())
        .and_then(|der: CertificateDer<'static>| read_certificate(&der));
    match result {
        Ok(protocol) => Handshake { certificate, protocol, result: Ok(()) },
        Err(failure) => Handshake { certificate, protocol: None, result: Err(failure) },
    }
}

/// Whether the other side speaks PostgreSQL's language at all, and offers encryption: for addresses
/// without encryption, before any user or password is sent. Has no time limit of its own.
pub async fn offers_encryption(mut stream: impl Stream) -> Result<bool, Failure> {
    stream.write_all(&SSL_REQUEST).await.map_err(|error| from_io(&error))?;
    match stream.read_u8().await {
        Ok(b'S') => Ok(true),
        // `E`: an error; a server that does not know the request, or refuses us before it.
        Ok(b'N' | b'E') => Ok(false),
        other => Err(no_answer(other)),
    }
}

fn no_answer(answer: std::io::Result<u8>) -> Failure {
    match answer {
        Ok(byte) => not_postgres(&format!("It answered the request for encryption with byte 0x{byte:02x}.")),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset
            ) =>
        {
            not_postgres("It closed the connection instead of answering the request for encryption.")
        }
        Err(error) => from_io(&error),
    }
}

async fn attempt(
    mut stream: impl Stream,
    address: &Address,
    seen: Arc<Mutex<Option<CertificateDer<'static>>>>,
) -> Result<Option<String>, Failure> {
    stream.write_all(&SSL_REQUEST).await.map_err(|error| from_io(&error))?;
    match stream.read_u8().await {
        Ok(b'S') => {}
        Ok(b'N') => return Err(no_tls()),
        other => return Err(no_answer(other)),
    }
    let name = ServerName::try_from(address.host.clone()).map_err(|_| {
        Failure::new(FailureCode::Tls, "The host's name cannot be used for a certificate check.")
            .unchanged("No password was sent.")
            .next("Use a name of letters, digits, hyphens and dots.")
    })?;
    let config = config(address, seen).await?;
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(stream.get_ref().1.protocol_version().map(|version| match version {
            rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
            rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
            other => format!("{other:?}"),
        })),
        Err(error) => Err(match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(tls) => from_tls(tls),
            None => Failure::new(FailureCode::Tls, "The server broke the TLS handshake off.")
                .why(visible(&error.to_string()))
                .unchanged("No password was sent; Drydock never goes on unencrypted.")
                .next("Check host and port; what listens there may not be the database."),
        }),
    }
}

fn not_postgres(why: &str) -> Failure {
    Failure::new(FailureCode::ServerUnsupported, "What answers does not speak PostgreSQL's language.")
        .why(why)
        .unchanged("No user and no password was sent.")
        .next("Check host and port; another program may listen there.")
}

async fn config(
    address: &Address,
    seen: Arc<Mutex<Option<CertificateDer<'static>>>>,
) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let inner = match address.tls {
        TlsMode::Off | TlsMode::Unchecked => None,
        TlsMode::VerifyCa | TlsMode::VerifyFull => {
            let store = Arc::new(roots(address).await?);
            let verifier = WebPkiServerVerifier::builder_with_provider(store, Arc::clone(&provider)).build();
            Some(verifier.map_err(|error| no_roots(visible(&error.to_string())))?)
        }
    };
    let verifier = Recorder {
        provider: Arc::clone(&provider),
        inner,
        name_counts: address.tls == TlsMode::VerifyFull,
        seen,
    };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| from_tls(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

fn no_roots(why: String) -> Failure {
    Failure::new(FailureCode::Tls, "There is no trusted root certificate to check the server's against.")
        .why(why)
        .unchanged("No password was sent.")
        .next("Choose the provider's root certificate (a PEM file) again.")
}

async fn roots(address: &Address) -> Result<RootCertStore, Failure> {
    let mut store = RootCertStore::empty();
    let pem = match &address.roots {
        TlsRoots::System => {
            let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
            let loaded = loaded.map_err(|_| no_roots("Reading the system's roots failed.".to_owned()))?;
            store.add_parsable_certificates(loaded.certs);
            return match (store.is_empty(), loaded.errors.first()) {
                (false, _) => Ok(store),
                (true, Some(error)) => Err(no_roots(visible(&error.to_string()))),
                (true, None) => Err(no_roots("This computer trusts no root certificate at all.".to_owned())),
            };
        }
        TlsRoots::File { path } => read_roots(path).await?,
        TlsRoots::Pasted { pem } => pem.clone().into_bytes(),
    };
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| no_roots(visible(&error.to_string())))?;
        store.add(certificate).map_err(|error| no_roots(visible(&error.to_string())))?;
    }
    if store.is_empty() { Err(no_roots("The text holds no certificate.".to_owned())) } else { Ok(store) }
}

/// Keeps the certificate for reading, then judges it by the address's rule.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    /// `None`: accept whatever comes; only where the operator chose so.
    inner: Option<Arc<WebPkiServerVerifier>>,
    name_counts: bool,
    seen: Arc<Mutex<Option<CertificateDer<'static>>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Ok(mut seen) = self.seen.lock() {
            *seen = Some(end_entity.clone().into_owned());
        }
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        match inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.name_counts => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn read_certificate(der: &CertificateDer<'_>) -> Option<Certificate> {
    use x509_parser::extensions::GeneralName;
    let (_, certificate) = x509_parser::parse_x509_certificate(der.as_ref()).ok()?;
    let common_name = |name: &x509_parser::x509::X509Name<'_>| {
        let common = name.iter_common_name().next().and_then(|cn| cn.as_str().ok()).map(str::to_owned);
        visible(&common.unwrap_or_else(|| name.to_string()))
    };
    let mut names = Vec::new();
    if let Ok(Some(extension)) = certificate.subject_alternative_name() {
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(name) => names.push(visible(name)),
                GeneralName::IPAddress(bytes) => names.extend(ip(bytes)),
                _ => {}
            }
        }
    }
    let time = |at: x509_parser::time::ASN1Time| DateTime::from_timestamp(at.timestamp(), 0);
    Some(Certificate {
        subject: common_name(certificate.subject()),
        names,
        issuer: common_name(certificate.issuer()),
        not_before: time(certificate.validity().not_before)?,
        not_after: time(certificate.validity().not_after)?,
        self_signed: certificate.subject().as_raw() == certificate.issuer().as_raw(),
    })
}

fn ip(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| std::net::Ipv6Addr::from(v6).to_string())
}
