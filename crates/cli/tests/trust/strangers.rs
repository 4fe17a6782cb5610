// SPDX-License-Identifier: Apache-2.0
//! What strangers attach to an image that they do not own: anybody may, in a public repository.

use hardpan_testkit::registry::{Auth, ReferrersApi, Registry, Settings};
use hardpan_tree::Digest;
use serde_json::{Value, json};

use crate::world::{Edited, REPOSITORY, World};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// Puts entries into the list of what refers to an image, and documents under their digests.
fn attach(registry: &Registry, subject: &str, documents: &[(&str, Vec<u8>)], more: &[Value]) {
    let tag = subject.replace(':', "-");
    let (_, list) = registry.manifest(REPOSITORY, &tag).unwrap();
    let mut list: Value = serde_json::from_slice(&list).unwrap();
    let entries = list["manifests"].as_array_mut().unwrap();
    for (media_type, bytes) in documents {
        let digest = Digest::of(bytes).to_string();
        registry.put(REPOSITORY, &digest, media_type, bytes);
        let entry = json!({"mediaType": media_type, "digest": digest, "size": bytes.len(), "artifactType": BUNDLE});
        entries.insert(0, entry);
    }
    for entry in more {
        entries.insert(0, entry.clone());
    }
    registry.put(REPOSITORY, &tag, INDEX, list.to_string().as_bytes());
}

fn blob(text: &str, size: usize) -> Value {
    json!({"mediaType": BUNDLE, "digest": Digest::of(text.as_bytes()), "size": size})
}

#[test]
fn junk_does_not_make_a_good_image_a_bad_one() {
    let world = World::signed();
    let edited = Edited::open(&world.path("out"));
    let settings = Settings { referrers: ReferrersApi::Off, checks: false, ..Settings::default() };
    let registry = Registry::with(Auth::Open, settings);
    let name = world.publish(&registry.name(), &[]);
    let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}"), "size": 2});
    for subject in edited.subjects() {
        let (media_type, bytes) = registry.manifest(REPOSITORY, &subject).unwrap();
        let to = json!({"mediaType": media_type, "digest": subject, "size": bytes.len()});
        let manifest = |layers: Value, subject: &Value| {
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE, "config": empty,
                "layers": layers, "subject": subject}).to_string().into_bytes()
        };
        let other = json!({"mediaType": MANIFEST, "digest": Digest::of(b"other"), "size": 5});
        let huge = json!({"mediaType": BUNDLE, "digest": Digest::of(b"huge"), "size": 1_u64 << 40});
        let documents = [
            (MANIFEST, b"{".to_vec()),
            (MANIFEST, b"[]".to_vec()),
            (MANIFEST, Vec::new()),
            (MANIFEST, json!({"schemaVersion": 2, "mediaType": MANIFEST}).to_string().into_bytes()),
            (MANIFEST, manifest(json!([]), &to)),
            // Contents that are not there, or not as long as it says, or longer than anything.
            (MANIFEST, manifest(json!([blob("not there", 9)]), &to)),
            (MANIFEST, manifest(json!([blob("{}", 7)]), &to)),
            (MANIFEST, manifest(json!([huge]), &to)),
            // About something else.
            (MANIFEST, manifest(json!([blob("{}", 2)]), &other)),
            (MANIFEST, manifest(json!([blob("{}", 2), blob("{}", 2)]), &to)),
            // Attached indexes are allowed, and are nobody's signature.
            (
                INDEX,
                json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": to})
                    .to_string()
                    .into_bytes(),
            ),
        ];
        let lists = [
            json!({"mediaType": MANIFEST, "digest": Digest::of(b"nowhere"), "size": 7}),
            json!({"mediaType": "text/plain", "digest": Digest::of(b"elsewhere"), "size": 1}),
            json!({"mediaType": MANIFEST, "digest": Digest::of(b"large"), "size": 1_u64 << 50}),
        ];
        attach(&registry, &subject, &documents, &lists);
    }
    let required = ["--require", "spdx", "--require", "provenance"];
    let ran = world.verify(&name, &required).expect(0, &["verified", "proved nothing"]);
    assert!(ran.stdout.contains("not there, or is no manifest"), "{ran}");
    world.verify(&name, &["--explain"]).expect(0, &["verified"]);
    let key = world.public();
    world.run(&["attest", "list", &name, "--key", &key]).expect(0, &["provenance"]);
    world
        .run(&[
            "attest",
            "get",
            &name,
            "--type",
            "spdx",
            "--platform",
            "linux/arm64",
            "--key",
            &key,
        ])
        .expect(0, &["SPDXRef-DOCUMENT"]);
    // A copy has all that is whole, and says what it has not.
    let copy = world.text("copy");
    world.run(&["copy", &name, &copy]).expect(0, &["copied", "left out"]);
    world.verify(&copy, &required).expect(0, &["verified"]);
    // Nor does it keep the owner from publishing again.
    world.publish(&registry.name(), &[]);
    // An image that is not signed by whoever is trusted is not made better by any of it.
    world.run(&["verify", &name, "--key", &world.wrong_public()]).expect(4, &["altered"]);
}

#[test]
fn a_flood_does_not_hide_what_is_signed() {
    let world = World::new();
    world.build("out", &[]);
    let settings = Settings { referrers: ReferrersApi::Off, checks: false, ..Settings::default() };
    let registry = Registry::with(Auth::Open, settings);
    let name = world.publish(&registry.name(), &[]);
    let subject = Edited::open(&world.path("out")).image();
    let flood: Vec<(&str, Vec<u8>)> = (0..1_200)
        .map(|number| (MANIFEST, format!("{{\"number\": {number}}}").into_bytes()))
        .collect();
    attach(&registry, &subject, &flood, &[]);
    world.verify(&name, &[]).expect(0, &["verified"]);
}
