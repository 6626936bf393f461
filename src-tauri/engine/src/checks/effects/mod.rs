//! Which statements of a failed migration took effect: read from the catalogue, and where the
//! catalogue is silent (rows), concluded from the statements around it.
//!
//! Pure. What cannot be told stays `Unknown`; a conclusion says what it rests on.

mod alteration;
mod failing;
mod inverse;
mod observe;
mod rows;
mod words;

pub use failing::failed_statement;
pub use inverse::inverse;
pub use rows::{destroys, writes_only_into_own};

use crate::domain::{
    catalogue::Catalogue,
    migration::LiveObjects,
    repair::{EffectState, StatementEffect},
    statement::{Action, Effect, ObjectKind, Script, Statement, StatementKind},
};
use observe::{Observed, Sight, begins_with_rows, exists};

/// The state of every statement of a failed migration.
///
/// `schema`: where unqualified names lead. `failed_statement`: if our own journal knows it; else it is
/// looked for in the ledger's error text.
pub fn effect_states(
    script_text: &str,
    script: &Script,
    live: &Catalogue,
    schema: &str,
    failed_statement: Option<u32>,
    ledger_logs: Option<&str>,
) -> Vec<StatementEffect> {
    let failed = failed_statement
        .or_else(|| ledger_logs.and_then(|logs| failing::failed_statement(logs, script_text, script)));
    let mut states: Vec<StatementEffect> = script
        .statements
        .iter()
        .map(|statement| {
            let sql = text_of(script_text, statement);
            let seen = see(script, statement, &Observed { sql, live, schema });
            StatementEffect {
                number: statement.number,
                line: statement.line,
                summary: statement.summary.clone(),
                sql: sql.to_owned(),
                state: seen.state,
                evidence: seen.evidence,
                failed_here: failed == Some(statement.number),
            }
        })
        .collect();
    conclude(script, &mut states, failed);
    states
}

/// How many of the objects that a migration makes or drops are as it leaves them; `None` if none can be counted.
pub fn live_objects(script: &Script, live: &Catalogue, schema: &str) -> Option<LiveObjects> {
    let mut last: Vec<&Effect> = Vec::new();
    for statement in &script.statements {
        let made_here = |name: &str| {
            statement.effects.iter().any(|each| {
                each.action == Action::Create
                    && matches!(each.kind, ObjectKind::Table | ObjectKind::Enum)
                    && each.name == name
            })
        };
        for effect in &statement.effects {
            let part_of_a_new_one = effect.parent.as_deref().is_some_and(made_here);
            if effect.name.is_empty() || effect.action == Action::Alter || part_of_a_new_one {
                continue;
            }
            last.retain(|each| !same_object(each, effect));
            last.push(effect);
        }
    }
    let dropped_with = |effect: &Effect| {
        last.iter().any(|each| {
            each.action == Action::Drop
                && each.kind == ObjectKind::Table
                && effect.parent.as_deref() == Some(each.name.as_str())
        })
    };
    let seen: Vec<bool> = last
        .iter()
        .filter(|effect| !dropped_with(effect))
        .filter_map(|effect| {
            exists(live, effect, schema).map(|is_there| is_there == (effect.action == Action::Create))
        })
        .collect();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (!seen.is_empty()).then(|| LiveObjects {
        present: count(seen.iter().filter(|each| **each).count()),
        countable: count(seen.len()),
    })
}

/// A statement's text.
pub(crate) fn text_of<'a>(script_text: &'a str, statement: &Statement) -> &'a str {
    script_text.get(statement.start as usize..statement.end as usize).unwrap_or_default()
}

/// What the catalogue shows of one statement.
fn see(script: &Script, statement: &Statement, observed: &Observed<'_>) -> Sight {
    let mut overtaken = None;
    let mut seen: Vec<Sight> = Vec::new();
    for effect in &statement.effects {
        let Some(mut sight) = observed.see(effect) else { continue };
        if let Some(later) = overtaking(script, statement, effect)
            && sight.state == EffectState::Absent
        {
            overtaken = Some(later);
            sight.state = EffectState::Unknown;
            sight.evidence = format!("{}; statement {later} changes it again", sight.evidence);
        }
        seen.push(sight);
    }
    let has = |state: EffectState| seen.iter().any(|sight| sight.state == state);
    let evidence_of = |state: EffectState| {
        let found: Vec<&str> =
            seen.iter().filter(|sight| sight.state == state).map(|sight| sight.evidence.as_str()).collect();
        match found.as_slice() {
            [] => String::new(),
            [first] => format!("{first}."),
            [first, rest @ ..] => format!("{first}, and {} more.", rest.len()),
        }
    };
    let (state, evidence) = if seen.is_empty() {
        (EffectState::Unknown, silence(statement, observed.sql).to_owned())
    } else if has(EffectState::Broken) {
        (EffectState::Broken, evidence_of(EffectState::Broken))
    } else if has(EffectState::Present) && has(EffectState::Absent) {
        let halves =
            format!("{} But {}", evidence_of(EffectState::Present), evidence_of(EffectState::Absent));
        (EffectState::Unknown, halves)
    } else if has(EffectState::Present) && (!has(EffectState::Unknown) || overtaken.is_some()) {
        (EffectState::Present, evidence_of(EffectState::Present))
    } else if has(EffectState::Absent) {
        (EffectState::Absent, evidence_of(EffectState::Absent))
    } else {
        (EffectState::Unknown, evidence_of(EffectState::Unknown))
    };
    Sight { state, evidence }
}

