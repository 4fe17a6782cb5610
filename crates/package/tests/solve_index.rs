// SPDX-License-Identifier: Apache-2.0
//! Package indexes: what is read, what is refused, and the binary form.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    clippy::print_stderr,
    reason = "test code: panics and output are for the one who runs it"
)]

mod solve_support;

use std::error::Error;
use std::io;

use hardpan_package::deb::index::{CacheError, MultiArch, PackageIndex, Priority, ReadAt};
use hardpan_package::solve::{IndexRef, solve};
use hardpan_tree::Digest;
use proptest::prelude::*;
use solve_support::{index, origin, packages, task};

const NGINX: &str = "\
Package: nginx
Source: nginx-src (1.26.3-3)
Version: 1:1.26.3-3+b1
Installed-Size: 1432
Architecture: amd64
Multi-Arch: foreign
Essential: yes
Protected: yes
Pre-Depends: dpkg
Depends: libc6 (>= 2.38),
 nginx-common (<< 1.26.3-3.1~),
 iproute2
Provides: httpd, httpd-cgi (= 2)
Conflicts: c
Breaks: b (<< 2)
Replaces: r
Description: small, powerful, scalable web/proxy server
Section: httpd
Priority: important
Filename: pool/main/n/nginx/nginx_1.26.3-3+b1_amd64.deb
Size: 601836
SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
";

#[test]
fn all_fields_are_kept() {
    let parsed = PackageIndex::parse(NGINX.as_bytes(), origin("trixie")).unwrap();
    let opened = PackageIndex::from_bytes(parsed.to_bytes().unwrap()).unwrap();
    assert_eq!(opened.origin(), &origin("trixie"));
    assert_eq!(opened.origin().to_string(), "test trixie/main amd64");
    for index in [&parsed, &opened] {
        let package = index.package(0).unwrap();
        assert_eq!((package.name, package.version), ("nginx", "1:1.26.3-3+b1"));
        assert_eq!((package.source_name, package.source_version), ("nginx-src", "1.26.3-3"));
        assert_eq!((package.architecture, package.multi_arch), ("amd64", MultiArch::Foreign));
        assert_eq!((package.section, package.priority), ("httpd", Priority::Important));
        assert!(package.essential && package.important);
        assert_eq!(package.depends, "libc6 (>= 2.38), nginx-common (<< 1.26.3-3.1~), iproute2");
        assert_eq!((package.pre_depends, package.provides), ("dpkg", "httpd, httpd-cgi (= 2)"));
        assert_eq!((package.conflicts, package.breaks, package.replaces), ("c", "b (<< 2)", "r"));
        assert_eq!(package.filename, "pool/main/n/nginx/nginx_1.26.3-3+b1_amd64.deb");
        assert_eq!((package.size_bytes, package.installed_size_kib), (601_836, 1432));
        assert_eq!(package.sha256, Digest::of(b""));
        assert_eq!(index.versions_of("nginx").unwrap(), 0..1);
        assert_eq!(index.providers_of("httpd-cgi").unwrap(), [0]);
        assert!(index.versions_of("httpd").unwrap().is_empty());
        assert_eq!(index.providers_of("nginx").unwrap(), [0; 0]);
        assert_eq!(index.package(1), Err(CacheError::Damaged("number")));
    }
}

#[test]
fn defaults() {
    let text = packages("a 2-1").replace("Priority: optional\n", "");
    let index = PackageIndex::parse(text.as_bytes(), origin("trixie")).unwrap();
    let package = index.package(0).unwrap();
    assert_eq!((package.source_name, package.source_version), ("a", "2-1"));
    assert_eq!((package.priority, package.multi_arch), (Priority::Extra, MultiArch::No));
    assert_eq!((package.section, package.installed_size_kib), ("", 0));
    assert!(!package.essential && !package.important);
    let text = packages("a 2-1; Source: s; Filename: ./a.deb");
    let index = PackageIndex::parse(text.as_bytes(), origin("trixie")).unwrap();
    let package = index.package(0).unwrap();
    assert_eq!((package.source_name, package.source_version), ("s", "2-1"));
    assert_eq!(package.filename, "a.deb");
    let empty = PackageIndex::parse(b"", origin("empty")).unwrap();
    assert!(empty.is_empty());
    assert!(PackageIndex::from_bytes(empty.to_bytes().unwrap()).unwrap().is_empty());
}

#[test]
fn packages_are_sorted_by_name_and_newest_version() {
    let index = index("b 1\na 1.9\na 1.10\nb 1:0\na 1~; Provides: b\nab 1; Provides: b, c, b");
    let listed: Vec<String> = (0..index.len())
        .map(|number| index.package(number).unwrap())
        .map(|package| format!("{} {}", package.name, package.version))
        .collect();
    assert_eq!(listed, ["a 1.10", "a 1.9", "a 1~", "ab 1", "b 1:0", "b 1"]);
    assert_eq!(index.versions_of("a").unwrap(), 0..3);
    assert_eq!(index.versions_of("ab").unwrap(), 3..4);
    assert_eq!(index.versions_of("b").unwrap(), 4..6);
    assert_eq!(index.providers_of("b").unwrap(), [2, 3]);
    for name in ["", "0", "aa", "abc", "c", "z"] {
        assert!(index.versions_of(name).unwrap().is_empty(), "{name}");
    }
}

