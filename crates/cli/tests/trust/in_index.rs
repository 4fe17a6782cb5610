// SPDX-License-Identifier: Apache-2.0
//! Statements inside of the image index, as BuildKit has them.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::others::{Client, Running};
use crate::support::files;
use crate::world::{Edited, REPOSITORY, World, registries};

/// What is stated of a platform alone, and so can be in the index.
const TYPES: [&str; 4] = [
    "https://hardpan.dev/image-sources/v1",
    "https://cyclonedx.org/bom/v1.6",
    "https://slsa.dev/provenance/v1",
    "https://spdx.dev/Document",
];
const REQUIRED: [&str; 6] =
    ["--require", "spdx", "--require", "cyclonedx", "--require", "provenance"];

/// Makes keys and two layouts of the same image: `plain`, and `out` with statements in its index.
fn attested() -> (World, Edited) {
    let world = World::new();
    let plain = world.build("plain", &["--sign", "--key", "release.key"]);
    let digest = world.build("out", &attach("release.key"));
    assert_ne!(digest, plain, "the index has something in it");
    let edited = Edited::open(&world.path("out"));
    assert_eq!(edited.image(), digest);
    (world, edited)
}

fn attach(key: &str) -> [&str; 5] {
    ["--sign", "--key", key, "--attach", "referrers,buildkit"]
}

#[test]
fn a_build_puts_them_there() {
    let (world, edited) = attested();
    let plain = Edited::open(&world.path("plain"));
    assert_eq!(edited.platforms(), plain.platforms(), "platforms stay what they are");
    assert!(plain.attestations().is_empty());
    let platforms: Vec<Value> =
        edited.platforms().into_values().map(|digest| json!(digest)).collect();
    let entries = edited.attestations();
    assert_eq!(entries.len(), 2);
    let (old, new) = (plain.image(), edited.image());
    for entry in &entries {
        assert_eq!(entry["platform"], json!({"os": "unknown", "architecture": "unknown"}));
        let about = &entry["annotations"]["vnd.docker.reference.digest"];
        assert!(platforms.contains(about), "{entry:#}");
        let manifest = edited.json(entry["digest"].as_str().unwrap());
        assert_eq!(manifest["subject"]["digest"], *about);
        let mut types: Vec<&str> = Vec::new();
        for layer in manifest["layers"].as_array().unwrap() {
            let bytes = edited.blob(layer["digest"].as_str().unwrap());
            let statement: Value = serde_json::from_slice(&bytes).unwrap();
            let subjects = statement["subject"].as_array().unwrap();
            let hex = about.as_str().unwrap().trim_start_matches("sha256:");
            assert!(subjects.iter().all(|one| one["digest"] == json!({"sha256": hex})));
            let text = String::from_utf8(bytes).unwrap();
            for index in [&old, &new] {
                assert!(!text.contains(index.trim_start_matches("sha256:")), "it names the index");
            }
            let kind = layer["annotations"]["in-toto.io/predicate-type"].as_str().unwrap();
            assert_eq!(statement["predicateType"], kind);
            types.push(kind);
        }
        types.sort_unstable();
        let mut expected = TYPES;
        expected.sort_unstable();
        assert_eq!(types, expected);
    }
    let (out, plain_text) = (world.text("out"), world.text("plain"));
    world.verify(&out, &REQUIRED).expect(0, &["verified", &new]);
    let report = world.verify(&out, &["--json"]).expect(0, &[]).json();
    assert_eq!(within(&report), [0, 4, 4], "{report:#}");
    let listed = ["attest", "list", &out, "--key", &world.public()];
    world.run(&listed).expect(0, &["image index"]);
    // Who looks at images sees two platforms and no third.
    world.run(&["diff", &plain_text, &out]).expect(0, &[]);
    world
        .run(&["sbom", &out, "--platform", "linux/arm64"])
        .expect(0, &["linux/arm64", "5 components"]);
    // Another key is trusted for nothing of it.
    let report = world.run(&["verify", &out, "--key", &world.wrong_public(), "--json"]);
    assert_eq!(within(&report.expect(1, &[]).json()), [0, 0, 0]);
    // Signing it again, and signing it where nothing is, gives the same bytes.
    let first = files(&world.path("out"));
    assert_eq!(world.build("out", &attach("release.key")), new);
    assert!(files(&world.path("out")) == first, "signing over it");
    assert_eq!(world.build("out2", &attach("release.key")), new);
    assert_eq!(files(&world.path("out2")).len(), first.len(), "signing beside it");
    // Without them it is as it was.
    assert_eq!(world.build("out", &["--sign", "--key", "release.key"]), old);
    assert!(Edited::open(&world.path("out")).attestations().is_empty());
    world.verify(&out, &REQUIRED).expect(0, &["verified", &old]);
}

