//! What a dry run may take on the target, judged before anything is sent: what goes into one transaction
//! together, how long its locks may keep others waiting, how much it may write.

use super::Piece;
use crate::adapters::postgres::trial;
use crate::domain::environment::Tier;
use crate::domain::plan::Plan;
use crate::domain::statement::Waits;
use crate::planner::sql;

/// What a busy server is taken to rewrite or index in a second.
const BYTES_A_SECOND: f64 = 200.0 * 1024.0 * 1024.0;
const MEGABYTE: f64 = 1024.0 * 1024.0;
const GIGABYTE: f64 = 1024.0 * MEGABYTE;

/// How many pieces can be tried together, and why not the next one.
pub struct Together {
    /// How many.
    pub count: usize,
    /// Why not the next one.
    pub reason: Option<String>,
}

/// Counts the pieces that can be tried together.
pub fn together(pieces: &[Piece], capacity: &trial::Capacity) -> Together {
    if !capacity.temporary {
        let reason = "This user may not create temporary tables, so a dry run could not be kept from committing; rehearsed instead.";
        return Together { count: 0, reason: Some(reason.to_owned()) };
    }
    for (count, piece) in pieces.iter().enumerate() {
        if let Err(reason) = sql::dry_runnable(&piece.script)
            && sql::unwrapped(&piece.sql, &piece.script).is_none()
        {
            return Together { count, reason: Some(format!("{}: {reason}", piece.name)) };
        }
    }
    Together { count: pieces.len(), reason: None }
}

/// An estimate above a cap means a rehearsal instead: why, or nothing.
pub fn too_much(plan: &Plan, piece: &Piece, tables: &[trial::TableFile], space: &SpaceCap) -> Option<String> {
    let cap = f64::from(plan.rules.dry_run_lock_ms) / 1000.0;
    let mut written = 0.0;
    for lock in piece.script.statements.iter().flat_map(|statement| &statement.locks) {
        if lock.waits == Waits::Nobody {
            continue;
        }
        let name = lock.table.rsplit('.').next().unwrap_or(&lock.table);
        let Some(table) = tables.iter().find(|file| file.name == name) else { continue };
        let seconds = table.bytes / BYTES_A_SECOND;
        if plan.tier == Tier::Production && seconds > cap {
            return Some(format!(
                "{} works on `{}` ({}), which could hold its lock for about {seconds:.0} s; at most {cap:.0} s are allowed here, so it is rehearsed.",
                piece.name,
                table.name,
                size(table.bytes)
            ));
        }
        written += table.bytes;
    }
    (written > space.bytes).then(|| {
        format!(
            "{} may write up to {} anew; a dry run may write {} here ({}), so it is rehearsed.",
            piece.name,
            size(written),
            size(space.bytes),
            space.because
        )
    })
}

/// How much a dry run may write: what is taken back stays on the disk until the server cleans up.
#[derive(Debug, Clone)]
pub struct SpaceCap {
    bytes: f64,
    because: String,
    before: f64,
}

impl SpaceCap {
    /// The cap that the guard rules and what is known of the server's disk make. PostgreSQL has no way to
    /// ask for free space: it is known where the operator told the disk's size, or where the server's files
    /// are on this machine.
    pub fn new(plan: &Plan, space: &trial::Space, free_here: Option<f64>) -> Self {
        let percent = plan.rules.dry_run_space_percent;
        let told = plan.rules.server_disk_gb.map(|disk| f64::from(disk) * GIGABYTE - space.all_bytes);
        let free = free_here.or(told).map(|free| free.max(0.0));
        let (bytes, because) = match free {
            Some(free) => (
                free * f64::from(percent) / 100.0,
                format!("{percent} % of {} free on the server's disk", size(free)),
            ),
            None => (
                if plan.tier == Tier::Production { 64.0 * MEGABYTE } else { GIGABYTE },
                "the server's free space is not known; the guard rules can tell the size of its disk"
                    .to_owned(),
            ),
        };
        Self { bytes, because, before: space.database_bytes }
    }

    /// Size of the database before the dry run, bytes.
    pub fn before(&self) -> f64 {
        self.before
    }

    /// Why to stop, once more than the cap is written.
    pub fn passed(&self, written: f64) -> Option<String> {
        (written > self.bytes).then(|| {
            format!(
                "The database grew by {} during the dry run, more than the {} that it may write ({}), so it ended.",
                size(written),
                size(self.bytes),
                self.because
            )
        })
    }

    /// What was written, beside the cap.
    pub fn words(&self, written: f64) -> String {
        format!(
            "The database grew by {} during the dry run; at most {} were allowed ({}). The server reuses the space after its next vacuum; the write-ahead log is not counted.",
            size(written.max(0.0)),
            size(self.bytes),
            self.because
        )
    }
}

fn size(bytes: f64) -> String {
    if bytes >= GIGABYTE {
        format!("{:.1} GB", bytes / GIGABYTE)
    } else {
        format!("{:.1} MB", bytes / MEGABYTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_beyond_the_cap_is_a_reason_and_less_is_none() {
        let cap = SpaceCap { bytes: 10.0 * MEGABYTE, because: "10 % of 100.0 MB".to_owned(), before: 0.0 };
        assert_eq!(cap.passed(10.0 * MEGABYTE), None);
        assert!(
            cap.passed(10.1 * MEGABYTE).is_some_and(|why| why.contains("10.1 MB") && why.contains("10 % of"))
        );
    }
}
