//! Seed profiles read from the bytes of their files: `profile.toml` and the data and scripts it names, taken apart
//! and checked against the format (`docs/seed-profiles.md`).
//!
//! Pure work on text: it opens no file and asks no database, so what a table really looks like is not judged here. It
//! collects what is wrong instead of stopping at the first problem, and no input makes it panic. Every number keeps
//! its digits as written.

mod beside;
mod blocks;
mod cells;
mod compose;
mod csv;
mod document;
mod expectations;
mod fakes;
mod http;
mod inputs;
mod json;
mod keys;
mod names;
mod natural_keys;
mod numbers;
mod problems;
mod references;
mod rows;
mod scripts;
mod templates;
mod words;

use crate::domain::http::NamedCredential;
use crate::domain::profile::{CheckSuite, Checks, Profile, ProfileProblem, Scale, Work};
use document::{Reading, Section};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::DeTable;

/// The name of a profile's own file in its folder.
pub const PROFILE_FILE: &str = "profile.toml";

/// The largest file a profile may have, in bytes; a caller need not read more than one byte beyond it.
pub const LARGEST_FILE: usize = 100 * 1024 * 1024;

/// The most rows a block may give, or make at a scale of 1.
pub const MOST_ROWS: u32 = 1_000_000;

/// The most columns and fields a row may give: more than any table of PostgreSQL has.
const MOST_COLUMNS: usize = 1_600;

pub use crate::domain::profile::ProfileFiles;
pub use compose::compose;

/// Takes a profile apart.
///
/// # Errors
/// Everything that is wrong in its files, sorted by file and line.
pub fn parse(files: &ProfileFiles) -> Result<Profile, Vec<ProfileProblem>> {
    let mut reading = Reading::new(PROFILE_FILE, files);
    let profile = read(&mut reading);
    match profile {
        Some(profile) if reading.problems.is_empty() => Ok(profile),
        _ => Err(reading.problems.sorted()),
    }
}

/// Takes a file of checks apart (`docs/checks.md`). `name`: what its problems call it.
///
/// # Errors
/// Everything that is wrong in it, sorted by line.
pub fn parse_suite(name: &str, bytes: &[u8]) -> Result<CheckSuite, Vec<ProfileProblem>> {
    let files = BTreeMap::from([(name.to_owned(), bytes.to_vec())]);
    let files = ProfileFiles { files, ..ProfileFiles::default() };
    let mut reading = Reading::new(name, &files);
    let suite = read_suite(&mut reading, name);
    match suite {
        Some(suite) if reading.problems.is_empty() => Ok(suite),
        _ => Err(reading.problems.sorted()),
    }
}

fn read_suite(reading: &mut Reading, name: &str) -> Option<CheckSuite> {
    let text = beside::text(reading, name)?;
    let root = document(reading, text)?;
    let root = Section::new(root.get_ref(), 0, "The file");
    root.refuse_unknown(reading, keys::SUITE);
    let title = root.needed_text(reading, "title");
    let description = root.text(reading, "description");
    let credentials = credentials(reading, &root);
    let checks = Checks { credentials, expectations: expectations::expectations(reading, &root) };
    if checks.expectations.is_empty() && !root.has("expect") && !root.misspelt(reading, &["expect"]) {
        reading.wrong(0, "The file checks nothing.", "Add an `[[expect]]` for each thing that must hold.");
    }
    Some(CheckSuite { title: title?, description: description.unwrap_or_default(), checks })
}

/// The text as TOML; what is none is reported.
fn document<'a>(reading: &mut Reading<'a>, text: &'a str) -> Option<Spanned<DeTable<'a>>> {
    reading.open(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(root);
    }
    document::report_syntax(reading, &errors);
    None
}

/// The secrets that requests may name, known to what is read after them.
fn credentials(reading: &mut Reading, root: &Section) -> Vec<NamedCredential> {
    let credentials = http::credentials(reading, root);
    reading.credentials = credentials.iter().map(|credential| credential.name.clone()).collect();
    credentials
}

