// SPDX-License-Identifier: Apache-2.0

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use hardpan_attest::sbom::{Sbom, cyclonedx, license, spdx2, spdx3, table};
use proptest::prelude::*;
use serde_json::Value;

use super::model;

/// The folder of official schemas, if it is there.
fn schemas() -> Option<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = ["../../../shared", "../../../../shared"].map(|path| manifest.join(path));
    let named = std::env::var_os("HARDPAN_SHARED").map(PathBuf::from);
    let folders = named.into_iter().chain(beside).map(|folder| folder.join("vectors/schemas"));
    let found = folders.into_iter().find(|folder| folder.is_dir());
    if found.is_none() {
        println!(
            "skipped: the schemas are not there: ../shared/vectors/schemas, or HARDPAN_SHARED"
        );
    }
    found
}

/// Gives schemas those that they refer to.
struct Folder(PathBuf);

impl jsonschema::Retrieve for Folder {
    fn retrieve(
        &self,
        uri: &jsonschema::Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let name = uri.as_str().rsplit('/').next().unwrap_or_default();
        // Not among the schemas here. Only descriptions of cryptography refer to it, which are not written.
        if name.starts_with("cryptography-defs") {
            return Ok(
                serde_json::json!({"definitions": {"algorithmFamiliesEnum": false, "ellipticCurvesEnum": false}}),
            );
        }
        Ok(serde_json::from_slice(&std::fs::read(self.0.join(name))?)?)
    }
}

fn validator(folder: &Path, name: &str) -> jsonschema::Validator {
    let schema = serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap();
    (jsonschema::options().with_retriever(Folder(folder.to_owned())).should_validate_formats(true))
        .build(&schema)
        .unwrap()
}

struct Validators {
    spdx: jsonschema::Validator,
    spdx3: jsonschema::Validator,
    cyclonedx: [(cyclonedx::SpecVersion, jsonschema::Validator); 2],
}

impl Validators {
    fn new(folder: &Path) -> Self {
        Self {
            spdx: validator(folder, "spdx-2.3.schema.json"),
            spdx3: validator(folder, "spdx-3.0.1.schema.json"),
            cyclonedx: [
                (cyclonedx::SpecVersion::V1_6, validator(folder, "bom-1.6.schema.json")),
                (cyclonedx::SpecVersion::V1_7, validator(folder, "bom-1.7.schema.json")),
            ],
        }
    }

    fn check(&self, sbom: &Sbom) {
        let spdx = spdx2::write(sbom);
        assert_eq!(spdx, spdx2::write(&sbom.clone()));
        let document: Value = serde_json::from_slice(&spdx).unwrap();
        assert_valid(&self.spdx, &document);
        check_spdx_graph(&document);
        let bytes = spdx3::write(sbom);
        assert_eq!(bytes, spdx3::write(&sbom.clone()));
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        assert_valid(&self.spdx3, &document);
        check_spdx3_graph(&document, sbom);
        for (version, validator) in &self.cyclonedx {
            let bytes = cyclonedx::write(sbom, *version);
            assert_eq!(bytes, cyclonedx::write(&sbom.clone(), *version));
            let document: Value = serde_json::from_slice(&bytes).unwrap();
            assert_valid(validator, &document);
            check_cyclonedx_graph(&document);
        }
        assert_eq!(table::rows(sbom).len(), sbom.components.len());
    }
}

fn assert_valid(validator: &jsonschema::Validator, document: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}\n{document:#}", errors.join("\n"));
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value[key].as_array().into_iter().flatten()
}

