//! Dumps of unknown origin: found out by their content what they are, and judged statement by statement while they are
//! loaded on a scratch database.

use crate::adapters::dumps::Place;
use crate::domain::backup::TableName;
use crate::domain::import::{DumpForm, DumpOrigin, DumpPacking};
use crate::domain::{Failure, FailureCode};
use crate::planner::archive::{ArchiveHead, Layout};
use crate::planner::dump::{DumpReader, Part};
use crate::planner::foreign::{HEAD, PlainHead, Recognised, no_dump, recognise};
use crate::planner::sql::{Bearing, bearing};
use chrono::{DateTime, Local, NaiveDateTime, TimeZone, Utc};
use std::collections::BTreeSet;
use std::io::Read;

/// SQL text up to this many bytes is read through before the import starts, so that its tables and what refuses it
/// are known then.
const READ_THROUGH: u64 = 64 * 1024 * 1024;
/// Extensions that open connections or files by themselves.
const OUTWARD: [&str; 3] = ["dblink", "postgres_fdw", "file_fdw"];

/// What a file or folder was found to be.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub origin: DumpOrigin,
    /// Tables whose rows it holds; `None`: known once it was read.
    pub tables: Option<u32>,
}

/// Finds out what a path holds.
///
/// # Errors
/// Why it is nothing that can be imported.
pub fn look(path: &str, toolkit_major: u32) -> Result<Found, Failure> {
    let place = Place::look(path)?;
    let found = if place.is_folder { folder(place)? } else { file(place)? };
    not_newer(&found.origin, toolkit_major)?;
    Ok(found)
}

fn folder(place: Place) -> Result<Found, Failure> {
    let files = place.files()?;
    if files.iter().any(|file| file == "manifest.json") {
        return Err(no_dump(
            "The folder is a backup of Drydock's own.",
            "Name it to `drydockctl prove FOLDER`: it is listed from then on, and nothing is copied.",
        ));
    }
    if !files.iter().any(|file| file == "toc.dat") {
        return Err(no_dump(
            "The folder is no dump by pg_dump: it holds no toc.dat.",
            "Choose the folder that pg_dump -Fd wrote.",
        ));
    }
    let mut source = place.member("toc.dat").open(DumpPacking::None)?;
    let head = ArchiveHead::read(&mut source)?;
    // A folder's list of contents says of itself that it is a tar archive's.
    if head.layout == Layout::Custom {
        return Err(no_dump(
            "The folder's toc.dat belongs to another format.",
            "Choose the folder as pg_dump -Fd wrote it; import a tar archive as it is, without unpacking it.",
        ));
    }
    for entry in &head.entries {
        let Some(name) = &entry.file else { continue };
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(no_dump(
                "The folder's toc.dat names a file outside of the folder.",
                "Do not use this dump.",
            )
            .why(name.clone()));
        }
        let packed = [".gz", ".lz4", ".zst"].map(|ending| format!("{name}{ending}"));
        let there = files.contains(name) || packed.iter().any(|name| files.contains(name));
        // A large object's file is made only if there is one.
        if !there && entry.kind == "TABLE DATA" {
            return Err(Failure::new(
                FailureCode::BackupDamaged,
                format!("The folder does not hold the rows of {}.", entry.name),
            )
            .why(format!("There is no file {name} in it."))
            .unchanged("Nothing was stored.")
            .next("Use another copy of the dump, or make it again."));
        }
    }
    Ok(of_archive(place, &head, DumpForm::Directory, DumpPacking::None))
}

