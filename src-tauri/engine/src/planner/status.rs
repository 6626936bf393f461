//! From files and ledger rows to the state of every migration. The rules are Prisma's (deploy of 6.6+
//! and status of 7.10), with what the CLI computes and never prints: edited, missing, failed and pending.

use crate::domain::ledger::LedgerRow;
use crate::domain::migration::{
    LedgerPresence, LiveObjects, LockHolder, MigrationFile, MigrationRow, MigrationSet, MigrationState, hex,
};
use crate::domain::statement::Script;
use crate::domain::{Finding, Outcome};
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::collections::HashMap;

/// What is known when the states are derived.
pub struct Evidence<'a> {
    /// Files.
    pub set: &'a MigrationSet,
    /// All ledger rows.
    pub rows: &'a [LedgerRow],
    /// Ledger.
    pub presence: &'a LedgerPresence,
    /// Session that holds the migration lock.
    pub lock_holder: Option<&'a LockHolder>,
    /// Collation of names.
    pub collation: &'a dyn Fn(&str, &str) -> Ordering,
    /// Script of a migration, taken apart.
    pub script: &'a dyn Fn(&MigrationFile) -> Option<Script>,
    /// How much of a script's objects exists.
    pub live: &'a dyn Fn(&str, &Script) -> Option<LiveObjects>,
}

/// The states and what follows from them.
pub struct Derived {
    /// All migrations in order.
    pub migrations: Vec<MigrationRow>,
    /// What the next apply runs, in order.
    pub next_apply: Vec<String>,
    /// Findings.
    pub findings: Vec<Finding>,
    /// Exit code of the real `migrate status`.
    pub prisma_exit_code: i32,
    /// Headline.
    pub headline: String,
    /// Lead.
    pub lead: String,
}

/// Names on disk without a row that is not rolled back, in deploy order.
pub fn pending<'a>(set: &'a MigrationSet, rows: &[LedgerRow]) -> Vec<&'a MigrationFile> {
    let present: std::collections::HashSet<&str> = rows
        .iter()
        .filter(|row| row.rolled_back_at.is_none())
        .map(|row| row.migration_name.as_str())
        .collect();
    set.files.iter().filter(|file| !present.contains(file.name.as_str())).collect()
}

/// Whether a stored checksum fits a script: as read, with LF, or with CRLF line ends; stored values that
/// are not 64 digits long are compared without zero padding (a bug of old engines).
pub fn checksum_fits(script: &str, stored: &str) -> bool {
    let fits = |text: &str| {
        let digest = Sha256::digest(text.as_bytes());
        if stored.is_empty() || stored.len() == 64 {
            hex(&digest) == stored
        } else {
            digest.iter().map(|byte| format!("{byte:x}")).collect::<String>() == stored
        }
    };
    fits(script) || fits(&script.replace("\r\n", "\n")) || fits(&script.replace('\n', "\r\n"))
}

/// Derives everything the truth panel shows.
pub fn derive(evidence: &Evidence<'_>) -> Derived {
    let mut by_name: HashMap<&str, Vec<LedgerRow>> = HashMap::new();
    for row in evidence.rows {
        by_name.entry(row.migration_name.as_str()).or_default().push(row.clone());
    }
    let order: HashMap<&str, u32> = pending(evidence.set, evidence.rows)
        .iter()
        .zip(1_u32..)
        .map(|(file, place)| (file.name.as_str(), place))
        .collect();
    let mut migrations: Vec<MigrationRow> = evidence
        .set
        .files
        .iter()
        .map(|file| {
            let rows = by_name.remove(file.name.as_str()).unwrap_or_default();
            on_disk(evidence, file, rows, order.get(file.name.as_str()).copied())
        })
        .collect();
    let mut off_disk: Vec<MigrationRow> =
        by_name.into_iter().map(|(name, rows)| not_on_disk(evidence, name, rows)).collect();
    migrations.append(&mut off_disk);
    migrations.sort_by(|left, right| {
        (evidence.collation)(&left.name, &right.name).then_with(|| left.name.cmp(&right.name))
    });
    let next_apply: Vec<String> =
        pending(evidence.set, evidence.rows).iter().map(|file| file.name.clone()).collect();
    let findings = findings(evidence, &migrations);
    let prisma_exit_code = prisma_exit_code(evidence, &migrations, &next_apply);
    let (headline, lead) = words(evidence, &migrations, &next_apply);
    Derived { migrations, next_apply, findings, prisma_exit_code, headline, lead }
}

