// SPDX-License-Identifier: Apache-2.0
//! Tests of exports: what is written, what is refused, and whether the Rego in it decides as the policy does.

use std::collections::BTreeMap;

use hardpan_attest::policy::{
    Evidence, SignatureEvidence, StatementEvidence, evaluate, is_satisfied,
};
use hardpan_attest::predicate::Time;
use hardpan_attest::{Statement, Subject};
use serde_json::{Value, json};

use super::*;
use crate::tests::{NOW, module, settings};
use crate::{Module, decide};

const PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1olhKbWGbQ4nTxSvOXBkYK2Zl8hl
SV0Pp9LFuSB8rDLFmzJ0nUqBCz0HBlHdC2iXnTeVIFl3kRRvqTwHGJr4Zw==
-----END PUBLIC KEY-----
";

pub(super) fn parse(policy: &Value) -> Policy {
    Policy::parse(policy.to_string().as_bytes()).unwrap()
}

pub(super) fn keys() -> BTreeMap<String, String> {
    ["release.pub", "ci.pub"].into_iter().map(|name| (name.to_owned(), PEM.to_owned())).collect()
}

fn today() -> Date {
    Time::from_seconds(NOW / 1_000_000_000).day()
}

pub(super) fn exported(
    policy: &Value,
    target: Target,
    partial: bool,
) -> Result<Exported, ExportError> {
    let (policy, keys) = (parse(policy), keys());
    let request =
        ExportRequest { policy: &policy, name: "team", keys: &keys, today: today(), partial };
    export(&request, target)
}

/// What all of Kyverno and policy-controller can express.
pub(super) fn of_clusters() -> Value {
    json!({
        "images": ["registry.example/team/**", "registry.example/app"],
        "keys": ["release.pub"],
        "require": [{"predicate": "sbom"}, {"predicate": "test-result", "keys": ["ci.pub"]}],
        "builders": [{"id": "https://ci.example/builder", "keys": ["ci.pub"]}],
        "max-age-days": 30,
        "nonroot": "required",
        "vulnerabilities": {"deny": ["critical", "high"], "fixable": true, "kev": "deny"},
        "audit": {"min-grade": "B", "forbid": ["shell", "setuid", "root", "read-only-root"], "profile": "runtime"},
    })
}

#[test]
fn kyverno() {
    insta::assert_snapshot!(exported(&of_clusters(), Target::Kyverno, false).unwrap().text);
}

#[test]
fn policy_controller() {
    insta::assert_snapshot!(
        exported(&of_clusters(), Target::PolicyController, false).unwrap().text
    );
}

#[test]
fn gatekeeper() {
    let policy = json!({"images": ["registry.example/team/*"], "keys": ["release.pub"], "nonroot": "required"});
    insta::assert_snapshot!(exported(&policy, Target::Gatekeeper, true).unwrap().text);
}

#[test]
fn buildx() {
    insta::assert_snapshot!(exported(&for_builds(), Target::Buildx, false).unwrap().text);
}

const ALL: [Target; 4] =
    [Target::Kyverno, Target::PolicyController, Target::Gatekeeper, Target::Buildx];

