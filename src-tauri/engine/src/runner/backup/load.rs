//! Reading a backup into a database: the archive of a deep one as statements and rows, the segments of a quick one
//! as rows.

use super::Meter;
use super::foreign::Intake;
use super::selection::Selection;
use crate::adapters::backups::{ARCHIVE, BackupKey, Chunks, ROWS, Stored};
use crate::adapters::dumps::{Archive, ArchiveWish};
use crate::adapters::postgres::backup::copy_in;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::{self, code};
use crate::adapters::postgres::words::{identifier, qualified};
use crate::adapters::sandbox::Toolkit;
use crate::domain::backup::StoredTable;
use crate::domain::{Failure, FailureCode};
use crate::planner::dump::{DumpReader, Part};
use crate::planner::sql::{Bearing, bearing};
use bytes::Bytes;
use sqlx::postgres::PgConnection;
use std::collections::VecDeque;
use std::sync::Arc;

/// Settings that a dump makes for its own session and that do no harm there; all others are left out.
const SETTINGS: [&str; 9] = [
    "client_min_messages",
    "check_function_bodies",
    "default_table_access_method",
    "default_tablespace",
    "default_with_oids",
    "row_security",
    "search_path",
    "standard_conforming_strings",
    "xmloption",
];

/// Statements that a scratch server may be unable to run, with what they make.
const FOREIGN_TO_SCRATCH: [(&str, &str); 16] = [
    ("CREATE EXTENSION", "an extension"),
    ("CREATE COLLATION", "a collation"),
    ("CREATE SERVER", "a foreign server"),
    ("CREATE FOREIGN DATA WRAPPER", "a foreign data wrapper"),
    ("CREATE USER MAPPING", "a user mapping"),
    ("CREATE FOREIGN TABLE", "a foreign table"),
    ("CREATE EVENT TRIGGER", "an event trigger"),
    ("CREATE PUBLICATION", "a publication"),
    ("ALTER PUBLICATION", "a publication"),
    ("CREATE SUBSCRIPTION", "a subscription"),
    ("CREATE LANGUAGE", "a language"),
    ("CREATE ACCESS METHOD", "an access method"),
    ("SECURITY LABEL", "a security label"),
    ("COMMENT ON", "a comment on one of these"),
    ("SET default_tablespace", "a tablespace"),
    ("SET default_table_access_method", "an access method"),
];

/// SQL as it comes out of an archive or a plain file.
pub enum Source {
    /// An archive, taken apart by `pg_restore`, and the task that feeds it.
    Archive(Box<Archive>, tokio::task::JoinHandle<Result<(), Failure>>),
    /// SQL text.
    Plain(Chunks),
}

impl Source {
    /// A folder or a tar archive, which the program has to open itself.
    ///
    /// # Errors
    /// Where the program is not there.
    pub fn archive_at(
        path: &std::path::Path,
        toolkit: &Toolkit,
        wish: &ArchiveWish,
    ) -> Result<Self, Failure> {
        let archive = Archive::open_at(toolkit, wish, path)?;
        Ok(Self::Archive(Box::new(archive), tokio::spawn(async { Ok(()) })))
    }

    /// The archive of a deep backup.
    ///
    /// # Errors
    /// Where the file or the program is not there.
    pub fn of_deep(
        stored: &Stored,
        key: &BackupKey,
        toolkit: &Toolkit,
        wish: &ArchiveWish,
    ) -> Result<Self, Failure> {
        let chunks = stored.read(ARCHIVE, None, key)?;
        Self::archive(chunks, toolkit, wish)
    }

    /// An archive whose bytes come from elsewhere.
    ///
    /// # Errors
    /// Where the program is not there.
    pub fn archive(mut chunks: Chunks, toolkit: &Toolkit, wish: &ArchiveWish) -> Result<Self, Failure> {
        let mut archive = Archive::open(toolkit, wish)?;
        let input = archive.input();
        let feed = tokio::spawn(async move {
            let Some(mut input) = input else { return Ok(()) };
            let mut takes = true;
            // Read to the end whatever the program takes: only then the checksum was compared.
            while let Some(piece) = chunks.next().await? {
                takes = takes && input.feed(&piece).await;
            }
            Ok(())
        });
        Ok(Self::Archive(Box::new(archive), feed))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Archive(archive, _) => archive.next().await,
            Self::Plain(chunks) => chunks.next().await,
        }
    }

    /// Waits until all of it was read and found to be what was stored.
    async fn end(self) -> Result<(), Failure> {
        match self {
            Self::Archive(archive, feed) => {
                let fed = feed.await.map_err(|error| {
                    Failure::new(FailureCode::BackupDamaged, "The archive could not be read.")
                        .why(error.to_string())
                })?;
                fed?;
                archive.end().await
            }
            Self::Plain(_) => Ok(()),
        }
    }
}

