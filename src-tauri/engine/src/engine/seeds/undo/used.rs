//! Added rows that newer rows of others refer to.

use super::looked::{Asked, BATCH, Found, FoundTable, Looked, key_of, positions};
use crate::adapters::changes::ChangeReader;
use crate::adapters::postgres::capture::{self, Row};
use crate::adapters::postgres::failure::failure;
use crate::domain::Failure;
use crate::domain::seed::{ConflictReason, RowKind, UsedBy};
use crate::domain::tables::{ForeignKey, TableFacts};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnection;

/// Asks about every row that newer rows use, up to a fixed point: a row that stays because newer rows use it
/// keeps what it refers to itself, and so on. The first `most` rows get to know who uses them.
pub(super) async fn used(
    connection: &mut PgConnection,
    looked: &mut Looked,
    most: usize,
) -> Result<(), Failure> {
    loop {
        let before = looked.asked().count();
        looked.used_by = looked.asked().take(most).map(|place| (place, Vec::new())).collect();
        mark(connection, looked).await?;
        if looked.asked().count() == before {
            return Ok(());
        }
    }
}

/// Asks about the rows that newer rows use now.
async fn mark(connection: &mut PgConnection, looked: &mut Looked) -> Result<(), Failure> {
    let Looked { reader, tables, referring, used_by, .. } = looked;
    for child in referring.iter() {
        for reference in &child.references {
            let Some(parent) = tables.iter().position(|table| table.facts.oid == reference.table) else {
                continue;
            };
            let own = OwnReferences::read(reader, tables, child, reference)?;
            let table = &mut tables[parent];
            let columns = positions(&table.facts, &reference.referenced);
            let mut left = 0..table.rows.len();
            loop {
                let batch: Vec<usize> =
                    left.by_ref().filter(|at| may_be_used(&table.rows[*at])).take(BATCH).collect();
                if batch.is_empty() {
                    break;
                }
                let keys: Vec<Row> = batch
                    .iter()
                    .map(|at| Ok(key_of(&reader.row(table.place, table.rows[*at].number)?, &columns)))
                    .collect::<Result<_, Failure>>()?;
                let counts = capture::count_by_key(connection, child, &reference.columns, &keys)
                    .await
                    .map_err(|error| failure(&error))?;
                for ((at, key), count) in batch.iter().zip(&keys).zip(counts) {
                    let newer = count.saturating_sub(own.count(key));
                    if newer == 0 {
                        continue;
                    }
                    let found = &mut table.rows[*at];
                    let asked = found
                        .asked
                        .get_or_insert(Asked { reason: ConflictReason::UsedByNewer, forbidden_by: None });
                    let effect = effect(reference);
                    if effect.is_none() {
                        asked.forbidden_by = Some(child.oid);
                    }
                    if let Some(users) = used_by.get_mut(&(table.place, found.number)) {
                        let effect = effect.unwrap_or_else(|| "they forbid it".to_owned());
                        users.push(UsedBy { table: child.qualified(), rows: newer, effect });
                    }
                }
            }
        }
    }
    Ok(())
}

/// An added row that is there.
fn may_be_used(found: &Found) -> bool {
    found.kind == RowKind::Inserted
        && found.asked.is_none_or(|asked| asked.reason != ConflictReason::GoneSince)
}

/// What happens to rows when the one that they refer to is deleted; `None`: they forbid it.
fn effect(reference: &ForeignKey) -> Option<String> {
    match reference.on_delete.as_str() {
        "c" => Some("they would be deleted with it".to_owned()),
        "n" => Some(format!("they stay, with {} NULL", reference.columns.join(", "))),
        "d" => Some(format!("they stay, with the default of {}", reference.columns.join(", "))),
        _ => None,
    }
}

/// What the rows refer to that the run itself added and that go with it: the whole SHA-256 of each key, sorted.
/// Two keys that were taken for one would hide newer rows.
struct OwnReferences(Vec<[u8; 32]>);

impl OwnReferences {
    fn read(
        reader: &mut ChangeReader,
        tables: &[FoundTable],
        child: &TableFacts,
        reference: &ForeignKey,
    ) -> Result<Self, Failure> {
        let Some(table) = tables.iter().find(|table| table.facts.oid == child.oid) else {
            return Ok(Self(Vec::new()));
        };
        let columns = positions(child, &reference.columns);
        let mut digests = table
            .rows
            .iter()
            .filter(|found| found.kind == RowKind::Inserted && found.asked.is_none())
            .map(|found| Ok(digest(&key_of(&reader.row(table.place, found.number)?, &columns))))
            .collect::<Result<Vec<_>, Failure>>()?;
        digests.sort_unstable();
        Ok(Self(digests))
    }

    /// How many of them refer to this key.
    fn count(&self, key: &Row) -> u32 {
        let digest = digest(key);
        let first = self.0.partition_point(|known| *known < digest);
        let after = self.0[first..].partition_point(|known| *known == digest);
        u32::try_from(after).unwrap_or(u32::MAX)
    }
}

fn digest(key: &Row) -> [u8; 32] {
    let mut hash = Sha256::new();
    for cell in key {
        match cell {
            None => hash.update([0]),
            Some(text) => {
                hash.update([1]);
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text);
            }
        }
    }
    hash.finalize().into()
}