fn on_disk(
    evidence: &Evidence<'_>,
    file: &MigrationFile,
    rows: Vec<LedgerRow>,
    order: Option<u32>,
) -> MigrationRow {
    let script = (evidence.script)(file);
    let mut note = None;
    let state = if rows.iter().any(LedgerRow::is_unfinished) {
        unfinished(evidence, &rows, &mut note)
    } else if let Some(applied) = rows.iter().rev().find(|row| row.is_applied()) {
        match &file.script {
            Ok(text) if checksum_fits(text, &applied.checksum) => MigrationState::Applied,
            Ok(_) => {
                note = Some(
                    "The file has changed since it was applied. A deploy does not notice this.".to_owned(),
                );
                MigrationState::Edited
            }
            Err(why) => {
                note = Some(why.clone());
                MigrationState::Unreadable
            }
        }
    } else if let Err(why) = &file.script {
        note = Some(format!("{why} An apply stops when it gets here."));
        MigrationState::Unreadable
    } else if rows.is_empty() {
        MigrationState::Pending
    } else {
        note = Some("It was rolled back; the next apply runs it again.".to_owned());
        MigrationState::RolledBack
    };
    if file.replaced_invalid && note.is_none() {
        note =
            Some("The file holds bytes that are not UTF-8; they run as a replacement character.".to_owned());
    }
    let live = match state {
        MigrationState::Unreadable => None,
        _ => script.as_ref().and_then(|script| (evidence.live)(file.script.as_deref().unwrap_or(""), script)),
    };
    MigrationRow {
        name: file.name.clone(),
        state,
        order,
        on_disk: true,
        file_checksum: file.checksum.clone(),
        statements: script.map(|script| u32::try_from(script.statements.len()).unwrap_or(u32::MAX)),
        rows,
        live,
        note,
    }
}

fn not_on_disk(evidence: &Evidence<'_>, name: &str, rows: Vec<LedgerRow>) -> MigrationRow {
    let mut note = None;
    let state = if rows.iter().any(LedgerRow::is_unfinished) {
        let state = unfinished(evidence, &rows, &mut note);
        note = Some(
            "There is no folder of this name, but its row still holds back every other migration.".to_owned(),
        );
        state
    } else if rows.iter().any(LedgerRow::is_applied) {
        note = Some("It was applied from a folder that is not here.".to_owned());
        MigrationState::Missing
    } else {
        note = Some("It was rolled back and its folder is gone: nothing is left to do.".to_owned());
        MigrationState::RolledBack
    };
    MigrationRow {
        name: name.to_owned(),
        state,
        order: None,
        on_disk: false,
        file_checksum: None,
        statements: None,
        rows,
        live: None,
        note,
    }
}

fn unfinished(evidence: &Evidence<'_>, rows: &[LedgerRow], note: &mut Option<String>) -> MigrationState {
    if evidence.lock_holder.is_some() {
        *note = Some(
            "Started and not finished; another session holds the migration lock, so it may be running."
                .to_owned(),
        );
        return MigrationState::Running;
    }
    let has_reason = rows
        .iter()
        .any(|row| row.is_unfinished() && row.logs.as_deref().is_some_and(|logs| !logs.is_empty()));
    *note = Some(if has_reason {
        "It failed; the reason is in its row.".to_owned()
    } else {
        "It was started and never finished, and no reason was recorded.".to_owned()
    });
    MigrationState::Failed
}

