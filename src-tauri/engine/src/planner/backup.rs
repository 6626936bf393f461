//! What a backup would hold, what it would leave out, why it cannot be taken, and which program takes it.

use crate::domain::backup::{BackupKind, BackupScope, FoundTool, LeftOut, StoredTable, TableName};
use crate::domain::inventory::{FoundSequence, Inventory, Relation};

/// What of a database goes into a backup.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Tables, in order of name.
    pub tables: Vec<StoredTable>,
    /// Sequences.
    pub sequences: Vec<FoundSequence>,
    /// What is not in it.
    pub left_out: Vec<LeftOut>,
    /// Why it cannot be taken.
    pub refusals: Vec<String>,
    /// Bytes of the tables on the server, without indexes.
    pub bytes: f64,
    /// Rows as last analysed; `None`: some table never was.
    pub rows: Option<f64>,
}

/// Chooses what a backup holds. Nothing is left out silently: what it does not hold is a line of the answer, and
/// what it should hold but may not read refuses it by name.
pub fn select(inventory: &Inventory, kind: BackupKind, scope: &BackupScope) -> Selection {
    let mut selection = Selection { rows: Some(0.0), ..Selection::default() };
    let wanted = wanted(inventory, scope, &mut selection.refusals);
    for relation in &wanted {
        match relation.kind.as_str() {
            "r" => {
                if !relation.may_read {
                    selection.refusals.push(format!(
                        "{} may not be read: the right to SELECT is missing.",
                        relation.table()
                    ));
                } else if relation.hidden {
                    selection.refusals.push(format!(
                        "Row security hides rows of {} from this user; a backup would silently lack them.",
                        relation.table()
                    ));
                }
                selection.bytes += relation.bytes;
                selection.rows = match selection.rows {
                    Some(rows) if relation.rows >= 0.0 => Some(rows + relation.rows),
                    _ => None,
                };
                selection.tables.push(relation.stored());
            }
            "f" => selection.left_out.push(LeftOut {
                what: format!("rows of the foreign table {}", relation.table()),
                why: "They are on another server; back them up there.".to_owned(),
            }),
            "m" if kind == BackupKind::Quick => selection.left_out.push(LeftOut {
                what: format!("rows of the materialized view {}", relation.table()),
                why: "They are computed; REFRESH MATERIALIZED VIEW makes them again.".to_owned(),
            }),
            _ => {}
        }
    }
    choose_sequences(inventory, scope, &mut selection);
    name_what_is_missing(inventory, kind, scope, &mut selection);
    if kind == BackupKind::Deep && matches!(scope, BackupScope::Tables { .. }) {
        // Types, functions and other tables that they need would not be in it, so it could not be restored alone.
        let refusal = "A deep backup holds whole schemas. For single tables take a quick one.";
        selection.refusals.push(refusal.to_owned());
    }
    if selection.tables.is_empty() && selection.refusals.is_empty() {
        selection.refusals.push("There is no table to back up.".to_owned());
    }
    selection
}

/// Why rows that are too large to be read out refuse a backup.
pub fn too_wide(kind: BackupKind, table: &TableName) -> String {
    match kind {
        BackupKind::Deep => format!(
            "A row of {table} is too large for pg_dump: written as text it takes more than 1 GB, which no server can do. A quick backup can hold it."
        ),
        BackupKind::Quick => {
            format!("A row of {table} takes more than 1 GB, and no server can send one that large.")
        }
    }
}

fn wanted<'a>(
    inventory: &'a Inventory,
    scope: &BackupScope,
    refusals: &mut Vec<String>,
) -> Vec<&'a Relation> {
    match scope {
        BackupScope::Whole => inventory.relations.iter().collect(),
        BackupScope::Schemas { schemas } => {
            for schema in schemas {
                if !inventory.schemas.contains(schema) {
                    refusals.push(format!("There is no schema {schema} of the product's."));
                }
            }
            inventory.relations.iter().filter(|relation| schemas.contains(&relation.schema)).collect()
        }
        BackupScope::Tables { tables } => {
            for table in tables {
                if !inventory.relations.iter().any(|relation| relation.table() == *table) {
                    refusals.push(format!("There is no table {table}."));
                }
            }
            let of = |relation: &&Relation| {
                tables.contains(&relation.table()) || relation.ancestors.iter().any(|up| tables.contains(up))
            };
            inventory.relations.iter().filter(of).collect()
        }
    }
}