/// What the schema does not say: ids are unique, what is referred to is there, expressions are valid.
fn check_spdx_graph(document: &Value) {
    let mut ids = BTreeSet::from(["SPDXRef-DOCUMENT"]);
    for element in list(document, "packages").chain(list(document, "files")) {
        let id = element["SPDXID"].as_str().unwrap();
        assert!(ids.insert(id), "{id} stands there twice");
        assert!(
            id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)),
            "{id}"
        );
    }
    for relationship in list(document, "relationships") {
        for end in ["spdxElementId", "relatedSpdxElement"] {
            assert!(ids.contains(relationship[end].as_str().unwrap()), "{relationship}");
        }
    }
    let extracted: Vec<&str> = list(document, "hasExtractedLicensingInfos")
        .map(|license| license["licenseId"].as_str().unwrap())
        .collect();
    let unique: BTreeSet<&str> = extracted.iter().copied().collect();
    assert_eq!(unique.len(), extracted.len());
    let mut used = BTreeSet::new();
    for package in list(document, "packages") {
        let expression = package["licenseDeclared"].as_str().unwrap();
        assert!(expression == "NOASSERTION" || license::is_expression(expression), "{expression}");
        used.extend(expression.split([' ', '(', ')']).filter(|id| id.starts_with("LicenseRef-")));
        assert!(package["supplier"].is_string(), "{package}");
        assert_eq!(
            package["filesAnalyzed"] == true,
            package["packageVerificationCode"].is_object()
        );
    }
    assert_eq!(used, unique, "references and what they stand for");
}

/// Returns the elements of a class.
fn of_class<'v>(document: &'v Value, class: &str) -> impl Iterator<Item = &'v Value> {
    list(document, "@graph").filter(move |one| one["type"] == class)
}

/// What the schema does not say: ids are unique and below one namespace, what is referred to is there and of the right
/// class, all that the image has is reached from the document.
fn check_spdx3_graph(document: &Value, sbom: &Sbom) {
    let mut classes = BTreeMap::new();
    let [root] = of_class(document, "SpdxDocument").collect::<Vec<_>>()[..] else {
        panic!("{document:#}")
    };
    let (namespace, _) = root["spdxId"].as_str().unwrap().split_once('#').unwrap();
    for element in list(document, "@graph").filter(|one| one["type"] != "CreationInfo") {
        let id = element["spdxId"].as_str().unwrap();
        let (own, fragment) = id.split_once('#').unwrap();
        assert_eq!(own, namespace);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        assert!(fragment.bytes().all(is_plain), "{id}");
        let class = element["type"].as_str().unwrap();
        assert!(classes.insert(id, class).is_none(), "{id} stands there twice");
    }
    let is = |value: &Value, expected: &[&str]| {
        let class = value.as_str().and_then(|id| classes.get(id));
        assert!(class.is_some_and(|class| expected.contains(class)), "{value}: {class:?}");
    };
    let agents = ["Organization", "Person", "SoftwareAgent"];
    let mut creation = of_class(document, "CreationInfo");
    let (Some(info), None) = (creation.next(), creation.next()) else { panic!("{document:#}") };
    is(&info["createdBy"][0], &agents);
    is(&info["createdUsing"][0], &["Tool"]);
    is(&root["dataLicense"], &["simplelicensing_LicenseExpression"]);
    is(&root["rootElement"][0], &["software_Sbom"]);
    let whole = of_class(document, "software_Sbom").next().unwrap();
    is(&whole["rootElement"][0], &["software_Package"]);
    for package in of_class(document, "software_Package") {
        for party in list(package, "originatedBy").chain(package.get("suppliedBy")) {
            is(party, &agents);
        }
    }
    let mut used = BTreeSet::new();
    for license in of_class(document, "simplelicensing_LicenseExpression") {
        let expression = license["simplelicensing_licenseExpression"].as_str().unwrap();
        assert!(license::is_expression(expression), "{expression}");
        let words = expression.split([' ', '(', ')']);
        let named: BTreeSet<&str> = words.filter(|id| id.starts_with("LicenseRef-")).collect();
        let entries = || list(license, "simplelicensing_customIdToUri");
        let keys: BTreeSet<&str> = entries().map(|one| one["key"].as_str().unwrap()).collect();
        assert_eq!(keys, named, "{expression}");
        for entry in entries() {
            is(&entry["value"], &["simplelicensing_SimpleLicensingText"]);
            used.insert(entry["value"].as_str().unwrap());
        }
    }
    assert_eq!(used.len(), of_class(document, "simplelicensing_SimpleLicensingText").count());
    let mut edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in of_class(document, "Relationship") {
        let (from, to) = match one["relationshipType"].as_str().unwrap() {
            "contains" => ("software_Package", &["software_Package", "software_File"][..]),
            "dependsOn" | "generates" => ("software_Package", &["software_Package"][..]),
            _ => ("software_Package", &["simplelicensing_LicenseExpression"][..]),
        };
        is(&one["from"], &[from]);
        for target in list(one, "to") {
            is(target, to);
            assert_ne!(target, &one["from"]);
            let edge = target.as_str().unwrap();
            edges.entry(one["relationshipType"].as_str().unwrap()).or_default().push(edge);
        }
    }
    let contained = edges.remove("contains").unwrap_or_default();
    let unique: BTreeSet<&str> = contained.iter().copied().collect();
    assert_eq!(contained.len(), unique.len(), "each is in one thing only");
    assert_eq!(contained.len(), sbom.components.len() + sbom.files.len());
    let sources = of_class(document, "software_Package")
        .filter(|one| one["software_primaryPurpose"] == "source")
        .count();
    let made = edges.remove("generates").unwrap_or_default().len();
    assert_eq!(made, sbom.components.values().filter(|one| one.source.is_some()).count());
    assert!(sources <= made);
    let declared = edges.remove("hasDeclaredLicense").unwrap_or_default().len();
    assert_eq!(declared, edges.remove("hasConcludedLicense").unwrap_or_default().len());
}

