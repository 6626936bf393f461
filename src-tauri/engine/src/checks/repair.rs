//! The ways on from a failed migration, each with exactly what it would run and why it is refused.
//!
//! Pure: it decides nothing for the operator, it only knows which way leaves nothing half done.

use super::effects::{destroys, effect_states, inverse, text_of, writes_only_into_own};
use crate::domain::{
    catalogue::Catalogue,
    plan::{PlanPurpose, RepairStatement},
    repair::{EffectState, RepairReport, RepairWay, StatementEffect},
    statement::{Action, ObjectKind, Script, Statement, StatementKind},
};

/// A failed migration and what is known about it.
#[derive(Debug, Clone, Copy)]
pub struct FailedMigration<'a> {
    /// Name.
    pub name: &'a str,
    /// The file's text; `None` if there is no file (any more).
    pub script_text: Option<&'a str>,
    /// The text taken apart; empty without a file.
    pub script: &'a Script,
    /// The live schema.
    pub live: &'a Catalogue,
    /// Where unqualified names lead.
    pub schema: &'a str,
    /// The statement that failed, if our own journal knows it.
    pub failed_statement: Option<u32>,
    /// The error text that the ledger keeps.
    pub ledger_logs: Option<&'a str>,
}

/// What is known about a failed migration, and the ways on, recommended first.
pub fn report(failed: &FailedMigration<'_>) -> RepairReport {
    let text = failed.script_text.unwrap_or_default();
    let statements = effect_states(
        text,
        failed.script,
        failed.live,
        failed.schema,
        failed.failed_statement,
        failed.ledger_logs,
    );
    let mut ways = ways(failed, &statements);
    ways.sort_by_key(|way| (!way.recommended, way.refused.is_some()));
    RepairReport {
        migration: failed.name.to_owned(),
        headline: headline(failed, &statements),
        error: failed.ledger_logs.and_then(first_error),
        statements,
        ways,
    }
}

/// The four ways, each available or refused with a reason; at most one is recommended.
pub fn ways(failed: &FailedMigration<'_>, effects: &[StatementEffect]) -> Vec<RepairWay> {
    let picture = Picture::new(failed, effects);
    let mut ways = vec![picture.undo(), picture.finish(), picture.mark_rolled_back(), picture.mark_applied()];
    let recommended = picture.recommended(&ways);
    for way in &mut ways {
        way.recommended = Some(&way.purpose) == recommended.as_ref();
    }
    ways
}

/// `3 of 7 statements are in. Statement 4 failed.`
fn headline(failed: &FailedMigration<'_>, effects: &[StatementEffect]) -> String {
    if failed.script_text.is_none() {
        return "The file of this migration is missing, so what it left cannot be told.".to_owned();
    }
    let total = effects.len();
    let count = |state: EffectState| effects.iter().filter(|each| each.state == state).count();
    let (present, unknown, broken) =
        (count(EffectState::Present), count(EffectState::Unknown), count(EffectState::Broken));
    let verb = if present == 1 { "is" } else { "are" };
    let mut said = match present {
        0 if unknown + broken == 0 => format!("Nothing of its {} is in.", plural(total, "statement")),
        all if all == total => format!("All {} are in.", plural(total, "statement")),
        some => format!("{some} of {} {verb} in.", plural(total, "statement")),
    };
    if broken > 0 {
        said.push_str(&format!(" {broken} left something half done."));
    }
    if let Some(here) = effects.iter().find(|each| each.failed_here) {
        said.push_str(&format!(" Statement {} failed.", here.number));
    }
    if unknown > 0 {
        said.push_str(&format!(" {unknown} cannot be told."));
    }
    said
}

/// The server's words out of a ledger's error text, without colours and traces.
fn first_error(logs: &str) -> Option<String> {
    let line = |start: &str| logs.lines().find_map(|line| line.trim().strip_prefix(start)).map(str::trim);
    let message = line("ERROR:").or_else(|| logs.lines().map(str::trim).find(|line| !line.is_empty()))?;
    let code = line("Database error code:").filter(|code| code.len() == 5);
    Some(match code {
        Some(code) => format!("{message} ({code})"),
        None => message.to_owned(),
    })
}

