// SPDX-License-Identifier: Apache-2.0
//! Zip archives: good ones, and all that is wrong with others.

#![allow(clippy::unwrap_used, reason = "test code: panics are for the one who runs it")]

use std::io::{self, Read};

use hardpan_testkit::zip::zip;
use hardpan_tree::{ZipError, ZipLimits, zip_members};
use proptest::prelude::*;

fn contents(bytes: &[u8], limits: ZipLimits) -> Result<Vec<(String, String)>, String> {
    let members = zip_members(bytes, limits).map_err(|error| error.to_string())?;
    members
        .iter()
        .map(|member| {
            let mut text = String::new();
            member.open(bytes).read_to_string(&mut text).map_err(|error| error.to_string())?;
            Ok((String::from_utf8_lossy(&member.name).into_owned(), text))
        })
        .collect()
}

fn good() -> Vec<u8> {
    zip(&[("a", b"one", false), ("b/c", b"two two two two", true), ("../d", b"", true)])
}

#[test]
fn good_archives() {
    let expected = [("a", "one"), ("b/c", "two two two two"), ("../d", "")]
        .map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(contents(&good(), ZipLimits::default()).unwrap(), expected);
    assert_eq!(contents(&zip(&[]), ZipLimits::default()).unwrap(), []);
    let commented = [&good()[..good().len() - 2], b"\x03\0abc"].concat();
    assert_eq!(contents(&commented, ZipLimits::default()).unwrap(), expected);
    let behind = [b"#!/bin/sh\n", good().as_slice()].concat();
    let limits = ZipLimits { prefix_allowed: true, ..ZipLimits::default() };
    assert_eq!(contents(&behind, limits).unwrap(), expected);
}

#[test]
fn bad_archives() {
    let good = good();
    let change = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let end = good.len() - 22;
    let directory = usize::from(good[end + 16]);
    for (summary, bytes, expected) in [
        ("nothing", Vec::new(), "no directory"),
        ("no archive", vec![b'x'; 1000], "no directory"),
        ("cut short", good[..good.len() - 1].to_vec(), "no directory"),
        ("more behind it", [good.as_slice(), b"x"].concat(), "no directory"),
        ("something before it", [b"x", good.as_slice()].concat(), "not where it should be"),
        ("one of several", change(end + 4, 1), "several"),
        ("fewer members than it has", change(end + 8, 2), "several"),
        ("an encrypted member", change(directory + 8, 1), "encrypted"),
        ("another method", change(directory + 10, 14), "another method"),
        ("a directory without members", change(directory, b'x'), "malformed"),
        ("another name before the data", change(30, b'z'), "contradict"),
        ("another sum", change(directory + 16, 0), "checksum"),
        ("other data", change(31, b'O'), "checksum"),
        ("another size", change(directory + 24, 2), "size"),
        ("data that leads out", change(directory + 23, 0x7f), "size"),
    ] {
        let error = contents(&bytes, ZipLimits::default()).expect_err(summary);
        assert!(error.contains(expected), "{summary}: {error}");
    }
    // Both members' data is that of the first: bombs are made so.
    let mut twice = zip(&[("a", b"one", false), ("a", b"one", false)]);
    let end = twice.len() - 22;
    twice[end - 5] = 0;
    let error = contents(&twice, ZipLimits::default()).unwrap_err();
    assert!(error.contains("share bytes"), "{error}");
    for (limits, what) in [
        (ZipLimits { members_max: 2, ..ZipLimits::default() }, "members"),
        (ZipLimits { directory_bytes_max: 9, ..ZipLimits::default() }, "bytes of a directory"),
    ] {
        let error = zip_members(good.as_slice(), limits).unwrap_err();
        assert!(matches!(error, ZipError::Limit { what: own, .. } if own == what), "{error}");
    }
}

proptest! {
    /// Whatever bytes are changed, nothing panics, and no member is longer than it says.
    #[test]
    fn damage(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), prefix_allowed: bool) {
        let mut bytes = good();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let limits = ZipLimits { prefix_allowed, ..ZipLimits::default() };
        if let Ok(members) = zip_members(bytes.as_slice(), limits) {
            for member in members {
                let read = io::copy(&mut member.open(bytes.as_slice()), &mut io::sink());
                prop_assert!(read.is_err() || read.is_ok_and(|count| count == member.size_bytes));
            }
        }
    }
}