fn check_cyclonedx_graph(document: &Value) {
    let mut references =
        BTreeSet::from([document["metadata"]["component"]["bom-ref"].as_str().unwrap()]);
    for component in list(document, "components") {
        let reference = component["bom-ref"].as_str().unwrap();
        assert!(references.insert(reference), "{reference:?} stands there twice");
    }
    let mut described = BTreeSet::new();
    for dependency in list(document, "dependencies") {
        assert!(described.insert(dependency["ref"].as_str().unwrap()));
        for needed in list(dependency, "dependsOn") {
            assert!(references.contains(needed.as_str().unwrap()), "{needed}");
            assert_ne!(needed, &dependency["ref"]);
        }
    }
    assert_eq!(described, references);
}

/// Runs a test with a stack on which unoptimized code can compile the schema of CycloneDX.
fn with_stack(test: fn(&Path)) {
    let Some(folder) = schemas() else { return };
    let thread =
        std::thread::Builder::new().stack_size(64 << 20).spawn(move || test(&folder)).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn documents_are_valid() {
    with_stack(documents_are_valid_in);
}

fn documents_are_valid_in(folder: &Path) {
    let validators = Validators::new(folder);
    validators.check(&model::small());
    validators.check(&model::large(50, 300));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&model::any_sbom(), |sbom| {
            validators.check(&sbom);
            Ok(())
        })
        .unwrap();
}

#[test]
fn other_documents_are_not() {
    with_stack(other_documents_are_not_in);
}

fn other_documents_are_not_in(folder: &Path) {
    let validators = Validators::new(folder);
    let spdx: Value = serde_json::from_slice(&spdx2::write(&model::small())).unwrap();
    let cyclonedx: Value =
        serde_json::from_slice(&cyclonedx::write(&model::small(), cyclonedx::SpecVersion::V1_6))
            .unwrap();
    let mut without = spdx.clone();
    without["packages"][0].as_object_mut().unwrap().remove("downloadLocation");
    assert!(!validators.spdx.is_valid(&without));
    let spdx3: Value = serde_json::from_slice(&spdx3::write(&model::small())).unwrap();
    assert!(validators.spdx3.is_valid(&spdx3));
    for (class, key, value) in [
        ("CreationInfo", "created", "yesterday"),
        ("CreationInfo", "specVersion", "3"),
        ("software_Package", "software_primaryPurpose", "LIBRARY"),
        ("software_Package", "software_packageVerificationCode", "1"),
        ("software_File", "spdxId", "_:file"),
        ("Relationship", "relationshipType", "CONTAINS"),
        ("simplelicensing_LicenseExpression", "simplelicensing_licenseListVersion", "3.29"),
    ] {
        let mut bad = spdx3.clone();
        let graph = bad["@graph"].as_array_mut().unwrap();
        graph.iter_mut().find(|one| one["type"] == class).unwrap()[key] = value.into();
        assert!(!validators.spdx3.is_valid(&bad), "{class} {key} {value}");
    }
    let mut mixed = cyclonedx.clone();
    mixed["components"][0]["licenses"] =
        serde_json::json!([{"license": {"id": "MIT"}}, {"expression": "MIT"}]);
    assert!(!validators.cyclonedx[0].1.is_valid(&mixed));
    let mut unknown = cyclonedx;
    unknown["components"][0]["licenses"] = serde_json::json!([{"license": {"id": "Bugroff"}}]);
    assert!(!validators.cyclonedx[0].1.is_valid(&unknown));
}

