//! Looks at what a transaction wrote before its end. Rows of the profile are read by key; where the server's
//! counters tell of more, and in every other table that was reached, the transaction's own row versions are
//! compared with the rows as they were. What cannot be proven complete is unknown, by name.

mod pair;

use super::captured::{Agree, Captured, Collector, Row, empty};
use super::guard::Guard;
use super::{RowWork, Stop};
use crate::adapters::changes::ChangeWriter;
use crate::adapters::postgres::capture::{self, PINNED};
use crate::adapters::postgres::copy::RowStream;
use crate::adapters::postgres::script::{self, send};
use crate::adapters::postgres::seed::BlockSql;
use crate::adapters::postgres::tables::{self, Which};
use crate::adapters::postgres::trial::{self, Counters, HeldLock};
use crate::domain::seed::{RowKind, WholeTable};
use crate::domain::staging::{Source, Staging};
use crate::domain::tables::TableFacts;
use crate::planner::seed::policy;
use crate::runner::session::{Connector, Session};
use pair::pair;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Rows compared in one message.
const BATCH: usize = 2_000;
/// Up to how many rows that stay as they are are kept to be shown.
const MOST_UNCHANGED: u64 = 10_000;

/// What the look needs to know of the transaction.
pub struct Look<'a> {
    /// Way to the target, for the session that sees the rows as they were.
    pub connector: &'a Connector,
    /// The snapshot of the transaction.
    pub snapshot: &'a str,
    /// Its id.
    pub transaction: &'a str,
    /// The files of all tables as they were before, by oid.
    pub before: &'a HashMap<u32, Option<u32>>,
    /// Locks that it holds.
    pub locks: &'a [HeldLock],
    /// The server counts rows.
    pub counts: bool,
    /// Name for the session that reads.
    pub short: &'a str,
}

