//! The values of a row, as texts that the server reads. No number passes through a float on its way.

use super::Answers;
use super::draw::Draw;
use super::prepare::{is_value, same_table};
use crate::domain::profile::{
    Cell, Filter, Form, GivenRow, HashAlgorithm, Place, ReferenceBy, Rows, Spread, TableBlock, Template,
    TemplatePart,
};
use crate::domain::staging::{Shape, Source, Staging};
use crate::domain::tables::ColumnFacts;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512};
use std::collections::HashMap;

/// How deep fields may lead to fields.
const DEEPEST: u8 = 16;

/// Makes the rows of a profile's blocks, any of them at any time.
pub struct RowMaker<'a> {
    blocks: &'a [TableBlock],
    all: &'a [Staging],
    schema: &'a str,
    answers: &'a Answers,
    /// Sources of randomness of each block by column: of the plan, and of the profile.
    draws: Vec<HashMap<String, (Draw, Draw)>>,
}

/// A row as it is staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedRow {
    /// Which set of columns it writes.
    pub shape: usize,
    /// A value a staged column.
    pub cells: Vec<Option<String>>,
}

/// A row that cannot be made, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unmade(String);

impl<'a> RowMaker<'a> {
    /// The rows of `blocks`, which fit their tables as `all` says, in any order.
    pub fn new(blocks: &'a [TableBlock], all: &'a [Staging], schema: &'a str, answers: &'a Answers) -> Self {
        let draws = all.iter().map(|staging| draws(&blocks[staging.block], staging.block, answers)).collect();
        Self { blocks, all, schema, answers, draws }
    }

    /// The rows of the block at this position of `all`.
    pub fn rows(&self, position: usize) -> BlockRows<'_> {
        BlockRows {
            maker: self,
            position,
            staging: &self.all[position],
            block: &self.blocks[self.all[position].block],
        }
    }
}

/// The rows of one block.
#[derive(Clone, Copy)]
pub struct BlockRows<'a> {
    maker: &'a RowMaker<'a>,
    position: usize,
    staging: &'a Staging,
    block: &'a TableBlock,
}

