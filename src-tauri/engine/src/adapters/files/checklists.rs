//! Checklists that come with Drydock, and the operator's own in the data folder.

use super::suites;
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

/// All lists: those of Drydock in their order, then the operator's own by name. What cannot be read stands in its place.
pub fn all(data: &Path) -> Vec<ChecklistFile> {
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
    let entries = match std::fs::read_dir(&own) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return lists,
        Err(error) => {
            let why = format!("The folder {} cannot be read: {error}.", own.display());
            lists.push(ChecklistFile { id: "own/*".to_owned(), text: Err(why) });
            return lists;
        }
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    for path in paths {
        let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let read = suites::read(&path).map_err(|failure| failure.why.unwrap_or(failure.what));
        lists
            .push(ChecklistFile { id: format!("own/{name}"), text: read.and_then(|file| text(&file.bytes)) });
    }
    lists
}
