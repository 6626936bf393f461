//! What a backup that was made from a dump does not hold.

use crate::domain::backup::{LeftOut, StoredTable, TableName};
use crate::domain::import::{DumpForm, DumpOrigin, DumpPacking};
use crate::domain::inventory::Inventory;

/// Tables without a row of which the dump brought no rows either: empty then, or left out by whoever made it.
pub fn without_rows(
    inventory: &Inventory,
    tables: &[StoredTable],
    has: &dyn Fn(&TableName) -> bool,
) -> Vec<TableName> {
    let of_root = |name: &TableName| {
        let relation = inventory.relations.iter().find(|relation| relation.table() == *name);
        relation.is_some_and(|relation| relation.ancestors.iter().any(has))
    };
    tables
        .iter()
        .filter(|table| table.rows == 0 && !has(&table.table) && !of_root(&table.table))
        .map(|table| table.table.clone())
        .collect()
}

/// What is not in it, a line each.
pub fn left_out(
    origin: &DumpOrigin,
    kept: bool,
    names_rights: bool,
    written_out: bool,
    empty: &[TableName],
    not_here: &[String],
    outward: &[&str],
) -> Vec<LeftOut> {
    let mut lines = vec![rights(origin, kept, names_rights)];
    if !empty.is_empty() {
        let names: Vec<String> = empty.iter().take(20).map(ToString::to_string).collect();
        let more = empty.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        lines.push(if written_out {
            LeftOut {
                what: format!("a word on whether {}{more} were empty", names.join(", ")),
                why: "The dump writes rows as INSERT, so it does not tell an empty table from one that was left out."
                    .to_owned(),
            }
        } else {
            LeftOut {
                what: format!("rows of {}{more}", names.join(", ")),
                why: "The dump holds these tables without their rows (--exclude-table-data).".to_owned(),
            }
        });
    }
    for name in outward {
        lines.push(LeftOut {
            what: format!("extension {name}"),
            why: "It opens connections or files by itself, so it was not made on the scratch server."
                .to_owned(),
        });
    }
    for line in not_here {
        lines.push(LeftOut {
            what: line.clone(),
            why: if kept {
                "The scratch server cannot make it. It is in the stored archive, but was not tried."
                    .to_owned()
            } else {
                "The scratch server cannot make it, so it is not in the backup.".to_owned()
            },
        });
    }
    lines
}

/// Owners and rights.
pub fn rights(origin: &DumpOrigin, kept: bool, names_rights: bool) -> LeftOut {
    let why = match (origin.form, names_rights) {
        _ if kept => {
            "They are in the stored archive; a restore leaves them out, because it is not known which database it is of."
        }
        (DumpForm::Plain, false) => "The dump names none.",
        _ => {
            "The backup is made from the scratch database, where everything belongs to one role. Keep the dump if they matter."
        }
    };
    LeftOut { what: "owners and rights".to_owned(), why: why.to_owned() }
}

/// Bytes that are asked to be free, for the stored backup and the scratch database together. How far a packed dump
/// unpacks is an estimate: six times.
pub fn needed_bytes(origin: &DumpOrigin, bytes: u64) -> f64 {
    let packed =
        origin.packing != DumpPacking::None || matches!(origin.form, DumpForm::Custom | DumpForm::Directory);
    let unpacked = bytes as f64 * if packed { 6.0 } else { 1.5 };
    unpacked + bytes as f64 + 64.0 * 1024.0 * 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(form: DumpForm) -> DumpOrigin {
        DumpOrigin {
            name: "nightly".to_owned(),
            form,
            packing: DumpPacking::None,
            database: None,
            server: None,
            dumped_by: None,
            dumped_at: None,
        }
    }

    #[test]
    fn what_is_left_out_is_said_for_each_form() {
        let log = [TableName::new("public", "log")];
        let words = |form, written_out| {
            let lines = left_out(
                &origin(form),
                form == DumpForm::Custom,
                true,
                written_out,
                &log,
                &["CREATE EVENT TRIGGER e".to_owned()],
                &["dblink"],
            );
            lines
                .into_iter()
                .map(|line| format!("{}: {}", line.what, line.why))
                .collect::<Vec<_>>()
                .join("\n")
        };
        let archive = words(DumpForm::Custom, false);
        for said in [
            "owners and rights: They are in the stored archive",
            "rows of log",
            "extension dblink",
            "EVENT TRIGGER e: The scratch server cannot make it. It is in the stored archive",
        ] {
            assert!(archive.contains(said), "{said}: {archive}");
        }
        let plain = words(DumpForm::Plain, true);
        for said in ["Keep the dump if they matter", "whether log were empty", "so it is not in the backup"] {
            assert!(plain.contains(said), "{said}: {plain}");
        }
    }

    #[test]
    fn a_packed_dump_asks_for_more_room() {
        let plain = needed_bytes(&origin(DumpForm::Plain), 1_000_000_000);
        let packed = needed_bytes(&origin(DumpForm::Custom), 1_000_000_000);
        assert!(plain > 2e9 && packed > 6e9, "{plain} {packed}");
    }
}
