//! From the tokens of a statement to a [`Command`]. Reads what it needs and passes over the rest.

use super::{
    command::{Command, CreateIndex, CreateTable, Drop, Thing, Verb},
    cursor::{Cursor, Name},
    lex::{Token, TokenKind},
    parse_table,
};
use crate::domain::statement::ObjectKind;

/// Kinds of objects, longest words first where one begins like another.
const THINGS: &[(&str, &str, Option<ObjectKind>)] = &[
    ("MATERIALIZED VIEW", "materialized view", Some(ObjectKind::MaterializedView)),
    ("FOREIGN TABLE", "foreign table", Some(ObjectKind::Table)),
    ("FOREIGN DATA WRAPPER", "foreign data wrapper", None),
    ("TABLE", "table", Some(ObjectKind::Table)),
    ("VIEW", "view", Some(ObjectKind::View)),
    ("INDEX", "index", Some(ObjectKind::Index)),
    ("SEQUENCE", "sequence", Some(ObjectKind::Sequence)),
    ("TYPE", "type", Some(ObjectKind::Type)),
    ("DOMAIN", "domain", Some(ObjectKind::Type)),
    ("FUNCTION", "function", Some(ObjectKind::Function)),
    ("PROCEDURE", "procedure", Some(ObjectKind::Function)),
    ("ROUTINE", "routine", Some(ObjectKind::Function)),
    ("AGGREGATE", "aggregate", Some(ObjectKind::Function)),
    ("CONSTRAINT TRIGGER", "trigger", Some(ObjectKind::Trigger)),
    ("EVENT TRIGGER", "event trigger", None),
    ("TRIGGER", "trigger", Some(ObjectKind::Trigger)),
    ("EXTENSION", "extension", Some(ObjectKind::Extension)),
    ("SCHEMA", "schema", Some(ObjectKind::Schema)),
    ("POLICY", "policy", Some(ObjectKind::Policy)),
    ("RULE", "rule", None),
    ("DATABASE", "database", None),
    ("TABLESPACE", "tablespace", None),
    ("ROLE", "role", None),
    ("USER MAPPING", "user mapping", None),
    ("USER", "role", None),
    ("GROUP", "role", None),
    ("SERVER", "server", None),
    ("PUBLICATION", "publication", None),
    ("SUBSCRIPTION", "subscription", None),
    ("STATISTICS", "statistics", None),
    ("COLLATION", "collation", None),
    ("CONVERSION", "conversion", None),
    ("TEXT SEARCH CONFIGURATION", "text search configuration", None),
    ("TEXT SEARCH DICTIONARY", "text search dictionary", None),
    ("TEXT SEARCH PARSER", "text search parser", None),
    ("TEXT SEARCH TEMPLATE", "text search template", None),
    ("ACCESS METHOD", "access method", None),
    ("LANGUAGE", "language", None),
    ("OPERATOR CLASS", "operator class", None),
    ("OPERATOR FAMILY", "operator family", None),
];

/// Reads one statement.
pub(super) fn parse(script: &str, tokens: &[Token]) -> Command {
    let mut cursor = Cursor::new(script, tokens);
    let read = match () {
        () if cursor.take("CREATE") => create(&mut cursor),
        () if cursor.take("ALTER") => alter(&mut cursor),
        () if cursor.take("DROP") => drop(&mut cursor),
        () if cursor.take("TRUNCATE") => truncate(&mut cursor),
        () if cursor.take("LOCK") => lock(&mut cursor),
        () if cursor.take("COPY") => copy(&mut cursor),
        () if cursor.take("COMMENT ON") => Some(comment(&mut cursor)),
        () if cursor.sees("VACUUM")
            || cursor.sees("ANALYZE")
            || cursor.sees("ANALYSE")
            || cursor.sees("CLUSTER")
            || cursor.sees("REINDEX")
            || cursor.sees("REFRESH MATERIALIZED VIEW") =>
        {
            Some(maintain(&mut cursor))
        }
        () if is_about_rows(&cursor) => Some(rows(cursor)),
        () => None,
    };
    read.unwrap_or_else(|| Command::Other { words: leading_words(script, tokens) })
}