impl Look<'_> {
    /// Reads everything that was written into `writer`.
    pub(in crate::runner) async fn read(
        &self,
        work: &mut Session,
        guard: &mut Guard<'_>,
        rows: &RowWork,
        writer: &mut ChangeWriter,
    ) -> Result<Vec<Captured>, Stop> {
        guard.over(send(&mut work.connection, PINNED.to_owned())).await?;
        let counters = guard.over(trial::counters(&mut work.connection)).await?;
        let reached = self.reached(work, guard, &counters).await?;
        let mut seen = Vec::new();
        let mut done = BTreeSet::new();
        if let RowWork::Profile(profile) = rows {
            for (number, staging) in profile.staging.iter().enumerate() {
                let alone =
                    profile.staging.iter().filter(|other| other.table.oid == staging.table.oid).count() == 1;
                let counted =
                    reached.get(&staging.table.oid).map(|reached| reached.counters).unwrap_or_default();
                // TRUNCATE and rewrites leave no counters, and late columns write a row twice: then all is compared.
                let whole = reached
                    .get(&staging.table.oid)
                    .is_some_and(|reached| reached.whole.is_some() || reached.exclusive);
                if !alone || !self.counts || whole || !staging.late.is_empty() {
                    continue;
                }
                if let Some(captured) = by_key(work, guard, &profile.staging, number, counted, writer).await?
                {
                    done.insert(staging.table.oid);
                    seen.push(captured);
                }
            }
        }
        let mut other: Option<Session> = None;
        let named: Vec<u32> = match rows {
            RowWork::Profile(profile) => profile.staging.iter().map(|staging| staging.table.oid).collect(),
            _ => Vec::new(),
        };
        if let RowWork::Profile(profile) = rows {
            for staging in &profile.staging {
                let oid = staging.table.oid;
                if reached.contains_key(&oid) || !done.insert(oid) {
                    continue;
                }
                let mut changes = empty(&staging.table, &staging.sensitive, &[], true);
                changes.unchanged = Some(u32::try_from(staging.rows).unwrap_or(u32::MAX));
                if !self.counts {
                    changes.unknown =
                        Some("The server does not count changed rows (track_counts is off).".to_owned());
                }
                writer.begin(file_table(&staging.table))?;
                seen.push(Captured { changes, sum: String::new() });
            }
        }
        for (oid, reached) in reached.iter().filter(|(oid, _)| !done.contains(oid)) {
            let hints = hints(rows, *oid);
            let captured = self.compare(work, guard, &mut other, reached, &hints, writer).await?;
            let nothing = captured.changes.inserted == 0
                && captured.changes.updated == 0
                && captured.changes.deleted == 0
                && captured.changes.rewritten == 0
                && captured.changes.whole.is_none()
                && captured.changes.unknown.is_none();
            if nothing && !named.contains(oid) {
                writer.drop_table()?;
            } else {
                seen.push(captured);
            }
        }
        if let Some(session) = other {
            session.close().await;
        }
        Ok(seen)
    }

    /// Tables that the transaction may have written, partitions counted to their topmost table.
    async fn reached(
        &self,
        work: &mut Session,
        guard: &mut Guard<'_>,
        counters: &HashMap<u32, Counters>,
    ) -> Result<BTreeMap<u32, Reached>, Stop> {
        let mut oids: BTreeSet<u32> = counters.keys().copied().collect();
        oids.extend(
            self.locks
                .iter()
                .filter(|lock| lock.mode != "ShareUpdateExclusiveLock")
                .map(|lock| lock.relation),
        );
        let oids: Vec<u32> = oids.into_iter().collect();
        let facts = guard.over(tables::read(&mut work.connection, Which::Oids(&oids))).await?;
        let roots: Vec<u32> =
            facts.iter().filter_map(|table| table.root).filter(|root| !oids.contains(root)).collect();
        let mut all = facts.clone();
        all.extend(guard.over(tables::read(&mut work.connection, Which::Oids(&roots))).await?);
        let mut reached: BTreeMap<u32, Reached> = BTreeMap::new();
        for table in &facts {
            if table.schema.starts_with("pg_temp") || table.schema.starts_with("pg_toast") {
                continue;
            }
            let top = table.root.unwrap_or(table.oid);
            let Some(facts) = all.iter().find(|facts| facts.oid == top) else { continue };
            let whole = match self.before.get(&table.oid) {
                None => Some(WholeTable::Created),
                Some(file) if *file != table.file => Some(WholeTable::Rewritten),
                Some(_) => None,
            };
            let exclusive = self.locks.iter().any(|lock| {
                lock.relation == table.oid && matches!(lock.mode.as_str(), "AccessExclusiveLock")
            });
            let counted = counters.get(&table.oid).copied().unwrap_or_default();
            let entry = reached.entry(top).or_insert_with(|| Reached {
                facts: facts.clone(),
                counters: Counters::default(),
                whole: None,
                exclusive: false,
            });
            entry.counters.inserted += counted.inserted;
            entry.counters.updated += counted.updated;
            entry.counters.deleted += counted.deleted;
            entry.whole = entry.whole.or(whole);
            entry.exclusive |= exclusive;
        }
        Ok(reached)
    }

    /// Compares the transaction's own row versions with the rows as they were.
    async fn compare(
        &self,
        work: &mut Session,
        guard: &mut Guard<'_>,
        other: &mut Option<Session>,
        reached: &Reached,
        hints: &Hints,
        writer: &mut ChangeWriter,
    ) -> Result<Captured, Stop> {
        let facts = &reached.facts;
        let filled = server_filled(facts, hints.staging.as_ref(), &hints.all);
        let compared: Vec<&str> = match &hints.staging {
            Some(staging) => compared(staging, &filled),
            None => Vec::new(),
        };
        let agree = match &hints.staging {
            Some(_) => Agree::Columns(&compared),
            None if hints.strict => Agree::Before,
            None => Agree::Rows,
        };
        let mut collector = Collector::begin(writer, facts, agree, &hints.sensitive, &filled, hints.named)?;
        if let Some(why) = self.unreadable(reached) {
            collector.changes.unknown = Some(why);
            collector.changes.whole = reached.whole;
            return Ok(collector.end());
        }
        if reached.whole == Some(WholeTable::Created) {
            collector.changes.whole = reached.whole;
            let mut own = capture::own_rows(&mut work.connection, facts).await?;
            while let Some(batch) = more(guard.over(own.batch(BATCH)).await?) {
                for row in batch {
                    collector.row(RowKind::Inserted, None, Some(&row))?;
                }
            }
            return Ok(collector.end());
        }
        if other.is_none() {
            let session =
                Session::open_watching(self.connector, format!("drydock before {}", self.short)).await?;
            *other = Some(session);
            if let Some(session) = other {
                capture::join_snapshot(&mut session.connection, self.snapshot, 2_000).await?;
                let limit =
                    format!("SET LOCAL statement_timeout = {}", self.connector.check_timeout_ms.max(40_000));
                send(&mut session.connection, limit).await?;
            }
        }
        let Some(reader) = other else { return Ok(collector.end()) };
        match pair(work, reader, guard, facts, self.transaction, &mut collector).await {
            Ok(None) => {}
            Ok(Some(why)) => collector.changes.unknown = Some(why),
            Err(Stop::Server(error)) if !script::is_lost(&error) && script::code(&error).is_some() => {
                let code = script::code(&error).unwrap_or_default();
                // An error on the session at work would have ended its transaction.
                guard.over(send(&mut work.connection, "SELECT 1".to_owned())).await?;
                collector.changes.unknown =
                    Some(format!("Its rows could not be compared (SQLSTATE {code})."));
                if let Some(session) = other.take() {
                    session.close().await;
                }
            }
            Err(stop) => return Err(stop),
        }
        // Only a profile names rows that stay as they are.
        collector.changes.unchanged = None;
        if let Some(rows) = hints.rows {
            let changes = &mut collector.changes;
            let touched = changes.inserted + changes.updated + changes.rewritten;
            changes.unchanged = Some(rows.saturating_sub(touched));
        }
        Ok(collector.end())
    }

    fn unreadable(&self, reached: &Reached) -> Option<String> {
        let facts = &reached.facts;
        if !self.counts {
            return Some("The server does not count changed rows (track_counts is off).".to_owned());
        }
        if facts.kind == "f" {
            return Some(
                "It is on another server; what happens there is not part of the transaction.".to_owned(),
            );
        }
        if facts.hidden_rows {
            return Some("Row security hides some of its rows from the user that is logged in.".to_owned());
        }
        if !facts.may_select {
            return Some("The user that is logged in may not read it.".to_owned());
        }
        if reached.whole == Some(WholeTable::Rewritten) {
            return Some(
                "It was emptied or written anew as a whole, so its rows were not compared.".to_owned(),
            );
        }
        if reached.exclusive && reached.whole != Some(WholeTable::Created) {
            return Some(
                "It was altered, so that no other session could read its rows as they were.".to_owned(),
            );
        }
        None
    }
}

