//! What a restore says: what it loses, what of a backup it is, when that was taken.

use crate::domain::backup::{LossTotals, Manifest, RestoreWhat, StoredTable};
use crate::domain::words::count;
use chrono::{DateTime, Local, Utc};

/// The answer in one sentence, and what follows.
pub(super) fn words(manifest: &Manifest, totals: &LossTotals) -> (String, String) {
    let minutes = (Utc::now() - manifest.snapshot_at).num_minutes().max(0);
    let ago = match minutes {
        0 => "less than a minute".to_owned(),
        1 => "1 minute".to_owned(),
        minutes if minutes < 120 => format!("{minutes} minutes"),
        minutes if minutes < 48 * 60 => format!("{} hours", minutes / 60),
        minutes => format!("{} days", minutes / (24 * 60)),
    };
    let at = match &manifest.imported {
        Some(origin) => origin.name.clone(),
        None => at(manifest.snapshot_at),
    };
    let lost = totals.new + totals.changed;
    let unknown = totals.unknown > 0;
    let headline = match (lost > 0.0, unknown) {
        (false, false) if totals.deleted > 0.0 => {
            format!("Going back to {at} loses nothing, and brings rows back.")
        }
        (false, false) if manifest.imported.is_some() => format!("Every row is as it is in {at}."),
        (false, false) => format!("Nothing has changed since {at}."),
        (false, true) => format!("What going back to {at} would lose is not all known."),
        // When a dump was made is only what its header says, so no time is counted from it.
        (true, _) if manifest.imported.is_some() => {
            format!("Going back to {at} loses {}.", row_changes(lost))
        }
        (true, _) => format!("Going back to {at} loses {ago} of work."),
    };
    let lead = match (lost > 0.0, unknown) {
        (true, false) => {
            format!(
                "{} would be gone from here. A safety backup, taken first, keeps them.",
                row_changes(lost)
            )
        }
        (true, true) => format!(
            "{} would be gone from here, as far as is known; {} could not be compared. A safety backup, taken first, keeps them.",
            row_changes(lost),
            count(totals.unknown, "table", "tables")
        ),
        (false, _) => "A safety backup of what is there now is taken first.".to_owned(),
    };
    (headline, lead)
}

/// So many changes of rows, in words.
pub(super) fn row_changes(many: f64) -> String {
    count(many, "row change", "row changes")
}

/// What of a backup comes back.
pub(super) fn what_words(what: &RestoreWhat, tables: &[StoredTable]) -> String {
    match what {
        RestoreWhat::Everything => "everything".to_owned(),
        RestoreWhat::Tables { .. } if tables.len() == 1 => format!("table {}", tables[0].table),
        RestoreWhat::Tables { .. } => count(tables.len(), "table", "tables"),
        RestoreWhat::Rows { table, keys } => format!("{} of {table}", count(keys.len(), "row", "rows")),
    }
}

/// A time as people say it.
pub(super) fn at(time: DateTime<Utc>) -> String {
    let local = time.with_timezone(&Local);
    if local.date_naive() == Local::now().date_naive() {
        local.format("%H:%M").to_string()
    } else {
        local.format("%-d %b, %H:%M").to_string()
    }
}
