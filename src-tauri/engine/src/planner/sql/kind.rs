//! What a statement means for a transaction around it.

use super::{
    command::{Command, TableAction},
    cursor::Cursor,
    lex::{Lexer, Token, TokenKind},
};
use crate::domain::statement::StatementKind::{self, *};

/// Settings that `SET LOCAL` may change without touching the ledger's own rows: limits and memory.
const HARMLESS_LOCAL_SETTINGS: &[&str] = &[
    "lock_timeout",
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "transaction_timeout",
    "deadlock_timeout",
    "work_mem",
    "maintenance_work_mem",
    "max_parallel_workers_per_gather",
    "max_parallel_maintenance_workers",
    "jit",
    "client_min_messages",
    "synchronous_commit",
    "check_function_bodies",
];

/// First words of statements that run in a transaction and leave the session as it was.
const ORDINARY_WORDS: &[&str] = &[
    "ALTER",
    "ANALYSE",
    "ANALYZE",
    "CHECKPOINT",
    "CLOSE",
    "CLUSTER",
    "COMMENT",
    "COPY",
    "CREATE",
    "DECLARE",
    "DELETE",
    "DROP",
    "EXPLAIN",
    "FETCH",
    "GRANT",
    "IMPORT",
    "INSERT",
    "LOCK",
    "MERGE",
    "MOVE",
    "NOTIFY",
    "REASSIGN",
    "REFRESH",
    "REINDEX",
    "REVOKE",
    "SECURITY",
    "SELECT",
    "TABLE",
    "TRUNCATE",
    "UPDATE",
    "VALUES",
    "WITH",
];

/// The kind of a statement. A DO block whose body provably neither commits nor touches the session is
/// [`Ordinary`]; what is not known is [`Procedural`].
pub(super) fn kind(script: &str, tokens: &[Token], command: &Command) -> StatementKind {
    let cursor = Cursor::new(script, tokens);
    if let Some(found) =
        transaction_control(cursor).or_else(|| session(cursor)).or_else(|| outside(cursor, command))
    {
        return found;
    }
    if cursor.sees("CALL") {
        return Procedural;
    }
    if cursor.sees("DO") {
        return do_block(script, tokens);
    }
    if matches!(command, Command::AddEnumValue { .. }) {
        return AddEnumValue;
    }
    if makes_temporary(cursor, command) || calls_session_function(script, tokens) {
        return Session;
    }
    let known = cursor.sees_symbol(b'(')
        || cursor.sees("SET CONSTRAINTS")
        || cursor.sees("SET LOCAL")
        || ORDINARY_WORDS.iter().any(|word| cursor.sees(word));
    if known { Ordinary } else { Procedural }
}

fn transaction_control(cursor: Cursor<'_>) -> Option<StatementKind> {
    const WORDS: &[&str] = &[
        "BEGIN",
        "START TRANSACTION",
        "COMMIT",
        "END",
        "ROLLBACK",
        "ABORT",
        "SAVEPOINT",
        "RELEASE",
        "PREPARE TRANSACTION",
        "SET TRANSACTION",
        "SET LOCAL TRANSACTION",
    ];
    WORDS.iter().any(|words| cursor.sees(words)).then_some(TransactionControl)
}

fn session(mut cursor: Cursor<'_>) -> Option<StatementKind> {
    if cursor.sees("DISCARD ALL") {
        return Some(OutsideTransaction);
    }
    const WORDS: &[&str] =
        &["RESET", "DISCARD", "LISTEN", "UNLISTEN", "LOAD", "PREPARE", "EXECUTE", "DEALLOCATE"];
    if WORDS.iter().any(|word| cursor.sees(word)) {
        return Some(Session);
    }
    if cursor.take("SET LOCAL") {
        let harmless = HARMLESS_LOCAL_SETTINGS.iter().any(|setting| cursor.sees(setting));
        return (!harmless).then_some(Session);
    }
    if cursor.sees("SET") && !cursor.sees("SET CONSTRAINTS") {
        return Some(Session);
    }
    (cursor.sees("DECLARE") && cursor.has(&["WITH HOLD"])).then_some(Session)
}

/// Statements that PostgreSQL refuses inside a transaction block.
fn outside(mut cursor: Cursor<'_>, command: &Command) -> Option<StatementKind> {
    let refused = match command {
        Command::CreateIndex(index) => index.concurrently,
        Command::Drop(drop) => {
            drop.concurrently || matches!(drop.kind.words, "database" | "tablespace" | "subscription")
        }
        Command::Create { kind, .. } => match kind.words {
            "database" | "tablespace" => true,
            "subscription" => !says_no(cursor, &["create_slot", "connect"]),
            _ => false,
        },
        Command::Alter { kind, .. } => match kind.words {
            "database" => cursor.has(&["SET TABLESPACE"]),
            "subscription" => {
                cursor.has(&["REFRESH", "SET PUBLICATION", "ADD PUBLICATION", "DROP PUBLICATION"])
                    && !says_no(cursor, &["refresh"])
            }
            _ => false,
        },
        Command::AlterTable(table) => table
            .actions
            .iter()
            .any(|action| matches!(action, TableAction::DetachPartition { concurrently: true, .. })),
        _ => {
            cursor.sees("VACUUM")
                || cursor.sees("ALTER SYSTEM")
                || cursor.take("CLUSTER") && clusters_everything(cursor)
                || cursor.take("REINDEX") && reindexes_by_itself(cursor)
        }
    };
    refused.then_some(OutsideTransaction)
}