impl<'a> BlockRows<'a> {
    fn given(&self, row: u64) -> Option<&'a GivenRow> {
        match &self.block.rows {
            Rows::Given(rows) => usize::try_from(row).ok().and_then(|row| rows.get(row)),
            Rows::Repeat { .. } => None,
        }
    }

    /// Where a row stands in the profile; made ones stand where their block does.
    pub fn place(&self, row: u64) -> &'a Place {
        self.given(row).map_or(&self.block.at, |given| &given.at)
    }

    fn cell(&self, row: u64, name: &str) -> Option<&'a Cell> {
        let own = self.given(row).and_then(|given| given.cells.iter().find(|(own, _)| own == name));
        match own {
            Some((_, cell)) => Some(cell),
            None => self.block.columns.iter().find(|named| named.name == name).map(|named| &named.cell),
        }
    }

    /// Whether the row gives a column; a default of the server is not given.
    fn gives(&self, row: u64, name: &str) -> bool {
        self.cell(row, name).is_some_and(|cell| cell.form != Form::Default)
    }

    /// The natural key of a row, where Drydock itself knows all of it.
    pub fn key(&self, row: u64) -> Option<Vec<Option<String>>> {
        let known = |name: &String| {
            let form = self.cell(row, name).map(|cell| &cell.form);
            form.is_some_and(is_value)
                .then(|| self.value(row, name, self.staging.table.column(name), 0).ok())
                .flatten()
        };
        self.staging.key.iter().map(known).collect()
    }

    /// The row with this 0-based number.
    ///
    /// # Errors
    /// When fields lead to each other in a circle.
    pub fn row(&self, row: u64) -> Result<StagedRow, Unmade> {
        let shape = self
            .shape(row)
            .ok_or_else(|| Unmade("The row gives columns that were not planned for.".to_owned()))?;
        let mut cells = vec![None; self.staging.stage.len()];
        for column in &self.staging.shapes[shape].columns {
            match &column.source {
                Source::Staged(at) => {
                    let facts = self.staging.table.column(&column.column);
                    cells[*at] = self.value(row, &column.column, facts, 0)?;
                }
                Source::Sequence(_) => {}
                Source::Sql { fields, .. } => {
                    for (name, at) in fields {
                        cells[*at] = self.value(row, name, None, 0)?;
                    }
                }
                Source::Reference { by, .. } => {
                    let Some(Cell { form: Form::Reference(reference), .. }) = self.cell(row, &column.column)
                    else {
                        continue;
                    };
                    let keys = match &reference.by {
                        ReferenceBy::Key(keys) => keys
                            .iter()
                            .map(|(_, form)| self.form(row, &column.column, form, None, 0))
                            .collect::<Result<Vec<_>, _>>()?,
                        ReferenceBy::Row(spread) => self.spread(row, &column.column, reference, *spread)?,
                    };
                    for ((_, at), value) in by.iter().zip(keys) {
                        cells[*at] = value;
                    }
                }
            }
        }
        Ok(StagedRow { shape, cells })
    }

    fn shape(&self, row: u64) -> Option<usize> {
        let shapes = &self.staging.shapes;
        if shapes.len() == 1 {
            return Some(0);
        }
        let fits = |shape: &Shape| {
            let same_source = shape.columns.iter().all(|column| {
                self.cell(row, &column.column).is_some_and(|cell| {
                    (column.on == cell.written_on() || matches!(column.source, Source::Sequence(_)))
                        && match (&column.source, &cell.form) {
                            (
                                Source::Reference { schema, table, take, by, .. },
                                Form::Reference(reference),
                            ) => {
                                *schema == reference.schema.as_deref().unwrap_or(self.maker.schema)
                                    && *table == reference.table
                                    && *take == reference.take
                                    && match &reference.by {
                                        ReferenceBy::Key(keys) => {
                                            keys.iter().map(|(key, _)| key).eq(by.iter().map(|(key, _)| key))
                                        }
                                        ReferenceBy::Row(_) => true,
                                    }
                            }
                            (Source::Sequence(known), Form::Sequence(own)) => known == own,
                            (Source::Sql { expression, .. }, Form::Sql(own)) => expression == own,
                            (Source::Staged(_), form) => is_value(form),
                            _ => false,
                        }
                })
            });
            let given = self
                .staging
                .table
                .columns
                .iter()
                .filter(|column| !self.block.fields.contains(&column.name) && self.gives(row, &column.name))
                .count();
            same_source && given == shape.columns.len()
        };
        shapes.iter().position(fits)
    }

    /// The keys of the row of another block that this row refers to.
    fn spread(
        &self,
        row: u64,
        column: &str,
        reference: &crate::domain::profile::Reference,
        spread: Spread,
    ) -> Result<Vec<Option<String>>, Unmade> {
        let place = (
            reference.schema.clone().unwrap_or_else(|| self.maker.schema.to_owned()),
            reference.table.clone(),
        );
        let maker = self.maker;
        let other = maker
            .all
            .iter()
            .position(|other| same_table(&maker.blocks[other.block], &place, maker.schema))
            .map(|position| maker.rows(position));
        let Some(other) = other else {
            return Err(Unmade(format!("No block of the profile writes `{}`.", place.1)));
        };
        let (keys, rows) = (&other.staging.key, other.staging.rows);
        if rows == 0 {
            return Ok(vec![None; keys.len()]);
        }
        let chosen = match spread {
            Spread::Cycle => row % rows,
            Spread::Spread => {
                let share = u128::from(row) * u128::from(rows) / u128::from(self.staging.rows.max(1));
                u64::try_from(share).unwrap_or(0)
            }
            Spread::Random => match self.draw(column) {
                Some((_, fixed)) => fixed.below(row, rows),
                None => 0,
            },
        };
        keys.iter().map(|key| other.value(chosen, key, other.staging.table.column(key), 0)).collect()
    }

    fn draw(&self, name: &str) -> Option<&'a (Draw, Draw)> {
        self.maker.draws[self.position].get(name)
    }

    /// The value of a column or field.
    fn value(
        &self,
        row: u64,
        name: &str,
        facts: Option<&ColumnFacts>,
        depth: u8,
    ) -> Result<Option<String>, Unmade> {
        match self.cell(row, name) {
            Some(cell) => self.form(row, name, &cell.form, facts, depth),
            None => Ok(None),
        }
    }

    fn form(
        &self,
        row: u64,
        name: &str,
        form: &Form,
        facts: Option<&ColumnFacts>,
        depth: u8,
    ) -> Result<Option<String>, Unmade> {
        if depth > DEEPEST {
            return Err(Unmade(format!("`{name}` leads back to itself.")));
        }
        let draws = self.draw(name);
        Ok(match form {
            Form::Null | Form::Default | Form::Sequence(_) | Form::Sql(_) | Form::Reference(_) => None,
            Form::Text(text) => Some(text.clone()),
            Form::Number(text) | Form::Json(text) => Some(text.clone()),
            Form::Boolean(value) => Some(value.to_string()),
            Form::List(items) => Some(match facts {
                Some(facts) if facts.is_array() => array(items),
                _ => json(form),
            }),
            Form::Input(input) => self.maker.answers.value(input, self.staging.block, row),
            Form::Field(field) => self.value(row, field, facts, depth + 1)?,
            Form::Template(template) => Some(self.template(row, name, template, depth)?),
            Form::Generate(generator) => {
                draws.map(|(planned, _)| planned.generate(*generator, row, self.maker.answers.now))
            }
            Form::Counter { start, step } => {
                Some((i128::from(*start) + i128::from(*step) * i128::from(row)).to_string())
            }
            Form::Hash { algorithm, of } => {
                let text = self.template(row, name, of, depth)?;
                Some(match algorithm {
                    HashAlgorithm::Sha256 => crate::domain::migration::hex(&Sha256::digest(text)),
                    HashAlgorithm::Sha512 => crate::domain::migration::hex(&Sha512::digest(text)),
                    HashAlgorithm::Md5 => crate::domain::migration::hex(&Md5::digest(text)),
                })
            }
            Form::Choose { of, weights } => {
                let Some((_, fixed)) = draws else { return Ok(None) };
                let chosen = choose(of, weights, |limit| fixed.below(row, limit));
                match chosen {
                    Some(form) => self.form(row, name, form, facts, depth + 1)?,
                    None => None,
                }
            }
            Form::Fake(fake) => draws.map(|(_, fixed)| fixed.fake(fake, row)),
        })
    }

    /// A name means the row's field, then the input, then `row`; in its own text a column's name is the input.
    fn template(&self, row: u64, own: &str, template: &Template, depth: u8) -> Result<String, Unmade> {
        let mut text = String::new();
        for part in &template.parts {
            match part {
                TemplatePart::Text(part) => text.push_str(part),
                TemplatePart::Gap { name, filters } => {
                    let value = if name != own && self.cell(row, name).is_some() {
                        self.value(row, name, None, depth + 1)?
                    } else if self.maker.answers.knows(name) {
                        self.maker.answers.value(name, self.staging.block, row)
                    } else {
                        (name == "row").then(|| (row + 1).to_string())
                    };
                    text.push_str(&filtered(value.unwrap_or_default(), filters));
                }
            }
        }
        Ok(text)
    }
}

