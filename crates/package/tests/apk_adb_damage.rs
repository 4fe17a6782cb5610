// SPDX-License-Identifier: Apache-2.0
//! Format 3: damage and signatures. Whatever is changed, nothing else is taken for what was signed.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod apk_adb_support;
mod apk_support;

use apk_adb_support::{keep_all, plain, refused, run, sample, small};
use apk_support::{chain, keys};
use hardpan_package::apk::adb::index::read;
use hardpan_package::apk::adb::{AdbError, identify};
use hardpan_package::apk::signature::SignatureError;
use hardpan_package::unpack::Limits;
use hardpan_testkit::apk::Key;
use hardpan_testkit::apk_adb::{Compression, Index, block, container, package, signature};
use proptest::prelude::{any, prop_assert_eq, proptest};

#[test]
fn packages_that_are_cut_short() {
    for compression in Compression::ALL {
        let apk = small().compression(compression).build();
        run(&apk, &keep_all()).unwrap();
        for length in 0..apk.len() {
            refused(&apk[..length]);
            let identity = identify(&mut &apk[..length], &Limits::default(), None);
            // Without its last contents it is the same package, and not a sound one.
            assert!(compression == Compression::None || identity.is_err(), "{length}");
        }
        let longer = [&apk[..], b"\0"].concat();
        refused(&longer);
        identify(&mut &longer[..], &Limits::default(), None).unwrap_err();
    }
}

#[test]
fn indexes_that_are_cut_short() {
    let (index, keys) = (Index::new(vec![small(), package("y", "1-r0")]), keys(&[&Key::new(1)]));
    for compression in Compression::ALL {
        let bytes = index.build(&[&Key::new(1)], compression);
        read(&bytes, &keys).unwrap();
        for length in 0..bytes.len() {
            read(&bytes[..length], &keys).unwrap_err();
        }
        read(&[&bytes[..], b"\0"].concat(), &keys).unwrap_err();
    }
}

#[test]
fn no_flipped_bit_gives_another_index() {
    let (index, keys) = (Index::new(vec![small()]), keys(&[&Key::new(1)]));
    for compression in [Compression::None, Compression::Deflate, Compression::Zstd] {
        let mut bytes = index.build(&[&Key::new(1)], compression);
        let expected = read(&bytes, &keys).unwrap();
        for at in 0..bytes.len() {
            for bit in [0x01, 0x80] {
                bytes[at] ^= bit;
                match read(&bytes, &keys) {
                    Err(_) => {}
                    // Compressors leave bits that mean nothing, and nobody reads the level.
                    Ok(read) if compression != Compression::None => {
                        assert_eq!(read.index, expected.index);
                    }
                    Ok(_) => panic!("byte {at} means nothing"),
                }
                bytes[at] ^= bit;
            }
        }
    }
}

#[test]
fn no_flipped_bit_gives_another_package() {
    let keys = keys(&[&Key::new(1)]);
    for compression in [Compression::None, Compression::Deflate, Compression::Zstd] {
        let mut apk = small().compression(compression).build();
        let expected = run(&apk, &keep_all()).unwrap();
        let original = identify(&mut &apk[..], &Limits::default(), None).unwrap();
        let mut trusted = 0;
        for at in 0..apk.len() {
            for bit in [0x01, 0x80] {
                apk[at] ^= bit;
                if let Ok(identity) = identify(&mut &apk[..], &Limits::default(), None) {
                    let is_signed =
                        identify(&mut &apk[..], &Limits::default(), Some(&keys)).is_ok();
                    let is_meant = identity.values_digest == original.values_digest;
                    assert!(is_meant || !is_signed, "{at}");
                    if is_meant && let Ok(actual) = run(&apk, &keep_all()) {
                        assert_eq!(actual, expected, "{at}");
                        trusted += 1;
                    }
                } else {
                    refused(&apk);
                }
                apk[at] ^= bit;
            }
        }
        // Only bits of the signature itself can change without harm to what is unpacked.
        assert!(trusted < 2 * 300, "{trusted}");
    }
}

