//! Taking PostgreSQL scripts apart without running them: statements, effects, locks, and how to send them.
//!
//! Pure text work in linear time; it never fails on any input. It is deliberately not a full grammar: what it does
//! not recognise is sent as written, and what it cannot take apart with certainty says so in [`Script::uncertain`].
//! It assumes `standard_conforming_strings = on`, PostgreSQL's default.

mod command;
mod cursor;
mod destructive;
mod dry_run;
mod effects;
mod kind;
mod lex;
mod locate;
mod locks;
mod mode;
mod of_dump;
mod parse;
mod parse_table;
mod split;
mod summary;

pub use destructive::destructive;
pub use dry_run::{dry_runnable, outside_effects, unwrapped};
pub(in crate::planner) use lex::{NAME_BYTES, cut_name};
pub use locate::locate;
pub use of_dump::{Bearing, bearing, copied_columns};
pub use split::whole_statements;

use crate::domain::statement::{Action, Effect, ObjectKind, Script, ScriptMode, Statement, StatementLock};
use command::Command;
use lex::{Lexer, Token, TokenKind};
use std::collections::{BTreeMap, BTreeSet};

/// Whether a text is one expression at most: within brackets it stays within them, nothing can follow it.
pub fn is_expression(text: &str) -> bool {
    let mut lexer = Lexer::new(text);
    let (mut depth, mut tokens) = (0_u32, 0_u32);
    for token in &mut lexer {
        tokens += 1;
        match token.kind {
            TokenKind::Symbol(b'(' | b'[') => depth += 1,
            TokenKind::Symbol(b')' | b']') if depth == 0 => return false,
            TokenKind::Symbol(b')' | b']') => depth -= 1,
            TokenKind::Symbol(b';') => return false,
            _ => {}
        }
    }
    tokens > 0 && depth == 0 && lexer.doubt.is_none()
}

/// Takes a script apart: its statements with kind, locks and effects, and how it will be sent and why.
///
/// When it is sent as a whole, append a line break and a semicolon before anything of your own: it may end in a
/// comment.
pub fn analyse(script: &str) -> Script {
    if script.len() >= u32::MAX as usize {
        let doubt = "The file is larger than 4 GB.".to_owned();
        return Script {
            statements: Vec::new(),
            mode: ScriptMode::AsWritten,
            mode_reason: format!("{doubt} It is sent as it stands."),
            uncertain: Some(doubt),
        };
    }
    let mut reading = Reading::default();
    let doubt = split::split(script, |line, tokens| reading.add(script, line, tokens));
    reading.facts.uncertain = doubt.or(reading.doubt);
    reading.facts.names_ledger = names_ledger(script);
    let (mode, mode_reason) = mode::mode(&reading.statements, &reading.facts);
    Script { statements: reading.statements, mode, mode_reason, uncertain: reading.facts.uncertain }
}

/// The tables a script names, with the schema if one was written: those it changes, locks or points to.
pub fn referenced_tables(script: &Script) -> BTreeSet<(Option<String>, String)> {
    let mut found = BTreeSet::new();
    for statement in &script.statements {
        for effect in &statement.effects {
            let table = match effect.kind {
                ObjectKind::Table => Some(&effect.name),
                ObjectKind::EnumValue => None,
                _ => effect.parent.as_ref(),
            };
            if let Some(table) = table {
                found.insert((effect.schema.clone(), table.clone()));
            }
        }
        for lock in &statement.locks {
            let known =
                |found: &BTreeSet<(Option<String>, String)>| found.contains(&(None, lock.table.clone()));
            match lock.table.split_once('.') {
                Some((schema, table)) if !known(&found) => {
                    found.insert((Some(schema.to_owned()), table.to_owned()));
                }
                _ => {
                    found.insert((None, lock.table.clone()));
                }
            }
        }
    }
    found
}

/// The text of one statement.
pub fn statement_text<'a>(statement: &Statement, script: &'a str) -> &'a str {
    script.get(statement.start as usize..statement.end as usize).unwrap_or_default()
}

