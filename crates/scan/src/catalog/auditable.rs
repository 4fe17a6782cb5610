// SPDX-License-Identifier: Apache-2.0
//! The crates that a Rust program was built from, as cargo-auditable notes them: JSON, compressed by zlib,
//! in the section `.dep-v0`.

use std::collections::BTreeSet;
use std::io::Read;

use hardpan_tree::TreePath;
use serde::Deserialize;

use super::{FormatError, Package, PackageKind};

/// The first byte of a zlib stream with the usual window.
pub(super) const ZLIB: u8 = 0x78;
/// How the JSON begins.
const START: &[u8] = b"{\"packages\":[{";
/// The largest list, in bytes. The format's own readers take 8 MB; a program of 1,000 crates has 150 kB.
const JSON_BYTES_MAX: u64 = 8 << 20;
/// The most crates of a program.
const CRATES_MAX: usize = 20_000;
/// How many zlib streams of one file are looked into. A file of random bytes has one in 16 kB by chance.
const TRIES_MAX: usize = 200_000;
const FORMAT: &str = "a list of crates";

/// A crate that is part of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crate {
    name: String,
    version: String,
    /// Places in the list.
    needs: Vec<usize>,
    /// Whether it is the program's own.
    is_root: bool,
}

#[derive(Deserialize)]
struct List {
    packages: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    version: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    dependencies: Vec<usize>,
    #[serde(default)]
    root: bool,
}

/// Finds where such lists begin.
#[derive(Debug)]
pub(super) struct Recogniser {
    inflate: flate2::Decompress,
    tries_left: usize,
}

impl Recogniser {
    pub(super) fn new() -> Self {
        Self { inflate: flate2::Decompress::new(true), tries_left: TRIES_MAX }
    }

    /// Returns whether bytes begin like such a list.
    pub(super) fn begins(&mut self, bytes: &[u8]) -> bool {
        if !is_header(bytes) || self.tries_left == 0 {
            return false;
        }
        self.tries_left -= 1;
        self.inflate.reset(true);
        let mut start = [0; START.len()];
        let flush = flate2::FlushDecompress::None;
        self.inflate.decompress(bytes, &mut start, flush).is_ok() && start == START
    }
}

/// Returns whether bytes begin like a zlib stream (RFC 1950).
fn is_header(bytes: &[u8]) -> bool {
    let is_header = |first: u8, second: u8| {
        first == ZLIB && second & 0x20 == 0 && (u16::from(first) << 8 | u16::from(second)) % 31 == 0
    };
    bytes.len() >= 2 && is_header(bytes[0], bytes[1])
}

/// Reads a list. Crates that were only needed to build are left out: they are not in the program.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Crate>, FormatError> {
    let bad = |problem| FormatError::malformed(FORMAT, problem);
    let mut json = Vec::new();
    let mut reader = flate2::read::ZlibDecoder::new(bytes).take(JSON_BYTES_MAX + 1);
    reader.read_to_end(&mut json).map_err(|_| bad("its compression is broken"))?;
    if json.len() as u64 > JSON_BYTES_MAX {
        return Err(FormatError::Limit { format: FORMAT, what: "bytes", maximum: JSON_BYTES_MAX });
    }
    let list: List = serde_json::from_slice(&json).map_err(|_| bad("not its JSON"))?;
    if list.packages.len() > CRATES_MAX {
        return Err(FormatError::limit(FORMAT, "crates", CRATES_MAX));
    }
    let is_part = |listed: &Listed| listed.kind.as_deref().is_none_or(|kind| kind == "runtime");
    let mut places = Vec::new();
    let mut count = 0;
    for listed in &list.packages {
        places.push(is_part(listed).then_some(count));
        count += usize::from(is_part(listed));
    }
    let crates = list.packages.into_iter().filter(is_part);
    let place =
        |at: usize| places.get(at).copied().ok_or(bad("it names a crate that is not in it"));
    crates
        .map(|Listed { name, version, dependencies, root, .. }| {
            let needs = dependencies.into_iter().map(place).collect::<Result<Vec<_>, _>>()?;
            let needs = needs.into_iter().flatten().collect();
            Ok(Crate { name, version, needs, is_root: root })
        })
        .collect()
}

