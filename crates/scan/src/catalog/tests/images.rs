// SPDX-License-Identifier: Apache-2.0
//! Packages of all kinds in images, and whose files are whose.

use hardpan_testkit::elf::elf;

use super::programs::{crates, go_info, note};
use super::*;

/// Places where each format is read.
pub(super) const PLACES: &[&str] = &[
    "etc/os-release",
    "etc/debian_version",
    "etc/alpine-release",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d/a",
    "var/lib/dpkg/status.d/a.md5sums",
    "lib/apk/db/installed",
    "usr/lib/apk/db/installed",
    "usr/lib/python3/dist-packages/a-1.dist-info/METADATA",
    "usr/lib/python3/dist-packages/a-1.dist-info/RECORD",
    "usr/lib/python3/dist-packages/a-1.egg-info",
    "usr/lib/node_modules/a/package.json",
    "opt/a.jar",
    "opt/jdk/release",
    "usr/bin/python3.13",
];

const DPKG: &str = "Package: base\nStatus: install ok installed\nVersion: 1-1\nArchitecture: all\n\
    Provides: virtual (= 1)\n\n\
    Package: python3-a\nStatus: install ok installed\nVersion: 1-1+b1\nSource: a (1-1)\nArchitecture: amd64\n\
    Pre-Depends: base (>= 1)\nDepends: none | virtual, gone, python3-a\nMaintainer: M\nHomepage: h\n\
    Description: An A\n long\n\nPackage: old\nStatus: deinstall ok config-files\nVersion: 1\n";

const SITE: &str = "usr/lib/python3/dist-packages";

fn metadata(name: &str, more: &str) -> Vec<u8> {
    format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{more}\n").into_bytes()
}

