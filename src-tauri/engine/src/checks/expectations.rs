//! The expectations of profiles: the query that each asks, and the judgement of its answer. Pure.

use crate::domain::Outcome;
use crate::domain::profile::{Condition, Expectation, Expected, SoftReference, TableName, TablePart};
use crate::domain::tables::ForeignKey;
use crate::domain::verification::CheckPart;
use crate::domain::words::whole;
use crate::planner::seed::answers::{compare, is_number};

/// How an expectation is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Part of the panel.
    pub part: CheckPart,
    /// The query; one statement.
    pub sql: String,
    /// What the answer must be, in one value.
    pub expected: String,
    /// How the answer is judged.
    pub judge: Judge,
}

/// How an answer is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judge {
    /// The first column of the only row.
    Value(Condition),
    /// There is no row; rows speak against it.
    NoRow,
    /// The only row says `yes` or what is wrong.
    Says,
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(value: &str) -> String {
    format!("E'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

fn table(name: &TableName, schema: &str) -> String {
    format!("{}.{}", quoted(name.schema.as_deref().unwrap_or(schema)), quoted(&name.name))
}

fn regclass(name: &TableName, schema: &str) -> String {
    format!("pg_catalog.to_regclass({})", text(&table(name, schema)))
}

/// The question that an expectation asks the database; `None`: it asks the app. `keys`: the references of a table, for
/// `no_orphans`.
pub fn question(expectation: &Expectation, schema: &str, keys: &[ForeignKey]) -> Option<Question> {
    let database = |sql: String, judge: Judge, expected: String| Question {
        part: CheckPart::Database,
        sql,
        expected,
        judge,
    };
    Some(match &expectation.what {
        Expected::Http(_) => return None,
        Expected::Count { table: name, condition, holds } => database(
            format!(
                "SELECT count(*) FROM {}{}",
                table(name, schema),
                condition.as_ref().map(|condition| format!("\nWHERE {condition}")).unwrap_or_default()
            ),
            Judge::Value(holds.clone()),
            spoken(holds),
        ),
        Expected::Value { sql, holds } => database(trimmed(sql), Judge::Value(holds.clone()), spoken(holds)),
        Expected::None { sql } => database(trimmed(sql), Judge::NoRow, "0".to_owned()),
        Expected::NoneFailed { table: name, column, values } => database(
            format!(
                "SELECT * FROM {}\nWHERE {}::text IN ({})",
                table(name, schema),
                quoted(column),
                values.iter().map(|value| text(value)).collect::<Vec<_>>().join(", ")
            ),
            Judge::NoRow,
            "0".to_owned(),
        ),
        Expected::NoOrphans { table: name, soft } => {
            database(orphans(name, soft.as_ref(), keys, schema), Judge::NoRow, "0".to_owned())
        }
        Expected::SequenceAhead { table: name, column } => Question {
            part: CheckPart::Schema,
            sql: sequence(name, column, schema),
            expected: "ahead".to_owned(),
            judge: Judge::Says,
        },
        Expected::EnumLabels { name, labels } => Question {
            part: CheckPart::Schema,
            sql: format!(
                "SELECT pg_catalog.string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)\nFROM pg_catalog.pg_enum e\nWHERE e.enumtypid = pg_catalog.to_regtype({})",
                text(&table(name, schema))
            ),
            expected: labels.join(", "),
            judge: Judge::Value(Condition::Equals(labels.join(", "))),
        },
        Expected::Exists { table: name, part } => exists(name, part.as_ref(), schema),
    })
}

fn trimmed(sql: &str) -> String {
    sql.trim().trim_end_matches(';').trim_end().to_owned()
}

fn exists(name: &TableName, part: Option<&TablePart>, schema: &str) -> Question {
    let class = regclass(name, schema);
    let (sql, expected) = match part {
        None => (
            format!("SELECT CASE WHEN {class} IS NULL THEN 'it is missing' ELSE 'yes' END"),
            "there".to_owned(),
        ),
        Some(TablePart::Column { name, type_name }) => {
            let found = format!(
                "SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) AS type\nFROM pg_catalog.pg_attribute a\nWHERE a.attrelid = {class} AND a.attname = {} AND a.attnum > 0 AND NOT a.attisdropped",
                text(name)
            );
            let verdict = match type_name {
                None => "CASE WHEN type IS NULL THEN 'it is missing' ELSE 'yes' END".to_owned(),
                Some(wanted) => format!(
                    "CASE WHEN type IS NULL THEN 'it is missing' WHEN type <> {0} THEN 'it is ' || type ELSE 'yes' END",
                    text(wanted)
                ),
            };
            let expected = type_name.clone().unwrap_or_else(|| "there".to_owned());
            (format!("SELECT {verdict}\nFROM (SELECT) AS one LEFT JOIN ({found}) AS found ON true"), expected)
        }
        Some(TablePart::Index { name }) => (
            format!(
                "SELECT CASE WHEN valid IS NULL THEN 'it is missing' WHEN NOT valid THEN 'it is not valid' ELSE 'yes' END\nFROM (SELECT) AS one LEFT JOIN (SELECT x.indisvalid AS valid FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = {class} AND i.relname = {}) AS found ON true",
                text(name)
            ),
            "there".to_owned(),
        ),
        Some(TablePart::Constraint { name }) => (
            format!(
                "SELECT CASE WHEN valid IS NULL THEN 'it is missing' WHEN NOT valid THEN 'it was not checked for old rows' ELSE 'yes' END\nFROM (SELECT) AS one LEFT JOIN (SELECT c.convalidated AS valid FROM pg_catalog.pg_constraint c WHERE c.conrelid = {class} AND c.conname = {}) AS found ON true",
                text(name)
            ),
            "there".to_owned(),
        ),
    };
    Question { part: CheckPart::Schema, sql, expected, judge: Judge::Says }
}

fn orphans(name: &TableName, soft: Option<&SoftReference>, keys: &[ForeignKey], schema: &str) -> String {
    let lost = |columns: &[String], other: &str, referenced: &[String], label: &str| {
        let same: Vec<String> = columns
            .iter()
            .zip(referenced)
            .map(|(own, other)| format!("p.{} = c.{}", quoted(other), quoted(own)))
            .collect();
        let given: Vec<String> = columns.iter().map(|own| format!("c.{} IS NOT NULL", quoted(own))).collect();
        let shown: Vec<String> = columns.iter().map(|own| format!("c.{}::text", quoted(own))).collect();
        format!(
            "SELECT {} AS reference, concat_ws(', ', {}) AS leads_to\nFROM {} c\nWHERE {} AND NOT EXISTS (SELECT FROM {other} p WHERE {})",
            text(label),
            shown.join(", "),
            table(name, schema),
            given.join(" AND "),
            same.join(" AND ")
        )
    };
    let mut parts: Vec<String> = keys
        .iter()
        .map(|key| {
            let other = format!("{}.{}", quoted(&key.schema), quoted(&key.table_name));
            lost(&key.columns, &other, &key.referenced, &key.name)
        })
        .collect();
    if let Some(soft) = soft {
        let label = format!("{} to {}", soft.columns.join(", "), soft.references.name);
        parts = vec![lost(&soft.columns, &table(&soft.references, schema), &soft.referenced, &label)];
    }
    if parts.is_empty() {
        // A table without references has no orphans; that the table is there is asked all the same.
        return format!("SELECT 1 FROM {} WHERE false", table(name, schema));
    }
    parts.join("\nUNION ALL\n")
}

fn sequence(name: &TableName, column: &str, schema: &str) -> String {
    let own = table(name, schema);
    format!(
        "SELECT CASE WHEN s.next IS NULL THEN 'no sequence fills it' WHEN s.next > coalesce(m.highest, s.next - 1) THEN 'yes' ELSE 'the next number is ' || s.next || ', the highest one ' || m.highest END\nFROM (SELECT max({column})::numeric AS highest FROM {own}) AS m,\n     (SELECT max(coalesce(q.last_value + q.increment_by, q.start_value))::numeric AS next FROM pg_catalog.pg_sequences q\n      WHERE pg_catalog.format('%I.%I', q.schemaname, q.sequencename) = pg_catalog.pg_get_serial_sequence({table_text}, {column_text})) AS s",
        column = quoted(column),
        table_text = text(&own),
        column_text = text(column),
    )
}

/// A condition in one value.
pub fn spoken(condition: &Condition) -> String {
    match condition {
        Condition::Equals(value) => value.clone(),
        Condition::AtLeast(value) => format!("≥ {value}"),
        Condition::AtMost(value) => format!("≤ {value}"),
        Condition::Between(low, high) => format!("{low} to {high}"),
        Condition::Unchanged => "unchanged".to_owned(),
        Condition::ChangedBy(by) if by.starts_with('-') => by.clone(),
        Condition::ChangedBy(by) => format!("+{by}"),
    }
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The answer in one value; `None`: there was none.
    pub now: Option<String>,
    /// Verdict.
    pub outcome: Outcome,
    /// Why, as a sentence.
    pub why: Option<String>,
}

/// Judges the rows that a question was answered with. `more`: there were more; `before`: what was found
/// before the newest run.
pub fn judge(question: &Question, rows: &[Vec<Option<String>>], more: bool, before: Option<&str>) -> Judged {
    let known = |now: Option<String>, outcome, why: Option<String>| Judged { now, outcome, why };
    match &question.judge {
        Judge::NoRow => match rows.len() {
            0 => known(Some("0".to_owned()), Outcome::Pass, None),
            count => {
                let count = if more { format!("{count}+") } else { count.to_string() };
                let why = match count.as_str() {
                    "1" => "1 row speaks against it.".to_owned(),
                    count => format!("{} rows speak against it.", whole(count)),
                };
                known(Some(count), Outcome::Block, Some(why))
            }
        },
        Judge::Says => match rows.first().and_then(|row| row.first()).and_then(Option::as_deref) {
            Some("yes") => known(Some(question.expected.clone()), Outcome::Pass, None),
            Some(said) => known(
                Some(said.to_owned()),
                Outcome::Block,
                Some(format!("Expected {}, but {said}.", question.expected)),
            ),
            None => known(None, Outcome::Unknown, Some("The query answered nothing.".to_owned())),
        },
        Judge::Value(condition) => {
            if rows.len() > 1 || more {
                let why = "The query answers more than one row; one is needed.".to_owned();
                return known(None, Outcome::Unknown, Some(why));
            }
            let Some(row) = rows.first() else {
                return known(
                    None,
                    Outcome::Block,
                    Some("The query answers no row; one was expected.".to_owned()),
                );
            };
            match row.first().cloned().flatten() {
                None => known(Some("NULL".to_owned()), Outcome::Block, Some("The value is NULL.".to_owned())),
                Some(value) => {
                    let (outcome, why) = holds(condition, &value, before);
                    known(Some(value), outcome, why)
                }
            }
        }
    }
}

pub(super) fn holds(condition: &Condition, value: &str, before: Option<&str>) -> (Outcome, Option<String>) {
    let verdict = |well: bool, why: String| {
        if well { (Outcome::Pass, None) } else { (Outcome::Block, Some(why)) }
    };
    let numbers = |bounds: &[&str]| is_number(value) && bounds.iter().all(|bound| is_number(bound));
    let no_number = || (Outcome::Unknown, Some(format!("`{value}` is no number that can be compared.")));
    match condition {
        Condition::Equals(wanted) => {
            let same = value == wanted || (numbers(&[wanted]) && compare(value, wanted).is_eq());
            verdict(same, format!("Expected {wanted}, found {value}."))
        }
        Condition::AtLeast(least) if numbers(&[least]) => {
            verdict(compare(value, least).is_ge(), format!("Expected {least} or more, found {value}."))
        }
        Condition::AtMost(most) if numbers(&[most]) => {
            verdict(compare(value, most).is_le(), format!("Expected {most} or less, found {value}."))
        }
        Condition::Between(low, high) if numbers(&[low, high]) => verdict(
            compare(value, low).is_ge() && compare(value, high).is_le(),
            format!("Expected {low} to {high}, found {value}."),
        ),
        Condition::Unchanged => match before {
            None => (
                Outcome::Unknown,
                Some("It was not read before a run, so there is nothing to compare with.".to_owned()),
            ),
            Some(before) => {
                verdict(before == value, format!("It was {before} before the run and is {value} now."))
            }
        },
        Condition::ChangedBy(by) => match before.and_then(|before| difference(value, before)) {
            None => (
                Outcome::Unknown,
                Some("It was not read before a run, so there is nothing to compare with.".to_owned()),
            ),
            Some(changed) => verdict(
                by.trim_start_matches('+').parse::<i128>().is_ok_and(|by| by == changed),
                format!("Expected a change by {by}, found {changed}."),
            ),
        },
        _ => no_number(),
    }
}

fn difference(now: &str, before: &str) -> Option<i128> {
    now.parse::<i128>().ok()?.checked_sub(before.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(condition: Condition) -> Question {
        Question {
            part: CheckPart::Database,
            sql: String::new(),
            expected: String::new(),
            judge: Judge::Value(condition),
        }
    }

    fn found(condition: Condition, value_: Option<&str>, before: Option<&str>) -> Outcome {
        judge(&value(condition), &[vec![value_.map(str::to_owned)]], false, before).outcome
    }

    #[test]
    fn conditions_hold_digit_by_digit_and_what_cannot_be_told_is_unknown() {
        let text = |text: &str| text.to_owned();
        for (condition, now, before, expected) in [
            (Condition::Equals(text("8")), Some("8"), None, Outcome::Pass),
            (Condition::Equals(text("8.0")), Some("8"), None, Outcome::Pass),
            (Condition::Equals(text("ok")), Some("OK"), None, Outcome::Block),
            (
                Condition::AtLeast(text("9999999999999999999999")),
                Some("10000000000000000000000"),
                None,
                Outcome::Pass,
            ),
            (Condition::AtMost(text("1")), Some("1.01"), None, Outcome::Block),
            (Condition::Between(text("-1"), text("1")), Some("0"), None, Outcome::Pass),
            (Condition::AtLeast(text("1")), Some("many"), None, Outcome::Unknown),
            (Condition::AtLeast(text("1")), None, None, Outcome::Block),
            (Condition::Unchanged, Some("5"), None, Outcome::Unknown),
            (Condition::Unchanged, Some("5"), Some("5"), Outcome::Pass),
            (Condition::ChangedBy(text("-1")), Some("4"), Some("5"), Outcome::Pass),
            (Condition::ChangedBy(text("3")), Some("4"), Some("5"), Outcome::Block),
        ] {
            assert_eq!(
                found(condition.clone(), now, before),
                expected,
                "{condition:?} with {now:?} after {before:?}"
            );
        }
        let two = [vec![Some(text("1"))], vec![Some(text("2"))]];
        assert_eq!(judge(&value(Condition::Equals(text("1"))), &two, false, None).outcome, Outcome::Unknown);
    }
}
