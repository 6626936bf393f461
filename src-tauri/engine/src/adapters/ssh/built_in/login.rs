//! One login by the chosen method, once.

use super::{
    agent,
    handler::{Host, Keeper},
    keys,
};
use crate::adapters::ssh::{
    PERSON, STEP,
    config::Stop,
    places::Places,
    secrets::{Question, Secrets},
    words,
};
use crate::domain::{
    Failure, FailureCode,
    secret::{Credential, Secret},
    ssh::SshLogin,
};
use russh::{
    MethodKind,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Reply},
    keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg},
};
use std::{path::Path, sync::Arc};

/// How an offer ended.
pub(super) enum Attempt {
    Accepted,
    /// Not accepted; the methods that the host still takes, and whether this one was right but not enough.
    Refused {
        remaining: Vec<&'static str>,
        partly: bool,
    },
    /// It could not be offered at all.
    NotUsed,
}

impl From<AuthResult> for Attempt {
    fn from(result: AuthResult) -> Self {
        match result {
            AuthResult::Success => Self::Accepted,
            AuthResult::Failure { remaining_methods, partial_success } => {
                Self::Refused { remaining: names(&remaining_methods), partly: partial_success }
            }
        }
    }
}

fn names(methods: &[MethodKind]) -> Vec<&'static str> {
    methods.iter().map(<&'static str>::from).collect()
}

/// Logs in; the answer says how, in words.
pub(super) async fn log_in(
    handle: &mut Handle<Keeper>,
    stop: &Stop,
    secrets: &Secrets,
    places: &Places,
    host: &Host,
) -> Result<String, Failure> {
    let limit = match &stop.login {
        SshLogin::KeyboardInteractive { .. } if secrets.can_ask() => PERSON,
        // Two steps: hosts make a refused password wait.
        _ => STEP * 2,
    };
    let attempt = async {
        match &stop.login {
            SshLogin::Agent { public_key } => {
                agent::log_in(handle, stop, public_key.as_deref(), places, host).await
            }
            SshLogin::KeyFile { path, passphrase } => {
                let passphrase = passphrase.as_ref().map(|handle| secret(secrets, handle)).transpose()?;
                let key = keys::read(Path::new(path), passphrase)?;
                let attempt = with_key(handle, stop, key).await?;
                finish(attempt, stop, host, "key file")
            }
            SshLogin::Password { password } => {
                let password = secret(secrets, password)?;
                let result = handle.authenticate_password(&stop.user, password.reveal()).await;
                finish(result.map_err(|error| broken(&error, stop, host))?.into(), stop, host, "password")
            }
            SshLogin::KeyboardInteractive { answer } => {
                let answer = answer.as_ref().map(|handle| secret(secrets, handle)).transpose()?;
                let attempt = interactive(handle, stop, answer, secrets, host).await?;
                finish(attempt, stop, host, "answers to its questions")
            }
        }
    };
    match tokio::time::timeout(limit, attempt).await {
        Ok(result) => result,
        Err(_) => {
            let why = format!("It did not answer within {} s.", limit.as_secs());
            Err(words::login_refused(&stop.name, &stop.user, stop.login.label(), &why))
        }
    }
}

fn secret<'a>(secrets: &'a Secrets, handle: &Credential) -> Result<&'a Secret, Failure> {
    secrets.get(handle).ok_or_else(|| {
        Failure::new(FailureCode::SecretNeeded, "The secret for the SSH login has to be entered again.")
            .unchanged("The host was not asked to let us in.")
            .next("Enter it again.")
    })
}

/// Offers a private key.
pub(super) async fn with_key(
    handle: &mut Handle<Keeper>,
    stop: &Stop,
    key: PrivateKey,
) -> Result<Attempt, Failure> {
    let hash = rsa_hash(handle, &key.algorithm()).await;
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
    match handle.authenticate_publickey(&stop.user, key).await {
        Ok(result) => Ok(result.into()),
        Err(error) => {
            Err(words::login_refused(&stop.name, &stop.user, "key", &words::plain(&error.to_string())))
        }
    }
}

