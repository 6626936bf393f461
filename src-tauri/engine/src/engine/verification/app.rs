//! Checks of the app: its address, the secrets its requests need, and which flows may write.

use super::{Engine, Suite, Target};
use crate::adapters::http::{HttpClient, app_address};
use crate::checks::http::Values;
use crate::domain::environment::Tier;
use crate::domain::http::{HttpFlow, HttpWork};
use crate::domain::migration::hex;
use crate::domain::profile::{Expectation, Expected, Profile};
use crate::domain::secret::Secret;
use crate::domain::verification::CheckResult;
use crate::domain::{Failure, FailureCode, Outcome};
use crate::runner::flow;
use chrono::Utc;
use sha2::{Digest, Sha256};
use std::time::Instant;
use url::{Host, Url};

/// What requests need, told for one reading.
#[derive(Debug, Default)]
pub struct AppAnswers {
    /// The app's address.
    pub app: Option<String>,
    /// Secrets by name.
    pub credentials: Vec<(String, Secret)>,
    /// Flows that write may run on production, too.
    pub writing: bool,
}

/// Which flows that write may run.
enum Writing {
    All,
    None,
    Named(Vec<String>),
}

/// Why requests cannot be sent.
#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error("The app's address is not set for this environment.")]
    NoAddress,
    #[error("The credential {0} could not be read: {1}")]
    Credential(String, Unset),
    #[error("The app's address is http://, and secrets are not sent without encryption.")]
    InClear,
    #[error("{0}")]
    NoClient(String),
}

/// Why a secret is not there.
#[derive(Debug, Clone, thiserror::Error)]
enum Unset {
    #[error("it was not given.")]
    NotGiven,
    #[error("nobody has set it for this environment.")]
    NotKept,
    #[error("{0}")]
    Unreadable(String),
}

/// What requests need.
pub(super) struct App {
    address: Option<Url>,
    /// Secrets by name, or why one is not there.
    credentials: Vec<(String, Result<Secret, Unset>)>,
    writing: Writing,
}

impl App {
    pub(super) fn answered(answers: AppAnswers, suites: &[Suite], tier: Tier) -> Result<Self, Failure> {
        let mut credentials: Vec<(String, Result<Secret, Unset>)> =
            answers.credentials.into_iter().map(|(name, secret)| (name, Ok(secret))).collect();
        for named in suites.iter().flat_map(|suite| &suite.checks.credentials) {
            if !credentials.iter().any(|(known, _)| *known == named.name) {
                credentials.push((named.name.clone(), Err(Unset::NotGiven)));
            }
        }
        Ok(Self {
            address: answers.app.as_deref().map(app_address).transpose()?,
            credentials,
            writing: if answers.writing || tier != Tier::Production { Writing::All } else { Writing::None },
        })
    }

    pub(super) fn without_writing(self) -> Self {
        Self { writing: Writing::None, ..self }
    }

    /// Names what an expectation asks, and of which app.
    pub(super) fn digest(&self, expectation: &Expectation) -> String {
        let app = match &expectation.what {
            Expected::Http(_) => self.address.as_ref().map(Url::as_str).unwrap_or_default(),
            _ => "",
        };
        hex(&Sha256::digest(format!("{app}\n{:?}", expectation.what)))
    }

    pub(super) fn may_write(&self, check: &str) -> bool {
        match &self.writing {
            Writing::All => true,
            Writing::None => false,
            Writing::Named(named) => named.iter().any(|name| name == check),
        }
    }

    /// Sends the requests of a flow and keeps what came of it.
    pub(super) async fn read(&self, flow: &HttpFlow, check: &mut CheckResult) {
        let started = Instant::now();
        match self.ready(flow) {
            Err(why) => check.why = Some(why.to_string()),
            Ok((client, values)) => {
                let result = flow::run(flow, &client, values).await;
                check.now = result.now;
                check.expected = result.expected;
                check.outcome = result.outcome;
                check.why = result.why;
                check.requests = result.requests;
            }
        }
        if check.outcome == Outcome::Unknown && check.expected.is_empty() {
            check.expected = "an answer".to_owned();
        }
        check.seconds = started.elapsed().as_secs_f64();
        check.at = Utc::now();
    }

