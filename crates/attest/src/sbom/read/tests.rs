// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn bytes(value: &serde_json::Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

/// What Syft writes, without what is not read.
fn syft_spdx() -> serde_json::Value {
    json!({
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "debian",
        "creationInfo": {"creators": ["Organization: Anchore, Inc", "Tool: syft-1.18.1"]},
        "packages": [
            {"name": "libc6", "SPDXID": "SPDXRef-Package-deb-libc6-1", "versionInfo": "2.41-12", "supplier": "NOASSERTION",
             "downloadLocation": "NOASSERTION", "sourceInfo": "acquired package info from DPKG DB: /usr/share/doc/libc6/copyright, /var/lib/dpkg/status",
             "licenseConcluded": "NOASSERTION", "licenseDeclared": "LGPL-2.1-only AND LicenseRef-x",
             "originator": "Person: GNU Libc Maintainers (debian-glibc@lists.debian.org)",
             "externalRefs": [{"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:libc6:libc6:2.41-12:*:*:*:*:*:*:*"},
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13&upstream=glibc"}]},
            {"name": "debian", "SPDXID": "SPDXRef-DocumentRoot-Image-debian", "primaryPackagePurpose": "CONTAINER"},
        ],
        "files": [
            {"fileName": "/etc/passwd", "SPDXID": "SPDXRef-File-1"}, {"fileName": "./usr/lib/libc.so.6", "SPDXID": "SPDXRef-File-2"},
            {"fileName": "/var/lib/x", "SPDXID": "SPDXRef-File-3"}, {"fileName": 1, "SPDXID": "SPDXRef-File-4"}, {"fileName": "lost"},
        ],
        "hasExtractedLicensingInfos": [{"licenseId": "LicenseRef-x", "extractedText": "Text of x"}],
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": "SPDXRef-DocumentRoot-Image-debian", "relationshipType": "DESCRIBES"},
            {"spdxElementId": "SPDXRef-DocumentRoot-Image-debian", "relatedSpdxElement": "SPDXRef-Package-deb-libc6-1", "relationshipType": "CONTAINS"},
            {"spdxElementId": "SPDXRef-DocumentRoot-Image-debian", "relatedSpdxElement": "SPDXRef-File-1", "relationshipType": "CONTAINS"},
            {"spdxElementId": "SPDXRef-Package-deb-libc6-1", "relatedSpdxElement": "SPDXRef-File-2", "relationshipType": "CONTAINS"},
            {"spdxElementId": "SPDXRef-File-3", "relatedSpdxElement": "SPDXRef-Package-deb-libc6-1", "relationshipType": "CONTAINED_BY"},
            {"spdxElementId": "SPDXRef-Package-deb-libc6-1", "relatedSpdxElement": "SPDXRef-File-4", "relationshipType": "CONTAINS"},
            {"spdxElementId": "SPDXRef-Package-deb-libc6-1", "relatedSpdxElement": "SPDXRef-File-1", "relationshipType": "OTHER"},
        ],
    })
}

#[test]
fn spdx_of_syft_is_read() {
    let listing = read(&bytes(&syft_spdx())).unwrap();
    assert_eq!(
        (listing.name.as_deref(), listing.tools.as_slice()),
        (Some("debian"), &["syft-1.18.1".to_owned()][..])
    );
    assert_eq!(listing.components.len(), 1);
    let files: Vec<&str> = listing.files.keys().map(String::as_str).collect();
    assert_eq!(files, ["usr/lib/libc.so.6", "var/lib/x"]);
    let libc = &listing.components["SPDXRef-Package-deb-libc6-1"];
    assert_eq!(
        (libc.kind, libc.name.as_str(), libc.version.as_deref()),
        (ComponentKind::Deb, "libc6", Some("2.41-12"))
    );
    assert_eq!(libc.source, Some(("glibc".into(), "2.41-12".into())));
    assert_eq!((libc.supplier.as_ref(), libc.part_of.as_ref()), (None, None));
    assert_eq!(libc.license_texts["LicenseRef-x"], "Text of x");
    assert!(libc.evidence.contains("var/lib/dpkg/status"));
}

#[test]
fn attestations_are_unwrapped() {
    let statement = json!({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document",
        "subject": [{"name": "x", "digest": {"sha256": "00"}}], "predicate": syft_spdx()});
    let payload = base64::engine::general_purpose::STANDARD.encode(bytes(&statement));
    let envelope = json!({"payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": [{"sig": ""}]});
    let bare = read(&bytes(&syft_spdx())).unwrap();
    assert_eq!(read(&bytes(&statement)).unwrap(), bare);
    assert_eq!(read(&bytes(&envelope)).unwrap(), bare);
}

#[test]
fn cyclonedx_of_trivy_and_syft_is_read() {
    let document = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6",
        "creationInfo": null, "metadata": {"tools": {"components": [{"name": "trivy", "version": "0.74.0"}]}, "component": {"bom-ref": "root", "name": "image", "type": "container"}},
        "components": [
            {"bom-ref": "os", "type": "operating-system", "name": "debian", "version": "13.7"},
            {"bom-ref": "a", "type": "library", "name": "libc6", "version": "1:2.41-12+b1", "supplier": {"name": "GNU Libc Maintainers"},
             "licenses": [{"license": {"name": "LGPL-2.1-only"}}, {"license": {"id": "MIT"}}],
             "purl": "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13.7&epoch=1",
             "properties": [{"name": "aquasecurity:trivy:SrcName", "value": "glibc"}, {"name": "aquasecurity:trivy:SrcVersion", "value": "2.41"},
                {"name": "aquasecurity:trivy:SrcRelease", "value": "12"}, {"name": "aquasecurity:trivy:SrcEpoch", "value": "1"}]},
            {"bom-ref": "b", "type": "library", "name": "core", "group": "@babel", "version": "7.0.0", "purl": "pkg:npm/%40babel/core@7.0.0",
             "licenses": [{"expression": "MIT OR ISC"}], "components": [{"bom-ref": "c", "type": "library", "name": "inner"}],
             "properties": [{"name": "syft:location:0:path", "value": "/app/package.json"}]},
            {"bom-ref": "d", "evidence": null, "supplier": null, "type": "file", "name": "/etc/passwd"},
            {"bom-ref": "a", "type": "library", "name": "same reference", "version": 3},
            {"type": "library"},
        ],
        "dependencies": [{"ref": "b", "dependsOn": ["a", "nowhere", "b"]}, {"ref": "nowhere"}, {"ref": "a", "dependsOn": null}],
    });
    let listing = read(&bytes(&document)).unwrap();
    assert_eq!((listing.tools.as_slice(), listing.skipped), (&["trivy-0.74.0".to_owned()][..], 2));
    let names: Vec<(&str, ComponentKind, &str)> = listing
        .components
        .iter()
        .map(|(id, one)| (id.as_str(), one.kind, one.name.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("a", ComponentKind::Deb, "libc6"),
            ("a#4", ComponentKind::Stated, "same reference"),
            ("b", ComponentKind::Npm, "@babel/core"),
            ("c", ComponentKind::Stated, "inner"),
            ("os", ComponentKind::OperatingSystem, "debian"),
        ]
    );
    assert_eq!(listing.components["a"].source, Some(("glibc".into(), "1:2.41-12".into())));
    assert_eq!(listing.components["b"].depends, BTreeSet::from(["a".to_owned()]));
    assert_eq!(listing.components["c"].part_of.as_deref(), Some("b"));
    assert!(listing.components["b"].evidence.contains("app/package.json"));
}

