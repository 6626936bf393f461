//! Checklists that come with Drydock, and the operator's own in the data folder.

use super::suites;
use crate::domain::Failure;
use include_dir::{Dir, include_dir};
use std::path::{Path, PathBuf};

static BUNDLED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../checklists");

/// A checklist's text.
pub struct ChecklistFile {
    /// Its name without the ending.
    pub id: String,
    /// Its text; `Err`: it is not UTF-8.
    pub text: Result<String, String>,
}

/// Where the operator's own lists are.
pub fn own_folder(data: &Path) -> PathBuf {
    data.join("checklists")
}

/// All lists: those of Drydock in their order, then the operator's own by name.
///
/// # Errors
/// [`crate::domain::FailureCode::FileSystem`] where the operator's folder is there and cannot be read.
pub fn all(data: &Path) -> Result<Vec<ChecklistFile>, Failure> {
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).map_err(|_| "It is not a text file in UTF-8.".to_owned())
    };
    let mut lists: Vec<ChecklistFile> = ["pre-deploy", "production-seed", "deploy", "post-deploy"]
        .into_iter()
        .filter_map(|id| {
            let file = BUNDLED.get_file(format!("{id}.toml"))?;
            Some(ChecklistFile { id: id.to_owned(), text: text(file.contents()) })
        })
        .collect();
    let own = own_folder(data);
    if own.exists() {
        for file in suites::in_folder(&own)? {
            let name = file.name.trim_end_matches(".toml");
            lists.push(ChecklistFile { id: format!("own/{name}"), text: text(&file.bytes) });
        }
    }
    Ok(lists)
}
