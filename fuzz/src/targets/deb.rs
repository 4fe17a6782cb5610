// SPDX-License-Identifier: Apache-2.0
//! Packages of Debian.

use std::collections::BTreeSet;

use hardpan_package::deb::unpack::unpack;
use hardpan_package::merge::{Member, merge};
use hardpan_package::scripts::{NoFiles, ScriptInput, classify};
use hardpan_package::segment::{Entry, EntryKind, Unpacked};
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::{Limits, UnpackOptions};
use hardpan_testkit::deb::{Compression, Deb, ar, deb};
use hardpan_tree::{Digest, Kind, TarLimits, TarReader};

use crate::input::{from_halves, halves, with_checksums};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "deb",
    bytes_max: 20 << 10,
    parts: &[
        Part::new("archives", archives, || {
            let packages = [package(), plain()];
            let archives = |package: &Deb| {
                from_halves(without_end(&package.control_tar()), without_end(&package.data_tar()))
            };
            packages.iter().map(archives).collect()
        }),
        Part::new("package", package_file, || {
            let packed = [Compression::Gz, Compression::Xz, Compression::Zst];
            packed.into_iter().map(|packed| package().compression(packed).build()).collect()
        }),
    ],
};

/// An archive without the zeros at its end, of which there are many.
pub(super) fn without_end(tar: &[u8]) -> &[u8] {
    let length = tar.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &tar[..length.next_multiple_of(512).min(tar.len())]
}

/// An archive with an end, and true checksums.
pub(super) fn whole(tar: &[u8]) -> Vec<u8> {
    let mut tar = with_checksums(tar);
    tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
    tar
}

fn plain() -> Deb {
    deb("a", "1:1.0-1").file("./usr/bin/a", b"#!/bin/sh\n")
}

fn package() -> Deb {
    deb("demo", "1.0-1")
        .depends("libc6 (>= 2.41)")
        .file("./etc/demo.conf", b"x=1\n")
        .conffile()
        .file("./usr/share/doc/demo/copyright", b"License: MIT\n")
        .file("./usr/share/locale/de/LC_MESSAGES/demo.mo", b"x")
        .symlink("./usr/lib/demo", "../share/demo")
        .file("./usr/bin/demo", b"\x7fELF")
        .mode(0o4755)
        .hard_link("./usr/bin/other", "./usr/bin/demo")
        .script("postinst", "#!/bin/sh\nset -e\nmkdir -p /var/lib/demo\nexit 0\n")
        .control_file("triggers", b"interest-noawait /usr/share/demo\n")
        .control_file("md5sums", b"d41d8cd98f00b204e9800998ecf8427e  usr/bin/demo\n")
}

/// Limits that an input can reach.
pub(super) const LIMITS: Limits = Limits {
    entries_max: 1_000,
    size_bytes_max: 4 << 20,
    ratio_max: 400,
    ratio_floor_bytes: 1 << 20,
    control_size_bytes_max: 1 << 20,
};

pub(super) fn options(strip: StripPolicy) -> UnpackOptions {
    UnpackOptions { strip, limits: LIMITS, expected: None }
}

/// Checks what was unpacked: the segment is an archive of what is said to be in it, of which a tree can be made, and what
/// would be kept of it is read as the same.
pub(super) fn check(unpacked: &Unpacked, segment: &[u8]) {
    let limits = TarLimits { end_marker_required: false, ..TarLimits::default() };
    let mut tar = TarReader::new(segment, limits);
    let mut paths = BTreeSet::new();
    while let Some(entry) = tar.next_entry().expect("a segment is an archive") {
        assert!(paths.insert(entry.path.clone()), "{} stands there twice", entry.path);
    }
    let named: BTreeSet<_> = (unpacked.entries.iter())
        .filter(|entry| entry.kind != EntryKind::Directory)
        .map(|entry| entry.path.clone())
        .collect();
    assert_eq!(paths, named, "the segment has other files");
    let last = unpacked.entries.iter().map(|entry| entry.record.end_bytes()).max();
    assert!(last.unwrap_or_default() <= segment.len() as u64, "the segment is shorter");
    assert_eq!(Digest::of(segment), unpacked.segment_digest, "it has another digest");
    let kept = serde_json::to_vec(unpacked).expect("it is JSON");
    let again: Unpacked = serde_json::from_slice(&kept).expect("what was written can be read");
    assert_eq!(again, *unpacked);
    if let Ok(merged) = merge(&[Member { unpacked, segment: Digest::of(segment) }]) {
        let files =
            merged.tree.walk().filter(|(_, node)| matches!(node.kind, Kind::File(_))).count();
        let of_package = |entry: &&Entry| matches!(entry.kind, EntryKind::File(_));
        assert_eq!(files, unpacked.entries.iter().filter(of_package).count(), "a file is lost");
    }
    let input = ScriptInput {
        format: unpacked.format,
        package: &unpacked.name,
        version: &unpacked.version,
        architecture: "amd64",
        scripts: &unpacked.scripts,
        triggers: &unpacked.triggers,
        templates: unpacked.control_members.get("templates").map_or("", String::as_str),
    };
    classify(&input, &NoFiles);
}

fn package_file(bytes: &[u8]) -> bool {
    let mut is_good = false;
    for strip in [StripPolicy::none(), StripPolicy::default()] {
        let mut segment = Vec::new();
        let Ok(unpacked) = unpack(&mut &*bytes, &options(strip), &mut segment) else { continue };
        check(&unpacked, &segment);
        is_good = true;
    }
    is_good
}

/// Puts two archives into a package.
fn archives(bytes: &[u8]) -> bool {
    let (control, data) = halves(bytes);
    let (control, data) = (whole(control), whole(data));
    let members: [(&str, &[u8]); 3] =
        [("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", &data)];
    package_file(&ar(1_700_000_000, &members))
}
