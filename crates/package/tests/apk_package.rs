// SPDX-License-Identifier: Apache-2.0
//! Packages of Alpine's format 2: what they are, and what is refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod apk_support;

use apk_support::{chain, identified, keys, unpacked};
use hardpan_package::apk::index::Checksum;
use hardpan_package::apk::package::{Identity, identify};
use hardpan_package::unpack::Limits;
use hardpan_testkit::apk::{Algorithm, Apk, Key, apk, signature_member};
use hardpan_testkit::archive::gzip;
use hardpan_testkit::deb::RawEntry;
use hardpan_tree::Digest;

fn small() -> Apk {
    apk("a", "1.0-r0").architecture("x86_64").file("usr/bin/a", "a program\n").mode(0o755)
}

/// A package with another control member.
fn with_control(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, data) in files {
        RawEntry::new(name, b'0').data(data).write(&mut tar);
    }
    [gzip(&tar), small().data()].concat()
}

#[test]
fn a_package_is_the_one_of_the_index() {
    let package = small();
    let identity = identified(&package.build(), None).unwrap();
    let sha1 = Checksum::parse(&package.checksum()).unwrap();
    assert_eq!(sha1, Checksum::Sha1(identity.control_sha1));
    identity.check(&sha1).unwrap();
    let sha256 = *Digest::of(&package.control()).as_bytes();
    identity.check(&Checksum::Sha256(sha256)).unwrap();
    assert_eq!(identity.data_digest, Some(Digest::of(&package.data())));
    assert_eq!(identity.size_bytes, package.build().len() as u64);
    assert_eq!(identity.signatures, []);

    // Other content, the same name: the control part has another datahash.
    let other = identified(&small().file("b", "b").build(), None).unwrap();
    let error = other.check(&sha1).unwrap_err().to_string();
    assert!(error.starts_with("the control files have the checksum Q1"), "{error}");
    assert!(error.ends_with(&format!("and the index has {}", package.checksum())), "{error}");
    assert!(other.check(&Checksum::Sha256(sha256)).is_err());
    let mut wrong = sha256;
    wrong[31] ^= 1;
    assert!(identity.check(&Checksum::Sha256(wrong)).is_err());
}

#[test]
fn signatures_are_asked_for() {
    let (a, b) = (Key::new(1), Key::new(2));
    let package = small();
    let both = package.clone().sign(&a).sign_with(&b, Algorithm::Rsa512).build();
    let names = |identity: Identity| -> Vec<String> {
        identity.signatures.into_iter().map(|s| format!("{} {}", s.algorithm, s.key)).collect()
    };
    let found = names(identified(&both, Some(&keys(&[&a, &b]))).unwrap());
    assert_eq!(found, ["RSA test-1.rsa.pub", "RSA512 test-2.rsa.pub"]);
    assert_eq!(names(identified(&both, Some(&keys(&[&b]))).unwrap()).len(), 1);

    let wrong = signature_member(&[(&a, Algorithm::Rsa)], b"other");
    for (file, expected) in [
        (package.build(), "not signed"),
        ([wrong.clone(), package.build()].concat(), "signature RSA by test-1.rsa.pub is wrong"),
        ([wrong, both.clone()].concat(), "signature RSA by test-1.rsa.pub is wrong"),
        (package.clone().sign(&b.clone().named(a.name())).build(), "is wrong"),
        (package.sign(&b).build(), "not signed by a trusted key, but as RSA by test-2.rsa.pub"),
    ] {
        let error = chain(&identified(&file, Some(&keys(&[&a]))).unwrap_err());
        assert!(error.contains(expected), "{error}, not {expected}");
        assert!(identified(&file, None).is_ok(), "{expected}");
    }
}

#[test]
fn packages_without_data_need_no_digest_of_it() {
    let package = apk("meta", "1-r0").depends("a b").without_data();
    let identity = identified(&package.build(), None).unwrap();
    assert_eq!(identity.data_digest, None);
    assert_eq!(unpacked(&package.build()).unwrap().0.entries, []);
    // With an empty archive, as Alpine makes them.
    let empty = apk("meta", "1-r0").depends("a b").build();
    assert!(identified(&empty, None).unwrap().data_digest.is_some());
    assert_eq!(unpacked(&empty).unwrap().0.entries, []);
}

