//! Addresses, secrets and the connection doctor. Secrets come in here; none goes out.

use super::{Answer, On};
use drydock_engine::domain::address::ParsedAddress;
use drydock_engine::domain::doctor::{DoctorReport, Hop};
use drydock_engine::domain::environment::{Environment, EnvironmentDraft};
use drydock_engine::domain::secret::{Secret, SecretOf, SecretStoreStatus};
use drydock_engine::domain::ssh::{Choice, HostKeyPin, HostKeyReport};
use drydock_engine::domain::transport::{LineStatus, SshDraft, SshFound, SshQuestionEvent};
use tauri::ipc::Channel;

/// Takes a pasted address apart; its password stays in the engine.
#[tauri::command]
#[specta::specta]
pub async fn address_parse(engine: On<'_>, text: String) -> Answer<ParsedAddress> {
    engine.address_parse(&text)
}

/// Takes a typed password and returns its handle.
#[tauri::command]
#[specta::specta]
pub async fn password_set(engine: On<'_>, text: String) -> Answer<String> {
    Ok(engine.password_set(Secret::new(text)))
}

/// What this computer offers for keeping secrets.
#[tauri::command]
#[specta::specta]
pub async fn secret_store_status(engine: On<'_>) -> Answer<SecretStoreStatus> {
    Ok(engine.secret_store_status().await)
}

/// Makes the vault.
#[tauri::command]
#[specta::specta]
pub async fn vault_create(engine: On<'_>, passphrase: String) -> Answer<SecretStoreStatus> {
    engine.vault_create(Secret::new(passphrase)).await
}

/// Unlocks the vault.
#[tauri::command]
#[specta::specta]
pub async fn vault_unlock(engine: On<'_>, passphrase: String) -> Answer<SecretStoreStatus> {
    engine.vault_unlock(Secret::new(passphrase)).await
}

/// Takes a secret that an environment asks for at each start.
#[tauri::command]
#[specta::specta]
pub async fn secret_provide(
    engine: On<'_>,
    environment_id: String,
    text: String,
    of: SecretOf,
) -> Answer<()> {
    engine.secret_provide(&environment_id, Secret::new(text), of).await
}

/// Walks to the database hop by hop.
#[tauri::command]
#[specta::specta]
pub async fn connection_test(
    engine: On<'_>,
    environment_id: String,
    on_hop: Channel<Hop>,
) -> Answer<DoctorReport> {
    engine.connection_test(&environment_id, &mut |hop| drop(on_hop.send(hop.clone()))).await
}

/// Walks to the database of a draft.
#[tauri::command]
#[specta::specta]
pub async fn connection_test_draft(
    engine: On<'_>,
    draft: EnvironmentDraft,
    environment_id: Option<String>,
    on_hop: Channel<Hop>,
) -> Answer<DoctorReport> {
    engine
        .connection_test_draft(&draft, environment_id.as_deref(), &mut |hop| drop(on_hop.send(hop.clone())))
        .await
}

/// Puts hosts' questions to the window from now on.
#[tauri::command]
#[specta::specta]
pub async fn ssh_questions(engine: On<'_>, on_event: Channel<SshQuestionEvent>) -> Answer<()> {
    engine.watch_questions(move |event| drop(on_event.send(event)));
    Ok(())
}

/// Answers a host's question; nothing: there will be no answer.
#[tauri::command]
#[specta::specta]
pub async fn ssh_answer(engine: On<'_>, id: String, text: Option<String>) -> Answer<()> {
    engine.answer_question(&id, text.map(Secret::new))
}

/// What this computer has for an SSH login.
#[tauri::command]
#[specta::specta]
pub async fn ssh_found(engine: On<'_>) -> Answer<SshFound> {
    Ok(engine.ssh_found())
}

/// Which way to speak SSH fits a draft, and why.
#[tauri::command]
#[specta::specta]
pub async fn ssh_choice(engine: On<'_>, draft: SshDraft) -> Answer<Choice> {
    Ok(engine.ssh_choice(&draft).await)
}

/// The pin for a host key that was compared, for a draft.
#[tauri::command]
#[specta::specta]
pub async fn host_key_pin(engine: On<'_>, report: HostKeyReport) -> Answer<HostKeyPin> {
    engine.host_key_pin(&report)
}

/// Pins a host key that was compared, for a stored environment.
#[tauri::command]
#[specta::specta]
pub async fn host_key_trust(engine: On<'_>, environment_id: String, report: HostKeyReport) -> Answer<()> {
    engine.host_key_trust(&environment_id, &report).await
}

/// How an environment's line to its SSH host stands.
#[tauri::command]
#[specta::specta]
pub async fn line_status(engine: On<'_>, environment_id: String) -> Answer<Option<LineStatus>> {
    engine.line_status(&environment_id).await
}

/// Pins the database that answers now.
#[tauri::command]
#[specta::specta]
pub async fn identity_repin(
    engine: On<'_>,
    environment_id: String,
    typed_name: String,
) -> Answer<Environment> {
    engine.identity_repin(&environment_id, &typed_name).await
}
