//! The order in which tables are written: those referred to before those that refer. Where tables refer to
//! each other in a circle, a column that may be NULL is written late.

use crate::domain::profile::ProfileProblem;
use crate::domain::staging::{Source, Staging};
use std::collections::BTreeSet;

/// A column of a block that leads to rows of another block.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    from: usize,
    to: usize,
    columns: Vec<String>,
}

/// Puts blocks in order and marks the columns that are written late.
///
/// # Errors
/// A circle in which no column may be NULL, with the columns by name.
pub fn order(prepared: &mut Vec<Staging>) -> Result<(), Vec<ProfileProblem>> {
    let edges = edges(prepared);
    let mut left: BTreeSet<usize> = (0..prepared.len()).collect();
    let mut done: Vec<usize> = Vec::new();
    let mut late: Vec<(usize, String)> = Vec::new();
    while !left.is_empty() {
        let waits = |index: &usize| {
            edges.iter().any(|edge| {
                edge.from == *index
                    && (left.contains(&edge.to))
                    && !edge.columns.iter().any(|column| late.contains(&(*index, column.clone())))
            })
        };
        if let Some(next) = left.iter().copied().find(|index| !waits(index)) {
            left.remove(&next);
            done.push(next);
            continue;
        }
        let breakable = edges
            .iter()
            .filter(|edge| left.contains(&edge.from) && left.contains(&edge.to))
            .find_map(|edge| {
                edge.columns
                    .iter()
                    .find(|column| {
                        may_wait(&prepared[edge.from], column)
                            && !late.contains(&(edge.from, (*column).clone()))
                    })
                    .map(|column| (edge.from, column.clone()))
            });
        match breakable {
            Some(column) => late.push(column),
            None => return Err(circle(prepared, &edges, &left)),
        }
    }
    for (index, column) in late {
        prepared[index].late.push(column);
    }
    let mut blocks: Vec<Option<Staging>> = std::mem::take(prepared).into_iter().map(Some).collect();
    prepared.extend(done.into_iter().filter_map(|index| blocks[index].take()));
    Ok(())
}

fn may_wait(block: &Staging, column: &str) -> bool {
    block.table.column(column).is_some_and(|facts| !facts.not_null)
        && !block.key.iter().any(|key| key == column)
}

fn edges(prepared: &[Staging]) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    let mut add = |edge: Edge| {
        if !edges.contains(&edge) {
            edges.push(edge);
        }
    };
    let blocks_of = |schema: &str, table: &str| {
        let (schema, table) = (schema.to_owned(), table.to_owned());
        prepared
            .iter()
            .enumerate()
            .filter(move |(_, other)| other.table.schema == schema && other.table.name == table)
            .map(|(index, _)| index)
    };
    for (from, block) in prepared.iter().enumerate() {
        for column in block.shapes.iter().flat_map(|shape| &shape.columns) {
            if let Source::Reference { schema, table, .. } = &column.source {
                for to in blocks_of(schema, table) {
                    add(Edge { from, to, columns: vec![column.column.clone()] });
                }
            }
        }
        let given = |name: &String| {
            block.shapes.iter().flat_map(|shape| &shape.columns).any(|column| column.column == *name)
        };
        for key in block.table.references.iter().filter(|key| key.columns.iter().all(&given)) {
            for to in blocks_of(&key.schema, &key.table_name) {
                // Rows of one table may lead to each other: the server checks that at the end of the statement.
                let by_reference = block.shapes.iter().flat_map(|shape| &shape.columns).any(|column| {
                    key.columns.contains(&column.column) && matches!(column.source, Source::Reference { .. })
                });
                if from != to || by_reference {
                    add(Edge { from, to, columns: key.columns.clone() });
                }
            }
        }
    }
    // Several blocks of one table are written in the order of the profile.
    for (from, block) in prepared.iter().enumerate() {
        for (to, other) in prepared.iter().enumerate().take(from) {
            if block.table.oid == other.table.oid {
                add(Edge { from, to, columns: Vec::new() });
            }
        }
    }
    edges
}

fn circle(prepared: &[Staging], edges: &[Edge], left: &BTreeSet<usize>) -> Vec<ProfileProblem> {
    let mut columns: Vec<String> = edges
        .iter()
        .filter(|edge| left.contains(&edge.from) && left.contains(&edge.to))
        .flat_map(|edge| {
            edge.columns.iter().map(|column| format!("{}.{column}", prepared[edge.from].table.name))
        })
        .collect();
    columns.sort();
    columns.dedup();
    let at = left.iter().next().map(|index| prepared[*index].at.clone());
    at.map(|at| ProfileProblem {
        at,
        what: format!(
            "These columns lead to each other in a circle, and none of them may be NULL: {}.",
            columns.join(", ")
        ),
        next: "Let one of them be NULL for a moment, or write these rows with a script.".to_owned(),
    })
    .into_iter()
    .collect()
}
