//! Requests filled in and answers judged. Pure: what is sent and what came back is handed in.

mod values;

pub use values::{Unfilled, Values};

use super::expectations::{holds, spoken};
use crate::domain::Outcome;
use crate::domain::http::{AnswerCondition, AnswerExpectation, Found, HttpAnswer, HttpStep, Until};
use crate::domain::profile::{Condition, Template};
use crate::domain::verification::AnswerFound;
use crate::planner::seed::policy::{is_personal, sounds_secret};
use serde_json::Value;
use serde_json_path::JsonPath;
use values::{MASK, cut};

/// What an answer means.
pub struct JudgedAnswer {
    /// Verdict.
    pub outcome: Outcome,
    /// Why, as a sentence.
    pub why: Option<String>,
    /// What was looked at.
    pub found: Vec<AnswerFound>,
}

/// Judges an answer by its step.
pub fn judge_answer(step: &HttpStep, answer: &HttpAnswer, values: &Values) -> JudgedAnswer {
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
                let wanted = match values.filled(text) {
                    Ok(wanted) => wanted,
                    Err(why) => {
                        let why = format!("It could not be judged: {why}.");
                        add("text".to_owned(), None, String::new(), Outcome::Unknown, Some(why));
                        continue;
                    }
                };
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
                let (now, outcome, why) = value_holds(of, holds, answer, values);
                add(of.spoken(), now, condition_words(holds, values), outcome, why);
            }
        }
    }
    judged
}