/// The first words in lower case, at most four, for want of a better summary.
fn leading_words(script: &str, tokens: &[Token]) -> String {
    let words: Vec<String> = tokens
        .iter()
        .take(4)
        .map_while(|token| (token.kind == TokenKind::Word).then(|| token.text(script).to_lowercase()))
        .collect();
    words.join(" ")
}

fn thing(cursor: &mut Cursor<'_>) -> Option<Thing> {
    THINGS.iter().find(|(keywords, ..)| cursor.take(keywords)).map(|&(_, words, kind)| Thing { words, kind })
}

fn create(cursor: &mut Cursor<'_>) -> Option<Command> {
    let replace = cursor.take("OR REPLACE");
    let mut temporary = false;
    while let Some(word) = cursor.take_any(&[
        "GLOBAL",
        "LOCAL",
        "TEMPORARY",
        "TEMP",
        "UNLOGGED",
        "RECURSIVE",
        "TRUSTED",
        "PROCEDURAL",
    ]) {
        temporary |= word.starts_with("TEMP");
    }
    if cursor.take("TABLE") {
        return parse_table::create_table(cursor, temporary).map(Command::CreateTable);
    }
    if cursor.sees("UNIQUE INDEX") || cursor.sees("INDEX") {
        return create_index(cursor);
    }
    let kind = thing(cursor)?;
    let conditional = cursor.take_condition();
    if kind.words == "schema" && cursor.take("AUTHORIZATION") {
        let name = cursor.name()?;
        return Some(Command::Create { kind, name, on: None, conditional, replace });
    }
    let name = cursor.name()?;
    if kind.words == "type" && cursor.take("AS ENUM") {
        let labels = cursor.parentheses().map(|labels| constants(&labels)).unwrap_or_default();
        return Some(Command::CreateEnum { name, labels });
    }
    let on = match kind.words {
        "trigger" | "policy" => cursor.seek(&["ON"]).and_then(|_| cursor.name()),
        "rule" => cursor.seek(&["TO"]).and_then(|_| cursor.name()),
        "statistics" => cursor.seek(&["FROM"]).and_then(|_| cursor.name()),
        _ => None,
    };
    Some(Command::Create { kind, name, on, conditional, replace })
}

/// The string constants of a list.
fn constants(list: &Cursor<'_>) -> Vec<String> {
    list.rest().iter().filter_map(|token| token.constant(list.script())).collect()
}

fn create_index(cursor: &mut Cursor<'_>) -> Option<Command> {
    let unique = cursor.take("UNIQUE");
    cursor.take("INDEX");
    let concurrently = cursor.take("CONCURRENTLY");
    let conditional = cursor.take_condition();
    let name = if cursor.take("ON") {
        None
    } else {
        let name = cursor.identifier();
        cursor.take("ON");
        name
    };
    cursor.take("ONLY");
    let table = cursor.name()?;
    Some(Command::CreateIndex(CreateIndex { name, table, unique, concurrently, conditional }))
}

fn alter(cursor: &mut Cursor<'_>) -> Option<Command> {
    if cursor.take("TABLE") {
        if cursor.take("ALL IN TABLESPACE") {
            return None;
        }
        return parse_table::alter_table(cursor).map(Command::AlterTable);
    }
    let kind = thing(cursor)?;
    let conditional = cursor.take_condition();
    let name = cursor.name()?;
    if kind.words == "type" && cursor.take("ADD VALUE") {
        let conditional = cursor.take_condition();
        let label = cursor.next()?.constant(cursor.script()).unwrap_or_default();
        return Some(Command::AddEnumValue { name, label, conditional });
    }
    if kind.words == "type" && cursor.take("RENAME VALUE") {
        let from = cursor.next()?.constant(cursor.script()).unwrap_or_default();
        cursor.take("TO");
        let to = cursor.next()?.constant(cursor.script()).unwrap_or_default();
        return Some(Command::RenameEnumValue { name, from, to });
    }
    if kind.kind == Some(ObjectKind::Function) && cursor.sees_symbol(b'(') {
        cursor.skip();
    }
    let on = match kind.words {
        "trigger" | "policy" | "rule" if cursor.take("ON") => cursor.name(),
        _ => None,
    };
    let renamed = if cursor.take("RENAME TO") { cursor.identifier() } else { None };
    Some(Command::Alter { kind, name, on, conditional, renamed })
}

