//! The ways to restore: what each does, and why one is closed. What is not known closes it.

use super::around::Around;
use super::words::at;
use crate::adapters::postgres::databases::Surroundings;
use crate::domain::Failure;
use crate::domain::backup::{BackupKind, Manifest, RestoreInto, RestoreWay, RestoreWhat};
use crate::domain::words::count;
use crate::planner::backup::size_words;

/// All of them, in the order they are shown. `whole`: it is the whole database.
pub(super) fn ways(
    manifest: &Manifest,
    obstacles: &[String],
    (whole, what): (bool, &RestoreWhat),
    database: &str,
    around: &Around,
) -> Vec<RestoreWay> {
    let closed = (!obstacles.is_empty()).then(|| obstacles.join(" "));
    let in_place = if whole {
        "Everything that is there now is replaced, in one transaction. It is compared before it is committed; any error leaves all as it was."
    } else {
        "The rows of these tables are replaced, in one transaction. They are compared before it is committed; any error leaves all as it was."
    };
    let size = size_words(manifest.bytes() as f64);
    let room = match &around.seen {
        Ok(seen) if seen.bytes > 0.0 => format!(
            "It takes room on the server: the database has {} now. How much is free there is not known.",
            size_words(seen.bytes)
        ),
        _ => "It takes room on the server; how much is free there is not known.".to_owned(),
    };
    let taken = at(manifest.snapshot_at);
    vec![
        RestoreWay {
            into: RestoreInto::Target,
            title: "In place".to_owned(),
            detail: format!("{in_place} {size} are read back."),
            closed,
        },
        RestoreWay {
            into: RestoreInto::Swap,
            title: "Beside it, then swapped".to_owned(),
            detail: format!(
                "A new database is made and compared while the application goes on. Then the sessions of {database} are cut and the names are exchanged in one transaction; the old one is kept under another name. Rows written since {taken} are not in the new one. {room}"
            ),
            closed: closed_swap(manifest, whole, database, around),
        },
        RestoreWay {
            into: RestoreInto::NewDatabase { name: around.free_name(database, manifest.snapshot_at) },
            title: "Into a new database".to_owned(),
            detail: format!(
                "Nothing that is there is touched, and the application goes on with the old one. It gets its name when all of it is in and was compared.{} {room}",
                match what {
                    RestoreWhat::Tables { .. } => " Tables that are not chosen are made and stay empty.",
                    RestoreWhat::Everything | RestoreWhat::Rows { .. } => "",
                }
            ),
            closed: closed_new(manifest, what, around),
        },
    ]
}

/// Why no database can be made from the backup.
pub(super) fn closed_new(manifest: &Manifest, what: &RestoreWhat, around: &Around) -> Option<String> {
    if manifest.kind == BackupKind::Quick {
        return Some(
            "A quick backup holds rows; keys, defaults and rights of their tables are not all in it, so no exact database can be made. Use a deep one."
                .to_owned(),
        );
    }
    if matches!(what, RestoreWhat::Rows { .. }) {
        return Some(
            "Single rows go back to where they were. Choose their table for a new database.".to_owned(),
        );
    }
    if let Some(platform @ "Supabase") = around.managed {
        return Some(format!("{platform} keeps one database a project."));
    }
    let seen = match &around.seen {
        Ok(seen) => seen,
        Err(failure) => {
            return Some(format!(
                "What this login may do on the server could not be read: {}",
                reason(failure)
            ));
        }
    };
    if seen.in_recovery {
        return Some("The server is a standby; it only reads.".to_owned());
    }
    if !seen.may_create {
        return Some(format!("The role {} may not make databases; it needs CREATEDB.", seen.user));
    }
    if let Err(failure) = &around.outside {
        return Some(reason(failure));
    }
    None
}

