// SPDX-License-Identifier: Apache-2.0
//! Which signatures count: keys and messages of all kinds, good and bad.
#![expect(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use hardpan_package::openpgp::{
    HashAlgorithm, Keyring, KeyringError, Refusal, Verified, VerifyError, verify_cleartext,
    verify_detached,
};
use hardpan_testkit::pgp::{
    self, CREATED_SECONDS, HashAlgorithm as Hash, Key, KeyOptions, Kind, SignOptions, SubkeyOptions,
};

const DAY: i64 = 86_400;
const SIGNED: &str = "Suite: stable\n- dash\n\nFrom here: on\nlast\n";
/// Ten days after the keys were made, nine after the signatures.
const AT: i64 = CREATED_SECONDS as i64 + 10 * DAY;

fn keyring(keys: &[&Key]) -> Keyring {
    Keyring::parse(&keys.iter().flat_map(|key| key.public()).collect::<Vec<_>>()).unwrap()
}

fn signed(text: &str, key: &Key, options: SignOptions) -> Vec<u8> {
    pgp::cleartext(text, &[(key, options)])
}

fn verify(message: &[u8], key: &Key) -> Result<Verified, VerifyError> {
    verify_cleartext(message, &keyring(&[key]), AT)
}

/// The refusal of a message's only signature.
fn refusal(result: Result<Verified, VerifyError>) -> Refusal {
    match result.unwrap_err() {
        VerifyError::NoValidSignature { mut refused } if refused.len() == 1 => {
            refused.remove(0).refusal
        }
        other => panic!("{other:?}"),
    }
}

fn with_subkey(subkey: SubkeyOptions) -> Key {
    Key::with(KeyOptions { subkey: Some(subkey), ..KeyOptions::default() })
}

#[test]
fn good_signatures_of_all_kinds_count() {
    for kind in [Kind::V4Legacy, Kind::V4, Kind::V6] {
        for subkey in [None, Some(SubkeyOptions::default())] {
            let has_subkey = subkey.is_some();
            let key = Key::with(KeyOptions {
                kind,
                subkey,
                may_sign: !has_subkey,
                ..KeyOptions::default()
            });
            for (hash, ours) in
                [(Hash::Sha256, HashAlgorithm::Sha256), (Hash::Sha512, HashAlgorithm::Sha512)]
            {
                for text in [true, false] {
                    let options = SignOptions { hash, text, ..SignOptions::default() };
                    let verified = verify(&signed(SIGNED, &key, options.clone()), &key).unwrap();
                    assert_eq!(verified.text, SIGNED);
                    assert!(verified.refused.is_empty());
                    let [good] = verified.signatures.as_slice() else { panic!() };
                    assert_eq!(good.key.to_string(), key.fingerprint());
                    let signer = good.subkey.as_ref().unwrap_or(&good.key);
                    assert_eq!(signer.to_string(), key.signing_fingerprint());
                    assert_eq!((good.subkey.is_some(), good.hash), (has_subkey, ours));
                    assert_eq!(good.created_seconds, i64::from(options.created_seconds));

                    let detached = pgp::detached(SIGNED.as_bytes(), &[(&key, options)]);
                    let verified =
                        verify_detached(SIGNED.as_bytes(), &detached, &keyring(&[&key]), AT);
                    assert_eq!(verified.unwrap().text, SIGNED);
                }
            }
        }
    }
}

#[test]
fn what_counts_is_the_signed_text() {
    let key = Key::new(1);
    let message = signed(SIGNED, &key, SignOptions::default());
    // White space at line ends may come and go on the way: it is not part of the text.
    let spaced = String::from_utf8(message.clone()).unwrap().replace(": on\n", ": on \t\n");
    assert_eq!(verify(spaced.as_bytes(), &key).unwrap().text, SIGNED);
    let windows = String::from_utf8(message.clone()).unwrap().replace('\n', "\r\n");
    assert_eq!(verify(windows.as_bytes(), &key).unwrap().text, SIGNED);
    // One letter, anywhere in the text, is noticed.
    let text = String::from_utf8(message.clone()).unwrap();
    let start = text.find("\n\n").unwrap() + 2;
    let end = text.find("-----BEGIN PGP SIGNATURE").unwrap();
    for position in start..end {
        let mut tampered = message.clone();
        tampered[position] ^= 1;
        assert!(verify(&tampered, &key).is_err(), "byte {position}");
    }
}