fn drop(cursor: &mut Cursor<'_>) -> Option<Command> {
    cursor.take("PROCEDURAL");
    if cursor.take("OWNED BY") {
        let kind = Thing { words: "everything owned by", kind: None };
        let names = cursor.names();
        let cascade = cursor.has(&["CASCADE"]);
        return Some(Command::Drop(Drop {
            kind,
            names,
            on: None,
            conditional: false,
            cascade,
            concurrently: false,
        }));
    }
    let kind = thing(cursor)?;
    let concurrently = cursor.take("CONCURRENTLY");
    let conditional = cursor.take_condition();
    let mut names = Vec::new();
    while let Some(name) = cursor.name() {
        names.push(name);
        if cursor.sees_symbol(b'(') {
            cursor.skip();
        }
        if !cursor.take_symbol(b',') {
            break;
        }
    }
    let on = match kind.words {
        "trigger" | "policy" | "rule" if cursor.take("ON") => cursor.name(),
        _ => None,
    };
    let cascade = cursor.has(&["CASCADE"]);
    Some(Command::Drop(Drop { kind, names, on, conditional, cascade, concurrently }))
}

fn truncate(cursor: &mut Cursor<'_>) -> Option<Command> {
    cursor.take("TABLE");
    let mut tables = Vec::new();
    loop {
        cursor.take("ONLY");
        let Some(name) = cursor.name() else { break };
        tables.push(name);
        cursor.take_symbol(b'*');
        if !cursor.take_symbol(b',') {
            break;
        }
    }
    (!tables.is_empty()).then(|| Command::Truncate { tables, cascade: cursor.has(&["CASCADE"]) })
}

fn lock(cursor: &mut Cursor<'_>) -> Option<Command> {
    cursor.take("TABLE");
    cursor.take("ONLY");
    let tables = cursor.names();
    const MODES: &[(&str, &str)] = &[
        ("IN ACCESS SHARE MODE", "AccessShareLock"),
        ("IN ROW SHARE MODE", "RowShareLock"),
        ("IN ROW EXCLUSIVE MODE", "RowExclusiveLock"),
        ("IN SHARE UPDATE EXCLUSIVE MODE", "ShareUpdateExclusiveLock"),
        ("IN SHARE ROW EXCLUSIVE MODE", "ShareRowExclusiveLock"),
        ("IN SHARE MODE", "ShareLock"),
        ("IN EXCLUSIVE MODE", "ExclusiveLock"),
    ];
    let mode =
        MODES.iter().find(|(words, _)| cursor.take(words)).map_or("AccessExclusiveLock", |(_, mode)| mode);
    (!tables.is_empty()).then_some(Command::Lock { tables, mode })
}

fn copy(cursor: &mut Cursor<'_>) -> Option<Command> {
    let table = cursor.name();
    let verb = match cursor.seek(&["FROM", "TO"])? {
        "FROM" => Verb::CopyIn,
        _ => Verb::CopyOut,
    };
    let written = if verb == Verb::CopyIn { table.clone().into_iter().collect() } else { Vec::new() };
    Some(Command::Rows { verb, table, whole: false, written })
}

fn comment(cursor: &mut Cursor<'_>) -> Command {
    let table = if cursor.take("TABLE") {
        cursor.name()
    } else if cursor.take("COLUMN") {
        // The last two parts are all the name reader keeps, so the schema is not known here.
        cursor.name().and_then(|column| column.schema).map(|name| Name { schema: None, name })
    } else {
        None
    };
    Command::Comment { table }
}

