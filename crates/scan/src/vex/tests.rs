// SPDX-License-Identifier: Apache-2.0
//! Statements about findings. Each trap that others fell into has a test with its name.

use hardpan_attest::predicate::vex::{Trust, VexWarning, from_value};
use hardpan_tree::Digest;
use serde_json::{Value, json};

use super::*;
use crate::inventory::Inventory;
use crate::matching::memory::{Memory, also, record};
use crate::matching::tests::inventory;
use crate::matching::{Findings, MatchOptions, Standing, match_all};

const PURL: &str = "pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64";

fn packages() -> Inventory {
    inventory(
        "debian-13",
        &["deb libssl3t64 3.5.1-1 openssl 3.5.1-1", "deb openssl 3.5.1-1", "npm lodash 4.17.20"],
    )
}

fn memory() -> Memory {
    Memory::about(&[("debian:13", "trixie"), ("npm", "")])
        .with("debian:13", "openssl", record("CVE-1", "*"))
        .with("debian:13", "openssl", record("CVE-2", "*"))
        .with("npm", "lodash", also(record("GHSA-1", "<4.17.21"), &["CVE-3"]))
        .with("npm", "lodash", record("GHSA-9", "<4.17.21"))
}

fn image() -> ImageNames {
    ImageNames { name: "docker.io/team/app".into(), digests: vec![Digest::of(b"index")] }
}

/// A statement: vulnerability, status, product, and the day of January 2026.
fn said(vulnerability: &str, status: &str, product: &Value, day: u8) -> Value {
    let mut statement = json!({
        "@id": format!("https://a.example/{vulnerability}/{day}"),
        "vulnerability": {"name": vulnerability}, "status": status, "products": [product],
        "timestamp": format!("2026-01-{day:02}T00:00:00Z"),
    });
    match status {
        "not_affected" => statement["justification"] = "vulnerable_code_not_present".into(),
        "affected" => statement["action_statement"] = "update".into(),
        _ => {}
    }
    statement
}

fn purl(purl: &str) -> Value {
    json!({"@id": purl})
}

fn of_image(purl: &str, parts: &[&str]) -> Value {
    let parts: Vec<Value> = parts.iter().map(|part| json!({"@id": part})).collect();
    json!({"@id": purl, "subcomponents": parts})
}

fn document(name: &str, trust: Trust, statements: &[Value]) -> VexSource {
    let document = json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": format!("https://a.example/{name}"),
        "author": "A", "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": statements,
    });
    let document = from_value(&document).unwrap();
    VexSource { name: name.to_owned(), trust, is_signed: false, document }
}

fn applied_with(sources: &[VexSource], policy: &VexPolicy) -> Findings {
    let mut findings = match_all(&packages(), &memory(), &MatchOptions::default()).unwrap();
    let count = findings.findings.len();
    apply(&mut findings, &packages(), &image(), sources, policy);
    // Nothing ever goes away.
    assert_eq!(findings.findings.len(), count);
    findings
}

fn applied(sources: &[VexSource]) -> Findings {
    applied_with(sources, &VexPolicy::default())
}

/// After all that is said here.
fn now() -> Time {
    "2026-02-01T00:00:00Z".parse().unwrap()
}

/// Returns the suppressed ones, as `PACKAGE ID`.
fn suppressed(findings: &Findings) -> Vec<String> {
    let gone = findings.findings.iter().filter(|finding| !finding.is_open());
    gone.map(|it| format!("{} {}", it.package.rsplit('/').next().unwrap(), it.id)).collect()
}

fn by_user(statements: &[Value]) -> Findings {
    applied(&[document("user.json", Trust::User, statements)])
}

