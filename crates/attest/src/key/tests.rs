// SPDX-License-Identifier: Apache-2.0
//! Keys of other tools, and keys that are none.

use std::collections::BTreeSet;

use hardpan_tree::Digest;
use proptest::prelude::*;

use super::*;
use crate::fixtures::{filler, key};

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../testdata/keys/", $name)).as_slice()
    };
}

const MESSAGE: &[u8] = b"message";

#[test]
fn public_keys_of_others_verify() {
    for (summary, pem, signature, algorithm) in [
        ("cosign", file!("cosign.pub"), file!("cosign.sig"), KeyAlgorithm::EcdsaP256),
        ("RSA", file!("rsa.pub"), file!("rsa.sig"), KeyAlgorithm::Rsa),
        ("Ed25519", file!("ed25519.pub"), file!("ed25519.sig"), KeyAlgorithm::Ed25519),
    ] {
        let key = PublicKey::parse_pem(pem).unwrap();
        assert_eq!(key.algorithm(), algorithm, "{summary}");
        assert_eq!(key.verify(MESSAGE, signature), Ok(()), "{summary}");
        assert_eq!(key.verify(b"massage", signature), Err(BadSignature), "{summary}");
        assert_eq!(key.verify(MESSAGE, &[signature, b"\0"].concat()), Err(BadSignature));
        assert_eq!(key.verify(MESSAGE, b""), Err(BadSignature), "{summary}");
        assert_eq!(key.verify(MESSAGE, &[0; SIGNATURE_BYTES_MAX + 1]), Err(BadSignature));
        for at in 0..signature.len() {
            let mut altered = signature.to_vec();
            altered[at] ^= 1;
            assert_eq!(key.verify(MESSAGE, &altered), Err(BadSignature), "{summary} {at}");
        }
        assert_eq!(key.to_pem().as_bytes(), pem, "{summary}");
        assert_eq!(key.id().to_hex(), Digest::of(key.der()).to_hex());
        assert_eq!(PublicKey::parse_der(key.der()).unwrap(), key);
    }
}

