// SPDX-License-Identifier: Apache-2.0
//! `hardpan build --sign --vex`

use hardpan_testkit::fixture::Fixture;
use serde_json::{Value, json};

use crate::keys::{attested, build_signed, signing};
use crate::support::{build, files, hardpan, run};

fn document(id: &str, statements: &Value) -> String {
    json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": id, "author": "Team",
        "timestamp": "2026-01-02T03:04:05Z", "version": 2, "statements": statements,
    })
    .to_string()
}

fn not_affected(name: &str, product: &str) -> Value {
    json!({
        "vulnerability": {"name": name}, "products": [{"@id": product}],
        "status": "not_affected", "justification": "vulnerable_code_not_in_execute_path",
    })
}

/// Writes two documents: about libc6 and the source `app` of one of its packages, and about what is not there.
fn with_documents() -> Fixture {
    let fixture = Fixture::new();
    let first = json!([
        not_affected("CVE-1", "pkg:deb/debian/libc6@2.41-12"),
        not_affected("CVE-2", "pkg:deb/debian/app@1.0-1?arch=source"),
        not_affected("CVE-3", "pkg:deb/debian/curl@8.1-1"),
    ]);
    let affected = json!([{
        "vulnerability": {"name": "CVE-1"}, "timestamp": "2026-02-01T00:00:00Z", "status": "affected",
        "action_statement": "wait", "products": [{"@id": "pkg:deb/debian/libc6?arch=arm64"}],
    }]);
    fixture.write("work/a.json", document("https://a.example/1", &first));
    fixture.write("work/b.json", document("https://a.example/2", &affected));
    fixture
}

#[test]
fn documents_become_one_about_this_image() {
    let fixture = with_documents();
    let ran = build_signed(&fixture, &["--vex", "a.json", "--vex", "b.json"]);
    let ran = ran.expect(0, &["vex", "3 statements, 1 about what is not in the image left out"]);
    // What holds for every version there will ever be is worth a word.
    let ran = ran.expect(0, &["b.json: CVE-1: 1 product without a version"]);
    let statement = attested(&fixture, "vex", "linux/amd64");
    assert_eq!(statement["predicateType"], "https://openvex.dev/ns/v0.2.0");
    assert_eq!(statement["subject"].as_array().unwrap().len(), 3);
    let vex = &statement["predicate"];
    let digest = ran.stdout.lines().find(|line| line.starts_with("sha256:")).unwrap();
    assert_eq!(vex["@id"], format!("https://hardpan.dev/vex/example/app@{digest}#v4"));
    assert_eq!((&vex["version"], &vex["timestamp"]), (&json!(4), &json!("2026-02-01T00:00:00Z")));
    let of = |name: &str, status: &str| -> String {
        let statements = vex["statements"].as_array().unwrap().iter();
        let own =
            statements.filter(|it| it["vulnerability"]["name"] == name && it["status"] == status);
        own.map(|statement| statement["products"].to_string()).collect()
    };
    // The newer statement counts, for the architecture that it is about.
    assert!(of("CVE-1", "affected").contains("libc6@2.41-12?arch=arm64"), "{vex:#}");
    assert!(of("CVE-1", "not_affected").contains("libc6@2.41-12?arch=amd64"), "{vex:#}");
    let of_source = of("CVE-2", "not_affected");
    assert!(
        of_source.contains("app@1.0-1?arch=amd64") && of_source.contains("app-data@1.0-1"),
        "{vex:#}"
    );
    assert!(of_source.contains(&format!("pkg:oci/app@{digest}")), "{vex:#}");
    assert!(!vex.to_string().contains("distro") && !vex.to_string().contains("curl"), "{vex:#}");
}

#[test]
fn a_document_in_cyclonedx_is_said_in_openvex() {
    let fixture = Fixture::new();
    let document = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {"timestamp": "2026-01-02T03:04:05Z", "authors": [{"name": "Team"}]},
        "vulnerabilities": [{
            "id": "CVE-7", "affects": [{"ref": "pkg:deb/debian/libc6@2.41-12"}],
            "analysis": {"state": "not_affected", "justification": "code_not_reachable"},
        }],
    });
    fixture.write("work/c.json", document.to_string());
    build_signed(&fixture, &["--vex", "c.json"]).expect(0, &["1 statement"]);
    let vex = &attested(&fixture, "vex", "linux/amd64")["predicate"];
    assert_eq!(vex["@context"], "https://openvex.dev/ns/v0.2.0");
    let statement = &vex["statements"][0];
    assert_eq!(statement["vulnerability"]["name"], "CVE-7");
    assert_eq!(statement["justification"], "vulnerable_code_not_in_execute_path");
    assert!(statement["products"].to_string().contains("libc6@2.41-12?arch=amd64"), "{vex:#}");
}

#[test]
fn the_same_documents_give_the_same_bytes() {
    let fixture = with_documents();
    build_signed(&fixture, &["--vex", "a.json", "--vex", "b.json"]).expect(0, &[]);
    let first = files(&fixture.path("out"));
    build_signed(&fixture, &["--vex", "b.json", "--vex", "a.json"]).expect(0, &[]);
    assert!(first == files(&fixture.path("out")), "another order gives other bytes");
    run(hardpan(&fixture, &["verify", fixture.path("out").to_str().unwrap(), "--key", "k.pub"]))
        .expect(0, &["vex"]);
}

