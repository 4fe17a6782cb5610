// SPDX-License-Identifier: Apache-2.0
//! Validators of others, if `HARDPAN_TEST_SBOM_TOOLS` names the folder where they are.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use hardpan_attest::sbom::{cyclonedx, spdx2, spdx3};

use super::model;

fn tool(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("HARDPAN_TEST_SBOM_TOOLS").map(PathBuf::from);
    let tool = folder.map(|folder| folder.join(name)).filter(|tool| tool.is_file());
    if tool.is_none() {
        println!("skipped: {name} is not there: HARDPAN_TEST_SBOM_TOOLS");
    }
    tool
}

/// Runs a tool and returns whether it is content, and what it says.
fn run(tool: &Path, arguments: &[&OsStr]) -> (bool, String) {
    let output =
        Command::new(tool).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn spdx_tools_and_ntia_checker_agree() {
    let (Some(spdx_tools), Some(checker)) = (tool("pyspdxtools"), tool("sbomcheck")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (name, sbom) in
        [("small.spdx.json", model::small()), ("medium.spdx.json", model::large(40, 200))]
    {
        let path = write(folder.path(), name, &spdx2::write(&sbom));
        let (is_good, text) = run(&spdx_tools, &["-i".as_ref(), path.as_ref()]);
        assert!(is_good, "pyspdxtools: {text}");
        let (is_good, text) = run(
            &checker,
            &["-c".as_ref(), "ntia".as_ref(), "-s".as_ref(), "spdx2".as_ref(), path.as_ref()],
        );
        assert!(is_good && text.contains("Conformant"), "sbomcheck: {text}");
        println!("{text}");
    }
    // They can say no.
    let mut document: serde_json::Value =
        serde_json::from_slice(&spdx2::write(&model::small())).unwrap();
    document["packages"][1]["licenseDeclared"] = "No such license".into();
    let path = write(folder.path(), "bad.spdx.json", &serde_json::to_vec(&document).unwrap());
    let (is_good, text) = run(&spdx_tools, &["-i".as_ref(), path.as_ref()]);
    assert!(!is_good, "{text}");
    document["packages"][1]["licenseDeclared"] = "MIT".into();
    document["packages"][1]["supplier"] = "NOASSERTION".into();
    let path = write(folder.path(), "bad.spdx.json", &serde_json::to_vec(&document).unwrap());
    let (is_good, text) = run(
        &checker,
        &["-c".as_ref(), "ntia".as_ref(), "-s".as_ref(), "spdx2".as_ref(), path.as_ref()],
    );
    assert!(!is_good, "{text}");
}

/// Exits with 1 and the error if a file is no strict CycloneDX document of a version.
const STRICT: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
version = SchemaVersion.from_version(sys.argv[2])
error = JsonStrictValidator(version).validate_str(open(sys.argv[1]).read())
sys.exit(str(error)[:2000] if error else 0)
";

#[test]
fn cyclonedx_strict_validator_agrees() {
    let Some(python) = tool("python") else { return };
    let folder = tempfile::tempdir().unwrap();
    for (spec, text) in
        [(cyclonedx::SpecVersion::V1_6, "1.6"), (cyclonedx::SpecVersion::V1_7, "1.7")]
    {
        for (name, sbom) in
            [("small.cdx.json", model::small()), ("medium.cdx.json", model::large(40, 0))]
        {
            let path = write(folder.path(), name, &cyclonedx::write(&sbom, spec));
            let (is_good, message) =
                run(&python, &["-c".as_ref(), STRICT.as_ref(), path.as_ref(), text.as_ref()]);
            assert!(is_good, "{text} {name}: {message}");
        }
    }
    let path = write(
        folder.path(),
        "bad.cdx.json",
        br#"{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{}]}"#,
    );
    let (is_good, message) =
        run(&python, &["-c".as_ref(), STRICT.as_ref(), path.as_ref(), "1.6".as_ref()]);
    assert!(!is_good, "{message}");
}

/// Reads an SPDX 3 document with the SPDX project's own classes, and writes it again: the one finds values of wrong types
/// and what is not SPDX's, the other what is missing. Prints how many there are of what.
const SPDX3: &str = "
import collections, io, sys
from spdx_python_model import v3_0_1 as spdx
found = spdx.SHACLObjectSet()
with open(sys.argv[1], 'rb') as file:
    spdx.JSONLDDeserializer().read(file, found)
lost = found.link()
if lost:
    sys.exit('not there: ' + ', '.join(map(str, lost))[:2000])
spdx.JSONLDSerializer().write(found, io.BytesIO())
(document,) = found.foreach_type(spdx.SpdxDocument)
(sbom,) = document.rootElement
(image,) = sbom.rootElement
parts = [one for one in found.foreach_type(spdx.Relationship) if one.relationshipType.endswith('/contains')]
names = [part.name for one in parts if one.from_ is image for part in one.to]
if not names:
    sys.exit('the image is empty')
print(sorted(collections.Counter(type(one).__name__ for one in found.foreach()).items()))
";

#[test]
fn the_classes_of_spdx_3_agree() {
    let Some(python) = tool("python") else { return };
    let (has_classes, _) = run(&python, &["-c".as_ref(), "import spdx_python_model".as_ref()]);
    if !has_classes {
        println!("skipped: python has no spdx_python_model: HARDPAN_TEST_SBOM_TOOLS");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, bytes: &[u8]| {
        let path = write(folder.path(), name, bytes);
        run(&python, &["-c".as_ref(), SPDX3.as_ref(), path.as_ref()])
    };
    for (name, sbom) in [("small.json", model::small()), ("medium.json", model::large(40, 200))] {
        let (is_good, text) = read(name, &spdx3::write(&sbom));
        assert!(is_good, "{name}: {text}");
        println!("{name}: {text}");
    }
    // They can say no.
    let good: serde_json::Value = serde_json::from_slice(&spdx3::write(&model::small())).unwrap();
    for (class, key, value) in [
        ("software_Package", "software_primaryPurpose", "LIBRARY"),
        ("software_Package", "suppliedBy", "https://example.org/nobody"),
        ("simplelicensing_LicenseExpression", "simplelicensing_licenseListVersion", "3.29"),
        ("CreationInfo", "created", "yesterday"),
        ("Relationship", "relationshipType", "CONTAINS"),
        ("Relationship", "unknown", "x"),
    ] {
        let mut bad = good.clone();
        let graph = bad["@graph"].as_array_mut().unwrap();
        graph.iter_mut().find(|one| one["type"] == class).unwrap()[key] = value.into();
        let (is_good, text) = read("bad.json", &serde_json::to_vec(&bad).unwrap());
        assert!(!is_good, "{class} {key}: {text}");
    }
    let mut without = good;
    let graph = without["@graph"].as_array_mut().unwrap();
    let relationship = graph.iter_mut().find(|one| one["type"] == "Relationship").unwrap();
    relationship.as_object_mut().unwrap().remove("from");
    let (is_good, text) = read("bad.json", &serde_json::to_vec(&without).unwrap());
    assert!(!is_good, "{text}");
}
