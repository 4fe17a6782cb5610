// SPDX-License-Identifier: Apache-2.0
//! Archives of files: tar, zip, layers on top of one another, and what is left out of them by patterns.

use std::io::Read as _;

use hardpan_image::{Compression, decompress};
use hardpan_testkit::archive::gzip;
use hardpan_testkit::deb::{Compression as Packing, RawEntry};
use hardpan_testkit::oci::Tar;
use hardpan_testkit::zip::zip as made_zip;
use hardpan_tree::glob::Glob;
use hardpan_tree::{
    InlineContents, Origin, TarLimits, TarReader, TarWriter, Tree, TreePath, ZipLimits, zip_members,
};

use super::catalog::catalog;
use crate::input::{from_halves, halves, layer, pieces, text, texts, with_checksums};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "archives",
    bytes_max: 16 << 10,
    parts: &[
        Part::new("tar", |bytes| tar(&with_checksums(bytes)), tars),
        Part::new("tar-raw", tar, tars),
        Part::new("layers", layers, || {
            vec![from_halves(&upper(), &lower()), from_halves(&lower(), &upper())]
        }),
        Part::new("zip", zip, zips),
        Part::new("jar", |bytes| jar("opt/a-1.0.jar", bytes), jars),
        Part::new(
            "gzip",
            |bytes| unpack(bytes, Compression::Gzip),
            || vec![gzip(b"text text text")],
        ),
        Part::new(
            "zstd",
            |bytes| unpack(bytes, Compression::Zstd),
            || vec![Packing::Zst.compress(b"text text")],
        ),
        Part::new("glob", glob, || {
            texts(&["usr/**/*.[ch]\x1eusr/a/b/c.c", "a?{b,c}/[!x]*\x1eab/y", "**\x1ex"])
        }),
    ],
};

/// The most that is unpacked of an input.
const UNPACKED_BYTES_MAX: u64 = 1 << 20;

fn lower() -> Vec<u8> {
    Tar::default()
        .directory("usr/")
        .file("usr/a", b"a")
        .hard_link("usr/b", "usr/a")
        .symlink("lib", "usr/lib")
        .file("usr/lib/c", b"c")
        .file("var/lib/dpkg/status", b"Package: a\nVersion: 1\nStatus: install ok installed\n")
        .end()
}

fn upper() -> Vec<u8> {
    Tar::default()
        .file("usr/.wh.a", b"")
        .file("var/.wh..wh..opq", b"")
        .file("lib/d", b"d")
        .directory("etc/")
        .file("etc/os-release", b"ID=alpine\n")
        .end()
}

/// Archives with every kind of entry and extension.
fn tars() -> Vec<Vec<u8>> {
    let long = "long/".repeat(30);
    let mut special = Vec::new();
    let mut entry = RawEntry::new("a", b'0').data("data");
    entry.xattrs = vec![("user.x".to_owned(), b"y".to_vec())];
    entry.records =
        vec![("mtime".to_owned(), b"1.5".to_vec()), ("path".to_owned(), long.clone().into_bytes())];
    entry.write(&mut special);
    RawEntry::new(&long, b'2').target(&long).write(&mut special);
    special.resize(special.len() + 1024, 0);
    vec![lower(), upper(), special]
}

fn read(bytes: &[u8]) -> Option<Tree> {
    let limits = TarLimits { size_bytes_max: UNPACKED_BYTES_MAX, ..TarLimits::default() };
    Tree::from_tar(bytes, limits, Origin::Definition).ok()
}

