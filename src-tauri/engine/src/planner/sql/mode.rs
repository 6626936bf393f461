//! How a script is sent to the server, and why.

use crate::domain::statement::{ScriptMode, Statement, StatementKind};

/// What the whole script shows beside its statements.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The text could not be taken apart with certainty.
    pub(super) uncertain: Option<String>,
    /// The first statement that uses a label which an earlier one adds, and that label.
    pub(super) uses_new_label: Option<(u32, String)>,
    /// The first statement that defines code which may change the session once it runs.
    pub(super) hides_session: Option<u32>,
    /// The text names the ledger table.
    pub(super) names_ledger: bool,
}

/// Picks the mode. The reason is one sentence for the operator.
pub(super) fn mode(statements: &[Statement], facts: &Facts) -> (ScriptMode, String) {
    use ScriptMode::{AsWritten, Atomic, Stepwise};
    if let Some(doubt) = &facts.uncertain {
        return (
            AsWritten,
            format!("{doubt} It is sent as it stands, in one message, and nothing about it is proven."),
        );
    }
    let first = |kind| statements.iter().find(|statement| statement.kind == kind);
    let outside = first(StatementKind::OutsideTransaction);
    if let Some(control) = first(StatementKind::TransactionControl) {
        let line = control.line;
        return (
            AsWritten,
            match outside {
                None => format!(
                    "The script begins or ends transactions itself (line {line}), so it is sent as it stands and its own BEGIN and COMMIT decide what stays if it fails."
                ),
                Some(outside) => format!(
                    "The script begins or ends transactions itself (line {line}) and also holds a statement that cannot run inside one (line {}): sent as it stands, PostgreSQL will refuse it.",
                    outside.line
                ),
            },
        );
    }
    match outside {
        Some(only) if statements.len() == 1 => {
            return (
                AsWritten,
                format!(
                    "Its only statement ({}) cannot run inside a transaction, so it runs by itself; the ledger is written on a second session.",
                    only.summary
                ),
            );
        }
        Some(outside) => {
            return (
                Stepwise,
                format!(
                    "Statement {} on line {} ({}) cannot run inside a transaction, so the {} statements run one by one: if one fails, those before it stay.",
                    outside.number,
                    outside.line,
                    outside.summary,
                    statements.len()
                ),
            );
        }
        None => {}
    }
    if let Some((number, label)) = &facts.uses_new_label {
        return (
            Stepwise,
            format!(
                "Statement {number} uses the value '{label}' that an earlier statement adds, which PostgreSQL allows only after a commit, so the {} statements run one by one: if one fails, those before it stay.",
                statements.len()
            ),
        );
    }
    if let Some(session) = first(StatementKind::Session) {
        return (
            AsWritten,
            format!(
                "Statement {} on line {} ({}) changes the session beyond the transaction, so the script is sent as it stands and the ledger is written on a second session.",
                session.number, session.line, session.summary
            ),
        );
    }
    if let Some(code) = first(StatementKind::Procedural) {
        return (
            AsWritten,
            format!(
                "Statement {} on line {} ({}) may commit on its own, so the script is sent as it stands and the ledger is written on a second session.",
                code.number, code.line, code.summary
            ),
        );
    }
    if facts.names_ledger {
        return (AsWritten, "The script names the ledger table _prisma_migrations itself, so it is sent as it stands and the ledger is written on a second session.".to_owned());
    }
    if let Some(number) = facts.hides_session {
        return (
            AsWritten,
            format!(
                "Statement {number} defines code that may change the session's settings or locks, so the script is sent as it stands and the ledger is written on a second session."
            ),
        );
    }
    if statements.is_empty() {
        return (Atomic, "The script holds no statement: only its ledger row is written.".to_owned());
    }
    (Atomic, "Every statement can run in one transaction: the script and its ledger row take effect together or not at all.".to_owned())
}
