// SPDX-License-Identifier: Apache-2.0
//! Unpacking packages of Alpine's format 2.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod apk_support;

use std::fmt::Write as _;

use apk_support::{chain, unpacked};
use hardpan_package::apk::unpack::unpack;
use hardpan_package::segment::{EntryKind, Format, Unpacked};
use hardpan_package::strip::StripRule;
use hardpan_package::unpack::{Expected, Limits, UnpackOptions};
use hardpan_testkit::apk::{Apk, Key, apk};
use hardpan_testkit::deb::RawEntry;
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
        write!(text, "{path} {mode:o} {uid}:{gid} {}", metadata.mtime).unwrap();
        for name in metadata.xattrs.keys() {
            write!(text, " +{name}").unwrap();
        }
        writeln!(text, " {what}").unwrap();
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

/// As by default, and the segment is not looked at.
fn unpacked_by_default(apk: &[u8]) -> Unpacked {
    unpack(&mut &apk[..], &UnpackOptions::default(), &mut Vec::new()).unwrap()
}

#[test]
fn rules_strip_as_they_do_for_other_packages() {
    let package = everything()
        .file("usr/share/doc/x/README", "read")
        .file("usr/share/man/man1/x.1.gz", "manual")
        .hard_link("usr/share/x", "usr/share/doc/x/README");
    let unpacked = unpacked_by_default(&package.build());
    let stripped: Vec<_> = unpacked.stripped.iter().map(|s| (s.rule, s.entries)).collect();
    assert_eq!(stripped, [(StripRule::Docs, 1), (StripRule::Man, 1)]);
    let changed: Vec<_> =
        unpacked.changed.iter().map(|c| (c.rule, c.path.to_string(), c.mode_before)).collect();
    assert_eq!(changed, [(StripRule::Setuid, "/usr/bin/x".to_owned(), 0o4755)]);
    // The file that is left out lives on where a link to it was.
    let sums: Vec<&str> = unpacked.sha1sums.lines().map(|line| line.split_at(42).1).collect();
    assert_eq!(
        sums,
        ["usr/bin/x", "usr/bin/y", "usr/bin/z", "usr/lib/libx.so", "late", "usr/share/x"]
    );
}

#[test]
fn the_time_of_a_package_is_known() {
    let package = apk("a", "1").file("a", "a").mtime(5).file("b", "b").mtime(9);
    for (build_time, expected) in [(Some(7), 7), (None, 9), (Some(0), 0)] {
        let (unpacked, _) = unpacked(&package.clone().build_time(build_time).build()).unwrap();
        assert_eq!(unpacked.timestamp, expected);
        let times: Vec<i64> = unpacked.entries.iter().map(|entry| entry.metadata.mtime).collect();
        assert_eq!(times, [5.min(expected), expected]);
    }
    let (unpacked, _) = unpacked(&apk("a", "1").build_time(None).build()).unwrap();
    assert_eq!(unpacked.timestamp, 0);
}

#[test]
fn only_the_package_that_was_asked_for_is_unpacked() {
    let expected = |name: &str, version: &str, architecture: &str| Expected {
        name: name.into(),
        version: version.into(),
        architecture: architecture.into(),
    };
    let any = apk("a", "1-r0").build();
    let own = apk("a", "1-r0").architecture("x86_64").build();
    for (file, wanted, problem) in [
        (&any, expected("a", "1-r0", "aarch64"), None),
        (&own, expected("a", "1-r0", "x86_64"), None),
        (&own, expected("a", "1-r0", "aarch64"), Some("arch is \"x86_64\", expected \"aarch64\"")),
        (&own, expected("a", "1-r0", "noarch"), Some("arch is \"x86_64\", expected \"noarch\"")),
        (&own, expected("b", "1-r0", "x86_64"), Some("pkgname is \"a\", expected \"b\"")),
        (&any, expected("a", "1-r00", "x86_64"), Some("pkgver is \"1-r0\", expected \"1-r00\"")),
    ] {
        let options = UnpackOptions { expected: Some(wanted), ..UnpackOptions::default() };
        let mut segment = Vec::new();
        let result = unpack(&mut &file[..], &options, &mut segment);
        match problem {
            None => assert!(result.is_ok()),
            Some(problem) => {
                let error = result.unwrap_err().to_string();
                assert_eq!(error, format!("control field {problem}"));
                assert!(segment.is_empty());
            }
        }
    }
}

