// SPDX-License-Identifier: Apache-2.0
//! The commands with Alpine's packages, as with Debian's: from the archive to the image, offline, again to the same
//! digest, and with everything wrong that can be.

use std::fs;
use std::path::Path;

use hardpan_testkit::apk::{Algorithm, Apk, Archive, Key, apk};
use hardpan_testkit::apk_adb::{self, Compression};
use hardpan_testkit::fixture::{ALPINE_ARCHITECTURES, Fixture, alpine_packages};

use crate::rootless::build_as_nobody;
use crate::support::{build, expect_nothing_written, files, hardpan, layers, run};

/// What the index of a platform's main archive is on the server.
fn index_path(architecture: &str) -> String {
    format!("alpine/v3.23/main/{architecture}/APKINDEX.tar.gz")
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_build_goes_from_the_archive_to_an_image() {
    let fixture = Fixture::alpine();
    let built = build(&fixture, &[]).expect(
        0,
        &[
            "wrote ",
            "linux/amd64 ",
            "linux/arm64 ",
            "4 packages",
            "built example/app:1-alpine3.23 →",
        ],
    );
    let lock = fs::read_to_string(fixture.lock()).unwrap();
    for text in [
        "\"archive\":\"alpine\"",
        "\"suite\":\"v3.23/main\"",
        "\"path\":\"v3.23/main/aarch64/musl-1.2.5-r21.apk\"",
        "archive alpine v3.23/community",
    ] {
        assert!(lock.contains(text), "{text} is not in\n{lock}");
    }
    assert!(!lock.contains("127.0.0.1"), "the mirror is in the lock");
    let all = layers(&fixture.path("out"));
    for text in ["lib/ld-musl-x86_64.so.1", "the program for aarch64", "nonroot:x:65532:65532"] {
        assert!(all.iter().any(|layer| contains(layer, text)), "{text} is in no layer");
    }
    let again = build(&fixture, &[]).expect(0, &["unchanged example/app:1"]);
    assert_eq!(again.digest(), built.digest());
}

#[test]
fn locked_and_offline_gives_the_same_digest_without_a_connection() {
    let fixture = Fixture::alpine();
    let built = build(&fixture, &[]);
    fs::remove_dir_all(fixture.path("out")).unwrap();
    let before = fixture.server.log().len();
    let again = build(&fixture, &["--locked", "--offline"]);
    assert_eq!(again.digest(), built.digest());
    assert_eq!(fixture.server.log().len(), before);
    // And from a store that has nothing but what the lock says.
    fs::remove_dir_all(fixture.path("store")).unwrap();
    fs::remove_dir_all(fixture.path("out")).unwrap();
    assert_eq!(build(&fixture, &["--locked"]).digest(), built.digest());
    let asked = fixture.server.log();
    assert!(!asked[before..].iter().any(|request| request.path.contains("APKINDEX")));
}

#[test]
fn offline_with_an_empty_store_says_what_is_missing() {
    let fixture = Fixture::alpine();
    build(&fixture, &["--offline"]).expect(3, &["APKINDEX.tar.gz", "the network is off"]);
    expect_nothing_written(&fixture);
}

#[test]
fn threads_times_and_places_do_not_change_the_digest() {
    let fixture = Fixture::alpine();
    let built = build(&fixture, &["--threads", "1"]);
    let other = Fixture::alpine();
    assert_eq!(build(&other, &["--threads", "7"]).digest(), built.digest());
}

#[test]
fn an_ordinary_user_gets_the_same_digest() {
    let fixture = Fixture::alpine();
    let Some(mut command) = build_as_nobody(&fixture) else {
        // When the tests themselves run as one, all of them are that proof.
        return;
    };
    command.args(["--output", "out"]);
    let built = run(command).digest();
    assert_eq!(build(&Fixture::alpine(), &[]).digest(), built);
}

#[test]
fn resolving_again_fetches_no_package_and_changes_nothing() {
    let fixture = Fixture::alpine();
    let resolve = || {
        let mut command = hardpan(&fixture, &["resolve"]);
        command.arg(fixture.definition());
        run(command).expect(0, &[])
    };
    resolve();
    let lock = fs::read(fixture.lock()).unwrap();
    let before = fixture.server.log().len();
    resolve();
    assert_eq!(fs::read(fixture.lock()).unwrap(), lock);
    let asked = fixture.server.log();
    let apks = asked[before..]
        .iter()
        .filter(|request| Path::new(&request.path).extension().is_some_and(|end| end == "apk"));
    assert_eq!(apks.count(), 0);
}

#[test]
fn a_new_version_is_found_and_its_dependency_comes_along() {
    let fixture = Fixture::alpine();
    let old = build(&fixture, &[]);
    let mut packages = alpine_packages();
    for architecture in ALPINE_ARCHITECTURES {
        packages.push(
            apk("app", "1.1-r0")
                .architecture(architecture)
                .depends("so:libnew.so.1")
                .file("/usr/bin/app", "new")
                .mode(0o755),
        );
        packages.push(
            apk("libnew", "1-r0")
                .architecture(architecture)
                .provides("so:libnew.so.1=1")
                .file("/usr/lib/libnew.so.1", "library"),
        );
    }
    fixture.publish_alpine(&packages);
    assert_eq!(build(&fixture, &[]).digest(), old.digest(), "the lock holds");
    let mut command = hardpan(&fixture, &["resolve"]);
    command.arg(fixture.definition());
    run(command).expect(0, &["app", "1.0-r0", "1.1-r0", "libnew"]);
    assert_ne!(build(&fixture, &["--locked"]).digest(), old.digest());
}

#[test]
fn the_reason_for_a_package_is_explained() {
    let fixture = Fixture::alpine();
    build(&fixture, &[]);
    let explain = |package: &str| {
        let mut command = hardpan(&fixture, &["explain"]);
        command.arg(fixture.definition()).arg(package);
        run(command)
    };
    explain("musl").expect(0, &["app", "so:libc.musl-x86_64.so.1"]);
    explain("app-data").expect(0, &["app-data=1.0-r0"]);
    explain("mussl").expect(2, &["musl"]);
}

#[test]
fn requests_that_nothing_answers_are_explained() {
    for (package, expected) in [
        ("ap", "no package is named \"ap\"; near names: app"),
        ("app=2.0-r0", "app has no version"),
        ("app~2", "app"),
        ("app@edge", "edge"),
        ("cmd:nothing", "cmd:nothing"),
    ] {
        let fixture = Fixture::alpine();
        fixture.edit("    - app\n", &format!("    - {package}\n"));
        let ran = build(&fixture, &[]).expect(2, &[expected, "1.yaml:"]);
        assert!(!ran.stderr.contains("panicked"), "{ran}");
        expect_nothing_written(&fixture);
    }
}

#[test]
fn versions_and_provided_names_can_be_asked_for() {
    for package in ["app=1.0-r0", "app=1.0", "app~1", "app>=0.9", "cmd:app"] {
        let fixture = Fixture::alpine();
        fixture.edit("    - app\n", &format!("    - '{package}'\n"));
        build(&fixture, &[]).expect(0, &["4 packages"]);
    }
}

#[test]
fn an_excluded_package_stays_out() {
    let fixture = Fixture::alpine();
    fixture.edit("    - app\n", "    - app\n    - '!app-data'\n");
    build(&fixture, &[]).expect(0, &["3 packages"]);
}

/// Makes the index of an architecture.
type Maker<'m> = &'m dyn Fn(&str) -> Vec<u8>;

/// Replaces the main archive's indexes.
fn serve_index(fixture: &Fixture, index: impl Fn(&str) -> Vec<u8>) {
    for architecture in ALPINE_ARCHITECTURES {
        fixture.server.set_file(&index_path(architecture), index(architecture));
    }
}

fn archive() -> Archive {
    alpine_packages().iter().fold(Archive::new(), Archive::package)
}

#[test]
fn indexes_that_can_not_be_trusted_are_refused() {
    let key = Key::new(1);
    let good = |architecture: &str| {
        archive().build(&[&key])[&format!("{architecture}/APKINDEX.tar.gz")].clone()
    };
    let unsigned = |architecture: &str| {
        archive().build(&[])[&format!("{architecture}/APKINDEX.tar.gz")].clone()
    };
    let strange = |architecture: &str| {
        archive().build(&[&Key::new(2)])[&format!("{architecture}/APKINDEX.tar.gz")].clone()
    };
    let flipped = |architecture: &str| {
        let mut bytes = good(architecture);
        let middle = bytes.len() - 40;
        bytes[middle] ^= 1;
        bytes
    };
    let short = |architecture: &str| {
        let bytes = good(architecture);
        bytes[..bytes.len() - 9].to_vec()
    };
    let longer = |architecture: &str| [good(architecture), unsigned(architecture)].concat();
    let text = |_: &str| b"<html>".to_vec();
    let cases: [(&str, Maker<'_>, i32, &str); 6] = [
        ("unsigned", &unsigned, 4, "not signed"),
        ("strange", &strange, 4, "not signed by a trusted key"),
        ("flipped", &flipped, 4, "is wrong: the file is not the one"),
        ("short", &short, 4, "is wrong: the file is not the one"),
        ("longer", &longer, 4, "is wrong: the file is not the one"),
        ("text", &text, 3, "can't decompress the index"),
    ];
    for (what, index, code, message) in cases {
        let fixture = Fixture::alpine();
        serve_index(&fixture, index);
        let ran = build(&fixture, &[]);
        assert!(ran.code == code && ran.stderr.contains(message), "{what}: {ran}");
        expect_nothing_written(&fixture);
    }
}

#[test]
fn a_missing_index_is_named() {
    let fixture = Fixture::alpine();
    for architecture in ALPINE_ARCHITECTURES {
        fixture.server.remove_file(&index_path(architecture));
    }
    build(&fixture, &[]).expect(3, &["there is nothing at", "APKINDEX.tar.gz"]);
    expect_nothing_written(&fixture);
}

#[test]
fn packages_that_are_not_those_of_the_index_are_refused() {
    let path = "alpine/v3.23/main/x86_64/app-1.0-r0.apk";
    let other = |apk: Apk| apk.build();
    let good =
        alpine_packages().into_iter().find(|apk| apk.file_name() == "app-1.0-r0.apk").unwrap();
    let bytes = good.build();
    let mut flipped = bytes.clone();
    let at = flipped.len() - 30;
    flipped[at] ^= 0x10;
    for (what, bytes) in [
        ("another package", other(good.clone().file("/usr/bin/evil", "evil"))),
        ("a flipped byte", flipped),
        ("a short one", bytes[..bytes.len() - 5].to_vec()),
        // Sound, and with the control part of the index, but signed, so that it is longer.
        ("another length", good.clone().sign(&Key::new(2)).build()),
        ("no package", b"<html>not found</html>".to_vec()),
    ] {
        let fixture = Fixture::alpine();
        fixture.server.set_file(path, bytes);
        let ran = build(&fixture, &[]);
        assert!([3, 4].contains(&ran.code), "{what}: {ran}");
        assert!(ran.stderr.contains("app"), "{what}: {ran}");
        expect_nothing_written(&fixture);
    }
}

#[test]
fn a_changed_package_after_the_lock_is_refused() {
    let fixture = Fixture::alpine();
    build(&fixture, &[]);
    fs::remove_dir_all(fixture.path("store")).unwrap();
    fs::remove_dir_all(fixture.path("out")).unwrap();
    // Signed, sound, and not what was locked.
    let packages: Vec<Apk> =
        alpine_packages().into_iter().map(|apk| apk.field("url", "x")).collect();
    fixture.publish_alpine(&packages);
    let ran = build(&fixture, &["--locked"]);
    assert!([3, 4].contains(&ran.code), "{ran}");
    assert!(!fixture.path("out").exists());
}

#[test]
fn without_a_mirror_the_error_says_what_to_do() {
    let fixture = Fixture::alpine();
    fixture.write("catalog/hardpan.toml", "");
    if Path::new("/etc/apk/repositories").exists() {
        return;
    }
    build(&fixture, &[])
        .expect(2, &["no mirror of Alpine's archive is known", "HARDPAN_ALPINE_MIRROR"]);
    expect_nothing_written(&fixture);
}

#[test]
fn archives_of_the_definition_count_with_the_keys_that_it_names() {
    let key = Key::new(2).named("other.rsa.pub");
    let fixture = Fixture::alpine();
    let extra = Archive::new().package(&apk("extra", "1-r0").file("/usr/share/extra", "extra"));
    for (path, bytes) in extra.build_with(&[(&key, Algorithm::Rsa256)]) {
        fixture.server.set_file(&format!("other/{path}"), bytes);
    }
    let url = fixture.server.url("other");
    let key_url = fixture.server.url("keys/other.rsa.pub");
    let mirror = fixture.server.url("alpine/v3.23/main");
    let list = format!("contents:\n  repositories:\n    - {mirror}\n    - '@extra {url}'\n");
    fixture.edit("contents:\n", &list);
    fixture.edit("    - app\n", "    - app\n    - extra@extra\n");
    build(&fixture, &[]).expect(4, &["other", "not signed by a trusted key"]);
    fixture.edit("  packages:\n", &format!("  keyring:\n    - {key_url}\n  packages:\n"));
    build(&fixture, &[]).expect(3, &["there is nothing at", "other.rsa.pub"]);
    fixture.server.set_file("keys/other.rsa.pub", key.public_pem().into_bytes());
    build(&fixture, &[]).expect(0, &["5 packages"]);
    let lock = fs::read_to_string(fixture.lock()).unwrap();
    assert!(lock.contains("BEGIN PUBLIC KEY") && lock.contains("other.rsa.pub"), "{lock}");
    assert!(!files(&fixture.path("out")).is_empty());
}

#[test]
fn packages_of_format_3_come_from_an_index_of_format_3() {
    let key = Key::new(3).named("three.rsa.pub");
    let fixture = Fixture::alpine();
    let extra = apk_adb::package("extra", "1-r0").architecture("noarch");
    let extra = extra
        .directory("usr")
        .directory("usr/share")
        .file("usr/share/extra", b"of three")
        .compression(Compression::Zstd);
    let index = apk_adb::Index::new(vec![extra.clone()]);
    let serve = |key: &Key| {
        let index = index.build(&[key], Compression::Deflate);
        fixture.server.set_file("three/Packages.adb", index);
    };
    let apk = extra.build();
    fixture.server.set_file("three/extra-1-r0.apk", apk);
    fixture.server.set_file("keys/three.rsa.pub", key.public_pem().into_bytes());
    let (mirror, url) =
        (fixture.server.url("alpine/v3.23/main"), fixture.server.url("three/Packages.adb"));
    let key_url = fixture.server.url("keys/three.rsa.pub");
    let list = format!(
        "contents:\n  repositories:\n    - {mirror}\n    - {url}\n  keyring:\n    - {key_url}\n"
    );
    fixture.edit("contents:\n", &list);
    fixture.edit("    - app\n", "    - app\n    - extra\n");
    serve(&Key::new(2));
    build(&fixture, &[]).expect(4, &["not signed by a trusted key"]);
    serve(&key);
    build(&fixture, &[]).expect(0, &["5 packages"]);
    let all = layers(&fixture.path("out"));
    assert!(all.iter().any(|layer| contains(layer, "of three")));
    // Another package in its place.
    let evil = apk_adb::package("extra", "1-r0").architecture("noarch").file("x", b"evil").build();
    fixture.server.set_file("three/extra-1-r0.apk", evil);
    fs::remove_dir_all(fixture.path("store")).unwrap();
    fs::remove_file(fixture.lock()).unwrap();
    let ran = build(&fixture, &[]);
    assert!([3, 4].contains(&ran.code), "{ran}");
}