fn file(place: Place) -> Result<Found, Failure> {
    let mut packing = DumpPacking::None;
    let mut start = place.head(packing, HEAD)?;
    let mut kind = recognise(&start)?;
    if let Recognised::Gzip | Recognised::Zstd = kind {
        packing = if kind == Recognised::Gzip { DumpPacking::Gzip } else { DumpPacking::Zstd };
        start = place.head(packing, HEAD)?;
        kind = recognise(&start)?;
    }
    match kind {
        Recognised::Archive => {
            let mut source = place.open(packing)?;
            let head = ArchiveHead::read(&mut source)?;
            match head.layout {
                Layout::Custom => Ok(of_archive(place, &head, DumpForm::Custom, packing)),
                Layout::Directory | Layout::Tar => Err(no_dump(
                    "The file is only the list of contents of a dump in several files.",
                    "Choose the folder that it lies in, or the tar archive that it came from.",
                )),
            }
        }
        Recognised::Tar if packing == DumpPacking::None => tar(place),
        Recognised::Tar => Err(no_dump(
            "The file is a tar archive that was packed.",
            "Unpack it once, then import the tar archive or the folder.",
        )),
        Recognised::Gzip | Recognised::Zstd => {
            Err(no_dump("The file was packed twice.", "Unpack it once, then import what was in it."))
        }
        Recognised::Plain(head) => plain(place, head, packing),
    }
}

/// A tar archive by `pg_dump` begins with its list of contents; any other is packed files.
fn tar(place: Place) -> Result<Found, Failure> {
    let mut source = place.open(DumpPacking::None)?;
    let mut block = [0; 512];
    source.read_exact(&mut block).map_err(|error| {
        Failure::new(FailureCode::BackupDamaged, "The tar archive is cut.").why(error.to_string())
    })?;
    if !block.starts_with(b"toc.dat\0") {
        return Err(no_dump(
            "The file is a tar archive, but not one that pg_dump wrote.",
            "Unpack it, then import the file or folder that was in it.",
        ));
    }
    let head = ArchiveHead::read(&mut source)?;
    if head.layout == Layout::Custom {
        return Err(no_dump(
            "The file is a tar archive, but not one that pg_dump wrote.",
            "Unpack it, then import the file or folder that was in it.",
        ));
    }
    Ok(of_archive(place, &head, DumpForm::Tar, DumpPacking::None))
}

fn plain(place: Place, head: PlainHead, packing: DumpPacking) -> Result<Found, Failure> {
    let mut tables = None;
    if place.bytes <= READ_THROUGH && packing == DumpPacking::None {
        let mut reader = DumpReader::new();
        let mut source = place.open(packing)?;
        let mut filled = BTreeSet::new();
        let mut piece = vec![0; 1024 * 1024];
        let mut parts = Vec::new();
        loop {
            let count = source.read(&mut piece).map_err(|error| {
                Failure::new(FailureCode::FileSystem, "The dump cannot be read.").why(error.to_string())
            })?;
            if count == 0 {
                break;
            }
            reader.push(piece.get(..count).unwrap_or_default(), &mut parts)?;
            note_filled(&mut parts, &mut filled)?;
        }
        reader.finish(&mut parts)?;
        note_filled(&mut parts, &mut filled)?;
        tables = u32::try_from(filled.len()).ok();
    }
    let origin = DumpOrigin {
        name: place.name.clone(),
        form: DumpForm::Plain,
        packing,
        database: None,
        server: head.server,
        dumped_by: head.dumped_by,
        dumped_at: None,
    };
    Ok(Found { place, origin, tables })
}

fn note_filled(
    parts: &mut Vec<Part>,
    filled: &mut BTreeSet<(Option<String>, String)>,
) -> Result<(), Failure> {
    for part in parts.drain(..) {
        let (sql, copies) = match part {
            Part::Statement(sql) => (sql, false),
            Part::CopyBegin(sql) => (sql, true),
            Part::Rows(_) | Part::CopyEnd => continue,
        };
        match bearing(&sql) {
            Bearing::Rows(schema, name) if copies => {
                filled.insert((schema, name));
            }
            Bearing::Row(schema, name) => {
                filled.insert((schema, name));
            }
            Bearing::Encoding(name) => in_utf8(&name)?,
            Bearing::Strange | Bearing::Rows(..) => return Err(strange(&sql)),
            _ => {}
        }
    }
    Ok(())
}

fn of_archive(place: Place, head: &ArchiveHead, form: DumpForm, packing: DumpPacking) -> Found {
    Found {
        tables: Some(head.tables()),
        origin: DumpOrigin {
            name: place.name.clone(),
            form,
            packing,
            database: head.database.clone(),
            server: head.server.clone(),
            dumped_by: head.dumped_by.clone(),
            dumped_at: head.made.and_then(here),
        },
        place,
    }
}

