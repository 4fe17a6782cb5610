// SPDX-License-Identifier: Apache-2.0
//! `hardpan store`

use std::fs;

use hardpan_testkit::fixture::Fixture;

use crate::support::{build, files, hardpan, run};

#[test]
fn garbage_is_collected_and_made_again() {
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    run(hardpan(&fixture, &["store", "gc"])).expect(0, &["removed 0 files (0 B), kept "]);
    let before = files(&fixture.path("store"));
    run(hardpan(&fixture, &["store", "gc", "--unused-for", "0", "--dry-run"]))
        .expect(0, &["would remove", "kept 0 files"]);
    assert_eq!(files(&fixture.path("store")), before);
    let ran = run(hardpan(&fixture, &["store", "gc", "--unused-for", "0", "--json"]));
    assert_eq!(ran.json()["files-kept"], 0, "{ran}");
    assert_eq!(files(&fixture.path("store")).len(), 1, "only the lock");
    run(hardpan(&fixture, &["store", "verify"])).expect(0, &["checked 0 files"]);
    // With the output still there, and without.
    assert_eq!(build(&fixture, &["--locked"]).digest(), digest);
    fs::remove_dir_all(fixture.path("out")).unwrap();
    assert_eq!(build(&fixture, &["--locked"]).digest(), digest);
}

#[test]
fn damage_is_found_and_repaired() {
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    run(hardpan(&fixture, &["store", "verify"])).expect(0, &["0 files damaged"]);
    for folder in ["blobs", "segments"] {
        for path in files(&fixture.path("store").join(folder)).into_keys() {
            let Ok(good) = fs::read(&path) else { continue };
            let mut bad = good.clone();
            let middle = bad.len() / 2;
            bad[middle] ^= 1;
            for bytes in [&bad[..], &good[..middle], b""] {
                fs::write(&path, bytes).unwrap();
                let ran = run(hardpan(&fixture, &["store", "verify"]))
                    .expect(4, &["damaged: ", "the store is damaged", "1 file damaged"]);
                assert!(ran.stderr.contains(path.file_stem().unwrap().to_str().unwrap()), "{ran}");
            }
            let value =
                run(hardpan(&fixture, &["store", "verify", "--json"])).expect(4, &[]).json();
            assert_eq!(value["damaged"].as_array().unwrap().len(), 1);
            run(hardpan(&fixture, &["store", "verify", "--repair"]))
                .expect(0, &["1 file damaged, removed"]);
            run(hardpan(&fixture, &["store", "verify"])).expect(0, &["0 files damaged"]);
            fs::remove_dir_all(fixture.path("out")).unwrap();
            assert_eq!(build(&fixture, &["--locked"]).digest(), digest);
        }
    }
}