/// The parts of a dump, one by one.
pub struct Parts {
    source: Option<Source>,
    reader: Option<DumpReader>,
    ready: VecDeque<Part>,
}

impl Parts {
    /// The parts of a source.
    pub fn new(source: Source) -> Self {
        Self { source: Some(source), reader: Some(DumpReader::new()), ready: VecDeque::new() }
    }

    /// The next part; `None`: the dump ended, whole.
    ///
    /// # Errors
    /// [`FailureCode::BackupDamaged`], [`FailureCode::RestoreRefused`].
    pub async fn next(&mut self) -> Result<Option<Part>, Failure> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Ok(Some(part));
            }
            let Some(source) = &mut self.source else { return Ok(None) };
            let mut parts = Vec::new();
            match source.next().await? {
                Some(bytes) => {
                    if let Some(reader) = &mut self.reader {
                        reader.push(&bytes, &mut parts)?;
                    }
                }
                None => {
                    // A damaged source is told before a cut dump: the one is why the other is.
                    if let Some(source) = self.source.take() {
                        source.end().await?;
                    }
                    if let Some(reader) = self.reader.take() {
                        reader.finish(&mut parts)?;
                    }
                }
            }
            self.ready.extend(parts);
        }
    }
}

/// What came of loading a dump.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Statements that could not run, with the reason; anything here means that the dump does not load.
    pub problems: Vec<String>,
    /// What a scratch server cannot make, with the reason.
    pub not_here: Vec<String>,
}

/// How to treat what cannot run.
pub enum Manners<'a> {
    /// On a scratch database: go on, and tell. Extensions are made by `admin`, as long as nothing else was made; what
    /// a dump of unknown origin may hold is judged by `intake`.
    Scratch {
        /// The superuser's session.
        admin: &'a mut PgConnection,
        /// For a dump that Drydock did not take.
        intake: Option<&'a mut Intake>,
    },
    /// In one transaction of the caller: the first error ends it.
    Strict,
    /// The same, with the rows of some tables only.
    Selected(&'a mut Selection),
}

/// Loads the parts of a dump.
///
/// # Errors
/// A lost line; with [`Manners::Strict`] the first statement that cannot run.
pub async fn load(
    connection: &mut PgConnection,
    parts: &mut Parts,
    mut manners: Manners<'_>,
    meter: &Meter<'_>,
) -> Result<Loaded, Failure> {
    let mut loaded = Loaded::default();
    let mut tables = 0;
    // Nothing was made yet that a script of an extension could stumble over.
    let mut clean = true;
    while let Some(part) = parts.next().await? {
        match part {
            Part::Statement(sql) => {
                if let Manners::Scratch { intake: Some(intake), .. } = &mut manners
                    && !intake.takes(&sql)?
                {
                    continue;
                }
                // A scratch database takes the transactions that a dump makes around large objects.
                let ends = matches!(manners, Manners::Scratch { .. }) && (sql == "BEGIN" || sql == "COMMIT");
                let sql = if ends { Some(sql) } else { fitting(&sql)? };
                let Some(sql) = sql else { continue };
                let extension = starts(&sql, "CREATE EXTENSION");
                let sent = match &mut manners {
                    Manners::Scratch { admin, .. } if extension => {
                        let sql = extension_alone(&sql);
                        let maker = if clean { &mut **admin } else { &mut *connection };
                        script::send(maker, sql).await
                    }
                    Manners::Selected(selection) => selection.send(connection, &sql).await,
                    _ => {
                        clean = clean && makes_nothing(&sql);
                        script::send(connection, sql.clone()).await
                    }
                };
                if let Err(error) = sent {
                    note(&mut loaded, &manners, &sql, &error)?;
                }
            }
            Part::CopyBegin(sql) => {
                if let Manners::Scratch { intake: Some(intake), .. } = &mut manners {
                    intake.fills(&sql)?;
                }
                if let Manners::Selected(selection) = &mut manners
                    && !selection.wants(&sql)
                {
                    pass_over(parts).await?;
                    continue;
                }
                clean = false;
                if let Err(error) = copy(connection, &sql, parts, meter).await? {
                    note(&mut loaded, &manners, &sql, &error)?;
                }
                tables += 1;
                meter.tables(tables);
            }
            Part::Rows(_) | Part::CopyEnd => {}
        }
    }
    Ok(loaded)
}