#[test]
fn the_newest_statement_counts_and_not_the_oldest() {
    let old = said("CVE-1", "not_affected", &purl(PURL), 1);
    let new = said("CVE-1", "affected", &purl(PURL), 2);
    for statements in [[old.clone(), new.clone()], [new, old]] {
        let findings = by_user(&statements);
        assert_eq!(suppressed(&findings), [""; 0]);
        let finding = &findings.findings[0];
        let outcomes: Vec<Outcome> = finding.statements.iter().map(|it| it.outcome).collect();
        assert_eq!(outcomes, [Outcome::Counts, Outcome::Older]);
        assert_eq!(finding.statements[0].status.as_str(), "affected");
    }
    let (old, new) =
        (said("CVE-1", "affected", &purl(PURL), 1), said("CVE-1", "not_affected", &purl(PURL), 2));
    assert_eq!(suppressed(&by_user(&[old, new])), ["libssl3t64 CVE-1"]);
    // Of one time the one that says worse.
    let (one, other) = (
        said("CVE-1", "under_investigation", &purl(PURL), 1),
        said("CVE-1", "not_affected", &purl(PURL), 1),
    );
    assert_eq!(suppressed(&by_user(&[one, other])), [""; 0]);
}

#[test]
fn a_statement_is_found_by_any_name_of_the_vulnerability() {
    let lodash = purl("pkg:npm/lodash@4.17.20");
    for name in ["CVE-3", "GHSA-1"] {
        let statement = said(name, "not_affected", &lodash, 1);
        assert_eq!(suppressed(&by_user(&[statement])), ["lodash CVE-3"], "{name}");
    }
    let mut aliased = said("PRIVATE-7", "not_affected", &lodash, 1);
    aliased["vulnerability"]["aliases"] = json!(["GHSA-9"]);
    assert_eq!(suppressed(&by_user(&[aliased])), ["lodash GHSA-9"]);
    // Whoever lists two CVEs does not join them.
    let mut two = said("CVE-2", "not_affected", &purl(PURL), 1);
    two["vulnerability"]["aliases"] = json!(["CVE-1"]);
    assert_eq!(suppressed(&by_user(&[two])), ["libssl3t64 CVE-2"]);
    let mut wrong = said("CVE-8", "not_affected", &lodash, 1);
    wrong["vulnerability"]["aliases"] = json!(["GHSA-1"]);
    assert_eq!(suppressed(&by_user(&[wrong])), [""; 0]);
}

#[test]
fn a_silent_document_hides_nothing() {
    let silent = document("first", Trust::User, &[said("CVE-2", "affected", &purl(PURL), 9)]);
    let speaking =
        document("second", Trust::Upstream, &[said("CVE-1", "not_affected", &purl(PURL), 1)]);
    let findings = applied(&[silent, speaking]);
    assert_eq!(suppressed(&findings), ["libssl3t64 CVE-1"]);
    let empty = document("none", Trust::User, &[]);
    assert_eq!(suppressed(&applied(&[empty])), [""; 0]);
}

#[test]
fn trust_counts_before_time_and_nothing_is_lost() {
    let upstream =
        document("upstream", Trust::Upstream, &[said("CVE-1", "not_affected", &purl(PURL), 20)]);
    let user = document("user", Trust::User, &[said("CVE-1", "affected", &purl(PURL), 1)]);
    for sources in [[upstream.clone(), user.clone()], [user, upstream]] {
        let findings = applied(&sources);
        assert_eq!(suppressed(&findings), [""; 0]);
        let outcomes: Vec<(&str, Outcome)> = (findings.findings[0].statements.iter())
            .map(|it| (it.document.as_str(), it.outcome))
            .collect();
        assert_eq!(outcomes, [("user", Outcome::Counts), ("upstream", Outcome::Outranked)]);
    }
}

#[test]
fn affected_raises_what_a_rule_suppressed() {
    let inventory = inventory("debian-13", &["deb linux-libc-dev 6.12.43-1 linux"]);
    let memory =
        Memory::about(&[("debian:13", "trixie")]).with("debian:13", "linux", record("CVE-1", "*"));
    let mut findings = match_all(&inventory, &memory, &MatchOptions::default()).unwrap();
    let no_image = ImageNames::default();
    apply(&mut findings, &inventory, &no_image, &[], &VexPolicy::default());
    assert_eq!(findings.findings[0].standing, Standing::Suppressed(Suppression::NoKernel));
    let kernel = purl("pkg:deb/debian/linux-libc-dev@6.12.43-1");
    let source = document("user", Trust::User, &[said("CVE-1", "affected", &kernel, 1)]);
    apply(&mut findings, &inventory, &no_image, &[source], &VexPolicy::default());
    assert!(findings.findings[0].is_open());
}