fn choose_sequences(inventory: &Inventory, scope: &BackupScope, selection: &mut Selection) {
    for sequence in &inventory.sequences {
        let owner = sequence.owner.as_ref().map(|(schema, name)| TableName::new(schema, name));
        let chosen = match scope {
            BackupScope::Whole => true,
            BackupScope::Schemas { schemas } => schemas.contains(&sequence.schema),
            BackupScope::Tables { tables } => owner.as_ref().is_some_and(|owner| {
                tables.contains(owner) || selection.tables.iter().any(|table| table.table == *owner)
            }),
        };
        if !chosen {
            continue;
        }
        if sequence.may_read {
            selection.sequences.push(sequence.clone());
        } else {
            selection.refusals.push(format!(
                "The sequence {} may not be read: the right to SELECT is missing.",
                TableName::new(&sequence.schema, &sequence.name)
            ));
        }
    }
}

fn name_what_is_missing(
    inventory: &Inventory,
    kind: BackupKind,
    scope: &BackupScope,
    selection: &mut Selection,
) {
    let mut out = |what: String, why: &str| selection.left_out.push(LeftOut { what, why: why.to_owned() });
    let whole_deep = kind == BackupKind::Deep && *scope == BackupScope::Whole;
    if inventory.large_objects > 0 {
        let what = count(inventory.large_objects, "large object");
        if whole_deep && inventory.may_read_large_objects {
            // They are in it.
        } else if whole_deep {
            selection.refusals.push(format!(
                "{what} may not be read: they belong to somebody else, and only a superuser may read them all."
            ));
        } else {
            out(what, "Only a deep backup of the whole database holds large objects.");
        }
    }
    let mut out = |what: String, why: &str| selection.left_out.push(LeftOut { what, why: why.to_owned() });
    if kind == BackupKind::Quick {
        out(
            "views, functions, triggers, indexes and rights".to_owned(),
            "A quick backup holds rows; it describes tables, not everything around them. A deep one holds the schema.",
        );
    }
    if !whole_deep {
        for other in &inventory.others {
            out(other.clone(), "It belongs to the whole database; only a deep backup of all of it holds it.");
        }
    }
    for schema in &inventory.platform_schemas {
        out(
            format!("schema {schema}"),
            "It belongs to the hosting platform, which makes it again by itself.",
        );
    }
    if inventory.extension_tables > 0 {
        out(
            count(inventory.extension_tables, "table of an extension").replace("extensions", "extension"),
            "CREATE EXTENSION makes them again; what an extension marks as its user's data is in a deep backup, but not compared.",
        );
    }
    out(
        "roles, passwords and settings of the whole server".to_owned(),
        "They are not part of one database. Make roles again before restoring on another server.",
    );
}

