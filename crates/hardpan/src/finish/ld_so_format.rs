// SPDX-License-Identifier: Apache-2.0
//! The bytes of `ld.so.cache` (format `glibc-ld.so.cache1.1`), exactly as glibc's `ldconfig` writes them.
//!
//! A header of 48 bytes; 24 bytes per library, in descending order of names; the string table; and,
//! aligned to 4 bytes, the extensions: names of `glibc-hwcaps` subdirectories and who wrote the file.

#![expect(
    clippy::cast_possible_truncation,
    reason = "with at most 100,000 libraries a cache is far below 4 GiB"
)]

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

const MAGIC: &[u8; 20] = b"glibc-ld.so.cache1.1";
const HEADER_BYTES: usize = 48;
const ENTRY_BYTES: usize = 24;
const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
const EXTENSION_HEADER_BYTES: usize = 8;
const EXTENSION_SECTION_BYTES: usize = 16;
const TAG_GENERATOR: u32 = 0;
const TAG_HWCAPS: u32 = 1;
/// The bit that says that the rest of the capabilities is about a `glibc-hwcaps` subdirectory.
const HWCAP_EXTENSION: u64 = 1 << 62;
/// Where the ISA level stands in the capabilities.
const HWCAP_ISA_LEVEL_SHIFT: u32 = 32;

/// A library that the cache knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name by which programs ask for it.
    pub(super) soname: Vec<u8>,
    /// Where it is.
    pub(super) path: Vec<u8>,
    /// Its kind and architecture.
    pub(super) flags: u32,
    /// The `glibc-hwcaps` subdirectory that it is in.
    pub(super) subdirectory: Option<Vec<u8>>,
    /// The number of the highest ISA level that it needs; only stored for such subdirectories.
    pub(super) isa_level: u32,
}

/// Writes a cache. `subdirectories` are the names of all `glibc-hwcaps` subdirectories that were
/// searched, even in vain. Of entries that compare equal, the first stays first.
pub(super) fn write(
    mut entries: Vec<Entry>,
    subdirectories: &BTreeSet<Vec<u8>>,
    generator: &str,
    is_big_endian: bool,
) -> Vec<u8> {
    entries.sort_by(compare);
    let used: BTreeSet<&[u8]> =
        entries.iter().filter_map(|entry| entry.subdirectory.as_deref()).collect();
    let all = entries
        .iter()
        .flat_map(|entry| [entry.soname.as_slice(), entry.path.as_slice()])
        .chain(subdirectories.iter().map(Vec::as_slice));
    let table = StringTable::new(all);
    let strings_at = HEADER_BYTES + ENTRY_BYTES * entries.len();
    let extensions_at = (strings_at + table.bytes.len()).next_multiple_of(4);
    let string = |text: &[u8]| (strings_at + table.offsets[text]) as u32;

    let mut out = Writer { bytes: MAGIC.to_vec(), is_big_endian };
    out.word(entries.len() as u32);
    out.word(table.bytes.len() as u32);
    // The byte order, as a byte and three that are not used.
    out.bytes.extend([if is_big_endian { 3 } else { 2 }, 0, 0, 0]);
    out.word(extensions_at as u32);
    out.bytes.resize(HEADER_BYTES, 0);
    for entry in &entries {
        let hwcaps = entry.subdirectory.as_deref().map_or(0, |name| {
            let index = used.iter().position(|used| *used == name).unwrap_or_default();
            HWCAP_EXTENSION | u64::from(entry.isa_level) << HWCAP_ISA_LEVEL_SHIFT | index as u64
        });
        out.word(entry.flags);
        out.word(string(&entry.soname));
        out.word(string(&entry.path));
        out.word(0);
        out.long(hwcaps);
    }
    out.bytes.extend_from_slice(&table.bytes);
    out.bytes.resize(extensions_at, 0);
    let names: Vec<u32> = used.into_iter().map(string).collect();
    write_extensions(&mut out, &names, generator);
    out.bytes
}

