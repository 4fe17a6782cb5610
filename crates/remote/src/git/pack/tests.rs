// SPDX-License-Identifier: Apache-2.0
//! Packs made by hand: good ones, and every kind of bad one.

use std::io::Seek;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::*;

const BLOB: u8 = 3;
const OFFSET: u8 = 6;
const REFERENCE: u8 = 7;

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An entry whose header announces `size` bytes; `base` stands between header and data.
fn entry(kind: u8, size: usize, base: &[u8], data: &[u8]) -> Vec<u8> {
    assert!(size < 2048);
    let mut bytes = Vec::new();
    let low = u8::try_from(size & 15).unwrap();
    if size < 16 {
        bytes.push(kind << 4 | low);
    } else {
        bytes.extend([0x80 | kind << 4 | low, u8::try_from(size >> 4).unwrap()]);
    }
    bytes.extend(base);
    bytes.extend(zlib(data));
    bytes
}

fn blob(data: &[u8]) -> Vec<u8> {
    entry(BLOB, data.len(), &[], data)
}

fn blob_id(data: &[u8]) -> ObjectId {
    let mut hasher = ObjectHasher::new(ObjectKind::Blob, data.len() as u64);
    hasher.update(data);
    hasher.finish().unwrap()
}

/// A difference that appends one byte to a base.
fn append(base: usize, byte: u8) -> Vec<u8> {
    let base = u8::try_from(base).unwrap();
    vec![base, base + 1, 0x90, base, 1, byte]
}

