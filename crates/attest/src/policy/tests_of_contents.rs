// SPDX-License-Identifier: Apache-2.0
//! Tests of the rules about what an image is, and of exceptions.

use serde_json::{Value, json};

use super::tests::{
    CI, DAY, NOW, PROVENANCE, SPDX, evidence, found, parse, provenance, said, with_every_field,
};
use super::*;
use crate::predicate::audit::tests::hardened;

const AUDIT: &str = "https://hardpan.dev/audit/v1";

/// Holds evidence against one rule, by the key `release`.
fn holds(rule: &Value, evidence: &Evidence) -> RuleResult {
    let mut policy = json!({"keys": ["release"]});
    for (key, value) in rule.as_object().unwrap() {
        policy[key] = value.clone();
    }
    let results = evaluate(&parse(policy), evidence, Time::from_seconds(NOW));
    assert_eq!(results.len(), 2, "{results:?}");
    results.into_iter().next_back().unwrap()
}

/// Asserts what comes of a rule, and a part of the reason.
fn expect(rule: &Value, evidence: &Evidence, ok: bool, reason: &str) {
    let result = holds(rule, evidence);
    assert!(result.ok == ok && result.reason.contains(reason), "{rule}: {result:?}");
}

fn audited(change: impl FnOnce(&mut Value)) -> Evidence {
    let mut audit = hardened();
    change(&mut audit);
    let mut evidence = evidence();
    evidence.statements.push(said("release", b"image", AUDIT, audit));
    evidence
}

#[test]
fn who_runs_as_root_is_told() {
    let rule = json!({"nonroot": "required"});
    for (user, ok, reason) in [
        ("65532", true, "user 65532"),
        ("1000:1000", true, "user 1000"),
        ("", false, "no user is named"),
        ("0", false, "is root"),
        ("0:0", false, "is root"),
        ("00", false, "is root"),
        ("root", false, "root"),
        ("root:app", false, "root"),
        (":5", false, "root"),
        ("4294967296", false, "can't be"),
        ("app", false, "is a name"),
        ("+1", false, "is a name"),
    ] {
        let evidence = Evidence { user: Some(user.into()), ..evidence() };
        expect(&rule, &evidence, ok, reason);
    }
    expect(&rule, &Evidence { user: None, ..evidence() }, false, "no configuration");
    // A name is somebody only by an audit of this very user.
    for (named, uid, ok) in [
        ("app", json!(1000), true),
        ("app", json!(0), false),
        ("app", json!(null), false),
        ("web", json!(7), false),
    ] {
        let mut evidence = audited(|audit| {
            audit["traits"]["user"] = json!(named);
            audit["traits"]["uid"] = uid;
        });
        evidence.user = Some("app".into());
        assert_eq!(holds(&rule, &evidence).ok, ok, "{named}");
    }
}

/// An image whose provenance names these inputs.
fn built(dependencies: Value) -> Evidence {
    let mut predicate = provenance(CI, None);
    predicate["buildDefinition"]["resolvedDependencies"] = dependencies;
    let mut evidence = evidence();
    evidence.statements[0] = said("release", b"image", PROVENANCE, predicate);
    evidence
}

fn without_provenance() -> Evidence {
    let mut evidence = evidence();
    evidence.statements.clear();
    evidence
}

#[test]
fn bases_are_what_the_label_and_provenance_say() {
    let rule = json!({"base": {"allow": ["docker.io/library/debian", "registry.example/base/*"]}});
    let labelled =
        |name: &str| Evidence { bases: BTreeSet::from([name.into()]), ..without_provenance() };
    expect(&rule, &labelled("debian:13"), true, "debian:13, by its own label");
    expect(&rule, &labelled("registry.example/base/go:1@sha256:00"), true, "");
    expect(&rule, &labelled("alpine:3"), false, "made of alpine:3");
    expect(&rule, &labelled(""), false, "made of ");
    // And the inputs of the build.
    let oci = "pkg:oci/go@sha256%3A00?repository_url=registry.example%2Fbase%2Fgo";
    expect(&rule, &built(json!([])), false, "nothing says");
    expect(&rule, &built(json!(null)), false, "nothing says");
    expect(&rule, &built(json!([{"uri": "pkg:deb/debian/libc6@2.41"}])), true, "no other image");
    expect(&rule, &built(json!([{"uri": oci}])), true, "registry.example/base/go");
    expect(&rule, &built(json!([{"uri": "pkg:docker/debian@13"}])), true, "debian:13");
    // Neither a label nor provenance takes the other's word away.
    let mut differing = built(json!([{"uri": "pkg:docker/evil/base@1"}]));
    differing.bases.insert("debian:13".into());
    expect(&rule, &differing, false, "made of evil/base:1, by its own label and provenance");
    let mut differing = built(json!([{"uri": oci}]));
    differing.bases.insert("debian:13".into());
    expect(&rule, &differing, true, "debian:13, registry.example/base/go");
    differing.bases.insert("alpine:3".into());
    expect(&rule, &differing, false, "made of alpine:3");
    let both = json!([{"uri": oci}, {"uri": "pkg:docker/evil/base@1"}]);
    expect(&rule, &built(both), false, "made of evil/base:1");
    let mut nothing = evidence();
    nothing.statements.clear();
    expect(&rule, &nothing, false, "nothing says");
    nothing.statements.push(said("mine", b"image", PROVENANCE, provenance(CI, None)));
    expect(&rule, &nothing, false, "nothing says");
    let old = json!({"builder": {"id": CI}, "buildType": "https://b.example", "materials": [{"uri": "pkg:docker/alpine@3"}]});
    nothing.statements = vec![said("release", b"image", "https://slsa.dev/provenance/v0.2", old)];
    expect(&rule, &nothing, false, "alpine:3");
}

