//! The secrets of one login, by handle, and the way to ask a person.

use crate::domain::secret::{Credential, Secret};
use std::{future::Future, pin::Pin, sync::Arc};

/// A question that the host asks and no stored secret answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The host that asks.
    pub host: String,
    /// Its words, control characters removed.
    pub text: String,
    /// Whether the answer may be shown while it is typed.
    pub shown: bool,
}

/// Puts a question to a person; `None`: no answer will come.
pub type Ask = Arc<dyn Fn(Question) -> Pin<Box<dyn Future<Output = Option<Secret>> + Send>> + Send + Sync>;

/// What a login may need. Holds clear text, and lives as long as the way to the target that it is for: a
/// line that was lost is logged in to again.
#[derive(Clone, Default)]
pub struct Secrets {
    known: Vec<(String, Secret)>,
    ask: Option<Ask>,
}

impl Secrets {
    /// None at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// With the secret behind a handle.
    pub fn with(mut self, credential: &Credential, secret: Secret) -> Self {
        self.known.push((credential.id.clone(), secret));
        self
    }

    /// With a way to put a host's further questions to a person.
    pub fn asking(mut self, ask: Ask) -> Self {
        self.ask = Some(ask);
        self
    }

    pub(super) fn get(&self, credential: &Credential) -> Option<&Secret> {
        self.known.iter().find(|(id, _)| *id == credential.id).map(|(_, secret)| secret)
    }

    pub(super) fn can_ask(&self) -> bool {
        self.ask.is_some()
    }

    pub(super) async fn ask(&self, question: Question) -> Option<Secret> {
        match &self.ask {
            Some(ask) => ask(question).await,
            None => None,
        }
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} redacted)", self.known.len())
    }
}
