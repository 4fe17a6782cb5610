// SPDX-License-Identifier: Apache-2.0
//! The public keys that an archive is trusted by.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RsaParameters, UnparsedPublicKey,
};

/// The shortest modulus. All keys of Alpine and Wolfi have 2,048 or 4,096 bits.
pub const MODULUS_BITS_MIN: usize = 2048;
/// The longest modulus, which is what `ring` verifies with.
pub const MODULUS_BITS_MAX: usize = 8192;
/// The most keys; Alpine's keyring has about 20.
pub const KEYS_MAX: usize = 256;
/// The longest file. A key of 8,192 bits takes 1.5 KiB; the rest is for comments.
const FILE_BYTES_MAX: usize = 64 << 10;
/// The longest file name, which is Linux's limit.
const NAME_BYTES_MAX: usize = 255;

/// How a signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSA with SHA-1, which Alpine signs with. Nobody is known to find a second text for a digest that exists, but
    /// who can choose what is signed can make two texts of one digest.
    RsaSha1,
    /// RSA with SHA-256, which Wolfi signs with.
    RsaSha256,
    /// RSA with SHA-512.
    RsaSha512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RsaSha1, Self::RsaSha256, Self::RsaSha512];

    /// Returns its name in the names of signatures.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RsaSha1 => "RSA",
            Self::RsaSha256 => "RSA256",
            Self::RsaSha512 => "RSA512",
        }
    }

    fn parameters(self) -> &'static RsaParameters {
        match self {
            Self::RsaSha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Self::RsaSha256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::RsaSha512 => &RSA_PKCS1_2048_8192_SHA512,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a file is not a key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Signatures could not name the file.
    #[error("{name:?} can't be the name of a key's file")]
    Name {
        /// The name.
        name: String,
    },
    /// Another key has the name.
    #[error("key {name} is given twice, with different contents")]
    Twice {
        /// The name.
        name: String,
    },
    /// There are too many keys.
    #[error("more than {KEYS_MAX} keys")]
    TooMany,
    /// The file is not a PEM file with one public key.
    #[error("key {name} is not a PEM file with one RSA public key: {problem}")]
    Pem {
        /// The key's name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The key can be broken, or is too long.
    #[error(
        "key {name} has {bits} bits; keys have to have {MODULUS_BITS_MIN} to {MODULUS_BITS_MAX}"
    )]
    Length {
        /// The key's name.
        name: String,
        /// Its length.
        bits: usize,
    },
}

/// An RSA public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `RSAPublicKey` of PKCS#1.
    der: Vec<u8>,
}

impl Key {
    /// Reads a PEM file with `SubjectPublicKeyInfo` or `RSAPublicKey`. The name is for errors.
    pub fn parse(name: &str, pem: &[u8]) -> Result<Self, KeyError> {
        let bad = |problem| KeyError::Pem { name: name.to_owned(), problem };
        let (label, der) = decode_pem(pem).map_err(bad)?;
        let der = match label {
            Label::Subject => rsa_of_subject(&der).ok_or_else(|| bad("not an RSA key"))?.to_vec(),
            Label::Rsa => der,
        };
        let bits = modulus_bits(&der).ok_or_else(|| bad("not an RSA key"))?;
        if !(MODULUS_BITS_MIN..=MODULUS_BITS_MAX).contains(&bits) {
            return Err(KeyError::Length { name: name.to_owned(), bits });
        }
        Ok(Self { der })
    }

    /// Returns the key as `RSAPublicKey` in DER (PKCS#1).
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns whether the key has made a signature.
    pub fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(algorithm.parameters(), &self.der).verify(signed, signature).is_ok()
    }
}

/// The keys that are trusted, by the names of their files, `alpine-devel@….rsa.pub`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys(BTreeMap<String, Key>);

impl Keys {
    /// Makes an empty set, by which nothing is trusted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key by its file's name and content. The same key may be added again.
    pub fn add(&mut self, name: &str, pem: &[u8]) -> Result<(), KeyError> {
        if !is_file_name(name) {
            return Err(KeyError::Name { name: name.chars().take(NAME_BYTES_MAX).collect() });
        }
        let key = Key::parse(name, pem)?;
        if let Some(old) = self.0.get(name) {
            let same = *old == key;
            return if same { Ok(()) } else { Err(KeyError::Twice { name: name.to_owned() }) };
        }
        if self.0.len() == KEYS_MAX {
            return Err(KeyError::TooMany);
        }
        self.0.insert(name.to_owned(), key);
        Ok(())
    }

    /// Returns a key by its name.
    pub fn get(&self, name: &str) -> Option<&Key> {
        self.0.get(name)
    }

