// SPDX-License-Identifier: Apache-2.0
//! `hardpan store`

use std::fs;

use hardpan_testkit::fixture::Fixture;
use hardpan_testkit::oci::{Layer, OciImage, Tar};

use crate::db::tracker;
use crate::rootless::as_ordinary_user;
use crate::support::{build, files, hardpan, run, skip};

/// Writes an image in several forms, and a database that knows one vulnerability of it, into `work`.
fn images_and_database(fixture: &Fixture) {
    let release = "ID=debian\nVERSION_ID=13\n";
    let status = "Package: libssl3t64\nStatus: install ok installed\nSource: openssl\nVersion: 3.5.1-1\n\
        Architecture: amd64\n\n";
    fixture.write("work/root/etc/os-release", release);
    fixture.write("work/root/var/lib/dpkg/status", status);
    let tar = Tar::default()
        .file("etc/os-release", release.as_bytes())
        .file("var/lib/dpkg/status", status.as_bytes())
        .end();
    OciImage::new("amd64", &[Layer::gzip(&tar)], &[])
        .write_layout(&fixture.path("work/image"), "a:1");
    run(hardpan(fixture, &["export", "image", "image.tar"])).expect(0, &[]);
    fixture.write("work/tracker.json", tracker("3.5.1-2", 1));
    let build = ["db", "build", "--debian-tracker", "tracker.json", "-o", "a.hpdb"];
    run(hardpan(fixture, &build)).expect(0, &[]);
}

/// What needs no store: arguments, and a word of what is said.
const STORELESS: [(&[&str], &str); 8] = [
    (&["scan", "image", "--db", "a.hpdb"], "CVE-"),
    (&["scan", "image.tar", "--db", "a.hpdb"], "CVE-"),
    (&["scan", "root", "--db", "a.hpdb"], "CVE-"),
    (&["scan", "sbom.json", "--db", "a.hpdb"], "CVE-"),
    (&["sbom", "image.tar"], "libssl3t64"),
    (&["secrets", "image"], ""),
    (&["db", "status", "--db", "a.hpdb"], "records"),
    (&["db", "build", "--debian-tracker", "tracker.json", "-o", "b.hpdb"], "wrote b.hpdb"),
];

#[test]
fn what_needs_no_store_works_where_none_can_be() {
    let fixture = Fixture::new();
    images_and_database(&fixture);
    let sbom = run(hardpan(&fixture, &["sbom", "image", "-o", "cyclonedx"])).stdout;
    fixture.write("work/sbom.json", sbom);
    fixture.write("work/file", "");
    let without = |arguments: &[&str]| {
        let mut command = hardpan(&fixture, arguments);
        command.args(["--store", "file/store"]).env("TMPDIR", fixture.path("work"));
        run(command)
    };
    let before = files(&fixture.path("work"));
    for (arguments, word) in STORELESS {
        let ran = without(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran}");
        assert!(ran.to_string().contains(word), "{arguments:?}: {ran}");
    }
    fs::remove_file(fixture.path("work/b.hpdb")).unwrap();
    assert_eq!(files(&fixture.path("work")), before, "nothing is left of what was looked at");
    // What is kept needs one.
    let help = ["can't create file/store", "--store", "HARDPAN_STORE"];
    without(&["db", "import", "a.hpdb", "--allow-unsigned"]).expect(3, &help);
    without(&["export", "image", "other.tar"]).expect(3, &help);
    without(&["diff", "image", "image.tar"]).expect(3, &help);
    assert_eq!(files(&fixture.path("work")), before);
    without(&["db", "status"]).expect(2, &["there is no advisory database", "--db FILE"]);
}

#[test]
fn a_store_that_can_t_be_written_is_read() {
    let fixture = Fixture::new();
    images_and_database(&fixture);
    let import = ["db", "import", "a.hpdb", "--allow-unsigned"];
    run(hardpan(&fixture, &import)).expect(0, &[]);
    let store = fixture.path("store");
    let as_other = |arguments: &[&str]| {
        let mut command = as_ordinary_user(&fixture, "nobody")?;
        command.args(arguments).arg("--store").arg(&store).current_dir(fixture.path("work"));
        Some(run(command))
    };
    let Some(ran) = as_other(&["db", "status"]) else {
        let reason = "it takes root and setpriv(1) to become somebody else";
        return skip("a_store_that_can_t_be_written_is_read", reason);
    };
    ran.expect(0, &["records"]);
    as_other(&["scan", "image"]).unwrap().expect(0, &["CVE-"]);
    as_other(&["store", "verify"]).unwrap().expect(0, &["0 files damaged"]);
    as_other(&import).unwrap().expect(3, &["Permission denied"]);
}

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
