//! A check with all that speaks for and against it, as a file to hand on. It holds what the screen shows, masked as
//! there.

use super::{Engine, Target};
use crate::adapters::files::profiles::downloads;
use crate::domain::seed::CellView;
use crate::domain::verification::{CheckReading, CheckResult, QueryResult, RequestResult};
use crate::domain::{Failure, FailureCode, Outcome};
use crate::engine::exports::html;
use chrono::{DateTime, Utc};
use std::io::Write;
use std::path::Path;

impl Engine {
    /// Writes a check as it was read, with its history, into the downloads folder; answers the file's path.
    ///
    /// # Errors
    /// [`FailureCode::FileSystem`]; [`FailureCode::Store`].
    pub async fn check_export(&self, target: &Target, check: &CheckResult) -> Result<String, Failure> {
        let name: String = check
            .name
            .chars()
            .map(
                |character| {
                    if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' }
                },
            )
            .take(60)
            .collect();
        let path =
            downloads().join(format!("drydock-check-{name}-{}.html", check.at.format("%Y%m%d-%H%M%S")));
        self.check_export_to(target, check, &path).await?;
        Ok(path.display().to_string())
    }

    /// Writes a check as it was read, with its history, to a file.
    ///
    /// # Errors
    /// As [`Self::check_export`].
    pub async fn check_export_to(
        &self,
        target: &Target,
        check: &CheckResult,
        path: &Path,
    ) -> Result<(), Failure> {
        let history = self.check_history(&target.key(), &check.id).await?;
        let text = page(&target.name, check, &history);
        let failed = |error: std::io::Error| {
            Failure::new(FailureCode::FileSystem, format!("{} could not be written.", path.display()))
                .why(error.to_string())
                .unchanged("Nothing was changed.")
                .next("Make room there, then export again.")
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

fn page(environment: &str, check: &CheckResult, history: &[CheckReading]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title><style>body{{font:14px system-ui;max-width:80em;margin:2em}}table{{border-collapse:collapse}}td,th{{border:1px solid #ccc;padding:4px 8px;text-align:left;vertical-align:top}}pre{{white-space:pre-wrap}}i{{color:#666}}</style><h1>{0}</h1>",
        html(&check.name)
    );
    let mut facts = vec![
        ("Verdict", verdict(check.outcome).to_owned()),
        ("Found", check.now.clone().unwrap_or_else(|| "could not be read".to_owned())),
        ("Expected", check.expected.clone()),
    ];
    if let Some(why) = &check.why {
        facts.insert(1, ("Why", why.clone()));
    }
    if let Some(before) = &check.before {
        facts.push(("Before the newest run", before.clone()));
    }
    if let Some(writes) = &check.writes {
        facts.push(("Writes as", writes.account.clone()));
    }
    facts.push(("Read", format!("{}, in {:.2} s", time(check.at), check.seconds)));
    facts.push(("Belongs to", check.suite.clone()));
    facts.push(("Environment", environment.to_owned()));
    table(&mut page, &[], facts.iter().map(|(name, value)| vec![html(name), html(value)]));
    requests(&mut page, &check.requests);
    if let Some(sql) = &check.sql {
        page.push_str(&format!("<h2>Query</h2><pre>{}</pre>", html(sql)));
    }
    if let Some(rows) = &check.rows {
        against(&mut page, rows);
    }
    page.push_str("<h2>Readings</h2>");
    let readings = history.iter().rev().map(|reading| {
        vec![
            html(&time(reading.at)),
            verdict(reading.outcome).to_owned(),
            html(reading.now.as_deref().unwrap_or("?")),
            reading.run.map_or_else(String::new, |run| format!("run {run}")),
        ]
    });
    table(&mut page, &["Read", "Verdict", "Found", "Around"], readings);
    page.push_str("</html>\n");
    page
}

fn requests(page: &mut String, requests: &[RequestResult]) {
    for request in requests {
        let mark = if request.cleanup { " (clean-up)" } else { "" };
        page.push_str(&format!(
            "<h2>{}{mark}</h2><p><code>{}</code>: {}, status {}{}</p>",
            html(&request.name),
            html(&request.request),
            verdict(request.outcome),
            request.status.map_or_else(|| "none".to_owned(), |status| status.to_string()),
            request.milliseconds.map_or_else(String::new, |took| format!(", {took} ms")),
        ));
        if let Some(why) = &request.why {
            page.push_str(&format!("<p>{}</p>", html(why)));
        }
        let found = request.found.iter().map(|found| {
            vec![
                html(&found.what),
                html(found.now.as_deref().unwrap_or("not there")),
                html(&found.expected),
                verdict(found.outcome).to_owned(),
            ]
        });
        table(page, &["Looked at", "Found", "Expected", "Verdict"], found);
    }
}

fn against(page: &mut String, rows: &QueryResult) {
    let more = if rows.more { "; there are more" } else { "" };
    page.push_str(&format!("<h2>{} rows that speak against it{more}</h2>", rows.rows.len()));
    let names: Vec<&str> = rows.columns.iter().map(|column| column.name.as_str()).collect();
    let cells = rows.rows.iter().map(|row| row.iter().map(cell).collect());
    table(page, &names, cells);
}

fn cell(cell: &CellView) -> String {
    match cell {
        CellView::Text { text, of: None } => html(text),
        CellView::Text { text, of: Some(of) } => {
            format!("{} <i>the beginning of {of} characters</i>", html(text))
        }
        CellView::Null => "<i>NULL</i>".to_owned(),
        CellView::Masked => "<i>masked</i>".to_owned(),
        CellView::OnApply => "<i>on apply</i>".to_owned(),
    }
}

/// `rows` hold HTML, names do not.
fn table(page: &mut String, names: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    page.push_str("<table>");
    if !names.is_empty() {
        let names: String = names.iter().map(|name| format!("<th>{}</th>", html(name))).collect();
        page.push_str(&format!("<tr>{names}</tr>"));
    }
    for row in rows {
        let cells: String = row.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        page.push_str(&format!("<tr>{cells}</tr>"));
    }
    page.push_str("</table>");
}

fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "Pass",
        Outcome::Warn => "Warn",
        Outcome::Unknown => "Unknown",
        Outcome::Block => "Failed",
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
