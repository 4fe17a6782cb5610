// SPDX-License-Identifier: Apache-2.0
//! Images built again from their own provenance.

use std::fs;

use hardpan_testkit::fixture::{app, packages};
use hardpan_tree::Digest;
use serde_json::json;

use crate::others::encode;
use crate::world::World;

#[test]
fn the_same_or_what_differs() {
    let world = World::signed();
    let (out, key) = (world.text("out"), world.public());
    // Another machine: nothing of the build is there.
    let elsewhere = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("HARDPAN_STORE", world.path("elsewhere")).env("HARDPAN_RETRIES", "0");
        // Where archives are is a fact of the machine: of the workspace that the command is run in.
        command.current_dir(world.path("catalog"));
        crate::support::run(command)
    };
    let rebuild = ["rebuild", &out, "--key", &key];
    elsewhere(&rebuild).expect(0, &["reproduced"]);
    // Nobody trusted says how it was built.
    let wrong = world.wrong_public();
    elsewhere(&["rebuild", &out, "--key", &wrong]).expect(4, &["no trusted key signed how"]);
    world.build("unsigned", &[]);
    elsewhere(&["rebuild", &world.text("unsigned"), "--key", &key]).expect(4, &["no trusted key"]);
    // Provenance by a trusted key that tells of another build: its text was changed and signed anew.
    let line = ["attest", "get", &out, "--type", "provenance", "--key", &key];
    let provenance = world.run(&line).expect(0, &[]).stdout;
    let old = fs::read_to_string(world.fixture.definition()).unwrap();
    let new = old.replace("/usr/bin/app\n", "/usr/bin/app-link\n");
    assert_ne!(old, new);
    let hex = |text: &str| Digest::of(text.as_bytes()).to_hex();
    let content = (encode(old.as_bytes()), encode(new.as_bytes()));
    assert!(provenance.contains(&content.0) && provenance.contains(&hex(&old)));
    // A text that has another digest than provenance says is not built.
    let half = provenance.replace(&content.0, &content.1);
    let whole = half.replace(&hex(&old), &hex(&new));
    let changed = world.layout("changed").display().to_string();
    let (predicate, private) = (world.text("provenance.json"), world.text("work/other.key"));
    let add = [
        "attest",
        "add",
        &changed,
        "--type",
        "provenance",
        "--predicate",
        &predicate,
        "--key",
        &private,
    ];
    world.fixture.write("provenance.json", half);
    world.run(&add).expect(0, &["added"]);
    elsewhere(&["rebuild", &changed, "--key", &wrong]).expect(4, &["digest"]);
    let changed = world.layout("changed-well").display().to_string();
    world.fixture.write("provenance.json", whole);
    let add = [
        "attest",
        "add",
        &changed,
        "--type",
        "provenance",
        "--predicate",
        &predicate,
        "--key",
        &private,
    ];
    world.run(&add).expect(0, &["added"]);
    let ran = elsewhere(&["rebuild", &changed, "--key", &wrong, "--json"]);
    let ran = ran.expect(1, &[]);
    let found = ran.json();
    assert_eq!(found["same"], json!(false), "{ran}");
    let first = &found["comparison"]["differences"][0];
    assert_eq!(first["documents"], json!(["the configuration differs"]), "{found:#}");
    // Another file from the archive than the one that was built with.
    let mut others = packages();
    others.retain(|deb| !deb.control().contains("Package: app\n"));
    others.extend(
        ["amd64", "arm64"]
            .map(|architecture| app(architecture).file("/usr/share/app/added", "one more\n")),
    );
    world.fixture.publish(&others);
    fs::remove_dir_all(world.path("elsewhere")).unwrap();
    let ran = elsewhere(&rebuild);
    assert!(ran.code == 4 || ran.code == 3, "{ran}");
    assert!(ran.stderr.contains("app_1.0-1"), "{ran}");
}
