//! What a migration's text tells about its risk, in words for the person who applies it.
//!
//! Two sources: our own reading (data that goes, transactions, session settings) and squawk's rules, each of which is
//! given our words. Rules of style and rules that make no sense for generated migrations are left out, see
//! [`wording`]. Comments in the script that ask a linter to look away are not obeyed: who applies is not who wrote.

use crate::{
    domain::{
        finding::{Finding, Outcome},
        statement::{Action, ObjectKind, Script, ScriptMode, Statement, StatementKind},
    },
    planner::sql::{destructive, statement_text},
};
use squawk_linter::{Linter, LinterSettings, Rule};
use squawk_syntax::SourceFile;
use std::collections::BTreeSet;

/// Statements with more tokens than this are not given to the linter: they are data, not schema.
const LONGEST_STATEMENT: usize = 4_000;
/// Statements nested deeper than this are not given to the linter, whose parser is recursive.
const DEEPEST_NESTING: usize = 100;
/// Bytes of script that the linter reads at most.
const LONGEST_SCRIPT: usize = 4 * 1024 * 1024;
/// Stack of the thread that the linter runs on: twice what the deepest text allowed above was seen to need.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Everything worth saying about a script before it runs, in the order of its statements.
///
/// `migration` is the name the findings carry; `analysed` must be what [`analyse`](crate::planner::sql::analyse)
/// made of `script`.
pub fn lint(migration: &str, script: &str, analysed: &Script) -> Vec<Finding> {
    let mut findings = about_the_script(analysed);
    for statement in &analysed.statements {
        findings.extend(
            about_the_statement(statement, script).into_iter().map(|finding| (Some(statement), finding)),
        );
    }
    findings.extend(from_linter(script, analysed));
    findings.sort_by_key(|(statement, _)| statement.map_or(0, |statement| statement.number));
    findings
        .into_iter()
        .map(|(statement, finding)| finding.at(migration, statement.map(|statement| statement.number)))
        .collect()
}

type Located<'a> = (Option<&'a Statement>, Finding);

fn about_the_script(analysed: &Script) -> Vec<Located<'_>> {
    let mut found = Vec::new();
    if let Some(doubt) = &analysed.uncertain {
        found.push((None, doubted(doubt)));
    }
    let first = |kind| analysed.statements.iter().find(|statement| statement.kind == kind);
    let outside = first(StatementKind::OutsideTransaction);
    if let Some(control) = first(StatementKind::TransactionControl) {
        found.push((Some(control), match outside {
            None => Finding::new("own-transaction", Outcome::Warn, "The script begins and ends transactions itself").detail(
                "What was committed before a failure stays. Drydock sends the script as it stands and keeps the ledger on a second session. To have all of it taken back on failure, leave BEGIN and COMMIT out: a migration runs in one transaction anyway.",
            ),
            Some(_) => Finding::new(
                "transaction-and-outside-transaction",
                Outcome::Block,
                "Its own transaction and a statement that cannot run inside one do not go together",
            )
            .detail("PostgreSQL refuses this script when it is sent as a whole. Split it into two migrations."),
        }));
    }
    if analysed.mode == ScriptMode::Stepwise {
        let title = "Runs statement by statement: a failure leaves it half done";
        let cause = outside.or_else(|| first(StatementKind::AddEnumValue));
        found.push((
            cause,
            Finding::new("runs-step-by-step", Outcome::Warn, title).detail(format!(
                "{} To be safe, give that statement a migration of its own.",
                analysed.mode_reason
            )),
        ));
    }
    if let Some(session) = first(StatementKind::Session) {
        found.push((Some(session), Finding::new("session-settings", Outcome::Warn, "Changes settings of the session itself").detail(
            "The change outlives the transaction, for whoever uses the session next. Drydock runs the script on a session of its own; other tools may go on with the changed session. SET LOCAL ends with the transaction.",
        )));
    }
    if let Some(code) = first(StatementKind::Procedural) {
        found.push((Some(code), Finding::new("may-commit-by-itself", Outcome::Warn, "Runs code that may commit on its own").detail(
            "What it commits stays even if the rest of the migration fails, and it cannot be tried in a dry run on the target.",
        )));
    }
    found
}

