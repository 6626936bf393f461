//! `[sql]`: scripts in the order they run.

use super::document::{Reading, Section};
use super::{beside, keys};
use crate::domain::profile::ScriptFile;

/// The scripts with their texts.
pub(super) fn scripts(reading: &mut Reading, root: &Section) -> Option<Vec<ScriptFile>> {
    let section = root.section(reading, "sql", "`[sql]`")?;
    section.refuse_unknown(reading, keys::SQL);
    let files = section.names(reading, "files", true)?;
    let mut scripts = Vec::new();
    for (name, at) in &files {
        if let Some((file, text)) = beside::named(reading, name, *at) {
            scripts.push(ScriptFile { file, text: text.to_owned(), at: reading.place(*at) });
        }
    }
    (scripts.len() == files.len()).then_some(scripts)
}
