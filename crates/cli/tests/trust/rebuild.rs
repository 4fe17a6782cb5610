// SPDX-License-Identifier: Apache-2.0
//! Images built again from their own provenance.

use std::fs;

use hardpan_testkit::deb::Deb;
use hardpan_testkit::fixture::{ARCHITECTURES, DEFINITION, app, app_with, packages};
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
    assert_eq!(first["documents"], json!(["the configuration differs: Entrypoint"]), "{found:#}");
    assert_eq!(first["inputs"][0]["input"], "the definition", "{found:#}");
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

/// A change of one byte of one input: what changes it, what of the image differs, and what is said of the input.
type Change = (fn(&World), &'static [&'static str], &'static str);

/// A byte less or more of an input, and what it does.
const CHANGES: [Change; 5] = [
    (
        |world| {
            let others = ARCHITECTURES.map(|(name, _)| app_with(name, "the Program for"));
            publish(world, others.into());
        },
        &["differs: /usr/bin/app"],
        "comes of package app 1.0-1, now sha256:",
    ),
    (
        |world| world.fixture.write("catalog/files/local.conf", "colour = bluE\n"),
        &["differs: /etc/local.conf"],
        "comes of the file files/local.conf",
    ),
    (
        |world| world.fixture.edit("cmd: [a]", "cmd: [b]"),
        &["the configuration differs: Cmd"],
        "comes of the definition",
    ),
    (
        |world| world.fixture.edit("pretty-name: hardpan on", "pretty-name: hardpan On"),
        &["differs: /usr/lib/os-release"],
        "comes of the definition",
    ),
    (
        |world| world.fixture.edit("path: /etc/more.conf", "path: /etc/morf.conf"),
        &["only in the published one: /etc/morf.conf", "only in the rebuilt one: /etc/more.conf"],
        "comes of the definition",
    ),
];

/// Puts packages in the place of `app`.
fn publish(world: &World, others: Vec<Deb>) {
    let mut all = packages();
    all.retain(|deb| !deb.control().contains("Package: app\n"));
    all.extend(others);
    world.fixture.publish(&all);
}

#[test]
fn one_byte_of_one_input_is_found() {
    let world = World::new();
    world.fixture.write("catalog/files/local.conf", "colour = blue\n");
    world.fixture.write("catalog/files/more.conf", "more = true\n");
    let more = "cmd: [a]\npaths:\n  - {type: file, path: /etc/local.conf, source: files/local.conf}\n  \
                - {type: file, path: /etc/more.conf, source: files/more.conf}\nentrypoint:\n";
    world.fixture.edit("entrypoint:\n", more);
    let definition = fs::read_to_string(world.fixture.definition()).unwrap();
    world.build("out", &["--sign", "--key", "release.key"]);
    let line =
        ["attest", "get", &world.text("out"), "--type", "provenance", "--key", &world.public()];
    let provenance = world.run(&line).expect(0, &[]).stdout;
    world.fixture.write("provenance.json", provenance);
    let (wrong, private) = (world.wrong_public(), world.text("work/other.key"));
    let stated = world.text("provenance.json");
    for (number, (change, differences, input)) in CHANGES.into_iter().enumerate() {
        // Somebody's image of other inputs, with the provenance of ours.
        change(&world);
        fs::remove_file(world.fixture.lock()).unwrap();
        let (name, store) = (format!("other{number}"), world.path(&format!("store{number}")));
        world.build(&name, &[]);
        let image = world.text(&name);
        let kind = ["--type", "provenance", "--predicate", &stated, "--key", &private];
        world.run(&[&["attest", "add", &image][..], &kind].concat()).expect(0, &["added"]);
        // What is built again is ours.
        world.fixture.publish(&packages());
        world.fixture.write("catalog/files/local.conf", "colour = blue\n");
        world.fixture.write(&format!("catalog/{DEFINITION}"), &definition);
        let rebuild = |more: &[&str]| {
            let mut command =
                world.command(&[&["rebuild", &image, "--key", &wrong], more].concat());
            command.env("HARDPAN_STORE", &store).current_dir(world.path("catalog"));
            crate::support::run(command).expect(1, &[])
        };
        let ran = rebuild(&[]).expect(1, &["not reproduced", input]);
        let lines = |start: &str| {
            ran.stdout.lines().map(str::trim).filter(|line| line.starts_with(start)).count()
        };
        for difference in differences {
            assert!(ran.stdout.contains(&format!("  {difference}\n")), "{difference}: {ran}");
        }
        // One input is named for each platform, and no other.
        assert_eq!(lines("comes of "), 2, "{ran}");
        assert_eq!(lines("comes of "), ran.stdout.matches(input).count(), "{ran}");
        let found = rebuild(&["--json"]).json();
        assert_eq!(found["same"], json!(false));
        let platforms = found["comparison"]["differences"].as_array().unwrap();
        assert_eq!(platforms.len(), 2, "{found:#}");
        for platform in platforms {
            let inputs = platform["inputs"].as_array().unwrap();
            assert_eq!(inputs.len(), 1, "{found:#}");
            let said = inputs[0]["input"].as_str().unwrap();
            assert!(input.starts_with(&format!("comes of {said}")), "{found:#}");
        }
    }
}