#[test]
fn nothing_is_dropped_silently() {
    let keys = |mut policy: Value| {
        policy["keys"] = json!(["release.pub"]);
        policy
    };
    let no_gatekeeper = [Target::Gatekeeper, Target::Buildx];
    let cases: [(Value, &str, &[Target]); 10] = [
        (keys(json!({"provenance": {"min-level": 2}})), "provenance", &ALL),
        (keys(json!({"complete-sbom": true})), "complete-sbom", &ALL),
        (keys(json!({"licenses": {"deny": ["MIT"]}})), "licenses", &ALL),
        (
            keys(json!({"base": {"allow": ["debian"]}})),
            "base",
            &[Target::Kyverno, Target::PolicyController, Target::Gatekeeper],
        ),
        (keys(json!({"require": [{"predicate": "vex"}]})), "require vex", &no_gatekeeper),
        (keys(json!({"builders": [{"id": "https://a.example"}]})), "builders", &no_gatekeeper),
        (keys(json!({"vulnerabilities": {"severity": "high"}})), "vulnerabilities", &no_gatekeeper),
        (keys(json!({"audit": {"min-grade": "A"}})), "audit", &no_gatekeeper),
        (json!({"nonroot": "required"}), "nonroot", &[Target::Gatekeeper]),
        (
            keys(
                json!({"builders": [{"id": "https://a.example"}, {"id": "https://b.example", "keys": ["ci.pub"]}]}),
            ),
            "builders",
            &[Target::Kyverno, Target::Gatekeeper, Target::Buildx],
        ),
    ];
    for (policy, rule, targets) in cases {
        for target in ALL {
            let result = exported(&policy, target, false);
            let is_dropped = targets.contains(&target);
            match result {
                Ok(exported) => {
                    assert!(!is_dropped, "{policy} {target:?}");
                    assert!(exported.remarks.iter().all(|it| it.kind != RemarkKind::Dropped));
                }
                Err(ExportError::Nothing(_)) => assert!(is_dropped || target == Target::Buildx),
                Err(error) => {
                    let text = error.to_string();
                    assert!(
                        text.contains(rule) || target == Target::Buildx,
                        "{policy} {target:?}: {text}"
                    );
                }
            }
            // Of a part the rest is written, with what is missing in comments.
            if let Ok(part) = exported(&policy, target, true) {
                for remark in &part.remarks {
                    let line = format!("# {}: {}: ", remark.kind.as_str(), remark.rule);
                    assert!(part.text.lines().any(|it| it.starts_with(&line)), "{line}");
                }
                let names: Vec<&str> = (part.remarks.iter())
                    .filter(|remark| remark.kind == RemarkKind::Dropped)
                    .map(|remark| remark.rule.as_str())
                    .collect();
                assert_eq!(names.contains(&rule), is_dropped, "{policy} {target:?} {names:?}");
            }
        }
    }
}

#[test]
fn what_can_t_be_written_is_refused() {
    let policy = json!({"keys": ["unknown.pub"]});
    let error = exported(&policy, Target::Kyverno, false).unwrap_err().to_string();
    assert!(error.contains("unknown.pub"), "{error}");
    for target in [Target::PolicyController, Target::Gatekeeper] {
        assert!(matches!(exported(&policy, target, true), Err(ExportError::Key(_))));
    }
    let only = json!({"keys": ["release.pub"], "licenses": {"deny": ["MIT"]}});
    assert!(matches!(exported(&only, Target::Buildx, true), Err(ExportError::Nothing(_))));
    let unsigned = json!({"vulnerabilities": {"severity": "high"}});
    for target in ALL {
        assert!(exported(&unsigned, target, true).is_err(), "{target:?}");
    }
    let (good, keys) = (parse(&of_clusters()), keys());
    for name in ["", "A", "a b", "-a", "a-", "a/b", &"a".repeat(60)] {
        let request =
            ExportRequest { policy: &good, name, keys: &keys, today: today(), partial: true };
        assert!(matches!(export(&request, Target::Kyverno), Err(ExportError::Name(_))), "{name}");
    }
    let empty = Policy::default();
    let request =
        ExportRequest { policy: &empty, name: "a", keys: &keys, today: today(), partial: true };
    assert!(matches!(export(&request, Target::Kyverno), Err(ExportError::Policy(_))));
}

/// What buildx sees enough for.
pub(super) fn for_builds() -> Value {
    json!({
        "images": ["registry.example/team/**", "registry.example/app", "registry.example/tagged:1*"],
        "max-age-days": 30,
        "nonroot": "required",
        "exceptions": [{"id": "nonroot", "until": "2020-01-01", "reason": "it was"}],
    })
}

/// Facts of an image, for the policy and for buildx.
struct Facts {
    name: &'static str,
    tag: &'static str,
    user: &'static str,
    age_days: i64,
    is_in_provenance: bool,
    base: Option<&'static str>,
}

const GOOD: Facts = Facts {
    name: "registry.example/team/a/b",
    tag: "1",
    user: "65532",
    age_days: 3,
    is_in_provenance: false,
    base: Some("debian:13"),
};

impl Facts {
    fn time(&self) -> Time {
        Time::from_seconds(NOW / 1_000_000_000 - self.age_days * 86_400)
    }

