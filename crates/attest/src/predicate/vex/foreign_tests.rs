// SPDX-License-Identifier: Apache-2.0
//! Statements of CSAF and CycloneDX documents.

use serde_json::{Value, json};

use super::super::test_data::shared;
use super::*;

/// Returns each statement as `VULNERABILITY STATUS WHY: PRODUCT > PART …, …`.
fn lines(read: &VexRead) -> Vec<String> {
    let why = |status: &Status| match status {
        Status::NotAffected(reason) => {
            let impact = reason.impact().map_or("-", Text::as_str);
            format!(" {} {impact}", reason.justification().map_or("-", Justification::as_str))
        }
        Status::Affected { action, .. } => format!(" {action}"),
        _ => String::new(),
    };
    let name = |component: &Component| component.id.as_ref().unwrap().as_str().to_owned();
    let product = |product: &Product| {
        let parts: Vec<String> = product.subcomponents.iter().map(name).collect();
        let parts =
            if parts.is_empty() { String::new() } else { format!(" > {}", parts.join(" ")) };
        format!("{}{parts}", name(&product.component))
    };
    let line = |statement: &VexStatement| {
        let products: Vec<String> = statement.products.iter().map(product).collect();
        let (name, status) = (&statement.vulnerability.name, &statement.status);
        format!("{name} {}{}: {}", status.as_str(), why(status), products.join(", "))
    };
    read.statements.iter().map(line).collect()
}

fn any(document: &Value) -> VexRead {
    read_any(document.to_string().as_bytes()).unwrap()
}

fn csaf(vulnerabilities: &Value) -> VexRead {
    let product = |id: &str, purl: &str| json!({"name": id, "product_id": id, "product_identification_helper": {"purl": purl}});
    any(&json!({
        "document": {
            "category": "csaf_vex", "csaf_version": "2.0", "title": "t",
            "publisher": {"category": "vendor", "name": "Maker", "namespace": "https://maker.example"},
            "tracking": {"id": "M-1", "version": "2.1.0", "current_release_date": "2026-02-03T04:05:06Z"},
        },
        "product_tree": {
            "full_product_names": [product("A", "pkg:deb/debian/a@1"), {"name": "no purl", "product_id": "X"}],
            "branches": [{"category": "vendor", "name": "v", "branches": [
                {"category": "product_version", "name": "1", "product": product("B", "pkg:oci/app")},
                {"category": "product_version", "name": "2", "product": product("C", "pkg:deb/debian/c@2")},
            ]}],
            "product_groups": [{"group_id": "G", "product_ids": ["A", "C"]}],
            "relationships": [
                {"category": "default_component_of", "product_reference": "C", "relates_to_product_reference": "B",
                 "full_product_name": {"name": "C in B", "product_id": "B:C"}},
                {"category": "default_component_of", "product_reference": "C", "relates_to_product_reference": "X",
                 "full_product_name": {"name": "C in X", "product_id": "X:C"}},
            ],
        },
        "vulnerabilities": vulnerabilities,
    }))
}

#[test]
fn csaf_says_what_it_says_of_products_and_parts() {
    let read = csaf(&json!([
        {"cve": "CVE-1", "product_status": {"known_not_affected": ["A", "B:C", "C"], "fixed": ["B"]},
         "flags": [
            {"label": "component_not_present", "product_ids": ["A"], "date": "2026-03-01T00:00:00Z"},
            {"label": "vulnerable_code_not_present", "product_ids": ["B:C"]},
         ],
         "threats": [{"category": "impact", "details": "never called", "group_ids": ["G"]},
                     {"category": "exploit_status", "details": "public"}]},
        {"cve": "CVE-2", "ids": [{"system_name": "x", "text": "GHSA-2"}],
         "product_status": {"known_affected": ["A", "C"], "under_investigation": ["B"]},
         "remediations": [{"category": "vendor_fix", "details": "update to 3", "product_ids": ["C"]},
                          {"category": "mitigation", "details": "turn it off"}]},
        {"ids": [{"system_name": "x", "text": "X-3"}], "product_status": {"last_affected": ["A"]}},
    ]));
    assert_eq!(
        lines(&read),
        [
            "CVE-1 not_affected - never called: pkg:deb/debian/c@2",
            "CVE-1 not_affected component_not_present never called: pkg:deb/debian/a@1",
            "CVE-1 not_affected vulnerable_code_not_present -: pkg:oci/app > pkg:deb/debian/c@2",
            "CVE-1 fixed: pkg:oci/app",
            "CVE-2 affected turn it off: pkg:deb/debian/a@1",
            "CVE-2 affected update to 3: pkg:deb/debian/c@2",
            "CVE-2 under_investigation: pkg:oci/app",
            "X-3 affected none stated: pkg:deb/debian/a@1",
        ]
    );
    let times: Vec<String> = read.statements.iter().map(|it| it.time.to_string()).collect();
    assert_eq!(times[1], "2026-03-01T00:00:00Z");
    assert_eq!(times[0], "2026-02-03T04:05:06Z");
    assert_eq!((read.id.as_str(), read.author.as_str(), read.version), ("M-1", "Maker", Some(2)));
    assert!(read.statements[4].vulnerability.aliases.contains("GHSA-2"));
}

