//! `http` of an expectation: requests to the app in order, what each answer must be, what is kept of it. And the
//! names of the secrets they need.

mod answer;

use super::cells::Uses;
use super::document::{Reading, Section, Value, expected, whole};
use super::inputs::plain_name;
use super::numbers;
use super::problems::{instead, one_of, quoted};
use super::templates::template;
use super::{keys, words};
use crate::domain::http::{
    HttpBody, HttpFlow, HttpMethod, HttpStep, HttpWork, JsonTemplate, NamedCredential, Writes,
};
use crate::domain::profile::{TableName, Template, TemplatePart};
use crate::domain::verification::CheckPart;
use toml::de::DeValue;

/// Most requests of a flow.
const MOST_STEPS: usize = 50;
/// Seconds that an answer is waited for unless the step says otherwise.
const GIVE_UP_S: u32 = 10;

/// `[[credentials]]`: secrets by name.
pub(super) fn credentials(reading: &mut Reading, root: &Section) -> Vec<NamedCredential> {
    let mut found: Vec<NamedCredential> = Vec::new();
    for section in root.sections(reading, "credentials", "A credential") {
        section.refuse_unknown(reading, keys::CREDENTIAL);
        let name = plain_name(reading, &section);
        let label = section.needed_text(reading, "label");
        let (Some(name), Some(label)) = (name, label) else { continue };
        if found.iter().any(|known| known.name == name) {
            let what = format!("The credential {} is there twice.", quoted(&name));
            reading.wrong(section.at_key("name"), what, "Remove one of them.");
        } else {
            found.push(NamedCredential { name, label });
        }
    }
    found
}

/// `[http]` of a profile: requests that make the app write.
pub(super) fn work(reading: &mut Reading, root: &Section) -> Option<HttpWork> {
    let section = root.section(reading, "http", "`[http]`")?;
    section.refuse_unknown(reading, keys::HTTP_WORK);
    let inputs = reading.inputs.iter().filter(|(_, facts)| !facts.password).map(|(name, _)| name.clone());
    let mut known =
        Known { inputs: inputs.collect(), credentials: reading.credentials.clone(), kept: Vec::new() };
    section.needed(reading, "steps");
    let steps = steps(reading, &section, "steps", &mut known);
    let repeatable = section.boolean(reading, "repeatable").unwrap_or(false);
    let counts = section.names(reading, "counts", true)?;
    let counts: Vec<Option<TableName>> = counts
        .iter()
        .map(|(name, at)| {
            let (schema, table) = match name.split_once('.') {
                Some((schema, table)) => (Some(schema.to_owned()), table),
                None => (None, name.as_str()),
            };
            if table.is_empty() || table.contains('.') || schema.as_deref() == Some("") {
                reading.wrong(
                    *at,
                    format!("{} is no table's name.", quoted(name)),
                    "Write `table` or `schema.table`.",
                );
                return None;
            }
            Some(TableName { schema, name: table.to_owned() })
        })
        .collect();
    Some(HttpWork { steps: steps?, counts: counts.into_iter().collect::<Option<_>>()?, repeatable })
}

/// What gaps of requests may name; grows from step to step.
struct Known {
    /// Answers of the form; only where a profile is applied.
    inputs: Vec<String>,
    credentials: Vec<String>,
    /// Kept from the answers of earlier steps.
    kept: Vec<String>,
}

/// One request, or several in `steps`.
pub(super) fn flow(reading: &mut Reading, section: &Section) -> Option<HttpFlow> {
    let mut keys_here = keys::FLOW.to_vec();
    if !section.has("steps") {
        keys_here.extend(keys::STEP.iter().filter(|key| **key != "name"));
    }
    section.refuse_unknown(reading, &keys_here);
    let mut known = Known { inputs: Vec::new(), credentials: reading.credentials.clone(), kept: Vec::new() };
    let sent = if section.has("steps") {
        steps(reading, section, "steps", &mut known)
    } else {
        step(reading, section, &mut known).map(|step| vec![step])
    };
    let cleanup = steps(reading, section, "cleanup", &mut known);
    let part =
        if section.has("part") { section.word(reading, "part", words::PARTS) } else { Some(CheckPart::Api) };
    let (steps, cleanup) = (sent?, cleanup?);
    let writes = writes(reading, section, &steps, &cleanup)?;
    Some(HttpFlow { part: part?, writes, steps, cleanup })
}