/// The statements of a failed migration, sorted by what is left of them.
struct Picture<'a> {
    failed: &'a FailedMigration<'a>,
    /// Those that can leave something, with their state.
    lasting: Vec<(&'a Statement, &'a StatementEffect)>,
}

impl<'a> Picture<'a> {
    fn new(failed: &'a FailedMigration<'a>, effects: &'a [StatementEffect]) -> Self {
        let passing = |statement: &Statement| {
            matches!(statement.kind, StatementKind::TransactionControl | StatementKind::Session)
        };
        let lasting = failed
            .script
            .statements
            .iter()
            .zip(effects)
            .filter(|(statement, _)| !passing(statement))
            .collect();
        Self { failed, lasting }
    }

    fn numbers(&self, state: EffectState) -> Vec<u32> {
        self.lasting
            .iter()
            .filter(|(_, effect)| effect.state == state)
            .map(|(_, effect)| effect.number)
            .collect()
    }

    /// Nothing can be said about statements without a file or with a text that was not understood.
    fn blind(&self) -> Option<String> {
        if self.failed.script_text.is_none() {
            return Some("There is no file of this migration, so what it left cannot be told.".to_owned());
        }
        let uncertain = self.failed.script.uncertain.as_deref()?;
        Some(format!("The file could not be taken apart with certainty: {uncertain}"))
    }

