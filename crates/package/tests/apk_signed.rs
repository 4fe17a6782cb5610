// SPDX-License-Identifier: Apache-2.0
//! Signed indexes of Alpine's format 2.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod apk_support;

use apk_support::{chain, keys};
use hardpan_package::apk::key::Keys;
use hardpan_package::apk::signed::{SignedIndex, verify_index};
use hardpan_testkit::apk::{Algorithm, Archive, Key, apk, index_file, signature_member};
use hardpan_testkit::archive::gzip;
use hardpan_testkit::deb::RawEntry;
use hardpan_tree::Digest;

const TEXT: &str = "C:Q1AAECAwQFBgcICQoLDA0ODxAREhM=\nP:a\nV:1-r0\n\n";

fn index(signers: &[(&Key, Algorithm)]) -> Vec<u8> {
    index_file("v3.99\n", TEXT, signers)
}

/// Returns an archive with these files, compressed and with an end.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, data) in files {
        RawEntry::new(name, b'0').data(data).write(&mut tar);
    }
    tar.resize(tar.len() + 1024, 0);
    gzip(&tar)
}

fn refused(file: &[u8], keys: &Keys) -> String {
    chain(&verify_index(file, keys).unwrap_err())
}

#[test]
fn an_index_is_verified() {
    let key = Key::new(1);
    for algorithm in Algorithm::ALL {
        let file = index(&[(&key, algorithm)]);
        let index = verify_index(&file, &keys(&[&key, &Key::new(2)])).unwrap();
        assert_eq!((index.text.as_str(), index.description.as_str()), (TEXT, "v3.99"));
        assert_eq!(index.digest, Digest::of(&file));
        let plain = index_file("v3.99\n", TEXT, &[]);
        assert_eq!(index.signed_digest, Digest::of(&plain));
        let names: Vec<_> = index.signatures.iter().map(|s| (&*s.key, &*s.algorithm)).collect();
        assert_eq!(names, [("test-1.rsa.pub", algorithm.as_str())]);
    }
}

#[test]
fn archives_of_the_testkit_are_verified() {
    let key = Key::new(3);
    let files = Archive::new().package(&apk("a", "1-r0").file("a", "a")).build(&[&key]);
    for architecture in ["x86_64", "aarch64"] {
        let file = &files[&format!("{architecture}/APKINDEX.tar.gz")];
        let index = verify_index(file, &keys(&[&key])).unwrap();
        assert!(index.text.contains("\nP:a\nV:1-r0\n"));
    }
}

#[test]
fn one_trusted_signature_is_enough_and_a_wrong_one_is_too_much() {
    let (a, b, c) = (Key::new(1), Key::new(2), Key::new(3));
    let sha1 = |key| (key, Algorithm::Rsa);
    let signed = index(&[]);
    let with = |members: &[Vec<u8>]| [members.concat(), signed.clone()].concat();
    let good = |key| signature_member(&[sha1(key)], &signed);
    let wrong = |key| signature_member(&[sha1(key)], b"something else");
    // Somebody else's signature under a name that is trusted.
    let forger = b.clone().named(a.name());
    let forged = signature_member(&[sha1(&forger)], &signed);
    let count = |file: &[u8], keys: &Keys| verify_index(file, keys).unwrap().signatures.len();

    assert_eq!(count(&index(&[sha1(&a), sha1(&b)]), &keys(&[&b])), 1);
    assert_eq!(count(&index(&[sha1(&a), sha1(&b)]), &keys(&[&a, &b, &c])), 2);
    assert_eq!(count(&with(&[good(&a), good(&b)]), &keys(&[&b])), 1);
    assert_eq!(count(&with(&[good(&a), good(&b)]), &keys(&[&a, &b])), 2);
    assert_eq!(count(&with(&[wrong(&a), good(&b)]), &keys(&[&b])), 1);
    assert_eq!(count(&with(&vec![good(&a); 16]), &keys(&[&a])), 1);

    let wrong_text = "signature RSA by test-1.rsa.pub is wrong";
    for (file, trusted, expected) in [
        (with(&[wrong(&a), good(&b)]), keys(&[&a, &b]), wrong_text),
        (with(&[good(&b), wrong(&a)]), keys(&[&a, &b]), wrong_text),
        (with(&[forged]), keys(&[&a, &b]), wrong_text),
        (
            with(&[good(&a), good(&b)]),
            keys(&[&c]),
            "not signed by a trusted key, but as RSA by \
          test-1.rsa.pub, RSA by test-2.rsa.pub",
        ),
        (with(&[good(&a)]), Keys::new(), "not signed by a trusted key, but as RSA by test-1"),
        (signed.clone(), keys(&[&a]), "not signed"),
        (with(&vec![good(&a); 17]), keys(&[&a]), wrong_text),
        (with(&[signature_member(&vec![sha1(&a); 65], &signed)]), keys(&[&a]), "more than 64"),
        (
            with(&vec![signature_member(&vec![sha1(&a); 33], &signed); 2]),
            keys(&[&a]),
            "too many signatures",
        ),
        (good(&a), keys(&[&a]), "signatures only"),
        (Vec::new(), keys(&[&a]), "signatures only"),
    ] {
        let error = refused(&file, &trusted);
        assert!(error.contains(expected), "{error}, not {expected}");
    }
}