    /// Returns the names and keys, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Key)> {
        self.0.iter().map(|(name, key)| (name.as_str(), key))
    }

    /// Returns whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && !name.contains(|c: char| c == '/' || c.is_control())
}

/// What a PEM file says it has.
#[derive(Debug, Clone, Copy)]
enum Label {
    Subject,
    Rsa,
}

/// Returns the bytes of the one block of a PEM file. What stands around it is a comment.
fn decode_pem(pem: &[u8]) -> Result<(Label, Vec<u8>), &'static str> {
    if pem.len() > FILE_BYTES_MAX {
        return Err("too long");
    }
    let text = std::str::from_utf8(pem).map_err(|_| "not text")?;
    let mut lines = text.lines().map(str::trim_end).skip_while(|line| !is_boundary(line));
    let first = lines.next().ok_or("no PEM block")?;
    let (label, end) = match first {
        "-----BEGIN PUBLIC KEY-----" => (Label::Subject, "-----END PUBLIC KEY-----"),
        "-----BEGIN RSA PUBLIC KEY-----" => (Label::Rsa, "-----END RSA PUBLIC KEY-----"),
        _ if first.contains("PRIVATE KEY") => return Err("this is a private key"),
        _ => return Err("a PEM block of another kind"),
    };
    let mut base64 = String::new();
    loop {
        match lines.next() {
            Some(line) if line == end => break,
            Some(line) if !is_boundary(line) => base64.push_str(line),
            _ => return Err("the PEM block does not end"),
        }
    }
    if lines.any(is_boundary) {
        return Err("more than one PEM block");
    }
    let der = STANDARD.decode(base64).map_err(|_| "bad base64")?;
    Ok((label, der))
}

fn is_boundary(line: &str) -> bool {
    line.starts_with("-----")
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
/// The algorithm `rsaEncryption` with its empty parameters.
const RSA_ENCRYPTION: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/// Returns the `RSAPublicKey` in a `SubjectPublicKeyInfo`, if it has one.
fn rsa_of_subject(der: &[u8]) -> Option<&[u8]> {
    let (info, []) = element(SEQUENCE, der)? else { return None };
    let (algorithm, rest) = element(SEQUENCE, info)?;
    let (bits, []) = element(BIT_STRING, rest)? else { return None };
    // The first byte says how many bits of the last one are not used.
    bits.strip_prefix(b"\0").filter(|_| algorithm == RSA_ENCRYPTION)
}

/// Returns the length of an `RSAPublicKey`'s modulus, if it is one.
fn modulus_bits(der: &[u8]) -> Option<usize> {
    let (key, []) = element(SEQUENCE, der)? else { return None };
    let (modulus, rest) = element(INTEGER, key)?;
    let (exponent, []) = element(INTEGER, rest)? else { return None };
    let (modulus, exponent) = (positive(modulus)?, positive(exponent)?);
    // Even ones are no RSA keys; 1 signs everything.
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !is_odd(modulus) || !is_odd(exponent) || exponent == [1] {
        return None;
    }
    let zeros = usize::try_from(modulus[0].leading_zeros()).ok()?;
    Some(modulus.len() * 8 - zeros)
}

/// Returns a positive integer without the zero that keeps its sign.
fn positive(integer: &[u8]) -> Option<&[u8]> {
    match integer {
        [0, rest @ ..] => rest.first().is_some_and(|byte| byte & 0x80 != 0).then_some(rest),
        [first, ..] => (first & 0x80 == 0).then_some(integer),
        [] => None,
    }
}

/// Splits the content of a DER element from what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, length], mut rest) = der.split_first_chunk::<2>()?;
    let mut size = usize::from(length & 0x7f);
    if length & 0x80 != 0 {
        let (digits, after) = rest.split_at_checked(size).filter(|_| (1..=4).contains(&size))?;
        size = digits.iter().fold(0, |size, &digit| size << 8 | usize::from(digit));
        rest = after;
    }
    (found == tag).then(|| rest.split_at_checked(size)).flatten()
}

#[cfg(test)]
mod tests {
    use hardpan_testkit::apk as testkit;

    use super::*;

