//! What gaps are filled with, and the secrets among it that no text may show.

use super::{found, hides, shown_value, whole_value};
use crate::domain::http::{HttpAnswer, HttpStep, JsonTemplate};
use crate::domain::profile::{Filter, Template, TemplatePart};
use crate::domain::secret::Secret;
use crate::planner::seed::policy::sounds_secret;
use crate::planner::seed::values::filtered;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// Longest value that is shown, in characters.
const LONGEST: usize = 200;
/// What is shown in place of a secret.
pub(super) const MASK: &str = "••••••";
/// What may stand in a path or query as it is, when it was filled in.
const FILLED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What gaps are filled with, and what must never be shown.
#[derive(Default)]
pub struct Values {
    credentials: Vec<(String, Secret)>,
    kept: Vec<(String, Value)>,
    /// Names whose values are sent in headers, where tokens go.
    in_headers: Vec<String>,
    /// Every form in which a secret may come back, longest first.
    hidden: Vec<Secret>,
}

/// Why a text with gaps cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    /// Nothing has that name.
    #[error("nothing was kept as {0}")]
    Missing(String),
    /// It would change where the path leads.
    #[error("{0} is empty or made of dots, which would lead to another path")]
    Leads(String),
}

impl Values {
    /// With secrets that gaps may name, and that are never shown. `steps`: what they are filled into.
    pub fn new<'s>(credentials: Vec<(String, Secret)>, steps: impl Iterator<Item = &'s HttpStep>) -> Self {
        let mut values = Self { credentials, ..Self::default() };
        for (_, template) in steps.flat_map(|step| &step.headers) {
            values.in_headers.extend(template.names().map(str::to_owned));
        }
        let secrets: Vec<Secret> = values.credentials.iter().map(|(_, secret)| secret.clone()).collect();
        secrets.iter().for_each(|secret| values.hide(secret.reveal()));
        values
    }

    /// The same, and an answer of a form.
    pub fn with(mut self, name: &str, text: &str) -> Self {
        self.kept.push((name.to_owned(), text.into()));
        self
    }

    /// From now on a text is masked, in each form in which an answer may hold it.
    fn hide(&mut self, text: &str) {
        // A very short one would mask half of every text; such a one is no secret.
        if text.chars().count() < 4 {
            return;
        }
        let json = Value::from(text).to_string();
        let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let forms = [
            text.to_owned(),
            json.trim_matches('"').to_owned(),
            utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
            form,
            html.replace('"', "&quot;").replace('\'', "&#39;"),
            html.replace('"', "&#34;").replace('\'', "&#x27;"),
            text.to_lowercase(),
            text.to_uppercase(),
            filtered(text.to_owned(), &[Filter::Slug]),
        ];
        for form in forms.into_iter().filter(|form| form.chars().count() >= 4) {
            if !self.hidden.iter().any(|known| known.reveal() == form) {
                self.hidden.push(Secret::new(form));
            }
        }
        self.hidden.sort_by_key(|form| std::cmp::Reverse(form.reveal().len()));
    }

    pub(super) fn text(&self, name: &str) -> Result<String, Unfilled> {
        if let Some((_, secret)) = self.credentials.iter().find(|(known, _)| known == name) {
            return Ok(secret.reveal().to_owned());
        }
        self.kept_value(name).map(whole_value).ok_or_else(|| Unfilled::Missing(name.to_owned()))
    }

    fn kept_value(&self, name: &str) -> Option<&Value> {
        self.kept.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A text with its gaps filled.
    ///
    /// # Errors
    /// [`Unfilled::Missing`].
    pub fn filled(&self, template: &Template) -> Result<String, Unfilled> {
        template
            .parts
            .iter()
            .map(|part| match part {
                TemplatePart::Text(text) => Ok(text.clone()),
                TemplatePart::Gap { name, filters } => Ok(filtered(self.text(name)?, filters)),
            })
            .collect()
    }

    /// A path with its gaps filled and escaped.
    ///
    /// # Errors
    /// [`Unfilled`].
    pub fn path(&self, template: &Template) -> Result<String, Unfilled> {
        template
            .parts
            .iter()
            .map(|part| match part {
                TemplatePart::Text(text) => Ok(text.clone()),
                TemplatePart::Gap { name, filters } => {
                    let text = filtered(self.text(name)?, filters);
                    if text.trim_matches('.').is_empty() {
                        return Err(Unfilled::Leads(name.clone()));
                    }
                    Ok(utf8_percent_encode(&text, FILLED).to_string())
                }
            })
            .collect()
    }

    /// A JSON value with its gaps filled.
    ///
    /// # Errors
    /// [`Unfilled::Missing`].
    pub fn json(&self, template: &JsonTemplate) -> Result<Value, Unfilled> {
        Ok(match template {
            JsonTemplate::Plain(value) => value.clone(),
            JsonTemplate::Text(text) => match text.parts.as_slice() {
                [TemplatePart::Gap { name, filters }] if filters.is_empty() => match self.kept_value(name) {
                    Some(value) => value.clone(),
                    None => self.text(name)?.into(),
                },
                _ => self.filled(text)?.into(),
            },
            JsonTemplate::Array(items) => {
                Value::Array(items.iter().map(|item| self.json(item)).collect::<Result<_, _>>()?)
            }
            JsonTemplate::Object(members) => {
                let member = |(name, value): &(String, JsonTemplate)| Ok((name.clone(), self.json(value)?));
                Value::Object(members.iter().map(member).collect::<Result<_, Unfilled>>()?)
            }
        })
    }

    /// A text without any secret.
    pub(super) fn masked(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_owned(), |text, secret| text.replace(secret.reveal(), MASK))
    }

    /// A text that came from outside, without any secret, and not longer than can be shown.
    pub fn shown(&self, text: &str) -> String {
        cut(&self.masked(text), LONGEST)
    }

    /// Keeps what a step names of its answer.
    ///
    /// # Errors
    /// A sentence about the first thing that is not there.
    pub fn keep(&mut self, step: &HttpStep, answer: &HttpAnswer) -> Result<Vec<String>, String> {
        let mut shown = Vec::new();
        for (name, place) in &step.keep {
            let value = found(place, answer)?.filter(|value| !value.is_null() && value != "");
            let value = value.ok_or_else(|| {
                format!("{} is to be kept as {name}, and is not in the answer.", place.spoken())
            })?;
            let secret = sounds_secret(name) || hides(place) || self.in_headers.contains(name);
            if secret {
                self.hide(&whole_value(&value));
            }
            let words = if secret { MASK.to_owned() } else { self.shown(&shown_value(&value)) };
            shown.push(format!("{name} = {words}"));
            self.kept.push((name.clone(), value));
        }
        Ok(shown)
    }
}

/// A text up to a length.
pub(super) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