    fn evidence(&self) -> Evidence {
        let digest = hardpan_attest_digest();
        let old = Time::EPOCH;
        let provenance = json!({
            "buildDefinition": {"buildType": "https://b.example", "externalParameters": {}},
            "runDetails": {"builder": {"id": "https://b.example"}, "metadata": {"finishedOn": self.time()}},
        });
        let statement = Statement::new(
            vec![Subject::new("a", digest)],
            "https://slsa.dev/provenance/v1",
            &provenance,
        );
        let statements = if self.is_in_provenance {
            vec![StatementEvidence { key: "release.pub".into(), statement: statement.unwrap() }]
        } else {
            Vec::new()
        };
        Evidence {
            digests: BTreeSet::from([digest]),
            name: Some(format!("{}:{}", self.name, self.tag)),
            created: Some(if self.is_in_provenance { old } else { self.time() }),
            user: Some(self.user.to_owned()),
            bases: self.base.into_iter().map(str::to_owned).collect(),
            signatures: vec![SignatureEvidence { key: "release.pub".into(), digest }],
            statements,
            vulnerabilities: None,
        }
    }

    fn input(&self) -> Value {
        let mut image = json!({
            "ref": format!("{}:{}", self.name, self.tag), "fullRepo": self.name, "tag": self.tag,
            "createdTime": if self.is_in_provenance { Time::EPOCH } else { self.time() },
        });
        if !self.user.is_empty() {
            image["user"] = json!(self.user);
        }
        if self.is_in_provenance {
            image["provenance"] = json!({"finishedOn": self.time()});
        }
        if let Some(base) = self.base {
            image["labels"] = json!({"org.opencontainers.image.base.name": base});
        }
        json!({ "image": image })
    }
}

fn hardpan_attest_digest() -> hardpan_tree::Digest {
    hardpan_tree::Digest::of(b"image")
}

#[test]
fn buildx_decides_as_the_policy_does() {
    let with = |rules: Value| {
        let mut policy = json!({"keys": ["release.pub"]});
        policy.as_object_mut().unwrap().extend(rules.as_object().unwrap().clone());
        policy
    };
    let base = json!({"base": {"allow": ["debian", "registry.example/base/*:1*"]}});
    let excepted = json!({
        "nonroot": "required", "max-age-days": 30,
        "exceptions": [{"id": "nonroot", "until": today(), "reason": "r"}],
    });
    let mut count = 0;
    for rules in [for_builds(), base, excepted] {
        let written = exported(&with(rules.clone()), Target::Buildx, true).unwrap().text;
        let modules = [module("Dockerfile.rego", &written)];
        for facts in [
            GOOD,
            Facts { name: "registry.example/app", ..GOOD },
            Facts { name: "registry.example/apps", ..GOOD },
            Facts { name: "registry.example/app/more", ..GOOD },
            Facts { name: "registry.example/tagged", tag: "12", ..GOOD },
            Facts { name: "registry.example/tagged", tag: "2", ..GOOD },
            Facts { name: "registry-example/app", ..GOOD },
            Facts { user: "0", ..GOOD },
            Facts { user: "", ..GOOD },
            Facts { user: "root", ..GOOD },
            Facts { user: "app", ..GOOD },
            Facts { user: "00:5", ..GOOD },
            Facts { user: "5:0", ..GOOD },
            Facts { user: "4294967296", ..GOOD },
            Facts { age_days: 30, ..GOOD },
            Facts { age_days: 31, ..GOOD },
            Facts { age_days: -1, ..GOOD },
            Facts { age_days: 31, is_in_provenance: true, ..GOOD },
            Facts { age_days: 29, is_in_provenance: true, ..GOOD },
            Facts { base: Some("docker.io/library/debian:12@sha256:00"), ..GOOD },
            Facts { base: Some("alpine"), ..GOOD },
            Facts { base: Some("team/debian"), ..GOOD },
            Facts { base: Some("registry.example/base/go:1.2"), ..GOOD },
            Facts { base: Some("registry.example/base/go:2"), ..GOOD },
            Facts { base: Some("registry.example/base/go"), ..GOOD },
            Facts { base: None, ..GOOD },
        ] {
            let policy = parse(&with(rules.clone()));
            let now = Time::from_seconds(NOW / 1_000_000_000);
            let results = evaluate(&policy, &facts.evidence(), now);
            let decided = decide(&modules, &facts.input(), &settings()).unwrap();
            assert_eq!(
                decided[0].allow,
                is_satisfied(&results),
                "{rules}\n{}\n{results:?}\n{decided:?}",
                facts.input()
            );
            count += 1;
        }
    }
    assert_eq!(count, 78);
    let http = decide(
        &[module("a.rego", &exported(&with(for_builds()), Target::Buildx, true).unwrap().text)],
        &json!({"http": {"url": "https://a.example"}}),
        &settings(),
    );
    assert!(http.unwrap()[0].allow, "what is no image");
}

