// SPDX-License-Identifier: Apache-2.0
//! What the tests of unpacking share.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses some of it; helpers of tests are tests"
)]

use std::fmt::Write as _;
use std::io::Read as _;

use hardpan_package::segment::{EntryKind, Unpacked};
use hardpan_tree::{Digest, TarEntryKind, TarLimits, TarReader};

/// Reads the segment back and compares it with what is said of it.
pub(crate) fn check_segment(unpacked: &Unpacked, segment: &[u8]) {
    assert_eq!(unpacked.segment_digest, Digest::of(segment));
    assert_eq!(unpacked.segment_size_bytes, segment.len() as u64);
    let limits = TarLimits { end_marker_required: false, ..TarLimits::default() };
    let mut tar = TarReader::new(segment, limits);
    let mut offset = 0;
    for entry in unpacked.entries.iter().filter(|entry| entry.kind != EntryKind::Directory) {
        assert_eq!(entry.record.offset_bytes, offset, "{}", entry.path);
        offset = entry.record.end_bytes();
        let read = tar.next_entry().unwrap().unwrap();
        assert_eq!((&read.path, &read.metadata), (&entry.path, &entry.metadata));
        match (&entry.kind, read.kind) {
            (EntryKind::File(file), TarEntryKind::File(size_bytes)) => {
                assert_eq!(file.size_bytes, size_bytes);
                assert_eq!(tar.offset_bytes(), file.offset_bytes);
                let mut data = Vec::new();
                tar.read_to_end(&mut data).unwrap();
                assert_eq!(Digest::of(&data), file.digest, "{}", entry.path);
            }
            (EntryKind::Symlink(target), TarEntryKind::Symlink(read)) => assert_eq!(*target, read),
            (EntryKind::HardLink(target), TarEntryKind::HardLink(read)) => {
                assert_eq!(*target, read);
            }
            (entry, read) => panic!("{entry:?} was written as {read:?}"),
        }
    }
    assert_eq!(tar.next_entry().unwrap(), None);
    assert_eq!(offset, segment.len() as u64);
    let json = serde_json::to_string(unpacked).unwrap();
    assert_eq!(serde_json::from_str::<Unpacked>(&json).unwrap(), *unpacked);
}

pub(crate) fn dump(unpacked: &Unpacked) -> String {
    let mut text = String::new();
    for entry in &unpacked.entries {
        let metadata = &entry.metadata;
        let _ =
            write!(text, "{} {:04o} {}:{}", entry.path, metadata.mode, metadata.uid, metadata.gid);
        let _ = match &entry.kind {
            EntryKind::Directory => writeln!(text, " directory"),
            EntryKind::File(file) => writeln!(text, " {}", file.size_bytes),
            EntryKind::Symlink(target) => {
                writeln!(text, " -> {}", String::from_utf8_lossy(target))
            }
            EntryKind::HardLink(target) => writeln!(text, " = {target}"),
        };
    }
    text
}