#[test]
fn csaf_that_says_nothing_usable_says_nothing() {
    for (expected, vulnerability) in [
        (
            "not_affected needs a reason",
            json!({"cve": "C", "product_status": {"known_not_affected": ["A"]}}),
        ),
        (
            "not_affected needs a reason",
            json!({"cve": "C", "product_status": {"known_not_affected": ["A"]},
                   "flags": [{"label": "component_not_present", "product_ids": ["C"]}]}),
        ),
        (
            "\"Z\" is not defined in the document",
            json!({"cve": "C", "product_status": {"fixed": ["Z"]}}),
        ),
        ("\"X\" has no package URL", json!({"cve": "C", "product_status": {"fixed": ["X"]}})),
        (
            "\"X:C\" consists of what has no package URL",
            json!({"cve": "C", "product_status": {"fixed": ["X:C"]}}),
        ),
        ("no name", json!({"product_status": {"fixed": ["A"]}})),
        (
            "the name of a product is no text",
            json!({"cve": "C", "product_status": {"fixed": [7, null]}}),
        ),
        ("states nothing", json!({"cve": "C", "product_status": {"recommended": ["A"]}})),
    ] {
        let read = csaf(&json!([vulnerability]));
        assert_eq!(lines(&read), [""; 0], "{expected}");
        let warnings: Vec<String> = read.warnings.iter().map(ToString::to_string).collect();
        assert!(warnings.join("\n").contains(expected), "{expected}: {warnings:?}");
        assert_eq!(read.left_out == 0, expected == "states nothing", "{warnings:?}");
    }
}

#[test]
fn what_openvex_says_of_itself_is_looked_at() {
    let good = || {
        json!({
            "@context": URI, "@id": "a:b", "author": "A", "version": 1,
            "timestamp": "2026-01-01T00:00:00Z", "statements": [
                {"vulnerability": "C", "status": "fixed", "products": ["pkg:deb/debian/a@1"]},
            ],
        })
    };
    for (key, value, expected) in [
        ("author", json!(null), "the document has no author"),
        ("author", json!(" "), "the document has no author"),
        ("statements", json!([]), "the document states nothing"),
        ("@context", json!("https://openvex.dev/ns/v9.9.9"), "of no known version"),
        ("timestamp", json!("yesterday"), "the document: the time \"yesterday\" can't be read"),
    ] {
        let mut document = good();
        document[key] = value;
        let warnings = any(&document).warnings;
        assert!(warnings[0].to_string().contains(expected), "{key}: {warnings:?}");
    }
    for context in ["https://openvex.dev/ns", "https://openvex.dev/ns/v0.0.1", URI] {
        let mut document = good();
        document["@context"] = json!(context);
        assert_eq!(any(&document).warnings, [], "{context}");
    }
}

