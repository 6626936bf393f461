//! The answers of a form, checked, and what a plan draws from.

use crate::domain::plan::{PlannedAnswer, PlannedHash, SeedStep};
use crate::domain::profile::{Input, InputKind, Profile};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// What the rows of a profile are made from, beside the profile.
#[derive(Debug, Clone)]
pub struct Answers {
    /// Answers by input; `None`: left empty.
    values: BTreeMap<String, Option<String>>,
    hashes: Vec<PlannedHash>,
    passwords: Vec<String>,
    /// What ids are drawn from.
    pub draw: String,
    /// The time written as now.
    pub now: DateTime<Utc>,
    /// The scale.
    pub scale: u32,
}

impl Answers {
    /// The answers that a plan carries.
    pub fn of(step: &SeedStep) -> Self {
        Self {
            values: step
                .answers
                .iter()
                .filter(|answer| !answer.password)
                .map(|answer| (answer.name.clone(), answer.value.clone()))
                .collect(),
            passwords: step
                .answers
                .iter()
                .filter(|answer| answer.password)
                .map(|answer| answer.name.clone())
                .collect(),
            hashes: step.hashes.clone(),
            draw: step.draw.clone(),
            now: step.now,
            scale: step.scale,
        }
    }

    /// Whether an input is a password.
    pub fn is_password(&self, input: &str) -> bool {
        self.passwords.iter().any(|name| name == input)
    }

    /// Whether the profile asks for it.
    pub fn knows(&self, input: &str) -> bool {
        self.values.contains_key(input) || self.is_password(input)
    }

