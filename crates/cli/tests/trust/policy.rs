// SPDX-License-Identifier: Apache-2.0
//! Policies, and what is required on the command line.

use crate::world::World;

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