/// Returns how many statements in the index count, of the index and of each platform.
fn within(report: &Value) -> Vec<usize> {
    let subjects = report["subjects"].as_array().unwrap();
    let counts = |one: &&Value| one["source"] == "image index" && one["predicate-type"].is_string();
    let count =
        |subject: &Value| subject["evidence"].as_array().unwrap().iter().filter(counts).count();
    subjects.iter().map(count).collect()
}

#[test]
fn it_is_built_again_but_for_them() {
    let (world, edited) = attested();
    let (out, key) = (world.text("out"), world.public());
    let mut command = world.command(&["rebuild", &out, "--key", &key]);
    command.env("HARDPAN_STORE", world.path("elsewhere")).current_dir(world.path("catalog"));
    let compared = "compared without the 2 attestations in the index";
    let ran = crate::support::run(command).expect(0, &["reproduced", compared]);
    assert!(ran.stdout.contains(&edited.image()), "{ran}");
}

#[test]
fn publishing_puts_them_there() {
    let (world, edited) = attested();
    let digest = edited.image();
    let key = world.key();
    for (kind, registry) in registries() {
        let name = format!("{}/{REPOSITORY}:1", registry.name());
        let publish = |from: &str, attach: &str, fragments: &[&str]| {
            let from = world.text(from);
            let line = ["publish", &from, &name, "--key", &key, "--attach", attach];
            world.run(&line).expect(0, fragments);
        };
        // The same index, whoever makes it.
        publish("plain", "referrers,buildkit", &[&digest]);
        let snapshot = || -> BTreeMap<String, Vec<u8>> {
            let tags = registry.tags(REPOSITORY).into_iter();
            tags.map(|tag| (tag.clone(), registry.manifest(REPOSITORY, &tag).unwrap().1)).collect()
        };
        let before = snapshot();
        for (from, attach) in [
            ("plain", "referrers,buildkit"),
            ("out", "referrers,buildkit"),
            // What is in the index stays there, and its signatures are made again.
            ("out", "referrers"),
        ] {
            publish(from, attach, &[&digest]);
            assert_eq!(snapshot(), before, "{kind} {from} {attach}");
        }
        world.verify(&name, &REQUIRED).expect(0, &["verified", &digest]);
        let report = world.verify(&name, &["--json"]).expect(0, &[]).json();
        assert_eq!(within(&report), [0, 4, 4], "{kind} {report:#}");
        // No key: all of it goes along.
        let copy = format!("{}/mirror/app:1", registry.name());
        world.run(&["publish", &world.text("out"), &copy]).expect(0, &[&digest]);
        let report = world.verify(&copy, &["--json"]).expect(0, &[]).json();
        assert_eq!(within(&report), [0, 4, 4], "{kind} {report:#}");
        registry.assert_tags_complete();
    }
}

