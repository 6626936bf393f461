//! The agent: its keys, offered one by one, the chosen one alone.

use super::{
    handler::{Host, Keeper},
    login::{self, Attempt},
};
use crate::adapters::ssh::{Places, config::Stop, words};
use crate::domain::Failure;
use russh::{
    client::Handle,
    keys::{
        PublicKey,
        agent::{AgentIdentity, client::AgentClient, client::AgentStream},
    },
};
use std::path::{Path, PathBuf};

type Client = AgentClient<Box<dyn AgentStream + Send + Unpin + 'static>>;

/// Logs in with the agent's keys, then with the key files that the configuration names.
pub(super) async fn log_in(
    handle: &mut Handle<Keeper>,
    stop: &Stop,
    chosen: Option<&str>,
    places: &Places,
    host: &Host,
) -> Result<String, Failure> {
    let chosen = match chosen {
        Some(text) => Some(PublicKey::from_openssh(text).map_err(|error| {
            words::key_unusable(
                "The chosen key cannot be read.",
                error.to_string(),
                "Choose a key of the agent again.",
            )
        })?),
        None => None,
    };
    let agent = open(stop, places).await;
    let mut offered = Vec::new();
    let mut seen: Vec<PublicKey> = Vec::new();
    if let Ok(agent) = agent {
        let mut agent = agent;
        for identity in wanted(&mut agent, stop, chosen.as_ref()).await? {
            let name = identity.comment().to_owned();
            seen.push(identity.public_key().into_owned());
            let attempt = offer(handle, &mut agent, stop, identity).await?;
            if let Some(evidence) =
                login::judge(attempt, stop, host, &format!("the agent's key {name}"), &mut offered)?
            {
                return Ok(evidence);
            }
        }
    } else if chosen.is_some() || stop.resolved.identity_files.is_empty() {
        agent?;
    }
    if chosen.is_none() {
        for path in &stop.resolved.identity_files {
            let is_seen = |key: PublicKey| seen.iter().any(|one| one.key_data() == key.key_data());
            if !path.exists()
                || path.extension().is_some_and(|extension| extension == "pub")
                || public_half(path).is_some_and(is_seen)
            {
                continue;
            }
            let name = path.display().to_string();
            let key = match super::keys::read(path, None) {
                Ok(key) => key,
                // Its public half may have been in the agent; else the passphrase is what is missing.
                Err(failure) if offered.is_empty() => return Err(failure),
                Err(_) => continue,
            };
            let attempt = login::with_key(handle, stop, key).await?;
            if let Some(evidence) =
                login::judge(attempt, stop, host, &format!("key file {name}"), &mut offered)?
            {
                return Ok(evidence);
            }
        }
    }
    if offered.is_empty() {
        let why = if chosen.is_some() {
            "The agent does not hold the chosen key."
        } else {
            "The agent holds no key."
        };
        return Err(words::key_unusable(
            "There is no key to log in with.",
            why,
            "Add the key to the agent (ssh-add), or choose a key file.",
        ));
    }
    Err(login::refused(stop, "keys", &format!("Offered: {}.", offered.join(", "))))
}

/// The agent's keys that are offered: the chosen one; else those that the configuration names first, and
/// no others where it says so.
async fn wanted(
    agent: &mut Client,
    stop: &Stop,
    chosen: Option<&PublicKey>,
) -> Result<Vec<AgentIdentity>, Failure> {
    let mut all = agent.request_identities().await.map_err(|error| unusable(&error.to_string()))?;
    if let Some(chosen) = chosen {
        all.retain(|identity| identity.public_key().key_data() == chosen.key_data());
        return Ok(all);
    }
    let named: Vec<PublicKey> =
        stop.resolved.identity_files.iter().filter_map(|path| public_half(path)).collect();
    let is_named =
        |identity: &AgentIdentity| named.iter().any(|key| key.key_data() == identity.public_key().key_data());
    if stop.resolved.identities_only {
        all.retain(is_named);
    }
    all.sort_by_key(|identity| !is_named(identity));
    Ok(all)
}

/// The public half of a key file: beside it, or the file itself.
fn public_half(path: &Path) -> Option<PublicKey> {
    let mut beside = path.to_path_buf().into_os_string();
    beside.push(".pub");
    [PathBuf::from(beside), path.to_path_buf()]
        .iter()
        .find_map(|path| PublicKey::from_openssh(&std::fs::read_to_string(path).ok()?).ok())
}

async fn offer(
    handle: &mut Handle<Keeper>,
    agent: &mut Client,
    stop: &Stop,
    identity: AgentIdentity,
) -> Result<Attempt, Failure> {
    let hash = login::rsa_hash(handle, &identity.public_key().algorithm()).await;
    let result = match identity {
        AgentIdentity::PublicKey { key, .. } => {
            handle.authenticate_publickey_with(&stop.user, key, hash, agent).await
        }
        AgentIdentity::Certificate { certificate, .. } => {
            handle.authenticate_certificate_with(&stop.user, certificate, hash, agent).await
        }
    };
    match result {
        Ok(result) => Ok(Attempt::from(result)),
        // A key that the agent will not use (a token that is not plugged in) is passed over.
        Err(_) => Ok(Attempt::NotUsed),
    }
}

fn unusable(why: &str) -> Failure {
    words::key_unusable(
        "The agent cannot be used.",
        words::plain(why),
        "Start the agent and add the key (ssh-add), or choose a key file.",
    )
}

#[cfg(unix)]
async fn open(stop: &Stop, places: &Places) -> Result<Client, Failure> {
    let told = stop.resolved.identity_agent.as_deref().filter(|told| *told != "SSH_AUTH_SOCK");
    let path = match told {
        Some("none") => None,
        Some(path) => Some(places.expand(path)),
        None => places.agent.clone(),
    };
    let path =
        path.ok_or_else(|| unusable("No agent is running for this session (SSH_AUTH_SOCK is not set)."))?;
    let client = AgentClient::connect_uds(&path).await;
    Ok(client.map_err(|error| unusable(&format!("{}: {error}", path.display())))?.dynamic())
}

#[cfg(windows)]
async fn open(_stop: &Stop, places: &Places) -> Result<Client, Failure> {
    if let Some(pipe) = &places.agent
        && let Ok(client) = AgentClient::connect_named_pipe(pipe).await
    {
        return Ok(client.dynamic());
    }
    let client = AgentClient::connect_pageant().await;
    Ok(client
        .map_err(|error| unusable(&format!("Neither OpenSSH's agent nor Pageant answers: {error}")))?
        .dynamic())
}
