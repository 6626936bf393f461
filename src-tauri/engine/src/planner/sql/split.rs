//! Where statements end: at a semicolon outside quotes, comments, parentheses and `BEGIN ATOMIC` bodies.

use super::lex::{Doubt, Lexer, Token, TokenKind};

/// Calls `each(line, tokens)` for every statement that is not empty; tokens come without the semicolon.
/// Returns why the text could not be taken apart with certainty, as a sentence.
pub(super) fn split(script: &str, mut each: impl FnMut(u32, &[Token])) -> Option<String> {
    let mut doubt = script.starts_with('\u{feff}').then(|| {
        "The file starts with an invisible byte order mark, which PostgreSQL does not accept.".to_owned()
    });
    let mut lines = Lines::new(script);
    let mut lexer = Lexer::new(script);
    let mut tokens: Vec<Token> = Vec::new();
    let mut nesting = Nesting::default();
    for token in lexer.by_ref() {
        if token.is_symbol(b';') && nesting.is_outside() {
            if emit(script, &mut lines, &tokens, &mut each) {
                return doubt.or_else(|| {
                    let line = lines.at(token.start as usize);
                    Some(format!(
                        "The COPY ... FROM STDIN on line {line} reads rows from the file itself, which only psql can do."
                    ))
                });
            }
            tokens.clear();
            nesting = Nesting::default();
            continue;
        }
        if token.is_symbol(b'\\') && doubt.is_none() {
            let line = line_of(script, token.start as usize);
            doubt = Some(format!(
                "Line {line} holds a command for psql (a backslash outside quotes), which the server does not know."
            ));
        }
        nesting.follow(script, &tokens, &token);
        tokens.push(token);
    }
    let copies = emit(script, &mut lines, &tokens, &mut each);
    doubt
        .or_else(|| lexer.doubt.map(|found| sentence(script, found)))
        .or_else(|| nesting.sentence())
        .or_else(|| copies.then(|| "COPY ... FROM STDIN needs rows that only psql can send.".to_owned()))
}

/// The statements of a text that ends where its last statement ends; `None` while that one goes on. A
/// `COPY ... FROM STDIN` is told by `true`.
pub fn whole_statements(script: &str) -> Option<Vec<(String, bool)>> {
    let mut lexer = Lexer::new(script);
    let mut tokens: Vec<Token> = Vec::new();
    let mut nesting = Nesting::default();
    let mut statements = Vec::new();
    for token in lexer.by_ref() {
        if token.is_symbol(b';') && nesting.is_outside() {
            if let (Some(first), Some(last)) = (tokens.first(), tokens.last()) {
                let text = script.get(first.start as usize..last.end as usize).unwrap_or_default();
                statements.push((text.to_owned(), reads_rows(script, &tokens)));
            }
            tokens.clear();
            nesting = Nesting::default();
            continue;
        }
        nesting.follow(script, &tokens, &token);
        tokens.push(token);
    }
    (tokens.is_empty() && lexer.doubt.is_none()).then_some(statements)
}

/// It is a `COPY ... FROM STDIN`.
fn reads_rows(script: &str, tokens: &[Token]) -> bool {
    tokens.first().is_some_and(|first| first.is_word(script, "COPY"))
        && tokens.windows(2).any(|pair| {
            pair.first().is_some_and(|token| token.is_word(script, "FROM"))
                && pair.last().is_some_and(|token| token.is_word(script, "STDIN"))
        })
}

/// Hands a statement on; true if it is a `COPY ... FROM STDIN`.
fn emit(script: &str, lines: &mut Lines<'_>, tokens: &[Token], each: &mut impl FnMut(u32, &[Token])) -> bool {
    let Some(first) = tokens.first() else { return false };
    each(lines.at(first.start as usize), tokens);
    reads_rows(script, tokens)
}

/// How deep inside parentheses and SQL function bodies the text is.
#[derive(Default)]
struct Nesting {
    parentheses: usize,
    /// `BEGIN ATOMIC` and the CASE expressions inside it.
    body: usize,
}

impl Nesting {
    fn is_outside(&self) -> bool {
        self.parentheses == 0 && self.body == 0
    }

    fn follow(&mut self, script: &str, before: &[Token], token: &Token) {
        match token.kind {
            TokenKind::Symbol(b'(') => self.parentheses += 1,
            TokenKind::Symbol(b')') => self.parentheses = self.parentheses.saturating_sub(1),
            TokenKind::Word if self.body > 0 && !is_label(script, before) => {
                if token.is_word(script, "CASE") {
                    self.body += 1;
                } else if token.is_word(script, "END") {
                    self.body -= 1;
                }
            }
            TokenKind::Word
                if token.is_word(script, "ATOMIC")
                    && before.last().is_some_and(|last| last.is_word(script, "BEGIN"))
                    && creates_routine(script, before) =>
            {
                self.body = 1;
            }
            _ => {}
        }
    }