#[test]
fn what_is_no_public_key_is_refused() {
    let trailing = [PublicKey::parse_pem(file!("cosign.pub")).unwrap().der(), b"\0"].concat();
    let off_curve = {
        let mut der = PublicKey::parse_pem(file!("cosign.pub")).unwrap().der().to_vec();
        *der.last_mut().unwrap() ^= 1;
        pem::encode("PUBLIC KEY", &der)
    };
    for (summary, bytes, expected) in [
        ("empty", b"".as_slice(), "can't be read"),
        ("a private key", file!("sec1.pem"), "found \"EC PRIVATE KEY\""),
        ("another curve", file!("p384.pub"), "ECDSA on the curve 1.3.132.0.34"),
        ("a short RSA key", file!("rsa1024.pub"), "has 1024 bits"),
        ("a compressed point", file!("compressed.pub"), "no uncompressed point"),
        ("off the curve", off_curve.as_bytes(), "no uncompressed point"),
        (
            "more behind it",
            pem::encode("PUBLIC KEY", &trailing).as_bytes(),
            "no SubjectPublicKeyInfo",
        ),
        ("truncated", &file!("cosign.pub")[..100], "can't be read"),
        ("large", &vec![b' '; PEM_BYTES_MAX + 1], "can't be read"),
    ] {
        let error = PublicKey::parse_pem(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{summary}: {error}");
    }
}

#[test]
fn private_keys_of_others_are_read() {
    let public = |pem| PublicKey::parse_pem(pem).unwrap();
    let old =
        String::from_utf8(file!("cosign.key").to_vec()).unwrap().replace("SIGSTORE", "COSIGN");
    let crlf = String::from_utf8(file!("pkcs8.pem").to_vec()).unwrap().replace('\n', "\r\n");
    for (summary, pem, password, expected) in [
        ("cosign", file!("cosign.key"), Some(b"correct".as_slice()), file!("cosign.pub")),
        ("cosign 1", old.as_bytes(), Some(b"correct"), file!("cosign.pub")),
        ("SEC 1 with parameters", file!("sec1.pem"), None, file!("sec1.pub")),
        ("PKCS #8", file!("pkcs8.pem"), None, file!("sec1.pub")),
        ("PKCS #8 and an idle password", file!("pkcs8.pem"), Some(b"x"), file!("sec1.pub")),
        ("lines of Windows", crlf.as_bytes(), None, file!("sec1.pub")),
    ] {
        let key =
            PrivateKey::parse(pem, password).unwrap_or_else(|error| panic!("{summary}: {error}"));
        assert_eq!(key.public_key(), &public(expected), "{summary}");
        let signature = sign_and_check(&key, MESSAGE).unwrap();
        assert_eq!(signature, key.sign(MESSAGE).unwrap(), "the same each time");
    }
}

/// The message "sample" of RFC 6979, A.2.5.
#[test]
fn signatures_are_those_of_rfc_6979() {
    let secret = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    let bytes = *Digest::from_hex(secret).unwrap().as_bytes();
    let key = PrivateKey::generate(&mut |out: &mut [u8]| {
        out.copy_from_slice(&bytes);
        Ok(())
    });
    let signature = key.unwrap().sign(b"sample").unwrap();
    let half = |hex: &str| *Digest::from_hex(hex).unwrap().as_bytes();
    let r = half("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716");
    let s = half("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
    // Two positive integers, whose first bits would make them negative.
    let expected = [&b"\x30\x46\x02\x21\x00"[..], &r, b"\x02\x21\x00", &s].concat();
    assert_eq!(signature, expected);
}

#[test]
fn a_key_survives_the_way_through_its_password() {
    let key = key(1);
    for (password, cost) in [(b"".as_slice(), ScryptCost::Low), (b"p\xc3\xa4ss", ScryptCost::Low)] {
        let pem = key.to_encrypted_pem(password, cost, &mut filler(7)).unwrap();
        let read = PrivateKey::parse(pem.as_bytes(), Some(password)).unwrap();
        assert_eq!(read.public_key(), key.public_key());
        let wrong = PrivateKey::parse(pem.as_bytes(), Some(b"wrong")).unwrap_err();
        assert_eq!(wrong, PrivateKeyError::WrongPassword);
        let none = PrivateKey::parse(pem.as_bytes(), None).unwrap_err();
        assert_eq!(none, PrivateKeyError::PasswordNeeded);
    }
}

/// Changes the JSON of an encrypted key.
fn sealed(from: &str, to: &str) -> Vec<u8> {
    let (label, json) = pem::decode(file!("cosign.key")).unwrap();
    let json = String::from_utf8(json.to_vec()).unwrap();
    assert!(json.contains(from), "{json}");
    pem::encode(&label, json.replace(from, to).as_bytes()).into_bytes()
}

#[test]
fn what_is_no_private_key_is_refused() {
    let long = vec![b'x'; PASSWORD_BYTES_MAX + 1];
    for (summary, pem, password, expected) in [
        ("empty", Vec::new(), "", "can't be read"),
        ("a public key", file!("cosign.pub").to_vec(), "", "\"PUBLIC KEY\""),
        ("another encryption", file!("pbes2.pem").to_vec(), "x", "\"ENCRYPTED PRIVATE KEY\""),
        ("another curve", file!("p384-pkcs8.pem").to_vec(), "", "curve 1.3.132.0.34"),
        ("another curve in SEC 1", file!("p384-sec1.pem").to_vec(), "", "SEC 1 form"),
        ("Ed25519", file!("ed25519.pem").to_vec(), "", "1.3.101.112"),
        (
            "no JSON",
            pem::encode("ENCRYPTED SIGSTORE PRIVATE KEY", b"{").into_bytes(),
            "",
            "cosign's JSON",
        ),
        ("weak", sealed("65536", "1024"), "correct", "N=1024, r=8, p=1"),
        ("huge", sealed("65536", "1073741824"), "correct", "N=1073741824"),
        ("other r", sealed("\"r\":8", "\"r\":9"), "correct", "r=9"),
        ("other p", sealed("\"p\":1", "\"p\":1000000"), "correct", "p=1000000"),
        ("other derivation", sealed("scrypt", "argon2"), "correct", "not scrypt"),
        ("other cipher", sealed("nacl/secretbox", "aes"), "correct", "not nacl/secretbox"),
        ("salt", sealed("\"salt\":\"", "\"salt\":\"AAAA"), "correct", "32 bytes"),
        ("nonce", sealed("\"nonce\":\"", "\"nonce\":\"AAAA"), "correct", "24 bytes"),
        ("not base64", sealed("\"ciphertext\":\"", "\"ciphertext\":\"%"), "correct", "not base64"),
        (
            "shifted",
            sealed("\"ciphertext\":\"", "\"ciphertext\":\"AAAA"),
            "correct",
            "does not open",
        ),
        ("wrong password", file!("cosign.key").to_vec(), "wrong", "does not open"),
        (
            "long password",
            file!("cosign.key").to_vec(),
            std::str::from_utf8(&long).unwrap(),
            "more than",
        ),
    ] {
        let error = PrivateKey::parse(&pem, Some(password.as_bytes())).unwrap_err().to_string();
        assert!(error.contains(expected), "{summary}: {error}");
    }
}

#[test]
fn randomness_that_is_none() {
    let none = PrivateKey::generate(&mut |_: &mut [u8]| Err(NoRandomness)).unwrap_err();
    assert_eq!(none, PrivateKeyError::NoRandomness(NoRandomness));
    let zeros = PrivateKey::generate(&mut |_: &mut [u8]| Ok(())).unwrap_err();
    assert_eq!(zeros, PrivateKeyError::NoRandomness(NoRandomness));
    let sealed =
        key(1).to_encrypted_pem(b"", ScryptCost::Low, &mut |_: &mut [u8]| Err(NoRandomness));
    assert!(sealed.is_err());
    assert_ne!(key(1).public_key(), key(2).public_key());
}

#[test]
fn a_private_key_is_never_shown() {
    let key = PrivateKey::parse(file!("pkcs8.pem"), None).unwrap();
    let shown = format!("{key:?}");
    assert_eq!(shown, format!("PrivateKey(of {:?})", key.public_key()));
}

/// Says that it has one key and signs with another.
struct Liar(PrivateKey, PublicKey);

impl Signer for Liar {
    fn public_key(&self) -> &PublicKey {
        &self.1
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.0.sign(message)
    }
}

#[test]
fn a_signature_is_checked_before_it_is_used() {
    let liar = Liar(key(1), key(2).public_key().clone());
    let error = sign_and_check(&liar, MESSAGE).unwrap_err();
    assert!(matches!(error, SignError::DoesNotVerify { key } if key == liar.1.id()));
}

fn files<'a>(names: &[(&'a str, &'a [u8])]) -> Result<Keyring, KeyringError> {
    Keyring::parse(names.iter().copied())
}

#[test]
fn keyrings_rotate() {
    let mut ring =
        files(&[("notes.txt", b"x"), ("10.pub", file!("rsa.pub")), ("2.pub", file!("cosign.pub"))])
            .unwrap();
    let names = |ring: &Keyring| ring.keys().iter().map(|key| key.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&ring), ["2.pub", "10.pub"], "in the order of their numbers");
    assert_eq!(ring.latest().unwrap().name, "10.pub");
    ring.rotate(key(1).public_key().clone()).unwrap();
    assert_eq!(names(&ring), ["2.pub", "10.pub", "11.pub"]);
    assert_eq!(ring.latest().unwrap().key, *key(1).public_key());
    let standing = Standing { revoked: Some("lost".to_owned()), ..Standing::default() };
    let old = ring.keys()[0].key.id();
    assert!(ring.set_standing(old, standing.clone()));
    assert!(!ring.set_standing(key(9).public_key().id(), standing));
    let written = ring.to_files();
    let names: BTreeSet<&str> = written.keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["10.pub", "11.pub", "2.pub", "keyring.json", "latest.pub"]));
    let again = Keyring::parse(written.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])));
    assert_eq!(again.unwrap(), ring);
    assert!(matches!(ring.rotate(key(1).public_key().clone()), Err(KeyringError::SameKey { .. })));
    assert_eq!(Keyring::default().latest(), None);
    let mut first = Keyring::default();
    first.rotate(key(1).public_key().clone()).unwrap();
    assert_eq!(first.latest().unwrap().name, "1.pub");
}

