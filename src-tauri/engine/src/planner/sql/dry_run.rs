//! Whether a script can be tried in a transaction that is taken back, and what would stay all the same.

use super::{
    analyse,
    lex::{Lexer, Token, TokenKind},
    tokens_of,
};
use crate::domain::statement::{Script, ScriptMode, Statement, StatementKind};

/// Whether the script can be tried inside one transaction that is rolled back; else why not, in plain words.
///
/// A script that is only wrapped in BEGIN and COMMIT can be tried after [`unwrapped`]. Session settings are no
/// obstacle: a dry run has a connection of its own.
pub fn dry_runnable(script: &Script) -> Result<(), String> {
    if let Some(doubt) = &script.uncertain {
        return Err(format!("{doubt} What cannot be taken apart is not tried on the target."));
    }
    for statement in &script.statements {
        let place =
            format!("Statement {} on line {} ({})", statement.number, statement.line, statement.summary);
        match statement.kind {
            StatementKind::OutsideTransaction => {
                return Err(format!(
                    "{place} cannot run inside a transaction, so it cannot be tried and taken back."
                ));
            }
            StatementKind::TransactionControl => {
                return Err(format!(
                    "{place} begins or ends a transaction itself, which would make a trial permanent or end it early."
                ));
            }
            StatementKind::Procedural => {
                return Err(format!("{place} may commit on its own, so it cannot be tried and taken back."));
            }
            StatementKind::Ordinary | StatementKind::Session | StatementKind::AddEnumValue => {}
        }
    }
    let uses_new_value = script.mode == ScriptMode::Stepwise;
    if uses_new_value {
        return Err(script.mode_reason.clone());
    }
    Ok(())
}

/// The script without its own BEGIN and COMMIT, if these only wrap it as a whole; for dry runs.
///
/// The two words are replaced by spaces, so line numbers and error positions stay. `None` if the transaction asks
/// for anything but the defaults, or if what it wraps cannot be tried either.
pub fn unwrapped(script: &str, analysed: &Script) -> Option<String> {
    if analysed.uncertain.is_some() {
        return None;
    }
    let [first, middle @ .., last] = analysed.statements.as_slice() else { return None };
    let inner_controls = middle.iter().any(|statement| statement.kind == StatementKind::TransactionControl);
    if inner_controls || !opens_plainly(script, first) || !closes_plainly(script, last) {
        return None;
    }
    let mut inner = script.to_owned();
    for statement in [last, first] {
        let range = statement.start as usize..statement.end as usize;
        let blanks = blanked(script.get(range.clone())?);
        inner.replace_range(range, &blanks);
    }
    dry_runnable(&analyse(&inner)).is_ok().then_some(inner)
}

/// As many spaces as bytes; line breaks stay. The words are ASCII unless a comment stands between them.
fn blanked(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\r' => character,
            _ => ' ',
        })
        .collect()
}

fn words_of(script: &str, statement: &Statement) -> String {
    let words: Vec<String> =
        tokens_of(script, statement).iter().map(|token| token.text(script).to_ascii_uppercase()).collect();
    words.join(" ")
}

fn opens_plainly(script: &str, statement: &Statement) -> bool {
    let words = words_of(script, statement);
    let options = ["BEGIN WORK", "BEGIN TRANSACTION", "START TRANSACTION", "BEGIN"]
        .iter()
        .find_map(|opening| words.strip_prefix(opening));
    matches!(options.map(str::trim), Some("" | "ISOLATION LEVEL READ COMMITTED" | "READ WRITE"))
}

fn closes_plainly(script: &str, statement: &Statement) -> bool {
    matches!(
        words_of(script, statement).as_str(),
        "COMMIT"
            | "COMMIT WORK"
            | "COMMIT TRANSACTION"
            | "COMMIT AND NO CHAIN"
            | "END"
            | "END WORK"
            | "END TRANSACTION"
    )
}

/// Effects that a rollback does not take back, or that a dry run cannot show, one sentence each.
///
/// Only what the text itself calls; functions, triggers and column defaults may do the same unseen (a default
/// from a sequence uses up its numbers).
pub fn outside_effects(script: &str, analysed: &Script) -> Vec<String> {
    let mut found = Vec::new();
    for statement in &analysed.statements {
        let tokens = tokens_of(script, statement);
        collect(script, &tokens, statement, &mut found);
        let is_code_block = tokens.first().is_some_and(|token| token.is_word(script, "DO"));
        if is_code_block {
            for body in tokens
                .iter()
                .filter(|token| token.kind != TokenKind::Word)
                .filter_map(|token| token.constant(script))
            {
                let inner: Vec<Token> = Lexer::new(&body).collect();
                collect(&body, &inner, statement, &mut found);
            }
        }
    }
    found
}

fn collect(script: &str, tokens: &[Token], statement: &Statement, found: &mut Vec<String>) {
    let mut add = |what: &str| {
        let sentence = format!("Statement {} on line {}: {what}", statement.number, statement.line);
        if !found.contains(&sentence) {
            found.push(sentence);
        }
    };
    for pair in tokens.windows(2) {
        let [name, next] = pair else { continue };
        if !next.is_symbol(b'(') {
            continue;
        }
        let Some(function) = name.name(script) else { continue };
        if let Some(what) = lasting_function(&function) {
            add(what);
        }
    }
    if let Some(what) = lasting_statement(script, tokens) {
        add(what);
    }
}

fn lasting_function(name: &str) -> Option<&'static str> {
    match name {
        "nextval" | "setval" => Some("moves a sequence, which a rollback does not move back."),
        "lo_import" | "lo_export" | "lo_create" | "lo_creat" | "lo_from_bytea" | "lo_put" | "lowrite"
        | "lo_unlink" | "lo_truncate" => Some("works on large objects, which a dry run does not show."),
        "pg_file_write" | "pg_file_rename" | "pg_file_unlink" => {
            Some("writes files on the server, which a rollback does not take back.")
        }
        "pg_terminate_backend" | "pg_cancel_backend" => {
            Some("stops other sessions, which a rollback does not take back.")
        }
        "pg_reload_conf" | "pg_rotate_logfile" | "pg_switch_wal" | "pg_promote" => {
            Some("acts on the whole server, which a rollback does not take back.")
        }
        "http" | "http_get" | "http_post" | "http_put" | "http_delete" | "http_head" | "http_patch" => {
            Some("calls another service over HTTP, which a rollback does not take back.")
        }
        _ if name.starts_with("dblink") => {
            Some("works in another database through dblink, which a rollback does not take back.")
        }
        _ => None,
    }
}

fn lasting_statement(script: &str, tokens: &[Token]) -> Option<&'static str> {
    let cursor = super::cursor::Cursor::new(script, tokens);
    if cursor.sees("COPY") && cursor.has(&["FROM PROGRAM", "TO PROGRAM"]) {
        return Some("runs a program on the server, which a rollback does not take back.");
    }
    if cursor.sees("COPY") {
        let mut target = cursor;
        let writes_file = target.seek(&["TO"]).is_some() && !target.sees("STDOUT") && !target.is_done();
        return writes_file.then_some("writes a file on the server, which a rollback does not take back.");
    }
    let foreign = ["CREATE FOREIGN TABLE", "IMPORT FOREIGN SCHEMA", "CREATE SERVER", "ALTER FOREIGN TABLE"];
    if foreign.iter().any(|words| cursor.sees(words)) {
        return Some("works with tables of another server, which a dry run does not show.");
    }
    cursor.sees("ALTER LARGE OBJECT").then_some("works on large objects, which a dry run does not show.")
}