/// Reads to the end of rows that nobody wants.
pub(super) async fn pass_over(parts: &mut Parts) -> Result<(), Failure> {
    while !matches!(parts.next().await?, None | Some(Part::CopyEnd)) {}
    Ok(())
}

/// Sends the rows that follow; they are read to their end also when the server refuses them.
async fn copy(
    connection: &mut PgConnection,
    sql: &str,
    parts: &mut Parts,
    meter: &Meter<'_>,
) -> Result<Result<(), sqlx::Error>, Failure> {
    let mut copy = connection.copy_in_raw(sql).await;
    loop {
        match parts.next().await? {
            Some(Part::Rows(rows)) => {
                meter.add(rows.len());
                if let Ok(open) = &mut copy
                    && let Err(error) = open.send(&rows[..]).await
                {
                    copy = Err(error);
                }
            }
            Some(Part::CopyEnd) | None => break,
            Some(Part::Statement(_) | Part::CopyBegin(_)) => {}
        }
    }
    Ok(match copy {
        Ok(open) => open.finish().await.map(|_| ()),
        Err(error) => Err(error),
    })
}

fn note(loaded: &mut Loaded, manners: &Manners<'_>, sql: &str, error: &sqlx::Error) -> Result<(), Failure> {
    let told = failure(error);
    if script::is_lost(error) {
        return Err(told);
    }
    let line = format!("{}: {}", first_line(sql), told.why.unwrap_or(told.what));
    match manners {
        Manners::Strict | Manners::Selected(_) => {
            return Err(Failure::new(
                FailureCode::RestoreDiffers,
                "A statement of the backup cannot run here.",
            )
            .why(line)
            .unchanged("All of it was taken back; nothing has changed.")
            .next("Settle what the server says, or restore into a new database."));
        }
        Manners::Scratch { .. } => {}
    }
    if clears_nothing(sql, error) {
        return Ok(());
    }
    let foreign = FOREIGN_TO_SCRATCH.iter().any(|(words, _)| starts(sql, words));
    let role = starts(sql, "CREATE POLICY") && code(error).as_deref() == Some("42704");
    let list = if foreign || role { &mut loaded.not_here } else { &mut loaded.problems };
    if list.len() < 20 {
        list.push(line);
    }
    Ok(())
}

/// The statement as it may be sent; `None`: it is left out. Ends of transactions are: all of it is one.
fn fitting(sql: &str) -> Result<Option<String>, Failure> {
    let mut words = sql.split_whitespace();
    let first = words.next().unwrap_or_default().to_ascii_uppercase();
    match first.as_str() {
        "BEGIN" | "COMMIT" | "END" | "START" => Ok(None),
        "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE" | "PREPARE" | "DISCARD" | "LOAD" => Err(Failure::new(
            FailureCode::RestoreRefused,
            format!("The dump holds `{}`, which no dump needs.", first_line(sql)),
        )
        .unchanged("Nothing of it was kept.")
        .next("Make the dump with pg_dump.")),
        "SET" => {
            let name = words.next().unwrap_or_default().trim_matches('"').to_ascii_lowercase();
            Ok(SETTINGS.contains(&name.as_str()).then(|| sql.to_owned()))
        }
        "CREATE" if starts(sql, "CREATE SCHEMA") => {
            Ok(Some(sql.replacen("CREATE SCHEMA", "CREATE SCHEMA IF NOT EXISTS", 1).replacen(
                "IF NOT EXISTS IF NOT EXISTS",
                "IF NOT EXISTS",
                1,
            )))
        }
        "CREATE" if starts(sql, "CREATE DATABASE") => Ok(None),
        // Extensions stay as they are, and their comments are their own.
        "COMMENT" if starts(sql, "COMMENT ON EXTENSION") => Ok(None),
        _ => Ok(Some(sql.to_owned())),
    }
}

