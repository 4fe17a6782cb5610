// SPDX-License-Identifier: Apache-2.0
//! Tests that nothing passes an export by being written otherwise, or by not being there.

use serde_json::{Value, json};

use super::tests::{complies, exported, for_builds, modules_of, of_clusters};
use super::*;
use crate::decide;
use crate::tests::{module, settings};

#[test]
fn what_is_found_a_level_deeper_is_looked_at() {
    let modules = modules_of(&of_clusters());
    let holds = |results: Value| {
        let predicate = json!({"scanner": {"db": {"sources": ["kev"]}, "result": results}});
        complies(&modules, "team-vulnerabilities", &json!({ "predicate": predicate }))
    };
    let severity = |word: &str| json!([{"method": "hardpan", "score": word}]);
    let fixed = json!([{"package": "a", "fixedVersion": "2"}]);
    let exploited = json!([{"exploitedSince": "2026-01-01"}]);
    assert!(holds(json!([])));
    assert!(holds(json!([{"id": "a", "severity": severity("low"), "annotations": fixed}])));
    assert!(holds(
        json!([{"vulnerability": {"id": "a", "severity": severity("low")}, "annotations": fixed}])
    ));
    for bad in [
        json!({"vulnerability": {"id": "a", "severity": severity("high"), "annotations": fixed}}),
        json!({"vulnerability": {"id": "a", "severity": severity("high")}, "annotations": fixed}),
        json!({"vulnerability": {"id": "a", "severity": severity("low"), "annotations": exploited}}),
        json!({"vulnerability": {"id": "a"}, "annotations": exploited}),
        // What can't be read may be anything.
        json!({"severity": severity("low")}),
        json!({"id": 7, "severity": severity("low")}),
        json!({"vulnerability": {"severity": severity("low")}}),
        json!({"vulnerability": "CVE-1"}),
        json!({"vulnerability": null}),
        json!("CVE-1"),
    ] {
        let good = json!({"id": "b", "severity": severity("low"), "annotations": fixed});
        assert!(!holds(json!([good, bad])), "{bad}");
    }
    assert!(!holds(json!({"a": {"id": "a", "severity": severity("low")}})), "no list");
    let kyverno = exported(&of_clusters(), Target::Kyverno, false).unwrap().text;
    assert!(kyverno.contains("length(scanner.result[?vulnerability || type(id) != 'string'])"));
}

#[test]
fn builds_deny_images_without_a_name() {
    let base = json!({"keys": ["release.pub"], "base": {"allow": ["debian"]}});
    let nonroot = json!({"nonroot": "required"});
    let age = json!({"max-age-days": 3});
    let named = json!({"images": ["registry.example/app"], "nonroot": "required"});
    let everything = json!({"images": ["**"], "nonroot": "required"});
    let tagged = json!({"images": ["registry.example/app:1"], "nonroot": "required"});
    let nothing = "an image without a name";
    for (policy, image, expected) in [
        (&nonroot, json!({"user": "0"}), Some(nothing)),
        (&nonroot, json!({}), Some(nothing)),
        (&nonroot, json!({"user": "1"}), None),
        (&age, json!({}), Some(nothing)),
        (&base, json!({}), Some(nothing)),
        (&base, json!({"labels": {"org.opencontainers.image.base.name": "alpine"}}), Some(nothing)),
        (&base, json!({"labels": {"org.opencontainers.image.base.name": "debian:13"}}), None),
        (&named, json!({"user": "1"}), Some(nothing)),
        (&named, json!({"user": "1", "fullRepo": "registry.example/app"}), None),
        (&named, json!({"user": "1", "fullRepo": "registry.example/b"}), Some(nothing)),
        (
            &named,
            json!({"user": "1", "ref": "registry.example/app:1"}),
            Some("registry.example/app:1"),
        ),
        (&tagged, json!({"user": "1"}), Some(nothing)),
        (
            &tagged,
            json!({"user": "1", "ref": "registry.example/app:1"}),
            Some("registry.example/app:1"),
        ),
        (
            &tagged,
            json!({"user": "1", "fullRepo": "registry.example/app", "ref": "registry.example/app:1@sha256:00"}),
            None,
        ),
        (&everything, json!({"user": "1"}), Some(nothing)),
        (&for_builds(), json!({}), Some(nothing)),
    ] {
        let text = exported(policy, Target::Buildx, true).unwrap().text;
        let input = json!({ "image": image });
        let decided = decide(&[module("a.rego", &text)], &input, &settings()).unwrap().remove(0);
        assert_eq!(decided.allow, expected.is_none(), "{policy} {image} {decided:?}");
        let starts = |reason: &String| expected.is_none_or(|start| reason.starts_with(start));
        assert!(decided.reasons.iter().all(starts), "{policy} {image} {decided:?}");
    }
}

#[test]
fn a_time_of_the_future_is_not_young_for_kyverno() {
    let policy = json!({"keys": ["release.pub"], "max-age-days": 3});
    let text = exported(&policy, Target::Kyverno, false).unwrap().text;
    for part in ["\"LessThanOrEquals\"", "\"72h\"", "\"GreaterThanOrEquals\"", "\"-5m\""] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn kyverno_looks_at_users_of_images_however_they_are_written() {
    let text = |images: Value| {
        let policy = json!({"images": images, "nonroot": "required"});
        exported(&policy, Target::Kyverno, false).unwrap().text
    };
    let some = text(json!(["debian"]));
    let expression = "^((index[.])?docker[.]io/)?(library/)?debian(:[^/@]*)?(@.*)?$";
    assert!(some.contains(&format!("regex_match('{expression}', element.image)")), "{some}");
    assert!(!text(json!([])).contains("preconditions"));
}

#[test]
fn what_is_not_as_in_the_policy_is_said() {
    let keys = |images: Value| json!({"keys": ["release.pub"], "images": images});
    let remarks = |policy: &Value, target| {
        let exported = exported(policy, target, true).unwrap();
        let of_images = exported.remarks.into_iter().filter(|remark| remark.rule == "images");
        of_images.map(|remark| (remark.kind, remark.reason)).collect::<Vec<_>>()
    };
    for target in [Target::Kyverno, Target::PolicyController, Target::Gatekeeper] {
        assert!(remarks(&keys(json!([])), target).is_empty(), "{target:?}");
        let found = remarks(&keys(json!(["registry.example/app"])), target);
        assert_eq!(found.len(), 1, "{target:?}");
        assert!(found[0].0 == RemarkKind::Note && found[0].1.contains("where hardpan denies it"));
        let tagged = remarks(&keys(json!(["registry.example/app:1"])), target);
        assert_eq!(tagged.len(), if target == Target::Gatekeeper { 1 } else { 2 }, "{target:?}");
    }
    let builds = remarks(&for_builds(), Target::Buildx);
    assert!(builds.len() == 1 && builds[0].1.contains("without a name"), "{builds:?}");
}
