//! The hash of a row as an expression, so that a server can compare what was stored with what is there.
//!
//! Writing a row as text costs more than all the rest of reading it: every letter is looked at for quotes. So columns
//! of common types are hashed by themselves, in a chain. Only functions that tell all values of a type apart take
//! part: `hashint8extended` folds to 32 bits, and equality of numbers or times is not sameness, so those are hashed as
//! their output says them.

use super::words::identifier;
use crate::domain::backup::{HashDefinition, StoredColumn, StoredTable};

/// Columns that are chained, at most; the server's stack bounds how deep an expression may be.
const DEEPEST: usize = 60;
/// Columns whose nulls are told by one number.
const FLAGS: usize = 30;

/// The hash of one row of `alias`, over the columns that are stored, in the manifest's order.
pub fn of_row(definition: HashDefinition, alias: &str, table: &StoredTable) -> String {
    let stored: Vec<&StoredColumn> = table.columns.iter().filter(|column| !column.generated).collect();
    let as_text = |columns: &[&StoredColumn]| {
        let names: Vec<String> = columns.iter().map(|column| value(alias, column)).collect();
        format!(
            "pg_catalog.hashtextextended(ROW({})::pg_catalog.text COLLATE pg_catalog.\"C\", 0)",
            names.join(", ")
        )
    };
    if definition == HashDefinition::TextSum64 {
        return as_text(&stored);
    }
    let (mut chained, mut rest) = (Vec::new(), Vec::new());
    for column in stored {
        match Way::of(&column.type_name) {
            Some(way) if chained.len() < DEEPEST => chained.push((column, way)),
            _ => rest.push(column),
        }
    }
    let mut hash = if rest.is_empty() && !chained.is_empty() { "0".to_owned() } else { as_text(&rest) };
    for (column, way) in &chained {
        hash = way.hash(&value(alias, column), &hash);
    }
    for group in chained.chunks(FLAGS) {
        let flags: Vec<String> = group
            .iter()
            .enumerate()
            .map(|(bit, (column, _))| {
                format!("CASE WHEN {} IS NULL THEN {} ELSE 0 END", value(alias, column), 1_u32 << bit)
            })
            .collect();
        hash = format!("pg_catalog.hashint4extended({}, {hash})", flags.join(" OPERATOR(pg_catalog.+) "));
    }
    hash
}

fn value(alias: &str, column: &StoredColumn) -> String {
    format!("{alias}.{}", identifier(&column.name))
}

/// How a column is hashed by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By a function of its type; the value that stands for null.
    Own(&'static str, &'static str),
    /// By the letters that it is.
    Letters,
    /// Padded to a width that is the type's: the padding says nothing.
    Padded,
    /// By what its type's output function writes.
    Output(&'static str),
}

impl Way {
    /// `None`: only as part of a row. Names are as `format_type` writes them, where only types of the system stand
    /// without a schema.
    fn of(type_name: &str) -> Option<Self> {
        let (name, width) = match type_name.split_once('(') {
            Some((name, rest)) => (name, rest.split_once(')')),
            None => (type_name, None),
        };
        let name = match width {
            // `timestamp(3) with time zone`
            Some((_, zone)) => format!("{name}{zone}"),
            None if type_name.contains('(') => return None,
            None => name.to_owned(),
        };
        Some(match name.as_str() {
            "integer" => Self::Own("hashint4extended", "0"),
            "smallint" => Self::Own("hashint2extended", "0::pg_catalog.int2"),
            "uuid" => Self::Own("uuid_hash_extended", "'00000000-0000-0000-0000-000000000000'"),
            "text" | "character varying" => Self::Letters,
            "character" if width.is_some() => Self::Padded,
            "bigint" => Self::Output("int8out"),
            "boolean" => Self::Output("boolout"),
            "numeric" => Self::Output("numeric_out"),
            "double precision" => Self::Output("float8out"),
            "json" => Self::Output("json_out"),
            "jsonb" => Self::Output("jsonb_out"),
            "bytea" => Self::Output("byteaout"),
            "date" => Self::Output("date_out"),
            "timestamp without time zone" => Self::Output("timestamp_out"),
            "timestamp with time zone" => Self::Output("timestamptz_out"),
            _ => return None,
        })
    }

    fn hash(self, value: &str, seed: &str) -> String {
        let letters =
            |text: String| format!("pg_catalog.hashtextextended({text} COLLATE pg_catalog.\"C\", {seed})");
        match self {
            Self::Own(function, null) => format!("pg_catalog.{function}(coalesce({value}, {null}), {seed})"),
            Self::Letters => letters(format!("coalesce({value}, '')")),
            Self::Padded => {
                format!(
                    "pg_catalog.hashbpcharextended(coalesce({value}, '') COLLATE pg_catalog.\"C\", {seed})"
                )
            }
            Self::Output(function) => {
                letters(format!("coalesce(pg_catalog.textin(pg_catalog.{function}({value})), '')"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, type_name: &str) -> StoredColumn {
        StoredColumn { name: name.to_owned(), type_name: type_name.to_owned(), generated: false }
    }

    #[test]
    fn only_types_that_are_told_apart_exactly_are_chained() {
        for (name, chained) in [
            ("integer", true),
            ("character varying(20)", true),
            ("character(3)", true),
            ("timestamp(3) with time zone", true),
            ("numeric(10,2)", true),
            ("character", false),
            ("bpchar", false),
            ("\"char\"", false),
            ("public.text", false),
            ("integer[]", false),
            ("numeric(10,2)[]", false),
            ("character(3)[]", false),
            ("timestamp(3) with time zone[]", false),
            ("interval", false),
            ("real", false),
        ] {
            assert_eq!(Way::of(name).is_some(), chained, "{name}");
        }
    }

    #[test]
    fn an_expression_is_never_deeper_than_the_servers_stack_allows() {
        let columns: Vec<StoredColumn> = (0..1600).map(|n| column(&format!("c{n}"), "integer")).collect();
        let table = StoredTable {
            table: crate::domain::backup::TableName::new("public", "wide"),
            columns,
            key: Vec::new(),
            rows: 0,
            hash: None,
            format: crate::domain::backup::CopyFormat::Binary,
            segment: None,
        };
        let sql = of_row(HashDefinition::ColumnSum64, "t", &table);
        assert_eq!(sql.matches("hashint4extended").count(), DEEPEST + DEEPEST / FLAGS);
        assert_eq!(sql.matches("t.\"c1599\"").count(), 1);
    }
}
