// SPDX-License-Identifier: Apache-2.0
//! SBOMs that are attached to images, held against the images' files.

use serde_json::{Value, json};

use crate::support::Ran;
use crate::world::{World, registries};

const PLATFORM: [&str; 2] = ["--platform", "linux/amd64"];

fn sbom(world: &World, image: &str, more: &[&str]) -> Ran {
    world.run(&[&["sbom", image], PLATFORM.as_slice(), more].concat()).expect(0, &[])
}

/// Names of what only one of the two has.
fn drift(ran: &Ran, list: &str) -> Vec<String> {
    let all = ran.json()["attached"][list].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.iter()
        .map(|one| {
            format!("{}/{}@{}", text(&one["kind"]), text(&one["name"]), text(&one["version"]))
        })
        .collect()
}

#[test]
fn what_a_trusted_key_signed_counts() {
    let world = World::signed();
    let (out, key, other) = (world.text("out"), world.public(), world.wrong_public());
    for (_, registry) in registries() {
        let name = world.publish(&registry.name(), &[]);
        for image in [&out, &name] {
            let ran = sbom(&world, image, &["--key", &key, "--json"]);
            assert!(drift(&ran, "not-in-files").is_empty(), "{ran}");
            assert!(drift(&ran, "not-in-sbom").is_empty(), "{ran}");
            assert_eq!(ran.json()["attached"]["predicate-type"], "https://spdx.dev/Document");
            assert_eq!(ran.stderr.matches("warning").count(), 0, "{ran}");
        }
    }
    sbom(&world, &out, &["--key", &key]).expect(0, &["signed it (spdx); its files agree"]);

    // The document is the one that was signed.
    let get = ["attest", "get", &out, "--type", "spdx", "--key", &key];
    let signed = world.run(&[get.as_slice(), &PLATFORM].concat()).expect(0, &[]);
    let written = sbom(&world, &out, &["--key", &key, "-o", "spdx"]);
    assert_eq!(written.json(), signed.json());

    // In another form it still says what only the build knew: the digests of packages, and what it made itself.
    let digests = |ran: &Ran| ran.stdout.matches("\"hashes\"").count();
    let attached = sbom(&world, &out, &["--key", &key, "-o", "cyclonedx"]);
    let of_files = sbom(&world, &out, &["--key", &key, "-o", "cyclonedx", "--from-files"]);
    assert!(digests(&attached) > digests(&of_files), "{attached}");
    assert!(attached.stdout.contains("finishers") && !of_files.stdout.contains("finishers"));
    for (form, mark) in
        [("spdx3", "\"software_Sbom\""), ("cyclonedx-1.7", "\"specVersion\":\"1.7\"")]
    {
        let ran = sbom(&world, &out, &["--key", &key, "-o", form]).expect(0, &[mark, "finishers"]);
        assert_eq!(ran.stdout, sbom(&world, &out, &["--key", &key, "-o", form]).stdout);
    }
    let mut by_variable = world.command(&["sbom", &out, "-o", "cyclonedx"]);
    by_variable.args(PLATFORM).env("HARDPAN_PUBLIC_KEY", &key);
    assert_eq!(crate::support::run(by_variable).expect(0, &[]).stdout, attached.stdout);

    // Nobody else's does, nor without a key, nor if only files are to be looked at.
    for (arguments, said) in [
        (&["--key", &other][..], "no trusted key signed an SBOM ("),
        (&["--key", &key, "--from-files"], ""),
        (&[], ""),
    ] {
        let ran = sbom(&world, &out, &[arguments, &["--json"]].concat()).expect(0, &[said]);
        assert_eq!(ran.json()["attached"], Value::Null, "{arguments:?}");
        assert_eq!(ran.stderr.is_empty(), said.is_empty(), "{arguments:?} {ran}");
        let written = sbom(&world, &out, &[arguments, &["-o", "cyclonedx"]].concat());
        assert_eq!(written.stdout, of_files.stdout, "{arguments:?}");
    }
}

#[test]
fn what_it_and_the_files_say_differently_is_a_warning() {
    let world = World::new();
    world.build("out", &[]);
    let (out, public, key) = (world.text("out"), world.public(), world.key());
    let ran = sbom(&world, &out, &["--key", &public]).expect(0, &["no SBOM is attached"]);
    assert_eq!(ran.stdout, sbom(&world, &out, &[]).stdout);

    let add = |kind: &str, document: &Value, key: &str| {
        world.fixture.write("work/sbom.json", document.to_string());
        let file = world.text("work/sbom.json");
        let arguments = ["attest", "add", &out, "--type", kind, "--predicate", &file, "--key", key];
        world.run(&[arguments.as_slice(), &PLATFORM].concat()).expect(0, &["added"]);
    };
    // What can't be read is no reason to stop, nor to keep silent.
    add("spdx", &json!({"spdxVersion": "SPDX-9.0"}), &key);
    let ran = sbom(&world, &out, &["--key", &public, "--json"]);
    let problem = ran.json()["problems"].to_string();
    assert!(problem.contains("can't be used") && problem.contains("SPDX-9.0"), "{ran}");
    assert_eq!(ran.json()["attached"], Value::Null);

    // One package is left out, one is older, one is invented.
    let mut document = sbom(&world, &out, &["-o", "cyclonedx"]).json();
    let components = document["components"].as_array_mut().unwrap();
    components.retain(|one| one["name"] != "app");
    let base = components.iter_mut().find(|one| one["name"] == "base-files").unwrap();
    let version = base["version"].as_str().unwrap().to_owned();
    base["version"] = "0.1".into();
    components.push(json!({
        "type": "library", "bom-ref": "x", "name": "left\u{1b}[31m-pad", "version": "1.3.0", "purl": "pkg:npm/left-pad@1.3.0",
    }));
    components.push(json!({"type": "application", "name": "stated", "version": "1"}));
    let other = world.text("work/other.key");
    add("cyclonedx", &document, &other);
    // By somebody who is not trusted it is nothing.
    let ran = sbom(&world, &out, &["--key", &public, "--json"]);
    assert_eq!(ran.json()["attached"], Value::Null, "{ran}");

    add("cyclonedx", &document, &key);
    let ran = sbom(&world, &out, &["--key", &public, "--json"]);
    let missing = drift(&ran, "not-in-files");
    assert_eq!(missing, ["deb/base-files@0.1", "npm/left\u{1b}[31m-pad@1.3.0"], "{ran}");
    let unlisted = drift(&ran, "not-in-sbom");
    let base = format!("deb/base-files@{version}");
    assert!(unlisted.iter().any(|one| one.starts_with("deb/app@")), "{ran}");
    assert!(unlisted.contains(&base) && unlisted.len() == 2, "{ran}");

    let ran = sbom(&world, &out, &["--key", &public]).expect(
        0,
        &[
            "warning: deb base-files 0.1 (/",
            "warning: npm left\u{fffd}[31m-pad 1.3.0 is in the attached SBOM and not in the image's files",
            "is in the image's files and not in the attached SBOM",
            "signed it (cyclonedx); 4 components otherwise than its files",
        ],
    );
    assert!(ran.stdout.contains("stated") && !ran.stdout.contains('\u{1b}'), "{ran}");
    let quiet = sbom(&world, &out, &["--key", &public, "--quiet"]);
    assert_eq!((quiet.stderr.as_str(), &quiet.stdout), ("", &ran.stdout));
}
