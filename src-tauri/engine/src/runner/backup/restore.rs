//! Restores a backup in place: everything in one transaction of the caller's, compared before it is committed. An
//! error anywhere leaves the database as it was.

use super::Meter;
use super::indexes::Indexes;
use super::load::{Manners, Opened, Parts, Source, load};
use super::rows::{Aside, empty, read_in, set_sequences};
use super::selection::Selection;
use super::sums::{self, Summed};
use crate::adapters::dumps::ArchiveWish;
use crate::adapters::postgres::capture::PINNED;
use crate::adapters::postgres::failure::failure;
use crate::adapters::postgres::script::{is_lost, send};
use crate::adapters::postgres::words::{identifier, literal, qualified};
use crate::adapters::postgres::{backup, clear, row_hash};
use crate::adapters::sandbox::Toolkit;
use crate::domain::backup::{HashDefinition, RestoreWhat, StoredSequence, StoredTable, TableName};
use crate::domain::catalogue::Catalogue;
use crate::domain::words::{count, whole};
use crate::domain::{Failure, FailureCode};
use crate::planner::rebuild::{self, Rebuild};
use crate::runner::events::Stream;
use sqlx::postgres::PgConnection;

/// A restore that was taken apart.
pub struct Restore {
    /// The backup.
    pub opened: Opened,
    /// The toolkit, for a deep one.
    pub toolkit: Option<Toolkit>,
    /// What of it.
    pub what: RestoreWhat,
    /// The tables it touches, as the backup has them.
    pub tables: Vec<StoredTable>,
    /// Those that are not there any more and are made again.
    pub make: Vec<TableName>,
    /// The sequences of those tables, or all of them.
    pub sequences: Vec<StoredSequence>,
    /// The database as it was.
    pub catalogue: Catalogue,
    /// Schemas whose objects are replaced, where all of it is restored from a deep backup.
    pub schemas: Vec<String>,
    /// Owners and rights as they were.
    pub with_owners: bool,
}

impl Restore {
    /// Whether schema and all are replaced.
    pub fn is_whole(&self) -> bool {
        !self.schemas.is_empty()
    }

    /// How its rows are compared.
    fn hash(&self) -> HashDefinition {
        self.opened.stored.manifest.hash
    }

    /// Does it, inside of an open transaction; answers what was restored, in words.
    ///
    /// # Errors
    /// Anything that keeps it from being exactly what was stored; the transaction has to be taken back then.
    pub async fn run(
        &self,
        connection: &mut PgConnection,
        events: &Stream,
        index: u32,
    ) -> Result<String, Failure> {
        self.begin(connection).await?;
        let meter = Meter::new(events, index, "restored", 0.0, self.tables.len());
        match &self.what {
            RestoreWhat::Rows { table, keys } => self.rows(connection, table, keys, &meter).await,
            _ if self.is_whole() => self.whole(connection, &meter).await,
            _ => self.tables(connection, &meter).await,
        }
    }

    /// Reads a deep backup into an empty database, inside of an open transaction, and compares it: all of it, or with
    /// the rows of the chosen tables only. Answers what was restored, and what was left out, in words.
    ///
    /// # Errors
    /// As [`Restore::run`].
    pub async fn fill(
        &self,
        connection: &mut PgConnection,
        events: &Stream,
        index: u32,
    ) -> Result<(String, Option<String>), Failure> {
        self.begin(connection).await?;
        let meter = Meter::new(events, index, "restored", 0.0, self.tables.len());
        if self.what == RestoreWhat::Everything {
            return Ok((self.read_all(connection, Manners::Strict, &meter).await?, None));
        }
        let mut selection = Selection::of(self.tables.iter().map(|table| table.table.clone()).collect());
        let words = self.read_all(connection, Manners::Selected(&mut selection), &meter).await?;
        Ok((words, selection.end()?))
    }

    async fn begin(&self, connection: &mut PgConnection) -> Result<(), Failure> {
        begin(connection).await?;
        let encoding = &self.opened.stored.manifest.encoding;
        super::speak_bytes(connection, encoding).await.map_err(|error| told(&error))
    }

    /// Everything: what is there now goes, what was there then comes.
    async fn whole(&self, connection: &mut PgConnection, meter: &Meter<'_>) -> Result<String, Failure> {
        for sql in clear::drops(connection, &self.schemas).await.map_err(|error| told(&error))? {
            send(connection, sql).await.map_err(|error| told(&error))?;
        }
        let words = self.read_all(connection, Manners::Strict, meter).await?;
        Ok(format!("{words}; the schema around them came from the backup without an error"))
    }

