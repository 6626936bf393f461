//! Lines to SSH hosts: which one an environment goes through, with what secrets, and the walk over it.

use super::Engine;
use crate::adapters::postgres::connect::{Through, Way};
use crate::adapters::postgres::doctor::{self, LineWalked};
use crate::adapters::ssh::{self, Secrets};
use crate::domain::doctor::{DoctorReport, Hop};
use crate::domain::environment::PasswordChoice;
use crate::domain::identity::IdentityPin;
use crate::domain::secret::{Credential, Keeping, Secret};
use crate::domain::ssh::{
    Choice, HostKeyPin, HostKeyReport, SshAccess, SshImplementation, SshJump, SshLogin, choose,
};
use crate::domain::transport::{LineStatus, SshDraft, SshFound, SshLoginDraft, Transport, TransportDraft};
use crate::domain::{Failure, FailureCode};
use crate::runner::session::{Connector, Route, ssh_target};
use chrono::Utc;
use std::sync::PoisonError;
use std::time::Instant;

/// Takes a report of every hop as it is known.
pub(super) type OnHop<'a> = &'a mut (dyn FnMut(&Hop) + Send + Sync);

impl Engine {
    /// The line of an environment with the secrets of its login; `None`: it is reached directly.
    pub(super) async fn route(&self, transport: &Transport) -> Result<Option<Route>, Failure> {
        let Some(access) = transport.ssh() else { return Ok(None) };
        let mut secrets = self.asking();
        for credential in access.credentials() {
            let secret = self.secrets().get(credential).await.map_err(|failure| for_ssh(failure, access))?;
            secrets = secrets.with(credential, secret);
        }
        Ok(Some(Route { lines: self.lines(), access: access.clone(), secrets }))
    }

    /// Hands in the secret of an SSH login that asks for it at each start.
    pub(super) async fn provide_ssh_secret(&self, transport: &Transport, text: Secret) {
        for credential in transport.credentials() {
            if self.secrets().get(credential).await.is_err() {
                self.secrets().provide(credential, text);
                return;
            }
        }
        if let Some(credential) = transport.credentials().last() {
            self.secrets().provide(credential, text);
        }
    }

    /// No secret yet, and a way to ask a person where there is one.
    fn asking(&self) -> Secrets {
        match self.ask() {
            Some(ask) => Secrets::none().asking(ask),
            None => Secrets::none(),
        }
    }

    /// The line of a draft; pending secrets are used from memory.
    pub(super) async fn draft_route(
        &self,
        draft: &TransportDraft,
        old: Option<&Transport>,
    ) -> Result<Option<Route>, Failure> {
        let TransportDraft::Ssh { access: draft } = draft else { return Ok(None) };
        let mut secrets = self.asking();
        let mut logins = Vec::new();
        for (place, login) in logins_of(draft) {
            let credential = match login.choice() {
                PasswordChoice::None => None,
                PasswordChoice::Keep => match kept(old, place) {
                    Some((credential, access)) => {
                        let secret = self.secrets().get(&credential).await;
                        secrets =
                            secrets.with(&credential, secret.map_err(|failure| for_ssh(failure, access))?);
                        Some(credential)
                    }
                    None => None,
                },
                PasswordChoice::Pending { handle, .. } => {
                    let credential = Credential { id: handle.clone(), kept: Keeping::AskEachTime };
                    secrets = secrets.with(&credential, self.secrets().pending_get(handle)?);
                    Some(credential)
                }
            };
            logins.push(login.with(credential).ok_or_else(password_missing)?);
        }
        let access = self.access_from(draft, logins).await?;
        Ok(Some(Route { lines: self.lines(), access, secrets }))
    }

    /// A draft's transport with its secrets kept where the operator chose.
    pub(super) async fn transport_from(
        &self,
        draft: TransportDraft,
        old: Option<&Transport>,
    ) -> Result<Transport, Failure> {
        let TransportDraft::Ssh { access: draft } = draft else { return Ok(Transport::Direct) };
        let mut logins = Vec::new();
        for (place, login) in logins_of(&draft) {
            let credential = match login.choice() {
                PasswordChoice::None => None,
                PasswordChoice::Keep => kept(old, place).map(|(credential, _)| credential),
                PasswordChoice::Pending { handle, keeping } => {
                    Some(self.secrets().keep(handle, *keeping).await?)
                }
            };
            logins.push(login.with(credential).ok_or_else(password_missing)?);
        }
        Ok(Transport::Ssh { access: self.access_from(&draft, logins).await? })
    }

