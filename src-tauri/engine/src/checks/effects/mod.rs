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
    let mut states = Vec::with_capacity(script.statements.len());
    let mut readings = Vec::with_capacity(script.statements.len());
    for statement in &script.statements {
        let sql = text_of(script_text, statement);
        let reading = see(script, statement, &Observed { sql, live, schema });
        states.push(StatementEffect {
            number: statement.number,
            line: statement.line,
            summary: statement.summary.clone(),
            sql: sql.to_owned(),
            state: reading.sight.state,
            evidence: reading.sight.evidence.clone(),
            failed_here: failed == Some(statement.number),
        });
        readings.push(reading);
    }
    conclude(script, &mut states, &readings, failed);
    conclude_drops(&mut states, &readings);
    nothing_to_drop(script, live, schema, &mut states);
    states
}

/// A drop that failed because its table does not exist is not in: nothing was there to drop.
fn nothing_to_drop(script: &Script, live: &Catalogue, schema: &str, states: &mut [StatementEffect]) {
    for (statement, state) in script.statements.iter().zip(states.iter_mut()) {
        let missing = statement.effects.iter().find_map(|effect| {
            let parent =
                effect.parent.as_deref().filter(|_| effect.action == Action::Drop && !effect.conditional)?;
            live.table(effect.schema.as_deref().unwrap_or(schema), parent).is_none().then_some(parent)
        });
        if let Some(table) = missing.filter(|_| state.failed_here && state.state == EffectState::Present) {
            state.state = EffectState::Absent;
            state.evidence = format!("Table `{table}` does not exist: there was nothing to drop.");
        }
    }
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

/// What the catalogue shows of one statement, and what that tells about others.
struct Reading {
    sight: Sight,
    /// Part of it is in and part is not, which no run of the script explains.
    torn: bool,
    /// What it drops is gone, but this earlier statement makes it: both or neither ran.
    gone_made_by: Option<u32>,
    /// It is in under a name that this later statement gave it.
    proves: Option<u32>,
}

/// What the catalogue shows of one statement.
fn see(script: &Script, statement: &Statement, observed: &Observed<'_>) -> Reading {
    if let Some(reading) = renamed_enum(script, statement, observed) {
        return reading;
    }
    let mut overtaken = false;
    let mut gone_made_by = None;
    let mut seen: Vec<Sight> = Vec::new();
    for effect in &statement.effects {
        let Some(mut sight) = observed.see(effect) else { continue };
        let later = overtaking(script, statement, effect)
            .or_else(|| type_moves_on(script, statement, effect, observed));
        let earlier = undercutting(script, statement, effect);
        if let Some(later) = later.filter(|_| sight.state == EffectState::Absent) {
            overtaken = true;
            sight.state = EffectState::Unknown;
            sight.evidence = format!("{}; statement {later} changes it again", sight.evidence);
        } else if let Some(earlier) = earlier.filter(|_| sight.state == EffectState::Present) {
            gone_made_by = gone_made_by.or(Some(earlier).filter(|_| effect.action == Action::Drop));
            sight.state = EffectState::Unknown;
            sight.evidence = format!("{}, as it may have been before statement {earlier}", sight.evidence);
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
    let torn = !has(EffectState::Broken) && has(EffectState::Present) && has(EffectState::Absent);
    let (state, evidence) = if seen.is_empty() {
        (EffectState::Unknown, silence(statement, observed.sql).to_owned())
    } else if has(EffectState::Broken) {
        (EffectState::Broken, evidence_of(EffectState::Broken))
    } else if torn {
        let halves =
            format!("{} But {}", evidence_of(EffectState::Present), evidence_of(EffectState::Absent));
        (EffectState::Unknown, halves)
    } else if has(EffectState::Present) && (!has(EffectState::Unknown) || overtaken) {
        (EffectState::Present, evidence_of(EffectState::Present))
    } else if has(EffectState::Absent) {
        (EffectState::Absent, evidence_of(EffectState::Absent))
    } else {
        (EffectState::Unknown, evidence_of(EffectState::Unknown))
    };
    Reading { sight: Sight { state, evidence }, torn, gone_made_by, proves: None }
}

/// Values of an enum are exchanged by making a new type and giving it the old one's name at the end; its
/// labels then tell which of the two has the name.
fn renamed_enum(script: &Script, statement: &Statement, observed: &Observed<'_>) -> Option<Reading> {
    let made = statement.effects.first().filter(|effect| {
        effect.kind == ObjectKind::Enum && effect.action == Action::Create && !effect.conditional
    })?;
    if observed.exists(made) != Some(false) {
        return None;
    }
    let (by, new_name) = script.statements.iter().filter(|later| later.number > statement.number).find_map(
        |later| match later.effects.as_slice() {
            [from, to] if from.action == Action::Drop && same_object(from, made) && to.kind == from.kind => {
                Some((later.number, to))
            }
            _ => None,
        },
    )?;
    let schema = new_name.schema.as_deref().unwrap_or(observed.schema);
    let there = observed.live.enum_type(schema, &new_name.name)?;
    let labels: Vec<&str> = there.labels.iter().map(|label| label.name.as_str()).collect();
    let made_labels: Vec<&str> = statement
        .effects
        .iter()
        .filter(|effect| effect.kind == ObjectKind::EnumValue)
        .map(|effect| effect.name.as_str())
        .collect();
    let (state, has) = if labels == made_labels {
        (EffectState::Present, "exactly these values, in this order")
    } else {
        (EffectState::Absent, "other values")
    };
    let evidence = format!("`{}` has {has}.", new_name.name);
    let proves = Some(by).filter(|_| state == EffectState::Present);
    Some(Reading { sight: Sight { state, evidence }, torn: false, gone_made_by: None, proves })
}

/// A later statement that renames or drops the type which a column is changed to.
fn type_moves_on(
    script: &Script,
    statement: &Statement,
    effect: &Effect,
    observed: &Observed<'_>,
) -> Option<u32> {
    if effect.kind != ObjectKind::Column {
        return None;
    }
    let types = alteration::types_written(observed.sql);
    script
        .statements
        .iter()
        .filter(|later| later.number > statement.number)
        .find(|later| {
            later.effects.iter().any(|each| {
                matches!(each.kind, ObjectKind::Enum | ObjectKind::Type)
                    && each.action == Action::Drop
                    && types.contains(&each.name)
            })
        })
        .map(|later| later.number)
}

/// An earlier statement that does the opposite to the same object, so that its being there (or gone)
/// says nothing yet.
fn undercutting(script: &Script, statement: &Statement, effect: &Effect) -> Option<u32> {
    let opposite = match effect.action {
        Action::Create => Action::Drop,
        Action::Drop => Action::Create,
        Action::Alter => return None,
    };
    script
        .statements
        .iter()
        .filter(|earlier| earlier.number < statement.number)
        .find(|earlier| {
            earlier.effects.iter().any(|each| {
                let whole =
                    each.kind == ObjectKind::Table && effect.parent.as_deref() == Some(each.name.as_str());
                each.action == opposite && (same_object(each, effect) || (whole && opposite == Action::Drop))
            })
        })
        .map(|earlier| earlier.number)
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
                let whole = matches!(each.kind, ObjectKind::Table | ObjectKind::Enum | ObjectKind::Type)
                    && effect.parent.as_deref() == Some(each.name.as_str());
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

/// The same object, where only CREATE TYPE says that a type is an enum.
fn same_object(one: &Effect, other: &Effect) -> bool {
    let kind = |effect: &Effect| match effect.kind {
        ObjectKind::Enum => ObjectKind::Type,
        kind => kind,
    };
    (kind(one), &one.schema, &one.parent, &one.name)
        == (kind(other), &other.schema, &other.parent, &other.name)
}

/// Fills in what the catalogue is silent about. Statements run in order, and what commits later has not
/// been taken back earlier, so the statements around one tell about it.
fn conclude(script: &Script, states: &mut [StatementEffect], readings: &[Reading], failed: Option<u32>) {
    let before_failure = |number: u32| failed.is_none_or(|failed| number < failed);
    let numbers = |state: EffectState| -> Vec<u32> {
        // What is altered may have been so before, unless the script itself made it; what is made or
        // dropped was not, or the statement would have failed.
        let has = |action: Action, effect: &Effect| {
            script
                .statements
                .iter()
                .flat_map(|statement| &statement.effects)
                .any(|each| each.action == action && !each.conditional && same_object(each, effect))
        };
        let own = |effect: &Effect| has(Action::Create, effect) && !has(Action::Drop, effect);
        let shows =
            |effect: &Effect| effect.action != Action::Alter || state == EffectState::Absent || own(effect);
        let strong = |(each, statement): &(&StatementEffect, &Statement)| {
            each.state == state
                && before_failure(each.number)
                && statement.effects.iter().any(shows)
                && !statement.effects.iter().any(|effect| effect.conditional)
        };
        states.iter().zip(&script.statements).filter(strong).map(|(each, _)| each.number).collect()
    };
    let (mut present, absent) = (numbers(EffectState::Present), numbers(EffectState::Absent));
    present.extend(readings.iter().filter_map(|reading| reading.proves));
    present.sort_unstable();
    let own_transactions =
        script.statements.iter().any(|statement| statement.kind == StatementKind::TransactionControl);
    for (each, reading) in states.iter_mut().zip(readings) {
        if each.failed_here && each.state == EffectState::Present {
            each.evidence =
                format!("{} It was there before: this is the statement that failed.", each.evidence);
        }
        if each.state != EffectState::Unknown || reading.torn {
            continue;
        }
        let (state, because) = if each.failed_here {
            (EffectState::Absent, "It failed, so nothing of it stayed.".to_owned())
        } else if present.contains(&each.number) {
            (EffectState::Present, "What it renames is there under the new name.".to_owned())
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

/// What a script makes and drops again is gone either way; whether the drop ran follows from the making.
fn conclude_drops(states: &mut [StatementEffect], readings: &[Reading]) {
    for at in 0..states.len() {
        let Some(maker) = readings[at].gone_made_by.filter(|_| states[at].state == EffectState::Unknown)
        else {
            continue;
        };
        let made = states.iter().find(|each| each.number == maker).map(|each| each.state);
        let (state, evidence) = match made {
            Some(EffectState::Present) => {
                (EffectState::Present, format!("Statement {maker} made it, and it is gone."))
            }
            Some(EffectState::Absent) => {
                (EffectState::Absent, format!("Statement {maker}, which makes it, is not in."))
            }
            _ => continue,
        };
        states[at].state = state;
        states[at].evidence = evidence;
    }
}