/// Returns the modules of policy-controller's objects, by the object's name, with the type of their statement.
pub(super) fn modules_of(policy: &Value) -> Vec<(String, Module)> {
    let (policy, keys) = (parse(policy), keys());
    let request =
        ExportRequest { policy: &policy, name: "team", keys: &keys, today: today(), partial: true };
    let objects = policy_controller::objects(&request, &mut Remarks::default()).unwrap();
    let mut found = Vec::new();
    for object in objects {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let authorities = object["spec"]["authorities"].as_array().unwrap().iter();
        let of_statements =
            authorities.filter_map(|it| it["attestations"][0]["policy"]["data"].as_str());
        let of_object = object["spec"]["policy"]["data"].as_str();
        for text in of_statements.chain(of_object) {
            // Asked as policy-controller asks it.
            let text = format!("{text}\nallow := isCompliant\n");
            found.push((name.clone(), module("policy.rego", &text)));
        }
    }
    found
}

pub(super) fn complies(modules: &[(String, Module)], object: &str, input: &Value) -> bool {
    let mut of_object = modules.iter().filter(|(name, _)| name == object).peekable();
    assert!(of_object.peek().is_some(), "{object}");
    // One authority is enough.
    of_object.any(|(_, module)| {
        decide(std::slice::from_ref(module), input, &settings()).unwrap()[0].allow
    })
}

/// What an audit states of a good image, with something changed.
pub(super) fn audited(change: &Value) -> Value {
    let mut predicate = json!({
        "grade": "A", "profile": "runtime",
        "traits": {"uid": 65532, "shell": [], "setuid": 0},
        "controls": [{"id": "read-only-root", "result": "pass"}],
    });
    predicate.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    predicate
}

