//! Reads the head and the list of contents of an archive that `pg_dump` wrote: what made it, from where, and which
//! objects it holds. No row is read here, and nothing of it is run.

use crate::domain::{Failure, FailureCode};
use chrono::{NaiveDate, NaiveDateTime};
use std::io::Read;

/// What an archive begins with.
pub const MAGIC: &[u8] = b"PGDMP";
/// The oldest and the newest layout that is understood: PostgreSQL 9.0 and 18.
const LAYOUTS: std::ops::RangeInclusive<u8> = 12..=16;
/// Longest text of an entry, bytes: a function of that size is none.
const LONGEST: i64 = 512 * 1024 * 1024;
/// Most entries.
const MOST: i64 = 20_000_000;

/// In which of its formats an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One file.
    Custom,
    /// The list of contents inside of a tar archive.
    Tar,
    /// The list of contents of a folder.
    Directory,
}

/// An archive's head and contents.
#[derive(Debug, Clone)]
pub struct ArchiveHead {
    /// Format.
    pub layout: Layout,
    /// When it was made, on the clock of the computer that made it.
    pub made: Option<NaiveDateTime>,
    /// The database.
    pub database: Option<String>,
    /// The server's version.
    pub server: Option<String>,
    /// The program's version.
    pub dumped_by: Option<String>,
    /// Its contents.
    pub entries: Vec<Entry>,
}

/// An object of an archive.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `TABLE DATA`, `EXTENSION`, ...
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The file of a folder that holds its data.
    pub file: Option<String>,
}

impl ArchiveHead {
    /// Reads it from the archive's beginning.
    ///
    /// # Errors
    /// [`FailureCode::BackupDamaged`] where it was cut or changed; [`FailureCode::RestoreRefused`] for a layout that
    /// is not understood.
    pub fn read(source: &mut dyn Read) -> Result<Self, Failure> {
        let mut reader = Reader { source, integer: 4 };
        if reader.bytes(MAGIC.len() as i64)? != MAGIC {
            return Err(damaged("It does not begin as an archive does."));
        }
        let (major, minor, _) = (reader.byte()?, reader.byte()?, reader.byte()?);
        if major != 1 || !LAYOUTS.contains(&minor) {
            return Err(unknown_layout(major, minor));
        }
        reader.integer = usize::from(reader.byte()?);
        let offset = i64::from(reader.byte()?);
        if !(1..=8).contains(&reader.integer) || !(1..=8).contains(&offset) {
            return Err(damaged("Its numbers are of no size that there is."));
        }
        let layout = match reader.byte()? {
            1 => Layout::Custom,
            3 => Layout::Tar,
            5 => Layout::Directory,
            other => {
                return Err(damaged(&format!("It says that it is in format {other}, which there is not.")));
            }
        };
        if minor >= 15 {
            reader.byte()?;
        } else {
            reader.number()?;
        }
        let made = reader.time()?;
        let database = reader.text()?;
        let server = reader.text()?;
        let dumped_by = reader.text()?;
        let count = reader.number()?;
        if !(0..=MOST).contains(&count) {
            return Err(damaged("Its list of contents is of no length that there is."));
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(reader.entry(minor, layout, offset)?);
        }
        Ok(Self { layout, made, database, server, dumped_by, entries })
    }

    /// Tables whose rows it holds.
    pub fn tables(&self) -> u32 {
        let count = self.entries.iter().filter(|entry| entry.kind == "TABLE DATA").count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

struct Reader<'a> {
    source: &'a mut dyn Read,
    /// Bytes of a number.
    integer: usize,
}

impl Reader<'_> {
    fn bytes(&mut self, count: i64) -> Result<Vec<u8>, Failure> {
        if !(0..=LONGEST).contains(&count) {
            return Err(damaged("A text in its list of contents is of no length that there is."));
        }
        let mut bytes = Vec::new();
        // Only what is there is kept in memory, whatever the length says.
        let read = (&mut *self.source)
            .take(count as u64)
            .read_to_end(&mut bytes)
            .map_err(|error| damaged(&format!("It cannot be read: {error}.")))?;
        if (read as i64) < count {
            return Err(damaged("It ends in the middle of its list of contents."));
        }
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, Failure> {
        Ok(self.bytes(1)?.first().copied().unwrap_or_default())
    }

    fn number(&mut self) -> Result<i64, Failure> {
        let negative = self.byte()? != 0;
        let bytes = self.bytes(self.integer as i64)?;
        let mut value: i64 = 0;
        for (place, byte) in bytes.iter().take(7).enumerate() {
            value |= i64::from(*byte) << (8 * place);
        }
        Ok(if negative { -value } else { value })
    }

    fn text(&mut self) -> Result<Option<String>, Failure> {
        let length = self.number()?;
        if length < 0 {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&self.bytes(length)?).into_owned()))
    }

    fn time(&mut self) -> Result<Option<NaiveDateTime>, Failure> {
        let mut parts = [0_i64; 7];
        for part in &mut parts {
            *part = self.number()?;
        }
        let [second, minute, hour, day, month, year, _summer] = parts;
        let small = |value: i64| u32::try_from(value).ok();
        let made = || {
            let date =
                NaiveDate::from_ymd_opt(i32::try_from(year + 1900).ok()?, small(month + 1)?, small(day)?)?;
            date.and_hms_opt(small(hour)?, small(minute)?, small(second)?)
        };
        Ok(made())
    }

    fn entry(&mut self, minor: u8, layout: Layout, offset: i64) -> Result<Entry, Failure> {
        self.number()?;
        self.number()?;
        self.text()?;
        self.text()?;
        let name = self.text()?.unwrap_or_default();
        let kind = self.text()?.unwrap_or_default();
        self.number()?;
        // Definition, drop, copy, schema, tablespace.
        for _ in 0..5 {
            self.text()?;
        }
        if minor >= 14 {
            self.text()?;
        }
        if minor >= 16 {
            self.number()?;
        }
        // Owner, and whether rows have numbers.
        self.text()?;
        self.text()?;
        while self.text()?.is_some() {}
        let file = match layout {
            Layout::Custom => {
                self.bytes(1 + offset)?;
                None
            }
            Layout::Tar | Layout::Directory => self.text()?.filter(|file| !file.is_empty()),
        };
        Ok(Entry { kind, name, file })
    }
}

