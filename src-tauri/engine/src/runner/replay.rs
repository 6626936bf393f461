//! Replays applied migrations on a scratch database, the way an apply runs them, and remembers which
//! migration wrote which transactions. That is how an object finds the migration that made it.

use crate::{
    adapters::postgres::scratch::{self, Refusal},
    checks::drift::NotComparable,
    domain::{
        catalogue::ObjectRef,
        statement::{Action, Effect, ObjectKind, Script, ScriptMode, Statement, StatementKind},
    },
};
use sqlx::PgConnection;

/// What a replay left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// First transaction of each migration, in order; it reaches to the first of the next one.
    pub boundaries: Vec<(u32, String)>,
    /// Migrations of which at least one statement failed, and why.
    pub not_replayed: Vec<(String, String)>,
    /// What the failed statements would have made, changed or dropped.
    pub not_comparable: Vec<NotComparable>,
    /// Extensions that the scratch server lacks, with the migration that asks for them.
    pub missing_extensions: Vec<(String, String)>,
}

impl Replay {
    /// The migration that ran a transaction.
    pub fn culprit(&self, transaction: u32) -> Option<&str> {
        let (base, _) = self.boundaries.first()?;
        let since = |number: u32| number.wrapping_sub(*base);
        if since(transaction) > u32::MAX / 2 {
            return None;
        }
        let after = self.boundaries.partition_point(|(first, _)| since(*first) <= since(transaction));
        self.boundaries.get(after.checked_sub(1)?).map(|(_, name)| name.as_str())
    }
}

/// A migration to replay: name, text, and the text taken apart.
pub type AppliedScript = (String, String, Script);

/// An applied migration whose text is not at hand, with the reason: nothing of it is replayed, and the
/// report says so by name.
pub fn unreadable(name: &str, reason: &str) -> AppliedScript {
    let script = Script {
        statements: Vec::new(),
        mode: ScriptMode::AsWritten,
        mode_reason: String::new(),
        uncertain: Some(reason.to_owned()),
    };
    (name.to_owned(), String::new(), script)
}

/// Runs the migrations in order. A statement that fails is noted with everything it would have done;
/// the rest goes on, so that one missing extension does not hide the whole schema.
pub async fn replay(
    connection: &mut PgConnection,
    scripts: &[AppliedScript],
    schema: &str,
) -> Result<Replay, sqlx::Error> {
    scratch::prepare(connection, schema).await?;
    replay_on(connection, scripts, schema).await
}

/// Goes on replaying where [`replay`] ended.
///
/// # Errors
/// When the scratch server cannot be reached any more.
pub async fn replay_on(
    connection: &mut PgConnection,
    scripts: &[AppliedScript],
    schema: &str,
) -> Result<Replay, sqlx::Error> {
    let mut replay = Replay::default();
    for (name, sql, script) in scripts {
        let first = scratch::begin_migration(connection, schema).await?;
        replay.boundaries.push((first, name.clone()));
        let mut one = OneMigration { replay: &mut replay, name, sql, script, schema, reasons: Vec::new() };
        one.run(connection).await?;
        let reasons = one.reasons;
        if !reasons.is_empty() {
            replay.not_replayed.push((name.clone(), reasons.join("; ")));
        }
    }
    scratch::begin_migration(connection, schema).await?;
    Ok(replay)
}

/// One migration under way.
struct OneMigration<'a> {
    replay: &'a mut Replay,
    name: &'a str,
    sql: &'a str,
    script: &'a Script,
    schema: &'a str,
    reasons: Vec<String>,
}