fn findings(evidence: &Evidence<'_>, migrations: &[MigrationRow]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(provider) = &evidence.set.provider
        && provider != "postgresql"
    {
        findings.push(
            Finding::new("provider-mismatch", Outcome::Block, format!("These migrations are for `{provider}`, the target is PostgreSQL."))
                .detail("A deploy stops here (P3019). Choose the folder made for PostgreSQL, or correct the provider line of migration_lock.toml."),
        );
    }
    if let LedgerPresence::BaselineNeeded { tables } = evidence.presence {
        findings.push(
            Finding::new(
                "baseline-needed",
                Outcome::Block,
                format!("The database has {tables} tables and no ledger."),
            )
            .detail("A deploy refuses this (P3005). Record the migrations it already contains as applied: a baseline."),
        );
    }
    for row in migrations {
        let (check, outcome, title) = match row.state {
            MigrationState::Failed => (
                "failed",
                Outcome::Block,
                format!("`{}` failed and holds back every other migration.", row.name),
            ),
            MigrationState::Running => {
                ("running", Outcome::Unknown, format!("`{}` may be running now.", row.name))
            }
            MigrationState::Edited => {
                ("edited", Outcome::Warn, format!("`{}` was edited after it was applied.", row.name))
            }
            MigrationState::Missing => {
                ("missing", Outcome::Warn, format!("`{}` was applied and its folder is not here.", row.name))
            }
            MigrationState::Unreadable => {
                ("unreadable", Outcome::Block, format!("`{}` has no readable migration.sql.", row.name))
            }
            _ => continue,
        };
        let mut finding = Finding::new(check, outcome, title).at(row.name.clone(), None);
        finding.detail = row.note.clone();
        findings.push(finding);
    }
    if let Some(first_pending) = migrations.iter().position(|row| row.state == MigrationState::Pending)
        && let Some(later) = migrations[first_pending..]
            .iter()
            .find(|row| matches!(row.state, MigrationState::Applied | MigrationState::Edited))
    {
        findings.push(
            Finding::new(
                "out-of-order",
                Outcome::Warn,
                format!("`{}` comes before `{}`, which is applied already.", migrations[first_pending].name, later.name),
            )
            .detail("A deploy runs it all the same, now. Usual after merging branches; read it with that in mind.")
            .at(migrations[first_pending].name.clone(), None),
        );
    }
    for note in &evidence.set.notes {
        findings.push(Finding::new("passed-over", Outcome::Pass, note.clone()));
    }
    findings
}

fn prisma_exit_code(evidence: &Evidence<'_>, migrations: &[MigrationRow], next_apply: &[String]) -> i32 {
    let mismatch = evidence.set.provider.as_ref().is_some_and(|provider| provider != "postgresql");
    let unreadable_applied = migrations
        .iter()
        .any(|row| row.state == MigrationState::Unreadable && row.rows.iter().any(LedgerRow::is_applied));
    let failed = evidence.rows.iter().any(LedgerRow::is_unfinished);
    let unmanaged = *evidence.presence != LedgerPresence::Present && evidence.set.files.is_empty();
    i32::from(mismatch || unreadable_applied || !next_apply.is_empty() || failed || unmanaged)
}

fn words(evidence: &Evidence<'_>, migrations: &[MigrationRow], next_apply: &[String]) -> (String, String) {
    let count = |state: MigrationState| migrations.iter().filter(|row| row.state == state).count();
    let (failed, running) = (count(MigrationState::Failed), count(MigrationState::Running));
    let waiting = next_apply.len();
    let odd =
        count(MigrationState::Edited) + count(MigrationState::Missing) + count(MigrationState::Unreadable);
    if let LedgerPresence::BaselineNeeded { tables } = evidence.presence {
        return (
            format!(
                "The database has {}, but no record of its migrations.",
                plural(*tables as usize, "table")
            ),
            "A baseline records the migrations it already contains; nothing runs.".to_owned(),
        );
    }
    if running > 0 {
        return (
            "A migration may be running right now.".to_owned(),
            "Another session holds the migration lock. Read again when it is done.".to_owned(),
        );
    }
    if failed > 0 {
        let headline = if waiting > 0 {
            format!(
                "{} failed and {} back {}.",
                plural(failed, "migration"),
                if failed == 1 { "holds" } else { "hold" },
                others(waiting)
            )
        } else {
            format!("{} failed.", plural(failed, "migration"))
        };
        return (headline, "Repair it first; no other migration can start before that.".to_owned());
    }
    let aside = if odd > 0 { format!(" {} your attention.", needs(odd)) } else { String::new() };
    if waiting > 0 {
        return (
            format!("{} waiting.{aside}", are(waiting)),
            "In the order a deploy would use. Where the three disagree, the cell is marked.".to_owned(),
        );
    }
    if evidence.set.files.is_empty() && migrations.is_empty() {
        return (
            "There are no migrations in this folder.".to_owned(),
            "Choose another folder if you expected some.".to_owned(),
        );
    }
    if odd > 0 {
        return (
            format!("Nothing is waiting.{aside}"),
            "Where the three disagree, the cell is marked.".to_owned(),
        );
    }
    (
        format!("All {} are in.", plural(migrations.len(), "migration")),
        "Files and ledger agree. Nothing is waiting.".to_owned(),
    )
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

fn others(count: usize) -> String {
    if count == 1 { "1 other".to_owned() } else { format!("{count} others") }
}

fn are(count: usize) -> String {
    if count == 1 { "1 migration is".to_owned() } else { format!("{count} migrations are") }
}

fn needs(count: usize) -> String {
    if count == 1 { "1 needs".to_owned() } else { format!("{count} need") }
}