/// The hash for an RSA key's signature; none for other keys.
pub(super) async fn rsa_hash(handle: &Handle<Keeper>, algorithm: &Algorithm) -> Option<HashAlg> {
    if !matches!(algorithm, Algorithm::Rsa { .. }) {
        return None;
    }
    // A host that does not say is new enough for SHA-2 or too old for us.
    handle.best_supported_rsa_hash().await.ok().flatten().unwrap_or(Some(HashAlg::Sha512))
}

/// Answers the host's questions: the first hidden one from the keyring, the others by a person.
async fn interactive(
    handle: &mut Handle<Keeper>,
    stop: &Stop,
    answer: Option<&Secret>,
    secrets: &Secrets,
    host: &Host,
) -> Result<Attempt, Failure> {
    let mut answer = answer;
    let mut reply = handle
        .authenticate_keyboard_interactive_start(&stop.user, None)
        .await
        .map_err(|error| broken(&error, stop, host))?;
    loop {
        let prompts = match reply {
            Reply::Success => return Ok(Attempt::Accepted),
            Reply::Failure { remaining_methods, partial_success } => {
                return Ok(Attempt::Refused {
                    remaining: names(&remaining_methods),
                    partly: partial_success,
                });
            }
            Reply::InfoRequest { prompts, .. } => prompts,
        };
        let mut answers = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            let stored = if prompt.echo { None } else { answer.take() };
            let text = match stored {
                Some(secret) => secret.reveal().to_owned(),
                None => by_a_person(stop, secrets, &prompt.prompt, prompt.echo).await?,
            };
            answers.push(text);
        }
        reply = handle
            .authenticate_keyboard_interactive_respond(answers)
            .await
            .map_err(|error| broken(&error, stop, host))?;
    }
}

async fn by_a_person(stop: &Stop, secrets: &Secrets, text: &str, shown: bool) -> Result<String, Failure> {
    let text = words::plain(text);
    let question = Question { host: stop.name.clone(), text: text.clone(), shown };
    match secrets.ask(question).await {
        Some(answer) => Ok(answer.reveal().to_owned()),
        None => Err(Failure::new(FailureCode::SshLoginRefused, format!("{} asks: {text}", stop.name))
            .why("Nothing stored answers this question, and nobody was there to answer it.")
            .unchanged("The host did not let us in.")
            .next("Log in again and answer it.")),
    }
}

/// An attempt that decides.
fn finish(attempt: Attempt, stop: &Stop, host: &Host, method: &str) -> Result<String, Failure> {
    match judge(attempt, stop, host, method, &mut Vec::new())? {
        Some(evidence) => Ok(evidence),
        None => Err(refused(stop, method, "")),
    }
}

/// Evidence of success, `None` if another key may be offered, a failure if none may.
pub(super) fn judge(
    attempt: Attempt,
    stop: &Stop,
    host: &Host,
    method: &str,
    offered: &mut Vec<String>,
) -> Result<Option<String>, Failure> {
    match attempt {
        Attempt::Accepted => Ok(Some(format!("as {}, by {method}", stop.user))),
        Attempt::NotUsed => Ok(None),
        Attempt::Refused { partly: true, remaining } => {
            let why =
                format!("The {method} was right, but it wants one more step: {}.", remaining.join(", "));
            Err(refused(stop, method, &why))
        }
        Attempt::Refused { remaining, .. } => {
            if let Some(farewell) = host.farewell() {
                return Err(ended(stop, method, &farewell));
            }
            offered.push(method.to_owned());
            let of_keys = matches!(stop.login, SshLogin::Agent { .. });
            if of_keys && remaining.contains(&"publickey") {
                return Ok(None);
            }
            Err(refused(stop, method, &format!("It takes: {}.", remaining.join(", "))))
        }
    }
}

/// A login that the host refused in so many words.
pub(super) fn refused(stop: &Stop, method: &str, why: &str) -> Failure {
    words::login_refused(&stop.name, &stop.user, method, why)
}

/// A login in whose middle the host hung up.
fn ended(stop: &Stop, method: &str, farewell: &str) -> Failure {
    if farewell.to_lowercase().contains("too many authentication failures") {
        words::too_many_keys(&stop.name, farewell)
    } else {
        words::login_refused(&stop.name, &stop.user, method, farewell)
    }
}

fn broken(error: &russh::Error, stop: &Stop, host: &Host) -> Failure {
    let why = host.farewell().unwrap_or_else(|| words::plain(&error.to_string()));
    ended(stop, stop.login.label(), &why)
}
