// SPDX-License-Identifier: Apache-2.0
//! Publishing to registries that misbehave, and by processes that die.

use std::process::Stdio;
use std::time::{Duration, Instant};

use hardpan_testkit::registry::{Auth, Fault, ReferrersApi, Registry, Settings};

use crate::support::run;
use crate::world::{REPOSITORY, World, registries, without_api};

#[test]
fn a_third_of_all_requests_may_fail() {
    let world = World::new();
    // Without attestations there are fewer requests, and after half a second each failure takes longer.
    let digest = world.build("out", &[]);
    let of_seed = |seed: u64, referrers: ReferrersApi| {
        let registry = Registry::with(Auth::Open, Settings { referrers, ..Settings::default() });
        registry.misbehave(30, seed);
        let name = format!("{}/{REPOSITORY}:1", registry.name());
        let (out, key) = (world.text("out"), world.key());
        let mut tries = 0;
        loop {
            let line = ["publish", &out, &name, "--key", &key, "--tag", "latest"];
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
        registry.heal();
        registry.assert_tags_complete();
        let tags = registry.tags(REPOSITORY);
        assert!(tags.contains(&"1".to_owned()) && tags.contains(&"latest".to_owned()));
        world.verify(&name, &[]).expect(0, &["verified", &digest]);
    };
    // Most of the time is spent waiting.
    std::thread::scope(|scope| {
        for seed in 0..3 {
            for referrers in [ReferrersApi::On, ReferrersApi::Off] {
                let of_seed = &of_seed;
                scope.spawn(move || of_seed(seed, referrers));
            }
        }
    });
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
    let started = Instant::now();
    let reference = format!("{}/reference:1", registry.name());
    world.run(&["publish", &out, &reference, "--key", &key]).expect(0, &["signed"]);
    let whole = started.elapsed();
    let mut early = 0;
    for step in 0..8 {
        let repository = format!("killed{step}");
        let name = format!("{}/{repository}:1", registry.name());
        let mut command = world.command(&["publish", &out, &name, "--key", &key]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(f64::from(step) / 8.0));
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
    }
    registry.assert_tags_complete();
    assert!(early > 3, "only {early} of 8 were killed before the end");
}
