//! The keys that each table of a profile knows; `docs/profile.schema.json` names the same ones, and a test compares.

/// The top level.
pub(super) const PROFILE: &[&str] = &[
    "title",
    "description",
    "engines",
    "tiers",
    "scale",
    "inputs",
    "tables",
    "sql",
    "http",
    "credentials",
    "expect",
];

/// The top level of a file of checks.
pub(super) const SUITE: &[&str] = &["title", "description", "credentials", "expect"];

/// `[[credentials]]`.
pub(super) const CREDENTIAL: &[&str] = &["name", "label"];

/// `scale`.
pub(super) const SCALE: &[&str] = &["default", "max"];

/// `[[inputs]]`.
pub(super) const INPUT: &[&str] =
    &["name", "label", "help", "kind", "default", "optional", "choices", "min", "max", "hash", "argon2"];

/// `argon2` of an input.
pub(super) const ARGON2: &[&str] = &["memory_kib", "passes", "lanes"];

/// `[[tables]]`.
pub(super) const TABLE: &[&str] =
    &["table", "key", "mode", "rows", "file", "repeat", "scaled", "columns", "fields", "count", "sensitive"];

/// `[sql]`.
pub(super) const SQL: &[&str] = &["files"];

/// Forms of a value that are tables: the key that makes the form, and the keys it may have beside it.
pub(super) const FORMS: &[(&str, &[&str])] = &[
    ("null", &["on"]),
    ("default", &["on"]),
    ("json", &["on"]),
    ("input", &["on"]),
    ("field", &["on"]),
    ("text", &["on"]),
    ("generate", &["on"]),
    ("counter", &["step", "on"]),
    ("sequence", &["on"]),
    ("hash", &["of", "on"]),
    ("choose", &["weights", "on"]),
    ("fake", &["min", "max", "scale", "from", "to", "on"]),
    ("sql", &["on"]),
    ("reference", &["by", "row", "take", "on"]),
];

/// `by` of a reference, where its values are tables.
pub(super) const OPERAND: &[&str] = &["input", "field", "text"];

/// `choose`, where its values are tables.
pub(super) const CHOSEN: &[&str] = &["null", "json"];

/// What an `[[expect]]` looks at: the key that makes the form.
pub(super) const EXPECTED: &[&str] =
    &["count", "sql", "none", "exists", "no_orphans", "sequence_ahead", "enum_labels", "none_failed", "http"];

/// Conditions of a number or value.
pub(super) const CONDITIONS: &[&str] =
    &["equals", "at_least", "at_most", "between", "unchanged", "changed_by"];

/// `[[expect]]`.
pub(super) const EXPECT: &[&str] = &[
    "name",
    "count",
    "sql",
    "none",
    "exists",
    "no_orphans",
    "sequence_ahead",
    "enum_labels",
    "none_failed",
    "http",
    "equals",
    "at_least",
    "at_most",
    "between",
    "unchanged",
    "changed_by",
];

/// `count` of an expectation.
pub(super) const COUNT: &[&str] =
    &["table", "where", "equals", "at_least", "at_most", "between", "unchanged", "changed_by"];

/// `exists`.
pub(super) const EXISTS: &[&str] = &["table", "column", "type", "index", "constraint"];

/// `no_orphans`.
pub(super) const NO_ORPHANS: &[&str] = &["table", "columns", "references", "referenced"];

/// `sequence_ahead`.
pub(super) const SEQUENCE_AHEAD: &[&str] = &["table", "column"];

/// `enum_labels`.
pub(super) const ENUM_LABELS: &[&str] = &["type", "labels"];

/// `none_failed`.
pub(super) const NONE_FAILED: &[&str] = &["table", "column", "values"];

/// `http`, beside `steps` or the keys of its only step.
pub(super) const FLOW: &[&str] = &["part", "writes", "writes_as", "leaves", "steps", "cleanup"];

/// A step of `http`.
pub(super) const STEP: &[&str] = &[
    "name",
    "get",
    "head",
    "post",
    "put",
    "patch",
    "delete",
    "headers",
    "json",
    "form",
    "body",
    "follow",
    "give_up_s",
    "within_ms",
    "status",
    "expect",
    "keep",
    "until",
];

/// Places of an answer.
pub(super) const PLACES: &[&str] = &["json", "count", "header"];

/// An entry of `expect` in a step.
pub(super) const ANSWER: &[&str] = &[
    "json",
    "count",
    "header",
    "text",
    "text_missing",
    "equals",
    "at_least",
    "at_most",
    "between",
    "unchanged",
    "changed_by",
    "contains",
    "since",
];

/// `until` of a step.
pub(super) const UNTIL: &[&str] =
    &["json", "count", "header", "equals", "at_least", "at_most", "between", "contains", "every_s", "for_s"];

/// `[http]` of a profile.
pub(super) const HTTP_WORK: &[&str] = &["counts", "repeatable", "steps"];

/// `file` of a block, where it is chosen in the form.
pub(super) const CHOSEN_FILE: &[&str] = &["input"];