fn clusters_everything(mut cursor: Cursor<'_>) -> bool {
    let _ = cursor.parentheses();
    cursor.take("VERBOSE");
    cursor.is_done()
}

fn reindexes_by_itself(mut cursor: Cursor<'_>) -> bool {
    let concurrently = cursor.parentheses().is_some_and(|options| options.has(&["CONCURRENTLY"]));
    concurrently || ["SCHEMA", "DATABASE", "SYSTEM"].iter().any(|what| cursor.sees(what)) || {
        cursor.take_any(&["TABLE", "INDEX"]);
        cursor.sees("CONCURRENTLY")
    }
}

/// Whether one of these options of the last parentheses is switched off.
fn says_no(mut cursor: Cursor<'_>, options: &[&str]) -> bool {
    while !cursor.is_done() {
        if let Some(mut list) = cursor.parentheses() {
            while !list.is_done() {
                if options.iter().any(|option| list.take(option)) {
                    list.take_symbol(b'=');
                    let value = list.next().map(|token| {
                        token.constant(list.script()).unwrap_or_else(|| token.text(list.script()).to_owned())
                    });
                    if value.is_some_and(|value| {
                        matches!(value.to_lowercase().as_str(), "false" | "off" | "0" | "no")
                    }) {
                        return true;
                    }
                } else {
                    let _ = list.next();
                }
            }
        } else {
            cursor.skip();
        }
    }
    false
}

fn makes_temporary(cursor: Cursor<'_>, command: &Command) -> bool {
    let in_temporary_schema = |schema: &Option<String>| schema.as_deref() == Some("pg_temp");
    match command {
        Command::CreateTable(table) => {
            (table.temporary || in_temporary_schema(&table.name.schema)) && !cursor.has(&["ON COMMIT DROP"])
        }
        Command::Create { name, .. } => {
            in_temporary_schema(&name.schema)
                || [
                    "CREATE TEMP",
                    "CREATE TEMPORARY",
                    "CREATE OR REPLACE TEMP",
                    "CREATE OR REPLACE TEMPORARY",
                ]
                .iter()
                .any(|words| cursor.sees(words))
        }
        _ => false,
    }
}

fn calls_session_function(script: &str, tokens: &[Token]) -> bool {
    tokens.windows(2).any(|pair| match pair {
        [name, open] if open.is_symbol(b'(') => {
            name.name(script).is_some_and(|name| is_session_function(&name))
        }
        _ => false,
    })
}

/// Functions whose effect outlives the transaction in the session.
fn is_session_function(name: &str) -> bool {
    matches!(
        name,
        "set_config"
            | "setseed"
            | "dblink_connect"
            | "dblink_connect_u"
            | "dblink_disconnect"
            | "pg_replication_origin_session_setup"
    ) || name.starts_with("pg_advisory_")
        || name.starts_with("pg_try_advisory_")
}

/// Whether code in a string could change the session once it runs.
pub(super) fn mentions_session(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    [
        "set_config",
        "search_path",
        "pg_advisory_",
        "pg_try_advisory_",
        "dblink_connect",
        "set role",
        "set session",
        "session authorization",
        "create temp",
        "discard ",
    ]
    .iter()
    .any(|words| code.contains(words))
}

fn do_block(script: &str, tokens: &[Token]) -> StatementKind {
    let mut cursor = Cursor::new(script, tokens);
    let mut body = None;
    while let Some(token) = cursor.next() {
        if token.is_word(script, "LANGUAGE") {
            let language = cursor.next().map(|token| {
                token.constant(script).or_else(|| token.name(script)).unwrap_or_default().to_lowercase()
            });
            if language.as_deref() != Some("plpgsql") {
                return Procedural;
            }
        } else if matches!(token.kind, TokenKind::Text | TokenKind::EscapedText | TokenKind::DollarText) {
            body = token.constant(script);
        }
    }
    body.map_or(Procedural, |body| code_kind(&body))
}

/// The kind of a PL/pgSQL block, from the words in it.
fn code_kind(code: &str) -> StatementKind {
    let mut lexer = Lexer::new(code);
    let tokens: Vec<Token> = lexer.by_ref().collect();
    if lexer.doubt.is_some() {
        return Procedural;
    }
    let ends = |token: &Token| ["COMMIT", "ROLLBACK", "CALL"].iter().any(|word| token.is_word(code, word));
    if tokens.iter().any(ends) {
        return Procedural;
    }
    let mut starts = true;
    for (at, token) in tokens.iter().enumerate() {
        if starts {
            let cursor = Cursor::new(code, tokens.get(at..).unwrap_or_default());
            let temporary = cursor.sees("CREATE TEMP") || cursor.sees("CREATE TEMPORARY");
            let discards =
                ["RESET", "DISCARD", "LISTEN", "UNLISTEN", "LOAD"].iter().any(|word| cursor.sees(word));
            if temporary || discards || cursor.sees("SET") && session(cursor).is_some() {
                return Session;
            }
        }
        starts = token.is_symbol(b';')
            || ["BEGIN", "THEN", "ELSE", "LOOP"].iter().any(|word| token.is_word(code, word));
    }
    if calls_session_function(code, &tokens) || mentions_session(code) { Session } else { Ordinary }
}