    /// Reads a deep backup in, and compares it.
    async fn read_all(
        &self,
        connection: &mut PgConnection,
        manners: Manners<'_>,
        meter: &Meter<'_>,
    ) -> Result<String, Failure> {
        let toolkit = self.toolkit.as_ref().ok_or_else(no_toolkit)?;
        let wish = ArchiveWish { with_owners: self.with_owners, ..ArchiveWish::default() };
        let source = Source::of_deep(&self.opened.stored, &self.opened.key, toolkit, &wish)?;
        load(connection, &mut Parts::new(source), manners, meter).await?;
        // The dump made settings of its own.
        send(
            connection,
            format!("SET LOCAL row_security = off; SET LOCAL search_path = pg_catalog, pg_temp; {PINNED}"),
        )
        .await
        .map_err(|error| told(&error))?;
        self.compare(connection, true).await?;
        let stored = &self.opened.stored.manifest.large_objects;
        if let Some(stored) = stored {
            let there = backup::large_objects(connection).await.map_err(|error| told(&error))?;
            if there != *stored {
                return Err(differs("Large objects are not what was stored."));
            }
        }
        Ok(format!(
            "{} and {} are as they were",
            count(self.tables.len(), "table", "tables"),
            count(self.tables.iter().map(|table| table.rows).sum::<u64>(), "row", "rows")
        ))
    }

    /// The rows of tables; those that are gone are made again.
    async fn tables(&self, connection: &mut PgConnection, meter: &Meter<'_>) -> Result<String, Failure> {
        let server = |error: sqlx::Error| told(&error);
        let made: Vec<Rebuild> = self
            .make
            .iter()
            .filter_map(|name| self.catalogue.table(&name.schema, &name.name))
            .map(|table| rebuild::table(&self.catalogue, table))
            .collect();
        for sql in made.iter().flat_map(|rebuild| &rebuild.before_rows) {
            send(connection, sql.clone()).await.map_err(server)?;
        }
        let names: Vec<TableName> = self.tables.iter().map(|table| table.table.clone()).collect();
        let aside = Aside::read(connection, &names).await.map_err(server)?;
        aside.clear(connection).await.map_err(server)?;
        empty(connection, &self.tables).await.map_err(server)?;
        let indexes = Indexes::put_aside(connection, &self.tables).await.map_err(server)?;
        read_in(connection, &self.opened, self.toolkit.as_ref(), &self.tables, &|_| None, meter).await?;
        indexes.put_back(connection).await.map_err(server)?;
        for sql in made.iter().flat_map(|rebuild| &rebuild.after_rows) {
            send(connection, sql.clone()).await.map_err(server)?;
        }
        set_sequences(connection, &self.sequences).await.map_err(server)?;
        // Looked at before row security binds again; what follows writes no row.
        self.compare(connection, false).await?;
        for sql in made.iter().flat_map(|rebuild| &rebuild.last) {
            send(connection, sql.clone()).await.map_err(server)?;
        }
        aside.put_back(connection).await.map_err(|error| dangling(&error))?;
        let rows: u64 = self.tables.iter().map(|table| table.rows).sum();
        let made = match self.make.len() {
            0 => String::new(),
            1 => "; 1 table was made again".to_owned(),
            many => format!("; {many} tables were made again"),
        };
        Ok(format!("{} rows in {} tables are as they were{made}", whole(rows), self.tables.len()))
    }

    /// Some rows of one table, by key: those that differ get their values back, those that are gone come back.
    async fn rows(
        &self,
        connection: &mut PgConnection,
        name: &TableName,
        keys: &[Vec<String>],
        meter: &Meter<'_>,
    ) -> Result<String, Failure> {
        let server = |error: sqlx::Error| told(&error);
        let table = self.tables.first().ok_or_else(|| no_table(name))?;
        let own = qualified(&name.schema, &name.name);
        let columns: Vec<String> = table
            .columns
            .iter()
            .filter(|column| !column.generated)
            .map(|column| identifier(&column.name))
            .collect();
        let list = columns.join(", ");
        let key: Vec<String> = table.key.iter().map(|column| identifier(column)).collect();
        send(
            connection,
            format!(
                "CREATE TEMP TABLE drydock_back ON COMMIT DROP AS SELECT {list} FROM ONLY {own} WITH NO DATA"
            ),
        )
        .await
        .map_err(server)?;
        let into = |_: &StoredTable| Some("pg_temp.drydock_back".to_owned());
        read_in(connection, &self.opened, self.toolkit.as_ref(), std::slice::from_ref(table), &into, meter)
            .await?;
        // Compared as text: the keys come from a screen.
        let wanted: Vec<String> = keys
            .iter()
            .map(|values| {
                format!("({})", values.iter().map(|value| literal(value)).collect::<Vec<_>>().join(","))
            })
            .collect();
        let as_text: Vec<String> = key.iter().map(|column| format!("b.{column}::pg_catalog.text")).collect();
        send(
            connection,
            format!(
                "DELETE FROM pg_temp.drydock_back AS b WHERE NOT ({}) IN (VALUES {})",
                as_text.join(", "),
                wanted.join(",")
            ),
        )
        .await
        .map_err(server)?;
        let found: String = super::one(
            connection,
            "SELECT pg_catalog.to_json(count(*)::text)::text FROM pg_temp.drydock_back",
        )
        .await
        .map_err(server)?;
        if found.parse::<usize>().ok() != Some(keys.len()) {
            return Err(Failure::new(FailureCode::RestoreRefused, "Not every chosen row is in the backup.")
                .why(format!("{found} of {} are in it.", keys.len()))
                .unchanged("All of it was taken back; nothing has changed.")
                .next("Choose rows that the backup holds."));
        }
        let aside = Aside::read(connection, std::slice::from_ref(name)).await.map_err(server)?;
        aside.clear(connection).await.map_err(server)?;
        let set: Vec<String> = columns
            .iter()
            .filter(|column| !key.contains(column))
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        let conflict = if set.is_empty() {
            "DO NOTHING".to_owned()
        } else {
            format!("DO UPDATE SET {}", set.join(", "))
        };
        send(
            connection,
            format!(
                "INSERT INTO {own} ({list}) OVERRIDING SYSTEM VALUE SELECT {list} FROM pg_temp.drydock_back ON CONFLICT ({}) {conflict}",
                key.join(", ")
            ),
        )
        .await
        .map_err(server)?;
        let pairs: Vec<String> = key.iter().map(|column| format!("t.{column} = b.{column}")).collect();
        let same: String = super::one(
            connection,
            &format!(
                "SELECT pg_catalog.to_json(count(*)::text)::text FROM ONLY {own} AS t JOIN pg_temp.drydock_back AS b ON {} WHERE {} = {}",
                pairs.join(" AND "),
                row_hash::of_row(self.hash(), "t", table),
                row_hash::of_row(self.hash(), "b", table)
            ),
        )
        .await
        .map_err(server)?;
        if same.parse::<usize>().ok() != Some(keys.len()) {
            return Err(differs("Not every row that was put back is what was stored."));
        }
        aside.put_back(connection).await.map_err(|error| dangling(&error))?;
        Ok(match keys.len() {
            1 => format!("1 row of {name} is as it was"),
            many => format!("{} rows of {name} are as they were", whole(many)),
        })
    }