    fn sentence(&self) -> Option<String> {
        if self.body > 0 {
            Some("A function body that starts with BEGIN ATOMIC is never closed by END.".to_owned())
        } else if self.parentheses > 0 {
            Some("A parenthesis is never closed.".to_owned())
        } else {
            None
        }
    }
}

/// After `AS` or a dot, reserved words are names: `SELECT 1 AS end`.
fn is_label(script: &str, before: &[Token]) -> bool {
    before.last().is_some_and(|last| last.is_word(script, "AS") || last.is_symbol(b'.'))
}

fn creates_routine(script: &str, before: &[Token]) -> bool {
    let word =
        |index: usize, keyword: &str| before.get(index).is_some_and(|token| token.is_word(script, keyword));
    let kind = if word(1, "OR") { 3 } else { 1 };
    word(0, "CREATE") && (word(kind, "FUNCTION") || word(kind, "PROCEDURE"))
}

/// Line numbers for offsets that only grow.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
}

impl<'a> Lines<'a> {
    fn new(script: &'a str) -> Self {
        Self { bytes: script.as_bytes(), at: 0, line: 1 }
    }

    fn at(&mut self, offset: usize) -> u32 {
        let passed = self.bytes.get(self.at..offset).unwrap_or_default();
        self.line = self.line.saturating_add(count_lines(passed));
        self.at = self.at.max(offset);
        self.line
    }
}

fn count_lines(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
}

fn line_of(script: &str, offset: usize) -> u32 {
    count_lines(script.as_bytes().get(..offset).unwrap_or_default()).saturating_add(1)
}

fn sentence(script: &str, doubt: Doubt) -> String {
    match doubt {
        Doubt::Quote { start } => {
            format!("The quote opened on line {} is never closed.", line_of(script, start))
        }
        Doubt::Name { start } => {
            format!("The quoted name opened on line {} is never closed.", line_of(script, start))
        }
        Doubt::DollarQuote { start } => {
            format!("The dollar quote opened on line {} is never closed.", line_of(script, start))
        }
        Doubt::Comment { start } => {
            format!("The comment opened on line {} is never closed.", line_of(script, start))
        }
        Doubt::NumberBeforeString { start } => {
            format!(
                "Line {} holds a number that runs into a string, which PostgreSQL versions read differently.",
                line_of(script, start)
            )
        }
        Doubt::NullByte { start } => {
            format!("Line {} holds a null byte, where the server would stop reading.", line_of(script, start))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn pieces(script: &str) -> Vec<(u32, String)> {
        let mut found = Vec::new();
        let doubt = split(script, |line, tokens| {
            let start = tokens[0].start as usize;
            let end = tokens[tokens.len() - 1].end as usize;
            found.push((line, script[start..end].to_owned()));
        });
        assert_eq!(doubt, None, "{script}");
        found
    }

    fn doubt(script: &str) -> String {
        split(script, |_, _| {}).expect("the text is doubtful")
    }

    #[test]
    fn comments_and_empty_statements_are_left_out() {
        assert!(pieces("").is_empty());
        assert!(pieces("-- nothing\n/* at all */ ;;\n;").is_empty());
        assert_eq!(
            pieces("-- a\r\nSELECT 1 -- b\r\n;\r\n\r\nSELECT 2"),
            [(2, "SELECT 1".to_owned()), (5, "SELECT 2".to_owned())]
        );
    }

    #[test]
    fn rules_and_function_bodies_stay_whole() {
        assert_eq!(
            pieces("CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b); SELECT 1").len(),
            2
        );
        let body = "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC \
                    SELECT CASE WHEN true THEN 1 END AS end; SELECT t.end FROM t; SELECT CASE 1 WHEN 1 THEN 2 END; END; SELECT 2";
        assert_eq!(pieces(body).len(), 2);
        assert_eq!(
            pieces("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$; SELECT 2")
                .len(),
            2
        );
        assert_eq!(
            pieces("BEGIN; SELECT 1; END; BEGIN ATOMIC; SELECT 2").len(),
            5,
            "outside a function BEGIN is a statement"
        );
    }

    #[test]
    fn doubts_say_where() {
        assert_eq!(doubt("SELECT 1;\nSELECT 'a"), "The quote opened on line 2 is never closed.");
        assert_eq!(doubt("/* /* */"), "The comment opened on line 1 is never closed.");
        assert!(doubt("\\connect x\nSELECT 1;").contains("psql"));
        assert!(doubt("COPY t FROM STDIN;\n1\tit's\n\\.\n").contains("COPY"));
        assert!(doubt("SELECT (1; SELECT 2").contains("parenthesis"));
        assert!(doubt("\u{feff}SELECT 1").contains("byte order mark"));
        assert!(doubt("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;").contains("BEGIN ATOMIC"));
    }
}
