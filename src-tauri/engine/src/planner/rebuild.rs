//! The statements that make objects again as a catalogue describes them. Rights, owners, comments and storage
//! details of single columns are not in a catalogue; whoever uses this says so.

use crate::domain::catalogue::{
    Catalogue, Column, Constraint, ConstraintKind, EnumType, Function, Index, OtherType, Policy, Sequence,
    Table, TableKind, Trigger, View,
};

/// A quoted name.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted, qualified name.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What makes a table again, in the order in which it has to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuild {
    /// The table with its columns and sequences.
    pub before_rows: Vec<String>,
    /// Keys, checks, indexes: cheaper once the rows are in.
    pub after_rows: Vec<String>,
    /// References, triggers, policies, its place under another table.
    pub last: Vec<String>,
}

/// Makes a table again, with everything that hangs on it.
pub fn table(catalogue: &Catalogue, table: &Table) -> Rebuild {
    let name = qualified(&table.schema, &table.name);
    let mut rebuild = Rebuild::default();
    let own = |sequence: &&Sequence| {
        sequence.schema == table.schema && sequence.owner_table.as_deref() == Some(table.name.as_str())
    };
    for sequence in catalogue.sequences.iter().filter(own).filter(|sequence| !sequence.of_identity) {
        rebuild.before_rows.push(sequence_sql(sequence));
    }
    let columns: Vec<String> =
        table.columns.iter().map(|column| column_sql(catalogue, table, column)).collect();
    let unlogged = if table.unlogged { "UNLOGGED " } else { "" };
    let divided = table.partition_key.as_ref().map_or(String::new(), |key| format!(" PARTITION BY {key}"));
    let options = table.options.as_ref().map_or(String::new(), |options| format!(" WITH ({options})"));
    rebuild
        .before_rows
        .push(format!("CREATE {unlogged}TABLE {name} ({}){divided}{options}", columns.join(", ")));
    for sequence in catalogue.sequences.iter().filter(own).filter(|sequence| !sequence.of_identity) {
        rebuild.before_rows.extend(owned_by(sequence));
    }
    let of_table = |schema: &str, of: &str| schema == table.schema && of == table.name;
    for constraint in catalogue.constraints.iter().filter(|each| of_table(&each.schema, &each.table)) {
        let sql = constraint_sql(constraint);
        if constraint.kind == ConstraintKind::ForeignKey {
            rebuild.last.push(sql);
        } else {
            rebuild.after_rows.push(sql);
        }
    }
    for index in
        catalogue.indexes.iter().filter(|each| of_table(&each.schema, &each.table) && !each.of_constraint)
    {
        rebuild.after_rows.push(index_sql(index));
    }
    match (&table.parent, &table.partition_bound) {
        (Some(parent), Some(bound)) => {
            rebuild.last.push(format!("ALTER TABLE {parent} ATTACH PARTITION {name} {bound}"))
        }
        (Some(parent), None) => rebuild.last.push(format!("ALTER TABLE {name} INHERIT {parent}")),
        (None, _) => {}
    }
    for trigger in catalogue.triggers.iter().filter(|each| of_table(&each.schema, &each.table)) {
        rebuild.last.extend(trigger_sql(trigger));
    }
    for policy in catalogue.policies.iter().filter(|each| of_table(&each.schema, &each.table)) {
        rebuild.last.push(policy_sql(policy));
    }
    rebuild.last.extend(row_security(table));
    rebuild
}

/// Whether this can make a table again at all.
pub fn can_make(table: &Table) -> bool {
    table.kind != TableKind::Foreign
}

