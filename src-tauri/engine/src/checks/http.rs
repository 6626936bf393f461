//! Requests filled in and answers judged. Pure: what is sent and what came back is handed in.

use super::expectations::{holds, spoken};
use crate::domain::Outcome;
use crate::domain::http::{
    AnswerCondition, AnswerExpectation, Found, HttpAnswer, HttpStep, JsonTemplate, Until,
};
use crate::domain::profile::{Condition, Template, TemplatePart};
use crate::domain::secret::Secret;
use crate::domain::verification::AnswerFound;
use crate::planner::seed::policy::{is_personal, sounds_secret};
use crate::planner::seed::values::filtered;
use serde_json::Value;
use serde_json_path::JsonPath;

/// Longest value that is shown, in characters.
const LONGEST: usize = 200;
/// What is shown in place of a secret.
const MASK: &str = "••••••";

/// What gaps are filled with, and what must never be shown.
#[derive(Default)]
pub struct Values {
    credentials: Vec<(String, Secret)>,
    kept: Vec<(String, Value)>,
    /// Texts kept from answers that must not be shown.
    hidden: Vec<Secret>,
}

impl Values {
    /// With secrets that gaps may name, and that are never shown.
    pub fn new(credentials: Vec<(String, Secret)>) -> Self {
        Self { credentials, ..Self::default() }
    }

    /// The same, and an answer of a form.
    pub fn with(mut self, name: &str, text: &str) -> Self {
        self.kept.push((name.to_owned(), text.into()));
        self
    }

    fn text(&self, name: &str) -> String {
        if let Some((_, secret)) = self.credentials.iter().find(|(known, _)| known == name) {
            return secret.reveal().to_owned();
        }
        self.kept_value(name).map(shown_value).unwrap_or_default()
    }

    fn kept_value(&self, name: &str) -> Option<&Value> {
        self.kept.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A text with its gaps filled; `escape` is applied to what is filled in.
    pub fn filled(&self, template: &Template, escape: fn(String) -> String) -> String {
        template
            .parts
            .iter()
            .map(|part| match part {
                TemplatePart::Text(text) => text.clone(),
                TemplatePart::Gap { name, filters } => escape(filtered(self.text(name), filters)),
            })
            .collect()
    }

    /// A JSON value with its gaps filled.
    pub fn json(&self, template: &JsonTemplate) -> Value {
        match template {
            JsonTemplate::Plain(value) => value.clone(),
            JsonTemplate::Text(text) => match text.parts.as_slice() {
                [TemplatePart::Gap { name, filters }] if filters.is_empty() => {
                    self.kept_value(name).cloned().unwrap_or_else(|| self.text(name).into())
                }
                _ => self.filled(text, |text| text).into(),
            },
            JsonTemplate::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            JsonTemplate::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), self.json(value))).collect()
            }
        }
    }

    /// A text that came from outside, without any secret, and not longer than can be shown.
    pub fn shown(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.credentials.iter().map(|(_, secret)| secret).chain(&self.hidden) {
            // A very short secret would mask half of every text; such a one is no secret.
            if secret.reveal().chars().count() >= 4 {
                text = text.replace(secret.reveal(), MASK);
            }
        }
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    /// Keeps what a step names of its answer.
    ///
    /// # Errors
    /// A sentence about the first thing that is not there.
    pub fn keep(&mut self, step: &HttpStep, answer: &HttpAnswer) -> Result<Vec<String>, String> {
        let mut shown = Vec::new();
        for (name, place) in &step.keep {
            let value = found(place, answer)?.ok_or_else(|| {
                format!("{} is to be kept as {name}, and is not in the answer.", place.spoken())
            })?;
            let secret = sounds_secret(name) || hides(place);
            if secret {
                self.hidden.push(Secret::new(shown_value(&value)));
            }
            let words = if secret { MASK.to_owned() } else { self.shown(&shown_value(&value)) };
            shown.push(format!("{name} = {words}"));
            self.kept.push((name.clone(), value));
        }
        Ok(shown)
    }
}

/// What an answer means.
pub struct JudgedAnswer {
    /// Verdict.
    pub outcome: Outcome,
    /// Why, as a sentence.
    pub why: Option<String>,
    /// What was looked at.
    pub found: Vec<AnswerFound>,
}

