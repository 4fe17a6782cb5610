// SPDX-License-Identifier: Apache-2.0
//! The memory that unpacking takes. It has a process of its own, since it measures that.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::io::{self, Read};

use hardpan_package::deb::unpack::unpack;
use hardpan_package::unpack::UnpackOptions;
use hardpan_testkit::deb::{RawEntry, TIMESTAMP, ar};

const MIB: u64 = 1 << 20;
const SIZE_BYTES: u64 = 600 * MIB;
/// 16 MiB of an ELF file and 4 MiB of stripped ones are kept, and some metadata.
const GROWTH_BYTES_MAX: u64 = 22 * MIB;

/// The most memory that this process ever had, in bytes.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[test]
fn large_packages_take_little_memory() {
    let Some(before) = peak_bytes() else {
        eprintln!("skipped: large_packages_take_little_memory because /proc has no VmHWM");
        return;
    };
    // Half of it an ELF file, half of it a stripped one: both are kept in memory in part.
    let control = hardpan_testkit::deb("large", "1").control_tar();
    let half = SIZE_BYTES / 2;
    let mut elf = Vec::new();
    RawEntry::new("./usr/bin/large", b'0').size_bytes(half).write(&mut elf);
    let mut doc = Vec::new();
    RawEntry::new("./usr/share/doc/large/large", b'0').size_bytes(half).write(&mut doc);
    // Headers of an ELF file whose first segment is large, which makes the most be kept of it.
    let mut start = vec![0; 4096];
    start[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    start[20] = 1;
    start[32] = 64;
    for (at, value) in [(16, 3), (18, 62), (52, 64), (54, 56), (56, 2)] {
        start[at] = value;
    }
    for (at, kind, size_bytes) in [(64, 1, half), (120, 2, 96)] {
        start[at] = kind;
        start[at + 32..at + 40].copy_from_slice(&u64::to_le_bytes(size_bytes));
        start[at + 48] = 8;
    }
    let data_bytes = SIZE_BYTES + (elf.len() + doc.len() + 1024) as u64;
    let mut head =
        ar(TIMESTAMP, &[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", b"")]);
    let size = head.len() - 12;
    head[size..size + 10].copy_from_slice(format!("{data_bytes:<10}").as_bytes());
    let mut package = (&head[..])
        .chain(&elf[..])
        .chain(&start[..])
        .chain(io::repeat(1).take(half - start.len() as u64))
        .chain(&doc[..])
        .chain(io::repeat(2).take(half))
        .chain(io::repeat(0).take(1024));
    let unpacked = unpack(&mut package, &UnpackOptions::default(), &mut io::sink()).unwrap();
    assert_eq!(unpacked.segment_size_bytes, half + 512);
    assert_eq!(unpacked.stripped[0].size_bytes, half);
    let hardpan_package::segment::EntryKind::File(file) = &unpacked.entries[0].kind else {
        panic!("the first entry is the file")
    };
    assert!(file.facts.is_some());
    let growth_bytes = peak_bytes().unwrap() - before;
    eprintln!("grew by {} KiB", growth_bytes / 1024);
    assert!(growth_bytes <= GROWTH_BYTES_MAX, "grew by {growth_bytes} bytes");
}
