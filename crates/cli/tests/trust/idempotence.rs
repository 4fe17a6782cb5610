// SPDX-License-Identifier: Apache-2.0
//! Doing it again changes nothing.

use std::collections::BTreeMap;

use crate::support::files;
use crate::world::{Edited, REPOSITORY, World, registries};

#[test]
fn publishing_again_changes_nothing() {
    let world = World::signed();
    for (kind, registry) in registries() {
        for attach in ["referrers", "referrers,dhi"] {
            let name = world.publish(&registry.name(), &["--tag", "latest", "--attach", attach]);
            let snapshot = || -> BTreeMap<String, Vec<u8>> {
                let tags = registry.tags(REPOSITORY);
                let found = tags.into_iter().map(|tag| {
                    let (_, bytes) = registry.manifest(REPOSITORY, &tag).unwrap();
                    (tag, bytes)
                });
                found.collect()
            };
            let before = snapshot();
            registry.take_log();
            assert_eq!(
                world.publish(&registry.name(), &["--tag", "latest", "--attach", attach]),
                name
            );
            assert_eq!(snapshot(), before, "{kind} {attach}");
            // Not a byte of a blob goes there again, and no document that is not there.
            for logged in registry.take_log() {
                let path = &logged.request.path;
                let is_upload = path.contains("/blobs/uploads") && logged.request.method != "GET";
                assert!(!is_upload, "{kind} {attach}: {} {path}", logged.request.method);
                if logged.request.method == "PUT" {
                    let reference = path.rsplit('/').next().unwrap();
                    let is_tag_of_cosign =
                        reference.ends_with(".sig") || reference.ends_with(".att");
                    assert!(!is_tag_of_cosign, "{kind} {attach}: {path}");
                }
            }
        }
        registry.assert_tags_complete();
    }
}

#[test]
fn signing_again_gives_the_same_bytes() {
    let world = World::signed();
    let first = files(&world.path("out"));
    world.build("out", &["--sign", "--key", "release.key"]);
    assert!(files(&world.path("out")) == first, "signing over it");
    world.build("out2", &["--sign", "--key", "release.key"]);
    let second = files(&world.path("out2"));
    let names =
        |files: &BTreeMap<std::path::PathBuf, Vec<u8>>, root: &str| -> BTreeMap<String, Vec<u8>> {
            let root = world.path(root);
            let relative =
                |path: &std::path::PathBuf| path.strip_prefix(&root).unwrap().display().to_string();
            files.iter().map(|(path, bytes)| (relative(path), bytes.clone())).collect()
        };
    assert!(names(&second, "out2") == names(&first, "out"), "signing beside it");
    // A statement that is added twice is there once.
    world.fixture.write("review.json", r#"{"reviewer": "somebody"}"#);
    let add = || {
        let (out, review, key) = (world.text("out2"), world.text("review.json"), world.key());
        let kind = "https://example.org/review/v1";
        world
            .run(&["attest", "add", &out, "--type", kind, "--predicate", &review, "--key", &key])
            .expect(0, &["added"]);
        files(&world.path("out2"))
    };
    let once = add();
    assert!(once.len() > second.len());
    assert!(add() == once, "adding again");
    let edited = Edited::open(&world.path("out2"));
    let found = edited.index["manifests"].as_array().unwrap().iter();
    let reviews = found.filter(|entry| {
        entry["annotations"]["in-toto.io/predicate-type"] == "https://example.org/review/v1"
    });
    assert_eq!(reviews.count(), 3);
}