    /// Logins come in the order of [`logins_of`]: the jumps', then the host's own.
    async fn access_from(&self, draft: &SshDraft, mut logins: Vec<SshLogin>) -> Result<SshAccess, Failure> {
        let host = draft.host.trim().to_owned();
        if host.is_empty() {
            return Err(Failure::new(FailureCode::EnvironmentInvalid, "The SSH host is empty.")
                .unchanged("Nothing was saved.")
                .next("Fill in the host, or an alias of your ssh configuration."));
        }
        for login in &mut logins {
            if let SshLogin::KeyFile { path, .. } = login {
                *path = self.lines().places().expand(path.trim()).display().to_string();
            }
        }
        let login = logins.pop().ok_or_else(password_missing)?;
        let implementation = match draft.implementation {
            Some(implementation) => implementation,
            None => choose(&login, ssh::means(&host, self.lines().places()).await).implementation,
        };
        let jumps = draft.jumps.iter().zip(logins).map(|(jump, login)| SshJump {
            host: jump.host.trim().to_owned(),
            port: jump.port,
            user: trimmed(jump.user.as_deref()),
            login,
        });
        Ok(SshAccess {
            host,
            port: draft.port,
            user: trimmed(draft.user.as_deref()),
            implementation,
            login,
            jumps: jumps.collect(),
            pins: draft.pins.clone(),
        })
    }

    /// What this computer has for an SSH login.
    pub fn ssh_found(&self) -> SshFound {
        ssh::found(self.lines().places())
    }

    /// Which implementation fits a draft, and why.
    pub async fn ssh_choice(&self, draft: &SshDraft) -> Choice {
        let credential = || Credential { id: String::new(), kept: Keeping::AskEachTime };
        let login = match &draft.login {
            SshLoginDraft::Agent => SshLogin::Agent { public_key: None },
            SshLoginDraft::KeyFile { path, passphrase } => SshLogin::KeyFile {
                path: path.clone(),
                passphrase: (*passphrase != PasswordChoice::None).then(credential),
            },
            SshLoginDraft::Password { .. } => SshLogin::Password { password: credential() },
            SshLoginDraft::KeyboardInteractive { .. } => SshLogin::KeyboardInteractive { answer: None },
        };
        let (lines, host) = (self.lines(), draft.host.trim());
        let mut choice = choose(&login, ssh::means(host, lines.places()).await);
        if draft.implementation.unwrap_or(choice.implementation) == SshImplementation::Russh
            && !host.is_empty()
        {
            choice.notes = match ssh::configuration_notes(host, lines.places()) {
                Ok(notes) => notes,
                Err(refused) => vec![format!("{} {}", refused.what, refused.why.unwrap_or_default())],
            };
        }
        choice
    }

    /// Remembers which keys hosts really showed, so that nothing else can be pinned.
    pub(super) fn remember_shown(&self, report: &DoctorReport) {
        if let Some(shown) = &report.host_key {
            let mut kept = self.inner.shown_keys.lock().unwrap_or_else(PoisonError::into_inner);
            if !kept.contains(shown) {
                kept.push(shown.clone());
            }
        }
    }

    /// The pin for a host's key that was just compared; the form adds it to its draft.
    ///
    /// # Errors
    /// [`FailureCode::SshHostKeyChanged`]: only an unknown key can be confirmed.
    /// [`FailureCode::SshHostKeyUnknown`]: no host showed this key since the console started.
    pub fn host_key_pin(&self, report: &HostKeyReport) -> Result<HostKeyPin, Failure> {
        let kept = self.inner.shown_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.contains(report) {
            return Err(Failure::new(FailureCode::SshHostKeyUnknown, "No host has shown this key.")
                .unchanged("Nothing is trusted.")
                .next("Test the connection again, and compare what the host shows then."));
        }
        drop(kept);
        report.pin(Utc::now(), &crate::adapters::files::operator()).ok_or_else(|| {
            Failure::new(FailureCode::SshHostKeyChanged, "Only a key that nobody knows yet can be confirmed.")
                .why("Another key is on record for this host, or this one is revoked.")
                .unchanged("The key on record stays.")
                .next("Ask whoever runs the host. If it was set up anew, remove the old key on purpose.")
        })
    }

    /// Pins a host's key for a stored environment, on record.
    ///
    /// # Errors
    /// As [`Engine::host_key_pin`]; [`FailureCode::Store`].
    pub async fn host_key_trust(&self, id: &str, report: &HostKeyReport) -> Result<(), Failure> {
        let pin = self.host_key_pin(report)?;
        let mut environment = self.store().environment(id).await?;
        if let Transport::Ssh { access } = &mut environment.transport {
            access.pins.push(pin.clone());
        }
        self.store().save_environment(&environment).await?;
        let target = super::Target::bare(environment);
        let what = format!("{} of {}:{}", pin.fingerprint, pin.host, pin.port);
        self.audit(&target, "trust host key", "", &what).await
    }

