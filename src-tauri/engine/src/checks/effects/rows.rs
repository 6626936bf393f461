//! Where a statement writes rows, and whether those go when the migration's own objects go.

use super::words::{Word, at_commas, begins, words};
use crate::domain::statement::{Action, Effect, ObjectKind, Script};

/// Whether a statement writes only into tables or columns that the script itself makes, so that taking
/// those back takes its rows back too.
pub fn writes_only_into_own(sql: &str, script: &Script) -> bool {
    let words = words(sql);
    let own = |kind: ObjectKind, parent: Option<&str>, name: &str| {
        script.statements.iter().flat_map(|statement| &statement.effects).any(|effect| {
            effect.action == Action::Create
                && effect.kind == kind
                && !effect.conditional
                && effect.parent.as_deref() == parent
                && effect.name == name
        })
    };
    if begins(&words, "insert into") {
        return target(&words[2..]).is_some_and(|(table, _)| own(ObjectKind::Table, None, table));
    }
    if !begins(&words, "update") {
        return false;
    }
    let after = if begins(&words, "update only") { &words[2..] } else { &words[1..] };
    let Some((table, rest)) = target(after) else { return false };
    if own(ObjectKind::Table, None, table) {
        return true;
    }
    let Some(set) = rest.iter().position(|word| word.is("set")) else { return false };
    // Commas after FROM name more tables; they fail the test below and make the answer no, which is the
    // careful one.
    at_commas(&rest[set + 1..]).iter().all(|assignment| match assignment {
        [column, equals, ..] if equals.is("=") => own(ObjectKind::Column, Some(table), &column.text),
        _ => false,
    })
}

/// The table at the beginning, without its schema, and what follows.
fn target(words: &[Word]) -> Option<(&str, &[Word])> {
    let (mut name, mut rest) = words.split_first()?;
    while begins(rest, ".") {
        (name, rest) = rest.get(1..)?.split_first()?;
    }
    Some((&name.text, rest))
}

/// Whether a statement destroys rows or what holds them, as far as its text tells.
pub fn destroys(sql: &str, effects: &[Effect]) -> bool {
    let words = words(sql);
    let drops = effects.iter().any(|effect| {
        effect.action == Action::Drop
            && matches!(effect.kind, ObjectKind::Table | ObjectKind::Column | ObjectKind::Schema)
    });
    let renames = words.iter().any(|word| word.is("rename"));
    (drops && !renames) || begins(&words, "truncate") || begins(&words, "delete")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::sql::analyse;

    #[test]
    fn rows_in_own_tables_and_columns_go_with_them() {
        let script = analyse("CREATE TABLE made (id int); ALTER TABLE users ADD COLUMN lower text;");
        for (sql, own) in [
            ("INSERT INTO made VALUES (1)", true),
            ("INSERT INTO \"public\".\"made\" (id) SELECT 1", true),
            ("INSERT INTO users (id) VALUES (1)", false),
            ("UPDATE users SET lower = lower(email) WHERE id IN (1, 2)", true),
            ("UPDATE users SET lower = 'x', email = 'y'", false),
            ("UPDATE made SET id = 2", true),
            ("DELETE FROM made", false),
            ("UPDATE users u SET lower = o.x FROM other o, third t", false),
        ] {
            assert_eq!(writes_only_into_own(sql, &script), own, "{sql}");
        }
    }
}