#[test]
fn a_draft_and_times_that_can_t_be_read_are_told() {
    let csaf = |status: &str, date: &str| {
        any(&json!({
            "document": {"csaf_version": "2.0", "publisher": {"name": "M"},
                         "tracking": {"status": status, "current_release_date": date}},
            "product_tree": {"full_product_names": [{"name": "a", "product_id": "A",
                "product_identification_helper": {"purl": "pkg:deb/debian/a@1"}}]},
            "vulnerabilities": [{"cve": "C", "product_status": {"fixed": ["A"]},
                                 "flags": [{"label": "component_not_present", "date": date}]}],
        }))
        .warnings
    };
    let time = "2026-01-01T00:00:00Z";
    assert_eq!(csaf("final", time), []);
    assert_eq!(csaf("draft", time), [VexWarning::Draft]);
    let bad = |place: &str| VexWarning::BadTime { place: place.into(), text: "soon".into() };
    let expected = [bad("the document"), bad("C"), VexWarning::NoTime("C".into())];
    assert_eq!(csaf("final", "soon"), expected);
    let cyclonedx = |reference: &str, updated: &str| {
        any(&json!({
            "bomFormat": "CycloneDX", "metadata": {"timestamp": "2026-01-01T00:00:00Z",
            "supplier": {"name": "S"}}, "components": [{"bom-ref": "b", "purl": "pkg:npm/b@1"}],
            "vulnerabilities": [{"id": "C", "affects": [{"ref": reference}, {"ref": "b"}],
                                 "analysis": {"state": "in_triage", "lastUpdated": updated}}],
        }))
        .warnings
    };
    assert_eq!(cyclonedx("b", time), []);
    assert_eq!(cyclonedx("b", "soon"), [bad("C")]);
    let undefined =
        VexWarning::UndefinedProduct { vulnerability: "C".into(), product: "urn:cdx:1/1#x".into() };
    assert_eq!(cyclonedx("urn:cdx:1/1#x", time), [undefined]);
}

#[test]
fn an_accepted_risk_is_affected_in_every_format() {
    let read = csaf(&json!([
        {"cve": "CVE-1", "product_status": {"known_not_affected": ["A"]},
         "flags": [{"label": "component_not_present"}],
         "threats": [{"category": "impact", "details": "Marked no-dsa by Debian"}]},
    ]));
    assert_eq!(read.statements[0].status.as_str(), "affected");
    let read = cyclonedx(&json!({"state": "not_affected", "detail": "will not fix"}), "p");
    assert_eq!(read.statements[0].status.as_str(), "affected");
    let read = cyclonedx(&json!({"state": "false_positive", "detail": "accepted risk"}), "p");
    assert_eq!(read.statements[0].status.as_str(), "affected");
}

fn cyclonedx(analysis: &Value, reference: &str) -> VexRead {
    any(&json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:1", "version": 3,
        "metadata": {"timestamp": "2026-01-01T00:00:00Z", "authors": [{"name": "Team"}]},
        "components": [{"type": "library", "name": "p", "bom-ref": "p", "purl": "pkg:npm/p@1", "components": [
            {"type": "library", "name": "q", "bom-ref": "q", "purl": "pkg:npm/q"}]}],
        "vulnerabilities": [
            {"id": "CVE-1", "references": [{"id": "GHSA-1", "source": {}}], "analysis": analysis,
             "affects": [{"ref": reference, "versions": [
                {"version": "1.0.0", "status": "affected"}, {"version": "2.0.0", "status": "unaffected"},
                {"version": "1.5.0"}, {"range": "vers:semver/<3"}]}]},
            {"id": "CVE-9", "affects": [{"ref": "p"}]},
        ],
    }))
}

#[test]
fn cyclonedx_states_and_justifications() {
    for (analysis, expected) in [
        (json!({"state": "resolved"}), "fixed"),
        (json!({"state": "resolved_with_pedigree"}), "fixed"),
        (json!({"state": "in_triage"}), "under_investigation"),
        (
            json!({"state": "exploitable", "response": ["update", "rollback"]}),
            "affected update, rollback",
        ),
        (json!({"state": "exploitable", "detail": "x"}), "affected x"),
        (json!({"state": "exploitable"}), "affected none stated"),
        (json!({"state": "false_positive"}), "not_affected - a false positive"),
        (
            json!({"state": "not_affected", "justification": "code_not_present"}),
            "not_affected vulnerable_code_not_present code_not_present",
        ),
        (
            json!({"state": "not_affected", "justification": "code_not_reachable", "detail": "why"}),
            "not_affected vulnerable_code_not_in_execute_path code_not_reachable: why",
        ),
        (
            json!({"state": "not_affected", "justification": "protected_by_compiler"}),
            "not_affected inline_mitigations_already_exist protected_by_compiler",
        ),
        // What protects from outside is no property of the product.
        (
            json!({"state": "not_affected", "justification": "protected_at_perimeter"}),
            "not_affected - protected_at_perimeter",
        ),
    ] {
        let read = cyclonedx(&analysis, "p");
        assert_eq!(lines(&read), [format!("CVE-1 {expected}: pkg:npm/p@1")], "{analysis}");
        assert!(read.statements[0].vulnerability.aliases.contains("GHSA-1"));
    }
    for analysis in
        [json!({}), json!({"state": "not_affected"}), json!({"state": "maybe"}), json!([])]
    {
        assert_eq!(lines(&cyclonedx(&analysis, "p")), [""; 0], "{analysis}");
    }
}