/// Writes the extensions: a directory of sections, then what is in them.
fn write_extensions(out: &mut Writer, names: &[u32], generator: &str) {
    let sections = if names.is_empty() { 1 } else { 2 };
    let names_at = out.bytes.len() + EXTENSION_HEADER_BYTES + sections * EXTENSION_SECTION_BYTES;
    let generator_at = names_at + names.len() * 4;
    out.word(EXTENSION_MAGIC);
    out.word(sections as u32);
    for word in [TAG_GENERATOR, 0, generator_at as u32, generator.len() as u32] {
        out.word(word);
    }
    if !names.is_empty() {
        for word in [TAG_HWCAPS, 0, names_at as u32, names.len() as u32 * 4] {
            out.word(word);
        }
    }
    for name in names {
        out.word(*name);
    }
    out.bytes.extend_from_slice(generator.as_bytes());
}

struct Writer {
    bytes: Vec<u8>,
    is_big_endian: bool,
}

impl Writer {
    fn word(&mut self, value: u32) {
        let bytes = if self.is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        self.bytes.extend(bytes);
    }

    fn long(&mut self, value: u64) {
        let bytes = if self.is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        self.bytes.extend(bytes);
    }
}

/// Strings with a NUL after each, where one that ends another is stored inside that one.
struct StringTable<'s> {
    bytes: Vec<u8>,
    offsets: BTreeMap<&'s [u8], usize>,
}

impl<'s> StringTable<'s> {
    fn new(strings: impl Iterator<Item = &'s [u8]>) -> Self {
        let distinct: BTreeSet<&[u8]> = strings.collect();
        let mut sorted: Vec<&[u8]> = distinct.into_iter().collect();
        // Compared from the end, descending: so a string comes right after one that it ends.
        sorted.sort_by(|left, right| right.iter().rev().cmp(left.iter().rev()));
        let mut bytes = Vec::new();
        let mut offsets = BTreeMap::new();
        let mut previous: Option<(&[u8], usize)> = None;
        for string in sorted {
            let offset = match previous {
                Some((longer, at)) if longer.ends_with(string) => at + longer.len() - string.len(),
                _ => {
                    let at = bytes.len();
                    bytes.extend_from_slice(string);
                    bytes.push(0);
                    at
                }
            };
            offsets.insert(string, offset);
            previous = Some((string, offset));
        }
        Self { bytes, offsets }
    }
}

/// The order of entries in the file.
fn compare(left: &Entry, right: &Entry) -> Ordering {
    compare_names(&right.soname, &left.soname)
        .then_with(|| right.flags.cmp(&left.flags))
        .then_with(|| right.subdirectory.is_some().cmp(&left.subdirectory.is_some()))
        .then_with(|| left.subdirectory.cmp(&right.subdirectory))
}

/// Compares names of libraries with numbers in them as numbers, as `_dl_cache_libcmp` does: the
/// dynamic linker searches the cache by it.
pub(super) fn compare_names(mut left: &[u8], mut right: &[u8]) -> Ordering {
    loop {
        match (left.first(), right.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) if one.is_ascii_digit() && other.is_ascii_digit() => {
                let order = take_number(&mut left).cmp(&take_number(&mut right));
                if order != Ordering::Equal {
                    return order;
                }
            }
            (Some(one), Some(other)) => {
                let key = |byte: u8| (byte.is_ascii_digit(), byte);
                let order = key(*one).cmp(&key(*other));
                if order != Ordering::Equal {
                    return order;
                }
                left = &left[1..];
                right = &right[1..];
            }
        }
    }
}

