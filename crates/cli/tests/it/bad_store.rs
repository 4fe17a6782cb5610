// SPDX-License-Identifier: Apache-2.0
//! Bad input: a store that was damaged. The next build heals it, or says what to do.

use std::fs;
use std::path::{Path, PathBuf};

use hardpan_testkit::fixture::Fixture;

use crate::support::{build, expect_good_store, files};

/// The ways in which a file may be damaged.
fn damages(good: &[u8]) -> Vec<(&'static str, Option<Vec<u8>>)> {
    let flipped = |at: usize| {
        let mut bytes = good.to_vec();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 0x10;
        }
        Some(bytes)
    };
    vec![
        ("first byte", flipped(0)),
        ("middle byte", flipped(good.len() / 2)),
        ("last byte", flipped(good.len().saturating_sub(1))),
        ("half", Some(good[..good.len() / 2].to_vec())),
        ("longer", Some([good, b"more"].concat())),
        ("gone", None),
    ]
}

fn damage(path: &Path, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => fs::write(path, bytes).unwrap(),
        None => drop(fs::remove_file(path)),
    }
}

fn in_store(fixture: &Fixture, folder: &str) -> Vec<PathBuf> {
    files(&fixture.path("store").join(folder)).into_keys().collect()
}

#[test]
fn every_file_of_the_store_damaged_in_every_way() {
    let fixture = Fixture::new();
    fixture.edit("  - linux/arm64\n", "");
    let digest = build(&fixture, &[]).digest();
    let lock = fs::read(fixture.lock()).unwrap();
    let whole = files(&fixture.path("out"));
    for folder in ["blobs", "segments", "indexes", "releases", "layers", "builds"] {
        let paths = in_store(&fixture, folder);
        assert!(!paths.is_empty(), "{folder}");
        for path in paths {
            let Ok(good) = fs::read(&path) else { continue };
            for (what, bytes) in damages(&good) {
                damage(&path, bytes.as_deref());
                // Everything from the start but the store: the lock too, where it matters.
                let _ = fs::remove_dir_all(fixture.path("out"));
                if matches!(folder, "blobs" | "indexes" | "releases") {
                    fs::remove_file(fixture.lock()).unwrap();
                }
                let context = format!("{folder}: {what} of {}", path.display());
                let built = build(&fixture, &[]);
                assert_eq!(built.code, 0, "{context}: {built}");
                assert_eq!(built.digest(), digest, "{context}");
                assert_eq!(fs::read(fixture.lock()).unwrap(), lock, "{context}");
                assert_eq!(files(&fixture.path("out")), whole, "{context}");
            }
        }
    }
    // Blobs that nobody reads again stay as they are until somebody does, or verifies.
    let ran =
        crate::support::run(crate::support::hardpan(&fixture, &["store", "verify", "--repair"]));
    assert_eq!(ran.code, 0, "{ran}");
    expect_good_store(&fixture);
}

#[test]
fn all_of_it_damaged_at_once() {
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    for at in [0, 1, 2] {
        for (path, mut bytes) in files(&fixture.path("store")) {
            let position = bytes.len() * at / 2;
            let last = bytes.len().saturating_sub(1);
            if let Some(byte) = bytes.get_mut(position.min(last)) {
                *byte ^= 0x10;
            }
            fs::write(&path, bytes).unwrap();
        }
        fs::remove_dir_all(fixture.path("out")).unwrap();
        assert_eq!(build(&fixture, &["--locked"]).digest(), digest);
        fs::remove_file(fixture.lock()).unwrap();
        fs::remove_dir_all(fixture.path("out")).unwrap();
        assert_eq!(build(&fixture, &[]).digest(), digest);
    }
}

#[test]
fn without_a_network_it_says_what_to_do() {
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    // Segments can be made again from the packages.
    for path in in_store(&fixture, "segments") {
        fs::write(path, "damaged").unwrap();
    }
    fs::remove_dir_all(fixture.path("out")).unwrap();
    assert_eq!(build(&fixture, &["--offline", "--locked"]).digest(), digest);
    // Packages can't.
    for folder in ["blobs", "segments"] {
        for (path, mut bytes) in files(&fixture.path("store").join(folder)) {
            bytes[0] ^= 1;
            fs::write(path, bytes).unwrap();
        }
    }
    fs::remove_dir_all(fixture.path("out")).unwrap();
    build(&fixture, &["--offline", "--locked"])
        .expect(4, &["the store is damaged", "run `hardpan store verify --repair`"]);
    assert!(!fixture.path("out").exists());
    // The same for an index.
    fs::remove_file(fixture.lock()).unwrap();
    build(&fixture, &["--offline"])
        .expect(4, &["the store is damaged", "run `hardpan store verify --repair`"]);
    assert!(!fixture.path("out").exists() && !fixture.lock().exists());
    // And that helps.
    let verify = crate::support::hardpan(&fixture, &["store", "verify", "--repair"]);
    crate::support::run(verify).expect(0, &["removed"]);
    build(&fixture, &["--offline"]).expect(3, &["is not in the store, and the network is off"]);
    assert_eq!(build(&fixture, &[]).digest(), digest);
}