    /// What an input gives to a row.
    pub fn value(&self, input: &str, block: usize, row: u64) -> Option<String> {
        if !self.is_password(input) {
            return self.values.get(input).cloned().flatten();
        }
        let here = (u32::try_from(block).ok(), u32::try_from(row).ok());
        let own = self.hashes.iter().find(|hash| {
            hash.input == input && hash.kept_for.is_some_and(|(block, row)| here == (Some(block), Some(row)))
        });
        own.or_else(|| self.hashes.iter().find(|hash| hash.input == input && hash.kept_for.is_none()))
            .map(|hash| hash.hash.clone())
    }
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerProblem {
    /// Input.
    pub input: String,
    /// As a sentence.
    pub what: String,
}

/// Checks what was typed (passwords apart) against the inputs of a profile.
///
/// # Errors
/// Every answer that does not fit.
pub fn check(
    profile: &Profile,
    typed: &BTreeMap<String, Option<String>>,
) -> Result<Vec<PlannedAnswer>, Vec<AnswerProblem>> {
    let mut problems = Vec::new();
    for name in typed.keys().filter(|name| !profile.inputs.iter().any(|input| input.name == **name)) {
        problems.push(AnswerProblem {
            input: name.clone(),
            what: format!("The profile asks for nothing named `{name}`."),
        });
    }
    let mut planned = Vec::new();
    for input in &profile.inputs {
        let password = matches!(input.kind, InputKind::Password { .. });
        let value = match typed.get(&input.name) {
            Some(value) => value.clone().filter(|text| !text.is_empty()),
            None => default(input),
        };
        if password {
            planned.push(PlannedAnswer {
                name: input.name.clone(),
                label: input.label.clone(),
                value: None,
                password,
            });
            continue;
        }
        let fits = match &value {
            None if input.optional => Ok(None),
            None => Err(AnswerProblem {
                input: input.name.clone(),
                what: format!("\"{}\" is needed.", input.label),
            }),
            Some(text) => fits(input, text).map(Some),
        };
        match fits {
            Ok(value) => planned.push(PlannedAnswer {
                name: input.name.clone(),
                label: input.label.clone(),
                value,
                password,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(planned) } else { Err(problems) }
}

fn default(input: &Input) -> Option<String> {
    match &input.kind {
        InputKind::Text { default, .. }
        | InputKind::Email { default }
        | InputKind::Number { default, .. }
        | InputKind::Choice { default, .. } => default.clone(),
        InputKind::Boolean { default } => Some(default.to_string()),
        InputKind::File | InputKind::Password { .. } => None,
    }
}

fn fits(input: &Input, text: &str) -> Result<String, AnswerProblem> {
    let label = &input.label;
    let problem = |what: String| AnswerProblem { input: input.name.clone(), what };
    match &input.kind {
        InputKind::Text { shortest, longest, .. } => {
            let length = text.chars().count();
            if shortest.is_some_and(|least| length < least as usize) {
                return Err(problem(format!(
                    "\"{label}\" needs {} characters or more.",
                    shortest.unwrap_or(0)
                )));
            }
            if longest.is_some_and(|most| length > most as usize) {
                return Err(problem(format!(
                    "\"{label}\" may have {} characters at most.",
                    longest.unwrap_or(0)
                )));
            }
            Ok(text.to_owned())
        }
        InputKind::Email { .. } => {
            let text = text.trim();
            let whole = text.split_once('@').is_some_and(|(user, host)| {
                !user.is_empty()
                    && host.contains('.')
                    && !host.starts_with('.')
                    && !host.ends_with('.')
                    && !host.contains('@')
            });
            if whole && !text.chars().any(char::is_whitespace) {
                Ok(text.to_owned())
            } else {
                Err(problem(format!(
                    "\"{label}\" is not an e-mail address: it needs a name, @ and a domain."
                )))
            }
        }
        InputKind::Number { min, max, .. } => {
            let text = text.trim();
            if !is_number(text) {
                return Err(problem(format!("\"{label}\" is not a number.")));
            }
            for (bound, words, wrong) in
                [(min, "at least", std::cmp::Ordering::Less), (max, "at most", std::cmp::Ordering::Greater)]
            {
                if let Some(bound) = bound
                    && compare(text, bound) == wrong
                {
                    return Err(problem(format!("\"{label}\" must be {words} {bound}.")));
                }
            }
            Ok(text.to_owned())
        }
        InputKind::Choice { choices, .. } => {
            if choices.iter().any(|choice| choice == text) {
                Ok(text.to_owned())
            } else {
                Err(problem(format!("\"{label}\" must be one of: {}.", choices.join(", "))))
            }
        }
        InputKind::Boolean { .. } => match text {
            "true" | "false" => Ok(text.to_owned()),
            _ => Err(problem(format!("\"{label}\" must be true or false."))),
        },
        InputKind::File => Ok(text.to_owned()),
        InputKind::Password { .. } => {
            Err(problem(format!("\"{label}\" is a password; it is handed in apart.")))
        }
    }
}

/// Whether a text is a decimal number, with sign and point but without exponent.
pub fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !(whole.is_empty() && part.is_empty()) && all(whole) && all(part) && !digits.ends_with('.')
}

/// Compares decimal numbers of any length, digit by digit.
pub fn compare(left: &str, right: &str) -> std::cmp::Ordering {
    let parts = |text: &str| {
        let negative = text.starts_with('-');
        let digits = text.trim_start_matches(['-', '+']);
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let (whole, part) = (whole.trim_start_matches('0').to_owned(), part.trim_end_matches('0').to_owned());
        let negative = negative && !(whole.is_empty() && part.is_empty());
        (negative, whole, part)
    };
    let ((minus_left, whole_left, part_left), (minus_right, whole_right, part_right)) =
        (parts(left), parts(right));
    if minus_left != minus_right {
        return minus_right.cmp(&minus_left);
    }
    let size = whole_left
        .len()
        .cmp(&whole_right.len())
        .then_with(|| whole_left.cmp(&whole_right))
        .then_with(|| part_left.cmp(&part_right));
    if minus_left { size.reverse() } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering;

    #[test]
    fn numbers_of_any_length_compare_digit_by_digit() {
        for (left, right, expected) in [
            ("2", "10", Ordering::Less),
            ("10", "10.0", Ordering::Equal),
            ("-2", "1", Ordering::Less),
            ("-2", "-10", Ordering::Greater),
            ("0.1", "0.09", Ordering::Greater),
            ("-0", "0", Ordering::Equal),
            ("007", "7", Ordering::Equal),
            ("99999999999999999999999", "100000000000000000000000", Ordering::Less),
            ("+3", "3", Ordering::Equal),
        ] {
            assert_eq!(compare(left, right), expected, "{left} beside {right}");
        }
    }

    #[test]
    fn a_number_has_digits() {
        for good in ["0", "-1", "+2.50", ".5", "123456789012345678901234567890"] {
            assert!(is_number(good), "{good}");
        }
        for bad in ["", "-", ".", "1.", "1e5", "0x1", "1 000", "NaN", "１"] {
            assert!(!is_number(bad), "{bad}");
        }
    }
}
