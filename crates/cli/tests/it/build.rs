// SPDX-License-Identifier: Apache-2.0
//! `hardpan build`

use std::fs;

use hardpan_testkit::fixture::{ARCHITECTURES, Fixture, libc, packages};

use crate::support::{build, build_command, files, hardpan, layers, run};

#[test]
fn a_build_says_what_it_made() {
    let fixture = Fixture::new();
    let built = build(&fixture, &[]).expect(
        0,
        &[
            "wrote ",
            "linux/amd64 ",
            "linux/arm64 ",
            "4 packages",
            "built example/app:1, example/app:1-debian13 →",
        ],
    );
    assert!(fixture.lock().exists());
    assert!(!built.stdout.contains('\u{1b}') && !built.stderr.contains('\u{1b}'), "{built}");
    let again = build(&fixture, &[]).expect(0, &["unchanged example/app:1"]);
    assert_eq!(again.digest(), built.digest());
    assert!(!again.stderr.contains("wrote"), "{again}");
    let all: Vec<Vec<u8>> = layers(&fixture.path("out"));
    let has = |needle: &str| all.iter().any(|layer| contains(layer, needle));
    assert!(has("usr/bin/app") && has("the program for amd64") && has("the program for arm64"));
    assert!(has("etc/debian_version") && !has("what you do not find"));
}

#[test]
fn results_as_json() {
    let fixture = Fixture::new();
    let built = build(&fixture, &["--json"]);
    assert_eq!((built.code, built.stderr.as_str()), (0, ""), "{built}");
    let value = built.json();
    assert_eq!(value["lock-written"], true);
    assert_eq!(value["built"]["names"][0], "example/app:1");
    let platforms = value["built"]["platforms"].as_array().unwrap();
    assert_eq!(platforms.len(), 2);
    assert_eq!(platforms[1]["platform"], "linux/arm64");
    assert_eq!(platforms[0]["packages"], 4);
    assert!(platforms[0]["image-id"].as_str().unwrap().starts_with("sha256:"));
    let again = build(&fixture, &["--json"]).json();
    assert_eq!(again["lock-written"], false);
    assert_eq!(again["built"]["was-unchanged"], true);
    assert_eq!(again["built"]["digest"], value["built"]["digest"]);
}

#[test]
fn quiet_is_quiet() {
    let fixture = Fixture::new();
    let built = build(&fixture, &["--quiet"]);
    assert_eq!((built.code, built.stdout.as_str(), built.stderr.as_str()), (0, "", ""));
}

#[test]
fn without_an_output_it_goes_to_out_and_the_images_name() {
    let fixture = Fixture::new();
    let mut command = hardpan(&fixture, &["build"]);
    command.arg(fixture.definition());
    run(command).expect(0, &["→ out/app"]);
    assert!(fixture.path("work/out/app/index.json").exists());
}

#[test]
fn one_platform_and_a_docker_archive() {
    let fixture = Fixture::new();
    let archive = fixture.path("app.tar");
    let mut command = hardpan(&fixture, &["build", "--platform", "linux/arm64"]);
    command.arg(fixture.definition()).arg("--docker-archive").arg(&archive);
    let built = run(command).expect(0, &["linux/arm64", "app.tar"]);
    assert!(!built.stdout.contains("linux/amd64"), "{built}");
    assert!(!fixture.path("work/out").exists(), "no layout was asked for");
    let bytes = fs::read(&archive).unwrap();
    assert!(contains(&bytes, "manifest.json"));
    // The lock is for all platforms all the same.
    let lock = fs::read_to_string(fixture.lock()).unwrap();
    assert!(lock.contains("linux/amd64") && lock.contains("linux/arm64"));
}