fn doubted(doubt: &str) -> Finding {
    let refused = ["byte order mark", "psql"].iter().any(|cause| doubt.contains(cause));
    if refused {
        return Finding::new("not-for-the-server", Outcome::Block, "PostgreSQL will refuse this file")
            .detail(format!("{doubt} Nothing of it would run. Correct the file."));
    }
    Finding::new("not-taken-apart", Outcome::Unknown, "The script could not be checked").detail(format!(
        "{doubt} Its statements, their locks and the data they destroy are not known, and PostgreSQL may refuse it."
    ))
}

fn about_the_statement(statement: &Statement, script: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(what) = destructive(statement, script) {
        found.push(
            Finding::new("destroys-data", Outcome::Warn, what)
                .detail("This cannot be undone without a backup. Make sure that no running version of the app still uses it, and that the data is not needed.")
                .destructive(),
        );
    }
    let names_ledger = statement_text(statement, script).to_ascii_lowercase().contains("_prisma_migrations");
    if names_ledger {
        found.push(
            Finding::new("touches-the-ledger", Outcome::Warn, "Touches the record of applied migrations")
                .detail("The table _prisma_migrations tells every tool what was applied. Changing it from a migration can hide or repeat others."),
        );
    }
    found
}

/// What squawk says, in our words, once a rule and statement.
fn from_linter<'a>(script: &str, analysed: &'a Script) -> Vec<Located<'a>> {
    let mut found: Vec<Located<'a>> = Vec::new();
    if analysed.uncertain.is_some() || analysed.statements.is_empty() {
        return found;
    }
    let (text, skipped) = readable(script, analysed);
    for statement in skipped {
        let finding =
            Finding::new("not-linted", Outcome::Unknown, "A statement is too long to be checked for risks")
                .detail("Its effect on running sessions is not known.");
        found.push((Some(statement), finding));
    }
    let Some(report) = run_linter(text, analysed.mode != ScriptMode::Stepwise) else {
        let finding =
            Finding::new("not-linted", Outcome::Unknown, "The script could not be checked for risks").detail(
                "The checker stopped while reading it. What is said about single statements is still right.",
            );
        found.push((None, finding));
        return found;
    };
    for offset in report.unreadable {
        let statement = statement_at(analysed, offset);
        let known = found.iter().any(|(at, _)| at.map(|at| at.number) == statement.map(|at| at.number));
        if !known {
            let finding = Finding::new("not-linted", Outcome::Unknown, "A statement could not be checked for risks")
                .detail("The checker does not understand it: it may be wrong, or newer than the checker. The dry run tells.");
            found.push((statement, finding));
        }
    }
    let rank = |rule: &Rule| RULES.iter().position(|known| known == rule);
    let placed = report
        .violations
        .into_iter()
        .filter_map(|(rule, offset)| Some((statement_at(analysed, offset)?, rule)));
    let mut placed: Vec<(&Statement, Rule)> = placed.collect();
    placed.sort_by_key(|(statement, rule)| (statement.number, rank(rule)));
    let mut told = BTreeSet::new();
    for (statement, rule) in placed {
        let Some(wording) = wording(rule) else { continue };
        let is_first = told.insert((statement.number, wording.topic));
        let is_new = wording.only_existing && !touches_existing(statement, analysed);
        let is_replaced = wording.topic == "drop" && is_made_again(statement, analysed);
        if !is_first || is_new || is_replaced {
            continue;
        }
        let title = wording.title.replace("{table}", &table_of(statement));
        found.push((
            Some(statement),
            Finding::new(rule.to_string(), wording.outcome, title).detail(wording.detail),
        ));
    }
    found
}

struct Report {
    violations: Vec<(Rule, usize)>,
    unreadable: Vec<usize>,
}

/// Runs squawk on a thread of its own: its parser is recursive and other people's code. `None` if it gave up.
fn run_linter(text: String, in_transaction: bool) -> Option<Report> {
    let work = move || {
        let parse = SourceFile::parse(&text);
        let unreadable = parse.errors().iter().map(|error| usize::from(error.range().start())).collect();
        let mut linter = Linter::from(RULES.iter().copied());
        linter.settings =
            LinterSettings { assume_in_transaction: in_transaction, ..LinterSettings::default() };
        let violations = linter
            .lint(&parse, &text)
            .into_iter()
            .map(|violation| (violation.code, usize::from(violation.text_range.start())))
            .collect();
        Report { violations, unreadable }
    };
    std::thread::Builder::new().name("lint".to_owned()).stack_size(STACK_BYTES).spawn(work).ok()?.join().ok()
}

