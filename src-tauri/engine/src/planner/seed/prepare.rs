//! Fits the blocks of a profile to the tables that are there: which columns each row writes, what has to be
//! staged for them, and what cannot work, by file and line.

use super::Answers;
use crate::domain::profile::{
    Cell, Form, GivenRow, Mode, Place, ProfileProblem, ReferenceBy, Rows, TableBlock, WrittenOn,
};
use crate::domain::staging::{Like, Shape, ShapeColumn, Source, StageColumn, Staging};
use crate::domain::tables::{ColumnFacts, TableFacts};
use crate::planner::sql;
use std::collections::HashMap;

/// Most different sets of columns that the rows of one block may give.
const MOST_SHAPES: usize = 64;

/// Tables by schema and name.
pub type Tables = HashMap<(String, String), TableFacts>;

/// The tables that a profile writes or refers to.
pub fn tables_named(blocks: &[TableBlock], schema: &str) -> Vec<(String, String)> {
    let mut names = Vec::new();
    let mut add = |named: &Option<String>, table: &str| {
        let name = (named.clone().unwrap_or_else(|| schema.to_owned()), table.to_owned());
        if !names.contains(&name) {
            names.push(name);
        }
    };
    for block in blocks {
        add(&block.schema, &block.table);
        for form in forms(block) {
            if let Form::Reference(reference) = form {
                add(&reference.schema, &reference.table);
            }
        }
    }
    names
}

fn forms(block: &TableBlock) -> impl Iterator<Item = &Form> {
    let rows: &[GivenRow] = match &block.rows {
        Rows::Given(rows) => rows,
        Rows::Repeat { .. } => &[],
    };
    block
        .columns
        .iter()
        .map(|named| &named.cell.form)
        .chain(rows.iter().flat_map(|row| row.cells.iter().map(|(_, cell)| &cell.form)))
}

/// Rows of a block.
pub fn row_count(block: &TableBlock, scale: u32) -> u64 {
    match &block.rows {
        Rows::Given(rows) => rows.len() as u64,
        Rows::Repeat { count, scaled: true } => u64::from(*count) * u64::from(scale),
        Rows::Repeat { count, scaled: false } => u64::from(*count),
    }
}

/// Fits every block to its table. `others`: names of tables that are there, to be suggested.
///
/// # Errors
/// Everything that cannot work, in the order of the profile.
pub fn prepare(
    blocks: &[TableBlock],
    tables: &Tables,
    schema: &str,
    others: &[String],
    answers: &Answers,
) -> Result<Vec<Staging>, Vec<ProfileProblem>> {
    let mut prepared = Vec::new();
    let mut problems = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let fitting = Fitting { blocks, tables, schema, others, answers, block, problems: Vec::new() };
        match fitting.fit(index) {
            Ok(block) => prepared.push(block),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(prepared) } else { Err(problems) }
}

struct Fitting<'a> {
    blocks: &'a [TableBlock],
    tables: &'a Tables,
    schema: &'a str,
    others: &'a [String],
    answers: &'a Answers,
    block: &'a TableBlock,
    problems: Vec<ProfileProblem>,
}

