// SPDX-License-Identifier: Apache-2.0
//! What is written for Kyverno, before programs of others: models made of its definitions of resources, and a library for
//! JMESPath. `HARDPAN_TEST_SBOM_TOOLS` is a folder with a Python that has them.

#![allow(clippy::print_stdout, reason = "what is skipped says so")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::Target;
use super::tests::{audited, exported, of_clusters};

/// Reads questions from its input, and answers each with the problems of a document and what its conditions say.
///
/// Models leave out what they don't know, so what they give back must be what they were given.
const PROGRAM: &str = r"
import json, re, sys
import jmespath, yaml
from cloudcoil.models.kyverno import v1

def differences(one, other, path=''):
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if key not in one or key not in other:
                yield f'{path}.{key}: unknown'
            else:
                yield from differences(one[key], other[key], f'{path}.{key}')
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other)):
            yield from differences(left, right, f'{path}[{number}]')
    elif type(one) is not type(other) or one != other:
        yield f'{path}: {one!r} is not {other!r}'

def problems(document):
    try:
        model = v1.ClusterPolicy.model_validate(document)
    except ValueError as error:
        return [str(error)]
    return list(differences(document, json.loads(model.model_dump_json(by_alias=True, exclude_unset=True))))

INNERMOST = re.compile(r'\{\{((?:(?!\{\{|\}\}).)*)\}\}')

def expressions(value):
    if isinstance(value, str):
        # The inner ones are replaced first, by text.
        while found := INNERMOST.search(value):
            yield found[1]
            value = value[:found.start()] + 'text' + value[found.end():]
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in ('list', 'jmesPath'):
                yield inner
            yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)

def holds(condition, predicate):
    found = jmespath.search(re.fullmatch(r'\{\{(.*)\}\}', condition['key'])[1], predicate)
    value = condition['value']
    if condition['operator'] == 'Equals':
        return type(found) is type(value) and found == value
    if condition['operator'] == 'AnyIn':
        return found in value
    if condition['operator'] == 'GreaterThan':
        return isinstance(found, int) and found > value
    raise ValueError(condition['operator'])

def decision(document, rule, predicate):
    rule = next(one for one in document['spec']['rules'] if one['name'] == rule)
    conditions = rule['verifyImages'][0]['attestations'][0]['conditions'][0]['all']
    return all(holds(condition, predicate) for condition in conditions)

def answer(question):
    documents = [one for one in yaml.safe_load_all(question['text']) if one is not None]
    for expression in expressions(documents):
        jmespath.compile(expression)
    found = [problem for document in documents for problem in problems(document)]
    decisions = [decision(documents[0], *case) for case in question.get('cases', [])]
    return {'documents': documents, 'problems': found, 'decisions': decisions}

json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout)
";

