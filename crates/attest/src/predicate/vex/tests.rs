// SPDX-License-Identifier: Apache-2.0
//! Tests of VEX: what is written against the official schema, what others write, the laws of merging.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use hardpan_tree::Digest;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::test_data::shared;
use super::super::time::Time;
use super::*;
use crate::sbom::purl::PackageUrl;

fn text(value: &str) -> Text {
    Text::new(value).unwrap()
}

fn at(seconds: i64) -> Time {
    Time::from_seconds(1_790_000_000 + seconds)
}

fn header(version: u32) -> VexHeader {
    let digest = Digest::of(b"image");
    VexHeader {
        id: document_id(
            "https://hardpan.example/",
            "registry.example:5000/team/nginx",
            &digest,
            version,
        )
        .unwrap(),
        author: text("Team <team@hardpan.example>"),
        role: Some(text("Document Creator")),
        time: at(0),
        last_updated: Some(at(5)),
        version: NonZeroU32::new(version).unwrap(),
        tooling: Some(text("hardpan 0.1.0")),
    }
}

fn packages(purls: &[&str]) -> BTreeSet<PackagePurl> {
    purls.iter().map(|purl| purl.parse().unwrap()).collect()
}

fn assessments() -> Vec<Assessment> {
    let libc = [
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u4?arch=amd64",
        "pkg:deb/debian/libc-bin@2.41-12%2Bdeb13u4?arch=amd64",
    ];
    let explained = Reason::justified(
        Justification::VulnerableCodeNotInExecutePath,
        Some(text("nothing calls it")),
    );
    let assess = |name: &str, status, scope| Assessment {
        vulnerability: Vulnerability::new(name),
        status,
        packages: packages(&libc),
        scope,
        time: at(1),
        notes: None,
    };
    vec![
        assess("CVE-2026-0001", Status::NotAffected(explained.unwrap()), Scope::Image),
        assess("CVE-2026-0002", Status::Fixed, Scope::Package),
        assess("CVE-2026-0003", Status::UnderInvestigation, Scope::Image),
        assess(
            "CVE-2026-0004",
            Status::accepted("Debian: no-dsa (minor issue)", Some(at(9_000))).unwrap(),
            Scope::Image,
        ),
        assess(
            "GHSA-xxxx",
            Status::NotAffected(Reason::explained(text("another product")).unwrap()),
            Scope::Package,
        ),
    ]
}

fn image() -> ImageProducts {
    ImageProducts::new(
        "registry.example:5000/team/nginx",
        &[Digest::of(b"image"), Digest::of(b"amd64")],
        &[],
    )
    .unwrap()
}

fn document() -> VexDocument {
    VexDocument::new(header(2), assess(&image(), &assessments()).unwrap()).unwrap()
}

fn schema() -> Option<jsonschema::Validator> {
    let path = shared("vectors/schemas/openvex-0.2.0.schema.json")?;
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    Some(jsonschema::options().should_validate_formats(true).build(&schema).unwrap())
}

