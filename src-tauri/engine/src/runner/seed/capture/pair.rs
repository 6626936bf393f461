//! Pairs the row versions that a transaction wrote with the rows as they were, and proves by counting that
//! nothing is left out.

use super::{BATCH, more};
use crate::adapters::postgres::copy::RowStream;
use crate::adapters::postgres::{capture, trial};
use crate::domain::seed::RowKind;
use crate::domain::tables::TableFacts;
use crate::runner::seed::Stop;
use crate::runner::seed::captured::{Collector, Row};
use crate::runner::seed::guard::Guard;
use crate::runner::session::Session;

/// Up to how many rows of a table are read one by one where the short proof fails.
const MOST_COMPARED: u64 = 2_000_000;

/// Pairs own row versions with the rows as they were; answers why that is not proven complete.
pub(super) async fn pair(
    work: &mut Session,
    reader: &mut Session,
    guard: &mut Guard<'_>,
    facts: &TableFacts,
    transaction: &str,
    collector: &mut Collector<'_>,
) -> Result<Option<String>, Stop> {
    let Some(key) = facts.identity().map(<[String]>::to_vec) else {
        return without_key(work, reader, guard, facts, collector).await;
    };
    let mut inserted = 0_u64;
    let mut own = capture::own_rows(&mut work.connection, facts).await?;
    loop {
        let batch = guard.over(own.batch(BATCH)).await?;
        if batch.is_empty() {
            break;
        }
        let before = capture::by_key(&mut reader.connection, facts, &key, &keys_of(facts, &batch)).await?;
        for (after, before) in batch.iter().zip(&before) {
            match before {
                None => {
                    inserted += 1;
                    collector.row(RowKind::Inserted, None, Some(after))?;
                }
                Some(before) if before == after => {
                    collector.row(RowKind::Rewritten, Some(before), Some(after))?;
                }
                Some(before) => collector.row(RowKind::Updated, Some(before), Some(after))?,
            }
        }
    }
    drop(own);
    let xid = (transaction.parse::<u64>().unwrap_or(0) & 0xffff_ffff).to_string();
    let rows_before = capture::count(&mut reader.connection, facts).await?;
    let rows_after = guard.over(capture::count(&mut work.connection, facts)).await?;
    let missing = (rows_before + inserted).saturating_sub(rows_after);
    if missing == 0 {
        return Ok((rows_before + inserted != rows_after).then(not_proven));
    }
    // Rows are gone. First where the server's own marks point, then, if those do not explain it, everywhere.
    let mark = collector.mark()?;
    for everywhere in [false, true] {
        if everywhere && rows_before > MOST_COMPARED {
            return Ok(Some("Deleted rows could not be told apart among so many.".to_owned()));
        }
        let candidates = if everywhere {
            capture::all_rows(&mut reader.connection, facts).await?
        } else {
            capture::replaced_rows(&mut reader.connection, facts, &xid).await?
        };
        let gone = gone(work, guard, facts, candidates, collector).await;
        if matches!(gone, Ok(gone) if gone == missing) {
            return Ok(None);
        }
        collector.back_to(&mark);
        gone?;
    }
    Ok(Some(not_proven()))
}

/// Collects those of the candidates that are not there any more; answers how many.
async fn gone(
    work: &mut Session,
    guard: &mut Guard<'_>,
    facts: &TableFacts,
    mut candidates: RowStream<'_>,
    collector: &mut Collector<'_>,
) -> Result<u64, Stop> {
    let key = facts.identity().unwrap_or_default();
    let mut gone = 0;
    while let Some(batch) = more(candidates.batch(BATCH).await?) {
        let keys = keys_of(facts, &batch);
        let now = guard.over(capture::by_key(&mut work.connection, facts, key, &keys)).await?;
        for (row, _) in batch.iter().zip(now).filter(|(_, now)| now.is_none()) {
            gone += 1;
            collector.row(RowKind::Deleted, Some(row), None)?;
        }
    }
    Ok(gone)
}

/// The values of rows in the columns that tell them apart.
fn keys_of(facts: &TableFacts, rows: &[Row]) -> Vec<Row> {
    let key = facts.identity().unwrap_or_default();
    let positions: Vec<usize> =
        key.iter().filter_map(|name| facts.columns.iter().position(|column| column.name == *name)).collect();
    rows.iter().map(|row| positions.iter().map(|at| row.get(*at).cloned().flatten()).collect()).collect()
}

fn not_proven() -> String {
    "The numbers of rows before and after do not add up, so something may be missing here.".to_owned()
}

/// Without a key only added rows can be told.
async fn without_key(
    work: &mut Session,
    reader: &mut Session,
    guard: &mut Guard<'_>,
    facts: &TableFacts,
    collector: &mut Collector<'_>,
) -> Result<Option<String>, Stop> {
    let mut own = capture::own_rows(&mut work.connection, facts).await?;
    let mut inserted = 0;
    while let Some(batch) = more(guard.over(own.batch(BATCH)).await?) {
        for row in batch {
            inserted += 1;
            collector.row(RowKind::Inserted, None, Some(&row))?;
        }
    }
    drop(own);
    let rows_before = capture::count(&mut reader.connection, facts).await?;
    let rows_after = guard.over(capture::count(&mut work.connection, facts)).await?;
    let counted = guard.over(trial::counters(&mut work.connection)).await?;
    let only_added =
        counted.get(&facts.oid).is_none_or(|counted| counted.updated == 0.0 && counted.deleted == 0.0);
    Ok((!only_added || rows_before + inserted != rows_after).then(|| {
        "It has no key that tells its rows apart, and rows of it were changed or deleted.".to_owned()
    }))
}