#[test]
fn bad_primary_keys_are_refused() {
    let normal = KeyOptions::default;
    for (options, expected) in [
        (
            KeyOptions { lifetime_seconds: 5 * 86_400, ..normal() },
            "key PRIMARY expired (1736121600 seconds since 1970)",
        ),
        (KeyOptions { revoked: true, ..normal() }, "key PRIMARY was revoked"),
        (
            KeyOptions { self_signature: None, ..normal() },
            "key PRIMARY has no valid self-signature",
        ),
        (
            KeyOptions { self_signature: Some(Hash::Sha1), ..normal() },
            "key PRIMARY has no valid self-signature",
        ),
        (KeyOptions { may_sign: false, ..normal() }, "key PRIMARY is not meant for signing"),
    ] {
        let key = Key::with(options);
        let refusal = refusal(verify(&signed(SIGNED, &key, SignOptions::default()), &key));
        assert_eq!(refusal.to_string().replace(&key.fingerprint(), "PRIMARY"), expected);
    }
    let (key, stranger) = (Key::new(1), Key::new(2));
    let message = signed(SIGNED, &stranger, SignOptions::default());
    assert_eq!(refusal(verify(&message, &key)), Refusal::UnknownKey);
}

#[test]
fn bad_subkeys_are_refused() {
    let normal = SubkeyOptions::default;
    for (options, expected) in [
        (
            SubkeyOptions { lifetime_seconds: 5 * 86_400, ..normal() },
            "key SUB expired (1736121600 seconds since 1970)",
        ),
        (SubkeyOptions { revoked: true, ..normal() }, "key SUB was revoked"),
        (
            SubkeyOptions { binding: Hash::Sha1, ..normal() },
            "subkey SUB has no valid binding to its primary key",
        ),
        (
            SubkeyOptions { bound_by_primary: false, ..normal() },
            "subkey SUB has no valid binding to its primary key",
        ),
        (
            SubkeyOptions { back_signature: false, ..normal() },
            "subkey SUB has no valid back-signature",
        ),
        (SubkeyOptions { may_sign: false, ..normal() }, "key SUB is not meant for signing"),
    ] {
        let key = with_subkey(options);
        let refusal = refusal(verify(&signed(SIGNED, &key, SignOptions::default()), &key));
        assert_eq!(refusal.to_string().replace(&key.signing_fingerprint(), "SUB"), expected);
    }
}

#[test]
fn bad_signatures_are_refused() {
    let key = Key::new(1);
    let normal = SignOptions::default;
    let day = 86_400;
    for (options, expected) in [
        (SignOptions { hash: Hash::Sha1, ..normal() }, "hash algorithm SHA1 is too weak"),
        (SignOptions { hash: Hash::Sha224, ..normal() }, "hash algorithm SHA224 is too weak"),
        (SignOptions { hash: Hash::Md5, ..normal() }, "hash algorithm MD5 is too weak"),
        (SignOptions { hash: Hash::Ripemd160, ..normal() }, "hash algorithm RIPEMD160 is too weak"),
        (
            SignOptions { lifetime_seconds: day, ..normal() },
            "it expired (1735862400 seconds since 1970)",
        ),
        (
            SignOptions { created_seconds: CREATED_SECONDS + 20 * day, ..normal() },
            "it was made in the future (1737417600 seconds since 1970)",
        ),
        (
            SignOptions { created_seconds: CREATED_SECONDS - 1, ..normal() },
            "key PRIMARY was not valid yet when it signed",
        ),
        (SignOptions { names_key: false, ..normal() }, "it does not say which key made it"),
        (
            SignOptions { unknown_critical: true, ..normal() },
            "it is malformed: a critical part is not understood",
        ),
    ] {
        let refusal = refusal(verify(&signed(SIGNED, &key, options), &key));
        assert_eq!(refusal.to_string().replace(&key.fingerprint(), "PRIMARY"), expected);
    }
}

#[test]
fn a_subkey_is_worth_no_more_than_its_primary_key() {
    for (options, expected) in [
        (KeyOptions { revoked: true, ..KeyOptions::default() }, "was revoked"),
        (KeyOptions { lifetime_seconds: 86_400, ..KeyOptions::default() }, "expired"),
        (KeyOptions { self_signature: None, ..KeyOptions::default() }, "no valid self-signature"),
    ] {
        let key = Key::with(KeyOptions { subkey: Some(SubkeyOptions::default()), ..options });
        let message = signed(SIGNED, &key, SignOptions::default());
        let refusal = refusal(verify(&message, &key)).to_string();
        assert!(refusal.contains(expected) && refusal.contains(&key.fingerprint()), "{refusal}");
    }
}