/// A table that was reached.
struct Reached {
    facts: TableFacts,
    counters: Counters,
    whole: Option<WholeTable>,
    exclusive: bool,
}

/// What the work says of a table.
#[derive(Default)]
struct Hints {
    /// What is there before must be what the dry run showed, in every column.
    strict: bool,
    /// The work names the table; no trigger, cascade or script has to have reached it.
    named: bool,
    /// Rows that the profile names.
    rows: Option<u32>,
    staging: Option<Staging>,
    all: Vec<Staging>,
    sensitive: Vec<String>,
}

fn hints(rows: &RowWork, oid: u32) -> Hints {
    if let RowWork::Undo(undo) = rows {
        let sensitive = undo.tables.iter().find(|table| table.facts.oid == oid);
        return Hints {
            named: sensitive.is_some(),
            strict: true,
            sensitive: sensitive.map(|table| table.sensitive.clone()).unwrap_or_default(),
            ..Hints::default()
        };
    }
    let RowWork::Profile(profile) = rows else { return Hints { strict: true, ..Hints::default() } };
    let mut hints = Hints { all: profile.staging.clone(), ..Hints::default() };
    for staging in profile.staging.iter().filter(|staging| staging.table.oid == oid) {
        hints.sensitive.extend(staging.sensitive.iter().cloned());
        let named = u32::try_from(staging.rows).unwrap_or(u32::MAX);
        hints.named = true;
        hints.rows = Some(hints.rows.unwrap_or(0).saturating_add(named));
        match &mut hints.staging {
            // Several blocks of one table: what all of them write.
            Some(known) => known.shapes.extend(staging.shapes.iter().cloned()),
            None => hints.staging = Some(staging.clone()),
        }
    }
    hints
}

/// The columns that the profile writes and whose values it knows: in those two captures must agree.
fn compared<'s>(staging: &'s Staging, filled: &[String]) -> Vec<&'s str> {
    staging.written().into_iter().filter(|name| !filled.iter().any(|known| known == name)).collect()
}