#[test]
fn cyclonedx_references() {
    let fixed = json!({"state": "resolved", "lastUpdated": "2026-05-01T00:00:00Z"});
    for (reference, expected) in [
        ("p", "pkg:npm/p@1"),
        // The component in another, without a version of its own: only in those that are listed as affected.
        ("q", "pkg:npm/q@1.0.0, pkg:npm/q@1.5.0"),
        ("pkg:deb/debian/x@1", "pkg:deb/debian/x@1"),
        ("urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#p", "pkg:npm/p@1"),
        ("urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg%3Anpm%2Fz%401", "pkg:npm/z@1"),
    ] {
        let read = cyclonedx(&fixed, reference);
        assert_eq!(lines(&read), [format!("CVE-1 fixed: {expected}")], "{reference}");
        assert_eq!(read.statements[0].time.to_string(), "2026-05-01T00:00:00Z");
        assert_eq!((read.author.as_str(), read.version), ("Team", Some(3)));
    }
    for reference in ["", "z", "urn:cdx:x", "urn:cdx:x#%zz", "pkg:", "https://a.example"] {
        let read = cyclonedx(&fixed, reference);
        assert_eq!(lines(&read), [""; 0], "{reference}");
        assert!(!read.warnings.is_empty(), "{reference}");
    }
}

#[test]
fn an_sbom_of_an_image_is_about_parts_of_it() {
    let image =
        "pkg:oci/app@sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let read = any(&json!({
        "bomFormat": "CycloneDX",
        "metadata": {"component": {"type": "container", "name": "app", "bom-ref": "app", "purl": image}},
        "components": [{"type": "library", "name": "p", "bom-ref": "p", "purl": "pkg:npm/p@1"}],
        "vulnerabilities": [
            {"id": "CVE-1", "analysis": {"state": "in_triage"}, "affects": [{"ref": "p"}]},
            {"id": "CVE-2", "analysis": {"state": "in_triage"}, "affects": [{"ref": "app"}]},
        ],
    }));
    assert_eq!(
        lines(&read),
        [
            format!("CVE-1 under_investigation: {image} > pkg:npm/p@1"),
            format!("CVE-2 under_investigation: {image}"),
        ]
    );
    // Nobody says when: it is older than all others.
    assert!(read.statements[0].time == super::super::Time::EPOCH);
    assert!(matches!(read.warnings[0], VexWarning::NoTime(_)));
}

#[test]
fn documents_of_others_in_all_formats() {
    let Some(root) = shared("vectors") else { return };
    for (file, expected) in [
        (
            "grype-vex/vex-docs/csaf-demo1.json",
            "CVE-2023-1255 fixed: pkg:apk/alpine/libcrypto3@3.0.8-r3?arch=x86_64&upstream=openssl&distro=alpine-3.17.3",
        ),
        (
            "grype-vex/vex-docs/csaf-demo2.json",
            "CVE-2023-3817 not_affected vulnerable_code_not_present -: pkg:apk/alpine/libcrypto3@3.0.8-r3?arch=x86_64&upstream=openssl&distro=alpine-3.17.3",
        ),
        (
            "openvex/go-vex-testdata/csaf.json",
            "CVE-2009-4487 not_affected - Class with vulnerable code was removed before shipping.: pkg:golang/github.com/go-homedir@v1.2.0",
        ),
        (
            "cyclonedx/valid-vulnerability-1.6.json",
            "SNYK-JAVA-COMFASTERXMLJACKSONCORE-32111 not_affected vulnerable_code_not_in_execute_path code_not_reachable: An optional explanation of why the application is not affected by the vulnerable component.: pkg:maven/com.fasterxml.jackson.core/jackson-databind@2.9.4",
        ),
    ] {
        let read = read_any(&std::fs::read(root.join(file)).unwrap()).unwrap();
        assert_eq!(lines(&read), [expected], "{file}");
    }
    let openvex = std::fs::read(root.join("grype-vex/vex-docs/openvex-demo1.json")).unwrap();
    assert_eq!(read_any(&openvex).unwrap(), read(&openvex).unwrap());
}