/// The statement that makes an extension, from its name alone: only that much of it is run by the superuser.
fn extension_alone(sql: &str) -> String {
    match bearing(sql) {
        Bearing::Extension(name, Some(schema)) => {
            format!(
                "CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {}",
                identifier(&name),
                identifier(&schema)
            )
        }
        Bearing::Extension(name, None) => format!("CREATE EXTENSION IF NOT EXISTS {}", identifier(&name)),
        _ => String::new(),
    }
}

fn makes_nothing(sql: &str) -> bool {
    match bearing(sql) {
        Bearing::Schema | Bearing::Setting | Bearing::Encoding(_) | Bearing::Clears => true,
        Bearing::Object => {
            ["CREATE COLLATION", "COMMENT ON", "SELECT"].iter().any(|words| starts(sql, words))
        }
        _ => false,
    }
}

/// `DROP` of what is not there, as `pg_dump --clean` writes it.
fn clears_nothing(sql: &str, error: &sqlx::Error) -> bool {
    let missing = ["42P01", "42704", "42883", "3F000", "42703"];
    code(error).is_some_and(|code| missing.contains(&code.as_str())) && bearing(sql) == Bearing::Clears
}

fn starts(sql: &str, words: &str) -> bool {
    sql.get(..words.len()).is_some_and(|start| start.eq_ignore_ascii_case(words))
}

fn first_line(sql: &str) -> String {
    let line = sql.lines().next().unwrap_or_default();
    line.chars().take(160).collect()
}

/// Reads the rows of a table of a quick backup into `into`.
///
/// # Errors
/// The server's error, or that the rows are not what was stored.
pub async fn copy_segment(
    connection: &mut PgConnection,
    stored: &Stored,
    key: &BackupKey,
    table: &StoredTable,
    into: Option<&str>,
    fresh: bool,
    meter: &Meter<'_>,
) -> Result<u64, Failure> {
    let segment = table.segment.as_ref();
    let mut chunks = stored.read(ROWS, segment, key)?;
    let name = qualified(&table.table.schema, &table.table.name);
    let sql = copy_in(into.unwrap_or(&name), table, fresh && into.is_none());
    let refused = |error: &sqlx::Error| {
        let told = failure(error);
        Failure { what: format!("The rows of {} cannot be read in. {}", table.table, told.what), ..told }
    };
    let mut copy = connection.copy_in_raw(&sql).await.map_err(|error| refused(&error))?;
    loop {
        match chunks.next().await {
            Ok(Some(piece)) => {
                meter.add(piece.len());
                copy.send(&piece[..]).await.map_err(|error| refused(&error))?;
            }
            Ok(None) => break,
            Err(failure) => {
                let _ = copy.abort("the backup is damaged").await;
                return Err(failure);
            }
        }
    }
    copy.finish().await.map_err(|error| refused(&error))
}

/// A stored backup with its key, shared by what restores it.
#[derive(Clone)]
pub struct Opened {
    /// As it lies on this computer; its checksums were compared.
    pub stored: Arc<Stored>,
    /// Its key.
    pub key: BackupKey,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dump_needs_is_sent() {
        for left_out in [
            "SET transaction_timeout = 0",
            "SET client_encoding = 'UTF8'",
            "BEGIN",
            "COMMIT",
            "CREATE DATABASE x",
        ] {
            assert_eq!(fitting(left_out).unwrap(), None, "{left_out}");
        }
        assert!(fitting("SET check_function_bodies = false").unwrap().is_some());
        assert_eq!(
            fitting("CREATE SCHEMA \"public\"").unwrap().as_deref(),
            Some("CREATE SCHEMA IF NOT EXISTS \"public\"")
        );
        for refused in ["ROLLBACK", "SAVEPOINT a", "PREPARE TRANSACTION 'x'", "LOAD 'evil'"] {
            assert_eq!(fitting(refused).unwrap_err().code, FailureCode::RestoreRefused, "{refused}");
        }
    }
}