/// Returns a package for each crate.
pub(super) fn packages(crates: &[Crate], path: &TreePath) -> Vec<Package> {
    let mut packages: Vec<Package> = crates
        .iter()
        .map(|Crate { name, version, .. }| {
            Package::found_at(PackageKind::Cargo, name, Some(version), path, None)
        })
        .collect();
    for (at, item) in crates.iter().enumerate() {
        let needs: BTreeSet<_> = item.needs.iter().map(|&need| packages[need].id.clone()).collect();
        packages[at].depends = needs;
        if item.is_root {
            packages[at].files.insert(path.clone());
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn lists_are_read() {
        let json = br#"{"packages":[{"name":"a","version":"1.0.0","source":"crates.io","dependencies":[1,2],"root":true},
            {"name":"cc","version":"1.1.0","source":"crates.io","kind":"build"},
            {"name":"b","version":"0.2.0","source":"local"}]}"#;
        let crates = read(&zlib(json)).unwrap();
        let packages = packages(&crates, &TreePath::literal("usr/bin/a"));
        let ids: Vec<_> = packages.iter().map(|package| package.id.as_str()).collect();
        assert_eq!(ids, ["cargo/a@1.0.0:usr/bin/a", "cargo/b@0.2.0:usr/bin/a"]);
        let depends: Vec<_> =
            packages[0].depends.iter().map(super::super::PackageId::as_str).collect();
        assert_eq!(depends, ["cargo/b@0.2.0:usr/bin/a"]);
    }

    #[test]
    fn other_bytes_are_refused() {
        let refused = |bytes: &[u8]| read(bytes).unwrap_err();
        let good = zlib(br#"{"packages":[{"name":"a","version":"1"}]}"#);
        assert_eq!(read(&good).unwrap().len(), 1);
        for length in 0..good.len() - 4 {
            refused(&good[..length]);
        }
        for json in [
            "",
            "[]",
            "{}",
            r#"{"packages":[{"name":"a"}]}"#,
            r#"{"packages":[{"name":"a","version":"1","dependencies":[1]}]}"#,
            r#"{"packages":[{"name":"a","version":"1","dependencies":[-1]}]}"#,
            r#"{"packages":[{"name":"a","version":"1"}]} x"#,
        ] {
            assert!(matches!(refused(&zlib(json.as_bytes())), FormatError::Malformed { .. }));
        }
        // A few kB that would be a GiB.
        let bomb = zlib(&vec![b' '; 64 << 20]);
        assert!(matches!(refused(&bomb), FormatError::Limit { what: "bytes", .. }));
        let one = r#"{"name":"a","version":"1"},"#;
        let many =
            format!("{{\"packages\":[{}{}]}}", one.repeat(CRATES_MAX), &one[..one.len() - 1]);
        assert!(matches!(
            refused(&zlib(many.as_bytes())),
            FormatError::Limit { what: "crates", .. }
        ));
    }

    #[test]
    fn beginnings_are_recognised() {
        let good =
            zlib(br#"{"packages":[{"name":"serde","version":"1.0.0","source":"crates.io"}]}"#);
        let mut recogniser = Recogniser::new();
        assert!(recogniser.begins(&good));
        assert!(recogniser.begins(&good));
        for bytes in [&b""[..], b"\x78", b"\x78\x9c", b"\x78\x9d\x00", b"x\xdaabcdefghijklmno"] {
            assert!(!recogniser.begins(bytes), "{bytes:?}");
        }
        let other = zlib(b"something else, as long as needed");
        for _ in 0..TRIES_MAX {
            assert!(!recogniser.begins(&other));
        }
        // Nobody who means well has that many.
        assert!(!recogniser.begins(&good));
    }
}