#[test]
fn fixed_holds_for_the_stated_version_alone() {
    for (product, expected) in [
        (purl(PURL), &["libssl3t64 CVE-1"][..]),
        (purl("pkg:deb/debian/libssl3t64@3.5.1-1"), &["libssl3t64 CVE-1"]),
        (purl("pkg:deb/debian/libssl3t64@3.5.2-1"), &[]),
        (purl("pkg:deb/debian/libssl3t64"), &[]),
        (of_image("pkg:oci/app", &["pkg:deb/debian/libssl3t64"]), &[]),
        (of_image("pkg:oci/app", &["pkg:deb/debian/libssl3t64@3.5.1-1"]), &["libssl3t64 CVE-1"]),
        (
            of_image(
                &format!("pkg:oci/app@{}", Digest::of(b"index")),
                &["pkg:deb/debian/libssl3t64"],
            ),
            &["libssl3t64 CVE-1"],
        ),
    ] {
        let findings = by_user(&[said("CVE-1", "fixed", &product, 1)]);
        assert_eq!(suppressed(&findings), expected, "{product}");
    }
    let findings = by_user(&[said("CVE-1", "fixed", &purl("pkg:deb/debian/libssl3t64"), 1)]);
    let statement = &findings.findings[0].statements[0];
    assert_eq!(statement.outcome, Outcome::Refused(Refusal::FixedWithoutVersion));
    assert!(statement.to_string().contains("holds for ever"), "{statement}");
}

#[test]
fn a_product_without_a_version_is_said_to_be_one() {
    let any = purl("pkg:deb/debian/libssl3t64");
    let findings = by_user(&[said("CVE-1", "not_affected", &any, 1)]);
    assert_eq!(suppressed(&findings), ["libssl3t64 CVE-1"]);
    assert!(findings.findings[0].statements[0].is_versionless);
    let exact = by_user(&[said("CVE-1", "not_affected", &purl(PURL), 1)]);
    assert!(!exact.findings[0].statements[0].is_versionless);
    let strict = VexPolicy { needs_version: true, ..VexPolicy::default() };
    let source = document("user", Trust::User, &[said("CVE-1", "not_affected", &any, 1)]);
    let findings = applied_with(&[source], &strict);
    assert_eq!(suppressed(&findings), [""; 0]);
    let outcome = findings.findings[0].statements[0].outcome;
    assert_eq!(outcome, Outcome::Refused(Refusal::NoVersion));
}

#[test]
fn an_accepted_risk_that_is_called_not_affected_counts_as_affected() {
    let mut statement = said("CVE-1", "not_affected", &purl(PURL), 1);
    statement["status_notes"] = "Marked no-dsa by Debian".into();
    let findings = by_user(&[statement]);
    assert_eq!(suppressed(&findings), [""; 0]);
    assert_eq!(findings.findings[0].statements[0].status.as_str(), "affected");
}

#[test]
fn qualifiers_about_the_distribution_are_read_by_what_they_mean() {
    let base = "pkg:deb/debian/libssl3t64@3.5.1-1";
    for (qualifiers, expected) in [
        ("", true),
        ("?arch=amd64", true),
        ("?arch=arm64", false),
        ("?arch=amd64&distro=debian-13", true),
        ("?distro=debian-13.7", true),
        ("?distro=debian-12", false),
        ("?distro=alpine-13", false),
        ("?os_name=debian&os_version=13&os_distro=trixie", true),
        ("?os_name=debian&os_version=12&os_distro=bookworm", false),
        ("?os_name=ubuntu&os_version=13", false),
        // Of an image whose codename nobody knows this says nothing that could be checked.
        ("?os_name=debian&os_distro=trixie", false),
        ("?upstream=openssl", true),
        ("?upstream=openssl%403.5.1-1", true),
        ("?upstream=curl", false),
        ("?something=else", false),
    ] {
        let statement = said("CVE-1", "not_affected", &purl(&format!("{base}{qualifiers}")), 1);
        assert_eq!(!suppressed(&by_user(&[statement])).is_empty(), expected, "{qualifiers}");
    }
}

