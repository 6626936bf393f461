//! The files of a profile as text: whether a name stays in the folder, and whether the bytes are UTF-8.

use super::document::Reading;
use super::problems::quoted;
use super::{LARGEST_FILE, PROFILE_FILE};
use crate::domain::profile::Place;

/// Why a name does not lead to a file of the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    Empty,
    Absolute,
    Upwards,
    Backslash,
}

/// The file's path in the folder, `a/b.csv`, without `.` and doubled slashes.
pub(super) fn inside(name: &str) -> Result<String, Outside> {
    let drive = name.as_bytes().get(1) == Some(&b':') && name.starts_with(|c: char| c.is_ascii_alphabetic());
    if name.starts_with('/') || name.starts_with('\\') || drive {
        return Err(Outside::Absolute);
    }
    if name.contains('\\') {
        return Err(Outside::Backslash);
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(Outside::Upwards);
    }
    if parts.is_empty() || name.ends_with('/') || name.contains('\0') {
        return Err(Outside::Empty);
    }
    Ok(parts.join("/"))
}

/// The text of a file that the profile names, and its path in the folder; reported where it is named if it is not
/// there.
pub(super) fn named<'a>(reading: &mut Reading<'a>, name: &str, at: usize) -> Option<(String, &'a str)> {
    let file = match inside(name) {
        Ok(file) => file,
        Err(why) => {
            let (what, next) = match why {
                Outside::Empty => ("names no file", "Write the name of a file beside the profile."),
                Outside::Absolute => (
                    "is an absolute path",
                    "Move the file into the profile's folder and write its name alone.",
                ),
                Outside::Upwards => {
                    ("leaves the profile's folder", "Move the file into the folder and write its name alone.")
                }
                Outside::Backslash => ("holds a backslash", "Write `/` between folder and file."),
            };
            reading.wrong(at, format!("The file {} {what}.", quoted(name)), next);
            return None;
        }
    };
    if !reading.files.contains_key(&file) {
        reading.wrong(
            at,
            format!("The file {} is not in the profile's folder.", quoted(&file)),
            "Put it there, or correct the name.",
        );
        return None;
    }
    let text = text(reading, &file)?;
    Some((file, text))
}

/// The text of a file that is there, without a byte order mark.
pub(super) fn text<'a>(reading: &mut Reading<'a>, file: &str) -> Option<&'a str> {
    let bytes = reading.files.get(file)?;
    let mut wrong = |line: u32, what: String, next: &str| {
        reading.problems.add(Place { file: file.to_owned(), line }, what, next);
        None
    };
    if bytes.len() > LARGEST_FILE {
        let next = if file == PROFILE_FILE {
            "Move its rows into data files, a file a block."
        } else {
            "Split it over several profiles."
        };
        return wrong(1, "The file is larger than 100 MB.".to_owned(), next);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(without_mark(text)),
        Err(error) => {
            let (before, after) = bytes.split_at(error.valid_up_to());
            let line = before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
            let byte = after.first().copied().unwrap_or_default();
            wrong(
                u32::try_from(line).unwrap_or(u32::MAX),
                format!("The file is not UTF-8: byte {} is 0x{byte:02X}.", before.len() + 1),
                "Save it as UTF-8.",
            )
        }
    }
}

/// The text without a byte order mark.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