fn maintain(cursor: &mut Cursor<'_>) -> Command {
    let verb = match cursor.take_any(&["VACUUM", "ANALYZE", "ANALYSE", "CLUSTER", "REINDEX"]) {
        Some("VACUUM") => "Vacuum",
        Some("CLUSTER") => "Cluster",
        Some("REINDEX") => "Rebuild the indexes of",
        Some(_) => "Update statistics of",
        None => {
            cursor.take("REFRESH MATERIALIZED VIEW");
            "Refresh materialized view"
        }
    };
    let mut concurrently = false;
    let mut full = false;
    if let Some(options) = cursor.parentheses() {
        concurrently |= options.has(&["CONCURRENTLY"]);
        full |= options.has(&["FULL"]);
    }
    let mut table = true;
    let mut verb_of_index = None;
    while let Some(word) = cursor.take_any(&[
        "FULL",
        "FREEZE",
        "VERBOSE",
        "ANALYZE",
        "CONCURRENTLY",
        "TABLE",
        "INDEX",
        "SCHEMA",
        "DATABASE",
        "SYSTEM",
    ]) {
        match word {
            "FULL" => full = true,
            "CONCURRENTLY" => concurrently = true,
            "INDEX" => {
                table = false;
                verb_of_index = Some("Rebuild index");
            }
            "SCHEMA" | "DATABASE" | "SYSTEM" => table = false,
            _ => {}
        }
    }
    let target = cursor.name();
    if let Some(verb) = verb_of_index {
        return Command::Other {
            words: format!("{verb} {}", target.map(|name| name.to_string()).unwrap_or_default()),
        };
    }
    Command::Maintain { verb, target: target.filter(|_| table), concurrently, full }
}

fn is_about_rows(cursor: &Cursor<'_>) -> bool {
    cursor.sees_symbol(b'(')
        || ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE", "EXPLAIN"]
            .iter()
            .any(|word| cursor.sees(word))
}

/// Statements about rows: the main verb and table, and every table that is written to, also inside WITH.
fn rows(start: Cursor<'_>) -> Command {
    let mut written = Vec::new();
    let mut main = (Verb::Query, None, false);
    let mut cursor = start;
    let mut depth = 0_usize;
    let mut opens = true;
    let with = start.sees("WITH");
    while !cursor.is_done() {
        if cursor.take_symbol(b'(') {
            depth += 1;
            opens = true;
            continue;
        }
        if cursor.take_symbol(b')') {
            depth = depth.saturating_sub(1);
            opens = with && depth == 0;
            continue;
        }
        if cursor.peek().is_some_and(|token| token.kind != TokenKind::Word) {
            opens = false;
            let _ = cursor.next();
            continue;
        }
        let before = cursor;
        let verb = if cursor.take("INSERT INTO") {
            Some(Verb::Insert)
        } else if cursor.take("DELETE FROM") {
            Some(Verb::Delete)
        } else if cursor.take("MERGE INTO") {
            Some(Verb::Merge)
        } else if opens && cursor.take("UPDATE") {
            Some(Verb::Update)
        } else {
            None
        };
        opens = false;
        let Some(verb) = verb else {
            if depth == 0
                && main.0 == Verb::Query
                && cursor.take("INTO")
                && let Some(table) = select_into(&mut cursor)
            {
                return Command::CreateTable(table);
            }
            if cursor.take("EXPLAIN") {
                opens = true;
                let _ = cursor.parentheses();
                while cursor.take_any(&["ANALYZE", "VERBOSE"]).is_some() {}
            } else {
                let _ = cursor.next();
            }
            continue;
        };
        cursor.take("ONLY");
        let Some(table) = cursor.name() else { continue };
        written.push(table.clone());
        if depth == 0 && main.0 == Verb::Query {
            let whole = matches!(verb, Verb::Update | Verb::Delete) && !before.has(&["WHERE"]);
            main = (verb, Some(table), whole);
        }
    }
    written.sort();
    written.dedup();
    Command::Rows { verb: main.0, table: main.1, whole: main.2, written }
}

fn select_into(cursor: &mut Cursor<'_>) -> Option<CreateTable> {
    let mut temporary = false;
    while let Some(word) = cursor.take_any(&["TEMPORARY", "TEMP", "UNLOGGED", "TABLE"]) {
        temporary |= word.starts_with("TEMP");
    }
    Some(CreateTable {
        name: cursor.name()?,
        conditional: false,
        temporary,
        from_query: true,
        columns: Vec::new(),
        constraints: Vec::new(),
        partition_of: None,
        inherits: Vec::new(),
    })
}