/// Who it writes as and what it leaves; said by every flow whose methods may write.
fn writes(
    reading: &mut Reading,
    section: &Section,
    steps: &[HttpStep],
    cleanup: &[HttpStep],
) -> Option<Option<Writes>> {
    let may = steps.iter().chain(cleanup).find(|step| step.method.writes());
    if section.has("writes") {
        if section.boolean(reading, "writes")? {
            let next = "Write `writes_as` with the account it writes as instead.";
            reading.wrong(section.at_key("writes"), "`writes` is true, and does not say as whom.", next);
            return None;
        }
        for key in ["writes_as", "leaves", "cleanup"].iter().filter(|key| section.has(key)) {
            let what = format!("{} stands beside `writes = false`.", quoted(key));
            reading.wrong(section.at_key(key), what, "Keep one of them.");
        }
        return Some(None);
    }
    if !section.has("writes_as") {
        let Some(step) = may else { return Some(None) };
        let what = format!("The requests may write ({}), and it is not said as whom.", step.method.word());
        let next = "Add `writes_as` with the account they write as, or `writes = false` where none of them changes anything.";
        reading.wrong(section.at, what, next);
        return None;
    }
    let account = section.needed_text(reading, "writes_as")?;
    let leaves = if section.has("leaves") { Some(section.needed_text(reading, "leaves")?) } else { None };
    if leaves.is_none() && cleanup.is_empty() {
        reading.wrong(
            section.at_key("writes_as"),
            "It writes, and nothing says what becomes of that.",
            "Add `cleanup` with the requests that take it back, or `leaves` with what stays behind, in words.",
        );
        return None;
    }
    Some(Some(Writes { account, leaves }))
}

fn steps(reading: &mut Reading, section: &Section, key: &str, known: &mut Known) -> Option<Vec<HttpStep>> {
    let called = if key == "cleanup" { "A request of `cleanup`" } else { "A step" };
    let sections = section.sections(reading, key, called);
    if section.has(key) && sections.is_empty() {
        reading.wrong(
            section.at_key(key),
            format!("{} is empty.", quoted(key)),
            "Add a request, or remove it.",
        );
        return None;
    }
    if sections.len() > MOST_STEPS {
        let what = format!("There are {} requests; at most {MOST_STEPS} are sent.", sections.len());
        reading.wrong(section.at_key(key), what, "Write a check for each thing that is checked.");
        return None;
    }
    let mut found = Vec::new();
    let mut sound = true;
    for section in sections {
        section.refuse_unknown(reading, keys::STEP);
        match step(reading, &section, known) {
            Some(step) => found.push(step),
            None => sound = false,
        }
    }
    sound.then_some(found)
}

fn step(reading: &mut Reading, section: &Section, known: &mut Known) -> Option<HttpStep> {
    let before = reading.problems.count();
    let name = section.text(reading, "name");
    let (method, path) = request(reading, section, known)?;
    let headers = headers(reading, section, known);
    let body = body(reading, section, method, known);
    let follow = section.boolean(reading, "follow").unwrap_or(false);
    let give_up_s = section.whole(reading, "give_up_s", 1, 300).unwrap_or(GIVE_UP_S);
    let within_ms = section.whole(reading, "within_ms", 1, 300_000);
    let status = status(reading, section);
    let expect = section
        .sections(reading, "expect", "An entry of `expect`")
        .into_iter()
        .filter_map(|entry| answer::expectation(reading, &entry, known))
        .collect();
    let until = section
        .section(reading, "until", "`until`")
        .and_then(|section| answer::until(reading, &section, known));
    if method.writes() && until.is_some() {
        let what = format!("`until` would send {} again and again.", method.word());
        reading.wrong(
            section.at_key("until"),
            what,
            "Send it once, and wait with `until` in a step that only reads.",
        );
    }
    let keep = answer::keep(reading, section, known);
    (reading.problems.count() == before).then(|| HttpStep {
        name,
        method,
        path,
        headers,
        body,
        follow,
        give_up_s,
        status,
        within_ms,
        expect,
        keep,
        until,
    })
}