/// Takes the number at the start of a name; it overflows as C's does.
fn take_number(name: &mut &[u8]) -> i32 {
    let mut number = 0_i32;
    while let [digit @ b'0'..=b'9', rest @ ..] = name {
        number = number.wrapping_mul(10).wrapping_add(i32::from(digit - b'0'));
        *name = rest;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(soname: &str, path: &str, flags: u32, subdirectory: Option<(&str, u32)>) -> Entry {
        Entry {
            soname: soname.into(),
            path: path.into(),
            flags,
            subdirectory: subdirectory.map(|(name, _)| name.into()),
            isa_level: subdirectory.map_or(0, |(_, level)| level),
        }
    }

    #[test]
    fn names_with_numbers() {
        for (left, right, expected) in [
            ("libx.so.1", "libx.so.1", Ordering::Equal),
            ("libx.so.9", "libx.so.10", Ordering::Less),
            ("libx.so.010", "libx.so.10", Ordering::Equal),
            ("libx.so", "libx.so.1", Ordering::Less),
            ("lib1.so", "libx.so", Ordering::Greater),
            ("lib.so", "lib1.so", Ordering::Less),
            ("libA", "liba", Ordering::Less),
            ("", "", Ordering::Equal),
        ] {
            assert_eq!(compare_names(left.as_bytes(), right.as_bytes()), expected);
            assert_eq!(compare_names(right.as_bytes(), left.as_bytes()), expected.reverse());
        }
    }

    #[test]
    fn an_empty_cache_is_a_header_and_the_writer() {
        let bytes = write(Vec::new(), &BTreeSet::new(), "x", false);
        assert_eq!(&bytes[..20], MAGIC);
        assert_eq!(bytes[20..28], [0; 8]);
        assert_eq!(bytes[28..36], [2, 0, 0, 0, 48, 0, 0, 0]);
        assert_eq!(bytes.len(), 48 + 8 + 16 + 1);
    }

    #[test]
    fn entries_are_ordered_and_strings_shared() {
        let entries = vec![
            entry("libx.so.1", "/a/libx.so.1", 0x303, None),
            entry("libx.so.1", "/b/libx.so.1", 0x303, None),
            entry("libx.so.1", "/c/libx.so.1", 0x3, None),
            entry("libx.so.1", "/a/v3/libx.so.1", 0x303, Some(("v3", 2))),
            entry("libx.so.1", "/a/v2/libx.so.1", 0x303, Some(("v2", 1))),
            entry("libx.so.2", "/a/libx.so.2", 0x303, None),
        ];
        let subdirectories = ["v2", "v3", "unused"].map(|name| name.as_bytes().to_vec()).into();
        let bytes = write(entries, &subdirectories, "gen", false);
        let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap());
        let text = |at: u32| {
            let text = bytes[at as usize..].split(|&byte| byte == 0).next().unwrap();
            String::from_utf8(text.to_vec()).unwrap()
        };
        let read: Vec<(String, u32, u32)> = (0..word(20) as usize)
            .map(|index| HEADER_BYTES + ENTRY_BYTES * index)
            .map(|at| (text(word(at + 8)), word(at + 16), word(at + 20)))
            .collect();
        let expected = [
            ("/a/libx.so.2", 0, 0),
            ("/a/v2/libx.so.1", 0, 0x4000_0001),
            ("/a/v3/libx.so.1", 1, 0x4000_0002),
            ("/a/libx.so.1", 0, 0),
            ("/b/libx.so.1", 0, 0),
            ("/c/libx.so.1", 0, 0),
        ];
        assert_eq!(read, expected.map(|(path, low, high)| (path.to_owned(), low, high)));
        assert_eq!(text(word(HEADER_BYTES + ENTRY_BYTES + 4)), "libx.so.1");
        let extensions = word(32) as usize;
        assert_eq!((word(extensions), word(extensions + 4)), (EXTENSION_MAGIC, 2));
        let names = word(extensions + 32) as usize;
        assert_eq!((text(word(names)), text(word(names + 4))), ("v2".into(), "v3".into()));
        assert!(bytes.ends_with(b"gen"));
    }

    #[test]
    fn big_endian_machines_have_big_endian_caches() {
        let bytes = write(vec![entry("a", "/a", 0x403, None)], &BTreeSet::new(), "", true);
        assert_eq!(bytes[20..32], [0, 0, 0, 1, 0, 0, 0, 3, 3, 0, 0, 0]);
        assert_eq!(bytes[48..52], [0, 0, 4, 3]);
    }

    proptest! {
        /// A sort by an order that is none would panic.
        #[test]
        fn names_are_ordered(names in proptest::collection::vec("[a.019]{0,12}", 3)) {
            let [one, two, three] = [0, 1, 2].map(|index| names[index].as_bytes());
            prop_assert_eq!(compare_names(one, two), compare_names(two, one).reverse());
            if compare_names(one, two).is_le() && compare_names(two, three).is_le() {
                prop_assert!(compare_names(one, three).is_le());
            }
        }

        #[test]
        fn every_string_is_in_the_table(strings in proptest::collection::vec("[ab/]{0,5}", 0..20)) {
            let table = StringTable::new(strings.iter().map(String::as_bytes));
            for string in &strings {
                let end = table.offsets[string.as_bytes()] + string.len();
                prop_assert_eq!(&table.bytes[end - string.len()..end], string.as_bytes());
                prop_assert_eq!(table.bytes[end], 0);
            }
        }
    }
}