#[test]
fn as_it_is_written() {
    let value = serde_json::to_value(document()).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn what_is_written_fits_the_official_schema() {
    let Some(schema) = schema() else { return };
    let value = serde_json::to_value(document()).unwrap();
    let errors: Vec<String> =
        schema.iter_errors(&value).map(|e| format!("{} {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}");

    // The schema sees what is wrong.
    for (pointer, wrong) in [
        ("/statements", json!([])),
        ("/@id", json!("not an iri")),
        ("/statements/0/@id", json!("392eeac8-8ee8-4dd8-a417-b2e6ae081bcb")),
        ("/statements/0/status", json!("affected")),
        ("/timestamp", json!("today")),
    ] {
        let mut document = value.clone();
        *document.pointer_mut(pointer).unwrap() = wrong;
        assert!(!schema.is_valid(&document), "{pointer}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let document = document();
    let read = read(&document.to_bytes()).unwrap();
    assert_eq!(read.statements, document.statements());
    assert_eq!(read.warnings, []);
    assert_eq!(read.id, document.header().id.as_str());
    assert_eq!((read.author.as_str(), read.time), ("Team <team@hardpan.example>", Some(at(0))));
}

#[test]
fn ids_stay_from_version_to_version() {
    let one = VexDocument::new(header(1), assess(&image(), &assessments()).unwrap()).unwrap();
    let two = document();
    assert_ne!(one.header().id, two.header().id);
    let ids = |document: &VexDocument| {
        document
            .statements()
            .iter()
            .map(|statement| statement.id.clone().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&one), ids(&two));
    let fresh = ids(&one).into_iter().collect::<BTreeSet<_>>();
    assert_eq!(fresh.len(), assessments().len());
}

#[test]
fn names_that_scanners_find() {
    let statements = assess(&image(), &assessments()).unwrap();
    let products: Vec<String> = (statements[1].products.iter())
        .map(|product| product.component.id.as_ref().unwrap().as_str().to_owned())
        .collect();
    let of =
        |bytes: &[u8]| PackageUrl::oci("nginx", &Digest::of(bytes), "", "").unwrap().to_string();
    assert!(products.contains(&of(b"image")) && products.contains(&of(b"amd64")), "{products:?}");
    assert!(products.contains(&"pkg:deb/debian/libc6@2.41-12%2Bdeb13u4?arch=amd64".to_owned()));
    assert!(products.iter().all(|purl| !purl.contains('/') || !purl.contains("distro")));

    let placed = ImageProducts::new("a", &[Digest::of(b"")], &["registry.example/a"]).unwrap();
    let statement = &assess(&placed, &assessments()[..1]).unwrap()[0];
    let id = statement.products.iter().next().unwrap().component.id.clone().unwrap();
    assert!(id.as_str().ends_with("?repository_url=registry.example%2Fa"), "{id}");
    assert!(ImageProducts::new("registry.example/", &[Digest::of(b"")], &[]).is_err());
}

#[test]
fn packages_are_named_so_that_scanners_find_them() {
    for (from_sbom, expected) in [
        (
            "pkg:deb/debian/libc6@2.41-12%2Bdeb13u4?arch=amd64&distro=debian-13&upstream=glibc",
            "pkg:deb/debian/libc6@2.41-12%2Bdeb13u4?arch=amd64",
        ),
        ("pkg:pypi/django@5.1#x", "pkg:pypi/django@5.1"),
        (
            "pkg:apk/alpine/busybox@1.37.0-r19?os_name=alpine&os_version=3.22",
            "pkg:apk/alpine/busybox@1.37.0-r19",
        ),
    ] {
        let purl: PackageUrl = from_sbom.parse().unwrap();
        assert_eq!(PackagePurl::trimmed(&purl).unwrap().to_string(), expected);
    }
    for wrong in [
        "libc6",
        "pkg:deb/debian/libc6",
        "pkg:deb/debian/libc6@2.41?arch=amd64&distro=debian-13",
        "pkg:deb/debian/libc6@2.41?os_version=13",
        "pkg:deb/debian/glibc@2.41?arch=source",
        "pkg:deb/libc6@2.41",
        "pkg:oci/a@sha256%3A00",
        "pkg:docker/dhi/redis@1",
        "pkg:golang/a/b@1#c",
    ] {
        assert!(wrong.parse::<PackagePurl>().is_err(), "{wrong}");
    }
}

#[test]
fn an_accepted_risk_is_never_unaffected() {
    for words in
        ["Marked no-dsa by Debian", "NO DSA", "Won't fix upstream", "risk accepted by the team"]
    {
        assert!(Reason::explained(text(words)).is_err(), "{words}");
        let justification = Justification::VulnerableCodeNotPresent;
        assert!(Reason::justified(justification, Some(text(words))).is_err(), "{words}");
        let noted = Assessment { notes: Some(text(words)), ..assessments()[0].clone() };
        let error = assess(&image(), &[noted]).unwrap_err();
        assert!(matches!(error, VexError::AcceptedRisk(_)), "{error}");
    }
    // In a document of somebody else it becomes what it is.
    let read = read(
        br#"{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "a:b", "version": 1,
        "author": "A", "timestamp": "2026-01-01T00:00:00Z", "statements": [{
        "vulnerability": {"name": "CVE-1"}, "products": [{"@id": "pkg:deb/debian/a@1"}],
        "status": "not_affected", "justification": "inline_mitigations_already_exist",
        "status_notes": "Marked no-dsa by Debian"}]}"#,
    )
    .unwrap();
    assert_eq!(read.statements[0].status.as_str(), "affected");
    assert_eq!(read.warnings, [VexWarning::AcceptedRisk("CVE-1".into())]);
    // What merely sounds like it is not one.
    assert!(Reason::explained(text("fixed by DSA-5900-1")).is_ok());
    assert!(Status::accepted(" ", None).is_err());
}

#[test]
fn documents_that_can_t_be_are_not_written() {
    let statements = assess(&image(), &assessments()).unwrap();
    let one = || statements[0].clone();
    let no_product = VexStatement { products: BTreeSet::new(), ..one() };
    let no_name = VexStatement { vulnerability: Vulnerability::new(""), ..one() };
    let later = VexStatement { time: at(7), ..one() };
    for (statements, expected) in [
        (vec![], "no statement"),
        (vec![no_product], "no product"),
        (vec![no_name], "no name"),
        (vec![one(), later], "two statements"),
    ] {
        let error = VexDocument::new(header(1), statements).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let none = Assessment { packages: BTreeSet::new(), ..assessments()[0].clone() };
    assert!(assess(&image(), &[none]).is_err());
    assert!(Text::new("  ").is_err() && Text::new(&"x".repeat(TEXT_BYTES_MAX + 1)).is_err());
    assert!(document_id("hardpan.example", "a b", &Digest::of(b""), 1).is_err());
}

fn statement(value: Value) -> Value {
    json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://a.example/1", "author": "A",
        "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": [value],
    })
}

#[test]
fn what_is_no_document_is_refused() {
    for (bytes, expected) in [
        (&b""[..], "not JSON"),
        (b"[]", "@context"),
        (b"null", "@context"),
        (b"{\"@context\": \"https://openvex.dev/nsx\"}", "@context"),
        (b"{\"@context\": \"https://openvex.dev/ns/\", \"statements\": []}", "@context"),
        (b"{\"@context\": \"https://openvex.dev/ns\"}", "no statements"),
        (b"{\"@context\": \"https://openvex.dev/ns\", \"statements\": {}}", "no statements"),
        (b"{\"document\": {\"category\": \"csaf_vex\"}}", "@context"),
        (b"\xff", "not JSON"),
    ] {
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(matches!(read(&vec![b' '; VEX_BYTES_MAX + 1]), Err(VexError::TooLarge(_))));
    let deep = "[".repeat(100_000);
    assert!(matches!(read(deep.as_bytes()), Err(VexError::NotJson(_))));
    let many = json!({"@context": "https://openvex.dev/ns", "statements": vec![json!({}); STATEMENTS_MAX + 1]});
    assert!(matches!(from_value(&many), Err(VexError::TooMany(_))));
}

#[test]
fn what_is_wrong_with_a_statement_is_said() {
    let good = json!({
        "@id": "https://a.example/s", "vulnerability": {"name": "CVE-1"}, "status": "fixed",
        "products": [{"@id": "pkg:deb/debian/a@1"}],
    });
    let fits = |value: &Value| from_value(&statement(value.clone())).unwrap();
    assert_eq!((fits(&good).statements.len(), fits(&good).warnings), (1, vec![]));
    for (changes, count, expected) in [
        (json!({"@id": "392eeac8"}), 1, "not an IRI"),
        (json!({"vulnerability": {}}), 0, "no name"),
        (json!({"vulnerability": 7}), 0, "no name"),
        (json!({"status": "fine"}), 0, "status is \"fine\""),
        (json!({"status": 1}), 0, "status is \"\""),
        (json!({"status": "not_affected"}), 0, "has none"),
        (json!({"status": "not_affected", "justification": "because"}), 0, "because"),
        (json!({"status": "affected"}), 1, "not what to do"),
        (json!({"justification": "component_not_present"}), 1, "justification does not go"),
        (json!({"action_statement": "update"}), 1, "action_statement does not go"),
        (json!({"products": []}), 0, "names no product"),
        (json!({"products": "pkg:deb/debian/a@1"}), 0, "names no product"),
        (json!({"products": [{}]}), 0, "has no id"),
        (json!({"products": [{}]}), 0, "none of its products can be identified"),
        (json!({"products": [{"@id": "a b"}]}), 0, "has no id"),
        (json!({"products": [{"@id": "pkg:oci/a@1", "subcomponents": [{}]}]}), 0, "has no id"),
        (
            json!({"products": [{"@id": "pkg:deb/debian/a"}]}),
            1,
            "CVE-1: 1 product without a version",
        ),
        (
            json!({"products": [{"@id": "pkg:deb/debian/a"}, {"@id": "pkg:deb/debian/b"}]}),
            1,
            "2 products without a version",
        ),
        (
            json!({"products": [{"@id": "pkg:deb/debian/a@1?distro=debian-13"}]}),
            1,
            "CVE-1: 1 package URL with more than `arch`: scanners may not find it",
        ),
        (json!({"products": [{"@id": "pkg:oci/dhi%2Fredis@1"}]}), 1, "slash"),
        (json!({"products": [{"identifiers": {"cpe23": "cpe:2.3:a"}}]}), 1, ""),
        (json!({"timestamp": null}), 1, ""),
        (json!({"timestamp": "yesterday"}), 1, "CVE-1: the time \"yesterday\" can't be read"),
        (json!({"timestamp": 1_700_000_000}), 1, "the time \"1700000000\" can't be read"),
        (json!({"timestamp": "1969-12-31T23:59:59Z"}), 1, "can't be read"),
    ] {
        let mut value = good.clone();
        for (key, change) in changes.as_object().unwrap() {
            value[key] = change.clone();
        }
        let read = fits(&value);
        let warnings: Vec<String> = read.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(read.statements.len(), count, "{changes}: {warnings:?}");
        assert!(warnings.join("\n").contains(expected), "{changes}: {warnings:?}");
        assert_eq!(warnings.is_empty(), expected.is_empty(), "{changes}: {warnings:?}");
        assert_eq!(read.left_out, 1 - count, "{changes}");
        assert_eq!(read.reasons().count(), 1 - count, "{changes}");
    }
}

#[test]
fn what_is_wrong_with_a_document_is_said() {
    let good =
        || json!({"vulnerability": "CVE-1", "status": "fixed", "products": ["pkg:deb/debian/a@1"]});
    let one = good();
    let mut document = statement(one.clone());
    document["@id"] = json!("my-document");
    document["version"] = json!("x");
    document["timestamp"] = json!(null);
    let read = from_value(&document).unwrap();
    let expected = [
        VexWarning::NotAnIri("my-document".into()),
        VexWarning::NoVersion,
        VexWarning::NoTime("CVE-1".into()),
    ];
    assert_eq!((read.warnings, read.statements[0].time), (expected.to_vec(), Time::EPOCH));

    let mut twice = one;
    twice["@id"] = json!("https://a.example/s");
    let mut document = statement(twice.clone());
    document["statements"] = json!([twice, twice]);
    let read = from_value(&document).unwrap();
    assert_eq!(read.warnings, [VexWarning::DuplicateId("https://a.example/s".into())]);

    let other = from_value(&statement(
        json!({"vulnerability": "CVE-2", "status": "fixed", "products": ["pkg:deb/debian/a@1"]}),
    ));
    let (read, other) = (VexRead { id: "https://a.example/1".into(), ..read }, other.unwrap());
    assert_eq!(duplicated_ids(&[read.clone(), other]), BTreeSet::from(["https://a.example/1"]));
    assert!(duplicated_ids(&[read.clone(), read]).is_empty());

    let many: Vec<Value> = (0..2_000).map(|_| json!({})).collect();
    let read = from_value(
        &json!({"@context": "https://openvex.dev/ns", "@id": "a:b", "version": 1, "statements": many}),
    );
    let read = read.unwrap();
    // All are counted, whatever is listed.
    assert_eq!(read.left_out, 2_000);
    let warnings = read.warnings;
    assert_eq!((warnings.len(), warnings.last()), (1_001, Some(&VexWarning::More)));
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

#[test]
fn documents_of_others() {
    let Some(vectors) = shared("vectors") else { return };
    let mut lines = String::new();
    for folder in ["openvex/go-vex-testdata", "grype-vex/vex-docs", "dhi-vex"] {
        for path in json_files(&vectors.join(folder)) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let line = match read(&std::fs::read(&path).unwrap()) {
                Ok(read) => {
                    let count = |status: &str| {
                        read.statements.iter().filter(|s| s.status.as_str() == status).count()
                    };
                    let counts: Vec<_> =
                        ["not_affected", "fixed", "under_investigation", "affected"]
                            .map(count)
                            .to_vec();
                    format!("{name}: {counts:?}, {} warnings", read.warnings.len())
                }
                Err(error) => format!("{name}: {error}"),
            };
            lines.push_str(&line);
            lines.push('\n');
        }
    }
    insta::assert_snapshot!(lines, @r##"
        csaf.json: not an OpenVEX document: its @context is ""
        v0.0.1-noversion.json: [0, 1, 0, 0], 0 warnings
        v0.0.1.json: [0, 1, 0, 0], 0 warnings
        v0.2.0.json: [2, 3, 0, 0], 0 warnings
        v001-1.vex.json: [0, 0, 1, 0], 2 warnings
        v001-2.vex.json: [0, 1, 0, 0], 2 warnings
        v020-1.vex.json: [0, 0, 1, 0], 1 warnings
        v020-2.vex.json: [0, 0, 1, 0], 1 warnings
        csaf-demo1.json: not an OpenVEX document: its @context is ""
        csaf-demo2.json: not an OpenVEX document: its @context is ""
        openvex-debian.json: [0, 1, 0, 0], 0 warnings
        openvex-demo1.json: [0, 1, 0, 0], 0 warnings
        openvex-demo2.json: [2, 3, 0, 0], 0 warnings
        openvex-image-no-subcomponents.json: [0, 1, 0, 0], 0 warnings
        openvex-package-product.json: [0, 1, 0, 0], 0 warnings
        dhi-alpine-base.vex.json: [0, 0, 2, 0], 7 warnings
        dhi-pkg-openssl.vex.json: [12, 0, 1, 1], 44 warnings
        dhi-redis.vex.json: [15, 0, 0, 1], 50 warnings
        dhi-static.vex.json: [8, 0, 0, 0], 25 warnings
        "##);
}

#[test]
fn what_was_read_of_others_can_be_written() {
    let (Some(vectors), Some(schema)) = (shared("vectors"), schema()) else { return };
    let mut read_documents = Vec::new();
    for folder in ["openvex/go-vex-testdata", "grype-vex/vex-docs", "dhi-vex"] {
        let files = json_files(&vectors.join(folder)).into_iter();
        read_documents.extend(files.filter_map(|path| read(&std::fs::read(path).unwrap()).ok()));
    }
    assert!(read_documents.len() >= 12, "{}", read_documents.len());
    let ids: Vec<_> = duplicated_ids(&read_documents).into_iter().collect();
    assert!(!ids.is_empty(), "documents of different content share an id");
    let merged = merge(read_documents.iter().map(|read| (Trust::Upstream, &read.statements[..])));
    let document = VexDocument::new(header(1), merged).unwrap();
    let value = serde_json::to_value(&document).unwrap();
    let errors: Vec<String> =
        schema.iter_errors(&value).map(|e| format!("{} {e}", e.instance_path())).take(5).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(read(&document.to_bytes()).unwrap().statements, document.statements());
}

fn simple(name: &str, status: Status, time: i64, product: &str, parts: &[&str]) -> VexStatement {
    let component = |purl: &str| Component::of(&purl.parse().unwrap()).unwrap();
    let parts = parts.iter().map(|part| component(part)).collect();
    VexStatement {
        vulnerability: Vulnerability::new(name),
        time: at(time),
        status,
        products: BTreeSet::from([Product { component: component(product), subcomponents: parts }]),
        notes: None,
        supplier: None,
        id: None,
    }
}

fn affected() -> Status {
    Status::Affected { action: text("update"), action_time: None }
}

#[test]
fn who_counts() {
    let old = simple("CVE-1", Status::Fixed, 1, "pkg:deb/debian/a@1", &[]);
    let new = simple("CVE-1", affected(), 2, "pkg:deb/debian/a@1", &[]);
    let same_time = simple("CVE-1", Status::UnderInvestigation, 2, "pkg:deb/debian/a@1", &[]);
    let elsewhere = simple("CVE-2", Status::Fixed, 0, "pkg:deb/debian/b@1", &[]);
    for (summary, sources, expected) in [
        ("the newest", vec![(Trust::User, vec![old.clone(), new.clone()])], vec!["affected"]),
        (
            "the worse of one time",
            vec![(Trust::User, vec![same_time, new.clone()])],
            vec!["affected"],
        ),
        (
            "trust before time",
            vec![(Trust::User, vec![old.clone()]), (Trust::ImageAuthor, vec![new.clone()])],
            vec!["fixed"],
        ),
        (
            "silence hides nothing",
            vec![(Trust::User, vec![elsewhere]), (Trust::Upstream, vec![new])],
            vec!["fixed", "affected"],
        ),
        ("nothing", vec![], vec![]),
    ] {
        let merged = merge(sources.iter().map(|(trust, list)| (*trust, &list[..])));
        let statuses: Vec<_> = merged.iter().map(|statement| statement.status.as_str()).collect();
        let (found, expected): (BTreeSet<_>, BTreeSet<_>) =
            (statuses.into_iter().collect(), expected.into_iter().collect());
        assert_eq!(found, expected, "{summary}");
    }
}

#[test]
fn parts_of_a_product_are_each_their_own() {
    let image = "pkg:oci/a@sha256%3A00";
    let both =
        simple("CVE-1", Status::Fixed, 1, image, &["pkg:deb/debian/a@1", "pkg:deb/debian/b@1"]);
    let one = simple("CVE-1", affected(), 2, image, &["pkg:deb/debian/b@1"]);
    let merged = merge([(Trust::User, &[both, one][..])]);
    let parts: Vec<(&str, usize)> = merged
        .iter()
        .map(|s| (s.status.as_str(), s.products.iter().map(|p| p.subcomponents.len()).sum()))
        .collect();
    assert_eq!(parts, [("fixed", 1), ("affected", 1)]);
}

#[test]
fn names_of_one_vulnerability_come_together_and_of_two_do_not() {
    let named = |name: &str, aliases: &[&str], status, time| VexStatement {
        vulnerability: Vulnerability {
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            ..Vulnerability::new(name)
        },
        ..simple("x", status, time, "pkg:deb/debian/a@1", &[])
    };
    let merged = merge([(
        Trust::User,
        &[named("GHSA-1", &["CVE-1"], Status::Fixed, 1), named("CVE-1", &[], affected(), 2)][..],
    )]);
    assert_eq!(merged.len(), 1);
    assert_eq!(
        (merged[0].vulnerability.name.as_str(), merged[0].status.as_str()),
        ("CVE-1", "affected")
    );
    // Who lists a second CVE as an alias does not hide it.
    let merged = merge([(
        Trust::User,
        &[
            named("GHSA-1", &["CVE-1", "CVE-2"], Status::Fixed, 3),
            named("CVE-2", &[], affected(), 2),
        ][..],
    )]);
    assert_eq!(merged.len(), 2);
}

#[test]
fn a_long_text_about_many_products_is_merged_soon() {
    let parts: BTreeSet<Component> = (0..20_000)
        .map(|i| {
            let purl = PackageUrl::new("deb", "debian", &format!("p{i}")).unwrap();
            Component::of(&purl.with_version("1")).unwrap()
        })
        .collect();
    let mut statement = simple("CVE-1", Status::Fixed, 1, "pkg:oci/a@1", &[]);
    statement.notes = Some(text(&"x".repeat(TEXT_BYTES_MAX)));
    let product = statement.products.pop_first().unwrap();
    statement.products.insert(Product { subcomponents: parts, ..product });
    let twice = [statement.clone(), VexStatement { time: at(2), ..statement }];
    let merged = merge([(Trust::User, &twice[..])]);
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0].products.first().unwrap().subcomponents.len(), 20_000);
}

fn any_status() -> impl Strategy<Value = Status> {
    prop_oneof![
        Just(Status::Fixed),
        Just(Status::UnderInvestigation),
        Just(affected()),
        Just(Status::NotAffected(Reason::explained(text("no")).unwrap())),
        Just(Status::NotAffected(
            Reason::justified(Justification::ComponentNotPresent, None).unwrap()
        )),
    ]
}

fn any_statement() -> impl Strategy<Value = VexStatement> {
    let names = prop_oneof![Just("CVE-1"), Just("CVE-2"), Just("GHSA-1")];
    let parts =
        proptest::sample::subsequence(vec!["pkg:deb/debian/a@1", "pkg:deb/debian/b@1"], 0..=2);
    let products = prop_oneof![Just("pkg:oci/x@1"), Just("pkg:oci/y@1")];
    let aliases = proptest::sample::subsequence(vec!["CVE-1", "CVE-2", "DSA-1"], 0..=2);
    (names, any_status(), 0..3_i64, products, parts, aliases).prop_map(
        |(name, status, time, product, parts, aliases)| {
            let mut statement = simple(name, status, time, product, &parts);
            let aliases = aliases.into_iter().filter(|alias| *alias != name).map(str::to_owned);
            statement.vulnerability.aliases = aliases.collect();
            statement
        },
    )
}

#[test]
fn a_package_is_the_same_with_more_in_its_name() {
    let in_image = |package: &str| json!([{"@id": "pkg:oci/app", "subcomponents": [package]}]);
    let said = |status: &str, products: Value, day: u32| {
        let mut one = json!({
            "vulnerability": "CVE-2026-1", "status": status, "products": products,
            "timestamp": format!("2026-01-{day:02}T00:00:00Z"),
        });
        match status {
            "affected" => one["action_statement"] = "update".into(),
            "not_affected" => one["justification"] = "component_not_present".into(),
            _ => {}
        }
        from_value(&statement(one)).unwrap().statements
    };
    let (plain, more) = ("pkg:deb/debian/a@1", "pkg:deb/debian/a@1?arch=amd64");
    for (summary, general, part, status, day, kept) in [
        ("the same", plain, plain, "affected", 2, false),
        ("more in the image's", plain, more, "affected", 2, false),
        ("any version", "pkg:deb/debian/a", more, "affected", 2, false),
        ("no package", "https://a.example/a", "https://a.example/a", "affected", 2, false),
        (
            "a Go module",
            "pkg:golang/a.example/B@v1",
            "pkg:golang/a.example/b@v1",
            "affected",
            2,
            false,
        ),
        ("less in the image's", more, plain, "affected", 2, true),
        ("another version", "pkg:deb/debian/a@2", more, "affected", 2, true),
        ("another package", "pkg:deb/debian/b@1", more, "affected", 2, true),
        ("older", plain, more, "affected", 0, true),
        ("no worse", plain, more, "fixed", 2, true),
    ] {
        let alone = said("not_affected", json!([general]), 5);
        let inside = said(status, in_image(part), 4 + day);
        let merged = merge_of_image([(Trust::User, &alone[..]), (Trust::User, &inside[..])]);
        let products = merged.iter().flat_map(|one| &one.products);
        let found = products.filter(|product| product.subcomponents.is_empty()).count() == 1;
        assert_eq!(found, kept, "{summary}: {merged:?}");
    }
}

fn any_document() -> impl Strategy<Value = Vec<VexStatement>> {
    proptest::collection::vec(any_statement(), 0..6)
}

proptest! {
    #[test]
    fn merging_again_changes_nothing(a in any_document(), b in any_document()) {
        let once = merge([(Trust::User, &a[..]), (Trust::Upstream, &b[..])]);
        prop_assert_eq!(&merge([(Trust::User, &once[..])]), &once);
        prop_assert_eq!(&merge([(Trust::User, &once[..]), (Trust::User, &once[..])]), &once);
    }

    #[test]
    fn the_order_does_not_matter(a in any_document(), b in any_document(), c in any_document()) {
        let there = merge([(Trust::User, &a[..]), (Trust::User, &b[..]), (Trust::Upstream, &c[..])]);
        let back = merge([(Trust::Upstream, &c[..]), (Trust::User, &b[..]), (Trust::User, &a[..])]);
        prop_assert_eq!(&there, &back);
        let reversed: Vec<_> = a.iter().rev().cloned().collect();
        prop_assert_eq!(merge([(Trust::User, &reversed[..])]), merge([(Trust::User, &a[..])]));
    }

    #[test]
    fn by_twos_or_all_together(a in any_document(), b in any_document(), c in any_document()) {
        let user = |list: &[VexStatement], other: &[VexStatement]| merge([(Trust::User, list), (Trust::User, other)]);
        let all = merge([(Trust::User, &a[..]), (Trust::User, &b[..]), (Trust::User, &c[..])]);
        prop_assert_eq!(user(&user(&a, &b), &c), all.clone());
        prop_assert_eq!(user(&a, &user(&b, &c)), all);
    }

    #[test]
    fn what_is_merged_can_be_written(a in any_document(), b in any_document()) {
        let merged = merge([(Trust::User, &a[..]), (Trust::User, &b[..])]);
        if merged.is_empty() {
            return Ok(());
        }
        let document = VexDocument::new(header(1), merged.clone()).unwrap();
        prop_assert_eq!(document.to_bytes(), VexDocument::new(header(1), merged).unwrap().to_bytes());
        let read = read(&document.to_bytes()).unwrap();
        prop_assert_eq!(&read.statements[..], document.statements());
    }

    #[test]
    fn no_text_makes_the_reader_panic(name in "\\PC{0,20}", id in "\\PC{0,20}", status in "[a-z_]{0,14}") {
        let _ = from_value(&statement(json!({
            "vulnerability": name, "status": status, "products": [{"@id": id, "subcomponents": [id]}],
            "justification": id, "status_notes": name, "timestamp": id,
        })));
    }
}
