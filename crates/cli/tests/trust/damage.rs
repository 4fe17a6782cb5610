// SPDX-License-Identifier: Apache-2.0
//! Images, and what is attached to them, altered in every way. What a row changes, somebody could change.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::others::{decode, encode};
use crate::world::{Edited, REPOSITORY, World, registries, tag};

/// What becomes of an image of which only one form of signatures is there.
struct Row {
    what: &'static str,
    format: &'static str,
    change: fn(&mut Edited),
    code: i32,
    says: &'static str,
}

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// Changes the manifests of all bundles, or all that one of cosign's tags names.
fn each(edited: &mut Edited, suffix: &str, change: impl Fn(&Edited, &mut Value, &mut Value)) {
    let changed = edited.change(|edited, entry, manifest| {
        let is_one = match suffix {
            "" => manifest["artifactType"] == BUNDLE,
            suffix => tag(entry).ends_with(suffix),
        };
        if is_one {
            change(edited, entry, manifest);
        }
        is_one
    });
    assert!(changed >= 3, "only {changed}");
}

/// Changes the content of the first layer; its digest is made right again.
fn content(edited: &mut Edited, suffix: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    each(edited, suffix, |edited, _, manifest| {
        let digest = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
        edited.replace_layer(manifest, 0, &change(edited.blob(&digest)));
    });
}

/// Changes the bundles of all.
pub(crate) fn bundle(edited: &mut Edited, change: impl Fn(&mut Value)) {
    content(edited, "", |bytes| {
        let mut bundle: Value = serde_json::from_slice(&bytes).unwrap();
        change(&mut bundle);
        bundle.to_string().into_bytes()
    });
}

/// Flips a bit amid something in base64.
pub(crate) fn flip(text: &mut Value) {
    let mut bytes = decode(text.as_str().unwrap());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    *text = encode(&bytes).into();
}

/// What is signed about this image is attached to none of its own.
fn exchange(edited: &mut Edited) {
    each(edited, "", |_, _, manifest| manifest["subject"]["size"] = json!(1));
}

const ROWS: [Row; 14] = [
    Row {
        what: "a byte of the payload",
        format: "bundle",
        code: 4,
        says: "altered",
        change: |edited| bundle(edited, |bundle| flip(&mut bundle["dsseEnvelope"]["payload"])),
    },
    Row {
        what: "a byte of the signature",
        format: "bundle",
        code: 4,
        says: "altered",
        change: |edited| {
            bundle(edited, |bundle| flip(&mut bundle["dsseEnvelope"]["signatures"][0]["sig"]));
        },
    },
    Row {
        what: "a bundle cut off",
        format: "bundle",
        code: 4,
        says: "can't be verified",
        change: |edited| content(edited, "", |bytes| bytes[..bytes.len() / 2].to_vec()),
    },
    Row {
        what: "another length of the subject",
        format: "bundle",
        code: 4,
        says: "bytes; it has",
        change: exchange,
    },
    Row {
        what: "another artifact type",
        format: "bundle",
        code: 4,
        says: "calls itself",
        change: |edited| {
            each(edited, "", |_, entry, manifest| {
                manifest["artifactType"] = "application/x.other".into();
                entry["artifactType"] = "application/x.other".into();
            });
        },
    },
    Row {
        what: "another type in the list",
        format: "bundle",
        code: 4,
        says: "calls itself",
        change: |edited| {
            each(edited, "", |_, entry, _| entry["artifactType"] = "application/x.other".into());
        },
    },
    Row {
        what: "another predicate type",
        format: "bundle",
        code: 4,
        says: "announces",
        change: |edited| {
            each(edited, "", |_, _, manifest| {
                manifest["annotations"]["in-toto.io/predicate-type"] =
                    "https://example.org/other".into();
            });
        },
    },
    Row {
        what: "two layers",
        format: "bundle",
        code: 1,
        says: "2 layers",
        change: |edited| {
            each(edited, "", |_, _, manifest| {
                let layer = manifest["layers"][0].clone();
                manifest["layers"].as_array_mut().unwrap().push(layer);
            });
        },
    },
    // Nothing there says whose it was: it can be somebody else's.
    Row {
        what: "a byte of cosign's payload",
        format: "legacy",
        code: 1,
        says: "another key signed it, or it was altered",
        change: |edited| {
            content(edited, ".sig", |bytes| {
                let text = String::from_utf8(bytes).unwrap();
                text.replace("example/app", "example/apq").into_bytes()
            });
        },
    },
    Row {
        what: "a byte of cosign's signature",
        format: "legacy",
        code: 1,
        says: "another key signed it, or it was altered",
        change: |edited| {
            each(edited, ".sig", |_, _, manifest| {
                flip(
                    &mut manifest["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"],
                );
            });
        },
    },
    Row {
        what: "no base64",
        format: "legacy",
        code: 4,
        says: "base64",
        change: |edited| {
            each(edited, ".sig", |_, _, manifest| {
                manifest["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"] =
                    "%%".into();
            });
        },
    },
    Row {
        what: "nothing but attestations in tags",
        format: "legacy",
        code: 1,
        says: "not signed by a trusted key",
        change: |edited| edited.keep(|entry, _| tag(entry).ends_with(".att")),
    },
    Row {
        what: "nothing but attestations in bundles",
        format: "bundle",
        code: 1,
        says: "not signed by a trusted key",
        change: |edited| {
            edited.keep(|entry, _| {
                entry["annotations"]["in-toto.io/predicate-type"]
                    != "https://sigstore.dev/cosign/sign/v1"
            });
        },
    },
    Row {
        what: "nothing at all",
        format: "both",
        code: 1,
        says: "not signed by a trusted key",
        change: |edited| edited.keep(|_, _| false),
    },
];

