// SPDX-License-Identifier: Apache-2.0
//! Programs: ELF files, and what is written into them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use hardpan_package::elf::Probe;
use hardpan_testkit::elf::{Elf, elf};

use super::catalog::catalog;
use crate::input::{halves, layer, text};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "program",
    bytes_max: 8 << 10,
    parts: &[
        Part::new("elf", program, || {
            vec![whole().build(), whole().without_sections().build(), own(), script()]
        }),
        Part::new(
            "go",
            |bytes| in_section(".go.buildinfo", bytes),
            || vec![go_info(GO_LINES), old_go()],
        ),
        Part::new(
            "auditable",
            |bytes| in_section(".dep-v0", &deflated(bytes)),
            || vec![CRATES.to_vec()],
        ),
        Part::new(
            "auditable-packed",
            |bytes| in_section(".dep-v0", bytes),
            || vec![deflated(CRATES)],
        ),
        Part::new(
            "note",
            |bytes| in_section(".note.package", bytes),
            || vec![note(NOTE), NOTE.to_vec()],
        ),
        Part::new("versions", versions, || {
            (0..).zip(VERSIONS).map(|(at, (_, text))| [&[at], text].concat()).collect()
        }),
    ],
};

const GO_LINES: &[u8] = b"path\texample.test/app\nmod\texample.test/app\t(devel)\t\ndep\texample.test/lib\tv1.2.3\th1:x=\ndep\texample.test/old\tv0.1.0\n=>\texample.test/new\tv0.2.0\th1:y=\nbuild\t-compiler=gc\nbuild\tvcs.revision=0123\n";
const CRATES: &[u8] = br#"{"packages":[{"name":"app","version":"0.1.0","source":"local","dependencies":[1],"root":true},{"name":"serde","version":"1.0.200","source":"crates.io","kind":"build"}]}"#;
const NOTE: &[u8] = br#"{"type":"deb","os":"debian","name":"bash","version":"5.2-1","architecture":"amd64","debugInfoUrl":"https://example.com","osCpe":"cpe:/o:debian:debian_linux:13"}"#;

/// Files that are known by their names, and what is in them.
const VERSIONS: [(&str, &[u8]); 8] = [
    ("python3.13", b"\x003.13.1\0"),
    ("node", b"x node.js/v22.1.0 y"),
    (
        "redis-server",
        b"\0builder-1700000000000000\0redis_version:%s 7.2.4 abcdefghijkl-1700000000000000000\0",
    ),
    ("libcrypto.so.3", b"\0OpenSSL 3.0.15 3 Sep 2024\0"),
    ("busybox", b"BusyBox v1.37.0 (2024)"),
    ("curl", b"\0curl/8.9.1\0"),
    ("php-fpm8.2", b"X-Powered-By: PHP/8.2.20\0"),
    ("perl5.36.0", b"/usr/lib/perl5/5.36.0/x"),
];

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

/// Go's build information, in the format since 1.18.
fn go_info(lines: &[u8]) -> Vec<u8> {
    let mut bytes = b"\xff Go buildinf:\x08\x02".to_vec();
    bytes.resize(32, 0);
    for text in [b"go1.22.3".to_vec(), [&[0x30; 16], lines, &[0xf9; 16]].concat()] {
        // A length of two bytes.
        let length = u8::try_from(text.len() >> 7).expect("it is short");
        bytes.extend([u8::try_from(text.len() & 0x7f).expect("seven bits") | 0x80, length]);
        bytes.extend(text);
    }
    bytes
}

/// The format before 1.18, with pointers that lead nowhere.
fn old_go() -> Vec<u8> {
    let mut bytes = b"\xff Go buildinf:\x08\0".to_vec();
    for number in [0x40_00a0_u64, 0x40_00b0, 0x40_0080, 8, 0x40_0080, 8] {
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

/// A note of a package.
fn note(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("it is short");
    let mut bytes = [4_u32, length, 0xcafe_1a7e].map(u32::to_le_bytes).concat();
    bytes.extend(b"FDO\0");
    bytes.extend(text);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn whole() -> Elf {
    elf()
        .section(".dep-v0", deflated(CRATES))
        .data(".go.buildinfo", go_info(GO_LINES))
        .note(".note.package", note(NOTE))
}

/// A program that runs, with all that a linker writes: an interpreter, needed libraries, symbols.
fn own() -> Vec<u8> {
    let mut bytes = elf().data(".interp", b"/lib64/ld-linux-x86-64.so.2\0").build();
    // The type of its segment: the interpreter's.
    bytes[64..68].copy_from_slice(&3_u32.to_le_bytes());
    bytes
}

fn script() -> Vec<u8> {
    b"#!/usr/bin/env python3\nprint()\n".to_vec()
}

/// Says what is learned of a file that comes in pieces, which is the same however it is cut.
fn probe(bytes: &[u8]) -> bool {
    let whole = {
        let mut probe = Probe::new(bytes.len() as u64);
        probe.feed(bytes);
        probe.finish()
    };
    for length in [1, 64, 100] {
        let mut probe = Probe::new(bytes.len() as u64);
        bytes.chunks(length).for_each(|piece| probe.feed(piece));
        assert_eq!(probe.finish(), whole, "in pieces of {length}");
    }
    // A length that is not true.
    let (length, rest) = halves(bytes);
    let mut probe = Probe::new(length.len() as u64);
    probe.feed(rest);
    probe.finish();
    whole.is_some()
}

fn program(bytes: &[u8]) -> bool {
    let is_known = probe(bytes);
    let layer = layer(&[("usr/bin/app", bytes), ("usr/lib/libapp.so.1", bytes)]);
    is_known && catalog(&[&layer]).is_some_and(|found| found.problems.is_empty())
}

fn in_section(name: &str, bytes: &[u8]) -> bool {
    let program = elf().data(name, bytes).build();
    let layer = layer(&[("usr/bin/app", &program)]);
    catalog(&[&layer]).is_some_and(|found| !found.packages.is_empty())
}

fn versions(bytes: &[u8]) -> bool {
    let Some((first, bytes)) = bytes.split_first() else { return false };
    let (name, _) = VERSIONS[usize::from(*first) % VERSIONS.len()];
    let program = elf().section(".rodata", bytes).build();
    let path = format!("opt/{name}");
    let found = catalog(&[&layer(&[(&path, &program)])]);
    let packages = found.map(|found| found.packages).unwrap_or_default();
    let shown = text(bytes);
    for version in packages.iter().filter_map(|package| package.version.as_ref()) {
        assert!(shown.contains(version.as_str()), "{version} is nowhere in it");
    }
    !packages.is_empty()
}