/// An image with a bit of everything.
pub(super) fn everything() -> Vec<u8> {
    let program = elf()
        .section(".dep-v0", crates(r#"{"packages":[{"name":"c","version":"1.0.0"}]}"#))
        .data(".go.buildinfo", go_info("go1.22.3", "path\tx\nmod\tx\tv1.0.0\th1:=\n"))
        .note(".note.package", note(r#"{"name":"a","version":"1"}"#))
        .build();
    let entries: &[(&str, &[u8])] = &[
        ("lib -> usr/lib", b""),
        ("etc/os-release", b"ID=debian\nVERSION_ID=\"13\"\n"),
        ("etc/debian_version", b"13.2\n"),
        ("var/lib/dpkg/status", DPKG.as_bytes()),
        (
            "var/lib/dpkg/info/python3-a.list",
            b"/.\n/lib/python3\n/lib/python3/dist-packages/a.py\n",
        ),
        ("usr/share/doc/base/copyright", b"License: MIT\n"),
        ("usr/lib/apk/db/installed", b"P:musl\nV:1-r0\nF:lib\nR:ld\n\n"),
        ("usr/lib/python3/dist-packages/a.py", b""),
        ("usr/lib/python3/dist-packages/p-1.dist-info/METADATA", &metadata("p", "")),
        ("usr/lib/python3/dist-packages/p-1.dist-info/RECORD", b"p.py,,\n"),
        ("usr/lib/node_modules/n/package.json", br#"{"name":"n","version":"1.0.0"}"#),
        ("opt/jdk/release", b"JAVA_VERSION=\"21.0.4\"\n"),
        ("opt/a-1.0.jar", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("usr/bin/program", &program),
    ];
    tar(entries)
}

#[test]
fn a_bit_of_everything() {
    let catalog = catalog(&[everything()]);
    assert_eq!(catalog.problems, []);
    let expected = [
        "apk/musl",
        "cargo/c@1.0.0:usr/bin/program",
        "deb/base/all",
        "deb/python3-a/amd64",
        "elf/a@1",
        "generic/openjdk@21.0.4:opt/jdk/release",
        "golang/stdlib@1.22.3:usr/bin/program",
        "golang/x@v1.0.0:usr/bin/program",
        "maven/a@1.0:opt/a-1.0.jar",
        "npm/n@1.0.0:usr/lib/node_modules/n/package.json",
        "pypi/p@1:usr/lib/python3/dist-packages/p-1.dist-info/METADATA",
    ];
    assert_eq!(ids(&catalog), expected);
    let os = catalog.os.as_ref().unwrap();
    assert_eq!((os.id.as_str(), os.debian_version.as_deref()), ("debian", Some("13.2")));
    for id in expected {
        assert!(catalog.packages.iter().any(|package| package.id.as_str() == id));
    }
    let find =
        |id: &str| catalog.packages.iter().find(|package| package.id.as_str() == id).unwrap();
    let python = find("deb/python3-a/amd64");
    assert_eq!(python.source, Some(("a".to_owned(), "1-1".to_owned())));
    assert_eq!(python.summary.as_deref(), Some("An A"));
    // What it needs itself is no dependency, and what is not there neither.
    let depends: Vec<_> = python.depends.iter().map(PackageId::as_str).collect();
    assert_eq!(depends, ["deb/base/all"]);
    // The database has the path from before /usr was merged.
    let files: Vec<_> = python.files.iter().map(ToString::to_string).collect();
    assert_eq!(files, ["/usr/lib/python3/dist-packages/a.py"]);
    assert_eq!(find("deb/base/all").copyright.as_deref(), Some(&b"License: MIT\n"[..]));
    assert_eq!(catalog.package(&python.id), Some(python));
}

#[test]
fn the_order_of_entries_does_not_matter() {
    let path = |number: usize| format!("{SITE}/p{number}-1.dist-info/METADATA");
    let paths: Vec<_> = (0..20).map(path).collect();
    let data: Vec<_> = (0..20).map(|number| metadata(&format!("p{number}"), "")).collect();
    let mut entries: Vec<_> =
        paths.iter().zip(&data).map(|(path, data)| (path.as_str(), data.as_slice())).collect();
    let forwards = catalog(&[tar(&entries)]);
    entries.reverse();
    assert_eq!(catalog(&[tar(&entries)]), forwards);
    assert_eq!(forwards.packages.len(), 20);
}

#[test]
fn packages_of_languages_belong_to_the_distribution() {
    let info = "usr/lib/python3/dist-packages/a-1.egg-info/PKG-INFO";
    let list = format!("/{info}\n/usr/bin/busybox\n");
    let busybox = elf().section("x", b"BusyBox v1.37.0 (x)").build();
    let status = "Package: python3-a\nVersion: 1-1\n";
    let image = tar(&[
        ("var/lib/dpkg/status", status.as_bytes()),
        ("var/lib/dpkg/info/python3-a.list", list.as_bytes()),
        (info, &metadata("a", "Requires-Dist: B.b>=1\nRequires-Dist: c; extra == 'x'\n")),
        ("usr/lib/python3/dist-packages/b_b-1.dist-info/METADATA", &metadata("b_b", "")),
        ("usr/lib/python3/dist-packages/c-1.dist-info/METADATA", &metadata("c", "")),
        ("usr/bin/busybox", &busybox),
        ("opt/busybox", &busybox),
    ]);
    let catalog = catalog(&[image]);
    let owned: Vec<_> = catalog
        .packages
        .iter()
        .map(|package| (package.name.as_str(), package.owned_by.as_ref().map(PackageId::as_str)))
        .collect();
    let deb = Some("deb/python3-a");
    // The program of a package is no program by itself.
    let expected = [("python3-a", None), ("busybox", None), ("a", deb), ("b_b", None), ("c", None)];
    assert_eq!(owned, expected);
    assert_eq!(catalog.packages[1].evidence.first(), Some(&TreePath::literal("opt/busybox")));
    let needs: Vec<_> = catalog.packages[2].depends.iter().map(PackageId::as_str).collect();
    assert_eq!(needs, ["pypi/b_b@1:usr/lib/python3/dist-packages/b_b-1.dist-info/METADATA"]);
}

#[test]
fn databases_of_one_file_for_each_package() {
    let image = tar(&[
        ("var/lib/dpkg/status.d/libc6", b"Package: libc6\nVersion: 2.41-12\nArchitecture: amd64\n"),
        (
            "var/lib/dpkg/status.d/libc6.md5sums",
            b"d41d8cd98f00b204e9800998ecf8427e  lib/libc.so.6\nshort\n",
        ),
        ("var/lib/dpkg/status.d/broken", b"Package: x\n"),
        ("usr/lib/libc.so.6", b""),
        ("lib -> usr/lib", b""),
    ]);
    let catalog = catalog(&[image]);
    assert_eq!(ids(&catalog), ["deb/libc6/amd64"]);
    assert_eq!(catalog.packages[0].files.len(), 1);
    let problems: Vec<_> =
        catalog.problems.iter().map(|problem| problem.path.to_string()).collect();
    assert_eq!(problems, ["/var/lib/dpkg/status.d/broken"]);
}

#[test]
fn contradicting_databases_are_both_told() {
    let image = tar(&[
        ("var/lib/dpkg/status", b"Package: a\nVersion: 1\n\nPackage: b\nVersion: 1\n"),
        ("var/lib/dpkg/status.d/a", b"Package: a\nVersion: 2\n"),
        ("var/lib/dpkg/status.d/b", b"Package: b\nVersion: 1\n"),
    ]);
    let catalog = catalog(&[image]);
    assert_eq!(ids(&catalog), ["deb/a", "deb/a@2", "deb/b"]);
    assert_eq!(catalog.packages[2].evidence.len(), 2);
}

#[test]
fn alpine() {
    let database = b"P:musl\nV:1.2.5-r9\nA:x86_64\np:so:libc.musl-x86_64.so.1=1\nF:lib\nR:ld-musl.so.1\n\n\
        P:busybox\nV:1.37.0-r12\nA:x86_64\nD:so:libc.musl-x86_64.so.1 !musl none\nF:bin\nR:busybox\n\n";
    let image = tar(&[
        ("etc/os-release", b"ID=alpine\nVERSION_ID=3.22.1\n"),
        ("etc/alpine-release", b"3.22.1\n"),
        ("lib/apk/db/installed", database),
        ("lib/ld-musl.so.1", b""),
        ("bin/busybox", b""),
    ]);
    let catalog = catalog(&[image]);
    assert_eq!(ids(&catalog), ["apk/busybox/x86_64", "apk/musl/x86_64"]);
    let busybox = &catalog.packages[0];
    assert_eq!(
        busybox.depends.iter().map(PackageId::as_str).collect::<Vec<_>>(),
        ["apk/musl/x86_64"]
    );
    let owner = &catalog.files[&TreePath::literal("bin/busybox")].owner;
    assert_eq!(owner.as_ref(), Some(&busybox.id));
    // One database by two names is one.
    let moved = tar(&[("usr/lib/apk/db/installed", database), ("lib -> usr/lib", b"")]);
    assert_eq!(super::catalog(&[moved]).packages.len(), 2);
}

#[test]
fn node_packages() {
    let json = |name: &str, needs: &str| {
        format!(r#"{{"name":"{name}","version":"1.0.0","dependencies":{needs}}}"#).into_bytes()
    };
    let image = tar(&[
        ("app/package.json", &json("app", "{}")),
        ("app/package-lock.json", b"{}"),
        ("app/node_modules/a/package.json", &json("a", r#"{"b":"*","@s/c":"*","none":"*"}"#)),
        ("app/node_modules/a/index.js", b"x"),
        ("app/node_modules/a/node_modules/b/package.json", &json("b", "{}")),
        ("app/node_modules/a/node_modules/b/index.js", b"x"),
        ("app/node_modules/b/package.json", &json("b", r#"{"a":"*"}"#)),
        ("app/node_modules/@s/c/package.json", &json("@s/c", "{}")),
        ("app/node_modules/broken/package.json", b"{"),
    ]);
    let catalog = catalog(&[image]);
    let expected = [
        "npm/@s/c@1.0.0:app/node_modules/@s/c/package.json",
        "npm/a@1.0.0:app/node_modules/a/package.json",
        "npm/b@1.0.0:app/node_modules/a/node_modules/b/package.json",
        "npm/b@1.0.0:app/node_modules/b/package.json",
    ];
    assert_eq!(ids(&catalog), expected);
    let needs =
        |at: usize| catalog.packages[at].depends.iter().map(PackageId::as_str).collect::<Vec<_>>();
    assert_eq!(needs(1), [expected[0], expected[2]]);
    assert_eq!(needs(3), [expected[1]]);
    assert_eq!(catalog.packages[1].files.len(), 2);
    assert_eq!(catalog.problems.len(), 1);
}

#[test]
fn names_that_are_not_utf_8() {
    let mut layer = Vec::new();
    let name = b"usr/lib/node_modules/\xff/package.json";
    let json = br#"{"name":"a","version":"1.0.0"}"#;
    RawEntry::new(name, b'0').data(json).write(&mut layer);
    RawEntry::new(b"bin/\xfe", b'0').data(b"x").write(&mut layer);
    let catalog = catalog(&[layer]);
    assert_eq!(ids(&catalog), ["npm/a@1.0.0:usr/lib/node_modules/\u{fffd}/package.json"]);
    assert_eq!(catalog.files.len(), 2);
}

#[test]
fn files_get_their_digests() {
    let mut builder =
        CatalogBuilder::new(CatalogOptions { hash_files: true, ..CatalogOptions::default() });
    let large = vec![b'a'; 1_000_000];
    let layer = tar(&[("a", b"abc"), ("b = a", b""), ("c", b""), ("d", &large)]);
    builder.layer(layer.as_slice()).unwrap();
    let catalog = builder.finish().unwrap();
    let hex =
        |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    // From FIPS 180-4's examples.
    for (path, sha1, sha256) in [
        (
            "a",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            "b",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            "c",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            "d",
            "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        ),
    ] {
        let facts = &catalog.files[&TreePath::literal(path)];
        let hashes = facts.hashes.unwrap();
        assert_eq!(
            (hex(&hashes.sha1).as_str(), hashes.sha256.to_hex().as_str()),
            (sha1, sha256),
            "{path}"
        );
    }
    assert_eq!(
        super::catalog(&[tar(&[("a", b"abc")])]).files.values().next().unwrap().hashes,
        None
    );
}
