//! Requests to an app over HTTP. Straight from this computer: no proxy, and never another host than the one named.

use crate::domain::http::{HttpAnswer, HttpMethod};
use crate::domain::{Failure, FailureCode};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;

/// Largest answer that is read, bytes.
const LARGEST: usize = 10 * 1024 * 1024;
/// Redirects that are followed, at most.
const MOST_REDIRECTS: usize = 5;

/// What is sent.
pub struct Request {
    /// Method.
    pub method: HttpMethod,
    /// Path and query.
    pub path: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body, with its type unless a header says it.
    pub body: Option<(&'static str, Vec<u8>)>,
    /// Redirects on the same host are followed.
    pub follow: bool,
    /// How long an answer is waited for.
    pub give_up: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// It took too long.
    #[error("No answer came within {0} s.")]
    TimedOut(u64),
    /// Nothing was reached there.
    #[error("The app could not be reached: {0}")]
    Unreached(String),
    /// The certificate is not accepted.
    #[error("The app's certificate is not accepted: {0}")]
    Certificate(String),
    /// It answered more than is read.
    #[error("The answer is larger than 10 MB, which is more than is read.")]
    TooLarge,
    /// The answer broke off or is no HTTP.
    #[error("The answer could not be read: {0}")]
    Broken(String),
    /// It cannot be sent like this.
    #[error("The request cannot be sent: {0}")]
    Unsendable(String),
}

/// Sends the requests of one flow: they share their cookies.
pub struct HttpClient {
    plain: reqwest::Client,
    following: reqwest::Client,
    app: Url,
}

/// The app's address, checked: http or https, a host, no user and no query.
///
/// # Errors
/// [`FailureCode::AddressInvalid`].
pub fn app_address(text: &str) -> Result<Url, Failure> {
    let wrong = |why: &str| {
        Failure::new(FailureCode::AddressInvalid, "This is no address of an app.")
            .why(why)
            .unchanged("The address is as it was.")
            .next("Write it like https://shop.example.com, with the path the app begins at, if it has one.")
    };
    let url = Url::parse(text.trim()).map_err(|error| wrong(&format!("It cannot be read: {error}.")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("It begins with neither http:// nor https://."));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("It names no host."));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("It holds a user or a password; requests take secrets from credentials."));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("It has a query or a fragment."));
    }
    Ok(url)
}

impl HttpClient {
    /// A client with no cookies yet. `app`: as [`app_address`] gave it.
    ///
    /// # Errors
    /// [`FailureCode::Tls`] where this computer's certificates cannot be read.
    pub fn new(app: Url) -> Result<Self, Failure> {
        let jar = Arc::new(reqwest::cookie::Jar::default());
        let tls = tls()?;
        let build = |policy: Policy| {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .cookie_provider(Arc::clone(&jar))
                .no_proxy()
                .referer(false)
                .redirect(policy)
                .user_agent(concat!("Drydock/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|error| {
                    Failure::new(FailureCode::Tls, "Requests cannot be sent from this computer.")
                        .why(innermost(&error))
                        .next("Check the certificates of this computer.")
                })
        };
        let same_host = Policy::custom(|attempt| {
            let origin = attempt.previous().first().map(Url::origin);
            if attempt.previous().len() > MOST_REDIRECTS || Some(attempt.url().origin()) != origin {
                attempt.stop()
            } else {
                attempt.follow()
            }
        });
        Ok(Self { plain: build(Policy::none())?, following: build(same_host)?, app })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn send(&self, request: Request) -> Result<HttpAnswer, Unanswered> {
        let url = self.url(&request.path)?;
        let client = if request.follow { &self.following } else { &self.plain };
        let method = reqwest::Method::from_bytes(request.method.word().as_bytes())
            .map_err(|error| Unanswered::Unsendable(error.to_string()))?;
        let mut headers = HeaderMap::new();
        if let Some((kind, _)) = &request.body {
            headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        for (name, value) in &request.headers {
            let unfit =
                |_| Unanswered::Unsendable(format!("the header {name} holds a sign that headers may not."));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit(()))?;
            headers.insert(name, HeaderValue::from_str(value).map_err(|_| unfit(()))?);
        }
        let mut sent = client.request(method, url).headers(headers);
        if let Some((_, body)) = request.body {
            sent = sent.body(body);
        }
        let started = Instant::now();
        match tokio::time::timeout(request.give_up, answer(sent, started)).await {
            Ok(answer) => answer,
            Err(_) => Err(Unanswered::TimedOut(request.give_up.as_secs())),
        }
    }

    fn url(&self, path: &str) -> Result<Url, Unanswered> {
        let base = self.app.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}{path}"))
            .map_err(|error| Unanswered::Unsendable(error.to_string()))?;
        if url.origin() != self.app.origin() {
            return Err(Unanswered::Unsendable("it leads to another host than the app's.".to_owned()));
        }
        Ok(url)
    }
}

async fn answer(request: reqwest::RequestBuilder, started: Instant) -> Result<HttpAnswer, Unanswered> {
    let mut response = request.send().await.map_err(|error| unanswered(&error))?;
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| Unanswered::Broken(innermost(&error)))? {
        if body.len() + piece.len() > LARGEST {
            return Err(Unanswered::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    let milliseconds = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
    Ok(HttpAnswer { status, headers, body: String::from_utf8_lossy(&body).into_owned(), milliseconds })
}

fn unanswered(error: &reqwest::Error) -> Unanswered {
    let why = innermost(error);
    if why.contains("certificate") {
        Unanswered::Certificate(why)
    } else if error.is_connect() {
        Unanswered::Unreached(why)
    } else if error.is_builder() {
        Unanswered::Unsendable(why)
    } else {
        Unanswered::Broken(why)
    }
}

/// The cause at the bottom, which says most; without the address, whose query may hold what was filled in.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text =
        if std::ptr::addr_eq(cause, error) { "the request failed".to_owned() } else { cause.to_string() };
    if text.ends_with('.') { text } else { text + "." }
}

/// This computer's own roots, never fewer checks.
fn tls() -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
        .map_err(|error| {
            Failure::new(FailureCode::Tls, "Encryption cannot be set up on this computer.")
                .why(error.to_string())
        })
}