#[test]
fn what_was_altered_is_found() {
    let world = World::new();
    for format in ["both", "bundle", "legacy"] {
        let line = ["--sign", "--key", "release.key", "--signature-format", format];
        world.build(&format!("out-{format}"), &line);
    }
    for (number, Row { what, format, change, code, says }) in ROWS.iter().enumerate() {
        let directory = world.path(&format!("altered{number}"));
        crate::world::copy_directory(&world.path(&format!("out-{format}")), &directory);
        let mut edited = Edited::open(&directory);
        change(&mut edited);
        let layout = directory.display().to_string();
        let ran = world.verify(&layout, &[]);
        assert!(ran.code == *code && ran.stdout.contains(says), "{what}: {ran}");
        let by_json = world.verify(&layout, &["--json"]).expect(*code, &[]).json();
        assert_eq!(by_json["verified"], json!(false), "{what}");
        assert_eq!(by_json["altered"], json!(*code == 4), "{what}");
        // The same in a registry and in an archive.
        if number % 4 == 0 {
            let archive = world.text(&format!("altered{number}.tar"));
            world.run(&["export", &layout, &archive]).expect(0, &[]);
            world.verify(&archive, &[]).expect(*code, &[]);
            for (kind, registry) in registries() {
                let name = format!("{}/{REPOSITORY}:1", registry.name());
                world.run(&["copy", &layout, &name]).expect(0, &[]);
                let ran = world.verify(&name, &[]);
                assert_eq!(ran.code, *code, "{what} {kind}: {ran}");
            }
        }
    }
}

/// Of a good image in both forms, one of the forms is altered: it is as good as before.
#[test]
fn half_of_what_is_proven_is_enough() {
    let world = World::signed();
    let layout = world.layout("altered");
    bundle(&mut Edited::open(&layout), |bundle| flip(&mut bundle["dsseEnvelope"]["payload"]));
    let layout = layout.display().to_string();
    let required = ["--require", "spdx", "--require", "provenance"];
    world.verify(&layout, &required).expect(0, &["verified", "proved nothing"]);
    // But not where something was to be there that now is not.
    let layout = world.layout("altered-attestations");
    let mut edited = Edited::open(&layout);
    bundle(&mut edited, |bundle| flip(&mut bundle["dsseEnvelope"]["payload"]));
    content(&mut edited, ".att", |_| b"{}".to_vec());
    let layout = layout.display().to_string();
    world.verify(&layout, &[]).expect(0, &["verified"]);
    world.verify(&layout, &["--require", "spdx"]).expect(4, &["missing", "altered"]);
}

#[test]
fn one_platform_that_is_not_signed_is_enough() {
    let world = World::signed();
    let layout = world.layout("half");
    let mut edited = Edited::open(&layout);
    let arm = edited.platforms()["linux/arm64"].clone();
    let hex = arm.replace(':', "-");
    edited.keep(|entry, manifest| {
        manifest["subject"]["digest"] != arm.as_str() && !tag(entry).starts_with(&hex)
    });
    let layout = layout.display().to_string();
    let ran = world.verify(&layout, &["--json"]).expect(1, &[]).json();
    let signed: Vec<bool> =
        ran["subjects"].as_array().unwrap().iter().map(|one| one["signed"] == true).collect();
    assert_eq!(signed.iter().filter(|signed| **signed).count(), 2);
    assert_eq!(signed.len(), 3);
}

#[test]
fn statements_about_another_image_are_about_another_image() {
    let world = World::signed();
    world.fixture.edit("/usr/bin/app", "/usr/bin/app-link");
    world.build("other", &["--sign", "--key", "release.key"]);
    let (first, other) = (world.layout("mixed"), Edited::open(&world.path("other")));
    let mut edited = Edited::open(&first);
    assert_ne!(edited.image(), other.image());
    let digest = edited.image();
    let size = edited.blob(&digest).len();
    edited.keep(|_, _| false);
    for entry in other.index["manifests"].as_array().unwrap() {
        let mut manifest = other.json(entry["digest"].as_str().unwrap());
        if manifest["subject"]["digest"] != other.image().as_str() {
            continue;
        }
        for layer in manifest["layers"].as_array().unwrap() {
            edited.put(&other.blob(layer["digest"].as_str().unwrap()));
        }
        edited.put(&other.blob(manifest["config"]["digest"].as_str().unwrap()));
        manifest["subject"]["digest"] = digest.clone().into();
        manifest["subject"]["size"] = size.into();
        let bytes = manifest.to_string().into_bytes();
        let mut entry = entry.clone();
        entry["digest"] = edited.put(&bytes).into();
        entry["size"] = bytes.len().into();
        edited.index["manifests"].as_array_mut().unwrap().push(entry);
    }
    edited.write();
    let layout = first.display().to_string();
    world.verify(&layout, &[]).expect(4, &["about other images"]);
}

