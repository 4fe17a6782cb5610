// SPDX-License-Identifier: Apache-2.0
//! What the tests of format 3 share.

#![allow(dead_code, reason = "each test uses some of it")]

use hardpan_package::apk::adb::unpack;
use hardpan_package::segment::Unpacked;
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::{UnpackError, UnpackOptions};
use hardpan_testkit::apk::Key;
use hardpan_testkit::apk_adb::{Compression, Package, block, container, package, signature};

pub(crate) fn keep_all() -> UnpackOptions {
    UnpackOptions { strip: StripPolicy::none(), ..UnpackOptions::default() }
}

pub(crate) fn run(apk: &[u8], options: &UnpackOptions) -> Result<(Unpacked, Vec<u8>), UnpackError> {
    let mut segment = Vec::new();
    let unpacked = unpack(&mut &apk[..], options, &mut segment)?;
    Ok((unpacked, segment))
}

/// A package with something of everything.
pub(crate) fn sample() -> Package {
    package("libx", "1.2.3_git20240101-r4")
        .origin("x")
        .text(8, "Test <test@example.org>")
        .text(9, "https://example.org")
        .commit(&[0xab; 20])
        .depends("so:libc.musl-x86_64.so.1 y>=2.0-r1 !z !w<3 v~1.2 u<~4 t>~5 s=1")
        .provides("so:libx.so.1=1.2.3 cmd:x=1.2.3-r4 x-any")
        .relation(17, "libx-old")
        .relation(18, "docs libx=1.2.3-r4")
        .number(14, 10)
        .replaces_priority(7)
        .directory_access("var/cache/x", 0o1777, "root", "www-data")
        .file("usr/lib/libx.so.1", b"library")
        .mode(0o755)
        .symlink("usr/lib/libx.so", "libx.so.1")
        .file("usr/bin/a", b"#!/bin/sh\n")
        .mode(0o4755)
        .owner("root", "shadow")
        .hard_link("usr/bin/b", "usr/bin/a")
        .file("usr/bin/ping", b"ping")
        .xattr("security.capability", b"\x01\0\xff")
        .xattr("user.x", b"")
        .file("etc/empty", b"")
        .file("etc/x.conf", b"x=1\n")
        .mtime(1_600_000_000)
        .file("in-root", &[b'r'; 3000])
        .file("usr/share/man/man1/x.1.gz", b"manual")
        .script("post-install", "#!/bin/sh\nexit 0\n")
        .script("pre-upgrade", b"#!/bin/sh\n# \xff\n")
        .script("trigger", format!("#!/bin/sh\n{}", "true\n".repeat(100)))
        .trigger("/usr/lib/x")
        .trigger("+/usr/share/*")
        .signed(&Key::new(1))
}

/// Unpacks what has to be refused.
pub(crate) fn refused(apk: &[u8]) -> UnpackError {
    match run(apk, &keep_all()) {
        Err(error) => error,
        Ok((unpacked, _)) => panic!("was taken: {unpacked:?}"),
    }
}

pub(crate) fn refused_text(apk: &[u8]) -> String {
    super::apk_support::chain(&refused(apk))
}

pub(crate) fn plain(package: &Package) -> Vec<u8> {
    package.clone().compression(Compression::None).build()
}

/// A package of values, without signatures and contents.
pub(crate) fn of_values(values: &[u8]) -> Vec<u8> {
    container(*b"pckg", &[block(0, values)], Compression::None)
}

pub(crate) fn signed_index(values: &[u8]) -> Vec<u8> {
    let signature = signature(*b"indx", values, &Key::new(1));
    container(*b"indx", &[block(0, values), block(1, &signature)], Compression::None)
}

/// A small package with a little of everything, so that all of its bytes can be tried.
pub(crate) fn small() -> Package {
    package("x", "1-r0")
        .depends("y>1")
        .file("a/b", b"content")
        .symlink("a/c", "b")
        .file("a/d", b"")
        .script("trigger", "#!/bin/sh\n")
        .signed(&Key::new(1))
}