fn pack(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"PACK\0\0\0\x02".to_vec();
    bytes.extend(u32::try_from(entries.len()).unwrap().to_be_bytes());
    bytes.extend(entries.concat());
    bytes.extend(super::super::trailer_of(&bytes));
    bytes
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn open(bytes: &[u8], limits: PackLimits) -> Result<Pack, PackError> {
    Pack::open(file(bytes), limits)
}

#[test]
fn objects_and_differences() {
    let first = blob(b"hello");
    let back = u8::try_from(first.len()).unwrap();
    let chained = entry(OFFSET, 6, &[back], &append(5, b'!'));
    let far = entry(REFERENCE, 6, blob_id(b"hello!").as_bytes(), &append(6, b'?'));
    // The last one stands before what it builds on.
    let pack = open(&pack(&[far, first, chained]), PackLimits::default()).unwrap();
    assert_eq!(pack.len(), 3);
    for data in [&b"hello"[..], b"hello!", b"hello!?"] {
        let id = blob_id(data);
        assert_eq!(pack.read(id, ObjectKind::Blob).unwrap(), data);
        assert_eq!(pack.blob_size_bytes(id).unwrap(), data.len() as u64);
        let mut copy = Vec::new();
        pack.copy_blob(id, &mut copy).unwrap();
        assert_eq!(copy, data);
    }
    // Other bytes have another id, whatever a server says that they are.
    let id = blob_id(b"Hello");
    assert!(matches!(pack.read(id, ObjectKind::Blob), Err(PackError::Missing(_))));
    let id = blob_id(b"hello");
    assert!(matches!(pack.tree(id), Err(PackError::Kind { expected: "tree", .. })));
    assert!(matches!(pack.commit(blob_id(b"x")), Err(PackError::Missing(_))));
}

#[test]
fn bad_packs_are_refused() {
    let good = pack(&[blob(b"hello")]);
    let mut flipped = good.clone();
    flipped[14] ^= 1;
    let mut version = good.clone();
    version[7] = 3;
    let mut trailer = good.clone();
    *trailer.last_mut().unwrap() ^= 1;
    let one = blob_id(b"one");
    let base = blob(b"hello");
    let back = u8::try_from(base.len()).unwrap();
    for (summary, bytes, message) in [
        ("empty", Vec::new(), "cut short"),
        ("cut in the header", good[..11].to_vec(), "cut short"),
        ("cut in an object", good[..16].to_vec(), "cut short"),
        ("cut before the checksum", good[..good.len() - 20].to_vec(), "cut short"),
        ("no pack", b"PUCK\0\0\0\x02\0\0\0\0".to_vec(), "no pack of version 2"),
        ("version 3", version, "no pack of version 2"),
        ("a flipped bit", flipped, ""),
        ("a wrong checksum", trailer, "checksum"),
        ("data after the end", [good.clone(), vec![0]].concat(), "after the end"),
        ("a smaller object", pack(&[entry(BLOB, 6, &[], b"hello")]), "another size"),
        ("a larger object", pack(&[entry(BLOB, 4, &[], b"hello")]), "another size"),
        ("an unknown kind", pack(&[entry(5, 1, &[], b"x")]), "unknown kind"),
        (
            "a missing base",
            pack(&[entry(REFERENCE, 6, one.as_bytes(), &append(3, b'x'))]),
            "not there",
        ),
        ("a base before the pack", pack(&[entry(OFFSET, 6, &[99], &append(3, b'x'))]), "not there"),
        ("itself as base", pack(&[entry(OFFSET, 6, &[0], &append(3, b'x'))]), "not there"),
        (
            "a base inside an object",
            pack(&[base.clone(), entry(OFFSET, 6, &[back - 1], &append(5, b'x'))]),
            "not there",
        ),
        (
            "a bad difference",
            pack(&[base, entry(OFFSET, 6, &[back], &append(4, b'x'))]),
            "base of another size",
        ),
    ] {
        let error = open(&bytes, PackLimits::default()).expect_err(summary).to_string();
        assert!(error.contains(message), "{summary}: {error}");
    }
}

/// Nobody can make two objects that name each other by their hashes, but a pack may try.
#[test]
fn differences_in_a_circle_are_refused() {
    let (one, two) = (blob_id(b"one"), blob_id(b"two"));
    let circle = pack(&[
        entry(REFERENCE, 6, two.as_bytes(), &append(3, b'x')),
        entry(REFERENCE, 6, one.as_bytes(), &append(3, b'x')),
    ]);
    assert!(matches!(open(&circle, PackLimits::default()), Err(PackError::NoBase)));
}

#[test]
fn limits_hold() {
    let chain = |length: usize| {
        let mut entries = vec![blob(b"hello")];
        for step in 0..length {
            let back = u8::try_from(entries.last().unwrap().len()).unwrap();
            entries.push(entry(OFFSET, 6, &[back], &append(5 + step, b'x')));
        }
        pack(&entries)
    };
    let limits = PackLimits::default();
    let few = PackLimits { objects_max: 2, ..limits };
    let small = PackLimits { object_bytes_max: 4, ..limits };
    let memory = PackLimits { memory_bytes_max: 7, ..limits };
    let total = PackLimits { total_bytes_max: 15, ..limits };
    let short = PackLimits { depth_max: 3, ..limits };
    assert!(open(&chain(20), limits).is_ok());
    assert!(open(&chain(3), short).is_ok());
    for (summary, limits, message) in [
        ("objects", few, "more than 2 objects"),
        ("a large object", small, "more than 4 bytes of an object"),
        ("a large result", memory, "more than 7 bytes of an object"),
        ("all together", total, "more than 15 bytes of all objects"),
        ("a long chain", short, "more than 3 differences in a chain"),
    ] {
        let error = open(&chain(4), limits).expect_err(summary).to_string();
        assert!(error.contains(message), "{summary}: {error}");
    }
}

#[test]
fn a_deep_tree_of_the_same_directory_is_limited() {
    // Each level holds the level below it sixteen times: 16^7 files in 8 objects.
    let mut entries = vec![blob(b"")];
    let mut below = (blob_id(b""), "100644");
    for _ in 0..7 {
        let mut tree = Vec::new();
        for name in b'a'..b'q' {
            tree.extend(format!("{} {}\0", below.1, char::from(name)).into_bytes());
            tree.extend(below.0.as_bytes());
        }
        let mut hasher = ObjectHasher::new(ObjectKind::Tree, tree.len() as u64);
        hasher.update(&tree);
        below = (hasher.finish().unwrap(), "40000");
        entries.push(entry(2, tree.len(), &[], &tree));
    }
    let commit = format!("tree {}\ncommitter A <a@e> 5 +0000\n\nm\n", below.0).into_bytes();
    let mut hasher = ObjectHasher::new(ObjectKind::Commit, commit.len() as u64);
    hasher.update(&commit);
    let id = hasher.finish().unwrap();
    entries.push(entry(1, commit.len(), &[], &commit));
    let pack = open(&pack(&entries), PackLimits::default()).unwrap();
    let error = crate::git::Checkout::read(&pack, id, 1000).unwrap_err();
    assert_eq!(error.to_string(), "more than 1000 files");
}
