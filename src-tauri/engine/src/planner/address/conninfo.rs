//! libpq's `key=value` form: `host=db.example.com user='a b' password=...`.

use super::{
    not_an_address,
    parameters::{Draft, Form},
};
use crate::domain::Failure;
use zeroize::Zeroizing;

/// Reads the pairs. Values may be in single quotes; a backslash takes the next character as it is.
pub(super) fn read(text: &str) -> Result<Draft, Failure> {
    let mut draft = Draft::new(Form::Pairs);
    let mut characters = text.chars().peekable();
    loop {
        while characters.next_if(|c| c.is_whitespace()).is_some() {}
        if characters.peek().is_none() {
            return Ok(draft);
        }
        let mut name = String::new();
        while let Some(c) = characters.next_if(|c| *c != '=' && !c.is_whitespace()) {
            name.push(c);
        }
        while characters.next_if(|c| c.is_whitespace()).is_some() {}
        if characters.next() != Some('=') {
            // The piece may be part of a password with a blank in it, so it is not repeated.
            return Err(not_an_address(
                "A piece of it has no `=`; values with blanks belong in single quotes.",
            ));
        }
        while characters.next_if(|c| c.is_whitespace()).is_some() {}
        let value = read_value(&mut characters)?;
        draft.apply(&name, &value)?;
    }
}

fn read_value(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
) -> Result<Zeroizing<String>, Failure> {
    let quoted = characters.next_if_eq(&'\'').is_some();
    let mut value = Zeroizing::new(String::new());
    loop {
        match characters.peek().copied() {
            None if quoted => return Err(not_an_address("A single quote is opened and never closed.")),
            None => return Ok(value),
            Some('\'') if quoted => {
                characters.next();
                return Ok(value);
            }
            Some('\\') => {
                characters.next();
                value.extend(characters.next());
            }
            Some(c) if !quoted && c.is_whitespace() => return Ok(value),
            Some(c) => {
                characters.next();
                value.push(c);
            }
        }
    }
}