/// Judges an answer by its step. `before`: what the check found before the newest run.
pub fn judge_answer(
    step: &HttpStep,
    answer: &HttpAnswer,
    values: &Values,
    before: Option<&str>,
) -> JudgedAnswer {
    let mut judged = JudgedAnswer { outcome: Outcome::Pass, why: None, found: Vec::new() };
    let mut add =
        |what: String, now: Option<String>, expected: String, outcome: Outcome, why: Option<String>| {
            if outcome > judged.outcome {
                judged.outcome = outcome;
                judged.why = why;
            }
            judged.found.push(AnswerFound { what, now, expected, outcome });
        };
    let (right, expected) = match step.status.as_slice() {
        [] => ((200..300).contains(&answer.status), "200 to 299".to_owned()),
        some => {
            (some.contains(&answer.status), some.iter().map(u16::to_string).collect::<Vec<_>>().join(" or "))
        }
    };
    let verdict = |well: bool| if well { Outcome::Pass } else { Outcome::Block };
    let why = format!("The app answered {}, expected {expected}.{}", answer.status, begins(answer, values));
    add("status".to_owned(), Some(answer.status.to_string()), expected, verdict(right), Some(why));
    if let Some(within) = step.within_ms {
        let why = format!("The answer took {} ms; at most {within} ms were expected.", answer.milliseconds);
        let in_time = verdict(answer.milliseconds <= within);
        add(
            "time".to_owned(),
            Some(format!("{} ms", answer.milliseconds)),
            format!("≤ {within} ms"),
            in_time,
            Some(why),
        );
    }
    // What a wrong answer holds says nothing more.
    if !right {
        return judged;
    }
    for expectation in &step.expect {
        match expectation {
            AnswerExpectation::Contains(text) | AnswerExpectation::Lacks(text) => {
                let wanted = values.filled(text, |text| text);
                let wished = matches!(expectation, AnswerExpectation::Contains(_));
                let there = answer.body.contains(&wanted);
                let shown = values.shown(&wanted);
                let why = if wished {
                    format!("The text \"{shown}\" is not in the answer.{}", begins(answer, values))
                } else {
                    format!("The text \"{shown}\" is in the answer.")
                };
                let word = |there: bool| if there { "there" } else { "not there" }.to_owned();
                add(
                    format!("text \"{shown}\""),
                    Some(word(there)),
                    word(wished),
                    verdict(there == wished),
                    Some(why),
                );
            }
            AnswerExpectation::Value { of, holds } => {
                let (now, outcome, why) = value_holds(of, holds, answer, values, before);
                add(of.spoken(), now, condition_words(holds, values), outcome, why);
            }
        }
    }
    judged
}

/// Whether what is waited for is there; else how it is now, in a sentence.
///
/// # Errors
/// A sentence.
pub fn settled(until: &Until, answer: &HttpAnswer, values: &Values) -> Result<(), String> {
    let (now, outcome, why) = value_holds(&until.of, &until.holds, answer, values, None);
    if outcome == Outcome::Pass {
        return Ok(());
    }
    Err(match now {
        Some(now) => format!("{} was still {now}", until.of.spoken()),
        None => why.unwrap_or_else(|| format!("{} was not there", until.of.spoken())),
    })
}

/// What is waited for, in words.
pub fn waited_for(until: &Until, values: &Values) -> String {
    format!("{} {}", until.of.spoken(), condition_words(&until.holds, values))
}