/// The sources of randomness of a block's columns.
fn draws(block: &TableBlock, position: usize, answers: &Answers) -> HashMap<String, (Draw, Draw)> {
    let (position, table) = (position.to_string(), block.label());
    let given: &[GivenRow] = match &block.rows {
        Rows::Given(rows) => rows,
        Rows::Repeat { .. } => &[],
    };
    let cells = block
        .columns
        .iter()
        .map(|named| (&named.name, &named.cell))
        .chain(given.iter().flat_map(|row| row.cells.iter().map(|(name, cell)| (name, cell))));
    let mut draws = HashMap::new();
    for (name, _) in cells.filter(|(_, cell)| is_drawn(&cell.form)) {
        draws.entry(name.clone()).or_insert_with(|| {
            (
                Draw::new(&[&answers.draw, &position, &table, name]),
                Draw::new(&["seed profile", &position, &table, name]),
            )
        });
    }
    draws
}

fn is_drawn(form: &Form) -> bool {
    match form {
        Form::Generate(_) | Form::Choose { .. } | Form::Fake(_) => true,
        Form::Reference(reference) => reference.by == ReferenceBy::Row(Spread::Random),
        _ => false,
    }
}

fn choose<'f>(of: &'f [Form], weights: &[u32], below: impl Fn(u64) -> u64) -> Option<&'f Form> {
    if weights.len() != of.len() {
        return of.get(usize::try_from(below(of.len() as u64)).ok()?);
    }
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    let mut left = below(total.max(1));
    for (form, weight) in of.iter().zip(weights) {
        if left < u64::from(*weight) {
            return Some(form);
        }
        left -= u64::from(*weight);
    }
    of.last()
}

/// A text sent through filters, in order.
pub fn filtered(text: String, filters: &[Filter]) -> String {
    filters.iter().fold(text, |text, filter| match filter {
        Filter::Lower => text.to_lowercase(),
        Filter::Upper => text.to_uppercase(),
        Filter::Trim => text.trim().to_owned(),
        Filter::Slug => slug(&text),
        Filter::Pad(width) => format!("{text:0>width$}", width = usize::from(*width)),
    })
}

fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.to_lowercase().chars() {
        if character.is_alphanumeric() {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// A list as JSON; numbers digit for digit.
fn json(form: &Form) -> String {
    match form {
        Form::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(",")),
        Form::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Form::Number(text) | Form::Json(text) => text.clone(),
        Form::Boolean(value) => value.to_string(),
        _ => "null".to_owned(),
    }
}

/// A list as PostgreSQL writes arrays.
fn array(items: &[Form]) -> String {
    let item = |form: &Form| match form {
        Form::List(items) => array(items),
        Form::Text(text) | Form::Number(text) | Form::Json(text) => {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        }
        Form::Boolean(value) => value.to_string(),
        _ => "NULL".to_owned(),
    };
    format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(","))
}