#[test]
fn hostile_entries_are_refused() {
    let plain = || apk("a", "1-r0");
    let entry = |name: &str, type_flag: u8| RawEntry::new(name, type_flag);
    let raw = |name: &str| plain().raw_entry(entry(name, b'0').data("x"));
    let link = |name: &str, target: &str| plain().symlink(name, target);
    for (package, expected) in [
        (raw("../x"), "\"..\""),
        (raw("usr/../../x"), "\"..\""),
        (raw("./../x"), "\"..\""),
        (raw("/etc/passwd"), "absolute path"),
        (raw("a\nb"), "control character"),
        (raw("a\x7f"), "control character"),
        (raw(".PKGINFO"), "has the name of a control file"),
        (raw(".post-install"), "has the name of a control file"),
        (raw(".INSTALL"), "has the name of a control file"),
        (raw(".SIGN.RSA.x"), "has the name of a control file"),
        (raw("./.trigger"), "has the name of a control file"),
        (plain().file("x", "1").file("x", "2"), "stands in the package twice"),
        (plain().file("x", "1").symlink("x", "y"), "stands in the package twice"),
        (plain().file("x", "1").raw_entry(entry("./x", b'0')), "stands in the package twice"),
        (plain().file("x", "1").directory("x"), "stands in the package twice"),
        (link("evil", "/").without_directories().file("evil/x", "1"), "which is not a directory"),
        (link("evil", "..").without_directories().directory("evil/x"), "which is not a directory"),
        (plain().without_directories().file("evil/x", "1").symlink("evil", "/"), "not a directory"),
        (
            plain()
                .file("f", "1")
                .symlink("evil", "/")
                .without_directories()
                .hard_link("evil/l", "f"),
            "which is not a directory",
        ),
        (plain().hard_link("l", "etc/passwd"), "no earlier file of the package"),
        (plain().symlink("s", "/etc/passwd").hard_link("l", "s"), "no earlier file"),
        (plain().raw_entry(entry("l", b'1').target("../x")), "\"..\""),
        (plain().raw_entry(entry("l", b'1').target("/etc/passwd")), "absolute path"),
        (plain().raw_entry(entry("null", b'3')), "is a character device"),
        (plain().raw_entry(entry("sda", b'4')), "is a block device"),
        (plain().raw_entry(entry("pipe", b'6')), "is a named pipe"),
        (plain().raw_entry(entry("x", b'S')), "unsupported type"),
        (plain().raw_entry(entry("x", b'0').size_bytes(1 << 20)), "cut short"),
    ] {
        let error = chain(&unpacked(&package.build()).unwrap_err());
        assert!(error.contains(expected), "{error}, not {expected}");
    }
    // As apk does, other hidden files are installed, and links may lead anywhere.
    for package in [raw(".hidden"), raw("usr/.PKGINFO"), link("x", "../../../etc/passwd")] {
        unpacked(&package.build()).unwrap();
    }
}

#[test]
fn limits_are_kept() {
    let file = apk("a", "1-r0").file("a", "1234").file("b", "5678").build();
    let plain = Limits::default();
    for (limits, expected) in [
        (Limits { entries_max: 1, ..plain }, "more than 1 entries"),
        (Limits { size_bytes_max: 7, ..plain }, "more than 7 bytes of data"),
        (Limits { control_size_bytes_max: 1023, ..plain }, "too much data"),
        (Limits { ratio_max: 1, ratio_floor_bytes: 2047, ..plain }, "more than 1 times its size"),
    ] {
        let options = UnpackOptions { limits, ..UnpackOptions::default() };
        let error = chain(&unpack(&mut &file[..], &options, &mut Vec::new()).unwrap_err());
        assert!(error.contains(expected), "{error}, not {expected}");
    }
}

#[test]
fn a_full_disk_is_a_write_error() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let file = everything().build();
    let error = unpack(&mut &file[..], &UnpackOptions::default(), &mut Full).unwrap_err();
    assert_eq!(error.to_string(), "can't write the segment");
}
