// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hardpan_tree::Digest;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::make::DistroPackage;
use super::*;

#[derive(Deserialize)]
struct Vectors {
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    description: String,
    test_type: String,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    expected_output: Value,
    #[serde(default)]
    expected_failure: bool,
}

/// The parts of a value, as the vectors write them.
fn parts(purl: &PackageUrl) -> Value {
    let text = |part: Option<&str>| part.map_or(Value::Null, Value::from);
    let qualifiers: BTreeMap<&str, &str> =
        purl.qualifiers().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    serde_json::json!({
        "type": purl.kind(),
        "namespace": text(purl.namespace()),
        "name": purl.name(),
        "version": text(purl.version()),
        "qualifiers": if qualifiers.is_empty() { Value::Null } else { serde_json::json!(qualifiers) },
        "subpath": text(purl.subpath()),
    })
}

fn build(input: &Value) -> Result<PackageUrl, PurlProblem> {
    let text = |key: &str| input[key].as_str().unwrap_or_default();
    let qualifiers: BTreeMap<String, String> =
        serde_json::from_value(input["qualifiers"].clone()).unwrap_or_default();
    Parts {
        kind: text("type"),
        namespace: text("namespace").into(),
        name: text("name").into(),
        version: text("version").into(),
        qualifiers: qualifiers.iter().map(|(key, value)| (key.as_str(), value.into())).collect(),
        subpath: segments(text("subpath"), "subpath", |_| true)?,
    }
    .check()
}

fn passes(vector: &Vector) -> bool {
    let text = vector.input.as_str().unwrap_or_default();
    let result = match vector.test_type.as_str() {
        "parse" => text.parse::<PackageUrl>().ok().map(|purl| parts(&purl)),
        "validate" => text.parse::<PackageUrl>().ok().map(|purl| Value::from(purl.to_string())),
        _ => build(&vector.input).ok().map(|purl| Value::from(purl.to_string())),
    };
    // Empty and absent are the same.
    let mut expected = vector.expected_output.clone();
    for part in expected.as_object_mut().into_iter().flat_map(|parts| parts.values_mut()) {
        if part.as_str() == Some("") || part.as_object().is_some_and(serde_json::Map::is_empty) {
            *part = Value::Null;
        }
    }
    result == if vector.expected_failure { None } else { Some(expected) }
}

fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared");
    let next = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let named = std::env::var_os("HARDPAN_SHARED").map(PathBuf::from);
    named.into_iter().chain([next, beside]).find(|path| path.join("vectors/purl").is_dir())
}

/// Types that images have: every vector must pass.
const OURS: [&str; 9] = ["apk", "cargo", "deb", "generic", "golang", "maven", "npm", "oci", "pypi"];
/// How many of all vectors must pass. The others contradict one another (rpm, gem: keys in upper case are both
/// refused and taken), or want names with slashes (git).
const PASSING_MIN: usize = 580;

#[test]
fn published_vectors_pass() {
    let Some(shared) = shared() else {
        println!("skipped: the vectors are not there: ../shared/vectors/purl, or HARDPAN_SHARED");
        return;
    };
    let tests = shared.join("vectors/purl/tests");
    let mut files = vec![tests.join("spec/specification-test.json")];
    files.extend(std::fs::read_dir(tests.join("types")).unwrap().map(|f| f.unwrap().path()));
    files.sort();
    let (mut passed, mut all, mut failures) = (0, 0, Vec::new());
    for file in files {
        let vectors: Vectors = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let kind = file.file_stem().unwrap().to_str().unwrap().trim_end_matches("-test").to_owned();
        for vector in vectors.tests {
            all += 1;
            if passes(&vector) {
                passed += 1;
            } else {
                failures.push(format!(
                    "{kind}: {} {} {}",
                    vector.test_type, vector.description, vector.input
                ));
                assert!(
                    !OURS.contains(&kind.as_str()) && kind != "specification",
                    "{}",
                    failures.join("\n")
                );
            }
        }
    }
    println!("{passed} of {all} pass; the others:\n{}", failures.join("\n"));
    assert!(passed >= PASSING_MIN, "{passed} of {all}:\n{}", failures.join("\n"));
}