/// The one method, and the path behind it.
fn request(reading: &mut Reading, section: &Section, known: &Known) -> Option<(HttpMethod, Template)> {
    let found: Vec<&(&str, HttpMethod)> =
        words::METHODS.iter().filter(|(method, _)| section.has(method)).collect();
    let methods: Vec<&str> = words::METHODS.iter().map(|(method, _)| *method).collect();
    let (key, method) = match found.as_slice() {
        [one] => **one,
        [] if section.misspelt(reading, &methods) => return None,
        [] => {
            let what = format!("{} sends no request.", section.called);
            reading.wrong(section.at, what, format!("Add {} with the path.", one_of(&methods)));
            return None;
        }
        [(first, _), (second, _), ..] => {
            let what =
                format!("{} sends two requests, {} and {}.", section.called, quoted(first), quoted(second));
            reading.wrong(section.at_key(second), what, "Write a step for each.");
            return None;
        }
    };
    let value = section.value(key)?;
    let path = gaps(reading, value, &quoted(key), known)?;
    let at = value.span().start;
    let begins = matches!(path.parts.first(), Some(TemplatePart::Text(text)) if text.starts_with('/') && !text.starts_with("//"));
    if !begins {
        let next = "Write the path alone, from `/` on; the app's address is set on the environment.";
        reading.wrong(at, format!("{} does not begin with one `/`.", quoted(reading.written(value))), next);
        return None;
    }
    if let Some(secret) = path.names().find(|name| known.credentials.iter().any(|known| known == name)) {
        let what = format!(
            "The credential {} stands in the path, which servers write into their logs.",
            quoted(secret)
        );
        reading.wrong(at, what, "Send it in a header or in the body.");
        return None;
    }
    Some((method, path))
}

fn headers(reading: &mut Reading, section: &Section, known: &Known) -> Vec<(String, Template)> {
    let Some(headers) = section.section(reading, "headers", "`headers`") else { return Vec::new() };
    let mut found = Vec::new();
    for (name, at, value) in headers.entries() {
        let sound = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        if !sound || name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case("content-length") {
            let what = format!("{} is no header that can be set here.", quoted(name));
            reading.wrong(
                at,
                what,
                "Write a header's name of letters, digits and `-`; host and length are set by Drydock.",
            );
        } else if let Some(value) = gaps(reading, value, &quoted(name), known) {
            found.push((name.to_owned(), value));
        }
    }
    found
}

fn body(reading: &mut Reading, section: &Section, method: HttpMethod, known: &Known) -> Option<HttpBody> {
    let forms: Vec<&str> = ["json", "form", "body"].into_iter().filter(|form| section.has(form)).collect();
    let form = match forms.as_slice() {
        [] => return None,
        [one] => *one,
        [first, second, ..] => {
            let what =
                format!("{} sends two bodies, {} and {}.", section.called, quoted(first), quoted(second));
            reading.wrong(section.at_key(second), what, "Keep one of them.");
            return None;
        }
    };
    if !method.writes() {
        let what = format!("{} sends a body with {}.", section.called, method.word());
        reading.wrong(section.at_key(form), what, "Remove it, or use another method.");
        return None;
    }
    let value = section.value(form)?;
    match form {
        "json" => json(reading, value, known).map(HttpBody::Json),
        "body" => gaps(reading, value, "`body`", known).map(HttpBody::Text),
        _ => {
            let fields = Section::of(reading, value, "`form`")?;
            let fields = fields
                .entries()
                .into_iter()
                .filter_map(|(name, _, value)| {
                    Some((name.to_owned(), gaps(reading, value, &quoted(name), known)?))
                })
                .collect();
            Some(HttpBody::Form(fields))
        }
    }
}