/// The script without comments, and without statements that the linter should not read; every token keeps its place.
fn readable<'a>(script: &str, analysed: &'a Script) -> (String, Vec<&'a Statement>) {
    let end = script.len().min(LONGEST_SCRIPT);
    let mut text = vec![b' '; end];
    let mut skipped = Vec::new();
    for statement in &analysed.statements {
        let is_about_rows = statement.effects.is_empty();
        let fits = (statement.end as usize) < end.saturating_add(1);
        match (fits, crate::planner::sql::token_ranges(statement, script, LONGEST_STATEMENT, DEEPEST_NESTING))
        {
            (true, Some(ranges)) => {
                for range in ranges {
                    if let (Some(to), Some(from)) =
                        (text.get_mut(range.clone()), script.as_bytes().get(range))
                    {
                        to.copy_from_slice(from);
                    }
                }
                if let Some(semicolon) = text.get_mut(statement.end as usize) {
                    *semicolon = b';';
                }
            }
            _ if is_about_rows => {}
            _ => skipped.push(statement),
        }
    }
    (String::from_utf8(text).unwrap_or_default(), skipped)
}

fn statement_at(analysed: &Script, offset: usize) -> Option<&Statement> {
    let after = analysed.statements.partition_point(|statement| statement.start as usize <= offset);
    analysed.statements.get(after.saturating_sub(1))
}

/// Whether the statement works on something that was there before the script.
fn touches_existing(statement: &Statement, analysed: &Script) -> bool {
    if !statement.locks.is_empty() {
        return true;
    }
    let drops_index = |effect: &&crate::domain::statement::Effect| {
        effect.kind == ObjectKind::Index && effect.action == Action::Drop
    };
    statement.effects.iter().find(drops_index).is_some_and(|dropped| {
        let made_here =
            analysed.statements.iter().take_while(|earlier| earlier.number < statement.number).any(
                |earlier| {
                    earlier.effects.iter().any(|effect| {
                        effect.kind == ObjectKind::Index
                            && effect.action == Action::Create
                            && effect.name == dropped.name
                    })
                },
            );
        !made_here
    })
}

/// Whether the script creates everything again that the statement drops.
fn is_made_again(statement: &Statement, analysed: &Script) -> bool {
    let later = analysed.statements.iter().filter(|later| later.number > statement.number);
    let made: BTreeSet<_> = later
        .flat_map(|later| &later.effects)
        .filter(|effect| effect.action == Action::Create)
        .map(|effect| (effect.kind, &effect.parent, &effect.name))
        .collect();
    let mut dropped = statement.effects.iter().filter(|effect| effect.action == Action::Drop).peekable();
    dropped.peek().is_some()
        && dropped.all(|effect| made.contains(&(effect.kind, &effect.parent, &effect.name)))
}

fn table_of(statement: &Statement) -> String {
    statement.locks.first().map_or_else(|| "the table".to_owned(), |lock| lock.table.clone())
}

struct Wording {
    outcome: Outcome,
    /// Rules of one topic are told once a statement.
    topic: &'static str,
    /// Says nothing about tables that the same script makes.
    only_existing: bool,
    title: &'static str,
    detail: &'static str,
}

fn warn(topic: &'static str, title: &'static str, detail: &'static str) -> Option<Wording> {
    Some(Wording { outcome: Outcome::Warn, topic, only_existing: true, title, detail })
}

