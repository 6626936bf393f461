//! Walking over the tokens of one statement: keywords, names, lists in parentheses.

use super::lex::{Token, TokenKind};

/// A name, with its schema if one was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) schema: Option<String>,
    pub(super) name: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(formatter, "{schema}.{}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

/// A place among the tokens of one statement.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    script: &'a str,
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(script: &'a str, tokens: &'a [Token]) -> Self {
        Self { script, tokens, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(super) fn next(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    /// Whether the next words are these; does not move.
    pub(super) fn sees(&self, keywords: &str) -> bool {
        let mut at = self.at;
        keywords.split(' ').all(|keyword| {
            at += 1;
            self.tokens.get(at - 1).is_some_and(|token| token.is_word(self.script, keyword))
        })
    }

    /// Steps over these words if they come next.
    pub(super) fn take(&mut self, keywords: &str) -> bool {
        let seen = self.sees(keywords);
        if seen {
            self.at += keywords.split(' ').count();
        }
        seen
    }

    /// Steps over the first of these phrases that comes next.
    pub(super) fn take_any(&mut self, phrases: &[&'static str]) -> Option<&'static str> {
        phrases.iter().copied().find(|phrase| self.take(phrase))
    }

    pub(super) fn sees_symbol(&self, symbol: u8) -> bool {
        self.peek().is_some_and(|token| token.is_symbol(symbol))
    }

    pub(super) fn take_symbol(&mut self, symbol: u8) -> bool {
        let seen = self.sees_symbol(symbol);
        self.at += usize::from(seen);
        seen
    }

    /// `IF EXISTS` or `IF NOT EXISTS`.
    pub(super) fn take_condition(&mut self) -> bool {
        self.take("IF NOT EXISTS") || self.take("IF EXISTS")
    }

    /// The next token as a single name.
    pub(super) fn identifier(&mut self) -> Option<String> {
        let name = self.peek()?.name(self.script)?;
        self.at += 1;
        Some(name)
    }

    /// `name`, `schema.name` or `catalog.schema.name`.
    pub(super) fn name(&mut self) -> Option<Name> {
        let mut found = Name { schema: None, name: self.identifier()? };
        while self.sees_symbol(b'.') {
            self.at += 1;
            let Some(name) = self.identifier() else { break };
            found = Name { schema: Some(found.name), name };
        }
        Some(found)
    }

    /// Names with commas between them.
    pub(super) fn names(&mut self) -> Vec<Name> {
        let mut found = Vec::new();
        while let Some(name) = self.name() {
            found.push(name);
            self.take_symbol(b'*');
            if !self.take_symbol(b',') {
                break;
            }
        }
        found
    }

    /// The content of the parentheses that open here; stands behind them afterwards.
    pub(super) fn parentheses(&mut self) -> Option<Cursor<'a>> {
        if !self.take_symbol(b'(') {
            return None;
        }
        let start = self.at;
        let mut depth = 1_usize;
        while let Some(token) = self.next() {
            match token.kind {
                TokenKind::Symbol(b'(') => depth += 1,
                TokenKind::Symbol(b')') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(self.part(start, self.at - 1));
            }
        }
        Some(self.part(start, self.at))
    }

    /// Steps over one token, or over everything in the parentheses that open here.
    pub(super) fn skip(&mut self) {
        if self.sees_symbol(b'(') {
            let _ = self.parentheses();
        } else {
            self.at += 1;
        }
    }

    /// Moves to the next place outside parentheses where one of these phrases stands, and over it.
    pub(super) fn seek(&mut self, phrases: &[&'static str]) -> Option<&'static str> {
        while !self.is_done() {
            if let Some(found) = self.take_any(phrases) {
                return Some(found);
            }
            self.skip();
        }
        None
    }

    /// Whether one of these phrases stands somewhere ahead, outside parentheses.
    pub(super) fn has(mut self, phrases: &[&'static str]) -> bool {
        self.seek(phrases).is_some()
    }

    /// What lies ahead, cut at the commas that stand outside parentheses and brackets.
    pub(super) fn items(&self) -> Vec<Cursor<'a>> {
        let mut found = Vec::new();
        let mut depth = 0_usize;
        let mut start = self.at;
        for (at, token) in self.tokens.iter().enumerate().skip(self.at) {
            match token.kind {
                TokenKind::Symbol(b'(' | b'[') => depth += 1,
                TokenKind::Symbol(b')' | b']') => depth = depth.saturating_sub(1),
                TokenKind::Symbol(b',') if depth == 0 => {
                    found.push(self.part(start, at));
                    start = at + 1;
                }
                _ => {}
            }
        }
        if start < self.tokens.len() {
            found.push(self.part(start, self.tokens.len()));
        }
        found
    }

    /// Plain names of a list such as `(a, b)`; `None` if an item is more than a name.
    pub(super) fn plain_names(&self) -> Option<Vec<String>> {
        self.items().into_iter().map(|mut item| item.identifier().filter(|_| item.is_done())).collect()
    }

    /// The tokens ahead.
    pub(super) fn rest(&self) -> &'a [Token] {
        self.tokens.get(self.at..).unwrap_or_default()
    }

    /// What was passed since `from`.
    pub(super) fn since(&self, from: Cursor<'a>) -> Cursor<'a> {
        self.part(from.at, self.at)
    }

    /// The text ahead as written, on one line.
    pub(super) fn text(&self) -> String {
        let rest = self.rest();
        let (Some(first), Some(last)) = (rest.first(), rest.last()) else { return String::new() };
        let text = self.script.get(first.start as usize..last.end as usize).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn script(&self) -> &'a str {
        self.script
    }

    fn part(&self, start: usize, end: usize) -> Cursor<'a> {
        Cursor { script: self.script, tokens: self.tokens.get(start..end).unwrap_or_default(), at: 0 }
    }
}