#[test]
fn a_source_package_is_meant_only_where_it_is_said() {
    for (product, expected) in [
        ("pkg:deb/debian/openssl@3.5.1-1?arch=source", &["libssl3t64 CVE-1", "openssl CVE-1"][..]),
        (
            "pkg:deb/debian/openssl?arch=source&distro=debian-13",
            &["libssl3t64 CVE-1", "openssl CVE-1"],
        ),
        ("pkg:deb/debian/openssl@3.5.2-1?arch=source", &[]),
        ("pkg:deb/debian/openssl@3.5.1-1", &["openssl CVE-1"]),
        ("pkg:deb/ubuntu/openssl@3.5.1-1?arch=source", &[]),
    ] {
        let findings = by_user(&[said("CVE-1", "not_affected", &purl(product), 1)]);
        assert_eq!(suppressed(&findings), expected, "{product}");
    }
}

#[test]
fn images_are_known_by_digest_name_and_place() {
    let index = Digest::of(b"index");
    let other = Digest::of(b"other");
    // What some write for the host.
    let hub = ["index", "docker.io"].join(".");
    for (product, expected) in [
        (format!("pkg:oci/app@{index}"), true),
        // A copy of it somewhere else, under another name.
        (format!("pkg:oci/mirror@{index}?repository_url=other.example/mirror"), true),
        (format!("pkg:oci/app@{other}"), false),
        ("pkg:oci/app".to_owned(), true),
        ("pkg:oci/App".to_owned(), true),
        ("pkg:oci/team%2Fapp".to_owned(), true),
        ("pkg:oci/other".to_owned(), false),
        ("pkg:oci/app?repository_url=docker.io/team/app".to_owned(), true),
        (format!("pkg:oci/app?repository_url={hub}/team/app"), true),
        (format!("pkg:oci/app?repository_url={hub}%2Fteam%2Fapp"), true),
        ("pkg:oci/app?repository_url=other.example/team/app".to_owned(), false),
        ("pkg:docker/team/app".to_owned(), false),
        // A name alone is no id of the format.
        ("docker.io/team/app".to_owned(), false),
        ("https://docker.io/team/app".to_owned(), false),
    ] {
        let all = by_user(&[said("CVE-1", "not_affected", &purl(&product), 1)]);
        assert_eq!(suppressed(&all).len(), if expected { 2 } else { 0 }, "{product}");
        let part = of_image(&product, &["pkg:deb/debian/openssl@3.5.1-1"]);
        let part = by_user(&[said("CVE-1", "not_affected", &part, 1)]);
        assert_eq!(suppressed(&part).len(), usize::from(expected), "{product}");
        let absent = of_image(&product, &["pkg:deb/debian/curl@8"]);
        let absent = by_user(&[said("CVE-1", "not_affected", &absent, 1)]);
        assert_eq!(suppressed(&absent), [""; 0], "{product}");
    }
    let hashed = json!({"@id": "https://a.example/app", "hashes": {"sha-256": index.to_hex()}});
    assert_eq!(suppressed(&by_user(&[said("CVE-1", "not_affected", &hashed, 1)])).len(), 2);
    let hashed = json!({"@id": "https://a.example/app", "hashes": {"sha-256": other.to_hex()}});
    assert_eq!(suppressed(&by_user(&[said("CVE-1", "not_affected", &hashed, 1)])).len(), 0);
}

#[test]
fn an_image_without_a_name_is_nobodys() {
    let mut findings = match_all(&packages(), &memory(), &MatchOptions::default()).unwrap();
    let said = said("CVE-1", "not_affected", &purl("pkg:oci/app"), 1);
    let source = document("user", Trust::User, &[said]);
    apply(&mut findings, &packages(), &ImageNames::default(), &[source], &VexPolicy::default());
    assert_eq!(suppressed(&findings), [""; 0]);
}