/// The files beside it that a profile names, in the order it names them.
///
/// Tolerant: what cannot be read, or leads out of the folder, is left out here and reported by [`parse`].
pub fn files_named(profile_toml: &str) -> Vec<String> {
    let (root, _) = DeTable::parse_recoverable(beside::without_mark(profile_toml));
    let root = root.get_ref();
    let blocks = root.get("tables").and_then(|blocks| blocks.get_ref().as_array());
    let data =
        blocks.into_iter().flat_map(|blocks| blocks.iter()).filter_map(|block| block.get_ref().get("file"));
    let scripts = root.get("sql").and_then(|sql| sql.get_ref().get("files")?.get_ref().as_array());
    let mut named = Vec::new();
    for value in data.chain(scripts.into_iter().flat_map(|scripts| scripts.iter())) {
        if let Some(Ok(file)) = value.get_ref().as_str().map(beside::inside)
            && !named.contains(&file)
        {
            named.push(file);
        }
    }
    named
}

fn read(reading: &mut Reading) -> Option<Profile> {
    if !reading.files.contains_key(PROFILE_FILE) {
        reading.problems.add(
            reading.place(0),
            format!("The folder has no `{PROFILE_FILE}`."),
            "Write one, as docs/seed-profiles.md says.",
        );
        return None;
    }
    let text = beside::text(reading, PROFILE_FILE)?;
    let root = document(reading, text)?;
    let root = Section::new(root.get_ref(), 0, "The profile");
    root.refuse_unknown(reading, keys::PROFILE);
    reading.know(&root);
    let title = root.needed_text(reading, "title");
    let description = root.text(reading, "description");
    root.words(reading, "engines", words::ENGINES, true);
    let tiers = root.words(reading, "tiers", words::TIERS, true);
    let scale = root.section(reading, "scale", "The scale").map(|section| scale(reading, &section));
    let inputs = inputs::inputs(reading, &root);
    let credentials = credentials(reading, &root);
    let work = work(reading, &root);
    let checks = Checks { credentials, expectations: expectations::expectations(reading, &root) };
    Some(Profile {
        title: title?,
        description: description.unwrap_or_default(),
        tiers: tiers?,
        scale: scale.flatten(),
        inputs,
        work: work?,
        checks,
    })
}

/// The factor; both of its numbers are needed.
fn scale(reading: &mut Reading, section: &Section) -> Option<Scale> {
    section.refuse_unknown(reading, keys::SCALE);
    let default = section.needed_whole(reading, "default", 1, MOST_ROWS);
    let max = section.needed_whole(reading, "max", 1, MOST_ROWS);
    let (default, max) = (default?, max?);
    if default > max {
        reading.wrong(
            section.at_key("default"),
            format!("The scale begins with {default}, which is more than its largest, {max}."),
            "Make `default` smaller or `max` larger.",
        );
        return None;
    }
    reading.scale = Some(max);
    Some(Scale { default, max })
}

/// Blocks, scripts or requests: one of them.
fn work(reading: &mut Reading, root: &Section) -> Option<Work> {
    let kinds: Vec<&str> = ["tables", "sql", "http"].into_iter().filter(|kind| root.has(kind)).collect();
    let read = |reading: &mut Reading, kind: &str| match kind {
        "tables" => blocks::blocks(reading, root).map(Work::Tables),
        "sql" => scripts::scripts(reading, root).map(Work::Sql),
        _ => http::work(reading, root).map(Work::Http),
    };
    match kinds.as_slice() {
        [one] => read(reading, one),
        [] if root.misspelt(reading, &["tables", "sql", "http"]) => None,
        [] => {
            reading.wrong(
                0,
                "The profile writes nothing: it has neither `[[tables]]` nor `[sql]` nor `[http]`.",
                "Add a `[[tables]]` block for each table, `[sql]` with the files of its scripts, or `[http]` with requests to the app.",
            );
            None
        }
        [first, second, ..] => {
            let written =
                |kind: &str| if kind == "tables" { "[[tables]]".to_owned() } else { format!("[{kind}]") };
            reading.wrong(
                root.at_key(second),
                format!("The profile has `{}` and `{}`.", written(first), written(second)),
                "Keep one of them; what both write can be two profiles.",
            );
            for kind in &kinds {
                read(reading, kind);
            }
            None
        }
    }
}

#[cfg(test)]
mod tests;
