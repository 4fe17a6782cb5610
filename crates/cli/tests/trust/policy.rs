// SPDX-License-Identifier: Apache-2.0
//! Policies, and what is required on the command line.

use serde_json::{Value, json};

use crate::world::{Edited, World};

#[test]
fn every_rule_holds_and_fails() {
    let world = World::new();
    let line = ["--sign", "--key", "release.key", "--builder-id", "https://builder.example/one"];
    world.build("out", &line);
    let out = world.text("out");
    let key = world.public();
    let rows = [
        (format!("keys: ['{key}']"), 0, "signature: signed by"),
        ("keys: [somebody]".to_owned(), 1, "wanted is one of somebody"),
        (
            format!("keys: ['{key}']\nrequire:\n  - predicate: spdx\n  - predicate: provenance"),
            0,
            "require spdx",
        ),
        (format!("require:\n  - predicate: sbom\n    keys: ['{key}']"), 0, "require sbom"),
        (format!("keys: ['{key}']\nrequire:\n  - predicate: vex"), 1, "there is none"),
        (
            format!("keys: ['{key}']\nrequire:\n  - predicate: spdx\n    keys: [somebody]"),
            1,
            "require spdx",
        ),
        (format!("keys: ['{key}']\nbuilders:\n  - id: https://builder.example/one"), 0, "builder"),
        (format!("keys: ['{key}']\nbuilders:\n  - id: https://builder.example/two"), 1, "builder"),
        (format!("keys: ['{key}']\nmax-age-days: 100000"), 0, "age"),
        (format!("keys: ['{key}']\nmax-age-days: 1"), 1, "age"),
        // Files that the build writes itself belong to the build.
        (format!("keys: ['{key}']\ncomplete-sbom: true"), 0, "complete SBOM"),
        // Nobody scanned it: that is not the same as nothing found.
        (format!("keys: ['{key}']\nvulnerabilities:\n  severity: high"), 1, "vulnerabilities"),
        // What is no policy passes nothing.
        (format!("keys: ['{key}']\nmax-age: 1"), 2, "max-age"),
        ("{}".to_owned(), 2, "no rule"),
        (String::new(), 2, ""),
        ("- keys".to_owned(), 2, ""),
        ("keys: [".to_owned(), 2, ""),
        ("require:\n  - predicate: spdx".to_owned(), 2, "names a key"),
        (format!("keys: ['{key}']\nrequire:\n  - predicate: spdxx"), 2, "spdxx"),
        (format!("keys: ['{key}']\nvulnerabilities:\n  severity: awful"), 2, ""),
    ];
    for (text, code, says) in rows {
        world.fixture.write("policy.yaml", &text);
        let ran = world.verify(&out, &["--policy", &world.text("policy.yaml")]);
        let both = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.code == code && both.contains(says), "{text}\n{ran}");
    }
    world.verify(&out, &["--policy", &world.text("none.yaml")]).expect(2, &["none.yaml"]);
    // A good policy does not stand in for a signature of all.
    world.fixture.write("policy.yaml", "max-age-days: 100000");
    let (policy, wrong) = (world.text("policy.yaml"), world.wrong_public());
    world.run(&["verify", &out, "--key", &wrong, "--policy", &policy]).expect(1, &["not verified"]);
}

#[test]
fn what_is_required_must_be_there_for_every_platform() {
    let world = World::signed();
    let out = world.text("out");
    for (kind, code) in [
        ("spdx", 0),
        ("sbom", 0),
        ("provenance", 0),
        ("https://spdx.dev/Document", 0),
        ("vex", 1),
        ("https://example.org/none", 1),
        ("spdxx", 2),
    ] {
        let ran = world.verify(&out, &["--require", kind]);
        assert_eq!(ran.code, code, "{kind}: {ran}");
    }
    // Of one platform is not of all.
    world.fixture.write("vex.json", "{}");
    let (vex, key) = (world.text("vex.json"), world.key());
    let line = [
        "attest",
        "add",
        &out,
        "--type",
        "https://example.org/none",
        "--predicate",
        &vex,
        "--key",
        &key,
    ];
    world.run(&[&line[..], &["--platform", "linux/amd64"]].concat()).expect(0, &["added"]);
    let required = ["--require", "https://example.org/none"];
    world.verify(&out, &required).expect(1, &["linux/arm64 has no"]);
    world.run(&line).expect(0, &["added"]);
    world.verify(&out, &required).expect(0, &["verified"]);
    // By somebody else is not by whoever is trusted.
    let other = world.text("work/other.key");
    let line = ["attest", "add", &out, "--type", "vex", "--predicate", &vex, "--key", &other];
    world.run(&line).expect(0, &["added"]);
    world.verify(&out, &["--require", "vex"]).expect(1, &["missing"]);
    world
        .verify(&out, &["--require", "vex", "--key", &world.wrong_public()])
        .expect(0, &["verified"]);
}