#[test]
fn what_is_refused() {
    let (world, edited) = attested();
    let (out, plain, key) = (world.text("out"), world.text("plain"), world.key());
    let (other, theirs) = (world.text("work/other.key"), "is not by the key");
    let registry = crate::world::without_api();
    let name = format!("{}/{REPOSITORY}:1", registry.name());
    world.fixture.write("review.json", "{}");
    let review = world.text("review.json");
    world.build("unsigned", &[]);
    let unsigned = world.text("unsigned");
    let add = ["attest", "add", &out, "--type", "spdx", "--predicate", &review, "--key", &key];
    let buildkit = ["--attach", "buildkit"];
    let rows: [(&[&str], i32, &str); 5] = [
        (&add, 2, "build --sign"),
        (&["publish", &plain, &name], 2, "key"),
        (&["publish", &plain, &name, "--key", &other], 4, theirs),
        (&["publish", &unsigned, &name, "--key", &key], 2, "nothing is stated"),
        (&["publish", &out, &name, "--key", &other], 4, theirs),
    ];
    for (line, code, reason) in rows {
        let ran = world.run(&[line, &buildkit].concat());
        assert_eq!(ran.code, code, "{line:?} {ran}");
        assert!(ran.stderr.contains(reason), "{line:?} {ran}");
        assert!(registry.tags(REPOSITORY).is_empty(), "{line:?}");
    }
    // A statement in the index that is another one than was signed, and one that is gone.
    let manifest = edited.attestations()[0]["digest"].as_str().unwrap().to_owned();
    let layer = edited.json(&manifest)["layers"][0]["digest"].as_str().unwrap().to_owned();
    let path = edited.blob_path(&layer);
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    fs::write(&path, &bytes).unwrap();
    world.verify(&out, &[]).expect(4, &["not trusted"]);
    let archive = world.text("copy.tar");
    world.run(&["export", &out, &archive]).expect(4, &[]);
    assert!(!world.path("copy.tar").exists());
    fs::remove_file(&path).unwrap();
    world.run(&["publish", &out, &name]).expect(4, &[]);
    assert!(registry.tags(REPOSITORY).is_empty());
}

/// A statement that somebody put into the index counts for nothing, and changes nothing else.
#[test]
fn of_a_stranger() {
    let (world, edited) = attested();
    let index = edited.image();
    let mut changed = edited.json(&index);
    let entries = changed["manifests"].as_array_mut().unwrap();
    let is_statement = |entry: &&Value| entry["platform"]["os"] == "unknown";
    let entry = entries.iter().find(is_statement).unwrap().clone();
    let mut manifest = edited.json(entry["digest"].as_str().unwrap());
    let layers = manifest["layers"].as_array_mut().unwrap();
    layers.truncate(1);
    let bytes = manifest.to_string().into_bytes();
    let mut forged = entry;
    forged["digest"] = edited.put(&bytes).into();
    forged["size"] = bytes.len().into();
    let put = |index: &Value, old: &str| {
        let bytes = index.to_string().into_bytes();
        let mut edited = Edited::open(&world.path("out"));
        let digest = edited.put(&bytes);
        let listed = edited.index["manifests"].as_array_mut().unwrap();
        for entry in listed.iter_mut().filter(|entry| entry["digest"] == old) {
            entry["digest"] = digest.clone().into();
            entry["size"] = bytes.len().into();
        }
        edited.write();
        digest
    };
    let out = world.text("out");
    // Two that are ours, and more than anybody would write.
    let many = [vec![forged.clone(); 199], entries.clone()].concat();
    entries.push(forged);
    let digest = put(
        &json!({"schemaVersion": 2, "mediaType": changed["mediaType"], "manifests": many}),
        &index,
    );
    world.verify(&out, &[]).expect(4, &["more than 200 attestations in the index"]);
    let digest = put(&changed, &digest);
    // The index is another one now, which nobody signed; platforms are as they were.
    let report = world.verify(&out, &["--json"]);
    assert!(report.code == 1 || report.code == 4, "{report}");
    let report = report.json();
    assert_eq!(within(&report), [0, 4, 4]);
    let refused = report["subjects"].as_array().unwrap().iter().flat_map(|subject| {
        let evidence = subject["evidence"].as_array().unwrap().iter();
        evidence.filter(|one| one["source"] == "image index" && one["refused"].is_string())
    });
    assert_eq!(refused.count(), 1, "{report:#}");
    // Whoever signs it now signs the index, but does not put more into it, nor signs what the stranger says.
    let registry = crate::world::without_api();
    let (name, key) = (format!("{}/{REPOSITORY}:1", registry.name()), world.key());
    let publish = ["publish", &out, &name, "--key", &key];
    let reason = "not all of them are by the key";
    world.run(&[&publish[..], &["--attach", "buildkit"]].concat()).expect(4, &[reason]);
    assert!(registry.tags(REPOSITORY).is_empty());
    world.run(&publish).expect(0, &["signed", &digest]);
    let report = world.verify(&name, &["--json"]).expect(0, &[]).json();
    assert_eq!(within(&report), [0, 4, 4], "{report:#}");
}

