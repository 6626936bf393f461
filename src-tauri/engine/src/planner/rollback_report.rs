//! The report for whoever owns the migrations: what was rolled back, and what the next deploy does with their folders.

use crate::domain::plan::Plan;
use crate::domain::rollback::RollBackStep;
use crate::domain::run::Run;
use crate::domain::words::whole;
use std::fmt::Write;

/// The report of a roll back that got through, in Markdown. Values of rows are not in it.
pub fn report(plan: &Plan, step: &RollBackStep, run: &Run) -> String {
    let mut text = String::new();
    let at = run.ended_at.unwrap_or(run.started_at).format("%Y-%m-%d %H:%M UTC");
    let count = match step.migrations.as_slice() {
        [_] => "1 migration".to_owned(),
        many => format!("{} migrations", many.len()),
    };
    // Writing into a text cannot fail.
    let _ = writeln!(text, "# {count} rolled back on {}\n", line(&plan.environment_name));
    let _ = writeln!(
        text,
        "{at}, run {}, plan {}. Database `{}` on {}, schema `{}`.",
        run.number,
        plan.number,
        line(&plan.identity.database),
        plan.identity.version_words(),
        line(&plan.schema)
    );
    let migrations = step.migrations.iter().map(|name| {
        let rows = step.ledger.iter().filter(|row| row.migration_name == *name);
        let applied: Vec<String> = rows
            .filter_map(|row| row.finished_at.map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string()))
            .collect();
        format!("`{}`, was applied at {}", line(name), applied.join(" and "))
    });
    section(&mut text, "Rolled back, newest first", migrations);
    let statements = [&step.remove, &step.make, &step.finish];
    let summaries = statements.into_iter().flatten().map(|statement| line(&statement.summary));
    section(&mut text, "What was done", summaries);
    let lost = step.lost.iter().map(|table| match table.rows {
        Some(rows) => {
            format!("`{}`, {} rows when it was planned", line(&table.table.to_string()), whole(rows))
        }
        None => format!("`{}`, with rows that were not counted", line(&table.table.to_string())),
    });
    section(&mut text, "Tables that are gone", lost);
    let back = step.rows.iter().map(|rows| match &rows.columns {
        None => format!("all rows of `{}`", line(&rows.table.to_string())),
        Some(columns) => {
            format!("values of `{}`: {}", line(&rows.table.to_string()), line(&columns.join(", ")))
        }
    });
    section(&mut text, "What came back from the backup", back);
    let known = ["table-goes", "column-goes", "applied-again"];
    let notes = plan
        .findings
        .iter()
        .filter(|finding| !known.contains(&finding.check.as_str()))
        .map(|finding| line(&finding.title));
    section(&mut text, "To know", notes);
    let _ = write!(
        text,
        "\n## What to do in the repository\n\n\
         The ledger says that these migrations are rolled back. **The next `prisma migrate deploy`, also one by CI, applies them \
         again** as long as their folders are there. Drydock has edited no file.\n\n\
         - To give them up: remove these folders, and what belongs to them in the Prisma schema, from the branch that is deployed.\n"
    );
    for name in &step.migrations {
        let _ = writeln!(text, "  - `{}/`", line(name));
    }
    text.push_str(
        "- To mend one: write what is right into a new folder with a newer name and remove the old one. Do not edit a folder that \
         another database has applied: it is reported as edited there.\n\
         - Databases that still have them applied (staging, other customers) show them as missing once the folders are gone; roll \
         them back there too.\n",
    );
    text
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "\n## {title}\n");
    for line in lines {
        let _ = writeln!(text, "- {line}");
    }
}

/// One line, without what would end a quotation: names come from the server.
fn line(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else if character == '`' {
                '\''
            } else {
                character
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::domain::backup::TableName;
    use crate::domain::ledger::LedgerRow;
    use crate::domain::plan::RepairStatement;
    use crate::domain::rollback::LostTable;
    use crate::domain::run::{RunKind, RunStatus};
    use crate::planner::fixtures::{at, plan};

    #[test]
    fn it_names_migrations_losses_and_the_folders_that_would_apply_them_again() {
        let step = RollBackStep {
            migrations: vec!["02_more".to_owned()],
            remove: vec![RepairStatement {
                sql: "DROP TABLE avatars".to_owned(),
                summary: "Drops the table public.avatars".to_owned(),
                destructive: true,
            }],
            make: Vec::new(),
            rows: Vec::new(),
            finish: Vec::new(),
            ledger: vec![LedgerRow {
                id: "l".to_owned(),
                checksum: "c".to_owned(),
                finished_at: Some(at(1)),
                migration_name: "02_more".to_owned(),
                logs: None,
                rolled_back_at: None,
                started_at: at(1),
                applied_steps_count: 1,
            }],
            backup: None,
            lost: vec![LostTable { table: TableName::new("public", "ava`tars\n## x"), rows: Some(12.0) }],
            written: Vec::new(),
        };
        let run = Run {
            id: "run".to_owned(),
            number: 12,
            plan_id: "plan".to_owned(),
            kind: RunKind::Apply,
            environment_id: None,
            environment_name: "atelier-production".to_owned(),
            title: String::new(),
            status: RunStatus::Succeeded,
            started_at: at(20),
            ended_at: Some(at(21)),
            steps: Vec::new(),
            failure: None,
            aftermath: Vec::new(),
            confirmation: None,
        };
        let text = report(&plan(10), &step, &run);
        assert!(text.starts_with("# 1 migration rolled back on atelier-production\n"), "{text}");
        for says in [
            "2026-03-02 14:21 UTC, run 12, plan 31.",
            "- `02_more`, was applied at 2026-03-02 14:01 UTC",
            "- Drops the table public.avatars",
            "ava'tars ## x`, 12 rows when it was planned",
            "  - `02_more/`",
        ] {
            assert!(text.contains(says), "{says} in {text}");
        }
        assert!(!text.contains("came back from the backup"), "nothing did");
    }
}
