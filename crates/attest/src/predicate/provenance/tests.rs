// SPDX-License-Identifier: Apache-2.0
//! Tests of both forms of provenance.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hardpan_image::canonical_json;
use hardpan_tree::Digest;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::resource::sha256;
use super::super::time::Time;
use super::*;

fn texts<const N: usize>(items: [&str; N]) -> BTreeSet<String> {
    items.into_iter().map(str::to_owned).collect()
}

fn on(platforms: &[&str], used: &PackageUse) -> BTreeSet<(String, PackageUse)> {
    platforms.iter().map(|platform| ((*platform).to_owned(), used.clone())).collect()
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

const BOTH: [&str; 2] = ["linux/amd64", "linux/arm64"];

fn packages() -> Vec<PackageInput> {
    vec![
        PackageInput {
            purl: "pkg:deb/debian/libc6@2.41-12+deb13u4?arch=amd64".into(),
            name: "libc6".into(),
            sha256: digest("libc6"),
            archive: "debian".into(),
            path: "pool/main/g/glibc/libc6_2.41-12+deb13u4_amd64.deb".into(),
            uses: on(&BOTH[..1], &PackageUse::Image),
        },
        PackageInput {
            purl: "pkg:deb/debian/gcc@4:14.2-1?arch=amd64".into(),
            name: "gcc".into(),
            sha256: digest("gcc"),
            archive: "debian".into(),
            path: "pool/main/g/gcc/gcc.deb".into(),
            uses: on(&BOTH[..1], &PackageUse::Stage("build".into())),
        },
        PackageInput {
            purl: "pkg:deb/debian/dash@0.5?arch=amd64".into(),
            name: "dash".into(),
            sha256: digest("dash"),
            archive: "debian".into(),
            path: "pool/main/d/dash/dash.deb".into(),
            uses: on(&BOTH[..1], &PackageUse::ScriptTool),
        },
    ]
}

fn downloads() -> Vec<DownloadInput> {
    vec![
        DownloadInput {
            url: "https://nginx.example/nginx.tar.gz".into(),
            sha256: digest("nginx"),
            commit: None,
            uses: BTreeSet::from([("linux/amd64".into(), Some("build".into()))]),
        },
        DownloadInput {
            url: "git+https://forge.example/a.git".into(),
            sha256: digest("archive"),
            commit: Some("cd".repeat(20)),
            uses: BTreeSet::from([("linux/amd64".into(), None)]),
        },
    ]
}

fn images() -> Vec<ImageInput> {
    vec![ImageInput {
        name: "dhi/golang:1".into(),
        substitute: Some("registry.example:5000/golang:1".into()),
        manifest: digest("golang"),
        index: Some(digest("golang index")),
        uses: BTreeSet::from([("linux/amd64".into(), Some("build".into()))]),
    }]
}

fn stages() -> Vec<StageRecord> {
    vec![StageRecord {
        platform: "linux/amd64".into(),
        stage: "build".into(),
        steps: vec![
            StepRecord {
                name: "compile".into(),
                action: None,
                script: digest("make"),
                network: false,
                secrets: texts(["token"]),
            },
            StepRecord {
                name: "fetch".into(),
                action: Some("go/modules@v1".into()),
                script: digest("go"),
                network: true,
                secrets: BTreeSet::new(),
            },
        ],
    }]
}

fn files() -> Vec<SourceFile> {
    vec![
        SourceFile::held(FileRole::Lock, "nginx/1.yaml.lock", b"{\"version\": 1}\n"),
        SourceFile::held(FileRole::Definition, "nginx/1.yaml", b"name: nginx\n"),
        SourceFile::held(FileRole::Include, "base.yaml", b"base: 1\n"),
        SourceFile::held(FileRole::Workspace, "hardpan.toml", b"[build]\n"),
        SourceFile { text: None, ..SourceFile::held(FileRole::Local, "nginx/nginx.conf", b"x") },
    ]
}

/// A build with everything in it; one of its steps had the network.
pub(crate) fn record() -> BuildRecord {
    BuildRecord {
        builder: Builder {
            id: "https://ci.example/builder@v1".into(),
            version: BTreeMap::from([("hardpan".into(), "0.1.0".into())]),
        },
        program_version: "0.1.0".into(),
        source: Some(Source {
            uri: "git+https://forge.example/images@refs/heads/main".into(),
            digest: BTreeMap::from([("gitCommit".into(), "ab".repeat(20))]),
        }),
        files: files(),
        platforms: texts(BOTH),
        options: BuildOptions {
            compression: "gzip".into(),
            keep: texts(["docs"]),
            without: texts(["pyc"]),
            other: BTreeMap::new(),
        },
        rules: vec![WorkspaceRule {
            table: "packages.substitute".into(),
            values: BTreeMap::from([("from".into(), "a".into()), ("to".into(), "b".into())]),
        }],
        substitutions: vec![Substitution {
            stage: Some("build".into()),
            wanted: "dhi/golang:1".into(),
            used: "registry.example/golang:1".into(),
        }],
        compressor: "gzip-6".into(),
        strip: texts(["locales", "setuid"]),
        epoch: 1_790_000_000,
        indexes: vec![IndexInput {
            archive: "debian".into(),
            suite: "trixie".into(),
            release: digest("release"),
            date: "2026-09-12T08:00:00Z".into(),
            signed_by: texts(["A1", "B2"]),
        }],
        packages: packages(),
        downloads: downloads(),
        images: images(),
        stages: stages(),
        byproducts: vec![
            Byproduct {
                name: "warnings".into(),
                platform: Some("linux/amd64".into()),
                value: json!(["nginx: postinst, line 3: nothing covers this"]),
            },
            Byproduct { name: "finishers".into(), platform: None, value: json!({"ldconfig": 1}) },
        ],
        run: Some(Run {
            invocation_id: Some("https://ci.example/jobs/1".into()),
            started: Some(Time::from_seconds(1_795_000_000)),
            finished: Some(Time::from_seconds(1_795_000_060)),
        }),
    }
}

#[test]
fn v1_as_it_is_written() {
    let provenance = Provenance::of(&record()).unwrap();
    insta::assert_snapshot!(
        serde_json::to_string_pretty(&serde_json::to_value(&provenance).unwrap()).unwrap()
    );
}

#[test]
fn v0_2_as_it_is_written() {
    let provenance = v0_2::Provenance::of(&record()).unwrap();
    insta::assert_snapshot!(
        serde_json::to_string_pretty(&serde_json::to_value(&provenance).unwrap()).unwrap()
    );
    let value = serde_json::to_value(&provenance).unwrap();
    assert_eq!(v0_2::Provenance::from_value(&value).unwrap(), provenance);
}

/// The names of SLSA's schema for v1; where it has an object, ours may have no others.
#[test]
fn the_names_of_fields_are_slsa_s() {
    let value = serde_json::to_value(Provenance::of(&record()).unwrap()).unwrap();
    let fields = |pointer: &str| -> BTreeSet<String> {
        value.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(fields(""), texts(["buildDefinition", "runDetails"]));
    let definition =
        ["buildType", "externalParameters", "internalParameters", "resolvedDependencies"];
    assert_eq!(fields("/buildDefinition"), texts(definition));
    assert_eq!(fields("/runDetails"), texts(["builder", "metadata", "byproducts"]));
    assert_eq!(fields("/runDetails/metadata"), texts(["invocationId", "startedOn", "finishedOn"]));
    assert_eq!(fields("/runDetails/builder"), texts(["id", "version"]));
    let descriptor =
        texts(["uri", "digest", "name", "downloadLocation", "mediaType", "content", "annotations"]);
    for list in ["/buildDefinition/resolvedDependencies", "/runDetails/byproducts"] {
        for resource in value.pointer(list).unwrap().as_array().unwrap() {
            let names: BTreeSet<String> = resource.as_object().unwrap().keys().cloned().collect();
            assert!(names.is_subset(&descriptor), "{names:?}");
            assert!(names.contains("digest"), "{resource}");
        }
    }
}

/// The reference has every key that is written, and every role.
#[test]
fn the_reference_is_complete() {
    fn keys(value: &Value, all: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    all.insert(key.clone());
                    // What is below is not named by the format.
                    if !matches!(key.as_str(), "digest" | "values" | "version") {
                        keys(value, all);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| keys(item, all)),
            _ => {}
        }
    }
    let page = include_str!("../../../../../docs/reference/provenance.md");
    let provenance = Provenance::of(&record()).unwrap();
    let mut names = BTreeSet::new();
    keys(&serde_json::to_value(&provenance).unwrap(), &mut names);
    names.extend(
        provenance
            .build_definition
            .resolved_dependencies
            .iter()
            .map(|resource| resource.annotation("role").unwrap().to_owned()),
    );
    for name in names {
        let is_there = [format!("`{name}`"), format!(".{name}`"), format!("`{name}.")];
        assert!(is_there.iter().any(|text| page.contains(text)), "{name}");
    }
}

#[test]
fn nothing_but_metadata_is_of_one_run() {
    let with = Provenance::of(&record()).unwrap();
    let mut without = Provenance::of(&BuildRecord { run: None, ..record() }).unwrap();
    assert_eq!(without.run_details.metadata, None);
    without.run_details.metadata.clone_from(&with.run_details.metadata);
    assert_eq!(with, without);
}

#[test]
fn a_rebuild_has_all_that_it_needs() {
    let value = serde_json::to_value(Provenance::of(&record()).unwrap()).unwrap();
    let inputs = Provenance::from_value(&value).unwrap().rebuild_inputs().unwrap();
    let record = record();
    assert_eq!(inputs.definition, "nginx/1.yaml");
    for file in &record.files {
        let read = &inputs.files[&file.path];
        assert_eq!((read.role, &read.digest, &read.text), (file.role, &file.digest, &file.text));
    }
    assert_eq!(inputs.missing(), ["nginx/nginx.conf"]);
    let (path, lock) = inputs.file(FileRole::Lock).unwrap();
    assert_eq!(
        (path, lock.text.as_deref()),
        ("nginx/1.yaml.lock", Some(&b"{\"version\": 1}\n"[..]))
    );
    assert_eq!(inputs.platforms, record.platforms);
    assert_eq!(inputs.options, record.options);
    assert_eq!(inputs.rules, record.rules);
    assert_eq!(inputs.substitutions, record.substitutions);
    assert_eq!(inputs.secrets, texts(["token"]));
    assert_eq!((inputs.compressor, inputs.epoch), (record.compressor.clone(), record.epoch));
    assert_eq!((inputs.stages, inputs.source), (record.stages, record.source));
}

#[test]
fn secrets_have_names_and_no_values() {
    let text = String::from_utf8(canonical_json(&Provenance::of(&record()).unwrap())).unwrap();
    assert!(text.contains("\"secrets\":[\"token\"]"));
}

#[test]
fn texts_that_do_not_fit_are_named_and_not_held() {
    let large = vec![b'x'; TEXT_BYTES_MAX - 20];
    let mut record = record();
    record.files.push(SourceFile::held(FileRole::Local, "a-large-file", &large));
    record.files.push(SourceFile::held(FileRole::Local, "b-small-file", b"1"));
    let inputs = Provenance::of(&record).unwrap().rebuild_inputs().unwrap();
    assert_eq!(inputs.missing(), ["a-large-file", "nginx/nginx.conf"]);
    assert!(inputs.file(FileRole::Definition).unwrap().1.text.is_some());
    assert_eq!(inputs.files["b-small-file"].text.as_deref(), Some(&b"1"[..]));
}

#[test]
fn paths_become_plain() {
    let mut odd = record();
    odd.files[0].path = "./nginx//1.yaml.lock".into();
    odd.files[1].path = "/nginx/./1.yaml".into();
    assert_eq!(Provenance::of(&odd).unwrap(), Provenance::of(&record()).unwrap());
    assert_eq!(v0_2::Provenance::of(&odd).unwrap(), v0_2::Provenance::of(&record()).unwrap());
    // Names of systemd's units have backslashes.
    odd.files[4].path = r"units/dev-disk-by\x2dlabel.swap".into();
    let inputs = Provenance::of(&odd).unwrap().rebuild_inputs().unwrap();
    assert_eq!(inputs.missing(), [r"units/dev-disk-by\x2dlabel.swap"]);
}

#[test]
fn a_file_may_have_two_roles() {
    let mut record = record();
    record.files.push(SourceFile::held(FileRole::Local, "base.yaml", b"base: 1\n"));
    let inputs = Provenance::of(&record).unwrap().rebuild_inputs().unwrap();
    assert_eq!(inputs.files["base.yaml"].role, FileRole::Include);
    assert!(inputs.files["base.yaml"].text.is_some());
}

type Change<'c> = &'c dyn Fn(&mut BuildRecord);

#[test]
fn records_that_can_t_be_are_refused() {
    let definition = record().definition().unwrap().clone();
    let change = |change: &dyn Fn(&mut BuildRecord)| {
        let mut record = record();
        change(&mut record);
        (Provenance::of(&record).map(|_| ()), v0_2::Provenance::of(&record).map(|_| ()))
    };
    let changes: [(&str, Change<'_>); 7] = [
        ("has none", &|record| record.files.retain(|file| file.role != FileRole::Definition)),
        ("definition: there are several", &|record| record.files.push(definition.clone())),
        ("lock: there are several", &|record| {
            record.files.push(SourceFile::held(FileRole::Lock, "b.lock", b""));
        }),
        ("package URL", &|record| record.packages[0].purl = "libc6".into()),
        ("another digest", &|record| record.files[0].text = Some(b"other".to_vec())),
        ("not a path", &|record| record.files[2].path = "../base.yaml".into()),
        ("workspace: there are several", &|record| {
            record.files.push(SourceFile::held(FileRole::Workspace, "b.toml", b""));
        }),
    ];
    for (expected, by) in changes {
        let (v1, older) = change(by);
        for error in [v1.unwrap_err(), older.unwrap_err()] {
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}

#[test]
fn what_is_no_provenance_is_refused() {
    let good = serde_json::to_value(Provenance::of(&record()).unwrap()).unwrap();
    for (pointer, value, expected) in [
        ("", json!({}), "malformed"),
        ("", json!(null), "not an object"),
        ("/buildDefinition", json!([]), "malformed"),
        ("/buildDefinition/buildType", json!("ours"), "not a URI"),
        ("/buildDefinition/externalParameters", json!([]), "not an object"),
        ("/buildDefinition/internalParameters", json!("x"), "not an object"),
        ("/buildDefinition/resolvedDependencies", json!({}), "malformed"),
        ("/buildDefinition/resolvedDependencies/0/digest", json!({"sha256": 1}), "malformed"),
        ("/runDetails/builder/id", json!(""), "not a URI"),
        ("/runDetails/builder", json!({"version": {}}), "malformed"),
        ("/runDetails/metadata/startedOn", json!("yesterday"), "malformed"),
        ("/runDetails/byproducts", json!(vec![json!({}); BYPRODUCTS_MAX + 1]), "more than"),
    ] {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        let error = Provenance::from_value(&document).unwrap_err().to_string();
        assert!(error.contains(expected), "{pointer}: {error}");
    }
}

#[test]
fn others_provenance_is_read_and_not_rebuilt() {
    // Without optional fields, with unknown ones and with null, as the format allows.
    let value = json!({
        "buildDefinition": {
            "buildType": "https://other.example/build/v1", "externalParameters": {},
            "resolvedDependencies": null, "more": 1,
        },
        "runDetails": {"builder": {"id": "https://other.example", "version": null}, "byproducts": null},
    });
    let provenance = Provenance::from_value(&value).unwrap();
    let error = provenance.rebuild_inputs().unwrap_err().to_string();
    assert!(error.contains("https://other.example/build/v1"), "{error}");
}

/// Returns where a dependency or byproduct of a name stands.
fn place(document: &Value, list: &str, name: &str) -> String {
    let list_value = document.pointer(list).unwrap().as_array().unwrap();
    let index = list_value.iter().position(|resource| resource["name"] == name).unwrap();
    format!("{list}/{index}")
}

#[test]
fn rebuild_inputs_that_contradict_each_other_are_refused() {
    let good = serde_json::to_value(Provenance::of(&record()).unwrap()).unwrap();
    let dependency = |name: &str| place(&good, "/buildDefinition/resolvedDependencies", name);
    let byproduct = |name: &str| place(&good, "/runDetails/byproducts", name);
    let external = |key: &str| format!("/buildDefinition/externalParameters/{key}");
    let other = json!(sha256(&Digest::of(b"other")));
    let forged = |bytes: &[u8]| {
        json!({
            "name": "nginx/1.yaml", "annotations": {"role": "definition"},
            "content": STANDARD.encode(bytes), "digest": sha256(&Digest::of(bytes)),
        })
    };
    for (pointer, value, expected) in [
        (byproduct("nginx/1.yaml"), forged(b"name: evil\n"), "not the one that the dependencies"),
        (byproduct("nginx/1.yaml") + "/digest", other.clone(), "another digest"),
        (byproduct("nginx/1.yaml") + "/content", json!("!"), "base64"),
        (byproduct("nginx/1.yaml") + "/name", json!("elsewhere"), "text of no dependency"),
        (dependency("nginx/1.yaml") + "/digest", other.clone(), "not the one"),
        (dependency("nginx/1.yaml") + "/digest", json!({}), "no SHA-256"),
        (dependency("nginx/1.yaml") + "/digest", json!({"sha256": "00"}), "no SHA-256"),
        (dependency("nginx/1.yaml") + "/name", json!("../etc/passwd"), "not a path"),
        (dependency("nginx/1.yaml") + "/name", json!("/etc/passwd"), "not a path"),
        (dependency("nginx/1.yaml") + "/name", json!("a//b"), "not a path"),
        (dependency("nginx/1.yaml") + "/name", json!("a\u{0}b"), "not a path"),
        (dependency("base.yaml") + "/annotations/role", json!("lock"), "several of its role"),
        (dependency("base.yaml") + "/name", json!("nginx/nginx.conf"), "two digests"),
        (external("definition/digest"), other.clone(), "two digests"),
        (external("definition/path"), json!("base.yaml"), "no dependency"),
        (external("workspace/file/digest"), other, "two digests"),
        (external("workspace/unknown"), json!(1), "malformed"),
        (external("more"), json!(1), "malformed"),
        (external("platforms"), json!([]), "there are none"),
        (external("secrets"), json!([]), "secrets"),
        (external("options"), json!({"compression": "gzip", "fast": true}), "malformed"),
        ("/buildDefinition/internalParameters".into(), json!(null), "not an object"),
        ("/buildDefinition/internalParameters/epoch".into(), json!("now"), "malformed"),
    ] {
        let mut document = good.clone();
        if let Some(place) = document.pointer_mut(&pointer) {
            *place = value;
        } else {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            document.pointer_mut(parent).unwrap()[key] = value;
        }
        let error = Provenance::from_value(&document).unwrap().rebuild_inputs().unwrap_err();
        let text = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ");
        assert!(text.contains(expected), "{pointer}: {text}");
    }
}

#[test]
fn v0_2_that_can_t_be_is_refused() {
    let good = serde_json::to_value(v0_2::Provenance::of(&record()).unwrap()).unwrap();
    for (pointer, value) in [
        ("/builder", json!({})),
        ("/builder/id", json!("me")),
        ("/buildType", json!("")),
        ("/buildType", json!(null)),
        ("/materials", json!({})),
        ("/materials/0/digest", json!([])),
        ("/metadata/completeness", json!({"materials": "yes"})),
        ("/invocation/configSource", json!(1)),
    ] {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        assert!(v0_2::Provenance::from_value(&document).is_err(), "{pointer}");
    }
    let small =
        json!({"builder": {"id": "a:b"}, "buildType": "c:d", "materials": null, "metadata": null});
    assert!(v0_2::Provenance::from_value(&small).is_ok());
}

#[test]
fn a_step_with_the_network_makes_it_incomplete() {
    let claims = |record: &BuildRecord| {
        let metadata = v0_2::Provenance::of(record).unwrap().metadata.unwrap();
        (metadata.completeness.materials, metadata.reproducible)
    };
    let mut record = record();
    assert_eq!(claims(&record), (false, false));
    record.stages[0].steps.remove(1);
    assert_eq!(claims(&record), (true, true));
}

proptest! {
    #[test]
    fn the_order_of_a_record_does_not_matter(seed in any::<u64>()) {
        let mut shuffled = record();
        let turn = |length: usize| usize::try_from(seed % length.max(1) as u64).unwrap();
        shuffled.files.rotate_left(turn(5));
        shuffled.packages.rotate_left(turn(3));
        shuffled.downloads.rotate_left(turn(2));
        shuffled.byproducts.rotate_left(turn(2));
        if seed & 1 == 1 {
            shuffled.files.reverse();
            let again = shuffled.packages[0].clone();
            shuffled.packages.push(again);
        }
        prop_assert_eq!(
            canonical_json(&Provenance::of(&shuffled).unwrap()),
            canonical_json(&Provenance::of(&record()).unwrap())
        );
        prop_assert_eq!(
            canonical_json(&v0_2::Provenance::of(&shuffled).unwrap()),
            canonical_json(&v0_2::Provenance::of(&record()).unwrap())
        );
    }
}
