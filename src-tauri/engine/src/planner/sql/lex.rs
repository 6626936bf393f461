//! PostgreSQL's lexical rules, as far as they decide where a statement ends.
//!
//! It follows the server's scanner (`scan.l`) for quotes, dollar quotes, nested comments and names,
//! with `standard_conforming_strings` on. It is not a parser and refuses nothing: what it cannot
//! finish (an unclosed quote) is reported as a [`Doubt`].

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A keyword or an unquoted name.
    Word,
    /// `"Name"`, also `U&"Name"`.
    QuotedName,
    /// `'text'`, also with the prefixes B, X, N and U&.
    Text,
    /// `E'text'`.
    EscapedText,
    /// `$tag$text$tag$`.
    DollarText,
    /// A number.
    Number,
    /// `$1`.
    Parameter,
    /// Any other single character.
    Symbol(u8),
}

/// A token, as a byte range of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// Why the text cannot be taken apart with certainty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    Quote {
        start: usize,
    },
    Name {
        start: usize,
    },
    DollarQuote {
        start: usize,
    },
    Comment {
        start: usize,
    },
    NullByte {
        start: usize,
    },
    /// `1E'x'` or `1_0$a$x$a$`: versions of the server disagree on where the string begins, or refuse it.
    NumberBeforeString {
        start: usize,
    },
}