/// Docker's own client shows them, of a registry of others.
#[test]
fn buildx_reads_them() {
    let (Some(buildx), Some(running)) = (Client::find("docker-buildx"), Running::docker()) else {
        return;
    };
    let (world, edited) = attested();
    let name = world.publish(&running.name, &["--attach", "referrers,buildkit"]);
    world.verify(&name, &REQUIRED).expect(0, &["verified", &edited.image()]);
    let inspect = |name: &str, what: &str| -> Value {
        let format = format!("{{{{json .{what}}}}}");
        let printed = buildx.good(&["imagetools", "inspect", name, "--format", &format]);
        serde_json::from_str(&printed).unwrap()
    };
    let (sboms, provenance) = (inspect(&name, "SBOM"), inspect(&name, "Provenance"));
    let out = world.text("out");
    for (platform, digest) in edited.platforms() {
        let get = |kind: &str| -> Value {
            let line = ["attest", "get", &out, "--type", kind, "--platform", &platform, "--key"];
            let key = world.public();
            world.run(&[&line[..], &[&key]].concat()).expect(0, &[]).json()
        };
        assert_eq!(sboms[&platform]["SPDX"], get("spdx"), "{digest}");
        assert_eq!(provenance[&platform]["SLSA"], get("provenance"), "{digest}");
    }
    // In the default mode there is nothing for it to read; and crane's validation holds, which takes statements for layers.
    let plain = format!("{}/plain/app:1", running.name);
    let line = ["publish", &world.text("plain"), &plain, "--key", &world.key()];
    world.run(&line).expect(0, &["signed"]);
    for what in ["SBOM", "Provenance"] {
        let found = inspect(&plain, what);
        assert!(found.as_object().is_none_or(serde_json::Map::is_empty), "{found:#}");
    }
    let Some(crane) = Client::find("crane") else { return };
    crane.good(&["validate", "--insecure", "--remote", &plain]);
    // Cosign verifies the index, each platform, and who signed the statements.
    for version in ["cosign2", "cosign3"] {
        let Some(cosign) = Client::find(version) else { continue };
        let (key, wrong) = (world.public(), world.wrong_public());
        let images = edited.subjects();
        for digest in &images {
            let name = format!("{}/{REPOSITORY}@{digest}", running.name);
            let line = |key| verify(key, &[&name]);
            cosign.good(&line(&key));
            cosign.bad(&line(&wrong));
        }
        for entry in edited.attestations() {
            let digest = entry["digest"].as_str().unwrap();
            let name = format!("{}/{REPOSITORY}@{digest}", running.name);
            let line = |key| verify(key, &["--experimental-oci11", &name]);
            cosign.good(&line(&key));
            cosign.bad(&line(&wrong));
        }
    }
}

fn verify<'a>(key: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let common = ["--insecure-ignore-tlog=true", "--allow-insecure-registry=true"];
    [&["verify", "--key", key], &common[..], more].concat()
}