#[test]
fn policies_refuse_and_what_raises_is_never_refused() {
    let mut unjustified = said("CVE-1", "not_affected", &purl(PURL), 1);
    unjustified["justification"].take();
    unjustified["impact_statement"] = "we say so".into();
    let strict = VexPolicy { needs_justification: true, ..VexPolicy::default() };
    let signed = VexPolicy { needs_signature: true, ..VexPolicy::default() };
    let not_affected = said("CVE-1", "not_affected", &purl(PURL), 1);
    let fixed = said("CVE-1", "fixed", &purl(PURL), 1);
    for (statement, policy, is_signed, refusal) in [
        (&unjustified, &strict, false, Some(Refusal::NoJustification)),
        (&unjustified, &VexPolicy::default(), false, None),
        (&not_affected, &strict, false, None),
        (&fixed, &strict, false, None),
        (&not_affected, &signed, false, Some(Refusal::NotSigned)),
        (&fixed, &signed, false, Some(Refusal::NotSigned)),
        (&not_affected, &signed, true, None),
    ] {
        let mut source = document("user", Trust::User, std::slice::from_ref(statement));
        source.is_signed = is_signed;
        // One that may suppress, of less trust, takes its place.
        let findings = applied_with(&[source], policy);
        let outcome = findings.findings[0].statements[0].outcome;
        assert_eq!(outcome, refusal.map_or(Outcome::Counts, Outcome::Refused), "{statement}");
        assert_eq!(findings.findings[0].is_open(), refusal.is_some(), "{statement}");
    }
    let raising = document("user", Trust::User, &[said("CVE-1", "affected", &purl(PURL), 2)]);
    let mut lowering = document("signed", Trust::Upstream, &[not_affected]);
    lowering.is_signed = true;
    assert_eq!(suppressed(&applied_with(&[raising, lowering], &signed)), [""; 0]);
}

#[test]
fn what_is_investigated_for_too_long_is_overdue() {
    let source =
        || document("user", Trust::User, &[said("CVE-1", "under_investigation", &purl(PURL), 1)]);
    // 2026-01-01 is the day 20454.
    for (overdue, expected) in [
        (None, false),
        (Some((20_454 + 30, 30)), false),
        (Some((20_454 + 31, 30)), true),
        (Some((0, 30)), false),
    ] {
        let findings = applied_with(&[source()], &VexPolicy { overdue, ..VexPolicy::default() });
        assert_eq!(findings.findings[0].statements[0].is_overdue, expected, "{overdue:?}");
    }
}

#[test]
fn what_is_dated_into_the_future_excuses_nothing_and_is_not_the_newest() {
    let at = |status: &str, day: u8| said("CVE-1", status, &purl(PURL), day);
    let (count, older) = (Outcome::Counts, Outcome::Older);
    let time = |day: u8| -> Time { format!("2026-01-{day:02}T00:00:00Z").parse().unwrap() };
    let refused = |day: u8| Outcome::Refused(Refusal::InFuture(time(day)));
    // The present is the 10th.
    for (summary, statements, outcomes, is_open) in [
        ("alone", vec![at("not_affected", 12)], vec![refused(12)], true),
        ("fixed", vec![at("fixed", 31)], vec![refused(31)], true),
        ("a day is no future", vec![at("not_affected", 11)], vec![count], false),
        (
            "beside what is so now",
            vec![at("not_affected", 30), at("affected", 9)],
            vec![count, refused(30)],
            true,
        ),
        (
            "worse, and not the newest",
            vec![at("affected", 30), at("not_affected", 9)],
            vec![count, older],
            false,
        ),
        ("worse, and alone", vec![at("affected", 30)], vec![count], true),
    ] {
        let policy = VexPolicy { now: Some(time(10)), ..VexPolicy::default() };
        let findings = applied_with(&[document("user", Trust::User, &statements)], &policy);
        let finding = &findings.findings[0];
        let found: Vec<Outcome> = finding.statements.iter().map(|it| it.outcome).collect();
        assert_eq!((found, finding.is_open()), (outcomes, is_open), "{summary}");
        let remarks = lint(&[document("user", Trust::User, &statements)], None, time(10));
        let is_told = |it: &Lint| matches!(it.kind, LintKind::InFuture { .. });
        assert_eq!(remarks.iter().any(is_told), summary != "a day is no future", "{summary}");
    }
    // Who is trusted more and says worse is still heard.
    let more = document("user", Trust::User, &[at("affected", 30)]);
    let less = document("upstream", Trust::Upstream, &[at("not_affected", 9)]);
    let policy = VexPolicy { now: Some(time(10)), ..VexPolicy::default() };
    let findings = applied_with(&[more, less], &policy);
    assert!(findings.findings[0].is_open());
    let text = findings.findings[0].statements[0].to_string();
    assert!(text.contains("in the future, so it counts as older"), "{text}");
}

