//! Requests to the app as they are written: in order, with what each answer must be and what is kept of it.

use super::profile::{Condition, TableName, Template, TemplatePart};
use super::verification::CheckPart;
use serde::{Deserialize, Serialize};

/// A secret that requests need. The file has its name; the secret is kept by handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCredential {
    /// Name in gaps.
    pub name: String,
    /// Words of the form.
    pub label: String,
}

/// Requests in order, judged as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpFlow {
    /// Part of the panel.
    pub part: CheckPart,
    /// Whether it writes; `None`: it only reads.
    pub writes: Option<Writes>,
    /// The requests.
    pub steps: Vec<HttpStep>,
    /// Requests that take back what the others wrote; sent whatever became of them.
    pub cleanup: Vec<HttpStep>,
}

impl HttpFlow {
    /// What its gaps name, each once.
    pub fn names(&self) -> Vec<String> {
        names(self.steps.iter().chain(&self.cleanup))
    }
}

impl HttpWork {
    /// What its gaps name, each once.
    pub fn names(&self) -> Vec<String> {
        names(self.steps.iter())
    }
}

fn names<'s>(steps: impl Iterator<Item = &'s HttpStep>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |template: &Template| {
        for part in &template.parts {
            if let TemplatePart::Gap { name, .. } = part
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
    };
    for step in steps {
        add(&step.path);
        step.headers.iter().for_each(|(_, value)| add(value));
        match &step.body {
            None => {}
            Some(HttpBody::Json(json)) => json.templates(&mut add),
            Some(HttpBody::Form(fields)) => fields.iter().for_each(|(_, value)| add(value)),
            Some(HttpBody::Text(text)) => add(text),
        }
        for expectation in &step.expect {
            match expectation {
                AnswerExpectation::Contains(text) | AnswerExpectation::Lacks(text) => add(text),
                AnswerExpectation::Value { holds, .. } => holds.templates(&mut add),
            }
        }
        if let Some(until) = &step.until {
            until.holds.templates(&mut add);
        }
    }
    names
}

/// What a flow says of its writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct Writes {
    /// The account that it writes as.
    pub account: String,
    /// What stays behind; `None`: its last requests clean up.
    pub leaves: Option<String>,
}

/// One request, and what its answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpStep {
    /// Name on the screen; `None`: method and path.
    pub name: Option<String>,
    /// Method.
    pub method: HttpMethod,
    /// Path and query, from the app's address on; begins with `/`.
    pub path: Template,
    /// Headers.
    pub headers: Vec<(String, Template)>,
    /// What is sent.
    pub body: Option<HttpBody>,
    /// Redirects on the same host are followed.
    pub follow: bool,
    /// Seconds after which no answer is waited for any more.
    pub give_up_s: u32,
    /// Statuses that are right; empty: 200 to 299.
    pub status: Vec<u16>,
    /// Milliseconds that the answer may take; `None`: as long as it is waited for.
    pub within_ms: Option<u32>,
    /// What the answer must be.
    pub expect: Vec<AnswerExpectation>,
    /// What is kept for later requests.
    pub keep: Vec<(String, Found)>,
    /// It is sent again until this holds.
    pub until: Option<Until>,
}

/// What a profile asks the app to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpWork {
    /// The requests.
    pub steps: Vec<HttpStep>,
    /// Tables whose rows are counted before and after.
    pub counts: Vec<TableName>,
    /// A second time changes nothing, as the profile says.
    pub repeatable: bool,
}

/// Methods of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl HttpStep {
    /// Method and path, with gaps as they are written.
    pub fn request(&self) -> String {
        let parts = self.path.parts.iter().map(|part| match part {
            TemplatePart::Text(text) => text.clone(),
            TemplatePart::Gap { name, .. } => format!("{{{{{name}}}}}"),
        });
        format!("{} {}", self.method.word(), parts.collect::<String>())
    }

    /// Its name; else method and path.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.request())
    }
}

impl HttpMethod {
    /// As it is sent.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether a request may change something, as RFC 9110 section 9.2.1 has it.
    pub fn writes(self) -> bool {
        !matches!(self, Self::Get | Self::Head)
    }
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpBody {
    /// JSON; texts in it may have gaps.
    Json(JsonTemplate),
    /// Fields of a form.
    Form(Vec<(String, Template)>),
    /// A text.
    Text(Template),
}

/// A JSON value with gaps in its texts. A text that is one gap and nothing else becomes the kept value, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonTemplate {
    /// A value without gaps.
    Plain(serde_json::Value),
    /// A text with gaps.
    Text(Template),
    /// An array.
    Array(Vec<JsonTemplate>),
    /// An object.
    Object(Vec<(String, JsonTemplate)>),
}

impl JsonTemplate {
    fn templates(&self, each: &mut impl FnMut(&Template)) {
        match self {
            Self::Plain(_) => {}
            Self::Text(text) => each(text),
            Self::Array(items) => items.iter().for_each(|item| item.templates(each)),
            Self::Object(members) => members.iter().for_each(|(_, value)| value.templates(each)),
        }
    }
}

/// A place in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The first value that a JSONPath (RFC 9535) selects.
    Json(String),
    /// How many values a JSONPath selects.
    Count(String),
    /// A header.
    Header(String),
}

impl Found {
    /// In a sentence.
    pub fn spoken(&self) -> String {
        match self {
            Self::Json(path) => path.clone(),
            Self::Count(path) => format!("number of {path}"),
            Self::Header(name) => format!("header {name}"),
        }
    }
}

/// What an answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerExpectation {
    /// A place of it.
    Value {
        /// Which place.
        of: Found,
        /// What it must be.
        holds: AnswerCondition,
    },
    /// This text is in it.
    Contains(Template),
    /// This text is not in it.
    Lacks(Template),
}

/// What a place of an answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerCondition {
    /// As a condition of the database; `unchanged` and `changed_by` compare with what was kept under `since`.
    Holds {
        /// The condition.
        condition: Condition,
        /// What it is compared with.
        since: Option<String>,
    },
    /// This text, with gaps.
    Equals(Template),
    /// A text that holds this one.
    Contains(Template),
}

impl AnswerCondition {
    fn templates(&self, each: &mut impl FnMut(&Template)) {
        match self {
            Self::Holds { .. } => {}
            Self::Equals(text) | Self::Contains(text) => each(text),
        }
    }
}

/// A request that is sent until something holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Until {
    /// What.
    pub of: Found,
    /// What it must be.
    pub holds: AnswerCondition,
    /// Seconds between two requests.
    pub every_s: u32,
    /// Seconds after which it is given up.
    pub for_s: u32,
}

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status.
    pub status: u16,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// Body as a text.
    pub body: String,
    /// Until the whole of it was there.
    pub milliseconds: u32,
}