#[test]
fn policy_controller_s_rego_decides_as_the_policy_does() {
    let modules = modules_of(&of_clusters());
    let scan = |severity: &str, more: Value| {
        let mut annotation = json!({"package": "a"});
        annotation.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"predicate": {"scanner": {
            "db": {"sources": ["kev"]},
            "result": [{"id": "CVE-1", "severity": [{"method": "hardpan", "score": severity}], "annotations": [annotation]}],
        }}})
    };
    let fixed = || json!({"fixedVersion": "2"});
    let vulnerabilities = |input: &Value| complies(&modules, "team-vulnerabilities", input);
    assert!(vulnerabilities(&scan("low", fixed())));
    assert!(vulnerabilities(&scan("high", json!({}))), "without a fix");
    assert!(!vulnerabilities(&scan("high", fixed())));
    assert!(!vulnerabilities(&scan("a word of others", fixed())));
    assert!(!vulnerabilities(&scan("low", json!({"exploitedSince": "2026-01-01"}))));
    assert!(
        !vulnerabilities(&json!({"predicate": {"scanner": {"result": []}}})),
        "without the list"
    );
    assert!(!vulnerabilities(&json!({"predicate": {}})));

    let audit =
        |change: Value| complies(&modules, "team-audit", &json!({"predicate": audited(&change)}));
    assert!(audit(json!({})) && audit(json!({"grade": "B"})));
    for change in [
        json!({"grade": "C"}),
        json!({"profile": "dev"}),
        json!({"traits": {"uid": 0, "shell": [], "setuid": 0}}),
        json!({"traits": {"uid": null, "shell": [], "setuid": 0}}),
        json!({"traits": {"uid": 1, "shell": ["/bin/sh"], "setuid": 0}}),
        json!({"traits": {"uid": 1, "shell": [], "setuid": 1}}),
        json!({"traits": {}}),
        json!({"controls": []}),
        json!({"controls": [{"id": "read-only-root", "result": "excepted"}]}),
    ] {
        // Nothing is more than a null for this engine; JSON of an audit has a number there.
        assert!(!audit(change.clone()), "{change}");
    }

    let age = |days: i64| {
        let time = Time::from_seconds(NOW / 1_000_000_000 - days * 86_400);
        let predicate = json!({"runDetails": {"builder": {"id": "https://ci.example/builder"}, "metadata": {"finishedOn": time}}});
        complies(&modules, "team-age", &json!({ "predicate": predicate }))
    };
    assert!(age(30) && !age(31) && !age(-1));
    let old_form = json!({"predicate": {"builder": {"id": "https://ci.example/builder"}}});
    assert!(complies(&modules, "team-builder", &old_form));
    let other = json!({"predicate": {"builder": {"id": "https://ci.example/builder2"}}});
    assert!(!complies(&modules, "team-builder", &other));

    let user = |user: Value| {
        let input = json!({"config": {"linux/amd64": {"config": {"User": user}}, "linux/arm64": {"config": {"User": "1"}}}});
        complies(&modules, "team-nonroot", &input)
    };
    assert!(user(json!("65532:0")));
    for bad in ["", "0", "00", "root", "app", "0:1"] {
        assert!(!user(json!(bad)), "{bad}");
    }
    assert!(!user(json!(null)) && !complies(&modules, "team-nonroot", &json!({"config": {}})));
    for (result, expected) in [("PASSED", true), ("WARNED", true), ("FAILED", false)] {
        let input = json!({"predicate": {"result": result}});
        assert_eq!(complies(&modules, "team-require-1", &input), expected);
    }
    // Exceptions are in it, and end.
    for (until, expected) in [(today(), true), (today().yesterday().unwrap(), false)] {
        let mut policy = of_clusters();
        policy["exceptions"] = json!([{"id": "CVE-1", "until": until, "reason": "r"}, {"id": "shell", "until": until, "reason": "r"}]);
        let modules = modules_of(&policy);
        assert_eq!(complies(&modules, "team-vulnerabilities", &scan("high", fixed())), expected);
    }
}

#[test]
fn gatekeeper_s_rego_denies_what_is_not_answered() {
    let answer = "\nexternal_data(question) := input.answer if question.provider\ndeny contains one.msg if some one in violation\n";
    let text = format!("{}{answer}", gatekeeper::MODULE);
    let decide_for = |images: &[&str], answer: Value| {
        let containers: Vec<Value> = images.iter().map(|image| json!({"image": image})).collect();
        let input = json!({
            "review": {"object": {"spec": {"containers": containers}}},
            "parameters": {"provider": "p", "images": ["^registry\\.example/[^/]*$"]},
            "answer": answer,
        });
        decide(&[module("g.rego", &text)], &input, &settings()).unwrap().remove(0)
    };
    let good =
        json!({"responses": [["registry.example/a", "a_valid"]], "errors": [], "system_error": ""});
    assert!(decide_for(&["registry.example/a"], good.clone()).allow);
    assert!(decide_for(&["other.example/a"], json!({"system_error": "down"})).allow, "not meant");
    for (images, answer, expected) in [
        (
            &["registry.example/a", "registry.example/b"][..],
            good,
            "nothing says who signed registry.example/b",
        ),
        (
            &["registry.example/a"],
            json!({"responses": [], "errors": [["registry.example/a", "no signature"]], "system_error": ""}),
            "is not signed by a trusted key: no signature",
        ),
        (
            &["registry.example/a"],
            json!({"responses": [], "errors": [], "system_error": "down"}),
            "p: down",
        ),
        (&["registry.example/a"], json!(null), "p"),
    ] {
        let decided = decide_for(images, answer);
        assert!(!decided.allow, "{decided:?}");
        assert!(decided.reasons.iter().any(|reason| reason.contains(expected)), "{decided:?}");
    }
}