/// A time without a zone, as this computer's clock would show it. What lies ahead is believed by nobody.
fn here(made: NaiveDateTime) -> Option<DateTime<Utc>> {
    let made = Local.from_local_datetime(&made).earliest()?.with_timezone(&Utc);
    (made <= Utc::now()).then_some(made)
}

fn not_newer(origin: &DumpOrigin, toolkit_major: u32) -> Result<(), Failure> {
    let major = origin.server_number() / 10_000;
    if major <= toolkit_major {
        return Ok(());
    }
    Err(Failure::new(
        FailureCode::RestoreRefused,
        format!("The dump is of PostgreSQL {major}, the scratch server is PostgreSQL {toolkit_major}."),
    )
    .why("What a newer server can do may be missing on the older one, so it could not be read whole.")
    .unchanged("Nothing was stored.")
    .next("Use a Drydock whose toolkit is as new as the server."))
}

/// What is kept in mind of a dump of unknown origin while it is loaded.
#[derive(Debug, Default)]
pub struct Intake {
    /// Statements about owners and rights that were left out.
    pub rights: u64,
    /// Tables whose rows came, as the dump names them.
    pub filled: BTreeSet<(Option<String>, String)>,
    /// Rows came as statements, of which a table without rows has none.
    pub written_out: bool,
    /// Extensions that were left out on purpose.
    pub outward: BTreeSet<String>,
}

impl Intake {
    /// Whether a statement is to be run.
    ///
    /// # Errors
    /// [`FailureCode::RestoreRefused`] for one that `pg_dump` does not write.
    pub fn takes(&mut self, sql: &str) -> Result<bool, Failure> {
        match bearing(sql) {
            Bearing::Rights => {
                self.rights += 1;
                Ok(false)
            }
            Bearing::Extension(name, _) if OUTWARD.contains(&name.as_str()) => {
                self.outward.insert(name);
                Ok(false)
            }
            Bearing::Row(schema, name) => {
                self.written_out = true;
                self.filled.insert((schema, name));
                Ok(true)
            }
            Bearing::Encoding(name) => in_utf8(&name).map(|()| true),
            // With COPY as a statement of its own the server would read a file or run a program.
            Bearing::Strange | Bearing::Rows(..) => Err(strange(sql)),
            _ => Ok(true),
        }
    }

    /// Rows of a table follow.
    ///
    /// # Errors
    /// As [`Intake::takes`].
    pub fn fills(&mut self, sql: &str) -> Result<(), Failure> {
        match bearing(sql) {
            Bearing::Rows(schema, name) => {
                self.filled.insert((schema, name));
                Ok(())
            }
            _ => Err(strange(sql)),
        }
    }

    /// Whether rows of a table came, be it as none.
    pub fn has(&self, table: &TableName) -> bool {
        self.filled.contains(&(Some(table.schema.clone()), table.name.clone()))
            || self.filled.contains(&(None, table.name.clone()))
    }
}

/// Rows are sent as UTF-8. Bytes of another encoding could pass for other letters, so they are never guessed at.
fn in_utf8(name: &str) -> Result<(), Failure> {
    if ["utf8", "utf-8", "unicode"].contains(&name.to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Failure::new(FailureCode::RestoreRefused, format!("The dump is in {name}, and not in UTF-8."))
        .unchanged("Nothing of it was kept.")
        .next("Make the dump with pg_dump --encoding=UTF8."))
}

fn strange(sql: &str) -> Failure {
    let line: String = sql.lines().next().unwrap_or_default().chars().take(80).collect();
    Failure::new(
        FailureCode::RestoreRefused,
        format!("The dump holds `{line}`, which a dump of one database by pg_dump does not."),
    )
    .why("Only what such a dump needs is run, also on the scratch database.")
    .unchanged("Nothing was stored.")
    .next("Make the dump with pg_dump, and do not change it afterwards.")
}
