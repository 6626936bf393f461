//! Backups, proofs, restores and their keys on the command line.

use crate::arguments::{Confirm, On};
use crate::commands::{Answer, carry_through, follow, visible, words};
use crate::exit;
use drydock_engine::domain::backup::{
    BackupKind, BackupRequest, BackupScope, RestoreInto, RestoreRequest, RestoreWhat, TableName,
};
use drydock_engine::domain::import::ImportRequest;
use drydock_engine::domain::rollback::RollBackRequest;
use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::secret::Secret;
use drydock_engine::domain::{Failure, FailureCode};
use drydock_engine::{Engine, Target};
use serde_json::json;
use std::path::Path;
use std::time::Instant;

/// The file whose first line opens the vault, where there is no keyring.
const PASSPHRASE_FILE: &str = "DRYDOCK_VAULT_PASSPHRASE_FILE";

/// Opens the vault where the variable names a passphrase, and makes it at first use.
pub async fn open_vault(engine: &Engine) -> Result<(), Failure> {
    let Some(path) = std::env::var_os(PASSPHRASE_FILE).filter(|path| !path.is_empty()) else { return Ok(()) };
    let passphrase = passphrase(Path::new(&path))?;
    let status = engine.secret_store_status().await;
    if status.vault_exists {
        engine.vault_unlock(passphrase).await?;
    } else {
        engine.vault_create(passphrase).await?;
    }
    Ok(())
}

fn passphrase(path: &Path) -> Result<Secret, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(FailureCode::VaultLocked, "The file with the passphrase cannot be read.")
            .why(format!("{}: {error}.", path.display()))
            .unchanged("Nothing was done.")
            .next("Name a file that is there and that only you can read.")
    })?;
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}

/// What a backup is to hold.
pub struct Wish<'a> {
    /// Rows by COPY.
    pub quick: bool,
    /// Only these tables.
    pub tables: &'a [String],
    /// Only these schemas.
    pub schemas: &'a [String],
    /// Folder to keep it in.
    pub out: Option<&'a Path>,
    /// Without a proof.
    pub unproven: bool,
    /// Only say what it would be.
    pub preview: bool,
}

fn tables(target: &Target, names: &[String]) -> Vec<TableName> {
    names
        .iter()
        .map(|name| match name.split_once('.') {
            Some((schema, table)) => TableName::new(schema, table),
            None => TableName::new(target.connector.address.schema.clone(), name.clone()),
        })
        .collect()
}

/// Takes a backup.
pub async fn take(engine: &Engine, target: &Target, on: &On, wish: Wish<'_>) -> Result<Answer, Failure> {
    let scope = match (wish.tables, wish.schemas) {
        ([], []) => BackupScope::Whole,
        ([], schemas) => BackupScope::Schemas { schemas: schemas.to_vec() },
        (names, _) => BackupScope::Tables { tables: tables(target, names) },
    };
    let folder = match wish.out {
        Some(path) => Some(std::path::absolute(path).map_err(|error| {
            Failure::new(FailureCode::FileSystem, "The folder cannot be named.").why(error.to_string())
        })?),
        None => None,
    };
    let request = BackupRequest {
        kind: if wish.quick { BackupKind::Quick } else { BackupKind::Deep },
        scope,
        prove: !wish.unproven,
        for_plan: None,
        folder: folder.map(|folder| folder.display().to_string()),
    };
    if wish.preview {
        let preview = engine.backup_preview(target, &request).await?;
        let mut text = format!("{}\nBy {}; {} tables.\n", preview.headline, preview.tool, preview.tables);
        for refusal in &preview.refusals {
            text.push_str(&format!("  refused: {}\n", visible(refusal)));
        }
        for left_out in &preview.left_out {
            text.push_str(&format!("  not in it: {}. {}\n", visible(&left_out.what), left_out.why));
        }
        let code = if preview.refusals.is_empty() { exit::DONE } else { exit::REFUSED };
        return Ok(Answer { code, text, json: json!({ "outcome": "previewed", "preview": preview }) });
    }
    let run = follow(engine, engine.start_backup(target, request).await?, on.json).await?;
    let mut answer = ended(engine, target, &run.id).await?;
    if let Some(failure) = &run.failure {
        answer.text.push_str(&words(failure));
    }
    answer.code = exit::of_run(run.status);
    Ok(answer)
}