/// Gives the image of a layout another index, which nobody signed: with an entry more.
fn with_entry(world: &World, name: &str, entry: &dyn Fn(&Edited) -> Option<Value>) -> String {
    let mut edited = Edited::open(&world.layout(name));
    let image = edited.image();
    let mut index = edited.json(&image);
    index["annotations"] = json!({"org.example": "another"});
    index["manifests"].as_array_mut().unwrap().extend(entry(&edited));
    let bytes = index.to_string().into_bytes();
    let digest = edited.put(&bytes);
    for entry in edited.index["manifests"].as_array_mut().unwrap() {
        if entry["digest"] == image.as_str() {
            entry["digest"] = digest.clone().into();
            entry["size"] = bytes.len().into();
        }
    }
    edited.write();
    edited.directory.display().to_string()
}

/// A manifest that is no image, and that nobody signed.
fn chart(edited: &Edited) -> Value {
    let config = edited.put(b"{}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.example+json", "digest": config, "size": 2},
        "layers": [],
    });
    let bytes = manifest.to_string().into_bytes();
    let digest = edited.put(&bytes);
    json!({"mediaType": manifest["mediaType"], "digest": digest, "size": bytes.len()})
}

#[test]
fn an_unsigned_index_and_what_is_no_platform_are_denied() {
    let world = World::signed();
    let key = world.public();
    world.fixture.write("keys.yaml", format!("keys: ['{key}']"));
    world.fixture.write("user.yaml", "nonroot: required");
    let (keys, user) = (world.text("keys.yaml"), world.text("user.yaml"));
    let vsa = world.text("vsa.json");
    let eval = |image: &str, policy: &str| {
        world.run(&["policy", "eval", image, "--key", &key, "--policy", policy, "--vsa", &vsa])
    };
    let result = || {
        let bytes = std::fs::read(world.path("vsa.json")).unwrap();
        let summary: Value = serde_json::from_slice(&bytes).unwrap();
        summary["predicate"]["verificationResult"].as_str().unwrap().to_owned()
    };
    eval(&world.text("out"), &keys).expect(0, &["holds  index: signature: signed by"]);
    assert_eq!(result(), "PASSED");
    let unsigned = with_entry(&world, "unsigned", &|_| None);
    eval(&unsigned, &keys).expect(
        1,
        &["holds  linux/amd64: signature", "fails  index: signature: nobody whose key is known"],
    );
    assert_eq!(result(), "FAILED");
    // Without keys nobody is asked for a signature.
    eval(&unsigned, &user).expect(0, &["allowed"]);
    let more = with_entry(&world, "more", &|edited| Some(chart(edited)));
    eval(&more, &user).expect(1, &["fails  manifest: nonroot: it has no configuration"]);
    assert_eq!(result(), "FAILED");
    eval(&more, &keys).expect(1, &["fails  manifest: signature", "fails  index: signature"]);
    world.verify(&more, &["--require", "spdx"]).expect(1, &["missing manifest has no"]);
    // An image is one, whatever is written beside it.
    let disguised = with_entry(&world, "disguised", &|edited| {
        let mut entry = chart(edited);
        entry["platform"] = json!({"os": "linux", "architecture": "amd64"});
        entry["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
        Some(entry)
    });
    eval(&disguised, &user).expect(1, &["fails  manifest: nonroot"]);
}

#[test]
fn damage_is_told_also_where_rego_fails() {
    let world = World::signed();
    let key = world.public();
    let edited = Edited::open(&world.layout("damaged"));
    let entries = edited.index["manifests"].as_array().unwrap();
    let image = edited.image();
    let attached = entries.iter().find(|entry| entry["digest"] != image.as_str()).unwrap();
    let manifest = edited.json(attached["digest"].as_str().unwrap());
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let mut bytes = edited.blob(layer);
    bytes[0] ^= 1;
    std::fs::write(edited.blob_path(layer), bytes).unwrap();
    world.fixture.write("broken.rego", "package a\nallow if http.send({})\n");
    let (vsa, rego) = (world.text("vsa.json"), world.text("broken.rego"));
    let damaged = edited.directory.display().to_string();
    let eval = |image: &str, policies: &[&str]| {
        let first = ["policy", "eval", image, "--key", &key, "--vsa", &vsa];
        world.run(&[&first[..], policies].concat())
    };
    let ran = eval(&damaged, &["--policy", &rego]);
    ran.expect(4, &["something was altered", "warning: the policy in Rego decides nothing"]);
    let summary = std::fs::read_to_string(world.path("vsa.json")).unwrap();
    assert!(summary.contains("FAILED"), "{summary}");
    std::fs::remove_file(world.path("vsa.json")).unwrap();
    world
        .verify(&damaged, &["--policy", &rego])
        .expect(4, &["warning: the policy in Rego decides nothing"]);
    // Of a good image the answer depends on it, unless another policy says no.
    let out = world.text("out");
    eval(&out, &["--policy", &rego]).expect(2, &["the policy in Rego decides nothing"]);
    assert!(!world.path("vsa.json").exists());
    world.fixture.write("never.yaml", "keys: [somebody]");
    let never = world.text("never.yaml");
    eval(&out, &["--policy", &rego, "--policy", &never]).expect(1, &["denied", "warning:"]);
    assert!(std::fs::read_to_string(world.path("vsa.json")).unwrap().contains("FAILED"));
}