/// Columns that the server fills in new rows with something that may differ each time: defaults, sequences,
/// expressions that are another one each time, and what refers to such a column of a row that is new, too.
fn server_filled(facts: &TableFacts, staging: Option<&Staging>, all: &[Staging]) -> Vec<String> {
    let written = staging.map(Staging::written).unwrap_or_default();
    let drawn_there = |schema: &str, table: &str, take: &str| {
        all.iter().any(|other| {
            other.table.schema == schema
                && other.table.name == table
                && !other.written().contains(&take)
                && other.table.column(take).is_some_and(|column| column.volatile_default)
        })
    };
    let drawn: Vec<&str> = staging
        .iter()
        .flat_map(|staging| &staging.shapes)
        .flat_map(|shape| &shape.columns)
        .filter(|column| match &column.source {
            Source::Sequence(_) => true,
            Source::Sql { expression, .. } => policy::is_volatile(expression),
            Source::Reference { schema, table, take, .. } => drawn_there(schema, table, take),
            Source::Staged(_) => false,
        })
        .map(|column| column.column.as_str())
        .collect();
    facts
        .columns
        .iter()
        .filter(|column| {
            drawn.contains(&column.name.as_str())
                || (column.volatile_default && !written.contains(&column.name.as_str()))
        })
        .map(|column| column.name.clone())
        .collect()
}

fn file_table(facts: &TableFacts) -> crate::adapters::changes::FileTable {
    crate::adapters::changes::FileTable {
        schema: facts.schema.clone(),
        name: facts.name.clone(),
        columns: facts.columns.iter().map(|column| (column.name.clone(), column.type_name.clone())).collect(),
        key: facts.identity().map(<[String]>::to_vec).unwrap_or_default(),
    }
}

/// Reads the rows of a block by key. `None` where the server's counters tell of more.
async fn by_key(
    work: &mut Session,
    guard: &mut Guard<'_>,
    all: &[Staging],
    number: usize,
    counted: Counters,
    writer: &mut ChangeWriter,
) -> Result<Option<Captured>, Stop> {
    let staging = &all[number];
    let sql = BlockSql::new(staging, number);
    let filled = server_filled(&staging.table, Some(staging), all);
    let columns_known = compared(staging, &filled);
    let mut collector = Collector::begin(
        writer,
        &staging.table,
        Agree::Columns(&columns_known),
        &staging.sensitive,
        &filled,
        true,
    )?;
    let columns = staging.table.columns.len();
    let mut written = Counters::default();
    let mut rows = RowStream::open(&mut work.connection, &sql.inserted()).await?;
    while let Some(batch) = more(guard.over(rows.batch(BATCH)).await?) {
        for mut row in batch {
            if is_own(&row) {
                row.remove(0);
                written.inserted += 1.0;
                collector.row(RowKind::Inserted, None, Some(&row))?;
            }
        }
    }
    drop(rows);
    if let Some(query) = sql.updated() {
        let mut rows = RowStream::open(&mut work.connection, &query).await?;
        while let Some(batch) = more(guard.over(rows.batch(BATCH)).await?) {
            for mut row in batch {
                let own = is_own(&row);
                row.remove(0);
                let after = row.split_off(columns.min(row.len()));
                if own {
                    written.updated += 1.0;
                    let kind = if row == after { RowKind::Rewritten } else { RowKind::Updated };
                    collector.row(kind, Some(&row), Some(&after))?;
                }
            }
        }
    }
    if let Some(query) = sql.deleted() {
        let mut rows = RowStream::open(&mut work.connection, &query).await?;
        while let Some(batch) = more(guard.over(rows.batch(BATCH)).await?) {
            for mut row in batch {
                row.remove(0);
                written.deleted += 1.0;
                collector.row(RowKind::Deleted, Some(&row), None)?;
            }
        }
    }
    let explained = counted.inserted == written.inserted
        && counted.deleted == written.deleted
        && counted.updated == written.updated;
    if !explained {
        collector.discard()?;
        return Ok(None);
    }
    let touched = written.inserted + written.updated;
    let unchanged = staging.rows.saturating_sub(touched as u64);
    if unchanged > 0 && unchanged <= MOST_UNCHANGED {
        let mut rows = RowStream::open(&mut work.connection, &sql.unchanged()).await?;
        while let Some(batch) = more(guard.over(rows.batch(BATCH)).await?) {
            for mut row in batch {
                row.remove(0);
                collector.row(RowKind::Unchanged, None, Some(&row))?;
            }
        }
    } else {
        collector.changes.unchanged = Some(u32::try_from(unchanged).unwrap_or(u32::MAX));
    }
    Ok(Some(collector.end()))
}

fn more(batch: Vec<Row>) -> Option<Vec<Row>> {
    (!batch.is_empty()).then_some(batch)
}

fn is_own(row: &Row) -> bool {
    row.first().and_then(Option::as_deref) == Some("t")
}
