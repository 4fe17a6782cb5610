// SPDX-License-Identifier: Apache-2.0
//! Tests of policies: for each rule what holds, and everything that must not.

use serde_json::{Value, json};

use super::*;
use crate::Subject;

pub(super) const NOW: i64 = 1_795_000_000;
pub(super) const DAY: i64 = 86_400;

fn digest() -> Digest {
    Digest::of(b"image")
}

pub(super) fn parse(policy: Value) -> Policy {
    Policy::parse(policy.to_string().as_bytes()).unwrap()
}

pub(super) fn said(key: &str, about: &[u8], kind: &str, predicate: Value) -> StatementEvidence {
    let subject = vec![Subject::new("a", Digest::of(about))];
    StatementEvidence {
        key: key.to_owned(),
        statement: Statement::new(subject, kind, &predicate).unwrap(),
    }
}

pub(super) fn provenance(id: &str, finished: Option<i64>) -> Value {
    let metadata = finished.map(|time| json!({"finishedOn": Time::from_seconds(time)}));
    json!({
        "buildDefinition": {"buildType": "https://hardpan.dev/build/v1", "externalParameters": {}},
        "runDetails": {"builder": {"id": id}, "metadata": metadata},
    })
}

pub(super) const CI: &str = "https://ci.example/builder";
pub(super) const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
pub(super) const SPDX: &str = "https://spdx.dev/Document";

/// An SBOM of an image with one file, which belongs to the last component or to none.
pub(super) fn sbom(components: usize, is_complete: bool) -> Value {
    let package = |id: String| json!({"SPDXID": id, "name": id});
    let mut packages = vec![package("SPDXRef-image".into())];
    packages.extend((1..=components).map(|number| package(format!("SPDXRef-{number}"))));
    let of = |from: String, kind: &str, to: &str| json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to});
    let mut relationships = vec![
        of("SPDXRef-DOCUMENT".into(), "DESCRIBES", "SPDXRef-image"),
        of("SPDXRef-image".into(), "CONTAINS", "SPDXRef-file"),
    ];
    if is_complete {
        relationships.push(of(format!("SPDXRef-{components}"), "CONTAINS", "SPDXRef-file"));
    }
    json!({
        "spdxVersion": "SPDX-2.3", "packages": packages, "relationships": relationships,
        "files": [{"SPDXID": "SPDXRef-file", "fileName": "/usr/bin/a"}],
    })
}

fn put_sbom(evidence: &mut Evidence, key: &str, document: Value) {
    evidence.statements[1] = said(key, b"image", SPDX, document);
}

pub(super) fn evidence() -> Evidence {
    Evidence {
        digests: BTreeSet::from([digest()]),
        name: Some("registry.example/team/app".into()),
        created: Some(Time::from_seconds(NOW - 40 * DAY)),
        user: Some("65532:65532".into()),
        bases: BTreeSet::new(),
        signatures: vec![SignatureEvidence { key: "release".into(), digest: digest() }],
        statements: vec![
            said("release", b"image", PROVENANCE, provenance(CI, Some(NOW - 3 * DAY))),
            said("release", b"image", SPDX, sbom(59, true)),
        ],
        vulnerabilities: Some(FoundVulnerabilities {
            all: vec![
                found("CVE-1", Severity::Critical, false),
                found("CVE-2", Severity::High, true),
            ],
            knows_exploited: true,
        }),
    }
}

pub(super) fn found(id: &str, severity: Severity, has_fix: bool) -> FoundVulnerability {
    FoundVulnerability {
        id: id.into(),
        package: "libc6".into(),
        severity,
        has_fix,
        published: Some(Time::from_seconds(NOW - 10 * DAY)),
        is_exploited: false,
    }
}

fn whole() -> Policy {
    parse(json!({
        "keys": ["release", "old-release"],
        "require": [{"predicate": "provenance"}, {"predicate": "sbom"}],
        "builders": [{"id": CI}],
        "max-age-days": 7,
        "complete-sbom": true,
        "vulnerabilities": {"severity": "critical", "fixable": true},
    }))
}

/// A policy with every field.
pub(super) fn with_every_field() -> Value {
    let mut policy = serde_json::to_value(whole()).unwrap();
    policy["require"][0]["keys"] = json!(["a"]);
    policy["builders"][0] = json!({"id": CI, "keys": ["a"], "level": 3});
    policy["images"] = json!(["registry.example/team/**"]);
    policy["provenance"] = json!({"min-level": 2});
    policy["nonroot"] = json!("required");
    policy["base"] = json!({"allow": ["docker.io/library/debian"]});
    policy["licenses"] = json!({"deny": ["AGPL-3.0*"], "unknown": "allow"});
    policy["vulnerabilities"] =
        json!({"deny": ["high", "critical"], "fixable": true, "min-age-days": 7, "kev": "deny"});
    policy["audit"] =
        json!({"min-grade": "B", "forbid": ["setuid", "shell"], "profile": "runtime"});
    policy["exceptions"] = json!([{"id": "CVE-1", "until": "2027-01-31", "reason": "r"}]);
    policy
}