#[test]
fn images_are_known_among_the_inputs_of_a_build() {
    let rule = json!({"base": {"allow": ["docker.io/library/debian", "registry.example/base/*"]}});
    for (uri, ok, reason) in [
        (
            "pkg:docker/base/go@1?repository_url=registry.example",
            true,
            "registry.example/base/go:1",
        ),
        (
            "pkg:docker/base/go@1?repository_url=https:%2F%2Fregistry.example%2F",
            true,
            "registry.example/base/go:1,",
        ),
        (
            "pkg:docker/go@1?repository_url=registry.example%2Fbase%2Fgo",
            true,
            "registry.example/base/go:1",
        ),
        ("pkg:docker/registry.example/base/go@1", true, "registry.example/base/go:1"),
        ("pkg:docker/debian@13?repository_url=evil.example", false, "evil.example/debian:13"),
        ("pkg:docker/debian@sha256:00?repository_url=evil.example", false, "evil.example/debian,"),
        (
            "pkg:oci/debian@sha256%3A00?repository_url=evil.example%2Fdebian&tag=13",
            false,
            "evil.example/debian:13",
        ),
        ("pkg:docker/", false, "as nobody can read"),
        ("pkg:oci/%zz", false, "as nobody can read"),
        ("oci://evil.example/debian:13", false, "evil.example/debian:13"),
        ("docker-image://docker.io/library/debian:13", true, "debian:13"),
        ("docker://evil.example/a@sha256:00", false, "evil.example/a@sha256:00"),
        ("https://evil.example/a.tar", true, "no other image"),
    ] {
        expect(&rule, &built(json!([{ "uri": uri }])), ok, reason);
    }
}

fn with_sbom(packages: Value) -> Evidence {
    let mut evidence = evidence();
    let document = json!({
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "a", "packages": packages,
    });
    evidence.statements[1] = said("release", b"image", SPDX, document);
    evidence
}

#[test]
fn licences_are_those_that_can_t_be_avoided() {
    let package = |name: &str, license: &str| json!({"name": name, "SPDXID": format!("SPDXRef-{name}"), "licenseDeclared": license});
    let rule = json!({"licenses": {"deny": ["AGPL-3.0*", "LicenseRef-evil"]}});
    let lenient = json!({"licenses": {"deny": ["AGPL-3.0*"], "unknown": "allow"}});
    for (license, ok, reason) in [
        ("MIT", true, "none that is denied, of 1"),
        ("AGPL-3.0-only", false, "1: a (AGPL-3.0-only)"),
        ("AGPL-3.0-or-later AND MIT", false, "AGPL-3.0-or-later"),
        ("AGPL-3.0-only OR MIT", true, ""),
        ("(AGPL-3.0-only OR MIT) AND AGPL-3.0-only", false, "AGPL"),
        ("LicenseRef-evil", false, "LicenseRef-evil"),
        ("NOASSERTION", false, "nobody states the licence: a"),
        ("NONE", false, "nobody states"),
        ("AGPL-3.0-only AND NOASSERTION", false, "1: a (AGPL-3.0-only)"),
        ("NOASSERTION AND (MIT AND AGPL-3.0-or-later)", false, "1: a (AGPL-3.0-or-later)"),
        ("MIT AND NOASSERTION", false, "nobody states the licence: a"),
        ("AGPL-3.0-only OR NOASSERTION", false, "nobody states the licence: a"),
    ] {
        expect(&rule, &with_sbom(json!([package("a", license)])), ok, reason);
    }
    for (license, ok, reason) in [
        ("AGPL-3.0-only AND NOASSERTION", false, "1: a (AGPL-3.0-only)"),
        ("MIT AND NOASSERTION", true, "1 without one"),
        ("NOASSERTION", true, "1 without one"),
    ] {
        expect(&lenient, &with_sbom(json!([package("a", license)])), ok, reason);
    }
    let everything = json!({"licenses": {"deny": ["*"], "unknown": "allow"}});
    let unstated = with_sbom(json!([package("a", "NOASSERTION")]));
    expect(&everything, &unstated, true, "1 without one");
    let unknown = with_sbom(json!([package("a", "NOASSERTION"), package("b", "MIT")]));
    expect(&lenient, &unknown, true, "of 2 components; 1 without one");
    expect(&rule, &with_sbom(json!([])), false, "no component");
    let mut none = evidence();
    none.statements[1] = said("release", b"image", SPDX, json!({"spdxVersion": "SPDX-9"}));
    expect(&rule, &none, false, "can't be read");
    none.statements.clear();
    expect(&rule, &none, false, "there is no SBOM");
}

