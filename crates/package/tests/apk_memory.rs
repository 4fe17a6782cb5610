// SPDX-License-Identifier: Apache-2.0
//! The memory that an `.apk` takes. It has a process of its own, since it measures that.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests are tests")]

use std::io::{self, Read as _, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use hardpan_package::apk::package::identify;
use hardpan_package::apk::unpack::unpack;
use hardpan_package::unpack::{Limits, UnpackOptions};
use hardpan_testkit::apk::apk;
use hardpan_testkit::deb::RawEntry;
use hardpan_tree::Digest;

const MIB: u64 = 1 << 20;
const SIZE_BYTES: u64 = 200 * MIB;
/// Buffers, the dictionary, and what the allocator keeps.
const GROWTH_BYTES_MAX: u64 = 8 * MIB;

/// The most memory that this process ever had, in bytes.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[test]
fn large_packages_take_little_memory() {
    let mut header = Vec::new();
    RawEntry::new("usr/large", b'0').size_bytes(SIZE_BYTES).write(&mut header);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&header).unwrap();
    io::copy(&mut io::repeat(7).take(SIZE_BYTES), &mut encoder).unwrap();
    let data = encoder.finish().unwrap();
    let control = apk("large", "1-r0").data_hash(&Digest::of(&data).to_hex()).control();
    let file = [control, data].concat();
    let limits = Limits { ratio_max: 2000, ..Limits::default() };
    let Some(before) = peak_bytes() else {
        eprintln!("skipped: large_packages_take_little_memory because /proc has no VmHWM");
        return;
    };
    let identity = identify(&mut &file[..], &limits, None).unwrap();
    assert_eq!(identity.digest, Digest::of(&file));
    let options = UnpackOptions { limits, ..UnpackOptions::default() };
    let unpacked = unpack(&mut &file[..], &options, &mut io::sink()).unwrap();
    assert_eq!(unpacked.segment_size_bytes, SIZE_BYTES + 512);
    let growth = peak_bytes().unwrap() - before;
    assert!(growth <= GROWTH_BYTES_MAX, "{} MiB", growth / MIB);
}
