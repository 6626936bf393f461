//! What an ALTER TABLE does to columns and to the table itself, as far as the catalogue can show it.

use super::words::{Word, at_commas, begins, words};
use crate::domain::catalogue::{Column, Table};

/// One action of an ALTER TABLE that leaves a mark on a column or on the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Alteration {
    /// SET NOT NULL (true) or DROP NOT NULL (false).
    NotNull { column: String, not_null: bool },
    /// SET DEFAULT with its expression, or DROP DEFAULT.
    Default { column: String, expression: Option<String> },
    /// TYPE, as written.
    Type { column: String, type_name: String },
    /// ENABLE (true) or DISABLE (false) ROW LEVEL SECURITY.
    RowSecurity { on: bool },
    /// Something else about a column.
    OtherColumn { column: String },
}

impl Alteration {
    /// The column it is about.
    pub(super) fn column(&self) -> Option<&str> {
        match self {
            Self::NotNull { column, .. }
            | Self::Default { column, .. }
            | Self::Type { column, .. }
            | Self::OtherColumn { column } => Some(column),
            Self::RowSecurity { .. } => None,
        }
    }

    /// Whether it is there: yes, no, or not to be told. A column that is not there has not been changed.
    pub(super) fn is_in(&self, table: &Table) -> Option<bool> {
        let column = match self.column() {
            Some(name) => match table.columns.iter().find(|column| column.name == name) {
                Some(column) => column,
                None => return Some(false),
            },
            None => return self.is_in_table(table),
        };
        match self {
            Self::NotNull { not_null, .. } => Some(column.not_null == *not_null),
            Self::Default { expression: None, .. } => Some(column.default.is_none()),
            Self::Default { expression: Some(expression), .. } => has_default(column, expression),
            Self::Type { type_name, .. } => Some(same_type(&column.type_name, type_name)),
            Self::OtherColumn { .. } | Self::RowSecurity { .. } => None,
        }
    }

    fn is_in_table(&self, table: &Table) -> Option<bool> {
        match self {
            Self::RowSecurity { on } => Some(table.row_security == *on),
            _ => None,
        }
    }

    /// In words, for evidence.
    pub(super) fn words(&self) -> String {
        match self {
            Self::NotNull { column, not_null: true } => format!("`{column}` must not be empty"),
            Self::NotNull { column, not_null: false } => format!("`{column}` may be empty"),
            Self::Default { column, expression: None } => format!("`{column}` has no default"),
            Self::Default { column, expression: Some(expression) } => {
                format!("`{column}` has the default {expression}")
            }
            Self::Type { column, type_name } => format!("`{column}` is {type_name}"),
            Self::RowSecurity { on: true } => "row-level security is on".to_owned(),
            Self::RowSecurity { on: false } => "row-level security is off".to_owned(),
            Self::OtherColumn { column } => format!("`{column}` is changed"),
        }
    }
}

/// The alterations in a statement; empty if it is no ALTER TABLE.
pub(super) fn alterations(sql: &str) -> Vec<Alteration> {
    let words = words(sql);
    if !begins(&words, "alter table") {
        return Vec::new();
    }
    let Some(actions) = after_name(&words[2..]) else { return Vec::new() };
    at_commas(actions).into_iter().filter_map(|action| alteration(sql, action)).collect()
}

/// The names of the types that columns are changed to, without schema, quotes and brackets.
pub(super) fn types_written(sql: &str) -> Vec<String> {
    let name = |type_name: &str| {
        words(type_name).into_iter().rfind(|word| word.quoted || !word.is("]") && !word.is("["))
    };
    alterations(sql)
        .iter()
        .filter_map(|each| match each {
            Alteration::Type { type_name, .. } => name(type_name).map(|word| word.text),
            _ => None,
        })
        .collect()
}