/// Makes a backup from a dump.
pub async fn import(
    engine: &Engine,
    target: &Target,
    on: &On,
    dump: &Path,
    prove: bool,
    preview: bool,
) -> Result<Answer, Failure> {
    let path = std::path::absolute(dump).map_err(|error| {
        Failure::new(FailureCode::FileSystem, "The dump cannot be named.").why(error.to_string())
    })?;
    let path = path.display().to_string();
    if preview {
        let preview = engine.import_preview(target, &path).await?;
        let mut text = format!("{}\n{}\n", preview.headline, visible(&preview.what));
        for refusal in &preview.refusals {
            text.push_str(&format!("  refused: {}\n", visible(refusal)));
        }
        for left_out in &preview.left_out {
            text.push_str(&format!("  not in it: {}. {}\n", visible(&left_out.what), left_out.why));
        }
        let code = if preview.refusals.is_empty() { exit::DONE } else { exit::REFUSED };
        return Ok(Answer { code, text, json: json!({ "outcome": "previewed", "preview": preview }) });
    }
    let request = ImportRequest { path, prove };
    let run = follow(engine, engine.start_import(target, request).await?, on.json).await?;
    let mut answer = ended(engine, target, &run.id).await?;
    if let Some(failure) = &run.failure {
        answer.text.push_str(&words(failure));
    }
    Ok(answer)
}

/// The backup that a run took, as it stands.
async fn ended(engine: &Engine, target: &Target, run_id: &str) -> Result<Answer, Failure> {
    let run = engine.run(run_id).await?;
    let shelf = engine.backup_shelf(target).await?;
    let backup = shelf.backups.iter().find(|backup| backup.run_id.as_deref() == Some(run_id));
    let detail = match backup {
        Some(backup) => Some(engine.backup_detail(&backup.id).await?),
        None => None,
    };
    let mut text = format!("Run {} ended: {:?}.\n", run.number, run.status);
    if let Some(detail) = &detail {
        text.push_str(&format!(
            "Backup {} ({:?}): {}, {} rows, {:?}. {}\n",
            detail.backup.id,
            detail.backup.kind,
            detail.backup.holds,
            detail.backup.rows,
            detail.backup.proof,
            detail.folder
        ));
        for fact in detail.proof.iter().flat_map(|proof| &proof.facts) {
            text.push_str(&format!(
                "  {:<8} {}: {}\n",
                format!("{:?}", fact.outcome).to_lowercase(),
                fact.title,
                fact.figure
            ));
            for difference in &fact.differences {
                text.push_str(&format!("           {}\n", visible(difference)));
            }
        }
        for left_out in &detail.left_out {
            text.push_str(&format!("  not in it: {}\n", visible(&left_out.what)));
        }
    }
    Ok(Answer {
        code: exit::of_run(run.status),
        text,
        json: json!({ "outcome": run.status, "run_id": run.id, "backup": detail, "failure": run.failure }),
    })
}

/// Lists backups.
pub async fn list(engine: &Engine, target: &Target) -> Result<Answer, Failure> {
    let shelf = engine.backup_shelf(target).await?;
    let mut text = format!("{}\n", shelf.headline);
    for backup in &shelf.backups {
        text.push_str(&format!(
            "{}  {}  {:<6} {:<24} {:?}\n",
            backup.id,
            backup.taken_at.format("%Y-%m-%d %H:%M:%S"),
            format!("{:?}", backup.kind),
            visible(&backup.holds),
            backup.proof
        ));
    }
    Ok(Answer { code: exit::DONE, text, json: json!({ "outcome": "listed", "shelf": shelf }) })
}