    fn sql(&self, statement: &Statement) -> &'a str {
        text_of(self.failed.script_text.unwrap_or_default(), statement)
    }

    fn way(&self, purpose: PlanPurpose, title: String, explanation: String) -> RepairWay {
        RepairWay { purpose, title, explanation, statements: Vec::new(), refused: None, recommended: false }
    }

    /// Runs what is not in, then marks the migration as applied.
    fn finish(&self) -> RepairWay {
        let migration = self.failed.name.to_owned();
        let rest: Vec<_> = self
            .lasting
            .iter()
            .filter(|(_, effect)| matches!(effect.state, EffectState::Absent | EffectState::Broken))
            .collect();
        let failing = rest.iter().find(|(_, effect)| effect.failed_here);
        let first = failing.map_or(String::new(), |(_, effect)| {
            format!(" Statement {} fails again unless its cause is gone.", effect.number)
        });
        let explanation = format!(
            "Runs the statements that are not in, then records the migration as applied. What is in stays as it is.{first}"
        );
        let title = format!("Finish the rest: {}", plural(rest.len(), "statement"));
        let mut way = self.way(PlanPurpose::FinishFailed { migration }, title, explanation);
        let unknown = self.numbers(EffectState::Unknown);
        way.refused = self.blind().or_else(|| {
            (!unknown.is_empty())
                .then(|| {
                    format!(
                        "Whether {} ran cannot be told; running it twice may do harm.",
                        statements(&unknown)
                    )
                })
                .or_else(|| {
                    rest.is_empty().then(|| "All statements are in; nothing is left to run.".to_owned())
                })
        });
        if way.refused.is_none() {
            way.statements = self.rest();
        }
        way
    }

    /// What is not in, with the session's settings that lead to it, and without what a broken build left.
    fn rest(&self) -> Vec<RepairStatement> {
        let absent = self.numbers(EffectState::Absent);
        let broken = self.numbers(EffectState::Broken);
        let mut run = Vec::new();
        for statement in &self.failed.script.statements {
            let needed = absent.contains(&statement.number) || broken.contains(&statement.number);
            let sets_up = statement.kind == StatementKind::Session
                && absent.iter().chain(&broken).any(|number| *number > statement.number);
            if !needed && !sets_up {
                continue;
            }
            if broken.contains(&statement.number) {
                run.extend(self.drop_broken(statement));
            }
            run.push(RepairStatement {
                sql: self.sql(statement).to_owned(),
                summary: statement.summary.clone(),
                destructive: destroys(self.sql(statement), &statement.effects),
            });
        }
        run
    }

    fn drop_broken(&self, statement: &Statement) -> Vec<RepairStatement> {
        let mut drops = inverse(statement, self.sql(statement), self.failed.live, self.failed.schema)
            .or_else(|| self.drop_invalid_indexes(statement))
            .unwrap_or_default();
        for drop in &mut drops {
            drop.summary = format!("{}, left INVALID", drop.summary);
        }
        drops
    }

    /// `IF NOT EXISTS` is no reason to spare an INVALID index: it serves nobody.
    fn drop_invalid_indexes(&self, statement: &Statement) -> Option<Vec<RepairStatement>> {
        let mut unconditional = statement.clone();
        unconditional.effects.retain(|effect| effect.kind == ObjectKind::Index);
        for effect in &mut unconditional.effects {
            effect.conditional = false;
        }
        inverse(&unconditional, self.sql(statement), self.failed.live, self.failed.schema)
    }

    /// Takes back what is in, in reverse order, then marks the migration as rolled back.
    fn undo(&self) -> RepairWay {
        let migration = self.failed.name.to_owned();
        let mut back = Vec::new();
        let mut stuck = Vec::new();
        for (statement, effect) in self.lasting.iter().rev() {
            match effect.state {
                EffectState::Broken => back.extend(self.drop_broken(statement)),
                // The statement that failed because its object was there before has made nothing.
                EffectState::Present if !effect.failed_here && !self.goes_with_own_objects(statement) => {
                    match inverse(statement, self.sql(statement), self.failed.live, self.failed.schema) {
                        Some(statements) => back.extend(statements),
                        None => stuck.push(effect.number),
                    }
                }
                _ => {}
            }
        }
        stuck.reverse();
        let destructive = back.iter().any(|statement| statement.destructive);
        let loses = if destructive { " What was written into it since is lost." } else { "" };
        let explanation = format!(
            "Takes back what is in, last first, then records the migration as rolled back: the next apply runs it from the start.{loses}"
        );
        let title = format!("Take back: {}", plural(back.len(), "statement"));
        let mut way = self.way(PlanPurpose::UndoFailed { migration }, title, explanation);
        let unknown: Vec<u32> = self
            .lasting
            .iter()
            .filter(|(statement, effect)| {
                effect.state == EffectState::Unknown
                    && !effect.failed_here
                    && !self.goes_with_own_objects(statement)
            })
            .map(|(_, effect)| effect.number)
            .collect();
        way.refused = self.blind().or_else(|| {
            if !stuck.is_empty() {
                Some(format!("{} cannot be taken back.", capital(&statements(&stuck))))
            } else if !unknown.is_empty() {
                Some(format!(
                    "Whether {} ran cannot be told, so it cannot be taken back.",
                    statements(&unknown)
                ))
            } else if back.is_empty() {
                Some("Nothing of it is in; mark it as rolled back instead.".to_owned())
            } else {
                None
            }
        });
        if way.refused.is_none() {
            way.statements = back;
        }
        way
    }

    /// It goes when the tables and columns go that this very migration makes.
    fn goes_with_own_objects(&self, statement: &Statement) -> bool {
        if statement.effects.is_empty() {
            return writes_only_into_own(self.sql(statement), self.failed.script);
        }
        statement.effects.iter().all(|effect| {
            self.lasting.iter().any(|(maker, seen)| {
                maker.number < statement.number
                    && seen.state == EffectState::Present
                    && maker.effects.iter().any(|made| {
                        let own_table =
                            made.kind == ObjectKind::Table && effect.parent.as_deref() == Some(&made.name);
                        let own_column = made.kind == ObjectKind::Column
                            && effect.action == Action::Alter
                            && (made.kind, &made.parent, &made.name)
                                == (effect.kind, &effect.parent, &effect.name);
                        made.action == Action::Create && !made.conditional && (own_table || own_column)
                    })
            })
        })
    }

    /// Records it as applied and runs nothing.
    fn mark_applied(&self) -> RepairWay {
        let migration = self.failed.name.to_owned();
        let unknown = self.numbers(EffectState::Unknown);
        let doubt = match unknown.as_slice() {
            [] => String::new(),
            some => format!(" Whether {} ran cannot be told: make sure first.", statements(some)),
        };
        let explanation = format!(
            "Records it as applied and runs nothing, as `prisma migrate resolve --applied` does.{doubt}"
        );
        let mut way =
            self.way(PlanPurpose::MarkApplied { migration }, "Mark as applied".to_owned(), explanation);
        let mut missing = self.numbers(EffectState::Absent);
        missing.extend(self.numbers(EffectState::Broken));
        missing.sort_unstable();
        way.refused = if self.failed.script_text.is_none() {
            Some("There is no file of this migration to record.".to_owned())
        } else if missing.is_empty() {
            None
        } else {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            Some(format!("{} {verb} not in: the app would miss it.", capital(&statements(&missing))))
        };
        way
    }

    /// Records it as rolled back and runs nothing.
    fn mark_rolled_back(&self) -> RepairWay {
        let migration = self.failed.name.to_owned();
        let unknown = self.numbers(EffectState::Unknown);
        let doubt = match unknown.as_slice() {
            [] => String::new(),
            some => {
                format!(" Whether {} ran cannot be told: the next apply runs it again.", statements(some))
            }
        };
        let explanation = format!(
            "Records it as rolled back and runs nothing, as `prisma migrate resolve --rolled-back` does. The next apply runs the file from the start.{doubt}"
        );
        let mut way = self.way(
            PlanPurpose::MarkRolledBack { migration },
            "Mark as rolled back".to_owned(),
            explanation,
        );
        let in_the_way: Vec<u32> = self
            .lasting
            .iter()
            .filter(|(statement, effect)| {
                matches!(effect.state, EffectState::Present | EffectState::Broken)
                    && !effect.failed_here
                    && (statement.effects.is_empty()
                        || statement.effects.iter().any(|each| !each.conditional))
            })
            .map(|(_, effect)| effect.number)
            .collect();
        if self.failed.script_text.is_some() && !in_the_way.is_empty() {
            let verb = if in_the_way.len() == 1 { "is" } else { "are" };
            way.refused = Some(format!(
                "{} {verb} in: the next apply would run the file from the start and meet them.",
                capital(&statements(&in_the_way))
            ));
        }
        way
    }

    /// Nothing in: start again. All in: say so. Halfway: back, unless that costs a table's rows or the
    /// cause was a passing one.
    fn recommended(&self, ways: &[RepairWay]) -> Option<PlanPurpose> {
        if self.blind().is_some() {
            return None;
        }
        let open = |wanted: fn(&PlanPurpose) -> bool| {
            ways.iter().find(|way| way.refused.is_none() && wanted(&way.purpose))
        };
        let sure = self.numbers(EffectState::Unknown).is_empty();
        let undo = open(|purpose| matches!(purpose, PlanPurpose::UndoFailed { .. }));
        let finish = open(|purpose| matches!(purpose, PlanPurpose::FinishFailed { .. }));
        let costs_rows = |way: &&RepairWay| {
            way.statements.iter().any(|each| each.destructive && each.sql.starts_with("DROP TABLE"))
        };
        open(|purpose| matches!(purpose, PlanPurpose::MarkRolledBack { .. }))
            .or_else(|| open(|purpose| matches!(purpose, PlanPurpose::MarkApplied { .. })))
            .filter(|_| sure)
            .or_else(|| finish.filter(|_| self.cause_was_passing()))
            .or_else(|| undo.filter(|way| !costs_rows(way)))
            .or(finish)
            .or(undo)
            .map(|way| way.purpose.clone())
    }

    /// A lock, a cancel, a full disk or a lost connection: the statement itself may be right.
    fn cause_was_passing(&self) -> bool {
        const PASSING: [&str; 12] = [
            "55P03",
            "57014",
            "40P01",
            "40001",
            "57P01",
            "53100",
            "53300",
            "08006",
            "lock timeout",
            "canceling statement",
            "deadlock detected",
            "terminating connection",
        ];
        self.failed.ledger_logs.is_some_and(|logs| PASSING.iter().any(|sign| logs.contains(sign)))
    }
}

/// `statement 2`, `statements 2 and 4`, `statements 2, 4 and 5`.
fn statements(numbers: &[u32]) -> String {
    let words: Vec<String> = numbers.iter().map(u32::to_string).collect();
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => format!("statement {only}"),
        Some((last, before)) => format!("statements {} and {last}", before.join(", ")),
    }
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn plural(number: usize, singular: &str) -> String {
    if number == 1 { format!("1 {singular}") } else { format!("{number} {singular}s") }
}
