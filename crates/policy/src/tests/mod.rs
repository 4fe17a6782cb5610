// SPDX-License-Identifier: Apache-2.0
//! Tests of decisions, of tests of policies, and of policies that mean harm.

mod buildx;
mod buildx_inputs;
mod hostile;
mod testing;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;

pub(super) const NOW: i64 = 1_795_000_000_000_000_000;

pub(super) fn settings() -> Settings {
    Settings {
        now_nanoseconds: NOW,
        time_max: Duration::from_secs(5),
        files: Arc::new(|path| match path {
            "allowed.json" => Ok(br#"{"repos": ["registry.example/app"]}"#.to_vec()),
            "bad.json" => Ok(b"{".to_vec()),
            _ => Err("it is not there".to_owned()),
        }),
    }
}

pub(super) fn module(name: &str, text: &str) -> Module {
    Module { name: name.to_owned(), text: text.to_owned() }
}

fn one(text: &str, input: &Value) -> Result<Vec<Decision>, RegoError> {
    decide(&[module("p.rego", text)], input, &settings())
}

fn image() -> Value {
    json!({"image": {"repo": "registry.example/app", "user": "65532", "tag": "1", "checksum": "sha256:1"}})
}

#[test]
fn decisions_have_three_forms() {
    for (text, allow, reasons) in [
        ("package docker\ndecision := {\"allow\": true}", true, &[][..]),
        ("package docker\ndecision := {\"allow\": true, \"deny_msg\": []}", true, &[]),
        (
            "package docker\ndecision := {\"allow\": false, \"deny_msg\": [\"no\", \"never\"]}",
            false,
            &["no", "never"],
        ),
        (
            "package docker\ndecision := {\"allow\": false}",
            false,
            &["data.docker.decision does not allow it"],
        ),
        ("package docker\ndecision := {}", false, &["does not allow it"]),
        (
            "package docker\ndecision := {\"allow\": true} if input.image.repo == \"b\"",
            false,
            &["is undefined"],
        ),
        ("package a.b\nallow if input.image.user == \"65532\"", true, &[]),
        (
            "package a.b\nallow if input.image.user == \"0\"",
            false,
            &["data.a.b.allow is undefined"],
        ),
        ("package a\ndefault allow := false", false, &["data.a.allow does not allow it"]),
        ("package a\ndeny contains \"x\" if input.image.user == \"0\"", true, &[]),
        (
            "package a\ndeny contains msg if { msg := sprintf(\"user %v\", [input.image.user]) }",
            false,
            &["user 65532"],
        ),
        ("package a\ndeny contains {\"msg\": \"because\"}", false, &["because"]),
        ("package a\ndeny := [\"one\"]", false, &["one"]),
        ("package a\ndeny if true", false, &["data.a.deny is true"]),
        ("package a\nallow := true\ndeny contains \"but\"", false, &["but"]),
    ] {
        let decided = one(text, &image()).unwrap();
        assert_eq!(decided.len(), 1, "{text}");
        assert_eq!(decided[0].allow, allow, "{text}: {decided:?}");
        assert_eq!(decided[0].reasons.len(), reasons.len(), "{text}: {decided:?}");
        for (reason, expected) in decided[0].reasons.iter().zip(reasons) {
            assert!(reason.contains(expected), "{text}: {reason}");
        }
    }
}

#[test]
fn several_packages_decide_each_on_its_own() {
    let modules = [
        module("b.rego", "package b\nimport data.lib\nallow if lib.good"),
        module("a.rego", "package a\ndeny contains \"never\""),
        module("lib.rego", "package lib\ngood if input.image.user != \"0\""),
        module("a_test.rego", "package a\nallow := true"),
    ];
    let decided = decide(&modules, &image(), &settings()).unwrap();
    let lines: Vec<_> = decided.iter().map(|one| (one.rule.as_str(), one.allow)).collect();
    assert_eq!(lines, [("data.a.deny", false), ("data.b.allow", true)]);
}

#[test]
fn what_decides_nothing_is_an_error() {
    for (text, expected) in [
        ("", "is no policy in Rego"),
        ("package", "is no policy in Rego"),
        ("package docker\nallow {", "is no policy in Rego"),
        ("package docker\nx := 1", "no package has a rule"),
        ("package docker\ndecision := true", "is no decision"),
        ("package docker\ndecision := {\"allow\": \"yes\"}", "neither true nor false"),
        ("package docker\ndecision := {\"allow\": true, \"deny_msg\": \"x\"}", "no list"),
        ("package docker\ndecision := {\"allow\": true, \"deny_msg\": [1]}", "no list"),
        ("package a\nallow := 1", "neither true nor false"),
        ("package a\ndeny contains 5", "no set of texts"),
        ("package a\ndeny := \"x\"", "no set of texts"),
        ("package a\nallow := true\nallow := false", "can't be evaluated"),
        ("package a\nallow if no_such_function(1)", "could not find function no_such_function"),
        ("package a[\"x-y\"]\nallow := true", "has a name with other"),
    ] {
        let error = one(text, &image()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let many = vec![module("a.rego", "package a"); MODULES_MAX + 1];
    assert!(matches!(decide(&many, &image(), &settings()), Err(RegoError::TooMany(_))));
}

#[test]
fn functions_of_buildx_are_there() {
    for (text, allow) in [
        ("allow if input.image.repo in load_json(\"allowed.json\").repos", true),
        ("allow if pin_image(input.image, \"sha256:1\")", true),
        ("allow if pin_image(input.image, \"sha256:2\")", false),
        ("allow if pin_image({}, input.nothing)", false),
        ("allow if verify_git_signature(input.image, \"k.pub\")", false),
        ("allow if not github_attestation(input.image, \"a/b\")", true),
        ("allow if time.now_ns() == 1795000000000000000", true),
        ("allow if time.now_ns() < time.parse_rfc3339_ns(\"2026-11-19T00:00:00Z\")", true),
        ("allow if time.parse_rfc3339_ns(\"soon\") > 0", false),
        ("allow if semver.compare(\"1.2.3\", \"1.10.0\") < 0", true),
        ("allow if glob.match(\"registry.example/*\", [\"/\"], input.image.repo)", true),
        ("allow if print(\"seen\", input.image.tag)", true),
    ] {
        let decided = one(&format!("package docker\n{text}"), &image()).unwrap();
        assert_eq!(decided[0].allow, allow, "{text}: {decided:?}");
    }
    let printed = one("package a\nallow if print(\"seen\", input.image.tag)", &image()).unwrap();
    assert!(printed[0].printed[0].ends_with("seen 1"), "{printed:?}");
}

#[test]
fn functions_that_reach_elsewhere_end_the_evaluation() {
    for (call, expected) in [
        (
            "http.send({\"url\": \"https://a.example\", \"method\": \"get\"}).status_code == 200",
            "http.send is not there",
        ),
        ("not http.send({})", "http.send is not there"),
        ("net.lookup_ip_addr(\"a.example\")", "net.lookup_ip_addr is not there"),
        ("opa.runtime().env.HOME", "opa.runtime is not there"),
        ("load_json(\"../secret.json\")", "../secret.json: it is not there"),
        ("load_json(\"bad.json\")", "is no JSON"),
        ("load_json(5)", "a text is expected"),
        (
            "not time.parse_ns(\"Jan 2\", \"Jan 3\")",
            "time.parse_ns: the layout \"Jan 2\" is not there",
        ),
        ("not time.date([0, \"Europe/Vienna\"])", "the time zone \"Europe/Vienna\" is not there"),
        ("not time.format([0, \"UTC\", \"Mon\"])", "time.format: the layout"),
    ] {
        let error = one(&format!("package a\nallow if {call}"), &image()).unwrap_err().to_string();
        assert!(error.contains(expected), "{call}: {error}");
    }
}