/// Proves a backup.
pub async fn prove(engine: &Engine, target: &Target, on: &On, backup: &str) -> Result<Answer, Failure> {
    let record = engine.backup_find(target, backup).await?;
    let run = follow(engine, engine.start_proof(target, &record.id).await?, on.json).await?;
    let detail = engine.backup_detail(&record.id).await?;
    let mut text = format!("Backup {}: {:?}.\n", record.id, detail.backup.proof);
    if let Some(failure) = &run.failure {
        text.push_str(&words(failure));
    }
    Ok(Answer {
        code: if run.status == RunStatus::Succeeded { exit::DONE } else { exit::of_run(run.status) },
        text,
        json: json!({ "outcome": run.status, "run_id": run.id, "backup": detail, "failure": run.failure }),
    })
}

/// What is to be restored.
pub struct RestoreWish<'a> {
    /// Id or folder.
    pub backup: &'a str,
    /// Only these tables.
    pub tables: &'a [String],
    /// Where.
    pub into: RestoreInto,
    /// The target's name, where the backup is of another database.
    pub other_database: Option<String>,
    /// Only say what it would lose.
    pub preview: bool,
}

/// Restores a backup.
pub async fn restore(
    engine: &Engine,
    target: &Target,
    on: &On,
    confirm: &Confirm,
    wish: RestoreWish<'_>,
) -> Result<Answer, Failure> {
    let started = Instant::now();
    let record = engine.backup_find(target, wish.backup).await?;
    let what = match wish.tables {
        [] => RestoreWhat::Everything,
        names => RestoreWhat::Tables { tables: tables(target, names) },
    };
    let request =
        RestoreRequest { backup_id: record.id, what, into: wish.into, other_database: wish.other_database };
    if wish.preview {
        let loss = engine.restore_loss(target, &request).await?;
        let mut text = format!("{}\n{}\n", loss.headline, loss.lead);
        for table in &loss.tables {
            let number = |count: Option<f64>| count.map_or("?".to_owned(), |count| count.to_string());
            text.push_str(&format!(
                "  {}: {} new, {} changed, {} deleted{}\n",
                visible(&table.table.to_string()),
                number(table.new),
                number(table.changed),
                number(table.deleted),
                table.note.as_deref().map(|note| format!(" ({})", visible(note))).unwrap_or_default()
            ));
        }
        for way in &loss.ways {
            text.push_str(&format!(
                "  {}: {}\n",
                way.title,
                way.closed.as_ref().map_or("open".to_owned(), |why| format!("closed: {}", visible(why)))
            ));
        }
        return Ok(Answer { code: exit::DONE, text, json: json!({ "outcome": "previewed", "loss": loss }) });
    }
    let review = engine.restore_plan(target, request).await?;
    carry_through(engine, target, on, confirm, review, started).await
}

/// What is to be rolled back.
pub fn roll_back(
    target: &Target,
    migrations: Vec<String>,
    rows: &[String],
    from: Option<String>,
) -> RollBackRequest {
    RollBackRequest { migrations, rows_back: tables(target, rows), backup_id: from }
}

/// Exports or imports keys.
pub async fn keys(
    engine: &Engine,
    export: Option<&Path>,
    import: Option<&Path>,
    passphrase_file: &Path,
) -> Result<Answer, Failure> {
    let secret = passphrase(passphrase_file)?;
    let (count, done) = match (export, import) {
        (Some(path), _) => (engine.backup_keys_export_with(path, &secret).await?, "exported"),
        (None, Some(path)) => (engine.backup_keys_import_with(path, &secret).await?, "imported"),
        (None, None) => (0, "exported"),
    };
    let noun = if count == 1 { "key" } else { "keys" };
    Ok(Answer {
        code: exit::DONE,
        text: format!("{count} {noun} {done}.\n"),
        json: json!({ "outcome": done, "keys": count }),
    })
}