fn count(number: u32, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// The rung of the ladder that holds, and why the others do not.
///
/// A `pg_dump` refuses a server that is newer than itself, so that is looked at before it starts. Reading out inside
/// the database's container or on the SSH host joins here as further rungs.
pub fn ladder(server_version: u32, found: &[FoundTool]) -> (Option<FoundTool>, Vec<String>) {
    let server = server_version / 10_000;
    let mut chosen = None;
    let mut others = vec![
        "In the database's container or on the SSH host: Drydock does not run programs there yet.".to_owned(),
    ];
    for tool in found {
        let words = format!("{} {} ({})", tool.tool.name, tool.tool.version, tool.tool.place);
        if tool.major < server {
            others.push(format!("{words}: older than the server, PostgreSQL {server}; it would refuse."));
        } else if chosen.is_none() {
            chosen = Some(tool.clone());
        } else {
            others.push(format!("{words}: would do, too."));
        }
    }
    (chosen, others)
}

/// Bytes that are asked to be free: half of what the tables take, since rows are packed, and some room.
pub fn needed_bytes(source: f64) -> f64 {
    source / 2.0 + 64.0 * 1024.0 * 1024.0
}

/// `3.4 GB`, `820 kB`: powers of 1,000, two figures that mean something.
pub fn size_words(bytes: f64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = bytes.max(0.0);
    let mut unit = 0;
    while value >= 1_000.0 && unit + 1 < units.len() {
        value /= 1_000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{value:.0} {}", units[0]),
        _ if value < 10.0 => format!("{value:.1} {}", units[unit]),
        _ => format!("{value:.0} {}", units[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::backup::BackupTool;

    fn relation(name: &str, kind: &str) -> Relation {
        Relation {
            schema: "public".to_owned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            ancestors: Vec::new(),
            may_read: true,
            hidden: false,
            rows: 10.0,
            bytes: 8192.0,
            toast_bytes: 0.0,
            columns: Vec::new(),
            key: Vec::new(),
        }
    }

    fn inventory(relations: Vec<Relation>) -> Inventory {
        Inventory {
            relations,
            sequences: vec![FoundSequence {
                schema: "public".to_owned(),
                name: "users_id_seq".to_owned(),
                may_read: true,
                owner: Some(("public".to_owned(), "users".to_owned())),
                increment: "1".to_owned(),
            }],
            schemas: vec!["public".to_owned()],
            platform_schemas: vec!["auth".to_owned()],
            large_objects: 2,
            may_read_large_objects: false,
            others: vec!["publication p".to_owned()],
            extension_tables: 0,
            encoding: "UTF8".to_owned(),
            collate: "C".to_owned(),
            ctype: "C".to_owned(),
            now: chrono::DateTime::UNIX_EPOCH,
            snapshot: "1:1:".to_owned(),
        }
    }

    #[test]
    fn nothing_is_left_out_silently() {
        let relations = vec![relation("users", "r"), relation("far", "f"), relation("sums", "m")];
        let selection = select(&inventory(relations), BackupKind::Quick, &BackupScope::Whole);
        assert_eq!(selection.tables.len(), 1);
        assert_eq!(selection.sequences.len(), 1);
        assert!(selection.refusals.is_empty(), "{:?}", selection.refusals);
        let said: Vec<&str> = selection.left_out.iter().map(|each| each.what.as_str()).collect();
        for what in [
            "foreign table far",
            "materialized view sums",
            "2 large objects",
            "publication p",
            "schema auth",
            "roles",
        ] {
            assert!(said.iter().any(|said| said.contains(what)), "{what}: {said:?}");
        }
    }

    #[test]
    fn what_may_not_be_read_refuses_by_name() {
        let mut hidden = relation("notes", "r");
        hidden.hidden = true;
        let mut closed = relation("salaries", "r");
        closed.may_read = false;
        let scope = BackupScope::Tables { tables: vec![TableName::new("public", "gone")] };
        let refusals =
            select(&inventory(vec![hidden, closed]), BackupKind::Deep, &BackupScope::Whole).refusals;
        assert_eq!(refusals.len(), 3, "{refusals:?}");
        assert!(
            refusals[0].contains("notes")
                && refusals[1].contains("salaries")
                && refusals[2].contains("large")
        );
        assert_eq!(
            select(&inventory(Vec::new()), BackupKind::Quick, &scope).refusals,
            ["There is no table gone."]
        );
        let deep = select(&inventory(vec![relation("gone", "r")]), BackupKind::Deep, &scope).refusals;
        assert!(deep.iter().any(|refusal| refusal.contains("quick one")), "{deep:?}");
        assert_eq!(
            select(&inventory(Vec::new()), BackupKind::Quick, &BackupScope::Whole).refusals,
            ["There is no table to back up."]
        );
    }

    #[test]
    fn a_partitioned_table_stands_for_its_partitions() {
        let mut leaf = relation("events_2026", "r");
        leaf.ancestors = vec![TableName::new("public", "events")];
        let relations = vec![relation("events", "p"), leaf, relation("users", "r")];
        let scope = BackupScope::Tables { tables: vec![TableName::new("public", "events")] };
        let selection = select(&inventory(relations), BackupKind::Quick, &scope);
        assert_eq!(selection.tables.len(), 1);
        assert_eq!(selection.tables[0].table.name, "events_2026");
        assert!(selection.sequences.is_empty());
    }

    #[test]
    fn an_older_tool_is_never_chosen() {
        let tool = |version: &str, major| FoundTool {
            tool: BackupTool {
                name: "pg_dump".to_owned(),
                version: version.to_owned(),
                place: "the toolkit".to_owned(),
            },
            major,
            program: String::new(),
        };
        let found = [tool("15.18", 15), tool("18.4", 18), tool("18.1", 18)];
        let (chosen, others) = ladder(180_001, &found);
        assert_eq!(chosen.map(|tool| tool.tool.version).as_deref(), Some("18.4"));
        assert_eq!(others.len(), 3, "{others:?}");
        assert_eq!(ladder(190_000, &found).0, None);
    }

    #[test]
    fn sizes_are_said_in_words() {
        assert_eq!(
            [0.0, 999.0, 1_500.0, 20_000_000.0].map(size_words),
            ["0 bytes", "999 bytes", "1.5 kB", "20 MB"]
        );
    }
}