#[test]
fn texts_are_read_however_they_are_written() {
    // Escaped ones can't be borrowed, and those of other types are taken as absent.
    let text = r#"{"bomFormat": "CycloneDX", "components": [
        {"bom-ref": "\u0061", "name": "l\u00e9ft", "version": {"a": [1, {"b": null}]}, "purl": "pkg:npm\/left@1"},
        {"bom-ref": ["b"], "name": "right", "version": [[]], "purl": true, "group": -1, "publisher": 1.5},
        {"bom-ref": "c", "name": 7}, {"bom-ref": "d", "name": null}
    ]}"#;
    let listing = read(text.as_bytes()).unwrap();
    let found: Vec<String> = (listing.components.iter())
        .map(|(id, one)| {
            let purl = one.purl.as_ref().map(ToString::to_string);
            format!("{id} {} {:?} {}", one.name, one.version, purl.unwrap_or_default())
        })
        .collect();
    assert_eq!(found, [" right None ", "a léft None pkg:npm/left@1"]);
    assert_eq!(listing.skipped, 2);
    let broken = text.replace("[[]]", "[[}");
    assert!(matches!(read(broken.as_bytes()), Err(ReadError::Malformed(_))));
}

#[test]
fn the_same_package_url_is_there_once() {
    let component = |id: &str, purl: &str| json!({"bom-ref": id, "name": id, "purl": purl});
    let purls = ["pkg:npm/a@1", "pkg:npm/a@1", "pkg:npm/a@2", "none", "none"];
    let components: Vec<_> =
        ["1", "2", "3", "4", "5"].iter().zip(purls).map(|(id, purl)| component(id, purl)).collect();
    let document = json!({"bomFormat": "CycloneDX", "components": components});
    let listing = read(&bytes(&document)).unwrap();
    let of = |id: &str| listing.components[id].purl.clone();
    assert!(Arc::ptr_eq(&of("1").unwrap(), &of("2").unwrap()));
    assert_eq!(of("3").unwrap().to_string(), "pkg:npm/a@2");
    assert_eq!((of("4"), of("5")), (None, None));
}