impl OneMigration<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if let Some(reason) = self.script.uncertain.as_ref().filter(|_| self.sql.is_empty()) {
            self.whole_is_unknown(reason);
            return Ok(());
        }
        if self.script.mode == ScriptMode::Stepwise {
            return self.step_by_step(connection).await;
        }
        let outcome = scratch::run(connection, self.sql).await?;
        let left_open = (outcome.is_err() || self.script.mode == ScriptMode::AsWritten)
            && scratch::close_transaction(connection).await?;
        match outcome {
            Ok(()) if left_open => {
                let reason = "its transaction is never committed, so nothing of it stays";
                self.reasons.push(reason.to_owned());
                Ok(())
            }
            Ok(()) => Ok(()),
            Err(refusal) if self.script.statements.is_empty() || self.script.uncertain.is_some() => {
                self.whole_is_unknown(&refusal.message);
                Ok(())
            }
            Err(_) => {
                scratch::begin_migration(connection, self.schema).await?;
                self.step_by_step(connection).await
            }
        }
    }

    /// Each statement by itself. What was done already (a script may have committed halfway) refuses
    /// to be done twice, and is no failure.
    async fn step_by_step(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        for statement in &self.script.statements {
            if statement.kind == StatementKind::TransactionControl {
                continue;
            }
            let Some(sql) = self.sql.get(statement.start as usize..statement.end as usize) else { continue };
            if let Err(refusal) = scratch::run(connection, sql).await?
                && !is_done_already(&refusal)
            {
                self.failed(statement, &refusal);
            }
        }
        scratch::close_transaction(connection).await?;
        Ok(())
    }

    /// Notes what a failed statement would have done.
    fn failed(&mut self, statement: &Statement, refusal: &Refusal) {
        self.reasons.push(format!("line {}: {}", statement.line, refusal.message));
        let mut effects: Vec<&Effect> = statement.effects.iter().collect();
        effects.retain(|effect| {
            let extension = effect.kind == ObjectKind::Extension;
            if extension && effect.action == Action::Create {
                self.replay.missing_extensions.push((effect.name.clone(), self.name.to_owned()));
            }
            !extension
        });
        let reason = self.reason(refusal);
        for effect in effects {
            self.not_comparable(object_of(effect, self.schema), reason.clone());
        }
        let text = self.sql.get(statement.start as usize..statement.end as usize).unwrap_or_default();
        if may_do_anything(text) {
            self.not_comparable(
                whole_schema(self.schema),
                format!(
                    "what line {} of `{}` makes is not known, it could not be replayed ({})",
                    statement.line, self.name, refusal.message
                ),
            );
        }
    }

    fn whole_is_unknown(&mut self, because: &str) {
        self.reasons.push(because.to_owned());
        let reason = format!("`{}` could not be replayed ({because})", self.name);
        self.not_comparable(whole_schema(self.schema), reason);
    }

    fn reason(&self, refusal: &Refusal) -> String {
        let missing: Vec<String> =
            self.replay.missing_extensions.iter().map(|(name, _)| format!("`{name}`")).collect();
        if missing.is_empty() || !refusal.names_something_missing() {
            format!("replaying its migration failed ({})", refusal.message)
        } else {
            format!("no {} on the scratch copy ({})", missing.join(", "), refusal.message)
        }
    }

    fn not_comparable(&mut self, object: ObjectRef, reason: String) {
        if object.name.is_empty() {
            return;
        }
        let migration = Some(self.name.to_owned());
        self.replay.not_comparable.push(NotComparable { object, reason, migration });
    }
}

/// A statement whose text does not tell what it makes: DO and CALL.
fn may_do_anything(sql: &str) -> bool {
    let word: String = sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    word.eq_ignore_ascii_case("do") || word.eq_ignore_ascii_case("call")
}

/// The statement's effect is there already: duplicate schema, table, object, column, function, type value.
fn is_done_already(refusal: &Refusal) -> bool {
    matches!(refusal.state.as_str(), "42P06" | "42P07" | "42710" | "42701" | "42723")
}

/// The object that an effect is about.
pub fn object_of(effect: &Effect, schema: &str) -> ObjectRef {
    let schema = match effect.kind {
        ObjectKind::Extension | ObjectKind::Schema => String::new(),
        _ => effect.schema.clone().unwrap_or_else(|| schema.to_owned()),
    };
    ObjectRef { kind: effect.kind, schema, parent: effect.parent.clone(), name: effect.name.clone() }
}

fn whole_schema(schema: &str) -> ObjectRef {
    ObjectRef { kind: ObjectKind::Schema, schema: String::new(), parent: None, name: schema.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_belongs_to_the_last_migration_that_began_before_it() {
        let replay = Replay {
            boundaries: vec![(u32::MAX - 1, "a".into()), (3, "b".into()), (3, "c".into()), (9, "d".into())],
            ..Replay::default()
        };
        assert_eq!(replay.culprit(u32::MAX - 5), None, "older than the replay");
        assert_eq!(replay.culprit(u32::MAX), Some("a"));
        assert_eq!(replay.culprit(1), Some("a"), "numbers wrap");
        assert_eq!(replay.culprit(3), Some("c"), "b wrote nothing");
        assert_eq!(replay.culprit(8), Some("c"));
        assert_eq!(replay.culprit(100), Some("d"));
    }
}