/// Yields the tokens of a text; comments and white space are skipped.
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Set when a quote or comment is not closed; the lexer is then at the end.
    pub(super) doubt: Option<Doubt>,
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning of `text`; a byte order mark there is passed over.
    pub(super) fn new(text: &'a str) -> Self {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { bytes: text.as_bytes(), at, doubt: None }
    }

    /// Starts at byte `at`.
    pub(super) fn starting_at(text: &'a str, at: usize) -> Self {
        Self { bytes: text.as_bytes(), at, doubt: None }
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn position_of(&self, wanted: u8, from: usize) -> Option<usize> {
        self.bytes.get(from..)?.iter().position(|byte| *byte == wanted).map(|offset| from + offset)
    }

    fn skip_blanks_and_comments(&mut self) {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => self.at += 1,
                b'-' if self.byte(self.at + 1) == b'-' => self.at = self.end_of_line_comment(self.at),
                b'/' if self.byte(self.at + 1) == b'*' => self.skip_block_comment(),
                _ => return,
            }
        }
    }

    fn end_of_line_comment(&self, from: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        rest.iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'))
            .map_or(self.bytes.len(), |length| from + length)
    }

    fn skip_block_comment(&mut self) {
        let start = self.at;
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            match (self.byte(self.at), self.byte(self.at + 1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
        self.give_up(Doubt::Comment { start });
    }

    fn give_up(&mut self, doubt: Doubt) {
        self.doubt.get_or_insert(doubt);
        self.at = self.bytes.len();
    }

    /// Reads to the closing `quote`, doubled ones belong to the text. `from` is just after the opening one.
    fn quoted(&mut self, quote: u8, from: usize, doubt: Doubt) {
        let mut at = from;
        loop {
            match self.position_of(quote, at) {
                Some(close) if self.byte(close + 1) == quote => at = close + 2,
                Some(close) => {
                    self.at = close + 1;
                    return;
                }
                None => return self.give_up(doubt),
            }
        }
    }

    /// Reads an `E''` string, with its continuations on following lines. `from` is just after the opening quote.
    fn escaped(&mut self, from: usize, start: usize) {
        let mut at = from;
        while let Some(byte) = self.bytes.get(at).copied() {
            match byte {
                b'\\' => at += 2,
                b'\'' if self.byte(at + 1) == b'\'' => at += 2,
                b'\'' => match self.continuation(at + 1) {
                    Some(next) => at = next,
                    None => {
                        self.at = at + 1;
                        return;
                    }
                },
                _ => at += 1,
            }
        }
        self.give_up(Doubt::Quote { start });
    }

    /// Where a string goes on after white space with a line break: `'a'` newline `'b'` is one string.
    fn continuation(&self, from: usize) -> Option<usize> {
        let mut at = from;
        let mut line_broken = false;
        loop {
            match self.byte(at) {
                b'\n' | b'\r' => {
                    line_broken = true;
                    at += 1;
                }
                b' ' | b'\t' | 0x0b | 0x0c => at += 1,
                b'-' if self.byte(at + 1) == b'-' => at = self.end_of_line_comment(at),
                b'\'' if line_broken => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// Reads a dollar quote or a positional parameter; anything else is a lone `$`.
    fn dollar(&mut self) -> TokenKind {
        let start = self.at;
        if self.byte(start + 1).is_ascii_digit() {
            self.at += 1;
            while self.byte(self.at).is_ascii_digit() {
                self.at += 1;
            }
            return TokenKind::Parameter;
        }
        let mut tag_end = start + 1;
        if is_name_start(self.byte(tag_end)) {
            while is_name_start(self.byte(tag_end)) || self.byte(tag_end).is_ascii_digit() {
                tag_end += 1;
            }
        }
        if self.byte(tag_end) != b'$' {
            self.at += 1;
            return TokenKind::Symbol(b'$');
        }
        let delimiter = self.bytes.get(start..=tag_end).unwrap_or_default();
        let mut at = tag_end + 1;
        while let Some(close) = self.position_of(b'$', at) {
            if self.bytes.get(close..).is_some_and(|rest| rest.starts_with(delimiter)) {
                self.at = close + delimiter.len();
                return TokenKind::DollarText;
            }
            at = close + 1;
        }
        self.give_up(Doubt::DollarQuote { start });
        TokenKind::DollarText
    }

    fn number(&mut self) {
        while matches!(self.byte(self.at), b'0'..=b'9' | b'.' | b'_') {
            self.at += 1;
        }
        if matches!(self.byte(self.at), b'e' | b'E') {
            let sign = usize::from(matches!(self.byte(self.at + 1), b'+' | b'-'));
            if self.byte(self.at + 1 + sign).is_ascii_digit() {
                self.at += 1 + sign;
                while self.byte(self.at).is_ascii_digit() {
                    self.at += 1;
                }
            }
        }
    }

    /// Reads a name, or the string that its letters are the prefix of.
    fn word(&mut self) -> TokenKind {
        let start = self.at;
        while is_name_part(self.byte(self.at)) {
            self.at += 1;
        }
        let letter = if self.at - start == 1 { self.byte(start).to_ascii_lowercase() } else { 0 };
        match (letter, self.byte(self.at), self.byte(self.at + 1)) {
            (b'e', b'\'', _) => {
                self.escaped(self.at + 1, start);
                TokenKind::EscapedText
            }
            (b'b' | b'x' | b'n', b'\'', _) => {
                self.quoted(b'\'', self.at + 1, Doubt::Quote { start });
                TokenKind::Text
            }
            (b'u', b'&', b'\'') => {
                self.quoted(b'\'', self.at + 2, Doubt::Quote { start });
                TokenKind::Text
            }
            (b'u', b'&', b'"') => {
                self.quoted(b'"', self.at + 2, Doubt::Name { start });
                TokenKind::QuotedName
            }
            _ => TokenKind::Word,
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks_and_comments();
        let start = self.at;
        let kind = match *self.bytes.get(start)? {
            b'\'' => {
                self.quoted(b'\'', start + 1, Doubt::Quote { start });
                TokenKind::Text
            }
            b'"' => {
                self.quoted(b'"', start + 1, Doubt::Name { start });
                TokenKind::QuotedName
            }
            b'$' => self.dollar(),
            b'0'..=b'9' => {
                self.number();
                let runs_into_string = match self.byte(self.at) {
                    b'e' | b'E' => self.byte(self.at + 1) == b'\'',
                    next => next == b'$',
                };
                if runs_into_string {
                    self.doubt.get_or_insert(Doubt::NumberBeforeString { start });
                }
                TokenKind::Number
            }
            0 => {
                self.give_up(Doubt::NullByte { start });
                return None;
            }
            byte if is_name_start(byte) => self.word(),
            byte => {
                self.at += 1;
                TokenKind::Symbol(byte)
            }
        };
        Some(Token { kind, start: offset(start), end: offset(self.at) })
    }
}

/// A byte offset as the contract stores it; scripts beyond 4 GiB are refused before they get here.
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name_part(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl Token {
    /// The token's text in the script it was read from.
    pub(super) fn text<'a>(&self, script: &'a str) -> &'a str {
        script.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Whether it is this keyword, unquoted, in any case.
    pub(super) fn is_word(&self, script: &str, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.text(script).eq_ignore_ascii_case(keyword)
    }

    /// Whether it is this character.
    pub(super) fn is_symbol(&self, symbol: u8) -> bool {
        self.kind == TokenKind::Symbol(symbol)
    }

    /// The value of a string constant; `None` for escape strings that hold a backslash, and for other tokens.
    pub(super) fn constant(&self, script: &str) -> Option<String> {
        let text = self.text(script);
        match self.kind {
            TokenKind::Text => between(text, '\'').map(|inner| inner.replace("''", "'")),
            TokenKind::EscapedText if !text.contains('\\') => {
                between(text, '\'').map(|inner| inner.replace("''", "'"))
            }
            TokenKind::DollarText => self.dollar_body(script).map(str::to_owned),
            _ => None,
        }
    }

    /// The text inside a dollar quote.
    pub(super) fn dollar_body<'a>(&self, script: &'a str) -> Option<&'a str> {
        let text = self.text(script);
        let tag = text.get(1..)?.find('$')? + 2;
        text.get(tag..text.len().checked_sub(tag)?)
    }

    /// A name as the server stores it: unquoted ones in lower case, cut at 63 bytes.
    pub(super) fn name(&self, script: &str) -> Option<String> {
        let text = self.text(script);
        match self.kind {
            TokenKind::Word => Some(cut_name(text.to_ascii_lowercase(), NAME_BYTES)),
            TokenKind::QuotedName => {
                between(text, '"').map(|inner| cut_name(inner.replace("\"\"", "\""), NAME_BYTES))
            }
            _ => None,
        }
    }
}

/// The longest name the server stores, in bytes.
pub(in crate::planner) const NAME_BYTES: usize = 63;

/// Cuts a name to `bytes`, at a character.
pub(in crate::planner) fn cut_name(mut name: String, bytes: usize) -> String {
    if name.len() > bytes {
        name.truncate(name.floor_char_boundary(bytes));
    }
    name
}

fn between(text: &str, quote: char) -> Option<&str> {
    let open = text.find(quote)? + 1;
    text.get(open..text.len().checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn tokens(text: &str) -> Vec<&str> {
        Lexer::new(text).map(|token| token.text(text)).collect()
    }

    #[test]
    fn quotes_end_where_the_server_ends_them() {
        assert_eq!(tokens(r"'a''b;' ;"), [r"'a''b;'", ";"]);
        assert_eq!(tokens(r"'\' ; x"), [r"'\'", ";", "x"], "a backslash is a character like any other");
        assert_eq!(tokens(r"E'\'' ; e'\\' ;"), [r"E'\''", ";", r"e'\\'", ";"]);
        assert_eq!(
            tokens("E'a'\n  'b\\';c' ;"),
            ["E'a'\n  'b\\';c'", ";"],
            "a continued string keeps its escapes"
        );
        assert_eq!(tokens("E'a' 'b'"), ["E'a'", "'b'"], "no line break, no continuation");
        assert_eq!(tokens(r#"U&'\0041;' U&"d;x" B'01' X'1F' N'x'"#).len(), 5);
        assert_eq!(tokens(r#""a;""b" ;"#), [r#""a;""b""#, ";"]);
        assert_eq!(tokens("nameE'x;'"), ["nameE", "'x;'"], "only a lone E is a prefix");
    }

    #[test]
    fn dollar_quotes_are_told_from_names_and_parameters() {
        assert_eq!(tokens("$$a;$x$;$$ ;"), ["$$a;$x$;$$", ";"]);
        assert_eq!(tokens("$a$ $$ ; $b$ $a$;"), ["$a$ $$ ; $b$ $a$", ";"]);
        assert_eq!(tokens("a$$b ; c$$"), ["a$$b", ";", "c$$"], "a name may hold dollars");
        assert_eq!(tokens("$1;$2"), ["$1", ";", "$2"]);
        assert_eq!(tokens("'$$' ; '$$'"), ["'$$'", ";", "'$$'"]);
        assert_eq!(tokens("$tag$x$tagx$tag$;"), ["$tag$x$tagx$tag$", ";"]);
    }

    #[test]
    fn comments_nest_and_may_hold_anything() {
        assert_eq!(tokens("a /* ; /* ' */ ; */ b -- ; '\n;"), ["a", "b", ";"]);
        assert_eq!(tokens("1+--x\n2"), ["1", "+", "2"]);
        assert_eq!(tokens("a --x\r;"), ["a", ";"], "a carriage return ends a line comment");
        assert_eq!(tokens("\u{feff}a"), ["a"]);
    }

    #[test]
    fn what_is_not_closed_is_doubted() {
        for text in
            ["'a", "E'a\\'", "\"a", "$$ a $ $", "/* a /* */", "U&'x", "a\0b", "1E'\\'' '", "1_000$a$;$a$"]
        {
            let mut lexer = Lexer::new(text);
            let _ = lexer.by_ref().count();
            assert!(lexer.doubt.is_some(), "{text:?} is not closed");
        }
    }

    #[test]
    fn values_and_names_are_what_the_server_stores() {
        let text = r#"'it''s' $q$a$q$ "A""b" Foo U&"x""#;
        let tokens: Vec<Token> = Lexer::new(text).collect();
        assert_eq!(tokens[0].constant(text).as_deref(), Some("it's"));
        assert_eq!(tokens[1].constant(text).as_deref(), Some("a"));
        assert_eq!(tokens[2].name(text).as_deref(), Some("A\"b"));
        assert_eq!(tokens[3].name(text).as_deref(), Some("foo"));
        let long = "é".repeat(40);
        let token = Lexer::new(&long).next().unwrap();
        assert_eq!(token.name(&long).unwrap().len(), 62, "names are cut at a character, not inside one");
    }
}