#[test]
fn what_is_no_sbom_is_refused() {
    let deep = format!(
        "{}{}",
        "{\"bomFormat\":\"CycloneDX\",\"components\":[".repeat(1000),
        "]}".repeat(1000)
    );
    let deep_predicate = format!("{}{{}}{}", "{\"predicate\":".repeat(10_000), "}".repeat(10_000));
    let many = json!({"bomFormat": "CycloneDX", "components": vec![json!({"name": "x"}); COMPONENTS_MAX + 1]});
    let empty = format!(
        "{{\"bomFormat\":\"CycloneDX\",\"components\":[{}{{}}]}}",
        "{},".repeat(OBJECTS_MAX)
    );
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (empty.into_bytes(), "the SBOM has more than 2500000 objects"),
        (b"".to_vec(), "the SBOM is malformed"),
        (b"SPDXVersion: SPDX-2.3".to_vec(), "the SBOM is malformed"),
        (b"[]".to_vec(), "neither SPDX 2 nor CycloneDX in JSON"),
        (b"{}".to_vec(), "neither SPDX 2 nor CycloneDX in JSON"),
        (b"{\"bomFormat\": 1}".to_vec(), "neither SPDX 2 nor CycloneDX in JSON"),
        (
            br#"{"spdxVersion": "SPDX-3.0"}"#.to_vec(),
            "\"SPDX-3.0\" is no version of SPDX that is read: only SPDX-2.2 and SPDX-2.3 are",
        ),
        (br#"{"bomFormat": "CycloneDX", "components": [1]}"#.to_vec(), "the SBOM is malformed"),
        (br#"{"spdxVersion": "SPDX-2.3", "packages": {}}"#.to_vec(), "the SBOM is malformed"),
        (br#"{"payload": "*"}"#.to_vec(), "the payload of the envelope is malformed"),
        (br#"{"payload": "e30="}"#.to_vec(), "neither SPDX 2 nor CycloneDX in JSON"),
        (deep.into_bytes(), "the SBOM is malformed"),
        (deep_predicate.into_bytes(), "neither SPDX 2 nor CycloneDX in JSON"),
        (
            br#"{"predicate": {"predicate": {"spdxVersion": "SPDX-2.3"}}}"#.to_vec(),
            "neither SPDX 2 nor CycloneDX in JSON",
        ),
        (bytes(&many), "the SBOM has more than 250000 components"),
        (vec![b' '; SBOM_BYTES_MAX + 1], "the SBOM has 67108865 bytes, more than 67108864"),
    ];
    for (input, expected) in cases {
        let error = read(&input).unwrap_err().to_string();
        assert_eq!(error, expected, "{}", String::from_utf8_lossy(&input[..input.len().min(80)]));
    }
}

/// JSON with the keys that are read.
fn document() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(1)),
        Just(json!("SPDX-2.3")),
        Just(json!("CycloneDX")),
        Just(json!("x")),
        Just(json!("DESCRIBES")),
        Just(json!("pkg:deb/debian/x@1?upstream=@")),
        Just(json!("built package from: ")),
    ];
    let keys = vec![
        "spdxVersion",
        "bomFormat",
        "packages",
        "components",
        "name",
        "SPDXID",
        "bom-ref",
        "relationships",
        "relationshipType",
        "spdxElementId",
        "relatedSpdxElement",
        "purl",
        "properties",
        "value",
        "licenses",
        "license",
        "expression",
        "dependencies",
        "ref",
        "dependsOn",
        "metadata",
        "component",
        "tools",
        "sourceInfo",
        "predicate",
        "externalRefs",
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map(prop::sample::select(keys.clone()), inner, 0..8).prop_map(
                |map| map
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            ),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_panics(mut document in document(), is_spdx: bool) {
        if let Some(map) = document.as_object_mut() {
            let (key, value) = if is_spdx { ("spdxVersion", "SPDX-2.3") } else { ("bomFormat", "CycloneDX") };
            map.insert(key.to_owned(), value.into());
        }
        let _ = read(&bytes(&document));
    }
}