#[test]
fn all_rules_hold() {
    let results = evaluate(&whole(), &evidence(), Time::from_seconds(NOW));
    let lines: Vec<String> =
        results.iter().map(|r| format!("{} {}: {}", r.ok, r.rule, r.reason)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r##"
    true signature: signed by release
    true require provenance: https://slsa.dev/provenance/v1 by release
    true require sbom: https://spdx.dev/Document by release
    true builder: built by https://ci.example/builder
    true age: built 2026-11-15T11:06:40Z, 3 days ago; at most 7
    true complete SBOM: 59 components, and every file is of one
    true vulnerabilities: none that counts, of 2
    "##);
    assert!(is_satisfied(&results));
    assert!(!is_satisfied(&[]));
}

#[test]
fn of_an_index_the_signature_is_asked_for() {
    let policy = whole();
    let results = evaluate_index(&policy, &evidence());
    assert!(results.len() == 1 && results[0].ok && results[0].rule == "signature", "{results:?}");
    let changes: [Change; 3] = [
        |e| e.signatures.clear(),
        |e| e.signatures[0].key = "mine".into(),
        |e| e.signatures[0].digest = Digest::of(b"a platform"),
    ];
    for change in changes {
        let mut evidence = evidence();
        change(&mut evidence);
        assert!(!is_satisfied(&evaluate_index(&policy, &evidence)), "{evidence:?}");
    }
    let without = parse(json!({"nonroot": "required"}));
    assert!(evaluate_index(&without, &evidence()).is_empty());
}

type Change = fn(&mut Evidence);

fn put_provenance(evidence: &mut Evidence, about: &[u8], predicate: Value) {
    evidence.statements[0] = said("release", about, PROVENANCE, predicate);
}

const OF_STATEMENTS: &[&str] =
    &["require provenance", "require sbom", "builder", "age", "complete SBOM"];
const OF_THE_IMAGE: &[&str] =
    &["signature", "require provenance", "require sbom", "builder", "age", "complete SBOM"];

const WITHOUT_PROVENANCE: [(&str, Change, &[&str]); 7] = [
    (
        "about another image",
        |e| put_provenance(e, b"other", provenance(CI, Some(NOW))),
        &["require provenance", "builder", "age"],
    ),
    ("none", |e| put_provenance(e, b"image", json!({})), &["require provenance", "builder", "age"]),
    (
        "another builder",
        |e| put_provenance(e, b"image", provenance("https://ci.example/builder2", Some(NOW))),
        &["builder", "age"],
    ),
    ("too old", |e| put_provenance(e, b"image", provenance(CI, Some(NOW - 7 * DAY - 1))), &["age"]),
    ("in the future", |e| put_provenance(e, b"image", provenance(CI, Some(NOW + DAY))), &["age"]),
    ("an old image, no time", |e| put_provenance(e, b"image", provenance(CI, None)), &["age"]),
    (
        "no time at all",
        |e| {
            put_provenance(e, b"image", provenance(CI, None));
            e.created = None;
        },
        &["age"],
    ),
];

const WITHOUT_SOMETHING: [(&str, Change, &[&str]); 15] = [
    ("no signature", |e| e.signatures.clear(), &["signature"]),
    ("a key that does not count", |e| e.signatures[0].key = "mine".into(), &["signature"]),
    ("of another image", |e| e.signatures[0].digest = Digest::of(b""), &["signature"]),
    ("no statement", |e| e.statements.clear(), OF_STATEMENTS),
    (
        "statements by a key that does not count",
        |e| e.statements.iter_mut().for_each(|one| one.key = "mine".into()),
        OF_STATEMENTS,
    ),
    ("no SBOM", |e| drop(e.statements.pop()), &["require sbom", "complete SBOM"]),
    (
        "an SBOM that can't be read",
        |e| put_sbom(e, "release", json!({"spdxVersion": "SPDX-2.3"})),
        &["complete SBOM"],
    ),
    ("unknown files", |e| put_sbom(e, "release", sbom(1, false)), &["complete SBOM"]),
    ("an empty SBOM", |e| put_sbom(e, "release", sbom(0, true)), &["complete SBOM"]),
    (
        "a complete SBOM by a key that does not count",
        |e| {
            put_sbom(e, "release", sbom(1, false));
            e.statements.push(said("mine", b"image", SPDX, sbom(1, true)));
        },
        &["complete SBOM"],
    ),
    (
        "a complete SBOM of another image",
        |e| {
            put_sbom(e, "release", sbom(1, false));
            e.statements.push(said("release", b"other", SPDX, sbom(1, true)));
        },
        &["complete SBOM"],
    ),
    ("nobody looked", |e| e.vulnerabilities = None, &["vulnerabilities"]),
    (
        "a fix for what is critical",
        |e| e.vulnerabilities.as_mut().unwrap().all[0].has_fix = true,
        &["vulnerabilities"],
    ),
    ("another image", |e| e.digests = BTreeSet::from([Digest::of(b"x")]), OF_THE_IMAGE),
    ("no digest", |e| e.digests.clear(), OF_THE_IMAGE),
];

/// Each change must break exactly the rules that are named.
#[test]
fn what_is_missing_never_passes() {
    for (summary, change, expected) in WITHOUT_PROVENANCE.iter().chain(&WITHOUT_SOMETHING) {
        let mut evidence = evidence();
        change(&mut evidence);
        let results = evaluate(&whole(), &evidence, Time::from_seconds(NOW));
        let broken: Vec<&str> = results.iter().filter(|r| !r.ok).map(|r| r.rule.as_str()).collect();
        assert_eq!(broken, *expected, "{summary}: {results:?}");
        assert!(!is_satisfied(&results) && results.iter().all(|r| !r.reason.is_empty()));
    }
}

#[test]
fn rules_may_name_keys_of_their_own() {
    let policy = parse(json!({
        "require": [{"predicate": "spdx", "keys": ["auditor"]}],
        "builders": [{"id": CI, "keys": ["ci"]}],
    }));
    let mut evidence = evidence();
    let holds = |evidence: &Evidence| {
        evaluate(&policy, evidence, Time::from_seconds(NOW))
            .iter()
            .map(|r| r.ok)
            .collect::<Vec<_>>()
    };
    assert_eq!(holds(&evidence), [false, false]);
    evidence.statements[1].key = "auditor".into();
    assert_eq!(holds(&evidence), [true, false]);
    evidence.statements[0].key = "ci".into();
    assert_eq!(holds(&evidence), [true, true]);
    // One that is wrong beside one that is right changes nothing.
    evidence.statements.insert(0, said("ci", b"image", PROVENANCE, json!([])));
    assert_eq!(holds(&evidence), [true, true]);
}

#[test]
fn severities_and_fixes() {
    for (rule, ok) in [
        (json!({"severity": "critical", "fixable": true}), true),
        (json!({"severity": "critical"}), false),
        (json!({"severity": "high", "fixable": true}), false),
    ] {
        let policy = parse(json!({"vulnerabilities": rule}));
        let results = evaluate(&policy, &evidence(), Time::from_seconds(NOW));
        assert_eq!(is_satisfied(&results), ok, "{rule}");
    }
    assert!(Severity::Unknown > Severity::Medium && Severity::Unknown < Severity::High);
}

#[test]
fn statements_about_vulnerabilities_count_by_key_and_data() {
    const VULNS: &str = "https://in-toto.io/attestation/vulns/v0.1";
    let scan = |day: &str, severity: &str| {
        json!({"scanner": {
            "db": {"lastUpdate": format!("2026-11-{day}T00:00:00Z")},
            "result": [{"id": "CVE-1", "severity": [{"method": "hardpan", "score": severity}],
                        "annotations": [{"package": "a", "fixedVersion": "2"}]}],
        }})
    };
    let policy =
        parse(json!({"keys": ["ci"], "vulnerabilities": {"severity": "high", "fixable": true}}));
    let holds = |statements: Vec<StatementEvidence>| {
        let evidence = Evidence { statements, vulnerabilities: None, ..evidence() };
        let results = evaluate(&policy, &evidence, Time::from_seconds(NOW));
        let of_rule = results.into_iter().find(|result| result.rule == "vulnerabilities").unwrap();
        (of_rule.ok, of_rule.reason)
    };
    let by = |key: &str, predicate: Value| said(key, b"image", VULNS, predicate);
    let nobody = "nobody looked for vulnerabilities".to_owned();
    for (statements, expected) in [
        (vec![], (false, nobody.clone())),
        (vec![by("ci", scan("01", "high"))], (false, "1: CVE-1 in a".to_owned())),
        (vec![by("ci", scan("01", "medium"))], (true, "none that counts, of 1".to_owned())),
        // The newest data counts, whoever comes first.
        (
            vec![by("ci", scan("09", "high")), by("ci", scan("01", "low"))],
            (false, "1: CVE-1 in a".to_owned()),
        ),
        (
            vec![by("ci", scan("01", "high")), by("ci", scan("09", "low"))],
            (true, "none that counts, of 1".to_owned()),
        ),
        // By somebody else, about something else, or nonsense.
        (vec![by("stranger", scan("01", "low"))], (false, nobody.clone())),
        (vec![said("ci", b"another", VULNS, scan("01", "low"))], (false, nobody.clone())),
        (vec![by("ci", json!({"scanner": {}}))], (false, nobody)),
    ] {
        assert_eq!(holds(statements), expected);
    }
}

#[test]
fn the_age_is_of_the_build_or_of_the_image() {
    let policy = parse(json!({"max-age-days": 39, "keys": ["release"]}));
    let mut evidence = evidence();
    let age = |evidence: &Evidence| {
        let results = evaluate(&policy, evidence, Time::from_seconds(NOW));
        results.into_iter().find(|r| r.rule == "age").unwrap()
    };
    assert!(age(&evidence).ok, "{:?}", age(&evidence));
    evidence.statements.clear();
    assert!(!age(&evidence).ok, "{:?}", age(&evidence));
    evidence.created = Some(Time::from_seconds(NOW + 200));
    assert!(age(&evidence).ok, "clocks may differ a little");
}

#[test]
fn policies_that_can_t_be_are_refused() {
    for (policy, expected) in [
        (json!({}), "no rule"),
        (json!({"keys": []}), "no rule"),
        (json!({"key": ["a"]}), "not a policy"),
        (json!([]), "is no object"),
        (json!([["release"]]), "is no object"),
        (json!("keys"), "is no object"),
        (json!({"keys": "a"}), "not a policy"),
        (json!({"keys": [""]}), "without a name is nobody's"),
        (json!({"keys": ["a"], "require": [{"predicate": "SBOM"}]}), "neither"),
        (json!({"require": [{"predicate": "sbom"}]}), "names a key"),
        (json!({"require": [{"predicate": "sbom", "keys": [""]}]}), "without a name is nobody's"),
        (json!({"keys": ["a"], "require": [{"predicate": "sbom", "key": "a"}]}), "not a policy"),
        (json!({"builders": [{"id": CI}]}), "names a key"),
        (json!({"keys": ["a"], "builders": [{"id": "ci"}]}), "the builder \"ci\" is no URI"),
        (json!({"max-age-days": 0}), "0 days"),
        (json!({"max-age-days": -1}), "not a policy"),
        (json!({"complete-sbom": true}), "names a key"),
        (json!({"vulnerabilities": {"severity": "severe"}}), "not a policy"),
        (json!({"vulnerabilities": {}}), "say `severity`"),
        (json!({"vulnerabilities": {"fixable": true}}), "say `severity`"),
        (json!({"vulnerabilities": {"severity": "high", "deny": ["high"]}}), "take one away"),
        (
            json!({"vulnerabilities": {"deny": ["high"], "fixable": true, "fixable-only": true}}),
            "not a policy",
        ),
        (json!({"vulnerabilities": {"kev": "deny", "fixable": true}}), "and none is"),
        (json!({"vulnerabilities": {"kev": "allow"}}), "not a policy"),
        (
            json!({"vulnerabilities": {"severity": "high", "min-age-days": 0}}),
            "younger than 0 days",
        ),
        (json!({"images": ["a/**"]}), "no rule"),
        (json!({"images": ["a b"], "keys": ["a"]}), "not a policy"),
        (json!({"exceptions": [{"id": "a", "until": "2027-01-01", "reason": "r"}]}), "no rule"),
        (json!({"nonroot": true}), "not a policy"),
        (json!({"nonroot": "optional"}), "not a policy"),
        (json!({"keys": ["a"], "provenance": {"min-level": 0}}), "no level 0"),
        (json!({"keys": ["a"], "provenance": {"min-level": 4}}), "no level 4"),
        (json!({"keys": ["a"], "provenance": {}}), "not a policy"),
        (json!({"provenance": {"min-level": 1}}), "names a key"),
        (json!({"keys": ["a"], "base": {"allow": []}}), "no base is allowed"),
        (json!({"keys": ["a"], "base": {"allow": [""]}}), "not a policy"),
        (json!({"base": {"allow": ["a"]}}), "names a key"),
        (json!({"keys": ["a"], "licenses": {"deny": []}}), "by their SPDX ids"),
        (json!({"keys": ["a"], "licenses": {"deny": [""]}}), "by their SPDX ids"),
        (json!({"licenses": {"deny": ["MIT"]}}), "names a key"),
        (json!({"keys": ["a"], "licenses": {"deny": ["MIT"], "unknown": "maybe"}}), "not a policy"),
        (json!({"keys": ["a"], "audit": {}}), "nothing is asked"),
        (json!({"keys": ["a"], "audit": {"min-grade": "G"}}), "not a policy"),
        (json!({"keys": ["a"], "audit": {"forbid": ["No Shell"]}}), "No Shell"),
        (json!({"audit": {"min-grade": "A"}}), "names a key"),
        (
            json!({"keys": ["a"], "exceptions": [{"id": "a", "until": "2027-02-30", "reason": "r"}]}),
            "not a policy",
        ),
        (
            json!({"keys": ["a"], "exceptions": [{"id": "a", "until": "2027-01-01", "reason": " "}]}),
            "has no reason",
        ),
        (json!({"keys": ["a"], "exceptions": [{"id": "a", "reason": "r"}]}), "not a policy"),
        (
            json!({"keys": ["a"], "exceptions": [{"id": "", "until": "2027-01-01", "reason": "r"}]}),
            "has no id",
        ),
        (
            json!({"keys": ["a"], "exceptions": [
                {"id": "a", "until": "2027-01-01", "reason": "r"}, {"id": "a", "until": "2028-01-01", "reason": "r"}]}),
            "two exceptions",
        ),
    ] {
        let error = Policy::parse(policy.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{policy}: {error}");
    }
    assert!(Policy::parse(&vec![b' '; POLICY_BYTES_MAX + 1]).is_err());
    // One that was made and not read does not pass either.
    let results = evaluate(&Policy::default(), &evidence(), Time::from_seconds(NOW));
    assert!(!is_satisfied(&results) && results[0].rule == "policy");
}

#[test]
fn policies_survive_the_way_through_json() {
    let policy = whole();
    let text = serde_json::to_vec(&policy).unwrap();
    assert_eq!(Policy::parse(&text).unwrap(), policy);
}

#[test]
fn what_says_that_it_failed_is_not_enough() {
    let ctrf = |status: &str| {
        let failed = usize::from(status == "failed");
        json!({"results": {
            "tool": {"name": "t"}, "tests": [{"name": "a", "status": status}],
            "summary": {"tests": 1, "passed": 1 - failed, "failed": failed, "skipped": 0},
        }})
    };
    let result = |result: &str| json!({"result": result, "configuration": []});
    let summary = |result: &str| {
        let level = if result == "PASSED" { "SLSA_BUILD_LEVEL_1" } else { "FAILED" };
        json!({
            "verifier": {"id": "https://a.example"}, "resourceUri": "r", "policy": {"uri": "p"},
            "verificationResult": result, "verifiedLevels": [level],
        })
    };
    for (uri, predicate, ok) in [
        ("https://scout.docker.com/tests/v0.1", ctrf("passed"), true),
        ("https://scout.docker.com/tests/v0.1", ctrf("failed"), false),
        ("https://in-toto.io/attestation/test-result/v0.1", result("PASSED"), true),
        ("https://in-toto.io/attestation/test-result/v0.1", result("WARNED"), true),
        ("https://in-toto.io/attestation/test-result/v0.1", result("FAILED"), false),
        ("https://slsa.dev/verification_summary/v1", summary("PASSED"), true),
        ("https://slsa.dev/verification_summary/v1", summary("FAILED"), false),
    ] {
        let policy = parse(json!({"keys": ["release"], "require": [{"predicate": uri}]}));
        let mut evidence = evidence();
        evidence.statements.push(said("release", b"image", uri, predicate));
        let results = evaluate(&policy, &evidence, Time::from_seconds(NOW));
        assert_eq!(results[1].ok, ok, "{results:?}");
    }
}

#[test]
fn the_reference_has_every_field() {
    let page = include_str!("../../../../docs/reference/policy.md");
    let policy = with_every_field();
    assert_eq!(serde_json::to_value(parse(policy.clone())).unwrap(), policy);
    for (field, value) in policy.as_object().unwrap() {
        assert!(page.contains(&format!("| `{field}` |")), "{field}");
        let (inner, mark) = match value {
            Value::Object(inner) => (Some(inner), "."),
            Value::Array(list) => (list[0].as_object(), "[]."),
            _ => (None, ""),
        };
        for own in inner.into_iter().flat_map(serde_json::Map::keys) {
            assert!(page.contains(&format!("| `{field}{mark}{own}` |")), "{field}{mark}{own}");
        }
    }
}