/// What follows the table's name.
fn after_name(mut words: &[Word]) -> Option<&[Word]> {
    if begins(words, "if exists") {
        words = &words[2..];
    }
    if begins(words, "only") {
        words = &words[1..];
    }
    words = words.get(1..)?;
    while begins(words, ".") {
        words = words.get(2..)?;
    }
    if begins(words, "*") {
        words = &words[1..];
    }
    Some(words)
}

fn alteration(sql: &str, action: &[Word]) -> Option<Alteration> {
    if begins(action, "enable row level security") {
        return Some(Alteration::RowSecurity { on: true });
    }
    if begins(action, "disable row level security") {
        return Some(Alteration::RowSecurity { on: false });
    }
    if !begins(action, "alter") || begins(action, "alter constraint") {
        return None;
    }
    let rest = if begins(action, "alter column") { &action[2..] } else { &action[1..] };
    let (name, rest) = rest.split_first()?;
    let column = name.text.clone();
    let written = |words: &[Word]| match (words.first(), words.last()) {
        (Some(first), Some(last)) => sql[first.start..last.end].to_owned(),
        _ => String::new(),
    };
    Some(if begins(rest, "set not null") {
        Alteration::NotNull { column, not_null: true }
    } else if begins(rest, "drop not null") {
        Alteration::NotNull { column, not_null: false }
    } else if begins(rest, "set default") {
        Alteration::Default { column, expression: Some(written(&rest[2..])) }
    } else if begins(rest, "drop default") {
        Alteration::Default { column, expression: None }
    } else if begins(rest, "type") || begins(rest, "set data type") {
        let from = if begins(rest, "type") { 1 } else { 3 };
        let until = rest.iter().position(|word| word.is("using") || word.is("collate")).unwrap_or(rest.len());
        Alteration::Type { column, type_name: written(rest.get(from..until)?) }
    } else {
        Alteration::OtherColumn { column }
    })
}

/// Whether a column's default is this expression. The server writes expressions in its own way, so only
/// plain values can be told apart for certain.
fn has_default(column: &Column, expression: &str) -> Option<bool> {
    let Some(there) = &column.default else { return Some(false) };
    let (there, written) = (plain(there), plain(expression));
    if there == written {
        return Some(true);
    }
    let is_value = |text: &str| {
        text.starts_with('\'') || text.parse::<f64>().is_ok() || matches!(text, "true" | "false")
    };
    (is_value(&there) && is_value(&written)).then_some(false)
}

/// An expression without casts, outer parentheses and differences of case outside quotes.
fn plain(expression: &str) -> String {
    let words = words(expression);
    let until = words.iter().position(|word| word.is("::")).unwrap_or(words.len());
    let mut kept = &words[..until];
    while let [first, inner @ .., last] = kept
        && first.is("(")
        && last.is(")")
    {
        kept = inner;
    }
    let text = |word: &Word| match &expression[word.start..word.end] {
        quoted if word.quoted => quoted.to_owned(),
        _ if word.text == "current_timestamp" => "now()".to_owned(),
        _ => word.text.clone(),
    };
    kept.iter().map(text).collect::<Vec<_>>().join("")
}

/// Whether the server's name of a type and the written one mean the same.
fn same_type(there: &str, written: &str) -> bool {
    let unqualified = |name: &str| name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_owned();
    let (base, array) = match written.trim().strip_suffix("[]") {
        Some(base) => (base, "[]"),
        None => (written.trim(), ""),
    };
    let known = canonical(base);
    let expected = format!("{known}{array}");
    let there_base = there.strip_suffix("[]").unwrap_or(there);
    there == expected
        || (there.ends_with("[]") != array.is_empty()
            && (unqualified(there_base) == unqualified(base)
                || unqualified(there_base) == unqualified(base).to_lowercase()))
}