#[test]
fn what_can_not_be_asked_for_is_refused_before_anything_is_written() {
    let fixture = Fixture::new();
    let archive = fixture.path("app.tar");
    let archive = archive.to_str().unwrap();
    build(&fixture, &["--docker-archive", archive]).expect(
        2,
        &["a docker archive holds one platform", "linux/amd64 and linux/arm64", "--platform"],
    );
    assert!(!fixture.path("app.tar").exists() && !fixture.path("out").exists());
    fixture.edit("  - linux/arm64\n", "");
    build(&fixture, &["--platform", "linux/arm64"])
        .expect(2, &["the definition is not for linux/arm64"]);
    assert!(!fixture.path("out").exists());
    build(&fixture, &["--platform", "linux/vax"]).expect(2, &["linux/vax"]);
    assert!(!fixture.path("out").exists());
}

#[test]
fn an_output_that_is_not_ours_is_left_alone() {
    let fixture = Fixture::new();
    fixture.write("out/precious.txt", "mine");
    let before = files(&fixture.path("out"));
    build(&fixture, &[]).expect(3, &["is not an image layout"]);
    assert_eq!(files(&fixture.path("out")), before);
    // A layout, but by somebody else.
    let fixture = Fixture::new();
    fixture.write("out/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    fixture.write("out/index.json", r#"{"schemaVersion":2,"manifests":[]}"#);
    let before = files(&fixture.path("out"));
    build(&fixture, &[]).expect(3, &["hardpan did not write"]);
    assert_eq!(files(&fixture.path("out")), before);
    // A file where a directory should be.
    let fixture = Fixture::new();
    fixture.write("out", "a file");
    build(&fixture, &[]).expect(3, &["can't create"]);
    assert_eq!(fs::read(fixture.path("out")).unwrap(), b"a file");
}

#[test]
fn a_failed_build_leaves_the_old_output_as_it_was() {
    let fixture = Fixture::new();
    let old = build(&fixture, &[]).digest();
    let before = files(&fixture.path("out"));
    fixture.edit("    - app\n", "    - app\n    - nosuch\n");
    build(&fixture, &[]).expect(2, &["nosuch"]);
    assert_eq!(files(&fixture.path("out")), before);
    fixture.edit("    - app\n    - nosuch\n", "    - app\n");
    assert_eq!(build(&fixture, &["--locked"]).digest(), old);
}

#[test]
fn a_new_version_gives_another_image_only_with_another_lock() {
    let fixture = Fixture::new();
    let old = build(&fixture, &[]).digest();
    let mut newer = packages();
    newer.extend(ARCHITECTURES.map(|(architecture, triplet)| {
        libc(architecture, triplet).field("Version", "2.41-13").file("/usr/share/new", "new")
    }));
    fixture.publish(&newer);
    assert_eq!(build(&fixture, &[]).digest(), old, "the lock still fits");
    let mut command = hardpan(&fixture, &["resolve"]);
    command.arg(fixture.definition());
    run(command).expect(0, &["refreshed", "~ libc6 2.41-12 → 2.41-13 linux/amd64, linux/arm64"]);
    let new = build(&fixture, &["--locked"]).digest();
    assert_ne!(new, old);
    // The old layers are gone from the output, and everything in it is named.
    let rebuilt = build_command(&fixture, &["--locked"]);
    run(rebuilt).expect(0, &["unchanged"]);
}

#[test]
fn a_touched_output_is_made_whole_again() {
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    let good = files(&fixture.path("out"));
    for (path, bytes) in &good {
        // Without these it may be anybody's.
        let is_needed = path.ends_with("oci-layout");
        for damage in [None, Some(&bytes[..bytes.len() / 2])] {
            match damage {
                None => fs::remove_file(path).unwrap(),
                Some(bytes) => fs::write(path, bytes).unwrap(),
            }
            let again = build(&fixture, &["--locked"]);
            if is_needed || (path.ends_with("index.json") && damage.is_some()) {
                again.expect(3, &["out is"]);
                fs::write(path, bytes).unwrap();
            } else {
                assert_eq!(again.digest(), digest, "{}", path.display());
                assert!(again.stdout.contains("built"), "{}: {again}", path.display());
            }
            assert_eq!(files(&fixture.path("out")), good);
        }
    }
}

fn contains(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}
