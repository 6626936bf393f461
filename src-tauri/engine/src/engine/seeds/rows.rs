//! Changed rows to look at: by page, filtered, searched, sorted; and as a file to keep.

use crate::adapters::changes::{self, ChangeReader, FileRow};
use crate::adapters::files::profiles::downloads;
use crate::domain::run::RunKind;
use crate::domain::seed::{
    CellView, ExportFormat, RowChange, RowKind, RowPage, RowQuery, RunChanges, TableChanges, UndoState,
};
use crate::domain::{Failure, FailureCode};
use crate::engine::Engine;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Most rows of a page.
const MOST_ROWS: u32 = 500;
/// Characters of a value that are shown at once.
const SHOWN: usize = 2_000;

/// The rows that were looked at last: their order is worked out once for many pages.
pub(in crate::engine) struct ShownRows {
    query: RowQuery,
    numbers: Vec<u32>,
    reader: ChangeReader,
}

impl Engine {
    /// What a run did to rows, and whether it can be taken back; `None` where it did nothing to rows.
    ///
    /// # Errors
    /// [`FailureCode::Store`].
    pub async fn run_changes(&self, run_id: &str) -> Result<Option<RunChanges>, Failure> {
        let Some((stored, undone_by)) = self.store().changes(run_id).await? else { return Ok(None) };
        let undo = self.undo_state(run_id, &stored.changes, undone_by).await?;
        Ok(Some(RunChanges { changes: stored.changes, undo }))
    }

    async fn undo_state(
        &self,
        run_id: &str,
        changes: &crate::domain::seed::RowChanges,
        undone_by: Option<String>,
    ) -> Result<UndoState, Failure> {
        let run = self.store().run(run_id).await?;
        let impossible = |why: &str| Ok(UndoState::Impossible { why: why.to_owned() });
        if run.kind == RunKind::DryRun {
            return impossible("A dry run changes nothing.");
        }
        if run.status != crate::domain::run::RunStatus::Succeeded
            && !run.steps.iter().any(|step| {
                matches!(step.verb.as_str(), "Seed" | "Undo")
                    && step.status == crate::domain::run::StepStatus::Done
            })
        {
            return impossible("Its rows are not in.");
        }
        if let Some(by) = undone_by {
            return Ok(UndoState::Undone { number: self.store().run(&by).await?.number });
        }
        if changes.tables.iter().all(|table| table.inserted + table.updated + table.deleted == 0) {
            return impossible("It changed no row.");
        }
        if !changes::path(self.store().folder(), run_id).exists() {
            return impossible("Its before-images are not kept any more.");
        }
        Ok(UndoState::Possible)
    }