/// Reads an archive. As a tree it can be written, and is then read as the same tree.
fn tar(bytes: &[u8]) -> bool {
    for limits in [
        TarLimits { refuse_special: false, end_marker_required: false, ..TarLimits::default() },
        TarLimits {
            entries_max: 2,
            size_bytes_max: 10,
            extension_bytes_max: 100,
            ..TarLimits::default()
        },
    ] {
        let mut tar = TarReader::new(bytes, limits);
        let mut entries = 0;
        while let Ok(Some(_)) = tar.next_entry() {
            entries += 1;
            assert!(entries <= limits.entries_max, "more entries than the limit");
        }
        assert!(tar.offset_bytes() <= bytes.len() as u64, "it read more than there is");
        tar.finish().ok();
    }
    let Some(tree) = read(bytes) else { return false };
    let mut writer = TarWriter::new(Vec::new());
    writer.write_tree(&tree, &InlineContents).expect("memory takes all");
    writer.write_end_marker().expect("memory takes all");
    let again = read(&writer.into_inner()).expect("what was written can be read");
    let mut difference = again.difference(&tree);
    // The root is not written.
    difference.changed.retain(|path| !path.is_root());
    assert!(difference.is_empty(), "it is read as another tree: {difference:?}");
    true
}

/// Puts two layers on top of one another, the upper one first.
fn layers(bytes: &[u8]) -> bool {
    let (upper, lower) = halves(bytes);
    let (upper, lower) = (with_checksums(upper), with_checksums(lower));
    catalog(&[&upper, &lower]).is_some()
}

fn zips() -> Vec<Vec<u8>> {
    vec![
        made_zip(&[("a", b"stored", false), ("b/c", b"deflated deflated", true)]),
        [b"#!/bin/sh\n".to_vec(), made_zip(&[("a", b"x", false)])].concat(),
        made_zip(&[]),
    ]
}

/// Reads an archive and all its members. Whoever reads one learns its whole length, or an error.
fn zip(bytes: &[u8]) -> bool {
    let limits = ZipLimits { prefix_allowed: true, ..ZipLimits::default() };
    let Ok(members) = zip_members(bytes, limits) else { return false };
    let mut left_bytes = UNPACKED_BYTES_MAX;
    for member in &members {
        let mut data = Vec::new();
        let read =
            member.open(bytes).take(left_bytes.min(member.size_bytes + 1)).read_to_end(&mut data);
        left_bytes -= data.len() as u64;
        let is_whole = read.is_ok() && left_bytes > member.size_bytes;
        assert!(
            !is_whole || data.len() as u64 == member.size_bytes,
            "it has another length than it says"
        );
    }
    true
}

fn jars() -> Vec<Vec<u8>> {
    let manifest = b"Manifest-Version: 1.0\r\nImplementation-Title: a\r\nImplementation-Version: 1.2\r\nBundle-SymbolicName: org.\r\n a;x=y\r\nClass-Path: b.jar\r\n";
    let pom = b"groupId=org.a\nartifactId=a\\ b\nversion=1.2.3\n";
    let inner = made_zip(&[(
        "META-INF/maven/org.b/b/pom.properties",
        b"groupId=org.b\nartifactId=b\nversion=2\n",
        true,
    )]);
    vec![
        made_zip(&[
            ("META-INF/MANIFEST.MF", manifest, true),
            ("META-INF/maven/org.a/a/pom.properties", pom, true),
        ]),
        made_zip(&[
            ("META-INF/MANIFEST.MF", manifest, false),
            ("BOOT-INF/lib/b-2.jar", &inner, false),
        ]),
        inner,
    ]
}

fn jar(path: &str, bytes: &[u8]) -> bool {
    let found = catalog(&[&layer(&[(path, bytes)])]);
    found.is_some_and(|found| !found.packages.is_empty() && found.problems.is_empty())
}

/// Unpacks as far as is wanted.
fn unpack(bytes: &[u8], compression: Compression) -> bool {
    let Ok(reader) = decompress(bytes, compression) else { return false };
    let mut data = Vec::new();
    reader.take(UNPACKED_BYTES_MAX).read_to_end(&mut data).is_ok()
}

/// Matches a pattern against a path. What covers a directory covers what is in it.
fn glob(bytes: &[u8]) -> bool {
    let [pattern, path] = pieces(bytes);
    let (Ok(glob), Ok(path)) = (Glob::parse(&text(pattern)), TreePath::parse(path)) else {
        return false;
    };
    if let (true, Ok(below)) = (glob.covers(&path), path.join("x")) {
        assert!(glob.covers(&below), "it covers {path} and not {below}");
    }
    true
}