    fn ready(&self, flow: &HttpFlow) -> Result<(HttpClient, Values), Unready> {
        let address = self.address.as_ref().ok_or(Unready::NoAddress)?;
        // What no credential is called is kept from an answer; the reader saw to that.
        let named = flow.names();
        let missing = self.credentials.iter().find(|(name, secret)| secret.is_err() && named.contains(name));
        if let Some((name, Err(why))) = missing {
            return Err(Unready::Credential(name.clone(), why.clone()));
        }
        if is_in_clear(address) && self.credentials.iter().any(|(name, _)| named.contains(name)) {
            return Err(Unready::InClear);
        }
        // All of them, so that none is shown, whoever it belongs to.
        let credentials =
            self.credentials.iter().filter_map(|(name, secret)| Some((name.clone(), secret.clone().ok()?)));
        let client = HttpClient::new(address.clone()).map_err(|failure| Unready::NoClient(failure.what))?;
        let steps = flow.steps.iter().chain(&flow.cleanup);
        Ok((client, Values::new(credentials.collect(), steps)))
    }
}

impl Engine {
    /// The app as the environment names it, without the secrets that requests would need.
    pub(super) async fn app_named(&self, target: &Target) -> Result<App, Failure> {
        let kept = self.kept_setup(&target.environment_id().unwrap_or_default()).await?;
        let address = kept.app.as_deref().map(app_address).transpose()?;
        Ok(App { address, credentials: Vec::new(), writing: Writing::None })
    }

    /// What the requests of some suites need, as the environment has it.
    pub(super) async fn app(
        &self,
        target: &Target,
        suites: &[Suite],
        writing: &[String],
    ) -> Result<App, Failure> {
        let environment = target.environment_id().unwrap_or_default();
        let kept = self.kept_setup(&environment).await?;
        let mut credentials: Vec<(String, Result<Secret, Unset>)> = Vec::new();
        for named in suites.iter().flat_map(|suite| &suite.checks.credentials) {
            if credentials.iter().any(|(known, _)| *known == named.name) {
                continue;
            }
            let secret = match kept.credentials.iter().find(|(name, _)| *name == named.name) {
                Some((_, credential)) => {
                    self.secrets().get(credential).await.map_err(|failure| Unset::Unreadable(failure.what))
                }
                None => Err(Unset::NotKept),
            };
            credentials.push((named.name.clone(), secret));
        }
        let address = kept.app.as_deref().map(app_address).transpose()?;
        let writing =
            if target.tier == Tier::Production { Writing::Named(writing.to_vec()) } else { Writing::All };
        Ok(App { address, credentials, writing })
    }

    /// The address and the secrets that requests of a profile need; refused where one is missing.
    pub(in crate::engine) async fn app_for(
        &self,
        target: &Target,
        profile: &Profile,
        work: &HttpWork,
    ) -> Result<(String, Vec<(String, Secret)>), Failure> {
        let kept = self.kept_setup(&target.environment_id().unwrap_or_default()).await?;
        let refused = |code, what: String| {
            Failure::new(code, what)
                .unchanged("Nothing was sent.")
                .next("Set it up on the environment: Verification, Set up.")
        };
        let Some(address) = kept.app else {
            let what = format!("The address of the app is not set for {}.", target.name);
            return Err(refused(FailureCode::AddressInvalid, what));
        };
        let mut credentials = Vec::new();
        let named = work.names();
        for needed in profile.checks.credentials.iter().filter(|needed| named.contains(&needed.name)) {
            let Some((_, credential)) = kept.credentials.iter().find(|(name, _)| *name == needed.name) else {
                let what = format!("\"{}\" is not set for {}.", needed.label, target.name);
                return Err(refused(FailureCode::SecretNeeded, what));
            };
            credentials.push((needed.name.clone(), self.secrets().get(credential).await?));
        }
        if !credentials.is_empty() && is_in_clear(&app_address(&address)?) {
            return Err(refused(FailureCode::AddressInvalid, Unready::InClear.to_string()));
        }
        Ok((address, credentials))
    }
}

/// Whether what is sent there can be read on the way: not encrypted, and not on this computer.
fn is_in_clear(address: &Url) -> bool {
    let is_here = match address.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    address.scheme() == "http" && !is_here
}
