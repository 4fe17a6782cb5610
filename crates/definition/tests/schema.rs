// SPDX-License-Identifier: Apache-2.0
//! The JSON Schema agrees with the reader and with the published schema.

mod common;

use std::collections::BTreeSet;

use common::{GOOD, parse_text};
use hardpan_definition::{Code, json_schema};
use serde_json::Value;

/// YAML to JSON as an editor sees it; only for texts of the tests.
fn json(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("a JSON value")
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::validator_for(schema).expect("a schema")
}

fn errors(schema: &Value, text: &str) -> Vec<String> {
    let value = json(text);
    validator(schema)
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Every object schema with its path.
fn objects<'s>(schema: &'s Value, path: String, found: &mut Vec<(String, &'s Value)>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        found.push((path.clone(), schema));
        for (key, value) in properties {
            objects(value, format!("{path}.{key}"), found);
        }
    }
    if let Some(items) = schema.get("items") {
        objects(items, format!("{path}[]"), found);
    }
}

#[test]
fn the_complete_definition_is_valid() {
    assert_eq!(errors(&json_schema(), GOOD), Vec::<String>::new());
}

#[test]
fn broken_definitions_are_invalid() {
    for (from, to) in [
        ("entitlement: public", "entitlment: public"),
        ("variant: runtime", "variant: runtine"),
        ("  packages:\n    - '!mawk'", "  packges:\n    - '!mawk'"),
        ("      uid: 65532\n      gid: 65532\n      mode", "      gid: 65532\n      mode"),
        ("  scripts: declarative", "  scripts: run"),
        ("image: example.org/demo\n", ""),
        ("    recursive: true", "    recursive: 7"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert!(!errors(&json_schema(), &text).is_empty(), "{to}");
    }
}

#[test]
fn every_object_is_closed_and_described() {
    let schema = json_schema();
    let mut found = Vec::new();
    objects(&schema, String::new(), &mut found);
    assert!(found.len() > 20);
    for (path, object) in found {
        assert_eq!(object["additionalProperties"], Value::Bool(false), "{path}");
        for (key, property) in object["properties"].as_object().expect("properties") {
            assert!(property["description"].is_string(), "{path}.{key} has no description");
        }
    }
}

/// The reader knows exactly the keys of the schema's top level.
#[test]
fn the_reader_and_the_schema_know_the_same_keys() {
    let parsed = parse_text("# syntax=dhi.io/build:2-debian13\nimage: a\nzzzzzzzzzzzz: 1\n");
    let unknown = &parsed.diagnostics()[0];
    assert_eq!(unknown.code, Code::UnknownKey);
    let help = unknown.help.as_deref().expect("help");
    let known: BTreeSet<&str> = help.trim_start_matches("known keys are ").split(", ").collect();
    let schema = json_schema();
    let keys: BTreeSet<&str> =
        schema["properties"].as_object().expect("properties").keys().map(String::as_str).collect();
    assert_eq!(known, keys);
}

#[test]
fn the_published_schema_has_the_same_keys() {
    let Some(path) = common::shared_file("dhi/spec.json") else {
        return;
    };
    let text = std::fs::read_to_string(path).expect("schema reads");
    let published: Value = serde_json::from_str(&text).expect("schema is JSON");
    let own = json_schema();
    let keys = |schema: &Value| -> BTreeSet<String> {
        let mut found = Vec::new();
        objects(schema, String::new(), &mut found);
        let mut keys = BTreeSet::new();
        for (path, object) in found {
            for key in object["properties"].as_object().expect("properties").keys() {
                keys.insert(format!("{path}.{key}"));
            }
        }
        keys
    };
    let (own_keys, published_keys) = (keys(&own), keys(&published));
    let extra: Vec<&String> = own_keys.difference(&published_keys).collect();
    let own = [".x-hardpan", ".x-hardpan.caches", ".x-hardpan.pyc", ".x-hardpan.scripts"];
    assert_eq!(extra, own);
    let missing: Vec<&String> = published_keys.difference(&own_keys).collect();
    assert_eq!(missing, Vec::<&String>::new());
    let plain = GOOD.replace("x-hardpan:\n  scripts: declarative\n", "");
    let remarks = errors(&published, &plain);
    // The published schema takes unquoted numbers for wrong; the catalog quotes them.
    let strict: Vec<&String> =
        remarks.iter().filter(|remark| !remark.contains("is not of type \"string\"")).collect();
    assert_eq!(strict, Vec::<&String>::new());
}

#[test]
fn published_definitions_are_valid() {
    let Some(files) = common::corpus() else {
        return;
    };
    let schema = json_schema();
    let validator = validator(&schema);
    let definitions = files.iter().filter(|(_, text)| text.starts_with("# syntax="));
    for (path, text) in definitions.step_by(29) {
        let value = json(text);
        let found: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(found, Vec::<String>::new(), "{path}");
    }
}