fn value_holds(
    of: &Found,
    condition: &AnswerCondition,
    answer: &HttpAnswer,
    values: &Values,
    before: Option<&str>,
) -> (Option<String>, Outcome, Option<String>) {
    let value = match found(of, answer) {
        Err(why) => return (None, Outcome::Block, Some(format!("{why}{}", begins(answer, values)))),
        Ok(None) => {
            let why = format!("{} is not in the answer.{}", of.spoken(), begins(answer, values));
            return (None, Outcome::Block, Some(why));
        }
        Ok(Some(value)) => shown_value(&value),
    };
    let masked = hides(of);
    let shown = |text: &str| if masked { MASK.to_owned() } else { values.shown(text) };
    let sentence =
        |expected: String| Some(format!("{}: expected {expected}, found {}.", of.spoken(), shown(&value)));
    let (outcome, why) = match condition {
        AnswerCondition::Equals(wanted) => {
            let wanted = values.filled(wanted, |text| text);
            match holds(&Condition::Equals(wanted.clone()), &value, None) {
                (Outcome::Pass, _) => (Outcome::Pass, None),
                (outcome, _) => (outcome, sentence(shown(&wanted))),
            }
        }
        AnswerCondition::Contains(part) => {
            let part = values.filled(part, |text| text);
            if value.contains(&part) {
                (Outcome::Pass, None)
            } else {
                (Outcome::Block, sentence(format!("a text with \"{}\"", shown(&part))))
            }
        }
        AnswerCondition::Holds { condition, since } => {
            let earlier = since.as_ref().map(|name| values.text(name));
            let (outcome, why) = holds(condition, &value, earlier.as_deref().or(before));
            let why = why
                .map(|why| if masked { "The value is another one.".to_owned() } else { values.shown(&why) });
            (outcome, why.map(|why| format!("{}: {why}", of.spoken())))
        }
    };
    // A changed number is told as its change, as it was asked for.
    let now = match condition {
        AnswerCondition::Holds { condition: Condition::ChangedBy(_), since: Some(name) } => {
            change(&value, &values.text(name)).unwrap_or_else(|| shown(&value))
        }
        _ => shown(&value),
    };
    (Some(now), outcome, why)
}

fn change(now: &str, before: &str) -> Option<String> {
    let changed = now.parse::<i128>().ok()?.checked_sub(before.parse().ok()?)?;
    Some(if changed > 0 { format!("+{changed}") } else { changed.to_string() })
}

fn condition_words(condition: &AnswerCondition, values: &Values) -> String {
    match condition {
        AnswerCondition::Equals(text) => values.shown(&values.filled(text, |text| text)),
        AnswerCondition::Contains(text) => {
            format!("with \"{}\"", values.shown(&values.filled(text, |text| text)))
        }
        AnswerCondition::Holds { condition, .. } => spoken(condition),
    }
}

/// The value at a place of an answer.
fn found(place: &Found, answer: &HttpAnswer) -> Result<Option<Value>, String> {
    let (path, count) = match place {
        Found::Header(name) => {
            let header = answer.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            return Ok(header.map(|(_, value)| value.clone().into()));
        }
        Found::Json(path) => (path, false),
        Found::Count(path) => (path, true),
    };
    let body: Value =
        serde_json::from_str(&answer.body).map_err(|error| format!("The answer is no JSON ({error})."))?;
    let path =
        JsonPath::parse(path).map_err(|error| format!("{path} is no JSONPath: {}.", error.message()))?;
    let nodes = path.query(&body);
    Ok(if count { Some(nodes.len().into()) } else { nodes.first().cloned() })
}

/// A value as a text: texts as they are, all else as JSON.
fn shown_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether what stands at a place is shown to nobody.
fn hides(place: &Found) -> bool {
    let name = match place {
        Found::Count(_) => return false,
        Found::Header(name) => {
            let name = name.to_lowercase();
            if name.contains("cookie") || name == "authorization" {
                return true;
            }
            name
        }
        Found::Json(path) => {
            let last = path.rsplit(['.', '\'', '"', '[']).find(|part| part.chars().any(char::is_alphabetic));
            last.unwrap_or_default().trim_end_matches(']').to_owned()
        }
    };
    sounds_secret(&name) || is_personal(&name)
}

/// How an answer begins, for somebody who wonders what came instead.
fn begins(answer: &HttpAnswer, values: &Values) -> String {
    // JSON holds people's data; what is no JSON is mostly a page that says what is wrong.
    let text = answer.body.trim();
    if text.is_empty() {
        return " The answer is empty.".to_owned();
    }
    if serde_json::from_str::<Value>(text).is_ok() {
        return String::new();
    }
    let beginning: String = text.chars().take(80).map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    format!(" The answer begins with: {}", values.shown(&beginning))
}
