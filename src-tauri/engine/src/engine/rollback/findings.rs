//! What is said before a roll back: what goes, what is lost, what follows.

use crate::domain::backup::TableName;
use crate::domain::catalogue::Catalogue;
use crate::domain::rollback::{LostTable, RollBackRequest, WrittenTable};
use crate::domain::words::whole;
use crate::domain::{Finding, Outcome};
use crate::planner::rollback::TakenBack;
use crate::planner::sql;
use crate::runner::replay::AppliedScript;
use std::collections::BTreeSet;

/// What is lost, and what follows.
pub(super) fn said(back: &TakenBack, lost: &[LostTable], written: &[WrittenTable]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let empty: Vec<String> =
        lost.iter().filter(|table| table.rows == Some(0.0)).map(|table| table.table.to_string()).collect();
    let title = match empty.as_slice() {
        [] => None,
        [one] => Some(format!("{one} goes; it is empty.")),
        many => Some(format!("{} tables go; they are empty: {}.", many.len(), many.join(", "))),
    };
    findings.extend(title.map(|title| Finding::new("table-goes", Outcome::Warn, title)));
    for table in lost.iter().filter(|table| table.rows != Some(0.0)) {
        let title = match table.rows {
            Some(1.0) => format!("{} goes, with the 1 row in it.", table.table),
            Some(rows) => format!("{} goes, with the {} rows in it.", table.table, whole(rows)),
            None => format!("{} goes; how many rows are in it is not known.", table.table),
        };
        let mut finding = Finding::new("table-goes", Outcome::Warn, title);
        finding.destructive = true;
        findings.push(finding);
    }
    for statement in
        back.remove.iter().filter(|statement| statement.destructive && statement.sql.contains("DROP COLUMN"))
    {
        let mut finding = Finding::new("column-goes", Outcome::Warn, format!("{}.", statement.summary));
        finding.destructive = true;
        findings.push(finding);
    }
    for written in written {
        let table = &written.table;
        findings.push(if written.back {
            let title =
                format!("The rows of {table} become what they were; what was written to it since is lost.");
            let mut finding = Finding::new("rows-replaced", Outcome::Warn, title);
            finding.destructive = true;
            finding
        } else {
            let title = format!("They wrote rows of {table}; those rows stay as they are now.");
            let finding = Finding::new("rows-stay", Outcome::Warn, title);
            match &written.closed {
                Some(why) => finding.detail(why.clone()),
                None => finding.detail(
                    "All rows of the table can be put back as the backup holds them instead: tick it below, or name it with `drydockctl rollback --rows-back`.",
                ),
            }
        });
    }
    findings.extend(back.notes.iter().map(|note| Finding::new("stays", Outcome::Warn, note.clone())));
    if back.is_empty() {
        findings.push(Finding::new(
            "nothing-runs",
            Outcome::Warn,
            "They left nothing to take back; only the ledger is written.",
        ));
    }
    findings.push(
        Finding::new(
            "applied-again",
            Outcome::Warn,
            "The next deploy applies them again, also one by CI, unless their folders are removed or corrected.",
        )
        .detail("Drydock never edits migration files. Tell whoever owns them what was rolled back, and why."),
    );
    findings
}

/// Tables whose rows the migrations wrote and that were there before them, and the migrations of which that is not
/// known.
pub(super) fn written_rows(
    scripts: &[AppliedScript],
    request: &RollBackRequest,
    before: &Catalogue,
    schema: &str,
) -> (BTreeSet<TableName>, Vec<Finding>) {
    let mut tables: BTreeSet<TableName> = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    for (name, text, script) in scripts.iter().filter(|(name, ..)| request.migrations.contains(name)) {
        for statement in &script.statements {
            let own = sql::statement_text(statement, text);
            let word: String = own
                .trim_start()
                .chars()
                .take_while(char::is_ascii_alphabetic)
                .collect::<String>()
                .to_ascii_uppercase();
            match word.as_str() {
                "INSERT" | "UPDATE" | "DELETE" | "TRUNCATE" | "MERGE" | "COPY" | "WITH" => {
                    for (written, table) in sql::referenced_tables(&sql::analyse(own)) {
                        let table = TableName::new(written.unwrap_or_else(|| schema.to_owned()), table);
                        if before.table(&table.schema, &table.name).is_some() {
                            tables.insert(table);
                        }
                    }
                }
                "DO" | "CALL" => {
                    unknown.insert(name.clone());
                }
                _ => {}
            }
        }
    }
    let unknown = unknown.into_iter().map(|name| {
        Finding::new(
            "rows-unknown",
            Outcome::Warn,
            format!("`{name}` ran code; which rows it wrote is not known, and they stay."),
        )
    });
    (tables, unknown.collect())
}