#[test]
fn one_good_signature_is_enough_and_the_others_are_named() {
    let (good, stranger) = (Key::new(1), Key::new(2));
    let weak = SignOptions { hash: Hash::Sha1, ..SignOptions::default() };
    let signers =
        [(&stranger, SignOptions::default()), (&good, weak), (&good, SignOptions::default())];
    let message = pgp::cleartext(SIGNED, &signers);
    let verified = verify(&message, &good).unwrap();
    assert_eq!(verified.signatures.len(), 1);
    let refused: Vec<_> = verified.refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        refused,
        [
            format!("signature of {}: the key is not in the keyring", stranger.fingerprint()),
            format!("signature of {}: hash algorithm SHA1 is too weak", good.fingerprint()),
        ]
    );
    let error = verify(&pgp::cleartext(SIGNED, &signers[..2]), &good).unwrap_err().to_string();
    assert_eq!(error, format!("no valid signature: {}", refused.join("; ")));
}

#[test]
fn a_signature_over_another_text_is_bad() {
    let key = Key::new(1);
    let other = pgp::detached(b"another text", &[(&key, SignOptions::default())]);
    let message = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nhello\n{}",
        String::from_utf8(other.clone()).unwrap()
    );
    assert_eq!(refusal(verify(message.as_bytes(), &key)), Refusal::BadSignature);
    let result = verify_detached(b"hello", &other, &keyring(&[&key]), AT);
    assert_eq!(refusal(result), Refusal::BadSignature);
    // Signatures over documents only: a key's self-signature is none.
    let certificate = pgp::armour(&key.public());
    let error = verify_detached(b"hello", certificate.as_bytes(), &keyring(&[&key]), AT);
    assert!(matches!(error.unwrap_err(), VerifyError::SignatureBlock { .. }));
    // A lone carriage return would be a line end to the signature and not to the reader.
    let text = b"a\rb";
    let signature = pgp::detached(text, &[(&key, SignOptions::default())]);
    assert!(matches!(
        refusal(verify_detached(text, &signature, &keyring(&[&key]), AT)),
        Refusal::Malformed { .. }
    ));
}

#[test]
fn only_the_armoured_text_counts() {
    let key = Key::new(1);
    let good = String::from_utf8(signed(SIGNED, &key, SignOptions::default())).unwrap();
    let evil = "Suite: evil\n";
    let replace = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    for (message, expected) in [
        (String::new(), "not signed: no OpenPGP signature found"),
        (SIGNED.to_owned(), "not signed: no OpenPGP signature found"),
        (format!("{evil}{good}"), "line 1: text outside of the signed message"),
        (format!("{good}{evil}"), "line 16: text outside of the signed message"),
        (format!("{good}{good}"), "line 16: text outside of the signed message"),
        (
            replace("-----\nHash", "-----\nComment: x\nHash"),
            "line 2: expected an empty line or a Hash header",
        ),
        (
            replace("-----\nHash", "-----\nSuite: evil\nHash"),
            "line 2: expected an empty line or a Hash header",
        ),
        (replace("SHA256\n\n", "SHA256\n \n"), "line 3: expected an empty line or a Hash header"),
        (replace("- - dash", "- dash"), "bad signature"),
        (replace("- - dash", "-dash"), "line 5: a line that begins with \"-\" is not escaped"),
        (replace("last\n", "la\rst\n"), "line 8: control character in the signed text"),
        (replace("last\n", "la\0st\n"), "line 8: control character in the signed text"),
        (
            replace("-----BEGIN PGP SIGNATURE-----\n", ""),
            "line 14: a line that begins with \"-\" is not escaped",
        ),
        (
            good.split("-----BEGIN PGP SIGNATURE").next().unwrap().to_owned(),
            "the message ends early",
        ),
        (replace("-----END PGP SIGNATURE-----\n", ""), "the signature block ends early"),
        (
            replace("-----END PGP SIGNATURE-----", "-----END PGP MESSAGE-----"),
            "unexpected line in the signature block",
        ),
        (
            good.replace(
                "-----BEGIN PGP SIGNATURE-----\n\n",
                "-----BEGIN PGP SIGNATURE-----\n\n!!!!",
            ),
            "the signature block is malformed",
        ),
    ] {
        let error = verify(message.as_bytes(), &key).unwrap_err().to_string();
        let shown: String = error.chars().take(200).collect();
        assert!(
            error == expected || error.contains(expected),
            "{shown:?} instead of {expected:?} for {message}"
        );
    }
    assert!(verify(format!("\n{good}\n \n").as_bytes(), &key).is_ok(), "white space is nothing");
    assert!(matches!(verify(b"\xff\xfe", &key), Err(VerifyError::NotUtf8)));
    let huge = vec![b'\n'; 17 << 20];
    assert!(matches!(verify(&huge, &key), Err(VerifyError::TooLarge { .. })));
    let many: Vec<_> = (0..33).map(|_| (&key, SignOptions::default())).collect();
    let error = verify(&pgp::cleartext(SIGNED, &many), &key).unwrap_err();
    assert!(matches!(error, VerifyError::SignatureBlock { .. }), "{error}");
}

