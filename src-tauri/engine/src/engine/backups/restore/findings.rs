//! What is to be said about a restore before it is confirmed.

use super::looking::Looked;
use super::words::row_changes;
use crate::adapters::postgres::databases::Connected;
use crate::domain::backup::{BackupScope, Beside, RestoreInto, RestoreRequest, RestoreWhat};
use crate::domain::words::count;
use crate::domain::{Finding, Outcome};
use std::collections::BTreeMap;

/// All of it.
pub(super) fn findings(looked: &Looked, request: &RestoreRequest, beside: Option<&Beside>) -> Vec<Finding> {
    if let (RestoreInto::NewDatabase { .. }, Some(beside)) = (&request.into, beside) {
        return of_new(looked, &request.what, beside);
    }
    let mut findings = Vec::new();
    let totals = &looked.loss.totals;
    for loss in &looked.loss.tables {
        let number = |count: Option<f64>| count.unwrap_or(0.0);
        let lost = number(loss.new) + number(loss.changed);
        let title = match (&loss.note, loss.new) {
            (_, Some(_)) if lost > 0.0 => format!("{} of {} would be lost.", row_changes(lost), loss.table),
            (Some(note), None) => format!("What is lost of {} is not known: {note}.", loss.table),
            _ => continue,
        };
        if findings.len() < 50 {
            let mut finding = Finding::new("restore-loss", Outcome::Warn, title);
            finding.destructive = true;
            findings.push(finding);
        }
    }
    if findings.is_empty() && totals.deleted > 0.0 {
        findings.push(Finding::new(
            "restore-back",
            Outcome::Warn,
            format!("{} come back.", count(totals.deleted, "deleted row", "deleted rows")),
        ));
    }
    if let Some(name) = &request.other_database {
        findings.push(Finding::new(
            "other-database",
            Outcome::Warn,
            match &looked.opened.stored.manifest.imported {
                Some(origin) => format!(
                    "It is not known of which database {} is; {name} was typed to restore it here.",
                    origin.name
                ),
                None => format!("The backup is of another database; {name} was typed to restore it here."),
            },
        ));
    }
    if let Some(beside) = beside {
        findings.extend(of_swap(looked, beside));
    } else if looked.loss.sessions > 0 {
        findings.push(Finding::new(
            "sessions",
            Outcome::Warn,
            match looked.loss.sessions {
                1 => "1 other session is connected; it waits while the tables are replaced.".to_owned(),
                many => {
                    format!("{many} other sessions are connected; they wait while the tables are replaced.")
                }
            },
        ));
    }
    findings
}

/// What a new database does not have.
fn of_new(looked: &Looked, what: &RestoreWhat, beside: &Beside) -> Vec<Finding> {
    let mut findings = Vec::new();
    if looked.opened.stored.manifest.scope != BackupScope::Whole {
        findings.push(Finding::new(
            "part",
            Outcome::Warn,
            "Only part of a database is in this backup: its rows are compared, its schema is not.",
        ));
    }
    if matches!(what, RestoreWhat::Tables { .. }) {
        findings.push(Finding::new(
            "chosen",
            Outcome::Warn,
            "Tables that are not chosen are made and stay empty. References to rows that are not there are left out, and named at the end.",
        ));
    }
    if !beside.with_owners {
        findings.push(Finding::new(
            "owners",
            Outcome::Warn,
            "Owners and rights are left out: everything in it belongs to this login.",
        ));
    }
    if !looked.around.same_name {
        findings.push(Finding::new(
            "locale",
            Outcome::Warn,
            format!(
                "It is made with the locale {} of the system's library; whether the backup's database used another one is not in the backup.",
                beside.form.collate
            ),
        ));
    }
    findings
}

/// What is cut, and what stays with the old database.
fn of_swap(looked: &Looked, beside: &Beside) -> Vec<Finding> {
    let kept = beside.kept_as.as_deref().unwrap_or_default();
    let sessions = looked.around.seen.as_ref().map(|seen| seen.sessions.as_slice()).unwrap_or_default();
    let late = format!(
        "Rows written until the names are exchanged are not in the new database; they stay in {kept}."
    );
    exchanging(late, sessions)
}

/// What an exchange of names does: rows that stay behind, in words, and sessions that are cut.
pub(super) fn exchanging(late: String, sessions: &[Connected]) -> Vec<Finding> {
    let mut late = Finding::new("swap-late-rows", Outcome::Warn, late);
    late.destructive = true;
    let mut findings = vec![late];
    if !sessions.is_empty() {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for session in sessions {
            let name = match session.application.as_str() {
                "" => format!("user {}", session.user),
                application => format!("{application} (user {})", session.user),
            };
            *counts.entry(name).or_default() += 1;
        }
        let named: Vec<String> =
            counts.iter().take(8).map(|(name, count)| format!("{count} of {name}")).collect();
        let more = counts.len().saturating_sub(8);
        let more = if more > 0 { format!(", and of {more} others") } else { String::new() };
        findings.push(Finding::new(
            "sessions",
            Outcome::Warn,
            format!(
                "{} cut when the names are exchanged: {}{more}.",
                count(sessions.len(), "session is", "sessions are"),
                named.join(", ")
            ),
        ));
    }
    findings
}