fn closed_swap(manifest: &Manifest, whole: bool, database: &str, around: &Around) -> Option<String> {
    let closed = closed_new(manifest, &RestoreWhat::Everything, around);
    if closed.is_some() {
        return closed;
    }
    if !whole {
        return Some("Only everything of a deep backup of the whole database can take its place.".to_owned());
    }
    let seen = around.seen.as_ref().ok()?;
    if let Some(platform) = around.managed {
        return Some(format!("{platform} keeps its own list of databases and would not know of it."));
    }
    if matches!(database, "postgres" | "template0" | "template1") {
        return Some(format!("{database} is the server's own; tools and other databases rely on it."));
    }
    if !around.same_name {
        return Some(
            "The backup is not of this database on this server, so owners and rights would not be as they were."
                .to_owned(),
        );
    }
    tied(seen, database).or_else(|| rights(seen, database))
}

/// What would go on with the old database.
fn tied(seen: &Surroundings, database: &str) -> Option<String> {
    if seen.prepared > 0 {
        return Some(format!(
            "{} prepared for a commit in two steps; a database with one cannot be renamed.",
            count(seen.prepared, "transaction is", "transactions are")
        ));
    }
    if !seen.slots.is_empty() {
        return Some(format!(
            "The replication slot {} reads {database}; it would go on with the old one.",
            seen.slots.join(", ")
        ));
    }
    if seen.subscriptions > 0 {
        return Some(format!("A subscription writes into {database}; it would go on with the old one."));
    }
    if seen.frame.labels > 0 {
        return Some(format!("{database} has security labels, which Drydock does not carry over."));
    }
    None
}

/// What this login may not do.
fn rights(seen: &Surroundings, database: &str) -> Option<String> {
    let (user, owner) = (&seen.user, &seen.frame.owner);
    if !seen.owns {
        return Some(format!("{database} belongs to {owner}; the role {user} may not rename it."));
    }
    if seen.superuser {
        return None;
    }
    if !seen.strangers.is_empty() {
        return Some(format!(
            "Objects in {database} belong to {}, for whom the role {user} may not act.",
            seen.strangers.join(", ")
        ));
    }
    if seen.frame.is_template {
        return Some(format!("{database} is a template; only a superuser can make another one."));
    }
    let others: Vec<&str> = seen
        .frame
        .settings
        .iter()
        .filter_map(|setting| setting.role.as_deref())
        .filter(|role| role != user)
        .collect();
    if let Some(role) = others.first() {
        return Some(format!(
            "The role {user} may not carry over the settings that {role} has in {database}."
        ));
    }
    fixed(seen)
}

/// Sessions that this login may not end.
fn fixed(seen: &Surroundings) -> Option<String> {
    let user = &seen.user;
    let fixed: Vec<&str> = seen
        .sessions
        .iter()
        .filter(|session| !session.may_cut)
        .map(|session| session.user.as_str())
        .collect();
    match fixed.as_slice() {
        [] => None,
        [one] => Some(format!("The role {user} may not end the session of {one}.")),
        [one, ..] => {
            Some(format!("The role {user} may not end {} sessions, of {one} among others.", fixed.len()))
        }
    }
}

/// Why the names of this database and of one from before it cannot be exchanged. The other one's rights are asked when it
/// is done: the server refuses both or none.
pub(super) fn closed_exchange(seen: &Surroundings, database: &str) -> Option<String> {
    if seen.in_recovery {
        return Some("The server is a standby; it only reads.".to_owned());
    }
    if !seen.owns {
        let owner = &seen.frame.owner;
        return Some(format!("{database} belongs to {owner}; the role {} may not rename it.", seen.user));
    }
    if !seen.may_create {
        return Some(format!("The role {} may not rename databases; it needs CREATEDB.", seen.user));
    }
    tied(seen, database).or_else(|| fixed(seen))
}

fn reason(failure: &Failure) -> String {
    match &failure.why {
        Some(why) if !why.is_empty() => format!("{} {why}", failure.what),
        _ => failure.what.clone(),
    }
}