    /// How an environment's line stands; `None`: it is reached directly.
    ///
    /// # Errors
    /// [`FailureCode::EnvironmentUnknown`], [`FailureCode::Store`].
    pub async fn line_status(&self, id: &str) -> Result<Option<LineStatus>, Failure> {
        let environment = self.store().environment(id).await?;
        Ok(environment.transport.ssh().map(|access| LineStatus {
            host: access.label(),
            implementation: access.implementation,
            state: self.lines().state(access),
        }))
    }

    /// Closes an environment's line; it is opened again when it is needed.
    pub(super) async fn close_line(&self, transport: &Transport) {
        if let Some(access) = transport.ssh() {
            self.lines().close(access).await;
        }
    }
}

/// Walks to a database, over a line where there is one. The line stays open for what comes next if `keep`.
pub(super) async fn examine(
    connector: &Connector,
    runtime: Option<&Connector>,
    pin: Option<&IdentityPin>,
    keep: bool,
    on_hop: OnHop<'_>,
) -> DoctorReport {
    let direct = Way::direct(&connector.address, connector.password.as_ref());
    let other = runtime.map(|runtime| Way::direct(&runtime.address, runtime.password.as_ref()));
    let Some(route) = &connector.route else { return doctor::examine(direct, other, pin, on_hop).await };
    let started = Instant::now();
    let target = ssh_target(&connector.address);
    let places = route.lines.places();
    let walked = ssh::examine(&route.access, &target, &route.secrets, places, on_hop).await;
    let mut before = LineWalked {
        hops: walked.hops,
        explanation: walked.explanation,
        host_key: walked.host_key.map(|report| *report),
        took: started.elapsed(),
    };
    let Some(line) = walked.line else { return doctor::line_only(before, runtime.is_some(), on_hop) };
    let ends = async {
        let stream = line.open(&target).await?;
        let own = line.tunnel(target.clone()).await?;
        let theirs = match runtime {
            Some(runtime) => Some(line.tunnel(ssh_target(&runtime.address)).await?),
            None => None,
        };
        Ok::<_, Failure>((stream, own, theirs))
    };
    let report = match ends.await {
        Ok((stream, own, theirs)) => {
            let host = route.access.host.as_str();
            let through = Some(Through { local: own.local(), host });
            let direct = Way { through, ..direct };
            let other = other.zip(theirs.as_ref()).map(|(way, tunnel)| {
                let through = Some(Through { local: tunnel.local(), host });
                Way { through, ..way }
            });
            doctor::examine_tunnelled(before, stream, direct, other, pin, on_hop).await
        }
        Err(failure) => {
            before.explanation = Some(doctor::explain_line(&failure));
            doctor::line_only(before, runtime.is_some(), on_hop)
        }
    };
    if keep {
        route.lines.keep(&route.access, line).await;
    } else {
        line.close().await;
    }
    report
}

/// Every login of a draft with its place: jumps from 0 on, the host's own after them.
fn logins_of(draft: &SshDraft) -> Vec<(Place<'_>, &SshLoginDraft)> {
    let jumps = draft.jumps.iter().enumerate();
    let jumps = jumps.map(|(number, jump)| (Place::Jump(number, jump.host.trim()), &jump.login));
    jumps.chain([(Place::Host, &draft.login)]).collect()
}

#[derive(Clone, Copy)]
enum Place<'a> {
    /// Number and host.
    Jump(usize, &'a str),
    Host,
}

/// The handle stored for a login at that place; a jump host's secret is never used for another host.
fn kept<'a>(old: Option<&'a Transport>, place: Place<'_>) -> Option<(Credential, &'a SshAccess)> {
    let access = old?.ssh()?;
    let login = match place {
        Place::Jump(number, host) => &access.jumps.get(number).filter(|jump| jump.host == host)?.login,
        Place::Host => &access.login,
    };
    Some((login.credential()?.clone(), access))
}

fn trimmed(text: Option<&str>) -> Option<String> {
    text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn password_missing() -> Failure {
    Failure::new(FailureCode::EnvironmentInvalid, "The password for the SSH host is missing.")
        .unchanged("Nothing was saved.")
        .next("Enter it, or choose another way to log in.")
}

/// The same failure, said of the SSH login: the window asks for that secret then.
fn for_ssh(mut failure: Failure, access: &SshAccess) -> Failure {
    if failure.code == FailureCode::SecretNeeded {
        failure.code = FailureCode::SshSecretNeeded;
        failure.what = format!("The secret of the SSH login {} is asked for at each start.", access.label());
        failure.next = Some("Enter it.".to_owned());
    }
    failure
}
