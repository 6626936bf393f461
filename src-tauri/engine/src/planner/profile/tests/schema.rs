//! The schema that editors use names the same keys and words as the reader.

use super::super::keys;
use super::super::words::{self, Words};
use serde_json::Value;
use std::collections::BTreeSet;

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../../../docs/profile.schema.json")).unwrap()
}

/// The keys of a table in the schema.
fn named<'s>(schema: &'s Value, table: &str) -> BTreeSet<&'s str> {
    let table = &schema["$defs"][table];
    assert_eq!(table["additionalProperties"], Value::Bool(false), "no other keys are taken");
    table["properties"].as_object().unwrap().keys().map(String::as_str).collect()
}

fn set<'k>(keys: &[&'k str]) -> BTreeSet<&'k str> {
    keys.iter().copied().collect()
}

#[test]
fn it_names_exactly_the_keys_that_the_reader_knows() {
    let schema = schema();
    let tables = [
        ("profile", keys::PROFILE),
        ("scale", keys::SCALE),
        ("input", keys::INPUT),
        ("argon2", keys::ARGON2),
        ("table", keys::TABLE),
        ("sql", keys::SQL),
        ("expect", keys::EXPECT),
        ("count", keys::COUNT),
        ("exists", keys::EXISTS),
        ("no_orphans", keys::NO_ORPHANS),
        ("sequence_ahead", keys::SEQUENCE_AHEAD),
        ("enum_labels", keys::ENUM_LABELS),
        ("none_failed", keys::NONE_FAILED),
        ("operand", keys::OPERAND),
        ("chosen", keys::CHOSEN),
        ("chosen_file", keys::CHOSEN_FILE),
        ("suite", keys::SUITE),
        ("credential", keys::CREDENTIAL),
        ("http_work", keys::HTTP_WORK),
        ("flow", keys::FLOW),
        ("step", keys::STEP),
        ("place", keys::PLACES),
        ("answer", keys::ANSWER),
        ("until", keys::UNTIL),
    ];
    for (table, keys) in tables {
        assert_eq!(named(&schema, table), set(keys), "{table}");
    }
    for (form, beside) in keys::FORMS {
        let mut keys = set(beside);
        keys.insert(form);
        assert_eq!(named(&schema, &format!("form_{form}")), keys, "{form}");
    }
}

#[test]
fn it_offers_every_form_of_a_value_and_none_that_is_not_read() {
    let schema = schema();
    let offered: BTreeSet<&str> = schema["$defs"]["cell"]["then"]["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|form| form["$ref"].as_str().unwrap().strip_prefix("#/$defs/form_").unwrap())
        .collect();
    assert_eq!(offered, keys::FORMS.iter().map(|(form, _)| *form).collect());
    let defined =
        schema["$defs"].as_object().unwrap().keys().filter(|name| name.starts_with("form_")).count();
    assert_eq!(defined, keys::FORMS.len());
}

#[test]
fn it_names_exactly_the_words_that_the_reader_knows() {
    fn check<T: Clone>(schema: &Value, path: &str, words: &Words<T>) {
        let named = schema.pointer(&format!("/$defs/{path}/enum")).unwrap().as_array().unwrap();
        let named: BTreeSet<&str> = named.iter().map(|word| word.as_str().unwrap()).collect();
        assert_eq!(named, words.names().into_iter().collect(), "{path}");
    }
    let schema = schema();
    check(&schema, "profile/properties/engines/items", words::ENGINES);
    check(&schema, "profile/properties/tiers/items", words::TIERS);
    check(&schema, "input/properties/kind", words::KINDS);
    check(&schema, "input/properties/hash", words::PASSWORD_HASHES);
    check(&schema, "table/properties/mode", words::MODES);
    check(&schema, "form_generate/properties/generate", words::GENERATORS);
    check(&schema, "form_hash/properties/hash", words::HASHES);
    check(&schema, "form_fake/properties/fake", words::FAKES);
    check(&schema, "form_reference/properties/row", words::SPREADS);
    check(&schema, "on", words::WRITTEN_ON);
    check(&schema, "part", words::PARTS);
}

#[test]
fn it_refers_only_to_what_it_defines() {
    let schema = schema();
    let mut waiting = vec![&schema];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(schema.pointer(pointer).is_some(), "{reference}");
                }
                waiting.extend(members.values());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
}