/// Why the catalogue shows nothing of a statement.
fn silence(statement: &Statement, sql: &str) -> &'static str {
    match statement.kind {
        StatementKind::TransactionControl => "Begins or ends a transaction.",
        StatementKind::Session => "Sets up the session.",
        _ if begins_with_rows(sql) => "Rows are not in the catalogue.",
        _ => "The catalogue does not show what it does.",
    }
}

/// A later statement that takes back or replaces an effect.
fn overtaking(script: &Script, statement: &Statement, effect: &Effect) -> Option<u32> {
    script
        .statements
        .iter()
        .filter(|later| later.number > statement.number)
        .find(|later| {
            later.effects.iter().any(|each| {
                let whole =
                    each.kind == ObjectKind::Table && effect.parent.as_deref() == Some(each.name.as_str());
                let undone = match effect.action {
                    Action::Create => each.action == Action::Drop,
                    Action::Drop => each.action == Action::Create,
                    Action::Alter => true,
                };
                undone && (same_object(each, effect) || (whole && each.action == Action::Drop))
            })
        })
        .map(|later| later.number)
}

fn same_object(one: &Effect, other: &Effect) -> bool {
    (one.kind, &one.schema, &one.parent, &one.name) == (other.kind, &other.schema, &other.parent, &other.name)
}

/// Fills in what the catalogue is silent about. Statements run in order, and what commits later has not
/// been taken back earlier, so the statements around one tell about it.
fn conclude(script: &Script, states: &mut [StatementEffect], failed: Option<u32>) {
    let before_failure = |number: u32| failed.is_none_or(|failed| number < failed);
    let proves = |each: &StatementEffect, statement: &Statement, state: EffectState| {
        each.state == state
            && before_failure(each.number)
            && !statement.effects.is_empty()
            && !statement.effects.iter().any(|effect| effect.conditional)
    };
    let numbers = |state: EffectState| -> Vec<u32> {
        let pairs = states.iter().zip(&script.statements);
        pairs
            .filter(|(each, statement)| proves(each, statement, state))
            .map(|(each, _)| each.number)
            .collect()
    };
    let (present, absent) = (numbers(EffectState::Present), numbers(EffectState::Absent));
    let own_transactions =
        script.statements.iter().any(|statement| statement.kind == StatementKind::TransactionControl);
    for (each, statement) in states.iter_mut().zip(&script.statements) {
        if each.failed_here && each.state == EffectState::Present {
            each.evidence =
                format!("{} It was there before: this is the statement that failed.", each.evidence);
        }
        if each.state != EffectState::Unknown || !statement.effects.is_empty() {
            continue;
        }
        let (state, because) = if each.failed_here {
            (EffectState::Absent, "It failed, so nothing of it stayed.".to_owned())
        } else if let Some(later) = present.iter().find(|number| **number > each.number) {
            (EffectState::Present, format!("Statement {later}, which runs after it, is in."))
        } else if let Some(earlier) = absent.iter().find(|number| **number < each.number) {
            (EffectState::Absent, format!("Statement {earlier}, which runs before it, is not in."))
        } else if failed.is_some_and(|failed| each.number > failed) {
            (EffectState::Absent, "It comes after the statement that failed.".to_owned())
        } else if failed.is_some() && !own_transactions && !present.is_empty() {
            let before = "It ran before the failure, and what ran before it was not taken back.";
            (EffectState::Present, before.to_owned())
        } else if failed.is_some() && !own_transactions && !absent.is_empty() {
            (EffectState::Absent, "What ran with it was taken back.".to_owned())
        } else {
            continue;
        };
        each.state = state;
        each.evidence = because;
    }
}