/// The rules that are asked, the more telling one of a topic first.
const RULES: &[Rule] = &[
    Rule::RequireConcurrentIndexCreation,
    Rule::RequireConcurrentIndexDeletion,
    Rule::RequireConcurrentPartitionDetach,
    Rule::RequireConcurrentReindex,
    Rule::AddingForeignKeyConstraint,
    Rule::DisallowedUniqueConstraint,
    Rule::AddingSerialPrimaryKeyField,
    Rule::ConstraintMissingNotValid,
    Rule::AddingRequiredField,
    Rule::AddingFieldWithDefault,
    Rule::AddingNotNullableField,
    Rule::ChangingColumnType,
    Rule::RenamingColumn,
    Rule::RenamingTable,
    Rule::BanSetSchema,
    Rule::PreferRepack,
    Rule::BanUncommittedTransaction,
    Rule::BanDropView,
    Rule::BanDropFunction,
    Rule::BanDropTrigger,
    Rule::BanDropExtension,
    Rule::BanDropPolicy,
    Rule::BanDisableTrigger,
    Rule::BanAlterIdentity,
    Rule::BanDropGeneratedExpression,
    Rule::BanRevoke,
    Rule::BanDuplicateColumnAssignments,
    Rule::IdentifierTooLong,
];

/// Our words for a rule. `None`: left out.
///
/// Left out as style, for generated migrations have no choice: prefer-text-field, prefer-bigint-over-int,
/// prefer-bigint-over-smallint, prefer-identity, prefer-timestamp-tz, prefer-robust-stmts, ban-char-field,
/// require-table-schema, require-enum-value-ordering, ban-create-domain-with-constraint,
/// ban-alter-domain-with-add-constraint, renaming-object. Left out because the runner does it: require-lock-timeout,
/// require-statement-timeout, require-timeout-settings. Left out because our own findings say it better:
/// ban-drop-table, ban-drop-column, ban-drop-database, ban-drop-schema, ban-drop-type, ban-drop-domain,
/// ban-drop-sequence, ban-truncate-cascade, transaction-nesting, ban-concurrent-index-creation-in-transaction. Left
/// out as harmless for a running app in nearly all cases: ban-drop-not-null, ban-drop-default, ban-set-default,
/// ban-drop-constraint, ban-drop-index, ban-replace-view-function, the opt-in rules about roles, policies, sequences
/// and options, unused-ignore.
fn wording(rule: Rule) -> Option<Wording> {
    match rule {
        Rule::RequireConcurrentIndexCreation => warn(
            "index",
            "Nobody can write to {table} while the index is built",
            "Reads go on. On a large table this takes minutes. CREATE INDEX CONCURRENTLY in a migration of its own lets writes go on.",
        ),
        Rule::RequireConcurrentIndexDeletion => warn(
            "index",
            "Reads and writes wait while the index is dropped",
            "Dropping is quick, but it first waits for every running query on the table, and new ones queue behind it. DROP INDEX CONCURRENTLY in a migration of its own avoids that.",
        ),
        Rule::RequireConcurrentPartitionDetach => warn(
            "partition",
            "Reads and writes of {table} wait while the partition is detached",
            "DETACH PARTITION ... CONCURRENTLY in a migration of its own avoids that.",
        ),
        Rule::RequireConcurrentReindex => warn(
            "index",
            "Reads and writes of {table} wait while its indexes are rebuilt",
            "REINDEX ... CONCURRENTLY in a migration of its own lets them go on.",
        ),
        Rule::AddingForeignKeyConstraint => warn(
            "constraint",
            "Nobody can write to {table} while the new foreign key is checked",
            "Every existing row is checked, and writes to both tables wait. Add it with NOT VALID first, and run VALIDATE CONSTRAINT in a later migration: then writes go on.",
        ),
        Rule::DisallowedUniqueConstraint => warn(
            "constraint",
            "Reads and writes of {table} wait while the unique constraint is built",
            "It builds an index first, and fails if two rows are alike. Build a unique index CONCURRENTLY in an earlier migration, then add the constraint USING INDEX.",
        ),
        Rule::AddingSerialPrimaryKeyField => warn(
            "constraint",
            "Reads and writes of {table} wait while the primary key is built",
            "It builds an index first, and fails if two rows are alike or a value is missing. Build a unique index CONCURRENTLY in an earlier migration, then add the key USING INDEX.",
        ),
        Rule::ConstraintMissingNotValid => warn(
            "constraint",
            "Reads and writes of {table} wait while existing rows are checked",
            "The migration fails if one row breaks the rule. Add the constraint with NOT VALID first, and run VALIDATE CONSTRAINT in a later migration: then reads and writes go on.",
        ),
        Rule::AddingRequiredField => warn(
            "required column",
            "Fails if {table} holds any row: the new required column has no default",
            "The version of the app that is running now does not fill the column either, so its inserts would fail. Add it with a default, or optional first and required once every row has a value.",
        ),
        Rule::AddingFieldWithDefault => warn(
            "rewrite",
            "The whole of {table} is written anew: reads and writes wait",
            "The default or generated value is computed for every existing row. On a large table this takes minutes and needs as much free space as the table. Add the column without it, then fill it in batches.",
        ),
        Rule::AddingNotNullableField => warn(
            "required column",
            "Reads and writes of {table} wait while every row is checked for a missing value",
            "It fails if one is missing, and inserts by an app version that does not fill the column fail afterwards. Add CHECK (column IS NOT NULL) NOT VALID and validate it first: then the check is quick.",
        ),
        Rule::ChangingColumnType => warn(
            "rewrite",
            "Reads and writes of {table} wait while the type of a column changes",
            "Most type changes write the whole table and its indexes anew, and the running app may not expect the new type. Where that is too long: add a new column, fill it in batches, switch the app, drop the old one.",
        ),
        Rule::RenamingColumn => warn(
            "rename",
            "The running version of the app still uses the old column name",
            "Its queries on {table} fail from the moment the migration commits until the new version is live. Add a new column and copy, or plan for a short interruption.",
        ),
        Rule::RenamingTable => warn(
            "rename",
            "The running version of the app still uses the old table name",
            "Its queries fail from the moment the migration commits until the new version is live. A view with the old name bridges the time.",
        ),
        Rule::BanSetSchema => warn(
            "rename",
            "The running version of the app looks for the object in its old schema",
            "Its queries fail from the moment the migration commits until the new version is live.",
        ),
        Rule::PreferRepack => warn(
            "rewrite",
            "Reads and writes of {table} wait while it is written anew",
            "This takes minutes on a large table. Do it in a maintenance window, or use an extension that rewrites tables in the background.",
        ),
        Rule::BanUncommittedTransaction => Some(Wording {
            outcome: Outcome::Block,
            topic: "transaction",
            only_existing: false,
            title: "It begins a transaction and never commits: nothing of it would stay",
            detail: "The script seems to succeed, and everything is taken back when the session ends. Add COMMIT, or leave BEGIN out.",
        }),
        Rule::BanDropView | Rule::BanDropFunction | Rule::BanDropTrigger | Rule::BanDropPolicy => {
            Some(Wording {
                outcome: Outcome::Warn,
                topic: "drop",
                only_existing: false,
                title: "Something that the running app may use is dropped",
                detail: "If the script does not create it again, queries that rely on it fail or behave differently from the moment the migration commits.",
            })
        }
        Rule::BanDropExtension => Some(Wording {
            outcome: Outcome::Warn,
            topic: "drop",
            only_existing: false,
            title: "An extension is dropped, with its functions and types",
            detail: "Queries and columns that use them fail from the moment the migration commits.",
        }),
        Rule::BanDisableTrigger => warn(
            "trigger",
            "Triggers on {table} are switched off",
            "Whatever they keep in order is not kept while they are off, also for the running app. Make sure that the script switches them on again.",
        ),
        Rule::BanAlterIdentity | Rule::BanDropGeneratedExpression => warn(
            "generated column",
            "How {table} fills a column by itself changes",
            "Inserts by the running version of the app may fail or leave the column empty.",
        ),
        Rule::BanRevoke => Some(Wording {
            outcome: Outcome::Warn,
            topic: "rights",
            only_existing: false,
            title: "Rights are taken away",
            detail: "If the app signs in with that role, its queries fail from the moment the migration commits.",
        }),
        Rule::BanDuplicateColumnAssignments => Some(Wording {
            outcome: Outcome::Warn,
            topic: "duplicate",
            only_existing: false,
            title: "A column is named twice, which PostgreSQL refuses",
            detail: "The statement will most likely fail. Correct the file.",
        }),
        Rule::IdentifierTooLong => Some(Wording {
            outcome: Outcome::Warn,
            topic: "name",
            only_existing: false,
            title: "A name is longer than PostgreSQL keeps",
            detail: "It is cut to 63 bytes; two long names may then be the same one.",
        }),
        _ => None,
    }
}
