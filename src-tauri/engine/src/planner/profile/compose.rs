//! The text of a check, from what a form asks.

use crate::domain::verification::{CheckDraft, CheckPart, DraftAsks};
use toml::{Table, Value};

/// The `[[expect]]` block of a check, to be put at the end of a file. That it can be read is for
/// [`super::parse_suite`] to say.
pub fn compose(draft: &CheckDraft) -> String {
    let mut expect = Table::new();
    expect.insert("name".to_owned(), draft.name.clone().into());
    match &draft.asks {
        DraftAsks::App { .. } => {
            expect.insert("http".to_owned(), Value::Table(request(&draft.asks)));
        }
        DraftAsks::Count { table, condition, at_least } => {
            let mut count = Table::new();
            count.insert("table".to_owned(), table.clone().into());
            if let Some(condition) = condition {
                count.insert("where".to_owned(), condition.clone().into());
            }
            count.insert("at_least".to_owned(), i64::from(*at_least).into());
            expect.insert("count".to_owned(), Value::Table(count));
        }
        DraftAsks::NoRow { sql } => {
            expect.insert("none".to_owned(), sql.clone().into());
        }
    }
    let mut file = Table::new();
    file.insert("expect".to_owned(), Value::Array(vec![Value::Table(expect)]));
    toml::to_string_pretty(&file).unwrap_or_default()
}

fn request(asks: &DraftAsks) -> Table {
    let mut request = Table::new();
    let DraftAsks::App { part, path, status, within_ms, text, json, bearer } = asks else { return request };
    let part = match part {
        CheckPart::Page => "page",
        CheckPart::Functional => "functional",
        CheckPart::Api | CheckPart::Database | CheckPart::Schema => "api",
    };
    request.insert("part".to_owned(), part.into());
    request.insert("get".to_owned(), path.clone().into());
    if let Some(bearer) = bearer {
        let mut headers = Table::new();
        headers.insert("Authorization".to_owned(), format!("Bearer {{{{{bearer}}}}}").into());
        request.insert("headers".to_owned(), Value::Table(headers));
    }
    if let Some(status) = status {
        request.insert("status".to_owned(), i64::from(*status).into());
    }
    if let Some(within) = within_ms {
        request.insert("within_ms".to_owned(), i64::from(*within).into());
    }
    let mut expect = Vec::new();
    if let Some(text) = text {
        expect.push(Value::Table(Table::from_iter([("text".to_owned(), text.clone().into())])));
    }
    if let Some((path, value)) = json {
        expect.push(Value::Table(Table::from_iter([
            ("json".to_owned(), path.clone().into()),
            ("equals".to_owned(), value.clone().into()),
        ])));
    }
    if !expect.is_empty() {
        request.insert("expect".to_owned(), Value::Array(expect));
    }
    request
}