#[test]
fn wrong_keyrings_are_refused() {
    let (cosign, rsa) = (("1.pub", file!("cosign.pub")), ("2.pub", file!("rsa.pub")));
    let many: Vec<(&str, &[u8])> = vec![cosign; KEYS_MAX + 2];
    let large = vec![b' '; 300 << 10];
    for (summary, names, expected) in [
        ("no key", vec![("1.pub", b"x".as_slice())], "1.pub is no public key"),
        ("one key twice", vec![cosign, ("2.pub", cosign.1)], "1.pub and 2.pub are the same key"),
        ("one name twice", vec![cosign, ("1.pub", rsa.1)], "two keys are called 1.pub"),
        ("another latest", vec![cosign, (LATEST, rsa.1)], "latest.pub is none"),
        ("only latest", vec![(LATEST, rsa.1)], "latest.pub is none"),
        ("too many", many, "more than 100"),
        ("no JSON", vec![cosign, ("keyring.json", b"{")], "can't be read"),
        (
            "another version",
            vec![cosign, ("keyring.json", br#"{"version":2,"keys":{}}"#)],
            "version 2",
        ),
        (
            "an unknown key",
            vec![cosign, ("keyring.json", br#"{"version":1,"keys":{"2.pub":{}}}"#)],
            "tells of 2.pub",
        ),
        (
            "an unknown field",
            vec![cosign, ("keyring.json", br#"{"version":1,"keys":{"1.pub":{"revokd":""}}}"#)],
            "can't be read",
        ),
        (
            "no time",
            vec![
                cosign,
                ("keyring.json", br#"{"version":1,"keys":{"1.pub":{"notAfter":"soon"}}}"#),
            ],
            "can't be read",
        ),
        ("large", vec![cosign, ("keyring.json", &large)], "more than"),
    ] {
        let error = files(&names).unwrap_err().to_string();
        assert!(error.contains(expected), "{summary}: {error}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, text in "[-A-Z a-z0-9+/=\n{}\":]{0,200}") {
        for bytes in [&bytes[..], text.as_bytes()] {
            let _ = PublicKey::parse_pem(bytes);
            let _ = PublicKey::parse_der(bytes);
            let _ = PrivateKey::parse(bytes, Some(b""));
            let _ = PrivateKey::parse(pem::encode("PRIVATE KEY", bytes).as_bytes(), None);
            let _ = PrivateKey::parse(pem::encode("EC PRIVATE KEY", bytes).as_bytes(), None);
        }
    }

    #[test]
    fn a_changed_public_key_is_none_or_another(at in 0usize..91, bits in 1u8..) {
        let key = PublicKey::parse_pem(file!("cosign.pub")).unwrap();
        let mut der = key.der().to_vec();
        der[at] ^= bits;
        if let Ok(other) = PublicKey::parse_der(&der) {
            prop_assert_ne!(other.id(), key.id());
            prop_assert!(other.verify(MESSAGE, file!("cosign.sig")).is_err());
        }
    }
}