fn damaged(why: &str) -> Failure {
    Failure::new(
        FailureCode::BackupDamaged,
        "The archive is cut or changed: its list of contents cannot be read.",
    )
    .why(why)
    .unchanged("Nothing was stored.")
    .next("Use another copy of the dump, or make it again.")
}

fn unknown_layout(major: u8, minor: u8) -> Failure {
    let newer = (major, minor) > (1, *LAYOUTS.end());
    let what = if newer {
        "The archive is of a pg_dump that is newer than the toolkit's."
    } else {
        "The archive is of a pg_dump from before PostgreSQL 9."
    };
    Failure::new(FailureCode::RestoreRefused, what)
        .why(format!("Its layout is {major}.{minor}; up to 1.{} is understood.", LAYOUTS.end()))
        .unchanged("Nothing was stored.")
        .next("Make the dump again as plain SQL with the server's own pg_dump, or use a newer Drydock.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn number(into: &mut Vec<u8>, value: i32) {
        into.push(u8::from(value < 0));
        into.extend_from_slice(&value.unsigned_abs().to_le_bytes());
    }

    fn text(into: &mut Vec<u8>, value: Option<&str>) {
        match value {
            None => number(into, -1),
            Some(value) => {
                number(into, i32::try_from(value.len()).unwrap());
                into.extend_from_slice(value.as_bytes());
            }
        }
    }

    fn archive(minor: u8, format: u8) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, minor, 0, 4, 8, format]);
        if minor >= 15 {
            bytes.push(1);
        } else {
            number(&mut bytes, -1);
        }
        for part in [7, 30, 2, 8, 5, 126, 1] {
            number(&mut bytes, part);
        }
        for value in ["shop", "15.18", "18.4"] {
            text(&mut bytes, Some(value));
        }
        number(&mut bytes, 1);
        number(&mut bytes, 9);
        number(&mut bytes, 1);
        for value in ["1259", "16385", "users", "TABLE DATA"] {
            text(&mut bytes, Some(value));
        }
        number(&mut bytes, 3);
        for value in [Some(""), Some(""), Some("COPY public.users (id) FROM stdin;\n"), Some("public"), None]
        {
            text(&mut bytes, value);
        }
        if minor >= 14 {
            text(&mut bytes, None);
        }
        if minor >= 16 {
            number(&mut bytes, 114);
        }
        text(&mut bytes, Some("owner"));
        text(&mut bytes, Some("false"));
        text(&mut bytes, Some("215"));
        text(&mut bytes, None);
        if format == 1 {
            bytes.extend([0; 9]);
        } else {
            text(&mut bytes, Some("3001.dat"));
        }
        bytes
    }

    #[test]
    fn heads_of_every_layout_are_read() {
        for (minor, format) in [(12, 1), (14, 1), (15, 5), (16, 1), (16, 3), (16, 5)] {
            let head = ArchiveHead::read(&mut &archive(minor, format)[..]).unwrap();
            assert_eq!(head.made.unwrap().to_string(), "2026-06-08 02:30:07");
            assert_eq!((head.database.as_deref(), head.server.as_deref()), (Some("shop"), Some("15.18")));
            assert_eq!((head.tables(), head.entries[0].name.as_str()), (1, "users"));
            assert_eq!(head.entries[0].file.is_some(), format != 1);
        }
    }

    #[test]
    fn a_cut_or_changed_head_is_refused_and_never_believed() {
        let whole = archive(16, 1);
        for cut in 0..whole.len() {
            assert!(ArchiveHead::read(&mut &whole[..cut]).is_err(), "cut at {cut}");
        }
        // A length that was changed takes no memory for what is not there.
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0x7f;
            let _ = ArchiveHead::read(&mut &changed[..]);
        }
        let newer = ArchiveHead::read(&mut &archive(17, 1)[..]).unwrap_err();
        assert!(newer.what.contains("newer than the toolkit"), "{newer:?}");
    }
}