#[test]
fn bad_stanzas_are_refused() {
    for (from, to, wanted) in [
        ("Package: nginx\n", "", "field Package is missing"),
        ("Version: 1:1.26.3-3+b1\n", "", "field Version is missing"),
        ("Architecture: amd64\n", "", "field Architecture is missing"),
        ("Size: 601836\n", "", "field Size is missing"),
        ("SHA256: e", "MD5sum: e", "field SHA256 is missing"),
        ("Filename: pool", "X: pool", "field Filename is missing"),
        ("SHA256: e", "SHA256: ", "field SHA256 is not a digest: "),
        ("SHA256: e", "SHA256: E", "field SHA256 is not a digest: "),
        ("Filename: pool", "Filename: /pool", "field Filename is not a path below the archive: "),
        ("pool/main", "pool/../../main", "field Filename is not a path below the archive: "),
        ("pool/main", "pool/./main", "field Filename is not a path below the archive: "),
        ("pool/main", "pool//main", "field Filename is not a path below the archive: "),
        ("pool/main", "..", "field Filename is not a path below the archive: "),
        ("pool/main", "http://other.example", "field Filename is not a path below the archive: "),
        ("pool/main", "pool\\main", "field Filename is not a path below the archive: "),
        ("pool/main", "pool main", "field Filename is not a path below the archive: "),
        ("_amd64.deb", "_amd64.deb?x", "field Filename is not a path below the archive: "),
        ("pool/main/n", "pool/main/é", "field Filename is not a path below the archive: "),
        ("Package: nginx", "Package: ../nginx", "the name is not a package name"),
        ("Package: nginx", "Package: ", "the name is not a package name"),
        ("1:1.26.3-3+b1\n", "one\n", "the version is not a version"),
        ("Size: 601836", "Size: -1", "field Size is not a number: \"-1\""),
        ("Size: 601836", "Size: +1", "field Size is not a number: \"+1\""),
        ("Size: 601836", "Size: 99999999999999999999", "field Size is not a number: "),
        ("-Size: 1432", "-Size: 1.5", "field Installed-Size is not a number: \"1.5\""),
        ("Provides: httpd", "Provides: httpd (>= 1)", "field Provides cannot be read"),
        ("Section: httpd", "Section: a\tb", "field Section is too long or has control characters"),
        ("Depends: dpkg", "Depends: a\n b\rc", "is too long or has control characters"),
    ] {
        let text = NGINX.replacen(from, to, 1);
        assert_ne!(text, NGINX, "{from}");
        let text = format!("{}{text}", packages("a 1"));
        let error = PackageIndex::parse(text.as_bytes(), origin("trixie")).unwrap_err();
        let source = error.source().expect("stanza errors say why").to_string();
        assert!(source.contains(wanted), "{from} -> {to}: {source}");
        assert!(error.to_string().starts_with("package index, line 9: package "), "{error}");
    }
    let huge =
        format!("{NGINX}Enhances: x\n").replace("dpkg\n", &format!("{}\n", "a,".repeat(600_000)));
    assert!(PackageIndex::parse(huge.as_bytes(), origin("trixie")).is_err());
    for text in ["nonsense", "Package: a\nPackage: b\n", "<html>\n"] {
        assert!(PackageIndex::parse(text.as_bytes(), origin("trixie")).is_err(), "{text}");
    }
    assert!(PackageIndex::parse(b"Package: \xff\n", origin("trixie")).is_err());
}

const SMALL: &str = "a 1; Depends: b | v, c (>= 1); Conflicts: x\nb 1; Breaks: c\nc 2; Provides: w\n\
                     d 1; Provides: v (= 2), w\nx 1; Pre-Depends: a:any\ne 1:1-1; Source: s (2)";

#[test]
fn equal_input_gives_equal_bytes() {
    let bytes = index(SMALL).to_bytes().unwrap().into_owned();
    assert_eq!(index(SMALL).to_bytes().unwrap(), bytes);
    // Guards the format: whoever changes it raises its number and then this digest.
    assert_eq!(
        Digest::of(&bytes).to_hex(),
        "f387b7d940e287224e15b8fecb4a734075b1d7b8990f1836ca8d4d56060dbb40"
    );
}