const LIBC: DistroPackage<'_> = DistroPackage {
    distro: "debian",
    distro_version: "13",
    name: "libc6",
    version: "2.41-12+deb13u4",
    arch: "amd64",
    source: Some(("glibc", "2.41-12+deb13u4")),
};

#[test]
fn made_urls_are_what_scanners_write() {
    let digest = Digest::of(b"");
    let hex = digest.to_hex();
    let bash = DistroPackage {
        name: "bash",
        source: Some(("bash", "5.2-1")),
        version: "5.2-1+b2",
        ..LIBC
    };
    let apk = DistroPackage {
        distro: "alpine",
        distro_version: "3.22.1",
        arch: "x86_64",
        source: None,
        ..LIBC
    };
    let cases: Vec<(Result<PackageUrl, PurlProblem>, String)> = vec![
        (
            PackageUrl::deb(&LIBC),
            "pkg:deb/debian/libc6@2.41-12%2Bdeb13u4?arch=amd64&distro=debian-13&upstream=glibc"
                .into(),
        ),
        (
            PackageUrl::deb(&bash),
            "pkg:deb/debian/bash@5.2-1%2Bb2?arch=amd64&distro=debian-13&upstream=bash%405.2-1"
                .into(),
        ),
        (
            PackageUrl::deb(&DistroPackage {
                distro_version: "",
                arch: "",
                version: "1:2~rc1",
                ..LIBC
            }),
            "pkg:deb/debian/libc6@1:2~rc1?distro=debian&upstream=glibc%402.41-12%2Bdeb13u4".into(),
        ),
        (
            PackageUrl::apk(&apk),
            "pkg:apk/alpine/libc6@2.41-12%2Bdeb13u4?arch=x86_64&distro=alpine-3.22.1".into(),
        ),
        (
            PackageUrl::deb(&LIBC).and_then(|purl| purl.source_of("glibc", "2.41-12")),
            "pkg:deb/debian/glibc@2.41-12?arch=source&distro=debian-13".into(),
        ),
        (
            PackageUrl::golang("github.com/Masterminds/semver/v3", "v3.2.1"),
            "pkg:golang/github.com/Masterminds/semver/v3@v3.2.1".into(),
        ),
        (PackageUrl::golang("stdlib", "1.24.1"), "pkg:golang/stdlib@1.24.1".into()),
        (PackageUrl::pypi("Ruamel.Yaml_clib", "0.2.8"), "pkg:pypi/ruamel-yaml-clib@0.2.8".into()),
        (PackageUrl::npm("@babel/core", "7.0.0"), "pkg:npm/%40babel/core@7.0.0".into()),
        (PackageUrl::npm("left-pad", ""), "pkg:npm/left-pad".into()),
        (
            PackageUrl::maven("org.slf4j", "slf4j-api", "2.0"),
            "pkg:maven/org.slf4j/slf4j-api@2.0".into(),
        ),
        (PackageUrl::cargo("serde", "1.0.228"), "pkg:cargo/serde@1.0.228".into()),
        (
            PackageUrl::oci("registry.example:5000/team/Python", &digest, "amd64", "3.14"),
            format!(
                "pkg:oci/python@sha256:{hex}?arch=amd64&repository_url=registry.example:5000%2Fteam%2Fpython&tag=3.14"
            ),
        ),
        (PackageUrl::oci("python", &digest, "", ""), format!("pkg:oci/python@sha256:{hex}")),
        (
            PackageUrl::generic("openssl", "3.5", "https://example.org/o.tar.gz", Some(&digest)),
            format!(
                "pkg:generic/openssl@3.5?checksum=sha256:{hex}&download_url=https:%2F%2Fexample.org%2Fo.tar.gz"
            ),
        ),
    ];
    for (purl, expected) in cases {
        let purl = purl.unwrap();
        assert_eq!(purl.to_string(), expected);
        assert_eq!(expected.parse::<PackageUrl>().unwrap(), purl);
    }
}

#[test]
fn urls_that_can_t_be_made() {
    assert_eq!(PackageUrl::maven("", "orphan", "1"), Err(PurlProblem::NoNamespace("maven".into())));
    assert_eq!(
        PackageUrl::deb(&DistroPackage { distro: "", ..LIBC }),
        Err(PurlProblem::NoNamespace("deb".into()))
    );
    assert_eq!(PackageUrl::pypi("_", "1"), Err(PurlProblem::NoName));
}