impl<'a> Fitting<'a> {
    fn problem(&mut self, at: &Place, what: impl Into<String>, next: impl Into<String>) {
        let problem = ProfileProblem { at: at.clone(), what: what.into(), next: next.into() };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn fit(mut self, index: usize) -> Result<Staging, Vec<ProfileProblem>> {
        let block = self.block;
        let name = (block.schema.clone().unwrap_or_else(|| self.schema.to_owned()), block.table.clone());
        let Some(table) = self.tables.get(&name) else {
            let near = nearest(&name.1, self.others.iter().map(String::as_str));
            self.problem(
                &block.at,
                format!("The table `{}` does not exist in the schema `{}`.", name.1, name.0),
                match near {
                    Some(near) => format!("Is `{near}` meant? Otherwise apply the migration that makes it."),
                    None => "Apply the migration that makes it, or correct the name.".to_owned(),
                },
            );
            return Err(self.problems);
        };
        self.usable(table);
        for column in block.key.iter().chain(&block.sensitive) {
            self.column(table, column, &block.at);
        }
        let mut prepared = Staging {
            block: index,
            at: block.at.clone(),
            table: table.clone(),
            key: block.key.clone(),
            mode: block.mode,
            stage: Vec::new(),
            shapes: Vec::new(),
            rows: row_count(block, self.answers.scale),
            late: Vec::new(),
            sensitive: block.sensitive.clone(),
        };
        match &block.rows {
            Rows::Given(rows) => {
                for row in rows {
                    self.shape_of(&mut prepared, Some(row));
                    if prepared.shapes.len() > MOST_SHAPES {
                        self.problem(
                            &row.at,
                            format!(
                                "The rows of `{}` give more than {MOST_SHAPES} different sets of columns.",
                                block.table
                            ),
                            "Give the same columns in every row; an empty one can be `{ default = true }`.",
                        );
                        break;
                    }
                }
            }
            Rows::Repeat { .. } => {
                self.shape_of(&mut prepared, None);
            }
        }
        for (name, cell) in self.cells(None) {
            if matches!(&cell.form, Form::Input(input) if self.answers.is_password(input))
                && !prepared.sensitive.contains(name)
            {
                prepared.sensitive.push(name.clone());
            }
        }
        if let Rows::Given(rows) = &block.rows {
            for (name, cell) in rows.iter().flat_map(|row| &row.cells) {
                if matches!(&cell.form, Form::Input(input) if self.answers.is_password(input))
                    && !prepared.sensitive.contains(name)
                {
                    prepared.sensitive.push(name.clone());
                }
            }
        }
        if self.problems.is_empty() { Ok(prepared) } else { Err(self.problems) }
    }

    fn usable(&mut self, table: &TableFacts) {
        let block = self.block;
        let name = table.qualified();
        if !matches!(table.kind.as_str(), "r" | "p") {
            self.problem(
                &block.at,
                format!("`{name}` is not a table."),
                "Name the table that holds the rows.",
            );
        }
        if table.hidden_rows {
            self.problem(
                &block.at,
                format!("Row security hides rows of `{name}` from the user that is logged in, so changes could not be compared."),
                "Use a user that owns the table or has BYPASSRLS.",
            );
        }
        let changes = !matches!(block.mode, Mode::InsertMissing | Mode::TopUp { .. });
        let missing: Vec<&str> = [
            (!table.may_select, "SELECT"),
            (!table.may_insert, "INSERT"),
            (changes && !table.may_update, "UPDATE"),
            (block.mode == Mode::Replace && !table.may_delete, "DELETE"),
        ]
        .into_iter()
        .filter_map(|(lacks, right)| lacks.then_some(right))
        .collect();
        if !missing.is_empty() {
            self.problem(
                &block.at,
                format!("The user that is logged in has no {} right on `{name}`.", missing.join(", ")),
                "Have the right granted, or use the table's owner.",
            );
        }
    }

    fn column<'t>(&mut self, table: &'t TableFacts, name: &str, at: &Place) -> Option<&'t ColumnFacts> {
        let found = table.column(name);
        if found.is_none() {
            let near = nearest(name, table.columns.iter().map(|column| column.name.as_str()));
            self.problem(
                at,
                format!("`{}` has no column `{name}`.", table.qualified()),
                match near {
                    Some(near) => format!("Is `{near}` meant? Otherwise apply the migration that adds it."),
                    None => "Apply the migration that adds it, or name a column that is there.".to_owned(),
                },
            );
        }
        found
    }

    /// The cells of a row: its own, and those of the block that it does not give itself.
    fn cells(&self, row: Option<&'a GivenRow>) -> Vec<(&'a String, &'a Cell)> {
        let own = row.map(|row| row.cells.as_slice()).unwrap_or_default();
        let block = self.block;
        own.iter()
            .map(|(name, cell)| (name, cell))
            .chain(
                block
                    .columns
                    .iter()
                    .filter(|named| !own.iter().any(|(name, _)| *name == named.name))
                    .map(|named| (&named.name, &named.cell)),
            )
            .collect()
    }

    fn shape_of(&mut self, prepared: &mut Staging, row: Option<&'a GivenRow>) {
        let block = self.block;
        let at = row.map_or(&block.at, |row| &row.at);
        let cells = self.cells(row);
        let mut columns = Vec::new();
        for (name, cell) in cells.iter().filter(|(name, _)| !block.fields.contains(name)) {
            let Some(column) = self.column(&prepared.table.clone(), name, at).cloned() else { continue };
            if matches!(cell.form, Form::Default) {
                continue;
            }
            if column.generated {
                self.problem(
                    at,
                    format!("`{name}` is always computed by the database."),
                    "Leave the column out.",
                );
                continue;
            }
            let Some(source) = self.source(prepared, &cells, name, cell, at) else { continue };
            let on =
                if matches!(source, Source::Sequence(_)) { WrittenOn::Insert } else { cell.written_on() };
            columns.push(ShapeColumn { column: (*name).clone(), source, on });
        }
        for key in &block.key {
            match columns.iter().find(|column| column.column == *key) {
                Some(ShapeColumn { source: Source::Sequence(_), .. }) => self.problem(
                    at,
                    format!(
                        "The key column `{key}` is filled by a sequence, so the row could not be found again."
                    ),
                    "Choose a key that the profile knows.",
                ),
                Some(_) => {}
                None => self.problem(
                    at,
                    format!("The row does not give the key column `{key}`."),
                    "Give it in the row or under `columns`.",
                ),
            }
        }
        for column in &prepared.table.columns {
            let given = columns.iter().any(|given| given.column == column.name);
            if column.not_null && !column.has_default && !column.generated && !given {
                let (what, next) = (
                    format!(
                        "`{}.{}` may not be NULL, and neither the row nor the server fills it.",
                        prepared.table.name, column.name
                    ),
                    "Give it in the row or under `columns`.",
                );
                self.problems.push(ProfileProblem { at: at.clone(), what, next: next.to_owned() });
            }
        }
        columns.sort_by(|left, right| left.column.cmp(&right.column));
        let shape = Shape { columns };
        if !prepared.shapes.contains(&shape) {
            prepared.shapes.push(shape);
        }
    }

    fn source(
        &mut self,
        prepared: &mut Staging,
        cells: &[(&'a String, &'a Cell)],
        name: &str,
        cell: &'a Cell,
        at: &Place,
    ) -> Option<Source> {
        let mut stage = |column: StageColumn| match prepared.stage.iter().position(|known| *known == column) {
            Some(position) => position,
            None => {
                prepared.stage.push(column);
                prepared.stage.len() - 1
            }
        };
        match &cell.form {
            Form::Sequence(sequence) => Some(Source::Sequence(sequence.clone())),
            Form::Sql(expression) if !sql::is_expression(expression) => {
                self.problem(
                    at,
                    format!("The expression of `{name}` is not one expression."),
                    "Close every bracket and quote in it, and leave semicolons out.",
                );
                None
            }
            Form::Sql(expression) => {
                let fields = cells
                    .iter()
                    .filter(|(field, cell)| *field != name && is_value(&cell.form))
                    .map(|(field, _)| {
                        ((*field).clone(), stage(StageColumn { name: (*field).clone(), like: Like::Text }))
                    })
                    .collect();
                Some(Source::Sql { expression: expression.clone(), fields })
            }
            Form::Reference(reference) => {
                let place = (
                    reference.schema.clone().unwrap_or_else(|| self.schema.to_owned()),
                    reference.table.clone(),
                );
                let keys: Vec<String> = match &reference.by {
                    ReferenceBy::Key(keys) => keys.iter().map(|(column, _)| column.clone()).collect(),
                    ReferenceBy::Row(_) => self
                        .blocks
                        .iter()
                        .find(|block| same_table(block, &place, self.schema))
                        .map(|block| block.key.clone())
                        .unwrap_or_default(),
                };
                let Some(other) = self.tables.get(&place).cloned() else {
                    self.problem(
                        at,
                        format!("The table `{}` that `{name}` refers to does not exist.", place.1),
                        "Apply the migration that makes it, or correct the name.",
                    );
                    return None;
                };
                let mut whole = self.column(&other, &reference.take, at).is_some();
                for key in &keys {
                    whole &= self.column(&other, key, at).is_some();
                }
                if !whole {
                    return None;
                }
                let by = keys
                    .iter()
                    .map(|key| {
                        let like = Like::Other {
                            schema: place.0.clone(),
                            table: place.1.clone(),
                            column: key.clone(),
                        };
                        (key.clone(), stage(StageColumn { name: name.to_owned(), like }))
                    })
                    .collect();
                Some(Source::Reference {
                    unique: other.is_unique(&keys),
                    schema: place.0,
                    table: place.1,
                    take: reference.take.clone(),
                    by,
                })
            }
            _ => Some(Source::Staged(stage(StageColumn {
                name: name.to_owned(),
                like: Like::Own(name.to_owned()),
            }))),
        }
    }
}

/// Whether Drydock itself knows the value, without asking the server.
pub fn is_value(form: &Form) -> bool {
    !matches!(form, Form::Default | Form::Sequence(_) | Form::Sql(_) | Form::Reference(_))
}

/// Whether a block is about a table.
pub fn same_table(block: &TableBlock, place: &(String, String), schema: &str) -> bool {
    block.table == place.1 && block.schema.as_deref().unwrap_or(schema) == place.0
}

/// The most alike name, if it is alike enough to be meant.
pub fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(likeness, candidate)| *likeness > 0.84 && *candidate != name)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}
