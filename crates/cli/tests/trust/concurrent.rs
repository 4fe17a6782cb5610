// SPDX-License-Identifier: Apache-2.0
//! Several publishers at the same time.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::others::Running;
use crate::support::Ran;
use crate::world::{Edited, REPOSITORY, World, without_api};

/// How many processes publish at once.
const WRITERS: usize = 8;

/// Starts all of them, and waits for all.
fn at_once(commands: Vec<Command>) {
    let start = |mut command: Command| -> Child {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = commands.into_iter().map(start).collect();
    for child in children {
        Ran::from(child.wait_with_output().unwrap()).expect(0, &[]);
    }
}

/// Returns a command with a store of its own, as another machine has.
fn elsewhere(world: &World, number: usize, arguments: &[&str]) -> Command {
    let mut command = world.command(arguments);
    command.env("HARDPAN_STORE", world.path(&format!("store-{number}")));
    command
}

fn by_different_keys(world: &World, registry: &str) {
    let (name, out) = (format!("{registry}/{REPOSITORY}:1"), world.text("out"));
    let commands = (0..WRITERS).map(|number| {
        let key = world.text(&format!("work/key{number}.key"));
        elsewhere(world, number, &["publish", &out, &name, "--key", &key])
    });
    at_once(commands.collect());
    for number in 0..WRITERS {
        let key = world.text(&format!("work/key{number}.pub"));
        let report = world.run(&["verify", &name, "--key", &key, "--json"]).expect(0, &[]).json();
        for subject in report["subjects"].as_array().unwrap() {
            let good = subject["evidence"].as_array().unwrap().iter();
            let forms: BTreeSet<&str> = (good.filter(|one| one.get("signature").is_some()))
                .map(|one| one["form"].as_str().unwrap())
                .collect();
            let both = BTreeSet::from(["Sigstore bundle", "signature of cosign 2"]);
            assert_eq!(forms, both, "key {number}: {subject:#}");
        }
    }
}

fn different_statements(world: &World, registry: &str) {
    let (name, key) = (format!("{registry}/{REPOSITORY}:1"), world.text("work/key0.key"));
    let kind = |number: usize| format!("https://example.org/note/v{number}");
    let commands = (0..WRITERS).map(|number| {
        let file = format!("note{number}.json");
        world.fixture.write(&file, format!(r#"{{"by": {number}}}"#));
        let (kind, file) = (kind(number), world.text(&file));
        let line = ["attest", "add", &name, "--type", &kind, "--predicate", &file, "--key", &key];
        elsewhere(world, number, &line)
    });
    at_once(commands.collect());
    let public = world.text("work/key0.pub");
    let report = world.run(&["verify", &name, "--key", &public, "--json"]).expect(0, &[]).json();
    for subject in report["subjects"].as_array().unwrap() {
        for number in 0..WRITERS {
            let evidence: &Vec<Value> = subject["evidence"].as_array().unwrap();
            let found =
                evidence.iter().filter(|one| one["predicate-type"] == kind(number).as_str());
            assert_eq!(found.count(), 2, "statement {number}: {subject:#}");
        }
    }
}

#[test]
fn eight_at_once_lose_nothing() {
    let world = World::new();
    world.build("out", &[]);
    for number in 0..WRITERS {
        world.run(&["keygen", &format!("key{number}")]).expect(0, &[]);
    }
    let own = without_api();
    by_different_keys(&world, &own.name());
    different_statements(&world, &own.name());
    own.assert_tags_complete();
    // One entry for each writer and statement, under the tag that stands in for a list.
    for digest in Edited::open(&world.path("out")).subjects() {
        let (_, list) = own.manifest(REPOSITORY, &digest.replace(':', "-")).unwrap();
        let list: Value = serde_json::from_slice(&list).unwrap();
        assert_eq!(list["manifests"].as_array().unwrap().len(), 2 * WRITERS);
    }
    let Some(docker) = Running::docker() else { return };
    by_different_keys(&world, &docker.name);
    different_statements(&world, &docker.name);
}