/// Row security as it was; nothing where it was off.
pub fn row_security(table: &Table) -> Vec<String> {
    let name = qualified(&table.schema, &table.name);
    let mut sql = Vec::new();
    if table.row_security {
        sql.push(format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"));
    }
    if table.force_row_security {
        sql.push(format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY"));
    }
    sql
}

/// A column as CREATE TABLE and ADD COLUMN write it.
pub fn column_sql(catalogue: &Catalogue, table: &Table, column: &Column) -> String {
    let mut words = vec![identifier(&column.name), column.type_name.clone()];
    if let Some(collation) = &column.collation {
        words.push(format!("COLLATE {collation}"));
    }
    match (&column.default, column.generated.as_deref()) {
        (Some(expression), Some("v")) => words.push(format!("GENERATED ALWAYS AS ({expression}) VIRTUAL")),
        (Some(expression), Some(_)) => words.push(format!("GENERATED ALWAYS AS ({expression}) STORED")),
        (Some(expression), None) => words.push(format!("DEFAULT {expression}")),
        (None, _) => {}
    }
    if let Some(identity) = column.identity.as_deref() {
        let how = if identity == "a" { "ALWAYS" } else { "BY DEFAULT" };
        let sequence = catalogue.sequences.iter().find(|sequence| {
            sequence.of_identity
                && sequence.schema == table.schema
                && sequence.owner_table.as_deref() == Some(table.name.as_str())
                && sequence.owner_column.as_deref() == Some(column.name.as_str())
        });
        let options = sequence.map_or(String::new(), |sequence| {
            format!(
                " (SEQUENCE NAME {} {})",
                qualified(&sequence.schema, &sequence.name),
                options(sequence, false)
            )
        });
        words.push(format!("GENERATED {how} AS IDENTITY{options}"));
    }
    if column.not_null {
        words.push("NOT NULL".to_owned());
    }
    words.join(" ")
}

/// `START WITH 1 INCREMENT BY 1 ...` from a sequence's definition.
fn options(sequence: &Sequence, with_type: bool) -> String {
    let words: Vec<&str> = sequence.definition.split_whitespace().collect();
    let mut sql = Vec::new();
    if with_type && let Some(kind) = words.first() {
        sql.push(format!("AS {kind}"));
    }
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let value = words.get(at + 1).copied().unwrap_or_default();
        let (text, step) = match *word {
            "start" => (format!("START WITH {value}"), 2),
            "min" => (format!("MINVALUE {value}"), 2),
            "max" => (format!("MAXVALUE {value}"), 2),
            "step" => (format!("INCREMENT BY {value}"), 2),
            "cache" => (format!("CACHE {value}"), 2),
            "cycle" => ("CYCLE".to_owned(), 1),
            _ => (String::new(), 1),
        };
        if !text.is_empty() {
            sql.push(text);
        }
        at += step;
    }
    sql.join(" ")
}

/// A sequence of its own, or of a `serial` column.
pub fn sequence_sql(sequence: &Sequence) -> String {
    format!("CREATE SEQUENCE {} {}", qualified(&sequence.schema, &sequence.name), options(sequence, true))
}

/// Ties a sequence to the column it feeds.
pub fn owned_by(sequence: &Sequence) -> Option<String> {
    let (table, column) = (sequence.owner_table.as_ref()?, sequence.owner_column.as_ref()?);
    Some(format!(
        "ALTER SEQUENCE {} OWNED BY {}.{}",
        qualified(&sequence.schema, &sequence.name),
        qualified(&sequence.schema, table),
        identifier(column)
    ))
}

/// A constraint of a table.
pub fn constraint_sql(constraint: &Constraint) -> String {
    format!(
        "ALTER TABLE {} ADD CONSTRAINT {} {}{}",
        qualified(&constraint.schema, &constraint.table),
        identifier(&constraint.name),
        constraint.definition,
        if constraint.validated { "" } else { " NOT VALID" }
    )
}

/// An index.
pub fn index_sql(index: &Index) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    format!(
        "CREATE {unique}INDEX {} ON {} {}",
        identifier(&index.name),
        qualified(&index.schema, &index.table),
        index.definition
    )
}

/// A trigger, switched as it was.
pub fn trigger_sql(trigger: &Trigger) -> Vec<String> {
    let mut sql = vec![trigger.definition.clone()];
    let how = match trigger.enabled.as_str() {
        "D" => Some("DISABLE TRIGGER"),
        "R" => Some("ENABLE REPLICA TRIGGER"),
        "A" => Some("ENABLE ALWAYS TRIGGER"),
        _ => None,
    };
    sql.extend(how.map(|how| {
        format!(
            "ALTER TABLE {} {how} {}",
            qualified(&trigger.schema, &trigger.table),
            identifier(&trigger.name)
        )
    }));
    sql
}

/// A policy.
pub fn policy_sql(policy: &Policy) -> String {
    format!(
        "CREATE POLICY {} ON {} {}",
        identifier(&policy.name),
        qualified(&policy.schema, &policy.table),
        policy.definition
    )
}

/// A view; a materialized one without its rows.
pub fn view_sql(view: &View) -> String {
    let kind = if view.materialized { "MATERIALIZED VIEW" } else { "VIEW" };
    let options = view.options.as_ref().map_or(String::new(), |options| format!(" WITH ({options})"));
    let empty = if view.materialized { " WITH NO DATA" } else { "" };
    format!(
        "CREATE {kind} {}{options} AS {}{empty}",
        qualified(&view.schema, &view.name),
        view.definition.trim().trim_end_matches(';')
    )
}

/// A function or procedure; `None` for an aggregate, whose parts a catalogue does not hold.
pub fn function_sql(function: &Function) -> Option<String> {
    (!function.definition.starts_with("aggregate returning")).then(|| function.definition.clone())
}

/// `FUNCTION`, `PROCEDURE` or `AGGREGATE`.
pub fn function_kind(function: &Function) -> &'static str {
    if function.procedure {
        "PROCEDURE"
    } else if function.definition.starts_with("aggregate returning") {
        "AGGREGATE"
    } else {
        "FUNCTION"
    }
}

/// An enum type.
pub fn enum_sql(each: &EnumType) -> String {
    let labels: Vec<String> = each.labels.iter().map(|label| literal(&label.name)).collect();
    format!("CREATE TYPE {} AS ENUM ({})", qualified(&each.schema, &each.name), labels.join(", "))
}

/// A domain, range or composite type.
pub fn type_sql(each: &OtherType) -> Option<String> {
    let name = qualified(&each.schema, &each.name);
    if let Some(definition) = each.definition.strip_prefix("domain over ") {
        return Some(format!("CREATE DOMAIN {name} AS {definition}"));
    }
    if let Some(subtype) = each.definition.strip_prefix("range of ") {
        return Some(format!("CREATE TYPE {name} AS RANGE (SUBTYPE = {subtype})"));
    }
    let columns = each.definition.strip_prefix("composite of ")?;
    Some(format!("CREATE TYPE {name} AS ({})", if columns == "nothing" { "" } else { columns }))
}

/// `TYPE` or `DOMAIN`.
pub fn type_kind(each: &OtherType) -> &'static str {
    if each.definition.starts_with("domain over ") { "DOMAIN" } else { "TYPE" }
}