    #[test]
    fn keys_are_read_in_both_forms() {
        let key = testkit::Key::new(1);
        let subject = Key::parse(key.name(), key.public_pem().as_bytes()).unwrap();
        let plain = Key::parse(key.name(), key.public_pkcs1_pem().as_bytes()).unwrap();
        assert_eq!(subject, plain);
        let text = format!("a comment\n\n{}\n", key.public_pem().replace('\n', "\r\n"));
        assert_eq!(Key::parse("x", text.as_bytes()).unwrap(), subject);
        let pairs = Algorithm::ALL.into_iter().zip(testkit::Algorithm::ALL);
        for (algorithm, made) in pairs {
            assert_eq!(algorithm.as_str(), made.as_str());
            let mut signature = key.sign(made, b"text");
            assert!(subject.verifies(algorithm, b"text", &signature), "{algorithm}");
            assert!(!subject.verifies(algorithm, b"texu", &signature), "{algorithm}");
            for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert!(!subject.verifies(other, b"text", &signature), "{algorithm} {other}");
            }
            assert!(!subject.verifies(algorithm, b"text", &signature[1..]), "{algorithm}");
            signature[100] ^= 1;
            assert!(!subject.verifies(algorithm, b"text", &signature), "{algorithm}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        let good = testkit::Key::new(1).public_pem();
        let der = STANDARD.decode(good.lines().filter(|l| !is_boundary(l)).collect::<String>());
        let der = der.unwrap();
        let subject = |der: &[u8]| testkit::pem("PUBLIC KEY", der);
        // The last three bytes are the exponent, 65537.
        let with_exponent = |bytes: [u8; 3]| {
            let end = der.len() - 3;
            subject(&[&der[..end], &bytes].concat())
        };
        let mut other_algorithm = der.clone();
        other_algorithm[14] ^= 1;
        for (text, expected) in [
            (String::new(), "no PEM block"),
            ("no key".into(), "no PEM block"),
            (good.replace("END", "DNE"), "the PEM block does not end"),
            (good.replace("-----END", "----END"), "the PEM block does not end"),
            (good.replace("PUBLIC", "EC PUBLIC"), "a PEM block of another kind"),
            (good.replace("PUBLIC", "PRIVATE"), "this is a private key"),
            (good.replacen("PUBLIC", "RSA PUBLIC", 1), "the PEM block does not end"),
            (good.replace("PUBLIC", "RSA PUBLIC"), "not an RSA key"),
            (good.repeat(2), "more than one PEM block"),
            (good.replace("MII", "M*I"), "bad base64"),
            (subject(b""), "not an RSA key"),
            (subject(&der[..der.len() - 1]), "not an RSA key"),
            (subject(&[&der[..], b"\0"].concat()), "not an RSA key"),
            (subject(&other_algorithm), "not an RSA key"),
            (with_exponent([0, 0, 1]), "not an RSA key"),
            (with_exponent([1, 0, 2]), "not an RSA key"),
            (" ".repeat(FILE_BYTES_MAX + 1), "too long"),
        ] {
            let error = Key::parse("k", text.as_bytes()).unwrap_err();
            let KeyError::Pem { name, problem } = &error else { panic!("{error}: {text}") };
            assert_eq!((name.as_str(), *problem), ("k", expected), "{text}");
        }
        assert!(Key::parse("k", b"\xff").is_err());
    }

    #[test]
    fn every_cut_of_a_key_is_refused() {
        let good = testkit::Key::new(2).public_pem();
        // The last line needs no line break.
        for length in 0..good.len() - 1 {
            assert!(Key::parse("k", &good.as_bytes()[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn short_keys_are_refused() {
        let error = Key::parse("old", testkit::Key::short().public_pem().as_bytes()).unwrap_err();
        assert_eq!(error, KeyError::Length { name: "old".into(), bits: 1024 });
        assert_eq!(error.to_string(), "key old has 1024 bits; keys have to have 2048 to 8192");
    }

    #[test]
    fn a_set_has_each_name_once() {
        let (first, second) = (testkit::Key::new(1), testkit::Key::new(2));
        let mut keys = Keys::new();
        assert!(keys.is_empty());
        keys.add("b.rsa.pub", first.public_pem().as_bytes()).unwrap();
        keys.add("b.rsa.pub", first.public_pkcs1_pem().as_bytes()).unwrap();
        keys.add("a.rsa.pub", second.public_pem().as_bytes()).unwrap();
        assert_eq!(
            keys.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["a.rsa.pub", "b.rsa.pub"]
        );
        let error = keys.add("b.rsa.pub", second.public_pem().as_bytes()).unwrap_err();
        assert_eq!(error, KeyError::Twice { name: "b.rsa.pub".into() });
        for name in ["", ".", "..", ".hidden", "a/b", "a\nb", &"x".repeat(256)] {
            let error = keys.add(name, first.public_pem().as_bytes()).unwrap_err();
            assert!(matches!(error, KeyError::Name { .. }), "{name:?}");
        }
        for number in 0..KEYS_MAX - 2 {
            keys.add(&format!("k{number}"), first.public_pem().as_bytes()).unwrap();
        }
        let error = keys.add("more", first.public_pem().as_bytes()).unwrap_err();
        assert_eq!(error, KeyError::TooMany);
    }
}