    /// Counts and hashes of what is there now against what was stored.
    async fn compare(&self, connection: &mut PgConnection, sequences: bool) -> Result<(), Failure> {
        let found = sums::sums(connection, self.hash(), &self.tables, &|_| 0.0, &|_| {})
            .await
            .map_err(|error| told(&error))?;
        for (table, sum) in self.tables.iter().zip(found) {
            let same = match &sum {
                Summed::Sum(sum) => {
                    sum.rows == table.rows && table.hash.as_ref().is_none_or(|hash| *hash == sum.hash)
                }
                Summed::Counted(rows) => *rows == table.rows,
            };
            if !same {
                return Err(differs(&format!("The rows of {} are not what was stored.", table.table)));
            }
        }
        if sequences {
            let inventory = backup::inventory(connection).await.map_err(|error| told(&error))?;
            let there =
                backup::sequences(connection, &inventory.sequences).await.map_err(|error| told(&error))?;
            for stored in &self.sequences {
                let same = there.iter().find(|found| found.sequence == stored.sequence);
                if same.is_none_or(|found| found.next() != stored.next()) {
                    return Err(differs(&format!(
                        "The sequence {} does not stand where it stood.",
                        stored.sequence
                    )));
                }
            }
        }
        Ok(())
    }
}

/// The settings of the open transaction that rows are read in under.
async fn begin(connection: &mut PgConnection) -> Result<(), Failure> {
    send(
        connection,
        format!("SET LOCAL row_security = off; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL check_function_bodies = off; SET LOCAL statement_timeout = 0; {PINNED}"),
    )
    .await
    .map_err(|error| told(&error))
}

fn told(error: &sqlx::Error) -> Failure {
    let told = failure(error);
    if is_lost(error) {
        return told;
    }
    Failure { unchanged: Some("All of it was taken back; nothing has changed.".to_owned()), ..told }
}

/// A row of another table refers to one that is not in the backup.
fn dangling(error: &sqlx::Error) -> Failure {
    let told = told(error);
    if crate::adapters::postgres::script::code(error).as_deref() != Some("23503") {
        return told;
    }
    Failure::new(
        FailureCode::RestoreRefused,
        "Rows of other tables refer to rows that the backup does not hold.",
    )
    .why(told.why.unwrap_or(told.what))
    .unchanged("All of it was taken back; nothing has changed.")
    .next("Restore those tables together, or restore into a new database and copy what is needed.")
}

fn differs(what: &str) -> Failure {
    Failure::new(FailureCode::RestoreDiffers, what)
        .unchanged("All of it was taken back; nothing has changed.")
        .next("Do not use this backup; prove another one and restore that.")
}

fn no_toolkit() -> Failure {
    Failure::new(FailureCode::ToolkitMissing, "A deep backup needs the toolkit's pg_restore to be read.")
        .unchanged("Nothing was changed.")
}

fn no_table(name: &TableName) -> Failure {
    Failure::new(FailureCode::RestoreRefused, format!("The backup does not hold {name}."))
        .unchanged("Nothing was changed.")
}