#[test]
fn every_minimum_element_is_there() {
    let document: Value = serde_json::from_slice(&spdx2::write(&model::small())).unwrap();
    assert!(
        document["creationInfo"]["created"].is_string()
            && document["creationInfo"]["creators"][1].is_string()
    );
    for package in list(&document, "packages") {
        for key in ["name", "versionInfo", "supplier", "SPDXID"] {
            let value = package[key].as_str().unwrap_or_else(|| panic!("{key}: {package}"));
            assert!(!value.is_empty() && value != "NOASSERTION", "{key}: {package}");
        }
    }
    let names: BTreeSet<&str> = list(&document, "relationships")
        .map(|one| one["relationshipType"].as_str().unwrap())
        .collect();
    assert_eq!(names, BTreeSet::from(["CONTAINS", "DEPENDS_ON", "DESCRIBES", "GENERATED_FROM"]));
}

#[test]
fn different_images_have_different_names_and_order_does_not_matter() {
    let one = model::small();
    let mut other = model::small();
    other.files.get_mut("etc/passwd").unwrap().size_bytes += 1;
    assert_eq!(spdx2::write(&one), spdx2::write(&other), "what is not written changes nothing");
    other.epoch += 1;
    let namespace = |sbom: &Sbom| {
        let document: Value = serde_json::from_slice(&spdx2::write(sbom)).unwrap();
        document["documentNamespace"].as_str().unwrap().to_owned()
    };
    let serial = |sbom: &Sbom| {
        let bytes = cyclonedx::write(sbom, cyclonedx::SpecVersion::V1_6);
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        document["serialNumber"].as_str().unwrap().to_owned()
    };
    let root = |sbom: &Sbom| {
        let document: Value = serde_json::from_slice(&spdx3::write(sbom)).unwrap();
        let root = of_class(&document, "SpdxDocument").next().unwrap();
        root["spdxId"].as_str().unwrap().to_owned()
    };
    assert_ne!(root(&one), root(&other));
    assert_ne!(namespace(&one), namespace(&other));
    assert_ne!(serial(&one), serial(&other));
}

#[test]
fn large_images_are_written() {
    let sbom = model::large(400, 30_000);
    let start = Instant::now();
    let spdx = spdx2::write(&sbom);
    let spdx_time = start.elapsed();
    let start = Instant::now();
    let spdx3 = spdx3::write(&sbom);
    let spdx3_time = start.elapsed();
    let start = Instant::now();
    let cyclonedx = cyclonedx::write(&sbom, cyclonedx::SpecVersion::V1_6);
    println!(
        "400 packages, 30,000 files: SPDX 2 {} KB in {spdx_time:?}, SPDX 3 {} KB in {spdx3_time:?}, CycloneDX {} KB in {:?}",
        spdx.len() >> 10,
        spdx3.len() >> 10,
        cyclonedx.len() >> 10,
        start.elapsed()
    );
    assert!(spdx.len() < 20 << 20, "{}", spdx.len());
    assert!(spdx3.len() < 24 << 20, "{}", spdx3.len());
}