#[test]
fn data_that_nothing_proves_is_refused() {
    let zeros = "0".repeat(64);
    for (file, expected) in [
        (small().without_data_hash().build(), "has no datahash"),
        ([small().without_data().build(), b"\0".to_vec()].concat(), "has no datahash"),
        (small().data_hash(&zeros).build(), "and datahash is sha256:00000"),
        (small().data_hash("").build(), "control field datahash"),
        (small().data_hash("0").build(), "control field datahash"),
        (small().data_hash(&"A".repeat(64)).build(), "control field datahash"),
        (small().field("datahash", &zeros).build(), "there twice"),
        (small().control(), "ends before its data"),
        ([small().build(), b"\0".to_vec()].concat(), "something follows the data"),
        ([small().build(), gzip(b"")].concat(), "something follows the data"),
        ([small().build(), small().build()].concat(), "something follows the data"),
        (Vec::new(), "ends before its control files"),
        (small().data(), "usr"),
        (b"no gzip".to_vec(), "can't decompress the control member"),
        (signature_member(&[(&Key::new(1), Algorithm::Rsa)], b""), "ends before its control files"),
    ] {
        for error in
            [chain(&identified(&file, None).unwrap_err()), chain(&unpacked(&file).unwrap_err())]
        {
            assert!(error.contains(expected), "{error}, not {expected}");
        }
    }
}

#[test]
fn bad_control_files_are_refused() {
    let info = small().info();
    let info_with = |from: &str, to: &str| {
        assert!(info.contains(from), "{from}");
        info.replacen(from, to, 1)
    };
    let long = "a".repeat(300);
    let cases: Vec<(String, &str)> = vec![
        (info_with("pkgname = a", "pkgname = "), "pkgname"),
        (info_with("pkgname = a", "pkgname=a"), "pkgname"),
        (info_with("pkgname = a", "pkgname = ../a"), "pkgname"),
        (info_with("pkgname = a", "pkgname = a/b"), "pkgname"),
        (info_with("pkgname = a", "pkgname = -a"), "pkgname"),
        (info_with("pkgname = a", &format!("pkgname = {long}")), "pkgname"),
        (info_with("pkgname = a", "pkgname = a\npkgname = a"), "twice"),
        (info_with("pkgver = 1.0-r0", ""), "pkgver"),
        (info_with("pkgver = 1.0-r0", "pkgver = one"), "pkgver"),
        (info_with("pkgver = 1.0-r0", "pkgver = 1/../2"), "pkgver"),
        (info_with("arch = x86_64", "arch = "), "arch"),
        (info_with("arch = x86_64", "arch = ../x"), "arch"),
        (info_with("arch = x86_64", "arch = x86_64\narch = noarch"), "twice"),
        (info_with("builddate = 1", "builddate = -1"), "builddate"),
        (info_with("builddate = 1", "builddate = 99999999991"), "builddate"),
        (info_with("license", "licen\0ce"), "has a NUL"),
        (String::new(), "missing"),
        ("# nothing\n".into(), "missing"),
    ];
    for (info, expected) in cases {
        let error =
            chain(&identified(&with_control(&[(".PKGINFO", info.as_bytes())]), None).unwrap_err());
        assert!(error.contains(expected), "{error}, not {expected}");
    }
    let info = info.as_bytes();
    assert!(identified(&with_control(&[(".PKGINFO", info), (".other", b"")]), None).is_ok());
    for (files, expected) in [
        (vec![(".post-install", info)], ".PKGINFO: missing"),
        (vec![(".PKGINFO", info), (".PKGINFO", info)], "there twice"),
        (vec![(".PKGINFO", info), ("usr", b"")], "does not belong there"),
        (vec![(".PKGINFO", info), (".x/y", b"")], "does not belong there"),
        (vec![(".PKGINFO", info), (".INSTALL", b"")], "too old"),
        (vec![(".PKGINFO", info), (".SIGN.RSA.x", b"")], "a signature that is not in front"),
        (vec![(".PKGINFO", info), ("../x", b"")], "\"..\""),
        (vec![(".PKGINFO", info), (".x/", b"")], "not a file"),
    ] {
        let error = chain(&identified(&with_control(&files), None).unwrap_err());
        assert!(error.contains(expected), "{error}, not {expected}");
    }
    let many: Vec<String> = (0..100).map(|number| format!(".x{number}")).collect();
    let mut files: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    files.push((".PKGINFO", info));
    let error = chain(&identified(&with_control(&files), None).unwrap_err());
    assert!(error.contains("more than 100 entries"), "{error}");
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; 4 << 20];
    let limits = Limits {
        ratio_max: 10,
        ratio_floor_bytes: 1 << 20,
        control_size_bytes_max: 64 << 10,
        ..Limits::default()
    };
    let refused = |file: &[u8]| chain(&identify(&mut &file[..], &limits, None).unwrap_err());
    let error = refused(&small().file("zeros", &zeros).build());
    assert!(error.contains("more than 10 times its size"), "{error}");
    let error = refused(&small().script("post-install", &"#".repeat(70_000)).build());
    assert!(error.contains("the control member: too much data"), "{error}");
    let key = Key::new(1);
    let error =
        refused(&[signature_member(&[(&key, Algorithm::Rsa); 100], b""), small().build()].concat());
    assert!(error.contains("the control member: too much data"), "{error}");
    // A stream of empty blocks that never gives a byte.
    let empty_blocks = [&gzip(b"")[..10], &b"\0\0\0\xff\xff".repeat(20_000)].concat();
    let error = refused(&empty_blocks);
    assert!(error.contains("the control member: too much data"), "{error}");
    let members = vec![signature_member(&[(&key, Algorithm::Rsa)], b""); 17].concat();
    assert!(refused(&members).contains("more than 16 members"));
    let error = refused(&vec![signature_member(&[(&key, Algorithm::Rsa); 40], b""); 2].concat());
    assert!(error.contains("too many signatures"), "{error}");
}

