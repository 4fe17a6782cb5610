// SPDX-License-Identifier: Apache-2.0
//! Publishing to registries that misbehave, and by processes that die.

use std::process::Stdio;
use std::time::Duration;

use hardpan_testkit::registry::{Attached, Auth, Fault, ReferrersApi, Registry, Settings};

use crate::support::run;
use crate::world::{REPOSITORY, World, registries, without_api};

/// All that is attested of an image.
const STATED: [&str; 5] = ["provenance", "spdx", "cyclonedx", "sources", "vex"];
/// A name for signatures that is the same for all registries, so that these have the same to attach.
const IDENTITY: [&str; 2] = ["--sign-container-identity", "registry.example/team/app"];

/// Returns what is attached to the world's image where nothing goes wrong.
fn all_attached(world: &World, referrers: ReferrersApi) -> Attached {
    let registry = Registry::with(Auth::Open, Settings { referrers, ..Settings::default() });
    world.publish(&registry.name(), &IDENTITY);
    let attached = registry.attached(REPOSITORY);
    // Each of the index and two platforms has a tag of signatures and one of statements; beside these there are a
    // signature, and statements: two of the index, and five of each platform.
    let count = |is: fn(&str) -> bool| attached.keys().filter(|reference| is(reference)).count();
    assert_eq!(count(|reference| reference.ends_with(".sig")), 3);
    assert_eq!(count(|reference| reference.ends_with(".att")), 3);
    assert_eq!(count(|reference| reference.contains(':')), 3 + 2 + 2 * STATED.len());
    attached
}

#[test]
fn a_third_of_all_requests_may_fail() {
    let world = World::with_vex();
    let of_seed = |seed: u64, referrers: ReferrersApi, attached: &Attached| {
        let registry = Registry::with(Auth::Open, Settings { referrers, ..Settings::default() });
        registry.tags_only_with(REPOSITORY, attached);
        registry.misbehave(30, seed);
        let name = format!("{}/{REPOSITORY}:1", registry.name());
        let (out, key) = (world.text("out"), world.key());
        let line = ["publish", &out, &name, "--key", &key, "--tag", "latest"];
        let line = [&line[..], &IDENTITY].concat();
        let mut tries = 0;
        loop {
            let mut command = world.command(&line);
            command.env("HARDPAN_RETRIES", "10");
            let ran = run(command);
            tries += 1;
            if ran.code == 0 {
                break;
            }
            // What can't be done is the registry's fault, and can be done the next time.
            ran.expect(3, &[]);
            assert!(tries < 5, "{referrers:?}, seed {seed}");
        }
        let spoiled = registry.take_log().iter().filter(|logged| logged.status != 200).count();
        assert!(spoiled > 20, "only {spoiled} requests failed");
        registry.heal();
        registry.assert_tags_complete();
        let tags = registry.tags(REPOSITORY);
        assert!(tags.contains(&"1".to_owned()) && tags.contains(&"latest".to_owned()));
        assert!(registry.attached(REPOSITORY).keys().eq(attached.keys()));
        let required: Vec<&str> = STATED.iter().flat_map(|kind| ["--require", kind]).collect();
        world.verify(&name, &required).expect(0, &["verified"]);
        // Again, and nothing changes.
        let before = registry.documents(REPOSITORY);
        world.run(&line).expect(0, &["signed"]);
        assert!(registry.documents(REPOSITORY) == before, "{referrers:?}, seed {seed}");
        let sent = registry.take_log();
        let uploads = sent.iter().filter(|logged| logged.request.path.contains("/blobs/uploads"));
        assert_eq!(uploads.count(), 0);
        registry.assert_tags_complete();
    };
    let both = [ReferrersApi::On, ReferrersApi::Off];
    let both = both.map(|referrers| (referrers, all_attached(&world, referrers)));
    // Most of the time is spent waiting.
    std::thread::scope(|scope| {
        for seed in 0..3 {
            for (referrers, attached) in &both {
                let of_seed = &of_seed;
                scope.spawn(move || of_seed(seed, *referrers, attached));
            }
        }
    });
}