/// The server's name of a type that is written by one of its short names.
fn canonical(written: &str) -> String {
    let lower = written.to_lowercase();
    let (name, arguments) = match lower.split_once('(') {
        Some((name, rest)) => match rest.split_once(')') {
            Some((inside, after)) => {
                (format!("{}{}", name.trim_end(), after), format!("({})", inside.replace(' ', "")))
            }
            None => (name.to_owned(), String::new()),
        },
        None => (lower.clone(), String::new()),
    };
    let words: Vec<&str> = name.split_whitespace().collect();
    let (head, tail) = match words.join(" ").as_str() {
        "int" | "int4" => ("integer", ""),
        "int2" => ("smallint", ""),
        "int8" => ("bigint", ""),
        "bool" => ("boolean", ""),
        "float4" => ("real", ""),
        "float8" | "float" => ("double precision", ""),
        "varchar" => ("character varying", ""),
        "char" => ("character", ""),
        "decimal" => ("numeric", ""),
        "varbit" => ("bit varying", ""),
        "timestamptz" | "timestamp with time zone" => ("timestamp", " with time zone"),
        "timestamp" | "timestamp without time zone" => ("timestamp", " without time zone"),
        "timetz" | "time with time zone" => ("time", " with time zone"),
        "time" | "time without time zone" => ("time", " without time zone"),
        other => return format!("{other}{arguments}"),
    };
    format!("{head}{arguments}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_actions_on_columns_are_read() {
        let sql = r#"ALTER TABLE IF EXISTS ONLY "public"."users" ALTER COLUMN "email" SET NOT NULL, ADD COLUMN x int,
            alter b drop not null, ALTER c SET DEFAULT 'a,b'::text, ALTER COLUMN d TYPE varchar(20) USING d::text,
            ALTER e DROP DEFAULT, ENABLE ROW LEVEL SECURITY, ALTER f SET STATISTICS 5"#;
        let column = |name: &str| name.to_owned();
        assert_eq!(
            alterations(sql),
            [
                Alteration::NotNull { column: column("email"), not_null: true },
                Alteration::NotNull { column: column("b"), not_null: false },
                Alteration::Default { column: column("c"), expression: Some("'a,b'::text".into()) },
                Alteration::Type { column: column("d"), type_name: "varchar(20)".into() },
                Alteration::Default { column: column("e"), expression: None },
                Alteration::RowSecurity { on: true },
                Alteration::OtherColumn { column: column("f") },
            ]
        );
    }

    #[test]
    fn the_servers_words_for_a_type_are_known() {
        for (there, written) in [
            ("integer", "INT"),
            ("timestamp(3) without time zone", "TIMESTAMP(3)"),
            ("timestamp(6) with time zone", "timestamptz(6)"),
            ("numeric(65,30)", "DECIMAL(65, 30)"),
            ("public.\"Role\"", "\"Role\""),
            ("public.\"Role\"[]", "\"public\".\"Role\"[]"),
            ("text[]", "TEXT[]"),
            ("double precision", "DOUBLE PRECISION"),
        ] {
            assert!(same_type(there, written), "{there} is {written}");
        }
        assert!(!same_type("text", "text[]"));
        assert!(!same_type("integer", "bigint"));
    }

    #[test]
    fn defaults_are_told_apart_only_where_that_is_certain() {
        let column = |default: Option<&str>| Column {
            name: "a".into(),
            type_name: "text".into(),
            not_null: false,
            default: default.map(str::to_owned),
            identity: None,
            generated: None,
            collation: None,
            origin: crate::domain::catalogue::Origin(None),
        };
        assert_eq!(has_default(&column(Some("'x'::text")), "'x'"), Some(true));
        assert_eq!(has_default(&column(Some("CURRENT_TIMESTAMP")), "now()"), Some(true));
        assert_eq!(has_default(&column(Some("'y'::text")), "'x'"), Some(false));
        assert_eq!(has_default(&column(None), "'x'"), Some(false));
        assert_eq!(has_default(&column(Some("('a'::text || 'b'::text)")), "'a' || 'b'"), None);
    }
}