#[test]
fn signatures_of_other_kinds_are_not_looked_at() {
    let key = Key::new(1);
    let signed = index(&[]);
    let signature = key.sign(Algorithm::Rsa, &signed);
    let file = |name: &str, bytes: &[u8]| {
        let mut tar = Vec::new();
        RawEntry::new(name, b'0').data(bytes).write(&mut tar);
        [gzip(&tar), signed.clone()].concat()
    };
    assert!(verify_index(&file(".SIGN.RSA.test-1.rsa.pub", &signature), &keys(&[&key])).is_ok());
    let other = "not signed by a trusted key";
    for (name, expected) in [
        (".SIGN.RSA384.test-1.rsa.pub", other),
        (".SIGN.DSA.test-1.rsa.pub", other),
        (".SIGN.rsa.test-1.rsa.pub", other),
        (".SIGN..test-1.rsa.pub", other),
        (".SIGN.RSA.test-1.rsa.pub.", other),
        (".SIGN.RSA.Test-1.rsa.pub", other),
        (".SIGN.RSA512.test-1.rsa.pub", "is wrong"),
        (".SIGN.RSA256.test-1.rsa.pub", "is wrong"),
        (".SIGN.RSA", "not a signature"),
        (".SIGN.RSA.a/../test-1.rsa.pub", "\"..\""),
        (".SIGX.RSA.test-1.rsa.pub", "not signed"),
        ("SIGN.RSA.test-1.rsa.pub", "not signed"),
    ] {
        let error = refused(&file(name, &signature), &keys(&[&key]));
        assert!(error.contains(expected), "{name}: {error}, not {expected}");
    }
    let error = refused(&file(".SIGN.RSA.test-1.rsa.pub", &[0; 9000]), &keys(&[&key]));
    assert!(error.contains("too large for a signature"), "{error}");
}

#[test]
fn what_is_signed_has_to_be_an_index() {
    let key = Key::new(1);
    let text = TEXT.as_bytes();
    let rest = gzip(b"more");
    for (signed, expected) in [
        (archive(&[("DESCRIPTION", b"x")]), "bad file \"APKINDEX\" in the archive: missing"),
        (archive(&[]), "missing"),
        (archive(&[("APKINDEX", text), ("APKINDEX", text)]), "there twice"),
        (archive(&[("APKINDEX", text), ("DESCRIPTION", b""), ("DESCRIPTION", b"")]), "there twice"),
        (archive(&[("APKINDEX", text), ("x", b"")]), "no part of an index"),
        (archive(&[("APKINDEX", b"\xff")]), "not UTF-8"),
        (
            archive(&[("APKINDEX", text), ("DESCRIPTION", "x".repeat(70_000).as_bytes())]),
            "too long",
        ),
        (archive(&[("APKINDEX", text), (".PKGINFO", b"")]), "no part of an index"),
        (archive(&[("APKINDEX/", b"")]), "not a file"),
        (gzip(b"no archive"), "cut short"),
        (gzip(&[b'x'; 1024]), "not a tar header"),
        ([archive(&[("APKINDEX", text)]), rest].concat(), "something follows"),
        ([archive(&[("APKINDEX", text)]), vec![0]].concat(), "something follows"),
    ] {
        let file = [signature_member(&[(&key, Algorithm::Rsa256)], &signed), signed].concat();
        let error = refused(&file, &keys(&[&key]));
        assert!(error.contains(expected), "{error}, not {expected}");
    }
}

#[test]
fn bombs_are_not_unpacked() {
    let key = Key::new(1);
    // 64 MiB of zeros behind the start of a signature.
    let mut tar = Vec::new();
    RawEntry::new(".SIGN.RSA.test-1.rsa.pub", b'0').data(vec![0; 64 << 20]).write(&mut tar);
    let error = refused(&gzip(&tar), &keys(&[&key]));
    assert!(error.contains("too much data"), "{error}");
    // What nobody has signed is not unpacked at all, however it goes on.
    let broken = [&index(&[])[..20], &[0xff; 100]].concat();
    let file = [signature_member(&[(&key, Algorithm::Rsa)], b"x"), broken].concat();
    assert!(refused(&file, &keys(&[&key])).contains("is wrong"));
}

#[test]
fn every_cut_and_everything_added_is_refused() {
    let key = Key::new(1);
    let trusted = keys(&[&key]);
    let file = index(&[(&key, Algorithm::Rsa256)]);
    for length in 0..file.len() {
        assert!(verify_index(&file[..length], &trusted).is_err(), "{length}");
    }
    for more in [&b"\0"[..], b"x", &gzip(b""), &index(&[]), &file] {
        assert!(verify_index(&[&file, more].concat(), &trusted).is_err());
        assert!(verify_index(&[more, &file].concat(), &trusted).is_err() || more == file);
    }
}

/// The member with signatures is not signed. So some of its bits may change, in gzip's header and where compressed data unpacks
/// to the same; what is read must be the same.
#[test]
fn every_flipped_bit_is_refused_or_changes_nothing() {
    let key = Key::new(1);
    let trusted = keys(&[&key]);
    let file = index(&[(&key, Algorithm::Rsa256)]);
    let good = verify_index(&file, &trusted).unwrap();
    let signed_at = file.len() - index(&[]).len();
    let mut accepted = 0;
    for at in 0..file.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
            let mut changed = file.clone();
            changed[at] ^= flip;
            let Ok(index) = verify_index(&changed, &trusted) else { continue };
            assert!(at < signed_at, "byte {at} is signed, and a change of it was accepted");
            assert_eq!(SignedIndex { digest: good.digest, ..index.clone() }, good, "byte {at}");
            assert_ne!(index.digest, good.digest);
            accepted += 1;
        }
    }
    // Time, level and system in the header at least, or this test would test nothing.
    assert!(accepted >= 6 * 9, "{accepted}");
}
