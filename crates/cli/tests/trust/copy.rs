// SPDX-License-Identifier: Apache-2.0
//! Copies: from registry to archive to registry, and archives that somebody made to do harm.

use std::fs;
use std::path::Path;

use crate::support::files;
use crate::world::{Edited, REPOSITORY, World, registries};

#[test]
fn all_that_is_attached_goes_along() {
    goes_along(&World::signed(), "referrers,dhi");
}

#[test]
fn what_is_in_the_index_goes_along() {
    let world = World::new();
    world.build("out", &["--sign", "--key", "release.key", "--attach", "buildkit"]);
    goes_along(&world, "referrers,buildkit");
}

fn goes_along(world: &World, attach: &str) {
    let digest = Edited::open(&world.path("out")).image();
    let required = ["--require", "spdx", "--require", "cyclonedx", "--require", "provenance"];
    for (number, (from_kind, from)) in registries().into_iter().enumerate() {
        let name = world.publish(&from.name(), &["--attach", attach]);
        let archive = world.text(&format!("{number}.tar"));
        world.run(&["export", &name, &archive]).expect(0, &["copied", &digest]);
        world.verify(&archive, &required).expect(0, &["verified", &digest]);
        let again = world.text(&format!("{number}-again.tar"));
        world.run(&["export", &name, &again]).expect(0, &[]);
        assert!(fs::read(&archive).unwrap() == fs::read(&again).unwrap(), "archives differ");
        let before = list(world, &name);
        for (to_kind, to) in registries() {
            let target = format!("{}/mirror/app:1", to.name());
            world.run(&["import", &archive, &target]).expect(0, &[&digest]);
            world.verify(&target, &required).expect(0, &["verified", &digest]);
            assert_eq!(list(world, &target), before, "{from_kind} → {to_kind}");
            let direct = format!("{}/direct/app:1", to.name());
            world.run(&["copy", &name, &direct]).expect(0, &[&digest]);
            assert_eq!(list(world, &direct), before, "{from_kind} → {to_kind}");
            to.assert_tags_complete();
        }
        let layout = world.text(&format!("layout{number}"));
        world.run(&["import", &archive, &layout]).expect(0, &[&digest]);
        assert_eq!(list(world, &layout), before, "{from_kind} → layout");
    }
}

/// Returns what is attached, by image: digests of manifests and what they prove.
fn list(world: &World, image: &str) -> Vec<String> {
    let report = world.verify(image, &["--json"]).expect(0, &[]).json();
    let mut found = Vec::new();
    for subject in report["subjects"].as_array().unwrap() {
        for one in subject["evidence"].as_array().unwrap() {
            let what = (&subject["digest"], &one["manifest"], &one["predicate-type"], &one["form"]);
            found.push(format!("{what:?}"));
        }
    }
    found.sort();
    found
}

/// An entry of an archive, with what its header says of its size.
fn entry(name: &str, kind: u8, size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[108..115].copy_from_slice(b"0000000");
    header[116..123].copy_from_slice(b"0000000");
    header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    header[136..147].copy_from_slice(b"00000000000");
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    if kind == b'2' {
        header[157..168].copy_from_slice(b"/etc/passwd");
    }
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header.extend_from_slice(content);
    header.resize(header.len().next_multiple_of(512), 0);
    header
}

/// Returns an archive of a layout, with what comes before and after its own entries.
fn archive(layout: &Path, before: &[Vec<u8>], after: &[Vec<u8>], left_out: &str) -> Vec<u8> {
    let mut tar: Vec<u8> = before.concat();
    for (path, bytes) in files(layout) {
        let name = path.strip_prefix(layout).unwrap().display().to_string();
        if left_out.is_empty() || !name.ends_with(left_out) {
            tar.extend(entry(&name, b'0', bytes.len() as u64, &bytes));
        }
    }
    tar.extend(after.concat());
    tar.extend([0; 1024]);
    tar
}

#[test]
fn hostile_archives_leave_nothing() {
    let world = World::signed();
    let layout = world.path("out");
    let edited = Edited::open(&layout);
    let platform = edited.platforms()["linux/amd64"].trim_start_matches("sha256:").to_owned();
    let layer = edited.json(&format!("sha256:{platform}"))["layers"][0]["digest"]
        .as_str()
        .unwrap()
        .trim_start_matches("sha256:")
        .to_owned();
    let blob = |hex: &str| format!("blobs/sha256/{hex}");
    let good = archive(&layout, &[], &[], "");
    let evil = "0".repeat(64);
    let flipped = {
        let bytes = edited.blob(&format!("sha256:{layer}"));
        let place = good.windows(64).position(|part| part == &bytes[bytes.len() - 64..]).unwrap();
        let mut tar = good.clone();
        tar[place] ^= 1;
        tar
    };
    let rows: Vec<(&str, Vec<u8>, i32)> = vec![
        ("a good one", good.clone(), 0),
        ("an index twice", archive(&layout, &[entry("index.json", b'0', 2, b"{}")], &[], ""), 4),
        ("a blob twice", archive(&layout, &[entry(&blob(&platform), b'0', 2, b"{}")], &[], ""), 4),
        ("out of the folder", archive(&layout, &[entry("../escaped", b'0', 1, b"x")], &[], ""), 4),
        (
            "from the root",
            archive(&layout, &[entry("/tmp/hardpan-escaped", b'0', 1, b"x")], &[], ""),
            4,
        ),
        (
            "a link for a blob",
            archive(&layout, &[], &[entry(&blob(&layer), b'2', 0, b"")], &layer),
            4,
        ),
        (
            "a link for the index",
            archive(&layout, &[entry("index.json", b'2', 0, b"")], &[], "index.json"),
            2,
        ),
        (
            "a size beyond the end",
            archive(&layout, &[], &[entry(&blob(&evil), b'0', 1 << 32, b"x")], ""),
            4,
        ),
        (
            "an index of 4 GiB",
            archive(&layout, &[], &[entry("index.json", b'0', 1 << 32, b"{}")], "index.json"),
            4,
        ),
        ("no layer", archive(&layout, &[], &[], &layer), 4),
        ("no platform", archive(&layout, &[], &[], &platform), 4),
        ("no index", archive(&layout, &[], &[], "index.json"), 2),
        ("a layer with another bit", flipped, 4),
        ("the first half", good[..good.len() / 2].to_vec(), 4),
        ("no archive", b"hello".to_vec(), 4),
        ("nothing", Vec::new(), 4),
    ];
    let registry = crate::world::without_api();
    for (number, (what, bytes, code)) in rows.into_iter().enumerate() {
        world.fixture.write("hostile.tar", bytes);
        let (tar, target) = (world.text("hostile.tar"), format!("imported{number}"));
        let ran = world.run(&["import", &tar, &world.text(&target)]);
        assert_eq!(ran.code, code, "{what}: {ran}");
        let is_there = world.path(&target).join("index.json").exists();
        assert_eq!(is_there, code == 0, "{what}: half of it was written");
        let name = format!("{}/{REPOSITORY}{number}:1", registry.name());
        let ran = world.run(&["import", &tar, &name]);
        assert_eq!(ran.code, code, "{what}: {ran}");
        let has_tag = registry.tags(&format!("{REPOSITORY}{number}")).contains(&"1".to_owned());
        assert_eq!(has_tag, code == 0, "{what}");
        assert!(!world.path("escaped").exists() && !Path::new("/tmp/hardpan-escaped").exists());
        assert!(files(&world.path("store/tmp")).is_empty(), "{what}: something was left");
    }
    registry.assert_tags_complete();
}
