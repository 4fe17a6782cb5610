// SPDX-License-Identifier: Apache-2.0
//! Bad input: packages that are damaged on the way, and packages that are up to no good.

use hardpan_testkit::deb::{Compression, Deb, RawEntry, deb};
use hardpan_testkit::fixture::{Fixture, packages};
use hardpan_testkit::server::Fault;

use crate::support::{build, expect_nothing_written, files};

const APP: &str = "debian/pool/main/app/app_1.0-1_amd64.deb";

#[test]
fn packages_that_are_not_what_the_index_says() {
    let fixture = Fixture::new();
    let good = hardpan_testkit::fixture::app("amd64").build();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for (what, body, fragments) in [
        ("tampered, same size", flipped, &[APP, "has digest", "instead of"][..]),
        ("shorter", good[..middle].to_vec(), &[APP, "bytes instead of"]),
        ("longer", [&good[..], b"more"].concat(), &[APP, "bytes instead of"]),
    ] {
        eprintln!("{what}");
        fixture.server.fault(APP, Fault::Body(body));
        build(&fixture, &[]).expect(4, fragments);
        expect_nothing_written(&fixture);
        fixture.server.heal(APP);
    }
    build(&fixture, &[]).expect(0, &["built"]);
}

/// Packages that an archive signed although they are hostile.
fn hostile() -> Vec<(&'static str, Deb)> {
    let entry = |entry: RawEntry| deb("evil", "1").raw_entry(entry);
    let file = |name: &str| entry(RawEntry::new(name, b'0').data("x"));
    vec![
        ("absolute path", file("/etc/passwd")),
        ("dot dot", file("./../etc/passwd")),
        ("dot dot inside", file("./usr/../../etc/passwd")),
        ("a device", entry(RawEntry::new("./dev/sda", b'4'))),
        ("a character device", entry(RawEntry::new("./dev/mem", b'3'))),
        ("a pipe", entry(RawEntry::new("./run/pipe", b'6'))),
        (
            "a file through a link that leads out",
            deb("evil", "1")
                .symlink("/usr/share/x", "../../../..")
                .file("/usr/share/x/etc/passwd", "x"),
        ),
        (
            "a file through an absolute link",
            deb("evil", "1").symlink("/usr/share/x", "/etc").file("/usr/share/x/passwd", "x"),
        ),
        ("a hard link out", entry(RawEntry::new("./usr/x", b'1').target("../../etc/passwd"))),
        ("a hard link to nothing", entry(RawEntry::new("./usr/x", b'1').target("./usr/nothing"))),
        ("a size that is not there", entry(RawEntry::new("./usr/x", b'0').size_bytes(1 << 40))),
        ("an unknown type", entry(RawEntry::new("./usr/x", b'Z'))),
        ("twice the same path", deb("evil", "1").file("/usr/x", "1").file("/usr/x", "2")),
        (
            "another package's name",
            deb("evil", "1")
                .control_file("control", "Package: other\nVersion: 1\nArchitecture: all\n"),
        ),
        ("no control file", deb("evil", "1").control_file("control", "")),
        (
            "a tar bomb",
            deb("evil", "1").file("/usr/bomb", vec![0; 300 << 20]).compression(Compression::Zst),
        ),
    ]
}

#[test]
fn hostile_packages_are_refused() {
    let fixture = Fixture::new();
    fixture.edit("    - app\n", "    - app\n    - evil\n");
    let outside = files(&fixture.path("home"));
    for (what, evil) in hostile() {
        eprintln!("{what}");
        let mut all = packages();
        all.push(evil);
        fixture.publish(&all);
        let ran = build(&fixture, &[]);
        assert!(ran.code == 4 || ran.code == 2, "{what}: {ran}");
        assert!(ran.stderr.contains("evil"), "{what}: {ran}");
        expect_nothing_written(&fixture);
        assert_eq!(files(&fixture.path("home")), outside);
    }
}

#[test]
fn something_that_is_no_package_at_all() {
    let fixture = Fixture::new();
    fixture.edit("    - app\n", "    - app\n    - evil\n");
    let evil = deb("evil", "1");
    let good = evil.file("/usr/x", "x").build();
    for (what, bytes) in [
        ("text", b"<html>not a package</html>".to_vec()),
        ("half", good[..good.len() / 2].to_vec()),
        ("only a header", b"!<arch>\n".to_vec()),
    ] {
        eprintln!("{what}");
        let main = packages()
            .iter()
            .fold(hardpan_testkit::archive::Archive::new("trixie"), |archive, deb| {
                archive.package(deb.build(), &deb.control())
            });
        let main = main.package(bytes, "Package: evil\nVersion: 1\nArchitecture: all\n");
        fixture.serve(hardpan_testkit::fixture::suite(&main, "debian", &fixture.key));
        build(&fixture, &[]).expect(4, &["package evil 1"]);
        expect_nothing_written(&fixture);
    }
}