/// Byte ranges of a statement's tokens, without the comments between them; `None` if it has more than `most_tokens`
/// or nests deeper than `deepest` parentheses or brackets.
pub fn token_ranges(
    statement: &Statement,
    script: &str,
    most_tokens: usize,
    deepest: usize,
) -> Option<Vec<std::ops::Range<usize>>> {
    let text = script.get(..(statement.end as usize).min(script.len())).unwrap_or_default();
    let mut ranges = Vec::new();
    let mut depth = 0_usize;
    for token in Lexer::starting_at(text, statement.start as usize) {
        match token.kind {
            TokenKind::Symbol(b'(' | b'[') => depth += 1,
            TokenKind::Symbol(b')' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > deepest || ranges.len() >= most_tokens {
            return None;
        }
        ranges.push(token.start as usize..token.end as usize);
    }
    Some(ranges)
}

/// The tokens of one statement, read again.
fn tokens_of(script: &str, statement: &Statement) -> Vec<Token> {
    let end = (statement.end as usize).min(script.len());
    let text = script.get(..end).unwrap_or_default();
    Lexer::starting_at(text, (statement.start as usize).min(end)).collect()
}

/// Whether the text names Prisma's ledger table, in any case.
fn names_ledger(script: &str) -> bool {
    const LEDGER: &[u8] = b"_prisma_migrations";
    let bytes = script.as_bytes();
    bytes
        .windows(LEDGER.len())
        .any(|window| window.first() == Some(&b'_') && window.eq_ignore_ascii_case(LEDGER))
}

/// What is known while statements are read one after the other.
#[derive(Default)]
struct Reading {
    statements: Vec<Statement>,
    facts: mode::Facts,
    /// Tables made so far in this script: nobody else can wait for them.
    made_tables: BTreeMap<String, BTreeSet<Option<String>>>,
    /// Temporary tables made so far in this script.
    temporary: BTreeSet<String>,
    /// Enum types made so far in this script.
    made_enums: BTreeSet<String>,
    /// Labels added so far to enum types that were there before.
    added_labels: BTreeMap<String, u32>,
    /// `standard_conforming_strings` has been switched away from `on`.
    backslash_strings: bool,
    /// Why quotes or the protocol make the text doubtful, found while reading statements.
    doubt: Option<String>,
}

impl Reading {
    fn add(&mut self, script: &str, line: u32, tokens: &[Token]) {
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
        let command = parse::parse(script, tokens);
        let number = u32::try_from(self.statements.len()).unwrap_or(u32::MAX).saturating_add(1);
        let kind = kind::kind(script, tokens, &command);
        let mut effects = effects::effects(&command);
        self.leave_out_temporary(&command, &mut effects);
        self.settle_enums(&mut effects);
        self.note_label_use(script, tokens, &command, number);
        self.note_hidden_session(script, tokens, &command, number);
        self.note_string_mode(script, tokens, line);
        self.note_copy_out(script, tokens, &command, line);
        let locks = locks::locks(&command).into_iter().filter(|lock| !self.is_new(lock)).collect();
        self.note_made(&command, &effects);
        self.statements.push(Statement {
            number,
            line,
            start: first.start,
            end: last.end,
            summary: summary::summary(&command),
            kind,
            locks,
            effects,
        });
    }

    /// Temporary tables are gone with the session: they are no part of the schema.
    fn leave_out_temporary(&mut self, command: &Command, effects: &mut Vec<Effect>) {
        if let Command::CreateTable(table) = command
            && table.temporary
        {
            self.temporary.insert(table.name.name.clone());
            self.made_tables.entry(table.name.name.clone()).or_default().insert(table.name.schema.clone());
        }
        if self.temporary.is_empty() {
            return;
        }
        effects.retain(|effect| {
            let table =
                if effect.kind == ObjectKind::Table { Some(&effect.name) } else { effect.parent.as_ref() };
            !table.is_some_and(|table| self.temporary.contains(table))
        });
    }

    /// `ALTER TYPE ... RENAME` and `DROP TYPE` do not say what kind of type it is; the script itself may.
    fn settle_enums(&mut self, effects: &mut [Effect]) {
        let renames_enum = effects.iter().any(|effect| {
            effect.kind == ObjectKind::Type
                && effect.action == Action::Drop
                && self.made_enums.contains(&effect.name)
        });
        for effect in effects {
            if effect.kind == ObjectKind::Type && renames_enum {
                effect.kind = ObjectKind::Enum;
            }
            if effect.kind == ObjectKind::Enum {
                match effect.action {
                    Action::Create => self.made_enums.insert(effect.name.clone()),
                    _ => self.made_enums.remove(&effect.name),
                };
            }
        }
    }

    /// A label that was added in the same transaction cannot be used in it.
    fn note_label_use(&mut self, script: &str, tokens: &[Token], command: &Command, number: u32) {
        match command {
            Command::AddEnumValue { name, label, .. } => {
                if !self.made_enums.contains(&name.name) {
                    self.added_labels.insert(label.clone(), number);
                }
            }
            Command::RenameEnumValue { .. } => {}
            _ if self.added_labels.is_empty() || self.facts.uses_new_label.is_some() => {}
            _ => {
                let used = tokens.iter().find_map(|token| self.label_in(script, token));
                self.facts.uses_new_label = used.map(|label| (number, label));
            }
        }
    }

    fn label_in(&self, script: &str, token: &Token) -> Option<String> {
        match token.kind {
            TokenKind::Text | TokenKind::EscapedText | TokenKind::DollarText => {
                let text = token.constant(script)?;
                if self.added_labels.contains_key(&text) {
                    return Some(text);
                }
                // Function bodies and text with quotes of its own, such as arrays: '{"A","B"}'.
                Lexer::new(&text).find_map(|inner| {
                    let word = inner.constant(&text).or_else(|| match inner.kind {
                        TokenKind::Word => Some(inner.text(&text).to_owned()),
                        _ => inner.name(&text),
                    })?;
                    self.added_labels.contains_key(&word).then_some(word)
                })
            }
            TokenKind::Word
                if ["enum_range", "enum_first", "enum_last"]
                    .iter()
                    .any(|name| token.is_word(script, name)) =>
            {
                self.added_labels.keys().next().cloned()
            }
            _ => None,
        }
    }

    fn note_hidden_session(&mut self, script: &str, tokens: &[Token], command: &Command, number: u32) {
        let defines_code =
            matches!(command, Command::Create { kind, .. } if kind.kind == Some(ObjectKind::Function));
        if !defines_code || self.facts.hides_session.is_some() {
            return;
        }
        let changes_session = tokens.iter().any(|token| {
            matches!(token.kind, TokenKind::Text | TokenKind::EscapedText | TokenKind::DollarText)
                && kind::mentions_session(token.text(script))
        });
        if changes_session {
            self.facts.hides_session = Some(number);
        }
    }

    /// `COPY ... TO STDOUT` answers with rows that a tool which applies migrations does not take.
    fn note_copy_out(&mut self, script: &str, tokens: &[Token], command: &Command, line: u32) {
        let copies_out = matches!(command, Command::Rows { verb: command::Verb::CopyOut, .. });
        if copies_out && tokens.iter().any(|token| token.is_word(script, "STDOUT")) {
            self.doubt.get_or_insert_with(|| {
                format!(
                    "The COPY ... TO STDOUT on line {line} sends rows to the client, which only psql takes."
                )
            });
        }
    }

    /// With `standard_conforming_strings` off a backslash may hide a quote, and the split is not certain any more.
    fn note_string_mode(&mut self, script: &str, tokens: &[Token], line: u32) {
        let mut sets = false;
        for token in tokens {
            if token.is_word(script, "standard_conforming_strings") {
                sets = true;
            } else if sets
                && (token.is_word(script, "off")
                    || token.constant(script).is_some_and(|text| !text.eq_ignore_ascii_case("on")))
            {
                self.backslash_strings = true;
            }
            if self.backslash_strings && token.kind == TokenKind::Text && token.text(script).contains('\\') {
                self.doubt.get_or_insert_with(|| {
                    format!("standard_conforming_strings is switched off and the statement on line {line} holds a backslash, so its quotes cannot be told for certain.")
                });
            }
        }
    }

    fn is_new(&self, lock: &StatementLock) -> bool {
        let (schema, table) = match lock.table.split_once('.') {
            Some((schema, table)) => (Some(schema.to_owned()), table.to_owned()),
            None => (None, lock.table.clone()),
        };
        self.made_tables.get(&table).is_some_and(|schemas| {
            schema.is_none() && !schemas.is_empty() || schemas.contains(&None) || schemas.contains(&schema)
        })
    }

    fn note_made(&mut self, command: &Command, effects: &[Effect]) {
        let moves = matches!(command, Command::AlterTable(_));
        let mut was_new = false;
        for effect in effects.iter().filter(|effect| effect.kind == ObjectKind::Table) {
            match effect.action {
                Action::Drop => {
                    let schemas = self.made_tables.get_mut(&effect.name);
                    was_new |= schemas.is_some_and(|schemas| schemas.remove(&effect.schema));
                }
                Action::Create if !effect.conditional && (!moves || was_new) => {
                    self.made_tables.entry(effect.name.clone()).or_default().insert(effect.schema.clone());
                }
                _ => {}
            }
        }
    }
}