#[test]
fn other_bytes_are_refused() {
    let bytes = index(SMALL).to_bytes().unwrap().into_owned();
    assert_eq!(PackageIndex::from_bytes(Vec::new()).unwrap_err(), CacheError::Magic);
    assert_eq!(PackageIndex::from_bytes(*b"HPDEBIDX").unwrap_err(), CacheError::Damaged("header"));
    let mut other = bytes.clone();
    other[8] += 1;
    assert_eq!(PackageIndex::from_bytes(other).unwrap_err(), CacheError::Format(2));
    for length in 0..bytes.len() {
        assert!(PackageIndex::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
    let longer = [bytes.as_slice(), b"\0"].concat();
    assert!(PackageIndex::from_bytes(longer).is_err());
}

/// Every change of a byte is noticed, at the latest when the package is read.
#[test]
fn every_changed_byte_is_noticed() {
    let bytes = index(SMALL).to_bytes().unwrap().into_owned();
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x20;
        let noticed = match PackageIndex::from_bytes(damaged) {
            Err(_) => true,
            Ok(index) => (0..index.len()).any(|number| index.package(number).is_err()),
        };
        assert!(noticed, "{position}");
    }
}

/// A file in memory.
struct File(Vec<u8>);

impl ReadAt for File {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let rest = self.0.get(usize::try_from(offset).unwrap()..).unwrap_or(&[]);
        let found = rest.get(..buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(found);
        Ok(())
    }
}

/// An opened file has the same packages as the index in memory, over several blocks.
#[test]
fn files_are_read_in_blocks() {
    let mut lines = String::new();
    for number in 0..3000 {
        let depends = "x".repeat(number % 200);
        lines += &format!("p{number} {number}; Depends: x{depends}\n");
    }
    let whole = index(&lines);
    let bytes = whole.to_bytes().unwrap().into_owned();
    assert!(bytes.len() > 4 * 64 * 1024);
    let size_bytes = bytes.len() as u64;
    let opened = PackageIndex::open(Box::new(File(bytes.clone())), size_bytes).unwrap();
    assert_eq!(opened.origin(), whole.origin());
    for number in (0..whole.len()).rev() {
        assert_eq!(opened.package(number), whole.package(number));
    }
    assert_eq!(opened.to_bytes().unwrap(), bytes);
    // A file that gets shorter after it was opened.
    let half = File(bytes[..bytes.len() / 2].to_owned());
    let opened = PackageIndex::open(Box::new(half), size_bytes).unwrap();
    let failed = (0..whole.len()).filter(|number| opened.package(*number).is_err()).count();
    assert!((1000..2000).contains(&failed), "{failed}");
    let error = CacheError::Read(io::ErrorKind::UnexpectedEof);
    assert_eq!(opened.to_bytes().unwrap_err(), error);
    let none = PackageIndex::open(Box::new(File(Vec::new())), size_bytes);
    assert_eq!(none.unwrap_err(), error);
}

/// Writes correct checksums into changed bytes, as somebody with bad intentions would.
fn forge(bytes: &mut [u8]) {
    let crc = |parts: &[&[u8]]| {
        let mut crc = flate2::Crc::new();
        for part in parts {
            crc.update(part);
        }
        crc.sum().to_le_bytes()
    };
    let word = |bytes: &[u8], at: usize| {
        bytes
            .get(at..at + 4)
            .map_or(0, |word| u32::from_le_bytes(word.try_into().unwrap()) as usize)
    };
    let records_bytes = word(bytes, 32);
    let Some(records) = bytes.len().checked_sub(records_bytes) else { return };
    for number in 0..word(bytes, 12).min(100) {
        let entry = 40 + 20 * number;
        let start = records + word(bytes, entry + 8);
        let Some(record) = bytes.get(start..start + word(bytes, entry + 12)) else { continue };
        let sum = crc(&[record]);
        if let Some(slot) = bytes.get_mut(entry + 16..entry + 20) {
            slot.copy_from_slice(&sum);
        }
    }
    if records >= 40 {
        let sum = crc(&[&bytes[..36], &bytes[40..records]]);
        bytes[36..40].copy_from_slice(&sum);
    }
}

fn use_all(bytes: Vec<u8>) {
    use_index(PackageIndex::from_bytes(bytes.clone()));
    let size_bytes = bytes.len() as u64;
    use_index(PackageIndex::open(Box::new(File(bytes)), size_bytes));
}

fn use_index(index: Result<PackageIndex, CacheError>) {
    let Ok(index) = index else { return };
    let _ = index.to_bytes();
    for number in (0..index.len().min(200)).chain([u32::MAX]) {
        let _ = index.package(number);
        let _ = index.name(number);
    }
    for name in ["", "a", "b", "v", "w", "zz"] {
        let _ = index.versions_of(name);
        let _ = index.providers_of(name);
    }
    for words in ["a", "x d", "a !b", "w", "nothing", "a=2 ~c=2"] {
        let _ = solve(&[IndexRef::new(&index), IndexRef::new(&index)], &task(words));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        forged in any::<bool>(),
    ) {
        let mut bytes = index(SMALL).to_bytes().unwrap().into_owned();
        for (position, byte) in changes {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if forged && bytes.len() >= 40 {
            forge(&mut bytes);
        }
        use_all(bytes);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "((Package|Version|Size|SHA256|X): ?[a-z0-9 .]{0,9}\n|\n| \n){0,12}") {
        let _ = PackageIndex::parse(text.as_bytes(), origin("trixie"));
    }
}
