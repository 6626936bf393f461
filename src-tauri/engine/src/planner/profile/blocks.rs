//! `[[tables]]`: the rows of a table, what happens to them, and how their columns are filled.

use super::cells::{Uses, cell};
use super::document::{Reading, Section, Value};
use super::problems::quoted;
use super::references::{may_be_same, split_name, table_name};
use super::words::{MODES, ModeWord};
use super::{keys, names, natural_keys, rows};
use crate::domain::profile::{Mode, NamedCell, TableBlock, TableName};

/// A block, and what is needed to check it as a whole.
pub(super) struct Draft {
    /// The block.
    pub(super) block: TableBlock,
    /// What its columns use, one for each.
    pub(super) column_uses: Vec<Uses>,
    /// What its rows use, one for each row written in it.
    pub(super) row_uses: Vec<Uses>,
    /// Where each column of its key is named, byte of `profile.toml`.
    pub(super) key_at: Vec<usize>,
}

/// Looks ahead at the tables that have a block.
pub(super) fn tables(root: &Section) -> Vec<TableName> {
    let blocks = root.value("tables").and_then(|value| value.get_ref().as_array());
    let table = |block: &Value| split_name(block.get_ref().get("table")?.get_ref().as_str()?);
    blocks.into_iter().flat_map(|blocks| blocks.iter()).filter_map(table).collect()
}

/// The blocks in the order written.
pub(super) fn blocks(reading: &mut Reading, root: &Section) -> Option<Vec<TableBlock>> {
    let sections = root.sections(reading, "tables", "The block");
    if sections.is_empty() {
        if root.value("tables").is_some_and(|value| value.get_ref().as_array().is_some()) {
            reading.wrong(root.at_key("tables"), "`tables` is empty.", "Add a `[[tables]]` block.");
        }
        return None;
    }
    let mut blocks: Vec<TableBlock> = Vec::new();
    for section in sections {
        let Some(draft) = block(reading, section) else { continue };
        names::check(reading, &draft);
        natural_keys::check(reading, &draft);
        refuse_second(reading, &blocks, &draft.block);
        check_references(reading, &draft);
        blocks.push(draft.block);
    }
    Some(blocks)
}

fn block(reading: &mut Reading, mut section: Section) -> Option<Draft> {
    if let Some(table) = section.value("table").and_then(|table| table.get_ref().as_str()) {
        section.called = format!("The block of {}", quoted(table));
    }
    section.refuse_unknown(reading, keys::TABLE);
    let table = section.needed(reading, "table").and_then(|value| table_name(reading, value, "`table`"));
    let key = section.names(reading, "key", true);
    let mode = mode(reading, &section);
    let columns = columns(reading, &section);
    let rows = rows::rows(reading, &section);
    let names_of = |names: Vec<(String, usize)>| names.into_iter().map(|(name, _)| name).collect();
    let fields = section.has("fields").then(|| section.names(reading, "fields", false));
    let sensitive = section.has("sensitive").then(|| section.names(reading, "sensitive", false));
    let (columns, column_uses) = columns?;
    let (key, key_at): (Vec<String>, Vec<usize>) = key?.into_iter().unzip();
    let (TableName { schema, name }, rows) = (table?, rows?);
    let block = TableBlock {
        at: reading.place(section.at),
        schema,
        table: name,
        key,
        mode: mode?,
        rows: rows.rows,
        columns,
        fields: fields.map_or(Some(Vec::new()), |fields| fields.map(names_of))?,
        sensitive: sensitive.map_or(Some(Vec::new()), |sensitive| sensitive.map(names_of))?,
    };
    Some(Draft { block, column_uses, row_uses: rows.uses, key_at })
}

/// The mode; only `top-up` has a count, and it needs one.
fn mode(reading: &mut Reading, section: &Section) -> Option<Mode> {
    let word = section.needed_word(reading, "mode", MODES)?;
    if word != ModeWord::TopUp && section.has("count") {
        let next = "Remove it, or write `mode = \"top-up\"`.";
        reading.wrong(section.at_key("count"), "`count` belongs only to the mode `top-up`.", next);
    }
    Some(match word {
        ModeWord::InsertMissing => Mode::InsertMissing,
        ModeWord::Upsert => Mode::Upsert,
        ModeWord::Replace => Mode::Replace,
        ModeWord::TopUp => Mode::TopUp { count: section.needed_whole(reading, "count", 1, u32::MAX)? },
    })
}

/// `columns.name = value` and `[tables.columns]` are the same table.
fn columns(reading: &mut Reading, section: &Section) -> Option<(Vec<NamedCell>, Vec<Uses>)> {
    if !section.has("columns") {
        return Some((Vec::new(), Vec::new()));
    }
    let before = reading.problems.count();
    let columns = section.section(reading, "columns", "`columns`")?;
    rows::refuse_too_many(reading, &columns);
    let mut cells = Vec::new();
    let mut uses = Vec::new();
    for (name, at, value) in columns.entries() {
        rows::check_name(reading, name, at);
        let mut used = Uses::default();
        if let Some(cell) = cell(reading, value, name, &mut used) {
            cells.push(NamedCell { name: name.to_owned(), cell, at: reading.place(at) });
            uses.push(used);
        }
    }
    (reading.problems.count() == before).then_some((cells, uses))
}

/// A table has one block, so that its rows can be told apart and others can refer to them.
fn refuse_second(reading: &mut Reading, blocks: &[TableBlock], block: &TableBlock) {
    let name = |block: &TableBlock| TableName { schema: block.schema.clone(), name: block.table.clone() };
    if let Some(first) = blocks.iter().find(|first| name(first) == name(block)) {
        let what =
            format!("The table {} has a block already, on line {}.", quoted(&block.label()), first.at.line);
        reading.problems.add(block.at.clone(), what, "Put the rows of a table into one block.");
    }
}

/// Rows can only be taken from another block.
fn check_references(reading: &mut Reading, draft: &Draft) {
    let own = TableName { schema: draft.block.schema.clone(), name: draft.block.table.clone() };
    for used in draft.column_uses.iter().chain(&draft.row_uses).flat_map(|uses| &uses.blocks) {
        let name = match &used.table.schema {
            Some(schema) => format!("{schema}.{}", used.table.name),
            None => used.table.name.clone(),
        };
        if may_be_same(&used.table, &own) {
            let what = format!("A row of {} takes a row of its own block.", quoted(&name));
            reading.wrong(used.at, what, "Find the row by its key, with `by`.");
        } else if !reading.tables.iter().any(|table| may_be_same(table, &used.table)) {
            let what = format!("The profile has no block of the table {}.", quoted(&name));
            reading.wrong(used.at, what, "Add one, or find the row by its key, with `by`.");
        }
    }
}