#[test]
fn documents_that_say_nothing_of_the_image_make_none() {
    let fixture = with_documents();
    let other = json!([not_affected("CVE-3", "pkg:deb/debian/curl@8.1-1")]);
    fixture.write("work/other.json", document("https://a.example/3", &other));
    build_signed(&fixture, &["--vex", "other.json"]).expect(
        0,
        &[
            "vex: 0 statements, 1 about what is not in the image left out",
            "no VEX document says anything",
        ],
    );
    let out = fixture.path("out");
    let get = ["attest", "get", out.to_str().unwrap(), "--type", "vex", "--key", "k.pub"];
    run(hardpan(&fixture, &get)).expect(2, &["no trusted key signed a vex"]);
}

#[test]
fn what_is_no_document_ends_it_before_anything_is_built() {
    let fixture = with_documents();
    fixture.write("work/text.json", "not JSON");
    fixture.write("work/other.json", r#"{"@context": "https://example.org", "statements": []}"#);
    fixture.write("work/csaf.json", r#"{"document": {"category": "csaf_vex"}}"#);
    fixture.write("work/none.json", r#"{"@context": "https://openvex.dev/ns/v0.2.0"}"#);
    for (file, expected) in [
        ("text.json", "the VEX document is not JSON"),
        ("other.json", "not an OpenVEX document"),
        ("csaf.json", "not an OpenVEX document"),
        ("none.json", "it has no statements"),
        ("missing.json", "can't read missing.json"),
        (".", "can't read ."),
    ] {
        build_signed(&fixture, &["--vex", "a.json", "--vex", file]).expect(2, &[expected]);
        assert!(!fixture.path("out").exists(), "{file}");
    }
    build(&fixture, &["--vex", "a.json"]).expect(2, &["--sign"]);
}

#[test]
fn a_definition_names_documents_of_its_catalog() {
    let fixture = with_documents();
    let statements = json!([not_affected("CVE-7", "pkg:deb/debian/libc6@2.41-12")]);
    fixture.write("catalog/app/vex.json", document("https://a.example/7", &statements));
    let definition = fixture.definition();
    let text = std::fs::read_to_string(&definition).unwrap();
    let with = |path: &str| {
        let text = format!("{text}x-hardpan:\n  vex:\n    - {path}\n");
        std::fs::write(&definition, text).unwrap();
    };
    with("app/vex.json");
    build_signed(&fixture, &["--vex", "a.json"]).expect(0, &["vex: 3 statements, 1 about"]);
    let vex = attested(&fixture, "vex", "linux/arm64")["predicate"].to_string();
    assert!(vex.contains("CVE-7") && vex.contains("CVE-1"), "{vex}");
    // Who does not sign does not need it, and the image is the same.
    let digest = build(&fixture, &[]).digest();
    with("app/missing.json");
    assert_eq!(build(&fixture, &[]).digest(), digest);
    build_signed(&fixture, &[]).expect(2, &["can't read app/missing.json"]);
    for (path, expected) in [("app", "can't read app"), ("../work/a.json", "../work/a.json")] {
        with(path);
        build_signed(&fixture, &[]).expect(2, &[expected]);
    }
}

#[test]
fn every_attached_document_counts_and_not_the_first_alone() {
    let fixture = Fixture::new();
    build_signed(&fixture, &[]).expect(0, &[]);
    let open =
        json!({"releases": {"trixie": {"status": "open", "urgency": "high", "repositories": {}}}});
    let tracker = json!({"app": {"CVE-2026-0001": open, "CVE-2026-0002": open}});
    fixture.write("work/tracker.json", tracker.to_string());
    run(hardpan(&fixture, &["db", "build", "--debian-tracker", "tracker.json", "-o", "a.hpdb"]))
        .expect(0, &[]);
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    let suppressed = |keys: &[&str]| {
        let scan = ["scan", out, "--platform", "linux/amd64", "--db", "a.hpdb", "--json"];
        let ran = run(hardpan(&fixture, &[&scan[..], keys].concat()));
        assert_eq!(ran.code, 0, "{ran}");
        let report = ran.json();
        let rows = report["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 4, "{report:#}");
        rows.iter().filter(|row| row["status"]["state"] == "suppressed").count()
    };
    for (name, expected) in [("CVE-2026-0001", 2), ("CVE-2026-0002", 4)] {
        let said = json!([not_affected(name, "pkg:deb/debian/app@1.0-1?arch=source")]);
        fixture.write("work/v.json", document(&format!("https://a.example/{name}"), &said));
        let add =
            ["attest", "add", out, "--type", "vex", "--predicate", "v.json", "--key", "k.key"];
        run(signing(&fixture, &add)).expect(0, &[]);
        assert_eq!(suppressed(&["--key", "k.pub"]), expected, "{name}");
    }
    // Nobody is believed who is not trusted.
    assert_eq!(suppressed(&[]), 0);
}