#[test]
fn a_part_of_a_package_is_meant_where_the_package_is() {
    for (product, expected) in [
        (of_image("pkg:deb/debian/openssl@3.5.1-1", &[PURL]), &["libssl3t64 CVE-1"][..]),
        (of_image("pkg:deb/debian/openssl@3.0.0-1", &[PURL]), &[]),
        (of_image("pkg:deb/debian/nginx@1", &[PURL]), &[]),
    ] {
        let findings = by_user(&[said("CVE-1", "not_affected", &product, 1)]);
        assert_eq!(suppressed(&findings), expected, "{product}");
    }
}

#[test]
fn a_suppressed_finding_says_by_what() {
    let findings = by_user(&[said("CVE-1", "not_affected", &purl(PURL), 1)]);
    let inventory = packages();
    let text = findings.findings[0].explain(&inventory).to_string();
    for part in [
        "not_affected (vulnerable_code_not_present)",
        "A, 2026-01-01T00:00:00Z, user.json, https://a.example/CVE-1/1",
        "result: suppressed",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn no_text_of_a_statement_looks_like_a_line_of_ours() {
    let mut statement = said("CVE-1", "not_affected", &purl(PURL), 1);
    statement["impact_statement"] = "x\n  result: it counts\u{2028}\u{202e}y\u{1b}[31m".into();
    let findings = by_user(&[statement]);
    let explained = findings.findings[0].explain(&packages()).to_string();
    let results: Vec<&str> =
        explained.lines().filter(|line| line.trim().starts_with("result:")).collect();
    assert_eq!(results.len(), 1, "{explained}");
    assert!(results[0].contains("result: suppressed: not_affected"), "{explained}");
    assert!(!explained.contains(['\u{2028}', '\u{202e}', '\u{1b}']), "{explained}");
}

#[test]
fn documents_of_several_formats_apply_together() {
    let of = |name: &str, document: &Value| {
        let document =
            hardpan_attest::predicate::vex::read_any(document.to_string().as_bytes()).unwrap();
        VexSource { name: name.to_owned(), trust: Trust::User, is_signed: false, document }
    };
    let csaf = json!({
        "document": {"csaf_version": "2.0", "publisher": {"name": "B"},
                     "tracking": {"id": "1", "version": "1", "current_release_date": "2026-01-02T00:00:00Z"}},
        "product_tree": {"full_product_names": [{"name": "s", "product_id": "S",
            "product_identification_helper": {"purl": PURL}}]},
        "vulnerabilities": [{"cve": "CVE-1", "product_status": {"known_not_affected": ["S"]},
                             "flags": [{"label": "component_not_present"}]}],
    });
    let cyclonedx = json!({
        "bomFormat": "CycloneDX", "metadata": {"timestamp": "2026-01-03T00:00:00Z"},
        "components": [{"bom-ref": "l", "type": "library", "name": "lodash", "purl": "pkg:npm/lodash@4.17.20"}],
        "vulnerabilities": [{"id": "GHSA-9", "affects": [{"ref": "l"}],
                             "analysis": {"state": "not_affected", "justification": "code_not_reachable"}}],
    });
    let openvex = document("o", Trust::User, &[said("CVE-2", "not_affected", &purl(PURL), 1)]);
    // A newer statement of another format corrects an older one.
    let newer = document("n", Trust::User, &[said("CVE-1", "affected", &purl(PURL), 20)]);
    let three = [of("c", &csaf), of("x", &cyclonedx), openvex];
    assert_eq!(
        suppressed(&applied(&three)),
        ["libssl3t64 CVE-1", "libssl3t64 CVE-2", "lodash GHSA-9"]
    );
    let [one, two, three] = three;
    assert_eq!(
        suppressed(&applied(&[one, two, three, newer])),
        ["libssl3t64 CVE-2", "lodash GHSA-9"]
    );
}

#[test]
fn lint_says_what_is_wrong_with_documents() {
    let inventory = packages();
    let image = image();
    let kinds = |sources: &[VexSource]| -> Vec<LintKind> {
        lint(sources, Some((&inventory, &image)), now()).into_iter().map(|it| it.kind).collect()
    };
    let with = |statement: Value| document("user", Trust::User, &[statement]);
    assert_eq!(kinds(&[with(said("CVE-1", "fixed", &purl(PURL), 1))]), []);
    let absent = said("CVE-1", "fixed", &purl("pkg:deb/debian/curl@8"), 1);
    assert_eq!(kinds(&[with(absent)]), [LintKind::Absent("CVE-1".into())]);
    let absent = said("CVE-1", "fixed", &of_image("pkg:oci/other", &[PURL]), 1);
    assert!(kinds(&[with(absent)]).contains(&LintKind::Absent("CVE-1".into())));
    let versionless = said("CVE-1", "fixed", &purl("pkg:deb/debian/libssl3t64"), 1);
    assert!(matches!(&kinds(&[with(versionless)])[..], [LintKind::Format(_)]));
    let (one, other) = (
        said("CVE-1", "fixed", &purl(PURL), 1),
        said("CVE-1", "under_investigation", &purl(PURL), 1),
    );
    let mut same_time = other.clone();
    same_time["@id"] = "https://a.example/other".into();
    let found = kinds(&[document("user", Trust::User, &[one.clone(), same_time])]);
    assert_eq!(
        found,
        [LintKind::Contradiction {
            vulnerability: "CVE-1".into(),
            product: PURL.into(),
            statuses: vec!["fixed", "under_investigation"],
        }]
    );
    // A correction is no contradiction.
    let later = said("CVE-1", "affected", &purl(PURL), 2);
    assert_eq!(kinds(&[document("user", Trust::User, &[one.clone(), later])]), []);
    // Two documents under one name.
    let (first, second) = (with(one.clone()), with(other));
    assert!(kinds(&[first.clone(), second]).iter().all(|it| matches!(it, LintKind::SameId(_))));
    assert_eq!(kinds(&[first.clone(), first]), []);
    // Without an image nothing is said of one.
    let absent = said("CVE-1", "fixed", &purl("pkg:deb/debian/curl@8"), 1);
    assert_eq!(lint(&[with(absent)], None, now()), []);
}

#[test]
fn a_source_name_that_is_not_said_to_be_one_is_found_by_nobody() {
    let inventory = inventory("debian-13", &["deb libc6 2.41-12 glibc", "deb bash 5.2-1"]);
    let names = ImageNames::default();
    for (product, expected) in [
        ("pkg:deb/debian/glibc@2.41-12", true),
        ("pkg:deb/debian/glibc@2.41-12?arch=source", false),
        ("pkg:deb/debian/libc6@2.41-12", false),
        ("pkg:deb/debian/bash@5.2-1", false),
        ("pkg:npm/glibc@2.41-12", false),
    ] {
        let source = document("user", Trust::User, &[said("CVE-1", "fixed", &purl(product), 1)]);
        let lints = lint(&[source], Some((&inventory, &names)), now());
        let is_source = |it: &Lint| matches!(it.kind, LintKind::SourceName { .. });
        assert_eq!(lints.iter().any(is_source), expected, "{product}: {lints:?}");
    }
}

#[test]
fn documents_of_dhi_have_the_faults_that_are_known_of_them() {
    let Some(path) = crate::shared::shared("vectors/dhi-vex/dhi-redis.vex.json") else { return };
    let document = hardpan_attest::predicate::vex::read(&std::fs::read(path).unwrap()).unwrap();
    let name = "redis".to_owned();
    let source = VexSource { name, trust: Trust::Upstream, is_signed: false, document };
    let lints = lint(&[source], None, now());
    let has = |is: fn(&VexWarning) -> bool| {
        lints.iter().any(|it| matches!(&it.kind, LintKind::Format(warning) if is(warning)))
    };
    assert!(has(|warning| matches!(warning, VexWarning::NotAnIri(_))));
    assert!(has(|warning| matches!(warning, VexWarning::NoProductVersion { .. })));
    assert!(has(|warning| matches!(warning, VexWarning::AcceptedRisk(_))));
    assert!(has(|warning| matches!(warning, VexWarning::ImageName(_))));
}
