//! Dumps that Drydock did not take: what a file or folder is, and the backup that is made from it.

use super::backup::LeftOut;
use super::error::Failure;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a file or folder was found to be, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum DumpForm {
    /// An archive in `pg_dump`'s custom format.
    Custom,
    /// A folder in its directory format.
    Directory,
    /// An archive in its tar format.
    Tar,
    /// SQL text.
    Plain,
}

/// How a file is packed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum DumpPacking {
    /// Not.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// Where an imported backup is from, as its manifest keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct DumpOrigin {
    /// Name of the file or folder.
    pub name: String,
    /// What it was.
    pub form: DumpForm,
    /// How it was packed.
    pub packing: DumpPacking,
    /// The database that its header names.
    pub database: Option<String>,
    /// The server that its header names: `15.18`.
    pub server: Option<String>,
    /// The `pg_dump` that its header names.
    pub dumped_by: Option<String>,
    /// When its header says that it was made. The header has no time zone; it is read as this computer's.
    pub dumped_at: Option<DateTime<Utc>>,
}

impl DumpOrigin {
    /// What it was, in words: `an archive of pg_dump, packed with gzip`.
    pub fn words(&self) -> String {
        let form = match self.form {
            DumpForm::Custom => "an archive of pg_dump",
            DumpForm::Directory => "a folder of pg_dump",
            DumpForm::Tar => "a tar archive of pg_dump",
            DumpForm::Plain => "SQL text of pg_dump",
        };
        match self.packing {
            DumpPacking::None => form.to_owned(),
            DumpPacking::Gzip => format!("{form}, packed with gzip"),
            DumpPacking::Zstd => format!("{form}, packed with zstd"),
        }
    }

    /// The server's version as a number like `server_version_num`; 0: not known.
    pub fn server_number(&self) -> u32 {
        let Some(text) = &self.server else { return 0 };
        let numbers: Vec<u32> =
            text.split(|letter: char| !letter.is_ascii_digit()).map_while(|part| part.parse().ok()).collect();
        match numbers.as_slice() {
            [] => 0,
            [major] => major.saturating_mul(10_000),
            [major, minor, ..] if *major >= 10 => major.saturating_mul(10_000).saturating_add(*minor),
            [major, minor, rest @ ..] => major
                .saturating_mul(10_000)
                .saturating_add(minor.saturating_mul(100))
                .saturating_add(rest.first().copied().unwrap_or(0)),
        }
    }
}

/// An import that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ImportRequest {
    /// The file or folder.
    pub path: String,
    /// Prove the backup right afterwards.
    pub prove: bool,
}

/// What an import would be, before it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ImportPreview {
    /// The answer in one sentence.
    pub headline: String,
    /// What it is and where from, as far as its content says it; `None`: it is nothing that can be imported.
    pub origin: Option<DumpOrigin>,
    /// What it is, in words.
    pub what: String,
    /// Bytes on this computer.
    pub bytes: f64,
    /// Tables whose rows it holds; `None`: known once it has been read.
    pub tables: Option<u32>,
    /// When it was made, or why that is not known.
    pub made: String,
    /// What is stored, in words.
    pub stored: String,
    /// What will not be in the backup, as far as it is known before it is read.
    pub left_out: Vec<LeftOut>,
    /// Why it cannot be imported. Nothing is stored while there is one.
    pub refusals: Vec<String>,
    /// What to do then.
    pub next: Option<String>,
    /// Bytes that are asked to be free, for the backup and for the scratch database.
    pub needed_bytes: f64,
    /// Bytes free where backups are kept; `None`: not known.
    pub free_bytes: Option<f64>,
    /// Where the backup would be kept.
    pub folder: String,
}

impl ImportPreview {
    /// Keeps why it cannot be imported, as a failure says it.
    pub fn refuse(&mut self, failure: &Failure) {
        let why = failure.why.as_deref().map(|why| format!(" {why}")).unwrap_or_default();
        self.refusals.push(format!("{}{why}", failure.what));
        self.next = self.next.take().or_else(|| failure.next.clone());
        "It cannot be imported.".clone_into(&mut self.headline);
    }
}

/// Make a backup from a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
pub struct ImportStep {
    /// The backup's id.
    pub backup_id: String,
    /// The file or folder.
    pub path: String,
    /// What it was found to be when the plan was made.
    pub origin: DumpOrigin,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_version_is_read_as_a_number() {
        let origin = |server: &str| DumpOrigin {
            name: "d".to_owned(),
            form: DumpForm::Plain,
            packing: DumpPacking::None,
            database: None,
            server: Some(server.to_owned()),
            dumped_by: None,
            dumped_at: None,
        };
        for (text, number) in [
            ("15.18", 150_018),
            ("18.4 (Debian 18.4-1)", 180_004),
            ("9.6.24", 90_624),
            ("19beta1", 190_000),
            ("", 0),
        ] {
            assert_eq!(origin(text).server_number(), number, "{text}");
        }
    }
}