fn json(reading: &mut Reading, value: &Value, known: &Known) -> Option<JsonTemplate> {
    Some(match value.get_ref() {
        DeValue::String(_) => {
            let text = gaps(reading, value, "A text of `json`", known)?;
            match text.parts.as_slice() {
                [] => JsonTemplate::Plain(String::new().into()),
                [TemplatePart::Text(plain)] => JsonTemplate::Plain(plain.clone().into()),
                _ => JsonTemplate::Text(text),
            }
        }
        DeValue::Boolean(yes) => JsonTemplate::Plain((*yes).into()),
        DeValue::Integer(_) => JsonTemplate::Plain(whole(reading, value, "A number of `json`")?.into()),
        DeValue::Float(float) => {
            let digits = numbers::decimals(float);
            match serde_json::from_str(&digits) {
                Ok(number) => JsonTemplate::Plain(number),
                Err(_) => {
                    return expected(
                        reading,
                        value,
                        "A value of `json`",
                        "a finite number",
                        "JSON knows no other.",
                    );
                }
            }
        }
        DeValue::Datetime(_) => {
            return expected(
                reading,
                value,
                "A value of `json`",
                "something that JSON knows",
                "Put the date in quotes.",
            );
        }
        DeValue::Array(items) => {
            let items: Vec<Option<JsonTemplate>> =
                items.iter().map(|item| json(reading, item, known)).collect();
            JsonTemplate::Array(items.into_iter().collect::<Option<_>>()?)
        }
        DeValue::Table(table) => {
            let section = Section::new(table, value.span().start, "`json`");
            let members: Vec<Option<(String, JsonTemplate)>> = section
                .entries()
                .into_iter()
                .map(|(name, _, value)| Some((name.to_owned(), json(reading, value, known)?)))
                .collect();
            JsonTemplate::Object(members.into_iter().collect::<Option<_>>()?)
        }
    })
}

/// A status, or several.
fn status(reading: &mut Reading, section: &Section) -> Vec<u16> {
    let Some(value) = section.value("status") else { return Vec::new() };
    let values: Vec<&Value> = match value.get_ref() {
        DeValue::Array(items) => items.iter().collect(),
        _ => vec![value],
    };
    if values.is_empty() {
        reading.wrong(
            value.span().start,
            "`status` is empty.",
            "Write at least one, or remove it: 200 to 299 are right then.",
        );
    }
    let mut found = Vec::new();
    for value in values {
        let Some(number) = whole(reading, value, "`status`") else { continue };
        match u16::try_from(number).ok().filter(|status| (100..=599).contains(status)) {
            Some(status) => found.push(status),
            None => reading.wrong(
                value.span().start,
                format!("{number} is no status of HTTP."),
                "Write a number from 100 to 599.",
            ),
        }
    }
    found
}

/// A text with gaps, each of which must be known here.
fn gaps(reading: &mut Reading, value: &Value, called: &str, known: &Known) -> Option<Template> {
    let template = template(reading, value, called, "", &mut Uses::default())?;
    let all: Vec<&str> =
        known.inputs.iter().chain(&known.credentials).chain(&known.kept).map(String::as_str).collect();
    let unknown = template.names().find(|name| !all.contains(name)).map(str::to_owned);
    if let Some(name) = unknown {
        let what = match reading.inputs.get(&name) {
            Some(facts) if facts.password => {
                format!(
                    "The input {} is a password; requests take secrets from `[[credentials]]`.",
                    quoted(&name)
                )
            }
            _ => format!("The gap {} names no credential, and no earlier step keeps it.", quoted(&name)),
        };
        reading.wrong(value.span().start, what, instead(&name, &all));
        return None;
    }
    Some(template)
}