#[test]
fn broken_messages_and_keyrings_are_errors_not_panics() {
    let key = with_subkey(SubkeyOptions::default());
    let message = signed(SIGNED, &key, SignOptions::default());
    let ring = keyring(&[&key]);
    let good = verify_cleartext(&message, &ring, AT).unwrap();
    for position in 0..message.len() {
        assert!(
            verify_cleartext(&message[..position], &ring, AT).is_err()
                || position + 1 == message.len()
        );
        let mut flipped = message.clone();
        flipped[position] ^= 0x11;
        if let Ok(verified) = verify_cleartext(&flipped, &ring, AT) {
            assert_eq!(verified.text, good.text, "byte {position}");
        }
    }
    let public = key.public();
    for position in 0..public.len() {
        let mut flipped = public.clone();
        flipped[position] ^= 0x11;
        for bytes in [&public[..position], &flipped] {
            if let Ok(ring) = Keyring::parse(bytes) {
                drop(verify_cleartext(&message, &ring, AT));
            }
        }
    }
}

#[test]
fn keyrings_come_in_several_forms() {
    let keys =
        [Key::new(1), Key::with(KeyOptions { seed: 2, kind: Kind::V6, ..KeyOptions::default() })];
    let mut expected: Vec<_> = keys.iter().map(Key::fingerprint).collect();
    expected.sort();
    let names = |ring: Result<Keyring, KeyringError>| -> Vec<String> {
        ring.unwrap().fingerprints().into_iter().map(String::from).collect()
    };
    let binary: Vec<u8> = keys.iter().flat_map(Key::public).collect();
    assert_eq!(names(Keyring::parse(&binary)), expected);
    let armoured: String = keys.iter().map(Key::public_armoured).collect();
    assert_eq!(names(Keyring::parse(armoured.as_bytes())), expected);
    let commented =
        format!("\n{}\na comment\n{}", keys[0].public_armoured(), keys[1].public_armoured());
    assert_eq!(names(Keyring::parse(commented.as_bytes())), expected);

    let mut ring = Keyring::parse(&binary).unwrap();
    ring.retain(&[keys[1].fingerprint().parse().unwrap()]);
    assert_eq!(names(Ok(ring)), [keys[1].fingerprint()]);
    let secret =
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nabcd\n-----END PGP PRIVATE KEY BLOCK-----\n";
    let cut: String = keys[0].public_armoured().lines().take(4).collect::<Vec<_>>().join("\n");
    let keybox = [&[0, 0, 0, 32, 1, 1, 0, 2], &b"KBXf"[..]].concat();
    for (bytes, expected) in [
        (b"".to_vec(), "the keyring has no public key"),
        (secret.into(), "the keyring holds a secret key; export the public key alone"),
        (format!("x\n{secret}").into_bytes(), "the keyring is malformed"),
        (cut.into_bytes(), "the keyring is malformed: an armoured block ends early"),
        (keybox, "the keyring is a GnuPG keybox; convert it with \"gpg --export\""),
        (vec![0; 5 << 20], "the keyring is larger than 4194304 bytes"),
        (
            pgp::detached(b"x", &[(&keys[0], SignOptions::default())]),
            "the keyring is malformed: it holds something else than public keys",
        ),
    ] {
        let error = Keyring::parse(&bytes).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error:?} instead of {expected:?}");
    }
    assert!(matches!(
        refusal(verify_cleartext(
            &signed(SIGNED, &keys[0], SignOptions::default()),
            &Keyring::default(),
            AT
        )),
        Refusal::UnknownKey
    ));
}

#[test]
fn what_gnupg_signs_is_judged_alike() {
    const TEXT: &[u8] = include_bytes!("vectors/text");
    let ring = Keyring::parse(include_bytes!("vectors/keys.asc")).unwrap();
    let at = 1_795_500_000;
    let verified = verify_cleartext(include_bytes!("vectors/gpg-sha512.asc"), &ring, at).unwrap();
    assert_eq!(verified.text.as_bytes(), TEXT);
    assert_eq!(verified.signatures[0].hash, HashAlgorithm::Sha512);
    let detached = include_bytes!("vectors/gpg-detached.sig");
    assert_eq!(verify_detached(TEXT, detached, &ring, at).unwrap().text.as_bytes(), TEXT);
    assert!(verify_detached(&TEXT[1..], detached, &ring, at).is_err());
    let sha1 = refusal(verify_cleartext(include_bytes!("vectors/gpg-sha1.asc"), &ring, at));
    assert_eq!(sha1.to_string(), "hash algorithm SHA1 is too weak");
    let short = refusal(verify_cleartext(include_bytes!("vectors/gpg-rsa1024.asc"), &ring, at));
    assert_eq!(short, Refusal::WeakKey { bits: 1024 });
}