#[test]
fn signatures_that_do_not_count() {
    let values = Index::new(vec![small()]).values();
    let (one, two) = (Key::new(1), Key::new(2));
    let good = signature(*b"indx", &values, &one);
    let with = |signatures: &[&[u8]]| {
        let mut blocks = vec![block(0, &values)];
        blocks.extend(signatures.iter().map(|bytes| block(1, bytes)));
        read(&container(*b"indx", &blocks, Compression::None), &keys(&[&Key::new(1)]))
    };
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    with(&[&good]).unwrap();
    // Others may have signed as well, or in a way that is not known.
    with(&[&signature(*b"indx", &values, &two), &changed(0, 1), b"", &good]).unwrap();
    // But nobody in the key's name, not even beside a good one.
    let error = with(&[&good, &changed(18, good[18] ^ 1)]).unwrap_err();
    assert!(chain(&error).contains("is wrong"), "{error:?}");
    let stranger = signature(*b"indx", &values, &two);
    // In the name of the key, with another one's signature.
    let stolen = [&good[..18], &stranger[18..]].concat();
    let other_schema = signature(*b"pckg", &values, &one);
    let other_values = signature(*b"indx", &Index::new(Vec::new()).values(), &one);
    for (what, signatures, expected) in [
        ("none", vec![], "not signed"),
        ("a stranger's", vec![&stranger[..]], "not signed by a trusted key"),
        ("too short", vec![&good[..17]], "not signed by a trusted key"),
        ("empty", vec![&b""[..]], "not signed by a trusted key"),
        ("no more than a header", vec![&good[..18]], "is wrong"),
        ("cut", vec![&good[..good.len() - 1]], "is wrong"),
        ("stolen", vec![&stolen[..]], "is wrong"),
        ("of a package", vec![&other_schema[..]], "is wrong"),
        ("of other values", vec![&other_values[..]], "is wrong"),
        ("unknown version", vec![&changed(0, 1)[..]], "but as version 1 with hash 4"),
        ("no hash", vec![&changed(1, 0)[..]], "hash 0 by"),
        ("SHA-1", vec![&changed(1, 2)[..]], "hash 2 by"),
        ("SHA-256 in place of SHA-512", vec![&changed(1, 3)[..]], "is wrong"),
        ("160 bits of SHA-256", vec![&changed(1, 5)[..]], "hash 5 by"),
        ("unknown hash", vec![&changed(1, 255)[..]], "hash 255 by"),
        ("another key's name", vec![&changed(2, good[2] ^ 1)[..]], "not signed by a trusted"),
    ] {
        let error = with(&signatures).unwrap_err();
        assert!(matches!(error, AdbError::Signature(_)), "{what}: {error:?}");
        assert!(chain(&error).contains(expected), "{what}: {}", chain(&error));
        assert!(error.is_trust());
    }
    let bytes = Index::new(Vec::new()).build(&[&one], Compression::None);
    let error = read(&bytes, &keys(&[])).unwrap_err();
    assert!(matches!(error, AdbError::Signature(SignatureError::Unknown { .. })), "{error:?}");
    let many = vec![&stranger[..]; 33];
    assert!(matches!(with(&many).unwrap_err(), AdbError::Limit { .. }));
    assert!(matches!(with(&[&[0; 3000]]).unwrap_err(), AdbError::Limit { .. }));
}

proptest! {
    /// A few changed bytes of a sound package.
    #[test]
    fn changed_packages_do_no_harm(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut apk = plain(&sample());
        let original = identify(&mut &apk[..], &Limits::default(), None).unwrap();
        let expected = run(&apk, &keep_all()).unwrap();
        for (at, byte) in changes {
            let at = at.index(apk.len());
            apk[at] = byte;
        }
        if let Ok(identity) = identify(&mut &apk[..], &Limits::default(), None)
            && identity.values_digest == original.values_digest
            && let Ok(actual) = run(&apk, &keep_all())
        {
            prop_assert_eq!(actual, expected);
        } else {
            let _ = run(&apk, &keep_all());
        }
    }
}
