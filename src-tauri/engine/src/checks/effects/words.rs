//! The words of one SQL statement, for the few questions that its effects do not answer. Not a parser:
//! it knows what is a word, a name, a text or a sign, and nothing about grammar.

/// A word, name, text or sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// The text; names without their quotes, plain words in lower case.
    pub(super) text: String,
    /// It is a quoted name or a string, so it is no keyword.
    pub(super) quoted: bool,
    /// Where it begins in the statement.
    pub(super) start: usize,
    /// Where it ends, exclusive.
    pub(super) end: usize,
}

impl Word {
    /// It is this keyword or sign.
    pub(super) fn is(&self, keyword: &str) -> bool {
        !self.quoted && self.text == keyword
    }
}

/// The words of a statement in order, without comments.
pub(super) fn words(sql: &str) -> Vec<Word> {
    let bytes = sql.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &sql[at..];
        let Some(first) = rest.chars().next() else { break };
        let (length, word) = if first.is_whitespace() {
            (first.len_utf8(), None)
        } else if rest.starts_with("--") {
            (rest.find('\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), None)
        } else if first == '"' || first == '\'' {
            let length = quoted_length(rest, first);
            let inner = rest.get(1..length.saturating_sub(1)).unwrap_or_default();
            let doubled: String = [first, first].iter().collect();
            (length, Some((inner.replace(&doubled, &first.to_string()), true)))
        } else if let Some((length, body)) = dollar_text(rest) {
            (length, Some((body.to_owned(), true)))
        } else if first.is_alphanumeric() || first == '_' {
            let number = first.is_ascii_digit();
            let inside =
                |each: char| each.is_alphanumeric() || matches!(each, '_' | '$') || (number && each == '.');
            let length = rest.find(|each| !inside(each)).unwrap_or(rest.len());
            (length, Some((rest[..length].to_lowercase(), false)))
        } else if rest.starts_with("::") {
            (2, Some(("::".to_owned(), false)))
        } else {
            (first.len_utf8(), Some((first.to_string(), false)))
        };
        if let Some((text, quoted)) = word {
            found.push(Word { text, quoted, start: at, end: at + length });
        }
        at += length;
    }
    found
}

/// The bytes of a quoted name or text, quotes included; a doubled quote does not end it.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut from = 1;
    while let Some(end) = rest.get(from..).and_then(|tail| tail.find(quote)) {
        let after = from + end + 1;
        if !rest[after..].starts_with(quote) {
            return after;
        }
        from = after + 1;
    }
    rest.len()
}

/// A dollar-quoted text: its bytes and what is in it.
fn dollar_text(rest: &str) -> Option<(usize, &str)> {
    let tag_end = rest.strip_prefix('$')?.find('$')? + 2;
    let tag = &rest[..tag_end];
    let name = &tag[1..tag_end - 1];
    if !name.chars().all(|each| each.is_alphanumeric() || each == '_') {
        return None;
    }
    let end = rest[tag_end..].find(tag)?;
    Some((tag_end + end + tag.len(), &rest[tag_end..tag_end + end]))
}

/// Splits words at commas that are in no parentheses.
pub(super) fn at_commas(words: &[Word]) -> Vec<&[Word]> {
    let mut depth = 0usize;
    words
        .split(|word| {
            if word.is("(") || word.is("[") {
                depth += 1;
            } else if word.is(")") || word.is("]") {
                depth = depth.saturating_sub(1);
            }
            depth == 0 && word.is(",")
        })
        .collect()
}

/// Whether the words begin with these keywords.
pub(super) fn begins(words: &[Word], keywords: &str) -> bool {
    let mut words = words.iter();
    keywords.split(' ').all(|keyword| words.next().is_some_and(|word| word.is(keyword)))
}

/// Whether these keywords stand next to each other anywhere.
pub(super) fn contains(words: &[Word], keywords: &str) -> bool {
    (0..words.len()).any(|at| begins(&words[at..], keywords))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_words_and_quotes_make_no_keywords() {
        let sql = "ALTER TABLE \"a\"\"b\".c -- DROP\n SET /* x */ 'it''s' $x$ DROP; $x$ 1.5 ::int";
        let found = words(sql);
        let texts: Vec<&str> = found.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["alter", "table", "a\"b", ".", "c", "set", "it's", " DROP; ", "1.5", "::", "int"]);
        assert!(!contains(&found, "drop"));
        assert!(begins(&found, "alter table"));
    }

    #[test]
    fn commas_in_parentheses_do_not_split() {
        let found = words("ADD COLUMN a numeric(10, 2), DROP COLUMN b");
        assert_eq!(at_commas(&found).len(), 2);
    }

    #[test]
    fn no_text_makes_it_fail() {
        for sql in ["", "'", "\"", "$", "$$", "$a$ x", "/*", "--", "ü.ü", "..", "a..b", "1.", "é", "::"] {
            words(sql);
        }
    }
}
