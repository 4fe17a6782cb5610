// SPDX-License-Identifier: Apache-2.0
//! Unpacking packages of Alpine's format 2.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod apk_support;

use apk_support::{chain, identified, keys, unpacked};
use hardpan_package::segment::{EntryKind, Format, Unpacked};
use hardpan_testkit::apk::{Algorithm, Apk, Key, apk};
use hardpan_tree::Digest;

/// A package with everything in it.
fn everything() -> Apk {
    apk("libx", "1.2.3_rc1-r4")
        .architecture("x86_64")
        .origin("x")
        .depends("so:libc.musl-x86_64.so.1 y>=1")
        .provides("so:libx.so.1=1.2.3")
        .replaces("old<2")
        .install_if("docs libx=1.2.3")
        .provider_priority(7)
        .triggers("/usr/share/x  /etc/x.d")
        .file("usr/bin/x", "program")
        .mode(0o4755)
        .file("usr/bin/y", "owned")
        .owner(100, 101)
        .mtime(1_000_000_000)
        .xattr("user.colour", "blue")
        .hard_link("usr/bin/z", "usr/bin/x")
        .symlink("usr/lib/libx.so", "libx.so.1")
        .directory("var/empty/x")
        .mode(0o700)
        .file("late", "young")
        .mtime(4_000_000_000)
        .script("post-install", "#!/bin/sh\necho post\n")
        .script("trigger", "#!/bin/sh\necho \"$@\"\n")
        .control_file(".melange.yaml", "a: b\n")
}

fn dump(unpacked: &Unpacked, segment: &[u8]) -> String {
    let mut text = String::new();
    for entry in &unpacked.entries {
        let what = match &entry.kind {
            EntryKind::Directory => "directory".to_owned(),
            EntryKind::File(file) => {
                let at = usize::try_from(file.offset_bytes).unwrap();
                let bytes = &segment[at..at + usize::try_from(file.size_bytes).unwrap()];
                assert_eq!(Digest::of(bytes), file.digest);
                format!("file {:?}", String::from_utf8_lossy(bytes))
            }
            EntryKind::Symlink(target) => format!("link to {}", String::from_utf8_lossy(target)),
            EntryKind::HardLink(target) => format!("is {target}"),
        };
        let metadata = &entry.metadata;
        let (path, mode, uid, gid) = (&entry.path, metadata.mode, metadata.uid, metadata.gid);
        let xattrs: String = metadata.xattrs.keys().map(|name| format!(" +{name}")).collect();
        text += &format!("{path} {mode:o} {uid}:{gid} {}{xattrs} {what}\n", metadata.mtime);
    }
    text
}

#[test]
fn a_package_is_unpacked() {
    let (unpacked, segment) = unpacked(&everything().sign(&Key::new(1)).build()).unwrap();
    insta::assert_snapshot!(dump(&unpacked, &segment), @r#"
    /usr 755 0:0 1700000000 directory
    /usr/bin 755 0:0 1700000000 directory
    /usr/bin/x 4755 0:0 1700000000 file "program"
    /usr/bin/y 644 100:101 1000000000 +user.colour file "owned"
    /usr/bin/z 4755 0:0 1700000000 is /usr/bin/x
    /usr/lib 755 0:0 1700000000 directory
    /usr/lib/libx.so 777 0:0 1700000000 link to libx.so.1
    /var 755 0:0 1700000000 directory
    /var/empty 755 0:0 1700000000 directory
    /var/empty/x 700 0:0 1700000000 directory
    /late 644 0:0 1700000000 file "young"
    "#);
    let (info, _) = unpacked.control.split_once("datahash").unwrap();
    insta::assert_snapshot!(info, @r"
    pkgname = libx
    pkgver = 1.2.3_rc1-r4
    pkgdesc = a test package
    url = https://example.org
    builddate = 1700000000
    size = 17
    arch = x86_64
    license = MIT
    origin = x
    depend = so:libc.musl-x86_64.so.1
    depend = y>=1
    provides = so:libx.so.1=1.2.3
    replaces = old<2
    install_if = docs libx=1.2.3
    provider_priority = 7
    triggers = /usr/share/x  /etc/x.d
    ");
    insta::assert_snapshot!(unpacked.sha1sums, @r"
    81d9aeea0e1a408d65b6660a176c5de83dc98e7b  usr/bin/x
    c6dda4f283c9e13682ea3aef2e1732dd80b63cbc  usr/bin/y
    81d9aeea0e1a408d65b6660a176c5de83dc98e7b  usr/bin/z
    c74d7bf138e4dbae2d8f73d0ab83b92d6ffb7c79  usr/lib/libx.so
    ee97d2f28ccffbc411abafd0a61751a89bf3a9bf  late
    ");
    assert_eq!(unpacked.format, Format::Apk);
    assert_eq!(unpacked.triggers, "/usr/share/x /etc/x.d");
    assert_eq!(unpacked.scripts.keys().collect::<Vec<_>>(), ["post-install", "trigger"]);
    assert_eq!(unpacked.script_digests["post-install"], Digest::of(b"#!/bin/sh\necho post\n"));
    assert_eq!(unpacked.control_members[".melange.yaml"], "a: b\n");
    assert_eq!(unpacked.source(), "x");
    assert_eq!(unpacked.field("depend").unwrap(), "so:libc.musl-x86_64.so.1\ny>=1");
    assert_eq!(unpacked.segment_digest, Digest::of(&segment));
}

#[test]
fn a_package_is_identified() {
    let key = Key::new(1);
    for algorithm in Algorithm::ALL {
        let package = everything().sign_with(&key, algorithm);
        let bytes = package.build();
        let identity = identified(&bytes, Some(&keys(&[&key]))).unwrap();
        assert_eq!((identity.name.as_str(), identity.version.as_str()), ("libx", "1.2.3_rc1-r4"));
        assert_eq!(identity.digest, Digest::of(&bytes));
        assert_eq!(identity.signatures[0].algorithm, algorithm.as_str());
        let error = identified(&bytes, Some(&keys(&[&Key::new(2)]))).unwrap_err();
        assert!(chain(&error).contains("not signed by a trusted key"), "{}", chain(&error));
    }
}