#[test]
fn a_tag_before_its_signatures_is_seen() {
    let world = World::with_vex();
    world.build("plain", &[]);
    let attached = all_attached(&world, ReferrersApi::On);
    let (out, key) = (world.text("plain"), world.key());
    for line in [&["publish", &out][..], &["publish", "--key", &key, &out]] {
        let registry = Registry::start(Auth::Open);
        registry.tags_only_with(REPOSITORY, &attached);
        let name = format!("{}/{REPOSITORY}:1", registry.name());
        world.run(&[line, &[&name], &IDENTITY].concat()).expect(0, &[]);
        let seen = registry.violations();
        assert!(seen.iter().any(|one| one.contains(".att")), "{line:?}: {seen:#?}");
    }
}

#[test]
fn a_registry_that_dies_has_no_tag_and_gets_it_the_next_time() {
    let world = World::signed();
    for (kind, registry) in registries() {
        let (out, key) = (world.text("out"), world.key());
        let name = format!("{}/{REPOSITORY}:1", registry.name());
        // A registry that stops at each of these.
        for request in [
            "PUT /v2/team/app/blobs",
            "POST /v2/team/app/blobs",
            "PUT /v2/team/app/manifests/sha256:",
            ".sig",
            ".att",
            "/referrers/",
        ] {
            if request == "/referrers/" && kind == "without the API" {
                continue;
            }
            registry.fault(request, Fault::Status(503, None), usize::MAX);
            let mut command = world.command(&["publish", &out, &name, "--key", &key]);
            command.env("HARDPAN_RETRIES", "0");
            run(command).expect(3, &[]);
            let tags = registry.tags(REPOSITORY);
            assert!(!tags.contains(&"1".to_owned()), "{kind} {request}: {tags:?}");
            registry.heal();
        }
        world.publish(&registry.name(), &[]);
        registry.assert_tags_complete();
        world.verify(&name, &["--require", "spdx"]).expect(0, &["verified"]);
    }
}

#[test]
fn what_a_registry_loses_meanwhile_is_brought_again() {
    let world = World::signed();
    let of_registry = |kind: &str, registry: Registry| {
        // What nothing names yet is garbage, and may go between the layers and the manifest that names them.
        registry.fault("PUT /v2/team/app/manifests/sha256:", Fault::LoseBlobs, 1);
        let name = world.publish(&registry.name(), &[]);
        registry.assert_tags_complete();
        world.verify(&name, &["--require", "spdx"]).expect(0, &["verified"]);
        // Who loses it every time gets no tag.
        registry.fault("PUT /v2/team/app/manifests/sha256:", Fault::LoseBlobs, usize::MAX);
        let (out, key) = (world.text("out"), world.key());
        let other = format!("{}/{REPOSITORY}:2", registry.name());
        let ran = world.run(&["publish", &out, &other, "--key", &key]);
        ran.expect(3, &["what it names is not there"]);
        assert!(!registry.tags(REPOSITORY).contains(&"2".to_owned()), "{kind}");
    };
    // Most of the time is spent waiting.
    std::thread::scope(|scope| {
        for (kind, registry) in registries() {
            let of_registry = &of_registry;
            scope.spawn(move || of_registry(kind, registry));
        }
    });
}

#[test]
fn a_publisher_that_is_killed_leaves_no_tag() {
    let world = World::signed();
    let registry = without_api();
    let (out, key) = (world.text("out"), world.key());
    let reference = format!("{}/reference:1", registry.name());
    world.run(&["publish", &out, &reference, "--key", &key]).expect(0, &["signed"]);
    let whole = registry.take_log().len();
    let mut early = 0;
    for step in 0..8 {
        let repository = format!("killed{step}");
        let name = format!("{}/{repository}:1", registry.name());
        let mut command = world.command(&["publish", &out, &name, "--key", &key]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // By what it has done, and not by time: how fast it is depends on what else this machine does.
        let mut done = 0;
        while done < whole * step / 8 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
            done += registry.take_log().len();
        }
        child.kill().unwrap();
        let is_done = child.wait().unwrap().success();
        // What the registry had begun to do may end after its client did.
        std::thread::sleep(Duration::from_millis(50));
        let has_tag = registry.tags(&repository).contains(&"1".to_owned());
        if has_tag {
            // It was killed when all was done.
            world.verify(&name, &["--require", "spdx"]).expect(0, &["verified"]);
        } else {
            assert!(!is_done);
            early += 1;
        }
        world.run(&["publish", &out, &name, "--key", &key]).expect(0, &["signed"]);
        world.verify(&name, &["--require", "spdx"]).expect(0, &["verified"]);
        registry.take_log();
    }
    registry.assert_tags_complete();
    assert!(early > 3, "only {early} of 8 were killed before the end");
}
