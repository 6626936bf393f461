//! What is wrong in a profile, collected while it is read, and the small parts its sentences are made of.

use crate::domain::profile::{Place, ProfileProblem};

/// Problems beyond these are counted, not listed.
const MOST: usize = 500;

/// Longest name repeated in a sentence, in characters.
const LONGEST_NAME: usize = 60;

/// What was found so far.
#[derive(Default)]
pub(super) struct Problems {
    found: Vec<ProfileProblem>,
    left_out: usize,
}

impl Problems {
    pub(super) fn add(&mut self, at: Place, what: impl Into<String>, next: impl Into<String>) {
        if self.found.len() < MOST {
            self.found.push(ProfileProblem { at, what: what.into(), next: next.into() });
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are; whether a part of the profile is sound shows by whether it grows.
    pub(super) fn count(&self) -> usize {
        self.found.len() + self.left_out
    }

    /// By file and line; what is not listed is counted at the end.
    pub(super) fn sorted(mut self) -> Vec<ProfileProblem> {
        self.found.sort_by(|one, other| one.at.cmp(&other.at));
        if let Some(last) = self.found.last().filter(|_| self.left_out > 0) {
            let more = ProfileProblem {
                at: last.at.clone(),
                what: format!("{} more problems were found and are not listed.", self.left_out),
                next: "Correct the ones above, then look again.".to_owned(),
            };
            self.found.push(more);
        }
        self.found
    }
}

/// A name in a sentence: in backquotes, on one line, not longer than a sentence can bear.
pub(super) fn quoted(name: &str) -> String {
    let mut shown = String::from("`");
    for character in name.chars().take(LONGEST_NAME) {
        if matches!(character, '"' | '\'' | '\\') {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
    }
    if name.chars().nth(LONGEST_NAME).is_some() {
        shown.push('…');
    }
    shown + "`"
}

/// `a`, `b` or `c`.
pub(super) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().take(20).map(|name| quoted(name)).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) if names.len() <= 20 => format!("{} or {last}", others.join(", ")),
        Some(_) => format!("{} or another", quoted.join(", ")),
    }
}

/// What to do about a word that is not known: the nearest one, else all of them.
pub(super) fn instead(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(near) => format!("Did you mean {}?", quoted(near)),
        None if known.is_empty() => "Remove it.".to_owned(),
        None => format!("Write {}.", one_of(known)),
    }
}

/// The known word that was probably meant.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let word = plain(word);
    let length = word.chars().count();
    if length == 0 || length > 100 {
        return None;
    }
    let distance = |name: &str| {
        let name = plain(name);
        let longest = length.max(name.chars().count());
        let distance = strsim::damerau_levenshtein(&word, &name);
        let begins = length >= 3 && (name.starts_with(&word) || (name.len() >= 3 && word.starts_with(&name)));
        if begins { Some(distance.min(1)) } else { (distance <= (longest / 3).max(1)).then_some(distance) }
    };
    known
        .iter()
        .filter_map(|name| Some((distance(name)?, *name)))
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}
