//! Row changes on their way from the server to the file that keeps them: counted, and summed up so that two
//! captures can be compared.

use crate::adapters::changes::{ChangeWriter, FileTable, WriterMark};
use crate::domain::Failure;
use crate::domain::seed::{ChangedColumn, RowKind, TableChanges, WholeTable};
use crate::domain::tables::TableFacts;
use crate::planner::seed::policy::sounds_secret;
use sha2::{Digest, Sha256};

/// A row as the server writes its values.
pub type Row = Vec<Option<String>>;

/// Collects the changes of one table.
pub struct Collector<'w> {
    writer: &'w mut ChangeWriter,
    compared: Positions,
    /// What was found.
    pub changes: TableChanges,
    sum: u128,
}

/// A place among the changes of a table.
pub struct Mark {
    writer: WriterMark,
    changes: TableChanges,
    sum: u128,
}

/// In what two captures of a table must agree, beside what happened to each row.
#[derive(Debug, Clone, Copy)]
pub enum Agree<'a> {
    /// In these columns, before and after.
    Columns(&'a [&'a str]),
    /// In every column before; what comes after may differ each time.
    Before,
    /// In which rows they are.
    Rows,
}

/// Positions of compared columns.
#[derive(Debug, Default)]
struct Positions {
    before: Vec<usize>,
    after: Vec<usize>,
}

impl Positions {
    fn new(table: &TableFacts, agree: Agree<'_>) -> Self {
        let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<usize> {
            let named = |(at, name): (usize, &str)| wanted(name).then_some(at);
            table.columns.iter().map(|column| column.name.as_str()).enumerate().filter_map(named).collect()
        };
        match agree {
            Agree::Columns(names) => {
                let columns = of(&|name| names.contains(&name));
                Self { before: columns.clone(), after: columns }
            }
            Agree::Before => Self { before: of(&|_| true), after: Vec::new() },
            Agree::Rows => {
                let key = table.identity().unwrap_or_default();
                Self { before: of(&|name| key.iter().any(|key| key == name)), after: Vec::new() }
            }
        }
    }
}

/// What a capture found in a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Captured {
    /// The changes.
    pub changes: TableChanges,
    /// Sum over the compared columns of all changed rows.
    pub sum: String,
}

impl<'w> Collector<'w> {
    /// Begins a table in the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(
        writer: &'w mut ChangeWriter,
        table: &TableFacts,
        agree: Agree<'_>,
        sensitive: &[String],
        server_filled: &[String],
        named: bool,
    ) -> Result<Self, Failure> {
        writer.begin(FileTable {
            schema: table.schema.clone(),
            name: table.name.clone(),
            columns: table
                .columns
                .iter()
                .map(|column| (column.name.clone(), column.type_name.clone()))
                .collect(),
            key: table.identity().map(<[String]>::to_vec).unwrap_or_default(),
        })?;
        Ok(Self {
            writer,
            compared: Positions::new(table, agree),
            changes: empty(table, sensitive, server_filled, named),
            sum: 0,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn row(&mut self, kind: RowKind, before: Option<&Row>, after: Option<&Row>) -> Result<(), Failure> {
        let count = match kind {
            RowKind::Inserted => &mut self.changes.inserted,
            RowKind::Updated => &mut self.changes.updated,
            RowKind::Deleted => &mut self.changes.deleted,
            RowKind::Rewritten => &mut self.changes.rewritten,
            RowKind::Unchanged => self.changes.unchanged.get_or_insert(0),
        };
        *count += 1;
        if kind != RowKind::Unchanged {
            self.sum = self.sum.wrapping_add(digest(kind, before, after, &self.compared));
        }
        self.writer.row(kind, before.map(Vec::as_slice), after.map(Vec::as_slice))
    }

    /// Marks this place, to come back to it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn mark(&mut self) -> Result<Mark, Failure> {
        Ok(Mark { writer: self.writer.mark()?, changes: self.changes.clone(), sum: self.sum })
    }

    /// Forgets the rows since a mark.
    pub fn back_to(&mut self, mark: &Mark) {
        self.writer.back_to(&mark.writer);
        self.changes.clone_from(&mark.changes);
        self.sum = mark.sum;
    }

    /// Ends the table.
    pub fn end(self) -> Captured {
        Captured { changes: self.changes, sum: format!("{:032x}", self.sum) }
    }

    /// Takes the table out of the file again.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn discard(self) -> Result<(), Failure> {
        self.writer.drop_table()
    }
}

/// A table in which nothing has been found yet.
pub fn empty(
    table: &TableFacts,
    sensitive: &[String],
    server_filled: &[String],
    named: bool,
) -> TableChanges {
    TableChanges {
        table: table.qualified(),
        columns: table
            .columns
            .iter()
            .map(|column| ChangedColumn {
                name: column.name.clone(),
                type_name: column.type_name.clone(),
                sensitive: sensitive.contains(&column.name) || sounds_secret(&column.name),
                server_filled: server_filled.contains(&column.name),
            })
            .collect(),
        key: table.identity().map(<[String]>::to_vec).unwrap_or_default(),
        inserted: 0,
        updated: 0,
        deleted: 0,
        rewritten: 0,
        unchanged: named.then_some(0),
        whole: None::<WholeTable>,
        named,
        unknown: None,
    }
}

fn digest(kind: RowKind, before: Option<&Row>, after: Option<&Row>, compared: &Positions) -> u128 {
    let mut hash = Sha256::new();
    hash.update([kind as u8]);
    for (row, positions) in [(before, &compared.before), (after, &compared.after)] {
        match row {
            None => hash.update([0]),
            Some(row) => {
                hash.update([1]);
                for at in positions {
                    match row.get(*at).and_then(Option::as_deref) {
                        None => hash.update([0]),
                        Some(text) => {
                            hash.update([1]);
                            hash.update((text.len() as u64).to_be_bytes());
                            hash.update(text);
                        }
                    }
                }
            }
        }
    }
    hash.finalize().iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}