    /// Some of a table's changed rows.
    ///
    /// # Errors
    /// [`FailureCode::JournalUnavailable`] where the rows are not kept.
    pub async fn row_changes(&self, query: &RowQuery) -> Result<RowPage, Failure> {
        let Some((stored, _)) = self.store().changes(&query.run_id).await? else { return Err(not_kept()) };
        let masks = self.store().run(&query.run_id).await?.kind == RunKind::DryRun;
        let table = stored.changes.tables.get(query.table as usize).cloned().ok_or_else(not_kept)?;
        let mut shown = self.inner.shown_rows.lock().await;
        let same = |known: &RowQuery| {
            known.run_id == query.run_id
                && known.table == query.table
                && known.kinds == query.kinds
                && known.search == query.search
                && known.sort == query.sort
                && known.descending == query.descending
        };
        if !shown.as_ref().is_some_and(|shown| same(&shown.query)) {
            let key = self.change_key().await?;
            let path = changes::path(self.store().folder(), &query.run_id);
            let (query, table) = (query.clone(), table.clone());
            let found = tokio::task::spawn_blocking(move || {
                let mut reader = ChangeReader::open(&path, &key)?;
                let numbers = numbers(&mut reader, &query, &table, masks)?;
                Ok::<_, Failure>(ShownRows { query, numbers, reader })
            });
            *shown = Some(found.await.map_err(|_| not_kept())??);
        }
        let Some(shown) = shown.as_mut() else { return Err(not_kept()) };
        let wanted: Vec<u32> = shown
            .numbers
            .iter()
            .skip(query.offset as usize)
            .take(query.limit.min(MOST_ROWS) as usize)
            .copied()
            .collect();
        let total = u32::try_from(shown.numbers.len()).unwrap_or(u32::MAX);
        let rows = wanted
            .into_iter()
            .map(|number| {
                let row = shown.reader.row(query.table as usize, number)?;
                Ok(view(number, &row, &table, masks))
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        Ok(RowPage { total, rows })
    }

    /// Writes all changed rows of a run to a file in the downloads folder; answers its path. Sensitive
    /// values are masked there, too.
    ///
    /// # Errors
    /// [`FailureCode::JournalUnavailable`], [`FailureCode::FileSystem`].
    pub async fn export_rows(&self, run_id: &str, format: ExportFormat) -> Result<String, Failure> {
        let ending = match format {
            ExportFormat::Csv => "csv",
            ExportFormat::Json => "json",
            ExportFormat::Html => "html",
        };
        let number = self.store().run(run_id).await?.number;
        let path = downloads().join(format!("drydock-run-{number}-rows.{ending}"));
        self.export_rows_to(run_id, format, &path).await?;
        Ok(path.display().to_string())
    }

    /// Writes all changed rows of a run to a file; sensitive values are masked.
    ///
    /// # Errors
    /// As [`Self::export_rows`].
    pub async fn export_rows_to(
        &self,
        run_id: &str,
        format: ExportFormat,
        wanted: &Path,
    ) -> Result<(), Failure> {
        let Some((stored, _)) = self.store().changes(run_id).await? else { return Err(not_kept()) };
        let run = self.store().run(run_id).await?;
        let key = self.change_key().await?;
        let path = changes::path(self.store().folder(), run_id);
        let wanted = wanted.to_owned();
        let title = format!("Run {} on {}: {}", run.number, run.environment_name, run.title);
        let masks = run.kind == RunKind::DryRun;
        let work = move || {
            let mut reader = ChangeReader::open(&path, &key)?;
            let failed = |error: std::io::Error| {
                Failure::new(FailureCode::FileSystem, format!("{} could not be written.", wanted.display()))
                    .why(error.to_string())
                    .unchanged("Nothing was changed.")
                    .next("Make room there, then export again.")
            };
            let folder = wanted.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder).map_err(failed)?;
            let file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
            let mut out = BufWriter::new(file);
            crate::engine::exports::write(
                &mut out,
                format,
                &title,
                &stored.changes.tables,
                masks,
                |table, found| reader.each(table, found),
            )
            .map_err(|error| match error {
                crate::engine::exports::Unwritten::File(error) => failed(error),
                crate::engine::exports::Unwritten::Rows(failure) => failure,
            })?;
            out.flush().map_err(failed)?;
            let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
            file.persist(&wanted).map_err(|error| failed(error.error))?;
            Ok(())
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| not_kept())?
    }
}

fn not_kept() -> Failure {
    Failure::new(FailureCode::JournalUnavailable, "The rows of this run are not kept.")
        .unchanged("Nothing was changed.")
        .next("Make a dry run again; it keeps what it shows.")
}

/// The rows that fit a query, in its order.
fn numbers(
    reader: &mut ChangeReader,
    query: &RowQuery,
    table: &TableChanges,
    masks: bool,
) -> Result<Vec<u32>, Failure> {
    let at = query.table as usize;
    let wanted = |kind: Option<RowKind>| {
        query.kinds.is_empty() || kind.is_some_and(|kind| query.kinds.contains(&kind))
    };
    let all = u32::try_from(reader.kinds(at).len()).unwrap_or(u32::MAX);
    let needle = query.search.trim().to_lowercase();
    if needle.is_empty() && query.sort.is_none() {
        return Ok((0..all).filter(|number| wanted(reader.kind(at, *number))).collect());
    }
    let mut found: Vec<(Option<SortKey>, u32)> = Vec::new();
    reader.each(at, |number, row| {
        if !wanted(Some(row.kind)) {
            return Ok(());
        }
        let shown = |column: usize| {
            !table.columns.get(column).is_some_and(|column| {
                column.sensitive || (masks && column.server_filled && row.kind == RowKind::Inserted)
            })
        };
        let fits = needle.is_empty()
            || [&row.before, &row.after].into_iter().flatten().any(|cells| {
                cells.iter().enumerate().any(|(column, cell)| {
                    shown(column) && cell.as_ref().is_some_and(|text| text.to_lowercase().contains(&needle))
                })
            });
        if fits {
            let key = query.sort.filter(|column| shown(*column as usize)).and_then(|column| {
                let cells = row.after.as_ref().or(row.before.as_ref())?;
                cells.get(column as usize)?.as_deref().map(SortKey::new)
            });
            found.push((key, number));
        }
        Ok(())
    })?;
    if query.sort.is_some() {
        found.sort_by(|left, right| {
            let order = left.0.cmp(&right.0);
            (if query.descending { order.reverse() } else { order }).then(left.1.cmp(&right.1))
        });
    }
    Ok(found.into_iter().map(|(_, number)| number).collect())
}

/// Sorts numbers as numbers and texts as texts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SortKey {
    Number(String),
    Text(String),
}