#[test]
fn what_is_no_document_is_an_error() {
    for text in [
        "",
        "[]",
        "{}",
        "null",
        "7",
        r#"{"document": {"csaf_version": "3.0"}}"#,
        r#"{"document": []}"#,
        r#"{"bomFormat": "SPDX"}"#,
        r#"{"_type": "https://in-toto.io/Statement/v1", "predicate": {}}"#,
        r#"{"_type": "x", "predicate": {"_type": "x", "predicate": {"bomFormat": "CycloneDX"}}}"#,
    ] {
        assert!(read_any(text.as_bytes()).is_err(), "{text}");
    }
    for text in [
        r#"{"document": {"csaf_version": "2.0"}, "vulnerabilities": 7, "product_tree": []}"#,
        r#"{"bomFormat": "CycloneDX", "vulnerabilities": [null, 7, {"analysis": 7}]}"#,
        r#"{"_type": "x", "predicate": {"bomFormat": "CycloneDX"}}"#,
    ] {
        assert_eq!(read_any(text.as_bytes()).unwrap().statements, [], "{text}");
    }
}

#[test]
fn flags_for_everybody_end_somewhere() {
    // Each flag has the same large group: what they say of products would be more than the document.
    let ids: Vec<String> = (0..2_000).map(|number| format!("P{number}")).collect();
    let flag = json!({"label": "component_not_present", "group_ids": ["G"]});
    let flags = vec![flag; 2_000];
    let document = json!({
        "document": {"csaf_version": "2.0"},
        "product_tree": {"product_groups": [{"group_id": "G", "product_ids": ids}]},
        "vulnerabilities": [{"cve": "C", "flags": flags, "product_status": {"known_not_affected": ["P1"]}}],
    });
    assert!(matches!(read_any(document.to_string().as_bytes()), Err(VexError::TooMany(_))));
}

fn repository_of(products: &[Value]) -> std::collections::BTreeMap<String, Vec<u8>> {
    let statements: Vec<Value> = (products.iter().enumerate())
        .map(|(number, product)| {
            json!({"vulnerability": {"name": format!("CVE-{number}")}, "status": "fixed", "products": [product]})
        })
        .collect();
    let read = any(&json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://a.example/1", "author": "A",
        "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": statements,
    }));
    let about = VexRepository {
        name: "ours".into(),
        description: "statements about our packages".into(),
        archive_url: "https://vex.example/vex.tar.gz".into(),
        update_interval: "24h".into(),
        base: "https://vex.example".into(),
        author: Text::new("A").unwrap(),
        time: super::super::Time::from_seconds(1_790_000_000),
        version: std::num::NonZeroU32::MIN,
    };
    let files = repository(&about, &read.statements).unwrap();
    assert_eq!(repository(&about, &read.statements).unwrap(), files);
    files
}

#[test]
fn a_repository_has_one_document_for_each_package() {
    let files = repository_of(&[
        json!({"@id": "pkg:deb/debian/libc6@2.41-12?arch=amd64"}),
        json!({"@id": "pkg:deb/debian/libc6@2.41-13?arch=arm64"}),
        json!({"@id": "pkg:npm/%40angular/core@1.0.0"}),
        json!({"@id": "pkg:oci/app@sha256:00?repository_url=registry.example%2Fteam%2Fapp",
               "subcomponents": [{"@id": "pkg:deb/debian/libc6@2.41-12"}]}),
        json!({"@id": "pkg:oci/app"}),
        json!({"@id": "pkg:golang/%2E%2E/%2E%2E/etc@1"}),
        json!({"@id": "https://no.example/package"}),
    ]);
    let paths: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            ".well-known/vex-repository.json",
            "index.json",
            "pkg/deb/debian/libc6/vex.json",
            "pkg/golang/%2E%2E/%2E%2E/etc/vex.json",
            "pkg/npm/%40angular/core/vex.json",
            "pkg/oci-at/registry.example/team/app/vex.json",
            "pkg/oci/app/vex.json",
        ]
    );
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let ids: Vec<&str> =
        index["packages"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"pkg:deb/debian/libc6"), "{ids:?}");
    assert!(ids.iter().any(|id| id.contains("repository_url=")), "{ids:?}");
    for package in index["packages"].as_array().unwrap() {
        let read = read(&files[package["location"].as_str().unwrap()]).unwrap();
        assert!(!read.statements.is_empty());
        assert_eq!(package["format"], "openvex");
    }
    let libc = read(&files["pkg/deb/debian/libc6/vex.json"]).unwrap();
    assert_eq!(libc.statements.len(), 2);
    let manifest: Value =
        serde_json::from_slice(&files[".well-known/vex-repository.json"]).unwrap();
    assert_eq!(manifest["versions"][0]["spec_version"], "0.1");
    assert_eq!(manifest["versions"][0]["locations"][0]["url"], "https://vex.example/vex.tar.gz");
}
