//! Which statement failed, read from the error text that a ledger keeps.

use super::text_of;
use crate::domain::statement::{Action, Script};

/// The number of the failed statement; `None` if the text does not tell it for certain.
pub fn failed_statement(logs: &str, script_text: &str, script: &Script) -> Option<u32> {
    if let [only] = script.statements.as_slice() {
        return Some(only.number);
    }
    marked_line(logs, script_text, script).or_else(|| named_object(logs, script))
}

/// Prisma prints the lines around the position and marks the failing one in red.
fn marked_line(logs: &str, script_text: &str, script: &Script) -> Option<u32> {
    let (before, after) = logs.split_once("\u{1b}[1;31m")?;
    let line_text = after.split('\u{1b}').next()?.trim();
    let number: usize = before.rsplit('m').next()?.trim().parse().ok().or_else(|| {
        let digits = before.trim_end_matches("\u{1b}[0m").rsplit('m').next()?;
        digits.trim().parse().ok()
    })?;
    let in_file = script_text.lines().nth(number.checked_sub(1)?);
    if in_file.is_some_and(|line| line.trim() == line_text) {
        let line = u32::try_from(number).ok()?;
        let at = script.statements.iter().rev().find(|statement| statement.line <= line)?;
        return Some(at.number);
    }
    // Since 7.4 the position counts from the statement's own start.
    let holds = |sql: &str| sql.lines().nth(number - 1).is_some_and(|line| line.trim() == line_text);
    only(
        script
            .statements
            .iter()
            .filter(|statement| holds(text_of(script_text, statement)))
            .map(|each| each.number),
    )
}

/// The error says that an object exists already or does not exist, and one statement alone makes or drops it.
fn named_object(logs: &str, script: &Script) -> Option<u32> {
    let line =
        logs.lines().find(|line| line.contains("already exists") || line.contains("does not exist"))?;
    let exists = line.contains("already exists");
    let name = line.split('"').nth(1)?;
    only(
        script
            .statements
            .iter()
            .filter(|statement| {
                statement.effects.iter().any(|effect| {
                    let fits = if exists {
                        effect.action == Action::Create
                    } else {
                        effect.action != Action::Create || effect.parent.as_deref() == Some(name)
                    };
                    fits && !effect.conditional
                        && (effect.name == name || effect.parent.as_deref() == Some(name) && !exists)
                })
            })
            .map(|statement| statement.number),
    )
}

/// The only one of several candidates.
fn only(mut candidates: impl Iterator<Item = u32>) -> Option<u32> {
    let first = candidates.next()?;
    candidates.next().is_none().then_some(first)
}