/// A change of an audit, and what is said of it.
type Change = (fn(&mut Value), &'static str);

#[test]
fn audits_are_read_and_asked() {
    let rule = json!({"audit": {"min-grade": "B", "forbid": ["shell", "setuid", "low-port"], "profile": "runtime"}});
    // What an audit excepts itself is forbidden all the same.
    expect(&rule, &audited(|_| ()), false, "low-port: excepted, 1 findings");
    let rule = json!({"audit": {"min-grade": "B", "forbid": ["root", "shell", "setuid"], "profile": "runtime"}});
    expect(&rule, &audited(|_| ()), true, "grade A for runtime");
    let change: [Change; 6] = [
        (|a| a["grade"] = json!("C"), "its grade is C, not B"),
        (|a| a["profile"] = json!("dev"), "held against dev, not runtime"),
        (|a| a["traits"]["shell"] = json!(["/bin/sh"]), "shell: /bin/sh"),
        (|a| a["traits"]["setuid"] = json!(2), "setuid: 2 files"),
        (|a| a["points"] = json!(101), "by release: the audit predicate is wrong"),
        (
            |a| {
                a["traits"]["user"] = json!("0");
                a["traits"]["uid"] = json!(0);
            },
            "root: the user \"0\" is root",
        ),
    ];
    for (change, reason) in change {
        expect(&rule, &audited(change), false, reason);
    }
    expect(&rule, &evidence(), false, "nobody audited it");
    let unknown = json!({"audit": {"forbid": ["no-such-control"]}});
    expect(&unknown, &audited(|_| ()), false, "did not look at that");
    expect(&json!({"audit": {"forbid": ["healthcheck"]}}), &audited(|_| ()), false, "info");
    // The newest counts, by whoever counts.
    let mut two = audited(|audit| audit["time"] = json!("2026-11-11T00:00:00Z"));
    let mut worse = hardened();
    worse["grade"] = json!("F");
    two.statements.push(said("release", b"image", AUDIT, worse.clone()));
    expect(&rule, &two, true, "of 2026-11-11");
    worse["time"] = json!("2026-11-12T00:00:00Z");
    two.statements.push(said("mine", b"image", AUDIT, worse.clone()));
    expect(&rule, &two, true, "of 2026-11-11");
    two.statements.push(said("release", b"image", AUDIT, worse));
    expect(&rule, &two, false, "its grade is F");
}

#[test]
fn vulnerabilities_by_severity_age_fix_and_exploitation() {
    let scan = |all: Vec<FoundVulnerability>, knows_exploited| Evidence {
        vulnerabilities: Some(FoundVulnerabilities { all, knows_exploited }),
        ..evidence()
    };
    let rule = |rule: Value| json!({ "vulnerabilities": rule });
    let high = || found("CVE-2", Severity::High, true);
    expect(
        &rule(json!({"deny": ["critical", "high"]})),
        &scan(vec![high()], false),
        false,
        "1: CVE-2",
    );
    expect(&rule(json!({"deny": ["critical"]})), &scan(vec![high()], false), true, "of 1");
    let unfixed = found("CVE-2", Severity::High, false);
    let fixable = rule(json!({"deny": ["high"], "fixable-only": true}));
    expect(&fixable, &scan(vec![unfixed], false), true, "");
    // Known for ten days.
    for (days, ok) in [(10, false), (11, true)] {
        let rule = rule(json!({"severity": "high", "min-age-days": days}));
        expect(&rule, &scan(vec![high()], false), ok, "");
    }
    let aged = rule(json!({"severity": "high", "min-age-days": 30}));
    let undated = FoundVulnerability { published: None, ..high() };
    expect(&aged, &scan(vec![undated], false), false, "CVE-2");
    let future = Some(Time::from_seconds(NOW + DAY));
    expect(
        &aged,
        &scan(vec![FoundVulnerability { published: future, ..high() }], false),
        false,
        "",
    );
    let kev = rule(json!({"kev": "deny"}));
    expect(&kev, &scan(vec![high()], true), true, "");
    expect(&kev, &scan(vec![], false), false, "does not say which");
    let exploited =
        FoundVulnerability { is_exploited: true, ..found("CVE-3", Severity::Low, false) };
    expect(&kev, &scan(vec![exploited.clone()], true), false, "CVE-3 in libc6, exploited");
    let all = json!({"severity": "high", "fixable": true, "min-age-days": 30, "kev": "deny"});
    expect(&rule(all), &scan(vec![exploited, high()], true), false, "1: CVE-3");
}

#[test]
fn levels_and_names_are_asked() {
    let level = |least: u8| json!({"provenance": {"min-level": least}});
    expect(&level(1), &evidence(), true, "1: provenance by release");
    expect(&level(2), &evidence(), false, "1, and not 2");
    let mut stranger = evidence();
    stranger.statements[0].key = "mine".into();
    expect(&level(1), &stranger, false, "0, and not 1: no trusted key");
    let rule = json!({"provenance": {"min-level": 1}, "images": ["registry.example/team/*"]});
    let named = |name: Option<&str>| {
        let mut policy = rule.clone();
        policy["keys"] = json!(["release"]);
        let evidence = Evidence { name: name.map(str::to_owned), ..evidence() };
        let results = evaluate(&parse(policy), &evidence, Time::from_seconds(NOW));
        (results.len(), is_satisfied(&results))
    };
    assert_eq!(named(Some("registry.example/team/app")), (3, true));
    assert_eq!(named(Some("registry.example/other/app")), (3, false));
    // A layout has no name.
    assert_eq!(named(None), (2, true));
}

#[test]
fn exceptions_count_until_their_day_and_are_shown() {
    let today = Time::from_seconds(NOW).day();
    let yesterday = today.yesterday().unwrap();
    for (until, ok, has_ended) in [(today, true, false), (yesterday, false, true)] {
        let exception = |id: &str| json!([{"id": id, "until": until, "reason": "it is known"}]);
        let rules: [(Value, &str, Evidence); 5] = [
            (json!({"vulnerabilities": {"severity": "critical"}}), "CVE-1", evidence()),
            (
                json!({"nonroot": "required"}),
                "nonroot",
                Evidence { user: Some("0".into()), ..evidence() },
            ),
            (json!({"audit": {"forbid": ["low-port"]}}), "low-port", audited(|_| ())),
            (
                json!({"base": {"allow": ["a/b"]}}),
                "c/d:1",
                Evidence { bases: BTreeSet::from(["c/d:1".into()]), ..evidence() },
            ),
            (
                json!({"licenses": {"deny": ["MIT"]}}),
                "MIT",
                with_sbom(json!([{"name": "a", "SPDXID": "SPDXRef-a", "licenseDeclared": "MIT"}])),
            ),
        ];
        for (mut rule, id, evidence) in rules {
            assert!(!holds(&rule, &evidence).ok, "{rule}");
            rule["exceptions"] = exception(id);
            let result = holds(&rule, &evidence);
            assert_eq!(result.ok, ok, "{rule}: {result:?}");
            let used: Vec<_> =
                result.exceptions.iter().map(|one| (one.id.as_str(), one.has_ended)).collect();
            assert_eq!(used, [(id, has_ended)], "{result:?}");
            // One for something else is not used.
            rule["exceptions"] = exception("another");
            let result = holds(&rule, &evidence);
            assert!(!result.ok && result.exceptions.is_empty(), "{result:?}");
        }
    }
    let used = UsedException { id: "a".into(), until: today, reason: "r".into(), has_ended: true };
    let json = serde_json::to_value(used).unwrap();
    assert_eq!(json, json!({"id": "a", "until": today, "reason": "r", "has-ended": true}));
}

#[test]
fn every_field_survives_the_way_through_json() {
    let policy = parse(with_every_field());
    assert_eq!(serde_json::to_value(&policy).unwrap(), with_every_field());
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert!(Policy::parse(format!("{{\"keys\": {deep}}}").as_bytes()).is_err());
}