#[test]
fn bad_urls_are_refused() {
    let long = format!("pkg:generic/{}", "a".repeat(PURL_BYTES_MAX));
    let cases: Vec<(&str, PurlProblem)> = vec![
        ("", PurlProblem::Scheme),
        ("pkg", PurlProblem::Scheme),
        ("http://example.org", PurlProblem::Scheme),
        ("pkg:", PurlProblem::NoName),
        ("pkg:deb", PurlProblem::NoName),
        ("pkg:deb/", PurlProblem::NoName),
        ("pkg:deb/debian/@1", PurlProblem::NoName),
        ("pkg:de b/debian/x", PurlProblem::Type("de b".into())),
        ("pkg:deb/x", PurlProblem::NoNamespace("deb".into())),
        ("pkg:oci/dhi/redis", PurlProblem::Namespace("oci".into())),
        ("pkg:generic/a%2", PurlProblem::Encoding("name")),
        ("pkg:generic/a%zz", PurlProblem::Encoding("name")),
        ("pkg:generic/a@%ff", PurlProblem::Encoding("version")),
        ("pkg:generic/a%2fb/c", PurlProblem::Slash("namespace")),
        ("pkg:generic/a?b c=1", PurlProblem::QualifierKey("b c".into())),
        ("pkg:generic/a?b=1&B=2", PurlProblem::QualifierTwice("b".into())),
        ("pkg:generic/a#%2f", PurlProblem::Slash("subpath")),
        (&long, PurlProblem::TooLong),
    ];
    for (text, problem) in cases {
        assert_eq!(text.parse::<PackageUrl>().unwrap_err().problem, problem, "{text}");
    }
}

#[test]
fn matching_is_what_vex_tools_do() {
    let cases = [
        ("pkg:deb/debian/libc6", "pkg:deb/debian/libc6@1?arch=amd64&distro=debian-13", true),
        ("pkg:deb/debian/libc6@1", "pkg:deb/debian/libc6@1?arch=amd64&distro=debian-13.7", true),
        (
            "pkg:deb/debian/libc6@1?arch=amd64",
            "pkg:deb/debian/libc6@1?arch=amd64&distro=debian-13",
            true,
        ),
        ("pkg:deb/debian/libc6@1%2Bb1", "pkg:deb/debian/libc6@1+b1", true),
        (
            "pkg:golang/github.com/masterminds/semver",
            "pkg:golang/github.com/Masterminds/semver@v3",
            true,
        ),
        (
            "pkg:deb/debian/libc6@1?distro=debian-13",
            "pkg:deb/debian/libc6@1?distro=debian-13.7",
            false,
        ),
        ("pkg:deb/debian/libc6@1?os_name=debian", "pkg:deb/debian/libc6@1?arch=amd64", false),
        ("pkg:deb/debian/libc6@1", "pkg:deb/debian/libc6@2", false),
        ("pkg:deb/debian/libc6@1", "pkg:deb/debian/libc6", false),
        ("pkg:deb/debian/glibc", "pkg:deb/debian/libc6@1?upstream=glibc", false),
        ("pkg:deb/ubuntu/libc6", "pkg:deb/debian/libc6", false),
        ("pkg:npm/core", "pkg:npm/%40babel/core", false),
        ("pkg:npm/Core", "pkg:npm/core", false),
        ("pkg:generic/a", "pkg:cargo/a", false),
    ];
    for (general, specific, expected) in cases {
        let parse = |text: &str| text.parse::<PackageUrl>().unwrap();
        assert_eq!(parse(general).matches(&parse(specific)), expected, "{general} {specific}");
    }
}

proptest! {
    #[test]
    fn what_is_written_parses_to_the_same(text in "(?s)pkg:[a-z]{1,5}/.{1,60}") {
        if let Ok(purl) = text.parse::<PackageUrl>() {
            let written = purl.to_string();
            prop_assert_eq!(written.parse::<PackageUrl>().unwrap(), purl);
            prop_assert_eq!(written.parse::<PackageUrl>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn no_text_panics(text in "(?s).{0,80}") {
        let _ = text.parse::<PackageUrl>();
    }
}