#[test]
fn every_cut_is_refused() {
    let key = Key::new(1);
    let file = small().script("post-install", "#!/bin/sh\n").sign(&key).build();
    let trusted = keys(&[&key]);
    assert!(identified(&file, Some(&trusted)).is_ok());
    for length in 0..file.len() {
        assert!(identified(&file[..length], Some(&trusted)).is_err(), "{length}");
        assert!(unpacked(&file[..length]).is_err(), "{length}");
    }
    // Without data the end of the control member is the end.
    let file = apk("meta", "1-r0").without_data().build();
    for length in 0..file.len() {
        assert!(identified(&file[..length], None).is_err(), "{length}");
    }
}

/// With keys only bits of the member with signatures may change, which is not signed, and there only those that do not
/// change its content: time, level and system in gzip's header, the bits that fill the last byte, and compressed data
/// that unpacks to the same (one zero copied from here or from there). Without keys the same is true
/// of the control member, for which then only the digest of the file vouches. In no case is anything else read.
#[test]
fn every_flipped_bit_is_refused_or_changes_nothing() {
    let key = Key::new(1);
    let trusted = keys(&[&key]);
    let package = small().script("post-install", "#!/bin/sh\n").sign_with(&key, Algorithm::Rsa256);
    let file = package.build();
    let (good, good_unpacked) =
        (identified(&file, Some(&trusted)).unwrap(), unpacked(&file).unwrap());
    let data_at = file.len() - package.data().len();
    let control_at = data_at - package.control().len();
    let (mut identified_count, mut unpacked_count) = (0, 0);
    for at in 0..file.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
            let mut changed = file.clone();
            changed[at] ^= flip;
            if let Ok(identity) = identified(&changed, Some(&trusted)) {
                assert!(at < control_at, "byte {at} is signed or hashed");
                assert_ne!(identity.digest, good.digest);
                assert_eq!(Identity { digest: good.digest, ..identity }, good, "byte {at}");
                identified_count += 1;
            }
            if let Ok(mut unpacked) = unpacked(&changed) {
                assert!(at < data_at, "byte {at} is hashed");
                // It is the hash of the control member's bytes, whatever is in them.
                unpacked.0.identity.clone_from(&good_unpacked.0.identity);
                assert_eq!(unpacked, good_unpacked, "byte {at}");
                unpacked_count += 1;
            }
        }
    }
    // The six bytes in the header at least, or this test would test nothing.
    assert!(identified_count >= 6 * 9, "{identified_count}");
    assert!(unpacked_count >= 2 * 6 * 9, "{unpacked_count}");
}
