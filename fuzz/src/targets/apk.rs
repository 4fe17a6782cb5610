// SPDX-License-Identifier: Apache-2.0
//! Packages of Alpine, in both formats.

use hardpan_package::apk::index::{Checksum, Index};
use hardpan_package::apk::{adb, package, unpack};
use hardpan_package::strip::StripPolicy;
use hardpan_testkit::apk::{Apk, Key, apk};
use hardpan_testkit::apk_adb::{self, Compression};
use hardpan_testkit::archive::gzip;
use hardpan_tree::Digest;

use super::deb::{LIMITS, check, options, whole, without_end};
use crate::input::{from_halves, halves, text, texts, with_checksums};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "apk",
    bytes_max: 16 << 10,
    parts: &[
        Part::new("archives", archives, || {
            let made = made();
            vec![from_halves(&unpacked(&made.control()), without_end(&made.data_tar()))]
        }),
        Part::new("package", package_file, || {
            vec![made().build(), made().without_data().build(), made().sign(&Key::new(1)).build()]
        }),
        Part::new("adb", adb_file, || {
            let packed = [Compression::None, Compression::Deflate, Compression::Zstd];
            let mut seeds: Vec<_> =
                packed.into_iter().map(|packed| adb_made().compression(packed).build()).collect();
            seeds.push(adb_made().signed(&Key::new(1)).build());
            seeds
        }),
        Part::new("adb-index", adb_index, || {
            vec![apk_adb::Index::new(vec![adb_made(), adb_made_other()]).values()]
        }),
        Part::new("index", index, || {
            texts(&[&[made().index_entry(), other().index_entry()].join("\n")])
        }),
        Part::new("checksum", checksum, || texts(&["Q1pSfbGT3B0NNsCfXVAyYB6XyvXHs="])),
    ],
};

fn made() -> Apk {
    apk("demo", "1.0-r0")
        .depends("so:libc.musl-x86_64.so.1 busybox>=1.37 !old")
        .provides("cmd:demo=1.0-r0")
        .replaces("old")
        .install_if("a b")
        .origin("demo")
        .triggers("/usr/share/*")
        .file("usr/bin/demo", b"\x7fELF")
        .mode(0o4755)
        .owner_names("root", "games")
        .hard_link("usr/bin/other", "usr/bin/demo")
        .symlink("usr/lib/demo", "../share/demo")
        .file("etc/demo.conf", b"x")
        .xattr("security.capability", b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0")
        .script("post-install", "#!/bin/sh\naddgroup -S demo\nexit 0\n")
}

fn other() -> Apk {
    apk("other", "2.0_rc1-r3").provides("demo").provider_priority(5)
}

fn adb_made() -> apk_adb::Package {
    apk_adb::package("demo", "1.0-r0")
        .depends("so:libc.musl-x86_64.so.1")
        .provides("cmd:demo=1.0-r0")
        .origin("demo")
        .directory("usr/bin")
        .file("usr/bin/demo", b"\x7fELF")
        .mode(0o755)
        .hard_link("usr/bin/other", "usr/bin/demo")
        .symlink("usr/lib/demo", "../share/demo")
        .script("post-install", "#!/bin/sh\nexit 0\n")
        .trigger("/usr/share/*")
}

fn adb_made_other() -> apk_adb::Package {
    apk_adb::package("other", "2.0-r0").depends("demo>1")
}

/// What a gzip stream has, which is in one piece.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    use std::io::Read as _;
    let mut data = Vec::new();
    hardpan_image::decompress(bytes, hardpan_image::Compression::Gzip)
        .and_then(|mut reader| reader.read_to_end(&mut data))
        .expect("it was just packed");
    data
}

fn package_file(bytes: &[u8]) -> bool {
    package::identify(&mut &*bytes, &LIMITS, None).ok();
    let mut segment = Vec::new();
    let Ok(found) = unpack::unpack(&mut &*bytes, &options(StripPolicy::none()), &mut segment)
    else {
        return false;
    };
    check(&found, &segment);
    true
}

/// Puts two archives into a package of format 2, the second as the one that the first is for.
fn archives(bytes: &[u8]) -> bool {
    const DATA_HASH: &str = "datahash = ";
    const DIGITS: usize = 64;
    let (control, data) = halves(bytes);
    let data = gzip(&whole(data));
    let mut control = control.to_vec();
    let place = control.windows(DATA_HASH.len()).position(|it| it == DATA_HASH.as_bytes());
    if let Some(hash) =
        place.and_then(|at| control.get_mut(at + DATA_HASH.len()..)?.get_mut(..DIGITS))
    {
        hash.copy_from_slice(Digest::of(&data).to_hex().as_bytes());
    }
    package_file(&[gzip(&with_checksums(&control)), data].concat())
}

fn adb_file(bytes: &[u8]) -> bool {
    adb::identify(&mut &*bytes, &LIMITS, None).ok();
    let mut segment = Vec::new();
    let stripped = adb::unpack(&mut &*bytes, &options(StripPolicy::none()), &mut segment);
    let Ok(found) = stripped else { return false };
    check(&found, &segment);
    true
}

/// Names stand in an index once with each version.
fn check_index(index: &Index) {
    for package in &index.packages {
        let same = index.versions_of(&package.name);
        assert!(
            same.iter().any(|it| it.version == package.version),
            "{} is not found",
            package.name
        );
    }
}

fn adb_index(bytes: &[u8]) -> bool {
    let Ok(index) = adb::index::read_values(bytes) else { return false };
    check_index(&index);
    !index.packages.is_empty()
}

fn index(bytes: &[u8]) -> bool {
    let Ok(index) = Index::parse("test", bytes, "x86_64") else { return false };
    check_index(&index);
    !index.packages.is_empty()
}

fn checksum(bytes: &[u8]) -> bool {
    Checksum::parse(&text(bytes)).is_some()
}