impl SortKey {
    fn new(text: &str) -> Self {
        if crate::planner::seed::answers::is_number(text) {
            Self::Number(text.to_owned())
        } else {
            // Enough to sort by, and bounded for a million rows.
            Self::Text(text.chars().take(40).flat_map(char::to_lowercase).collect())
        }
    }
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => crate::planner::seed::answers::compare(left, right),
            (Self::Number(_), Self::Text(_)) => std::cmp::Ordering::Less,
            (Self::Text(_), Self::Number(_)) => std::cmp::Ordering::Greater,
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
        }
    }
}

/// A row as the screen gets it. `masks`: it is a dry run's, so what the server fills in is not yet decided.
pub(in crate::engine) fn view(number: u32, row: &FileRow, table: &TableChanges, masks: bool) -> RowChange {
    let cells = |cells: &Vec<Option<String>>, after: bool| {
        cells
            .iter()
            .enumerate()
            .map(|(at, cell)| {
                let column = table.columns.get(at);
                let later = masks && after && row.kind == RowKind::Inserted;
                if later && column.is_some_and(|column| column.server_filled) {
                    return CellView::OnApply;
                }
                cell_view(cell.as_deref(), column.is_some_and(|column| column.sensitive))
            })
            .collect()
    };
    let changed = match (&row.before, &row.after) {
        (Some(before), Some(after)) => (0_u32..)
            .zip(before.iter().zip(after))
            .filter(|(_, (before, after))| before != after)
            .map(|(at, _)| at)
            .collect(),
        _ => Vec::new(),
    };
    RowChange {
        number,
        kind: row.kind,
        before: row.before.as_ref().map(|before| cells(before, false)),
        after: row.after.as_ref().map(|after| cells(after, true)),
        changed,
    }
}

/// A value as the screen gets it.
pub(in crate::engine) fn cell_view(cell: Option<&str>, sensitive: bool) -> CellView {
    match cell {
        None => CellView::Null,
        Some(_) if sensitive => CellView::Masked,
        Some(text) => {
            let mut characters = text.chars();
            let beginning: String = characters.by_ref().take(SHOWN).collect();
            let rest = characters.count();
            let of = (rest > 0).then(|| u32::try_from(SHOWN + rest).unwrap_or(u32::MAX));
            CellView::Text { text: beginning, of }
        }
    }
}