/// How it is now, in a sentence, where what is waited for is not there yet.
pub fn still(until: &Until, answer: &HttpAnswer, values: &Values) -> Option<String> {
    let (now, outcome, why) = value_holds(&until.of, &until.holds, answer, values);
    if outcome == Outcome::Pass {
        return None;
    }
    Some(match now {
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
) -> (Option<String>, Outcome, Option<String>) {
    let value = match found(of, answer) {
        Err(why) => return (None, Outcome::Block, Some(format!("{why}{}", begins(answer, values)))),
        Ok(None) => {
            let why = format!("{} is not in the answer.{}", of.spoken(), begins(answer, values));
            return (None, Outcome::Block, Some(why));
        }
        Ok(Some(value)) => value,
    };
    let (value, words) = (whole_value(&value), shown_value(&value));
    let masked = hides(of);
    let shown = |text: &str| if masked { MASK.to_owned() } else { values.shown(text) };
    let sentence =
        |expected: String| Some(format!("{}: expected {expected}, found {}.", of.spoken(), shown(&words)));
    let unfilled = |why: Unfilled| {
        (Some(shown(&words)), Outcome::Unknown, Some(format!("{} could not be judged: {why}.", of.spoken())))
    };
    let (outcome, why) = match condition {
        AnswerCondition::Equals(wanted) => {
            let wanted = match values.filled(wanted) {
                Ok(wanted) => wanted,
                Err(why) => return unfilled(why),
            };
            match holds(&Condition::Equals(wanted.clone()), &value, None) {
                (Outcome::Pass, _) => (Outcome::Pass, None),
                (outcome, _) => (outcome, sentence(shown(&wanted))),
            }
        }
        AnswerCondition::Contains(part) => {
            let part = match values.filled(part) {
                Ok(part) => part,
                Err(why) => return unfilled(why),
            };
            if value.contains(&part) {
                (Outcome::Pass, None)
            } else {
                (Outcome::Block, sentence(format!("a text with \"{}\"", shown(&part))))
            }
        }
        AnswerCondition::Holds { condition, since } => {
            let earlier = match since.as_ref().map(|name| values.text(name)).transpose() {
                Ok(earlier) => earlier,
                Err(why) => return unfilled(why),
            };
            let (outcome, why) = holds(condition, &value, earlier.as_deref());
            let told = |why: String| {
                if masked { "The value is another one.".to_owned() } else { values.shown(&why) }
            };
            let why = why.map(|why| format!("{}: {}", of.spoken(), told(why)));
            // A changed number is told as its change, as it was asked for.
            if let (Condition::ChangedBy(_), Some(earlier), false) = (condition, &earlier, masked)
                && let Some(change) = change(&value, earlier)
            {
                return (Some(change), outcome, why);
            }
            (outcome, why)
        }
    };
    (Some(shown(&words)), outcome, why)
}

fn change(now: &str, before: &str) -> Option<String> {
    let changed = now.parse::<i128>().ok()?.checked_sub(before.parse().ok()?)?;
    Some(if changed > 0 { format!("+{changed}") } else { changed.to_string() })
}

fn condition_words(condition: &AnswerCondition, values: &Values) -> String {
    let text = |template: &Template| {
        values.filled(template).map_or_else(|why| why.to_string(), |text| values.shown(&text))
    };
    match condition {
        AnswerCondition::Equals(wanted) => text(wanted),
        AnswerCondition::Contains(part) => format!("with \"{}\"", text(part)),
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
fn whole_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value as it is shown: of what has parts, only how many; they may hold anything.
fn shown_value(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(members) => format!("an object of {}", members.len()),
        other => whole_value(other),
    }
}

/// Whether what stands at a place is shown to nobody: one of its names sounds like a secret or a person's address.
fn hides(place: &Found) -> bool {
    let telling = |name: &str| sounds_secret(name) || is_personal(name);
    match place {
        Found::Count(_) => false,
        Found::Header(name) => telling(name),
        Found::Json(path) => path
            .split(|character: char| !(character.is_alphanumeric() || matches!(character, '_' | '-')))
            .any(telling),
    }
}

/// How an answer begins, for somebody who wonders what came instead: a page, or what came with an error. Anything else
/// may be people's data.
fn begins(answer: &HttpAnswer, values: &Values) -> String {
    let text = answer.body.trim();
    if text.is_empty() {
        return " The answer is empty.".to_owned();
    }
    let is_json = serde_json::from_str::<Value>(text).is_ok();
    if is_json || !(text.starts_with('<') || answer.status >= 400) {
        return String::new();
    }
    let masked: String =
        values.masked(text).chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    format!(" The answer begins with: {}", cut(&masked, 80))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::profile::TemplatePart;
    use crate::domain::secret::Secret;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

    fn answer(status: u16, body: &str) -> HttpAnswer {
        let headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
        HttpAnswer { status, headers, body: body.to_owned(), milliseconds: 1 }
    }

    #[test]
    fn a_secret_is_masked_in_every_form_in_which_an_answer_may_hold_it() {
        let secret = "pa\"ss <w>&/ü";
        let values = Values::new(vec![("key".to_owned(), Secret::new(secret))], [].iter());
        for form in [
            secret.to_owned(),
            Value::from(secret).to_string(),
            utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
            url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
            "pa&quot;ss &lt;w&gt;&amp;/ü".to_owned(),
            secret.to_uppercase(),
        ] {
            let told = values.shown(&format!("before {form} after"));
            assert!(told.contains(MASK) && !told.to_lowercase().contains("pa"), "{form}: {told}");
        }
        // Cut after it is masked: no beginning of it is left.
        let page = format!("<p>{}{secret}", "x".repeat(74));
        let begun = begins(&answer(500, &page), &values);
        assert!(!begun.contains("pa\""), "{begun}");
        assert_eq!(
            begins(&answer(200, "a token of some kind"), &values),
            "",
            "what is no page and no error is not shown"
        );
    }

    #[test]
    fn names_and_places_that_tell_secrets_hide_them_and_of_what_has_parts_only_the_size_is_shown() {
        for path in [
            "$.accessToken",
            "$.token.value",
            "$['api-key']",
            "$.user.email",
            "$.tokens[*].value",
            "$.sessionId",
        ] {
            assert!(hides(&Found::Json(path.to_owned())), "{path}");
        }
        for header in ["Set-Cookie", "X-Auth-Token", "X-Api-Key", "Authorization"] {
            assert!(hides(&Found::Header(header.to_owned())), "{header}");
        }
        for path in ["$.credits", "$.models[0].name", "$.status"] {
            assert!(!hides(&Found::Json(path.to_owned())), "{path}");
        }
        let object = serde_json::json!({ "access_token": "x", "email": "y" });
        assert_eq!(shown_value(&object), "an object of 2");
    }

    #[test]
    fn nothing_that_leads_elsewhere_is_filled_into_a_path() {
        let template = Template {
            parts: vec![
                TemplatePart::Text("/api/".to_owned()),
                TemplatePart::Gap { name: "id".to_owned(), filters: Vec::new() },
            ],
        };
        let path = |text: &str| Values::default().with("id", text).path(&template);
        for text in ["", ".", "..", "..."] {
            assert_eq!(path(text), Err(Unfilled::Leads("id".to_owned())), "{text}");
        }
        assert_eq!(path("../a?b#c"), Ok("/api/..%2Fa%3Fb%23c".to_owned()));
        assert_eq!(Values::default().path(&template), Err(Unfilled::Missing("id".to_owned())));
    }
}