/// Asks the program; `None` where there is none.
fn ask(questions: &Value) -> Option<Vec<Value>> {
    let folder = std::env::var_os("HARDPAN_TEST_SBOM_TOOLS").map(PathBuf::from);
    let python = folder.map(|folder| folder.join("python3")).filter(|python| python.exists());
    let Some(python) = python else {
        println!("skipped: Kyverno's models are not there: HARDPAN_TEST_SBOM_TOOLS");
        return None;
    };
    let mut child = Command::new(python)
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(questions.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn text(policy: &Value, target: Target) -> String {
    exported(policy, target, true).unwrap().text
}

#[test]
fn kyverno_s_models_know_every_field() {
    let keys = json!(["release.pub"]);
    let policies = [
        of_clusters(),
        json!({"keys": keys, "nonroot": "required"}),
        json!({"keys": keys, "require": [{"predicate": "vex"}, {"predicate": "test-result"}, {"predicate": "provenance"}]}),
        json!({"keys": keys, "max-age-days": 1, "images": ["docker.io/library/**", "a.example/b:1*", "a.example/c@sha256:*"]}),
        json!({"keys": keys, "vulnerabilities": {"severity": "medium", "min-age-days": 3, "kev": "deny"}}),
        json!({"keys": keys, "audit": {"min-grade": "F", "forbid": ["root", "capabilities", "package-manager"]}}),
        json!({"keys": ["release.pub", "ci.pub"], "builders": [{"id": "https://a.example"}, {"id": "https://b.example"}]}),
    ];
    let questions: Vec<Value> =
        policies.iter().map(|policy| json!({"text": text(policy, Target::Kyverno)})).collect();
    let Some(answers) = ask(&json!(questions)) else { return };
    for (policy, answer) in policies.iter().zip(&answers) {
        assert_eq!(answer["problems"], json!([]), "{policy}");
        assert_eq!(answer["documents"].as_array().map(Vec::len), Some(1), "{policy}");
    }
}

#[test]
fn kyverno_s_models_refuse_what_is_not_there() {
    let good = text(&of_clusters(), Target::Kyverno);
    let changes = [
        ("mutateDigest:", "mutateDigst:"),
        ("failurePolicy: \"Fail\"", "failurePolicy: \"Faill\""),
        ("ignoreTlog:", "ignoreLog:"),
        ("operator: \"AnyIn\"", "operator: \"Any\""),
        ("imageReferences:", "images:"),
        ("jmesPath:", "jmespath:"),
        ("background: false", "background: \"no\""),
        ("foreach:", "forEach:"),
    ];
    let altered = |(from, to): &(&str, &str)| {
        assert!(good.contains(from), "{from}");
        json!({"text": good.replace(from, to)})
    };
    let questions: Vec<Value> = changes.iter().map(altered).collect();
    let Some(answers) = ask(&json!(questions)) else { return };
    for (change, answer) in changes.iter().zip(&answers) {
        assert_ne!(answer["problems"], json!([]), "{change:?}");
    }
}

#[test]
fn kyverno_s_conditions_decide_as_the_policy_does() {
    let scan = |severity: &str, more: Value| {
        let result = json!([{"id": "CVE-1", "severity": [{"method": "hardpan", "score": severity}], "annotations": [more]}]);
        json!({"scanner": {"db": {"sources": ["kev"]}, "result": result}})
    };
    let fixed = json!({"package": "a", "fixedVersion": "2"});
    let audit = |change: Value| audited(&change);
    let cases = [
        ("vulnerabilities", scan("low", fixed.clone()), true),
        ("vulnerabilities", scan("high", json!({"package": "a"})), true),
        ("vulnerabilities", scan("high", fixed.clone()), false),
        ("vulnerabilities", scan("a word of others", fixed), false),
        ("vulnerabilities", scan("low", json!({"exploitedSince": "2026-01-01"})), false),
        ("vulnerabilities", json!({"scanner": {"db": {"sources": []}, "result": []}}), false),
        ("vulnerabilities", json!({"scanner": {"db": {"sources": ["kev"]}, "result": []}}), true),
        ("audit", audit(json!({})), true),
        ("audit", audit(json!({"grade": "B"})), true),
        ("audit", audit(json!({"grade": "C"})), false),
        ("audit", audit(json!({"profile": "dev"})), false),
        ("audit", audit(json!({"controls": []})), false),
        (
            "audit",
            audit(json!({"controls": [{"id": "read-only-root", "result": "excepted"}]})),
            false,
        ),
        ("audit", audit(json!({"traits": {"uid": 0, "shell": [], "setuid": 0}})), false),
        ("audit", audit(json!({"traits": {"uid": null, "shell": [], "setuid": 0}})), false),
        ("audit", audit(json!({"traits": {"uid": 1, "shell": ["/bin/sh"], "setuid": 0}})), false),
        ("audit", audit(json!({"traits": {"uid": 1, "shell": [], "setuid": 1}})), false),
        ("require-1", json!({"result": "PASSED"}), true),
        ("require-1", json!({"result": "FAILED"}), false),
        ("require-1", json!({}), false),
        ("builder", json!({"runDetails": {"builder": {"id": "https://ci.example/builder"}}}), true),
        (
            "builder",
            json!({"runDetails": {"builder": {"id": "https://ci.example/builder2"}}}),
            false,
        ),
    ];
    let asked: Vec<Value> =
        cases.iter().map(|(rule, predicate, _)| json!([rule, predicate])).collect();
    let question = json!({"text": text(&of_clusters(), Target::Kyverno), "cases": asked});
    let Some(answers) = ask(&json!([question])) else { return };
    let expected: Vec<bool> = cases.iter().map(|(.., expected)| *expected).collect();
    assert_eq!(answers[0]["decisions"], json!(expected));
}