/// What happens to a file.
type Rot = fn(&Path);

/// Bytes that are not what their digest says: whatever is proven, nothing from there is trusted.
#[test]
fn bytes_that_rot_are_noticed() {
    let world = World::signed();
    let good = Edited::open(&world.path("out"));
    let image = good.json(&good.image());
    let platform = image["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let manifest = good.json(&platform);
    let bundles: Vec<Value> = good.index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["artifactType"] == BUNDLE)
        .cloned()
        .collect();
    let bundle = bundles[0]["digest"].as_str().unwrap().to_owned();
    let content = good.json(&bundle)["layers"][0]["digest"].as_str().unwrap().to_owned();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    let config = manifest["config"]["digest"].as_str().unwrap().to_owned();
    let rows = [
        ("the index", good.image(), true),
        ("a platform", platform, true),
        ("a configuration", config, true),
        ("a bundle's manifest", bundle, true),
        ("a bundle", content, true),
        // Verifying does not read what is in layers: their digests are signed. Whoever reads them looks.
        ("a layer", layer, false),
    ];
    let rot: [(&str, Rot); 3] = [
        ("a bit", |path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("the end", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
        }),
        ("all of it", |path| fs::remove_file(path).unwrap()),
    ];
    for (number, (what, digest, is_read)) in rows.iter().enumerate() {
        for (how, change) in rot {
            let name = format!("rot{number}{}", how.len());
            let layout = world.layout(&name);
            change(&Edited::open(&layout).blob_path(digest));
            let text = layout.display().to_string();
            let ran = world.verify(&text, &[]);
            let is_gone = *what == "a bundle" && how == "all of it";
            // The other form is there, and what is missing proves nothing.
            let expected = if !is_read || is_gone { 0 } else { 4 };
            assert_eq!(ran.code, expected, "{what}, {how}: {ran}");
            let copied = world.run(&["copy", &text, &world.text(&format!("{name}-copy"))]);
            let expected = if is_gone { 0 } else { 4 };
            assert_eq!(copied.code, expected, "{what}, {how}: {copied}");
            if !is_gone {
                assert!(!world.path(&format!("{name}-copy/index.json")).exists(), "{what}, {how}");
            }
            fs::remove_dir_all(layout).unwrap();
        }
    }
}

#[test]
fn keys_that_are_not_trusted_now() {
    let world = World::signed();
    let out = world.text("out");
    world
        .run(&["verify", &out, "--key", &world.wrong_public()])
        .expect(1, &["no trusted key verifies it"]);
    // Two good keys, one of which signed.
    world.verify(&out, &["--key", &world.wrong_public()]).expect(0, &["verified"]);
    let keys = world.path("keys");
    fs::create_dir(&keys).unwrap();
    fs::copy(world.public(), keys.join("1.pub")).unwrap();
    fs::copy(world.wrong_public(), keys.join("2.pub")).unwrap();
    let rows = [
        (r#"{"version": 1, "keys": {}}"#, 0, "signed by 1.pub"),
        (r#"{"version": 1, "keys": {"2.pub": {"revoked": "lost"}}}"#, 0, "signed by 1.pub"),
        (
            r#"{"version": 1, "keys": {"1.pub": {"revoked": "the laptop was stolen"}}}"#,
            1,
            "the laptop was stolen",
        ),
        (
            r#"{"version": 1, "keys": {"1.pub": {"notAfter": "2020-01-31T00:00:00Z"}}}"#,
            1,
            "not trusted",
        ),
        (
            r#"{"version": 1, "keys": {"1.pub": {"notBefore": "2999-01-31T00:00:00Z"}}}"#,
            1,
            "not trusted",
        ),
        (
            r#"{"version": 1, "keys": {"1.pub": {"notAfter": "2999-01-31T00:00:00Z"}}}"#,
            0,
            "signed by 1.pub",
        ),
        (r#"{"version": 1, "keys": {"7.pub": {"revoked": "x"}}}"#, 2, "7.pub"),
        (r#"{"version": 2, "keys": {}}"#, 2, ""),
        ("{", 2, ""),
    ];
    for (text, code, says) in rows {
        fs::write(keys.join("keyring.json"), text).unwrap();
        let keys = keys.display().to_string();
        let ran = world.run(&["verify", &out, "--key", &keys]);
        assert_eq!(ran.code, code, "{text}: {ran}");
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains(says), "{text}: {ran}");
    }
}
